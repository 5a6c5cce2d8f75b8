// Goes through the members of a set, whatever its form. The set must not change meanwhile. Made
// once, opened again and again; allocates nothing.

import { INTEGER_LENGTH_MAX } from '../../base/bytes.ts'
import { asScratch, Slice } from '../../base/slice.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { DictWalk } from '../leaf-dict/dict-walk.ts'
import { Int64 } from '../packed/int64.ts'
import * as intset from '../packed/intset.ts'
import * as listpack from '../packed/listpack.ts'
import { PackedEntry } from '../packed/packed.ts'
import { Encoding } from '../record.ts'
import { Root } from '../root.ts'
import { SetForm } from './set-draft.ts'

export class SetWalk {
  /** The member that `next` has come to; valid until the next call. */
  readonly member = new Slice()
  readonly #packed = new Slice()
  readonly #entry = new PackedEntry()
  readonly #int64 = new Int64()
  readonly #digits = new Uint8Array(INTEGER_LENGTH_MAX)
  readonly #root = new Root()
  readonly #walk = new DictWalk()
  #form: SetForm = SetForm.Intset
  /** Index in an intset, place in a listpack. */
  #at = 0
  #count = 0

  constructor() {
    asScratch(this)
  }

  /** Begins before the first member. */
  open(db: Database, record: Ptr): void {
    if (db.hasRoot(record)) {
      this.#form = SetForm.Dict
      this.#walk.open(db.memberDict, db.readRoot(record, this.#root))
      return
    }
    const { bytes, start } = db.readString(record, this.#packed)
    if (db.encodingOf(record) === Encoding.Intset) {
      this.#form = SetForm.Intset
      this.#at = 0
      this.#count = intset.count(bytes, start)
    } else {
      this.#form = SetForm.Listpack
      this.#at = listpack.firstEntry(bytes, start)
    }
  }

  /**
   * Begins before the members of one step of SSCAN; returns the next cursor, 0 after the last. A
   * packed set is one step.
   */
  openStep(db: Database, record: Ptr, cursor: number): number {
    if (db.hasRoot(record)) {
      this.#form = SetForm.Dict
      return this.#walk.openLeaf(db.memberDict, db.readRoot(record, this.#root), cursor)
    }
    this.open(db, record)
    return 0
  }

  /** Members of the step that `openStep` has begun. */
  get stepCount(): number {
    if (this.#form === SetForm.Dict) return this.#walk.leafCount
    if (this.#form === SetForm.Intset) return this.#count
    return listpack.count(this.#packed.bytes, this.#packed.start)
  }

  /** Goes to the next member; false after the last. */
  next(): boolean {
    if (this.#form === SetForm.Dict) return this.#nextInDict()
    const { bytes, start } = this.#packed
    if (this.#form === SetForm.Listpack) {
      if (this.#at === listpack.END) return false
      this.#at = listpack.readEntry(bytes, this.#at, this.#entry)
      this.#entry.textInto(this.member)
      return true
    }
    if (this.#at === this.#count) return false
    intset.readMember(bytes, start, this.#at++, this.#int64)
    this.member.set(this.#digits, 0, this.#int64.writeText(this.#digits, 0))
    return true
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.member.forget()
    this.#packed.forget()
    this.#entry.forget()
    this.#root.forget()
  }

  #nextInDict(): boolean {
    if (!this.#walk.next()) return false
    this.member.setTo(this.#walk.key)
    return true
  }
}
