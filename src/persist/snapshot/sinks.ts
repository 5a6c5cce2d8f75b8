// Where the bytes of one scan go: files and streams, several at once. A sink that fails drops out
// with its reason and the others go on; when none is left the scan ends.
//
//   file     temporary file, sync, rename (file-sink.ts)
//   stream   a queue in shared memory that the engine empties, into a replica's socket; while it is
//            full the scan waits, and what writers touch meanwhile is spilled
//
// Owner: the snapshot thread; for SAVE the engine.

import { assert } from '../../base/assert.ts'
import { type Disk, systemCode } from '../../base/disk.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import { FrameQueue, type SharedFrameQueue } from '../../base/frame-queue.ts'
import { CommandSink } from './command-sink.ts'
import { FileSink, type FileSinkOptions } from './file-sink.ts'

/** A sink as it is asked for. */
export type SinkPlan =
  | { readonly kind: 'file'; readonly file: FileSinkOptions }
  | { readonly kind: 'stream'; readonly queue: SharedFrameQueue }

/** How one sink ended. */
export type SinkOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string; readonly systemCode: string }

/** Kinds of frames in a stream's queue. */
export const StreamFrame = { Bytes: 0, End: 1, Failed: 2 } as const

interface Sink {
  write(bytes: Uint8Array, start: number, length: number): void
  /** All that may take long of the commit. */
  prepare(): void
  commit(): void
  discard(): void
}

/** What a sink may need of its surroundings. */
export interface SinkHost {
  readonly disk: Disk
  /** Called again and again while a stream takes nothing; throws to end the scan. */
  readonly onStall: (queue: FrameQueue) => void
  /** Called when all is durable and nothing is replaced yet; throws to leave it at that. */
  readonly beforeCommit: () => void
}

export class SinkSet {
  readonly outcomes: (SinkOutcome | null)[]
  readonly #sinks: (Sink | null)[]
  readonly #beforeCommit: () => void

  /** Opens all sinks. Throws StoreError when none can be. */
  constructor(plans: readonly SinkPlan[], host: SinkHost) {
    assert(plans.length > 0, 'a scan is for somebody')
    this.outcomes = plans.map(() => null)
    this.#sinks = plans.map(() => null)
    this.#beforeCommit = host.beforeCommit
    this.#each((i) => {
      const plan = plans[i]!
      this.#sinks[i] = sinkOf(plan, host)
    })
  }

  /** Gives bytes of the stream to all sinks. Throws StoreError when the last one has failed. */
  readonly write = (bytes: Uint8Array, start: number, length: number): void => {
    this.#each((i) => this.#sinks[i]?.write(bytes, start, length))
  }

  /** The stream is complete. Throws StoreError when no sink could be brought to its end. */
  commit(): void {
    this.#each((i) => this.#sinks[i]?.prepare())
    this.#beforeCommit()
    this.#each((i) => {
      this.#sinks[i]?.commit()
      this.outcomes[i] ??= { kind: 'done' }
    })
  }

  /** Gives up those sinks that are not at their end. */
  discard(): void {
    for (const [i, sink] of this.#sinks.entries()) if (this.outcomes[i] === null) sink?.discard()
  }

  /** Does something with each sink that is left, and drops those that fail at it. */
  #each(run: (i: number) => void): void {
    let last: StoreError | null = null
    for (let i = 0; i < this.outcomes.length; i++) {
      if (this.outcomes[i]?.kind === 'failed') continue
      try {
        run(i)
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        last = error
        this.outcomes[i] = {
          kind: 'failed',
          message: error.message,
          systemCode: systemCode(error),
        }
        this.#sinks[i]?.discard()
      }
    }
    if (last !== null && this.outcomes.every((outcome) => outcome?.kind === 'failed')) throw last
  }
}

function sinkOf(plan: SinkPlan, host: SinkHost): Sink {
  if (plan.kind === 'stream') return new StreamSink(new FrameQueue(plan.queue), host.onStall)
  if (plan.file.commandHead === undefined) return new FileSink(host.disk, plan.file)
  return new CommandSink(host.disk, plan.file, host.beforeCommit)
}

class StreamSink implements Sink {
  readonly #queue: FrameQueue
  readonly #onStall: (queue: FrameQueue) => void

  constructor(queue: FrameQueue, onStall: (queue: FrameQueue) => void) {
    this.#queue = queue
    this.#onStall = onStall
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, this.#waitForRoom())
      this.#queue.push(StreamFrame.Bytes, bytes, start + done, part)
      done += part
    }
  }

  prepare(): void {
    this.#waitForRoom()
  }

  commit(): void {
    this.#waitForRoom()
    this.#queue.push(StreamFrame.End, NO_BYTES, 0, 0)
  }

  discard(): void {
    if (!this.#queue.isClosed && this.#queue.room > 0) {
      this.#queue.push(StreamFrame.Failed, NO_BYTES, 0, 0)
    }
  }

  /** Bytes that the queue takes, at least some. */
  #waitForRoom(): number {
    // Small pieces would cost more than they spare; half a queue is never waited for.
    const enough = this.#queue.capacity >> 3
    while (this.#queue.room < enough) {
      if (this.#queue.isClosed) break
      this.#onStall(this.#queue)
    }
    if (this.#queue.isClosed) {
      throw new StoreError(ErrorCode.DiskFailed, 'snapshot stream: its reader has gone')
    }
    return this.#queue.room
  }
}

const NO_BYTES = new Uint8Array(0)
