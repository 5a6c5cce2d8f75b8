// Goal: a LeafDict does what a Map does, whatever the sizes of keys and values, gives all memory
// back, picks entries evenly, and no scan misses what is there all the time.
// Method: seeded random operations against a Map, with `check()` in between; arenas that are full.

import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { ARENA_FULL, Arena } from '../../memory/arena.ts'
import { NULL, PAGES_PER_SEGMENT } from '../../memory/layout.ts'
import { Collections } from '../collections.ts'
import { KeyHash } from '../key-hash.ts'
import { ROOT_WORDS, Root } from '../root.ts'
import { DictWalk } from './dict-walk.ts'
import { LeafDict } from './leaf-dict.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
console.log(`SEED=${SEED}`)

interface Bench {
  readonly arena: Arena
  readonly dict: LeafDict
  readonly walk: DictWalk
  readonly words: Uint32Array
  readonly root: Root
}

function make(hasValues: boolean, pages = 64 * 1024): Bench {
  const arena = new Arena(pages)
  const dict = new LeafDict(new Collections(arena), new KeyHash(new Uint32Array([1, 2])), hasValues)
  const words = new Uint32Array(ROOT_WORDS)
  dict.create(words)
  const root = new Root().open(words, 0, NULL)
  return { arena, dict, walk: new DictWalk(), words, root }
}

function slice(text: string): Slice {
  const bytes = Buffer.from(text, 'latin1')
  return new Slice().set(bytes, 0, bytes.length)
}

function put({ dict, root }: Bench, model: Map<string, string>, key: string, value: string): void {
  const isThere = dict.find(root, slice(key))
  equal(isThere, model.has(key))
  if (!isThere) dict.insert(root, slice(key), slice(value))
  else if (dict.hasValues) dict.replace(root, slice(key), slice(value))
  model.set(key, value)
}

function contents({ dict, root, walk }: Bench): Map<string, string> {
  const found = new Map<string, string>()
  walk.open(dict, root)
  while (walk.next()) {
    ok(!found.has(walk.key.toLatin1()), 'an entry comes once')
    found.set(walk.key.toLatin1(), dict.hasValues ? walk.value.toLatin1() : '')
  }
  return found
}

