// Sets put together: ZUNION, ZINTER, ZDIFF, their relatives that store, and ZINTERCARD.
//
// Results are made as a sorted set without a key, in the arena: it is replied, or put under the
// target key, and the V8 heap does not grow with it. Sums depend on the order of the sources, which
// is that of Redis: smaller ones first.

import { scratchSlice } from '../base/slice.ts'
import { type Zset, zsetsOf } from '../keyspace/zset/zset.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import {
  NOT_INTEGER,
  type ReplyError,
  replyError,
  SYNTAX_ERROR,
  WRONG_TYPE,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { DEL, EventClass, type KeyEvent, keyEvent, noteChange } from './key-event.ts'
import { replyMember } from './zset-access.ts'
import { type Source, SourceProbe, SourceWalk, sourceOf } from './zset-source.ts'

const WEIGHTS = word('weights')
const AGGREGATE = word('aggregate')
const WITHSCORES = word('withscores')
const LIMIT = word('limit')
const SUM = word('sum')
const MIN = word('min')
const MAX = word('max')

const Operation = { Union: 0, Intersect: 1, Subtract: 2, Count: 3 } as const
type Operation = (typeof Operation)[keyof typeof Operation]
const Aggregate = { Sum: 0, Min: 1, Max: 2 } as const
type Aggregate = (typeof Aggregate)[keyof typeof Aggregate]

const BAD_WEIGHT = replyError('ERR weight value is not a float')
const BAD_LIMIT = replyError("ERR LIMIT can't be negative")

/** What a command does, and says. */
interface Form {
  readonly operation: Operation
  /** Event of the target; null: the result is replied. */
  readonly event: KeyEvent | null
  readonly noKeys: ReplyError
}

function form(name: string, operation: Operation): Form {
  const event = name.endsWith('store') ? keyEvent(EventClass.Zset, name) : null
  const noKeys = replyError(`ERR at least 1 input key is needed for '${name}' command`)
  return { operation, event, noKeys }
}

const ZUNION = form('zunion', Operation.Union)
const ZINTER = form('zinter', Operation.Intersect)
const ZDIFF = form('zdiff', Operation.Subtract)
const ZINTERCARD = form('zintercard', Operation.Count)
const ZUNIONSTORE = form('zunionstore', Operation.Union)
const ZINTERSTORE = form('zinterstore', Operation.Intersect)
const ZDIFFSTORE = form('zdiffstore', Operation.Subtract)

/** What the arguments ask for. */
const PLAN = {
  sources: [] as Source[],
  aggregate: Aggregate.Sum as Aggregate,
  hasScores: false,
  /** Of ZINTERCARD; 0: none. */
  limit: 0,
}
const WALK = new SourceWalk()
const PROBE = new SourceProbe()
const TARGET = scratchSlice()

/** ZUNION numkeys key … [WEIGHTS …] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]. */
export function zunion(context: Context, args: Args, reply: Reply): void {
  combineAndReply(context, args, { form: ZUNION, reply })
}

/** ZINTER numkeys key … [WEIGHTS …] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]. */
export function zinter(context: Context, args: Args, reply: Reply): void {
  combineAndReply(context, args, { form: ZINTER, reply })
}

/** ZDIFF numkeys key … [WITHSCORES]: members of the first that are in none of the others. */
export function zdiff(context: Context, args: Args, reply: Reply): void {
  combineAndReply(context, args, { form: ZDIFF, reply })
}

/** ZINTERCARD numkeys key … [LIMIT limit]: how many members are in all of them. */
export function zintercard(context: Context, args: Args, reply: Reply): void {
  if (readPlan(context, args, { form: ZINTERCARD, reply, at: 1 })) reply.integer(countAll(context))
  PLAN.sources.length = 0
}

/** ZUNIONSTORE target numkeys key … [WEIGHTS …] [AGGREGATE …]: members stored. */
export function zunionstore(context: Context, args: Args, reply: Reply): void {
  combineAndStore(context, args, { form: ZUNIONSTORE, event: ZUNIONSTORE.event, reply })
}

/** ZINTERSTORE target numkeys key … [WEIGHTS …] [AGGREGATE …]: members stored. */
export function zinterstore(context: Context, args: Args, reply: Reply): void {
  combineAndStore(context, args, { form: ZINTERSTORE, event: ZINTERSTORE.event, reply })
}

