// Ranges of a sorted set, by rank, score or member, either way round: ZRANGE and its older
// relatives, ZRANGESTORE, ZREMRANGEBY….
//
// Each range becomes an interval of ranks first. So the length of a reply is known before its first
// member, LIMIT is arithmetic, and one loop replies them all.

import type { I64 } from '../base/i64.ts'
import { scratchSlice } from '../base/slice.ts'
import { type Zset, zsetsOf } from '../keyspace/zset/zset.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { DEL, EventClass, type KeyEvent, keyEvent, noteChange } from './key-event.ts'
import { noteRemoval, readZset, replyMember, WRONG, writeZset } from './zset-access.ts'
import {
  type LexBounds,
  type RankInterval,
  readLexBounds,
  readScoreBounds,
  type ScoreBounds,
  seekLexBounds,
  seekScoreBounds,
} from './zset-bounds.ts'

const BYSCORE = word('byscore')
const BYLEX = word('bylex')
const REV = word('rev')
const LIMIT = word('limit')
const WITHSCORES = word('withscores')

const By = { Rank: 0, Score: 1, Member: 2 } as const
type By = (typeof By)[keyof typeof By]

const LIMIT_BY_RANK = replyError(
  'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
)
const SCORES_BY_MEMBER = replyError(
  'ERR syntax error, WITHSCORES not supported in combination with BYLEX',
)

const ZRANGESTORE = keyEvent(EventClass.Zset, 'zrangestore')
const ZREMRANGEBYRANK = keyEvent(EventClass.Zset, 'zremrangebyrank')
const ZREMRANGEBYSCORE = keyEvent(EventClass.Zset, 'zremrangebyscore')
const ZREMRANGEBYLEX = keyEvent(EventClass.Zset, 'zremrangebylex')

/** What the arguments ask for. */
const RANGE = {
  by: By.Rank as By,
  isReverse: false,
  /** The command's name says what the range is by, or which way round it is. */
  isByFixed: false,
  isWayFixed: false,
  isStored: false,
  hasScores: false,
  hasLimit: false,
  offset: 0 as I64,
  count: -1 as I64,
  start: 0 as I64,
  stop: 0 as I64,
  scores: null as ScoreBounds | null,
  members: null as LexBounds | null,
}
/** The ranks that are asked for, and then those that are there. */
const RANKS: RankInterval = { from: 0, limit: 0 }
const MEMBER = scratchSlice()
const TARGET = scratchSlice()

/** ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]. */
export function zrange(context: Context, args: Args, reply: Reply): void {
  begin(By.Rank, false)
  RANGE.isByFixed = false
  RANGE.isWayFixed = false
  answer(context, args, reply)
}

/** ZREVRANGE key start stop [WITHSCORES]: from the highest score down. */
export function zrevrange(context: Context, args: Args, reply: Reply): void {
  begin(By.Rank, true)
  answer(context, args, reply)
}

/** ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]. */
export function zrangebyscore(context: Context, args: Args, reply: Reply): void {
  begin(By.Score, false)
  answer(context, args, reply)
}

/** ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]. */
export function zrevrangebyscore(context: Context, args: Args, reply: Reply): void {
  begin(By.Score, true)
  answer(context, args, reply)
}

/** ZRANGEBYLEX key min max [LIMIT offset count]. */
export function zrangebylex(context: Context, args: Args, reply: Reply): void {
  begin(By.Member, false)
  answer(context, args, reply)
}

/** ZREVRANGEBYLEX key max min [LIMIT offset count]. */
export function zrevrangebylex(context: Context, args: Args, reply: Reply): void {
  begin(By.Member, true)
  answer(context, args, reply)
}

/** ZRANGESTORE target source min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]: members stored. */
export function zrangestore(context: Context, args: Args, reply: Reply): void {
  begin(By.Rank, false)
  RANGE.isByFixed = false
  RANGE.isWayFixed = false
  RANGE.isStored = true
  if (!readOptions(args, 5, reply) || !readRange(args, 3, reply)) return
  const zset = readZset(context, keyArgument(context, args, 2), reply)
  if (zset === WRONG) return
  if (zset === null) RANKS.limit = RANKS.from
  else seekRange(zset)
  store(context, args, zset, reply)
}

