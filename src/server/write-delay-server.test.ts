// Goal: clients of a whole server meet the write delay as they should: held writes are answered in
// order, once, and readers never wait. Method: the engine on fake doors with a cut whose use the
// test sets; each writing command takes one page of it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Flag } from '../command/command.ts'
import { Request } from './mailbox.ts'
import { type FakeCut, FakeSource } from './test-delay.ts'
import { encode, type TestClient, TestServer, type TestServerOptions } from './test-server.ts'

const OK = '+OK\r\n'
const BOUND = 1000
const KEYS = 3000
const OLD = 'o'.repeat(1000)
const NEW = 'n'.repeat(1000)
const DEBUG = { 'enable-debug-command': 'yes' } as const

interface Delayed {
  readonly server: TestServer
  readonly source: FakeSource
  readonly cut: FakeCut
  /** Connected before the cut opened. */
  readonly a: TestClient
  readonly b: TestClient
  readonly c: TestClient
}

/** A server whose cut is open and full, so that writes are held. */
function full(options: TestServerOptions = {}): Delayed {
  const server = new TestServer(options)
  const source = new FakeSource()
  const { writeDelay, dispatcher } = server.engine.server
  writeDelay.source = source
  dispatcher.onExecuted = ({ flags }) => {
    if ((flags & Flag.Write) !== 0) source.openCut?.take(1)
  }
  const [a, b, c] = [server.connect(), server.connect(), server.connect()]
  const cut = source.open(BOUND)
  cut.take(BOUND)
  return { server, source, cut, a, b, c }
}

/** All clients' commands are served or stand in line. */
function check({ server }: Delayed): void {
  server.engine.server.writeDelay.check(server.engine.server.clients)
}

function info(client: TestClient, name: string): string {
  return new RegExp(`\r\n${name}:([^\r]*)\r`).exec(client.call('INFO', 'everything'))?.[1] ?? ''
}

