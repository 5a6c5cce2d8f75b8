// Sorted sets in RDB streams:
//
//    3   text scores   count, then member, score as text with its length in a byte; 253, 254 and
//                      255 there mean not a number, infinity, and its opposite
//    5                 count, then member, score as eight bytes, little-endian
//    12  ziplist       one string: a ziplist of member, score in turn
//    17  listpack      one string: a listpack of member, score in turn
//
// A packed set is written as it lies if it is called listpack; all others element by element, from
// the highest score down if that is known, as Redis does. Leaves of a large set may come in any
// order, which spares writers waiting for the scanner.
// A set without members is passed over, as Redis does; a member that stands there twice, and what
// is no number, is damage.

import { assert, fail } from '../../../base/assert.ts'
import { type ByteRange, copySlice, Slice, scratchSlice } from '../../../base/slice.ts'
import type { Steps } from '../../../base/steps.ts'
import { type AdoptedName, nameOfZset } from '../../../keyspace/adopted-value.ts'
import type { Database } from '../../../keyspace/database.ts'
import type { EncodingLimits } from '../../../keyspace/encoding-limits.ts'
import * as listpack from '../../../keyspace/packed/listpack.ts'
import { scratchEntry } from '../../../keyspace/packed/packed.ts'
import { Encoding, Type } from '../../../keyspace/record.ts'
import { ChainWord, LeafWord, RootWord } from '../../../keyspace/root.ts'
import { parseScore, previousMember, scoreOf } from '../../../keyspace/zset/packed-zset.ts'
import { zsetsOf } from '../../../keyspace/zset/zset.ts'
import { LeafEntry } from '../../../keyspace/zset/zset-leaf.ts'
import { NULL, type Ptr } from '../../../memory/layout.ts'
import { PackedReader } from '../packed-reader.ts'
import { PackedKind } from '../packed-walker.ts'
import type { RdbInput } from '../rdb-input.ts'
import type { PackedValue, RdbEntry, RdbTarget } from '../rdb-target.ts'
import type { RdbWriter } from '../rdb-writer.ts'
import type { BuildOptions, ValueBuilder } from '../value-builder.ts'
import type { ValueEncoder, ValueView } from '../value-view.ts'
import { writeEntry } from './set.ts'

const WIDE = 5
const LISTPACK = 17
/** Lengths of a text score that say what the score is. */
const TextScore = { NotANumber: 253, Infinite: 254, NegativeInfinite: 255 } as const
/** Longest score in a file, as text with its length. */
const SCORE_BYTES_MAX = 256
/** The least that a member has in a file, with its score. */
const MEMBER_BYTES_MIN = 3
/** Room for members that is kept from one to the next. */
const COPY_KEPT_BYTES = 64 * 1024
const ANY_ORDER = { isOrdered: false }
const COUNT_AT = RootWord.Chain + ChainWord.Count
const FIRST_AT = RootWord.Chain + ChainWord.First

/** Of the writing side alone: a step of it may run while a set is read or built. */
const WRITTEN = scratchEntry()
const WRITTEN_SCORE = new Float64Array(1)
const WRITTEN_SCORE_BYTES = new Uint8Array(WRITTEN_SCORE.buffer)
const LEAF_ENTRY = new LeafEntry()

const SCORE = new Float64Array(1)
const SCORE_WORDS = new Uint32Array(SCORE.buffer)
const MEMBER_ENTRY = scratchEntry()
const SCORE_ENTRY = scratchEntry()
const PACKED = new PackedReader()
const TEXT = scratchSlice()

export const zsetEncoder: ValueEncoder = {
  rdbType(value: ValueView): number {
    const isListpack = value.root === null && value.encoding === Encoding.Listpack
    return isListpack ? LISTPACK : WIDE
  },

  writePacked(writer: RdbWriter, value: ValueView): void {
    const { encoding, bytes, start, length } = value
    if (encoding === Encoding.Listpack) writer.string(bytes, start, length)
    else writePairs(writer, value)
  },

  writeLeaves,
}

/** Writes the members of a large set. */
function* writeLeaves(writer: RdbWriter, value: ValueView, root: Uint32Array): Steps {
  writer.length(root[COUNT_AT]!)
  const reader = value.reader(0)
  reader.open(root[FIRST_AT]!, ANY_ORDER)
  while (reader.next()) {
    const { bytes, words, start } = reader
    const count = words[start / 4 + LeafWord.Count]!
    for (let i = count - 1; i >= 0; i--) {
      LEAF_ENTRY.read(bytes, start, i)
      const { span, length, scoreAt } = LEAF_ENTRY
      if (span === NULL) writer.string(bytes, LEAF_ENTRY.start, length)
      else yield* value.elementSteps(writer, span, length)
      writer.raw(bytes, scoreAt, 8)
    }
    yield
  }
}

/** Writes the members of a packed set one by one. */
function writePairs(writer: RdbWriter, { bytes, start }: ValueView): void {
  writer.length(listpack.count(bytes, start) / 2)
  let at = previousMember(bytes, start, listpack.endOf(bytes, start))
  for (; at !== listpack.END; at = previousMember(bytes, start, at)) {
    listpack.readEntry(bytes, at, WRITTEN)
    writeEntry(writer, WRITTEN)
    WRITTEN_SCORE[0] = scoreOf(bytes, at)
    writer.raw(WRITTEN_SCORE_BYTES, 0, 8)
  }
}

/** Type 5: scores as eight bytes. */
export function readZset(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readMembers(input, entry, { target, readScore: wideScore })
}

