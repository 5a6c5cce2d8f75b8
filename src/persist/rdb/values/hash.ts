// Hashes in RDB streams. Written: what is called listpack and is one as its blob (type 16), any
// other as a count and its fields with values (type 4). Read besides: zipmaps (type 9) and ziplists
// (type 13) of older versions.

import { assert } from '../../../base/assert.ts'
import { type ByteRange, Slice } from '../../../base/slice.ts'
import type { Database } from '../../../keyspace/database.ts'
import { LeafEntry, OFFSET_MASK, SLOTS_WORD } from '../../../keyspace/dict-leaf.ts'
import { defaultEncodingLimits, type EncodingLimits } from '../../../keyspace/encoding-limits.ts'
import { HashDraft } from '../../../keyspace/hash/hash-draft.ts'
import * as listpack from '../../../keyspace/packed/listpack.ts'
import { PackedEntry } from '../../../keyspace/packed/packed.ts'
import { Encoding, Type } from '../../../keyspace/record.ts'
import { ChainWord, LeafWord, RootWord } from '../../../keyspace/root.ts'
import { NULL, type Ptr } from '../../../memory/layout.ts'
import { PackedReader } from '../packed-reader.ts'
import { PackedKind } from '../packed-walker.ts'
import { type RdbInput, RdbString } from '../rdb-input.ts'
import type { RdbEntry, RdbTarget } from '../rdb-target.ts'
import type { RdbWriter } from '../rdb-writer.ts'
import type { ValueBuilder } from '../value-builder.ts'
import type { ValueEncoder, ValueView } from '../value-view.ts'
import { writeLeafKey, writePacked } from './set.ts'

const RDB_HASH = 4
const RDB_HASH_LISTPACK = 16

const ENTRY = new PackedEntry()
const VALUE_ENTRY = new PackedEntry()
const LEAF_ENTRY = new LeafEntry()
const STRING = new RdbString()
const FIELD = new Slice()
const VALUE = new Slice()
const READER = new PackedReader()

export const hashEncoder: ValueEncoder = {
  rdbType(value) {
    const isListpack = value.root === null && value.encoding === Encoding.Listpack
    return isListpack ? RDB_HASH_LISTPACK : RDB_HASH
  },

  write(writer, value) {
    const { root, bytes, start } = value
    if (root !== null) writeLeaves(writer, value, root)
    else if (value.encoding === Encoding.Listpack) writer.string(bytes, start, value.length)
    else {
      writer.length(listpack.count(bytes, start) / 2)
      let at = listpack.firstEntry(bytes, start)
      while (at !== listpack.END) {
        at = listpack.readEntry(bytes, at, ENTRY)
        writePacked(writer, ENTRY)
      }
    }
  },
}

function writeLeaves(writer: RdbWriter, value: ValueView, root: Uint32Array): void {
  writer.length(root[RootWord.Chain + ChainWord.Count]!)
  const reader = value.reader(0)
  reader.open(root[RootWord.Chain + ChainWord.First]!, { isOrdered: false })
  while (reader.next()) {
    const { words, bytes, start } = reader
    const first = start / 4 + SLOTS_WORD
    const limit = first + words[start / 4 + LeafWord.Count]!
    for (let i = first; i < limit; i++) {
      const entry = LEAF_ENTRY.read(bytes, start + (words[i]! & OFFSET_MASK), true)
      writeLeafKey(writer, value, entry)
      if (entry.isValueOut) value.writeElement(writer, entry.valueSpan, entry.valueLength)
      else writer.string(entry.bytes, entry.valueStart, entry.valueLength)
    }
  }
}

/** A field, kept while its value is read. */
class KeptField {
  readonly slice = new Slice()
  #bytes = new Uint8Array(1024)

  keep({ bytes, start, length }: ByteRange): void {
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(length)
    this.#bytes.set(bytes.subarray(start, start + length))
    this.slice.set(this.#bytes, 0, length)
  }

  /** Gives a long field's memory back. */
  release(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(1024)
    this.slice.forget()
  }
}

const KEPT_BYTES = 1024 * 1024
const KEPT = new KeptField()

/** Type 4: a count, and fields with values. */
export function readHash(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  const count = input.length('hash field count')
  if (count === 0) return
  const sink = target.onCollection(entry, Type.Hash, count)
  for (let i = 0; i < count; i++) {
    input.string(STRING, 'hash field')
    if (sink !== null) KEPT.keep(STRING)
    input.string(STRING, 'hash value')
    sink?.onField(KEPT.slice, STRING, 0)
  }
  KEPT.release()
  sink?.onCollectionEnd()
}

/** Type 9. */
export function readHashZipmap(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, target, PackedKind.Zipmap)
}

/** Type 13. */
export function readHashZiplist(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, target, PackedKind.Ziplist)
}

/** Type 16. */
export function readHashListpack(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, target, PackedKind.Listpack)
}

function readPacked(input: RdbInput, entry: RdbEntry, target: RdbTarget, kind: PackedKind): void {
  const { position } = input
  READER.openValue(input, kind, 'hash')
  const { count } = READER
  if (count % 2 !== 0) {
    throw input.corrupt('hash', position, `${count} elements`, 'fields with values')
  }
  if (count > 0) {
    const sink = target.onCollection(entry, Type.Hash, count / 2)
    while (READER.next(ENTRY)) {
      ENTRY.textInto(FIELD)
      const hasValue = READER.next(VALUE_ENTRY)
      assert(hasValue, 'elements come in pairs')
      sink?.onField(FIELD, VALUE_ENTRY.textInto(VALUE), 0)
    }
    sink?.onCollectionEnd()
  }
  READER.forget()
}

/** Makes hashes of fields with values. */
export class HashBuilder implements ValueBuilder {
  readonly #draft = new HashDraft()
  readonly #key = new Slice()
  #limits = defaultEncodingLimits()
  #db: Database | null = null
  #isDamaged = false

  begin(
    db: Database,
    key: Slice,
    options: { readonly limits: EncodingLimits; readonly count: number },
  ): void {
    this.#draft.discard()
    this.#draft.begin(db)
    this.#limits = options.limits
    this.#key.setTo(key)
    this.#db = db
    this.#isDamaged = false
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    assert(deadlineMs === 0, 'no form that is read has deadlines')
    if (this.#isDamaged) return
    try {
      this.#isDamaged = !this.#draft.add(field, value, this.#limits)
    } catch (error) {
      this.#draft.discard()
      throw error
    }
  }

  onElement(): void {
    this.#isDamaged = true
  }

  onMember(): void {
    this.#isDamaged = true
  }

  onCollectionEnd(): void {}

  end(): Ptr {
    const db = this.#db
    this.#db = null
    try {
      if (db === null || this.#isDamaged || this.#draft.count === 0) return NULL
      return this.#draft.put(db, this.#key)
    } finally {
      this.#draft.discard()
      this.#key.forget()
    }
  }
}
