// A set that is being made and has no key yet: results of SUNIONSTORE, sets that are loaded, and
// sets that change their form. Packed in memory of its own until it is too large for that; then in
// leaves, with its root in scratch words. It becomes a value by `put` or `putOn`, or is discarded.
//
// Owner: whoever made the draft; one at a time. ARENA_FULL leaves the draft as it was.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, type Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { DictFill } from '../leaf-dict/dict-fill.ts'
import type { LeafDict } from '../leaf-dict/leaf-dict.ts'
import { Int64 } from '../packed/int64.ts'
import * as intset from '../packed/intset.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { survey } from '../packed/listpack-survey.ts'
import { scratchEntry } from '../packed/packed.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS, Root } from '../root.ts'

/**
 * Up to where a set is packed, besides what the configuration says of intsets. Beyond this a
 * listpack would be searched longer than a leaf, and a leaf of 4 KiB is less than what Redis takes.
 * Tests change it.
 */
export const PACKING = { intsetBytesMax: 8192, listpackBytesMax: 4096, listpackEntriesMax: 128 }

/** How a set lies. */
export const SetForm = { Intset: 0, Listpack: 1, Dict: 2 } as const
export type SetForm = (typeof SetForm)[keyof typeof SetForm]

export const INTSET_HEAD = { type: Type.Set, encoding: Encoding.Intset } as const
export const HASHTABLE_HEAD = { type: Type.Set, encoding: Encoding.Hashtable } as const

/** Room for the longest packed set, and one member more. */
const OWN_BYTES = 2 * PACKING.intsetBytesMax
/** What numbers have in a leaf, about. */
const INTEGER_BYTES = 9
const NO_VALUE: ByteRange = { bytes: new Uint8Array(0), start: 0, length: 0 }
const CHANGE = { removed: 0, inserted: 0 }
const MEMBER = new Int64()
const ENTRY = scratchEntry()
const TEXT = scratchSlice()

export class SetDraft {
  #dict: LeafDict | null = null
  #form: SetForm = SetForm.Intset
  #encoding: Encoding = Encoding.Intset
  #intsetEntriesMax = 0
  #bytes = new Uint8Array(OWN_BYTES)
  /** Where a listpack is made of an intset. */
  #other = new Uint8Array(OWN_BYTES)
  readonly #packed = scratchSlice()
  readonly #words = new Uint32Array(ROOT_WORDS)
  readonly #root = new Root()

  /** For members that are appended, without a look at each whether it is there. */
  readonly #fill = new DictFill()
  readonly #expectation = { count: 0, bytesLeft: 0 }
  #isFilling = false
  #appended = 0
  #isDoubled = false

