// The active expire cycle: finds keys whose deadline passed though nobody asks for them.
//
// Every call walks on in the lists of deadlines, in samples, as long as more than a tolerated share
// of a sample had expired, within a time budget. `effort` 1 to 10 (active-expire-effort) raises the
// sample size and the budget and lowers the tolerance, by Redis's documented steps:
//   keys per sample 20 + 5 per step, CPU share 25 % + 2 % per step, stale share 10 % − 1 % per
// step. Work between two looks at the time is one sample. Fields of hashes (field-expire.ts) get
// what the keys have left of the budget, and a quarter of it in any case. Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Database } from './database.ts'
import { FieldExpireCycle, type FieldHook } from './field-expire.ts'
import type { Keyspace } from './keyspace.ts'

const SAMPLE_BASE = 20
const SAMPLE_STEP = 5
const CPU_PERCENT_BASE = 25
const CPU_PERCENT_STEP = 2
const STALE_PERCENT_BASE = 10
/** Share of the budget that fields of hashes get, however many keys expire. */
const FIELD_SHARE = 1 / 4
/** Weight of the last cycle in the running estimate of stale keys. */
const STALE_WEIGHT = 0.05

export interface ExpireOptions {
  /** Unix ms. */
  readonly nowMs: number
  /** Calls per second, which the CPU share is divided by. */
  readonly hz: number
  /** 1 to 10. */
  readonly effort: number
  readonly monotonicUs: () => number
  /** Sees each field of a hash just before it is removed; without it nobody does. */
  readonly onField?: FieldHook | null
}

/** Counts of one cycle. */
interface Tally {
  sampled: number
  expired: number
}

export class ExpireCycle {
  readonly #keyspace: Keyspace
  /** The database to begin with, so that a full budget does not starve the later ones. */
  #next = 0
  readonly #fields: FieldExpireCycle

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.#fields = new FieldExpireCycle(keyspace)
  }

  /** One cycle over all databases; returns the keys removed. */
  run(options: ExpireOptions): number {
    const { databases, stats } = this.#keyspace
    assert(options.effort >= 1 && options.effort <= 10, 'effort is 1 to 10')
    assert(options.hz > 0, 'cycles have a rate')
    const effort = options.effort - 1
    const share = (CPU_PERCENT_BASE + CPU_PERCENT_STEP * effort) / 100
    const budgetUs = (1_000_000 / options.hz) * share
    const limitUs = options.monotonicUs() + budgetUs
    let isUp = false
    const tally: Tally = { sampled: 0, expired: 0 }
    for (let i = 0; i < databases.length; i++) {
      const database = databases[this.#next % databases.length]!
      this.#next++
      if (database.deadlines.count === 0) continue
      if (!this.#runOn(database, { ...options, limitUs }, tally)) {
        isUp = true
        break
      }
    }
    const { nowMs, monotonicUs } = options
    const fieldLimitUs = Math.max(limitUs, monotonicUs() + budgetUs * FIELD_SHARE)
    const onField = options.onField ?? null
    if (!this.#fields.run({ nowMs, limitUs: fieldLimitUs, monotonicUs, onField })) isUp = true
    if (isUp) stats.timeCapReached++
    const stale = tally.sampled === 0 ? 0 : tally.expired / tally.sampled
    stats.staleShare = stale * STALE_WEIGHT + stats.staleShare * (1 - STALE_WEIGHT)
    return tally.expired
  }

  /** Samples one database until few keys of a sample expired; false when the time was up. */
  #runOn(
    database: Database,
    options: ExpireOptions & { readonly limitUs: number },
    tally: Tally,
  ): boolean {
    const effort = options.effort - 1
    const sampleSize = SAMPLE_BASE + SAMPLE_STEP * effort
    const tolerated = (STALE_PERCENT_BASE - effort) / 100
    let expired = 0
    let sampled = 0
    do {
      expired = 0
      sampled = Math.min(sampleSize, database.deadlines.count)
      let ttlSum = 0
      for (let i = 0; i < sampled; i++) {
        const index = database.expireCursor % Math.max(1, database.deadlines.count)
        const record = database.deadlines.at(index)
        const ttl = database.deadlineOf(record) - options.nowMs
        if (ttl <= 0) {
          // The last entry moves into the gap: the same index is looked at again.
          database.expire(record)
          expired++
        } else {
          ttlSum += ttl
          database.expireCursor = index + 1
        }
      }
      const alive = sampled - expired
      assert(alive >= 0, 'nothing expires twice')
      if (alive > 0) noteAverage(database, ttlSum / alive)
      tally.sampled += sampled
      tally.expired += expired
      if (options.monotonicUs() > options.limitUs) return false
    } while (database.deadlines.count > 0 && expired > sampled * tolerated)
    return true
  }
}

/** Moves the running average by 2 % towards the sample's. */
function noteAverage(database: Database, ttlMs: number): void {
  const old = database.averageTtlMs
  database.averageTtlMs = Math.round(old === 0 ? ttlMs : old * 0.98 + ttlMs * 0.02)
}
