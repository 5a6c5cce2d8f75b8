// Goal: a stream holds what was added, in order, whatever is deleted and trimmed. Method: random
// commands against a plain array, with leaves of all sizes; the bytes of a node against Redis's; a
// full arena; lazy freeing.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { LeafWord, nodeWord } from '../root.ts'
import { checkListpack, DAMAGED } from './entry-check.ts'
import { EntryCursor } from './entry-leaf.ts'
import { NodeListpack } from './node-listpack.ts'
import type { Streams } from './stream.ts'
import { StreamId } from './stream-id.ts'
import { StreamWalk } from './stream-walk.ts'
import { entriesOf, fieldsOf, idOf, KEY, makeStream, textsOf } from './test-stream.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const LIMITS = defaultEncodingLimits()

type Entry = [id: string, ...texts: string[]]

function randomTexts(random: Random): string[] {
  if (random.below(200) === 0) return ['big', 'b'.repeat(random.below(120_000))]
  const same = random.below(3) > 0
  const values = ['', '7', '-1', '4096', '123456789012', 'x'.repeat(random.below(90)), '007']
  const texts: string[] = []
  for (let i = 0; i <= random.below(3); i++) {
    const name = same ? `f${i}` : `n${random.below(5)}`
    texts.push(name, values[random.below(values.length)]!)
  }
  return texts
}

test('random commands agree with an array', () => {
  const random = new Random(SEED)
  const sizes: [number, number][] = [
    [4096, 100],
    [4096, 3],
    [20_000, 0],
    [0, 7],
    [100, 100],
  ]
  for (const [streamNodeBytesMax, streamNodeEntriesMax] of sizes) {
    const limits = { ...LIMITS, streamNodeBytesMax, streamNodeEntriesMax }
    const { streams } = makeStream()
    let model: Entry[] = []
    const id = new StreamId()
    for (let round = 0; round < 1500; round++) {
      const action = random.below(100)
      if (action < 75) {
        // Several IDs of one millisecond, and now and then a leap over 2^32.
        if (random.below(5) === 0) id.setMs(Number(id.words[0]!) * 2 ** 32 + id.words[1]! + 1)
        if (random.below(300) === 0) id.words[0]!++
        id.increment()
        const texts = randomTexts(random)
        streams.append(id, fieldsOf(texts), limits)
        model.push([String(id), ...texts])
      } else if (action < 95) {
        const place = random.below(model.length + 1)
        const target = idOf(model[place]?.[0] ?? '5-77')
        assert.equal(streams.delete(target), place < model.length, `SEED=${SEED}`)
        model.splice(place, 1)
      } else if (model.length > 0) {
        const kept = random.below(model.length + 1)
        const minimum = idOf(model[model.length - kept]?.[0] ?? '99999999999999-0')
        const lengthMax = random.below(2) === 0 ? kept : -1
        const rule = { lengthMax, minimum, isApproximate: false, limit: 0 }
        assert.equal(streams.trim(rule), model.length - kept, `SEED=${SEED}`)
        model = model.slice(model.length - kept)
      }
      assert.equal(streams.length, model.length)
    }
    streams.check()
    assert.deepEqual(entriesOf(streams), model, `SEED=${SEED}`)
    assert.equal(streams.firstId(id), model.length > 0)
    if (model.length > 0) assert.equal(String(id), model[0]![0])
  }
})

test('a walk gives what lies between two IDs, both ways', () => {
  const random = new Random(SEED)
  const { streams } = makeStream()
  const limits = { ...LIMITS, streamNodeEntriesMax: 4 }
  const model: [number, number][] = []
  for (let i = 0; i < 300; i++) {
    const entry: [number, number] = [1 + Math.floor(i / 7), i]
    streams.append(new StreamId().set(...entry), fieldsOf(['f', 'v']), limits)
    if (random.below(3) > 0) model.push(entry)
    else streams.delete(new StreamId().set(...entry))
  }
  for (let round = 0; round < 300; round++) {
    const from: [number, number] = [random.below(46), random.below(310)]
    const to: [number, number] = [random.below(46), random.below(310)]
    const start = new StreamId().set(...from)
    const end = new StreamId().set(...to)
    const expected = model
      .map((entry) => String(new StreamId().set(...entry)))
      .filter((text) => idOf(text).compare(start) >= 0 && idOf(text).compare(end) <= 0)
    const found = entriesOf(streams, start, end).map(([text]) => text)
    assert.deepEqual(found, expected, `SEED=${SEED}`)
    const back: string[] = []
    const walk = new StreamWalk().openBackward(streams, start, end)
    while (walk.next()) back.push(String(walk.cursor.id))
    assert.deepEqual(back, expected.reverse(), `SEED=${SEED}`)
  }
})

