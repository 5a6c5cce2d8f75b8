// Deadlines of single fields of hashes, commands of Redis 7.4: HEXPIRE and its variants, HTTL and
// its variants, HPERSIST. Each replies an integer per field.
//
// A deadline that is not in the future deletes the field at once. In the conditions GT and LT a
// field without deadline counts as one that lives for ever. Whoever repeats these commands is told
// of the fields that they have changed, with the deadline in unix ms (HPEXPIREAT, HDEL).
// Source: the documentation of the commands and of keyspace notifications; what Redis 7.0 cannot
// answer no test compares.

import { latin1 } from '../base/bytes.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import { type Command, type Context, Flag, type Handler } from './command.ts'
import {
  invalidExpireTime,
  MILLISECONDS,
  SECONDS,
  type TimeUnit,
  toDeadline,
  UNIX_MILLISECONDS,
  UNIX_SECONDS,
} from './deadline.ts'
import { writeArguments, writeSlice } from './effects.ts'
import { DEL, EventClass, type KeyEvent, keyEvent, noteChange, noteEvent } from './key-event.ts'

const HEXPIRE = keyEvent(EventClass.Hash, 'hexpire')
const HPERSIST = keyEvent(EventClass.Hash, 'hpersist')
const HDEL = keyEvent(EventClass.Hash, 'hdel')

const FIELDS = word('fields')
const NX = word('nx')
const XX = word('xx')
const GT = word('gt')
const LT = word('lt')

const FIELDS_MISSING = replyError(
  'ERR Mandatory argument FIELDS is missing or not at the right position',
)
const COUNT_NOT_POSITIVE = replyError('ERR Parameter `numFields` should be greater than 0')
const COUNT_NOT_RIGHT = replyError(
  'ERR The `numfields` parameter must match the number of arguments',
)
const TIME_NEGATIVE = replyError('ERR invalid expire time, must be >= 0')

/** Deadlines above this, unix ms of 46 bits, are none for Redis either. */
const DEADLINE_MAX = 2 ** 46 - 1

const HPEXPIREAT_WORD = latin1('HPEXPIREAT')
const HDEL_WORD = latin1('HDEL')
const HPERSIST_WORD = latin1('HPERSIST')
const FIELDS_WORD = latin1('FIELDS')

/** What the reply says of a field. */
const Outcome = { NoField: -2, NoDeadline: -1, NotMet: 0, Done: 1, Deleted: 2 } as const
type Outcome = (typeof Outcome)[keyof typeof Outcome]

const Condition = { None: 0, Nx: 1, Xx: 2, Gt: 3, Lt: 4 } as const
type Condition = (typeof Condition)[keyof typeof Condition]

const HASH = new HashValue()
const FIELD = scratchSlice()
/** Positions of the arguments whose fields have changed. */
const CHANGED: number[] = []

export const hexpire = expireHandler('hexpire', SECONDS)
export const hpexpire = expireHandler('hpexpire', MILLISECONDS)
export const hexpireat = expireHandler('hexpireat', UNIX_SECONDS)
export const hpexpireat = expireHandler('hpexpireat', UNIX_MILLISECONDS)

export const httl = ttlHandler(SECONDS)
export const hpttl = ttlHandler(MILLISECONDS)
export const hexpiretime = ttlHandler(UNIX_SECONDS)
export const hpexpiretime = ttlHandler(UNIX_MILLISECONDS)

/** NAME key time [NX | XX | GT | LT] FIELDS n field …: an `Outcome` per field. O(n). */
function expireHandler(name: string, unit: TimeUnit): Handler {
  const invalid = invalidExpireTime(name)
  return (context, args, reply) => {
    if (!openHash(context, args, reply)) return
    const amount = integerArgument(args, 2, reply)
    if (amount === null) return
    if (amount < 0) return reply.error(TIME_NEGATIVE)
    const deadlineMs = toDeadline(amount, unit.unitMs, unit.isRelative ? context.nowMs : 0)
    if (deadlineMs === null || deadlineMs > DEADLINE_MAX) return reply.error(invalid)
    const condition = conditionOf(args)
    const from = fieldsArgument(args, condition === Condition.None ? 3 : 4, reply)
    if (from === 0) return
    reply.array(args.count - from)
    const isOver = deadlineMs <= context.nowMs && !context.isReplayed
    const settledMs = isOver ? 0 : Math.max(deadlineMs, 1)
    let changed = 0
    CHANGED.length = 0
    try {
      for (let i = from; i < args.count; i++) {
        const outcome = expireField(context, fieldArgument(args, i), settledMs, condition)
        if (outcome > 0) {
          changed++
          CHANGED.push(i)
        }
        reply.integer(outcome)
      }
    } finally {
      // In a full arena some fields may have got their deadline.
      if (changed > 0) {
        noteFields(context, isOver ? HDEL : HEXPIRE, changed)
        if (context.effects.isKept) keepDeadlines(context, args, settledMs)
      }
    }
  }
}

