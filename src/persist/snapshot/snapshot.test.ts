// Goal: the file of a background save is exactly the keyspace at the instant of the cut, whatever
// is written meanwhile, whoever wins a race, and with any reserve; no page changes without touch.
// Method: seeded random changes between single steps of the scanner (on the same thread, so that
// each interleaving can be forced, with a reserve so small that writers must wait), in checking
// mode. The file is loaded into a second keyspace and compared with a model taken at the cut.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { KEEP_DEADLINE } from '../../keyspace/database.ts'
import { contentsOf } from '../../keyspace/test-contents.ts'
import { NULL } from '../../memory/layout.ts'
import { refuseBuffers } from '../../memory/test-refusal.ts'
import {
  expectAllSeen,
  FILE,
  finishSave,
  NOW_MS,
  SCANNERS,
  type ScannerName,
  TestCut,
} from './test-cut.ts'

const SEED = Number(process.env.SEED ?? 1)
const ROUNDS = Number(process.env.ROUNDS ?? 15)
/** Strings of the test of large ones. */
const LARGE = 12

/** A keyspace with persistence on a disk in memory. */
class Bench extends TestCut {
  constructor(seed: number, reservePages: number, scanner: ScannerName = 'background') {
    super({ seed, reservePages, scanner, databaseCount: 4 })
    this.settings.keepsClocks = seed % 3 === 0
  }

  key(i: number): Slice {
    return Slice.ofText(i % 97 === 96 ? `long${i}${'x'.repeat(1500)}` : `key:${i}`)
  }

  value(): Slice {
    const { random } = this
    const kind = random.below(100)
    const length =
      kind < 60
        ? random.below(200)
        : kind < 90
          ? random.below(6000)
          : kind < 98
            ? 16_000 + random.below(60_000)
            : random.below(1_400_000)
    if (kind < 10) return Slice.ofText(String(random.u32()))
    const bytes = Buffer.alloc(length, 97 + random.below(26))
    // Some of it incompressible.
    for (let i = 0; i < length && i < 300; i++) bytes[i] = random.u32() & 0xff
    return new Slice().set(bytes, 0, length)
  }

  /** One random change, as commands make them. */
  change(keyCount: number): void {
    const { random, keyspace } = this
    const database = keyspace.databases[random.below(3)]!
    const key = this.key(random.below(keyCount))
    const choice = random.below(100)
    if (choice < 45) {
      const kind = random.below(3)
      const deadline = kind === 0 ? 0 : kind === 1 ? KEEP_DEADLINE : NOW_MS + 1_000_000
      database.putString(key, this.value(), deadline)
      return
    }
    const record = database.findForWrite(key)
    if (record === NULL) return
    if (choice < 60) database.remove(record)
    else if (choice < 75) {
      const length = database.stringLength(record)
      const text = Slice.ofText('appended'.repeat(1 + random.below(300)))
      database.writeString(database.growString(record, length + text.length), length, text)
    } else if (choice < 85) {
      database.setDeadline(record, random.below(2) === 0 ? 0 : NOW_MS + 5_000_000)
    } else if (choice < 92 && database.stringLength(record) > 4) {
      database.writeString(record, database.stringLength(record) - 3, Slice.ofText('end'))
    } else if (choice < 97) {
      const target = keyspace.databases[random.below(3)]!
      const other = this.key(random.below(keyCount))
      const existing = target.peek(other)
      if (existing === record) return
      if (existing !== NULL) target.remove(existing)
      database.moveTo(database.peek(key), target, other)
    } else if (choice === 97) database.swapWith(keyspace.databases[random.below(4)]!)
    else if (choice === 98 && random.below(10) === 0) {
      keyspace.flush(database)
      if (random.below(2) === 0) keyspace.reclaimAll()
    } else if (choice === 99) keyspace.reclaimStep()
  }

