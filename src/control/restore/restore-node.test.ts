// Goal: what is restored into a node is what was in the source, as the digest of a full sync says;
// what cannot be restored is refused before anything changes; an interrupted restore can be run
// again. Method: a file that redis-server saved with every type, restored into this server and into
// redis-server; keys are looked at one by one where a plan changes them.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Kernels } from '../../persist/rdb/kernels.ts'
import { BytesFile } from '../../persist/rdb/rdb-input.ts'
import { LocalEngine } from '../backup/local-engine.ts'
import { RdbSurvey } from '../backup/rdb-survey.ts'
import { takeBackup } from '../backup/take.ts'
import { testRdb } from '../backup/test-rdb.ts'
import { NodeConnection } from '../source/node-connection.ts'
import { NodeError } from '../source/node-error.ts'
import { openFullSync } from '../source/psync-stream.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { RdbSplitter } from './rdb-splitter.ts'
import { type NodeRestoreRequest, RestoreInterrupted, restoreIntoNode } from './restore-node.ts'
import { RestorePayload } from './restore-payload.ts'
import { backupSource, fileSource, objectSource, type RestoreSource } from './restore-source.ts'
import { RestoreStream } from './restore-stream.ts'
import { payloadVersionOf, RestoreRefused } from './restore-target.ts'

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
const work = mkdtempSync(join(tmpdir(), 'tidemark-restore-'))
const DAY_MS = 86_400_000
const takenAtMs = Date.now() - DAY_MS
const deadlineMs = Date.now() + DAY_MS
const engines: LocalEngine[] = []

let directories = 0
async function startEngine(command?: string): Promise<LocalEngine> {
  const directory = join(work, `engine-${++directories}`)
  mkdirSync(directory)
  const given = command === undefined ? {} : { command }
  const engine = await LocalEngine.start({ directory, databases: 16, ...given })
  engines.push(engine)
  return engine
}

after(async () => {
  await Promise.all(engines.map((engine) => engine.stop()))
  rmSync(work, { recursive: true, force: true })
})

async function talk<T>(engine: LocalEngine, use: (to: NodeConnection) => Promise<T>): Promise<T> {
  const connection = await NodeConnection.connect(engine.address)
  try {
    return await use(connection)
  } finally {
    connection.close()
  }
}

async function digestOf(engine: LocalEngine): Promise<string> {
  const sync = await openFullSync(engine.address)
  const survey = new RdbSurvey({ name: 'node' })
  for await (const piece of sync.chunks()) await survey.write(piece)
  return (await survey.finish()).digest
}

/** Fills a node with every type in every encoding, two databases, deadlines, long values. */
async function fill(connection: NodeConnection): Promise<void> {
  const many = Array.from({ length: 2000 }, (_, i) => `member:${i}`)
  const lines: (string | Buffer)[][] = [
    ['SET', 'string', 'value'],
    ['SET', 'number', '12345'],
    ['SET', Buffer.from([0xff, 0, 0x0d, 0x0a]), 'odd name'],
    ['SET', 'long', Buffer.alloc(5_000_000, 'abc')],
    ['SET', 'noise', Buffer.from(Array.from({ length: 900_000 }, (_, i) => (i * i * 7919) >> 5))],
    ['SET', 'fading', 'x', 'PXAT', String(deadlineMs)],
    ['RPUSH', 'list', 'a', 'b', '3'],
    ['RPUSH', 'list:long', ...many],
    ['SADD', 'set:numbers', '1', '2', '70000'],
    ['SADD', 'set:long', ...many],
    ['ZADD', 'zset', '1', 'a', '2.5', 'b', '-inf', 'c'],
    ['ZADD', 'zset:long', ...many.flatMap((member, i) => [String(i / 3), member])],
    ['HSET', 'hash', 'f', 'v', 'g', '7'],
    ['HSET', 'hash:long', ...many],
    ['XADD', 'stream', '1-1', 'f', 'v'],
    ['XADD', 'stream', '2-1', 'f', 'w'],
    ['XGROUP', 'CREATE', 'stream', 'group', '0'],
    ['XREADGROUP', 'GROUP', 'group', 'me', 'COUNT', '1', 'STREAMS', 'stream', '>'],
    ['SELECT', '3'],
    ['SET', 'other', 'database'],
    ...many.map((name) => ['SET', name, name]),
    ['SELECT', '0'],
  ]
  await Promise.all(lines.map((line) => connection.command(...line)))
}

let path = ''
let origin: LocalEngine

before(async () => {
  if (!hasRedis) return
  origin = await startEngine('redis-server')
  await talk(origin, async (connection) => {
    await fill(connection)
    await connection.command('SAVE')
  })
  path = join(work, 'engine-1', 'dump.rdb')
})

async function source(): Promise<RestoreSource> {
  return { ...(await fileSource(path)), takenAtMs }
}

async function restore(engine: LocalEngine, more: Partial<NodeRestoreRequest> = {}) {
  const target = engine.address
  return await restoreIntoNode({ source: await source(), target, mode: 'empty', ...more })
}

