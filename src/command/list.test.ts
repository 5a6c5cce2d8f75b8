// Goal: what the replies of a server do not show: how many changes a command counts, which events
// it tells, what it waits for, and what is left when the arena is full. Replies themselves are
// compared with redis-server in test/conformance/list.txt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ptr } from '../memory/layout.ts'
import { NilForm } from './command.ts'
import { type Change, Harness, line, OK, runChanges } from './harness.ts'

/** Commands of one keyspace, each with its reply and the changes it counts. */
const CHANGES: readonly Change[] = [
  ['RPUSH l a b c', 3, 3],
  ['LPUSH l 1', 4, 1],
  ['LPUSHX none a', 0, 0],
  ['RPUSHX l d e', 6, 2],
  ['LPOP l', '1', 1],
  ['RPOP l 2', ['e', 'd'], 2],
  ['RPOP l 0', [], 0],
  ['LPOP none', null, 0],
  ['LSET l 0 x', OK, 1],
  ['LSET l 9 x', line('-ERR index out of range'), 0],
  ['LINSERT l BEFORE c y', 4, 1],
  ['LINSERT l BEFORE none y', -1, 0],
  ['LREM l 0 none', 0, 0],
  ['LREM l 0 y', 1, 1],
  ['LTRIM l 0 -1', OK, 0],
  ['LTRIM l 1 1', OK, 2],
  ['LRANGE l 0 -1', ['b'], 0],
  ['LMOVE l m LEFT RIGHT', 'b', 1],
  ['LMOVE l m LEFT RIGHT', null, 0],
  ['RPOPLPUSH m m', 'b', 1],
  ['RPUSH m c d', 3, 2],
  ['LMPOP 2 none m LEFT COUNT 2', ['m', ['b', 'c']], 2],
  ['BLPOP none m 0', ['m', 'd'], 1],
  ['EXISTS l m', 0, 0],
]

test('commands on lists count their changes', () => {
  runChanges(CHANGES)
})

/** Commands one after the other, each with the events it tells. */
const EVENTS: readonly (readonly [command: string, events: readonly string[]])[] = [
  ['RPUSH l a b c d e f', ['0 l l rpush']],
  ['LPUSH l a', ['0 l l lpush']],
  ['LPUSHX none a', []],
  ['LPOP l', ['0 l l lpop']],
  ['RPOP l 2', ['0 l l rpop']],
  ['LSET l 0 x', ['0 l l lset']],
  ['LINSERT l AFTER x y', ['0 l l linsert']],
  ['LREM l 0 none', []],
  ['LREM l 0 y', ['0 l l lrem']],
  ['LTRIM l 0 2', ['0 l l ltrim']],
  ['LMOVE l m RIGHT LEFT', ['0 m l lpush', '0 l l rpop']],
  ['RPOPLPUSH l l', ['0 l l lpush', '0 l l rpop']],
  ['LMPOP 1 l LEFT COUNT 9', ['0 l l lpop', '0 l g del']],
  ['LMOVE m l LEFT RIGHT', ['0 l l rpush', '0 m l lpop', '0 m g del']],
  ['BRPOP m l 0', ['0 l l rpop', '0 l g del']],
  ['RPUSH l a', ['0 l l rpush']],
  ['LTRIM l 1 0', ['0 l l ltrim', '0 l g del']],
  ['RPUSH l a', ['0 l l rpush']],
  ['LREM l 0 a', ['0 l l lrem', '0 l g del']],
]

test('commands on lists tell what happened to which key', () => {
  const harness = new Harness()
  for (const [command, events] of EVENTS) {
    harness.run(...command.split(' '))
    assert.deepEqual(harness.observer.takeEvents(), events, command)
  }
})

test('commands wait for their keys, and only where they can', () => {
  const harness = new Harness()
  harness.advance(1000)
  const { blocker, context } = harness
  harness.raw('BLPOP', 'a', 'b', '1.5')
  const deadlineMs = context.nowMs + 1500
  assert.deepEqual(blocker.waiting, { positions: [1, 2], deadlineMs, nil: NilForm.Array })
  harness.raw('BLMOVE', 'a', 'b', 'LEFT', 'LEFT', '0')
  assert.deepEqual(blocker.waiting, { positions: [1], deadlineMs: 0, nil: NilForm.Array })
  harness.raw('BLMPOP', '0', '2', 'a', 'b', 'LEFT')
  assert.deepEqual(blocker.waiting, { positions: [3, 4], deadlineMs: 0, nil: NilForm.Array })
  harness.run('SET', 'a', 'x')
  assert.deepEqual(harness.run('BLPOP', 'a', '0'), WRONG_TYPE)
  blocker.isRetry = true
  blocker.waiting = null
  harness.raw('BLPOP', 'a', 'b', '0')
  assert.notEqual(blocker.waiting, null)
  blocker.isRetry = false
  blocker.canWait = false
  blocker.waiting = null
  assert.equal(harness.run('BLPOP', 'b', '0'), null)
  assert.equal(harness.run('BLMOVE', 'b', 'a', 'LEFT', 'LEFT', '0'), null)
  assert.equal(blocker.waiting, null)
})

const WRONG_TYPE = line('-WRONGTYPE Operation against a key holding the wrong kind of value')

test('where the arena is full, what was pushed before stays and is told of', () => {
  const harness = new Harness()
  const { arena } = harness.keyspace
  harness.run('RPUSH', 'l', 'x'.repeat(9000))
  const ballast: Ptr[] = []
  const free = 12
  const { capacity } = arena.pages
  while (arena.pool.pagesUsed < capacity - 1 - free) {
    ballast.push(arena.allocateTable(Math.min(64, capacity - 1 - free - arena.pool.pagesUsed)))
  }
  const before = harness.keyspace.dirty
  harness.observer.takeEvents()
  const large = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(9000))
  assert.throws(() => harness.run('RPUSH', 'l', ...large), /arena/)
  const count = Number(harness.run('LLEN', 'l'))
  assert.ok(count > 1 && count < 10, 'some are there, some are not')
  assert.equal(harness.keyspace.dirty - before, count - 1)
  assert.deepEqual(harness.observer.takeEvents(), ['0 l l rpush'])
  assert.throws(() => harness.run('LMOVE', 'l', 'other', 'LEFT', 'LEFT'), /arena/)
  // As the dispatcher does.
  harness.reply.rewind(0)
  assert.equal(harness.run('LLEN', 'l'), count)
  assert.equal(harness.run('EXISTS', 'other'), 0)
  for (const table of ballast) arena.freeTable(table)
  harness.keyspace.check()
})
