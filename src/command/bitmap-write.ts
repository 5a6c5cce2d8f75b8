// What commands that write bits share: offsets within bounds, the event, and a string that is long
// enough and raw. As in Redis, a write of bits makes any string raw, even if no bit changes; what
// it makes longer keeps its deadline.

import type { I64 } from '../base/i64.ts'
import type { Slice } from '../base/slice.ts'
import { Encoding } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent } from './key-event.ts'

/** Bits of the string were written, by SETBIT or BITFIELD. */
export const SETBIT = keyEvent(EventClass.String, 'setbit')

export const BAD_OFFSET = replyError('ERR bit offset is not an integer or out of range')

/** Argument `i` as the offset of a bit; -1 after an error reply. */
export function bitOffset(context: Context, args: Args, i: number, reply: Reply): number {
  const offset = args.integer(i)
  if (isBitOffset(context, offset)) return offset
  reply.error(BAD_OFFSET)
  return -1
}

/**
 * The string under `key`, at least `length` bytes long and raw: `record` itself or what it became;
 * a new one when `record` is NULL. O(1), but for growing.
 */
export function prepareBits(context: Context, key: Slice, record: Ptr, length: number): Ptr {
  const { db } = context
  if (record === NULL) return db.putZeros(key, length)
  const oldLength = db.stringLength(record)
  // Looking up where the record hangs is spared when it can stay as it is.
  if (oldLength >= length && db.encodingOf(record) === Encoding.Raw) return record
  return db.growString(record, Math.max(oldLength, length))
}

/** Like Redis, bounds where bits begin: a field's end may lie beyond the longest string. */
export function isBitOffset(context: Context, offset: I64 | null): offset is number {
  if (typeof offset !== 'number' || offset < 0) return false
  return Math.floor(offset / 8) < context.limits.stringLengthMax
}
