// Which free pages may still be backed by memory: pages that were used since they were mapped, or
// since they were last given back to the system. One bit a page, so that looking through the free
// memory of a gigabyte reads 32 KiB. Owner: the engine, through `PagePool`.

import { assert } from '../base/assert.ts'

const WORD_SHIFT = 5
const WORD_MASK = 31

export class DirtyPages {
  readonly #words: Uint32Array
  #count = 0

  constructor(pageCapacity: number) {
    this.#words = new Uint32Array(Math.ceil(pageCapacity / 32))
  }

  /** Pages that are marked. */
  get count(): number {
    return this.#count
  }

  has(page: number): boolean {
    return (this.#words[page >>> WORD_SHIFT]! & (1 << (page & WORD_MASK))) !== 0
  }

  /** Marks pages of which none is marked. O(pages / 32). */
  add(page: number, count: number): void {
    assert(count > 0, 'pages are marked')
    this.#count += count
    const words = this.#words
    for (let at = page; at < page + count; ) {
      const bits = bitsOf(at, page + count)
      words[at >>> WORD_SHIFT] = (words[at >>> WORD_SHIFT]! | bits) >>> 0
      at = ((at >>> WORD_SHIFT) + 1) << WORD_SHIFT
    }
  }

  /** Clears what is marked among the pages. O(pages / 32). */
  remove(page: number, count: number): void {
    if (this.#count === 0) return
    const words = this.#words
    for (let at = page; at < page + count; ) {
      const word = words[at >>> WORD_SHIFT]!
      const bits = word & bitsOf(at, page + count)
      if (bits !== 0) {
        this.#count -= countOf(bits)
        words[at >>> WORD_SHIFT] = (word & ~bits) >>> 0
      }
      at = ((at >>> WORD_SHIFT) + 1) << WORD_SHIFT
    }
  }

  /** The first marked page from `page` on and below `limit`, or -1. O(pages / 32). */
  next(page: number, limit: number): number {
    const words = this.#words
    for (let at = page; at < limit; ) {
      const bits = words[at >>> WORD_SHIFT]! & (-1 << (at & WORD_MASK))
      if (bits !== 0) {
        const found = ((at >>> WORD_SHIFT) << WORD_SHIFT) + 31 - Math.clz32(bits & -bits)
        return found < limit ? found : -1
      }
      at = ((at >>> WORD_SHIFT) + 1) << WORD_SHIFT
    }
    return -1
  }

  /** Marked pages in a row from `page` on, up to `max`. */
  lengthAt(page: number, max: number): number {
    let count = 0
    while (count < max && this.has(page + count)) count++
    return count
  }
}

/** The bits of the word of `page` that belong to pages from `page` on and below `limit`. */
function bitsOf(page: number, limit: number): number {
  const from = -1 << (page & WORD_MASK)
  const end = (page | WORD_MASK) + 1
  return limit >= end ? from : from & ~(-1 << (limit & WORD_MASK))
}

/** Bits that are set in a word. */
function countOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
