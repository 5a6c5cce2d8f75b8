// One leaf of a list, as a cursor: a listpack somewhere behind the leaf's header.
//
//    0             20           24      28      32     start
//    +-------------+------------+-------+-------+------+----------+---- … --+------+------
//    | leaf header | references | start | pages | free | listpack | entries | 0xff | free
//    | of root.ts  |            |       |       |      | header   |         |      |
//    +-------------+------------+-------+-------+------+----------+---- … --+------+------
//
// There is room on both sides, so that elements come and go at either end without a move of the
// others. Where the room lies on the other side only, the listpack slides to the middle of the
// leaf. A leaf that is empty is one that is being filled.
//
// `load` before use: what else changes the leaf (LeafTree does) may give it another place. Methods
// that change bytes say whether the leaf must have been touched.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, moveWithin, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import {
  END,
  endOf,
  entryBytes,
  equalsEntry,
  HEADER_BYTES,
  headerCount,
  seek,
  totalBytes,
} from '../packed/listpack.ts'
import { dropFirst, removeEntries, spliceWithin, writeEmpty } from '../packed/listpack-edit.ts'
import { LEAF_HEADER_BYTES, nodeWord, setNodeWord } from '../root.ts'
import {
  isReference,
  ListLeafWord,
  listpackStart,
  readReference,
  referenceSpan,
} from './list-entry.ts'
import { countMatches, equalBytes } from './list-matches.ts'

const NO_BYTES = new Uint8Array(0)
const SOURCE = scratchSlice()
const ELEMENT = scratchSlice()

export class ListLeaf {
  readonly arena: Arena
  node: Ptr = NULL
  /** The listpack is `bytes[start…]`. */
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** Where the leaf ends. */
  limit = 0
  hasReferences = false

  constructor(arena: Arena) {
    this.arena = arena
  }

  /** Takes a leaf; returns itself. */
  load(node: Ptr): this {
    const segment = node >>> PTR_SEGMENT_SHIFT
    const words = this.arena.u32[segment]!
    const at = (node & PTR_SEGMENT_MASK) << 1
    this.node = node
    this.bytes = this.arena.u8[segment]!
    this.start = at * 4 + words[at + ListLeafWord.Start]!
    this.limit = at * 4 + words[at + ListLeafWord.Pages]! * PAGE_BYTES
    this.hasReferences = words[at + ListLeafWord.References]! !== 0
    return this
  }

  /** Takes a new leaf and puts an empty listpack at an offset of it. */
  open(node: Ptr, offset: number): void {
    setNodeWord(this.arena, node, ListLeafWord.References, 0)
    setNodeWord(this.arena, node, ListLeafWord.Start, offset)
    setNodeWord(this.arena, node, ListLeafWord.Pages, this.arena.nodePages(node))
    this.load(node)
    writeEmpty(this.bytes, this.start)
  }

  /** Takes a leaf that has been given another number of pages. */
  reopen(node: Ptr): void {
    setNodeWord(this.arena, node, ListLeafWord.Pages, this.arena.nodePages(node))
    this.load(node)
  }

  /** Place of the first entry. */
  get first(): number {
    return this.start + HEADER_BYTES
  }

  /** Place behind the last entry. */
  get end(): number {
    return endOf(this.bytes, this.start)
  }

  get count(): number {
    return headerCount(this.bytes, this.start)
  }

  /** Bytes of the listpack. */
  get total(): number {
    return totalBytes(this.bytes, this.start)
  }

  /** Bytes that the listpack may have. */
  get capacity(): number {
    return this.limit - firstByte(this.node)
  }

  /** Free bytes before the listpack. */
  get roomBefore(): number {
    return this.start - firstByte(this.node)
  }

  /** Free bytes behind the listpack. */
  get roomBehind(): number {
    return this.limit - this.start - this.total
  }

  /** Place of an entry that is there. */
  placeOf(index: number): number {
    const at = seek(this.bytes, this.start, index)
    assert(at !== END, 'a leaf has the entries that it counts')
    return at
  }

