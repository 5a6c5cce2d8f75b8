// Goal: with a real snapshot thread beside a writer at full speed, the file is exactly the keyspace
// at the cut, for Tidemark's loader and for redis-server, and the reserve's bound holds.
// Method: the engine's side runs here and never yields while a save is under way, so every race is
// one between two processors; reserves from 8 pages up make it wait in every way it can. A model is
// copied at the cut. Prints SEED on failure and reads it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import { SystemClock } from '../../src/base/clock.ts'
import { SystemDisk } from '../../src/base/disk.ts'
import { Random } from '../../src/base/random.ts'
import { Slice } from '../../src/base/slice.ts'
import { Keyspace } from '../../src/keyspace/keyspace.ts'
import { contentsOf } from '../../src/keyspace/test-contents.ts'
import { NULL } from '../../src/memory/layout.ts'
import { Persistence, type PersistenceSettings } from '../../src/persist/persistence.ts'
import { SnapshotPort } from '../../src/persist/snapshot/snapshot-port.ts'
import { RawClient } from '../lib/client.ts'
import { isReference, REFERENCE, TestServer } from '../lib/server.ts'

const SEED = Number(process.env.SEED ?? 1)
const PAGE_CAPACITY = 16384 * 32
const SILENT = {
  level: 3 as const,
  debug: () => undefined,
  verbose: () => undefined,
  notice: () => undefined,
  warning: () => undefined,
  raw: () => undefined,
}
const channel = new MessageChannel()
const worker = new Worker(
  new URL('../../src/persist/snapshot/snapshot-thread.ts', import.meta.url),
  { workerData: { port: channel.port2 }, transferList: [channel.port2] },
)
const port = new SnapshotPort(channel.port1)
const directory = mkdtempSync(join(tmpdir(), 'tidemark-threads-'))

after(async () => {
  await worker.terminate()
  rmSync(directory, { recursive: true, force: true })
})

class Scene {
  readonly random: Random
  readonly keyspace: Keyspace
  readonly persistence: Persistence
  readonly settings: { -readonly [K in keyof PersistenceSettings]: PersistenceSettings[K] }
  readonly #key = new Slice()
  readonly #value = new Slice()
  readonly #bytes = Buffer.alloc(200_000)
  readonly keyCount: number
  readonly valueLengthMax: number

  constructor(seed: number, options: { keys: number; lengthMax: number; reservePages: number }) {
    this.random = new Random(seed)
    this.keyCount = options.keys
    this.valueLengthMax = options.lengthMax
    this.keyspace = new Keyspace({
      databaseCount: 4,
      pageCapacity: PAGE_CAPACITY,
      hashSecret: new Uint32Array([seed, 3]),
    })
    this.keyspace.advance(Date.now())
    this.settings = {
      filePath: join(directory, `dump-${seed}.rdb`),
      savePoints: [],
      compress: seed % 2 === 0,
      checksum: true,
      syncsWhileWriting: true,
      stopsWritesOnError: true,
      reserveBytes: options.reservePages * 4096,
      method: 'background',
      stallTimeoutSeconds: 60,
      keyDelayUs: 0,
      keepsClocks: false,
      version: '7.0.15',
      usedMemory: 0,
    }
    this.persistence = new Persistence({
      keyspace: this.keyspace,
      disk: new SystemDisk(),
      clock: new SystemClock(),
      log: SILENT,
      settings: this.settings,
      runner: port,
      processId: process.pid,
      isChecking: true,
    })
  }

  /** A key: its text; sometimes one that does not fit a cell. */
  key(i: number): Slice {
    const text = i % 211 === 210 ? `long:${i}:${'k'.repeat(1200)}` : `key:${i}`
    const length = this.#bytes.write(text, 0, 'latin1')
    return this.#key.set(this.#bytes, 0, length)
  }

  /** A value that tells which write made it, so that a mixture of two would show. */
  value(): Slice {
    const length = 8 + this.random.below(this.random.below(30) === 0 ? this.valueLengthMax : 700)
    const stamp = this.random.u32()
    const start = 4096
    for (let i = 0; i < length; i++) this.#bytes[start + i] = (stamp + (i >>> 3)) & 0xff
    return this.#value.set(this.#bytes, start, length)
  }

