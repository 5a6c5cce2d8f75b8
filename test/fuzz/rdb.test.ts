// A short run of the fuzz of RDB files; `npm run fuzz -- rdb` runs it at length.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzRdb } from './rdb.ts'

test('a damaged file is refused, or loaded with the right data', () => {
  const seed = Number(process.env['SEED'] ?? 4711)
  console.log(`SEED=${seed}`)
  const { loaded, refused } = fuzzRdb({ seed, rounds: 600 })
  assert.ok(loaded > 20 && refused > 200, `${loaded} loaded, ${refused} refused`)
})
