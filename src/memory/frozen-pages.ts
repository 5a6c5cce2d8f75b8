// The scanner's side of a cut: the pages as they were at its instant. Runs on the snapshot thread,
// or on the engine for SAVE, and writes nothing but page states and the rings of cut-control.ts.
//
// Taking a page copies its bytes of the cut into memory of the scanner's own, from the reserve when
// it was preserved, else from the arena under the state Busy; from then on the engine may write it.
// Each page is taken once. Owner: whichever thread scans.

import { assert } from '../base/assert.ts'
import { copySlice, Slice } from '../base/slice.ts'
import type { SegmentBuffer } from './arena.ts'
import { Control, Phase, type SharedCut, StateBits } from './cut-control.ts'
import {
  PAGE_BYTES,
  PAGE_SEGMENT_MASK,
  PAGE_SEGMENT_SHIFT,
  PageKind,
  PTR_PAGE_SHIFT,
  type Ptr,
  SEGMENT_BYTES,
} from './layout.ts'
import { isBodyKind, type SharedPageTable } from './page-table.ts'
import { RUN_PAGES_MAX } from './size-class.ts'

/** All that a scanning thread needs to see the arena of a cut. */
export interface FrozenSource {
  readonly table: SharedPageTable
  readonly cut: SharedCut
  readonly segments: readonly (SegmentBuffer | null)[]
  /** One past the highest page that can be part of the cut. */
  readonly pageLimit: number
}

export class FrozenPages {
  readonly pageLimit: number
  readonly #kind: Uint8Array
  readonly #state: Uint8Array
  readonly #run: Uint32Array
  readonly #slot: Int32Array
  readonly #control: Int32Array
  readonly #reserve: Uint8Array
  readonly #early: Int32Array
  readonly #freed: Int32Array
  readonly #segments: (Uint8Array | null)[]
  readonly #done: number
  readonly #taken: number
  readonly #range = new Slice()

