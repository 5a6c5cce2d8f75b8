// Goal: memory follows the data. After deletions pages come back when `activedefrag` says so, in
// the share of time that it allows; under `maxmemory` the pages in use stay near the limit whatever
// the sizes of values do, with a cut open, too.
// Method: whole engines on fake doors, whose clock moves on with every look at it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { Random } from '../base/random.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import { type TestClient, TestServer, type TestServerOptions } from './test-server.ts'

const SEED = Number(process.env.SEED ?? 1)
const MIB = 1024 * 1024
const KEYS = 30_000

function info(client: TestClient, name: string): number {
  return Number(new RegExp(`\r\n${name}:([^\r]*)\r`).exec(client.call('INFO', 'everything'))?.[1])
}

/** A server whose time goes on while it works: about a microsecond for each look at the clock. */
function startServer(options: TestServerOptions = {}): TestServer {
  const random = new Random(SEED)
  return new TestServer({
    ...options,
    clock: new FakeClock(1_700_000_000_000, () => random.below(20)),
  })
}

function pagesBytes(server: TestServer): number {
  return server.engine.server.keyspace.arena.pool.pagesUsed * PAGE_BYTES
}

/** Fills the keyspace and deletes all but some of it, in no order. */
function fillAndDelete(client: TestClient, keptShare: number): void {
  const random = new Random(SEED)
  for (let i = 0; i < KEYS; i++) client.call('SET', `key:${i}`, 'v'.repeat(64))
  for (let i = 0; i < KEYS; i++) if (random.float() >= keptShare) client.call('DEL', `key:${i}`)
}

const DEFRAG = { activedefrag: 'yes', 'active-defrag-ignore-bytes': '100kb' }

test('after deletions the pages in use are those of the data', () => {
  const server = startServer({ config: DEFRAG })
  const client = server.connect()
  fillAndDelete(client, 0.25)
  const sparse = pagesBytes(server)
  let most = 0
  for (let i = 0; i < 200; i++) {
    server.clock.advance(100)
    most = Math.max(most, info(client, 'active_defrag_running'))
  }
  const { arena } = server.engine.server.keyspace
  assert.ok(most >= 1 && most <= 25, `${most} percent`)
  assert.ok(pagesBytes(server) < sparse / 2, `${sparse} fell to ${pagesBytes(server)}`)
  assert.ok(pagesBytes(server) < arena.usedBytes * 1.1)
  assert.ok(info(client, 'active_defrag_hits') > 1000)
  assert.ok(info(client, 'total_active_defrag_time') > 0)
  assert.equal(info(client, 'active_defrag_running'), 0)
  assert.equal(info(client, 'current_active_defrag_time'), 0)
  client.call('CONFIG', 'RESETSTAT')
  assert.equal(info(client, 'active_defrag_hits'), 0)
  server.engine.server.keyspace.check()
})

test('nothing moves without activedefrag, nor below the thresholds', () => {
  for (const config of [
    {},
    { ...DEFRAG, 'active-defrag-ignore-bytes': '1gb' },
    { ...DEFRAG, 'active-defrag-threshold-lower': '1000' },
  ]) {
    const server = startServer({ config })
    const client = server.connect()
    fillAndDelete(client, 0.25)
    for (let i = 0; i < 50; i++) server.clock.advance(100)
    assert.equal(info(client, 'active_defrag_hits'), 0)
  }
})

test('switched off in the middle of a pass it stops, and nothing is lost', () => {
  const server = startServer({ config: { ...DEFRAG, 'active-defrag-cycle-max': '2' } })
  const client = server.connect()
  fillAndDelete(client, 0.5)
  for (let i = 0; info(client, 'active_defrag_hits') === 0; i++) {
    assert.ok(i < 1000, 'a pass begins')
    server.clock.advance(10)
  }
  client.call('CONFIG', 'SET', 'activedefrag', 'no')
  server.clock.advance(200)
  const hits = info(client, 'active_defrag_hits')
  for (let i = 0; i < 50; i++) server.clock.advance(100)
  assert.equal(info(client, 'active_defrag_hits'), hits)
  assert.equal(info(client, 'active_defrag_running'), 0)
  server.engine.server.keyspace.check()
})

/**
 * What pages may take under a limit: see defrag.ts, and what commands take until the next look;
 * more while a cut is open, which here goes on by one step in three commands.
 */
const LIMIT = 8 * MIB
const QUIET_BYTES = LIMIT * 1.035 + 2.75 * MIB
const SAVING_BYTES = LIMIT * 1.05 + 3 * MIB

for (const hasCuts of [false, true]) {
  const title = hasCuts ? ', while it saves' : ''
  test(`under a limit the pages in use stay near it${title}`, { timeout: 120_000 }, () => {
    const server = startServer({
      hasPersistence: true,
      config: {
        maxmemory: `${LIMIT}`,
        'maxmemory-policy': 'allkeys-random',
        // The fake clock is slow: with less, eviction gives up early, and what is used passes.
        'maxmemory-eviction-tenacity': '100',
      },
    })
    const client = server.connect()
    const random = new Random(SEED)
    const { persistence, keyspace } = server.engine.server
    let most = 0
    // Each phase writes values of other sizes than the one before; random keys go for them.
    for (const bytes of [40, 300, 90, 1200, 20, 6000, 150]) {
      for (let i = 0; i < (2 * LIMIT) / (bytes + 60); i++) {
        client.call('SET', `key:${bytes}:${i}`, 'v'.repeat(random.below(bytes) + bytes / 2))
        if (i % 50 === 0) server.clock.advance(1)
        if (hasCuts && i % 2000 === 0) client.call('BGSAVE')
        if (hasCuts && i % 3 === 0) server.runner.step()
        const held = persistence?.openCut?.figures.heldPages ?? 0
        most = Math.max(most, pagesBytes(server) - held * PAGE_BYTES)
      }
    }
    const limit = hasCuts ? SAVING_BYTES : QUIET_BYTES
    assert.ok(most <= limit, `${most} bytes of pages, expected ${limit}`)
    assert.ok(most > LIMIT, 'the limit was reached')
    assert.ok(info(client, 'active_defrag_hits') > 1000)
    assert.ok(info(client, 'evicted_keys') > 1000)
    keyspace.check()
  })
}
