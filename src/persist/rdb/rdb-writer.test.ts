// Goal: the writer's bytes are those of the format. Method: tables of literal bytes; the same file
// with every chunk size is the same bytes; long strings by every way in are the same string.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FakeFile, makeWriter, randomValue, readRdb } from '../../../test/lib/rdb.ts'
import { AssertionError } from '../../base/assert.ts'
import { Random } from '../../base/random.ts'
import { BytesSource, type RdbWriter } from './rdb-writer.ts'

const SEED = Number(process.env['SEED'] ?? 7_654_321)
const HEADER_LENGTH = 9
const TRAILER_LENGTH = 9

console.log(`SEED=${SEED}`)

/** Hexadecimal of what `write` adds between header and end. */
function encoded(write: (writer: RdbWriter) => void, compress = true): string {
  const file = makeWriter({ compress })
  write(file.writer)
  file.writer.end()
  return file.bytes().subarray(HEADER_LENGTH, -TRAILER_LENGTH).toString('hex')
}

function putString(writer: RdbWriter, value: string | Buffer): void {
  const bytes = Buffer.from(value)
  writer.string(bytes, 0, bytes.length)
}

test('strings are encoded as Redis encodes them', () => {
  const rows: [value: string, hex: string][] = [
    ['', '00'],
    ['a', '0161'],
    ['0', 'c000'],
    ['-0', '022d30'],
    ['-', '012d'],
    ['+1', '022b31'],
    ['01', '023031'],
    ['-01', '032d3031'],
    ['1 ', '023120'],
    ['127', 'c07f'],
    ['-128', 'c080'],
    ['128', 'c18000'],
    ['-129', 'c17fff'],
    ['32767', 'c1ff7f'],
    ['-32768', 'c10080'],
    ['32768', 'c200800000'],
    ['-32769', 'c2ff7fffff'],
    ['2147483647', 'c2ffffff7f'],
    ['-2147483648', 'c200000080'],
    ['2147483648', `0a${Buffer.from('2147483648').toString('hex')}`],
    ['-2147483649', `0b${Buffer.from('-2147483649').toString('hex')}`],
    ['9999999999', `0a${Buffer.from('9999999999').toString('hex')}`],
    ['99999999999', `0b${Buffer.from('99999999999').toString('hex')}`],
    ['a'.repeat(20), `14${'61'.repeat(20)}`],
    [
      'abcdefghijklmnopqrstuvwxyz',
      `1a${Buffer.from('abcdefghijklmnopqrstuvwxyz').toString('hex')}`,
    ],
  ]
  for (const [value, hex] of rows) {
    assert.equal(
      encoded((writer) => putString(writer, value)),
      hex,
      value,
    )
    // From kernel memory, in place.
    const inPlace = encoded((writer) => {
      writer.stringFrom(value.length, {
        copy: (offset, length, target, start) => {
          target.set(Buffer.from(value).subarray(offset, offset + length), start)
        },
      })
    })
    assert.equal(inPlace, hex, value)
  }
})

test('a string is compressed only when longer than 20 bytes, allowed, and 4 bytes shorter', () => {
  const repeated = 'a'.repeat(21)
  const compressed = encoded((writer) => putString(writer, repeated))
  assert.match(compressed, /^c3..15/)
  assert.ok(compressed.length / 2 <= 21)
  assert.equal(
    encoded((writer) => putString(writer, repeated), false),
    `15${'61'.repeat(21)}`,
  )
  for (const length of [21, 66, 67, 68, 70, 1000, 16_383, 16_384, 16_400]) {
    for (const value of [Buffer.alloc(length, 'xyz'), randomValue(new Random(SEED), length)]) {
      const file = makeWriter({ chunkBytes: 65_536 })
      file.writer.type(0)
      putString(file.writer, 'key')
      putString(file.writer, value)
      file.writer.end()
      assert.equal(readRdb(file.bytes()).keys[0]?.value, value.toString('latin1'), `${length}`)
      assert.ok(file.bytes().length <= 9 + 1 + 4 + 5 + length + 9)
    }
  }
})

test('in a file, lengths whose strings do not shrink are tried now and then, others always', () => {
  const random = new Random(SEED)
  const noise = () => Buffer.from(Array.from({ length: 64 }, () => random.below(256)))
  const found = encoded((writer) => {
    for (let i = 0; i < 500; i++) putString(writer, noise())
    for (let i = 0; i < 100; i++) putString(writer, 'a'.repeat(64))
    putString(writer, 'b'.repeat(200))
  })
  // One of eight is tried, and the first that shrinks opens the way for all behind it.
  const compressed = found.split('c30540400061e03600').length - 1
  assert.ok(compressed >= 92 && compressed < 100, `${compressed} of 100 are compressed`)
  // Another length is another matter.
  assert.equal(found.includes('62'.repeat(100)), false)
})

