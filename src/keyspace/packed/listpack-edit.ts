// Listpack, changes in place: entries as bytes, and gaps for them. The format is drawn in
// listpack.ts. Redis keeps any text that spells an integer of 64 bits as the shortest integer, so
// two servers make the same bytes of the same elements.
//
// The room behind a listpack is the caller's: ask `encodedLength` first, let it grow, then edit. So
// is `touch`. Nothing here can fail half way.

import { assert } from '../../base/assert.ts'
import type { I64 } from '../../base/i64.ts'
import { type ByteRange, copySlice, moveWithin } from '../../base/slice.ts'
import { Int64 } from './int64.ts'
import {
  backlenBytes,
  COUNT_UNKNOWN,
  EMPTY_BYTES,
  entryBytes,
  HEADER_BYTES,
  Head,
  headerCount,
  LAST,
  skipEntries,
  totalBytes,
} from './listpack.ts'
import type { PackedEntry } from './packed.ts'

/** Longest body of an integer with the length behind it. */
export const INTEGER_ENTRY_BYTES_MAX = 10
/** Redis refuses listpacks above this; nobody may make one. */
export const LISTPACK_BYTES_MAX = 0x40000000

/** Writes a listpack without entries, EMPTY_BYTES long. */
export function writeEmpty(bytes: Uint8Array, start: number): void {
  writeU32(bytes, start, EMPTY_BYTES)
  bytes[start + 4] = 0
  bytes[start + 5] = 0
  bytes[start + HEADER_BYTES] = LAST
}

/** Bytes that the text takes as an entry. */
export function encodedLength(text: ByteRange): number {
  if (SCRATCH.parse(text.bytes, text.start, text.length)) return int64Length(SCRATCH)
  return stringLength(text.length)
}

/** Writes the text as an entry; returns the offset after it. */
export function encodeEntry(text: ByteRange, target: Uint8Array, at: number): number {
  if (SCRATCH.parse(text.bytes, text.start, text.length)) return writeInt64(SCRATCH, target, at)
  return writeString(text, target, at)
}

/** Bytes that the text takes without the length behind it. */
export function bodyLength(text: ByteRange): number {
  if (SCRATCH.parse(text.bytes, text.start, text.length)) return int64Length(SCRATCH) - 1
  return stringHeadBytes(text.length) + text.length
}

/** Bytes that an integer takes as an entry. */
export function encodedIntegerLength(value: I64): number {
  SCRATCH.set(value)
  return int64Length(SCRATCH)
}

/** Writes an integer as an entry; returns the offset after it. */
export function encodeInteger(value: I64, target: Uint8Array, at: number): number {
  SCRATCH.set(value)
  return writeInt64(SCRATCH, target, at)
}

/** Bytes that an element of another packed value takes as an entry. */
export function encodedPackedLength(entry: PackedEntry): number {
  return entry.isInteger ? int64Length(entry.int64) : encodedLength(entry)
}

/** Writes an element of another packed value as an entry; returns the offset after it. */
export function encodePacked(entry: PackedEntry, target: Uint8Array, at: number): number {
  if (entry.isInteger) return writeInt64(entry.int64, target, at)
  return encodeEntry(entry, target, at)
}

/**
 * Moves what lies from `tail` to the end by `shift` bytes and corrects the total: `tail` is where
 * an entry goes and `shift` its bytes, or `tail` lies behind entries to remove and `shift` is minus
 * theirs. Returns the new total. The count is left as it is.
 */
export function spliceWithin(
  bytes: Uint8Array,
  start: number,
  tail: number,
  shift: number,
): number {
  const total = totalBytes(bytes, start)
  const limit = start + total
  assert(tail >= start + HEADER_BYTES && tail < limit, 'the tail lies in the listpack')
  assert(tail + shift >= start + HEADER_BYTES, 'the header stays')
  assert(limit + shift <= bytes.length, 'there is room behind the listpack')
  assert(total + shift <= LISTPACK_BYTES_MAX, 'a listpack stays below its limit')
  moveWithin(bytes, tail + shift, tail, limit)
  writeU32(bytes, start, total + shift)
  return total + shift
}

