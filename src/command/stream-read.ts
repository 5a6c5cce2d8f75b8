// XREAD and XREADGROUP: entries behind an ID, of several streams, waited for if there are none.
//
// XREADGROUP with the ID `>` delivers what the group has not seen and notes it as pending; with any
// other ID it tells a consumer its own history, and never waits; whoever repeats it is told of the
// entries that were delivered, not of a history that was read again. XREAD that waits puts what `$`
// and `+` stood for into the arguments that are run again. Without COUNT a command that has waited
// takes 1000 entries at most, as in Redis.

import { addI64 } from '../base/i64.ts'
import { Type } from '../keyspace/record.ts'
import { READ_UNKNOWN } from '../keyspace/stream/groups.ts'
import { countedUpTo, hasGapBehind } from '../keyspace/stream/progress.ts'
import type { Streams } from '../keyspace/stream/stream.ts'
import { StreamId } from '../keyspace/stream/stream-id.ts'
import { StreamWalk } from '../keyspace/stream/stream-walk.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { Args, word } from '../resp/args.ts'
import { type ReplyError, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument, timeoutMsArgument } from './arguments.ts'
import { type Context, NilForm } from './command.ts'
import {
  enterConsumer,
  type GroupPlace,
  idArgument,
  isByte,
  isOtherType,
  keepConsumer,
  keepPending,
  keepProgress,
  nameArgument,
  openStream,
  replyEntry,
  replyId,
} from './stream-access.ts'

const BLOCK = word('block')
const COUNT = word('count')
const STREAMS = word('streams')
const GROUP = word('group')
const NOACK = word('noack')
const LAST_OF_ALL = word('18446744073709551615-18446744073709551615')
const DOLLAR = 0x24
const GREATER = 0x3e
const PLUS = 0x2b

/** Redis 7.0 says this to XREADGROUP as well. */
const UNBALANCED = replyError(
  "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
)
const GROUP_FOREIGN = replyError(
  'ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.',
)
const NOACK_FOREIGN = replyError(
  'ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.',
)
const GROUP_MISSING = replyError('ERR Missing GROUP option for XREADGROUP')
const DOLLAR_MEANINGLESS = replyError(
  'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of ' +
    'this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID ' +
    'would just return an empty result set.',
)
const GREATER_FOREIGN = replyError(
  'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> ' +
    'option.',
)
const STREAM_GONE = replyError('UNBLOCKED the stream key no longer exists')
const GROUP_GONE = replyError(
  'NOGROUP the consumer group this client was blocked on no longer exists',
)

const WAITED_COUNT = 1000
const NO_TIMEOUT = -1

/** The options; filled again and again. */
const OPTIONS = {
  /** Unix ms, 0 for ever; NO_TIMEOUT: it does not wait. */
  deadlineMs: NO_TIMEOUT,
  /** 0: all. */
  count: 0,
  isAcknowledged: false,
  /** Argument that names the group, before that of the consumer; 0: none. */
  groupAt: 0,
  /** First argument that is a key. */
  keysAt: 0,
  streams: 0,
}

/** The ID of each stream, by its index; grows and stays. */
const IDS: StreamId[] = []
const FROM = new StreamId()
const MAX = new StreamId().setMax()
const LAST_ID = new StreamId()
const ENTRY_ID = new StreamId()
const WALK = new StreamWalk()
const HISTORY_WALK = new StreamWalk()

/** XREAD [COUNT n] [BLOCK ms] STREAMS key … id …: by stream, entries behind the ID. O(entries). */
export function xread(context: Context, args: Args, reply: Reply): void {
  if (!parseOptions(context, args, reply, false)) return
  if (!resolveIds(context, args, reply)) return
  let mark = -1
  let served = 0
  for (let i = 0; i < OPTIONS.streams; i++) {
    const record = streamAt(context, args, i)
    if (record === NULL) continue
    const streams = openStream(context.db, record)
    const id = IDS[i]!
    if (!streams.lastLiveId(LAST_ID) || LAST_ID.compare(id) <= 0) continue
    if (served++ === 0) mark = reply.beginArray()
    replyKey(args, OPTIONS.keysAt + i, reply)
    FROM.setTo(id).increment()
    replyRange(streams, reply, limitOf(context))
  }
  finish(context, args, reply, { mark, served })
}

