// For tests: walks the leaves of a list, and asserts what list-leaves.ts says is always true of
// them. Nothing here is on the way of a command.

import { assert } from '../../base/assert.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import {
  endOf,
  entryBytes,
  HEADER_BYTES,
  headerCount,
  totalBytes,
  validate,
} from '../packed/listpack.ts'
import { type Chain, LEAF_HEADER_BYTES, LeafWord, nodeWord } from '../root.ts'
import { isReference, ListLeafWord, listpackStart } from './list-entry.ts'
import { type ListLeaves, REFERENCES_IN_CHAIN } from './list-leaves.ts'

/** Walks all leaves of a list, and its index. */
export function checkLeaves(leaves: ListLeaves, chain: Chain): void {
  const { tree } = leaves
  tree.check(chain)
  let references = 0
  for (let leaf = chain.first; leaf !== NULL; leaf = tree.nextLeaf(leaf)) {
    references += checkLeaf(leaves, leaf)
  }
  const known = chain.words[chain.at + REFERENCES_IN_CHAIN]
  assert(references === known, 'the root counts all references')
}

/** Checks one leaf; returns how many references it has. */
function checkLeaf({ arena }: ListLeaves, leaf: Ptr): number {
  const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
  const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  const start = listpackStart(words, (leaf & PTR_SEGMENT_MASK) << 1)
  const total = totalBytes(bytes, start)
  const first = (leaf & PTR_SEGMENT_MASK) << 3
  assert(start >= first + LEAF_HEADER_BYTES, 'a listpack leaves the header alone')
  const pages = arena.nodePages(leaf)
  assert(nodeWord(arena, leaf, ListLeafWord.Pages) === pages, 'a leaf knows its size')
  const limit = first + pages * PAGE_BYTES
  assert(start + total <= limit, 'a listpack lies in its leaf')
  assert(validate(bytes, start, total), 'a leaf is a whole listpack')
  const count = headerCount(bytes, start)
  assert(count > 0, 'no leaf is empty')
  assert(count === nodeWord(arena, leaf, LeafWord.Count), 'leaf and listpack agree')
  let references = 0
  const end = endOf(bytes, start)
  for (let at = start + HEADER_BYTES; at < end; at += entryBytes(bytes, at)) {
    if (isReference(bytes, at)) references++
  }
  const known = nodeWord(arena, leaf, ListLeafWord.References)
  assert(references === known, 'a leaf counts its references')
  return references
}
