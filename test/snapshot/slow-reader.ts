// For tests: somebody who wants the stream of a snapshot, as a replica will, and takes it at a pace
// that the test sets. While its queue is full the scan stands in `onStall`, where the test may let
// clients go on before anything is taken.
//
// Owner: the test, one thread.

import { FrameQueue, shareFrameQueue } from '../../src/base/frame-queue.ts'
import type { StreamRequest } from '../../src/persist/sink-request.ts'
import { StreamFrame } from '../../src/persist/snapshot/sinks.ts'
import type { SteppedRunner } from '../../src/persist/snapshot/test-runner.ts'

const QUEUE_BYTES = 64 * 1024
const MOUTHFUL_BYTES = 4096

export class SlowReader {
  readonly request: StreamRequest
  /** How it ended; undefined: not yet. */
  error: string | null | undefined = undefined
  /** Times that the scan stood still because nothing was taken. */
  stalls = 0
  /** The last frame says that all is there. */
  isComplete = false
  /** Called while the scan stands still. */
  onStall: () => void = () => undefined
  readonly #queue: FrameQueue
  readonly #parts: Uint8Array[] = []

  /** A reader whose stalls `runner` reports, beside those of others. */
  constructor(runner: SteppedRunner) {
    const queue = shareFrameQueue(QUEUE_BYTES)
    this.#queue = new FrameQueue(queue)
    this.request = {
      queue,
      onCut: () => undefined,
      onEnd: (error) => {
        this.error = error
      },
    }
    const others = runner.onStall
    runner.onStall = (stalled) => {
      // The runner knows the session's end of the queue only: the full one may be another's.
      if (this.#queue.queuedBytes <= QUEUE_BYTES / 2) return others(stalled)
      this.stalls++
      this.onStall()
      this.take(MOUTHFUL_BYTES)
    }
  }

  /** Takes at least `limit` bytes, if there are so many. */
  take(limit: number): void {
    for (let left = limit; left > 0 && this.#queue.next(); ) {
      const { kind, length } = this.#queue
      this.#queue.take((bytes, start, count) => {
        this.#parts.push(bytes.slice(start, start + count))
      })
      if (kind === StreamFrame.End) this.isComplete = true
      left -= Math.max(1, length)
    }
  }

  /** The connection is closed. */
  leave(): void {
    this.#queue.close()
  }

  /** All that has come. */
  bytes(): Uint8Array {
    const joined = Buffer.concat(this.#parts)
    return new Uint8Array(joined.buffer, joined.byteOffset, joined.length).slice()
  }
}
