// Durations of waits, counted in powers of two of microseconds: how many, how long together, the
// longest, and percentiles that are right within a factor of two. 128 bytes, nothing is allocated.
//
//   bucket 0: up to 1 µs    bucket i: more than 2^(i-1), up to 2^i µs    the last: all longer ones

import { assert } from '../base/assert.ts'

const BUCKETS = 32

export class DelayFigures {
  /** Waits that have begun. */
  count = 0
  /** Time of those that have ended, µs. */
  totalUs = 0
  maxUs = 0
  readonly #buckets = new Uint32Array(BUCKETS)
  #ended = 0

  /** Waits that have ended: what the histogram holds. */
  get ended(): number {
    return this.#ended
  }

  /** A wait begins. */
  begin(): void {
    this.count++
  }

  /** A wait has ended after `durationUs`. */
  end(durationUs: number): void {
    assert(durationUs >= 0, 'the clock of waits goes forward')
    assert(this.#ended < this.count, 'what ends has begun')
    this.totalUs += durationUs
    if (durationUs > this.maxUs) this.maxUs = durationUs
    this.#buckets[bucketOf(durationUs)]!++
    this.#ended++
  }

  /** Forgets all waits; `count` of them go on and will end. */
  reset(count: number): void {
    this.count = count
    this.totalUs = 0
    this.maxUs = 0
    this.#ended = 0
    this.#buckets.fill(0)
  }

  /** What `percent` of the waits did not exceed, µs, rounded up to its bucket; 0 without waits. */
  percentileUs(percent: number): number {
    const wanted = Math.max(1, Math.ceil((percent / 100) * this.#ended))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#buckets[bucket]!
      if (seen >= wanted) return Math.min(2 ** bucket, this.maxUs)
    }
    return 0
  }

  /** Waits up to each power of two; boundaries that add none are left out. */
  cumulative(): [limitUs: number, count: number][] {
    const result: [number, number][] = []
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const added = this.#buckets[bucket]!
      if (added === 0) continue
      seen += added
      result.push([2 ** bucket, seen])
    }
    assert(seen === this.#ended, 'every wait is in a bucket')
    return result
  }
}

function bucketOf(durationUs: number): number {
  if (durationUs <= 1) return 0
  if (durationUs > 2 ** (BUCKETS - 2)) return BUCKETS - 1
  return 32 - Math.clz32(Math.ceil(durationUs) - 1)
}
