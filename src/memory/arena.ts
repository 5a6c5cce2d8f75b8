// The arena: all off-heap bytes of the dataset. Front door of `memory/`.
//
//   cells   record cells in slabs, 16 bytes to 16 KiB; a slab belongs to one *space* (a database's
//           present content), so the snapshot reads a record's database from its page, and FLUSHDB
//           frees pages, not keys
//   spans   one value larger than a cell: whole pages, with the Ptr of the record that owns it
//   nodes   parts of a large collection: runs of 1 to 8 pages that name their collection
//   tables  pages of index structures, and slabs of index cells; no snapshot reads them
//
// **No byte of a cell, span or node changes before `touch(ptr)`.** While no cut is open that is one
// load and a branch. `touch` may preserve the page (and with a full reserve wait for the scanner);
// then the page may be written until the next command. LRU/LFU clock bytes are the one exemption.
//
// Slab, a run of 1 to 8 pages (size-class.ts); preserved and scanned as one:
//    0         2        4       8                 40
//    +---------+--------+-------+-----------------+--------+--------+--
//    | cell    | cell   | space | bitmap of live  | cell 0 | cell 1 | …
//    | bytes   | count  |       | cells, 256 bits |        |        |
//    +---------+--------+-------+-----------------+--------+--------+--
//
// A full arena, or a system that refuses another segment, throws ARENA_FULL out of every method
// `allocate…`, which has changed nothing then. Freeing never allocates.
// Invariants: a page's state is stored before its kind · a page is Free only when no cut still
// needs it (else it is held) · `usedBytes` is the exact sum of live cells, spans and tables.
// Owner: the engine; the snapshot thread reads pages through `FrozenPages` only.

import { assert } from '../base/assert.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import type { ReleasePages } from '../base/system-memory.ts'
import {
  COLLECTION_SPACE,
  GRANULE_BYTES,
  INDEX_SPACE,
  NULL,
  PAGE_BYTES,
  PAGE_SEGMENT_SHIFT,
  PageKind,
  PTR_PAGE_SHIFT,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  ptrOfPage,
  SPAN_HEADER_BYTES,
} from './layout.ts'
import { PagePool } from './page-pool.ts'
import { PageTable, pagesFor } from './page-table.ts'
import { type SegmentBuffer, Segments } from './segments.ts'
import {
  CELL_BYTES_MAX,
  CLASS_CELL_BYTES,
  CLASS_CELL_COUNT,
  CLASS_COUNT,
  CLASS_RUN_PAGES,
  classOfBytes,
  RUN_PAGES_MAX,
  SLAB_HEADER_BYTES,
} from './size-class.ts'

/** What an open cut adds to `touch` and to freeing. */
export interface Guard {
  /** Makes the run of `page` writable: preserves it, or waits until the scanner has read it. */
  touch(page: number): void
  /** Whether `touch` of the run's first page takes nothing: it is read, or preserved already. */
  isWritable(page: number): boolean
  /** Takes over the freeing of a run that the cut still needs; false when it does not. */
  hold(page: number, pageCount: number): boolean
  /** Called before `pageCount` pages are allocated; waits when held pages pass the reserve. */
  admit(pageCount: number): void
}

const NO_PAGE = 0xffffffff
/** The space of runs that are freed, or held for a cut. */
const NO_SPACE = 0xffffffff
/** One for all: what runs a command catches it and refuses the command. */
export const ARENA_FULL = new StoreError(
  ErrorCode.OutOfMemory,
  'arena: no memory left for this allocation, expected free pages below the arena limit',
)

