// Entries of a fixed number of words, sorted by the first few of them, in an ordered chain of
// leaves: what is pending, of a group and of its consumers.
//
//    32          32 + entry bytes
//    +-----------+-----------+-- … --+
//    | entry 0   | entry 1   |       |   of `count` entries, key words first
//    +-----------+-----------+-- … --+
//
// A full leaf is split in halves, but where an entry goes into its upper half: then in front of
// what stands behind that, as most keys ascend. A leaf that is nearly empty joins a neighbour.
//
// The tree is a cursor too: `seek` leads to an entry or to the place of one that is missing, and
// what changes says what is current then. One instance serves all chains of its shape.
// Invariants: leaves have entries · leaves are of one page.

import { assert } from '../../base/assert.ts'
import { moveWithin } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PAGE_BYTES, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { LeafTree } from '../leaf-tree/leaf-tree.ts'
import { type Chain, LEAF_HEADER_BYTES, LeafWord, nodeWord } from '../root.ts'
import { type KeyWords, payloadOf, WordOrder } from './word-order.ts'

const LEAF_PAGES = 1
/** A leaf with fewer entries than this part of its capacity looks for a neighbour to join. */
const SPARSE_PART = 1 / 4
/** Two leaves become one when they fill no more than this. */
const JOINED_PART = 3 / 4

export class WordTree {
  readonly capacity: number
  /** The leaf with the current entry, and that entry's index in it; `index` may be the count. */
  leaf: Ptr = NULL
  index = 0
  readonly #arena: Arena
  readonly #tree: LeafTree
  readonly #order: WordOrder
  readonly #entryWords: number

  constructor(collections: Collections, keyWords: KeyWords, entryWords: number) {
    this.#arena = collections.arena
    this.#order = new WordOrder(collections.arena, keyWords)
    this.#tree = new LeafTree(collections, this.#order)
    this.#entryWords = entryWords
    this.capacity = Math.floor((PAGE_BYTES - LEAF_HEADER_BYTES) / (entryWords * 4))
  }

  /** Where the words of the current entry are. */
  get words(): Uint32Array {
    return this.#arena.u32[this.leaf >>> PTR_SEGMENT_SHIFT]!
  }

  /** Index of the first word of the current entry in `words`. */
  get at(): number {
    return payloadOf(this.leaf) + this.index * this.#entryWords
  }

  /** Whether there is a current entry. */
  get hasEntry(): boolean {
    return this.leaf !== NULL && this.index < this.#count()
  }

  /** Leads to the entry with the key at `key[from]`, or to its place; whether it is there. */
  seek(chain: Chain, key: Uint32Array, from: number): boolean {
    if (this.#isBehindAll(chain, key, from)) return false
    const coarse = this.#order.seeking(key, from)
    this.leaf = this.#tree.seekKey(chain, coarse)
    this.index = 0
    if (this.leaf === NULL) return false
    const words = this.words
    const first = payloadOf(this.leaf)
    let low = 0
    let high = this.#count()
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#order.compare(words, first + middle * this.#entryWords, key, from)
      if (order === 0) {
        this.index = middle
        return true
      }
      if (order < 0) low = middle + 1
      else high = middle
    }
    this.index = low
    return false
  }

  /** Leads to the first entry at or behind the key; false: there is none. */
  seekFrom(chain: Chain, key: Uint32Array, from: number): boolean {
    return this.seek(chain, key, from) || this.#settle()
  }

  /** Leads to the first entry; false: there is none. */
  seekFirst(chain: Chain): boolean {
    this.leaf = chain.first
    this.index = 0
    return this.leaf !== NULL
  }

  /** Leads to the last entry; false: there is none. */
  seekLast(chain: Chain): boolean {
    this.leaf = chain.last
    if (this.leaf === NULL) return false
    this.index = this.#count() - 1
    return true
  }

  /** Leads to the next entry; false: there is none. */
  next(): boolean {
    this.index++
    return this.#settle()
  }

  /** Makes the current entry writable. */
  touch(): void {
    this.#arena.touch(this.leaf)
  }

