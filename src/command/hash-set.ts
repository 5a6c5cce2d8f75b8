// Changes of hashes: HSET, HMSET, HSETNX, HDEL, HINCRBY, HINCRBYFLOAT. A command of several fields
// that finds the arena full has set those before; any other has changed nothing then.

import { latin1, parseInteger, writeInteger } from '../base/bytes.ts'
import { addI64, type I64 } from '../base/i64.ts'
import { Slice, scratchSlice } from '../base/slice.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import {
  INCREMENT_OVERFLOW,
  NAN_OR_INFINITY,
  NOT_FLOAT,
  replyError,
  WRONG_TYPE,
  wrongArity,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { Target, writeSlice } from './effects.ts'
import { DEL, EventClass, keyEvent, noteChange, noteEvent } from './key-event.ts'
import { addLongDoubles, formatLongDouble, LD_ZERO, parseLongDouble } from './long-double.ts'

const HSET = keyEvent(EventClass.Hash, 'hset')
const HDEL = keyEvent(EventClass.Hash, 'hdel')
const HINCRBY = keyEvent(EventClass.Hash, 'hincrby')
const HINCRBYFLOAT = keyEvent(EventClass.Hash, 'hincrbyfloat')

const HSET_ARITY = wrongArity('hset')
const HMSET_ARITY = wrongArity('hmset')
const VALUE_NOT_INTEGER = replyError('ERR hash value is not an integer')
const VALUE_NOT_FLOAT = replyError('ERR hash value is not a float')
const NOT_FINITE = replyError('ERR value is NaN or Infinity')

const HSET_WORD = latin1('HSET')
const HPEXPIREAT_WORD = latin1('HPEXPIREAT')
const FIELDS_WORD = latin1('FIELDS')

const HASH = new HashValue()
const FIELD = scratchSlice()
const OLD = scratchSlice()
/** The result's text on its way into the keyspace. */
const TEXT = new Slice().set(new Uint8Array(32), 0, 0)
/** A pair for a hash that is made. */
const PAIR = { field: FIELD, value: FIELD }

/** HSET key field value …: how many fields are new. O(N). */
export function hset(context: Context, args: Args, reply: Reply): void {
  if (args.count % 2 !== 0) return reply.error(HSET_ARITY)
  const added = setAll(context, args)
  if (added < 0) reply.error(WRONG_TYPE)
  else reply.integer(added)
}

/** HMSET key field value …: OK. O(N). */
export function hmset(context: Context, args: Args, reply: Reply): void {
  if (args.count % 2 !== 0) return reply.error(HMSET_ARITY)
  if (setAll(context, args) < 0) reply.error(WRONG_TYPE)
  else reply.ok()
}

/** Sets all pairs; returns how many fields are new, -1 when the key is no hash. */
function setAll(context: Context, args: Args): number {
  const { db } = context
  const { encodings } = context.limits
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record !== NULL && db.typeOf(record) !== Type.Hash) return -1
  let added = 0
  let done = 0
  try {
    if (record !== NULL) HASH.open(db, record)
    else {
      fieldArgument(args, 2)
      PAIR.value = valueArgument(context, args, 3)
      HASH.make(db, key, PAIR, encodings)
      added++
      done++
    }
    for (let i = 2 + done * 2; i < args.count; i += 2) {
      const field = fieldArgument(args, i)
      if (HASH.set(field, valueArgument(context, args, i + 1), encodings)) added++
      done++
    }
  } finally {
    // In a full arena some fields may have been set.
    if (done > 0) {
      noteChange(context, key, HSET)
      context.keyspace.dirty += done - 1
    }
  }
  return added
}

/** HSETNX key field value: 1 when it was set, 0 when the field was there. O(1). */
export function hsetnx(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record !== NULL && db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  const field = fieldArgument(args, 2)
  if (record !== NULL && HASH.open(db, record).find(field)) return reply.integer(0)
  if (record !== NULL && HASH.isOverdue) context.effects.noteFieldRemoval(db, key, field)
  addField(context, record === NULL, valueArgument(context, args, 3))
  noteChange(context, key, HSET)
  reply.integer(1)
}

