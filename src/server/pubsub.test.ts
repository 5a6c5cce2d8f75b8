// Goal: subscriptions and messages on the wire, as redis-server 7.0 sends them: confirmations,
// order, restricted mode, limits of output, and nothing left of a client that is gone.

import { equal, match, ok } from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Random } from '../base/random.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const SEED = Number(process.env['SEED'] ?? 11)
const REFUSED =
  "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are " +
  'allowed in this context\r\n'

/** An array in RESP2, a push in RESP3; strings are bulks, null is nil of RESP2. */
function push(version: 2 | 3, ...parts: readonly (string | number | null)[]): string {
  const bodies = parts.map((part) => {
    if (part === null) return version === 2 ? '$-1\r\n' : '_\r\n'
    return typeof part === 'number' ? `:${part}\r\n` : `$${part.length}\r\n${part}\r\n`
  })
  return `${version === 2 ? '*' : '>'}${parts.length}\r\n${bodies.join('')}`
}

function resp3(server: TestServer): TestClient {
  const client = server.connect()
  client.call('HELLO', '3')
  return client
}

describe('subscribing', () => {
  for (const version of [2, 3] as const) {
    test(`is confirmed name by name, with what there is then (RESP${version})`, () => {
      const server = new TestServer()
      const client = server.connect()
      client.call('HELLO', `${version}`)
      equal(
        client.call('SUBSCRIBE', 'a', 'b', 'a'),
        push(version, 'subscribe', 'a', 1) +
          push(version, 'subscribe', 'b', 2) +
          push(version, 'subscribe', 'a', 2),
      )
      equal(client.call('PSUBSCRIBE', 'x*'), push(version, 'psubscribe', 'x*', 3))
      equal(client.call('SSUBSCRIBE', 's'), push(version, 'ssubscribe', 's', 1))
      equal(client.call('UNSUBSCRIBE', 'nothing'), push(version, 'unsubscribe', 'nothing', 3))
      equal(
        client.call('UNSUBSCRIBE'),
        push(version, 'unsubscribe', 'a', 2) + push(version, 'unsubscribe', 'b', 1),
      )
      equal(client.call('UNSUBSCRIBE'), push(version, 'unsubscribe', null, 1))
      equal(client.call('PUNSUBSCRIBE'), push(version, 'punsubscribe', 'x*', 0))
      equal(client.call('SUNSUBSCRIBE', 's'), push(version, 'sunsubscribe', 's', 0))
      equal(client.call('SUNSUBSCRIBE'), push(version, 'sunsubscribe', null, 0))
    })
  }

  test('narrows a RESP2 client to a few commands, until it has ended', () => {
    const client = new TestServer().connect()
    client.call('SUBSCRIBE', 'a')
    equal(client.call('GET', 'k'), REFUSED)
    equal(client.call('GET'), "-ERR wrong number of arguments for 'get' command\r\n")
    equal(client.call('PING'), push(2, 'pong', ''))
    equal(client.call('PING', 'hi'), push(2, 'pong', 'hi'))
    match(client.call('CLIENT', 'ID'), /^-ERR Can't execute 'client\|id'/)
    client.call('UNSUBSCRIBE')
    equal(client.call('PING'), '+PONG\r\n')
    client.call('SSUBSCRIBE', 'a')
    equal(client.call('GET', 'k'), REFUSED)
    equal(client.call('RESET'), '+RESET\r\n')
    equal(client.call('GET', 'k'), '$-1\r\n')
  })

  test('leaves a RESP3 client all commands', () => {
    const client = resp3(new TestServer())
    client.call('SUBSCRIBE', 'a')
    equal(client.call('GET', 'k'), '_\r\n')
    equal(client.call('PING'), '+PONG\r\n')
    client.call('HELLO', '2')
    equal(client.call('GET', 'k'), REFUSED)
  })

  test('works inside a transaction', () => {
    const client = new TestServer().connect()
    client.call('MULTI')
    client.call('SUBSCRIBE', 'a')
    client.call('PING')
    equal(client.call('EXEC'), `*2\r\n${push(2, 'subscribe', 'a', 1)}${push(2, 'pong', '')}`)
  })

  test('is told even to who wants no replies', () => {
    const server = new TestServer()
    const client = resp3(server)
    client.call('CLIENT', 'REPLY', 'OFF')
    equal(client.call('SUBSCRIBE', 'a'), push(3, 'subscribe', 'a', 1))
    equal(client.call('PUBLISH', 'a', 'm'), push(3, 'message', 'a', 'm'))
    equal(client.call('GET', 'k'), '')
    equal(server.connect().call('PUBLISH', 'a', 'n'), ':1\r\n')
    equal(client.take(), push(3, 'message', 'a', 'n'))
  })
})

describe('a message', () => {
  test('goes to channel and patterns, each client in its protocol', () => {
    const server = new TestServer()
    const old = server.connect()
    const young = resp3(server)
    old.call('SUBSCRIBE', 'news')
    young.call('SUBSCRIBE', 'news')
    young.call('PSUBSCRIBE', 'n?ws', 'other')
    equal(server.connect().call('PUBLISH', 'news', 'hi'), ':3\r\n')
    equal(old.take(), push(2, 'message', 'news', 'hi'))
    equal(
      young.take(),
      push(3, 'message', 'news', 'hi') + push(3, 'pmessage', 'n?ws', 'news', 'hi'),
    )
  })

  test('to shards and to channels do not meet', () => {
    const server = new TestServer()
    const [shard, channel, sender] = [server.connect(), server.connect(), server.connect()]
    shard.call('SSUBSCRIBE', 'c')
    channel.call('SUBSCRIBE', 'c')
    channel.call('PSUBSCRIBE', '*')
    equal(sender.call('SPUBLISH', 'c', 'x'), ':1\r\n')
    equal(shard.take(), push(2, 'smessage', 'c', 'x'))
    equal(channel.take(), '')
    equal(sender.call('PUBLISH', 'c', 'x'), ':2\r\n')
    equal(shard.take(), '')
  })

  test('to oneself comes before the count, and inside of EXEC in its place', () => {
    const client = resp3(new TestServer())
    client.call('SUBSCRIBE', 'a')
    const message = push(3, 'message', 'a', 'm')
    equal(
      client.send(encode(['SET', 'k', 'v']) + encode(['PUBLISH', 'a', 'm']) + encode(['GET', 'k'])),
      `+OK\r\n${message}:1\r\n$1\r\nv\r\n`,
    )
    client.call('MULTI')
    client.call('PUBLISH', 'a', 'm')
    equal(client.call('EXEC'), `*1\r\n${message}:1\r\n`)
  })

  test('of any length and bytes arrives', () => {
    const server = new TestServer()
    const client = resp3(server)
    client.call('SUBSCRIBE', '\r\n\0\xff')
    for (const length of [0, 1, 40_000, 200_000]) {
      const text = '\xfe'.repeat(length)
      const message = push(3, 'message', '\r\n\0\xff', text)
      equal(client.call('PUBLISH', '\r\n\0\xff', text), `${message}:1\r\n`)
      server.connect().call('PUBLISH', '\r\n\0\xff', text)
      equal(client.take(), message)
    }
  })

  test('to who does not read closes the connection at the limit of its class', () => {
    const server = new TestServer({ config: { 'client-output-buffer-limit': 'pubsub 1000 500 2' } })
    const [slow, slower, good] = [server.connect(), server.connect(), server.connect()]
    for (const client of [slow, slower, good]) client.call('SUBSCRIBE', 'a')
    slow.isStuck = true
    slower.isStuck = true
    const sender = server.connect()
    equal(sender.call('PUBLISH', 'a', 'x'.repeat(400)), ':3\r\n')
    ok(!slow.isClosed)
    slower.isStuck = false
    slower.pendingBytes = 0
    equal(sender.call('PUBLISH', 'a', 'x'.repeat(700)), ':3\r\n')
    ok(slow.isClosed && !slower.isClosed && !good.isClosed)
    equal(sender.call('PUBLISH', 'a', 'x'), ':2\r\n')
    ok(server.logged('overcoming of output buffer limits'))
  })
})

describe('PUBSUB', () => {
  test('tells channels, counts and patterns', () => {
    const server = new TestServer()
    const [first, second, asking] = [server.connect(), server.connect(), server.connect()]
    first.call('SUBSCRIBE', 'a1', 'a2')
    second.call('SUBSCRIBE', 'a1', 'b')
    first.call('PSUBSCRIBE', 'p*', 'q*')
    second.call('PSUBSCRIBE', 'p*')
    second.call('SSUBSCRIBE', 's')
    equal(asking.call('PUBSUB', 'CHANNELS'), '*3\r\n$2\r\na1\r\n$2\r\na2\r\n$1\r\nb\r\n')
    equal(asking.call('PUBSUB', 'CHANNELS', 'a*'), '*2\r\n$2\r\na1\r\n$2\r\na2\r\n')
    equal(asking.call('PUBSUB', 'NUMSUB', 'a1', 'x'), '*4\r\n$2\r\na1\r\n:2\r\n$1\r\nx\r\n:0\r\n')
    equal(asking.call('PUBSUB', 'NUMPAT'), ':2\r\n')
    equal(asking.call('PUBSUB', 'SHARDCHANNELS'), '*1\r\n$1\r\ns\r\n')
    equal(asking.call('PUBSUB', 'SHARDNUMSUB', 's'), '*2\r\n$1\r\ns\r\n:1\r\n')
    match(asking.call('PUBSUB', 'CHANNELS', 'a', 'b'), /^-ERR unknown subcommand or wrong number/)
    match(asking.call('PUBSUB', 'HELP'), /SHARDNUMSUB/)
    const info = asking.call('INFO', 'stats')
    match(info, /pubsub_channels:3\r\npubsub_patterns:2\r\npubsubshard_channels:1/)
  })

  test('and CLIENT know who listens; KILL TYPE pubsub ends it', () => {
    const server = new TestServer({ config: { timeout: '10' } })
    const [listener, asking] = [server.connect(), server.connect()]
    listener.call('SUBSCRIBE', 'a')
    listener.call('PSUBSCRIBE', 'b')
    match(asking.call('CLIENT', 'LIST', 'TYPE', 'pubsub'), /flags=P .*sub=1 psub=1 ssub=0/)
    ok(!asking.call('CLIENT', 'LIST', 'TYPE', 'normal').includes('flags=P'))
    server.clock.advance(60_000)
    ok(asking.isClosed && !listener.isClosed, 'who only listens is not idle')
    const other = server.connect()
    equal(other.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), ':1\r\n')
    ok(listener.isClosed)
    equal(other.call('PUBSUB', 'CHANNELS'), '*0\r\n')
    equal(other.call('PUBSUB', 'NUMPAT'), ':0\r\n')
  })

  test(`counts what a model counts, whoever comes and goes (SEED=${SEED})`, () => {
    const random = new Random(SEED)
    const server = new TestServer()
    const clients = Array.from({ length: 6 }, () => resp3(server))
    const model = clients.map(() => new Set<string>())
    const sender = server.connect()
    for (let step = 0; step < 3000; step++) {
      const at = random.below(clients.length)
      const name = `c${random.below(20)}`
      const kind = random.below(40)
      if (kind === 0) {
        clients[at]!.close()
        clients[at] = resp3(server)
        model[at]!.clear()
      } else if (kind < 18) {
        clients[at]!.call('SUBSCRIBE', name)
        model[at]!.add(name)
      } else if (kind < 20) {
        clients[at]!.call('UNSUBSCRIBE')
        model[at]!.clear()
      } else {
        clients[at]!.call('UNSUBSCRIBE', name)
        model[at]!.delete(name)
      }
      const asked = `c${random.below(20)}`
      const expected = model.filter((each) => each.has(asked)).length
      equal(sender.call('PUBLISH', asked, 'm'), `:${expected}\r\n`)
    }
    const channels = new Set(model.flatMap((each) => [...each]))
    match(sender.call('INFO', 'stats'), new RegExp(`pubsub_channels:${channels.size}\r`))
  })
})
