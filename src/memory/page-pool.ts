// Runs of pages inside segments: who is free, who is used. Free extents are kept in lists by length
// (one list per length up to 32 pages, then four per doubling) with a bitmap of the lists that are
// not empty, so that allocating and freeing are O(1). Neighbouring free extents merge; the length
// of an extent stands in the page table's `run` at its first and at its last page.
//
// A run never crosses a segment. More than a segment's worth of pages gets a buffer of its own that
// covers as many consecutive segment numbers as it needs, and goes back whole when it is freed.
//
// Page 0 is never given out: its first granule would be NULL.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { PAGE_SEGMENT_MASK, PAGE_SEGMENT_SHIFT, PAGES_PER_SEGMENT, PageKind } from './layout.ts'
import type { PageTable } from './page-table.ts'

/** Who provides and takes back the memory behind segments. */
export interface SegmentSource {
  /**
   * Backs `count` consecutive segments from number `first` with one zeroed buffer; false when the
   * system has no memory for it.
   */
  map(first: number, count: number): boolean
  unmap(first: number, count: number): void
}

const NO_PAGE = 0xffffffff
const EXACT_LISTS = 32
const LISTS = EXACT_LISTS + 4 * 15
/** Extents looked at in a list whose extents may be too short, before a segment is added. */
const OWN_LIST_SEARCH = 64
/** Wholly free segments kept for the next allocation; one more is given back. */
const SPARE_SEGMENTS = 1
const SegmentUse = { None: 0, Shared: 1, Own: 2, OwnTail: 3 } as const

export class PagePool {
  readonly #table: PageTable
  readonly #source: SegmentSource
  readonly #heads = new Uint32Array(LISTS).fill(NO_PAGE)
  readonly #filled = new Uint32Array(Math.ceil(LISTS / 32))
  readonly #use: Uint8Array
  #freeSegments = 0
  #segmentLimit = 0
  #pagesUsed = 0
  #pagesMapped = 0

  constructor(table: PageTable, source: SegmentSource) {
    this.#table = table
    this.#source = source
    this.#use = new Uint8Array(Math.ceil(table.capacity / PAGES_PER_SEGMENT))
  }

  /** Pages given out. */
  get pagesUsed(): number {
    return this.#pagesUsed
  }

  /** Pages backed by segments, used or free. */
  get pagesMapped(): number {
    return this.#pagesMapped
  }

  /** One past the highest page that was ever backed. */
  get pageLimit(): number {
    return this.#segmentLimit * PAGES_PER_SEGMENT
  }

