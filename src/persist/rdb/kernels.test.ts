// Goal: the kernels compute what the formats say, within their ranges. Method: known values, slow
// implementations written from the description of the format, and seeded random data through both.
// (tools/build-kernels.test.ts compares the committed module with a fresh compilation.)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomValue } from '../../../test/lib/rdb.ts'
import { AssertionError } from '../../base/assert.ts'
import { Random } from '../../base/random.ts'
import { Kernels, SLACK } from './kernels.ts'

const SEED = Number(process.env['SEED'] ?? 20_240_601)
const ROUNDS = Number(process.env['ROUNDS'] ?? 1500)
const CHECK_TEXT = Buffer.from('123456789')
const CHECK_VALUE = 0xe9c6d914c4b8d9can

console.log(`SEED=${SEED}`)

/** CRC-64 bit by bit. */
function slowCrc(bytes: Uint8Array): bigint {
  let crc = 0n
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let i = 0; i < 8; i++) crc = crc & 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n
  }
  return crc
}

/** LZF byte by byte; null for a bad stream. */
function slowInflate(source: Uint8Array): Buffer | null {
  const out: number[] = []
  let at = 0
  while (at < source.length) {
    const control = source[at++]!
    if (control < 32) {
      if (at + control + 1 > source.length) return null
      for (let i = 0; i <= control; i++) out.push(source[at++]!)
      continue
    }
    let length = (control >> 5) + 2
    if (length === 9) length += source[at++] ?? Number.NaN
    const from = out.length - (((control & 31) << 8) | (source[at++] ?? Number.NaN)) - 1
    if (at > source.length || from < 0) return null
    for (let i = 0; i < length; i++) out.push(out[from + i]!)
  }
  return Buffer.from(out)
}

test('crc of the check text, whole, in pieces, and of foreign bytes', () => {
  const kernels = new Kernels(64)
  const start = kernels.allocate(64)
  kernels.memory.set(CHECK_TEXT, start)
  assert.equal(kernels.crc(0n, start, 9), CHECK_VALUE)
  assert.equal(kernels.crc(0n, start, 0), 0n)
  for (let cut = 0; cut <= 9; cut++) {
    const first = kernels.crc(0n, start, cut)
    assert.equal(kernels.crc(first, start + cut, 9 - cut), CHECK_VALUE, `cut at ${cut}`)
    assert.equal(kernels.crcOf(first, CHECK_TEXT, cut, 9 - cut), CHECK_VALUE)
  }
})

test('crc equals the bitwise one at every length and alignment', () => {
  const kernels = new Kernels(512)
  const start = kernels.allocate(512)
  const bytes = randomValue(new Random(SEED), 300)
  for (let length = 0; length < 200; length++) {
    const shift = length % 17
    kernels.memory.set(bytes.subarray(shift, shift + length), start + shift)
    const expected = slowCrc(bytes.subarray(shift, shift + length))
    assert.equal(kernels.crc(0n, start + shift, length), expected, `length ${length}`)
  }
  const long = randomValue(new Random(SEED + 1), 70_001)
  assert.equal(kernels.crcOf(0n, long, 1, 70_000), slowCrc(long.subarray(1)))
})

test('lzf streams stand for the bytes they were made of, within the room given', () => {
  const random = new Random(SEED)
  const kernels = new Kernels(200_000)
  const [source, target, back] = [0, 0, 0].map(() => kernels.allocate(40_000)) as [
    number,
    number,
    number,
  ]
  for (let round = 0; round < ROUNDS; round++) {
    const bound = round % 50 === 0 ? 36_000 : 700
    const value = randomValue(random, 1 + random.below(bound))
    kernels.memory.set(value, source)
    const limit = value.length + Math.ceil(value.length / 32)
    const length = kernels.lzfCompress(source, value.length, target, limit)
    assert.ok(length > 0, `round ${round}: the longest form always fits`)
    const stream = kernels.memory.slice(target, target + length)
    assert.deepEqual(slowInflate(stream), value, `round ${round}`)
    kernels.memory.fill(0xee, back, back + value.length + SLACK)
    assert.ok(kernels.lzfDecompress(target, length, back, value.length), `round ${round}`)
    assert.ok(value.equals(kernels.memory.subarray(back, back + value.length)))
    assert.ok(!kernels.lzfDecompress(target, length, back, value.length - 1))
    assert.ok(!kernels.lzfDecompress(target, length, back, value.length + 1))
    assert.ok(!kernels.lzfDecompress(target, length - 1, back, value.length))
    // With less room it gives up, and leaves what lies behind the slack alone.
    const room = random.below(limit + 1)
    const fence = target + room + SLACK
    kernels.memory.fill(0xdd, fence, fence + 64)
    const second = kernels.lzfCompress(source, value.length, target, room)
    assert.ok(second <= room && (second === 0 || second > 0))
    for (let i = 0; i < 64; i++) assert.equal(kernels.memory[fence + i], 0xdd, `byte ${i}`)
  }
})

