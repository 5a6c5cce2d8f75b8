// The leaves of a `LeafDict` (leaf-dict.ts): makes room in them and gives it back. Knows slots and
// entries as bytes to move, not what they mean.
//
// A full leaf is compacted, grown or split by the next bit of the hash. It grows instead of being
// split where the directory would become long for few leaves (entries that are large for their leaf
// fill leaves unevenly). Two leaves that were split, and together fill less than 40 % of one,
// become one again.
// Whatever can fail fails before the first change. Removing never fails. Owner: the engine.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, scratchSlice } from '../../base/slice.ts'
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
import type { KeyHash } from '../key-hash.ts'
import { linkFirstLeaf, unlinkLeaf } from '../leaf-chain.ts'
import { ChainWord, LeafWord, type Root, RootWord } from '../root.ts'
import {
  addPair,
  DEPTH_MAX,
  depthOf,
  doubleDirectory,
  leadTo,
  leafAt,
  removePair,
  topBits,
} from './dict-directory.ts'
import {
  DictLeafWord,
  depthOfShape,
  earlierOf,
  entryBytes,
  fingerprint,
  garbageOfShape,
  isOutShape,
  LEVEL_DEPTHS,
  LeafEntry,
  leafShape,
  liveBytes,
  OFFSET_BITS,
  OFFSET_MASK,
  pagesOfShape,
  payloadBytes,
  SLOT_BYTES,
  SLOTS_WORD,
  splitBit,
  withDepth,
  withGarbage,
  withOut,
} from './dict-leaf.ts'
import { DictSurvey } from './dict-survey.ts'

/** Directory entries per leaf that a split may lead to; beyond that the leaf grows. */
const SPARSE_ENTRIES = 16
/** A leaf with less garbage than this share of it is not worth compacting. */
const GARBAGE_SHARE_MIN = 1 / 8
/** Shares of a leaf at which it looks for its other half, and which both may fill together. */
const LOW_SHARE = 0.2
const MERGED_SHARE_MAX = 0.4
/** Share of a leaf that what moves there may fill. */
const MOVED_SHARE_MAX = 0.7
/** This many entries fit into any leaf, unless it is of the largest size. */
const ENTRIES_MIN = 4

/** Longest entry that a loop copies faster. */
const LOOP_COPY_MAX = 32

/** Where a leaf is compacted. */
const SCRATCH = new Uint8Array(RUN_PAGES_MAX * PAGE_BYTES)
const MOVED = scratchSlice()

export class DictLeaves {
  readonly arena: Arena
  readonly collections: Collections
  /** Of the key that the dict works with. */
  readonly hash: KeyHash
  readonly hasValues: boolean
  readonly survey = new DictSurvey()
  readonly #entry = new LeafEntry()
  readonly #key = scratchSlice()

  constructor(collections: Collections, hash: KeyHash, hasValues: boolean) {
    this.arena = collections.arena
    this.collections = collections
    this.hash = hash
    this.hasValues = hasValues
  }

  /** Fills scratch words with the root of an empty dict: a number and one leaf. */
  create(root: Uint32Array): void {
    const { collections } = this
    const number = collections.allocate()
    let leaf: Ptr
    try {
      leaf = collections.allocateNode(number, 1)
    } catch (error) {
      collections.release(number)
      throw error
    }
    this.survey.forget(number)
    root.fill(0)
    root[RootWord.Number] = number
    root[RootWord.Chain + ChainWord.First] = leaf
    root[RootWord.Chain + ChainWord.Last] = leaf
    root[RootWord.Chain + ChainWord.Leaves] = 1
    this.#clear(leaf, leafShape(0, 1, false), 0)
  }

  /** The leaf for the hash in `hash`. */
  leafOf(root: Root): Ptr {
    return leafAt(this.arena, root, this.hash.high)
  }

