// Goal: bytes give the same commands, or the same protocol error, however they are cut; errors are
// those of redis-server 7.0.15 (asked byte for byte); work and memory stay linear in the input.
// Method: a table of literal inputs, each whole, split at every position, and byte by byte.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latin1 } from '../base/bytes.ts'
import { Args } from './args.ts'
import { HELD_BUFFERS, LINE_LENGTH_MAX, QueryReader, Read } from './query-reader.ts'

const args = new Args()

/** All commands that `reader` finds now, as lists of texts; then how it ended. */
function drain(reader: QueryReader, into: string[][]): string {
  for (;;) {
    const found = reader.next(args)
    if (found === Read.Incomplete) return ''
    if (found === Read.QueryLimit) return 'query limit'
    if (found === Read.ProtocolError) return reader.error.message
    into.push(Array.from({ length: args.count }, (_, i) => args.text(i)))
  }
}

interface Outcome {
  readonly commands: string[][]
  readonly error: string
}

/** Feeds `input` in chunks that end at `cuts`; each chunk lies in memory that is spoilt after. */
function readAll(input: string, cuts: number[], setUp = (_: QueryReader) => {}): Outcome {
  const reader = new QueryReader()
  setUp(reader)
  const commands: string[][] = []
  let from = 0
  for (const to of [...cuts, input.length]) {
    const chunk = latin1(`$7\r\n${input.slice(from, to)}\r\n*1\r\n$`)
    reader.feed(chunk, 4, to - from)
    const error = drain(reader, commands)
    reader.keep()
    chunk.fill(0x2a)
    if (error !== '') return { commands, error }
    from = to
  }
  return { commands, error: '' }
}

/** Whole, at every split into two, and byte by byte, the outcome is the one expected. */
function check(input: string, expected: Outcome, setUp?: (reader: QueryReader) => void): void {
  const name = JSON.stringify(input)
  assert.deepEqual(readAll(input, [], setUp), expected, name)
  for (let i = 0; i <= input.length; i++) {
    assert.deepEqual(readAll(input, [i], setUp), expected, `${name} cut at ${i}`)
  }
  const cuts = Array.from({ length: input.length }, (_, i) => i)
  assert.deepEqual(readAll(input, cuts, setUp), expected, `${name} byte by byte`)
}

const COMMANDS: [string, string[][]][] = [
  ['', []],
  ['*1\r\n$4\r\nPING\r\n', [['PING']]],
  ['*2\r\n$3\r\nGET\r\n$0\r\n\r\n', [['GET', '']]],
  ['*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$3\r\n\0\xff*\r\n', [['SET', '\r\n', '\0\xff*']]],
  ['*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPONG\r\nECHO a\r\n', [['PING'], ['PONG'], ['ECHO', 'a']]],
  ['*2\r\n$12\r\nabcdefghijkl\r\n$1\r\nx\r\n', [['abcdefghijkl', 'x']]],
  ['*0\r\n*-1\r\n*-10\r\n*-9223372036854775808\r\nPING\r\n', [['PING']]],
  ['*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n', [['PING'], ['PING']]],
  ['*1\rx$4\ryPING\r\n', [['PING']]],
  ['*1\r\n$0\r\n\r\nPING\r\n', [[''], ['PING']]],
  ['*2147483647\r\n$4\r\nPING\r\n', []],
  ['*1\r\n$4\r\nPIN', []],
  ['*1\n$4\nPING\n', []],
  ['*1\r\n\0\r\n', []],
  ['*\0\r\n', []],
  // Inline commands.
  ['PING\n', [['PING']]],
  ['  PING  \r\n', [['PING']]],
  ['\r\n\n \t\r\nPING\n', [['PING']]],
  ['PING\r\r\n', [['PING']]],
  ['ECHO a\rb\n', [['ECHO', 'a', 'b']]],
  ['\0PING\n', []],
  ['PING\0a\nPING\n', []],
  ['ECHO "a\\x41\\n\\r\\t\\b\\a\\q\\xZZ\\""\r\n', [['ECHO', 'aA\n\r\t\b\x07qxZZ"']]],
  ["ECHO 'a\\'b\\n\\x41'\r\n", [['ECHO', "a'b\\n\\x41"]]],
  ['ECHO a"b" \'\' "" x\r\n', [['ECHO', 'ab', '', '', 'x']]],
  ['foo\\"bar" \r\n', [['foo\\bar']]],
  ['ECHO \x0bA\x0b\n', [['ECHO', 'A\x0b']]],
  ['ECHO "a\rb"\n', [['ECHO', 'a\rb']]],
  ['SET \xff 1\n', [['SET', '\xff', '1']]],
]

