// Goal: commands that are not repeated with their own words are repeated with the right ones, and a
// log is run as it is written: no key expires by itself, nothing waits, nothing is refused. Method:
// a table of commands with the stream they give, on an engine with a clock of the test's; commands
// run by `Replay`, also such as no client can send. What redis-server gives for the same commands
// is compared in test/differential/propagation.test.ts.

import { deepEqual, equal, match } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Args } from '../resp/args.ts'
import { UNKNOWN_COMMAND } from './replay.ts'
import { TestServer } from './test-server.ts'
import { TestSink } from './test-sink.ts'

const START_MS = 1_000_000

/** Commands, `+ms` for time that passes, and the stream, without its SELECT. */
const RULES: readonly [name: string, commands: readonly string[], stream: readonly string[]][] = [
  ['EXPIRE', ['set a 1', 'expire a 10 nx'], ['set a 1', 'PEXPIREAT a 1010000 nx']],
  ['PEXPIREAT', ['set a 1', 'pexpireat a 1000001'], ['set a 1', 'pexpireat a 1000001']],
  ['EXPIRE in the past', ['set a 1', 'expire a -1'], ['set a 1', 'DEL a']],
  ['SET EX', ['set a 1 ex 5 nx get'], ['SET a 1 PXAT 1005000']],
  ['SET GET', ['set a 1 get keepttl'], ['SET a 1 keepttl']],
  ['SETEX', ['setex a 5 v'], ['SET a v PXAT 1005000']],
  ['GETSET', ['getset a v'], ['SET a v']],
  ['GETDEL', ['set a 1', 'getdel a', 'getdel a'], ['set a 1', 'DEL a']],
  ['GETEX', ['set a 1', 'getex a', 'getex a ex 1'], ['set a 1', 'PEXPIREAT a 1001000']],
  ['INCRBYFLOAT', ['incrbyfloat a 0.1'], ['SET a 0.1 KEEPTTL']],
  ['SPOP', ['sadd s 1', 'spop s'], ['sadd s 1', 'SREM s 1']],
  ['SPOP of all', ['sadd s 1 2', 'spop s 5'], ['sadd s 1 2', 'DEL s']],
  ['BLPOP', ['rpush l 1', 'blpop k l 0'], ['rpush l 1', 'LPOP l']],
  ['LMPOP', ['rpush l 1', 'lmpop 1 l right count 5'], ['rpush l 1', 'RPOP l 1']],
  ['BZPOPMAX', ['zadd z 1 a', 'bzpopmax z 0'], ['zadd z 1 a', 'ZPOPMAX z']],
  ['ZMPOP', ['zadd z 1 a', 'zmpop 1 z min'], ['zadd z 1 a', 'ZPOPMIN z 1']],
  [
    'XADD',
    ['xadd s * a 1', 'xadd s 1000000-* a 1'],
    ['XADD s 1000000-0 a 1', 'XADD s 1000000-1 a 1'],
  ],
  ['XADD ~', ['xadd s maxlen ~ 5 limit 9 1-1 a 1'], ['XADD s maxlen = 1 limit 9 1-1 a 1']],
  ['GEOADD', ['geoadd g 0 0 a'], ['ZADD g 3377699720527872 a']],
  ['FLUSHALL', ['flushall', 'flushdb'], ['flushall', 'flushdb']],
  ['HINCRBYFLOAT', ['hincrbyfloat h f 1.5'], ['HSET h f 1.5']],
  [
    'HINCRBYFLOAT with a deadline',
    ['hset h f 1', 'hexpire h 10 fields 1 f', 'hincrbyfloat h f 1'],
    [
      'hset h f 1',
      'HPEXPIREAT h 1010000 FIELDS 1 f',
      'MULTI',
      'HSET h f 2',
      'HPEXPIREAT h 1010000 FIELDS 1 f',
      'EXEC',
    ],
  ],
  [
    'HEXPIRE',
    ['hset h f 1 g 1', 'hpexpire h 10 nx fields 3 f x g'],
    ['hset h f 1 g 1', 'HPEXPIREAT h 1000010 FIELDS 2 f g'],
  ],
  [
    'HEXPIRE in the past',
    ['hset h f 1 g 1', 'hpexpire h 0 fields 1 f'],
    ['hset h f 1 g 1', 'HDEL h f'],
  ],
  [
    'HPERSIST',
    ['hset h f 1 g 1', 'hpexpire h 10 fields 1 f', 'hpersist h fields 2 f g'],
    ['hset h f 1 g 1', 'HPEXPIREAT h 1000010 FIELDS 1 f', 'HPERSIST h FIELDS 1 f'],
  ],
  [
    'a field that has expired',
    [
      'hset h f 1 g 1',
      'hpexpire h 10 fields 1 f',
      '+20',
      'hsetnx h f 2',
      'hpexpire h 9 fields 1 g',
      '+20',
      'hdel h g',
    ],
    [
      'hset h f 1 g 1',
      'HPEXPIREAT h 1000010 FIELDS 1 f',
      'MULTI',
      'HDEL h f',
      'hsetnx h f 2',
      'EXEC',
      'HPEXPIREAT h 1000029 FIELDS 1 g',
      'hdel h g',
    ],
  ],
  [
    'SORT by a field that has expired',
    [
      'hset h_1 f 1 g 1',
      'hpexpire h_1 10 fields 1 f',
      'rpush l 1',
      '+20',
      'sort l by nosort get h_*->f store d',
    ],
    [
      'hset h_1 f 1 g 1',
      'HPEXPIREAT h_1 1000010 FIELDS 1 f',
      'rpush l 1',
      'MULTI',
      'HDEL h_1 f',
      'sort l by nosort get h_*->f store d',
      'EXEC',
    ],
  ],
]

