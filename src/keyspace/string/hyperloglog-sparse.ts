// Runs of a sparse HyperLogLog. All registers in order are cut into runs of equal ones:
//
//    00xxxxxx             ZERO   1 to 64 registers are 0
//    01xxxxxx yyyyyyyy    XZERO  1 to 16384 registers are 0; x are the upper bits
//    1vvvvvxx             VAL    1 to 4 registers are v + 1, which is at most 32
//
// Everything is stored less one. How runs are split and joined decides the bytes, so it is Redis's
// way: the run that holds the register falls into up to three; then the runs around it are joined
// where two neighbours keep the same rank and are four registers together.

import { assert } from '../../base/assert.ts'
import type { Slice } from '../../base/slice.ts'

const XZERO = 0x40
const VAL = 0x80
export const ZERO_LENGTH_MAX = 64
export const XZERO_LENGTH_MAX = 16384
export const VAL_LENGTH_MAX = 4
/** The highest rank that VAL can hold. */
export const VAL_RANK_MAX = 32

/** The run that `eachRun` read last. */
export const RUN = { rank: 0, length: 0 }

/**
 * Reads the run at offset `at` of a value into RUN; returns the offset of the next one, -1 when the
 * run is cut off.
 */
export function eachRun({ bytes, start, length }: Slice, at: number): number {
  assert(at < length, 'a run lies inside its value')
  const byte = bytes[start + at]!
  if ((byte & VAL) !== 0) {
    RUN.rank = ((byte >>> 2) & 31) + 1
    RUN.length = (byte & 3) + 1
    return at + 1
  }
  RUN.rank = 0
  if ((byte & XZERO) === 0) {
    RUN.length = byte + 1
    return at + 1
  }
  if (at + 1 >= length) return -1
  RUN.length = (((byte & 63) << 8) | bytes[start + at + 1]!) + 1
  return at + 2
}

/** Writes a run of registers that are all `rank`; returns the offset behind it. */
export function writeRun(bytes: Uint8Array, at: number, rank: number, length: number): number {
  if (rank > 0) {
    assert(rank <= VAL_RANK_MAX && length <= VAL_LENGTH_MAX, 'VAL holds the run')
    bytes[at] = VAL | ((rank - 1) << 2) | (length - 1)
    return at + 1
  }
  assert(length >= 1 && length <= XZERO_LENGTH_MAX, 'XZERO holds the run')
  if (length <= ZERO_LENGTH_MAX) {
    bytes[at] = length - 1
    return at + 1
  }
  bytes[at] = XZERO | ((length - 1) >>> 8)
  bytes[at + 1] = (length - 1) & 0xff
  return at + 2
}

/** Whether the byte is a VAL run. */
export function isVal(byte: number): boolean {
  return (byte & VAL) !== 0
}

/** The run that two neighbouring VAL runs make together; 0 when they cannot be joined. */
export function joinedVal(first: number, second: number): number {
  // The same rank: all bits but those of the length.
  if (((first ^ second) & ~3) !== 0) return 0
  const length = (first & 3) + (second & 3) + 2
  return length <= VAL_LENGTH_MAX ? (first & ~3) | (length - 1) : 0
}
