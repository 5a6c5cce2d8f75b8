// Frees large collections in steps. Their keys are gone for everybody when they get here; what is
// left are nodes, which go some hundred at a time, so that no removal of a value stalls the engine
// however large it is. A small one is freed at once.
//
// What of it waits depends on who removes. Who asks for lazy free (UNLINK, the settings
// `lazyfree-lazy-…`) leaves behind what Redis would: values of more than 64 elements. All others
// expect the memory to be free when their command is over: they free at once as much as takes half
// a millisecond in ten, and leave only the rest. While a cut is open, which may need the pages,
// they free no more at once than a small value has.
//
// Each type frees its own nodes by a `Releaser`, which works on a copy of the root and keeps in it
// how far it has come. Owner: the engine.

import { assert } from '../base/assert.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import type { Collections } from './collections.ts'
import { Type } from './record.ts'
import { ChainWord, ROOT_WORDS, RootWord } from './root.ts'

/**
 * Frees up to about `limit` nodes and elements of the collection whose root stands in `root`, with
 * its index when no node is left, and notes in `root` what is left; true while something is.
 */
export type Releaser = (collections: Collections, root: Uint32Array, limit: number) => boolean

/** Pages up to which a collection is freed at once; some tens of µs. */
const AT_ONCE_PAGES = 64
/** Elements (of a list: leaves) up to which it is not worth waiting, as in Redis. */
const LAZY_EFFORT = 64
/** Small values that wait at most: beyond that they would come faster than they are freed. */
const SMALL_PENDING_MAX = 1024
/** Nodes of one step; about 0.1 ms. */
const STEP_NODES = 256
/** Nodes freed at once for those who are not lazy, in each span of time; up to 0.6 ms of 10. */
const EAGER_NODES = 1024
const EAGER_INTERVAL_MS = 10

interface Condemned {
  readonly type: Type
  readonly root: Uint32Array
  /** Whether it counts among those freed. */
  readonly isCounted: boolean
}

export class LazyFree {
  /** `lazyfree-lazy-expire`: keys whose deadline has passed are removed lazily. */
  isExpiryLazy = false
  /** Collections freed in steps since the start, or since the count was set to 0. */
  freed = 0
  readonly #collections: Collections
  readonly #releasers: ReadonlyMap<Type, Releaser>
  #queue: Condemned[] = []
  /** `lazyfree-lazy-server-del`, unless somebody else has entered. */
  #isLazy = false
  #eagerNodes = EAGER_NODES
  #eagerSinceMs = 0

  constructor(collections: Collections, releasers: ReadonlyMap<Type, Releaser>) {
    this.#collections = collections
    this.#releasers = releasers
  }

  /** Collections whose memory is still to be freed. */
  get pending(): number {
    return this.#queue.length
  }

  /** Sets the time, which what is freed at once is limited by. */
  advance(nowMs: number): void {
    if (nowMs - this.#eagerSinceMs < EAGER_INTERVAL_MS && nowMs >= this.#eagerSinceMs) return
    this.#eagerSinceMs = nowMs
    this.#eagerNodes = EAGER_NODES
  }

  /** From now on values are removed by somebody who `isLazy`, or is not; returns what was. */
  enter(isLazy: boolean): boolean {
    const wasLazy = this.#isLazy
    this.#isLazy = isLazy
    return wasLazy
  }

  /** Takes over the collection whose root starts at `words[at]`; its record is about to go. */
  add(type: Type, words: Uint32Array, at: number): void {
    const root = this.#takeOver(words, at)
    const isLeft = this.#isLazy ? this.#canWait(type, root) : this.#freeNow(type, root)
    if (isLeft) this.#queue.push({ type, root, isCounted: true })
    else if (this.#isLazy) this.#freeAll(type, root)
  }

  /** `add` for a collection of a flushed database, whose keys are counted there. */
  addFlushed(type: Type, words: Uint32Array, at: number): void {
    const root = this.#takeOver(words, at)
    if (this.#isSmall(root)) this.#freeAll(type, root)
    else this.#queue.push({ type, root, isCounted: false })
  }

  /** Frees some nodes; true while there are more. */
  step(): boolean {
    let left = STEP_NODES
    for (let first = this.#queue[0]; first !== undefined && left > 0; first = this.#queue[0]) {
      const pages = this.#pagesOf(first.root)
      if (this.#release(first.type, first.root, left)) break
      // A small value leaves room for others in the same step.
      left -= Math.max(1, pages)
      this.#queue.shift()
      if (first.isCounted) this.freed++
    }
    return this.#queue.length > 0
  }

  #takeOver(words: Uint32Array, at: number): Uint32Array {
    const root = words.slice(at, at + ROOT_WORDS)
    const number = root[RootWord.Number]!
    assert(number > 0, 'a root has the number of its collection')
    this.#collections.displace(number)
    return root
  }

  #isSmall(root: Uint32Array): boolean {
    return this.#pagesOf(root) <= AT_ONCE_PAGES
  }

  /** Pages of nodes and of large elements. */
  #pagesOf(root: Uint32Array): number {
    const number = root[RootWord.Number]!
    const elementBytes = this.#collections.arena.elementBytesOf(number)
    return this.#collections.pagesOf(number) + elementBytes / PAGE_BYTES
  }

  /** Whether somebody who is lazy leaves the value to the steps. */
  #canWait(type: Type, root: Uint32Array): boolean {
    if (!this.#isSmall(root)) return true
    const word = type === Type.List ? ChainWord.Leaves : ChainWord.Count
    const isEffort = root[RootWord.Chain + word]! > LAZY_EFFORT
    return isEffort && this.#queue.length < SMALL_PENDING_MAX
  }

  /** Frees the value for somebody who is not lazy; true: some of it is left to the steps. */
  #freeNow(type: Type, root: Uint32Array): boolean {
    if (this.#isSmall(root)) {
      this.#freeAll(type, root)
      return false
    }
    const limit = this.#collections.arena.guard === null ? this.#eagerNodes : AT_ONCE_PAGES
    if (limit === 0) return true
    const pages = this.#pagesOf(root)
    const isLeft = this.#release(type, root, limit)
    this.#eagerNodes -= Math.min(this.#eagerNodes, isLeft ? limit : pages)
    return isLeft
  }

  #freeAll(type: Type, root: Uint32Array): void {
    const isLeft = this.#release(type, root, Number.POSITIVE_INFINITY)
    assert(!isLeft, 'without a limit all is freed')
  }

  #release(type: Type, root: Uint32Array, limit: number): boolean {
    const releaser = this.#releasers.get(type)
    assert(releaser !== undefined, 'each type with nodes has a releaser')
    if (releaser(this.#collections, root, limit)) return true
    this.#collections.release(root[RootWord.Number]!)
    return false
  }
}
