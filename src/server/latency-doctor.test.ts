// Goal: LATENCY DOCTOR tells what was kept and gives the advice that belongs to it, each once.
// Method: events put into the monitor of a whole server by hand.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigName } from './config.ts'
import { describeSeries, diagnoseLatency } from './latency-doctor.ts'
import { LatencySeries } from './latency-monitor.ts'
import { TestServer } from './test-server.ts'

function serverWith(config: Partial<Record<ConfigName, string>> = {}): TestServer {
  return new TestServer({ config: { 'latency-monitor-threshold': '10', ...config } })
}

/** What is said after these events of 50 ms. */
function adviceFor(
  events: readonly string[],
  config?: Partial<Record<ConfigName, string>>,
): string {
  const { server } = serverWith(config).engine
  for (const event of events) server.latency.add(event, 50)
  const text = diagnoseLatency(server)
  assert.match(text, /^[\x20-\x7e\n]+\n$/, 'plain text')
  return text
}

describe('the latency doctor', () => {
  it('says how to turn the monitor on', () => {
    const text = adviceFor([], { 'latency-monitor-threshold': '0' })
    assert.match(text, /is off.*CONFIG SET latency-monitor-threshold/)
  })

  it('says that nothing took long', () => {
    assert.match(adviceFor([]), /^Nothing has taken 10 ms or longer/)
  })

  it('keeps what was measured before the monitor was turned off', () => {
    const server = serverWith()
    server.engine.server.latency.add('command', 50)
    server.connect().call('CONFIG', 'SET', 'latency-monitor-threshold', '0')
    const text = diagnoseLatency(server.engine.server)
    assert.match(text, /before the monitor was turned off:\n\n1\. command: 1 sample, median 50 ms/)
  })

  const cases: [what: string, event: string, config: string[], advice: RegExp][] = [
    ['the slow log is off', 'command', ['slowlog-log-slower-than', '-1'], /is off: CONFIG SET/],
    ['the slow log is empty', 'command', ['slowlog-max-len', '0'], /SET slowlog-max-len 128/],
    [
      'the slow log sees too little',
      'command',
      ['slowlog-log-slower-than', '20000'],
      /from 20 ms on only.*slowlog-log-slower-than 10000/,
    ],
    ['the slow log has it', 'fast-command', [], /it has 0 entries/],
    ['constant time', 'fast-command', [], /stolen or throttled/],
    ['no histograms', 'command', ['latency-tracking', 'no'], /CONFIG SET latency-tracking yes/],
    ['expiry without deadlines', 'expire-cycle', [], /No key has a deadline/],
    ['eviction', 'eviction-del', ['maxmemory', '1gb'], /maxmemory \(1\.00G\)/],
    ['the freeze of a cut', 'snapshot-cut', [], /Freezing the keyspace/],
    ['waits', 'snapshot-wait', ['snapshot-reserve', '64mb'], /reserve \(64\.00M\) was in use/],
    [
      'write delays',
      'snapshot-write-delay',
      ['rdb-key-save-delay', '5'],
      /held back.*rdb-key-save-delay slows it down/,
    ],
    ['the disk', 'aof-fsync-always', [], /The disk answers slowly/],
  ]
  for (const [what, event, [name, value], advice] of cases) {
    it(`knows of: ${what}`, () => {
      const config = name === undefined ? {} : { [name]: value }
      assert.match(adviceFor([event], config), advice)
    })
  }

  it('gives one piece of advice for events of one cause, and none for others', () => {
    const text = adviceFor(['snapshot-wait', 'expire-cycle', 'expire-del'])
    assert.equal(text.split('\n- ').length - 1, 2)
    assert.match(text, /\n1\. snapshot-wait: .*\n2\. expire-cycle: .*\n3\. expire-del: /)
  })

  it('tells which samples of commands have a cause of their own', () => {
    const { clock, engine } = serverWith()
    const { latency } = engine.server
    latency.add('command', 30)
    clock.advance(5000)
    for (const event of ['snapshot-wait', 'command', 'fast-command']) latency.add(event, 30)
    const text = diagnoseLatency(engine.server)
    assert.match(text, /Of 3 samples of commands fall together: 2 with snapshot-wait\. Begin/)
    assert.doesNotMatch(adviceFor(['command']), /fall together/)
  })

  it('names the commands with the longest calls', () => {
    const { server } = serverWith().engine
    for (const [i, name] of ['get', 'keys', 'sort', 'set'].entries()) {
      server.dispatcher.table.findByName(name)?.record(1000 * (i + 1))
    }
    server.latency.add('command', 10)
    assert.match(diagnoseLatency(server), /Longest calls by command: set \(4\..*sort.*keys \(2\./)
    assert.doesNotMatch(diagnoseLatency(server), /get \(1/)
  })

  it('tells how well expiry keeps up', () => {
    const server = serverWith()
    server.connect().call('SET', 'k', 'v', 'EX', '100')
    const { latency, keyspace } = server.engine.server
    latency.add('expire-cycle', 10)
    keyspace.stats.staleShare = 0.25
    assert.match(diagnoseLatency(server.engine.server), /25\.0 % of .*Spread deadlines/)
    keyspace.stats.staleShare = 0
    server.connect().call('CONFIG', 'SET', 'active-expire-effort', '7')
    assert.match(diagnoseLatency(server.engine.server), /active-expire-effort is 7/)
  })
})

describe('a series in words', () => {
  it('has its figures', () => {
    const series = new LatencySeries()
    for (const [second, durationMs] of [
      [10, 40],
      [12, 10],
      [20, 16],
    ] as const) {
      series.add(second, durationMs)
    }
    assert.equal(
      describeSeries(series, 80),
      '3 samples, one every 5.0 s, median 16 ms, average 22 ms, longest 40 ms (40 ms ever), ' +
        'the last 1m ago.',
    )
  })
})
