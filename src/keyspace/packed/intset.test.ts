// Goal: intsets are Redis's to the byte and agree with a sorted array. Method: literal bytes of
// DUMP payloads of redis-server 7.0.15; a model of random changes at all widths; damage.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Int64 } from './int64.ts'
import * as intset from './intset.ts'
import { PackedEntry } from './packed.ts'
import { hex } from './test-packed.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const ENTRY = new PackedEntry()
const START = 3

function int64(value: bigint): Int64 {
  const result = new Int64()
  result.set(Number.isSafeInteger(Number(value)) ? Number(value) : value)
  return result
}

/** Inserts a member; false when it is there. Checks that the room foretold is the room taken. */
function insert(bytes: Uint8Array, member: bigint): boolean {
  const value = int64(member)
  const index = intset.find(bytes, START, value)
  if (index >= 0) return false
  const foretold = intset.totalBytesWith(bytes, START, value)
  assert.equal(intset.insertAt(bytes, START, -1 - index, value), foretold)
  assert.equal(intset.totalBytes(bytes, START), foretold)
  return true
}

function membersOf(bytes: Uint8Array): bigint[] {
  const members: bigint[] = []
  for (let i = 0; i < intset.count(bytes, START); i++) {
    intset.readEntry(bytes, START, i, ENTRY)
    assert.ok(ENTRY.isInteger)
    members.push(BigInt(ENTRY.integer))
  }
  return members
}

function setOf(...members: bigint[]): Uint8Array {
  const bytes = new Uint8Array(START + 8 + 8 * members.length)
  intset.writeEmpty(bytes, START)
  for (const member of members) assert.ok(insert(bytes, member))
  return bytes.slice(START, START + intset.totalBytes(bytes, START))
}

test('members are encoded as Redis does', () => {
  const rows: [bigint[], string][] = [
    [[], '0200000000000000'],
    [[1n, 2n, 3n], '0200000003000000 010002000300'],
    [[-32768n, 32767n], '0200000002000000 0080ff7f'],
    [[1n, 70000n, -5n], '0400000003000000 fbffffff 01000000 70110100'],
    [
      [5n, 2n ** 63n - 1n, -(2n ** 63n), -1n, 2n ** 32n],
      '0800000005000000 0000000000000080 ffffffffffffffff 0500000000000000' +
        '0000000001000000 ffffffffffffff7f',
    ],
  ]
  for (const [members, digits] of rows) {
    assert.deepEqual(setOf(...members), hex(digits))
    assert.ok(intset.validate(hex(digits), 0, hex(digits).length))
  }
})

test('a set stays wide when its widest member goes', () => {
  const bytes = new Uint8Array(64)
  intset.writeEmpty(bytes, START)
  insert(bytes, 1n)
  insert(bytes, 100000n)
  assert.equal(intset.removeAt(bytes, START, 1), 12)
  assert.deepEqual(bytes.slice(START, START + 12), hex('0400000001000000 01000000'))
})

test('random inserts and removals agree with a sorted array, at every width', () => {
  const random = new Random(SEED)
  for (const bits of [7, 16, 17, 32, 33, 53, 64]) {
    const bytes = new Uint8Array(START + 8 + 8 * 400 + 1).fill(0xaa)
    intset.writeEmpty(bytes, START)
    const model = new Set<bigint>()
    for (let round = 0; round < 600; round++) {
      const wide = (BigInt(random.u32()) << 32n) | BigInt(random.u32())
      const member = BigInt.asIntN(1 + random.below(bits), wide)
      const index = intset.find(bytes, START, int64(member))
      assert.equal(index >= 0, model.has(member), `SEED=${SEED} ${member}`)
      if (index >= 0 && random.below(2) === 0) {
        intset.removeAt(bytes, START, index)
        model.delete(member)
      } else if (model.size < 399) {
        assert.equal(insert(bytes, member), !model.has(member))
        model.add(member)
      }
    }
    const sorted = [...model].sort((a, b) => (a < b ? -1 : 1))
    assert.deepEqual(membersOf(bytes), sorted, `SEED=${SEED}`)
    assert.ok(intset.validate(bytes, START, intset.totalBytes(bytes, START)))
    assert.equal(bytes[START - 1], 0xaa)
    assert.equal(bytes.at(-1), 0xaa)
  }
})

test('damage is seen', () => {
  const rows = [
    '',
    '02000000000000',
    '0300000001000000 010203',
    '0201000001000000 0100',
    '0000000000000000',
    '0200000002000000 0100',
    '0200000001000000 01000200',
    '0200000002000000 0100 0100',
    '0200000002000000 0100 ffff',
    '0400000002000000 00000100 00000000',
    '0800000002000000 0000000001000000 0000000000000000',
    '0800000002000000 ffffffffffffffff feffffffffffffff',
    '08000000ffffffff 0100000000000000',
  ]
  for (const row of rows) {
    const bytes = hex(row)
    assert.equal(intset.validate(bytes, 0, bytes.length), false, row)
  }
})
