// Chains of leaves whose order means nothing: a fresh leaf goes to the head, so that only its
// neighbours are touched.

import type { Arena } from '../memory/arena.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Chain, ChainWord, LeafWord, nodeWord, setNodeWord } from './root.ts'

/** Puts a fresh leaf at the head of the chain. */
export function linkFirstLeaf(arena: Arena, chain: Chain, leaf: Ptr): void {
  chain.touch(arena)
  const { words, at, first } = chain
  setNodeWord(arena, leaf, LeafWord.Next, first)
  setNodeWord(arena, leaf, LeafWord.Previous, NULL)
  if (first === NULL) words[at + ChainWord.Last] = leaf
  else {
    arena.touch(first)
    setNodeWord(arena, first, LeafWord.Previous, leaf)
  }
  words[at + ChainWord.First] = leaf
  words[at + ChainWord.Leaves] = chain.leaves + 1
}

/** Takes a leaf out of the chain; it is the caller's. */
export function unlinkLeaf(arena: Arena, chain: Chain, leaf: Ptr): void {
  chain.touch(arena)
  const { words, at } = chain
  const next = nodeWord(arena, leaf, LeafWord.Next)
  const previous = nodeWord(arena, leaf, LeafWord.Previous)
  if (next === NULL) words[at + ChainWord.Last] = previous
  else {
    arena.touch(next)
    setNodeWord(arena, next, LeafWord.Previous, previous)
  }
  if (previous === NULL) words[at + ChainWord.First] = next
  else {
    arena.touch(previous)
    setNodeWord(arena, previous, LeafWord.Next, next)
  }
  words[at + ChainWord.Leaves] = chain.leaves - 1
}
