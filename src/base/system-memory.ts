// The door to what Node lacks for large memory: giving pages of a living buffer back to the system.
// Without it a page goes back only when the whole buffer is dropped and V8 gets round to noticing.
//
// Calls `madvise` by koffi, an optional package (docs/decisions/0015-page-return.md). Where there
// is none, or the system is not Linux, there is no door (null), and memory goes back by whole
// buffers.
// A call takes about 1 µs and 0.1 to 0.2 µs for each page that was in memory.
//
// `trimHeap` asks the C library to give back what its heap holds free between buffers of V8 and
// Node that live on: some milliseconds, for whoever has just dropped much.

import { createRequire } from 'node:module'

/**
 * Gives the memory behind `bytes` back; from then on they read as zeros. Start and length are whole
 * pages of the system. False: the system refused, and the bytes are as they were.
 */
export type ReleasePages = (bytes: Uint8Array) => boolean

interface Koffi {
  load(library: string): { func(prototype: string): Call }
}

const C_LIBRARY = 'libc.so.6'
const MADVISE = 'int madvise(void *start, size_t length, int advice)'
const MADV_DONTNEED = 4
const MALLOC_TRIM = 'int malloc_trim(size_t pad)'

type Call = (...args: unknown[]) => number

let found: ReleasePages | null | undefined
let trim: Call | null | undefined

/** The door, or null where the system has none. The first call loads it: some milliseconds. */
export function pageRelease(): ReleasePages | null {
  found ??= open()
  return found
}

/** Has the C library give free memory of its heap back, where that can be asked for. */
export function trimHeap(): void {
  trim ??= find(MALLOC_TRIM)
  trim?.(0)
}

function open(): ReleasePages | null {
  const madvise = find(MADVISE)
  if (madvise === null) return null
  return (bytes) => madvise(bytes, bytes.length, MADV_DONTNEED) === 0
}

/** A function of the C library; null: there is none, or no way to call it. */
function find(prototype: string): Call | null {
  if (process.platform !== 'linux') return null
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    return koffi.load(C_LIBRARY).func(prototype)
  } catch {
    // Not installed (it is optional), not built for this machine, or another C library.
    return null
  }
}
