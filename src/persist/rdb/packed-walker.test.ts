// Goal: the elements of packed values of every age are read as they were written, and damage is
// refused before an element is given. Method: literal bytes of RDB files that Redis 2.4 to 7.0
// wrote; ziplists and zipmaps built by plain encoders of this test, at every width and length; all
// truncations and random damage, in bytes that throw when they are read outside of.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { guarded, hex, listpackOf } from '../../keyspace/packed/test-packed.ts'
import { PackedKind, PackedWalker } from './packed-walker.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))

/** The elements as texts, or null when the bytes are refused. */
function elementsOf(kind: PackedKind, bytes: Uint8Array): string[] | null {
  const walker = new PackedWalker()
  const entry = new PackedEntry()
  if (!walker.open(kind, bytes, 0, bytes.length)) {
    assert.equal(walker.next(entry), false)
    return null
  }
  const texts: string[] = []
  while (walker.next(entry)) texts.push(entry.toLatin1())
  assert.equal(texts.length, walker.count)
  walker.rewind()
  for (const text of texts) {
    assert.ok(walker.next(entry))
    assert.equal(entry.toLatin1(), text)
  }
  assert.equal(walker.next(entry), false)
  return texts
}

test('values in files of Redis 2.4 to 7.0', () => {
  const rows: [PackedKind, string, string[]][] = [
    [PackedKind.Zipmap, '02 026631 02 00 7631 026632 02 00 7632 ff', ['f1', 'v1', 'f2', 'v2']],
    [
      PackedKind.Ziplist,
      '1b000000 16000000 0400 00026631 04027631 04026632 04027632 ff',
      ['f1', 'v1', 'f2', 'v2'],
    ],
    [
      PackedKind.Ziplist,
      '19000000 16000000 0400 00036f6e65 05f2 020374776f 05f3 ff',
      ['one', '1', 'two', '2'],
    ],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 00f8 ff', ['7']],
    [
      PackedKind.Ziplist,
      '30000000 25000000 0800 00c00100 04c00200 04c00300 040161 030162 030163' +
        ' 03d0a0860100 06e000bca06501000000 ff',
      ['1', '2', '3', 'a', 'b', 'c', '100000', '6000000000'],
    ],
    [PackedKind.Intset, '04000000 02000000 a0860100 400d0300', ['100000', '200000']],
    [PackedKind.Intset, '02000000 00000000', []],
    [PackedKind.Listpack, '0d000000 0200 816602 dfd602 ff', ['f', '-42']],
    [PackedKind.Plain, '616263', ['abc']],
    [PackedKind.Plain, '', ['']],
  ]
  for (const [kind, digits, expected] of rows) {
    assert.deepEqual(elementsOf(kind, hex(digits)), expected, digits)
  }
})

/** The kind and value of a ziplist entry, as Redis encodes it. */
function ziplistValue(text: string): number[] {
  if (/^(0|-?[1-9]\d*)$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text)) {
    const value = BigInt(text)
    if (value >= 0n && value <= 12n) return [0xf1 + Number(value)]
    for (const [kind, bytes] of [
      [0xfe, 1],
      [0xc0, 2],
      [0xf0, 3],
      [0xd0, 4],
      [0xe0, 8],
    ] as const) {
      if (BigInt.asIntN(8 * bytes, value) !== value) continue
      return [
        kind,
        ...Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 255n)),
      ]
    }
  }
  const { length } = text
  const contents = [...Buffer.from(text, 'latin1')]
  if (length < 64) return [length, ...contents]
  if (length < 16384) return [0x40 | (length >> 8), length & 255, ...contents]
  return [0x80, ...[24, 16, 8, 0].map((shift) => (length >> shift) & 255), ...contents]
}

function u32(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 255)
}

function ziplistOf(texts: readonly string[], isLong: () => boolean): Uint8Array {
  const entries: number[][] = []
  let last = 10
  let previous = 0
  for (const text of texts) {
    last += previous
    const head = previous >= 254 || isLong() ? [254, ...u32(previous)] : [previous]
    const entry = [...head, ...ziplistValue(text)]
    entries.push(entry)
    previous = entry.length
  }
  const body = entries.flat()
  const count = Math.min(texts.length, 65535)
  const header = [...u32(body.length + 11), ...u32(last), count & 255, count >> 8]
  return Uint8Array.from([...header, ...body, 255])
}

function zipmapOf(texts: readonly string[], free: () => number): Uint8Array {
  const bytes = [texts.length / 2 < 254 ? texts.length / 2 : 254]
  for (let i = 0; i < texts.length; i++) {
    const contents = [...Buffer.from(texts[i]!, 'latin1')]
    bytes.push(...(contents.length < 254 ? [contents.length] : [254, ...u32(contents.length)]))
    if (i % 2 === 0) {
      bytes.push(...contents)
    } else {
      const unused = free()
      bytes.push(unused, ...contents, ...new Array<number>(unused).fill(0xff))
    }
  }
  return Uint8Array.from([...bytes, 255])
}

