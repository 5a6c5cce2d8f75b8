// Fills a large sorted set with many members, as loading does: from the highest score down, as
// Redis writes them, or in runs that go down, as our own leaves are written, whatever the order of
// the runs. Each run fills leaves whole, without a seek for each member; what belongs into a leaf
// that is there goes the common way (large-zset.ts). The index of members is filled in batches,
// sorted by tag, so that one bucket after the other is written.
//
// While a leaf is *open*, its entries stand from the highest down, and are counted by the leaf
// alone; `#seal` turns them round. Nobody else may use the set meanwhile.
// Owner: the engine. ARENA_FULL leaves a set that can only be freed.

import { assert } from '../../base/assert.ts'
import { copySlice, Slice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PAGE_BYTES, type Ptr, SPAN_HEADER_BYTES } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { KeyHash } from '../key-hash.ts'
import type { LeafOrder } from '../leaf-tree/leaf-index.ts'
import { LeafTree } from '../leaf-tree/leaf-tree.ts'
import type { LargeZset } from './large-zset.ts'
import { MemberIndex } from './member-index.ts'
import {
  compareMembers,
  INLINE_MEMBER_MAX,
  leafPagesFor,
  neededBytes,
  ZsetLeaf,
} from './zset-leaf.ts'

/** Members whose place in the index is not made yet. */
const BATCH = 16 * 1024
/** Batches below this are not worth sorting. */
const SORTED_MIN = 1024
const SORTED_BITS = 12
const SORTED_SHIFT = 32 - SORTED_BITS
const HASH_SHIFT = 16
/** Leaves that may be opened however empty the others are; beyond it they are half full. */
const SPARE_LEAVES = 8

const ENTRY = { score: 0, member: scratchSlice(), span: NULL }
const PLACES = new Uint32Array(1 << SORTED_BITS)

/** A member with its score, as a place among leaves. */
class Target implements LeafOrder {
  score = 0
  readonly member = new Slice()
  readonly #leaf: ZsetLeaf
  readonly #found = new Slice()

  constructor(arena: Arena) {
    this.#leaf = new ZsetLeaf(arena)
  }

  forget(): void {
    this.member.forget()
    this.#found.forget()
    this.#leaf.forget()
  }

  keyOf(leaf: Ptr): number {
    return this.#leaf.open(leaf).score(0)
  }