  change(): void {
    const database = this.keyspace.databases[this.random.below(3)]!
    const key = this.key(this.random.below(this.keyCount))
    const choice = this.random.below(20)
    if (choice < 13) {
      database.putString(key, this.value(), choice < 3 ? Date.now() + 86_400_000 : 0)
      return
    }
    const record = database.findForWrite(key)
    if (record === NULL) return
    if (choice < 16) database.remove(record)
    else if (choice < 18) {
      const length = database.stringLength(record)
      const extra = this.value()
      if (length + extra.length < 400_000) {
        database.writeString(database.growString(record, length + extra.length), length, extra)
      }
    } else database.setDeadline(record, choice === 18 ? 0 : Date.now() + 90_000_000)
  }

  contents(): Map<string, string>[] {
    return contentsOf(this.keyspace)
  }

  reloaded(): Map<string, string>[] {
    const fresh = new Scene(1, { keys: 1, lengthMax: 1, reservePages: 8 })
    fresh.settings.filePath = this.settings.filePath
    fresh.persistence.loadNow({ mayOverwrite: false })
    fresh.keyspace.check()
    return fresh.contents()
  }
}

/** Starts a save and writes at full speed until it ends; returns the keyspace at the cut. */
function saveUnderStorm(scene: Scene): Map<string, string>[] {
  const atCut = scene.contents()
  assert.equal(scene.persistence.startBackground(), null)
  const limitMs = Date.now() + 60_000
  while (scene.persistence.isSaving) {
    for (let i = 0; i < 64; i++) scene.change()
    scene.persistence.cron()
    assert.ok(Date.now() < limitMs, `SEED=${SEED}: a save ends`)
  }
  assert.equal(scene.persistence.lastError, '')
  return atCut
}

const CASES = [
  { keys: 300, lengthMax: 100_000, reservePages: 8 },
  { keys: 3_000, lengthMax: 40_000, reservePages: 8 },
  { keys: 20_000, lengthMax: 20_000, reservePages: 64 },
  { keys: 20_000, lengthMax: 180_000, reservePages: 1024 },
  { keys: 60_000, lengthMax: 3_000, reservePages: 8192 },
]

for (const [index, options] of CASES.entries()) {
  const { keys, reservePages } = options
  test(`${keys} keys, reserve of ${reservePages} pages, writer at full speed`, () => {
    const scene = new Scene(SEED * 100 + index, options)
    for (let i = 0; i < keys * 4; i++) scene.change()
    for (let save = 0; save < 3; save++) {
      const atCut = saveUnderStorm(scene)
      scene.keyspace.check()
      assert.deepEqual(scene.reloaded(), atCut, `SEED=${SEED}, save ${save}`)
      const figures = scene.persistence.cutFigures
      assert.ok(figures !== null)
      // A few hundred keys may all be read before the first write comes.
      assert.ok(figures.preservedRuns > 0 || keys < 1000, 'writes met unread pages')
      // No write delay stands before these writers, so they use the slots for overdrafts as well.
      const overdraftPages = Math.max(8, Math.floor(reservePages / 4))
      assert.ok(figures.slotsPeak <= reservePages + overdraftPages, 'the reserve holds')
    }
  })
}

test('redis-server loads the same keyspace from the file', async (t) => {
  if (REFERENCE === '' || isReference()) return t.skip('needs redis-server beside ours')
  const scene = new Scene(SEED * 100 + 50, { keys: 5_000, lengthMax: 60_000, reservePages: 64 })
  for (let i = 0; i < 20_000; i++) scene.change()
  const atCut = saveUnderStorm(scene)
  const server = await TestServer.start({
    command: REFERENCE,
    args: ['--dir', directory, '--dbfilename', `dump-${SEED * 100 + 50}.rdb`],
  })
  const client = await RawClient.open(server)
  for (const [id, map] of atCut.entries()) {
    await client.call('SELECT', String(id))
    assert.equal(await client.text('DBSIZE'), String(map.size), `database ${id}`)
    for (const [key, entry] of map) {
      const deadline = entry.slice(0, entry.indexOf(' '))
      const expected = entry.slice(entry.indexOf(' ') + 1)
      assert.equal(await client.text('GET', key), expected, `SEED=${SEED}`)
      const found = await client.text('PEXPIRETIME', key)
      assert.equal(found, deadline === '0' ? '-1' : deadline, `SEED=${SEED}`)
    }
  }
  client.close()
  await server.stop()
})
