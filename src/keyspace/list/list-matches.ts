// Elements of one listpack that equal a text: counted, and removed in one pass however many there
// are, for LREM.

import { assert } from '../../base/assert.ts'
import { type ByteRange, moveWithin } from '../../base/slice.ts'
import {
  END,
  endOf,
  entryBytes,
  equalsEntry,
  find,
  firstEntry,
  HEADER_BYTES,
  nextEntry,
} from '../packed/listpack.ts'
import { addCount, spliceWithin } from '../packed/listpack-edit.ts'

/** Entries that equal `wanted`. O(bytes). */
export function countMatches(bytes: Uint8Array, start: number, wanted: ByteRange): number {
  let matches = 0
  let at = find(bytes, firstEntry(bytes, start), wanted, 0)
  for (; at !== END; at = find(bytes, nextEntry(bytes, at), wanted, 0)) matches++
  return matches
}

/**
 * Removes `count` entries, all of them there, that equal `wanted`, those after the first `spared`.
 * Returns the new total. O(bytes).
 */
export function removeMatches(
  bytes: Uint8Array,
  start: number,
  wanted: ByteRange,
  { spared, count }: { readonly spared: number; readonly count: number },
): number {
  const limit = endOf(bytes, start)
  let matches = 0
  let gone = 0
  let next = start + HEADER_BYTES
  // What stays lies in runs between matches, and each run is moved as one.
  let to = next
  let run = next
  for (let at = next; at < limit && gone < count; at = next) {
    next = at + entryBytes(bytes, at)
    if (!equalsEntry(bytes, at, wanted) || matches++ < spared) continue
    if (to !== run) moveWithin(bytes, to, run, at)
    to += at - run
    run = next
    gone++
  }
  assert(gone === count, 'the matches are there')
  addCount(bytes, start, -count)
  return spliceWithin(bytes, start, run, to - run)
}

/** Whether two ranges have the same bytes. */
export function equalBytes(a: ByteRange, b: ByteRange): boolean {
  if (a.length !== b.length) return false
  const left = a.bytes
  const right = b.bytes
  const from = a.start
  const to = b.start
  for (let i = 0; i < a.length; i++) {
    if (left[from + i]! !== right[to + i]!) return false
  }
  return true
}
