// Goal: RDB files pass between redis-server and this code in both directions without loss. Method:
// redis-server writes a file of all kinds of strings, read here; this code writes one, which
// redis-check-rdb accepts and redis-server loads; every key, deadline and access figure is
// compared. Skipped where redis-server is not installed.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SystemDisk } from '../../src/base/disk.ts'
import { Random } from '../../src/base/random.ts'
import { RdbPayload } from '../../src/persist/rdb/rdb-payload.ts'
import type { RawClient } from '../lib/client.ts'
import { type CollectingTarget, makeReader, makeWriter, randomValue, readRdb } from '../lib/rdb.ts'
import { findProgram, REFERENCE, TestServer } from '../lib/server.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const FAR_MS = 4_102_444_800_000
const CHECK_PROGRAM = findProgram('redis-check-rdb')
const options = { skip: REFERENCE === '' ? 'redis-server is not installed' : false }

console.log(`SEED=${SEED}`)

interface Row {
  readonly database: number
  readonly key: Buffer
  readonly value: Buffer
  /** -1 without. */
  readonly deadlineMs: number
}

/** Keys and values around every border of the encodings, and random ones. */
function makeRows(): Row[] {
  const random = new Random(SEED)
  const rows: Row[] = []
  const add = (key: string | Buffer, value: string | Buffer, deadlineMs = -1) =>
    rows.push({
      database: [0, 3, 15][rows.length % 3]!,
      key: Buffer.from(key),
      value: Buffer.from(value),
      deadlineMs,
    })
  for (const bits of [7, 8, 15, 16, 31, 32, 63]) {
    for (const shift of [-1n, 0n, 1n]) {
      for (const sign of [1n, -1n]) {
        const value = BigInt.asIntN(64, sign * (1n << BigInt(bits)) + shift)
        add(`int ${bits} ${shift} ${sign}`, `${value}`)
        add(`${value}`, 'integer as key')
      }
    }
  }
  for (const length of [0, 1, 20, 21, 44, 45, 63, 64, 65, 16_383, 16_384, 70_000, 700_000]) {
    add(`plain ${length}`, randomValue(new Random(length), length), FAR_MS + length)
    add(`same ${length}`, Buffer.alloc(length, 'ab'))
  }
  for (const text of ['-0', '+1', '007', ' 1', '1.5', '0x10']) add(`text ${text}`, text)
  add('', 'empty key')
  add(Buffer.from([0, 255, 13, 10]), Buffer.from([255, 0, 128]))
  add('long key '.repeat(3000), 'x')
  for (let i = 0; i < 500; i++) {
    const key = Buffer.concat([Buffer.from(`${i}:`), randomValue(random, random.below(80))])
    add(key, randomValue(random, random.below(3000)), i % 2 ? FAR_MS + random.below(1e9) : -1)
  }
  return rows
}

/** Writes the rows through a client. */
async function fill(client: RawClient, rows: readonly Row[]): Promise<void> {
  for (const { database, key, value, deadlineMs } of rows) {
    await client.text('SELECT', `${database}`)
    await client.text('SET', key, value)
    if (deadlineMs >= 0) await client.text('PEXPIREAT', key, `${deadlineMs}`)
  }
}

/** Compares all keys that a reader found with the rows. */
function compareTarget(target: CollectingTarget, rows: readonly Row[]): void {
  const expected = new Map(
    rows.map((row) => [`${row.database}:${row.key.toString('latin1')}`, row]),
  )
  assert.equal(target.keys.length, expected.size)
  for (const found of target.keys) {
    const name = `${found.database}:${found.key}`
    const row = expected.get(name)
    assert.ok(row, name)
    assert.ok(found.value === row.value.toString('latin1'), `value of ${name}`)
    assert.equal(found.deadlineMs, row.deadlineMs, name)
  }
}

/** Compares all keys of a running server with the rows. */
async function compareServer(client: RawClient, rows: readonly Row[]): Promise<void> {
  const counts = new Map<number, number>()
  for (const { database, key, value, deadlineMs } of rows) {
    counts.set(database, (counts.get(database) ?? 0) + 1)
    await client.text('SELECT', `${database}`)
    const name = key.toString('latin1').slice(0, 50)
    assert.ok((await client.text('GET', key)) === value.toString('latin1'), name)
    assert.equal(await client.text('PEXPIRETIME', key), `${deadlineMs}`, name)
  }
  for (const [database, count] of counts) {
    await client.text('SELECT', `${database}`)
    assert.equal(await client.text('DBSIZE'), `${count}`)
  }
}

