// The best candidates for eviction that samples have met, in the order of their scores. A sample
// alone is a poor approximation of the oldest key; what is left of many samples is a good one.
//
// Between two evictions anything may happen to a candidate. So nothing of it is read before it is
// found again: its record must stand in the dict at a place where its hash leads to. A record that
// does is a live one, and if its score is the same it is as good a choice, even if a key that came
// later has got the same cell. No key is copied for that.
//
// Invariant: scores rise with the index · no record is in it twice with the same database.

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
    if (this.#count === POOL_SIZE && score <= this.#scores[0]!) return false
    for (let i = 0; i < this.#count; i++) {
      if (this.#records[i] === record && this.#databases[i] === database) return false
    }
    return true
  }

  /** Takes a candidate that it admits; the worst one goes when there is no room. */
  add(candidate: Candidate): void {
    const { score } = candidate
    let at = this.#count
    while (at > 0 && score < this.#scores[at - 1]!) at--
    if (this.#count === POOL_SIZE) {
      assert(at > 0, 'what is added is better than the worst')
      at--
      this.#shift(1, 0, at)
    } else {
      this.#shift(at, at + 1, this.#count - at)
      this.#count++
    }
    this.#scores[at] = score
    this.#records[at] = candidate.record
    this.#highs[at] = candidate.high
    this.#lows[at] = candidate.low
    this.#databases[at] = candidate.database
  }

  /** Moves the best one into `out`; false when there is none. */
  take(out: Candidate): boolean {
    if (this.#count === 0) return false
    const at = --this.#count
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
      assert(this.#scores[i - 1]! <= this.#scores[i]!, 'scores rise with the index')
    }
  }

  /** Moves `count` entries from one index to another. */
  #shift(from: number, to: number, count: number): void {
    if (count === 0) return
    for (const column of this.#columns) column.copyWithin(to, from, from + count)
  }

  readonly #columns: readonly (Float64Array | Uint32Array)[] = [
    this.#scores,
    this.#records,
    this.#highs,
    this.#lows,
    this.#databases,
  ]
}
