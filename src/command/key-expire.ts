// Deadlines of keys: the EXPIRE family with its conditions, the TTL family, PERSIST.
//
// A deadline that is not in the future deletes the key at once. In the conditions GT and LT a key
// without deadline counts as one that lives for ever. Whoever repeats these commands is told the
// deadline in unix ms, or that the key is gone.

import { latin1 } from '../base/bytes.ts'
import type { Slice } from '../base/slice.ts'
import { NO_DEADLINE } from '../keyspace/database.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { inspect, integerArgument, keyArgument } from './arguments.ts'
import type { Context, Handler } from './command.ts'
import {
  invalidExpireTime,
  MILLISECONDS,
  SECONDS,
  type TimeUnit,
  toDeadline,
  UNIX_MILLISECONDS,
  UNIX_SECONDS,
} from './deadline.ts'
import { keepDeletion, writeArguments, writeSlice } from './effects.ts'
import { DEL, EXPIRE, noteChange, PERSIST } from './key-event.ts'

const Condition = { Nx: 1, Xx: 2, Gt: 4, Lt: 8 } as const

const NX = word('nx')
const XX = word('xx')
const GT = word('gt')
const LT = word('lt')
const PEXPIREAT = latin1('PEXPIREAT')

const NX_AND_OTHERS = replyError(
  'ERR NX and XX, GT or LT options at the same time are not compatible',
)
const GT_AND_LT = replyError('ERR GT and LT options at the same time are not compatible')
/** `parseConditions`: an error was replied. */
const REPLIED = -1

/** TTL replies for a key that is not there, and for one that lives for ever. */
const NO_KEY = -2
const FOR_EVER = -1

export const expire = expireHandler('expire', SECONDS)
export const pexpire = expireHandler('pexpire', MILLISECONDS)
export const expireat = expireHandler('expireat', UNIX_SECONDS)
export const pexpireat = expireHandler('pexpireat', UNIX_MILLISECONDS)

/** TTL key: seconds to live, rounded; -1 without a deadline, -2 without a key. O(1). */
export function ttl(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = findDeadline(context, args)
  if (deadlineMs < 0) return reply.integer(deadlineMs)
  reply.integer(toSeconds(Math.max(0, deadlineMs - context.nowMs)))
}

/** PTTL key: milliseconds to live. O(1). */
export function pttl(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = findDeadline(context, args)
  if (deadlineMs < 0) return reply.integer(deadlineMs)
  reply.integer(Math.max(0, deadlineMs - context.nowMs))
}

/** EXPIRETIME key: the deadline in unix seconds, rounded. O(1). */
export function expiretime(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = findDeadline(context, args)
  reply.integer(deadlineMs < 0 ? deadlineMs : toSeconds(deadlineMs))
}

/** PEXPIRETIME key: the deadline in unix ms. O(1). */
export function pexpiretime(context: Context, args: Args, reply: Reply): void {
  reply.integer(findDeadline(context, args))
}

/** PERSIST key: 1 when it had a deadline, which is gone now. O(1). */
export function persist(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL || db.deadlineOf(record) === NO_DEADLINE) return reply.integer(0)
  db.setDeadline(record, NO_DEADLINE)
  noteChange(context, key, PERSIST)
  reply.integer(1)
}

