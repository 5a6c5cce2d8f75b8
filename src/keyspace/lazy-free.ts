// Frees large collections in steps. Their keys are gone for everybody when they get here; what is
// left are nodes, which go some hundred at a time, so that no removal of a value stalls the engine
// however large it is. A small one is freed at once.
//
// Each type frees its own nodes by a `Releaser`, which works on a copy of the root and keeps in it
// how far it has come. Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Collections } from './collections.ts'
import type { Type } from './record.ts'
import { ROOT_WORDS, RootWord } from './root.ts'

/**
 * Frees up to about `limit` nodes and elements of the collection whose root stands in `root`, with
 * its index when no node is left, and notes in `root` what is left; true while something is.
 */
export type Releaser = (collections: Collections, root: Uint32Array, limit: number) => boolean

/** Pages up to which a collection is freed at once; some tens of µs. */
const AT_ONCE_PAGES = 64
/** Nodes of one step; about 0.1 ms. */
const STEP_NODES = 256

interface Condemned {
  readonly type: Type
  readonly root: Uint32Array
}

export class LazyFree {
  readonly #collections: Collections
  readonly #releasers: ReadonlyMap<Type, Releaser>
  #queue: Condemned[] = []
  #freed = 0

  constructor(collections: Collections, releasers: ReadonlyMap<Type, Releaser>) {
    this.#collections = collections
    this.#releasers = releasers
  }

  /** Collections whose memory is still to be freed. */
  get pending(): number {
    return this.#queue.length
  }

  /** Collections freed in steps since the start. */
  get freed(): number {
    return this.#freed
  }

  /** Takes over the collection whose root starts at `words[at]`; its record is about to go. */
  add(type: Type, words: Uint32Array, at: number): void {
    const root = words.slice(at, at + ROOT_WORDS)
    const number = root[RootWord.Number]!
    assert(number > 0, 'a root has the number of its collection')
    this.#collections.displace(number)
    if (this.#collections.pagesOf(number) <= AT_ONCE_PAGES) {
      const isDone = !this.#release(type, root, Infinity)
      assert(isDone, 'without a limit all is freed')
    } else this.#queue.push({ type, root })
  }

  /** Frees some nodes; true while there are more. */
  step(): boolean {
    const condemned = this.#queue[0]
    if (condemned === undefined) return false
    if (!this.#release(condemned.type, condemned.root, STEP_NODES)) {
      this.#queue.shift()
      this.#freed++
    }
    return this.#queue.length > 0
  }

  #release(type: Type, root: Uint32Array, limit: number): boolean {
    const releaser = this.#releasers.get(type)
    assert(releaser !== undefined, 'each type with nodes has a releaser')
    if (releaser(this.#collections, root, limit)) return true
    this.#collections.release(root[RootWord.Number]!)
    return false
  }
}
