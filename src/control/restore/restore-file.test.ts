// Goal: a file or a node appears whole or not at all, and never in the place of another unasked.
// Method: backups of synthetic files in a directory store; parts damaged by hand; the node is the
// server of this checkout.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { newIdentity } from '../backup/age-keys.ts'
import { freePort } from '../backup/local-engine.ts'
import { takeBackup } from '../backup/take.ts'
import { testRdb } from '../backup/test-rdb.ts'
import { NodeConnection } from '../source/node-connection.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { restoreToFile } from './restore-file.ts'
import { restoreToLocalNode } from './restore-local.ts'
import { backupSource, fileSource } from './restore-source.ts'
import { RestoreRefused } from './restore-target.ts'

const { identity } = newIdentity()
const identities = [identity]
const work = mkdtempSync(join(tmpdir(), 'tidemark-restore-file-'))
after(() => rmSync(work, { recursive: true, force: true }))

const store = new DirectoryStore(join(work, 'store'))
const bytes = Buffer.concat([...testRdb({ keys: 300, valueBytes: 400 })])
const rdbPath = join(work, 'source.rdb')
writeFileSync(rdbPath, bytes)

async function take(name: string, files: readonly string[]) {
  return await takeBackup({
    store,
    name,
    cluster: 'cluster-1',
    kind: 'manual',
    source: { nodes: [], files, preference: 'auto', connect: {} },
    codec: { level: 1, recipients: [identity.recipient] },
    forkPolicy: 'ignore',
    toolVersion: '0.0.0',
  })
}

function newDirectory(name: string): string {
  const path = join(work, name)
  mkdirSync(path)
  return path
}

const refused = (text: RegExp) => (error: unknown) =>
  error instanceof RestoreRefused && text.test(error.message)

test('a file is the bytes that were backed up, and replaces none unasked', async () => {
  await take('one', [rdbPath])
  const directory = newDirectory('files')
  const path = join(directory, 'dump.rdb')
  const source = await backupSource({ store, name: 'one', identities })
  const seen: number[] = []
  await restoreToFile({ source, path, onProgress: (done) => seen.push(done) })
  assert.deepEqual(readFileSync(path), bytes)
  assert.equal(seen.at(-1), bytes.length)
  await assert.rejects(restoreToFile({ source, path }), refused(/is there: replace it\?$/))
  await restoreToFile({ source: await fileSource(rdbPath), path, isReplacing: true })
  assert.deepEqual(readdirSync(directory), ['dump.rdb'])
  const nowhere = join(work, 'nowhere', 'dump.rdb')
  await assert.rejects(restoreToFile({ source, path: nowhere }), refused(/ENOENT/))
})

test('several shards are several files, or a refusal', async () => {
  await take('three', [rdbPath, rdbPath, rdbPath])
  const directory = newDirectory('shards')
  const path = join(directory, 'dump.rdb')
  const source = await backupSource({ store, name: 'three', identities })
  await assert.rejects(restoreToFile({ source, path }), refused(/^backup three has 3 shards/))
  await restoreToFile({ source, path, isSplit: true })
  const names = ['dump.0000.rdb', 'dump.0001.rdb', 'dump.0002.rdb']
  assert.deepEqual(readdirSync(directory).sort(), names)
})

test('a damaged part leaves no file and what was there', async () => {
  const manifest = await take('bad', [rdbPath, rdbPath])
  const { object } = manifest.shards[1]!.part
  const stored = Buffer.from(await store.get(object))
  stored[stored.length - 40]! ^= 1
  await store.put(object, stored)
  const directory = newDirectory('bad')
  const path = join(directory, 'dump.rdb')
  writeFileSync(join(directory, 'dump.0000.rdb'), 'before')
  const source = await backupSource({ store, name: 'bad', identities })
  const failed = restoreToFile({ source, path, isSplit: true, isReplacing: true })
  await assert.rejects(failed, (error: Error) => error.message.startsWith(object))
  assert.deepEqual(readdirSync(directory), ['dump.0000.rdb'])
  assert.equal(readFileSync(join(directory, 'dump.0000.rdb'), 'utf8'), 'before')
})

test('a new node has the data and goes on', async () => {
  await take('node', [rdbPath])
  const source = await backupSource({ store, name: 'node', identities })
  const directory = join(work, 'node')
  const port = await freePort()
  const request = { source, directory, port, password: 'secret word', isKeptRunning: true }
  const node = await restoreToLocalNode(request)
  try {
    assert.equal(node.keys, 300)
    const connection = await NodeConnection.connect(node.address)
    assert.equal(await connection.command('DBSIZE'), 300)
    connection.close()
  } finally {
    assert.ok(node.pid !== null)
    process.kill(node.pid, 'SIGTERM')
  }
  await assert.rejects(restoreToLocalNode(request), refused(/is not empty/))
})

test('a node that cannot be leaves its directory empty', async () => {
  const cut = join(work, 'cut.rdb')
  writeFileSync(cut, bytes.subarray(0, 5000))
  const directory = newDirectory('cut')
  const source = await fileSource(cut)
  await assert.rejects(restoreToLocalNode({ source, directory, port: 1, isKeptRunning: false }))
  assert.deepEqual(readdirSync(directory), [])
})
