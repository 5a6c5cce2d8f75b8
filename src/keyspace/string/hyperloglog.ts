// HyperLogLog on bytes: how many different elements were added, within 0.81 %, from 16384 registers
// that each keep the highest rank they met. A sketch is a string, byte for byte that of Redis:
//
//    0        4          5        8                16
//    +--------+----------+--------+----------------+------------------------------
//    | "HYLL" | encoding | unused | cached count   | registers
//    +--------+----------+--------+----------------+------------------------------
//                                   64 bits, little-endian; the highest bit: stale
//
// Encoding 0, dense: 6 bits a register, the lowest bits of a byte first, 12288 bytes.
// Encoding 1, sparse: runs of equal registers; hyperloglog-sparse.ts.
// Sources: Redis documentation, PFADD and PFCOUNT; O. Ertl, "New cardinality estimation algorithms
// for HyperLogLog sketches" (2017), whose estimator Redis has used since version 5.

import { assert } from '../../base/assert.ts'
import { type I64, I64_MAX, toI64 } from '../../base/i64.ts'
import type { Slice } from '../../base/slice.ts'
import { eachRun, RUN } from './hyperloglog-sparse.ts'

export const REGISTER_COUNT = 16384
export const HEADER_BYTES = 16
export const DENSE_BYTES = HEADER_BYTES + (REGISTER_COUNT * 6) / 8
/** Where the cached count stands, and how long it is. */
export const COUNT_AT = 8
export const COUNT_BYTES = 8

export const SketchEncoding = { Dense: 0, Sparse: 1 } as const
const ENCODING_AT = 4
const MAGIC = 0x4c4c5948
const STALE = 0x80
const TWO_32 = 4294967296
const TWO_63 = 2 ** 63

/** Bits of the hash that ranks count. */
const RANK_BITS = 50
/** 1 / (2 ln 2), the constant of Ertl's estimator. */
const ALPHA = 0.7213475204444817

/** How many registers hold each rank of 6 bits. */
const HISTOGRAM = new Uint32Array(64)

/** Whether the value can be a sketch: header, a known encoding, and the length of a dense one. */
export function isSketch({ bytes, start, length }: Slice): boolean {
  if (length < HEADER_BYTES) return false
  for (let i = 0; i < 4; i++) if (bytes[start + i] !== ((MAGIC >>> (i * 8)) & 0xff)) return false
  const encoding = bytes[start + ENCODING_AT]!
  if (encoding === SketchEncoding.Dense) return length === DENSE_BYTES
  return encoding === SketchEncoding.Sparse
}

/** Whether the sketch is dense. */
export function isDense({ bytes, start }: Slice): boolean {
  return bytes[start + ENCODING_AT] === SketchEncoding.Dense
}

/** Writes a header with count 0, not stale. */
export function writeHeader(bytes: Uint8Array, encoding: number): void {
  bytes.fill(0, 0, HEADER_BYTES)
  for (let i = 0; i < 4; i++) bytes[i] = (MAGIC >>> (i * 8)) & 0xff
  setEncoding(bytes, encoding)
}

export function setEncoding(bytes: Uint8Array, encoding: number): void {
  bytes[ENCODING_AT] = encoding
}

/** The count that the sketch had at last; null when elements came since. */
export function cachedCount({ bytes, start }: Slice): I64 | null {
  if (isStale(bytes, start)) return null
  const at = start + COUNT_AT
  let low = 0
  let high = 0
  for (let i = 3; i >= 0; i--) {
    low = low * 256 + bytes[at + i]!
    high = high * 256 + bytes[at + 4 + i]!
  }
  const number = high * TWO_32 + low
  return Number.isSafeInteger(number) ? number : toI64(BigInt(high) * BigInt(TWO_32) + BigInt(low))
}

