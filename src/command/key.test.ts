// Goal: what the replies of a server do not show about keys: counted changes, clocks, expiry in the
// middle of a command, SCAN over many keys. Replies themselves are compared with redis-server in
// test/conformance/keys.txt and expire.txt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, type Change, Harness, line, OK, runChanges } from './harness.ts'

const START_MS = 1_700_000_000_000

const CHANGES: readonly Change[] = [
  ['MSET a 1 b 2 c 3', OK, 3],
  ['EXPIRE a 100', 1, 1],
  ['EXPIRE a 100 NX', 0, 0],
  ['EXPIRE none 100', 0, 0],
  ['EXPIRE a 200 GT', 1, 1],
  ['EXPIRE a 200 GT', 0, 0],
  ['EXPIRE b 200 GT', 0, 0],
  ['EXPIRE b 200 XX', 0, 0],
  ['EXPIRE b 200 LT', 1, 1],
  ['EXPIRE b 100 XX LT', 1, 1],
  [
    'EXPIRE b 10 NX LT',
    line('-ERR NX and XX, GT or LT options at the same time are not compatible'),
    0,
  ],
  ['EXPIRE b 10 GT LT', line('-ERR GT and LT options at the same time are not compatible'), 0],
  ['EXPIRE b 10 BOGUS', line('-ERR Unsupported option BOGUS'), 0],
  ['EXPIRE b 9223372036854775807', line("-ERR invalid expire time in 'expire' command"), 0],
  ['EXPIRE b -9223372036854776', line("-ERR invalid expire time in 'expire' command"), 0],
  ['PEXPIRE b 9223372036854775807', line("-ERR invalid expire time in 'pexpire' command"), 0],
  ['PEXPIRETIME b', START_MS + 100_000, 0],
  ['PEXPIREAT b 9223372036854775807', 1, 1],
  ['PEXPIRETIME b', Number.MAX_SAFE_INTEGER, 0],
  ['EXPIREAT b 9007199254740993', 1, 1],
  ['PERSIST b', 1, 1],
  ['PERSIST b', 0, 0],
  ['TTL b', -1, 0],
  ['TTL none', -2, 0],
  ['EXPIRE c -1', 1, 1],
  ['DEL c', 0, 0],
  ['RENAME a a', OK, 0],
  ['RENAME a b', OK, 1],
  ['TTL b', 200, 0],
  ['RENAME a b', line('-ERR no such key'), 0],
  ['RENAMENX b b', 0, 0],
  ['RENAMENX b a', 1, 1],
  ['COPY a b', 1, 1],
  ['COPY a b', 0, 0],
  ['COPY a b REPLACE', 1, 1],
  ['COPY a a', line('-ERR source and destination objects are the same'), 0],
  ['COPY a a DB 1', 1, 1],
  ['COPY a b DB 16', line('-ERR DB index is out of range'), 0],
  ['MOVE a 1', 0, 0],
  ['MOVE a 0', line('-ERR source and destination objects are the same'), 0],
  ['MOVE a 2', 1, 1],
  ['MOVE none 2', 0, 0],
  ['TOUCH b b none', 2, 0],
  ['DEL b b none', 1, 1],
  ['UNLINK b', 0, 0],
  ['RANDOMKEY', null, 0],
]

test('each command replies and counts its changes', () => {
  runChanges(CHANGES)
})

test('a moved key takes value, deadline and clock with it', () => {
  const harness = new Harness()
  harness.run('SET', 'k', 'value', 'PX', 5000)
  harness.advance(2000)
  harness.run('MOVE', 'k', 3)
  harness.run('SELECT', 3)
  assert.equal(harness.run('PTTL', 'k'), 3000)
  harness.run('RENAME', 'k', 'k'.repeat(2000))
  assert.equal(harness.run('GET', 'k'.repeat(2000)), 'value')
  assert.equal(harness.run('PTTL', 'k'.repeat(2000)), 3000)
  harness.keyspace.check()
})

