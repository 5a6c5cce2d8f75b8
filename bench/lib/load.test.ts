// The parts of the load path whose errors would falsify a result without a sound: request bytes,
// reply parsing, timelines, windows of probes, process readers. By literal bytes and small cases.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replaceBetween } from '../render.ts'
import { parseReply, ServerError } from './client.ts'
import { answeredBy, operationsPerSecond } from './load.ts'
import type { LoadResult } from './load-main.ts'
import { cpuSeconds, machineTicks, processTree, pssTreeBytes, rssBytes } from './proc.ts'
import { SetBatch, ValuePool } from './requests.ts'
import { windowOf } from './window.ts'

test('a batch holds well-formed SET commands with their keys and values', () => {
  const pool = new ValuePool('compressible', 1)
  const batch = new SetBatch({ valueBytes: 20, valueKind: 'compressible', pipeline: 3 })
  const keys = [0, 42, 2_147_483_647]
  for (const [i, key] of keys.entries()) batch.fill(i, key, pool)
  const text = batch.view(3).toString('latin1')
  const form = /^\*3\r\n\$3\r\nSET\r\n\$16\r\nkey:(\d{12})\r\n\$20\r\n(.{20})\r\n/
  let rest = text
  for (const key of keys) {
    const match = form.exec(rest)
    assert.ok(match, `command of key ${key}`)
    assert.equal(Number(match[1]), key)
    assert.ok(pool.bytes.includes(match[2]!), 'the value comes from the pool')
    rest = rest.slice(match[0].length)
  }
  assert.equal(rest, '')
  assert.equal(batch.view(1).length, batch.commandBytes)
})

test('a batch used again keeps nothing of the key before', () => {
  const pool = new ValuePool('random', 1)
  const batch = new SetBatch({ valueBytes: 8, valueKind: 'random', pipeline: 1 })
  batch.fill(0, 123_456_789, pool)
  batch.fill(0, 7, pool)
  assert.ok(batch.bytes.includes('key:000000000007\r\n'))
})

test('replies parse whole and wait when cut anywhere', () => {
  const bytes = Buffer.from('*4\r\n+OK\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n')
  assert.deepEqual(parseReply(bytes, 0), { value: ['OK', -7, 'a\r\nbc', null], end: bytes.length })
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(parseReply(bytes.subarray(0, length), 0), null, `cut at ${length}`)
  }
  const error = parseReply(Buffer.from('-ERR no\r\n'), 0)?.value
  assert.ok(error instanceof ServerError)
  assert.equal(error.message, 'ERR no')
})

test('a timeline is interpolated inside and held outside', () => {
  const timeline: LoadResult['timeline'] = [
    [100, 0],
    [200, 1000],
    [300, 1000],
    [400, 3000],
  ]
  const cases = [
    [50, 0],
    [100, 0],
    [150, 500],
    [250, 1000],
    [350, 2000],
    [900, 3000],
  ] as const
  for (const [atMs, expected] of cases) assert.equal(answeredBy(timeline, atMs), expected)
  const result = { operations: 3000, startMs: 100, endMs: 400, timeline }
  assert.equal(operationsPerSecond(result, 200, 400), 10_000)
})

test('a window holds the probes that were due in it, the end left out', () => {
  const probes = { startMs: 1000, intervalMs: 1 }
  const series = [0, 1, 2, 3, 4, 5]
  assert.deepEqual(windowOf(probes, series, [1002, 1004]), [2, 3])
  assert.deepEqual(windowOf(probes, series, [1001.5, 1002.5]), [2])
  assert.deepEqual(windowOf(probes, series, [0, 2000]), series)
  assert.deepEqual(windowOf(probes, series, [900, 950]), [])
})

test('the process readers see this process', () => {
  const startSeconds = cpuSeconds(process.pid)
  const until = performance.now() + 60
  while (performance.now() < until);
  const spent = cpuSeconds(process.pid) - startSeconds
  assert.ok(spent >= 0.02 && spent < 2, `60 ms of work counted as ${spent} s`)
  const difference = Math.abs(rssBytes(process.pid) - process.memoryUsage.rss())
  assert.ok(difference < 64e6, `RSS differs by ${difference} bytes`)
  assert.ok(pssTreeBytes(process.pid) > 10e6)
  assert.equal(processTree(process.pid)[0], process.pid)
  assert.equal(rssBytes(2 ** 30), 0, 'a process that does not exist')
})

test('the ticks of the machine add up', () => {
  const { total, idle, stolen } = machineTicks()
  assert.ok(total > 0 && idle > 0 && stolen >= 0 && idle + stolen <= total)
})

test('only what stands between the markers of a name is replaced', () => {
  const text = 'a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n'
  const expected = 'a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n'
  assert.equal(replaceBetween(text, 'x', 'new'), expected)
  assert.equal(replaceBetween(expected, 'x', 'new'), expected)
  assert.throws(() => replaceBetween(text, 'y', 'new'), /no markers for 'y'/)
})
