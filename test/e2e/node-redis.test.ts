// The client library node-redis against a real server, in RESP2 and RESP3: its types come out of
// the protocol (a map in RESP3, a flat array in RESP2) and must be the same to the user.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createClient, RESP_TYPES } from 'redis'
import { stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

after(stopAll)

for (const RESP of [2, 3] as const) {
  describe(`node-redis, RESP${RESP}`, () => {
    let server: TestServer
    let client: ReturnType<typeof connect>

    function connect() {
      return createClient({ RESP, socket: { port: server.port, host: '127.0.0.1' } })
    }

    before(async () => {
      server = await TestServer.start()
      client = connect()
      client.on('error', () => {})
      await client.connect()
    })

    after(async () => {
      client?.destroy()
      await server?.stop()
    })

    it('reads back what it wrote', async () => {
      assert.equal(await client.set('k', 'v'), 'OK')
      assert.equal(await client.get('k'), 'v')
      assert.equal(await client.get('missing'), null)
      assert.equal(await client.incrBy('n', 7), 7)
      assert.equal(await client.incrByFloat('f', 1.5), '1.5')
      assert.deepEqual(await client.mGet(['k', 'missing', 'n']), ['v', null, '7'])
      assert.equal(await client.set('k', 'w', { condition: 'NX' }), null)
      assert.equal(await client.set('k', 'w', { GET: true }), 'v')
    })

    it('keeps binary values byte for byte', async () => {
      const bytes = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256))
      const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
      await client.set('binary', bytes)
      assert.deepEqual(await binary.get('binary'), bytes)
    })

    it('sends many commands of one turn at once and keeps their order', async () => {
      const replies = await Promise.all(
        Array.from({ length: 1000 }, (_, i) => client.set(`p:${i}`, `${i}`)),
      )
      assert.ok(replies.every((reply) => reply === 'OK'))
      const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.get(`p:${i}`)))
      assert.ok(values.every((value, i) => value === `${i}`))
    })

    it('goes through all keys by scanIterator', async () => {
      const seen = new Set<string>()
      for await (const keys of client.scanIterator({ MATCH: 'p:*', COUNT: 100 })) {
        for (const key of keys) seen.add(key)
      }
      assert.equal(seen.size, 1000)
    })

    it('sets and reads deadlines', async () => {
      await client.set('t', 'v', { expiration: { type: 'EX', value: 100 } })
      assert.equal(await client.ttl('t'), 100)
      assert.equal(await client.expire('t', 50, 'GT'), 0)
      assert.equal(await client.persist('t'), 1)
      await client.pExpire('t', 20)
      await sleep(40)
      assert.equal(await client.exists('t'), 0)
    })

    it('gets maps as objects', async () => {
      const settings = await client.configGet('maxmemory*')
      assert.equal(settings['maxmemory'], '0')
      assert.equal(settings['maxmemory-policy'], 'noeviction')
      const info = await client.info('server')
      assert.match(info, /redis_version:7\./)
    })

    it('rejects with the server’s words and goes on', async () => {
      await assert.rejects(client.sendCommand(['BOGUS']), /unknown command 'BOGUS'/)
      await assert.rejects(client.incr('k'), /not an integer/)
      assert.equal(await client.ping(), 'PONG')
    })

    it('finds the longest common subsequence', async () => {
      await client.mSet({ a: 'ohmytext', b: 'mynewtext' })
      assert.equal(await client.lcs('a', 'b'), 'mytext')
      const found = await client.lcsIdx('a', 'b')
      assert.equal(found.len, 6)
      assert.equal(found.matches.length, 2)
    })
  })
}

describe('node-redis and a restart', () => {
  it('reconnects and finds the data that the RDB file kept', async () => {
    const dir = temporaryDir()
    const first = await TestServer.start({ dir, args: ['--save', '3600 1'] })
    const { port } = first
    const client = createClient({ socket: { port, reconnectStrategy: () => 50 } })
    client.on('error', () => {})
    await client.connect()
    await client.set('kept', 'value')
    await first.stop('SIGTERM')

    const second = await TestServer.start({ dir, port })
    try {
      await waitFor('node-redis is back', () => client.isReady)
      assert.equal(await client.get('kept'), 'value')
    } finally {
      client.destroy()
      await second.stop()
    }
  })
})
