// A soak of half a minute on a small limit; `npm run soak` runs one at length, where its header
// says what must hold. Every size of value and every policy has its phase.

import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { stopAll } from '../lib/server.ts'
import { showReport, soak } from './soak.ts'

after(stopAll)

const MIB = 1 << 20

it('the limit of memory holds under a random load', { timeout: 120_000 }, async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
  console.log(`SEED=${seed}`)
  const report = await soak({
    seed,
    totalMs: 32_000,
    phaseMs: 3000,
    limitBytes: 96 * MIB,
    log: () => {},
  })
  console.log(showReport(report))
  assert.deepEqual(report.faults, [])
})
