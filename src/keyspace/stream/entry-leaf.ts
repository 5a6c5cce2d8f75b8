// Leaves of entries, and the cursor that reads them. A leaf is filled to its end:
//
//    0             20     24      26        28             32          48      52      56     60
//    +-------------+------+-------+---------+--------------+-----------+-------+-------+------+---
//    | leaf header | span | first | entries | bytes of the | master ID | nodes | last  | node | n…
//    | of root.ts  |      | entry | of node | node as in   | 4 words   |       | entry | live |
//    +-------------+------+-------+---------+ Redis        +-----------+-------+-------+------+---
//
//    names          count · name of each field, as the leaf's first entry had them
//    entry          flags, a byte · ms − master's · sequence − master's · value of each field
//                   or, when its names are not the leaf's: flags · … · count · name, value of each
//
// Names, then entries, are elements of a listpack without the lengths behind them, to be copied as
// they are. Differences wrap at 64 bits. A deleted entry is flagged and stays until its leaf has no
// live one. What is trimmed at the start of the first leaf goes by moving `first`; `used` is where
// the last entry ends. Both are offsets from the leaf's start.
//
// A *node* is what Redis keeps as one listpack: entries from one that is flagged as its start to
// the next such, over leaves. Of the leaf's last node are known: its entries so far, CLOSED when no
// more go into it; its bytes, with a bit set when its names may be other than the leaf's. In the
// stream's first leaf, `nodes` counts all, `node live` the first one's live entries; 0: unknown.
//
// An entry too long for a leaf of 8 pages is a node in the span: a listpack as Redis has it, drawn
// in node-listpack.ts, of `used` bytes.

import { assert } from '../../base/assert.ts'
import { EMPTY_BYTES } from '../../base/bytes.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import { backlenBytes, bodyBytes, endOf, HEADER_BYTES, readBody } from '../packed/listpack.ts'
import { type PackedEntry, scratchEntry } from '../packed/packed.ts'
import { LEAF_HEADER_BYTES, LeafWord, nodeWord } from '../root.ts'
import { ID_BYTES, ID_WORDS, StreamId } from './stream-id.ts'
import { PAYLOAD_WORD, payloadOf } from './word-order.ts'

/** Words of a leaf from its header's own ones on. `First` has the node's entries above it. */
export const EntryWord = {
  Span: LeafWord.Kind,
  First: LeafWord.Kind + 1,
  NodeBytes: LeafWord.Kind + 2,
  Nodes: PAYLOAD_WORD + ID_WORDS,
  Last: PAYLOAD_WORD + ID_WORDS + 1,
  NodeLive: PAYLOAD_WORD + ID_WORDS + 2,
} as const
/** Bytes before the names. */
export const NAMES_START = LEAF_HEADER_BYTES + ID_BYTES + 12
/** Most bytes of the count of names. */
const COUNT_BYTES_MAX = 5
const LEAF_ROOM_MAX = RUN_PAGES_MAX * PAGE_BYTES - NAMES_START
/** Longest entry of a leaf, its names included. */
export const ENTRY_ROOM_MAX = LEAF_ROOM_MAX - COUNT_BYTES_MAX

/** Pages of a leaf for an entry with its names, of so many bytes. */
export function pagesFor(bytes: number): number {
  return Math.ceil((NAMES_START + COUNT_BYTES_MAX + bytes) / PAGE_BYTES)
}

export const FIRST_MASK = 0xffff
export const NODE_ENTRIES_SHIFT = 16
/** Entries of a node that takes no more. */
export const CLOSED = 0xffff
export const NODE_BYTES_MASK = 0x7fffffff

/** The first two are Redis's. */
export const EntryFlag = { Deleted: 1, SameFields: 2, NodeStart: 4 } as const

const TWO_32 = 0x100000000
/** No entry takes less. */
const ENTRY_BYTES_MIN = 3
const ENTRIES_MAX = Math.ceil(LEAF_ROOM_MAX / ENTRY_BYTES_MIN)

const NUMBER = scratchEntry()

