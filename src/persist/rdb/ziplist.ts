// Ziplist: what listpacks were before Redis 7; in RDB types 10, 12, 13 and in the nodes of 14.
//
//    0         4         8        10                                     bytes − 1
//    +---------+---------+--------+---------+-- … --+------------+------+
//    | bytes   | offset  | count  | entry   |       | last entry | 0xff |   header fields
//    | u32     | of last | u16    |         |       |            |      |   little-endian
//    +---------+---------+--------+---------+-- … --+------------+------+
//
// count is 65535 for "unknown". An entry: length of the entry before it (a byte, or 0xfe and u32),
// then its kind, then the value:
//
//    00llllll · 01llllll l8 · 10______ l32   string, lengths big-endian
//    0xc0 v16 · 0xf0 v24 · 0xd0 v32 · 0xe0 v64 · 0xfe v8   integers, little-endian, signed
//    0xf1 to 0xfd   integer 0 to 12
//
// Reading is for one pass over bytes that `countZiplist` accepted.
// Source: RDB files of Redis ≤ 6.2.

import { assert } from '../../base/assert.ts'
import type { PackedEntry } from '../../keyspace/packed/packed.ts'

/** Instead of a count: the bytes are damaged. */
export const DAMAGED = -1
const HEADER_BYTES = 10
const COUNT_UNKNOWN = 65535
const LAST = 0xff
const LONG_PREVIOUS = 0xfe
const Kind = { Int16: 0xc0, Int32: 0xd0, Int64: 0xe0, Int24: 0xf0, Int8: 0xfe } as const
const SMALL_MIN = 0xf1
const SMALL_MAX = 0xfd

/**
 * Number of entries of `bytes[start, start + length)`, or DAMAGED when that is not one whole
 * ziplist: sizes, counts, offsets and all entries are looked at. Reads nothing beyond the range.
 */
export function countZiplist(bytes: Uint8Array, start: number, length: number): number {
  assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
  if (length < HEADER_BYTES + 1 || readU32(bytes, start) !== length) return DAMAGED
  const limit = start + length - 1
  const last = start + readU32(bytes, start + 4)
  if (bytes[limit]! !== LAST || last > limit) return DAMAGED
  let count = 0
  let previous = 0
  let at = start + HEADER_BYTES
  while (at < limit) {
    const head = previousBytes(bytes, at)
    // The kind, at the least, follows.
    if (bytes[at]! === LAST || at + head >= limit) return DAMAGED
    if (previousLength(bytes, at) !== previous) return DAMAGED
    const value = checkedValueBytes(bytes, at + head, limit)
    if (value === 0 || at + head + value > limit) return DAMAGED
    previous = head + value
    at += previous
    count++
  }
  if (count > 0 && last !== limit - previous) return DAMAGED
  const known = bytes[start + 8]! | (bytes[start + 9]! << 8)
  return known === COUNT_UNKNOWN || known === count ? count : DAMAGED
}

/** Where the first entry is, or the end byte. */
export function firstInZiplist(start: number): number {
  return start + HEADER_BYTES
}

/** Fills `out` with the entry at `at`; returns the offset after it. */
export function readZiplistEntry(bytes: Uint8Array, at: number, out: PackedEntry): number {
  const kind = at + previousBytes(bytes, at)
  const head = bytes[kind]!
  const length = valueBytes(bytes, kind)
  if (head < Kind.Int16) {
    const prefix = head < 0x40 ? 1 : head < 0x80 ? 2 : 5
    out.setString(bytes, kind + prefix, length - prefix)
  } else if (head >= SMALL_MIN && head <= SMALL_MAX) {
    out.setInt32(head - SMALL_MIN)
  } else if (head === Kind.Int64) {
    out.setWords(readU32(bytes, kind + 1), readU32(bytes, kind + 5))
  } else {
    out.setInt32(readShortInteger(bytes, kind))
  }
  return kind + length
}

function readShortInteger(bytes: Uint8Array, kind: number): number {
  const b1 = bytes[kind + 1]!
  // Moved to the top of a word, the sign fills it on the way back.
  if (bytes[kind]! === Kind.Int8) return (b1 << 24) >> 24
  const b2 = bytes[kind + 2]!
  if (bytes[kind]! === Kind.Int16) return ((b1 << 16) | (b2 << 24)) >> 16
  const b3 = bytes[kind + 3]!
  if (bytes[kind]! === Kind.Int24) return ((b1 << 8) | (b2 << 16) | (b3 << 24)) >> 8
  assert(bytes[kind]! === Kind.Int32, 'an entry is of a known kind')
  return readU32(bytes, kind + 1) | 0
}

/** Bytes of the field that tells the length of the entry before. */
function previousBytes(bytes: Uint8Array, at: number): number {
  return bytes[at]! === LONG_PREVIOUS ? 5 : 1
}

function previousLength(bytes: Uint8Array, at: number): number {
  return bytes[at]! === LONG_PREVIOUS ? readU32(bytes, at + 1) : bytes[at]!
}

/** As `valueBytes`, but 0 when the kind is unknown or its length crosses `limit`. */
function checkedValueBytes(bytes: Uint8Array, kind: number, limit: number): number {
  const head = bytes[kind]!
  if (head >= 0x40 && head < 0x80 && kind + 2 > limit) return 0
  if (head >= 0x80 && head < Kind.Int16 && kind + 5 > limit) return 0
  return valueBytes(bytes, kind)
}

/** Bytes of an entry from its kind on; 0 for a kind that there is not. */
function valueBytes(bytes: Uint8Array, kind: number): number {
  const head = bytes[kind]!
  if (head < 0x40) return 1 + head
  if (head < 0x80) return 2 + (((head & 0x3f) << 8) | bytes[kind + 1]!)
  if (head < Kind.Int16) return 5 + readU32BigEndian(bytes, kind + 1)
  if (head >= SMALL_MIN && head <= SMALL_MAX) return 1
  switch (head) {
    case Kind.Int8:
      return 2
    case Kind.Int16:
      return 3
    case Kind.Int24:
      return 4
    case Kind.Int32:
      return 5
    case Kind.Int64:
      return 9
    default:
      return 0
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  const upper = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return (bytes[at]! | (bytes[at + 1]! << 8) | upper) >>> 0
}

function readU32BigEndian(bytes: Uint8Array, at: number): number {
  const upper = (bytes[at]! << 24) | (bytes[at + 1]! << 16)
  return (upper | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
