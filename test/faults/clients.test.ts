// Goal: no client can make the server take more memory than its limits say, and others are served
// meanwhile: who never reads, who sends without end, and ten thousand who do nothing. Method: a
// real server; its resident set is read from outside, in /proc.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { RawClient } from '../lib/client.ts'
import { encodeCommand } from '../lib/resp.ts'
import { stopAll, TestServer } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

after(stopAll)

const KIB = 1024
const MIB = 1024 * KIB
/** What a server takes besides while it works: V8's heap, 64 MiB of buffers not yet collected. */
const SLACK_BYTES = 96 * MIB
/** A value whose replies go to the socket at once. */
const VALUE = 'v'.repeat(200 * KIB)

describe('a client that never reads', () => {
  it('is closed at the hard limit, with pipelined GETs', async (t) => {
    const { server, control, before } = await start(t, {
      'client-output-buffer-limit': 'normal 8mb 0 0',
    })
    const deaf = await deafClient(server)
    for (let i = 0; i < 1000; i++) deaf.send('GET', 'big')
    await gone(control, 'deaf')
    await server.logged('overcoming of output buffer limits')
    assert.equal(await control.text('EXISTS', 'big'), '1')
    await settles(server, before + SLACK_BYTES)
  })

  it('is evicted in the middle of its pipeline', async (t) => {
    const { server, control, before } = await start(t, { 'maxmemory-clients': '16mb' })
    const deaf = await deafClient(server)
    const most = watchRss(server)
    // 400 MB of replies are asked for by 10 KB.
    deaf.write(Buffer.concat(Array.from({ length: 2000 }, () => encodeCommand(['GET', 'big']))))
    await gone(control, 'deaf')
    assert.equal(await infoNumber(control, 'evicted_clients'), 1)
    const peak = most.stop()
    assert.ok(peak < before + 16 * MIB + SLACK_BYTES, `took ${(peak - before) / MIB} MiB more`)
  })

  it('is closed as a subscriber, and the publisher goes on', async (t) => {
    const { server, control, before } = await start(t, {
      'client-output-buffer-limit': 'pubsub 8mb 0 0',
    })
    const deaf = await deafClient(server, ['SUBSCRIBE', 'news'])
    let receivers = 1
    for (let i = 0; i < 1000 && receivers > 0; i++) {
      receivers = Number(await control.text('PUBLISH', 'news', VALUE))
    }
    assert.equal(receivers, 0)
    deaf.close()
    await settles(server, before + SLACK_BYTES)
  })

  it('is closed as a monitor', async (t) => {
    const { server, control, before } = await start(t, {
      'client-output-buffer-limit': 'normal 8mb 0 0',
    })
    await deafClient(server, ['MONITOR'])
    const word = 'x'.repeat(16 * KIB)
    for (let i = 0; i < 2000 && (await isThere(control, 'deaf')); i++) {
      await control.text('ECHO', word)
    }
    await gone(control, 'deaf')
    await settles(server, before + SLACK_BYTES)
  })

  it('goes by the soft limit when it lasts', async (t) => {
    const { server, control } = await start(t, {
      'client-output-buffer-limit': 'normal 0 1mb 1',
    })
    const deaf = await deafClient(server)
    // More than a kernel keeps for both sides.
    for (let i = 0; i < 80; i++) deaf.send('GET', 'big')
    await waitFor('output waits', async () => (await clientNumber(control, 'deaf', 'omem')) > MIB)
    await gone(control, 'deaf')
  })
})

describe('a client that sends a bulk without end', () => {
  const header = '*2\r\n$4\r\nECHO\r\n$536870912\r\n'

  it('is closed at client-query-buffer-limit', async (t) => {
    const { server, control, before } = await start(t, { 'client-query-buffer-limit': '4mb' })
    const endless = await deafClient(server)
    endless.write(header)
    const sent = await sendUntilClosed(endless, 256 * MIB)
    assert.ok(sent < 64 * MIB, `${sent} bytes were taken`)
    await server.logged('max query buffer length')
    assert.equal(await control.text('PING'), 'PONG')
    await settles(server, before + SLACK_BYTES)
  })

  it('is evicted at maxmemory-clients', async (t) => {
    const { server, control, before } = await start(t, { 'maxmemory-clients': '4mb' })
    const endless = await deafClient(server)
    endless.write(header)
    await sendUntilClosed(endless, 256 * MIB)
    await server.logged('Evicting client: ')
    assert.equal(await infoNumber(control, 'evicted_clients'), 1)
    await settles(server, before + SLACK_BYTES)
  })

  it('costs what has arrived, not what it announces', async (t) => {
    const { server, control, before } = await start(t, {})
    const clients: RawClient[] = []
    for (let i = 0; i < 8; i++) {
      const client = await RawClient.open({ port: server.port })
      await client.text('CLIENT', 'SETNAME', `endless${i}`)
      client.write(`${header}${'x'.repeat(MIB)}`)
      clients.push(client)
    }
    const arrived = async () => {
      for (let i = 0; i < 8; i++) {
        if ((await clientNumber(control, `endless${i}`, 'qbuf')) !== MIB) return false
      }
      return true
    }
    await waitFor('all that was sent has arrived', arrived)
    const counted = await infoNumber(control, 'mem_clients_normal')
    assert.ok(counted >= 8 * MIB && counted < 9 * MIB, `counts ${counted}`)
    assert.ok(rssOf(server) < before + 8 * MIB + SLACK_BYTES)
    for (const client of clients) client.close()
  })
})

