// A hash that is being made and has no key yet: hashes that are loaded, and hashes that change
// their form. Packed in memory of its own until it is too large for that; then in leaves, with its
// root in scratch words. It becomes a value by `put`, `insert` or `putOn`, or is discarded.
//
// Owner: whoever made the draft; one at a time. ARENA_FULL leaves the draft as it was.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, type Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import type { LeafDict } from '../leaf-dict.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { scratchEntry } from '../packed/packed.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS, Root } from '../root.ts'

/**
 * Up to where a hash is packed, by what it is called: what Redis keeps as a listpack is one here,
 * within these bounds. Tests change it.
 */
export const PACKING = { bytesMax: 8192, listpackEntriesMax: 512, hashtableEntriesMax: 128 }

export const LISTPACK_HEAD = { type: Type.Hash, encoding: Encoding.Listpack } as const
export const HASHTABLE_HEAD = { type: Type.Hash, encoding: Encoding.Hashtable } as const

/** A listpack whose next field may be longer than that belongs into leaves. */
const OWN_BYTES = PACKING.bytesMax
const CHANGE = { removed: 0, inserted: 0 }
const FIELD_ENTRY = scratchEntry()
const VALUE_ENTRY = scratchEntry()
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
  if (encoding === Encoding.Listpack) return count <= PACKING.listpackEntriesMax
  return count <= PACKING.hashtableEntriesMax
}

export class HashDraft {
  #dict: LeafDict | null = null
  #isPacked = true
  #encoding: Encoding = Encoding.Listpack
  readonly #bytes = new Uint8Array(OWN_BYTES)
  readonly #packed = scratchSlice()
  readonly #words = new Uint32Array(ROOT_WORDS)
  readonly #root = new Root()

  /** Begins an empty hash, which is called listpack or hashtable as `encoding` says. */
  begin(db: Database, encoding: Encoding = Encoding.Listpack): void {
    this.#dict = db.fieldDict
    this.#isPacked = true
    this.#encoding = encoding
    edit.writeEmpty(this.#bytes, 0)
  }

  get count(): number {
    return this.#isPacked ? listpack.count(this.#bytes, 0) / 2 : this.#root.count
  }

  has(field: ByteRange): boolean {
    if (!this.#isPacked) return this.#fields().find(this.#root, field)
    const first = listpack.firstEntry(this.#bytes, 0)
    return listpack.find(this.#bytes, first, field, 1) !== listpack.END
  }

  /** Adds a field; false: it was there, and nothing has changed. */
  add(field: ByteRange, value: ByteRange, limits: EncodingLimits): boolean {
    if (this.has(field)) return false
    this.addNew(field, value, limits)
    return true
  }

  /** Adds a field that is not there. */
  addNew(field: ByteRange, value: ByteRange, limits: EncodingLimits): void {
    const count = this.count + 1
    const name =
      this.#encoding === Encoding.Listpack
        ? nameFor(field, value, count, limits)
        : Encoding.Hashtable
    if (this.#isPacked) {
      const bytes = this.#bytes
      const added = edit.encodedLength(field) + edit.encodedLength(value)
      if (isPackable(name, count, listpack.totalBytes(bytes, 0) + added)) {
        edit.insertEntry(bytes, 0, listpack.endOf(bytes, 0), field)
        edit.insertEntry(bytes, 0, listpack.endOf(bytes, 0), value)
        this.#encoding = name
        return
      }
      this.#toDict()
    }
    const dict = this.#fields()
    dict.hashKey(field)
    dict.insert(this.#root, field, value)
    this.#encoding = name
  }

  /** Makes the hash the value of a key, whatever that held before; no deadline. Ends the draft. */
  put(db: Database, key: Slice): Ptr {
    if (!this.#isPacked) return this.#placed(db.putRoot(key, this.#words, this.#head()))
    return db.putPacked(key, this.#value(), this.#head())
  }

  /** `put` under a key that the last lookup, of this key, did not find. */
  insert(db: Database, key: Slice): Ptr {
    if (!this.#isPacked) return this.put(db, key)
    return db.insert(key, this.#value(), this.#head())
  }

  /** Makes the hash the value of a record in the place of a packed one. Ends the draft. */
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

  #head(): typeof LISTPACK_HEAD | typeof HASHTABLE_HEAD {
    return this.#encoding === Encoding.Listpack ? LISTPACK_HEAD : HASHTABLE_HEAD
  }

  #value(): Slice {
    return this.#packed.set(this.#bytes, 0, listpack.totalBytes(this.#bytes, 0))
  }

  #fields(): LeafDict {
    assert(this.#dict !== null, 'a draft has begun')
    return this.#dict
  }

  /** Moves all fields to leaves. */
  #toDict(): void {
    const dict = this.#fields()
    dict.create(this.#words)
    this.#root.open(this.#words, 0, NULL)
    try {
      let at = listpack.firstEntry(this.#bytes, 0)
      while (at !== listpack.END) {
        at = listpack.readEntry(this.#bytes, at, FIELD_ENTRY)
        at = listpack.readEntry(this.#bytes, at, VALUE_ENTRY)
        dict.hashKey(FIELD_ENTRY.textInto(FIELD))
        dict.insert(this.#root, FIELD, VALUE_ENTRY.textInto(VALUE))
      }
    } catch (error) {
      dict.discard(this.#words)
      throw error
    }
    this.#isPacked = false
  }
}
