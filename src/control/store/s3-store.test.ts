// Goal: the S3 store keeps what every store promises while the other side fails, lies or hangs, and
// says in the end what was the matter, without a credential in the message.
// Method: the contract and each fault against an in-process double (`test/lib/fake-s3.ts`).

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { type FakeAction, FakeS3 } from '../../../test/lib/fake-s3.ts'
import {
  faultOf,
  names,
  pendingOf,
  readAll,
  sha256,
  storeContract,
} from '../../../test/lib/store-contract.ts'
import { killWhileWriting } from '../../../test/lib/store-killer.ts'
import type { ObjectStore, StoreFault } from './object-store.ts'
import type { S3Credentials } from './s3-client.ts'
import { openS3Store } from './s3-store.ts'
import { firstPartBytes, partBytesAt } from './s3-upload.ts'

const MIB = 1 << 20
const QUICK = { attempts: 5, delayMs: 2, delayMsMax: 10 }

let fake: FakeS3
let store: ObjectStore
let retries: StoreFault[] = []

async function open(url = fake.url(), credentials: S3Credentials = fake): Promise<ObjectStore> {
  const onRetry = (fault: StoreFault) => void retries.push(fault)
  return openS3Store(url, { credentials, policy: QUICK, onRetry, idleMsMax: 300 })
}

storeContract('the contract, at a double of S3', async () => {
  const own = await FakeS3.start()
  // Many pages.
  own.pageLength = 2
  const options = { credentials: own, policy: QUICK }
  const opened = await openS3Store(own.url('some/prefix'), options)
  return {
    store: opened,
    close() {
      opened.close()
      own.stop()
    },
  }
})

