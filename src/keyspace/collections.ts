// The large collections of a keyspace: values that lie in nodes of their own, not in their record.
// Each has a number; its nodes and the spans of its large elements carry it, and this table tells
// which record has the value. So a record moves (another deadline, another key, another database)
// without a change of any node.
//
// A scanner that meets a node out of turn asks for the record *at the cut*. Therefore the first
// move of a record during a cut keeps its old place in `recordAtCut`, under the cut's number. The
// order of writes (old place, cut's number, new place) and of reads (new place, cut's number)
// makes every interleaving true.
//
// The columns are lazily committed memory, as in page-table.ts: a row that was never used costs
// nothing. A number is given out again only when all nodes that carry it are free.
// Owner: the engine; the snapshot thread reads the shared columns through `FrozenCollections`.

import { assert } from '../base/assert.ts'
import { ARENA_FULL, type Arena } from '../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../memory/layout.ts'

/** The shared columns, as they travel to the snapshot thread. */
export interface SharedCollections {
  readonly record: SharedArrayBuffer
  readonly recordAtCut: SharedArrayBuffer
  readonly movedInCut: SharedArrayBuffer
  readonly nodes: SharedArrayBuffer
}

export class Collections {
  readonly arena: Arena
  readonly shared: SharedCollections
  readonly #record: Uint32Array
  readonly #recordAtCut: Uint32Array
  readonly #movedInCut: Uint32Array
  readonly #nodes: Uint32Array
  /** The space of the database that has the value. */
  readonly #space: Uint32Array
  /** Numbers that are free again; the link to the next one stands in `#space`. */
  #firstFree = 0
  #limit = 1
  #count = 0

  constructor(arena: Arena) {
    const { capacity } = arena.pages
    this.arena = arena
    this.shared = {
      record: new SharedArrayBuffer(capacity * 4),
      recordAtCut: new SharedArrayBuffer(capacity * 4),
      movedInCut: new SharedArrayBuffer(capacity * 4),
      nodes: new SharedArrayBuffer(capacity * 4),
    }
    this.#record = new Uint32Array(this.shared.record)
    this.#recordAtCut = new Uint32Array(this.shared.recordAtCut)
    this.#movedInCut = new Uint32Array(this.shared.movedInCut)
    this.#nodes = new Uint32Array(this.shared.nodes)
    this.#space = new Uint32Array(capacity)
  }

  /** Collections that exist, those included that are being freed. */
  get count(): number {
    return this.#count
  }

  /** One past the highest number in use. */
  get limit(): number {
    return this.#limit
  }

  /** A number for a collection that has no record yet. ARENA_FULL when all are taken. O(1). */
  allocate(): number {
    let number = this.#firstFree
    if (number !== 0) this.#firstFree = this.#space[number]!
    else {
      // A collection has at least one page, so there are never more of them than pages.
      if (this.#limit >= this.#record.length) throw ARENA_FULL
      number = this.#limit++
    }
    this.#count++
    this.#space[number] = 0
    this.#nodes[number] = 0
    return number
  }

  /** The collection's value is that of `record`, in a database of that space. O(1). */
  place(number: number, record: Ptr, space: number): void {
    assert(number > 0 && record !== NULL, 'a collection in place has a number and a record')
    this.#noteMove(number)
    Atomics.store(this.#record, number, record)
    this.#space[number] = space
  }

  /** No record has the value any more; its nodes are being freed. O(1). */
  displace(number: number): void {
    assert(number > 0 && number < this.#limit, 'a collection has a number')
    this.#noteMove(number)
    Atomics.store(this.#record, number, NULL)
    this.#space[number] = 0
  }

  /** Gives a number back, when no node carries it any more. O(1). */
  release(number: number): void {
    assert(this.#record[number] === NULL, 'what is released has no record')
    assert(this.#nodes[number] === 0, 'what is released has no nodes')
    this.#space[number] = this.#firstFree
    this.#firstFree = number
    this.#count--
  }

  /** The record that has the value; NULL: it is being made or freed. */
  recordOf(number: number): Ptr {
    return this.#record[number]!
  }

  /** The space of the database that has the value. */
  spaceOf(number: number): number {
    return this.#record[number] === NULL ? 0 : this.#space[number]!
  }

  /** Pages of the collection's nodes. */
  pagesOf(number: number): number {
    return this.#nodes[number]!
  }

  /** A node of the collection. ARENA_FULL, and nothing has changed. O(1). */
  allocateNode(number: number, pageCount: number): Ptr {
    const node = this.arena.allocateNode(number, pageCount)
    this.#nodes[number] = this.#nodes[number]! + pageCount
    return node
  }

  freeNode(node: Ptr): void {
    const number = this.numberOf(node)
    const pageCount = this.arena.nodePages(node)
    assert(this.#nodes[number]! >= pageCount, 'nodes are counted')
    this.#nodes[number] = this.#nodes[number]! - pageCount
    this.arena.freeNode(node)
  }

  /** The collection that the node belongs to. */
  numberOf(node: Ptr): number {
    return this.arena.u32[node >>> PTR_SEGMENT_SHIFT]![(node & PTR_SEGMENT_MASK) << 1]!
  }

  /** A span for an element too large for a node. O(pages). */
  allocateElement(number: number, bytes: number): Ptr {
    return this.arena.allocateElement(number, bytes)
  }

  /** Bytes of the collection's nodes. */
  bytesOf(number: number): number {
    return this.#nodes[number]! * PAGE_BYTES
  }

  #noteMove(number: number): void {
    const { arena } = this
    if (arena.guard === null || this.#movedInCut[number] === arena.cutNumber) return
    this.#recordAtCut[number] = this.#record[number]!
    Atomics.store(this.#movedInCut, number, arena.cutNumber)
  }
}

/** The table as it was at a cut; for the thread that scans. */
export class FrozenCollections {
  /** One past the highest number that the cut can have. */
  readonly limit: number
  readonly #record: Uint32Array
  readonly #recordAtCut: Uint32Array
  readonly #movedInCut: Uint32Array
  readonly #nodes: Uint32Array
  readonly #cutNumber: number

  constructor(shared: SharedCollections, cutNumber: number, limit: number) {
    this.limit = limit
    this.#record = new Uint32Array(shared.record)
    this.#recordAtCut = new Uint32Array(shared.recordAtCut)
    this.#movedInCut = new Uint32Array(shared.movedInCut)
    this.#nodes = new Uint32Array(shared.nodes)
    this.#cutNumber = cutNumber
  }

  /** The record that had the collection at the cut; NULL: it was being freed. */
  recordOf(number: number): Ptr {
    assert(number > 0 && number < this.#record.length, 'a collection has a number')
    const now = Atomics.load(this.#record, number)
    const isMoved = Atomics.load(this.#movedInCut, number) === this.#cutNumber
    return isMoved ? this.#recordAtCut[number]! : now
  }

  /** Pages of the collection's nodes, about: as of now. */
  pagesOf(number: number): number {
    return this.#nodes[number]!
  }
}
