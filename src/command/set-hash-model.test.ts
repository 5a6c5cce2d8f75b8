// Goal: sets and hashes do what Set and Map do, in every form, across changes of form, and in a
// full arena. Method: seeded random commands on a Harness and on plain values, replies and contents
// compared, invariants walked; small limits, so that all forms are passed through.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Slice } from '../base/slice.ts'
import { PACKING as HASH_PACKING } from '../keyspace/hash/hash-draft.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { PACKING as SET_PACKING } from '../keyspace/set/set-draft.ts'
import { SetValue } from '../keyspace/set/set-value.ts'
import { NULL } from '../memory/layout.ts'
import { type Answer, Harness } from './harness.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
const STEPS = Number(process.env['STEPS'] ?? 5000)
console.log(`SEED=${SEED}`)

interface Limits {
  readonly name: string
  readonly packing: number
  readonly intsetEntries: number
  readonly hashEntries: number
  readonly members: number
  readonly isLong: boolean
}

const REDIS = { packing: 1, intsetEntries: 512, hashEntries: 512, members: 700, isLong: false }
const LIMITS: readonly Limits[] = [
  { ...REDIS, name: 'as they are' },
  { ...REDIS, name: 'small', packing: 0.05, intsetEntries: 16, hashEntries: 8, members: 120 },
  { ...REDIS, name: 'an intset in leaves', packing: 0.01, intsetEntries: 400, members: 300 },
  {
    ...REDIS,
    name: 'never an intset',
    packing: 0.1,
    intsetEntries: 0,
    hashEntries: 0,
    members: 60,
  },
  { ...REDIS, name: 'long members', members: 90, isLong: true },
]

const SET_KEYS = ['s:0', 's:1', 's:2', 's:3']
const HASH_KEYS = ['h:0', 'h:1']

class Model {
  readonly harness: Harness
  readonly random: Random
  readonly sets = new Map<string, Set<string>>()
  readonly hashes = new Map<string, Map<string, string>>()
  readonly #limits: Limits

