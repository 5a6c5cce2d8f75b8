// Goal: what is put around stores and between them: URLs, the limit of bandwidth, two stores as
// one, copies that go on after they broke off. Method: directories, and a double of S3 that fails.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { FakeS3 } from '../../../test/lib/fake-s3.ts'
import {
  faultOf,
  names,
  pendingOf,
  readAll,
  sha256,
  storeContract,
} from '../../../test/lib/store-contract.ts'
import { copyObject } from './copy-object.ts'
import { DirectoryStore } from './directory-store.ts'
import { BandwidthLimit, LimitedStore } from './limited-store.ts'
import type { ObjectStore, StoreFault } from './object-store.ts'
import { openStore } from './open-store.ts'
import { openS3Store } from './s3-store.ts'
import { TwinStore } from './twin-store.ts'

const MIB = 1 << 20
const POLICY = { attempts: 2, delayMs: 2, delayMsMax: 5 }

let folder = ''
let fake: FakeS3
let far: ObjectStore
let count = 0
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-stores-'))
  fake = await FakeS3.start()
  far = await openS3Store(fake.url(), { credentials: fake, policy: POLICY, idleMsMax: 2000 })
})
after(() => {
  far.close()
  fake.stop()
  rmSync(folder, { recursive: true, force: true })
})
afterEach(() => {
  fake.faults = []
  fake.objects.clear()
  fake.uploads.clear()
})

function directory(): DirectoryStore {
  return new DirectoryStore(join(folder, `${count++}`))
}

const DOWN = { do: 'status', status: 503, code: 'SlowDown' } as const
const allDown = () => [{ request: '*', action: DOWN, times: 9999 }]

storeContract('the contract, with a limit', async () => ({
  store: new LimitedStore(directory(), new BandwidthLimit(1e9)),
  close() {},
}))

test('a URL names a directory or a bucket; anything else is refused', async () => {
  assert.ok((await openStore('some/where')) instanceof DirectoryStore)
  assert.equal((await openStore('file:///some/where')).url, 'file:///some/where')
  const limited = await openStore(`s3://bucket?endpoint=${fake.endpoint}`, { bytesPerSecond: 1 })
  assert.ok(limited instanceof LimitedStore)
  limited.close()
  for (const url of ['', 'ftp://host/x', 'http://host', 'file://host/x%zz', 'gs://bucket']) {
    await faultOf(openStore(url), 'invalid')
  }
})

test('a limit of bandwidth holds for all together, and a signal ends the wait', async () => {
  const store = new LimitedStore(directory(), new BandwidthLimit(8 * MIB))
  const startMs = performance.now()
  const writers = await Promise.all(['a', 'b'].map((name) => store.create(name)))
  await Promise.all(writers.map((writer) => writer.write(new Uint8Array(3 * MIB))))
  await Promise.all(writers.map((writer) => writer.complete()))
  assert.equal((await readAll(store, 'a')).length, 3 * MIB)
  // 9 MiB, of which a quarter of a second's worth is free.
  const elapsedMs = performance.now() - startMs
  assert.ok(elapsedMs > 850, `${elapsedMs} ms`)

  const slow = new LimitedStore(directory(), new BandwidthLimit(1))
  const signal = AbortSignal.timeout(30)
  await faultOf(slow.put('x', new Uint8Array(1000), { signal }), 'aborted')
  assert.throws(() => new BandwidthLimit(0), RangeError)
})

storeContract('the contract, of two stores as one', async () => {
  const twin = new TwinStore(directory(), directory())
  // Left-overs of one write are two here.
  return { store: onePending(twin), close() {} }
})

/** Shows what is pending in `near` alone, for tests that count. */
function onePending(twin: TwinStore): ObjectStore {
  return new Proxy<ObjectStore>(twin, {
    get(store, name) {
      if (name === 'pending') return nearPending(twin)
      const value = Reflect.get(store, name, store)
      return typeof value === 'function' ? value.bind(store) : value
    },
  })
}

function nearPending(twin: TwinStore): ObjectStore['pending'] {
  return async function* (prefix, signal) {
    for await (const pending of twin.pending(prefix, signal)) {
      if (pending.id.startsWith('near:')) yield pending
      else if (prefix === 'begun/' || prefix === 'resumed') await twin.discard(pending)
    }
  }
}

