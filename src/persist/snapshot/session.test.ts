// Goal: whenever a snapshot is ended before its time, and wherever its thread is just then, nothing
// is left of it: no page held, no temporary file, and the next save works. A thread that hangs in a
// write is left there, and nothing is saved until it is back. Who waits for a cut gets one, by the
// rules of persistence.ts.
// Method: test cuts; "a write hangs" is the disk's hook, inside of which the engine goes on.

import assert, { deepEqual, equal, match, ok } from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { FILE, type ScannerName, setCores } from './test-cut.ts'
import { checkSame, SinkBench, type StreamReader } from './test-sinks.ts'

const METHODS = ['background', 'cooperative'] as const
const HANGS = /snapshot thread hangs/

/** A bench with a file on its disk. */
function savedBench(scanner: ScannerName, reservePages = 256, lengthMax = 3000): SinkBench {
  const bench = new SinkBench({ scanner, reservePages, lengthMax })
  if (scanner === 'changing') setCores(bench.disk, 2)
  equal(bench.persistence.save(), null)
  for (let i = 0; i < 100; i++) bench.change()
  return bench
}

/** Ends the snapshot under way; the old file stands and all is freed. */
function abortAndCheck(bench: SinkBench, old: Uint8Array | null): void {
  bench.persistence.abort()
  equal(bench.persistence.lastEnd?.outcome.kind, 'aborted')
  equal(bench.persistence.isLastSaveOk, true)
  ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
  bench.checkFreed()
  bench.checkNextSave()
}

describe('an abort', () => {
  for (const scanner of METHODS) {
    for (const turns of [0, 1, 2, 4, 8, 16]) {
      test(`${scanner}: after ${turns} turns of the scan`, () => {
        const bench = savedBench(scanner)
        const old = bench.disk.contents(FILE)
        const reader = bench.request()
        bench.persistence.startBackground()
        bench.runner.onStall = () => bench.takeAll(1)
        for (let i = 0; i < turns; i++) bench.turn()
        assert.ok(bench.persistence.isSaving, 'it is not over yet')
        abortAndCheck(bench, old)
        match(reader.end ?? '', /stopped before its end/)
        equal(reader.hasEndFrame, false)
      })
    }

    test(`${scanner}: while the stream is stalled`, () => {
      const bench = savedBench(scanner)
      const old = bench.disk.contents(FILE)
      const reader = bench.request()
      bench.persistence.startBackground()
      let looks = 0
      bench.runner.onStall = () => {
        if (scanner === 'cooperative') bench.clock.advance(0.3)
        if (!bench.persistence.isSaving) return
        bench.change()
        if (looks++ === 300) bench.persistence.abort()
      }
      bench.finish()
      // The step that found itself without a cut comes to its end.
      while (bench.runner.isBusy) bench.runner.step()
      equal(bench.persistence.snapshots.isThreadLost, false)
      equal(reader.hasEndFrame, false)
      ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
      bench.runner.onStall = () => bench.takeAll(1)
      bench.checkFreed()
      bench.checkNextSave()
    })

    test(`${scanner}: in the sync at the end: nothing is replaced any more`, () => {
      const bench = savedBench(scanner)
      const old = bench.disk.contents(FILE)
      bench.persistence.startBackground()
      bench.disk.onSync = (path) => {
        if (path.endsWith('.rdb') && bench.persistence.isSaving) bench.persistence.abort()
      }
      bench.finish()
      while (bench.runner.isBusy) bench.runner.step()
      bench.disk.onSync = () => undefined
      equal(bench.persistence.lastEnd?.outcome.kind, 'aborted')
      equal(bench.persistence.snapshots.isThreadLost, false)
      ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
      bench.checkFreed()
      bench.checkNextSave()
    })
  }

  test('while the engine waits for the thread to leave it the scan', () => {
    const bench = savedBench('changing')
    const old = bench.disk.contents(FILE)
    bench.persistence.startBackground()
    for (let i = 0; i < 3; i++) bench.runner.step()
    setCores(bench.disk, 1)
    bench.clock.advance(1100)
    bench.persistence.cron()
    match(bench.persistence.snapshots.lastChoice?.method ?? '', /cooperative/)
    equal(bench.persistence.current?.method, 'background')
    abortAndCheck(bench, old)
  })

  test('when the thread has left the scan, and the engine has not noticed', () => {
    const bench = savedBench('changing')
    const old = bench.disk.contents(FILE)
    bench.persistence.startBackground()
    for (let i = 0; i < 3; i++) bench.runner.step()
    setCores(bench.disk, 1)
    bench.clock.advance(1100)
    bench.persistence.cron()
    for (let i = 0; i < 50; i++) bench.runner.step()
    abortAndCheck(bench, old)
  })

  test('when the engine has left the scan to the thread', () => {
    const bench = savedBench('changing')
    const old = bench.disk.contents(FILE)
    setCores(bench.disk, 1)
    bench.persistence.startBackground()
    bench.turn()
    setCores(bench.disk, 2)
    for (let i = 0; i < 40 && bench.persistence.current?.method === 'cooperative'; i++) {
      bench.clock.advance(0)
      bench.clock.advance(1100)
      bench.persistence.cron()
    }
    if (bench.persistence.isSaving) abortAndCheck(bench, old)
  })
})

