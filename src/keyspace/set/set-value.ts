// Sets: members, each once, in no order. Front door of `keyspace/set`.
//
//   set-draft.ts   sets that have no key yet: results, loaded sets, changes of form
//   set-walk.ts    all members, or those of one step of SSCAN
//   set-copy.ts    copies, and what DEBUG and persistence want of a set
//
// A set is packed in its record, as an intset or a listpack, or lies in leaves (leaf-dict.ts) and
// stays there. Intset or hashtable is only what it is called: an intset longer than a record takes
// lies in leaves too. A set that has been called hashtable stays one.
//
// `SetValue` is a cursor: pointed at a record, whose place it keeps when a change moves it, and at
// a member by `pickRandom`. Members that are handed in lie outside of the set. Removing the last
// member leaves an empty set, which the caller removes with its key.
// ARENA_FULL: nothing has changed. Removing never fails.

import { assert } from '../../base/assert.ts'
import type { Random } from '../../base/random.ts'
import { asScratch, type ByteRange, Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import type { LeafDict } from '../leaf-dict/leaf-dict.ts'
import { Int64 } from '../packed/int64.ts'
import * as intset from '../packed/intset.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { PackedEntry } from '../packed/packed.ts'
import { Encoding } from '../record.ts'
import { Root } from '../root.ts'
import {
  HASHTABLE_HEAD,
  INTSET_HEAD,
  isIntegerText,
  PACKING,
  SetDraft,
  SetForm,
} from './set-draft.ts'

/** For changes of form. */
const DRAFT = new SetDraft()
const CHANGE = { removed: 0, inserted: 0 }
const MEMBER = new Int64()
/** Where a new set of one member is made. */
const SINGLE = new Uint8Array(2 * PACKING.listpackBytesMax)
const VALUE = scratchSlice()

export class SetValue {
  /** The set's record; NULL: none. */
  record: Ptr = NULL
  #db: Database | null = null
  #dict: LeafDict | null = null
  #form: SetForm = SetForm.Intset
  readonly #packed = new Slice()
  readonly #root = new Root()
  readonly #entry = new PackedEntry()
  /** The picked member: index in an intset, place in a listpack. */
  #at = 0

  constructor() {
    asScratch(this)
  }

  /** Points at the set of a record. Returns itself. */
  open(db: Database, record: Ptr): this {
    this.#db = db
    this.#dict = db.memberDict
    this.record = record
    this.#read(db)
    return this
  }

  /**
   * Makes a set of one member under a key that the last lookup, of this key, did not find.
   * `intsetEntriesMax` is the configuration's.
   */
  make(db: Database, key: Slice, member: ByteRange, intsetEntriesMax: number): void {
    const isInteger = MEMBER.parse(member.bytes, member.start, member.length)
    if (isInteger && intsetEntriesMax > 0) {
      intset.writeEmpty(SINGLE, 0)
      const length = intset.insertAt(SINGLE, 0, 0, MEMBER)
      this.open(db, db.insert(key, VALUE.set(SINGLE, 0, length), INTSET_HEAD))
      return
    }
    const entry = edit.encodedLength(member)
    if (listpack.EMPTY_BYTES + entry <= PACKING.listpackBytesMax) {
      edit.writeEmpty(SINGLE, 0)
      const length = edit.insertEntry(SINGLE, 0, listpack.HEADER_BYTES, member)
      this.open(db, db.insert(key, VALUE.set(SINGLE, 0, length), HASHTABLE_HEAD))
      return
    }
    DRAFT.beginHashtable(db)
    try {
      DRAFT.addNew(member)
      this.open(db, DRAFT.put(db, key))
    } catch (error) {
      DRAFT.discard()
      throw error
    }
  }

  get count(): number {
    if (this.#form === SetForm.Dict) return this.#root.count
    const { bytes, start } = this.#packed
    if (this.#form === SetForm.Intset) return intset.count(bytes, start)
    return listpack.count(bytes, start)
  }

  /** O(1); up to the bounds of PACKING, O(count). */
  has(member: ByteRange): boolean {
    if (this.#form === SetForm.Dict) return this.#members().find(this.#root, member)
    return this.#hasPacked(member)
  }

  /** `has` of the member that the keyspace's member dict has hashed last. */
  hasHashed(member: ByteRange): boolean {
    if (this.#form === SetForm.Dict) return this.#members().findHashed(this.#root, member)
    return this.#hasPacked(member)
  }

  /** Whether looking for a member needs its hash. */
  get isHashed(): boolean {
    return this.#form === SetForm.Dict
  }

  /** Adds a member; false: it was there. */
  add(member: ByteRange, intsetEntriesMax: number): boolean {
    if (this.#form === SetForm.Intset) return this.#addInteger(member, intsetEntriesMax)
    if (this.#form === SetForm.Listpack) return this.#addEntry(member)
    const dict = this.#members()
    const root = this.#root
    if (dict.find(root, member)) return false
    dict.insert(root, member)
    if (this.#database().encodingOf(this.record) === Encoding.Intset) {
      this.#renameIfNeeded(member, intsetEntriesMax)
    }
    return true
  }

  /** Removes a member; false: it was not there. */
  remove(member: ByteRange): boolean {
    if (this.#form === SetForm.Dict) {
      const dict = this.#members()
      if (!dict.find(this.#root, member)) return false
      dict.remove(this.#root)
      return true
    }
    if (!this.#findPacked(member)) return false
    this.#removePacked()
    return true
  }

  /** Picks a member, each as likely as any other. */
  pickRandom(random: Random): void {
    if (this.#form === SetForm.Dict) return this.#members().pickRandom(this.#root, random)
    const { bytes, start } = this.#packed
    const index = random.below(this.count)
    this.#at = this.#form === SetForm.Intset ? index : listpack.seek(bytes, start, index)
  }

  /** Points `out` at the picked member; valid until the next change or the next call. */
  readPicked(out: Slice): Slice {
    if (this.#form === SetForm.Dict) return this.#members().readKey(out)
    const { bytes, start } = this.#packed
    if (this.#form === SetForm.Intset) intset.readEntry(bytes, start, this.#at, this.#entry)
    else listpack.readEntry(bytes, this.#at, this.#entry)
    return this.#entry.textInto(out)
  }

  /** Removes the picked member. */
  removePicked(): void {
    if (this.#form === SetForm.Dict) this.#members().remove(this.#root)
    else this.#removePacked()
  }

  /** A number that only the picked member has, until the set changes. */
  get place(): number {
    return this.#form === SetForm.Dict ? this.#members().place : this.#at
  }

  /** Walks all invariants. O(n). */
  check(): void {
    const db = this.#database()
    const { bytes, start, length } = this.#packed
    assert(this.count > 0, 'no set is empty')
    if (this.#form === SetForm.Dict) this.#members().check(this.#root)
    else if (this.#form === SetForm.Intset) {
      assert(intset.validate(bytes, start, length), 'the intset is whole')
      assert(db.encodingOf(this.record) === Encoding.Intset, 'an intset is called intset')
    } else {
      assert(listpack.validate(bytes, start, length), 'the listpack is whole')
      assert(db.encodingOf(this.record) === Encoding.Hashtable, 'a listpack is called hashtable')
    }
  }

  /** Lets go of the set. */
  forget(): void {
    this.#packed.forget()
    this.#root.forget()
    this.#entry.forget()
  }

  #read(db: Database): void {
    const { record } = this
    if (db.hasRoot(record)) {
      this.#form = SetForm.Dict
      db.readRoot(record, this.#root)
      return
    }
    const isIntset = db.encodingOf(record) === Encoding.Intset
    this.#form = isIntset ? SetForm.Intset : SetForm.Listpack
    db.readString(record, this.#packed)
  }

  #database(): Database {
    assert(this.#db !== null, 'the cursor is at a set')
    return this.#db
  }

  #members(): LeafDict {
    assert(this.#dict !== null, 'the cursor is at a set')
    return this.#dict
  }

  #hasPacked(member: ByteRange): boolean {
    const { bytes, start } = this.#packed
    if (this.#form === SetForm.Listpack) {
      const first = listpack.firstEntry(bytes, start)
      return listpack.find(bytes, first, member, 0) !== listpack.END
    }
    if (!MEMBER.parse(member.bytes, member.start, member.length)) return false
    return intset.find(bytes, start, MEMBER) >= 0
  }

  /** Picks a member of a packed set; false: it is not there. */
  #findPacked(member: ByteRange): boolean {
    const { bytes, start } = this.#packed
    if (this.#form === SetForm.Listpack) {
      this.#at = listpack.find(bytes, listpack.firstEntry(bytes, start), member, 0)
      return this.#at !== listpack.END
    }
    if (!MEMBER.parse(member.bytes, member.start, member.length)) return false
    this.#at = intset.find(bytes, start, MEMBER)
    return this.#at >= 0
  }

  #removePacked(): void {
    const db = this.#database()
    db.touch(this.record)
    const { bytes, start, length } = this.#packed
    const total =
      this.#form === SetForm.Intset
        ? intset.removeAt(bytes, start, this.#at)
        : edit.removeEntries(bytes, start, this.#at, 1)
    this.#splice(total, length - total, 0)
  }

  /** Changes the length of the packed value at its end, and points at where it is then. */
  #splice(offset: number, removed: number, inserted: number): void {
    const db = this.#database()
    CHANGE.removed = removed
    CHANGE.inserted = inserted
    this.record = db.splice(this.record, offset, CHANGE)
    db.readString(this.record, this.#packed)
  }

  #addInteger(member: ByteRange, intsetEntriesMax: number): boolean {
    const { bytes, start, length } = this.#packed
    if (!MEMBER.parse(member.bytes, member.start, member.length)) return this.#rebuild(member, 0)
    const index = intset.find(bytes, start, MEMBER)
    if (index >= 0) return false
    const total = intset.totalBytesWith(bytes, start, MEMBER)
    const isFull = intset.count(bytes, start) >= intsetEntriesMax
    if (isFull || total > PACKING.intsetBytesMax) return this.#rebuild(member, intsetEntriesMax)
    this.#splice(length, 0, total - length)
    intset.insertAt(this.#packed.bytes, this.#packed.start, -1 - index, MEMBER)
    return true
  }

  #addEntry(member: ByteRange): boolean {
    const { bytes, start, length } = this.#packed
    const first = listpack.firstEntry(bytes, start)
    if (listpack.find(bytes, first, member, 0) !== listpack.END) return false
    const added = edit.encodedLength(member)
    const isFull = listpack.count(bytes, start) >= PACKING.listpackEntriesMax
    if (isFull || length + added > PACKING.listpackBytesMax) return this.#rebuild(member, 0)
    this.#splice(length, 0, added)
    const packed = this.#packed
    const end = listpack.endOf(packed.bytes, packed.start)
    edit.insertEntry(packed.bytes, packed.start, end, member)
    return true
  }

  /** Adds a member that changes the set's form. True. */
  #rebuild(member: ByteRange, intsetEntriesMax: number): boolean {
    const db = this.#database()
    if (this.#form === SetForm.Intset) DRAFT.begin(db, NO_LIMIT)
    else DRAFT.beginHashtable(db)
    try {
      this.#addAllTo(DRAFT)
      DRAFT.limit(intsetEntriesMax)
      DRAFT.addNew(member)
      this.record = DRAFT.putOn(db, this.record)
    } catch (error) {
      DRAFT.discard()
      throw error
    }
    this.#read(db)
    return true
  }

  #addAllTo(draft: SetDraft): void {
    const { bytes, start } = this.#packed
    const entry = this.#entry
    if (this.#form === SetForm.Intset) {
      const count = intset.count(bytes, start)
      for (let i = 0; i < count; i++) {
        intset.readEntry(bytes, start, i, entry)
        draft.addNew(entry.textInto(VALUE))
      }
      return
    }
    let at = listpack.firstEntry(bytes, start)
    while (at !== listpack.END) {
      at = listpack.readEntry(bytes, at, entry)
      draft.addNew(entry.textInto(VALUE))
    }
  }

  /** A member has come to a set in leaves that is called intset: it may not be one any more. */
  #renameIfNeeded(member: ByteRange, intsetEntriesMax: number): void {
    if (this.count <= intsetEntriesMax && isIntegerText(member)) return
    this.#database().setEncoding(this.record, Encoding.Hashtable)
  }
}

/** No intset is as long. */
const NO_LIMIT = 2 ** 31
