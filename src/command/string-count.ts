// Strings as numbers: INCR, DECR, INCRBY, DECRBY on 64-bit integers, INCRBYFLOAT on C's long
// doubles. A key that is not there counts from 0. The deadline stays.
//
// A result with as many characters as the old value is written where the old one lies: counting
// costs one look into the dict and moves nothing. INCRBYFLOAT is repeated as SET of its result, as
// others may compute with other floats.

import { latin1, parseInteger, textOf, writeInteger } from '../base/bytes.ts'
import { addI64, type I64, negateI64 } from '../base/i64.ts'
import { Slice } from '../base/slice.ts'
import { KEEP_DEADLINE } from '../keyspace/database.ts'
import { EMBSTR_LENGTH_MAX, Encoding, Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import {
  DECREMENT_OVERFLOW,
  INCREMENT_OVERFLOW,
  NAN_OR_INFINITY,
  NOT_FLOAT,
  NOT_INTEGER,
  WRONG_TYPE,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { writeSlice } from './effects.ts'
import { EventClass, keyEvent, noteChange } from './key-event.ts'
import { addLongDoubles, formatLongDouble, LD_ZERO, parseLongDouble } from './long-double.ts'

const INCRBY = keyEvent(EventClass.String, 'incrby')
const INCRBYFLOAT = keyEvent(EventClass.String, 'incrbyfloat')
const SET_WORD = latin1('SET')
const KEEPTTL_WORD = latin1('KEEPTTL')

/** The result's text on its way into the keyspace. */
const TEXT = new Slice().set(new Uint8Array(32), 0, 0)
const AS_TEXT = { deadlineMs: KEEP_DEADLINE, encoding: Encoding.Embstr }
const AS_LONG_TEXT = { deadlineMs: KEEP_DEADLINE, encoding: Encoding.Raw }

/** INCR key: the value plus one. O(1), allocates nothing for safe integers. */
export function incr(context: Context, args: Args, reply: Reply): void {
  incrementBy(context, args, 1, reply)
}

/** DECR key: the value less one. O(1). */
export function decr(context: Context, args: Args, reply: Reply): void {
  incrementBy(context, args, -1, reply)
}

/** INCRBY key increment: the sum. O(1). */
export function incrby(context: Context, args: Args, reply: Reply): void {
  const amount = integerArgument(args, 2, reply)
  if (amount !== null) incrementBy(context, args, amount, reply)
}

/** DECRBY key decrement: the difference. O(1). */
export function decrby(context: Context, args: Args, reply: Reply): void {
  const amount = integerArgument(args, 2, reply)
  if (amount === null) return
  const opposite = negateI64(amount)
  if (opposite === null) return reply.error(DECREMENT_OVERFLOW)
  incrementBy(context, args, opposite, reply)
}

function incrementBy(context: Context, args: Args, amount: I64, reply: Reply): void {
  const { db, value } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  let old: I64 | null = 0
  if (record !== NULL) {
    if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
    db.readString(record, value)
    old = parseInteger(value.bytes, value.start, value.length)
    if (old === null) return reply.error(NOT_INTEGER)
  }
  const sum = addI64(old, amount)
  if (sum === null) return reply.error(INCREMENT_OVERFLOW)
  TEXT.length = writeInteger(TEXT.bytes, 0, sum)
  const isSameLength = record !== NULL && value.length === TEXT.length
  if (isSameLength && db.encodingOf(record) === Encoding.Int) db.writeString(record, 0, TEXT)
  else db.putString(key, TEXT, KEEP_DEADLINE)
  noteChange(context, key, INCRBY)
  reply.integer(sum)
}

/** INCRBYFLOAT key increment: the sum as text, 17 decimals at most. O(1). */
export function incrbyfloat(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  let old: string | null = null
  if (record !== NULL) {
    if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
    db.readString(record, value)
    old = textOf(value.bytes, value.start, value.length)
  }
  const first = old === null ? LD_ZERO : parseLongDouble(old)
  const second = parseLongDouble(args.text(2))
  if (first === null || second === null) return reply.error(NOT_FLOAT)
  const sum = addLongDoubles(first, second)
  if (sum === null) return reply.error(NAN_OR_INFINITY)
  const text = latin1(formatLongDouble(sum))
  value.set(text, 0, text.length)
  db.putEncodedString(key, value, text.length <= EMBSTR_LENGTH_MAX ? AS_TEXT : AS_LONG_TEXT)
  noteChange(context, key, INCRBYFLOAT)
  if (context.effects.isKept) {
    const writer = context.effects.instead(db, SET_WORD, 4)
    writeSlice(writer, key)
    writeSlice(writer, value)
    writer.bulk(KEEPTTL_WORD, 0, KEEPTTL_WORD.length)
  }
  reply.bulk(text, 0, text.length)
}