  /** Begins an empty set. `intsetEntriesMax` is the configuration's. */
  begin(db: Database, intsetEntriesMax: number): void {
    this.#dict = db.memberDict
    this.#isFilling = false
    this.#form = SetForm.Intset
    this.#encoding = Encoding.Intset
    this.#intsetEntriesMax = intsetEntriesMax
    intset.writeEmpty(this.#bytes, 0)
  }

  /** Begins an empty set that is called hashtable whatever its members are. */
  beginHashtable(db: Database): void {
    this.begin(db, 0)
    this.#form = SetForm.Listpack
    this.#encoding = Encoding.Hashtable
    edit.writeEmpty(this.#bytes, 0)
  }

  /** From now on an intset may have so many members. */
  limit(intsetEntriesMax: number): void {
    this.#intsetEntriesMax = intsetEntriesMax
  }

  get count(): number {
    if (this.#form === SetForm.Intset) return intset.count(this.#bytes, 0)
    if (this.#form === SetForm.Listpack) return listpack.count(this.#bytes, 0)
    return this.#root.count
  }

  has(member: ByteRange): boolean {
    if (this.#form === SetForm.Dict) return this.#members().find(this.#root, member)
    if (this.#form === SetForm.Listpack) {
      const first = listpack.firstEntry(this.#bytes, 0)
      return listpack.find(this.#bytes, first, member, 0) !== listpack.END
    }
    if (!MEMBER.parse(member.bytes, member.start, member.length)) return false
    return intset.find(this.#bytes, 0, MEMBER) >= 0
  }

  /** Adds a member; false: it was there. */
  add(member: ByteRange): boolean {
    if (this.has(member)) return false
    this.addNew(member)
    return true
  }

  /** From now on members come by `append` only. */
  expect(count: number, bytesLeft: number): void {
    this.#expectation.count = count
    this.#expectation.bytesLeft = bytesLeft
    this.#isFilling = true
    this.#appended = 0
    this.#isDoubled = false
  }

  /** Adds a member without a look whether it is there: that `finish` tells. */
  append(member: ByteRange): void {
    assert(this.#isFilling, 'what is appended is expected')
    this.#appended++
    if (this.#form === SetForm.Intset && this.#appendInteger(member)) return
    if (this.#form === SetForm.Listpack && this.#addEntry(member)) return
    this.#fillIn(member)
    const isInteger = this.#encoding === Encoding.Intset && isIntegerText(member)
    if (isInteger && this.#appended <= this.#intsetEntriesMax) return
    this.#encoding = Encoding.Hashtable
  }

  /** After the last `append`: false, some member has come twice, and the draft is of no use. */
  finish(): boolean {
    if (this.#isDoubled) return false
    if (this.#form === SetForm.Dict) return this.#fill.flush()
    return this.#form === SetForm.Intset || survey(this.#bytes, 0, 1)
  }

  /** Adds a member that is not there. */
  addNew(member: ByteRange): void {
    if (this.#form === SetForm.Intset && this.#addInteger(member)) return
    if (this.#form === SetForm.Listpack && this.#addEntry(member)) return
    const dict = this.#members()
    dict.hashKey(member)
    dict.insert(this.#root, member)
    const isInteger = this.#encoding === Encoding.Intset && isIntegerText(member)
    if (isInteger && this.count <= this.#intsetEntriesMax) return
    this.#encoding = Encoding.Hashtable
  }

  /** Makes the set the value of a key, whatever that held before; no deadline. Ends the draft. */
  put(db: Database, key: Slice): Ptr {
    const head = this.#encoding === Encoding.Intset ? INTSET_HEAD : HASHTABLE_HEAD
    if (this.#form === SetForm.Dict) return this.#placed(db.putRoot(key, this.#words, head))
    return db.putPacked(key, this.#value(), head)
  }

  /** Makes the set the value of a record in the place of a packed one. Ends the draft. */
  putOn(db: Database, record: Ptr): Ptr {
    if (this.#form === SetForm.Dict) {
      return this.#placed(db.setRoot(record, this.#words, this.#encoding))
    }
    const value = this.#value()
    CHANGE.removed = db.readString(record, TEXT).length
    CHANGE.inserted = value.length
    const made = db.splice(record, 0, CHANGE)
    const target = db.readString(made, TEXT)
    copySlice(value, target.bytes, target.start)
    db.setEncoding(made, this.#encoding)
    return made
  }

  /** Gives up what has been made; nothing to do for a draft that has ended. */
  discard(): void {
    this.#fill.forget()
    if (this.#form !== SetForm.Dict) return
    this.#members().discard(this.#words)
    this.#form = SetForm.Intset
    intset.writeEmpty(this.#bytes, 0)
  }

  /** The leaves have a record: they are not the draft's any more. */
  #placed(record: Ptr): Ptr {
    this.#form = SetForm.Intset
    intset.writeEmpty(this.#bytes, 0)
    return record
  }

  #value(): Slice {
    const isIntset = this.#form === SetForm.Intset
    const length = isIntset
      ? intset.totalBytes(this.#bytes, 0)
      : listpack.totalBytes(this.#bytes, 0)
    return this.#packed.set(this.#bytes, 0, length)
  }

  #members(): LeafDict {
    assert(this.#dict !== null, 'a draft has begun')
    return this.#dict
  }

  /** False: the set is no packed intset any more, and the member is not in it. */
  #addInteger(member: ByteRange): boolean {
    const isInteger = MEMBER.parse(member.bytes, member.start, member.length)
    if (!isInteger || this.count >= this.#intsetEntriesMax) {
      this.#leaveIntset(Encoding.Hashtable)
      return false
    }
    if (intset.totalBytesWith(this.#bytes, 0, MEMBER) > PACKING.intsetBytesMax) {
      this.#leaveIntset(Encoding.Intset)
      return false
    }
    const index = intset.find(this.#bytes, 0, MEMBER)
    assert(index < 0, 'the member is new')
    intset.insertAt(this.#bytes, 0, -1 - index, MEMBER)
    return true
  }

  /** `#addInteger`, of a member that may be there. */
  #appendInteger(member: ByteRange): boolean {
    if (!this.has(member)) return this.#addInteger(member)
    this.#isDoubled = true
    return true
  }

  #fillIn(member: ByteRange): void {
    if (!this.#isDoubled) this.#isDoubled = !this.#fill.add(member, NO_VALUE, 0)
  }

  /** Moves a member to the leaves. */
  #move(dict: LeafDict, member: ByteRange): void {
    if (this.#isFilling) return this.#fillIn(member)
    dict.hashKey(member)
    dict.insert(this.#root, member)
  }

  /** Makes a listpack of the intset, or leaves if it is too large for that. */
  #leaveIntset(encoding: Encoding): void {
    const members = intset.count(this.#bytes, 0)
    if (encoding === Encoding.Intset || members > PACKING.listpackEntriesMax) {
      this.#toDict()
    } else {
      edit.writeEmpty(this.#other, 0)
      for (let i = 0; i < members; i++) {
        intset.readEntry(this.#bytes, 0, i, ENTRY)
        edit.insertEntry(this.#other, 0, listpack.endOf(this.#other, 0), ENTRY.textInto(TEXT))
      }
      const bytes = this.#bytes
      this.#bytes = this.#other
      this.#other = bytes
      this.#form = SetForm.Listpack
    }
    this.#encoding = encoding
  }

  /** False: the set is no listpack any more, and the member is not in it. */
  #addEntry(member: ByteRange): boolean {
    const bytes = this.#bytes
    const total = listpack.totalBytes(bytes, 0) + edit.encodedLength(member)
    if (total > PACKING.listpackBytesMax || this.count >= PACKING.listpackEntriesMax) {
      this.#toDict()
      return false
    }
    edit.appendEntry(bytes, 0, member)
    return true
  }

  /** Moves all members to leaves. */
  #toDict(): void {
    const dict = this.#members()
    dict.create(this.#words)
    this.#root.open(this.#words, 0, NULL)
    if (this.#isFilling) this.#beginFill(dict)
    try {
      if (this.#form === SetForm.Intset) this.#moveIntegers(dict)
      else this.#moveEntries(dict)
    } catch (error) {
      dict.discard(this.#words)
      throw error
    }
    this.#form = SetForm.Dict
  }

  /** Begins to fill the dict, with room for all that is expected. */
  #beginFill(dict: LeafDict): void {
    this.#fill.begin(dict, this.#words, this.#expectation)
    const { count } = this
    if (count === 0) return
    // In a listpack members have about as much besides their text as in a leaf; in an intset not.
    const isIntset = this.#form === SetForm.Intset
    const bytes = isIntset ? count * INTEGER_BYTES : listpack.totalBytes(this.#bytes, 0)
    this.#fill.widen(this.#expectation, Math.ceil(bytes / count))
  }

  #moveIntegers(dict: LeafDict): void {
    const members = intset.count(this.#bytes, 0)
    for (let i = 0; i < members; i++) {
      intset.readEntry(this.#bytes, 0, i, ENTRY)
      this.#move(dict, ENTRY.textInto(TEXT))
    }
  }

  #moveEntries(dict: LeafDict): void {
    let at = listpack.firstEntry(this.#bytes, 0)
    while (at !== listpack.END) {
      at = listpack.readEntry(this.#bytes, at, ENTRY)
      this.#move(dict, ENTRY.textInto(TEXT))
    }
  }
}

/** Whether an intset could have the member. */
export function isIntegerText(member: ByteRange): boolean {
  return MEMBER.parse(member.bytes, member.start, member.length)
}
