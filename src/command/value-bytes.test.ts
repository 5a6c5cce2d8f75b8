// Goal: MEMORY USAGE is exact for every type and form, before and after changes. Method: what the
// arena has more than before the key was there, without the page table's rows and the dict.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Slice } from '../base/slice.ts'
import { keyBytes } from '../keyspace/value-bytes.ts'
import { NULL } from '../memory/layout.ts'
import { PageTable } from '../memory/page-table.ts'
import { Harness } from './harness.ts'

/** What a key's place in the dict counts while there are few keys. */
const DICT_SHARE = 16
const LONG = 'x'.repeat(9000)

const VALUES: readonly [name: string, fill: (harness: Harness) => unknown][] = [
  ['a small string', (h) => h.run('SET', 'k', 'v')],
  ['a large string', (h) => h.run('SET', 'k', LONG.repeat(20))],
  ['a string with a deadline', (h) => h.run('SET', 'k', 'v', 'EX', '100')],
  ['a small hash', (h) => h.run('HSET', 'k', 'f', 'v')],
  ['a large hash', (h) => times(3000, (i) => h.run('HSET', 'k', `field:${i}`, `value:${i}`))],
  ['a hash of large fields', (h) => times(50, (i) => h.run('HSET', 'k', `${i}`, LONG))],
  ['a hash with long names', (h) => times(50, (i) => h.run('HSET', 'k', `${i}${LONG}`, LONG))],
  ['a large set', (h) => times(3000, (i) => h.run('SADD', 'k', `member:${i}`))],
  ['a set of integers', (h) => times(400, (i) => h.run('SADD', 'k', `${i}`))],
  ['a set of large members', (h) => times(200, (i) => h.run('SADD', 'k', `${i}${LONG}`))],
  ['a large list', (h) => times(3000, (i) => h.run('RPUSH', 'k', `element:${i}`))],
  ['a list of large elements', (h) => times(50, (i) => h.run('LPUSH', 'k', `${i}${LONG}`))],
  ['a large sorted set', (h) => times(3000, (i) => h.run('ZADD', 'k', `${i % 77}`, `m:${i}`))],
  ['a sorted set of large ones', (h) => times(200, (i) => h.run('ZADD', 'k', '1', `${i}${LONG}`))],
  ['a stream', (h) => times(2000, (i) => h.run('XADD', 'k', `${i + 1}-0`, 'f', `v${i}`))],
  [
    'a stream of large entries',
    (h) => times(50, (i) => h.run('XADD', 'k', `${i + 1}-0`, 'f', LONG)),
  ],
  ['a stream with groups', fillGroups],
]

/** Removes a part of the elements. */
const REMOVALS: readonly (readonly string[])[] = [
  ...Array.from({ length: 900 }, (_, i) => ['HDEL', 'k', `field:${i}`]),
  ...Array.from({ length: 40 }, (_, i) => ['HDEL', 'k', `${i}`]),
  ...Array.from({ length: 40 }, (_, i) => ['HDEL', 'k', `${i}${LONG}`]),
]

describe('the bytes of a key', () => {
  for (const [name, fill] of VALUES) {
    it(`${name}: are what the arena has more, and none when it is gone`, () => {
      const harness = new Harness()
      harness.run('SET', 'other', 'value')
      const before = arenaBytes(harness)
      fill(harness)
      assert.equal(bytesOf(harness), arenaBytes(harness) - before)
      harness.run('DEL', 'k')
      while (harness.keyspace.reclaimStep());
      assert.equal(arenaBytes(harness), before)
    })
  }

  it('follow changes of a hash', () => {
    const harness = new Harness()
    harness.run('SET', 'other', 'value')
    const before = arenaBytes(harness)
    for (const [, fill] of VALUES.slice(4, 7)) fill(harness)
    for (const words of REMOVALS) harness.run(...words)
    assert.equal(bytesOf(harness), arenaBytes(harness) - before)
  })
})

function times(count: number, run: (i: number) => unknown): void {
  for (let i = 0; i < count; i++) run(i)
}

/** A thousand groups would be many; ten with consumers and pending entries have every structure. */
function fillGroups(harness: Harness): void {
  times(1000, (i) => harness.run('XADD', 'k', `${i + 1}-0`, 'f', `v${i}`))
  for (let group = 0; group < 10; group++) {
    harness.run('XGROUP', 'CREATE', 'k', `group:${group}`, '0')
    times(20, (i) =>
      harness.run(
        'XREADGROUP',
        'GROUP',
        `group:${group}`,
        `${i}c`,
        'COUNT',
        '50',
        'STREAMS',
        'k',
        '>',
      ),
    )
  }
}

function bytesOf({ keyspace }: Harness): number {
  const db = keyspace.databases[0]!
  const record = db.peek(new Slice().set(Buffer.from('k'), 0, 1))
  assert.notEqual(record, NULL)
  return keyBytes(db, record) - DICT_SHARE
}

/** Bytes of all but the page table's rows and the lists of deadlines, whose pages are shared. */
function arenaBytes({ keyspace }: Harness): number {
  const { arena } = keyspace
  const db = keyspace.databases[0]!
  const { deadlines } = db
  const lists = deadlines.bytes - deadlines.count * 4
  return arena.usedBytes - PageTable.bytesFor(arena.pool.pagesUsed) - lists - db.dict.bytes
}
