// The best candidates for eviction that samples have met, in the order of their scores. A sample
// alone is a poor approximation of the oldest key; what is left of many samples is a good one.
//
// Between two evictions anything may happen to a candidate. So nothing of it is read before it is
// found again: its record must stand in the dict at a place where its hash leads to. A record that
// does is a live one, and if its score is the same it is as good a choice, even if a key that came
// later has got the same cell. No key is copied for that.
//
// Of candidates with the same score, as keys used in the same second have, that goes first which
// has been a candidate for longest: in that time it was not used.
//
// Invariants: scores rise in the order of `#order` · no record is in it twice with the same
// database.

import { assert } from '../base/assert.ts'
import type { Ptr } from '../memory/layout.ts'

/** As many as Redis keeps. */
export const POOL_SIZE = 16

export interface Candidate {
  /** The higher, the sooner it goes. */
  score: number
  record: Ptr
  /** The key's hash. */
  high: number
  low: number
  database: number
}

export class EvictionPool {
  #count = 0
  /** The columns' indexes in use by rising score, then those that are free. */
  readonly #order = Uint8Array.from({ length: POOL_SIZE }, (_, i) => i)
  readonly #scores = new Float64Array(POOL_SIZE)
  readonly #records = new Uint32Array(POOL_SIZE)
  readonly #highs = new Uint32Array(POOL_SIZE)
  readonly #lows = new Uint32Array(POOL_SIZE)
  readonly #databases = new Uint32Array(POOL_SIZE)

  get count(): number {
    return this.#count
  }

  clear(): void {
    this.#count = 0
  }

  /** Whether a record with that score would be taken. */
  admits(score: number, record: Ptr, database: number): boolean {
    const order = this.#order
    if (this.#count === POOL_SIZE && score <= this.#scores[order[0]!]!) return false
    for (let i = 0; i < this.#count; i++) {
      const at = order[i]!
      if (this.#records[at] === record && this.#databases[at] === database) return false
    }
    return true
  }

  /** Takes a candidate that it admits; the worst one goes when there is no room. */
  add(candidate: Candidate): void {
    const order = this.#order
    const { score } = candidate
    const isFull = this.#count === POOL_SIZE
    assert(!isFull || score > this.#scores[order[0]!]!, 'what is added is better than the worst')
    const slot = isFull ? order[0]! : order[this.#count]!
    let at = isFull ? 0 : this.#count
    if (isFull) {
      for (; at + 1 < POOL_SIZE && this.#scores[order[at + 1]!]! < score; at++) {
        order[at] = order[at + 1]!
      }
    } else {
      for (; at > 0 && score <= this.#scores[order[at - 1]!]!; at--) order[at] = order[at - 1]!
      this.#count++
    }
    order[at] = slot
    this.#scores[slot] = score
    this.#records[slot] = candidate.record
    this.#highs[slot] = candidate.high
    this.#lows[slot] = candidate.low
    this.#databases[slot] = candidate.database
  }

  /** Moves the best one into `out`; false when there is none. */
  take(out: Candidate): boolean {
    if (this.#count === 0) return false
    const at = this.#order[--this.#count]!
    out.score = this.#scores[at]!
    out.record = this.#records[at]!
    out.high = this.#highs[at]!
    out.low = this.#lows[at]!
    out.database = this.#databases[at]!
    return true
  }

  /** Walks the invariant. */
  check(): void {
    for (let i = 1; i < this.#count; i++) {
      const [low, high] = [this.#order[i - 1]!, this.#order[i]!]
      assert(this.#scores[low]! <= this.#scores[high]!, 'scores rise in the order')
    }
  }
}
