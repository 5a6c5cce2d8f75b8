// Bit commands against a plain model: a string of '0' and '1', changed and searched by JavaScript's
// own means, on strings short enough to lie in a cell and long enough to be read by words. Then the
// events, the counted changes, and a full arena.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Cut } from '../memory/cut.ts'
import { PageKind } from '../memory/layout.ts'
import { PageChecker } from '../memory/page-checker.ts'
import { refuseBuffers } from '../memory/test-refusal.ts'
import { Harness, runChanges } from './harness.ts'

const SEED = Number(process.env.SEED ?? 5)
const KEYS = ['a', 'b', 'c', 'd']
const OPERATIONS = ['AND', 'OR', 'XOR', 'NOT']
const TURNS = 3000

/** What a key holds, one character a bit. */
type Model = Map<string, string>

test('SETBIT, BITCOUNT, BITPOS and BITOP do as the model does', () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  const model: Model = new Map()
  for (let turn = 0; turn < TURNS; turn++) {
    const key = pick(random, KEYS)
    const bits = model.get(key) ?? ''
    switch (random.below(5)) {
      case 0:
        checkSet(harness, model, key, random)
        break
      case 1:
        checkCombine(harness, model, random)
        break
      case 2: {
        const [start, end] = ends(random, bits.length)
        const ones = [...part(bits, start, end)].filter((bit) => bit === '1').length
        // Two negative ends in the wrong order are nothing, wherever they lie.
        const expected = start < 0 && end < 0 && start > end ? 0 : ones
        assert.equal(harness.run('BITCOUNT', key, start, end, 'BIT'), expected)
        break
      }
      case 3: {
        const [start, end] = ends(random, bits.length)
        const bit = random.below(2)
        // Without a key there are only zeros.
        const none = bits === '' && bit === 0 ? 0 : -1
        const within = part(bits, start, end).indexOf(String(bit))
        const expected = within < 0 ? none : within + fromEnd(start, bits.length)
        assert.equal(harness.run('BITPOS', key, bit, start, end, 'BIT'), expected)
        break
      }
      default:
        assert.equal(harness.run('GET', key), bits === '' ? null : textOf(bits))
    }
  }
  harness.keyspace.check()
})

test('BITOP works large strings of different lengths through in parts', () => {
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  const sources = [200_003, 65_537, 131_072, 500].map((length, i) => {
    const bytes = Uint8Array.from({ length }, () => random.below(256))
    harness.run('SET', `s${i}`, bytes)
    return bytes
  })
  const columns = Array.from({ length: 200_003 }, (_, i) => sources.map((bytes) => bytes[i] ?? 0))
  const rows: [operation: string, combine: (a: number, b: number) => number][] = [
    ['AND', (a, b) => a & b],
    ['OR', (a, b) => a | b],
    ['XOR', (a, b) => a ^ b],
  ]
  for (const [operation, combine] of rows) {
    assert.equal(harness.run('BITOP', operation, 'd', 's1', 's0', 's2', 's3'), 200_003)
    const expected = Buffer.from(columns.map((column) => column.reduce(combine)))
    assert.ok(harness.run('GET', 'd') === expected.toString('latin1'), operation)
  }
  assert.equal(harness.run('BITOP', 'NOT', 'd', 's0'), 200_003)
  const inverted = Buffer.from(sources[0]!.map((byte) => ~byte))
  assert.ok(harness.run('GET', 'd') === inverted.toString('latin1'), 'NOT')
})