/** The rows as a file, in order of databases. */
function writeRows(rows: readonly Row[], compress: boolean, checksum: boolean): Buffer {
  const file = makeWriter({ chunkBytes: 65_536, compress, checksum })
  const { writer } = file
  writer.aux('redis-ver', '7.0.15')
  writer.aux('redis-bits', 64)
  for (const database of [0, 3, 15]) {
    const own = rows.filter((row) => row.database === database)
    writer.selectDb(database)
    writer.resizeDb(own.length, own.filter((row) => row.deadlineMs >= 0).length)
    for (const { key, value, deadlineMs } of own) {
      if (deadlineMs >= 0) writer.expireMs(deadlineMs)
      writer.type(0)
      writer.string(key, 0, key.length)
      writer.string(value, 0, value.length)
    }
  }
  writer.end()
  return file.bytes()
}

for (const compression of ['yes', 'no']) {
  test(`a file of redis-server, rdbcompression ${compression}`, options, async () => {
    const rows = makeRows()
    const args = ['--rdbcompression', compression]
    const server = await TestServer.start({ command: REFERENCE, args })
    try {
      const client = await server.connect()
      await fill(client, rows)
      await client.text('SAVE')
      client.close()
      const file = new SystemDisk().openRead(join(server.dir, 'dump.rdb'))
      const target = readRdb(file, { reader: makeReader(8192), databases: 16 })
      file.close()
      compareTarget(target, rows)
      assert.equal(target.aux.get('redis-ver'), '7.0.15')
      assert.deepEqual(
        target.sizes.map(([database]) => database),
        [0, 3, 15],
      )
      // Uncompressed, every byte of ours is theirs: the same keys in the order of their file.
      if (compression === 'no') compareBytes(readFileSync(join(server.dir, 'dump.rdb')), target)
    } finally {
      await server.stop()
    }
  })
}

/** Writes again what was read and compares the bytes of all keys. */
function compareBytes(theirs: Buffer, target: CollectingTarget): void {
  const file = makeWriter({ chunkBytes: 65_536, compress: false })
  const { writer } = file
  for (const [name, value] of target.aux) writer.aux(name, value)
  let database = -1
  for (const key of target.keys) {
    if (key.database !== database) {
      database = key.database
      writer.selectDb(database)
      const [, keys, expires] = target.sizes.find(([id]) => id === database)!
      writer.resizeDb(keys, expires)
    }
    if (key.deadlineMs >= 0) writer.expireMs(key.deadlineMs)
    writer.type(0)
    for (const text of [key.key, key.value])
      writer.string(Buffer.from(text, 'latin1'), 0, text.length)
  }
  writer.end()
  const ours = file.bytes()
  const at = ours.findIndex((byte, i) => byte !== theirs[i])
  assert.ok(ours.equals(theirs), `first difference at byte ${at} of ${theirs.length}`)
}

