// Lists that lie in leaves: a `LeafTree` by rank, each leaf a listpack behind its header.
//
//    0             20           24            32         38
//    +-------------+------------+-------------+----------+-------- … --+------+----------
//    | leaf header | references | unused      | listpack | entries     | 0xff | free
//    | of root.ts  |            |             | header   |             |      |
//    +-------------+------------+-------------+----------+-------- … --+------+----------
//
// A leaf has one page while elements are small. One that must take an element of more than a
// quarter of it grows, page by page as it is filled, to a size of which the element is a quarter;
// elements that no leaf may take are referred to (list-entry.ts).
//
// A push into a full end leaf begins a new one, so that what is pushed fills pages whole; an insert
// into the middle of a full leaf splits it by its bytes. Leaves that deletes have left below a
// quarter join a neighbour.
//
// Invariants: no leaf is empty · its listpack counts as its header does · leaves and the root have
// as many references as they say. ARENA_FULL: no element has come or gone, though a leaf may have been split or grown.
// Owner: the engine. One instance serves all lists of a keyspace.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, type Slice, scratchSlice } from '../../base/slice.ts'
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
import { LeafTree, NO_ORDER } from '../leaf-tree.ts'
import {
  EMPTY_BYTES,
  END,
  endOf,
  entryBytes,
  equalsEntry,
  firstEntry,
  HEADER_BYTES,
  headerCount,
  seek,
  totalBytes,
} from '../packed/listpack.ts'
import {
  addCount,
  encodedLength,
  encodeEntry,
  insertEntry,
  removeEntries,
  replaceEntry,
  setCount,
  spliceWithin,
  writeEmpty,
} from '../packed/listpack-edit.ts'
import {
  type Chain,
  LEAF_HEADER_BYTES,
  LeafWord,
  nodeWord,
  RootWord,
  setNodeWord,
} from '../root.ts'
import {
  isReference,
  ListLeafWord,
  ListRootWord,
  ListTuning,
  makeElementSpan,
  REFERENCE_BYTES,
  readReference,
  referenceSpan,
  writeReference,
} from './list-entry.ts'
import { countMatches, equalBytes, removeMatches } from './list-matches.ts'

/** Word of a root that counts references, from that of its chain. */
export const REFERENCES_IN_CHAIN = ListRootWord.References - RootWord.Chain
/** Bytes that an entry has besides those of its text, at most. */
const ENTRY_OVERHEAD_MAX = 11
/** A leaf with less than this part of a page looks for a neighbour to join. */
const SPARSE_BYTES = PAGE_BYTES / 4
/** Bytes of a joined leaf at most, so that it is not split at once. */
const JOINED_BYTES_MAX = (PAGE_BYTES * 3) / 4

/** Which of a leaf's matches go: `count` of them after the first `spared`. */
interface Part {
  readonly spared: number
  readonly count: number
}

export class ListLeaves {
  readonly tree: LeafTree
  readonly #collections: Collections
  readonly arena: Arena
  readonly #source = scratchSlice()
  readonly #element = scratchSlice()
  /** The current leaf's listpack: valid until leaves come or go. */
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** Whether the current leaf has references. */
  hasReferences = false

  constructor(collections: Collections) {
    this.#collections = collections
    this.arena = collections.arena
    this.tree = new LeafTree(collections, NO_ORDER)
  }

  /** Goes to element `index` < count; returns the place of its entry. */
  seek(chain: Chain, index: number): number {
    this.#load(this.tree.seekRank(chain, index))
    return this.#entryAt(index - this.tree.base)
  }

  /** Goes to the leaf behind, to its first entry; END: there is none. */
  next(): number {
    const leaf = this.tree.moveNext()
    if (leaf === NULL) return END
    this.#load(leaf)
    return firstEntry(this.bytes, this.start)
  }

  /** Goes to the leaf before, to the place behind its last entry; END: there is none. */
  previous(): number {
    const leaf = this.tree.movePrevious()
    if (leaf === NULL) return END
    this.#load(leaf)
    return endOf(this.bytes, this.start)
  }

  /** Goes to the first leaf; returns the place of its first entry. */
  seekFirst(chain: Chain): number {
    this.#load(this.tree.seekFirst(chain))
    return this.start + HEADER_BYTES
  }

  /** Goes to the last leaf; returns the place behind its last entry. */
  seekLast(chain: Chain): number {
    this.#load(this.tree.seekLast(chain))
    return endOf(this.bytes, this.start)
  }

