// A short run of the simulation; `npm run simulate` runs it at length. SEED and STEPS change it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './simulate.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const STEPS = Number(process.env['STEPS'] ?? 1200)
const RUNS = 8

for (let run = 0; run < RUNS; run++) {
  const seed = SEED + run
  test(`everything a server says and keeps is right, SEED=${seed}`, () => {
    console.log(`SEED=${seed}`)
    const { tally } = simulate({ seed, steps: STEPS })
    assert.ok(tally.commands > STEPS, 'clients were served')
  })
}

test('a seed gives the same run twice', () => {
  const options = { seed: SEED, steps: 300 }
  assert.deepEqual(simulate(options), simulate(options))
})
