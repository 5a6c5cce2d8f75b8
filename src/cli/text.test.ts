// Goal: results read well: sizes, names of any bytes, tables. Method: table tests.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteText, keyText, tableText } from './text.ts'

test('sizes have three digits and a unit', () => {
  const rows: [bytes: number, text: string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [15_000, '14.6 KiB'],
    [512_000, '500 KiB'],
    [3_221_225_472, '3.00 GiB'],
    [5e15, '4547 TiB'],
  ]
  for (const [bytes, text] of rows) assert.equal(byteText(bytes), text)
})

test('names stay on one line, whatever bytes they have', () => {
  const rows: [key: string | number[], text: string][] = [
    ['user:1', 'user:1'],
    ['café 鍵', 'café 鍵'],
    ['a\nb', 'a\\x0ab'],
    [[0xff, 0x41, 0x5c], '\\xffA\\x5c'],
    [[0x1b, 0x5b, 0x4b], '\\x1b[K'],
    ['', ''],
  ]
  for (const [key, text] of rows) assert.equal(keyText(Buffer.from(key as string)), text)
})

test('columns of a table stand under each other', () => {
  assert.equal(
    tableText(
      [
        ['a', 'n', 'name'],
        ['long', '10', 'x'],
      ],
      1,
    ),
    'a      n  name\nlong  10     x\n',
  )
})
