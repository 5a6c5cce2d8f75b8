// Goal: check-rdb says of whole, torn and damaged files what is true of them, as text and as JSON,
// changes nothing, and counts what is there. Method: files made of literal bytes, and one of all
// types by the writer; the same files go to redis-check-rdb in test/rdb.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeWriter } from '../../test/lib/rdb.ts'
import { ExitCode } from './subcommand.ts'
import { TestContext } from './test-context.ts'

const PATH = '/data/dump.rdb'
const HEADER = 'REDIS0010\xfe\x00'
/** No checksum was computed. */
const END = `\xff${'\0'.repeat(8)}`

function withFile(bytes: string | Uint8Array, options = {}): TestContext {
  const context = new TestContext(options)
  context.disk.put(PATH, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  return context
}

/** Strings `key:0` to `key:count − 1`, every other one with a deadline of long ago. */
function fileOfStrings(count: number, valueLength = 8): Buffer {
  const file = makeWriter({ compress: false, checksum: true })
  file.writer.selectDb(0)
  for (let i = 0; i < count; i++) {
    if (i % 2 === 1) file.writer.expireMs(1000)
    file.writer.type(0)
    const key = Buffer.from(`key:${i}`)
    file.writer.string(key, 0, key.length)
    file.writer.string(Buffer.alloc(valueLength, 'v'), 0, valueLength)
  }
  file.writer.end()
  return file.bytes()
}

test('a whole file: lines and exit code of redis-check-rdb, and what is in it', () => {
  const context = withFile(fileOfStrings(4))
  assert.equal(context.run('check-rdb', PATH), ExitCode.Ok)
  assert.equal(context.errors, '')
  assert.equal(
    context.output,
    [
      `[offset 0] Checking RDB file ${PATH}`,
      '[offset 11] Selecting DB ID 0',
      '[offset 102] Checksum OK',
      '[offset 102] \\o/ RDB looks OK! \\o/',
      '[info] 4 keys read',
      '[info] 2 expires',
      '[info] 2 already expired',
      '',
      'db  type    keys  expiring  elements  in the file  per key',
      '0   string     4         2         4         82 B     21 B',
      '',
      'db  type    elements  in the file    largest keys',
      '0   string         1         25 B    key:1',
      '0   string         1         25 B    key:3',
      '0   string         1         16 B    key:0',
      '0   string         1         16 B    key:2',
      '',
    ].join('\n'),
  )
})

test('JSON has the same, by database and type', () => {
  const list = '\x01\x01l\x03\x01a\x01b\x01c'
  const set = '\x0b\x01s\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0'
  const hash = '\x04\x03\xff\x00h\x01\x01f\x01v'
  const context = withFile(`${HEADER}${list}${set}\xfe\x03${hash}\x02\x03set\x00${END}`)
  assert.equal(context.run('check-rdb', '--json', PATH), ExitCode.Ok)
  const found = JSON.parse(context.output)
  assert.equal(found.ok, true)
  assert.equal(found.error, null)
  assert.equal(found.checksum, 'none')
  assert.equal(found.version, 10)
  assert.equal(found.fileBytes, 64)
  assert.equal(found.emptyKeys, 1)
  assert.equal(found.elements, 6)
  const figures = { expiring: 0, expired: 0 }
  const ofList = { keys: 1, elements: 3, bytes: 10, ...figures }
  const ofSet = { keys: 1, elements: 2, bytes: 16, ...figures }
  const ofHash = { keys: 1, elements: 1, bytes: 10, ...figures }
  assert.deepEqual(found.databases, [
    { id: 0, keys: 2, elements: 5, bytes: 26, ...figures, types: { list: ofList, set: ofSet } },
    { id: 3, ...ofHash, types: { hash: ofHash } },
  ])
  assert.deepEqual(
    found.largestKeys.map((large: { key: string }) => large.key),
    ['s', 'l', '\\xff\\x00h'],
  )
})

test('a file that is cut anywhere is damaged, and the place is told', () => {
  const whole = fileOfStrings(3)
  for (let length = 0; length < whole.length; length++) {
    const context = withFile(whole.subarray(0, length))
    assert.equal(context.run('check-rdb', PATH), ExitCode.Failed, `${length} bytes`)
    assert.match(context.output, /^--- RDB ERROR DETECTED ---\n\[offset \d+\] Unexpected EOF/m)
    assert.match(context.output, /\/data\/dump\.rdb: .* at byte \d+, found .*, expected /)
    assert.match(context.output, /cannot be repaired/)
  }
})

test('damage: headline, key, type, what can be done', () => {
  const rows: [name: string, bytes: string, ...expected: RegExp[]][] = [
    ['magic', `REDIX0010${END}`, /^\[offset 9\] Wrong signature trying to load DB from file$/m],
    [
      'version',
      `REDIS0099${END}`,
      /^\[offset 9\] Can't handle RDB format version$/m,
      /may be whole/,
    ],
    ['opcode', `${HEADER}\x63\x01k${END}`, /value type at byte 11, found 99, expected a known/],
    [
      'value',
      `${HEADER}\x00\x01a\x01b\x0c\x04zset\x03abc${END}`,
      /Zset ziplist integrity check failed/,
      /^\[additional info\] Reading key 'zset'$/m,
      /^\[additional info\] Reading type 12 \(sorted set as ziplist\)$/m,
      /^\[additional info\] 1 keys before it could be read/m,
      /^\[info\] 1 keys read$/m,
    ],
    [
      'checksum',
      `${HEADER}\x00\x01a\x01b\xff12345678`,
      /^\[offset 25\] RDB CRC error$/m,
      /All 1 keys could be read/,
      /rdbchecksum no/,
    ],
    ['end', `${HEADER}\x00\x01a\x01b${END}more`, /end at byte 25, found 4 more bytes/],
    ['nothing', '', /^\[offset 0\] Unexpected EOF/m],
  ]
  for (const [name, bytes, ...expected] of rows) {
    const context = withFile(bytes)
    assert.equal(context.run('check-rdb', PATH), ExitCode.Failed, name)
    for (const each of expected) assert.match(context.output, each, name)
    assert.equal(context.run('check-rdb', PATH, '--json'), ExitCode.Failed, name)
    const { ok, error } = JSON.parse(context.output)
    assert.equal(ok, false)
    assert.ok(error.message.startsWith(`${PATH}: `), name)
    assert.ok(Number.isInteger(error.offset), name)
  }
})

test('any byte changed gives a verdict, and the checksum leaves no change unseen', () => {
  const whole = fileOfStrings(3)
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole)
    bytes[at]! ^= 0x40
    const context = withFile(bytes)
    assert.equal(context.run('check-rdb', PATH), ExitCode.Failed, `byte ${at}`)
  }
})

