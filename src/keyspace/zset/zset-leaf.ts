// A leaf of a large sorted set: entries in the order of (score, member), found by binary search.
//
//    0        32                       heap                      leaf's end
//    +--------+--------+--------+------+-------------------------+
//    | header | slot 0 | slot 1 | …    | entries, in any order   |
//    +--------+--------+--------+------+-------------------------+
//    slot      offset of the entry u16, fragment u16 (upper half of the tag of the member's hash)
//    entry     score f64 little-endian · length in one or two bytes · member
//              score · 0xc0 · Ptr u32 of a span · length u32        for a large member
//
// A length below 128 is one byte, else 10llllll llllllll. Slots grow up and entries grow down; what
// is removed leaves a hole among the entries until `compact`. A leaf is of as many pages as make
// each of its entries a quarter at most, so that halves of a leaf always have room for one more.
// Header words of its own: heap, where the entries begin, and how many members lie in spans.
// `ZsetLeaf` is a cursor; `touch` and the header's count are the caller's (leaf-tree.ts).
// Invariant: `used` is the sum of the bytes of live entries, slots not included.

import { assert } from '../../base/assert.ts'
import { copySlice, moveWithin, type Slice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import { LEAF_HEADER_BYTES, LeafWord } from '../root.ts'

/** Longest member that lies in a leaf. */
export const INLINE_MEMBER_MAX = 8160
const SLOT_BYTES = 4
const SCORE_BYTES = 8
const OUT_ENTRY_BYTES = SCORE_BYTES + 9
const OUT_MARK = 0xc0
const LONG_MARK = 0x80
const HEAP_WORD = LeafWord.Kind
const OUT_WORD = LeafWord.Kind + 1
const SLOT_WORD = LEAF_HEADER_BYTES / 4
/** A fuller leaf takes no neighbour's entries, of 16ths. */
const FULL_16THS = 13

const NO_BYTES = new Uint8Array(0)
const NO_WORDS = new Uint32Array(0)
const NO_VIEW = new DataView(new ArrayBuffer(0))
/** A leaf's entries while they are put together again. */
const SCRATCH = new Uint8Array(RUN_PAGES_MAX * PAGE_BYTES)
const RANGE = scratchSlice()
const MEMBER = scratchSlice()

/** Bytes that a member takes in a leaf, its slot included. */
export function neededBytes(length: number): number {
  if (length > INLINE_MEMBER_MAX) return SLOT_BYTES + OUT_ENTRY_BYTES
  return SLOT_BYTES + SCORE_BYTES + (length < LONG_MARK ? 1 : 2) + length
}

/** Pages of the smallest leaf of which `bytes` is a quarter at most. */
export function leafPagesFor(bytes: number): number {
  let pages = 1
  while (bytes * 4 > pages * PAGE_BYTES - LEAF_HEADER_BYTES) pages *= 2
  assert(pages <= RUN_PAGES_MAX, 'larger members lie in spans')
  return pages
}

/** Below, at or above 0 as memcmp orders two ranges. */
export function compareMembers(a: Slice, b: Slice): number {
  const left = a.bytes
  const right = b.bytes
  const shared = a.length < b.length ? a.length : b.length
  for (let i = 0, from = a.start, to = b.start; i < shared; i++) {
    const difference = left[from + i]! - right[to + i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export class ZsetLeaf {
  leaf: Ptr = NULL
  readonly #arena: Arena
  #bytes: Uint8Array = NO_BYTES
  #words: Uint32Array = NO_WORDS
  #view: DataView = NO_VIEW
  /** First byte and first word of the leaf. */
  #start = 0
  #word = 0
  /** A view of each segment seen so far, and the array that it was made for. */
  #views: DataView[] = []
  #viewed: Uint8Array[] = []

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** Lets go of the arena's segments. */
  forget(): void {
    this.leaf = NULL
    this.#bytes = NO_BYTES
    this.#words = NO_WORDS
    this.#view = NO_VIEW
    this.#views = []
    this.#viewed = []
  }

  /** Points at a leaf. Returns itself. */
  open(leaf: Ptr): this {
    assert(leaf !== NULL, 'NULL is no leaf')
    const segment = leaf >>> PTR_SEGMENT_SHIFT
    const bytes = this.#arena.u8[segment]!
    if (this.#viewed[segment] !== bytes) this.#viewSegment(segment, bytes)
    this.leaf = leaf
    this.#bytes = bytes
    this.#words = this.#arena.u32[segment]!
    this.#view = this.#views[segment]!
    this.#start = (leaf & PTR_SEGMENT_MASK) << 3
    this.#word = (leaf & PTR_SEGMENT_MASK) << 1
    return this
  }

  /** Makes a fresh leaf, whose count stands already, one without entries. */
  clear(): void {
    assert(this.count === 0, 'a fresh leaf has no entries')
    this.#setWord(LeafWord.Used, 0)
    this.#setWord(HEAP_WORD, this.byteLength)
    this.#setWord(OUT_WORD, 0)
  }

  get count(): number {
    return this.#words[this.#word + LeafWord.Count]!
  }

  /** Members that lie in spans. */
  get outCount(): number {
    return this.#words[this.#word + OUT_WORD]!
  }

  get byteLength(): number {
    return this.#arena.nodePages(this.leaf) * PAGE_BYTES
  }

  /** Bytes of slots and live entries. */
  get liveBytes(): number {
    return this.#words[this.#word + LeafWord.Used]! + this.count * SLOT_BYTES
  }

  /** Bytes that entries may take at most. */
  get capacity(): number {
    return this.byteLength - LEAF_HEADER_BYTES
  }

  /** Bytes between slots and entries. */
  get freeBytes(): number {
    const slots = LEAF_HEADER_BYTES + this.count * SLOT_BYTES
    return this.#words[this.#word + HEAP_WORD]! - slots
  }

  /** Whether so few bytes are in use that a neighbour should take them. */
  get isSparse(): boolean {
    return this.liveBytes * 4 < this.capacity
  }

  /** Whether this leaf can take all entries of another, none of which is too large for it. */
  canTake(other: ZsetLeaf): boolean {
    const { capacity } = this
    if (other.capacity > capacity) return false
    return (this.liveBytes + other.liveBytes) * 16 <= capacity * FULL_16THS
  }

  score(i: number): number {
    return this.#view.getFloat64(this.#start + this.#offset(i), true)
  }

  /** Upper half of the tag of the member's hash. */
  fragment(i: number): number {
    return this.#words[this.#word + SLOT_WORD + i]! >>> 16
  }

  /** Points `out` at the member. Valid until the leaf changes. */
  readMember(i: number, out: Slice): Slice {
    const bytes = this.#bytes
    const at = this.#start + this.#offset(i) + SCORE_BYTES
    const mark = bytes[at]!
    if (mark < LONG_MARK) return out.set(bytes, at + 1, mark)
    if (mark < OUT_MARK) return out.set(bytes, at + 2, ((mark & 0x3f) << 8) | bytes[at + 1]!)
    const span = this.#view.getUint32(at + 1, true)
    const start = this.#arena.contiguousStart(span) + SPAN_HEADER_BYTES
    return out.set(this.#arena.contiguousBytes(span), start, this.#view.getUint32(at + 5, true))
  }

  /** The span of a large member; NULL: it lies in the leaf. */
  spanOf(i: number): Ptr {
    const at = this.#start + this.#offset(i) + SCORE_BYTES
    return this.#bytes[at] === OUT_MARK ? this.#view.getUint32(at + 1, true) : NULL
  }

  /** First entry at or behind (score, member); `count` when there is none. */
  boundOfEntry(score: number, member: Slice): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.isBeforeEntry(middle, score, member)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** First entry whose score is not below, or with `isAfter` above, a score. */
  boundOfScore(score: number, isAfter: boolean): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.score(middle)
      if (found < score || (isAfter && found === score)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** First entry whose member is not below, or with `isAfter` above, a member. */
  boundOfMember(member: Slice, isAfter: boolean): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareMembers(this.readMember(middle, MEMBER), member)
      if (order < 0 || (isAfter && order === 0)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Whether entry `i` stands before (score, member). */
  isBeforeEntry(i: number, score: number, member: Slice): boolean {
    const found = this.score(i)
    if (found !== score) return found < score
    return compareMembers(this.readMember(i, MEMBER), member) < 0
  }

  /** The entry with this member, whose fragment is known; -1: there is none. O(entries). */
  findMember(member: Slice, fragment: number): number {
    const words = this.#words
    const first = this.#word + SLOT_WORD
    const limit = first + this.count
    for (let at = first; at < limit; at++) {
      if (words[at]! >>> 16 !== fragment) continue
      if (this.#equals(at - first, member)) return at - first
    }
    return -1
  }

  /** The next entry from `from` on with this fragment; -1: there is none. */
  findFragment(from: number, fragment: number): number {
    const first = this.#word + SLOT_WORD
    const limit = first + this.count
    for (let at = first + from; at < limit; at++) {
      if (this.#words[at]! >>> 16 === fragment) return at - first
    }
    return -1
  }

  /**
   * Writes an entry before entry `i`; there must be room. `span` is NULL, or holds the member. The
   * count stays for the caller to change.
   */
  insert(
    i: number,
    fragment: number,
    entry: { readonly score: number; readonly member: Slice; readonly span: Ptr },
  ): void {
    const { score, member, span } = entry
    const bytes = neededBytes(member.length) - SLOT_BYTES
    assert(bytes + SLOT_BYTES <= this.freeBytes, 'there is room for an entry')
    const heap = this.#words[this.#word + HEAP_WORD]! - bytes
    let at = this.#start + heap
    this.#view.setFloat64(at, score, true)
    at += SCORE_BYTES
    if (span !== NULL) {
      this.#bytes[at] = OUT_MARK
      this.#view.setUint32(at + 1, span, true)
      this.#view.setUint32(at + 5, member.length, true)
      this.#addWord(OUT_WORD, 1)
    } else {
      if (member.length >= LONG_MARK) this.#bytes[at++] = LONG_MARK | (member.length >>> 8)
      this.#bytes[at++] = member.length
      copySlice(member, this.#bytes, at)
    }
    this.#setWord(HEAP_WORD, heap)
    this.#addWord(LeafWord.Used, bytes)
    this.#openSlot(i, heap | (fragment << 16))
  }

  /** Adds an entry behind the last, for which there is room, and counts it. */
  append(
    fragment: number,
    entry: { readonly score: number; readonly member: Slice; readonly span: Ptr },
  ): void {
    this.insert(this.count, fragment, entry)
    this.#addWord(LeafWord.Count, 1)
  }

  /** Turns the order of the entries round; returns how many they are, which nobody counts then. */
  turnRound(): number {
    const words = this.#words
    const { count } = this
    let low = this.#word + SLOT_WORD
    for (let high = low + count - 1; low < high; low++, high--) {
      const slot = words[low]!
      words[low] = words[high]!
      words[high] = slot
    }
    this.#setWord(LeafWord.Count, 0)
    return count
  }

  setScore(i: number, score: number): void {
    this.#view.setFloat64(this.#start + this.#offset(i), score, true)
  }

  /** Removes `removed` entries from `i` on; the count stays for the caller to change. */
  remove(i: number, removed: number): void {
    const { count } = this
    assert(i >= 0 && removed > 0 && i + removed <= count, 'what is removed is there')
    for (let at = i; at < i + removed; at++) {
      const bytes = this.#entryBytes(at)
      if (this.spanOf(at) !== NULL) this.#addWord(OUT_WORD, -1)
      this.#addWord(LeafWord.Used, -bytes)
      const offset = this.#offset(at)
      if (offset === this.#words[this.#word + HEAP_WORD]) this.#setWord(HEAP_WORD, offset + bytes)
    }
    const slots = this.#start + LEAF_HEADER_BYTES
    const from = slots + (i + removed) * SLOT_BYTES
    moveWithin(this.#bytes, slots + i * SLOT_BYTES, from, slots + count * SLOT_BYTES)
  }

  /** The entry that parts the leaf in halves of about as many bytes; not the first. */
  middle(): number {
    const half = this.liveBytes / 2
    const last = this.count - 1
    assert(last > 0, 'what is parted has two entries')
    let sum = SLOT_BYTES + this.#entryBytes(0)
    let i = 1
    for (; i < last && sum < half; i++) sum += SLOT_BYTES + this.#entryBytes(i)
    return i
  }

  /**
   * Copies entries [from, limit) of another leaf before entry `i`; there must be room. The count
   * stays for the caller to change, and so do the entries there.
   */
  take(i: number, source: ZsetLeaf, from: number, limit: number): void {
    const { count } = this
    const taken = limit - from
    const slots = this.#start + LEAF_HEADER_BYTES
    const at = slots + i * SLOT_BYTES
    moveWithin(this.#bytes, at + taken * SLOT_BYTES, at, slots + count * SLOT_BYTES)
    let heap = this.#words[this.#word + HEAP_WORD]!
    let used = 0
    for (let k = from; k < limit; k++) {
      const bytes = source.#entryBytes(k)
      heap -= bytes
      used += bytes
      RANGE.set(source.#bytes, source.#start + source.#offset(k), bytes)
      copySlice(RANGE, this.#bytes, this.#start + heap)
      this.#words[this.#word + SLOT_WORD + i + k - from] = heap | (source.fragment(k) << 16)
      if (source.spanOf(k) !== NULL) this.#addWord(OUT_WORD, 1)
    }
    assert(heap >= LEAF_HEADER_BYTES + (count + taken) * SLOT_BYTES, 'what is taken fits')
    this.#setWord(HEAP_WORD, heap)
    this.#addWord(LeafWord.Used, used)
  }

  /** Closes the holes among the entries, of a leaf whose entries end at `end` so far. */
  compact(end = this.byteLength): void {
    const heap = this.#words[this.#word + HEAP_WORD]!
    RANGE.set(this.#bytes, this.#start + heap, end - heap)
    copySlice(RANGE, SCRATCH, heap)
    const { count } = this
    let to = this.byteLength
    for (let i = 0; i < count; i++) {
      const at = this.#word + SLOT_WORD + i
      const slot = this.#words[at]!
      const offset = slot & 0xffff
      const bytes = entryBytesAt(SCRATCH, offset)
      to -= bytes
      RANGE.set(SCRATCH, offset, bytes)
      copySlice(RANGE, this.#bytes, this.#start + to)
      this.#words[at] = ((slot & 0xffff0000) | to) >>> 0
    }
    this.#setWord(HEAP_WORD, to)
  }

  /** Order, bytes, holes. For tests. */
  check(): void {
    let used = 0
    let outCount = 0
    const { count } = this
    const before = scratchSlice()
    for (let i = 0; i < count; i++) {
      const offset = this.#offset(i)
      assert(offset >= this.#words[this.#word + HEAP_WORD]!, 'entries lie in the heap')
      assert(offset + this.#entryBytes(i) <= this.byteLength, 'entries lie in the leaf')
      const quarter = (SLOT_BYTES + this.#entryBytes(i)) * 4
      assert(quarter <= this.capacity, 'an entry is a quarter of its leaf at most')
      used += this.#entryBytes(i)
      if (this.spanOf(i) !== NULL) outCount++
      if (i > 0) {
        this.readMember(i - 1, before)
        assert(!this.isBeforeEntry(i, this.score(i - 1), before), 'entries ascend')
      }
    }
    assert(count > 0, 'a leaf has entries')
    assert(used === this.#words[this.#word + LeafWord.Used], 'used is the sum of entries')
    assert(outCount === this.outCount, 'members in spans are counted')
    assert(this.freeBytes >= 0, 'slots and entries do not meet')
  }

  #equals(i: number, member: Slice): boolean {
    const found = this.readMember(i, MEMBER)
    const { length } = member
    if (found.length !== length) return false
    const left = found.bytes
    const right = member.bytes
    for (let k = 0, a = found.start, b = member.start; k < length; k++) {
      if (left[a + k]! !== right[b + k]!) return false
    }
    return true
  }

  #offset(i: number): number {
    return this.#words[this.#word + SLOT_WORD + i]! & 0xffff
  }

  #entryBytes(i: number): number {
    return entryBytesAt(this.#bytes, this.#start + this.#offset(i))
  }

  #openSlot(i: number, slot: number): void {
    const slots = this.#start + LEAF_HEADER_BYTES
    const at = slots + i * SLOT_BYTES
    moveWithin(this.#bytes, at + SLOT_BYTES, at, slots + this.count * SLOT_BYTES)
    this.#words[this.#word + SLOT_WORD + i] = slot >>> 0
  }

  #setWord(word: number, value: number): void {
    this.#words[this.#word + word] = value
  }

  #addWord(word: number, change: number): void {
    this.#words[this.#word + word] = this.#words[this.#word + word]! + change
  }

  #viewSegment(segment: number, bytes: Uint8Array): void {
    this.#viewed[segment] = bytes
    this.#views[segment] = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

/** An entry of a leaf that lies anywhere, as the encoders of RDB see it. */
export class LeafEntry {
  /** Where the eight bytes of the score are. */
  scoreAt = 0
  /** Where the member is, and how long. */
  start = 0
  length = 0
  /** The span that has the member; NULL: it is in the leaf. */
  span: Ptr = NULL

  /** Reads entry `i` of the leaf whose first byte is `bytes[start]`. */
  read(bytes: Uint8Array, start: number, i: number): void {
    const slot = start + LEAF_HEADER_BYTES + i * SLOT_BYTES
    const at = start + (bytes[slot]! | (bytes[slot + 1]! << 8))
    const mark = bytes[at + SCORE_BYTES]!
    this.scoreAt = at
    this.span = NULL
    this.start = at + SCORE_BYTES + 1
    this.length = mark
    if (mark >= OUT_MARK) {
      this.span = readU32(bytes, at + SCORE_BYTES + 1)
      this.length = readU32(bytes, at + SCORE_BYTES + 5)
    } else if (mark >= LONG_MARK) {
      this.start++
      this.length = ((mark & 0x3f) << 8) | bytes[at + SCORE_BYTES + 1]!
    }
  }
}

/** Frees the spans of a leaf's members; returns how many there were. */
export function freeSpansOf(arena: Arena, leaf: Ptr): number {
  const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  const word = (leaf & PTR_SEGMENT_MASK) << 1
  const outCount = words[word + OUT_WORD]!
  const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
  for (let freed = 0, slot = word + SLOT_WORD; freed < outCount; slot++) {
    const at = word * 4 + (words[slot]! & 0xffff) + SCORE_BYTES
    if (bytes[at] !== OUT_MARK) continue
    arena.freeSpan(readU32(bytes, at + 1))
    freed++
  }
  return outCount
}

function entryBytesAt(bytes: Uint8Array, at: number): number {
  const mark = bytes[at + SCORE_BYTES]!
  if (mark < LONG_MARK) return SCORE_BYTES + 1 + mark
  if (mark >= OUT_MARK) return OUT_ENTRY_BYTES
  return SCORE_BYTES + 2 + (((mark & 0x3f) << 8) | bytes[at + SCORE_BYTES + 1]!)
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return (bytes[at]! | (bytes[at + 1]! << 8) | high) >>> 0
}
