// XINFO: what a stream, its groups and their consumers are. Of a radix tree, which there is none
// here, the keys are the nodes of entries (keyspace/stream/entry-leaf.ts), and its nodes one more.

import { subtractI64 } from '../base/i64.ts'
import { Slice } from '../base/slice.ts'
import { READ_UNKNOWN, type StreamGroups } from '../keyspace/stream/groups.ts'
import { countedUpTo, hasGapBehind } from '../keyspace/stream/progress.ts'
import type { Streams } from '../keyspace/stream/stream.ts'
import { StreamId } from '../keyspace/stream/stream-id.ts'
import { StreamWalk } from '../keyspace/stream/stream-walk.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { NO_SUCH_KEY } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument, writeHelp } from './arguments.ts'
import type { Context } from './command.ts'
import { isOtherType, nameArgument, openStream, replyEntry, replyId } from './stream-access.ts'
import { idleMs } from './stream-group.ts'

const FULL = word('full')
const COUNT = word('count')
const COUNT_DEFAULT = 10

const HELP_LINES = [
  'CONSUMERS <key> <groupname>',
  '    Show consumers of <groupname>.',
  'GROUPS <key>',
  '    Show the stream consumer groups.',
  'STREAM <key> [FULL [COUNT <count>]',
  '    Show information about the stream.',
]

const ID = new StreamId()
const MIN = new StreamId()
const MAX = new StreamId().setMax()
const WALK = new StreamWalk()
const NAME = new Slice()

/** XINFO STREAM key [FULL [COUNT n]]: a map. O(1), or O(what is shown). */
export function xinfoStream(context: Context, args: Args, reply: Reply): void {
  const streams = openKey(context, args, reply)
  if (streams === null) return
  if (args.count === 3) return replyStream(streams, reply)
  const isFull = (args.count === 4 || args.count === 6) && args.is(3, FULL)
  if (!isFull || (args.count === 6 && !args.is(4, COUNT))) {
    return reply.errorText(
      `ERR unknown subcommand or wrong number of arguments for '${args.text(1)}'. ` +
        'Try XINFO HELP.',
    )
  }
  let limit = COUNT_DEFAULT
  if (args.count === 6) {
    const count = integerArgument(args, 5, reply)
    if (count === null) return
    if (count >= 0) limit = count === 0 ? Infinity : Number(count)
  }
  replyFull(streams, reply, limit)
}

/** XINFO GROUPS key: a map for each group. O(groups). */
export function xinfoGroups(context: Context, args: Args, reply: Reply): void {
  const streams = openKey(context, args, reply)
  if (streams === null) return
  const { groups } = streams
  reply.array(groups.count)
  for (let i = 0; i < groups.count; i++) {
    groups.openGroupAt(i)
    reply.map(6)
    reply.bulkText('name')
    replySlice(reply, groups.groupName(NAME))
    reply.bulkText('consumers')
    reply.integer(groups.consumerCount)
    reply.bulkText('pending')
    reply.integer(groups.pendingCount)
    replyProgress(streams, reply)
  }
}

/** XINFO CONSUMERS key group: a map for each consumer. O(consumers). */
export function xinfoConsumers(context: Context, args: Args, reply: Reply): void {
  const streams = openKey(context, args, reply)
  if (streams === null) return
  const { groups } = streams
  if (!groups.openGroup(nameArgument(args, 3))) {
    return reply.errorText(
      `NOGROUP No such consumer group '${args.text(3)}' for key name '${args.text(2)}'`,
    )
  }
  reply.array(groups.consumerCount)
  for (let i = 0; i < groups.consumerCount; i++) {
    groups.openConsumerAt(i)
    reply.map(3)
    reply.bulkText('name')
    replySlice(reply, groups.consumerName(NAME))
    reply.bulkText('pending')
    reply.integer(groups.consumerPending)
    reply.bulkText('idle')
    reply.integer(idleMs(context, groups.seen))
  }
}

export function xinfoHelp(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'XINFO', HELP_LINES)
}

/** The stream in argument 2; null after an error reply. */
function openKey(context: Context, args: Args, reply: Reply): Streams | null {
  const { db } = context
  const record = db.find(keyArgument(context, args, 2))
  if (record === NULL) {
    reply.error(NO_SUCH_KEY)
    return null
  }
  return isOtherType(db, record, reply) ? null : openStream(db, record)
}

function replyStream(streams: Streams, reply: Reply): void {
  reply.map(10)
  replyHead(streams, reply)
  reply.bulkText('groups')
  reply.integer(streams.groups.count)
  reply.bulkText('first-entry')
  WALK.openForward(streams, MIN, MAX)
  if (WALK.next()) replyEntry(reply, WALK.cursor)
  else reply.nil()
  reply.bulkText('last-entry')
  WALK.openBackward(streams, MIN, MAX)
  if (WALK.next()) replyEntry(reply, WALK.cursor)
  else reply.nil()
}

