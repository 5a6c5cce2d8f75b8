// The chart is well-formed for any series: every point lies inside its panel, what is in it is
// named, and where a result has no series there is no chart. By made-up results.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Result } from './lib/result.ts'
import type { Series } from './lib/window.ts'
import { renderChart } from './snapshot-chart.ts'

const VIEW = { width: 860, height: 640 }

test('both panels show a line, a bar and a legend for each server', () => {
  // The second reading comes after the save: it is drawn, but not what the save took.
  const chart = chartOf([3.1, 700], [0.2, 40])
  assert.equal(chart.match(/<polyline/g)?.length, 6)
  assert.equal(chart.match(/class="bar /g)?.length, 12, 'a bar and a key of the legend each')
  assert.match(chart, /redis &amp; co: max 3\.10 MB, save 4\.30 s/)
  assert.match(chart, /at 24 000 writes per second/)
  assert.match(chart, /1 000 keys of 512 B;/)
  assert.match(chart, /cooperative: max 0\.200 ms/)
})

test('every coordinate is a number inside of the picture', () => {
  // A peak of zero, one below every decade, one far above.
  for (const [memory, wait] of [
    [0, 0],
    [0.5, 0.0001],
    [1e6, 1e5],
  ] as const) {
    const chart = chartOf([0, memory], [0, wait])
    assert.doesNotMatch(chart, /NaN|Infinity|undefined/)
    for (const [, points] of chart.matchAll(/points="([^"]*)"/g)) {
      for (const point of points!.split(' ')) {
        const [x, y] = point.split(',').map(Number)
        assert.ok(x! >= 0 && x! <= VIEW.width && y! >= 0 && y! <= VIEW.height, point)
      }
    }
  }
})

test('without series there is no chart', () => {
  assert.equal(renderChart(resultOf([]), resultOf([])), null)
})

function chartOf(memory: readonly number[], waits: readonly number[]): string {
  const variants = ['reference', 'background', 'cooperative']
  const make = (name: string, unit: string, values: readonly number[]) =>
    variants.map((variant) => seriesOf({ name, unit, variant, values: [...values] }))
  const chart = renderChart(
    resultOf(make('memory, 512 B', 'MB', memory)),
    resultOf(make('latency', 'ms', waits)),
  )
  assert.ok(chart)
  return chart
}

function seriesOf(more: Pick<Series, 'name' | 'unit' | 'variant' | 'values'>): Series {
  return { ...more, saveMs: 4300, atMs: more.values.map((_, i) => i * 5000) }
}

function resultOf(series: readonly Series[]): Result {
  const server = { name: 'redis & co', command: 'redis-server', version: '7.0.15' }
  return {
    bench: 'x',
    question: '',
    date: '2026-01-02T03:04:05.678Z',
    command: '',
    machine: {
      cpu: 'cpu',
      cores: 2,
      memoryMiB: 1,
      kernel: '',
      transparentHugePages: '',
      overcommitMemory: '',
    },
    disturbance: { busyBeforePercent: 0, stolenPercent: 0 },
    node: '',
    servers: { subject: server, reference: server },
    rounds: 1,
    parameters: { 'keys of 512 B': 1000, keys: 1000, 'SET/s': 20_000, 'other writes/s': 4000 },
    rows: [],
    notes: [],
    series,
  }
}
