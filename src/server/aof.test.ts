// Goal: what the policy promises is there after any end of the server, and a disk that fails is
// reported, survived and recovered from. Method: whole servers on the fake disk, which loses power
// or fails at each operation of a small workload with a rewrite in its midst; the list that is
// pushed to must come back as an acknowledged prefix.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../base/disk-fake.ts'
import { Random } from '../base/random.ts'
import { TestServer, type TestServerOptions } from './test-server.ts'

const SEED = Number(process.env['SEED'] ?? 7)
const ROUNDS = Number(process.env['ROUNDS'] ?? 1)
const DIRECTORY = '/data/appendonlydir'

type Policy = 'always' | 'everysec' | 'no'

function open(disk: FakeDisk, policy: Policy, more: TestServerOptions['config'] = {}): TestServer {
  const config = { appendonly: 'yes', appendfsync: policy, save: '""', ...more }
  const server = new TestServer({ disk, hasPersistence: true, config })
  for (let i = 0; i < 100 && server.engine.server.isLoading; i++) server.clock.advance(10)
  return server
}

/** Lets time pass, and a rewrite with it. */
function pass(server: TestServer, ms: number): void {
  for (let at = 0; at < ms; at += 10) {
    server.runner.step()
    server.clock.advance(10)
  }
}

function fields(server: TestServer): Map<string, string> {
  const text = server.connect().call('INFO', 'persistence')
  return new Map(text.split('\r\n').map((line) => line.split(':') as [string, string]))
}

function stop(server: TestServer): void {
  server.connect().call('SHUTDOWN')
  assert.ok(server.engine.shutdown.isDone)
}

/** What is in the list, which must be 0, 1, 2, … */
function lengthOfList(server: TestServer): number {
  const reply = server.connect().call('LRANGE', 'list', '0', '-1')
  const found = reply.split('\r\n').filter((line) => /^\d+$/.test(line))
  found.forEach((text, i) => {
    assert.equal(Number(text), i, `SEED=${SEED}: a prefix`)
  })
  return found.length
}

/** Files that the manifest does not name, besides it. */
function strays(disk: FakeDisk): string[] {
  const manifest = disk.readText(`${DIRECTORY}/appendonly.aof.manifest`)
  return disk
    .list(DIRECTORY)
    .filter((name) => !name.endsWith('.manifest') && !manifest.includes(`file ${name} `))
}

test('data comes back after a restart, before, during and after a rewrite', () => {
  for (const preamble of ['yes', 'no']) {
    const disk = new FakeDisk()
    const more = { 'aof-use-rdb-preamble': preamble }
    let server = open(disk, 'everysec', more)
    let count = 0
    for (let round = 0; round < 4; round++) {
      const client = server.connect()
      assert.equal(lengthOfList(server), count)
      const push = (times: number) => {
        for (let i = 0; i < times; i++) client.call('RPUSH', 'list', String(count++))
      }
      push(10)
      assert.match(client.call('BGREWRITEAOF'), /^\+Background append only file rewriting started/)
      push(10)
      assert.match(client.call('BGREWRITEAOF'), /^-ERR Background append only file rewriting/)
      if (round > 0) pass(server, 500)
      push(10)
      assert.equal(fields(server).get('aof_rewrite_in_progress'), round > 0 ? '0' : '1')
      stop(server)
      server = open(disk, 'everysec', more)
    }
    assert.equal(lengthOfList(server), count)
    assert.deepEqual(strays(disk), [])
    stop(server)
  }
})

test('with always nobody hears of a change before it is synced', () => {
  const disk = new FakeDisk()
  const server = open(disk, 'always')
  const writer = server.connect()
  const reader = server.connect()
  disk.isDeferred = true
  assert.equal(writer.call('SET', 'k', 'v'), '')
  assert.equal(reader.call('GET', 'k'), '')
  server.clock.advance(1)
  disk.proceed(1)
  assert.equal(writer.take(), '', 'written, not synced')
  assert.equal(reader.call('PING'), '')
  disk.proceed()
  assert.equal(writer.take(), '+OK\r\n')
  assert.equal(reader.take(), '$1\r\nv\r\n+PONG\r\n')
  assert.equal(reader.call('GET', 'k'), '$1\r\nv\r\n', 'nothing waits any more')
})

test('CONFIG SET appendonly yes makes a base of what is there, no ends the log', () => {
  const disk = new FakeDisk()
  let server = open(disk, 'everysec', { appendonly: 'no' })
  let client = server.connect()
  client.call('SET', 'before', '1')
  assert.equal(client.call('CONFIG', 'SET', 'appendonly', 'yes'), '+OK\r\n')
  client.call('SET', 'during', '2')
  pass(server, 500)
  client.call('SET', 'after', '3')
  assert.equal(fields(server).get('aof_enabled'), '1')
  assert.deepEqual(strays(disk), [])
  stop(server)
  server = open(disk, 'everysec')
  client = server.connect()
  assert.equal(
    client.call('MGET', 'before', 'during', 'after'),
    '*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n',
  )
  assert.equal(client.call('CONFIG', 'SET', 'appendonly', 'no'), '+OK\r\n')
  client.call('SET', 'unlogged', '4')
  assert.equal(fields(server).get('aof_enabled'), '0')
  stop(server)
  server = open(disk, 'everysec')
  assert.equal(server.connect().call('EXISTS', 'after', 'unlogged'), ':1\r\n')
})

