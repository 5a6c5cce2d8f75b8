// Numbers and their presentation, by tables of small cases whose answers are known by hand.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeRow } from './result.ts'
import { maximum, median, percentile, rounded, summarize } from './stats.ts'
import { formatNumber, markdownTable, plainTable } from './table.ts'

const HUNDRED = Array.from({ length: 100 }, (_, i) => 100 - i)

test('percentile is the nearest rank, a measured value', () => {
  const cases = [
    [0, 1],
    [0.01, 1],
    [0.5, 50],
    [0.99, 99],
    [0.999, 100],
    [1, 100],
  ] as const
  for (const [fraction, expected] of cases) {
    assert.equal(percentile(HUNDRED, fraction), expected, `at ${fraction}`)
  }
  assert.ok(Number.isNaN(percentile([], 0.5)))
})

test('median takes the middle, or the mean of the two middle ones', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([4, 1, 2, 9]), 3)
  assert.ok(Number.isNaN(median([])))
})

test('maximum takes arrays of any length', () => {
  assert.equal(maximum([-3, -1, -2]), -1)
  assert.equal(maximum(new Array<number>(300_000).fill(7)), 7)
  assert.ok(Number.isNaN(maximum([])))
})

test('summarize keeps the order of the rounds', () => {
  assert.deepEqual(summarize([3, 1, 2]), { min: 1, median: 2, max: 3, rounds: [3, 1, 2] })
  assert.throws(() => summarize([]), /no rounds/)
})

test('rounded keeps four digits and whole numbers', () => {
  assert.equal(rounded(1.23456), 1.235)
  assert.equal(rounded(123456.789), 123457)
  assert.equal(rounded(1234567), 1234567)
})

test('formatNumber groups thousands and shows small numbers finely', () => {
  const cases: [number, string][] = [
    [0, '0.000'],
    [0.1234, '0.123'],
    [1.5, '1.50'],
    [99.94, '99.9'],
    [123.4, '123'],
    [1234567, '1 234 567'],
    [Number.NaN, '–'],
  ]
  for (const [value, expected] of cases) assert.equal(formatNumber(value), expected)
})

test('tables align text left and numbers right', () => {
  const rows = [
    ['memory', '12'],
    ['x', '3'],
  ]
  assert.equal(plainTable(['what', 'n'], rows), 'what     n\nmemory  12\nx        3')
  const expected = '| what   |   n |\n| ------ | --: |\n| memory |  12 |\n| x      |   3 |'
  assert.equal(markdownTable(['what', 'n'], rows), expected)
})

test('a target is judged by ratio or by value, in the direction that is better', () => {
  const lower = { name: 'a', unit: 'B', better: 'lower' } as const
  const higher = { name: 'b', unit: 'op/s', better: 'higher' } as const
  const values = { subject: [60, 62, 61], reference: [100, 100, 100] }
  const cases = [
    [lower, { of: 'ratio', limit: 0.62 }, true],
    [lower, { of: 'ratio', limit: 0.6 }, false],
    [lower, { of: 'subject', limit: 61 }, true],
    [lower, { of: 'subject', limit: 60 }, false],
    [higher, { of: 'ratio', limit: 0.6 }, true],
    [higher, { of: 'ratio', limit: 1 }, false],
  ] as const
  for (const [measure, target, isMet] of cases) {
    assert.equal(makeRow({ ...measure, target }, values).isMet, isMet, JSON.stringify(target))
  }
  assert.equal(makeRow(lower, values).ratio, 0.61)
  const one = { subject: [1], reference: [] }
  const empty = makeRow({ ...lower, target: { of: 'ratio', limit: 1 } }, one)
  assert.equal(empty.isMet, undefined)
})
