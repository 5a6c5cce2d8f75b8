// Saving as an operator meets it: save points, signals, SHUTDOWN's options, a save that cannot be
// written (MISCONF) and recovers, and kill -9 in the middle of saves, after which dump.rdb must
// always load – here and in redis-server.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { REFERENCE, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

after(stopAll)

const KILLS = 5
const UNLOCKED = ['--enable-protected-configs', 'yes']

describe('save points and signals', () => {
  it('saves after enough changes in enough time', async () => {
    const server = await TestServer.start({ args: ['--save', '1 3'] })
    const client = await server.connect()
    await client.text('MSET', 'a', '1', 'b', '2', 'c', '3')
    const path = join(server.dir, 'dump.rdb')
    await waitFor('dump.rdb is written', () => existsSync(path))
    await waitFor('the save is over', async () =>
      /rdb_changes_since_last_save:0\r/.test(await client.text('INFO', 'persistence')),
    )
    await server.stop()
  })

  it('does not save before enough changes', async () => {
    const server = await TestServer.start({ args: ['--save', '1 100'] })
    const client = await server.connect()
    await client.text('SET', 'a', '1')
    await sleep(1500)
    assert.equal(existsSync(join(server.dir, 'dump.rdb')), false)
    await server.stop()
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`saves on ${signal} when there are save points, and exits with 0`, async () => {
      const dir = temporaryDir()
      const server = await TestServer.start({ dir, args: ['--save', '3600 1000'] })
      const client = await server.connect()
      await client.text('SET', 'k', signal)
      server.child.kill(signal)
      assert.equal((await server.exited()).code, 0)
      assert.match(server.output, /ready to exit, bye bye/)
      assert.equal(await readBack(dir, 'k'), signal)
    })

    it(`does not save on ${signal} without save points`, async () => {
      const dir = temporaryDir()
      const server = await TestServer.start({ dir })
      const client = await server.connect()
      await client.text('SET', 'k', 'v')
      server.child.kill(signal)
      assert.equal((await server.exited()).code, 0)
      assert.equal(existsSync(join(dir, 'dump.rdb')), false)
    })
  }

  it('SHUTDOWN SAVE saves without save points, SHUTDOWN NOSAVE never', async () => {
    const dir = temporaryDir()
    const first = await TestServer.start({ dir })
    const client = await first.connect()
    await client.text('SET', 'k', 'v')
    client.send('SHUTDOWN', 'SAVE')
    assert.equal((await first.exited()).code, 0)
    assert.equal(await client.receive(), null)
    assert.equal(await readBack(dir, 'k'), 'v')

    const second = await TestServer.start({ dir, args: ['--save', '3600 1'] })
    const other = await second.connect()
    await other.text('SET', 'k', 'changed')
    other.send('SHUTDOWN', 'NOSAVE')
    assert.equal((await second.exited()).code, 0)
    assert.equal(await readBack(dir, 'k'), 'v')
  })

  it('DEBUG SLEEP holds the loop and nothing is lost', async () => {
    const server = await TestServer.start({ args: ['--enable-debug-command', 'yes'] })
    const sleeper = await server.connect()
    const other = await server.connect()
    let isAsleep = true
    const done = sleeper.text('DEBUG', 'SLEEP', '0.3').then((reply) => {
      isAsleep = false
      assert.equal(reply, 'OK')
    })
    // One PING after the other: whenever the sleep begins, one of them is held by it.
    let longestMs = 0
    while (isAsleep) {
      const start = Date.now()
      assert.equal(await other.text('PING'), 'PONG')
      longestMs = Math.max(longestMs, Date.now() - start)
    }
    await done
    assert.ok(longestMs >= 250, `${longestMs} ms`)
    await server.stop()
  })
})

