// Goal: after any sequence of commands the keyspace holds what a plain Map holds, deadlines
// included. Method: seeded random commands on both, replies compared one by one; now and then all
// invariants and all contents. Keys and values have the lengths at which records change their form:
// short, past an inline key, around the largest cell, in spans. Time passes by itself now and then.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { type Answer, Harness, line, OK } from './harness.ts'

const SEED = Number(process.env['SEED'] ?? 20262)
const STEPS = Number(process.env['STEPS'] ?? 6000)
const CHECK_EVERY = 500
const DATABASES = 3

interface Item {
  value: string
  /** Unix ms; 0: none. */
  deadlineMs: number
}

type Words = (string | number)[]

const KEYS = [
  '',
  'a',
  'b',
  'c',
  'd',
  'key:1',
  'key:2',
  'k'.repeat(40),
  'k'.repeat(1023),
  'k'.repeat(1024),
  'k'.repeat(5000),
]
const LENGTHS = [
  0, 1, 3, 8, 19, 20, 21, 44, 45, 100, 255, 1000, 2000, 4000, 4096, 5000, 16_300, 16_384, 16_400,
  70_000,
]

/** The same commands on Maps, in the most obvious way. */
class Model {
  databases = Array.from({ length: DATABASES }, () => new Map<string, Item>())
  selected = 0
  nowMs = 0

  get db(): Map<string, Item> {
    return this.databases[this.selected]!
  }

  find(key: string, db = this.db): Item | null {
    const item = db.get(key)
    if (item === undefined) return null
    if (item.deadlineMs === 0 || item.deadlineMs > this.nowMs) return item
    db.delete(key)
    return null
  }

  purge(): void {
    for (const db of this.databases) for (const key of db.keys()) this.find(key, db)
  }
}

/** Makes one command of a family: what to send, and what the model says to it. */
type Step = (model: Model, random: Random) => { words: Words; expected: Answer }

const STEPS_OF_STRINGS: readonly Step[] = [
  (model, random) => {
    const [key, value] = [randomKey(random), randomValue(random)]
    model.db.set(key, { value, deadlineMs: 0 })
    return { words: ['SET', key, value], expected: OK }
  },
  setWithOptions,
  (model, random) => {
    const key = randomKey(random)
    return { words: ['GET', key], expected: model.find(key)?.value ?? null }
  },
  (model, random) => {
    const key = randomKey(random)
    const expected = model.find(key)?.value ?? null
    model.db.delete(key)
    return { words: ['GETDEL', key], expected }
  },
  (model, random) => {
    const [key, tail] = [randomKey(random), randomValue(random)]
    const item = model.find(key) ?? { value: '', deadlineMs: 0 }
    item.value += tail
    model.db.set(key, item)
    return { words: ['APPEND', key, tail], expected: item.value.length }
  },
  (model, random) => {
    const [key, part] = [randomKey(random), randomValue(random)]
    const offset = random.below(3) === 0 ? 0 : random.below(5000)
    const item = model.find(key) ?? { value: '', deadlineMs: 0 }
    if (part !== '') {
      const padded = item.value.padEnd(offset, '\0')
      item.value = padded.slice(0, offset) + part + padded.slice(offset + part.length)
      model.db.set(key, item)
    }
    return { words: ['SETRANGE', key, offset, part], expected: item.value.length }
  },
  (model, random) => {
    const key = randomKey(random)
    const [start, last] = [random.below(5000), random.below(5000)]
    const expected = model.find(key)?.value.slice(start, last + 1) ?? ''
    return { words: ['GETRANGE', key, start, last], expected }
  },
  (model, random) => {
    const [key, amount] = [randomKey(random), random.below(2000) - 1000]
    const item = model.find(key) ?? { value: '0', deadlineMs: 0 }
    const words: Words = ['INCRBY', key, amount]
    if (!/^(0|-?[1-9]\d{0,14})$/.test(item.value)) {
      return { words, expected: line('-ERR value is not an integer or out of range') }
    }
    item.value = String(Number(item.value) + amount)
    model.db.set(key, item)
    return { words, expected: Number(item.value) }
  },
]