describe('a thread that hangs', () => {
  for (const scanner of METHODS) {
    for (const path of ['.rdb', '.spill']) {
      test(`${scanner}: in a write to the ${path}: is left; no save until it is back`, () => {
        const bench = savedBench(scanner)
        const old = bench.disk.contents(FILE)
        const reader = bench.request()
        bench.runner.onStall = () => {
          if (bench.persistence.isSaving) storm(bench, scanner)
        }
        let hangs = 0
        bench.disk.onWrite = (name) => {
          if (!name.endsWith(path) || hangs++ > 0) return
          bench.persistence.abort()
          equal(bench.persistence.isSaving, false)
          equal(bench.persistence.snapshots.isThreadLost, true)
          equal(bench.persistence.openCut, null)
          // No page is held for its sake: thousands of writes find nothing to wait for.
          for (let i = 0; i < 2000; i++) bench.change()
          equal(bench.keyspace.arena.guard, null)
          match(bench.persistence.startBackground() ?? '', HANGS)
          match(bench.persistence.save() ?? '', HANGS)
          bench.persistence.schedule()
          bench.persistence.cron()
          equal(bench.persistence.isSaving, false)
        }
        bench.persistence.startBackground()
        // The stream stalls until the spill is in use, if that is where the thread shall hang.
        if (path === '.rdb') bench.runner.onStall = () => bench.takeAll(1)
        for (let i = 0; hangs === 0; i++) {
          assert(i < 100_000, 'there is such a write')
          bench.change()
          bench.runner.step()
          if (scanner === 'cooperative') bench.clock.advance(0.4)
        }
        bench.disk.onWrite = () => undefined
        bench.runner.onStall = () => bench.takeAll(1)
        while (bench.runner.isBusy) bench.runner.step()
        match(reader.end ?? '', /stopped before its end/)
        ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
        deepEqual(bench.disk.list('/data'), ['dump.rdb'])
        // What was scheduled comes now.
        bench.persistence.cron()
        equal(bench.persistence.isFileSave, true)
        bench.finish()
        equal(bench.persistence.lastError, '')
        bench.checkFreed()
        bench.checkNextSave()
      })
    }

    test(`${scanner}: a disk that stands still for snapshot-stall-timeout fails the save`, () => {
      // More than the output queue takes, so that the scan cannot come to its end.
      const bench = savedBench(scanner, 1024, 12_000)
      bench.settings.stallTimeoutSeconds = 5
      const old = bench.disk.contents(FILE)
      let hangs = 0
      let waitedUs = 0
      bench.disk.onWrite = (name) => {
        if (!name.endsWith('.rdb') || hangs++ > 0) return
        // Without writers that wait, nobody minds.
        for (let i = 0; i < 10; i++) look(bench)
        equal(bench.persistence.isSaving, true)
        const { openCut: cut } = bench.persistence
        if (scanner === 'background') assert(cut !== null, 'the scan is not through')
        while (cut !== null && cut.usedPages * 2 <= cut.boundPages) bench.change()
        const startUs = bench.clock.monotonicUs()
        for (let i = 0; bench.persistence.isSaving && i < 20; i++) look(bench)
        waitedUs = bench.clock.monotonicUs() - startUs
      }
      bench.persistence.startBackground()
      for (let i = 0; hangs === 0 && i < 100_000; i++) bench.turn(1)
      assert(waitedUs > 3e6 && waitedUs < 20e6, `${waitedUs} us`)
      match(bench.persistence.lastError, /nothing was written for 5 s, and writers were waiting/)
      equal(bench.persistence.isLastSaveOk, false)
      bench.disk.onWrite = () => undefined
      while (bench.runner.isBusy) bench.runner.step()
      ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
      bench.checkFreed()
      bench.checkNextSave()
    })
  }
})