/** Keeps the fields that have changed with their deadline, or as deleted if that is 0. */
function keepDeadlines({ effects, db, key }: Context, args: Args, deadlineMs: number): void {
  const count = CHANGED.length
  const isOver = deadlineMs === 0
  const writer = isOver
    ? effects.instead(db, HDEL_WORD, 2 + count)
    : effects.instead(db, HPEXPIREAT_WORD, 5 + count)
  writeSlice(writer, key)
  if (!isOver) {
    writer.bulkInteger(deadlineMs)
    writer.bulk(FIELDS_WORD, 0, FIELDS_WORD.length)
    writer.bulkInteger(count)
  }
  for (let i = 0; i < count; i++) writeArguments(writer, args, CHANGED[i]!, CHANGED[i]! + 1)
}

/** Gives a field a deadline, or removes it if that is 0. */
function expireField(
  context: Context,
  field: Slice,
  deadlineMs: number,
  condition: Condition,
): Outcome {
  if (HASH.record === NULL || !HASH.find(field)) return Outcome.NoField
  if (!allows(condition, HASH.deadlineMs, deadlineMs)) return Outcome.NotMet
  if (deadlineMs === 0) {
    HASH.removeFound()
    return Outcome.Deleted
  }
  HASH.setDeadline(field, deadlineMs, context.limits.encodings)
  return Outcome.Done
}

function allows(condition: Condition, oldMs: number, newMs: number): boolean {
  switch (condition) {
    case Condition.Nx:
      return oldMs === 0
    case Condition.Xx:
      return oldMs !== 0
    case Condition.Gt:
      return oldMs !== 0 && newMs > oldMs
    case Condition.Lt:
      return oldMs === 0 || newMs < oldMs
    default:
      return true
  }
}

/** HPERSIST key FIELDS n field …: 1 for each field that had a deadline, -1 without. O(n). */
export function hpersist(context: Context, args: Args, reply: Reply): void {
  if (!openHash(context, args, reply)) return
  const from = fieldsArgument(args, 2, reply)
  if (from === 0) return
  reply.array(args.count - from)
  let changed = 0
  CHANGED.length = 0
  for (let i = from; i < args.count; i++) {
    const field = fieldArgument(args, i)
    let outcome: Outcome = Outcome.NoField
    if (HASH.record !== NULL && HASH.find(field)) {
      outcome = HASH.deadlineMs === 0 ? Outcome.NoDeadline : Outcome.Done
      if (outcome === Outcome.Done) {
        HASH.clearDeadline(field)
        changed++
        CHANGED.push(i)
      }
    }
    reply.integer(outcome)
  }
  if (changed === 0) return
  noteFields(context, HPERSIST, changed)
  if (context.effects.isKept) keepPersisted(context, args)
}

/** Keeps the fields that have lost their deadline. */
function keepPersisted({ effects, db, key }: Context, args: Args): void {
  const count = CHANGED.length
  const writer = effects.instead(db, HPERSIST_WORD, 4 + count)
  writeSlice(writer, key)
  writer.bulk(FIELDS_WORD, 0, FIELDS_WORD.length)
  writer.bulkInteger(count)
  for (let i = 0; i < count; i++) writeArguments(writer, args, CHANGED[i]!, CHANGED[i]! + 1)
}