/** Walks the entries of a leaf, or of a listpack, whether live or deleted; leaves both ways. */
export class EntryCursor {
  leaf: Ptr = NULL
  /** Where the entries are. */
  bytes: Uint8Array = EMPTY_BYTES
  /** The leaf's: ID, fields, offset of the first name; of a listpack, its master's. */
  readonly master = new StreamId()
  masterFields = 0
  masterNames = 0
  /** Offsets of the first entry, and behind the last one. */
  firstAt = 0
  limit = 0
  #lastAt = 0
  /** The current entry: its offset, flags, ID, fields, offset of the first name or value. */
  at = 0
  flags = 0
  readonly id = new StreamId()
  fields = 0
  contentAt = 0
  /** Where the elements of the field are that `nextField` led to. */
  nameAt = 0
  valueAt = 0
  /** Whether lengths stand behind elements, and a count behind an entry. */
  #isListpack = false
  /** The next field to be read, and how many are left. */
  #name = 0
  #content = 0
  #fieldsLeft = -1
  /** The offset behind the current entry; -1: not known yet. */
  #behindAt = -1
  /** Entries from the first one on, for walks backwards, and the index of the current one. */
  #offsets: Uint16Array | null = null
  #index = 0

  /** Opens a leaf; no entry is current. */
  open(arena: Arena, leaf: Ptr): this {
    const span = nodeWord(arena, leaf, EntryWord.Span)
    const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    if (span === NULL) {
      const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
      this.openLeaf(words, bytes, (leaf & PTR_SEGMENT_MASK) << 3)
    } else {
      const start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
      this.master.setWords(words, payloadOf(leaf))
      this.openListpack(this.master, arena.contiguousBytes(span), start)
    }
    this.leaf = leaf
    return this
  }

  /** Opens a leaf without a span that starts at `bytes[start]`, wherever that lies. */
  openLeaf(words: Uint32Array, bytes: Uint8Array, start: number): this {
    const at = start / 4
    this.leaf = NULL
    this.bytes = bytes
    this.#isListpack = false
    this.master.setWords(words, at + PAYLOAD_WORD)
    this.firstAt = start + (words[at + EntryWord.First]! & FIRST_MASK)
    this.limit = start + words[at + LeafWord.Used]!
    this.#lastAt = start + words[at + EntryWord.Last]!
    this.masterNames = readNumber(bytes, start + NAMES_START, 0)
    this.masterFields = low
    this.at = this.firstAt
    return this
  }

  /** Opens a listpack whose master has this ID. Only forward from there. */
  openListpack(master: StreamId, bytes: Uint8Array, start: number): this {
    this.leaf = NULL
    this.bytes = bytes
    this.#isListpack = true
    this.master.setTo(master)
    this.limit = endOf(bytes, start)
    // Live and deleted entries are not asked for.
    const at = this.#behind(this.#behind(start + HEADER_BYTES, 1), 1)
    this.masterNames = readNumber(bytes, at, 1)
    this.masterFields = low
    this.firstAt = this.#behind(this.masterNames, this.masterFields + 1)
    // That of a leaf has one entry.
    this.#lastAt = this.firstAt
    this.at = this.firstAt
    return this
  }

  /** Whether elements have lengths behind them. */
  get isListpack(): boolean {
    return this.#isListpack
  }

  get isDeleted(): boolean {
    return (this.flags & EntryFlag.Deleted) !== 0
  }

  get hasMasterFields(): boolean {
    return (this.flags & EntryFlag.SameFields) !== 0
  }

  /** Whether a node starts with the current entry. */
  get isNodeStart(): boolean {
    return this.#isListpack ? this.at === this.firstAt : (this.flags & EntryFlag.NodeStart) !== 0
  }

  /** Makes the first entry current; false: there is none. */
  first(): boolean {
    return this.#readAt(this.firstAt)
  }

  /** Makes the entry behind the current one current; false: there is none. */
  next(): boolean {
    return this.#readAt(this.behind())
  }

  /** Makes the entry at `at` current, where one begins; false: the end is there. */
  goTo(at: number): boolean {
    return this.#readAt(at)
  }

  /** Makes the last entry of a leaf current, live or not. O(1), but `previous` cannot follow. */
  peekLast(): void {
    this.#readAt(this.#lastAt)
  }

