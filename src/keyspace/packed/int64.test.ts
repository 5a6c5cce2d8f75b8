// Goal: Int64 reads and writes what BigInt does, at every limit. Method: tables of limits, then
// seeded random integers of every width and texts near to integers, against BigInt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseInteger } from '../../base/bytes.ts'
import { Random } from '../../base/random.ts'
import { Int64 } from './int64.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const BUFFER = Buffer.alloc(32)

function parse(text: string): Int64 | null {
  const bytes = Buffer.from(`x${text}9`, 'latin1')
  const value = new Int64()
  return value.parse(bytes, 1, text.length) ? value : null
}

function textOf(value: Int64): string {
  const limit = value.writeText(BUFFER, 3)
  assert.equal(limit - 3, value.textLength)
  return BUFFER.toString('latin1', 3, limit)
}

test('integers come back as the text and the number they were', () => {
  const limits = [0n, 9n, 10n, 127n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 10n ** 15n, 10n ** 18n]
  const values = [2n ** 63n - 1n, -(2n ** 63n), -(2n ** 63n) + 1n]
  for (const limit of limits) {
    for (const near of [-1n, 0n, 1n]) values.push(limit + near, -limit + near)
  }
  for (const expected of values) {
    const value = parse(String(expected))
    assert.ok(value, String(expected))
    assert.equal(textOf(value), String(expected))
    assert.equal(BigInt(value.value), expected)
    assert.equal(value.double, Number(expected))
    assert.equal(typeof value.value, Number.isSafeInteger(Number(expected)) ? 'number' : 'bigint')
    const again = new Int64()
    again.set(value.value)
    assert.ok(again.equals(value))
  }
})

test('what Redis would not print is no integer', () => {
  const texts = ['', '-', '-0', '00', '01', '-01', '+1', ' 1', '1 ', '1a', 'a', '/', ':', '1:']
  texts.push('9223372036854775808', '-9223372036854775809', '10000000000000000000')
  texts.push('18446744073709551617', '99999999999999999999', '-99999999999999999999')
  texts.push('12345678901234567a', '1234567a901234567', '--1', '1-', '123456789012345678901')
  for (const text of texts) assert.equal(parse(text), null, text)
})

test('order is that of the integers', () => {
  const values = [-(2n ** 63n), -(2n ** 32n) - 1n, -(2n ** 32n), -1n, 0n, 1n, 2n ** 31n, 2n ** 32n]
  values.push(2n ** 63n - 1n)
  const sorted = values.map((value) => parse(String(value)) as Int64)
  for (let i = 0; i < sorted.length; i++) {
    for (let k = 0; k < sorted.length; k++) {
      assert.equal(sorted[i]!.compare(sorted[k]!), Math.sign(i - k), `${values[i]} ${values[k]}`)
    }
  }
})

test('random integers and random near-integers agree with the parser of base', () => {
  const random = new Random(SEED)
  const alphabet = '0123456789-:/ '
  for (let round = 0; round < 20_000; round++) {
    const wide = (BigInt(random.u32()) << 32n) | BigInt(random.u32())
    let text = String(BigInt.asIntN(1 + random.below(64), wide))
    if (random.below(3) === 0) {
      const at = random.below(text.length + 1)
      text = text.slice(0, at) + alphabet[random.below(alphabet.length)] + text.slice(at)
    }
    const expected = parseInteger(Buffer.from(text, 'latin1'), 0, text.length)
    const found = parse(text)
    assert.equal(found?.value ?? null, expected, `SEED=${SEED} ${text}`)
    if (found) assert.equal(textOf(found), text, `SEED=${SEED}`)
  }
})
