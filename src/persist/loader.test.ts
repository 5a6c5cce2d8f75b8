// Goal: a file is loaded whole or refused with a message that says where and why; nothing partial.
// Method: files made by the RDB writer on a disk in memory, and bad ones made from them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../base/disk-fake.ts'
import { Slice } from '../base/slice.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { listpackOf } from '../keyspace/packed/test-packed.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type LoadOptions, RdbLoader } from './loader.ts'
import { Kernels } from './rdb/kernels.ts'
import { RdbWriter } from './rdb/rdb-writer.ts'

const PATH = '/data/dump.rdb'
const NOW_MS = 1_700_000_000_000

const OPTIONS: LoadOptions = {
  checksum: true,
  memoryLimitBytes: 0,
  nowMs: NOW_MS,
  mayOverwrite: false,
}

/** A file with what `write` puts between head and end. */
function fileOf(disk: FakeDisk, write: (writer: RdbWriter) => void): void {
  const writer = new RdbWriter(new Kernels(RdbWriter.regionBytes()))
  const chunks: Buffer[] = []
  const sink = (bytes: Uint8Array, start: number, length: number) => {
    chunks.push(Buffer.from(bytes.subarray(start, start + length)))
  }
  writer.begin({ sink, compress: true, checksum: true })
  write(writer)
  writer.end()
  disk.put(PATH, Buffer.concat(chunks))
}

function put(writer: RdbWriter, key: string, value: string): void {
  writer.type(0)
  writer.text(key)
  writer.text(value)
}

function newKeyspace(): Keyspace {
  const keyspace = new Keyspace({ databaseCount: 4, pageCapacity: 16384 * 8 })
  keyspace.advance(NOW_MS)
  return keyspace
}

function load(disk: FakeDisk, keyspace: Keyspace, options: Partial<LoadOptions> = {}): RdbLoader {
  const loader = new RdbLoader(disk, PATH, keyspace, { ...OPTIONS, ...options })
  let hasMore = true
  while (hasMore) hasMore = loader.step(64)
  return loader
}

function textOf(keyspace: Keyspace, id: number, key: string): string | null {
  const database = keyspace.databases[id]!
  const record = database.peek(Slice.ofText(key))
  return record === NULL ? null : database.readString(record, new Slice()).toLatin1()
}

test('keys go to their databases with deadlines; those that are over are left out', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.aux('used-mem', 12345)
    writer.selectDb(0)
    writer.resizeDb(3, 2)
    put(writer, 'plain', 'value')
    writer.expireMs(NOW_MS + 5000)
    put(writer, 'later', '42')
    writer.expireMs(NOW_MS - 1)
    put(writer, 'over', 'x')
    writer.selectDb(3)
    put(writer, 'plain', 'other')
  })
  const keyspace = newKeyspace()
  const loader = load(disk, keyspace)
  assert.equal(textOf(keyspace, 0, 'plain'), 'value')
  assert.equal(textOf(keyspace, 0, 'later'), '42')
  assert.equal(textOf(keyspace, 0, 'over'), null)
  assert.equal(textOf(keyspace, 3, 'plain'), 'other')
  const later = keyspace.databases[0]!.peek(Slice.ofText('later'))
  assert.equal(keyspace.databases[0]!.deadlineOf(later), NOW_MS + 5000)
  assert.equal(loader.keysLoaded, 3)
  assert.equal(loader.keysExpired, 1)
  assert.equal(loader.usedBytesAtSave, 12345)
  keyspace.check()
})

test('idle times and frequencies are kept under the policy they belong to', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.selectDb(0)
    writer.idle(600)
    put(writer, 'idle', 'x')
    writer.freq(77)
    put(writer, 'often', 'x')
  })
  const lru = newKeyspace()
  load(disk, lru)
  const idle = lru.databases[0]!.peek(Slice.ofText('idle'))
  assert.equal(lru.clock.idleSeconds(lru.databases[0]!.clockOf(idle)), 600)
  const lfu = newKeyspace()
  lfu.clock.isLfu = true
  load(disk, lfu)
  const often = lfu.databases[0]!.peek(Slice.ofText('often'))
  assert.equal(lfu.clock.frequency(lfu.databases[0]!.clockOf(often)), 77)
})

