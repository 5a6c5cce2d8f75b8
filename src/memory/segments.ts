// The buffers behind segment numbers: made, viewed and dropped. A segment, or the segments of one
// large run, is one SharedArrayBuffer; the views of a segment are where every byte of the arena is
// read and written. Owner: the engine.

import type { ReleasePages } from '../base/system-memory.ts'
import { PAGE_BYTES, PAGE_SEGMENT_MASK, PAGE_SEGMENT_SHIFT, SEGMENT_BYTES } from './layout.ts'
import type { SegmentSource } from './page-pool.ts'

/** One buffer behind one segment number. */
export interface SegmentBuffer {
  readonly buffer: SharedArrayBuffer
  /** Where the segment starts in the buffer. */
  readonly offset: number
}

/**
 * Bytes left out at the start of a buffer. The allocator maps a large buffer at a page and keeps 16
 * bytes for itself; without this every dict bucket would lie in two cache lines (1.3 × the time of
 * a lookup among 3 M keys), and no page of ours in one of the system's.
 */
export const ALIGNING_BYTES = PAGE_BYTES - 16
const NO_BYTES = new Uint8Array(0)
const NO_WORDS = new Uint32Array(0)

export class Segments implements SegmentSource {
  /** Views of each segment, by segment number; empty where nothing is mapped. */
  readonly u8: Uint8Array[] = []
  readonly u32: Uint32Array[] = []
  /** The whole buffer that the segment lies in. */
  readonly wide: Uint8Array[] = []
  readonly buffers: (SegmentBuffer | null)[] = []
  readonly #release: ReleasePages | null

  constructor(release: ReleasePages | null) {
    this.#release = release
  }

  get canRelease(): boolean {
    return this.#release !== null
  }

  map(first: number, count: number): boolean {
    let buffer: SharedArrayBuffer
    try {
      buffer = new SharedArrayBuffer(count * SEGMENT_BYTES + PAGE_BYTES)
    } catch {
      return false
    }
    const wide = new Uint8Array(buffer)
    for (let i = 0; i < count; i++) {
      const offset = ALIGNING_BYTES + i * SEGMENT_BYTES
      while (this.u8.length <= first + i) this.unmap(this.u8.length, 1)
      this.u8[first + i] = new Uint8Array(buffer, offset, SEGMENT_BYTES)
      this.u32[first + i] = new Uint32Array(buffer, offset, SEGMENT_BYTES / 4)
      this.buffers[first + i] = { buffer, offset }
      this.wide[first + i] = wide
    }
    return true
  }

  unmap(first: number, count: number): void {
    for (let segment = first; segment < first + count; segment++) {
      this.u8[segment] = NO_BYTES
      this.u32[segment] = NO_WORDS
      this.buffers[segment] = null
      this.wide[segment] = NO_BYTES
    }
  }

  release(page: number, count: number): boolean {
    const start = (page & PAGE_SEGMENT_MASK) * PAGE_BYTES
    const bytes = this.u8[page >>> PAGE_SEGMENT_SHIFT]!
    return this.#release?.(bytes.subarray(start, start + count * PAGE_BYTES)) ?? false
  }
}
