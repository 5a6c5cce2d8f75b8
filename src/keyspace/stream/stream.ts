// Streams: entries in the order of their IDs, and consumer groups. Front door of keyspace/stream/.
//
//    stream-id.ts       IDs                     word-order.ts, word-tree.ts  sorted words
//    entry-leaf.ts      leaves, reading them    named-records.ts             groups, consumers
//    entry-writer.ts    writing entries         groups.ts                    what is pending
//    stream-entries.ts  leaves of a stream      node-listpack.ts             nodes as Redis's
//    stream-walk.ts     entries in a range      node-source.ts               nodes of a file
//    packed-stream.ts   small streams           progress.ts, trim-rule.ts, stream-copy.ts, …
//
// A small stream lies in its record. All others have a root; words from RootWord.Type on:
//
//    6         10            14        16              22
//    +---------+-------------+---------+---------------+
//    | last ID | highest     | entries | groups, see   |
//    |         | deleted ID  | added   | groups.ts     |
//    +---------+-------------+---------+---------------+
//
// Its chain is that of the leaves of entries; `count` is that of the live ones.
// `Streams` is one object per keyspace and a cursor: `open` points it at a stream until the
// keyspace changes but by its own methods. Those that write move the record (`record`); of a stream
// that is packed they change a copy first, which then goes into the record as a whole.
//
// Invariants: a leaf has a live entry · entries ascend, and none is behind the last ID.

