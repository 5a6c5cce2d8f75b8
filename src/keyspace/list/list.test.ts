// Goal: a list is an array, packed and in leaves, with elements of any size, and with a full arena.
// Method: seeded random operations on a list and on a plain array, compared after each step or some
// steps, with `check` walking all leaves; limits that are small force every form.

import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { ARENA_FULL } from '../../memory/arena.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { defaultEncodingLimits, type EncodingLimits } from '../encoding-limits.ts'
import { Keyspace } from '../keyspace.ts'
import { List } from './list.ts'
import { copyList } from './list-copy.ts'
import { setSpanLength } from './list-entry.ts'

const SEED = Number(process.env.SEED ?? 3)
console.log(`SEED=${SEED}`)

const PAGES = 16384
const KEY = Slice.ofText('list')

class Bench {
  readonly keyspace: Keyspace
  readonly db: Database
  readonly random: Random
  readonly limits: EncodingLimits
  readonly list = new List()
  readonly lengthMax: number
  model: string[] = []

  constructor(seed: number, options: { readonly nodeSize: number; readonly lengthMax: number }) {
    this.random = new Random(seed)
    this.keyspace = new Keyspace({
      databaseCount: 2,
      pageCapacity: PAGES,
      hashSecret: new Uint32Array([seed, 7]),
      random: new Random(seed),
    })
    this.db = this.keyspace.databases[0]!
    this.limits = { ...defaultEncodingLimits(), listNodeSize: options.nodeSize }
    this.lengthMax = options.lengthMax
  }

  /** A text or a number; few different short ones, so that some are equal. */
  text(): string {
    const { random } = this
    const choice = random.below(10)
    if (choice < 3) return String(random.below(20) - 10)
    if (choice === 3) return String(random.u32() * 4096)
    if (choice === 4) return `v${random.below(5)}`
    const length = random.below(choice < 9 ? Math.min(this.lengthMax, 60) : this.lengthMax)
    return String.fromCharCode(97 + random.below(3)).repeat(length)
  }

  slice(text: string): Slice {
    const bytes = Buffer.from(`x${text}x`, 'latin1')
    return new Slice().set(bytes, 1, text.length)
  }

  open(): List {
    return this.list.open(this.db, this.db.peek(KEY))
  }

  /** One random operation; `growth`, 0 to 1, is how often elements come. */
  step(growth: number): void {
    const { random, model, list } = this
    if (model.length === 0) {
      equal(this.db.peek(KEY), NULL)
      const text = this.text()
      list.create(this.db, KEY, this.slice(text), this.limits)
      model.push(text)
      return
    }
    this.open()
    if (random.float() < growth) this.#grow()
    else if (random.float() < 0.4) this.#look()
    else this.#shrink()
  }

  #grow(): void {
    const { random, model, list, limits } = this
    const text = this.text()
    const element = this.slice(text)
    const index = random.below(model.length)
    switch (random.below(5)) {
      case 0:
        list.pushFirst(element, limits)
        model.unshift(text)
        break
      case 1:
        list.pushLast(element, limits)
        model.push(text)
        break
      case 2:
        list.set(index, element, limits)
        model[index] = text
        break
      case 3:
        if (random.below(2) === 0) {
          list.rotateLeft(limits)
          model.push(model.shift()!)
        } else {
          list.rotateRight(limits)
          model.unshift(model.pop()!)
        }
        break
      default:
        list.insert(index, element, limits)
        model.splice(index, 0, text)
    }
  }

  #shrink(): void {
    const { random, model, list } = this
    const index = random.below(model.length)
    switch (random.below(8)) {
      case 0:
        list.removeFirst()
        model.shift()
        break
      case 1:
        list.removeLast()
        model.pop()
        break
      case 2: {
        const count = random.below(model.length - index + 1)
        list.remove(index, count)
        model.splice(index, count)
        break
      }
      case 3: {
        const wanted = model[index]!
        const limit = 1 + random.below(4)
        let expected = 0
        this.model = model.filter((text) => text !== wanted || expected++ >= limit)
        equal(list.removeFirstEqual(this.slice(wanted), limit), model.length - this.model.length)
        break
      }
      case 4: {
        const wanted = model[index]!
        const limit = 1 + random.below(4)
        let expected = 0
        this.model = model
          .reverse()
          .filter((text) => text !== wanted || expected++ >= limit)
          .reverse()
        equal(list.removeLastEqual(this.slice(wanted), limit), model.length - this.model.length)
        break
      }
      default: {
        const count = Math.min(1 + random.below(6), model.length - index)
        list.remove(index, count)
        model.splice(index, count)
      }
    }
  }

  #look(): void {
    const { random, model, list } = this
    const from = random.below(model.length)
    const wanted = random.below(3) === 0 ? this.text() : model[random.below(model.length)]!
    const limit = 1 + random.below(model.length)
    list.seek(from)
    const behind = model.slice(from, from + limit).indexOf(wanted)
    equal(list.findNext(this.slice(wanted), limit), behind)
    if (behind >= 0) {
      equal(list.readNext(), from + behind + 1 < model.length)
      if (from + behind + 1 < model.length) {
        equal(list.element.toLatin1(), model[from + behind + 1])
      }
    }
    list.seek(from)
    const before = model
      .slice(Math.max(0, from - limit + 1), from + 1)
      .reverse()
      .indexOf(wanted)
    equal(list.findPrevious(this.slice(wanted), limit), before)
  }

  copyTo(key: Slice): void {
    const record = this.db.peek(KEY)
    equal(this.db.peek(key), NULL)
    copyList(this.db, record, this.db, key)
  }

  contents(record: Ptr): string[] {
    const list = new List().open(this.db, record)
    const texts: string[] = []
    list.seek(0)
    while (list.readNext()) texts.push(list.element.toLatin1())
    return texts
  }

  check(): void {
    const { db, model, list } = this
    const record = db.peek(KEY)
    equal(record === NULL, model.length === 0)
    if (record === NULL) return
    this.open()
    equal(list.count, model.length)
    list.check()
    deepEqual(this.contents(record), model)
    const reversed: string[] = []
    list.seekLast()
    while (list.readPrevious()) reversed.push(list.element.toLatin1())
    deepEqual(reversed, model.toReversed())
  }

  /** Nothing is left of the list. */
  end(): void {
    const record = this.db.peek(KEY)
    if (record !== NULL) this.db.remove(record)
    while (this.keyspace.reclaimStep()) {}
    this.keyspace.arena.check()
    equal(this.keyspace.arena.datasetBytes, 0)
    equal(this.keyspace.collections.count, 0)
  }
}