/** NAME key FIELDS n field …: the time to live, or the deadline, of each field. O(n). */
function ttlHandler(unit: TimeUnit): Handler {
  return (context, args, reply) => {
    const { db, nowMs } = context
    const record = db.find(keyArgument(context, args, 1))
    if (record !== NULL && db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
    const from = fieldsArgument(args, 2, reply)
    if (from === 0) return
    if (record !== NULL) HASH.open(db, record)
    reply.array(args.count - from)
    for (let i = from; i < args.count; i++) {
      if (record === NULL || !HASH.find(fieldArgument(args, i))) reply.integer(Outcome.NoField)
      else if (HASH.deadlineMs === 0) reply.integer(Outcome.NoDeadline)
      else {
        const ms = unit.isRelative ? HASH.deadlineMs - nowMs : HASH.deadlineMs
        // Rounded up, so that no field that is there has a time to live of 0.
        reply.integer(Math.ceil(ms / unit.unitMs))
      }
    }
  }
}

/** Points HASH at the hash in argument 1, or at no record; false after an error reply. */
function openHash(context: Context, args: Args, reply: Reply): boolean {
  const { db } = context
  const record = db.findForWrite(keyArgument(context, args, 1))
  if (record !== NULL && db.typeOf(record) !== Type.Hash) {
    reply.error(WRONG_TYPE)
    return false
  }
  if (record === NULL) HASH.record = NULL
  else HASH.open(db, record)
  return true
}

function conditionOf(args: Args): Condition {
  if (args.is(3, NX)) return Condition.Nx
  if (args.is(3, XX)) return Condition.Xx
  if (args.is(3, GT)) return Condition.Gt
  return args.is(3, LT) ? Condition.Lt : Condition.None
}

/** Where the fields begin whose count stands behind FIELDS in argument `i`; 0 after an error. */
function fieldsArgument(args: Args, i: number, reply: Reply): number {
  if (i + 1 >= args.count || !args.is(i, FIELDS)) reply.error(FIELDS_MISSING)
  else {
    const count = args.integer(i + 1)
    if (count === null || count <= 0) reply.error(COUNT_NOT_POSITIVE)
    else if (count !== args.count - i - 2) reply.error(COUNT_NOT_RIGHT)
    else return i + 2
  }
  return 0
}

/** Points FIELD at argument `i`. */
function fieldArgument(args: Args, i: number): Slice {
  return FIELD.set(args.bytes, args.start(i), args.length(i))
}

/** Tells and counts a change of fields; a hash without any is removed. */
function noteFields(context: Context, event: KeyEvent, changed: number): void {
  const { db, key, keyspace } = context
  const isEmpty = HASH.count === 0
  if (isEmpty) db.remove(HASH.record)
  noteChange(context, key, event)
  keyspace.dirty += changed - 1
  if (isEmpty) noteEvent(context, key, DEL)
}

const ROW = {
  keys: [1, 1, 1],
  group: 'hash',
  since: '7.4.0',
  complexity: 'O(N), where N is the number of fields given.',
} as const
const EXPIRE_ROW = {
  ...ROW,
  flags: Flag.Write | Flag.DenyOom | Flag.Fast,
  arity: -6,
  keyFlags: ['RW update'],
} as const
const TTL_ROW = {
  ...ROW,
  flags: Flag.ReadOnly | Flag.Fast,
  arity: -5,
  keyFlags: ['RO access'],
} as const
const LEFT_ROW = { ...TTL_ROW, tips: ['nondeterministic_output'] } as const

export const hashExpireCommands: readonly Command[] = [
  {
    ...EXPIRE_ROW,
    name: 'hexpire',
    run: hexpire,
    summary: 'Set the seconds that fields of a hash have to live',
  },
  {
    ...EXPIRE_ROW,
    name: 'hexpireat',
    run: hexpireat,
    summary: 'Set when fields of a hash expire, in unix seconds',
  },
  {
    ...TTL_ROW,
    name: 'hexpiretime',
    run: hexpiretime,
    summary: 'Tell when fields of a hash expire, in unix seconds',
  },
  {
    ...ROW,
    name: 'hpersist',
    arity: -5,
    flags: Flag.Write | Flag.Fast,
    run: hpersist,
    summary: 'Let fields of a hash live for ever',
    keyFlags: ['RW update'],
  },
  {
    ...EXPIRE_ROW,
    name: 'hpexpire',
    run: hpexpire,
    summary: 'Set the milliseconds that fields of a hash have to live',
  },
  {
    ...EXPIRE_ROW,
    name: 'hpexpireat',
    run: hpexpireat,
    summary: 'Set when fields of a hash expire, in unix milliseconds',
  },
  {
    ...TTL_ROW,
    name: 'hpexpiretime',
    run: hpexpiretime,
    summary: 'Tell when fields of a hash expire, in unix milliseconds',
  },
  {
    ...LEFT_ROW,
    name: 'hpttl',
    run: hpttl,
    summary: 'Tell the milliseconds that fields of a hash have to live',
  },
  {
    ...LEFT_ROW,
    name: 'httl',
    run: httl,
    summary: 'Tell the seconds that fields of a hash have to live',
  },
]
