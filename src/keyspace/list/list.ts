// Lists. Front door of `list/`.
//
//   list.ts          one list, packed or in leaves, as a cursor: what commands use
//   list-leaves.ts   large lists            list-leaf.ts     one of their leaves
//   list-entry.ts    elements too large for a leaf
//   list-matches.ts  elements that equal a text              list-limits.ts  when a list is packed
//   list-release.ts  frees                                list-copy.ts     copies
//   list-check.ts    asserts, in tests, that all is well
//
// A list is a listpack in its record until `list-max-listpack-size` or 8 KiB are reached, or an
// element comes that no leaf may take; then it lies in leaves, and stays there. OBJECT ENCODING
// says quicklist in either case, as Redis 7.0 does.
//
// `List` is pointed at a record, and is good until another change of the keyspace than its own: the
// record may move with each change, `record` follows. `readNext` and its like go on from `seek`,
// and end with a change. Indexes are from 0, checked by the caller. Two lists of one keyspace share
// the path of their tree: only one of them can be read at a time.
// ARENA_FULL leaves the elements as they were; removing never fails. Owner: the engine.

import { assert } from '../../base/assert.ts'
import { copySlice, moveWithin, type Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import {
  EMPTY_BYTES,
  END,
  endOf,
  entryBytes,
  equalsEntry,
  HEADER_BYTES,
  headerCount,
  lastEntry,
  previousEntry,
  readEntry,
  seek,
  totalBytes,
  validate,
} from '../packed/listpack.ts'
import {
  encodedLength,
  insertEntry,
  removeEntries,
  replaceEntry,
  writeEmpty,
} from '../packed/listpack-edit.ts'
import { scratchEntry } from '../packed/packed.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS, Root, RootWord } from '../root.ts'
import { checkLeaves } from './list-check.ts'
import { isReference, ListTuning, readReference, SPAN_LENGTH_MIN } from './list-entry.ts'
import { ListLeaves } from './list-leaves.ts'
import { PACKED_BYTES_MAX, packedBytesMax, packedEntriesMax } from './list-limits.ts'
import { countMatches, removeMatches } from './list-matches.ts'

const LIST_HEAD = { type: Type.List, encoding: Encoding.Quicklist } as const
const NO_BYTES = new Uint8Array(0)
/** Words of a root that is being made. */
const ROOT = new Uint32Array(ROOT_WORDS)
const SCRATCH_ROOT = new Root()
/** The packed value of a list that is being made: empty. */
const EMPTY_LIST = new Uint8Array(EMPTY_BYTES)
writeEmpty(EMPTY_LIST, 0)
const VALUE = scratchSlice()
/** Filled for each `splice`. */
const CHANGE = { removed: 0, inserted: 0 }
/** A packed list that is being made, or an entry on its way from one end to the other. */
const PACKED = new Uint8Array(PACKED_BYTES_MAX)
const MOVED = scratchSlice()

/** One for each keyspace. */
const LEAVES = new WeakMap<Collections, ListLeaves>()

/** The leaves of all lists of a keyspace. */
export function listLeavesOf(collections: Collections): ListLeaves {
  let leaves = LEAVES.get(collections)
  if (leaves === undefined) {
    leaves = new ListLeaves(collections)
    LEAVES.set(collections, leaves)
  }
  return leaves
}

export class List {
  /** The element that was read last: valid until the next change. */
  readonly element = scratchEntry()
  /** The record: NULL while the list is none. */
  record: Ptr = NULL
  #database: Database | null = null
  #collections: Collections | null = null
  #tree: ListLeaves | null = null
  #isPacked = true
  readonly #root = new Root()
  /** The listpack that is being read, and the place of the next entry; END: in another leaf. */
  #bytes: Uint8Array = NO_BYTES
  #start = 0
  #at = END
  #hasReferences = false

  /** Points at the list in a record. Returns itself. */
  open(db: Database, record: Ptr): this {
    assert(record !== NULL, 'a list has a record')
    this.#database = db
    if (this.#collections !== db.collections) {
      this.#collections = db.collections
      this.#tree = listLeavesOf(db.collections)
    }
    this.#point(record)
    return this
  }

  /**
   * Makes a list of one element under a key that the last lookup, of this key, did not find, and
   * points at it. ARENA_FULL: there is no such key.
   */
  create(db: Database, key: Slice, element: Slice, limits: EncodingLimits): this {
    const first = EMPTY_BYTES + encodedLength(element)
    if (element.length < ListTuning.spanLength && first <= packedBytesMax(limits.listNodeSize)) {
      writeEmpty(PACKED, 0)
      insertEntry(PACKED, 0, HEADER_BYTES, element)
      return this.open(db, db.insert(key, VALUE.set(PACKED, 0, first), LIST_HEAD))
    }
    this.open(db, db.insert(key, VALUE.set(EMPTY_LIST, 0, EMPTY_BYTES), LIST_HEAD))
    try {
      this.pushLast(element, limits)
    } catch (error) {
      db.remove(this.record)
      throw error
    }
    return this
  }

  /** Elements. */
  get count(): number {
    return this.#isPacked ? headerCount(this.#bytes, this.#start) : this.#root.count
  }

  /** Adds an element before the first. */
  pushFirst(element: Slice, limits: EncodingLimits): void {
    if (this.#isPacked) {
      if (this.#insertPacked(HEADER_BYTES, element, limits)) return
    }
    this.#leaves.pushFirst(this.#root.chain, element)
  }

  /** Adds an element behind the last. */
  pushLast(element: Slice, limits: EncodingLimits): void {
    if (this.#isPacked) {
      const end = totalBytes(this.#bytes, this.#start) - 1
      if (this.#insertPacked(end, element, limits)) return
    }
    this.#leaves.pushLast(this.#root.chain, element)
  }

  /** Adds an element before element `index`. */
  insert(index: number, element: Slice, limits: EncodingLimits): void {
    assert(index >= 0 && index < this.count, 'the index is that of an element')
    if (this.#isPacked) {
      const offset = seek(this.#bytes, this.#start, index) - this.#start
      if (this.#insertPacked(offset, element, limits)) return
    }
    const { chain } = this.#root
    const leaves = this.#leaves
    leaves.insertAt(chain, leaves.seek(chain, index), element)
  }

  /** Puts another element into the place of element `index`. */
  set(index: number, element: Slice, limits: EncodingLimits): void {
    assert(index >= 0 && index < this.count, 'the index is that of an element')
    if (this.#isPacked) {
      if (this.#replacePacked(index, element, limits)) return
    }
    this.#leaves.replace(this.#root.chain, index, element)
  }

  /** Removes `count` elements from `index` on. The last one takes the key with it. */
  remove(index: number, count: number): void {
    const all = this.count
    assert(index >= 0 && index + count <= all, 'what is removed is there')
    if (count === all) this.#removeKey()
    else if (this.#isPacked) this.#removePacked(index, count)
    else this.#leaves.remove(this.#root.chain, index, count)
  }

  /** Removes the first element, and the key with the last one. */
  removeFirst(): void {
    if (this.count === 1) return this.#removeKey()
    if (this.#isPacked) return this.#removePacked(0, 1)
    this.#leaves.popFirst(this.#root.chain)
  }

  /** Removes the last element, and the key with it if it was the only one. */
  removeLast(): void {
    const { count } = this
    if (count === 1) return this.#removeKey()
    if (this.#isPacked) return this.#removePacked(count - 1, 1)
    this.#leaves.popLast(this.#root.chain)
  }

  /**
   * Removes up to `limit` elements that equal `wanted` from the first on, and the key with the last
   * one; returns how many.
   */
  removeFirstEqual(wanted: Slice, limit: number): number {
    if (this.#isPacked) {
      const matches = countMatches(this.#bytes, this.#start, wanted)
      return this.#removePackedEqual(wanted, 0, Math.min(matches, limit))
    }
    const { chain } = this.#root
    const removed = this.#leaves.removeFirst(chain, wanted, limit)
    if (chain.count === 0) this.#removeKey()
    return removed
  }

  /** `removeFirstEqual`, from the last on. */
  removeLastEqual(wanted: Slice, limit: number): number {
    if (this.#isPacked) {
      const matches = countMatches(this.#bytes, this.#start, wanted)
      const count = Math.min(matches, limit)
      return this.#removePackedEqual(wanted, matches - count, count)
    }
    const { chain } = this.#root
    const removed = this.#leaves.removeLast(chain, wanted, limit)
    if (chain.count === 0) this.#removeKey()
    return removed
  }

  /** Moves the first element behind the last. */
  rotateLeft(limits: EncodingLimits): void {
    if (!this.#isPacked) {
      this.readFirst()
      this.pushLast(this.#kept(), limits)
      return this.removeFirst()
    }
    this.#db.touch(this.record)
    const bytes = this.#bytes
    const first = this.#start + HEADER_BYTES
    const end = endOf(bytes, this.#start)
    const length = entryBytes(bytes, first)
    copySlice(MOVED.set(bytes, first, length), PACKED, 0)
    moveWithin(bytes, first, first + length, end)
    copySlice(MOVED.set(PACKED, 0, length), bytes, end - length)
  }

  /** Moves the last element before the first. */
  rotateRight(limits: EncodingLimits): void {
    if (!this.#isPacked) {
      this.readLast()
      this.pushFirst(this.#kept(), limits)
      return this.removeLast()
    }
    this.#db.touch(this.record)
    const bytes = this.#bytes
    const first = this.#start + HEADER_BYTES
    const end = endOf(bytes, this.#start)
    const last = lastEntry(bytes, this.#start)
    const length = end - last
    copySlice(MOVED.set(bytes, last, length), PACKED, 0)
    moveWithin(bytes, first + length, first, last)
    copySlice(MOVED.set(PACKED, 0, length), bytes, first)
  }

  /** Reads the first element alone: nothing is the next to be read then. */
  readFirst(): void {
    if (!this.#isPacked) {
      this.#leaves.leaf.load(this.#root.chain.first)
      this.#enter()
    }
    this.#readAlone(this.#start + HEADER_BYTES)
  }

  /** Reads the last element alone: nothing is the next to be read then. */
  readLast(): void {
    if (!this.#isPacked) {
      this.#leaves.leaf.load(this.#root.chain.last)
      this.#enter()
    }
    this.#readAlone(lastEntry(this.#bytes, this.#start))
  }

  /** Makes element `index` the next to be read. O(log n). */
  seek(index: number): void {
    assert(index >= 0 && index < this.count, 'the index is that of an element')
    if (this.#isPacked) this.#at = seek(this.#bytes, this.#start, index)
    else {
      this.#at = this.#leaves.seek(this.#root.chain, index)
      this.#enter()
    }
  }

  /** Makes the last element the next to be read. */
  seekLast(): void {
    if (!this.#isPacked) {
      this.#leaves.seekLast(this.#root.chain)
      this.#enter()
    }
    this.#at = lastEntry(this.#bytes, this.#start)
  }

  /** Reads the next element, and goes to the one behind; false: there is none. */
  readNext(): boolean {
    if (this.#at === END && !this.#enterNext()) return false
    const at = this.#at
    this.#at = readEntry(this.#bytes, at, this.element)
    if (this.#hasReferences) this.#follow(at)
    return true
  }

  /** Reads the next element, and goes to the one before; false: there is none. */
  readPrevious(): boolean {
    if (this.#at === END && !this.#enterPrevious()) return false
    const at = this.#at
    readEntry(this.#bytes, at, this.element)
    this.#at = previousEntry(this.#bytes, this.#start, at)
    if (this.#hasReferences) this.#follow(at)
    return true
  }

  /**
   * Looks for `wanted` among the next `limit` elements: returns how many come before it, or -1.
   * The one behind it is the next to be read then.
   */
  findNext(wanted: Slice, limit: number): number {
    for (let passed = 0; passed < limit; passed++) {
      if (this.#at === END && !this.#enterNext()) return -1
      const at = this.#at
      const isFound = this.#isEqual(at, wanted)
      const next = at + entryBytes(this.#bytes, at)
      this.#at = next === endOf(this.#bytes, this.#start) ? END : next
      if (isFound) return passed
    }
    return -1
  }

  /** `findNext`, towards the first element. */
  findPrevious(wanted: Slice, limit: number): number {
    for (let passed = 0; passed < limit; passed++) {
      if (this.#at === END && !this.#enterPrevious()) return -1
      const at = this.#at
      this.#at = previousEntry(this.#bytes, this.#start, at)
      if (this.#isEqual(at, wanted)) return passed
    }
    return -1
  }

  /** Walks the whole list. For tests. */
  check(): void {
    assert(this.count > 0, 'an empty list has no key')
    assert(this.#db.encodingOf(this.record) === Encoding.Quicklist, 'lists are quicklists')
    if (!this.#isPacked) return checkLeaves(this.#leaves, this.#root.chain)
    const length = this.#db.readString(this.record, VALUE).length
    assert(validate(this.#bytes, this.#start, length), 'a packed list is a listpack')
  }

  get #db(): Database {
    assert(this.#database !== null, 'the list has been opened')
    return this.#database
  }

  get #leaves(): ListLeaves {
    assert(this.#tree !== null, 'the list has been opened')
    return this.#tree
  }

  #point(record: Ptr): void {
    const db = this.#db
    this.record = record
    this.#at = END
    this.#isPacked = !db.hasRoot(record)
    if (this.#isPacked) {
      db.readString(record, VALUE)
      this.#bytes = VALUE.bytes
      this.#start = VALUE.start
      this.#hasReferences = false
    } else db.readRoot(record, this.#root)
  }

  #removeKey(): void {
    this.#db.remove(this.record)
    this.record = NULL
  }

  /** Takes the leaf that the leaves have gone to. */
  #enter(): void {
    const { leaf } = this.#leaves
    this.#bytes = leaf.bytes
    this.#start = leaf.start
    this.#hasReferences = leaf.hasReferences
  }

  #enterNext(): boolean {
    if (this.#isPacked) return false
    const at = this.#leaves.next()
    if (at === END) return false
    this.#enter()
    this.#at = at
    return true
  }

  #enterPrevious(): boolean {
    if (this.#isPacked) return false
    if (this.#leaves.previous() === END) return false
    this.#enter()
    this.#at = lastEntry(this.#bytes, this.#start)
    return true
  }

  #readAlone(at: number): void {
    this.#at = END
    readEntry(this.#bytes, at, this.element)
    if (this.#hasReferences) this.#follow(at)
  }

  #follow(at: number): void {
    if (!isReference(this.#bytes, at)) return
    readReference(this.#leaves.arena, this.#bytes, at, this.element)
  }

  #isEqual(at: number, wanted: Slice): boolean {
    if (!this.#hasReferences) return equalsEntry(this.#bytes, at, wanted)
    return this.#leaves.leaf.isEqual(at, wanted)
  }

  /** The element that was read last, where a change of its leaf leaves it. */
  #kept(): Slice {
    return keepElement(this, PACKED, MOVED)
  }

  /**
   * Inserts at an offset of the packed value. Where that is too much for it the list lies in leaves
   * then, without the element: false.
   */
  #insertPacked(offset: number, element: Slice, limits: EncodingLimits): boolean {
    const start = this.#start
    const total = totalBytes(this.#bytes, start)
    const size = limits.listNodeSize
    const inserted = encodedLength(element)
    if (
      element.length >= ListTuning.spanLength ||
      total + inserted > packedBytesMax(size) ||
      headerCount(this.#bytes, start) >= packedEntriesMax(size)
    ) {
      this.#unpack()
      return false
    }
    CHANGE.removed = 0
    CHANGE.inserted = inserted
    this.#point(this.#db.splice(this.record, total, CHANGE))
    insertEntry(this.#bytes, this.#start, this.#start + offset, element)
    return true
  }

  #replacePacked(index: number, element: Slice, limits: EncodingLimits): boolean {
    const offset = seek(this.#bytes, this.#start, index) - this.#start
    const total = totalBytes(this.#bytes, this.#start)
    const change = encodedLength(element) - entryBytes(this.#bytes, this.#start + offset)
    const bytesMax = packedBytesMax(limits.listNodeSize)
    if (element.length >= ListTuning.spanLength || total + change > bytesMax) {
      this.#unpack()
      return false
    }
    if (change > 0) {
      CHANGE.removed = 0
      CHANGE.inserted = change
      this.#point(this.#db.splice(this.record, total, CHANGE))
    } else this.#db.touch(this.record)
    replaceEntry(this.#bytes, this.#start, this.#start + offset, element)
    this.#cut(total)
    return true
  }

  #removePacked(index: number, count: number): void {
    this.#db.touch(this.record)
    const total = totalBytes(this.#bytes, this.#start)
    const at = seek(this.#bytes, this.#start, index)
    removeEntries(this.#bytes, this.#start, at, count)
    this.#cut(total)
  }

  #removePackedEqual(wanted: Slice, spared: number, count: number): number {
    if (count === 0) return 0
    if (count === this.count) this.#removeKey()
    else {
      this.#db.touch(this.record)
      const total = totalBytes(this.#bytes, this.#start)
      removeMatches(this.#bytes, this.#start, wanted, { spared, count })
      this.#cut(total)
    }
    return count
  }

  /** Gives back what the packed value, which had `total` bytes, no longer needs. */
  #cut(total: number): void {
    const needed = totalBytes(this.#bytes, this.#start)
    if (needed >= total) return
    CHANGE.removed = total - needed
    CHANGE.inserted = 0
    this.#point(this.#db.splice(this.record, needed, CHANGE))
  }

  /** Moves the packed elements into leaves. ARENA_FULL: the list is packed still. */
  #unpack(): void {
    const db = this.#db
    const { collections } = db
    const number = collections.allocate()
    ROOT.fill(0)
    ROOT[RootWord.Number] = number
    const { chain } = SCRATCH_ROOT.open(ROOT, 0, NULL)
    const leaves = this.#leaves
    let record: Ptr
    try {
      // A list that is being made has no elements yet.
      if (this.count > 0) leaves.append(chain, db.readString(this.record, VALUE))
      record = db.setRoot(this.record, ROOT, Encoding.Quicklist)
    } catch (error) {
      leaves.clear(chain)
      collections.release(number)
      throw error
    }
    this.#point(record)
  }
}

/**
 * Points `out` at the element that the list has read last, so that it stays valid while lists are
 * changed: what lies in a span does, what lies in a leaf or a record is copied into `copy`, which
 * has 8 KiB.
 */
export function keepElement(list: List, copy: Uint8Array, out: Slice): Slice {
  assert(copy.length >= SPAN_LENGTH_MIN - 1, 'what lies in a leaf fits the copy')
  const { element } = list
  if (!element.isInteger && element.length > copy.length) {
    return out.set(element.bytes, element.start, element.length)
  }
  return out.set(copy, 0, element.writeText(copy, 0))
}
