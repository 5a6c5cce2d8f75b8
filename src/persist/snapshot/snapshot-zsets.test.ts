// Goal: sorted sets are in the file as they were at the cut, whatever is done to them meanwhile:
// splits, merges, growing leaves, members in spans, other scores, removal of ranges, copies.
// Method: as snapshot.test.ts: seeded random changes between single steps of the scanner, with a
// reserve so small that writers must wait, every page checked; the loaded file is compared with
// plain values taken at the cut.

import { test } from 'node:test'
import { Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import { defaultEncodingLimits } from '../../keyspace/encoding-limits.ts'
import { copyZset } from '../../keyspace/zset/copy-zset.ts'
import { zsetsOf } from '../../keyspace/zset/zset.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import { type CutBench, expectAllSeen, NOW_MS, runCuts, SCANNERS, TestCut } from './test-cut.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
const LIMITS = defaultEncodingLimits()

class Bench extends TestCut implements CutBench {
  #phase = 0

  element(): Slice {
    const id = this.random.below(3000)
    const length = id % 97 === 0 ? (id * 37) % 20_000 : id % 40
    return Slice.ofText(`${id}`.padEnd(length, 'x'))
  }

  /** One random change, of which a set sees some hundred in a row. */
  change(): void {
    const { random } = this
    const db = this.keyspace.databases[0]!
    const key = Slice.ofText(`zset:${random.below(4)}`)
    const record = db.findForWrite(key)
    const choice = random.below(10_000)
    if (choice < 3 && record !== NULL) return db.remove(record)
    if (choice < 40 && record !== NULL) {
      copyZset(db, record, this.keyspace.databases[1]!, key)
      return
    }
    if (choice < 60) {
      this.keyspace.reclaimStep()
      return
    }
    if (choice < 70 && record !== NULL) {
      db.setDeadline(record, random.below(2) === 0 ? 0 : NOW_MS + 1e9)
      return
    }
    // Sets grow to some thousand members, shrink, and grow again.
    this.#changeSet(
      db,
      key,
      record,
      random.below(100) < (this.#phase++ % 20_000 < 12_000 ? 80 : 20),
    )
  }

  #changeSet(db: Database, key: Slice, record: Ptr, isGrowing: boolean): void {
    const { main, made } = zsetsOf(db)
    const member = this.element()
    const score = this.random.below(3) === 0 ? this.random.below(10) : this.random.float() * 100
    if (record === NULL) {
      made.openNew().add(member, score, LIMITS)
      made.storeAs(db, key)
      return
    }
    main.open(db, record)
    if (!isGrowing && this.random.below(400) === 0) {
      const from = this.random.below(main.count)
      main.removeRanks(from, Math.min(main.count, from + this.random.below(200)))
    } else if (!main.find(member)) {
      if (isGrowing) main.add(member, score, LIMITS)
    } else if (isGrowing) main.setScore(member, score)
    else main.remove()
    if (main.count === 0) db.remove(main.record)
  }

  contents(): Map<string, string[]>[] {
    const member = new Slice()
    return this.keyspace.databases.map((db) => {
      const map = new Map<string, string[]>()
      db.each((record) => {
        const found = [`deadline ${db.deadlineOf(record)}`]
        const zset = zsetsOf(db).main.open(db, record)
        zset.check()
        zset.seekRank(0)
        do found.push(`${zset.readMember(member).toLatin1()} ${zset.score}`)
        while (zset.next())
        map.set(db.readKey(record, new Slice()).toLatin1(), found)
      })
      return map
    })
  }
}

for (let round = 0; round < ROUNDS; round++) {
  const seed = SEED * 1000 + round
  for (const scanner of SCANNERS) {
    test(`seed ${seed}, ${scanner}: sorted sets`, () => {
      runCuts((options) => new Bench(options), { seed, scanner })
    })
  }
}

test('pages were spilled, freed ones held, and the scan handed over both ways', expectAllSeen)