  /** Strings from 20 KB to 2 MB, of which some compress. */
  fillLarge(): void {
    for (let i = 0; i < LARGE; i++) {
      const length = i % 5 === 4 ? 2_000_000 - this.random.below(9) : 20_000 * (1 + i)
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; at++) bytes[at] = i % 2 === 0 ? this.random.u32() : at >>> 9
      this.keyspace.databases[0]!.putString(this.key(i), new Slice().set(bytes, 0, length), 0)
    }
  }

  /** As SETRANGE, SETBIT, APPEND, and now and then DEL and SET do. */
  changeLarge(): void {
    const { random } = this
    const database = this.keyspace.databases[0]!
    const key = this.key(random.below(LARGE))
    const record = database.findForWrite(key)
    const choice = random.below(200)
    if (record === NULL || choice === 0) {
      database.putString(key, this.value(), 0)
      return
    }
    if (choice === 1) return database.remove(record)
    const length = database.stringLength(record)
    const text = Slice.ofText('range'.repeat(1 + random.below(choice < 20 ? 3000 : 9)))
    if (choice < 80 && length > text.length) {
      database.writeString(record, random.below(length - text.length), text)
    } else if (choice < 140 && length > 0) {
      database.writeString(record, random.below(length), Slice.ofText('b'))
    } else {
      database.writeString(database.growString(record, length + text.length), length, text)
    }
  }

  /** Keys with value and deadline, by database. */
  contents(): Map<string, string>[] {
    return contentsOf(this.keyspace)
  }

  /** What a fresh server finds in the file. */
  reloaded(): Map<string, string>[] {
    const other = new Bench(99, 64)
    other.disk.put('/data/dump.rdb', this.disk.contents('/data/dump.rdb')!)
    other.persistence.loadNow({ mayOverwrite: false })
    other.keyspace.check()
    return contentsOf(other.keyspace)
  }
}

for (let round = 0; round < ROUNDS; round++) {
  const seed = SEED * 1000 + round
  const reservePages = [8, 9, 16, 64, 1024][round % 5]!
  const keyCount = [30, 300, 2000][round % 3]!
  for (const scanner of SCANNERS) {
    test(`seed ${seed}, ${scanner}: ${keyCount} keys, reserve of ${reservePages} pages`, () => {
      const bench = new Bench(seed, reservePages, scanner)
      for (let i = 0; i < keyCount * 3; i++) bench.change(keyCount)
      for (let save = 0; save < 3; save++) {
        const atCut = bench.contents()
        let writes = 0
        finishSave(bench, scanner, () => {
          // Sometimes only the writer runs, sometimes only the scanner, mostly both.
          const turns = bench.random.below(8)
          for (let i = 0; i < turns; i++, writes++) if (writes < 4000) bench.change(keyCount)
        })
        bench.keyspace.reclaimAll()
        bench.keyspace.check()
        assert.deepEqual(bench.reloaded(), atCut, `SEED=${SEED}, round ${round}, save ${save}`)
      }
    })
  }
}

for (const scanner of SCANNERS) {
  test(`large strings are written to at any place while they are emitted, ${scanner}`, () => {
    for (const [round, reservePages] of [8, 16, 64, 1024].entries()) {
      const seed = SEED * 1000 + 500 + round
      const bench = new Bench(seed, reservePages, scanner)
      bench.fillLarge()
      const atCut = bench.contents()
      finishSave(bench, scanner, () => {
        for (let i = bench.random.below(4); i > 0; i--) bench.changeLarge()
      })
      bench.keyspace.reclaimAll()
      bench.keyspace.check()
      assert.deepEqual(bench.reloaded(), atCut, `SEED=${SEED}, round ${round}`)
    }
  })
}

test('pages were spilled, freed ones held, and the scan handed over both ways', expectAllSeen)

test('SAVE writes the keyspace as it is', () => {
  const bench = new Bench(5, 64)
  for (let i = 0; i < 2000; i++) bench.change(500)
  assert.equal(bench.persistence.save(), null)
  assert.deepEqual(bench.reloaded(), bench.contents())
  bench.keyspace.check()
})