/** XREADGROUP GROUP group consumer [COUNT n] [BLOCK ms] [NOACK] STREAMS key … id …: as XREAD. */
export function xreadgroup(context: Context, args: Args, reply: Reply): void {
  if (!parseOptions(context, args, reply, true)) return
  if (context.blocker.isRetry) {
    const error = goneError(context, args)
    if (error !== null) return reply.error(error)
  } else if (!resolveGroupIds(context, args, reply)) return
  let mark = -1
  let served = 0
  for (let i = 0; i < OPTIONS.streams; i++) {
    const streams = openGroup(context, args, i)
    if (streams === null) continue
    const { groups } = streams
    const at = OPTIONS.keysAt + OPTIONS.streams + i
    // The last ID of all says `>` in Redis, too.
    const isHistory = !isByte(args, at, GREATER) && !args.is(at, LAST_OF_ALL)
    groups.groupId(FROM)
    const hasNews = streams.lastLiveId(LAST_ID) && LAST_ID.compare(FROM) > 0
    if (!isHistory && !hasNews) continue
    if (served++ === 0) mark = reply.beginArray()
    replyKey(args, OPTIONS.keysAt + i, reply)
    const place = { key: OPTIONS.keysAt + i, group: OPTIONS.groupAt }
    const isMade = enterConsumer(context, groups, args, {
      consumer: OPTIONS.groupAt + 1,
      key: place.key,
    })
    if (context.effects.isKept && isMade && (isHistory || OPTIONS.isAcknowledged)) {
      keepConsumer(context, args, place)
    }
    if (isHistory) {
      FROM.setTo(IDS[i]!).increment()
      replyHistory(context, streams, reply)
    } else {
      FROM.increment()
      deliver(context, streams, reply, { args, place })
    }
    context.keyspace.dirty++
  }
  context.effects.suppress()
  finish(context, args, reply, { mark, served })
}

/** Ends a reply, or waits, or says that there is nothing. */
function finish(
  context: Context,
  args: Args,
  reply: Reply,
  done: { readonly mark: number; readonly served: number },
): void {
  if (done.served > 0) {
    if (reply.version === 2) reply.endArray(done.mark, done.served)
    else reply.endMap(done.mark, done.served)
    return
  }
  const { blocker } = context
  if (OPTIONS.deadlineMs === NO_TIMEOUT || !blocker.canWait) return reply.nilArray()
  const positions = Array.from({ length: OPTIONS.streams }, (_, i) => OPTIONS.keysAt + i)
  const wait = { positions, deadlineMs: OPTIONS.deadlineMs, nil: NilForm.Array }
  const again = OPTIONS.groupAt === 0 ? withIds(args) : null
  blocker.wait(again === null ? wait : { ...wait, again })
}

/** The arguments with plain IDs. */
function withIds(args: Args): Args {
  const idsAt = OPTIONS.keysAt + OPTIONS.streams
  const texts: Uint8Array[] = []
  for (let i = 0; i < idsAt; i++) texts.push(args.copy(i))
  for (let i = 0; i < OPTIONS.streams; i++) texts.push(Buffer.from(IDS[i]!.toString(), 'latin1'))
  return Args.of(...texts)
}