  /** Makes a packed value, which has no references, the last leaf. ARENA_FULL: nothing changed. */
  append(chain: Chain, packed: ByteRange): void {
    const count = headerCount(packed.bytes, packed.start)
    assert(count > 0, 'an empty list is none')
    this.tree.seekLast(chain)
    this.#openLeaf(chain, this.tree.insertAfter(chain, pagesFor(packed.length), 0))
    copySlice(packed, this.bytes, this.start)
    this.tree.addCount(chain, count)
  }

  /** Inserts before the entry at `at` of the current leaf, or at its end. */
  insertAt(chain: Chain, at: number, element: Slice): void {
    const leaf = this.tree.leaf
    if (leaf !== NULL && element.length < ListTuning.spanLength) {
      const total = totalBytes(this.bytes, this.start)
      if (total + element.length + ENTRY_OVERHEAD_MAX <= this.#capacity(leaf)) {
        this.arena.touch(leaf)
        insertEntry(this.bytes, this.start, at, element)
        this.tree.addCount(chain, 1)
        return
      }
    }
    this.#insertSlowly(chain, at, element)
  }

  /** Adds an element behind the last; the chain may be empty. */
  push(chain: Chain, element: Slice): void {
    if (this.tree.seekLast(chain) === NULL) return this.#insertSlowly(chain, 0, element)
    this.#load(this.tree.leaf)
    this.insertAt(chain, endOf(this.bytes, this.start), element)
  }

  /** Removes the entry at `at`, the first or last one of the list. Never fails. */
  removeEnd(chain: Chain, at: number): void {
    const leaf = this.tree.leaf
    if (nodeWord(this.arena, leaf, LeafWord.Count) === 1) this.#dropLeaf(chain)
    else this.#removeEntries(chain, at, 1)
  }

  /** Removes `count` elements from `index` on; some must be left. Never fails. O(leaves). */
  remove(chain: Chain, index: number, count: number): void {
    assert(count < chain.count, 'what is left is a list')
    let left = count
    while (left > 0) {
      const at = this.seek(chain, index)
      const { tree } = this
      const entries = nodeWord(this.arena, tree.leaf, LeafWord.Count)
      const removed = Math.min(left, entries - (index - tree.base))
      if (removed === entries) this.#dropLeaf(chain)
      else this.#removeEntries(chain, at, removed)
      left -= removed
    }
    this.seek(chain, Math.min(index, chain.count - 1))
    this.#joinSparse(chain)
  }

  /** Puts another element into the place of element `index`. */
  replace(chain: Chain, index: number, element: Slice): void {
    const at = this.seek(chain, index)
    const isOut = element.length >= ListTuning.spanLength
    if (!isOut && !(this.hasReferences && isReference(this.bytes, at))) {
      const change = encodedLength(element) - entryBytes(this.bytes, at)
      const { leaf } = this.tree
      if (totalBytes(this.bytes, this.start) + change <= this.#capacity(leaf)) {
        this.arena.touch(leaf)
        replaceEntry(this.bytes, this.start, at, element)
        return
      }
    }
    this.insertAt(chain, at, element)
    this.remove(chain, index + 1, 1)
  }

  /**
   * Removes up to `limit` elements that equal `wanted`, from the first on; returns how many. The
   * chain may be empty then. Never fails.
   */
  removeFirst(chain: Chain, wanted: Slice, limit: number): number {
    let removed = 0
    let isSparse = false
    let leaf = this.tree.seekFirst(chain)
    while (leaf !== NULL && removed < limit) {
      this.#load(leaf)
      const matches = this.#countMatches(wanted)
      const gone = Math.min(matches, limit - removed)
      removed += gone
      if (gone === nodeWord(this.arena, leaf, LeafWord.Count)) {
        leaf = this.#dropLeaf(chain)
        continue
      }
      if (gone > 0) {
        isSparse = this.#removeMatches(chain, wanted, { spared: 0, count: gone }) || isSparse
      }
      leaf = this.tree.moveNext()
    }
    if (isSparse && chain.count > 0) this.#joinAll(chain)
    return removed
  }

