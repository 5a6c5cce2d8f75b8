// Runs of pages inside segments: who is free, who is used. Free extents are kept in lists by length
// (one list per length up to 32 pages, then four per doubling) with a bitmap of the lists that are
// not empty, so that allocating and freeing are O(1). Neighbouring free extents merge; the length
// of an extent stands in the page table's `run` at its first and at its last page.
//
// A run never crosses a segment. More than a segment's worth of pages gets a buffer of its own that
// covers as many consecutive segment numbers as it needs, and goes back whole when it is freed.
//
// Free pages that were used once are *dirty*: the system still keeps memory for them. Where single
// pages can go back to it (`SegmentSource.release`), that is done in steps (`releasePages`), own
// buffers that were freed included; a segment is dropped when all of it is free and clean. Without
// that door a segment is dropped as soon as it is free.
//
// Page 0 is never given out: its first granule would be NULL.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { DirtyPages } from './dirty-pages.ts'
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
  /**
   * Gives the memory of free pages of one segment back to the system and keeps the pages; false:
   * it refused, now and for good.
   */
  release(page: number, count: number): boolean
  /** Whether `release` can do anything. */
  readonly canRelease: boolean
}

/** A buffer of one run that was freed, and how many of its pages still have memory. */
interface Dying {
  readonly segment: number
  readonly segments: number
  pagesLeft: number
}

const NO_PAGE = 0xffffffff
const EXACT_LISTS = 32
const LISTS = EXACT_LISTS + 4 * 15
/** Extents looked at in a list whose extents may be too short, before a segment is added. */
const OWN_LIST_SEARCH = 64
/** Wholly free segments kept for the next allocation; one more is given back. */
const SPARE_SEGMENTS = 1
/** Pages given back by one call: about 0.05 ms. */
const RELEASE_PAGES = 256
const SegmentUse = { None: 0, Shared: 1, Own: 2, OwnTail: 3, Dying: 4 } as const

export class PagePool {
  readonly #table: PageTable
  readonly #source: SegmentSource
  readonly #heads = new Uint32Array(LISTS).fill(NO_PAGE)
  readonly #filled = new Uint32Array(Math.ceil(LISTS / 32))
  readonly #use: Uint8Array
  readonly #dirty: DirtyPages
  readonly #dying: Dying[] = []
  /** Pages of dying buffers that still have memory. */
  #dyingPages = 0
  /** Where the next search for dirty pages begins. */
  #releaseAt = 0
  #canRelease: boolean
  #freeSegments = 0
  #segmentLimit = 0
  #pagesUsed = 0
  #pagesMapped = 0

  constructor(table: PageTable, source: SegmentSource) {
    this.#table = table
    this.#source = source
    this.#use = new Uint8Array(Math.ceil(table.capacity / PAGES_PER_SEGMENT))
    this.#dirty = new DirtyPages(table.capacity)
    this.#canRelease = source.canRelease
  }

  /** Pages given out. */
  get pagesUsed(): number {
    return this.#pagesUsed
  }

  /** Pages backed by segments, used or free. */
  get pagesMapped(): number {
    return this.#pagesMapped
  }

  /** Free pages that the system may still keep memory for. */
  get pagesDirty(): number {
    return this.#dirty.count + this.#dyingPages
  }

  /** Pages that take memory: in use, or free and not given back yet. */
  get pagesResident(): number {
    return this.#pagesUsed + this.#dirty.count + this.#dyingPages
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
    this.#dirty.remove(page, count)
    this.#pagesUsed += count
    return page
  }

