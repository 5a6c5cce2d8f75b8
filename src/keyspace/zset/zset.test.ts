// Goal: a sorted set of either form does what a sorted array does, and a full arena leaves it as it
// was. Method: seeded random operations on a set and on a plain model, compared after each step;
// `check` walks all invariants. Scores are few, so that ties are common; some members are long
// enough for leaves of several pages, some for spans.

import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { ARENA_FULL } from '../../memory/arena.ts'
import { NULL } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { Keyspace } from '../keyspace.ts'
import { Encoding } from '../record.ts'
import { PACKING, type Zset, zsetsOf } from './zset.ts'

const SEED = Number(process.env['SEED'] ?? 20240701)
console.log(`SEED=${SEED}`)

const LIMITS = { ...defaultEncodingLimits(), zsetEntriesMax: 16, zsetValueMax: 30 }
const PAGES = 2 * 16384
const MEMBER = new Slice()

function sliceOf(text: string): Slice {
  const bytes = Buffer.from(`7${text}7`, 'latin1')
  return new Slice().set(bytes, 1, text.length)
}

interface Pair {
  readonly member: string
  readonly score: number
}

/** A set under the key `z` and its model. */
class Bench {
  readonly keyspace: Keyspace
  readonly db: Database
  readonly key = sliceOf('z')
  readonly model = new Map<string, number>()
  readonly random: Random

  constructor(seed: number) {
    this.random = new Random(seed)
    this.keyspace = new Keyspace({
      databaseCount: 1,
      pageCapacity: PAGES,
      hashSecret: new Uint32Array([seed, ~seed]),
      random: new Random(seed),
    })
    this.db = this.keyspace.databases[0]!
  }

  get set(): Zset {
    return zsetsOf(this.db).main.open(this.db, this.db.peek(this.key))
  }

  /** Adds a member or changes its score. */
  put(member: string, score: number): void {
    const record = this.db.peek(this.key)
    if (record === NULL) {
      const { made } = zsetsOf(this.db)
      made.openNew().add(sliceOf(member), score, LIMITS)
      made.storeAs(this.db, this.key)
    } else if (this.set.find(sliceOf(member))) {
      zsetsOf(this.db).main.setScore(sliceOf(member), score)
    } else this.set.add(sliceOf(member), score, LIMITS)
    this.model.set(member, score)
  }

  remove(member: string): void {
    const { set } = this
    equal(set.find(sliceOf(member)), true)
    set.remove()
    this.model.delete(member)
    this.dropIfEmpty()
  }

  dropIfEmpty(): void {
    if (this.set.count === 0) this.db.remove(this.set.record)
  }

  sorted(): Pair[] {
    const pairs = [...this.model].map(([member, score]) => ({ member, score }))
    return pairs.sort((a, b) => a.score - b.score || Buffer.compare(bytesOf(a), bytesOf(b)))
  }

  /** Compares all of the set with the model, both ways. */
  compare(): void {
    const expected = this.sorted()
    if (expected.length === 0) return equal(this.db.peek(this.key), NULL)
    const { set } = this
    equal(set.count, expected.length)
    deepEqual(pairsOf(set), expected)
    set.seekRank(set.count - 1)
    const backwards: Pair[] = []
    do backwards.push(pairAt(set))
    while (set.previous())
    deepEqual(backwards.reverse(), expected)
  }

  /** Compares searches by member, rank and bounds with the model. */
  compareSearch(): void {
    const expected = this.sorted()
    if (expected.length === 0) return
    const { set, random } = this
    for (let i = 0; i < 12; i++) {
      const rank = random.below(expected.length)
      const { member, score } = expected[rank]!
      equal(set.find(sliceOf(member)), true, `SEED=${SEED} ${member}`)
      equal(set.score, score)
      equal(set.rank(), rank)
      set.seekRank(rank)
      deepEqual(pairAt(set), expected[rank])
      const bound = random.below(2) === 0 ? score : score + random.float() - 0.5
      const below = expected.filter((pair) => pair.score < bound).length
      const through = expected.filter((pair) => pair.score <= bound).length
      equal(set.rankOfScore(bound, false), below)
      equal(set.rankOfScore(bound, true), through)
    }
    equal(set.find(sliceOf('absent')), false)
    equal(set.rankOfScore(-Infinity, false), 0)
    equal(set.rankOfScore(Infinity, true), expected.length)
  }
}

