// Goal: each duration is in the bucket of its power of two, and percentiles and sums agree.
// Method: literal durations at the boundaries; a model of sorted durations under a seed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { DelayFigures } from './delay-figures.ts'

const SEED = Number(process.env['SEED'] ?? 7)

function figuresOf(...durations: readonly number[]): DelayFigures {
  const figures = new DelayFigures()
  for (const us of durations) {
    figures.begin()
    figures.end(us)
  }
  return figures
}

describe('delay figures', () => {
  it('have nothing to show at first', () => {
    const figures = new DelayFigures()
    assert.deepEqual(figures.cumulative(), [])
    assert.equal(figures.percentileUs(99.9), 0)
  })

  const rows: readonly [us: number, limitUs: number][] = [
    [0, 1],
    [1, 1],
    [1.5, 2],
    [2, 2],
    [2.1, 4],
    [1024, 1024],
    [1025, 2048],
    [2 ** 30, 2 ** 30],
    [2 ** 30 + 1, 2 ** 31],
    [2 ** 40, 2 ** 31],
  ]
  for (const [us, limitUs] of rows) {
    it(`count ${us} us up to ${limitUs} us`, () => {
      assert.deepEqual(figuresOf(us).cumulative(), [[limitUs, 1]])
    })
  }

  it('tell percentiles within a factor of two, and never more than the longest', () => {
    console.log(`SEED=${SEED}`)
    const random = new Random(SEED)
    const durations = Array.from({ length: 5000 }, () => random.below(1 << random.below(24)))
    const figures = figuresOf(...durations)
    durations.sort((a, b) => a - b)
    for (const percent of [1, 50, 90, 99, 99.9, 100]) {
      const exact = durations[Math.ceil((percent / 100) * durations.length) - 1]!
      const found = figures.percentileUs(percent)
      assert.ok(found >= exact, `p${percent}: ${found} for ${exact}`)
      assert.ok(found <= Math.max(1, exact * 2), `p${percent}: ${found} for ${exact}`)
    }
    assert.equal(figures.percentileUs(100), figures.maxUs)
    assert.equal(
      figures.totalUs,
      durations.reduce((sum, us) => sum + us, 0),
    )
    assert.equal(figures.cumulative().at(-1)![1], durations.length)
  })

  it('let waits go on that had begun when they were reset', () => {
    const figures = figuresOf(10)
    figures.begin()
    figures.reset(1)
    assert.equal(figures.count, 1)
    figures.end(100)
    assert.deepEqual(figures.cumulative(), [[128, 1]])
    assert.equal(figures.maxUs, 100)
  })
})
