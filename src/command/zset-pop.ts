// Members with the lowest or highest scores out: ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait for
// a member, BZPOPMIN, BZPOPMAX, BZMPOP. Whoever repeats these is told which set it was: ZPOPMIN,
// ZPOPMAX.

import { latin1 } from '../base/bytes.ts'
import type { Slice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import type { Zset } from '../keyspace/zset/zset.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, timeoutArgument } from './arguments.ts'
import { type Context, NilForm } from './command.ts'
import { writeSlice } from './effects.ts'
import { EventClass, keyEvent } from './key-event.ts'
import { NOT_POSITIVE, noteRemoval, replyMember, WRONG, writeZset } from './zset-access.ts'

const MIN = word('min')
const MAX = word('max')
const COUNT = word('count')

const BAD_KEY_COUNT = replyError('ERR numkeys should be greater than 0')
const BAD_COUNT = replyError('ERR count should be greater than 0')

const ZPOPMIN = keyEvent(EventClass.Zset, 'zpopmin')
const ZPOPMAX = keyEvent(EventClass.Zset, 'zpopmax')
const ZPOPMIN_WORD = latin1('ZPOPMIN')
const ZPOPMAX_WORD = latin1('ZPOPMAX')

/** How popped members are replied. */
const Form = {
  /** Members and scores in turn. */
  Flat: 0,
  /** A pair for each member. */
  Pairs: 1,
  /** The key, then an array of pairs. */
  KeyAndPairs: 2,
  /** The key, then one member and its score. */
  KeyAndFlat: 3,
} as const
type Form = (typeof Form)[keyof typeof Form]

/** What the arguments ask for. */
const POP = { isMax: false, count: 1, form: Form.Flat as Form, firstKey: 0, keyLimit: 0 }

/** ZPOPMIN key [count]: members with the lowest scores, taken out. O(M log n). */
export function zpopmin(context: Context, args: Args, reply: Reply): void {
  POP.isMax = false
  popSome(context, args, reply)
}

/** ZPOPMAX key [count]: members with the highest scores, taken out. O(M log n). */
export function zpopmax(context: Context, args: Args, reply: Reply): void {
  POP.isMax = true
  popSome(context, args, reply)
}

/** BZPOPMIN key … timeout: key, member and score of the first set that has any. */
export function bzpopmin(context: Context, args: Args, reply: Reply): void {
  POP.isMax = false
  popOrWait(context, args, reply)
}

/** BZPOPMAX key … timeout: key, member and score of the first set that has any. */
export function bzpopmax(context: Context, args: Args, reply: Reply): void {
  POP.isMax = true
  popOrWait(context, args, reply)
}

/** ZMPOP numkeys key … MIN|MAX [COUNT count]: members of the first set that has any. */
export function zmpop(context: Context, args: Args, reply: Reply): void {
  if (!readKeysAndCount(args, 1, reply)) return
  if (!popFirst(context, args, reply)) reply.nilArray()
}

/** BZMPOP timeout numkeys key … MIN|MAX [COUNT count]: as ZMPOP, and waits for a member. */
export function bzmpop(context: Context, args: Args, reply: Reply): void {
  if (!readKeysAndCount(args, 2, reply)) return
  const deadlineMs = timeoutArgument(context, args, 1, reply)
  if (deadlineMs === null) return
  if (!popFirst(context, args, reply)) wait(context, deadlineMs, reply)
}

function popSome(context: Context, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(SYNTAX_ERROR)
  const count = args.count === 3 ? args.integer(2) : 1
  if (count === null || count < 0) return reply.error(NOT_POSITIVE)
  const zset = writeZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null || count === 0) return reply.array(0)
  POP.count = Number(count)
  POP.form = args.count === 3 && reply.version === 3 ? Form.Pairs : Form.Flat
  pop(context, zset, reply)
}

function popOrWait(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = timeoutArgument(context, args, args.count - 1, reply)
  if (deadlineMs === null) return
  POP.count = 1
  POP.form = Form.KeyAndFlat
  POP.firstKey = 1
  POP.keyLimit = args.count - 1
  if (!popFirst(context, args, reply)) wait(context, deadlineMs, reply)
}

