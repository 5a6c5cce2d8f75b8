// Frees a stream step by step: entries, then what is pending in each group, then the groups. How
// far it has come stands in the root, and for a group in the words of its own chains.

import { NULL, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Releaser } from '../lazy-free.ts'
import { releaseChain } from '../leaf-tree/leaf-tree.ts'
import { ChainWord, LeafWord, nodeWord, RootWord } from '../root.ts'
import { EntryWord } from './entry-leaf.ts'
import { GroupWord, releaseGroup } from './groups.ts'
import { freeLongNames, freeNameIndex, RecordWord } from './named-records.ts'
import { StreamWord } from './stream-words.ts'
import { payloadOf } from './word-order.ts'

export const releaseStream: Releaser = (collections, root, limit) => {
  if (releaseChain(collections, { words: root, at: RootWord.Chain }, limit, freeListpack)) {
    return true
  }
  if (releaseGroups(collections, root[StreamWord.Groups + ChainWord.First]!, limit)) return true
  const groups = { words: root, at: StreamWord.Groups }
  if (releaseChain(collections, groups, limit, freeLongNames)) return true
  freeNameIndex(collections, root, StreamWord.Groups)
  return false
}

function freeListpack(collections: Collections, leaf: Ptr): number {
  const span = nodeWord(collections.arena, leaf, EntryWord.Span)
  if (span === NULL) return 0
  collections.arena.freeSpan(span)
  return 1
}

/** Frees what the groups of a chain of leaves have; true while there is more. */
function releaseGroups(collections: Collections, first: Ptr, limit: number): boolean {
  const { arena } = collections
  let budget = limit
  for (let leaf = first; leaf !== NULL; leaf = nodeWord(arena, leaf, LeafWord.Next)) {
    const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const end = payloadOf(leaf) + nodeWord(arena, leaf, LeafWord.Used) / 4
    for (let at = payloadOf(leaf); at < end; at += words[at + RecordWord.Bytes]! / 4) {
      const facts = at + RecordWord.Facts
      const leaves = leavesOf(words, facts)
      if (leaves === 0) continue
      if (budget <= 0) return true
      // What is left is noted in the leaf itself, which an open cut may still have to read.
      arena.touch(leaf)
      if (releaseGroup(collections, words, facts, budget)) return true
      budget -= leaves
    }
  }
  return false
}

/** Leaves of a group that has not been freed; 0 for one that has been, or has none. */
function leavesOf(words: Uint32Array, facts: number): number {
  let leaves = 0
  for (const word of [GroupWord.Pending, GroupWord.Owned, GroupWord.Consumers]) {
    const first = words[facts + word + ChainWord.First]!
    if (first !== NULL) leaves += words[facts + word + ChainWord.Leaves]!
  }
  return leaves
}
