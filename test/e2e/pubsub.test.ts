// Pub/sub and client side caching with real client libraries: ioredis and node-redis, in RESP2 and
// RESP3, on a real server. node-redis's cache relies on invalidations in RESP3.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { stopAll, TestServer } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

after(stopAll)

let server: TestServer

before(async () => {
  server = await TestServer.start({ args: ['--notify-keyspace-events', 'KEA'] })
})

for (const protocol of [2, 3] as const) {
  describe(`RESP${protocol}`, () => {
    it('ioredis hears channels, patterns and events of keys', async () => {
      const options = { protocol, port: server.port, host: '127.0.0.1' }
      const [ear, mouth] = [new Redis(options), new Redis(options)]
      try {
        const heard: string[] = []
        ear.on('message', (channel, text) => heard.push(`${channel} ${text}`))
        ear.on('pmessage', (pattern, channel, text) => heard.push(`${pattern} ${channel} ${text}`))
        assert.equal(await ear.subscribe('a', 'b'), 2)
        assert.equal(await ear.psubscribe('__keyevent@0__:*'), 3)
        assert.equal(await mouth.publish('a', 'Ω'), 1)
        await mouth.set('key', 'v')
        await waitFor('two messages', () => heard.length === 2)
        assert.deepEqual(heard, ['a Ω', '__keyevent@0__:* __keyevent@0__:set key'])
        await ear.unsubscribe('a', 'b')
        assert.equal(await mouth.publish('a', 'x'), 0)
      } finally {
        ear.disconnect()
        mouth.disconnect()
      }
    })

    it('node-redis hears channels, patterns and shard channels', async () => {
      const socket = { port: server.port, host: '127.0.0.1' }
      const mouth = createClient({ RESP: protocol, socket })
      const ear = mouth.duplicate()
      try {
        await Promise.all([ear.connect(), mouth.connect()])
        const heard: string[] = []
        await ear.subscribe('a', (text, channel) => heard.push(`${channel} ${text}`))
        await ear.pSubscribe('n*', (text, channel) => heard.push(`${channel} ${text}`))
        await ear.sSubscribe('s', (text, channel) => heard.push(`${channel} ${text}`))
        assert.equal(await mouth.publish('a', '1'), 1)
        assert.equal(await mouth.publish('news', '2'), 1)
        assert.equal(await mouth.sPublish('s', '3'), 1)
        await waitFor('three messages', () => heard.length === 3)
        assert.deepEqual(heard, ['a 1', 'news 2', 's 3'])
        assert.deepEqual((await mouth.pubSubChannels()).sort(), ['a'])
        await ear.unsubscribe('a')
        assert.equal(await mouth.publish('a', '4'), 0)
      } finally {
        ear.destroy()
        mouth.destroy()
      }
    })
  })
}

it('a copy in the cache of node-redis goes when the key changes', async () => {
  const socket = { port: server.port, host: '127.0.0.1' }
  const clientSideCache = { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } as const
  const cached = createClient({ RESP: 3, socket, clientSideCache })
  const writer = createClient({ socket })
  try {
    await Promise.all([cached.connect(), writer.connect()])
    await writer.set('copy', '1')
    assert.equal(await cached.get('copy'), '1')
    const before = (await writer.info('commandstats')).match(/cmdstat_get:calls=(\d+)/)?.[1]
    assert.equal(await cached.get('copy'), '1')
    const after = (await writer.info('commandstats')).match(/cmdstat_get:calls=(\d+)/)?.[1]
    assert.equal(after, before, 'the second read does not reach the server')
    await writer.set('copy', '2')
    await waitFor('the new value', async () => (await cached.get('copy')) === '2')
  } finally {
    cached.destroy()
    writer.destroy()
  }
})