/** Writes a count as the header keeps it, to `bytes[0, 8)`. */
export function writeCount(bytes: Uint8Array, count: I64): void {
  assert(count >= 0, 'a count is a whole number')
  if (typeof count === 'bigint') return writeLongCount(bytes, count)
  let rest = count
  for (let i = 0; i < COUNT_BYTES; i++) {
    bytes[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

function writeLongCount(bytes: Uint8Array, count: bigint): void {
  for (let i = 0; i < COUNT_BYTES; i++) bytes[i] = Number((count >> BigInt(i * 8)) & 0xffn)
}

/** Whether the cached count of the sketch at `start` is marked as stale. */
export function isStale(bytes: Uint8Array, start: number): boolean {
  return (bytes[start + COUNT_AT + COUNT_BYTES - 1]! & STALE) !== 0
}

/** Marks the cached count of the sketch at `start` as stale. */
export function markStale(bytes: Uint8Array, start: number): void {
  bytes[start + COUNT_AT + COUNT_BYTES - 1]! |= STALE
}

/** Register `index` of the dense sketch at `start`. */
export function denseRegister(bytes: Uint8Array, start: number, index: number): number {
  const bit = index * 6
  const at = start + HEADER_BYTES + (bit >>> 3)
  const shift = bit & 7
  const lower = bytes[at]! >>> shift
  // A register that ends with its byte has no bits in the next, which need not exist.
  return (shift <= 2 ? lower : lower | (bytes[at + 1]! << (8 - shift))) & 63
}

/** Sets register `index` of the dense sketch at `start`. */
export function setDenseRegister(
  bytes: Uint8Array,
  start: number,
  index: number,
  rank: number,
): void {
  assert(index < REGISTER_COUNT && rank < 64, 'a register has six bits')
  const bit = index * 6
  const at = start + HEADER_BYTES + (bit >>> 3)
  const shift = bit & 7
  bytes[at] = (bytes[at]! & ~(63 << shift)) | (rank << shift)
  if (shift <= 2) return
  bytes[at + 1] = (bytes[at + 1]! & ~(63 >>> (8 - shift))) | (rank >>> (8 - shift))
}

/** Raises `registers` to those of the sketch; false when it is damaged. O(registers). */
export function mergeRegisters(registers: Uint8Array, sketch: Slice): boolean {
  assert(registers.length === REGISTER_COUNT, 'a sketch has all registers')
  if (isDense(sketch)) {
    mergeDense(registers, sketch.bytes, sketch.start + HEADER_BYTES)
    return true
  }
  let index = 0
  let at = HEADER_BYTES
  while (at < sketch.length) {
    at = eachRun(sketch, at)
    const limit = index + RUN.length
    if (at < 0 || limit > REGISTER_COUNT) return false
    if (RUN.rank > 0) {
      for (; index < limit; index++) {
        if (registers[index]! < RUN.rank) registers[index] = RUN.rank
      }
    }
    index = limit
  }
  return index === REGISTER_COUNT
}

function mergeDense(registers: Uint8Array, bytes: Uint8Array, start: number): void {
  // Four registers are three bytes.
  for (let i = 0, at = start; i < REGISTER_COUNT; i += 4, at += 3) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    for (let j = 0; j < 4; j++) {
      const rank = (word >>> (j * 6)) & 63
      if (registers[i + j]! < rank) registers[i + j] = rank
    }
  }
}

/** The estimate for a sketch; -1 when it is damaged. O(registers). */
export function countSketch(sketch: Slice): I64 {
  HISTOGRAM.fill(0)
  const { bytes, start, length } = sketch
  if (isDense(sketch)) {
    for (let i = 0, at = start + HEADER_BYTES; i < REGISTER_COUNT; i += 4, at += 3) {
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
      for (let j = 0; j < 24; j += 6) HISTOGRAM[(word >>> j) & 63]!++
    }
    return estimate()
  }
  let total = 0
  let at = HEADER_BYTES
  while (at < length) {
    at = eachRun(sketch, at)
    if (at < 0) return -1
    HISTOGRAM[RUN.rank]! += RUN.length
    total += RUN.length
  }
  return total === REGISTER_COUNT ? estimate() : -1
}

/** The estimate for registers, one a byte. */
export function countRegisters(registers: Uint8Array): I64 {
  HISTOGRAM.fill(0)
  for (let i = 0; i < registers.length; i++) HISTOGRAM[registers[i]!]!++
  return estimate()
}

/**
 * Ertl's improved raw estimator over HISTOGRAM, rounded. Registers that no elements could fill, as
 * a client may write them, are counted up to the largest integer.
 */
function estimate(): I64 {
  const m = REGISTER_COUNT
  let z = m * tau((m - HISTOGRAM[RANK_BITS + 1]!) / m)
  for (let rank = RANK_BITS; rank >= 1; rank--) {
    z += HISTOGRAM[rank]!
    z *= 0.5
  }
  z += m * sigma(HISTOGRAM[0]! / m)
  const count = Math.round((ALPHA * m * m) / z)
  assert(count >= 0, 'an estimate is no negative number')
  if (Number.isSafeInteger(count)) return count
  return count < TWO_63 ? BigInt(count) : I64_MAX
}

/** x + Σ x^(2^k) · 2^(k − 1): corrects for registers that met nothing. */
function sigma(ratio: number): number {
  if (ratio === 1) return Infinity
  let x = ratio
  let y = 1
  let z = x
  let last = NaN
  while (z !== last) {
    x *= x
    last = z
    z += x * y
    y += y
  }
  return z
}

/** The counterpart of sigma for registers that are full. */
function tau(ratio: number): number {
  if (ratio === 0 || ratio === 1) return 0
  let x = ratio
  let y = 1
  let z = 1 - x
  let last = NaN
  while (z !== last) {
    x = Math.sqrt(x)
    last = z
    y *= 0.5
    z -= (1 - x) * (1 - x) * y
  }
  return z / 3
}
