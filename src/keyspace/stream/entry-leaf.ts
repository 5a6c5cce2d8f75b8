// Leaves of entries, and the cursor that reads them. A leaf holds one listpack in the very form
// that Redis keeps in its stream nodes, so that a snapshot copies it:
//
//    0             20    24               32          48
//    +-------------+-----+----------------+-----------+-- … --+
//    | leaf header | …   | span · 8 spare | master ID | list- |   `count`: live entries
//    | of root.ts  |     |                | 4 words   | pack  |   `used`: bytes of the listpack
//    +-------------+-----+----------------+-----------+-- … --+
//
// A listpack too long for a leaf of 8 pages, because one of its entries is, lies in the span. The
// listpack begins with a master entry, whose ID the leaf has; entries follow:
//
//    master   live · deleted · fields · name of each field · 0
//    entry    flags · ms − master's · sequence − master's · values · count of elements so far
//             or, when its fields are not the master's:
//             flags · ms − … · sequence − … · fields · name, value of each · count as above
//
// Differences wrap at 64 bits. A deleted entry is flagged and stays, as in Redis, until the leaf
// has no live one; then the leaf goes. The last number of an entry leads backwards to its flags.
// Source: DUMP payloads of Redis 7.0.

import { assert } from '../../base/assert.ts'
import { EMPTY_BYTES } from '../../base/bytes.ts'
import type { ByteRange } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../../memory/layout.ts'
import {
  endOf,
  entryBytes,
  firstEntry,
  LAST,
  previousEntry,
  readEntry,
} from '../packed/listpack.ts'
import { type PackedEntry, scratchEntry } from '../packed/packed.ts'
import { LEAF_HEADER_BYTES, LeafWord, nodeWord } from '../root.ts'
import { ID_BYTES, StreamId } from './stream-id.ts'
import { payloadOf } from './word-order.ts'

/** The word of a leaf that holds the span of its listpack, or NULL. */
export const SPAN_WORD = LeafWord.Kind
/** Bytes before the listpack. */
export const LISTPACK_START = LEAF_HEADER_BYTES + ID_BYTES
/** Room left behind a listpack for the two counts of its master entry to grow. */
export const COUNTS_SLACK = 16

export const EntryFlag = { Deleted: 1, SameFields: 2 } as const

/** Elements of an entry besides names, values and their count: flags, two differences. */
export const ENTRY_EXTRAS = 3
const TWO_32 = 0x100000000

const NUMBER = scratchEntry()

/** Walks the entries of a leaf, whether live or deleted, in both directions. */
export class EntryCursor {
  leaf: Ptr = NULL
  /** Where the listpack is. */
  bytes: Uint8Array = EMPTY_BYTES
  start = 0
  /** The master's: ID, entries, fields, offset of the first name, offset of the first entry. */
  readonly master = new StreamId()
  /** Live entries and deleted ones. */
  entries = 0
  masterFields = 0
  masterNames = 0
  firstAt = 0
  /** The current entry: its offset, flags, ID, fields, offset of the first name or value. */
  at = 0
  flags = 0
  readonly id = new StreamId()
  fields = 0
  contentAt = 0
  /** The next field to be read. */
  #name = 0
  #content = 0

  /** Opens a leaf; no entry is current. */
  open(arena: Arena, leaf: Ptr): this {
    const span = nodeWord(arena, leaf, SPAN_WORD)
    this.leaf = leaf
    if (span === NULL) {
      this.bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
      this.start = ((leaf & PTR_SEGMENT_MASK) << 3) + LISTPACK_START
    } else {
      this.bytes = arena.contiguousBytes(span)
      this.start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
    }
    this.master.setWords(arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!, payloadOf(leaf))
    return this.#readMaster()
  }

  /** Opens a listpack that lies anywhere, whose master has this ID. */
  openBytes(master: StreamId, bytes: Uint8Array, start: number): this {
    this.leaf = NULL
    this.bytes = bytes
    this.start = start
    this.master.setTo(master)
    return this.#readMaster()
  }

  get isDeleted(): boolean {
    return (this.flags & EntryFlag.Deleted) !== 0
  }

  get hasMasterFields(): boolean {
    return (this.flags & EntryFlag.SameFields) !== 0
  }

  /** Makes the first entry current; false: there is none. */
  first(): boolean {
    return this.#readAt(this.firstAt)
  }

  /** Makes the entry behind the current one current; false: there is none. */
  next(): boolean {
    return this.#readAt(this.behind())
  }

  /** Makes the last entry current; false: there is none. */
  last(): boolean {
    return this.#readBefore(endOf(this.bytes, this.start))
  }

  /** Makes the entry before the current one current; false: there is none. */
  previous(): boolean {
    return this.#readBefore(this.at)
  }

  /** Makes the first entry that is not before `id` current; false: there is none. */
  seek(id: StreamId): boolean {
    for (let found = this.first(); found; found = this.next()) {
      if (this.id.compare(id) >= 0) return true
    }
    return false
  }

