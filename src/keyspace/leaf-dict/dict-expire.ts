// Removes what has expired from a `LeafDict` (leaf-dict.ts), leaf by leaf in the order of the hash,
// so that a pass may stop after any leaf and go on later, whatever was split or merged between. A
// leaf whose header says that nothing is due costs a look at that header. Owner: the engine.

import { assert } from '../../base/assert.ts'
import { type Slice, scratchSlice } from '../../base/slice.ts'
import { PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import { LeafWord, nodeWord, type Root } from '../root.ts'
import { DictRootWord, leafAt } from './dict-directory.ts'
import { DictLeafWord, depthOfShape, earlierOf, leafDeadline, leafDeadlineMs } from './dict-leaf.ts'
import type { LeafDict } from './leaf-dict.ts'

/** Hashes, and so positions, are below this. */
const HASH_LIMIT = 0x100000000

/** What deadlines are compared with, and what came of it. */
export interface Expiry {
  /** Unix ms. */
  nowMs: number
  /** Entries removed, added up. */
  removed: number
  /** The earliest deadline that is left, or a time before it, unix ms; 0: none. */
  earliestMs: number
  /** Sees each field just before it is removed; null: nobody wants to know. */
  onField: ((field: Slice) => void) | null
}

const FIELD = scratchSlice()

/**
 * Removes what has expired from the leaf at a position, and adds to `expiry`. Returns the next
 * position, 0 after the last. O(entries of the leaf), O(1) if none is due; never fails.
 */
export function expireLeaf(dict: LeafDict, root: Root, position: number, expiry: Expiry): number {
  assert(position >= 0 && position < HASH_LIMIT, 'a position is a hash')
  const { arena } = dict
  if (position === 0) {
    root.chain.touch(arena)
    root.words[root.at + DictRootWord.EarliestSet] = 0
  }
  const leaf = leafAt(arena, root, position)
  const depth = depthOfShape(nodeWord(arena, leaf, DictLeafWord.Shape))
  const next = nodeWord(arena, leaf, DictLeafWord.Prefix) + 2 ** (32 - depth)
  const earliest = nodeWord(arena, leaf, DictLeafWord.Deadline)
  if (earliest !== 0) {
    const earliestMs = leafDeadlineMs(earliest)
    if (earliestMs <= expiry.nowMs) expireEntries(dict, root, leaf, expiry)
    else expiry.earliestMs = earlierOf(expiry.earliestMs, earliestMs)
  }
  return next === HASH_LIMIT ? 0 : next
}

function expireEntries(dict: LeafDict, root: Root, leaf: Ptr, expiry: Expiry): void {
  const { arena } = dict
  let earliestMs = 0
  // From the last slot on, as a removal moves those behind it.
  for (let slot = nodeWord(arena, leaf, LeafWord.Count) - 1; slot >= 0; slot--) {
    dict.enter(leaf, slot)
    const { deadlineMs } = dict
    if (deadlineMs === 0) continue
    if (deadlineMs <= expiry.nowMs) {
      if (expiry.onField !== null) expiry.onField(dict.readKey(FIELD))
      dict.removeOnly(root)
      expiry.removed++
    } else earliestMs = earlierOf(earliestMs, deadlineMs)
  }
  expiry.earliestMs = earlierOf(expiry.earliestMs, earliestMs)
  arena.touch(leaf)
  const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  const at = ((leaf & PTR_SEGMENT_MASK) << 1) + DictLeafWord.Deadline
  words[at] = earliestMs === 0 ? 0 : leafDeadline(earliestMs)
  dict.mend(root, leaf)
}

/** The earliest deadline that was set since a pass has begun, or a time before it; 0: none. */
export function earliestSetMs({ words, at }: Root): number {
  const word = words[at + DictRootWord.EarliestSet]!
  return word === 0 ? 0 : leafDeadlineMs(word)
}
