// Goal: memory stays within `maxmemory` by the policy, without surprises: who may go goes, in the
// order of the policy, everybody is told, and commands are refused only when nothing is left.
// Method: whole engines on fake doors.
// eviction-model.test.ts does the same at random.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { durationUsOf } from './eviction.ts'
import { isVolatile, POLICIES } from './eviction-policy.ts'
import { type TestClient, TestServer } from './test-server.ts'

const OK = '+OK\r\n'
const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
const KIB = 1024

const EVICTING = POLICIES.filter((policy) => policy !== 'noeviction')

function info(client: TestClient, name: string): number {
  return Number(new RegExp(`\r\n${name}:([^\r]*)\r`).exec(client.call('INFO', 'everything'))?.[1])
}

/** Sets the limit to what is in use now and `spareBytes`. */
function limitTo(client: TestClient, spareBytes: number): void {
  const limit = info(client, 'used_memory') + spareBytes
  assert.equal(client.call('CONFIG', 'SET', 'maxmemory', `${limit}`), OK)
}

/** Sets keys `key:0` … with values of 1000 bytes. */
function fill(client: TestClient, count: number, ...more: readonly string[]): void {
  for (let i = 0; i < count; i++) {
    assert.equal(client.call('SET', `key:${i}`, 'v'.repeat(1000), ...more), OK)
  }
}

function exists(client: TestClient, key: string): boolean {
  return client.call('EXISTS', key) === ':1\r\n'
}

/** What is in use of what the limit is compared with. */
function countedBytes(server: TestServer): number {
  const { memory } = server.engine.server
  return memory.usedBytes() - memory.notCountedBytes
}