  /**
   * The leaf for the hash in `hash`, with room for an entry of `size` bytes and its slot. NULL:
   * there is none, as the leaf can neither grow nor be split.
   */
  makeRoom(root: Root, size: number): Ptr {
    const need = size + SLOT_BYTES
    for (;;) {
      const leaf = this.leafOf(root)
      const words = this.#words(leaf)
      const at = wordIndex(leaf)
      const pages = pagesOfShape(words[at + DictLeafWord.Shape]!)
      const payload = payloadBytes(pages)
      const used = words[at + LeafWord.Count]! * SLOT_BYTES + words[at + LeafWord.Used]!
      if (used + need <= payload) return leaf
      const garbage = garbageOfShape(words[at + DictLeafWord.Shape]!)
      const isMendable = used - garbage + need <= payload
      if (need * ENTRIES_MIN > payload && pages < RUN_PAGES_MAX) this.#grow(root, leaf)
      else if (isMendable && garbage >= payload * GARBAGE_SHARE_MIN) this.#compact(leaf)
      else if (this.#isSplittable(root, leaf)) this.#split(root, leaf)
      else if (pages < RUN_PAGES_MAX) this.#grow(root, leaf)
      else if (isMendable) this.#compact(leaf)
      else return NULL
    }
  }

  /** Merges a leaf that has lost an entry with its other half, if both are nearly empty. */
  mend(root: Root, leaf: Ptr): void {
    for (;;) {
      const words = this.#words(leaf)
      const at = wordIndex(leaf)
      const shape = words[at + DictLeafWord.Shape]!
      const depth = depthOfShape(shape)
      const live = liveBytes(words, at)
      if (depth === 0 || live > payloadBytes(pagesOfShape(shape)) * LOW_SHARE) return
      const prefix = words[at + DictLeafWord.Prefix]!
      const other = leafAt(this.arena, root, (prefix ^ (1 << (32 - depth))) >>> 0)
      const otherWords = this.#words(other)
      const otherAt = wordIndex(other)
      const otherShape = otherWords[otherAt + DictLeafWord.Shape]!
      if (depthOfShape(otherShape) !== depth) return
      const pages = Math.max(pagesOfShape(shape), pagesOfShape(otherShape))
      const both = live + liveBytes(otherWords, otherAt)
      if (both > payloadBytes(pages) * MERGED_SHARE_MAX) return
      const isOwn = pagesOfShape(shape) === pages
      const kept = isOwn ? leaf : other
      this.#merge(root, kept, isOwn ? other : leaf)
      leaf = kept
    }
  }

  /** Some leaf has `count` entries. */
  noteCount(root: Root, count: number): void {
    root.chain.touch(this.arena)
    this.survey.note(root, count)
  }

  #isSplittable(root: Root, leaf: Ptr): boolean {
    const shape = this.#words(leaf)[wordIndex(leaf) + DictLeafWord.Shape]!
    const depth = depthOf(root)
    if (depthOfShape(shape) < depth) return true
    if (depth === DEPTH_MAX) return false
    if (pagesOfShape(shape) === RUN_PAGES_MAX) return true
    return 2 << depth <= SPARSE_ENTRIES * root.chain.leaves
  }