test('a key is gone for every command from its deadline on', () => {
  const commands: readonly (readonly [command: string, reply: Answer])[] = [
    ['GET k', null],
    ['EXISTS k', 0],
    ['TYPE k', line('+none')],
    ['TTL k', -2],
    ['PERSIST k', 0],
    ['EXPIRE k 10', 0],
    ['DEL k', 0],
    ['STRLEN k', 0],
    ['INCR k', 1],
    ['APPEND k 7', 1],
    ['SETNX k 1', 1],
    ['SET k 1 XX', null],
    ['RENAME k l', line('-ERR no such key')],
    ['RENAMENX other k', 1],
    ['COPY k l', 0],
    ['COPY other k', 1],
    ['MOVE k 1', 0],
    ['OBJECT ENCODING k', null],
    ['TOUCH k', 0],
    ['KEYS k', []],
    ['GETDEL k', null],
    ['SCAN 0 MATCH k', ['0', []]],
    ['LCS k k', ''],
    ['MSETNX k 1', 1],
    ['GETSET k 1', null],
  ]
  for (const [command, reply] of commands) {
    const harness = new Harness()
    harness.run('SET', 'k', '5', 'PX', 10)
    harness.run('SET', 'other', '5')
    harness.advance(9)
    assert.equal(harness.run('EXISTS', 'k'), 1)
    harness.advance(1)
    assert.deepEqual(harness.run(...command.split(' ')), reply, command)
    harness.keyspace.check()
  }
})

test('TTL and EXPIRETIME round to the nearest second', () => {
  const harness = new Harness()
  for (const [ms, seconds] of [
    [1, 0],
    [499, 0],
    [500, 1],
    [1499, 1],
    [1500, 2],
  ] as const) {
    harness.run('SET', 'k', 'v', 'PX', ms)
    assert.equal(harness.run('TTL', 'k'), seconds, `${ms} ms`)
    assert.equal(harness.run('PTTL', 'k'), ms)
    assert.equal(harness.run('EXPIRETIME', 'k'), START_MS / 1000 + seconds)
  }
})

test('SCAN finds every key that stays, while others come and go, and removes expired ones', () => {
  const harness = new Harness()
  for (let i = 0; i < 3000; i++) harness.run('SET', `stay:${i}`, i)
  for (let i = 0; i < 500; i++) harness.run('SET', `brief:${i}`, i, 'PX', 5)
  harness.advance(10)
  const found = new Set<Answer>()
  let cursor: Answer = '0'
  let turns = 0
  do {
    const reply: Answer = harness.run('SCAN', String(cursor), 'COUNT', 20)
    assert.ok(Array.isArray(reply) && Array.isArray(reply[1]))
    for (const key of reply[1]) found.add(key)
    cursor = reply[0]!
    harness.run('SET', `new:${turns}`, 'x')
    if (turns % 3 === 0) harness.run('DEL', `new:${turns - 10}`)
    turns++
  } while (cursor !== '0' && turns < 10_000)
  for (let i = 0; i < 3000; i++) assert.ok(found.has(`stay:${i}`), `stay:${i}`)
  for (let i = 0; i < 500; i++) assert.ok(!found.has(`brief:${i}`))
  assert.equal(harness.keyspace.stats.expired, 500)
  harness.keyspace.check()
})

test('SCAN reads cursors as strtoul does', () => {
  const harness = new Harness()
  const invalid = line('-ERR invalid cursor')
  for (const cursor of ['0', '00', '+0', '-0', '', '0000000000000000000000']) {
    assert.deepEqual(harness.run('SCAN', cursor), ['0', []], cursor)
  }
  for (const cursor of ['18446744073709551615', '-18446744073709551615', '9007199254740993']) {
    assert.ok(Array.isArray(harness.run('SCAN', cursor)), cursor)
  }
  for (const cursor of ['x', '1x', ' 1', '0x1', '+', '-', '18446744073709551616', '1.0']) {
    assert.deepEqual(harness.run('SCAN', cursor), invalid, cursor)
  }
})

