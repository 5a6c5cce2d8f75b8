// Goes through the fields of a hash, whatever its form. The hash must not change meanwhile. Made
// once, opened again and again; allocates nothing.

import { asScratch, Slice } from '../../base/slice.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { DictWalk } from '../dict-walk.ts'
import * as listpack from '../packed/listpack.ts'
import { PackedEntry } from '../packed/packed.ts'
import { Root } from '../root.ts'

export class HashWalk {
  /** What `next` has come to; valid until the next call. */
  readonly field = new Slice()
  readonly value = new Slice()
  readonly #packed = new Slice()
  readonly #fieldEntry = new PackedEntry()
  readonly #valueEntry = new PackedEntry()
  readonly #root = new Root()
  readonly #walk = new DictWalk()
  #isPacked = true
  #at = listpack.END

  constructor() {
    asScratch(this)
  }

  /** Begins before the first field. */
  open(db: Database, record: Ptr): void {
    this.#isPacked = !db.hasRoot(record)
    if (!this.#isPacked) return this.#walk.open(db.fieldDict, db.readRoot(record, this.#root))
    const { bytes, start } = db.readString(record, this.#packed)
    this.#at = listpack.firstEntry(bytes, start)
  }

  /**
   * Begins before the fields of one step of HSCAN; returns the next cursor, 0 after the last. A
   * packed hash is one step.
   */
  openStep(db: Database, record: Ptr, cursor: number): number {
    this.#isPacked = !db.hasRoot(record)
    if (!this.#isPacked) {
      return this.#walk.openLeaf(db.fieldDict, db.readRoot(record, this.#root), cursor)
    }
    this.open(db, record)
    return 0
  }

  /** Fields of the step that `openStep` has begun. */
  get stepCount(): number {
    if (!this.#isPacked) return this.#walk.leafCount
    return listpack.count(this.#packed.bytes, this.#packed.start) / 2
  }

  /** Goes to the next field; false after the last. */
  next(): boolean {
    if (!this.#isPacked) {
      if (!this.#walk.next()) return false
      this.field.setTo(this.#walk.key)
      this.value.setTo(this.#walk.value)
      return true
    }
    if (this.#at === listpack.END) return false
    const { bytes } = this.#packed
    this.#at = listpack.readEntry(bytes, this.#at, this.#fieldEntry)
    this.#at = listpack.readEntry(bytes, this.#at, this.#valueEntry)
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
    this.#root.forget()
  }
}
