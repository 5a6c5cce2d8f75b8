// The engine's side of a cut: what `touch` and freeing do while a snapshot reads the arena.
// DESIGN §5 is the contract; cut-control.ts draws the states.
//
//  - touch of an unread page copies its run into free reserve slots (about 1 µs a page) and tells
//    the scanner, which empties preserved copies before it takes unread pages
//  - a freed run that the scanner has not read is *held*: not copied, kept from reuse until read.
//    Held runs that are left when a cut closes are freed in slices (`freeHeld`)
//
// What is bounded, and counted together (`usedPages` of `boundPages`): slots in use, encoded output
// that nobody has taken yet, and pages by which the arena grew because freed ones are held. Writers
// are delayed before they start so that use stays below the bound (server/write-delay.ts). A single
// command that takes more goes on into slots for *overdrafts*, counted. When those are full too the
// engine sleeps until the scanner has emptied some tens of slots (waking for each one costs more
// than the page); when that takes long, it names the page it wants (`Urgent`). It never fails.
//
// The reserve's slots are used last in, first out, so that only the peak of their use is resident,
// and that until the cut has closed: then its memory goes back to the system (`freeHeld`).
// Invariant: slots on the stack + in the freed ring + in use = slots of the cut.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { copySlice, Slice } from '../base/slice.ts'
import type { Arena, Guard } from './arena.ts'
import {
  CONTROL_WORDS,
  Control,
  earlyRingSize,
  freedRingSize,
  Phase,
  type SharedCut,
  StateBits,
} from './cut-control.ts'
import { PAGE_BYTES, PAGE_SEGMENT_MASK, PAGE_SEGMENT_SHIFT, PageKind } from './layout.ts'
import { PageChecker } from './page-checker.ts'
import { ALIGNING_BYTES } from './segments.ts'

/** Looks at a page that the scanner is copying before the engine sleeps between two looks. */
const SPIN_LIMIT = 200
const BUSY_SLEEP_MS = 0.05
const SLEEP_MS = 1
/** Slots to wait for before the writer goes on. */
const BATCH_SLOTS = 64
/** Time without a batch after which the writer asks for its page. */
const BATCH_WAIT_US = 2000
/** Slots for overdrafts: a share of the reserve, at least so many. */
const OVERDRAFT_SHARE = 0.25
const OVERDRAFT_SLOTS_MIN = 8
/** Pages of the smallest reserve: one run of cells. */
export const BOUND_MIN = 8
/** Share of the bound from which pages are spilled that cannot be encoded soon. */
const SPILL_SHARE = 0.25
/** Held runs looked at for each allocation, and in each call of `reclaim`. */
const RECLAIM_FEW = 8
const RECLAIM_MANY = 4096
/** Reserve slots given back to the system in one step. */
const RELEASE_SLOTS = 256
const NO_PAGE = 0xffffffff

/** Counters of the cut that is open or was last. */
export interface CutFigures {
  preservedRuns: number
  preservedPages: number
  slotsPeak: number
  heldPages: number
  heldPagesPeak: number
  /** Most pages in use at a time, of all that is counted. */
  usedPeak: number
  waits: number
  waitUs: number
  waitUsMax: number
  /** Pages taken beyond the bound. */
  overdraftPages: number
}

export interface CutOptions {
  /** Times the waits. */
  readonly monotonicUs: () => number
  /** Lets the scanner go on when it has no thread of its own; null: it has one. */
  readonly relieve: (() => void) | null
  /** Bytes of encoded output that wait to be taken; they count as use. */
  readonly queuedBytes?: () => number
  /** Hears of each wait of the engine, in µs. */
  readonly onWait?: (durationUs: number) => void
}

export class Cut implements Guard {
  readonly shared: SharedCut
  readonly figures: CutFigures = emptyFigures()
  /** How the engine helps itself when no slot is free; null: it sleeps until the thread has. */
  relieve: (() => void) | null
  readonly #arena: Arena
  readonly #monotonicUs: () => number
  readonly #queuedBytes: () => number
  readonly #onWait: ((durationUs: number) => void) | null
  readonly #reservePages: number
  readonly #control: Int32Array
  readonly #reserve: Uint8Array
  readonly #early: Int32Array
  readonly #freed: Int32Array
  readonly #stack: Int32Array
  /** All slots, the lowest last: how the stack begins. */
  readonly #order: Int32Array
  #stackLength = 0
  #boundPages: number
  /** Slots of this cut. */
  #slotCount = 0
  /** Held runs stand in a queue, linked by the page table's `next`. */
  #heldFirst = NO_PAGE
  #heldLast = NO_PAGE
  #heldRuns = 0
  /** Slots that may be in memory: those below this one. */
  #slotsResident = 0
  #pagesAtCut = 0
  #charged = 0
  #checker: PageChecker | null = null
  readonly #page = new Slice()

