// Goal: packed values from outside are kept as they lie where that is what adding their elements
// would make, and called as they would be; all others are refused.
// Method: tables of values at and beyond each limit.

import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { Slice } from '../base/slice.ts'
import {
  type AdoptedName,
  nameOfHash,
  nameOfIntset,
  nameOfList,
  nameOfSet,
  nameOfZset,
  UNSUITED,
} from './adopted-value.ts'
import { defaultEncodingLimits, type EncodingLimits } from './encoding-limits.ts'
import { hex, listpackOf } from './packed/test-packed.ts'
import { Encoding } from './record.ts'

type NameOf = (value: Slice, limits: EncodingLimits) => AdoptedName

interface Row {
  readonly name: string
  readonly nameOf: NameOf
  /** Texts of a listpack, or bytes. */
  readonly value: readonly string[] | Uint8Array
  readonly limits?: Partial<EncodingLimits>
  readonly expected: AdoptedName
}

function numbered(count: number, length = 1): string[] {
  return Array.from({ length: count }, (_, i) => `${i}:`.padEnd(length, 'x'))
}

function pairs(count: number, length: number, value: string): string[] {
  return numbered(count, length).flatMap((key) => [key, value])
}

/** Members with ascending scores. */
function scored(count: number, length = 5): string[] {
  return numbered(count, length).flatMap((member, i) => [member, String(i)])
}

const { Listpack, Hashtable, Skiplist, Quicklist, Intset } = Encoding

const LISTS: readonly Row[] = [
  { name: 'a list', nameOf: nameOfList, value: ['a', '1', ''], expected: Quicklist },
  { name: 'a list of 8 KiB', nameOf: nameOfList, value: numbered(80, 99), expected: Quicklist },
  { name: 'a longer one', nameOf: nameOfList, value: numbered(81, 99), expected: UNSUITED },
  {
    name: 'a list of more elements than may be',
    nameOf: nameOfList,
    value: ['a', 'b', 'c'],
    limits: { listNodeSize: 2 },
    expected: UNSUITED,
  },
  {
    name: 'a list with what looks like a reference',
    nameOf: nameOfList,
    value: hex('15000000 0100 f0080000004142434445464748 0d ff'),
    expected: UNSUITED,
  },
]

const HASHES: readonly Row[] = [
  { name: 'a hash', nameOf: nameOfHash, value: ['f', 'v', '12', '13'], expected: Listpack },
  { name: 'of 64 bytes', nameOf: nameOfHash, value: pairs(2, 64, 'v'), expected: Listpack },
  { name: 'of 65 bytes', nameOf: nameOfHash, value: pairs(2, 65, 'v'), expected: Hashtable },
  {
    name: 'with a long value',
    nameOf: nameOfHash,
    value: ['f', 'v'.repeat(65)],
    expected: Hashtable,
  },
  {
    name: 'of more fields than may be',
    nameOf: nameOfHash,
    value: pairs(3, 2, 'v'),
    limits: { hashEntriesMax: 2 },
    expected: Hashtable,
  },
  {
    name: 'called hashtable, and too many',
    nameOf: nameOfHash,
    value: pairs(129, 2, 'v'),
    limits: { hashEntriesMax: 2 },
    expected: UNSUITED,
  },
  { name: 'a field twice', nameOf: nameOfHash, value: ['f', '1', 'f', '2'], expected: UNSUITED },
  { name: 'a number twice', nameOf: nameOfHash, value: ['9', '1', '9', '2'], expected: UNSUITED },
  {
    name: 'a number whose digits would count',
    nameOf: nameOfHash,
    value: ['f', '1'],
    limits: { hashValueMax: 2 },
    expected: UNSUITED,
  },
]

const SETS: readonly Row[] = [
  { name: 'a set', nameOf: nameOfSet, value: ['a', 'b', '3'], expected: Hashtable },
  { name: 'a set of numbers', nameOf: nameOfSet, value: ['1', '2'], expected: UNSUITED },
  { name: 'a member twice', nameOf: nameOfSet, value: ['a', 'b', 'a'], expected: UNSUITED },
  { name: 'too many members', nameOf: nameOfSet, value: numbered(129), expected: UNSUITED },
  {
    name: 'an intset',
    nameOf: nameOfIntset,
    value: hex('02000000 02000000 0100 0200'),
    expected: Intset,
  },
  {
    name: 'an intset of more than may be',
    nameOf: nameOfIntset,
    value: hex('02000000 02000000 0100 0200'),
    limits: { setIntsetEntriesMax: 1 },
    expected: UNSUITED,
  },
]

const ZSETS: readonly Row[] = [
  { name: 'a sorted set', nameOf: nameOfZset, value: scored(128), expected: Listpack },
  { name: 'too many members', nameOf: nameOfZset, value: scored(129), expected: UNSUITED },
  { name: 'a long member', nameOf: nameOfZset, value: scored(3, 65), expected: Skiplist },
  {
    name: 'more members than may be',
    nameOf: nameOfZset,
    value: scored(3),
    limits: { zsetEntriesMax: 2 },
    expected: Skiplist,
  },
  {
    name: 'equal scores in order',
    nameOf: nameOfZset,
    value: ['a', '1', 'b', '1', 'b2', '1.5'],
    expected: Listpack,
  },
  { name: 'not in order', nameOf: nameOfZset, value: ['a', '2', 'b', '1'], expected: UNSUITED },
  {
    name: 'equal, not in order',
    nameOf: nameOfZset,
    value: ['b', '1', 'a', '1'],
    expected: UNSUITED,
  },
  { name: 'a member twice', nameOf: nameOfZset, value: ['a', '1', 'a', '2'], expected: UNSUITED },
  { name: 'no number', nameOf: nameOfZset, value: ['a', 'x'], expected: UNSUITED },
  { name: 'nan', nameOf: nameOfZset, value: ['a', 'nan'], expected: UNSUITED },
  { name: 'infinities', nameOf: nameOfZset, value: ['a', '-inf', 'b', 'inf'], expected: Listpack },
  { name: 'minus zero', nameOf: nameOfZset, value: ['a', '-0'], expected: UNSUITED },
]

for (const { name, nameOf, value, limits, expected } of [...LISTS, ...HASHES, ...SETS, ...ZSETS]) {
  test(`${nameOf.name}: ${name}`, () => {
    const bytes = value instanceof Uint8Array ? value : listpackOf(value)
    const range = new Slice().set(bytes, 0, bytes.length)
    equal(nameOf(range, { ...defaultEncodingLimits(), ...limits }), expected)
  })
}
