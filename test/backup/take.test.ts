// Goal: backups of real servers: every type, in any encoding, by either engine, has one digest; any
// change of any value has another one; sources are chosen, clusters are whole, and a node that dies
// in the middle leaves nothing. Method: redis-server where it is installed, our server beside it.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { BackupManifest } from '../../src/control/backup/manifest.ts'
import { type TakeRequest, takeBackup } from '../../src/control/backup/take.ts'
import { chooseSource } from '../../src/control/source/choose-source.ts'
import { parseNodeAddress } from '../../src/control/source/node-address.ts'
import { NodeError } from '../../src/control/source/node-error.ts'
import { DirectoryStore } from '../../src/control/store/directory-store.ts'
import type { RawClient } from '../lib/client.ts'
import { REFERENCE, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

after(stopAll)

const skip = REFERENCE === '' ? 'redis-server is not installed' : false
const REDIS = { command: REFERENCE }
const FAST = ['--repl-diskless-sync-delay', '0', '--repl-diskless-sync', 'yes']
/** Small values leave their packed forms. */
const UNPACKED = [
  ['--hash-max-listpack-entries', '1'],
  ['--set-max-intset-entries', '1'],
  ['--zset-max-listpack-entries', '1'],
  ['--list-max-listpack-size', '2'],
  ['--stream-node-max-entries', '2'],
  ['--rdbcompression', 'no'],
].flat()

const DATA: readonly (readonly string[])[] = [
  ['SET', 'text', 'hello hello hello hello hello hello'],
  ['SET', 'number', '-12345'],
  ['SET', 'gone', 'soon', 'PXAT', '4000000000123'],
  ['RPUSH', 'list', 'a', '2', 'c', '-4000000000', 'long '.repeat(60), 'a'],
  ['SADD', 'numbers', '1', '-70000', '5000000000'],
  ['SADD', 'words', 'x', '1', 'yy', '-17'],
  ['HSET', 'hash', 'f', 'v', '1', '2', 'g', '300', 'empty', ''],
  ['ZADD', 'zset', '1', 'a', '-2.5', 'b', '1e300', 'c', 'inf', 'd', '0.1', 'e', '-0', 'f'],
  ['XADD', 'stream', '5-1', 'f', 'v', 'n', '17'],
  ['XADD', 'stream', '6-1', 'f', 'w', 'n', '18'],
  ['XADD', 'stream', '7-1', 'other', ''],
  ['XDEL', 'stream', '6-1'],
  ['XGROUP', 'CREATE', 'stream', 'group', '0'],
  ['XGROUP', 'CREATECONSUMER', 'stream', 'group', 'idle'],
  ['XREADGROUP', 'GROUP', 'group', 'consumer', 'COUNT', '1', 'STREAMS', 'stream', '>'],
  ['SELECT', '3'],
  ['SET', 'text', 'hello hello hello hello hello hello'],
]

/** Each changes one thing in what DATA makes. */
const CHANGES: readonly (readonly string[])[] = [
  ['SETRANGE', 'text', '34', 'O'],
  ['INCR', 'number'],
  ['PEXPIREAT', 'gone', '4000000000124'],
  ['PERSIST', 'gone'],
  ['RENAME', 'text', 'texts'],
  ['LSET', 'list', '1', '3'],
  ['LMOVE', 'list', 'list', 'LEFT', 'RIGHT'],
  ['SADD', 'numbers', '2'],
  ['SREM', 'words', '-17'],
  ['HSET', 'hash', 'g', '301'],
  ['ZADD', 'zset', '0.10000000000000002', 'e'],
  ['XADD', 'stream', '8-1', 'a', 'b'],
  ['XDEL', 'stream', '7-1'],
  ['XSETID', 'stream', '9-1'],
  ['XACK', 'stream', 'group', '5-1'],
  ['XGROUP', 'DELCONSUMER', 'stream', 'group', 'idle'],
  ['MOVE', 'words', '2'],
]

async function send(client: RawClient, commands: readonly (readonly string[])[]): Promise<void> {
  for (const command of commands) {
    const reply = await client.text(...command)
    assert.ok(!/^(ERR|WRONGTYPE|MOVED|NOPERM)/.test(reply), `${command.join(' ')}: ${reply}`)
  }
}

const store = new DirectoryStore(join(temporaryDir(), 'store'))
let backups = 0

function take(from: string, more: Partial<TakeRequest> = {}): Promise<BackupManifest> {
  return takeBackup({
    store,
    name: `b${++backups}`,
    cluster: `c${backups}`,
    kind: 'manual',
    source: {
      nodes: from.startsWith('redis') ? [parseNodeAddress(from)] : [],
      files: from.startsWith('redis') ? [] : [from],
      preference: 'auto',
      connect: {},
    },
    codec: { level: 1, recipients: [] },
    forkPolicy: 'refuse',
    toolVersion: 'test',
    ...more,
  })
}

function digestOf(manifest: BackupManifest): string {
  assert.equal(manifest.shards.length, 1)
  return manifest.shards[0]?.rdb.digest ?? ''
}

function urlOf(server: TestServer): string {
  return `redis://127.0.0.1:${server.port}`
}

describe('digests', { skip }, () => {
  it('do not depend on encodings and engines', async () => {
    const redis = await TestServer.start({ ...REDIS, args: [...FAST] })
    const client = await redis.connect()
    await send(client, DATA)
    const packed = await take(urlOf(redis))
    assert.equal(packed.totals.keys, 10)
    assert.deepEqual(packed.shards[0]?.rdb.databases, [
      {
        database: 0,
        keys: 9,
        expiring: 1,
        types: { string: 3, list: 1, set: 2, hash: 1, zset: 1, stream: 1 },
      },
      { database: 3, keys: 1, expiring: 0, types: { string: 1 } },
    ])
    assert.equal(packed.shards[0]?.source.engine, 'redis')
    assert.equal(packed.shards[0]?.source.method, 'fork')
    await send(client, [['SAVE']])
    const dir = redis.dir
    const path = join(dir, 'dump.rdb')
    assert.equal(digestOf(await take(path)), digestOf(packed), 'by SAVE')

    const other = await TestServer.start({ ...REDIS, dir, args: [...FAST, ...UNPACKED] })
    const otherClient = await other.connect()
    // Some are read as they are packed: changed and changed back, they are not.
    await send(otherClient, [
      ['SELECT', '0'],
      ['HSET', 'hash', 'x', 'y'],
      ['HDEL', 'hash', 'x'],
      ['SADD', 'numbers', 'x'],
      ['SREM', 'numbers', 'x'],
    ])
    assert.equal(await otherClient.text('OBJECT', 'ENCODING', 'hash'), 'hashtable')
    assert.equal(digestOf(await take(urlOf(other))), digestOf(packed), 'unpacked')
    await other.stop()

    const own = await TestServer.start({ dir })
    const ownClient = await own.connect()
    await send(ownClient, [['SAVE']])
    await own.stop()
    assert.equal(digestOf(await take(path)), digestOf(packed), 'by our engine')
    await redis.stop()
  })

  it('change with every change of a value', async () => {
    const redis = await TestServer.start({ ...REDIS, args: [...FAST] })
    const client = await redis.connect()
    const path = join(redis.dir, 'dump.rdb')
    const digests = new Map<string, string>()
    for (const change of [['PING'], ...CHANGES]) {
      await send(client, [['FLUSHALL'], ['SELECT', '0'], ...DATA, ['SELECT', '0']])
      // Times of deliveries differ from run to run; these are set.
      const claim = ['XCLAIM', 'stream', 'group', 'consumer', '0', '5-1', 'TIME', '1000']
      await send(client, [claim, ['XGROUP', 'DELCONSUMER', 'stream', 'group', 'none']])
      await send(client, [change, ['SAVE']])
      const digest = digestOf(await take(path))
      assert.equal(digests.get(digest), undefined, `${change.join(' ')} changes nothing`)
      digests.set(digest, change.join(' '))
    }
    await redis.stop()
  })
})

describe('sources', { skip }, () => {
  it('are a healthy replica, but for final backups, and known by an ACL user', async () => {
    const acl = 'ACL SETUSER backup on >pa:ss@ ~* +psync +replconf +info'.split(' ')
    const primary = await TestServer.start({ ...REDIS, args: [...FAST] })
    const follow = ['--replicaof', `127.0.0.1 ${primary.port}`]
    const replica = await TestServer.start({ ...REDIS, args: [...FAST, ...follow] })
    await send(await replica.connect(), [acl])
    await send(await primary.connect(), [acl, ...DATA])
    const from = `redis://backup:pa%3Ass%40@127.0.0.1:${primary.port}`
    const request = { kind: 'manual', preference: 'auto', connect: {} } as const
    await waitFor('the replica follows', async () => {
      const { facts } = await chooseSource(parseNodeAddress(from), request)
      return facts.role === 'replica'
    })
    const manifest = await take(from)
    assert.equal(manifest.shards[0]?.source.address, urlOf(replica))
    assert.equal(manifest.totals.keys, 10)
    const final = await take(from, { kind: 'final' })
    assert.equal(final.shards[0]?.source.address, urlOf(primary))
    assert.equal(digestOf(final), digestOf(manifest))
    await replica.stop()
    const alone = await take(from)
    assert.equal(alone.shards[0]?.source.role, 'primary')
    await primary.stop()
  })

  it('that die in the middle leave nothing', async () => {
    const slow = [...FAST, '--rdb-key-save-delay', '2000']
    const redis = await TestServer.start({
      ...REDIS,
      args: [...slow, '--enable-debug-command', 'yes'],
    })
    const client = await redis.connect()
    await send(client, [['DEBUG', 'POPULATE', '5000', 'key', '3000']])
    const taking = take(urlOf(redis), { onProgress: ({ bytes }) => bytes > 0 && void redis.stop() })
    await assert.rejects(taking, (error) => error instanceof NodeError && error.kind === 'cut')
    const name = `backups/b${backups}/manifest.json`
    await assert.rejects(store.get(name), /./)
  })

  it('in cluster mode are all shards, or none', async () => {
    const args = [...FAST, '--cluster-enabled', 'yes']
    const node = await TestServer.start({ ...REDIS, args })
    const client = await node.connect()
    await send(client, [['CLUSTER', 'ADDSLOTSRANGE', '0', '8000']])
    await assert.rejects(take(urlOf(node)), /covers 8001 of 16384 slots/)
    await send(client, [['CLUSTER', 'ADDSLOTSRANGE', '8001', '16383']])
    await waitFor('the cluster is up', async () => {
      return (await client.text('CLUSTER', 'INFO')).includes('cluster_state:ok')
    })
    await send(client, [['SET', 'a', '1']])
    await sleep(100)
    const manifest = await take(urlOf(node))
    assert.deepEqual(manifest.shards[0]?.slots, ['0-16383'])
    assert.equal(manifest.totals.keys, 1)
    await node.stop()
  })

  it('may be several shards', async () => {
    const first = await TestServer.start({ ...REDIS, args: [...FAST] })
    const second = await TestServer.start({ ...REDIS, args: ['--repl-diskless-sync', 'no'] })
    await send(await first.connect(), [['SET', 'a', '1']])
    await send(await second.connect(), [['MSET', 'b', '1', 'c', '2']])
    const nodes = [first, second].map((server) => parseNodeAddress(urlOf(server)))
    const source = { nodes, files: [], preference: 'auto', connect: {} } as const
    const manifest = await take('', { source })
    assert.deepEqual(
      manifest.shards.map(({ rdb }) => rdb.databases[0]?.keys),
      [1, 2],
    )
    await second.stop()
    await assert.rejects(take('', { source }), NodeError)
    await first.stop()
  })
})
