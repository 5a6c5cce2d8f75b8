// Goal: sums and texts are those of C's 80-bit long double. Method: a table whose results were
// taken from redis-server 7.0.15 (INCRBYFLOAT), and laws that hold for any numbers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { addLongDoubles, formatLongDouble, LD_ZERO, parseLongDouble } from './long-double.ts'

const SEED = Number(process.env['SEED'] ?? 71)

/** What INCRBYFLOAT answers for `a` by `b`; null for "not a valid float". */
const SUMS: readonly (readonly [a: string, b: string, sum: string | null])[] = [
  ['0', '0', '0'],
  ['0.1', '0.2', '0.3'],
  ['10.5', '0.1', '10.6'],
  ['1.23', '-1.1', '0.13'],
  ['-1.5', '1.5', '0'],
  ['-0', '-0.0', '0'],
  ['1e-5', '0', '0.00001'],
  ['-1e-18', '0', '0'],
  ['-6e-18', '0', '-0.00000000000000001'],
  ['5e-18', '0', '0'],
  ['0x1p-60', '0', '0'],
  ['0x1p-57', '0', '0.00000000000000001'],
  ['1', '0.00000000000000001', '1.00000000000000001'],
  ['1e20', '1', '100000000000000000000'],
  ['9223372036854775807', '1', '9223372036854775808'],
  ['18446744073709551615', '1', '18446744073709551616'],
  ['18446744073709551616', '1', '18446744073709551616'],
  ['9007199254740993', '1', '9007199254740994'],
  ['5.0e3', '2.0e2', '5200'],
  ['.5', '5.', '5.5'],
  ['+1', '-2', '-1'],
  ['0x10', '0X.8P3', '20'],
  ['0x1.8p1', '0', '3'],
  ['0x1p-16445', '1', '1'],
  ['0e99999', '1', '1'],
  ['0x0p99999', '1', '1'],
  ['', '1', null],
  ['.', '1', null],
  ['-', '1', null],
  ['1e', '1', null],
  ['0x', '1', null],
  ['0x.p1', '1', null],
  [' 1', '1', null],
  ['1 ', '1', null],
  ['1\0', '1', null],
  ['1,5', '1', null],
  ['nan', '1', null],
  ['1e5000', '1', null],
  ['-1e5000', '1', null],
  ['1e-5000', '1', null],
  ['0x1p16384', '1', null],
  ['0x1p-16446', '1', null],
  ['0x1p99999999999', '1', null],
]

function sum(a: string, b: string): string | null {
  const first = parseLongDouble(a)
  const second = parseLongDouble(b)
  if (first === null || second === null) return null
  const total = addLongDoubles(first, second)
  return total === null ? 'overflow' : formatLongDouble(total)
}

test('sums of texts are what C computes in 80 bits', () => {
  for (const [a, b, expected] of SUMS) assert.equal(sum(a, b), expected, `${a} by ${b}`)
})

test('infinities are numbers, but no sum', () => {
  for (const text of ['inf', '-inf', '+Infinity', 'INF']) assert.equal(sum(text, '1'), 'overflow')
  assert.equal(sum('inf', '-inf'), 'overflow')
  assert.equal(parseLongDouble('infinit'), null)
  assert.equal(sum('1e4932', '1e4932'), 'overflow')
})

test('the largest numbers are written in full', () => {
  const text = sum('1e4932', '0')
  assert.equal(text?.length, 4933)
  assert.ok(text.startsWith('1000000000000000000'))
  assert.equal(parseLongDouble('1'.repeat(5119)), null)
  assert.equal(sum(`0.${'0'.repeat(5117)}`, '1'), '1')
  assert.equal(parseLongDouble(`0.${'0'.repeat(5118)}`), null)
})

test('halves round to even', () => {
  const two64 = 2n ** 64n
  assert.equal(sum(String(two64 + 1n), '0'), String(two64))
  assert.equal(sum(String(two64 + 3n), '0'), String(two64 + 4n))
  assert.equal(sum(`-${two64 + 3n}`, '0'), `-${two64 + 4n}`)
  // Anything beyond a half, however far behind, rounds up.
  assert.equal(sum(`${two64 + 1n}.${'0'.repeat(500)}1`, '0'), String(two64 + 2n))
})

test('random texts: addition commutes, results read as themselves, integers are exact', () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  const sign = () => (random.below(2) === 0 ? 1n : -1n)
  const integer = () => BigInt(random.u32()) * BigInt(random.u32()) * sign()
  for (let i = 0; i < 2000; i++) {
    const a = integer()
    const b = integer()
    const small = (a + b) / 4n
    assert.equal(sum(String(a / 4n), String(small - a / 4n)), String(small))
    const scaled = `${a}e${random.below(40) - 30}`
    const other = `${b}e${random.below(40) - 30}`
    const text = sum(scaled, other)
    assert.ok(text !== null)
    assert.equal(sum(other, scaled), text, `${scaled} and ${other}`)
    const again = parseLongDouble(text)
    assert.ok(again !== null)
    const whole = text.includes('.') ? null : addLongDoubles(again, LD_ZERO)
    if (whole !== null) assert.equal(formatLongDouble(whole), text)
  }
})
