// Goal: a backup exists whole or not at all, whatever its source and its process do. Method: a
// primary that breaks off at many bytes of both forms of a full sync, stays silent, refuses or
// becomes another node; a process that is killed; a directory store, which is looked at afterwards.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseNodeAddress } from '../source/node-address.ts'
import { NodeError } from '../source/node-error.ts'
import { TestPrimary, type TestPrimaryOptions } from '../source/test-primary.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { StoreFault } from '../store/object-store.ts'
import { newIdentity } from './age-keys.ts'
import { LeaseTaken, STALE_MS } from './lease.ts'
import type { BackupManifest } from './manifest.ts'
import { claimObject, lockObject, manifestObject, NameError } from './names.ts'
import { PartFault, readPart } from './part-reader.ts'
import { RdbSurvey, SurveyError } from './rdb-survey.ts'
import { type TakeRequest, takeBackup } from './take.ts'
import { testRdb, testRdbBytes } from './test-rdb.ts'

const SHAPE = { keys: 500, valueBytes: 300 }
const LENGTH = testRdbBytes(SHAPE)
const { identity } = newIdentity()

const work = mkdtempSync(join(tmpdir(), 'tidemark-take-'))
after(() => rmSync(work, { recursive: true, force: true }))

let stores = 0
function newStore(): DirectoryStore {
  return new DirectoryStore(join(work, `store-${++stores}`))
}

/** All objects of the store, by name. */
async function namesIn(store: DirectoryStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list('')) names.push(name)
  return names
}

function requestFor(
  store: DirectoryStore,
  port: number,
  more: Partial<TakeRequest> = {},
): TakeRequest {
  return {
    store,
    name: 'one',
    cluster: 'cluster-1',
    kind: 'manual',
    source: {
      nodes: [parseNodeAddress(`redis://user:secret@127.0.0.1:${port}`)],
      files: [],
      preference: 'auto',
      connect: { timeoutMs: 2000 },
    },
    codec: { level: 1, recipients: [identity.recipient] },
    forkPolicy: 'refuse',
    toolVersion: '0.0.0',
    ...more,
  }
}

function fromFile(store: DirectoryStore, path: string): TakeRequest {
  const source = { nodes: [], files: [path], preference: 'auto', connect: {} } as const
  return requestFor(store, 0, { source })
}

async function withPrimary<T>(
  options: Partial<TestPrimaryOptions>,
  use: (primary: TestPrimary) => Promise<T>,
): Promise<T> {
  const snapshot = () => testRdb(SHAPE)
  const primary = await TestPrimary.start({
    snapshot,
    length: LENGTH,
    password: 'secret',
    ...options,
  })
  try {
    return await use(primary)
  } finally {
    await primary.stop()
  }
}

async function readBack(store: DirectoryStore, manifest: BackupManifest, identities = [identity]) {
  const [shard] = manifest.shards
  assert.ok(shard)
  const survey = new RdbSurvey({ name: 'back', bytes: shard.rdb.bytes })
  try {
    const source = { store, part: shard.part, codec: manifest, identities }
    for await (const piece of readPart(source)) await survey.write(piece)
    return await survey.finish()
  } finally {
    await survey.close()
  }
}

for (const length of [LENGTH, null]) {
  const form = length === null ? 'with a mark at its end' : 'with its length'
  test(`a stream ${form} becomes a backup that reads back the same`, async () => {
    const store = newStore()
    const manifest = await withPrimary({ length }, ({ port }) =>
      takeBackup(requestFor(store, port)),
    )
    const stored = JSON.parse(Buffer.from(await store.get(manifestObject('one'))).toString())
    assert.deepEqual(stored, manifest)
    assert.equal(manifest.totals.keys, SHAPE.keys)
    assert.equal(manifest.totals.rdbBytes, LENGTH)
    const [shard] = manifest.shards
    assert.equal(shard?.source.replicationOffset, 1234)
    assert.equal(shard?.source.freezeMs, 1.5)
    assert.equal(shard?.source.memoryBeforeBytes, 2_000_000)
    const again = await readBack(store, manifest)
    assert.equal(again.digest, shard?.rdb.digest)
    assert.equal(again.sha256, shard?.rdb.sha256)
    assert.deepEqual(await namesIn(store), [manifestObject('one'), shard?.part.object].sort())
    assert.ok(!JSON.stringify(manifest).includes('secret'))
    await assert.rejects(takeBackup(requestFor(store, 1)), (error) => {
      return error instanceof StoreFault && error.kind === 'exists'
    })
  })

  test(`a stream ${form} that breaks off anywhere leaves nothing`, async () => {
    const store = newStore()
    // What stands before the snapshot is more than 60 bytes.
    const whole = LENGTH + 60
    for (const cutAfter of [0, 1, 20, 60, 70, 110, 150, 5000, 70_000, LENGTH - 9, LENGTH, whole]) {
      await withPrimary({ length, cutAfter }, async ({ port }) => {
        await assert.rejects(
          takeBackup(requestFor(store, port)),
          (error) => {
            return error instanceof NodeError && error.message.includes(`127.0.0.1:${port}`)
          },
          `cut after ${cutAfter}`,
        )
      })
      assert.deepEqual(await namesIn(store), [], `cut after ${cutAfter}`)
    }
    assert.deepEqual(await Array.fromAsync(store.pending('')), [])
  })
}

test('one byte at a time is the same backup', async () => {
  const shape = { keys: 10, valueBytes: 100 }
  const slow = { snapshot: () => testRdb(shape), length: null, isSlow: true }
  const store = newStore()
  const manifest = await withPrimary(slow, ({ port }) => takeBackup(requestFor(store, port)))
  assert.equal(manifest.totals.keys, shape.keys)
})

