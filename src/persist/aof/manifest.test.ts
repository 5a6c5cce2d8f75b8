// Goal: manifests are read and written as Redis 7 does, and a damaged one is refused with its line.
// Method: tables of texts; names that need quotes go there and back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import {
  EMPTY_MANIFEST,
  formatManifest,
  loadedFiles,
  type Manifest,
  nextBase,
  nextIncrement,
  parseManifest,
  rewritten,
  withIncrement,
} from './manifest.ts'

const fileName = 'appendonly.aof'

function parse(text: string): Manifest {
  const { base, history, increments } = parseManifest(text, '/data/m')
  return { base, history, increments }
}

function format(manifest: Manifest): string {
  return Buffer.from(formatManifest(manifest)).toString()
}

function refusal(text: string): string {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof StoreError)
    assert.equal(error.code, ErrorCode.AofManifestCorrupt)
    return error.message
  }
  return 'none'
}

test('a manifest in any order of words and files, with comments and unknown words', () => {
  const text =
    '# made by hand\n' +
    'file a.2.incr.aof seq 2 type i\n' +
    'TYPE b seq 1 FILE "a b.1.base.rdb" startoffset 12\r\n' +
    'file old seq 1 type h\n' +
    'file a.5.incr.aof seq 5 type i'
  assert.deepEqual(parse(text), {
    base: { name: 'a b.1.base.rdb', seq: 1 },
    history: [{ name: 'old', seq: 1 }],
    increments: [
      { name: 'a.2.incr.aof', seq: 2 },
      { name: 'a.5.incr.aof', seq: 5 },
    ],
  })
})

test('a damaged manifest is refused with line, text and reason', () => {
  const good = 'file a seq 1 type i\n'
  const rows: [name: string, text: string, line: number, reason: string][] = [
    ['empty', '', 0, 'Found an empty AOF manifest'],
    ['blank line', `${good}\n${good}`, 2, 'Invalid AOF manifest file format'],
    ['words missing', 'file a seq 1\n', 1, 'Invalid AOF manifest file format'],
    ['odd words', 'file a seq 1 type i x\n', 1, 'Invalid AOF manifest file format'],
    ['quotes', 'file "a seq 1 type i\n', 1, 'Invalid AOF manifest file format'],
    ['no number', 'file a seq x type i\n', 1, 'Invalid AOF manifest file format'],
    ['no name', 'fil a seq 1 type i\n', 1, 'Invalid AOF manifest file format'],
    ['path', 'file /a seq 1 type i\n', 1, "File can't be a path, just a filename"],
    ['twice', `${good}${good}`, 2, 'Found a non-monotonic sequence number'],
    ['type', 'file a seq 1 type x\n', 1, 'Unknown AOF file type'],
    ['long', `file ${'a'.repeat(1024)} seq 1 type i\n`, 1, 'contains too long line'],
    [
      'two bases',
      'file a seq 1 type b\nfile b seq 2 type b\n',
      2,
      'Found duplicate base file information',
    ],
  ]
  for (const [name, text, line, reason] of rows) {
    const message = refusal(text)
    assert.ok(message.includes(`at line ${line}: >>> '`), `${name}: ${message}`)
    assert.ok(message.endsWith(reason), `${name}: ${message}`)
  }
})

test('names with blanks, quotes and other bytes come back as they were', () => {
  for (const name of ['plain.aof', 'a b', 'q"uo\'te', 'tab\there', 'näme', 'back\\slash', '\n']) {
    const manifest = { ...EMPTY_MANIFEST, increments: [{ name, seq: 1 }] }
    const text = format(manifest)
    assert.match(text, /^[ -~]+\n$/, 'printable')
    assert.deepEqual(parse(text), manifest)
  }
  assert.equal(
    format({ ...EMPTY_MANIFEST, increments: [{ name: 'a b.1.incr.aof', seq: 1 }] }),
    'file "a b.1.incr.aof" seq 1 type i\n',
  )
})

test('a rewrite makes history of the base and of all increments before its first', () => {
  let manifest = EMPTY_MANIFEST
  for (let i = 0; i < 2; i++) {
    manifest = withIncrement(manifest, nextIncrement(manifest, { fileName }))
  }
  const first = nextIncrement(manifest, { fileName })
  manifest = rewritten(
    withIncrement(manifest, first),
    nextBase(manifest, { fileName, suffix: 'rdb' }),
    first,
  )
  assert.equal(
    format(manifest),
    'file appendonly.aof.1.base.rdb seq 1 type b\n' +
      'file appendonly.aof.1.incr.aof seq 1 type h\n' +
      'file appendonly.aof.2.incr.aof seq 2 type h\n' +
      'file appendonly.aof.3.incr.aof seq 3 type i\n',
  )
  assert.deepEqual(
    loadedFiles(manifest).map(({ name }) => name),
    ['appendonly.aof.1.base.rdb', 'appendonly.aof.3.incr.aof'],
  )
  const again = nextIncrement(manifest, { fileName })
  const next = rewritten(
    withIncrement(manifest, again),
    nextBase(manifest, { fileName, suffix: 'aof' }),
    again,
  )
  assert.equal(next.base?.name, 'appendonly.aof.2.base.aof')
  assert.equal(next.history.length, 4)
})