/** HDEL key field …: how many were there. O(N). */
export function hdel(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  HASH.open(db, record)
  let removed = 0
  let expired = 0
  for (let i = 2; i < args.count && HASH.count > 0; i++) {
    if (HASH.remove(fieldArgument(args, i))) removed++
    else if (HASH.isOverdue) expired++
  }
  const isEmpty = HASH.count === 0
  // Fields that were overdue have not been there for the client.
  if (expired > 0) {
    db.noteExpiredFields(HASH.record, expired, isEmpty && removed === 0)
    context.effects.force(Target.All)
  }
  if (isEmpty) db.remove(HASH.record)
  if (removed > 0) {
    noteChange(context, key, HDEL)
    context.keyspace.dirty += removed - 1
    if (isEmpty) noteEvent(context, key, DEL)
  }
  reply.integer(removed)
}

/** HINCRBY key field increment: the sum. O(1), allocates nothing for safe integers. */
export function hincrby(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const amount = integerArgument(args, 3, reply)
  if (amount === null) return
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record !== NULL && db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  let old: I64 | null = 0
  const field = fieldArgument(args, 2)
  const isThere = record !== NULL && HASH.open(db, record).find(field)
  if (isThere) {
    HASH.readValue(OLD)
    old = parseInteger(OLD.bytes, OLD.start, OLD.length)
    if (old === null) return reply.error(VALUE_NOT_INTEGER)
  }
  const sum = addI64(old, amount)
  if (sum === null) return reply.error(INCREMENT_OVERFLOW)
  if (record !== NULL && HASH.isOverdue) context.effects.noteFieldRemoval(db, key, field)
  TEXT.length = writeInteger(TEXT.bytes, 0, sum)
  if (isThere) HASH.replace(field, TEXT, context.limits.encodings)
  else addField(context, record === NULL, TEXT)
  noteChange(context, key, HINCRBY)
  reply.integer(sum)
}

/** HINCRBYFLOAT key field increment: the sum as text, 17 decimals at most. O(1). */
export function hincrbyfloat(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const amount = parseLongDouble(args.text(3))
  if (amount === null) return reply.error(NOT_FLOAT)
  if (amount.exponent === Number.POSITIVE_INFINITY) return reply.error(NOT_FINITE)
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record !== NULL && db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  let old = LD_ZERO
  const field = fieldArgument(args, 2)
  const isThere = record !== NULL && HASH.open(db, record).find(field)
  if (isThere) {
    const parsed = parseLongDouble(HASH.readValue(OLD).toLatin1())
    if (parsed === null) return reply.error(VALUE_NOT_FLOAT)
    old = parsed
  }
  const sum = addLongDoubles(old, amount)
  if (sum === null) return reply.error(NAN_OR_INFINITY)
  const text = latin1(formatLongDouble(sum))
  value.set(text, 0, text.length)
  const deadlineMs = isThere ? HASH.deadlineMs : 0
  if (isThere) HASH.replace(field, value, context.limits.encodings)
  else addField(context, record === NULL, value)
  noteChange(context, key, HINCRBYFLOAT)
  if (context.effects.isKept) keepField(context, field, deadlineMs)
  reply.bulk(text, 0, text.length)
}

/** Keeps a sum as what the context's value says, and the field's deadline, which HSET drops. */
function keepField({ effects, db, key, value }: Context, field: Slice, deadlineMs: number): void {
  const writer = effects.instead(db, HSET_WORD, 4)
  writeSlice(writer, key)
  writeSlice(writer, field)
  writeSlice(writer, value)
  if (deadlineMs === 0) return
  effects.instead(db, HPEXPIREAT_WORD, 6)
  writeSlice(writer, key)
  writer.bulkInteger(deadlineMs)
  writer.bulk(FIELDS_WORD, 0, FIELDS_WORD.length)
  writer.bulkInteger(1)
  writeSlice(writer, field)
}

/** Points FIELD at argument `i`. */
function fieldArgument(args: Args, i: number): Slice {
  return FIELD.set(args.bytes, args.start(i), args.length(i))
}

/** Adds FIELD to the hash that HASH is at, or, if there is none yet, makes one with it. */
function addField({ db, key, limits }: Context, isFirst: boolean, value: Slice): void {
  if (!isFirst) return HASH.add(FIELD, value, limits.encodings)
  PAIR.value = value
  HASH.make(db, key, PAIR, limits.encodings)
}