for (const [compress, checksum] of [
  [true, true],
  [false, true],
  [true, false],
] as const) {
  test(`a file for redis-server, ${compress} ${checksum}`, options, async () => {
    const rows = makeRows()
    const bytes = writeRows(rows, compress, checksum)
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-rdb-'))
    writeFileSync(join(dir, 'dump.rdb'), bytes)
    try {
      compareTarget(readRdb(bytes), rows)
      if (CHECK_PROGRAM !== '') {
        const check = spawnSync(CHECK_PROGRAM, [join(dir, 'dump.rdb')], { encoding: 'utf8' })
        assert.equal(check.status, 0, check.stdout)
        assert.match(check.stdout, /RDB looks OK/)
        if (checksum) assert.match(check.stdout, /Checksum OK/)
      }
      const server = await TestServer.start({ command: REFERENCE, dir })
      try {
        const client = await server.connect()
        await compareServer(client, rows)
        client.close()
      } finally {
        await server.stop()
      }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
}

test('idle times and frequencies, both ways', options, async () => {
  for (const policy of ['allkeys-lru', 'allkeys-lfu']) {
    const isLru = policy === 'allkeys-lru'
    const args = ['--maxmemory-policy', policy, '--enable-debug-command', 'yes']
    args.push('--lfu-decay-time', '0')
    const field = isLru ? 'IDLETIME' : 'FREQ'
    const server = await TestServer.start({ command: REFERENCE, args })
    try {
      const client = await server.connect()
      for (let i = 0; i < 20; i++) {
        const extra = isLru ? ['IDLETIME', `${i * 1000}`] : ['FREQ', `${i * 12}`]
        // An integer would be an object that all keys share, with its one clock.
        const dump = Buffer.from('000568656c6c6f0a006372df766534200a', 'hex')
        await client.text('RESTORE', `key ${i}`, '0', dump, ...extra)
      }
      await client.text('SAVE')
      const path = join(server.dir, 'dump.rdb')
      const theirs = readRdb(readFileSync(path)).sorted()
      assert.equal(theirs.length, 20)
      for (const { key, idleSeconds, frequency } of theirs) {
        const number = Number(key.slice(4))
        const found = isLru ? idleSeconds : frequency
        // The clock may have ticked since.
        assert.ok(Math.abs(found - number * (isLru ? 1000 : 12)) <= 3, `${key}: ${found}`)
        assert.equal(isLru ? frequency : idleSeconds, -1)
      }
      const file = makeWriter()
      file.writer.selectDb(0)
      for (let i = 0; i < 20; i++) {
        if (isLru) file.writer.idle(50_000 + i * 100)
        else file.writer.freq(i * 3)
        file.writer.type(0)
        for (const text of [`own ${i}`, 'v']) {
          file.writer.string(Buffer.from(text), 0, text.length)
        }
      }
      file.writer.end()
      writeFileSync(path, file.bytes())
      await client.text('DEBUG', 'RELOAD', 'NOSAVE')
      for (let i = 0; i < 20; i++) {
        const found = Number(await client.text('OBJECT', field, `own ${i}`))
        const expected = isLru ? 50_000 + i * 100 : i * 3
        assert.ok(Math.abs(found - expected) <= 3, `own ${i}: ${found}, expected ${expected}`)
      }
      client.close()
    } finally {
      await server.stop()
    }
  }
})

test('DUMP payloads are the same bytes, and RESTORE takes ours', options, async () => {
  const server = await TestServer.start({ command: REFERENCE, args: ['--rdbcompression', 'no'] })
  const payload = new RdbPayload()
  try {
    const client = await server.connect()
    for (const { value } of makeRows()) {
      await client.text('SET', 'theirs', value)
      const theirs = Buffer.from((await client.call('DUMP', 'theirs')).text, 'latin1')
      for (const compress of [false, true]) {
        payload.begin(0, compress).string(value, 0, value.length)
        payload.end()
        const ours = Buffer.from(payload.bytes.slice(payload.start, payload.start + payload.length))
        if (!compress) assert.ok(ours.equals(theirs), value.toString('latin1').slice(0, 50))
        await client.text('RESTORE', 'ours', '0', ours, 'REPLACE')
        assert.ok((await client.text('GET', 'ours')) === value.toString('latin1'))
      }
    }
    client.close()
  } finally {
    await server.stop()
  }
})

test('collections that redis-server saves are read', options, async () => {
  const rows: [value: RegExp, command: string[]][] = [
    [/^1 \["a","b"\]$/, ['RPUSH', 'k', 'a', 'b']],
    [/^2 \["1","2"\]$/, ['SADD', 'k', '1', '2']],
    [/^2 \["[xy]","[xy]"\]$/, ['SADD', 'k', 'x', 'y']],
    [/^4 \["f","v"\]$/, ['HSET', 'k', 'f', 'v']],
    [/^3 \["m",1.5\]$/, ['ZADD', 'k', '1.5', 'm']],
  ]
  const server = await TestServer.start({ command: REFERENCE })
  try {
    const client = await server.connect()
    for (const [value, command] of rows) {
      await client.text('FLUSHALL')
      await client.text(...command)
      await client.text('SAVE')
      const { keys } = readRdb(readFileSync(join(server.dir, 'dump.rdb')))
      assert.equal(keys.length, 1, command.join(' '))
      assert.match(keys[0]!.value, value, command.join(' '))
    }
    client.close()
  } finally {
    await server.stop()
  }
})