  /** Makes the last entry that is not behind `id` current; false: there is none. */
  seekBack(id: StreamId): boolean {
    for (let found = this.last(); found; found = this.previous()) {
      if (this.id.compare(id) <= 0) return true
    }
    return false
  }

  /** Where the element behind the current entry begins. */
  behind(): number {
    const { bytes } = this
    let at = this.contentAt
    const elements = this.hasMasterFields ? this.fields : 2 * this.fields
    for (let i = 0; i < elements; i++) at += entryBytes(bytes, at)
    return at + entryBytes(bytes, at)
  }

  /** Goes before the first field of the current entry. */
  openFields(): void {
    this.#name = this.hasMasterFields ? this.masterNames : this.contentAt
    this.#content = this.contentAt
  }

  /** Reads the next of `fields` fields. */
  readField(name: PackedEntry, value: PackedEntry): void {
    if (this.hasMasterFields) {
      this.#name = readEntry(this.bytes, this.#name, name)
      this.#content = readEntry(this.bytes, this.#content, value)
    } else {
      const valueAt = readEntry(this.bytes, this.#content, name)
      this.#content = readEntry(this.bytes, valueAt, value)
    }
  }

  #readMaster(): this {
    const { bytes } = this
    let at = firstEntry(bytes, this.start)
    assert(at >= 0, 'a listpack of a stream has a master')
    at = readEntry(bytes, at, NUMBER)
    this.entries = NUMBER.int64.low
    at = readEntry(bytes, at, NUMBER)
    this.entries += NUMBER.int64.low
    const next = readEntry(bytes, at, NUMBER)
    this.masterFields = NUMBER.int64.low
    this.masterNames = next
    at = next
    for (let i = this.masterFields; i >= 0; i--) at += entryBytes(bytes, at)
    this.firstAt = at
    this.at = at
    return this
  }

  #readAt(at: number): boolean {
    const { bytes } = this
    this.at = at
    if (bytes[at]! === LAST) return false
    at = readNumber(bytes, at)
    this.flags = low
    const { master, id } = this
    at = readNumber(bytes, at)
    addDifference(master.words, id.words, 0)
    at = readNumber(bytes, at)
    addDifference(master.words, id.words, 2)
    this.fields = this.masterFields
    if (!this.hasMasterFields) {
      at = readNumber(bytes, at)
      this.fields = low
    }
    this.contentAt = at
    return true
  }

  #readBefore(limit: number): boolean {
    if (limit === this.firstAt) {
      this.at = limit
      return false
    }
    let at = previousEntry(this.bytes, this.start, limit)
    readEntry(this.bytes, at, NUMBER)
    for (let i = NUMBER.int64.low; i > 0; i--) at = previousEntry(this.bytes, this.start, at)
    return this.#readAt(at)
  }
}

/** The number that `readNumber` read, as int32 words. */
let low = 0
let high = 0

/** Reads an integer element; returns the offset behind it. Nearly all have one byte or two. */
function readNumber(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!
  if (head < 0x80) {
    low = head
    high = 0
    return at + 2
  }
  if (head >= 0xc0 && head < 0xe0) {
    // Thirteen bits, moved to the top of a word and back for their sign.
    low = (((head & 0x1f) << 27) | (bytes[at + 1]! << 19)) >> 19
    high = low >> 31
    return at + 3
  }
  const next = readEntry(bytes, at, NUMBER)
  low = NUMBER.int64.low
  high = NUMBER.int64.high
  return next
}

/** id[word] = master[word] + the number read, over two words, modulo 2^64. */
function addDifference(master: Uint32Array, id: Uint32Array, word: number): void {
  const sum = master[word + 1]! + (low >>> 0)
  id[word + 1] = sum
  id[word] = master[word]! + high + (sum >= TWO_32 ? 1 : 0)
}

/** out = id[word] − master[word], over two words, modulo 2^64. */
export function setDifference(
  master: StreamId,
  id: StreamId,
  word: number,
  out: PackedEntry,
): void {
  const low = id.words[word + 1]! - master.words[word + 1]!
  const high = id.words[word]! - master.words[word]! - (low < 0 ? 1 : 0)
  out.setWords(low, high)
}

/** Bytes that a leaf of `pages` has for its listpack, less what is left for its counts. */
export function listpackRoom(pages: number): number {
  return pages * PAGE_BYTES - LISTPACK_START - COUNTS_SLACK
}

/** The listpack of a leaf as bytes of the live arena; `out` is filled. */
export function listpackInto(
  arena: Arena,
  leaf: Ptr,
  out: { bytes: Uint8Array; start: number; length: number },
): ByteRange {
  const span = nodeWord(arena, leaf, SPAN_WORD)
  out.length = nodeWord(arena, leaf, LeafWord.Used)
  if (span === NULL) {
    out.bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    out.start = ((leaf & PTR_SEGMENT_MASK) << 3) + LISTPACK_START
  } else {
    out.bytes = arena.contiguousBytes(span)
    out.start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
  }
  return out
}
