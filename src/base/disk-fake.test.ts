// Goal: the fake disk fails where told and forgets exactly what a disk may forget. Method: small
// scenarios, each run over many seeds; what must survive is checked in all of them, and both
// outcomes of what may be lost must be seen.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Disk, replaceFile, systemCode } from './disk.ts'
import { FakeDisk, PowerCut } from './disk-fake.ts'
import { StoreError } from './errors.ts'
import { Random } from './random.ts'

const RUNS = 200
const text = (value: string): Uint8Array => Buffer.from(value)

function write(disk: Disk, path: string, value: string): void {
  const file = disk.create(path)
  file.write(text(value), 0, value.length)
  file.close()
}

function codeOf(run: () => void): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof StoreError, `a StoreError, not ${error}`)
    return systemCode(error)
  }
  return 'none'
}

test('files are written, read at positions, renamed, listed and removed', () => {
  const disk = new FakeDisk()
  disk.makeDirectory('/data/inner')
  write(disk, '/data/a', 'hello')
  disk.rename('/data/a', '/data/b')
  const file = disk.openAppend('/data/b')
  file.write(text('xx world'), 2, 6)
  const bytes = new Uint8Array(8)
  assert.equal(file.read(bytes, 1, 4, 6), 4)
  assert.equal(Buffer.from(bytes).toString('latin1'), '\0worl\0\0\0')
  assert.equal(file.read(bytes, 0, 4, 99), 0)
  assert.deepEqual(disk.list('/data'), ['b', 'inner'])
  assert.equal(disk.readText('/data/b'), 'hello world')
  assert.equal(disk.stat('/data/b')?.size, 11)
  assert.equal(disk.stat('/data')?.isDirectory, true)
  assert.equal(disk.stat('/data/a'), null)
  disk.unlink('/data/b')
  disk.unlink('/data/b')
  assert.equal(disk.exists('/data/b'), false)
})

test('what is not there, or not writable, fails with the system code', () => {
  const disk = new FakeDisk()
  disk.put('/data/file', text('x'))
  const closed = disk.openRead('/data/file')
  const rows: [name: string, code: string, run: () => void][] = [
    ['open a missing file', 'ENOENT', () => disk.openRead('/data/none')],
    ['create in a missing directory', 'ENOENT', () => disk.create('/none/file')],
    ['rename a missing file', 'ENOENT', () => disk.rename('/data/none', '/data/b')],
    ['list a missing directory', 'ENOENT', () => disk.list('/none')],
    ['sync a missing directory', 'ENOENT', () => disk.syncDirectory('/none')],
    ['create over a directory', 'EISDIR', () => disk.create('/data')],
    ['directory over a file', 'EEXIST', () => disk.makeDirectory('/data/file')],
    ['write to a reader', 'EBADF', () => disk.openRead('/data/file').write(text('x'), 0, 1)],
    ['read after close', 'EBADF', () => closed.read(new Uint8Array(1), 0, 1, 0)],
  ]
  closed.close()
  closed.close()
  for (const [name, code, run] of rows) assert.equal(codeOf(run), code, name)
})

test('a rule fails the nth operation of its kind, so many times, on its path', () => {
  const disk = new FakeDisk()
  disk.put('/data/a', text('x'))
  disk.fail({ operation: 'write', code: 'EIO', nth: 2, times: 1 })
  disk.fail({ operation: 'fsync', code: 'EDQUOT', path: 'other' })
  const file = disk.openAppend('/data/a')
  const other = disk.openAppend('/data/other')
  const one = () => file.write(text('y'), 0, 1)
  assert.deepEqual([codeOf(one), codeOf(one), codeOf(one)], ['none', 'EIO', 'none'])
  assert.equal(disk.readText('/data/a'), 'xyy')
  assert.equal(
    codeOf(() => file.sync()),
    'none',
  )
  assert.equal(
    codeOf(() => other.sync()),
    'EDQUOT',
  )
  assert.equal(
    codeOf(() => other.sync()),
    'EDQUOT',
  )
  disk.heal()
  assert.equal(
    codeOf(() => other.sync()),
    'none',
  )
})

