// Goal: the catalog says what is in a store, whatever is damaged in it; what is deleted is gone in
// the right order and nothing else is; a sweep removes orphans only. Method: backups of a synthetic
// file in a directory store, whose objects are then changed by hand.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DirectoryStore } from '../store/directory-store.ts'
import { StoreFault } from '../store/object-store.ts'
import {
  DeletionRefused,
  deleteBackup,
  findBackup,
  listBackups,
  pinBackup,
  unpinBackup,
} from './catalog.ts'
import { STALE_MS } from './lease.ts'
import type { BackupManifest } from './manifest.ts'
import { claimObject, lockObject, manifestObject, verifiedObject } from './names.ts'
import { CatalogFault, parseManifest, readManifest } from './read-manifest.ts'
import { sweep } from './sweep.ts'
import { takeBackup } from './take.ts'
import { testRdb } from './test-rdb.ts'

const work = mkdtempSync(join(tmpdir(), 'tidemark-catalog-'))
after(() => rmSync(work, { recursive: true, force: true }))

const rdbPath = join(work, 'dump.rdb')
writeFileSync(rdbPath, Buffer.concat([...testRdb({ keys: 20, valueBytes: 100 })]))

let stores = 0
function newStore(): DirectoryStore {
  return new DirectoryStore(join(work, `store-${++stores}`))
}

async function take(store: DirectoryStore, name: string): Promise<BackupManifest> {
  return await takeBackup({
    store,
    name,
    cluster: 'cluster-1',
    kind: 'manual',
    source: { nodes: [], files: [rdbPath], preference: 'auto', connect: {} },
    codec: { level: 1, recipients: [] },
    forkPolicy: 'ignore',
    toolVersion: '0.0.0',
  })
}

async function namesIn(store: DirectoryStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list('')) names.push(name)
  return names
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function holder(id: string, heartbeatMs: number) {
  const heartbeat = new Date(heartbeatMs).toISOString()
  return json({ id, operation: 'create x', who: 'host:1', since: heartbeat, heartbeat })
}

test('a list names what is there, under way, failed and damaged', async () => {
  const store = newStore()
  const first = await take(store, 'first')
  await take(store, 'second')
  await store.put(manifestObject('broken'), Buffer.from('{"version": 1'))
  await store.put(claimObject('running'), holder('a', Date.now()))
  await store.put(claimObject('dead'), holder('b', Date.now() - STALE_MS - 1000))
  await pinBackup(store, 'second', 'audit')
  const record = {
    version: 1,
    name: 'first',
    id: first.id,
    at: new Date().toISOString(),
    isGood: true,
    level: 'parts',
    faults: [],
    engine: '',
    tookMs: 1,
  }
  await store.put(verifiedObject('first', 1000), json({ ...record, isGood: false }))
  await store.put(verifiedObject('first', 2000), json(record))
  await store.put(verifiedObject('first', 3000), json({ ...record, id: 'of-an-earlier-one' }))
  await store.put(verifiedObject('first', 4000), Buffer.from('?'))
  const entries = await listBackups(store)
  const states = entries.map(({ name, state }) => `${name} ${state}`)
  assert.deepEqual(states, [
    'broken damaged',
    'dead failed',
    'first available',
    'running creating',
    'second available',
  ])
  const [broken, dead, whole, , pinned] = entries
  assert.match(broken!.problem, /^backups\/broken\/manifest\.json: 13 bytes that are no JSON$/)
  assert.match(dead!.problem, /^create x ended at .* without a backup$/)
  assert.deepEqual(whole!.verification, record)
  assert.match(whole!.problem, /verified-19700101T000004000Z\.json: 1 bytes that are no JSON/)
  assert.deepEqual([whole!.pin, pinned!.pin!.reason], [null, 'audit'])
  assert.deepEqual(await findBackup(store, 'first'), whole)
  assert.equal(await findBackup(store, 'absent'), null)
})

