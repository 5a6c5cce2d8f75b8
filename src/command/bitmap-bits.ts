// Bits of byte ranges: counted, found, combined. Bit 0 is the highest bit of byte 0, as in Redis.
//
// Long ranges go by words of 32 bits through a view of the same memory: making the view costs what
// a hundred bytes cost in the loop. Words are read in the machine's order, which does not matter
// here: every operation is the same on each byte, and a found word is looked at again by bytes.

import { assert } from '../base/assert.ts'

/** From this length on words pay. */
const WORDS_MIN = 256
const WORD_BYTES = 4

/** Ones in each byte. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0
  for (let rest = byte; rest > 0; rest &= rest - 1) count++
  return count
})

/** How BITOP combines two sources. */
export const BitOperation = { And: 0, Or: 1, Xor: 2, Not: 3 } as const
export type BitOperation = (typeof BitOperation)[keyof typeof BitOperation]

/** The ones in `bytes[start, start + length)`. */
export function countOnes(bytes: Uint8Array, start: number, length: number): number {
  assert(length >= 0 && start + length <= bytes.length, 'bits lie inside their bytes')
  const limit = start + length
  let count = 0
  let at = start
  if (length >= WORDS_MIN) {
    for (; !isAligned(bytes, at); at++) count += ONES[bytes[at]!]!
    const words = wordsFrom(bytes, at, limit)
    count += countInWords(words)
    at += words.length * WORD_BYTES
  }
  for (; at < limit; at++) count += ONES[bytes[at]!]!
  return count
}

/** Index of the first byte from `start` on that is not `skipped` (0 or 0xff); else `limit`. */
export function findOtherByte(
  bytes: Uint8Array,
  start: number,
  limit: number,
  skipped: number,
): number {
  assert(skipped === 0 || skipped === 0xff, 'what is skipped is all zeros or all ones')
  let at = start
  if (limit - start >= WORDS_MIN) {
    for (; !isAligned(bytes, at); at++) if (bytes[at] !== skipped) return at
    const words = wordsFrom(bytes, at, limit)
    const word = skipped === 0 ? 0 : 0xffffffff
    let i = 0
    while (i < words.length && words[i] === word) i++
    at += i * WORD_BYTES
  }
  while (at < limit && bytes[at] === skipped) at++
  return at
}

/** A range of bytes that is combined with another of the same length. */
export interface BitRange {
  readonly bytes: Uint8Array
  readonly start: number
}

/** Combines the first `length` bytes of `target` with those of `source`, into `target`. */
export function combineBits(
  operation: BitOperation,
  target: BitRange,
  source: BitRange,
  length: number,
): void {
  const own = target.bytes
  const other = source.bytes
  const distance = source.start - target.start
  const limit = target.start + length
  assert(limit <= own.length && source.start + length <= other.length, 'bits inside their bytes')
  let at = target.start
  if (length >= WORDS_MIN && areAlike(target, source)) {
    let head = at
    while (!isAligned(own, head)) head++
    combineBytes(operation, own, other, { at, limit: head, distance })
    const words = wordsFrom(own, head, limit)
    combineWords(operation, words, wordsFrom(other, head + distance, limit + distance))
    at = head + words.length * WORD_BYTES
  }
  combineBytes(operation, own, other, { at, limit, distance })
}

/** Turns every bit of `bytes[start, start + length)`. */
export function invertBits(bytes: Uint8Array, start: number, length: number): void {
  assert(start + length <= bytes.length, 'bits lie inside their bytes')
  const limit = start + length
  let at = start
  if (length >= WORDS_MIN) {
    for (; !isAligned(bytes, at); at++) bytes[at] = ~bytes[at]!
    const words = wordsFrom(bytes, at, limit)
    for (let i = 0; i < words.length; i++) words[i] = ~words[i]!
    at += words.length * WORD_BYTES
  }
  for (; at < limit; at++) bytes[at] = ~bytes[at]!
}

function isAligned(bytes: Uint8Array, at: number): boolean {
  return ((bytes.byteOffset + at) & (WORD_BYTES - 1)) === 0
}

/** Whether the ranges meet the bounds of words at the same places. */
function areAlike(target: BitRange, source: BitRange): boolean {
  const first = target.bytes.byteOffset + target.start
  const second = source.bytes.byteOffset + source.start
  return ((first ^ second) & (WORD_BYTES - 1)) === 0
}

/** The whole words from byte `at`, which is aligned, to `limit`. */
function wordsFrom(bytes: Uint8Array, at: number, limit: number): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset + at, (limit - at) >>> 2)
}

/**
 * Ones in words: carry-save adders take eight words to ones, twos, fours and eights, so that only
 * one word in eight is counted (Harley and Seal; Warren, Hacker's Delight, 5-2).
 */
function countInWords(words: Int32Array): number {
  const limit = words.length & ~7
  let ones = 0
  let twos = 0
  let fours = 0
  let eights = 0
  for (let i = 0; i < limit; i += 8) {
    let a = words[i]!
    let b = words[i + 1]!
    let half = ones ^ a
    const twosA = (ones & a) | (half & b)
    ones = half ^ b
    a = words[i + 2]!
    b = words[i + 3]!
    half = ones ^ a
    const twosB = (ones & a) | (half & b)
    ones = half ^ b
    half = twos ^ twosA
    const foursA = (twos & twosA) | (half & twosB)
    twos = half ^ twosB
    a = words[i + 4]!
    b = words[i + 5]!
    half = ones ^ a
    const twosC = (ones & a) | (half & b)
    ones = half ^ b
    a = words[i + 6]!
    b = words[i + 7]!
    half = ones ^ a
    const twosD = (ones & a) | (half & b)
    ones = half ^ b
    half = twos ^ twosC
    const foursB = (twos & twosC) | (half & twosD)
    twos = half ^ twosD
    half = fours ^ foursA
    eights += onesOf((fours & foursA) | (half & foursB))
    fours = half ^ foursB
  }
  let count = eights * 8 + onesOf(fours) * 4 + onesOf(twos) * 2 + onesOf(ones)
  for (let i = limit; i < words.length; i++) count += onesOf(words[i]!)
  return count
}

/** Ones in a word: sums of neighbours, in ever wider fields. */
function onesOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

function combineWords(operation: BitOperation, own: Int32Array, other: Int32Array): void {
  const count = Math.min(own.length, other.length)
  if (operation === BitOperation.And) {
    for (let i = 0; i < count; i++) own[i] = own[i]! & other[i]!
  } else if (operation === BitOperation.Or) {
    for (let i = 0; i < count; i++) own[i] = own[i]! | other[i]!
  } else {
    for (let i = 0; i < count; i++) own[i] = own[i]! ^ other[i]!
  }
}

function combineBytes(
  operation: BitOperation,
  own: Uint8Array,
  other: Uint8Array,
  range: { readonly at: number; readonly limit: number; readonly distance: number },
): void {
  const { at, limit, distance } = range
  if (operation === BitOperation.And) {
    for (let i = at; i < limit; i++) own[i] = own[i]! & other[i + distance]!
  } else if (operation === BitOperation.Or) {
    for (let i = at; i < limit; i++) own[i] = own[i]! | other[i + distance]!
  } else {
    for (let i = at; i < limit; i++) own[i] = own[i]! ^ other[i + distance]!
  }
}
