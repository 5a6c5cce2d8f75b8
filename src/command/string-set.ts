// SET with its options, and what it replaced: SETNX, SETEX, PSETEX, GETSET; GETEX, which reads and
// changes the deadline; GETDEL; MSET and MSETNX.
//
// Options are read from a table of words with the options each excludes; giving one twice is
// accepted, as in Redis. What a parse found stands in one object that is filled again and again.
// Whoever repeats these commands is told of plain SETs, with the deadline in unix ms.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import { scratchSlice } from '../base/slice.ts'
import { KEEP_DEADLINE, NO_DEADLINE } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { SYNTAX_ERROR, WRONG_TYPE, wrongArity } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import {
  deadlineArgument,
  deadlineFault,
  invalidExpireTime,
  MILLISECONDS,
  SECONDS,
  type TimeUnit,
  UNIX_MILLISECONDS,
  UNIX_SECONDS,
} from './deadline.ts'
import { keepDeletion, writeSlice } from './effects.ts'
import { DEL, EventClass, EXPIRE, keyEvent, noteChange, noteEvent, PERSIST } from './key-event.ts'

/** The key was given a string, whole. */
export const SET = keyEvent(EventClass.String, 'set')

const Option = {
  Nx: 1 << 0,
  Xx: 1 << 1,
  Get: 1 << 2,
  KeepTtl: 1 << 3,
  Persist: 1 << 4,
  Ex: 1 << 5,
  Px: 1 << 6,
  ExAt: 1 << 7,
  PxAt: 1 << 8,
} as const

const TIMES = Option.Ex | Option.Px | Option.ExAt | Option.PxAt
const SET_OPTIONS = Option.Nx | Option.Xx | Option.Get | Option.KeepTtl | TIMES
const GETEX_OPTIONS = Option.Persist | TIMES

const SET_WORD = latin1('SET')
const PXAT_WORD = latin1('PXAT')
const PEXPIREAT_WORD = latin1('PEXPIREAT')
const PERSIST_WORD = latin1('PERSIST')
const GET = word('get')

/** One word of the options. */
interface OptionRow {
  readonly word: Uint8Array
  readonly option: number
  /** Options that may not stand before this one. */
  readonly excluded: number
  /** Present when the next argument is a time. */
  readonly unit: TimeUnit | null
}

const NEITHER = Option.KeepTtl | Option.Persist
const OPTION_ROWS: readonly OptionRow[] = [
  { word: word('nx'), option: Option.Nx, excluded: Option.Xx, unit: null },
  { word: word('xx'), option: Option.Xx, excluded: Option.Nx, unit: null },
  { word: GET, option: Option.Get, excluded: 0, unit: null },
  { word: word('keepttl'), option: Option.KeepTtl, excluded: Option.Persist | TIMES, unit: null },
  { word: word('persist'), option: Option.Persist, excluded: Option.KeepTtl | TIMES, unit: null },
  timeRow('ex', Option.Ex, SECONDS),
  timeRow('px', Option.Px, MILLISECONDS),
  timeRow('exat', Option.ExAt, UNIX_SECONDS),
  timeRow('pxat', Option.PxAt, UNIX_MILLISECONDS),
]

const INVALID_SET_TIME = invalidExpireTime('set')
const INVALID_SETEX_TIME = invalidExpireTime('setex')
const INVALID_PSETEX_TIME = invalidExpireTime('psetex')
const INVALID_GETEX_TIME = invalidExpireTime('getex')
const MSET_ARITY = wrongArity('mset')
const MSETNX_ARITY = wrongArity('msetnx')

/** What `parseOptions` found. */
const FOUND = { options: 0, timeAt: 0, unit: MILLISECONDS }
/** The value that a command replaces and replies. */
const OLD = scratchSlice()

/** SET key value [options]: OK; nil when NX or XX forbids; with GET the old value. O(value). */
export function set(context: Context, args: Args, reply: Reply): void {
  const key = keyArgument(context, args, 1)
  valueArgument(context, args, 2)
  if (args.count > 3) return setWithOptions(context, args, reply)
  context.db.putString(key, context.value, NO_DEADLINE)
  noteChange(context, key, SET)
  reply.ok()
}

function setWithOptions(context: Context, args: Args, reply: Reply): void {
  if (!parseOptions(args, 3, SET_OPTIONS)) return reply.error(SYNTAX_ERROR)
  const { options, timeAt } = FOUND
  let deadlineMs = (options & Option.KeepTtl) !== 0 ? KEEP_DEADLINE : NO_DEADLINE
  if (timeAt > 0) {
    deadlineMs = deadlineArgument(context, args, timeAt, FOUND.unit)
    if (deadlineMs <= 0) return reply.error(deadlineFault(deadlineMs, INVALID_SET_TIME))
  }
  if ((options & Option.Get) !== 0) {
    const isSet = setAnswered(context, options, deadlineMs, reply)
    if (isSet && timeAt === 0 && context.effects.isKept) keepWithoutGet(context, args)
    return
  }
  if (!allows(context, options)) return reply.nil()
  putAndTell(context, deadlineMs)
  reply.ok()
}

