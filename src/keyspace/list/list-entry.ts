// References: entries of a list's leaves whose element, too large for a leaf, lies in a span of its
// own. A reference is a listpack entry that no text is encoded as, a string of 8 bytes in the form
// for strings of 4096 and more, so that all that walks, moves and removes entries needs to know
// nothing of it:
//
//    0        1              5           9             13        14
//    +--------+--------------+-----------+-------------+---------+
//    | 0xf0   | 8            | Ptr of    | length of   | 13      |
//    |        | (u32)        | the span  | the element |         |
//    +--------+--------------+-----------+-------------+---------+
//
// Little-endian. A leaf says in its header how many references it has, and a root how many the list
// has; packed values in records have none. Elements go to spans from `ListTuning.spanLength` on.

import { copySlice, type Slice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { type Ptr, SPAN_HEADER_BYTES } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { Head } from '../packed/listpack.ts'
import type { PackedEntry } from '../packed/packed.ts'
import { LeafWord, RootWord } from '../root.ts'

/** Words of a list's leaf besides those of root.ts. */
export const ListLeafWord = {
  References: LeafWord.Kind,
  Start: LeafWord.Kind + 1,
  Pages: LeafWord.Kind + 2,
} as const
/** Words of a list's root besides those of root.ts. */
export const ListRootWord = { References: RootWord.Type } as const

/** Bytes of a reference as an entry. */
export const REFERENCE_BYTES = 14
const BODY_BYTES = 13
const POINTER_BYTES = 8
/** A quarter of the largest leaf: longer elements lie in spans. */
export const SPAN_LENGTH_MIN = 8193

/** What DEBUG QUICKLIST-PACKED-THRESHOLD changes. */
export const ListTuning = {
  /** Elements of this length and more lie in spans; at most SPAN_LENGTH_MIN. */
  spanLength: SPAN_LENGTH_MIN,
}

/** For tests: elements of `length` bytes and more lie in spans from now on; 0: as usual. */
export function setSpanLength(length: number): void {
  ListTuning.spanLength = length === 0 ? SPAN_LENGTH_MIN : Math.min(length, SPAN_LENGTH_MIN)
}

/** Where the listpack of a leaf starts, which itself starts at `words[at]` of its segment. */
export function listpackStart(words: Uint32Array, at: number): number {
  return at * 4 + words[at + ListLeafWord.Start]!
}

export function isReference(bytes: Uint8Array, at: number): boolean {
  return bytes[at]! === Head.String32 && readWord(bytes, at + 1) === POINTER_BYTES
}

/** The span of a reference. */
export function referenceSpan(bytes: Uint8Array, at: number): Ptr {
  return readWord(bytes, at + 5)
}

/** Length of the element that a reference leads to. */
export function referenceLength(bytes: Uint8Array, at: number): number {
  return readWord(bytes, at + 9)
}

/** Writes a reference as an entry. */
export function writeReference(
  bytes: Uint8Array,
  at: number,
  element: { readonly span: Ptr; readonly length: number },
): void {
  bytes[at] = Head.String32
  writeWord(bytes, at + 1, POINTER_BYTES)
  writeWord(bytes, at + 5, element.span)
  writeWord(bytes, at + 9, element.length)
  bytes[at + BODY_BYTES] = BODY_BYTES
}

/** Points `out` at the element that the reference at `at` leads to. */
export function readReference(
  arena: Arena,
  bytes: Uint8Array,
  at: number,
  out: PackedEntry | Slice,
): void {
  const span = referenceSpan(bytes, at)
  const start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
  const length = referenceLength(bytes, at)
  if ('setString' in out) out.setString(arena.contiguousBytes(span), start, length)
  else out.set(arena.contiguousBytes(span), start, length)
}

/** A span of the collection with a copy of the element. ARENA_FULL, and nothing has changed. */
export function makeElementSpan(collections: Collections, number: number, element: Slice): Ptr {
  const { arena } = collections
  const span = collections.allocateElement(number, element.length)
  const start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
  copySlice(element, arena.contiguousBytes(span), start)
  return span
}

function readWord(bytes: Uint8Array, at: number): number {
  const upper = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return (bytes[at]! | (bytes[at + 1]! << 8) | upper) >>> 0
}

function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}
