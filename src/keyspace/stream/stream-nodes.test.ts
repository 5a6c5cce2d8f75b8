// Goal: nodes are what Redis would have, wherever leaves begin and end: as many entries, trimmed as
// a whole, written as one listpack. Method: random commands against an array that knows each
// entry's node; listpacks that are taken in again; a copy; leaves that go in the middle of a node.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { LeafWord, nodeWord } from '../root.ts'
import { EntryCursor } from './entry-leaf.ts'
import { NodeListpack } from './node-listpack.ts'
import { Streams } from './stream.ts'
import { copyStream } from './stream-copy.ts'
import { StreamId } from './stream-id.ts'
import { entriesOf, fieldsOf, idOf, KEY, makeStream, textsOf } from './test-stream.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const LIMITS = { ...defaultEncodingLimits(), streamNodeBytesMax: 0 }

interface Entry {
  readonly id: string
  readonly node: number
}

function randomTexts(random: Random): string[] {
  const name = random.below(4) === 0 ? `n${random.below(3)}` : 'name'
  return [name, 'v'.repeat(random.below(60)), 'count', String(random.below(1e6))]
}

/** What an approximate trimming leaves of the entries. */
function trimmed(model: readonly Entry[], lengthMax: number, limit: number): Entry[] {
  let left = [...model]
  let removed = 0
  while (left.length > lengthMax) {
    const rest = left.filter(({ node }) => node !== left[0]!.node)
    const live = left.length - rest.length
    if (rest.length < lengthMax || (limit > 0 && removed + live > limit)) break
    left = rest
    removed += live
  }
  return left
}

test('an approximate trimming removes the nodes that an array says', () => {
  const random = new Random(SEED)
  for (const entriesMax of [1, 3, 10, 100, 400]) {
    const { streams } = makeStream()
    const limits = { ...LIMITS, streamNodeEntriesMax: entriesMax }
    const id = new StreamId().set(5, 0)
    let model: Entry[] = []
    let added = 0
    for (let round = 0; round < 4000; round++) {
      const action = random.below(100)
      // What is deleted is no part of the last node, which goes on as if it were there.
      const deletable = model.length - 2 * entriesMax
      if (action < 85) {
        id.increment()
        streams.append(id, fieldsOf(randomTexts(random)), limits)
        if (model.length === 0) added += entriesMax - (added % entriesMax)
        model.push({ id: String(id), node: Math.floor(added++ / entriesMax) })
      } else if (action < 99 && deletable > 0) {
        const place = random.below(deletable)
        assert.ok(streams.delete(idOf(model[place]!.id)))
        model.splice(place, 1)
      } else if (action === 99) {
        const isApproximate = random.below(3) > 0
        const lengthMax = model.length - random.below(model.length >>> 1)
        const limit = isApproximate ? random.below(2) * random.below(600) : 0
        streams.trim({ lengthMax, minimum: id, isApproximate, limit })
        model = isApproximate
          ? trimmed(model, lengthMax, limit)
          : model.slice(model.length - lengthMax)
      }
      assert.equal(streams.length, model.length, `SEED=${SEED}`)
    }
    streams.check()
    const ids = entriesOf(streams).map(([text]) => text)
    assert.deepEqual(
      ids,
      model.map((entry) => entry.id),
      `SEED=${SEED}`,
    )
  }
})

test('a node in several leaves is one listpack, and comes back', () => {
  const { streams } = makeStream()
  const limits = { ...LIMITS, streamNodeEntriesMax: 500 }
  const id = new StreamId()
  for (let i = 1; i <= 1200; i++) {
    const texts = i % 3 === 0 ? ['other', String(i)] : ['name', 'v'.repeat(i % 40)]
    streams.append(id.set(1000 + i * 7, i), fieldsOf(texts), limits)
  }
  assert.equal(streams.nodes, 3)
  assert.ok(streams.root.chain.leaves > 3)
  const other = makeStream().streams
  const node = new NodeListpack()
  const from = new EntryCursor()
  const takeIn = () => {
    node.finish()
    from.openListpack(node.master, node.bytes, node.start)
    other.endNode()
    for (let found = from.first(); found; found = from.next()) {
      other.append(from.id, fieldsOf(textsOf(from)), { ...limits, streamNodeEntriesMax: 0 })
    }
    node.begin()
  }
  node.begin()
  const cursor = new EntryCursor()
  const { arena } = streams
  let leaf = streams.root.chain.first
  for (; leaf !== 0; leaf = nodeWord(arena, leaf, LeafWord.Next)) {
    cursor.open(arena, leaf)
    node.enterLeaf()
    for (let found = cursor.first(); found; found = cursor.next()) {
      if (cursor.isNodeStart && !node.isEmpty) takeIn()
      node.add(cursor)
    }
  }
  takeIn()
  other.setLastId(id)
  other.check()
  assert.equal(other.nodes, 3)
  assert.deepEqual(entriesOf(other), entriesOf(streams))
})

test('leaves that go in the middle of a node leave nodes that are counted', () => {
  const { streams } = makeStream()
  const limits = { ...LIMITS, streamNodeEntriesMax: 0 }
  const id = new StreamId()
  for (let i = 1; i <= 1000; i++)
    streams.append(id.set(i, 0), fieldsOf(['f', 'v'.repeat(20)]), limits)
  assert.equal(streams.nodes, 1)
  const { leaves } = streams.root.chain
  assert.ok(leaves > 3)
  // The first leaves, then some in the middle, entry by entry.
  for (let i = 1; i <= 300; i++) assert.ok(streams.delete(id.set(i, 0)))
  for (let i = 550; i <= 900; i++) assert.ok(streams.delete(id.set(i, 0)))
  assert.ok(streams.root.chain.leaves < leaves - 1)
  streams.check()
  assert.equal(streams.nodes, 1)
  assert.equal(String(entriesOf(streams)[0]![0]), '301-0')
  assert.equal(entriesOf(streams).length, 349)
})

test('a copy has the same entries and nodes', () => {
  const random = new Random(SEED)
  const { db, streams } = makeStream()
  const limits = { ...LIMITS, streamNodeEntriesMax: 40 }
  const id = new StreamId()
  for (let i = 1; i <= 600; i++) {
    const texts = i % 200 === 0 ? ['large', 'l'.repeat(40_000)] : randomTexts(random)
    streams.append(id.set(i, 1), fieldsOf(texts), limits)
    if (i % 7 === 0) streams.delete(id)
  }
  streams.trim({ lengthMax: 450, minimum: id, isApproximate: false, limit: 0 })
  const target = Slice.ofText('copy')
  const record = db.peek(KEY)
  db.peek(target)
  copyStream(db, record, db, target)
  const copy = new Streams(db.collections).open(db, db.peek(target))
  copy.check()
  assert.equal(copy.nodes, streams.nodes)
  assert.deepEqual(entriesOf(copy), entriesOf(streams))
})
