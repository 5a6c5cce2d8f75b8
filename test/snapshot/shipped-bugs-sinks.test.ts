// Goal: what others shipped as bugs of their snapshots does not happen here, by any method: rows of
// the list in shipped-bugs.test.ts that are about sinks which fail, stand still or go.
// Method: the disk in memory fails where it is told to, readers of streams take nothing for a
// while. After each end no page is held, the arena is as before, the reason can be seen, the next
// save works. While a sink stands still clients are served.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FILE, SCANNERS, type ScannerName } from '../../src/persist/snapshot/test-cut.ts'
import { SavingServer, SEED } from './saving-server.ts'
import { SlowReader } from './slow-reader.ts'
import { WatchedDisk } from './watched-disk.ts'

const KEYS = 6000
const TINY = { 'snapshot-reserve': '1%' } as const

function keyOf(i: number): string {
  return `key:${String(i).padStart(5, '0')}`
}

function fill(scene: SavingServer): void {
  const keys = Array.from({ length: KEYS }, (_, i) => keyOf(i))
  // Values that hardly compress: the file has some megabytes, written in several pieces.
  scene.fill(keys.map((key) => ['SET', key, noise(scene, 400)]))
  for (let i = 0; i < 5; i++) scene.do('SET', `large:${i}`, noise(scene, 200_000))
}

function noise({ random }: SavingServer, length: number): string {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = random.below(256)
  return bytes.toString('latin1')
}

function change(scene: SavingServer, turn: number): void {
  for (let i = 0; i < 4; i++) scene.call('SET', keyOf(scene.random.below(KEYS)), `${turn}`)
  scene.call('UNLINK', keyOf(scene.random.below(KEYS)))
  scene.call('SETRANGE', `large:${turn % 5}`, `${scene.random.below(200_000)}`, 'changed')
}

/** Pages that the arena has when all data is gone. */
function pagesWithoutKeys(scene: SavingServer): number {
  scene.do('FLUSHALL')
  scene.settle()
  return scene.keyspace.arena.pool.pagesUsed
}

/** How saves come to no good end; the status then, and the reason. */
const ENDS: readonly {
  readonly name: string
  readonly arrange: (scene: SavingServer) => void
  /** Called in the middle. */
  readonly disturb?: (scene: SavingServer) => void
  readonly status: 'ok' | 'err'
  readonly reason: RegExp
}[] = [
  {
    name: 'no space left',
    arrange: ({ server }) => {
      server.disk.capacityBytes = server.disk.usedBytes + 1_500_000
    },
    status: 'err',
    reason: /temp-.*ENOSPC/,
  },
  {
    name: 'an error of the device',
    arrange: ({ server }) => server.disk.fail({ operation: 'write', code: 'EIO', nth: 2 }),
    status: 'err',
    reason: /temp-.*EIO/,
  },
  {
    name: 'an error at the last fsync',
    arrange: ({ server }) => server.disk.fail({ operation: 'fsync', code: 'EIO' }),
    status: 'err',
    reason: /temp-.*EIO/,
  },
  {
    name: 'the permission lost',
    arrange: ({ server }) => server.disk.fail({ operation: 'rename', code: 'EACCES' }),
    status: 'err',
    reason: /EACCES/,
  },
  {
    name: 'a stop from outside',
    arrange: () => undefined,
    disturb: ({ persistence }) => persistence.abort(),
    status: 'ok',
    reason: /^$/,
  },
]

