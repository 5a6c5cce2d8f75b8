// Empties sparse slabs of records, so that their pages can be used again. A pass over the page
// table, in steps:
//
//   count     for each list of slabs (a space and a size class): how many slabs hold how many cells
//   condemn   the emptiest slabs of a list, as many as the free cells of its other slabs can take
//             in; a condemned slab is on no list, so nothing new is put into it
//   evacuate  moves the cells of one condemned slab after the other; the last one frees its run
//
// So every cell moves once at most, into the fullest slabs, and what clients allocate meanwhile
// fills the slabs that stay. Who knows what a cell means and all that points to it moves it
// (`Mover`). Nodes, spans and tables are whole pages: they need no compaction, only PageReturn.
// While a cut is open only slabs that it has read, or preserved for somebody else's sake, are
// condemned: to move others would take reserve.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Arena } from './arena.ts'
import { PageKind } from './layout.ts'
import { CELLS_MAX, CLASS_CELL_COUNT, CLASS_COUNT } from './size-class.ts'

/** Moves cells out of a slab. */
export interface Mover {
  /** Whether the records of a space can be moved: it is a database's present content. */
  isMovable(space: number): boolean
  /**
   * Moves every cell of the slab elsewhere, which frees it; how many it moved. Those that it cannot
   * move stay. Throws ARENA_FULL when there is no room, having left the cell in its place.
   */
  evacuate(head: number): number
}

const Stage = { Idle: 0, Count: 1, Condemn: 2, Evacuate: 3 } as const
type Stage = (typeof Stage)[keyof typeof Stage]

/** Pages looked at in one step; some tens of µs. */
const LOOK_PAGES = 8192
const QUEUE_MIN = 1024

/** The slabs of one space and class, and which of them go. */
interface Plan {
  /** By live cells: slabs that have free cells too. */
  readonly slabs: Uint32Array
  /** Slabs with up to so many cells go. */
  threshold: number
  /** So many slabs with one cell more go, too. */
  quota: number
}

export class Compaction {
  /** Cells that were moved, and slabs that were emptied by it, since the start. */
  movedCells = 0
  freedSlabs = 0
  /** Cells that stayed in slabs that were to be emptied, since the start. */
  missedCells = 0
  readonly #arena: Arena
  readonly #mover: Mover
  readonly #plans = new Map<number, Plan>()
  #stage: Stage = Stage.Idle
  #fillMax = 1
  /** The next page to look at. */
  #page = 0
  #queue = new Uint32Array(QUEUE_MIN)
  #queued = 0
  #next = 0

  constructor(arena: Arena, mover: Mover) {
    this.#arena = arena
    this.#mover = mover
  }

  get isRunning(): boolean {
    return this.#stage !== Stage.Idle
  }

  /** Begins a pass. Slabs filled to more than `fillMax` (0 to 1) are left alone. */
  begin(fillMax: number): void {
    assert(!this.isRunning, 'one pass at a time')
    assert(fillMax > 0 && fillMax <= 1, 'a fill is a share')
    this.#fillMax = fillMax
    this.#plans.clear()
    this.#queued = 0
    this.#next = 0
    this.#page = 0
    this.#stage = Stage.Count
  }