test('a payload does not depend on what was written before', () => {
  const random = new Random(SEED)
  const { writer } = makeWriter({ compress: true })
  const noise = () => Buffer.from(Array.from({ length: 64 }, () => random.below(256)))
  for (let i = 0; i < 500; i++) putString(writer, noise())
  writer.beginPayload({ sink: () => undefined, compress: true, checksum: true })
  putString(writer, 'a'.repeat(64))
  assert.equal(writer.endPayload(), 9 + 10)
})

test('64-bit integers become integer encodings or text', () => {
  const rows: [value: bigint, hex: string][] = [
    [0n, 'c000'],
    [-1n, 'c0ff'],
    [127n, 'c07f'],
    [-129n, 'c17fff'],
    [40_000n, 'c2409c0000'],
    [2_147_483_647n, 'c2ffffff7f'],
    [-2_147_483_648n, 'c200000080'],
    [2_147_483_648n, `0a${Buffer.from('2147483648').toString('hex')}`],
    [-2_147_483_649n, `0b${Buffer.from('-2147483649').toString('hex')}`],
    [9_223_372_036_854_775_807n, `13${Buffer.from('9223372036854775807').toString('hex')}`],
    [-9_223_372_036_854_775_808n, `14${Buffer.from('-9223372036854775808').toString('hex')}`],
  ]
  for (const [value, hex] of rows) {
    const words = BigInt.asUintN(64, value)
    const write = (writer: RdbWriter) =>
      writer.integer(Number(words & 0xffffffffn), Number(words >> 32n))
    assert.equal(encoded(write), hex, `${value}`)
  }
})

test('lengths take the shortest form', () => {
  const rows: [value: number, hex: string][] = [
    [0, '00'],
    [63, '3f'],
    [64, '4040'],
    [16_383, '7fff'],
    [16_384, '8000004000'],
    [4_294_967_295, '80ffffffff'],
    [4_294_967_296, '810000000100000000'],
    [Number.MAX_SAFE_INTEGER, '81001fffffffffffff'],
  ]
  for (const [value, hex] of rows) {
    assert.equal(
      encoded((writer) => writer.length(value)),
      hex,
      `${value}`,
    )
  }
})

test('opcodes', () => {
  const rows: [name: string, hex: string, write: (writer: RdbWriter) => void][] = [
    ['aux', 'fa0176c10004', (writer) => writer.aux('v', 1024)],
    ['selectdb', 'fe4100', (writer) => writer.selectDb(256)],
    ['resizedb', 'fb0500', (writer) => writer.resizeDb(5, 0)],
    ['expire', 'fc0068e5cf8b010000', (writer) => writer.expireMs(1_700_000_000_000)],
    ['expire far', 'fcffffffffffff1f00', (writer) => writer.expireMs(Number.MAX_SAFE_INTEGER)],
    ['expire before 1970', 'fcfeffffffffffffff', (writer) => writer.expireMs(-2)],
    ['idle', 'f84064', (writer) => writer.idle(100)],
    ['freq', 'f9ff', (writer) => writer.freq(255)],
    ['function', 'f50361 6263'.replace(' ', ''), (writer) => writer.function2('abc')],
    [
      'parts',
      '03616263',
      (writer) => {
        writer.stringParts(3)
        writer.part(Buffer.from('xa'), 1, 1)
        writer.part(Buffer.from('bc'), 0, 2)
      },
    ],
    ['raw', '0102', (writer) => writer.raw(Buffer.from([1, 2]), 0, 2)],
  ]
  for (const [name, hex, write] of rows) assert.equal(encoded(write), hex, name)
})

test('header and end: version, checksum, no checksum', () => {
  const rows: [version: number, checksum: boolean, hex: string][] = [
    [10, true, '524544495330303130ffb58a0f64c88a5edf'],
    [12, false, '524544495330303132ff0000000000000000'],
    [4, true, '524544495330303034ff'],
  ]
  for (const [version, checksum, hex] of rows) {
    const file = makeWriter({ version, checksum })
    assert.equal(file.writer.end(), hex.length / 2)
    if (version !== 10) assert.equal(file.bytes().toString('hex'), hex)
    readRdb(file.bytes())
  }
  assert.throws(() => makeWriter({ version: 13 }), AssertionError)
})

/** A file of many keys, the same for the same seed. */
function writeKeys({ writer }: FakeFile, seed: number): void {
  const random = new Random(seed)
  writer.aux('redis-ver', '7.0.15')
  writer.selectDb(0)
  for (let i = 0; i < 300; i++) {
    if (i % 3 === 0) writer.expireMs(1_700_000_000_000 + i)
    writer.type(0)
    putString(writer, `key:${i}`)
    if (i % 7 === 0) writer.integer(i * 1000, 0)
    else putString(writer, randomValue(random, random.below(480)))
  }
  writer.end()
}

test('chunk size changes where the sink is called, not the bytes', () => {
  const expected = makeWriter({ chunkBytes: 1 << 20 })
  writeKeys(expected, SEED)
  for (const chunkBytes of [1024, 1025, 1500, 4096, 10_007]) {
    const file = makeWriter({ chunkBytes })
    writeKeys(file, SEED)
    assert.ok(file.bytes().equals(expected.bytes()), `${chunkBytes}`)
  }
  assert.equal(readRdb(expected.bytes()).keys.length, 300)
})