/** A second passes for the engine. */
function look(bench: SinkBench): void {
  bench.clock.advance(1000)
  bench.persistence.cron()
}

/** One write, and what the engine does beside it. */
function storm(bench: SinkBench, scanner: string): void {
  const { openCut: cut } = bench.persistence
  if (cut !== null && cut.usedPages < cut.boundPages) bench.change()
  if (scanner === 'cooperative') bench.clock.advance(0.3)
  bench.persistence.cron()
}

describe('who gets which cut', () => {
  test('requests wait for the cron, and share one cut without a file', () => {
    const bench = savedBench('background')
    const old = bench.disk.contents(FILE)
    const readers = [bench.request(), bench.request()]
    equal(bench.persistence.isSaving, false)
    bench.persistence.cron()
    deepEqual([bench.persistence.isSaving, bench.persistence.isFileSave], [true, false])
    const { saveTotal } = bench.persistence
    bench.finish()
    equal(bench.persistence.saveTotal, saveTotal)
    ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
    for (const reader of readers) checkWhole(bench, reader)
  })

  test('BGSAVE takes those along that wait; who asks during a cut waits for the next', () => {
    const bench = savedBench('background')
    const early = bench.request()
    equal(bench.persistence.startBackground(), null)
    const late = bench.request()
    bench.turn()
    assert(early.atCut !== null && late.atCut === null, 'one shares the cut')
    // The cron that sees the save end opens the next cut at once.
    while (bench.persistence.isFileSave) bench.turn()
    bench.takeAll(1_000_000)
    checkWhole(bench, early)
    assert(late.atCut !== null, 'its cut is open')
    bench.finish()
    checkWhole(bench, late)
  })

  test('a save that was scheduled during a cut for streams comes next, with who waits', () => {
    const bench = savedBench('cooperative')
    const first = bench.request()
    bench.persistence.cron()
    bench.persistence.schedule({ method: 'background' })
    const second = bench.request()
    equal(bench.persistence.isScheduled, true)
    bench.runner.onStall = () => bench.takeAll(4)
    while (!bench.persistence.isFileSave) bench.turn()
    equal(bench.persistence.isScheduled, false)
    equal(bench.persistence.current?.method, 'background')
    assert(second.atCut !== null, 'it shares the cut')
    bench.finish()
    checkWhole(bench, first)
    checkWhole(bench, second)
    checkSame(bench.loaded(), second.atCut)
  })

  test('a save point that is due takes the streams along', () => {
    const bench = savedBench('background')
    bench.settings.savePoints = [{ seconds: 10, changes: 1 }]
    bench.keyspace.dirty = 5
    bench.clock.advance(12_000)
    const reader = bench.request()
    bench.persistence.cron()
    equal(bench.persistence.isFileSave, true)
    assert(reader.atCut !== null, 'it shares the cut')
    bench.finish()
    checkWhole(bench, reader)
  })

  test('SAVE leaves them waiting', () => {
    const bench = savedBench('background')
    const reader = bench.request()
    equal(bench.persistence.save(), null)
    equal(reader.atCut, null)
    bench.persistence.cron()
    bench.finish()
    checkWhole(bench, reader)
  })

  test('nobody opens a cut for those who have gone while they waited', () => {
    const bench = savedBench('background')
    const { cutNumber } = bench.persistence
    const gone = bench.request()
    gone.close()
    bench.persistence.cron()
    equal(bench.persistence.isSaving, false)
    equal(bench.persistence.cutNumber, cutNumber)
    match(gone.end ?? '', /gone before the cut/)
    const other = bench.request()
    const also = bench.request()
    also.close()
    bench.persistence.cron()
    bench.finish()
    checkWhole(bench, other)
    equal(also.atCut, null)
  })
})

/** The stream has its end and is the keyspace at its cut. */
function checkWhole(bench: SinkBench, { end, hasEndFrame, bytes, atCut }: StreamReader): void {
  deepEqual([end, hasEndFrame], [null, true])
  checkSame(bench.loaded(bytes), atCut)
}
