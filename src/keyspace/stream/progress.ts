// How far an ID stands from the first entry that a stream ever had, as far as that is known without
// a walk: what groups report as entries read, and as lag. The rules are those of Redis 7.0.

import { type I64, subtractI64 } from '../../base/i64.ts'
import { READ_UNKNOWN } from './groups.ts'
import type { Streams } from './stream.ts'
import { StreamId } from './stream-id.ts'

const FIRST_ID = new StreamId()
const LAST_ID = new StreamId()
const DELETED_ID = new StreamId()

/** Whether an entry at or behind `id`, and behind the first one, is known to be deleted. */
export function hasGapBehind(streams: Streams, id: StreamId): boolean {
  const deleted = streams.deletedId(DELETED_ID)
  if (deleted.isZero || !streams.firstId(FIRST_ID)) return false
  return deleted.compare(FIRST_ID) >= 0 && deleted.compare(id) >= 0
}

/**
 * How many entries were ever added up to `id`, that one included; READ_UNKNOWN where only a walk
 * could tell.
 */
export function countedUpTo(streams: Streams, id: StreamId): I64 {
  const { added, length } = streams
  if (added === 0) return 0
  const toLast = id.compare(streams.lastId(LAST_ID))
  if (length === 0 && toLast <= 0) return added
  if (toLast === 0) return added
  if (toLast > 0) return READ_UNKNOWN
  streams.firstId(FIRST_ID)
  const deleted = streams.deletedId(DELETED_ID)
  if (!deleted.isZero && deleted.compare(FIRST_ID) >= 0) return READ_UNKNOWN
  // Nothing is missing from the first entry on.
  const toFirst = id.compare(FIRST_ID)
  if (toFirst < 0) return subtractI64(added, length) ?? READ_UNKNOWN
  if (toFirst === 0) return subtractI64(added, length - 1) ?? READ_UNKNOWN
  return READ_UNKNOWN
}
