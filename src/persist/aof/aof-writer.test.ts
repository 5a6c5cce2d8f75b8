// Goal: what is appended comes to disk in its order and whole, whatever fails on the way, and no
// position moves before its bytes are where it says. Method: the fake disk, whose answers come when
// the test wants; each operation fails in turn; power is cut at each operation.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { type DiskFault, FakeDisk, PowerCut } from '../../base/disk-fake.ts'
import { ForwardLog, LogLevel } from '../../base/log.ts'
import { Random } from '../../base/random.ts'
import { AofWriter, type SyncPolicy } from './aof-writer.ts'

const A = '/aof/a'
const B = '/aof/b'

class Bench {
  readonly clock = new FakeClock()
  readonly disk: FakeDisk
  readonly lines: string[] = []
  readonly settings: { syncPolicy: SyncPolicy; isSyncHeld: boolean; isSnapshotRunning: boolean }
  readonly writer: AofWriter
  readonly events = new Set<string>()
  isFatal = false
  /** All that was appended. */
  text = ''
  #count = 0

  constructor(syncPolicy: SyncPolicy, disk = new FakeDisk()) {
    this.disk = disk
    disk.makeDirectory('/aof')
    this.settings = { syncPolicy, isSyncHeld: false, isSnapshotRunning: false }
    this.writer = new AofWriter({
      clock: this.clock,
      log: new ForwardLog(this.clock, LogLevel.Debug, ({ message }) => this.lines.push(message)),
      settings: this.settings,
      onProgress: () => this.check(),
      onFatal: () => {
        this.isFatal = true
      },
      onDelay: (event) => this.events.add(event),
    })
    this.writer.open(disk.openPlaced(A))
    disk.syncDirectory('/aof')
  }

  append(text = `unit ${this.#count++};`): void {
    this.writer.append(Buffer.from(`__${text}`), 2, text.length)
    this.text += text
  }

  /** Lets the turn of the loop end. */
  turn(): void {
    this.clock.advance(1)
  }

  /** Lets time pass, as the cron does. */
  wait(ms: number): void {
    for (let at = 0; at < ms; at += 100) {
      this.clock.advance(100)
      this.writer.cron()
    }
  }

  get live(): string {
    return [A, B].map((path) => Buffer.from(this.disk.contents(path) ?? []).toString()).join('')
  }

  check(): void {
    const { appended, written, synced } = this.writer
    assert.ok(synced <= written && written <= appended && appended === this.text.length)
    assert.ok(this.live.startsWith(this.text.slice(0, written)), 'what is written is there')
  }
}

test('what is appended in a turn is one write, and one sync with always', () => {
  const bench = new Bench('always')
  const { disk, writer } = bench
  const before = disk.operations
  for (let i = 0; i < 5; i++) bench.append()
  assert.equal(writer.settled, 0)
  bench.turn()
  assert.equal(disk.operations - before, 2)
  assert.equal(bench.live, bench.text)
  assert.equal(writer.settled, bench.text.length)
  assert.ok(bench.events.has('aof-fsync-always') && bench.events.has('aof-write-alone'))
})

test('while a write is on its way, what comes gathers for the next', () => {
  const bench = new Bench('always')
  const { disk, writer } = bench
  disk.isDeferred = true
  bench.append()
  bench.turn()
  const first = bench.text.length
  for (let i = 0; i < 3; i++) {
    bench.append()
    bench.turn()
  }
  assert.equal(disk.pendingCount, 1)
  disk.proceed(1)
  assert.equal(writer.written, first)
  assert.equal(writer.settled, 0)
  // The sync of the first beside the write of the rest; then one sync for all of that.
  assert.equal(disk.pendingCount, 2)
  disk.proceed(1)
  assert.equal(writer.settled, first)
  disk.proceed()
  assert.equal(writer.settled, bench.text.length)
  assert.equal(bench.live, bench.text)
})

test('everysec syncs once a second, no not at all, and both promise at once', () => {
  for (const policy of ['everysec', 'no'] as const) {
    const bench = new Bench(policy)
    bench.append()
    assert.equal(bench.writer.settled, bench.text.length)
    bench.wait(1000)
    const { synced } = bench.writer
    assert.equal(synced, policy === 'no' ? 0 : bench.text.length)
    const before = bench.disk.operations
    for (let i = 0; i < 30; i++) {
      bench.append()
      bench.wait(100)
    }
    const syncs = bench.disk.operations - before - 30
    assert.ok(policy === 'no' ? syncs === 0 : syncs === 3 || syncs === 4, `${syncs} syncs`)
  }
})

test('no sync is begun while a save holds them; with always, writes count then', () => {
  const bench = new Bench('always')
  bench.settings.isSyncHeld = true
  bench.append()
  bench.turn()
  assert.equal(bench.writer.synced, 0)
  assert.equal(bench.writer.settled, bench.text.length)
  bench.settings.isSyncHeld = false
  assert.equal(bench.writer.settled, 0)
  bench.wait(100)
  assert.equal(bench.writer.settled, bench.text.length)
})

