// Goal: client side caching on the wire, as redis-server 7.0 does it: who is told of which changes,
// when, in which form, and once. A model checks that no client keeps a stale copy untold.

import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Random } from '../base/random.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const SEED = Number(process.env['SEED'] ?? 5)
const ALL = '>2\r\n$10\r\ninvalidate\r\n_\r\n'

function invalid(...keys: readonly string[]): string {
  const bulks = keys.map((key) => `$${key.length}\r\n${key}\r\n`)
  return `>2\r\n$10\r\ninvalidate\r\n*${keys.length}\r\n${bulks.join('')}`
}

interface Scene {
  readonly server: TestServer
  /** Tracks, in RESP3. */
  readonly cache: TestClient
  readonly writer: TestClient
}

function scene(...options: readonly string[]): Scene {
  const server = new TestServer()
  const cache = server.connect()
  cache.call('HELLO', '3')
  equal(cache.call('CLIENT', 'TRACKING', 'ON', ...options), '+OK\r\n')
  return { server, cache, writer: server.connect() }
}

function infoOf(server: TestServer, name: string): number {
  const found = new RegExp(`${name}:(\\d+)`).exec(server.connect().call('INFO', 'everything'))
  return Number(found?.[1])
}

describe('the default mode', () => {
  test('tells who has read a key of its first change, and of no other', () => {
    const { cache, writer, server } = scene()
    cache.call('GET', 'a')
    cache.call('MGET', 'b', 'c')
    equal(infoOf(server, 'tracking_total_keys'), 3)
    writer.call('SET', 'x', '1')
    writer.call('SET', 'a', '1')
    writer.call('SET', 'a', '2')
    writer.call('DEL', 'b')
    equal(cache.take(), invalid('a'))
    writer.call('MSET', 'b', '1', 'c', '1')
    equal(cache.take(), invalid('b') + invalid('c'))
    equal(infoOf(server, 'tracking_total_keys'), 0)
  })

  test('tells of one’s own changes after the reply, after EXEC’s too', () => {
    const { cache } = scene()
    cache.call('GET', 'a')
    equal(cache.call('SET', 'a', '1'), `+OK\r\n${invalid('a')}`)
    cache.call('MGET', 'a', 'b')
    equal(cache.call('MSET', 'a', '1', 'b', '2'), `+OK\r\n${invalid('a')}${invalid('b')}`)
    cache.call('GET', 'a')
    for (const command of ['MULTI', 'SET a 2', 'GET a', 'SET a 3', 'SET z 1']) {
      cache.call(...command.split(' '))
    }
    equal(
      cache.call('EXEC'),
      `*4\r\n+OK\r\n$1\r\n2\r\n+OK\r\n+OK\r\n${invalid('a')}${invalid('a')}`,
    )
  })

  test('tells of expiry, met or not', () => {
    const { cache, writer, server } = scene()
    writer.call('SET', 'a', '1', 'PX', '10')
    cache.call('GET', 'a')
    server.clock.advance(1000)
    equal(cache.take(), invalid('a'))
    writer.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    writer.call('SET', 'b', '1', 'PX', '10')
    cache.call('GET', 'b')
    server.clock.advance(20)
    equal(cache.call('MGET', 'x', 'b'), `*2\r\n_\r\n_\r\n${invalid('b')}`)
  })

  test('tells of flushes and exchanged databases that all is invalid, once', () => {
    const { cache, writer, server } = scene()
    cache.call('GET', 'a')
    writer.call('FLUSHALL')
    equal(cache.take(), ALL)
    equal(infoOf(server, 'tracking_total_keys'), 0)
    equal(cache.call('FLUSHDB'), `+OK\r\n${ALL}`)
    for (const command of ['MULTI', 'FLUSHDB', 'PING']) cache.call(command)
    equal(cache.call('EXEC'), `*2\r\n+OK\r\n+PONG\r\n${ALL}`)
    writer.call('SWAPDB', '0', '1')
    equal(cache.take(), ALL)
  })

  test('does not mind CLIENT REPLY OFF', () => {
    const { cache, writer } = scene()
    cache.call('GET', 'a')
    cache.call('CLIENT', 'REPLY', 'OFF')
    equal(cache.call('SET', 'a', '1'), invalid('a'))
    cache.call('GET', 'a')
    writer.call('SET', 'a', '2')
    equal(cache.take(), invalid('a'))
  })

  test('NOLOOP spares one’s own changes', () => {
    const { cache, writer } = scene('NOLOOP')
    cache.call('MGET', 'a', 'b')
    equal(cache.call('SET', 'a', '1'), '+OK\r\n')
    writer.call('SET', 'b', '1')
    equal(cache.take(), invalid('b'))
  })

  test('OPTIN and OPTOUT go by CLIENT CACHING, for one command or transaction', () => {
    const { cache, writer } = scene('OPTIN')
    cache.call('GET', 'a')
    cache.call('CLIENT', 'CACHING', 'YES')
    cache.call('CLIENT', 'ID')
    cache.call('GET', 'b')
    cache.call('GET', 'c')
    writer.call('MSET', 'a', '1', 'b', '1', 'c', '1')
    equal(cache.take(), invalid('b'))
    cache.call('CLIENT', 'CACHING', 'YES')
    for (const command of ['MULTI', 'GET a', 'GET c', 'EXEC']) cache.call(...command.split(' '))
    cache.call('GET', 'b')
    writer.call('MSET', 'a', '1', 'b', '1', 'c', '1')
    equal(cache.take(), invalid('a') + invalid('c'))
    cache.call('CLIENT', 'TRACKING', 'OFF')
    cache.call('CLIENT', 'TRACKING', 'ON', 'OPTOUT')
    cache.call('CLIENT', 'CACHING', 'NO')
    cache.call('GET', 'a')
    cache.call('GET', 'b')
    writer.call('MSET', 'a', '1', 'b', '1')
    equal(cache.take(), invalid('b'))
  })

  test('forgets keys beyond tracking-table-max-keys, and says so', () => {
    const { cache, writer, server } = scene('NOLOOP')
    for (let i = 0; i < 250; i++) cache.call('GET', `k${i}`)
    cache.take()
    equal(cache.call('CONFIG', 'SET', 'tracking-table-max-keys', '10').split('+OK').length, 2)
    server.clock.advance(1000)
    equal(infoOf(server, 'tracking_total_keys'), 10)
    // Of keys that are still known, one is told of; of the others it was.
    for (let i = 0; i < 250; i++) writer.call('SET', `k${i}`, '1')
    equal(infoOf(server, 'tracking_total_items'), 0)
    for (let i = 0; i < 12; i++) cache.call('GET', `k${i}`)
    equal(infoOf(server, 'tracking_total_keys'), 10)
  })
})

