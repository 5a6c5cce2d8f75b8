// A range of bytes as a small mutable object that is made once and filled again and again: the way
// keys and values travel on the hot path, where a view per call would be an allocation per call.

/** Longest range that a loop copies faster. */
const LOOP_COPY_MAX = 24
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

/** Copies a range into `target` from `at`; by loop when short: `set` costs 30 ns at any length. */
export function copySlice(source: ByteRange, target: Uint8Array, at: number): void {
  const { bytes, start, length } = source
  if (length <= LOOP_COPY_MAX) {
    for (let i = 0; i < length; i++) target[at + i] = bytes[start + i]!
  } else {
    target.set(bytes.subarray(start, start + length), at)
  }
}
