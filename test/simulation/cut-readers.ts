// Those who read the stream of a snapshot as a replica's connection does: some take all there is,
// some a little now and then, some nothing for a while, and some go. What a reader got, when it has
// come well to its end, is a whole RDB file.

import { FrameQueue, type SharedFrameQueue, shareFrameQueue } from '../../src/base/frame-queue.ts'
import { StreamFrame } from '../../src/persist/snapshot/sinks.ts'
import type { Contents } from './model.ts'

/** How often a reader that takes nothing may let a scan wait that can do nothing else. */
const REFUSALS_MAX = 6
/** What it takes then. */
const MOUTHFUL_BYTES = 1000

export class StreamReader {
  readonly shared: SharedFrameQueue
  /** Bytes taken after each event; 0: none. */
  pace: number
  /** What the keyspace held at the cut; null: there was none yet. */
  atCut: Contents | null = null
  /** How the engine says it ended; undefined: not yet. */
  error: string | null | undefined = undefined
  isGone = false
  /** The last frame says that the stream is complete. */
  isComplete = false
  isFailed = false
  readonly #queue: FrameQueue
  readonly #parts: Uint8Array[] = []
  #refusals = 0

  constructor(capacity: number, pace: number) {
    this.shared = shareFrameQueue(capacity)
    this.#queue = new FrameQueue(this.shared)
    this.pace = pace
  }

  /** Takes at least `limit` bytes, if there are so many. */
  take(limit = this.pace): void {
    for (let left = limit; left > 0 && !this.isGone && this.#queue.next(); ) {
      const { kind, length } = this.#queue
      this.#queue.take((bytes, start, count) => {
        this.#parts.push(bytes.slice(start, start + count))
      })
      if (kind === StreamFrame.End) this.isComplete = true
      if (kind === StreamFrame.Failed) this.isFailed = true
      left -= Math.max(1, length)
    }
  }

  /** The scan can do nothing until somebody takes something. */
  stall(): void {
    if (this.pace === 0 && this.#refusals++ % REFUSALS_MAX !== 0) return
    this.take(Math.max(this.pace, MOUTHFUL_BYTES))
  }

  /** The connection is closed. */
  leave(): void {
    this.isGone = true
    this.#queue.close()
  }

  /** What came, all of it. */
  bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}
