// Goal: a directory keeps what every store promises, and says clearly what the file system refuses.
// Method: the contract; a full file system (a tmpfs, where one can be mounted), missing rights,
// foreign files; a process that is killed while it writes.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { faultOf, names, pendingOf, storeContract } from '../../../test/lib/store-contract.ts'
import { killWhileWriting } from '../../../test/lib/store-killer.ts'
import { directoryFault } from './directory-fault.ts'
import { DirectoryStore } from './directory-store.ts'
import { openStore } from './open-store.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-store-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

storeContract('the contract, in a directory', async () => ({
  store: await openStore(join(folder, 'contract', 'deep')),
  close() {},
}))

test('objects are files by their names; the data is for its owner alone', async () => {
  const root = join(folder, 'plain')
  const store = await openStore(`file://${root}`)
  await store.put('backups/n1/manifest.json', Buffer.from('{}'))
  const file = join(root, 'backups/n1/manifest.json')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(join(root, 'backups')).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(join(root, '.pending')), [])
  // Directories go with their last object.
  await store.delete('backups/n1/manifest.json')
  assert.deepEqual(readdirSync(root), ['.pending'])
})

test('foreign files are no objects, foreign directories no pending writes', async () => {
  const root = join(folder, 'foreign')
  const store = new DirectoryStore(root)
  await store.put('a', Buffer.from('a'))
  writeFileSync(join(root, '.DS_Store'), 'x')
  mkdirSync(join(root, '.pending/somebody'))
  writeFileSync(join(root, '.pending/somebody/file'), 'x')
  assert.deepEqual(await names(store, ''), ['a'])
  assert.deepEqual(await pendingOf(store, ''), [])
  await faultOf(store.discard({ name: 'a', id: '../a', startedMs: 0 }), 'invalid')
  await faultOf(store.resume({ name: 'a', id: '../a', startedMs: 0 }), 'invalid')
  assert.ok(existsSync(join(root, 'a')))
})

test('an object in the way of a directory is named', async () => {
  const store = new DirectoryStore(join(folder, 'way'))
  await store.put('a', Buffer.from('a'))
  const fault = await faultOf(store.put('a/b', Buffer.from('b')), 'invalid')
  assert.match(fault.message, /a\/b: an object has the name of one of its directories/)
  assert.deepEqual(await pendingOf(store, ''), [])
})

test('what the file system refuses is said in words', () => {
  const error = (code: string, text: string, syscall: string) =>
    Object.assign(new Error(`${code}: ${text}, ${syscall}`), { code, syscall })
  const rows = [
    ['ENOSPC', 'no space left on device', 'write', 'full', 'x: no space left on device (ENOSPC)'],
    ['EDQUOT', 'quota exceeded', 'write', 'full', 'x: the disk quota is used up (EDQUOT)'],
    ['EACCES', 'permission denied', 'open', 'denied', 'x: permission denied (EACCES)'],
    ['EROFS', 'read-only', 'open', 'denied', 'x: the file system is mounted read-only (EROFS)'],
    ['EIO', 'i/o error', 'read', 'unavailable', 'x: i/o error (EIO)'],
    ['EPERM', 'not permitted', 'link', 'invalid', 'x: its file system has no hard links (EPERM)'],
  ] as const
  for (const [code, text, syscall, kind, message] of rows) {
    const fault = directoryFault(error(code, text, syscall), 'x')
    assert.equal(fault.kind, kind)
    assert.equal(fault.message, message)
  }
  assert.throws(() => directoryFault(new TypeError('a bug'), 'x'), TypeError)
})

test('a disk that is full is survived, and nothing is left on it', async (context) => {
  const root = join(folder, 'small')
  mkdirSync(root)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', root])
  if (mounted.status !== 0) return context.skip('no right to mount a file system')
  try {
    const store = new DirectoryStore(root)
    await store.put('before', new Uint8Array(100_000))
    const writer = await store.create('large')
    const fault = await faultOf(writer.write(new Uint8Array(4 << 20)), 'full')
    assert.match(fault.message, /cannot write large: no space left on device \(ENOSPC\)/)
    await writer.abort()
    assert.deepEqual(await names(store, ''), ['before'])
    assert.deepEqual(await pendingOf(store, ''), [])
    assert.ok(((await store.freeBytes()) ?? 0) > 1_500_000)
    await store.put('after', new Uint8Array(100_000))
  } finally {
    spawnSync('umount', [root])
  }
})

test('missing rights are said', async (context) => {
  if (process.getuid?.() === 0) return context.skip('root may do anything')
  const root = join(folder, 'locked')
  mkdirSync(root)
  chmodSync(root, 0o500)
  const store = new DirectoryStore(root)
  const fault = await faultOf(store.probe(), 'denied')
  assert.match(fault.message, /cannot be written to: permission denied/)
  await faultOf(store.put('x', new Uint8Array(1)), 'denied')
})

test('a place that is no directory is refused by the probe', async () => {
  writeFileSync(join(folder, 'file'), 'x')
  await faultOf(new DirectoryStore(join(folder, 'file')).probe(), 'invalid')
})

test('killed at any point, it leaves nothing listed and what is pending can be swept', async () => {
  const root = join(folder, 'killed')
  const store = new DirectoryStore(root)
  for (const delayMs of [5, 40, 120]) {
    await killWhileWriting(root, {}, delayMs)
    assert.deepEqual(await names(store, 'data/'), [])
    const pending = await pendingOf(store, 'data/')
    assert.equal(pending.length, 1)
    for (const each of pending) await store.discard(each)
    assert.deepEqual(readdirSync(join(root, '.pending')), [])
  }
})
