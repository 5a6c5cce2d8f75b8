// Decimals as C prints them with `%.4f` and `%.17Lf`: exact, and rounded half to even where a
// double lies in the middle. JavaScript's `toFixed` is exact too, but rounds the middle up.

import { assert } from '../base/assert.ts'

const INTEGER_TEXT_MAX = 1e21

/** `%.{digits}f`; one digit at least. */
export function fixedText(value: number, digits: number): string {
  assert(digits > 0, 'a decimal has digits behind its point')
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Math.abs(value) >= INTEGER_TEXT_MAX) return `${BigInt(value)}.${'0'.repeat(digits)}`
  const text = value.toFixed(digits)
  // The middle of two decimals: an odd multiple of 1/2^(digits + 1).
  if (Math.abs(value * 2 ** (digits + 1)) % 2 !== 1) return signed(value, text)
  const longer = value.toFixed(digits + 1)
  const isOdd = (longer.charCodeAt(longer.length - 2) & 1) === 1
  return signed(value, isOdd ? text : longer.slice(0, -1))
}

/** `%.17Lf` without the zeros at its end, as Redis shows coordinates. */
export function coordinateText(degrees: number): string {
  return fixedText(degrees, 17).replace(/\.?0+$/, '')
}

/** What rounds to 0 keeps its sign. */
function signed(value: number, text: string): string {
  const isNegative = value < 0 || Object.is(value, -0)
  return isNegative && !text.startsWith('-') ? `-${text}` : text
}