test('an aborted save leaves the old file and no page held', () => {
  const bench = new Bench(6, 64)
  for (let i = 0; i < 500; i++) bench.change(200)
  assert.equal(bench.persistence.save(), null)
  const old = bench.contents()
  for (let i = 0; i < 500; i++) bench.change(200)
  bench.persistence.startBackground()
  for (let i = 0; i < 100; i++) bench.change(200)
  bench.runner.step()
  bench.persistence.abort()
  assert.equal(bench.persistence.isSaving, false)
  assert.deepEqual(bench.reloaded(), old)
  assert.deepEqual(bench.disk.list('/data'), ['dump.rdb'])
  bench.keyspace.reclaimAll()
  bench.keyspace.check()
  assert.equal(bench.persistence.save(), null)
  assert.deepEqual(bench.reloaded(), bench.contents())
})

for (const code of ['ENOSPC', 'EIO'] as const) {
  for (const operation of ['open', 'write', 'fsync', 'rename'] as const) {
    test(`${code} at ${operation} fails the save and keeps the old file; the next works`, () => {
      const bench = new Bench(7, 16)
      for (let i = 0; i < 800; i++) bench.change(300)
      assert.equal(bench.persistence.save(), null)
      const old = bench.contents()
      for (let i = 0; i < 300; i++) bench.change(300)
      bench.disk.fail({ operation, code, nth: 1, times: 1 })
      bench.persistence.startBackground()
      for (let i = 0; bench.persistence.isSaving; i++) {
        if (i < 500) bench.change(300)
        bench.runner.step()
        bench.persistence.cron()
      }
      assert.match(bench.persistence.lastError, new RegExp(`/data/temp-.*${code}`))
      assert.equal(bench.persistence.isLastSaveOk, false)
      assert.deepEqual(bench.reloaded(), old)
      assert.deepEqual(bench.disk.list('/data'), ['dump.rdb'])
      bench.disk.heal()
      assert.equal(bench.persistence.save(), null)
      assert.equal(bench.persistence.isLastSaveOk, true)
      assert.deepEqual(bench.reloaded(), bench.contents())
      bench.keyspace.check()
    })
  }
}

test('a failed SAVE is reported, but writes go on', () => {
  const bench = new Bench(7, 16)
  bench.change(300)
  bench.disk.fail({ operation: 'fsync', code: 'EIO', nth: 1, times: 1 })
  assert.match(bench.persistence.save() ?? '', /EIO/)
  assert.equal(bench.persistence.isLastSaveOk, true)
})

test('without save points a save under way ends with the keys of its cut, FLUSHALL or not', () => {
  const bench = new Bench(11, 64)
  for (let i = 0; i < 2000; i++) bench.change(600)
  const atCut = bench.contents()
  assert.equal(bench.persistence.startBackground(), null)
  bench.runner.step()
  for (const database of bench.keyspace.databases) bench.keyspace.flush(database)
  const isAwaited = bench.persistence.replaceFlushed(() => assert.fail('nobody waits'))
  assert.equal(isAwaited, false)
  bench.keyspace.reclaimAll()
  for (let i = 0; bench.persistence.isSaving; i++) {
    bench.runner.step()
    if (i < 1000) bench.change(600)
    bench.persistence.cron()
  }
  bench.keyspace.check()
  assert.equal(bench.persistence.lastError, '')
  assert.deepEqual(bench.reloaded(), atCut)
})

test('FLUSHALL during a save: it ends with the keys of its cut, and an empty file follows', () => {
  for (const stepsBefore of [0, 1, 40]) {
    const bench = new Bench(9, 16)
    bench.settings.savePoints = [{ seconds: 1000, changes: 100_000 }]
    for (let i = 0; i < 800; i++) bench.change(300)
    bench.keyspace.dirty = 800
    const atCut = bench.contents()
    bench.persistence.startBackground()
    for (let i = 0; i < stepsBefore; i++) bench.runner.step()
    flushAll(bench)
    // Nobody has to wait for it.
    assert.equal(bench.persistence.replaceFlushed(assert.fail), false)
    for (let i = 0; i < 60; i++) bench.change(100)
    const { saveTotal } = bench.persistence
    while (bench.persistence.saveTotal === saveTotal) {
      bench.runner.step()
      bench.persistence.cron()
    }
    assert.deepEqual(bench.reloaded(), atCut, `after ${stepsBefore} steps`)
    while (bench.persistence.isSaving) {
      bench.runner.step()
      bench.persistence.cron()
    }
    assert.deepEqual(bench.reloaded(), bench.contents())
    assert.deepEqual(bench.disk.list('/data'), ['dump.rdb'])
  }
})

