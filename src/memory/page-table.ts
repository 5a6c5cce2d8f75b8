// The page table: one row per page of the largest arena that this process may have. Columns are
// typed arrays over lazily committed memory (an untouched row costs nothing). The first four are
// shared with the snapshot thread; the rest belongs to the engine alone.
//
//   kind   what the page is used for (PageKind)
//   state  where the page stands in the present cut (see cut.ts)
//   run    first page of a run: pages in it; another page of it: distance back to the first;
//          first and last page of a free extent: pages in the extent
//   slot   the reserve slot that holds the page's preserved copy
//   next, prev   links of the list that the page is in (free extents, partly filled slabs); of a
//                held run `next` links, `prev` counts the settled pages of a span (cut.ts)
//   live         first page of a slab: live cells
//   sizeClass    first page of a slab
//   condemned    first page of a slab of records: 1 while it is being emptied (compaction.ts)
//   space        first page of a slab or span: the space its records belong to
//
// A page changes its kind before its first cell is written and after its last one is gone. The
// engine stores `state` before `kind`, so that the scanner never sees a new page as unread.

import { assert } from '../base/assert.ts'
import { PAGE_BYTES, PAGES_MAX, PageKind } from './layout.ts'

/** The shared columns, as they travel to the snapshot thread. */
export interface SharedPageTable {
  readonly kind: SharedArrayBuffer
  readonly state: SharedArrayBuffer
  readonly run: SharedArrayBuffer
  readonly slot: SharedArrayBuffer
}

export class PageTable {
  readonly capacity: number
  readonly shared: SharedPageTable
  readonly kind: Uint8Array
  readonly state: Uint8Array
  readonly run: Uint32Array
  readonly slot: Int32Array
  readonly next: Uint32Array
  readonly prev: Uint32Array
  readonly live: Uint16Array
  readonly sizeClass: Uint8Array
  readonly space: Uint32Array
  readonly condemned: Uint8Array

  /** A table of `capacity` pages, all free. */
  constructor(capacity: number) {
    assert(capacity > 0 && capacity <= PAGES_MAX, 'an arena has up to 32 GiB')
    this.capacity = capacity
    this.shared = {
      kind: new SharedArrayBuffer(capacity),
      state: new SharedArrayBuffer(capacity),
      run: new SharedArrayBuffer(capacity * 4),
      slot: new SharedArrayBuffer(capacity * 4),
    }
    this.kind = new Uint8Array(this.shared.kind)
    this.state = new Uint8Array(this.shared.state)
    this.run = new Uint32Array(this.shared.run)
    this.slot = new Int32Array(this.shared.slot)
    this.next = new Uint32Array(capacity)
    this.prev = new Uint32Array(capacity)
    this.live = new Uint16Array(capacity)
    this.sizeClass = new Uint8Array(capacity)
    this.space = new Uint32Array(capacity)
    this.condemned = new Uint8Array(capacity)
  }

  /** The first page of the run that `page` lies in; `page` itself for a first page. O(1). */
  headOf(page: number): number {
    const kind = this.kind[page]!
    return isBodyKind(kind) ? page - this.run[page]! : page
  }

  /** Bytes of the rows of `pageCount` pages, for the accounting. */
  static bytesFor(pageCount: number): number {
    return pageCount * 26
  }
}

/** Whether a page of this kind is a further one of its run. */
export function isBodyKind(kind: number): boolean {
  // Every kind with a body is odd, and its body the next number.
  return kind !== PageKind.Free && (kind & 1) === 0
}

/** Pages that hold `bytes`. */
export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES)
}