  isAtOrBefore(leaf: Ptr): boolean {
    return this.compare(this.#leaf.open(leaf), 0) >= 0
  }

  /** Below, at or above 0 as the target stands before, at or behind entry `i`. */
  compare(leaf: ZsetLeaf, i: number): number {
    const score = leaf.score(i)
    if (score !== this.score) return this.score < score ? -1 : 1
    return compareMembers(this.member, leaf.readMember(i, this.#found))
  }
}

export class ZsetFill {
  readonly #large: LargeZset
  readonly #collections: Collections
  readonly #arena: Arena
  readonly #hash: KeyHash
  readonly #target: Target
  readonly #tree: LeafTree
  readonly #index: MemberIndex
  /** The open leaf, if there is one. */
  readonly #leaf: ZsetLeaf
  #isOpen = false
  /** The leaf below the open one; NULL: there is none. */
  #floor: Ptr = NULL
  readonly #other: ZsetLeaf
  readonly #otherMember = new Slice()
  /** Bytes of the members so far, as leaves have them. */
  #bytes = 0
  #tags = new Uint32Array(0)
  #leaves = new Uint32Array(0)
  #order = new Uint32Array(0)
  #pending = 0

  constructor(large: LargeZset, collections: Collections, hash: KeyHash) {
    const { arena } = collections
    this.#large = large
    this.#collections = collections
    this.#arena = arena
    this.#hash = hash
    this.#target = new Target(arena)
    this.#tree = new LeafTree(collections, this.#target)
    this.#index = new MemberIndex(arena)
    this.#leaf = new ZsetLeaf(arena)
    this.#other = new ZsetLeaf(arena)
  }

  /** Begins with the large set, which has been created and is empty, and about `count` members. */
  begin(count: number): void {
    assert(this.#large.count === 0, 'what is filled is empty')
    this.#isOpen = false
    this.#bytes = 0
    this.#pending = 0
    const room = Math.min(Math.max(count, SORTED_MIN), BATCH)
    if (this.#tags.length < room) {
      this.#tags = new Uint32Array(room)
      this.#leaves = new Uint32Array(room)
      this.#order = new Uint32Array(room)
    }
    this.#index.widen(this.#large.root, count)
  }

  /** Lets go of the arena, and of the batch. */
  forget(): void {
    this.#target.forget()
    this.#index.forget()
    this.#leaf.forget()
    this.#other.forget()
    this.#otherMember.forget()
    this.#tags = new Uint32Array(0)
    this.#leaves = new Uint32Array(0)
    this.#order = new Uint32Array(0)
  }

  /** Adds a member; false: one has been there twice. */
  add(member: Slice, score: number): boolean {
    const target = this.#target
    target.score = score
    target.member.setTo(member)
    const needed = neededBytes(member.length)
    this.#bytes += needed
    if (this.#goesOn()) this.#makeRoom(needed)
    else {
      this.#seal()
      if (!this.#openFor(needed)) return this.#addSlowly()
    }
    const leaf = this.#leaf
    this.#hash.of(member.bytes, member.start, member.length)
    const tag = this.#hash.low
    ENTRY.score = score
    ENTRY.member.setTo(member)
    ENTRY.span = member.length > INLINE_MEMBER_MAX ? this.#createSpan(member) : NULL
    this.#arena.touch(leaf.leaf)
    leaf.append(tag >>> HASH_SHIFT, ENTRY)
    if (this.#pending === this.#tags.length && !this.#flush()) return false
    this.#tags[this.#pending] = tag
    this.#leaves[this.#pending++] = leaf.leaf
    return true
  }

  /** Ends the filling; false: a member has been there twice. */
  finish(): boolean {
    this.#seal()
    return this.#flush()
  }

  /** Whether the target comes next in the open leaf: below its last entry, above the leaf below. */
  #goesOn(): boolean {
    if (!this.#isOpen) return false
    if (this.#target.compare(this.#leaf, this.#leaf.count - 1) >= 0) return false
    if (this.#floor === NULL) return true
    const floor = this.#other.open(this.#floor)
    return this.#target.compare(floor, floor.count - 1) > 0
  }

  /** Makes room in the open leaf, or opens another below it. */
  #makeRoom(needed: number): void {
    const leaf = this.#leaf
    if (leaf.freeBytes >= needed && needed * 4 <= leaf.capacity) return
    this.#seal()
    const { chain } = this.#large.root
    this.#open(this.#tree.insertBefore(chain, leafPagesFor(needed), this.#target.score))
  }

  /** Opens a leaf between two others for the target; false: it belongs into one that is there. */
  #openFor(needed: number): boolean {
    const tree = this.#tree
    const { score } = this.#target
    const { chain } = this.#large.root
    const pages = leafPagesFor(needed)
    this.#floor = NULL
    if (chain.first === NULL) {
      this.#open(tree.insertAfter(chain, pages, score))
      return true
    }
    if ((chain.leaves - SPARE_LEAVES) * PAGE_BYTES > 2 * this.#bytes) return false
    const found = tree.seekKey(chain, score)
    const leaf = this.#other.open(found)
    if (this.#target.compare(leaf, leaf.count - 1) > 0) {
      this.#floor = found
      this.#open(tree.insertAfter(chain, pages, score))
      return true
    }
    if (this.#target.compare(leaf, 0) >= 0) return false
    assert(found === chain.first, 'only before the first leaf there is none to be found')
    this.#open(tree.insertBefore(chain, pages, score))
    return true
  }

  #open(leaf: Ptr): void {
    this.#leaf.open(leaf).clear()
    this.#isOpen = true
  }

  /** Makes the open leaf one like all others. */
  #seal(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const count = this.#leaf.turnRound()
    this.#tree.addCount(this.#large.root.chain, count)
    this.#tree.setKey(this.#leaf.score(0))
  }

  #addSlowly(): boolean {
    if (!this.#flush()) return false
    const { member, score } = this.#target
    if (this.#large.find(member)) return false
    this.#large.add(member, score)
    return true
  }

  #createSpan(member: Slice): Ptr {
    const span = this.#collections.allocateElement(this.#large.root.number, member.length)
    const start = this.#arena.contiguousStart(span) + SPAN_HEADER_BYTES
    copySlice(member, this.#arena.contiguousBytes(span), start)
    return span
  }

  /** Makes the index lead to all members; false: one has been there twice. */
  #flush(): boolean {
    const { root } = this.#large
    const index = this.#index
    const count = this.#pending
    this.#pending = 0
    const isSorted = count >= SORTED_MIN
    if (isSorted) this.#sort(count)
    for (let k = 0; k < count; k++) {
      const i = isSorted ? this.#order[k]! : k
      const tag = this.#tags[i]!
      const leaf = this.#leaves[i]!
      if (index.tryAdd(root, tag, leaf)) continue
      index.search(root, tag)
      for (let found = index.nextLeaf(); found !== NULL; found = index.nextLeaf()) {
        if (this.#haveTwins(leaf, found, tag >>> HASH_SHIFT)) return false
      }
      index.reserve(root, tag)
      index.add(root, tag, leaf)
    }
    return true
  }

  /** Sorts what is pending by the upper bits of its tags. */
  #sort(count: number): void {
    PLACES.fill(0)
    for (let i = 0; i < count; i++) {
      const bits = this.#tags[i]! >>> SORTED_SHIFT
      PLACES[bits] = PLACES[bits]! + 1
    }
    let place = 0
    for (let bits = 0; bits < PLACES.length; bits++) {
      const entries = PLACES[bits]!
      PLACES[bits] = place
      place += entries
    }
    for (let i = 0; i < count; i++) {
      const bits = this.#tags[i]! >>> SORTED_SHIFT
      this.#order[PLACES[bits]!] = i
      PLACES[bits] = PLACES[bits]! + 1
    }
  }

  /** Whether two leaves, which may be the same one, have a member with that fragment twice. */
  #haveTwins(a: Ptr, b: Ptr, fragment: number): boolean {
    const first = new ZsetLeaf(this.#arena).open(a)
    const second = this.#other.open(b)
    for (let i = first.findFragment(0, fragment); i >= 0; ) {
      const member = first.readMember(i, this.#otherMember)
      const from = a === b ? i + 1 : 0
      for (let k = second.findFragment(from, fragment); k >= 0; ) {
        if (compareMembers(member, second.readMember(k, ENTRY.member)) === 0) return true
        k = second.findFragment(k + 1, fragment)
      }
      i = first.findFragment(i + 1, fragment)
    }
    return false
  }
}
