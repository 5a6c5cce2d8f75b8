// A sorted set in nodes: a leaf tree in the order of (score, member), and an index of the members.
//
//   by member   tag of its hash → member-index.ts → leaf → entry
//   by score    leaf-tree.ts, whose keys are scores; equal scores are told apart in the leaf
//   by rank     leaf-tree.ts counts
//
// So each member stands in memory once. Two cursors, in leaf and entry: the *place* that a search
// found, which may be changed, and which `next` and `previous` move on over the chain.
// Members above INLINE_MEMBER_MAX lie in spans of their own.
// ARENA_FULL: a change of one member has changed nothing; what it needs is allocated first. A move
// inserts the member anew before it removes it where it was, as only the former can fail.
// Owner: the engine; the snapshot thread reads root and leaves only.

import { assert } from '../../base/assert.ts'
import { copySlice, Slice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PAGE_BYTES, type Ptr, SPAN_HEADER_BYTES } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { KeyHash } from '../key-hash.ts'
import type { LeafOrder } from '../leaf-tree/leaf-index.ts'
import { LeafTree } from '../leaf-tree/leaf-tree.ts'
import { Root } from '../root.ts'
import { MemberIndex } from './member-index.ts'
import {
  compareMembers,
  INLINE_MEMBER_MAX,
  leafPagesFor,
  neededBytes,
  ZsetLeaf,
} from './zset-leaf.ts'

/** What a seek is for; decides how leaves that start with the target's score are taken. */
const Seek = { Entry: 0, Score: 1, Member: 2 } as const
type Seek = (typeof Seek)[keyof typeof Seek]

/** Holes of a leaf are closed when they are an eighth of it; else it is parted. */
const HOLES_SHIFT = 3
const HASH_SHIFT = 16
/** Behind the last tag. */
const SCAN_END = 2 ** 32

/** Where a seek goes; answers for leaves that start with its score. */
class Target implements LeafOrder {
  seek: Seek = Seek.Entry
  score = 0
  isAfter = false
  readonly member = new Slice()
  readonly #leaf: ZsetLeaf
  readonly #first = new Slice()

  constructor(arena: Arena) {
    this.#leaf = new ZsetLeaf(arena)
  }

  /** Lets go of the arena. */
  forget(): void {
    this.member.forget()
    this.#leaf.forget()
    this.#first.forget()
  }

  keyOf(leaf: Ptr): number {
    return this.#leaf.open(leaf).score(0)
  }

