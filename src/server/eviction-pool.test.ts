// Goal: the pool keeps the best candidates and gives them out in the order of their scores, those
// of equal scores first in, first out. Method: random candidates beside a sorted array.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { type Candidate, EvictionPool, POOL_SIZE } from './eviction-pool.ts'

const SEED = Number(process.env['SEED'] ?? 3)

test(`the best candidates come out in order, SEED=${SEED}`, () => {
  const random = new Random(SEED)
  const pool = new EvictionPool()
  // By rising score; of equal scores the later one first.
  let model: Candidate[] = []
  const out = { score: 0, record: 0, high: 0, low: 0, database: 0 }
  for (let i = 1; i < 20_000; i++) {
    if (random.below(5) < 3) {
      const score = random.below(40) - 20
      const [record, database] = [random.below(60) + 1, random.below(3)]
      const isNew = !model.some((each) => each.record === record && each.database === database)
      const isGood = model.length < POOL_SIZE || score > model[0]!.score
      assert.equal(pool.admits(score, record, database), isNew && isGood)
      if (!isNew || !isGood) continue
      const candidate = { score, record, high: i, low: i * 2, database }
      pool.add(candidate)
      if (model.length === POOL_SIZE) model = model.slice(1)
      const at = model.findIndex((each) => each.score >= score)
      model.splice(at < 0 ? model.length : at, 0, candidate)
    } else {
      const expected = model.pop()
      assert.equal(pool.take(out), expected !== undefined)
      if (expected !== undefined) assert.deepEqual(out, expected)
    }
    assert.equal(pool.count, model.length)
    pool.check()
    if (random.below(500) > 0) continue
    pool.clear()
    model = []
  }
})
