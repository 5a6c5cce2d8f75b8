// A range of bytes as a small mutable object that is made once and filled again and again: the way
// keys and values travel on the hot path, where a view per call would be an allocation per call.

import { assert } from './assert.ts'

/** Longest range that a loop copies faster. */
const LOOP_COPY_MAX = 24
/**
 * C's memmove. `set` and `copyWithin` copy shared memory with an atomic access for each byte, or
 * for each word where both places are aligned alike: 4 KiB take 14 times as long, or 3 times
 * (bench/copy.ts).
 */
const nativeCopy = Buffer.prototype.copy
const EMPTY = new Uint8Array(0)

/** What has bytes to offer as a slice has. */
export interface ByteRange {
  readonly bytes: Uint8Array
  readonly start: number
  readonly length: number
}

export class Slice {
  bytes: Uint8Array = EMPTY
  start = 0
  length = 0

  /** Points at `bytes[start, start + length)`; returns itself. */
  set(bytes: Uint8Array, start: number, length: number): this {
    this.bytes = bytes
    this.start = start
    this.length = length
    return this
  }

  /** Points at the same bytes as `other`; returns itself. */
  setTo(other: Slice): this {
    return this.set(other.bytes, other.start, other.length)
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.set(EMPTY, 0, 0)
  }

  /** A copy of the bytes. Allocates. */
  toBytes(): Uint8Array {
    return this.bytes.slice(this.start, this.start + this.length)
  }

  /** The bytes as text, one character a byte. Allocates; for logs, tests and rare paths. */
  toLatin1(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.start, this.length).toString(
      'latin1',
    )
  }

  /** A slice over the UTF-8 bytes of a text. Allocates. */
  static ofText(text: string): Slice {
    const bytes = Buffer.from(text, 'utf8')
    return new Slice().set(bytes, 0, bytes.length)
  }
}

/** What is filled with ranges of borrowed bytes, and can let go of them. */
export interface Borrower {
  forget(): void
}

/** The borrowers of this thread that live as long as it does. */
const SCRATCH: Borrower[] = []

/**
 * A slice that lives as long as its thread and is filled again and again. What it pointed at last
 * would stay in memory with it; `forgetScratch` lets go.
 */
export function scratchSlice(): Slice {
  return asScratch(new Slice())
}

/** Makes `forgetScratch` empty a borrower that lives as long as its thread; returns it. */
export function asScratch<T extends Borrower>(borrower: T): T {
  SCRATCH.push(borrower)
  return borrower
}

/** Empties every scratch slice, and its like, of this thread; to be called between commands. */
export function forgetScratch(): void {
  for (const borrower of SCRATCH) borrower.forget()
}

/** Copies a range, of `target` itself too, to `target` from `at` on. */
export function copySlice(source: ByteRange, target: Uint8Array, at: number): void {
  const { bytes, start, length } = source
  assert(at >= 0 && at + length <= target.length, 'what is copied fits its place')
  // From behind only matters where the range is moved up within its own bytes.
  if (length <= LOOP_COPY_MAX && bytes !== target) {
    for (let i = 0; i < length; i++) target[at + i] = bytes[start + i]!
  } else {
    nativeCopy.call(bytes, target, at, start, start + length)
  }
}

/** Moves `bytes[from, limit)` to `to` in the same bytes; the ranges may overlap. */
export function moveWithin(bytes: Uint8Array, to: number, from: number, limit: number): void {
  assert(from <= limit && limit <= bytes.length, 'what is moved lies in the bytes')
  assert(to >= 0 && to + limit - from <= bytes.length, 'what is moved fits its place')
  if (limit - from > LOOP_COPY_MAX) {
    nativeCopy.call(bytes, bytes, to, from, limit)
  } else if (to > from) {
    for (let i = limit - 1, shift = to - from; i >= from; i--) bytes[i + shift] = bytes[i]!
  } else {
    for (let i = from, shift = to - from; i < limit; i++) bytes[i + shift] = bytes[i]!
  }
}
