// Integers of 1 to 64 bits at any bit of a byte range, the highest bit first: what BITFIELD reads,
// adds and writes. Values are I64, so a number wherever it is safe; only fields wider than 53 bits
// and results out of range meet bigint.

import { assert } from '../base/assert.ts'
import { addI64, type I64, toI64 } from '../base/i64.ts'
import type { Slice } from '../base/slice.ts'

const TWO_32 = 4294967296
/** 2^i by table: `**` takes longer than all the rest of a field. */
const POWERS = Float64Array.from({ length: 65 }, (_, i) => 2 ** i)
/** Up to this many bits every value of a field is a safe integer. */
const SAFE_BITS = 53

/** What a result beyond the field's range becomes. */
export const Overflow = { Wrap: 0, Saturate: 1, Fail: 2 } as const
export type Overflow = (typeof Overflow)[keyof typeof Overflow]

/** The type and the place of a field. */
export interface Field {
  isSigned: boolean
  /** 1 to 64, to 63 when it has no sign. */
  bits: number
  /** Offset of its first bit. */
  offset: number
}

/** The field's value in the bytes of `value`; what is beyond them counts as zeros. */
export function readField(value: Slice, { isSigned, bits, offset }: Field): I64 {
  assert(bits >= 1 && bits <= 64, 'a field has 1 to 64 bits')
  const highBits = Math.max(0, bits - 32)
  let high = highBits > 0 ? readBits(value, offset, highBits) : 0
  const low = readBits(value, offset + highBits, bits - highBits)
  if (highBits === 0) return isSigned && low >= POWERS[bits - 1]! ? low - POWERS[bits]! : low
  if (isSigned && high >= POWERS[highBits - 1]!) high -= POWERS[highBits]!
  const number = high * TWO_32 + low
  if (Number.isSafeInteger(number)) return number
  const exact = toI64(BigInt(high) * BigInt(TWO_32) + BigInt(low))
  assert(exact !== null, 'a field fits into 64 bits')
  return exact
}

/** Writes the low bits of `value` into a field whose bytes all lie in `bytes`. */
export function writeField(bytes: Uint8Array, offset: number, bits: number, value: I64): void {
  assert(offset + bits <= bytes.length * 8, 'the field lies inside its bytes')
  const highBits = Math.max(0, bits - 32)
  if (highBits > 0) writeBits(bytes, offset, highBits, highWord(value))
  const low = typeof value === 'number' ? value >>> 0 : Number(BigInt.asUintN(32, value))
  writeBits(bytes, offset + highBits, bits - highBits, low)
}

/**
 * `value` + `amount` as a field of this type holds it; null when it is out of range and `overflow`
 * is Fail. `value` may be out of range itself.
 */
export function addToField(field: Field, value: I64, amount: I64, overflow: Overflow): I64 | null {
  const { isSigned, bits } = field
  const sum = addI64(value, amount)
  if (bits <= SAFE_BITS && typeof sum === 'number') {
    const max = POWERS[isSigned ? bits - 1 : bits]! - 1
    const min = isSigned ? -max - 1 : 0
    if (sum >= min && sum <= max) return sum
  }
  return addExactly(field, BigInt(value) + BigInt(amount), overflow)
}

function addExactly({ isSigned, bits }: Field, sum: bigint, overflow: Overflow): I64 | null {
  const width = BigInt(bits)
  const max = isSigned ? (1n << (width - 1n)) - 1n : (1n << width) - 1n
  const min = isSigned ? -max - 1n : 0n
  if (sum >= min && sum <= max) return toI64(sum)
  if (overflow === Overflow.Fail) return null
  if (overflow === Overflow.Saturate) return toI64(sum > max ? max : min)
  return toI64(isSigned ? BigInt.asIntN(bits, sum) : BigInt.asUintN(bits, sum))
}

/** Bits 32 to 63 of the two's complement. */
function highWord(value: I64): number {
  if (typeof value === 'number') return Math.floor(value / TWO_32) >>> 0
  return Number(BigInt.asUintN(32, value >> 32n))
}

/** `bits` (≤ 32) bits from bit `offset` on. */
function readBits({ bytes, start, length }: Slice, offset: number, bits: number): number {
  let at = Math.floor(offset / 8)
  let rest = bits
  let used = offset & 7
  let value = 0
  while (rest > 0) {
    const byte = at < length ? bytes[start + at]! : 0
    const taken = Math.min(8 - used, rest)
    // Multiplied, because the result has 32 bits.
    value = value * (1 << taken) + ((byte >>> (8 - used - taken)) & ((1 << taken) - 1))
    rest -= taken
    used = 0
    at++
  }
  return value
}

/** Writes the lowest `bits` (≤ 32) of `value` from bit `offset` on. */
function writeBits(bytes: Uint8Array, offset: number, bits: number, value: number): void {
  let end = offset + bits
  let rest = value
  while (end > offset) {
    const at = Math.floor((end - 1) / 8)
    const taken = Math.min(end - Math.max(offset, at * 8), 8)
    const shift = (8 - (end & 7)) & 7
    const mask = ((1 << taken) - 1) << shift
    bytes[at] = (bytes[at]! & ~mask) | ((rest << shift) & mask)
    rest = taken === 32 ? 0 : rest >>> taken
    end -= taken
  }
}
