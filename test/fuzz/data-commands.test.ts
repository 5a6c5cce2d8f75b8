// A short run of the comparison with redis-server; `node test/fuzz/data-commands.ts` runs it at
// length.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REFERENCE } from '../lib/server.ts'
import { fuzzDataCommands } from './data-commands.ts'

const skip = REFERENCE === '' ? 'redis-server is not installed' : false

test('random commands get the replies and count the changes of redis-server', {
  skip,
}, async () => {
  const seed = Number(process.env['SEED'] ?? 4711)
  console.log(`SEED=${seed}`)
  assert.equal(await fuzzDataCommands({ seed, commands: 6000 }), 6000)
})
