// A short run of the fuzz of RESTORE; `npm run fuzz -- restore` runs it at length.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzRestore } from './restore.ts'

const ROUNDS = 3000

test('a damaged payload is refused, or gives a value that all commands can use', async () => {
  const seed = Number(process.env['SEED'] ?? 4711)
  console.log(`SEED=${seed}`)
  const { restored, refused, types } = await fuzzRestore({ seed, rounds: ROUNDS })
  assert.ok(restored > ROUNDS / 50 && refused > ROUNDS / 5, `${restored} and ${refused}`)
  assert.deepEqual(
    ['hash', 'list', 'set', 'stream', 'string', 'zset'].filter((type) => !types.has(type)),
    [],
    'each type is reached',
  )
})