test('a scan after a scan with options has none of them', () => {
  const harness = new Harness()
  harness.run('MSET', 'a', 1, 'b', 2)
  assert.deepEqual(harness.run('SCAN', 0, 'TYPE', 'hash', 'MATCH', 'a'), ['0', []])
  const all = harness.run('SCAN', 0)
  assert.ok(Array.isArray(all) && Array.isArray(all[1]))
  assert.deepEqual(all[1].sort(), ['a', 'b'])
  assert.deepEqual(harness.run('KEYS', 'b'), ['b'])
})

test('OBJECT IDLETIME grows, and looking does not stop it', () => {
  const harness = new Harness()
  harness.run('SET', 'k', 'v')
  harness.advance(50_000)
  for (const command of ['OBJECT ENCODING k', 'TTL k', 'EXISTS k', 'TYPE k']) {
    harness.run(...command.split(' '))
  }
  assert.equal(harness.run('OBJECT', 'IDLETIME', 'k'), 50)
  harness.run('TOUCH', 'k')
  assert.equal(harness.run('OBJECT', 'IDLETIME', 'k'), 0)
  const answer = harness.run('OBJECT', 'FREQ', 'k')
  assert.ok(answer !== null && typeof answer === 'object' && 'line' in answer)
  assert.match(answer.line, /^-ERR An LFU maxmemory policy is not selected/)
})

test('OBJECT FREQ counts under an LFU policy', () => {
  const harness = new Harness()
  harness.keyspace.clock.isLfu = true
  harness.run('SET', 'k', 'v')
  assert.equal(harness.run('OBJECT', 'FREQ', 'k'), 5)
  for (let i = 0; i < 200; i++) harness.run('GET', 'k')
  assert.ok(Number(harness.run('OBJECT', 'FREQ', 'k')) > 5)
  const answer = harness.run('OBJECT', 'IDLETIME', 'k')
  assert.ok(answer !== null && typeof answer === 'object' && 'line' in answer)
  assert.match(answer.line, /^-ERR An LFU maxmemory policy is selected/)
})

test('a new value does not reset the counter of LFU', () => {
  const harness = new Harness()
  harness.keyspace.clock.isLfu = true
  for (const value of ['short', 'x'.repeat(3000), '17']) {
    for (let i = 0; i < 500; i++) harness.run('TOUCH', 'k')
    const before = harness.run('OBJECT', 'FREQ', 'k')
    harness.run('SET', 'k', value)
    const after = harness.run('OBJECT', 'FREQ', 'k')
    assert.ok(before === null || Number(after) >= Number(before), `${before} before, then ${after}`)
  }
  assert.ok(Number(harness.run('OBJECT', 'FREQ', 'k')) > 8)
})

test('OBJECT REFCOUNT knows which integers Redis shares', () => {
  const harness = new Harness()
  const refcount = (value: string) => {
    harness.run('SET', 'k', value)
    return harness.run('OBJECT', 'REFCOUNT', 'k')
  }
  for (const shared of ['0', '1', '9999']) assert.equal(refcount(shared), 2147483647, shared)
  for (const own of ['-1', '10000', '01', 'x', '']) assert.equal(refcount(own), 1, own)
  harness.context.limits.isIntegerShared = false
  assert.equal(refcount('1'), 1)
})

test('OBJECT HELP is a list of statuses that begins with the form', () => {
  const help = new Harness().run('OBJECT', 'HELP')
  assert.ok(Array.isArray(help))
  assert.deepEqual(
    help[0],
    line('+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:'),
  )
  assert.deepEqual(help.slice(-2), [line('+HELP'), line('+    Prints this help.')])
})

test('RANDOMKEY picks each key at some time, never an expired one', () => {
  const harness = new Harness()
  for (let i = 0; i < 20; i++) harness.run('SET', `k${i}`, i)
  for (let i = 0; i < 20; i++) harness.run('SET', `brief${i}`, i, 'PX', 1)
  harness.advance(1)
  const found = new Set<Answer>()
  for (let i = 0; i < 2000; i++) found.add(harness.run('RANDOMKEY'))
  assert.equal(found.size, 20)
})
