// Goal: with `appendfsync always`, whatever was acknowledged before a kill -9 is there after it,
// and what is there is a prefix of what was sent. Method: real processes on a real disk; a client
// pushes numbers while the log is rewritten now and then, the process is killed at a random moment
// and started again on the same files; some chains of that beside each other, each with files of
// its own. A long run:
//
//   KILLS=5000 sh tools/node.sh --test test/crash/aof-kill.test.ts
//
// Every operation of a disk that loses power is in src/server/aof.test.ts.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'

const SEED = Number(process.env['SEED'] ?? 99)
const KILLS = Number(process.env['KILLS'] ?? 200)
const CHAINS = 4
const LIFE_MS_MAX = 150
const ARGS = ['--appendonly', 'yes', '--appendfsync', 'always']

after(stopAll)

test(`${KILLS} kills lose nothing that was acknowledged`, {
  timeout: 120_000 + KILLS * 3000,
}, async () => {
  console.log(`SEED=${SEED}`)
  const kills = Math.ceil(KILLS / CHAINS)
  const chains = Array.from({ length: CHAINS }, (_, i) => runChain(SEED + i, kills))
  const lengths = await Promise.all(chains)
  assert.ok(
    lengths.every((length) => length > kills),
    `${lengths} were acknowledged`,
  )
})

/** Kills a server again and again; returns how many numbers were acknowledged in all. */
async function runChain(seed: number, kills: number): Promise<number> {
  const random = new Random(seed)
  const dir = temporaryDir()
  let acknowledged = 0
  for (let round = 0; ; round++) {
    const server = await TestServer.start({ dir, args: ARGS })
    const client = await server.connect()
    const { items } = await client.call('LRANGE', 'list', '0', '-1')
    const what = `SEED=${seed} round ${round}: ${server.output}`
    items.forEach(({ text }, i) => {
      assert.equal(Number(text), i, what)
    })
    assert.ok(items.length >= acknowledged, `${items.length} of ${acknowledged}, ${what}`)
    acknowledged = items.length
    if (round === kills) {
      await server.stop()
      return acknowledged
    }
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
}
