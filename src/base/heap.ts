// The door to V8's garbage collector. Buffers live outside V8's heap, which stays small and quiet;
// so V8 sees no reason to collect, and a dropped buffer of hundreds of megabytes would stay in
// memory for as long as nothing else happens. Whoever drops much says so here.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** V8's `gc`, as `--expose-gc` defines it. */
type Collect = (options?: { type: 'major'; execution: 'async' }) => Promise<void> | undefined

let collect: Collect | null = null

function load(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}

/** Collects now: some milliseconds for a heap of ten megabytes. For threads with nothing to do. */
export function collectGarbage(): void {
  collect ??= load()
  collect()
}

/** Collects in a task of its own; most of the work runs beside the caller's thread. */
export function collectGarbageSoon(): void {
  collect ??= load()
  void collect({ type: 'major', execution: 'async' })
}

/** Bytes of all buffers this thread made, those included that nobody refers to any more. */
export function bufferBytes(): number {
  return process.memoryUsage().arrayBuffers
}
