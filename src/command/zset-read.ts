// Single facts about a sorted set: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT; and
// ZREM, which takes single members away.

import { scratchSlice } from '../base/slice.ts'
import { type Args, word } from '../resp/args.ts'
import { SYNTAX_ERROR, wrongArity } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent } from './key-event.ts'
import { noteRemoval, readZset, WRONG, writeZset } from './zset-access.ts'
import { readLexBounds, readScoreBounds, seekLexBounds, seekScoreBounds } from './zset-bounds.ts'

const WITHSCORE = word('withscore')
const ZREM = keyEvent(EventClass.Zset, 'zrem')
const RANK_ARITY = wrongArity('zrank')
const REVRANK_ARITY = wrongArity('zrevrank')
const MEMBER = scratchSlice()

/** ZCARD key: how many members there are. O(1). */
export function zcard(context: Context, args: Args, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset !== WRONG) reply.integer(zset === null ? 0 : zset.count)
}

/** ZSCORE key member: its score, or nil. O(1). */
export function zscore(context: Context, args: Args, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null || !zset.find(valueArgument(context, args, 2))) return reply.nil()
  reply.double(zset.score)
}

/** ZMSCORE key member …: the scores, nil for who is no member. O(N). */
export function zmscore(context: Context, args: Args, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (zset === null || !zset.find(valueArgument(context, args, i))) reply.nil()
    else reply.double(zset.score)
  }
}

/** ZRANK key member [WITHSCORE]: how many members stand before it. O(log n). */
export function zrank(context: Context, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(RANK_ARITY)
  replyRank(context, args, { reply, isReverse: false })
}

/** ZREVRANK key member [WITHSCORE]: how many members stand behind it. O(log n). */
export function zrevrank(context: Context, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(REVRANK_ARITY)
  replyRank(context, args, { reply, isReverse: true })
}

/** ZCOUNT key min max: members with a score between. O(log n). */
export function zcount(context: Context, args: Args, reply: Reply): void {
  const bounds = readScoreBounds(args, 2, 3, reply)
  if (bounds === null) return
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null) return reply.integer(0)
  seekScoreBounds(zset, bounds)
  reply.integer(bounds.limit - bounds.from)
}

/** ZLEXCOUNT key min max: members between, of a set whose scores are equal. O(log n). */
export function zlexcount(context: Context, args: Args, reply: Reply): void {
  const bounds = readLexBounds(args, 2, 3, reply)
  if (bounds === null) return
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null) return reply.integer(0)
  seekLexBounds(zset, bounds)
  reply.integer(bounds.limit - bounds.from)
}

/** ZREM key member …: how many were removed. O(N log n). */
export function zrem(context: Context, args: Args, reply: Reply): void {
  const key = keyArgument(context, args, 1)
  const zset = writeZset(context, key, reply)
  if (zset === WRONG) return
  if (zset === null) return reply.integer(0)
  let count = 0
  for (let i = 2; i < args.count && zset.count > 0; i++) {
    if (!zset.find(MEMBER.set(args.bytes, args.start(i), args.length(i)))) continue
    zset.remove()
    count++
  }
  if (count > 0) noteRemoval(context, key, { zset, event: ZREM, count, isAll: zset.count === 0 })
  reply.integer(count)
}

function replyRank(
  context: Context,
  args: Args,
  { reply, isReverse }: { readonly reply: Reply; readonly isReverse: boolean },
): void {
  const hasScore = args.count === 4
  if (hasScore && !args.is(3, WITHSCORE)) return reply.error(SYNTAX_ERROR)
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null || !zset.find(valueArgument(context, args, 2))) {
    if (hasScore) reply.nilArray()
    else reply.nil()
    return
  }
  const { score } = zset
  const rank = zset.rank()
  if (hasScore) reply.array(2)
  reply.integer(isReverse ? zset.count - 1 - rank : rank)
  if (hasScore) reply.double(score)
}