test('FLUSHALL with save points is done when the empty file is written', () => {
  const bench = new Bench(9, 16)
  bench.settings.savePoints = [{ seconds: 1000, changes: 100_000 }]
  for (let i = 0; i < 800; i++) bench.change(300)
  bench.keyspace.dirty = 800
  flushAll(bench)
  let doneCount = 0
  assert.equal(
    bench.persistence.replaceFlushed(() => doneCount++),
    true,
  )
  for (let i = 0; i < 400 && doneCount === 0; i++) {
    bench.runner.step()
    bench.clock.advance(1)
  }
  assert.equal(doneCount, 1)
  assert.equal(bench.keyspace.dirty, 0)
  assert.deepEqual(bench.reloaded(), bench.contents())
  // Nothing has changed since: nothing to wait for.
  assert.equal(bench.persistence.replaceFlushed(assert.fail), false)
})

function flushAll({ keyspace }: Bench): void {
  for (const database of keyspace.databases) keyspace.dirty += keyspace.flush(database)
}

test('a reserve that the system has no memory for is made smaller, and the save goes on', () => {
  const bench = new Bench(5, 8192)
  for (let i = 0; i < 300; i++) bench.change(100)
  // 32, 16, 8, 4, 2 and 1 MiB, each with a quarter for overdrafts, are refused.
  const refusals = refuseBuffers(1024 * 1024, () => {
    assert.equal(bench.persistence.save(), null)
  })
  assert.equal(refusals, 6)
  assert.deepEqual(bench.reloaded(), bench.contents())
})

test('a crash during a save leaves the old file or the new one', () => {
  for (let at = 1; at < 12; at++) {
    const bench = new Bench(8, 16)
    for (let i = 0; i < 300; i++) bench.change(100)
    assert.equal(bench.persistence.save(), null)
    const old = bench.contents()
    for (let i = 0; i < 300; i++) bench.change(100)
    const next = bench.contents()
    bench.disk.cutPowerAt(bench.disk.operations + at)
    try {
      bench.persistence.save()
    } catch {
      // The power is gone; what counts is what the disk kept.
    }
    bench.disk.crash(new Random(SEED + at))
    const kept = bench.reloaded()
    const isOld = isSame(kept, old)
    assert.ok(isOld || isSame(kept, next), `crash at operation ${at}`)
  }
})

function isSame(a: Map<string, string>[], b: Map<string, string>[]): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}

for (const scanner of SCANNERS) {
  test(`a database that is being freed at the cut takes nothing with it, ${scanner}`, () => {
    const bench = new Bench(SEED, 64, scanner)
    const [flushed, other] = bench.keyspace.databases
    assert.ok(flushed !== undefined && other !== undefined)
    const value = new Slice().set(Buffer.alloc(150_000, 'a'), 0, 150_000)
    for (let i = 0; i < 250; i++) flushed.putString(bench.key(i), value, 0)
    // The records move behind all spans: what names a span is freed after it.
    for (let i = 0; i < 250; i++)
      flushed.setDeadline(flushed.peek(bench.key(i)), NOW_MS + 9_000_000)
    bench.keyspace.flush(flushed)
    assert.equal(bench.keyspace.reclaimStep(), true, 'half of it is left')
    value.bytes.fill(98)
    for (let i = 0; i < 200; i++) other.putString(bench.key(i), value, 0)
    const atCut = contentsOf(bench.keyspace)
    finishSave(bench, scanner, () => {
      if (bench.random.below(5) === 0) bench.keyspace.reclaimStep()
    })
    const loaded = new Bench(SEED + 1, 64, scanner)
    loaded.disk.put(FILE, bench.disk.contents(FILE)!)
    loaded.persistence.loadNow({ mayOverwrite: false })
    assert.deepEqual(contentsOf(loaded.keyspace), atCut)
  })
}
