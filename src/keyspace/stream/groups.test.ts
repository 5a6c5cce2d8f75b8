// Goal: groups, consumers and what is pending agree with plain maps, however many there are.
// Method: random commands, long names included; a stream and its copy; a full arena in the middle.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import type { Database } from '../database.ts'
import type { StreamGroups } from './groups.ts'
import { Streams } from './stream.ts'
import { copyStream } from './stream-copy.ts'
import { StreamId } from './stream-id.ts'
import { KEY, makeStream } from './test-stream.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))

interface Delivery {
  consumer: string
  timeMs: number
  deliveries: number
}

interface Group {
  readonly lastId: string
  readonly consumers: Map<string, number>
  /** By the ID's two numbers. */
  readonly pending: Map<string, Delivery>
}

const NAME = new Slice()
const ID = new StreamId()

function nameOf(random: Random, count: number): string {
  const i = random.below(count)
  return i % 37 === 5 ? `${i}${'long'.repeat(400)}` : `${i % 3 === 0 ? 'a' : 'name'}${i}`
}

/** What is stored, in the form of the model. */
function read(groups: StreamGroups): Map<string, Group> {
  const found = new Map<string, Group>()
  for (let i = 0; i < groups.count; i++) {
    groups.openGroupAt(i)
    const consumers = new Map<string, number>()
    const names = new Map<number, string>()
    const group = { lastId: String(groups.groupId(ID)), consumers, pending: new Map() }
    const groupName = groups.groupName(NAME).toLatin1()
    for (let k = 0; k < groups.consumerCount; k++) {
      groups.openConsumerAt(k)
      const name = groups.consumerName(NAME).toLatin1()
      consumers.set(name, Number(groups.seen))
      names.set(groups.consumerNumber, name)
    }
    const { pending, pendingChain } = groups
    for (let isThere = pending.seekFirst(pendingChain); isThere; isThere = pending.next()) {
      group.pending.set(String(ID.setWords(pending.words, pending.at)), {
        consumer: names.get(groups.pendingConsumer) ?? 'nobody',
        timeMs: Number(groups.pendingTime),
        deliveries: groups.pendingDeliveries,
      })
    }
    found.set(groupName, group)
  }
  return found
}

/** Names and IDs in their order. */
function sorted(model: Map<string, Group>): Map<string, Group> {
  const byName = (a: [string, unknown], b: [string, unknown]) => (a[0] < b[0] ? -1 : 1)
  const byId = (a: [string, Delivery], b: [string, Delivery]) => {
    const [ms = 0, sequence = 0] = a[0].split('-').map(Number)
    const [otherMs = 0, otherSequence = 0] = b[0].split('-').map(Number)
    return ms - otherMs || sequence - otherSequence
  }
  const groups = [...model].map(([name, { lastId, consumers, pending }]) => {
    const group: Group = {
      lastId,
      consumers: new Map([...consumers].sort(byName)),
      pending: new Map([...pending].sort(byId)),
    }
    return [name, group] as [string, Group]
  })
  return new Map(groups.sort(byName))
}

function step(random: Random, groups: StreamGroups, model: Map<string, Group>): void {
  const groupName = nameOf(random, 12)
  const name = Slice.ofText(groupName)
  const found = groups.openGroup(name)
  const group = model.get(groupName)
  assert.equal(found, group !== undefined)
  if (group === undefined) {
    ID.set(random.below(100), 3)
    groups.createGroup(name, ID, random.below(50))
    model.set(groupName, { lastId: String(ID), consumers: new Map(), pending: new Map() })
    return
  }
  if (random.below(400) === 0) {
    groups.destroyGroup(name)
    model.delete(groupName)
    return
  }
  const consumerName = nameOf(random, 150)
  const consumer = Slice.ofText(consumerName)
  const isThere = groups.openConsumer(consumer)
  assert.equal(isThere, group.consumers.has(consumerName))
  const timeMs = random.below(1_000_000_000) * 2000
  if (!isThere) {
    groups.createConsumer(consumer, timeMs)
    group.consumers.set(consumerName, timeMs)
  } else if (random.below(150) === 0) {
    const owned = [...group.pending].filter(([, each]) => each.consumer === consumerName)
    assert.equal(groups.consumerPending, owned.length)
    groups.deleteConsumer(consumer)
    group.consumers.delete(consumerName)
    for (const [id] of owned) group.pending.delete(id)
    return
  }
  for (let i = random.below(20); i >= 0; i--) deliver(random, groups, group, consumerName)
}

