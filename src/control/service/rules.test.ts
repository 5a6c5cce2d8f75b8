// Goal: each rule of the service holds at its limits. Method: tables of names and windows, and
// listings made by hand at times around the limits.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkManualQuota, checkNewName, planRetention, RuleError, storageCost } from './rules.ts'
import { automaticName, isDue, nextDue, parseWindow, windowFor } from './schedule.ts'
import { testEntry } from './test-entry.ts'

const NOW = Date.parse('2026-11-20T12:00:00Z')

function daysAgo(days: number): string {
  return new Date(NOW - days * 86_400_000).toISOString()
}

test('names of new backups', () => {
  for (const name of ['a', 'A9', 'before-upgrade-2', 'x'.repeat(40)]) checkNewName(name)
  const bad = ['', '9a', '-a', 'a-', 'a--b', 'a_b', 'a.b', 'ä', 'x'.repeat(41), 'a/b', 'a\n']
  for (const name of bad) assert.throws(() => checkNewName(name), RuleError, name)
})

test('the quota counts manual backups of the cluster within 24 hours', () => {
  const entries = [
    testEntry({ name: 'a', kind: 'manual', at: daysAgo(1.001) }),
    testEntry({ name: 'b', kind: 'manual', at: daysAgo(0.9) }),
    testEntry({ name: 'c', kind: 'manual', at: daysAgo(0.1) }),
    testEntry({ name: 'd', kind: 'automatic', at: daysAgo(0.1) }),
    testEntry({ name: 'e', kind: 'final', at: daysAgo(0.1) }),
    testEntry({ name: 'f', kind: 'manual', cluster: 'other', at: daysAgo(0.1) }),
  ]
  checkManualQuota(entries, { cluster: 'main', limit: 3, nowMs: NOW })
  assert.throws(
    () => checkManualQuota(entries, { cluster: 'main', limit: 2, nowMs: NOW }),
    /2 manual backups of main in the last 24 hours, 2 allowed; .* at 2026-11-20T14:24:00Z/,
  )
  assert.throws(() => checkManualQuota(entries, { cluster: 'other', limit: 1, nowMs: NOW }))
})

test('only automatic backups expire, and neither pinned ones nor the last good ones', () => {
  const entries = [
    testEntry({ name: 'new', at: daysAgo(1), isGood: false }),
    testEntry({ name: 'edge', at: daysAgo(7), isGood: true }),
    testEntry({ name: 'old', at: daysAgo(7.01) }),
    testEntry({ name: 'older', at: daysAgo(9) }),
    testEntry({ name: 'pinned', at: daysAgo(20), isPinned: true }),
    testEntry({ name: 'bad', at: daysAgo(21), isGood: false }),
    testEntry({ name: 'manual', at: daysAgo(99), kind: 'manual' }),
    testEntry({ name: 'final', at: daysAgo(99), kind: 'final' }),
    testEntry({ name: 'elsewhere', at: daysAgo(99), cluster: 'other' }),
  ]
  const expired = (retentionDays: number, keepAtLeast: number) =>
    planRetention(entries, {
      cluster: 'main',
      rule: { retentionDays, keepAtLeast },
      nowMs: NOW,
    })
      .filter(({ isExpired }) => isExpired)
      .map(({ entry }) => entry.name)
  assert.deepEqual(expired(7, 0), ['old', 'older', 'bad'])
  assert.deepEqual(expired(7, 1), ['old', 'older', 'bad'])
  // The newest is known to be bad, so that another one stays in its place.
  assert.deepEqual(expired(7, 2), ['older', 'bad'])
  assert.deepEqual(expired(0, 0), [])
  assert.deepEqual(expired(35, 0), [])
})

test('storage: one of each cluster is free', () => {
  const entries = [
    testEntry({ name: 'a', at: daysAgo(1), storedBytes: 3e9 }),
    testEntry({ name: 'b', at: daysAgo(2), storedBytes: 2e9 }),
    testEntry({ name: 'c', at: daysAgo(2), storedBytes: 4e9, cluster: 'other' }),
  ]
  const cost = storageCost(entries, { pricePerGbMonth: 0.085, freePerCluster: 1 })
  assert.equal(cost.storedBytes, 9e9)
  assert.equal(cost.billedBytes, 2e9)
  assert.ok(Math.abs(cost.perMonth - 0.17) < 1e-9)
})

test('windows', () => {
  assert.deepEqual(parseWindow('03:00-04:00'), { startMinute: 180, minutes: 60 })
  assert.deepEqual(parseWindow('23:30-01:00'), { startMinute: 1410, minutes: 90 })
  for (const text of ['03:00-03:59', '3:00-4:00', '24:00-01:00', '03:00', '03:00-03:00', '']) {
    assert.equal(typeof parseWindow(text), 'string', text)
  }
  assert.equal(windowFor('main').minutes, 60)
  assert.deepEqual(windowFor('main'), windowFor('main'))
})

test('a backup is due when none was begun since the window opened', () => {
  const window = { startMinute: 180, minutes: 60 }
  const at = (text: string) => Date.parse(`2026-11-${text}Z`)
  assert.equal(isDue(window, null, NOW), true)
  assert.equal(isDue(window, at('20T03:00'), at('20T03:30')), false)
  assert.equal(isDue(window, at('19T03:10'), at('20T02:59')), false)
  assert.equal(isDue(window, at('19T03:10'), at('20T03:00')), true)
  // Missed, and made up for.
  assert.equal(isDue(window, at('18T03:10'), at('20T02:00')), true)
  assert.equal(nextDue(window, at('20T03:10'), at('20T12:00')), at('21T03:00'))
})

test('names of automatic backups fit, and differ for clusters that are alike', () => {
  assert.equal(automaticName('main', NOW), 'auto-main-20261120-120000')
  const long = 'c'.repeat(39)
  const names = [`${long}a`, `${long}b`].map((cluster) => automaticName(cluster, NOW))
  for (const name of names) checkNewName(name)
  assert.notEqual(names[0], names[1])
})
