// A small sorted set: a listpack of member, score, member, score … in the order of (score, member),
// lowest first, as Redis keeps it, so that DUMP and RDB take the bytes as they lie.
//
// A score that is a whole number is kept as an integer, others, and -0, as the text that Redis
// prints. All functions work on `(bytes, start)` as those of listpack.ts; places `at` are those of
// members.

import { textOf, writeDouble } from '../../base/bytes.ts'
import type { I64 } from '../../base/i64.ts'
import { type Slice, scratchSlice } from '../../base/slice.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { type PackedEntry, scratchEntry } from '../packed/packed.ts'

/** The longest score as text or integer. */
const SCORE_TEXT_MAX = 32
/** Whole numbers up to this distance from 0 are kept as integers. */
const INTEGER_LIMIT = 2 ** 62

const ENTRY = scratchEntry()
const OTHER = scratchEntry()
const MEMBER = scratchSlice()
const SCORE_BYTES = new Uint8Array(SCORE_TEXT_MAX)
const SCORE = scratchSlice()

/** The score behind the member at `at`. */
export function scoreOf(bytes: Uint8Array, at: number): number {
  const next = listpack.nextEntry(bytes, at)
  return readScore(bytes, next)
}

/** The score that is the entry at `at`. */
function readScore(bytes: Uint8Array, at: number): number {
  // Small whole numbers need no entry.
  const head = bytes[at]!
  if (head < 0x80) return head
  if (head === listpack.Head.Int16) return ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 24)) >> 16
  listpack.readEntry(bytes, at, ENTRY)
  if (ENTRY.isInteger) return ENTRY.int64.double
  const text = textOf(ENTRY.bytes, ENTRY.start, ENTRY.length)
  return parseScore(text)
}

/** A score as Redis spells it, and as old files have it. NaN: it is none. */
export function parseScore(text: string): number {
  const value = Number(text)
  if (!Number.isNaN(value)) return value
  const infinity = /^([+-]?)inf(?:inity)?$/i.exec(text)
  if (infinity === null) return Number.NaN
  return infinity[1] === '-' ? -Infinity : Infinity
}

/** Points `out` at the text of the member at `at`; of a number, valid as long as `entry` is. */
export function readMember(bytes: Uint8Array, at: number, entry: PackedEntry, out: Slice): Slice {
  listpack.readEntry(bytes, at, entry)
  return entry.textInto(out)
}

/** The member behind that at `at`; END when there is none. */
export function nextMember(bytes: Uint8Array, at: number): number {
  return listpack.nextEntry(bytes, listpack.nextEntry(bytes, at))
}

/** The member before `at`, which may be the listpack's end; END when there is none. */
export function previousMember(bytes: Uint8Array, start: number, at: number): number {
  const score = listpack.previousEntry(bytes, start, at)
  return score === listpack.END ? listpack.END : listpack.previousEntry(bytes, start, score)
}

/** Where (score, member) is or would be: a place before which to insert. */
export function placeOf(bytes: Uint8Array, start: number, score: number, member: Slice): number {
  for (let at = listpack.firstEntry(bytes, start); at !== listpack.END; ) {
    const next = listpack.nextEntry(bytes, at)
    const found = readScore(bytes, next)
    if (found > score) return at
    if (found === score && listpack.compareEntry(bytes, at, member) >= 0) return at
    at = listpack.nextEntry(bytes, next)
  }
  return listpack.endOf(bytes, start)
}

/**
 * Whether members with scores, in pairs, stand in their order and scores are as we have them: for
 * listpacks from outside. Where scores are equal, members are compared.
 */
export function isAscending(bytes: Uint8Array, start: number): boolean {
  let before = -1
  let scoreBefore = -Infinity
  const end = listpack.endOf(bytes, start)
  for (let at = start + listpack.HEADER_BYTES; at < end; ) {
    const next = listpack.placeBehind(bytes, at)
    const score = readScore(bytes, next)
    if (!(score >= scoreBefore) || Object.is(score, -0)) return false
    if (score === scoreBefore && before >= 0) {
      if (listpack.compareEntry(bytes, at, readMember(bytes, before, OTHER, MEMBER)) <= 0)
        return false
    }
    before = at
    scoreBefore = score
    at = listpack.placeBehind(bytes, next)
  }
  return true
}

/** Members before the one at `at`. */
export function rankAt(bytes: Uint8Array, start: number, at: number): number {
  let rank = 0
  for (let entry = listpack.firstEntry(bytes, start); entry !== at; rank++) {
    entry = nextMember(bytes, entry)
  }
  return rank
}

/** Members whose score is below, or with `isAfter` not above, a score. */
export function rankOfScore(
  bytes: Uint8Array,
  start: number,
  score: number,
  isAfter: boolean,
): number {
  let rank = 0
  for (let at = listpack.firstEntry(bytes, start); at !== listpack.END; rank++) {
    const next = listpack.nextEntry(bytes, at)
    const found = readScore(bytes, next)
    if (found > score || (found === score && !isAfter)) return rank
    at = listpack.nextEntry(bytes, next)
  }
  return rank
}

/** Members before, or with `isAfter` not behind, one. */
export function rankOfMember(
  bytes: Uint8Array,
  start: number,
  member: Slice,
  isAfter: boolean,
): number {
  let rank = 0
  for (let at = listpack.firstEntry(bytes, start); at !== listpack.END; rank++) {
    const order = listpack.compareEntry(bytes, at, member)
    if (order > 0 || (order === 0 && !isAfter)) return rank
    at = nextMember(bytes, at)
  }
  return rank
}

/** Bytes that a member takes with its score. */
export function pairBytes(member: Slice, score: number): number {
  return edit.encodedLength(member) + scoreBytes(score)
}

/** Bytes that a score takes. */
export function scoreBytes(score: number): number {
  if (isKeptAsInteger(score)) return edit.encodedIntegerLength(integerOf(score))
  return edit.encodedLength(textOfScore(score))
}

/** Writes a member with its score at `at`. */
export function writePair(bytes: Uint8Array, at: number, member: Slice, score: number): void {
  writeScore(bytes, edit.encodeEntry(member, bytes, at), score)
}

/** Writes a score at `at`. */
export function writeScore(bytes: Uint8Array, at: number, score: number): void {
  if (isKeptAsInteger(score)) edit.encodeInteger(integerOf(score), bytes, at)
  else edit.encodeEntry(textOfScore(score), bytes, at)
}

/** Makes the header tell the bytes of the whole listpack. */
export function setTotal(bytes: Uint8Array, start: number, total: number): void {
  bytes[start] = total
  bytes[start + 1] = total >>> 8
  bytes[start + 2] = total >>> 16
  bytes[start + 3] = total >>> 24
}

/** Whether Redis keeps the score in a listpack as an integer. */
export function isKeptAsInteger(score: number): boolean {
  return Number.isInteger(score) && Math.abs(score) <= INTEGER_LIMIT && !Object.is(score, -0)
}

/** A whole number as an integer; allocates beyond 2^53. */
function integerOf(score: number): I64 {
  return Number.isSafeInteger(score) ? score : BigInt(score)
}

function textOfScore(score: number): Slice {
  return SCORE.set(SCORE_BYTES, 0, writeDouble(SCORE_BYTES, 0, score))
}
