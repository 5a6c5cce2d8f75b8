// Goal: what the replies of a server do not show: how many changes a command counts, encodings,
// hits and misses, limits, that old values are replied before they are overwritten. Replies
// themselves are compared with redis-server in test/conformance/string.txt and counter.txt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, Harness, line, OK, runChanges } from './harness.ts'

const WRONG_SYNTAX = line('-ERR syntax error')

/** Commands of one keyspace, each with its reply and the changes it counts. */
const CHANGES: readonly Change[] = [
  ['SET k v', OK, 1],
  ['SET k w NX', null, 0],
  ['SET k w XX GET', 'v', 1],
  ['SET k w NX GET', 'w', 0],
  ['SET new w XX', null, 0],
  ['SET k v EX 10 PX 20', WRONG_SYNTAX, 0],
  ['SET k v EX 10 KEEPTTL', WRONG_SYNTAX, 0],
  ['SET k v NX XX', WRONG_SYNTAX, 0],
  ['SET k v EX', WRONG_SYNTAX, 0],
  ['SET k v PERSIST', WRONG_SYNTAX, 0],
  ['SET k v EX 10 EX 20', OK, 1],
  ['TTL k', 20, 0],
  ['SET k v EX 0', line("-ERR invalid expire time in 'set' command"), 0],
  ['SET k v PX 9223372036854775807', line("-ERR invalid expire time in 'set' command"), 0],
  ['SET k v PX x', line('-ERR value is not an integer or out of range'), 0],
  ['GETEX k', 'v', 0],
  ['GETEX k PERSIST', 'v', 1],
  ['GETEX k PERSIST', 'v', 0],
  ['GETEX k EX 5', 'v', 1],
  ['GETEX k KEEPTTL', WRONG_SYNTAX, 0],
  ['GETEX k EX 0', line("-ERR invalid expire time in 'getex' command"), 0],
  ['GETEX none EX 0', null, 0],
  ['GETEX k PXAT 1', 'v', 1],
  ['EXISTS k', 0, 0],
  ['GETSET k 1', null, 1],
  ['GETDEL k', '1', 1],
  ['GETDEL k', null, 0],
  ['SETNX k v', 1, 1],
  ['SETNX k v', 0, 0],
  ['SETEX k 10 v', OK, 1],
  ['SETEX k 0 v', line("-ERR invalid expire time in 'setex' command"), 0],
  ['PSETEX k 10 v', OK, 1],
  ['MSET a 1 b 2', OK, 2],
  ['MSET a 1 b', line("-ERR wrong number of arguments for 'mset' command"), 0],
  ['MSETNX a 1 c 2', 0, 0],
  ['MSETNX c 1 d 2 c 3', 1, 3],
  ['MGET a c none', ['1', '3', null], 0],
  ['APPEND a 23', 3, 1],
  ['STRLEN a', 3, 0],
  ['SETRANGE a 5 x', 6, 1],
  ['GET a', '123\0\0x', 0],
  ['SETRANGE none 5 ', 0, 0],
  ['EXISTS none', 0, 0],
  ['SETRANGE a -1 x', line('-ERR offset is out of range'), 0],
  ['GETRANGE a -2 -1', '\0x', 0],
  ['GETRANGE a -100 -100', '1', 0],
  ['GETRANGE a -1 -2', '', 0],
  ['SUBSTR a 1 9223372036854775807', '23\0\0x', 0],
  ['INCR n', 1, 1],
  ['INCRBY n 9', 10, 1],
  ['DECRBY n -9223372036854775808', line('-ERR decrement would overflow'), 0],
  ['INCRBY n 9223372036854775807', line('-ERR increment or decrement would overflow'), 0],
  ['INCRBYFLOAT n 0.5', '10.5', 1],
  ['INCR n', line('-ERR value is not an integer or out of range'), 0],
  ['INCRBYFLOAT n x', line('-ERR value is not a valid float'), 0],
  ['INCRBYFLOAT n inf', line('-ERR increment would produce NaN or Infinity'), 0],
]

test('each command replies and counts its changes', () => {
  runChanges(CHANGES)
})

const ENCODINGS: readonly (readonly [commands: readonly string[], encoding: string])[] = [
  [['SET k 42'], 'int'],
  [['SET k 9223372036854775808'], 'embstr'],
  [[`SET k ${'x'.repeat(44)}`], 'embstr'],
  [[`SET k ${'x'.repeat(45)}`], 'raw'],
  [['APPEND k 42'], 'int'],
  [['SET k 4', 'APPEND k 2'], 'raw'],
  [['SET k 4', 'APPEND k '], 'raw'],
  [['SET k 4', 'APPEND k 2', 'INCR k'], 'int'],
  [['SET k abc', 'SETRANGE k 0 A'], 'raw'],
  [['SETRANGE k 0 42'], 'raw'],
  [['SET k 10', 'INCRBYFLOAT k 1'], 'embstr'],
  [[`SET k 1e40`, 'INCRBYFLOAT k 1', 'INCRBYFLOAT k 0.5'], 'embstr'],
  [['SET k 1e50', 'INCRBYFLOAT k 1'], 'raw'],
  [['SET a 4', 'APPEND a 2', 'COPY a k'], 'raw'],
]