describe('a server whose cut is full', () => {
  it('holds writes, in order with what is behind them, and serves readers', () => {
    const all = full()
    const { server, cut, a, b, c } = all
    assert.equal(a.send(encode(['SET', 'k', '1']) + encode(['GET', 'k'])), '')
    assert.equal(a.call('SET', 'k', '2'), '')
    assert.equal(b.call('GET', 'k'), '$-1\r\n')
    assert.equal(c.call('INCR', 'n'), '')
    server.clock.advance(20)
    assert.equal(
      b.call('GET', 'k') + b.call('PING') + b.call('PUBLISH', 'x', 'y'),
      '$-1\r\n+PONG\r\n:0\r\n',
    )
    assert.match(b.call('CLIENT', 'LIST'), /flags=b .* cmd=incr /)
    assert.equal(info(b, 'blocked_clients'), '2')
    assert.equal(info(b, 'snapshot_write_delay_clients'), '2')
    check(all)
    cut.drain(BOUND)
    server.clock.advance(1)
    assert.equal(a.take(), `${OK}$1\r\n1\r\n${OK}`)
    assert.equal(c.take(), ':1\r\n')
    assert.equal(b.call('GET', 'k'), '$1\r\n2\r\n')
    assert.equal(a.call('SET', 'k', '3'), OK)
    check(all)
  })

  it('meters: with little left each tick serves a few, and the rest later', () => {
    const { server, cut, a } = full()
    cut.drain(180)
    // 80 pages of credit are left: 10 of them now.
    const received = a.send(encode(['INCR', 'n']).repeat(100))
    assert.equal(received.split('\r\n').length - 1, 10)
    server.clock.advance(1)
    assert.equal(a.take().split('\r\n').length - 1, 9)
    cut.drain(BOUND)
    server.clock.advance(1)
    assert.ok(a.take().endsWith(':100\r\n'))
  })

  it('holds EXEC with writes as one, and neither MULTI, what is queued, nor EXEC of reads', () => {
    const { server, cut, a, b } = full()
    assert.equal(
      a.call('MULTI') + a.call('INCR', 'n') + a.call('INCR', 'n'),
      `${OK}+QUEUED\r\n+QUEUED\r\n`,
    )
    assert.equal(a.send(encode(['EXEC']) + encode(['PING'])), '')
    assert.equal(
      b.call('MULTI') + b.call('GET', 'n') + b.call('EXEC'),
      `${OK}+QUEUED\r\n*1\r\n$-1\r\n`,
    )
    assert.equal(b.call('MULTI') + b.call('INCR', 'n') + b.call('DISCARD'), `${OK}+QUEUED\r\n${OK}`)
    cut.drain(101)
    server.clock.advance(1)
    // One page of credit is enough to begin.
    assert.equal(a.take(), '*2\r\n:1\r\n:2\r\n+PONG\r\n')
    assert.equal(cut.usedPages, BOUND - 101 + 2)
  })

  it('lets an EXEC notice what changed while it was held', () => {
    const { server, cut, a, b } = full()
    cut.drain(BOUND)
    b.call('SET', 'k', '1')
    a.call('WATCH', 'k')
    a.call('MULTI')
    a.call('SET', 'k', 'a')
    cut.take(BOUND)
    assert.equal(b.call('SET', 'k', '2'), '')
    assert.equal(a.call('EXEC'), '')
    cut.drain(BOUND)
    server.clock.advance(1)
    assert.equal(b.take(), OK)
    assert.equal(a.take(), '*-1\r\n')
    assert.equal(b.call('GET', 'k'), '$1\r\n2\r\n')
  })

  it('serves single commands beside a pipeline of 10 000', () => {
    const all = full()
    const { server, cut, a, b } = all
    cut.drain(400)
    let received = a.send(encode(['INCR', 'pipeline']).repeat(10_000))
    let waitedMax = 0
    for (let i = 0; i < 100; i++) {
      let reply = b.call('INCR', 'single')
      for (let ms = 0; reply === ''; ms++) {
        cut.drain(10)
        server.clock.advance(1)
        reply = b.take()
        waitedMax = Math.max(waitedMax, ms + 1)
      }
      assert.equal(reply, `:${i + 1}\r\n`)
      check(all)
    }
    assert.ok(waitedMax <= 3, `${waitedMax} ms`)
    assert.ok(cut.usedPeak <= BOUND)
    cut.drain(BOUND)
    for (let ms = 0; !received.endsWith(':10000\r\n') && ms < 500; ms++) {
      cut.drain(100)
      server.clock.advance(1)
      received += a.take()
    }
    const expected = Array.from({ length: 10_000 }, (_, i) => `:${i + 1}\r\n`).join('')
    assert.equal(received, expected)
    check(all)
  })

  it('serves everybody when the cut closes, and asks nobody any more', () => {
    const all = full()
    const { server, source, a, b } = all
    a.call('SET', 'k', '1')
    b.send(encode(['APPEND', 'k', '2']).repeat(1000))
    source.openCut = null
    server.clock.advance(1)
    assert.equal(a.take(), OK)
    assert.ok(b.take().endsWith(':1001\r\n'))
    assert.equal(server.engine.server.dispatcher.delayedFlags, 0)
    check(all)
  })

  it('forgets who has gone or is killed, and serves the others', () => {
    const all = full()
    const { server, cut, a, b, c } = all
    const admin = server.connect()
    a.call('INCR', 'n')
    b.call('INCR', 'n')
    c.call('INCR', 'n')
    a.close()
    assert.match(admin.call('CLIENT', 'KILL', 'ID', '2'), /:1/)
    assert.equal(b.isClosed, true)
    check(all)
    cut.drain(BOUND)
    server.clock.advance(1)
    assert.equal(c.take(), ':1\r\n')
    check(all)
  })

  it('and a pause: whichever ends last lets writers go, once', () => {
    for (const isPauseLast of [true, false]) {
      const all = full()
      const { server, cut, a, b, c } = all
      a.call('INCR', 'n')
      c.call('CLIENT', 'PAUSE', '100000', 'WRITE')
      b.call('INCR', 'n')
      check(all)
      if (isPauseLast) cut.drain(BOUND)
      else c.call('CLIENT', 'UNPAUSE')
      server.clock.advance(5)
      assert.equal(a.take() + b.take(), '')
      if (isPauseLast) c.call('CLIENT', 'UNPAUSE')
      else cut.drain(BOUND)
      server.clock.advance(5)
      assert.deepEqual([a.take(), b.take()].sort(), [':1\r\n', ':2\r\n'])
      check(all)
    }
  })

  it('lets a held push serve a client that is blocked, which never waits itself', () => {
    const all = full()
    const { server, cut, a, b, c } = all
    cut.drain(BOUND)
    assert.equal(a.call('BLPOP', 'list', '0'), '')
    cut.take(BOUND)
    assert.equal(b.call('LPUSH', 'list', 'x'), '')
    // It is held before it can be blocked.
    assert.equal(c.send(encode(['BLPOP', 'other', '0']) + encode(['PING'])), '')
    check(all)
    cut.drain(110)
    server.clock.advance(1)
    assert.equal(a.take(), '*2\r\n$4\r\nlist\r\n$1\r\nx\r\n')
    assert.equal(b.take(), ':1\r\n')
    cut.drain(BOUND)
    server.clock.advance(2)
    assert.equal(b.call('RPUSH', 'other', 'y'), ':1\r\n')
    assert.equal(c.take(), '*2\r\n$5\r\nother\r\n$1\r\ny\r\n+PONG\r\n')
    check(all)
  })

  it('holds a client that goes on after it was blocked', () => {
    const all = full()
    const { server, cut, a, b } = all
    cut.drain(BOUND)
    a.send(encode(['BLPOP', 'list', '0']) + encode(['INCR', 'n']))
    cut.take(BOUND)
    b.call('LPUSH', 'list', 'x')
    // One page of credit: the push takes it.
    cut.drain(102)
    server.clock.advance(1)
    assert.match(a.take(), /x\r\n$/)
    check(all)
    cut.drain(BOUND)
    server.clock.advance(2)
    assert.equal(a.take(), ':1\r\n')
    check(all)
  })

  it('keeps CLIENT REPLY SKIP for the command that was held', () => {
    const { server, cut, a } = full()
    a.send(encode(['CLIENT', 'REPLY', 'SKIP']) + encode(['SET', 'k', '1']) + encode(['INCR', 'k']))
    cut.drain(BOUND)
    server.clock.advance(1)
    assert.equal(a.take(), ':2\r\n')
  })

  it('holds FLUSHALL, and a RESET of what was queued leaves nobody in line', () => {
    const all = full()
    const { server, cut, a, b } = all
    assert.equal(a.call('FLUSHALL'), '')
    assert.equal(
      b.call('MULTI') + b.call('SET', 'k', 'v') + b.call('RESET'),
      `${OK}+QUEUED\r\n+RESET\r\n`,
    )
    check(all)
    cut.drain(BOUND)
    server.clock.advance(1)
    assert.equal(a.take(), OK)
    check(all)
  })

  it('stops reading a pipeline that grows behind a held write, until that has run', () => {
    const { server, cut, a } = full()
    const commands = encode(['INCR', 'n']).repeat(2000)
    a.send(commands)
    assert.equal(a.isPaused, false)
    a.send(commands)
    a.send(commands)
    assert.equal(a.isPaused, true)
    cut.drain(BOUND)
    for (let ms = 0; ms < 100; ms++) {
      cut.drain(BOUND)
      server.clock.advance(1)
    }
    assert.equal(a.isPaused, false)
    assert.ok(a.take().endsWith(':6000\r\n'))
  })

  it('leaves expiry and freeing for later while the bound is tight', () => {
    const { server, cut, a } = full({ config: DEBUG })
    const { keyspace } = server.engine.server
    cut.drain(BOUND)
    a.call('SET', 'k', 'v', 'PX', '10')
    a.call('RPUSH', 'list', ...Array.from({ length: 1000 }, (_, i) => `${i}`.repeat(100)))
    a.call('UNLINK', 'list')
    cut.take(BOUND * 0.8)
    server.clock.advance(1000)
    assert.equal(keyspace.stats.expired, 0)
    assert.equal(info(a, 'lazyfree_pending_objects'), '1')
    cut.drain(BOUND)
    server.clock.advance(1000)
    assert.equal(keyspace.stats.expired, 1)
    assert.equal(info(a, 'lazyfree_pending_objects'), '0')
  })

  it('ends on order with writers in line', () => {
    const { server, cut, a } = full({ config: { save: '' } })
    assert.equal(a.call('SET', 'k', 'v'), '')
    server.mailbox.request(Request.Terminate)
    server.engine.wake()
    cut.drain(BOUND)
    server.clock.advance(100)
    assert.equal(a.take(), '')
    assert.deepEqual(server.messages.at(-1), { kind: 'exit', code: 0, isGraceful: true })
  })

  it('shows what it does in INFO and to the latency monitor', () => {
    const { server, cut, a, b, c } = full()
    a.call('CONFIG', 'SET', 'latency-monitor-threshold', '5')
    b.call('SET', 'k', '1')
    c.call('SET', 'k', '2')
    server.clock.advance(6)
    cut.drain(BOUND)
    server.clock.advance(1)
    for (const suffix of ['', '_total']) {
      assert.equal(info(a, `snapshot_write_delays${suffix}`), '2')
      assert.equal(info(a, `snapshot_write_delay_usec${suffix}`), '14000')
      assert.equal(info(a, `snapshot_write_delay_usec_max${suffix}`), '7000')
      assert.equal(info(a, `snapshot_write_delay_histogram${suffix}`), 'le_8192us=2')
      assert.equal(
        info(a, `snapshot_write_delay_percentiles_usec${suffix}`),
        'p50=7000,p99=7000,p99.9=7000',
      )
    }
    assert.match(a.call('LATENCY', 'LATEST'), /snapshot-write-delay\r\n:\d+\r\n:7\r\n:7\r\n/)
    a.call('CONFIG', 'RESETSTAT')
    assert.equal(info(a, 'snapshot_write_delays'), '2')
    assert.equal(info(a, 'snapshot_write_delays_total'), '0')
    assert.equal(info(a, 'snapshot_write_delay_histogram_total'), '')
    assert.ok(server.logged('writers are delayed'))
  })
})