/** ZREMRANGEBYRANK key start stop: how many were removed. */
export function zremrangebyrank(context: Context, args: Args, reply: Reply): void {
  begin(By.Rank, false)
  remove(context, args, { reply, event: ZREMRANGEBYRANK })
}

/** ZREMRANGEBYSCORE key min max: how many were removed. */
export function zremrangebyscore(context: Context, args: Args, reply: Reply): void {
  begin(By.Score, false)
  remove(context, args, { reply, event: ZREMRANGEBYSCORE })
}

/** ZREMRANGEBYLEX key min max: how many were removed. */
export function zremrangebylex(context: Context, args: Args, reply: Reply): void {
  begin(By.Member, false)
  remove(context, args, { reply, event: ZREMRANGEBYLEX })
}

function begin(by: By, isReverse: boolean): void {
  RANGE.by = by
  RANGE.isReverse = isReverse
  RANGE.isByFixed = true
  RANGE.isWayFixed = true
  RANGE.isStored = false
  RANGE.hasScores = false
  RANGE.hasLimit = false
  RANGE.offset = 0
  RANGE.count = -1
  RANKS.from = 0
  RANKS.limit = 0
}

/** Reads the options from argument `first` on; false after an error reply. */
function readOptions(args: Args, first: number, reply: Reply): boolean {
  for (let i = first; i < args.count; i++) {
    if (!RANGE.isStored && args.is(i, WITHSCORES)) RANGE.hasScores = true
    else if (i + 2 < args.count && args.is(i, LIMIT)) {
      if (!readLimit(args, i + 1, reply)) return false
      i += 2
    } else if (!RANGE.isWayFixed && args.is(i, REV)) RANGE.isReverse = true
    else if (!RANGE.isByFixed && args.is(i, BYLEX)) RANGE.by = By.Member
    else if (!RANGE.isByFixed && args.is(i, BYSCORE)) RANGE.by = By.Score
    else {
      reply.error(SYNTAX_ERROR)
      return false
    }
  }
  if (RANGE.hasLimit && RANGE.count !== -1 && RANGE.by === By.Rank) reply.error(LIMIT_BY_RANK)
  else if (RANGE.hasScores && RANGE.by === By.Member) reply.error(SCORES_BY_MEMBER)
  else return true
  return false
}

function readLimit(args: Args, i: number, reply: Reply): boolean {
  const offset = integerArgument(args, i, reply)
  if (offset === null) return false
  const count = integerArgument(args, i + 1, reply)
  if (count === null) return false
  RANGE.hasLimit = true
  RANGE.offset = offset
  RANGE.count = count
  return true
}

/** Reads the range itself, which starts at argument `i`; false after an error reply. */
function readRange(args: Args, i: number, reply: Reply): boolean {
  if (RANGE.by === By.Rank) {
    const start = integerArgument(args, i, reply)
    if (start === null) return false
    const stop = integerArgument(args, i + 1, reply)
    if (stop === null) return false
    RANGE.start = start
    RANGE.stop = stop
    return true
  }
  // The other way round the higher bound comes first.
  const min = RANGE.isReverse ? i + 1 : i
  const max = RANGE.isReverse ? i : i + 1
  if (RANGE.by === By.Score) {
    RANGE.scores = readScoreBounds(args, min, max, reply)
    return RANGE.scores !== null
  }
  RANGE.members = readLexBounds(args, min, max, reply)
  return RANGE.members !== null
}

