// A snapshot under writes, from outside: it holds the keyspace at one instant. Writers change
// pairs of keys with one MSET each, together with a sequence number; in a file taken in between,
// both halves of every pair must be equal, and no value newer than the sequence number may be in
// it. The file is loaded by this server and by redis-server. While saving, clients are served
// without a long stop.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { REFERENCE, SERVER, stopAll, TestServer, temporaryDir } from '../lib/server.ts'

after(stopAll)

const PAIRS = 5_000
const BATCH = 200
// 15 bytes stay inline, 200 are a cell of their own, 5 000 are more than a page.
const VALUE_LENGTHS = [15, 200, 5_000]

for (const length of VALUE_LENGTHS) {
  describe(`a snapshot under writes, values of ${length} bytes`, () => {
    it('is one instant, for this server and for redis-server', { timeout: 60_000 }, async () => {
      const dir = temporaryDir()
      const server = await TestServer.start({ dir, args: ['--stop-writes-on-bgsave-error', 'no'] })
      const client = await server.connect()
      const writer = new PairWriter(client, length)
      await writer.fill()
      await client.text('BGSAVE')
      const duringSave = await writer.writeUntilSaved()
      const last = writer.sequence
      await server.stop()

      const programs = REFERENCE === '' ? [SERVER] : [SERVER, REFERENCE]
      for (const command of programs) {
        const saved = await checkFile(dir, command)
        assert.ok(saved <= last, `sequence ${saved} of ${last}`)
        assert.ok(saved >= last - duringSave, `sequence ${saved}, ${duringSave} written meanwhile`)
      }
    })
  })
}

class PairWriter {
  sequence = 0
  readonly #client: RawClient
  readonly #length: number

  constructor(client: RawClient, length: number) {
    this.#client = client
    this.#length = length
  }

  /** Writes every pair once. */
  async fill(): Promise<void> {
    while (this.sequence < PAIRS) await this.#batch()
  }

  /** Goes on writing, spread over all pairs, until the save is over; the number of writes. */
  async writeUntilSaved(): Promise<number> {
    const start = this.sequence
    for (;;) {
      await this.#batch()
      const info = await this.#client.text('INFO', 'persistence')
      if (!info.includes('rdb_bgsave_in_progress:0')) continue
      assert.match(info, /rdb_last_bgsave_status:ok/)
      return this.sequence - start
    }
  }

  async #batch(): Promise<void> {
    for (let i = 0; i < BATCH; i++) {
      const number = ++this.sequence
      const pair = (number * 7919) % PAIRS
      const value = `${number} `.padEnd(this.#length, 'x')
      this.#client.send('MSET', `a:${pair}`, value, `b:${pair}`, value, 'sequence', `${number}`)
    }
    for (let i = 0; i < BATCH; i++) await this.#client.receive()
  }
}

/** Loads the file and checks every pair; the sequence number in it. */
async function checkFile(dir: string, command: string): Promise<number> {
  const server = await TestServer.start({ dir, command })
  const client = await server.connect()
  assert.equal(await client.text('DBSIZE'), `${PAIRS * 2 + 1}`)
  const sequence = Number(await client.text('GET', 'sequence'))
  let newest = 0
  for (let pair = 0; pair < PAIRS; pair++) client.send('MGET', `a:${pair}`, `b:${pair}`)
  for (let pair = 0; pair < PAIRS; pair++) {
    const reply = await client.receive()
    const [a, b] = reply?.items ?? []
    assert.equal(a?.text, b?.text, `pair ${pair}`)
    const number = Number.parseInt(a?.text ?? '', 10)
    assert.ok(number <= sequence, `pair ${pair} is of ${number}, the snapshot of ${sequence}`)
    newest = Math.max(newest, number)
  }
  assert.equal(newest, sequence)
  await server.stop()
  return sequence
}
