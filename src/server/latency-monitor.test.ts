// Goal: series keep the last 160 seconds with an event, the longest of each second and of all; the
// monitor keeps what reaches its threshold. Method: a clock by hand, then a whole server with
// commands that take time.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Command, Flag } from '../command/command.ts'
import { LatencyMonitor, LatencySeries, SAMPLES_MAX } from './latency-monitor.ts'
import { TestServer } from './test-server.ts'

describe('a latency series', () => {
  it('keeps the longest of a second', () => {
    const series = new LatencySeries()
    for (const durationMs of [5, 9, 7]) series.add(100, durationMs)
    series.add(101, 6)
    assert.deepEqual(series.samples(), [
      { unixSeconds: 100, durationMs: 9 },
      { unixSeconds: 101, durationMs: 6 },
    ])
    assert.equal(series.maxMs, 9)
  })

  it('keeps the last samples, oldest first, and the maximum of all', () => {
    const series = new LatencySeries()
    for (let i = 0; i < SAMPLES_MAX + 3; i++) series.add(i, i === 0 ? 1000 : i)
    assert.equal(series.count, SAMPLES_MAX)
    assert.equal(series.at(0).unixSeconds, 3)
    assert.equal(series.at(SAMPLES_MAX - 1).durationMs, SAMPLES_MAX + 2)
    assert.equal(series.maxMs, 1000)
  })
})

describe('the latency monitor', () => {
  it('is off at first and then keeps what reaches the threshold, in whole ms', () => {
    const monitor = new LatencyMonitor(() => 5_700)
    monitor.add('command', 1e6)
    assert.deepEqual([monitor.isOn, monitor.count], [false, 0])
    monitor.setThreshold(10)
    monitor.add('command', 9.99)
    monitor.add('command', 10.9)
    assert.deepEqual(monitor.find('command')?.samples(), [{ unixSeconds: 5, durationMs: 10 }])
    monitor.setThreshold(0)
    monitor.add('command', 99)
    assert.deepEqual([monitor.isOn, monitor.find('command')?.maxMs], [false, 10])
  })

  it('forgets one event or all, and says how many', () => {
    const monitor = new LatencyMonitor(() => 0)
    monitor.setThreshold(1)
    for (const event of ['a', 'b', 'c']) monitor.add(event, 1)
    assert.deepEqual([monitor.reset('b'), monitor.reset('b')], [true, false])
    assert.deepEqual(
      [...monitor.events()].map(([event]) => event),
      ['a', 'c'],
    )
    assert.deepEqual([monitor.resetAll(), monitor.resetAll()], [2, 0])
  })
})

const FACTS = {
  keys: [0, 0, 0],
  group: 'server',
  since: '1.0.0',
  summary: '',
  complexity: '',
  arity: 2,
} as const

/** A server with SLOW ms and QUICK ms, which take so long. */
function slowServer(options: { hasPersistence?: boolean } = {}): TestServer {
  const run: Command['run'] = (_context, args, reply) => {
    server.clock.advance(Number(args.text(1)))
    reply.ok()
  }
  const commands: Command[] = [
    { ...FACTS, name: 'slow', flags: 0, run },
    { ...FACTS, name: 'quick', flags: Flag.Fast, run },
  ]
  const config = { 'latency-monitor-threshold': '10', save: '' }
  const server = new TestServer({ config, commands, ...options })
  return server
}

/** Data of several times the smallest reserve. */
const KEYS = 1500
const VALUE_BYTES = 2000

describe('events of a server', () => {
  it('are commands, by their flag `fast`, those of a transaction and it itself', () => {
    const server = slowServer()
    const { latency } = server.engine.server
    const client = server.connect()
    client.call('SLOW', '9')
    assert.equal(latency.count, 0)
    client.call('SLOW', '10')
    client.call('QUICK', '20')
    assert.equal(latency.find('command')?.maxMs, 10)
    assert.equal(latency.find('fast-command')?.maxMs, 20)
    latency.resetAll()
    for (const words of [['MULTI'], ['QUICK', '30'], ['EXEC']]) client.call(...words)
    assert.equal(latency.find('fast-command')?.maxMs, 30)
    assert.equal(latency.find('command')?.maxMs, 30)
  })

  it('follow CONFIG SET at once', () => {
    const server = slowServer()
    const { latency } = server.engine.server
    const client = server.connect()
    client.call('CONFIG', 'SET', 'latency-monitor-threshold', '0')
    client.call('SLOW', '50')
    assert.deepEqual([latency.isOn, latency.count], [false, 0])
    client.call('CONFIG', 'SET', 'latency-monitor-threshold', '50')
    client.call('SLOW', '50')
    assert.equal(latency.find('command')?.maxMs, 50)
  })

  it('are slices of active expiry and removals by it', () => {
    const server = slowServer()
    const { latency, keyspace } = server.engine.server
    const client = server.connect()
    client.call('SET', 'k', 'v', 'PX', '5')
    const remove = keyspace.databases[0]!.remove
    // What is removed takes its time.
    keyspace.databases[0]!.remove = function (record) {
      server.clock.advance(15)
      return remove.call(this, record)
    }
    server.clock.advance(200)
    assert.equal(latency.find('expire-del')?.maxMs, 15)
    assert.equal(latency.find('expire-cycle')?.maxMs, 15)
  })

  it('are the freeze of a snapshot and the waits inside of commands', () => {
    const server = slowServer({ hasPersistence: true })
    const { latency, persistence } = server.engine.server
    const client = server.connect()
    const settings = ['snapshot-reserve', '1mb', 'latency-monitor-threshold', '1']
    assert.equal(client.call('CONFIG', 'SET', ...settings), '+OK\r\n')
    const names = Array.from({ length: KEYS }, (_, i) => `k${i}`)
    const words = ['MSET', ...names.flatMap((name) => [name, 'x'.repeat(VALUE_BYTES)])]
    assert.equal(client.call(...words), '+OK\r\n')
    latency.resetAll()
    // Each look at the clock takes 2 ms from here on.
    let nowUs = server.clock.monotonicUs()
    server.clock.monotonicUs = () => (nowUs += 2000)
    assert.match(client.call('BGSAVE'), /^\+Background saving started/)
    assert.equal(latency.find('snapshot-cut')?.maxMs, 2)
    assert.equal(latency.find('snapshot-wait'), undefined)
    // The reserve holds a part of these pages.
    assert.equal(client.call(...words), '+OK\r\n')
    const figures = persistence?.cutFigures
    assert.ok(figures && figures.waits > 0, 'the command waited')
    assert.equal(latency.find('snapshot-wait')?.maxMs, Math.floor(figures.waitUsMax / 1000))
  })
})
