// Member → leaf of a large sorted set, without a copy of the members: extendible hashing in index
// memory, which no snapshot reads, so that it changes without `touch`.
//
//   directory   2^depth Ptrs of buckets, found by the upper bits of a member's tag (32 bits of its
//               keyed hash); a bucket of a lower depth stands in several places
//   bucket      504 bytes:  count u16, depth u16 · spare · 62 tags u32 · 62 leaves Ptr
//
// An entry says "a member with this tag lies in this leaf": 8 bytes per member, about 12 with the
// room that buckets leave. Whoever looks for a member looks through the leaf; whoever moves entries
// to another leaf says so here. Keeping the leaf and not the score has a second use: ZSCAN goes by
// tags, so that what it owes to members that stay does not depend on their scores.
// Root words of the type: directory, depth, and how many buckets have that depth.
// Invariants: a bucket's tags share its first `depth` bits · buckets of more than one place have a
// depth below the directory's.

import { assert } from '../../base/assert.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import { ARENA_FULL, type Arena } from '../../memory/arena.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import { type Root, RootWord } from '../root.ts'

const BUCKET_BYTES = 504
const BUCKET_ENTRIES = 62
const TAGS = 2
const LEAVES = TAGS + BUCKET_ENTRIES
/** Two buckets become one when they have at most so many entries. */
const MERGED_MAX = 40
/** Entries of a bucket, on average, that a widened index is made for at least. */
const WIDENED_ENTRIES = 43
/** Beyond this a directory would not lie in one segment. */
const DEPTH_MAX = 24
const TWO_32 = 0x100000000
/** Words of the root, from its start. */
const Word = {
  Directory: RootWord.Type,
  Depth: RootWord.Type + 1,
  Deepest: RootWord.Type + 2,
  /** Places whose buckets lazy free has freed; 0 in a set that lives. */
  Freed: RootWord.Type + 3,
} as const

const NO_WORDS = new Uint32Array(0)

export class MemberIndex {
  readonly #arena: Arena
  /** The bucket that is looked at. */
  #words: Uint32Array = NO_WORDS
  #at = 0
  #bucket: Ptr = NULL
  /** Where a search goes on. */
  #next = 0
  #tag = 0

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** Gives a root an index without entries. ARENA_FULL: nothing has changed. */
  create(root: Root): void {
    const bucket = this.#newBucket(0)
    let directory: Ptr
    try {
      directory = this.#arena.allocateIndex(4)
    } catch (error) {
      this.#arena.freeIndex(bucket)
      throw error
    }
    this.#setSlot(directory, 0, bucket)
    const { words, at } = root
    words[at + Word.Directory] = directory
    words[at + Word.Depth] = 0
    words[at + Word.Deepest] = 1
    words[at + Word.Freed] = 0
  }

  /** Begins a search; `nextLeaf` gives the leaves. */
  search(root: Root, tag: number): void {
    this.#openOf(root, tag)
    this.#tag = tag
    this.#next = 0
  }