const STEPS_OF_KEYS: readonly Step[] = [
  (model, random) => {
    const [a, b] = [randomKey(random), randomKey(random)]
    const found = [a, b].filter((key) => model.find(key) !== null && model.db.delete(key))
    return { words: [random.below(2) === 0 ? 'DEL' : 'UNLINK', a, b], expected: found.length }
  },
  (model, random) => {
    const [a, b] = [randomKey(random), randomKey(random)]
    const found = [a, b].filter((key) => model.find(key) !== null)
    return { words: ['EXISTS', a, b], expected: found.length }
  },
  expire,
  (model, random) => {
    const key = randomKey(random)
    const item = model.find(key)
    const deadlineMs = item === null ? -2 : item.deadlineMs === 0 ? -1 : item.deadlineMs
    return { words: ['PEXPIRETIME', key], expected: deadlineMs }
  },
  (model, random) => {
    const key = randomKey(random)
    const item = model.find(key)
    const isChanged = item !== null && item.deadlineMs !== 0
    if (isChanged) item.deadlineMs = 0
    return { words: ['PERSIST', key], expected: isChanged ? 1 : 0 }
  },
  rename,
  (model, random) => {
    const [source, target] = [randomKey(random), randomKey(random)]
    const id = random.below(DATABASES)
    const words: Words = ['COPY', source, target, 'DB', id, 'REPLACE']
    if (id === model.selected && source === target) {
      return { words, expected: line('-ERR source and destination objects are the same') }
    }
    const item = model.find(source)
    if (item !== null) model.databases[id]!.set(target, { ...item })
    return { words, expected: item === null ? 0 : 1 }
  },
  (model, random) => {
    const [key, id] = [randomKey(random), random.below(DATABASES)]
    const words: Words = ['MOVE', key, id]
    if (id === model.selected) {
      return { words, expected: line('-ERR source and destination objects are the same') }
    }
    const item = model.find(key)
    const target = model.databases[id]!
    if (item === null || model.find(key, target) !== null) return { words, expected: 0 }
    target.set(key, item)
    model.db.delete(key)
    return { words, expected: 1 }
  },
]

const STEPS_OF_DATABASES: readonly Step[] = [
  (model, random) => {
    model.selected = random.below(DATABASES)
    return { words: ['SELECT', model.selected], expected: OK }
  },
  (model, random) => {
    const [a, b] = [random.below(DATABASES), random.below(DATABASES)]
    const { databases } = model
    const first = databases[a]!
    databases[a] = databases[b]!
    databases[b] = first
    return { words: ['SWAPDB', a, b], expected: OK }
  },
  (model, random) => {
    if (random.below(10) > 0) return { words: ['TYPE', 'none'], expected: line('+none') }
    model.db.clear()
    return { words: ['FLUSHDB', random.below(2) === 0 ? 'SYNC' : 'ASYNC'], expected: OK }
  },
]

function setWithOptions(model: Model, random: Random): { words: Words; expected: Answer } {
  const [key, value] = [randomKey(random), randomValue(random)]
  const condition = (['', 'NX', 'XX'] as const)[random.below(3)]!
  const isAnswered = random.below(2) === 0
  const ttl = random.below(3) === 0 ? 'KEEPTTL' : random.below(2) === 0 ? '' : 'PX'
  const timeMs = 1 + random.below(1000)
  const words: Words = ['SET', key, value]
  if (condition !== '') words.push(condition)
  if (isAnswered) words.push('GET')
  if (ttl !== '') words.push(ttl)
  if (ttl === 'PX') words.push(timeMs)
  const old = model.find(key)
  const isAllowed = condition === '' || (condition === 'NX') === (old === null)
  if (isAllowed) {
    const kept = ttl === 'KEEPTTL' ? (old?.deadlineMs ?? 0) : 0
    model.db.set(key, { value, deadlineMs: ttl === 'PX' ? model.nowMs + timeMs : kept })
  }
  return { words, expected: isAnswered ? (old?.value ?? null) : isAllowed ? OK : null }
}