test('WAITAOF waits for the sync, no longer than it is told to', () => {
  const disk = new FakeDisk()
  const server = open(disk, 'everysec')
  const client = server.connect()
  client.call('SET', 'k', 'v')
  assert.equal(client.call('WAITAOF', '1', '0', '0'), '')
  pass(server, 1500)
  assert.equal(client.take(), '*2\r\n:1\r\n:0\r\n')
  assert.equal(client.call('WAITAOF', '1', '0', '0'), '*2\r\n:1\r\n:0\r\n')
  assert.equal(client.call('WAITAOF', '0', '1', '100'), '')
  pass(server, 200)
  assert.equal(client.take(), '*2\r\n:1\r\n:0\r\n')
  assert.match(client.call('WAITAOF', '2', '0', '0'), /^-ERR value is out of range/)
  client.call('CONFIG', 'SET', 'appendonly', 'no')
  assert.match(client.call('WAITAOF', '1', '0', '0'), /^-ERR WAITAOF cannot be used/)
})

test('a full disk: writes are refused, reads go on, and it is over by itself', () => {
  const disk = new FakeDisk()
  const server = open(disk, 'everysec')
  const client = server.connect()
  client.call('RPUSH', 'list', '0')
  pass(server, 100)
  disk.capacityBytes = disk.usedBytes
  assert.equal(client.call('RPUSH', 'list', '1'), ':2\r\n')
  pass(server, 100)
  assert.match(
    client.call('RPUSH', 'list', '2'),
    /^-MISCONF Errors writing to the AOF file: No space left on device/,
  )
  assert.equal(client.call('LLEN', 'list'), ':2\r\n')
  assert.equal(fields(server).get('aof_last_write_status'), 'err')
  disk.capacityBytes = Number.POSITIVE_INFINITY
  pass(server, 1200)
  assert.equal(fields(server).get('aof_last_write_status'), 'ok')
  assert.equal(client.call('RPUSH', 'list', '2'), ':3\r\n')
  stop(server)
  assert.equal(lengthOfList(open(disk, 'everysec')), 3)
})

test('a disk that hangs makes writers wait, not readers, and is over by itself', () => {
  const disk = new FakeDisk()
  const server = open(disk, 'everysec')
  const client = server.connect()
  disk.isDeferred = true
  assert.equal(client.call('RPUSH', 'list', '0'), ':1\r\n')
  pass(server, 1900)
  assert.equal(client.call('RPUSH', 'list', '1'), ':2\r\n')
  pass(server, 300)
  assert.equal(client.call('RPUSH', 'list', '2'), '')
  assert.equal(server.connect().call('LLEN', 'list'), ':2\r\n')
  assert.equal(fields(server).get('aof_delayed_fsync'), '1')
  disk.isDeferred = false
  disk.proceed()
  pass(server, 10)
  assert.equal(client.take(), ':3\r\n')
  stop(server)
  assert.equal(lengthOfList(open(disk, 'everysec')), 3)
})

test('the log is rewritten when it has grown, and less often when that fails', () => {
  const disk = new FakeDisk()
  const more = { 'auto-aof-rewrite-min-size': '1000', 'auto-aof-rewrite-percentage': '100' }
  const server = open(disk, 'everysec', more)
  const client = server.connect()
  const grow = () => {
    for (let i = 0; i < 50; i++) client.call('SET', 'k', 'v'.repeat(100))
  }
  grow()
  pass(server, 500)
  assert.equal(fields(server).get('aof_rewrites'), '1')
  disk.fail({ operation: 'open', code: 'EACCES', path: 'rewriteaof' })
  for (let i = 0; i < 10; i++) {
    grow()
    pass(server, 300)
  }
  const info = fields(server)
  assert.equal(info.get('aof_rewrites_consecutive_failures'), '3')
  assert.equal(info.get('aof_last_bgrewrite_status'), 'err')
  assert.ok(server.logged('will retry in 1 minutes'))
  disk.heal()
  pass(server, 62_000)
  assert.equal(fields(server).get('aof_rewrites'), '2')
  assert.equal(fields(server).get('aof_rewrites_consecutive_failures'), '0')
  assert.deepEqual(strays(disk), [])
})

/** The main thread would have ended the process. */
function hasEnded(server: TestServer): boolean {
  return server.messages.some(({ kind }) => kind === 'exit')
}

/** Pushes to the list, with a rewrite in between; counts what was acknowledged. */
class Workload {
  acknowledged = 0
  refused = 0
  #next = 0