  /** A closed cut with a reserve of up to `boundPages` pages, and slots for overdrafts. */
  constructor(arena: Arena, boundPages: number, options: CutOptions) {
    assert(boundPages >= BOUND_MIN, 'the reserve holds at least one run of cells')
    const slotCount = boundPages + overdraftOf(boundPages)
    this.#arena = arena
    this.#monotonicUs = options.monotonicUs
    this.relieve = options.relieve
    this.#queuedBytes = options.queuedBytes ?? nothingQueued
    this.#onWait = options.onWait ?? null
    this.#reservePages = boundPages
    this.#boundPages = boundPages
    this.shared = {
      control: new SharedArrayBuffer(CONTROL_WORDS * 4),
      reserve: new SharedArrayBuffer(slotCount * PAGE_BYTES),
      early: new SharedArrayBuffer(earlyRingSize(slotCount) * 4),
      freed: new SharedArrayBuffer(freedRingSize(slotCount) * 4),
      slotCount,
    }
    this.#control = new Int32Array(this.shared.control)
    this.#reserve = new Uint8Array(this.shared.reserve)
    this.#early = new Int32Array(this.shared.early)
    this.#freed = new Int32Array(this.shared.freed)
    this.#stack = new Int32Array(slotCount)
    this.#order = new Int32Array(slotCount)
    for (let i = 0; i < slotCount; i++) this.#order[i] = slotCount - 1 - i
  }

  /** Bytes of the reserve and the rings. */
  get bufferBytes(): number {
    return this.#reserve.byteLength + this.#early.byteLength + this.#freed.byteLength
  }

  get isOpen(): boolean {
    return this.#arena.guard === this
  }

  /** Pages of the largest bound. */
  get reservePages(): number {
    return this.#reservePages
  }