for (const scanner of SCANNERS) {
  describe(`shipped bugs, saves that end badly, ${scanner}`, () => {
    for (const { name, arrange, disturb, status, reason } of ENDS) {
      it(`${name}: latches leaked, the cause only in the log (dragonfly #8150, #2739)`, () => {
        const scene = new SavingServer({ scanner, config: TINY })
        const pagesBefore = pagesWithoutKeys(scene)
        fill(scene)
        const old = scene.save((turn) => change(scene, turn))
        change(scene, 0)
        arrange(scene)
        scene.begin()
        scene.finish((turn) => {
          change(scene, turn)
          if (turn === 30) disturb?.(scene)
        })
        assert.equal(scene.info('rdb_last_bgsave_status'), status)
        assert.match(scene.persistence.lastError, reason)
        assert.match(scene.info('rdb_last_bgsave_error'), reason)
        scene.settle()
        // The old file stands, nothing lies about, nothing is refused or late.
        scene.expectFile(old, 'the old file')
        assert.deepEqual(scene.server.disk.list('/data'), ['dump.rdb'])
        scene.replies.late = 0
        scene.do('SET', 'after', 'the failure')
        assert.equal(scene.replies.late, 0)
        scene.server.disk.heal()
        scene.server.disk.capacityBytes = Number.POSITIVE_INFINITY
        const saved = scene.save((turn) => change(scene, turn))
        scene.expectFile(saved, 'the next save')
        assert.equal(scene.info('rdb_last_bgsave_status'), 'ok')
        assert.equal(scene.info('rdb_last_bgsave_error'), '')
        assert.equal(pagesWithoutKeys(scene), pagesBefore)
      })
    }
  })
}

for (const scanner of SCANNERS) {
  describe(`shipped bugs, sinks that stand still, ${scanner}`, () => {
    it('sleeping with a latch held made every client late (dragonfly #7846)', () => {
      const scene = new SavingServer({ scanner, config: { 'snapshot-reserve': '1mb' } })
      fill(scene)
      const { atCut, nowMs } = scene.begin()
      // The thread does nothing at all; writers fill the reserve until they are held.
      const writer = scene.server.connect()
      let sent = 0
      while (writer.take() === '' && writer.call('SET', keyOf(sent), 'w'.repeat(400)) !== '') sent++
      assert.equal(scene.server.engine.server.writeDelay.waitingCount, 1)
      // Readers are served at once, as often as they like, and so is what changes no data.
      for (let i = 0; i < 500; i++) assert.match(scene.client.call('GET', keyOf(i)), /^\$/)
      assert.equal(scene.client.call('PING'), '+PONG\r\n')
      assert.match(scene.client.call('SNAPSHOT', 'STATUS'), /writers_waiting\r\n:1\r\n/)
      assert.equal(scene.persistence.cutFigures?.waits, 0, 'the engine slept nowhere')
      scene.finish(() => undefined)
      scene.clock.advance(10)
      assert.equal(writer.take(), '+OK\r\n')
      scene.settle()
      scene.expectFile({ atCut, nowMs })
    })

    it('a slow replica stopped writes for seconds (dragonfly #7473, #6808)', () => {
      const scene = new SavingServer({ scanner, config: TINY })
      fill(scene)
      const reader = new SlowReader(scene.server.runner)
      const [writer, other] = [scene.server.connect(), scene.server.connect()]
      let answered = 0
      // In the middle of what the thread waits for: clients go on, or stand in line.
      reader.onStall = () => {
        assert.match(other.call('GET', keyOf(1)), /^\$/)
        for (let i = 0; i < 3; i++) {
          answered += writer.call('SET', keyOf(scene.random.below(KEYS)), 'stalled').length
        }
        scene.clock.advance(0.5)
        answered += writer.take().length
      }
      scene.persistence.requestStream(reader.request)
      const saved = scene.save((turn) => {
        reader.take(500)
        change(scene, turn)
      })
      assert.ok(reader.stalls > 20, `${reader.stalls} stalls`)
      assert.ok(answered > 0, 'writers are served as well')
      assert.ok(saved.figures.usedPeak <= saved.boundPages + 64, `${saved.figures.usedPeak} pages`)
      reader.take(Number.POSITIVE_INFINITY)
      assert.equal(reader.error, null)
      assert.deepEqual(reader.bytes(), scene.server.disk.contents(FILE))
      scene.settle()
      scene.expectFile(saved)
    })

    // With seed 5 pages are spilled while the scan is on its way from the thread to the engine.
    for (const seed of [SEED, 5]) {
      it(`a replica that goes in the middle leaves the file to its end, seed ${seed}`, () => {
        leavingReplica(new SavingServer({ scanner, config: TINY, seed }))
      })
    }

    it('a stuck save blocked everything after it, and Sentinel (valkey #2322)', () => {
      stuckSave(scanner)
    })

    it('fsync and rename stopped all clients for 14 s (dragonfly #3895)', () => {
      const disk = new WatchedDisk()
      const scene = new SavingServer({ scanner, config: TINY, disk })
      fill(scene)
      const { runner } = scene.server
      const step = runner.step.bind(runner)
      let isStep = false
      disk.isThread = () => isStep
      runner.step = () => {
        const before = isStep
        isStep = true
        step()
        isStep = before
      }
      disk.byEngine.length = 0
      // Files are created as the job begins, which here the engine's side calls.
      const saved = scene.save((turn) => change(scene, turn))
      assert.deepEqual(
        disk.byEngine.filter((what) => !what.startsWith('create')),
        [],
        'the engine waits for no disk',
      )
      for (const what of ['write', 'fsync', 'rename']) {
        assert.ok(
          disk.byThread.some((each) => each.startsWith(what)),
          what,
        )
      }
      scene.settle()
      scene.expectFile(saved)
    })
  })
}

