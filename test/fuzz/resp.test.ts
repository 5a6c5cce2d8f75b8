// A short run of the protocol fuzz; `node test/fuzz/resp.ts` runs it at length.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzResp } from './resp.ts'

test('any bytes give commands or an error, the same however they are cut', () => {
  const seed = Number(process.env['SEED'] ?? 4711)
  console.log(`SEED=${seed}`)
  assert.ok(fuzzResp({ seed, rounds: 5000 }) > 5000)
})
