// A node as Redis has it, made of the entries of leaves: a listpack that begins with a master
// entry, whose ID stands beside it. Entries follow:
//
//    master   live · deleted · fields · name of each field · 0
//    entry    flags · ms − master's · sequence − master's · values · count of elements so far
//             or, when its fields are not the master's:
//             flags · ms − … · sequence − … · fields · name, value of each · count as above
//
// The master is the node's first entry. The last number of an entry leads backwards to its flags.
// The two counts are known last and have no fixed length, so room is left in front for them and
// the listpack's header. The bytes are kept from node to node; they grow to what the largest needs.
// Source: DUMP payloads of Redis 7.0.

import { assert } from '../../base/assert.ts'
import { HEADER_BYTES, LAST } from '../packed/listpack.ts'
import { setCount, setTotal } from '../packed/listpack-edit.ts'
import { type EntryCursor, EntryFlag, hasNames, Names } from './entry-leaf.ts'
import { EntryWriter, type Fields, listpackBytesMax } from './entry-writer.ts'
import { StreamId } from './stream-id.ts'

/** Elements of an entry besides names, values and their count: flags, two differences. */
export const ENTRY_EXTRAS = 3
/** Elements of a master besides names: two counts, the count of fields, the last 0. */
const MASTER_EXTRAS = 4
/** Where the count of fields stands: behind a header and two counts of any length. */
const FIELDS_START = HEADER_BYTES + 12
const CAPACITY_MIN = 64 * 1024
/** A node may leave so much memory behind. */
const CAPACITY_KEPT = 256 * 1024

const LeafNames = { Unknown: 0, Same: 1, Other: 2 } as const
type LeafNames = (typeof LeafNames)[keyof typeof LeafNames]

export class NodeListpack {
  /** The ID of the master. */
  readonly master = new StreamId()
  /** The listpack, from `finish` on. */
  bytes = new Uint8Array(CAPACITY_MIN)
  start = 0
  length = 0
  #live = 0
  #deleted = 0
  #elements = 0
  #fields = 0
  readonly #writer = new EntryWriter(true)
  readonly #counts = new EntryWriter(true)
  readonly #names = new Names(true)
  #namesAt = 0
  /** Whether the names of the leaf that is read are the node's. */
  #leafNames: LeafNames = LeafNames.Unknown

  /** Whether no entry has been added since the node began. */
  get isEmpty(): boolean {
    return this.#live + this.#deleted === 0
  }

  /** Begins a node; what was made before is gone. */
  begin(): void {
    if (this.bytes.length > CAPACITY_KEPT) this.bytes = new Uint8Array(CAPACITY_MIN)
    this.#live = 0
    this.#deleted = 0
    this.#leafNames = LeafNames.Unknown
    this.#writer.open(this.bytes, FIELDS_START)
  }

  /** Says that entries come from another leaf than before. */
  enterLeaf(): void {
    this.#leafNames = LeafNames.Unknown
  }

  /** Adds the entry of a leaf's cursor. */
  add(cursor: EntryCursor): void {
    assert(!cursor.isListpack, 'an entry in a span is a node already')
    // No entry is longer than its leaf; it may need its names, and the node's master as well.
    this.#makeRoom(2 * listpackBytesMax(cursor.limit - cursor.masterNames, cursor.fields))
    const writer = this.#writer
    if (this.isEmpty) {
      this.master.setTo(cursor.id)
      this.#beginMaster(cursor.fields)
      writer.copyNames(cursor)
      writer.number(0)
    }
    const isSame = this.#isSame(cursor)
    const deleted = cursor.flags & EntryFlag.Deleted
    writer.head(deleted | (isSame ? EntryFlag.SameFields : 0), this.master.words, cursor.id)
    this.#copyFields(cursor, isSame)
    this.#endEntry(cursor.fields, isSame)
    if (deleted !== 0) this.#deleted++
    else this.#live++
  }

  /** Makes a node of one entry with these fields, all of it. */
  setOnly(id: StreamId, fields: Fields): void {
    this.begin()
    this.#makeRoom(2 * listpackBytesMax(fields.textBytes, fields.count))
    this.master.setTo(id)
    this.#beginMaster(fields.count)
    this.#writer.names(fields)
    this.#writer.number(0)
    this.#writer.head(EntryFlag.SameFields, id.words, id)
    this.#writer.values(fields)
    this.#endEntry(fields.count, true)
    this.#live = 1
    this.finish()
  }

  /** Ends the node: `bytes`, `start` and `length` are its listpack. */
  finish(): void {
    const limit = this.#writer.at
    const counts = this.#counts
    // Once to know their length, once in their place.
    counts.open(this.bytes, HEADER_BYTES)
    counts.number(this.#live)
    counts.number(this.#deleted)
    const at = FIELDS_START - counts.listpackBytes
    counts.open(this.bytes, at)
    counts.number(this.#live)
    counts.number(this.#deleted)
    this.bytes[limit] = LAST
    this.start = at - HEADER_BYTES
    this.length = limit + 1 - this.start
    setTotal(this.bytes, this.start, this.length)
    setCount(this.bytes, this.start, this.#elements)
  }

  #copyFields(cursor: EntryCursor, isSame: boolean): void {
    const writer = this.#writer
    const { bytes, contentAt, fields, hasMasterFields } = cursor
    // Nearly always what follows each other there does so here.
    if (isSame && hasMasterFields) {
      cursor.passFields(writer.copyElements(bytes, contentAt, fields))
    } else if (isSame) {
      writer.copyValues(cursor)
    } else if (hasMasterFields) {
      writer.copyNamesAndValues(cursor)
    } else {
      writer.number(fields)
      cursor.passFields(writer.copyElements(bytes, contentAt, 2 * fields))
    }
  }

  #beginMaster(fields: number): void {
    this.#fields = fields
    this.#writer.number(fields)
    this.#namesAt = this.#writer.at
    this.#elements = fields + MASTER_EXTRAS
  }

  /** Whether the cursor's entry has the node's names. */
  #isSame(cursor: EntryCursor): boolean {
    const { hasMasterFields } = cursor
    if (hasMasterFields && this.#leafNames !== LeafNames.Unknown) {
      return this.#leafNames === LeafNames.Same
    }
    const names = this.#names.set(this.bytes, this.#namesAt)
    const isSame = hasNames(cursor, names, this.#fields)
    if (hasMasterFields) this.#leafNames = isSame ? LeafNames.Same : LeafNames.Other
    return isSame
  }

  #endEntry(fields: number, isSame: boolean): void {
    const elements = isSame ? fields + ENTRY_EXTRAS : 2 * fields + ENTRY_EXTRAS + 1
    this.#writer.number(elements)
    this.#elements += elements + 1
  }

  /** Makes room for `bytes` more. */
  #makeRoom(bytes: number): void {
    const needed = this.#writer.at + bytes
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length))
    grown.set(this.bytes.subarray(0, this.#writer.at))
    this.bytes = grown
    this.#writer.bytes = grown
  }
}
