// Goal: the predictions follow what is measured, and odd measurements do not spoil them.
// Method: samples at regular and odd intervals with rates known beforehand.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DirtyRate, SaveSpeed } from './dirty-rate.ts'

const SECOND = 1e6

function near(found: number, expected: number, tolerance = 0.001): void {
  const difference = Math.abs(found - expected)
  assert.ok(difference <= Math.abs(expected) * tolerance, `${found}, not ${expected}`)
}

/** Samples `perSecond` changes for `seconds`, each `stepSeconds`; tells time and count after it. */
function feed(
  rate: DirtyRate,
  from: { dirty: number; us: number },
  perSecond: number,
  [seconds, stepSeconds]: readonly [number, number],
): { dirty: number; us: number } {
  let { dirty, us } = from
  for (let at = 0; at < seconds; at += stepSeconds) {
    dirty += perSecond * stepSeconds
    us += stepSeconds * SECOND
    rate.sample(dirty, us)
  }
  return { dirty, us }
}

test('nothing is predicted before there are two samples', () => {
  const rate = new DirtyRate()
  assert.equal(rate.pagesPerSecond, 0)
  rate.sample(1_000_000, 5 * SECOND)
  assert.equal(rate.pagesPerSecond, 0)
})

test('the first interval already tells the whole rate', () => {
  const rate = new DirtyRate()
  rate.sample(500, 0)
  rate.sample(1500, SECOND / 10)
  near(rate.changesPerSecond, 10_000)
})

test('a constant rate is found whatever the interval of the samples', () => {
  for (const step of [0.1, 1, 7, 30]) {
    const rate = new DirtyRate()
    rate.sample(0, 0)
    feed(rate, { dirty: 0, us: 0 }, 20_000, [60, step])
    near(rate.changesPerSecond, 20_000)
  }
})

test('a new rate is taken over by two thirds in ten seconds, and nearly whole in a minute', () => {
  const rate = new DirtyRate()
  rate.sample(0, 0)
  let at = feed(rate, { dirty: 0, us: 0 }, 1000, [100, 1])
  at = feed(rate, at, 0, [10, 1])
  near(rate.changesPerSecond, 1000 * Math.exp(-1))
  feed(rate, at, 0, [50, 1])
  assert.ok(rate.changesPerSecond < 5)
})

test('a count that goes down is no negative rate, and counting goes on from it', () => {
  const rate = new DirtyRate()
  rate.sample(0, 0)
  const at = feed(rate, { dirty: 0, us: 0 }, 1000, [30, 1])
  rate.sample(200, at.us + SECOND)
  near(rate.changesPerSecond, 1000)
  rate.sample(1200, at.us + 2 * SECOND)
  near(rate.changesPerSecond, 1000)
})

test('two samples at one instant do not divide by nothing', () => {
  const rate = new DirtyRate()
  rate.sample(0, 0)
  rate.sample(10, SECOND)
  rate.sample(20, SECOND)
  near(rate.changesPerSecond, 10)
  // What the second one would have counted is not lost.
  rate.sample(20, 2 * SECOND)
  near(rate.changesPerSecond, 10)
})

test('saves teach what a change costs', () => {
  const rate = new DirtyRate()
  rate.sample(0, 0)
  rate.sample(1000, SECOND)
  near(rate.pagesPerSecond, 1000)
  for (let i = 0; i < 20; i++) {
    rate.noteSave({ changes: 100_000, pagesPreserved: 25_000, pagesTotal: 1e6 })
  }
  near(rate.pagesPerSecond, 250)
  for (let i = 0; i < 20; i++) {
    rate.noteSave({ changes: 10_000, pagesPreserved: 30_000, pagesTotal: 1e6 })
  }
  near(rate.pagesPerChange, 3)
})

test('a save that cannot tell teaches nothing', () => {
  const rate = new DirtyRate()
  // Hardly any writes; none; all pages were written, many of them often.
  rate.noteSave({ changes: 999, pagesPreserved: 1, pagesTotal: 1e6 })
  rate.noteSave({ changes: 0, pagesPreserved: 0, pagesTotal: 0 })
  rate.noteSave({ changes: 1e6, pagesPreserved: 600, pagesTotal: 1000 })
  assert.equal(rate.pagesPerChange, 1)
})

test('what is learned stays within bounds', () => {
  const rate = new DirtyRate()
  for (let i = 0; i < 50; i++) {
    rate.noteSave({ changes: 1e9, pagesPreserved: 0, pagesTotal: 1e6 })
  }
  near(rate.pagesPerChange, 1 / 64)
  for (let i = 0; i < 50; i++) {
    rate.noteSave({ changes: 1000, pagesPreserved: 1e6, pagesTotal: 1e7 })
  }
  near(rate.pagesPerChange, 64)
})

test('a duration follows from the size, by 150 MB/s until a save was measured', () => {
  const speed = new SaveSpeed()
  near(speed.secondsFor(300e6), 2)
  assert.equal(speed.secondsFor(0), 0)
  speed.noteSave(1e9, 2)
  near(speed.bytesPerSecond, 500e6)
  speed.noteSave(1e9, 10)
  near(speed.secondsFor(300e6), 1)
})

test('small saves and saves without time are no measure of speed', () => {
  const speed = new SaveSpeed()
  speed.noteSave(1e6, 10)
  speed.noteSave(1e9, 0)
  near(speed.bytesPerSecond, 150e6)
})
