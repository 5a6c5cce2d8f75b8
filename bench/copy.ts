// copy: what does it cost to copy bytes in the arena, which is shared memory, and in other memory?
//
//   node bench/copy.ts
//
// V8 must not tear what threads share, so its own copies of shared memory are one atomic access per
// byte, or per word where source and target have the same place in a word; C's memmove, which
// Buffer's copy is, knows nothing of that. Each row is a length and a distance between the places.
// Each variant runs in a function of its own, the minimum of several runs counts; JSON on stdout.

import { cpus } from 'node:os'

const RUNS = 7
const CALLS = 50_000
const ROOM = 1 << 20
const FROM = 4096
const TO = 65_536
const LENGTHS = [16, 24, 32, 64, 200, 500, 1000, 4096, 16_384]
const nativeCopy = Buffer.prototype.copy

/** Copies `length` bytes from FROM on to `to`. */
type Copy = (bytes: Uint8Array, to: number, length: number) => void

const VARIANTS: Readonly<Record<string, Copy>> = {
  loop(bytes, to, length) {
    for (let i = 0; i < length; i++) bytes[to + i] = bytes[FROM + i]!
  },
  copyWithin(bytes, to, length) {
    bytes.copyWithin(to, FROM, FROM + length)
  },
  set(bytes, to, length) {
    bytes.set(bytes.subarray(FROM, FROM + length), to)
  },
  nativeCopy(bytes, to, length) {
    nativeCopy.call(bytes, bytes, to, FROM, FROM + length)
  },
}

/** Nanoseconds of one call, the fastest of several runs. */
function measure(copy: Copy, bytes: Uint8Array, to: number, length: number): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now()
    for (let i = 0; i < CALLS; i++) copy(bytes, to, length)
    best = Math.min(best, ((performance.now() - start) * 1e6) / CALLS)
  }
  return Math.round(best * 10) / 10
}

const rows: Record<string, unknown>[] = []
for (const memory of ['shared', 'own']) {
  const buffer = memory === 'shared' ? new SharedArrayBuffer(ROOM) : new ArrayBuffer(ROOM)
  const bytes = new Uint8Array(buffer)
  for (const length of LENGTHS) {
    for (const misalignment of [0, 3]) {
      const row: Record<string, unknown> = { memory, length, misalignment }
      for (const [name, copy] of Object.entries(VARIANTS)) {
        row[name] = measure(copy, bytes, TO + misalignment, length)
      }
      rows.push(row)
    }
  }
}
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`
console.log(JSON.stringify({ node: process.version, machine, unit: 'ns per call', rows }, null, 1))
