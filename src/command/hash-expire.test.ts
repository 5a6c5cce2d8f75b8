// Goal: fields with deadlines do what the documentation of Redis 7.4 says, in every form of a hash,
// whatever commands are mixed: a field whose deadline has passed is there for nobody, and active
// expiry removes it; the record never knows too late a deadline, nor one when no field has any.
// Method: tables of commands and replies; seeded random commands with fake time against a Map of
// Maps, with small and large hashes and thresholds that force changes of form.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { defaultEncodingLimits } from '../keyspace/encoding-limits.ts'
import { FieldExpireCycle } from '../keyspace/field-expire.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { ARENA_FULL } from '../memory/arena.ts'
import { NULL, PAGES_PER_SEGMENT } from '../memory/layout.ts'
import { type Answer, Harness, line, runChanges } from './harness.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
const TURNS = Number(process.env['TURNS'] ?? 1500)
console.log(`SEED=${SEED}`)

const FOREVER_US = 1e15
const NOW_MS = 1_700_000_000_000

/** Runs active expiry to its end. */
function expireAll(harness: Harness): void {
  const cycle = new FieldExpireCycle(harness.keyspace)
  const { nowMs } = harness.context
  const isDone = cycle.run({ nowMs, limitUs: FOREVER_US, monotonicUs: () => 0 })
  ok(isDone)
}

test('each command of the family', () => {
  runChanges([
    ['hset h a 1 b 2 c 3', 3, 3],
    ['hexpire h 100 fields 2 a none', [1, -2], 1],
    ['hpexpire h 5000 nx fields 2 a b', [0, 1], 1],
    ['hpexpire h 6000 xx fields 2 b c', [1, 0], 1],
    ['hpexpire h 5000 gt fields 2 b c', [0, 0], 0],
    ['hpexpire h 5000 lt fields 2 b c', [1, 1], 2],
    ['httl h fields 4 a b c none', [100, 5, 5, -2], 0],
    ['hpttl h fields 2 a b', [100_000, 5000], 0],
    ['hpersist h fields 3 a b none', [1, 1, -2], 2],
    ['hpersist h fields 2 a c', [-1, 1], 1],
    ['httl h fields 1 a', [-1], 0],
    ['hexpireat h 4102444800 fields 1 a', [1], 1],
    ['hexpiretime h fields 2 a b', [4102444800, -1], 0],
    ['hpexpireat h 4102444800123 fields 1 a', [1], 1],
    ['hpexpiretime h fields 1 a', [4102444800123], 0],
    ['hexpiretime h fields 1 a', [4102444801], 0],
    ['hexpire h 0 nx fields 2 a b', [0, 2], 1],
    ['hpexpireat h 1 fields 2 a b', [2, -2], 1],
    ['hgetall h', ['c', '3'], 0],
    ['hexpire h 0 fields 1 c', [2], 1],
    ['exists h', 0, 0],
    ['hexpire none 10 fields 2 a b', [-2, -2], 0],
    ['httl none fields 1 a', [-2], 0],
    ['hpersist none fields 1 a', [-2], 0],
  ])
})

