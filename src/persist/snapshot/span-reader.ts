// Reads one span of a cut, page by page, as the source of a string for the RDB writer.
//
// The writer reads a long string that it may compress twice (first to learn the compressed length),
// any other string once. In the first of two readings pages are only looked at; in the last each
// page is settled as soon as it is read to its end, so that the engine may write it.

import { assert } from '../../base/assert.ts'
import type { FrozenPages } from '../../memory/frozen-pages.ts'
import { PAGE_BYTES, SPAN_HEADER_BYTES } from '../../memory/layout.ts'
import type { StringSource } from '../rdb/rdb-writer.ts'

export class SpanReader implements StringSource {
  readonly #frozen: FrozenPages
  readonly #isReadTwice: boolean
  readonly #range = { skip: 0, length: 0 }
  #page = 0
  #pageCount = 0
  #length = 0
  /** Pages from the first that are settled. */
  #settled = 0
  #isLooking = false
  /** Bytes given so far in this reading. */
  #given = 0

  constructor(frozen: FrozenPages, options: { readonly isReadTwice: boolean }) {
    this.#frozen = frozen
    this.#isReadTwice = options.isReadTwice
  }

  /** Begins to read `length` bytes of the span whose first page is `page`. */
  open(page: number, length: number): void {
    assert(page > 0 && length >= 0, 'a span has a page and a length')
    this.#page = page
    this.#pageCount = this.#frozen.pageCountOf(page)
    this.#length = length
    this.#settled = 0
    this.#given = 0
    assert(SPAN_HEADER_BYTES + length <= this.#pageCount * PAGE_BYTES, 'the span holds the string')
    this.#isLooking = this.#isReadTwice
  }

  /** Settles up to `limit` pages unread; true while there are more. */
  skip(limit: number): boolean {
    const end = Math.min(this.#pageCount, this.#settled + limit)
    while (this.#settled < end) this.#frozen.skipSpanPage(this.#page + this.#settled++)
    return this.#settled < this.#pageCount
  }

  /** Settles what was not read; returns the pages of the span. */
  close(): number {
    this.skip(this.#pageCount)
    return this.#pageCount
  }

  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void {
    // A reading that begins at 0 and is not whole in one go may be the first of two.
    assert(offset + length <= this.#length, 'reads stay inside the string')
    if (offset === 0) {
      this.#isLooking = this.#isReadTwice && this.#given === 0 && length < this.#length
      this.#given = 0
    }
    assert(offset === this.#given, 'a span is read in order')
    let at = SPAN_HEADER_BYTES + offset
    const limit = at + length
    let to = targetStart
    while (at < limit) {
      const index = Math.floor(at / PAGE_BYTES)
      this.#range.skip = at % PAGE_BYTES
      this.#range.length = Math.min(limit - at, PAGE_BYTES - this.#range.skip)
      const isRead = this.#range.skip + this.#range.length === PAGE_BYTES
      const page = this.#page + index
      if (this.#isLooking || !isRead) {
        this.#frozen.peekSpanPage(page, this.#range, target, to)
      } else {
        this.#frozen.takeSpanPage(page, this.#range, target, to)
        assert(index === this.#settled, 'pages are settled in order')
        this.#settled++
      }
      at += this.#range.length
      to += this.#range.length
    }
    this.#given += length
  }
}
