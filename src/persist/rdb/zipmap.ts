// Zipmap: small hashes before Redis 2.6; RDB type 9.
//
//    0       1
//    +-------+--------+-------+--------+------+-------+------+-- … --+------+
//    | pairs | length | field | length | free | value | free |       | 0xff |
//    | u8    |        | bytes |        | u8   | bytes | bytes|       |      |
//    +-------+--------+-------+--------+------+-------+------+-- … --+------+
//
// A length is a byte below 254, or 254 and u32 little-endian. `free` counts unused bytes behind a
// value. `pairs` is 254 for "unknown". All fields and values are strings, numbers too.
//
// Reading is for one pass over bytes that `countZipmap` accepted. Source: RDB files of Redis 2.4.

import { assert } from '../../base/assert.ts'
import type { PackedEntry } from '../../keyspace/packed/packed.ts'
import { DAMAGED } from './ziplist.ts'

const PAIRS_UNKNOWN = 254
const LONG_LENGTH = 254
const LAST = 0xff

/**
 * Number of fields and values together of `bytes[start, start + length)`, or DAMAGED when that is
 * not one whole zipmap. Reads nothing outside of the range.
 */
export function countZipmap(bytes: Uint8Array, start: number, length: number): number {
  assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
  if (length < 2) return DAMAGED
  const limit = start + length - 1
  let pairs = 0
  let at = start + 1
  while (at < limit) {
    const value = skipString(bytes, at, limit)
    if (value < 0) return DAMAGED
    const free = skipLength(bytes, value, limit)
    // The count of free bytes follows the length, then the value and they.
    if (free < 0 || free >= limit) return DAMAGED
    at = free + 1 + lengthAt(bytes, value) + bytes[free]!
    if (at > limit) return DAMAGED
    pairs++
  }
  const known = bytes[start]!
  if (bytes[limit]! !== LAST || (known !== PAIRS_UNKNOWN && known !== pairs)) return DAMAGED
  return 2 * pairs
}

/** Where the first field is, or the end byte. */
export function firstInZipmap(start: number): number {
  return start + 1
}

/** Fills `out` with the field at `at`; returns the offset of its value. */
export function readZipmapField(bytes: Uint8Array, at: number, out: PackedEntry): number {
  const length = lengthAt(bytes, at)
  const start = at + lengthBytes(bytes, at)
  out.setString(bytes, start, length)
  return start + length
}

/** Fills `out` with the value at `at`; returns the offset of the next field, or of the end byte. */
export function readZipmapValue(bytes: Uint8Array, at: number, out: PackedEntry): number {
  const length = lengthAt(bytes, at)
  const free = at + lengthBytes(bytes, at)
  out.setString(bytes, free + 1, length)
  return free + 1 + length + bytes[free]!
}

/** The offset after a field, or −1 when it is damaged or not below `limit`. */
function skipString(bytes: Uint8Array, at: number, limit: number): number {
  const start = skipLength(bytes, at, limit)
  if (start < 0) return -1
  const next = start + lengthAt(bytes, at)
  return next < limit ? next : -1
}

/** The offset after a length, or −1 when it is none or crosses `limit`. */
function skipLength(bytes: Uint8Array, at: number, limit: number): number {
  if (at >= limit || bytes[at]! === LAST) return -1
  const next = at + lengthBytes(bytes, at)
  return next <= limit ? next : -1
}

function lengthBytes(bytes: Uint8Array, at: number): number {
  return bytes[at]! < LONG_LENGTH ? 1 : 5
}

function lengthAt(bytes: Uint8Array, at: number): number {
  const length = bytes[at]!
  if (length < LONG_LENGTH) return length
  const upper = (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)
  return (bytes[at + 1]! | (bytes[at + 2]! << 8) | upper) >>> 0
}
