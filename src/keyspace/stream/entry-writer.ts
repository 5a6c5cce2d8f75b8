// Writes entries into the listpacks of leaves: how long one gets, a listpack with a first entry,
// one more entry, and the counts of the master. Room and `touch` are the caller's. The format is
// drawn in entry-leaf.ts.

import { assert } from '../../base/assert.ts'
import { asScratch, Slice } from '../../base/slice.ts'
import {
  EMPTY_BYTES,
  endOf,
  entryBytes,
  equalsEntry,
  firstEntry,
  readEntry,
} from '../packed/listpack.ts'
import {
  addCount,
  encodedLength,
  encodedPackedLength,
  encodeEntry,
  encodePacked,
  spliceWithin,
  writeEmpty,
} from '../packed/listpack-edit.ts'
import { scratchEntry } from '../packed/packed.ts'
import { ENTRY_EXTRAS, type EntryCursor, EntryFlag, setDifference } from './entry-leaf.ts'
import type { StreamId } from './stream-id.ts'

/** Texts as a command has them; names and values of an entry stand in turn from some index on. */
export interface Texts {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array
  readonly lengths: Uint32Array
}

/** The fields of an entry: `count` names and as many values, from text `from` on. */
export class Fields {
  from = 0
  count = 0
  /** Bytes of all names and values. */
  textBytes = 0
  #texts: Texts = NO_TEXTS
  readonly #slice = asScratch(new Slice())

  open(texts: Texts, from: number, count: number): this {
    this.#texts = texts
    this.from = from
    this.count = count
    let sum = 0
    for (let i = from; i < from + 2 * count; i++) sum += texts.lengths[i]!
    this.textBytes = sum
    return this
  }

  name(i: number): Slice {
    return this.#text(this.from + 2 * i)
  }

  value(i: number): Slice {
    return this.#text(this.from + 2 * i + 1)
  }

  /** Whether the names are those of the leaf's master, in the same order. */
  areMasters(cursor: EntryCursor): boolean {
    if (this.count !== cursor.masterFields) return false
    let at = cursor.masterNames
    for (let i = 0; i < this.count; i++) {
      if (!equalsEntry(cursor.bytes, at, this.name(i))) return false
      at += entryBytes(cursor.bytes, at)
    }
    return true
  }

  /** Lets go of the texts. */
  close(): void {
    this.#texts = NO_TEXTS
    this.#slice.forget()
  }

  #text(i: number): Slice {
    return this.#slice.set(this.#texts.bytes, this.#texts.starts[i]!, this.#texts.lengths[i]!)
  }
}

const NO_TEXTS: Texts = {
  bytes: new Uint8Array(0),
  starts: new Uint32Array(0),
  lengths: new Uint32Array(0),
}
const NUMBER = scratchEntry()
/** A number of up to seven bits, with its length. */
const SMALL_BYTES = 2

/** Bytes of a listpack whose only entry has these fields. */
export function firstListpackBytes(fields: Fields): number {
  let bytes = EMPTY_BYTES + 3 * SMALL_BYTES + numberBytes(fields.count)
  for (let i = 0; i < fields.count; i++) bytes += encodedLength(fields.name(i))
  bytes += 3 * SMALL_BYTES + numberBytes(fields.count + ENTRY_EXTRAS)
  for (let i = 0; i < fields.count; i++) bytes += encodedLength(fields.value(i))
  return bytes
}

/** Writes a listpack whose only entry has the master's ID and these fields. */
export function writeFirstListpack(bytes: Uint8Array, start: number, fields: Fields): void {
  const length = firstListpackBytes(fields)
  writeEmpty(bytes, start)
  let at = endOf(bytes, start)
  spliceWithin(bytes, start, at, length - EMPTY_BYTES)
  const limit = endOf(bytes, start)
  at = writeNumber(bytes, at, 1)
  at = writeNumber(bytes, at, 0)
  at = writeNumber(bytes, at, fields.count)
  for (let i = 0; i < fields.count; i++) at = encodeEntry(fields.name(i), bytes, at)
  at = writeNumber(bytes, at, 0)
  at = writeNumber(bytes, at, EntryFlag.SameFields)
  at = writeNumber(bytes, at, 0)
  at = writeNumber(bytes, at, 0)
  for (let i = 0; i < fields.count; i++) at = encodeEntry(fields.value(i), bytes, at)
  at = writeNumber(bytes, at, fields.count + ENTRY_EXTRAS)
  assert(at === limit, 'a listpack is as long as foretold')
  addCount(bytes, start, 2 * fields.count + 4 + ENTRY_EXTRAS + 1)
}

