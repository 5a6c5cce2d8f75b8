// Hashes in RDB streams. Written: what is called listpack and is one as its blob (type 16), any
// other as a count and its fields with values (type 4). Read besides: zipmaps (type 9) and ziplists
// (type 13) of older versions.
//
// A hash with deadlines of fields has types of Redis 7.4, which begin with the earliest of them, or
// a time before it, in eight bytes:
//
//    type 24   count; per field a length that is 0 without a deadline, else its distance from the
//              earliest and one more; field; value
//    type 25   blob of a listpack: field, value, deadline (0: none) in turn, the earliest first,
//              those without one last

import { assert } from '../../../base/assert.ts'
import type { I64 } from '../../../base/i64.ts'
import { asScratch, type ByteRange, Slice } from '../../../base/slice.ts'
import type { Steps } from '../../../base/steps.ts'
import { type AdoptedName, nameOfHash } from '../../../keyspace/adopted-value.ts'
import type { Database } from '../../../keyspace/database.ts'
import { defaultEncodingLimits, type EncodingLimits } from '../../../keyspace/encoding-limits.ts'
import { deadlineOf, HashDraft } from '../../../keyspace/hash/hash-draft.ts'
import { LeafEntry, OFFSET_MASK, SLOTS_WORD } from '../../../keyspace/leaf-dict/dict-leaf.ts'
import * as listpack from '../../../keyspace/packed/listpack.ts'
import { PackedEntry, scratchEntry } from '../../../keyspace/packed/packed.ts'
import { Encoding, Type } from '../../../keyspace/record.ts'
import { ChainWord, LeafWord, RootWord } from '../../../keyspace/root.ts'
import { NULL, type Ptr } from '../../../memory/layout.ts'
import { PackedReader } from '../packed-reader.ts'
import { PackedKind } from '../packed-walker.ts'
import { ValueType } from '../rdb-format.ts'
import { type RdbInput, RdbString } from '../rdb-input.ts'
import type { PackedValue, RdbEntry, RdbTarget } from '../rdb-target.ts'
import type { RdbWriter } from '../rdb-writer.ts'
import type { BuildOptions, ValueBuilder } from '../value-builder.ts'
import type { ValueEncoder, ValueView } from '../value-view.ts'
import { writeEntry } from './set.ts'

const RDB_HASH = 4
const RDB_HASH_LISTPACK = 16
/** Fields of a packed hash are less. */
const PACKED_FIELDS_MAX = 2048

/** Of the writing side alone: a step of it may run while a value is read or built. */
const WRITTEN = scratchEntry()
const LEAF_ENTRY = asScratch(new LeafEntry())
/** Fields of a packed hash: places, deadlines, and their order in the file. */
const PLACES = new Uint32Array(PACKED_FIELDS_MAX + 1)
const DEADLINES = new Float64Array(PACKED_FIELDS_MAX)
const ORDER = new Uint16Array(PACKED_FIELDS_MAX)

const ENTRY = new PackedEntry()
const VALUE_ENTRY = new PackedEntry()
const DEADLINE_ENTRY = new PackedEntry()
const STRING = new RdbString()
const FIELD_STRING = new RdbString()
const FIELD = new Slice()
const VALUE = new Slice()
const READER = new PackedReader()

export const hashEncoder: ValueEncoder = {
  rdbType({ root, encoding, fieldDeadlineMs }) {
    if (root === null) {
      if (encoding === Encoding.Listpack) return RDB_HASH_LISTPACK
      const isEx = encoding === Encoding.ListpackEx && fieldDeadlineMs !== 0
      return isEx ? ValueType.HashListpackEx : RDB_HASH
    }
    return fieldDeadlineMs === 0 ? RDB_HASH : ValueType.HashWithDeadlines
  },

  writePacked(writer, value) {
    const { bytes, start, length } = value
    if (value.encoding === Encoding.Listpack) writer.string(bytes, start, length)
    else if (value.encoding === Encoding.Hashtable) writePairs(writer, value, 2)
    else if (value.fieldDeadlineMs === 0) writePairs(writer, value, 3)
    else {
      writer.time(value.fieldDeadlineMs)
      writer.string(sortedTriples(value), 0, length)
    }
  },

  writeLeaves,
}

