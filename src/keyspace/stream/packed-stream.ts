// Small streams: one that has no groups, and whose entries fit a leaf of one page, lies in its
// record. The value's bytes are what root and leaf would say:
//
//    0       4      8                             then, aligned to 4 bytes:
//    +-------+------+----------------+------------+---------+------------+---------+
//    | count | used | the rest of a  | names,     | last ID | highest    | entries |
//    |       |      | leaf, as drawn | entries    |         | deleted ID | added   |
//    |       |      | in entry-leaf  |            | 16      | 16         | 8       |
//    +-------+------+----------------+------------+---------+------------+---------+
//    |<- not there in a stream without entries -->|
//
// Nobody works on these bytes: they are copied into a leaf of an arena of their own, with a root
// beside it, where all that streams can do is done, and packed again (`Streams`). That copies at
// most a page twice for each write, and spares up to 4 KiB for each stream. What was trimmed does
// not stay, as else each stream that is trimmed would outgrow its record. One that has done so has
// nodes for ever.

import { assert } from '../../base/assert.ts'
import { copySlice, moveWithin, Slice } from '../../base/slice.ts'
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
import { EntryWord, FIRST_MASK, NAMES_START, namesLimit } from './entry-leaf.ts'
import { StreamEntries } from './stream-entries.ts'
import { releaseStream } from './stream-release.ts'
import { LEAF_SKIPPED_BYTES, PACKED_TAIL_BYTES, StreamWord } from './stream-words.ts'

/** A node of a file that is taken in has less. */
const PAGES = 1024
/** So large a part of a leaf may be what was trimmed. */
const TRIMMED_SHIFT = 3

export class PackedStream {
  readonly arena = new Arena(PAGES)
  readonly entries: StreamEntries
  readonly #collections: Collections
  readonly #words = new Uint32Array(ROOT_WORDS)
  /** The root's words from the last ID on, as bytes. */
  readonly #tail: Slice
  readonly #packed = new Slice()
  readonly #number: number
  /** A leaf that is kept from stream to stream, and whether it is no stream's at present. */
  #leaf: Ptr
  #isSpare = true

  /** `root` is what `entries` work on while a stream is unpacked. */
  constructor(root: Root) {
    this.#collections = new Collections(this.arena)
    this.#number = this.#collections.allocate()
    this.#leaf = this.#collections.allocateNode(this.#number, 1)
    this.entries = new StreamEntries(this.#collections)
    this.entries.open(root.chain)
    const bytes = new Uint8Array(this.#words.buffer)
    this.#tail = new Slice().set(bytes, StreamWord.LastId * 4, PACKED_TAIL_BYTES)
  }

  /** Points the root at a stream without anything. */
  clear(root: Root): void {
    this.#takeBack()
    this.#words.fill(0)
    this.#words[RootWord.Number] = this.#number
    root.open(this.#words, 0, NULL)
  }

  /** Points the root at the stream that is packed in `value`. */
  unpack(value: Slice, root: Root): void {
    const { length } = value
    assert(length >= PACKED_TAIL_BYTES, 'a packed stream has its tail')
    assert(length + LEAF_SKIPPED_BYTES <= PAGE_BYTES, 'a packed stream has a page at most')
    this.clear(root)
    const leaf = this.#leaf
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    copySlice(value, this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!, start + LEAF_SKIPPED_BYTES)
    const words = this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const tail = (start + LEAF_SKIPPED_BYTES + length - PACKED_TAIL_BYTES) / 4
    for (let i = 0; i < PACKED_TAIL_BYTES / 4; i++) {
      this.#words[StreamWord.LastId + i] = words[tail + i]!
    }
    if (length === PACKED_TAIL_BYTES) return
    words[start / 4 + LeafWord.Next] = NULL
    words[start / 4 + LeafWord.Previous] = NULL
    this.#openChain(leaf)
  }

  /** The bytes of the stream that is unpacked, valid until the next call; null: it has outgrown. */
  pack(): Slice | null {
    const words = this.#words
    const leaf = words[RootWord.Chain + ChainWord.First]!
    if (leaf === NULL) return this.#tail
    const isOne = words[RootWord.Chain + ChainWord.Leaves]! === 1
    if (!isOne || this.arena.nodePages(leaf) > 1) return null
    if (nodeWord(this.arena, leaf, EntryWord.Span) !== NULL) return null
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    const bytes = this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    const leafWords = this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    dropTrimmed(leafWords, bytes, start)
    const tail = (leafWords[start / 4 + LeafWord.Used]! + 3) & ~3
    if (tail + PACKED_TAIL_BYTES > PAGE_BYTES) return null
    for (let i = 0; i < PACKED_TAIL_BYTES / 4; i++) {
      leafWords[(start + tail) / 4 + i] = words[StreamWord.LastId + i]!
    }
    const length = tail + PACKED_TAIL_BYTES - LEAF_SKIPPED_BYTES
    return this.#packed.set(bytes, start + LEAF_SKIPPED_BYTES, length)
  }

  /** Frees what the last stream has, but for one leaf that is kept. */
  #takeBack(): void {
    const words = this.#words
    const first = words[RootWord.Chain + ChainWord.First]!
    const isOne = words[RootWord.Chain + ChainWord.Leaves]! === 1
    if (first === this.#leaf && isOne && this.arena.nodePages(first) === 1) {
      this.#isSpare = true
      return
    }
    if (first !== NULL) {
      releaseStream(this.#collections, words, Number.POSITIVE_INFINITY)
    }
    if (!this.#isSpare) this.#leaf = this.#collections.allocateNode(this.#number, 1)
    this.#isSpare = true
  }

  /** Makes a leaf the only one. */
  #openChain(leaf: Ptr): void {
    const words = this.#words
    this.#isSpare = false
    words[RootWord.Chain + ChainWord.Count] = nodeWord(this.arena, leaf, LeafWord.Count)
    words[RootWord.Chain + ChainWord.First] = leaf
    words[RootWord.Chain + ChainWord.Last] = leaf
    words[RootWord.Chain + ChainWord.Leaves] = 1
  }
}

/** Moves the entries of a leaf together, when much before them has been trimmed. */
function dropTrimmed(words: Uint32Array, bytes: Uint8Array, start: number): void {
  const at = start / 4
  const first = words[at + EntryWord.First]! & FIRST_MASK
  const used = words[at + LeafWord.Used]!
  const gap = first - (namesLimit(bytes, start + NAMES_START) - start)
  assert(gap >= 0, 'entries stand behind the names')
  if (gap <= used >>> TRIMMED_SHIFT) return
  moveWithin(bytes, start + first - gap, start + first, start + used)
  words[at + EntryWord.First] = words[at + EntryWord.First]! - gap
  words[at + EntryWord.Last] = words[at + EntryWord.Last]! - gap
  words[at + LeafWord.Used] = used - gap
}