/** Fills RANKS, always lowest first, with what the range means for this set. */
function seekRange(zset: Zset): void {
  const { count } = zset
  const { scores, members } = RANGE
  if (RANGE.by === By.Rank) {
    const start = rankOf(RANGE.start, count)
    const limit = Math.min(rankOf(RANGE.stop, count), count - 1) + 1
    const from = Math.max(start, 0)
    const isNone = from >= limit
    RANKS.from = isNone ? 0 : RANGE.isReverse ? count - limit : from
    RANKS.limit = isNone ? 0 : RANGE.isReverse ? count - from : limit
    return
  }
  if (RANGE.by === By.Score && scores !== null) {
    seekScoreBounds(zset, scores)
    RANKS.from = scores.from
    RANKS.limit = scores.limit
  } else if (members !== null) {
    seekLexBounds(zset, members)
    RANKS.from = members.from
    RANKS.limit = members.limit
  }
  if (RANGE.hasLimit) applyLimit()
}

/** A rank that may be counted from the end: below 0 when it lies before the start. */
function rankOf(rank: I64, count: number): number {
  const near = Number(rank)
  return near < 0 ? near + count : near
}

/** Leaves of RANKS what LIMIT asks for. */
function applyLimit(): void {
  const offset = Number(RANGE.offset)
  const count = Number(RANGE.count)
  const found = RANKS.limit - RANKS.from
  const skipped = offset < 0 ? found : Math.min(offset, found)
  const kept = count < 0 ? found - skipped : Math.min(count, found - skipped)
  if (RANGE.isReverse) {
    RANKS.limit -= skipped
    RANKS.from = RANKS.limit - kept
  } else {
    RANKS.from += skipped
    RANKS.limit = RANKS.from + kept
  }
}

/** The commands that reply what is in the range. O(log n + found). */
function answer(context: Context, args: Args, reply: Reply): void {
  if (!readOptions(args, 4, reply) || !readRange(args, 2, reply)) return
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null) return reply.array(0)
  seekRange(zset)
  replyRanks(zset, reply)
}

function replyRanks(zset: Zset, reply: Reply): void {
  const count = RANKS.limit - RANKS.from
  const { hasScores, isReverse } = RANGE
  const isNested = hasScores && reply.version === 3
  reply.array(hasScores && !isNested ? count * 2 : count)
  if (count === 0) return
  zset.seekRank(isReverse ? RANKS.limit - 1 : RANKS.from)
  for (let i = 0; i < count; i++) {
    if (i > 0) {
      if (isReverse) zset.previous()
      else zset.next()
    }
    if (isNested) reply.array(2)
    replyMember(reply, zset)
    if (hasScores) reply.double(zset.score)
  }
}

/** Puts the members of RANKS under the key that is argument 1. */
function store(context: Context, args: Args, zset: Zset | null, reply: Reply): void {
  const { db } = context
  TARGET.set(args.bytes, args.start(1), args.length(1))
  const count = RANKS.limit - RANKS.from
  if (zset === null || count === 0) {
    const old = db.peek(TARGET)
    if (old !== NULL) {
      db.remove(old)
      noteChange(context, TARGET, DEL)
    }
    return reply.integer(0)
  }
  const { made } = zsetsOf(db)
  made.openNewListpack()
  try {
    zset.seekRank(RANKS.from)
    for (let i = 0; i < count; i++) {
      if (i > 0) zset.next()
      made.add(zset.readMember(MEMBER), zset.score, context.limits.encodings)
    }
  } catch (error) {
    made.discard()
    throw error
  }
  made.storeAs(db, TARGET)
  noteChange(context, TARGET, ZRANGESTORE)
  reply.integer(count)
}

/** The commands that remove what is in the range. O(log n + removed). */
function remove(
  context: Context,
  args: Args,
  { reply, event }: { readonly reply: Reply; readonly event: KeyEvent },
): void {
  if (!readRange(args, 2, reply)) return
  const key = keyArgument(context, args, 1)
  const zset = writeZset(context, key, reply)
  if (zset === WRONG) return
  if (zset === null) return reply.integer(0)
  seekRange(zset)
  const count = RANKS.limit - RANKS.from
  // All of it is left to lazy free.
  const isAll = count === zset.count
  if (!isAll) zset.removeRanks(RANKS.from, RANKS.limit)
  if (count > 0) noteRemoval(context, key, { zset, event, count, isAll })
  reply.integer(count)
}
