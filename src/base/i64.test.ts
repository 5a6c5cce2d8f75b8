// Goal: sums and products of i64 agree with bigint arithmetic, at and beyond every edge.
// Method: all pairs of a table of edges against the definition.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addI64, type I64, I64_MAX, I64_MIN, negateI64, subtractI64, toI64 } from './i64.ts'

const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const EDGES: bigint[] = [
  0n,
  1n,
  -1n,
  2n,
  10n,
  -7n,
  SAFE,
  -SAFE,
  SAFE + 1n,
  -SAFE - 1n,
  SAFE + 2n,
  3037000499n,
  3037000500n,
  I64_MAX,
  I64_MIN,
  I64_MAX - 1n,
  I64_MIN + 1n,
]

function expected(value: bigint): I64 | null {
  if (value < I64_MIN || value > I64_MAX) return null
  return value >= -SAFE && value <= SAFE ? Number(value) : value
}

test('every pair of edges adds and subtracts as bigints do', () => {
  for (const x of EDGES) {
    for (const y of EDGES) {
      const a = toI64(x)!
      const b = toI64(y)!
      assert.equal(addI64(a, b), expected(x + y), `${x} + ${y}`)
      assert.equal(subtractI64(a, b), expected(x - y), `${x} - ${y}`)
    }
  }
})

test('the least value has no opposite', () => {
  assert.equal(negateI64(I64_MIN), null)
  assert.equal(negateI64(I64_MAX), -I64_MAX)
  assert.ok(Object.is(negateI64(0), 0))
})
