// A range of bytes as a small mutable object that is made once and filled again and again: the way
// keys and values travel on the hot path, where a view per call would be an allocation per call.

/** Longest range that a loop copies faster. */
const LOOP_COPY_MAX = 24
const EMPTY = new Uint8Array(0)

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

/** The slices of this thread that live as long as it does. */
const SCRATCH: Slice[] = []

/**
 * A slice that lives as long as its thread and is filled again and again. What it pointed at last
 * would stay in memory with it; `forgetScratch` lets go.
 */
export function scratchSlice(): Slice {
  const slice = new Slice()
  SCRATCH.push(slice)
  return slice
}

/** Empties every scratch slice of this thread; to be called between commands. */
export function forgetScratch(): void {
  for (const slice of SCRATCH) slice.set(EMPTY, 0, 0)
}

/** Copies a slice into `target` from `at`; by loop when short: `set` costs 30 ns at any length. */
export function copySlice(source: Slice, target: Uint8Array, at: number): void {
  const { bytes, start, length } = source
  if (length <= LOOP_COPY_MAX) {
    for (let i = 0; i < length; i++) target[at + i] = bytes[start + i]!
  } else {
    target.set(bytes.subarray(start, start + length), at)
  }
}
