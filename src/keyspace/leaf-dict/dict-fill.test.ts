// Goal: a dict that was filled in bulk is the one that inserts would have made, whatever was
// expected of it; a key that comes twice is noticed; a full arena gives all memory back.
// Method: seeded random entries, compared with a Map; `check()` walks all invariants.

import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { ARENA_FULL, Arena } from '../../memory/arena.ts'
import { NULL, PAGES_PER_SEGMENT, type Ptr } from '../../memory/layout.ts'
import { Collections } from '../collections.ts'
import { KeyHash } from '../key-hash.ts'
import { ROOT_WORDS, Root } from '../root.ts'
import { DictFill } from './dict-fill.ts'
import { DictWalk } from './dict-walk.ts'
import { LeafDict } from './leaf-dict.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
console.log(`SEED=${SEED}`)

const NO_VALUE = new Slice()

class Bench {
  readonly arena: Arena
  readonly dict: LeafDict
  readonly words = new Uint32Array(ROOT_WORDS)
  readonly root = new Root()
  readonly fill = new DictFill()

  constructor(hasValues: boolean, pages = 64 * 1024) {
    this.arena = new Arena(pages)
    const hash = new KeyHash(new Uint32Array([1, 2]))
    this.dict = new LeafDict(new Collections(this.arena), hash, hasValues)
  }

  begin(count: number, bytesLeft: number, entryBytes: number): void {
    this.dict.create(this.words)
    this.root.open(this.words, 0, NULL)
    this.fill.begin(this.dict, this.words, { count, bytesLeft })
    this.fill.widen({ count, bytesLeft }, entryBytes)
  }

  contents(): Map<string, string> {
    const found = new Map<string, string>()
    const walk = new DictWalk()
    walk.open(this.dict, this.root)
    while (walk.next()) {
      ok(!found.has(walk.key.toLatin1()), 'an entry comes once')
      found.set(walk.key.toLatin1(), this.dict.hasValues ? walk.value.toLatin1() : '')
    }
    return found
  }
}

function slice(text: string): Slice {
  const bytes = Buffer.from(text, 'latin1')
  return new Slice().set(bytes, 0, bytes.length)
}

function sorted(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Mostly short, sometimes up to `limit`; no two are equal. */
function randomText(random: Random, id: number, limit: number): string {
  const length = random.below(50) === 0 ? random.below(limit) : random.below(40)
  return `${id}:`.padEnd(length, String.fromCharCode(33 + (id % 200)))
}

const CASES = [
  { name: 'few', count: 90, limit: 300, expected: 90 },
  { name: 'some', count: 4000, limit: 300, expected: 4000 },
  { name: 'many', count: 70_000, limit: 60, expected: 70_000 },
  { name: 'many of all lengths', count: 20_000, limit: 12_000, expected: 20_000 },
  { name: 'more than were expected', count: 30_000, limit: 100, expected: 300 },
  { name: 'less than were expected', count: 2000, limit: 100, expected: 200_000 },
]

for (const { name, count, limit, expected } of CASES) {
  for (const hasValues of [false, true]) {
    test(`${name} ${hasValues ? 'fields' : 'members'} are all there`, () => {
      const random = new Random(SEED)
      const bench = new Bench(hasValues)
      const model = new Map<string, string>()
      bench.begin(expected, expected * 60, 40)
      for (let id = 0; id < count; id++) {
        const key = randomText(random, id, limit)
        const value = hasValues ? randomText(random, random.below(1000), limit) : ''
        const deadlineMs = hasValues && random.below(20) === 0 ? 1e12 + id : 0
        ok(bench.fill.add(slice(key), hasValues ? slice(value) : NO_VALUE, deadlineMs))
        model.set(key, value)
      }
      ok(bench.fill.flush())
      bench.fill.forget()
      bench.dict.check(bench.root)
      equal(bench.root.count, count)
      deepEqual(sorted(bench.contents()), sorted(model))
      // It goes on as any other.
      for (const key of [...model.keys()].slice(0, 500)) {
        ok(bench.dict.find(bench.root, slice(key)))
        bench.dict.remove(bench.root)
      }
      bench.dict.check(bench.root)
      bench.dict.discard(bench.words)
      equal(bench.arena.usedBytes, 0)
    })
  }
}

test('a key that comes twice is noticed, in one batch, in two, and out of line', () => {
  const random = new Random(SEED)
  for (let round = 0; round < 40; round++) {
    const count = 2 + random.below(round % 4 === 0 ? 60_000 : 500)
    const doubled = random.below(count)
    const bench = new Bench(round % 2 === 0)
    bench.begin(count, count * 40, 30)
    const long = round % 5 === 0 ? 20_000 : 1
    let isDistinct = true
    for (let id = 0; id < count && isDistinct; id++) {
      isDistinct = bench.fill.add(slice(`${id}`.padEnd(id === doubled ? long : 1)), NO_VALUE, 0)
    }
    ok(isDistinct)
    const again = slice(`${doubled}`.padEnd(long))
    ok(!(bench.fill.add(again, NO_VALUE, 0) && bench.fill.flush()), `${doubled} of ${count}`)
    bench.dict.discard(bench.words)
    equal(bench.arena.usedBytes, 0)
  }
})

test('what is expected and never comes costs no more than the bytes that are left', () => {
  const bench = new Bench(true)
  bench.begin(1e9, 100_000, 60)
  ok(bench.arena.usedBytes < 1_500_000, `${bench.arena.usedBytes} bytes`)
  bench.dict.check(bench.root)
})

test('a full arena throws, and gives all back', () => {
  for (const pages of [3, 4, 8, 40, 300]) {
    const bench = new Bench(true, PAGES_PER_SEGMENT)
    const taken: Ptr[] = []
    while (taken.length < PAGES_PER_SEGMENT - pages - 1) taken.push(bench.arena.allocateNode(1, 1))
    const before = bench.arena.usedBytes
    bench.begin(100_000, 1e7, 40)
    const add = () => {
      for (let id = 0; id < 100_000; id++) bench.fill.add(slice(`${id}`), slice('v'.repeat(30)), 0)
    }
    throws(add, (error) => error === ARENA_FULL)
    bench.dict.discard(bench.words)
    equal(bench.arena.usedBytes, before)
  }
})
