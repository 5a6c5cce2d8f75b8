// Goal: sorted sets come out of every form that RDB has for them, damaged ones are refused, and
// large ones go through DUMP and RESTORE unchanged. Method: payloads put together by hand, given to
// RESTORE without a checksum.

import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { Harness, line, OK } from '../../../command/harness.ts'
import { dumpCommands } from '../../dump.ts'

const BAD_FORMAT = line('-ERR Bad data format')

function bench(): Harness {
  const harness = new Harness({ commands: dumpCommands })
  harness.context.limits.isPayloadChecked = false
  return harness
}

/** A payload of a type byte and hexadecimal digits; blanks are for the reader. */
function payload(type: number, digits: string): Uint8Array {
  const body = Buffer.from(digits.replaceAll(' ', ''), 'hex')
  return Buffer.concat([Buffer.from([type]), body, Buffer.from([10, 0]), Buffer.alloc(8)])
}

const PAIRS: readonly (readonly [name: string, type: number, digits: string, pairs: string[]])[] = [
  ['text scores', 3, '03 0162 03 312e35 0161 ff 0163 fe', ['a', '-inf', 'b', '1.5', 'c', 'inf']],
  ['wide scores', 5, '02 0162 0000000000000040 0161 000000000000f03f', ['a', '1', 'b', '2']],
  ['a ziplist', 12, '10 10000000 0d000000 0200 000161 03f2 ff', ['a', '1']],
  [
    'a listpack in a wrong order',
    17,
    '14 14000000 0400 816202 0201 816102 83312e3504 ff',
    ['a', '1.5', 'b', '2'],
  ],
]

for (const [name, type, digits, pairs] of PAIRS) {
  test(`${name} (type ${type})`, () => {
    const harness = bench()
    deepEqual(harness.run('restore', 'z', 0, payload(type, digits)), OK)
    deepEqual(harness.run('zrange', 'z', 0, -1, 'withscores'), pairs)
    harness.keyspace.check()
  })
}

const DAMAGED: readonly (readonly [name: string, type: number, digits: string])[] = [
  ['a score that is no number, as text', 3, '01 0161 fd'],
  ['a text that is no number', 3, '01 0161 02 7878'],
  ['a text without characters', 3, '01 0161 00'],
  ['a score that is no number', 5, '01 0161 000000000000f87f'],
  ['a member twice', 5, '02 0161 0000000000000040 0161 000000000000f03f'],
  ['no members', 5, '00'],
  ['less than it says', 5, '02 0161 0000000000000040'],
  ['a listpack with a member without a score', 17, '0a 0a000000 0100 816102 ff'],
  ['a listpack with a score that is none', 17, '0d 0d000000 0200 816102 816202 ff'],
  ['a listpack with a member twice', 17, '11 11000000 0400 816102 0101 816102 0201 ff'],
  ['a damaged ziplist', 12, '10 10000000 0d000000 0300 000161 03f2 ff'],
  ['an empty listpack', 17, '07 07000000 0000 ff'],
]

for (const [name, type, digits] of DAMAGED) {
  test(`refused: ${name} (type ${type})`, () => {
    const harness = bench()
    harness.run('zadd', 'z', 1, 'old')
    deepEqual(harness.run('restore', 'z', 0, payload(type, digits), 'replace'), BAD_FORMAT)
    deepEqual(harness.run('zrange', 'z', 0, -1), ['old'])
    equal(harness.keyspace.collections.count, 0)
    harness.keyspace.check()
  })
}

test('large sets, and packed ones that are called skiplist, go through DUMP and RESTORE', () => {
  const harness = bench()
  for (let i = 0; i < 3000; i++) harness.run('zadd', 'large', i % 700, `member:${i}`)
  harness.run('zadd', 'large', 3.5, 'x'.repeat(9000), -1, 'y'.repeat(100_000), 1e300, '')
  harness.run('zadd', 'small', 1, 'z'.repeat(80), 2, '12', -0, '-9223372036854775808')
  for (const key of ['large', 'small']) {
    const dumped = Buffer.from(harness.run('dump', key) as string, 'latin1')
    deepEqual(harness.run('restore', 'copy', 0, dumped, 'replace'), OK)
    const pairs = harness.run('zrange', key, 0, -1, 'withscores')
    deepEqual(harness.run('zrange', 'copy', 0, -1, 'withscores'), pairs)
    deepEqual(Buffer.from(harness.run('dump', 'copy') as string, 'latin1').length, dumped.length)
    harness.run('copy', key, 'other')
    deepEqual(harness.run('zrange', 'other', 0, -1, 'withscores'), pairs)
    deepEqual(harness.run('object', 'encoding', 'other'), harness.run('object', 'encoding', key))
    harness.run('del', 'other')
  }
  harness.keyspace.check()
})