  /** Gives a run back. The caller has set its pages' kinds to Free. O(1). */
  free(page: number, count: number): void {
    const segment = page >>> PAGE_SEGMENT_SHIFT
    this.#pagesUsed -= count
    if (this.#use[segment] === SegmentUse.Own) {
      this.#freeOwn(segment, count)
      return
    }
    assert(this.#use[segment] === SegmentUse.Shared, 'a freed run lies in a mapped segment')
    this.#dirty.add(page, count)
    this.#insertMerged(page, count)
  }

  /**
   * Gives memory of up to `limit` free pages back to the system; returns how many it was, 0 when
   * there is none to give. About 0.2 µs a page.
   */
  releasePages(limit: number): number {
    let released = 0
    while (released < limit && this.#canRelease) {
      const most = Math.min(RELEASE_PAGES, limit - released)
      const count = this.#dying.length > 0 ? this.#releaseDying(most) : this.#releaseDirty(most)
      if (count === 0) break
      released += count
    }
    if (!this.#canRelease && this.#dying.length > 0) this.#dropDying()
    return released
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
    let dying = 0
    for (const { segments } of this.#dying) dying += segments * PAGES_PER_SEGMENT
    const known = free + this.#pagesUsed + reserved + tail + dying
    assert(known === mapped, 'every page is free or used')
    let dirty = 0
    const limit = this.pageLimit
    for (let at = this.#dirty.next(0, limit); at >= 0; at = this.#dirty.next(at + 1, limit)) {
      assert(kind[at] === PageKind.Free, 'dirty pages are free')
      dirty++
    }
    assert(dirty === this.#dirty.count, 'dirty pages are counted')
  }

  /** A run with a buffer of its own is freed: the buffer goes at once, or in steps. */
  #freeOwn(segment: number, pageCount: number): void {
    const segments = Math.ceil(pageCount / PAGES_PER_SEGMENT)
    if (!this.#canRelease) return this.#unmap(segment, segments)
    this.#use.fill(SegmentUse.Dying, segment, segment + segments)
    this.#dying.push({ segment, segments, pagesLeft: pageCount })
    this.#dyingPages += pageCount
  }

  /** Drops what is dying whole. */
  #dropDying(): void {
    for (const { segment, segments } of this.#dying.splice(0)) this.#unmap(segment, segments)
    this.#dyingPages = 0
  }

  /** Gives back the end of the first dying buffer, which is dropped with its last page. */
  #releaseDying(most: number): number {
    const dying = this.#dying[0]!
    const { segment, segments } = dying
    // A call stays in one segment: the pages of the last one first.
    const inLast = ((dying.pagesLeft - 1) & PAGE_SEGMENT_MASK) + 1
    const count = Math.min(most, inLast)
    dying.pagesLeft -= count
    this.#dyingPages -= count
    this.#release(segment * PAGES_PER_SEGMENT + dying.pagesLeft, count)
    if (dying.pagesLeft > 0) return count
    this.#dying.shift()
    this.#unmap(segment, segments)
    return count
  }

  /** Gives back the next dirty pages that lie in a row; 0: there are none. */
  #releaseDirty(most: number): number {
    if (this.#dirty.count === 0) return 0
    let page = this.#dirty.next(this.#releaseAt, this.pageLimit)
    if (page < 0) page = this.#dirty.next(0, this.pageLimit)
    assert(page >= 0, 'what is counted is found')
    const inSegment = PAGES_PER_SEGMENT - (page & PAGE_SEGMENT_MASK)
    const count = this.#dirty.lengthAt(page, Math.min(most, inSegment))
    this.#releaseAt = page + count
    this.#dirty.remove(page, count)
    this.#release(page, count)
    this.#dropFree(page >>> PAGE_SEGMENT_SHIFT)
    return count
  }

  #release(page: number, count: number): void {
    if (!this.#source.release(page, count)) this.#canRelease = false
  }

  /** Drops a segment if all of it is free and clean, and enough others are spare. */
  #dropFree(segment: number): void {
    if (this.#freeSegments <= SPARE_SEGMENTS) return
    const first = segment * PAGES_PER_SEGMENT
    const isFree = this.#table.kind[first] === PageKind.Free
    if (!isFree || this.#table.run[first] !== PAGES_PER_SEGMENT) return
    if (this.#dirty.next(first, first + PAGES_PER_SEGMENT) >= 0) return
    this.#remove(first, PAGES_PER_SEGMENT)
    this.#unmap(segment, 1)
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
    const isSegment = length === PAGES_PER_SEGMENT
    if (isSegment && !this.#canRelease && this.#freeSegments >= SPARE_SEGMENTS) {
      this.#unmap(page >>> PAGE_SEGMENT_SHIFT, 1)
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
    this.#dirty.remove(segment * PAGES_PER_SEGMENT, count * PAGES_PER_SEGMENT)
    this.#use.fill(SegmentUse.None, segment, segment + count)
    this.#pagesMapped -= count * PAGES_PER_SEGMENT
  }

  /** First of `count` consecutive segments without memory, or -1. */
  #findUnmapped(count: number): number {
    const found = this.#searchUnmapped(count)
    if (found >= 0 || this.#dying.length === 0) return found
    this.#dropDying()
    return this.#searchUnmapped(count)
  }

  /** Segment 0 holds no own buffer. */
  #searchUnmapped(count: number): number {
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