/** Bytes that one more entry takes; `isSame`: its fields are the master's. */
export function entryLength(
  cursor: EntryCursor,
  id: StreamId,
  fields: Fields,
  isSame: boolean,
): number {
  let bytes = SMALL_BYTES
  setDifference(cursor.master, id, 0, NUMBER)
  bytes += encodedPackedLength(NUMBER)
  setDifference(cursor.master, id, 2, NUMBER)
  bytes += encodedPackedLength(NUMBER)
  if (!isSame) {
    bytes += numberBytes(fields.count)
    for (let i = 0; i < fields.count; i++) bytes += encodedLength(fields.name(i))
  }
  for (let i = 0; i < fields.count; i++) bytes += encodedLength(fields.value(i))
  return bytes + numberBytes(elementsOf(fields, isSame))
}

/** Appends an entry of `length` bytes, as `entryLength` told, to the open leaf. */
export function appendEntry(
  cursor: EntryCursor,
  id: StreamId,
  fields: Fields,
  entry: { readonly length: number; readonly isSame: boolean },
): void {
  const { bytes, start } = cursor
  const { length, isSame } = entry
  let at = endOf(bytes, start)
  const limit = at + length
  spliceWithin(bytes, start, at, length)
  at = writeNumber(bytes, at, isSame ? EntryFlag.SameFields : 0)
  setDifference(cursor.master, id, 0, NUMBER)
  at = encodePacked(NUMBER, bytes, at)
  setDifference(cursor.master, id, 2, NUMBER)
  at = encodePacked(NUMBER, bytes, at)
  if (!isSame) at = writeNumber(bytes, at, fields.count)
  for (let i = 0; i < fields.count; i++) {
    if (!isSame) at = encodeEntry(fields.name(i), bytes, at)
    at = encodeEntry(fields.value(i), bytes, at)
  }
  const elements = elementsOf(fields, isSame)
  at = writeNumber(bytes, at, elements)
  assert(at === limit, 'an entry is as long as foretold')
  addCount(bytes, start, elements + 1)
}

/** Changes the counts of live and deleted entries that the master keeps. */
export function changeCounts(
  bytes: Uint8Array,
  start: number,
  live: number,
  deleted: number,
): void {
  let at = firstEntry(bytes, start)
  at = addNumber(bytes, start, at, live)
  addNumber(bytes, start, at, deleted)
}

/** Puts flags in the place of those at `at`; they are as long. */
export function setFlags(bytes: Uint8Array, at: number, flags: number): void {
  assert(entryBytes(bytes, at) === SMALL_BYTES, 'flags are a small number')
  writeNumber(bytes, at, flags)
}

/** Elements before the last one of an entry. */
function elementsOf(fields: Fields, isSame: boolean): number {
  return isSame ? fields.count + ENTRY_EXTRAS : 2 * fields.count + ENTRY_EXTRAS + 1
}

/** Adds to the number at `at`; returns the offset after it. */
function addNumber(bytes: Uint8Array, start: number, at: number, change: number): number {
  if (change === 0) return at + entryBytes(bytes, at)
  const old = entryBytes(bytes, at)
  readEntry(bytes, at, NUMBER)
  const value = NUMBER.int64.low + change
  assert(value >= 0, 'a count is not negative')
  const length = numberBytes(value)
  if (length !== old) spliceWithin(bytes, start, at + old, length - old)
  return writeNumber(bytes, at, value)
}

function numberBytes(value: number): number {
  NUMBER.setInt32(value)
  return encodedPackedLength(NUMBER)
}

function writeNumber(bytes: Uint8Array, at: number, value: number): number {
  NUMBER.setInt32(value)
  return encodePacked(NUMBER, bytes, at)
}
