// Goal: a pass of compaction changes where records lie and nothing else, frees the pages it
// promises, and takes no part of what an open cut still has to read.
// Method: records of every shape (long keys, long values, deadlines of keys and fields, roots),
// most of which are deleted at random; contents before and after, `check()`, pages counted. Cuts:
// thousands of keys change while the scanner and compaction take steps in turn.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { Slice } from '../../src/base/slice.ts'
import { type Answer, Harness } from '../../src/command/harness.ts'
import { contentsOf } from '../../src/keyspace/test-contents.ts'
import {
  type CutBench,
  NOW_MS,
  runCuts,
  SCANNERS,
  TestCut,
  type TestCutOptions,
} from '../../src/persist/snapshot/test-cut.ts'

const SEED = Number(process.env.SEED ?? 1)
const ROUNDS = Number(process.env.ROUNDS ?? 4)
const KEYS = 6000

/** Makes the key `i` a value of one of all shapes. */
function fill(harness: Harness, i: number): void {
  const key = keyOf(i)
  const text = 'v'.repeat((i * 37) % 300)
  const many = Array.from({ length: 200 }, (_, j) => `element:${i}:${j}`)
  const pairs = many.slice(0, 150).flatMap((each, j) => [each, String(j)])
  const kinds: (() => unknown)[] = [
    () => harness.run('SET', key, text),
    () => harness.run('SET', key, text, 'PX', 10_000_000 + i),
    () => harness.run('SET', key, 'x'.repeat(20_000 + i)),
    () => harness.run('RPUSH', key, 'a', 'b', text),
    () => i % 50 === 4 && harness.run('SADD', key, ...many),
    () => harness.run('HSET', key, 'field', text, 'other', i),
    () => {
      harness.run('HSET', key, 'field', text)
      harness.run('HPEXPIRE', key, 20_000_000 + i, 'FIELDS', 1, 'field')
      if (i % 2 === 0) harness.run('PEXPIRE', key, 30_000_000 + i)
    },
    () => i % 50 === 7 && harness.run('ZADD', key, ...pairs.map((_, j, all) => all[j ^ 1]!)),
    () => i % 50 === 8 && harness.run('HSET', key, ...pairs),
    () => harness.run('XADD', key, `${i + 1}-1`, 'field', text),
  ]
  kinds[i % kinds.length]!()
}

/** Some keys are longer than a record holds inline. */
function keyOf(i: number): string {
  return i % 97 === 3 ? `long:${i}:${'k'.repeat(1500)}` : `key:${i}`
}

/** What all keys hold, by commands. */
function contents(harness: Harness): Map<string, Answer[]> {
  const map = new Map<string, Answer[]>()
  for (let i = 0; i < KEYS; i++) {
    const key = keyOf(i)
    const type = harness.run('TYPE', key) as { readonly line: string }
    if (type.line === '+none') continue
    map.set(key, [type.line, harness.run('PTTL', key), harness.run('OBJECT', 'ENCODING', key)])
    map.get(key)!.push(...readValue(harness, type.line.slice(1), key))
  }
  return map
}

function readValue(harness: Harness, type: string, key: string): Answer[] {
  const sorted = (answer: Answer) => JSON.stringify([...(answer as Answer[])].sort())
  switch (type) {
    case 'string':
      return [harness.run('GET', key)]
    case 'list':
      return [harness.run('LRANGE', key, 0, -1)]
    case 'set':
      return [sorted(harness.run('SMEMBERS', key))]
    case 'zset':
      return [harness.run('ZRANGE', key, 0, -1, 'WITHSCORES')]
    case 'stream':
      return [harness.run('XRANGE', key, '-', '+')]
    default:
      return [harness.run('HGETALL', key), harness.run('HPTTL', key, 'FIELDS', 1, 'field')]
  }
}

function compact(harness: Harness, fillMax: number): void {
  const { compaction } = harness.keyspace
  compaction.begin(fillMax)
  while (compaction.step());
}