describe('eviction', () => {
  for (const policy of EVICTING) {
    it(`keeps within the limit: ${policy}`, () => {
      const server = new TestServer({ config: { 'maxmemory-policy': policy } })
      const client = server.connect()
      fill(client, 200, 'EX', '1000')
      limitTo(client, 10 * KIB)
      for (let i = 0; i < 1000; i++) {
        client.call('SET', `more:${i}`, 'v'.repeat(1000), 'EX', '1000')
      }
      const { memory, keyspace, eviction } = server.engine.server
      assert.ok(countedBytes(server) <= memory.limitBytes + 2 * KIB)
      const size = keyspace.size
      assert.ok(size > 180 && size < 230, `${size} keys`)
      assert.equal(eviction.evictedKeys, 1200 - size)
      keyspace.check()
    })
  }

  it('frees what a large value takes from many small keys, however little time it has', () => {
    const config = { 'maxmemory-policy': 'allkeys-random', 'maxmemory-eviction-tenacity': '0' }
    const server = new TestServer({ config })
    const client = server.connect()
    fill(client, 3000)
    limitTo(client, 0)
    const { memory } = server.engine.server
    for (let i = 0; i < 20; i++) {
      client.call('SET', `large:${i}`, 'v'.repeat(100 * KIB))
      const over = countedBytes(server) - memory.limitBytes
      assert.ok(over < 400 * KIB, `${over} bytes too much after ${i} values`)
    }
  })

  it('takes its time when the limit is lowered: a command waits for what it adds only', () => {
    const config = { 'maxmemory-policy': 'allkeys-random', 'maxmemory-eviction-tenacity': '0' }
    const server = new TestServer({ config })
    const client = server.connect()
    fill(client, 3000)
    limitTo(client, -2000 * KIB)
    client.call('SET', 'key:0', 'v')
    assert.ok(server.engine.server.eviction.evictedKeys < 20)
  })

  it('of volatile policies leaves keys without a deadline alone, and refuses then', () => {
    for (const policy of EVICTING.filter(isVolatile)) {
      const server = new TestServer({ config: { 'maxmemory-policy': policy } })
      const client = server.connect()
      fill(client, 100)
      for (let i = 0; i < 50; i++) client.call('SET', `mortal:${i}`, 'v'.repeat(1000), 'EX', '99')
      limitTo(client, 0)
      let replies = OK
      for (let i = 0; i < 200 && replies === OK; i++) {
        replies = client.call('SET', `more:${i}`, 'v'.repeat(1000))
      }
      assert.equal(replies, OOM)
      for (let i = 0; i < 100; i++) assert.ok(exists(client, `key:${i}`))
      for (let i = 0; i < 50; i++) assert.ok(!exists(client, `mortal:${i}`))
      // Reads and removals go on.
      assert.equal(client.call('STRLEN', 'key:0'), ':1000\r\n')
      assert.equal(client.call('DEL', 'key:0', 'key:1', 'key:2'), ':3\r\n')
      assert.equal(client.call('SET', 'key:0', 'v'), OK)
    }
  })

  it('lets the nearest deadline go first: volatile-ttl', () => {
    const config = { 'maxmemory-policy': 'volatile-ttl', 'maxmemory-samples': '64' } as const
    const client = new TestServer({ config }).connect()
    for (let i = 0; i < 60; i++) {
      client.call('SET', `key:${i}`, 'v'.repeat(1000), 'EX', `${1000 + i * 10}`)
    }
    limitTo(client, -20_000)
    client.call('PING')
    const kept = Array.from({ length: 60 }, (_, i) => exists(client, `key:${i}`))
    const first = kept.indexOf(true)
    assert.ok(first >= 15, `${first} are gone`)
    const strays = kept.slice(0, first + 8).filter((isKept) => isKept).length
    assert.ok(strays <= 8 && kept.slice(first + 8).every((isKept) => isKept), `${kept}`)
  })

  it('lets the least recently used go first: allkeys-lru', () => {
    const config = { 'maxmemory-policy': 'allkeys-lru', 'maxmemory-samples': '64' } as const
    const server = new TestServer({ config })
    const client = server.connect()
    fill(client, 100)
    server.clock.advance(5000)
    for (let i = 0; i < 100; i += 2) client.call('GET', `key:${i}`)
    limitTo(client, -30_000)
    client.call('PING')
    for (let i = 0; i < 100; i += 2) assert.ok(exists(client, `key:${i}`), `key:${i}`)
    assert.ok(info(client, 'evicted_keys') >= 25)
  })

  it('does not evict what was used after it had been sampled', () => {
    const config = { 'maxmemory-policy': 'allkeys-lru', 'maxmemory-samples': '64' } as const
    const server = new TestServer({ config })
    const client = server.connect()
    fill(client, 60)
    server.clock.advance(5000)
    // The pool holds many of them now.
    limitTo(client, -1000)
    client.call('PING')
    for (let i = 0; i < 60; i++) if (i !== 7) client.call('GET', `key:${i}`)
    const before = info(client, 'evicted_keys')
    limitTo(client, -1000)
    client.call('PING')
    assert.ok(info(client, 'evicted_keys') > before)
    assert.ok(!exists(client, 'key:7'))
  })

  it('lets the least frequently used go first: allkeys-lfu', () => {
    const config = { 'maxmemory-policy': 'allkeys-lfu', 'maxmemory-samples': '64' } as const
    const server = new TestServer({ config })
    const client = server.connect()
    fill(client, 100)
    for (let use = 0; use < 30; use++) {
      for (let i = 0; i < 100; i += 2) client.call('GET', `key:${i}`)
    }
    limitTo(client, -30_000)
    client.call('PING')
    for (let i = 0; i < 100; i += 2) assert.ok(exists(client, `key:${i}`), `key:${i}`)
  })

  it('takes keys of all databases', () => {
    for (const policy of ['allkeys-lru', 'allkeys-random'] as const) {
      const server = new TestServer({ config: { 'maxmemory-policy': policy } })
      const client = server.connect()
      for (const database of ['0', '3', '9']) {
        client.call('SELECT', database)
        fill(client, 100)
      }
      limitTo(client, -150_000)
      client.call('PING')
      const sizes = server.engine.server.keyspace.databases.map(({ size }) => size)
      for (const database of [0, 3, 9]) assert.ok(sizes[database]! < 80, `${sizes}`)
    }
  })

  it('tells subscribers, watchers and caches, and the hook before the key goes', () => {
    const server = new TestServer({
      config: { 'maxmemory-policy': 'allkeys-lru', 'notify-keyspace-events': 'Ee' },
    })
    const told: string[] = []
    server.engine.server.eviction.onEvict = (database, key) => {
      told.push(`${database.id} ${Buffer.from(key.toBytes())} ${database.peek(key) > 0}`)
    }
    const [client, subscriber, watcher, cache] = [0, 0, 0, 0].map(() => server.connect())
    subscriber!.call('SUBSCRIBE', '__keyevent@0__:evicted')
    client!.call('SET', 'k', 'v')
    watcher!.call('WATCH', 'k')
    watcher!.call('MULTI')
    cache!.call('HELLO', '3')
    cache!.call('CLIENT', 'TRACKING', 'ON')
    cache!.call('GET', 'k')
    assert.equal(client!.call('CONFIG', 'SET', 'maxmemory', '1'), OK)
    assert.equal(client!.call('GET', 'k'), '$-1\r\n')
    assert.equal(
      subscriber!.take(),
      '*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:evicted\r\n$1\r\nk\r\n',
    )
    assert.match(cache!.take(), /^>2\r\n\$10\r\ninvalidate\r\n\*1\r\n\$1\r\nk\r\n/)
    assert.deepEqual(told, ['0 k true'])
    client!.call('CONFIG', 'SET', 'maxmemory', '0')
    assert.equal(watcher!.call('SET', 'k', 'w'), '+QUEUED\r\n')
    assert.equal(watcher!.call('EXEC'), '*-1\r\n')
    assert.ok(server.logged('WARNING: the new maxmemory value set via CONFIG SET (1)'))
  })

  it('happens before a transaction, not between its commands', () => {
    const server = new TestServer({ config: { 'maxmemory-policy': 'allkeys-lru' } })
    const client = server.connect()
    client.call('MULTI')
    client.call('INCR', 'n')
    client.call('CONFIG', 'SET', 'maxmemory', '1')
    client.call('INCR', 'n')
    assert.equal(client.call('EXEC'), `*3\r\n:1\r\n${OK}:2\r\n`)
    // Nobody sends anything: the timer goes on.
    server.clock.advance(2)
    assert.equal(server.engine.server.keyspace.size, 0)
  })

  it('does not happen while clients are paused, nor is anybody refused then', () => {
    const server = new TestServer({ config: { 'maxmemory-policy': 'allkeys-lru' } })
    const client = server.connect()
    fill(client, 10)
    client.call('CLIENT', 'PAUSE', '1000', 'WRITE')
    client.call('CONFIG', 'SET', 'maxmemory', '1')
    assert.equal(client.call('DBSIZE'), ':10\r\n')
    server.clock.advance(900)
    assert.equal(client.call('DBSIZE'), ':10\r\n')
    server.clock.advance(300)
    assert.equal(client.call('DBSIZE'), ':0\r\n')
  })

  it('goes on by the timer when one run takes too long, and nobody is refused meanwhile', () => {
    const clock = new FakeClock(undefined, () => 20)
    const server = new TestServer({ config: { 'maxmemory-policy': 'allkeys-lru' }, clock })
    const client = server.connect()
    fill(client, 2000)
    limitTo(client, -1_000_000)
    assert.equal(client.call('SET', 'one more', 'v'), OK)
    const left = server.engine.server.keyspace.size
    assert.ok(left > 1900 && left < 2001, `${left} keys`)
    assert.ok(server.engine.server.memory.isOver)
    server.clock.advance(200)
    assert.ok(!server.engine.server.memory.isOver)
    assert.ok(info(client, 'total_eviction_exceeded_time') > 0)
    assert.equal(info(client, 'current_eviction_exceeded_time'), 0)
  })

  it('frees large values in steps, and no other key for them', () => {
    for (const lazyfree of ['yes', 'no']) {
      const clock = new FakeClock(undefined, () => 1)
      const config = {
        'maxmemory-policy': 'volatile-lru',
        'maxmemory-samples': '64',
        'lazyfree-lazy-eviction': lazyfree,
      } as const
      const server = new TestServer({ config, clock })
      const client = server.connect()
      const members = Array.from({ length: 1000 }, (_, i) => `member:${i}:${'m'.repeat(80)}`)
      for (let i = 0; i < 50; i++) {
        client.call('SADD', 'large', ...members.map((member) => `${i}${member}`))
      }
      client.call('EXPIRE', 'large', '1000')
      for (let i = 0; i < 20; i++) client.call('SET', `small:${i}`, 'v', 'EX', `${1000 + i}`)
      server.clock.advance(5000)
      for (let i = 0; i < 20; i++) client.call('GET', `small:${i}`)
      limitTo(client, -2_000_000)
      client.call('PING')
      server.clock.advance(1000)
      assert.ok(!server.engine.server.memory.isOver)
      assert.equal(client.call('DBSIZE'), ':20\r\n')
      assert.equal(info(client, 'evicted_keys'), 1)
    }
  })

  it('has a bound on time that grows with the tenacity', () => {
    assert.deepEqual([0, 1, 10].map(durationUsOf), [0, 50, 500])
    assert.equal(Math.round(durationUsOf(11)), 575)
    assert.ok(durationUsOf(99) > 100e6 && durationUsOf(99) < 200e6)
    assert.equal(durationUsOf(100), Infinity)
  })
})