  /** The listpack of the touched leaf starts elsewhere now. */
  setStart(start: number): void {
    this.start = start
    const offset = start - firstByte(this.node) + LEAF_HEADER_BYTES
    setNodeWord(this.arena, this.node, ListLeafWord.Start, offset)
  }

  /** Makes room for `length` bytes behind the listpack; returns where `at` is then. Touches. */
  slide(at: number, length: number): number {
    if (this.roomBehind >= length) return at
    const { bytes, start, total } = this
    const free = this.capacity - total
    assert(free >= length, 'there is room in the leaf')
    const made = firstByte(this.node) + Math.min(free >>> 1, free - length)
    this.arena.touch(this.node)
    moveWithin(bytes, made, start, start + total)
    this.setStart(made)
    return at + made - start
  }

  /** Appends the bytes of entries to the touched leaf, which has room; the count stays. */
  appendBytes(bytes: Uint8Array, from: number, limit: number): void {
    const length = limit - from
    const place = this.end
    spliceWithin(this.bytes, this.start, place, length)
    copySlice(SOURCE.set(bytes, from, length), this.bytes, place)
  }

  /** Removes some but not all entries of the touched leaf; returns the place of the next one. */
  removeEntries(at: number, count: number): number {
    if (at !== this.first) {
      removeEntries(this.bytes, this.start, at, count)
      return at
    }
    this.setStart(dropFirst(this.bytes, this.start, count))
    return this.first
  }

  /** Elements of the leaf that lie in spans. */
  get references(): number {
    return nodeWord(this.arena, this.node, ListLeafWord.References)
  }

  /** Counts references that came into the touched leaf or went. */
  addReferences(change: number): void {
    const references = this.references + change
    setNodeWord(this.arena, this.node, ListLeafWord.References, references)
    this.hasReferences = references > 0
  }

  /** References among `count` entries from `at` on. */
  countReferences(at: number, count: number): number {
    let references = 0
    for (let i = 0; i < count; i++) {
      if (isReference(this.bytes, at)) references++
      at += entryBytes(this.bytes, at)
    }
    return references
  }

  /** Frees the spans of references among `count` entries from `at` on; returns how many. */
  freeReferences(at: number, count: number): number {
    let freed = 0
    for (let i = 0; i < count; i++) {
      if (isReference(this.bytes, at)) {
        this.arena.freeSpan(referenceSpan(this.bytes, at))
        freed++
      }
      at += entryBytes(this.bytes, at)
    }
    return freed
  }

  /** Whether the entry at `at` is `wanted`. */
  isEqual(at: number, wanted: ByteRange): boolean {
    if (!this.hasReferences || !isReference(this.bytes, at)) {
      return equalsEntry(this.bytes, at, wanted)
    }
    readReference(this.arena, this.bytes, at, ELEMENT)
    return equalBytes(ELEMENT, wanted)
  }

  /** Entries that equal `wanted`. */
  countMatches(wanted: ByteRange): number {
    const { bytes, start, end } = this
    if (!this.hasReferences) return countMatches(bytes, start, wanted)
    let matches = 0
    for (let at = this.first; at < end; at += entryBytes(bytes, at)) {
      if (this.isEqual(at, wanted)) matches++
    }
    return matches
  }
}

/** Bytes of another leaf's listpack. */
export function totalOf(arena: Arena, node: Ptr): number {
  const segment = node >>> PTR_SEGMENT_SHIFT
  const start = listpackStart(arena.u32[segment]!, (node & PTR_SEGMENT_MASK) << 1)
  return totalBytes(arena.u8[segment]!, start)
}

/** Pages of a leaf for a listpack of `total` bytes. */
export function pagesFor(total: number): number {
  return Math.ceil((LEAF_HEADER_BYTES + total) / PAGE_BYTES)
}

/** Pages of a leaf of which an entry of `length` bytes is a quarter. */
export function pagesSuiting(length: number): number {
  return Math.min(Math.max(1, pagesFor(length * 4)), RUN_PAGES_MAX)
}

/** The first byte of a leaf that a listpack may start at, in its segment. */
function firstByte(node: Ptr): number {
  return ((node & PTR_SEGMENT_MASK) << 3) + LEAF_HEADER_BYTES
}
