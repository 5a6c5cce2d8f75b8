// Readings are cut to the right spans of time: what counts as before a save and as during it, and
// where the points of a chart lie. By small made-up readings.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latencySeries, memoryAround, memorySeries, waitsAround } from './window.ts'

const WINDOW = { beforeMs: 1000, save: { startMs: 2000, endMs: 3000 } }
const SAMPLES: [number, number][] = [
  [500, 900e6],
  [1100, 100e6],
  [1500, 102e6],
  [1900, 104e6],
  [2500, 130e6],
  [3015, 140e6],
  [3500, 500e6],
]

test('extra memory is the highest reading in the save above the median before it', () => {
  const { baseline, extra } = memoryAround({ samples: SAMPLES }, WINDOW, 20)
  assert.equal(baseline, 102)
  assert.equal(extra, 38, 'the reading that ended just after the save counts, later ones do not')
})

test('a save without readings around it is an error, not a zero', () => {
  const late = { ...WINDOW, save: { startMs: 9000, endMs: 9100 } }
  assert.throws(() => memoryAround({ samples: SAMPLES }, late, 20), /no PSS samples/)
  const probes = { startMs: 0, intervalMs: 1, latencyUs: [1, 2], ownLatenessUs: [] }
  assert.throws(() => waitsAround(probes, WINDOW), /no probes/)
})

test('the series of memory begins a second before the save and ends a second after', () => {
  const label = { name: 'm', variant: 'v', baseline: 102 }
  const series = memorySeries({ samples: SAMPLES }, WINDOW, label)
  assert.deepEqual(series.atMs, [-900, -500, -100, 500, 1015, 1500])
  assert.deepEqual(series.values, [-2, 0, 2, 28, 38, 398])
  assert.equal(series.saveMs, 1000)
})

test('a probe without an answer when the save began has waited for the save', () => {
  // Due at 1997, 1998 and 1999; the first was answered in time.
  const late = new Map([
    [1997, 2500],
    [1998, 9000],
    [1999, 8000],
  ])
  const latencyUs = Array.from({ length: 5000 }, (_, i) => late.get(i) ?? 100)
  const probes = { startMs: 0, intervalMs: 1, latencyUs, ownLatenessUs: [] }
  const { before, during } = waitsAround(probes, WINDOW)
  assert.equal(Math.max(...before), 2500)
  assert.deepEqual(during.slice(0, 3), [9000, 8000, 100])
  assert.equal(before.length + during.length, 2000)
})

test('the series of waits has the longest of each 50 ms', () => {
  const latencyUs = Array.from({ length: 5000 }, (_, i) => (i === 2075 ? 7500 : 100))
  const probes = { startMs: 0, intervalMs: 1, latencyUs, ownLatenessUs: [] }
  const { before, during } = waitsAround(probes, WINDOW)
  assert.deepEqual([before.length, during.length], [1000, 1000])
  const series = latencySeries(probes, WINDOW, { name: 'w', variant: 'v' })
  assert.equal(series.atMs[0], -1000)
  assert.equal(series.atMs.at(-1), 2000)
  const high = series.atMs.filter((_, i) => series.values[i] === 7.5)
  assert.deepEqual(high, [50])
  assert.ok(series.values.every((value) => value === 7.5 || value === 0.1))
})
