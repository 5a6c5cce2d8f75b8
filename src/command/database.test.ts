// Goal: databases are apart, exchanged and emptied as a whole; the memory of emptied ones comes
// back. Replies are compared with redis-server in test/conformance/database.txt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Harness, line, OK } from './harness.ts'

const SYNTAX = line('-ERR syntax error')

test('SELECT moves the client, and only a valid one', () => {
  const harness = new Harness({ databaseCount: 4 })
  harness.run('SET', 'k', 'zero')
  assert.deepEqual(harness.run('SELECT', 3), OK)
  assert.equal(harness.context.session.database, 3)
  assert.equal(harness.run('GET', 'k'), null)
  assert.deepEqual(harness.run('SELECT', 4), line('-ERR DB index is out of range'))
  assert.deepEqual(harness.run('SELECT', -1), line('-ERR DB index is out of range'))
  const range = line('-ERR value is out of range, value must between -2147483648 and 2147483647')
  for (const id of ['2147483648', '-2147483649', '9223372036854775807']) {
    assert.deepEqual(harness.run('SELECT', id), range, id)
  }
  assert.deepEqual(harness.run('SELECT', 'x'), line('-ERR value is not an integer or out of range'))
  assert.equal(harness.context.session.database, 3)
})

test('SWAPDB exchanges keys and deadlines under the clients', () => {
  const harness = new Harness()
  harness.run('SET', 'k', 'zero', 'PX', 1000)
  harness.run('SELECT', 1)
  harness.run('MSET', 'k', 'one', 'l', 'one')
  const before = harness.keyspace.dirty
  assert.deepEqual(harness.run('SWAPDB', 0, 1), OK)
  assert.equal(harness.keyspace.dirty - before, 1)
  assert.equal(harness.run('GET', 'k'), 'zero')
  assert.equal(harness.run('PTTL', 'k'), 1000)
  assert.equal(harness.run('DBSIZE'), 1)
  assert.deepEqual(harness.run('SWAPDB', 1, 1), OK)
  assert.equal(harness.run('GET', 'k'), 'zero')
  for (const [a, b, error] of [
    ['x', '0', 'invalid first DB index'],
    ['0', 'x', 'invalid second DB index'],
    ['2147483648', '0', 'invalid first DB index'],
    ['0', '16', 'DB index is out of range'],
  ] as const) {
    assert.deepEqual(harness.run('SWAPDB', a, b), line(`-ERR ${error}`), `${a} ${b}`)
  }
  harness.keyspace.check()
})

for (const form of ['SYNC', 'ASYNC', ''] as const) {
  test(`FLUSHDB ${form} and FLUSHALL ${form} count keys and give memory back`, () => {
    const harness = new Harness()
    const words = form === '' ? [] : [form]
    const empty = harness.keyspace.usedBytes
    const fill = () => {
      for (let i = 0; i < 500; i++) harness.run('SET', `k${i}`, 'x'.repeat(i * 20), 'PX', 5000)
    }
    fill()
    harness.run('SELECT', 1)
    fill()
    let before = harness.keyspace.dirty
    assert.deepEqual(harness.run('FLUSHDB', ...words), OK)
    assert.equal(harness.keyspace.dirty - before, 500)
    assert.equal(harness.run('DBSIZE'), 0)
    assert.equal(harness.run('GET', 'k1'), null)
    harness.run('SET', 'k1', 'new')
    assert.equal(harness.keyspace.size, 501)
    before = harness.keyspace.dirty
    assert.deepEqual(harness.run('FLUSHALL', ...words), OK)
    assert.equal(harness.keyspace.dirty - before, 501)
    assert.equal(harness.keyspace.size, 0)
    if (form === 'ASYNC') {
      assert.equal(harness.keyspace.lazyFreePending, 1001)
      harness.keyspace.reclaimAll()
    }
    assert.equal(harness.keyspace.usedBytes, empty)
    harness.keyspace.check()
  })
}

test('lazyfree-lazy-user-flush decides where nothing is said', () => {
  const harness = new Harness()
  harness.context.limits.isUserFlushLazy = true
  harness.run('SET', 'k', 'v')
  assert.deepEqual(harness.run('FLUSHALL'), OK)
  assert.equal(harness.keyspace.lazyFreePending, 1)
  assert.deepEqual(harness.run('FLUSHDB', 'sync'), OK)
  harness.run('SET', 'k', 'v')
  assert.deepEqual(harness.run('FLUSHDB', 'SYNC'), OK)
  assert.equal(harness.keyspace.lazyFreePending, 0)
})

test('FLUSHDB and FLUSHALL refuse other words and stay', () => {
  const harness = new Harness()
  harness.run('SET', 'k', 'v')
  for (const name of ['FLUSHDB', 'FLUSHALL']) {
    assert.deepEqual(harness.run(name, 'BOGUS'), SYNTAX)
    assert.deepEqual(harness.run(name, 'SYNC', 'ASYNC'), SYNTAX)
  }
  assert.equal(harness.run('DBSIZE'), 1)
})
