// Checking mode of a cut (tests and simulation): a checksum of every page of the cut when it opens,
// and the proof when it closes that no byte of a page changed that nobody touched. A write without
// `touch` would be a torn snapshot; here it is an assertion with the page's number.
//
// The clock bytes of records are left out: they are the one exemption of the touch rule. They are
// the upper three bytes of a cell's first word.

import { fail } from '../base/assert.ts'
import type { Arena } from './arena.ts'
import { PAGE_SEGMENT_SHIFT, PageKind, PTR_SEGMENT_MASK, ptrOfPage } from './layout.ts'
import { SLAB_HEADER_BYTES } from './size-class.ts'

const WORDS_PER_PAGE = 1024
/** Keeps type and encoding of a record's first word, drops its clock. */
const CLOCKLESS = 0x000000ff

export class PageChecker {
  readonly #arena: Arena
  /** Checksum by first page of a record run or node, or by single page of a span. */
  readonly #sums = new Map<number, number>()

  constructor(arena: Arena) {
    this.#arena = arena
    const { kind } = arena.pages
    for (let page = 1; page < arena.pool.pageLimit; page++) {
      const isChecked =
        kind[page] === PageKind.Record ||
        kind[page] === PageKind.Node ||
        kind[page] === PageKind.Span ||
        kind[page] === PageKind.SpanBody
      if (isChecked) this.#sums.set(page, this.#sum(page))
    }
  }

  /** Asserts that each page for which `isUntouched` holds has its checksum of the cut. */
  verify(isUntouched: (page: number) => boolean): void {
    const { kind } = this.#arena.pages
    for (const [page, sum] of this.#sums) {
      // A run that was freed after the scanner took it is nobody's any more.
      if (kind[page] === PageKind.Free || !isUntouched(page)) continue
      if (this.#sum(page) !== sum) fail(`page ${page} changed during a cut without touch`)
    }
  }

  #sum(page: number): number {
    const { kind, run } = this.#arena.pages
    const words = this.#arena.u32[page >>> PAGE_SEGMENT_SHIFT]!
    const start = (ptrOfPage(page) & PTR_SEGMENT_MASK) << 1
    const isRecord = kind[page] === PageKind.Record
    const isRun = isRecord || kind[page] === PageKind.Node
    const length = (isRun ? run[page]! : 1) * WORDS_PER_PAGE
    const cellWords = isRecord ? (words[start]! & 0xffff) / 4 : 0
    let sum = 0x811c9dc5
    // The next word that is the first of a cell, and with it a clock.
    let clockAt = isRecord ? SLAB_HEADER_BYTES / 4 : length
    for (let i = 0; i < length; i++) {
      let word = words[start + i]!
      if (i === clockAt) {
        word &= CLOCKLESS
        clockAt += cellWords
      }
      sum = Math.imul(sum ^ word, 0x01000193)
    }
    return sum
  }
}