test('a key that comes twice is refused, unless loading may overwrite', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.selectDb(0)
    for (let i = 0; i < 100; i++) put(writer, `key:${i}`, 'first')
    put(writer, 'key:50', 'second')
  })
  const keyspace = newKeyspace()
  assert.throws(() => load(disk, keyspace), {
    code: 'RDB_CORRUPT',
    message: /^\/data\/dump\.rdb: key 'key:50' of database 0 before byte \d+ for the second time/,
  })
  for (const database of keyspace.databases) keyspace.flush(database)
  keyspace.reclaimAll()
  assert.equal(keyspace.arena.datasetBytes, 0, 'nothing of a refused file stays')
  const other = newKeyspace()
  load(disk, other, { mayOverwrite: true })
  assert.equal(textOf(other, 0, 'key:50'), 'second')
})

/** Writes a hash as a listpack. */
function putHash(writer: RdbWriter, key: string, texts: readonly string[]): void {
  const listpack = listpackOf(texts)
  writer.type(16)
  writer.text(key)
  writer.string(listpack, 0, listpack.length)
}

test('packed values keep deadlines; those that are over are left out, and keys come once', () => {
  const disk = new FakeDisk()
  const write = (writer: RdbWriter, isDoubled: boolean) => {
    writer.selectDb(0)
    putHash(writer, 'plain', ['f', 'v'])
    writer.expireMs(NOW_MS + 5000)
    putHash(writer, 'later', ['f', '1', 'g', '2'])
    writer.expireMs(NOW_MS - 1)
    putHash(writer, 'over', ['f', 'v'])
    if (isDoubled) put(writer, 'plain', 'second')
  }
  fileOf(disk, (writer) => write(writer, false))
  const keyspace = newKeyspace()
  const loader = load(disk, keyspace)
  assert.equal(loader.keysLoaded, 2)
  assert.equal(loader.keysExpired, 1)
  const later = keyspace.databases[0]!.peek(Slice.ofText('later'))
  assert.equal(keyspace.databases[0]!.deadlineOf(later), NOW_MS + 5000)
  assert.equal(keyspace.databases[0]!.typeOf(later), Type.Hash)
  keyspace.check()
  fileOf(disk, (writer) => write(writer, true))
  const message = /key 'plain' of database 0 before byte \d+ for the second time/
  assert.throws(() => load(disk, newKeyspace()), { code: 'RDB_CORRUPT', message })
  const other = newKeyspace()
  load(disk, other, { mayOverwrite: true })
  assert.equal(textOf(other, 0, 'plain'), 'second')
})

test('a field that stands twice in a packed hash is refused', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => putHash(writer, 'key', ['f', '1', 'g', '2', 'f', '3']))
  const message = /key 'key' of database 0 before byte \d+ holds an element twice/
  assert.throws(() => load(disk, newKeyspace()), { code: 'RDB_CORRUPT', message })
})

const LARGE = [
  { name: 'list', type: 1, score: false, isPair: false },
  { name: 'set', type: 2, score: false, isPair: false },
  { name: 'hash', type: 4, score: false, isPair: true },
  { name: 'sorted set', type: 5, score: true, isPair: false },
]

for (const { name, type, score, isPair } of LARGE) {
  test(`nothing stays of a large ${name} that is cut off, or has an element twice`, () => {
    for (const isCut of [true, false]) {
      const disk = new FakeDisk()
      fileOf(disk, (writer) => {
        writer.type(type)
        writer.text('key')
        writer.length(20_000)
        for (let i = 0; i < (isCut ? 15_000 : 20_000); i++) {
          writer.text(i === 19_999 ? 'element:7' : `element:${i}`)
          if (isPair) writer.text('value')
          if (score) writer.raw(new Uint8Array(8), 0, 8)
        }
      })
      const keyspace = newKeyspace()
      const loading = () => load(disk, keyspace)
      if (!isCut && name === 'list') loading()
      else assert.throws(loading, { code: /RDB_/ })
      for (const database of keyspace.databases) keyspace.flush(database)
      keyspace.reclaimAll()
      assert.equal(keyspace.arena.datasetBytes, 0)
      assert.equal(keyspace.collections.count, 0)
    }
  })
}