function bytesOf({ member }: Pair): Buffer {
  return Buffer.from(member, 'latin1')
}

function pairAt(set: Zset): Pair {
  return { member: set.readMember(MEMBER).toLatin1(), score: set.score }
}

function pairsOf(set: Zset): Pair[] {
  const pairs: Pair[] = []
  set.seekRank(0)
  do pairs.push(pairAt(set))
  while (set.next())
  return pairs
}

function randomMember(random: Random, space: number): string {
  const name = String(random.below(space))
  switch (name.charCodeAt(name.length - 1) % 8) {
    case 0:
      return name
    case 1:
      return `${name}${'x'.repeat((Number(name) % 40) * 50)}`
    default:
      return `member:${name}\xff`
  }
}

function randomScore(random: Random): number {
  switch (random.below(5)) {
    case 0:
      return random.below(4)
    case 1:
      return random.float() * 100
    case 2:
      return [Infinity, -Infinity, 2 ** 62, -(2 ** 53), 1e300][random.below(5)]!
    default:
      return random.below(1000) - 500
  }
}

for (const [name, space, rounds] of [
  ['packed', 60, 1500],
  ['large', 600, 4000],
  ['of some thousand members', 6000, 12000],
] as const) {
  test(`random changes agree with a sorted array: ${name}`, () => {
    const bench = new Bench(SEED)
    const { random } = bench
    for (let round = 0; round < rounds; round++) {
      const member = randomMember(random, space)
      const isRemoval = random.below(100) < (Math.floor(round / 1000) % 3 === 2 ? 70 : 25)
      if (isRemoval && bench.model.has(member)) bench.remove(member)
      else bench.put(member, randomScore(random))
      if (round % 97 !== 0) continue
      bench.compareSearch()
      if (round % 485 !== 0 || bench.model.size === 0) continue
      bench.set.check()
      bench.compare()
    }
    bench.keyspace.check()
    bench.db.remove(bench.db.peek(bench.key))
    bench.keyspace.reclaimAll()
    equal(bench.keyspace.collections.count, 0)
    equal(bench.keyspace.arena.datasetBytes, 0)
  })
}

test('random changes of a tree from the first member on, with members in spans', () => {
  const { bytesMax } = PACKING
  PACKING.bytesMax = 0
  try {
    const bench = new Bench(SEED)
    const { random } = bench
    for (let round = 0; round < 1200; round++) {
      const name = random.below(60)
      const member = `${name}${'y'.repeat(name % 5 === 0 ? name * 700 : name * 20)}`
      if (random.below(3) === 0 && bench.model.has(member)) bench.remove(member)
      else bench.put(member, random.below(30))
      if (bench.model.size === 0) continue
      equal(bench.set.isLarge, true)
      if (round % 50 === 0) {
        bench.set.check()
        bench.compare()
        bench.compareSearch()
      }
    }
    bench.keyspace.check()
  } finally {
    PACKING.bytesMax = bytesMax
  }
})

test('a set whose nodes and index lie in two segments', () => {
  const bench = new Bench(SEED)
  const { random } = bench
  const { arena } = bench.keyspace
  for (let left = PAGES / 2 - 30; left > 0; left -= 4096) arena.allocateTable(Math.min(left, 4096))
  for (let round = 0; round < 8000; round++) {
    const member = `member:${random.below(5000)}`
    if (random.below(4) === 0 && bench.model.has(member)) bench.remove(member)
    else bench.put(member, random.below(3000))
    if (round % 1000 === 0) bench.compareSearch()
  }
  equal(arena.mappedBytes > 64 * 1024 * 1024, true)
  bench.set.check()
  bench.compare()
})

test('members with one score are ordered by their bytes, and found by them', () => {
  const bench = new Bench(SEED)
  const { random } = bench
  for (let i = 0; i < 3000; i++) bench.put(`m${random.below(100000)}`, 7)
  const expected = bench.sorted()
  const { set } = bench
  set.check()
  for (let i = 0; i < 300; i++) {
    const bound = random.below(2) === 0 ? `m${random.below(100000)}` : expected[i]!.member
    const below = expected.filter((pair) => pair.member < bound).length
    const through = expected.filter((pair) => pair.member <= bound).length
    equal(set.rankOfMember(sliceOf(bound), false), below)
    equal(set.rankOfMember(sliceOf(bound), true), through)
  }
})

