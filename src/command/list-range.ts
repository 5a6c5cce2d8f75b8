// Elements by their index: LLEN, LINDEX, LRANGE, LSET, LTRIM; and by their text: LINSERT, LREM,
// LPOS. An index is found in O(log n); what looks for a text reads the list up to it.

import type { I64 } from '../base/i64.ts'
import type { Slice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { NO_SUCH_KEY, replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent, noteChange } from './key-event.ts'
import { LIST, noteRemoval, replyElement } from './list-access.ts'

const INDEX_OUT_OF_RANGE = replyError('ERR index out of range')

const LSET = keyEvent(EventClass.List, 'lset')
const LINSERT = keyEvent(EventClass.List, 'linsert')
const LREM = keyEvent(EventClass.List, 'lrem')
const LTRIM = keyEvent(EventClass.List, 'ltrim')

const BEFORE = word('before')
const AFTER = word('after')

/** LLEN key: count of elements. O(1). */
export function llen(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  reply.integer(LIST.open(db, record).count)
}

/** LINDEX key index: the element, negative from the end; nil where there is none. O(log n). */
export function lindex(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  const asked = integerArgument(args, 2, reply)
  if (asked === null) return
  const list = LIST.open(db, record)
  const index = fromStart(asked, list.count)
  if (index < 0 || index >= list.count) return reply.nil()
  list.seek(index)
  list.readNext()
  replyElement(reply, list.element)
}

/** LRANGE key start stop: the elements from start to stop, negative from the end. O(log n + m). */
export function lrange(context: Context, args: Args, reply: Reply): void {
  const start = integerArgument(args, 2, reply)
  if (start === null) return
  const stop = integerArgument(args, 3, reply)
  if (stop === null) return
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.array(0)
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  const list = LIST.open(db, record)
  const size = list.count
  const first = Math.max(fromStart(start, size), 0)
  const count = Math.min(fromStart(stop, size), size - 1) - first + 1
  if (count <= 0) return reply.array(0)
  reply.array(count)
  list.seek(first)
  const { element } = list
  for (let i = 0; i < count; i++) {
    list.readNext()
    replyElement(reply, element)
  }
}

/** LSET key index element: OK. O(log n). */
export function lset(context: Context, args: Args, reply: Reply): void {
  const { db, limits } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.error(NO_SUCH_KEY)
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  const asked = integerArgument(args, 2, reply)
  if (asked === null) return
  const list = LIST.open(db, record)
  const index = fromStart(asked, list.count)
  if (index < 0 || index >= list.count) return reply.error(INDEX_OUT_OF_RANGE)
  list.set(index, valueArgument(context, args, 3), limits.encodings)
  noteChange(context, key, LSET)
  reply.ok()
}

/** LTRIM key start stop: OK; what lies outside is gone. O(log n + leaves). */
export function ltrim(context: Context, args: Args, reply: Reply): void {
  const start = integerArgument(args, 2, reply)
  if (start === null) return
  const stop = integerArgument(args, 3, reply)
  if (stop === null) return
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.ok()
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  const list = LIST.open(db, record)
  const size = list.count
  const first = Math.max(fromStart(start, size), 0)
  const limit = Math.min(fromStart(stop, size), size - 1) + 1
  let removed = size
  if (first >= limit) list.remove(0, size)
  else {
    // The rear first: it leaves the indexes in front as they are.
    removed = size - (limit - first)
    if (limit < size) list.remove(limit, size - limit)
    if (first > 0) list.remove(0, first)
  }
  noteRemoval(context, key, LTRIM, removed)
  reply.ok()
}

/** LINSERT key BEFORE | AFTER pivot element: count of elements, or -1 without the pivot. O(n). */
export function linsert(context: Context, args: Args, reply: Reply): void {
  const isBefore = args.is(2, BEFORE)
  if (!isBefore && !args.is(2, AFTER)) return reply.error(SYNTAX_ERROR)
  const { db, limits } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  const list = LIST.open(db, record)
  list.seek(0)
  const pivot = list.findNext(valueArgument(context, args, 3), list.count)
  if (pivot < 0) return reply.integer(-1)
  const index = isBefore ? pivot : pivot + 1
  const element = valueArgument(context, args, 4)
  if (index === list.count) list.pushLast(element, limits.encodings)
  else list.insert(index, element, limits.encodings)
  noteChange(context, key, LINSERT)
  reply.integer(list.count)
}

/** LREM key count element: how many were removed, from the end where count is negative. O(n). */
export function lrem(context: Context, args: Args, reply: Reply): void {
  const count = integerArgument(args, 2, reply)
  if (count === null) return
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  LIST.open(db, record)
  const removed = removeEqual(count, valueArgument(context, args, 3))
  if (removed > 0) noteRemoval(context, key, LREM, removed)
  reply.integer(removed)
}

function removeEqual(count: I64, element: Slice): number {
  if (count < 0) return LIST.removeLastEqual(element, -Number(count))
  return LIST.removeFirstEqual(element, count === 0 ? Infinity : Number(count))
}

/** An index that counts from the end where it is negative, as one from the start. */
function fromStart(index: I64, size: number): number {
  return index < 0 ? Number(index) + size : Number(index)
}
