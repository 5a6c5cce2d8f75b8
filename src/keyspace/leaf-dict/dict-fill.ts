// Fills a `LeafDict` (leaf-dict.ts) with many entries, as loading does. They are encoded and copied
// into leaves in batches, sorted by their hashes, so that one leaf after the other is written and
// not each in turn; what finds no room, or maybe its own key, goes the common way. `widen` gives a
// dict that is still empty the leaves that it will need, which spares their splits. A million
// fields take half the time that `insert` takes for them. Nobody else may use the dict meanwhile.
// Owner: the engine. ARENA_FULL leaves a dict that can only be freed.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, Slice } from '../../base/slice.ts'
import { ARENA_FULL } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import type { KeyHash } from '../key-hash.ts'
import { linkFirstLeaf } from '../leaf-chain.ts'
import { ChainWord, LeafWord, Root, RootWord, setNodeWord } from '../root.ts'
import { DEPTH_MAX, DictRootWord, leadTo, leafAt } from './dict-directory.ts'
import {
  DictLeafWord,
  depthOfShape,
  fingerprint,
  HeadFlag,
  LeafEntry,
  leafShape,
  lowerSlot,
  OFFSET_BITS,
  OFFSET_MASK,
  pagesOfShape,
  payloadBytes,
  SLOT_BYTES,
  SLOTS_WORD,
  writeVarint,
} from './dict-leaf.ts'
import type { LeafDict } from './leaf-dict.ts'

/** Entries and bytes of a batch, for dicts that are small and for others. */
const FEW = { entries: 128, bytes: 16 * 1024 } as const
const MANY = { entries: 32 * 1024, bytes: 2 * 1024 * 1024 } as const
/** Longer pairs are inserted at once. */
const BATCHED_BYTES_MAX = 960
/** Dicts of more entries are not small. */
const FEW_MAX = 4096
/** Upper bits of the hash that a batch is sorted by: for as many leaves as matter. */
const SORTED_BITS = 14
const SORTED_SHIFT = 32 - SORTED_BITS
/** How full the leaves of a widened dict are to be at most, on average. */
const FILL_SHARE = 0.9
/** Leaves of one page are not made for entries of more bytes. */
const ENTRY_BYTES_MAX = PAGE_BYTES / 16

/** By how much an entry may be longer in a leaf than in a file. */
const ENTRY_OVERHEAD_BYTES = 8

const PLACES = new Uint32Array(1 << SORTED_BITS)
/** Bytes of the two heads of an entry, at most. */
const HEADS_MAX = 10
/** Longest entry that a loop copies faster. */
const LOOP_COPY_MAX = 32
const nativeCopy = Buffer.prototype.copy

/** What is to come, as a file says, which may be wrong. */
export interface Expectation {
  /** Entries. */
  count: number
  /** Bytes of the file that are left, which bound what is made in advance. */
  bytesLeft: number
}

/** Entries on their way, encoded as they will lie in a leaf. */
class Batch {
  readonly bytes: Uint8Array
  readonly capacity: number
  count = 0
  used = 0
  /** Where entries start, and where what follows the key does; entries follow each other. */
  readonly starts: Uint32Array
  readonly keyEnds: Uint32Array
  readonly highs: Uint32Array
  readonly lows: Uint32Array
  /** Entries in the order of their hashes. */
  readonly order: Uint32Array

  constructor({ entries, bytes }: { readonly entries: number; readonly bytes: number }) {
    this.bytes = new Uint8Array(bytes)
    this.capacity = entries
    this.starts = new Uint32Array(entries + 1)
    this.keyEnds = new Uint32Array(entries)
    this.highs = new Uint32Array(entries)
    this.lows = new Uint32Array(entries)
    this.order = new Uint32Array(entries)
  }

  hasRoom(length: number): boolean {
    return this.count < this.capacity && this.used + length + HEADS_MAX <= this.bytes.length
  }

  clear(): void {
    this.count = 0
    this.used = 0
  }

  /** Adds a short entry, for which there is room, whose key's hash is given. */
  add(key: ByteRange, value: ByteRange | null, { high, low }: KeyHash): void {
    const { bytes, count } = this
    let at = writeVarint(bytes, this.used, key.length * 2)
    copySlice(key, bytes, at)
    at += key.length
    this.keyEnds[count] = at
    if (value !== null) {
      at = writeVarint(bytes, at, value.length * 4)
      copySlice(value, bytes, at)
      at += value.length
    }
    this.highs[count] = high
    this.lows[count] = low
    this.used = at
    this.count = count + 1
    this.starts[count + 1] = at
  }