/** Delivers, claims or acknowledges one ID for the open consumer. */
function deliver(random: Random, groups: StreamGroups, group: Group, consumer: string): void {
  const { pending } = group
  ID.set(random.below(60), random.below(40))
  const text = String(ID)
  const delivery = pending.get(text)
  assert.equal(groups.findPending(ID), delivery !== undefined)
  const timeMs = random.below(1_000_000_000) * 2000
  if (delivery === undefined) {
    groups.addPending(ID, timeMs, 1)
    pending.set(text, { consumer, timeMs, deliveries: 1 })
  } else if (random.below(3) === 0) {
    groups.removePending(ID)
    pending.delete(text)
  } else {
    groups.claimPending(ID)
    groups.setDelivery(timeMs, groups.pendingDeliveries + 1)
    pending.set(text, { consumer, timeMs, deliveries: delivery.deliveries + 1 })
  }
}

function copyAndRead(db: Database): Map<string, Group> {
  const copyKey = Slice.ofText('copy')
  const record = copyStream(db, db.peek(KEY), db, copyKey)
  const copy = new Streams(db.collections).open(db, record)
  copy.check()
  const found = read(copy.groups)
  db.remove(db.peek(copyKey))
  return found
}

test('random commands agree with maps, and so does a copy', () => {
  const random = new Random(SEED)
  const { streams, db, keyspace } = makeStream()
  const model = new Map<string, Group>()
  for (let round = 0; round < 4000; round++) {
    step(random, streams.groups, model)
    if (round % 1000 === 999) {
      streams.check()
      assert.deepEqual(read(streams.groups), sorted(model), `SEED=${SEED}`)
    }
  }
  assert.deepEqual(copyAndRead(db), sorted(model), `SEED=${SEED}`)
  db.remove(db.peek(KEY))
  while (keyspace.reclaimStep());
  keyspace.check()
  assert.equal(db.collections.count, 0)
})

test('many IDs that come in order fill their leaves', () => {
  const { streams, db } = makeStream()
  const { groups } = streams
  groups.createGroup(Slice.ofText('g'), ID.setMin(), 0)
  const names = ['a', 'b', 'c'].map((name) => Slice.ofText(name))
  for (const name of names) groups.createConsumer(name, 0)
  const count = 30_000
  for (let i = 0; i < count; i++) {
    groups.openConsumer(names[i % 3]!)
    groups.findPending(ID.set(1_700_000_000_000 + (i >> 4), i & 15))
    groups.addPending(ID, i, 1)
  }
  streams.check()
  groups.openGroup(Slice.ofText('g'))
  assert.equal(groups.pendingCount, count)
  // 32 bytes a pending ID and 20 for its owner, in leaves that are nine tenths full.
  const bytes = db.collections.bytesOf(streams.root.number)
  assert.ok(bytes < (count * 52) / 0.9, `${bytes} bytes`)
})

test('a full arena leaves groups as they were', () => {
  const { streams } = makeStream()
  const { groups } = streams
  let made = 0
  assert.throws(() => {
    for (;;) groups.createGroup(Slice.ofText(`${made++}${'x'.repeat(100_000)}`), ID, 0)
  }, /no memory left/)
  streams.check()
  assert.equal(groups.count, made - 1)
  let pending = 0
  groups.openGroupAt(0)
  assert.throws(() => {
    groups.createConsumer(Slice.ofText('c'), 0)
    for (;;) {
      groups.findPending(ID.set(1, ++pending))
      groups.addPending(ID, 1, 1)
    }
  }, /no memory left/)
  streams.check()
})
