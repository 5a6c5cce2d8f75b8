// Goal: numbers are read exactly as strictly as Redis reads them, and written as it writes them.
// Method: tables, whose verdicts were taken from redis-server 7.0.15; random round trips.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatDouble,
  integerLength,
  latin1,
  matchesWord,
  parseDouble,
  parseInteger,
  textOf,
  toLowerCase,
  writeDouble,
  writeInteger,
} from './bytes.ts'
import { Random } from './random.ts'

/** Parses the text in the middle of other bytes, which must not matter. */
function inside<T>(text: string, parse: (b: Uint8Array, s: number, l: number) => T): T {
  return parse(latin1(`9${text}9`), 1, text.length)
}

const INTEGERS: [string, number | bigint | null][] = [
  ['0', 0],
  ['1', 1],
  ['-1', -1],
  ['10', 10],
  ['123456789012345', 123456789012345],
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', 9007199254740992n],
  ['9223372036854775807', 9223372036854775807n],
  ['9223372036854775808', null],
  ['-9223372036854775808', -9223372036854775808n],
  ['-9223372036854775809', null],
  ['99999999999999999999', null],
  ['123456789012345678901', null],
  ['', null],
  ['-', null],
  ['+1', null],
  ['01', null],
  ['-0', null],
  ['-01', null],
  ['00', null],
  [' 1', null],
  ['1 ', null],
  ['1a', null],
  ['1.0', null],
  ['0x10', null],
  ['--1', null],
  ['1234567890123456a', null],
  ['-1234567890123456-', null],
  ['1\0', null],
]

test('integers: canonical spelling, 64 bits', () => {
  for (const [text, value] of INTEGERS) assert.equal(inside(text, parseInteger), value, text)
})

const DOUBLES: [string, number | null][] = [
  ['0', 0],
  ['1', 1],
  ['-1', -1],
  ['+1', 1],
  ['007', 7],
  ['1.', 1],
  ['.5', 0.5],
  ['1e3', 1000],
  ['1E-3', 0.001],
  ['3.1', 3.1],
  ['-0', -0],
  ['-0.0', -0],
  ['1e-320', 1e-320],
  ['123456789012345678', 123456789012345680],
  ['0x10', 16],
  ['0x.8p1', 1],
  ['-0xAp-1', -5],
  ['0x1.8P3', 12],
  ['0x1p-1074', 5e-324],
  ['0x1.fffffffffffff8p0', 2],
  ['0x', null],
  ['0x1p', null],
  ['0x.p1', null],
  ['0x1p1024', null],
  ['0x1p-1080', null],
  ['inf', Infinity],
  ['-iNf', -Infinity],
  ['+infinity', Infinity],
  ['infinit', null],
  ['nan', null],
  ['', null],
  ['-', null],
  ['.', null],
  ['1e', null],
  ['1e400', null],
  ['-1e400', null],
  ['1e-400', null],
  ['0e-400', 0],
  ['0e5', 0],
  [' 1', null],
  ['1 ', null],
  ['1_0', null],
  ['1,5', null],
  ['1\0', null],
]

test('doubles: what strtod reads, whole, never NaN', () => {
  for (const [text, value] of DOUBLES) {
    assert.ok(Object.is(inside(text, parseDouble), value), `${text} is ${value}`)
  }
})

const FORMATS: [number, string][] = [
  // An exact half of the last place goes to the even digit.
  [2037237346062722 + 0.25, '2037237346062722.2'],
  [2037237346062722 + 0.75, '2037237346062722.8'],
  [-2037237346062722 - 0.25, '-2037237346062722.2'],
  [2 ** -25, '2.9802322387695312e-08'],
  [3 * 2 ** -24, '1.7881393432617188e-07'],
  [0, '0'],
  [-0, '-0'],
  [1, '1'],
  [-5, '-5'],
  [3.1, '3.1000000000000001'],
  [0.5, '0.5'],
  [1e16, '10000000000000000'],
  [1e17, '1e+17'],
  [123456789012345680, '1.2345678901234568e+17'],
  [1e300, '1.0000000000000001e+300'],
  [0.0001, '0.0001'],
  [-1e-5, '-1.0000000000000001e-05'],
  [0.00012, '0.00012'],
  [5e-324, '4.9406564584124654e-324'],
  [Infinity, 'inf'],
  [-Infinity, '-inf'],
  [NaN, 'nan'],
  [100, '100'],
  [1e15 + 0.5, '1000000000000000.5'],
]

test('doubles are written as %.17g', () => {
  const bytes = new Uint8Array(64)
  for (const [value, text] of FORMATS) {
    assert.equal(formatDouble(value), text)
    assert.equal(textOf(bytes, 3, writeDouble(bytes, 3, value) - 3), text)
  }
})

test('integers are written digit by digit, at every length', () => {
  const bytes = new Uint8Array(64)
  const values: (number | bigint)[] = [9223372036854775807n, -9223372036854775808n]
  for (let power = 1; power <= Number.MAX_SAFE_INTEGER; power *= 10) {
    for (const near of [power - 1, power, power + 1, 2147483647 + power]) {
      if (Number.isSafeInteger(near)) values.push(near, near === 0 ? 0 : -near)
    }
  }
  for (const value of values) {
    bytes.fill(0x21)
    const end = writeInteger(bytes, 5, value)
    assert.equal(textOf(bytes, 5, end - 5), String(value))
    assert.equal(bytes[end], 0x21, 'nothing behind the number is written')
    if (typeof value === 'number') assert.equal(integerLength(value), end - 5)
  }
})

test('random numbers survive writing and reading', () => {
  const seed = Number(process.env['SEED'] ?? 20261)
  console.log(`SEED=${seed}`)
  const random = new Random(seed)
  const words = new Uint32Array(2)
  const asDouble = new Float64Array(words.buffer)
  const bytes = new Uint8Array(64)
  for (let i = 0; i < 5000; i++) {
    words[0] = random.u32()
    words[1] = random.u32()
    const value = asDouble[0]!
    if (!Number.isFinite(value)) continue
    assert.equal(parseDouble(bytes, 0, writeDouble(bytes, 0, value)), value)
    const integer = Math.trunc((random.float() - 0.5) * 2 ** random.below(54))
    const end = writeInteger(bytes, 0, integer + 0)
    assert.equal(parseInteger(bytes, 0, end), integer + 0)
  }
})

test('words match in any case, and nothing else folds', () => {
  const word = latin1('ex@[')
  assert.ok(inside('EX@[', (b, s, l) => matchesWord(b, s, l, word)))
  assert.ok(inside('eX@[', (b, s, l) => matchesWord(b, s, l, word)))
  for (const other of ['ex`[', 'ex@{', 'ex@', 'ex@[[', 'e\x18@[']) {
    assert.equal(
      inside(other, (b, s, l) => matchesWord(b, s, l, word)),
      false,
      other,
    )
  }
  assert.equal(textOf(toLowerCase(latin1('xAZ[@\xc0'), 1, 5), 0, 5), 'az[@\xc0')
})
