// HRANDFIELD. Each field, and each selection of fields, is as likely as any other: a few are drawn
// one by one until they differ, many in one walk through the hash.

import { assert } from '../base/assert.ts'
import { scratchSlice } from '../base/slice.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { HashWalk } from '../keyspace/hash/hash-walk.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, randomCountArgument } from './arguments.ts'
import type { Context } from './command.ts'

const WITHVALUES = word('withvalues')
const OUT_OF_RANGE = replyError('ERR value is out of range')
/** With values the reply has twice as many elements, which a 64-bit integer must count. */
const COUNT_MAX = 2 ** 62

/** Fields picked before all are looked through for one that is not overdue. */
const PICKS_MAX = 32
/** From this share of the hash on, a selection is drawn in one walk through the hash. */
const WALK_SHARE = 1 / 3

const HASH = new HashValue()
const WALK = new HashWalk()
const FIELD = scratchSlice()
const VALUE = scratchSlice()
/** Places of the fields that have been drawn. */
const DRAWN = new Set<number>()

/** HRANDFIELD key [count [WITHVALUES]]: random fields; O(count), with a large count O(N). */
export function hrandfield(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (args.count > 2) return pickMany(context, args, reply)
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  if (WALK.countOf(db, HASH.open(db, record)) === 0) return reply.nil()
  pickLive(context)
  HASH.readField(FIELD)
  reply.bulk(FIELD.bytes, FIELD.start, FIELD.length)
}

function pickMany(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const wanted = randomCountArgument(args, 2, reply)
  if (wanted === null) return
  const hasValues = args.count === 4 && args.is(3, WITHVALUES)
  if (args.count > 3 && !hasValues) return reply.error(SYNTAX_ERROR)
  if (hasValues && Math.abs(wanted) > COUNT_MAX) return reply.error(OUT_OF_RANGE)
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.array(0)
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  HASH.open(db, record)
  const size = WALK.countOf(db, HASH)
  if (size === 0) return reply.array(0)
  const count = wanted < 0 ? -wanted : Math.min(wanted, size)
  const isFlat = hasValues && reply.version === 2
  reply.array(isFlat ? count * 2 : count)
  if (wanted < 0) replyAny(context, { count, hasValues }, reply)
  else if (!HASH.isHashed || HASH.mayHide || count > size * WALK_SHARE) {
    replySelection(context, { count, hasValues, size }, reply)
  } else replyDistinct(context, { count, hasValues }, reply)
}

interface Wanted {
  readonly count: number
  readonly hasValues: boolean
}

/** Draws anew for each field. */
function replyAny(context: Context, { count, hasValues }: Wanted, reply: Reply): void {
  for (let i = 0; i < count && !reply.isRefused; i++) {
    pickLive(context)
    replyPicked(hasValues, reply)
  }
}

/** Draws in one walk: each field with the share of those wanted among those left. */
function replySelection(
  context: Context,
  { count, hasValues, size }: Wanted & { readonly size: number },
  reply: Reply,
): void {
  const { random } = context.keyspace
  const { field, value } = WALK
  let left = size
  let wanted = count
  WALK.open(context.db, HASH.record)
  while (wanted > 0 && WALK.next()) {
    if (random.below(left--) >= wanted) continue
    wanted--
    if (hasValues && reply.version === 3) reply.array(2)
    reply.bulk(field.bytes, field.start, field.length)
    if (hasValues) reply.bulk(value.bytes, value.start, value.length)
  }
}

/** Draws until there are enough different fields. */
function replyDistinct({ keyspace }: Context, { count, hasValues }: Wanted, reply: Reply): void {
  while (DRAWN.size < count) {
    HASH.pickRandom(keyspace.random)
    const { place } = HASH
    if (DRAWN.has(place)) continue
    DRAWN.add(place)
    replyPicked(hasValues, reply)
  }
  DRAWN.clear()
}

/** Points HASH at a random field that is not overdue; there is one. */
function pickLive({ db, keyspace }: Context): void {
  const { random } = keyspace
  for (let turn = 0; turn < PICKS_MAX; turn++) {
    HASH.pickRandom(random)
    if (!HASH.isOverdue) return
  }
  // Nearly all are overdue: one of the others by its rank.
  let rank = random.below(WALK.countOf(db, HASH))
  WALK.open(db, HASH.record)
  while (WALK.next() && rank > 0) rank--
  const isThere = HASH.find(WALK.field)
  assert(isThere, 'what a walk finds is there')
}

function replyPicked(hasValues: boolean, reply: Reply): void {
  if (hasValues && reply.version === 3) reply.array(2)
  HASH.readField(FIELD)
  reply.bulk(FIELD.bytes, FIELD.start, FIELD.length)
  if (!hasValues) return
  HASH.readValue(VALUE)
  reply.bulk(VALUE.bytes, VALUE.start, VALUE.length)
}
