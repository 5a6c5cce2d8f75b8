// Goal: the kernel says of a node what TypeScript says, and writes its entries so that the stream
// is the same, whatever fields they have and wherever leaves end. Method: nodes of random entries,
// whole and damaged, both ways; what comes out is walked and checked.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { checkListpack, DAMAGED } from '../../keyspace/stream/entry-check.ts'
import { EntryFlag } from '../../keyspace/stream/entry-leaf.ts'
import { EntryWriter } from '../../keyspace/stream/entry-writer.ts'
import { Streams } from '../../keyspace/stream/stream.ts'
import { StreamId } from '../../keyspace/stream/stream-id.ts'
import { entriesOf, fieldsOf, KEY, makeStream } from '../../keyspace/stream/test-stream.ts'
import { Kernels } from './kernels.ts'
import { StreamBuilder } from './stream-builder.ts'
import { StreamNodes, UNCHECKED } from './stream-nodes.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const REGION_BYTES = 1024 * 1024

interface Node {
  readonly master: StreamId
  readonly bytes: Uint8Array
}

/** Entries behind `id`, as redis-server has them in one listpack; some are deleted. */
function makeNode(random: Random, id: StreamId): Node {
  const writer = new EntryWriter(true)
  const bytes = new Uint8Array(256 * 1024)
  const names = [`name ${random.below(3)}`, ...(random.below(2) === 0 ? [] : ['count'])]
  const count = 1 + random.below(random.below(3) === 0 ? 300 : 10)
  const flags = Array.from({ length: count }, () => (random.below(5) === 0 ? EntryFlag.Deleted : 0))
  const deleted = flags.filter((flag) => flag !== 0).length
  writer.open(bytes, 6)
  for (const number of [count - deleted, deleted, names.length]) writer.number(number)
  for (const name of names) writer.text(Slice.ofText(name))
  writer.number(0)
  let elements = 4 + names.length
  const master = new StreamId()
  for (const [i, flag] of flags.entries()) {
    if (random.below(4) === 0) id.setMs(Number(id.words[1]) + random.below(70_000))
    id.increment()
    if (i === 0) master.setTo(id)
    const hasOwn = random.below(6) === 0
    const own = hasOwn ? [`own ${random.below(3)}`] : names
    const texts = own.flatMap((name) => [name, randomValue(random)])
    writer.head(flag | (hasOwn ? 0 : EntryFlag.SameFields), master.words, id)
    if (hasOwn) writer.namesAndValues(fieldsOf(texts))
    else writer.values(fieldsOf(texts))
    const contents = hasOwn ? 4 + 2 * own.length : 3 + own.length
    writer.number(contents)
    elements += contents + 1
  }
  bytes[writer.at] = 0xff
  const length = writer.at + 1
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length, true)
  view.setUint16(4, Math.min(elements, 0xffff), true)
  return { master, bytes: bytes.slice(0, length) }
}

function randomValue(random: Random): string {
  const values = ['', '7', '-1', '4096', '-70000', '123456789012', '007', 'x'.repeat(63)]
  if (random.below(150) === 0) return 'long'.repeat(random.below(1500))
  if (random.below(3) === 0) return 'v'.repeat(random.below(200))
  return values[random.below(values.length)]!
}

function makeKernel() {
  const kernels = new Kernels(StreamNodes.regionBytes + REGION_BYTES)
  const nodes = new StreamNodes(kernels)
  const start = kernels.allocate(REGION_BYTES)
  const place = ({ bytes }: Node) => {
    kernels.memory.set(bytes, start)
    return { bytes: kernels.memory, start, length: bytes.length }
  }
  return { nodes, place }
}

test(`nodes become the same stream either way, SEED=${SEED}`, () => {
  const random = new Random(SEED)
  const { nodes, place } = makeKernel()
  for (let round = 0; round < 40; round++) {
    const id = new StreamId().set(5, 0)
    const both = [nodes, null].map((kernel) => {
      const { db } = makeStream()
      const builder = new StreamBuilder({ freeKey: () => {}, onEnd: () => {} })
      builder.begin(db, KEY)
      return { kernel, db, builder }
    })
    const last = new StreamId()
    let sum = 0
    for (let i = 1 + random.below(6); i > 0; i--) {
      const node = makeNode(random, id)
      const range = place(node)
      const before = new StreamId().setTo(last)
      const live = checkListpack(node.master, range, before)
      const known = nodes.check(node.master, range, last)
      assert.ok(live >= 0 && (known === live || known === UNCHECKED))
      last.setTo(before)
      for (const { kernel, builder } of both) {
        const source = known === UNCHECKED ? null : kernel
        builder.onNode(node.master, range, live, source)
      }
      sum += live
    }
    const [found, expected] = both.map(({ builder, db }) => {
      builder.onFacts({ lastId: last, deletedId: new StreamId(), added: sum })
      builder.onStreamEnd()
      const streams = new Streams(db.collections).open(db, db.peek(KEY))
      streams.check()
      assert.equal(streams.length, sum)
      return { entries: entriesOf(streams), nodes: streams.nodes }
    })
    assert.deepEqual(found, expected)
  }
})

test(`a damaged node is one to both, SEED=${SEED}`, () => {
  const random = new Random(SEED)
  const { nodes, place } = makeKernel()
  let whole = 0
  for (let round = 0; round < 4000; round++) {
    const node = makeNode(random, new StreamId().set(5, 0))
    for (let i = random.below(3); i > 0; i--) {
      node.bytes[random.below(node.bytes.length)] = random.u32()
    }
    const range = place(node)
    const lasts = [new StreamId(), new StreamId()] as const
    const known = nodes.check(node.master, range, lasts[0])
    if (known === UNCHECKED) continue
    assert.equal(known, checkListpack(node.master, range, lasts[1]))
    if (known === DAMAGED) continue
    assert.equal(lasts[0].compare(lasts[1]), 0)
    whole++
  }
  assert.ok(whole > 100)
})