test('a wrong byte in the stream is found', async () => {
  const whole = Buffer.concat([...testRdb(SHAPE)])
  whole[whole.length >> 1]! ^= 4
  const store = newStore()
  await withPrimary({ snapshot: () => [whole] }, async ({ port }) => {
    await assert.rejects(takeBackup(requestFor(store, port)), SurveyError)
  })
  assert.deepEqual(await namesIn(store), [])
})

test('bytes behind the end of a file are found', async () => {
  const path = join(work, 'long.rdb')
  writeFileSync(path, Buffer.concat([...testRdb(SHAPE)]))
  const store = newStore()
  const manifest = await takeBackup(fromFile(store, path))
  assert.equal(manifest.shards[0]?.source.role, 'file')
  appendFileSync(path, 'x')
  await assert.rejects(takeBackup({ ...fromFile(store, path), name: 'two' }), /1 bytes behind/)
})

test('what is wrong with a source is said, without its password', async () => {
  const cases: readonly (readonly [Partial<TestPrimaryOptions>, RegExp])[] = [
    [{ password: 'other' }, /AUTH: WRONGPASS/],
    [{ restarts: true }, /it was restarted/],
    [{ answer: '-NOMASTERLINK Can’t SYNC while not connected' }, /PSYNC: NOMASTERLINK/],
    [{ answer: '+CONTINUE' }, /as an answer to PSYNC/],
    [{ info: ['used_memory_rss:990000000', 'rdb_last_cow_size:500000'] }, /forking takes it/],
  ]
  for (const [options, message] of cases) {
    const store = newStore()
    await withPrimary(options, async ({ port }) => {
      await assert.rejects(takeBackup(requestFor(store, port)), (error) => {
        assert.ok(error instanceof NodeError)
        assert.match(error.message, message)
        return !error.message.includes('secret')
      })
    })
    assert.deepEqual(await namesIn(store), [])
  }
})

test('it can be stopped, and a source that stays silent does not hold it', async () => {
  const store = newStore()
  await withPrimary({ cutAfter: 5000, isSilent: true }, async ({ port }) => {
    const stop = new AbortController()
    const taking = takeBackup(requestFor(store, port, { signal: stop.signal }))
    setTimeout(() => stop.abort(), 300)
    await assert.rejects(taking, /stopped on request/)
  })
  assert.deepEqual(await namesIn(store), [])
})

test('names are checked, and one operation at a time holds a name and a cluster', async () => {
  const store = newStore()
  await assert.rejects(takeBackup(requestFor(store, 1, { name: '-a' })), NameError)
  const other = { id: 'x', operation: 'create other', who: 'somebody', since: 'today' }
  for (const object of [claimObject('one'), lockObject('cluster-1')]) {
    const alive = { ...other, heartbeat: new Date().toISOString() }
    await store.put(object, Buffer.from(JSON.stringify(alive)))
    await assert.rejects(takeBackup(requestFor(store, 1)), LeaseTaken)
    assert.deepEqual(await namesIn(store), [object])
    const dead = { ...other, heartbeat: new Date(Date.now() - STALE_MS - 1000).toISOString() }
    await store.put(object, Buffer.from(JSON.stringify(dead)))
    await withPrimary({}, ({ port }) => takeBackup(requestFor(store, port)))
    await store.delete(manifestObject('one'))
    for await (const { name } of store.list('data/')) await store.delete(name)
  }
})

test('a killed process leaves no backup', async () => {
  for (const killAfter of [30, 70_000]) {
    const store = newStore()
    await withPrimary({ cutAfter: killAfter, isSilent: true }, async ({ port }) => {
      const child = fork(join(import.meta.dirname, 'test-taker.ts'))
      child.send({ path: store.url, port })
      while (readdirSync(work).length === 0 || !hasSynced(store, killAfter)) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    const names = await namesIn(store)
    assert.deepEqual(names, [claimObject('one'), lockObject('cluster-1')])
    await assert.rejects(takeBackup(requestFor(store, 1)), LeaseTaken)
  }

  /** Whether the part has begun, or the claim is there. */
  function hasSynced(store: DirectoryStore, killAfter: number): boolean {
    const folders = killAfter > 1000 ? ['locks', '.pending'] : ['locks']
    try {
      return folders.every((folder) => readdirSync(join(store.url, folder)).length > 0)
    } catch {
      return false
    }
  }
})

test('a damaged part is found wherever it is', async () => {
  const store = newStore()
  const manifest = await withPrimary({}, ({ port }) => takeBackup(requestFor(store, port)))
  const object = manifest.shards[0]?.part.object ?? ''
  const path = join(store.url, object)
  const whole = readFileSync(path)
  for (const at of [0, 30, 150, 250, 400, whole.length >> 1, whole.length - 1]) {
    const damaged = Buffer.from(whole)
    damaged[at]! ^= 1
    writeFileSync(path, damaged)
    await assert.rejects(readBack(store, manifest), PartFault, `byte ${at}`)
    writeFileSync(path, whole.subarray(0, at))
    await assert.rejects(readBack(store, manifest), PartFault, `cut at ${at}`)
  }
  writeFileSync(path, whole)
  await assert.rejects(readBack(store, manifest, [newIdentity().identity]), (error) => {
    return error instanceof PartFault && error.kind === 'locked'
  })
  rmSync(path)
  await assert.rejects(readBack(store, manifest), (error) => {
    return error instanceof PartFault && error.kind === 'missing'
  })
})
