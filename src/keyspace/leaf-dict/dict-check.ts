// Walks a whole `LeafDict` (leaf-dict.ts): directory, chain, slots and entries. For tests; asserts
// all that the headers of dict-leaf.ts and dict-directory.ts promise.

import { assert } from '../../base/assert.ts'
import { Slice } from '../../base/slice.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import { LeafWord, nodeWord, type Root } from '../root.ts'
import { DictRootWord, depthOf, entriesFor, leafAt, topBits } from './dict-directory.ts'
import {
  DictLeafWord,
  depthOfShape,
  fingerprint,
  garbageOfShape,
  isOutShape,
  LeafEntry,
  leafDeadline,
  OFFSET_BITS,
  OFFSET_MASK,
  pagesOfShape,
  payloadBytes,
  SLOT_BYTES,
  SLOTS_WORD,
} from './dict-leaf.ts'
import type { DictLeaves } from './dict-leaves.ts'

/** O(n). */
export function checkDict(leaves: DictLeaves, root: Root): void {
  const { arena } = leaves
  const depth = depthOf(root)
  let entries = 0
  let count = 0
  let deepest = 0
  let deadlines = 0
  let previous = NULL
  for (let leaf = root.chain.first; leaf !== NULL; ) {
    assert(nodeWord(arena, leaf, LeafWord.Previous) === previous, 'leaves are chained both ways')
    entries += nodeWord(arena, leaf, LeafWord.Count)
    count++
    checkPlace(leaves, root, leaf)
    deadlines += checkEntries(leaves, leaf)
    if (depthOfShape(nodeWord(arena, leaf, DictLeafWord.Shape)) === depth && depth > 0) deepest++
    previous = leaf
    leaf = nodeWord(arena, leaf, LeafWord.Next)
  }
  assert(root.chain.last === previous, 'the last leaf is known')
  assert(entries === root.count, 'entries are counted')
  const counted = root.words[root.at + DictRootWord.Deadlines]!
  assert(deadlines === counted, 'deadlines are counted')
  assert(count === root.chain.leaves, 'leaves are counted')
  assert(deepest === 2 * root.words[root.at + DictRootWord.Pairs]!, 'deep leaves are counted')
  assert(depth === 0 || deepest > 0, 'the directory is as deep as some leaf')
  assert((depth === 0) === (root.chain.index === NULL), 'a directory has a depth')
}

/** Header, and what leads to the leaf. */
function checkPlace({ arena }: DictLeaves, root: Root, leaf: Ptr): void {
  const shape = nodeWord(arena, leaf, DictLeafWord.Shape)
  const depth = depthOfShape(shape)
  const pages = pagesOfShape(shape)
  const prefix = nodeWord(arena, leaf, DictLeafWord.Prefix)
  const count = nodeWord(arena, leaf, LeafWord.Count)
  const used = nodeWord(arena, leaf, LeafWord.Used)
  assert(nodeWord(arena, leaf, LeafWord.Collection) === root.number, 'a leaf names its collection')
  assert(pages === arena.nodePages(leaf), 'a leaf knows its size')
  assert(count * SLOT_BYTES + used <= payloadBytes(pages), 'slots and entries do not meet')
  assert(count <= root.words[root.at + DictRootWord.Most]!, 'no leaf has more than most')
  assert(prefix === topBits(prefix, depth), 'a prefix has as many bits as the leaf is deep')
  const step = 2 ** (32 - depthOf(root))
  for (let i = 0; i < entriesFor(root, depth); i++) {
    assert(leafAt(arena, root, prefix + i * step) === leaf, 'the directory leads to the leaf')
  }
}

/** Returns how many entries have a deadline. */
function checkEntries({ arena, hash, hasValues }: DictLeaves, leaf: Ptr): number {
  const shape = nodeWord(arena, leaf, DictLeafWord.Shape)
  const depth = depthOfShape(shape)
  const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
  const start = (leaf & PTR_SEGMENT_MASK) << 3
  const used = nodeWord(arena, leaf, LeafWord.Used)
  const entry = new LeafEntry()
  const key = new Slice()
  let live = 0
  let deadlines = 0
  const earliest = nodeWord(arena, leaf, DictLeafWord.Deadline)
  let before = 0
  for (let i = 0; i < nodeWord(arena, leaf, LeafWord.Count); i++) {
    const slot = nodeWord(arena, leaf, SLOTS_WORD + i)
    const offset = slot & OFFSET_MASK
    assert(offset >= pagesOfShape(shape) * PAGE_BYTES - used, 'an entry lies with the entries')
    entry.read(bytes, start + offset, hasValues)
    live += entry.size
    if (entry.hasDeadline) {
      deadlines++
      const word = leafDeadline(entry.deadlineMs)
      assert(earliest !== 0 && earliest <= word, 'no deadline is before the earliest of the leaf')
    }
    const isOut = entry.isKeyOut || (hasValues && entry.isValueOut)
    assert(!isOut || isOutShape(shape), 'a leaf says that entries are out of line')
    entry.keyInto(arena, key)
    hash.of(key.bytes, key.start, key.length)
    const prefix = nodeWord(arena, leaf, DictLeafWord.Prefix)
    assert(topBits(hash.high, depth) === prefix, 'keys lie in the leaf of their hash')
    const print = fingerprint(hash.high, hash.low, depth)
    assert(slot >>> OFFSET_BITS === print, 'slots know the hash')
    assert(print >= before, 'slots are in the order of the hash')
    before = print
  }
  assert(live + garbageOfShape(shape) === used, 'garbage is counted')
  return deadlines
}