describe('a server that saves slowly', () => {
  it('stays below its reserve, and saves what was there when the cut opened', () => {
    const config = { save: '', 'snapshot-reserve': '1mb', 'snapshot-method': 'background' }
    const server = new TestServer({ config, hasPersistence: true })
    const { persistence, writeDelay, clients } = server.engine.server
    const writers = [server.connect(), server.connect(), server.connect()]
    const reader = server.connect()
    for (let i = 0; i < KEYS; i++) reader.call('SET', `k${i}`, OLD)
    reader.call('BGSAVE')
    let early = 0
    for (const [i, client] of writers.entries()) {
      for (let key = i; key < KEYS; key += writers.length) {
        early += client.send(encode(['SET', `k${key}`, NEW])).length
      }
    }
    assert.equal(writeDelay.waitingCount, writers.length)
    for (let ms = 0; ms < 20_000 && persistence!.isSaving; ms++) {
      server.runner.step()
      assert.match(reader.call('GET', `k${ms % KEYS}`), /^\$1000\r\n/)
      server.clock.advance(1)
      writeDelay.check(clients)
    }
    assert.equal(persistence!.isSaving, false)
    const { usedPeak, waits, overdraftPages } = persistence!.cutFigures!
    assert.ok(usedPeak > 128 && usedPeak <= 256, `${usedPeak} pages`)
    assert.deepEqual([waits, overdraftPages], [0, 0])
    assert.ok(writeDelay.figures.ended > 10)
    server.clock.advance(10)
    const replies = writers.map((client) => client.take()).join('')
    assert.equal(replies.length + early, OK.length * KEYS)
    const restarted = new TestServer({ config, hasPersistence: true, disk: server.disk })
    for (let i = 0; i < KEYS; i++) {
      assert.equal(restarted.connect().call('GET', `k${i}`), `$1000\r\n${OLD}\r\n`)
      assert.equal(reader.call('GET', `k${i}`), `$1000\r\n${NEW}\r\n`)
    }
  })
})