  /** The next leaf that a member with the tag lies in; NULL: there is none. */
  nextLeaf(): Ptr {
    const words = this.#words
    const first = this.#at + TAGS
    const limit = first + this.#count
    for (let at = first + this.#next; at < limit; at++) {
      if (words[at] !== this.#tag) continue
      this.#next = at + 1 - first
      return words[at + BUCKET_ENTRIES]!
    }
    return NULL
  }

  /** Makes sure that `add` of this tag has room. ARENA_FULL: no entry has changed. */
  reserve(root: Root, tag: number): void {
    this.#openOf(root, tag)
    while (this.#count === BUCKET_ENTRIES) {
      this.#split(root, tag)
      this.#openOf(root, tag)
    }
  }

  /** Adds an entry, for which there is room. O(1). */
  add(root: Root, tag: number, leaf: Ptr): void {
    this.#openOf(root, tag)
    const count = this.#count
    assert(count < BUCKET_ENTRIES, 'room was reserved')
    this.#words[this.#at + TAGS + count] = tag
    this.#words[this.#at + LEAVES + count] = leaf
    this.#setCount(count + 1)
  }

  /** Adds an entry, if there is room and none with the tag. O(1). */
  tryAdd(root: Root, tag: number, leaf: Ptr): boolean {
    this.#openOf(root, tag)
    const words = this.#words
    const count = this.#count
    const first = this.#at + TAGS
    const limit = first + count
    if (count === BUCKET_ENTRIES) return false
    for (let at = first; at < limit; at++) if (words[at] === tag) return false
    words[limit] = tag
    words[limit + BUCKET_ENTRIES] = leaf
    this.#setCount(count + 1)
    return true
  }

  /**
   * Gives an index without entries, as `create` made it, buckets for most of `count` of them, so
   * that few are parted later. Without memory for them it stays as it is.
   */
  widen(root: Root, count: number): void {
    const depth = Math.min(Math.floor(Math.log2(count / WIDENED_ENTRIES)), DEPTH_MAX)
    if (depth <= 0) return
    const arena = this.#arena
    const made: Ptr[] = []
    let directory = NULL
    try {
      directory = arena.allocateIndex(2 ** depth * 4)
      while (made.length < 2 ** depth) made.push(this.#newBucket(depth))
    } catch (error) {
      for (const bucket of made) arena.freeIndex(bucket)
      if (directory !== NULL) arena.freeIndex(directory)
      if (error !== ARENA_FULL) throw error
      return
    }
    for (const [place, bucket] of made.entries()) this.#setSlot(directory, place, bucket)
    const old = root.words[root.at + Word.Directory]!
    arena.freeIndex(this.#slot(old, 0))
    arena.freeIndex(old)
    root.chain.touch(arena)
    root.words[root.at + Word.Directory] = directory
    root.words[root.at + Word.Depth] = depth
    root.words[root.at + Word.Deepest] = 2 ** depth
  }

  /** Removes an entry. O(1). */
  remove(root: Root, tag: number, leaf: Ptr): void {
    const at = this.#get(root, tag, leaf)
    const last = this.#count - 1
    const words = this.#words
    words[at] = words[this.#at + TAGS + last]!
    words[at + BUCKET_ENTRIES] = words[this.#at + LEAVES + last]!
    this.#setCount(last)
    if (last <= MERGED_MAX / 2) this.#merge(root, tag)
  }

  /** The member lies in another leaf from now on. O(1). */
  move(root: Root, tag: number, leaves: { readonly from: Ptr; readonly to: Ptr }): void {
    if (leaves.from === leaves.to) return
    // First the place: looking for it makes another segment current.
    const at = this.#get(root, tag, leaves.from)
    this.#words[at + BUCKET_ENTRIES] = leaves.to
  }

  /**
   * Makes the bucket current that a scan goes on with, whose entries `entryCount`, `tagAt` and
   * `leafAt` tell; returns the first tag behind it, 2^32 at the end.
   */
  openAt(root: Root, tag: number): number {
    this.#openOf(root, tag)
    const width = TWO_32 / 2 ** this.#depth
    return (Math.floor(tag / width) + 1) * width
  }

  /** Entries of the bucket that `openAt` opened. */
  get entryCount(): number {
    return this.#count
  }

  tagAt(i: number): number {
    return this.#words[this.#at + TAGS + i]!
  }

  leafAt(i: number): Ptr {
    return this.#words[this.#at + LEAVES + i]!
  }

  /** Lets go of the arena. */
  forget(): void {
    this.#words = NO_WORDS
  }

  /**
   * Frees up to `limit` buckets of the index whose root stands in `words`, and notes there how far
   * it has come; true while some are left. With the last bucket goes the directory.
   */
  release(root: Uint32Array, limit: number): boolean {
    const directory = root[Word.Directory]!
    if (directory === NULL) return false
    const depth = root[Word.Depth]!
    let done = root[Word.Freed]!
    const places = 2 ** depth
    for (let freed = 0; done < places && freed < limit; freed++) {
      const bucket = this.#slot(directory, done)
      done += 2 ** (depth - this.#depthOf(bucket))
      this.#arena.freeIndex(bucket)
    }
    root[Word.Freed] = done
    if (done < places) return true
    this.#arena.freeIndex(directory)
    root[Word.Directory] = NULL
    return false
  }

  /** Bytes of the index. O(directory): reads no bucket, whose places are neighbours. */
  bytesOf(root: Root): number {
    const directory = root.words[root.at + Word.Directory]!
    const places = 2 ** this.#rootDepth(root)
    let buckets = 1
    let last = this.#slot(directory, 0)
    for (let place = 1; place < places; place++) {
      const bucket = this.#slot(directory, place)
      if (bucket !== last) buckets++
      last = bucket
    }
    return this.#arena.indexBytes(directory) + buckets * this.#arena.indexBytes(last)
  }

  /** Walks directory and buckets; returns the entries there are. For tests. */
  check(root: Root): number {
    let entries = 0
    let deepest = 0
    this.#eachBucket(root, (bucket, place) => {
      this.#open(bucket)
      const depth = this.#depth
      if (depth === this.#rootDepth(root)) deepest++
      entries += this.#count
      const width = 2 ** (this.#rootDepth(root) - depth)
      assert(place % width === 0, 'a bucket stands where its bits say')
      for (let i = 0; i < this.#count; i++) {
        assert(this.#place(root, this.tagAt(i)) >>> 0 >= place, 'tags share the bits')
        assert(this.#place(root, this.tagAt(i)) < place + width, 'tags share the bits')
      }
    })
    assert(deepest === root.words[root.at + Word.Deepest], 'the deepest buckets are counted')
    return entries
  }

  #eachBucket(root: Root, visit: (bucket: Ptr, place: number) => void): void {
    const places = 2 ** this.#rootDepth(root)
    const directory = root.words[root.at + Word.Directory]!
    for (let place = 0; place < places; ) {
      const bucket = this.#slot(directory, place)
      const depth = this.#depthOf(bucket)
      visit(bucket, place)
      place += 2 ** (this.#rootDepth(root) - depth)
    }
  }

  get #count(): number {
    return this.#words[this.#at]! & 0xffff
  }

  get #depth(): number {
    return this.#words[this.#at]! >>> 16
  }

  #setCount(count: number): void {
    this.#words[this.#at] = (this.#words[this.#at]! & 0xffff0000) | count
  }

  #setDepth(depth: number): void {
    this.#words[this.#at] = (this.#words[this.#at]! & 0xffff) | (depth << 16)
  }

  #rootDepth(root: Root): number {
    return root.words[root.at + Word.Depth]!
  }

  /** The place of a tag in the directory. */
  #place(root: Root, tag: number): number {
    const depth = this.#rootDepth(root)
    return depth === 0 ? 0 : tag >>> (32 - depth)
  }

  #openOf(root: Root, tag: number): void {
    const directory = root.words[root.at + Word.Directory]!
    this.#open(this.#slot(directory, this.#place(root, tag)))
  }

  #open(bucket: Ptr): void {
    this.#bucket = bucket
    this.#words = this.#arena.u32[bucket >>> PTR_SEGMENT_SHIFT]!
    this.#at = (bucket & PTR_SEGMENT_MASK) << 1
  }

