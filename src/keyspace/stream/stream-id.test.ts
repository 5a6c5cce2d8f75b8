// Goal: IDs are read as Redis 7.0 reads them, and order, step and print over all 128 bits. Method:
// tables with limits, and random IDs against BigInt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { IdForm, StreamId } from './stream-id.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const U64 = 2n ** 64n

function parse(text: string, missing = 0): string {
  const bytes = Buffer.from(`x${text}9`, 'latin1')
  const id = new StreamId()
  const form = id.parse(bytes, 1, text.length, missing)
  if (form === IdForm.Invalid) return 'invalid'
  return form === IdForm.AnySequence ? `${id}*` : String(id)
}

function idOf(value: bigint): StreamId {
  const id = new StreamId()
  for (let i = 0; i < 4; i++) id.words[i] = Number((value >> BigInt(96 - 32 * i)) & 0xffffffffn)
  return id
}

function integerOf(id: StreamId): bigint {
  return id.words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
}

test('texts are IDs where they are for Redis', () => {
  const rows: [string, string][] = [
    ['0', '0-0'],
    ['5', '5-0'],
    ['5-3', '5-3'],
    ['5-*', '5-0*'],
    ['1526985054069-0', '1526985054069-0'],
    ['18446744073709551615-18446744073709551615', '18446744073709551615-18446744073709551615'],
    ['9007199254740993-9007199254740992', '9007199254740993-9007199254740992'],
    ['007-01', '7-1'],
    [' 7-\t1', '7-1'],
    ['+7-+1', '7-1'],
    ['-07', 'invalid'],
    ['7\0x', '7-0'],
    ['7-1\0x', '7-1'],
    ['18446744073709551616', 'invalid'],
    ['5-18446744073709551616', 'invalid'],
    ['', 'invalid'],
    ['-', 'invalid'],
    ['+', 'invalid'],
    ['5-', 'invalid'],
    ['-5', 'invalid'],
    ['5--5', 'invalid'],
    ['5-1-1', 'invalid'],
    ['*', 'invalid'],
    ['5-**', 'invalid'],
    ['x', 'invalid'],
    ['5 ', 'invalid'],
    [`${'0'.repeat(126)}1`, '1-0'],
    [`${'0'.repeat(127)}1`, 'invalid'],
  ]
  for (const [text, expected] of rows) assert.equal(parse(text), expected, JSON.stringify(text))
})

test('a missing sequence is the first one or the last', () => {
  assert.equal(parse('5', 0xffffffff), '5-18446744073709551615')
  assert.equal(parse('05', 0xffffffff), '5-18446744073709551615')
  assert.equal(parse('5-1', 0xffffffff), '5-1')
})

test('the first and the last ID step only inwards', () => {
  const first = new StreamId().setMin()
  const last = new StreamId().setMax()
  assert.equal(first.decrement(), false)
  assert.equal(last.increment(), false)
  assert.equal(last.incrementSequence(), false)
  assert.equal(String(first), '0-0')
  assert.ok(last.decrement())
  assert.equal(String(last), '18446744073709551615-18446744073709551614')
})

test('random IDs order, step, print and travel as bytes like integers of 128 bits', () => {
  const random = new Random(SEED)
  const values: bigint[] = []
  for (let i = 0; i < 400; i++) {
    let value = 0n
    // Words of all zeros and all ones are where carries are.
    for (let k = 0; k < 4; k++) {
      const word = [0, 0xffffffff, random.u32()][random.below(3)]!
      value = (value << 32n) | BigInt(word)
    }
    values.push(value)
  }
  const bytes = new Uint8Array(20)
  for (const [i, value] of values.entries()) {
    const id = idOf(value)
    assert.equal(String(id), `${value / U64}-${value % U64}`, `SEED=${SEED}`)
    assert.equal(parse(String(id)), String(id))
    id.writeBytes(bytes, 3)
    assert.equal(integerOf(new StreamId().setBytes(bytes, 3)), value)
    const other = values[(i * 7 + 1) % values.length]!
    assert.equal(id.compare(idOf(other)), value < other ? -1 : value > other ? 1 : 0)
    assert.equal(id.isZero, value === 0n)
    const next = idOf(value)
    assert.equal(next.increment(), value !== U64 * U64 - 1n)
    if (value !== U64 * U64 - 1n) assert.equal(integerOf(next), value + 1n)
    const before = idOf(value)
    assert.equal(before.decrement(), value !== 0n)
    if (value !== 0n) assert.equal(integerOf(before), value - 1n)
    const sequence = idOf(value)
    assert.equal(sequence.incrementSequence(), value % U64 !== U64 - 1n)
  }
})
