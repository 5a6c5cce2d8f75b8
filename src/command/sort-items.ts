// The elements that SORT works on: where their bytes are, in what order they come, and what they
// are compared by. Elements are not copied: they lie in the keyspace, which does not change while
// SORT reads it. What has no bytes of its own there (a whole number in a packed value) is added as
// text.

import { EMPTY_BYTES, parseDouble, writeInteger } from '../base/bytes.ts'
import type { I64 } from '../base/i64.ts'
import type { ByteRange, Slice } from '../base/slice.ts'

const NUL = 0
const SPACE = 0x20
const TAB = 0x09
const CARRIAGE_RETURN = 0x0d
/** A length that says: there is nothing, which is less than an empty text. */
const ABSENT = -1
const INTEGER_LENGTH_MAX = 20

export class SortItems {
  readonly #bytes: Uint8Array[] = []
  readonly #starts: number[] = []
  readonly #lengths: number[] = []

  get count(): number {
    return this.#bytes.length
  }

  /** Adds bytes that stay where they are until the keyspace changes. */
  add(bytes: Uint8Array, start: number, length: number): void {
    this.#bytes.push(bytes)
    this.#starts.push(start)
    this.#lengths.push(length)
  }

  /** Adds bytes where they lie in the arena; a copy of those that lie elsewhere for the moment. */
  addRange({ bytes, start, length }: ByteRange): void {
    if (bytes.buffer instanceof SharedArrayBuffer) this.add(bytes, start, length)
    else this.add(bytes.slice(start, start + length), 0, length)
  }

  /** Adds the text of a number. */
  addInteger(value: I64): void {
    const text = new Uint8Array(INTEGER_LENGTH_MAX)
    this.add(text, 0, writeInteger(text, 0, value))
  }

  /** Adds nothing, where a text could be. */
  addAbsent(): void {
    this.add(EMPTY_BYTES, 0, ABSENT)
  }

  isAbsent(i: number): boolean {
    return this.#lengths[i] === ABSENT
  }

  /** Points `out` at item `i`; at no bytes when it is absent. */
  read(i: number, out: Slice): Slice {
    return out.set(this.#bytes[i]!, this.#starts[i]!, Math.max(0, this.#lengths[i]!))
  }

  /** Negative, 0 or positive, as memcmp orders; what is absent comes first. */
  compare(i: number, j: number): number {
    const first = this.#bytes[i]!
    const second = this.#bytes[j]!
    const firstStart = this.#starts[i]!
    const secondStart = this.#starts[j]!
    const shared = Math.min(this.#lengths[i]!, this.#lengths[j]!)
    for (let at = 0; at < shared; at++) {
      const difference = first[firstStart + at]! - second[secondStart + at]!
      if (difference !== 0) return difference
    }
    return this.#lengths[i]! - this.#lengths[j]!
  }

  /** Item `i` as a double, as C's strtod reads a text of C; NaN when it is none. Absent: 0. */
  score(i: number): number {
    const bytes = this.#bytes[i]!
    let start = this.#starts[i]!
    const limit = start + this.#lengths[i]!
    // A text of C ends at its first NUL; blanks in front of the number do not matter, nothing is 0.
    let end = start
    while (end < limit && bytes[end] !== NUL) end++
    if (end <= start) return 0
    while (start < end && isBlank(bytes[start]!)) start++
    return start === end ? Number.NaN : (parseDouble(bytes, start, end - start) ?? Number.NaN)
  }
}

/** How SORT orders. */
export interface SortOrder {
  /** By bytes instead of by number. */
  readonly isAlpha: boolean
  readonly isDescending: boolean
}

/**
 * The indexes of `items` in the order of `keys`, which are as many; null when one has to be a
 * number and is none. Equal numbers are ordered by the items themselves. O(n log n).
 */
export function sortItems(
  items: SortItems,
  keys: SortItems,
  { isAlpha, isDescending }: SortOrder,
): Uint32Array | null {
  const { count } = items
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  const sign = isDescending ? -1 : 1
  if (isAlpha) return order.sort((i, j) => sign * keys.compare(i, j))
  const scores = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const score = keys.score(i)
    if (Number.isNaN(score)) return null
    scores[i] = score
  }
  return order.sort((i, j) => {
    const first = scores[i]!
    const second = scores[j]!
    // No difference: those of infinities are not numbers.
    if (first === second) return sign * items.compare(i, j)
    return first < second ? -sign : sign
  })
}

function isBlank(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CARRIAGE_RETURN)
}
