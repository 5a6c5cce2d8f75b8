// Goal: a small stream lies in its record and loses nothing by that, nor when it gets nodes.
// Method: random changes against an array, the record opened anew before each; what ends in nodes
// and what does not; a full arena in the midst.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { NULL } from '../../memory/layout.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { copyStream } from './stream-copy.ts'
import { StreamId } from './stream-id.ts'
import { entriesOf, fieldsOf, idOf, KEY, makeStream, type TestStream } from './test-stream.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const LIMITS = defaultEncodingLimits()
const GROUP = Slice.ofText('group')

function add({ streams }: TestStream, id: string, ...texts: string[]): void {
  streams.append(idOf(id), fieldsOf(texts), LIMITS)
}

/** Whether the stream lies in its record. */
function isPacked({ db }: TestStream): boolean {
  return !db.hasRoot(db.peek(KEY))
}

test(`random changes of small streams agree with an array, SEED=${SEED}`, () => {
  const random = new Random(SEED)
  for (let round = 0; round < 60; round++) {
    const all = makeStream()
    const { streams, db } = all
    const limits = { ...LIMITS, streamNodeEntriesMax: 1 + random.below(12) }
    let model: [string, ...string[]][] = []
    let last = 0
    let highest = new StreamId()
    for (let step = 0; step < 120; step++) {
      const record = db.peek(KEY)
      if (record !== NULL) streams.open(db, record)
      const action = record === NULL ? 0 : random.below(100)
      if (action < 60) {
        const texts = [`name ${random.below(2)}`, 'v'.repeat(random.below(1 + round * 3))]
        const id = new StreamId().set(1 + (last >> 3), ++last)
        streams.append(id, fieldsOf(texts), limits)
        model.push([String(id), ...texts])
      } else if (action < 80 && model.length > 0) {
        const [gone] = model.splice(random.below(model.length), 1)
        assert.ok(streams.delete(idOf(gone![0])))
        highest = idOf(gone![0])
        streams.setDeletedId(highest)
      } else if (action < 90) {
        const lengthMax = random.below(model.length + 1)
        streams.trim({ lengthMax, minimum: highest, isApproximate: false, limit: 0 })
        model = model.slice(model.length - lengthMax)
      } else if (action < 95) db.setDeadline(record, 1e12 + random.below(2) * step)
      else {
        const target = Slice.ofText(`copy ${step}`)
        db.peek(target)
        copyStream(db, record, db, target)
        streams.open(db, db.peek(target))
      }
      streams.check()
      assert.deepEqual(entriesOf(streams), model)
      assert.equal(streams.added, last)
      assert.equal(String(streams.deletedId(new StreamId())), String(highest))
    }
    all.keyspace.check()
  }
})

test('a stream has nodes from the second leaf on, and keeps them', () => {
  const all = makeStream()
  const { streams, db, keyspace } = all
  add(all, '1-1', 'field', 'v')
  // The record: header, key, the rest of a leaf, names and one entry, a tail of 40 bytes.
  assert.ok(db.bytesOf(db.peek(KEY)) <= 160)
  let entries = 1
  while (isPacked(all)) {
    add(all, `2-${++entries}`, 'field', 'x'.repeat(40))
  }
  assert.ok(entries > 60 && entries < 100)
  assert.equal(streams.open(db, db.peek(KEY)).length, entries)
  streams.check()
  streams.trim({ lengthMax: 1, minimum: new StreamId(), isApproximate: false, limit: 0 })
  assert.ok(!isPacked(all))
  db.remove(db.peek(KEY))
  keyspace.check()
  assert.equal(db.collections.count, 0)
})

test('a stream that is trimmed, or emptied from its start, stays small', () => {
  for (const isTrimmed of [true, false]) {
    const all = makeStream()
    const { streams, db } = all
    for (let i = 1; i <= 2000; i++) {
      add(all, `1-${i}`, 'field', 'x'.repeat(i % 50))
      const rule = { lengthMax: 20, minimum: new StreamId(), isApproximate: false, limit: 0 }
      if (isTrimmed) streams.trim(rule)
      else if (i > 20) assert.ok(streams.delete(idOf(`1-${i - 20}`)))
      streams.open(db, db.peek(KEY))
    }
    assert.ok(isPacked(all))
    assert.ok(db.bytesOf(db.peek(KEY)) < 1500)
    streams.check()
    assert.equal(entriesOf(streams)[0]![0], '1-1981')
  }
})

test('a group and a large entry need nodes', () => {
  const grouped = makeStream()
  add(grouped, '1-1', 'field', 'v')
  grouped.streams.groups.createGroup(GROUP, new StreamId(), 0)
  assert.ok(!isPacked(grouped))
  assert.deepEqual(entriesOf(grouped.streams), [['1-1', 'field', 'v']])
  for (const length of [3800, 5000, 60_000]) {
    const large = makeStream()
    add(large, '1-1', 'field', 'v')
    add(large, '1-2', 'field', 'x'.repeat(length))
    assert.equal(isPacked(large), length < 4000)
    large.streams.open(large.db, large.db.peek(KEY)).check()
    assert.equal(large.streams.length, 2)
  }
})

test('a stream that is emptied is still small, and remembers', () => {
  const all = makeStream()
  const { streams, db } = all
  add(all, '7-7', 'field', 'v')
  assert.ok(streams.delete(idOf('7-7')))
  streams.open(db, db.peek(KEY))
  assert.equal(streams.length, 0)
  assert.equal(String(streams.lastId(new StreamId())), '7-7')
  add(all, '8-1', 'other', 'w')
  assert.ok(isPacked(all))
  assert.deepEqual(entriesOf(streams.open(db, db.peek(KEY))), [['8-1', 'other', 'w']])
})

test('what is begun and not filled leaves no key', () => {
  const { streams, db } = makeStream()
  assert.equal(streams.record, NULL)
  assert.equal(db.size, 0)
})

test('a full arena leaves a small stream small', () => {
  const all = makeStream()
  const { streams, db, keyspace } = all
  for (let i = 1; i <= 60; i++) add(all, `1-${i}`, 'field', 'x'.repeat(40))
  const before = entriesOf(streams)
  const filler = new Uint8Array(60_000)
  let keys = 0
  // Whole pages first, then what is left of them.
  for (const length of [60_000, 3000]) {
    const value = new Slice().set(filler, 0, length)
    assert.throws(() => {
      for (; ; keys++) db.putString(Slice.ofText(`filler ${keys}`), value, 0)
    }, /no memory left/)
  }
  const open = () => streams.open(db, db.peek(KEY))
  assert.throws(() => open().groups.createGroup(GROUP, new StreamId(), 0), /no memory left/)
  assert.throws(() => {
    open().append(idOf('2-1'), fieldsOf(['field', 'x'.repeat(70_000)]), LIMITS)
  }, /no memory left/)
  assert.ok(isPacked(all))
  assert.deepEqual(entriesOf(open()), before)
  assert.equal(String(streams.lastId(new StreamId())), '1-60')
  keyspace.check()
})
