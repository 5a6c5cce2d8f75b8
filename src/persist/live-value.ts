// A collection of the live keyspace as the encoders of RDB see it: for DUMP. Nothing but the root
// is copied; the view is valid until the value changes or goes. Owner: the engine.

import { fail } from '../base/assert.ts'
import { Slice } from '../base/slice.ts'
import type { Steps } from '../base/steps.ts'
import type { Database } from '../keyspace/database.ts'
import { Encoding, Type } from '../keyspace/record.ts'
import { LeafWord, nodeWord, ROOT_WORDS, Root } from '../keyspace/root.ts'
import type { Arena } from '../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../memory/layout.ts'
import { BytesSource, type RdbWriter } from './rdb/rdb-writer.ts'
import { LEAF_READERS, type LeafReader, type ValueView } from './rdb/value-view.ts'

const NO_BYTES = new Uint8Array(0)
const NO_WORDS = new Uint32Array(0)

/** Reads leaves where they lie. */
class LiveLeaves implements LeafReader {
  bytes: Uint8Array = NO_BYTES
  words: Uint32Array = NO_WORDS
  start = 0
  length = 0
  arena: Arena | null = null
  #next: Ptr = NULL

  open(first: Ptr): void {
    this.#next = first
  }

  next(): boolean {
    const leaf = this.#next
    if (leaf === NULL) return false
    const arena = this.arena ?? fail('a view of the live keyspace has its arena')
    this.bytes = arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    this.words = arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    this.start = (leaf & PTR_SEGMENT_MASK) << 3
    this.length = arena.nodePages(leaf) * PAGE_BYTES
    this.#next = nodeWord(arena, leaf, LeafWord.Next)
    return true
  }
}

export class LiveValue implements ValueView {
  type: Type = Type.String
  encoding: Encoding = Encoding.Raw
  fieldDeadlineMs = 0
  root: Uint32Array | null = null
  bytes: Uint8Array = NO_BYTES
  start = 0
  length = 0
  readonly #readers = Array.from({ length: LEAF_READERS }, () => new LiveLeaves())
  readonly #slice = new Slice()
  readonly #root = new Root()
  #arena: Arena | null = null

  /** Points at the value of a record, which is a collection. Returns itself. */
  open(db: Database, record: Ptr): this {
    this.type = db.typeOf(record)
    this.encoding = db.encodingOf(record)
    this.fieldDeadlineMs = db.fieldDeadlineOf(record)
    this.#arena = db.collections.arena
    for (const reader of this.#readers) reader.arena = this.#arena
    this.root = null
    if (db.hasRoot(record)) {
      const { words, at } = db.readRoot(record, this.#root)
      this.root = words.slice(at, at + ROOT_WORDS)
      return this
    }
    const { bytes, start, length } = db.readString(record, this.#slice)
    this.bytes = bytes
    this.start = start
    this.length = length
    return this
  }

  reader(index: number): LeafReader {
    return this.#readers[index] ?? fail('a value has three readers')
  }

  *elementSteps(writer: RdbWriter, span: Ptr, length: number): Steps {
    const arena = this.#arena ?? fail('a view of the live keyspace has its arena')
    const start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
    yield* writer.stringSteps(length, new BytesSource(arena.contiguousBytes(span), start))
    yield
  }
}