  isAtOrBefore(leaf: Ptr): boolean {
    const opened = this.#leaf.open(leaf)
    const score = opened.score(0)
    if (this.seek !== Seek.Member && score !== this.score) return score < this.score
    if (this.seek === Seek.Score) return this.isAfter
    const order = compareMembers(opened.readMember(0, this.#first), this.member)
    if (order === 0) return this.seek === Seek.Entry || this.isAfter
    return order < 0
  }
}

/** An entry on its way into a leaf. */
const ENTRY = { score: 0, member: scratchSlice(), span: NULL }
const LEAVES = { from: NULL, to: NULL }
const MEMBER = scratchSlice()

export class LargeZset {
  readonly root = new Root()
  readonly #collections: Collections
  readonly #arena: Arena
  readonly #hash: KeyHash
  readonly #target: Target
  readonly #tree: LeafTree
  readonly #index: MemberIndex
  /** The leaf of the place, and a second one where two are at work. */
  readonly #leaf: ZsetLeaf
  readonly #other: ZsetLeaf
  /** Index of the place in its leaf. */
  #at = 0

  constructor(collections: Collections, hash: KeyHash) {
    this.#collections = collections
    this.#arena = collections.arena
    this.#hash = hash
    this.#target = new Target(collections.arena)
    this.#tree = new LeafTree(collections, this.#target)
    this.#index = new MemberIndex(collections.arena)
    this.#leaf = new ZsetLeaf(collections.arena)
    this.#other = new ZsetLeaf(collections.arena)
  }

  /** Lets go of the arena's segments. */
  forget(): void {
    this.#target.forget()
    this.#index.forget()
    this.#leaf.forget()
    this.#other.forget()
  }

  get count(): number {
    return this.root.count
  }

  /** Makes an empty set of the root, whose number stands already. ARENA_FULL: nothing made. */
  create(): void {
    this.#index.create(this.root)
  }

  /** Score at the place. */
  get score(): number {
    return this.#leaf.score(this.#at)
  }

  /** Points `out` at the member at the place. Valid until the set changes. */
  readMember(out: Slice): Slice {
    return this.#leaf.readMember(this.#at, out)
  }

  /** Finds a member and makes its place current; false when there is none. O(1). */
  find(member: Slice): boolean {
    const tag = this.#tagOf(member)
    const index = this.#index
    index.search(this.root, tag)
    for (let leaf = index.nextLeaf(); leaf !== NULL; leaf = index.nextLeaf()) {
      this.#at = this.#leaf.open(leaf).findMember(member, tag >>> HASH_SHIFT)
      if (this.#at >= 0) return true
    }
    return false
  }

  /** Rank of the place. O(log n). */
  rank(): number {
    this.#seekPlace()
    return this.#tree.base + this.#at
  }

  /** Members whose score is below, or with `isAfter` not above, a score. O(log n). */
  rankOfScore(score: number, isAfter: boolean): number {
    const leaf = this.#seek(Seek.Score, score, isAfter)
    if (leaf === NULL) return 0
    this.#at = this.#leaf.open(leaf).boundOfScore(score, isAfter)
    return this.#tree.base + this.#at
  }

  /** Members before, or with `isAfter` not behind, one, where all have the same score. O(log n). */
  rankOfMember(member: Slice, isAfter: boolean): number {
    const first = this.root.chain.first
    if (first === NULL) return 0
    const score = this.#leaf.open(first).score(0)
    this.#target.member.setTo(member)
    const leaf = this.#seek(Seek.Member, score, isAfter)
    this.#at = this.#leaf.open(leaf).boundOfMember(member, isAfter)
    return this.#tree.base + this.#at
  }

  /** Makes the place of a rank current, which exists. O(log n). */
  seekRank(rank: number): void {
    this.#leaf.open(this.#tree.seekRank(this.root.chain, rank))
    this.#at = rank - this.#tree.base
  }

  /** Goes to the next member; false, and the place stays, when there is none. */
  next(): boolean {
    if (this.#at + 1 < this.#leaf.count) {
      this.#at++
      return true
    }
    const next = this.#tree.nextLeaf(this.#leaf.leaf)
    if (next === NULL) return false
    this.#leaf.open(next)
    this.#at = 0
    return true
  }

  /** Goes to the previous member; false, and the place stays, when there is none. */
  previous(): boolean {
    if (this.#at > 0) {
      this.#at--
      return true
    }
    const previous = this.#tree.previousLeaf(this.#leaf.leaf)
    if (previous === NULL) return false
    this.#at = this.#leaf.open(previous).count - 1
    return true
  }

  /** Adds a member that is not in the set. O(log n). */
  add(member: Slice, score: number): void {
    const tag = this.#tagOf(member)
    this.#index.reserve(this.root, tag)
    const span = member.length > INLINE_MEMBER_MAX ? this.#createSpan(member) : NULL
    try {
      this.#insert(tag >>> HASH_SHIFT, member, { score, span })
    } catch (error) {
      if (span !== NULL) this.#arena.freeSpan(span)
      throw error
    }
    this.#index.add(this.root, tag, this.#tree.leaf)
  }

  /** Gives the member at the place, which is `member`, another score. O(log n). */
  setScore(member: Slice, score: number): void {
    const leaf = this.#leaf
    const old = leaf.score(this.#at)
    if (this.#staysInPlace(old, score)) {
      this.#arena.touch(leaf.leaf)
      leaf.setScore(this.#at, score)
      return
    }
    const tag = this.#tagOf(member)
    const span = leaf.spanOf(this.#at)
    this.#insert(tag >>> HASH_SHIFT, member, { score, span })
    LEAVES.to = this.#tree.leaf
    // The entry that was, wherever a split has brought it.
    this.#seekEntry(old, member)
    LEAVES.from = leaf.leaf
    this.#index.move(this.root, tag, LEAVES)
    this.#cut(this.#at, 1)
    this.#settle()
  }

  /** Makes 0 of -0 at the place. */
  clearScore(): void {
    assert(this.score === 0, 'another score would change the order')
    this.#arena.touch(this.#leaf.leaf)
    this.#leaf.setScore(this.#at, 0)
  }

  /** Removes the member at the place. O(log n), and never fails. */
  remove(): void {
    this.#seekPlace()
    this.#forget(this.#at)
    this.#cut(this.#at, 1)
    this.#settle()
  }

  /** Removes the members with ranks from `from` to before `limit`. O(log n + removed). */
  removeRanks(from: number, limit: number): void {
    assert(from <= limit && limit <= this.count, 'what is removed is there')
    for (let left = limit - from; left > 0; ) {
      this.seekRank(from)
      const removed = Math.min(left, this.#leaf.count - this.#at)
      for (let i = this.#at; i < this.#at + removed; i++) this.#forget(i)
      this.#cut(this.#at, removed)
      this.#settle()
      left -= removed
    }
  }

  /** The cursor to go on with after about `count` members from `cursor` on; 0 at the end. */
  scanLimit(cursor: number, count: number): number {
    const index = this.#index
    let at = cursor >>> 0
    for (let met = 0; met < count && at < SCAN_END; met += index.entryCount) {
      at = index.openAt(this.root, at)
    }
    return at === SCAN_END ? 0 : at
  }

  /**
   * Visits the members from `cursor` to before `limit`, a cursor of `scanLimit`, each the place
   * while it is visited. Members that stay are met whatever else changes between two calls.
   */
  scan(cursor: number, limit: number, visit: () => void): void {
    const index = this.#index
    const end = limit === 0 ? SCAN_END : limit
    for (let at = cursor >>> 0; at < end; ) {
      const next = index.openAt(this.root, at)
      for (let i = 0; i < index.entryCount; i++) {
        if (index.tagAt(i) >= at && !this.#isTwin(i)) this.#visitEntry(i, visit)
      }
      at = next
    }
  }

  /** Bytes of leaves and index. */
  bytes(): number {
    return this.#collections.bytesOf(this.root.number) + this.#index.bytesOf(this.root)
  }

  /** Walks tree, leaves and index. For tests. O(n log n). */
  check(): void {
    const { chain } = this.root
    this.#tree.check(chain)
    assert(this.#index.check(this.root) === chain.count, 'each member has an entry')
    const before = scratchSlice()
    let last = -Infinity
    for (let leaf = chain.first; leaf !== NULL; leaf = this.#tree.nextLeaf(leaf)) {
      const opened = this.#other.open(leaf)
      opened.check()
      if (leaf !== chain.first) {
        assert(!opened.isBeforeEntry(0, last, before), 'leaves ascend')
      }
      for (let i = 0; i < opened.count; i++) {
        const tag = this.#tagOf(opened.readMember(i, MEMBER))
        assert(opened.fragment(i) === tag >>> HASH_SHIFT, 'fragments are those of tags')
        assert(this.find(MEMBER) && this.#leaf.leaf === leaf, 'the index leads to the leaf')
      }
      last = opened.score(opened.count - 1)
      opened.readMember(opened.count - 1, before)
    }
  }

  /** Visits the members that entry `i` of the index's current bucket leads to. */
  #visitEntry(i: number, visit: () => void): void {
    const tag = this.#index.tagAt(i)
    const leaf = this.#leaf.open(this.#index.leafAt(i))
    const fragment = tag >>> HASH_SHIFT
    for (let at = leaf.findFragment(0, fragment); at >= 0; ) {
      if (this.#tagOf(leaf.readMember(at, MEMBER)) === tag) {
        this.#at = at
        visit()
      }
      at = leaf.findFragment(at + 1, fragment)
    }
  }

  #tagOf(member: Slice): number {
    this.#hash.of(member.bytes, member.start, member.length)
    return this.#hash.low
  }

  /** Whether an entry before `i` of the bucket has led to the same members. */
  #isTwin(i: number): boolean {
    const index = this.#index
    const tag = index.tagAt(i)
    const leaf = index.leafAt(i)
    for (let k = 0; k < i; k++) if (index.tagAt(k) === tag && index.leafAt(k) === leaf) return true
    return false
  }

  #seek(seek: Seek, score: number, isAfter: boolean): Ptr {
    const target = this.#target
    target.seek = seek
    target.score = score
    target.isAfter = isAfter
    return this.#tree.seekKey(this.root.chain, score)
  }

  /** Leads the tree's path to the place, which is in the leaf. */
  #seekPlace(): void {
    this.#leaf.readMember(this.#at, this.#target.member)
    const leaf = this.#seek(Seek.Entry, this.#leaf.score(this.#at), false)
    assert(leaf === this.#leaf.leaf, 'the tree leads to the leaf of the index')
  }

  /** Makes the place of (score, member) current, or where it would be; the path leads to it. */
  #seekEntry(score: number, member: Slice): void {
    this.#target.member.setTo(member)
    const leaf = this.#seek(Seek.Entry, score, false)
    this.#at = this.#leaf.open(leaf).boundOfEntry(score, member)
  }

  /** Whether a new score keeps the member at the place between its neighbours. */
  #staysInPlace(old: number, score: number): boolean {
    const leaf = this.#leaf
    const at = this.#at
    const isFirst = at === 0
    const isLast = at + 1 === leaf.count
    // At an end of the leaf the neighbour is elsewhere; a first entry may rise, as keys may be low.
    if (isFirst && score < old) return false
    if (isLast && score > old && this.#tree.nextLeaf(leaf.leaf) !== NULL) return false
    if (!isFirst && !(leaf.score(at - 1) < score)) return false
    return isLast || score < leaf.score(at + 1)
  }

  #createSpan(member: Slice): Ptr {
    const span = this.#collections.allocateElement(this.root.number, member.length)
    const start = this.#arena.contiguousStart(span) + SPAN_HEADER_BYTES
    copySlice(member, this.#arena.contiguousBytes(span), start)
    return span
  }

  /** Puts an entry in its place; the tree's path leads to its leaf then. */
  #insert(
    fragment: number,
    member: Slice,
    entry: { readonly score: number; readonly span: Ptr },
  ): void {
    const { score } = entry
    const { chain } = this.root
    const needed = neededBytes(member.length)
    if (chain.first === NULL)
      this.#openLeaf(this.#tree.insertAfter(chain, leafPagesFor(needed), score))
    else {
      this.#seekEntry(score, member)
      this.#makeRoom(needed, score)
    }
    const leaf = this.#leaf
    this.#arena.touch(leaf.leaf)
    ENTRY.score = score
    ENTRY.member.setTo(member)
    ENTRY.span = entry.span
    leaf.insert(this.#at, fragment, ENTRY)
    this.#tree.addCount(chain, 1)
    if (this.#at === 0) this.#tree.setKey(score)
  }

  #openLeaf(leaf: Ptr): void {
    this.#leaf.open(leaf).clear()
    this.#at = 0
  }

  /** Makes room for an entry at the place, which may come to another leaf by that. */
  #makeRoom(needed: number, score: number): void {
    const leaf = this.#leaf
    if (needed * 4 > leaf.capacity) this.#enlarge(leafPagesFor(needed))
    if (leaf.freeBytes >= needed) return
    if (this.#closeHoles(needed)) return
    this.#part(needed, score)
    if (leaf.freeBytes < needed) {
      this.#arena.touch(leaf.leaf)
      leaf.compact()
    }
    assert(leaf.freeBytes >= needed, 'half a leaf has room for one more entry')
  }

  /** Closes the leaf's holes if that makes room, and is worth the work. */
  #closeHoles(needed: number): boolean {
    const leaf = this.#leaf
    if (leaf.freeBytes >= needed) return true
    const left = leaf.capacity - leaf.liveBytes
    if (left < needed || left < leaf.capacity >> HOLES_SHIFT) return false
    this.#arena.touch(leaf.leaf)
    leaf.compact()
    return true
  }

  /** Gives the current leaf more pages. */
  #enlarge(pages: number): void {
    const leaf = this.#leaf
    LEAVES.from = leaf.leaf
    const end = leaf.byteLength
    LEAVES.to = this.#tree.replaceLeaf(this.root.chain, pages)
    leaf.open(LEAVES.to).compact(end)
    this.#moveIndex(leaf, 0, leaf.count)
  }

  /** Parts the leaf, so that the place has room for an entry with this score. */
  #part(needed: number, score: number): void {
    const leaf = this.#leaf
    const tree = this.#tree
    const { chain } = this.root
    // Who goes on at an end leaves full leaves behind.
    if (this.#at === leaf.count && leaf.leaf === chain.last) {
      return this.#openLeaf(tree.insertAfter(chain, leafPagesFor(needed), score))
    }
    if (this.#at === 0 && leaf.leaf === chain.first) {
      return this.#openLeaf(tree.insertBefore(chain, leafPagesFor(needed), score))
    }
    const middle = leaf.middle()
    const { count } = leaf
    const made = tree.insertAfter(chain, leaf.byteLength / PAGE_BYTES, leaf.score(middle))
    const right = this.#other.open(made)
    right.clear()
    right.take(0, leaf, middle, count)
    tree.addCount(chain, count - middle)
    LEAVES.from = leaf.leaf
    LEAVES.to = made
    this.#moveIndex(right, 0, right.count)
    tree.movePrevious()
    this.#cut(middle, count - middle)
    if (this.#at <= middle) return
    this.#leaf.open(tree.moveNext())
    this.#at -= middle
  }

  /** Tells the index that entries of a leaf lie there, LEAVES.to, and no more in LEAVES.from. */
  #moveIndex(leaf: ZsetLeaf, from: number, limit: number): void {
    for (let i = from; i < limit; i++) {
      this.#index.move(this.root, this.#tagOf(leaf.readMember(i, MEMBER)), LEAVES)
    }
  }

  /** Takes the entry `i` of the leaf out of the index, and frees its span. */
  #forget(i: number): void {
    const leaf = this.#leaf
    this.#index.remove(this.root, this.#tagOf(leaf.readMember(i, MEMBER)), leaf.leaf)
    const span = leaf.spanOf(i)
    if (span !== NULL) this.#arena.freeSpan(span)
  }

  /** Takes entries away from the current leaf, to which the tree's path leads. */
  #cut(from: number, removed: number): void {
    this.#arena.touch(this.#leaf.leaf)
    this.#leaf.remove(from, removed)
    this.#tree.addCount(this.root.chain, -removed)
  }

  /** Frees the current leaf if it is empty; joins it with a neighbour if that has room for it. */
  #settle(): void {
    const leaf = this.#leaf
    const tree = this.#tree
    const { chain } = this.root
    if (leaf.count === 0) {
      tree.remove(chain)
      return
    }
    if (!leaf.isSparse) return
    const next = tree.nextLeaf(leaf.leaf)
    if (next !== NULL && this.#other.open(next).canTake(leaf)) {
      tree.moveNext()
      this.#join(0)
      tree.movePrevious()
    } else {
      const previous = tree.previousLeaf(leaf.leaf)
      if (previous === NULL || !this.#other.open(previous).canTake(leaf)) return
      tree.movePrevious()
      this.#join(this.#other.count)
      tree.moveNext()
    }
    // The entries are counted where they went, and are counted out here.
    tree.remove(chain)
  }

  /** Copies the leaf's entries to entry `i` of the other, which is the tree's current one. */
  #join(i: number): void {
    const leaf = this.#leaf
    const other = this.#other
    const { count } = leaf
    this.#arena.touch(other.leaf)
    if (other.freeBytes < leaf.liveBytes) other.compact()
    other.take(i, leaf, 0, count)
    LEAVES.from = leaf.leaf
    LEAVES.to = other.leaf
    this.#tree.addCount(this.root.chain, count)
    this.#moveIndex(other, i, i + count)
    if (i === 0) this.#tree.setKey(other.score(0))
  }
}
