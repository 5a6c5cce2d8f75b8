// Hashes: fields with values, in no order. Front door of `keyspace/hash`.
//
//   hash-draft.ts   hashes that have no key yet: loaded hashes, changes of form
//   hash-walk.ts    all fields, or those of one step of HSCAN
//   hash-copy.ts    copies
//
// A hash is packed in its record, a listpack of field, value, field, value …, or lies in leaves
// (leaf-dict.ts) and stays there. Listpack or hashtable is only what it is called, by the
// configuration: one that is called hashtable is packed too while it is small, one that is called
// listpack lies in leaves when it is too large for a record. What is called hashtable stays so.
//
// `HashValue` is a cursor: pointed at a record, whose place it keeps when a change moves it, and at
// a field by `find` and `pickRandom`, until the hash changes. Fields and values that are handed in
// lie outside of the hash. Removing the last field leaves an empty hash, which the caller removes.
// ARENA_FULL: nothing has changed. Removing never fails.

import { assert } from '../../base/assert.ts'
import type { Random } from '../../base/random.ts'
import { asScratch, type ByteRange, Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import type { LeafDict } from '../leaf-dict.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { PackedEntry } from '../packed/packed.ts'
import { Encoding } from '../record.ts'
import { Root } from '../root.ts'
import { HashDraft, isPackable, nameFor } from './hash-draft.ts'

/** For changes of form. */
const DRAFT = new HashDraft()
const CHANGE = { removed: 0, inserted: 0 }
const FIELD = scratchSlice()
const VALUE = scratchSlice()

export class HashValue {
  /** The hash's record; NULL: none. */
  record: Ptr = NULL
  #db: Database | null = null
  #dict: LeafDict | null = null
  #isPacked = true
  readonly #packed = new Slice()
  readonly #root = new Root()
  readonly #fieldEntry = new PackedEntry()
  readonly #valueEntry = new PackedEntry()
  /** Place of the field that the cursor is at, in a packed hash. */
  #at = listpack.END

  constructor() {
    asScratch(this)
  }

  /** Points at the hash of a record. Returns itself. */
  open(db: Database, record: Ptr): this {
    this.#db = db
    this.#dict = db.fieldDict
    this.record = record
    this.#read(db)
    return this
  }

  /** Begins a hash under a key that the last lookup, of this key, did not find. */
  make(
    db: Database,
    key: Slice,
    pair: { readonly field: ByteRange; readonly value: ByteRange },
    limits: EncodingLimits,
  ): void {
    DRAFT.begin(db)
    try {
      DRAFT.addNew(pair.field, pair.value, limits)
      this.open(db, DRAFT.insert(db, key))
    } catch (error) {
      DRAFT.discard()
      throw error
    }
  }

  get count(): number {
    if (!this.#isPacked) return this.#root.count
    return listpack.count(this.#packed.bytes, this.#packed.start) / 2
  }

  /** Points the cursor at a field; false: it is not there. O(1); up to PACKING, O(count). */
  find(field: ByteRange): boolean {
    if (!this.#isPacked) return this.#fields().find(this.#root, field)
    const { bytes, start } = this.#packed
    this.#at = listpack.find(bytes, listpack.firstEntry(bytes, start), field, 1)
    return this.#at !== listpack.END
  }

  /** Points `out` at the field that the cursor is at; valid until the next change or call. */
  readField(out: Slice): Slice {
    if (!this.#isPacked) return this.#fields().readKey(out)
    listpack.readEntry(this.#packed.bytes, this.#at, this.#fieldEntry)
    return this.#fieldEntry.textInto(out)
  }

  /** Points `out` at the value of the field that the cursor is at. */
  readValue(out: Slice): Slice {
    if (!this.#isPacked) return this.#fields().readValue(out)
    const { bytes } = this.#packed
    listpack.readEntry(bytes, listpack.nextEntry(bytes, this.#at), this.#valueEntry)
    return this.#valueEntry.textInto(out)
  }

  /** Sets a field; true when it was not there. */
  set(field: ByteRange, value: ByteRange, limits: EncodingLimits): boolean {
    const isThere = this.find(field)
    if (isThere) this.replace(field, value, limits)
    else this.add(field, value, limits)
    return !isThere
  }

  /** Adds a field that the last `find`, of this field, did not find. */
  add(field: ByteRange, value: ByteRange, limits: EncodingLimits): void {
    const count = this.count + 1
    const name = this.#nameWith(field, value, count, limits)
    if (!this.#isPacked) {
      this.#fields().insert(this.#root, field, value)
      return this.#rename(name)
    }
    const { length } = this.#packed
    const added = edit.encodedLength(field) + edit.encodedLength(value)
    if (!isPackable(name, count, length + added)) {
      return this.#rebuild(field, value, limits)
    }
    this.#resize(length, 0, added)
    const { bytes, start } = this.#packed
    edit.insertEntry(bytes, start, listpack.endOf(bytes, start), field)
    edit.insertEntry(bytes, start, listpack.endOf(bytes, start), value)
    this.#rename(name)
  }

  /** Gives the field, at which the last `find` has put the cursor, another value. */
  replace(field: ByteRange, value: ByteRange, limits: EncodingLimits): void {
    const name = this.#nameWith(field, value, this.count, limits)
    if (!this.#isPacked) {
      this.#fields().replace(this.#root, field, value)
      return this.#rename(name)
    }
    const db = this.#database()
    const { bytes, start, length } = this.#packed
    const valueAt = listpack.nextEntry(bytes, this.#at)
    const change = edit.encodedLength(value) - listpack.entryBytes(bytes, valueAt)
    if (!isPackable(name, this.count, length + change)) {
      return this.#rebuild(field, value, limits)
    }
    if (change > 0) this.#resize(length, 0, change)
    else db.touch(this.record)
    const packed = this.#packed
    edit.replaceEntry(packed.bytes, packed.start, valueAt - start + packed.start, value)
    if (change < 0) this.#resize(length + change, -change, 0)
    this.#rename(name)
  }

  /** Removes a field; false: it was not there. */
  remove(field: ByteRange): boolean {
    if (!this.find(field)) return false
    if (!this.#isPacked) {
      this.#fields().remove(this.#root)
      return true
    }
    this.#database().touch(this.record)
    const { bytes, start, length } = this.#packed
    const total = edit.removeEntries(bytes, start, this.#at, 2)
    this.#resize(total, length - total, 0)
    return true
  }

  /** Points the cursor at a field, each as likely as any other. */
  pickRandom(random: Random): void {
    if (!this.#isPacked) return this.#fields().pickRandom(this.#root, random)
    const { bytes, start } = this.#packed
    this.#at = listpack.seek(bytes, start, 2 * random.below(this.count))
  }

  /** Whether the fields lie in leaves, where picking one is O(1). */
  get isHashed(): boolean {
    return !this.#isPacked
  }

  /** A number that only the field has that the cursor is at, until the hash changes. */
  get place(): number {
    return this.#isPacked ? this.#at : this.#fields().place
  }

  /** Walks all invariants. O(n). */
  check(): void {
    const { bytes, start, length } = this.#packed
    assert(this.count > 0, 'no hash is empty')
    if (!this.#isPacked) return this.#fields().check(this.#root)
    assert(listpack.validate(bytes, start, length), 'the listpack is whole')
    assert(listpack.count(bytes, start) % 2 === 0, 'fields have values')
  }

  /** Lets go of the hash. */
  forget(): void {
    this.#packed.forget()
    this.#root.forget()
    this.#fieldEntry.forget()
    this.#valueEntry.forget()
  }

  #read(db: Database): void {
    this.#isPacked = !db.hasRoot(this.record)
    if (this.#isPacked) db.readString(this.record, this.#packed)
    else db.readRoot(this.record, this.#root)
  }

  #database(): Database {
    assert(this.#db !== null, 'the cursor is at a hash')
    return this.#db
  }

  #fields(): LeafDict {
    assert(this.#dict !== null, 'the cursor is at a hash')
    return this.#dict
  }

  /** What the hash is called once it has the pair, and so many fields. */
  #nameWith(field: ByteRange, value: ByteRange, count: number, limits: EncodingLimits): Encoding {
    const old = this.#database().encodingOf(this.record)
    return old === Encoding.Hashtable ? old : nameFor(field, value, count, limits)
  }

  #rename(name: Encoding): void {
    const db = this.#database()
    if (db.encodingOf(this.record) !== name) db.setEncoding(this.record, name)
  }

  /** Replaces bytes of the packed value, and points at where it is then. */
  #resize(offset: number, removed: number, inserted: number): void {
    const db = this.#database()
    CHANGE.removed = removed
    CHANGE.inserted = inserted
    this.record = db.splice(this.record, offset, CHANGE)
    db.readString(this.record, this.#packed)
  }

  /** Sets a field of a packed hash that is too large for that with it. */
  #rebuild(field: ByteRange, value: ByteRange, limits: EncodingLimits): void {
    const db = this.#database()
    const { bytes, start } = this.#packed
    DRAFT.begin(db, db.encodingOf(this.record))
    try {
      let at = listpack.firstEntry(bytes, start)
      while (at !== listpack.END) {
        const isOld = listpack.equalsEntry(bytes, at, field)
        at = listpack.readEntry(bytes, at, this.#fieldEntry)
        at = listpack.readEntry(bytes, at, this.#valueEntry)
        if (isOld) continue
        this.#fieldEntry.textInto(FIELD)
        DRAFT.addNew(FIELD, this.#valueEntry.textInto(VALUE), limits)
      }
      DRAFT.addNew(field, value, limits)
      this.record = DRAFT.putOn(db, this.record)
    } catch (error) {
      DRAFT.discard()
      throw error
    }
    this.#read(db)
  }
}