test('a damaged manifest is refused with the field that is wrong', async () => {
  const store = newStore()
  const manifest = await take(store, 'one')
  assert.deepEqual(await readManifest(store, 'one'), manifest)
  const [shard] = manifest.shards
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /what it holds is \[\], expected an object/],
    [{ ...manifest, version: 2 }, /version 2, which is newer than this program: 1/],
    [{ ...manifest, name: 'two' }, /name is "two", expected "one"/],
    [{ ...manifest, shards: [] }, /shards is "0 shards", expected 1 to 1000/],
    [{ ...manifest, id: '../x' }, /id is "..\/x", expected letters/],
    [{ ...manifest, takenAt: 'then' }, /takenAt is "then", expected a time/],
    [
      { ...manifest, shards: [{ ...shard, part: { ...shard!.part, sha256: 'ab' } }] },
      /shards\[0\]\.part\.sha256 is "ab", expected 64 hexadecimal digits/,
    ],
    [
      { ...manifest, shards: [{ ...shard, part: { ...shard!.part, object: 'data/other/x' } }] },
      /part\.object is "data\/other\/x", expected a name that begins with data\//,
    ],
    [
      { ...manifest, totals: { ...manifest.totals, keys: 21 } },
      /totals\.keys is 21, expected 20, the sum of the shards/,
    ],
    [{ ...manifest, compression: { format: 'rar' } }, /compression\.format is "rar", expected zst/],
  ]
  for (const [value, message] of cases) {
    assert.throws(
      () => parseManifest('m', 'one', json(value)),
      (error) => error instanceof CatalogFault && message.test(error.message),
      String(message),
    )
  }
})

test('deleting removes the backup and nothing else; a pin and work under way protect', async () => {
  const store = newStore()
  const kept = await take(store, 'kept')
  await take(store, 'gone')
  await pinBackup(store, 'gone', 'audit')
  await assert.rejects(deleteBackup(store, 'gone'), DeletionRefused)
  await unpinBackup(store, 'gone')
  await store.put(claimObject('gone'), holder('copy', Date.now()))
  await assert.rejects(deleteBackup(store, 'gone'), /create x is under way, by host:1/)
  await store.delete(claimObject('gone'))
  await store.put(verifiedObject('gone', 1), json({}))
  await deleteBackup(store, 'gone')
  const expected = [manifestObject('kept'), kept.shards[0]!.part.object]
  assert.deepEqual((await namesIn(store)).sort(), expected.sort())
  const missing = (error: unknown) => error instanceof StoreFault && error.kind === 'missing'
  await assert.rejects(deleteBackup(store, 'gone'), missing)
  await assert.rejects(pinBackup(store, 'gone', ''), missing)
})

test('a sweep removes orphans only, and none while a manifest cannot be read', async () => {
  const store = newStore()
  const manifest = await take(store, 'kept')
  await store.put('data/dead/shard-0000.rdb', Buffer.from('x'))
  await store.put('data/live/shard-0000.rdb', Buffer.from('x'))
  await store.put(claimObject('running'), holder('live', Date.now() + 2 * STALE_MS))
  await store.put(claimObject('dead'), holder('dead', Date.now()))
  await store.put(lockObject('cluster-1'), holder('dead', Date.now()))
  await store.put(verifiedObject('deleted', 1), json({}))
  await (await store.create('data/dead/shard-0001.rdb')).write(Buffer.from('x'))
  const request = { store, nowMs: Date.now() + STALE_MS + 1000 }

  const early = await sweep({ store, isDryRun: false })
  assert.deepEqual(
    early.items.map(({ object }) => object),
    ['backups/deleted/'],
  )
  await store.put(manifestObject('broken'), Buffer.from('?'))
  const careful = await sweep({ ...request, isDryRun: true })
  assert.equal(
    careful.items.some(({ kind }) => kind === 'part'),
    false,
  )
  assert.match(careful.notes[0]!, /since one cannot be read: backups\/broken/)
  await store.delete(manifestObject('broken'))

  const before = await namesIn(store)
  const planned = await sweep({ ...request, isDryRun: true })
  assert.deepEqual(await namesIn(store), before)
  const done = await sweep({ ...request, isDryRun: false })
  assert.deepEqual(done.items, planned.items)
  assert.deepEqual(
    done.items.map(({ kind, object }) => `${kind} ${object}`),
    [
      'upload data/dead/shard-0001.rdb',
      'part data/dead/shard-0000.rdb',
      'claim claims/dead.json',
      'lock locks/cluster-1.json',
    ],
  )
  const left = [
    manifestObject('kept'),
    claimObject('running'),
    manifest.shards[0]!.part.object,
    'data/live/shard-0000.rdb',
  ]
  assert.deepEqual((await namesIn(store)).sort(), left.sort())
})
