// Goal: what DUMP gives RESTORE takes, at every length and form; nothing that was damaged gets in;
// options, clocks and counted changes are Redis's. Payloads of redis-server are in
// test/conformance/dump.txt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latin1 } from '../base/bytes.ts'
import { Harness, line, OK } from '../command/harness.ts'
import { dumpCommands } from './dump.ts'

const BAD = line('-ERR DUMP payload version or checksum are wrong')
const BUSY = line('-BUSYKEY Target key name already exists.')
const SYNTAX = line('-ERR syntax error')
/** A payload's last bytes when its checksum is not looked at. */
const FOOTER = '\x0a\x00\0\0\0\0\0\0\0\0'

function harnessWith(...pairs: readonly string[]): Harness {
  const harness = new Harness({ commands: dumpCommands })
  if (pairs.length > 0) harness.run('MSET', ...pairs)
  return harness
}

function dumpOf(harness: Harness, key: string): Uint8Array {
  const payload = harness.run('DUMP', key)
  assert.ok(typeof payload === 'string')
  return latin1(payload)
}

test("payloads of every length around the writer's chunk are whole", () => {
  const harness = harnessWith()
  harness.context.limits.isRdbCompressed = false
  for (let length = 64 * 1024 - 60; length < 64 * 1024 + 10; length++) {
    const value = 'x'.repeat(length)
    harness.run('SET', 'k', value)
    assert.deepEqual(harness.run('RESTORE', 'copy', 0, dumpOf(harness, 'k'), 'REPLACE'), OK)
    assert.equal(harness.run('GET', 'copy'), value, `${length} bytes`)
  }
})

test('values of every form come back as they were', () => {
  const values = [
    '',
    '0',
    '-1',
    '127',
    '128',
    '-32768',
    '32768',
    '2147483647',
    '2147483648',
    '01',
    '1.5',
    '9223372036854775807',
    'x',
    'ab'.repeat(40),
    '\x00\xff\r\n',
    'y'.repeat(20_000),
    Buffer.from(
      Uint32Array.from({ length: 30_000 }, (_, i) => Math.imul(i, 2654435761)).buffer,
    ).toString('latin1'),
  ]
  for (const isRdbCompressed of [true, false]) {
    const harness = harnessWith()
    harness.context.limits.isRdbCompressed = isRdbCompressed
    for (const value of values) {
      harness.run('SET', 'k', latin1(value))
      const encoding = harness.run('OBJECT', 'ENCODING', 'k')
      assert.deepEqual(harness.run('RESTORE', 'copy', 0, dumpOf(harness, 'k'), 'REPLACE'), OK)
      assert.equal(harness.run('GET', 'copy'), value)
      assert.equal(harness.run('OBJECT', 'ENCODING', 'copy'), encoding)
      assert.equal(harness.run('TTL', 'copy'), -1)
    }
    harness.keyspace.check()
  }
})

test('a value of 1 MB, more than the buffers hold', () => {
  const harness = harnessWith('k', 'abcdefghij'.repeat(100_000))
  harness.context.limits.isRdbCompressed = false
  const payload = dumpOf(harness, 'k')
  assert.ok(payload.length > 1_000_000)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, payload), OK)
  assert.equal(harness.run('LCS', 'none', 'none'), '')
  assert.equal(harness.run('GETRANGE', 'l', 999_990, 999_999), 'abcdefghij')
})

test('any changed or missing byte is refused', () => {
  const harness = harnessWith('k', 'some value')
  const payload = dumpOf(harness, 'k')
  for (let i = 0; i < payload.length; i++) {
    const damaged = payload.slice()
    damaged[i] = damaged[i]! ^ 0x10
    assert.deepEqual(harness.run('RESTORE', 'bad', 0, damaged), BAD, `byte ${i}`)
    assert.deepEqual(harness.run('RESTORE', 'bad', 0, payload.slice(0, i)), BAD, `${i} bytes`)
  }
  assert.equal(harness.run('EXISTS', 'bad'), 0)
  assert.deepEqual(harness.run('RESTORE', 'good', 0, payload), OK)
})

test('without checksums a payload is still looked into', () => {
  const harness = harnessWith()
  harness.context.limits.isPayloadChecked = false
  assert.deepEqual(harness.run('RESTORE', 'k', 0, latin1(`\0\x03abc${FOOTER}`)), OK)
  assert.equal(harness.run('GET', 'k'), 'abc')
  const format = line('-ERR Bad data format')
  assert.deepEqual(harness.run('RESTORE', 'l', 0, latin1(`\0\x3fabc${FOOTER}`)), format)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, latin1(`\x7f\x03abc${FOOTER}`)), format)
  assert.equal(harness.run('EXISTS', 'l'), 0)
})

test('times: relative, absolute, past, none', () => {
  const harness = harnessWith('k', 'v')
  const payload = dumpOf(harness, 'k')
  const { nowMs } = harness.context
  const restored = (...words: readonly (string | number)[]) => {
    const [ttl = 0, ...options] = words
    const before = harness.keyspace.dirty
    assert.deepEqual(harness.run('RESTORE', 'r', ttl, payload, 'REPLACE', ...options), OK)
    return [harness.run('PEXPIRETIME', 'r'), harness.keyspace.dirty - before]
  }
  assert.deepEqual(restored(5000), [nowMs + 5000, 1])
  assert.deepEqual(restored(nowMs + 7000, 'ABSTTL'), [nowMs + 7000, 1])
  assert.deepEqual(restored(0, 'ABSTTL'), [-1, 1])
  assert.deepEqual(restored('9223372036854775807', 'ABSTTL'), [Number.MAX_SAFE_INTEGER, 1])
  // What it replaces goes, which is a change; a second time there is nothing to change.
  assert.deepEqual(restored(1, 'ABSTTL'), [-2, 1])
  assert.deepEqual(restored(1, 'ABSTTL'), [-2, 0])
})