  /** Moves the entries whose next bit of the hash is 1 to a leaf of their own. */
  #split(root: Root, leaf: Ptr): void {
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    const shape = words[at + DictLeafWord.Shape]!
    const depth = depthOfShape(shape)
    const pages = pagesOfShape(shape) === 1 ? 1 : this.#pagesForMoved(leaf)
    const sibling = this.collections.allocateNode(root.number, pages)
    if (depth === depthOf(root)) {
      try {
        doubleDirectory(this.arena, root)
      } catch (error) {
        this.collections.freeNode(sibling)
        throw error
      }
    }
    this.arena.touch(leaf)
    const prefix = words[at + DictLeafWord.Prefix]!
    const siblingPrefix = (prefix | (1 << (31 - depth))) >>> 0
    this.#clear(sibling, leafShape(depth + 1, pages, isOutShape(shape)), siblingPrefix)
    this.#moveUpper(leaf, sibling, depth)
    words[at + DictLeafWord.Shape] = withDepth(words[at + DictLeafWord.Shape]!, depth + 1)
    this.#noteDeadline(sibling, words[at + DictLeafWord.Deadline]!)
    if ((depth + 1) % LEVEL_DEPTHS === 0) {
      this.#reprint(leaf)
      this.#reprint(sibling)
    }
    leadTo(this.arena, root, sibling)
    linkFirstLeaf(this.arena, root.chain, sibling)
    if (depth + 1 === depthOf(root)) addPair(this.arena, root)
  }

  /** Pages for the entries that `#split` would move. */
  #pagesForMoved(leaf: Ptr): number {
    const words = this.#words(leaf)
    const bytes = this.#bytes(leaf)
    const at = wordIndex(leaf)
    const depth = depthOfShape(words[at + DictLeafWord.Shape]!)
    const limit = at + SLOTS_WORD + words[at + LeafWord.Count]!
    let live = 0
    let largest = 0
    for (let i = at + SLOTS_WORD; i < limit; i++) {
      const slot = words[i]!
      if (splitBit(slot, depth) === 0) continue
      const start = at * 4 + (slot & OFFSET_MASK)
      const size = entryBytes(bytes, start, this.hasValues) + SLOT_BYTES
      live += size
      if (size > largest) largest = size
    }
    let pages = 1
    while (
      pages < RUN_PAGES_MAX &&
      (live > payloadBytes(pages) * MOVED_SHARE_MAX || largest * ENTRIES_MIN > payloadBytes(pages))
    ) {
      pages *= 2
    }
    return pages
  }

  #moveUpper(leaf: Ptr, sibling: Ptr, depth: number): void {
    const words = this.#words(leaf)
    const bytes = this.#bytes(leaf)
    const at = wordIndex(leaf)
    const first = at + SLOTS_WORD
    const count = words[at + LeafWord.Count]!
    // Slots are in the order of the hash: those to move are the last ones.
    let kept = count
    while (kept > 0 && splitBit(words[first + kept - 1]!, depth) === 1) kept--
    let moved = 0
    for (let i = first + kept; i < first + count; i++) {
      moved += this.#append(sibling, bytes, at * 4 + (words[i]! & OFFSET_MASK), words[i]!)
    }
    words[at + LeafWord.Count] = kept
    const shape = words[at + DictLeafWord.Shape]!
    words[at + DictLeafWord.Shape] = withGarbage(shape, garbageOfShape(shape) + moved)
  }

  /** Copies the entry at `from` behind the others of a touched leaf. Returns its bytes. */
  #append(leaf: Ptr, source: Uint8Array, from: number, slot: number): number {
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    const count = words[at + LeafWord.Count]!
    const used = words[at + LeafWord.Used]!
    const offset = this.#copyEntry(leaf, source, from)
    assert((SLOTS_WORD + count + 1) * 4 <= offset, 'there is room for the slot')
    words[at + SLOTS_WORD + count] = (slot & ~OFFSET_MASK) | offset
    words[at + LeafWord.Count] = count + 1
    return words[at + LeafWord.Used]! - used
  }

  /** Copies the entry at `from` to a touched leaf with room for it; returns its offset there. */
  #copyEntry(leaf: Ptr, source: Uint8Array, from: number): number {
    const size = entryBytes(source, from, this.hasValues)
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    const used = words[at + LeafWord.Used]! + size
    const offset = pagesOfShape(words[at + DictLeafWord.Shape]!) * PAGE_BYTES - used
    assert((SLOTS_WORD + words[at + LeafWord.Count]!) * 4 <= offset, 'there is room in the leaf')
    copyEntry(MOVED.set(source, from, size), this.#bytes(leaf), at * 4 + offset)
    words[at + LeafWord.Used] = used
    return offset
  }

  /** Puts the entries of a leaf together again, without garbage. */
  #compact(leaf: Ptr): void {
    this.arena.touch(leaf)
    const words = this.#words(leaf)
    const bytes = this.#bytes(leaf)
    const at = wordIndex(leaf)
    const count = words[at + LeafWord.Count]!
    const used = words[at + LeafWord.Used]!
    const length = pagesOfShape(words[at + DictLeafWord.Shape]!) * PAGE_BYTES
    copySlice(MOVED.set(bytes, at * 4 + length - used, used), SCRATCH, length - used)
    let offset = length
    for (let i = at + SLOTS_WORD; i < at + SLOTS_WORD + count; i++) {
      const slot = words[i]!
      const from = slot & OFFSET_MASK
      const size = entryBytes(SCRATCH, from, this.hasValues)
      offset -= size
      copyEntry(MOVED.set(SCRATCH, from, size), bytes, at * 4 + offset)
      words[i] = (slot & ~OFFSET_MASK) | offset
    }
    words[at + LeafWord.Used] = length - offset
    words[at + DictLeafWord.Shape] = withGarbage(words[at + DictLeafWord.Shape]!, 0)
  }

  /** Puts a leaf of twice the pages in the place of one. */
  #grow(root: Root, leaf: Ptr): void {
    const words = this.#words(leaf)
    const bytes = this.#bytes(leaf)
    const at = wordIndex(leaf)
    const shape = words[at + DictLeafWord.Shape]!
    const pages = pagesOfShape(shape) * 2
    const made = this.collections.allocateNode(root.number, pages)
    const own = leafShape(depthOfShape(shape), pages, isOutShape(shape))
    this.#clear(made, own, words[at + DictLeafWord.Prefix]!)
    this.#noteDeadline(made, words[at + DictLeafWord.Deadline]!)
    const limit = at + SLOTS_WORD + words[at + LeafWord.Count]!
    for (let i = at + SLOTS_WORD; i < limit; i++) {
      this.#append(made, bytes, at * 4 + (words[i]! & OFFSET_MASK), words[i]!)
    }
    unlinkLeaf(this.arena, root.chain, leaf)
    this.collections.freeNode(leaf)
    linkFirstLeaf(this.arena, root.chain, made)
    leadTo(this.arena, root, made)
  }

  /** Moves all entries of `other` to `kept`, its other half. */
  #merge(root: Root, kept: Ptr, other: Ptr): void {
    const words = this.#words(kept)
    const at = wordIndex(kept)
    const otherWords = this.#words(other)
    const otherBytes = this.#bytes(other)
    const otherAt = wordIndex(other)
    this.arena.touch(kept)
    const shape = words[at + DictLeafWord.Shape]!
    const used = words[at + LeafWord.Count]! * SLOT_BYTES + words[at + LeafWord.Used]!
    const room = payloadBytes(pagesOfShape(shape)) - used
    if (room < liveBytes(otherWords, otherAt)) this.#compact(kept)
    const count = words[at + LeafWord.Count]!
    const added = otherWords[otherAt + LeafWord.Count]!
    const isLower = otherWords[otherAt + DictLeafWord.Prefix]! < words[at + DictLeafWord.Prefix]!
    const first = at + SLOTS_WORD
    words[at + LeafWord.Count] = count + added
    if (isLower) moveSlotsUp(words, first, count, added)
    const start = isLower ? first : first + count
    for (let i = 0; i < added; i++) {
      const slot = otherWords[otherAt + SLOTS_WORD + i]!
      const offset = this.#copyEntry(kept, otherBytes, otherAt * 4 + (slot & OFFSET_MASK))
      words[start + i] = (slot & ~OFFSET_MASK) | offset
    }
    const depth = depthOfShape(shape)
    // Compaction may have changed it.
    const own = withDepth(words[at + DictLeafWord.Shape]!, depth - 1)
    const isOut = isOutShape(otherWords[otherAt + DictLeafWord.Shape]!)
    words[at + DictLeafWord.Shape] = isOut ? withOut(own) : own
    this.#noteDeadline(kept, otherWords[otherAt + DictLeafWord.Deadline]!)
    words[at + DictLeafWord.Prefix] = topBits(words[at + DictLeafWord.Prefix]!, depth - 1)
    if (depth % LEVEL_DEPTHS === 0) this.#reprint(kept)
    unlinkLeaf(this.arena, root.chain, other)
    this.collections.freeNode(other)
    leadTo(this.arena, root, kept)
    this.noteCount(root, words[at + LeafWord.Count]!)
    if (depth === depthOf(root)) removePair(this.arena, root)
  }

  /** Takes the fingerprints of a touched leaf from the hashes of its keys again. */
  #reprint(leaf: Ptr): void {
    const { hash } = this
    const { high, low } = hash
    const words = this.#words(leaf)
    const bytes = this.#bytes(leaf)
    const at = wordIndex(leaf)
    const depth = depthOfShape(words[at + DictLeafWord.Shape]!)
    const limit = at + SLOTS_WORD + words[at + LeafWord.Count]!
    for (let i = at + SLOTS_WORD; i < limit; i++) {
      const offset = words[i]! & OFFSET_MASK
      this.#entry.read(bytes, at * 4 + offset, this.hasValues).keyInto(this.arena, this.#key)
      hash.of(this.#key.bytes, this.#key.start, this.#key.length)
      words[i] = (fingerprint(hash.high, hash.low, depth) << OFFSET_BITS) | offset
    }
    hash.high = high
    hash.low = low
    sortSlots(words, at + SLOTS_WORD, limit)
  }

  /** Some entry of a touched leaf has this deadline, as headers have it, or a later one. */
  #noteDeadline(leaf: Ptr, deadline: number): void {
    const words = this.#words(leaf)
    const word = wordIndex(leaf) + DictLeafWord.Deadline
    words[word] = earlierOf(words[word]!, deadline)
  }

  #clear(leaf: Ptr, shape: number, prefix: number): void {
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    words.fill(0, at + LeafWord.Next, at + SLOTS_WORD)
    words[at + DictLeafWord.Prefix] = prefix
    words[at + DictLeafWord.Shape] = shape
  }

  #words(ptr: Ptr): Uint32Array {
    return this.arena.u32[ptr >>> PTR_SEGMENT_SHIFT]!
  }

  #bytes(ptr: Ptr): Uint8Array {
    return this.arena.u8[ptr >>> PTR_SEGMENT_SHIFT]!
  }
}

/** Index of a node's first word in its segment. */
function wordIndex(ptr: Ptr): number {
  return (ptr & PTR_SEGMENT_MASK) << 1
}

/**
 * Copies an entry to where it does not overlap itself, which `copySlice` cannot know of two leaves
 * of one segment: the loop takes a fifth of the time for a short one.
 */
function copyEntry(entry: ByteRange, target: Uint8Array, at: number): void {
  const { bytes, start, length } = entry
  if (length > LOOP_COPY_MAX) return copySlice(entry, target, at)
  for (let i = 0; i < length; i++) target[at + i] = bytes[start + i]!
}

/** Moves `count` slots from `first` on up by `shift`. */
function moveSlotsUp(words: Uint32Array, first: number, count: number, shift: number): void {
  for (let i = first + count - 1; i >= first; i--) words[i + shift] = words[i]!
}

/** Sorts slots that are nearly sorted. */
function sortSlots(words: Uint32Array, first: number, limit: number): void {
  for (let i = first + 1; i < limit; i++) {
    const slot = words[i]!
    const print = slot >>> OFFSET_BITS
    let at = i
    for (; at > first && words[at - 1]! >>> OFFSET_BITS > print; at--) words[at] = words[at - 1]!
    words[at] = slot
  }
}
