// Goal: whatever the disk does to a save, by either method: the old file stands, nothing is left of
// the new one, INFO, the log and SNAPSHOT STATUS say why, MISCONF comes as configured, clients are
// served on, and the next save works.
// Method: real servers and real faults. A full disk is a small tmpfs (for which it takes root), and
// without rights a limit of the size of files; a disk that hangs is a FIFO in the place of the
// temporary file: opening and writing it block as long as nobody reads.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { findProgram, SERVER, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

after(stopAll)

const METHODS = ['BACKGROUND', 'COOPERATIVE'] as const
const DISK_MIB = 16
const KEYS = 20_000
const VALUE_BYTES = 1000
const ARGS = [
  ...['--enable-debug-command', 'yes', '--enable-protected-configs', 'yes'],
  ...['--rdbcompression', 'no', '--snapshot-reserve', '8mb', '--save', '3600 100000000'],
]
const LIMIT = { timeout: 60_000 }

/** A server with a small file on its disk, and in memory more than the disk takes. */
async function startFull(dir: string, command = SERVER): Promise<[TestServer, RawClient]> {
  const server = await TestServer.start({ dir, args: ARGS, command })
  const client = await server.connect()
  await client.text('SET', 'k', 'old')
  await client.text('SAVE')
  await client.text('DEBUG', 'POPULATE', `${KEYS}`, 'key', `${VALUE_BYTES}`)
  return [server, client]
}

/** INFO's fields of a section. */
async function infoOf(client: RawClient, section = 'persistence'): Promise<Map<string, string>> {
  const lines = (await client.text('INFO', section)).split('\r\n')
  return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]))
}

/** Waits until no save runs and the last one ended as said. */
async function saveEnds(client: RawClient, status: 'ok' | 'err'): Promise<void> {
  await waitFor(`the save ends with ${status}`, async () => {
    const info = await infoOf(client)
    const isOver = info.get('snapshot_in_progress') === '0'
    return isOver && info.get('rdb_last_bgsave_status') === status
  })
}

/** Everything in the directory but the file. */
function leftovers(dir: string): string[] {
  return readdirSync(dir).filter((name) => name !== 'dump.rdb')
}

/** Has a save fail, and checks all that is promised of that. */
async function checkFailure(
  [server, client]: [TestServer, RawClient],
  method: string,
  reason: RegExp,
): Promise<void> {
  const { dir } = server
  const before = readFileSync(join(dir, 'dump.rdb'))
  const lastSave = await client.text('LASTSAVE')
  assert.equal(await client.text('BGSAVE', method), 'Background saving started')
  await saveEnds(client, 'err')
  const info = await infoOf(client)
  assert.match(info.get('rdb_last_bgsave_error') ?? '', reason)
  assert.equal(info.get('rdb_bgsave_in_progress'), '0')
  await server.logged(new RegExp(`Background saving error: .*${reason.source}`))
  assert.match(await client.text('SNAPSHOT', 'STATUS'), reason)
  assert.equal(await client.text('LASTSAVE'), lastSave)
  assert.deepEqual(leftovers(dir), [])
  assert.ok(readFileSync(join(dir, 'dump.rdb')).equals(before), 'the old file stands')
  await checkMisconf(client)
}

