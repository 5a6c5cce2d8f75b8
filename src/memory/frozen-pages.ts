// The scanner's side of a cut: the pages as they were at its instant. Runs on the snapshot thread,
// or on the engine for SAVE, and writes nothing but page states and the rings of cut-control.ts.
//
// Taking a page copies its bytes of the cut into memory of the scanner's own, from the reserve when
// it was preserved, else from the arena under the state Busy; from then on the engine may write it.
// Each page is taken once.
//
// A page that cannot be encoded soon may be *spilled* (`spill`): its bytes of the cut go to a
// `PageSpill`, the engine may write it and even use it for something else, and taking it later
// reads them back. So nothing of the page table is to be believed of a spilled page but `slot`,
// which then holds its number in the spill. Owner: whichever thread scans.

import { assert, fail } from '../base/assert.ts'
import { copySlice, Slice } from '../base/slice.ts'
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
import type { SegmentBuffer } from './segments.ts'
import { RUN_PAGES_MAX } from './size-class.ts'

/** All that a scanning thread needs to see the arena of a cut. */
export interface FrozenSource {
  readonly table: SharedPageTable
  readonly cut: SharedCut
  readonly segments: readonly (SegmentBuffer | null)[]
  /** One past the highest page that can be part of the cut. */
  readonly pageLimit: number
}

/** Where pages of the cut wait that neither the reserve nor the arena shall keep. */
export interface PageSpill {
  /** Makes room for SPILL_STEP pages, which may take long; false: there is none for now. */
  makeRoom(): boolean
  /** Takes the 4 KiB at `start`, at once; returns their number. Numbers follow each other. */
  put(bytes: Uint8Array, start: number): number
  /** Copies `range.length` bytes at `range.skip` of the pages from `number` on. */
  read(number: number, range: PageRange, target: Uint8Array, start: number): void
}

/** Bytes of a page. */
export interface PageRange {
  readonly skip: number
  readonly length: number
}

/** What is spilled, as it travels from one thread that scans to another. */
export interface SpilledPages {
  /** By page: 0 not spilled, else pages of its run with RECORDS or without, or SPAN_PAGE. */
  readonly runs: Uint8Array
  /** First pages of record runs, in order; those before `recordsRead` are read back. */
  readonly records: number[]
  recordsRead: number
  /** Pages of each span whose first page is spilled. */
  readonly spans: Map<number, number>
  /** Held pages of a span that are being spilled. */
  at: number
  limit: number
  /** Pages that were spilled. */
  total: number
}