/** Seven pairs that both forms begin with. */
function replyHead(streams: Streams, reply: Reply): void {
  reply.bulkText('length')
  reply.integer(streams.length)
  reply.bulkText('radix-tree-keys')
  reply.integer(streams.nodes)
  reply.bulkText('radix-tree-nodes')
  reply.integer(streams.nodes + 1)
  reply.bulkText('last-generated-id')
  replyId(reply, streams.lastId(ID))
  reply.bulkText('max-deleted-entry-id')
  replyId(reply, streams.deletedId(ID))
  reply.bulkText('entries-added')
  reply.integer(streams.added)
  reply.bulkText('recorded-first-entry-id')
  streams.firstId(ID)
  replyId(reply, ID)
}

function replyFull(streams: Streams, reply: Reply, limit: number): void {
  const { groups } = streams
  reply.map(9)
  replyHead(streams, reply)
  reply.bulkText('entries')
  WALK.openForward(streams, MIN, MAX)
  const mark = reply.beginArray()
  let count = 0
  while (count < limit && WALK.next()) {
    replyEntry(reply, WALK.cursor)
    count++
  }
  reply.endArray(mark, count)
  reply.bulkText('groups')
  reply.array(groups.count)
  for (let i = 0; i < groups.count; i++) {
    groups.openGroupAt(i)
    reply.map(7)
    reply.bulkText('name')
    replySlice(reply, groups.groupName(NAME))
    replyProgress(streams, reply)
    reply.bulkText('pel-count')
    reply.integer(groups.pendingCount)
    reply.bulkText('pending')
    replyPending(groups, reply, limit)
    reply.bulkText('consumers')
    replyConsumers(groups, reply, limit)
  }
}

/** How far the open group has come: three pairs. */
function replyProgress(streams: Streams, reply: Reply): void {
  const { groups } = streams
  const { added } = streams
  const read = groups.entriesRead
  reply.bulkText('last-delivered-id')
  replyId(reply, groups.groupId(ID))
  reply.bulkText('entries-read')
  if (read === READ_UNKNOWN) reply.nil()
  else reply.integer(read)
  reply.bulkText('lag')
  if (added === 0) return reply.integer(0)
  const isKnown = read !== READ_UNKNOWN && !hasGapBehind(streams, ID)
  const passed = isKnown ? read : countedUpTo(streams, ID)
  const lag = passed === READ_UNKNOWN ? null : subtractI64(added, passed)
  if (lag === null) reply.nil()
  else reply.integer(lag)
}

/** What is pending in the open group, of all consumers. */
function replyPending(groups: StreamGroups, reply: Reply, limit: number): void {
  const { pending } = groups
  const count = Math.min(groups.pendingCount, limit)
  reply.array(count)
  let found = pending.seekFirst(groups.pendingChain)
  for (let i = 0; i < count && found; i++) {
    reply.array(4)
    replyId(reply, ID.setWords(pending.words, pending.at))
    groups.openConsumerNumber(groups.pendingConsumer)
    replySlice(reply, groups.consumerName(NAME))
    reply.integer(groups.pendingTime)
    reply.integer(groups.pendingDeliveries)
    found = pending.next()
  }
}

function replyConsumers(groups: StreamGroups, reply: Reply, limit: number): void {
  reply.array(groups.consumerCount)
  for (let i = 0; i < groups.consumerCount; i++) {
    groups.openConsumerAt(i)
    reply.map(4)
    reply.bulkText('name')
    replySlice(reply, groups.consumerName(NAME))
    reply.bulkText('seen-time')
    reply.integer(groups.seen)
    reply.bulkText('pel-count')
    reply.integer(groups.consumerPending)
    reply.bulkText('pending')
    replyOwned(groups, reply, limit)
  }
}

/** What is pending for the open consumer. */
function replyOwned(groups: StreamGroups, reply: Reply, limit: number): void {
  const { owned, consumerNumber } = groups
  const count = Math.min(groups.consumerPending, limit)
  reply.array(count)
  let found = groups.seekOwned(consumerNumber, MIN)
  for (let i = 0; i < count && found; i++) {
    ID.setWords(owned.words, owned.at + 1)
    groups.findPending(ID)
    reply.array(3)
    replyId(reply, ID)
    reply.integer(groups.pendingTime)
    reply.integer(groups.pendingDeliveries)
    found = owned.next()
  }
}

function replySlice(reply: Reply, slice: Slice): void {
  reply.bulk(slice.bytes, slice.start, slice.length)
}
