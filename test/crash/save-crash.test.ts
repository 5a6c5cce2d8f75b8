// Goal: whenever the power goes, a restart finds a whole file, and it is the old one or the new
// one; once a save was reported, only the new one. Method: a small workload on a whole engine; the
// power is cut at each single disk operation of a save in turn, and the disk keeps a random subset
// of what was not synced, by several seeds. (Ends by kill -9 of real processes are in test/e2e.)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../../src/base/disk-fake.ts'
import { Random } from '../../src/base/random.ts'
import { contentsOf } from '../../src/keyspace/test-contents.ts'
import { encode, type TestClient, TestServer } from '../../src/server/test-server.ts'
import { type Contents, differenceOf } from '../simulation/model.ts'

const SEED = Number(process.env['SEED'] ?? 1)
/** Subsets of unsynced writes that are tried for each operation. */
const SUBSETS = Number(process.env['SUBSETS'] ?? 6)
const OPERATIONS_MAX = 200
const PAGE_CAPACITY = 16384
/** Uncompressed, so that a file takes more than one write. */
const CONFIG = { save: '1000 100000', 'snapshot-reserve': '1%', rdbcompression: 'no' }
const BIG_LENGTH = 1_200_000

/** A way to save; true when the server has reported that it is done. */
interface Way {
  readonly name: string
  readonly save: (server: TestServer, client: TestClient) => boolean
}

const WAYS: readonly Way[] = [
  { name: 'SAVE', save: (_, client) => client.call('SAVE') === '+OK\r\n' },
  {
    name: 'BGSAVE with writes meanwhile',
    save: (server, client) => {
      client.call('BGSAVE')
      for (let i = 0; server.runner.isBusy; i++) {
        client.call('SET', `key:${i % 100}`, `later ${i}`)
        server.runner.step()
      }
      server.clock.advance(200)
      return server.logged('DB saved on disk')
    },
  },
  {
    name: 'SHUTDOWN',
    save: (server, client) => {
      client.call('SHUTDOWN')
      return server.engine.shutdown.isDone
    },
  },
  {
    name: 'FLUSHALL',
    save: (server, client) => {
      client.send(encode(['FLUSHALL']))
      while (server.runner.isBusy) server.runner.step()
      server.clock.advance(10)
      return client.take() === '+OK\r\n'
    },
  },
]

function newServer(disk: FakeDisk): TestServer {
  return new TestServer({
    config: CONFIG,
    disk,
    hasPersistence: true,
    seed: SEED,
    pageCapacity: PAGE_CAPACITY,
  })
}

/** What a start on the disk as it is finds; the start itself must go well. */
function found(disk: FakeDisk): Contents {
  const server = newServer(disk)
  assert.ok(server.messages.some(({ kind }) => kind === 'ready'))
  server.engine.server.keyspace.check()
  return contentsOf(server.engine.server.keyspace)
}

function fill(client: TestClient, random: Random): void {
  for (let i = 0; i < 200; i++) {
    client.call('SET', `key:${random.below(120)}`, 'v'.repeat(random.below(60)))
  }
  client.call('SET', 'big', String.fromCharCode(97 + random.below(26)).repeat(BIG_LENGTH))
}

/** A server with one state on its disk and another in memory. */
function prepare(seed: number): { server: TestServer; client: TestClient; before: Contents } {
  const random = new Random(seed)
  const server = newServer(new FakeDisk())
  const client = server.connect()
  fill(client, random)
  assert.equal(client.call('SAVE'), '+OK\r\n')
  const before = contentsOf(server.engine.server.keyspace)
  fill(client, random)
  return { server, client, before }
}

/** Cuts the power at the operation `at` of the save; false when it has no such operation. */
function crashAt(way: Way, at: number, seed: number): boolean {
  const { server, client, before } = prepare(seed)
  const { keyspace } = server.engine.server
  const after =
    way.name === 'FLUSHALL' ? contentsOf(keyspace).map(() => new Map()) : contentsOf(keyspace)
  const { disk } = server
  const limit = disk.operations + at
  disk.cutPowerAt(limit)
  let isReported = false
  try {
    isReported = way.save(server, client)
  } catch (error) {
    // Whoever has swallowed the power cut and thrown something of its own.
    if (!disk.isOff) throw error
  }
  const isCut = disk.operations > limit
  disk.crash(new Random(seed * 1000 + at))
  const state = found(disk)
  const difference = differenceOf(state, after)
  if (isReported) assert.equal(difference, '', 'what was reported as saved is there')
  if (difference !== '') assert.equal(differenceOf(state, before), '', difference)
  return isCut
}

for (const way of WAYS) {
  test(`${way.name}: a power cut at any disk operation leaves the old file or the new one`, () => {
    console.log(`SEED=${SEED}`)
    let operations = 0
    for (let subset = 0; subset < SUBSETS; subset++) {
      const seed = SEED * 100 + subset
      let at = 0
      while (at < OPERATIONS_MAX && crashAt(way, at, seed)) at++
      assert.ok(at < OPERATIONS_MAX, 'a save of little data has few operations')
      operations += at
    }
    assert.ok(operations > 5 * SUBSETS, 'open, write, sync, close, rename, sync at least')
  })
}
