// Goal: any bytes survive the text layer, and arguments, sizes and numbers are read as Redis reads
// them. Method: tables of single cases; seeded random round trips.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import {
  decodeText,
  encodeText,
  formatBytes,
  parseBytes,
  parseInteger,
  parseLooseInteger,
  quoteText,
  splitArguments,
  splitSpaces,
} from './config-text.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const ROUNDS = 3000

test('a line is split into arguments', () => {
  const cases: readonly (readonly [line: string, expected: readonly string[] | null])[] = [
    ['', []],
    ['  \t ', []],
    ['a', ['a']],
    [' a  b\tc ', ['a', 'b', 'c']],
    ['a ""', ['a', '']],
    ["a ''", ['a', '']],
    ['"a b" c', ['a b', 'c']],
    ["'a b' c", ['a b', 'c']],
    ['"a\\"b"', ['a"b']],
    ["'a\\'b\\n'", ["a'b\\n"]],
    ['"\\n\\r\\t\\b\\a\\q\\\\"', ['\n\r\t\b\x07q\\']],
    ['"\\x41\\x4g"', ['Ax4g']],
    ['"\\xc3\\xa9"', ['é']],
    ['"\\xff"', ['\udcff']],
    ['a"b c"', ['ab c']],
    ["a'b c' d", ['ab c', 'd']],
    ['"a"b', null],
    ["'a'b", null],
    ['"a', null],
    ["'a", null],
    ['"a\\', null],
    ['a\\ b', ['a\\', 'b']],
    ['a#b # c', ['a#b', '#', 'c']],
  ]
  for (const [line, expected] of cases) assert.deepEqual(splitArguments(line), expected, line)
})

test('a value of CONFIG SET is cut at every space', () => {
  assert.deepEqual(splitSpaces(''), [])
  assert.deepEqual(splitSpaces('a'), ['a'])
  assert.deepEqual(splitSpaces('a  b '), ['a', '', 'b', ''])
})

test('any bytes become text and the same bytes again, quoted or not', () => {
  const random = new Random(SEED)
  const pieces = ['a', ' ', '"', "'", '\\', 'é', '\u{1f600}', '\ufffd', '\udcff', '\udc80', '\n']
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = Buffer.alloc(random.below(12))
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(2) ? random.below(256) : 0xe2
    const text = decodeText(bytes)
    assert.deepEqual(encodeText(text), bytes, `SEED=${SEED} ${bytes.toString('hex')}`)
    let made = ''
    for (let i = random.below(8); i > 0; i--) made += pieces[random.below(pieces.length)]
    for (const each of [text, made]) {
      const quoted = quoteText(each)
      assert.match(quoted, /^[\x20-\x7e]*$/)
      const again = splitArguments(`x ${quoted}`)
      assert.deepEqual(encodeText(again?.[1] ?? '?'), encodeText(each), `SEED=${SEED} ${quoted}`)
    }
  }
})

test('sizes are read with their units and written with the largest that fits', () => {
  const cases: readonly (readonly [string, bigint | null, string?])[] = [
    ['0', 0n, '0'],
    ['', 0n, '0'],
    ['1', 1n, '1'],
    ['1b', 1n, '1'],
    ['1k', 1000n, '1000'],
    ['1kb', 1024n, '1kb'],
    ['1M', 1000000n, '1000000'],
    ['1mB', 1048576n, '1mb'],
    ['1g', 1000000000n, '1000000000'],
    ['3GB', 3221225472n, '3gb'],
    ['1536kb', 1572864n, '1536kb'],
    ['18446744073709551615', 18446744073709551615n, '18446744073709551615'],
    ['18446744073709551616', null],
    ['99999999999gb', null],
    ['-1', null],
    ['+1', null],
    ['1.5gb', null],
    ['1tb', null],
    ['1 kb', null],
    ['10%', null],
    ['kb', 0n, '0'],
  ]
  for (const [text, expected, written] of cases) {
    const found = parseBytes(text)
    assert.equal(found, expected, text)
    if (found !== null) assert.equal(formatBytes(found), written)
  }
})

test('whole numbers are strict, those that C reads are not', () => {
  const cases: readonly (readonly [string, bigint | null, bigint | null])[] = [
    ['0', 0n, 0n],
    ['-1', -1n, -1n],
    ['-0', null, 0n],
    ['05', null, 5n],
    ['+5', null, 5n],
    [' 5', null, 5n],
    ['5 ', null, null],
    ['', null, 0n],
    ['0x10', null, null],
    ['9223372036854775807', 9223372036854775807n, 9223372036854775807n],
    ['9223372036854775808', null, null],
    ['-9223372036854775808', -9223372036854775808n, -9223372036854775808n],
  ]
  for (const [text, strict, loose] of cases) {
    assert.equal(parseInteger(text), strict, text)
    assert.equal(parseLooseInteger(text), loose, text)
  }
  assert.equal(parseLooseInteger('0755', 8), 0o755n)
  assert.equal(parseLooseInteger('8', 8), null)
})