test('a full disk takes what fits, fails, and works again after an unlink', () => {
  const disk = new FakeDisk()
  disk.put('/data/old', text('12345'))
  disk.capacityBytes = 8
  const file = disk.create('/data/new')
  assert.equal(
    codeOf(() => file.write(text('abcdef'), 0, 6)),
    'ENOSPC',
  )
  assert.equal(disk.readText('/data/new'), 'abc')
  disk.unlink('/data/old')
  assert.equal(
    codeOf(() => file.write(text('def'), 0, 3)),
    'none',
  )
  assert.equal(disk.usedBytes, 6)
})

test('a crash keeps what was synced and any part of what was not', () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const disk = new FakeDisk()
    disk.makeDirectory('/data')
    const file = disk.create('/data/f')
    file.write(text('safe'), 0, 4)
    file.sync()
    disk.syncDirectory('/data')
    file.write(text('AA'), 0, 2)
    file.write(text('BB'), 0, 2)
    disk.crash(new Random(seed))
    assert.equal(
      codeOf(() => file.write(text('x'), 0, 1)),
      'EBADF',
    )
    const after = Buffer.from(disk.contents('/data/f')!).toString('latin1')
    assert.ok(after.startsWith('safe'), `SEED=${seed}: ${after}`)
    seen.add(after)
  }
  assert.deepEqual([...seen].sort(), ['safe', 'safe\0\0BB', 'safeAA', 'safeAABB'])
})

test('a long unsynced write may be torn at a sector', () => {
  const lengths = new Set<number>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const disk = new FakeDisk()
    disk.put('/f', new Uint8Array(0))
    disk.openAppend('/f').write(new Uint8Array(1200).fill(7), 0, 1200)
    disk.crash(new Random(seed))
    lengths.add(disk.contents('/f')!.length)
  }
  assert.deepEqual(
    [...lengths].sort((a, b) => a - b),
    [0, 512, 1024, 1200],
  )
})

test('names are durable only after their directory is synced', () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const disk = new FakeDisk()
    disk.put('/data/dump', text('old'))
    const file = disk.create('/data/temp')
    file.write(text('new'), 0, 3)
    file.sync()
    disk.rename('/data/temp', '/data/dump')
    disk.crash(new Random(seed))
    const dump = disk.readText('/data/dump')
    seen.add(`${dump} ${disk.exists('/data/temp')}`)
  }
  assert.deepEqual([...seen].sort(), ['new false', 'old false', 'old true'])
})

test('create over a file empties it, and a crash may or may not have done so', () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const disk = new FakeDisk()
    disk.put('/f', text('old'))
    disk.create('/f')
    assert.equal(disk.contents('/f')!.length, 0)
    disk.crash(new Random(seed))
    seen.add(disk.readText('/f'))
  }
  assert.deepEqual([...seen].sort(), ['', 'old'])
})

test('replaceFile leaves the old or the new content, whenever the power goes', () => {
  const probe = new FakeDisk()
  probe.put('/data/conf', text('old'))
  replaceFile(probe, '/data/conf', text('new text'))
  const seen = new Set<string>()
  for (let point = 0; point <= probe.operations; point++) {
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new FakeDisk()
      disk.put('/data/conf', text('old'))
      disk.cutPowerAt(point)
      let isDone = false
      try {
        replaceFile(disk, '/data/conf', text('new text'))
        isDone = true
      } catch (error) {
        assert.ok(error instanceof PowerCut)
      }
      disk.crash(new Random(seed))
      const after = disk.readText('/data/conf')
      if (isDone) assert.equal(after, 'new text', `SEED=${seed} point ${point}`)
      seen.add(after)
    }
  }
  assert.deepEqual([...seen].sort(), ['new text', 'old'])
})

for (const operation of ['write', 'fsync', 'close'] as const) {
  test(`a replaceFile that fails at ${operation} leaves nothing behind, closable or not`, () => {
    const disk = new FakeDisk()
    disk.makeDirectory('/data')
    disk.fail({ operation, code: 'ENOSPC' })
    disk.fail({ operation: 'close', code: 'ENOSPC' })
    assert.equal(
      codeOf(() => replaceFile(disk, '/data/conf', text('new'))),
      'ENOSPC',
    )
    assert.deepEqual(disk.list('/data'), [])
  })
}