export class Arena {
  readonly pages: PageTable
  readonly pool: PagePool
  /** Views of each segment, by segment number; empty where nothing is mapped. */
  readonly u8: readonly Uint8Array[]
  readonly u32: readonly Uint32Array[]
  readonly segments: readonly (SegmentBuffer | null)[]
  /** How memory goes back to the system; null: by whole buffers only. */
  readonly releaseBytes: ReleasePages | null
  /** The page state that lets writes pass; changes when a cut opens. */
  doneState = 0
  /** Counts the cuts of this arena; 0 before the first. */
  cutNumber = 0
  readonly #state: Uint8Array
  readonly #wide: readonly Uint8Array[]
  #guard: Guard | null = null
  #partial = new Uint32Array(0)
  #cellBytes = 0
  #spanBytes = 0
  #tableBytes = 0
  #nodeBytes = 0
  /** Pages of the spans of large elements, by collection; lazily committed as the page table is. */
  readonly #elementPages: Uint32Array
  /** Live index cells, and the pages of their slabs. */
  #indexBytes = 0
  #indexPages = 0
  /** Pages of record slabs in use. */
  #slabPages = 0

  /**
   * An arena of up to `pageCapacity` pages; memory is taken as it is needed. It goes back by
   * `release`, or without that (null) by whole segments.
   */
  constructor(pageCapacity: number, release: ReleasePages | null = null) {
    this.pages = new PageTable(pageCapacity)
    this.releaseBytes = release
    this.#elementPages = new Uint32Array(pageCapacity)
    this.#state = this.pages.state
    const segments = new Segments(release)
    this.u8 = segments.u8
    this.u32 = segments.u32
    this.segments = segments.buffers
    this.#wide = segments.wide
    this.pool = new PagePool(this.pages, segments)
  }

  /** Bytes of all that is allocated, with the page table's rows for pages in use. */
  get usedBytes(): number {
    const rows = PageTable.bytesFor(this.pool.pagesUsed)
    return this.datasetBytes + this.#tableBytes + this.#indexBytes + rows
  }

  /** Bytes of live records with their spans and nodes alone. */
  get datasetBytes(): number {
    return this.#cellBytes + this.#spanBytes + this.#nodeBytes
  }

  /** Bytes of the slabs that record cells lie in. */
  get slabBytes(): number {
    return this.#slabPages * PAGE_BYTES
  }

  /** Bytes of live record cells. */
  get cellsBytes(): number {
    return this.#cellBytes
  }

  /** Pages that a snapshot reads, those included that are held for a cut. */
  get dataPages(): number {
    return this.pool.pagesUsed - this.#tableBytes / PAGE_BYTES - this.#indexPages
  }

  /** Bytes of the segments that are mapped, used or free. */
  get mappedBytes(): number {
    return this.pool.pagesMapped * PAGE_BYTES
  }

  get guard(): Guard | null {
    return this.#guard
  }

  setGuard(guard: Guard | null): void {
    this.#guard = guard
  }