  /** Sorts by the upper bits of the hash; what is equal by them keeps its order. */
  sort(): void {
    const { count, highs, order } = this
    PLACES.fill(0)
    for (let i = 0; i < count; i++) {
      const bits = highs[i]! >>> SORTED_SHIFT
      PLACES[bits] = PLACES[bits]! + 1
    }
    let place = 0
    for (let bits = 0; bits < PLACES.length; bits++) {
      const entries = PLACES[bits]!
      PLACES[bits] = place
      place += entries
    }
    for (let i = 0; i < count; i++) {
      const bits = highs[i]! >>> SORTED_SHIFT
      order[PLACES[bits]!] = i
      PLACES[bits] = PLACES[bits]! + 1
    }
  }
}

export class DictFill {
  #dict: LeafDict | null = null
  readonly #root = new Root()
  readonly #few = new Batch(FEW)
  #batch = this.#few
  readonly #entry = new LeafEntry()
  readonly #key = new Slice()
  readonly #value = new Slice()
  /** Entries of the fullest leaf, and those that the root does not count yet. */
  #most = 0
  #uncounted = 0

  /** Begins with the dict of a root in scratch words, and with what is expected. */
  begin(dict: LeafDict, words: Uint32Array, { count, bytesLeft }: Expectation): void {
    this.#dict = dict
    this.#root.open(words, 0, NULL)
    const isMany = Math.min(count, bytesLeft) > FEW_MAX
    this.#batch = isMany ? new Batch(MANY) : this.#few
    this.#batch.clear()
    this.#most = 0
    this.#uncounted = 0
  }

  /** Lets go of what a large batch took. */
  forget(): void {
    this.#dict = null
    this.#batch = this.#few
    this.#entry.forget()
    this.#key.forget()
    this.#value.forget()
  }

