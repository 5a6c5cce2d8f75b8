// Goal: each `lazyfree-lazy-…` decides about its own kind of removal, when it is set at the start
// and when it is changed; the cron frees what is left. Method: a value that is freed at once unless
// somebody is lazy, removed in each way under each setting.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigName } from './config.ts'
import { type TestClient, TestServer } from './test-server.ts'

const FIELD = 'x'.repeat(9000)
const FIELDS = 100
const SETTINGS: readonly ConfigName[] = [
  'lazyfree-lazy-user-del',
  'lazyfree-lazy-server-del',
  'lazyfree-lazy-expire',
]

/** Each removes `k`; which setting decides, or what always holds. */
const REMOVALS: readonly [
  name: string,
  by: ConfigName | boolean,
  remove: (client: TestClient, server: TestServer) => void,
][] = [
  ['DEL', 'lazyfree-lazy-user-del', (client) => client.call('DEL', 'k')],
  ['UNLINK', true, (client) => client.call('UNLINK', 'k')],
  ['SET', 'lazyfree-lazy-server-del', (client) => client.call('SET', 'k', 'v')],
  [
    'RENAME',
    'lazyfree-lazy-server-del',
    (client) => {
      client.call('SET', 'other', 'v')
      client.call('RENAME', 'other', 'k')
    },
  ],
  [
    'SUNIONSTORE',
    'lazyfree-lazy-server-del',
    (client) => client.call('SUNIONSTORE', 'k', 'missing'),
  ],
  ['expiry', 'lazyfree-lazy-expire', (client) => client.call('PEXPIREAT', 'k', '1')],
  [
    'expiry of its own accord',
    'lazyfree-lazy-expire',
    (client, server) => {
      client.call('PEXPIRE', 'k', '5')
      server.clock.advance(6)
      client.call('GET', 'k')
    },
  ],
]

function pendingOf(server: TestServer): number {
  return server.engine.server.keyspace.lazyFreePending
}

describe('lazyfree-lazy-…', () => {
  for (const [name, by, remove] of REMOVALS) {
    for (const setting of [null, ...SETTINGS]) {
      const isLazy = by === true || (setting !== null && by === setting)
      it(`${name} is ${isLazy ? '' : 'not '}lazy with ${setting ?? 'none'}`, () => {
        const server = new TestServer()
        const client = server.connect()
        for (let i = 0; i < FIELDS; i++) client.call('HSET', 'k', `${i}`, FIELD)
        if (setting !== null) client.call('CONFIG', 'SET', setting, 'yes')
        remove(client, server)
        assert.equal(pendingOf(server), isLazy ? 1 : 0)
        server.clock.advance(1000)
        assert.equal(pendingOf(server), 0)
        assert.ok(server.engine.server.keyspace.arena.datasetBytes < 1000)
      })
    }
  }

  it('hold from the start on', () => {
    const server = new TestServer({ config: { 'lazyfree-lazy-server-del': 'yes' } })
    const client = server.connect()
    for (let i = 0; i < FIELDS; i++) client.call('HSET', 'k', `${i}`, FIELD)
    client.call('SET', 'k', 'v')
    assert.equal(pendingOf(server), 1)
  })
})