function start(): { server: TestServer; sink: TestSink } {
  const server = new TestServer({ startMs: START_MS })
  server.engine.server.isActiveExpireOn = false
  const sink = new TestSink()
  server.engine.server.propagation.attach(sink)
  return { server, sink }
}

describe('what a command is repeated as', () => {
  for (const [name, commands, stream] of RULES) {
    it(name, () => {
      const { server, sink } = start()
      const client = server.connect()
      for (const command of commands) {
        if (command.startsWith('+')) server.clock.advance(Number(command))
        else client.send(`${command}\r\n`)
      }
      deepEqual(sink.take(), ['SELECT 0', ...stream])
    })
  }

  it('fields that expire by themselves, each', () => {
    const { server, sink } = start()
    const client = server.connect()
    client.send('hset h f 1 g 2 i 3\r\nhpexpire h 10 fields 2 f g\r\n')
    const many = Array.from({ length: 600 }, (_, i) => `m${i}`).join(' ')
    client.send(`hset large ${many}\r\nhpexpire large 10 fields 2 m0 m2\r\n`)
    sink.take()
    server.engine.server.isActiveExpireOn = true
    server.clock.advance(1000)
    deepEqual(sink.take().sort(), ['HDEL h f', 'HDEL h g', 'HDEL large m0', 'HDEL large m2'])
  })

  it('a large command, and many in one transaction', () => {
    const { server, sink } = start()
    const client = server.connect()
    client.call('MULTI')
    for (let i = 0; i < 3000; i++) client.call('RPUSH', `l${i % 7}`, 'v'.repeat(i))
    client.call('EXEC')
    const lines = sink.take()
    equal(lines.length, 3003)
    equal(lines[3001], `RPUSH l${2999 % 7} ${'v'.repeat(2999)}`)
    client.call('SET', 'a', 'v'.repeat(3_000_000))
    equal(sink.take()[0]?.length, 3_000_006)
    client.call('SET', 'a', 'b')
    deepEqual(sink.take(), ['SET a b'])
  })
})

describe('a log', () => {
  const run = (server: TestServer, ...words: string[]) =>
    server.engine.replay.run(Args.of(...words))

  it('is run without expiry, and what is overdue goes when it is over', () => {
    const { server } = start()
    const { keyspace } = server.engine.server
    equal(run(server, 'SET', 'a', '1', 'PXAT', '5'), null)
    equal(run(server, 'SET', 'b', '1'), null)
    equal(run(server, 'PEXPIREAT', 'b', '0'), null)
    equal(run(server, 'APPEND', 'a', '2'), null)
    equal(run(server, 'HSET', 'h', 'f', '1', 'g', '1'), null)
    equal(run(server, 'HPEXPIREAT', 'h', '5', 'FIELDS', '1', 'f'), null)
    equal(run(server, 'HINCRBY', 'h', 'f', '1'), null)
    equal(keyspace.size, 3)
    const client = server.connect()
    equal(client.send('get a\r\n'), '$-1\r\n')
    equal(client.send('get b\r\n'), '$-1\r\n')
    equal(client.send('hget h f\r\n'), '$-1\r\n')
    equal(client.send('hget h g\r\n'), '$1\r\n1\r\n')
  })

  it('selects databases for itself', () => {
    const { server, sink } = start()
    const client = server.connect()
    run(server, 'SELECT', '3')
    run(server, 'SET', 'a', '1')
    equal(client.send('get a\r\n'), '$-1\r\n')
    equal(client.send('select 3\r\nget a\r\n'), '+OK\r\n$1\r\n1\r\n')
    equal(server.engine.replay.database, 3)
    // Who loads what a sink knows of suspends the stream.
    deepEqual(sink.take(), ['SELECT 3', 'SET a 1'])
  })

  it('runs transactions at their end, and forgets one that has none', () => {
    const { server, sink } = start()
    const { replay } = server.engine
    equal(run(server, 'MULTI'), null)
    equal(run(server, 'SET', 'a', '1'), null)
    equal(replay.isInTransaction, true)
    equal(server.engine.server.keyspace.size, 0)
    equal(run(server, 'INCR', 'a'), null)
    equal(run(server, 'EXEC'), null)
    equal(replay.isInTransaction, false)
    deepEqual(sink.take(), ['SELECT 0', 'MULTI', 'SET a 1', 'INCR a', 'EXEC'])
    run(server, 'MULTI')
    run(server, 'SET', 'b', '1')
    replay.abandon()
    equal(replay.isInTransaction, false)
    equal(server.engine.server.keyspace.size, 1)
  })

  it('tells errors, and never waits', () => {
    const { server } = start()
    equal(run(server, 'NOPE', 'a'), UNKNOWN_COMMAND)
    equal(run(server, 'GET'), UNKNOWN_COMMAND)
    run(server, 'SET', 'a', '1')
    match(run(server, 'LPUSH', 'a', '1')?.message ?? '', /^WRONGTYPE Operation against a key/)
    equal(run(server, 'BLPOP', 'l', '0'), null)
    equal(run(server, 'XADD', 's', 'MAXLEN', '=', '3', 'LIMIT', '5', '1-1', 'a', '1'), null)
    equal(run(server, 'GET', 'a'), null)
  })

  it('is run though memory is short or a password is wanted', () => {
    const { server } = start()
    server.connect().send('config set maxmemory 1 requirepass secret\r\n')
    equal(run(server, 'SET', 'a', '1'), null)
    equal(server.engine.server.keyspace.size, 1)
    equal(server.engine.server.dispatcher.commandCount, 1)
  })
})