  /**
   * Gives the dict, which is empty, leaves for the entries to come. Without memory for them it
   * stays as it is.
   */
  widen({ count, bytesLeft }: Expectation, entryBytes: number): void {
    const dict = this.#filled()
    assert(this.#root.count === 0 && this.#root.chain.leaves === 1, 'the dict is empty')
    if (entryBytes > ENTRY_BYTES_MAX) return
    const possible = bytesLeft + Math.min(count, bytesLeft) * ENTRY_OVERHEAD_BYTES
    const bytes = Math.min(count * (entryBytes + SLOT_BYTES), possible)
    const leaves = bytes / (payloadBytes(1) * FILL_SHARE)
    const depth = Math.min(Math.ceil(Math.log2(leaves)), DEPTH_MAX)
    if (depth > 0) makeLeaves(dict, this.#root, depth)
  }

  /** Adds an entry; false: a key has been there twice. */
  add(key: ByteRange, value: ByteRange, deadlineMs: number): boolean {
    const dict = this.#filled()
    const length = key.length + value.length
    const isBatched = length <= BATCHED_BYTES_MAX && deadlineMs === 0
    if (!(isBatched && this.#batch.hasRoom(length)) && !this.flush()) return false
    dict.hashKey(key)
    if (!isBatched) return this.#insert(key, value, deadlineMs)
    this.#batch.add(key, dict.hasValues ? value : null, dict.hash)
    return true
  }

  /** Inserts what has been added; false: a key has been there twice. */
  flush(): boolean {
    const batch = this.#batch
    const { count } = batch
    const isSorted = batch !== this.#few
    if (isSorted) batch.sort()
    let isDistinct = true
    for (let k = 0; k < count && isDistinct; k++) {
      const i = isSorted ? batch.order[k]! : k
      isDistinct = this.#place(batch, i) || this.#insertSlowly(batch, i)
    }
    batch.clear()
    this.#noteCounts()
    return isDistinct
  }

  /** Tells the root of the entries that have been placed. */
  #noteCounts(): void {
    const { words } = this.#root
    words[RootWord.Chain] = words[RootWord.Chain]! + this.#uncounted
    words[DictRootWord.Most] = Math.max(words[DictRootWord.Most]!, this.#most)
    this.#uncounted = 0
  }

  /** Puts an entry in its place, if nothing stands in the way: no room, or maybe its key. */
  #place(batch: Batch, i: number): boolean {
    const { arena } = this.#filled()
    const high = batch.highs[i]!
    const leaf = leafAt(arena, this.#root, high)
    const segment = leaf >>> PTR_SEGMENT_SHIFT
    const words = arena.u32[segment]!
    const bytes = arena.u8[segment]!
    const at = (leaf & PTR_SEGMENT_MASK) << 1
    const shape = words[at + DictLeafWord.Shape]!
    const count = words[at + LeafWord.Count]!
    const start = batch.starts[i]!
    const used = words[at + LeafWord.Used]! + batch.starts[i + 1]! - start
    const pages = pagesOfShape(shape)
    if (used + (count + 1) * SLOT_BYTES > payloadBytes(pages)) return false
    const print = fingerprint(high, batch.lows[i]!, depthOfShape(shape))
    const slotAt = lowerSlot(words, at, print)
    const limit = at + SLOTS_WORD + count
    if (slotAt < limit && words[slotAt]! >>> OFFSET_BITS === print) {
      if (this.#mayBeThere(batch, i, leaf, slotAt)) return false
    }
    arena.touch(leaf)
    for (let k = limit; k > slotAt; k--) words[k] = words[k - 1]!
    const offset = pages * PAGE_BYTES - used
    words[slotAt] = (print << OFFSET_BITS) | offset
    words[at + LeafWord.Count] = count + 1
    words[at + LeafWord.Used] = used
    copyBytes(batch, i, bytes, (at << 2) + offset)
    if (count >= this.#most) this.#most = count + 1
    this.#uncounted++
    return true
  }

  /** Whether the key of a batch's entry is that of a slot with its fingerprint, or may be. */
  #mayBeThere(batch: Batch, i: number, leaf: Ptr, slotAt: number): boolean {
    const { arena } = this.#filled()
    const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    const at = (leaf & PTR_SEGMENT_MASK) << 1
    const limit = at + SLOTS_WORD + words[at + LeafWord.Count]!
    const print = words[slotAt]! >>> OFFSET_BITS
    for (let k = slotAt; k < limit && words[k]! >>> OFFSET_BITS === print; k++) {
      const from = (at << 2) + (words[k]! & OFFSET_MASK)
      if ((bytes[from]! & HeadFlag.Out) !== 0) return true
      // Heads and keys are compared as one.
      let same = batch.starts[i]!
      const end = batch.keyEnds[i]!
      for (let b = from; same < end && bytes[b] === batch.bytes[same]; b++) same++
      if (same === end) return true
    }
    return false
  }

  /** Inserts a batch's entry in the way of all others; false: its key is there. */
  #insertSlowly(batch: Batch, i: number): boolean {
    const dict = this.#filled()
    dict.hash.high = batch.highs[i]!
    dict.hash.low = batch.lows[i]!
    const entry = this.#entry.read(batch.bytes, batch.starts[i]!, dict.hasValues)
    const key = entry.keyInto(dict.arena, this.#key)
    if (dict.hasValues) entry.valueInto(dict.arena, this.#value)
    else this.#value.set(batch.bytes, 0, 0)
    return this.#insert(key, this.#value, 0)
  }

  /** Inserts a key that has been hashed; false: it is there. */
  #insert(key: ByteRange, value: ByteRange, deadlineMs: number): boolean {
    const dict = this.#filled()
    if (dict.findHashed(this.#root, key)) return false
    dict.insert(this.#root, key, value, deadlineMs)
    return true
  }

  #filled(): LeafDict {
    assert(this.#dict !== null, 'a fill has begun')
    return this.#dict
  }
}

/** Copies an entry of a batch into a leaf. */
function copyBytes(batch: Batch, i: number, target: Uint8Array, at: number): void {
  const { bytes } = batch
  const start = batch.starts[i]!
  const limit = batch.starts[i + 1]!
  if (limit - start > LOOP_COPY_MAX) {
    nativeCopy.call(bytes, target, at, start, limit)
    return
  }
  for (let from = start, to = at; from < limit; from++, to++) target[to] = bytes[from]!
}

/** Gives an empty dict of one leaf 2^depth of them, or leaves it as it is without memory. */
function makeLeaves({ arena, collections }: LeafDict, root: Root, depth: number): void {
  const { words, chain } = root
  const made: Ptr[] = []
  let index: Ptr = NULL
  try {
    index = arena.allocateIndex(4 << depth)
    while (made.length < 1 << depth) made.push(collections.allocateNode(root.number, 1))
  } catch (error) {
    for (const leaf of made) collections.freeNode(leaf)
    if (index !== NULL) arena.freeIndex(index)
    if (error !== ARENA_FULL) throw error
    return
  }
  collections.freeNode(chain.first)
  const at = RootWord.Chain
  words[at + ChainWord.First] = NULL
  words[at + ChainWord.Last] = NULL
  words[at + ChainWord.Leaves] = 0
  words[at + ChainWord.Index] = index
  words[DictRootWord.Depth] = depth
  words[DictRootWord.Pairs] = 1 << (depth - 1)
  for (let i = made.length - 1; i >= 0; i--) {
    const leaf = made[i]!
    for (let word: number = LeafWord.Next; word < SLOTS_WORD; word++) {
      setNodeWord(arena, leaf, word, 0)
    }
    setNodeWord(arena, leaf, DictLeafWord.Shape, leafShape(depth, 1, false))
    setNodeWord(arena, leaf, DictLeafWord.Prefix, (i << (32 - depth)) >>> 0)
    linkFirstLeaf(arena, chain, leaf)
    leadTo(arena, root, leaf)
  }
}
