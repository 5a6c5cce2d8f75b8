// Copies of sorted sets, for COPY. A copy is called as its original is, but lies in memory as if it
// had been filled anew: packed if it fits, with leaves that are full.

import { type Slice, scratchSlice } from '../../base/slice.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { zsetsOf } from './zset.ts'

const MEMBER = scratchSlice()
/** A copy is called as the original is; its size does not matter. */
const NO_LIMITS = { ...defaultEncodingLimits(), zsetEntriesMax: Infinity, zsetValueMax: Infinity }

/**
 * Puts a copy of the set of `record` under a key of `target`, whatever that held, without a
 * deadline. Returns the record. ARENA_FULL: nothing has changed, or the key is gone. O(n log n).
 */
export function copyZset(source: Database, record: Ptr, target: Database, key: Slice): Ptr {
  const { main, made } = zsetsOf(source)
  main.open(source, record)
  made.openNewAs(main.encoding)
  try {
    main.seekRank(0)
    do made.add(main.readMember(MEMBER), main.score, NO_LIMITS)
    while (main.next())
  } catch (error) {
    made.discard()
    throw error
  }
  return made.storeAs(target, key)
}