test('lzf finds repetition at every distance of the window, and none beyond', () => {
  const kernels = new Kernels(80_000)
  const source = kernels.allocate(20_000)
  const target = kernels.allocate(40_000)
  const random = new Random(SEED)
  const unit = Buffer.alloc(40)
  for (let i = 0; i < unit.length; i++) unit[i] = random.below(256)
  const rows: [distance: number, isFound: boolean][] = [
    [40, true],
    [41, true],
    [4096, true],
    [8191, true],
    [8192, true],
    [8193, false],
    [9000, false],
  ]
  for (const [distance, isFound] of rows) {
    const value = Buffer.alloc(distance + 40)
    // Between the two units all bytes differ from their neighbours; runs of zeros would compress.
    for (let i = 0; i < value.length; i++) value[i] = random.below(256)
    value.set(unit, 0)
    value.set(unit, distance)
    kernels.memory.set(value, source)
    const length = kernels.lzfCompress(source, value.length, target, 20_000)
    const plain = value.length + Math.ceil(value.length / 32)
    // Noise is searched with growing steps: long noise may hide the unit, never shows a false one.
    if (distance <= 41) assert.ok(length < plain - 20, `distance ${distance}: ${length}`)
    if (!isFound) assert.equal(length, plain, `distance ${distance}`)
    assert.deepEqual(slowInflate(kernels.memory.slice(target, target + length)), value)
  }
})

test('lzf streams written by hand decode to the byte, bad ones are refused', () => {
  const kernels = new Kernels(2048)
  const source = kernels.allocate(512)
  const target = kernels.allocate(1024)
  const rows: [name: string, stream: number[], result: string | null][] = [
    ['one literal', [0, 97], 'a'],
    ['32 literals', [31, ...Array(32).fill(98)], 'b'.repeat(32)],
    ['shortest copy', [2, 97, 98, 99, 0x20, 2], 'abcabc'],
    ['copy of 8', [0, 97, 0xc0, 0], 'a'.repeat(9)],
    ['copy of 9, long form', [0, 97, 0xe0, 0, 0], 'a'.repeat(10)],
    ['longest copy', [0, 97, 0xe0, 255, 0], 'a'.repeat(265)],
    ['overlap by 2', [1, 97, 98, 0xe0, 1, 1], 'ababababababab'.slice(0, 12)],
    ['overlap by 7', [6, 1, 2, 3, 4, 5, 6, 7, 0xe0, 11, 6], null],
    ['copy before the start', [0, 97, 0x20, 1], null],
    ['copy as the first', [0x20, 0], null],
    ['literals cut', [2, 97, 98], null],
    ['copy cut', [0, 97, 0x20], null],
    ['long copy cut', [0, 97, 0xe0, 1], null],
  ]
  for (const [name, stream, result] of rows) {
    kernels.memory.set(stream, source)
    // What follows the stream would complete a cut instruction.
    kernels.memory.fill(0, source + stream.length, source + stream.length + 8)
    const expected = slowInflate(Buffer.from(stream))
    if (result !== null) assert.equal(expected?.toString('latin1'), result, name)
    const length = expected?.length ?? 20
    const isGood = kernels.lzfDecompress(source, stream.length, target, length)
    assert.equal(isGood, expected !== null, name)
    if (expected === null) continue
    assert.ok(expected.equals(kernels.memory.subarray(target, target + length)), name)
  }
})