/** Says how many bytes there are, header and end included. */
export function setTotal(bytes: Uint8Array, start: number, total: number): void {
  assert(total >= EMPTY_BYTES && total <= LISTPACK_BYTES_MAX, 'a listpack stays below its limit')
  writeU32(bytes, start, total)
}

/** Says how many entries there are. */
export function setCount(bytes: Uint8Array, start: number, count: number): void {
  assert(count >= 0, 'a count is not negative')
  const known = count < COUNT_UNKNOWN ? count : COUNT_UNKNOWN
  bytes[start + 4] = known
  bytes[start + 5] = known >>> 8
}

/** Counts entries that came or, negative, went. Once unknown a count stays so. */
export function addCount(bytes: Uint8Array, start: number, change: number): void {
  const known = headerCount(bytes, start)
  if (known !== COUNT_UNKNOWN) setCount(bytes, start, known + change)
}

/** Inserts the text before `at`, an entry or `endOf`. Returns the new total. */
export function insertEntry(bytes: Uint8Array, start: number, at: number, text: ByteRange): number {
  const isInteger = SCRATCH.parse(text.bytes, text.start, text.length)
  const length = isInteger ? int64Length(SCRATCH) : stringLength(text.length)
  const total = spliceWithin(bytes, start, at, length)
  const limit = isInteger ? writeInt64(SCRATCH, bytes, at) : writeString(text, bytes, at)
  assert(limit === at + length, 'an entry fills its gap')
  addCount(bytes, start, 1)
  return total
}

/** Adds the text behind the last entry. Returns the new total. */
export function appendEntry(bytes: Uint8Array, start: number, text: ByteRange): number {
  const at = start + totalBytes(bytes, start) - 1
  const isInteger = SCRATCH.parse(text.bytes, text.start, text.length)
  const limit = isInteger ? writeInt64(SCRATCH, bytes, at) : writeString(text, bytes, at)
  const total = limit + 1 - start
  assert(total <= LISTPACK_BYTES_MAX, 'a listpack stays below its limit')
  bytes[limit] = LAST
  writeU32(bytes, start, total)
  addCount(bytes, start, 1)
  return total
}

/**
 * Adds the text before the first entry without a move of any other: the listpack grows towards the
 * front, where the room is the caller's. Returns the new start.
 */
export function prependEntry(bytes: Uint8Array, start: number, text: ByteRange): number {
  const isInteger = SCRATCH.parse(text.bytes, text.start, text.length)
  const length = isInteger ? int64Length(SCRATCH) : stringLength(text.length)
  const made = start - length
  moveHeader(bytes, start, made)
  const at = made + HEADER_BYTES
  const limit = isInteger ? writeInt64(SCRATCH, bytes, at) : writeString(text, bytes, at)
  assert(limit === start + HEADER_BYTES, 'an entry fills its gap')
  addCount(bytes, made, 1)
  return made
}

/** Puts the text in the place of the entry at `at`. Returns the new total. */
export function replaceEntry(
  bytes: Uint8Array,
  start: number,
  at: number,
  text: ByteRange,
): number {
  const isInteger = SCRATCH.parse(text.bytes, text.start, text.length)
  const length = isInteger ? int64Length(SCRATCH) : stringLength(text.length)
  const old = entryBytes(bytes, at)
  let total = totalBytes(bytes, start)
  if (length !== old) total = spliceWithin(bytes, start, at + old, length - old)
  const limit = isInteger ? writeInt64(SCRATCH, bytes, at) : writeString(text, bytes, at)
  assert(limit === at + length, 'an entry fills its gap')
  return total
}

/** Removes `removed` entries, all of them there, from `at` on. Returns the new total. */
export function removeEntries(
  bytes: Uint8Array,
  start: number,
  at: number,
  removed: number,
): number {
  const tail = skipEntries(bytes, at, removed)
  const total = spliceWithin(bytes, start, tail, at - tail)
  addCount(bytes, start, -removed)
  return total
}

/**
 * Removes the first `removed` entries, all of them there, without a move of any other: the listpack
 * shrinks from the front. Returns the new start.
 */