/** Sets the context's key to its value, until `deadlineMs` if that is one, and says so. */
function putAndTell(context: Context, deadlineMs: number): void {
  const { db, key, value } = context
  db.putString(key, value, deadlineMs)
  noteChange(context, key, SET)
  if (deadlineMs <= 0) return
  noteEvent(context, key, EXPIRE)
  if (!context.effects.isKept) return
  const writer = keepSet(context, 5)
  writer.bulk(PXAT_WORD, 0, PXAT_WORD.length)
  writer.bulkInteger(deadlineMs)
}

/** Keeps the command as SET of the context's key to its value, and words behind; `count` in all. */
function keepSet({ db, key, value, effects }: Context, count: number): Reply {
  const writer = effects.instead(db, SET_WORD, count)
  writeSlice(writer, key)
  writeSlice(writer, value)
  return writer
}

/** Keeps SET with all its options but GET, however often that was given. */
function keepWithoutGet(context: Context, args: Args): void {
  let count = args.count
  for (let i = 3; i < args.count; i++) if (args.is(i, GET)) count--
  const writer = keepSet(context, count)
  for (let i = 3; i < args.count; i++) {
    if (!args.is(i, GET)) writer.bulk(args.bytes, args.start(i), args.length(i))
  }
}

/** SET with GET: replies the old value, whether or not it is replaced; true: it was. */
function setAnswered(context: Context, options: number, deadlineMs: number, reply: Reply): boolean {
  reply.hold()
  const isSet = replyOld(context, reply) && allows(context, options)
  if (isSet) putAndTell(context, deadlineMs)
  reply.release()
  return isSet
}

/** Whether NX and XX let the context's key be set. */
function allows({ db, key }: Context, options: number): boolean {
  if ((options & (Option.Nx | Option.Xx)) === 0) return true
  return (db.findForWrite(key) !== NULL) === ((options & Option.Xx) !== 0)
}

/** What SET does to its key: with GET it also reads it. */
export function setKeyFlags(args: Args): string {
  const hasGet = args.count > 3 && parseOptions(args, 3, SET_OPTIONS)
  return hasGet && (FOUND.options & Option.Get) !== 0 ? 'RW access update' : 'OW update'
}

/** SETNX key value: 1 when it was set, 0 when the key was there. O(value). */
export function setnx(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  if (db.findForWrite(key) !== NULL) return reply.integer(0)
  db.putString(key, valueArgument(context, args, 2), NO_DEADLINE)
  noteChange(context, key, SET)
  reply.integer(1)
}

/** SETEX key seconds value: OK. O(value). */
export function setex(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = deadlineArgument(context, args, 2, SECONDS)
  if (deadlineMs <= 0) return reply.error(deadlineFault(deadlineMs, INVALID_SETEX_TIME))
  setUntil(context, args, deadlineMs, reply)
}

/** PSETEX key milliseconds value: OK. O(value). */
export function psetex(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = deadlineArgument(context, args, 2, MILLISECONDS)
  if (deadlineMs <= 0) return reply.error(deadlineFault(deadlineMs, INVALID_PSETEX_TIME))
  setUntil(context, args, deadlineMs, reply)
}

function setUntil(context: Context, args: Args, deadlineMs: number, reply: Reply): void {
  keyArgument(context, args, 1)
  valueArgument(context, args, 3)
  putAndTell(context, deadlineMs)
  reply.ok()
}

/** GETSET key value: the old value, nil when there was none. O(value). */
export function getset(context: Context, args: Args, reply: Reply): void {
  keyArgument(context, args, 1)
  valueArgument(context, args, 2)
  reply.hold()
  if (replyOld(context, reply)) {
    putAndTell(context, NO_DEADLINE)
    if (context.effects.isKept) keepSet(context, 3)
  }
  reply.release()
}

/** GETDEL key: the value, and the key is gone; nil when it was not there. O(1). */
export function getdel(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.find(key)
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  db.readString(record, OLD)
  reply.bulk(OLD.bytes, OLD.start, OLD.length)
  db.remove(record)
  noteChange(context, key, DEL)
  if (context.effects.isKept) keepDeletion(context, key, context.limits.isUserDelLazy)
}

