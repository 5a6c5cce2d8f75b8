// Sets in RDB streams. Written: an intset as the blob it is (type 11), any other as a count and its
// members (type 2), which is all that Redis 7.0 knows. Read besides: listpacks (type 20), as Redis
// 7.2 writes them.

import { asScratch, type ByteRange, Slice } from '../../../base/slice.ts'
import type { Steps } from '../../../base/steps.ts'
import { type AdoptedName, nameOfIntset, nameOfSet } from '../../../keyspace/adopted-value.ts'
import type { Database } from '../../../keyspace/database.ts'
import type { EncodingLimits } from '../../../keyspace/encoding-limits.ts'
import { LeafEntry, OFFSET_MASK, SLOTS_WORD } from '../../../keyspace/leaf-dict/dict-leaf.ts'
import * as listpack from '../../../keyspace/packed/listpack.ts'
import { PackedEntry, scratchEntry } from '../../../keyspace/packed/packed.ts'
import { Encoding, Type } from '../../../keyspace/record.ts'
import { ChainWord, LeafWord, RootWord } from '../../../keyspace/root.ts'
import { SetDraft } from '../../../keyspace/set/set-draft.ts'
import { NULL, type Ptr } from '../../../memory/layout.ts'
import { PackedReader } from '../packed-reader.ts'
import { PackedKind } from '../packed-walker.ts'
import { type RdbInput, RdbString } from '../rdb-input.ts'
import type { PackedValue, RdbEntry, RdbTarget } from '../rdb-target.ts'
import type { RdbWriter } from '../rdb-writer.ts'
import type { BuildOptions, ValueBuilder } from '../value-builder.ts'
import type { ValueEncoder, ValueView } from '../value-view.ts'

const RDB_SET = 2
const RDB_SET_INTSET = 11

/** Of the writing side alone: a step of it may run while a value is read or built. */
const WRITTEN = scratchEntry()
const LEAF_ENTRY = asScratch(new LeafEntry())

const ENTRY = new PackedEntry()
const STRING = new RdbString()
const TEXT = new Slice()
const READER = new PackedReader()

export const setEncoder: ValueEncoder = {
  rdbType(value) {
    const isIntset = value.root === null && value.encoding === Encoding.Intset
    return isIntset ? RDB_SET_INTSET : RDB_SET
  },

  writePacked(writer, { encoding, bytes, start, length }) {
    if (encoding === Encoding.Intset) {
      writer.string(bytes, start, length)
      return
    }
    writer.length(listpack.count(bytes, start))
    let at = listpack.firstEntry(bytes, start)
    while (at !== listpack.END) {
      at = listpack.readEntry(bytes, at, WRITTEN)
      writeEntry(writer, WRITTEN)
    }
  },

  writeLeaves,
}

function* writeLeaves(writer: RdbWriter, value: ValueView, root: Uint32Array): Steps {
  writer.length(root[RootWord.Chain + ChainWord.Count]!)
  const reader = value.reader(0)
  reader.open(root[RootWord.Chain + ChainWord.First]!, { isOrdered: false })
  while (reader.next()) {
    const { words, bytes, start } = reader
    const first = start / 4 + SLOTS_WORD
    const limit = first + words[start / 4 + LeafWord.Count]!
    for (let i = first; i < limit; i++) {
      const { isKeyOut, keyStart, keyLength } = LEAF_ENTRY.read(
        bytes,
        start + (words[i]! & OFFSET_MASK),
        false,
      )
      if (!isKeyOut) writer.string(bytes, keyStart, keyLength)
      else yield* value.elementSteps(writer, LEAF_ENTRY.keySpan, keyLength)
    }
    yield
  }
}

/** Writes an element of a packed value as a string. */
export function writeEntry(writer: RdbWriter, entry: PackedEntry): void {
  if (entry.isInteger) writer.integer(entry.int64.low, entry.int64.high)
  else writer.string(entry.bytes, entry.start, entry.length)
}

/** Type 2: a count and members. */
export function readSet(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  const count = input.length('set member count')
  if (count === 0) return target.onEmpty?.(entry)
  const sink = target.onCollection(entry, Type.Set, count)
  for (let i = 0; i < count; i++) {
    input.string(STRING, 'set member')
    sink?.onElement(STRING)
  }
  sink?.onCollectionEnd()
}

/** Type 11. */
export function readSetIntset(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, target, PackedKind.Intset)
}

/** Type 20. */
export function readSetListpack(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, target, PackedKind.Listpack)
}

function readPacked(input: RdbInput, entry: RdbEntry, target: RdbTarget, kind: PackedKind): void {
  READER.openValue(input, kind, 'set', 1)
  if (READER.count === 0) target.onEmpty?.(entry)
  const isTaken = READER.count > 0 && target.onPacked?.(entry, Type.Set, READER.value)
  if (READER.count > 0 && !isTaken) {
    const sink = target.onCollection(entry, Type.Set, READER.count)
    while (READER.next(ENTRY)) sink?.onElement(ENTRY.textInto(TEXT))
    sink?.onCollectionEnd()
  }
  READER.forget()
}

/** Makes sets of members. */
export class SetBuilder implements ValueBuilder {
  readonly #draft = new SetDraft()
  readonly #key = new Slice()
  #db: Database | null = null
  #isDamaged = false

  nameOf(value: PackedValue, limits: EncodingLimits): AdoptedName {
    return value.isIntset ? nameOfIntset(value, limits) : nameOfSet(value, limits)
  }

  begin(db: Database, key: Slice, options: BuildOptions): void {
    this.#draft.discard()
    this.#draft.begin(db, options.limits.setIntsetEntriesMax)
    this.#draft.expect(options.count, options.bytesLeft)
    this.#key.setTo(key)
    this.#db = db
    this.#isDamaged = false
  }

  onElement(element: ByteRange): void {
    if (this.#isDamaged) return
    try {
      this.#draft.append(element)
    } catch (error) {
      this.#draft.discard()
      throw error
    }
  }

  onField(): void {
    this.#isDamaged = true
  }

  onMember(): void {
    this.#isDamaged = true
  }

  discard(): void {
    this.#draft.discard()
    this.#key.forget()
    this.#db = null
  }

  end(): Ptr {
    const db = this.#db
    this.#db = null
    try {
      if (db === null || this.#isDamaged || !this.#draft.finish()) return NULL
      if (this.#draft.count === 0) return NULL
      return this.#draft.put(db, this.#key)
    } finally {
      this.#draft.discard()
      this.#key.forget()
    }
  }
}
