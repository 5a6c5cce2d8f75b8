// Goal: the chart of LATENCY GRAPH is Redis's, character by character. Method: series by hand; the
// expected charts are what redis-server 7.0.15 drew for the same samples.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drawLatency, formatAge } from './latency-graph.ts'
import { LatencySeries } from './latency-monitor.ts'

const RULE = '-'.repeat(80)

/** A series with one sample a second. */
function seriesOf(durations: readonly number[]): LatencySeries {
  const series = new LatencySeries()
  for (const [i, durationMs] of durations.entries()) series.add(1000 + i, durationMs)
  return series
}

describe('the chart of a series', () => {
  it('draws low columns beside a high one', () => {
    const lines = [
      'command - high 300 ms, low 10 ms (all time high 300 ms)',
      RULE,
      '   #',
      '   |',
      '   |',
      '___|',
      '    ',
      '6543',
      'ssss',
      '',
    ]
    assert.equal(drawLatency('command', seriesOf([10, 20, 30, 300]), 1006), lines.join('\n'))
  })

  it('shows twelve levels', () => {
    const durations = Array.from({ length: 13 }, (_, i) => i)
    const lines = [
      'e - high 12 ms, low 0 ms (all time high 12 ms)',
      RULE,
      '         _o##',
      '      _o#||||',
      '   _o#|||||||',
      '_o#||||||||||',
      '             ',
      '1119876543210',
      '210ssssssssss',
      'sss          ',
      '',
    ]
    assert.equal(drawLatency('e', seriesOf(durations), 1012), lines.join('\n'))
  })

  it('draws equal samples on the ground', () => {
    const text = drawLatency('e', seriesOf([7, 7]), 1001)
    assert.match(text, /high 7 ms, low 7 ms \(all time high 7 ms\)\n-+\n {2}\n {2}\n {2}\n__\n/)
  })

  it('breaks after 80 samples, on one scale', () => {
    const durations = Array.from({ length: 82 }, (_, i) => (i === 0 ? 20 : i))
    const charts = drawLatency('e', seriesOf(durations), 1000 + 81).split('\n\n')
    assert.equal(charts.length, 2)
    assert.equal(charts[0]?.split('\n')[2]?.length, 80)
    assert.equal(charts[1], '##\n||\n||\n||\n  \n10\nss\n')
  })

  it('names the highest ever, though its sample has gone', () => {
    const series = seriesOf([500, ...Array.from({ length: 160 }, () => 9)])
    assert.match(
      drawLatency('e', series, 2000),
      /^e - high 9 ms, low 9 ms \(all time high 500 ms\)/,
    )
  })
})

describe('how long ago', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [59, '59s'],
    [60, '1m'],
    [3599, '59m'],
    [3600, '1h'],
    [86_399, '23h'],
    [86_400, '1d'],
  ]
  for (const [seconds, text] of cases) {
    it(`${seconds} s is ${text}`, () => assert.equal(formatAge(seconds), text))
  }
})
