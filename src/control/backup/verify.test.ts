// Goal: a verification finds a backup good if it is, and else names the part and what is wrong with
// it; what cannot be told leaves no record. Method: a backup of a real redis-server with all types
// (where one is installed), in a directory store; parts cut, changed, removed; manifests that lie.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { NodeConnection } from '../source/node-connection.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { newIdentity } from './age-keys.ts'
import { findBackup } from './catalog.ts'
import { EngineError, LocalEngine } from './local-engine.ts'
import type { BackupManifest } from './manifest.ts'
import { manifestObject } from './names.ts'
import { PartFault } from './part-reader.ts'
import { takeBackup } from './take.ts'
import { testRdb } from './test-rdb.ts'
import { type VerifyRequest, verifyBackup } from './verify.ts'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
const { identity } = newIdentity()
const work = mkdtempSync(join(tmpdir(), 'tidemark-verify-test-'))
after(() => rmSync(work, { recursive: true, force: true }))

let stores = 0
function newStore(): DirectoryStore {
  return new DirectoryStore(join(work, `store-${++stores}`))
}

function rdbFile(name: string): string {
  const path = join(work, name)
  if (!existsSync(path)) writeFileSync(path, Buffer.concat([...testRdb(SHAPE)]))
  return path
}
const SHAPE = { keys: 50, valueBytes: 200 }

async function take(store: DirectoryStore, files: readonly string[]): Promise<BackupManifest> {
  return await takeBackup({
    store,
    name: 'one',
    cluster: 'cluster-1',
    kind: 'manual',
    source: { nodes: [], files, preference: 'auto', connect: {} },
    codec: { level: 1, recipients: [identity.recipient] },
    forkPolicy: 'ignore',
    toolVersion: '0.0.0',
  })
}

function requestFor(store: DirectoryStore, more: Partial<VerifyRequest> = {}): VerifyRequest {
  const identities = [identity]
  return { store, name: 'one', level: 'parts', identities, workDirectory: work, ...more }
}

/** A file with every type, deadlines and several databases, saved by redis-server. */
async function fileOfRedis(): Promise<string> {
  const directory = join(work, 'redis')
  mkdirSync(directory)
  const request = { directory, databases: 16, command: 'redis-server' }
  const engine = await LocalEngine.start(request)
  const connection = await NodeConnection.connect(engine.address)
  try {
    const far = Date.now() + 86_400_000
    for (const line of [
      'SET string value',
      `SET fading x PXAT ${far}`,
      'SET passing x PX 2000',
      'RPUSH list a b c',
      'SADD set a b c',
      'SADD numbers 1 2 3',
      'ZADD zset 1 a 2.5 b',
      'HSET hash f v g w',
      'XADD stream 1-1 f v',
      'XGROUP CREATE stream group 0',
      'XREADGROUP GROUP group me COUNT 1 STREAMS stream >',
      'SELECT 3',
      'SET other database',
      'SAVE',
    ]) {
      await connection.command(...line.split(' '))
    }
  } finally {
    connection.close()
    await engine.stop()
  }
  return join(directory, 'dump.rdb')
}

test('a backup of redis-server is loaded and found the same', { skip: !hasRedis }, async () => {
  const store = newStore()
  await take(store, [await fileOfRedis()])
  const seen = new Set<string>()
  const record = await verifyBackup(
    requestFor(store, { level: 'engine', onProgress: ({ phase }) => seen.add(phase) }),
  )
  assert.deepEqual([record.isGood, record.faults], [true, []])
  assert.match(record.engine, /^tidemark \d/)
  assert.deepEqual([...seen], ['parts', 'engine'])
  const entry = await findBackup(store, 'one')
  assert.deepEqual(entry?.verification, record)
  const foreign = requestFor(store, { level: 'engine', engineCommand: 'redis-server' })
  const { isGood, engine } = await verifyBackup(foreign)
  assert.deepEqual([isGood, engine.split(' ')[0]], [true, 'redis'])
  assert.deepEqual(
    readdirSync(work).filter((name) => name.startsWith('tidemark-verify-')),
    [],
  )
})

test('a damaged or missing part is found and named, and the others are looked at', async () => {
  const store = newStore()
  const manifest = await take(store, [rdbFile('a'), rdbFile('b'), rdbFile('c'), rdbFile('d')])
  const parts = manifest.shards.map(({ part }) => part.object)
  const bytes = Buffer.from(await store.get(parts[0]!))
  bytes[bytes.length >> 1]! ^= 1
  await store.put(parts[0]!, bytes)
  await store.put(parts[1]!, bytes.subarray(0, 100))
  await store.delete(parts[2]!)
  const record = await verifyBackup(requestFor(store))
  assert.equal(record.isGood, false)
  assert.deepEqual(
    record.faults.map(({ object }) => object),
    parts.slice(0, 3),
  )
  const texts = record.faults.map(({ text }) => text)
  assert.match(texts[0]!, /byte \d+: a chunk that is damaged|SHA-256/)
  assert.match(texts[1]!, /header|bytes|chunk/)
  assert.equal(texts[2], 'not there')
  assert.deepEqual((await findBackup(store, 'one'))?.verification, record)
})

test('a manifest that says something else than the parts is found', async () => {
  const store = newStore()
  const manifest = await take(store, [rdbFile('a')])
  const [shard] = manifest.shards
  const digest = '0'.repeat(32)
  const lie = { ...manifest, shards: [{ ...shard!, rdb: { ...shard!.rdb, digest } }] }
  await store.put(manifestObject('one'), Buffer.from(JSON.stringify(lie)))
  const { faults } = await verifyBackup(requestFor(store))
  assert.match(faults[0]!.text, /^digest [0-9a-f]{32} of the RDB stream, expected 0{32}$/)
  const databases = [{ database: 0, keys: 49, expiring: 0, types: { string: 49 } }]
  const totals = { ...manifest.totals, keys: 49 }
  const less = { ...manifest, totals, shards: [{ ...shard!, rdb: { ...shard!.rdb, databases } }] }
  await store.put(manifestObject('one'), Buffer.from(JSON.stringify(less)))
  const found = await verifyBackup(requestFor(store))
  assert.equal(found.faults[0]!.text, '50 keys in database 0, expected 49')
})

test('what cannot be told is no record', async () => {
  const store = newStore()
  await take(store, [rdbFile('a')])
  const locked = (error: unknown) => error instanceof PartFault && error.kind === 'locked'
  await assert.rejects(verifyBackup(requestFor(store, { identities: [] })), locked)
  const broken = requestFor(store, { level: 'engine', engineCommand: '/bin/false' })
  await assert.rejects(verifyBackup(broken), EngineError)
  assert.equal((await findBackup(store, 'one'))?.verification, null)
})
