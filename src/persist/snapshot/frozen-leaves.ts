// Follows a chain of leaves of a cut, each taken once, into a private copy.
//
// Where the order does not matter (sets, hashes) leaves that the engine waits for, or that fill
// the reserve, come first; a leaf taken out of turn leaves its link behind, so that the walk along
// the chain passes over it. Pages of the early ring that belong to others are kept for the scanner.
// Owner: the thread that scans.

import { assert } from '../../base/assert.ts'
import { LeafWord } from '../../keyspace/root.ts'
import type { FrozenPages } from '../../memory/frozen-pages.ts'
import { NULL, PAGE_BYTES, type Ptr, ptrOfPage } from '../../memory/layout.ts'
import type { LeafReader } from '../rdb/value-view.ts'

/** Pages of the early ring that are looked at for one leaf. */
const EARLY_LOOKS = 8

/** What a reader shares with the scanner it works for. */
export interface FrozenLeavesOptions {
  readonly frozen: FrozenPages
  /** Where leaves are copied to. */
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** First byte of the place for a leaf, of RUN_PAGES_MAX pages; 8-byte aligned. */
  readonly region: number
  /** Takes a page that shall be taken early, but is none of this chain. */
  readonly defer: (page: number) => void
  /** Hears of the pages that were taken. */
  readonly onTaken: (pageCount: number) => void
}

export class FrozenLeaves implements LeafReader {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  readonly start: number
  length = 0
  readonly #options: FrozenLeavesOptions
  readonly #frozen: FrozenPages
  /** The leaf that the walk along the chain comes to next. */
  #next: Ptr = NULL
  #isOrdered = true
  /** The collection that is read. */
  #number = 0
  /** By leaf taken out of turn: the one behind it. */
  readonly #links = new Map<Ptr, Ptr>()

  constructor(options: FrozenLeavesOptions) {
    this.#options = options
    this.#frozen = options.frozen
    this.bytes = options.bytes
    this.words = options.words
    this.start = options.region
  }

  open(first: Ptr, options: { readonly isOrdered: boolean }): void {
    this.#next = first
    this.#isOrdered = options.isOrdered
    this.#links.clear()
    this.#number = first === NULL ? 0 : this.#frozen.headWord(this.#frozen.pageOf(first), 0)
  }

  next(): boolean {
    if (!this.#isOrdered && this.#takeEarly()) return true
    while (this.#next !== NULL) {
      const leaf = this.#next
      const link = this.#links.get(leaf)
      if (link === undefined) {
        const isTaken = this.#take(this.#frozen.pageOf(leaf))
        assert(isTaken, 'a leaf of the chain is taken once')
        this.#next = this.#link()
        return true
      }
      this.#links.delete(leaf)
      this.#next = link
    }
    return false
  }

  /** Takes a leaf of this chain that the engine would like to be rid of; false: there is none. */
  #takeEarly(): boolean {
    const urgent = this.#frozen.urgentPage()
    if (urgent >= 0 && this.#takeOwn(urgent)) return true
    for (let turn = 0; turn < EARLY_LOOKS; turn++) {
      const page = this.#frozen.nextEarly()
      if (page < 0) return false
      if (this.#takeOwn(page)) return true
      this.#options.defer(page)
    }
    return false
  }

  #takeOwn(page: number): boolean {
    const frozen = this.#frozen
    if (!frozen.isNodePage(page)) return false
    const head = frozen.headOf(page)
    if (!frozen.isOpen(head) || frozen.headWord(head, 0) !== this.#number) return false
    if (!this.#take(head)) return false
    if (ptrOfPage(head) === this.#next) this.#next = this.#link()
    else this.#links.set(ptrOfPage(head), this.#link())
    return true
  }

  #take(head: number): boolean {
    const pageCount = this.#frozen.takeNode(head, this.bytes, this.start)
    if (pageCount === 0) return false
    this.length = pageCount * PAGE_BYTES
    this.#options.onTaken(pageCount)
    return true
  }

  #link(): Ptr {
    return this.words[this.start / 4 + LeafWord.Next]!
  }
}