/** Writes fields and values of a listpack of which each `stride` entries are a field. */
function writePairs(writer: RdbWriter, { bytes, start }: ValueView, stride: 2 | 3): void {
  writer.length(listpack.count(bytes, start) / stride)
  let at = listpack.firstEntry(bytes, start)
  while (at !== listpack.END) {
    at = listpack.readEntry(bytes, at, WRITTEN)
    writeEntry(writer, WRITTEN)
    at = listpack.readEntry(bytes, at, WRITTEN)
    writeEntry(writer, WRITTEN)
    if (stride === 3) at = listpack.nextEntry(bytes, at)
  }
}

/** A copy of the listpack with its fields in the order of their deadlines. */
function sortedTriples({ bytes, start, length }: ValueView): Uint8Array {
  let count = 0
  for (let at = listpack.firstEntry(bytes, start); at !== listpack.END; count++) {
    assert(count < PACKED_FIELDS_MAX, 'packed hashes are small')
    PLACES[count] = at
    ORDER[count] = count
    at = listpack.readEntry(bytes, listpack.skipEntries(bytes, at, 2), WRITTEN)
    DEADLINES[count] = deadlineOf(WRITTEN) || Number.POSITIVE_INFINITY
  }
  PLACES[count] = listpack.endOf(bytes, start)
  ORDER.subarray(0, count).sort((a, b) => DEADLINES[a]! - DEADLINES[b]! || a - b)
  const target = new Uint8Array(length)
  target.set(bytes.subarray(start, start + length))
  let to = listpack.HEADER_BYTES
  for (let i = 0; i < count; i++) {
    const from = PLACES[ORDER[i]!]!
    const limit = PLACES[ORDER[i]! + 1]!
    target.set(bytes.subarray(from, limit), to)
    to += limit - from
  }
  return target
}