test('all types come out the same, in each engine', { skip: !hasRedis }, async () => {
  const expected = await digestOf(origin)
  for (const command of [undefined, 'redis-server']) {
    const engine = await startEngine(command)
    const seen: string[] = []
    const result = await restore(engine, { onProgress: ({ phase }) => seen.push(phase) })
    assert.deepEqual([result.keys, result.restored, result.unsupported], [2016, 2016, 0])
    assert.equal(await digestOf(engine), expected)
    assert.deepEqual([...new Set(seen)], ['look', 'write'])
    // Again: refused as it is not empty, the same when it replaces, and when it was flushed.
    await assert.rejects(restore(engine), /has 2016 keys: replace/)
    await restore(engine, { mode: 'replace' })
    assert.equal(await digestOf(engine), expected)
    await talk(engine, (connection) => connection.command('SET', 'more', 'x'))
    await restore(engine, { mode: 'flush' })
    assert.equal(await digestOf(engine), expected)
  }
})

test('a backup in a store is restored, and a damaged one changes nothing', {
  skip: !hasRedis,
}, async () => {
  const store = new DirectoryStore(join(work, 'store'))
  const manifest = await takeBackup({
    store,
    name: 'one',
    cluster: 'cluster-1',
    kind: 'manual',
    source: { nodes: [origin.address], files: [], preference: 'auto', connect: {} },
    codec: { level: 1, recipients: [] },
    forkPolicy: 'ignore',
    toolVersion: '0.0.0',
  })
  const engine = await startEngine()
  const backup = await backupSource({ store, name: 'one', identities: [] })
  await restore(engine, { source: backup })
  assert.equal(await digestOf(engine), manifest.shards[0]!.rdb.digest)
  const { object } = manifest.shards[0]!.part
  const bytes = Buffer.from(await store.get(object))
  bytes[bytes.length - 100]! ^= 1
  await store.put(object, bytes)
  await talk(engine, (connection) => connection.command('FLUSHALL'))
  await assert.rejects(restore(engine, { source: backup }), (error: Error) =>
    error.message.startsWith(object),
  )
  assert.equal(await talk(engine, (connection) => connection.command('DBSIZE')), 0)
})

test('patterns, databases and deadlines are as the plan says', { skip: !hasRedis }, async () => {
  const engine = await startEngine()
  const databases = [
    [0, 5],
    [3, 0],
  ] as const
  const patterns = ['fad*', 'other', 'member:1?']
  const result = await restore(engine, { plan: { databases, patterns, ttl: 'shift' } })
  assert.deepEqual([result.restored, result.filtered], [12, 2004])
  await talk(engine, async (connection) => {
    assert.equal(await connection.command('DBSIZE'), 11)
    await connection.command('SELECT', 5)
    const found = Number(await connection.command('PEXPIRETIME', 'fading'))
    assert.ok(Math.abs(found - deadlineMs - DAY_MS) < 60_000, `${found}`)
  })
  await restore(engine, { mode: 'flush', plan: { ttl: 'drop', patterns: ['fading'] } })
  const ttl = await talk(engine, (connection) => connection.command('TTL', 'fading'))
  assert.equal(ttl, -1)
})

test('what cannot be is refused before anything changes', { skip: !hasRedis }, async () => {
  const engine = await startEngine('redis-server')
  const refused = (text: RegExp) => (error: unknown) =>
    error instanceof RestoreRefused && text.test(error.message)
  await talk(engine, (connection) => connection.command('CONFIG', 'SET', 'maxmemory', '3mb'))
  await assert.rejects(restore(engine), refused(/bytes are needed, \d+ are left of maxmemory/))
  await talk(engine, (connection) => connection.command('CONFIG', 'SET', 'maxmemory', '0'))
  const plan = { databases: [[3, 99]] as const }
  await assert.rejects(restore(engine, { plan }), refused(/has no database 99/))
  const stranger = { ...engine.address, password: 'wrong' }
  await assert.rejects(
    restore(engine, { target: stranger }),
    (error) => error instanceof NodeError && error.kind === 'denied',
  )
  await talk(engine, (connection) => connection.command('REPLICAOF', '127.0.0.1', '1'))
  await assert.rejects(restore(engine), refused(/it is a replica/))
  await talk(engine, (connection) => connection.command('REPLICAOF', 'NO', 'ONE'))
  const cut = join(work, 'cut.rdb')
  writeFileSync(cut, Buffer.concat([...testRdb({ keys: 100, valueBytes: 100 })]).subarray(0, 5000))
  await assert.rejects(restore(engine, { source: await fileSource(cut) }), /end of the file/)
  assert.equal(await talk(engine, (connection) => connection.command('DBSIZE')), 0)
})

