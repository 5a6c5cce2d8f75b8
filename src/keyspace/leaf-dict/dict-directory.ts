// The directory of a `LeafDict` (leaf-dict.ts): 2^depth Ptrs of leaves, by the upper bits of the
// hash, in index memory, which is written without `touch`. At depth 0 there is none: all hashes
// belong to the one leaf of the chain. A leaf of depth d has all hashes that begin with its prefix
// of d bits, so 2^(depth − d) neighbours in the directory lead to it.
//
// Words of the root: depth of the directory · *pairs*, the leaves as deep as the directory, two by
// two: without any the directory is halved · *most*: no leaf has more entries · *deadlines*: how
// many entries have one · *earliest set*: the earliest deadline that was set since expiry went
// through the first leaf, as the header of a leaf has it.

import { assert } from '../../base/assert.ts'
import { ARENA_FULL, type Arena } from '../../memory/arena.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import { ChainWord, nodeWord, type Root, RootWord } from '../root.ts'
import { DictLeafWord, depthOfShape } from './dict-leaf.ts'

/** Words of the root. */
export const DictRootWord = {
  Depth: RootWord.Type,
  Pairs: 7,
  Most: 8,
  Deadlines: 9,
  EarliestSet: 10,
} as const

/** A directory stays below 64 MiB. */
export const DEPTH_MAX = 23

export function depthOf({ words, at }: Root): number {
  return words[at + DictRootWord.Depth]!
}

/** The leaf for hashes with these upper 32 bits. */
export function leafAt(arena: Arena, root: Root, high: number): Ptr {
  const { words, at } = root
  const depth = words[at + DictRootWord.Depth]!
  if (depth === 0) return words[at + RootWord.Chain + ChainWord.First]!
  const index = words[at + RootWord.Chain + ChainWord.Index]!
  const directory = arena.u32[index >>> PTR_SEGMENT_SHIFT]!
  return directory[((index & PTR_SEGMENT_MASK) << 1) + (high >>> (32 - depth))]!
}

/** The upper `depth` bits of a hash, the others 0. */
export function topBits(high: number, depth: number): number {
  assert(depth >= 0 && depth <= DEPTH_MAX, 'no leaf is deeper')
  return depth === 0 ? 0 : ((high >>> (32 - depth)) << (32 - depth)) >>> 0
}

/** How many neighbours in the directory lead to a leaf of that depth. */
export function entriesFor(root: Root, depth: number): number {
  assert(depth <= depthOf(root), 'no leaf is deeper than the directory')
  return 1 << (depthOf(root) - depth)
}

/** Makes the directory lead to a leaf where its depth and prefix say. */
export function leadTo(arena: Arena, root: Root, leaf: Ptr): void {
  const depth = depthOf(root)
  if (depth === 0) return
  const prefix = nodeWord(arena, leaf, DictLeafWord.Prefix)
  const count = entriesFor(root, depthOfShape(nodeWord(arena, leaf, DictLeafWord.Shape)))
  const { index } = root.chain
  const from = ((index & PTR_SEGMENT_MASK) << 1) + (prefix >>> (32 - depth))
  arena.u32[index >>> PTR_SEGMENT_SHIFT]!.fill(leaf, from, from + count)
}

/** Doubles the directory. ARENA_FULL, and nothing has changed. O(2^depth). */
export function doubleDirectory(arena: Arena, root: Root): void {
  const depth = depthOf(root)
  assert(depth < DEPTH_MAX, 'a directory stays below its limit')
  const made = arena.allocateIndex(8 << depth)
  const target = arena.u32[made >>> PTR_SEGMENT_SHIFT]!
  const to = (made & PTR_SEGMENT_MASK) << 1
  const old = root.chain.index
  if (depth === 0) target.fill(root.chain.first, to, to + 2)
  else {
    const source = arena.u32[old >>> PTR_SEGMENT_SHIFT]!
    const from = (old & PTR_SEGMENT_MASK) << 1
    for (let i = 0; i < 1 << depth; i++) {
      target[to + 2 * i] = source[from + i]!
      target[to + 2 * i + 1] = source[from + i]!
    }
  }
  setDirectory(arena, root, made, depth + 1)
  if (old !== NULL) arena.freeIndex(old)
}

/** There is a leaf more, and one less, as deep as the directory. */
export function addPair(arena: Arena, root: Root): void {
  root.chain.touch(arena)
  const { words, at } = root
  words[at + DictRootWord.Pairs] = words[at + DictRootWord.Pairs]! + 1
}

/** Two leaves as deep as the directory have become one: without any it is halved. Never fails. */
export function removePair(arena: Arena, root: Root): void {
  root.chain.touch(arena)
  const { words, at } = root
  assert(words[at + DictRootWord.Pairs]! > 0, 'pairs are counted')
  words[at + DictRootWord.Pairs] = words[at + DictRootWord.Pairs]! - 1
  if (words[at + DictRootWord.Pairs] === 0) halveDirectory(arena, root)
}

/** Halves a directory that leads to each leaf twice or more; again, if it still does. */
function halveDirectory(arena: Arena, root: Root): void {
  const old = root.chain.index
  const words = arena.u32[old >>> PTR_SEGMENT_SHIFT]!
  const at = (old & PTR_SEGMENT_MASK) << 1
  let depth = depthOf(root)
  let pairs = 0
  while (pairs === 0 && depth > 0) {
    depth--
    const length = 1 << depth
    for (let i = 0; i < length; i++) words[at + i] = words[at + 2 * i]!
    for (let i = 0; i + 1 < length; i += 2) {
      if (words[at + i] !== words[at + i + 1]) pairs++
    }
  }
  const made = depth === 0 ? NULL : shorterDirectory(arena, old, depth)
  setDirectory(arena, root, made, depth)
  root.words[root.at + DictRootWord.Pairs] = pairs
  if (made !== old) arena.freeIndex(old)
}

/** A copy of the directory's first 2^depth Ptrs; the directory itself when there is no memory. */
function shorterDirectory(arena: Arena, old: Ptr, depth: number): Ptr {
  let made: Ptr
  try {
    made = arena.allocateIndex(4 << depth)
  } catch (error) {
    if (error !== ARENA_FULL) throw error
    return old
  }
  const source = arena.u32[old >>> PTR_SEGMENT_SHIFT]!
  const from = (old & PTR_SEGMENT_MASK) << 1
  const target = arena.u32[made >>> PTR_SEGMENT_SHIFT]!
  const to = (made & PTR_SEGMENT_MASK) << 1
  for (let i = 0; i < 1 << depth; i++) target[to + i] = source[from + i]!
  return made
}

function setDirectory(arena: Arena, root: Root, index: Ptr, depth: number): void {
  root.chain.touch(arena)
  const { words, at } = root
  words[at + RootWord.Chain + ChainWord.Index] = index
  words[at + DictRootWord.Depth] = depth
  words[at + DictRootWord.Pairs] = 0
}
