// Leaves and entries of a `LeafDict` (leaf-dict.ts): the bytes of one node. A leaf:
//
//    0             20         24       28              32
//    +-------------+----------+--------+---------------+--------+- … -+ free +- … -+---------+
//    | leaf header | earliest | hash   | depth:8       | slot 0 |     |      |     | entry 0 |
//    | of root.ts  | deadline | prefix | pages:8 out:1 |        |     |      |     |         |
//    |             |          |        | garbage:15    |        |     |      |     |         |
//    +-------------+----------+--------+---------------+--------+- … -+------+- … -+---------+
//
// Slots grow up, entries down from the end; `count` is that of the slots, `used` the bytes of the
// entries with those that are garbage. `out`: some entry is or was out of line. The earliest
// deadline, or a time before it, is in whole unix seconds and one more; 0: no entry has one.
//
// A slot is fingerprint:17 | offset in the leaf:15. The fingerprint is the hash from bit
// `depth & ~7` on, so that a slot has the bit that splits the leaf. Slots are in the order of their
// fingerprints: evenly spread, so that a key's place is computed. Entries, little-endian, varints
// lowest seven bits first; those of sets have only the first line:
//
//    key head     varint: length << 1 | out of line      key     bytes, or the Ptr of a span
//    value head   varint: length << 2 | deadline << 1 | out of line
//    deadline     unix ms, 8 bytes, if there is one      value   bytes, or the Ptr of a span

