// Goal: lines have Redis's form to the character, levels filter, and a log file may be moved away
// or be impossible to write. Method: a standing clock, real files in a temporary directory.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FakeClock } from './clock.ts'
import { SystemDisk } from './disk.ts'
import { ForwardLog, formatLogTime, LogLevel, type LogLine, ServerLog } from './log.ts'

// 2026-03-05 07:08:09.012 UTC; the zone is 5 h 30 min ahead.
const TIME_MS = Date.UTC(2026, 2, 5, 7, 8, 9, 12)
const PREFIX = '42:M 05 Mar 2026 12:38:09.012'

let folder = ''
const zone = process.env['TZ']

before(() => {
  process.env['TZ'] = 'Asia/Kolkata'
  folder = mkdtempSync(join(tmpdir(), 'tidemark-log-'))
})

after(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
  rmSync(folder, { recursive: true })
})

function serverLog(): { log: ServerLog; out: string[] } {
  const out: string[] = []
  const log = new ServerLog({
    clock: new FakeClock(TIME_MS),
    disk: new SystemDisk(),
    pid: 42,
    writeOut: (text) => out.push(text),
  })
  log.role = 'M'
  return { log, out }
}

test('each level has its character and the level filters what is below it', () => {
  const { log, out } = serverLog()
  const marks = (level: LogLevel) => {
    out.length = 0
    log.level = level
    log.debug('a')
    log.verbose('b')
    log.notice('c')
    log.warning('d')
    return out.join('')
  }
  const all = ['. a', '- b', '* c', '# d'].map((text) => `${PREFIX} ${text}\n`)
  assert.equal(marks(LogLevel.Debug), all.join(''))
  assert.equal(marks(LogLevel.Verbose), all.slice(1).join(''))
  assert.equal(marks(LogLevel.Notice), all.slice(2).join(''))
  assert.equal(marks(LogLevel.Warning), all.slice(3).join(''))
})

test('the role is C until the server says what it is', () => {
  const clock = new FakeClock(TIME_MS)
  const out: string[] = []
  const writeOut = (text: string) => out.push(text)
  const log = new ServerLog({ clock, disk: new SystemDisk(), pid: 7, writeOut })
  log.notice('starting')
  log.role = 'S'
  log.notice('replica')
  assert.deepEqual(
    out.map((line) => line.slice(0, 3)),
    ['7:C', '7:S'],
  )
})

test('raw text has no prefix and is dropped above level notice', () => {
  const { log, out } = serverLog()
  log.raw('logo\n')
  log.level = LogLevel.Warning
  log.raw('logo\n')
  assert.deepEqual(out, ['logo\n'])
})

test('a line about a signal has its own form, whatever the level', () => {
  const { log, out } = serverLog()
  log.level = LogLevel.Warning
  log.signal('Received SIGTERM scheduling shutdown...')
  const seconds = Math.floor(TIME_MS / 1000)
  assert.deepEqual(out, [
    `42:signal-handler (${seconds}) Received SIGTERM scheduling shutdown...\n`,
  ])
})

test('a log file that is renamed away is created again by the next line', () => {
  const { log, out } = serverLog()
  log.path = join(folder, 'redis.log')
  log.notice('é one')
  log.notice('two')
  renameSync(log.path, `${log.path}.1`)
  log.notice('three')
  assert.equal(readFileSync(`${log.path}.1`, 'utf8'), `${PREFIX} * é one\n${PREFIX} * two\n`)
  assert.equal(readFileSync(log.path, 'utf8'), `${PREFIX} * three\n`)
  assert.deepEqual(out, [])
})

test('a log file that cannot be written loses lines, not the server', () => {
  const { log } = serverLog()
  log.path = join(folder, 'missing', 'redis.log')
  log.notice('lost')
  assert.equal(existsSync(log.path), false)
  log.path = join(folder, 'fresh.log')
  log.notice('kept')
  assert.equal(readFileSync(log.path, 'utf8'), `${PREFIX} * kept\n`)
})

test('a forwarded line keeps the time of its event and passes both filters', () => {
  const { log, out } = serverLog()
  const sent: LogLine[] = []
  const clock = new FakeClock(TIME_MS)
  const forward = new ForwardLog(clock, LogLevel.Verbose, (line) => sent.push(line))
  forward.debug('not sent')
  forward.verbose('not wanted by the main thread')
  forward.warning('wanted')
  forward.raw('as it is\n')
  clock.advance(5000)
  for (const line of structuredClone(sent)) log.write(line)
  assert.equal(sent.length, 3)
  assert.deepEqual(out, [`${PREFIX} # wanted\n`, 'as it is\n'])
})

test('months, single digits and midnight', () => {
  const at = (...parts: [number, number, number, number]) =>
    formatLogTime(Date.UTC(...parts) - 19800e3)
  assert.equal(at(2025, 0, 1, 0), '01 Jan 2025 00:00:00.000')
  assert.equal(at(2025, 11, 31, 23), '31 Dec 2025 23:00:00.000')
})