test('what is left lies dense, and is what it was', { timeout: 60_000 }, () => {
  for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
    const random = new Random(seed)
    const harness = new Harness({ seed })
    for (let i = 0; i < KEYS; i++) fill(harness, i)
    for (let i = 0; i < KEYS; i++) if (random.below(4) !== 0) harness.run('DEL', keyOf(i))
    const { arena, compaction } = harness.keyspace
    const before = contents(harness)
    const cellsBytes = arena.cellsBytes
    const sparse = arena.slabBytes
    compact(harness, 1)
    harness.keyspace.check()
    assert.deepEqual(contents(harness), before, `SEED=${seed}`)
    assert.equal(arena.cellsBytes, cellsBytes)
    assert.ok(compaction.movedCells > 100 && compaction.freedSlabs > 20, `SEED=${seed}`)
    assert.ok(arena.slabBytes < sparse * 0.7, `${sparse} fell to ${arena.slabBytes}`)
    assert.equal(compaction.missedCells, 0)
    // Another pass finds nothing: it moves no cell to and fro.
    const { movedCells } = compaction
    compact(harness, 1)
    assert.equal(compaction.movedCells, movedCells)
    for (let i = 0; i < KEYS; i++) fill(harness, i)
    harness.keyspace.check()
  }
})

test('clients change everything between the steps of a pass', { timeout: 60_000 }, () => {
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  const { compaction } = harness.keyspace
  for (let i = 0; i < KEYS; i++) fill(harness, i)
  for (let turn = 0; turn < 30_000; turn++) {
    const i = random.below(KEYS)
    const isFull = Math.floor(turn / 5000) % 2 === 0
    if (random.below(10) < (isFull ? 2 : 8)) fill(harness, i)
    else harness.run('DEL', keyOf(i))
    if (!compaction.isRunning && random.below(50) === 0) compaction.begin(0.9)
    if (random.below(3) === 0) compaction.step()
    if (random.below(4000) === 0) compaction.stop()
    if (random.below(8000) === 0) harness.run('FLUSHDB', 'ASYNC')
    if (turn % 5000 === 0) harness.keyspace.check()
  }
  compaction.stop()
  harness.keyspace.reclaimAll()
  harness.keyspace.check()
  assert.ok(compaction.movedCells > 100)
})

test('slabs that were to go stay when a pass is stopped', () => {
  const harness = new Harness({ seed: SEED })
  const { compaction, arena } = harness.keyspace
  for (let i = 0; i < KEYS; i++) fill(harness, i)
  for (let i = 0; i < KEYS; i++) if (i % 3 !== 0) harness.run('DEL', keyOf(i))
  compaction.begin(1)
  while (compaction.movedCells === 0) compaction.step()
  compaction.stop()
  harness.keyspace.check()
  assert.equal(arena.pages.condemned.indexOf(1), -1)
})

/** Strings that come and go by thousands while they are saved. */
class Bench extends TestCut implements CutBench {
  change(): void {
    const { random } = this
    const database = this.keyspace.databases[random.below(2)]!
    const key = Slice.ofText(keyOf(random.below(KEYS)))
    const record = database.findForWrite(key)
    if (random.below(3) === 0) {
      const value = Slice.ofText('v'.repeat(random.below(40) === 0 ? 20_000 : random.below(300)))
      database.putString(key, value, random.below(3) === 0 ? NOW_MS + 5_000_000 : 0)
    } else if (record !== 0) database.remove(record)
  }

  contents(): Map<string, string[]>[] {
    const list = contentsOf(this.keyspace)
    return list.map((map) => new Map([...map].sort().map(([key, text]) => [key, [text]])))
  }
}

for (const scanner of SCANNERS) {
  test(`a cut is exact while records move, ${scanner}`, { timeout: 120_000 }, () => {
    let moved = 0
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
      runCuts(
        (options: TestCutOptions) => {
          const bench = new Bench(options)
          if (options.seed === seed) benches.push(bench)
          return bench
        },
        { seed, scanner },
      )
    }
    for (const bench of benches.splice(0)) moved += bench.keyspace.compaction.movedCells
    assert.ok(moved > 100, `${moved} records moved`)
  })
}

const benches: Bench[] = []