import { assert, fail } from '../../base/assert.ts'
import type { I64 } from '../../base/i64.ts'
import { copySlice, Slice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PAGE_BYTES, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { Int64 } from '../packed/int64.ts'
import { Encoding, Type } from '../record.ts'
import { LeafWord, nodeWord, ROOT_WORDS, Root, RootWord } from '../root.ts'
import { EntryCursor } from './entry-leaf.ts'
import type { Fields } from './entry-writer.ts'
import { StreamGroups } from './groups.ts'
import type { NodeSource } from './node-source.ts'
import { PackedStream } from './packed-stream.ts'
import { StreamEntries } from './stream-entries.ts'
import { StreamId } from './stream-id.ts'
import { releaseStream } from './stream-release.ts'
import { StreamWord } from './stream-words.ts'
import type { TrimRule } from './trim-rule.ts'

const EMPTY = new Slice()
const WORD_MAX = 0xffffffff
const INT_MAX = 0x7fffffff
const HEAD = { type: Type.Stream, encoding: Encoding.Stream } as const

export class Streams {
  readonly root = new Root()
  readonly groups: StreamGroups
  readonly #collections: Collections
  readonly #large: StreamEntries
  readonly #small: PackedStream
  /** Those of the open stream: `#large`, or of `#small`. */
  #entries: StreamEntries
  readonly #cursor = new EntryCursor()
  readonly #int64 = new Int64()
  readonly #scratch = new Uint32Array(ROOT_WORDS)
  /** The open stream's record; NULL: nothing of it is kept yet, and it goes under `#key`. */
  #record: Ptr = NULL
  #db: Database | null = null
  readonly #key = new Slice()
  readonly #value = new Slice()
  /** Whether a stream is being made that is packed at its end only. */
  #isMaking = false
  /** Sees to it that the key of a stream that is being made is free; null: it is. */
  #freeKey: ((key: Slice) => void) | null = null

  constructor(collections: Collections) {
    this.#collections = collections
    this.#large = new StreamEntries(collections)
    this.#large.open(this.root.chain)
    this.#small = new PackedStream(this.root)
    this.#entries = this.#large
    this.groups = new StreamGroups(collections, () => this.enlarge())
  }

  get collections(): Collections {
    return this.#collections
  }

  /** Where the leaves of the open stream lie. */
  get arena(): Arena {
    return this.#entries.arena
  }

  /** The record of the open stream; NULL: nothing has been added to what `create` has begun. */
  get record(): Ptr {
    return this.#record
  }

  /** Points at the stream of a record. Returns itself. */
  open(db: Database, record: Ptr): this {
    assert(db.typeOf(record) === Type.Stream, 'the record is a stream')
    this.#db = db
    this.#record = record
    this.#isMaking = false
    if (db.hasRoot(record)) {
      this.#openRoot(db, record)
    } else {
      this.#small.unpack(db.readString(record, this.#value), this.root)
      this.#enter(this.#small.entries)
    }
    return this
  }

  /**
   * Points at a new stream under a key that the last lookup did not find. Its record comes with the
   * first entry or group. The key's bytes are borrowed until then.
   */
  create(db: Database, key: Slice): void {
    this.#db = db
    this.#record = NULL
    this.#isMaking = false
    this.#key.setTo(key)
    this.#freeKey = null
    this.#small.clear(this.root)
    this.#enter(this.#small.entries)
  }

  /**
   * `create` for loading: the record is there from `finish` on, or when the stream is large.
   * `freeKey` sees to it then that the key is free.
   */
  begin(db: Database, key: Slice, freeKey: (key: Slice) => void): void {
    this.create(db, key)
    this.#isMaking = true
    this.#freeKey = freeKey
  }

  /** The bytes of what `begin` began, if it is small: there is no record then. */
  packed(): Slice | null {
    return this.#entries === this.#large ? null : this.#small.pack()
  }

  /** Ends what `begin` began. Returns the record. ARENA_FULL: see `record`. */
  finish(): Ptr {
    this.#isMaking = false
    this.#settle()
    return this.#record
  }

  /**
   * Gives a packed stream nodes: before it has more than a record can. ARENA_FULL, and nothing has
   * changed. O(1).
   */
  enlarge(): void {
    if (this.#entries === this.#large) return
    const db = this.#database()
    const words = this.#scratch
    const { chain } = this.root
    const { arena } = this.#small
    let leaf = chain.first
    words.set(this.root.words)
    words.fill(0, RootWord.Chain, RootWord.Type)
    words[RootWord.Number] = this.#collections.allocate()
    this.root.open(words, 0, NULL)
    const isNew = this.#record === NULL
    try {
      for (; leaf !== NULL; leaf = nodeWord(arena, leaf, LeafWord.Next)) {
        this.#large.copyLeaf(arena, leaf)
      }
      if (isNew) this.#record = this.#insert(db, EMPTY)
      this.#record = db.setRoot(this.#record, words, Encoding.Stream)
    } catch (error) {
      releaseStream(this.#collections, words, Number.POSITIVE_INFINITY)
      this.#collections.release(words[RootWord.Number]!)
      if (isNew && this.#record !== NULL) db.remove(this.#record)
      if (isNew) this.#record = NULL
      throw error
    }
    this.#openRoot(db, this.#record)
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
    this.#settle()
  }

  setDeletedId(id: StreamId): void {
    this.root.chain.touch(this.arena)
    id.writeWords(this.root.words, this.root.at + StreamWord.DeletedId)
    this.#settle()
  }

  setAdded(value: I64): void {
    this.root.chain.touch(this.arena)
    this.#int64.set(value)
    const at = this.root.at + StreamWord.Added
    this.root.words[at] = this.#int64.low
    this.root.words[at + 1] = this.#int64.high
    this.#settle()
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
    assert(id.compareTo(root.words, root.at + StreamWord.LastId) > 0, 'IDs ascend')
    // No leaf of a page has room for it, nor needs it the copy.
    if (fields.textBytes > PAGE_BYTES) this.enlarge()
    this.#entries.append(id, fields, limits)
    const { words, at } = root
    root.chain.touch(this.arena)
    id.writeWords(words, at + StreamWord.LastId)
    this.#countAdded(words, at + StreamWord.Added)
    this.#settle()
  }

  /**
   * `append`, then `trim`; returns how many entries that removed. A packed stream is packed once.
   * ARENA_FULL, and nothing has changed.
   */
  appendAndTrim(id: StreamId, fields: Fields, limits: EncodingLimits, rule: TrimRule): number {
    this.#isMaking = true
    this.append(id, fields, limits)
    const removed = this.trim(rule)
    this.finish()
    return removed
  }

  /** Whether there is a live entry with that ID. */
  has(id: StreamId): boolean {
    return this.#entries.has(id)
  }

  /** Deletes the entry with that ID; false: there is none. Cannot fail. O(log n + leaf). */
  delete(id: StreamId): boolean {
    if (!this.#entries.delete(id)) return false
    // A queue would fill its record with what has left it.
    const isSmall = this.#entries !== this.#large
    if (isSmall && this.length > 0) this.#entries.dropDeleted()
    this.#settle()
    return true
  }

  /** Removes old entries; returns how many. Cannot fail. O(entries removed). */
  trim(rule: TrimRule): number {
    const removed = this.#entries.trim(rule)
    if (removed > 0) this.#settle()
    return removed
  }

  /** See `StreamEntries`. For loading. */
  adopt(node: NodeSource): boolean {
    const isWhole = this.#entries.adopt(node)
    this.#settle()
    return isWhole
  }

  /** See `StreamEntries`. */
  endNode(): void {
    this.#entries.endNode()
    this.#settle()
  }

  /** See `StreamEntries`; of another large stream into this one. */
  copyLeaf(from: Arena, leaf: Ptr): void {
    assert(this.#entries === this.#large, 'leaves are copied to a large stream')
    this.#large.copyLeaf(from, leaf)
  }

  /** Walks leaves, entries and groups; for tests and the debug commands. O(n). */
  check(): void {
    this.#entries.check(this.lastId(new StreamId()))
    this.groups.check()
  }

  #database(): Database {
    return this.#db ?? fail('a stream is open')
  }

  #openRoot(db: Database, record: Ptr): void {
    db.readRoot(record, this.root)
    this.#enter(this.#large)
  }

  #enter(entries: StreamEntries): void {
    this.#entries = entries
    this.groups.open(this.root, this.root.at + StreamWord.Groups)
  }

  /** Keeps a change of a packed stream in its record, or makes it large. */
  #settle(): void {
    if (this.#entries === this.#large) return
    if (this.#isMaking && this.root.chain.leaves < 2) return
    const packed = this.#small.pack()
    if (packed === null) return this.enlarge()
    const db = this.#database()
    if (this.#record === NULL) {
      this.#record = this.#insert(db, packed)
      return
    }
    const removed = db.stringLength(this.#record)
    this.#record = db.splice(this.#record, 0, { removed, inserted: packed.length })
    const { bytes, start } = db.readString(this.#record, this.#value)
    copySlice(packed, bytes, start)
    this.#value.forget()
  }

  /** Makes the record. Somebody may have looked up another key since. */
  #insert(db: Database, value: Slice): Ptr {
    this.#freeKey?.(this.#key)
    const occupant = db.peek(this.#key)
    assert(occupant === NULL, 'the key is free')
    return db.insert(this.#key, value, HEAD)
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
