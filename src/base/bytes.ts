// ASCII in byte ranges: numbers, words, comparison. Everything takes `(bytes, start, length)` and
// never builds a string on the common path. What counts as a number is what Redis accepts: integers
// without sign +, leading zeros or blanks; doubles as C's strtod reads them, but whole, without
// leading blanks, and never NaN.

import { assert } from './assert.ts'
import { type I64, toI64 } from './i64.ts'

export const EMPTY_BYTES = new Uint8Array(0)

/** The longest i64 in ASCII: `-9223372036854775808`. */
export const INTEGER_LENGTH_MAX = 20
/** The longest double that `formatDouble` makes: `-1.2345678901234567e-308`. */
export const DOUBLE_LENGTH_MAX = 24

const MINUS = 0x2d
const ZERO = 0x30
/** Integers of up to 15 digits are computed in doubles without a look at overflow. */
const SAFE_DIGITS = 15
/** Above this many characters the native copy beats the loop. */
const LOOP_LIMIT = 16

/** The bytes of a text whose characters are all below 256. */
export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  writeLatin1(bytes, 0, text)
  return bytes
}

/** The range as a string, one character per byte: loses nothing, allocates. */
export function textOf(bytes: Uint8Array, start: number, length: number): string {
  assert(start >= 0 && start + length <= bytes.length, 'text outside of its bytes')
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
}

/** Writes one byte per character; returns the offset after them. */
export function writeLatin1(bytes: Uint8Array, at: number, text: string): number {
  const length = text.length
  if (length <= LOOP_LIMIT) {
    for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
  } else {
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).write(text, at, 'latin1')
  }
  return at + length
}

/** Whether the range is `word` in any mixture of cases; `word` itself is lower-case ASCII. */
export function matchesWord(
  bytes: Uint8Array,
  start: number,
  length: number,
  word: Uint8Array,
): boolean {
  if (length !== word.length) return false
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i]!
    // Only letters fold: bit 5 of A–Z is what makes a–z.
    const folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (folded !== word[i]!) return false
  }
  return true
}

/** Copies ASCII A–Z as a–z and all else as it is; returns a new array. */
export function toLowerCase(bytes: Uint8Array, start: number, length: number): Uint8Array {
  const lower = bytes.slice(start, start + length)
  for (let i = 0; i < length; i++) {
    const byte = lower[i]!
    if (byte >= 0x41 && byte <= 0x5a) lower[i] = byte | 0x20
  }
  return lower
}

/**
 * The i64 that the whole range spells, or null. Canonical spelling only: no `+`, blank, leading
 * zero or `-0`. Allocates nothing for safe integers.
 */
