// What a listpack from outside is like, found in one walk, to tell whether it can be a value as it
// lies: how long its texts are, and whether its *keys* (all entries of a set, every second one of
// what has pairs) are distinct. The listpack has been validated.
//
// Keys are told apart by a table of fingerprints in memory of its own, some nanoseconds a key. It
// compares what is spelled alike; so an entry that our own functions would have spelled otherwise
// (a number as a string, a short string with a long head) makes the whole listpack *irregular*.
// Whoever chooses keys with equal fingerprints makes the walk quadratic, within 8 KiB.
// Results stand in `SURVEY` until the next walk. Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { ByteRange } from '../../base/slice.ts'
import { Int64 } from './int64.ts'
import * as listpack from './listpack.ts'
import { scratchEntry } from './packed.ts'

/** Longer listpacks are not surveyed. */
export const SURVEY_BYTES_MAX = 8192
/** Nor are those with more keys. */
const KEYS_MAX = 1024
const SLOTS_MAX = 2 * KEYS_MAX
const SLOTS_MIN = 16
const LOOP_SLOTS_MAX = 64
const OFFSET_MASK = 0xffff
/** Shortest strings of each longer head. */
const STRING_12_BITS = 64
const STRING_32_BITS = 4096

/** Lengths of the longest texts of numbers of 16, 24, 32 and 64 bits. */
const WIDE_LENGTHS = [6, 8, 11, 20] as const
export const WIDEST_LENGTH = 20

/** What a survey has found. */
export interface Survey {
  /** Keys, and those that are numbers. */
  keys: number
  integers: number
  /**
   * Longest texts, in bytes, of keys and of what lies between them. Numbers count as the longest
   * that are as wide: up to WIDEST_LENGTH the text may be shorter than that.
   */
  longestKey: number
  longestValue: number
}

/** A listpack whose survey may be known: whoever checked it has walked through it already. */
export interface SurveyedRange extends ByteRange {
  /** With the stride of that survey; 0: it is not known. */
  readonly surveyStride?: number
  readonly survey?: Readonly<Survey>
  /** True: the values are whole numbers, each above the one before it. Else it is not known. */
  readonly hasAscendingValues?: boolean
}

/** What the last survey has found. */
export const SURVEY: Survey = { keys: 0, integers: 0, longestKey: 0, longestValue: 0 }

/** By an entry's place: where one with such a fingerprint stands, and more of the fingerprint. */
const TABLE = new Uint32Array(SLOTS_MAX)
const ENTRY = scratchEntry()
const OTHER = scratchEntry()
const SPELLED = new Int64()

/**
 * Fills `SURVEY` from a listpack in which each `stride`-th entry, the first included, is a key;
 * false, and the survey is worth nothing: it is too long, irregular, or has a key twice.
 */
export function survey(bytes: Uint8Array, start: number, stride: number): boolean {
  const total = listpack.totalBytes(bytes, start)
  const count = listpack.headerCount(bytes, start)
  if (total > SURVEY_BYTES_MAX || count > KEYS_MAX * stride) return false
  const slots = slotsFor(count / stride)
  // The loop is faster for the few that nearly all values have.
  if (slots > LOOP_SLOTS_MAX) TABLE.fill(0, 0, slots)
  else for (let i = 0; i < slots; i++) TABLE[i] = 0
  SURVEY.keys = 0
  SURVEY.integers = 0
  SURVEY.longestKey = 0
  SURVEY.longestValue = 0
  const limit = start + total - 1
  for (let at = start + listpack.HEADER_BYTES; at < limit; ) {
    if (!addKey(bytes, start, at, slots)) return false
    at = listpack.placeBehind(bytes, at)
    for (let i = 1; i < stride; i++) {
      assert(at < limit, 'what follows a key is there')
      noteValue(bytes, at)
      at = listpack.placeBehind(bytes, at)
    }
  }
  return true
}

/** `survey` of a listpack whose survey may be known. */
export function surveyRange(range: SurveyedRange, stride: number): boolean {
  const known = range.surveyStride === stride ? range.survey : undefined
  if (known === undefined) return survey(range.bytes, range.start, stride)
  SURVEY.keys = known.keys
  SURVEY.integers = known.integers
  SURVEY.longestKey = known.longestKey
  SURVEY.longestValue = known.longestValue
  return true
}

