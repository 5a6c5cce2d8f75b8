// Consumer groups: XGROUP, XACK, XPENDING. Changes of groups change no entry of the stream, so they
// touch no watched key, as in Redis.

import { type I64, subtractI64 } from '../base/i64.ts'
import { Slice } from '../base/slice.ts'
import { READ_UNKNOWN, type StreamGroups } from '../keyspace/stream/groups.ts'
import { StreamId } from '../keyspace/stream/stream-id.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument, writeHelp } from './arguments.ts'
import type { Context } from './command.ts'
import {
  EventClass,
  GROUP_DESTROYED,
  type KeyEvent,
  keyEvent,
  noteChange,
  noteEvent,
} from './key-event.ts'
import {
  anyIdArgument,
  createConsumer,
  endArgument,
  idArgument,
  isByte,
  isOtherType,
  nameArgument,
  openStream,
  replyId,
  startArgument,
  streamsOf,
} from './stream-access.ts'

const MKSTREAM = word('mkstream')
const ENTRIESREAD = word('entriesread')
const IDLE = word('idle')
const DOLLAR = 0x24

const CREATE = keyEvent(EventClass.Stream, 'xgroup-create')
const SETID = keyEvent(EventClass.Stream, 'xgroup-setid')
const DELCONSUMER = keyEvent(EventClass.Stream, 'xgroup-delconsumer')

const KEY_REQUIRED = replyError(
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use ' +
    'the MKSTREAM option to create an empty stream automatically.',
)
const BUSY_GROUP = replyError('BUSYGROUP Consumer Group name already exists')
const READ_NEGATIVE = replyError('ERR value for ENTRIESREAD must be positive or -1')

const HELP_LINES = [
  'CREATE <key> <groupname> <id|$> [option]',
  '    Create a new consumer group. Options are:',
  '    * MKSTREAM',
  '      Create the empty stream if it does not exist.',
  '    * ENTRIESREAD entries_read',
  "      Set the group's entries_read counter (internal use).",
  'CREATECONSUMER <key> <groupname> <consumer>',
  '    Create a new consumer in the specified group.',
  'DELCONSUMER <key> <groupname> <consumer>',
  '    Remove the specified consumer.',
  'DESTROY <key> <groupname>',
  '    Remove the specified group.',
  'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
  '    Set the current group ID and entries_read counter.',
]

const ID = new StreamId()
const START = new StreamId()
const END = new StreamId()
const NAME = new Slice()
/** What the options of CREATE and SETID say. */
const OPTIONS: { isMaking: boolean; entriesRead: I64 } = {
  isMaking: false,
  entriesRead: READ_UNKNOWN,
}
/** XGROUP's key and consumer. */
const CONSUMER_PLACE = { consumer: 4, key: 2 } as const

/** XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]: OK. O(1). */
export function xgroupCreate(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (!parseOptions(args, reply, 'CREATE')) return
  const key = keyArgument(context, args, 2)
  const found = db.findForWrite(key)
  if (isOtherType(db, found, reply)) return
  if (found === NULL && !OPTIONS.isMaking) return reply.error(KEY_REQUIRED)
  const streams = streamsOf(db)
  if (found !== NULL) streams.open(db, found)
  if (!isByte(args, 4, DOLLAR)) {
    if (!idArgument(args, 4, ID, reply)) return
  } else if (found === NULL) ID.setMin()
  else streams.lastId(ID)
  const group = nameArgument(args, 3)
  if (found === NULL) streams.create(db, key)
  if (streams.groups.openGroup(group)) return reply.error(BUSY_GROUP)
  try {
    streams.groups.createGroup(group, ID, OPTIONS.entriesRead)
  } catch (full) {
    if (found === NULL && streams.record !== NULL) db.remove(streams.record)
    throw full
  }
  if (found !== NULL) noteGroupChange(context, key, CREATE)
  else noteChange(context, key, CREATE)
  reply.ok()
}

/** XGROUP SETID key group id|$ [ENTRIESREAD n]: OK. O(1). */
export function xgroupSetid(context: Context, args: Args, reply: Reply): void {
  if (!parseOptions(args, reply, 'SETID')) return
  const groups = openGroup(context, args, reply)
  if (groups === null) return
  if (isByte(args, 4, DOLLAR)) streamsOf(context.db).lastId(ID)
  else if (!anyIdArgument(args, 4, ID, reply)) return
  groups.setGroupId(ID)
  groups.setEntriesRead(OPTIONS.entriesRead)
  noteGroupChange(context, context.key, SETID)
  reply.ok()
}

