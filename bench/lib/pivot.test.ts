// Tables of two dimensions: rows and columns in the order of their measures, columns without values
// left out, one verdict per line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row } from './bench.ts'
import { isPivot, pivotHeader, pivotRows } from './pivot.ts'
import { makeRow } from './result.ts'

function row(name: string, column: string, values: readonly [number, number] | null): Row {
  const measure = {
    name: `${name}, ${column}`,
    unit: 'µs',
    better: 'lower',
    target: { of: 'ratio', limit: 2 },
    cell: { row: name, column },
  } as const
  const [subject, reference] = values ?? []
  return makeRow(measure, {
    subject: subject === undefined ? [] : [subject],
    reference: reference === undefined ? [] : [reference],
  })
}

test('cells stand where their measures say, and a line is met when all of its cells are', () => {
  const rows = [
    row('LINDEX', '10^3', [1, 2]),
    row('LINDEX', '10^4', [3, 2]),
    row('LINDEX', '10^7', null),
    row('LSET', '10^4', [5, 2]),
    row('LSET', '10^7', null),
  ]
  assert.ok(isPivot(rows))
  assert.deepEqual(pivotHeader(rows, 'a : b'), ['a : b', '10^3', '10^4', ''])
  assert.deepEqual(pivotRows(rows), [
    ['LINDEX', '1.00 : 2.00', '3.00 : 2.00', 'met'],
    ['LSET', '', '5.00 : 2.00', 'missed'],
  ])
})

test('a line without targets has no verdict', () => {
  const measure = { name: 'x', unit: 'ms', cell: { row: 'x', column: 'y' } }
  const rows = [makeRow(measure, { subject: [1], reference: [] })]
  assert.deepEqual(pivotRows(rows), [['x', '1.00 : –', '']])
})

test('measures without cells make a plain table', () => {
  assert.equal(
    isPivot([makeRow({ name: 'x', unit: 'ms' }, { subject: [1], reference: [2] })]),
    false,
  )
})
