// Streams: entries in the order of their IDs, and consumer groups. Front door of keyspace/stream/.
//
//    stream-id.ts       IDs                     word-order.ts, word-tree.ts  sorted words
//    entry-leaf.ts      leaves, reading them    named-records.ts             groups, consumers
//    entry-writer.ts    writing entries         groups.ts                    what is pending
//    stream-walk.ts     entries in a range      progress.ts, stream-release.ts, stream-copy.ts
//
// A stream always has a root, however small it is. Words from RootWord.Type on:
//
//    6         10            14        16              22
//    +---------+-------------+---------+---------------+
//    | last ID | highest     | entries | groups, see   |
//    |         | deleted ID  | added   | groups.ts     |
//    +---------+-------------+---------+---------------+
//
// Its chain is that of the leaves of entries; `count` is that of the live ones. An entry is added
// to the last leaf, or a new one when that has as many bytes or entries as `stream-node-max-*`
// allow. Approximate trimming removes whole leaves.
//
// `Streams` is one object per keyspace and a cursor: `open` points it at a stream until the
// keyspace changes. Invariants: a leaf has a live entry · entries ascend, and none is behind the
// last ID.

import { assert } from '../../base/assert.ts'
import { addI64, type I64 } from '../../base/i64.ts'
import { copySlice, Slice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import type { Collections } from '../collections.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { LeafTree } from '../leaf-tree.ts'
import { Int64 } from '../packed/int64.ts'
import { totalBytes } from '../packed/listpack.ts'
import { Encoding, Type } from '../record.ts'
import { readSpan } from '../record-access.ts'
import { LeafWord, nodeWord, ROOT_WORDS, Root, RootWord, setNodeWord } from '../root.ts'
import {
  COUNTS_SLACK,
  EntryCursor,
  EntryFlag,
  LISTPACK_START,
  listpackRoom,
  SPAN_WORD,
} from './entry-leaf.ts'
import {
  appendEntry,
  changeCounts,
  entryLength,
  type Fields,
  firstListpackBytes,
  setFlags,
  writeFirstListpack,
} from './entry-writer.ts'
import { StreamGroups } from './groups.ts'
import { StreamId } from './stream-id.ts'
import { StreamWord } from './stream-words.ts'
import { KeyWords, payloadOf, WordOrder } from './word-order.ts'

const EMPTY = new Slice()
const PLACE = scratchSlice()
const HEAD = { type: Type.Stream, encoding: Encoding.Stream } as const
/** Listpacks beyond this are refused by Redis. */
const NODE_BYTES_LIMIT = 1 << 30

/** How far a stream is cut off at its old end. */
export interface TrimRule {
  /** Entries that are kept; -1: those from `minimum` on. */
  readonly lengthMax: number
  readonly minimum: StreamId
  /** Only whole leaves. */
  readonly isApproximate: boolean
  /** Entries that are removed at most, by whole leaves; 0: no limit. */
  readonly limit: number
}

export class Streams {
  readonly root = new Root()
  readonly groups: StreamGroups
  readonly arena: Arena
  readonly #collections: Collections
  readonly #order: WordOrder
  readonly #tree: LeafTree
  readonly #cursor = new EntryCursor()
  readonly #int64 = new Int64()
  readonly #scratch = new Uint32Array(ROOT_WORDS)

  constructor(collections: Collections) {
    this.#collections = collections
    this.arena = collections.arena
    this.#order = new WordOrder(collections.arena, KeyWords.Id)
    this.#tree = new LeafTree(collections, this.#order)
    this.groups = new StreamGroups(collections)
  }

  get collections(): Collections {
    return this.#collections
  }

  /** Points at the stream of a record. Returns itself. */
  open(db: Database, record: Ptr): this {
    assert(db.typeOf(record) === Type.Stream, 'the record is a stream')
    db.readRoot(record, this.root)
    this.groups.open(this.root, this.root.at + StreamWord.Groups)
    return this
  }

  /**
   * Makes an empty stream under a key that the last lookup did not find, and points at it. Returns
   * the record. ARENA_FULL, and nothing has changed.
   */
  create(db: Database, key: Slice): Ptr {
    const made = db.insert(key, EMPTY, HEAD)
    const number = this.#collections.allocate()
    this.#scratch.fill(0)
    this.#scratch[RootWord.Number] = number
    try {
      const record = db.setRoot(made, this.#scratch, Encoding.Stream)
      this.open(db, record)
      return record
    } catch (error) {
      db.remove(made)
      this.#collections.release(number)
      throw error
    }
  }

  /** The words of the segment that a leaf lies in. */
  wordsOf(leaf: Ptr): Uint32Array {
    return this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  }

  /** Live entries. */
  get length(): number {
    return this.root.count
  }

  /** Leaves of entries: what Redis calls radix tree keys. */
  get leaves(): number {
    return this.root.chain.leaves
  }

  lastId(out: StreamId): StreamId {
    return out.setWords(this.root.words, this.root.at + StreamWord.LastId)
  }

  deletedId(out: StreamId): StreamId {
    return out.setWords(this.root.words, this.root.at + StreamWord.DeletedId)
  }

  /** Entries that were ever added. */
  get added(): I64 {
    const { words, at } = this.root
    return this.#readInt64(words, at + StreamWord.Added)
  }

  setLastId(id: StreamId): void {
    this.root.chain.touch(this.arena)
    id.writeWords(this.root.words, this.root.at + StreamWord.LastId)
  }

  setDeletedId(id: StreamId): void {
    this.root.chain.touch(this.arena)
    id.writeWords(this.root.words, this.root.at + StreamWord.DeletedId)
  }

  setAdded(value: I64): void {
    this.root.chain.touch(this.arena)
    this.#int64.set(value)
    const at = this.root.at + StreamWord.Added
    this.root.words[at] = this.#int64.low
    this.root.words[at + 1] = this.#int64.high
  }

  /** Takes the ID of the first live entry; false, and 0-0: there is none. */
  firstId(out: StreamId): boolean {
    const { first } = this.root.chain
    out.setMin()
    if (first === NULL) return false
    const cursor = this.#cursor.open(this.arena, first)
    let found = cursor.first()
    while (found && cursor.isDeleted) found = cursor.next()
    assert(found, 'a leaf has a live entry')
    out.setTo(cursor.id)
    return true
  }

  /** Takes the ID of the last live entry; false, and 0-0: there is none. */
  lastLiveId(out: StreamId): boolean {
    const { last } = this.root.chain
    out.setMin()
    if (last === NULL) return false
    const cursor = this.#cursor.open(this.arena, last)
    let found = cursor.last()
    while (found && cursor.isDeleted) found = cursor.previous()
    assert(found, 'a leaf has a live entry')
    out.setTo(cursor.id)
    return true
  }

  /** The leaf where a walk from `id` on, or backwards, begins; NULL: there are none. O(log n). */
  leafAt(id: StreamId): Ptr {
    return this.#tree.seekKey(this.root.chain, this.#order.seeking(id.words, 0))
  }

  /** Appends an entry behind the last ID. ARENA_FULL, and nothing has changed. O(fields). */
  append(id: StreamId, fields: Fields, limits: EncodingLimits): void {
    const { root } = this
    assert(id.compareTo(root.words, root.at + StreamWord.LastId) > 0, 'IDs ascend')
    const leaf = this.#tree.seekLast(root.chain)
    if (leaf === NULL || !this.#appendTo(leaf, id, fields, limits)) this.#appendLeaf(id, fields)
    this.setLastId(id)
    const sum = addI64(this.added, 1)
    if (sum !== null) this.setAdded(sum)
  }

  /** Whether there is a live entry with that ID. */
  has(id: StreamId): boolean {
    const leaf = this.leafAt(id)
    if (leaf === NULL) return false
    const cursor = this.#cursor.open(this.arena, leaf)
    return cursor.seek(id) && cursor.id.compare(id) === 0 && !cursor.isDeleted
  }

  /** Deletes the entry with that ID; false: there is none. Cannot fail. O(log n + leaf). */
  delete(id: StreamId): boolean {
    if (!this.has(id)) return false
    const cursor = this.#cursor
    if (nodeWord(this.arena, cursor.leaf, LeafWord.Count) === 1) {
      this.#removeLeaf(cursor.leaf)
      return true
    }
    this.#touchListpack(cursor.leaf)
    setFlags(cursor.bytes, cursor.at, cursor.flags | EntryFlag.Deleted)
    this.#countDeleted(1)
    return true
  }

  /** Removes old entries; returns how many. Cannot fail. O(leaves removed + entries of one). */
  trim(rule: TrimRule): number {
    const { chain } = this.root
    let deleted = 0
    while (chain.first !== NULL) {
      if (rule.lengthMax >= 0 && chain.count <= rule.lengthMax) break
      const leaf = this.#tree.seekFirst(chain)
      const live = nodeWord(this.arena, leaf, LeafWord.Count)
      if (rule.limit > 0 && deleted + live > rule.limit) break
      if (!this.#isWholeOut(leaf, live, rule)) {
        if (!rule.isApproximate) deleted += this.#trimLeaf(leaf, rule)
        break
      }
      deleted += live
      this.#removeLeaf(leaf)
    }
    return deleted
  }

  /**
   * Takes a leaf as it lies in an RDB file, behind all others: `live` entries in a listpack that
   * has been checked. For loading; ARENA_FULL, and nothing has changed.
   */
  adoptListpack(master: StreamId, listpack: Slice, live: number): void {
    const { chain } = this.root
    this.#tree.seekLast(chain)
    const leaf = this.#makeLeaf(master, listpack.length)
    const place = this.#placeOf(leaf)
    copySlice(listpack, place.bytes, place.start)
    this.#tree.addCount(chain, live)
  }

  /** Walks leaves, entries and groups; for tests and the debug commands. O(n). */
  check(): void {
    const { chain } = this.root
    this.#tree.check(chain)
    const before = new StreamId()
    const last = this.lastId(new StreamId())
    let isFirst = true
    const cursor = this.#cursor
    for (let leaf = chain.first; leaf !== NULL; leaf = nodeWord(this.arena, leaf, LeafWord.Next)) {
      let live = 0
      cursor.open(this.arena, leaf)
      assert(
        totalBytes(cursor.bytes, cursor.start) === nodeWord(this.arena, leaf, LeafWord.Used),
        'a leaf knows the bytes of its listpack',
      )
      for (let found = cursor.first(); found; found = cursor.next()) {
        assert(isFirst || before.compare(cursor.id) < 0, 'entries ascend')
        before.setTo(cursor.id)
        isFirst = false
        if (!cursor.isDeleted) live++
      }
      assert(live > 0, 'a leaf has a live entry')
      assert(live === nodeWord(this.arena, leaf, LeafWord.Count), 'live entries are counted')
    }
    assert(isFirst || before.compare(last) <= 0, 'no entry is behind the last ID')
    this.groups.check()
  }

  /** Appends to the last leaf; false: it is full. */
  #appendTo(leaf: Ptr, id: StreamId, fields: Fields, limits: EncodingLimits): boolean {
    const { streamNodeBytesMax: limit, streamNodeEntriesMax: entriesMax } = limits
    if (nodeWord(this.arena, leaf, SPAN_WORD) !== NULL) return false
    const bytesMax = limit === 0 ? NODE_BYTES_LIMIT : Math.min(limit, NODE_BYTES_LIMIT)
    const used = nodeWord(this.arena, leaf, LeafWord.Used)
    if (used + fields.textBytes >= bytesMax) return false
    const cursor = this.#cursor.open(this.arena, leaf)
    if (entriesMax !== 0 && cursor.entries >= entriesMax) return false
    const isSame = fields.areMasters(cursor)
    const length = entryLength(cursor, id, fields, isSame)
    let target = leaf
    const pages = this.arena.nodePages(leaf)
    if (used + length > listpackRoom(pages)) {
      // As many pages as the limit on bytes has, so that by default a leaf stays one page.
      const pagesMax = Math.min(Math.max(Math.floor(bytesMax / PAGE_BYTES), 1), RUN_PAGES_MAX)
      let grown = Math.min(pages * 2, pagesMax)
      while (grown < pagesMax && used + length > listpackRoom(grown)) grown++
      if (grown <= pages || used + length > listpackRoom(grown)) return false
      target = this.#tree.replaceLeaf(this.root.chain, grown)
      cursor.open(this.arena, target)
    }
    this.arena.touch(target)
    appendEntry(cursor, id, fields, { length, isSame })
    changeCounts(cursor.bytes, cursor.start, 1, 0)
    this.#noteUsed(cursor)
    this.#tree.addCount(this.root.chain, 1)
    return true
  }

  /** Appends in a new leaf behind the current one, the last. */
  #appendLeaf(id: StreamId, fields: Fields): void {
    const leaf = this.#makeLeaf(id, firstListpackBytes(fields))
    const place = this.#placeOf(leaf)
    writeFirstListpack(place.bytes, place.start, fields)
    this.#tree.addCount(this.root.chain, 1)
  }

  /** A leaf with room for a listpack, behind the current one; it is current then. */
  #makeLeaf(master: StreamId, bytes: number): Ptr {
    const { chain } = this.root
    const needed = Math.ceil((LISTPACK_START + bytes + COUNTS_SLACK) / PAGE_BYTES)
    const isOut = needed > RUN_PAGES_MAX
    const key = this.#order.coarse(master.words, 0)
    let span = NULL
    if (isOut) span = this.#collections.allocateElement(chain.number, bytes + COUNTS_SLACK)
    try {
      const leaf = this.#tree.insertAfter(chain, isOut ? 1 : needed, key)
      setNodeWord(this.arena, leaf, SPAN_WORD, span)
      setNodeWord(this.arena, leaf, LeafWord.Used, bytes)
      master.writeWords(this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!, payloadOf(leaf))
      return leaf
    } catch (error) {
      if (span !== NULL) this.arena.freeSpan(span)
      throw error
    }
  }

  /** Where the listpack of a new leaf goes. */
  #placeOf(leaf: Ptr): Slice {
    const span = nodeWord(this.arena, leaf, SPAN_WORD)
    const length = nodeWord(this.arena, leaf, LeafWord.Used)
    if (span !== NULL) return readSpan(this.arena, span, PLACE, length)
    const start = ((leaf & PTR_SEGMENT_MASK) << 3) + LISTPACK_START
    return PLACE.set(this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!, start, length)
  }

  /** Whether trimming takes all of a leaf. */
  #isWholeOut(leaf: Ptr, live: number, rule: TrimRule): boolean {
    if (rule.lengthMax >= 0) return this.root.count - live >= rule.lengthMax
    const cursor = this.#cursor.open(this.arena, leaf)
    cursor.last()
    return cursor.id.compare(rule.minimum) < 0
  }

  /** Deletes entries at the start of the first leaf, not all of them; returns how many. */
  #trimLeaf(leaf: Ptr, rule: TrimRule): number {
    const excess = rule.lengthMax >= 0 ? this.root.count - rule.lengthMax : Infinity
    const cursor = this.#cursor.open(this.arena, leaf)
    let deleted = 0
    for (let found = cursor.first(); found && deleted < excess; found = cursor.next()) {
      if (rule.lengthMax < 0 && cursor.id.compare(rule.minimum) >= 0) break
      if (cursor.isDeleted) continue
      if (deleted === 0) this.#touchListpack(leaf)
      setFlags(cursor.bytes, cursor.at, cursor.flags | EntryFlag.Deleted)
      deleted++
    }
    if (deleted > 0) this.#countDeleted(deleted)
    return deleted
  }

  /** Counts entries of the current leaf, where the cursor is, as deleted. */
  #countDeleted(count: number): void {
    const cursor = this.#cursor
    assert(this.#tree.leaf === cursor.leaf, 'the leaf is current')
    changeCounts(cursor.bytes, cursor.start, -count, count)
    this.#noteUsed(cursor)
    this.#tree.addCount(this.root.chain, -count)
  }

  /** Frees the current leaf. */
  #removeLeaf(leaf: Ptr): void {
    assert(this.#tree.leaf === leaf, 'the leaf is current')
    const span = nodeWord(this.arena, leaf, SPAN_WORD)
    if (span !== NULL) this.arena.freeSpan(span)
    this.#tree.remove(this.root.chain)
  }

  #touchListpack(leaf: Ptr): void {
    this.arena.touch(leaf)
    const span = nodeWord(this.arena, leaf, SPAN_WORD)
    if (span === NULL) return
    const used = nodeWord(this.arena, leaf, LeafWord.Used) + COUNTS_SLACK
    this.arena.touchSpan(span, 0, Math.min(used, this.arena.spanCapacity(span)))
  }

  #noteUsed(cursor: EntryCursor): void {
    const used = totalBytes(cursor.bytes, cursor.start)
    setNodeWord(this.arena, cursor.leaf, LeafWord.Used, used)
  }

  #readInt64(words: Uint32Array, at: number): I64 {
    this.#int64.low = words[at]! | 0
    this.#int64.high = words[at + 1]! | 0
    return this.#int64.value
  }
}
