// Goal: MEMORY MALLOC-STATS counts every page once. Method: values of all kinds; what the survey
// counts against what the arena and the pool know.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PAGE_BYTES } from '../memory/layout.ts'
import { CLASS_CELL_BYTES, CLASS_RUN_PAGES } from '../memory/size-class.ts'
import { describeArena, surveyArena } from './memory-report.ts'
import { TestServer, type TestServerOptions } from './test-server.ts'

const LONG = 'x'.repeat(20_000)

function filledServer(options: TestServerOptions = {}): TestServer {
  const server = new TestServer(options)
  const client = server.connect()
  for (let i = 0; i < 500; i++) {
    client.call('SET', `small:${i}`, `value ${i}`)
    client.call('SADD', 'set', `member:${i}${'y'.repeat(100)}`)
    client.call('ZADD', 'zset', `${i}`, `member:${i}${'y'.repeat(100)}`)
  }
  for (let i = 0; i < 20; i++) client.call('SET', `large:${i}`, LONG)
  for (let i = 0; i < 20; i += 2) client.call('DEL', `large:${i}`, `small:${i}`)
  return server
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

describe('the survey of the arena', () => {
  it('counts each page, each cell and each run once', () => {
    const { arena } = filledServer().engine.server.keyspace
    const { records, index, spans, nodes, tables, free, segments } = surveyArena(arena)
    const pagesOf = (slabs: Float64Array) => sum(slabs.map((n, i) => n * CLASS_RUN_PAGES[i]!))
    const slabPages = pagesOf(records.slabs) + pagesOf(index.slabs)
    const used = slabPages + spans.pages + nodes.pages + tables.pages
    assert.equal(used, arena.pool.pagesUsed)
    assert.equal(used + free.pages + 1, arena.pool.pagesMapped, 'but for page 0')
    assert.equal(segments, 1)
    assert.equal(spans.runs, 10)
    assert.ok(nodes.runs > 2 && tables.runs > 0 && free.longest > 1000)
    const cells = sum(records.live.map((n, i) => n * CLASS_CELL_BYTES[i]!))
    assert.equal(cells + (spans.pages + nodes.pages) * PAGE_BYTES, arena.datasetBytes)
  })

  it('knows buffers of several segments, and segments that were given back', () => {
    const server = new TestServer()
    const client = server.connect()
    client.call('SETRANGE', 'huge', `${70 * 1024 * 1024}`, 'x')
    client.call('SET', 'k', 'v')
    const { arena } = server.engine.server.keyspace
    const before = surveyArena(arena)
    assert.equal(before.spans.runs, 1)
    assert.equal(before.segments * 64, arena.mappedBytes / 1024 / 1024)
    client.call('DEL', 'huge')
    client.call('MEMORY', 'PURGE')
    const after = surveyArena(arena)
    assert.equal(after.spans.runs, 0)
    assert.equal(after.segments * 64, arena.mappedBytes / 1024 / 1024)
  })

  it('counts runs that are held for a cut as used, until they are free', () => {
    const server = filledServer({ hasPersistence: true })
    const client = server.connect()
    client.call('BGSAVE')
    const { arena } = server.engine.server.keyspace
    assert.notEqual(arena.guard, null, 'a cut is open')
    const spansBefore = surveyArena(arena).spans.runs
    for (let i = 1; i < 20; i += 2) client.call('DEL', `large:${i}`)
    client.call('DEL', 'set', 'zset')
    const { spans, free } = surveyArena(arena)
    assert.equal(spans.runs, spansBefore)
    assert.equal(free.pages + 1 + arena.pool.pagesUsed, arena.pool.pagesMapped)
  })

  it('is a text with a row for each size class in use', () => {
    const text = describeArena(filledServer().engine.server)
    assert.match(text, /^[\x20-\x7e\n]+\n$/, 'plain text')
    assert.match(text, /^Arena\n {2}mapped +64\.00M in 1 x 64\.00M\n/)
    assert.match(text, /\n {2}large strings +10 in 50 pages, 200\.00K\n/)
    assert.match(text, /\nRecords\n +cell bytes +pages +slabs .*\n( +[\d.]+){6} %\n/)
    for (const line of text.split('\n')) assert.ok(line.length <= 100)
  })
})
