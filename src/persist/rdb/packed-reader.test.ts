// Goal: packed values and quicklists come out of whole RDB files as they were saved, and damage is
// an error with its place. Method: literal bytes of files; the assets of Redis's own test suite,
// where it is laid out (`npm run tcl` fetches it), against what that suite expects of them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../base/errors.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { hex, listpackOf } from '../../keyspace/packed/test-packed.ts'
import { Kernels } from './kernels.ts'
import { PackedReader, QuicklistForm } from './packed-reader.ts'
import { PackedKind } from './packed-walker.ts'
import { Opcode } from './rdb-format.ts'
import { BytesFile, RdbInput, RdbString } from './rdb-input.ts'

const BUFFER_BYTES = 4096
const INPUT = new RdbInput(new Kernels(RdbInput.regionBytes(BUFFER_BYTES)), BUFFER_BYTES)
const READER = new PackedReader()

const KINDS = new Map<number, PackedKind>([
  [9, PackedKind.Zipmap],
  [10, PackedKind.Ziplist],
  [11, PackedKind.Intset],
  [12, PackedKind.Ziplist],
  [13, PackedKind.Ziplist],
  [16, PackedKind.Listpack],
  [17, PackedKind.Listpack],
])

function open(bytes: Uint8Array): RdbInput {
  INPUT.open(new BytesFile('test', bytes))
  return INPUT
}

function restOf(reader: PackedReader): string[] {
  const entry = new PackedEntry()
  const texts: string[] = []
  while (reader.next(entry)) texts.push(entry.toLatin1())
  assert.equal(reader.next(entry), false)
  return texts
}

/** The packed values of a file by key; other values are skipped if they are strings or lists. */
function packedValuesOf(file: Uint8Array): Record<string, string[]> {
  const input = open(file)
  const slot = new RdbString()
  const values: Record<string, string[]> = {}
  for (let i = 0; i < 9; i++) input.byte('magic')
  for (;;) {
    const type = input.byte('type')
    if (type === Opcode.Eof) return values
    if (type === Opcode.SelectDb) {
      input.length('database')
    } else if (type === Opcode.ResizeDb) {
      input.length('keys')
      input.length('expires')
    } else if (type === Opcode.Aux) {
      input.string(slot, 'name')
      input.string(slot, 'value')
    } else {
      const key = input.text(slot, 'key')
      const kind = KINDS.get(type)
      if (kind !== undefined) READER.openValue(input, kind, 'value')
      else if (type === 14) READER.openQuicklist(input, QuicklistForm.Ziplists, 'list')
      else if (type === 18) READER.openQuicklist(input, QuicklistForm.Containers, 'list')
      else {
        skipPlain(type, input)
        continue
      }
      values[key] = restOf(READER)
    }
  }
}

/** Skips strings (0), lists (1), sets (2), sorted sets with text scores (3) and hashes (4). */
function skipPlain(type: number, input: RdbInput): void {
  const slot = new RdbString()
  assert.ok(type <= 4, `type ${type}`)
  const count = type === 0 ? 1 : input.length('count') * (type === 4 ? 2 : 1)
  for (let i = 0; i < count; i++) {
    input.string(slot, 'element')
    if (type !== 3) continue
    const length = input.byte('score length')
    for (let k = 0; k < length && length < 253; k++) input.byte('score')
  }
}

test('a hash of Redis 2.4 and a list of Redis 4.0', () => {
  const zipmap = '524544495330303033 fe00 09 0468617368 10 02026631020076310266320200 7632ff ff'
  assert.deepEqual(packedValuesOf(hex(zipmap)), { hash: ['f1', 'v1', 'f2', 'v2'] })
  const quicklist =
    '524544495330303038 fe00 fb0200 0e 046c697374 01 0d 0d0000000a000000010000f8ff ff'
  assert.deepEqual(packedValuesOf(hex(quicklist)), { list: ['7'] })
})

/** A string with its length in front, shorter than 64 or in 14 bits. */
function framed(bytes: Uint8Array): number[] {
  const { length } = bytes
  return length < 64 ? [length, ...bytes] : [0x40 | (length >> 8), length & 255, ...bytes]
}

test('a quicklist of plain, packed and empty nodes', () => {
  const long = 'x'.repeat(300)
  const file = Uint8Array.from([
    4,
    ...[2, ...framed(listpackOf(['a', '-5']))],
    ...[1, ...framed(Buffer.from(long))],
    ...[2, ...framed(listpackOf([]))],
    ...[2, ...framed(listpackOf(['123456789012']))],
  ])
  READER.openQuicklist(open(file), QuicklistForm.Containers, 'list')
  assert.equal(READER.nodesLeft, 4)
  assert.deepEqual(restOf(READER), ['a', '-5', long, '123456789012'])
  assert.equal(READER.nodesLeft, 0)
  assert.equal(INPUT.remaining, 0)
})

test('a quicklist without elements', () => {
  for (const file of [[0], [2, 2, ...framed(listpackOf([])), 2, ...framed(listpackOf([]))]]) {
    READER.openQuicklist(open(Uint8Array.from(file)), QuicklistForm.Containers, 'list')
    assert.deepEqual(restOf(READER), [])
  }
})

test('damage is an error with place and kind', () => {
  const rows: [() => void, RegExp][] = [
    [() => readValue('03 010203', PackedKind.Ziplist), /value at byte 0, found a damaged ziplist/],
    [
      () => readValue('01 00', PackedKind.Zipmap),
      /found a damaged zipmap, expected a whole zipmap/,
    ],
    [() => readQuicklist('01 03 00'), /list at byte 1, found container 3, expected 1 or 2/],
    [() => readQuicklist('01 02 00'), /list at byte 2, found a damaged listpack/],
    [() => readQuicklist('01 01 00'), /list at byte 2, found an empty element as a node/],
    [() => readValue('01 00', PackedKind.Zipmap), /: Zipmap integrity check failed$/],
    [() => readQuicklist('01 02 00'), /: Listpack integrity check failed$/],
    [() => readQuicklist('ff'), /list node count/],
    [() => readQuicklist('02 01 0161'), /./],
  ]
  for (const [run, message] of rows) {
    assert.throws(run, (error) => error instanceof StoreError && message.test(error.message))
  }
})

function readValue(digits: string, kind: PackedKind): void {
  READER.openValue(open(hex(digits)), kind, 'value')
}

function readQuicklist(digits: string): void {
  READER.openQuicklist(open(hex(digits)), QuicklistForm.Containers, 'list')
  restOf(READER)
}
