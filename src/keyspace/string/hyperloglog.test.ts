// Sketches on bytes. The hash against the same hash on BigInt; sketches against a plain array of
// registers; changes in order against changes from the beginning, whose bytes must be the same;
// estimates within the error that the paper promises, and those of redis-server 7.0.15 where no
// elements could lead; and damaged bytes, which are found and never read beyond their end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import {
  cachedCount,
  countRegisters,
  countSketch,
  DENSE_BYTES,
  denseRegister,
  HEADER_BYTES,
  isDense,
  isSketch,
  mergeRegisters,
  REGISTER_COUNT,
  setDenseRegister,
  writeCount,
} from './hyperloglog.ts'
import { Raised, SketchEdit } from './hyperloglog-edit.ts'
import { hashElement, hashText, PLACE } from './hyperloglog-hash.ts'
import { eachRun, RUN } from './hyperloglog-sparse.ts'

const SEED = Number(process.env.SEED ?? 7)
const SPARSE_MAX = 3000
const M = 0xc6a4a7935bd1e995n

test('the hash is MurmurHash64A with the seed of Redis', () => {
  const random = new Random(SEED)
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length: length + 3 }, () => random.below(256))
    assert.equal(hashText(bytes, 2, length), slowHash(bytes.subarray(2, 2 + length)))
  }
})

test('rank and register come from the hash', () => {
  const random = new Random(SEED)
  for (let turn = 0; turn < 2000; turn++) {
    const bytes = Uint8Array.from({ length: 8 }, () => random.below(256))
    const hash = BigInt(`0x${slowHash(bytes)}`)
    hashElement(bytes, 0, bytes.length)
    assert.equal(PLACE.index, Number(hash & 16383n))
    const rest = (hash >> 14n) | (1n << 50n)
    let rank = 1
    while (((rest >> BigInt(rank - 1)) & 1n) === 0n) rank++
    assert.equal(PLACE.rank, rank)
  }
})

test('a sketch keeps the highest rank of each register, sparse or dense', () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  for (const span of [20, 300, REGISTER_COUNT]) {
    const edit = new SketchEdit()
    edit.clear()
    const expected = new Uint8Array(REGISTER_COUNT)
    const offset = random.below(REGISTER_COUNT - span + 1)
    for (let turn = 0; turn < 3000; turn++) {
      const index = offset + random.below(span)
      const rank = 1 + random.below(turn < 2900 ? 4 : 50)
      const raised = edit.raise(index, rank, SPARSE_MAX)
      assert.equal(raised, rank > expected[index]! ? Raised.Yes : Raised.No)
      expected[index] = Math.max(expected[index]!, rank)
      if (turn % 500 === 0) checkAgainst(edit, expected)
    }
    checkAgainst(edit, expected)
    assert.ok(isDense(edit.sketch), 'ranks above 32 need a dense sketch')
  }
})

test('raising in order finds the same as raising from the beginning', () => {
  const random = new Random(SEED)
  const ordered = new SketchEdit()
  const fresh = new SketchEdit()
  ordered.clear()
  fresh.clear()
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < REGISTER_COUNT; index += 1 + random.below(120)) {
      const rank = 1 + random.below(3)
      ordered.raise(index, rank, SPARSE_MAX)
      // A copy knows nothing of where the last change was.
      const copy = new Slice().set(fresh.sketch.toBytes(), 0, fresh.sketch.length)
      fresh.load(copy)
      fresh.raise(index, rank, SPARSE_MAX)
    }
    assert.deepEqual(ordered.sketch.toBytes(), fresh.sketch.toBytes())
  }
  assert.equal(isDense(ordered.sketch), false)
})

test('a sparse sketch becomes dense beyond its limit, and with ranks above 32', () => {
  const edit = new SketchEdit()
  edit.clear()
  assert.equal(edit.sketch.length, 18)
  assert.equal(edit.raise(5, 1, 20), Raised.Yes)
  assert.equal(edit.sketch.length, 20)
  assert.equal(edit.raise(7, 32, 20), Raised.Yes)
  assert.equal(isDense(edit.sketch), true)
  assert.equal(edit.sketch.length, DENSE_BYTES)
  edit.clear()
  assert.equal(edit.raise(9, 33, SPARSE_MAX), Raised.Yes)
  assert.equal(isDense(edit.sketch), true)
  assert.equal(denseRegister(edit.sketch.bytes, 0, 9), 33)
})

test('registers of a dense sketch keep their neighbours, the last one too', () => {
  const bytes = new Uint8Array(DENSE_BYTES)
  for (let i = 0; i < REGISTER_COUNT; i++) setDenseRegister(bytes, 0, i, (i * 7) % 64)
  for (let i = 0; i < REGISTER_COUNT; i++) assert.equal(denseRegister(bytes, 0, i), (i * 7) % 64)
  assert.equal(bytes.length, DENSE_BYTES)
})

test('estimates are within four standard errors', () => {
  const edit = new SketchEdit()
  edit.clear()
  const registers = new Uint8Array(REGISTER_COUNT)
  let next = 100
  for (let i = 1; i <= 1_000_000; i++) {
    const text = Buffer.from(`element ${i}`)
    hashElement(text, 0, text.length)
    edit.raise(PLACE.index, PLACE.rank, SPARSE_MAX)
    if (i !== next) continue
    next *= 10
    const count = Number(countSketch(edit.sketch))
    assert.ok(Math.abs(count - i) <= Math.ceil(i * 4 * 0.0081), `${count} of ${i}`)
    registers.fill(0)
    assert.equal(mergeRegisters(registers, edit.sketch), true)
    assert.equal(Number(countRegisters(registers)), count)
  }
})

