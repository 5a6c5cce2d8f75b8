// Parts of strings: APPEND, STRLEN, SETRANGE, GETRANGE and its old name SUBSTR.
//
// Strings grow where they lie (Database.growString), so that appending is O(appended) on average.
// Like Redis, a string that was changed in part has the encoding raw from then on.

import type { I64 } from '../base/i64.ts'
import { Slice } from '../base/slice.ts'
import { NO_DEADLINE } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { OFFSET_OUT_OF_RANGE, STRING_TOO_LONG, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent, noteChange } from './key-event.ts'

const EMPTY = new Slice()

const APPEND = keyEvent(EventClass.String, 'append')
const SETRANGE = keyEvent(EventClass.String, 'setrange')

/** APPEND key value: the new length. O(value), amortised. */
export function append(context: Context, args: Args, reply: Reply): void {
  const { db, limits } = context
  const key = keyArgument(context, args, 1)
  const value = valueArgument(context, args, 2)
  const record = db.findForWrite(key)
  let length = value.length
  if (record === NULL) {
    db.putString(key, value, NO_DEADLINE)
  } else {
    if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
    const oldLength = db.stringLength(record)
    length += oldLength
    if (length > limits.stringLengthMax) return reply.error(STRING_TOO_LONG)
    db.writeString(db.growString(record, length), oldLength, value)
  }
  noteChange(context, key, APPEND)
  reply.integer(length)
}

/** STRLEN key: the length, 0 when there is no key. O(1). */
export function strlen(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  reply.integer(db.stringLength(record))
}

/** SETRANGE key offset value: the new length; gaps are zeros. O(value), and growing. */
export function setrange(context: Context, args: Args, reply: Reply): void {
  const { db, limits } = context
  const offset = integerArgument(args, 2, reply)
  if (offset === null) return
  if (offset < 0) return reply.error(OFFSET_OUT_OF_RANGE)
  const key = keyArgument(context, args, 1)
  const value = valueArgument(context, args, 3)
  let record = db.findForWrite(key)
  if (record !== NULL && db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  const oldLength = record === NULL ? 0 : db.stringLength(record)
  if (value.length === 0) return reply.integer(oldLength)
  const limit = Number(offset) + value.length
  if (limit > limits.stringLengthMax) return reply.error(STRING_TOO_LONG)
  const length = Math.max(oldLength, limit)
  record = record === NULL ? db.putZeros(key, length) : db.growString(record, length)
  db.writeString(record, Number(offset), value)
  noteChange(context, key, SETRANGE)
  reply.integer(length)
}

/** GETRANGE key start end: that part, both ends included, negative from the end. O(part). */
export function getrange(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const from = integerArgument(args, 2, reply)
  if (from === null) return
  const to = integerArgument(args, 3, reply)
  if (to === null) return
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.bulk(EMPTY.bytes, 0, 0)
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  db.readString(record, value)
  const start = fromEnd(from, value.length)
  const last = Math.min(fromEnd(to, value.length), value.length - 1)
  // Two negative ends in the wrong order are nothing, even where both lie before the string.
  if ((from < 0 && to < 0 && from > to) || start > last) return reply.bulk(EMPTY.bytes, 0, 0)
  reply.bulk(value.bytes, value.start + start, last - start + 1)
}

/** An index that counts from the end when it is negative; never below 0. */
function fromEnd(index: I64, length: number): number {
  // What is no safe integer is far outside of any string, however it rounds.
  return index < 0 ? Math.max(0, length + Number(index)) : Number(index)
}
