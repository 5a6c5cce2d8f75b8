// The engine's side of a cut: what `touch` and freeing do while a snapshot reads the arena.
// DESIGN §5 is the contract; cut-control.ts draws the states.
//
//  - touch of an unread page copies its run into free reserve slots (about 1 µs a page) and tells
//    the scanner, which empties preserved copies before it takes unread pages
//  - no slot free: the engine sleeps until the scanner has emptied some tens of them (waking for
//    each one costs more than the page); when that takes long, as in the middle of a large value,
//    it names the page it wants (`Urgent`) and waits for that one; it never fails
//  - a freed run that the scanner has not read is *held*: not copied, kept from reuse until read.
//    Held pages and used slots share the reserve's bound: an allocation that finds it passed waits
//    for the scanner, at most ADMIT_WAIT_MS, and is counted as overdraft if that was not enough
//
// The reserve's slots are used last in, first out, so that only the peak of their use is resident.
// Invariant: slots on the stack + in the freed ring + in use = slotCount.
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

/** Looks at a page that the scanner is copying before the engine sleeps between two looks. */
const SPIN_LIMIT = 200
const BUSY_SLEEP_MS = 0.05
const SLEEP_MS = 1
/** Slots to wait for before the writer goes on. */
const BATCH_SLOTS = 64
/** Time without a batch after which the writer asks for its page. */
const BATCH_WAIT_US = 2000
const ADMIT_WAIT_MS = 4

/** Counters of the cut that is open or was last. */
export interface CutFigures {
  preservedRuns: number
  slotsPeak: number
  heldPages: number
  heldPagesPeak: number
  waits: number
  waitUs: number
  waitUsMax: number
  overdraftPages: number
}

export interface CutOptions {
  /** Times the waits. */
  readonly monotonicUs: () => number
  /** Lets the scanner go on when it has no thread of its own; null: it has one. */
  readonly relieve: (() => void) | null
  /** Hears of each wait of the engine, in µs. */
  readonly onWait?: (durationUs: number) => void
}

export class Cut implements Guard {
  readonly shared: SharedCut
  readonly figures: CutFigures = emptyFigures()
  readonly #arena: Arena
  readonly #monotonicUs: () => number
  readonly #relieve: (() => void) | null
  readonly #onWait: ((durationUs: number) => void) | null
  readonly #control: Int32Array
  readonly #reserve: Uint8Array
  readonly #early: Int32Array
  readonly #freed: Int32Array
  readonly #stack: Int32Array
  #stackLength = 0
  #held: { page: number; pageCount: number }[] = []
  #checker: PageChecker | null = null
  readonly #page = new Slice()

  /** A closed cut with a reserve of `slotCount` pages. */
  constructor(arena: Arena, slotCount: number, options: CutOptions) {
    assert(slotCount >= 8, 'the reserve holds at least one run of cells')
    this.#arena = arena
    this.#monotonicUs = options.monotonicUs
    this.#relieve = options.relieve
    this.#onWait = options.onWait ?? null
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
  }

  /** Bytes of the reserve and the rings. */
  get bufferBytes(): number {
    return this.#reserve.byteLength + this.#early.byteLength + this.#freed.byteLength
  }

  get isOpen(): boolean {
    return this.#arena.guard === this
  }