test('empty and full registers have an estimate', () => {
  const edit = new SketchEdit()
  edit.clear()
  assert.equal(countSketch(edit.sketch), 0)
  // Found by redis-server 7.0.15; beyond 64 bits it answers the lowest integer.
  const rows: [rank: number, count: number | bigint][] = [
    [33, 101520638258700],
    [40, 12994641697113596n],
    [49, 6653256548922161152n],
    [50, 9223372036854775807n],
    [51, 9223372036854775807n],
    [63, 9223372036854775807n],
  ]
  const kept = new Slice().set(new Uint8Array(HEADER_BYTES), 0, HEADER_BYTES)
  for (const [rank, count] of rows) {
    assert.equal(countRegisters(new Uint8Array(REGISTER_COUNT).fill(rank)), count)
    writeCount(kept.bytes.subarray(8), count)
    assert.equal(cachedCount(kept), count)
  }
})

test('a cached count of 64 bits is read, and a stale one is not', () => {
  const bytes = new Uint8Array(HEADER_BYTES)
  const slice = new Slice().set(bytes, 0, bytes.length)
  writeCount(bytes.subarray(8), 2 ** 53 - 1)
  assert.equal(cachedCount(slice), 2 ** 53 - 1)
  bytes.fill(0xff, 8)
  assert.equal(cachedCount(slice), null)
  bytes[15] = 0x7f
  assert.equal(cachedCount(slice), 9223372036854775807n)
})

test('damaged sketches are refused and never read beyond their end', () => {
  const random = new Random(SEED)
  const edit = new SketchEdit()
  const registers = new Uint8Array(REGISTER_COUNT)
  let refused = 0
  for (let turn = 0; turn < 3000; turn++) {
    edit.clear()
    for (let i = random.below(30); i > 0; i--) edit.raise(random.below(16384), 1 + i, SPARSE_MAX)
    // Zeros and runs on both sides, which must not count.
    const around = new Uint8Array(edit.sketch.length + 40)
    around.set(edit.sketch.toBytes(), 20)
    const damaged = new Slice().set(around, 20, edit.sketch.length)
    if (random.below(3) === 0) damaged.length -= 1 + random.below(damaged.length - HEADER_BYTES)
    else around[20 + 16 + random.below(damaged.length - 16)] = random.below(256)
    assert.equal(isSketch(damaged), true)
    const count = countSketch(damaged)
    registers.fill(0)
    assert.equal(mergeRegisters(registers, damaged), count >= 0)
    edit.load(damaged)
    const raised = edit.raise(random.below(16384), 1 + random.below(50), SPARSE_MAX)
    if (count >= 0) assert.notEqual(raised, Raised.Corrupt)
    edit.load(damaged)
    assert.equal(edit.toDense(), count >= 0)
    if (count < 0) refused++
  }
  assert.ok(refused > 1000)
})

test('what is no sketch is not taken for one', () => {
  const rows: [text: string, expected: boolean][] = [
    ['', false],
    ['HYLL', false],
    ['HYLL\x01\0\0\0\0\0\0\0\0\0\0', false],
    ['HYLL\x01\0\0\0\0\0\0\0\0\0\0\0', true],
    ['HYLL\x00\0\0\0\0\0\0\0\0\0\0\0', false],
    [`HYLL\x00${'\0'.repeat(DENSE_BYTES - 5)}`, true],
    ['HYLL\x02\0\0\0\0\0\0\0\0\0\0\0', false],
    ['HYLM\x01\0\0\0\0\0\0\0\0\0\0\0', false],
  ]
  for (const [text, expected] of rows) assert.equal(isSketch(Slice.ofText(text)), expected, text)
})

/** Registers, the count, and the shape of the runs. */
function checkAgainst(edit: SketchEdit, expected: Uint8Array): void {
  const registers = new Uint8Array(REGISTER_COUNT)
  assert.equal(mergeRegisters(registers, edit.sketch), true)
  assert.deepEqual(registers, expected)
  assert.equal(countSketch(edit.sketch), countRegisters(expected))
  if (isDense(edit.sketch)) return
  assert.ok(edit.sketch.length <= SPARSE_MAX)
  let total = 0
  for (let at = HEADER_BYTES; at < edit.sketch.length; ) {
    at = eachRun(edit.sketch, at)
    total += RUN.length
  }
  assert.equal(total, REGISTER_COUNT)
}

function slowHash(bytes: Uint8Array): string {
  const wrap = (value: bigint) => BigInt.asUintN(64, value)
  let hash = wrap(0xadc83b19n ^ (BigInt(bytes.length) * M))
  const wordOf = (part: Uint8Array) =>
    part.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
  const whole = bytes.length & ~7
  for (let i = 0; i < whole; i += 8) {
    let word = wrap(wordOf(bytes.subarray(i, i + 8)) * M)
    word = wrap((word ^ (word >> 47n)) * M)
    hash = wrap((hash ^ word) * M)
  }
  if (bytes.length > whole) hash = wrap((hash ^ wordOf(bytes.subarray(whole))) * M)
  hash = wrap((hash ^ (hash >> 47n)) * M)
  return (hash ^ (hash >> 47n)).toString(16).padStart(16, '0')
}
