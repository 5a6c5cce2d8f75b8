// Named records of a fixed number of words, in an ordered chain of leaves by number: the groups of
// a stream, the consumers of a group. Numbers ascend in the order of making; the highest one is
// given again when its record has gone. A record:
//
//    0        4         8        12       16                16 + 4 × facts
//    +--------+---------+--------+--------+-----------------+------------+
//    | number | record  | name   | name's | facts, as the   | name, if   |
//    |        | bytes   | length | span   | owner needs     | span is 0  |
//    +--------+---------+--------+--------+-----------------+------------+
//
// Records stand one behind the other from the start of a leaf's payload; the leaf's word `used`
// counts their bytes. Names are found, and listed in the order of their bytes, by an array of
// numbers in index memory, sorted by name. What leads to all is six words of the owner's: a chain,
// and the Ptr of that array, which has the chain's count of numbers.
//
// One instance serves all chains of its kind; it is a cursor too. A record stays where it is until
// one of its chain comes or goes.

import { assert } from '../../base/assert.ts'
import {
  type ByteRange,
  copySlice,
  moveWithin,
  type Slice,
  scratchSlice,
} from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { LeafTree } from '../leaf-tree/leaf-tree.ts'
import {
  CHAIN_WORDS,
  type Chain,
  LEAF_HEADER_BYTES,
  LeafWord,
  nodeWord,
  setNodeWord,
} from '../root.ts'
import { KeyWords, payloadOf, WordOrder } from './word-order.ts'

/** Words before a record's facts. */
export const RecordWord = { Number: 0, Bytes: 1, NameLength: 2, NameSpan: 3, Facts: 4 } as const
/** Words of the owner: a chain and the Ptr of the names. */
export const NAMED_CHAIN_WORDS = CHAIN_WORDS + 1
/** Longest name in the record itself. */
const INLINE_NAME_MAX = 1024
const LEAF_PAGES = 1
const LEAF_ROOM = PAGE_BYTES - LEAF_HEADER_BYTES
const NAMES_MIN = 4

const SCRATCH = scratchSlice()

export class NamedRecords {
  /** The leaf with the current record, and the index of the record's first word. */
  leaf: Ptr = NULL
  at = 0
  readonly #collections: Collections
  readonly #arena: Arena
  readonly #order: WordOrder
  readonly #tree: LeafTree
  readonly #factWords: number
  readonly #probe = new Uint32Array(1)

  constructor(collections: Collections, factWords: number) {
    this.#collections = collections
    this.#arena = collections.arena
    this.#order = new WordOrder(collections.arena, KeyWords.Number)
    this.#tree = new LeafTree(collections, this.#order)
    this.#factWords = factWords
  }

  /** The words of the current record's segment. */
  get words(): Uint32Array {
    return this.#arena.u32[this.leaf >>> PTR_SEGMENT_SHIFT]!
  }

  get number(): number {
    return this.words[this.at]!
  }

  /** Index of the first word that is the owner's. */
  get facts(): number {
    return this.at + RecordWord.Facts
  }

  /** Makes the current record writable. */
  touch(): void {
    this.#arena.touch(this.leaf)
  }

