// The dict of one database: extendible hashing over segments of 64 buckets, each one page.
//
// Bucket, 64 bytes, one cache line:
//    0                                     48                          60
//    +-------------------------------------+---------------------------+------------+
//    | 12 × Ptr of a record (0: free slot) | 12 fingerprints (8 bits)  | meta (u32) |
//    +-------------------------------------+---------------------------+------------+
// meta of a home bucket (0 … 59):  bits 0–11 slot holds an entry of the bucket before ("displaced")
//                                  bits 12–15 entries of this bucket lie in stash bucket 60 … 63
//                                  bits 16–19 count of this bucket's entries displaced to the next
// meta of stash bucket 60: the segment's depth; of 61: its count of entries.
//
// A key's hash has two words. `high`, from its top bit on, finds the segment in the directory;
// `low` gives home bucket (16 bits) and fingerprint (8 bits), so that neither depends on the depth.
// An entry lies in its home bucket, else the next one, else a stash bucket; when all are full the
// segment splits in two by the next bit of `high`: no rehash pause (about 0.1 ms a split), and the
// load swings between 50 and 85 % while a table grows, 67 % on average, as all segments fill alike.
// Two half-empty buddies merge again.
//
// SCAN's guarantee: a cursor is (prefix of `high`, home bucket, depth) and visits keys in that
// order. A split keeps the order; a merge shows by the smaller depth and starts the segment anew.
//
// Invariants: an entry's fingerprint, displaced bit and stash bit tell the truth · the directory's
// 2^depth slots point to segments, 2^(depth − segment depth) neighbours to the same one.

import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import type { Slice } from '../base/slice.ts'
import { ARENA_FULL, type Arena } from '../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../memory/layout.ts'
import {
  AWAY_ONE,
  AWAY_SHIFT,
  BUCKET_WORDS,
  BUCKETS,
  CAPACITY,
  COUNT_WORD,
  checkSegment,
  DEPTH_WORD,
  HOMES,
  holdsEntry,
  homeOf,
  META_WORD,
  nextHome,
  placeEntry,
  SLOT,
  SLOTS,
  type Slot,
  STASH_SHIFT,
  setFingerprint,
} from './dict-bucket.ts'
import { randomEntry, type Sample } from './dict-sample.ts'
import type { KeyHash } from './key-hash.ts'
import { readKey } from './record-access.ts'

const DEPTH_MAX = 24
/** Empty buckets that `random` tries; more are not met unless a few keys lie in many segments. */
const RANDOM_TURNS = 1000
/** Buckets that `sample` tries; a few are enough unless the dict is all but empty. */
const SAMPLE_TURNS = 256
/** Buddies merge when together they fill less than this. */
const MERGE_COUNT = CAPACITY * 0.4
/** Buckets one SCAN step visits at most, for each key asked for. */
const SCAN_BUCKETS_PER_KEY = 10

export class Dict {
  readonly #arena: Arena
  readonly #hash: KeyHash
  #directory = new Uint32Array(0)
  #depth = 0
  #count = 0
  #segments = 0
  /** Segments at the directory's own depth; when none is left, the directory can halve. */
  #deepest = 0
  readonly #key: Slice

  /** An empty dict; `key` is a scratch slice that the dict may use. */
  constructor(arena: Arena, hash: KeyHash, key: Slice) {
    this.#arena = arena
    this.#hash = hash
    this.#key = key
  }

  get count(): number {
    return this.#count
  }

  /** Slots of all segments, used or free. */
  get capacity(): number {
    return this.#segments * CAPACITY
  }

  /** Bytes of segments and directory. */
  get bytes(): number {
    return this.#segments * PAGE_BYTES + this.#directory.byteLength
  }

  /** The directory's bytes, which are outside the arena. */
  get directoryBytes(): number {
    return this.#directory.byteLength
  }

  /** The record with the key, or NULL. Leaves the key's hash in the shared KeyHash. O(1). */
  find(key: Slice): Ptr {
    this.#hash.of(key.bytes, key.start, key.length)
    return this.findHashed(key)
  }