/** GETEX key [PERSIST | EX … ]: the value; its deadline changes. nil: no such key. O(1). */
export function getex(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (!parseOptions(args, 2, GETEX_OPTIONS)) return reply.error(SYNTAX_ERROR)
  const key = keyArgument(context, args, 1)
  const record = db.find(key)
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  const { timeAt } = FOUND
  let deadlineMs = NO_DEADLINE
  if (timeAt > 0) {
    deadlineMs = deadlineArgument(context, args, timeAt, FOUND.unit)
    if (deadlineMs <= 0) return reply.error(deadlineFault(deadlineMs, INVALID_GETEX_TIME))
  }
  const hasPassed = deadlineMs !== NO_DEADLINE && deadlineMs <= context.nowMs
  const isOver = hasPassed && !context.isReplayed
  const isPersisted =
    (FOUND.options & Option.Persist) !== 0 && db.deadlineOf(record) !== NO_DEADLINE
  const isChanged = isPersisted || (deadlineMs !== NO_DEADLINE && !isOver)
  const kept = isChanged ? db.setDeadline(record, deadlineMs) : record
  db.readString(kept, OLD)
  reply.bulk(OLD.bytes, OLD.start, OLD.length)
  if (isOver) db.remove(record)
  if (isOver) noteChange(context, key, DEL)
  else if (isChanged) noteChange(context, key, isPersisted ? PERSIST : EXPIRE)
  if (!context.effects.isKept) return
  if (isOver) keepDeletion(context, key, context.effects.isExpiryLazy)
  else if (isChanged) keepDeadline(context, deadlineMs)
}

/** Keeps GETEX as PEXPIREAT, or as PERSIST without a deadline. */
function keepDeadline({ db, key, effects }: Context, deadlineMs: number): void {
  if (deadlineMs === NO_DEADLINE) return writeSlice(effects.instead(db, PERSIST_WORD, 2), key)
  const writer = effects.instead(db, PEXPIREAT_WORD, 3)
  writeSlice(writer, key)
  writer.bulkInteger(deadlineMs)
}

/** MSET key value …: OK. O(N). */
export function mset(context: Context, args: Args, reply: Reply): void {
  if (args.count % 2 === 0) return reply.error(MSET_ARITY)
  for (let i = 1; i < args.count; i += 2) {
    setPair(context, args, i)
    noteChange(context, context.key, SET)
  }
  reply.ok()
}

/** MSETNX key value …: 1 when all were set, 0 when any was there and none is set. O(N). */
export function msetnx(context: Context, args: Args, reply: Reply): void {
  if (args.count % 2 === 0) return reply.error(MSETNX_ARITY)
  for (let i = 1; i < args.count; i += 2) {
    if (context.db.findForWrite(keyArgument(context, args, i)) !== NULL) return reply.integer(0)
  }
  try {
    for (let i = 1; i < args.count; i += 2) setPair(context, args, i)
  } catch (error) {
    // All or none, in a full arena too: what was set was not there before.
    removePairs(context, args)
    throw error
  }
  for (let i = 1; i < args.count; i += 2) noteChange(context, keyArgument(context, args, i), SET)
  reply.integer(1)
}

/** Sets the key in argument `i` to the value behind it. */
function setPair(context: Context, args: Args, i: number): void {
  const key = keyArgument(context, args, i)
  context.db.putString(key, valueArgument(context, args, i + 1), NO_DEADLINE)
}

function removePairs(context: Context, args: Args): void {
  for (let i = 1; i < args.count; i += 2) {
    const record = context.db.peek(keyArgument(context, args, i))
    if (record !== NULL) context.db.remove(record)
  }
}

/** Replies the value of the context's key or nil; false when the reply is WRONGTYPE instead. */
function replyOld({ db, key }: Context, reply: Reply): boolean {
  const record = db.find(key)
  if (record === NULL) {
    reply.nil()
    return true
  }
  if (db.typeOf(record) !== Type.String) {
    reply.error(WRONG_TYPE)
    return false
  }
  db.readString(record, OLD)
  reply.bulk(OLD.bytes, OLD.start, OLD.length)
  return true
}

/** Reads the options from argument `first` on into FOUND; false: a syntax error. */
function parseOptions(args: Args, first: number, allowed: number): boolean {
  FOUND.options = 0
  FOUND.timeAt = 0
  for (let i = first; i < args.count; i++) {
    const row = findOption(args, i)
    if (row === null || (row.option & allowed) === 0) return false
    if ((row.excluded & FOUND.options) !== 0) return false
    FOUND.options |= row.option
    if (row.unit === null) continue
    if (++i === args.count) return false
    FOUND.timeAt = i
    FOUND.unit = row.unit
  }
  return true
}

function findOption(args: Args, i: number): OptionRow | null {
  for (let row = 0; row < OPTION_ROWS.length; row++) {
    if (args.is(i, OPTION_ROWS[row]!.word)) return OPTION_ROWS[row]!
  }
  return null
}

function timeRow(name: string, option: number, unit: TimeUnit): OptionRow {
  assert((option & TIMES) !== 0, 'the option is a time')
  return { word: word(name), option, excluded: NEITHER | (TIMES & ~option), unit }
}
