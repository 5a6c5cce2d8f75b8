// Goal: a snapshot of all types is exactly the keyspace at one instant, by either method, with any
// reserve, whatever clients, disk and readers do meanwhile. Method: see cut-world.ts; a few seeds
// here, any number by `npm run simulate -- --only cuts`. SEED and EVENTS change the runs.

import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { THRESHOLDS } from '../differential/script.ts'
import { compareStates, type KeyState, walk } from '../differential/walk.ts'
import { REFERENCE, TestServer, temporaryDir } from '../lib/server.ts'
import { cutRunOf } from './cut-events.ts'
import { simulateCuts } from './cuts.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const EVENTS = Number(process.env['EVENTS'] ?? 1200)
const RUNS = 10
const REFERENCE_RUNS = 2
const DATABASES = 4
const options = { skip: REFERENCE === '' ? 'redis-server is not installed' : false }

const total = { saves: 0, streams: 0, failed: 0, aborted: 0, preservedPages: 0, spilledBytes: 0 }

for (let run = 0; run < RUNS; run++) {
  const seed = SEED + run
  test(`files and streams hold what was there at the cut, SEED=${seed}`, () => {
    console.log(`SEED=${seed}`)
    const { tally } = simulateCuts({ seed, count: EVENTS })
    assert.ok(tally.commands > EVENTS, 'clients were served')
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += tally[name]
  })
}

test('the runs together met all that they are for', () => {
  for (const [name, count] of Object.entries(total)) assert.ok(count > RUNS, `${name}: ${count}`)
})

test('a seed gives the same run twice', () => {
  const once = { seed: SEED + 100, count: 400 }
  assert.deepEqual(simulateCuts(once), simulateCuts(once))
})

for (let run = 0; run < REFERENCE_RUNS; run++) {
  const seed = SEED + 1000 + run
  test(`redis-server finds the same in a file, SEED=${seed}`, options, async () => {
    const all = { seed, count: EVENTS, isForReference: true }
    const { file } = simulateCuts(all)
    assert.ok(file !== null, 'a save ended well')
    const { config } = cutRunOf({ ...all, count: 0 }).profile
    const limits = Object.keys(THRESHOLDS[0]!).flatMap((name) => [`--${name}`, config[name]!])
    const ours = await statesOf(file, limits)
    const theirs = await statesOf(file, limits, REFERENCE)
    assert.ok(theirs.size > 10, `only ${theirs.size} keys`)
    assert.equal(compareStates(ours, theirs), '')
  })
}

/** What clients of a server see that has loaded the file. */
async function statesOf(
  file: Uint8Array,
  args: readonly string[],
  command?: string,
): Promise<Map<string, KeyState>> {
  const dir = mkdtempSync(join(temporaryDir(), 'cut-'))
  writeFileSync(join(dir, 'dump.rdb'), file)
  const server = await TestServer.start({ dir, args, ...(command !== undefined && { command }) })
  try {
    const client = await server.connect()
    const states = await walk(client, DATABASES)
    client.close()
    return states
  } finally {
    await server.stop()
  }
}
