// Listpack: strings and integers one after the other, to be walked from both ends: u32 bytes in
// all, u16 count (65535: unknown, walk), entries, 0xff. Little-endian. This file reads; what
// changes a listpack is in listpack-edit.ts. An entry is its body, then the body's length. Bodies:
//
//    0vvvvvvv · 110vvvvv v8               integer 0 to 127 · of 13 bits, two's complement
//    10llllll bytes · 1110llll l8 bytes   string of up to 63 bytes · of up to 4095 bytes
//    11110000 l32 bytes                   string, length little-endian
//    11110001 v16 · 11110010 v24 · 11110011 v32 · 11110100 v64   integers, little-endian
//
// The length behind the body is in groups of seven bits, highest first; all but the first have
// their top bit set, so that who comes from behind knows where to stop. Bodies of 2^14 − 1,
// 2^21 − 1 and 2^28 − 1 bytes take one group more than they need: so Redis has it, so it must be
// skipped.
//
// Text that spells an integer is kept as one; bytes from elsewhere may hold it as a string all the
// same, so comparisons look at both.
// Source: the listpack specification (S. Sanfilippo, 2017); DUMP payloads of Redis 7.0.

import { assert, fail } from '../../base/assert.ts'
import { INTEGER_LENGTH_MAX } from '../../base/bytes.ts'
import type { ByteRange } from '../../base/slice.ts'
import { Int64 } from './int64.ts'
import { type PackedEntry, scratchEntry } from './packed.ts'

/** There is no such entry. */
export const END = -1
export const HEADER_BYTES = 6
/** Length of a listpack without entries. */
export const EMPTY_BYTES = 7
/** A count in the header that says nothing. */
export const COUNT_UNKNOWN = 65535
/** The byte behind the last entry. */
export const LAST = 0xff

/** First bytes of bodies that are followed by a whole little-endian field. */
export const Head = { String32: 0xf0, Int16: 0xf1, Int24: 0xf2, Int32: 0xf3, Int64: 0xf4 } as const

/** Bytes of the whole listpack, header and end included. */
export function totalBytes(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start)
}

/** Number of entries. O(1) below 65535. */
export function count(bytes: Uint8Array, start: number): number {
  const known = headerCount(bytes, start)
  if (known !== COUNT_UNKNOWN) return known
  let walked = 0
  for (let at = start + HEADER_BYTES; bytes[at]! !== LAST; at += entryBytes(bytes, at)) walked++
  return walked
}

/** The count as the header has it: COUNT_UNKNOWN says nothing. */
export function headerCount(bytes: Uint8Array, start: number): number {
  return bytes[start + 4]! | (bytes[start + 5]! << 8)
}

/** Where the next entry would be appended. */
export function endOf(bytes: Uint8Array, start: number): number {
  return start + readU32(bytes, start) - 1
}

export function firstEntry(bytes: Uint8Array, start: number): number {
  const at = start + HEADER_BYTES
  return bytes[at]! === LAST ? END : at
}

export function lastEntry(bytes: Uint8Array, start: number): number {
  return previousEntry(bytes, start, endOf(bytes, start))
}

/** The entry after the one at `at`, or END. */
export function nextEntry(bytes: Uint8Array, at: number): number {
  const next = at + entryBytes(bytes, at)
  return bytes[next]! === LAST ? END : next
}

/** The entry before `at`, which may be `endOf`; or END. */
export function previousEntry(bytes: Uint8Array, start: number, at: number): number {
  if (at <= start + HEADER_BYTES) return END
  let from = at - 1
  let byte = bytes[from]!
  let body = byte & 0x7f
  for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
    assert(from > at - 5, 'a length spelled backwards has five bytes at most')
    byte = bytes[--from]!
    body += (byte & 0x7f) * scale
  }
  const previous = from - body
  assert(previous >= start + HEADER_BYTES, 'entries lie within the listpack')
  return previous
}

/** Entry `index`, negative from the end, or END. Walks from the nearer end. */
export function seek(bytes: Uint8Array, start: number, index: number): number {
  const known = headerCount(bytes, start)
  if (known !== COUNT_UNKNOWN) {
    if (index >= known || index < -known) return END
    if (index >= 0 && index > known >>> 1) index -= known
    else if (index < 0 && -index > known >>> 1) index += known
  }
  if (index < 0) {
    let at = endOf(bytes, start)
    for (; index < 0 && at !== END; index++) at = previousEntry(bytes, start, at)
    return at
  }
  let at = firstEntry(bytes, start)
  for (; index > 0 && at !== END; index--) at = nextEntry(bytes, at)
  return at
}