  /** Makes the last entry of a leaf current; false: there is none. O(entries). */
  last(): boolean {
    return this.#readIndex(this.#collect() - 1)
  }

  /** Makes the entry before the current one current; false: there is none. After `last`. */
  previous(): boolean {
    return this.#readIndex(this.#index - 1)
  }

  /** Makes the first entry that is not before `id` current; false: there is none. */
  seek(id: StreamId): boolean {
    for (let found = this.#readAt(this.#skipMs(id)); found; found = this.next()) {
      if (this.id.compare(id) >= 0) return true
    }
    return false
  }

  /** Makes the last entry that is not behind `id` current, as `last` does; false: none. */
  seekBack(id: StreamId): boolean {
    let from = 0
    let to = this.#collect()
    while (from < to) {
      const middle = (from + to) >>> 1
      this.#readIndex(middle)
      if (this.id.compare(id) <= 0) from = middle + 1
      else to = middle
    }
    return this.#readIndex(from - 1)
  }

  /** The offset behind the current entry. */
  behind(): number {
    if (this.#behindAt < 0) {
      let limit = this.#content
      if (this.#fieldsLeft !== 0) {
        limit = this.#behind(this.contentAt, this.hasMasterFields ? this.fields : 2 * this.fields)
      }
      this.#behindAt = this.#isListpack ? this.#behind(limit, 1) : limit
    }
    return this.#behindAt
  }

  /** Goes before the first field of the current entry. */
  openFields(): void {
    this.#name = this.hasMasterFields ? this.masterNames : this.contentAt
    this.#content = this.contentAt
    this.#fieldsLeft = this.fields
  }

  /** Reads the next of `fields` fields. */
  readField(name: PackedEntry, value: PackedEntry): void {
    if (this.hasMasterFields) {
      this.#name = this.#read(this.#name, name)
      this.#content = this.#read(this.#content, value)
    } else {
      this.#content = this.#read(this.#read(this.#content, name), value)
    }
    this.#fieldsLeft--
  }

  /** Leads to the next of `fields` fields, without reading it: `nameAt` and `valueAt`. */
  nextField(): void {
    if (this.hasMasterFields) {
      this.nameAt = this.#name
      this.#name = this.#behind(this.#name, 1)
    } else {
      this.nameAt = this.#content
      this.#content = this.#behind(this.#content, 1)
    }
    this.valueAt = this.#content
    this.#content = this.#behind(this.#content, 1)
    this.#fieldsLeft--
  }

  /** Says that the fields of the current entry have been read, and where the last value ends. */
  passFields(limit: number): void {
    this.#content = limit
    this.#fieldsLeft = 0
  }

  #read(at: number, out: PackedEntry): number {
    const limit = readBody(this.bytes, at, out)
    return this.#isListpack ? limit + backlenBytes(limit - at) : limit
  }

  /** The offset behind `elements` elements. */
  #behind(at: number, elements: number): number {
    const { bytes } = this
    if (!this.#isListpack) {
      for (let i = elements; i > 0; i--) at += bodyBytes(bytes, at)
      return at
    }
    for (let i = elements; i > 0; i--) {
      const body = bodyBytes(bytes, at)
      at += body + backlenBytes(body)
    }
    return at
  }

  #readAt(at: number): boolean {
    const { bytes } = this
    this.at = at
    this.#fieldsLeft = -1
    this.#behindAt = -1
    if (at === this.limit) return false
    const extra = this.#isListpack ? 1 : 0
    this.flags = bytes[at]!
    at += 1 + extra
    const { master, id } = this
    at = readNumber(bytes, at, extra)
    addDifference(master.words, id.words, 0)
    at = readNumber(bytes, at, extra)
    addDifference(master.words, id.words, 2)
    this.fields = this.masterFields
    if (!this.hasMasterFields) {
      at = readNumber(bytes, at, extra)
      this.fields = low
    }
    this.contentAt = at
    return true
  }

  /** The first entry of a leaf that may have as many milliseconds as `id`, or more. */
  #skipMs(id: StreamId): number {
    let at = this.firstAt
    const { bytes, limit, master, masterFields } = this
    const wanted = id.words[1]! - master.words[1]!
    const isNear = id.words[0]! === master.words[0]! && wanted > 0
    if (this.#isListpack || !isNear) return at
    while (at < limit) {
      readNumber(bytes, at + 1, 0)
      if (high !== 0 || low >>> 0 >= wanted) return at
      at = behindEntry(bytes, at, masterFields)
    }
    return at
  }

  /** Notes where all entries are; returns how many. */
  #collect(): number {
    this.#offsets ??= new Uint16Array(ENTRIES_MAX)
    const offsets = this.#offsets
    const { bytes, firstAt, limit, masterFields } = this
    // That of a leaf has one entry.
    if (this.#isListpack) return 1
    let count = 0
    for (let at = firstAt; at < limit; at = behindEntry(bytes, at, masterFields)) {
      offsets[count++] = at - firstAt
    }
    assert(count <= ENTRIES_MAX, 'a leaf has no more entries')
    return count
  }

  #readIndex(index: number): boolean {
    this.#index = index
    if (index < 0) return false
    assert(this.#offsets !== null, 'entries have been collected')
    return this.#readAt(this.firstAt + this.#offsets[index]!)
  }
}

