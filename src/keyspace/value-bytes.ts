// What a key takes in memory, for MEMORY USAGE: exact, whatever the size of its value. Cells, spans
// and nodes are counted as they come and go; what is added up here are the index structures above
// the nodes of a large collection, one in some hundred of its bytes.
//
// Cost: the inner nodes of a tree (a collection of 10 M elements has about a thousand), and for
// sorted sets the directory of members, read once from end to end.

import { assert } from '../base/assert.ts'
import type { Arena } from '../memory/arena.ts'
import { NULL, PTR_SEGMENT_SHIFT, type Ptr } from '../memory/layout.ts'
import { type Database, NO_DEADLINE } from './database.ts'
import { InnerNodes } from './leaf-tree/inner-nodes.ts'
import { Type } from './record.ts'
import { CHAIN_WORDS, ChainWord, LeafWord, nodeWord, Root, RootWord } from './root.ts'
import { GroupWord } from './stream/groups.ts'
import { RecordWord } from './stream/named-records.ts'
import { StreamWord } from './stream/stream-words.ts'
import { payloadOf } from './stream/word-order.ts'
import { MemberIndex } from './zset/member-index.ts'

/** Bytes of the index structures of a collection whose root is open. */
type Measure = (arena: Arena, root: Root) => number

/** Entry of a record in a list of what expires. */
const DEADLINE_ENTRY_BYTES = 4

const MEASURES: ReadonlyMap<Type, Measure> = new Map<Type, Measure>([
  [Type.List, (arena, { words, at }) => treeBytes(arena, words, at + RootWord.Chain)],
  [Type.Set, (arena, { chain }) => indexBytes(arena, chain.index)],
  [Type.Hash, (arena, { chain }) => indexBytes(arena, chain.index)],
  [Type.Zset, zsetBytes],
  [Type.Stream, streamBytes],
])

const ROOT = new Root()

/** Bytes of the record with all that it owns, and its place in dict and lists of deadlines. */
export function keyBytes(db: Database, record: Ptr): number {
  let bytes = db.bytesOf(record)
  if (db.deadlineOf(record) !== NO_DEADLINE) bytes += DEADLINE_ENTRY_BYTES
  if (db.fieldDeadlineOf(record) !== NO_DEADLINE) bytes += DEADLINE_ENTRY_BYTES
  if (!db.hasRoot(record)) return bytes
  const { arena } = db.collections
  const measure = MEASURES.get(db.typeOf(record))
  assert(measure !== undefined, 'each type with nodes has a measure')
  const root = db.readRoot(record, ROOT)
  bytes += arena.elementBytesOf(root.number) + measure(arena, root)
  root.forget()
  return bytes
}

function zsetBytes(arena: Arena, root: Root): number {
  return (
    treeBytes(arena, root.words, root.at + RootWord.Chain) + new MemberIndex(arena).bytesOf(root)
  )
}

/** The tree of entries, that of groups with its names, and three trees with names in each group. */
function streamBytes(arena: Arena, { words, at }: Root): number {
  const groups = at + StreamWord.Groups
  let bytes = treeBytes(arena, words, at + RootWord.Chain)
  bytes += namedBytes(arena, words, groups)
  let leaf = words[groups + ChainWord.First]!
  for (; leaf !== NULL; leaf = nodeWord(arena, leaf, LeafWord.Next)) {
    const records = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const end = payloadOf(leaf) + nodeWord(arena, leaf, LeafWord.Used) / 4
    for (let at = payloadOf(leaf); at < end; at += records[at + RecordWord.Bytes]! / 4) {
      const facts = at + RecordWord.Facts
      bytes += treeBytes(arena, records, facts + GroupWord.Pending)
      bytes += treeBytes(arena, records, facts + GroupWord.Owned)
      bytes += namedBytes(arena, records, facts + GroupWord.Consumers)
    }
  }
  return bytes
}

/** A chain of named records: its tree, and the array of names behind it. */
function namedBytes(arena: Arena, words: Uint32Array, chain: number): number {
  return treeBytes(arena, words, chain) + indexBytes(arena, words[chain + CHAIN_WORDS]!)
}

function treeBytes(arena: Arena, words: Uint32Array, chain: number): number {
  const index = words[chain + ChainWord.Index]!
  return index === NULL ? 0 : new InnerNodes(arena).bytesOf(index)
}

function indexBytes(arena: Arena, index: Ptr): number {
  return index === NULL ? 0 : arena.indexBytes(index)
}
