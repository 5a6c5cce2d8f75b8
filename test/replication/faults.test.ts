// Goal: whatever a replica does, the primary serves on, holds no more than its limits allow, and
// the next replica gets all.
// Method: raw connections that ask for a sync and then read nothing, go away at any byte, or never
// confirm; the memory of the primary's process and its figures are looked at.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { readRdb } from '../lib/rdb.ts'
import { isReference, stopAll, type TestServer, temporaryDir } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'
import { FakeReplica, field, startPrimary } from './scene.ts'

after(stopAll)

const SEED = Number(process.env['SEED'] ?? 21)
const MIB = 1024 * 1024
const skip = isReference() ? 'of ours' : false

console.log(`SEED=${SEED}`)

async function checkNext(primary: TestServer, keys: number): Promise<void> {
  const next = await FakeReplica.open(primary)
  await next.sync()
  assert.ok(readRdb(await next.synced()).keys.length >= keys)
  next.send('REPLCONF', 'ACK', '0')
  const client = await primary.connect()
  await client.text('SET', 'last', '1')
  const stream = /SELECT\r\n\$1\r\n0\r\n\*3\r\n\$3\r\nSET\r\n\$4\r\nlast\r\n/
  await waitFor('the stream', () => stream.test(next.stream))
  client.close()
  next.close()
}

describe('a replica that does not do its part', { skip }, () => {
  for (const way of ['yes', 'no']) {
    it(`reads nothing: writers go on, its memory is bounded; diskless ${way}`, async () => {
      const primary = await startPrimary('--repl-diskless-sync', way)
      const client = await primary.connect()
      await client.text('CONFIG', 'SET', 'client-output-buffer-limit', 'replica 8mb 0 0')
      await client.text('CONFIG', 'SET', 'rdbcompression', 'no')
      await client.text('DEBUG', 'POPULATE', '30000', 'key', '1000')
      const slow = await FakeReplica.open(primary)
      await slow.sync()
      await slow.got(/FULLRESYNC/)
      slow.socket.pause()
      const value = 'x'.repeat(10_000)
      let longestMs = 0
      // More than its limit allows to wait for it.
      for (let i = 0; i < 1200; i++) {
        const startMs = performance.now()
        await client.text('SET', `key:${i}`, value)
        longestMs = Math.max(longestMs, performance.now() - startMs)
      }
      assert.ok(longestMs < 1000, `a writer waited for ${longestMs} ms`)
      await waitFor('it is closed', async () => (await field(client, 'connected_slaves')) === '0')
      assert.ok(Number(await field(client, 'mem_total_replication_buffers')) < 3 * MIB)
      await checkNext(primary, 30_000)
      await waitFor('no file is left', () => leftovers(primary).length === 0)
      slow.close()
      await primary.stop()
    })

    it(`goes away at any byte; diskless ${way}`, async () => {
      const primary = await startPrimary('--repl-diskless-sync', way)
      const client = await primary.connect()
      await client.text('DEBUG', 'POPULATE', '20000', 'key', '100')
      const random = new Random(SEED)
      for (let i = 0; i < 8; i++) {
        const limit = random.below(600_000)
        const replica = await FakeReplica.open(primary)
        await replica.sync()
        await waitFor('some bytes', () => replica.received.length > Math.min(limit, 60 * i * i))
        replica.close()
      }
      await waitFor('all are gone', async () => (await field(client, 'connected_slaves')) === '0')
      await checkNext(primary, 20_000)
      await waitFor('no file is left', () => leftovers(primary).length === 0)
      await primary.stop()
    })
  }

  it('stops in the middle of the snapshot: it is closed after repl-timeout', async () => {
    const primary = await startPrimary('--repl-timeout', '2', '--rdbcompression', 'no')
    const client = await primary.connect()
    await client.text('DEBUG', 'POPULATE', '20000', 'key', '1000')
    const slow = await FakeReplica.open(primary)
    await slow.sync()
    await waitFor('the sync begins', () => slow.received.length > 10_000)
    slow.socket.pause()
    await primary.logged('Disconnecting timedout replica (full sync)')
    await waitFor('the cut is closed', async () => {
      return (await field(client, 'snapshot_in_progress')) === '0'
    })
    await checkNext(primary, 20_000)
    await primary.stop()
  })

  it('never confirms: it gets nothing more, and is closed after repl-timeout', async () => {
    const primary = await startPrimary('--repl-timeout', '2')
    const client = await primary.connect()
    await client.text('SET', 'a', '1')
    const mute = await FakeReplica.open(primary)
    await mute.sync()
    await mute.synced()
    await client.text('SET', 'secret', '1')
    await mute.closed()
    assert.ok(!mute.text.includes('secret'))
    assert.ok(primary.output.includes('Disconnecting timedout replica (streaming sync)'))
    await primary.stop()
  })

  it('asks for something: it is closed, as the answer would be taken for a change', async () => {
    const primary = await startPrimary()
    const rude = await FakeReplica.open(primary)
    await rude.sync()
    await rude.synced()
    rude.send('REPLCONF', 'ACK', '0')
    rude.send('GET', 'a')
    await rude.closed()
    assert.ok(primary.output.includes("Replica generated a reply to command 'get'"))
    assert.ok(!rude.text.includes('$-1'))
    await primary.stop()
  })
})

describe('redis-cli --rdb', { skip }, () => {
  it('gets a whole file, from both ways of sending it', async () => {
    const primary = await startPrimary()
    const client = await primary.connect()
    await client.text('DEBUG', 'POPULATE', '1000')
    for (const way of ['yes', 'no']) {
      await client.text('CONFIG', 'SET', 'repl-diskless-sync', way)
      const path = join(temporaryDir(), 'copy.rdb')
      const { status, stderr } = spawnSync('redis-cli', ['-p', `${primary.port}`, '--rdb', path], {
        encoding: 'utf8',
        timeout: 20_000,
      })
      assert.equal(status, 0, stderr)
      assert.ok(statSync(path).size > 0)
      const found = readRdb(readFileSync(path))
      assert.equal(found.keys.length, 1000)
    }
    assert.equal(await field(client, 'repl_backlog_active'), '0', 'who wants no stream starts none')
    await primary.stop()
  })
})

function leftovers({ dir }: TestServer): string[] {
  return readdirSync(dir).filter((name) => name.startsWith('temp-'))
}
