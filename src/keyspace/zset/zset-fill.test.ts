// Goal: a sorted set that was filled in bulk is the one that adding makes, whatever the order of
// its members; a member that comes twice is noticed; leaves are filled whole.
// Method: seeded random members in several orders, compared with a sorted array; `check()`.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { Keyspace } from '../keyspace.ts'
import { type Zset, zsetsOf } from './zset.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
console.log(`SEED=${SEED}`)

const LIMITS = defaultEncodingLimits()
const RUN = 90

interface Pair {
  readonly member: string
  readonly score: number
}

function sliceOf(text: string): Slice {
  const bytes = Buffer.from(text, 'latin1')
  return new Slice().set(bytes, 0, bytes.length)
}

function byOrder(a: Pair, b: Pair): number {
  return a.score - b.score || (a.member < b.member ? -1 : 1)
}

function randomPairs(random: Random, count: number, scores: number): Pair[] {
  return Array.from({ length: count }, (_, id) => {
    const lengthMax = random.below(100) === 0 ? 10_000 : 30
    const member = `${id}.`.padEnd(random.below(lengthMax), 'm')
    return { member, score: random.below(scores) - scores / 2 }
  })
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const made = [...list]
  for (let i = made.length - 1; i > 0; i--) {
    const k = random.below(i + 1)
    const kept = made[i]!
    made[i] = made[k]!
    made[k] = kept
  }
  return made
}

/** Parts of an ascending list, each turned round. */
function runsOf(pairs: readonly Pair[]): Pair[][] {
  const runs: Pair[][] = []
  for (let i = 0; i < pairs.length; i += RUN) runs.push(pairs.slice(i, i + RUN).reverse())
  return runs
}

const ORDERS: Readonly<Record<string, (random: Random, pairs: Pair[]) => Pair[]>> = {
  'from the highest down': (_, pairs) => [...pairs].reverse(),
  'from the lowest up': (_, pairs) => pairs,
  'in runs that go down': (_, pairs) => runsOf(pairs).flat(),
  'in runs in any order': (random, pairs) => shuffled(random, runsOf(pairs)).flat(),
  'in any order': (random, pairs) => shuffled(random, pairs),
}

function newKeyspace(): Keyspace {
  return new Keyspace({
    databaseCount: 1,
    pageCapacity: 2 * 16384,
    hashSecret: new Uint32Array([SEED, 1]),
  })
}

function fill(made: Zset, pairs: readonly Pair[], expected = pairs.length): boolean {
  made.openFill(expected, LIMITS)
  for (const { member, score } of pairs) made.append(sliceOf(member), score, LIMITS)
  return made.finish()
}

function contents(set: Zset): Pair[] {
  const found: Pair[] = []
  const member = new Slice()
  set.seekRank(0)
  do found.push({ member: set.readMember(member).toLatin1(), score: set.score })
  while (set.next())
  return found
}

for (const [name, arrange] of Object.entries(ORDERS)) {
  test(`members ${name} are all there`, () => {
    const random = new Random(SEED)
    for (const { count, scores } of [
      { count: 100, scores: 10 },
      { count: 200, scores: 1 },
      { count: 3000, scores: 50 },
      { count: 12_000, scores: 1e9 },
    ]) {
      const keyspace = newKeyspace()
      const db = keyspace.databases[0]!
      const pairs = randomPairs(random, count, scores).sort(byOrder)
      const { made, main } = zsetsOf(db)
      ok(fill(made, arrange(random, pairs), random.below(3) === 0 ? 500 : count))
      const set = main.open(db, made.storeAs(db, sliceOf('z')))
      set.check()
      deepEqual(contents(set), pairs)
      for (const { member } of pairs.slice(0, 300)) {
        ok(set.find(sliceOf(member)))
        if (set.count > 1) set.remove()
      }
      set.check()
    }
  })
}

test('a member that comes twice is noticed, with the same score and with another', () => {
  const random = new Random(SEED)
  for (let round = 0; round < 60; round++) {
    const keyspace = newKeyspace()
    const { made } = zsetsOf(keyspace.databases[0]!)
    const before = keyspace.usedBytes
    const count = 2 + random.below(round % 3 === 0 ? 20_000 : 1000)
    const pairs = randomPairs(random, count, 1000)
    const twin = pairs[random.below(count)]!
    pairs.push({ member: twin.member, score: random.below(2) === 0 ? twin.score : 17 })
    pairs.sort(byOrder).reverse()
    ok(!fill(made, round % 2 === 0 ? pairs : shuffled(random, pairs)), `${twin.member}`)
    made.discard()
    equal(keyspace.usedBytes, before)
  }
})

test('leaves are filled whole from the highest down, and in runs that go down', () => {
  const pairs = Array.from({ length: 50_000 }, (_, i) => ({
    member: `member:${String(i).padStart(9, '0')}`,
    score: i,
  }))
  const bytes = pairs.length * (4 + 8 + 1 + 16)
  for (const order of [[...pairs].reverse(), runsOf(pairs).flat()]) {
    const keyspace = newKeyspace()
    const { made } = zsetsOf(keyspace.databases[0]!)
    ok(fill(made, order))
    ok(made.nodeBytes() < bytes * 1.7 + pairs.length * 16, `${made.nodeBytes()} bytes`)
    made.discard()
  }
})
