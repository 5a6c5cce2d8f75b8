// Goal: what clients take is counted when it changes, and who takes most goes first when all of
// them take more than maxmemory-clients. Method: whole engine, fake sockets; after each step the
// sums are added up anew.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Connection } from './connection.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const KIB = 1024
const MIB = 1024 * KIB
const OK = '+OK\r\n'

/** A server whose limit is `limit` bytes, and a client of it that is never evicted. */
function start(config: Readonly<Record<string, string>>) {
  const server = new TestServer({ config })
  const control = server.connect()
  control.call('CLIENT', 'NO-EVICT', 'on')
  return { server, control }
}

/** A client that has sent `length` bytes of an argument that does not end. */
function holding(server: TestServer, length: number): TestClient {
  const client = server.connect()
  client.send(`*2\r\n$${length + 1}\r\n${'x'.repeat(length)}`)
  return client
}

function check({ engine }: TestServer): void {
  const { clients } = engine.server
  clients.memory.check(clients)
  const sum = [...clients].reduce((total, client) => total + client.totalBytes, 0)
  assert.equal(clients.totalBytes, sum, 'the sum is that of what clients say of themselves')
}

function field(client: TestClient, name: string, section: string): number {
  return Number(new RegExp(`${name}:(\\d+)`).exec(client.call('INFO', section))?.[1])
}

function connectionOf(server: TestServer, id: number): Connection {
  const found = server.engine.server.clients.find(id)
  assert.ok(found)
  return found
}

describe('the sum of what clients take', () => {
  const steps: readonly (readonly [string, (client: TestClient) => void])[] = [
    ['a part of a command', (client) => client.send('*2\r\n$100000\r\nabc')],
    ['the rest of it', (client) => client.send(`${'x'.repeat(99_997)}\r\n$1\r\na\r\n`)],
    ['what is queued', (client) => client.send(encode(['MULTI']) + encode(['SET', 'a', 'b']))],
    ['nothing any more', (client) => client.call('DISCARD')],
    ['watched keys', (client) => client.call('WATCH', 'a', 'b')],
    ['subscriptions', (client) => client.call('SUBSCRIBE', 'x', 'y')],
    ['the end of them', (client) => client.call('RESET')],
    ['a name', (client) => client.call('CLIENT', 'SETNAME', 'x'.repeat(500))],
    ['prefixes', (client) => client.call('CLIENT', 'TRACKING', 'on', 'BCAST', 'PREFIX', 'p')],
    ['a command that waits', (client) => client.call('BLPOP', 'none', '0')],
    ['what is sent behind it', (client) => client.send(encode(['PING', 'x'.repeat(5000)]))],
    ['the end of it', (client) => client.close()],
  ]
  for (const limit of ['0', '100mb']) {
    it(`follows each step, maxmemory-clients ${limit}`, () => {
      const { server, control } = start({ 'maxmemory-clients': limit })
      const client = server.connect()
      for (const [name, step] of steps) {
        const before = server.engine.server.clients.totalBytes
        step(client)
        check(server)
        const { totalBytes } = server.engine.server.clients
        assert.notEqual(totalBytes, before, name)
      }
      assert.equal(
        field(control, 'mem_clients_normal', 'memory'),
        server.engine.server.clients.totalBytes,
      )
      control.close()
      assert.equal(server.engine.server.clients.totalBytes, 0)
    })
  }

  it('has replies that nobody reads, pushes, and lines of MONITOR, until they are read', () => {
    const { server, control } = start({})
    const stuck = [server.connect(), server.connect(), server.connect()]
    stuck[0]!.call('SUBSCRIBE', 'channel')
    stuck[1]!.call('MONITOR')
    for (const client of stuck) client.isStuck = true
    stuck[2]!.call('ECHO', 'x'.repeat(MIB))
    control.call('PUBLISH', 'channel', 'x'.repeat(MIB))
    check(server)
    assert.ok(server.engine.server.clients.totalBytes > 4 * MIB, 'MONITOR has seen both')
    const before = server.engine.server.clients.totalBytes
    stuck[2]!.pendingBytes = 0
    server.clock.advance(2000)
    check(server)
    assert.ok(server.engine.server.clients.totalBytes < before - MIB, 'the cron has seen it')
  })

  it('keeps replicas apart, who are not evicted and have a limit of their own', () => {
    const { server, control } = start({
      'maxmemory-clients': '200kb',
      'repl-backlog-size': '1mb',
      'client-output-buffer-limit': 'replica 100 0 0',
    })
    const replica = server.connect()
    const connection = connectionOf(server, 2)
    connection.isReplica = true
    replica.isStuck = true
    const feed = (length: number) => {
      connection.socket.write(new Uint8Array(length), 0, length)
      server.clock.advance(1000)
    }
    feed(900 * KIB)
    check(server)
    assert.match(control.call('CLIENT', 'LIST', 'TYPE', 'replica'), /^\$\d+\r\nid=2 .*\n\r\n$/)
    assert.equal(field(control, 'mem_clients_slaves', 'memory'), connection.totalBytes)
    assert.equal(replica.isClosed, false, 'a limit below the backlog is not enforced')
    feed(200 * KIB)
    assert.equal(replica.isClosed, true)
    check(server)
  })
})