function sorted(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** A text whose length is mostly short, sometimes up to `limit`. */
function randomText(random: Random, keys: number, limit: number): string {
  const id = random.below(keys)
  // The length follows from the id, so that a key comes again.
  const length = id % 37 === 0 ? (id * 7919) % limit : id % 23
  return `${id}`.padEnd(length, String.fromCharCode(33 + (id % 200)))
}

const KINDS = [
  { name: 'a set of short members', hasValues: false, keys: 3000, limit: 40, turns: 20000 },
  { name: 'a set with long members', hasValues: false, keys: 1500, limit: 20000, turns: 6000 },
  { name: 'a hash', hasValues: true, keys: 2000, limit: 300, turns: 15000 },
  { name: 'a hash with long values', hasValues: true, keys: 900, limit: 30000, turns: 5000 },
]

for (const { name, hasValues, keys, limit, turns } of KINDS) {
  test(`${name} is a map`, () => {
    const random = new Random(SEED)
    const bench = make(hasValues)
    const { dict, root, arena, words } = bench
    const model = new Map<string, string>()
    // Grows, then shrinks, then grows again.
    for (let turn = 0; turn < turns; turn++) {
      const isGrowing = Math.floor((turn * 4) / turns) !== 2
      const key = randomText(random, keys, limit)
      if (random.below(100) < (isGrowing ? 75 : 15)) {
        put(bench, model, key, hasValues ? randomText(random, keys * 3, limit) : '')
      } else {
        const isThere = dict.find(root, slice(key))
        equal(isThere, model.delete(key))
        if (isThere) dict.remove(root)
      }
      if (turn % 1000 === 0) dict.check(root)
    }
    dict.check(root)
    equal(root.count, model.size)
    deepEqual(sorted(contents(bench)), sorted(model))
    for (const [key, value] of model) {
      ok(dict.find(root, slice(key)))
      equal(dict.readKey(new Slice()).toLatin1(), key)
      if (hasValues) equal(dict.readValue(new Slice()).toLatin1(), value)
    }
    // A copy is the same, and lives on its own.
    const copyWords = new Uint32Array(ROOT_WORDS)
    dict.clone(root, copyWords)
    const copy = new Root().open(copyWords, 0, NULL)
    dict.check(copy)
    for (const key of model.keys()) {
      ok(dict.find(root, slice(key)))
      dict.remove(root)
    }
    dict.check(root)
    equal(root.chain.leaves, 1, 'an empty dict has one leaf')
    deepEqual(sorted(contents({ ...bench, root: copy })), sorted(model))
    dict.check(copy)
    dict.discard(words)
    dict.discard(copyWords)
    equal(arena.datasetBytes, 0, 'all memory is given back')
    equal(arena.pool.pagesUsed, 0)
    arena.check()
  })
}

test('leaves are filled well, and a lookup finds each of many', () => {
  const bench = make(false)
  const { dict, root, arena } = bench
  let worst = 1
  let sum = 0
  let samples = 0
  for (let i = 0; i < 200_000; i++) {
    const key = slice(`member:${i}`.padEnd(16, '.'))
    ok(!dict.find(root, key))
    dict.insert(root, key)
    if (i > 10_000 && i % 1000 === 0) {
      const fill = (root.count * 21) / arena.datasetBytes
      worst = Math.min(worst, fill)
      sum += fill
      samples++
    }
  }
  dict.check(root)
  ok(worst > 0.45, `at least half full: ${worst}`)
  ok(sum / samples > 0.66, `two thirds full on average: ${sum / samples}`)
  ok(dict.find(root, slice('member:0......')) === false)
  ok(dict.find(root, slice('member:123456'.padEnd(16, '.'))))
})

test('a full arena refuses, and changes nothing', () => {
  const bench = make(true, PAGES_PER_SEGMENT)
  const { dict, root, arena } = bench
  // Leaves some pages free.
  const filler = arena.allocateTable(PAGES_PER_SEGMENT - 64)
  const model = new Map<string, string>()
  const random = new Random(SEED)
  let refused = 0
  for (let turn = 0; turn < 4000; turn++) {
    const key = randomText(random, 1000, 12000)
    const value = randomText(random, 3000, 12000)
    try {
      put(bench, model, key, value)
    } catch (error) {
      equal(error, ARENA_FULL)
      refused++
      dict.check(root)
      // Removing works in a full arena too.
      const first = model.keys().next().value
      if (first !== undefined && refused % 3 === 0) {
        ok(dict.find(root, slice(first)))
        dict.remove(root)
        model.delete(first)
      }
    }
  }
  ok(refused > 10)
  dict.check(root)
  deepEqual(sorted(contents(bench)), sorted(model))
  throws(() => dict.clone(root, new Uint32Array(ROOT_WORDS)))
  dict.discard(bench.words)
  arena.freeTable(filler)
  equal(arena.pool.pagesUsed, 0)
})

test('each entry is picked as often as any other', () => {
  const bench = make(false)
  const { dict, root } = bench
  const random = new Random(SEED)
  const keys = Array.from({ length: 1000 }, (_, i) => `member:${i}`.padEnd(40, 'x'))
  for (const key of keys) {
    dict.find(root, slice(key))
    dict.insert(root, slice(key))
  }
  ok(root.chain.leaves > 8)
  const seen = new Map<string, number>()
  const out = new Slice()
  const picks = 200_000
  for (let i = 0; i < picks; i++) {
    dict.pickRandom(root, random)
    const key = dict.readKey(out).toLatin1()
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  equal(seen.size, keys.length)
  let chi = 0
  for (const count of seen.values()) chi += (count - picks / 1000) ** 2 / (picks / 1000)
  // 999 degrees of freedom: beyond 1250 once in ten million runs.
  ok(chi < 1250, `chi square ${chi}`)
})

test('a scan meets all that is there from its begin to its end', () => {
  const bench = make(false)
  const { dict, root, walk } = bench
  const random = new Random(SEED)
  const model = new Map<string, string>()
  const constant = Array.from({ length: 2000 }, (_, i) => `constant:${i}`)
  for (const key of constant) put(bench, model, key, '')
  for (let round = 0; round < 6; round++) {
    const seen = new Set<string>()
    let cursor = 0
    let turn = 0
    do {
      cursor = walk.openLeaf(dict, root, cursor)
      while (walk.next()) seen.add(walk.key.toLatin1())
      // Rounds in which it grows, and rounds in which it shrinks.
      for (let i = 0; i < 60; i++) {
        const key = `other:${random.below(6000)}`
        if (round % 2 === 0) put(bench, model, key, '')
        else if (dict.find(root, slice(key))) {
          dict.remove(root)
          model.delete(key)
        }
      }
      ok(turn++ < 10_000, 'a scan ends')
    } while (cursor !== 0)
    for (const key of constant) ok(seen.has(key), key)
    dict.check(root)
  }
})
