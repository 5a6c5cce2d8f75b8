// What `ObjectStore` promises, as tests that each kind of store is put through: an object appears
// whole or not at all, a name is written once, listings are in order, what was begun can be found.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import {
  type ObjectStore,
  type PendingWrite,
  StoreFault,
} from '../../src/control/store/object-store.ts'

/** What a test asks of the world: a store that is empty, and its end. */
export interface ContractPlace {
  readonly store: ObjectStore
  close(): Promise<void> | void
}

const MIB = 1 << 20

export function storeContract(title: string, open: () => Promise<ContractPlace>): void {
  describe(title, () => {
    let place: ContractPlace
    let store: ObjectStore
    before(async () => {
      place = await open()
      store = place.store
    })
    after(() => place?.close())

    test('a probe finds nothing amiss and leaves nothing', async () => {
      assert.deepEqual(await store.probe(), [])
      assert.deepEqual(await names(store, ''), [])
      const free = await store.freeBytes()
      assert.ok(free === null || free > 0)
    })
    test('small objects are written, read and removed', () => smallObjects(store))
    test('createOnly holds against what is there, and against others', () => createOnly(store))
    test('a large object comes back as it was, from any byte on', () => largeObject(store))
    test('listings are in the order of bytes, by any prefix', () => listings(store))
    test('what was not completed is pending, no object, and can be discarded', () =>
      unfinished(store))
    test('what was suspended is resumed', () => resumed(store))
    test('names that mean something else are refused', () => badNames(store))
    test('a signal stops', () => stopped(store))
  })
}

export async function names(store: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of store.list(prefix)) found.push(name)
  return found
}

export async function pendingOf(store: ObjectStore, prefix: string): Promise<PendingWrite[]> {
  const found: PendingWrite[] = []
  for await (const pending of store.pending(prefix)) found.push(pending)
  return found
}