describe('maxmemory-clients', () => {
  it('closes the largest first, until the rest is within the limit', () => {
    const { server, control } = start({})
    const small = [1, 2, 3].map(() => holding(server, 128 * KIB))
    const large = [1, 2, 3].map(() => holding(server, MIB))
    assert.equal(control.call('CONFIG', 'SET', 'maxmemory-clients', `${2 * MIB}`), OK)
    assert.match(control.call('CLIENT', 'LIST'), /id=1 /)
    assert.deepEqual(
      large.map((client) => client.isClosed),
      [true, true, false],
    )
    assert.ok(small.every((client) => !client.isClosed))
    assert.equal(field(control, 'evicted_clients', 'stats'), 2)
    assert.ok(server.logged('Evicting client: id=5 '))
    check(server)
    control.call('CONFIG', 'RESETSTAT')
    assert.equal(field(control, 'evicted_clients', 'stats'), 0)
  })

  it('closes who sends too much before its command is complete', () => {
    const { server } = start({ 'maxmemory-clients': '300kb' })
    const client = holding(server, 250 * KIB)
    assert.equal(client.isClosed, false)
    client.send('x'.repeat(60 * KIB))
    assert.equal(client.isClosed, true)
    check(server)
  })

  it('closes who asks for too much in the middle of its pipeline', () => {
    const { server, control } = start({ 'maxmemory-clients': '300kb' })
    control.call('SET', 'k', 'x'.repeat(100 * KIB))
    const client = server.connect()
    client.isStuck = true
    client.send(encode(['GET', 'k']).repeat(10) + encode(['SET', 'after', '1']))
    assert.equal(client.isClosed, true)
    assert.equal(control.call('EXISTS', 'after'), ':0\r\n')
    check(server)
  })

  it('closes subscribers that do not read, at the end of the turn of who sends', () => {
    const { server, control } = start({ 'maxmemory-clients': '300kb' })
    const client = server.connect()
    client.call('SUBSCRIBE', 'c')
    client.isStuck = true
    control.send(encode(['PUBLISH', 'c', 'x'.repeat(100 * KIB)]).repeat(3))
    assert.equal(client.isClosed, true)
    check(server)
  })

  it('is seen in the cron, too', () => {
    const { server } = start({ 'maxmemory-clients': '300kb' })
    const client = server.connect()
    client.pendingBytes = MIB
    server.clock.advance(2000)
    assert.equal(client.isClosed, true)
  })

  it('spares who asked for it, as long as it does', () => {
    const { server, control } = start({ 'maxmemory-clients': '300kb' })
    const client = server.connect()
    assert.equal(client.call('CLIENT', 'NO-EVICT', 'on'), OK)
    client.send(encode(['MULTI']) + encode(['SET', 'k', 'x'.repeat(400 * KIB)]))
    assert.match(control.call('CLIENT', 'LIST', 'ID', '2'), / flags=xe .* multi=1 /)
    assert.ok(server.logged('Over client maxmemory after evicting all evictable clients'))
    const second = server.connect()
    assert.equal(second.call('PING'), '', 'who may be evicted is, small as it is')
    assert.equal(client.isClosed, false)
    client.call('CLIENT', 'NO-EVICT', 'off')
    assert.equal(client.isClosed, false, 'that was queued')
    client.call('EXEC')
    client.call('CLIENT', 'NO-EVICT', 'off')
    assert.equal(client.isClosed, false, 'what was queued is gone')
    check(server)
  })

  const limits: readonly (readonly [string, string, number])[] = [
    ['0', '100mb', Infinity],
    ['1', '0', 128 * KIB],
    ['1mb', '0', MIB],
    ['10%', '0', Infinity],
    ['10%', '100mb', 10 * MIB],
    ['0%', '100mb', Infinity],
  ]
  for (const [setting, maxmemory, expected] of limits) {
    it(`${setting} of maxmemory ${maxmemory} is ${expected} bytes`, () => {
      const { server, control } = start({ 'maxmemory-clients': setting })
      assert.equal(control.call('CONFIG', 'SET', 'maxmemory', maxmemory), OK)
      assert.equal(server.engine.server.clients.memory.limitBytes, expected)
    })
  }
})

describe('DEBUG REPLYBUFFER RESIZING', () => {
  it('says whether the buffer of replies shrinks, and INFO counts it', () => {
    const { control } = start({ 'enable-debug-command': 'yes' })
    control.call('SET', 'k'.repeat(MIB), 'v')
    // An array whose length is known at its end is kept until then.
    const reply = () => assert.ok(control.call('KEYS', '*').length > MIB)
    const counts = () => [
      field(control, 'reply_buffer_expands', 'stats'),
      field(control, 'reply_buffer_shrinks', 'stats'),
    ]
    reply()
    const [growths, shrinks] = counts()
    assert.ok(growths! > 0)
    assert.equal(shrinks, 1)
    assert.equal(control.call('DEBUG', 'REPLYBUFFER', 'RESIZING', '0'), OK)
    reply()
    assert.deepEqual(counts(), [growths! * 2, 1], 'it has shrunk before')
    reply()
    assert.deepEqual(counts(), [growths! * 2, 1], 'it is as large as before')
    assert.match(control.call('DEBUG', 'REPLYBUFFER', 'PEAK-RESET-TIME', '1'), /^-ERR unknown/)
  })
})
