// How the nodes of a large sorted set are freed: leaves with the spans of their large members, then
// the index of the members.

import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { releaseChain } from '../leaf-tree/leaf-tree.ts'
import { Chain, ChainWord, RootWord } from '../root.ts'
import { MemberIndex } from './member-index.ts'
import { freeSpansOf } from './zset-leaf.ts'

const CHAIN = new Chain()

/** Frees up to about `limit` leaves, spans and buckets; true while there are more. */
export function releaseZset(collections: Collections, root: Uint32Array, limit: number): boolean {
  CHAIN.words = root
  CHAIN.at = RootWord.Chain
  const first = root[RootWord.Chain + ChainWord.First]!
  if (first !== NULL && releaseChain(collections, CHAIN, limit, freeSpans)) return true
  return new MemberIndex(collections.arena).release(root, limit)
}

function freeSpans(collections: Collections, leaf: Ptr): number {
  return freeSpansOf(collections.arena, leaf)
}