const SPAN_PAGE = 255
/** A spilled run is one of records, not a node. */
const RECORDS = 0x40
const COUNT_MASK = 0x3f
/** Most pages that are spilled in one call. */
export const SPILL_STEP = 16

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
  #spill: PageSpill | null = null
  #spilled: SpilledPages | null = null

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

  /** Where pages may be spilled, and what has been, by this or another scanner of the same cut. */
  useSpill(spill: PageSpill, spilled: SpilledPages | null): void {
    this.#spill = spill
    this.#spilled = spilled
  }

  get spillPlace(): PageSpill | null {
    return this.#spill
  }

  /** What has been spilled; null: nothing. */
  get spilled(): SpilledPages | null {
    return this.#spilled
  }

  /** The engine wants to scan itself. */
  get isHandoverWanted(): boolean {
    return Atomics.load(this.#control, Control.Handover) === 1
  }

  /** More pages are in use than shall wait for a scan that gets no further. */
  get isSpillDue(): boolean {
    const control = this.#control
    const slots = (Atomics.load(control, Control.SlotsTaken) - control[Control.FreedWrite]!) | 0
    return slots + control[Control.Forced]! > control[Control.SpillAt]!
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

  /** Whether the page's bytes of the cut wait in the spill. */
  isSpilled(page: number): boolean {
    return this.#spilled !== null && this.#spilled.runs[page] !== 0
  }

  /** First page of a record run that was spilled and not taken since, or -1. Consumes it. */
  nextSpilledRun(): number {
    const spilled = this.#spilled
    while (spilled !== null && spilled.recordsRead < spilled.records.length) {
      const page = spilled.records[spilled.recordsRead++]!
      if (spilled.runs[page] !== 0) return page
    }
    return -1
  }

  /**
   * Moves the run or span page at `page`, which is preserved or freed, to the spill, so that the
   * engine gets its memory back. Of a large freed span only a part; `goesOnSpilling` has the rest.
   */
  spill(page: number): void {
    const state = Atomics.load(this.#state, page)
    if (state === this.#done || state === (this.#done | StateBits.Read)) return
    const isPreserved = state === (this.#done | StateBits.Preserved)
    if (!this.isSpanPage(page)) return this.#spillRun(page)
    if (isPreserved) return this.#spillSpanPage(page)
    if (this.#kind[page] !== PageKind.Span) return
    const spilled = this.#spills()
    spilled.at = page
    spilled.limit = page + this.#run[page]!
  }

  /** Goes on with a large span; false: there is none. */
  goesOnSpilling(): boolean {
    const spilled = this.#spilled
    if (spilled === null || spilled.at >= spilled.limit) return false
    const limit = Math.min(spilled.limit, spilled.at + SPILL_STEP)
    while (spilled.at < limit) this.#spillSpanPage(spilled.at++)
    return true
  }

  #spillRun(head: number): void {
    const kind = this.#kind[head]
    if (kind !== PageKind.Record && kind !== PageKind.Node) return
    const found = this.#claim(head)
    if (found === Claim.Settled) return
    const pageCount = this.#run[head]!
    for (let i = 0; i < pageCount; i++) this.#spillBytes(head + i, found)
    if (found === Claim.Mine && pageCount > 1) {
      this.#state.fill(this.#done, head + 1, head + pageCount)
    }
    const spilled = this.#spills()
    const isRecords = kind === PageKind.Record
    spilled.runs[head] = isRecords ? pageCount | RECORDS : pageCount
    if (isRecords) spilled.records.push(head)
    Atomics.store(this.#state, head, this.#done)
    this.#wake()
  }

  #spillSpanPage(page: number): void {
    const found = this.#claim(page)
    if (found === Claim.Settled) return
    this.#spillBytes(page, found)
    const spilled = this.#spills()
    spilled.runs[page] = SPAN_PAGE
    if (this.#kind[page] === PageKind.Span) spilled.spans.set(page, this.#run[page]!)
    Atomics.store(this.#state, page, this.#done)
    this.#wake()
  }

  /** Puts one claimed page into the spill; its slot is free then. */
  #spillBytes(page: number, found: Claim): void {
    const slot = this.#slot[page]!
    if (found === Claim.Preserved) {
      this.#slot[page] = this.#theSpill.put(this.#reserve, slot * PAGE_BYTES)
      this.#freeSlot(slot)
    } else {
      const bytes = this.#segments[page >>> PAGE_SEGMENT_SHIFT]!
      this.#slot[page] = this.#theSpill.put(bytes, (page & PAGE_SEGMENT_MASK) * PAGE_BYTES)
    }
    this.#spills().total++
  }

  #spills(): SpilledPages {
    this.#spilled ??= {
      runs: new Uint8Array(this.pageLimit),
      records: [],
      recordsRead: 0,
      spans: new Map(),
      at: 0,
      limit: 0,
      total: 0,
    }
    return this.#spilled
  }

  get #theSpill(): PageSpill {
    return this.#spill ?? fail('what is spilled has a place')
  }

  /** Reads `range` of the spilled pages from `page` on; they are taken then, or looked at. */
  #readSpilled(page: number, range: PageRange, target: Uint8Array, start: number): void {
    this.#theSpill.read(this.#slot[page]!, range, target, start)
  }

  /** The first page of the run or span that `page` lies in; of a spilled run, as it was. */
  headOf(page: number): number {
    const spilled = this.#spilledHeadOf(page)
    if (spilled >= 0) return spilled
    return isBodyKind(Atomics.load(this.#kind, page)) ? page - this.#run[page]! : page
  }

  /** First page of the spilled run of the cut that `page` lies in, whatever is there now; or -1. */
  #spilledHeadOf(page: number): number {
    if (this.#spilled === null) return -1
    const { runs } = this.#spilled
    for (let head = page; head > page - RUN_PAGES_MAX && head > 0; head--) {
      const mark = runs[head]!
      if (mark === 0) continue
      return mark !== SPAN_PAGE && head + (mark & COUNT_MASK) > page ? head : -1
    }
    return -1
  }

  /** Pages of the span that starts at `page`. */
  pageCountOf(page: number): number {
    const spilled = this.#spilled?.spans.get(page)
    if (spilled !== undefined) return spilled
    assert(this.#kind[page] === PageKind.Span, 'a span starts here')
    return this.#run[page]!
  }

  /** The page of a record or span. */
  pageOf(ptr: Ptr): number {
    return ptr >>> PTR_PAGE_SHIFT
  }

  /**
   * Copies the run of records at `head` into `target` from `start`. Returns its pages; 0 when it is
   * taken already, not part of the cut, or something else.
   */
  takeRecords(head: number, target: Uint8Array, start: number): number {
    if (!this.isSpilled(head)) return this.#takeRun(PageKind.Record, head, target, start)
    const isRecords = (this.#spills().runs[head]! & ~COUNT_MASK) === RECORDS
    return isRecords ? this.#takeSpilledRun(head, target, start) : 0
  }

  /** The same for a node. */
  takeNode(head: number, target: Uint8Array, start: number): number {
    if (!this.isSpilled(head)) return this.#takeRun(PageKind.Node, head, target, start)
    const isNode = this.#spills().runs[head]! <= COUNT_MASK
    return isNode ? this.#takeSpilledRun(head, target, start) : 0
  }

  #takeRun(kind: PageKind, head: number, target: Uint8Array, start: number): number {
    if (Atomics.load(this.#kind, head) !== kind) return 0
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

  #takeSpilledRun(head: number, target: Uint8Array, start: number): number {
    const { runs } = this.#spills()
    const pageCount = runs[head]! & COUNT_MASK
    assert(pageCount <= RUN_PAGES_MAX, 'a run is 1 to 8 pages')
    this.#readSpilled(head, { skip: 0, length: pageCount * PAGE_BYTES }, target, start)
    runs[head] = 0
    return pageCount
  }

  /** Copies the `range` of one span page into `target`, and settles the page. */
  takeSpanPage(page: number, range: PageRange, target: Uint8Array, start: number): void {
    if (this.isSpilled(page)) return this.#readSpilled(page, range, target, start)
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
  peekSpanPage(page: number, range: PageRange, target: Uint8Array, start: number): void {
    if (this.isSpilled(page)) return this.#readSpilled(page, range, target, start)
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
    const word = new Uint32Array(1)
    const target = new Uint8Array(word.buffer)
    if (this.isSpilled(head)) {
      this.#readSpilled(head, { skip: index * 4, length: 4 }, target, 0)
      return word[0]!
    }
    const found = this.#claim(head)
    if (found === Claim.Settled) return 0
    const isPreserved = found === Claim.Preserved
    const bytes = isPreserved ? this.#reserve : this.#segments[head >>> PAGE_SEGMENT_SHIFT]!
    const base = isPreserved ? this.#slot[head]! : head & PAGE_SEGMENT_MASK
    const from = base * PAGE_BYTES + index * 4
    target.set(bytes.subarray(from, from + 4))
    if (!isPreserved) this.#unclaim(head)
    return word[0]!
  }

  /** From here on a sink is written to, and no page is touched; see `leaveSink`. */
  enterSink(): void {
    Atomics.store(this.#control, Control.InSink, 1)
  }

  /** The sink is done; whether the scan may go on. If not, no page may be touched any more. */
  leaveSink(): boolean {
    Atomics.store(this.#control, Control.InSink, 0)
    return Atomics.load(this.#control, Control.Phase) === Phase.Scanning
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