/** Type 3: scores as text. */
export function readTextZset(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readMembers(input, entry, { target, readScore: textScore })
}

/** Type 12. */
export function readZiplistZset(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, { target, kind: PackedKind.Ziplist })
}

/** Type 17. */
export function readListpackZset(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  readPacked(input, entry, { target, kind: PackedKind.Listpack })
}

function readMembers(
  input: RdbInput,
  entry: RdbEntry,
  options: { readonly target: RdbTarget; readonly readScore: (input: RdbInput) => number },
): void {
  const { target, readScore } = options
  const count = input.length('sorted set count')
  if (count === 0) return target.onEmpty?.(entry)
  const collection = target.onCollection(entry, Type.Zset, count)
  // Reading the score may end the member's bytes.
  const member = MEMBER_COPY
  for (let i = 0; i < count; i++) {
    input.string(entry.value, 'sorted set member')
    const isKept = input.isBuffered(SCORE_BYTES_MAX)
    if (!isKept) member.take(entry.value)
    const position = input.position
    const score = readScore(input)
    if (Number.isNaN(score)) {
      throw input.corrupt('sorted set score', position, 'not a number', 'a number')
    }
    collection?.onMember(isKept ? entry.value : member.slice, score)
  }
  collection?.onCollectionEnd()
}

function readPacked(
  input: RdbInput,
  entry: RdbEntry,
  { target, kind }: { readonly target: RdbTarget; readonly kind: PackedKind },
): void {
  const position = input.position
  PACKED.openValue(input, kind, 'sorted set', 2)
  const { count } = PACKED
  if (count % 2 !== 0) {
    throw input.corrupt('sorted set', position, `${count} elements`, 'members with scores')
  }
  if (count === 0) return target.onEmpty?.(entry)
  const isListpack = kind === PackedKind.Listpack
  if (isListpack && target.onPacked?.(entry, Type.Zset, PACKED.value)) return PACKED.forget()
  const collection = target.onCollection(entry, Type.Zset, count / 2)
  while (PACKED.next(MEMBER_ENTRY)) {
    PACKED.next(SCORE_ENTRY)
    const score = SCORE_ENTRY.isInteger
      ? SCORE_ENTRY.int64.double
      : parseScore(SCORE_ENTRY.toLatin1())
    if (Number.isNaN(score)) {
      throw input.corrupt('sorted set score', position, SCORE_ENTRY.toLatin1(), 'a number')
    }
    collection?.onMember(MEMBER_ENTRY.textInto(TEXT), score)
  }
  collection?.onCollectionEnd()
}

function wideScore(input: RdbInput): number {
  SCORE_WORDS[0] = input.int32('sorted set score')
  SCORE_WORDS[1] = input.int32('sorted set score')
  return SCORE[0]!
}

function textScore(input: RdbInput): number {
  const length = input.byte('sorted set score')
  if (length === TextScore.NotANumber) return Number.NaN
  if (length === TextScore.Infinite) return Infinity
  if (length === TextScore.NegativeInfinite) return -Infinity
  let text = ''
  for (let i = 0; i < length; i++) text += String.fromCharCode(input.byte('sorted set score'))
  return text.trim() === '' ? Number.NaN : parseScore(text)
}

/** Bytes of a member that stay while the stream is read on. */
class MemberCopy {
  readonly slice = new Slice().set(new Uint8Array(COPY_KEPT_BYTES), 0, 0)

  take(source: ByteRange): void {
    const { length } = source
    const room = this.slice.bytes.length
    const isTooLarge = room > COPY_KEPT_BYTES && length <= COPY_KEPT_BYTES
    if (length > room || isTooLarge) {
      this.slice.bytes = new Uint8Array(Math.max(length, COPY_KEPT_BYTES))
    }
    this.slice.length = length
    copySlice(source, this.slice.bytes, 0)
  }
}

const MEMBER_COPY = new MemberCopy()

/** Makes sorted sets of what is read. */
class ZsetBuilder implements ValueBuilder {
  readonly #key = new Slice()
  readonly #member = new Slice()
  #db: Database | null = null
  #limits: EncodingLimits | null = null

  nameOf(value: PackedValue, limits: EncodingLimits): AdoptedName {
    return nameOfZset(value, limits)
  }

  begin(db: Database, key: Slice, options: BuildOptions): void {
    this.#db = db
    this.#key.setTo(key)
    this.#limits = options.limits
    const { limits, count, bytesLeft } = options
    zsetsOf(db).made.openFill(Math.min(count, Math.floor(bytesLeft / MEMBER_BYTES_MIN)), limits)
  }

  onMember(member: ByteRange, score: number): void {
    assert(this.#db !== null && this.#limits !== null, 'a value has begun')
    const slice = this.#member.set(member.bytes, member.start, member.length)
    zsetsOf(this.#db).made.append(slice, score, this.#limits)
  }

  onElement(): void {
    fail('a sorted set has members with scores')
  }

  onField(): void {
    fail('a sorted set has members with scores')
  }

  discard(): void {
    if (this.#db !== null) zsetsOf(this.#db).made.discard()
    this.#db = null
    this.#limits = null
    this.#key.forget()
    this.#member.forget()
  }

  end(): Ptr {
    const db = this.#db
    assert(db !== null, 'a value has begun')
    const { made } = zsetsOf(db)
    this.#db = null
    this.#limits = null
    this.#member.forget()
    if (made.finish() && made.count > 0) return made.storeAs(db, this.#key)
    made.discard()
    return NULL
  }
}

export const zsetBuilder: ValueBuilder = new ZsetBuilder()
