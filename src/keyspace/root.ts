// The root of a collection that lies in nodes: 22 words in its record, which say where the nodes
// are. The first six mean the same for every type:
//
//    0        1       2            3           4       5         6 … 21
//    +--------+-------+------------+-----------+-------+---------+----------------------+
//    | number | count | first leaf | last leaf | index | leaves  | as the type needs    |
//    +--------+-------+------------+-----------+-------+---------+----------------------+
//             |<----------------- a `Chain` ----------------->|
//
// number: the collection's, see collections.ts. count: elements. Words 1 to 5 are a *chain* of
// leaves; a stream has more of them, elsewhere. A leaf is a node that starts with
//
//    0            4      8          12      16     20                32
//    +------------+------+----------+-------+------+-----------------+---------
//    | collection | next | previous | count | used | as its kind     | payload
//    | number     | leaf | leaf     |       |      | needs, 12 bytes |
//    +------------+------+----------+-------+------+-----------------+---------
//
// so that a scanner follows any collection from leaf to leaf, and lazy free frees any of them.
// Index structures above the leaves are found from `index`; no snapshot reads them.
//
// `Root` is a cursor: one object that is pointed at a root and used until the keyspace changes.
// While a collection is being made from a packed value, its root lies in scratch words.

import { assert } from '../base/assert.ts'
import type { Arena } from '../memory/arena.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../memory/layout.ts'

export const ROOT_WORDS = 22
export const ROOT_BYTES = ROOT_WORDS * 4

/** Words of every root. */
export const RootWord = { Number: 0, Chain: 1, Type: 6 } as const

/** Words of a chain of leaves, from its own start. */
export const ChainWord = { Count: 0, First: 1, Last: 2, Index: 3, Leaves: 4 } as const
export const CHAIN_WORDS = 5

/** Words of every leaf. */
export const LeafWord = {
  Collection: 0,
  Next: 1,
  Previous: 2,
  Count: 3,
  Used: 4,
  Kind: 5,
} as const
export const LEAF_HEADER_BYTES = 32

const NO_WORDS = new Uint32Array(0)

/** A place where a chain's words are; filled again and again. */
export class Chain {
  words: Uint32Array = NO_WORDS
  /** Index of the chain's first word. */
  at = 0
  /** What to touch before the words change: record or node; NULL: scratch words. */
  holder: Ptr = NULL
  /** The collection that the chain's leaves belong to. */
  number = 0

  get count(): number {
    return this.words[this.at]!
  }

  get first(): Ptr {
    return this.words[this.at + ChainWord.First]!
  }

  get last(): Ptr {
    return this.words[this.at + ChainWord.Last]!
  }

  get index(): Ptr {
    return this.words[this.at + ChainWord.Index]!
  }

  get leaves(): number {
    return this.words[this.at + ChainWord.Leaves]!
  }

  /** Makes the words writable. */
  touch(arena: Arena): void {
    if (this.holder !== NULL) arena.touch(this.holder)
  }
}

/** A root, as a cursor. Its chain is that of the root. */
export class Root {
  readonly chain = new Chain()
  words: Uint32Array = NO_WORDS
  /** Index of the root's first word. */
  at = 0
  /** The record that the root lies in; NULL: scratch words. */
  record: Ptr = NULL

  /** Points at the root that starts at `words[at]`. Returns itself. */
  open(words: Uint32Array, at: number, record: Ptr): this {
    const { chain } = this
    this.words = words
    this.at = at
    this.record = record
    chain.words = words
    chain.at = at + RootWord.Chain
    chain.holder = record
    chain.number = words[at]!
    return this
  }

  /** Lets go of the words. */
  forget(): void {
    this.words = NO_WORDS
    this.chain.words = NO_WORDS
  }

  get number(): number {
    return this.words[this.at]!
  }

  /** Elements. */
  get count(): number {
    return this.words[this.at + RootWord.Chain]!
  }
}

/** Word of a leaf or any other node. */
export function nodeWord(arena: Arena, node: Ptr, index: number): number {
  assert(node > 0, 'NULL is no node')
  return arena.u32[node >>> PTR_SEGMENT_SHIFT]![((node & PTR_SEGMENT_MASK) << 1) + index]!
}

/** Changes a word of a node that has been touched. */
export function setNodeWord(arena: Arena, node: Ptr, index: number, value: number): void {
  assert(node > 0, 'NULL is no node')
  arena.u32[node >>> PTR_SEGMENT_SHIFT]![((node & PTR_SEGMENT_MASK) << 1) + index] = value
}
