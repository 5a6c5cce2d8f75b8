// Goal: the tree of leaves is an ordered list of counted leaves, whatever happens to it, and a full
// arena leaves it as it was. Method: seeded random operations on a chain and on a plain array of
// leaves, compared after each step; `check` walks index and links. A leaf's key stands in its first
// payload word; leaves with equal keys are told apart by the second.

import { deepEqual, equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { ARENA_FULL, Arena } from '../../memory/arena.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import { Collections } from '../collections.ts'
import { type Chain, nodeWord, ROOT_WORDS, Root, RootWord, setNodeWord } from '../root.ts'
import { LeafTree, releaseChain } from './leaf-tree.ts'

const SEED = Number(process.env.SEED ?? 20240611)
console.log(`SEED=${SEED}`)

const KEY_WORD = 8
const ORDER_WORD = 9
const PAGES = 16384

interface ModelLeaf {
  readonly leaf: Ptr
  count: number
  key: number
}

class Bench {
  readonly arena: Arena
  readonly collections: Collections
  readonly tree: LeafTree
  readonly words = new Uint32Array(ROOT_WORDS)
  readonly chain: Chain
  readonly random: Random
  /** What `isAtOrBefore` compares with. */
  order = 0
  model: ModelLeaf[] = []

  constructor(seed: number, pages: number) {
    this.arena = new Arena(pages)
    this.collections = new Collections(this.arena)
    this.tree = new LeafTree(this.collections, {
      keyOf: (leaf) => nodeWord(this.arena, leaf, KEY_WORD),
      isAtOrBefore: (leaf) => nodeWord(this.arena, leaf, ORDER_WORD) <= this.order,
    })
    this.words[RootWord.Number] = this.collections.allocate()
    this.chain = new Root().open(this.words, 0, NULL).chain
    this.random = new Random(seed)
  }

  /** Adds a leaf with `count` entries at `index` of the model. */
  add(index: number, count: number, key: number): void {
    const { tree, chain, model } = this
    let leaf: Ptr
    if (index > 0) {
      this.seek(index - 1)
      leaf = tree.insertAfter(chain, 1, key)
    } else {
      tree.seekFirst(chain)
      leaf = tree.insertBefore(chain, 1, key)
    }
    setNodeWord(this.arena, leaf, KEY_WORD, key)
    tree.addCount(chain, count)
    model.splice(index, 0, { leaf, count, key })
    equal(tree.base, this.baseOf(index))
    equal(tree.leaf, leaf)
  }

  /** Makes leaf `index` current. */
  seek(index: number): void {
    const base = this.baseOf(index)
    const within = this.random.below(this.model[index]!.count)
    equal(this.tree.seekRank(this.chain, base + within), this.model[index]!.leaf)
    equal(this.tree.base, base)
  }

  baseOf(index: number): number {
    let base = 0
    for (let i = 0; i < index; i++) base += this.model[i]!.count
    return base
  }

  /** Every leaf gets the order it has, for keys that are equal. */
  number(): void {
    for (const [i, { leaf }] of this.model.entries()) setNodeWord(this.arena, leaf, ORDER_WORD, i)
  }

  check(): void {
    this.tree.check(this.chain)
    const leaves: Ptr[] = []
    for (let leaf = this.chain.first; leaf !== NULL; leaf = this.tree.nextLeaf(leaf)) {
      leaves.push(leaf)
    }
    deepEqual(
      leaves,
      this.model.map(({ leaf }) => leaf),
    )
    equal(this.chain.count, this.baseOf(this.model.length))
  }

  release(): void {
    let more = true
    while (more) {
      const chain = { words: this.words, at: RootWord.Chain }
      more = releaseChain(this.collections, chain, 16, null)
    }
    this.collections.release(this.words[RootWord.Number]!)
    this.arena.check()
    equal(this.arena.datasetBytes, 0)
    equal(this.arena.pool.pagesUsed, 0)
  }
}

/** One random change or look. `bias` above 1/2 lets the chain grow. */
function step(bench: Bench, bias: number): void {
  const { random, model, tree, chain } = bench
  const index = random.below(model.length)
  const choice = random.float()
  if (model.length === 0 || choice < 0.6 * bias) {
    bench.add(random.below(model.length + 1), 1 + random.below(9), 0)
  } else if (choice < 0.6) {
    bench.seek(index)
    model.splice(index, 1)
    equal(tree.remove(chain), model[index]?.leaf ?? NULL)
    if (index < model.length) equal(tree.base, bench.baseOf(index))
  } else if (choice < 0.7) {
    bench.seek(index)
    const delta = random.below(5) - Math.min(model[index]!.count - 1, 2)
    tree.addCount(chain, delta)
    model[index]!.count += delta
  } else if (choice < 0.75) {
    bench.seek(index)
    const leaf = tree.replaceLeaf(chain, 1 + random.below(3))
    model[index] = { ...model[index]!, leaf }
  } else if (choice < 0.85) {
    bench.seek(index)
    equal(tree.moveNext(), model[index + 1]?.leaf ?? NULL)
    equal(tree.base, bench.baseOf(Math.min(index + 1, model.length - 1)))
  } else if (choice < 0.95) {
    bench.seek(index)
    equal(tree.movePrevious(), model[index - 1]?.leaf ?? NULL)
    equal(tree.base, bench.baseOf(Math.max(index - 1, 0)))
  } else {
    equal(tree.seekLast(chain), model.at(-1)!.leaf)
    equal(tree.base, bench.baseOf(model.length - 1))
    equal(tree.seekFirst(chain), model[0]!.leaf)
  }
}

test('a chain is a list of counted leaves', () => {
  for (const limit of [3, 12, 700]) {
    const bench = new Bench(SEED + limit, PAGES)
    for (let i = 0; i < 3000; i++) {
      const isLong = bench.model.length >= limit
      step(bench, isLong ? 0.1 : i % 1000 < 700 ? 0.9 : 0.2)
      if (i % 64 === 0) bench.check()
    }
    bench.check()
    bench.release()
  }
})

test('leaves at the ends and in the middle make an index of three levels', () => {
  for (const place of [0, 1, 0.5]) {
    const bench = new Bench(SEED, PAGES * 8)
    const { tree, chain } = bench
    const total = place === 0.5 ? 2000 : 70_000
    tree.seekFirst(chain)
    for (let i = 0; i < total; i++) {
      if (place === 0) {
        tree.seekFirst(chain)
        tree.insertBefore(chain, 1, 0)
      } else if (place === 1) {
        tree.seekLast(chain)
        tree.insertAfter(chain, 1, 0)
      } else {
        if (i > 0) tree.seekRank(chain, i >>> 1)
        tree.insertAfter(chain, 1, 0)
      }
      tree.addCount(chain, 1)
    }
    tree.check(chain)
    equal(chain.count, total)
    // Most of them go again, from the middle outwards, which joins and drops inner nodes.
    while (chain.leaves > 3) {
      if (tree.leaf === NULL || chain.leaves % 97 === 0) tree.seekRank(chain, chain.count >>> 1)
      tree.remove(chain)
      if (chain.leaves % 4096 === 0) tree.check(chain)
    }
    tree.check(chain)
    bench.release()
  }
})

test('a key is found among equal ones, and before all and behind all', () => {
  const bench = new Bench(SEED, PAGES)
  const { random, model, tree, chain } = bench
  for (let i = 0; i < 900; i++) {
    const key = random.below(40) * 2
    let index = model.findIndex((each) => each.key > key)
    if (index < 0) index = model.length
    bench.add(index, 1 + random.below(3), key)
  }
  bench.number()
  bench.check()
  for (let i = 0; i < 2000; i++) {
    const key = random.below(84) - 1
    bench.order = random.below(900)
    const expected = model.findLastIndex(
      (each, at) => each.key < key || (each.key === key && at <= bench.order),
    )
    const index = Math.max(expected, 0)
    equal(tree.seekKey(chain, key), model[index]!.leaf)
    equal(tree.base, bench.baseOf(index))
  }
  bench.release()
})

test('a full arena leaves a chain as it was', () => {
  let refused = 0
  for (let pages = 2; pages < 500; pages += 1 + (pages >>> 2)) {
    const bench = new Bench(SEED, PAGES)
    const { tree, chain, arena } = bench
    const ballast: Ptr[] = []
    for (let left = PAGES - 1 - pages; left > 0; left -= 4096) {
      ballast.push(arena.allocateTable(Math.min(left, 4096)))
    }
    for (;;) {
      try {
        bench.add(bench.random.below(bench.model.length + 1), 1, 0)
      } catch (error) {
        equal(error, ARENA_FULL)
        break
      }
    }
    refused++
    bench.check()
    if (chain.leaves > 0) {
      bench.seek(bench.random.below(bench.model.length))
      throws(() => tree.replaceLeaf(chain, 8), /arena/)
      bench.check()
    }
    for (const table of ballast) arena.freeTable(table)
    bench.release()
  }
  equal(refused > 15, true)
})