/** Takes the options; false after an error reply. */
function parseOptions(context: Context, args: Args, reply: Reply, isGroup: boolean): boolean {
  OPTIONS.deadlineMs = NO_TIMEOUT
  OPTIONS.count = 0
  OPTIONS.isAcknowledged = false
  OPTIONS.groupAt = 0
  OPTIONS.keysAt = 0
  for (let i = 1; i < args.count && OPTIONS.keysAt === 0; i++) {
    const more = args.count - i - 1
    if (args.is(i, BLOCK) && more > 0) {
      const deadlineMs = timeoutMsArgument(context, args, ++i, reply)
      if (deadlineMs === null) return false
      OPTIONS.deadlineMs = deadlineMs
    } else if (args.is(i, COUNT) && more > 0) {
      const count = integerArgument(args, ++i, reply)
      if (count === null) return false
      OPTIONS.count = Math.max(Number(count), 0)
    } else if (args.is(i, STREAMS) && more > 0) {
      if (more % 2 !== 0) return refuse(reply, UNBALANCED)
      OPTIONS.keysAt = i + 1
      OPTIONS.streams = more / 2
    } else if (args.is(i, GROUP) && more > 1) {
      if (!isGroup) return refuse(reply, GROUP_FOREIGN)
      OPTIONS.groupAt = i + 1
      i += 2
    } else if (args.is(i, NOACK)) {
      if (!isGroup) return refuse(reply, NOACK_FOREIGN)
      OPTIONS.isAcknowledged = true
    } else return refuse(reply, SYNTAX_ERROR)
  }
  if (OPTIONS.keysAt === 0) return refuse(reply, SYNTAX_ERROR)
  if (isGroup && OPTIONS.groupAt === 0) return refuse(reply, GROUP_MISSING)
  while (IDS.length < OPTIONS.streams) IDS.push(new StreamId())
  return true
}

/** Takes the IDs of XREAD; false after an error reply. */
function resolveIds(context: Context, args: Args, reply: Reply): boolean {
  const { db, blocker } = context
  for (let i = 0; i < OPTIONS.streams; i++) {
    const at = OPTIONS.keysAt + OPTIONS.streams + i
    const id = IDS[i]!
    const record = db.find(keyArgument(context, args, OPTIONS.keysAt + i))
    // Who waits for a stream does not mind that the key is something else in between.
    const isOther = record !== NULL && db.typeOf(record) !== Type.Stream
    if (isOther && !blocker.isRetry) return !isOtherType(db, record, reply)
    const streams = record === NULL || isOther ? null : openStream(db, record)
    if (isByte(args, at, DOLLAR)) {
      if (streams === null) id.setMin()
      else streams.lastId(id)
    } else if (isByte(args, at, PLUS)) {
      if (streams === null) id.setMin()
      else if (streams.lastLiveId(id)) id.decrement()
      else streams.lastId(id)
    } else if (isByte(args, at, GREATER)) {
      return refuse(reply, GREATER_FOREIGN)
    } else if (!idArgument(args, at, id, reply)) return false
  }
  return true
}

/** Takes the IDs of XREADGROUP, and finds the groups; false after an error reply. */
function resolveGroupIds(context: Context, args: Args, reply: Reply): boolean {
  const { db } = context
  for (let i = 0; i < OPTIONS.streams; i++) {
    const at = OPTIONS.keysAt + OPTIONS.streams + i
    const record = db.find(keyArgument(context, args, OPTIONS.keysAt + i))
    if (isOtherType(db, record, reply)) return false
    const group = nameArgument(args, OPTIONS.groupAt)
    if (record === NULL || !openStream(db, record).groups.openGroup(group)) {
      const key = args.text(OPTIONS.keysAt + i)
      reply.errorText(
        `NOGROUP No such key '${key}' or consumer group '${args.text(OPTIONS.groupAt)}' in ` +
          'XREADGROUP with GROUP option',
      )
      return false
    }
    if (isByte(args, at, DOLLAR)) return refuse(reply, DOLLAR_MEANINGLESS)
    if (!isByte(args, at, GREATER) && !idArgument(args, at, IDS[i]!, reply)) return false
  }
  return true
}

/** What a client that waits is told when a stream or its group is gone; null: all are there. */
function goneError(context: Context, args: Args): ReplyError | null {
  const { db } = context
  for (let i = 0; i < OPTIONS.streams; i++) {
    const record = db.peek(keyArgument(context, args, OPTIONS.keysAt + i))
    if (record === NULL || db.typeOf(record) !== Type.Stream) return STREAM_GONE
    const { groups } = openStream(db, record)
    if (!groups.openGroup(nameArgument(args, OPTIONS.groupAt))) return GROUP_GONE
  }
  return null
}

/** The record of stream `i`; NULL: there is none. */
function streamAt(context: Context, args: Args, i: number): Ptr {
  const { db } = context
  const record = db.peek(keyArgument(context, args, OPTIONS.keysAt + i))
  return record !== NULL && db.typeOf(record) === Type.Stream ? record : NULL
}

