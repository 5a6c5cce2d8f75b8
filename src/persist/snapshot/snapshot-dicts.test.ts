// Goal: large sets and hashes are in the file as they were at the cut, whatever is done to them
// meanwhile: splits, merges, growing leaves, elements out of line, removal, copies.
// Method: as snapshot.test.ts: seeded random changes between single steps of the scanner, with a
// reserve so small that writers must wait, every page checked; the loaded file is compared with
// plain values taken at the cut.

import { test } from 'node:test'
import { Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import { defaultEncodingLimits } from '../../keyspace/encoding-limits.ts'
import { HashValue } from '../../keyspace/hash/hash-value.ts'
import { HashWalk } from '../../keyspace/hash/hash-walk.ts'
import { copyHash, copySet } from '../../keyspace/leaf-dict/dict-copy.ts'
import { Type } from '../../keyspace/record.ts'
import { SetValue } from '../../keyspace/set/set-value.ts'
import { SetWalk } from '../../keyspace/set/set-walk.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import { type CutBench, expectAllSeen, NOW_MS, runCuts, SCANNERS, TestCut } from './test-cut.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
const ENTRIES_MAX = 512
const LIMITS = defaultEncodingLimits()

class Bench extends TestCut implements CutBench {
  readonly #set = new SetValue()
  readonly #hash = new HashValue()

  element(): Slice {
    const id = this.random.below(3000)
    const length = id % 97 === 0 ? (id * 37) % 20_000 : id % 40
    return Slice.ofText(`${id}`.padEnd(length, 'x'))
  }

  /** One random change, of which a value sees some hundred in a row. */
  change(): void {
    const { random } = this
    const db = this.keyspace.databases[0]!
    const key = Slice.ofText(`${random.below(2) === 0 ? 'set' : 'hash'}:${random.below(3)}`)
    const record = db.findForWrite(key)
    const isSet = key.toLatin1().startsWith('set')
    const choice = random.below(10_000)
    if (choice < 20 && record !== NULL) return db.remove(record)
    if (choice < 40 && record !== NULL) {
      const target = this.keyspace.databases[1]!
      target.peek(key)
      if (isSet) copySet(db, record, target, key)
      else copyHash(db, record, target, key)
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
    // Values grow to some thousand elements, shrink, and grow again.
    const isGrowing = random.below(100) < (this.#phase++ % 20_000 < 12_000 ? 80 : 20)
    if (isSet) this.#changeSet(db, key, record, isGrowing)
    else this.#changeHash(db, key, record, isGrowing)
  }

  #phase = 0

  #changeSet(db: Database, key: Slice, record: Ptr, isGrowing: boolean): void {
    const set = this.#set
    if (record === NULL) return set.make(db, key, this.element(), ENTRIES_MAX)
    set.open(db, record)
    if (isGrowing) set.add(this.element(), ENTRIES_MAX)
    else if (this.random.below(2) === 0) set.remove(this.element())
    else {
      set.pickRandom(this.random)
      set.removePicked()
    }
    if (set.count === 0) db.remove(set.record)
  }

  #changeHash(db: Database, key: Slice, record: Ptr, isGrowing: boolean): void {
    const hash = this.#hash
    const field = this.element()
    if (record === NULL) return hash.make(db, key, { field, value: this.element() }, LIMITS)
    hash.open(db, record)
    if (isGrowing) hash.set(field, this.element(), LIMITS)
    else hash.remove(field)
    if (hash.count === 0) db.remove(hash.record)
  }

  contents(): Map<string, string[]>[] {
    const setWalk = new SetWalk()
    const hashWalk = new HashWalk()
    return this.keyspace.databases.map((db) => {
      const map = new Map<string, string[]>()
      db.each((record) => {
        const found = [`deadline ${db.deadlineOf(record)}`]
        if (db.typeOf(record) === Type.Set) {
          this.#set.open(db, record).check()
          setWalk.open(db, record)
          while (setWalk.next()) found.push(setWalk.member.toLatin1())
        } else {
          this.#hash.open(db, record).check()
          hashWalk.open(db, record)
          while (hashWalk.next()) {
            found.push(`${hashWalk.field.toLatin1()} ${hashWalk.value.toLatin1()}`)
          }
        }
        map.set(db.readKey(record, new Slice()).toLatin1(), found.sort())
      })
      return map
    })
  }
}

for (let round = 0; round < ROUNDS; round++) {
  const seed = SEED * 1000 + round
  for (const scanner of SCANNERS) {
    test(`seed ${seed}, ${scanner}: large sets and hashes`, () => {
      runCuts((options) => new Bench(options), { seed, scanner })
    })
  }
}

test('pages were spilled, freed ones held, and the scan handed over both ways', expectAllSeen)