test('BITFIELD keeps integers as BigInt does', () => {
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  let bits = 0n
  const total = 400
  harness.run('SETBIT', 'k', total - 1, 0)
  for (let turn = 0; turn < TURNS; turn++) {
    const isSigned = random.below(2) === 0
    const width = 1 + random.below(isSigned ? 64 : 63)
    const offset = random.below(total - width)
    const shift = BigInt(total - offset - width)
    const mask = (1n << BigInt(width)) - 1n
    const raw = (bits >> shift) & mask
    const read = (value: bigint) =>
      isSigned ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value)
    const amount = BigInt.asIntN(1 + random.below(64), randomBits(random))
    const max = isSigned ? mask >> 1n : mask
    const min = isSigned ? -max - 1n : 0n
    const overflow = pick(random, ['WRAP', 'SAT', 'FAIL'])
    const isSet = random.below(2) === 0
    const exact = isSet ? amount : read(raw) + amount
    const isOut = exact < min || exact > max
    // A negative number in a field without a sign is a very large one.
    const nearest = exact > max || (isSet && !isSigned) ? max : min
    const saturated = isOut ? nearest : exact
    const next = overflow === 'SAT' ? saturated : read(exact)
    const type = `${isSigned ? 'i' : 'u'}${width}`
    const word = isSet ? 'SET' : 'INCRBY'
    const answer = harness.run('BITFIELD', 'k', 'OVERFLOW', overflow, word, type, offset, amount)
    const row = `${overflow} ${word} ${type} ${offset} ${amount}`
    if (overflow === 'FAIL' && isOut) {
      assert.deepEqual(answer, [null], row)
      continue
    }
    assert.deepEqual(answer, [plain(isSet ? read(raw) : next)], row)
    bits = (bits & ~(mask << shift)) | ((next & mask) << shift)
    assert.deepEqual(harness.run('BITFIELD_RO', 'k', 'GET', type, offset), [plain(next)], row)
  }
  assert.equal(harness.run('GET', 'k'), textOf(bits.toString(2).padStart(total, '0')))
})

test('changes of bits are counted as in Redis', () => {
  runChanges([
    ['SETBIT k 3 0', 0, 1],
    ['SETBIT k 3 0', 0, 0],
    ['SETBIT k 3 1', 0, 1],
    ['SETBIT k 100 0', 0, 1],
    ['BITFIELD f SET u8 0 0', [0], 1],
    ['BITFIELD f SET u8 0 0', [0], 0],
    ['BITFIELD f SET u8 0 5 INCRBY u8 0 1 INCRBY u8 8 0', [0, 6, 0], 3],
    ['BITFIELD f OVERFLOW FAIL SET u2 0 9', [null], 0],
    ['BITOP AND d none', 0, 0],
    ['BITOP OR d k', 13, 1],
    ['BITOP OR d none', 0, 1],
  ])
})

test('events of bits', () => {
  const harness = new Harness()
  const events = (command: string) => {
    harness.run(...command.split(' '))
    return harness.observer.takeEvents()
  }
  assert.deepEqual(events('SETBIT k 3 1'), ['0 k $ setbit'])
  assert.deepEqual(events('SETBIT k 3 1'), [])
  assert.deepEqual(events('BITFIELD k GET u8 0'), [])
  assert.deepEqual(events('BITFIELD k SET u8 0 9 SET u8 8 9'), ['0 k $ setbit'])
  assert.deepEqual(events('BITOP NOT d k'), ['0 d $ set'])
  assert.deepEqual(events('BITOP NOT d none'), ['0 d g del'])
  // Redis knows no event for a write that fails, but makes the string: WATCH must hear of it.
  harness.observer.touches.length = 0
  assert.deepEqual(events('BITFIELD new OVERFLOW FAIL SET u2 0 9'), [])
  assert.deepEqual(harness.observer.touches, ['0 new'])
})

test('BITOP without room for the result changes nothing', () => {
  const harness = new Harness()
  const length = 40_000_000
  harness.run('SETBIT', 'k', 8 * length - 1, 1)
  harness.run('SETBIT', 'd', 1, 1)
  const before = harness.keyspace.usedBytes
  const refusals = refuseBuffers(0, () => {
    assert.throws(() => harness.run('BITOP', 'OR', 'd', 'k', 'd'))
    assert.throws(() => harness.run('BITOP', 'OR', 'new', 'k', 'd'))
    assert.throws(() => harness.run('SETBIT', 'd', 8 * length, 1))
    assert.throws(() => harness.run('BITFIELD', 'new', 'SET', 'u8', 8 * length, 1))
  })
  assert.equal(refusals > 0, true)
  assert.equal(harness.run('GET', 'd'), '\x40')
  assert.equal(harness.run('EXISTS', 'new'), 0)
  assert.equal(harness.keyspace.usedBytes, before)
  harness.keyspace.check()
})