test('a full disk leaves whole writes, says why, and is over by itself', () => {
  const bench = new Bench('everysec')
  const { disk, writer } = bench
  bench.append()
  bench.wait(1000)
  const whole = bench.text
  disk.capacityBytes = disk.usedBytes + 3
  bench.append()
  bench.append()
  bench.turn()
  assert.equal(bench.live, whole, 'the short write is cut off')
  assert.equal(writer.failure, 'No space left on device')
  bench.wait(3000)
  assert.equal(bench.lines.length, 1, 'one line')
  bench.append()
  disk.capacityBytes = Number.POSITIVE_INFINITY
  bench.wait(1100)
  assert.equal(writer.failure, '')
  assert.equal(bench.live, bench.text)
  assert.match(bench.lines.at(-1)!, /can write again/)
})

test('with always a disk that refuses ends the server, with nothing promised', () => {
  for (const operation of ['write', 'fsync'] as const) {
    const bench = new Bench('always')
    bench.append()
    bench.turn()
    const kept = bench.text.length
    bench.disk.fail({ operation, code: 'EIO', nth: 1 })
    bench.append()
    bench.turn()
    assert.ok(bench.isFatal)
    assert.equal(bench.writer.settled, kept)
    assert.match(bench.lines.join('\n'), /Exiting\.\.\./)
    bench.disk.heal()
    bench.wait(2000)
    assert.equal(bench.writer.settled, kept, 'nothing is promised later')
  }
})

test('a sync that fails refuses writes until one succeeds, and asks for a rewrite', () => {
  const bench = new Bench('everysec')
  bench.disk.fail({ operation: 'fsync', code: 'EIO', times: 2 })
  bench.append()
  bench.wait(100)
  assert.equal(bench.writer.failure, 'Input/output error')
  bench.wait(2100)
  assert.equal(bench.writer.failure, '')
  assert.equal(bench.writer.synced, bench.text.length)
  assert.ok(bench.writer.isSuspect)
})

test('a write that hangs for two seconds is counted, once', () => {
  const bench = new Bench('everysec')
  bench.disk.isDeferred = true
  bench.append()
  bench.wait(1900)
  assert.equal(bench.writer.delayedSyncs, 0)
  bench.append()
  bench.wait(3000)
  assert.equal(bench.writer.delayedSyncs, 1)
  assert.ok(bench.writer.waitingMs >= 4800)
  bench.disk.proceed()
  assert.equal(bench.writer.waitingMs, 0)
})

test('after a switch the old file gets its own, is synced and closed, in every order', () => {
  for (const deferred of [false, true]) {
    for (const policy of ['always', 'everysec', 'no'] as const) {
      const bench = new Bench(policy)
      bench.disk.isDeferred = deferred
      bench.append('old;')
      bench.turn()
      bench.append('old too;')
      bench.writer.open(bench.disk.openPlaced(B))
      bench.append('new;')
      for (let i = 0; i < 20; i++) {
        bench.wait(500)
        bench.disk.proceed(1)
      }
      assert.equal(Buffer.from(bench.disk.contents(A)!).toString(), 'old;old too;')
      assert.equal(Buffer.from(bench.disk.contents(B)!).toString(), 'new;')
      assert.equal(bench.writer.written, bench.text.length)
      assert.ok(bench.writer.synced >= 'old;old too;'.length)
      assert.equal(bench.writer.fileBytes, 4)
    }
  }
})

test('flushNow writes also what hangs on its way, which then does no harm', () => {
  const bench = new Bench('everysec')
  const { disk, writer } = bench
  disk.isDeferred = true
  bench.append()
  bench.turn()
  bench.append()
  writer.flushNow()
  assert.equal(bench.live, bench.text)
  assert.equal(writer.synced, bench.text.length)
  bench.append()
  bench.turn()
  disk.proceed()
  assert.equal(bench.live, bench.text)
})

const FAULTS: readonly DiskFault['operation'][] = ['write', 'fsync', 'truncate', 'stat']

test('each operation fails in turn: nothing is lost or doubled once the disk is well', () => {
  for (const operation of FAULTS) {
    for (let nth = 1; nth <= 8; nth++) {
      const bench = new Bench('everysec')
      bench.disk.fail({ operation, code: 'EIO', nth, times: 2 })
      for (let i = 0; i < 10; i++) {
        bench.append()
        bench.wait(300)
        if (i === 4) {
          bench.disk.heal()
          bench.writer.open(bench.disk.openPlaced(B))
        }
      }
      bench.wait(4000)
      assert.equal(bench.live, bench.text, `${operation} ${nth}`)
      assert.equal(bench.writer.failure, '')
    }
  }
})

test('power is cut at each operation: what was settled with always is there', () => {
  const random = new Random(Number(process.env['SEED'] ?? 1))
  for (let at = 1; at < 40; at++) {
    const disk = new FakeDisk()
    const bench = new Bench('always', disk)
    bench.turn()
    disk.cutPowerAt(disk.operations + at)
    disk.isDeferred = at % 2 === 0
    let settled = 0
    try {
      for (let i = 0; i < 20; i++) {
        bench.append()
        bench.turn()
        disk.proceed(random.below(3))
        settled = bench.writer.settled
      }
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error
      settled = bench.writer.settled
    }
    disk.crash(random)
    const kept = Buffer.from(disk.contents(A)!).toString()
    assert.equal(kept.slice(0, settled), bench.text.slice(0, settled), `cut at ${at}`)
  }
})