test('ranges of ranks go at once', () => {
  for (const size of [50, 700, 5000]) {
    const bench = new Bench(SEED)
    for (let i = 0; i < size; i++) bench.put(`m${i}`, bench.random.below(50))
    while (bench.model.size > 0) {
      const expected = bench.sorted()
      const from = bench.random.below(expected.length)
      const limit = Math.min(expected.length, from + 1 + bench.random.below(size / 3))
      bench.set.removeRanks(from, limit)
      for (const { member } of expected.slice(from, limit)) bench.model.delete(member)
      if (bench.model.size > 0) bench.set.check()
      bench.dropIfEmpty()
      bench.compare()
    }
    bench.keyspace.check()
  }
})

test('a scan meets every member that stays, while others come, go and move', () => {
  for (const scores of [1, 100000]) {
    const bench = new Bench(SEED)
    const { random } = bench
    for (let i = 0; i < 3000; i++) bench.put(`stays${i}`, random.below(scores))
    const seen = new Set<string>()
    let cursor = 0
    do {
      const { set } = bench
      const limit = set.scanLimit(cursor, 10)
      set.scan(cursor, limit, () => seen.add(set.readMember(MEMBER).toLatin1()))
      cursor = limit
      for (let i = 0; i < 20; i++) {
        bench.put(`stays${random.below(3000)}`, random.below(scores))
        const other = `other${random.below(5000)}`
        if (bench.model.has(other)) bench.remove(other)
        else bench.put(other, random.below(scores))
      }
    } while (cursor !== 0)
    for (let i = 0; i < 3000; i++) equal(seen.has(`stays${i}`), true, `stays${i}`)
  }
})

test('a set is called by the limits, whatever form it has', () => {
  const bench = new Bench(SEED)
  bench.put('a', 1)
  equal(bench.set.encoding, Encoding.Listpack)
  bench.put('x'.repeat(31), 1)
  equal(bench.db.encodingOf(bench.set.record), Encoding.Skiplist)
  equal(bench.set.isLarge, false)
  bench.remove('x'.repeat(31))
  equal(bench.set.encoding, Encoding.Skiplist)
  bench.db.remove(bench.set.record)
  bench.model.clear()
  for (let i = 0; i < 16; i++) bench.put(`${i}`, i)
  equal(bench.set.encoding, Encoding.Listpack)
  bench.put('16', 1)
  equal(bench.set.encoding, Encoding.Skiplist)
  for (let i = 0; i < 130; i++) bench.put(`${i}`, i)
  equal(bench.set.isLarge, true)
})

test('without memory a change of a member leaves all as it was', () => {
  const bench = new Bench(SEED)
  const { random } = bench
  const { arena } = bench.keyspace
  for (let left = PAGES - 96; left > 0; left -= 4096) arena.allocateTable(Math.min(left, 4096))
  let refused = 0
  for (let i = 0; i < 9000; i++) {
    const before = bench.model.size === 0 ? 0 : bench.set.count
    try {
      const member = `m${random.below(30000)}${'z'.repeat(random.below(50))}`
      bench.put(member, random.below(2000))
    } catch (error) {
      if (error !== ARENA_FULL) throw error
      refused++
      equal(bench.set.count, before)
      if (refused % 50 === 1) {
        bench.set.check()
        bench.compare()
      }
      // Removing works without memory.
      if (refused % 3 === 0) bench.remove([...bench.model.keys()][random.below(bench.model.size)]!)
    }
  }
  equal(refused > 20, true)
  bench.set.check()
  bench.compare()
  bench.keyspace.check()
})

test('small scores and extremes come back as they were', () => {
  const scores = [0.1, 3.14, -1.5e300, 5e-324, 2 ** 53 + 2, -(2 ** 62), 2 ** 63, 1 / 3, Infinity]
  const bench = new Bench(SEED)
  for (const score of scores) bench.put(`m${score}`, score)
  bench.compare()
  bench.compareSearch()
})