  /** One step, at most one slab's cells: some tens of µs. False: the pass is over. */
  step(): boolean {
    if (this.#stage === Stage.Count) this.#count()
    else if (this.#stage === Stage.Condemn) this.#condemn()
    else if (this.#stage === Stage.Evacuate) this.#evacuate()
    return this.isRunning
  }

  /** Ends the pass; slabs that were to go stay. O(slabs that are left). */
  stop(): void {
    const { condemned } = this.#arena.pages
    for (let i = this.#next; i < this.#queued; i++) {
      const head = this.#queue[i]!
      if (condemned[head] === 1) this.#arena.pardon(head)
    }
    this.#queued = 0
    this.#next = 0
    this.#stage = Stage.Idle
    this.#plans.clear()
    if (this.#queue.length > QUEUE_MIN) this.#queue = new Uint32Array(QUEUE_MIN)
  }

  #count(): void {
    const { live, sizeClass, space } = this.#arena.pages
    const limit = this.#lookLimit()
    for (let page = this.#page; page < limit; page++) {
      if (!this.#isSparse(page)) continue
      const list = space[page]! * CLASS_COUNT + sizeClass[page]!
      let plan = this.#plans.get(list)
      if (plan === undefined) {
        plan = { slabs: new Uint32Array(CELLS_MAX + 1), threshold: 0, quota: 0 }
        this.#plans.set(list, plan)
      }
      plan.slabs[live[page]!]!++
    }
    this.#page = limit
    if (limit < this.#arena.pool.pageLimit) return
    for (const [list, plan] of this.#plans) choose(plan, list % CLASS_COUNT, this.#fillMax)
    this.#page = 0
    this.#stage = Stage.Condemn
  }

  #condemn(): void {
    const { live, sizeClass, space, condemned } = this.#arena.pages
    const limit = this.#lookLimit()
    for (let page = this.#page; page < limit; page++) {
      if (!this.#isSparse(page) || condemned[page] === 1) continue
      const plan = this.#plans.get(space[page]! * CLASS_COUNT + sizeClass[page]!)
      if (plan === undefined || live[page]! > plan.threshold + 1) continue
      if (live[page]! > plan.threshold && plan.quota-- <= 0) continue
      this.#arena.condemn(page)
      this.#enqueue(page)
    }
    this.#page = limit
    if (limit < this.#arena.pool.pageLimit) return
    if (this.#queued === 0) this.stop()
    else this.#stage = Stage.Evacuate
  }

  #evacuate(): void {
    const { pages } = this.#arena
    const { condemned } = pages
    while (this.#next < this.#queued) {
      const head = this.#queue[this.#next]!
      // Clients may have emptied it, and its pages may be something else by now.
      if (condemned[head] === 0) {
        this.#next++
        continue
      }
      // A cut that was opened since has not read it yet: it stays.
      if (this.#arena.isWritable(head)) this.movedCells += this.#mover.evacuate(head)
      this.#next++
      if (condemned[head] === 0) this.freedSlabs++
      else {
        this.missedCells += pages.live[head]!
        this.#arena.pardon(head)
      }
      break
    }
    if (this.#next >= this.#queued) this.stop()
  }

  /** Whether a slab starts here that has cells to move, and may be moved from. */
  #isSparse(page: number): boolean {
    const { pages } = this.#arena
    if (pages.kind[page] !== PageKind.Record) return false
    const count = pages.live[page]!
    if (count === 0 || count >= CLASS_CELL_COUNT[pages.sizeClass[page]!]!) return false
    return this.#arena.isWritable(page) && this.#mover.isMovable(pages.space[page]!)
  }

  #lookLimit(): number {
    return Math.min(this.#page + LOOK_PAGES, this.#arena.pool.pageLimit)
  }

  #enqueue(head: number): void {
    if (this.#queued === this.#queue.length) {
      const grown = new Uint32Array(this.#queue.length * 2)
      grown.set(this.#queue)
      this.#queue = grown
    }
    this.#queue[this.#queued++] = head
  }
}

/** Picks the emptiest slabs whose cells fit into the free cells of the others. */
function choose(plan: Plan, sizeClass: number, fillMax: number): void {
  const cells = CLASS_CELL_COUNT[sizeClass]!
  const { slabs } = plan
  let free = 0
  for (let count = 1; count < cells; count++) free += slabs[count]! * (cells - count)
  let moving = 0
  const limit = Math.min(cells - 1, Math.floor(cells * fillMax))
  for (let count = 1; count <= limit; count++) {
    const slabCount = slabs[count]!
    const freeAfter = free - slabCount * (cells - count)
    const movingAfter = moving + slabCount * count
    if (movingAfter > freeAfter) {
      // Each slab of this kind that goes takes `cells - count` free cells and wants `count` more.
      plan.quota = Math.floor((free - moving) / cells)
      return
    }
    plan.threshold = count
    free = freeAfter
    moving = movingAfter
  }
}
