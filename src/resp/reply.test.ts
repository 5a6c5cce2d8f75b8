// Goal: every kind of reply has the literal bytes of its protocol version, whatever the buffer did.
// Method: tables of literal bytes; long replies compared with the naive concatenation.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latin1, textOf } from '../base/bytes.ts'
import { expectedBulk, ReplyError, WRONG_TYPE, wrongArity } from './replies.ts'
import { Reply } from './reply.ts'

/** What `write` sends, and in how many pieces. */
function sent(version: 2 | 3, write: (reply: Reply) => void): { text: string; pieces: number } {
  let text = ''
  let pieces = 0
  const reply = new Reply((bytes, start, length) => {
    text += textOf(bytes, start, length)
    pieces++
  })
  reply.version = version
  write(reply)
  reply.flush()
  return { text, pieces }
}

const BYTES = latin1('hello world')
const ROWS: [string, (reply: Reply) => void, string, string][] = [
  ['ok', (r) => r.ok(), '+OK\r\n', '+OK\r\n'],
  ['simple', (r) => r.simple('PONG'), '+PONG\r\n', '+PONG\r\n'],
  [
    'long simple',
    (r) => r.simple('x'.repeat(40)),
    `+${'x'.repeat(40)}\r\n`,
    `+${'x'.repeat(40)}\r\n`,
  ],
  ['integer', (r) => r.integer(-42), ':-42\r\n', ':-42\r\n'],
  ['integer 100', (r) => r.integer(100), ':100\r\n', ':100\r\n'],
  [
    'big',
    (r) => r.integer(-9223372036854775808n),
    ':-9223372036854775808\r\n',
    ':-9223372036854775808\r\n',
  ],
  ['bulk', (r) => r.bulk(BYTES, 6, 5), '$5\r\nworld\r\n', '$5\r\nworld\r\n'],
  ['empty bulk', (r) => r.bulk(BYTES, 11, 0), '$0\r\n\r\n', '$0\r\n\r\n'],
  ['bulkText', (r) => r.bulkText('a\xffb'), '$3\r\na\xffb\r\n', '$3\r\na\xffb\r\n'],
  ['bulkInteger', (r) => r.bulkInteger(7), '$1\r\n7\r\n', '$1\r\n7\r\n'],
  [
    'bulkInteger 10',
    (r) => r.bulkInteger(-123456789),
    '$10\r\n-123456789\r\n',
    '$10\r\n-123456789\r\n',
  ],
  ['nil', (r) => r.nil(), '$-1\r\n', '_\r\n'],
  ['nilArray', (r) => r.nilArray(), '*-1\r\n', '_\r\n'],
  ['array', (r) => r.array(10), '*10\r\n', '*10\r\n'],
  ['map', (r) => r.map(6), '*12\r\n', '%6\r\n'],
  ['set', (r) => r.set(3), '*3\r\n', '~3\r\n'],
  ['push', (r) => r.push(3), '*3\r\n', '>3\r\n'],
  ['double', (r) => r.double(3.1), '$18\r\n3.1000000000000001\r\n', ',3.1000000000000001\r\n'],
  ['whole double', (r) => r.double(-3), '$2\r\n-3\r\n', ',-3\r\n'],
  ['minus zero', (r) => r.double(-0), '$2\r\n-0\r\n', ',-0\r\n'],
  ['inf', (r) => r.double(-Infinity), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['true', (r) => r.boolean(true), ':1\r\n', '#t\r\n'],
  ['false', (r) => r.boolean(false), ':0\r\n', '#f\r\n'],
  ['bigNumber', (r) => r.bigNumber('-123'), '$4\r\n-123\r\n', '(-123\r\n'],
  ['verbatim', (r) => r.verbatim('txt', 'hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
  ['raw', (r) => r.raw(BYTES, 0, 5), 'hello', 'hello'],
  ['error', (r) => r.error(new ReplyError('ERR a\r\nb')), '-ERR a  b\r\n', '-ERR a  b\r\n'],
  ['errorText', (r) => r.errorText('ERR a\nb'), '-ERR a b\r\n', '-ERR a b\r\n'],
]

test('each kind, in both protocols', () => {
  for (const [name, write, two, three] of ROWS) {
    assert.equal(sent(2, write).text, two, `${name} in RESP2`)
    assert.equal(sent(3, write).text, three, `${name} in RESP3`)
  }
})

test('attributes exist in RESP3 only', () => {
  assert.equal(sent(3, (r) => r.attribute(1)).text, '|1\r\n')
  assert.throws(() => sent(2, (r) => r.attribute(1)), /RESP3/)
})

test('errors are counted with their code', () => {
  sent(2, (r) => {
    r.error(WRONG_TYPE)
    assert.deepEqual([r.errorCount, r.lastErrorCode], [1, 'WRONGTYPE'])
    r.errorText('NOSCRIPT none')
    assert.deepEqual([r.errorCount, r.lastErrorCode], [2, 'NOSCRIPT'])
  })
  assert.equal(wrongArity('get').message, "ERR wrong number of arguments for 'get' command")
  assert.equal(expectedBulk(0x78).message, "ERR Protocol error: expected '$', got 'x'")
  assert.equal(expectedBulk(0x0d).message, "ERR Protocol error: expected '$', got ' '")
})

test('arrays of unknown length get their count at the end, nested and at every digit count', () => {
  for (const count of [0, 1, 9, 10, 99, 100, 12345, 200_000]) {
    const { text } = sent(2, (r) => {
      r.simple('before')
      const outer = r.beginArray()
      r.integer(1)
      const inner = r.beginArray()
      for (let i = 0; i < count; i++) r.integer(7)
      r.endArray(inner, count)
      r.endArray(outer, 2)
      r.simple('after')
    })
    const list = ':7\r\n'.repeat(count)
    assert.equal(text, `+before\r\n*2\r\n:1\r\n*${count}\r\n${list}+after\r\n`)
  }
  assert.equal(sent(3, (r) => r.endMap(r.beginArray(), 0)).text, '%0\r\n')
  assert.equal(sent(2, (r) => r.endMap(r.beginArray(), 0)).text, '*0\r\n')
  assert.equal(sent(3, (r) => r.endSet(r.beginArray(), 0)).text, '~0\r\n')
})

test('more than the buffer holds leaves in pieces and in order', () => {
  const part = latin1('0123456789'.repeat(10))
  const big = latin1('x'.repeat(100_000))
  let expected = ''
  const { text, pieces } = sent(2, (r) => {
    for (let i = 0; i < 3000; i++) {
      r.bulk(part, 0, 100)
      expected += `$100\r\n${textOf(part, 0, 100)}\r\n`
    }
    r.bulk(big, 0, big.length)
    expected += `$100000\r\n${textOf(big, 0, big.length)}\r\n`
    r.bulkText('y'.repeat(200_000))
    expected += `$200000\r\n${'y'.repeat(200_000)}\r\n`
  })
  assert.equal(text, expected)
  assert.ok(pieces > 3 && pieces < 20, `${pieces} pieces`)
})

test('the memory of one large reply is given back', () => {
  const reply = new Reply(() => {})
  const mark = reply.beginArray()
  for (let i = 0; i < 100_000; i++) reply.integer(i)
  reply.endArray(mark, 100_000)
  assert.ok(reply.capacity > 500_000)
  reply.flush()
  assert.ok(reply.capacity <= 65536)
})

test('muted replies vanish, even large ones', () => {
  const { text } = sent(2, (r) => {
    r.ok()
    r.mute()
    for (let i = 0; i < 50_000; i++) r.integer(i)
    r.bulk(new Uint8Array(100_000), 0, 100_000)
    r.unmute()
    r.integer(5)
  })
  assert.equal(text, '+OK\r\n:5\r\n')
})

test('one write per flush, none when there is nothing', () => {
  assert.equal(sent(2, () => {}).pieces, 0)
  assert.equal(
    sent(2, (r) => {
      for (let i = 0; i < 64; i++) r.ok()
    }).pieces,
    1,
  )
})
