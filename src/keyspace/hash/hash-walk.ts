// Goes through the fields of a hash, whatever its form, but for those whose deadline has passed.
// The hash must not change meanwhile. Made once, opened again and again; allocates nothing.

import { asScratch, Slice } from '../../base/slice.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { DictWalk } from '../leaf-dict/dict-walk.ts'
import * as listpack from '../packed/listpack.ts'
import { PackedEntry } from '../packed/packed.ts'
import { Encoding } from '../record.ts'
import { Root } from '../root.ts'
import { deadlineOf } from './hash-draft.ts'
import type { HashValue } from './hash-value.ts'

export class HashWalk {
  /** What `next` has come to; valid until the next call. */
  readonly field = new Slice()
  readonly value = new Slice()
  readonly #packed = new Slice()
  readonly #fieldEntry = new PackedEntry()
  readonly #valueEntry = new PackedEntry()
  readonly #deadlineEntry = new PackedEntry()
  readonly #root = new Root()
  readonly #walk = new DictWalk()
  /** Whether a packed hash has a deadline behind each value. */
  #isTriple = false
  /** Deadlines up to this one, unix ms, have passed; 0: none has. */
  #dueMs = 0
  #isPacked = true
  #at = listpack.END

  constructor() {
    asScratch(this)
  }

  /** Begins before the first field. */
  open(db: Database, record: Ptr): void {
    this.#begin(db, record)
    if (!this.#isPacked) return this.#walk.open(db.fieldDict, db.readRoot(record, this.#root))
    const { bytes, start } = db.readString(record, this.#packed)
    this.#at = listpack.firstEntry(bytes, start)
  }

  /**
   * Begins before the fields of one step of HSCAN; returns the next cursor, 0 after the last. A
   * packed hash is one step.
   */
  openStep(db: Database, record: Ptr, cursor: number): number {
    this.#begin(db, record)
    if (!this.#isPacked) {
      return this.#walk.openLeaf(db.fieldDict, db.readRoot(record, this.#root), cursor)
    }
    this.open(db, record)
    return 0
  }

  /** Fields that are there. O(1), or O(count) while some may be overdue. */
  countOf(db: Database, hash: HashValue): number {
    if (!hash.mayHide) return hash.count
    let count = 0
    this.open(db, hash.record)
    while (this.next()) count++
    return count
  }

  /** Fields of the step that `openStep` has begun, overdue ones too. */
  get stepCount(): number {
    if (!this.#isPacked) return this.#walk.leafCount
    return listpack.count(this.#packed.bytes, this.#packed.start) / (this.#isTriple ? 3 : 2)
  }

  /** Goes to the next field; false after the last. */
  next(): boolean {
    if (!this.#isPacked) {
      do if (!this.#walk.next()) return false
      while (this.#isOverdue(this.#walk.deadlineMs))
      this.field.setTo(this.#walk.key)
      this.value.setTo(this.#walk.value)
      return true
    }
    const { bytes } = this.#packed
    let deadlineMs: number
    do {
      if (this.#at === listpack.END) return false
      this.#at = listpack.readEntry(bytes, this.#at, this.#fieldEntry)
      this.#at = listpack.readEntry(bytes, this.#at, this.#valueEntry)
      deadlineMs = this.#isTriple ? this.#readDeadline(bytes) : 0
    } while (this.#isOverdue(deadlineMs))
    this.#fieldEntry.textInto(this.field)
    this.#valueEntry.textInto(this.value)
    return true
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.field.forget()
    this.value.forget()
    this.#packed.forget()
    this.#fieldEntry.forget()
    this.#valueEntry.forget()
    this.#deadlineEntry.forget()
    this.#root.forget()
  }

  #begin(db: Database, record: Ptr): void {
    this.#isPacked = !db.hasRoot(record)
    this.#isTriple = this.#isPacked && db.encodingOf(record) === Encoding.ListpackEx
    this.#dueMs = db.fieldsDueMs(record)
  }

  #readDeadline(bytes: Uint8Array): number {
    this.#at = listpack.readEntry(bytes, this.#at, this.#deadlineEntry)
    return deadlineOf(this.#deadlineEntry)
  }

  #isOverdue(deadlineMs: number): boolean {
    return deadlineMs !== 0 && deadlineMs <= this.#dueMs
  }
}