  /** `find` for a key whose hash stands in the shared KeyHash. */
  findHashed(key: Slice): Ptr {
    const { high, low } = this.#hash
    if (this.#count === 0) return NULL
    const table = this.#segmentOf(high)
    const words = this.#arena.u32[table >>> PTR_SEGMENT_SHIFT]!
    const base = (table & PTR_SEGMENT_MASK) << 1
    const home = homeOf(low)
    const at = base + home * BUCKET_WORDS
    const pattern = Math.imul(low >>> 24, 0x01010101)
    const found = this.#findIn(words, at, pattern, key)
    if (found !== NULL) return found
    const meta = words[at + META_WORD]!
    if (meta >>> STASH_SHIFT === 0) return NULL
    if (meta >>> AWAY_SHIFT !== 0) {
      const next = base + nextHome(home) * BUCKET_WORDS
      const away = this.#findIn(words, next, pattern, key)
      if (away !== NULL) return away
    }
    for (let stash = 0; stash < BUCKETS - HOMES; stash++) {
      if ((meta & (1 << (STASH_SHIFT + stash))) === 0) continue
      const bucket = base + (HOMES + stash) * BUCKET_WORDS
      const far = this.#findIn(words, bucket, pattern, key)
      if (far !== NULL) return far
    }
    return NULL
  }

  /** Reads the bucket that a hash leads to, to have it in the cache; the value means nothing. */
  warm(high: number, low: number): number {
    if (this.#segments === 0) return 0
    const table = this.#segmentOf(high)
    const at = ((table & PTR_SEGMENT_MASK) << 1) + homeOf(low) * BUCKET_WORDS
    return this.#wordsAt(table)[at + META_WORD]!
  }

  /**
   * Adds a record whose key is not in the dict; its hash stands in the shared KeyHash. Throws, and
   * has added nothing, when the arena is full. O(1).
   */
  insertHashed(record: Ptr): void {
    assert(record !== NULL, 'NULL is no entry')
    const { high, low } = this.#hash
    if (this.#segments === 0) this.#addFirstSegment()
    while (!this.#place(this.#segmentOf(high), record, low)) {
      this.#split(high)
      this.#hash.high = high
      this.#hash.low = low
    }
    this.#count++
  }

  /** Puts `replacement`, which has the key of `record`, in its place. That may be gone. O(1). */
  replace(record: Ptr, replacement: Ptr): void {
    assert(replacement !== NULL, 'an entry is replaced by an entry')
    this.#hashRecord(replacement)
    const slot = this.#slotOf(record)
    this.#wordsAt(slot.table)[slot.word] = replacement
  }

  /** Takes the record out; its key is still readable. O(1). */
  remove(record: Ptr): void {
    this.#hashRecord(record)
    const at = this.#slotOf(record)
    this.#clearSlot(at)
    this.#count--
    if (this.#count === 0) this.clear()
    else this.#mergeIfSparse(at.table, this.#hash.high)
  }

  /** Makes room for `count` entries at once, so that filling needs no split; none if that fails. */
  reserve(count: number): void {
    assert(count >= 0, 'a count is not negative')
    const segments = Math.ceil(count / (CAPACITY * 0.8))
    const depth = Math.min(DEPTH_MAX, Math.ceil(Math.log2(Math.max(1, segments))))
    if (this.#count > 0 || depth === 0) return
    this.clear()
    this.#directory = new Uint32Array(2 ** depth)
    this.#depth = depth
    for (let i = 0; i < this.#directory.length; i++) {
      this.#directory[i] = this.#newSegment(depth)
      if (this.#directory[i] === NULL) return this.clear()
    }
    this.#deepest = this.#segments
  }

  /** Frees all segments. The records are the caller's. */
  clear(): void {
    let last = NULL
    for (const table of this.#directory) {
      if (table !== last && table !== NULL) this.#arena.freeTable(table)
      last = table
    }
    this.#directory = new Uint32Array(0)
    this.#depth = 0
    this.#segments = 0
    this.#deepest = 0
    this.#count = 0
  }

  /**
   * A record picked at random, NULL when empty: a random bucket that is not empty, then one of its
   * entries, so that every key has a chance of the same order, as in Redis.
   */
  random(random: Random): Ptr {
    if (this.#count === 0) return NULL
    for (let turn = 0; turn < RANDOM_TURNS; turn++) {
      const table = this.#segmentOf(random.u32())
      const words = this.#wordsAt(table)
      const at = ((table & PTR_SEGMENT_MASK) << 1) + random.below(BUCKETS) * BUCKET_WORDS
      const record = randomEntry(words, at, random)
      if (record !== NULL) return record
    }
    return this.#first()
  }

  /** Fills `sample` with the records of buckets picked at random; with one at least. */
  sample(random: Random, sample: Sample): void {
    sample.count = 0
    if (this.#count === 0) return
    const isAll = this.#count <= sample.wanted && this.#segments === 1
    for (let turn = 0; turn < SAMPLE_TURNS && sample.lacks; turn++) {
      const table = this.#segmentOf(random.u32())
      const bucket = isAll ? turn % BUCKETS : random.below(BUCKETS)
      const at = ((table & PTR_SEGMENT_MASK) << 1) + bucket * BUCKET_WORDS
      sample.take(this.#wordsAt(table), at)
      if (isAll && bucket === BUCKETS - 1) return
    }
    if (sample.count === 0) sample.records[sample.count++] = this.#first()
  }

  /** Whether the record is in the dict under that hash. It may be gone from the arena. O(1). */
  holds(record: Ptr, high: number, low: number): boolean {
    if (this.#count === 0) return false
    const table = this.#segmentOf(high)
    return holdsEntry(this.#wordsAt(table), (table & PTR_SEGMENT_MASK) << 1, record, low)
  }

  /**
   * Calls `visit` for the records of the buckets from `cursor` on, until it saw about `count`.
   * Returns the next cursor (below 2^35), 0 at the end. `visit` must not change the dict.
   */
  scan(cursor: number, count: number, visit: (record: Ptr) => void): number {
    assert(count > 0, 'a step visits something')
    if (this.#segments === 0) return 0
    let prefix = Math.floor(cursor / 2048) % 2 ** DEPTH_MAX
    let home = Math.min(HOMES - 1, (cursor >>> 5) & 63)
    let depth = cursor & 31
    let visited = 0
    const bucketLimit = Math.max(HOMES, count * SCAN_BUCKETS_PER_KEY)
    for (let buckets = 0; buckets < bucketLimit && visited < count; buckets++) {
      const table = this.#segmentOf((prefix << (32 - DEPTH_MAX)) >>> 0)
      const words = this.#wordsAt(table)
      const base = (table & PTR_SEGMENT_MASK) << 1
      const segmentDepth = words[base + DEPTH_WORD]!
      const span = 2 ** (DEPTH_MAX - segmentDepth)
      if (segmentDepth < depth) home = 0
      visited += this.#visitHome(words, base, home, visit)
      depth = segmentDepth
      if (++home === HOMES) {
        home = 0
        prefix = (Math.floor(prefix / span) + 1) * span
        depth = 0
        if (prefix >= 2 ** DEPTH_MAX) return 0
      }
    }
    return prefix * 2048 + home * 32 + depth
  }

  /** Calls `visit` for every record. `visit` must not change the dict. O(n). */
  each(visit: (record: Ptr) => void): void {
    let last = NULL
    for (const table of this.#directory) {
      if (table === last) continue
      last = table
      const words = this.#wordsAt(table)
      const base = (table & PTR_SEGMENT_MASK) << 1
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        for (let slot = 0; slot < SLOTS; slot++) {
          const record = words[base + bucket * BUCKET_WORDS + slot]!
          if (record !== NULL) visit(record)
        }
      }
    }
  }

  /** Walks every invariant named in the header. O(n). */
  check(): void {
    let count = 0
    let segments = 0
    let deepest = 0
    for (let i = 0; i < this.#directory.length; ) {
      const table = this.#directory[i]!
      const words = this.#wordsAt(table)
      const base = (table & PTR_SEGMENT_MASK) << 1
      const depth = words[base + DEPTH_WORD]!
      assert(depth <= this.#depth, 'a segment is at most as deep as the directory')
      const span = 2 ** (this.#depth - depth)
      assert(i % span === 0, 'a segment starts at a multiple of its span')
      for (let j = 0; j < span; j++) {
        assert(this.#directory[i + j] === table, 'neighbours point to the same segment')
      }
      count += checkSegment(words, base, i / span, (record) => {
        this.#hashRecord(record)
        return this.#hash
      })
      segments++
      if (depth === this.#depth) deepest++
      i += span
    }
    assert(count === this.#count, 'entries are counted')
    assert(segments === this.#segments, 'segments are counted')
    assert(deepest === this.#deepest, 'segments of full depth are counted')
  }

  #segmentOf(high: number): Ptr {
    return this.#depth === 0 ? this.#directory[0]! : this.#directory[high >>> (32 - this.#depth)]!
  }

  #wordsAt(table: Ptr): Uint32Array {
    return this.#arena.u32[table >>> PTR_SEGMENT_SHIFT]!
  }

  #hashRecord(record: Ptr): void {
    readKey(this.#arena, record, this.#key)
    this.#hash.of(this.#key.bytes, this.#key.start, this.#key.length)
  }

  #findIn(words: Uint32Array, at: number, pattern: number, key: Slice): Ptr {
    for (let group = 0; group < 3; group++) {
      const mixed = words[at + SLOTS + group]! ^ pattern
      let hits = (mixed - 0x01010101) & ~mixed & 0x80808080
      while (hits !== 0) {
        const bit = 31 - Math.clz32(hits & -hits)
        hits &= hits - 1
        const record = words[at + group * 4 + (bit >>> 3)]!
        if (record !== NULL && this.#hasKey(record, key)) return record
      }
    }
    return NULL
  }

  #hasKey(record: Ptr, key: Slice): boolean {
    const own = readKey(this.#arena, record, this.#key)
    const length = key.length
    if (own.length !== length) return false
    const { bytes, start } = own
    const wanted = key.bytes
    const from = key.start
    for (let i = 0; i < length; i++) {
      if (bytes[start + i] !== wanted[from + i]) return false
    }
    return true
  }

  /** Where a record is, whose key has its hash in the shared KeyHash. */
  #slotOf(record: Ptr): Slot {
    const { high, low } = this.#hash
    const table = this.#segmentOf(high)
    const words = this.#wordsAt(table)
    const base = (table & PTR_SEGMENT_MASK) << 1
    const home = homeOf(low)
    for (let turn = 0; turn < 2 + BUCKETS - HOMES; turn++) {
      const bucket = turn === 0 ? home : turn === 1 ? nextHome(home) : HOMES + turn - 2
      const at = base + bucket * BUCKET_WORDS
      for (let slot = 0; slot < SLOTS; slot++) {
        if (words[at + slot] === record) {
          SLOT.table = table
          SLOT.word = at + slot
          SLOT.bucket = bucket
          SLOT.home = home
          return SLOT
        }
      }
    }
    throw new Error('unreachable: a record of the dict has a slot')
  }

  #clearSlot({ table, word, bucket, home }: Slot): void {
    const words = this.#wordsAt(table)
    const base = (table & PTR_SEGMENT_MASK) << 1
    const at = base + bucket * BUCKET_WORDS
    const homeMeta = base + home * BUCKET_WORDS + META_WORD
    const slot = word - at
    words[word] = NULL
    setFingerprint(words, at, slot, 0)
    words[base + COUNT_WORD] = words[base + COUNT_WORD]! - 1
    if (bucket >= HOMES) {
      if (!this.#hasStashed(words, base, { bucket, home })) {
        words[homeMeta] = words[homeMeta]! & ~(1 << (STASH_SHIFT + bucket - HOMES))
      }
    } else if (bucket !== home) {
      words[at + META_WORD] = words[at + META_WORD]! & ~(1 << slot)
      words[homeMeta] = words[homeMeta]! - AWAY_ONE
    }
  }

  /** Whether a stash bucket still holds an entry of `home`. Keeps the shared KeyHash. */
  #hasStashed(
    words: Uint32Array,
    base: number,
    where: { readonly bucket: number; readonly home: number },
  ): boolean {
    const { high, low } = this.#hash
    let isFound = false
    for (let slot = 0; slot < SLOTS && !isFound; slot++) {
      const record = words[base + where.bucket * BUCKET_WORDS + slot]!
      if (record === NULL) continue
      this.#hashRecord(record)
      isFound = homeOf(this.#hash.low) === where.home
    }
    this.#hash.high = high
    this.#hash.low = low
    return isFound
  }

  #visitHome(words: Uint32Array, base: number, home: number, visit: (record: Ptr) => void): number {
    let visited = 0
    const at = base + home * BUCKET_WORDS
    const meta = words[at + META_WORD]!
    for (let slot = 0; slot < SLOTS; slot++) {
      const record = words[at + slot]!
      if (record === NULL || (meta & (1 << slot)) !== 0) continue
      visit(record)
      visited++
    }
    const next = base + nextHome(home) * BUCKET_WORDS
    const displaced = words[next + META_WORD]! & 0xfff
    for (let slot = 0; displaced >>> slot !== 0; slot++) {
      if ((displaced & (1 << slot)) === 0) continue
      visit(words[next + slot]!)
      visited++
    }
    for (let stash = 0; stash < BUCKETS - HOMES; stash++) {
      if ((meta & (1 << (STASH_SHIFT + stash))) === 0) continue
      for (let slot = 0; slot < SLOTS; slot++) {
        const record = words[base + (HOMES + stash) * BUCKET_WORDS + slot]!
        if (record === NULL) continue
        this.#hashRecord(record)
        if (homeOf(this.#hash.low) !== home) continue
        visit(record)
        visited++
      }
    }
    return visited
  }

  #place(table: Ptr, record: Ptr, low: number): boolean {
    const base = (table & PTR_SEGMENT_MASK) << 1
    return placeEntry(this.#wordsAt(table), base, record, low)
  }

  /** The first record in the order of the directory; what `random` falls back to. */
  #first(): Ptr {
    let found = NULL
    let cursor = 0
    do {
      cursor = this.scan(cursor, 1, (record) => {
        found = record
      })
    } while (found === NULL && cursor !== 0)
    return found
  }

  #addFirstSegment(): void {
    const table = this.#newSegment(0)
    if (table === NULL) throw ARENA_FULL
    this.#directory = new Uint32Array([table])
    this.#depth = 0
    this.#deepest = 1
  }

  /** An empty segment; NULL when the arena is full. */
  #newSegment(depth: number): Ptr {
    const table = this.#arena.tryAllocateTable(1)
    if (table === NULL) return NULL
    this.#wordsAt(table)[((table & PTR_SEGMENT_MASK) << 1) + DEPTH_WORD] = depth
    this.#segments++
    return table
  }

  /** Splits the segment that `high` leads to in two. Uses the shared KeyHash. */
  #split(high: number): void {
    const old = this.#segmentOf(high)
    const oldBase = (old & PTR_SEGMENT_MASK) << 1
    const depth = this.#wordsAt(old)[oldBase + DEPTH_WORD]! + 1
    assert(depth <= DEPTH_MAX, 'a dict has up to 2^24 segments')
    const tables = [this.#newSegment(depth), this.#newSegment(depth)] as const
    if (tables[1] === NULL) {
      if (tables[0] !== NULL) this.#dropSegment(tables[0])
      throw ARENA_FULL
    }
    if (depth > this.#depth) this.#doubleDirectory()
    this.#deepest += depth === this.#depth ? 2 : 0
    this.#pointTo(high, depth, tables)
    this.#spread(old, (record, hash) => {
      // A record that its half has no room for splits that half again: not seen with a keyed hash.
      const { high: entryHigh, low } = hash
      while (!this.#place(this.#segmentOf(entryHigh), record, low)) this.#split(entryHigh)
    })
    this.#dropSegment(old)
  }

  #doubleDirectory(): void {
    const grown = new Uint32Array(this.#directory.length * 2)
    for (let i = 0; i < grown.length; i++) grown[i] = this.#directory[i >>> 1]!
    this.#directory = grown
    this.#depth++
    this.#deepest = 0
  }

  /** Lets the directory's slots of one segment of depth − 1 point to its two halves. */
  #pointTo(high: number, depth: number, tables: readonly [Ptr, Ptr]): void {
    const span = 2 ** (this.#depth - depth)
    const slot = this.#depth === 0 ? 0 : high >>> (32 - this.#depth)
    const first = Math.floor(slot / (2 * span)) * 2 * span
    this.#directory.fill(tables[0], first, first + span)
    this.#directory.fill(tables[1], first + span, first + 2 * span)
  }

  #spread(table: Ptr, add: (record: Ptr, hash: KeyHash) => void): void {
    const words = this.#wordsAt(table)
    const base = (table & PTR_SEGMENT_MASK) << 1
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      for (let slot = 0; slot < SLOTS; slot++) {
        const record = words[base + bucket * BUCKET_WORDS + slot]!
        if (record === NULL) continue
        this.#hashRecord(record)
        add(record, this.#hash)
      }
    }
  }

  #dropSegment(table: Ptr): void {
    this.#arena.freeTable(table)
    this.#segments--
  }

  /** Merges the segment with its buddy when both are sparse; halves the directory when it can. */
  #mergeIfSparse(table: Ptr, high: number): void {
    const words = this.#wordsAt(table)
    const base = (table & PTR_SEGMENT_MASK) << 1
    const depth = words[base + DEPTH_WORD]!
    const count = words[base + COUNT_WORD]!
    if (depth === 0 || count * 2 > MERGE_COUNT) return
    const buddyHigh = (high ^ (1 << (32 - depth))) >>> 0
    const buddy = this.#segmentOf(buddyHigh)
    const buddyWords = this.#wordsAt(buddy)
    const buddyBase = (buddy & PTR_SEGMENT_MASK) << 1
    if (buddyWords[buddyBase + DEPTH_WORD] !== depth) return
    if (count + buddyWords[buddyBase + COUNT_WORD]! > MERGE_COUNT) return
    // Both stay as they are in a full arena, and when an unlucky pair does not fit at 40 %.
    const merged = this.#newSegment(depth - 1)
    if (merged === NULL) return
    let fits = true
    for (const half of [table, buddy]) {
      this.#spread(half, (record, { low }) => {
        fits = fits && this.#place(merged, record, low)
      })
    }
    if (!fits) {
      this.#dropSegment(merged)
      return
    }
    if (depth === this.#depth) this.#deepest -= 2
    this.#pointTo(high, depth, [merged, merged])
    this.#dropSegment(table)
    this.#dropSegment(buddy)
    while (this.#deepest === 0 && this.#depth > 0) this.#halveDirectory()
  }

  #halveDirectory(): void {
    const halved = new Uint32Array(this.#directory.length / 2)
    this.#depth--
    this.#deepest = 0
    let last = NULL
    for (let i = 0; i < halved.length; i++) {
      const table = this.#directory[i * 2]!
      halved[i] = table
      const depth = this.#wordsAt(table)[((table & PTR_SEGMENT_MASK) << 1) + DEPTH_WORD]!
      if (table !== last && depth === this.#depth) this.#deepest++
      last = table
    }
    this.#directory = halved
  }
}