test('commands, cut anywhere', () => {
  for (const [input, commands] of COMMANDS) check(input, { commands, error: '' })
})

const PING = '*1\r\n$4\r\nPING\r\n'
const ERRORS: [string, string][] = [
  ['*\r\n', 'invalid multibulk length'],
  ['*a\r\n', 'invalid multibulk length'],
  ['*1x\r\n', 'invalid multibulk length'],
  ['*01\r\n', 'invalid multibulk length'],
  ['*+1\r\n', 'invalid multibulk length'],
  ['*2147483648\r\n', 'invalid multibulk length'],
  ['*20000000000000000000\r\n', 'invalid multibulk length'],
  ['*1\r\nfoo\r\n', "expected '$', got 'f'"],
  ['*1\r\n\r\n', "expected '$', got ' '"],
  ['*1\r\n\n\r\n', "expected '$', got ' '"],
  ['*1\r\n\xff\r\n', "expected '$', got '\xff'"],
  ['*2\r\n$1\r\na\r\n:5\r\n', "expected '$', got ':'"],
  ['*1\r\n$\r\n', 'invalid bulk length'],
  ['*1\r\n$-1\r\n', 'invalid bulk length'],
  ['*1\r\n$x\r\n', 'invalid bulk length'],
  ['*1\r\n$04\r\nPING\r\n', 'invalid bulk length'],
  ['*1\r\n$536870913\r\n', 'invalid bulk length'],
  ['"PING\r\n', 'unbalanced quotes in request'],
  ['"PI"x\r\n', 'unbalanced quotes in request'],
  ["'PI'x\r\n", 'unbalanced quotes in request'],
  ["ECHO 'a\r\n", 'unbalanced quotes in request'],
  ['ECHO "a\\\r\n', 'unbalanced quotes in request'],
]

test('protocol errors, cut anywhere, after the commands before them', () => {
  for (const [input, text] of ERRORS) {
    const error = `ERR Protocol error: ${text}`
    check(input, { commands: [], error })
    check(`${PING}${input}${PING}`, { commands: [['PING']], error })
  }
})

test('a protocol error is final', () => {
  const reader = new QueryReader()
  reader.feed(latin1('*x\r\n'), 0, 4)
  assert.equal(reader.next(args), Read.ProtocolError)
  reader.keep()
  reader.feed(latin1(PING), 0, PING.length)
  assert.equal(reader.next(args), Read.ProtocolError)
})

test('lines may have 64 KiB and no more', () => {
  const long = 'a'.repeat(LINE_LENGTH_MAX)
  const digits = '1'.repeat(LINE_LENGTH_MAX)
  for (const [input, error] of [
    [`${long}`, ''],
    [`${long}a`, 'too big inline request'],
    [`*${digits.slice(1)}`, ''],
    [`*${digits}`, 'too big mbulk count string'],
    [`*1\r\n$${digits}`, 'too big bulk count string'],
    [`\0${long}`, 'too big inline request'],
    [`*\0${long}`, 'too big mbulk count string'],
  ] as const) {
    const expected = error === '' ? '' : `ERR Protocol error: ${error}`
    for (const cuts of [[], [1], [7, 9000, 65_000]]) {
      assert.equal(readAll(input, cuts).error, expected, `${input.slice(0, 8)}… ${cuts}`)
    }
  }
  assert.equal(readAll(`${long}\n`, [100]).commands[0]![0], long)
  assert.match(readAll(`${long}a\n`, []).error, /too big inline/)
})

