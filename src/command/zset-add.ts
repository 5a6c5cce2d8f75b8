// ZADD and ZINCRBY: members with scores in, and scores changed.
//
// All scores are read before the first change. Of several members those before one that finds no
// memory stay, and are announced.

import { type Slice, scratchSlice } from '../base/slice.ts'
import { type Zset, zsetsOf } from '../keyspace/zset/zset.ts'
import { type Args, word } from '../resp/args.ts'
import { NOT_FLOAT, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent, noteChange } from './key-event.ts'
import { WRONG, writeZset } from './zset-access.ts'

const NX = word('nx')
const XX = word('xx')
const CH = word('ch')
const GT = word('gt')
const LT = word('lt')
const INCR = word('incr')

const FIRST_OPTION = 2
/** Score and member. */
const PAIR = 2

const XX_AND_NX = replyError('ERR XX and NX options at the same time are not compatible')
const GT_LT_NX = replyError('ERR GT, LT, and/or NX options at the same time are not compatible')
const ONE_INCREMENT = replyError('ERR INCR option supports a single increment-element pair')
export const NOT_A_NUMBER = replyError('ERR resulting score is not a number (NaN)')

export const ZADD = keyEvent(EventClass.Zset, 'zadd')
const ZINCR = keyEvent(EventClass.Zset, 'zincr')

/** The options of the command, its scores, and what has become of them. */
const PLAN = {
  isNew: false,
  isExisting: false,
  isGreater: false,
  isLess: false,
  isIncrement: false,
  countsChanges: false,
  /** The first pair among the arguments, and from one to the next. */
  first: 0,
  stride: PAIR,
  scores: new Float64Array(16) as Float64Array,
  added: 0,
  updated: 0,
  /** Members that the options let pass. */
  processed: 0,
  /** What the last of them has now. */
  score: 0,
}
const MEMBER = scratchSlice()

/** ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member …: members added, or the new score. */
export function zadd(context: Context, args: Args, reply: Reply): void {
  if (!readOptions(args, reply)) return
  if (readScores(args, reply)) addAll(context, args, reply)
}

/** ZINCRBY key increment member: the new score. O(log n). */
export function zincrby(context: Context, args: Args, reply: Reply): void {
  clearOptions()
  PLAN.isIncrement = true
  PLAN.first = FIRST_OPTION
  if (readScores(args, reply)) addAll(context, args, reply)
}

/** What GEOADD, whose scores are places, asks for. */
export interface PlacedMembers {
  readonly isNew: boolean
  readonly isExisting: boolean
  readonly countsChanges: boolean
  /** The argument that its groups of arguments begin with; the last of each is a member. */
  readonly first: number
  readonly stride: number
  readonly scores: Float64Array
}

/** ZADD of members whose scores are known. */
export function addPlaced(context: Context, args: Args, placed: PlacedMembers, reply: Reply): void {
  clearOptions()
  PLAN.isNew = placed.isNew
  PLAN.isExisting = placed.isExisting
  PLAN.countsChanges = placed.countsChanges
  PLAN.first = placed.first
  PLAN.stride = placed.stride
  PLAN.scores = placed.scores
  addAll(context, args, reply)
}

function clearOptions(): void {
  PLAN.stride = PAIR
  PLAN.isNew = false
  PLAN.isExisting = false
  PLAN.isGreater = false
  PLAN.isLess = false
  PLAN.isIncrement = false
  PLAN.countsChanges = false
}

