// Active expiry of fields: finds fields of hashes whose deadline has passed though nobody asks for
// them. Each slice goes on in the lists of hashes with deadlines (deadlines.ts), hash by hash, and
// in a large hash leaf by leaf; a hash whose earliest deadline is ahead costs one look. A hash that
// has been gone through knows its earliest deadline again, or that it has none.
//
// Between two slices anything may happen to the hash where a slice ended, so that is noted by the
// number of its collection and a position in the space of hashes. Work between two looks at the
// time is some leaves, or some tens of hashes. Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Slice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Database, NO_DEADLINE } from './database.ts'
import { HashValue } from './hash/hash-value.ts'
import type { Keyspace } from './keyspace.ts'
import type { Expiry } from './leaf-dict/dict-expire.ts'
import { Root } from './root.ts'

/** Hashes looked at between two looks at the time. */
const HASHES_PER_LOOK = 64
/** Hashes looked at in one slice at most, most of which have nothing due. */
const HASHES_MAX = 4096
/** Leaves gone through between two looks at the time, if none has anything due. */
const LEAVES_PER_LOOK = 64
/** Fields removed after which the time is looked at. */
const REMOVED_PER_LOOK = 256

export interface FieldExpireOptions {
  /** Unix ms. */
  readonly nowMs: number
  /** Microseconds, as `monotonicUs`, when the slice is to end. */
  readonly limitUs: number
  readonly monotonicUs: () => number
  /** Sees each field just before it is removed; without it nobody does. */
  readonly onField?: FieldHook | null
}

/** Sees a field of the hash at a record; must not change the keyspace. */
export type FieldHook = (database: Database, record: Ptr, field: Slice) => void

export class FieldExpireCycle {
  readonly #keyspace: Keyspace
  readonly #hash = new HashValue()
  readonly #root = new Root()
  readonly #expiry: Expiry = { nowMs: 0, removed: 0, earliestMs: 0, onField: null }
  /** Who sees the fields of this slice, and where they are. */
  #onField: FieldHook | null = null
  #database: Database | null = null
  readonly #tell = (field: Slice) => {
    assert(this.#database !== null, 'fields are those of a database')
    this.#onField?.(this.#database, this.#hash.record, field)
  }
  /** The database to begin with, so that a full budget does not starve the later ones. */
  #next = 0
  /** The large hash that is being gone through; 0: none. Where, and what was seen so far. */
  #number = 0
  #position = 0
  #earliestMs = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** One slice over all databases; false when the time was up before all was looked at. */
  run(options: FieldExpireOptions): boolean {
    const { databases } = this.#keyspace
    assert(options.nowMs > 0, 'deadlines are compared with the time')
    this.#expiry.nowMs = options.nowMs
    this.#onField = options.onField ?? null
    this.#expiry.onField = this.#onField === null ? null : this.#tell
    for (let i = 0; i < databases.length; i++) {
      const database = databases[this.#next % databases.length]!
      if (!this.#runOn(database, options)) return false
      this.#next = (this.#next + 1) % databases.length
    }
    return true
  }

  #runOn(database: Database, { limitUs, monotonicUs }: FieldExpireOptions): boolean {
    const { fieldDeadlines } = database
    let left = Math.min(fieldDeadlines.count, HASHES_MAX)
    this.#database = database
    for (let looked = 1; left > 0 && fieldDeadlines.count > 0; looked++, left--) {
      const index = database.fieldExpireCursor % fieldDeadlines.count
      const record = fieldDeadlines.at(index)
      database.fieldExpireCursor = index
      if (database.fieldDeadlineOf(record) > this.#expiry.nowMs) database.fieldExpireCursor++
      else if (this.#expireIn(database, record, limitUs, monotonicUs)) {
        // What is not listed any more has another in its place.
        if (fieldDeadlines.count > index && fieldDeadlines.at(index) === this.#hash.record) {
          database.fieldExpireCursor++
        }
      } else return false
      if (looked % HASHES_PER_LOOK === 0 && monotonicUs() > limitUs) return false
    }
    return true
  }

  /** Removes what is due from a hash; false when the time was up before its end. */
  #expireIn(database: Database, record: Ptr, limitUs: number, monotonicUs: () => number): boolean {
    const expiry = this.#expiry
    const hash = this.#hash.open(database, record)
    const number = database.hasRoot(record) ? database.readRoot(record, this.#root).number : 0
    if (number === 0 || number !== this.#number) {
      this.#position = 0
      this.#earliestMs = 0
    }
    this.#number = number
    expiry.removed = 0
    expiry.earliestMs = this.#earliestMs
    let isUp = false
    let removedBefore = 0
    for (let leaves = 1; ; leaves++) {
      this.#position = hash.expireStep(this.#position, expiry)
      if (this.#position === 0 || hash.count === 0) break
      if (leaves % LEAVES_PER_LOOK !== 0 && expiry.removed - removedBefore < REMOVED_PER_LOOK) {
        continue
      }
      removedBefore = expiry.removed
      isUp = monotonicUs() > limitUs
      if (isUp) break
    }
    this.#earliestMs = expiry.earliestMs
    this.#end(database, isUp)
    return !isUp
  }

  /** Tells what has expired, and notes what was learned of the hash. */
  #end(database: Database, isUp: boolean): void {
    const hash = this.#hash
    const { removed, earliestMs } = this.#expiry
    const isEmpty = hash.count === 0
    if (removed > 0) database.noteExpiredFields(hash.record, removed, isEmpty)
    if (!isUp || isEmpty) this.#number = 0
    if (isEmpty) {
      database.remove(hash.record)
      hash.record = NULL
    } else if (!isUp) hash.noteEarliest(earliestMs === 0 ? NO_DEADLINE : earliestMs)
  }
}