/** NAME key time [NX | XX | GT | LT]: 1 when the deadline was set or the key deleted. O(1). */
function expireHandler(name: string, unit: TimeUnit): Handler {
  const invalid = invalidExpireTime(name)
  return (context, args, reply) => {
    const conditions = args.count === 3 ? 0 : parseConditions(args, reply)
    if (conditions === REPLIED) return
    const amount = integerArgument(args, 2, reply)
    if (amount === null) return
    const deadlineMs = toDeadline(amount, unit.unitMs, unit.isRelative ? context.nowMs : 0)
    if (deadlineMs === null) return reply.error(invalid)
    const key = keyArgument(context, args, 1)
    const outcome = changeDeadline(context, key, deadlineMs, conditions)
    const { effects } = context
    if (effects.isKept) {
      if (outcome === Outcome.Deleted) keepDeletion(context, key, effects.isExpiryLazy)
      else if (outcome === Outcome.Set && unit !== UNIX_MILLISECONDS) {
        const writer = effects.instead(context.db, PEXPIREAT, args.count)
        writeSlice(writer, key)
        writer.bulkInteger(deadlineMs)
        writeArguments(writer, args, 3, args.count)
      }
    }
    reply.integer(outcome === Outcome.None ? 0 : 1)
  }
}

const Outcome = { None: 0, Set: 1, Deleted: 2 } as const
type Outcome = (typeof Outcome)[keyof typeof Outcome]

/** Sets a deadline, or deletes the key when it has passed; None: no key, or not allowed. */
function changeDeadline(
  context: Context,
  key: Slice,
  deadlineMs: number,
  conditions: number,
): Outcome {
  const { db, nowMs } = context
  const record = db.findForWrite(key)
  if (record === NULL) return Outcome.None
  if (conditions !== 0 && !allows(conditions, db.deadlineOf(record), deadlineMs)) {
    return Outcome.None
  }
  const isOver = deadlineMs <= nowMs && !context.isReplayed
  if (isOver) removeOverdue(context, record)
  // A log may say what no client can: then the key is overdue.
  else db.setDeadline(record, Math.max(deadlineMs, 1))
  noteChange(context, key, isOver ? DEL : EXPIRE)
  return isOver ? Outcome.Deleted : Outcome.Set
}

/** Removes a key whose deadline was over when it was set, as lazily as one that expires. */
function removeOverdue({ db, keyspace }: Context, record: Ptr): void {
  const { lazyFree } = keyspace
  const wasLazy = lazyFree.enter(lazyFree.isExpiryLazy)
  db.remove(record)
  lazyFree.enter(wasLazy)
}

function allows(conditions: number, oldMs: number, newMs: number): boolean {
  const hasOld = oldMs !== NO_DEADLINE
  if ((conditions & Condition.Nx) !== 0 && hasOld) return false
  if ((conditions & Condition.Xx) !== 0 && !hasOld) return false
  if ((conditions & Condition.Gt) !== 0 && (!hasOld || newMs <= oldMs)) return false
  return (conditions & Condition.Lt) === 0 || !hasOld || newMs < oldMs
}

/** The conditions from argument 3 on; REPLIED after an error reply. */
function parseConditions(args: Args, reply: Reply): number {
  let conditions = 0
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, NX)) conditions |= Condition.Nx
    else if (args.is(i, XX)) conditions |= Condition.Xx
    else if (args.is(i, GT)) conditions |= Condition.Gt
    else if (args.is(i, LT)) conditions |= Condition.Lt
    else {
      reply.errorText(`ERR Unsupported option ${args.text(i)}`)
      return REPLIED
    }
  }
  const hasNx = (conditions & Condition.Nx) !== 0
  if (hasNx && conditions !== Condition.Nx) {
    reply.error(NX_AND_OTHERS)
    return REPLIED
  }
  if ((conditions & Condition.Gt) !== 0 && (conditions & Condition.Lt) !== 0) {
    reply.error(GT_AND_LT)
    return REPLIED
  }
  return conditions
}

/** The deadline of the key that argument 1 names, in unix ms; FOR_EVER or NO_KEY. */
function findDeadline(context: Context, args: Args): number {
  const record = inspect(context, keyArgument(context, args, 1))
  if (record === NULL) return NO_KEY
  const deadlineMs = context.db.deadlineOf(record)
  return deadlineMs === NO_DEADLINE ? FOR_EVER : deadlineMs
}

function toSeconds(ms: number): number {
  return Math.floor((ms + 500) / 1000)
}
