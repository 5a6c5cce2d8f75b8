// Numbers about numbers: what a benchmark says of its rounds and of its latency samples.
// Percentiles are nearest-rank: always a value that was measured, never an interpolation.

export interface Summary {
  readonly min: number
  readonly median: number
  readonly max: number
  /** One value per round, in the order measured. */
  readonly rounds: readonly number[]
}

/** Minimum, median and maximum of the rounds; at least one round. */
export function summarize(rounds: readonly number[]): Summary {
  if (rounds.length === 0) throw new Error('summarize: no rounds')
  const sorted = [...rounds].sort((a, b) => a - b)
  return {
    min: sorted[0]!,
    median: median(sorted),
    max: sorted[sorted.length - 1]!,
    rounds: rounds.map((value) => rounded(value)),
  }
}

/** The middle value; the mean of the two middle ones when the count is even. NaN when empty. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  if (sorted.length % 2 === 1) return sorted[middle]!
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The nearest-rank percentile, `fraction` in [0, 1]; NaN when empty. O(n log n). */
export function percentile(values: readonly number[], fraction: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.ceil(fraction * sorted.length)
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank - 1))]!
}

/** The largest value; NaN when empty. Takes arrays too long for `Math.max(...)`. */
export function maximum(values: readonly number[]): number {
  let largest = Number.NaN
  for (const value of values) if (!(value <= largest)) largest = value
  return largest
}

/** Four significant digits, whole numbers kept whole: enough for a benchmark's JSON. */
export function rounded(value: number): number {
  if (!Number.isFinite(value) || Number.isInteger(value)) return value
  return Number(value.toPrecision(Math.abs(value) >= 10_000 ? 6 : 4))
}