export async function readAll(store: ObjectStore, name: string, from = 0): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of store.read(name, from)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Asserts that it fails with a fault of this kind; returns that. */
export async function faultOf(promise: Promise<unknown>, kind: string): Promise<StoreFault> {
  let error: unknown = null
  try {
    await promise
  } catch (caught) {
    error = caught
  }
  assert.ok(error instanceof StoreFault, `expected a fault '${kind}', got ${String(error)}`)
  assert.equal(error.kind, kind, error.message)
  return error
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function smallObjects(store: ObjectStore): Promise<void> {
  const written = await store.put('small/a.json', Buffer.from('{"a":1}'))
  assert.equal(written.name, 'small/a.json')
  assert.equal(written.bytes, 7)
  assert.equal(Buffer.from(await store.get('small/a.json')).toString(), '{"a":1}')
  const info = await store.info('small/a.json')
  assert.equal(info.bytes, 7)
  assert.ok(Math.abs(info.modifiedMs - Date.now()) < 600_000)
  await store.put('small/empty', new Uint8Array(0))
  assert.equal((await store.get('small/empty')).length, 0)
  assert.equal((await readAll(store, 'small/empty')).length, 0)
  // Without `createOnly` the last one counts.
  await store.put('small/a.json', Buffer.from('two'))
  assert.equal(Buffer.from(await store.get('small/a.json')).toString(), 'two')

  await store.delete('small/a.json')
  await store.delete('small/a.json')
  await store.delete('small/empty')
  await faultOf(store.get('small/a.json'), 'missing')
  await faultOf(store.info('small/a.json'), 'missing')
  await faultOf(readAll(store, 'small/a.json'), 'missing')
  await faultOf(store.info('small'), 'missing')
  assert.deepEqual(await names(store, 'small'), [])
}

async function createOnly(store: ObjectStore): Promise<void> {
  const name = 'once/manifest.json'
  await store.put(name, Buffer.from('first'), { createOnly: true })
  const fault = await faultOf(store.put(name, Buffer.from('2'), { createOnly: true }), 'exists')
  assert.match(fault.message, /once\/manifest\.json/)
  await faultOf(store.create(name, { createOnly: true }), 'exists')
  assert.equal(Buffer.from(await store.get(name)).toString(), 'first')

  // One of many at the same moment wins, and it is the winner's bytes that are there.
  const tries = Array.from({ length: 8 }, (_, i) =>
    store.put('once/race', Buffer.from(`writer ${i}`), { createOnly: true }).then(
      () => i,
      (error) => {
        assert.equal((error as StoreFault).kind, 'exists', String(error))
        return null
      },
    ),
  )
  const winners = (await Promise.all(tries)).filter((i) => i !== null)
  assert.equal(winners.length, 1)
  assert.equal(Buffer.from(await store.get('once/race')).toString(), `writer ${winners[0]}`)

  // A writer that began before the name was taken.
  const late = await store.create('once/late', { createOnly: true })
  await late.write(Buffer.from('late'))
  await store.put('once/late', Buffer.from('early'))
  await faultOf(late.complete(), 'exists')
  await late.abort()
  assert.equal(Buffer.from(await store.get('once/late')).toString(), 'early')
  for (const each of await names(store, 'once/')) await store.delete(each)
}

async function largeObject(store: ObjectStore): Promise<void> {
  const bytes = randomBytes(11 * MIB + 123)
  const writer = await store.create('large/data', { expectedBytes: bytes.length })
  for (let i = 0; i < bytes.length; i += 100_001) {
    const piece = Uint8Array.from(bytes.subarray(i, i + 100_001))
    await writer.write(piece)
    // The writer has taken a copy.
    piece.fill(0)
  }
  assert.equal(writer.bytes, bytes.length)
  assert.deepEqual(await names(store, 'large/'), [])
  assert.equal((await writer.complete()).bytes, bytes.length)
  assert.deepEqual(await pendingOf(store, 'large/'), [])

  assert.equal((await store.info('large/data')).bytes, bytes.length)
  assert.equal(sha256(await readAll(store, 'large/data')), sha256(bytes))
  const from = 5 * MIB + 17
  assert.equal(sha256(await readAll(store, 'large/data', from)), sha256(bytes.subarray(from)))
  assert.equal((await readAll(store, 'large/data', bytes.length)).length, 0)
  await faultOf(readAll(store, 'large/data', bytes.length + 1), 'invalid')
  // A reader that has seen enough.
  for await (const piece of store.read('large/data')) {
    assert.ok(piece.length > 0)
    break
  }
  await store.delete('large/data')
}

async function listings(store: ObjectStore): Promise<void> {
  const all = [
    'l/a',
    'l/a-b',
    'l/a/x',
    'l/a/y',
    'l/ab',
    'l/b/c/d',
    'l/é',
    'l/z',
    'l/\u{1f600}',
    'l/\uff5e',
  ]
  await Promise.all(all.map((name) => store.put(name, Buffer.from(name)).catch(() => {})))
  // A directory cannot hold an object and a directory of the same name; which came first is open.
  const have = (await names(store, 'l/')).filter((name) => name !== 'l/a')
  const expected = [
    'l/a-b',
    'l/a/x',
    'l/a/y',
    'l/ab',
    'l/b/c/d',
    'l/z',
    'l/é',
    'l/\uff5e',
    'l/\u{1f600}',
  ]
  const missing = expected.filter((name) => !have.includes(name))
  assert.ok(missing.length === 0 || missing.join() === 'l/a/x,l/a/y', missing.join())
  assert.deepEqual(
    have,
    expected.filter((name) => have.includes(name)),
  )
  assert.deepEqual(await names(store, 'l/b'), ['l/b/c/d'])
  assert.deepEqual(await names(store, 'l/b/c/'), ['l/b/c/d'])
  assert.deepEqual(await names(store, 'l/nothing/'), [])
  assert.deepEqual(await names(store, 'l/ab'), ['l/ab'])
  for (const name of await names(store, 'l/')) await store.delete(name)
  assert.deepEqual(await names(store, ''), [])
}

async function unfinished(store: ObjectStore): Promise<void> {
  const writer = await store.create('begun/one')
  await writer.write(randomBytes(9 * MIB))
  const [pending] = await pendingOf(store, 'begun/')
  assert.ok(pending)
  assert.equal(pending.name, 'begun/one')
  assert.ok(Math.abs(pending.startedMs - Date.now()) < 600_000)
  assert.deepEqual(await pendingOf(store, 'other/'), [])
  assert.deepEqual(await names(store, 'begun/'), [])
  await writer.abort()
  assert.deepEqual(await pendingOf(store, 'begun/'), [])

  const other = await store.create('begun/two')
  await other.write(randomBytes(9 * MIB))
  await other.suspend()
  for (const each of await pendingOf(store, 'begun/')) await store.discard(each)
  assert.deepEqual(await pendingOf(store, 'begun/'), [])
  await store.discard(pending)
  await faultOf(store.resume(pending), 'missing')
}

async function resumed(store: ObjectStore): Promise<void> {
  const bytes = randomBytes(40 * MIB)
  const writer = await store.create('resumed')
  await writer.write(bytes.subarray(0, 34 * MIB))
  await writer.suspend()
  const [pending] = await pendingOf(store, 'resumed')
  assert.ok(pending)
  const again = await store.resume(pending)
  assert.ok(again.bytes <= 34 * MIB, `${again.bytes} were kept`)
  await again.write(bytes.subarray(again.bytes))
  assert.equal((await again.complete()).bytes, bytes.length)
  assert.equal(sha256(await readAll(store, 'resumed')), sha256(bytes))
  assert.deepEqual(await pendingOf(store, ''), [])
  await store.delete('resumed')
}

async function badNames(store: ObjectStore): Promise<void> {
  const bad = [
    '',
    '/a',
    'a//b',
    'a/',
    '../a',
    'a/../b',
    '.',
    './a',
    '.pending/x',
    'a\\b',
    'a\0',
    'a\n',
  ]
  for (const name of [...bad, '\ud800', 'x'.repeat(256), `${'x/'.repeat(600)}x`]) {
    await faultOf(store.put(name, new Uint8Array(1)), 'invalid')
    await faultOf(store.create(name), 'invalid')
    await faultOf(store.get(name), 'invalid')
    await faultOf(store.delete(name), 'invalid')
  }
  await faultOf(names(store, '../'), 'invalid')
}

async function stopped(store: ObjectStore): Promise<void> {
  const signal = AbortSignal.abort()
  await faultOf(store.put('stopped', new Uint8Array(1), { signal }), 'aborted')
  await faultOf(store.info('stopped', signal), 'aborted')
  const stop = new AbortController()
  const writer = await store.create('stopped', { signal: stop.signal })
  await writer.write(new Uint8Array(1000))
  stop.abort()
  await faultOf(writer.write(new Uint8Array(1)), 'aborted')
  await faultOf(writer.complete(), 'aborted')
  await writer.abort()
  assert.deepEqual(await names(store, ''), [])
  assert.deepEqual(await pendingOf(store, ''), [])
}
