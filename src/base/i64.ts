// Signed 64-bit integers as `number | bigint`. A value that a `number` holds exactly is a `number`,
// any other is a `bigint`: one representation per value, so `===` compares. The safe range is the
// fast path; only the increment family and the parser ever meet the rest.
// Invariant: a bigint of this type lies outside ±(2^53 − 1) and inside [I64_MIN, I64_MAX].

export type I64 = number | bigint

export const I64_MIN = -9223372036854775808n
export const I64_MAX = 9223372036854775807n

/** The one representation of `value`, or null when it does not fit into 64 bits. */
export function toI64(value: bigint): I64 | null {
  if (value < I64_MIN || value > I64_MAX) return null
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

/** a + b, or null on overflow. Allocates nothing while the result is a safe integer. */
export function addI64(a: I64, b: I64): I64 | null {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return toI64(BigInt(a) + BigInt(b))
}

/** a − b, or null on overflow. */
export function subtractI64(a: I64, b: I64): I64 | null {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b
    if (Number.isSafeInteger(difference)) return difference
  }
  return toI64(BigInt(a) - BigInt(b))
}

/** −a, or null for the one value that has no opposite. */
export function negateI64(a: I64): I64 | null {
  return subtractI64(0, a)
}
