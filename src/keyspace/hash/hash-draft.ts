// A hash that is being made and has no key yet: hashes that are loaded, and hashes that change
// their form. Packed in memory of its own until it is too large for that; then in leaves, with its
// root in scratch words. With the first field that has a deadline a packed draft becomes one of
// field, value and deadline in turn. It becomes a value by `put`, `insert` or `putOn`, or is
// discarded.
//
// Owner: whoever made the draft; one at a time. ARENA_FULL leaves the draft as it was.

import { assert } from '../../base/assert.ts'
import { INTEGER_LENGTH_MAX, writeInteger } from '../../base/bytes.ts'
import { type ByteRange, copySlice, Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { DictFill } from '../leaf-dict/dict-fill.ts'
import { earlierOf } from '../leaf-dict/dict-leaf.ts'
import type { LeafDict } from '../leaf-dict/leaf-dict.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { survey } from '../packed/listpack-survey.ts'
import { type PackedEntry, scratchEntry } from '../packed/packed.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS, Root } from '../root.ts'

/**
 * Up to where a hash is packed, by what it is called: what Redis keeps as a listpack is one here,
 * within these bounds. Tests change it.
 */
export const PACKING = { bytesMax: 8192, listpackEntriesMax: 512, hashtableEntriesMax: 128 }

export const LISTPACK_HEAD = { type: Type.Hash, encoding: Encoding.Listpack } as const
export const LISTPACK_EX_HEAD = { type: Type.Hash, encoding: Encoding.ListpackEx } as const
export const HASHTABLE_HEAD = { type: Type.Hash, encoding: Encoding.Hashtable } as const

/** A listpack whose next field may be longer than that belongs into leaves. */
const OWN_BYTES = PACKING.bytesMax
/** A packed entry of 0. */
const NO_DEADLINE_BYTES = 2
const SOURCE = new Uint8Array(OWN_BYTES)
const CHANGE = { removed: 0, inserted: 0 }
const FIELD_ENTRY = scratchEntry()
const VALUE_ENTRY = scratchEntry()
const DEADLINE_ENTRY = scratchEntry()
const DEADLINE_DIGITS = new Uint8Array(INTEGER_LENGTH_MAX)
const DEADLINE_TEXT = new Slice()
const FIELD = scratchSlice()
const VALUE = scratchSlice()

/** What a hash with such a pair and so many fields is called, if it was called listpack before. */
export function nameFor(
  field: ByteRange,
  value: ByteRange,
  count: number,
  limits: EncodingLimits,
): Encoding {
  const { hashValueMax, hashEntriesMax } = limits
  const isShort = field.length <= hashValueMax && value.length <= hashValueMax
  return isShort && count <= hashEntriesMax ? Encoding.Listpack : Encoding.Hashtable
}

/** Whether a hash of that name is packed with so many fields and bytes. */
export function isPackable(encoding: Encoding, count: number, bytes: number): boolean {
  if (bytes > PACKING.bytesMax) return false
  if (encoding === Encoding.Hashtable) return count <= PACKING.hashtableEntriesMax
  return count <= PACKING.listpackEntriesMax
}

/** A deadline (unix ms; 0: none) as the text of a packed entry; valid until the next call. */
export function deadlineText(deadlineMs: number): Slice {
  return DEADLINE_TEXT.set(DEADLINE_DIGITS, 0, writeInteger(DEADLINE_DIGITS, 0, deadlineMs))
}

/** The deadline that a packed entry is. */
export function deadlineOf(entry: PackedEntry): number {
  const { integer } = entry
  assert(typeof integer === 'number' && integer >= 0, 'a deadline is unix time')
  return integer
}

export class HashDraft {
  #dict: LeafDict | null = null
  #isPacked = true
  #encoding: Encoding = Encoding.Listpack
  /** Packed entries of one field: two, or three with a deadline. */
  #stride = 2
  /** The earliest deadline, unix ms; 0: none. */
  #earliestMs = 0
  readonly #bytes = new Uint8Array(OWN_BYTES)
  readonly #packed = scratchSlice()
  readonly #words = new Uint32Array(ROOT_WORDS)
  readonly #root = new Root()

  /** For fields that are appended, without a look at each whether it is there. */
  readonly #fill = new DictFill()
  readonly #expectation = { count: 0, bytesLeft: 0 }
  #isFilling = false
  #appended = 0
  #isDoubled = false

  /** Begins an empty hash, which is called as `encoding` says. */
  begin(db: Database, encoding: Encoding = Encoding.Listpack): void {
    this.#dict = db.fieldDict
    this.#isFilling = false
    this.#isPacked = true
    this.#encoding = encoding
    this.#stride = encoding === Encoding.ListpackEx ? 3 : 2
    this.#earliestMs = 0
    edit.writeEmpty(this.#bytes, 0)
  }

  get count(): number {
    return this.#isPacked ? listpack.count(this.#bytes, 0) / this.#stride : this.#root.count
  }

  has(field: ByteRange): boolean {
    if (!this.#isPacked) return this.#fields().find(this.#root, field)
    const first = listpack.firstEntry(this.#bytes, 0)
    return listpack.find(this.#bytes, first, field, this.#stride - 1) !== listpack.END
  }

  /** Adds a field; false: it was there, and nothing has changed. A deadline of 0 is none. */
  add(field: ByteRange, value: ByteRange, limits: EncodingLimits, deadlineMs = 0): boolean {
    if (this.has(field)) return false
    this.addNew(field, value, limits, deadlineMs)
    return true
  }

  /** From now on fields come by `append` only. */
  expect(count: number, bytesLeft: number): void {
    this.#expectation.count = count
    this.#expectation.bytesLeft = bytesLeft
    this.#isFilling = true
    this.#appended = 0
    this.#isDoubled = false
  }

  /** Adds a field without a look whether it is there: that `finish` tells. */
  append(field: ByteRange, value: ByteRange, limits: EncodingLimits, deadlineMs = 0): void {
    assert(this.#isFilling, 'what is appended is expected')
    this.#appended++
    const name = this.#nameWith(nameFor(field, value, this.#appended, limits), deadlineMs)
    if (this.#isPacked) {
      if (this.#addPacked(field, value, name, deadlineMs)) return
      this.#toDict()
    }
    this.#rename(name, deadlineMs)
    this.#fillIn(field, value, deadlineMs)
  }

  /** After the last `append`: false, some field has come twice, and the draft is of no use. */
  finish(): boolean {
    if (this.#isPacked) return survey(this.#bytes, 0, this.#stride)
    return !this.#isDoubled && this.#fill.flush()
  }

  /** Adds a field that is not there. */
  addNew(field: ByteRange, value: ByteRange, limits: EncodingLimits, deadlineMs = 0): void {
    const name = this.#nameWith(nameFor(field, value, this.count + 1, limits), deadlineMs)
    if (this.#isPacked) {
      if (this.#addPacked(field, value, name, deadlineMs)) return
      this.#toDict()
    }
    const dict = this.#fields()
    dict.hashKey(field)
    dict.insert(this.#root, field, value, deadlineMs)
    this.#rename(name, deadlineMs)
  }

  /** Makes the hash the value of a key, whatever that held before; no deadline. Ends the draft. */
  put(db: Database, key: Slice): Ptr {
    const record = this.#isPacked
      ? db.putPacked(key, this.#value(), this.#head())
      : this.#placed(db.putRoot(key, this.#words, this.#head()))
    return this.#withDeadline(db, record)
  }

  /** `put` under a key that the last lookup, of this key, did not find. */
  insert(db: Database, key: Slice): Ptr {
    if (!this.#isPacked) return this.put(db, key)
    return this.#withDeadline(db, db.insert(key, this.#value(), this.#head()))
  }

  /**
   * Makes the hash the value of a record in the place of a packed one. The earliest deadline of the
   * record stays. Ends the draft.
   */
  putOn(db: Database, record: Ptr): Ptr {
    if (!this.#isPacked) return this.#placed(db.setRoot(record, this.#words, this.#encoding))
    const value = this.#value()
    CHANGE.removed = db.readString(record, VALUE).length
    CHANGE.inserted = value.length
    const made = db.splice(record, 0, CHANGE)
    const target = db.readString(made, VALUE)
    copySlice(value, target.bytes, target.start)
    db.setEncoding(made, this.#encoding)
    return made
  }

  /** Gives up what has been made; nothing to do for a draft that has ended. */
  discard(): void {
    this.#fill.forget()
    if (this.#isPacked) return
    this.#fields().discard(this.#words)
    this.#isPacked = true
    edit.writeEmpty(this.#bytes, 0)
  }

  /** The leaves have a record: they are not the draft's any more. */
  #placed(record: Ptr): Ptr {
    this.#isPacked = true
    edit.writeEmpty(this.#bytes, 0)
    return record
  }

  /** Notes the earliest deadline in a new record. Returns it; ARENA_FULL: it is gone. */
  #withDeadline(db: Database, record: Ptr): Ptr {
    if (this.#earliestMs === 0) return record
    try {
      return db.setFieldDeadline(record, this.#earliestMs)
    } catch (error) {
      db.remove(record)
      throw error
    }
  }

  /** What the hash is called with one more field of such a name and deadline. */
  #nameWith(name: Encoding, deadlineMs: number): Encoding {
    const old = this.#encoding
    if (old === Encoding.Hashtable || name === Encoding.Hashtable) return Encoding.Hashtable
    return deadlineMs !== 0 || old === Encoding.ListpackEx ? Encoding.ListpackEx : old
  }

  #rename(name: Encoding, deadlineMs: number): void {
    this.#encoding = name
    this.#earliestMs = earlierOf(this.#earliestMs, deadlineMs)
  }

  /** Adds a field to the packed hash, if it stays packed under that name. */
  #addPacked(field: ByteRange, value: ByteRange, name: Encoding, deadlineMs: number): boolean {
    const stride = name === Encoding.ListpackEx ? 3 : 2
    // What is called hashtable has deadlines in leaves only.
    const isSuited = name === Encoding.Hashtable ? deadlineMs === 0 : true
    if (!isSuited || stride < this.#stride || !this.#hasRoom(field, value, name)) return false
    if (stride > this.#stride) this.#addDeadlines()
    this.#append(field, value, deadlineMs)
    this.#rename(name, deadlineMs)
    return true
  }

  #fillIn(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    if (!this.#isDoubled) this.#isDoubled = !this.#fill.add(field, value, deadlineMs)
  }

  /** Whether the packed hash stays packed with one more field, under that name. */
  #hasRoom(field: ByteRange, value: ByteRange, name: Encoding): boolean {
    const count = this.count + 1
    let bytes = listpack.totalBytes(this.#bytes, 0)
    bytes += edit.encodedLength(field) + edit.encodedLength(value)
    if (name === Encoding.ListpackEx) bytes += edit.INTEGER_ENTRY_BYTES_MAX
    if (name === Encoding.ListpackEx && this.#stride === 2) bytes += NO_DEADLINE_BYTES * count
    return isPackable(name, count, bytes)
  }

  #append(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    const bytes = this.#bytes
    edit.appendEntry(bytes, 0, field)
    edit.appendEntry(bytes, 0, value)
    if (this.#stride === 3) edit.appendEntry(bytes, 0, deadlineText(deadlineMs))
  }

  /** Makes triples of the packed pairs: each gets a deadline of none. */
  #addDeadlines(): void {
    const bytes = this.#bytes
    const { count } = this
    const end = listpack.totalBytes(bytes, 0)
    SOURCE.set(bytes.subarray(0, end))
    edit.spliceWithin(bytes, 0, listpack.endOf(bytes, 0), NO_DEADLINE_BYTES * count)
    edit.setCount(bytes, 0, 3 * count)
    let to = listpack.firstEntry(bytes, 0)
    let from = listpack.firstEntry(SOURCE, 0)
    for (let i = 0; i < count; i++) {
      const next = listpack.skipEntries(SOURCE, from, 2)
      copySlice(this.#packed.set(SOURCE, from, next - from), bytes, to)
      to = edit.encodeInteger(0, bytes, to + next - from)
      from = next
    }
    this.#stride = 3
  }

  #head(): typeof LISTPACK_HEAD | typeof LISTPACK_EX_HEAD | typeof HASHTABLE_HEAD {
    if (this.#encoding === Encoding.ListpackEx) return LISTPACK_EX_HEAD
    return this.#encoding === Encoding.Listpack ? LISTPACK_HEAD : HASHTABLE_HEAD
  }

  #value(): Slice {
    return this.#packed.set(this.#bytes, 0, listpack.totalBytes(this.#bytes, 0))
  }

  #fields(): LeafDict {
    assert(this.#dict !== null, 'a draft has begun')
    return this.#dict
  }

  /** Begins to fill the dict, with room for all that is expected. */
  #beginFill(dict: LeafDict): void {
    this.#fill.begin(dict, this.#words, this.#expectation)
    const { count } = this
    if (count === 0) return
    const entryBytes = Math.ceil(listpack.totalBytes(this.#bytes, 0) / count)
    this.#fill.widen(this.#expectation, entryBytes)
  }

  /** Moves all fields to leaves. */
  #toDict(): void {
    const dict = this.#fields()
    dict.create(this.#words)
    this.#root.open(this.#words, 0, NULL)
    if (this.#isFilling) this.#beginFill(dict)
    try {
      let at = listpack.firstEntry(this.#bytes, 0)
      while (at !== listpack.END) {
        at = listpack.readEntry(this.#bytes, at, FIELD_ENTRY)
        at = listpack.readEntry(this.#bytes, at, VALUE_ENTRY)
        let deadlineMs = 0
        if (this.#stride === 3) {
          at = listpack.readEntry(this.#bytes, at, DEADLINE_ENTRY)
          deadlineMs = deadlineOf(DEADLINE_ENTRY)
        }
        FIELD_ENTRY.textInto(FIELD)
        VALUE_ENTRY.textInto(VALUE)
        if (this.#isFilling) this.#fillIn(FIELD, VALUE, deadlineMs)
        else {
          dict.hashKey(FIELD)
          dict.insert(this.#root, FIELD, VALUE, deadlineMs)
        }
      }
    } catch (error) {
      dict.discard(this.#words)
      throw error
    }
    this.#isPacked = false
  }
}
