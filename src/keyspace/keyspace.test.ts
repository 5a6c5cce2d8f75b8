// Goal: databases behave like maps with deadlines, and every structure keeps its invariants.
// Method: seeded random operations on a keyspace and on plain Maps; contents compared and `check()`
// called on the way. Key and value lengths cross all limits (inline, cell, span, long keys).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Slice } from '../base/slice.ts'
import { NULL } from '../memory/layout.ts'
import type { Database } from './database.ts'
import { KEEP_DEADLINE } from './database.ts'
import { ExpireCycle } from './expire.ts'
import { Keyspace } from './keyspace.ts'

const SEED = Number(process.env.SEED ?? 1)
const PAGES = 16384 * 16

interface Entry {
  value: string
  deadline: number
}

class Model {
  readonly random = new Random(SEED)
  readonly keyspace = new Keyspace({
    databaseCount: 4,
    pageCapacity: PAGES,
    hashSecret: new Uint32Array([1, 2]),
    random: new Random(SEED + 1),
  })
  readonly maps = [0, 1, 2, 3].map(() => new Map<string, Entry>())
  readonly #names: string[] = []
  nowMs = 1_000_000
  readonly #slice = new Slice()

  constructor(keyCount: number) {
    for (let i = 0; i < keyCount; i++) this.#names.push(this.#name(i))
    this.keyspace.advance(this.nowMs)
  }

  step(): void {
    const { random } = this
    const id = random.below(3)
    const database = this.keyspace.databases[id]!
    const map = this.maps[id]!
    const name = this.#names[random.below(this.#names.length)]!
    const choice = random.below(100)
    if (choice < 40) this.#put(database, map, name)
    else if (choice < 55) this.#remove(database, map, name)
    else if (choice < 65) this.#grow(database, map, name)
    else if (choice < 80) this.#setDeadline(database, map, name)
    else if (choice < 90) this.#rename(database, map, name)
    else if (choice < 95) this.#read(database, map, name)
    else if (choice < 99) this.#pass(random.below(30))
    else if (random.below(20) === 0) this.#flushOrSwap(id)
  }

  compare(): void {
    this.keyspace.check()
    const out = new Slice()
    for (const [id, map] of this.maps.entries()) {
      this.#dropExpired(map)
      const database = this.keyspace.databases[id]!
      const seen = new Map<string, Entry>()
      database.each((record) => {
        if (database.isExpired(record)) return
        const name = database.readKey(record, out).toLatin1()
        const value = database.readString(record, out).toLatin1()
        seen.set(name, { value, deadline: database.deadlineOf(record) })
      })
      assert.equal(seen.size, map.size, `SEED=${SEED}`)
      for (const [name, entry] of map) assert.deepEqual(seen.get(name), entry, `SEED=${SEED}`)
    }
  }