/** The number that `readNumber` read, as int32 words. */
let low = 0
let high = 0

/** Reads an integer; returns the offset `extra` behind its body. Nearly all are short. */
function readNumber(bytes: Uint8Array, at: number, extra: number): number {
  const head = bytes[at]!
  if (head < 0x80) {
    low = head
    high = 0
    return at + 1 + extra
  }
  if (head >= 0xc0 && head < 0xe0) {
    // Thirteen bits, moved to the top of a word and back for their sign.
    low = (((head & 0x1f) << 27) | (bytes[at + 1]! << 19)) >> 19
    high = low >> 31
    return at + 2 + extra
  }
  const next = readBody(bytes, at, NUMBER)
  low = NUMBER.int64.low
  high = NUMBER.int64.high
  return next + extra
}

/** The offset behind the entry of a leaf at `at`; `masterFields` are the leaf's. */
function behindEntry(bytes: Uint8Array, at: number, masterFields: number): number {
  let next = at + 1
  next += bodyBytes(bytes, next)
  next += bodyBytes(bytes, next)
  let elements = masterFields
  if ((bytes[at]! & EntryFlag.SameFields) === 0) {
    next = readNumber(bytes, next, 0)
    elements = 2 * low
  }
  for (; elements > 0; elements--) next += bodyBytes(bytes, next)
  return next
}

/** The offset behind the names of a leaf, whose count stands at `at`. */
export function namesLimit(bytes: Uint8Array, at: number): number {
  let next = readNumber(bytes, at, 0)
  for (let left = low; left > 0; left--) next += bodyBytes(bytes, next)
  return next
}

/** id[word] = master[word] + the number read, over two words, modulo 2^64. */
function addDifference(master: Uint32Array, id: Uint32Array, word: number): void {
  const sum = master[word + 1]! + (low >>> 0)
  id[word + 1] = sum
  id[word] = master[word]! + high + (sum >= TWO_32 ? 1 : 0)
}

/** Names that `hasNames` compares; filled again and again. */
export class Names {
  bytes: Uint8Array = EMPTY_BYTES
  at = 0
  readonly isListpack: boolean

  constructor(isListpack: boolean) {
    this.isListpack = isListpack
  }

  set(bytes: Uint8Array, at: number): this {
    this.bytes = bytes
    this.at = at
    return this
  }
}

/** Whether these `count` names, one behind the other, are those of the cursor's entry. */
export function hasNames(cursor: EntryCursor, names: Names, count: number): boolean {
  if (cursor.fields !== count) return false
  const { bytes, isListpack } = names
  let { at } = names
  cursor.openFields()
  for (let i = 0; i < count; i++) {
    cursor.nextField()
    const body = bodyBytes(bytes, at)
    for (let k = 0; k < body; k++) {
      if (bytes[at + k]! !== cursor.bytes[cursor.nameAt + k]!) return false
    }
    at += isListpack ? body + backlenBytes(body) : body
  }
  return true
}