test('encodings are those that Redis names', () => {
  for (const [commands, encoding] of ENCODINGS) {
    const harness = new Harness()
    for (const command of commands) harness.run(...command.split(' '))
    assert.equal(harness.run('OBJECT', 'ENCODING', 'k'), encoding, commands.join(', '))
  }
})

test('reads count hits and misses, writes do not', () => {
  const harness = new Harness()
  const { stats } = harness.keyspace
  const counted = (command: string) => {
    const before = [stats.hits, stats.misses]
    harness.run(...command.split(' '))
    return [stats.hits - before[0]!, stats.misses - before[1]!]
  }
  assert.deepEqual(counted('SET k 1'), [0, 0])
  assert.deepEqual(counted('SET k 1 GET'), [1, 0])
  assert.deepEqual(counted('INCR k'), [0, 0])
  assert.deepEqual(counted('APPEND none x'), [0, 0])
  assert.deepEqual(counted('MGET k none other'), [2, 1])
  assert.deepEqual(counted('EXISTS k gone k'), [2, 1])
  assert.deepEqual(counted('TTL gone'), [0, 1])
  assert.deepEqual(counted('DEL gone'), [0, 0])
})

test('strings do not grow past the limit', () => {
  const harness = new Harness()
  harness.context.limits.stringLengthMax = 100
  const refused = line('-ERR string exceeds maximum allowed size (proto-max-bulk-len)')
  harness.run('SET', 'k', 'x'.repeat(60))
  assert.deepEqual(harness.run('APPEND', 'k', 'y'.repeat(41)), refused)
  assert.deepEqual(harness.run('SETRANGE', 'k', 100, 'y'), refused)
  assert.deepEqual(harness.run('SETRANGE', 'none', '9223372036854775807', 'y'), refused)
  assert.equal(harness.run('SETRANGE', 'k', '9223372036854775807', ''), 60)
  assert.equal(harness.run('APPEND', 'k', 'y'.repeat(40)), 100)
  assert.equal(harness.run('EXISTS', 'none'), 0)
})

test('values of 70 MB, more than a segment, are set, grown, read and deleted', () => {
  const harness = new Harness()
  const value = new Uint8Array(70_000_000).fill(0x61)
  const empty = harness.keyspace.usedBytes
  assert.deepEqual(harness.run('SET', 'big', value), OK)
  assert.equal(harness.run('APPEND', 'big', 'tail'), 70_000_004)
  assert.equal(harness.run('GETRANGE', 'big', -6, -1), 'aatail')
  assert.equal(harness.run('SETRANGE', 'big', 35_000_000, 'middle'), 70_000_004)
  assert.equal(harness.run('GETRANGE', 'big', 34_999_999, 35_000_006), 'amiddlea')
  assert.equal(harness.run('COPY', 'big', 'copy'), 1)
  assert.equal(harness.run('STRLEN', 'copy'), 70_000_004)
  harness.keyspace.check()
  assert.equal(harness.run('DEL', 'big', 'copy'), 2)
  assert.equal(harness.keyspace.usedBytes, empty)
})

test('a deadline in the past sets a key that is gone at the next look', () => {
  const harness = new Harness()
  assert.deepEqual(harness.run('SET', 'k', 'v', 'PXAT', 1), OK)
  assert.equal(harness.run('DBSIZE'), 1)
  assert.equal(harness.run('GET', 'k'), null)
  assert.equal(harness.run('DBSIZE'), 0)
  assert.equal(harness.keyspace.stats.expired, 1)
})

test('LCS: the text, its length, and where it lies', () => {
  const harness = new Harness()
  harness.run('MSET', 'a', 'ohmytext', 'b', 'mynewtext')
  assert.equal(harness.run('LCS', 'a', 'b'), 'mytext')
  assert.equal(harness.run('LCS', 'a', 'b', 'LEN'), 6)
  const last = [
    [4, 7],
    [5, 8],
  ]
  const first = [
    [2, 3],
    [0, 1],
  ]
  assert.deepEqual(harness.run('LCS', 'a', 'b', 'IDX'), ['matches', [last, first], 'len', 6])
  assert.deepEqual(harness.run('LCS', 'a', 'b', 'IDX', 'MINMATCHLEN', 4, 'WITHMATCHLEN'), [
    'matches',
    [[...last, 4]],
    'len',
    6,
  ])
  assert.equal(harness.run('LCS', 'a', 'none'), '')
  assert.equal(harness.run('LCS', 'none', 'other', 'LEN'), 0)
  harness.reply.version = 3
  const map = harness.run('LCS', 'a', 'a', 'IDX')
  assert.ok(map instanceof Map)
  assert.equal(map.get('len'), 8)
})

test('LCS refuses what it would need too much memory or time for', () => {
  const harness = new Harness()
  harness.context.limits.stringLengthMax = 4 * 101 * 101
  harness.run('MSET', 'a', 'x'.repeat(100), 'b', 'x'.repeat(100), 'c', 'x'.repeat(101))
  assert.equal(harness.run('LCS', 'a', 'b', 'LEN'), 100)
  assert.deepEqual(
    harness.run('LCS', 'a', 'c', 'LEN'),
    line('-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len'),
  )
})