  #name(i: number): string {
    const length = i % 50 === 49 ? 900 + this.random.below(5000) : this.random.below(40)
    return `${i}:${'k'.repeat(length)}`
  }

  #value(): string {
    const { random } = this
    const kind = random.below(20)
    if (kind < 4) return String(random.u32() - 0x80000000)
    const length = kind < 14 ? random.below(100) : kind < 19 ? random.below(3000) : 14_000
    const text = String.fromCharCode(97 + random.below(26)).repeat(length)
    return kind === 19 ? text + 'x'.repeat(random.below(30_000)) : text
  }

  #key(name: string): Slice {
    return Slice.ofText(name)
  }

  #put(database: Database, map: Map<string, Entry>, name: string): void {
    const value = this.#value()
    const choice = this.random.below(4)
    const old = this.#alive(map, name)
    const deadline = choice === 0 ? this.nowMs + 1 + this.random.below(500) : 0
    const given = choice === 1 ? KEEP_DEADLINE : deadline
    database.putString(this.#key(name), Slice.ofText(value), given)
    map.set(name, { value, deadline: choice === 1 ? (old?.deadline ?? 0) : deadline })
  }

  #remove(database: Database, map: Map<string, Entry>, name: string): void {
    const record = database.findForWrite(this.#key(name))
    assert.equal(record !== NULL, this.#alive(map, name) !== undefined, `SEED=${SEED}`)
    if (record === NULL) return
    database.remove(record)
    map.delete(name)
  }

  #grow(database: Database, map: Map<string, Entry>, name: string): void {
    const record = database.findForWrite(this.#key(name))
    const entry = this.#alive(map, name)
    if (record === NULL || !entry) return
    const text = 'g'.repeat(1 + this.random.below(this.random.below(10) === 0 ? 20_000 : 60))
    const gap = this.random.below(5)
    const offset = entry.value.length + gap
    const grown = database.growString(record, offset + text.length)
    database.writeString(grown, offset, Slice.ofText(text))
    entry.value += '\0'.repeat(gap) + text
  }

  #setDeadline(database: Database, map: Map<string, Entry>, name: string): void {
    const record = database.findForWrite(this.#key(name))
    const entry = this.#alive(map, name)
    if (record === NULL || !entry) return
    const deadline = this.random.below(3) === 0 ? 0 : this.nowMs + 1 + this.random.below(300)
    database.setDeadline(record, deadline)
    entry.deadline = deadline
  }

  #rename(database: Database, map: Map<string, Entry>, name: string): void {
    const record = database.findForWrite(this.#key(name))
    const entry = this.#alive(map, name)
    if (record === NULL || !entry) return
    const target = this.random.below(3)
    const other = this.#names[this.random.below(this.#names.length)]!
    const targetDatabase = this.keyspace.databases[target]!
    const existing = targetDatabase.findForWrite(this.#key(other))
    if (existing !== NULL && existing !== record) targetDatabase.remove(existing)
    if (existing === record) return
    const moved = database.findForWrite(this.#key(name))
    database.moveTo(moved, targetDatabase, this.#key(other))
    map.delete(name)
    this.maps[target]!.set(other, entry)
  }

  #read(database: Database, map: Map<string, Entry>, name: string): void {
    const record = database.find(this.#key(name))
    const entry = this.#alive(map, name)
    if (record === NULL) return assert.equal(entry, undefined, `SEED=${SEED}`)
    assert.equal(database.readString(record, this.#slice).toLatin1(), entry?.value)
    assert.equal(database.stringLength(record), entry?.value.length)
  }

  #pass(ms: number): void {
    this.nowMs += ms
    this.keyspace.advance(this.nowMs)
  }

  #flushOrSwap(id: number): void {
    if (this.random.below(2) === 0) {
      this.keyspace.flush(this.keyspace.databases[id]!)
      this.maps[id]!.clear()
      if (this.random.below(2) === 0) this.keyspace.reclaimAll()
    } else {
      this.keyspace.databases[id]!.swapWith(this.keyspace.databases[3]!)
      const own = this.maps[id]!
      this.maps[id] = this.maps[3]!
      this.maps[3] = own
    }
  }

  #alive(map: Map<string, Entry>, name: string): Entry | undefined {
    const entry = map.get(name)
    if (entry && entry.deadline !== 0 && entry.deadline <= this.nowMs) {
      map.delete(name)
      return undefined
    }
    return entry
  }

  #dropExpired(map: Map<string, Entry>): void {
    for (const name of [...map.keys()]) this.#alive(map, name)
  }
}

for (const [keyCount, steps] of [
  [20, 20_000],
  [3_000, 40_000],
] as const) {
  test(`${keyCount} keys behave like maps with deadlines`, { timeout: 120_000 }, () => {
    const model = new Model(keyCount)
    for (let i = 0; i < steps; i++) {
      model.step()
      if (i % (steps / 10) === 0) model.compare()
    }
    model.compare()
    model.keyspace.reclaimAll()
    model.keyspace.check()
    for (const database of model.keyspace.databases) model.keyspace.flush(database)
    model.keyspace.reclaimAll()
    assert.equal(model.keyspace.arena.datasetBytes, 0, `SEED=${SEED}`)
    assert.equal(model.keyspace.arena.pool.pagesUsed, 0, `SEED=${SEED}`)
  })
}

test('a full scan visits every key that was there all the time', () => {
  for (let seed = SEED; seed < SEED + 20; seed++) {
    const random = new Random(seed)
    const keyspace = new Keyspace({
      databaseCount: 1,
      pageCapacity: PAGES,
      hashSecret: new Uint32Array([seed, 2]),
    })
    const database = keyspace.databases[0]!
    const value = Slice.ofText('v')
    const stable = 50 + random.below(3000)
    for (let i = 0; i < stable; i++) database.putString(Slice.ofText(`stable${i}`), value, 0)
    const other = random.below(6000)
    const isShrinking = seed % 2 === 0
    if (isShrinking) {
      for (let i = 0; i < other; i++) database.putString(Slice.ofText(`other${i}`), value, 0)
    }
    const seen = new Set<string>()
    const out = new Slice()
    let cursor = 0
    let next = 0
    do {
      cursor = database.scan(cursor, 1 + random.below(50), (record) => {
        seen.add(database.readKey(record, out).toLatin1())
      })
      for (let i = 0; i < 100 && next < other; i++, next++) {
        const key = Slice.ofText(`other${next}`)
        if (isShrinking) database.remove(database.peek(key))
        else database.putString(key, value, 0)
      }
      keyspace.check()
    } while (cursor !== 0)
    for (let i = 0; i < stable; i++) assert.ok(seen.has(`stable${i}`), `seed ${seed}, key ${i}`)
  }
})

test('the dict grows with a mean load above 60 %, and shrinks', () => {
  const keyspace = new Keyspace({ databaseCount: 1, pageCapacity: PAGES })
  const database = keyspace.databases[0]!
  const value = Slice.ofText('')
  let loadSum = 0
  let samples = 0
  for (let i = 0; i < 200_000; i++) {
    database.putString(Slice.ofText(`key:${i}`), value, 0)
    if (i > 10_000 && i % 1000 === 0) {
      loadSum += database.size / database.dict.capacity
      samples++
    }
  }
  const load = loadSum / samples
  assert.ok(load > 0.6, `mean load ${load}`)
  keyspace.check()
  const full = database.dict.capacity
  for (let i = 0; i < 195_000; i++) database.remove(database.peek(Slice.ofText(`key:${i}`)))
  // Segments merge once two of them fill less than 40 % of one.
  assert.ok(
    database.dict.capacity < full / 8,
    `${database.dict.capacity} of ${full} slots are left`,
  )
  keyspace.check()
  for (let i = 195_000; i < 200_000; i++) database.remove(database.peek(Slice.ofText(`key:${i}`)))
  assert.equal(database.dict.capacity, 0)
  keyspace.check()
})

test('the expire cycle removes what nobody asks for, within its budget', () => {
  const keyspace = new Keyspace({ databaseCount: 2, pageCapacity: PAGES })
  const database = keyspace.databases[1]!
  keyspace.advance(1000)
  for (let i = 0; i < 10_000; i++) {
    database.putString(Slice.ofText(`key:${i}`), Slice.ofText('v'), i % 2 === 0 ? 2000 : 1e9)
  }
  keyspace.advance(3000)
  const cycle = new ExpireCycle(keyspace)
  let us = 0
  const options = { nowMs: 3000, hz: 10, effort: 1, monotonicUs: () => (us += 100) }
  let removed = 0
  for (let i = 0; i < 100; i++) removed += cycle.run(options)
  assert.ok(removed > 4000, `removed ${removed}`)
  assert.equal(keyspace.stats.expired, removed)
  assert.equal(database.size, 10_000 - removed)
  assert.ok(database.averageTtlMs > 0)
  keyspace.check()
})

test('keys are picked at random from the whole dict', () => {
  const keyspace = new Keyspace({ databaseCount: 1, pageCapacity: PAGES })
  const database = keyspace.databases[0]!
  for (let i = 0; i < 100; i++) database.putString(Slice.ofText(`${i}`), Slice.ofText('v'), 0)
  const seen = new Set<string>()
  const out = new Slice()
  for (let i = 0; i < 5000; i++) {
    seen.add(database.readKey(database.random(keyspace.random), out).toLatin1())
  }
  assert.equal(seen.size, 100)
})