export function dropFirst(bytes: Uint8Array, start: number, removed: number): number {
  const made = skipEntries(bytes, start + HEADER_BYTES, removed) - HEADER_BYTES
  moveHeader(bytes, start, made)
  addCount(bytes, made, -removed)
  return made
}

/** Removes the last entry, which is at `at`. Returns the new total. */
export function dropLast(bytes: Uint8Array, start: number, at: number): number {
  const total = at + 1 - start
  assert(total >= EMPTY_BYTES && bytes[at]! !== LAST, 'the last entry is there')
  bytes[at] = LAST
  writeU32(bytes, start, total)
  addCount(bytes, start, -1)
  return total
}

const SCRATCH = new Int64()

/** Writes the header anew at `made`, which is where the listpack starts now. */
function moveHeader(bytes: Uint8Array, start: number, made: number): void {
  assert(made >= 0, 'there is room before the listpack')
  const total = totalBytes(bytes, start) + start - made
  const count = headerCount(bytes, start)
  assert(total >= EMPTY_BYTES && total <= LISTPACK_BYTES_MAX, 'what is left is a listpack')
  writeU32(bytes, made, total)
  bytes[made + 4] = count
  bytes[made + 5] = count >>> 8
}

function int64Length(value: Int64): number {
  const low = value.low
  if (value.high !== low >> 31) return 10
  if (low >= -4096 && low <= 4095) return low >= 0 && low <= 127 ? 2 : 3
  if (low >= -0x8000 && low <= 0x7fff) return 4
  return low >= -0x800000 && low <= 0x7fffff ? 5 : 6
}

function stringHeadBytes(length: number): number {
  return length < 64 ? 1 : length < 4096 ? 2 : 5
}

function stringLength(length: number): number {
  const body = stringHeadBytes(length) + length
  return body + backlenBytes(body)
}

/** Writes an integer without the length behind it; returns the offset after it. */
export function writeIntegerBody(value: Int64, target: Uint8Array, at: number): number {
  const { low, high } = value
  const length = int64Length(value) - 1
  if (length === 1) {
    target[at] = low
  } else if (length === 2) {
    target[at] = 0xc0 | ((low >>> 8) & 0x1f)
    target[at + 1] = low
  } else {
    // Heads of 16, 24 and 32 bits follow each other as their lengths do.
    target[at] = length === 9 ? Head.Int64 : Head.Int16 + length - 3
    target[at + 1] = low
    target[at + 2] = low >>> 8
    if (length > 3) target[at + 3] = low >>> 16
    if (length > 4) target[at + 4] = low >>> 24
    if (length > 5) writeU32(target, at + 5, high)
  }
  return at + length
}

/** Writes the text without the length behind it; returns the offset after it. */
export function writeBody(text: ByteRange, target: Uint8Array, at: number): number {
  if (SCRATCH.parse(text.bytes, text.start, text.length)) {
    return writeIntegerBody(SCRATCH, target, at)
  }
  return writeStringBody(text, target, at)
}

function writeInt64(value: Int64, target: Uint8Array, at: number): number {
  const limit = writeIntegerBody(value, target, at)
  target[limit] = limit - at
  return limit + 1
}

function writeString(text: ByteRange, target: Uint8Array, at: number): number {
  const limit = writeStringBody(text, target, at)
  return writeBacklen(target, limit, limit - at)
}

function writeStringBody(text: ByteRange, target: Uint8Array, at: number): number {
  const length = text.length
  let body = at
  if (length < 64) {
    target[body++] = 0x80 | length
  } else if (length < 4096) {
    target[body++] = 0xe0 | (length >>> 8)
    target[body++] = length
  } else {
    target[body] = Head.String32
    writeU32(target, body + 1, length)
    body += 5
  }
  copySlice(text, target, body)
  return body + length
}

/** Spells a body's length backwards; returns the offset after it. */
export function writeBacklen(target: Uint8Array, at: number, body: number): number {
  const limit = at + backlenBytes(body)
  let rest = body
  for (let i = limit - 1; i > at; i--) {
    target[i] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[at] = rest
  return limit
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}
