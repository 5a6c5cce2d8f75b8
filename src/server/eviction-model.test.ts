// Goal: whatever clients do, no SET starts with more in use than the limit, but for what is being
// freed; only keys that may go are evicted, and each key that has gone was told. Method: random
// commands in several databases against a map of what must be there, with saves in between; each
// evicted key leaves the map through the hook.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { Random } from '../base/random.ts'
import { POLICIES } from './eviction-policy.ts'
import { type TestClient, TestServer } from './test-server.ts'

const SEED = Number(process.env['SEED'] ?? 51)
const TURNS = 4000
const DATABASES = 3
const KEYS = 150
const SLACK_BYTES = 300_000
const VALUE_MAX = 4000
const OOM = /^-OOM/

/** By database: each key, and whether it has a deadline. */
type Model = Map<string, boolean>[]

class Scene {
  readonly server: TestServer
  readonly client: TestClient
  readonly random: Random
  readonly model: Model = Array.from({ length: DATABASES }, () => new Map<string, boolean>())
  database = 0
  refused = 0

  constructor(policy: string, seed: number) {
    this.random = new Random(seed)
    this.server = new TestServer({
      config: {
        'maxmemory-policy': policy,
        'lazyfree-lazy-eviction': seed % 2 === 0 ? 'yes' : 'no',
        databases: `${DATABASES}`,
        save: '',
        'snapshot-reserve': '1mb',
      } as const,
      clock: new FakeClock(undefined, () => 1),
      hasPersistence: true,
      seed,
    })
    this.client = this.server.connect()
    const { eviction, memory, dispatcher, keyspace } = this.server.engine.server
    eviction.onEvict = ({ id }, key) => {
      const name = Buffer.from(key.toBytes()).toString()
      const isVolatile = this.model[id]!.get(name)
      assert.ok(isVolatile !== undefined, `${name} was there`)
      assert.ok(isVolatile || policy.startsWith('allkeys'), `${name} may go`)
      this.model[id]!.delete(name)
    }
    const limit = memory.usedBytes() + SLACK_BYTES
    this.call('CONFIG', 'SET', 'maxmemory', `${limit}`)
    dispatcher.onCommand = (entry) => {
      // What a lazy eviction has left to the timer will be room soon.
      const hasRoom = !memory.isOver || keyspace.lazyFreePending > 0
      if (entry.fullName === 'set') assert.ok(hasRoom, 'a command finds room')
    }
  }

  call(...args: readonly string[]): string {
    let reply = this.client.call(...args)
    for (let i = 0; reply === '' && i < 10_000; i++) {
      this.server.runner.step()
      this.server.clock.advance(1)
      reply = this.client.take()
    }
    assert.ok(reply !== '', `${args[0]} is answered`)
    return reply
  }

  /** A command that takes memory; false when it is refused. */
  write(...args: readonly string[]): boolean {
    const reply = this.call(...args)
    if (!OOM.test(reply)) return true
    this.refused++
    return false
  }

  turn(): void {
    const { random } = this
    const keys = this.model[this.database]!
    const key = `key:${random.below(KEYS)}`
    const value = 'v'.repeat(random.below(VALUE_MAX))
    const kind = random.below(100)
    if (kind < 25) {
      if (this.write('SET', key, value)) keys.set(key, false)
    } else if (kind < 50) {
      if (this.write('SET', key, value, 'EX', '100000')) keys.set(key, true)
    } else if (kind < 60) {
      if (this.call('EXPIRE', key, '200000') === ':1\r\n') keys.set(key, true)
    } else if (kind < 65) {
      if (this.call('PERSIST', key) === ':1\r\n') keys.set(key, false)
    } else if (kind < 75) {
      this.call('GET', key)
    } else if (kind < 85) {
      this.call(kind < 80 ? 'DEL' : 'UNLINK', key)
      keys.delete(key)
    } else if (kind < 90) this.#list(`list:${random.below(5)}`)
    else this.#rare(kind)
  }

  #list(key: string): void {
    const keys = this.model[this.database]!
    const elements = Array.from({ length: 200 }, (_, i) => `${i}`.repeat(20))
    if (!this.write('RPUSH', key, ...elements)) return
    // It may have been there, with a deadline.
    const before = keys.get(key) ?? false
    keys.set(key, before)
  }

  #rare(kind: number): void {
    const { random, server } = this
    if (kind < 95) {
      this.database = random.below(DATABASES)
      this.call('SELECT', `${this.database}`)
    } else if (kind < 97) {
      server.clock.advance(random.below(3000))
      for (let i = 0; i < 5; i++) server.runner.step()
    } else if (kind === 97 && random.below(10) === 0) {
      this.call('FLUSHDB', random.below(2) === 0 ? 'ASYNC' : 'SYNC')
      this.model[this.database]!.clear()
    } else if (kind === 98) {
      const [a, b] = [random.below(DATABASES), random.below(DATABASES)]
      this.call('SWAPDB', `${a}`, `${b}`)
      const swapped = this.model[a]!
      this.model[a] = this.model[b]!
      this.model[b] = swapped
    } else if (kind === 99) this.call('BGSAVE')
  }

  /** What is there is what must be there. */
  check(): void {
    const { keyspace } = this.server.engine.server
    assert.deepEqual(
      keyspace.databases.map(({ size }) => size),
      this.model.map((keys) => keys.size),
    )
    assert.deepEqual(
      keyspace.databases.map(({ expiringCount }) => expiringCount),
      this.model.map((keys) => [...keys.values()].filter((isVolatile) => isVolatile).length),
    )
    keyspace.check()
  }
}

for (const [i, policy] of POLICIES.entries()) {
  test(`random commands at the limit, ${policy}, SEED=${SEED}`, () => {
    const scene = new Scene(policy, SEED + i)
    for (let turn = 0; turn < TURNS; turn++) {
      scene.turn()
      if (turn % 500 === 499) scene.check()
    }
    const { eviction } = scene.server.engine.server
    if (policy === 'noeviction') assert.equal(eviction.evictedKeys, 0)
    else assert.ok(eviction.evictedKeys > 100, `${eviction.evictedKeys} evicted`)
    if (policy.startsWith('allkeys')) assert.equal(scene.refused, 0)
    if (policy === 'noeviction') assert.ok(scene.refused > 100)
  })
}