test('no byte of a cut changes that was not touched', () => {
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  const { arena } = harness.keyspace
  const commands = ['SETBIT', 'BITFIELD', 'BITOP', 'PFADD', 'PFCOUNT', 'PFMERGE'] as const
  const turn = () => {
    const key = pick(random, KEYS)
    const at = random.below(pick(random, [50, 2000, 300_000]))
    const sketch = pick(random, ['s', 't'])
    const name = pick(random, commands)
    if (name === 'SETBIT') harness.run(name, key, at, random.below(2))
    else if (name === 'BITFIELD') harness.run(name, key, 'INCRBY', 'u40', at, random.below(1e6))
    else if (name === 'BITOP') harness.run(name, 'XOR', key, key, pick(random, KEYS))
    else if (name === 'PFADD') harness.run(name, sketch, `e${random.below(9000)}`, at)
    else if (name === 'PFCOUNT') harness.run(name, sketch)
    else harness.run(name, sketch, 's', 't')
  }
  for (let i = 0; i < 2000; i++) turn()
  const unread = arena.doneState
  // Nobody reads the cut, so the reserve must hold all that is touched.
  const cut = new Cut(arena, 4096, { monotonicUs: () => 0, relieve: null })
  cut.open({ isChecking: false })
  const checker = new PageChecker(arena)
  const { kind, state } = arena.pages
  // Again and again, because what has been touched once says nothing any more.
  for (let i = 0; i < 60; i++) {
    turn()
    checker.verify((page) => state[page] === unread)
  }
  assert.ok(cut.slotsUsed > 0)
  assert.ok(kind.some((each, page) => each !== PageKind.Free && state[page] === unread))
})

test('results of BITOP take no more room than they need', () => {
  const harness = new Harness()
  harness.run('SETBIT', 'k', 8 * 3_000_000 - 1, 1)
  const before = harness.keyspace.usedBytes
  harness.run('BITOP', 'NOT', 'd', 'k')
  assert.equal(harness.run('BITCOUNT', 'd'), 8 * 3_000_000 - 1)
  const taken = harness.keyspace.usedBytes - before
  assert.ok(taken < 3_000_000 + 32 * 1024, `${taken} bytes`)
})

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!
}

function checkSet(harness: Harness, model: Model, key: string, random: Random): void {
  const bits = model.get(key) ?? ''
  const at = random.below(pick(random, [20, 300, 3000, 12_000]))
  const bit = String(random.below(2))
  assert.equal(harness.run('GETBIT', key, at), Number(bits[at] ?? 0))
  assert.equal(harness.run('SETBIT', key, at, bit), Number(bits[at] ?? 0))
  const padded = bits.padEnd(Math.max(bits.length, at - (at % 8) + 8), '0')
  model.set(key, padded.slice(0, at) + bit + padded.slice(at + 1))
  if (random.below(20) === 0) {
    harness.run('DEL', key)
    model.delete(key)
  }
}

function checkCombine(harness: Harness, model: Model, random: Random): void {
  const operation = pick(random, OPERATIONS)
  const count = operation === 'NOT' ? 1 : 1 + random.below(4)
  const sources = Array.from({ length: count }, () => pick(random, KEYS))
  const target = pick(random, KEYS)
  const values = sources.map((key) => model.get(key) ?? '')
  const length = Math.max(...values.map((value) => value.length))
  const columns = Array.from({ length }, (_, i) => {
    const column = values.map((value) => value[i] ?? '0')
    const ones = column.filter((bit) => bit === '1').length
    if (operation === 'AND') return ones === count ? '1' : '0'
    if (operation === 'OR') return ones > 0 ? '1' : '0'
    if (operation === 'XOR') return ones % 2 === 1 ? '1' : '0'
    return ones === 0 ? '1' : '0'
  })
  const answer = harness.run('BITOP', operation, target, ...sources)
  assert.equal(answer, length / 8, `${operation} ${target} ${sources}`)
  if (length === 0) model.delete(target)
  else model.set(target, columns.join(''))
}

/** Two ends, in any order, inside and outside. */
function ends(random: Random, length: number): [number, number] {
  const one = () => random.below(length * 3 + 10) - length - 5
  return [one(), one()]
}

function fromEnd(index: number, length: number): number {
  return index < 0 ? Math.max(0, length + index) : index
}

function part(bits: string, start: number, end: number): string {
  return bits.slice(fromEnd(start, bits.length), fromEnd(end, bits.length) + 1)
}

/** The bytes that bits make, as latin1 text. */
function textOf(bits: string): string {
  const bytes = bits.match(/.{8}/g) ?? []
  return bytes.map((byte) => String.fromCharCode(Number.parseInt(byte, 2))).join('')
}

function randomBits(random: Random): bigint {
  return (BigInt(random.below(2 ** 31)) << 33n) ^ (BigInt(random.below(2 ** 31)) << 3n)
}

/** As the harness reads integers. */
function plain(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
