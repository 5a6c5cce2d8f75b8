// Intset: sorted distinct integers of one width, for small sets of numbers.
//
//    0            4            8
//    +------------+------------+---------+---------+-- … --+
//    | width u32  | count u32  | member  | member  |       |    all little-endian, members signed,
//    | 2, 4 or 8  |            |         |         |       |    lowest first
//    +------------+------------+---------+---------+-- … --+
//
// Width is that of the widest member there ever was: a wider one widens all (`widenWithin`), and
// nothing narrows them again. So the same commands make the same bytes here and in Redis.
// Source: payloads of Redis 7.0.

import { assert } from '../../base/assert.ts'
import { moveWithin } from '../../base/slice.ts'
import type { Int64 } from './int64.ts'
import type { PackedEntry } from './packed.ts'

export const HEADER_BYTES = 8
/** Width of the members of a new intset. */
export const WIDTH_MIN = 2
const WIDTH_MAX = 8

/** Writes an intset without members, HEADER_BYTES long. */
export function writeEmpty(bytes: Uint8Array, start: number): void {
  writeU32(bytes, start, WIDTH_MIN)
  writeU32(bytes, start + 4, 0)
}

/** Bytes per member: 2, 4 or 8. */
export function widthOf(bytes: Uint8Array, start: number): number {
  return bytes[start]!
}

export function count(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start + 4)
}

/** Bytes of the whole intset. */
export function totalBytes(bytes: Uint8Array, start: number): number {
  return HEADER_BYTES + count(bytes, start) * widthOf(bytes, start)
}

/** Bytes that a member needs at least. */
export function neededWidth(member: Int64): number {
  const { low, high } = member
  if (high !== low >> 31) return 8
  return low >= -0x8000 && low <= 0x7fff ? 2 : 4
}

/** Bytes of the whole intset once `member`, which is not in it, has been inserted. */
export function totalBytesWith(bytes: Uint8Array, start: number, member: Int64): number {
  const width = Math.max(widthOf(bytes, start), neededWidth(member))
  return HEADER_BYTES + (count(bytes, start) + 1) * width
}

/**
 * Index of the member, or, when it is not there, −1 − the index where it belongs. O(log count).
 */
export function find(bytes: Uint8Array, start: number, member: Int64): number {
  const width = widthOf(bytes, start)
  const members = count(bytes, start)
  // What is too wide to be there lies before the first or behind the last.
  if (neededWidth(member) > width) return member.high < 0 ? -1 : -1 - members
  const first = start + HEADER_BYTES
  let from = 0
  let limit = members
  while (from < limit) {
    const middle = (from + limit) >>> 1
    const order = compareAt(bytes, first + middle * width, width, member)
    if (order === 0) return middle
    if (order < 0) from = middle + 1
    else limit = middle
  }
  return -1 - from
}

/** Fills `out` with member `index`. */
export function readMember(bytes: Uint8Array, start: number, index: number, out: Int64): void {
  assert(index >= 0 && index < count(bytes, start), 'the index is that of a member')
  const width = widthOf(bytes, start)
  const at = start + HEADER_BYTES + index * width
  const low = lowAt(bytes, at, width)
  out.low = low
  out.high = width === WIDTH_MAX ? readU32(bytes, at + 4) | 0 : low >> 31
}

/** Fills `out` with member `index`. */
export function readEntry(bytes: Uint8Array, start: number, index: number, out: PackedEntry): void {
  out.isInteger = true
  readMember(bytes, start, index, out.int64)
}

/** Makes all members `width` wide, in place, from the last on. Returns the new total. */
export function widenWithin(bytes: Uint8Array, start: number, width: number): number {
  const old = widthOf(bytes, start)
  const members = count(bytes, start)
  const total = HEADER_BYTES + members * width
  assert(width > old && (width === 4 || width === 8), 'members only grow')
  assert(start + total <= bytes.length, 'there is room behind the intset')
  const first = start + HEADER_BYTES
  for (let i = members - 1; i >= 0; i--) {
    const from = first + i * old
    const low = lowAt(bytes, from, old)
    const to = first + i * width
    writeU32(bytes, to, low)
    if (width === WIDTH_MAX) writeU32(bytes, to + 4, low >> 31)
  }
  bytes[start] = width
  return total
}