describe('ten thousand idle clients', () => {
  const COUNT = 10_000
  it('are counted for what they take, and all are served', { timeout: 60_000 }, async (t) => {
    const { server, control, before } = await start(t, {})
    const idle: RawClient[] = []
    while (idle.length < COUNT) {
      const next = Array.from({ length: 250 }, () => RawClient.open({ port: server.port }))
      idle.push(...(await Promise.all(next)))
    }
    const replies = await Promise.all(idle.map((client) => client.call('PING')))
    assert.ok(replies.every((reply) => reply.text === 'PONG'))
    await sleep(500)
    const grown = (rssOf(server) - before) / COUNT
    const counted = (await infoNumber(control, 'mem_clients_normal')) / COUNT
    // The resident set has noise of a few megabytes; a client is some 2.4 KB.
    assert.ok(grown < 4 * KIB, `an idle client takes ${grown} bytes`)
    assert.ok(Math.abs(counted - grown) < 0.4 * grown, `counts ${counted} of ${grown} bytes`)
    assert.equal(await infoNumber(control, 'connected_clients'), COUNT + 1)
    for (const client of idle) client.close()
    const areGone = async () => (await infoNumber(control, 'connected_clients')) === 1
    await waitFor('all are gone', areGone, 20_000)
    assert.ok((await infoNumber(control, 'mem_clients_normal')) < 64 * KIB)
  })
})

interface Started {
  readonly server: TestServer
  readonly control: RawClient
  /** Its resident set when it had nothing to do. */
  readonly before: number
}

type Config = Readonly<Record<string, string>>

async function start(
  t: { after(run: () => Promise<void>): void },
  config: Config,
): Promise<Started> {
  const words = Object.entries(config).flatMap(([name, value]) => [`--${name}`, value])
  const server = await TestServer.start({ args: ['--maxclients', '11000', ...words] })
  t.after(() => server.stop())
  const control = await server.connect()
  await control.text('CLIENT', 'NO-EVICT', 'on')
  await control.text('SET', 'big', VALUE)
  await control.text('GET', 'big')
  await sleep(300)
  return { server, control, before: rssOf(server) }
}

/** A client named `deaf` that reads nothing after it has said what it wants. */
async function deafClient(server: TestServer, words: readonly string[] = []): Promise<RawClient> {
  const client = await RawClient.open({ port: server.port })
  await client.text('CLIENT', 'SETNAME', 'deaf')
  if (words.length > 0) await client.call(...words)
  client.socket.pause()
  return client
}

function rssOf({ child }: TestServer): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * KIB
}

/** Looks at the resident set until `stop`, which returns the highest. */
function watchRss(server: TestServer): { stop: () => number } {
  let peak = rssOf(server)
  const timer = setInterval(() => {
    peak = Math.max(peak, rssOf(server))
  }, 5)
  return {
    stop: () => {
      clearInterval(timer)
      return Math.max(peak, rssOf(server))
    },
  }
}

/** Waits until the resident set is at most `limit`: dropped buffers go within seconds. */
async function settles(server: TestServer, limit: number): Promise<void> {
  await waitFor(`at most ${limit} bytes resident`, () => rssOf(server) <= limit, 15_000)
}

async function sendUntilClosed(client: RawClient, limit: number): Promise<number> {
  const chunk = Buffer.alloc(256 * KIB, 'x')
  let sent = 0
  while (sent < limit && !client.isClosed) {
    client.socket.resume()
    const isTaken = client.socket.write(chunk)
    sent += chunk.length
    if (!isTaken) await Promise.race([drained(client), client.closed(30_000)])
  }
  assert.ok(client.isClosed, 'the server has closed it')
  return sent
}

function drained(client: RawClient): Promise<void> {
  return new Promise((resolve) => {
    client.socket.once('drain', () => resolve())
    client.socket.once('close', () => resolve())
  })
}

async function isThere(control: RawClient, name: string): Promise<boolean> {
  return (await control.text('CLIENT', 'LIST')).includes(` name=${name} `)
}

async function gone(control: RawClient, name: string): Promise<void> {
  await waitFor(`${name} is gone`, async () => !(await isThere(control, name)))
}

async function clientNumber(control: RawClient, name: string, field: string): Promise<number> {
  const lines = (await control.text('CLIENT', 'LIST')).split('\n')
  const line = lines.find((each) => each.includes(` name=${name} `)) ?? ''
  return Number(new RegExp(` ${field}=(\\d+)`).exec(line)?.[1])
}

async function infoNumber(control: RawClient, field: string): Promise<number> {
  return Number(new RegExp(`${field}:(\\d+)`).exec(await control.text('INFO', 'all'))?.[1])
}