/** Leads to the group of stream `i`, which `resolveGroupIds` has seen. */
function openGroup(context: Context, args: Args, i: number): Streams | null {
  const record = streamAt(context, args, i)
  if (record === NULL) return null
  const streams = openStream(context.db, record)
  return streams.groups.openGroup(nameArgument(args, OPTIONS.groupAt)) ? streams : null
}

/** What a stream's entries stand behind: in RESP2 in an array of two, in RESP3 in a map. */
function replyKey(args: Args, i: number, reply: Reply): void {
  if (reply.version === 2) reply.array(2)
  reply.bulk(args.bytes, args.start(i), args.length(i))
}

function limitOf({ blocker }: Context): number {
  if (OPTIONS.count > 0) return OPTIONS.count
  return blocker.isRetry ? WAITED_COUNT : Infinity
}

/** Replies entries from FROM on. */
function replyRange(streams: Streams, reply: Reply, limit: number): void {
  WALK.openForward(streams, FROM, MAX)
  const mark = reply.beginArray()
  let count = 0
  while (count < limit && WALK.next()) {
    replyEntry(reply, WALK.cursor)
    count++
  }
  reply.endArray(mark, count)
}

/** Replies entries from FROM on, and notes that the group has them, and who. */
function deliver(
  context: Context,
  streams: Streams,
  reply: Reply,
  { args, place }: { readonly args: Args; readonly place: GroupPlace },
): void {
  const { isKept } = context.effects
  const { groups } = streams
  const limit = limitOf(context)
  WALK.openForward(streams, FROM, MAX)
  const mark = reply.beginArray()
  let count = 0
  while (count < limit && WALK.next()) {
    const id = ENTRY_ID.setTo(WALK.cursor.id)
    if (!OPTIONS.isAcknowledged) notePending(context, streams, id)
    noteRead(streams, id)
    if (isKept && !OPTIONS.isAcknowledged) keepPending(context, groups, args, { ...place, id })
    replyEntry(reply, WALK.cursor)
    count++
  }
  if (isKept && count > 0 && OPTIONS.isAcknowledged) keepProgress(context, groups, args, place)
  reply.endArray(mark, count)
}

/** The open consumer has got an entry, from whomever it may have been pending for. */
function notePending(context: Context, streams: Streams, id: StreamId): void {
  const { groups } = streams
  if (groups.findPending(id)) {
    groups.claimPending(id)
    groups.setDelivery(context.nowMs, 1)
  } else groups.addPending(id, context.nowMs, 1)
}

/** The open group has got an entry. */
function noteRead(streams: Streams, id: StreamId): void {
  const { groups } = streams
  const read = groups.entriesRead
  if (read !== READ_UNKNOWN && !hasGapBehind(streams, id)) {
    groups.setEntriesRead(addI64(read, 1) ?? READ_UNKNOWN)
  } else if (streams.added !== 0) groups.setEntriesRead(countedUpTo(streams, id))
  groups.setGroupId(id)
}

/** Replies what is pending for the open consumer from FROM on; deleted entries as their ID. */
function replyHistory(context: Context, streams: Streams, reply: Reply): void {
  const { groups } = streams
  const { owned, consumerNumber } = groups
  const limit = limitOf(context)
  const mark = reply.beginArray()
  let count = 0
  let found = groups.seekOwned(consumerNumber, FROM)
  while (count < limit && found && owned.words[owned.at] === consumerNumber) {
    const id = ENTRY_ID.setWords(owned.words, owned.at + 1)
    HISTORY_WALK.openForward(streams, id, id)
    if (HISTORY_WALK.next()) {
      replyEntry(reply, HISTORY_WALK.cursor)
      if (groups.findPending(id)) {
        groups.setDelivery(context.nowMs, groups.pendingDeliveries + 1)
      }
    } else {
      reply.array(2)
      replyId(reply, id)
      reply.nilArray()
    }
    count++
    found = owned.next()
  }
  reply.endArray(mark, count)
}

function refuse(reply: Reply, error: ReplyError): false {
  reply.error(error)
  return false
}
