// Buffers of some size that are needed for a short time, kept for who needs one next: a V8 that is
// asked for a buffer of 400 KB per command collects garbage more than half of its time. Bounded in
// bytes and count; what nobody has needed for a while is dropped by `age`. Contents are not
// cleared: whoever takes a buffer reads only what it has written.
//
// Invariant: `#bytes` is the length of all buffers in `#buffers`. Owner: the engine.

import { assert } from './assert.ts'

export interface BufferPoolLimits {
  /** Lengths of buffers that are worth keeping. */
  readonly lengthMin: number
  readonly lengthMax: number
  /** Bytes of all buffers that are kept. */
  readonly bytesMax: number
}

/** Looking through more would cost more than a new buffer of the smallest size. */
const BUFFERS_MAX = 64

export class BufferPool {
  readonly #limits: BufferPoolLimits
  readonly #buffers: Uint8Array[] = []
  #bytes = 0
  /** Fewest buffers kept since the last `age`: so many were not needed. */
  #leastCount = 0

  constructor(limits: BufferPoolLimits) {
    assert(limits.lengthMin <= limits.lengthMax, 'lengths of buffers')
    this.#limits = limits
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes
  }

  /** A buffer of at least `length` and at most twice that, or null. O(buffers), at most 64. */
  take(length: number): Uint8Array | null {
    if (length < this.#limits.lengthMin || length > this.#limits.lengthMax) return null
    const buffers = this.#buffers
    for (let i = buffers.length - 1; i >= 0; i--) {
      const buffer = buffers[i]!
      if (buffer.length < length || buffer.length > length * 2) continue
      // The order of the others does not matter.
      buffers[i] = buffers[buffers.length - 1]!
      buffers.pop()
      this.#bytes -= buffer.length
      this.#leastCount = Math.min(this.#leastCount, buffers.length)
      return buffer
    }
    return null
  }

  /** Keeps a buffer that nobody uses any more, if there is room for it. */
  give(buffer: Uint8Array): void {
    const { lengthMin, lengthMax, bytesMax } = this.#limits
    if (buffer.length < lengthMin || buffer.length > lengthMax) return
    if (this.#buffers.length === BUFFERS_MAX || this.#bytes + buffer.length > bytesMax) return
    this.#buffers.push(buffer)
    this.#bytes += buffer.length
  }

  /** Drops buffers that were not needed since the last call; for a cron. */
  age(): void {
    const { length } = this.#buffers
    assert(this.#leastCount <= length, 'no more are unused than there are')
    for (const buffer of this.#buffers.splice(0, this.#leastCount)) this.#bytes -= buffer.length
    this.#leastCount = this.#buffers.length
    assert(this.#bytes >= 0, 'bytes of what is kept')
  }
}