/** ZDIFFSTORE target numkeys key …: members stored. */
export function zdiffstore(context: Context, args: Args, reply: Reply): void {
  combineAndStore(context, args, { form: ZDIFFSTORE, event: ZDIFFSTORE.event, reply })
}

function combineAndReply(
  context: Context,
  args: Args,
  { form, reply }: { readonly form: Form; readonly reply: Reply },
): void {
  if (!readPlan(context, args, { form, reply, at: 1 })) return
  const { made } = zsetsOf(context.db)
  combine(context, form.operation, made)
  replyAll(made, reply)
  made.discard()
}

function combineAndStore(
  context: Context,
  args: Args,
  options: { readonly form: Form; readonly event: KeyEvent | null; readonly reply: Reply },
): void {
  const { form, event, reply } = options
  if (event === null || !readPlan(context, args, { form, reply, at: 2 })) return
  const { db } = context
  const { made } = zsetsOf(db)
  combine(context, form.operation, made)
  TARGET.set(args.bytes, args.start(1), args.length(1))
  const { count } = made
  if (count > 0) {
    made.storeAs(db, TARGET)
    noteChange(context, TARGET, event)
    return reply.integer(count)
  }
  const old = db.peek(TARGET)
  if (old !== NULL) {
    db.remove(old)
    noteChange(context, TARGET, DEL)
  }
  reply.integer(0)
}

/** Reads `numkeys key … options` from argument `at` on into PLAN; false after an error reply. */
function readPlan(
  context: Context,
  args: Args,
  { form, reply, at }: { readonly form: Form; readonly reply: Reply; readonly at: number },
): boolean {
  PLAN.sources.length = 0
  PLAN.aggregate = Aggregate.Sum
  PLAN.hasScores = false
  PLAN.limit = 0
  const keys = args.integer(at)
  if (keys === null) reply.error(NOT_INTEGER)
  else if (keys < 1) reply.error(form.noKeys)
  else if (keys > args.count - at - 1) reply.error(SYNTAX_ERROR)
  else {
    const first = at + 1
    const limit = first + Number(keys)
    if (!readSources(context, args, { form, first, limit })) reply.error(WRONG_TYPE)
    else return readOptions(args, limit, form, reply)
  }
  return false
}

function readSources(
  context: Context,
  args: Args,
  { form, first, limit }: { readonly form: Form; readonly first: number; readonly limit: number },
): boolean {
  const { db } = context
  for (let i = first; i < limit; i++) {
    const key = keyArgument(context, args, i)
    const source = sourceOf(db, form.event === null ? db.find(key) : db.findForWrite(key))
    if (source === null) return false
    PLAN.sources.push(source)
  }
  return true
}

function readOptions(args: Args, first: number, form: Form, reply: Reply): boolean {
  const { operation } = form
  const isWeighted = operation === Operation.Union || operation === Operation.Intersect
  for (let i = first; i < args.count; i++) {
    const left = args.count - i - 1
    if (isWeighted && left >= PLAN.sources.length && args.is(i, WEIGHTS)) {
      if (!readWeights(args, i + 1, reply)) return false
      i += PLAN.sources.length
    } else if (isWeighted && left >= 1 && args.is(i, AGGREGATE) && readAggregate(args, i + 1)) i++
    else if (operation !== Operation.Count && form.event === null && args.is(i, WITHSCORES)) {
      PLAN.hasScores = true
    } else if (operation === Operation.Count && left >= 1 && args.is(i, LIMIT)) {
      const limit = args.integer(++i)
      if (limit === null || limit < 0) {
        reply.error(BAD_LIMIT)
        return false
      }
      PLAN.limit = Number(limit)
    } else {
      reply.error(SYNTAX_ERROR)
      return false
    }
  }
  return true
}

function readWeights(args: Args, first: number, reply: Reply): boolean {
  for (const [k, source] of PLAN.sources.entries()) {
    const weight = args.double(first + k)
    if (weight === null) {
      reply.error(BAD_WEIGHT)
      return false
    }
    source.weight = weight
  }
  return true
}

