// Elements that come and go at the ends: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP. An element
// costs O(1), or a memmove of one leaf.

import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { noteChange } from './key-event.ts'
import {
  type End,
  LEFT,
  LIST,
  NOT_POSITIVE,
  popMany,
  popOne,
  pushAt,
  RIGHT,
} from './list-access.ts'

/** LPUSH key element …: elements that the list has then. */
export function lpush(context: Context, args: Args, reply: Reply): void {
  push(context, args, reply, LEFT)
}

/** RPUSH key element …: elements that the list has then. */
export function rpush(context: Context, args: Args, reply: Reply): void {
  push(context, args, reply, RIGHT)
}

/** LPUSHX key element …: as LPUSH, but 0 where there is no list. */
export function lpushx(context: Context, args: Args, reply: Reply): void {
  pushIfThere(context, args, reply, LEFT)
}

/** RPUSHX key element …: as RPUSH, but 0 where there is no list. */
export function rpushx(context: Context, args: Args, reply: Reply): void {
  pushIfThere(context, args, reply, RIGHT)
}

/** LPOP key [count]: the first element, or with a count an array of the first ones; or nil. */
export function lpop(context: Context, args: Args, reply: Reply): void {
  if (args.count === 2) pop(context, args, reply, LEFT)
  else popCounted(context, args, reply, LEFT)
}

/** RPOP key [count]: the last element, or with a count an array of them, last first; or nil. */
export function rpop(context: Context, args: Args, reply: Reply): void {
  if (args.count === 2) pop(context, args, reply, RIGHT)
  else popCounted(context, args, reply, RIGHT)
}

function push(context: Context, args: Args, reply: Reply, end: End): void {
  const { db, limits } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) {
    LIST.create(db, key, valueArgument(context, args, 2), limits.encodings)
    pushArguments(context, args, 3, end)
    return reply.integer(LIST.count)
  }
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  LIST.open(db, record)
  pushArguments(context, args, 2, end)
  reply.integer(LIST.count)
}

function pushIfThere(context: Context, args: Args, reply: Reply, end: End): void {
  const { db } = context
  const record = db.findForWrite(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  LIST.open(db, record)
  pushArguments(context, args, 2, end)
  reply.integer(LIST.count)
}

/** Pushes the arguments behind the key from `from` on; those before are in the list already. */
function pushArguments(context: Context, args: Args, from: number, end: End): void {
  let i = from
  try {
    for (; i < args.count; i++) pushAt(LIST, end, valueArgument(context, args, i), context)
  } finally {
    // With a full arena the elements before stay.
    if (i > 2) {
      context.keyspace.dirty += i - 3
      noteChange(context, context.key, end.push)
    }
  }
}

function pop(context: Context, args: Args, reply: Reply, end: End): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  LIST.open(db, record)
  popOne(context, key, end, reply)
}

function popCounted(context: Context, args: Args, reply: Reply, end: End): void {
  if (args.count > 3) return reply.error(end.popArity)
  const limit = args.integer(2)
  if (limit === null || limit < 0) return reply.error(NOT_POSITIVE)
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.nilArray()
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  if (limit === 0) return reply.array(0)
  LIST.open(db, record)
  popMany(context, key, { end, limit: Number(limit) }, reply)
}
