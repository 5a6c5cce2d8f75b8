// The arguments of one command: ranges of one byte array, the name first. `QueryReader` fills it; a
// handler reads it. The bytes are borrowed: they lie in the transport's receive buffer or in the
// connection's query buffer, and are valid until the handler returns. Whoever keeps an argument
// longer takes `copy(i)`.

import { assert } from '../base/assert.ts'
import {
  EMPTY_BYTES,
  latin1,
  matchesWord,
  parseDouble,
  parseInteger,
  textOf,
  writeLatin1,
} from '../base/bytes.ts'
import type { I64 } from '../base/i64.ts'

const INITIAL_CAPACITY = 16
/** A start and a length. */
const BYTES_PER_RANGE = 8
/** Arrays that grew beyond this are given back by `shrink`. */
const KEPT_CAPACITY = 1024

export class Args {
  /** Where all arguments of the command lie. */
  bytes: Uint8Array = EMPTY_BYTES
  /** Arguments, the name included. */
  count = 0
  /** Offset of each argument in `bytes`; read-only for handlers. Replaced when it grows. */
  starts = new Uint32Array(INITIAL_CAPACITY)
  /** Length of each argument; read-only for handlers. Replaced when it grows. */
  lengths = new Uint32Array(INITIAL_CAPACITY)

  /** Makes arguments of texts, for tests and for commands the server gives itself. */
  static of(...texts: readonly (string | Uint8Array)[]): Args {
    const args = new Args()
    let total = 0
    for (const text of texts) total += text.length
    args.bytes = new Uint8Array(total)
    let at = 0
    for (const text of texts) {
      if (typeof text === 'string') writeLatin1(args.bytes, at, text)
      else args.bytes.set(text, at)
      args.add(at, text.length)
      at += text.length
    }
    return args
  }

  start(i: number): number {
    assert(i >= 0 && i < this.count, 'no such argument')
    return this.starts[i]!
  }

  length(i: number): number {
    assert(i >= 0 && i < this.count, 'no such argument')
    return this.lengths[i]!
  }

  /** Whether argument `i` is `word` in any case; `word` is a lower-case constant. */
  is(i: number, word: Uint8Array): boolean {
    return matchesWord(this.bytes, this.start(i), this.length(i), word)
  }

  /** The i64 that argument `i` spells, or null: then the reply is NOT_INTEGER. */
  integer(i: number): I64 | null {
    return parseInteger(this.bytes, this.start(i), this.length(i))
  }

  /** The double that argument `i` spells, or null: then the reply is NOT_FLOAT. */
  double(i: number): number | null {
    return parseDouble(this.bytes, this.start(i), this.length(i))
  }

  /** Argument `i`, one character per byte (latin1, loses nothing). Allocates. */
  text(i: number): string {
    return textOf(this.bytes, this.start(i), this.length(i))
  }

  /** The first `limit` bytes of an argument as text, for messages; however long the rest is. */
  head(i: number, limit: number): string {
    return textOf(this.bytes, this.start(i), Math.min(this.length(i), limit))
  }

  /** Argument `i` in bytes of its own. */
  copy(i: number): Uint8Array {
    const start = this.start(i)
    return this.bytes.slice(start, start + this.length(i))
  }

  /** The whole command in bytes of its own, for queues (MULTI) and blocked clients. */
  clone(): Args {
    const clone = new Args()
    clone.reserve(this.count)
    clone.bytes = new Uint8Array(this.size)
    let at = 0
    for (let i = 0; i < this.count; i++) {
      const start = this.starts[i]!
      const length = this.lengths[i]!
      clone.bytes.set(this.bytes.subarray(start, start + length), at)
      clone.add(at, length)
      at += length
    }
    return clone
  }

  /** Bytes of all arguments together (`argv-mem` of CLIENT LIST). O(count). */
  get size(): number {
    let size = 0
    for (let i = 0; i < this.count; i++) size += this.lengths[i]!
    return size
  }

  /** Bytes allocated for a command in bytes of its own. */
  get allocatedBytes(): number {
    return this.bytes.length + this.starts.length * BYTES_PER_RANGE
  }

  /** Forgets the arguments and the bytes. */
  clear(): void {
    this.count = 0
    this.bytes = EMPTY_BYTES
  }

  /** Gives back arrays that one long command made large. */
  shrink(): void {
    if (this.starts.length <= KEPT_CAPACITY || this.count > INITIAL_CAPACITY) return
    this.starts = this.starts.slice(0, INITIAL_CAPACITY)
    this.lengths = this.lengths.slice(0, INITIAL_CAPACITY)
  }

  /** Appends a range of `bytes`. */
  add(start: number, length: number): void {
    const i = this.count
    if (i === this.starts.length) this.reserve(i + 1)
    this.starts[i] = start
    this.lengths[i] = length
    this.count = i + 1
  }

  /** Takes over the ranges of `other`, each moved by `offset`; `bytes` stay as they are. */
  adopt(other: Args, offset: number): void {
    const count = other.count
    this.reserve(count)
    for (let i = 0; i < count; i++) {
      this.starts[i] = other.starts[i]! + offset
      this.lengths[i] = other.lengths[i]!
    }
    this.count = count
  }

  /** Makes room for `count` arguments. */
  reserve(count: number): void {
    if (count <= this.starts.length) return
    const capacity = Math.max(count, this.starts.length * 2)
    const starts = new Uint32Array(capacity)
    const lengths = new Uint32Array(capacity)
    starts.set(this.starts)
    lengths.set(this.lengths)
    this.starts = starts
    this.lengths = lengths
  }
}

/** A constant for `Args.is`; checks once that it is lower case. */
export function word(text: string): Uint8Array {
  assert(text === text.toLowerCase(), 'words are lower case')
  return latin1(text)
}
