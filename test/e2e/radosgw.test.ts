// Goal: the S3 store works against a store that others have written: Ceph's gateway. Method: the
// contract, refusals, a resumed upload; a process killed in the middle of one. One cluster of three
// daemons on loopback, with its data in memory.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import type { ObjectStore } from '../../src/control/store/object-store.ts'
import { openS3Client, parseS3Url } from '../../src/control/store/s3-client.ts'
import { openS3Store } from '../../src/control/store/s3-store.ts'
import { type Gateway, missingCephPrograms, startGateway } from '../lib/rgw.ts'
import { faultOf, names, pendingOf, readAll, sha256, storeContract } from '../lib/store-contract.ts'
import { killWhileWriting } from '../lib/store-killer.ts'

const missing = missingCephPrograms()
if (missing.length > 0) {
  const reason = `no ${missing.join(', ')}: sh tools/setup.sh peers`
  test('the S3 store against radosgw', { skip: reason }, () => {})
} else {
  describe('radosgw', { timeout: 240_000 }, () => gatewayTests())
}

function gatewayTests(): void {
  let folder = ''
  let gateway: Gateway
  let store: ObjectStore
  const url = (prefix: string, bucket = 'backups') =>
    `s3://${bucket}/${prefix}?endpoint=${gateway.endpoint}`
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-rgw-'))
    gateway = await startGateway(join(folder, 'ceph'))
    const client = await openS3Client(parseS3Url(url('')), gateway)
    await client.send(new CreateBucketCommand({ Bucket: 'backups' }))
    client.destroy()
    store = await openS3Store(url('other'), { credentials: gateway })
  })
  after(() => {
    store?.close()
    gateway?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  storeContract('the contract', async () => {
    const opened = await openS3Store(url('a/b'), { credentials: gateway })
    return { store: opened, close: () => opened.close() }
  })

  test('refusals are said in words', async () => {
    const wrong = { accessKeyId: gateway.accessKeyId, secretAccessKey: 'wrong' }
    const refused = await openS3Store(url('x'), { credentials: wrong })
    const denied = await faultOf(refused.put('x', Buffer.from('x')), 'denied')
    assert.match(denied.message, /secret key is wrong/)
    const nowhere = await openS3Store(url('x', 'nowhere'), { credentials: gateway })
    const absent = await faultOf(nowhere.put('x', Buffer.from('x')), 'missing')
    assert.match(absent.message, /the bucket does not exist/)
    await faultOf(nowhere.probe(), 'missing')
    refused.close()
    nowhere.close()
  })

  test('killed in the middle of an upload: nothing listed, resumed by what was kept', async () => {
    const env = {
      AWS_ACCESS_KEY_ID: gateway.accessKeyId,
      AWS_SECRET_ACCESS_KEY: gateway.secretAccessKey,
    }
    await killWhileWriting(url('other'), env, 300)
    assert.deepEqual(await names(store, ''), [])
    const [pending] = await pendingOf(store, 'data/')
    assert.ok(pending)
    const writer = await store.resume(pending)
    // The killed process wrote zeros.
    const kept = new Uint8Array(writer.bytes)
    const more = randomBytes(3 << 20)
    await writer.write(more)
    await writer.complete()
    const found = await readAll(store, pending.name)
    assert.equal(sha256(found), sha256(Buffer.concat([kept, more])))
    assert.deepEqual(await pendingOf(store, ''), [])
  })
}