  /** True once the scanner will touch no page any more. */
  get hasEnded(): boolean {
    return Atomics.load(this.#control, Control.Phase) === Phase.Ended
  }

  /** Reserve slots that hold copies now. */
  get slotsUsed(): number {
    const inRing =
      Atomics.load(this.#control, Control.FreedWrite) - this.#control[Control.FreedRead]!
    return this.shared.slotCount - this.#stackLength - inRing
  }

  /** Freezes the arena as it is now. O(1), but for checking mode, which reads every page. */
  open(options: { isChecking: boolean }): void {
    assert(this.#arena.guard === null, 'one cut at a time')
    Object.assign(this.figures, emptyFigures())
    this.#stackLength = this.shared.slotCount
    for (let i = 0; i < this.#stackLength; i++) this.#stack[i] = this.#stackLength - 1 - i
    this.#control.fill(0)
    this.#arena.doneState = (this.#arena.doneState + 4) & 0xff
    this.#arena.cutNumber++
    this.#control[Control.Done] = this.#arena.doneState
    this.#control[Control.Checking] = options.isChecking ? 1 : 0
    this.#checker = options.isChecking ? new PageChecker(this.#arena) : null
    this.#arena.setGuard(this)
    Atomics.store(this.#control, Control.Phase, Phase.Scanning)
  }

  /** Asks the scanner to stop; the cut closes when it has. */
  abort(): void {
    Atomics.compareExchange(this.#control, Control.Phase, Phase.Scanning, Phase.Aborting)
  }

  /**
   * Ends the cut after the scanner has: frees held pages, and all pages take writes again.
   * In checking mode asserts that no byte of a page changed that was never touched.
   */
  close(options: { isComplete: boolean }): void {
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
    }
    this.#checker = null
    state.fill(done, 0, this.#arena.pool.pageLimit)
    this.#arena.setGuard(null)
    for (const { page, pageCount } of this.#held) this.#arena.freeRun(page, pageCount)
    this.#held = []
    this.figures.heldPages = 0
    this.#control[Control.Phase] = Phase.Idle
  }

  /** Frees held runs that the scanner has read since. */
  reclaim(): void {
    const { state } = this.#arena.pages
    const done = this.#arena.doneState
    let kept = 0
    for (const run of this.#held) {
      const last = this.#isSpan(run.page) ? run.page + run.pageCount - 1 : run.page
      const now = Atomics.load(state, last)
      if (now === done || now === (done | StateBits.Read)) {
        this.figures.heldPages -= run.pageCount
        this.#arena.freeRun(run.page, run.pageCount)
      } else this.#held[kept++] = run
    }
    this.#held.length = kept
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

  hold(page: number, pageCount: number): boolean {
    const { state } = this.#arena.pages
    const last = this.#isSpan(page) ? page + pageCount - 1 : page
    const found = Atomics.load(state, last)
    const done = this.#arena.doneState
    if (found === done || found === (done | StateBits.Read) || this.hasEnded) return false
    this.#held.push({ page, pageCount })
    this.figures.heldPages += pageCount
    this.figures.heldPagesPeak = Math.max(this.figures.heldPagesPeak, this.figures.heldPages)
    this.#pushEarly(page)
    return true
  }

  admit(pageCount: number): void {
    if (this.figures.heldPages === 0 || !this.#isPastBound()) return
    this.reclaim()
    if (this.figures.heldPages === 0 || !this.#isPastBound()) return
    // Growth is allowed as fast as the scanner lets go of what was freed.
    const enough = Math.max(0, this.figures.heldPages - pageCount)
    const start = this.#monotonicUs()
    const limit = start + ADMIT_WAIT_MS * 1000
    while (this.figures.heldPages > enough && this.#isPastBound()) {
      if (this.hasEnded || this.#monotonicUs() > limit) {
        this.figures.overdraftPages += pageCount
        break
      }
      const oldest = this.#held[0]
      if (oldest) this.#sleepFor(oldest.page)
      this.reclaim()
    }
    Atomics.store(this.#control, Control.Urgent, 0)
    this.#countWait(start)
  }

  #isPastBound(): boolean {
    return this.slotsUsed + this.figures.heldPages > this.shared.slotCount
  }

  #isSpan(page: number): boolean {
    return this.#arena.pages.kind[page] === PageKind.Span
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
    }
    const done = this.#arena.doneState
    if (pageCount > 1) state.fill(done, head + 1, head + pageCount)
    Atomics.store(state, head, done | StateBits.Preserved)
    this.#pushEarly(head)
    this.figures.preservedRuns++
    const used = this.slotsUsed
    if (used > this.figures.slotsPeak) this.figures.slotsPeak = used
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
      if (this.#relieve || this.#monotonicUs() - start > BATCH_WAIT_US) this.#sleepFor(head)
      else this.#sleepForBatch()
    }
    Atomics.store(this.#control, Control.Urgent, 0)
    this.#countWait(start)
  }

  /** Sleeps until a batch of slots is free, about half a millisecond of scanning. */
  #sleepForBatch(): void {
    const wanted = Math.min(BATCH_SLOTS, this.shared.slotCount >> 2)
    const seen = Atomics.load(this.#control, Control.FreedWrite)
    Atomics.store(this.#control, Control.WakeAt, (this.#control[Control.FreedRead]! + wanted) | 0)
    this.#sleep(seen)
  }

  /** Names the page and sleeps until anything happens; without a thread, lets the scanner go on. */
  #sleepFor(page: number): void {
    Atomics.store(this.#control, Control.Urgent, page + 1)
    if (this.#relieve) {
      this.#relieve()
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

function emptyFigures(): CutFigures {
  return {
    preservedRuns: 0,
    slotsPeak: 0,
    heldPages: 0,
    heldPagesPeak: 0,
    waits: 0,
    waitUs: 0,
    waitUsMax: 0,
    overdraftPages: 0,
  }
}
