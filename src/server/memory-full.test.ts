// Goal: a command that finds no memory is refused with OOM and has changed nothing; reads and
// deletes go on; afterwards the server is whole. Method: whole engines. One fills a small arena to
// the last cell; the others are refused pages at each allocation of a command in turn (fault
// injection), and compared by DEBUG DIGEST and `check()`.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HEADER_BYTES } from '../keyspace/record.ts'
import { Arena } from '../memory/arena.ts'
import { NULL, PAGES_PER_SEGMENT } from '../memory/layout.ts'
import { CLASS_CELL_BYTES } from '../memory/size-class.ts'
import { refuseBuffers } from '../memory/test-refusal.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const OK = '+OK\r\n'
const FULL = '-OOM command not allowed: no memory is left for what it stores.\r\n'
const CONFIG = { 'enable-debug-command': 'yes' } as const

/** Fills one segment until not even a small key finds room; returns the count of keys. */
function fill(client: TestClient): number {
  let count = 0
  for (const length of [4_000_000, 200_000, 15_000, 3000, 700, 100, 1]) {
    const value = 'v'.repeat(length)
    while (client.call('SET', `filler:${count}`, value) === OK) count++
  }
  return count
}

/** Lets the arena give out `pages` runs more, and none after them. */
function limitRuns(server: TestServer, runs: number): void {
  const { pool } = server.engine.server.keyspace.arena
  const allocate = Object.getPrototypeOf(pool).allocate as (count: number) => number
  let left = runs
  pool.allocate = (count) => (left-- > 0 ? allocate.call(pool, count) : -1)
}

/** Gives out pages as before `limitRuns`. */
function unlimit(server: TestServer): void {
  const { pool } = server.engine.server.keyspace.arena
  pool.allocate = Object.getPrototypeOf(pool).allocate
}

function check(server: TestServer): void {
  server.engine.server.keyspace.check()
}

/** A value with which a key fills a cell of more than `bytes` to its end, without a deadline. */
function edgeValue(bytes: number, key: string): string {
  const cellBytes = CLASS_CELL_BYTES.find((each) => each > bytes)!
  return 'e'.repeat(cellBytes - HEADER_BYTES[0]! - key.length)
}

describe('a full arena', () => {
  it('refuses writes, serves reads and deletes, and takes writes again', () => {
    const server = new TestServer({ config: CONFIG, pageCapacity: PAGES_PER_SEGMENT })
    const client = server.connect()
    const count = fill(client)
    assert.ok(count > 10)
    check(server)
    assert.equal(client.call('SET', 'one more', 'v'.repeat(100)), FULL)
    assert.equal(client.call('APPEND', 'filler:0', 'v'.repeat(4_000_000)), FULL)
    assert.equal(client.call('DBSIZE'), `:${count}\r\n`)
    assert.equal(client.call('STRLEN', 'filler:0'), ':4000000\r\n')
    assert.equal(client.call('PING'), '+PONG\r\n')
    assert.match(client.call('INFO', 'errorstats'), /errorstat_OOM:count=\d+\r/)
    assert.match(client.call('INFO', 'commandstats'), /cmdstat_append:calls=1,.*failed_calls=1\r/)
    // Emptying the dict merges its segments, for which there may be no page.
    for (let i = count - 1; i > 0; i--) assert.equal(client.call('DEL', `filler:${i}`), ':1\r\n')
    check(server)
    assert.equal(client.call('SET', 'one more', 'v'.repeat(100)), OK)
    assert.equal(client.call('FLUSHALL'), OK)
    assert.equal(fill(client), count)
  })

  it('takes back the reply that a refused command had begun, and answers the pipeline', () => {
    const server = new TestServer({ config: CONFIG })
    const client = server.connect()
    const large = 'v'.repeat(100_000)
    assert.equal(client.call('SET', 'large', large), OK)
    assert.equal(client.call('SET', 'small', 'old'), OK)
    limitRuns(server, 0)
    const calls = [
      ['ECHO', 'before'],
      ['GETSET', 'large', `${large}1`],
      ['SET', 'small', large, 'GET'],
      ['GET', 'small'],
    ]
    const expected = `$6\r\nbefore\r\n${FULL}${FULL}$3\r\nold\r\n`
    assert.equal(client.send(calls.map(encode).join('')), expected)
  })

  it('is what a system is that gives no more memory', () => {
    const server = new TestServer({ config: CONFIG })
    const client = server.connect()
    refuseBuffers(0, () => {
      assert.equal(client.call('SET', 'k', 'v'), FULL)
      assert.equal(client.call('SET', 'k', 'v'.repeat(100_000_000)), FULL)
    })
    check(server)
    assert.equal(client.call('SET', 'k', 'v'), OK)
  })
})

