// What the commands on streams share: the cursor, IDs as arguments, entries as replies, consumers.
//
// IDs that are parsed into come from the handler's own file: a handler keeps its own constants, as
// nothing is allocated per command.

import { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { scratchEntry } from '../keyspace/packed/packed.ts'
import { Type } from '../keyspace/record.ts'
import type { EntryCursor } from '../keyspace/stream/entry-leaf.ts'
import type { StreamGroups } from '../keyspace/stream/groups.ts'
import { Streams } from '../keyspace/stream/stream.ts'
import { ID_TEXT_MAX, IdForm, type StreamId } from '../keyspace/stream/stream-id.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { type ReplyError, replyError, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent, noteEvent } from './key-event.ts'

export const INVALID_ID = replyError('ERR Invalid stream ID specified as stream command argument')
const INVALID_START = replyError('ERR invalid start ID for the interval')
const INVALID_END = replyError('ERR invalid end ID for the interval')
const CREATE_CONSUMER = keyEvent(EventClass.Stream, 'xgroup-createconsumer')

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
 * Makes it if need be, and tells of that; argument `keyAt` is the stream's key.
 */
export function enterConsumer(
  context: Context,
  groups: StreamGroups,
  args: Args,
  at: { readonly consumer: number; readonly key: number },
): void {
  if (groups.openConsumer(nameArgument(args, at.consumer))) {
    groups.setSeen(context.nowMs)
    return
  }
  createConsumer(context, groups, args, at)
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
