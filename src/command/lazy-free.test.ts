// Goal: what is left to lazy free follows from who removes, and everything is freed in the end.
// Method: values of known size through commands, with the settings by hand; the time stands still
// unless it is told.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Harness } from './harness.ts'

/** A field that lies in a span of its own: freeing it counts as freeing a node does. */
const FIELD = 'x'.repeat(9000)
/** More than is freed at once of any value. */
const LARGE = 100
/** More than somebody who is not lazy frees at once. */
const HUGE = 2000

function harnessWith(fields: number, keys: readonly string[] = ['k']): Harness {
  const harness = new Harness()
  for (const key of keys) {
    for (let i = 0; i < fields; i++) harness.run('HSET', key, `${i}`, FIELD)
  }
  return harness
}

function finish({ keyspace }: Harness): void {
  while (keyspace.reclaimStep());
  assert.equal(keyspace.lazyFreePending, 0)
  assert.equal(keyspace.arena.datasetBytes, 0)
  keyspace.check()
}

describe('lazy free', () => {
  it('UNLINK leaves a large value to it, DEL frees it before it answers', () => {
    const unlinked = harnessWith(LARGE)
    unlinked.run('UNLINK', 'k')
    assert.equal(unlinked.keyspace.lazyFreePending, 1)
    finish(unlinked)
    assert.equal(unlinked.keyspace.lazyFreed, 1)
    const deleted = harnessWith(LARGE)
    deleted.run('DEL', 'k')
    assert.equal(deleted.keyspace.lazyFreePending, 0)
    finish(deleted)
    assert.equal(deleted.keyspace.lazyFreed, 0)
  })

  it('DEL acts as UNLINK with lazyfree-lazy-user-del', () => {
    const harness = harnessWith(LARGE)
    harness.context.limits.isUserDelLazy = true
    harness.run('DEL', 'k')
    assert.equal(harness.keyspace.lazyFreePending, 1)
    finish(harness)
  })

  it('a small value of more than 64 elements waits, one of 64 does not', () => {
    const harness = new Harness()
    const members = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`.repeat(40))
    harness.run('SADD', 'more', ...members(200))
    harness.run('SADD', 'few', ...members(64))
    harness.run('UNLINK', 'few')
    assert.equal(harness.keyspace.lazyFreePending, 0)
    harness.run('UNLINK', 'more')
    assert.equal(harness.keyspace.lazyFreePending, 1)
    finish(harness)
    assert.equal(harness.keyspace.lazyFreed, 1)
  })

  it('DEL leaves what it cannot free in its time, and the time comes back', () => {
    const harness = harnessWith(HUGE, ['a', 'b', 'c'])
    const before = harness.keyspace.arena.datasetBytes
    harness.run('DEL', 'a')
    assert.equal(harness.keyspace.lazyFreePending, 1)
    const left = harness.keyspace.arena.datasetBytes
    assert.ok(before - left > before / 8, 'most of the first was freed at once')
    harness.run('DEL', 'b')
    const after = harness.keyspace.arena.datasetBytes
    assert.ok(left - after < before / 100, 'nothing of the second, in the same ms')
    harness.advance(10)
    harness.run('DEL', 'c')
    assert.ok(after - harness.keyspace.arena.datasetBytes > before / 8, 'the third later on')
    finish(harness)
  })

  it('values that expire or are replaced wait when the settings say so', () => {
    const harness = harnessWith(LARGE, ['a', 'b', 'c', 'd'])
    const { keyspace } = harness
    keyspace.lazyFree.isExpiryLazy = true
    harness.run('PEXPIRE', 'a', '5')
    harness.advance(10)
    assert.equal(harness.run('EXISTS', 'a'), 0)
    assert.equal(keyspace.lazyFreePending, 1)
    harness.run('SET', 'b', 'v')
    assert.equal(keyspace.lazyFreePending, 1, 'lazyfree-lazy-server-del is no')
    keyspace.lazyFree.enter(true)
    harness.run('SET', 'c', 'v')
    harness.run('DEL', 'd')
    assert.equal(keyspace.lazyFreePending, 2, 'DEL has a setting of its own')
    harness.run('DEL', 'b', 'c')
    finish(harness)
  })

  it('an expired key that UNLINK meets does not change what UNLINK does', () => {
    const harness = harnessWith(LARGE, ['a', 'b'])
    harness.run('PEXPIRE', 'a', '5')
    harness.advance(10)
    harness.run('UNLINK', 'a', 'b')
    assert.equal(harness.keyspace.lazyFreePending, 1)
    finish(harness)
  })

  it('keys of a flushed database count once, and not at all when FLUSHALL waits', () => {
    for (const [mode, freed] of [
      ['ASYNC', 3],
      ['SYNC', 0],
    ] as const) {
      const harness = harnessWith(LARGE, ['a', 'b', 'c'])
      harness.run('FLUSHALL', mode)
      assert.equal(harness.keyspace.lazyFreePending, mode === 'ASYNC' ? 3 : 0)
      finish(harness)
      assert.equal(harness.keyspace.lazyFreed, freed)
      harness.keyspace.resetLazyFreed()
      assert.equal(harness.keyspace.lazyFreed, 0)
    }
  })
})
