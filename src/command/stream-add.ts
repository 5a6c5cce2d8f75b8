// Streams grow and shrink: XADD, XTRIM, XDEL, XSETID, XLEN.
//
// XADD and XTRIM read the same options. An approximate trimming that names no LIMIT removes entries
// of at most 100 nodes, so that no command works for long. Whoever repeats these commands is told
// the entry's ID, and exactly what is left after an approximate trimming.

import { latin1 } from '../base/bytes.ts'
import type { I64 } from '../base/i64.ts'
import { Fields } from '../keyspace/stream/entry-writer.ts'
import type { Streams } from '../keyspace/stream/stream.ts'
import { ID_TEXT_MAX, IdForm, StreamId } from '../keyspace/stream/stream-id.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import {
  NO_SUCH_KEY,
  type ReplyError,
  replyError,
  SYNTAX_ERROR,
  wrongArity,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent, noteChange, noteEvent } from './key-event.ts'
import {
  FIRST,
  INVALID_ID,
  idArgument,
  isByte,
  isOtherType,
  openStream,
  replyId,
  streamsOf,
} from './stream-access.ts'

const MAXLEN = word('maxlen')
const MINID = word('minid')
const LIMIT = word('limit')
const NOMKSTREAM = word('nomkstream')
const ENTRIESADDED = word('entriesadded')
const MAXDELETEDID = word('maxdeletedid')
const XADD_WORD = latin1('XADD')
const XTRIM_WORD = latin1('XTRIM')
const EXACTLY = latin1('=')
const STAR = 0x2a
const TILDE = 0x7e
const EQUALS = 0x3d

const XADD = keyEvent(EventClass.Stream, 'xadd')
const XTRIM = keyEvent(EventClass.Stream, 'xtrim')
const XDEL = keyEvent(EventClass.Stream, 'xdel')
const XSETID = keyEvent(EventClass.Stream, 'xsetid')

const XADD_ARITY = wrongArity('xadd')
const TWO_STRATEGIES = replyError(
  'ERR syntax error, MAXLEN and MINID options at the same time are not compatible',
)
const MAXLEN_NEGATIVE = replyError('ERR The MAXLEN argument must be >= 0.')
const LIMIT_NEGATIVE = replyError('ERR The LIMIT argument must be >= 0.')
const LIMIT_WITHOUT_STRATEGY = replyError(
  'ERR syntax error, LIMIT cannot be used without specifying a trimming strategy',
)
const LIMIT_NOT_APPROXIMATE = replyError(
  'ERR syntax error, LIMIT cannot be used without the special ~ option',
)
const NO_STRATEGY = replyError('ERR syntax error, XTRIM must be called with a trimming strategy')
const ID_ZERO = replyError('ERR The ID specified in XADD must be greater than 0-0')
const ID_EXHAUSTED = replyError(
  'ERR The stream has exhausted the last possible ID, unable to add more items',
)
const ID_NOT_GREATER = replyError(
  'ERR The ID specified in XADD is equal or smaller than the target stream top item',
)
const TOO_LARGE = replyError('ERR Elements are too large to be stored')
const ADDED_NEGATIVE = replyError('ERR entries_added must be positive')
const SETID_BELOW_GIVEN = replyError(
  'ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id',
)
const SETID_BELOW_TOP = replyError(
  'ERR The ID specified in XSETID is smaller than the target stream top item',
)
const ADDED_BELOW_LENGTH = replyError(
  'ERR The entries_added specified in XSETID is smaller than the target stream length',
)

/** Longest entry, names and values together; Redis's limit on a listpack. */
const ENTRY_BYTES_MAX = 1 << 30
/** Nodes that an approximate trimming without LIMIT removes. */
const TRIMMED_NODES = 100
const TRIMMED_DEFAULT = 10_000
const TRIMMED_MAX = 1_000_000

const Strategy = { None: 0, Length: 1, Minimum: 2 } as const
type Strategy = (typeof Strategy)[keyof typeof Strategy]