/** XGROUP DESTROY key group: 1, or 0 without such a group. O(pending). */
export function xgroupDestroy(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 2)
  const record = db.findForWrite(key)
  if (isOtherType(db, record, reply)) return
  if (record === NULL) return reply.error(KEY_REQUIRED)
  const { groups } = openStream(db, record)
  const group = nameArgument(args, 3)
  if (!groups.openGroup(group)) return reply.integer(0)
  groups.destroyGroup(group)
  noteGroupChange(context, key, GROUP_DESTROYED)
  reply.integer(1)
}

/** XGROUP CREATECONSUMER key group consumer: 1, or 0 when it is there. O(1). */
export function xgroupCreateconsumer(context: Context, args: Args, reply: Reply): void {
  const groups = openGroup(context, args, reply)
  if (groups === null) return
  if (groups.openConsumer(nameArgument(args, 4))) return reply.integer(0)
  createConsumer(context, groups, args, CONSUMER_PLACE)
  reply.integer(1)
}

/** XGROUP DELCONSUMER key group consumer: how many entries were pending for it. O(pending). */
export function xgroupDelconsumer(context: Context, args: Args, reply: Reply): void {
  const groups = openGroup(context, args, reply)
  if (groups === null) return
  const name = nameArgument(args, 4)
  if (!groups.openConsumer(name)) return reply.integer(0)
  const pending = groups.consumerPending
  groups.deleteConsumer(name)
  noteGroupChange(context, context.key, DELCONSUMER)
  reply.integer(pending)
}

export function xgroupHelp(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'XGROUP', HELP_LINES)
}

/** XACK key group id …: entries that were pending. O(log n) each. */
export function xack(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  const record = db.find(keyArgument(context, args, 1))
  if (isOtherType(db, record, reply)) return
  if (record === NULL) return reply.integer(0)
  const { groups } = openStream(db, record)
  if (!groups.openGroup(nameArgument(args, 2))) return reply.integer(0)
  for (let i = 3; i < args.count; i++) {
    if (!idArgument(args, i, ID, reply)) return
  }
  let acknowledged = 0
  for (let i = 3; i < args.count; i++) {
    idArgument(args, i, ID, reply)
    if (!groups.findPending(ID)) continue
    groups.removePending(ID)
    acknowledged++
  }
  keyspace.dirty += acknowledged
  reply.integer(acknowledged)
}

/** What XPENDING asks for; filled again and again. */
const PENDING = { minIdleMs: 0, limit: 0, consumerAt: 0 }

/** XPENDING key group [[IDLE ms] start end count [consumer]]: a summary, or entries. O(entries). */
export function xpending(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const { count } = args
  const isSummary = count === 3
  if (!isSummary && (count < 6 || count > 9)) return reply.error(SYNTAX_ERROR)
  if (!isSummary && !parsePending(args, reply)) return
  const record = db.find(keyArgument(context, args, 1))
  if (isOtherType(db, record, reply)) return
  if (record === NULL || !openStream(db, record).groups.openGroup(nameArgument(args, 2))) {
    return replyNoGroup(args, reply)
  }
  const { groups } = streamsOf(db)
  if (isSummary) return replySummary(groups, reply)
  if (PENDING.consumerAt === 0) return replyPending(context, groups, reply)
  if (!groups.openConsumer(nameArgument(args, PENDING.consumerAt))) return reply.array(0)
  replyOwned(context, groups, reply)
}

/** `No such key … or consumer group`, for commands that have them at 1 and 2. */
export function replyNoGroup(args: Args, reply: Reply): void {
  reply.errorText(`NOGROUP No such key '${args.text(1)}' or consumer group '${args.text(2)}'`)
}

/** Milliseconds from a time to now, not negative. */
export function idleMs(context: Context, time: I64): I64 {
  const idle = subtractI64(context.nowMs, time)
  return idle === null || idle < 0 ? 0 : idle
}

function parsePending(args: Args, reply: Reply): boolean {
  let at = 3
  PENDING.minIdleMs = 0
  PENDING.consumerAt = 0
  if (args.is(3, IDLE)) {
    const minIdle = integerArgument(args, 4, reply)
    if (minIdle === null) return false
    PENDING.minIdleMs = Number(minIdle)
    if (args.count < 8) {
      reply.error(SYNTAX_ERROR)
      return false
    }
    at += 2
  }
  const limit = integerArgument(args, at + 2, reply)
  if (limit === null) return false
  PENDING.limit = Math.max(Number(limit), 0)
  if (!startArgument(args, at, START, reply)) return false
  if (!endArgument(args, at + 1, END, reply)) return false
  if (at + 3 < args.count) PENDING.consumerAt = at + 3
  return true
}