export function parseInteger(bytes: Uint8Array, start: number, length: number): I64 | null {
  if (length === 0 || length > INTEGER_LENGTH_MAX) return null
  const limit = start + length
  const isNegative = bytes[start]! === MINUS
  let at = isNegative ? start + 1 : start
  const digits = limit - at
  if (digits === 0) return null
  if (bytes[at]! === ZERO) return digits === 1 && !isNegative ? 0 : null
  if (digits > SAFE_DIGITS) return parseLongInteger(bytes, start, length)
  let value = 0
  for (; at < limit; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}

/** 16 to 20 characters, sign and first digit checked already. */
function parseLongInteger(bytes: Uint8Array, start: number, length: number): I64 | null {
  for (let i = bytes[start]! === MINUS ? 1 : 0; i < length; i++) {
    const digit = bytes[start + i]! - ZERO
    if (digit < 0 || digit > 9) return null
  }
  return toI64(BigInt(textOf(bytes, start, length)))
}

/** The double that the whole range spells as C's strtod would read it, or null; never NaN. */
export function parseDouble(bytes: Uint8Array, start: number, length: number): number | null {
  const integer = parseShortInteger(bytes, start, length)
  if (integer !== null) return integer
  const text = textOf(bytes, start, length)
  if (DECIMAL.test(text)) {
    const value = Number(text)
    // strtod reports a range error; what merely loses digits is accepted.
    if (!Number.isFinite(value)) return null
    return value === 0 && NON_ZERO_DIGIT.test(text) ? null : value
  }
  const infinity = INFINITY.exec(text)
  if (infinity) return infinity[1] === '-' ? -Infinity : Infinity
  return parseHexDouble(text)
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const NON_ZERO_DIGIT = /^[+-]?[0.]*[1-9]/
const INFINITY = /^([+-]?)inf(?:inity)?$/i
const HEX = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i

/** Digits only, few enough to be exact; null for anything else. */
function parseShortInteger(bytes: Uint8Array, start: number, length: number): number | null {
  if (length === 0 || length > SAFE_DIGITS) return null
  const isNegative = bytes[start]! === MINUS
  if (isNegative && length === 1) return null
  let value = 0
  for (let i = isNegative ? 1 : 0; i < length; i++) {
    const digit = bytes[start + i]! - ZERO
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}

/** C's hexadecimal floats: `0x1.8p3` is 12. */
function parseHexDouble(text: string): number | null {
  const parts = HEX.exec(text)
  if (!parts) return null
  const digits = parts[2]! + parts[3]!
  if (digits.length === 0) return null
  // One digit of the fraction is four bits of the exponent.
  const exponent = Number(parts[4] ?? 0) - 4 * parts[3]!.length
  const value = scaleExactly(BigInt(`0x${digits}`), exponent)
  if (!Number.isFinite(value) || (value === 0 && /[1-9a-f]/i.test(digits))) return null
  return parts[1] === '-' ? -value : value
}

/** mantissa × 2^exponent, rounded once, to nearest, ties to even. */
function scaleExactly(mantissa: bigint, exponent: number): number {
  if (mantissa === 0n) return 0
  const bits = mantissa.toString(2).length
  if (bits + exponent > 1024) return Infinity
  if (bits + exponent < -1080) return 0
  if (exponent >= 0) return Number(mantissa << BigInt(exponent))
  // How many bits the result keeps: 53, fewer where doubles become subnormal.
  const kept = Math.min(53, bits + exponent + 1074)
  const dropped = bits - kept
  if (dropped <= 0) return Number(mantissa) * 2 ** exponent
  const half = 1n << BigInt(dropped - 1)
  let rounded = mantissa >> BigInt(dropped)
  const rest = mantissa - (rounded << BigInt(dropped))
  if (rest > half || (rest === half && (rounded & 1n) === 1n)) rounded += 1n
  // The scale is never below −1074, so the factor is exact.
  return Number(rounded) * 2 ** (exponent + dropped)
}

/** How many characters `writeInteger` needs for a safe integer. */
export function integerLength(value: number): number {
  assert(Number.isSafeInteger(value), 'integerLength takes safe integers')
  if (value < 0) return 1 + integerLength(-value)
  let length = 1
  for (let limit = 10; value >= limit; limit *= 10) length++
  return length
}

/** Writes an i64 in ASCII; returns the offset after it. Allocates nothing for safe integers. */
export function writeInteger(bytes: Uint8Array, at: number, value: I64): number {
  if (typeof value === 'bigint') return writeLatin1(bytes, at, value.toString())
  assert(Number.isSafeInteger(value), 'writeInteger takes integers')
  if (value < 0) {
    bytes[at] = MINUS
    return writeInteger(bytes, at + 1, -value)
  }
  if (value < 10) {
    bytes[at] = ZERO + value
    return at + 1
  }
  const limit = at + integerLength(value)
  let end = limit
  // Past 31 bits, the low nine digits go first, so that the loop below divides small integers.
  if (value > 0x7fffffff) {
    const high = Math.floor(value / 1e9)
    writeNineDigits(bytes, end - 9, value - high * 1e9)
    end -= 9
    if (high > 0x7fffffff) {
      writeInteger(bytes, at, high)
      return limit
    }
    value = high
  }
  let rest = value | 0
  while (end > at) {
    const quotient = (rest / 10) | 0
    bytes[--end] = ZERO + rest - quotient * 10
    rest = quotient
  }
  return limit
}

function writeNineDigits(bytes: Uint8Array, at: number, value: number): void {
  let rest = value | 0
  for (let i = 8; i >= 0; i--) {
    const quotient = (rest / 10) | 0
    bytes[at + i] = ZERO + rest - quotient * 10
    rest = quotient
  }
}

/** C's `%.17g`: how Redis 7.0 prints scores and other doubles. */
export function formatDouble(value: number): string {
  if (value === Infinity) return 'inf'
  if (value === -Infinity) return '-inf'
  if (Number.isNaN(value)) return 'nan'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [mantissa = '', power = ''] = value.toExponential(16).split('e')
  const exponent = Number(power)
  // With an odd number of these, all 17 digits end in exactly half a unit more.
  const isHalf = Math.abs(value * 2 ** (17 - exponent)) % 2 === 1
  if (exponent >= -4 && exponent < 17) {
    // toPrecision prints −5 and −6 without exponent, but those do not get here.
    const text = value.toPrecision(17)
    return trimFraction(isHalf ? toEven(text) : text)
  }
  const digits = trimFraction(isHalf ? toEven(mantissa) : mantissa)
  const sign = exponent < 0 ? '-' : '+'
  return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** The last digit, which JavaScript rounds up from an exact half, as C rounds it: to even. */
function toEven(digits: string): string {
  const last = digits.charCodeAt(digits.length - 1) - ZERO
  return last % 2 === 0 ? digits : `${digits.slice(0, -1)}${last - 1}`
}

function trimFraction(text: string): string {
  if (!text.includes('.')) return text
  return text.replace(/\.?0+$/, '')
}

/** Writes `formatDouble(value)`; returns the offset after it. Integers take no string. */
export function writeDouble(bytes: Uint8Array, at: number, value: number): number {
  // Up to 2^53 `%.17g` prints an integer as itself; -0 keeps its sign and goes the long way.
  if (Number.isSafeInteger(value) && (value !== 0 || !Object.is(value, -0))) {
    return writeInteger(bytes, at, value)
  }
  return writeLatin1(bytes, at, formatDouble(value))
}

/** Value of a hexadecimal digit, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= 0x39) return byte - ZERO
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Whether C's isspace says yes in the C locale. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
}
