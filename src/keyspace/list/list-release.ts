// How the leaves of a large list are freed, some at a time: each with the spans of its elements
// that are too large for it. A leaf is freed whole, so a step may take as many spans more as one
// leaf has references.

import { PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Releaser } from '../lazy-free.ts'
import { releaseChain } from '../leaf-tree/leaf-tree.ts'
import { endOf, entryBytes, HEADER_BYTES } from '../packed/listpack.ts'
import { Chain, nodeWord, RootWord } from '../root.ts'
import { isReference, ListLeafWord, listpackStart, referenceSpan } from './list-entry.ts'

const CHAIN = new Chain()

/** Frees up to about `limit` leaves and spans; true while there are more. */
export const releaseList: Releaser = (collections, root, limit) => {
  CHAIN.words = root
  CHAIN.at = RootWord.Chain
  return releaseChain(collections, CHAIN, limit, freeSpans)
}

function freeSpans(collections: Collections, leaf: Ptr): number {
  const { arena } = collections
  const references = nodeWord(arena, leaf, ListLeafWord.References)
  if (references === 0) return 0
  const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
  const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  const start = listpackStart(words, (leaf & PTR_SEGMENT_MASK) << 1)
  const limit = endOf(bytes, start)
  for (let at = start + HEADER_BYTES; at < limit; at += entryBytes(bytes, at)) {
    if (isReference(bytes, at)) arena.freeSpan(referenceSpan(bytes, at))
  }
  return references
}
