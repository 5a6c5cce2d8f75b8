// Goal: `tidemark check-aof` and `redis-check-aof` agree on the same files: those that redis-server
// writes, torn and damaged ones, and the sample of Redis's own suite; and what either repairs is
// whole to the other. Method: both tools run on copies of the same bytes; exit codes, the places
// and the repaired files are compared. Skipped where redis-check-aof is not installed.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { findProgram, REFERENCE, ROOT, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const PEER = findProgram('redis-check-aof')
const TIDEMARK = join(ROOT, 'bin/tidemark')
const MANIFEST = 'appendonlydir/appendonly.aof.manifest'
const INCREMENT = 'appendonlydir/appendonly.aof.2.incr.aof'
const DAMAGES = 16
const ROOT_DIR = temporaryDir()
const skip = PEER === '' || REFERENCE === '' ? 'redis-check-aof is not installed' : false

console.log(`SEED=${SEED}`)
after(stopAll)

interface Verdict {
  readonly code: number | null
  readonly output: string
  readonly okUpTo: string | undefined
}

function run(program: string, args: readonly string[], input = ''): Verdict {
  const done = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000, input })
  const places = [...done.stdout.matchAll(/ok_up_to=(\d+)/g)]
  return { code: done.status, output: done.stdout + done.stderr, okUpTo: places.at(-1)?.[1] }
}

function ours(...args: readonly string[]): Verdict {
  return run(TIDEMARK, ['check-aof', ...args])
}

function theirs(...args: readonly string[]): Verdict {
  return run(PEER, args, 'y\n')
}

/** A folder with a manifest, a base in RDB and an increment, as redis-server leaves it. */
async function writtenFolder(): Promise<string> {
  const dir = mkdtempSync(join(ROOT_DIR, 'written-'))
  const args = ['--appendonly', 'yes', '--aof-timestamp-enabled', 'yes']
  const server = await TestServer.start({ command: REFERENCE, dir, args })
  try {
    const client = await server.connect()
    for (let i = 0; i < 50; i++) await client.text('SET', `before:${i}`, `value ${i}`)
    await client.text('BGREWRITEAOF')
    const isDone = async () => {
      const info = await client.text('INFO', 'persistence')
      return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)
    }
    await waitFor('the rewrite ends', isDone, 10_000)
    await client.text('RPUSH', 'list', 'a', 'b\r\nc', '')
    await client.text('MULTI')
    await client.text('HSET', 'hash', 'f', 'v')
    await client.text('INCR', 'counter')
    await client.text('EXEC')
    await client.text('SET', 'last', 'x'.repeat(300))
    client.close()
  } finally {
    await server.stop('SIGTERM')
  }
  return dir
}

function copyOf(dir: string): string {
  const copy = mkdtempSync(join(ROOT_DIR, 'aof-'))
  cpSync(dir, copy, { recursive: true })
  return copy
}

test('what redis-server writes is whole to both, alone and by its manifest', { skip }, async () => {
  const dir = await writtenFolder()
  for (const name of [MANIFEST, INCREMENT, 'appendonlydir/appendonly.aof.2.base.rdb']) {
    const path = join(dir, name)
    const [here, there] = [ours(path), theirs(path)]
    assert.equal(there.code, 0, there.output)
    assert.equal(here.code, 0, here.output)
    assert.equal(here.okUpTo, there.okUpTo, name)
    assert.match(here.output, /is valid$/m)
  }
})

test('torn and damaged increments: the same verdict, the same repair', { skip }, async () => {
  const dir = await writtenFolder()
  const whole = readFileSync(join(dir, INCREMENT))
  const random = new Random(SEED)
  for (let i = 0; i < DAMAGES; i++) {
    const at = 1 + random.below(whole.length - 1)
    const isTorn = i % 4 !== 0
    const bytes = isTorn ? whole.subarray(0, at) : Buffer.concat([whole, Buffer.from('!!')])
    const name = isTorn ? `torn at ${at}` : 'with garbage behind its end'
    const [a, b] = [copyOf(dir), copyOf(dir)]
    for (const folder of [a, b]) writeFileSync(join(folder, INCREMENT), bytes)
    const [here, there] = [ours(join(a, MANIFEST)), theirs(join(b, MANIFEST))]
    assert.equal(here.code, there.code, `${name}\n${here.output}\n${there.output}`)
    assert.equal(here.okUpTo, there.okUpTo, name)
    assert.deepEqual(readFileSync(join(a, INCREMENT)), bytes, name)

    const fixedHere = ours('--fix', join(a, MANIFEST))
    assert.equal(fixedHere.code, 0, `${name}: ${fixedHere.output}`)
    assert.equal(theirs('--fix', join(b, MANIFEST)).code, 0, name)
    assert.deepEqual(readFileSync(join(a, INCREMENT)), readFileSync(join(b, INCREMENT)), name)
    assert.equal(theirs(join(a, MANIFEST)).code, 0, name)
  }
})

test('a time to go back to: the same bytes are kept', { skip }, async () => {
  const dir = mkdtempSync(join(ROOT_DIR, 'time-'))
  const set = (key: string) => `*3\r\n$3\r\nSET\r\n$1\r\n${key}\r\n$1\r\nv\r\n`
  const text = `#TS:100\r\n${set('a')}#TS:200\r\n${set('b')}#TS:300\r\n${set('c')}`
  for (const seconds of ['50', '100', '250', '300']) {
    const [a, b] = [join(dir, 'a.aof'), join(dir, 'b.aof')]
    for (const path of [a, b]) writeFileSync(path, text)
    const here = ours('--fix', '--truncate-to-timestamp', seconds, a)
    const there = theirs('--truncate-to-timestamp', seconds, b)
    assert.equal(here.code, there.code, `${seconds}: ${here.output}`)
    assert.equal(readFileSync(a, 'utf8'), readFileSync(b, 'utf8'), seconds)
  }
})
