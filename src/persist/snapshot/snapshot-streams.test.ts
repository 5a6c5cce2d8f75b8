// Goal: a snapshot holds streams with their groups as they were at the cut, whatever happens to
// leaves, spans, groups and pending IDs meanwhile, and no page of the cut changes without touch.
// Method: random changes between single steps of the scanner, in checking mode; what the file says
// of each stream is compared with its payload at the cut, and with what is loaded from the file.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CollectingTarget, readRdb } from '../../../test/lib/rdb.ts'
import { Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import { defaultEncodingLimits } from '../../keyspace/encoding-limits.ts'
import { Streams } from '../../keyspace/stream/stream.ts'
import { StreamId } from '../../keyspace/stream/stream-id.ts'
import { fieldsOf } from '../../keyspace/stream/test-stream.ts'
import { NULL } from '../../memory/layout.ts'
import { payloadOf } from '../dump.ts'
import { RdbEntry } from '../rdb/rdb-target.ts'
import {
  expectAllSeen,
  FILE,
  finishSave,
  NOW_MS,
  SCANNERS,
  TestCut,
  type TestCutOptions,
} from './test-cut.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
const KEYS = ['s0', 's1', 's2', 's3'].map((name) => Slice.ofText(name))
const LIMITS = defaultEncodingLimits()

class Bench extends TestCut {
  readonly streams: Streams
  readonly #id = new StreamId()

  constructor(options: TestCutOptions) {
    super(options)
    this.streams = new Streams(this.db.collections)
  }

  get db(): Database {
    return this.keyspace.databases[0]!
  }

  /** One random change of one stream. */
  change(): void {
    const { random, db, streams } = this
    const key = KEYS[random.below(KEYS.length)]!
    const record = db.peek(key)
    if (record === NULL) {
      streams.create(db, key)
      this.#append()
      return
    }
    streams.open(db, record)
    const choice = random.below(200)
    if (choice < 80) this.#append()
    else if (choice < 110) streams.delete(this.#anyId())
    else if (choice < 113) {
      const lengthMax = random.below(streams.length + 1)
      streams.trim({ lengthMax, minimum: this.#id, isApproximate: choice === 111, limit: 0 })
    } else if (choice < 199) this.#changeGroups()
    else if (random.below(3) === 0) db.remove(record)
    else this.keyspace.reclaimStep()
  }

  /** What there is of each stream, by key. */
  contents(): Map<string, string> {
    const found = new Map<string, string>()
    for (const key of KEYS) {
      const record = this.db.peek(key)
      if (record === NULL) continue
      this.streams.open(this.db, record).check()
      const payload = payloadOf(this.db, record, false)
      const { bytes, start, length } = payload
      const target = new CollectingTarget()
      const entry = new RdbEntry()
      const range = { bytes: bytes.slice(start, start + length), start: 0, length }
      assert.ok(payload.read(range, entry, target))
      payload.release()
      found.set(key.toLatin1(), target.keys[0]!.value)
    }
    return found
  }

  #append(): void {
    const { random, streams } = this
    const id = streams.lastId(this.#id)
    if (random.below(4) === 0) id.setMs(Number(id.words[1]!) + 1)
    id.increment()
    const size = random.below(100)
    const length = size === 0 ? 40_000 : size < 5 ? 6000 : random.below(300)
    const name = random.below(5) === 0 ? 'other' : 'name'
    streams.append(id, fieldsOf([name, 'v'.repeat(length)]), LIMITS)
  }

  /** An ID between the first and the last. */
  #anyId(): StreamId {
    const last = this.streams.lastId(this.#id)
    last.words[1] = this.random.below(last.words[1]! + 1)
    last.words[3] = this.random.below(60)
    return last
  }

  #changeGroups(): void {
    const { random } = this
    const { groups } = this.streams
    const group = Slice.ofText(`group${random.below(6)}${'g'.repeat(random.below(2) * 1500)}`)
    if (!groups.openGroup(group)) {
      groups.createGroup(group, this.#id.setMin(), 0)
      return
    }
    if (random.below(200) === 0) return groups.destroyGroup(group)
    const consumer = Slice.ofText(`consumer${random.below(90)}`)
    if (!groups.openConsumer(consumer)) groups.createConsumer(consumer, NOW_MS)
    else if (random.below(60) === 0) return groups.deleteConsumer(consumer)
    const isAcknowledging = random.below(4) === 0
    for (let i = random.below(40); i >= 0; i--) {
      const id = this.#id.set(random.below(40), random.below(60))
      if (!groups.findPending(id)) groups.addPending(id, NOW_MS, 1)
      else if (isAcknowledging) groups.removePending(id)
      else {
        groups.claimPending(id)
        groups.setDelivery(NOW_MS + i, i)
      }
    }
  }
}

for (let round = 0; round < ROUNDS; round++) {
  const seed = SEED * 1000 + round
  const reservePages = [8, 16, 64, 1024][round % 4]!
  for (const scanner of SCANNERS) {
    test(`seed ${seed}, ${scanner}: streams, reserve of ${reservePages} pages`, () => {
      const bench = new Bench({ seed, reservePages, scanner })
      for (let i = 0; i < 3000; i++) bench.change()
      for (let save = 0; save < 2; save++) saveAndCompare(bench)
    })
  }
}

test('pages were spilled, freed ones held, and the scan handed over both ways', expectAllSeen)

function saveAndCompare(bench: Bench): void {
  const { scanner, random } = bench
  const atCut = bench.contents()
  let writes = 0
  finishSave(bench, scanner, () => {
    const turns = random.below(8)
    for (let i = 0; i < turns; i++, writes++) if (writes < 3000) bench.change()
  })
  const file = bench.disk.contents(FILE)
  assert.ok(file)
  const found = new Map(readRdb(file).keys.map(({ key, value }) => [key, value]))
  assert.deepEqual(new Map([...found].sort()), atCut, `SEED=${SEED}`)
  const other = new Bench({ seed: 99, reservePages: 64, scanner })
  other.disk.put(FILE, file)
  other.persistence.loadNow({ mayOverwrite: false })
  assert.deepEqual(other.contents(), atCut, `SEED=${SEED}, loaded`)
  bench.keyspace.reclaimAll()
  bench.keyspace.check()
}
