// Chooses the key to evict next, by the policy: at random, or the best one that samples have met.
//
//   policy      the higher score is
//   …-lru       the earlier last use           volatile-ttl   the nearer deadline
//   …-lfu       the smaller counter of uses    …-random       (no score)
//
// A pick samples `maxmemory-samples` keys (on average: they come by the bucket) of one database,
// chosen with the chance that it has any given key: so all keys are sampled alike, however many
// databases there are. Then it takes the best of the pool that has not been used since. Scores are
// made of points in time, not of ages, so that candidates of different moments can be compared.
// Source: Redis documentation, "Key eviction".

import { assert, fail } from '../base/assert.ts'
import { scratchSlice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { Sample } from '../keyspace/dict-sample.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { isVolatile, Ranking, rankingOf } from './eviction-policy.ts'
import { type Candidate, EvictionPool } from './eviction-pool.ts'

/** More keys make no better choice, and the time of one pick is to have a limit. */
const SAMPLES_MAX = 1024
const SCORE_OF_NO_USE = 255

export class EvictionPicker {
  /** What `pick` has found; valid until the next change of the keyspace. */
  record: Ptr = NULL
  database: Database
  #ranking: Ranking = Ranking.None
  #isVolatile = false
  #sample = new Sample(1)
  #scores = new Float64Array(0)
  /** Keys that were sampled beyond those wanted, as they lay in the same bucket. */
  #surplus = 0
  /** The database whose turn it is to lose a random key. */
  #turn = 0
  readonly #keyspace: Keyspace
  readonly #pool = new EvictionPool()
  readonly #key = scratchSlice()
  readonly #candidate: Candidate = { score: 0, record: NULL, high: 0, low: 0, database: 0 }

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.database = keyspace.databases[0]!
  }

  /** Whether the policy evicts at all. */
  get isOn(): boolean {
    return this.#ranking !== Ranking.None
  }

  /** Goes by another policy from now on. */
  configure(policy: string, samples: number): void {
    this.#ranking = rankingOf(policy)
    this.#isVolatile = isVolatile(policy)
    this.#sample = new Sample(Math.min(samples, SAMPLES_MAX))
    this.#scores = new Float64Array(this.#sample.records.length)
    this.#surplus = 0
    this.#pool.clear()
  }

  /** Finds the key to evict next; false when no key may be evicted. Allocates nothing. */
  pick(): boolean {
    if (this.#ranking === Ranking.None) return false
    if (this.#ranking === Ranking.Random) return this.#pickAtRandom()
    // What is sampled now is alive: at the latest the second turn finds something.
    for (let turn = 0; turn < 2; turn++) {
      if (!this.#sampleSome()) return false
      if (this.#takeBest()) return true
    }
    return fail('a sampled key is a candidate')
  }

  /** Walks the pool. */
  check(): void {
    this.#pool.check()
  }

  #pickAtRandom(): boolean {
    const { databases, random } = this.#keyspace
    for (let i = 0; i < databases.length; i++) {
      const database = databases[this.#turn++ % databases.length]!
      const count = this.#countOf(database)
      if (count === 0) continue
      this.database = database
      this.record = this.#isVolatile
        ? database.deadlines.at(random.below(count))
        : database.dict.random(random)
      return true
    }
    return false
  }

  /** Keys of the database that may be evicted. */
  #countOf(database: Database): number {
    return this.#isVolatile ? database.expiringCount : database.size
  }

  /** Samples keys, unless earlier picks have sampled enough; false when there are none. */
  #sampleSome(): boolean {
    const { wanted } = this.#sample
    if (this.#surplus >= wanted && this.#pool.count > 0) {
      this.#surplus -= wanted
      return true
    }
    const database = this.#chooseDatabase()
    if (database === null) return false
    this.#fill(database)
    this.#surplus += Math.max(0, this.#sample.count - wanted)
    return true
  }

  /** A database, by the number of keys that may be evicted; null when there are none. */
  #chooseDatabase(): Database | null {
    const { databases, random } = this.#keyspace
    let total = 0
    for (let i = 0; i < databases.length; i++) total += this.#countOf(databases[i]!)
    if (total === 0) return null
    let rank = random.below(total)
    for (let i = 0; i < databases.length; i++) {
      const database = databases[i]!
      rank -= this.#countOf(database)
      if (rank < 0) return database
    }
    return fail('the rank is below the total')
  }

  /** Offers a sample of the database to the pool. */
  #fill(database: Database): void {
    const sample = this.#sample
    const scores = this.#scores
    if (this.#isVolatile) this.#sampleDeadlines(database)
    else database.dict.sample(this.#keyspace.random, sample)
    const { records, count } = sample
    // Apart from the rest, so that the processor can wait for all records at the same time: each is
    // a miss of the cache, and together they would be most of the time of an eviction.
    for (let i = 0; i < count; i++) scores[i] = this.#scoreOf(database, records[i]!)
    for (let i = 0; i < count; i++) this.#offer(database, records[i]!, scores[i]!)
  }

  #sampleDeadlines({ deadlines }: Database): void {
    const { random } = this.#keyspace
    const sample = this.#sample
    const { count } = deadlines
    sample.count = Math.min(sample.wanted, count)
    // Neighbours in this list are of the same age: each is picked for itself.
    const isAll = count === sample.count
    for (let i = 0; i < sample.count; i++) {
      sample.records[i] = deadlines.at(isAll ? i : random.below(count))
    }
  }

  #offer(database: Database, record: Ptr, score: number): void {
    if (!this.#pool.admits(score, record, database.id)) return
    const key = database.readKey(record, this.#key)
    const { hash } = database
    hash.of(key.bytes, key.start, key.length)
    const candidate = this.#candidate
    candidate.score = score
    candidate.record = record
    candidate.high = hash.high
    candidate.low = hash.low
    candidate.database = database.id
    this.#pool.add(candidate)
  }

  /** Takes the best of the pool that is still what it was. */
  #takeBest(): boolean {
    const candidate = this.#candidate
    while (this.#pool.take(candidate)) {
      const database = this.#keyspace.databases[candidate.database]!
      const { record } = candidate
      if (!database.dict.holds(record, candidate.high, candidate.low)) continue
      if (this.#isVolatile && database.deadlineOf(record) === 0) continue
      // Used since, or another key's record.
      if (this.#scoreOf(database, record) < candidate.score) continue
      this.database = database
      this.record = record
      return true
    }
    return false
  }

  #scoreOf(database: Database, record: Ptr): number {
    const { clock } = this.#keyspace
    if (this.#ranking === Ranking.LastUse) return -clock.usedSeconds(database.clockOf(record))
    if (this.#ranking === Ranking.Uses) {
      return SCORE_OF_NO_USE - clock.frequency(database.clockOf(record))
    }
    assert(this.#ranking === Ranking.Deadline, 'all other policies pick at random')
    return -database.deadlineOf(record)
  }
}