test('random bytes as lzf decode as the slow decoder says, and stay in their range', () => {
  const random = new Random(SEED)
  const kernels = new Kernels(40_000)
  const source = kernels.allocate(256)
  const target = kernels.allocate(30_000)
  for (let round = 0; round < ROUNDS; round++) {
    const stream = Buffer.alloc(1 + random.below(60))
    const bias = random.below(2) === 0 ? 256 : 40
    for (let i = 0; i < stream.length; i++) stream[i] = random.below(bias)
    kernels.memory.set(stream, source)
    const expected = slowInflate(stream)
    const length = expected?.length ?? random.below(2000)
    kernels.memory.fill(0xcc, target + length + SLACK, target + length + SLACK + 64)
    const isGood = kernels.lzfDecompress(source, stream.length, target, length)
    assert.equal(isGood, expected !== null, `round ${round}`)
    if (expected) assert.ok(expected.equals(kernels.memory.subarray(target, target + length)))
    const fence = kernels.memory.subarray(target + length + SLACK, target + length + SLACK + 64)
    assert.ok(
      fence.every((byte) => byte === 0xcc),
      `round ${round}: fence`,
    )
  }
})

test('a stream longer than its buffers inflates by pieces of any size', () => {
  const random = new Random(SEED)
  const kernels = new Kernels(500_000)
  const source = kernels.allocate(100_000)
  const target = kernels.allocate(120_000)
  const inflater = kernels.inflater(64)
  const wide = kernels.inflater(5000)
  for (let round = 0; round < 40; round++) {
    const value = randomValue(random, 1 + random.below(100_000))
    kernels.memory.set(value, source)
    const length = kernels.lzfCompress(source, value.length, target, 120_000)
    const stream = kernels.memory.slice(target, target + length)
    const cases: [Uint8Array, number, boolean][] = [
      [stream, value.length, true],
      [stream, value.length + 1, false],
      [stream, value.length - 1, false],
      [stream.subarray(0, length - 1), value.length, false],
    ]
    for (const [bytes, size, isGood] of cases) {
      const out = new Uint8Array(size)
      let at = 0
      const pull = (memory: Uint8Array, start: number, room: number): number => {
        const part = Math.min(room, bytes.length - at, 1 + random.below(2000))
        memory.set(bytes.subarray(at, at + part), start)
        at += part
        return part
      }
      const engine = round % 2 === 0 ? inflater : wide
      let filled = 0
      const put = (memory: Uint8Array, start: number, count: number) => {
        out.set(memory.subarray(start, start + count), filled)
        filled += count
      }
      assert.equal(engine.inflate(out.length, pull, put), isGood, `round ${round}, size ${size}`)
      if (isGood) assert.ok(value.equals(out), `round ${round}`)
    }
  }
})

test('positions of the hash table start again after 4 GiB of calls', () => {
  const kernels = new Kernels(2000)
  const source = kernels.allocate(128)
  const target = kernels.allocate(256)
  const value = Buffer.from('abcdefgh'.repeat(16))
  kernels.memory.set(value, source)
  const first = kernels.lzfCompress(source, value.length, target, 128)
  const calls = Math.ceil(2 ** 32 / (value.length + 8193)) + 10
  for (let i = 0; i < calls; i++) {
    const length = kernels.lzfCompress(source, value.length, target, 128)
    if (length !== first) assert.fail(`call ${i}: ${length}, expected ${first}`)
  }
  assert.deepEqual(slowInflate(kernels.memory.slice(target, target + first)), value)
})

test('regions stand apart, and more than the constructor was told is refused', () => {
  const kernels = new Kernels(10_000)
  const a = kernels.allocate(1)
  const b = kernels.allocate(9_000)
  assert.ok(b - a >= 1 + SLACK)
  assert.throws(() => kernels.allocate(60_000_000), AssertionError)
  assert.throws(() => kernels.crc(0n, 0, 10), AssertionError)
  assert.throws(() => kernels.crc(0n, kernels.memory.length - 8, 16), AssertionError)
  assert.throws(() => kernels.crcOf(0n, CHECK_TEXT, 5, 5), AssertionError)
})