test('misuse is told with the usage; a file that cannot be opened by its name', () => {
  const context = new TestContext()
  for (const args of [[], ['a', 'b'], ['--fix', 'a']]) {
    assert.equal(context.run('check-rdb', ...args), ExitCode.Failed)
    assert.match(context.errors, /\nUsage: tidemark check-rdb FILE \[--json\]\n$/)
  }
  assert.equal(context.run('check-rdb', '/data/none'), ExitCode.Failed)
  assert.match(context.errors, /\/data\/none: ENOENT/)
  assert.equal(context.run(), ExitCode.Failed)
  assert.equal(context.run('bogus'), ExitCode.Failed)
  assert.match(context.errors, /no subcommand 'bogus'/)
  assert.equal(context.run('--help'), ExitCode.Ok)
  assert.match(context.output, /^ {2}check-rdb {2,}\w/m)
  assert.equal(context.run('check-rdb', '--help'), ExitCode.Ok)
  assert.match(context.output, /--json/)
  assert.equal(context.run('--version'), ExitCode.Ok)
  assert.equal(context.output, 'tidemark 9.9.9\n')
})

test('progress is drawn on a terminal while reading takes long, and removed', () => {
  const bytes = fileOfStrings(3000, 1000)
  const quick = withFile(bytes, { columns: 100, tickUs: 10 })
  assert.equal(quick.run('check-rdb', PATH), ExitCode.Ok)
  assert.equal(quick.errors, '')
  const slow = withFile(bytes, { columns: 100, tickUs: 300_000 })
  assert.equal(slow.run('check-rdb', PATH), ExitCode.Ok)
  assert.match(slow.errors, /\r\[#+ +\] +\d+% {2}[\d.]+ MiB of 2\.91 MiB {2}.*\/s {2}\d+ s left/)
  assert.ok(slow.errors.endsWith('\r\x1b[K'))
  const piped = withFile(bytes, { columns: 0, tickUs: 300_000 })
  assert.equal(piped.run('check-rdb', PATH), ExitCode.Ok)
  assert.equal(piped.errors, '')
})