  /** True once the scanner will touch no page any more. */
  get hasEnded(): boolean {
    return Atomics.load(this.#control, Control.Phase) === Phase.Ended
  }

  /** Reserve slots that hold copies now. */
  get slotsUsed(): number {
    return (
      (this.#control[Control.SlotsTaken]! - Atomics.load(this.#control, Control.FreedWrite)) | 0
    )
  }

  /** What is bounded of this cut, in pages: copies, waiting output, growth forced by held pages. */
  get usedPages(): number {
    const queued = Math.ceil(this.#queuedBytes() / PAGE_BYTES)
    return this.slotsUsed + queued + this.#forcedPages
  }

  /** What `usedPages` stays below, but for overdrafts of single commands. */
  get boundPages(): number {
    return this.#boundPages
  }

  /** Pages taken of the bound since the cut opened; never falls while it is open. */
  get chargedPages(): number {
    return this.#charged
  }

  /**
   * Freezes the arena as it is now, with a bound of `boundPages` (as many as the reserve has, if
   * missing). O(1), but for checking mode, which reads every page.
   */
  open(options: { readonly isChecking: boolean; readonly boundPages?: number }): void {
    assert(this.#arena.guard === null, 'one cut at a time')
    Object.assign(this.figures, emptyFigures())
    this.#reclaim(this.#heldRuns)
    const { boundPages = this.#reservePages } = options
    this.#boundPages = Math.max(BOUND_MIN, Math.min(boundPages, this.#reservePages))
    this.#slotCount = this.#boundPages + overdraftOf(this.#boundPages)
    this.#stackLength = this.#slotCount
    this.#stack.set(this.#order.subarray(this.#order.length - this.#stackLength))
    this.#pagesAtCut = this.#arena.pool.pagesUsed
    this.#charged = 0
    this.#control.fill(0)
    this.#arena.doneState = (this.#arena.doneState + 4) & 0xff
    this.#arena.cutNumber++
    this.#control[Control.Done] = this.#arena.doneState
    this.#control[Control.Checking] = options.isChecking ? 1 : 0
    this.#control[Control.SpillAt] = Math.floor(this.#boundPages * SPILL_SHARE)
    this.#checker = options.isChecking ? new PageChecker(this.#arena) : null
    this.#arena.setGuard(this)
    Atomics.store(this.#control, Control.Phase, Phase.Scanning)
  }

  /** Asks the scanner to stop; the cut closes when it has. */
  abort(): void {
    Atomics.compareExchange(this.#control, Control.Phase, Phase.Scanning, Phase.Aborting)
  }

  /** Lowers the bound of the open cut. */
  lowerBound(boundPages: number): void {
    this.#boundPages = Math.max(BOUND_MIN, Math.min(boundPages, this.#boundPages))
    this.#control[Control.SpillAt] = Math.floor(this.#boundPages * SPILL_SHARE)
  }

  /**
   * After `abort`: takes the cut from a scanner that is inside of a sink, and so touches no page,
   * and will not after it. False: it is not there.
   */
  wrest(): boolean {
    if (this.hasEnded) return true
    if (Atomics.load(this.#control, Control.InSink) === 0) return false
    this.endScan()
    return true
  }

  /** The scan is over, for whoever had it: no page is taken any more. */
  endScan(): void {
    Atomics.store(this.#control, Control.Phase, Phase.Ended)
  }

  /** Asks the thread that scans to leave the scan to the engine, between two keys. */
  askForHandover(): void {
    Atomics.store(this.#control, Control.Handover, 1)
  }

  /** The scan has changed hands, or is not to any more. */
  endHandover(): void {
    Atomics.store(this.#control, Control.Handover, 0)
  }

  /**
   * Ends the cut after the scanner has: frees held pages, and all pages take writes again.
   * In checking mode asserts that no byte of a page changed that was never touched.
   */
  close(options: { readonly isComplete: boolean }): void {
    assert(this.isOpen && this.hasEnded, 'a cut closes once, after its scanner')
    const { kind, state } = this.#arena.pages
    const done = this.#arena.doneState
    if (this.#checker && options.isComplete) {
      this.#checker.verify((page) => state[page] === (done | StateBits.Read))
      for (let page = 1; page < this.#arena.pool.pageLimit; page++) {
        const isScanned =
          kind[page] === PageKind.Record ||
          kind[page] === PageKind.Span ||
          kind[page] === PageKind.Node
        const isSettled = state[page] === done || state[page] === (done | StateBits.Read)
        assert(!isScanned || isSettled, 'the scanner has settled every page')
      }
      assert(this.slotsUsed === 0, 'a whole scan leaves no copy behind')
    }
    this.#checker = null
    state.fill(done, 0, this.#arena.pool.pageLimit)
    this.#arena.setGuard(null)
    this.#control[Control.Phase] = Phase.Idle
    this.#reclaim(RECLAIM_MANY)
  }

  /** Runs that are held: of the open cut, or left over from the last one. */
  get heldRuns(): number {
    return this.#heldRuns
  }

  /** Frees held runs that the scanner has read since. Looks at a bounded number of them. */
  reclaim(): void {
    this.#reclaim(RECLAIM_MANY)
    this.#control[Control.Forced] = this.#forcedPages
  }

  /**
   * Frees up to `limit` runs that a closed cut has left behind, then some memory of its reserve;
   * true while there is more.
   */
  freeHeld(limit: number): boolean {
    assert(!this.isOpen, 'a closed cut needs no page')
    if (this.#heldRuns > 0) this.#reclaim(Math.min(limit, this.#heldRuns))
    else if (this.#slotsResident > 0) this.#releaseSlots()
    return this.#heldRuns > 0 || this.#slotsResident > 0
  }

  /** Gives the memory of the highest slots that were used back to the system; about 0.05 ms. */
  #releaseSlots(): void {
    const release = this.#arena.releaseBytes
    const first = Math.max(0, this.#slotsResident - RELEASE_SLOTS)
    // Pages of the system begin so far into the buffer; the rest of a slot stays.
    const start = ALIGNING_BYTES + first * PAGE_BYTES
    const end = Math.min(start + RELEASE_SLOTS * PAGE_BYTES, this.#reserve.length)
    const whole = Math.floor((end - start) / PAGE_BYTES) * PAGE_BYTES
    const isDone = whole <= 0 || release?.(this.#reserve.subarray(start, start + whole))
    this.#slotsResident = isDone === true ? first : 0
  }

  #reclaim(limit: number): void {
    const { next, run } = this.#arena.pages
    for (let i = Math.min(limit, this.#heldRuns); i > 0; i--) {
      const page = this.#heldFirst
      this.#heldFirst = next[page]!
      if (this.#heldFirst === NO_PAGE) this.#heldLast = NO_PAGE
      this.#heldRuns--
      if (this.#isSettled(page)) {
        const pageCount = run[page]!
        this.figures.heldPages -= pageCount
        this.#arena.freeRun(page, pageCount)
      } else this.#enqueue(page)
    }
  }

  /** Puts a run at the end of the held ones. */
  #enqueue(page: number): void {
    const { next } = this.#arena.pages
    next[page] = NO_PAGE
    if (this.#heldLast === NO_PAGE) this.#heldFirst = page
    else next[this.#heldLast] = page
    this.#heldLast = page
    this.#heldRuns++
  }

  touch(page: number): void {
    const { state, run, kind } = this.#arena.pages
    const isSpan = kind[page] === PageKind.Span || kind[page] === PageKind.SpanBody
    const head = isSpan ? page : this.#arena.pages.headOf(page)
    const pageCount = isSpan ? 1 : run[head]!
    const done = this.#arena.doneState
    for (let turn = 0; ; turn++) {
      const found = Atomics.load(state, head)
      if (found === done || found === (done | StateBits.Preserved)) return
      if (found === (done | StateBits.Read) || this.hasEnded) {
        state.fill(done, head, head + pageCount)
        return
      }
      if (found === (done | StateBits.Busy)) {
        if (turn > SPIN_LIMIT) Atomics.wait(this.#control, Control.Sleeping, 0, BUSY_SLEEP_MS)
        continue
      }
      if (!this.#hasSlots(pageCount)) this.#waitFor(head, pageCount)
      else if (Atomics.compareExchange(state, head, found, done | StateBits.Busy) === found) {
        this.#preserve(head, pageCount)
        return
      }
    }
  }

  isWritable(page: number): boolean {
    const found = Atomics.load(this.#arena.pages.state, page)
    const done = this.#arena.doneState
    return found === (done | StateBits.Preserved) || found === (done | StateBits.Read)
  }

  hold(page: number, pageCount: number): boolean {
    this.#arena.pages.prev[page] = 0
    if (this.hasEnded || this.#isSettled(page)) return false
    this.#enqueue(page)
    this.figures.heldPages += pageCount
    this.figures.heldPagesPeak = Math.max(this.figures.heldPagesPeak, this.figures.heldPages)
    this.#pushEarly(page)
    return true
  }

  admit(pageCount: number): void {
    if (this.#heldRuns > 0) this.#reclaim(RECLAIM_FEW)
    if (this.#heldRuns === 0) return
    this.#charged += pageCount
    this.#control[Control.Forced] = this.#forcedPages
    this.#noteUse(pageCount)
  }

  /** Pages of the arena that would not be needed if held ones could be used again. */
  get #forcedPages(): number {
    const growth = this.#arena.pool.pagesUsed - this.#pagesAtCut
    return Math.max(0, Math.min(this.figures.heldPages, growth))
  }

  #isSpan(page: number): boolean {
    return this.#arena.pages.kind[page] === PageKind.Span
  }

  /**
   * Whether the scanner needs no page of the run any more. Of a span the page table's `prev` says
   * how many pages were settled at the last look.
   */
  #isSettled(page: number): boolean {
    const { state, run, prev } = this.#arena.pages
    const done = this.#arena.doneState
    // Other runs have one state, that of their first page.
    const stateCount = this.#isSpan(page) ? run[page]! : 1
    for (let i = prev[page]!; i < stateCount; i++) {
      const now = Atomics.load(state, page + i)
      if (now === done || now === (done | StateBits.Read)) continue
      prev[page] = i
      return false
    }
    return true
  }

  #hasSlots(count: number): boolean {
    if (this.#stackLength >= count) return true
    this.#drainFreed()
    return this.#stackLength >= count
  }

  #drainFreed(): void {
    const mask = this.#freed.length - 1
    const limit = Atomics.load(this.#control, Control.FreedWrite)
    let at = this.#control[Control.FreedRead]!
    while (at !== limit) {
      this.#stack[this.#stackLength++] = this.#freed[at & mask]!
      at = (at + 1) | 0
    }
    Atomics.store(this.#control, Control.FreedRead, at)
  }

  /** Copies a run that this side has marked Busy. */
  #preserve(head: number, pageCount: number): void {
    const { state, slot } = this.#arena.pages
    this.#drainFreed()
    assert(this.#stackLength >= pageCount, 'slots were made sure of')
    const bytes = this.#arena.u8[head >>> PAGE_SEGMENT_SHIFT]!
    for (let i = 0; i < pageCount; i++) {
      const free = this.#stack[--this.#stackLength]!
      const start = ((head + i) & PAGE_SEGMENT_MASK) * PAGE_BYTES
      copySlice(this.#page.set(bytes, start, PAGE_BYTES), this.#reserve, free * PAGE_BYTES)
      slot[head + i] = free
      if (free >= this.#slotsResident) this.#slotsResident = free + 1
    }
    const taken = (this.#control[Control.SlotsTaken]! + pageCount) | 0
    Atomics.store(this.#control, Control.SlotsTaken, taken)
    const done = this.#arena.doneState
    if (pageCount > 1) state.fill(done, head + 1, head + pageCount)
    Atomics.store(state, head, done | StateBits.Preserved)
    this.#pushEarly(head)
    this.figures.preservedRuns++
    this.figures.preservedPages += pageCount
    this.#charged += pageCount
    const used = this.slotsUsed
    if (used > this.figures.slotsPeak) this.figures.slotsPeak = used
    this.#noteUse(pageCount)
  }

  /** Books the peak of use, and what goes beyond the bound. */
  #noteUse(pageCount: number): void {
    const used = this.usedPages
    if (used > this.figures.usedPeak) this.figures.usedPeak = used
    if (used > this.#boundPages) {
      this.figures.overdraftPages += Math.min(pageCount, used - this.#boundPages)
    }
  }

  #pushEarly(page: number): void {
    const at = this.#control[Control.EarlyWrite]!
    const size = this.#early.length
    const room = size - ((at - Atomics.load(this.#control, Control.EarlyRead)) | 0)
    // A full ring only loses a hint: the scanner walks on until no page is left unsettled.
    if (room <= 1) return
    this.#early[at & (size - 1)] = page
    Atomics.store(this.#control, Control.EarlyWrite, (at + 1) | 0)
  }

  #waitFor(head: number, pageCount: number): void {
    const { state } = this.#arena.pages
    const start = this.#monotonicUs()
    const before = Atomics.load(state, head)
    while (!this.#hasSlots(pageCount)) {
      if (Atomics.load(state, head) !== before || this.hasEnded) break
      if (this.relieve || this.#monotonicUs() - start > BATCH_WAIT_US) this.#sleepFor(head)
      else this.#sleepForBatch()
    }
    Atomics.store(this.#control, Control.Urgent, 0)
    this.#countWait(start)
  }

  /** Sleeps until a batch of slots is free, about half a millisecond of scanning. */
  #sleepForBatch(): void {
    const wanted = Math.min(BATCH_SLOTS, this.#slotCount >> 2)
    const seen = Atomics.load(this.#control, Control.FreedWrite)
    Atomics.store(this.#control, Control.WakeAt, (this.#control[Control.FreedRead]! + wanted) | 0)
    this.#sleep(seen)
  }

  /** Names the page and sleeps until anything happens; without a thread, lets the scanner go on. */
  #sleepFor(page: number): void {
    Atomics.store(this.#control, Control.Urgent, page + 1)
    if (this.relieve) {
      this.relieve()
      return
    }
    this.#sleep(this.#control[Control.FreedRead]!)
  }

  #sleep(seen: number): void {
    Atomics.store(this.#control, Control.Sleeping, 1)
    Atomics.wait(this.#control, Control.FreedWrite, seen, SLEEP_MS)
    Atomics.store(this.#control, Control.Sleeping, 0)
  }

  #countWait(startUs: number): void {
    const us = this.#monotonicUs() - startUs
    assert(us >= 0, 'the clock of waits goes forward')
    this.figures.waits++
    this.figures.waitUs += us
    if (us > this.figures.waitUsMax) this.figures.waitUsMax = us
    this.#onWait?.(us)
  }
}

function overdraftOf(boundPages: number): number {
  return Math.max(OVERDRAFT_SLOTS_MIN, Math.floor(boundPages * OVERDRAFT_SHARE))
}

function nothingQueued(): number {
  return 0
}

function emptyFigures(): CutFigures {
  return {
    preservedRuns: 0,
    preservedPages: 0,
    slotsPeak: 0,
    heldPages: 0,
    heldPagesPeak: 0,
    usedPeak: 0,
    waits: 0,
    waitUs: 0,
    waitUsMax: 0,
    overdraftPages: 0,
  }
}
