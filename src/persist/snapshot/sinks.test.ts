// Goal: a file and streams share one scan and each gets the instant of the cut; one that fails
// harms no other; a stream that takes nothing for long costs neither the bound nor the writers.
// Method: test cuts with readers that take when they are told to, on a disk that fails by rules;
// with the thread as the one who scans, and the engine.

import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { FILE } from './test-cut.ts'
import { checkSame, SinkBench } from './test-sinks.ts'

for (const scanner of ['background', 'cooperative', 'changing'] as const) {
  test(`${scanner}: a file and two streams share one cut`, () => {
    const bench = new SinkBench({ scanner })
    const first = bench.request()
    const second = bench.request()
    const { cutNumber } = bench.persistence
    const atCut = bench.contents()
    equal(bench.persistence.startBackground(), null)
    bench.finish()
    equal(bench.persistence.cutNumber, cutNumber + 1)
    equal(bench.persistence.lastError, '')
    checkSame(bench.loaded(), atCut)
    for (const { end, hasEndFrame, bytes, atCut: own } of [first, second]) {
      deepEqual([end, hasEndFrame], [null, true])
      checkSame(own ?? [], atCut)
      ok(bytes.equals(bench.disk.contents(FILE)!))
    }
    bench.checkFreed()
    bench.checkNextSave()
  })

  for (const operation of ['open', 'write', 'fsync', 'rename'] as const) {
    test(`${scanner}: the file fails at ${operation}, the stream ends well`, () => {
      const bench = new SinkBench({ scanner })
      bench.persistence.save()
      const old = bench.disk.contents(FILE)
      const reader = bench.request()
      bench.disk.fail({ operation, code: 'ENOSPC', path: '.rdb' })
      equal(bench.persistence.startBackground(), null)
      bench.finish()
      match(bench.persistence.lastError, /temp-1-1\.rdb.*ENOSPC/)
      equal(bench.persistence.isLastSaveOk, false)
      deepEqual([reader.end, reader.hasEndFrame], [null, true])
      checkSame(bench.loaded(reader.bytes), reader.atCut)
      ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
      bench.checkFreed()
      bench.checkNextSave()
    })
  }

  test(`${scanner}: a reader goes in the middle, the file and the other stream end well`, () => {
    const bench = new SinkBench({ scanner })
    const goer = bench.request()
    const stayer = bench.request()
    equal(bench.persistence.startBackground(), null)
    bench.runner.onStall = () => {
      bench.takeAll(1)
      if (goer.bytes.length > 50_000) goer.close()
    }
    bench.finish()
    match(goer.end ?? '', /reader has gone/)
    equal(goer.hasEndFrame, false)
    equal(stayer.end, null)
    checkSame(bench.loaded(stayer.bytes), stayer.atCut)
    checkSame(bench.loaded(), stayer.atCut)
    equal(bench.persistence.lastError, '')
    bench.checkFreed()
  })

  test(`${scanner}: file and streams all fail, each with its own reason`, () => {
    const bench = new SinkBench({ scanner })
    const reader = bench.request()
    bench.disk.fail({ operation: 'write', code: 'EIO', path: '.rdb' })
    equal(bench.persistence.startBackground(), null)
    bench.runner.onStall = () => {
      bench.takeAll(1)
      if (reader.bytes.length > 80_000) reader.close()
    }
    bench.finish()
    equal(bench.persistence.lastEnd?.outcome.kind, 'failed')
    match(bench.persistence.lastError, /temp-1-1\.rdb: EIO/)
    match(reader.end ?? '', /reader has gone/)
    equal(bench.disk.contents(FILE), null)
    bench.checkFreed([])
    bench.checkNextSave()
  })

  test(`${scanner}: a stream alone whose reader goes is no failed save`, () => {
    const bench = new SinkBench({ scanner })
    const reader = bench.request()
    bench.persistence.cron()
    deepEqual([bench.persistence.isSaving, bench.persistence.isFileSave], [true, false])
    bench.turn()
    reader.close()
    bench.finish()
    match(reader.end ?? '', /reader has gone/)
    deepEqual([bench.persistence.isLastSaveOk, bench.persistence.lastError], [true, ''])
    bench.checkFreed([])
    bench.checkNextSave()
  })

  test(`${scanner}: a stream stalls under a storm: bound and file hold, then it is read`, () => {
    const bench = new SinkBench({ scanner, reservePages: 1024, lengthMax: 5000 })
    const reader = bench.request()
    equal(bench.persistence.startBackground(), null)
    let looks = 0
    let spilledBytes = 0
    bench.runner.onStall = () => {
      // Nobody takes anything for thousands of looks, while writers go on.
      if (looks++ >= 4000) return reader.take(1)
      bench.change()
      bench.persistence.snapshots.assist()
      if (scanner !== 'background') bench.clock.advance(0.3)
      bench.persistence.cron()
      const cut = bench.persistence.openCut
      if (cut !== null) ok(cut.usedPages <= cut.boundPages, `${cut.usedPages} pages, look ${looks}`)
      spilledBytes = bench.persistence.current?.spilledBytes ?? spilledBytes
    }
    bench.finish()
    ok(looks >= 4000, 'the stream stalled')
    const end = bench.persistence.lastEnd
    ok((end?.spilledBytes ?? 0) > 1_000_000, `${end?.spilledBytes} bytes spilled`)
    equal(end?.figures.overdraftPages, 0)
    equal(reader.end, null)
    checkSame(bench.loaded(reader.bytes), reader.atCut)
    checkSame(bench.loaded(), reader.atCut)
    notEqual(spilledBytes, 0)
    bench.checkFreed()
  })

  for (const operation of ['open', 'write', 'read'] as const) {
    test(`${scanner}: the spill fails at ${operation}: the save fails, the next works`, () => {
      const bench = new SinkBench({ scanner, reservePages: 256, lengthMax: 5000 })
      equal(bench.persistence.save(), null)
      const old = bench.disk.contents(FILE)
      const reader = bench.request()
      bench.disk.fail({ operation, code: 'ENOSPC', path: '.spill' })
      equal(bench.persistence.startBackground(), null)
      let looks = 0
      bench.runner.onStall = () => {
        if (looks++ >= 1000) return reader.take(1)
        const { openCut: cut } = bench.persistence
        if (cut !== null && cut.usedPages < cut.boundPages) bench.change()
        if (scanner !== 'background') bench.clock.advance(0.3)
        bench.persistence.cron()
      }
      bench.finish()
      match(bench.persistence.lastError, /temp-1-1\.spill: ENOSPC/)
      equal(bench.persistence.isLastSaveOk, false)
      match(reader.end ?? '', /temp-1-1\.spill: ENOSPC/)
      equal(reader.hasEndFrame, false)
      ok(isDeepStrictEqual(bench.disk.contents(FILE), old), 'the old file stands')
      bench.checkFreed()
      bench.checkNextSave()
    })
  }
}