/** Bytes of the entry at `at`, with the length behind it. */
export function entryBytes(bytes: Uint8Array, at: number): number {
  const body = bodyBytes(bytes, at)
  return body + backlenBytes(body)
}

/** The place behind the entry at `at`: `at + entryBytes`, quickly for short entries. */
export function placeBehind(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!
  if (head < 0x80) return at + 2
  return head < 0xc0 ? at + 2 + (head & 0x3f) : at + entryBytes(bytes, at)
}

/** The place `skip` entries behind the one at `at`, or the end byte's when there are less. */
export function skipEntries(bytes: Uint8Array, at: number, skip: number): number {
  for (; skip > 0 && bytes[at]! !== LAST; skip--) at += entryBytes(bytes, at)
  return at
}

/** Fills `out` with the entry at `at`; returns the next entry or END. */
export function readEntry(bytes: Uint8Array, at: number, out: PackedEntry): number {
  const limit = readBody(bytes, at, out)
  const next = limit + backlenBytes(limit - at)
  return bytes[next]! === LAST ? END : next
}

/** Fills `out` with the entry at `at`; returns the offset behind its body. */
export function readBody(bytes: Uint8Array, at: number, out: PackedEntry): number {
  const head = bytes[at]!
  if (head < 0x80) {
    out.setInt32(head)
    return at + 1
  }
  if (head < 0xc0) {
    const length = head & 0x3f
    out.setString(bytes, at + 1, length)
    return at + 1 + length
  }
  if (head >= 0xe0 && head < 0xf0) {
    const length = ((head & 0x0f) << 8) | bytes[at + 1]!
    out.setString(bytes, at + 2, length)
    return at + 2 + length
  }
  if (head === Head.String32) {
    const length = readU32(bytes, at + 1)
    out.setString(bytes, at + 5, length)
    return at + 5 + length
  }
  out.isInteger = true
  readInteger(bytes, at, out.int64)
  return at + bodyBytes(bytes, at)
}

/**
 * The first entry from `from` on (which may be END) whose text is `wanted`, or END. `skip` entries
 * lie between two candidates: 1 finds fields among fields and values.
 */
export function find(bytes: Uint8Array, from: number, wanted: ByteRange, skip: number): number {
  if (from === END) return END
  const isInteger = PROBE.parse(wanted.bytes, wanted.start, wanted.length)
  let at = from
  while (bytes[at]! !== LAST) {
    if (matches(bytes, at, wanted, isInteger)) return at
    at += entryBytes(bytes, at)
    for (let i = skip; i > 0 && bytes[at]! !== LAST; i--) at += entryBytes(bytes, at)
  }
  return END
}

/** Whether the text of the entry at `at` is `wanted`. */
export function equalsEntry(bytes: Uint8Array, at: number, wanted: ByteRange): boolean {
  const head = bytes[at]!
  const isString = head >= 0x80 && (head < 0xc0 || (head >= 0xe0 && head <= Head.String32))
  if (isString) return matches(bytes, at, wanted, false)
  return PROBE.parse(wanted.bytes, wanted.start, wanted.length) && matches(bytes, at, wanted, true)
}

/** Below, at or above 0 as the entry's text sorts before, with or after `other`, byte by byte. */
export function compareEntry(bytes: Uint8Array, at: number, other: ByteRange): number {
  readEntry(bytes, at, COMPARED)
  if (!COMPARED.isInteger) return compareRanges(COMPARED, other)
  const length = COMPARED.int64.writeText(DIGITS, 0)
  COMPARED.setString(DIGITS, 0, length)
  return compareRanges(COMPARED, other)
}

/**
 * Whether `bytes[start, start + length)` is one whole listpack: sizes, counts and every entry.
 * Reads nothing outside of the range. For bytes from outside.
 */
export function validate(bytes: Uint8Array, start: number, length: number): boolean {
  assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
  if (length < EMPTY_BYTES || totalBytes(bytes, start) !== length) return false
  const limit = start + length - 1
  let entries = 0
  let at = start + HEADER_BYTES
  while (at < limit) {
    const head = bytes[at]!
    if (head < 0xc0) {
      // Small numbers and short strings, which most entries are.
      const body = head < 0x80 ? 1 : 1 + (head & 0x3f)
      if (at + body >= limit || bytes[at + body]! !== body) return false
      at += body + 1
    } else {
      const body = checkedBodyBytes(bytes, at, limit)
      const next = at + body + backlenBytes(body)
      if (body === 0 || next > limit || !isBacklen(bytes, at + body, body)) return false
      at = next
    }
    entries++
  }
  const known = headerCount(bytes, start)
  return bytes[limit]! === LAST && (known === COUNT_UNKNOWN || known === entries)
}

