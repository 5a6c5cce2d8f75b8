// Whether bytes are the text that Redis would print for a 64-bit integer: digits with an optional
// minus, no plus, no leading zero, within the range of i64. Such strings have the encoding int.

const MINUS = 45
const ZERO = 48
const DIGITS_MAX = 19
const I64_MAX = 9223372036854775807n

/** True for `0`, `-1`, `9223372036854775807`; false for ``, `-0`, `+1`, `01`, ` 1`. */
export function isCanonicalInteger(bytes: Uint8Array, start: number, length: number): boolean {
  const isNegative = length > 0 && bytes[start] === MINUS
  const first = isNegative ? start + 1 : start
  const digits = length - (isNegative ? 1 : 0)
  if (digits < 1 || digits > DIGITS_MAX) return false
  if (bytes[first] === ZERO) return digits === 1 && !isNegative
  for (let i = first; i < first + digits; i++) {
    const digit = bytes[i]! - ZERO
    if (digit < 0 || digit > 9) return false
  }
  return digits < DIGITS_MAX || isInRange(bytes, { first, isNegative })
}

function isInRange(
  bytes: Uint8Array,
  number: { readonly first: number; readonly isNegative: boolean },
): boolean {
  let value = 0n
  for (let i = number.first; i < number.first + DIGITS_MAX; i++) {
    value = value * 10n + BigInt(bytes[i]! - ZERO)
  }
  return value <= I64_MAX + (number.isNegative ? 1n : 0n)
}
