// XCLAIM and XAUTOCLAIM: pending entries become another consumer's. What is pending but deleted
// from the stream is pending no longer.
//
// Whoever repeats these commands is told of each entry, as an XCLAIM that leaves nothing to choose.
// Both first change the group and note the IDs, then reply: so a full arena leaves no half reply.

import { type I64, subtractI64 } from '../base/i64.ts'
import type { StreamGroups } from '../keyspace/stream/groups.ts'
import type { Streams } from '../keyspace/stream/stream.ts'
import { ID_WORDS, StreamId } from '../keyspace/stream/stream-id.ts'
import { StreamWalk } from '../keyspace/stream/stream-walk.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { type ReplyError, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import {
  enterConsumer,
  idArgument,
  isOtherType,
  keepPending,
  keepProgress,
  nameArgument,
  openStream,
  parseId,
  replyEntry,
  replyId,
  startArgument,
} from './stream-access.ts'
import { replyNoGroup } from './stream-group.ts'

const FORCE = word('force')
const JUSTID = word('justid')
const IDLE = word('idle')
const TIME = word('time')
const RETRYCOUNT = word('retrycount')
const LASTID = word('lastid')
const COUNT = word('count')

const CLAIM_IDLE_BAD = replyError('ERR Invalid min-idle-time argument for XCLAIM')
const AUTOCLAIM_IDLE_BAD = replyError('ERR Invalid min-idle-time argument for XAUTOCLAIM')
const IDLE_BAD = replyError('ERR Invalid IDLE option argument for XCLAIM')
const TIME_BAD = replyError('ERR Invalid TIME option argument for XCLAIM')
const RETRYCOUNT_BAD = replyError('ERR Invalid RETRYCOUNT option argument for XCLAIM')
const COUNT_BAD = replyError('ERR COUNT must be > 0')

const COUNT_DEFAULT = 100
/** What COUNT may be: ten times as many, or that many IDs of 16 bytes, fit an i64. */
const COUNT_LIMIT = 2 ** 63 / 16
/** Pending IDs looked at for each one that is wanted. */
const ATTEMPTS = 10
const NOT_GIVEN = -1
const CONSUMER_PLACE = { consumer: 3, key: 1 } as const
const GROUP_PLACE = { key: 1, group: 2, id: new StreamId() } as const

/** The options; filled again and again. */
class ClaimOptions {
  minIdleMs = 0
  deliveryMs: I64 = NOT_GIVEN
  retryCount: I64 = NOT_GIVEN
  isForced = false
  isJustId = false
  count = COUNT_DEFAULT
  readonly lastId = new StreamId()
  /** Whether an ID was found that is no entry's any more. */
  hasDropped = false

  clear(): void {
    this.minIdleMs = 0
    this.deliveryMs = NOT_GIVEN
    this.retryCount = NOT_GIVEN
    this.isForced = false
    this.isJustId = false
    this.count = COUNT_DEFAULT
    this.lastId.setMin()
    this.hasDropped = false
  }
}

/** IDs in a list that keeps its room. */
class IdList {
  count = 0
  #words = new Uint32Array(COUNT_DEFAULT * ID_WORDS)

  clear(): void {
    this.count = 0
    if (this.#words.length > KEPT_IDS * ID_WORDS) {
      this.#words = new Uint32Array(COUNT_DEFAULT * ID_WORDS)
    }
  }