function readAggregate(args: Args, i: number): boolean {
  if (args.is(i, SUM)) PLAN.aggregate = Aggregate.Sum
  else if (args.is(i, MIN)) PLAN.aggregate = Aggregate.Min
  else if (args.is(i, MAX)) PLAN.aggregate = Aggregate.Max
  else return false
  return true
}

/** Makes the result of the sources of PLAN, and forgets them. */
function combine(context: Context, operation: Operation, made: Zset): void {
  made.openNew()
  PROBE.begin()
  try {
    if (operation === Operation.Union) unite(context, made)
    else if (operation === Operation.Intersect) intersect(context, made)
    else subtract(context, made)
  } catch (error) {
    made.discard()
    throw error
  } finally {
    PLAN.sources.length = 0
  }
}

function unite(context: Context, made: Zset): void {
  const { db, limits } = context
  const sources = PLAN.sources.sort(bySize)
  for (const source of sources) {
    const isFirst = made.count === 0
    WALK.open(db, source)
    while (WALK.next()) {
      const score = weighted(WALK.score, source)
      if (isFirst || !made.find(WALK.member)) made.add(WALK.member, score, limits.encodings)
      else {
        const sum = aggregated(made.score, score)
        if (sum !== made.score) made.setScore(WALK.member, sum)
      }
    }
  }
}

function intersect(context: Context, made: Zset): void {
  const { db, limits } = context
  const sources = PLAN.sources.sort(bySize)
  const [first] = sources
  if (first === undefined || first.count === 0) return
  WALK.open(db, first)
  while (WALK.next()) {
    let score = weighted(WALK.score, first)
    let isInAll = true
    for (let i = 1; i < sources.length && isInAll; i++) {
      const source = sources[i]!
      isInAll = isMember(context, source, first)
      if (isInAll) score = aggregated(score, PROBE.score * source.weight)
    }
    if (isInAll) made.add(WALK.member, score, limits.encodings)
  }
}

function subtract(context: Context, made: Zset): void {
  const { db, limits } = context
  const { sources } = PLAN
  const [first] = sources
  if (first === undefined) return
  WALK.open(db, first)
  while (WALK.next()) {
    let isAlone = true
    for (let i = 1; i < sources.length && isAlone; i++) {
      isAlone = !isMember(context, sources[i]!, first)
    }
    if (isAlone) made.add(WALK.member, WALK.score, limits.encodings)
  }
}

/** Members that are in all sources of PLAN, up to its limit. */
function countAll(context: Context): number {
  const { db } = context
  const sources = PLAN.sources.sort(bySize)
  const [first] = sources
  if (first === undefined || first.count === 0) return 0
  PROBE.begin()
  WALK.open(db, first)
  let count = 0
  while (WALK.next()) {
    let isInAll = true
    for (let i = 1; i < sources.length && isInAll; i++) {
      isInAll = isMember(context, sources[i]!, first)
    }
    if (isInAll && ++count === PLAN.limit) break
  }
  return count
}

/** Whether the member that is walked to, in `first`, is in another source; its score in PROBE. */
function isMember({ db }: Context, source: Source, first: Source): boolean {
  if (source.record !== first.record) return PROBE.has(db, source, WALK.member)
  PROBE.score = WALK.score
  return true
}

function bySize(a: Source, b: Source): number {
  return a.count - b.count
}

/** A score with its weight; what is no number (0 × inf) counts as 0. */
function weighted(score: number, source: Source): number {
  const product = score * source.weight
  return Number.isNaN(product) ? 0 : product
}

function aggregated(first: number, second: number): number {
  if (PLAN.aggregate === Aggregate.Min) return second < first ? second : first
  if (PLAN.aggregate === Aggregate.Max) return second > first ? second : first
  const sum = first + second
  // Infinity and its opposite, or 0 × inf.
  return Number.isNaN(sum) ? 0 : sum
}

function replyAll(zset: Zset, reply: Reply): void {
  const { count } = zset
  const { hasScores } = PLAN
  const isNested = hasScores && reply.version === 3
  reply.array(hasScores && !isNested ? count * 2 : count)
  if (count === 0) return
  zset.seekRank(0)
  do {
    if (isNested) reply.array(2)
    replyMember(reply, zset)
    if (hasScores) reply.double(zset.score)
  } while (zset.next())
}
