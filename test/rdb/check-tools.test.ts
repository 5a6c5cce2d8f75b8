// Goal: `tidemark check-rdb` and `redis-check-rdb` agree on the same files: whole ones of either
// server with data of all types, torn ones, and ones with a byte changed. What this server saves is
// accepted by both. Method: both tools run on the same bytes; exit codes and counts are compared.
// Skipped where redis-check-rdb is not installed.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { fill } from '../differential/exchange.ts'
import { THRESHOLDS } from '../differential/script.ts'
import { findProgram, REFERENCE, ROOT, stopAll, TestServer, temporaryDir } from '../lib/server.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const PEER = findProgram('redis-check-rdb')
const TIDEMARK = join(ROOT, 'bin/tidemark')
const DAMAGES = 12
const skip = PEER === '' || REFERENCE === '' ? 'redis-check-rdb is not installed' : false

console.log(`SEED=${SEED}`)
after(stopAll)

interface Verdict {
  readonly code: number | null
  readonly output: string
  /** What follows `[info]`. */
  readonly counts: readonly string[]
}

function run(program: string, ...args: string[]): Verdict {
  const done = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000 })
  const counts = [...done.stdout.matchAll(/^\[info\] (\d+ .*)$/gm)].map((found) => found[1]!)
  return { code: done.status, output: done.stdout + done.stderr, counts }
}

/** The file that a server of this program saves with data of all types in it. */
async function savedFile(
  command: string | null,
  parameters: Readonly<Record<string, string>> = {},
): Promise<string> {
  const args = Object.entries(parameters).flatMap(([name, value]) => [`--${name}`, value])
  const dir = temporaryDir()
  const server = await TestServer.start({ dir, args, ...(command !== null && { command }) })
  try {
    const client = await server.connect()
    await fill(client, SEED)
    await client.text('SAVE')
    client.close()
  } finally {
    await server.stop()
  }
  return join(dir, 'dump.rdb')
}

function compareWhole(path: string): void {
  const ours = run(TIDEMARK, 'check-rdb', path)
  const theirs = run(PEER, path)
  for (const { code, output } of [ours, theirs]) {
    assert.equal(code, 0, output)
    assert.match(output, /Checksum OK\n.*RDB looks OK/)
  }
  // Keys, expires, expired.
  assert.deepEqual(ours.counts.slice(0, 3), theirs.counts.slice(0, 3))
  const places = /^\[offset \d+\] (AUX|Selecting|Checksum).*$/gm
  assert.deepEqual(ours.output.match(places), theirs.output.match(places))
}

function compareDamaged(path: string): void {
  const random = new Random(SEED)
  const whole = readFileSync(path)
  const damaged = join(temporaryDir(), 'damaged.rdb')
  for (let i = 0; i < DAMAGES; i++) {
    const at = 9 + random.below(whole.length - 9)
    const isTorn = i % 2 === 0
    const bytes = isTorn ? whole.subarray(0, at) : Buffer.from(whole)
    if (!isTorn) bytes[at]! ^= 1 + random.below(255)
    writeFileSync(damaged, bytes)
    const name = `${isTorn ? 'torn' : 'changed'} at ${at} of ${whole.length}`
    const ours = run(TIDEMARK, 'check-rdb', damaged)
    assert.equal(ours.code, 1, `${name}: ${ours.output}`)
    assert.match(ours.output, /--- RDB ERROR DETECTED ---\n\[offset \d+\]/, name)
    assert.equal(run(PEER, damaged).code, 1, name)
    assert.deepEqual(readFileSync(damaged), bytes, name)
  }
}

for (const [i, parameters] of [...THRESHOLDS, { rdbcompression: 'no' }].entries()) {
  test(`files of this server, parameters ${i}`, { skip }, async () => {
    const path = await savedFile(null, parameters)
    compareWhole(path)
    compareDamaged(path)
  })
}

test('files of redis-server', { skip }, async () => {
  const path = await savedFile(REFERENCE)
  compareWhole(path)
  compareDamaged(path)
})
