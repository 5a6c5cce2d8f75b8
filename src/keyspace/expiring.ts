// What expires in a database: keys, and fields of hashes. A list of records for each; a record
// stands in those that its flags name.

import type { Arena } from '../memory/arena.ts'
import type { Ptr } from '../memory/layout.ts'
import { Deadlines } from './deadlines.ts'
import { flagsOf, RecordFlag } from './record.ts'
import { wordOf, wordsOf } from './record-access.ts'

export class Expiring {
  /** Records whose key has a deadline. */
  readonly keys: Deadlines
  /** Hashes some of whose fields have one. */
  readonly fields: Deadlines
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
    this.keys = new Deadlines(arena, RecordFlag.Deadline)
    this.fields = new Deadlines(arena, RecordFlag.FieldDeadline)
  }

  /** Sees to it that a record with these flags finds room. Throws when the arena is full. */
  makeRoom(flags: number): void {
    if ((flags & RecordFlag.Deadline) !== 0) this.keys.makeRoom()
    if ((flags & RecordFlag.FieldDeadline) !== 0) this.fields.makeRoom()
  }

  /** Lists a record. O(1). */
  add(record: Ptr): void {
    const flags = this.#flagsOf(record)
    if ((flags & RecordFlag.Deadline) !== 0) this.keys.add(record)
    if ((flags & RecordFlag.FieldDeadline) !== 0) this.fields.add(record)
  }

  /** Takes a record out, whose bytes are still readable. O(1). */
  remove(record: Ptr): void {
    const flags = this.#flagsOf(record)
    if ((flags & RecordFlag.Deadline) !== 0) this.keys.remove(record)
    if ((flags & RecordFlag.FieldDeadline) !== 0) this.fields.remove(record)
  }

  /** A listed record has moved to `next`, with its flags and index words. O(1). */
  move(next: Ptr): void {
    const flags = this.#flagsOf(next)
    if ((flags & RecordFlag.Deadline) !== 0) this.keys.move(next)
    if ((flags & RecordFlag.FieldDeadline) !== 0) this.fields.move(next)
  }

  clear(): void {
    this.keys.clear()
    this.fields.clear()
  }

  check(): void {
    this.keys.check()
    this.fields.check()
  }

  #flagsOf(record: Ptr): number {
    return flagsOf(wordsOf(this.#arena, record)[wordOf(record) + 1]!)
  }
}