  run(server: TestServer, steps: number, hasRewrite = true): void {
    const client = server.connect()
    if (hasEnded(server)) return
    this.#next = lengthOfList(server)
    for (let i = 0; i < steps; i++) {
      const reply = client.call('RPUSH', 'list', String(this.#next)) || this.#await(server, client)
      if (reply.startsWith(':')) this.acknowledged = ++this.#next
      else if (reply.startsWith('-MISCONF')) this.refused++
      else return
      if (hasEnded(server)) return
      if (hasRewrite && i === steps >> 2) server.connect().call('BGREWRITEAOF')
      pass(server, 60)
    }
  }

  #await(server: TestServer, client: ReturnType<TestServer['connect']>): string {
    pass(server, 100)
    return client.take()
  }
}

test('power is cut at each operation: with always all that was acknowledged is there', () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  const whole = new FakeDisk()
  const before = whole.operations
  new Workload().run(open(whole, 'always'), 16)
  const operations = whole.operations - before
  assert.ok(operations > 50)
  for (let at = 0; at < operations * ROUNDS; at++) {
    const disk = new FakeDisk()
    const workload = new Workload()
    disk.cutPowerAt(at % operations)
    try {
      const server = open(disk, 'always')
      workload.run(server, 16)
    } catch (error) {
      // A snapshot that meets the cut says so in words of its own.
      if (!disk.isOff) throw error
    }
    disk.crash(random)
    const again = open(disk, 'always')
    const length = lengthOfList(again)
    assert.ok(length >= workload.acknowledged, `SEED=${SEED} cut at ${at}: ${again.log.join('\n')}`)
    // And it goes on from there.
    workload.run(again, 8)
    assert.equal(workload.acknowledged, length + 8, `cut at ${at}: ${again.log.join('\n')}`)
  }
})

test('each operation fails in turn: the server goes on, or ends with nothing lost', () => {
  const whole = new FakeDisk()
  open(whole, 'always')
  const first = whole.operations
  for (const policy of ['always', 'everysec'] as const) {
    for (const code of ['EIO', 'ENOSPC', 'EROFS', 'EDQUOT']) {
      for (const operation of ['write', 'fsync', 'open', 'rename', 'truncate', 'unlink'] as const) {
        for (let nth = 1; nth <= 12 * ROUNDS; nth += ROUNDS > 1 ? 1 : 3) {
          const disk = new FakeDisk()
          const server = open(disk, policy)
          disk.fail({ operation, code, nth, times: 1 + (nth % 3) })
          const workload = new Workload()
          workload.run(server, 12)
          const isOver = hasEnded(server)
          assert.ok(!isOver || policy === 'always', `${operation} ${code} ${nth}`)
          disk.heal()
          if (!isOver) {
            pass(server, 2500)
            workload.run(server, 4)
            stop(server)
          }
          const again = open(disk, policy)
          const length = lengthOfList(again)
          const what = `${policy} ${operation} ${code} ${nth}: ${again.log.join('\n')}`
          assert.ok(length >= workload.acknowledged, what)
        }
      }
    }
  }
  assert.ok(first > 0)
})

test('the disk is full at each byte: no file ends inside of a command, nothing is lost', () => {
  const pushes = 5
  const whole = new FakeDisk()
  const wholeServer = open(whole, 'everysec')
  const before = whole.usedBytes
  new Workload().run(wholeServer, pushes, false)
  const bytes = whole.usedBytes - before
  assert.ok(bytes > 100, `${bytes} bytes`)
  for (const policy of ['always', 'everysec'] as const) {
    for (let room = 0; room <= bytes; room++) {
      const disk = new FakeDisk()
      const server = open(disk, policy)
      disk.capacityBytes = disk.usedBytes + room
      const workload = new Workload()
      workload.run(server, pushes, false)
      const what = `${policy}, room for ${room} of ${bytes} bytes`
      if (policy === 'always') assert.equal(hasEnded(server), room < bytes, what)
      else if (room < bytes) assert.equal(fields(server).get('aof_last_write_status'), 'err', what)
      disk.capacityBytes = Number.POSITIVE_INFINITY
      if (!hasEnded(server)) {
        pass(server, 2500)
        assert.equal(fields(server).get('aof_last_write_status'), 'ok', what)
        workload.run(server, 1, false)
        stop(server)
      }
      const again = open(disk, policy)
      assert.ok(lengthOfList(again) >= workload.acknowledged, what)
      assert.ok(!again.logged('truncat'), `${what}: ${again.log.join('\n')}`)
    }
  }
})

test('FLUSHALL in a transaction leaves the transaction whole in the log', () => {
  const disk = new FakeDisk()
  const server = open(disk, 'always', { save: '3600 1' })
  const client = server.connect()
  client.call('MULTI')
  client.call('SET', 'key', 'value')
  client.call('FLUSHALL')
  client.call('EXEC')
  pass(server, 1000)
  const log = disk.list('/data/appendonlydir').find((name) => name.includes('.incr.'))
  const text = Buffer.from(disk.contents(`/data/appendonlydir/${log}`)!).toString()
  const words = text.split('\r\n').filter((word) => /^[a-z]/i.test(word))
  assert.deepEqual(words, ['SELECT', 'MULTI', 'SET', 'key', 'value', 'FLUSHALL', 'EXEC'])
})
