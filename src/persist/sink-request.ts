// What is asked of a snapshot besides the RDB file: a stream for a replica, a file for the base of
// an append only file or for replicas. `Persistence` says when each gets its cut.

import { FrameQueue, type SharedFrameQueue } from '../base/frame-queue.ts'
import type { FileSinkOptions } from './snapshot/file-sink.ts'
import type { SinkPlan } from './snapshot/sinks.ts'

/** Who is told of the snapshot that was asked for. */
export interface SinkRequest {
  readonly sink: SinkPlan
  /** Whether nobody wants it any more, before there is a cut. */
  readonly isGone?: () => boolean
  /** The cut is open: what the sink gets is the keyspace at this instant. */
  readonly onCut: () => void
  /** How it ended; null: well. */
  readonly onEnd: (error: string | null) => void
}

/** Somebody who wants the stream of a snapshot. */
export interface StreamRequest extends Omit<SinkRequest, 'sink' | 'isGone'> {
  /** Takes the frames of StreamFrame (snapshot/sinks.ts). */
  readonly queue: SharedFrameQueue
}

/** Somebody who wants a snapshot in a file of its own: the base of an append only file. */
export interface FileRequest extends Omit<SinkRequest, 'sink'> {
  readonly file: FileSinkOptions
}

/** The request as the cut sees it. */
export function requestOfStream(stream: StreamRequest): SinkRequest {
  const queue = new FrameQueue(stream.queue)
  return {
    sink: { kind: 'stream', queue: stream.queue },
    isGone: () => queue.isClosed,
    onCut: () => stream.onCut(),
    onEnd: (error) => stream.onEnd(error),
  }
}
