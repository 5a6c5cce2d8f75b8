// Lists that lie in leaves: a `LeafTree` by rank, each leaf a listpack (list-leaf.ts).
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
// as many references as they say. ARENA_FULL: no element has come or gone, though a leaf may have
// been split or grown. Owner: the engine. One instance serves all lists of a keyspace.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, type Slice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PAGE_BYTES, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { LeafTree, NO_ORDER } from '../leaf-tree/leaf-tree.ts'
import {
  EMPTY_BYTES,
  END,
  entryBytes,
  Head,
  headerCount,
  lastEntry,
  readEntry,
} from '../packed/listpack.ts'
import {
  addCount,
  appendEntry,
  dropFirst,
  dropLast,
  encodedLength,
  encodeEntry,
  insertEntry,
  prependEntry,
  replaceEntry,
  setCount,
  spliceWithin,
} from '../packed/listpack-edit.ts'
import { scratchEntry } from '../packed/packed.ts'
import { type Chain, LEAF_HEADER_BYTES, RootWord } from '../root.ts'
import {
  isReference,
  ListRootWord,
  ListTuning,
  makeElementSpan,
  REFERENCE_BYTES,
  writeReference,
} from './list-entry.ts'
import { ListLeaf, pagesFor, pagesSuiting, totalOf } from './list-leaf.ts'
import { removeMatches } from './list-matches.ts'