describe('broadcast mode', () => {
  test('tells of prefixes at the end of the turn, in one message each', () => {
    const { cache, writer } = scene('BCAST', 'PREFIX', 'b:', 'PREFIX', 'a:')
    writer.send(['a:2', 'b:1', 'c', 'a:1', 'a:2'].map((key) => encode(['SET', key, '1'])).join(''))
    equal(cache.take(), invalid('a:1', 'a:2') + invalid('b:1'))
    equal(cache.call('SET', 'a:1', '1'), `+OK\r\n${invalid('a:1')}`)
    writer.call('GET', 'a:1')
    equal(cache.take(), '')
    cache.call('CLIENT', 'TRACKING', 'OFF')
    writer.call('SET', 'a:1', '1')
    equal(cache.take(), '')
  })

  test('with no prefix tells of all keys, of one’s own unless NOLOOP, and of expiry', () => {
    const { cache, writer, server } = scene('BCAST', 'NOLOOP')
    cache.call('SET', 'a', '1', 'PX', '10')
    equal(cache.take(), '')
    writer.call('SET', 'b', '1')
    equal(cache.take(), invalid('b'))
    server.clock.advance(1000)
    equal(cache.take(), invalid('a'))
    equal(infoOf(server, 'tracking_total_prefixes'), 1)
    cache.close()
    equal(infoOf(server, 'tracking_total_prefixes'), 0)
    equal(infoOf(server, 'tracking_clients'), 0)
  })
})

describe('redirection', () => {
  test('to RESP2 is a message, where the other one is in pub/sub mode', () => {
    const server = new TestServer()
    const [cache, ear, writer] = [server.connect(), server.connect(), server.connect()]
    const id = ear.call('CLIENT', 'ID').slice(1, -2)
    equal(cache.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id), '+OK\r\n')
    cache.call('GET', 'a')
    writer.call('SET', 'a', '1')
    equal(ear.take(), '')
    ear.call('SUBSCRIBE', '__redis__:invalidate')
    cache.call('GET', 'a')
    writer.call('SET', 'a', '1')
    const head = '*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n'
    equal(ear.take(), `${head}*1\r\n$1\r\na\r\n`)
    writer.call('FLUSHALL')
    equal(ear.take(), `${head}$-1\r\n`)
    equal(cache.call('CLIENT', 'GETREDIR'), `:${id}\r\n`)
    match(cache.call('CLIENT', 'INFO'), new RegExp(`flags=t .*redir=${id} `))
  })

  test('to who is gone is broken, which a RESP3 client is told', () => {
    const { server, cache, writer } = scene()
    const ear = server.connect()
    const id = ear.call('CLIENT', 'ID').slice(1, -2)
    cache.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id)
    cache.call('GET', 'a')
    ear.close()
    writer.call('SET', 'a', '1')
    equal(cache.take(), `>2\r\n$21\r\ntracking-redir-broken\r\n:${id}\r\n`)
    match(cache.call('CLIENT', 'TRACKINGINFO'), /broken_redirect/)
    match(cache.call('CLIENT', 'INFO'), /flags=tR /)
  })
})

