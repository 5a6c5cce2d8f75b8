// Goal: a copy exists whole or not at all, shares no part with its original, and goes on where it
// was broken off; an export is the RDB stream that was read. Method: two directory stores, one of
// which fails in the middle or has a damaged part.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DirectoryStore } from '../store/directory-store.ts'
import { StoreFault } from '../store/object-store.ts'
import { deleteBackup, listBackups } from './catalog.ts'
import { copyBackup } from './copy-backup.ts'
import { exportBackup, exportNames } from './export-backup.ts'
import { LeaseTaken } from './lease.ts'
import { claimObject } from './names.ts'
import { takeBackup } from './take.ts'
import { testRdb } from './test-rdb.ts'
import { verifyBackup } from './verify.ts'

const work = mkdtempSync(join(tmpdir(), 'tidemark-copy-'))
after(() => rmSync(work, { recursive: true, force: true }))

let stores = 0
function newStore(): DirectoryStore {
  return new DirectoryStore(join(work, `store-${++stores}`))
}

const rdb = join(work, 'source.rdb')
writeFileSync(rdb, Buffer.concat([...testRdb({ keys: 300, valueBytes: 2000 })]))

/** A store with the backup `one`, and the name of its part. */
async function withBackup(): Promise<readonly [DirectoryStore, string]> {
  const store = newStore()
  const manifest = await takeBackup({
    store,
    name: 'one',
    cluster: 'main',
    kind: 'manual',
    source: { nodes: [], files: [rdb], preference: 'auto', connect: {} },
    codec: { level: 1, recipients: [] },
    forkPolicy: 'ignore',
    toolVersion: '0.0.0',
  })
  return [store, manifest.shards[0]?.part.object ?? '']
}

async function isGood(store: DirectoryStore, name: string): Promise<boolean> {
  return (await verifyBackup({ store, name, level: 'parts', identities: [] })).isGood
}

test('a copy in another store is the same backup', async () => {
  const [source] = await withBackup()
  const target = newStore()
  const request = { source, target, name: 'one', newName: 'one' }
  const copy = await copyBackup(request)
  assert.deepEqual(copy, (await listBackups(source))[0]?.manifest)
  assert.equal(await isGood(target, 'one'), true)
  await assert.rejects(copyBackup(request), (error) => {
    return error instanceof StoreFault && error.kind === 'exists'
  })
})

test('a copy in the same store outlives its original', async () => {
  const [store] = await withBackup()
  await copyBackup({ source: store, target: store, name: 'one', newName: 'two' })
  await deleteBackup(store, 'one')
  assert.equal(await isGood(store, 'two'), true)
  const names = (await listBackups(store)).map(({ name }) => name)
  assert.deepEqual(names, ['two'])
})

test('a damaged part is not copied', async () => {
  const [source, object] = await withBackup()
  const path = join(source.url, object)
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(path, bytes)
  const target = newStore()
  await assert.rejects(
    copyBackup({ source, target, name: 'one', newName: 'one' }),
    (error) => error instanceof StoreFault && error.kind === 'damaged',
  )
  assert.deepEqual(await Array.fromAsync(target.list('')), [])
})

test('a copy that was broken off goes on; one of another process is left alone', async () => {
  const [source] = await withBackup()
  const target = newStore()
  const stop = new AbortController()
  const request = { source, target, name: 'one', newName: 'one' }
  const broken = copyBackup({ ...request, signal: stop.signal, onProgress: () => stop.abort() })
  await assert.rejects(broken)
  assert.deepEqual(await listBackups(target), [])
  const heartbeat = new Date().toISOString()
  const holder = { id: 'x', operation: 'copy one', who: 'other:1', since: heartbeat, heartbeat }
  await target.put(claimObject('one'), Buffer.from(JSON.stringify(holder)))
  await assert.rejects(copyBackup(request), LeaseTaken)
  await target.delete(claimObject('one'))
  await copyBackup(request)
  assert.equal(await isGood(target, 'one'), true)
})

test('an export is the stream that was read, and replaces nothing', async () => {
  const [store] = await withBackup()
  const target = newStore()
  const manifest = (await listBackups(store))[0]?.manifest
  assert.ok(manifest)
  const names = exportNames('one', 1)
  assert.deepEqual(names, ['one-0001.rdb'])
  const request = { store, manifest, identities: [], target, names }
  await exportBackup(request)
  assert.deepEqual(Buffer.from(await target.get('one-0001.rdb')), readFileSync(rdb))
  await assert.rejects(exportBackup(request), (error) => {
    return error instanceof StoreFault && error.kind === 'exists'
  })
})