test('a file that cannot fit is refused at once, by what it says of itself', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.aux('used-mem', 900 * 1024 * 1024)
    writer.selectDb(0)
    put(writer, 'key', 'value')
  })
  assert.throws(() => load(disk, newKeyspace(), { memoryLimitBytes: 100 * 1024 * 1024 }), {
    code: 'OUT_OF_MEMORY',
    message: /^\/data\/dump\.rdb: 900 MiB .* when it was saved, expected at most 100 MiB/,
  })
  load(disk, newKeyspace(), { memoryLimitBytes: 800 * 1024 * 1024 })
})

test('a file that says nothing is refused as soon as what was loaded passes the limit', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.selectDb(0)
    for (let i = 0; i < 20_000; i++) put(writer, `key:${i}`, 'v'.repeat(100))
  })
  const keyspace = newKeyspace()
  assert.throws(() => load(disk, keyspace, { memoryLimitBytes: 1024 * 1024 }), {
    code: 'OUT_OF_MEMORY',
    message: /^\/data\/dump\.rdb: about \d+ MiB of data by byte \d+ of \d+, expected at most 1 MiB/,
  })
  assert.ok(keyspace.size < 10_000, 'refused early')
})

test('a count of keys that the file cannot hold costs no memory', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.selectDb(0)
    writer.resizeDb(4_000_000_000, 0)
    put(writer, 'key', 'value')
  })
  const keyspace = newKeyspace()
  load(disk, keyspace)
  assert.ok(keyspace.usedBytes < 1024 * 1024)
})

test('a database the server does not have is refused', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.selectDb(9)
    put(writer, 'key', 'value')
  })
  assert.throws(() => load(disk, newKeyspace()), { code: /RDB_/, message: /dump\.rdb: .*9/ })
})

test('a file that is read but cannot be closed is loaded', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => put(writer, 'a', '1'))
  disk.fail({ operation: 'close', code: 'EIO' })
  const keyspace = newKeyspace()
  const loader = load(disk, keyspace)
  loader.close()
  assert.equal(textOf(keyspace, 0, 'a'), '1')
})

test('collections without elements are passed over, counted, and the first are named', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    // Types 1 to 5, and quicklists: a count of 0.
    for (const type of [1, 2, 4, 5, 14, 18]) {
      writer.type(type)
      writer.text(`empty\n${type}`)
      writer.length(0)
    }
    put(writer, 'k', 'v')
    for (let i = 0; i < 6; i++) {
      writer.type(2)
      writer.text(`more:${i}`)
      writer.length(0)
    }
  })
  const keyspace = newKeyspace()
  const names: string[] = []
  const loader = load(disk, keyspace, { onEmptyKey: (name) => names.push(name) })
  assert.equal(loader.keysEmpty, 12)
  assert.equal(loader.keysLoaded, 1)
  assert.equal(keyspace.size, 1)
  assert.equal(names.length, 10)
  assert.equal(names[0], 'empty.1')
  assert.equal(names[9], 'more:3')
})

test('a file that needs more than the arena can grow to is refused, early if it says so', () => {
  const small = () => new Keyspace({ databaseCount: 1, pageCapacity: 16384 })
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    writer.aux('used-mem', 200 * 1024 * 1024)
    put(writer, 'k', 'v')
  })
  const keyspace = small()
  assert.throws(() => load(disk, keyspace), {
    code: 'OUT_OF_MEMORY',
    message: /dump\.rdb: 200 MiB in memory .*, expected at most 64 MiB that one server can hold/,
  })
  assert.equal(keyspace.databases[0]!.size, 0)

  fileOf(disk, (writer) => {
    const value = 'x'.repeat(1024 * 1024)
    for (let i = 0; i < 80; i++) put(writer, `k${i}`, value)
  })
  assert.throws(() => load(disk, small()), {
    code: 'OUT_OF_MEMORY',
    message:
      /dump\.rdb: about \d+ MiB of data by byte \d+ of \d+, expected at most 64 MiB that one/,
  })
})

test('a few large values are found not to fit as early as many small ones', () => {
  const disk = new FakeDisk()
  fileOf(disk, (writer) => {
    for (let i = 0; i < 20; i++) put(writer, `k${i}`, 'x'.repeat(1024 * 1024))
  })
  const keyspace = newKeyspace()
  assert.throws(() => load(disk, keyspace, { memoryLimitBytes: 4 * 1024 * 1024 }), {
    code: 'OUT_OF_MEMORY',
  })
  assert.ok(keyspace.databases[0]!.size < 8, `${keyspace.databases[0]!.size} keys`)
})