test('who has not given the password may send little', () => {
  const setUp = (reader: QueryReader) => {
    reader.isUnauthenticated = true
  }
  const ten = `*10\r\n${'$1\r\na\r\n'.repeat(10)}`
  check(ten, { commands: [Array(10).fill('a')], error: '' }, setUp)
  const multibulk = 'ERR Protocol error: unauthenticated multibulk length'
  check('*11\r\n', { commands: [], error: multibulk }, setUp)
  const bulk = 'ERR Protocol error: unauthenticated bulk length'
  check('*1\r\n$16385\r\n', { commands: [], error: bulk }, setUp)
  assert.equal(readAll('*1\r\n$16384\r\n', [], setUp).error, '')
})

test('limits are read anew for every bulk; a primary has none', () => {
  const limits = { bulkLengthMax: 10, queryLengthMax: 1 << 30 }
  const input = latin1('*1\r\n$11\r\nhello world\r\n')
  const reader = new QueryReader(limits)
  limits.bulkLengthMax = 11
  reader.feed(input, 0, input.length)
  assert.equal(reader.next(args), Read.Command)
  limits.bulkLengthMax = 10
  reader.keep()
  reader.isPrimary = true
  reader.feed(input, 0, input.length)
  assert.equal(reader.next(args), Read.Command)
  reader.keep()
  reader.isPrimary = false
  reader.feed(input, 0, input.length)
  assert.equal(reader.next(args), Read.ProtocolError)
})

test('more than the query buffer limit ends the connection', () => {
  const reader = new QueryReader({ bulkLengthMax: 1 << 29, queryLengthMax: 1 << 20 })
  const chunk = new Uint8Array(65536).fill(0x61)
  const head = latin1('*2\r\n$3\r\nSET\r\n$2000000\r\n')
  reader.feed(head, 0, head.length)
  assert.equal(reader.next(args), Read.Incomplete)
  reader.keep()
  let sent = 0
  for (;;) {
    reader.feed(chunk, 0, chunk.length)
    sent += chunk.length
    const found = reader.next(args)
    reader.keep()
    if (found === Read.QueryLimit) break
    assert.equal(found, Read.Incomplete)
  }
  assert.ok(sent >= 1 << 20 && sent <= (1 << 20) + 2 * 65536, `${sent} bytes`)
  assert.ok(reader.heldCapacity < 4096, 'the memory is free at once')
})

test('a stopped turn goes on later, with what came meanwhile behind it', () => {
  const reader = new QueryReader()
  const feed = (text: string) => {
    const chunk = latin1(text)
    reader.feed(chunk, 0, chunk.length)
  }
  const one = () => (reader.next(args) === Read.Command ? args.text(args.count - 1) : '')
  feed('ECHO a\r\nECHO b\r\nECHO c\r\n*2\r\n$4\r\nEC')
  assert.equal(one(), 'a')
  reader.keep()
  assert.ok(reader.hasUnread)
  feed('HO\r\n$1\r\nd\r\nECHO e\r\n')
  reader.keep()
  for (const expected of ['b', 'c']) {
    assert.equal(one(), expected)
    reader.keep()
  }
  feed('ECHO f\r\n')
  for (const expected of ['d', 'e', 'f', '']) assert.equal(one(), expected)
  reader.keep()
  assert.ok(!reader.hasUnread)
  assert.equal(reader.queryLength, 0)
})

test('whole commands leave nothing behind; halves are reported', () => {
  const reader = new QueryReader()
  const chunk = latin1(`${PING}*2\r\n$3\r\nGET\r\n$5\r\nab`)
  reader.feed(chunk, 0, PING.length)
  assert.equal(reader.next(args), Read.Command)
  assert.equal(reader.queryLength, PING.length)
  assert.equal(reader.next(args), Read.Incomplete)
  reader.keep()
  assert.equal(reader.heldCapacity, 0)
  reader.feed(chunk, 0, chunk.length)
  drain(reader, [])
  reader.keep()
  assert.equal(reader.queryLength, chunk.length - PING.length)
  assert.equal(reader.partialLength, 3)
  assert.ok(reader.heldCapacity >= reader.queryLength + reader.queryFree)
  reader.feed(latin1('cde\r\n'), 0, 5)
  assert.equal(reader.next(args), Read.Command)
  assert.equal(args.text(1), 'abcde')
  reader.keep()
  reader.shrink()
  assert.equal(reader.heldCapacity, 0)
})

