// A signed 64-bit integer as two words in an object that is filled again and again: how integers
// travel between packed bytes and text. Words stay small integers in V8, where a large number in a
// field would be a heap object per store, and a bigint several.
//
// Text is what Redis prints: no `+`, no leading zero, no `-0`. Both directions cut off nine decimal
// digits and compute the rest in doubles, each step below 2^53.
// Invariant: `low` and `high` are int32; the value is high × 2^32 + (low as u32).

import { assert } from '../../base/assert.ts'
import { INTEGER_LENGTH_MAX, integerLength, writeInteger } from '../../base/bytes.ts'
import type { I64 } from '../../base/i64.ts'

const MINUS = 0x2d
const ZERO = 0x30
const TWO_16 = 0x10000
const TWO_32 = 0x100000000
const NINE_DIGITS = 1e9
/** Digits that are computed in one double. */
const SAFE_DIGITS = 15
/** High words of numbers whose distance from 0 is below 2^53. */
const SAFE_HIGH_LIMIT = 0x200000

export class Int64 {
  low = 0
  high = 0

  /** Takes the value of a safe integer. */
  setNumber(value: number): void {
    this.low = value | 0
    this.high = Math.floor(value / TWO_32) | 0
  }

  set(value: I64): void {
    if (typeof value === 'number') {
      assert(Number.isSafeInteger(value), 'a number is exact')
      this.setNumber(value)
      return
    }
    this.low = Number(BigInt.asIntN(32, value))
    this.high = Number(BigInt.asIntN(32, value >> 32n))
  }

  /** Whether it lies in ±(2^53 − 1), the range of numbers. */
  get isSafe(): boolean {
    const { low, high } = this
    if (high >= SAFE_HIGH_LIMIT) return false
    return high > -SAFE_HIGH_LIMIT || (high === -SAFE_HIGH_LIMIT && low !== 0)
  }

  /** The value; allocates when a number cannot hold it. */
  get value(): I64 {
    if (this.isSafe) return this.high * TWO_32 + (this.low >>> 0)
    return (BigInt(this.high) << 32n) + BigInt(this.low >>> 0)
  }

  /** The nearest double. */
  get double(): number {
    return this.high * TWO_32 + (this.low >>> 0)
  }

  equals(other: Int64): boolean {
    return this.low === other.low && this.high === other.high
  }

  /** Below, at or above 0 as this is below, equal to or above `other`. */
  compare(other: Int64): number {
    if (this.high !== other.high) return this.high < other.high ? -1 : 1
    if (this.low === other.low) return 0
    return this.low >>> 0 < other.low >>> 0 ? -1 : 1
  }

  /** Takes the value of a canonical text; false, and no sensible value, if it is none. */
  parse(bytes: Uint8Array, start: number, length: number): boolean {
    // The first byte rules out nearly all that is not a number.
    if (length === 0 || length > INTEGER_LENGTH_MAX) return false
    let first = bytes[start]!
    if (first > 0x39 || (first < ZERO && first !== MINUS)) return false
    const isNegative = first === MINUS
    const at = isNegative ? start + 1 : start
    const digits = isNegative ? length - 1 : length
    if (digits === 0) return false
    first = bytes[at]!
    if (first === ZERO) {
      this.low = 0
      this.high = 0
      return digits === 1 && !isNegative
    }
    if (digits > SAFE_DIGITS) return this.#parseLong(bytes, at, digits, isNegative)
    const value = parseDigits(bytes, at, at + digits)
    if (value < 0) return false
    this.setNumber(isNegative ? -value : value)
    return true
  }

  /** Characters of the text, sign included. */
  get textLength(): number {
    if (this.isSafe) return integerLength(this.double)
    divide(this)
    return (this.high < 0 ? 1 : 0) + integerLength(quotient) + 9
  }

  /** Writes the text; returns the offset after it. */
  writeText(target: Uint8Array, at: number): number {
    if (this.isSafe) return writeInteger(target, at, this.double)
    divide(this)
    if (this.high < 0) target[at++] = MINUS
    at = writeInteger(target, at, quotient)
    let rest = remainder | 0
    for (let i = at + 8; i >= at; i--) {
      const tenth = (rest / 10) | 0
      target[i] = ZERO + rest - tenth * 10
      rest = tenth
    }
    return at + 9
  }

  /** 16 to 20 characters after the sign. */
  #parseLong(bytes: Uint8Array, at: number, digits: number, isNegative: boolean): boolean {
    if (digits > 19) return false
    const middle = at + digits - 9
    const upper = parseDigits(bytes, at, middle)
    const lower = parseDigits(bytes, middle, at + digits)
    if (upper < 0 || lower < 0) return false
    // upper × 10^9 + lower: upper has at most 34 bits and is multiplied in two parts.
    const product = Math.floor(upper / TWO_16) * NINE_DIGITS
    const sum = (product % TWO_16) * TWO_16 + (upper % TWO_16) * NINE_DIGITS + lower
    const low = sum % TWO_32
    const high = Math.floor(product / TWO_16) + Math.floor(sum / TWO_32)
    if (high > 0x7fffffff) {
      if (!isNegative || high > 0x80000000 || low > 0) return false
    }
    this.low = low | 0
    this.high = high | 0
    if (isNegative) {
      this.high = (~high + (low === 0 ? 1 : 0)) | 0
      this.low = -low | 0
    }
    return true
  }
}

/** The digits from `at` to `limit`, at most 15; −1 when one is none. */
function parseDigits(bytes: Uint8Array, at: number, limit: number): number {
  let value = 0
  for (; at < limit; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

let quotient = 0
let remainder = 0

/** Divides the distance from 0 by 10^9, sixteen bits at a time, into `quotient` and `remainder`. */
function divide(value: Int64): void {
  let low = value.low >>> 0
  let high = value.high >>> 0
  if (value.high < 0) {
    high = (~high + (low === 0 ? 1 : 0)) >>> 0
    low = -low >>> 0
  }
  const first = Math.floor(high / NINE_DIGITS)
  let rest = (high - first * NINE_DIGITS) * TWO_16 + (low >>> 16)
  const second = Math.floor(rest / NINE_DIGITS)
  rest = (rest - second * NINE_DIGITS) * TWO_16 + (low & 0xffff)
  const third = Math.floor(rest / NINE_DIGITS)
  quotient = first * TWO_32 + second * TWO_16 + third
  remainder = rest - third * NINE_DIGITS
}
