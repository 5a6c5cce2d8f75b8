// Where the records of one database are: the dict that leads to them, and the lists of those that
// expire. Every change that makes, moves or frees a record goes through here, so that all places
// that name it agree. What a key means – expired or alive, accessed or not – is Database's.
//
// SWAPDB exchanges the entries of two databases as a whole.
// Invariants: every record in the dict lies in a slab of this space · a record is in the lists that
// its flags name, and in no other.
// ARENA_FULL leaves everything as it was.

import { assert } from '../base/assert.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Commons } from './commons.ts'
import { Dict } from './dict.ts'
import { Expiring } from './expiring.ts'
import { type Encoding, type ExpiringFlag, flagsOf, RecordFlag, type Type } from './record.ts'
import { wordOf, wordsOf } from './record-access.ts'
import { relocated } from './record-move.ts'

/** What a record is made with, besides key and value. */
export interface MakeOptions {
  readonly type: Type
  readonly encoding: Encoding
  /** Unix ms; 0: none. */
  readonly deadlineMs: number
}

export class Entries {
  readonly dict: Dict
  readonly expiring: Expiring
  readonly #commons: Commons
  #space: number

  constructor(commons: Commons, space: number) {
    this.#commons = commons
    this.#space = space
    this.dict = new Dict(commons.arena, commons.hash, scratchSlice())
    this.expiring = new Expiring(commons.arena)
  }

  /** The space that the records lie in. */
  get space(): number {
    return this.#space
  }

  flagsOf(record: Ptr): number {
    return flagsOf(wordsOf(this.#commons.arena, record)[wordOf(record) + 1]!)
  }

  /** Whether the record is in the list that the flag names. */
  isListed(record: Ptr, flag: ExpiringFlag): boolean {
    return (this.flagsOf(record) & flag) !== 0
  }

  /** A record that no key leads to yet. */
  make(key: Slice, value: Slice, options: MakeOptions): Ptr {
    const { type, deadlineMs, encoding } = options
    const { store, clock } = this.#commons
    return store.create(
      { space: this.#space, type, encoding, clock: clock.fresh(), deadlineMs },
      key,
      value,
    )
  }

  /** Makes and lists a record for a free key, whose hash stands in the shared KeyHash. */
  create(key: Slice, value: Slice, options: MakeOptions): Ptr {
    const hasDeadline = options.deadlineMs !== 0
    if (hasDeadline) this.expiring.makeRoom(RecordFlag.Deadline)
    const made = this.make(key, value, options)
    this.insert(made, NULL)
    if (hasDeadline) this.expiring.add(made)
    return made
  }

  /**
   * Adds a record to the dict under the hash in the shared KeyHash. Without room it is freed, and
   * its value goes back to `source`, the record that it was moved from (NULL: none).
   */
  insert(record: Ptr, source: Ptr): void {
    try {
      this.dict.insertHashed(record)
    } catch (error) {
      if (source === NULL) this.#commons.store.free(record)
      else this.#commons.store.moveBack(source, record)
      throw error
    }
  }

  /** Lists a record whose hash stands in the shared KeyHash, and whose key is free. */
  list(record: Ptr): void {
    this.expiring.makeRoom(this.flagsOf(record))
    this.dict.insertHashed(record)
    this.expiring.add(record)
  }

  /** Puts a new record with the same key in the place of another, which is free then. */
  replace(existing: Ptr, key: Slice, value: Slice, options: MakeOptions): Ptr {
    if (options.deadlineMs !== 0) this.expiring.makeRoom(RecordFlag.Deadline)
    const made = this.make(key, value, options)
    this.supplant(existing, made)
    this.expiring.add(made)
    return made
  }

  /** Puts an unlisted record in the dict's place of another with the same key, which is freed. */
  supplant(occupant: Ptr, record: Ptr): void {
    this.expiring.remove(occupant)
    this.dict.replace(occupant, record)
    this.#commons.store.free(occupant)
  }

  /** A record has moved to `next`, with the same flags. Returns `next`. */
  moved(record: Ptr, next: Ptr): Ptr {
    if (next === record) return record
    this.dict.replace(record, next)
    this.expiring.move(next)
    return next
  }

  /** Moves a record to another cell; see record-move.ts. */
  relocate(record: Ptr): Ptr {
    return this.moved(record, relocated(this.#commons.collections, record))
  }

  /** Takes a record out and frees it. O(1), but for the pages of a large value. */
  remove(record: Ptr): void {
    this.expiring.remove(record)
    this.dict.remove(record)
    this.#commons.store.free(record)
  }

  /** Gives the record another key of `target`, in the place of what that held. Returns it. */
  moveTo(record: Ptr, target: Entries, key: Slice): Ptr {
    const { store } = this.#commons
    if (target !== this) target.expiring.makeRoom(this.flagsOf(record))
    const made = store.move(record, key, target.#space)
    const occupant = target.dict.find(key)
    assert(occupant !== record, 'a record moves to another key')
    if (occupant === NULL) target.insert(made, record)
    else target.supplant(occupant, made)
    this.dict.remove(record)
    this.expiring.remove(record)
    target.expiring.add(made)
    store.freeMoved(record)
    return made
  }

  /** Sets (unix ms > 0) or clears (0) the key's deadline. Returns the record, maybe moved. */
  setDeadline(record: Ptr, deadlineMs: number): Ptr {
    const { keys, fields } = this.expiring
    const index = this.isListed(record, RecordFlag.Deadline) ? keys.indexOf(record) : -1
    if (index < 0 && deadlineMs !== 0) keys.makeRoom()
    const next = this.#commons.store.withDeadline(record, deadlineMs)
    if (next === record) return record
    this.dict.replace(record, next)
    if (this.isListed(next, RecordFlag.FieldDeadline)) fields.move(next)
    if (index < 0) keys.add(next)
    else keys.removeAt(index)
    return next
  }

  /** `setDeadline` for the earliest deadline of a hash's fields. */
  setFieldDeadline(record: Ptr, deadlineMs: number): Ptr {
    const { keys, fields } = this.expiring
    const index = this.isListed(record, RecordFlag.FieldDeadline) ? fields.indexOf(record) : -1
    if (index < 0 && deadlineMs !== 0) fields.makeRoom()
    const next = this.#commons.store.withFieldDeadline(record, deadlineMs)
    if (next === record) return record
    this.dict.replace(record, next)
    if (this.isListed(next, RecordFlag.Deadline)) keys.move(next)
    if (index < 0) fields.add(next)
    else fields.removeAt(index)
    return next
  }

  /** Forgets all records at once and goes on in `space`; the old space's pages are the caller's. */
  detach(space: number): number {
    assert(space !== this.#space, 'a flushed database goes on in another space')
    const old = this.#space
    this.dict.clear()
    this.expiring.clear()
    this.#space = space
    return old
  }

  /** Walks dict, lists and records. O(n). */
  check(): void {
    this.dict.check()
    this.expiring.check()
    let expiring = 0
    let withFields = 0
    this.dict.each((record) => {
      assert(this.#commons.arena.spaceOf(record) === this.#space, 'records lie in their space')
      if (this.isListed(record, RecordFlag.Deadline)) expiring++
      if (this.isListed(record, RecordFlag.FieldDeadline)) withFields++
    })
    assert(expiring === this.expiring.keys.count, 'every deadline is listed')
    assert(withFields === this.expiring.fields.count, 'every hash with deadlines is listed')
  }
}
