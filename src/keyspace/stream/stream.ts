// Streams: entries in the order of their IDs, and consumer groups. Front door of keyspace/stream/.
//
//    stream-id.ts       IDs                     word-order.ts, word-tree.ts  sorted words
//    entry-leaf.ts      leaves, reading them    named-records.ts             groups, consumers
//    entry-writer.ts    writing entries         groups.ts                    what is pending
//    stream-entries.ts  leaves of a stream      node-listpack.ts             nodes as Redis's
//    stream-walk.ts     entries in a range      node-source.ts               nodes of a file
//    progress.ts, trim-rule.ts, stream-copy.ts, …
//
// A stream always has a root, however small it is. Words from RootWord.Type on:
//
//    6         10            14        16              22
//    +---------+-------------+---------+---------------+
//    | last ID | highest     | entries | groups, see   |
//    |         | deleted ID  | added   | groups.ts     |
//    +---------+-------------+---------+---------------+
//
// Its chain is that of the leaves of entries; `count` is that of the live ones.
//
// `Streams` is one object per keyspace and a cursor: `open` points it at a stream until the
// keyspace changes. Invariants: a leaf has a live entry · entries ascend, and none is behind the
// last ID.

import { assert } from '../../base/assert.ts'
import type { I64 } from '../../base/i64.ts'
import { Slice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { Int64 } from '../packed/int64.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS, Root, RootWord } from '../root.ts'
import { EntryCursor } from './entry-leaf.ts'
import type { Fields } from './entry-writer.ts'
import { StreamGroups } from './groups.ts'
import type { NodeSource } from './node-source.ts'
import { StreamEntries } from './stream-entries.ts'
import { StreamId } from './stream-id.ts'
import { StreamWord } from './stream-words.ts'
import type { TrimRule } from './trim-rule.ts'

const EMPTY = new Slice()
const WORD_MAX = 0xffffffff
const INT_MAX = 0x7fffffff
const HEAD = { type: Type.Stream, encoding: Encoding.Stream } as const

export class Streams {
  readonly root = new Root()
  readonly groups: StreamGroups
  readonly arena: Arena
  readonly #collections: Collections
  readonly #entries: StreamEntries
  readonly #cursor = new EntryCursor()
  readonly #int64 = new Int64()
  readonly #scratch = new Uint32Array(ROOT_WORDS)

  constructor(collections: Collections) {
    this.#collections = collections
    this.arena = collections.arena
    this.#entries = new StreamEntries(collections)
    this.#entries.open(this.root.chain)
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

  /** Live entries. */
  get length(): number {
    return this.root.count
  }

  /** Nodes of entries: what Redis calls radix tree keys. */
  get nodes(): number {
    return this.#entries.nodes
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
    cursor.peekLast()
    if (cursor.isDeleted) {
      let found = cursor.last()
      while (found && cursor.isDeleted) found = cursor.previous()
      assert(found, 'a leaf has a live entry')
    }
    out.setTo(cursor.id)
    return true
  }

  /** The leaf where a walk from `id` on, or backwards, begins; NULL: there are none. O(log n). */
  leafAt(id: StreamId): Ptr {
    return this.#entries.leafAt(id)
  }

  /** Appends an entry behind the last ID. ARENA_FULL, and nothing has changed. O(fields). */
  append(id: StreamId, fields: Fields, limits: EncodingLimits): void {
    const { root } = this
    const { words, at } = root
    assert(id.compareTo(words, at + StreamWord.LastId) > 0, 'IDs ascend')
    this.#entries.append(id, fields, limits)
    root.chain.touch(this.arena)
    id.writeWords(words, at + StreamWord.LastId)
    this.#countAdded(words, at + StreamWord.Added)
  }

  /** Whether there is a live entry with that ID. */
  has(id: StreamId): boolean {
    return this.#entries.has(id)
  }

  /** Deletes the entry with that ID; false: there is none. Cannot fail. O(log n + leaf). */
  delete(id: StreamId): boolean {
    return this.#entries.delete(id)
  }

  /** Removes old entries; returns how many. Cannot fail. O(entries removed). */
  trim(rule: TrimRule): number {
    return this.#entries.trim(rule)
  }

  /** See `StreamEntries`. For loading. */
  adopt(node: NodeSource): boolean {
    return this.#entries.adopt(node)
  }

  /** See `StreamEntries`. */
  endNode(): void {
    this.#entries.endNode()
  }

  /** See `StreamEntries`. */
  copyLeaf(leaf: Ptr): void {
    this.#entries.copyLeaf(leaf)
  }

  /** Walks leaves, entries and groups; for tests and the debug commands. O(n). */
  check(): void {
    this.#entries.check(this.lastId(new StreamId()))
    this.groups.check()
  }

  /** Counts an entry in the two words at `at`, the lower first, as long as they can. */
  #countAdded(words: Uint32Array, at: number): void {
    if (words[at]! !== WORD_MAX) {
      words[at]!++
    } else if (words[at + 1]! !== INT_MAX) {
      words[at] = 0
      words[at + 1]!++
    }
  }

  #readInt64(words: Uint32Array, at: number): I64 {
    this.#int64.low = words[at]! | 0
    this.#int64.high = words[at + 1]! | 0
    return this.#int64.value
  }
}