/** Writes are refused as configured; reads are not. */
async function checkMisconf(client: RawClient): Promise<void> {
  assert.match((await client.call('SET', 'k', 'v')).text, /^MISCONF/)
  assert.equal(await client.text('GET', 'k'), 'old')
  await client.text('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
  assert.equal(await client.text('SET', 'k', 'old'), 'OK')
  await client.text('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')
  await client.text('CONFIG', 'SET', 'save', '')
  assert.equal(await client.text('SET', 'k', 'old'), 'OK')
  await client.text('CONFIG', 'SET', 'save', '3600 100000000')
  assert.match((await client.call('SET', 'k', 'v')).text, /^MISCONF/)
}

/** A save works, and writes are taken again. */
async function checkRecovery([server, client]: [TestServer, RawClient]): Promise<void> {
  await client.text('BGSAVE')
  await saveEnds(client, 'ok')
  assert.equal((await infoOf(client)).get('rdb_last_bgsave_error'), '')
  assert.equal(await client.text('SET', 'k', 'new'), 'OK')
  assert.deepEqual(leftovers(server.dir), [])
}

/** Frees so much that the rest fits any disk here. */
async function shrink(client: RawClient): Promise<void> {
  // MISCONF refuses FLUSHALL too.
  await client.text('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
  await client.text('CONFIG', 'SET', 'save', '')
  assert.equal(await client.text('FLUSHALL'), 'OK')
  await client.text('CONFIG', 'SET', 'save', '3600 100000000')
  await client.text('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')
}

/** A tmpfs at `dir`; false, said aloud, where mounting is not allowed. */
function mountSmall(dir: string, t: TestContext): boolean {
  const options = ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', dir]
  if (spawnSync('mount', options).status === 0) return true
  t.diagnostic('NOT TESTED HERE: a tmpfs cannot be mounted; the limit of file sizes stands in')
  t.skip('no tmpfs can be mounted here')
  return false
}

describe('a save that the disk has no room for', () => {
  for (const method of METHODS) {
    it(`${method}: ENOSPC`, LIMIT, async (t) => {
      const dir = temporaryDir()
      if (!mountSmall(dir, t)) return
      try {
        const scene = await startFull(dir)
        await checkFailure(scene, method, /write .*temp-\d+-1\.rdb: ENOSPC/)
        await shrink(scene[1])
        await checkRecovery(scene)
        await scene[0].stop()
      } finally {
        stopAll()
        spawnSync('umount', ['-l', dir])
      }
    })

    it(`${method}: EFBIG, by a limit of the size of files`, LIMIT, async (t) => {
      const prlimit = findProgram('prlimit')
      if (prlimit === '') return t.skip('there is no prlimit here')
      const scene = await startFull(temporaryDir())
      const { pid } = scene[0].child
      const set = (limit: string) => spawnSync(prlimit, ['--pid', `${pid}`, `--fsize=${limit}:`])
      assert.equal(set(`${DISK_MIB * 1024 * 1024}`).status, 0)
      await checkFailure(scene, method, /write .*temp-\d+-1\.rdb: EFBIG/)
      // Nothing of the data has to go: the disk has got room again.
      assert.equal(set('unlimited').status, 0)
      await checkRecovery(scene)
      await scene[0].stop()
    })
  }
})

/** Begins a save that takes a second or more. */
async function beginSlow({ dir }: TestServer, client: RawClient, method: string): Promise<void> {
  await client.text('CONFIG', 'SET', 'rdb-key-save-delay', '100')
  assert.equal(await client.text('BGSAVE', method), 'Background saving started')
  await waitFor('the save has begun to write', async () => {
    const keys = (await infoOf(client)).get('current_save_keys_processed')
    // Where the engine scans, it may be ahead of the thread that creates the file.
    return Number(keys) > 100 && leftovers(dir).length > 0
  })
}

describe('a target that changes in the middle of a save', () => {
  for (const method of METHODS) {
    it(`${method}: its directory goes`, LIMIT, async () => {
      const dir = join(temporaryDir(), 'data')
      mkdirSync(dir)
      const [server, client] = await startFull(dir)
      await beginSlow(server, client, method)
      rmSync(dir, { recursive: true })
      await client.text('CONFIG', 'SET', 'rdb-key-save-delay', '0')
      await saveEnds(client, 'err')
      const error = (await infoOf(client)).get('rdb_last_bgsave_error')
      assert.match(error ?? '', /rename .*temp-\d+-1\.rdb to .*dump\.rdb: ENOENT/)
      mkdirSync(dir)
      // The server's own working directory is the one that has gone.
      await client.text('CONFIG', 'SET', 'dir', dir)
      await checkRecovery([server, client])
      await server.stop()
    })

    it(`${method}: a directory takes the file's place`, LIMIT, async () => {
      const [server, client] = await startFull(temporaryDir())
      const path = join(server.dir, 'dump.rdb')
      await beginSlow(server, client, method)
      rmSync(path)
      mkdirSync(join(path, 'inside'), { recursive: true })
      await client.text('CONFIG', 'SET', 'rdb-key-save-delay', '0')
      await saveEnds(client, 'err')
      const error = (await infoOf(client)).get('rdb_last_bgsave_error')
      assert.match(error ?? '', /rename .*temp-\d+-1\.rdb to .*dump\.rdb: E/)
      assert.deepEqual(leftovers(server.dir), [])
      assert.ok(existsSync(join(path, 'inside')), 'what is there is left alone')
      rmSync(path, { recursive: true })
      await checkRecovery([server, client])
      await server.stop()
    })

    for (const how of ['NOSAVE', 'SAVE'] as const) {
      it(`${method}: SHUTDOWN ${how} leaves no temporary file`, LIMIT, async () => {
        const [server, client] = await startFull(temporaryDir())
        const before = readFileSync(join(server.dir, 'dump.rdb'))
        await beginSlow(server, client, method)
        await client.text('CONFIG', 'SET', 'rdb-key-save-delay', '0')
        client.send('SHUTDOWN', how)
        assert.equal((await server.exited()).code, 0)
        assert.deepEqual(leftovers(server.dir), [])
        const isSame = readFileSync(join(server.dir, 'dump.rdb')).equals(before)
        assert.equal(isSame, how === 'NOSAVE')
      })
    }
  }
})

/** A server whose next background save meets a disk that hangs; the FIFO's path. */
async function startHanging(): Promise<[TestServer, RawClient, string]> {
  const [server, client] = await startFull(temporaryDir())
  await client.text('CONFIG', 'SET', 'snapshot-stall-timeout', '1')
  const path = join(server.dir, `temp-${server.child.pid}-1.rdb`)
  assert.equal(spawnSync('mkfifo', [path]).status, 0)
  return [server, client, path]
}

/** Writes to all keys without waiting for the replies. */
function storm(client: RawClient): void {
  const value = 'n'.repeat(VALUE_BYTES)
  for (let i = 0; i < KEYS; i++) client.send('SET', `key:${i}`, value)
}

describe('a disk that hangs', () => {
  for (const method of METHODS) {
    for (const call of ['open', 'write'] as const) {
      it(`${method}: in ${call}: the save is given up, the next waits for it`, LIMIT, async () => {
        const [server, client, path] = await startHanging()
        const before = readFileSync(join(server.dir, 'dump.rdb'))
        const reading = call === 'open' ? -1 : openReader(path)
        assert.equal(await client.text('BGSAVE', method), 'Background saving started')
        const writer = await server.connect()
        storm(writer)
        // Readers are served while writers wait.
        for (let i = 0; i < 20; i++) assert.equal(await client.text('GET', 'k'), 'old')
        await saveEnds(client, 'err')
        const error = (await infoOf(client)).get('rdb_last_bgsave_error')
        assert.match(error ?? '', /nothing was written for 1 s/)
        const refused = await client.call('BGSAVE')
        assert.match(refused.text, /^ERR The snapshot thread hangs in a write to the disk/)
        assert.match(await client.text('SNAPSHOT', 'STATUS'), /a write to the disk that hangs/)
        assert.equal((await infoOf(client)).get('snapshot_held_pages'), '0')
        // The disk is back: it fails the write, or takes it.
        closeSync(reading < 0 ? openReader(path) : reading)
        await waitFor('the thread has cleaned up', () => leftovers(server.dir).length === 0)
        assert.ok(readFileSync(join(server.dir, 'dump.rdb')).equals(before))
        await checkRecovery([server, client])
        await server.stop()
      })
    }
  }

  it('SHUTDOWN NOSAVE ends the process all the same', LIMIT, async () => {
    const [server, client] = await startHanging()
    await client.text('BGSAVE', 'BACKGROUND')
    await waitFor('the save is under way', async () => {
      return (await infoOf(client)).get('snapshot_in_progress') === '1'
    })
    client.send('SHUTDOWN', 'NOSAVE')
    assert.equal((await server.exited()).signal, 'SIGKILL')
    assert.match(server.output, /A thread hangs in a call of the system/)
  })

  it('SHUTDOWN SAVE waits for the disk, and is refused while it hangs', LIMIT, async () => {
    const [server, client, path] = await startHanging()
    await client.text('BGSAVE', 'BACKGROUND')
    const other = await server.connect()
    other.send('SHUTDOWN', 'SAVE')
    const reply = await other.receive(20_000)
    assert.equal(reply?.text, 'ERR Errors trying to SHUTDOWN. Check logs.')
    closeSync(openReader(path))
    await waitFor('the thread has cleaned up', () => leftovers(server.dir).length === 0)
    client.send('SHUTDOWN', 'SAVE')
    assert.equal((await server.exited()).code, 0)
  })
})

/** Opens the FIFO for reading, without waiting for the writer; nothing is read. */
function openReader(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
}