/** A page, and its row in the page table. */
const KEPT_BYTES_MAX = 4096 + 64
const LONG_KEY = 'K'.repeat(20_000)
const LONG_VALUE = 'V'.repeat(30_000)
const SETUP: readonly (readonly string[])[] = [
  ['SET', 'inline', 'i'.repeat(100)],
  ['SET', 'timed', 't'.repeat(101), 'EX', '1000'],
  ['SET', 'inline edge', edgeValue(1000, 'inline edge')],
  ['SET', 'timed edge', edgeValue(2000, 'timed edge'), 'EX', '1000'],
  ['SET', 'span', 's'.repeat(50_000)],
  ['SET', 'timed span', 'S'.repeat(50_000), 'EX', '1000'],
  ['SET', LONG_KEY, 'of a long key', 'EX', '1000'],
  ['SET', `${LONG_KEY}2`, LONG_VALUE],
  // 16 KiB less what key and header take: a longer key drives the value out of its cell.
  ['SET', 'nearly out', 'n'.repeat(16_300)],
]
/** Each needs pages that it does not find. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  'a new key': ['SET', 'new', 'n'.repeat(2000)],
  'a new key with a deadline': ['SET', 'new', 'n'.repeat(2000), 'PX', '5000'],
  'a long new key with a long value': ['SET', 'L'.repeat(20_000), LONG_VALUE],
  'a longer value': ['SET', 'inline', LONG_VALUE],
  'a longer value with a first deadline': ['SET', 'inline', LONG_VALUE, 'EX', '9'],
  'a longer value without a deadline': ['SET', 'timed', LONG_VALUE],
  'a value that is replied': ['GETSET', 'timed', LONG_VALUE],
  'a value that grows out of its cell': ['APPEND', 'inline', LONG_VALUE],
  'a value that grows in its cell': ['APPEND', 'timed', 'a'.repeat(900)],
  'a value that grows out of its span': ['APPEND', 'timed span', 'a'.repeat(90_000)],
  'zeros under a new key': ['SETRANGE', 'new', '40000', 'x'],
  'zeros in an old value': ['SETRANGE', 'inline', '40000', 'x'],
  'a first deadline': ['EXPIRE', 'inline edge', '77'],
  'a first deadline of a span': ['GETEX', 'span', 'EX', '77'],
  'no deadline any more': ['PERSIST', 'timed edge'],
  'no deadline of a long key': ['PERSIST', LONG_KEY],
  'another name': ['RENAME', 'timed', 'M'.repeat(600)],
  'a long name': ['RENAME', 'timed span', 'M'.repeat(20_000)],
  'the name of another': ['RENAME', 'nearly out', LONG_KEY],
  'a long name for a value that nearly fills its cell': ['RENAME', 'nearly out', 'M'.repeat(200)],
  'a short name in place of a long one': ['RENAMENX', `${LONG_KEY}2`, 'm'.repeat(600)],
  'another database': ['MOVE', 'timed span', '1'],
  'another database for a long key': ['MOVE', LONG_KEY, '2'],
  'a copy': ['COPY', 'span', 'copy'],
  'a copy in place of another': ['COPY', 'timed span', 'inline', 'REPLACE'],
  'a number': ['INCR', 'M'.repeat(700)],
  'all or nothing': ['MSETNX', 'a', LONG_VALUE, 'b', LONG_VALUE, 'c', LONG_VALUE],
}

describe('without pages at its first, second, … allocation', () => {
  for (const [name, call] of Object.entries(CALLS)) {
    it(`a command is refused whole: ${name}`, () => {
      let refusals = 0
      for (let runs = 0; ; runs++) {
        const server = new TestServer({ config: CONFIG })
        const client = server.connect()
        for (const step of SETUP) assert.equal(client.call(...step), OK)
        const before = client.call('DEBUG', 'DIGEST')
        const { dirty, usedBytes } = server.engine.server.keyspace
        limitRuns(server, runs)
        const isRefused = client.call(...call) === FULL
        unlimit(server)
        check(server)
        if (!isRefused) break
        refusals++
        assert.equal(client.call('DEBUG', 'DIGEST'), before)
        assert.equal(server.engine.server.keyspace.dirty, dirty)
        // What was made ready for a list of deadlines may stay ready.
        const kept = server.engine.server.keyspace.usedBytes - usedBytes
        assert.ok(kept <= KEPT_BYTES_MAX, `${kept} bytes leak`)
      }
      assert.ok(refusals > 0, 'the command needs pages')
    })
  }

  it('RESTORE REPLACE leaves what it would replace', () => {
    const server = new TestServer({ config: CONFIG })
    const client = server.connect()
    const noise = Array.from({ length: 30_000 }, (_, i) => String.fromCharCode((i * i) % 251))
    client.call('SET', 'span', noise.join(''))
    const dumped = client.call('DUMP', 'span')
    const payload = dumped.slice(dumped.indexOf('\n') + 1, -2)
    client.call('SET', 'k', 'old', 'EX', '1000')
    limitRuns(server, 0)
    assert.equal(client.call('RESTORE', 'k', '0', payload, 'REPLACE'), FULL)
    check(server)
    assert.equal(client.call('GET', 'k'), '$3\r\nold\r\n')
    unlimit(server)
    assert.equal(client.call('RESTORE', 'k', '0', payload, 'REPLACE'), OK)
  })

  it('a dict that cannot split keeps what it has', () => {
    for (const runs of [0, 1]) {
      const server = new TestServer({ config: CONFIG })
      const client = server.connect()
      const { arena } = server.engine.server.keyspace
      assert.equal(client.call('SET', 'k0', 'v'), OK)
      let left = runs
      arena.tryAllocateTable = (count) => {
        if (left-- <= 0) return NULL
        return Arena.prototype.tryAllocateTable.call(arena, count)
      }
      let count = 1
      for (let i = 1; i < 2000; i++) if (client.call('SET', `k${i}`, 'v') === OK) count++
      assert.ok(count > 500 && count < 2000)
      assert.equal(client.call('DBSIZE'), `:${count}\r\n`)
      check(server)
      assert.equal(client.call('GET', 'k0'), '$1\r\nv\r\n')
      arena.tryAllocateTable = Arena.prototype.tryAllocateTable
      for (let i = 0; i < 2000; i++) assert.equal(client.call('SET', `k${i}`, 'v'), OK)
      check(server)
    }
  })
})