function expire(model: Model, random: Random): { words: Words; expected: Answer } {
  const key = randomKey(random)
  const condition = (['', '', 'NX', 'XX', 'GT', 'LT'] as const)[random.below(6)]!
  const timeMs = random.below(1100) - 100
  const words: Words = ['PEXPIRE', key, timeMs]
  if (condition !== '') words.push(condition)
  const item = model.find(key)
  if (item === null) return { words, expected: 0 }
  const deadlineMs = model.nowMs + timeMs
  const old = item.deadlineMs === 0 ? Infinity : item.deadlineMs
  const isAllowed =
    condition === '' ||
    (condition === 'NX' && old === Infinity) ||
    (condition === 'XX' && old !== Infinity) ||
    (condition === 'GT' && deadlineMs > old) ||
    (condition === 'LT' && deadlineMs < old)
  if (!isAllowed) return { words, expected: 0 }
  if (timeMs <= 0) model.db.delete(key)
  else item.deadlineMs = deadlineMs
  return { words, expected: 1 }
}

function rename(model: Model, random: Random): { words: Words; expected: Answer } {
  const [source, target] = [randomKey(random), randomKey(random)]
  const isCareful = random.below(2) === 0
  const words: Words = [isCareful ? 'RENAMENX' : 'RENAME', source, target]
  const item = model.find(source)
  if (item === null) return { words, expected: line('-ERR no such key') }
  if (isCareful && model.find(target) !== null) return { words, expected: 0 }
  model.db.delete(source)
  model.db.set(target, item)
  return { words, expected: isCareful ? 1 : OK }
}

function randomKey(random: Random): string {
  return KEYS[random.below(KEYS.length)]!
}

function randomValue(random: Random): string {
  if (random.below(3) === 0) return String(random.below(100_000) - 50_000)
  const length = LENGTHS[random.below(LENGTHS.length)]!
  return String.fromCharCode(random.below(256)).repeat(length)
}

/** Reads all keys with their values and deadlines through commands. */
function contentsOf(harness: Harness): Map<string, Item> {
  const contents = new Map<string, Item>()
  const keys = harness.run('KEYS', '*')
  assert.ok(Array.isArray(keys))
  const scanned = harness.run('SCAN', 0, 'COUNT', 100_000)
  assert.ok(Array.isArray(scanned) && Array.isArray(scanned[1]))
  assert.deepEqual([...scanned[1]].sort(), [...keys].sort(), 'SCAN finds what KEYS finds')
  for (const key of keys as string[]) {
    const value = harness.run('GET', key)
    assert.ok(typeof value === 'string')
    const deadlineMs = Number(harness.run('PEXPIRETIME', key))
    contents.set(key, { value, deadlineMs: Math.max(0, deadlineMs) })
  }
  return contents
}

function compareAll(harness: Harness, model: Model): void {
  harness.keyspace.check()
  model.purge()
  const selected = harness.context.db
  for (let id = 0; id < DATABASES; id++) {
    harness.context.db = harness.keyspace.databases[id]!
    const sorted = (map: Map<string, Item>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
    assert.deepEqual(sorted(contentsOf(harness)), sorted(model.databases[id]!), `database ${id}`)
    assert.equal(harness.run('DBSIZE'), model.databases[id]!.size)
  }
  harness.context.db = selected
}

const FAMILIES = [
  ...STEPS_OF_STRINGS,
  ...STEPS_OF_STRINGS,
  ...STEPS_OF_STRINGS,
  ...STEPS_OF_KEYS,
  ...STEPS_OF_KEYS,
  ...STEPS_OF_DATABASES,
]

for (let round = 0; round < 3; round++) {
  test(`random commands agree with a Map, SEED=${SEED + round}`, () => {
    const random = new Random(SEED + round)
    const harness = new Harness({ seed: SEED + round, databaseCount: DATABASES })
    const model = new Model()
    model.nowMs = harness.context.nowMs
    const empty = harness.keyspace.usedBytes
    for (let i = 0; i < STEPS; i++) {
      if (random.below(20) === 0) {
        const ms = random.below(200)
        harness.advance(ms)
        model.nowMs += ms
      }
      const { words, expected } = FAMILIES[random.below(FAMILIES.length)]!(model, random)
      const shown = words.map((word) => String(word).slice(0, 20)).join(' ')
      assert.deepEqual(harness.run(...words), expected, `step ${i}: ${shown}`)
      if (random.below(4) === 0) harness.keyspace.reclaimStep()
      if (i % CHECK_EVERY === CHECK_EVERY - 1) compareAll(harness, model)
    }
    harness.run('FLUSHALL', 'SYNC')
    assert.equal(harness.keyspace.usedBytes, empty, 'all memory comes back')
    harness.keyspace.check()
  })
}