  /** `removeFirst`, from the last element on. */
  removeLast(chain: Chain, wanted: Slice, limit: number): number {
    let removed = 0
    let isSparse = false
    let leaf = this.tree.seekLast(chain)
    while (leaf !== NULL && removed < limit) {
      this.#load(leaf)
      const matches = this.#countMatches(wanted)
      const gone = Math.min(matches, limit - removed)
      removed += gone
      if (gone === nodeWord(this.arena, leaf, LeafWord.Count)) {
        leaf = this.#dropLeaf(chain) === NULL ? this.tree.seekLast(chain) : this.tree.movePrevious()
        continue
      }
      if (gone > 0) {
        const part = { spared: matches - gone, count: gone }
        isSparse = this.#removeMatches(chain, wanted, part) || isSparse
      }
      leaf = this.tree.movePrevious()
    }
    if (isSparse && chain.count > 0) this.#joinAll(chain)
    return removed
  }

  /** Whether the entry at `at` of the current leaf is `wanted`. */
  isEqual(at: number, wanted: ByteRange): boolean {
    if (!this.hasReferences || !isReference(this.bytes, at)) {
      return equalsEntry(this.bytes, at, wanted)
    }
    const element = this.#element
    readReference(this.arena, this.bytes, at, element)
    return equalBytes(element, wanted)
  }

  /** Frees the leaves of a chain that could not be made whole. */
  clear(chain: Chain): void {
    while (this.tree.seekFirst(chain) !== NULL) {
      this.#load(this.tree.leaf)
      this.#dropLeaf(chain)
    }
  }

