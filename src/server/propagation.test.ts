// Goal: each change reaches each sink once, complete, for the right database, and wrapped as Redis
// wraps it. Method: an engine with a fake clock, a sink that keeps what it gets as text, literal
// streams. Which words a command is repeated with: replay.test.ts.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Target } from '../command/effects.ts'
import { type TestClient, TestServer } from './test-server.ts'
import { TestSink } from './test-sink.ts'

let server: TestServer
let client: TestClient
let sink: TestSink

beforeEach(() => {
  server = new TestServer({ startMs: 1_000_000 })
  client = server.connect()
  sink = new TestSink()
  server.engine.server.propagation.attach(sink)
})

function run(...lines: readonly string[]): string[] {
  for (const line of lines) client.send(`${line}\r\n`)
  return sink.take()
}

describe('units', () => {
  it('a write selects its database first; a read is none', () => {
    deepEqual(run('get a', 'set a 1', 'set b 2'), ['SELECT 0', 'set a 1', 'set b 2'])
    deepEqual(run('select 3', 'get a', 'set a 1'), ['SELECT 3', 'set a 1'])
    equal(sink.unitCount, 3)
  })

  it('what changes nothing is no change', () => {
    deepEqual(run('del a', 'srem s a', 'expire a 5', 'persist a', 'lpushx l 1', 'nope'), [])
  })

  it('EXEC is wrapped if it holds several writes, and once', () => {
    deepEqual(run('multi', 'set a 1', 'get a', 'exec'), ['SELECT 0', 'set a 1'])
    deepEqual(run('multi', 'get a', 'get b', 'exec'), [])
    deepEqual(run('multi', 'set a 1', 'select 2', 'incr a', 'exec'), [
      'MULTI',
      'set a 1',
      'SELECT 2',
      'incr a',
      'EXEC',
    ])
    equal(sink.unitCount, 2)
  })

  it('words are kept well-formed, however they came', () => {
    const value = 'v'.repeat(12_345)
    const wires = [
      '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n',
      `*3\r\n$3\r\nSET\r\n$1\r\na\r\n$12345\r\n${value}\r\n`,
      '*3\r\n$3\r\nSETxy$1\r\na\r\n$1\r\nb\r\n',
      '*3\r\n$3\r\nSET\r\n$1\r\naxy$1\r\nb\r\n',
      '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nbxy',
      '*3\r\n$3\r\nSET\r\n$1\rxa\r\n$1\r\nb\r\n',
      'SET  a  "b"\r\n',
      ' SET\ta b \r\n',
    ]
    for (const wire of wires) {
      client.send(wire)
      const stream = sink.take().filter((line) => line !== 'SELECT 0')
      deepEqual(stream, [wire.includes(value) ? `SET a ${value}` : 'SET a b'], wire.slice(0, 60))
    }
    // In pieces, so that the words are put together elsewhere.
    for (const byte of wires[0]!) client.send(byte)
    deepEqual(sink.take(), ['SET a b'])
  })

  it('a discarded transaction is none', () => {
    deepEqual(run('multi', 'set a 1', 'discard', 'multi', 'set a 1', 'bad', 'exec'), [])
  })

  it('a key found expired goes first, in one unit with the command', () => {
    run('set a 1 px 10', 'set b 1 px 10')
    server.engine.server.isActiveExpireOn = false
    server.clock.advance(20)
    deepEqual(run('get a'), ['DEL a'])
    deepEqual(run('append b x'), ['MULTI', 'DEL b', 'append b x', 'EXEC'])
  })

  it('active expiry is not wrapped', () => {
    run('set a 1 px 10', 'set b 1 px 10')
    server.clock.advance(2000)
    deepEqual(sink.take().sort(), ['DEL a', 'DEL b'])
  })

  it('evicted keys go before the command that needs room, not wrapped', () => {
    const { keyspace, config } = server.engine.server
    client.send('config set maxmemory-policy allkeys-random maxmemory-samples 1\r\n')
    const value = 'v'.repeat(1000)
    for (let i = 0; i < 50; i++) client.send(`set k${i} ${value}\r\n`)
    sink.take()
    client.send(`config set maxmemory ${keyspace.usedBytes}\r\n`)
    for (let i = 50; i < 60; i++) client.send(`set k${i} ${value}\r\n`)
    const lines = sink.take().map((line) => line.split(' ').slice(0, 2).join(' '))
    equal(lines.filter((line) => /^set k\d+$/.test(line)).length, 10)
    ok(lines.some((line) => /^DEL k\d+$/.test(line)))
    equal(lines.length, lines.filter((line) => /^(set|DEL) k/.test(line)).length)
    equal(config.values.lazyfreeLazyEviction, false)
    client.send('config set lazyfree-lazy-eviction yes\r\n')
    const more = run(`set more ${value}`, `set last ${value}`)
    ok(more.some((line) => /^UNLINK k/.test(line)))
  })

  it('SCAN does not wrap what it finds expired', () => {
    run('config set lazyfree-lazy-expire yes', 'set a 1 px 10', 'set b 1 px 10')
    server.engine.server.isActiveExpireOn = false
    server.clock.advance(20)
    deepEqual(run('scan 0').sort(), ['UNLINK a', 'UNLINK b'])
  })

  it('who waits for a key is a unit of its own', () => {
    const other = server.connect()
    other.send('blpop l 0\r\n')
    deepEqual(run('multi', 'rpush l a', 'rpush l b', 'exec'), [
      'SELECT 0',
      'MULTI',
      'rpush l a',
      'rpush l b',
      'EXEC',
      'LPOP l',
    ])
  })
})

describe('sinks', () => {
  it('each has a database of its own', () => {
    const late = new TestSink(Target.Replicas)
    run('set a 1')
    server.engine.server.propagation.attach(late)
    deepEqual(run('set a 2'), ['set a 2'])
    deepEqual(late.take(), ['SELECT 0', 'set a 2'])
    server.engine.server.propagation.reselect(sink)
    deepEqual(run('set a 3'), ['SELECT 0', 'set a 3'])
    deepEqual(late.take(), ['set a 3'])
  })

  it('PUBLISH is for replicas only', () => {
    const replicas = new TestSink(Target.Replicas)
    server.engine.server.propagation.attach(replicas)
    deepEqual(run('publish c m', 'spublish c m'), [])
    deepEqual(replicas.take(), ['SELECT 0', 'publish c m', 'spublish c m'])
    deepEqual(run('multi', 'publish c m', 'publish c n', 'exec'), [])
  })

  it('nothing is kept without one, nor while the stream is suspended', () => {
    const { propagation, effects } = server.engine.server
    propagation.suspend()
    deepEqual(run('set a 1'), [])
    propagation.resume()
    deepEqual(run('set a 1'), ['SELECT 0', 'set a 1'])
    propagation.detach(sink)
    equal(effects.isKept, false)
    deepEqual(run('set a 1'), [])
  })
})
