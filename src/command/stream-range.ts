// XRANGE and XREVRANGE: entries between two IDs, walked leaf by leaf, forwards or backwards. How
// many there are is known behind the last one only.

import { StreamId } from '../keyspace/stream/stream-id.ts'
import { StreamWalk } from '../keyspace/stream/stream-walk.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { endArgument, isOtherType, openStream, replyEntry, startArgument } from './stream-access.ts'

const COUNT = word('count')
const START = new StreamId()
const END = new StreamId()
const WALK = new StreamWalk()
const NO_COUNT = -1
/** Where the ends of the range stand. */
const FORWARD = { start: 2, end: 3 } as const
const BACKWARD = { start: 3, end: 2 } as const

/** XRANGE key start end [COUNT n]: entries, the oldest first. O(log n + entries). */
export function xrange(context: Context, args: Args, reply: Reply): void {
  replyRange(context, args, reply, FORWARD)
}

/** XREVRANGE key end start [COUNT n]: entries, the youngest first. O(log n + entries). */
export function xrevrange(context: Context, args: Args, reply: Reply): void {
  replyRange(context, args, reply, BACKWARD)
}

function replyRange(
  context: Context,
  args: Args,
  reply: Reply,
  at: { readonly start: number; readonly end: number },
): void {
  const { db } = context
  if (!startArgument(args, at.start, START, reply)) return
  if (!endArgument(args, at.end, END, reply)) return
  let limit = NO_COUNT
  for (let i = 4; i < args.count; i += 2) {
    if (!args.is(i, COUNT) || i + 1 === args.count) return reply.error(SYNTAX_ERROR)
    const count = integerArgument(args, i + 1, reply)
    if (count === null) return
    limit = Math.max(Number(count), 0)
  }
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.array(0)
  if (isOtherType(db, record, reply)) return
  if (limit === 0) return reply.nilArray()
  const streams = openStream(db, record)
  const isBackward = at.start > at.end
  if (isBackward) WALK.openBackward(streams, START, END)
  else WALK.openForward(streams, START, END)
  const mark = reply.beginArray()
  let count = 0
  while (count !== limit && WALK.next()) {
    replyEntry(reply, WALK.cursor)
    count++
  }
  reply.endArray(mark, count)
}