const FORMS = [
  { name: 'short elements', nodeSize: -2, lengthMax: 40, steps: 4000, spanLength: 0 },
  { name: 'few packed elements', nodeSize: 3, lengthMax: 300, steps: 4000, spanLength: 0 },
  { name: 'elements of some KiB', nodeSize: -2, lengthMax: 8192, steps: 1500, spanLength: 0 },
  { name: 'large elements', nodeSize: -2, lengthMax: 20_000, steps: 1000, spanLength: 0 },
  { name: 'nearly all elements in spans', nodeSize: -1, lengthMax: 40, steps: 800, spanLength: 2 },
]

for (const { name, steps, spanLength, ...options } of FORMS) {
  test(`a list is an array: ${name}`, () => {
    setSpanLength(spanLength)
    const bench = new Bench(SEED, options)
    for (let i = 0; i < steps; i++) {
      bench.step(i % 1000 < 600 ? 0.8 : 0.3)
      if (i % 16 === 0) bench.check()
    }
    bench.check()
    bench.end()
    setSpanLength(0)
  })
}

test('long lists are walked, searched and cut anywhere', () => {
  const bench = new Bench(SEED, { nodeSize: -2, lengthMax: 30 })
  for (let i = 0; i < 60_000; i++) {
    if (bench.model.length === 0) bench.step(1)
    else {
      const text = bench.text()
      bench.list.pushLast(bench.slice(text), bench.limits)
      bench.model.push(text)
    }
  }
  bench.check()
  for (let i = 0; i < 300; i++) bench.step(0.5)
  bench.check()
  bench.open().remove(1000, bench.model.length - 2000)
  bench.model.splice(1000, bench.model.length - 2000)
  bench.check()
  for (const wanted of ['v1', 'v2', '3']) {
    bench.open().removeFirstEqual(bench.slice(wanted), Infinity)
    bench.model = bench.model.filter((text) => text !== wanted)
    bench.check()
  }
  bench.end()
})

test('a copy is equal, and the original can go', () => {
  for (const lengthMax of [20, 3000, 20_000]) {
    const bench = new Bench(SEED, { nodeSize: -2, lengthMax })
    for (let i = 0; i < 800; i++) bench.step(0.9)
    const copied = Slice.ofText('copy')
    bench.copyTo(copied)
    bench.db.remove(bench.db.peek(KEY))
    deepEqual(bench.contents(bench.db.peek(copied)), bench.model)
    new List().open(bench.db, bench.db.peek(copied)).check()
    bench.db.remove(bench.db.peek(copied))
    bench.end()
  }
})

test('a full arena leaves a list as it was', () => {
  let refused = 0
  for (const lengthMax of [40, 4000, 20_000]) {
    for (let free = 1; free < 40; free += 3) {
      const bench = new Bench(SEED + free, { nodeSize: -2, lengthMax })
      const { arena } = bench.keyspace
      for (let i = 0; i < 30; i++) bench.step(1)
      const ballast: Ptr[] = []
      while (arena.pool.pagesUsed < PAGES - 1 - free) ballast.push(arena.allocateTable(1))
      for (let i = 0; i < 400; i++) {
        const before = [...bench.model]
        try {
          bench.step(0.9)
        } catch (error) {
          equal(error, ARENA_FULL)
          bench.model = before
          refused++
        }
        if (i % 16 === 0) bench.check()
      }
      bench.check()
      if (bench.model.length > 0) {
        const copied = Slice.ofText('copy')
        try {
          bench.copyTo(copied)
          bench.db.remove(bench.db.peek(copied))
        } catch (error) {
          equal(error, ARENA_FULL)
        }
      }
      bench.check()
      for (const table of ballast) arena.freeTable(table)
      bench.end()
    }
  }
  equal(refused > 100, true)
})
