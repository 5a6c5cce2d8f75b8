// Gives large dropped buffers back to the system: segments of the arena that FLUSHALL emptied,
// query buffers and replies of hundreds of megabytes. Once a second it compares what all buffers
// take with what arena and snapshot reserve have; while the rest is LIMIT_BYTES above the least it
// ever was, it asks for a collection: at once, then after twice the time of before each time that
// one found nothing, so that live buffers of that size (a slow client's replies) cost one a minute
// in the end. A second after each the C library gives back what lies free in its heap.

import { bufferBytes, collectGarbageSoon } from '../base/heap.ts'
import { forgetScratch } from '../base/slice.ts'
import { trimHeap } from '../base/system-memory.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'

/** A collection holds the engine up for some milliseconds: it must be worth it. */
const LIMIT_BYTES = 64 * 1024 * 1024
const WAIT_STEPS_MAX = 64

export class BufferGarbage {
  readonly #keyspace: Keyspace
  readonly #reserveBytes: () => number
  #lowest: number
  /** Bytes when the last collection was asked for. */
  #before = 0
  /** Steps between the last two collections, and those left until the next one. */
  #waitSteps = 1
  #stepsLeft = 0
  #isTrimDue = false

  /** `reserveBytes` tells what the buffers of snapshots take now. */
  constructor(keyspace: Keyspace, reserveBytes: () => number) {
    this.#keyspace = keyspace
    this.#reserveBytes = reserveBytes
    this.#lowest = this.#others()
  }

  /** Looks once; to be called about once a second. Returns whether it asked for a collection. */
  step(): boolean {
    if (this.#isTrimDue) trimHeap()
    this.#isTrimDue = false
    const outside = this.#others()
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
    this.#isTrimDue = true
    return true
  }

  #others(): number {
    return bufferBytes() - this.#keyspace.arena.mappedBytes - this.#reserveBytes()
  }
}
