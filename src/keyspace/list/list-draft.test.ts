// Goal: a draft of elements and whole listpacks is the list of all of them, in leaves that are
// whole, whatever the lengths, limits and spellings; a full arena gives all back.
// Method: seeded random parts against an array, `check()`.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { ARENA_FULL } from '../../memory/arena.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { Keyspace } from '../keyspace.ts'
import { hex, listpackOf, sliceOf } from '../packed/test-packed.ts'
import { List } from './list.ts'
import { ListDraft } from './list-draft.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
console.log(`SEED=${SEED}`)

const KEY = Slice.ofText('list')

function newKeyspace(): Keyspace {
  return new Keyspace({ databaseCount: 1, pageCapacity: 16384 })
}

function randomText(random: Random, limit: number): string {
  const choice = random.below(100)
  if (choice < 20) return String(random.below(1e6) - 5e5)
  const length = choice === 99 ? random.below(limit) : random.below(Math.min(limit, 70))
  return String.fromCharCode(33 + random.below(90)).repeat(length)
}

function rangeOf(bytes: Uint8Array): Slice {
  return new Slice().set(bytes, 0, bytes.length)
}

function contents(list: List): string[] {
  const found: string[] = []
  list.seek(0)
  while (list.readNext()) found.push(list.element.toLatin1())
  return found
}

test('elements and listpacks are all there, in their order', () => {
  const random = new Random(SEED)
  for (let round = 0; round < 120; round++) {
    const keyspace = newKeyspace()
    const db = keyspace.databases[0]!
    const limit = [20, 200, 3000, 30_000][round % 4]!
    const listNodeSize = random.below(3) === 0 ? 1 + random.below(50) : -1 - random.below(5)
    const draft = new ListDraft()
    draft.begin(db, { ...defaultEncodingLimits(), listNodeSize })
    const model: string[] = []
    for (let part = random.below(20); part >= 0; part--) {
      const texts = Array.from({ length: 1 + random.below(400) }, () => randomText(random, limit))
      model.push(...texts)
      if (random.below(3) > 0) draft.addListpack(rangeOf(listpackOf(texts)))
      else for (const text of texts) draft.add(sliceOf(text))
    }
    equal(draft.count, model.length)
    const list = new List().open(db, draft.put(db, KEY))
    list.check()
    deepEqual(contents(list), model)
    for (let i = 0; i < 20; i++) list.pushLast(sliceOf(`${i}`), defaultEncodingLimits())
    list.check()
    db.remove(list.record)
    while (keyspace.reclaimStep());
    equal(keyspace.collections.count, 0)
  }
})

test('an entry that is spelled as references are becomes a common one', () => {
  const db = newKeyspace().databases[0]!
  const draft = new ListDraft()
  draft.begin(db, defaultEncodingLimits())
  draft.addListpack(rangeOf(hex('17000000 0200 0101 f0080000004142434445464748 0d ff')))
  draft.add(sliceOf('x'.repeat(20_000)))
  const list = new List().open(db, draft.put(db, KEY))
  list.check()
  deepEqual(contents(list), ['1', 'ABCDEFGH', 'x'.repeat(20_000)])
})

test('leaves are filled', () => {
  const keyspace = newKeyspace()
  const db = keyspace.databases[0]!
  const texts = Array.from({ length: 400 }, (_, i) => `element:${i}`.padEnd(16, '.'))
  const draft = new ListDraft()
  draft.begin(db, defaultEncodingLimits())
  for (let i = 0; i < 50; i++) draft.addListpack(rangeOf(listpackOf(texts)))
  draft.put(db, KEY)
  const bytes = 50 * 400 * 18
  ok(keyspace.usedBytes < bytes * 1.05 + 40_000, `${keyspace.usedBytes} bytes for ${bytes}`)
})

test('a full arena throws, and a draft that is discarded gives all back', () => {
  const keyspace = newKeyspace()
  const db = keyspace.databases[0]!
  const before = keyspace.usedBytes
  const draft = new ListDraft()
  draft.begin(db, defaultEncodingLimits())
  const listpack = rangeOf(listpackOf(['a'.repeat(60), 'b'.repeat(9000), 'c'.repeat(600)]))
  let isFull = false
  while (!isFull) {
    try {
      draft.addListpack(listpack)
    } catch (error) {
      equal(error, ARENA_FULL)
      isFull = true
    }
  }
  draft.discard()
  equal(keyspace.usedBytes, before)
  equal(keyspace.collections.count, 0)
})
