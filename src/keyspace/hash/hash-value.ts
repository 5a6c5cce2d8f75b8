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
// Fields may have deadlines. A packed hash that has had one is called listpackex, and is a listpack
// of field, value and deadline (unix ms; 0: none) in turn; what is called hashtable has them in
// leaves only. The record knows the earliest, or a time before it, and none if no field has one. A
// field whose deadline has passed is *overdue*: it is there for nobody, takes its place until the
// field is written again or `expire` comes by, and is counted.
//
// `HashValue` is a cursor: pointed at a record, whose place it keeps when a change moves it, and at
// a field by `find` and `pickRandom`, until the hash changes. Fields and values that are handed in
// lie outside of the hash. Removing the last field leaves an empty hash, which the caller removes.
// ARENA_FULL: nothing has changed, but that the record may know a deadline that is too early.
// Removing never fails.

import { assert } from '../../base/assert.ts'
import type { Random } from '../../base/random.ts'
import { asScratch, type ByteRange, Slice, scratchSlice } from '../../base/slice.ts'
import { ARENA_FULL } from '../../memory/arena.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { type Expiry, earliestSetMs, expireLeaf } from '../leaf-dict/dict-expire.ts'
import { earlierOf } from '../leaf-dict/dict-leaf.ts'
import type { LeafDict } from '../leaf-dict/leaf-dict.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { PackedEntry } from '../packed/packed.ts'
import { Encoding, encodingOfWord, flagsOf, RecordFlag } from '../record.ts'
import { wordOf, wordsOf } from '../record-access.ts'
import { Root } from '../root.ts'
import { deadlineOf, deadlineText, HashDraft, isPackable, nameFor } from './hash-draft.ts'

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
  /** Packed entries of one field: two, or three with a deadline. */
  #stride = 2
  /** Whether fields may have deadlines. */
  #isExpiring = false
  /** Deadlines up to this one, unix ms, have passed; 0: none has. */
  #dueMs = 0
  #isOverdue = false
  readonly #packed = new Slice()
  readonly #root = new Root()
  readonly #fieldEntry = new PackedEntry()
  readonly #valueEntry = new PackedEntry()
  readonly #deadlineEntry = new PackedEntry()
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
    this.#dueMs = this.#isExpiring ? db.fieldsDueMs(record) : 0
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

  /** Fields, those included that are overdue. */
  get count(): number {
    if (!this.#isPacked) return this.#root.count
    return listpack.count(this.#packed.bytes, this.#packed.start) / this.#stride
  }

  /** Whether fields may be overdue. */
  get mayHide(): boolean {
    return this.#dueMs !== 0
  }

  /** Points the cursor at a field; false: it is not there. O(1); up to PACKING, O(count). */
  find(field: ByteRange): boolean {
    let isThere: boolean
    if (!this.#isPacked) isThere = this.#fields().find(this.#root, field)
    else {
      const { bytes, start } = this.#packed
      this.#at = listpack.find(bytes, listpack.firstEntry(bytes, start), field, this.#stride - 1)
      isThere = this.#at !== listpack.END
    }
    this.#isOverdue = false
    return isThere && (this.#dueMs === 0 || !this.#noteOverdue())
  }

  /**
   * Whether the field that `find` did not find, or that `pickRandom` has picked, is overdue: then
   * the cursor is at it.
   */
  get isOverdue(): boolean {
    return this.#isOverdue
  }

  /** The deadline of the field that the cursor is at, unix ms; 0: none. */
  get deadlineMs(): number {
    if (!this.#isPacked) return this.#fields().deadlineMs
    if (this.#stride === 2) return 0
    const { bytes } = this.#packed
    listpack.readEntry(bytes, listpack.skipEntries(bytes, this.#at, 2), this.#deadlineEntry)
    return deadlineOf(this.#deadlineEntry)
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

  /** Sets a field, which has no deadline then; true when it was not there. */
  set(field: ByteRange, value: ByteRange, limits: EncodingLimits): boolean {
    const isThere = this.find(field)
    if (isThere) this.#replaceWith(field, value, limits, 0)
    else this.add(field, value, limits)
    return !isThere
  }

  /** Adds a field that the last `find`, of this field, did not find. */
  add(field: ByteRange, value: ByteRange, limits: EncodingLimits): void {
    if (this.#isOverdue) return this.#replaceWith(field, value, limits, 0)
    const count = this.count + 1
    const name = this.#nameWith(field, value, count, limits)
    if (!this.#isPacked) {
      this.#fields().insert(this.#root, field, value)
      return this.#rename(name)
    }
    const { length } = this.#packed
    const text = this.#stride === 3 ? deadlineText(0) : null
    let added = edit.encodedLength(field) + edit.encodedLength(value)
    if (text !== null) added += edit.encodedLength(text)
    if (!this.#isPackable(name, count, length + added)) {
      return this.#rebuild(field, value, limits, 0)
    }
    this.#resize(length, 0, added)
    const { bytes, start } = this.#packed
    edit.insertEntry(bytes, start, listpack.endOf(bytes, start), field)
    edit.insertEntry(bytes, start, listpack.endOf(bytes, start), value)
    if (text !== null) edit.insertEntry(bytes, start, listpack.endOf(bytes, start), text)
    this.#rename(name)
  }

  /**
   * Gives the field, at which the last `find` has put the cursor, another value. A deadline stays.
   */
  replace(field: ByteRange, value: ByteRange, limits: EncodingLimits): void {
    this.#replaceWith(field, value, limits, this.#isExpiring ? this.deadlineMs : 0)
  }

  /** Gives the field, at which the last `find` has put the cursor, a deadline, unix ms. */
  setDeadline(field: ByteRange, deadlineMs: number, limits: EncodingLimits): void {
    const db = this.#database()
    const earliestMs = db.fieldDeadlineOf(this.record)
    // The record first, so that it is never too late.
    if (earliestMs === 0 || deadlineMs < earliestMs) {
      this.record = db.setFieldDeadline(this.record, deadlineMs)
      this.#read(db)
    }
    if (!this.#isPacked) {
      this.#fields().setDeadline(this.#root, field, deadlineMs)
      if (db.encodingOf(this.record) === Encoding.Listpack) this.#rename(Encoding.ListpackEx)
      return
    }
    if (this.#stride === 2) return this.#rebuild(field, null, limits, deadlineMs)
    const { bytes, length } = this.#packed
    const at = listpack.skipEntries(bytes, this.#at, 2)
    const text = deadlineText(deadlineMs)
    const change = edit.encodedLength(text) - listpack.entryBytes(bytes, at)
    if (!this.#isPackable(Encoding.ListpackEx, this.count, length + change)) {
      return this.#rebuild(field, null, limits, deadlineMs)
    }
    this.#replaceEntry(at, text, change)
  }

  /** Takes the deadline of the field, at which the last `find` has put the cursor. Never fails. */
  clearDeadline(field: ByteRange): void {
    if (this.deadlineMs === 0) return
    if (!this.#isPacked) this.#fields().setDeadline(this.#root, field, 0)
    else this.#clearPacked()
    this.#mendDeadline()
  }

  /** Removes a field; false: it was not there. One that is overdue (`isOverdue`) is gone, too. */
  remove(field: ByteRange): boolean {
    const isThere = this.find(field)
    if (isThere || this.#isOverdue) this.removeFound()
    return isThere
  }

  /** Removes the field that the cursor is at. */
  removeFound(): void {
    const hadDeadline = this.#isExpiring && this.deadlineMs !== 0
    if (!this.#isPacked) this.#fields().remove(this.#root)
    else {
      this.#database().touch(this.record)
      const { bytes, start, length } = this.#packed
      const total = edit.removeEntries(bytes, start, this.#at, this.#stride)
      this.#resize(total, length - total, 0)
    }
    if (hadDeadline) this.#mendDeadline()
  }

  /**
   * Removes overdue fields: of a packed hash all, else those of the leaf at `position`, which is 0
   * at first. Adds to `expiry`; returns the next position, 0 at the end. What the record knows of
   * deadlines is the caller's. Never fails.
   */
  expireStep(position: number, expiry: Expiry): number {
    if (!this.#isPacked) return expireLeaf(this.#fields(), this.#root, position, expiry)
    if (this.#stride === 2) return 0
    const { bytes, start, length } = this.#packed
    let total = length
    let at = listpack.firstEntry(bytes, start)
    while (at !== listpack.END) {
      const deadlineAt = listpack.skipEntries(bytes, at, 2)
      const next = listpack.readEntry(bytes, deadlineAt, this.#deadlineEntry)
      const deadlineMs = deadlineOf(this.#deadlineEntry)
      if (deadlineMs === 0 || deadlineMs > expiry.nowMs) {
        expiry.earliestMs = earlierOf(expiry.earliestMs, deadlineMs)
        at = next
        continue
      }
      if (expiry.onField !== null) {
        listpack.readEntry(bytes, at, this.#fieldEntry)
        expiry.onField(this.#fieldEntry.textInto(FIELD))
      }
      this.#database().touch(this.record)
      total = edit.removeEntries(bytes, start, at, 3)
      expiry.removed++
      if (next === listpack.END) break
    }
    if (total < length) this.#resize(total, length - total, 0)
    return 0
  }

  /** A pass of `expireStep` has found this the earliest deadline that is left; 0: there is none. */
  noteEarliest(earliestMs: number): void {
    const db = this.#database()
    // Deadlines may have been set behind the pass.
    const ms = this.#isPacked ? earliestMs : earlierOf(earliestMs, earliestSetMs(this.#root))
    if (ms === 0 || !this.#hasDeadlines()) this.record = withoutDeadline(db, this.record)
    else this.record = db.setFieldDeadline(this.record, ms)
    this.#read(db)
  }

  /** Points the cursor at a field, each as likely as any other, and maybe overdue. */
  pickRandom(random: Random): void {
    if (!this.#isPacked) this.#fields().pickRandom(this.#root, random)
    else {
      const { bytes, start } = this.#packed
      this.#at = listpack.seek(bytes, start, this.#stride * random.below(this.count))
    }
    this.#isOverdue = false
    if (this.#dueMs !== 0) this.#noteOverdue()
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
    const earliestMs = this.#database().fieldDeadlineOf(this.record)
    if (!this.#isPacked) {
      this.#fields().check(this.#root)
      const hasDeadlines = this.#fields().hasDeadlines(this.#root)
      assert(!hasDeadlines || earliestMs !== 0, 'the record knows of deadlines')
      return
    }
    assert(listpack.validate(bytes, start, length), 'the listpack is whole')
    assert(listpack.count(bytes, start) % this.#stride === 0, 'fields have values')
    if (this.#stride === 2) return
    for (this.#at = listpack.firstEntry(bytes, start); this.#at !== listpack.END; ) {
      const { deadlineMs } = this
      const isKnown = earliestMs !== 0 && earliestMs <= deadlineMs
      assert(deadlineMs === 0 || isKnown, 'the record knows the earliest deadline')
      const last = listpack.skipEntries(bytes, this.#at, 2)
      this.#at = listpack.nextEntry(bytes, last)
    }
  }

  /** Lets go of the hash. */
  forget(): void {
    this.#packed.forget()
    this.#root.forget()
    this.#fieldEntry.forget()
    this.#valueEntry.forget()
    this.#deadlineEntry.forget()
  }

  /** Points at the value where it is now; the cursor stays at its field. */
  #read(db: Database): void {
    const { arena } = db.collections
    const words = wordsOf(arena, this.record)
    const at = wordOf(this.record)
    const flags = flagsOf(words[at + 1]!)
    this.#isExpiring = (flags & RecordFlag.FieldDeadline) !== 0
    this.#isPacked = (flags & RecordFlag.Root) === 0
    if (!this.#isPacked) {
      db.readRoot(this.record, this.#root)
      return
    }
    const { start } = this.#packed
    db.readString(this.record, this.#packed)
    this.#at += this.#packed.start - start
    this.#stride = encodingOfWord(words[at]!) === Encoding.ListpackEx ? 3 : 2
  }

  /** Whether the field that the cursor is at is overdue, which is noted. */
  #noteOverdue(): boolean {
    const { deadlineMs } = this
    this.#isOverdue = deadlineMs !== 0 && deadlineMs <= this.#dueMs
    return this.#isOverdue
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
    if (old === Encoding.Hashtable) return old
    const name = nameFor(field, value, count, limits)
    return name === Encoding.Hashtable ? name : old
  }

  /** Whether the packed hash stays packed, under that name. */
  #isPackable(name: Encoding, count: number, bytes: number): boolean {
    if (name === Encoding.Hashtable && this.#stride === 3) return false
    return isPackable(name, count, bytes)
  }

  #rename(name: Encoding): void {
    const db = this.#database()
    if (db.encodingOf(this.record) !== name) db.setEncoding(this.record, name)
  }

  /** Gives the field that the cursor is at another value, and this deadline or (0) none. */
  #replaceWith(
    field: ByteRange,
    value: ByteRange,
    limits: EncodingLimits,
    deadlineMs: number,
  ): void {
    const isFreed = this.#isExpiring && deadlineMs === 0 && this.deadlineMs !== 0
    const name = this.#nameWith(field, value, this.count, limits)
    if (!this.#isPacked) {
      this.#fields().replaceWith(this.#root, field, value, deadlineMs)
      this.#rename(name)
    } else {
      const { bytes, length } = this.#packed
      const valueAt = listpack.nextEntry(bytes, this.#at)
      const change = edit.encodedLength(value) - listpack.entryBytes(bytes, valueAt)
      if (!this.#isPackable(name, this.count, length + change)) {
        this.#rebuild(field, value, limits, deadlineMs)
      } else {
        this.#replaceEntry(valueAt, value, change)
        this.#rename(name)
        if (isFreed) this.#clearPacked()
      }
    }
    if (isFreed) this.#mendDeadline()
  }

  /** Takes the deadline of the packed field that the cursor is at. */
  #clearPacked(): void {
    const { bytes } = this.#packed
    const at = listpack.skipEntries(bytes, this.#at, 2)
    const text = deadlineText(0)
    this.#replaceEntry(at, text, edit.encodedLength(text) - listpack.entryBytes(bytes, at))
  }

  /**
   * Puts a text in the place of the packed entry at `at`, `change` bytes more. What does not grow
   * never fails.
   */
  #replaceEntry(at: number, text: ByteRange, change: number): void {
    const { start, length } = this.#packed
    if (change > 0) this.#resize(length, 0, change)
    else this.#database().touch(this.record)
    const packed = this.#packed
    edit.replaceEntry(packed.bytes, packed.start, at - start + packed.start, text)
    if (change < 0) this.#resize(length + change, -change, 0)
  }

  /** A deadline is gone: when it was the last one, the record has none either. */
  #mendDeadline(): void {
    const db = this.#database()
    if (this.count === 0 || db.fieldDeadlineOf(this.record) === 0 || this.#hasDeadlines()) return
    this.record = withoutDeadline(db, this.record)
    this.#read(db)
  }

  #hasDeadlines(): boolean {
    if (!this.#isPacked) return this.#fields().hasDeadlines(this.#root)
    if (this.#stride === 2) return false
    const { bytes, start } = this.#packed
    let at = listpack.firstEntry(bytes, start)
    while (at !== listpack.END) {
      at = listpack.readEntry(bytes, listpack.skipEntries(bytes, at, 2), this.#deadlineEntry)
      if (deadlineOf(this.#deadlineEntry) !== 0) return true
    }
    return false
  }

  /** Replaces bytes of the packed value, and points at where it is then. */
  #resize(offset: number, removed: number, inserted: number): void {
    const db = this.#database()
    CHANGE.removed = removed
    CHANGE.inserted = inserted
    this.record = db.splice(this.record, offset, CHANGE)
    this.#read(db)
  }

  /**
   * Sets a field of a packed hash, its value (null: that stays) and its deadline (0: none), by
   * making the hash anew: it gets deadlines, or is too large for a record.
   */
  #rebuild(
    field: ByteRange,
    value: ByteRange | null,
    limits: EncodingLimits,
    deadlineMs: number,
  ): void {
    const db = this.#database()
    const { bytes, start } = this.#packed
    const old = db.encodingOf(this.record)
    const isFirst = deadlineMs !== 0 && old === Encoding.Listpack
    let isAdded = false
    DRAFT.begin(db, isFirst ? Encoding.ListpackEx : old)
    try {
      for (let at = listpack.firstEntry(bytes, start); at !== listpack.END; ) {
        this.#at = at
        const isOld = listpack.equalsEntry(bytes, at, field)
        const keptMs = this.deadlineMs
        at = listpack.readEntry(bytes, at, this.#fieldEntry)
        at = listpack.readEntry(bytes, at, this.#valueEntry)
        if (this.#stride === 3 && at !== listpack.END) at = listpack.nextEntry(bytes, at)
        this.#fieldEntry.textInto(FIELD)
        this.#valueEntry.textInto(VALUE)
        DRAFT.addNew(FIELD, isOld ? (value ?? VALUE) : VALUE, limits, isOld ? deadlineMs : keptMs)
        isAdded ||= isOld
      }
      if (!isAdded && value !== null) DRAFT.addNew(field, value, limits, deadlineMs)
      this.record = DRAFT.putOn(db, this.record)
    } catch (error) {
      DRAFT.discard()
      throw error
    }
    this.#read(db)
  }
}

/** Says that no field has a deadline, unless there is no memory for that. Returns the record. */
function withoutDeadline(db: Database, record: Ptr): Ptr {
  try {
    return db.setFieldDeadline(record, 0)
  } catch (error) {
    if (error !== ARENA_FULL) throw error
    return record
  }
}