  /** Must be called before any byte of the cell, node or span page at `ptr` changes. */
  touch(ptr: Ptr): void {
    if (this.#state[ptr >>> PTR_PAGE_SHIFT] !== this.doneState) this.#touchGuarded(ptr)
  }

  /** Whether `touch` of the run that begins at `page` takes nothing of an open cut's reserve. */
  isWritable(page: number): boolean {
    return this.#state[page] === this.doneState || (this.#guard?.isWritable(page) ?? false)
  }

  /** `touch` for every page of a span's range of bytes, counted from the span's data. */
  touchSpan(span: Ptr, start: number, length: number): void {
    assert(start >= 0 && length >= 0, 'a range is not negative')
    const first = SPAN_HEADER_BYTES + start
    const page = span >>> PTR_PAGE_SHIFT
    const last = page + Math.floor((first + Math.max(length, 1) - 1) / PAGE_BYTES)
    for (let at = page + Math.floor(first / PAGE_BYTES); at <= last; at++) {
      if (this.#state[at] !== this.doneState) this.#touchGuarded(ptrOfPage(at))
    }
  }

  /** A cell of at least `bytes` (≤ 16 KiB) in a slab of `space`; content undefined. O(1). */
  allocateCell(space: number, bytes: number): Ptr {
    const sizeClass = classOfBytes(bytes)
    const list = space * CLASS_COUNT + sizeClass
    if (list >= this.#partial.length) this.#growLists(space)
    let head = this.#partial[list]!
    if (head === NO_PAGE) head = this.#newSlab(space, sizeClass)
    else if (space !== INDEX_SPACE) this.touch(ptrOfPage(head))
    const words = this.u32[head >>> PAGE_SEGMENT_SHIFT]!
    let word = ((ptrOfPage(head) & PTR_SEGMENT_MASK) << 1) + 2
    const firstWord = word
    while (words[word] === 0xffffffff) word++
    const free = ~words[word]!
    const bit = 31 - Math.clz32(free & -free)
    const index = (word - firstWord) * 32 + bit
    assert(index < CLASS_CELL_COUNT[sizeClass]!, 'a listed slab has a free cell')
    words[word] = (words[word]! | (1 << bit)) >>> 0
    const live = this.pages.live[head]! + 1
    this.pages.live[head] = live
    if (live === CLASS_CELL_COUNT[sizeClass]!) this.#unlist(head, list)
    const cellBytes = CLASS_CELL_BYTES[sizeClass]!
    if (space === INDEX_SPACE) this.#indexBytes += cellBytes
    else this.#cellBytes += cellBytes
    return ptrOfPage(head) + (SLAB_HEADER_BYTES + index * cellBytes) / GRANULE_BYTES
  }

  /** Gives a cell back. Its slab goes back when it was the last. O(1). */
  freeCell(ptr: Ptr): void {
    const head = this.pages.headOf(ptr >>> PTR_PAGE_SHIFT)
    const isIndex = this.pages.kind[head] === PageKind.Index
    assert(isIndex || this.pages.kind[head] === PageKind.Record, 'a cell lies in a slab')
    if (!isIndex) this.touch(ptr)
    const sizeClass = this.pages.sizeClass[head]!
    const cellBytes = CLASS_CELL_BYTES[sizeClass]!
    const base = ptrOfPage(head)
    const index = ((ptr - base) * GRANULE_BYTES - SLAB_HEADER_BYTES) / cellBytes
    const words = this.u32[head >>> PAGE_SEGMENT_SHIFT]!
    const header = (base & PTR_SEGMENT_MASK) << 1
    const word = header + 2 + (index >>> 5)
    const mask = 1 << (index & 31)
    assert((words[word]! & mask) !== 0, 'a freed cell was live')
    words[word] = (words[word]! & ~mask) >>> 0
    if (isIndex) this.#indexBytes -= cellBytes
    else this.#cellBytes -= cellBytes
    const live = this.pages.live[head]! - 1
    this.pages.live[head] = live
    const list = this.pages.space[head]! * CLASS_COUNT + sizeClass
    const wasFull = live === CLASS_CELL_COUNT[sizeClass]! - 1
    if (live === 0) {
      if (!wasFull) this.#unlistSlab(head, list)
      this.#releaseRun(head, CLASS_RUN_PAGES[sizeClass]!)
    } else if (wasFull) this.#list(head, list)
  }

  /** Takes a slab with free cells off its list: nothing is put into it any more. O(1). */
  condemn(head: number): void {
    assert(this.pages.kind[head] === PageKind.Record, 'a slab of records starts here')
    assert(this.pages.condemned[head] === 0, 'a slab is condemned once')
    this.#unlist(head, this.#listOfSlab(head))
    this.pages.condemned[head] = 1
  }

  /** Puts a condemned slab back on its list. O(1). */
  pardon(head: number): void {
    assert(this.pages.condemned[head] === 1, 'only a condemned slab is pardoned')
    this.pages.condemned[head] = 0
    this.#list(head, this.#listOfSlab(head))
  }

  /**
   * Memory for a piece of an index structure: a cell, or beyond 16 KiB a table. Content undefined;
   * written without `touch`, as no snapshot reads it. O(1) for a cell.
   */
  allocateIndex(bytes: number): Ptr {
    assert(bytes > 0, 'an index has bytes')
    if (bytes <= CELL_BYTES_MAX) return this.allocateCell(INDEX_SPACE, bytes)
    return this.allocateTable(pagesFor(bytes))
  }

  /** Gives back what `allocateIndex` gave. */
  freeIndex(ptr: Ptr): void {
    const page = ptr >>> PTR_PAGE_SHIFT
    if (this.pages.kind[page] === PageKind.Table) this.freeTable(ptr)
    else this.freeCell(ptr)
  }

  /** Bytes at `ptr` of `allocateIndex`, at least what was asked for. O(1). */
  indexBytes(ptr: Ptr): number {
    const page = ptr >>> PTR_PAGE_SHIFT
    if (this.pages.kind[page] === PageKind.Table) return this.pages.run[page]! * PAGE_BYTES
    return this.cellBytes(ptr)
  }

  /**
   * A node of `pageCount` pages (1 to 8) for the collection of that number, which stands in its
   * first word. Preserved and scanned as one. Content undefined but for that word. O(1).
   */
  allocateNode(collection: number, pageCount: number): Ptr {
    assert(pageCount > 0 && pageCount <= RUN_PAGES_MAX, 'a node is a run of 1 to 8 pages')
    const page = this.#allocateRun(pageCount, PageKind.Node)
    this.#nodeBytes += pageCount * PAGE_BYTES
    this.pages.space[page] = COLLECTION_SPACE
    const ptr = ptrOfPage(page)
    this.u32[ptr >>> PTR_SEGMENT_SHIFT]![(ptr & PTR_SEGMENT_MASK) << 1] = collection
    return ptr
  }

  /** Gives a node back; its pages are held while a cut still needs them. O(1). */
  freeNode(node: Ptr): void {
    const page = node >>> PTR_PAGE_SHIFT
    assert(this.pages.kind[page] === PageKind.Node, 'a node starts here')
    const pageCount = this.pages.run[page]!
    this.#nodeBytes -= pageCount * PAGE_BYTES
    this.#releaseRun(page, pageCount)
  }

  /** Pages of the node. O(1). */
  nodePages(node: Ptr): number {
    assert(this.pages.kind[node >>> PTR_PAGE_SHIFT] === PageKind.Node, 'a node starts here')
    return this.pages.run[node >>> PTR_PAGE_SHIFT]!
  }

  /** Bytes of the cell at `ptr`, at least what was asked for. O(1). */
  cellBytes(ptr: Ptr): number {
    return CLASS_CELL_BYTES[this.pages.sizeClass[this.pages.headOf(ptr >>> PTR_PAGE_SHIFT)]!]!
  }

  /** The space that the cell at `ptr` belongs to. O(1). */
  spaceOf(ptr: Ptr): number {
    return this.pages.space[this.pages.headOf(ptr >>> PTR_PAGE_SHIFT)]!
  }

  /** A span for `bytes` of data, owned by the record at `owner`. O(pages), content undefined. */
  allocateSpan(owner: Ptr, bytes: number): Ptr {
    const pageCount = pagesFor(SPAN_HEADER_BYTES + bytes)
    const page = this.#allocateRun(pageCount, PageKind.Span)
    this.#spanBytes += pageCount * PAGE_BYTES
    const ptr = ptrOfPage(page)
    this.u32[ptr >>> PTR_SEGMENT_SHIFT]![(ptr & PTR_SEGMENT_MASK) << 1] = owner
    this.pages.space[page] = this.spaceOf(owner)
    return ptr
  }

  /** A span for `bytes` of one large element of a collection. O(pages), content undefined. */
  allocateElement(collection: number, bytes: number): Ptr {
    const pageCount = pagesFor(SPAN_HEADER_BYTES + bytes)
    const page = this.#allocateRun(pageCount, PageKind.Span)
    this.#spanBytes += pageCount * PAGE_BYTES
    const ptr = ptrOfPage(page)
    const words = this.u32[ptr >>> PTR_SEGMENT_SHIFT]!
    words[(ptr & PTR_SEGMENT_MASK) << 1] = NULL
    words[((ptr & PTR_SEGMENT_MASK) << 1) + 1] = collection
    this.pages.space[page] = COLLECTION_SPACE
    this.#elementPages[collection] = this.#elementPages[collection]! + pageCount
    return ptr
  }

  /** Bytes of the spans of a collection's large elements. O(1). */
  elementBytesOf(collection: number): number {
    return this.#elementPages[collection]! * PAGE_BYTES
  }

  /** Gives a span back; its pages are held while a cut still needs them. O(pages). */
  freeSpan(span: Ptr): void {
    const page = span >>> PTR_PAGE_SHIFT
    assert(this.pages.kind[page] === PageKind.Span, 'a span starts here')
    const pageCount = this.pages.run[page]!
    this.#spanBytes -= pageCount * PAGE_BYTES
    if (this.ownerOf(span) === NULL) this.#forgetElement(span, pageCount)
    this.#releaseRun(page, pageCount)
  }

  /** Bytes of data that the span has room for. */
  spanCapacity(span: Ptr): number {
    return this.pages.run[span >>> PTR_PAGE_SHIFT]! * PAGE_BYTES - SPAN_HEADER_BYTES
  }

  /** The record that owns the span. */
  ownerOf(span: Ptr): Ptr {
    return this.u32[span >>> PTR_SEGMENT_SHIFT]![(span & PTR_SEGMENT_MASK) << 1]!
  }

  /** Hands the span to the record at `owner`, of whatever space. */
  setOwner(span: Ptr, owner: Ptr): void {
    this.touch(span)
    this.pages.space[span >>> PTR_PAGE_SHIFT] = this.spaceOf(owner)
    this.u32[span >>> PTR_SEGMENT_SHIFT]![(span & PTR_SEGMENT_MASK) << 1] = owner
  }

  /** Zeroed pages for an index structure. O(pages). */
  allocateTable(pageCount: number): Ptr {
    const table = this.tryAllocateTable(pageCount)
    if (table === NULL) throw ARENA_FULL
    return table
  }

  /** `allocateTable` for what can be done without: NULL when the arena is full. */
  tryAllocateTable(pageCount: number): Ptr {
    const page = this.#findRun(pageCount, PageKind.Table)
    if (page < 0) return NULL
    this.#tableBytes += pageCount * PAGE_BYTES
    const ptr = ptrOfPage(page)
    const start = (ptr & PTR_SEGMENT_MASK) << 3
    this.u8[ptr >>> PTR_SEGMENT_SHIFT]!.fill(0, start, start + pageCount * PAGE_BYTES)
    return ptr
  }

  freeTable(table: Ptr): void {
    assert(table > 0, 'NULL is no table')
    const page = table >>> PTR_PAGE_SHIFT
    assert(this.pages.kind[page] === PageKind.Table, 'a table starts here')
    const pageCount = this.pages.run[page]!
    this.#tableBytes -= pageCount * PAGE_BYTES
    this.freeRun(page, pageCount)
  }

  /** A view in which all bytes of the span at `ptr` are contiguous; see `contiguousStart`. */
  contiguousBytes(ptr: Ptr): Uint8Array {
    return this.#wide[ptr >>> PTR_SEGMENT_SHIFT]!
  }

  /** Index of the granule `ptr` in `contiguousBytes(ptr)`. */
  contiguousStart(ptr: Ptr): number {
    const segment = this.segments[ptr >>> PTR_SEGMENT_SHIFT]!
    return segment.offset + ((ptr & PTR_SEGMENT_MASK) << 3)
  }

  /**
   * Frees one slab with all its cells, or one span whole, as FLUSHDB does; walks no cell. O(pages).
   */
  dropRun(head: number): void {
    if (this.pages.kind[head] === PageKind.Span) {
      this.freeSpan(ptrOfPage(head))
      return
    }
    assert(this.pages.kind[head] === PageKind.Record, 'a slab or a span starts here')
    const sizeClass = this.pages.sizeClass[head]!
    const list = this.pages.space[head]! * CLASS_COUNT + sizeClass
    const live = this.pages.live[head]!
    if (live < CLASS_CELL_COUNT[sizeClass]!) this.#unlistSlab(head, list)
    this.pages.live[head] = 0
    this.#cellBytes -= live * CLASS_CELL_BYTES[sizeClass]!
    this.#releaseRun(head, CLASS_RUN_PAGES[sizeClass]!)
  }

  /** Returns pages to the pool at once. Only for runs that no cut needs. */
  freeRun(page: number, pageCount: number): void {
    assert(page > 0 && pageCount > 0, 'a run has pages, and page 0 is in none')
    this.pages.kind.fill(PageKind.Free, page, page + pageCount)
    this.pool.free(page, pageCount)
  }

  /** Walks every slab and span: bitmaps, counts, lists and the byte accounting agree. */
  check(): void {
    this.pool.check()
    let cellBytes = 0
    let spanBytes = 0
    let nodeBytes = 0
    for (let page = 1; page < this.pool.pageLimit; page++) {
      const kind = this.pages.kind[page]!
      const isSlab = kind === PageKind.Record || kind === PageKind.Index
      if (isSlab && this.pages.live[page]! > 0) cellBytes += this.#checkSlab(page)
      if (kind === PageKind.Span) spanBytes += this.pages.run[page]! * PAGE_BYTES
      if (kind === PageKind.Node) nodeBytes += this.pages.run[page]! * PAGE_BYTES
    }
    assert(cellBytes === this.#cellBytes + this.#indexBytes, 'live cells are counted')
    // Pages that are held for a cut keep their kind, but are not counted.
    if (this.#guard) return
    assert(spanBytes === this.#spanBytes, 'spans are counted')
    assert(nodeBytes === this.#nodeBytes, 'nodes are counted')
  }

  #checkSlab(head: number): number {
    const base = ptrOfPage(head)
    const words = this.u32[base >>> PTR_SEGMENT_SHIFT]!
    const header = (base & PTR_SEGMENT_MASK) << 1
    const sizeClass = this.pages.sizeClass[head]!
    const cellCount = CLASS_CELL_COUNT[sizeClass]!
    const expected = CLASS_CELL_BYTES[sizeClass]! | (cellCount << 16)
    assert(words[header] === expected >>> 0, 'the slab header tells its class')
    let live = 0
    for (let i = 0; i < cellCount; i++) {
      if ((words[header + 2 + (i >>> 5)]! & (1 << (i & 31))) !== 0) live++
    }
    assert(live === this.pages.live[head], 'the bitmap tells the live cells')
    const list = words[header + 1]! * CLASS_COUNT + sizeClass
    let isListed = false
    for (let at = this.#partial[list]!; at !== NO_PAGE; at = this.pages.next[at]!) {
      if (at === head) isListed = true
    }
    const isCondemned = this.pages.condemned[head] === 1
    assert(isListed === (live < cellCount && !isCondemned), 'slabs with free cells are listed')
    return live * CLASS_CELL_BYTES[sizeClass]!
  }

  #forgetElement(span: Ptr, pageCount: number): void {
    const words = this.u32[span >>> PTR_SEGMENT_SHIFT]!
    const collection = words[((span & PTR_SEGMENT_MASK) << 1) + 1]!
    assert(this.#elementPages[collection]! >= pageCount, 'pages of elements are counted')
    this.#elementPages[collection] = this.#elementPages[collection]! - pageCount
  }

  #touchGuarded(ptr: Ptr): void {
    const guard = this.#guard
    assert(guard !== null, 'only a cut makes pages unread')
    guard.touch(ptr >>> PTR_PAGE_SHIFT)
  }

  #newSlab(space: number, sizeClass: number): number {
    const runPages = CLASS_RUN_PAGES[sizeClass]!
    const isIndex = space === INDEX_SPACE
    const head = this.#allocateRun(runPages, isIndex ? PageKind.Index : PageKind.Record)
    if (isIndex) this.#indexPages += runPages
    else this.#slabPages += runPages
    const base = ptrOfPage(head)
    const words = this.u32[base >>> PTR_SEGMENT_SHIFT]!
    const header = (base & PTR_SEGMENT_MASK) << 1
    words[header] = CLASS_CELL_BYTES[sizeClass]! | (CLASS_CELL_COUNT[sizeClass]! << 16)
    words[header + 1] = space
    for (let i = 2; i < 10; i++) words[header + i] = 0
    this.pages.live[head] = 0
    this.pages.sizeClass[head] = sizeClass
    this.pages.space[head] = space
    this.#list(head, space * CLASS_COUNT + sizeClass)
    return head
  }

  #allocateRun(pageCount: number, kind: PageKind): number {
    const page = this.#findRun(pageCount, kind)
    if (page < 0) throw ARENA_FULL
    return page
  }

  /** A run whose pages are born done, so that the open cut ignores them; -1: the arena is full. */
  #findRun(pageCount: number, kind: PageKind): number {
    this.#guard?.admit(pageCount)
    const page = this.pool.allocate(pageCount)
    if (page < 0) return -1
    const { state, run } = this.pages
    state.fill(this.doneState, page, page + pageCount)
    run[page] = pageCount
    const kinds = this.pages.kind
    if (pageCount > 1) kinds.fill(kind + 1, page + 1, page + pageCount)
    for (let i = 1; i < pageCount; i++) run[page + i] = i
    Atomics.store(kinds, page, kind)
    return page
  }

  #releaseRun(page: number, pageCount: number): void {
    if (this.pages.kind[page] === PageKind.Index) {
      this.#indexPages -= pageCount
      this.freeRun(page, pageCount)
      return
    }
    if (this.pages.kind[page] === PageKind.Record) this.#slabPages -= pageCount
    // A held run keeps its kind until the scanner has read it, but belongs to nobody any more.
    this.pages.space[page] = NO_SPACE
    if (this.#guard?.hold(page, pageCount)) return
    this.freeRun(page, pageCount)
  }

  #list(head: number, list: number): void {
    const first = this.#partial[list]!
    this.pages.next[head] = first
    this.pages.prev[head] = NO_PAGE
    if (first !== NO_PAGE) this.pages.prev[first] = head
    this.#partial[list] = head
  }

  #unlist(head: number, list: number): void {
    const after = this.pages.next[head]!
    const before = this.pages.prev[head]!
    if (after !== NO_PAGE) this.pages.prev[after] = before
    if (before !== NO_PAGE) this.pages.next[before] = after
    else this.#partial[list] = after
  }

  #listOfSlab(head: number): number {
    return this.pages.space[head]! * CLASS_COUNT + this.pages.sizeClass[head]!
  }

  /** Takes a slab that is about to go off its list, if it is on it. */
  #unlistSlab(head: number, list: number): void {
    if (this.pages.condemned[head] === 0) this.#unlist(head, list)
    this.pages.condemned[head] = 0
  }

  #growLists(space: number): void {
    const grown = new Uint32Array(Math.max(16, (space + 1) * 2) * CLASS_COUNT).fill(NO_PAGE)
    grown.set(this.#partial)
    this.#partial = grown
  }
}