describe('CLIENT TRACKING', () => {
  const errors: readonly (readonly [options: string, error: RegExp])[] = [
    ['maybe', /^-ERR syntax error/],
    ['on foo', /^-ERR syntax error/],
    ['on redirect', /^-ERR syntax error/],
    ['on redirect x', /^-ERR value is not an integer or out of range/],
    ['on redirect 999', /^-ERR The client ID you want redirect to does not exist/],
    ['on redirect 1 redirect 1', /^-ERR A client can only redirect to a single other client/],
    ['on prefix a', /^-ERR PREFIX option requires BCAST mode to be enabled/],
    ['on optin bcast', /^-ERR OPTIN and OPTOUT are not compatible with BCAST/],
    ['on optin optout', /^-ERR You can't specify both OPTIN mode and OPTOUT mode/],
    ['on bcast prefix ab prefix a', /^-ERR Prefix 'ab' overlaps with another provided prefix 'a'/],
  ]
  for (const [options, error] of errors) {
    test(`refuses ${options}, and leaves tracking off`, () => {
      const client = new TestServer().connect()
      match(client.call('CLIENT', 'TRACKING', ...options.split(' ')), error)
      equal(client.call('CLIENT', 'GETREDIR'), ':-1\r\n')
    })
  }

  test('refuses another mode before the first one is off', () => {
    const { cache } = scene('OPTIN')
    match(cache.call('CLIENT', 'TRACKING', 'ON', 'BCAST'), /^-ERR You can't switch BCAST mode on/)
    match(cache.call('CLIENT', 'TRACKING', 'ON', 'OPTOUT'), /^-ERR You can't switch OPTIN\/OPTOUT/)
    cache.call('CLIENT', 'TRACKING', 'OFF')
    cache.call('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'a:')
    match(
      cache.call('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'a'),
      /^-ERR Prefix 'a' overlaps with an existing prefix 'a:'/,
    )
    match(cache.call('CLIENT', 'INFO'), /flags=tB /)
    cache.call('RESET')
    equal(cache.call('CLIENT', 'GETREDIR'), ':-1\r\n')
  })

  test('CACHING is for the modes that ask for it', () => {
    const { cache } = scene()
    match(cache.call('CLIENT', 'CACHING', 'YES'), /^-ERR CLIENT CACHING YES is only valid/)
    match(cache.call('CLIENT', 'CACHING', 'NO'), /^-ERR CLIENT CACHING NO is only valid/)
    match(cache.call('CLIENT', 'CACHING', 'MAYBE'), /^-ERR syntax error/)
    cache.call('CLIENT', 'TRACKING', 'OFF')
    match(cache.call('CLIENT', 'CACHING', 'YES'), /^-ERR CLIENT CACHING can be called only when/)
  })
})

test(`a copy that is stale has been declared invalid (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const server = new TestServer({ config: { 'tracking-table-max-keys': '20' } })
  const writer = server.connect()
  const caches = Array.from({ length: 4 }, () => {
    const client = server.connect()
    client.call('HELLO', '3')
    client.call('CLIENT', 'TRACKING', 'ON')
    return { client, copies: new Map<string, string>() }
  })
  const truth = new Map<string, string>()
  const learn = ({ client, copies }: (typeof caches)[number], text: string) => {
    for (const found of (text + client.take()).matchAll(/\*1\r\n\$\d+\r\n(k\d+)/g)) {
      copies.delete(found[1]!)
    }
    if (text.includes(ALL)) copies.clear()
  }
  for (let step = 0; step < 5000; step++) {
    const key = `k${random.below(40)}`
    const kind = random.below(100)
    if (kind < 50) {
      const cache = caches[random.below(caches.length)]!
      learn(cache, '')
      const reply = cache.client.call('GET', key)
      cache.copies.set(key, truth.get(key) ?? '')
      learn(cache, reply.slice(reply.indexOf('>') < 0 ? reply.length : reply.indexOf('>')))
    } else if (kind < 90) {
      writer.call('SET', key, `${step}`)
      truth.set(key, `${step}`)
    } else if (kind < 99) {
      writer.call('DEL', key)
      truth.delete(key)
    } else {
      writer.call('FLUSHALL')
      truth.clear()
    }
    for (const cache of caches) {
      learn(cache, cache.client.take())
      for (const [name, copy] of cache.copies) equal(copy, truth.get(name) ?? '', name)
    }
  }
  ok(infoOf(server, 'tracking_total_keys') <= 20)
  deepEqual(infoOf(server, 'tracking_clients'), 4)
})