function replySummary(groups: StreamGroups, reply: Reply): void {
  const { pending } = groups
  reply.array(4)
  reply.integer(groups.pendingCount)
  if (!pending.seekFirst(groups.pendingChain)) {
    reply.nil()
    reply.nil()
    return reply.nilArray()
  }
  replyId(reply, ID.setWords(pending.words, pending.at))
  pending.seekLast(groups.pendingChain)
  replyId(reply, ID.setWords(pending.words, pending.at))
  const mark = reply.beginArray()
  let count = 0
  for (let i = 0; i < groups.consumerCount; i++) {
    groups.openConsumerAt(i)
    if (groups.consumerPending === 0) continue
    reply.array(2)
    groups.consumerName(NAME)
    reply.bulk(NAME.bytes, NAME.start, NAME.length)
    reply.bulkInteger(groups.consumerPending)
    count++
  }
  reply.endArray(mark, count)
}

/** Replies what is pending in the open group. */
function replyPending(context: Context, groups: StreamGroups, reply: Reply): void {
  const { pending, pendingChain } = groups
  const mark = reply.beginArray()
  let count = 0
  let found = pending.seekFrom(pendingChain, START.words, 0)
  for (; found && count < PENDING.limit; found = pending.next()) {
    if (END.compareTo(pending.words, pending.at) < 0) break
    if (isTooFresh(context, groups)) continue
    ID.setWords(pending.words, pending.at)
    groups.openConsumerNumber(groups.pendingConsumer)
    replyDelivery(context, groups, reply)
    count++
  }
  reply.endArray(mark, count)
}

/** Replies what is pending for the open consumer. */
function replyOwned(context: Context, groups: StreamGroups, reply: Reply): void {
  const { owned, consumerNumber } = groups
  const mark = reply.beginArray()
  let count = 0
  let found = groups.seekOwned(consumerNumber, START)
  for (; found && count < PENDING.limit; found = owned.next()) {
    if (owned.words[owned.at] !== consumerNumber) break
    ID.setWords(owned.words, owned.at + 1)
    if (END.compare(ID) < 0) break
    groups.findPending(ID)
    if (isTooFresh(context, groups)) continue
    replyDelivery(context, groups, reply)
    count++
  }
  reply.endArray(mark, count)
}

function isTooFresh(context: Context, groups: StreamGroups): boolean {
  if (PENDING.minIdleMs === 0) return false
  return context.nowMs - Number(groups.pendingTime) < PENDING.minIdleMs
}

/** Replies one pending ID, the consumer, how long ago it was delivered, and how often. */
function replyDelivery(context: Context, groups: StreamGroups, reply: Reply): void {
  reply.array(4)
  replyId(reply, ID)
  groups.consumerName(NAME)
  reply.bulk(NAME.bytes, NAME.start, NAME.length)
  reply.integer(idleMs(context, groups.pendingTime))
  reply.integer(groups.pendingDeliveries)
}

/** The options from argument 5 on; false after an error reply. */
function parseOptions(args: Args, reply: Reply, subcommand: 'CREATE' | 'SETID'): boolean {
  OPTIONS.isMaking = false
  OPTIONS.entriesRead = READ_UNKNOWN
  for (let i = 5; i < args.count; i++) {
    if (subcommand === 'CREATE' && args.is(i, MKSTREAM)) {
      OPTIONS.isMaking = true
    } else if (args.is(i, ENTRIESREAD) && i + 1 < args.count) {
      const read = integerArgument(args, ++i, reply)
      if (read === null) return false
      if (read < 0 && read !== READ_UNKNOWN) {
        reply.error(READ_NEGATIVE)
        return false
      }
      OPTIONS.entriesRead = read
    } else {
      const given = args.text(1)
      reply.errorText(
        `ERR unknown subcommand or wrong number of arguments for '${given}'. Try XGROUP HELP.`,
      )
      return false
    }
  }
  return true
}

/** Leads to the group in argument 3 of the stream in argument 2; null after an error reply. */
function openGroup(context: Context, args: Args, reply: Reply): StreamGroups | null {
  const { db } = context
  const record = db.findForWrite(keyArgument(context, args, 2))
  if (isOtherType(db, record, reply)) return null
  if (record === NULL) {
    reply.error(KEY_REQUIRED)
    return null
  }
  const { groups } = openStream(db, record)
  if (groups.openGroup(nameArgument(args, 3))) return groups
  reply.errorText(`NOGROUP No such consumer group '${args.text(3)}' for key name '${args.text(2)}'`)
  return null
}

/** A change of groups: one more change, and an event; the entries are what WATCH is about. */
function noteGroupChange(context: Context, key: Slice, event: KeyEvent): void {
  context.keyspace.dirty++
  noteEvent(context, key, event)
}