  /**
   * Makes an entry with a key that `seek`, the last call, did not find; it is current then. The
   * words behind the key are undefined. ARENA_FULL, and nothing has changed. O(log n).
   */
  insert(chain: Chain, key: Uint32Array, from: number): void {
    if (this.leaf === NULL || this.#count() === this.capacity) this.#makeRoom(chain, key, from)
    this.#arena.touch(this.leaf)
    const words = this.words
    const at = this.at
    const limit = payloadOf(this.leaf) + this.#count() * this.#entryWords
    if (at < limit) this.#move(at + this.#entryWords, at, limit)
    for (let i = 0; i < this.#order.keyWords; i++) words[at + i] = key[from + i]!
    this.#tree.addCount(chain, 1)
    if (this.index === 0) this.#tree.setKey(this.#order.coarse(words, at))
  }

  /** Removes the entry that `seek`, the last call, found. Nothing is current then. O(log n). */
  remove(chain: Chain): void {
    assert(this.hasEntry && this.#tree.leaf === this.leaf, 'what is removed has been found')
    const count = this.#count()
    if (count === 1) {
      this.#tree.remove(chain)
    } else {
      this.#arena.touch(this.leaf)
      const limit = payloadOf(this.leaf) + count * this.#entryWords
      this.#move(this.at, this.at + this.#entryWords, limit)
      this.#tree.addCount(chain, -1)
      if (count - 1 < this.capacity * SPARSE_PART) this.#join(chain)
    }
    this.leaf = NULL
  }

  /** Walks the whole chain; for tests. */
  check(chain: Chain): void {
    this.#tree.check(chain)
    let leaf = NULL
    let before = 0
    for (let found = this.seekFirst(chain); found; found = this.next()) {
      assert(this.#count() <= this.capacity, 'a leaf has room for its entries')
      if (leaf !== NULL) {
        const words = this.#arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
        const order = this.#order.compare(words, before, this.words, this.at)
        assert(order < 0, 'entries ascend')
      }
      leaf = this.leaf
      before = this.at
    }
  }

  /** Leads behind the last entry if the key belongs there, as most new ones do. */
  #isBehindAll(chain: Chain, key: Uint32Array, from: number): boolean {
    const { last } = chain
    if (last === NULL) return false
    const count = nodeWord(this.#arena, last, LeafWord.Count)
    const at = payloadOf(last) + (count - 1) * this.#entryWords
    const words = this.#arena.u32[last >>> PTR_SEGMENT_SHIFT]!
    if (this.#order.compare(words, at, key, from) >= 0) return false
    this.leaf = this.#tree.seekLast(chain)
    this.index = count
    return true
  }

  /** Moves the words `[from, limit)` of the current leaf, which is writable. */
  #move(to: number, from: number, limit: number): void {
    const bytes = this.#arena.u8[this.leaf >>> PTR_SEGMENT_SHIFT]!
    moveWithin(bytes, to * 4, from * 4, limit * 4)
  }

  #count(): number {
    return nodeWord(this.#arena, this.leaf, LeafWord.Count)
  }

  /** Leads from behind the last entry of a leaf to the first one of the next. */
  #settle(): boolean {
    if (this.leaf === NULL) return false
    if (this.index < this.#count()) return true
    this.leaf = nodeWord(this.#arena, this.leaf, LeafWord.Next)
    this.index = 0
    return this.leaf !== NULL
  }

  /** A place for the key in a leaf with room for it: an only leaf, one behind, or half of one. */
  #makeRoom(chain: Chain, key: Uint32Array, from: number): void {
    const coarse = this.#order.coarse(key, from)
    if (this.leaf === NULL || this.index === this.capacity) {
      this.leaf = this.#tree.insertAfter(chain, LEAF_PAGES, coarse)
      this.index = 0
      return
    }
    // Keys of one number come in order: what stands behind a new one is another's, and goes.
    const half = Math.max(this.capacity >>> 1, this.index)
    const moved = this.capacity - half
    const old = this.leaf
    const middle = payloadOf(old) + half * this.#entryWords
    const words = this.words
    const made = this.#tree.insertAfter(chain, LEAF_PAGES, this.#order.coarse(words, middle))
    this.#copy(made, 0, { leaf: old, index: half, count: moved })
    this.#tree.addCount(chain, moved)
    this.#tree.movePrevious()
    this.#tree.addCount(chain, -moved)
    assert(this.#tree.leaf === old, 'the path leads to the lower half')
    if (this.index <= half) return
    this.#tree.moveNext()
    this.leaf = made
    this.index -= half
  }

  /** Joins the sparse current leaf with the next one, or the one before. */
  #join(chain: Chain): void {
    const limit = this.capacity * JOINED_PART
    const count = this.#count()
    const next = nodeWord(this.#arena, this.leaf, LeafWord.Next)
    if (next !== NULL && count + nodeWord(this.#arena, next, LeafWord.Count) <= limit) {
      this.#absorbNext(chain, next)
      return
    }
    const previous = nodeWord(this.#arena, this.leaf, LeafWord.Previous)
    if (previous === NULL) return
    if (count + nodeWord(this.#arena, previous, LeafWord.Count) > limit) return
    const absorbed = this.leaf
    this.#tree.movePrevious()
    this.leaf = previous
    this.#absorbNext(chain, absorbed)
  }

  /** Takes over the entries of the leaf behind the current one, which goes. */
  #absorbNext(chain: Chain, next: Ptr): void {
    const count = nodeWord(this.#arena, next, LeafWord.Count)
    this.#arena.touch(this.leaf)
    this.#copy(this.leaf, this.#count(), { leaf: next, index: 0, count })
    this.#tree.addCount(chain, count)
    this.#tree.moveNext()
    this.#tree.remove(chain)
  }

  /** Copies entries to another leaf, which is writable. */
  #copy(
    target: Ptr,
    index: number,
    source: { readonly leaf: Ptr; readonly index: number; readonly count: number },
  ): void {
    const size = this.#entryWords
    const words = this.#arena.u32[target >>> PTR_SEGMENT_SHIFT]!
    const from = this.#arena.u32[source.leaf >>> PTR_SEGMENT_SHIFT]!
    const first = payloadOf(source.leaf) + source.index * size
    let at = payloadOf(target) + index * size
    for (let i = first; i < first + source.count * size; i++) words[at++] = from[i]!
  }
}
