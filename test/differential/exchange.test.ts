// Goal: data of all types and encodings passes between redis-server and this server without loss.
// Method: redis-server fills and saves its databases; this server loads the file, and what its
// clients see is compared key by key with what those of a redis-server that loaded it see; then it
// saves, and another redis-server loads that file. Old files of Redis's own suite likewise.

import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { REFERENCE, TestServer, temporaryDir } from '../lib/server.ts'
import { EXCHANGED_DATABASES, fill, oldFiles } from './exchange.ts'
import { THRESHOLDS } from './script.ts'
import { compareStates, type KeyState, walk } from './walk.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const DATABASES = 16
const ROOT_DIR = temporaryDir()
const options = { skip: REFERENCE === '' ? 'redis-server is not installed' : false }

console.log(`SEED=${SEED}`)

function makeDir(): string {
  return mkdtempSync(join(ROOT_DIR, 'data-'))
}

/** Makes data on a server, and stops it. */
async function fillAndSave(server: TestServer, seed: number): Promise<void> {
  try {
    const client = await server.connect()
    await fill(client, seed)
    await client.text('SAVE')
    client.close()
  } finally {
    await server.stop()
  }
}

function argumentsOf(parameters: Readonly<Record<string, string>>): string[] {
  return Object.entries(parameters).flatMap(([name, value]) => [`--${name}`, value])
}

/** What clients see of the file in `dir`; then the server saves it anew. */
async function loadAndSave(
  command: string | null,
  dir: string,
  args: readonly string[],
): Promise<Map<string, KeyState>> {
  const server = await TestServer.start({ dir, args, ...(command !== null && { command }) })
  try {
    const client = await server.connect()
    const states = await walk(client, DATABASES)
    await client.text('SAVE')
    client.close()
    return states
  } finally {
    await server.stop()
  }
}

/** Compares what both servers make of a file, and of the file that this one makes of it. */
async function compareLoads(file: string, args: readonly string[] = []): Promise<number> {
  const dir = makeDir()
  for (const name of ['theirs', 'ours']) {
    mkdirSync(join(dir, name))
    copyFileSync(file, join(dir, name, 'dump.rdb'))
  }
  const theirs = await loadAndSave(REFERENCE, join(dir, 'theirs'), args)
  const ours = await loadAndSave(null, join(dir, 'ours'), args)
  assert.equal(compareStates(ours, theirs), '', 'loaded here')
  const back = await loadAndSave(REFERENCE, join(dir, 'ours'), args)
  assert.equal(compareStates(back, theirs), '', 'saved here, loaded there')
  const again = await loadAndSave(null, join(dir, 'theirs'), args)
  assert.equal(compareStates(again, theirs), '', 'saved there, loaded here')
  return theirs.size
}

// Both load under the limits under which the data was made: 7.0 looks only at some of them.
for (const [i, limits] of THRESHOLDS.entries()) {
  const compression = i % 2 === 0 ? 'yes' : 'no'
  const args = [...argumentsOf(limits), '--rdbcompression', compression]

  test(`all types there and back, limits ${i}, compression ${compression}`, options, async () => {
    const dir = makeDir()
    const server = await TestServer.start({ command: REFERENCE, dir, args })
    await fillAndSave(server, SEED + i)
    const keys = await compareLoads(join(dir, 'dump.rdb'), args)
    assert.ok(keys > 10 * EXCHANGED_DATABASES, `${keys} keys`)
  })

  test(`all types made here, limits ${i}, compression ${compression}`, options, async () => {
    const dir = makeDir()
    const server = await TestServer.start({ dir, args })
    await fillAndSave(server, SEED + 100 + i)
    await compareLoads(join(dir, 'dump.rdb'), args)
  })
}

const files = oldFiles()
const skipOld = files.length === 0 ? "the source of Redis's suite is not prepared" : options.skip

test('old files are loaded as redis-server loads them', { skip: skipOld }, async (t) => {
  for (const file of files) {
    await t.test(basename(file), async () => {
      assert.ok((await compareLoads(file)) > 0)
    })
  }
})
