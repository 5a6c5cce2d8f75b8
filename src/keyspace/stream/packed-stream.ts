// Small streams: one that has no groups, and whose entries fit a leaf of one page, lies in its
// record. The value's bytes are what root and leaf would say:
//
//    0         16         32        40      44     48               89
//    +---------+----------+---------+-------+------+----------------+---------------
//    | last ID | highest  | entries | count | used | the rest of a  | names, entries
//    |         | deleted  | added   |       |      | leaf, as drawn |
//    |         | ID       |         |       |      | in entry-leaf  |
//    +---------+----------+---------+-------+------+----------------+---------------
//              those from 40 on are missing in a stream without entries
//
// Nobody works on these bytes: they are unpacked into a root and a leaf of an arena of its own, where
// all that streams can do is done, and packed again (`Streams`). That copies twice at most a page for
// each write, and spares 4 KiB for each stream. A stream that has outgrown its record has nodes for
// ever.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, Slice } from '../../base/slice.ts'
import { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import { Collections } from '../collections.ts'
import { ChainWord, LeafWord, nodeWord, ROOT_WORDS, type Root, RootWord } from '../root.ts'
import { EntryWord } from './entry-leaf.ts'
import { StreamEntries } from './stream-entries.ts'
import { releaseStream } from './stream-release.ts'
import { LEAF_SKIPPED_BYTES, PACKED_HEAD_BYTES, StreamWord } from './stream-words.ts'

const PACKED_BYTES_MAX = PACKED_HEAD_BYTES + PAGE_BYTES - LEAF_SKIPPED_BYTES
/** A node of a file that is taken in has less. */
const PAGES = 1024

export class PackedStream {
  readonly arena = new Arena(PAGES)
  readonly entries: StreamEntries
  readonly #collections: Collections
  readonly #words = new Uint32Array(ROOT_WORDS)
  /** The root's words from the last ID on, as bytes. */
  readonly #head: Slice
  readonly #packed = new Slice()
  readonly #bytes = new Uint8Array(PACKED_BYTES_MAX)
  readonly #slice = new Slice()
  readonly #number: number

  /** `root` is what `entries` work on while a stream is unpacked. */
  constructor(root: Root) {
    this.#collections = new Collections(this.arena)
    this.#number = this.#collections.allocate()
    this.entries = new StreamEntries(this.#collections)
    this.entries.open(root.chain)
    const bytes = new Uint8Array(this.#words.buffer)
    this.#head = new Slice().set(bytes, StreamWord.LastId * 4, PACKED_HEAD_BYTES)
  }

  /** Points the root at a stream without anything. */
  clear(root: Root): void {
    if (this.#words[RootWord.Chain + ChainWord.First]! !== NULL) {
      releaseStream(this.#collections, this.#words, Number.POSITIVE_INFINITY)
    }
    this.#words.fill(0)
    this.#words[RootWord.Number] = this.#number
    root.open(this.#words, 0, NULL)
  }

  /** Points the root at the stream that is packed in `value`. */
  unpack(value: ByteRange, root: Root): void {
    assert(value.length >= PACKED_HEAD_BYTES, 'a packed stream has its head')
    this.clear(root)
    const { bytes, start, length } = value
    copySlice(this.#slice.set(bytes, start, PACKED_HEAD_BYTES), this.#head.bytes, this.#head.start)
    if (length > PACKED_HEAD_BYTES) {
      const leaf = this.#collections.allocateNode(this.#number, 1)
      const target = this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
      const at = (leaf & PTR_SEGMENT_MASK) << 3
      target.fill(0, at + 4, at + LEAF_SKIPPED_BYTES)
      this.#slice.set(bytes, start + PACKED_HEAD_BYTES, length - PACKED_HEAD_BYTES)
      copySlice(this.#slice, target, at + LEAF_SKIPPED_BYTES)
      this.#openChain(leaf)
    }
    this.#slice.forget()
  }

  /** The bytes of the stream that is unpacked, valid until the next call; null: it has outgrown. */
  pack(): Slice | null {
    const words = this.#words
    const head = this.#head
    const leaf = words[RootWord.Chain + ChainWord.First]!
    copySlice(head, this.#bytes, 0)
    if (leaf === NULL) return this.#packed.set(this.#bytes, 0, PACKED_HEAD_BYTES)
    const isOne = words[RootWord.Chain + ChainWord.Leaves]! === 1
    if (!isOne || this.arena.nodePages(leaf) > 1) return null
    if (nodeWord(this.arena, leaf, EntryWord.Span) !== NULL) return null
    const used = nodeWord(this.arena, leaf, LeafWord.Used) - LEAF_SKIPPED_BYTES
    const start = ((leaf & PTR_SEGMENT_MASK) << 3) + LEAF_SKIPPED_BYTES
    this.#slice.set(this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!, start, used)
    copySlice(this.#slice, this.#bytes, PACKED_HEAD_BYTES)
    return this.#packed.set(this.#bytes, 0, PACKED_HEAD_BYTES + used)
  }

  /** Makes a leaf the only one. */
  #openChain(leaf: Ptr): void {
    const words = this.#words
    words[RootWord.Chain + ChainWord.Count] = nodeWord(this.arena, leaf, LeafWord.Count)
    words[RootWord.Chain + ChainWord.First] = leaf
    words[RootWord.Chain + ChainWord.Last] = leaf
    words[RootWord.Chain + ChainWord.Leaves] = 1
  }
}
