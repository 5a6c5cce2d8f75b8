// Adds many small values to one database, as loading does. Records are made at once, but listed in
// the dict in batches: first the buckets of a whole batch are read, so that their cache misses
// overlap instead of following each other.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Slice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Commons } from './commons.ts'
import { type Database, encodingFor } from './database.ts'
import type { MakeOptions } from './entries.ts'
import { Type } from './record.ts'

const BATCH = 32

export class BulkLoad {
  readonly #database: Database
  readonly #commons: Commons
  readonly #records = new Uint32Array(BATCH)
  readonly #highs = new Uint32Array(BATCH)
  readonly #lows = new Uint32Array(BATCH)
  #count = 0
  /** Keeps the compiler from dropping the reads that warm the cache. */
  #warmth = 0

  constructor(database: Database, commons: Commons) {
    this.#database = database
    this.#commons = commons
  }

  get database(): Database {
    return this.#database
  }

  get warmth(): number {
    return this.#warmth
  }

  /** Whether the next `add` must wait for `flush`. */
  get isFull(): boolean {
    return this.#count === BATCH
  }

  /** Makes the record of a string; it is found under its key after the next `flush`. */
  add(key: Slice, value: Slice, deadlineMs: number): Ptr {
    return this.addPacked(key, value, {
      type: Type.String,
      encoding: encodingFor(value),
      deadlineMs,
    })
  }

  /** `add`, of a packed value or a string. */
  addPacked(key: Slice, value: Slice, options: MakeOptions): Ptr {
    assert(this.#count < BATCH, 'a full batch is flushed first')
    const record = this.#database.makeUnlisted(key, value, options)
    const { high, low } = this.#commons.hash
    this.#records[this.#count] = record
    this.#highs[this.#count] = high
    this.#lows[this.#count] = low
    this.#count++
    return record
  }

  /**
   * Lists the records of the batch. Returns one whose key existed already, which is not listed.
   * When the arena is full it throws; the records that are not listed then await `discard`.
   */
  flush(): Ptr {
    let doubled = NULL
    let listed = 0
    // Loads that follow each other closely miss the cache together.
    for (let i = 0; i < this.#count; i++) {
      this.#warmth ^= this.#database.warm(this.#highs[i]!, this.#lows[i]!)
    }
    try {
      for (; listed < this.#count; listed++) {
        const record = this.#records[listed]!
        if (doubled !== NULL) this.#commons.store.free(record)
        else if (!this.#database.addUnlisted(record, this.#highs[listed]!, this.#lows[listed]!)) {
          doubled = record
        }
      }
    } finally {
      this.#records.copyWithin(0, listed, this.#count)
      this.#count -= listed
    }
    return doubled
  }

  /** Frees the records that are not listed: after a file turned out to be damaged. */
  discard(): void {
    for (let i = 0; i < this.#count; i++) this.#commons.store.free(this.#records[i]!)
    this.#count = 0
  }
}