test('options and refusals', () => {
  const harness = harnessWith('k', 'v')
  const payload = dumpOf(harness, 'k')
  const idle = line('-ERR Invalid IDLETIME value, must be >= 0')
  const freq = line('-ERR Invalid FREQ value, must be >= 0 and <= 255')
  const integer = line('-ERR value is not an integer or out of range')
  assert.deepEqual(harness.run('RESTORE', 'k', 0, payload), BUSY)
  assert.deepEqual(harness.run('RESTORE', 'k', 'x', latin1('damaged')), BUSY)
  assert.deepEqual(
    harness.run('RESTORE', 'l', -1, payload),
    line('-ERR Invalid TTL value, must be >= 0'),
  )
  assert.deepEqual(harness.run('RESTORE', 'l', 'x', payload), integer)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, payload, 'IDLETIME', -1), idle)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, payload, 'IDLETIME', 'x'), integer)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, payload, 'FREQ', 256), freq)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, payload, 'FREQ', 1, 'IDLETIME', 1), SYNTAX)
  assert.deepEqual(harness.run('RESTORE', 'l', 0, payload, 'FREQ'), SYNTAX)
  assert.equal(harness.run('EXISTS', 'l'), 0)
  assert.equal(harness.run('DUMP', 'l'), null)
})

test('IDLETIME and FREQ set the clock that the policy has', () => {
  const harness = harnessWith('k', 'v')
  const payload = dumpOf(harness, 'k')
  harness.run('RESTORE', 'a', 0, payload, 'IDLETIME', 1000)
  assert.equal(harness.run('OBJECT', 'IDLETIME', 'a'), 1000)
  harness.run('RESTORE', 'a', 0, payload, 'REPLACE', 'IDLETIME', '9223372036854775807')
  assert.equal(harness.run('OBJECT', 'IDLETIME', 'a'), 0xffffff)
  harness.run('RESTORE', 'a', 0, payload, 'REPLACE', 'FREQ', 100)
  assert.equal(harness.run('OBJECT', 'IDLETIME', 'a'), 0)
  harness.keyspace.clock.isLfu = true
  harness.run('RESTORE', 'a', 0, payload, 'REPLACE', 'FREQ', 100)
  assert.equal(harness.run('OBJECT', 'FREQ', 'a'), 100)
})

test('what is made and what goes is announced, and no other key', () => {
  const harness = harnessWith('a', '1')
  const payload = dumpOf(harness, 'a')
  const made: string[] = []
  harness.keyspace.onNew = (id, key) => made.push(`${id} ${key.toLatin1()}`)
  harness.observer.takeEvents()
  harness.run('RESTORE', 'b', 0, payload)
  assert.deepEqual(harness.observer.takeEvents(), ['0 b g restore'])
  harness.run('RESTORE', 'b', 1, payload, 'REPLACE', 'ABSTTL')
  assert.deepEqual(harness.observer.takeEvents(), ['0 b g del'])
  harness.run('RESTORE', 'b', 1, payload, 'ABSTTL')
  assert.deepEqual(harness.observer.takeEvents(), [])
  assert.deepEqual(made, ['0 b'])
})

test('what is wrong with a payload is told in one line, in words of Redis', () => {
  const rows: readonly (readonly [payload: string, line: RegExp])[] = [
    ['\x0c\x03abc', /sorted set at byte 0, found a damaged ziplist.*: Zset ziplist integrity/],
    ['\x0d\x03abc', /: Hash ziplist integrity/],
    ['\x0a\x03abc', /: List ziplist integrity/],
    ['\x0e\x01\x03abc', /list at byte 1, found a damaged ziplist.*: Ziplist integrity/],
    ['\x0b\x03abc', /: Intset integrity/],
    ['\x09\x03abc', /: Zipmap integrity/],
    ['\x09\x02\x00\xff', /an empty zipmap.*: Zipmap integrity/],
    ['\x0f\x01\x10abcdefghijklmnop\x03abc', /: Stream listpack integrity/],
    ['\x02\x00', /payload: set without elements/],
    ['\x02\x02\x01a\x01a', /payload: set with dup elements, expected each once: integrity/],
    ['\x0e\x00', /quicklist of ziplists without elements/],
    ['\x01\x01\x01ab', /payload: 1 bytes behind the value at 3/],
    ['\x63a', /payload: value type 99, expected a known one/],
    ['\x01\x02\x01a', /list element at byte 3, found 0 bytes/],
  ]
  for (const [value, expected] of rows) {
    const harness = harnessWith()
    harness.context.limits.isPayloadChecked = false
    const answer = harness.run('RESTORE', 'k', 0, latin1(value + FOOTER))
    assert.deepEqual(answer, line('-ERR Bad data format'))
    assert.equal(harness.damages.length, 1)
    const [damage = ''] = harness.damages
    assert.match(damage, expected)
    assert.match(damage, /^RESTORE: payload: .*integrity check failed$/)
    assert.equal(harness.keyspace.size, 0)
  }
})

test('a good payload and one with a wrong checksum are no news for the log', () => {
  const harness = harnessWith('k', 'v')
  harness.run('RESTORE', 'copy', 0, dumpOf(harness, 'k'))
  assert.deepEqual(harness.run('RESTORE', 'bad', 0, latin1(`\x00\x01v${FOOTER}`)), BAD)
  assert.deepEqual(harness.damages, [])
})
