// Random members of sets: SPOP, SRANDMEMBER. Each member, and each selection of members, is as
// likely as any other. Whoever repeats SPOP is told which members it was, as SREM, or DEL for all.

import { latin1 } from '../base/bytes.ts'
import { scratchSlice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { SetValue } from '../keyspace/set/set-value.ts'
import { SetWalk } from '../keyspace/set/set-walk.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, randomCountArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { keepDeletion, writeSlice } from './effects.ts'
import { DEL, EventClass, keyEvent, noteChange, noteEvent } from './key-event.ts'

const SPOP = keyEvent(EventClass.Set, 'spop')
const SREM_WORD = latin1('SREM')
const NOT_POSITIVE = replyError('ERR value is out of range, must be positive')

/** From this share of the set on, a selection is drawn in one walk through the set. */
const WALK_SHARE = 1 / 3

const SET = new SetValue()
const WALK = new SetWalk()
const MEMBER = scratchSlice()
/** Places of the members that have been drawn. */
const DRAWN = new Set<number>()

/** SPOP key [count]: random members, which are gone then. O(count). */
export function spop(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (args.count > 3) return reply.error(SYNTAX_ERROR)
  if (args.count === 3) return popMany(context, args, reply)
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  SET.open(db, record)
  popOne(context, reply)
  const isEmpty = SET.count === 0
  if (isEmpty) db.remove(SET.record)
  noteChange(context, key, SPOP)
  if (isEmpty) noteEvent(context, key, DEL)
}

function popOne({ keyspace, effects, db, key }: Context, reply: Reply): void {
  SET.pickRandom(keyspace.random)
  SET.readPicked(MEMBER)
  if (effects.isKept) {
    const writer = effects.instead(db, SREM_WORD, 3)
    writeSlice(writer, key)
    writeSlice(writer, MEMBER)
  }
  reply.bulk(MEMBER.bytes, MEMBER.start, MEMBER.length)
  SET.removePicked()
}

function popMany(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const wanted = args.integer(2)
  if (wanted === null || wanted < 0) return reply.error(NOT_POSITIVE)
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.set(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  if (wanted === 0) return reply.set(0)
  SET.open(db, record)
  const size = SET.count
  const count = Math.min(Number(wanted), size)
  reply.set(count)
  if (count === size) {
    replyAll(context, reply)
    db.remove(record)
    if (context.effects.isKept) keepDeletion(context, key, false)
  } else {
    for (let i = 0; i < count; i++) popOne(context, reply)
  }
  noteChange(context, key, SPOP)
  context.keyspace.dirty += count - 1
  if (count === size) noteEvent(context, key, DEL)
}

/** SRANDMEMBER key [count]: random members; with a negative count some may come again. O(count). */
export function srandmember(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  if (args.count > 3) return reply.error(SYNTAX_ERROR)
  if (args.count === 3) return pickMany(context, args, reply)
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  SET.open(db, record).pickRandom(keyspace.random)
  replyPicked(reply)
}

function pickMany(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  const wanted = randomCountArgument(args, 2, reply)
  if (wanted === null) return
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.array(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  SET.open(db, record)
  if (wanted < 0) {
    reply.array(-wanted)
    for (let i = 0; i < -wanted && !reply.isRefused; i++) {
      SET.pickRandom(keyspace.random)
      replyPicked(reply)
    }
    return
  }
  const size = SET.count
  const count = Math.min(wanted, size)
  reply.array(count)
  if (count === size) replyAll(context, reply)
  else if (!SET.isHashed || count > size * WALK_SHARE) replySelection(context, count, reply)
  else replyDistinct(context, count, reply)
}

function replyPicked(reply: Reply): void {
  SET.readPicked(MEMBER)
  reply.bulk(MEMBER.bytes, MEMBER.start, MEMBER.length)
}

function replyAll({ db }: Context, reply: Reply): void {
  WALK.open(db, SET.record)
  const { member } = WALK
  while (WALK.next()) reply.bulk(member.bytes, member.start, member.length)
}

/** Draws in one walk: each member with the share of those wanted among those left. */
function replySelection({ db, keyspace }: Context, count: number, reply: Reply): void {
  const { random } = keyspace
  const { member } = WALK
  let left = SET.count
  let wanted = count
  WALK.open(db, SET.record)
  while (wanted > 0 && WALK.next()) {
    if (random.below(left--) >= wanted) continue
    wanted--
    reply.bulk(member.bytes, member.start, member.length)
  }
}

/** Draws until there are enough different members. */
function replyDistinct({ keyspace }: Context, count: number, reply: Reply): void {
  while (DRAWN.size < count) {
    SET.pickRandom(keyspace.random)
    const { place } = SET
    if (DRAWN.has(place)) continue
    DRAWN.add(place)
    replyPicked(reply)
  }
  DRAWN.clear()
}
