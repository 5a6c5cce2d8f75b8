// Goal: the service takes what is due, verifies it, expires what may go, tells of all that, and
// does not stop for what goes wrong. Method: a primary made for tests, a directory store, and a
// clock that the test moves; a store that is away, a source that breaks off, a damaged part.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { listBackups, pinBackup } from '../backup/catalog.ts'
import { testRdb, testRdbBytes } from '../backup/test-rdb.ts'
import { TestPrimary } from '../source/test-primary.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { type ObjectStore, StoreFault } from '../store/object-store.ts'
import { parseConfig } from './read-config.ts'
import { BackupService } from './service.ts'
import { serveMetrics } from './service-metrics.ts'

const SHAPE = { keys: 200, valueBytes: 100 }
const DAY_MS = 86_400_000
const NEVER = new AbortController().signal
const COST = { pricePerGbMonth: 1, freePerCluster: 1 }

const work = mkdtempSync(join(tmpdir(), 'tidemark-service-'))
after(() => rmSync(work, { recursive: true, force: true }))

let stores = 0
function newStore(): DirectoryStore {
  return new DirectoryStore(join(work, `store-${++stores}`))
}

async function startPrimary(): Promise<TestPrimary> {
  const primary = await TestPrimary.start({
    snapshot: () => testRdb(SHAPE),
    length: testRdbBytes(SHAPE),
    password: 'secret',
  })
  after(() => primary.stop())
  return primary
}

class Bench {
  nowMs = Date.now()
  readonly lines: string[] = []
  readonly service: BackupService

  private constructor(service: (bench: Bench) => BackupService) {
    this.service = service(this)
  }

  static async make(store: ObjectStore, port: number, more = {}): Promise<Bench> {
    const cluster = { name: 'main', from: `redis://:secret@127.0.0.1:${port}`, retentionDays: 1 }
    const verify = { level: 'parts', everyHours: 1 }
    const text = JSON.stringify({ stores: 'unused', clusters: [{ ...cluster, ...more }], verify })
    const config = await parseConfig(text, 'test', { environment: {}, directory: work })
    return new Bench(
      (bench) =>
        new BackupService({
          config,
          store,
          identities: [],
          mayExpire: true,
          toolVersion: '0.0.0',
          log: (level, line) => bench.lines.push(`${level} ${line}`),
          now: () => bench.nowMs,
        }),
    )
  }

  pass(): Promise<boolean> {
    return this.service.pass(NEVER)
  }

  has(pattern: RegExp): boolean {
    return this.lines.some((line) => pattern.test(line))
  }
}

test('the first pass takes a backup and verifies it; the second has nothing to do', async () => {
  const store = newStore()
  const { port } = await startPrimary()
  const bench = await Bench.make(store, port)
  assert.equal(await bench.pass(), true, bench.lines.join('\n'))
  bench.service.checkFreshness()
  const [entry, ...others] = await listBackups(store)
  assert.equal(entry?.manifest?.kind, 'automatic')
  assert.equal(entry?.verification?.isGood, true)
  assert.deepEqual(others, [])
  assert.equal(await bench.pass(), true)
  assert.equal((await listBackups(store)).length, 1)
  assert.ok(!bench.has(/alarm/) && !bench.has(/secret/), bench.lines.join('\n'))
})

test('the alarm is raised when nothing was verified for too long, and taken back', async () => {
  const store = newStore()
  const primary = await startPrimary()
  const bench = await Bench.make(store, primary.port)
  bench.service.checkFreshness()
  assert.ok(!bench.has(/alarm/), 'nothing is known before the first listing')
  await bench.pass()
  await primary.stop()
  bench.nowMs += 3 * DAY_MS
  assert.equal(await bench.pass(), false)
  bench.service.checkFreshness()
  assert.ok(bench.has(/^alarm main: no verified backup of the last 48 h: the newest is of/))
  const failures = bench.lines.filter((line) => /again in 60 s/.test(line)).length
  assert.equal(failures, 1)
  // The next attempt waits for its time.
  await bench.pass()
  assert.equal(bench.service.clusters[0]?.counts.failed, 1)
  bench.nowMs += 61_000
  await bench.pass()
  assert.ok(bench.has(/again in 120 s/))
})