function* writeLeaves(writer: RdbWriter, value: ValueView, root: Uint32Array): Steps {
  const { fieldDeadlineMs } = value
  if (fieldDeadlineMs !== 0) writer.time(fieldDeadlineMs)
  writer.length(root[RootWord.Chain + ChainWord.Count]!)
  const reader = value.reader(0)
  reader.open(root[RootWord.Chain + ChainWord.First]!, { isOrdered: false })
  while (reader.next()) {
    const { words, bytes, start } = reader
    const first = start / 4 + SLOTS_WORD
    const limit = first + words[start / 4 + LeafWord.Count]!
    for (let i = first; i < limit; i++) {
      const at = start + (words[i]! & OFFSET_MASK)
      const { isKeyOut, isValueOut } = LEAF_ENTRY.read(bytes, at, true)
      if (fieldDeadlineMs !== 0) {
        const { deadlineMs } = LEAF_ENTRY
        writer.length(deadlineMs === 0 ? 0 : deadlineMs - fieldDeadlineMs + 1)
      }
      if (!isKeyOut) writer.string(bytes, LEAF_ENTRY.keyStart, LEAF_ENTRY.keyLength)
      else {
        yield* value.elementSteps(writer, LEAF_ENTRY.keySpan, LEAF_ENTRY.keyLength)
        // Others may have used the entry meanwhile.
        LEAF_ENTRY.read(bytes, at, true)
      }
      if (!isValueOut) writer.string(bytes, LEAF_ENTRY.valueStart, LEAF_ENTRY.valueLength)
      else yield* value.elementSteps(writer, LEAF_ENTRY.valueSpan, LEAF_ENTRY.valueLength)
    }
    yield
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
  if (count === 0) return target.onEmpty?.(entry)
  const sink = target.onCollection(entry, Type.Hash, count)
  for (let i = 0; i < count; i++) {
    const field = readField(input, sink !== null)
    input.string(STRING, 'hash value')
    sink?.onField(field, STRING, 0)
  }
  KEPT.release()
  sink?.onCollectionEnd()
}

/** Reads a field; it stays valid while its value is read, if it is used. */
function readField(input: RdbInput, isUsed: boolean): ByteRange {
  input.string(FIELD_STRING, 'hash field')
  if (!isUsed || input.staysValid(FIELD_STRING)) return FIELD_STRING
  KEPT.keep(FIELD_STRING)
  return KEPT.slice
}

/** Type 24. */
export function readHashWithDeadlines(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  const earliestMs = input.int64('earliest field deadline')
  const count = input.length('hash field count')
  if (count === 0) return target.onEmpty?.(entry)
  const sink = target.onCollection(entry, Type.Hash, count)
  for (let i = 0; i < count; i++) {
    const { position } = input
    const distance = input.length('field deadline')
    const deadlineMs = distance === 0 ? 0 : earliestMs + distance - 1
    if (!isDeadline(deadlineMs) || (distance !== 0 && deadlineMs === 0)) {
      throw input.corrupt('field deadline', position, `${deadlineMs}`, 'unix ms')
    }
    const field = readField(input, sink !== null)
    input.string(STRING, 'hash value')
    sink?.onField(field, STRING, deadlineMs)
  }
  KEPT.release()
  sink?.onCollectionEnd()
}

/** Type 25. The earliest deadline is found again among the fields. */
export function readHashListpackEx(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  input.int64('earliest field deadline')
  const { position } = input
  READER.openValue(input, PackedKind.Listpack, 'hash')
  const { count } = READER
  if (count % 3 !== 0) {
    throw input.corrupt('hash', position, `${count} elements`, 'fields with values and deadlines')
  }
  if (count === 0) target.onEmpty?.(entry)
  if (count > 0) {
    const sink = target.onCollection(entry, Type.Hash, count / 3)
    while (READER.next(ENTRY)) {
      ENTRY.textInto(FIELD)
      const hasValue = READER.next(VALUE_ENTRY)
      const hasDeadline = READER.next(DEADLINE_ENTRY)
      assert(hasValue && hasDeadline, 'elements come in threes')
      const deadlineMs = DEADLINE_ENTRY.isInteger ? DEADLINE_ENTRY.integer : -1
      if (!isDeadline(deadlineMs)) {
        const found = DEADLINE_ENTRY.toLatin1()
        throw input.corrupt('field deadline', position, found, 'unix ms')
      }
      sink?.onField(FIELD, VALUE_ENTRY.textInto(VALUE), deadlineMs)
    }
    sink?.onCollectionEnd()
  }
  READER.forget()
}

/** Whether it can be the deadline of a field; 0: none. */
function isDeadline(value: I64): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
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
  READER.openValue(input, kind, 'hash', 2)
  const { count } = READER
  if (count % 2 !== 0) {
    throw input.corrupt('hash', position, `${count} elements`, 'fields with values')
  }
  if (count === 0 && kind === PackedKind.Zipmap) {
    // As in Redis: no version has ever written one.
    const expected = 'fields with values: Zipmap integrity check failed'
    throw input.corrupt('hash', position, 'an empty zipmap', expected)
  }
  if (count === 0) target.onEmpty?.(entry)
  const isListpack = kind === PackedKind.Listpack
  const isTaken = isListpack && count > 0 && target.onPacked?.(entry, Type.Hash, READER.value)
  if (count > 0 && !isTaken) {
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

  nameOf(value: PackedValue, limits: EncodingLimits): AdoptedName {
    return nameOfHash(value, limits)
  }

  begin(db: Database, key: Slice, options: BuildOptions): void {
    this.#draft.discard()
    this.#draft.begin(db)
    this.#draft.expect(options.count, options.bytesLeft)
    this.#limits = options.limits
    this.#key.setTo(key)
    this.#db = db
    this.#isDamaged = false
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    if (this.#isDamaged) return
    try {
      this.#draft.append(field, value, this.#limits, deadlineMs)
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