/** The options of XADD and XTRIM, and XADD's ID; filled again and again. */
class AddOptions {
  strategy: Strategy = Strategy.None
  lengthMax = 0
  readonly minimum = new StreamId()
  isApproximate = false
  /** Where the threshold stands among the arguments. */
  thresholdAt = 0
  limit = 0
  hasLimit = false
  mayCreate = true
  idForm: IdForm | -1 = -1

  clear(): void {
    this.strategy = Strategy.None
    this.lengthMax = -1
    this.isApproximate = false
    this.limit = 0
    this.hasLimit = false
    this.mayCreate = true
    this.idForm = -1
  }
}

const OPTIONS = new AddOptions()
const FIELDS = new Fields()
const ID = new StreamId()
const LAST_ID = new StreamId()
const OTHER_ID = new StreamId()
/** The text of the last entry's milliseconds, and where it ends, the dash included; 0: none yet. */
const ID_TEXT = new Uint8Array(ID_TEXT_MAX)
let textHigh = 0
let textLow = 0
let textEnd = 0

/** XADD key [options] id field value …: the entry's ID, or nil. O(fields + trimmed). */
export function xadd(context: Context, args: Args, reply: Reply): void {
  const { db, limits } = context
  const idAt = parseOptions(context, args, reply, parseAddOption)
  if (idAt < 0) return
  const texts = args.count - idAt - 1
  if (texts < 2 || texts % 2 !== 0) return reply.error(XADD_ARITY)
  if (OPTIONS.idForm === IdForm.Whole && ID.isZero) return reply.error(ID_ZERO)
  const key = keyArgument(context, args, 1)
  const found = db.findForWrite(key)
  if (isOtherType(db, found, reply)) return
  if (found === NULL && !OPTIONS.mayCreate) return reply.nil()
  const fields = FIELDS.open(args, idAt + 1, texts / 2)
  if (fields.textBytes > ENTRY_BYTES_MAX) return reply.error(TOO_LARGE)
  const streams = streamsOf(db)
  if (found === NULL) streams.create(db, key)
  else streams.open(db, found)
  const error = chooseId(streams, context.nowMs)
  if (error !== null) return reply.error(error)
  let trimmed = 0
  try {
    if (OPTIONS.strategy === Strategy.None) streams.append(ID, fields, limits.encodings)
    else trimmed = streams.appendAndTrim(ID, fields, limits.encodings, OPTIONS)
  } catch (full) {
    if (found === NULL && streams.record !== NULL) db.remove(streams.record)
    throw full
  }
  fields.close()
  replyAddedId(reply)
  noteChange(context, key, XADD)
  if (trimmed > 0) noteEvent(context, key, XTRIM)
  if (context.effects.isKept && (OPTIONS.isApproximate || OPTIONS.idForm !== IdForm.Whole)) {
    keepExactly(context, XADD_WORD, { args, idAt, streams })
  }
}

/** Keeps XADD or XTRIM with the ID that was chosen, and as the trimming that it came to be. */
function keepExactly(
  { effects, db }: Context,
  name: Uint8Array,
  done: { readonly args: Args; readonly idAt: number; readonly streams: Streams },
): void {
  const { args, idAt, streams } = done
  const { isApproximate, thresholdAt, strategy } = OPTIONS
  const writer = effects.instead(db, name, args.count)
  for (let i = 1; i < args.count; i++) {
    if (i === idAt) replyId(writer, ID)
    else if (isApproximate && i === thresholdAt - 1) writer.bulk(EXACTLY, 0, 1)
    else if (isApproximate && i === thresholdAt) {
      if (strategy === Strategy.Length) writer.bulkInteger(streams.length)
      else replyId(writer, streams.firstId(OTHER_ID) ? OTHER_ID : OTHER_ID.setMax())
    } else writer.bulk(args.bytes, args.start(i), args.length(i))
  }
}

/** Replies ID. Many entries have one millisecond: its digits are kept from one to the next. */
function replyAddedId(reply: Reply): void {
  const high = ID.words[0]!
  const low = ID.words[1]!
  if (high !== textHigh || low !== textLow || textEnd === 0) {
    textHigh = high
    textLow = low
    textEnd = ID.writeMsText(ID_TEXT, 0)
  }
  reply.bulk(ID_TEXT, 0, ID.writeSequenceText(ID_TEXT, textEnd))
}

/** XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]: entries removed. O(entries removed). */
export function xtrim(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  if (parseOptions(context, args, reply, parseTrimOption) < 0) return
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (isOtherType(db, record, reply)) return
  if (record === NULL) return reply.integer(0)
  const deleted = openStream(db, record).trim(OPTIONS)
  if (deleted > 0) {
    noteChange(context, key, XTRIM)
    keyspace.dirty += deleted - 1
    if (context.effects.isKept && OPTIONS.isApproximate) {
      keepExactly(context, XTRIM_WORD, { args, idAt: 0, streams: streamsOf(db) })
    }
  }
  reply.integer(deleted)
}

/** XDEL key id …: entries deleted. O(log n) each. */
export function xdel(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (isOtherType(db, record, reply)) return
  if (record === NULL) return reply.integer(0)
  for (let i = 2; i < args.count; i++) {
    if (!idArgument(args, i, ID, reply)) return
  }
  const streams = openStream(db, record)
  let deleted = 0
  for (let i = 2; i < args.count; i++) {
    idArgument(args, i, ID, reply)
    if (!streams.delete(ID)) continue
    if (ID.compare(streams.deletedId(OTHER_ID)) > 0) streams.setDeletedId(ID)
    deleted++
  }
  if (deleted > 0) {
    noteChange(context, key, XDEL)
    keyspace.dirty += deleted - 1
  }
  reply.integer(deleted)
}

/** XLEN key: live entries. O(1). */
export function xlen(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (isOtherType(db, record, reply)) return
  reply.integer(record === NULL ? 0 : openStream(db, record).length)
}

/** XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id]: OK. O(1). */
export function xsetid(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (!idArgument(args, 2, ID, reply)) return
  let added: I64 = -1
  OTHER_ID.setMin()
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count) return reply.error(SYNTAX_ERROR)
    if (args.is(i, ENTRIESADDED)) {
      const value = integerArgument(args, i + 1, reply)
      if (value === null) return
      if (value < 0) return reply.error(ADDED_NEGATIVE)
      added = value
    } else if (args.is(i, MAXDELETEDID)) {
      if (!idArgument(args, i + 1, OTHER_ID, reply)) return
      if (ID.compare(OTHER_ID) < 0) return reply.error(SETID_BELOW_GIVEN)
    } else return reply.error(SYNTAX_ERROR)
  }
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.error(NO_SUCH_KEY)
  if (isOtherType(db, record, reply)) return
  const streams = openStream(db, record)
  if (streams.lastLiveId(LAST_ID)) {
    if (ID.compare(LAST_ID) < 0) return reply.error(SETID_BELOW_TOP)
    if (added !== -1 && added < streams.length) return reply.error(ADDED_BELOW_LENGTH)
  }
  streams.setLastId(ID)
  if (added !== -1) streams.setAdded(added)
  if (!OTHER_ID.isZero) streams.setDeletedId(OTHER_ID)
  // No entry changes, which is what WATCH is about.
  context.keyspace.dirty++
  noteEvent(context, key, XSETID)
  reply.ok()
}

/** Takes the option at argument `i`; where the next one is, DONE + `i` of an ID, or REFUSED. */
type OptionParser = (args: Args, i: number, reply: Reply) => number

const REFUSED = -1
/** What an ID's position is marked with: it ends the options. */
const DONE = 0x40000000

/** The options from argument 2 on; the position of XADD's ID, or of the end; -1 after an error. */
function parseOptions(
  context: Context,
  args: Args,
  reply: Reply,
  parseOther: OptionParser,
): number {
  OPTIONS.clear()
  // What most commands have; they need no look at options.
  if (parseOther === parseAddOption && isByte(args, 2, STAR)) return 2
  let i = 2
  while (i < args.count) {
    const next = parseTrimming(args, i, reply) ?? parseOther(args, i, reply)
    if (next < 0) return REFUSED
    i = next
    if (i >= DONE) {
      i -= DONE
      break
    }
  }
  const error = completeLimit(context, parseOther === parseAddOption)
  if (error === null) return i
  reply.error(error)
  return REFUSED
}