/** A sink takes nothing, for good; with save points and writes refused after a failure. */
function stuckSave(scanner: ScannerName): void {
  const config = { ...TINY, save: '3600 1000000', 'snapshot-stall-timeout': '5' }
  const scene = new SavingServer({ scanner, config })
  fill(scene)
  const subscriber = scene.server.connect()
  subscriber.call('SUBSCRIBE', '__sentinel__:hello')
  const { atCut } = scene.begin()
  const writer = scene.server.connect()
  // The thread hangs in a call of the system: it takes no step any more.
  for (let i = 0; scene.persistence.isSaving; i++) {
    assert.ok(i < 100_000, 'a save that stands still is given up')
    writer.call('SET', keyOf(i % KEYS), 'while it hangs')
    assert.equal(scene.client.call('PUBLISH', '__sentinel__:hello', 'alive'), ':1\r\n')
    scene.clock.advance(20)
  }
  assert.match(scene.persistence.lastError, /nothing was written for 5 s/)
  assert.equal(scene.info('rdb_last_bgsave_status'), 'err')
  // Writes are refused then, as configured; what Sentinel needs is not.
  assert.match(scene.call('SET', 'key', 'value'), /^-MISCONF/)
  assert.equal(scene.client.call('PUBLISH', '__sentinel__:hello', 'alive'), ':1\r\n')
  assert.match(subscriber.take(), /alive/)
  scene.settle()
  // The thread is back: the next save works, and writes do.
  scene.finish(() => undefined)
  for (let i = 0; scene.persistence.snapshots.isThreadLost; i++) {
    assert.ok(i < 1000)
    scene.turn()
  }
  const saved = scene.save(() => undefined)
  assert.notDeepEqual(saved.atCut, atCut)
  scene.expectFile(saved)
  scene.do('SET', 'key', 'value')
}

/** Two replicas want the stream of a save, of which one goes. */
function leavingReplica(scene: SavingServer): void {
  fill(scene)
  const { runner } = scene.server
  const [stays, goes] = [new SlowReader(runner), new SlowReader(runner)]
  scene.persistence.requestStream(stays.request)
  scene.persistence.requestStream(goes.request)
  const saved = scene.save((turn) => {
    if (turn === 40) goes.leave()
    stays.take(10_000)
    change(scene, turn)
  })
  stays.take(Number.POSITIVE_INFINITY)
  assert.match(goes.error ?? '', /its reader has gone/)
  assert.equal(stays.error, null)
  assert.deepEqual(stays.bytes(), scene.server.disk.contents(FILE))
  scene.settle()
  scene.expectFile(saved)
}