test('what is wrong is refused, word for word', () => {
  const harness = new Harness()
  harness.run('hset', 'h', 'f', 'v')
  harness.run('set', 's', 'v')
  const missing = '-ERR Mandatory argument FIELDS is missing or not at the right position'
  const rows: [string, string][] = [
    [
      'hexpire s 10 fields 1 f',
      '-WRONGTYPE Operation against a key holding the wrong kind of value',
    ],
    ['httl s fields 1 f', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['hpersist s fields 1 f', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['hexpire h x fields 1 f', '-ERR value is not an integer or out of range'],
    ['hexpire h -1 fields 1 f', '-ERR invalid expire time, must be >= 0'],
    ['hexpire h 9223372036854775807 fields 1 f', "-ERR invalid expire time in 'hexpire' command"],
    ['hpexpireat h 70368744177664 fields 1 f', "-ERR invalid expire time in 'hpexpireat' command"],
    ['hexpire h 10 nx gt fields 1 f', missing],
    ['hexpire h 10 field 1 f', missing],
    ['httl h f 1 f', missing],
    ['hexpire h 10 fields 0 f', '-ERR Parameter `numFields` should be greater than 0'],
    ['hexpire h 10 fields x f', '-ERR Parameter `numFields` should be greater than 0'],
    [
      'hexpire h 10 fields 2 f',
      '-ERR The `numfields` parameter must match the number of arguments',
    ],
    ['httl h fields 1 f g', '-ERR The `numfields` parameter must match the number of arguments'],
  ]
  for (const [command, error] of rows) {
    deepEqual(harness.run(...command.split(' ')), line(error), command)
  }
  deepEqual(harness.run('hpexpireat', 'h', '70368744177663', 'fields', 1, 'f'), [1])
})

test('events', () => {
  const harness = new Harness()
  const { observer } = harness
  const events = (...words: string[]): string[] => {
    observer.takeEvents()
    harness.run(...words)
    return observer.takeEvents()
  }
  events('hset', 'h', 'a', '1', 'b', '2')
  deepEqual(events('hexpire', 'h', '10', 'fields', '2', 'a', 'b'), ['0 h h hexpire'])
  deepEqual(events('hexpire', 'h', '10', 'nx', 'fields', '1', 'a'), [])
  deepEqual(events('hpersist', 'h', 'fields', '2', 'a', 'b'), ['0 h h hpersist'])
  deepEqual(events('hpersist', 'h', 'fields', '1', 'a'), [])
  deepEqual(events('hexpire', 'h', '0', 'fields', '1', 'a'), ['0 h h hdel'])
  deepEqual(events('hexpire', 'h', '0', 'fields', '1', 'b'), ['0 h h hdel', '0 h g del'])
})

test('what is overdue is there for no command, and taken by those that write it', () => {
  for (const form of ['packed', 'leaves']) {
    const harness = new Harness()
    if (form === 'leaves') harness.context.limits.encodings.hashValueMax = 1
    const run = (command: string): Answer => harness.run(...command.split(' '))
    run('hset h a 10 b 20 c 30 d 40 e 50 f 60')
    run('hpexpire h 100 fields 5 a b c d e')
    equal(run('object encoding h'), form === 'leaves' ? 'hashtable' : 'listpackex')
    harness.advance(99)
    equal(run('hget h a'), '10')
    harness.advance(1)
    equal(run('hget h a'), null)
    equal(run('hexists h a'), 0)
    equal(run('hstrlen h a'), 0)
    deepEqual(run('hmget h a f'), [null, '60'])
    deepEqual(run('hgetall h'), ['f', '60'])
    deepEqual(run('hkeys h'), ['f'])
    deepEqual(run('hvals h'), ['60'])
    deepEqual(run('hscan h 0'), ['0', ['f', '60']])
    equal(run('hrandfield h'), 'f')
    deepEqual(run('hrandfield h -3'), ['f', 'f', 'f'])
    deepEqual(run('hrandfield h 5 withvalues'), ['f', '60'])
    deepEqual(run('httl h fields 2 a f'), [-2, -1])
    deepEqual(run('hexpire h 10 fields 1 a'), [-2])
    deepEqual(run('hpersist h fields 1 a'), [-2])
    equal(run('hlen h'), 6)
    // Writers find nothing there, and what they write has no deadline.
    equal(run('hset h a 1'), 1)
    equal(run('hsetnx h b 2'), 1)
    equal(run('hincrby h c 3'), 3)
    equal(run('hincrbyfloat h d 4'), '4')
    equal(run('hdel h e'), 0)
    equal(run('hlen h'), 5)
    deepEqual(run('httl h fields 4 a b c d'), [-1, -1, -1, -1])
    const { db } = harness.context
    equal(db.fieldDeadlines.count, 0, 'no field has a deadline')
    equal(harness.keyspace.stats.expiredFields, 1)
    run('hpexpire h 10 fields 2 a b')
    harness.advance(10)
    expireAll(harness)
    equal(run('hlen h'), 3)
    equal(harness.keyspace.stats.expiredFields, 3)
    equal(db.fieldDeadlines.count, 0)
    harness.keyspace.check()
  }
})

test('overwriting takes the deadline, counting keeps it', () => {
  for (const valueMax of [64, 1]) {
    const harness = new Harness()
    harness.context.limits.encodings.hashValueMax = valueMax
    const run = (command: string): Answer => harness.run(...command.split(' '))
    run('hset h a 10 b 20 c 30 d 40')
    run('hexpire h 100 fields 4 a b c d')
    run('hset h a 11')
    run('hmset h b 123456789')
    run('hincrby h c 1000000')
    run('hincrbyfloat h d 0.5')
    equal(run('hsetnx h d 5'), 0)
    deepEqual(run('httl h fields 4 a b c d'), [-1, -1, 100, 100])
    deepEqual(run('hmget h a b c d'), ['11', '123456789', '1000030', '40.5'])
    harness.keyspace.check()
  }
})

test('a hash of which all has expired is gone, and a large one goes leaf by leaf', () => {
  const harness = new Harness()
  const count = 20_000
  for (let i = 0; i < count; i++) harness.run('hset', 'h', `field:${i}`, `value:${i}`)
  harness.run('hset', 'g', 'f', 'v')
  harness.run('hpexpire', 'g', 50, 'fields', 1, 'f')
  for (let i = 0; i < count; i += 2) harness.run('hpexpire', 'h', 100, 'fields', 1, `field:${i}`)
  harness.advance(100)
  const told: string[] = []
  harness.keyspace.onExpireFields = (id, record, isEmpty) => {
    told.push(`${id} ${harness.context.db.readKey(record, new Slice()).toLatin1()} ${isEmpty}`)
  }
  // Time is up at each look: many slices, each with some work.
  const cycle = new FieldExpireCycle(harness.keyspace)
  const { nowMs } = harness.context
  let slices = 1
  const before = (): number => harness.keyspace.stats.expiredFields
  for (let done = before(); !cycle.run({ nowMs, limitUs: 0, monotonicUs: () => 1 }); slices++) {
    ok(before() - done < 1500, 'a slice is bounded')
    done = before()
    // A deadline that is set behind the pass is known when it ends.
    harness.run('hpexpire', 'h', 10, 'fields', 1, `field:${2 * (slices % 5) + 1}`)
  }
  ok(slices > 10)
  equal(before(), count / 2 + 1)
  equal(harness.run('exists', 'g'), 0)
  ok(told.includes('0 g true'))
  equal(harness.run('hlen', 'h'), count / 2)
  const { db } = harness.context
  equal(db.fieldDeadlines.count, 1)
  const record = db.peek(Slice.ofText('h'))
  ok(db.fieldDeadlineOf(record) <= nowMs + 10)
  harness.advance(10)
  expireAll(harness)
  ok(Number(harness.run('hlen', 'h')) < count / 2)
  equal(db.fieldDeadlines.count, 0, 'nothing is left to expire')
  new HashValue().open(db, db.peek(Slice.ofText('h'))).check()
})

interface Field {
  value: string
  deadlineMs: number
}
type Model = Map<string, Map<string, Field>>

const FORMS = [
  { name: 'small hashes', fields: 12, keys: 6, valueMax: 64, entriesMax: 512 },
  { name: 'hashes that outgrow their form', fields: 40, keys: 6, valueMax: 30, entriesMax: 20 },
  { name: 'large hashes', fields: 1500, keys: 2, valueMax: 64, entriesMax: 64 },
]

for (const form of FORMS) {
  test(`${form.name} with deadlines are maps`, () => {
    const random = new Random(SEED)
    const harness = new Harness({ seed: SEED })
    const { encodings } = harness.context.limits
    encodings.hashValueMax = form.valueMax
    encodings.hashEntriesMax = form.entriesMax
    const model: Model = new Map()
    for (let turn = 0; turn < TURNS; turn++) {
      step(harness, model, random, form)
      if (turn % 50 === 0) compare(harness, model)
    }
    compare(harness, model)
    harness.advance(1_000_000)
    expireAll(harness)
    for (const fields of model.values()) purge(fields, harness.context.nowMs)
    compare(harness, model)
    equal(harness.context.db.fieldDeadlines.count, 0)
  })
}

function step(
  harness: Harness,
  model: Model,
  random: Random,
  form: { readonly fields: number; readonly keys: number },
): void {
  const { nowMs } = harness.context
  const key = `k${random.below(form.keys)}`
  const fields = model.get(key) ?? new Map<string, Field>()
  model.set(key, fields)
  purge(fields, nowMs)
  const names = Array.from({ length: 1 + random.below(form.fields / 4) }, () => {
    const i = random.below(form.fields)
    return i % 29 === 28 ? `${i}`.padEnd(200, 'n') : `f${i}`
  })
  const name = names[0]!
  const old = fields.get(name)
  const choice = random.below(100)
  if (choice < 35) {
    const words = names.flatMap((each) => {
      const value = String(random.u32()).padEnd(random.below(5) === 0 ? 40 : 1, 'v')
      fields.set(each, { value, deadlineMs: 0 })
      return [each, value]
    })
    harness.run('hset', key, ...words)
  } else if (choice < 45) {
    for (const each of names) fields.delete(each)
    harness.run('hdel', key, ...names)
  } else if (choice < 75) {
    const ttl = random.below(8) === 0 ? 0 : 1 + random.below(1000)
    const expected = names.map((each) => {
      const field = fields.get(each)
      if (field === undefined) return -2
      if (ttl === 0) return fields.delete(each) ? 2 : 0
      field.deadlineMs = nowMs + ttl
      return 1
    })
    deepEqual(harness.run('hpexpire', key, ttl, 'fields', names.length, ...names), expected)
  } else if (choice < 80) {
    const expected = old === undefined ? -2 : old.deadlineMs === 0 ? -1 : 1
    if (old !== undefined) old.deadlineMs = 0
    deepEqual(harness.run('hpersist', key, 'fields', 1, name), [expected])
  } else if (choice < 84) {
    const sum = old === undefined ? 1 : Number(old.value) + 1
    if (Number.isSafeInteger(sum)) {
      fields.set(name, { value: String(sum), deadlineMs: old?.deadlineMs ?? 0 })
      equal(harness.run('hincrby', key, name, 1), sum)
    }
  } else if (choice < 88) {
    equal(harness.run('hsetnx', key, name, 'nx'), old === undefined ? 1 : 0)
    if (old === undefined) fields.set(name, { value: 'nx', deadlineMs: 0 })
  } else if (choice < 91) {
    const target = `k${random.below(form.keys)}`
    if (target === key) return
    const hasKey = harness.context.db.peek(Slice.ofText(key)) !== NULL
    equal(harness.run('copy', key, target, 'replace'), hasKey ? 1 : 0)
    if (hasKey) model.set(target, structuredClone(fields))
  } else if (choice < 94) {
    expireAll(harness)
  } else harness.advance(random.below(400))
}

function purge(fields: Map<string, Field>, nowMs: number): void {
  for (const [name, { deadlineMs }] of fields) {
    if (deadlineMs !== 0 && deadlineMs <= nowMs) fields.delete(name)
  }
}

function compare(harness: Harness, model: Model): void {
  const { db, nowMs } = harness.context
  harness.keyspace.check()
  for (const [key, fields] of model) {
    purge(fields, nowMs)
    const found = harness.run('hgetall', key) as string[]
    const pairs: [string, string][] = []
    for (let i = 0; i < found.length; i += 2) pairs.push([found[i]!, found[i + 1]!])
    const expected = [...fields].map(([name, { value }]) => [name, value])
    deepEqual(pairs.sort(byName), expected.sort(byName as never), key)
    for (const [name, { value, deadlineMs }] of fields) {
      equal(harness.run('hget', key, name), value)
      const time = deadlineMs === 0 ? -1 : deadlineMs
      deepEqual(harness.run('hpexpiretime', key, 'fields', 1, name), [time])
    }
    const record = db.peek(Slice.ofText(key))
    if (record === NULL) continue
    const hash = new HashValue().open(db, record)
    hash.check()
    if (!hash.mayHide && [...fields.values()].every(({ deadlineMs }) => deadlineMs === 0)) {
      equal(db.fieldDeadlineOf(record), 0, 'no deadline is known when there is none')
    }
  }
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1
}

test('without memory a field keeps what it has, and a deadline can be taken', () => {
  const random = new Random(SEED)
  const keyspace = new Keyspace({
    databaseCount: 1,
    pageCapacity: PAGES_PER_SEGMENT,
    hashSecret: new Uint32Array([SEED, 1]),
    random,
  })
  keyspace.advance(NOW_MS)
  const { arena } = keyspace
  arena.allocateTable(PAGES_PER_SEGMENT - 24)
  const db = keyspace.databases[0]!
  const limits = { ...defaultEncodingLimits(), hashEntriesMax: 40 }
  const hash = new HashValue()
  const models = new Map<string, Map<string, Field>>()
  let refused = 0
  for (let turn = 0; turn < 20_000; turn++) {
    const name = `k${random.below(4)}`
    const key = Slice.ofText(name)
    const field = Slice.ofText(`field:${random.below(name === 'k0' ? 4000 : 60)}`)
    const value = Slice.ofText('v'.repeat(random.below(60)))
    const text = field.toLatin1()
    const model = models.get(name) ?? new Map<string, Field>()
    models.set(name, model)
    const old = model.get(text)
    const deadlineMs = NOW_MS + 1 + random.below(1e6)
    const choice = random.below(10)
    try {
      const record = db.findForWrite(key)
      if (record === NULL) hash.make(db, key, { field, value }, limits)
      else if (choice < 5) hash.open(db, record).set(field, value, limits)
      else if (!hash.open(db, record).find(field)) continue
      else if (choice < 9) hash.setDeadline(field, deadlineMs, limits)
      else hash.clearDeadline(field)
      const isSet = record === NULL || choice < 5
      if (isSet) model.set(text, { value: value.toLatin1(), deadlineMs: 0 })
      else old!.deadlineMs = choice < 9 ? deadlineMs : 0
    } catch (error) {
      equal(error, ARENA_FULL)
      refused++
      const record = db.peek(key)
      if (record === NULL) continue
      hash.open(db, record)
      equal(hash.find(field), old !== undefined)
      if (old !== undefined) {
        equal(hash.readValue(new Slice()).toLatin1(), old.value)
        equal(hash.deadlineMs, old.deadlineMs)
      }
      if (refused % 100 === 1) hash.check()
      // Removing and taking deadlines work without memory.
      if (old !== undefined && refused % 3 === 0) {
        hash.remove(field)
        model.delete(text)
        if (hash.count === 0) db.remove(hash.record)
      } else if (old !== undefined && refused % 3 === 1 && old.deadlineMs !== 0) {
        hash.clearDeadline(field)
        old.deadlineMs = 0
      }
    }
  }
  ok(refused > 100, `refused ${refused} times`)
  for (const [name, model] of models) compareFields(db, name, model)
  keyspace.check()
})

function compareFields(db: Database, name: string, model: Map<string, Field>): void {
  const record = db.peek(Slice.ofText(name))
  if (record === NULL) return equal(model.size, 0)
  const hash = new HashValue().open(db, record)
  equal(hash.count, model.size)
  hash.check()
  for (const [text, { value, deadlineMs }] of model) {
    ok(hash.find(Slice.ofText(text)))
    equal(hash.readValue(new Slice()).toLatin1(), value)
    equal(hash.deadlineMs, deadlineMs)
  }
}