test('long strings: one range, a source, and parts all give the same value', () => {
  const random = new Random(SEED)
  for (let round = 0; round < 60; round++) {
    const value = randomValue(random, 500 + random.below(30_000))
    const file = makeWriter({ chunkBytes: 2048, compress: round % 3 !== 0 })
    const { writer } = file
    for (let way = 0; way < 3; way++) {
      writer.type(0)
      putString(writer, `${way}`)
      if (way === 0) putString(writer, value)
      if (way === 1) {
        writer.stringFrom(value.length, {
          copy: (offset, length, target, start) =>
            target.set(value.subarray(offset, offset + length), start),
        })
      }
      if (way === 2) {
        writer.stringParts(value.length)
        for (let at = 0; at < value.length; ) {
          const part = Math.min(value.length - at, random.below(5000))
          writer.part(value, at, part)
          at += part
        }
      }
    }
    assert.equal(writer.bytesWritten + TRAILER_LENGTH, writer.end())
    const keys = readRdb(file.bytes()).keys
    for (let way = 0; way < 3; way++) {
      assert.ok(keys[way]?.value === value.toString('latin1'), `round ${round}, way ${way}`)
    }
  }
})

test('long compressible strings are compressed by blocks', () => {
  const value = Buffer.alloc(1_000_000, 'compressible text ')
  const file = makeWriter({ chunkBytes: 65_536 })
  file.writer.type(0)
  putString(file.writer, 'k')
  putString(file.writer, value)
  file.writer.end()
  assert.ok(file.bytes().length < 50_000, `${file.bytes().length}`)
  assert.ok(readRdb(file.bytes()).keys[0]?.value === value.toString('latin1'))
})

test('a string of 5 MB can be left after each block, while others write', () => {
  const random = new Random(SEED)
  const noise = Buffer.alloc(5_000_000)
  for (let i = 0; i < noise.length; i++) noise[i] = random.below(256)
  const chunkBytes = 65_536
  const blocks = Math.ceil(noise.length / (chunkBytes / 2))
  const rows: [name: string, value: Buffer, compress: boolean, steps: number][] = [
    ['noise', noise, true, 2 * blocks],
    ['compressible', Buffer.alloc(5_000_000, 'compressible text '), true, 2 * blocks],
    ['not to be compressed', noise, false, blocks],
    ['one block', noise.subarray(0, chunkBytes / 2), true, 0],
  ]
  for (const [name, value, compress, steps] of rows) {
    const expected = makeWriter({ chunkBytes, compress })
    putString(expected.writer, value)
    const file = makeWriter({ chunkBytes, compress })
    const other = makeWriter({ chunkBytes })
    const writing = file.writer.stringSteps(value.length, new BytesSource(value, 0))
    let found = 0
    for (; writing.next().done !== true; found++) {
      if (found === steps - 1) continue
      if (found % 50 === 0) putString(other.writer, value)
      putString(other.writer, `between ${found}`)
      assert.throws(() => putString(file.writer, 'too early'), AssertionError)
    }
    assert.equal(found, steps, name)
    assert.equal(file.writer.end(), expected.writer.end(), name)
    assert.ok(file.bytes().equals(expected.bytes()), name)
  }
})

test('a sink that fails is passed on, and the writer can begin again', () => {
  const file = makeWriter({ chunkBytes: 1024 })
  const sink = (): void => {
    throw new Error('disk full')
  }
  file.writer.begin({ sink, compress: false, checksum: true })
  const write = () => {
    for (let i = 0; i < 100; i++) putString(file.writer, randomValue(new Random(i), 100))
  }
  assert.throws(write, /disk full/)
  const chunks: Buffer[] = []
  file.writer.begin({
    sink: (bytes, start, length) => chunks.push(Buffer.from(bytes.slice(start, start + length))),
    compress: true,
    checksum: true,
  })
  writeKeys(file, SEED)
  assert.equal(readRdb(Buffer.concat(chunks)).keys.length, 300)
})

test('misuse is an assertion', () => {
  const { writer } = makeWriter()
  const rows: [name: string, run: () => void][] = [
    ['negative length', () => writer.length(-1)],
    ['unsafe length', () => writer.length(2 ** 53)],
    ['range past the end', () => writer.string(Buffer.from('ab'), 1, 2)],
    ['frequency', () => writer.freq(256)],
    ['type', () => writer.type(256)],
    ['fraction of a ms', () => writer.expireMs(1.5)],
  ]
  for (const [name, run] of rows) assert.throws(run, AssertionError, name)
  writer.stringParts(3)
  assert.throws(() => writer.part(Buffer.from('abcd'), 0, 4), AssertionError)
  assert.throws(() => writer.stringParts(1), AssertionError)
  assert.throws(() => writer.end(), AssertionError)
})
