// Goal: what is in use is counted at once and completely, and what must not cause evictions does
// not. Method: a whole engine whose sums are compared with its parts.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TestServer } from './test-server.ts'

function parts(server: TestServer) {
  const { memory, keyspace, clients } = server.engine.server
  return { memory, keyspace, clients }
}

describe('the limit of memory', () => {
  it('is none without maxmemory, and follows CONFIG SET', () => {
    const server = new TestServer()
    const client = server.connect()
    const { memory } = parts(server)
    assert.equal(memory.limitBytes, Infinity)
    assert.ok(!memory.look())
    client.call('CONFIG', 'SET', 'maxmemory', '1')
    assert.equal(memory.limitBytes, 1)
    assert.ok(memory.look())
    client.call('CONFIG', 'SET', 'maxmemory', '0')
    assert.equal(memory.limitBytes, Infinity)
    assert.ok(!server.logged('WARNING: the new maxmemory value set via CONFIG SET (0)'))
  })

  it('counts data at once', () => {
    const server = new TestServer()
    const client = server.connect()
    const { memory, keyspace } = parts(server)
    const before = memory.usedBytes()
    client.call('CONFIG', 'SET', 'maxmemory', `${before + 200_000}`)
    assert.ok(!memory.look())
    client.call('SET', 'k', 'v'.repeat(300_000))
    assert.ok(memory.isOver)
    assert.ok(memory.usedBytes() >= keyspace.usedBytes)
    client.call('DEL', 'k')
    assert.ok(!memory.look())
  })

  it('counts clients at once, but not while keys are being evicted', () => {
    const server = new TestServer()
    const [client, reader] = [server.connect(), server.connect()]
    const { memory } = parts(server)
    client.call('SET', 'k', 'v'.repeat(300_000))
    client.call('CONFIG', 'SET', 'maxmemory', `${memory.usedBytes() + 200_000}`)
    reader.isStuck = true
    reader.call('GET', 'k')
    assert.ok(!memory.isOver, 'as of the last look')
    assert.ok(memory.look())
    assert.ok(memory.isOver)
    reader.close()
    assert.ok(!memory.look())
  })

  it('does not count what eviction makes more of', () => {
    const server = new TestServer()
    const client = server.connect()
    const { memory } = parts(server)
    const before = memory.usedBytes()
    let bytes = 0
    memory.notCounted.push(() => bytes)
    client.call('CONFIG', 'SET', 'maxmemory', `${before + 100_000}`)
    bytes = 1_000_000
    assert.ok(!memory.look())
    assert.ok(memory.usedBytes() >= before + bytes)
    assert.equal(memory.notCountedBytes, bytes)
    assert.match(client.call('INFO', 'memory'), /\r\nmem_not_counted_for_evict:1000000\r/)
  })
})