/** Word of a root that counts references, from that of its chain. */
export const REFERENCES_IN_CHAIN = ListRootWord.References - RootWord.Chain
/** Bytes that an entry has besides those of its text, at most. */
const ENTRY_OVERHEAD_MAX = 11
/** Entries up to this length are copied many at a time into leaves of one page. */
const SHORT_BYTES_MAX = PAGE_BYTES / 4
/** The length of those that are longer, or may look like references. */
const LONG = Infinity
const ENTRY = scratchEntry()
const ELEMENT = scratchSlice()
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
  /** The leaf that was gone to last: valid until leaves come or go. */
  readonly leaf: ListLeaf
  readonly arena: Arena
  readonly #collections: Collections

  constructor(collections: Collections) {
    this.#collections = collections
    this.arena = collections.arena
    this.tree = new LeafTree(collections, NO_ORDER)
    this.leaf = new ListLeaf(collections.arena)
  }

  /** Goes to element `index` < count; returns the place of its entry. */
  seek(chain: Chain, index: number): number {
    this.leaf.load(this.tree.seekRank(chain, index))
    return this.leaf.placeOf(index - this.tree.base)
  }

  /** Goes to the leaf behind, to its first entry; END: there is none. */
  next(): number {
    const node = this.tree.moveNext()
    return node === NULL ? END : this.leaf.load(node).first
  }

  /** Goes to the leaf before, to the place behind its last entry; END: there is none. */
  previous(): number {
    const node = this.tree.movePrevious()
    return node === NULL ? END : this.leaf.load(node).end
  }

  /** Goes to the first leaf; returns the place of its first entry. */
  seekFirst(chain: Chain): number {
    return this.leaf.load(this.tree.seekFirst(chain)).first
  }

  /** Goes to the last leaf; returns the place behind its last entry. */
  seekLast(chain: Chain): number {
    return this.leaf.load(this.tree.seekLast(chain)).end
  }

  /** Makes a packed value, which has no references, the last leaf. ARENA_FULL: nothing changed. */
  append(chain: Chain, packed: ByteRange): void {
    const count = headerCount(packed.bytes, packed.start)
    assert(count > 0, 'an empty list is none')
    const { tree, leaf } = this
    tree.seekLast(chain)
    leaf.open(tree.insertAfter(chain, pagesFor(packed.length), 0), LEAF_HEADER_BYTES)
    copySlice(packed, leaf.bytes, leaf.start)
    tree.addCount(chain, count)
  }

  /** Adds an element before the first; the chain may be empty. */
  pushFirst(chain: Chain, element: Slice): void {
    const { leaf } = this
    const node = chain.first
    if (node !== NULL && element.length < ListTuning.spanLength) {
      leaf.load(node)
      if (leaf.roomBefore >= element.length + ENTRY_OVERHEAD_MAX) {
        this.arena.touch(node)
        leaf.setStart(prependEntry(leaf.bytes, leaf.start, element))
        this.tree.addFirst(chain, 1)
        return
      }
    }
    this.#insertSlowly(chain, node === NULL ? 0 : this.seekFirst(chain), element)
  }

  /** Adds an element behind the last; the chain may be empty. */
  pushLast(chain: Chain, element: Slice): void {
    const { leaf } = this
    const node = chain.last
    if (node !== NULL && element.length < ListTuning.spanLength) {
      leaf.load(node)
      if (leaf.roomBehind >= element.length + ENTRY_OVERHEAD_MAX) {
        this.arena.touch(node)
        appendEntry(leaf.bytes, leaf.start, element)
        this.tree.addLast(chain, 1)
        return
      }
    }
    this.#insertSlowly(chain, node === NULL ? 0 : this.seekLast(chain), element)
  }

  /**
   * Adds entries of a listpack from elsewhere behind the last, and fills leaves whole. ARENA_FULL:
   * some have been added. O(bytes).
   */
  appendEntries(
    chain: Chain,
    {
      bytes,
      first,
      limit,
    }: { readonly bytes: Uint8Array; readonly first: number; readonly limit: number },
  ): void {
    const { leaf, tree } = this
    for (let at = first; at < limit; ) {
      const length = shortEntryBytes(bytes, at)
      if (length === LONG) {
        readEntry(bytes, at, ENTRY)
        this.pushLast(chain, ENTRY.textInto(ELEMENT))
        at += entryBytes(bytes, at)
        continue
      }
      if (chain.last !== NULL) leaf.load(chain.last)
      if (chain.last === NULL || leaf.roomBehind < length) {
        tree.seekLast(chain)
        this.#openLeaf(tree.insertAfter(chain, 1, 0))
      }
      const from = at
      const end = Math.min(limit, at + leaf.roomBehind)
      let count = 0
      for (let next = at + length; next <= end; next += shortEntryBytes(bytes, at)) {
        at = next
        count++
        if (at === limit) break
      }
      this.arena.touch(leaf.node)
      leaf.appendBytes(bytes, from, at)
      addCount(leaf.bytes, leaf.start, count)
      tree.addLast(chain, count)
    }
  }

  /** Inserts before the entry at `at` of the current leaf, or at its end. */
  insertAt(chain: Chain, at: number, element: Slice): void {
    const { leaf } = this
    const isShort = element.length < ListTuning.spanLength
    if (!isShort || leaf.roomBehind < element.length + ENTRY_OVERHEAD_MAX) {
      return this.#insertSlowly(chain, at, element)
    }
    this.arena.touch(leaf.node)
    insertEntry(leaf.bytes, leaf.start, at, element)
    this.tree.addCount(chain, 1)
  }

  /** Removes the first element; another is left. Never fails. */
  popFirst(chain: Chain): void {
    const leaf = this.leaf.load(chain.first)
    if (leaf.hasReferences || leaf.count === 1) {
      return this.#removeEnd(chain, this.seekFirst(chain))
    }
    this.arena.touch(leaf.node)
    leaf.setStart(dropFirst(leaf.bytes, leaf.start, 1))
    this.tree.addFirst(chain, -1)
  }

  /** Removes the last element; another is left. Never fails. */
  popLast(chain: Chain): void {
    const leaf = this.leaf.load(chain.last)
    const at = lastEntry(leaf.bytes, leaf.start)
    if (leaf.hasReferences || leaf.count === 1) {
      this.seekLast(chain)
      return this.#removeEnd(chain, at)
    }
    this.arena.touch(leaf.node)
    dropLast(leaf.bytes, leaf.start, at)
    this.tree.addLast(chain, -1)
  }

  /** Removes `count` elements from `index` on; some must be left. Never fails. O(leaves). */
  remove(chain: Chain, index: number, count: number): void {
    assert(count < chain.count, 'what is left is a list')
    let left = count
    while (left > 0) {
      const at = this.seek(chain, index)
      const entries = this.leaf.count
      const removed = Math.min(left, entries - (index - this.tree.base))
      if (removed === entries) this.#dropLeaf(chain)
      else this.#removeEntries(chain, at, removed)
      left -= removed
    }
    this.seek(chain, Math.min(index, chain.count - 1))
    this.#joinSparse(chain)
  }

  /** Puts another element into the place of element `index`. */
  replace(chain: Chain, index: number, element: Slice): void {
    const { leaf } = this
    let at = this.seek(chain, index)
    const wasOut = leaf.hasReferences && isReference(leaf.bytes, at)
    if (!wasOut && element.length < ListTuning.spanLength) {
      const change = encodedLength(element) - entryBytes(leaf.bytes, at)
      if (leaf.total + change <= leaf.capacity) {
        at = leaf.slide(at, change)
        this.arena.touch(leaf.node)
        replaceEntry(leaf.bytes, leaf.start, at, element)
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
    const { tree, leaf } = this
    let removed = 0
    let isSparse = false
    let node = tree.seekFirst(chain)
    while (node !== NULL && removed < limit) {
      const count = Math.min(leaf.load(node).countMatches(wanted), limit - removed)
      removed += count
      if (count === leaf.count) {
        node = this.#dropLeaf(chain)
        continue
      }
      if (count > 0) {
        const isShrunk = this.#removeMatches(chain, wanted, { spared: 0, count })
        isSparse = isSparse || isShrunk
      }
      node = tree.moveNext()
    }
    if (isSparse && chain.count > 0) this.#joinAll(chain)
    return removed
  }

  /** `removeFirst`, from the last element on. */
  removeLast(chain: Chain, wanted: Slice, limit: number): number {
    const { tree, leaf } = this
    let removed = 0
    let isSparse = false
    let node = tree.seekLast(chain)
    while (node !== NULL && removed < limit) {
      const matches = leaf.load(node).countMatches(wanted)
      const count = Math.min(matches, limit - removed)
      removed += count
      if (count === leaf.count) {
        node = this.#dropLeaf(chain) === NULL ? tree.seekLast(chain) : tree.movePrevious()
        continue
      }
      if (count > 0) {
        const isShrunk = this.#removeMatches(chain, wanted, { spared: matches - count, count })
        isSparse = isSparse || isShrunk
      }
      node = tree.movePrevious()
    }
    if (isSparse && chain.count > 0) this.#joinAll(chain)
    return removed
  }

  /** Frees the leaves of a chain that could not be made whole. */
  clear(chain: Chain): void {
    while (this.tree.seekFirst(chain) !== NULL) {
      this.leaf.load(this.tree.leaf)
      this.#dropLeaf(chain)
    }
  }

  #insertSlowly(chain: Chain, at: number, element: Slice): void {
    const { leaf } = this
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
    this.arena.touch(leaf.node)
    spliceWithin(leaf.bytes, leaf.start, place, length)
    addCount(leaf.bytes, leaf.start, 1)
    if (isOut) {
      writeReference(leaf.bytes, place, { span, length: element.length })
      leaf.addReferences(1)
      this.#countInRoot(chain, 1)
    } else encodeEntry(element, leaf.bytes, place)
    this.tree.addCount(chain, 1)
  }

  /**
   * Goes to a place that is as good as `at`, in a leaf with room for an entry of `length` bytes
   * behind its listpack.
   */
  #makeRoom(chain: Chain, at: number, length: number): number {
    const { leaf, tree } = this
    if (chain.leaves === 0) {
      tree.seekFirst(chain)
      return this.#openLeaf(tree.insertAfter(chain, pagesFor(EMPTY_BYTES + length), 0))
    }
    for (;;) {
      const needed = leaf.total + length
      if (needed <= leaf.capacity) return leaf.slide(at, length)
      const pages = pagesFor(needed)
      if (pages <= pagesSuiting(length)) {
        const offset = at - leaf.start
        leaf.reopen(tree.replaceLeaf(chain, pages))
        return leaf.slide(leaf.start + offset, length)
      }
      if (at === leaf.first) return this.#makeRoomBefore(chain, length)
      if (at === leaf.end) return this.#makeRoomBehind(chain, length)
      at = this.#split(chain, at)
    }
  }

  #makeRoomBefore(chain: Chain, length: number): number {
    const { leaf, tree } = this
    const previous = tree.previousLeaf(tree.leaf)
    if (previous !== NULL && this.#hasRoom(previous, length)) {
      return leaf.slide(this.previous(), length)
    }
    // What comes at the front goes on coming there: the room is kept before it.
    const pages = pagesFor(EMPTY_BYTES + length)
    leaf.open(tree.insertBefore(chain, pages, 0), pages * PAGE_BYTES - EMPTY_BYTES - length)
    return leaf.first
  }

  #makeRoomBehind(chain: Chain, length: number): number {
    const { leaf, tree } = this
    const next = tree.nextLeaf(tree.leaf)
    if (next !== NULL && this.#hasRoom(next, length)) return leaf.slide(this.next(), length)
    return this.#openLeaf(tree.insertAfter(chain, pagesFor(EMPTY_BYTES + length), 0))
  }

  #hasRoom(node: Ptr, length: number): boolean {
    const bytes = this.arena.nodePages(node) * PAGE_BYTES
    return totalOf(this.arena, node) + length <= bytes - LEAF_HEADER_BYTES
  }

  /** Goes to a new leaf, to be filled from the front; returns the place of its first entry. */
  #openLeaf(node: Ptr): number {
    this.leaf.open(node, LEAF_HEADER_BYTES)
    return this.leaf.first
  }

  /**
   * Moves the rear half of the current leaf's bytes into a new one; returns where `at`, which is
   * neither the first entry nor the end, is now.
   */
  #split(chain: Chain, at: number): number {
    const { leaf, tree } = this
    const { bytes, start, end, count, first } = leaf
    const half = first + ((end - first) >>> 1)
    let place = first
    let kept = 0
    do {
      place += entryBytes(bytes, place)
      kept++
    } while (place < half && kept + 1 < count)
    const moved = count - kept
    assert(moved > 0 && place < end, 'a split leaves entries on both sides')
    const references = leaf.hasReferences ? leaf.countReferences(place, moved) : 0
    const left = leaf.node
    this.#openLeaf(tree.insertAfter(chain, pagesFor(EMPTY_BYTES + end - place), 0))
    leaf.appendBytes(bytes, place, end)
    setCount(leaf.bytes, leaf.start, moved)
    leaf.addReferences(references)
    tree.addCount(chain, moved)
    tree.movePrevious()
    tree.addCount(chain, -moved)
    leaf.load(left)
    this.arena.touch(left)
    spliceWithin(bytes, start, end, place - end)
    setCount(bytes, start, kept)
    leaf.addReferences(-references)
    return at > place ? this.next() + at - place : at
  }

  /** Counts references that came into the list or went. */
  #countInRoot(chain: Chain, change: number): void {
    chain.touch(this.arena)
    const at = chain.at + REFERENCES_IN_CHAIN
    chain.words[at] = chain.words[at]! + change
  }

  /** Removes the entry at `at`, the first or last one of the list. */
  #removeEnd(chain: Chain, at: number): void {
    if (this.leaf.count === 1) this.#dropLeaf(chain)
    else this.#removeEntries(chain, at, 1)
  }

  /** Removes some but not all entries of the current leaf; returns the place of the next one. */
  #removeEntries(chain: Chain, at: number, count: number): number {
    const { leaf } = this
    this.arena.touch(leaf.node)
    if (leaf.hasReferences) {
      const freed = leaf.freeReferences(at, count)
      leaf.addReferences(-freed)
      this.#countInRoot(chain, -freed)
    }
    this.tree.addCount(chain, -count)
    return leaf.removeEntries(at, count)
  }

  /** Frees the current leaf with its elements; the next one, which is returned, is current. */
  #dropLeaf(chain: Chain): Ptr {
    const { leaf } = this
    if (leaf.hasReferences) {
      this.#countInRoot(chain, -leaf.freeReferences(leaf.first, leaf.count))
    }
    return this.tree.remove(chain)
  }

  /** Removes some of the current leaf's matches, not all its entries; whether it is sparse then. */
  #removeMatches(chain: Chain, wanted: Slice, part: Part): boolean {
    const { leaf, tree } = this
    if (leaf.hasReferences) this.#removeOneByOne(chain, wanted, part)
    else {
      this.arena.touch(leaf.node)
      removeMatches(leaf.bytes, leaf.start, wanted, part)
      tree.addCount(chain, -part.count)
    }
    return leaf.total < SPARSE_BYTES
  }

  #removeOneByOne(chain: Chain, wanted: Slice, { spared, count }: Part): void {
    const { leaf } = this
    let at = leaf.first
    let matches = 0
    for (let left = count; left > 0; ) {
      if (leaf.isEqual(at, wanted) && matches++ >= spared) {
        at = this.#removeEntries(chain, at, 1)
        left--
      } else at += entryBytes(leaf.bytes, at)
    }
  }

  /** Joins the current leaf, if it is sparse, with one of its neighbours. */
  #joinSparse(chain: Chain): void {
    const { leaf, tree } = this
    if (leaf.total >= SPARSE_BYTES) return
    const { node } = leaf
    const next = tree.nextLeaf(node)
    if (next !== NULL && this.#suits(node, next)) return this.#joinNext(chain)
    const previous = tree.previousLeaf(node)
    if (previous === NULL || !this.#suits(previous, node)) return
    this.previous()
    this.#joinNext(chain)
  }

  /** Joins leaves from the first to the last, as far as two make a good one. */
  #joinAll(chain: Chain): void {
    const { tree, arena } = this
    this.seekFirst(chain)
    for (;;) {
      const { leaf } = tree
      const next = tree.nextLeaf(leaf)
      if (next === NULL) return
      const isSparse = totalOf(arena, leaf) < SPARSE_BYTES || totalOf(arena, next) < SPARSE_BYTES
      if (isSparse && this.#suits(leaf, next)) this.#joinNext(chain)
      else this.next()
    }
  }

  /** Whether the entries of `right` fit behind those of `left`. */
  #suits(left: Ptr, right: Ptr): boolean {
    const length = totalOf(this.arena, right) - EMPTY_BYTES
    const total = totalOf(this.arena, left) + length
    return total <= JOINED_BYTES_MAX && this.#hasRoom(left, length)
  }

  /** Takes the entries of the next leaf, which suits, into the current one. */
  #joinNext(chain: Chain): void {
    const { leaf, tree } = this
    const { node } = leaf
    const { base } = tree
    this.next()
    const { bytes, first, end, count, references } = leaf
    leaf.load(node)
    this.arena.touch(node)
    leaf.slide(leaf.end, end - first)
    leaf.appendBytes(bytes, first, end)
    addCount(leaf.bytes, leaf.start, count)
    leaf.addReferences(references)
    tree.remove(chain)
    tree.seekRank(chain, base)
    assert(tree.leaf === node, 'the joined leaf has its rank')
    tree.addCount(chain, count)
  }
}

/** Bytes of an entry that is copied as it lies; LONG: it is not. */
function shortEntryBytes(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!
  if (head < 0x80) return 2
  if (head < 0xc0) return 2 + (head & 0x3f)
  const length = entryBytes(bytes, at)
  return head === Head.String32 || length > SHORT_BYTES_MAX ? LONG : length
}
