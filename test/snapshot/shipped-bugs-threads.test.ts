// Goal: the rows of shipped-bugs.test.ts where threads and sockets matter, on a whole server: the
// file is the data of the cut, and nobody stands still while it is written.
// Method: a server with values of every type, some large. The digest of all data and BGSAVE are
// sent in one piece; then several connections write as fast as they are answered, to all of it, and
// one more asks for nothing but PONG. What a second server loads must have the digest of the cut.
// `rdb-key-save-delay` makes the save long enough to be written into.

import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { isReference, REFERENCE, stopAll, TestServer, temporaryDir } from '../lib/server.ts'

after(stopAll)

const KEYS = 8000
const FIELDS = 100_000
const WRITERS = 3
const BATCH = 40
const TEST_MS = 60_000
const ARGS = ['--enable-debug-command', 'yes', '--rdb-key-save-delay', '20'] as const
/** No client may wait so long; a busy machine alone lets some wait for tens of ms. */
const STILL_MS = 1000

async function fill(client: RawClient): Promise<void> {
  const values = Array.from({ length: FIELDS }, (_, i) => [`field:${i}`, `value ${i}`])
  for (let at = 0; at < FIELDS; at += 2000) {
    await client.text('HSET', 'hash', ...values.slice(at, at + 2000).flat())
    await client.text('RPUSH', 'list', ...values.slice(at, at + 500).flat())
    const scored = values.slice(at, at + 500).map(([field], i) => [`${at + i}`, field ?? ''])
    await client.text('ZADD', 'zset', ...scored.flat())
  }
  await client.text('SET', 'large', 'l'.repeat(10_000_000))
  await client.text('RPUSH', 'list', 'e'.repeat(2_000_000))
  for (let i = 0; i < KEYS; i++) client.send('SET', `key:${i}`, `${i}`.padEnd(400, 'v'))
  for (let i = 0; i < KEYS; i++) await client.receive()
}

/** Commands that change a bit of everything; the numbers make each another one. */
function commandsOf(number: number): string[][] {
  const key = `key:${(number * 7919) % KEYS}`
  return [
    ['SET', key, `${number}`.padEnd(number % 900, 'w')],
    ['RENAME', key, `key:${(number * 31) % KEYS}`],
    ['HSET', 'hash', `field:${(number * 104_729) % FIELDS}`, `written ${number}`],
    ['HDEL', 'hash', `field:${(number * 7) % FIELDS}`],
    ['LPUSH', 'list', `${number}`],
    ['LSET', 'list', `${(number * 13) % 20_000}`, `set ${number}`],
    ['ZADD', 'zset', `${number % 5000}`, `field:${number % 20_000}`],
    ['SETRANGE', 'large', `${(number * 10_007) % 10_000_000}`, `${number}`],
  ]
}

async function writeUntil(
  client: RawClient,
  first: number,
  isOver: () => boolean,
): Promise<number> {
  let sent = 0
  while (!isOver()) {
    const batch = Array.from({ length: BATCH }, () => commandsOf(first + WRITERS * sent++)).flat()
    for (const words of batch) client.send(...words)
    for (const _ of batch) await client.receive()
  }
  return sent
}

/** The longest wait for a PONG, in ms. */
async function probeUntil(client: RawClient, isOver: () => boolean): Promise<number> {
  let longest = 0
  while (!isOver()) {
    const start = performance.now()
    await client.text('PING')
    longest = Math.max(longest, performance.now() - start)
  }
  return longest
}

async function info(client: RawClient, name: string): Promise<string> {
  const text = await client.text('INFO', 'persistence')
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1] ?? ''
}

async function digestOf(file: string): Promise<string> {
  const dir = temporaryDir()
  copyFileSync(file, join(dir, 'dump.rdb'))
  const server = await TestServer.start({ dir, args: ARGS })
  const client = await server.connect()
  const digest = await client.text('DEBUG', 'DIGEST')
  client.close()
  await server.stop()
  return digest
}

async function saveUnderWrites(method: string): Promise<void> {
  const dir = temporaryDir()
  const server = await TestServer.start({ dir, args: ARGS })
  const client = await server.connect()
  await fill(client)
  client.send('DEBUG', 'DIGEST')
  client.send('BGSAVE', method)
  const digest = (await client.receive())?.text
  assert.match((await client.receive())?.text ?? '', /^Background saving started/)
  let isOver = false
  const connections = await Promise.all(Array.from({ length: WRITERS + 1 }, () => server.connect()))
  const [prober, ...writers] = connections
  assert.ok(prober)
  const work = writers.map((writer, i) => writeUntil(writer, i, () => isOver))
  const probing = probeUntil(prober, () => isOver)
  while ((await info(client, 'rdb_bgsave_in_progress')) === '1') await client.text('PING')
  isOver = true
  const written = (await Promise.all(work)).reduce((sum, count) => sum + count, 0)
  const longestMs = await probing
  assert.equal(await info(client, 'rdb_last_bgsave_status'), 'ok')
  assert.equal(await info(client, 'snapshot_method'), method.toLowerCase())
  assert.ok(Number(await info(client, 'snapshot_runs_preserved')) > 100, 'writes met the cut')
  assert.ok(written > 100, `${written} rounds were written meanwhile`)
  assert.ok(longestMs < STILL_MS, `a PING waited for ${longestMs} ms`)
  assert.notEqual(await client.text('DEBUG', 'DIGEST'), digest)
  const file = join(dir, 'dump.rdb')
  assert.equal(await digestOf(file), digest)
  if (REFERENCE !== '') await checkByReference(file)
  for (const each of [client, ...connections]) each.close()
  await server.stop()
}

/** That redis-server loads the file, too. */
async function checkByReference(file: string): Promise<void> {
  const dir = temporaryDir()
  copyFileSync(file, join(dir, 'dump.rdb'))
  const server = await TestServer.start({ dir, command: REFERENCE })
  const client = await server.connect()
  assert.equal(await client.text('DBSIZE'), `${KEYS + 4}`)
  assert.equal(await client.text('HLEN', 'hash'), `${FIELDS}`)
  assert.equal(await client.text('STRLEN', 'large'), '10000000')
  client.close()
  await server.stop()
}

describe('shipped bugs, with threads and sockets', { skip: isReference() }, () => {
  for (const method of ['BACKGROUND', 'COOPERATIVE']) {
    it(
      `${method}: keys were lost, clients stood still (valkey #4460, dragonfly #5625)`,
      {
        timeout: TEST_MS,
      },
      () => saveUnderWrites(method),
    )
  }
})