import { assert } from '../../base/assert.ts'
import type { Slice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { PAGE_BYTES, type Ptr, SPAN_HEADER_BYTES } from '../../memory/layout.ts'
import { LEAF_HEADER_BYTES, LeafWord } from '../root.ts'

/** Words of a leaf besides those of root.ts. */
export const DictLeafWord = { Deadline: 5, Prefix: 6, Shape: 7 } as const
/** Word of the first slot. */
export const SLOTS_WORD = LEAF_HEADER_BYTES / 4
export const SLOT_BYTES = 4
export const OFFSET_BITS = 15
export const OFFSET_MASK = 0x7fff
const PRINT_BITS = 17
const PRINT_MASK = 0x1ffff
/** Depths whose slots have the same fingerprint bits. */
export const LEVEL_DEPTHS = 8

export const HeadFlag = { Out: 1, Deadline: 2 } as const
export const PTR_BYTES = 4
export const DEADLINE_BYTES = 8
/** In the shape word. */
const OUT_BIT = 1 << 16
const GARBAGE_SHIFT = 17
const GARBAGE_MAX = 0x7fff
const MS_PER_SECOND = 1000
const LEAF_DEADLINE_MAX = 0xffffffff

/** A shape word without garbage; `isOut`: entries may be out of line. */
export function leafShape(depth: number, pages: number, isOut: boolean): number {
  return depth | (pages << 8) | (isOut ? OUT_BIT : 0)
}

export function depthOfShape(shape: number): number {
  return shape & 0xff
}

export function pagesOfShape(shape: number): number {
  return (shape >>> 8) & 0xff
}

export function isOutShape(shape: number): boolean {
  return (shape & OUT_BIT) !== 0
}

/** Bytes of entries that are of no use any more. */
export function garbageOfShape(shape: number): number {
  return shape >>> GARBAGE_SHIFT
}

/** The shape word with another depth. */
export function withDepth(shape: number, depth: number): number {
  return ((shape & ~0xff) | depth) >>> 0
}

/** The shape word of a leaf one of whose entries is out of line. */
export function withOut(shape: number): number {
  return (shape | OUT_BIT) >>> 0
}

/** The shape word with so many bytes of garbage. */
export function withGarbage(shape: number, garbage: number): number {
  assert(garbage >= 0 && garbage <= GARBAGE_MAX, 'garbage lies in a leaf')
  return ((shape & ((1 << GARBAGE_SHIFT) - 1)) | (garbage << GARBAGE_SHIFT)) >>> 0
}

/** A deadline (unix ms > 0) as the header of a leaf has it. */
export function leafDeadline(deadlineMs: number): number {
  return Math.min(Math.floor(deadlineMs / MS_PER_SECOND) + 1, LEAF_DEADLINE_MAX)
}

/** Unix ms of a leaf's deadline, not after that of any entry; above 0. */
export function leafDeadlineMs(word: number): number {
  assert(word > 0, 'the leaf has a deadline')
  return Math.max((word - 1) * MS_PER_SECOND, 1)
}

/** The earlier of two deadlines of leaves, or of two in unix ms; 0 is none. */
export function earlierOf(first: number, second: number): number {
  if (first === 0) return second
  return second !== 0 && second < first ? second : first
}

/** Bytes of a leaf for slots and entries. */
export function payloadBytes(pages: number): number {
  return pages * PAGE_BYTES - LEAF_HEADER_BYTES
}

/** Bytes of slots and entries that are no garbage, of the leaf whose first word is `words[at]`. */
export function liveBytes(words: Uint32Array, at: number): number {
  const entries = words[at + LeafWord.Used]! - garbageOfShape(words[at + DictLeafWord.Shape]!)
  return words[at + LeafWord.Count]! * SLOT_BYTES + entries
}

/** What stands in the slots of a leaf of that depth for a key with this hash. */
export function fingerprint(high: number, low: number, depth: number): number {
  if (depth < LEVEL_DEPTHS) return high >>> 15
  if (depth < 2 * LEVEL_DEPTHS) return (high >>> 7) & PRINT_MASK
  return ((high << 1) | (low >>> 31)) & PRINT_MASK
}

/** Bit `depth` of the hash, from the top, as a slot of a leaf of that depth has it. */
export function splitBit(slot: number, depth: number): number {
  return (slot >>> (31 - (depth & (LEVEL_DEPTHS - 1)))) & 1
}

/**
 * The first slot, counted from the first word of the segment, whose fingerprint is not below
 * `print`, in the leaf whose first word is `words[at]`; behind the last slot if there is none.
 * O(1) on average.
 */
export function lowerSlot(words: Uint32Array, at: number, print: number): number {
  const depth = words[at + DictLeafWord.Shape]! & 0xff
  const count = words[at + LeafWord.Count]!
  const first = at + SLOTS_WORD
  const limit = first + count
  // Of the fingerprint's bits, those that the whole leaf shares say nothing.
  const share = (print << (depth & (LEVEL_DEPTHS - 1))) & PRINT_MASK
  let i = first + ((share * count) >>> PRINT_BITS)
  if (i < limit && words[i]! >>> OFFSET_BITS < print) {
    do i++
    while (i < limit && words[i]! >>> OFFSET_BITS < print)
    return i
  }
  while (i > first && words[i - 1]! >>> OFFSET_BITS >= print) i--
  return i
}

export function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return first
  const second = bytes[at + 1]!
  if (second < 0x80) return (first & 0x7f) | (second << 7)
  return readLongVarint(bytes, at)
}

function readLongVarint(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let scale = 1; ; scale *= 0x80) {
    const byte = bytes[at++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
}

export function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  return value < 0x10000000 ? 4 : 5
}

/** Returns the offset after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[at++] = rest
  return at
}

export function readPtr(bytes: Uint8Array, at: number): Ptr {
  const upper = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return (bytes[at]! | (bytes[at + 1]! << 8) | upper) >>> 0
}

/** Returns the offset after it. */
export function writePtr(bytes: Uint8Array, at: number, ptr: Ptr): number {
  bytes[at] = ptr
  bytes[at + 1] = ptr >>> 8
  bytes[at + 2] = ptr >>> 16
  bytes[at + 3] = ptr >>> 24
  return at + PTR_BYTES
}