/** The first leaf's entries as one node. */
function nodeOf(streams: Streams): NodeListpack {
  const cursor = new EntryCursor().open(streams.arena, streams.root.chain.first)
  const node = new NodeListpack()
  node.begin()
  for (let found = cursor.first(); found; found = cursor.next()) node.add(cursor)
  node.finish()
  return node
}

test('a node is the listpack that Redis makes', () => {
  const { streams } = makeStream()
  streams.append(idOf('5-1'), fieldsOf(['a', '1', 'b', 'xy']), LIMITS)
  streams.append(idOf('5-2'), fieldsOf(['a', '200', 'b', 'z']), LIMITS)
  streams.append(idOf('7-0'), fieldsOf(['c', 'd']), LIMITS)
  streams.delete(idOf('5-2'))
  const node = nodeOf(streams)
  const bytes = Buffer.from(node.bytes.slice(node.start, node.start + node.length))
  // DUMP of redis-server 7.0.15 after the same commands.
  assert.equal(
    bytes.toString('hex'),
    '42000000190002010101020181610281620200010201000100010101827879030501030100010101c0c802817a02' +
      '050100010201dfff0201018163028164020601ff',
  )
  const range = { bytes, start: 0, length: bytes.length }
  assert.equal(checkListpack(idOf('5-1'), range, new StreamId()), 2)
})

test('a damaged listpack is seen, and never read past its end', () => {
  const random = new Random(SEED)
  const { streams } = makeStream()
  // What lies in a span is a listpack already: the first entry is small.
  streams.append(new StreamId().set(5, 0), fieldsOf(['f', 'v']), LIMITS)
  for (let i = 1; i < 30; i++) {
    streams.append(new StreamId().set(5, i), fieldsOf(randomTexts(random).slice(0, 2)), {
      ...LIMITS,
      streamNodeBytesMax: 0,
    })
    if (i % 4 === 0) streams.delete(new StreamId().set(5, i))
  }
  const { chain } = streams.root
  const node = nodeOf(streams)
  const { length, master } = node
  const whole = node.bytes.slice(node.start, node.start + length)
  const live = checkListpack(master, { bytes: whole, start: 0, length }, new StreamId())
  assert.equal(live, nodeWord(streams.arena, chain.first, LeafWord.Count))
  for (let round = 0; round < 3000; round++) {
    const bytes = whole.slice()
    for (let i = random.below(3); i >= 0; i--) bytes[random.below(length)] = random.u32()
    const found = checkListpack(master, { bytes, start: 0, length }, new StreamId())
    if (found === DAMAGED) continue
    // What passes can be walked.
    const walker = new EntryCursor().openListpack(master, bytes, 0)
    for (let isThere = walker.first(); isThere; isThere = walker.next()) textsOf(walker)
  }
})

test('a full arena leaves the stream as it was', () => {
  const { streams, keyspace } = makeStream()
  const id = new StreamId()
  const fill = fieldsOf(['f', 'x'.repeat(3000)])
  let added = 0
  try {
    for (;;) {
      streams.append(id.set(1, ++added), fill, LIMITS)
    }
  } catch (error) {
    assert.match(String(error), /no memory left/)
  }
  streams.check()
  assert.equal(streams.length, added - 1)
  assert.equal(String(streams.lastId(id)), `1-${added - 1}`)
  streams.trim({ lengthMax: 10, minimum: id, isApproximate: false, limit: 0 })
  streams.append(id.set(1, added), fill, LIMITS)
  streams.check()
  assert.ok(keyspace.usedBytes > 0)
})

test('a stream with groups and large entries is freed whole, and step by step', () => {
  const { streams, keyspace, db } = makeStream()
  const id = new StreamId()
  for (let i = 1; i < 60_000; i++) {
    const size = i % 500 === 0 ? 50_000 : 200
    streams.append(id.set(i, 0), fieldsOf(['f', 'x'.repeat(size)]), LIMITS)
  }
  const { groups } = streams
  for (let g = 0; g < 40; g++) {
    groups.createGroup(fieldsOf([`group ${g} ${'n'.repeat(g * 50)}`, '']).name(0), id, 0)
    groups.createConsumer(fieldsOf([`consumer ${'c'.repeat(g * 100)}`, '']).name(0), 1)
    for (let i = 1; i < 300; i++) {
      groups.findPending(id.set(i, 0))
      groups.addPending(id, 1, 1)
    }
  }
  streams.check()
  db.remove(db.peek(KEY))
  let steps = 0
  while (keyspace.reclaimStep()) steps++
  assert.ok(steps > 2, 'it takes several steps')
  keyspace.check()
  assert.equal(db.size, 0)
  assert.equal(db.collections.count, 0)
})
