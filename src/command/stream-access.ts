// What the commands on streams share: the cursor, IDs as arguments, entries as replies, consumers.
//
// Deliveries are repeated elsewhere as what came of them: XCLAIM for each entry, XGROUP SETID, and
// XGROUP CREATECONSUMER.
//
// IDs that are parsed into come from the handler's own file: a handler keeps its own constants, as
// nothing is allocated per command.

import { latin1 } from '../base/bytes.ts'
import { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { scratchEntry } from '../keyspace/packed/packed.ts'
import { Type } from '../keyspace/record.ts'
import type { EntryCursor } from '../keyspace/stream/entry-leaf.ts'
import type { StreamGroups } from '../keyspace/stream/groups.ts'
import { Streams } from '../keyspace/stream/stream.ts'
import { ID_TEXT_MAX, IdForm, StreamId } from '../keyspace/stream/stream-id.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { type ReplyError, replyError, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { writeArguments, writeSlice } from './effects.ts'
import { EventClass, keyEvent, noteEvent } from './key-event.ts'

export const INVALID_ID = replyError('ERR Invalid stream ID specified as stream command argument')
const INVALID_START = replyError('ERR invalid start ID for the interval')
const INVALID_END = replyError('ERR invalid end ID for the interval')
const CREATE_CONSUMER = keyEvent(EventClass.Stream, 'xgroup-createconsumer')

const XCLAIM_WORD = latin1('XCLAIM')
const TIME_WORD = latin1('TIME')
const RETRYCOUNT_WORD = latin1('RETRYCOUNT')
const FORCE_WORD = latin1('FORCE')
const JUSTID_WORD = latin1('JUSTID')
const LASTID_WORD = latin1('LASTID')
const XGROUP_WORD = latin1('XGROUP')
const SETID_WORD = latin1('SETID')
const ENTRIESREAD_WORD = latin1('ENTRIESREAD')
const CREATECONSUMER_WORD = latin1('CREATECONSUMER')

const MINUS = 0x2d
const PLUS = 0x2b
const PAREN = 0x28
/** The word that fills a sequence that is not given: of the first ID, and of the last. */
export const FIRST = 0
export const LAST = 0xffffffff

const ID_TEXT = new Uint8Array(ID_TEXT_MAX)
const NAME = scratchEntry()
const VALUE = scratchEntry()
const GROUP_NAME = new Slice()
const CONSUMER_NAME = new Slice()
const LAST_ID = new StreamId()

let shared: Streams | null = null

/** The cursor on streams of the keyspace. */
export function streamsOf(db: Database): Streams {
  if (shared === null || shared.collections !== db.collections) {
    shared = new Streams(db.collections)
  }
  return shared
}

/** Points the cursor at the stream of a record. */
export function openStream(db: Database, record: Ptr): Streams {
  return streamsOf(db).open(db, record)
}

/** Whether the record, which may be NULL, is no stream; WRONGTYPE is replied then. */
export function isOtherType(db: Database, record: Ptr, reply: Reply): boolean {
  if (record === NULL || db.typeOf(record) === Type.Stream) return false
  reply.error(WRONG_TYPE)
  return true
}

/** Whether argument `i` is that one byte. */
export function isByte(args: Args, i: number, byte: number): boolean {
  return args.length(i) === 1 && args.bytes[args.start(i)]! === byte
}

/** Takes the ID of argument `i`, which may not be `-` or `+`; false after an error reply. */
export function idArgument(args: Args, i: number, out: StreamId, reply: Reply): boolean {
  if (parseId(args, i, out)) return true
  reply.error(INVALID_ID)
  return false
}

/** `idArgument` without a reply. */
export function parseId(args: Args, i: number, out: StreamId): boolean {
  return out.parse(args.bytes, args.start(i), args.length(i), FIRST) === IdForm.Whole
}

/** `idArgument` that takes `-` for the first ID there can be and `+` for the last. */
export function anyIdArgument(args: Args, i: number, out: StreamId, reply: Reply): boolean {
  if (isByte(args, i, MINUS)) out.setMin()
  else if (isByte(args, i, PLUS)) out.setMax()
  else return idArgument(args, i, out, reply)
  return true
}

/** Takes the start of a range: an ID, `-`, `+`, or behind a `(`; false after an error reply. */
export function startArgument(args: Args, i: number, out: StreamId, reply: Reply): boolean {
  const form = boundArgument(args, i, out, FIRST)
  if (form === Bound.Invalid) return refuse(reply, INVALID_ID)
  if (form === Bound.Exclusive && !out.increment()) return refuse(reply, INVALID_START)
  return true
}

/** Takes the end of a range, as `startArgument` does. */
export function endArgument(args: Args, i: number, out: StreamId, reply: Reply): boolean {
  const form = boundArgument(args, i, out, LAST)
  if (form === Bound.Invalid) return refuse(reply, INVALID_ID)
  if (form === Bound.Exclusive && !out.decrement()) return refuse(reply, INVALID_END)
  return true
}

function refuse(reply: Reply, error: ReplyError): false {
  reply.error(error)
  return false
}

const Bound = { Invalid: 0, Inclusive: 1, Exclusive: 2 } as const
type Bound = (typeof Bound)[keyof typeof Bound]

function boundArgument(args: Args, i: number, out: StreamId, missingSequence: number): Bound {
  const start = args.start(i)
  const length = args.length(i)
  const { bytes } = args
  if (length > 1 && bytes[start]! === PAREN) {
    const form = out.parse(bytes, start + 1, length - 1, missingSequence)
    return form === IdForm.Whole ? Bound.Exclusive : Bound.Invalid
  }
  if (isByte(args, i, MINUS)) out.setMin()
  else if (isByte(args, i, PLUS)) out.setMax()
  else if (out.parse(bytes, start, length, missingSequence) !== IdForm.Whole) return Bound.Invalid
  return Bound.Inclusive
}

/** Replies an ID as a bulk string. */
export function replyId(reply: Reply, id: StreamId): void {
  reply.bulk(ID_TEXT, 0, id.writeText(ID_TEXT, 0))
}

/** Replies the entry at the cursor: its ID, and names and values in turn. */
export function replyEntry(reply: Reply, cursor: EntryCursor): void {
  reply.array(2)
  replyId(reply, cursor.id)
  const { fields } = cursor
  reply.array(fields * 2)
  cursor.openFields()
  for (let i = 0; i < fields; i++) {
    cursor.readField(NAME, VALUE)
    if (NAME.isInteger) reply.bulkInteger(NAME.integer)
    else reply.bulk(NAME.bytes, NAME.start, NAME.length)
    if (VALUE.isInteger) reply.bulkInteger(VALUE.integer)
    else reply.bulk(VALUE.bytes, VALUE.start, VALUE.length)
  }
}

/** Points at argument `i`, the name of a group or consumer; valid until the next such call. */
export function nameArgument(args: Args, i: number): Slice {
  return GROUP_NAME.set(args.bytes, args.start(i), args.length(i))
}

/**
 * Leads to the consumer that argument `i` names in the open group, and notes that it has been seen.
 * Makes it if need be, and tells of that; argument `keyAt` is the stream's key. True: it was made.
 */
export function enterConsumer(
  context: Context,
  groups: StreamGroups,
  args: Args,
  at: { readonly consumer: number; readonly key: number },
): boolean {
  if (groups.openConsumer(nameArgument(args, at.consumer))) {
    groups.setSeen(context.nowMs)
    return false
  }
  createConsumer(context, groups, args, at)
  return true
}

/** Where the key and the group stand among the arguments. */
export interface GroupPlace {
  readonly key: number
  readonly group: number
}

/** Keeps that the pending entry that was found or changed last is the open consumer's. */
export function keepPending(
  { effects, db }: Context,
  groups: StreamGroups,
  args: Args,
  { key, group, id }: GroupPlace & { readonly id: StreamId },
): void {
  // A claim leads to the old owner last.
  groups.openConsumerNumber(groups.consumerNumber)
  const writer = effects.instead(db, XCLAIM_WORD, 14)
  writeArguments(writer, args, key, key + 1)
  writeArguments(writer, args, group, group + 1)
  writeSlice(writer, groups.consumerName(CONSUMER_NAME))
  writer.bulkInteger(0)
  replyId(writer, id)
  writer.bulk(TIME_WORD, 0, TIME_WORD.length)
  writer.bulkInteger(groups.pendingTime)
  writer.bulk(RETRYCOUNT_WORD, 0, RETRYCOUNT_WORD.length)
  writer.bulkInteger(groups.pendingDeliveries)
  writer.bulk(FORCE_WORD, 0, FORCE_WORD.length)
  writer.bulk(JUSTID_WORD, 0, JUSTID_WORD.length)
  writer.bulk(LASTID_WORD, 0, LASTID_WORD.length)
  replyId(writer, groups.groupId(LAST_ID))
}

/** Keeps how far the open group has read. */
export function keepProgress(
  { effects, db }: Context,
  groups: StreamGroups,
  args: Args,
  { key, group }: GroupPlace,
): void {
  const writer = effects.instead(db, XGROUP_WORD, 7)
  writer.bulk(SETID_WORD, 0, SETID_WORD.length)
  writeArguments(writer, args, key, key + 1)
  writeArguments(writer, args, group, group + 1)
  replyId(writer, groups.groupId(LAST_ID))
  writer.bulk(ENTRIESREAD_WORD, 0, ENTRIESREAD_WORD.length)
  writer.bulkInteger(groups.entriesRead)
}

/** Keeps that the consumer behind the group's argument was made. */
export function keepConsumer(
  { effects, db }: Context,
  args: Args,
  { key, group }: GroupPlace,
): void {
  const writer = effects.instead(db, XGROUP_WORD, 5)
  writer.bulk(CREATECONSUMER_WORD, 0, CREATECONSUMER_WORD.length)
  writeArguments(writer, args, key, key + 1)
  writeArguments(writer, args, group, group + 2)
}

/** Makes the consumer that argument `consumer` names, which is not there, and leads to it. */
export function createConsumer(
  context: Context,
  groups: StreamGroups,
  args: Args,
  at: { readonly consumer: number; readonly key: number },
): void {
  groups.createConsumer(nameArgument(args, at.consumer), context.nowMs)
  context.keyspace.dirty++
  noteEvent(context, keyArgument(context, args, at.key), CREATE_CONSUMER)
}
