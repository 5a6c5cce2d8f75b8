// An ordered chain of leaves with a counted index above: a B+tree whose leaves belong to the user.
// Lists seek by rank, sorted sets and streams by key as well. One instance serves all chains of a
// keyspace; what belongs to a chain stands in its five words (root.ts) and in memory of the arena.
//
// Inner nodes, drawn in inner-nodes.ts, have for each child its count of entries and the key of its
// first leaf: a number that orders leaves coarsely. Where keys are equal, a `LeafOrder` asks the
// leaf itself.
//
// The tree holds a *path*: the current leaf, its rank, and the slot taken on each level. A seek
// sets it; it stays true over the calls here that say so, until the chain changes otherwise.
// Leaf words next, previous and count are kept here; payload and the rest of the header are the
// user's. Leaves and chain words are touched here where they change here.
//
// Invariants: one leaf has no index · a root of the index has two children at least · counts of
// children sum up to that of their parent · inner nodes have at least one child.
// ARENA_FULL leaves everything as it was: what a change needs is allocated before it begins.

import { assert } from '../../base/assert.ts'
import { copySlice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { type Chain, ChainWord, LeafWord, nodeWord } from '../root.ts'
import { InnerNodes } from './inner-nodes.ts'
import { LeafIndex, type LeafOrder } from './leaf-index.ts'

/** For chains that are never searched by key. */
export const NO_ORDER: LeafOrder = { keyOf: () => 0, isAtOrBefore: () => true }

/** Frees what the entries of a leaf own besides it; returns how much that was. */
export type ElementFreer = (collections: Collections, leaf: Ptr) => number

/** A base that no seek has needed. */
const UNKNOWN = -1
const SOURCE = scratchSlice()

export class LeafTree {
  readonly #collections: Collections
  readonly #arena: Arena
  readonly #index: LeafIndex
  #leaf: Ptr = NULL
  /** Rank of the current leaf's first entry; UNKNOWN until somebody asks for it. */
  #base = 0

  constructor(collections: Collections, order: LeafOrder) {
    this.#collections = collections
    this.#arena = collections.arena
    this.#index = new LeafIndex(collections.arena, order)
  }

  /** The current leaf. */
  get leaf(): Ptr {
    return this.#leaf
  }

  /** Rank of the current leaf's first entry. */
  get base(): number {
    if (this.#base === UNKNOWN) this.#base = this.#index.baseOfPath()
    return this.#base
  }

  /** Makes the first leaf current and returns it; NULL: there is none. */
  seekFirst(chain: Chain): Ptr {
    const { index } = chain
    if (index === NULL) return this.#seekOnly(chain)
    this.#index.seekFirst(index)
    this.#base = 0
    this.#leaf = chain.first
    return this.#leaf
  }

  /** Makes the last leaf current and returns it; NULL: there is none. */
  seekLast(chain: Chain): Ptr {
    const { index, last } = chain
    if (index === NULL) return this.#seekOnly(chain)
    this.#index.seekLast(index)
    this.#base = chain.count - nodeWord(this.#arena, last, LeafWord.Count)
    this.#leaf = last
    return last
  }

  /** Makes the leaf that holds entry `rank` current and returns it. O(log n). */
  seekRank(chain: Chain, rank: number): Ptr {
    const { index, count } = chain
    assert(rank >= 0 && rank < count, 'a rank is that of an entry')
    if (index === NULL) return this.#seekOnly(chain)
    this.#leaf = this.#index.seekRank(index, rank, count)
    this.#base = this.#index.base
    return this.#leaf
  }

  /**
   * Makes the last leaf whose first entry is at or before the target current, or the first leaf
   * when there is none such, and returns it. NULL: there are no leaves. O(log n).
   */
  seekKey(chain: Chain, key: number): Ptr {
    const { index } = chain
    if (index === NULL) return this.#seekOnly(chain)
    this.#leaf = this.#index.seekKey(index, key)
    this.#base = UNKNOWN
    return this.#leaf
  }

  /** The leaf behind, without a change of the path; NULL: none. */
  nextLeaf(leaf: Ptr): Ptr {
    return this.#leafWord(leaf, LeafWord.Next)
  }

  /** The leaf before, without a change of the path; NULL: none. */
  previousLeaf(leaf: Ptr): Ptr {
    return this.#leafWord(leaf, LeafWord.Previous)
  }

  /** Makes the next leaf current and returns it; NULL: there is none, and the path stays. */
  moveNext(): Ptr {
    const next = this.#leafWord(this.#leaf, LeafWord.Next)
    if (next === NULL) return NULL
    if (this.#base !== UNKNOWN) this.#base += this.#leafWord(this.#leaf, LeafWord.Count)
    this.#leaf = this.#index.moveNext()
    assert(this.#leaf === next, 'index and leaves agree')
    return next
  }

  /** Makes the previous leaf current and returns it; NULL: there is none, and the path stays. */
  movePrevious(): Ptr {
    const previous = this.#leafWord(this.#leaf, LeafWord.Previous)
    if (previous === NULL) return NULL
    this.#leaf = this.#index.movePrevious()
    assert(this.#leaf === previous, 'index and leaves agree')
    if (this.#base !== UNKNOWN) this.#base -= this.#leafWord(previous, LeafWord.Count)
    return previous
  }

  /**
   * A new leaf behind the current one, or the only one of an empty chain, without entries; it is
   * current then. Its words from `Used` on, and its payload, are undefined.
   */
  insertAfter(chain: Chain, pageCount: number, key: number): Ptr {
    if (chain.leaves === 0) return this.#insertOnly(chain, pageCount)
    const isKnown = this.#base !== UNKNOWN
    const base = isKnown ? this.#base + this.#leafWord(this.#leaf, LeafWord.Count) : UNKNOWN
    const leaf = this.#insert(chain, 1, { pageCount, key })
    this.#base = base
    return leaf
  }

  /** `insertAfter`, but before the current leaf. */
  insertBefore(chain: Chain, pageCount: number, key: number): Ptr {
    if (chain.leaves === 0) return this.#insertOnly(chain, pageCount)
    return this.#insert(chain, 0, { pageCount, key })
  }

  /** Counts entries that came into the current leaf or, negative, went. The path stays true. */
  addCount(chain: Chain, delta: number): void {
    this.#addToLeaf(chain, this.#leaf, delta)
    this.#index.addCount(delta)
  }

  /** `addCount` for the first leaf, without a seek; nothing is current then. */
  addFirst(chain: Chain, delta: number): void {
    this.#leaf = NULL
    this.#addToLeaf(chain, chain.first, delta)
    if (chain.index !== NULL) this.#index.addFirst(chain.index, delta)
  }

  /** `addCount` for the last leaf, without a seek; nothing is current then. */
  addLast(chain: Chain, delta: number): void {
    this.#leaf = NULL
    this.#addToLeaf(chain, chain.last, delta)
    if (chain.index !== NULL) this.#index.addLast(chain.index, delta)
  }

  /** Gives the current leaf another key. The path stays true. */
  setKey(key: number): void {
    this.#index.setKey(key)
  }

  /**
   * A leaf of another size in the place of the current one, with what that held, as far as it fits;
   * the old one is free. It is current then; the path stays true.
   */
  replaceLeaf(chain: Chain, pageCount: number): Ptr {
    const arena = this.#arena
    const old = this.#leaf
    const leaf = this.#collections.allocateNode(chain.number, pageCount)
    this.#copyLeaf(old, leaf, Math.min(arena.nodePages(old), pageCount) * PAGE_BYTES)
    chain.touch(arena)
    const next = this.#leafWord(old, LeafWord.Next)
    const previous = this.#leafWord(old, LeafWord.Previous)
    this.#setNext(chain, previous, leaf)
    this.#setPrevious(chain, next, leaf)
    this.#index.replaceLeaf(leaf)
    this.#collections.freeNode(old)
    this.#leaf = leaf
    return leaf
  }

  /**
   * Frees the current leaf; its entries are counted out. The next leaf is current then, and
   * returned; NULL: it was the last one, and nothing is current. What its entries own is the
   * caller's to free before. Never fails.
   */
  remove(chain: Chain): Ptr {
    const arena = this.#arena
    const leaf = this.#leaf
    // The way to the next leaf, which the change of the index may bend.
    const { base } = this
    const count = this.#leafWord(leaf, LeafWord.Count)
    if (count > 0) this.addCount(chain, -count)
    chain.touch(arena)
    const next = this.#leafWord(leaf, LeafWord.Next)
    const previous = this.#leafWord(leaf, LeafWord.Previous)
    this.#setNext(chain, previous, next)
    this.#setPrevious(chain, next, previous)
    const { words, at } = chain
    words[at + ChainWord.Leaves] = words[at + ChainWord.Leaves]! - 1
    this.#collections.freeNode(leaf)
    this.#index.remove(chain)
    if (next === NULL) {
      this.#leaf = NULL
      return NULL
    }
    return this.#seekBase(chain, next, base)
  }

  /** Walks the whole chain: links, counts, keys, levels. For tests. */
  check(chain: Chain): void {
    let leaves = 0
    let entries = 0
    let previous = NULL
    for (let leaf = chain.first; leaf !== NULL; leaf = this.nextLeaf(leaf)) {
      assert(this.#collections.numberOf(leaf) === chain.number, 'leaves carry their number')
      assert(this.previousLeaf(leaf) === previous, 'leaves are linked both ways')
      previous = leaf
      leaves++
      entries += this.#leafWord(leaf, LeafWord.Count)
    }
    assert(previous === chain.last, 'the last leaf is known')
    assert(leaves === chain.leaves && entries === chain.count, 'leaves and entries are counted')
    assert((chain.index === NULL) === leaves < 2, 'one leaf has no index')
    if (chain.index !== NULL) this.#index.check(chain)
  }

  #addToLeaf(chain: Chain, leaf: Ptr, delta: number): void {
    const arena = this.#arena
    arena.touch(leaf)
    const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const at = ((leaf & PTR_SEGMENT_MASK) << 1) + LeafWord.Count
    assert(words[at]! + delta >= 0, 'counts are not negative')
    words[at] = words[at]! + delta
    chain.touch(arena)
    chain.words[chain.at] = chain.words[chain.at]! + delta
  }

  /** Makes the only leaf current, if there is one, and returns it. */
  #seekOnly(chain: Chain): Ptr {
    this.#index.clear()
    this.#base = 0
    this.#leaf = chain.first
    return this.#leaf
  }

  #insertOnly(chain: Chain, pageCount: number): Ptr {
    const leaf = this.#collections.allocateNode(chain.number, pageCount)
    chain.touch(this.#arena)
    this.#openLeaf(leaf, NULL, NULL)
    const { words, at } = chain
    words[at + ChainWord.First] = leaf
    words[at + ChainWord.Last] = leaf
    words[at + ChainWord.Leaves] = 1
    return this.#seekOnly(chain)
  }

  /** A new leaf beside the current one: `offset` 0 before, 1 behind. */
  #insert(
    chain: Chain,
    offset: number,
    made: { readonly pageCount: number; readonly key: number },
  ): Ptr {
    const leaf = this.#collections.allocateNode(chain.number, made.pageCount)
    try {
      this.#index.reserve()
    } catch (error) {
      this.#collections.freeNode(leaf)
      throw error
    }
    const arena = this.#arena
    const current = this.#leaf
    chain.touch(arena)
    const previous = offset === 1 ? current : this.#leafWord(current, LeafWord.Previous)
    const next = offset === 1 ? this.#leafWord(current, LeafWord.Next) : current
    this.#openLeaf(leaf, previous, next)
    this.#setNext(chain, previous, leaf)
    this.#setPrevious(chain, next, leaf)
    const { words, at } = chain
    words[at + ChainWord.Leaves] = words[at + ChainWord.Leaves]! + 1
    this.#index.insert(chain, current, { leaf, offset, key: made.key })
    this.#leaf = leaf
    return leaf
  }

  /** Leads the path to the leaf that starts at `base`. */
  #seekBase(chain: Chain, leaf: Ptr, base: number): Ptr {
    const count = this.#leafWord(leaf, LeafWord.Count)
    assert(count > 0, 'what stands behind a removed leaf has entries')
    const found = this.seekRank(chain, base)
    assert(found === leaf, 'index and leaves agree')
    return leaf
  }

  /** Header of a new leaf, and its place among the others as it sees it. */
  #openLeaf(leaf: Ptr, previous: Ptr, next: Ptr): void {
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    words[at + LeafWord.Next] = next
    words[at + LeafWord.Previous] = previous
    words[at + LeafWord.Count] = 0
  }

  /** Makes `next` the successor of a leaf, or the first one. The chain's words are writable. */
  #setNext(chain: Chain, leaf: Ptr, next: Ptr): void {
    if (leaf === NULL) {
      chain.words[chain.at + ChainWord.First] = next
      return
    }
    this.#arena.touch(leaf)
    this.#words(leaf)[wordIndex(leaf) + LeafWord.Next] = next
  }

  /** Makes `previous` the predecessor of a leaf, or the last one. */
  #setPrevious(chain: Chain, leaf: Ptr, previous: Ptr): void {
    if (leaf === NULL) {
      chain.words[chain.at + ChainWord.Last] = previous
      return
    }
    this.#arena.touch(leaf)
    this.#words(leaf)[wordIndex(leaf) + LeafWord.Previous] = previous
  }

  /** Copies a leaf but for the number of its collection, which both have. */
  #copyLeaf(from: Ptr, to: Ptr, bytes: number): void {
    const start = (from & PTR_SEGMENT_MASK) << 3
    SOURCE.set(this.#arena.u8[from >>> PTR_SEGMENT_SHIFT]!, start + 4, bytes - 4)
    copySlice(SOURCE, this.#arena.u8[to >>> PTR_SEGMENT_SHIFT]!, ((to & PTR_SEGMENT_MASK) << 3) + 4)
  }

  #words(ptr: Ptr): Uint32Array {
    return this.#arena.u32[ptr >>> PTR_SEGMENT_SHIFT]!
  }

  #leafWord(leaf: Ptr, word: number): number {
    return this.#words(leaf)[wordIndex(leaf) + word]!
  }
}

/**
 * Frees up to `limit` leaves and elements of the chain that starts at `words[at]`, and notes there
 * what is left; with the last leaf goes the index. True while leaves are left.
 */
export function releaseChain(
  collections: Collections,
  chain: { readonly words: Uint32Array; readonly at: number },
  limit: number,
  freeElements: ElementFreer | null,
): boolean {
  const { words, at } = chain
  const { arena } = collections
  let leaf = words[at + ChainWord.First]!
  for (let freed = 0; leaf !== NULL && freed < limit; freed++) {
    if (freeElements !== null) freed += freeElements(collections, leaf)
    const next = nodeWord(arena, leaf, LeafWord.Next)
    collections.freeNode(leaf)
    leaf = next
  }
  words[at + ChainWord.First] = leaf
  if (leaf !== NULL) return true
  const index = words[at + ChainWord.Index]!
  if (index !== NULL) new InnerNodes(arena).freeTree(index)
  words[at + ChainWord.Index] = NULL
  return false
}

function wordIndex(ptr: Ptr): number {
  return (ptr & PTR_SEGMENT_MASK) << 1
}