/** Reads the options into PLAN; false after an error reply. */
function readOptions(args: Args, reply: Reply): boolean {
  clearOptions()
  let i = FIRST_OPTION
  for (; i < args.count; i++) {
    if (args.is(i, NX)) PLAN.isNew = true
    else if (args.is(i, XX)) PLAN.isExisting = true
    else if (args.is(i, CH)) PLAN.countsChanges = true
    else if (args.is(i, INCR)) PLAN.isIncrement = true
    else if (args.is(i, GT)) PLAN.isGreater = true
    else if (args.is(i, LT)) PLAN.isLess = true
    else break
  }
  PLAN.first = i
  const left = args.count - i
  const { isNew, isExisting, isGreater, isLess } = PLAN
  if (left === 0 || left % 2 !== 0) reply.error(SYNTAX_ERROR)
  else if (isNew && isExisting) reply.error(XX_AND_NX)
  else if ((isGreater && (isNew || isLess)) || (isLess && isNew)) reply.error(GT_LT_NX)
  else if (PLAN.isIncrement && left > 2) reply.error(ONE_INCREMENT)
  else return true
  return false
}

/** Reads the scores into PLAN; false after an error reply. */
function readScores(args: Args, reply: Reply): boolean {
  const pairs = (args.count - PLAN.first) >> 1
  if (pairs > PLAN.scores.length) PLAN.scores = new Float64Array(pairs * 2)
  for (let i = 0; i < pairs; i++) {
    const score = args.double(PLAN.first + i * 2)
    if (score === null) {
      reply.error(NOT_FLOAT)
      return false
    }
    PLAN.scores[i] = score
  }
  return true
}

function addAll(context: Context, args: Args, reply: Reply): void {
  const key = keyArgument(context, args, 1)
  const found = writeZset(context, key, reply)
  if (found === WRONG) return
  PLAN.added = 0
  PLAN.updated = 0
  PLAN.processed = 0
  let isNumber = true
  if (found !== null || !PLAN.isExisting) {
    try {
      isNumber = putAll(context, args, found)
    } finally {
      const changes = PLAN.added + PLAN.updated
      if (changes > 0) {
        context.keyspace.dirty += changes - 1
        noteChange(context, key, PLAN.isIncrement ? ZINCR : ZADD)
      }
    }
  }
  if (!isNumber) return reply.error(NOT_A_NUMBER)
  if (!PLAN.isIncrement) return reply.integer(PLAN.added + (PLAN.countsChanges ? PLAN.updated : 0))
  if (PLAN.processed > 0) reply.double(PLAN.score)
  else reply.nil()
}

/** Puts all members into the set, or a new one; false when an increment made no number. */
function putAll(context: Context, args: Args, found: Zset | null): boolean {
  let zset = found
  for (let at = PLAN.first + PLAN.stride - 1, i = 0; at < args.count; at += PLAN.stride, i++) {
    MEMBER.set(args.bytes, args.start(at), args.length(at))
    const score = PLAN.scores[i]!
    if (zset === null) zset = create(context, MEMBER, score)
    else if (!put(context, zset, MEMBER, score)) return false
  }
  return true
}

/** A new set with one member under the context's key. */
function create(context: Context, member: Slice, score: number): Zset {
  const { db } = context
  const { main, made } = zsetsOf(db)
  try {
    made.openNew().add(member, score, context.limits.encodings)
  } catch (error) {
    made.discard()
    throw error
  }
  main.open(db, made.insertAs(db, context.key))
  noteProcessed(score)
  PLAN.added++
  return main
}

/** Adds a member or changes its score, as the options allow; false when the sum is no number. */
function put(context: Context, zset: Zset, member: Slice, score: number): boolean {
  if (!zset.find(member)) {
    if (PLAN.isExisting) return true
    zset.add(member, score, context.limits.encodings)
    PLAN.added++
    noteProcessed(score)
    return true
  }
  if (PLAN.isNew) return true
  const old = zset.score
  const next = PLAN.isIncrement ? old + score : score
  if (Number.isNaN(next)) return false
  if ((PLAN.isLess && next >= old) || (PLAN.isGreater && next <= old)) return true
  if (next !== old) {
    zset.setScore(member, next)
    PLAN.updated++
  }
  noteProcessed(next)
  return true
}

function noteProcessed(score: number): void {
  PLAN.processed++
  PLAN.score = score
}
