// Goal: with `appendfsync always`, whatever was acknowledged before a kill -9 is there after it,
// and what is there is a prefix of what was sent. Method: real processes on a real disk; a client
// pushes numbers while the log is rewritten now and then, the process is killed at a random moment
// and started again on the same files. KILLS=n makes it longer (200 and more for a release); every
// operation of a disk that loses power is in src/server/aof.test.ts.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'

const SEED = Number(process.env['SEED'] ?? 99)
const KILLS = Number(process.env['KILLS'] ?? 6)
const LIFE_MS_MAX = 400
const ARGS = ['--appendonly', 'yes', '--appendfsync', 'always']

after(stopAll)

test(`${KILLS} kills lose nothing that was acknowledged`, {
  timeout: 60_000 + KILLS * 10_000,
}, async () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  const dir = temporaryDir()
  let acknowledged = 0
  for (let round = 0; round <= KILLS; round++) {
    const server = await TestServer.start({ dir, args: ARGS })
    const client = await server.connect()
    const { items } = await client.call('LRANGE', 'list', '0', '-1')
    const what = `SEED=${SEED} round ${round}: ${server.output}`
    items.forEach(({ text }, i) => {
      assert.equal(Number(text), i, what)
    })
    assert.ok(items.length >= acknowledged, `${items.length} of ${acknowledged}, ${what}`)
    acknowledged = items.length
    if (round === KILLS) return server.stop()
    let isOver = false
    const pushing = async () => {
      for (let next = acknowledged; !isOver; next++) {
        if (random.below(100) === 0) client.send('BGREWRITEAOF')
        const reply = await client.call('RPUSH', 'list', String(next)).catch(() => null)
        if (reply === null) return
        // An answer to BGREWRITEAOF counts for nothing.
        const length = Number(reply.text)
        if (Number.isInteger(length)) acknowledged = Math.max(acknowledged, length)
      }
    }
    const done = pushing()
    await sleep(random.below(LIFE_MS_MAX))
    server.child.kill('SIGKILL')
    isOver = true
    await server.exited()
    client.close()
    await done
  }
})
