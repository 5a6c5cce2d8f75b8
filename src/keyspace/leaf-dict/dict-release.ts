// Frees and copies the leaves of a `LeafDict` (leaf-dict.ts), with the spans of entries that are
// out of line. Owner: the engine.

import { assert } from '../../base/assert.ts'
import { copySlice, Slice } from '../../base/slice.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Releaser } from '../lazy-free.ts'
import { linkFirstLeaf } from '../leaf-chain.ts'
import { ChainWord, LeafWord, nodeWord, ROOT_WORDS, Root, RootWord, setNodeWord } from '../root.ts'
import { DictRootWord, leadTo } from './dict-directory.ts'
import {
  DictLeafWord,
  isOutShape,
  LeafEntry,
  OFFSET_MASK,
  pagesOfShape,
  SLOTS_WORD,
  writePtr,
} from './dict-leaf.ts'

const FIRST = RootWord.Chain + ChainWord.First
const LAST = RootWord.Chain + ChainWord.Last
const INDEX = RootWord.Chain + ChainWord.Index
const LEAVES = RootWord.Chain + ChainWord.Leaves

const ENTRY = new LeafEntry()
const COPY = new Root()

/** Frees the leaves of sets. */
export const releaseSet: Releaser = (collections, root, limit) =>
  releaseLeaves({ collections, hasValues: false }, root, limit)

/** Frees the leaves of hashes. */
export const releaseHash: Releaser = (collections, root, limit) =>
  releaseLeaves({ collections, hasValues: true }, root, limit)

/** Whose leaves they are. */
export interface DictKind {
  readonly collections: Collections
  readonly hasValues: boolean
}

/** A `Releaser` for either kind of dict. */
export function releaseLeaves(kind: DictKind, root: Uint32Array, limit: number): boolean {
  const { collections } = kind
  const { arena } = collections
  let left = limit
  while (root[FIRST] !== NULL) {
    if (left <= 0) return true
    const leaf = root[FIRST]!
    root[FIRST] = nodeWord(arena, leaf, LeafWord.Next)
    left -= 1 + freeSpans(kind, leaf)
    collections.freeNode(leaf)
  }
  if (root[INDEX] !== NULL) arena.freeIndex(root[INDEX]!)
  root[INDEX] = NULL
  return false
}

/** Frees all that hangs on a root that has no record, at once. */
export function discardDict(kind: DictKind, root: Uint32Array): void {
  const isLeft = releaseLeaves(kind, root, Number.POSITIVE_INFINITY)
  assert(!isLeft, 'without a limit all is freed')
  kind.collections.release(root[RootWord.Number]!)
}

/**
 * Fills `target` with the root of a copy of the dict at `source`, which has no record yet.
 * ARENA_FULL: there is none. O(bytes).
 */
export function cloneDict(kind: DictKind, source: Root, target: Uint32Array): void {
  const { collections } = kind
  const { arena } = collections
  for (let i = 0; i < ROOT_WORDS; i++) target[i] = source.words[source.at + i]!
  target[RootWord.Number] = collections.allocate()
  target[FIRST] = NULL
  target[LAST] = NULL
  target[INDEX] = NULL
  target[LEAVES] = 0
  COPY.open(target, 0, NULL)
  try {
    const depth = target[DictRootWord.Depth]!
    if (depth > 0) target[INDEX] = arena.allocateIndex(4 << depth)
    let leaf = source.chain.first
    while (leaf !== NULL) {
      const made = cloneLeaf(kind, leaf, target[RootWord.Number]!)
      linkFirstLeaf(arena, COPY.chain, made)
      leadTo(arena, COPY, made)
      leaf = nodeWord(arena, leaf, LeafWord.Next)
    }
  } catch (error) {
    discardDict(kind, target)
    throw error
  }
}

function cloneLeaf(kind: DictKind, leaf: Ptr, number: number): Ptr {
  const { collections } = kind
  const { arena } = collections
  const shape = nodeWord(arena, leaf, DictLeafWord.Shape)
  const made = collections.allocateNode(number, pagesOfShape(shape))
  const source = new Slice().set(
    arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!,
    (leaf & PTR_SEGMENT_MASK) << 3,
    pagesOfShape(shape) * PAGE_BYTES,
  )
  copySlice(source, arena.u8[made >>> PTR_SEGMENT_SHIFT]!, (made & PTR_SEGMENT_MASK) << 3)
  setNodeWord(arena, made, LeafWord.Collection, number)
  const count = nodeWord(arena, made, LeafWord.Count)
  if (!isOutShape(shape)) return made
  for (let i = 0; i < count; i++) {
    try {
      cloneSpans(kind, made, i)
    } catch (error) {
      setNodeWord(arena, made, LeafWord.Count, i)
      freeSpans(kind, made)
      collections.freeNode(made)
      throw error
    }
  }
  return made
}

/** Gives an entry in a fresh copy of a leaf spans of its own. */
function cloneSpans(kind: DictKind, leaf: Ptr, index: number): void {
  const { collections } = kind
  const entry = entryAt(kind, leaf, index)
  let keySpan = NULL
  if (entry.isKeyOut) {
    keySpan = cloneSpan(collections, leaf, entry.keySpan, entry.keyLength)
  }
  if (kind.hasValues && entry.isValueOut) {
    try {
      const span = cloneSpan(collections, leaf, entry.valueSpan, entry.valueLength)
      writePtr(entry.bytes, entry.valueStart, span)
    } catch (error) {
      if (keySpan !== NULL) collections.arena.freeSpan(keySpan)
      throw error
    }
  }
  if (keySpan !== NULL) writePtr(entry.bytes, entry.keyStart, keySpan)
}

function cloneSpan(collections: Collections, leaf: Ptr, span: Ptr, length: number): Ptr {
  const { arena } = collections
  const made = collections.allocateElement(collections.numberOf(leaf), length)
  const from = arena.contiguousStart(span) + SPAN_HEADER_BYTES
  const source = new Slice().set(arena.contiguousBytes(span), from, length)
  const to = arena.contiguousStart(made) + SPAN_HEADER_BYTES
  copySlice(source, arena.contiguousBytes(made), to)
  return made
}

/** Frees the spans of a leaf's entries; returns how many. */
function freeSpans(kind: DictKind, leaf: Ptr): number {
  const { arena } = kind.collections
  if (!isOutShape(nodeWord(arena, leaf, DictLeafWord.Shape))) return 0
  const count = nodeWord(arena, leaf, LeafWord.Count)
  let freed = 0
  for (let i = 0; i < count; i++) {
    const entry = entryAt(kind, leaf, i)
    if (entry.isKeyOut) {
      arena.freeSpan(entry.keySpan)
      freed++
    }
    if (kind.hasValues && entry.isValueOut) {
      arena.freeSpan(entry.valueSpan)
      freed++
    }
  }
  return freed
}

function entryAt(kind: DictKind, leaf: Ptr, index: number): LeafEntry {
  const { arena } = kind.collections
  const offset = nodeWord(arena, leaf, SLOTS_WORD + index) & OFFSET_MASK
  const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
  return ENTRY.read(bytes, ((leaf & PTR_SEGMENT_MASK) << 3) + offset, kind.hasValues)
}
