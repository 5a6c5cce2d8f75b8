// Gives large dropped buffers back to the system: segments of the arena that FLUSHALL emptied,
// query buffers and replies of hundreds of megabytes. Once a second it compares what all buffers
// take with what the arena has; while the rest is LIMIT_BYTES above the least it ever was, it asks
// for a collection: at once, then after twice the time of before each time that one found nothing,
// so that live buffers of that size (a slow client's replies) cost one a minute in the end.

import { bufferBytes, collectGarbageSoon } from '../base/heap.ts'
import { forgetScratch } from '../base/slice.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'

const LIMIT_BYTES = 32 * 1024 * 1024
const WAIT_STEPS_MAX = 64

export class BufferGarbage {
  readonly #keyspace: Keyspace
  #lowest: number
  /** Bytes when the last collection was asked for. */
  #before = 0
  /** Steps between the last two collections, and those left until the next one. */
  #waitSteps = 1
  #stepsLeft = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.#lowest = this.#outsideArena()
  }

  /** Looks once; to be called about once a second. Returns whether it asked for a collection. */
  step(): boolean {
    const outside = this.#outsideArena()
    if (Math.abs(outside - this.#before) >= LIMIT_BYTES) {
      // Something large came or went: the next look is soon.
      this.#before = outside
      this.#waitSteps = 1
      this.#stepsLeft = Math.min(this.#stepsLeft, 1)
    }
    this.#lowest = Math.min(this.#lowest, outside)
    if (outside - this.#lowest < LIMIT_BYTES) return false
    if (this.#stepsLeft-- > 0) return false
    this.#stepsLeft = this.#waitSteps
    this.#waitSteps = Math.min(this.#waitSteps * 2, WAIT_STEPS_MAX)
    forgetScratch()
    collectGarbageSoon()
    return true
  }

  #outsideArena(): number {
    return bufferBytes() - this.#keyspace.arena.mappedBytes
  }
}