/** An option that XADD and XTRIM have in common; null: it is none. */
function parseTrimming(args: Args, i: number, reply: Reply): number | null {
  if (i + 1 >= args.count) return null
  if (args.is(i, LIMIT)) {
    const limit = integerArgument(args, i + 1, reply)
    if (limit === null) return REFUSED
    if (limit < 0) return refuse(reply, LIMIT_NEGATIVE)
    OPTIONS.limit = Number(limit)
    OPTIONS.hasLimit = true
    return i + 2
  }
  const isLength = args.is(i, MAXLEN)
  if (!isLength && !args.is(i, MINID)) return null
  if (OPTIONS.strategy !== Strategy.None) return refuse(reply, TWO_STRATEGIES)
  OPTIONS.isApproximate = false
  let at = i + 1
  if (at + 1 < args.count) {
    if (isByte(args, at, TILDE)) {
      OPTIONS.isApproximate = true
      at++
    } else if (isByte(args, at, EQUALS)) at++
  }
  if (isLength) {
    const lengthMax = integerArgument(args, at, reply)
    if (lengthMax === null) return REFUSED
    if (lengthMax < 0) return refuse(reply, MAXLEN_NEGATIVE)
    OPTIONS.lengthMax = Number(lengthMax)
    OPTIONS.strategy = Strategy.Length
  } else {
    if (!idArgument(args, at, OPTIONS.minimum, reply)) return REFUSED
    OPTIONS.strategy = Strategy.Minimum
  }
  OPTIONS.thresholdAt = at
  return at + 1
}

function parseAddOption(args: Args, i: number, reply: Reply): number {
  if (isByte(args, i, STAR)) return DONE + i
  if (args.is(i, NOMKSTREAM)) {
    OPTIONS.mayCreate = false
    return i + 1
  }
  const form = ID.parse(args.bytes, args.start(i), args.length(i), FIRST)
  if (form === IdForm.Invalid) return refuse(reply, INVALID_ID)
  OPTIONS.idForm = form
  return DONE + i
}

function parseTrimOption(_args: Args, _i: number, reply: Reply): number {
  return refuse(reply, SYNTAX_ERROR)
}

/** Sets the limit that follows from the options; an error: they do not go together. */
function completeLimit(context: Context, isAdding: boolean): ReplyError | null {
  const { limits } = context
  const { strategy, limit, hasLimit, isApproximate } = OPTIONS
  if (limit > 0 && strategy === Strategy.None) return LIMIT_WITHOUT_STRATEGY
  if (!isAdding && strategy === Strategy.None) return NO_STRATEGY
  if (context.isReplayed) {
    // An approximate trimming that was made exact keeps its LIMIT, which does not matter any more.
    OPTIONS.limit = 0
    return null
  }
  if (hasLimit) return isApproximate ? null : LIMIT_NOT_APPROXIMATE
  if (!isApproximate) return null
  const entries = TRIMMED_NODES * limits.encodings.streamNodeEntriesMax
  OPTIONS.limit = Math.min(entries > 0 ? entries : TRIMMED_DEFAULT, TRIMMED_MAX)
  return null
}

/** Makes ID that of the new entry; an error: it cannot be. */
function chooseId(streams: Streams, nowMs: number): ReplyError | null {
  const last = streams.lastId(LAST_ID)
  if (last.isLast) return ID_EXHAUSTED
  if (OPTIONS.idForm === -1) {
    ID.setMs(nowMs)
    ID.setSequence(0)
    if (ID.compare(last) <= 0) ID.setTo(last).increment()
  } else if (OPTIONS.idForm === IdForm.AnySequence) {
    const isSameMs = ID.words[0] === last.words[0] && ID.words[1] === last.words[1]
    if (isSameMs && !ID.setTo(last).incrementSequence()) return ID_NOT_GREATER
  }
  return ID.compare(last) > 0 ? null : ID_NOT_GREATER
}

function refuse(reply: Reply, error: ReplyError): number {
  reply.error(error)
  return REFUSED
}