test('an interrupted restore says how far it came and goes on', { skip: !hasRedis }, async () => {
  const store = new DirectoryStore(join(work, 'objects'))
  const rdb = Buffer.concat([...testRdb({ keys: 40_000, valueBytes: 100 })])
  await store.put('from/elsewhere.rdb', rdb)
  const object = await objectSource(store, 'from/elsewhere.rdb')
  const engine = await startEngine()
  const stop = new AbortController()
  const interrupted = restore(engine, {
    source: object,
    signal: stop.signal,
    onProgress: ({ keys }) => keys > 0 && stop.abort(),
  })
  await assert.rejects(interrupted, (error) => {
    assert.ok(error instanceof RestoreInterrupted)
    assert.ok(error.keys > 0 && error.keys < 40_000, `${error.keys}`)
    assert.match(error.message, /of 40000 keys are in .*: run it again with replace to go on$/)
    return true
  })
  const result = await restore(engine, { source: object, mode: 'replace' })
  assert.equal(result.restored, 40_000)
  assert.equal(await talk(engine, (connection) => connection.command('DBSIZE')), 40_000)
})

test('values in older forms are the same values', { skip: !hasRedis }, async () => {
  const patterns = ['[^s]*', 'string', 'set*']
  const digests: string[] = []
  for (const payloadVersion of [12, 9]) {
    const engine = await startEngine('redis-server')
    const connection = await NodeConnection.connect(engine.address)
    const stream = new RestoreStream(
      {
        name: path,
        plan: { patterns, databases: [], ttl: 'keep', takenAtMs },
        nowMs: Date.now(),
        payloadVersion,
        hasFunctions: true,
        isReplacing: false,
        isDry: false,
      },
      async ({ bytes, starts }) => {
        const replies = await connection.sendEncoded(bytes, starts.length)
        assert.deepEqual(new Set(replies), new Set(['OK']))
      },
    )
    for await (const piece of (await source()).shards[0]!.chunks()) await stream.write(piece)
    const { rewritten, restored, unsupported } = await stream.finish()
    assert.deepEqual([rewritten, restored, unsupported], [payloadVersion === 9 ? 4 : 0, 2015, 0])
    connection.close()
    digests.push(await digestOf(engine))
  }
  assert.equal(digests[0], digests[1])
})

test('the version of payloads is what the engine takes', () => {
  const of = (engine: 'redis' | 'valkey' | 'tidemark', version: string) =>
    payloadVersionOf({ engine, version } as Parameters<typeof payloadVersionOf>[0])
  assert.equal(of('redis', '6.2.14'), 9)
  assert.equal(of('redis', '7.0.15'), 10)
  assert.equal(of('redis', '7.2.4'), 11)
  assert.equal(of('redis', '7.4.0'), 12)
  assert.equal(of('redis', '8.0.1'), 12)
  assert.equal(of('valkey', '8.1.0'), 11)
  assert.equal(of('tidemark', '0.1.0'), 12)
})

test('functions go where they run, and are a reason to refuse elsewhere', {
  skip: !hasRedis,
}, async () => {
  const code = `#!lua name=lib\nredis.register_function('hello', function() return 'wörld' end)`
  const [from, to, own] = [
    await startEngine('redis-server'),
    await startEngine('redis-server'),
    await startEngine(),
  ]
  await talk(from, async (connection) => {
    await connection.command('FUNCTION', 'LOAD', code)
    await connection.command('SET', 'key', 'value')
    await connection.command('SAVE')
  })
  const library = await fileSource(join(work, `engine-${directories - 2}`, 'dump.rdb'))
  for (const mode of ['empty', 'replace', 'flush'] as const) {
    const { functions } = await restore(to, { source: library, mode })
    assert.equal(functions, 1)
  }
  const reply = await talk(to, (connection) => connection.command('FCALL', 'hello', 0))
  assert.equal(String(reply), 'wörld')
  await assert.rejects(
    restore(own, { source: library }),
    (error) => error instanceof RestoreRefused && /takes no functions/.test(error.message),
  )
  const { restored } = await restore(own, { source: library, hasFunctions: false })
  assert.equal(restored, 1)
})

test('a stream in its first form has its entries, groups and consumers', {
  skip: !hasRedis,
}, async () => {
  const engine = await startEngine('redis-server')
  const payload = streamPayload(path)
  await talk(engine, async (connection) => {
    assert.equal(await connection.command('RESTORE', 'stream', '0', payload), 'OK')
    const shown = (reply: unknown) => JSON.stringify(reply)
    for (const line of ['XRANGE stream - +', 'XPENDING stream group', 'XLEN stream']) {
      const words = line.split(' ')
      const expected = await talk(origin, (other) => other.command(...words))
      assert.equal(shown(await connection.command(...words)), shown(expected), line)
    }
  })
})

/** The payload of the file's stream for Redis 6. */
function streamPayload(file: string): Uint8Array {
  const kernels = new Kernels(RdbSplitter.regionBytes + RestorePayload.regionBytes)
  const splitter = new RdbSplitter(kernels)
  const made = new RestorePayload(kernels, 9)
  splitter.begin(new BytesFile(file, readFileSync(file)))
  while (splitter.next() !== 'end') {
    if (Buffer.from(splitter.key).toString() !== 'stream') continue
    assert.ok(made.take(splitter))
    assert.equal(made.bytes[0], 15)
    return made.bytes.slice(0, made.length)
  }
  throw new Error('no stream in the file')
}