describe('S3', () => {
  before(async () => {
    fake = await FakeS3.start()
    store = await open()
  })
  after(() => {
    store.close()
    fake.stop()
  })
  beforeEach(() => {
    retries = []
    fake.requests.length = 0
  })
  afterEach(() => {
    fake.faults = []
    fake.objects.clear()
    fake.uploads.clear()
    fake.clockOffsetMs = 0
    fake.conditions = 'heeded'
    fake.capacityBytes = Infinity
  })

  describe('a fault of one request is survived', () => {
    const actions: readonly FakeAction[] = [
      { do: 'status', status: 500, code: 'InternalError' },
      { do: 'status', status: 503, code: 'SlowDown' },
      { do: 'status', status: 400, code: 'RequestTimeout' },
      { do: 'stall' },
      { do: 'cut' },
      { do: 'lose' },
    ]
    const requests = [
      ['HeadObject', 'PutObject', 'CreateMultipartUpload', 'UploadPart'],
      ['CompleteMultipartUpload', 'GetObject', 'ListObjectsV2', 'DeleteObject'],
    ].flat()
    for (const action of actions) {
      const title = 'code' in action ? action.code : action.do
      test(title, async () => {
        fake.faults = requests.map((request) => ({ request, action }))
        await roundTrip()
        assert.ok(retries.length >= requests.length - 1, `${retries.length} retries`)
        for (const fault of fake.faults) assert.ok((fault.times ?? 1) <= 0, fault.request)
      })
    }
    test('an ETag that is not the MD5', async () => {
      const action = { do: 'etag' } as const
      fake.faults = [
        { request: 'UploadPart', action },
        { request: 'PutObject', action },
      ]
      await roundTrip()
      assert.deepEqual(
        retries.map(({ kind }) => kind),
        ['damaged', 'damaged'],
      )
    })
    test('an ETag that is not the MD5, of what carries our mark', async () => {
      fake.faults = [
        { request: 'PutObject', action: { do: 'lose' } },
        { request: 'HeadObject', action: { do: 'etag' }, skip: 1, times: 99 },
      ]
      const other = await open()
      await faultOf(other.put('x', Buffer.from('x'), { createOnly: true }), 'damaged')
      other.close()
    })
    test('an answer that breaks off, again and again, with some progress each time', async () => {
      const bytes = randomBytes(3 * MIB)
      await store.put('x', bytes)
      const action = { do: 'truncate' } as const
      fake.faults = [{ request: 'GetObject', action, times: 12 }]
      assert.equal(sha256(await readAll(store, 'x', 5)), sha256(bytes.subarray(5)))
      assert.ok(fake.count('GetObject') > 10)
    })
    test('an error after a status of 200', async () => {
      fake.faults = [{ request: 'CompleteMultipartUpload', action: { do: 'late-error' } }]
      await roundTrip()
    })
    test('slowness', async () => {
      fake.faults = [{ request: '*', action: { do: 'slow', ms: 20 }, times: 10 }]
      await roundTrip()
      assert.equal(retries.length, 0)
    })
  })

  test('a clock that goes wrong is put right by the answers', async () => {
    fake.clockOffsetMs = 3_600_000
    const other = await open()
    await other.put('x', Buffer.from('x'))
    assert.equal(retries[0]?.kind, 'denied')
    assert.match(retries[0]?.message ?? '', /clock/)
    other.close()
    // The answer to a HEAD cannot say why it is refused.
    const third = await open()
    assert.equal((await third.info('x')).bytes, 1)
    assert.equal(retries.length, 2)
    third.close()
  })

  test('what does not pass by itself is said at once, in words', async () => {
    const rows = [
      ['PutObject', 403, 'AccessDenied', 'denied', /access denied \(AccessDenied, HTTP 403\)/],
      ['PutObject', 403, 'QuotaExceeded', 'full', /quota is used up/],
      ['PutObject', 507, 'XStorageFull', 'full', /no space left \(XStorageFull, HTTP 507\)/],
      ['PutObject', 301, 'PermanentRedirect', 'invalid', /another region/],
      ['PutObject', 404, 'NoSuchBucket', 'missing', /the bucket does not exist/],
      ['PutObject', 400, 'SomethingElse', 'unavailable', /this is SomethingElse/],
    ] as const
    for (const [request, status, code, kind, words] of rows) {
      fake.faults = [{ request, action: { do: 'status', status, code }, times: 99 }]
      const fault = await faultOf(store.put('backups/x', Buffer.from('x')), kind)
      assert.match(fault.message, words)
      assert.match(fault.message, /^s3:\/\/bucket\/.*: cannot write backups\/x: /)
      assert.equal(retries.length, 0)
    }
  })

  test('what lasts is said after the last attempt', async () => {
    const action = { do: 'status', status: 503, code: 'SlowDown' } as const
    fake.faults = [{ request: 'PutObject', action, times: 99 }]
    const fault = await faultOf(store.put('x', Buffer.from('x')), 'unavailable')
    assert.match(fault.message, /this is SlowDown \(SlowDown, HTTP 503/)
    assert.equal(fake.count('PutObject'), QUICK.attempts)
    fake.faults = [{ request: 'UploadPart', action: { do: 'etag' }, times: 99 }]
    const writer = await store.create('y')
    await faultOf(
      writeMuch(writer, 9).then(() => writer.complete()),
      'damaged',
    )
    await writer.abort()
    assert.equal(fake.uploads.size, 0)
  })

  test('no credential comes into a message', async () => {
    const wrong = { accessKeyId: fake.accessKeyId, secretAccessKey: 'WRONGSECRET' }
    const other = await open(fake.url(), wrong)
    const fault = await faultOf(other.put('x', Buffer.from('x')), 'denied')
    assert.match(fault.message, /the secret key is wrong/)
    const unknown = await open(fake.url(), { ...wrong, accessKeyId: 'NOBODY' })
    const second = await faultOf(unknown.put('x', Buffer.from('x')), 'denied')
    assert.match(second.message, /the access key is not known/)
    for (const { message, stack = '', cause } of [fault, second]) {
      assert.doesNotMatch(message + stack, /WRONGSECRET|NOBODY|FAKEKEY|Signature=/)
      assert.equal(cause, undefined)
    }
    other.close()
    unknown.close()
  })

  test('a store that cannot be reached is named', async () => {
    const other = await open('s3://bucket/p?endpoint=http://127.0.0.1:1')
    const fault = await faultOf(other.get('x'), 'unavailable')
    assert.match(fault.message, /cannot read x: the connection was refused \(ECONNREFUSED\)/)
    other.close()
  })

  test('a lost answer is told from the object of another writer', async () => {
    fake.faults = [{ request: 'PutObject', action: { do: 'lose' } }]
    await store.put('mine', Buffer.from('same'), { createOnly: true })
    // The same bytes, but of somebody else.
    await faultOf(store.put('mine', Buffer.from('same'), { createOnly: true }), 'exists')

    fake.faults = [{ request: 'CompleteMultipartUpload', action: { do: 'lose' } }]
    const writer = await store.create('large', { createOnly: true })
    await writeMuch(writer, 9)
    await writer.complete()
    assert.equal(fake.count('CompleteMultipartUpload'), 2)
  })

  test('a store that refuses or ignores conditions gets a HEAD instead', async () => {
    for (const conditions of ['refused', 'ignored'] as const) {
      fake.conditions = conditions
      const other = await open()
      const [note = ''] = await other.probe()
      assert.match(note, /conditional writes/)
      await other.put('once', Buffer.from('1'), { createOnly: true })
      await faultOf(other.put('once', Buffer.from('2'), { createOnly: true }), 'exists')
      const writer = await other.create('large', { createOnly: true })
      await writeMuch(writer, 9)
      await writer.complete()
      await other.delete('once')
      await other.delete('large')
      other.close()
    }
  })

  test('a store that is full leaves nothing behind', async () => {
    fake.capacityBytes = MIB
    const writer = await store.create('x')
    await writeMuch(writer, 9)
    await faultOf(writer.complete(), 'full')
    await writer.abort()
    assert.deepEqual(await names(store, ''), [])
    assert.equal(fake.uploads.size, 0)
  })

  test('a resumed upload sends no part twice, and its lost answer is understood', async () => {
    const bytes = randomBytes(20 * MIB)
    const first = await store.create('x')
    await first.write(bytes)
    // The second of two parts never arrived: what comes after it does not count.
    await waitFor(() => fake.count('UploadPart') === 2)
    await first.suspend()
    const [pending] = await pendingOf(store, '')
    assert.ok(pending)
    fake.faults = [{ request: 'CompleteMultipartUpload', action: { do: 'lose' } }]
    const again = await store.resume(pending)
    assert.ok(again.bytes <= 16 * MIB && again.bytes % (8 * MIB) === 0)
    await again.write(bytes.subarray(again.bytes))
    await again.complete()
    assert.equal(sha256(await readAll(store, 'x')), sha256(bytes))
  })

  test('parts grow so that 10 000 suffice, and keep one size when the length was known', () => {
    let total = 0
    for (let number = 1; number <= 10_000; number++) total += partBytesAt(8 * MIB, number)
    assert.equal(total, 32_800 * 8 * MIB)
    assert.equal(firstPartBytes(0), 8 * MIB)
    const expected = 500 * 1024 * MIB
    const size = firstPartBytes(expected)
    assert.equal(partBytesAt(size, Math.ceil(expected / size)), size)
    assert.ok(size < 80 * MIB)
  })

  test('URLs are checked, and what is wrong is named', async () => {
    const rows = [
      ['s3://', /form|bucket/],
      ['s3://bucket/p?regoin=x', /no parameter 'regoin', only endpoint, region/],
      ['s3://bucket/p?endpoint=host:9000', /endpoint is http/],
      ['s3://key:hunter2@bucket/p', /credentials do not belong in it/],
      ['s3://bucket/p?endpoint=http://key:hunter2@host', /credentials do not belong in the end/],
      ['s3://bucket/p?path-style=maybe', /path-style is true or false/],
      ['s3://bucket/p?part-size=1', /part-size is a number of bytes from 5242880/],
    ] as const
    for (const [url, words] of rows) {
      const fault = await faultOf(open(url), 'invalid')
      assert.match(fault.message, words)
      assert.doesNotMatch(fault.message, /hunter2/)
    }
  })

  test('killed in the middle of an upload, it leaves nothing listed', async () => {
    const env = {
      AWS_ACCESS_KEY_ID: fake.accessKeyId,
      AWS_SECRET_ACCESS_KEY: fake.secretAccessKey,
    }
    await killWhileWriting(fake.url(), env, 30)
    assert.deepEqual(await names(store, ''), [])
    const pending = await pendingOf(store, 'data/')
    assert.equal(pending.length, 1)
    for (const each of pending) await store.discard(each)
    assert.equal(fake.uploads.size, 0)
  })
})

/** Each kind of request once. */
async function roundTrip(): Promise<void> {
  const createOnly = true
  const [small, large] = [randomBytes(100_000), randomBytes(9 * MIB)]
  await store.put('r/small', small, { createOnly })
  const writer = await store.create('r/large', { createOnly })
  await writer.write(large)
  await writer.complete()
  assert.deepEqual(await names(store, 'r/'), ['r/large', 'r/small'])
  assert.equal(sha256(await readAll(store, 'r/small')), sha256(small))
  assert.equal(sha256(await readAll(store, 'r/large')), sha256(large))
  assert.deepEqual(await pendingOf(store, 'r/small'), [])
  await store.delete('r/small')
  await store.delete('r/large')
  assert.deepEqual(await names(store, 'r/'), [])
}

async function writeMuch(
  writer: { write(bytes: Uint8Array): Promise<void>; complete(): Promise<unknown> },
  count: number,
): Promise<void> {
  for (let i = 0; i < count; i++) await writer.write(new Uint8Array(MIB))
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((done) => setTimeout(done, 5))
}