  /** Index of the tag of an entry that exists. */
  #get(root: Root, tag: number, leaf: Ptr): number {
    this.#openOf(root, tag)
    const words = this.#words
    const limit = this.#at + TAGS + this.#count
    let at = this.#at + TAGS
    while (at < limit && (words[at] !== tag || words[at + BUCKET_ENTRIES] !== leaf)) at++
    assert(at < limit, 'each member has an entry')
    return at
  }

  #depthOf(bucket: Ptr): number {
    const words = this.#arena.u32[bucket >>> PTR_SEGMENT_SHIFT]!
    return words[(bucket & PTR_SEGMENT_MASK) << 1]! >>> 16
  }

  #slot(directory: Ptr, place: number): Ptr {
    const words = this.#arena.u32[directory >>> PTR_SEGMENT_SHIFT]!
    return words[((directory & PTR_SEGMENT_MASK) << 1) + place]!
  }

  #setSlot(directory: Ptr, place: number, bucket: Ptr): void {
    const words = this.#arena.u32[directory >>> PTR_SEGMENT_SHIFT]!
    words[((directory & PTR_SEGMENT_MASK) << 1) + place] = bucket
  }

  #newBucket(depth: number): Ptr {
    const bucket = this.#arena.allocateIndex(BUCKET_BYTES)
    const words = this.#arena.u32[bucket >>> PTR_SEGMENT_SHIFT]!
    words[(bucket & PTR_SEGMENT_MASK) << 1] = depth << 16
    return bucket
  }

  /** Parts the full bucket of a tag by the next bit. */
  #split(root: Root, tag: number): void {
    const depth = this.#depth + 1
    if (depth > DEPTH_MAX) throw ARENA_FULL
    const made = this.#newBucket(depth)
    if (depth > this.#rootDepth(root)) {
      try {
        this.#resize(root, depth)
      } catch (error) {
        this.#arena.freeIndex(made)
        throw error
      }
    }
    this.#openOf(root, tag)
    this.#part(made, depth)
    const rootDepth = this.#rootDepth(root)
    if (depth === rootDepth) this.#addDeepest(root, 2)
    // The upper half of the places leads to the new bucket.
    const width = 2 ** (rootDepth - depth)
    const first = (Math.floor(this.#place(root, tag) / width) | 1) * width
    this.#lead(root, { first, width, bucket: made })
  }

  /** Moves the entries whose bit `depth` is set from the current bucket to another. */
  #part(made: Ptr, depth: number): void {
    const target = this.#arena.u32[made >>> PTR_SEGMENT_SHIFT]!
    const to = (made & PTR_SEGMENT_MASK) << 1
    const words = this.#words
    const from = this.#at
    const count = this.#count
    let kept = 0
    let moved = 0
    for (let i = 0; i < count; i++) {
      const tag = words[from + TAGS + i]!
      const leaf = words[from + LEAVES + i]!
      if (((tag >>> (32 - depth)) & 1) === 0) {
        words[from + TAGS + kept] = tag
        words[from + LEAVES + kept++] = leaf
      } else {
        target[to + TAGS + moved] = tag
        target[to + LEAVES + moved++] = leaf
      }
    }
    words[from] = (depth << 16) | kept
    target[to] = (depth << 16) | moved
  }

  #lead(
    root: Root,
    places: { readonly first: number; readonly width: number; readonly bucket: Ptr },
  ): void {
    const directory = root.words[root.at + Word.Directory]!
    const limit = places.first + places.width
    for (let at = places.first; at < limit; at++) this.#setSlot(directory, at, places.bucket)
  }

  /** Gives the root a directory of another depth, one more or one less. ARENA_FULL: none. */
  #resize(root: Root, depth: number): void {
    const arena = this.#arena
    const old = root.words[root.at + Word.Directory]!
    const oldDepth = this.#rootDepth(root)
    const made = arena.allocateIndex(2 ** depth * 4)
    const places = 2 ** depth
    let deepest = 0
    for (let place = 0; place < places; place++) {
      const bucket = this.#slot(old, depth > oldDepth ? place >>> 1 : place * 2)
      this.#setSlot(made, place, bucket)
      if (this.#depthOf(bucket) === depth) deepest++
    }
    root.chain.touch(arena)
    root.words[root.at + Word.Directory] = made
    root.words[root.at + Word.Depth] = depth
    root.words[root.at + Word.Deepest] = deepest
    arena.freeIndex(old)
  }

  #addDeepest(root: Root, change: number): void {
    root.chain.touch(this.#arena)
    const at = root.at + Word.Deepest
    root.words[at] = root.words[at]! + change
  }

  /** Joins the current bucket, of a tag, with the one beside it, if both have few entries. */
  #merge(root: Root, tag: number): void {
    const depth = this.#depth
    if (depth === 0) return
    const rootDepth = this.#rootDepth(root)
    const width = 2 ** (rootDepth - depth)
    const first = Math.floor(this.#place(root, tag) / width)
    const directory = root.words[root.at + Word.Directory]!
    const other = this.#slot(directory, (first ^ 1) * width)
    if (this.#depthOf(other) !== depth) return
    const words = this.#arena.u32[other >>> PTR_SEGMENT_SHIFT]!
    const from = (other & PTR_SEGMENT_MASK) << 1
    const taken = words[from]! & 0xffff
    const count = this.#count
    if (count + taken > MERGED_MAX) return
    for (let i = 0; i < taken; i++) {
      this.#words[this.#at + TAGS + count + i] = words[from + TAGS + i]!
      this.#words[this.#at + LEAVES + count + i] = words[from + LEAVES + i]!
    }
    this.#setCount(count + taken)
    this.#setDepth(depth - 1)
    this.#lead(root, { first: (first ^ 1) * width, width, bucket: this.#bucket })
    this.#arena.freeIndex(other)
    if (depth === rootDepth) this.#addDeepest(root, -2)
    this.#shrink(root)
  }

  /** Halves the directory while no bucket needs its depth; without memory it stays. */
  #shrink(root: Root): void {
    while (this.#rootDepth(root) > 0 && root.words[root.at + Word.Deepest] === 0) {
      try {
        this.#resize(root, this.#rootDepth(root) - 1)
      } catch (error) {
        if (error instanceof StoreError && error.code === ErrorCode.OutOfMemory) return
        throw error
      }
    }
  }
}
