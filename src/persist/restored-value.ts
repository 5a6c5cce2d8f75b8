// What a payload of RESTORE becomes: a record under a key of its own, to be moved to the key that
// the client named when all is well. A collection that cannot be taken as it lies is read twice:
// once to see that it is whole, then to make the value; so a damaged one changes nothing, and the
// second reading fails only for an element that stands there twice or for want of memory.
// Owner: the engine.

import { assert, fail } from '../base/assert.ts'
import { type ByteRange, Slice } from '../base/slice.ts'
import { chooseHiddenKey, dropHidden } from '../command/hidden-key.ts'
import { UNSUITED } from '../keyspace/adopted-value.ts'
import { type Database, NO_DEADLINE } from '../keyspace/database.ts'
import type { EncodingLimits } from '../keyspace/encoding-limits.ts'
import type { Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { BuiltCollection, builderOf } from './rdb/built-collection.ts'
import type { RdbPayload } from './rdb/rdb-payload.ts'
import {
  type CollectionTarget,
  type PackedValue,
  RdbEntry,
  type RdbTarget,
} from './rdb/rdb-target.ts'
import { StreamBuilder } from './rdb/stream-builder.ts'
import type { StreamTarget } from './rdb/stream-target.ts'

export class RestoredValue implements RdbTarget {
  readonly #entry = new RdbEntry()
  /** The last payload had a collection without elements. */
  isEmpty = false
  readonly #key = new Slice()
  #db: Database | null = null
  #limits: EncodingLimits | null = null
  #bytesLeft = 0
  readonly #collection = new BuiltCollection((record) => {
    this.#record = record
  })
  readonly #stream = new StreamBuilder({
    freeKey: () => {},
    onEnd: (record) => {
      this.#record = record
    },
  })
  /** True in the first of two readings. */
  #isChecking = true
  #record: Ptr = NULL
  #isCollection = false

  /**
   * Makes the value of a verified payload in `db`, under a key that nobody uses. NULL, and nothing
   * has changed: the payload is damaged. ARENA_FULL likewise.
   */
  make(payload: RdbPayload, range: ByteRange, db: Database, limits: EncodingLimits): Ptr {
    this.#db = db
    this.#limits = limits
    this.#bytesLeft = range.length
    this.#record = NULL
    this.#isCollection = false
    this.isEmpty = false
    this.#isChecking = true
    chooseHiddenKey(db, this.#key)
    try {
      if (!payload.read(range, this.#entry, this)) return this.#dropped()
      if (!this.#isCollection) return this.#record
      this.#isChecking = false
      if (!payload.read(range, this.#entry, this)) return this.#dropped()
      return this.#record
    } catch (error) {
      this.#dropped()
      throw error
    } finally {
      this.#collection.discard()
      this.#db = null
    }
  }

  onAux(): void {
    fail('a payload is one value')
  }

  onDatabase(): void {
    fail('a payload is one value')
  }

  onResize(): void {
    fail('a payload is one value')
  }

  onFunction(): void {
    fail('a payload is one value')
  }

  onString(entry: RdbEntry): void {
    const { bytes, start, length } = entry.value
    const value = new Slice().set(bytes, start, length)
    this.#record = this.#database().putString(this.#key, value, NO_DEADLINE)
  }

  onCollection(_entry: RdbEntry, type: Type, count: number): CollectionTarget | null {
    this.#isCollection = true
    if (this.#isChecking) return null
    const db = this.#database()
    assert(this.#limits !== null, 'a value is made by limits')
    const existing = db.peek(this.#key)
    assert(existing === NULL, 'the key is free')
    const options = { limits: this.#limits, count, bytesLeft: this.#bytesLeft }
    return this.#collection.begin(type, db, this.#key, options)
  }

  onEmpty(): void {
    this.isEmpty = true
  }

  onStream(): StreamTarget | null {
    this.#isCollection = true
    if (this.#isChecking) return null
    const db = this.#database()
    const existing = db.peek(this.#key)
    assert(existing === NULL, 'the key is free')
    this.#stream.begin(db, this.#key)
    return this.#stream
  }

  onPacked(_entry: RdbEntry, type: Type, value: PackedValue): boolean {
    assert(this.#limits !== null, 'a value is made by limits')
    const encoding = builderOf(type).nameOf(value, this.#limits)
    if (encoding === UNSUITED) return false
    const bytes = new Slice().set(value.bytes, value.start, value.length)
    // Made in the first reading: what may be wrong yet is what follows.
    this.#record = this.#database().putPacked(this.#key, bytes, { type, encoding })
    return true
  }

  #database(): Database {
    return this.#db ?? fail('a value is made in a database')
  }

  /** Removes what there is of a value in the making. */
  #dropped(): Ptr {
    dropHidden(this.#database(), this.#key)
    return NULL
  }
}