  constructor(source: FrozenSource) {
    const { table, cut, segments } = source
    this.pageLimit = source.pageLimit
    this.#kind = new Uint8Array(table.kind)
    this.#state = new Uint8Array(table.state)
    this.#run = new Uint32Array(table.run)
    this.#slot = new Int32Array(table.slot)
    this.#control = new Int32Array(cut.control)
    this.#reserve = new Uint8Array(cut.reserve)
    this.#early = new Int32Array(cut.early)
    this.#freed = new Int32Array(cut.freed)
    this.#segments = segments.map(
      (segment) => segment && new Uint8Array(segment.buffer, segment.offset, SEGMENT_BYTES),
    )
    this.#done = this.#control[Control.Done]!
    this.#taken = this.#control[Control.Checking] ? this.#done | StateBits.Read : this.#done
  }

  /** The engine wants the scan to end early. */
  get isAborting(): boolean {
    return Atomics.load(this.#control, Control.Phase) === Phase.Aborting
  }

  /** The page the engine waits for just now, or -1. */
  urgentPage(): number {
    return Atomics.load(this.#control, Control.Urgent) - 1
  }

  /** Pages that shall be taken before their turn: preserved copies that fill the reserve. */
  get earlyCount(): number {
    const write = Atomics.load(this.#control, Control.EarlyWrite)
    return (write - this.#control[Control.EarlyRead]!) | 0
  }

  /** The next page that shall be taken before its turn, or -1. Consumes it. */
  nextEarly(): number {
    const at = this.#control[Control.EarlyRead]!
    if (at === Atomics.load(this.#control, Control.EarlyWrite)) return -1
    const page = this.#early[at & (this.#early.length - 1)]!
    Atomics.store(this.#control, Control.EarlyRead, (at + 1) | 0)
    return page
  }

  /** Whether `page` is the first of a record run that is not taken yet. One load when it is not. */
  isOpenRun(page: number): boolean {
    return this.#kind[page] === PageKind.Record && !this.#isSettled(page)
  }

  /** Whether the page belongs to a span (of the cut, as long as it is not taken). */
  isSpanPage(page: number): boolean {
    const kind = this.#kind[page]
    return kind === PageKind.Span || kind === PageKind.SpanBody
  }

  /** Whether `page` belongs to a node (of the cut, as long as it is not taken). */
  isNodePage(page: number): boolean {
    const kind = this.#kind[page]
    return kind === PageKind.Node || kind === PageKind.NodeBody
  }

  /** Whether `page` is the first of a run, node or span that is not taken. */
  isOpen(page: number): boolean {
    return !this.#isSettled(page)
  }

  /** The first page of the run or span that `page` lies in. */
  headOf(page: number): number {
    return isBodyKind(Atomics.load(this.#kind, page)) ? page - this.#run[page]! : page
  }

  /** Pages of the span that starts at `page`. */
  pageCountOf(page: number): number {
    assert(this.#kind[page] === PageKind.Span, 'a span starts here')
    return this.#run[page]!
  }

  /** The page of a record or span. */
  pageOf(ptr: Ptr): number {
    return ptr >>> PTR_PAGE_SHIFT
  }

  /**
   * Copies the record run or node at `head` into `target` from `start`. Returns its pages; 0 when
   * it is taken already or not part of the cut.
   */
  takeRun(head: number, target: Uint8Array, start: number): number {
    const kind = Atomics.load(this.#kind, head)
    if (kind !== PageKind.Record && kind !== PageKind.Node) return 0
    const found = this.#claim(head)
    if (found === Claim.Settled) return 0
    const pageCount = this.#run[head]!
    assert(pageCount > 0 && pageCount <= RUN_PAGES_MAX, 'a run is 1 to 8 pages')
    if (found === Claim.Preserved) {
      for (let i = 0; i < pageCount; i++) {
        this.#copySlot(this.#slot[head + i]!, target, start + i * PAGE_BYTES)
      }
      Atomics.store(this.#state, head, this.#done)
    } else {
      this.#copyLive(head, target, { start, length: pageCount * PAGE_BYTES })
      if (pageCount > 1) this.#state.fill(this.#taken, head + 1, head + pageCount)
      Atomics.store(this.#state, head, this.#taken)
    }
    this.#wake()
    return pageCount
  }

  /** Copies `length` bytes at `skip` of one span page into `target`, and settles the page. */
  takeSpanPage(
    page: number,
    range: { skip: number; length: number },
    target: Uint8Array,
    start: number,
  ): void {
    const found = this.#claim(page)
    assert(found !== Claim.Settled, 'a span page is taken once')
    if (found === Claim.Preserved) {
      const slot = this.#slot[page]!
      const from = slot * PAGE_BYTES + range.skip
      copySlice(this.#range.set(this.#reserve, from, range.length), target, start)
      this.#freeSlot(slot)
      Atomics.store(this.#state, page, this.#done)
    } else {
      const bytes = this.#segments[page >>> PAGE_SEGMENT_SHIFT]!
      const from = (page & PAGE_SEGMENT_MASK) * PAGE_BYTES + range.skip
      copySlice(this.#range.set(bytes, from, range.length), target, start)
      Atomics.store(this.#state, page, this.#taken)
    }
    this.#wake()
  }

  /** Like `takeSpanPage`, but the page stays as it is, to be taken later. */
  peekSpanPage(
    page: number,
    range: { skip: number; length: number },
    target: Uint8Array,
    start: number,
  ): void {
    const found = this.#claim(page)
    assert(found !== Claim.Settled, 'a span page is looked at before it is taken')
    const isPreserved = found === Claim.Preserved
    const bytes = isPreserved ? this.#reserve : this.#segments[page >>> PAGE_SEGMENT_SHIFT]!
    const base = isPreserved ? this.#slot[page]! : page & PAGE_SEGMENT_MASK
    const from = base * PAGE_BYTES + range.skip
    copySlice(this.#range.set(bytes, from, range.length), target, start)
    if (!isPreserved) this.#unclaim(page)
  }

  /** Settles a span page whose bytes nobody wants (room past the value's end). */
  skipSpanPage(page: number): void {
    const found = this.#claim(page)
    if (found === Claim.Settled) return
    if (found === Claim.Preserved) this.#freeSlot(this.#slot[page]!)
    Atomics.store(this.#state, page, found === Claim.Preserved ? this.#done : this.#taken)
    this.#wake()
  }

  /** Settles a node whose bytes nobody wants. */
  skipNode(head: number): void {
    const found = this.#claim(head)
    if (found === Claim.Settled) return
    const pageCount = this.#run[head]!
    if (found === Claim.Preserved) {
      for (let i = 0; i < pageCount; i++) this.#freeSlot(this.#slot[head + i]!)
      Atomics.store(this.#state, head, this.#done)
    } else {
      if (pageCount > 1) this.#state.fill(this.#taken, head + 1, head + pageCount)
      Atomics.store(this.#state, head, this.#taken)
    }
    this.#wake()
  }

  /**
   * Word `index` (0 or 1) of a span or node as it was at the cut: its owner. 0 when the first page
   * is taken already.
   */
  headWord(head: number, index: number): number {
    const found = this.#claim(head)
    if (found === Claim.Settled) return 0
    const word = new Uint32Array(1)
    const target = new Uint8Array(word.buffer)
    const isPreserved = found === Claim.Preserved
    const bytes = isPreserved ? this.#reserve : this.#segments[head >>> PAGE_SEGMENT_SHIFT]!
    const base = isPreserved ? this.#slot[head]! : head & PAGE_SEGMENT_MASK
    const from = base * PAGE_BYTES + index * 4
    target.set(bytes.subarray(from, from + 4))
    if (!isPreserved) this.#unclaim(head)
    return word[0]!
  }

  /** No page will be taken any more. */
  end(): void {
    Atomics.store(this.#control, Control.Phase, Phase.Ended)
    Atomics.notify(this.#control, Control.FreedWrite)
  }

  #isSettled(page: number): boolean {
    const state = this.#state[page]
    return state === this.#done || state === (this.#done | StateBits.Read)
  }

  /** Settled, preserved, or now marked Busy by this side. */
  #claim(page: number): Claim {
    for (;;) {
      const found = Atomics.load(this.#state, page)
      if (found === this.#done || found === (this.#done | StateBits.Read)) return Claim.Settled
      if (found === (this.#done | StateBits.Preserved)) return Claim.Preserved
      if (found === (this.#done | StateBits.Busy)) continue
      const busy = this.#done | StateBits.Busy
      if (Atomics.compareExchange(this.#state, page, found, busy) === found) return Claim.Mine
    }
  }

  /** Gives a page that was only looked at back as unread: by a state of another epoch. */
  #unclaim(page: number): void {
    Atomics.store(this.#state, page, (this.#done - 4) & 0xff)
  }

  #copyLive(
    page: number,
    target: Uint8Array,
    range: { readonly start: number; readonly length: number },
  ): void {
    const bytes = this.#segments[page >>> PAGE_SEGMENT_SHIFT]!
    const from = (page & PAGE_SEGMENT_MASK) * PAGE_BYTES
    copySlice(this.#range.set(bytes, from, range.length), target, range.start)
  }

  #copySlot(slot: number, target: Uint8Array, start: number): void {
    const from = slot * PAGE_BYTES
    copySlice(this.#range.set(this.#reserve, from, PAGE_BYTES), target, start)
    this.#freeSlot(slot)
  }

  #freeSlot(slot: number): void {
    const at = this.#control[Control.FreedWrite]!
    this.#freed[at & (this.#freed.length - 1)] = slot
    Atomics.store(this.#control, Control.FreedWrite, (at + 1) | 0)
  }

  /** Wakes the engine when it has what it sleeps for: enough slots, or the page it named. */
  #wake(): void {
    if (Atomics.load(this.#control, Control.Sleeping) === 0) return
    const freed = this.#control[Control.FreedWrite]! - Atomics.load(this.#control, Control.WakeAt)
    const isNamed = Atomics.load(this.#control, Control.Urgent) !== 0
    if ((freed | 0) >= 0 || isNamed) Atomics.notify(this.#control, Control.FreedWrite)
  }
}

const Claim = { Settled: 0, Preserved: 1, Mine: 2 } as const
type Claim = (typeof Claim)[keyof typeof Claim]