  /** First page of a run of `count` pages, or -1 when there is no memory. Kinds stay Free. O(1). */
  allocate(count: number): number {
    assert(count > 0, 'a run has at least one page')
    if (count > PAGES_PER_SEGMENT - 1) return this.#allocateOwn(count)
    let page = this.#take(count)
    if (page === NO_PAGE) {
      if (!this.#addSegment()) return -1
      page = this.#take(count)
      assert(page !== NO_PAGE, 'a fresh segment holds the run')
    }
    this.#pagesUsed += count
    return page
  }

  /** Gives a run back. The caller has set its pages' kinds to Free. O(1). */
  free(page: number, count: number): void {
    const segment = page >>> PAGE_SEGMENT_SHIFT
    this.#pagesUsed -= count
    if (this.#use[segment] === SegmentUse.Own) {
      this.#unmap(segment, Math.ceil(count / PAGES_PER_SEGMENT))
      return
    }
    assert(this.#use[segment] === SegmentUse.Shared, 'a freed run lies in a mapped segment')
    this.#insertMerged(page, count)
  }

  /** Walks all extents: lengths agree at both ends, kinds are Free, neighbours are merged. */
  check(): void {
    const { run, kind, next } = this.#table
    let free = 0
    for (let list = 0; list < LISTS; list++) {
      const isFilled = (this.#filled[list >>> 5]! & (1 << (list & 31))) !== 0
      assert(isFilled === (this.#heads[list] !== NO_PAGE), 'bitmap tells the filled lists')
      for (let page = this.#heads[list]!; page !== NO_PAGE; page = next[page]!) {
        const count = run[page]!
        assert(listOf(count) === list, 'an extent is in the list of its length')
        assert(run[page + count - 1] === count, 'both ends tell the length')
        for (let i = 0; i < count; i++) assert(kind[page + i] === PageKind.Free, 'free pages')
        free += count
      }
    }
    let mapped = 0
    for (const use of this.#use) if (use !== SegmentUse.None) mapped += PAGES_PER_SEGMENT
    const reserved = this.#use[0] === SegmentUse.Shared ? 1 : 0
    assert(mapped === this.#pagesMapped, 'mapped pages are counted')
    const tail = this.#ownTailPages()
    assert(free + this.#pagesUsed + reserved + tail === mapped, 'every page is free or used')
  }

  /** Pages at the end of own buffers that no run uses, since buffers are whole segments. */
  #ownTailPages(): number {
    let pages = 0
    for (let segment = 0; segment < this.#use.length; segment++) {
      if (this.#use[segment] !== SegmentUse.Own) continue
      let count = 1
      while (this.#use[segment + count] === SegmentUse.OwnTail) count++
      pages += count * PAGES_PER_SEGMENT - this.#table.run[segment * PAGES_PER_SEGMENT]!
    }
    return pages
  }

  #take(count: number): number {
    const list = this.#findList(count)
    const page = list < 0 ? this.#searchOwnList(count) : this.#heads[list]!
    if (page === NO_PAGE) return NO_PAGE
    const length = this.#table.run[page]!
    this.#remove(page, length)
    if (length > count) this.#insert(page + count, length - count)
    return page
  }

  /** The first filled list whose extents all hold `count` pages, or -1. */
  #findList(count: number): number {
    const exact = listOf(count)
    // Above the exact lists an extent may be shorter than the list's upper end: round up.
    let list = count <= EXACT_LISTS || lowestOf(exact) === count ? exact : exact + 1
    while (list < LISTS) {
      const word = (this.#filled[list >>> 5]! >>> (list & 31)) << (list & 31)
      if (word !== 0) return (list & ~31) + (31 - Math.clz32(word & -word))
      list = (list & ~31) + 32
    }
    return -1
  }

  /** An extent that is long enough in the list of `count` itself; looks at a few, then gives up. */
  #searchOwnList(count: number): number {
    const { run, next } = this.#table
    let page = this.#heads[listOf(count)]!
    for (let i = 0; i < OWN_LIST_SEARCH && page !== NO_PAGE; i++, page = next[page]!) {
      if (run[page]! >= count) return page
    }
    return NO_PAGE
  }

  #insertMerged(page: number, count: number): void {
    const { run, kind } = this.#table
    const inSegment = page & PAGE_SEGMENT_MASK
    let first = page
    let length = count
    const isBelowFree = inSegment > (page < PAGES_PER_SEGMENT ? 1 : 0)
    if (isBelowFree && kind[page - 1] === PageKind.Free) {
      const below = run[page - 1]!
      first -= below
      length += below
      this.#remove(first, below)
    }
    const above = page + count
    if (inSegment + count < PAGES_PER_SEGMENT && kind[above] === PageKind.Free) {
      const aboveLength = run[above]!
      length += aboveLength
      this.#remove(above, aboveLength)
    }
    const segment = page >>> PAGE_SEGMENT_SHIFT
    if (length === PAGES_PER_SEGMENT && this.#freeSegments >= SPARE_SEGMENTS) {
      this.#unmap(segment, 1)
      return
    }
    this.#insert(first, length)
  }

  #insert(page: number, length: number): void {
    const { run, next, prev } = this.#table
    const list = listOf(length)
    run[page] = length
    run[page + length - 1] = length
    const head = this.#heads[list]!
    next[page] = head
    prev[page] = NO_PAGE
    if (head !== NO_PAGE) prev[head] = page
    this.#heads[list] = page
    this.#filled[list >>> 5] = this.#filled[list >>> 5]! | (1 << (list & 31))
    if (length === PAGES_PER_SEGMENT) this.#freeSegments++
  }

  #remove(page: number, length: number): void {
    const { next, prev } = this.#table
    const list = listOf(length)
    const after = next[page]!
    const before = prev[page]!
    if (after !== NO_PAGE) prev[after] = before
    if (before !== NO_PAGE) next[before] = after
    else {
      this.#heads[list] = after
      if (after === NO_PAGE) {
        this.#filled[list >>> 5] = this.#filled[list >>> 5]! & ~(1 << (list & 31))
      }
    }
    if (length === PAGES_PER_SEGMENT) this.#freeSegments--
  }

  #addSegment(): boolean {
    const segment = this.#findUnmapped(1)
    if (segment < 0 || !this.#source.map(segment, 1)) return false
    this.#use[segment] = SegmentUse.Shared
    this.#pagesMapped += PAGES_PER_SEGMENT
    this.#segmentLimit = Math.max(this.#segmentLimit, segment + 1)
    const first = segment * PAGES_PER_SEGMENT
    if (segment === 0) this.#insert(1, PAGES_PER_SEGMENT - 1)
    else this.#insert(first, PAGES_PER_SEGMENT)
    return true
  }

  #allocateOwn(count: number): number {
    const segments = Math.ceil(count / PAGES_PER_SEGMENT)
    const first = this.#findUnmapped(segments)
    if (first < 0 || !this.#source.map(first, segments)) return -1
    this.#use[first] = SegmentUse.Own
    this.#use.fill(SegmentUse.OwnTail, first + 1, first + segments)
    this.#pagesMapped += segments * PAGES_PER_SEGMENT
    this.#segmentLimit = Math.max(this.#segmentLimit, first + segments)
    this.#pagesUsed += count
    return first * PAGES_PER_SEGMENT
  }

  #unmap(segment: number, count: number): void {
    this.#source.unmap(segment, count)
    this.#use.fill(SegmentUse.None, segment, segment + count)
    this.#pagesMapped -= count * PAGES_PER_SEGMENT
  }

  /** First of `count` consecutive segments without memory, or -1. Segment 0 holds no own buffer. */
  #findUnmapped(count: number): number {
    let length = 0
    for (let segment = count > 1 ? 1 : 0; segment < this.#use.length; segment++) {
      length = this.#use[segment] === SegmentUse.None ? length + 1 : 0
      if (length === count) return segment - count + 1
    }
    return -1
  }
}

/** The list for extents of `length` pages: exact up to 32, then four lists per doubling. */
function listOf(length: number): number {
  if (length <= EXACT_LISTS) return length - 1
  const log = 31 - Math.clz32(length)
  return EXACT_LISTS + (log - 5) * 4 + ((length >>> (log - 2)) & 3)
}

/** The shortest length in `list`. */
function lowestOf(list: number): number {
  if (list < EXACT_LISTS) return list + 1
  const log = 5 + ((list - EXACT_LISTS) >>> 2)
  return (4 + ((list - EXACT_LISTS) & 3)) << (log - 2)
}
