// A record: one key with its value, or with the place of its value. Lies in a cell of the arena.
//
//    0            4                then, each only with its flag:
//    +------------+----------------+----------------------+------------+--------------+-----------
//    | type:4     | keyLength:10   | deadline lo, hi      | key ptr    | value ptr    | key bytes
//    | encoding:4 | valueLength:15 | index in Deadlines   | key length | value length | value bytes
//    | clock:24   | flags:7        | (Deadline, 12 bytes, | (KeyOut)   | (ValueOut)   |
//    |            |                | then FieldDeadline)  |            |              |
//    +------------+----------------+----------------------+------------+ or: a root   |
//                                                                      | (Root, 88 b.)|
//    +------------+----------------+----------------------+------------+--------------+-----------
//
// The lowest bits of a word come first in the drawing. keyLength counts only an inline key,
// valueLength only an inline value; what does not fit lies in a span of its own, which names this
// record as its owner. Strings that are whole numbers (encoding Int) are kept as their text.
// All functions take the words or bytes of the record's segment and the record's index in them, so
// that the engine (arena) and the scanner (private copy of a page) read records by the same code.
// Invariant: clock bytes are the upper three of the first word; they may change without touch.

import { assert } from '../base/assert.ts'
import { ROOT_BYTES } from './root.ts'

/** What the user sees; the numbers are RDB's. */
export const Type = { String: 0, List: 1, Set: 2, Zset: 3, Hash: 4, Stream: 6 } as const
export type Type = (typeof Type)[keyof typeof Type]

/**
 * How a value is called, by Redis's names and thresholds. How it lies in memory is another matter:
 * a collection without a root is packed (a listpack, or an intset) whatever it is called.
 */
export const Encoding = {
  Int: 0,
  Embstr: 1,
  Raw: 2,
  Quicklist: 3,
  Listpack: 4,
  Hashtable: 5,
  Intset: 6,
  Skiplist: 7,
  Stream: 8,
  /** A packed hash some of whose fields expire: field, value, deadline in turn. */
  ListpackEx: 9,
} as const
export type Encoding = (typeof Encoding)[keyof typeof Encoding]

export const ENCODING_NAMES = [
  'int',
  'embstr',
  'raw',
  'quicklist',
  'listpack',
  'hashtable',
  'intset',
  'skiplist',
  'stream',
  'listpackex',
] as const
/** Longest string that Redis keeps in one allocation with its object. */
export const EMBSTR_LENGTH_MAX = 44

/** A record has a value out of line or a root, or neither, but never both. */
export const RecordFlag = {
  Deadline: 1,
  KeyOut: 2,
  ValueOut: 4,
  Root: 8,
  /** A hash some of whose fields expire: the earliest deadline of a field, as of the key. */
  FieldDeadline: 16,
} as const
/** The flags that say that a record is in a list of what expires. */
export type ExpiringFlag = typeof RecordFlag.Deadline | typeof RecordFlag.FieldDeadline

export const INLINE_KEY_MAX = 1023
const INLINE_VALUE_MAX = 32767
const FLAGS_SHIFT = 25
const VALUE_LENGTH_SHIFT = 10

/** Bytes before the key, by flags. */
export const HEADER_BYTES = Uint8Array.from({ length: 32 }, (_, flags) => {
  const deadline = flags & RecordFlag.Deadline ? 12 : 0
  const key = flags & RecordFlag.KeyOut ? 8 : 0
  const value = flags & RecordFlag.ValueOut ? 8 : 0
  const root = flags & RecordFlag.Root ? ROOT_BYTES : 0
  const fields = flags & RecordFlag.FieldDeadline ? 12 : 0
  return 8 + deadline + fields + key + value + root
})

/** The second word of a record. */
export function shapeWord(flags: number, keyLength: number, valueLength: number): number {
  assert(keyLength <= INLINE_KEY_MAX && valueLength <= INLINE_VALUE_MAX, 'lengths fit their bits')
  assert(flags >>> 5 === 0, 'flags are five bits')
  return ((flags << FLAGS_SHIFT) | (valueLength << VALUE_LENGTH_SHIFT) | keyLength) >>> 0
}

export function flagsOf(shape: number): number {
  return shape >>> FLAGS_SHIFT
}

/** Length of the inline key; 0 when the key is out of line. */
export function inlineKeyLength(shape: number): number {
  return shape & INLINE_KEY_MAX
}

/** Length of the inline value; 0 when the value is out of line. */
export function inlineValueLength(shape: number): number {
  return (shape >>> VALUE_LENGTH_SHIFT) & INLINE_VALUE_MAX
}

/** Word index, from the record's first word, of the key's Ptr and length. */
export function keyRefWord(flags: number): number {
  const deadline = flags & RecordFlag.Deadline ? DEADLINE_WORDS : 0
  return 2 + deadline + (flags & RecordFlag.FieldDeadline ? DEADLINE_WORDS : 0)
}

/** Word index of the value's Ptr and length. */
export function valueRefWord(flags: number): number {
  return keyRefWord(flags) + (flags & RecordFlag.KeyOut ? 2 : 0)
}

/** Word index of the root; the same place as the value's Ptr would have. */
export function rootWord(flags: number): number {
  assert((flags & RecordFlag.Root) !== 0, 'the record has a root')
  return valueRefWord(flags)
}

/** A deadline in a record: low word, high word, and the record's index in its list. */
export const DEADLINE_WORDS = 3
export const DEADLINE_INDEX = 2

/** Word index of the key's deadline, or of that of the first field. */
export function deadlineWord(flags: number, kind: ExpiringFlag): number {
  if (kind === RecordFlag.Deadline || (flags & RecordFlag.Deadline) === 0) return 2
  return 2 + DEADLINE_WORDS
}

/** The key's deadline in unix ms of the record whose first word is `words[at]`. */
export function readDeadline(words: Uint32Array, at: number): number {
  assert((flagsOf(words[at + 1]!) & RecordFlag.Deadline) !== 0, 'the record has a deadline')
  return words[at + 3]! * 0x100000000 + words[at + 2]!
}

/** The earliest deadline of a field in unix ms, or one before it. */
export function readFieldDeadline(words: Uint32Array, at: number): number {
  const flags = flagsOf(words[at + 1]!)
  assert((flags & RecordFlag.FieldDeadline) !== 0, 'the record has fields with deadlines')
  const word = at + deadlineWord(flags, RecordFlag.FieldDeadline)
  return words[word + 1]! * 0x100000000 + words[word]!
}

export function typeOfWord(word: number): Type {
  return (word & 15) as Type
}

export function encodingOfWord(word: number): Encoding {
  return ((word >>> 4) & 15) as Encoding
}

export function clockOfWord(word: number): number {
  return word >>> 8
}

/** The first word of a record. */
export function headWord(type: Type, encoding: Encoding, clock: number): number {
  assert(clock >>> 24 === 0, 'a clock is 24 bits')
  return ((clock << 8) | (encoding << 4) | type) >>> 0
}