const LIMITS = ['0', '12', '13', '-1', '127', '128', '-128', '-129', '32767', '32768', '-32769']
LIMITS.push('8388607', '8388608', '-8388609', '2147483647', '2147483648', '-2147483649', '', '01')
LIMITS.push('9223372036854775807', '-9223372036854775808', '9223372036854775808', 'a'.repeat(63))
LIMITS.push('a'.repeat(64), 'a'.repeat(253), 'a'.repeat(254), 'b'.repeat(16383), 'z'.repeat(16384))

test('ziplists and zipmaps at every width and length', () => {
  for (const isLong of [false, true]) {
    assert.deepEqual(
      elementsOf(
        PackedKind.Ziplist,
        ziplistOf(LIMITS, () => isLong),
      ),
      LIMITS,
    )
  }
  for (const free of [0, 3, 255]) {
    assert.deepEqual(
      elementsOf(
        PackedKind.Zipmap,
        zipmapOf(LIMITS, () => free),
      ),
      LIMITS,
    )
  }
  assert.deepEqual(
    elementsOf(
      PackedKind.Ziplist,
      ziplistOf([], () => false),
    ),
    [],
  )
  assert.deepEqual(
    elementsOf(
      PackedKind.Zipmap,
      zipmapOf([], () => 0),
    ),
    [],
  )
})

test('counts that a header cannot hold', () => {
  const many = Array.from({ length: 65_536 }, (_, i) => String(i % 13))
  assert.equal(
    elementsOf(
      PackedKind.Ziplist,
      ziplistOf(many, () => false),
    )?.length,
    65_536,
  )
  const pairs = many.slice(0, 2 * 300)
  assert.deepEqual(
    elementsOf(
      PackedKind.Zipmap,
      zipmapOf(pairs, () => 1),
    ),
    pairs,
  )
})

test('damage by hand', () => {
  const rows: [PackedKind, string][] = [
    // Total, last offset, count, length before, an unknown kind, a length past the end, no end.
    [PackedKind.Ziplist, '0e000000 0a000000 0100 00f8 ff'],
    [PackedKind.Ziplist, '0d000000 0b000000 0100 00f8 ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0200 00f8 ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 01f8 ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 00ff ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 00c1 ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 0001 ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 0041 ff'],
    [PackedKind.Ziplist, '11000000 0a000000 0100 0080ffffffff ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 fe00 ff'],
    [PackedKind.Ziplist, '0d000000 0a000000 0100 00f8 00'],
    [PackedKind.Ziplist, '0b000000 ffffffff 0000 ff'],
    [PackedKind.Ziplist, '0a000000 0a000000 0000'],
    // No end, too many pairs, a field alone, a length past the end, free bytes past the end.
    [PackedKind.Zipmap, '00'],
    [PackedKind.Zipmap, '00 00'],
    [PackedKind.Zipmap, '01 ff'],
    [PackedKind.Zipmap, '02 0166 01 00 76 ff'],
    [PackedKind.Zipmap, '01 0166 ff'],
    [PackedKind.Zipmap, '01 0166 05 00 76 ff'],
    [PackedKind.Zipmap, '01 0166 01 01 76 ff'],
    [PackedKind.Zipmap, '01 feffffffff 66 01 00 76 ff'],
    [PackedKind.Zipmap, '01 0166 ff 00 76 ff'],
    [PackedKind.Listpack, '070000000100ff'],
    [PackedKind.Intset, '0200000001000000'],
  ]
  for (const [kind, digits] of rows) assert.equal(elementsOf(kind, hex(digits)), null, digits)
})

test('truncated and damaged bytes are refused or read, and nothing else is touched', () => {
  const random = new Random(SEED)
  const texts = ['f', '5', 'gg', '-300', 'x'.repeat(70), '70000', 'y'.repeat(260), '6000000000']
  const bases: [PackedKind, Uint8Array][] = [
    [PackedKind.Ziplist, ziplistOf(texts, () => random.below(3) === 0)],
    [PackedKind.Zipmap, zipmapOf(texts, () => random.below(3))],
    [PackedKind.Listpack, listpackOf(texts)],
    [PackedKind.Intset, hex('04000000 02000000 a0860100 400d0300')],
  ]
  for (const [kind, whole] of bases) {
    for (let length = 0; length < whole.length; length++) {
      assert.equal(elementsOf(kind, guarded(whole.slice(0, length))), null, `${kind}: ${length}`)
    }
    let accepted = 0
    for (let round = 0; round < 4_000; round++) {
      const bytes = guarded(whole)
      for (let i = 1 + random.below(3); i > 0; i--) {
        const at =
          random.below(3) === 0 ? random.below(12) % whole.length : random.below(whole.length)
        bytes[at] = random.below(3) === 0 ? 0xff - random.below(16) : random.below(256)
      }
      const walker = new PackedWalker()
      const entry = new PackedEntry()
      if (!walker.open(kind, bytes, 0, bytes.length)) continue
      accepted++
      let found = 0
      while (walker.next(entry)) {
        const { start, length } = entry
        const isWithin = entry.isInteger || (start >= 0 && start + length <= whole.length)
        assert.ok(isWithin, `SEED=${SEED} round ${round}`)
        found++
      }
      assert.equal(found, walker.count, `SEED=${SEED} round ${round}`)
    }
    // Damage within contents is none of the structure.
    assert.ok(accepted > 0 && accepted < 4_000, `SEED=${SEED} kind ${kind}: ${accepted}`)
  }
})