  add(id: StreamId): void {
    const at = this.count * ID_WORDS
    if (at === this.#words.length) {
      const grown = new Uint32Array(at * 2)
      grown.set(this.#words)
      this.#words = grown
    }
    id.writeWords(this.#words, at)
    this.count++
  }

  get(i: number, out: StreamId): StreamId {
    return out.setWords(this.#words, i * ID_WORDS)
  }
}

const KEPT_IDS = 4096
const OPTIONS = new ClaimOptions()
const CLAIMED = new IdList()
const DELETED = new IdList()
const ID = new StreamId()
const GROUP_ID = new StreamId()
const WALK = new StreamWalk()

/** XCLAIM key group consumer min-idle id … [options]: the entries claimed. O(log n) each. */
export function xclaim(context: Context, args: Args, reply: Reply): void {
  const streams = openGroup(context, args, reply)
  if (streams === null) return
  OPTIONS.clear()
  if (!takeMinIdle(args, reply, CLAIM_IDLE_BAD)) return
  let limit = 5
  while (limit < args.count && parseId(args, limit, ID)) limit++
  if (!parseOptions(context, args, reply, limit)) return
  const { groups } = streams
  const isMoved = OPTIONS.lastId.compare(groups.groupId(GROUP_ID)) > 0
  if (isMoved) groups.setGroupId(OPTIONS.lastId)
  const deliveryMs = deliveryTime(context)
  CLAIMED.clear()
  for (let i = 5; i < limit; i++) {
    parseId(args, i, ID)
    if (!takeOne(context, streams, args)) continue
    const given = OPTIONS.retryCount
    const deliveries = groups.pendingDeliveries + (OPTIONS.isJustId ? 0 : 1)
    groups.setDelivery(deliveryMs, given === NOT_GIVEN ? deliveries : Number(given))
    CLAIMED.add(ID)
    if (context.effects.isKept) keepClaim(context, groups, args)
    context.keyspace.dirty++
  }
  // What is told of an entry tells the group's ID along.
  if (isMoved && CLAIMED.count === 0 && !OPTIONS.hasDropped) {
    context.keyspace.dirty++
    if (context.effects.isKept) keepProgress(context, groups, args, GROUP_PLACE)
  }
  context.effects.suppress()
  replyClaimed(streams, reply)
}

/** XAUTOCLAIM key group consumer min-idle start [COUNT n] [JUSTID]. O(count). */
export function xautoclaim(context: Context, args: Args, reply: Reply): void {
  OPTIONS.clear()
  if (!takeMinIdle(args, reply, AUTOCLAIM_IDLE_BAD)) return
  if (!startArgument(args, 5, ID, reply)) return
  for (let i = 6; i < args.count; i++) {
    if (args.is(i, COUNT) && i + 1 < args.count) {
      const count = args.integer(++i)
      if (count === null || count < 1 || Number(count) >= COUNT_LIMIT) return reply.error(COUNT_BAD)
      OPTIONS.count = Number(count)
    } else if (args.is(i, JUSTID)) OPTIONS.isJustId = true
    else return reply.error(SYNTAX_ERROR)
  }
  const streams = openGroup(context, args, reply)
  if (streams === null) return
  const isAtEnd = !claimFrom(context, streams, args)
  context.effects.suppress()
  reply.array(3)
  replyId(reply, isAtEnd ? ID.setMin() : ID)
  replyClaimed(streams, reply)
  reply.array(DELETED.count)
  for (let i = 0; i < DELETED.count; i++) replyId(reply, DELETED.get(i, ID))
}

/** Claims pending entries from ID on; true: ID is where the next call goes on. */
function claimFrom(context: Context, streams: Streams, args: Args): boolean {
  const { groups } = streams
  const { pending } = groups
  CLAIMED.clear()
  DELETED.clear()
  let attempts = OPTIONS.count * ATTEMPTS
  let left = OPTIONS.count
  let found = pending.seekFrom(groups.pendingChain, ID.words, 0)
  while (found && left > 0 && attempts-- > 0) {
    ID.setWords(pending.words, pending.at)
    if (!streams.has(ID)) {
      drop(context, groups, args)
      DELETED.add(ID)
      left--
      // What is removed is not current any more: go on behind it.
      found = ID.increment() && pending.seekFrom(groups.pendingChain, ID.words, 0)
      continue
    }
    if (!isTooFresh(context, groups)) {
      enterConsumer(context, groups, args, CONSUMER_PLACE)
      groups.claimPending(ID)
      const deliveries = groups.pendingDeliveries + (OPTIONS.isJustId ? 0 : 1)
      groups.setDelivery(context.nowMs, deliveries)
      CLAIMED.add(ID)
      if (context.effects.isKept) keepClaim(context, groups, args)
      left--
      context.keyspace.dirty++
    }
    found = pending.next()
  }
  if (found) ID.setWords(pending.words, pending.at)
  return found
}

/** Makes the entry with ID the consumer's; false: it is not, or no longer, to be had. */
function takeOne(context: Context, streams: Streams, args: Args): boolean {
  const { groups } = streams
  const exists = streams.has(ID)
  const isPending = groups.findPending(ID)
  if (!exists) {
    if (isPending) drop(context, groups, args)
    return false
  }
  if (!isPending && !OPTIONS.isForced) return false
  if (isPending && isTooFresh(context, groups)) return false
  enterConsumer(context, groups, args, CONSUMER_PLACE)
  if (isPending) groups.claimPending(ID)
  else groups.addPending(ID, context.nowMs, 1)
  return true
}

/** The pending ID is that of no entry. */
function drop(context: Context, groups: StreamGroups, args: Args): void {
  if (groups.findPending(ID)) {
    if (context.effects.isKept) {
      // Whoever claims what is not there drops it, too.
      groups.openConsumerNumber(groups.pendingConsumer)
      keepClaim(context, groups, args)
      groups.findPending(ID)
    }
    groups.removePending(ID)
  }
  context.keyspace.dirty++
  OPTIONS.hasDropped = true
}

/** Keeps that the pending ID, which was found or changed last, is the open consumer's. */
function keepClaim(context: Context, groups: StreamGroups, args: Args): void {
  GROUP_PLACE.id.setTo(ID)
  keepPending(context, groups, args, GROUP_PLACE)
}

function isTooFresh(context: Context, groups: StreamGroups): boolean {
  if (OPTIONS.minIdleMs === 0) return false
  return context.nowMs - Number(groups.pendingTime) < OPTIONS.minIdleMs
}

/** Replies the entries, or their IDs. */
function replyClaimed(streams: Streams, reply: Reply): void {
  reply.array(CLAIMED.count)
  for (let i = 0; i < CLAIMED.count; i++) {
    const id = CLAIMED.get(i, GROUP_ID)
    if (OPTIONS.isJustId) {
      replyId(reply, id)
      continue
    }
    const found = WALK.openForward(streams, id, id).next()
    if (found) replyEntry(reply, WALK.cursor)
    else reply.nilArray()
  }
}

/** The group in argument 2 of the stream in argument 1; null after an error reply. */
function openGroup(context: Context, args: Args, reply: Reply): Streams | null {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (isOtherType(db, record, reply)) return null
  if (record !== NULL) {
    const streams = openStream(db, record)
    if (streams.groups.openGroup(nameArgument(args, 2))) return streams
  }
  replyNoGroup(args, reply)
  return null
}

function takeMinIdle(args: Args, reply: Reply, error: ReplyError): boolean {
  const minIdle = args.integer(4)
  if (minIdle === null) {
    reply.error(error)
    return false
  }
  OPTIONS.minIdleMs = Math.max(Number(minIdle), 0)
  return true
}

/** XCLAIM's options from argument `i` on; false after an error reply. */
function parseOptions(context: Context, args: Args, reply: Reply, i: number): boolean {
  for (; i < args.count; i++) {
    const hasMore = i + 1 < args.count
    if (args.is(i, FORCE)) OPTIONS.isForced = true
    else if (args.is(i, JUSTID)) OPTIONS.isJustId = true
    else if (hasMore && args.is(i, IDLE)) {
      const idle = numberOption(args, ++i, reply, IDLE_BAD)
      if (idle === null) return false
      OPTIONS.deliveryMs = subtractI64(context.nowMs, idle) ?? NOT_GIVEN
    } else if (hasMore && args.is(i, TIME)) {
      const time = numberOption(args, ++i, reply, TIME_BAD)
      if (time === null) return false
      OPTIONS.deliveryMs = time
    } else if (hasMore && args.is(i, RETRYCOUNT)) {
      const count = numberOption(args, ++i, reply, RETRYCOUNT_BAD)
      if (count === null) return false
      OPTIONS.retryCount = count < 0 ? NOT_GIVEN : count
    } else if (hasMore && args.is(i, LASTID)) {
      if (!idArgument(args, ++i, OPTIONS.lastId, reply)) return false
    } else {
      reply.errorText(`ERR Unrecognized XCLAIM option '${args.text(i)}'`)
      return false
    }
  }
  return true
}

function numberOption(args: Args, i: number, reply: Reply, error: ReplyError): I64 | null {
  const value = args.integer(i)
  if (value === null) reply.error(error)
  return value
}

/** When the entries are said to have been delivered: not in the future, and not before 1970. */
function deliveryTime({ nowMs }: Context): I64 {
  const { deliveryMs } = OPTIONS
  return deliveryMs < 0 || deliveryMs > nowMs ? nowMs : deliveryMs
}
