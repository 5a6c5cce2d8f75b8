// Goal: append only files move both ways between Tidemark and redis-server 7.0, with a base of RDB
// and with one of commands, rewritten and not. Method: one workload with all types; the files of
// the one are loaded by the other, which writes on, and back again; what readers see is compared,
// and redis-check-aof looks at ours. Skipped where redis-server is not installed.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { showValue } from '../lib/resp.ts'
import { findProgram, REFERENCE, SERVER, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

const CHECKER = findProgram('redis-check-aof')
const skip = REFERENCE === '' || CHECKER === '' ? 'redis-server is not installed' : false
const ITEMS = 150

after(stopAll)

function start(command: string, dir: string, preamble: string): Promise<TestServer> {
  const args = ['--appendonly', 'yes', '--aof-use-rdb-preamble', preamble]
  return TestServer.start({ command, dir, args })
}

/** All types, some past the size of their packed form; transactions, deadlines, databases. */
async function fill(client: RawClient, mark: string): Promise<void> {
  for (let i = 0; i < ITEMS; i++) {
    client.send('RPUSH', `list:${mark}`, `item ${i}`, `${i}`)
    client.send('SADD', `set:${mark}`, `member:${i}`)
    client.send('SADD', `ints:${mark}`, `${i * 7}`)
    client.send('HSET', `hash:${mark}`, `field:${i}`, 'x'.repeat(i))
    client.send('ZADD', `zset:${mark}`, `${i / 3}`, `member:${i}`)
    client.send('XADD', `stream:${mark}`, `${i + 1}-1`, 'a', `${i}`, 'b', 'é\r\n')
    for (let count = 0; count < 6; count++) await client.receive()
  }
  const rest: string[][] = [
    ['SET', `text:${mark}`, 'a\r\nb'],
    ['SET', `ttl:${mark}`, 'v', 'EX', '5000'],
    ['EXPIRE', `list:${mark}`, '6000'],
    ['SPOP', `set:${mark}`, '3'],
    ['INCRBYFLOAT', `float:${mark}`, '1.5'],
    ['XGROUP', 'CREATE', `stream:${mark}`, 'group', '5'],
    ['XREADGROUP', 'GROUP', 'group', 'ann', 'COUNT', '4', 'STREAMS', `stream:${mark}`, '>'],
    ['XACK', `stream:${mark}`, 'group', '6-1'],
    ['MULTI'],
    ['INCR', `counter:${mark}`],
    ['RENAME', `counter:${mark}`, `renamed:${mark}`],
    ['EXEC'],
    ['SELECT', '3'],
    ['SET', `elsewhere:${mark}`, '1'],
    ['SELECT', '0'],
  ]
  for (const words of rest) {
    const reply = showValue(await client.call(...words))
    assert.ok(!reply.includes('ERR'), `${words.join(' ')}: ${reply}`)
  }
}

/** What readers see of all keys. */
async function contentsOf(client: RawClient): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const shown = async (...words: string[]) => showValue(await client.call(...words))
  for (const database of ['0', '3']) {
    await client.call('SELECT', database)
    const keys = await client.call('KEYS', '*')
    for (const { text: key } of keys.items) {
      const type = (await client.call('TYPE', key)).text
      const [name = 'GET', ...rest] = READERS.get(type) ?? ['GET']
      const reply = await client.call(name, key, ...rest)
      const isSorted = type === 'set' || type === 'hash'
      const value = isSorted ? reply.items.map(showValue).sort().join(' ') : showValue(reply)
      const groups = type === 'stream' ? await shown('XINFO', 'GROUPS', key) : ''
      const pending = groups.includes('group') ? await shown('XPENDING', key, 'group') : ''
      const hasDeadline = Number((await client.call('TTL', key)).text) > 0
      found.set(`${database} ${key}`, `${type} ${hasDeadline} ${value} ${groups} ${pending}`)
    }
  }
  await client.call('SELECT', '0')
  return found
}

function compare(found: Map<string, string>, expected: Map<string, string>): void {
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort())
  for (const [key, value] of found) assert.equal(value, expected.get(key), key)
}

const READERS = new Map([
  ['list', ['LRANGE', '0', '-1']],
  ['set', ['SMEMBERS']],
  ['hash', ['HGETALL']],
  ['zset', ['ZRANGE', '0', '-1', 'WITHSCORES']],
  ['stream', ['XRANGE', '-', '+']],
])

async function rewrite(client: RawClient): Promise<void> {
  await client.call('BGREWRITEAOF')
  await waitFor('the rewrite', async () => {
    const { text } = await client.call('INFO', 'persistence')
    return text.includes('aof_rewrite_in_progress:0') && text.includes('rewrite_scheduled:0')
  })
}

async function stop(server: TestServer, client: RawClient): Promise<void> {
  client.send('SHUTDOWN')
  await server.exited()
  client.close()
}

for (const preamble of ['yes', 'no']) {
  test(`files go there and back, base of RDB: ${preamble}`, {
    skip,
    timeout: 120_000,
  }, async () => {
    const dir = temporaryDir()
    let contents: Map<string, string> | null = null
    let turn = 0
    for (const command of [SERVER, REFERENCE, SERVER, REFERENCE]) {
      const server = await start(command, dir, preamble)
      const client = await server.connect()
      if (contents !== null) compare(await contentsOf(client), contents)
      await fill(client, `${turn}a`)
      await rewrite(client)
      await fill(client, `${turn}b`)
      contents = await contentsOf(client)
      assert.ok(contents.size >= 18 * ++turn)
      await stop(server, client)
      const manifest = join(dir, 'appendonlydir/appendonly.aof.manifest')
      const check = spawnSync(CHECKER, [manifest], { encoding: 'utf8', timeout: 30_000 })
      assert.equal(check.status, 0, `${command}: ${check.stdout}${check.stderr}`)
    }
  })
}
