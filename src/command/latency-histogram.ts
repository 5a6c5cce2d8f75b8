// Durations of one command, counted in logarithmic buckets: 32 per doubling, so a percentile is
// right within 3 %. 3.7 KiB for a command that was ever called. Durations are kept in nanoseconds,
// 1 ns to 1.07 s; longer ones count as the longest.
//
//   bucket = exponent × 32 + the five bits behind the leading one

import { assert } from '../base/assert.ts'

const SUB_BITS = 5
const SUB_COUNT = 1 << SUB_BITS
const NS_MAX = 2 ** 30 - 1
const BUCKETS = 30 * SUB_COUNT
/** The lowest boundary that `cumulative` reports, 2^10 ns. */
const FIRST_POWER = 10
const LAST_POWER = 30

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0

  /** Calls recorded. */
  get total(): number {
    return this.#total
  }

  record(durationUs: number): void {
    const ns = durationUs * 1000
    const value = ns < 1 ? 1 : ns > NS_MAX ? NS_MAX : ns | 0
    const exponent = 31 - Math.clz32(value)
    const rest = value - (1 << exponent)
    const shift = exponent - SUB_BITS
    const sub = shift >= 0 ? rest >>> shift : rest << -shift
    this.#counts[(exponent << SUB_BITS) + sub]!++
    this.#total++
  }

  /** The duration in µs that `percent` of the calls did not exceed; 0 without calls. */
  percentileUs(percent: number): number {
    const wanted = Math.max(1, Math.ceil((percent / 100) * this.#total))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= wanted && seen > 0) return limitOf(bucket) / 1000
    }
    return 0
  }

  /**
   * Counts of calls up to each power of two, as LATENCY HISTOGRAM shows them: boundaries in µs with
   * the calls at or below; boundaries that add no call are left out.
   */
  cumulative(): [limitUs: number, count: number][] {
    const result: [number, number][] = []
    let seen = 0
    let bucket = 0
    for (let power = FIRST_POWER; power <= LAST_POWER; power++) {
      const before = seen
      for (; bucket < power << SUB_BITS; bucket++) seen += this.#counts[bucket]!
      if (seen > before) result.push([boundaryUs(power), seen])
    }
    assert(seen === this.#total, 'every call is in a bucket')
    return result
  }
}

/** The longest duration of a bucket, in ns. */
function limitOf(bucket: number): number {
  const exponent = bucket >>> SUB_BITS
  const sub = bucket & (SUB_COUNT - 1)
  return Math.floor(2 ** exponent * (1 + (sub + 1) / SUB_COUNT)) - 1
}

/** How Redis labels the boundary 2^power ns: the end of its own bucket there, in whole µs. */
function boundaryUs(power: number): number {
  return Math.floor((2 ** power + 2 ** (power - 7) - 1) / 1000)
}
