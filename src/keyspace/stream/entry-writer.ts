// Writes entries: into leaves, out of the texts of a command or of a listpack, and into listpacks.
// Room and `touch` are the caller's. The format is drawn in entry-leaf.ts.

import { EMPTY_BYTES } from '../../base/bytes.ts'
import { asScratch, copySlice, Slice } from '../../base/slice.ts'
import { Int64 } from '../packed/int64.ts'
import { backlenBytes, bodyBytes, equalsEntry } from '../packed/listpack.ts'
import { bodyLength, writeBacklen, writeBody, writeIntegerBody } from '../packed/listpack-edit.ts'
import type { EntryCursor } from './entry-leaf.ts'
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

  /** Whether the names are the `count` ones that stand at `bytes[at]`, in the same order. */
  hasNames(bytes: Uint8Array, at: number, count: number): boolean {
    if (this.count !== count) return false
    for (let i = 0; i < count; i++) {
      if (!equalsEntry(bytes, at, this.name(i))) return false
      at += bodyBytes(bytes, at)
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

/** Most bytes of an entry besides texts: flags, two differences, a count. */
export const HEAD_BYTES_MAX = 24
/** Most bytes that a text takes besides its own: in a leaf, in a listpack. */
const TEXT_BYTES_MAX = 5
const LISTPACK_TEXT_BYTES_MAX = 10
/** Largest number that is its own byte. */
const SMALL_MAX = 127
/** Longest body whose length takes a byte. */
const SHORT_BODY_MAX = 127

/** Whether an entry with these fields takes no more than `room` in a leaf. */
export function fitsLeaf(fields: Fields, isSame: boolean, room: number): boolean {
  const bytes = HEAD_BYTES_MAX + fields.textBytes
  // Nearly always one look is enough.
  if (bytes + 2 * TEXT_BYTES_MAX * fields.count <= room) return true
  return HEAD_BYTES_MAX + (isSame ? 0 : namesBytes(fields)) + valuesBytes(fields) <= room
}

/** Bytes that names take in a leaf. */
export function namesBytes(fields: Fields): number {
  let bytes = 0
  for (let i = 0; i < fields.count; i++) bytes += bodyLength(fields.name(i))
  return bytes
}

/** Bytes that values take in a leaf. */
export function valuesBytes(fields: Fields): number {
  let bytes = 0
  for (let i = 0; i < fields.count; i++) bytes += bodyLength(fields.value(i))
  return bytes
}

/** No entry with `count` fields and `bytes` bytes of elements takes more in a listpack. */
export function listpackBytesMax(bytes: number, count: number): number {
  return 2 * HEAD_BYTES_MAX + bytes + 2 * LISTPACK_TEXT_BYTES_MAX * count
}

/** Writes elements one behind the other, with lengths behind them where a listpack is made. */
export class EntryWriter {
  bytes: Uint8Array = EMPTY_BYTES
  start = 0
  at = 0
  /** Bytes that the elements take in a listpack, from `open` on. */
  listpackBytes = 0
  readonly #isListpack: boolean
  readonly #int64 = new Int64()
  readonly #slice = asScratch(new Slice())

  constructor(isListpack: boolean) {
    this.#isListpack = isListpack
  }

  open(bytes: Uint8Array, at: number): void {
    this.bytes = bytes
    this.start = at
    this.at = at
    this.listpackBytes = 0
  }

  /** Flags, and how far the ID is from the master's. */
  head(flags: number, master: Uint32Array, id: StreamId): void {
    this.bytes[this.at] = flags
    this.#end(this.at + 1)
    this.#difference(master, id.words, 0)
    this.#difference(master, id.words, 2)
  }

  number(value: number): void {
    if (value <= SMALL_MAX) {
      this.bytes[this.at] = value
      return this.#end(this.at + 1)
    }
    this.#int64.low = value
    this.#int64.high = 0
    this.#end(writeIntegerBody(this.#int64, this.bytes, this.at))
  }

  text(text: Slice): void {
    this.#end(writeBody(text, this.bytes, this.at))
  }

  names(fields: Fields): void {
    for (let i = 0; i < fields.count; i++) this.text(fields.name(i))
  }

  values(fields: Fields): void {
    for (let i = 0; i < fields.count; i++) this.text(fields.value(i))
  }

  namesAndValues(fields: Fields): void {
    this.number(fields.count)
    for (let i = 0; i < fields.count; i++) {
      this.text(fields.name(i))
      this.text(fields.value(i))
    }
  }

  /** The names of the cursor's entry. */
  copyNames(cursor: EntryCursor): void {
    cursor.openFields()
    for (let i = 0; i < cursor.fields; i++) {
      cursor.nextField()
      this.#copy(cursor.bytes, cursor.nameAt)
    }
  }

  copyValues(cursor: EntryCursor): void {
    cursor.openFields()
    for (let i = 0; i < cursor.fields; i++) {
      cursor.nextField()
      this.#copy(cursor.bytes, cursor.valueAt)
    }
  }

  copyNamesAndValues(cursor: EntryCursor): void {
    this.number(cursor.fields)
    cursor.openFields()
    for (let i = 0; i < cursor.fields; i++) {
      cursor.nextField()
      this.#copy(cursor.bytes, cursor.nameAt)
      this.#copy(cursor.bytes, cursor.valueAt)
    }
  }

  /** Copies elements of a leaf, one behind the other; returns the offset behind the last. */
  copyElements(bytes: Uint8Array, at: number, count: number): number {
    for (let i = count; i > 0; i--) at += this.#copy(bytes, at)
    return at
  }

  /** Copies elements of a listpack, one behind the other. */
  copyListpackElements(bytes: Uint8Array, at: number, count: number): void {
    for (let i = count; i > 0; i--) {
      const body = this.#copy(bytes, at)
      at += body + backlenBytes(body)
    }
  }

  /** id[word] − master[word], over two words, modulo 2^64. */
  #difference(master: Uint32Array, id: Uint32Array, word: number): void {
    const lower = id[word + 1]! - master[word + 1]!
    // Nearly all IDs of a leaf are near each other.
    if (id[word]! === master[word]! && lower >= 0 && lower <= SMALL_MAX) return this.number(lower)
    this.#int64.low = lower | 0
    this.#int64.high = (id[word]! - master[word]! - (lower < 0 ? 1 : 0)) | 0
    this.#end(writeIntegerBody(this.#int64, this.bytes, this.at))
  }

  /** Copies the element at `bytes[at]`, with or without a length behind it; returns its bytes. */
  #copy(bytes: Uint8Array, at: number): number {
    const body = bodyBytes(bytes, at)
    copySlice(this.#slice.set(bytes, at, body), this.bytes, this.at)
    this.#end(this.at + body)
    return body
  }

  /** Ends an element at `limit`. */
  #end(limit: number): void {
    const body = limit - this.at
    if (body > SHORT_BODY_MAX) return this.#endLong(limit, body)
    this.listpackBytes += body + 1
    this.at = limit
    if (this.#isListpack) this.bytes[this.at++] = body
  }

  #endLong(limit: number, body: number): void {
    this.listpackBytes += body + backlenBytes(body)
    this.at = this.#isListpack ? writeBacklen(this.bytes, limit, body) : limit
  }
}