describe('a save that fails', () => {
  it('stops writes with MISCONF, keeps the old file, and recovers without a restart', async () => {
    const dir = temporaryDir()
    const server = await TestServer.start({ dir, args: [...UNLOCKED, '--save', '3600 1000000'] })
    const client = await server.connect()
    await client.text('SET', 'k', 'old')
    await client.text('SAVE')
    const before = readFileSync(join(dir, 'dump.rdb'))
    await client.text('SET', 'k', 'new')

    // Root writes wherever it likes, but not into a directory of the same name.
    blockSaves(dir)
    await client.text('CONFIG', 'SET', 'dbfilename', 'blocked.rdb')
    const refused = await client.call('SAVE')
    assert.equal(refused.kind, 'error')
    await client.call('BGSAVE')
    await saveEnds(client, 'err')
    const write = await client.call('SET', 'k', 'refused')
    assert.match(write.text, /^MISCONF Redis is configured to save RDB snapshots/)
    assert.equal(await client.text('GET', 'k'), 'new')
    assert.deepEqual(readFileSync(join(dir, 'dump.rdb')), before)
    assert.deepEqual(leftovers(dir), [])

    await client.text('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
    assert.equal(await client.text('SET', 'k', 'newer'), 'OK')
    await client.text('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')

    rmSync(join(dir, 'blocked.rdb'), { recursive: true })
    await client.text('BGSAVE')
    await saveEnds(client, 'ok')
    assert.equal(await client.text('SET', 'k', 'newest'), 'OK')
    await server.stop()
  })

  it('survives a full disk, and saves again when there is room', async (t) => {
    const dir = temporaryDir()
    if (!mountTmpfs(dir)) return t.skip('no tmpfs can be mounted here')
    try {
      const server = await TestServer.start({ dir, args: ['--rdbcompression', 'no'] })
      const client = await server.connect()
      await client.text('SET', 'small', 'v')
      await client.text('SAVE')
      const before = readFileSync(join(dir, 'dump.rdb'))
      await client.text('SET', 'large', 'x'.repeat(3_000_000))
      assert.equal((await client.call('SAVE')).kind, 'error')
      await client.call('BGSAVE')
      await saveEnds(client, 'err')
      assert.deepEqual(readFileSync(join(dir, 'dump.rdb')), before)
      assert.deepEqual(leftovers(dir), [])
      await client.text('DEL', 'large')
      assert.equal(await client.text('SAVE'), 'OK')
      await server.stop()
    } finally {
      stopAll()
      spawnSync('umount', ['-l', dir])
    }
  })

  it('fails on a read-only file system and goes on serving', async (t) => {
    const dir = temporaryDir()
    if (!mountTmpfs(dir, 'ro')) return t.skip('no tmpfs can be mounted here')
    try {
      const server = await TestServer.start({ dir, args: ['--save', '3600 1000'] })
      const client = await server.connect()
      await client.text('SET', 'k', 'v')
      assert.equal((await client.call('SAVE')).kind, 'error')
      await client.call('BGSAVE')
      await saveEnds(client, 'err')
      assert.match((await client.call('SET', 'k', 'w')).text, /^MISCONF/)
      assert.equal(await client.text('GET', 'k'), 'v')
      await server.stop()
    } finally {
      stopAll()
      spawnSync('umount', ['-l', dir])
    }
  })

  it('fails when the directory is gone, and works in another one', async () => {
    const dir = temporaryDir()
    const server = await TestServer.start({ dir, args: UNLOCKED })
    const client = await server.connect()
    await client.text('SET', 'k', 'v')
    rmSync(dir, { recursive: true })
    assert.equal((await client.call('SAVE')).kind, 'error')
    await client.call('BGSAVE')
    await saveEnds(client, 'err')
    const other = temporaryDir()
    await client.text('CONFIG', 'SET', 'dir', other)
    assert.equal(await client.text('SAVE'), 'OK')
    await client.text('BGSAVE')
    await saveEnds(client, 'ok')
    await server.stop()
    assert.equal(await readBack(other, 'k'), 'v')
  })

  it('SHUTDOWN is refused when it cannot save, unless forced', async () => {
    const dir = temporaryDir()
    blockSaves(dir)
    const server = await TestServer.start({ dir, args: [...UNLOCKED, '--save', '3600 1'] })
    const client = await server.connect()
    await client.text('CONFIG', 'SET', 'dbfilename', 'blocked.rdb')
    await client.text('SET', 'k', 'v')
    const refused = await client.call('SHUTDOWN')
    assert.equal(refused.text, 'ERR Errors trying to SHUTDOWN. Check logs.')
    assert.equal(await client.text('PING'), 'PONG')
    client.send('SHUTDOWN', 'FORCE')
    assert.equal((await server.exited()).code, 0)
  })
})

describe('kill -9 during saves', () => {
  it(`leaves a dump.rdb that loads, ${KILLS} times`, { timeout: 120_000 }, async () => {
    const dir = temporaryDir()
    let saved = 0
    for (let round = 1; round <= KILLS; round++) {
      const server = await TestServer.start({ dir, args: ['--enable-debug-command', 'yes'] })
      const client = await server.connect()
      const size = Number(await client.text('DBSIZE'))
      assert.ok(size >= saved, `round ${round}: ${size} keys, ${saved} were saved`)
      await client.text('DEBUG', 'POPULATE', `${round * 20_000}`, `r${round}`, '200')
      await client.text('SET', 'round', `${round}`)
      if (round === 1) {
        await client.text('SAVE')
        saved = Number(await client.text('DBSIZE'))
      }
      await killInSave(client, server, round)
    }
    const server = await TestServer.start({ dir })
    const client = await server.connect()
    assert.match(await client.text('GET', 'round'), /^[1-5]$/)
    const digest = await client.text('DBSIZE')
    await server.stop()

    if (REFERENCE === '') return
    const reference = await TestServer.start({ dir, command: REFERENCE })
    const other = await reference.connect()
    assert.equal(await other.text('DBSIZE'), digest)
    await reference.stop()
  })
})

/** Waits until no save runs and the last one ended as said. */
async function saveEnds(client: RawClient, status: 'ok' | 'err'): Promise<void> {
  await waitFor(`the background save ends with ${status}`, async () => {
    const info = await client.text('INFO', 'persistence')
    const isOver = info.includes('rdb_bgsave_in_progress:0')
    return isOver && info.includes(`rdb_last_bgsave_status:${status}`)
  })
}

/** Starts saves under writes and kills the process at a different moment in each round. */
async function killInSave(client: RawClient, server: TestServer, round: number): Promise<void> {
  client.send('BGSAVE')
  for (let i = 0; i < 1000; i++) client.send('SET', `during:${i}`, 'x'.repeat(100))
  await sleep(round * 7)
  server.child.kill('SIGKILL')
  await server.exited()
}

/** The value of a key after a restart. */
async function readBack(dir: string, key: string): Promise<string> {
  const server = await TestServer.start({ dir })
  const client = await server.connect()
  const value = await client.text('GET', key)
  await server.stop()
  return value
}

/** Puts a directory where the file would be renamed to. */
function blockSaves(dir: string): void {
  mkdirSync(join(dir, 'blocked.rdb', 'inside'), { recursive: true })
}

/** A file system of 1 MB at `dir`; false where this is not allowed. */
function mountTmpfs(dir: string, mode: 'rw' | 'ro' = 'rw'): boolean {
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=1m,${mode}`, 'tmpfs', dir])
  return done.status === 0
}

function leftovers(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith('temp-'))
}
