// The engine's end of the line to the snapshot thread. Nothing here waits: the engine sends a job
// and looks for reports in its cron, without relying on events.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { SegmentChange } from './scan-source.ts'
import type { SnapshotJob } from './session.ts'
import type { SnapshotState } from './snapshot.ts'
import type { SnapshotReport, SnapshotRequest } from './snapshot-thread.ts'

/** Where snapshots are made in the background. */
export interface SnapshotRunner {
  start(job: SnapshotJob): void
  /** Tells of segments that came or went, before a job that needs to know. */
  shareSegments(changes: readonly SegmentChange[]): void
  /** Sends how far the engine's scan is; a Resume frame in the output queue must follow. */
  resume(state: SnapshotState): void
  /** The next report, once; null: there is none. */
  poll(): SnapshotReport | null
}

export class SnapshotPort implements SnapshotRunner {
  readonly #port: MessagePort

  constructor(port: MessagePort) {
    this.#port = port
    port.unref()
  }

  start(job: SnapshotJob): void {
    this.#send({ kind: 'start', job })
  }

  shareSegments(changes: readonly SegmentChange[]): void {
    this.#send({ kind: 'segments', changes })
  }

  resume(state: SnapshotState): void {
    this.#send({ kind: 'resume', state })
  }

  poll(): SnapshotReport | null {
    const received = receiveMessageOnPort(this.#port)
    return received ? (received.message as SnapshotReport) : null
  }

  #send(request: SnapshotRequest): void {
    this.#port.postMessage(request)
  }
}
