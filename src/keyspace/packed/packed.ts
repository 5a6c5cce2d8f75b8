// Packed values: small collections, and the chunks of large ones, as one run of bytes, in Redis's
// own formats, so that DUMP and RDB files take them as they lie. `listpack.ts` reads and
// `listpack-edit.ts` changes lists of strings and integers; `intset.ts` does both for sorted
// integers.
//
// All functions work on `(bytes, start)`, `start` being the first byte of the packed value, and on
// places `at` in the same array, counted from the array's beginning. They allocate nothing, and
// change bytes only where their name says so: `touch` is the caller's, and so is the room behind
// the value. An element comes out in a `PackedEntry`, made once and filled again and again.
//
// Packed values in our own memory are whole: bytes from outside go through `validate` first, and
// the other functions merely assert.

import { EMPTY_BYTES, INTEGER_LENGTH_MAX } from '../../base/bytes.ts'
import type { I64 } from '../../base/i64.ts'
import { asScratch, copySlice, type Slice } from '../../base/slice.ts'
import { Int64 } from './int64.ts'

/**
 * An entry that lives as long as its thread and is filled again and again; it lets go of what it
 * points at with the thread's scratch slices.
 */
export function scratchEntry(): PackedEntry {
  return asScratch(new PackedEntry())
}

/** An element of a packed value: an integer, or a string as a range of the packed bytes. */
export class PackedEntry {
  isInteger = false
  /** The integer, if it is one. */
  readonly int64 = new Int64()
  /** Where the string lies, if it is one; valid while the packed bytes are. */
  bytes: Uint8Array = EMPTY_BYTES
  start = 0
  length = 0
  readonly #digits = new Uint8Array(INTEGER_LENGTH_MAX)

  setString(bytes: Uint8Array, start: number, length: number): void {
    this.isInteger = false
    this.bytes = bytes
    this.start = start
    this.length = length
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.setString(EMPTY_BYTES, 0, 0)
  }

  /** Takes an integer as its two words. */
  setWords(low: number, high: number): void {
    this.isInteger = true
    this.int64.low = low | 0
    this.int64.high = high | 0
  }

  /** Takes an integer of 32 bits. */
  setInt32(value: number): void {
    this.isInteger = true
    this.int64.low = value
    this.int64.high = value >> 31
  }

  /** The integer, if it is one; allocates beyond ±(2^53 − 1). */
  get integer(): I64 {
    return this.int64.value
  }

  /** Bytes of the text, be it an integer or not. */
  get textLength(): number {
    return this.isInteger ? this.int64.textLength : this.length
  }

  /** Writes the text; returns the offset after it. */
  writeText(target: Uint8Array, at: number): number {
    if (this.isInteger) return this.int64.writeText(target, at)
    copySlice(this, target, at)
    return at + this.length
  }

  /**
   * Points `out` at the text: at the packed bytes, or, for an integer, at digits that are valid
   * until this is called again. Returns `out`.
   */
  textInto(out: Slice): Slice {
    if (!this.isInteger) return out.set(this.bytes, this.start, this.length)
    return out.set(this.#digits, 0, this.int64.writeText(this.#digits, 0))
  }

  /** The text, one character per byte. Allocates; for tests and rare paths. */
  toLatin1(): string {
    if (this.isInteger) return String(this.integer)
    const { bytes, start, length } = this
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
  }
}
