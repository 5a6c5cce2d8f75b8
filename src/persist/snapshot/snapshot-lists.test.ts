// Goal: lists are in the file as they were at the cut, whatever is done to them meanwhile: pushes
// and pops at both ends, LSET, LINSERT, LTRIM, LREM, elements in spans, DEL, UNLINK, COPY, RENAME.
// Method: as snapshot.test.ts: seeded random changes between single steps of the scanner, with a
// reserve so small that writers must wait, every page checked; the loaded file is compared with
// plain values taken at the cut. All seeds together must have spilled pages, held freed ones and
// handed the scan over both ways, or the test would show nothing.

import { test } from 'node:test'
import { Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import { defaultEncodingLimits } from '../../keyspace/encoding-limits.ts'
import { List } from '../../keyspace/list/list.ts'
import { copyList } from '../../keyspace/list/list-copy.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import { type CutBench, expectAllSeen, NOW_MS, runCuts, SCANNERS, TestCut } from './test-cut.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
const LIMITS = defaultEncodingLimits()
const LISTS = 4

class Bench extends TestCut implements CutBench {
  readonly #list = new List()
  #phase = 0
  /** That of the list which is changed. */
  #key = Slice.ofText('')

  /** Some in spans of their own, some as large as a leaf takes, most small, many equal. */
  element(): Slice {
    const { random } = this
    const id = random.below(400)
    const kind = random.below(300)
    const length = kind === 0 ? 20_000 : kind < 3 ? 8000 : kind < 30 ? 900 : random.below(40)
    if (kind > 250) return Slice.ofText(`${id * 77}`)
    return Slice.ofText(`${id}`.padEnd(length, 'x'))
  }

  /** One random change, of which a list sees some hundred in a row. */
  change(): void {
    const { random } = this
    const db = this.keyspace.databases[0]!
    const key = Slice.ofText(`list:${random.below(LISTS)}`)
    this.#key = key
    const record = db.findForWrite(key)
    const choice = random.below(10_000)
    if (record !== NULL && choice < 4) return db.remove(record)
    if (record !== NULL && choice < 30) return this.#copy(db, record)
    if (record !== NULL && choice < 40) return this.#rename(db, record)
    if (choice < 60) {
      this.keyspace.reclaimStep()
      return
    }
    if (record !== NULL && choice < 70) {
      db.setDeadline(record, random.below(2) === 0 ? 0 : NOW_MS + 1e9)
      return
    }
    if (record === NULL) {
      this.#list.create(db, key, this.element(), LIMITS)
      return
    }
    // Lists grow to some thousand elements, shrink, and grow again.
    const isGrowing = random.below(100) < (this.#phase++ % 16_000 < 10_000 ? 80 : 30)
    this.#list.open(db, record)
    if (isGrowing) this.#grow()
    else this.#shrink()
  }

  contents(): Map<string, string[]>[] {
    return this.keyspace.databases.map((db) => {
      const map = new Map<string, string[]>()
      db.each((record) => {
        const found = [`deadline ${db.deadlineOf(record)}`]
        const list = this.#list.open(db, record)
        list.check()
        list.seek(0)
        while (list.readNext()) found.push(list.element.toLatin1())
        map.set(db.readKey(record, new Slice()).toLatin1(), found)
      })
      return map
    })
  }

  #copy(db: Database, record: Ptr): void {
    const other = this.keyspace.databases[1]!
    const key = Slice.ofText(`list:${this.random.below(LISTS)}`)
    const existing = other.findForWrite(key)
    if (existing !== NULL) other.remove(existing)
    other.peek(key)
    copyList(db, record, other, key)
  }

  /** To a key of the other database, as MOVE does, or to one of the same. */
  #rename(db: Database, record: Ptr): void {
    const target = this.keyspace.databases[this.random.below(2)]!
    const key = Slice.ofText(`list:${this.random.below(LISTS)}`)
    const existing = target.peek(key)
    if (existing === record) return
    if (existing !== NULL) target.remove(existing)
    db.moveTo(db.peek(this.#key), target, key)
  }

  #grow(): void {
    const list = this.#list
    const { random } = this
    const choice = random.below(10)
    if (choice < 4) list.pushLast(this.element(), LIMITS)
    else if (choice < 7) list.pushFirst(this.element(), LIMITS)
    else if (choice < 9) list.insert(random.below(list.count), this.element(), LIMITS)
    else list.set(random.below(list.count), this.element(), LIMITS)
  }

  #shrink(): void {
    const list = this.#list
    const { random } = this
    const choice = random.below(1000)
    if (choice < 300) list.removeFirst()
    else if (choice < 600) list.removeLast()
    else if (choice < 800) list.set(random.below(list.count), this.element(), LIMITS)
    else if (choice < 890) list.removeFirstEqual(this.element(), 1 + random.below(3))
    else if (choice < 950) list.removeLastEqual(this.element(), 1 + random.below(3))
    else if (choice < 970) list.rotateLeft(LIMITS)
    else if (choice < 995) list.rotateRight(LIMITS)
    else this.#trim()
  }

  /** As LTRIM: a piece from either end, never all. */
  #trim(): void {
    const list = this.#list
    const { count } = list
    const length = Math.min(this.random.below(60), count - 1)
    if (length <= 0) return
    const isFront = this.random.below(2) === 0
    list.remove(isFront ? 0 : count - length, length)
  }
}

/** A record's run was spilled, its pages used again: the list was taken for one without a key. */
const FOUND = [4001]

for (const seed of [...Array.from({ length: ROUNDS }, (_, i) => SEED * 1000 + i), ...FOUND]) {
  for (const scanner of SCANNERS) {
    test(`seed ${seed}, ${scanner}: lists`, () => {
      runCuts((options) => new Bench(options), { seed, scanner })
    })
  }
}

test('pages were spilled, freed ones held, and the scan handed over both ways', expectAllSeen)
