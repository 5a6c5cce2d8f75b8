// Goal: conditions that must not matter do not. Method: see metamorphic.ts. SEED and EVENTS change
// the run.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventsOf, runVariant, VARIANTS } from './metamorphic.ts'
import { brief } from './model.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const EVENTS = Number(process.env['EVENTS'] ?? 600)
const ROUNDS = 2

for (let round = 0; round < ROUNDS; round++) {
  const seed = SEED + round
  const events = eventsOf(seed, EVENTS)
  const expected = runVariant(events, { name: 'plain' }, seed)
  for (const variant of VARIANTS) {
    test(`${variant.name}: the same replies and data, SEED=${seed}`, () => {
      const found = runVariant(events, variant, seed)
      const at = found.findIndex((reply, i) => reply !== expected[i])
      if (at < 0) return
      const event = events[at]
      const shown = event && 'words' in event ? event.words.map((word) => brief(word)) : 'DIGEST'
      assert.fail(`SEED=${seed} ${shown}: ${brief(found[at])}, else ${brief(expected[at])}`)
    })
  }
}