/** Notes the key at `at`; false: it is irregular, or was there before. */
function addKey(bytes: Uint8Array, start: number, at: number, slots: number): boolean {
  SURVEY.keys++
  const head = bytes[at]!
  let hash: number
  if (head >= 0x80 && head < 0xc0) {
    const length = head & 0x3f
    if (SPELLED.parse(bytes, at + 1, length)) return false
    if (length > SURVEY.longestKey) SURVEY.longestKey = length
    hash = hashOf(bytes, at + 1, length)
  } else {
    listpack.readEntry(bytes, at, ENTRY)
    const length = ENTRY.isInteger ? integerLengthMax(head) : ENTRY.length
    if (length > SURVEY.longestKey) SURVEY.longestKey = length
    if (ENTRY.isInteger) {
      SURVEY.integers++
      hash = mixed(Math.imul(ENTRY.int64.low, 0x9e3779b1) ^ ENTRY.int64.high)
    } else {
      if (!isWellSpelled(bytes, at, length)) return false
      hash = hashOf(bytes, ENTRY.start, length)
    }
  }
  return addFingerprint(bytes, start, { at, hash, slots })
}

/** Puts an entry into the table; false: its key is there. */
function addFingerprint(
  bytes: Uint8Array,
  start: number,
  { at, hash, slots }: { readonly at: number; readonly hash: number; readonly slots: number },
): boolean {
  const mask = slots - 1
  const print = hash & ~OFFSET_MASK
  let slot = hash & mask
  for (let found = TABLE[slot]! | 0; found !== 0; found = TABLE[slot]! | 0) {
    const isAlike = (found & ~OFFSET_MASK) === print
    if (isAlike && isEqual(bytes, at, start + (found & OFFSET_MASK))) return false
    slot = (slot + 1) & mask
  }
  TABLE[slot] = print | (at - start)
  return true
}

function noteValue(bytes: Uint8Array, at: number): void {
  const head = bytes[at]!
  let length = head & 0x3f
  if (head < 0x80 || head > listpack.Head.String32) length = integerLengthMax(head)
  else if (head >= 0xc0) {
    listpack.readEntry(bytes, at, ENTRY)
    length = ENTRY.isInteger ? integerLengthMax(head) : ENTRY.length
  }
  if (length > SURVEY.longestValue) SURVEY.longestValue = length
}

/** Length of the longest text of a number with such a head. */
function integerLengthMax(head: number): number {
  if (head < 0x80) return 3
  if (head < 0xe0) return 5
  return WIDE_LENGTHS[head - listpack.Head.Int16]!
}

/** Whether a string of more than 63 bytes, or one with a longer head than it needs, is as we do. */
function isWellSpelled(bytes: Uint8Array, at: number, length: number): boolean {
  if (bytes[at] === listpack.Head.String32) return length >= STRING_32_BITS
  return length >= STRING_12_BITS
}

function slotsFor(keys: number): number {
  let slots = SLOTS_MIN
  while (slots < 2 * keys) slots *= 2
  return Math.min(slots, SLOTS_MAX)
}

/** Of all bytes, a word at a time: byte by byte, it took a sixth of the time of a load. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = length
  let at = start
  for (const limit = start + length - 3; at < limit; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (const limit = start + length; at < limit; at++) {
    hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  }
  return mixed(hash)
}

function mixed(hash: number): number {
  const half = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return half ^ (half >>> 13)
}

/** Whether two entries that are spelled as we do have the same text. */
function isEqual(bytes: Uint8Array, a: number, b: number): boolean {
  listpack.readEntry(bytes, a, ENTRY)
  listpack.readEntry(bytes, b, OTHER)
  if (ENTRY.isInteger !== OTHER.isInteger) return false
  if (ENTRY.isInteger) return ENTRY.int64.equals(OTHER.int64)
  if (ENTRY.length !== OTHER.length) return false
  for (let i = 0; i < ENTRY.length; i++) {
    if (bytes[ENTRY.start + i]! !== bytes[OTHER.start + i]!) return false
  }
  return true
}