/** Bytes that a body's length takes behind it. */
export function backlenBytes(body: number): number {
  if (body <= 127) return 1
  if (body < 16383) return 2
  if (body < 2097151) return 3
  return body < 268435455 ? 4 : 5
}

/** The integer that wanted text spells, for the comparisons below. */
const PROBE = new Int64()
/** The integer of an entry. */
const FOUND = new Int64()
const COMPARED = scratchEntry()
const DIGITS = new Uint8Array(INTEGER_LENGTH_MAX)

/** Whether the entry's text is `wanted`, whose integer, if it spells one, is in PROBE. */
function matches(bytes: Uint8Array, at: number, wanted: ByteRange, isInteger: boolean): boolean {
  const head = bytes[at]!
  if (head < 0x80) return isInteger && PROBE.low === head && PROBE.high === 0
  if (head < 0xc0) {
    return (head & 0x3f) === wanted.length && startsWith(bytes, at + 1, wanted)
  }
  if (head >= 0xe0 && head < 0xf0) {
    const length = ((head & 0x0f) << 8) | bytes[at + 1]!
    return length === wanted.length && startsWith(bytes, at + 2, wanted)
  }
  if (head === Head.String32) {
    return readU32(bytes, at + 1) === wanted.length && startsWith(bytes, at + 5, wanted)
  }
  if (!isInteger) return false
  readInteger(bytes, at, FOUND)
  return FOUND.low === PROBE.low && FOUND.high === PROBE.high
}

function startsWith(bytes: Uint8Array, at: number, wanted: ByteRange): boolean {
  const other = wanted.bytes
  const from = wanted.start
  const length = wanted.length
  for (let i = 0; i < length; i++) {
    if (bytes[at + i]! !== other[from + i]!) return false
  }
  return true
}

function compareRanges(a: ByteRange, b: ByteRange): number {
  const left = a.bytes
  const right = b.bytes
  const from = a.start
  const to = b.start
  const shared = a.length < b.length ? a.length : b.length
  for (let i = 0; i < shared; i++) {
    const difference = left[from + i]! - right[to + i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Reads an entry that is an integer, of any width. */
function readInteger(bytes: Uint8Array, at: number, out: Int64): void {
  const head = bytes[at]!
  let low = head
  if (head >= 0x80) {
    if (head < 0xe0) {
      // Thirteen bits: moved to the top of a word, their sign fills it on the way back.
      low = (((head & 0x1f) << 27) | (bytes[at + 1]! << 19)) >> 19
    } else if (head === Head.Int16) {
      low = ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 24)) >> 16
    } else if (head === Head.Int24) {
      low = ((bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >> 8
    } else {
      low = readU32(bytes, at + 1) | 0
      if (head === Head.Int64) {
        out.low = low
        out.high = readU32(bytes, at + 5) | 0
        return
      }
      assert(head === Head.Int32, 'an entry is of a known kind')
    }
  }
  out.low = low
  out.high = low >> 31
}

/** Bytes of an entry without the length behind it. */
export function bodyBytes(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!
  if (head < 0x80) return 1
  if (head < 0xc0) return 1 + (head & 0x3f)
  if (head < 0xe0) return 2
  if (head < 0xf0) return 2 + (((head & 0x0f) << 8) | bytes[at + 1]!)
  return wideBodyBytes(bytes, at)
}

function wideBodyBytes(bytes: Uint8Array, at: number): number {
  switch (bytes[at]!) {
    case Head.String32:
      return 5 + readU32(bytes, at + 1)
    case Head.Int16:
      return 3
    case Head.Int24:
      return 4
    case Head.Int32:
      return 5
    case Head.Int64:
      return 9
    default:
      return fail('an entry is of a known kind')
  }
}

/** As `bodyBytes`, but 0 when the entry is of no kind or its body's head crosses `limit`. */
function checkedBodyBytes(bytes: Uint8Array, at: number, limit: number): number {
  const head = bytes[at]!
  if (head > Head.Int64) return 0
  if (head >= 0xe0 && head < 0xf0 && at + 2 > limit) return 0
  if (head === Head.String32 && at + 5 > limit) return 0
  return bodyBytes(bytes, at)
}

/** Whether `body` is spelled backwards from `at` on. */
function isBacklen(bytes: Uint8Array, at: number, body: number): boolean {
  let rest = body
  for (let i = at + backlenBytes(body) - 1; i > at; i--) {
    if (bytes[i]! !== ((rest & 0x7f) | 0x80)) return false
    rest >>>= 7
  }
  return bytes[at]! === rest
}

function readU32(bytes: Uint8Array, at: number): number {
  const upper = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return (bytes[at]! | (bytes[at + 1]! << 8) | upper) >>> 0
}
