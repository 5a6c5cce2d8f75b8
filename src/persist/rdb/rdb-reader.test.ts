// Goal: the reader takes what the format allows and refuses the rest, always with a StoreError that
// says where. Method: literal streams; one good file with every byte flipped and every cut, whole
// and in small buffers; seeded random bytes; lengths that lie.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CollectingTarget,
  makeReader,
  makeWriter,
  randomValue,
  readRdb,
} from '../../../test/lib/rdb.ts'
import { AssertionError } from '../../base/assert.ts'
import { FakeDisk } from '../../base/disk-fake.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import { Random } from '../../base/random.ts'
import { BytesFile } from './rdb-input.ts'

const SEED = Number(process.env['SEED'] ?? 31_337)
const FUZZ_ROUNDS = Number(process.env['ROUNDS'] ?? 4000)

console.log(`SEED=${SEED}`)

/** A stream without checksum: magic and the bytes given in hexadecimal. */
function stream(hex: string, version = '0010'): Buffer {
  const body = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return Buffer.concat([Buffer.from(`REDIS${version}`), body])
}

const END = 'ff 0000000000000000'

/** The error that reading gives; fails when there is none or it is of another kind. */
function errorOf(run: () => void): StoreError {
  try {
    run()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  assert.fail('read without an error')
}

/** A file with all that the format offers for strings. */
function sampleFile(chunkBytes = 4096): Buffer {
  const file = makeWriter({ chunkBytes })
  const { writer } = file
  const put = (value: string) => writer.string(Buffer.from(value), 0, value.length)
  writer.aux('redis-ver', '7.0.15')
  writer.aux('redis-bits', 64)
  writer.function2('#!lua name=lib\n')
  writer.selectDb(0)
  writer.resizeDb(4, 1)
  writer.expireMs(1_700_000_000_123)
  writer.idle(77)
  writer.type(0)
  put('key one')
  put('value')
  writer.type(0)
  put('12345')
  put('-7')
  writer.freq(9)
  writer.type(0)
  put('long key '.repeat(5))
  put('long value '.repeat(20))
  writer.selectDb(15)
  writer.type(0)
  put('')
  put('')
  writer.end()
  return file.bytes()
}

test('a whole file is what was written', () => {
  const target = readRdb(sampleFile())
  const none = { deadlineMs: -1, idleSeconds: -1, frequency: -1 }
  assert.deepEqual(target.keys, [
    {
      database: 0,
      key: 'key one',
      value: 'value',
      deadlineMs: 1_700_000_000_123,
      idleSeconds: 77,
      frequency: -1,
    },
    { database: 0, key: '12345', value: '-7', ...none },
    {
      database: 0,
      key: 'long key '.repeat(5),
      value: 'long value '.repeat(20),
      ...none,
      frequency: 9,
    },
    { database: 15, key: '', value: '', ...none },
  ])
  assert.deepEqual(
    [...target.aux],
    [
      ['redis-ver', '7.0.15'],
      ['redis-bits', '64'],
    ],
  )
  assert.deepEqual(target.sizes, [[0, 4, 1]])
  assert.deepEqual(target.functions, ['#!lua name=lib\n'])
})

test('streams that are valid', () => {
  const rows: [name: string, hex: string, keys: [string, string, number][]][] = [
    ['nothing', '', []],
    ['8-bit integer', '00 0161 c0ff', [['a', '-1', -1]]],
    ['16-bit integer', '00 0161 c10080', [['a', '-32768', -1]]],
    ['32-bit integer', '00 0161 c200000080', [['a', '-2147483648', -1]]],
    ['zero', '00 0161 c000', [['a', '0', -1]]],
    ['integer as key', '00 c07b c07c', [['123', '124', -1]]],
    ['compressed key', '00 c3050a 0061e00000 0162', [['a'.repeat(10), 'b', -1]]],
    ['14-bit length', '00 4001 61 40026263', [['a', 'bc', -1]]],
    ['32-bit length', '00 8000000001 61 0162', [['a', 'b', -1]]],
    ['64-bit length', '00 810000000000000001 61 0162', [['a', 'b', -1]]],
    ['expire in seconds', 'fd 00f15365 00 0161 0162', [['a', 'b', 1_700_000_000_000]]],
    ['expire in ms', 'fc 0068e5cf8b010000 00 0161 0162', [['a', 'b', 1_700_000_000_000]]],
    ['expire before 1970', 'fc feffffffffffffff 00 0161 0162', [['a', 'b', 0]]],
    ['expire at the end of time', 'fc ffffffffffffff7f 00 0161 0162', [['a', 'b', 2 ** 53 - 1]]],
    [
      'expire counts once',
      'fd 00f15365 00 0161 0162 00 0163 0164',
      [
        ['a', 'b', 1_700_000_000_000],
        ['c', 'd', -1],
      ],
    ],
    ['slot info', 'f4 05 01 00 00 0161 0162', [['a', 'b', -1]]],
    ['module without data', 'f7 8100000000000004ff 02 02 00 00 0161 0162', [['a', 'b', -1]]],
  ]
  for (const [name, hex, keys] of rows) {
    const found = readRdb(stream(hex + END)).keys
    assert.deepEqual(
      found.map((key) => [key.key, key.value, key.deadlineMs]),
      keys,
      name,
    )
  }
})

test('versions: 1 to 12 and 80; no checksum before 5', () => {
  for (const version of ['0001', '0002', '0003', '0004']) {
    assert.equal(readRdb(stream('00 0161 0162 ff', version)).keys.length, 1, version)
  }
  for (const version of ['0005', '0009', '0011', '0012', '0080']) {
    assert.equal(readRdb(stream(`00 0161 0162 ${END}`, version)).keys.length, 1, version)
  }
})

test('what is wrong is said: code, place, found, expected', () => {
  const { RdbCorrupt, RdbTruncated, RdbUnsupported } = ErrorCode
  const rows: [hex: string, code: ErrorCode, message: string][] = [
    ['', RdbTruncated, 'opcode at byte 9, found 0 bytes to the end of the file, expected 1'],
    ['fe', RdbTruncated, 'database at byte 10, found 0 bytes to the end of the file, expected 1'],
    ['fc 0011', RdbTruncated, 'expire time at byte 10, found 2 bytes to the end'],
    [
      '00 0161 05 6162',
      RdbTruncated,
      'string value length at byte 12, found 5, expected at most the 2 bytes that remain',
    ],
    [
      '00 0161 81 00000000ffffffff',
      RdbTruncated,
      'string value length at byte 12, found 4294967295',
    ],
    [
      '00 0161 81 ffffffffffffffff',
      RdbCorrupt,
      'string value at byte 12, found 18446744073709552000',
    ],
    ['00 0161 c4', RdbCorrupt, 'string value at byte 12, found string encoding 4, expected 0 to 3'],
    ['00 0161 82', RdbCorrupt, 'string value at byte 12, found length mark 130'],
    [
      '00 0161 c3 02 8000ffffff 0061',
      RdbCorrupt,
      'string value at byte 13, found expanded length 16777215, expected 1 to 176',
    ],
    ['00 0161 c3 02 02 2000', RdbCorrupt, 'string value at byte 13, found a bad LZF stream'],
    ['00 0161 c3 c0 02 2000', RdbCorrupt, 'string value at byte 13, found string encoding 0'],
    ['fe c001', RdbCorrupt, 'database at byte 10, found string encoding 0, expected a length'],
    ['07 0161 01 0162', RdbUnsupported, 'value type at byte 9, found 7 (module value)'],
    ['16 0161', RdbUnsupported, 'value type at byte 9, found 22 (hash with field'],
    ['08', RdbCorrupt, 'value type at byte 9, found 8, expected a known type or opcode'],
    ['f3', RdbCorrupt, 'value type at byte 9, found 243'],
    ['f6', RdbUnsupported, 'opcode at byte 9, found 246 (functions of a preview release)'],
    ['f7 81 45e25238df912c03 02 02 05 0161 00', RdbUnsupported, 'data of module ReJSON-RL'],
    ['f7 01 03', RdbCorrupt, 'module aux at byte 11, found 3, expected 2'],
    [
      'ff 00',
      RdbTruncated,
      'checksum at byte 10, found 1 bytes to the end of the file, expected 8',
    ],
    ['ff 0100000000000000', RdbCorrupt, 'checksum (CRC error) at byte 10, found '],
    [`${END} 00`, RdbCorrupt, 'end at byte 18, found 1 more bytes, expected the end of the file'],
  ]
  for (const [hex, code, message] of rows) {
    const error = errorOf(() => readRdb(stream(hex)))
    assert.equal(error.code, code, `${hex}: ${error.message}`)
    assert.ok(error.message.startsWith('test.rdb: '))
    assert.ok(error.message.includes(message), `${error.message}\n${message}`)
  }
  const headers: [text: string, code: ErrorCode, message: string][] = [
    ['', RdbTruncated, 'header at byte 0, found 0 bytes'],
    ['REDIS00', RdbTruncated, 'header at byte 7'],
    ['VALKEY080', RdbCorrupt, 'header at byte 0, found "VALKEY080", expected REDIS and a version'],
    ['REDIS00x1', RdbCorrupt, 'version at byte 5, found "00x1", expected four digits'],
    ['REDIS0000', RdbUnsupported, 'version at byte 5, found 0000, expected 1 to 12'],
    ['REDIS0013', RdbUnsupported, 'version at byte 5, found 0013'],
  ]
  for (const [text, code, message] of headers) {
    const error = errorOf(() => readRdb(Buffer.from(text)))
    assert.equal(error.code, code, text)
    assert.ok(error.message.includes(message), error.message)
  }
})

test('no flipped byte and no cut passes as a success', () => {
  const bytes = sampleFile()
  const reader = makeReader(1024)
  for (let i = 0; i < bytes.length; i++) {
    for (const mask of [0x01, 0x10, 0x80, 0xff]) {
      const damaged = Buffer.from(bytes)
      damaged[i] = damaged[i]! ^ mask
      const error = errorOf(() => readRdb(damaged, { reader }))
      assert.match(error.code, /^RDB_/, `byte ${i} ^ ${mask}`)
      assert.match(error.message, /^test\.rdb: .* at byte \d+, found .*, expected /)
    }
    assert.equal(
      errorOf(() => readRdb(bytes.subarray(0, i), { reader })).code,
      ErrorCode.RdbTruncated,
      `${i}`,
    )
  }
  assert.equal(readRdb(bytes, { reader }).keys.length, 4)
})

test('the checksum is compared unless it is zero, or that is turned off', () => {
  const bytes = sampleFile()
  const at = bytes.indexOf('value')
  bytes[at] = bytes[at]! ^ 1
  const error = errorOf(() => readRdb(bytes))
  const expected = /checksum \(CRC error\) at byte \d+, found [0-9a-f]{16}, expected [0-9a-f]{16}/
  assert.match(error.message, expected)
  assert.equal(readRdb(bytes, { checksum: false }).keys[0]?.value, 'walue')
  bytes.fill(0, bytes.length - 8)
  assert.equal(readRdb(bytes).keys[0]?.value, 'walue')
})

test('bytes may follow the end where the caller says so', () => {
  const bytes = sampleFile()
  const reader = makeReader()
  const trailed = Buffer.concat([bytes, Buffer.from('*1\r\n$4\r\nPING\r\n')])
  readRdb(trailed, { reader, mayTrail: true })
  assert.equal(reader.position, bytes.length)
  assert.equal(reader.size, trailed.length)
  assert.equal(reader.keys, 4)
})

test('a database that the server does not have is refused', () => {
  const error = errorOf(() => readRdb(sampleFile(), { databases: 15 }))
  assert.match(error.message, /database at byte \d+, found 15, expected below 15/)
  readRdb(sampleFile(), { databases: 16 })
})

test('steps of any size give the same, buffers of any size too', () => {
  const random = new Random(SEED)
  const file = makeWriter({ chunkBytes: 65_536 })
  for (let i = 0; i < 400; i++) {
    const key = Buffer.concat([Buffer.from(`${i}:`), randomValue(random, random.below(60))])
    const length = i % 40 === 0 ? random.below(200_000) : random.below(300)
    file.writer.type(0)
    file.writer.string(key, 0, key.length)
    const value = randomValue(random, length)
    file.writer.string(value, 0, value.length)
  }
  file.writer.end()
  const expected = readRdb(file.bytes(), { reader: makeReader(1 << 20) }).keys
  assert.equal(expected.length, 400)
  for (const bufferBytes of [1024, 5000, 65_536]) {
    const reader = makeReader(bufferBytes)
    for (const budget of [1, 1000, 100_000]) {
      const target = new CollectingTarget()
      reader.begin(new BytesFile('test.rdb', file.bytes()), target)
      let steps = 1
      while (reader.step(budget)) steps++
      assert.ok(budget > 1 || steps >= 400)
      assert.deepEqual(target.keys, expected, `${bufferBytes} ${budget}`)
    }
  }
})

test('after an error, or when closed, nothing more is read; a new file is', () => {
  const reader = makeReader()
  const target = new CollectingTarget()
  const bad = stream('00 0161 0162 08')
  reader.begin(new BytesFile('bad.rdb', bad), target)
  assert.equal(reader.step(1), true)
  assert.throws(() => reader.step(1), StoreError)
  assert.throws(() => reader.step(1), AssertionError)
  reader.begin(new BytesFile('test.rdb', sampleFile()), target)
  reader.close()
  assert.throws(() => reader.step(1), AssertionError)
  assert.equal(readRdb(sampleFile(), { reader }).keys.length, 4)
})

test('a target that throws ends the reading', () => {
  const reader = makeReader()
  const target = new CollectingTarget()
  target.onString = () => {
    throw new Error('no room')
  }
  reader.begin(new BytesFile('test.rdb', sampleFile()), target)
  assert.throws(() => reader.step(1e6), /no room/)
  assert.throws(() => reader.step(1e6), AssertionError)
})

test('short reads and failing reads of the disk', () => {
  const disk = new FakeDisk()
  disk.put('dump.rdb', sampleFile())
  disk.readMaxBytes = 3
  assert.equal(readRdb(disk.openRead('dump.rdb')).keys.length, 4)
  disk.fail({ operation: 'read', code: 'EIO', nth: 10 })
  assert.equal(errorOf(() => readRdb(disk.openRead('dump.rdb'))).code, ErrorCode.DiskFailed)
})

test('keys and values longer than any buffer, plain and compressed', () => {
  const random = new Random(SEED)
  for (const compress of [true, false]) {
    const file = makeWriter({ chunkBytes: 65_536, compress })
    const rows = [70_000, 300_000, 1_000_000].map((length) => randomValue(random, length))
    for (const value of rows) {
      file.writer.type(0)
      file.writer.string(value, 0, value.length)
      file.writer.string(value, 0, value.length)
    }
    file.writer.end()
    const target = readRdb(file.bytes(), { reader: makeReader(10_000) })
    for (const [i, value] of rows.entries()) {
      assert.ok(target.keys[i]?.key === value.toString('latin1'), `key ${i}`)
      assert.ok(target.keys[i]?.value === value.toString('latin1'), `value ${i}`)
    }
  }
})

test('random damage gives a StoreError or a whole file, with and without checksum', () => {
  const random = new Random(SEED)
  const reader = makeReader(1024)
  const bytes = sampleFile()
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    let damaged = Buffer.from(bytes)
    const edits = 1 + random.below(4)
    for (let i = 0; i < edits; i++) {
      const at = 9 + random.below(damaged.length - 9)
      const kind = random.below(4)
      if (kind === 0) damaged[at] = random.below(256)
      else if (kind === 1) damaged[at] = 0xf4 + random.below(12)
      else if (kind === 2)
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + 1)])
      else damaged.fill(random.below(256), at, Math.min(at + random.below(9), damaged.length))
    }
    const checksum = round % 2 === 0
    try {
      readRdb(damaged, { reader, checksum })
      const isSame = damaged.equals(bytes) || damaged.subarray(-8).every((byte) => byte === 0)
      assert.ok(!checksum || isSame, `SEED=${SEED} round ${round}: ${damaged.toString('hex')}`)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }
})

test('random bytes behind a header give a StoreError', () => {
  const random = new Random(SEED)
  const reader = makeReader(1024)
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const body = Buffer.alloc(random.below(60))
    for (let i = 0; i < body.length; i++) {
      body[i] =
        random.below(3) === 0 ? 0xf0 + random.below(16) : random.below(256) >> random.below(8)
    }
    const file = Buffer.concat([Buffer.from('REDIS0010'), body])
    assert.throws(() => readRdb(file, { reader, checksum: true }), StoreError)
  }
})