test('a damaged backup is found by a drill, named, and is not what keeps another one', async () => {
  const store = newStore()
  const { port } = await startPrimary()
  const bench = await Bench.make(store, port)
  await bench.pass()
  const [entry] = await listBackups(store)
  const object = entry?.manifest?.shards[0]?.part.object ?? ''
  const path = join(store.url, object)
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(path, bytes)
  bench.nowMs += 2 * 3_600_000
  await bench.pass()
  assert.ok(bench.has(/^alarm .*DAMAGED: .*shard-0000/), bench.lines.join('\n'))
  assert.equal(bench.service.clusters[0]?.isFresh(bench.nowMs), false)
})

test('what has expired goes, but not what is pinned nor the last one', async () => {
  const store = newStore()
  const { port } = await startPrimary()
  const bench = await Bench.make(store, port)
  for (let day = 0; day < 3; day++) {
    assert.equal(await bench.pass(), true, bench.lines.join('\n'))
    const [newest] = (await listBackups(store)).toReversed()
    if (day === 0) await pinBackup(store, newest?.name ?? '', 'audit')
    bench.nowMs += DAY_MS + 1000
  }
  // The manifests have the real time: all of them are two days old now, or younger than a day.
  const entries = await listBackups(store)
  assert.ok(entries.some(({ pin }) => pin !== null))
  bench.nowMs += 10 * DAY_MS
  bench.service.clusters[0]?.noteFailed('not now', bench.nowMs)
  await bench.pass()
  const left = await listBackups(store)
  assert.equal(left.length, 2, bench.lines.join('\n'))
  assert.equal(left.filter(({ pin }) => pin !== null).length, 1)
})

test('a store that is away stops nothing, and is seen', async () => {
  const store = newStore()
  let isAway = true
  const flaky = new Proxy(store, {
    get(target, name) {
      if (name === 'list' && isAway) {
        return () => {
          throw new StoreFault('unavailable', 'the store is away')
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const { port } = await startPrimary()
  const bench = await Bench.make(flaky, port)
  assert.equal(await bench.pass(), false)
  assert.equal(bench.service.storeProblem, 'the store is away')
  isAway = false
  assert.equal(await bench.pass(), true, bench.lines.join('\n'))
  assert.equal(bench.service.storeProblem, '')
})

test('metrics and readiness', async () => {
  const store = newStore()
  const { port } = await startPrimary()
  const bench = await Bench.make(store, port)
  const server = await serveMetrics(bench.service, { host: '127.0.0.1', port: 0, cost: COST })
  after(() => server.close())
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  assert.equal((await fetch(`${url}/ready`)).status, 503)
  await bench.pass()
  assert.equal((await fetch(`${url}/ready`)).status, 200)
  assert.equal((await fetch(`${url}/health`)).status, 200)
  assert.equal((await fetch(`${url}/other`)).status, 404)
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405)
  const text = await (await fetch(`${url}/metrics`)).text()
  assert.match(text, /^tidemark_backup_fresh\{cluster="main"\} 1$/m)
  assert.match(text, /^tidemark_backup_runs_total\{cluster="main",result="done"\} 1$/m)
  for (const line of text.trimEnd().split('\n')) {
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-\d.e+]+)$/)
  }
})

test('a stop ends the service in the middle of a backup and leaves nothing', async () => {
  const store = newStore()
  const primary = await TestPrimary.start({
    snapshot: () => testRdb(SHAPE),
    length: testRdbBytes(SHAPE),
    password: 'secret',
    cutAfter: 5000,
    isSilent: true,
  })
  after(() => primary.stop())
  const bench = await Bench.make(store, primary.port)
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 300)
  await bench.service.run(stop.signal)
  const names = await Array.fromAsync(store.list(''), ({ name }) => name)
  assert.deepEqual(names, [])
})
