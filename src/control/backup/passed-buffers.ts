// Buffers of bytes that have passed are garbage at once, but V8 looks for them only when there are
// 64 MB more of them. Each pass makes some, of kernel buffers, compression and encryption, none of
// which can be told to use the same ones again. So the young ones are collected after every 4 MB:
// well below a millisecond each, and the process stays below 200 MB (bench/backup.ts).

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const COLLECT_BYTES = 4 * 1024 * 1024

type Collect = (options: { readonly type: 'minor' }) => void

let collect: Collect | null = null
let passed = 0

/** So many bytes have passed through buffers that nobody has any more. */
export function noteBytesPassed(bytes: number): void {
  passed += bytes
  if (passed < COLLECT_BYTES) return
  passed = 0
  collect ??= findCollect()
  collect({ type: 'minor' })
}

/** V8's function, which only contexts have that are made after the flag. */
function findCollect(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}
