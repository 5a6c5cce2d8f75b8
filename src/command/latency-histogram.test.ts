// Goal: percentiles are right within 3 %, and cumulative counts exact. Method: known durations.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { LatencyHistogram } from './latency-histogram.ts'

it('percentiles are within 3 % above the true value', () => {
  const histogram = new LatencyHistogram()
  for (let us = 1; us <= 1000; us++) histogram.record(us)
  for (const percent of [0, 1, 50, 90, 99, 99.9, 100]) {
    const truth = Math.max(1, Math.ceil(percent * 10))
    const found = histogram.percentileUs(percent)
    assert.ok(found >= truth && found <= truth * 1.032, `p${percent}: ${found} for ${truth}`)
  }
})

it('takes what is out of range as the nearest in range', () => {
  const histogram = new LatencyHistogram()
  for (const us of [-1, 0, 0.0001, 1e12]) histogram.record(us)
  assert.equal(histogram.total, 4)
  assert.ok(histogram.percentileUs(100) > 1_000_000)
  assert.ok(histogram.percentileUs(1) <= 0.001)
  assert.equal(new LatencyHistogram().percentileUs(50), 0)
})

it("counts up to powers of two, under Redis's labels", () => {
  const histogram = new LatencyHistogram()
  for (const us of [0.5, 1.5, 3, 3, 30, 900]) histogram.record(us)
  assert.deepEqual(histogram.cumulative(), [
    [1, 1],
    [2, 2],
    [4, 4],
    [33, 5],
    [1056, 6],
  ])
})
