// A hash table whose buckets are leaves: how large sets and hashes lie in memory. Front door of
// dict-leaf.ts (bytes of a leaf), dict-leaves.ts (room in leaves), dict-directory.ts (from hash to
// leaf), dict-fill.ts (many at once), dict-walk.ts (iteration), dict-expire.ts (deadlines),
// dict-release.ts and dict-copy.ts (lazy free, COPY), dict-check.ts.
//
// Extendible hashing: a directory of 2^depth Ptrs, by the upper bits of a keyed hash, leads to
// leaves of 4 KiB with some hundred entries each. A lookup reads the directory, the slots of one
// leaf and, as slots have 17 bits of the hash, one entry. There is no rehash; a split moves half a
// leaf. Only leaves and the root are touched and saved; the directory is rebuilt from nothing else.
//
// One object serves all dicts of a kind: it is a cursor, pointed at an entry by `find` and
// `pickRandom`, until the dict changes. Keys and values are copied from where the caller has them,
// which must not be in the same dict. When the arena is full a method throws and has changed
// nothing that anybody sees. Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Random } from '../../base/random.ts'
import {
  asScratch,
  type ByteRange,
  copySlice,
  moveWithin,
  type Slice,
  scratchSlice,
} from '../../base/slice.ts'
import { ARENA_FULL, type Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { KeyHash } from '../key-hash.ts'
import { LeafWord, type Root, RootWord } from '../root.ts'
import { checkDict } from './dict-check.ts'
import { DictRootWord, depthOf, leafAt } from './dict-directory.ts'
import {
  DEADLINE_BYTES,
  DictLeafWord,
  depthOfShape,
  earlierOf,
  fingerprint,
  garbageOfShape,
  HeadFlag,
  LeafEntry,
  leafDeadline,
  lowerSlot,
  OFFSET_BITS,
  OFFSET_MASK,
  PTR_BYTES,
  pagesOfShape,
  readPtr,
  readVarint,
  SLOTS_WORD,
  varintBytes,
  withGarbage,
  withOut,
  writePtr,
  writeTime,
  writeVarint,
} from './dict-leaf.ts'
import { DictLeaves } from './dict-leaves.ts'
import { cloneDict, discardDict } from './dict-release.ts'

/** Longest entry that lies in a leaf: four of them fit the largest, with some that are out. */
const ENTRY_BYTES_MAX = 8000
/** Parts up to this length stay in an entry whose leaf has no room for more. */
const PART_BYTES_MIN = 64
/** More than any leaf has slots. */
const PLACE_SLOTS = 8192
/** A value on its way from one place in a leaf to another. */
const KEPT_BYTES = new Uint8Array(ENTRY_BYTES_MAX)
const KEPT = scratchSlice()

const NO_VALUE: ByteRange = { bytes: new Uint8Array(0), start: 0, length: 0 }

export class LeafDict {
  /** Whether entries have values: hashes, not sets. */
  readonly hasValues: boolean
  readonly collections: Collections
  readonly arena: Arena
  /** Has the hash of the key that was looked up last. */
  readonly hash: KeyHash
  readonly #leaves: DictLeaves
  /** The entry that the cursor is at. */
  #leaf: Ptr = NULL
  #slot = 0
  readonly #entry = asScratch(new LeafEntry())
  /** What is being written: bytes in the leaf, deadline, and spans of what is out of line. */
  #size = 0
  #isKeyKept = false
  #isValueKept = false
  #isKeyOut = false
  #isValueOut = false
  #keySpan: Ptr = NULL
  #valueSpan: Ptr = NULL
  /** Unix ms; 0: none. */
  #deadlineMs = 0

  /** `hash` must be nobody else's: a lookup leaves the key's hash in it for what follows. */
  constructor(collections: Collections, hash: KeyHash, hasValues: boolean) {
    this.collections = collections
    this.hasValues = hasValues
    this.arena = collections.arena
    this.hash = hash
    this.#leaves = new DictLeaves(collections, hash, hasValues)
  }

  /** Fills scratch words with the root of an empty dict. ARENA_FULL: there is none. */
  create(root: Uint32Array): void {
    this.#leaves.create(root)
  }

  /** Frees a dict that has no record: its root stands in scratch words. */
  discard(root: Uint32Array): void {
    discardDict(this, root)
  }

  /** Fills scratch words with the root of a copy. ARENA_FULL: there is none. O(bytes). */
  clone(source: Root, target: Uint32Array): void {
    cloneDict(this, source, target)
    this.#leaves.survey.forget(target[RootWord.Number]!)
  }

  /** Walks all invariants. O(n). */
  check(root: Root): void {
    checkDict(this.#leaves, root)
  }

  /** Hashes a key for `findHashed` in several dicts. */
  hashKey(key: ByteRange): void {
    this.hash.of(key.bytes, key.start, key.length)
  }

  /** Points the cursor at the key's entry; false: there is none. O(1), allocates nothing. */
  find(root: Root, key: ByteRange): boolean {
    this.hash.of(key.bytes, key.start, key.length)
    return this.findHashed(root, key)
  }

  /** `find` of the key that was hashed last. */
  findHashed(root: Root, key: ByteRange): boolean {
    const { high, low } = this.hash
    const arena = this.arena
    const leaf = leafAt(arena, root, high)
    const segment = leaf >>> PTR_SEGMENT_SHIFT
    const words = arena.u32[segment]!
    const bytes = arena.u8[segment]!
    const at = (leaf & PTR_SEGMENT_MASK) << 1
    const print = fingerprint(high, low, depthOfShape(words[at + DictLeafWord.Shape]!))
    const limit = at + SLOTS_WORD + words[at + LeafWord.Count]!
    for (let i = lowerSlot(words, at, print); i < limit; i++) {
      const slot = words[i]!
      if (slot >>> OFFSET_BITS !== print) return false
      if (!this.#isKey(bytes, (at << 2) + (slot & OFFSET_MASK), key)) continue
      this.#leaf = leaf
      this.#slot = i - at - SLOTS_WORD
      return true
    }
    return false
  }

  /** Points `out` at the key under the cursor. */
  readKey(out: Slice): Slice {
    return this.#read().keyInto(this.arena, out)
  }

  /** Points `out` at the value under the cursor. */
  readValue(out: Slice): Slice {
    return this.#read().valueInto(this.arena, out)
  }

  /** Unix ms of the deadline under the cursor; 0: none. */
  get deadlineMs(): number {
    return this.#read().deadlineMs
  }

  /** Whether any entry has a deadline. */
  hasDeadlines({ words, at }: Root): boolean {
    return words[at + DictRootWord.Deadlines] !== 0
  }

  /** Adds a key that the last `find`, of this key, did not find. O(1). */
  insert(root: Root, key: ByteRange, value: ByteRange = NO_VALUE, deadlineMs = 0): void {
    this.#plan(key, value, deadlineMs)
    const leaf = this.#makeRoom(root, key, value)
    this.arena.touch(leaf)
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    const offset = this.#write(leaf, key, value)
    const count = words[at + LeafWord.Count]!
    const { high, low } = this.hash
    const print = fingerprint(high, low, depthOfShape(words[at + DictLeafWord.Shape]!))
    const slotAt = lowerSlot(words, at, print)
    shiftSlots(words, slotAt, at + SLOTS_WORD + count)
    words[slotAt] = (print << OFFSET_BITS) | offset
    words[at + LeafWord.Count] = count + 1
    this.#leaf = leaf
    this.#slot = slotAt - at - SLOTS_WORD
    this.#leaves.noteCount(root, count + 1)
    addCount(root, 1)
    if (deadlineMs === 0) return
    this.#addDeadlines(root, 1)
    this.#noteSet(root, deadlineMs)
  }

  /**
   * Gives the key, at whose entry the last `find` has put the cursor, another value. A deadline
   * stays. O(1).
   */
  replace(root: Root, key: ByteRange, value: ByteRange): void {
    this.replaceWith(root, key, value, this.#read().deadlineMs)
  }

  /** `replace`, and the deadline is this one (unix ms; 0: none). O(1). */
  replaceWith(root: Root, key: ByteRange, value: ByteRange, deadlineMs: number): void {
    assert(this.hasValues, 'the dict has values')
    const entry = this.#read()
    if (value.length === entry.valueLength) {
      if (deadlineMs === entry.deadlineMs) return this.#overwrite(entry, value)
      if (deadlineMs === 0) {
        this.#overwrite(entry, value)
        return this.#dropDeadline(root)
      }
    }
    this.#isValueKept = false
    this.#planKept(entry, value, deadlineMs)
    this.#rewrite(root, key, value)
  }

  /**
   * Gives the key, at whose entry the last `find` has put the cursor, a deadline (unix ms) or takes
   * it (0), which never fails. O(entry).
   */
  setDeadline(root: Root, key: ByteRange, deadlineMs: number): void {
    assert(this.hasValues, 'the dict has values')
    const entry = this.#read()
    if (deadlineMs === 0) {
      if (entry.hasDeadline) this.#dropDeadline(root)
      return
    }
    if (entry.hasDeadline) {
      this.arena.touch(this.#leaf)
      writeTime(entry.bytes, entry.valueStart - DEADLINE_BYTES, deadlineMs)
      this.#noteDeadline(this.#leaf, deadlineMs)
      return this.#noteSet(root, deadlineMs)
    }
    // The entry moves: what lies in it is copied first, what lies outside stays.
    const value = entry.valueInto(this.arena, KEPT)
    this.#isValueKept = entry.isValueOut
    if (!entry.isValueOut) {
      copySlice(value, KEPT_BYTES, 0)
      value.set(KEPT_BYTES, 0, value.length)
    }
    this.#planKept(entry, value, deadlineMs)
    this.#rewrite(root, key, value)
  }

  /** Removes the entry under the cursor. O(1), never fails. */
  remove(root: Root): void {
    const leaf = this.#leaf
    this.removeOnly(root)
    this.#leaves.mend(root, leaf)
  }

  /** `remove`, but the leaf stays, however empty it is, until `mend`: for dict-expire.ts. */
  removeOnly(root: Root): void {
    const leaf = this.#leaf
    const arena = this.arena
    arena.touch(leaf)
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    const entry = this.#read()
    if (entry.isKeyOut) arena.freeSpan(entry.keySpan)
    if (this.hasValues && entry.isValueOut) arena.freeSpan(entry.valueSpan)
    const first = at + SLOTS_WORD
    const offset = words[first + this.#slot]! & OFFSET_MASK
    this.#dropBytes(leaf, offset, entry.size)
    const count = words[at + LeafWord.Count]! - 1
    unshiftSlots(words, first + this.#slot, first + count)
    words[at + LeafWord.Count] = count
    root.chain.touch(arena)
    addCount(root, -1)
    if (entry.hasDeadline) this.#addDeadlines(root, -1)
    this.#leaf = NULL
  }

  /** Points the cursor at an entry, each as likely as any other. O(1) on average. */
  pickRandom(root: Root, random: Random): void {
    assert(root.count > 0, 'an empty dict has no entry')
    const arena = this.arena
    const depth = depthOf(root)
    const most = root.words[root.at + DictRootWord.Most]!
    const { index, first } = root.chain
    for (;;) {
      let leaf = first
      if (depth > 0) {
        const directory = arena.u32[index >>> PTR_SEGMENT_SHIFT]!
        const at = wordIndex(index)
        const i = random.u32() >>> (32 - depth)
        leaf = directory[at + i]!
        // Each leaf stands for one place of the directory: its first.
        if (i > 0 && directory[at + i - 1] === leaf) continue
      }
      const slot = random.below(most)
      if (slot >= this.#words(leaf)[wordIndex(leaf) + LeafWord.Count]!) {
        this.#leaves.survey.step(arena, root)
        continue
      }
      this.#leaf = leaf
      this.#slot = slot
      return
    }
  }

  /** Merges a leaf that `removeOnly` has emptied with its other half, if both are nearly empty. */
  mend(root: Root, leaf: Ptr): void {
    this.#leaf = NULL
    this.#leaves.mend(root, leaf)
  }

  /** A number that only the entry under the cursor has, until the dict changes. */
  get place(): number {
    return this.#leaf * PLACE_SLOTS + this.#slot
  }

  /** Points the cursor at a slot of a leaf. */
  enter(leaf: Ptr, slot: number): void {
    this.#leaf = leaf
    this.#slot = slot
  }

  /** Puts the cursor back to a place. */
  seek(place: number): void {
    this.#leaf = Math.floor(place / PLACE_SLOTS)
    this.#slot = place % PLACE_SLOTS
  }

  /** The entry under the cursor. */
  #read(): LeafEntry {
    const leaf = this.#leaf
    assert(leaf !== NULL, 'the cursor is at an entry')
    const segment = leaf >>> PTR_SEGMENT_SHIFT
    const at = wordIndex(leaf)
    const slot = this.arena.u32[segment]![at + SLOTS_WORD + this.#slot]!
    const start = (at << 2) + (slot & OFFSET_MASK)
    return this.#entry.read(this.arena.u8[segment]!, start, this.hasValues)
  }

  #isKey(bytes: Uint8Array, at: number, key: ByteRange): boolean {
    const head = readVarint(bytes, at)
    const length = key.length
    if (head >>> 1 !== length) return false
    let from = at + varintBytes(head)
    let found = bytes
    if ((head & HeadFlag.Out) !== 0) {
      const span = readPtr(bytes, from)
      found = this.arena.contiguousBytes(span)
      from = this.arena.contiguousStart(span) + SPAN_HEADER_BYTES
    }
    const wanted = key.bytes
    const start = key.start
    for (let i = 0; i < length; i++) {
      if (found[from + i]! !== wanted[start + i]!) return false
    }
    return true
  }

  /** Writes a value as long as the one that is there. */
  #overwrite(entry: LeafEntry, value: ByteRange): void {
    const arena = this.arena
    if (!entry.isValueOut) {
      arena.touch(this.#leaf)
      copySlice(value, entry.bytes, entry.valueStart)
      return
    }
    const span = entry.valueSpan
    arena.touchSpan(span, 0, value.length)
    copySlice(value, arena.contiguousBytes(span), arena.contiguousStart(span) + SPAN_HEADER_BYTES)
  }

  /** Writes the planned entry in the place of the one under the cursor. */
  #rewrite(root: Root, key: ByteRange, value: ByteRange): void {
    const leaf = this.#makeRoom(root, key, value)
    const isFound = this.findHashed(root, key)
    assert(isFound && this.#leaf === leaf, 'the entry is where there is room for it')
    this.arena.touch(leaf)
    const words = this.#words(leaf)
    const slotAt = wordIndex(leaf) + SLOTS_WORD + this.#slot
    const offset = words[slotAt]! & OFFSET_MASK
    const old = this.#read()
    const { size, hasDeadline } = old
    if (old.isValueOut && !this.#isValueKept) this.arena.freeSpan(old.valueSpan)
    words[slotAt] = (words[slotAt]! & ~OFFSET_MASK) | this.#write(leaf, key, value)
    this.#dropBytes(leaf, offset, size)
    const change = (this.#deadlineMs !== 0 ? 1 : 0) - (hasDeadline ? 1 : 0)
    if (change !== 0) this.#addDeadlines(root, change)
    if (this.#deadlineMs !== 0) this.#noteSet(root, this.#deadlineMs)
  }

  /** Decides what of a new entry lies out of line, and how many bytes it has then. */
  #plan(key: ByteRange, value: ByteRange, deadlineMs: number): void {
    this.#isKeyKept = false
    this.#isValueKept = false
    this.#isKeyOut = false
    this.#isValueOut = false
    this.#deadlineMs = deadlineMs
    this.#sum(key.length, value.length)
    if (this.#size <= ENTRY_BYTES_MAX) return
    // The longer part first.
    this.#isValueOut = this.hasValues && value.length >= key.length
    this.#isKeyOut = !this.#isValueOut
    this.#sum(key.length, value.length)
    if (this.#size <= ENTRY_BYTES_MAX) return
    this.#isValueOut = this.hasValues
    this.#isKeyOut = true
    this.#sum(key.length, value.length)
  }

  /** `#plan` for an entry whose key stays as it is, and with `#isValueKept` the value's span. */
  #planKept(entry: LeafEntry, value: ByteRange, deadlineMs: number): void {
    this.#isKeyKept = true
    this.#isKeyOut = entry.isKeyOut
    this.#keySpan = entry.isKeyOut ? entry.keySpan : NULL
    this.#isValueOut = this.#isValueKept
    if (this.#isValueKept) this.#valueSpan = entry.valueSpan
    this.#deadlineMs = deadlineMs
    this.#sum(entry.keyLength, value.length)
    if (this.#size <= ENTRY_BYTES_MAX) return
    this.#isValueOut = true
    this.#sum(entry.keyLength, value.length)
  }

  #sum(keyLength: number, valueLength: number): void {
    const keyBytes = this.#isKeyOut ? PTR_BYTES : keyLength
    this.#size = varintBytes(keyLength * 2) + keyBytes
    if (!this.hasValues) return
    this.#size += varintBytes(valueLength * 4) + (this.#isValueOut ? PTR_BYTES : valueLength)
    if (this.#deadlineMs !== 0) this.#size += DEADLINE_BYTES
  }

  /** The leaf with room for what is planned, whose spans are made. ARENA_FULL: nothing is. */
  #makeRoom(root: Root, key: ByteRange, value: ByteRange): Ptr {
    const isKeptOut = this.#isKeyKept && this.#isKeyOut
    if (!isKeptOut) this.#keySpan = NULL
    if (!this.#isValueKept) this.#valueSpan = NULL
    try {
      if (this.#isKeyOut && !isKeptOut) this.#keySpan = this.#makeSpan(root, key)
      if (this.#isValueOut && !this.#isValueKept) this.#valueSpan = this.#makeSpan(root, value)
      let leaf = this.#leaves.makeRoom(root, this.#size)
      if (leaf === NULL && this.#putOut(root, key, value)) {
        leaf = this.#leaves.makeRoom(root, this.#size)
      }
      if (leaf === NULL) throw ARENA_FULL
      return leaf
    } catch (error) {
      if (this.#keySpan !== NULL && !isKeptOut) this.arena.freeSpan(this.#keySpan)
      if (this.#valueSpan !== NULL && !this.#isValueKept) this.arena.freeSpan(this.#valueSpan)
      throw error
    }
  }

  /** Puts out of line what can be, for a leaf that is full and cannot be split. */
  #putOut(root: Root, key: ByteRange, value: ByteRange): boolean {
    const size = this.#size
    if (!this.#isValueOut && this.hasValues && value.length > PART_BYTES_MIN) {
      this.#valueSpan = this.#makeSpan(root, value)
      this.#isValueOut = true
    }
    if (!this.#isKeyOut && !this.#isKeyKept && key.length > PART_BYTES_MIN) {
      this.#keySpan = this.#makeSpan(root, key)
      this.#isKeyOut = true
    }
    this.#sum(key.length, value.length)
    return this.#size < size
  }

  #makeSpan(root: Root, part: ByteRange): Ptr {
    const arena = this.arena
    const span = this.collections.allocateElement(root.number, part.length)
    copySlice(part, arena.contiguousBytes(span), arena.contiguousStart(span) + SPAN_HEADER_BYTES)
    return span
  }

  /** Writes the planned entry below the others of a touched leaf; returns its offset. */
  #write(leaf: Ptr, key: ByteRange, value: ByteRange): number {
    const words = this.#words(leaf)
    const bytes = this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    const at = wordIndex(leaf)
    const shape = words[at + DictLeafWord.Shape]!
    const used = words[at + LeafWord.Used]! + this.#size
    const offset = pagesOfShape(shape) * PAGE_BYTES - used
    const start = (at << 2) + offset
    let to = writeVarint(bytes, start, key.length * 2 + (this.#isKeyOut ? HeadFlag.Out : 0))
    if (this.#isKeyOut) to = writePtr(bytes, to, this.#keySpan)
    else {
      copySlice(key, bytes, to)
      to += key.length
    }
    if (this.hasValues) to = this.#writeValue(bytes, to, value)
    assert(to - start === this.#size, 'an entry is as long as planned')
    words[at + LeafWord.Used] = used
    if (this.#deadlineMs !== 0) this.#noteDeadline(leaf, this.#deadlineMs)
    if (this.#isKeyOut || this.#isValueOut) words[at + DictLeafWord.Shape] = withOut(shape)
    return offset
  }

  #writeValue(bytes: Uint8Array, at: number, value: ByteRange): number {
    let head = value.length * 4
    if (this.#isValueOut) head += HeadFlag.Out
    if (this.#deadlineMs !== 0) head += HeadFlag.Deadline
    let to = writeVarint(bytes, at, head)
    if (this.#deadlineMs !== 0) to = writeTime(bytes, to, this.#deadlineMs)
    if (this.#isValueOut) return writePtr(bytes, to, this.#valueSpan)
    copySlice(value, bytes, to)
    return to + value.length
  }

  /** Takes the deadline out of the entry under the cursor, where it lies. */
  #dropDeadline(root: Root): void {
    const leaf = this.#leaf
    this.arena.touch(leaf)
    const entry = this.#read()
    const { bytes, keyStart, valueStart } = entry
    const words = this.#words(leaf)
    const slotAt = wordIndex(leaf) + SLOTS_WORD + this.#slot
    const offset = words[slotAt]! & OFFSET_MASK
    const start = wordIndex(leaf) * 4 + offset
    const keyEnd = keyStart + (entry.isKeyOut ? PTR_BYTES : entry.keyLength)
    // The heads and the key move up to the value; the flag does not change the length of its head.
    const deadlineAt = valueStart - DEADLINE_BYTES
    writeVarint(bytes, keyEnd, readVarint(bytes, keyEnd) - HeadFlag.Deadline)
    moveWithin(bytes, start + DEADLINE_BYTES, start, deadlineAt)
    words[slotAt] = (words[slotAt]! & ~OFFSET_MASK) | (offset + DEADLINE_BYTES)
    this.#dropBytes(leaf, offset, DEADLINE_BYTES)
    this.#addDeadlines(root, -1)
  }

  /** An entry of a touched leaf has this deadline. */
  #noteDeadline(leaf: Ptr, deadlineMs: number): void {
    const words = this.#words(leaf)
    const at = wordIndex(leaf) + DictLeafWord.Deadline
    words[at] = earlierOf(words[at]!, leafDeadline(deadlineMs))
  }

  /** Notes what a pass of expiry that has been in the leaf does not know. */
  #noteSet(root: Root, deadlineMs: number): void {
    const word = leafDeadline(deadlineMs)
    const at = root.at + DictRootWord.EarliestSet
    if (earlierOf(root.words[at]!, word) === root.words[at]) return
    root.chain.touch(this.arena)
    root.words[at] = word
  }

  /** There are `change` entries more with a deadline. */
  #addDeadlines(root: Root, change: number): void {
    root.chain.touch(this.arena)
    const at = root.at + DictRootWord.Deadlines
    root.words[at] = root.words[at]! + change
  }

  /** The bytes of an entry in a touched leaf are of no use any more. */
  #dropBytes(leaf: Ptr, offset: number, size: number): void {
    const words = this.#words(leaf)
    const at = wordIndex(leaf)
    const used = words[at + LeafWord.Used]!
    const shape = words[at + DictLeafWord.Shape]!
    const lowest = pagesOfShape(shape) * PAGE_BYTES - used
    if (offset === lowest) words[at + LeafWord.Used] = used - size
    else words[at + DictLeafWord.Shape] = withGarbage(shape, garbageOfShape(shape) + size)
  }

  #words(ptr: Ptr): Uint32Array {
    return this.arena.u32[ptr >>> PTR_SEGMENT_SHIFT]!
  }
}

/** Index of a node's first word in its segment. */
function wordIndex(ptr: Ptr): number {
  return (ptr & PTR_SEGMENT_MASK) << 1
}

/** Makes a gap at `from` by moving the slots up to `limit` one up. */
function shiftSlots(words: Uint32Array, from: number, limit: number): void {
  for (let i = limit; i > from; i--) words[i] = words[i - 1]!
}

/** Closes the gap at `from` by moving the slots up to `limit`, included, one down. */
function unshiftSlots(words: Uint32Array, from: number, limit: number): void {
  for (let i = from; i < limit; i++) words[i] = words[i + 1]!
}

/** There are `change` entries more in a dict whose root has been touched. */
function addCount({ words, at }: Root, change: number): void {
  words[at + RootWord.Chain] = words[at + RootWord.Chain]! + change
}