/** Reads `numkeys key … MIN|MAX [COUNT count]` from argument `i` on; false after an error reply. */
function readKeysAndCount(args: Args, i: number, reply: Reply): boolean {
  const keys = args.integer(i)
  if (keys === null || keys < 1) {
    reply.error(BAD_KEY_COUNT)
    return false
  }
  const at = i + 1 + Number(keys)
  if (at >= args.count || (!args.is(at, MIN) && !args.is(at, MAX))) {
    reply.error(SYNTAX_ERROR)
    return false
  }
  POP.isMax = args.is(at, MAX)
  POP.form = Form.KeyAndPairs
  POP.firstKey = i + 1
  POP.keyLimit = at
  POP.count = 1
  if (at + 1 === args.count) return true
  if (at + 3 > args.count || !args.is(at + 1, COUNT)) {
    reply.error(SYNTAX_ERROR)
    return false
  }
  // The count is looked at before what follows it.
  const count = args.integer(at + 2)
  if (count === null || count < 1) {
    reply.error(BAD_COUNT)
    return false
  }
  if (args.count > at + 3) {
    reply.error(SYNTAX_ERROR)
    return false
  }
  POP.count = Number(count)
  return true
}

/** Pops from the first set that there is; false, and nothing replied, when there is none. */
function popFirst(context: Context, args: Args, reply: Reply): boolean {
  for (let i = POP.firstKey; i < POP.keyLimit; i++) {
    const key = keyArgument(context, args, i)
    // A client that waits for a sorted set goes on waiting when the key becomes something else.
    if (context.blocker.isRetry && !isZset(context, key)) continue
    const zset = writeZset(context, key, reply)
    if (zset === WRONG) return true
    if (zset === null) continue
    pop(context, zset, reply)
    return true
  }
  return false
}

function isZset({ db }: Context, key: Slice): boolean {
  const record = db.peek(key)
  return record !== NULL && db.typeOf(record) === Type.Zset
}

function wait(context: Context, deadlineMs: number, reply: Reply): void {
  if (!context.blocker.canWait) return reply.nilArray()
  const positions: number[] = []
  for (let i = POP.firstKey; i < POP.keyLimit; i++) positions.push(i)
  context.blocker.wait({ positions, deadlineMs, nil: NilForm.Array })
}

/** Replies members of the context's key, and then takes them out. */
function pop(context: Context, zset: Zset, reply: Reply): void {
  const { isMax, form } = POP
  const size = zset.count
  const count = Math.min(POP.count, size)
  const isPaired = form === Form.Pairs || form === Form.KeyAndPairs
  if (form === Form.KeyAndFlat) reply.array(3)
  if (form === Form.KeyAndPairs) reply.array(2)
  if (form === Form.KeyAndFlat || form === Form.KeyAndPairs) replyKey(context, reply)
  if (isPaired) reply.array(count)
  else if (form === Form.Flat) reply.array(count * 2)
  zset.seekRank(isMax ? size - 1 : 0)
  for (let i = 0; i < count; i++) {
    if (i > 0) {
      if (isMax) zset.previous()
      else zset.next()
    }
    if (isPaired) reply.array(2)
    replyMember(reply, zset)
    reply.double(zset.score)
  }
  const isAll = count === size
  if (!isAll) zset.removeRanks(isMax ? size - count : 0, isMax ? size : count)
  const event = isMax ? ZPOPMAX : ZPOPMIN
  noteRemoval(context, context.key, { zset, event, count, isAll })
  if (context.effects.isKept) keepPop(context, count)
}

/** Keeps a pop from one of several sets as one from that set. */
function keepPop({ effects, db, key }: Context, count: number): void {
  const { isMax, form } = POP
  const hasCount = form === Form.KeyAndPairs
  if (!hasCount && form !== Form.KeyAndFlat) return
  const writer = effects.instead(db, isMax ? ZPOPMAX_WORD : ZPOPMIN_WORD, hasCount ? 3 : 2)
  writeSlice(writer, key)
  if (hasCount) writer.bulkInteger(count)
}

function replyKey({ key }: Context, reply: Reply): void {
  reply.bulk(key.bytes, key.start, key.length)
}
