// Goal: a long load tells how far it is, a short one nothing. Method: a fake clock and figures.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { ForwardLog, LogLevel } from '../base/log.ts'
import { LoadReport } from './load-report.ts'

const MIB = 1024 * 1024
const PROGRESS = {
  startSeconds: 0,
  totalBytes: 2000 * MIB,
  loadedBytes: 500 * MIB,
  usedBytesAtSave: 0,
  etaSeconds: 15,
}

test('a line every five seconds', () => {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = new ForwardLog(clock, LogLevel.Notice, ({ message }) => lines.push(message))
  const report = new LoadReport(clock, log)
  for (let i = 0; i < 49; i++) {
    report.tell(PROGRESS, i)
    clock.advance(100)
  }
  assert.deepEqual(lines, [])
  for (let i = 0; i < 60; i++) {
    clock.advance(100)
    report.tell(PROGRESS, 1000 + i)
  }
  assert.deepEqual(lines, [
    'Loading: 25% (500 of 2000 MiB), 1000 keys so far, about 15 s left',
    'Loading: 25% (500 of 2000 MiB), 1050 keys so far, about 15 s left',
  ])
})
