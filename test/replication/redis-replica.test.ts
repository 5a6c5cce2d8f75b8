// Goal: a real redis-server is a replica of ours: full sync of all types, the stream after it,
// partial resync, several at once, beside saves, with equal data in the end.
// Method: random commands of all families on the primary, before, during and after syncs; in the
// end what clients see on both is compared key by key.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { EXCHANGED_DATABASES, fill } from '../differential/exchange.ts'
import type { RawClient } from '../lib/client.ts'
import { isReference, REFERENCE, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'
import { caughtUp, checkSame, field, startPrimary, startReplica } from './scene.ts'

after(stopAll)

const SEED = Number(process.env['SEED'] ?? 20)
const skip = REFERENCE === '' || isReference() ? 'wants ours and redis-server' : false

console.log(`SEED=${SEED}`)

/** Writes until it is stopped; returns how many commands it was. */
function writer(client: RawClient): () => Promise<number> {
  let isOn = true
  let count = 0
  const run = async () => {
    while (isOn) {
      for (let i = 0; i < 50; i++, count++) client.send('SET', `w:${count % 500}`, `${count}`)
      for (let i = 0; i < 50; i++) {
        if ((await client.receive()) === null) return
      }
    }
  }
  const running = run()
  return async () => {
    isOn = false
    await running
    return count
  }
}

describe('a redis-server as replica', { skip }, () => {
  const ways = [
    { name: 'to the socket, loaded from a file', primary: [], replica: [] },
    {
      name: 'to the socket, loaded from it',
      primary: [],
      replica: ['--repl-diskless-load', 'swapdb'],
    },
    { name: 'from a file', primary: ['--repl-diskless-sync', 'no'], replica: [] },
  ]
  for (const [i, way] of ways.entries()) {
    it(`gets all types, and what changes meanwhile: ${way.name}`, async () => {
      const primary = await startPrimary(...way.primary)
      const client = await primary.connect()
      await fill(client, SEED + 10 * i)
      const load = await primary.connect()
      const stop = writer(load)
      const replica = await startReplica(primary, { args: way.replica })
      await caughtUpRoughly(client)
      await client.text('SELECT', `${EXCHANGED_DATABASES - 1}`)
      await client.text('FLUSHDB')
      await fill(client, SEED + 1000 + 10 * i)
      assert.ok((await stop()) > 0)
      await caughtUp(client, 1)
      assert.ok((await checkSame(primary, replica)) > 100)
      const files = readdirSync(primary.dir).filter((name) => name.startsWith('temp-'))
      assert.deepEqual(files, [], 'the file for replicas is gone')
      await Promise.all([primary.stop(), replica.stop()])
    })
  }

  it('goes on after a lost link where it was, and gets all when that is gone', async () => {
    const primary = await startPrimary('--repl-backlog-size', '1mb')
    const client = await primary.connect()
    const replica = await startReplica(primary)
    await caughtUp(client, 1)
    const stop = writer(await primary.connect())
    for (let i = 1; i <= 3; i++) {
      assert.equal(await client.text('CLIENT', 'KILL', 'TYPE', 'replica'), '1')
      await waitFor('a partial resync', async () => {
        return (await field(client, 'sync_partial_ok')) === `${i}`
      })
    }
    await stop()
    assert.equal(await field(client, 'sync_full'), '1')
    replica.child.kill('SIGSTOP')
    await client.text('CLIENT', 'KILL', 'TYPE', 'replica')
    for (let i = 0; i < 30; i++) await client.text('SET', `large:${i}`, 'x'.repeat(100_000))
    replica.child.kill('SIGCONT')
    await waitFor('a full sync', async () => (await field(client, 'sync_full')) === '2')
    await caughtUp(client, 1)
    assert.equal(await field(client, 'sync_partial_err'), '1')
    await checkSame(primary, replica)
    await Promise.all([primary.stop(), replica.stop()])
  })

  it('may be killed and come back, with its file or without', async () => {
    const primary = await startPrimary('--repl-backlog-size', '100mb')
    const client = await primary.connect()
    await client.text('DEBUG', 'POPULATE', '1000', 'key', '20000')
    const stop = writer(await primary.connect())
    const dir = temporaryDir()
    for (let i = 0; i < 3; i++) {
      const replica = await startReplica(primary, { dir })
      await sleep(i * 150)
      if (i === 2) {
        await caughtUpRoughly(client)
        const own = await replica.connect()
        own.send('SHUTDOWN', 'SAVE')
        await replica.exited()
      }
      await replica.stop('SIGKILL')
    }
    // It has a file with its place in the stream.
    const replica = await startReplica(primary, { dir })
    await caughtUpRoughly(client)
    assert.ok(Number(await field(client, 'sync_partial_ok')) >= 1)
    await stop()
    await caughtUp(client, 1)
    await checkSame(primary, replica)
    await Promise.all([primary.stop(), replica.stop()])
  })

  it('shares a cut with another, beside a save and a rewrite of the log', async () => {
    const primary = await startPrimary('--appendonly', 'yes', '--repl-diskless-sync-delay', '1')
    const client = await primary.connect()
    await client.text('DEBUG', 'POPULATE', '1000', 'key', '20000')
    const stop = writer(await primary.connect())
    const starting = [startReplica(primary), startReplica(primary)]
    await client.call('BGREWRITEAOF')
    await client.call('BGSAVE', 'SCHEDULE')
    const replicas = await Promise.all(starting)
    await waitFor('both are online', async () => {
      return (await client.text('INFO', 'replication')).match(/state=online/g)?.length === 2
    })
    await stop()
    await caughtUp(client, 2)
    for (const replica of replicas) await checkSame(primary, replica)
    assert.equal(await field(client, 'sync_full'), '2')
    assert.equal(await field(client, 'rdb_last_bgsave_status'), 'ok')
    await Promise.all([primary, ...replicas].map((server) => server.stop()))
  })

  it('goes on when the primary is restarted in good order', async () => {
    const dir = temporaryDir()
    const save = ['--save', '3600 1000000', '--repl-diskless-sync-delay', '0']
    const primary = await TestServer.start({ dir, args: save })
    const client = await primary.connect()
    const replica = await startReplica(primary)
    await client.text('SET', 'before', '1')
    await caughtUp(client, 1)
    client.send('SHUTDOWN')
    await primary.exited()
    const again = await TestServer.start({ dir, port: primary.port, args: save })
    const later = await again.connect()
    await waitFor('a partial resync', async () => (await field(later, 'sync_partial_ok')) === '1')
    await later.text('SET', 'after', '1')
    await caughtUp(later, 1)
    assert.equal(await field(later, 'sync_full'), '0')
    await checkSame(again, replica)
    await Promise.all([again.stop(), replica.stop()])
  })
})

describe('what clients know of replicas', { skip }, () => {
  it('WAIT counts who has confirmed, and writes want enough of them', async () => {
    const primary = await startPrimary()
    const client = await primary.connect()
    const replicas = await Promise.all([startReplica(primary), startReplica(primary)])
    await caughtUp(client, 2)
    await client.text('SET', 'a', '1')
    assert.equal(await client.text('WAIT', '2', '5000'), '2')
    replicas[0]!.child.kill('SIGSTOP')
    await client.text('SET', 'a', '2')
    assert.equal(await client.text('WAIT', '1', '5000'), '1')
    assert.equal(await client.text('WAIT', '2', '300'), '1')
    await client.text('SET', 'a', '3')
    client.send('WAIT', '2', '20000')
    assert.ok(await client.isSilent(300))
    replicas[0]!.child.kill('SIGCONT')
    assert.equal((await client.receive())?.text, '2')
    await client.text('CONFIG', 'SET', 'min-replicas-to-write', '2', 'min-replicas-max-lag', '2')
    assert.equal(await client.text('SET', 'a', '4'), 'OK')
    replicas[1]!.child.kill('SIGSTOP')
    await waitFor('writes are refused', async () => {
      return (await client.call('SET', 'b', '1')).text.startsWith('NOREPLICAS ')
    })
    assert.equal(await client.text('GET', 'a'), '4')
    assert.equal(await field(client, 'min_slaves_good_slaves'), '1')
    await Promise.all([primary, ...replicas].map((server) => server.stop()))
  })
})

/** Waits until a replica is online. */
async function caughtUpRoughly(client: RawClient): Promise<void> {
  const isOnline = async () => (await field(client, 'slave0')).includes('state=online')
  await waitFor('the replica is online', isOnline, 30_000)
}