test('what is written to two stores is in both; if one fails, in none', async () => {
  const near = directory()
  const twin = new TwinStore(near, far)
  const bytes = randomBytes(9 * MIB)
  const writer = await twin.create('data/x')
  await writer.write(bytes)
  await writer.complete()
  await twin.put('backups/x', Buffer.from('{}'), { createOnly: true })
  for (const store of [near, far, twin]) {
    assert.deepEqual(await names(store, ''), ['backups/x', 'data/x'])
    assert.equal(sha256(await readAll(store, 'data/x')), sha256(bytes))
  }
  await faultOf(twin.put('backups/x', Buffer.from('2'), { createOnly: true }), 'exists')

  fake.faults = [{ request: 'PutObject', action: DOWN, times: 99 }]
  await faultOf(twin.put('backups/y', Buffer.from('{}'), { createOnly: true }), 'unavailable')
  fake.faults = [{ request: 'UploadPart', action: DOWN, times: 99 }]
  const second = await twin.create('data/y', { createOnly: true })
  await second.write(bytes)
  await faultOf(second.complete(), 'unavailable')
  await second.abort()
  fake.faults = []
  for (const store of [near, far]) {
    assert.deepEqual(await names(store, ''), ['backups/x', 'data/x'])
    assert.deepEqual(await pendingOf(store, ''), [])
  }
  // What `far` has taken already is decided by it.
  await far.put('backups/z', Buffer.from('other'))
  await faultOf(twin.put('backups/z', Buffer.from('{}'), { createOnly: true }), 'exists')
  assert.deepEqual(await names(near, 'backups/'), ['backups/x'])
})

test('where one store suffices, the fault of the other is told, and reads fail over', async () => {
  const near = directory()
  const faults: StoreFault[] = []
  const onFault = (fault: StoreFault) => void faults.push(fault)
  const twin = new TwinStore(near, far, { needs: 'one', onFault })
  const bytes = randomBytes(9 * MIB)
  fake.faults = [{ request: 'UploadPart', action: DOWN, times: 99 }]
  const writer = await twin.create('data/x', { createOnly: true })
  await writer.write(bytes)
  await writer.complete()
  fake.faults = allDown()
  await twin.put('backups/x', Buffer.from('{}'), { createOnly: true })
  assert.ok(faults.length >= 2)
  assert.deepEqual(await names(twin, ''), ['backups/x', 'data/x'])
  fake.faults = []
  assert.deepEqual(await names(far, ''), [])

  // Only `far` has it, or `near` has lost its end.
  await far.put('late', bytes)
  assert.deepEqual(await names(twin, ''), ['backups/x', 'data/x', 'late'])
  assert.equal(sha256(await readAll(twin, 'late', 7)), sha256(bytes.subarray(7)))
  assert.equal((await twin.info('late')).bytes, bytes.length)
  await faultOf(twin.get('nowhere'), 'missing')
  await twin.delete('late')
  assert.deepEqual(await names(far, ''), [])
})

test('a copy goes on where it broke off', async () => {
  const source = directory()
  const bytes = randomBytes(25 * MIB)
  await source.put('x', bytes)
  const sha = sha256(bytes)
  // The third part fails for good.
  fake.faults = [{ request: 'UploadPart', action: DOWN, skip: 2, times: 99 }]
  const [from, to] = [
    { store: source, name: 'x' },
    { store: far, name: 'copies/x' },
  ]
  await faultOf(copyObject(from, to, { sha256: sha, createOnly: true }), 'unavailable')
  assert.deepEqual(await names(far, ''), [])
  assert.equal((await pendingOf(far, 'copies/')).length, 1)

  fake.faults = []
  const sentBefore = fake.count('UploadPart')
  let last = 0
  const onProgress = (done: number) => void (last = done)
  const copied = await copyObject(from, to, { sha256: sha, createOnly: true, onProgress })
  assert.deepEqual([copied.bytes, copied.sha256, last], [bytes.length, sha, bytes.length])
  assert.ok(fake.count('UploadPart') - sentBefore < 4)
  assert.equal(sha256(await readAll(far, 'copies/x')), sha)
  await faultOf(copyObject(from, to, { createOnly: true }), 'exists')
})

test('a source that is not what it should be makes no copy', async () => {
  const root = join(folder, 'damaged')
  const source = new DirectoryStore(root)
  await source.put('x', Buffer.from('good'))
  const target = directory()
  writeFileSync(join(root, 'x'), 'evil')
  const options = { sha256: sha256(Buffer.from('good')) }
  const [from, to] = [
    { store: source, name: 'x' },
    { store: target, name: 'x' },
  ]
  const fault = await faultOf(copyObject(from, to, options), 'damaged')
  assert.match(fault.message, /x: SHA-256 [0-9a-f]{64}, expected/)
  truncateSync(join(root, 'x'), 2)
  await faultOf(copyObject(from, to, options), 'damaged')
  assert.deepEqual(await names(target, ''), [])
  assert.deepEqual(await pendingOf(target, ''), [])
})
