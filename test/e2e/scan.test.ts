// SCAN's guarantee, from outside: a key that is there from the first call to the last is returned
// at least once, whatever is added, deleted or expires in between; one that was never there is
// never returned; and the iteration ends. Seeded: SEED=N repeats a run.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { stopAll, TestServer } from '../lib/server.ts'

after(stopAll)

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
// Far more calls than any run needs: a loop here is a failure.
const CALLS_MAX = 20_000

interface Shape {
  readonly name: string
  /** Keys that stay. */
  readonly stable: number
  readonly count: number
  /** Keys added and deleted after each call. */
  readonly added: number
  readonly deleted: number
}

const SHAPES: readonly Shape[] = [
  { name: 'nothing changes', stable: 3000, count: 10, added: 0, deleted: 0 },
  { name: 'one key', stable: 1, count: 1, added: 0, deleted: 0 },
  { name: 'it grows a lot', stable: 500, count: 10, added: 60, deleted: 0 },
  { name: 'it shrinks', stable: 200, count: 5, added: 0, deleted: 100 },
  { name: 'it turns over', stable: 1000, count: 20, added: 50, deleted: 50 },
]

describe(`SCAN's guarantee (SEED=${SEED})`, () => {
  let server: TestServer
  let client: RawClient

  before(async () => {
    console.log(`SEED=${SEED}`)
    server = await TestServer.start()
    client = await server.connect()
  })

  for (const shape of SHAPES) {
    it(`returns every key that stays: ${shape.name}`, { timeout: 60_000 }, async () => {
      await client.text('FLUSHALL')
      const churn = new Churn(client, SEED)
      await churn.add('stable', shape.stable)
      await churn.add('churn', shape.deleted * 40)

      const seen = new Set<string>()
      let cursor = '0'
      let calls = 0
      do {
        const reply = await client.call('SCAN', cursor, 'COUNT', `${shape.count}`)
        cursor = reply.items[0]?.text ?? ''
        assert.match(cursor, /^\d+$/)
        for (const item of reply.items[1]?.items ?? []) seen.add(item.text)
        assert.ok(++calls < CALLS_MAX, 'the iteration does not end')
        // A growing keyspace must not be chased for ever.
        if (calls < 200) await churn.add('churn', shape.added)
        await churn.remove(shape.deleted)
      } while (cursor !== '0')

      for (let i = 0; i < shape.stable; i++) {
        assert.ok(seen.has(`stable:${i}`), `stable:${i} was not returned`)
      }
      for (const key of seen) assert.ok(churn.known.has(key), `${key} never existed`)
    })
  }

  it('returns each key once when nothing changes and COUNT covers all', async () => {
    await client.text('FLUSHALL')
    await new Churn(client, SEED).add('k', 5000)
    const reply = await client.call('SCAN', '0', 'COUNT', '1000000')
    const keys = reply.items[1]?.items ?? []
    assert.equal(reply.items[0]?.text, '0')
    assert.equal(keys.length, 5000)
    assert.equal(new Set(keys.map((key) => key.text)).size, 5000)
  })

  it('takes any cursor, also one it never gave', async () => {
    for (const cursor of ['1', '12345', '18446744073709551615', '9007199254740993']) {
      const reply = await client.call('SCAN', cursor, 'COUNT', '10')
      assert.match(reply.items[0]?.text ?? '', /^\d+$/, cursor)
    }
  })
})

/** Adds and deletes keys through one connection, and remembers every name it ever used. */
class Churn {
  readonly known = new Set<string>()
  readonly #client: RawClient
  readonly #live: string[] = []
  #state: number

  constructor(client: RawClient, seed: number) {
    this.#client = client
    this.#state = seed >>> 0
  }

  async add(prefix: string, count: number): Promise<void> {
    const from = prefix === 'churn' ? this.known.size : 0
    for (let i = from; i < from + count; i++) {
      const key = `${prefix}:${i}`
      this.known.add(key)
      if (prefix === 'churn') this.#live.push(key)
      this.#client.send('SET', key, 'v')
    }
    for (let i = 0; i < count; i++) await this.#client.receive()
  }

  async remove(count: number): Promise<void> {
    const keys: string[] = []
    while (keys.length < count && this.#live.length > 0) {
      this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
      const at = Math.floor((this.#state / 0x100000000) * this.#live.length)
      keys.push(...this.#live.splice(at, 1))
    }
    if (keys.length > 0) await this.#client.call('DEL', ...keys)
  }
}
