// Copies of whole lists, for COPY: a packed one as it lies, one in leaves leaf by leaf. Leaves with
// references are copied by their elements, each large one into a span of its own, so that what has
// been copied when the arena is full can be freed like any list.

import { type Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import {
  EMPTY_BYTES,
  endOf,
  entryBytes,
  HEADER_BYTES,
  readEntry,
  totalBytes,
} from '../packed/listpack.ts'
import { writeEmpty } from '../packed/listpack-edit.ts'
import { scratchEntry } from '../packed/packed.ts'
import { Encoding, Type } from '../record.ts'
import { type Chain, nodeWord, ROOT_WORDS, Root, RootWord } from '../root.ts'
import { listLeavesOf } from './list.ts'
import { isReference, ListLeafWord, listpackStart, readReference } from './list-entry.ts'
import type { ListLeaves } from './list-leaves.ts'

const LIST_HEAD = { type: Type.List, encoding: Encoding.Quicklist } as const
const EMPTY_LIST = new Uint8Array(EMPTY_BYTES)
writeEmpty(EMPTY_LIST, 0)
const ROOT = new Uint32Array(ROOT_WORDS)
const TARGET = new Root()
const SOURCE = new Root()
const VALUE = scratchSlice()
const ELEMENT = scratchSlice()
const ENTRY = scratchEntry()

/**
 * Copies the list in a record of `source` to a key that the last lookup in `target`, of this key,
 * did not find. No deadline. Returns the new record. ARENA_FULL: there is no such key. O(bytes).
 */
export function copyList(source: Database, record: Ptr, target: Database, key: Slice): Ptr {
  if (!source.hasRoot(record)) {
    return target.insert(key, source.readString(record, VALUE), LIST_HEAD)
  }
  const made = target.insert(key, VALUE.set(EMPTY_LIST, 0, EMPTY_BYTES), LIST_HEAD)
  const { collections } = target
  const leaves = listLeavesOf(collections)
  ROOT.fill(0)
  let number = 0
  const { chain } = TARGET
  try {
    number = collections.allocate()
    ROOT[RootWord.Number] = number
    TARGET.open(ROOT, 0, NULL)
    const { first } = source.readRoot(record, SOURCE).chain
    for (let leaf = first; leaf !== NULL; leaf = leaves.tree.nextLeaf(leaf)) {
      copyLeaf(leaves, leaf, chain)
    }
    return target.setRoot(made, ROOT, Encoding.Quicklist)
  } catch (error) {
    if (number !== 0) {
      leaves.clear(chain)
      collections.release(number)
    }
    target.remove(made)
    throw error
  }
}

/** Appends what a leaf holds to another chain of the same keyspace. */
function copyLeaf(leaves: ListLeaves, leaf: Ptr, chain: Chain): void {
  const { arena } = leaves
  const bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
  const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  const start = listpackStart(words, (leaf & PTR_SEGMENT_MASK) << 1)
  if (nodeWord(arena, leaf, ListLeafWord.References) === 0) {
    return leaves.append(chain, VALUE.set(bytes, start, totalBytes(bytes, start)))
  }
  const limit = endOf(bytes, start)
  for (let at = start + HEADER_BYTES; at < limit; at += entryBytes(bytes, at)) {
    if (isReference(bytes, at)) readReference(arena, bytes, at, ELEMENT)
    else {
      readEntry(bytes, at, ENTRY)
      ENTRY.textInto(ELEMENT)
    }
    leaves.pushLast(chain, ELEMENT)
  }
}