  constructor(own: Limits, seed: number) {
    this.#limits = own
    this.random = new Random(seed)
    this.harness = new Harness({ seed })
    const { encodings } = this.harness.context.limits
    encodings.setIntsetEntriesMax = own.intsetEntries
    encodings.hashEntriesMax = own.hashEntries
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)]!
  }

  /** Mostly numbers in some stretches, so that intsets grow and then end. */
  member(): string {
    const { random } = this
    const id = random.below(this.#limits.members)
    if (random.below(1000) < 990) {
      const wide = id % 7 === 0 ? id * 2 ** 20 : id % 11 === 0 ? -id * 2 ** 40 : id
      if (!this.#limits.isLong || id % 3 === 0) return String(wide)
    }
    const length = this.#limits.isLong ? [10, 500, 2500, 9000, 20_000][id % 5]! : id % 60
    return `m${id}`.padEnd(length, 'x')
  }

  set(key: string): Set<string> {
    return this.sets.get(key) ?? new Set()
  }

  keepSet(key: string, members: Set<string>): void {
    if (members.size > 0) this.sets.set(key, members)
    else this.sets.delete(key)
  }

  /** One random command on sets. */
  stepSet(isGrowing: boolean): void {
    const { harness, random } = this
    const key = this.pick(SET_KEYS)
    const own = new Set(this.set(key))
    const choice = random.below(100)
    const members = Array.from({ length: 1 + random.below(8) }, () => this.member())
    if (choice < (isGrowing ? 60 : 20)) {
      const before = own.size
      for (const member of members) own.add(member)
      equal(harness.run('SADD', key, ...members), own.size - before)
    } else if (choice < 75) {
      const before = own.size
      for (const member of members) own.delete(member)
      equal(harness.run('SREM', key, ...members), before - own.size)
    } else if (choice < 80) {
      const count = random.below(6)
      const popped = harness.run('SPOP', key, count) as string[]
      equal(popped.length, Math.min(count, own.size))
      for (const member of popped) ok(own.delete(member), 'a popped member was there, once')
    } else if (choice < 85) {
      const other = this.pick(SET_KEYS)
      const target = other === key ? own : new Set(this.set(other))
      const isThere = own.has(members[0]!)
      equal(harness.run('SMOVE', key, other, members[0]!), isThere ? 1 : 0)
      if (isThere) {
        own.delete(members[0]!)
        target.add(members[0]!)
        this.keepSet(other, target)
      }
    } else if (choice < 95) return this.combine(key)
    else {
      const count = random.below(own.size * 2 + 2) - Math.floor(own.size / 2)
      const drawn = harness.run('SRANDMEMBER', key, count) as string[]
      for (const member of drawn) ok(own.has(member))
      if (count >= 0) equal(new Set(drawn).size, Math.min(count, own.size))
      else equal(drawn.length, own.size === 0 ? 0 : -count)
    }
    this.keepSet(key, own)
  }

  combine(key: string): void {
    const { harness, random } = this
    const keys = Array.from({ length: 1 + random.below(3) }, () => this.pick(SET_KEYS))
    if (random.below(10) === 0) for (let i = 0; i < 20; i++) keys.push(this.pick(SET_KEYS))
    const [first, ...rest] = keys.map((each) => this.set(each))
    const operation = this.pick(['SINTER', 'SUNION', 'SDIFF'])
    const isCommon = operation === 'SINTER'
    let result = new Set(first)
    for (const other of rest) {
      if (operation === 'SUNION') result = new Set([...result, ...other])
      else result = new Set([...result].filter((each) => other.has(each) === isCommon))
    }
    deepEqual(sorted(harness.run(operation, ...keys)), [...result].sort())
    if (operation === 'SINTER') {
      equal(harness.run('SINTERCARD', keys.length, ...keys), result.size)
      const limited = harness.run('SINTERCARD', keys.length, ...keys, 'LIMIT', 3)
      equal(limited, Math.min(3, result.size))
    }
    if (random.below(3) > 0) return
    equal(harness.run(`${operation}STORE`, key, ...keys), result.size)
    this.keepSet(key, result)
  }

  /** One random command on hashes. */
  stepHash(isGrowing: boolean): void {
    const { harness, random } = this
    const key = this.pick(HASH_KEYS)
    const own = new Map(this.hashes.get(key) ?? [])
    const choice = random.below(100)
    const field = this.member()
    if (choice < (isGrowing ? 55 : 20)) {
      const before = own.size
      const pairs: string[] = []
      for (let i = random.below(4); i >= 0; i--) {
        const [name, value] = [this.member(), this.member()]
        own.set(name, value)
        pairs.push(name, value)
      }
      equal(harness.run('HSET', key, ...pairs), own.size - before)
    } else if (choice < 60) {
      equal(harness.run('HSETNX', key, field, 'first'), own.has(field) ? 0 : 1)
      if (!own.has(field)) own.set(field, 'first')
    } else if (choice < 80) {
      const fields = Array.from({ length: 1 + random.below(8) }, () => this.member())
      const before = own.size
      for (const each of fields) own.delete(each)
      equal(harness.run('HDEL', key, ...fields), before - own.size)
    } else if (choice < 85) {
      const old = own.get(field) ?? '0'
      if (!/^-?\d{1,14}$/.test(old)) return
      const sum = Number(old) + 1000
      equal(harness.run('HINCRBY', key, field, 1000), sum)
      own.set(field, String(sum))
    } else if (choice < 95) {
      equal(harness.run('HGET', key, field), own.get(field) ?? null)
      equal(harness.run('HEXISTS', key, field), own.has(field) ? 1 : 0)
      equal(harness.run('HSTRLEN', key, field), own.get(field)?.length ?? 0)
    } else {
      const count = random.below(own.size + 2)
      const drawn = harness.run('HRANDFIELD', key, count, 'WITHVALUES') as string[]
      equal(drawn.length, Math.min(count, own.size) * 2)
      for (let i = 0; i < drawn.length; i += 2) equal(drawn[i + 1], own.get(drawn[i]!))
    }
    if (own.size > 0) this.hashes.set(key, own)
    else this.hashes.delete(key)
  }

  /** Compares all that is there, and walks the invariants. */
  check(): void {
    const { harness } = this
    const { db, keyspace } = harness.context
    for (const key of SET_KEYS) {
      const own = [...this.set(key)].sort()
      deepEqual(sorted(harness.run('SMEMBERS', key)), own, key)
      equal(harness.run('SCARD', key), own.length)
      const record = db.peek(Slice.ofText(key))
      equal(record !== NULL, own.length > 0, 'an empty set has no key')
      if (record !== NULL) new SetValue().open(db, record).check()
      deepEqual(this.scanned('SSCAN', key), own)
    }
    for (const key of HASH_KEYS) {
      const own = [...(this.hashes.get(key) ?? [])]
      const record = db.peek(Slice.ofText(key))
      equal(record !== NULL, own.length > 0, 'an empty hash has no key')
      if (record !== NULL) new HashValue().open(db, record).check()
      const flat = own.flat().sort()
      deepEqual(sorted(harness.run('HGETALL', key)), flat, key)
      deepEqual(this.scanned('HSCAN', key), flat)
    }
    keyspace.check()
  }

  /** All that a whole iteration gives, sorted. */
  scanned(command: string, key: string): Answer[] {
    const found: Answer[] = []
    let cursor: Answer = '0'
    do {
      const step = this.harness.run(command, key, String(cursor), 'COUNT', 20) as Answer[]
      cursor = step[0]!
      found.push(...(step[1] as Answer[]))
    } while (cursor !== '0')
    return found.sort()
  }
}

function sorted(answer: Answer): Answer[] {
  return (answer as Answer[]).sort()
}

for (const own of LIMITS) {
  test(`sets and hashes with limits: ${own.name}`, () => {
    const saved = { set: { ...SET_PACKING }, hash: { ...HASH_PACKING } }
    for (const packing of [SET_PACKING, HASH_PACKING] as Record<string, number>[]) {
      for (const name of Object.keys(packing)) {
        packing[name] = Math.ceil(packing[name]! * own.packing)
      }
    }
    try {
      const model = new Model(own, SEED)
      for (let step = 0; step < STEPS; step++) {
        const isGrowing = Math.floor((step * 6) / STEPS) % 3 !== 2
        if (step % 2 === 0) model.stepSet(isGrowing)
        else model.stepHash(isGrowing)
        if (step % 500 === 0) model.check()
      }
      model.check()
      const { keyspace } = model.harness
      for (const key of [...SET_KEYS, ...HASH_KEYS]) model.harness.run('DEL', key)
      keyspace.reclaimAll()
      equal(keyspace.collections.count, 0, 'all collections are gone')
      equal(keyspace.arena.datasetBytes, 0, 'all memory is given back')
    } finally {
      Object.assign(SET_PACKING, saved.set)
      Object.assign(HASH_PACKING, saved.hash)
    }
  })
}