  /** Points `out` at the current record's name. */
  nameInto(out: Slice): Slice {
    const { words, at } = this
    const length = words[at + RecordWord.NameLength]!
    const span = words[at + RecordWord.NameSpan]!
    if (span === NULL) {
      const bytes = this.#arena.u8[this.leaf >>> PTR_SEGMENT_SHIFT]!
      return out.set(bytes, (this.facts + this.#factWords) * 4, length)
    }
    const start = this.#arena.contiguousStart(span) + SPAN_HEADER_BYTES
    return out.set(this.#arena.contiguousBytes(span), start, length)
  }

  /** Leads to the record of that name; false: there is none. O(log² n). */
  find(chain: Chain, name: ByteRange): boolean {
    const place = this.#placeOf(chain, name)
    return place < chain.count && this.#compareAt(chain, place, name) === 0
  }

  /** Leads to record `index` in the order of the names. */
  seekIndex(chain: Chain, index: number): void {
    assert(index < chain.count, 'an index is that of a record')
    const names = this.#names(chain)
    const words = this.#arena.u32[names >>> PTR_SEGMENT_SHIFT]!
    this.seekNumber(chain, words[wordOf(names) + index]!)
  }

  /** Leads to the record with that number, which there is. O(log n). */
  seekNumber(chain: Chain, number: number): void {
    this.#probe[0] = number
    this.leaf = this.#tree.seekKey(chain, this.#order.seeking(this.#probe, 0))
    assert(this.leaf !== NULL, 'there are records')
    const words = this.words
    const limit = payloadOf(this.leaf) + this.#used() / 4
    let at = payloadOf(this.leaf)
    while (words[at]! !== number) {
      at += words[at + RecordWord.Bytes]! / 4
      assert(at < limit, 'a number is that of a record')
    }
    this.at = at
  }

  /** Leads to the record with the lowest number; false: there is none. */
  seekFirst(chain: Chain): boolean {
    this.leaf = chain.first
    if (this.leaf === NULL) return false
    this.at = payloadOf(this.leaf)
    return true
  }

  /** Leads to the record with the next higher number; false: there is none. */
  next(): boolean {
    this.at += this.words[this.at + RecordWord.Bytes]! / 4
    if (this.at < payloadOf(this.leaf) + this.#used() / 4) return true
    this.leaf = nodeWord(this.#arena, this.leaf, LeafWord.Next)
    if (this.leaf === NULL) return false
    this.at = payloadOf(this.leaf)
    return true
  }

  /**
   * Makes a record of a name that is not there, with facts of zeros; it is current then.
   * ARENA_FULL, and nothing has changed. O(n) words are moved in the array of names.
   */
  insert(chain: Chain, name: ByteRange): void {
    const place = this.#placeOf(chain, name)
    this.#reserveName(chain)
    const isOut = name.length > INLINE_NAME_MAX
    const span = isOut ? this.#collections.allocateElement(chain.number, name.length) : NULL
    const nameWords = isOut ? 0 : (name.length + 3) >>> 2
    const bytes = (RecordWord.Facts + this.#factWords + nameWords) * 4
    const number = this.#nextNumber(chain)
    try {
      this.#openLeaf(chain, bytes, number)
    } catch (error) {
      if (span !== NULL) this.#arena.freeSpan(span)
      throw error
    }
    this.#tree.addCount(chain, 1)
    const words = this.words
    const { at } = this
    words.fill(0, at, at + bytes / 4)
    words[at + RecordWord.Number] = number
    words[at + RecordWord.Bytes] = bytes
    words[at + RecordWord.NameLength] = name.length
    words[at + RecordWord.NameSpan] = span
    this.#setUsed(this.#used() + bytes)
    const target = this.nameInto(SCRATCH)
    copySlice(name, target.bytes, target.start)
    this.#insertName(chain, place, number)
  }

  /** Removes the current record, to which `find`, the last call, led. What it leads to is gone. */
  remove(chain: Chain, name: ByteRange): void {
    const place = this.#placeOf(chain, name)
    const isThere = this.#compareAt(chain, place, name) === 0
    assert(isThere && this.#tree.leaf === this.leaf, 'what is removed has been found')
    const { words, at } = this
    const span = words[at + RecordWord.NameSpan]!
    const bytes = words[at + RecordWord.Bytes]!
    const used = this.#used()
    this.#removeName(chain, place)
    this.#arena.touch(this.leaf)
    if (span !== NULL) this.#arena.freeSpan(span)
    if (bytes === used) {
      this.#tree.remove(chain)
      return
    }
    const limit = (payloadOf(this.leaf) * 4 + used) | 0
    const segment = this.#arena.u8[this.leaf >>> PTR_SEGMENT_SHIFT]!
    moveWithin(segment, at * 4, at * 4 + bytes, limit)
    this.#setUsed(used - bytes)
    this.#tree.addCount(chain, -1)
    this.#tree.setKey(this.#order.keyOf(this.leaf))
  }

  /** Walks the chain and the names; for tests. */
  check(chain: Chain): void {
    this.#tree.check(chain)
    let count = 0
    let last = -1
    for (let found = this.seekFirst(chain); found; found = this.next()) {
      assert(this.number > last, 'numbers ascend')
      last = this.number
      count++
    }
    assert(count === chain.count, 'records are counted')
    const before: Uint8Array = new Uint8Array(0)
    const name = { bytes: before, start: 0, length: 0 }
    for (let i = 0; i < count; i++) {
      if (i > 0) assert(this.#compareAt(chain, i, name) > 0, 'names ascend')
      this.seekIndex(chain, i)
      name.bytes = this.nameInto(SCRATCH).toBytes()
      name.length = name.bytes.length
    }
  }

  #used(): number {
    return nodeWord(this.#arena, this.leaf, LeafWord.Used)
  }

  #setUsed(used: number): void {
    setNodeWord(this.#arena, this.leaf, LeafWord.Used, used)
  }

  #nextNumber(chain: Chain): number {
    if (chain.last === NULL) return 1
    this.leaf = chain.last
    this.at = payloadOf(this.leaf)
    const words = this.words
    const limit = this.at + this.#used() / 4
    let number = 0
    for (let at = this.at; at < limit; at += words[at + RecordWord.Bytes]! / 4) number = words[at]!
    assert(number < 0xffffffff, 'a number is a word')
    return number + 1
  }

  /** Leads to the place for a record behind the last one, in the last leaf or a new one. */
  #openLeaf(chain: Chain, bytes: number, number: number): void {
    this.leaf = this.#tree.seekLast(chain)
    if (this.leaf === NULL || this.#used() + bytes > LEAF_ROOM) {
      this.leaf = this.#tree.insertAfter(chain, LEAF_PAGES, number)
      this.#setUsed(0)
    }
    this.#arena.touch(this.leaf)
    this.at = payloadOf(this.leaf) + this.#used() / 4
  }

  #names(chain: Chain): Ptr {
    return chain.words[chain.at + CHAIN_WORDS]!
  }

  /** The first place in the order of names whose name is not before `name`. */
  #placeOf(chain: Chain, name: ByteRange): number {
    let low = 0
    let high = chain.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compareAt(chain, middle, name) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Leads to the record at `place`; below, at or above 0 as its name sorts against `name`. */
  #compareAt(chain: Chain, place: number, name: ByteRange): number {
    this.seekIndex(chain, place)
    const own = this.nameInto(SCRATCH)
    const shared = Math.min(own.length, name.length)
    for (let i = 0; i < shared; i++) {
      const difference = own.bytes[own.start + i]! - name.bytes[name.start + i]!
      if (difference !== 0) return difference
    }
    return own.length - name.length
  }

  /** Makes room for one more name. */
  #reserveName(chain: Chain): void {
    const names = this.#names(chain)
    const { count } = chain
    const capacity = names === NULL ? 0 : this.#arena.indexBytes(names) / 4
    if (count < capacity) return
    const made = this.#arena.allocateIndex(Math.max(NAMES_MIN, count * 2) * 4)
    if (names !== NULL) {
      const from = this.#arena.u32[names >>> PTR_SEGMENT_SHIFT]!
      const words = this.#arena.u32[made >>> PTR_SEGMENT_SHIFT]!
      for (let i = 0; i < count; i++) words[wordOf(made) + i] = from[wordOf(names) + i]!
      this.#arena.freeIndex(names)
    }
    chain.touch(this.#arena)
    chain.words[chain.at + CHAIN_WORDS] = made
  }

  /** Notes the number of a record that has been counted. */
  #insertName(chain: Chain, place: number, number: number): void {
    const names = this.#names(chain)
    const bytes = this.#arena.u8[names >>> PTR_SEGMENT_SHIFT]!
    const at = wordOf(names) + place
    const limit = wordOf(names) + chain.count - 1
    moveWithin(bytes, (at + 1) * 4, at * 4, limit * 4)
    this.#arena.u32[names >>> PTR_SEGMENT_SHIFT]![at] = number
  }

  /** Forgets the number of a record that is still counted. */
  #removeName(chain: Chain, place: number): void {
    const names = this.#names(chain)
    if (chain.count === 1) {
      this.#arena.freeIndex(names)
      chain.touch(this.#arena)
      chain.words[chain.at + CHAIN_WORDS] = NULL
      return
    }
    const bytes = this.#arena.u8[names >>> PTR_SEGMENT_SHIFT]!
    const at = wordOf(names) + place
    const limit = wordOf(names) + chain.count
    moveWithin(bytes, at * 4, (at + 1) * 4, limit * 4)
  }
}

/** Frees the array of names beside the chain that starts at `words[at]`. */
export function freeNameIndex(collections: Collections, words: Uint32Array, at: number): void {
  const names = words[at + CHAIN_WORDS]!
  if (names !== NULL) collections.arena.freeIndex(names)
  words[at + CHAIN_WORDS] = NULL
}

/** Frees the names of a leaf's records that lie in spans; returns how many. */
export function freeLongNames(collections: Collections, leaf: Ptr): number {
  const { arena } = collections
  const words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
  const limit = payloadOf(leaf) + nodeWord(arena, leaf, LeafWord.Used) / 4
  let freed = 0
  for (let at = payloadOf(leaf); at < limit; at += words[at + RecordWord.Bytes]! / 4) {
    const span = words[at + RecordWord.NameSpan]!
    if (span === NULL) continue
    arena.freeSpan(span)
    freed++
  }
  return freed
}

function wordOf(ptr: Ptr): number {
  return (ptr & PTR_SEGMENT_MASK) << 1
}
