// Sizes and addresses of the arena, shared by all its files and threads.
//
//   segment  64 MiB, a fixed-length SharedArrayBuffer; above glibc's largest mmap threshold
//            (32 MiB), so that a dropped segment goes back to the system at once
//   page     4 KiB, the unit of copy-on-write
//   granule  8 bytes; a `Ptr` is the index of a granule, so 32 bits address 32 GiB
//
// Ptr, 32 bits:   | segment: 9 | page in segment: 14 | granule in page: 9 |
// Page number:    | segment: 9 | page in segment: 14 |

/** Index of a granule in the arena. 0 is NULL. */
export type Ptr = number
export const NULL: Ptr = 0

export const GRANULE_BYTES = 8
export const PAGE_BYTES = 4096
export const SEGMENT_BYTES = 64 * 1024 * 1024
export const PAGES_PER_SEGMENT = SEGMENT_BYTES / PAGE_BYTES

/** `ptr >>> PTR_PAGE_SHIFT` is the page number. */
export const PTR_PAGE_SHIFT = 9
/** `ptr >>> PTR_SEGMENT_SHIFT` is the segment. */
export const PTR_SEGMENT_SHIFT = 23
/** `ptr & PTR_SEGMENT_MASK` is the granule in its segment. */
export const PTR_SEGMENT_MASK = (1 << PTR_SEGMENT_SHIFT) - 1
/** `page >>> PAGE_SEGMENT_SHIFT` is the segment. */
export const PAGE_SEGMENT_SHIFT = 14
export const PAGE_SEGMENT_MASK = PAGES_PER_SEGMENT - 1
/** Pages of the largest possible arena, 32 GiB. */
export const PAGES_MAX = 2 ** 32 / (PAGE_BYTES / GRANULE_BYTES)

/** The first granule of a page. */
export function ptrOfPage(page: number): Ptr {
  return (page << PTR_PAGE_SHIFT) >>> 0
}

/** What a page is used for. A kind with a body is odd, and its body the number after it. */
export const PageKind = {
  /** No use, or not backed by memory yet. */
  Free: 0,
  /** First page of a run of record cells. */
  Record: 1,
  /** Another page of a run of record cells. */
  RecordBody: 2,
  /** First page of a span: one large value. */
  Span: 3,
  /** Another page of a span. */
  SpanBody: 4,
  /** Index structures (dict, expires), which no snapshot reads. */
  Table: 5,
  /** Another page of a table run. */
  TableBody: 6,
  /** First page of a node: part of a large collection, 1 to 8 pages. */
  Node: 7,
  /** Another page of a node. */
  NodeBody: 8,
  /** First page of a run of index cells, which no snapshot reads. */
  Index: 9,
  /** Another page of a run of index cells. */
  IndexBody: 10,
} as const
export type PageKind = (typeof PageKind)[keyof typeof PageKind]

/**
 * What a span starts with: the Ptr of the record that owns it, or 0 and the number of the
 * collection that does; then 8 spare bytes.
 */
export const SPAN_HEADER_BYTES = 16

/** The space of index cells. Databases' spaces begin at 1. */
export const INDEX_SPACE = 0
/** The space of nodes and spans that belong to a collection, wherever its record is. */
export const COLLECTION_SPACE = 0xfffffffe