/** Feeds `input` in chunks of `step`, as a transport would; returns the command. */
function readInSteps(input: Uint8Array, step: number): { reader: QueryReader; largest: number } {
  const reader = new QueryReader()
  let largest = 0
  for (let at = 0; at < input.length; at += step) {
    reader.feed(input, at, Math.min(step, input.length - at))
    const found = reader.next(args)
    assert.equal(found, at + step >= input.length ? Read.Command : Read.Incomplete)
    largest = Math.max(largest, reader.heldCapacity)
    if (found === Read.Command) break
    reader.keep()
  }
  return { reader, largest }
}

test('a big bulk is gathered in one buffer of its size', () => {
  const size = 64 * 1024 * 1024
  const input = new Uint8Array(size + 100)
  const head = latin1(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${size}\r\n`)
  input.set(head)
  input.fill(0x62, head.length)
  input.set(latin1('\r\n'), head.length + size)
  const started = performance.now()
  const { reader, largest } = readInSteps(input.subarray(0, head.length + size + 2), 65536)
  const tookMs = performance.now() - started
  assert.equal(args.length(2), size)
  assert.equal(args.bytes[args.start(2) + size - 1], 0x62)
  assert.ok(largest < size + 4096, `${largest} bytes held`)
  // 64 MiB are copied once: some 30 ms. Copied again for each chunk it would be a minute.
  assert.ok(tookMs < 5000, `${tookMs} ms`)
  reader.keep()
  assert.ok(reader.heldCapacity < 1024, 'only room for the next arguments is left')
})

test('many arguments in small chunks cost linear work', () => {
  const count = 200_000
  const text = `*${count}\r\n${'$3\r\nabc\r\n'.repeat(count)}`
  const started = performance.now()
  readInSteps(latin1(text), 1000)
  const tookMs = performance.now() - started
  assert.equal(args.count, count)
  assert.equal(args.text(count - 1), 'abc')
  assert.ok(tookMs < 5000, `${tookMs} ms`)
})

test('one long line byte by byte costs linear work', () => {
  const reader = new QueryReader()
  const byte = latin1('a')
  const started = performance.now()
  for (let i = 0; i < LINE_LENGTH_MAX; i++) {
    reader.feed(byte, 0, 1)
    assert.equal(reader.next(args), Read.Incomplete)
    reader.keep()
  }
  const tookMs = performance.now() - started
  assert.ok(tookMs < 3000, `${tookMs} ms`)
})

test('the caller may not skip a step', () => {
  const reader = new QueryReader()
  reader.feed(latin1(PING + PING), 0, 2 * PING.length)
  assert.equal(reader.next(args), Read.Command)
  assert.throws(() => reader.feed(latin1(PING), 0, 4), /feed before keep/)
  assert.throws(() => reader.error, /no protocol error/)
  assert.throws(() => new QueryReader().feed(latin1(PING), 0, 100), /outside of bytes/)
})

test('readers share buffers one after the other, never at the same time', () => {
  const size = 100_000
  const readers = [new QueryReader(), new QueryReader(), new QueryReader()]
  const fill = (i: number) => 0x61 + i
  const headOf = latin1(`*1\r\n$${size}\r\n`)
  for (let round = 0; round < 3; round++) {
    for (const [i, reader] of readers.entries()) {
      const begun = new Uint8Array(headOf.length + size / 2).fill(fill(i))
      begun.set(headOf)
      reader.feed(begun, 0, begun.length)
      assert.equal(reader.next(args), Read.Incomplete)
      reader.keep()
      assert.ok(reader.heldBytes >= size / 2 && reader.heldBytes < size * 2)
    }
    for (const [i, reader] of readers.entries()) {
      const rest = new Uint8Array(size / 2 + 2).fill(fill(i))
      rest.set(latin1('\r\n'), size / 2)
      reader.feed(rest, 0, rest.length)
      assert.equal(reader.next(args), Read.Command)
      const start = args.start(0)
      const isOwn = args.bytes.subarray(start, start + size).every((byte) => byte === fill(i))
      assert.ok(isOwn, `round ${round}, reader ${i}`)
      reader.keep()
      assert.ok(reader.heldBytes < 1024)
    }
    assert.ok(HELD_BUFFERS.bytes >= 3 * size)
  }
  HELD_BUFFERS.age()
  HELD_BUFFERS.age()
  assert.equal(HELD_BUFFERS.bytes, 0)
})
