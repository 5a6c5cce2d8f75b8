// Goal: BGSAVE beside a snapshot that is for replicas alone, and what INFO and SNAPSHOT STATUS say
// of snapshots: for whom, how far, and why one failed.
// Method: a whole engine in one process; a stream is asked for as a replica would, and steps of the
// snapshot thread are taken one by one. BGSAVE beside BGSAVE is test/e2e/bgsave-rules.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameQueue, shareFrameQueue } from '../base/frame-queue.ts'
import { TestServer } from './test-server.ts'

const OTHER =
  "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in " +
  'order to schedule a BGSAVE whenever possible.\r\n'
const TICK_MS = 100

/** A server with keys, and a client of it. */
function start() {
  const server = new TestServer({ hasPersistence: true, config: { save: '900 1000000' } })
  const client = server.connect()
  for (let i = 0; i < 500; i++) client.send(`SET key:${i} ${'v'.repeat(200)}\r\n`)
  const { persistence } = server.engine.server
  assert(persistence !== null)
  const info = (name: string): string => {
    const found = new RegExp(`^${name}:(.*)\r$`, 'm').exec(client.send('INFO persistence\r\n'))
    assert(found, `INFO has ${name}`)
    return found[1]!
  }
  return { server, client, persistence, info }
}

/** Asks for a stream; `take` empties it, `ends` is how it ended. */
function requestStream({ persistence }: ReturnType<typeof start>) {
  const queue = shareFrameQueue(4096)
  const frames = new FrameQueue(queue)
  const ends: (string | null)[] = []
  persistence.requestStream({ queue, onCut: () => {}, onEnd: (error) => ends.push(error) })
  const take = () => {
    while (frames.next()) frames.take(() => {})
  }
  return { take, ends }
}

/** Lets the thread and the cron go on until no snapshot is under way. */
function finish({ server, persistence }: ReturnType<typeof start>): void {
  for (let i = 0; persistence.isSaving; i++) {
    assert(i < 10_000, 'it comes to its end')
    server.runner.step()
    server.clock.advance(TICK_MS)
  }
}

test('beside a snapshot for replicas BGSAVE is refused, or scheduled and then comes next', () => {
  const scene = start()
  const { server, client, persistence, info } = scene
  const stream = requestStream(scene)
  server.runner.onStall = stream.take
  server.clock.advance(TICK_MS)
  assert.deepEqual([persistence.isSaving, persistence.isFileSave], [true, false])
  assert.equal(info('rdb_bgsave_in_progress'), '0')
  assert.equal(info('rdb_current_bgsave_time_sec'), '-1')
  assert.equal(info('snapshot_in_progress'), '1')
  assert.match(client.send('SNAPSHOT STATUS\r\n'), /scanning\r\n.*for\r\n.*replicas\r\n/s)

  assert.equal(client.send('BGSAVE\r\n'), OTHER)
  assert.equal(client.send('SAVE\r\n'), '-ERR Background save already in progress\r\n')
  assert.equal(client.send('BGSAVE SCHEDULE\r\n'), '+Background saving scheduled\r\n')
  assert.equal(
    client.send('MULTI\r\nBGSAVE\r\nEXEC\r\n'),
    '+OK\r\n+QUEUED\r\n*1\r\n+Background saving scheduled\r\n',
  )
  assert.equal(info('rdb_saves'), '0')
  finish(scene)
  assert.deepEqual(stream.ends, [null])
  // The two that were scheduled are one save.
  assert.equal(info('rdb_saves'), '1')
  assert.equal(persistence.isScheduled, false)
})

test('a snapshot for replicas that fails leaves the status of saves alone', () => {
  const scene = start()
  const { server, client, persistence, info } = scene
  const stream = requestStream(scene)
  server.clock.advance(TICK_MS)
  persistence.abort()
  assert.deepEqual(stream.ends, ['stopped before its end'])
  assert.equal(info('rdb_last_bgsave_status'), 'ok')
  assert.equal(client.send('SET k v\r\n'), '+OK\r\n')
})

test('why a save failed is told by INFO, the log and SNAPSHOT STATUS, until one goes well', () => {
  const scene = start()
  const { server, client, info } = scene
  server.disk.fail({ operation: 'fsync', code: 'EIO', path: 'temp-' })
  const lastSave = client.send('LASTSAVE\r\n')
  server.clock.advance(3000)
  assert.equal(client.send('BGSAVE\r\n'), '+Background saving started\r\n')
  finish(scene)
  const why = /fsync \/data\/temp-1-1\.rdb: EIO/
  assert.equal(info('rdb_last_bgsave_status'), 'err')
  assert.match(info('rdb_last_bgsave_error'), why)
  assert.match(client.send('SNAPSHOT STATUS\r\n'), why)
  assert(server.logged('Background saving error: fsync /data/temp-1-1.rdb: EIO'))
  assert.match(client.send('SET k v\r\n'), /^-MISCONF/)
  assert.equal(client.send('LASTSAVE\r\n'), lastSave)

  server.disk.heal()
  client.send('BGSAVE\r\n')
  finish(scene)
  assert.equal(info('rdb_last_bgsave_status'), 'ok')
  assert.equal(info('rdb_last_bgsave_error'), '')
  assert.notEqual(client.send('LASTSAVE\r\n'), lastSave)
  assert.equal(client.send('SET k v\r\n'), '+OK\r\n')
})