/** A deadline, which is written in DEADLINE_BYTES. */
export function readTime(bytes: Uint8Array, at: number): number {
  return readPtr(bytes, at) + readPtr(bytes, at + 4) * 0x100000000
}

/** Returns the offset after it. */
export function writeTime(bytes: Uint8Array, at: number, ms: number): number {
  assert(ms > 0 && Number.isSafeInteger(ms), 'a deadline is whole milliseconds')
  return writePtr(bytes, writePtr(bytes, at, ms >>> 0), Math.floor(ms / 0x100000000))
}

/** Bytes of the entry at `at`. */
export function entryBytes(bytes: Uint8Array, at: number, hasValue: boolean): number {
  const keyHead = readVarint(bytes, at)
  const keyBytes = (keyHead & HeadFlag.Out) !== 0 ? PTR_BYTES : keyHead >>> 1
  const size = varintBytes(keyHead) + keyBytes
  if (!hasValue) return size
  const head = readVarint(bytes, at + size)
  const deadline = (head & HeadFlag.Deadline) !== 0 ? DEADLINE_BYTES : 0
  const valueBytes = (head & HeadFlag.Out) !== 0 ? PTR_BYTES : head >>> 2
  return size + varintBytes(head) + deadline + valueBytes
}

/** The parts of an entry: a cursor, filled again and again. Places are absolute in `bytes`. */
export class LeafEntry {
  bytes = NO_BYTES
  keyStart = 0
  keyLength = 0
  isKeyOut = false
  valueStart = 0
  valueLength = 0
  isValueOut = false
  hasDeadline = false
  /** Bytes of the entry. */
  size = 0

  /** Takes the entry at `at`; `hasValue` as the dict says. Returns itself. */
  read(bytes: Uint8Array, at: number, hasValue: boolean): this {
    this.bytes = bytes
    const keyHead = readVarint(bytes, at)
    this.isKeyOut = (keyHead & HeadFlag.Out) !== 0
    this.keyLength = keyHead >>> 1
    this.keyStart = at + varintBytes(keyHead)
    let end = this.keyStart + (this.isKeyOut ? PTR_BYTES : this.keyLength)
    if (hasValue) {
      const head = readVarint(bytes, end)
      this.isValueOut = (head & HeadFlag.Out) !== 0
      this.hasDeadline = (head & HeadFlag.Deadline) !== 0
      // Beyond 2^29 bytes the head has more than 31 bits.
      this.valueLength = Math.floor(head / 4)
      this.valueStart = end + varintBytes(head) + (this.hasDeadline ? DEADLINE_BYTES : 0)
      end = this.valueStart + (this.isValueOut ? PTR_BYTES : this.valueLength)
    }
    this.size = end - at
    return this
  }

  /** Points `out` at the key. */
  keyInto(arena: Arena, out: Slice): Slice {
    if (this.isKeyOut) return spanInto(arena, this.keySpan, this.keyLength, out)
    return out.set(this.bytes, this.keyStart, this.keyLength)
  }

  /** Points `out` at the value. */
  valueInto(arena: Arena, out: Slice): Slice {
    if (this.isValueOut) return spanInto(arena, this.valueSpan, this.valueLength, out)
    return out.set(this.bytes, this.valueStart, this.valueLength)
  }

  /** Unix ms; 0: none. */
  get deadlineMs(): number {
    return this.hasDeadline ? readTime(this.bytes, this.valueStart - DEADLINE_BYTES) : 0
  }

  /** The span of a key that is out of line. */
  get keySpan(): Ptr {
    return readPtr(this.bytes, this.keyStart)
  }

  /** The span of a value that is out of line. */
  get valueSpan(): Ptr {
    return readPtr(this.bytes, this.valueStart)
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.bytes = NO_BYTES
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0)

function spanInto(arena: Arena, span: Ptr, length: number, out: Slice): Slice {
  return out.set(
    arena.contiguousBytes(span),
    arena.contiguousStart(span) + SPAN_HEADER_BYTES,
    length,
  )
}
