// Copies of sets and hashes, for COPY: packed values as their bytes, large ones leaf by leaf. The
// copy takes the key's place at the end: ARENA_FULL leaves both keys as they were.

import { type Slice, scratchSlice } from '../../base/slice.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { ROOT_WORDS, Root } from '../root.ts'
import type { LeafDict } from './leaf-dict.ts'

const VALUE = scratchSlice()
const SOURCE = new Root()
const WORDS = new Uint32Array(ROOT_WORDS)

/** Gives `key` of `target` a copy of the set in `record`, without a deadline. O(bytes). */
export function copySet(source: Database, record: Ptr, target: Database, key: Slice): Ptr {
  return copyValue(source, record, { dict: source.memberDict, target, key })
}

/**
 * Gives `key` of `target` a copy of the hash in `record`, without a deadline but with those of its
 * fields. O(bytes).
 */
export function copyHash(source: Database, record: Ptr, target: Database, key: Slice): Ptr {
  const deadlineMs = source.fieldDeadlineOf(record)
  const made = copyValue(source, record, { dict: source.fieldDict, target, key })
  if (deadlineMs === 0) return made
  try {
    return target.setFieldDeadline(made, deadlineMs)
  } catch (error) {
    target.remove(made)
    throw error
  }
}

function copyValue(
  source: Database,
  record: Ptr,
  place: { readonly dict: LeafDict; readonly target: Database; readonly key: Slice },
): Ptr {
  const { dict, target, key } = place
  const head = { type: source.typeOf(record), encoding: source.encodingOf(record) }
  if (!source.hasRoot(record)) return target.putPacked(key, source.readString(record, VALUE), head)
  dict.clone(source.readRoot(record, SOURCE), WORDS)
  SOURCE.forget()
  try {
    return target.putRoot(key, WORDS, head)
  } catch (error) {
    dict.discard(WORDS)
    throw error
  }
}