/**
 * Inserts a member at the index that `find` gave as −1 − index, and widens all if it must. Needs
 * room for `totalBytesWith`. Returns the new total.
 */
export function insertAt(bytes: Uint8Array, start: number, index: number, member: Int64): number {
  const members = count(bytes, start)
  const needed = neededWidth(member)
  assert(index >= 0 && index <= members, 'the index is between members')
  if (needed > widthOf(bytes, start)) widenWithin(bytes, start, needed)
  const width = widthOf(bytes, start)
  const at = start + HEADER_BYTES + index * width
  const limit = start + HEADER_BYTES + members * width
  assert(limit + width <= bytes.length, 'there is room behind the intset')
  moveWithin(bytes, at + width, at, limit)
  writeMember(bytes, at, width, member)
  writeU32(bytes, start + 4, members + 1)
  return limit + width - start
}

/** Removes member `index`. Returns the new total. */
export function removeAt(bytes: Uint8Array, start: number, index: number): number {
  const members = count(bytes, start)
  assert(index >= 0 && index < members, 'the index is that of a member')
  const width = widthOf(bytes, start)
  const at = start + HEADER_BYTES + index * width
  const limit = start + HEADER_BYTES + members * width
  moveWithin(bytes, at, at + width, limit)
  writeU32(bytes, start + 4, members - 1)
  return limit - width - start
}

/**
 * Whether `bytes[start, start + length)` is one whole intset: sizes and the order of all members.
 * Reads nothing outside of the range. For bytes from outside.
 */
export function validate(bytes: Uint8Array, start: number, length: number): boolean {
  assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
  if (length < HEADER_BYTES) return false
  const width = readU32(bytes, start)
  if (width !== 2 && width !== 4 && width !== 8) return false
  if (HEADER_BYTES + count(bytes, start) * width !== length) return false
  const limit = start + length
  for (let at = start + HEADER_BYTES + width; at < limit; at += width) {
    if (!isAscending(bytes, at, width)) return false
  }
  return true
}

/** Whether the member at `at` is above the one before it. */
function isAscending(bytes: Uint8Array, at: number, width: number): boolean {
  const low = lowAt(bytes, at, width)
  const lowBefore = lowAt(bytes, at - width, width)
  if (width !== WIDTH_MAX) return lowBefore < low
  const high = readU32(bytes, at + 4) | 0
  const highBefore = readU32(bytes, at - 4) | 0
  return highBefore < high || (highBefore === high && lowBefore >>> 0 < low >>> 0)
}

/** Below, at or above 0 as the member at `at` is below, equal to or above `other`. */
function compareAt(bytes: Uint8Array, at: number, width: number, other: Int64): number {
  const low = lowAt(bytes, at, width)
  if (width !== WIDTH_MAX) return low - other.low
  const high = readU32(bytes, at + 4) | 0
  if (high !== other.high) return high - other.high
  return (low >>> 0) - (other.low >>> 0)
}

/** The low word of a member, with the member's sign if it has no other. */
function lowAt(bytes: Uint8Array, at: number, width: number): number {
  if (width === WIDTH_MIN) return ((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16
  return readU32(bytes, at) | 0
}

function writeMember(bytes: Uint8Array, at: number, width: number, member: Int64): void {
  const { low, high } = member
  bytes[at] = low
  bytes[at + 1] = low >>> 8
  if (width === WIDTH_MIN) return
  bytes[at + 2] = low >>> 16
  bytes[at + 3] = low >>> 24
  if (width === WIDTH_MAX) writeU32(bytes, at + 4, high)
}

function readU32(bytes: Uint8Array, at: number): number {
  const upper = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return (bytes[at]! | (bytes[at + 1]! << 8) | upper) >>> 0
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}
