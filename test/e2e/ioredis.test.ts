// The client library ioredis against a real server: what its users do every day, in RESP2
// and RESP3 (its default), with pipelines, auto-pipelining, binary values, SCAN, and a server that
// goes away and comes back with its data.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

after(stopAll)

for (const protocol of [2, 3] as const) {
  describe(`ioredis, RESP${protocol}`, () => {
    let server: TestServer
    let redis: Redis

    before(async () => {
      server = await TestServer.start()
      redis = new Redis({ protocol, port: server.port, host: '127.0.0.1' })
    })

    after(async () => {
      redis?.disconnect()
      await server?.stop()
    })

    it('connects, and reads back strings and numbers', async () => {
      assert.equal(await redis.ping(), 'PONG')
      assert.equal(await redis.set('name', 'Ω value'), 'OK')
      assert.equal(await redis.get('name'), 'Ω value')
      assert.equal(await redis.get('missing'), null)
      assert.equal(await redis.incrby('counter', 41), 41)
      assert.equal(await redis.incr('counter'), 42)
      assert.deepEqual(await redis.mget('name', 'missing', 'counter'), ['Ω value', null, '42'])
    })

    it('keeps binary values byte for byte', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 * 40 }, (_, i) => i % 256))
      await redis.set(Buffer.from([0, 255, 10]), bytes)
      assert.deepEqual(await redis.getBuffer(Buffer.from([0, 255, 10])), bytes)
    })

    it('answers a pipeline in order, with errors in their places', async () => {
      const pipeline = redis.pipeline()
      for (let i = 0; i < 1000; i++) pipeline.set(`p:${i}`, `${i}`)
      pipeline.incr('p:0').incr('name').get('p:999')
      const results = await pipeline.exec()
      assert.equal(results?.length, 1003)
      assert.deepEqual(results?.[1000], [null, 1])
      assert.match(String(results?.[1001]?.[0]), /value is not an integer or out of range/)
      assert.deepEqual(results?.[1002], [null, '999'])
    })

    it('goes through many keys by scanStream, each at least once', async () => {
      const seen = new Set<string>()
      for await (const keys of redis.scanStream({ match: 'p:*', count: 50 })) {
        for (const key of keys) seen.add(key)
      }
      assert.equal(seen.size, 1000)
    })

    it('expires keys', async () => {
      await redis.set('short', 'v', 'PX', 400)
      assert.ok((await redis.pttl('short')) > 0)
      await sleep(500)
      assert.equal(await redis.get('short'), null)
      await redis.setex('long', 100, 'v')
      assert.equal(await redis.ttl('long'), 100)
      assert.equal(await redis.persist('long'), 1)
      assert.equal(await redis.ttl('long'), -1)
    })

    it('rejects with the server’s words', async () => {
      await assert.rejects(redis.call('BOGUS', 'a'), /unknown command 'BOGUS'/)
      await assert.rejects(redis.call('GET'), /wrong number of arguments for 'get' command/)
      await assert.rejects(redis.incr('name'), /not an integer/)
      assert.equal(await redis.ping(), 'PONG')
    })

    it('sends what one turn asked as one pipeline', async () => {
      const auto = new Redis({ protocol, port: server.port, enableAutoPipelining: true })
      const jobs = Array.from({ length: 500 }, (_, i) => auto.set(`auto:${i}`, i).then(() => i))
      assert.equal((await Promise.all(jobs)).length, 500)
      const values = await Promise.all(Array.from({ length: 500 }, (_, i) => auto.get(`auto:${i}`)))
      assert.deepEqual(values[499], '499')
      auto.disconnect()
    })

    it('selects a database on connect and names itself', async () => {
      const other = new Redis({ protocol, port: server.port, db: 5, connectionName: 'e2e' })
      await other.set('k', 'five')
      assert.equal(await redis.get('k'), null)
      assert.match(String(await other.client('INFO')), /name=e2e .*db=5 /)
      other.disconnect()
    })

    it('survives values of megabytes', async () => {
      const large = Buffer.alloc(5 * 1024 * 1024, 'xyz')
      await redis.set('large', large)
      assert.ok(large.equals((await redis.getBuffer('large')) ?? Buffer.alloc(0)))
      assert.equal(await redis.strlen('large'), large.length)
    })
  })
}

describe('ioredis and a restart', () => {
  it('reconnects and finds the data that the RDB file kept', async () => {
    const dir = temporaryDir()
    const first = await TestServer.start({ dir, args: ['--save', '3600 1'] })
    const redis = new Redis({ port: first.port, retryStrategy: () => 50 })
    redis.on('error', () => {})
    await redis.set('kept', 'value')
    await redis.set('timed', 'value', 'EX', 1000)
    await redis.set('gone', 'value', 'PX', 100)
    // SIGTERM saves, as there are save points.
    await first.stop('SIGTERM')
    await sleep(120)

    const second = await TestServer.start({ dir, port: first.port })
    try {
      await waitFor('ioredis is back', () => redis.status === 'ready')
      assert.equal(await redis.get('kept'), 'value')
      assert.equal(await redis.get('gone'), null)
      const ttl = await redis.ttl('timed')
      assert.ok(ttl > 990 && ttl <= 1000, `ttl ${ttl}`)
    } finally {
      redis.disconnect()
      await second.stop()
    }
  })
})
