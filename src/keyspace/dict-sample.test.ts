// Goal: samples hold live records, as many as asked for, and every key comes up as often as any
// other; `holds` knows a record by its hash. Method: databases of all sizes, and counts of many
// samples.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { scratchSlice } from '../base/slice.ts'
import { Sample } from './dict-sample.ts'
import { Keyspace } from './keyspace.ts'

const SEED = Number(process.env['SEED'] ?? 7)
const VALUE = scratchSlice().set(new Uint8Array(8), 0, 8)

/** A database with keys `0` … */
function filled(count: number) {
  const random = new Random(SEED)
  const hashSecret = new Uint32Array([SEED, SEED])
  const keyspace = new Keyspace({ databaseCount: 1, pageCapacity: 16384, random, hashSecret })
  const database = keyspace.databases[0]!
  for (let i = 0; i < count; i++) database.putString(keyOf(i), VALUE, 0)
  return { keyspace, database, random }
}

function keyOf(i: number) {
  const bytes = Buffer.from(`${i}`)
  return scratchSlice().set(bytes, 0, bytes.length)
}

test(`a sample has what was wanted and at most a bucket more, SEED=${SEED}`, () => {
  for (const count of [1, 2, 5, 11, 100, 768, 5000]) {
    const { database, random } = filled(count)
    const live = new Set<number>()
    database.each((record) => live.add(record))
    for (const wanted of [1, 5, 10, 64]) {
      const sample = new Sample(wanted)
      for (let i = 0; i < 50; i++) {
        database.dict.sample(random, sample)
        const found = sample.records.subarray(0, sample.count)
        assert.ok(sample.count >= Math.min(wanted, count), `${sample.count} of ${count}`)
        assert.ok(sample.count < wanted + 12)
        for (const record of found) assert.ok(live.has(record))
      }
    }
  }
})

test('an empty dict gives an empty sample', () => {
  const { database, random } = filled(0)
  const sample = new Sample(5)
  sample.count = 3
  database.dict.sample(random, sample)
  assert.equal(sample.count, 0)
})

test(`every key comes up as often as any other, SEED=${SEED}`, () => {
  const { database, random } = filled(3000)
  const counts = new Map<number, number>()
  const sample = new Sample(5)
  let total = 0
  for (let i = 0; i < 60_000; i++) {
    database.dict.sample(random, sample)
    total += sample.count
    for (const record of sample.records.subarray(0, sample.count)) {
      counts.set(record, (counts.get(record) ?? 0) + 1)
    }
  }
  const mean = total / 3000
  assert.equal(counts.size, 3000)
  // Buckets are picked independently: a count is off by some roots of the mean at most.
  const spread = Math.max(...[...counts.values()].map((count) => Math.abs(count - mean)))
  assert.ok(spread < mean / 2, `${spread} of ${mean}`)
})

test('a record is held under its hash, until it is removed', () => {
  const { database } = filled(2000)
  const hashes = new Map<number, readonly [high: number, low: number]>()
  const key = scratchSlice()
  database.each((record) => {
    const { bytes, start, length } = database.readKey(record, key)
    database.hash.of(bytes, start, length)
    hashes.set(record, [database.hash.high, database.hash.low])
  })
  for (const [record, [high, low]] of hashes) {
    assert.ok(database.dict.holds(record, high, low))
    assert.ok(!database.dict.holds(record + 1, high, low))
  }
  for (let i = 0; i < 1000; i++) database.remove(database.peek(keyOf(i)))
  let held = 0
  for (const [record, [high, low]] of hashes) if (database.dict.holds(record, high, low)) held++
  assert.equal(held, 1000)
})