  #load(leaf: Ptr): void {
    const segment = leaf >>> PTR_SEGMENT_SHIFT
    const at = (leaf & PTR_SEGMENT_MASK) << 1
    this.bytes = this.arena.u8[segment]!
    this.start = at * 4 + LEAF_HEADER_BYTES
    this.hasReferences = this.arena.u32[segment]![at + ListLeafWord.References]! !== 0
  }

  #entryAt(index: number): number {
    const at = seek(this.bytes, this.start, index)
    assert(at !== END, 'a leaf has the entries that it counts')
    return at
  }

  #capacity(leaf: Ptr): number {
    return this.arena.nodePages(leaf) * PAGE_BYTES - LEAF_HEADER_BYTES
  }

  #references(leaf: Ptr): number {
    return nodeWord(this.arena, leaf, ListLeafWord.References)
  }

  /** Counts references that came into the touched leaf or went; not in the list as a whole. */
  #shiftReferences(leaf: Ptr, change: number): void {
    setNodeWord(this.arena, leaf, ListLeafWord.References, this.#references(leaf) + change)
  }

  /** Counts references that came into the list or went. */
  #countInRoot(chain: Chain, change: number): void {
    chain.touch(this.arena)
    const at = chain.at + REFERENCES_IN_CHAIN
    chain.words[at] = chain.words[at]! + change
  }

  #insertSlowly(chain: Chain, at: number, element: Slice): void {
    const isOut = element.length >= ListTuning.spanLength
    const length = isOut ? REFERENCE_BYTES : encodedLength(element)
    const span = isOut ? makeElementSpan(this.#collections, chain.number, element) : NULL
    let place: number
    try {
      place = this.#makeRoom(chain, at, length)
    } catch (error) {
      if (isOut) this.arena.freeSpan(span)
      throw error
    }
    const { leaf } = this.tree
    this.arena.touch(leaf)
    spliceWithin(this.bytes, this.start, place, length)
    addCount(this.bytes, this.start, 1)
    if (isOut) {
      writeReference(this.bytes, place, { span, length: element.length })
      this.#shiftReferences(leaf, 1)
      this.#countInRoot(chain, 1)
    } else encodeEntry(element, this.bytes, place)
    this.tree.addCount(chain, 1)
  }

  /** Goes to a place with room for an entry of `length` bytes that is as good as `at`. */
  #makeRoom(chain: Chain, at: number, length: number): number {
    if (chain.leaves === 0) return this.#openLeaf(chain, this.tree.insertAfter(chain, 1, 0))
    for (;;) {
      const { leaf } = this.tree
      const needed = totalBytes(this.bytes, this.start) + length
      const capacity = this.#capacity(leaf)
      if (needed <= capacity) return at
      const pages = pagesFor(needed)
      if (pages <= pagesSuiting(length)) {
        const offset = at - this.start
        this.#load(this.tree.replaceLeaf(chain, pages))
        return this.start + offset
      }
      if (at === this.start + HEADER_BYTES) return this.#makeRoomBefore(chain, length)
      if (at === endOf(this.bytes, this.start)) return this.#makeRoomBehind(chain, length)
      at = this.#split(chain, at)
    }
  }

  #makeRoomBefore(chain: Chain, length: number): number {
    const { tree } = this
    const previous = tree.previousLeaf(tree.leaf)
    if (previous !== NULL && this.#hasRoom(previous, length)) return this.previous()
    return this.#openLeaf(chain, tree.insertBefore(chain, pagesFor(EMPTY_BYTES + length), 0))
  }

  #makeRoomBehind(chain: Chain, length: number): number {
    const { tree } = this
    const next = tree.nextLeaf(tree.leaf)
    if (next !== NULL && this.#hasRoom(next, length)) return this.next()
    return this.#openLeaf(chain, tree.insertAfter(chain, pagesFor(EMPTY_BYTES + length), 0))
  }

  #hasRoom(leaf: Ptr, length: number): boolean {
    return this.#totalOf(leaf) + length <= this.#capacity(leaf)
  }

  #totalOf(leaf: Ptr): number {
    const bytes = this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    return totalBytes(bytes, ((leaf & PTR_SEGMENT_MASK) << 3) + LEAF_HEADER_BYTES)
  }

  /** Makes a new leaf an empty listpack; returns the place of its first entry. */
  #openLeaf(chain: Chain, leaf: Ptr): number {
    assert(chain.leaves > 0, 'the leaf is in its chain')
    setNodeWord(this.arena, leaf, ListLeafWord.References, 0)
    this.#load(leaf)
    writeEmpty(this.bytes, this.start)
    return this.start + HEADER_BYTES
  }

  /**
   * Moves the rear half of the current leaf's bytes into a new one; returns where `at`, which is
   * neither the first entry nor the end, is now.
   */
  #split(chain: Chain, at: number): number {
    const { bytes, start, tree } = this
    const limit = endOf(bytes, start)
    const half = start + HEADER_BYTES + ((limit - start) >>> 1)
    const count = headerCount(bytes, start)
    let place = start + HEADER_BYTES
    let kept = 0
    do {
      place += entryBytes(bytes, place)
      kept++
    } while (place < half && kept + 1 < count)
    const moved = count - kept
    assert(moved > 0 && place < limit, 'a split leaves entries on both sides')
    const references = this.hasReferences ? this.#countReferences(place, moved) : 0
    const left = tree.leaf
    const right = tree.insertAfter(chain, pagesFor(EMPTY_BYTES + limit - place), 0)
    this.#openLeaf(chain, right)
    this.#append(bytes, place, limit)
    setCount(this.bytes, this.start, moved)
    this.#shiftReferences(right, references)
    tree.addCount(chain, moved)
    const isRight = at > place
    const offset = at - place
    tree.movePrevious()
    tree.addCount(chain, -moved)
    this.arena.touch(left)
    spliceWithin(bytes, start, limit, place - limit)
    setCount(bytes, start, kept)
    this.#shiftReferences(left, -references)
    if (isRight) return this.next() + offset
    this.#load(left)
    return at
  }

  /** Appends the bytes of entries to the current leaf; the count is left as it is. */
  #append(bytes: Uint8Array, from: number, limit: number): void {
    const length = limit - from
    const place = endOf(this.bytes, this.start)
    spliceWithin(this.bytes, this.start, place, length)
    copySlice(this.#source.set(bytes, from, length), this.bytes, place)
  }

  /** References among `count` entries from `at` on. */
  #countReferences(at: number, count: number): number {
    let references = 0
    for (let i = 0; i < count; i++) {
      if (isReference(this.bytes, at)) references++
      at += entryBytes(this.bytes, at)
    }
    return references
  }

  /** Removes some but not all entries of the current leaf. */
  #removeEntries(chain: Chain, at: number, count: number): void {
    const { leaf } = this.tree
    this.arena.touch(leaf)
    if (this.hasReferences) {
      const freed = this.#freeReferences(at, count)
      this.#shiftReferences(leaf, -freed)
      this.#countInRoot(chain, -freed)
    }
    removeEntries(this.bytes, this.start, at, count)
    this.tree.addCount(chain, -count)
  }

  /** Frees the current leaf with its elements; the next one, which is returned, is current. */
  #dropLeaf(chain: Chain): Ptr {
    if (this.hasReferences) {
      const count = headerCount(this.bytes, this.start)
      this.#countInRoot(chain, -this.#freeReferences(this.start + HEADER_BYTES, count))
    }
    return this.tree.remove(chain)
  }

  /** Frees the spans of references among `count` entries from `at` on; returns how many. */
  #freeReferences(at: number, count: number): number {
    let freed = 0
    for (let i = 0; i < count; i++) {
      if (isReference(this.bytes, at)) {
        this.arena.freeSpan(referenceSpan(this.bytes, at))
        freed++
      }
      at += entryBytes(this.bytes, at)
    }
    return freed
  }

  /** Entries of the current leaf that equal `wanted`. */
  #countMatches(wanted: Slice): number {
    const { bytes, start } = this
    if (!this.hasReferences) return countMatches(bytes, start, wanted)
    const limit = endOf(bytes, start)
    let matches = 0
    for (let at = start + HEADER_BYTES; at < limit; at += entryBytes(bytes, at)) {
      if (this.isEqual(at, wanted)) matches++
    }
    return matches
  }

  /** Removes some of the current leaf's matches, not all its entries; whether it is sparse then. */
  #removeMatches(chain: Chain, wanted: Slice, part: Part): boolean {
    const { bytes, start, tree } = this
    if (this.hasReferences) this.#removeOneByOne(chain, wanted, part)
    else {
      this.arena.touch(tree.leaf)
      removeMatches(bytes, start, wanted, part)
      tree.addCount(chain, -part.count)
    }
    return totalBytes(bytes, start) < SPARSE_BYTES
  }

  #removeOneByOne(chain: Chain, wanted: Slice, { spared, count }: Part): void {
    let at = this.start + HEADER_BYTES
    let matches = 0
    for (let left = count; left > 0; ) {
      if (this.isEqual(at, wanted) && matches++ >= spared) {
        this.#removeEntries(chain, at, 1)
        left--
      } else at += entryBytes(this.bytes, at)
    }
  }

  /** Joins the current leaf, if it is sparse, with one of its neighbours. */
  #joinSparse(chain: Chain): void {
    const { tree } = this
    const { leaf } = tree
    const total = totalBytes(this.bytes, this.start)
    if (total >= SPARSE_BYTES) return
    const next = tree.nextLeaf(leaf)
    if (next !== NULL && this.#suits(leaf, next)) return this.#joinNext(chain)
    const previous = tree.previousLeaf(leaf)
    if (previous === NULL || !this.#suits(previous, leaf)) return
    this.previous()
    this.#joinNext(chain)
  }

  /** Joins leaves from the first to the last, as far as two make a good one. */
  #joinAll(chain: Chain): void {
    const { tree } = this
    this.seekFirst(chain)
    for (;;) {
      const next = tree.nextLeaf(tree.leaf)
      if (next === NULL) return
      const isSparse = this.#totalOf(tree.leaf) < SPARSE_BYTES || this.#totalOf(next) < SPARSE_BYTES
      if (isSparse && this.#suits(tree.leaf, next)) this.#joinNext(chain)
      else this.next()
    }
  }

  /** Whether the entries of `right` fit behind those of `left`. */
  #suits(left: Ptr, right: Ptr): boolean {
    const total = this.#totalOf(left) + this.#totalOf(right) - EMPTY_BYTES
    return total <= JOINED_BYTES_MAX && total <= this.#capacity(left)
  }

  /** Takes the entries of the next leaf, which suits, into the current one. */
  #joinNext(chain: Chain): void {
    const { tree, bytes, start, hasReferences } = this
    const { leaf } = tree
    const base = tree.base
    this.arena.touch(leaf)
    this.next()
    const right = tree.leaf
    const from = firstEntry(this.bytes, this.start)
    const limit = endOf(this.bytes, this.start)
    const moved = headerCount(this.bytes, this.start)
    const references = this.#references(right)
    const source = this.bytes
    this.bytes = bytes
    this.start = start
    this.#append(source, from, limit)
    addCount(bytes, start, moved)
    this.#shiftReferences(leaf, references)
    this.hasReferences = hasReferences || references > 0
    tree.remove(chain)
    tree.seekRank(chain, base)
    assert(tree.leaf === leaf, 'the joined leaf has its rank')
    tree.addCount(chain, moved)
  }
}

const NO_BYTES = new Uint8Array(0)

/** Pages of a leaf for a listpack of `total` bytes. */
function pagesFor(total: number): number {
  return Math.ceil((LEAF_HEADER_BYTES + total) / PAGE_BYTES)
}

/** Pages of a leaf of which an entry of `length` bytes is a quarter. */
function pagesSuiting(length: number): number {
  return Math.min(Math.max(1, pagesFor(length * 4)), RUN_PAGES_MAX)
}
