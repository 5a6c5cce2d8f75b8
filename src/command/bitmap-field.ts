// BITFIELD and BITFIELD_RO: integers of any width inside a string. All operations are checked
// before the first one is done, and the string is made long enough for all writes at once. So the
// arguments are read twice rather than kept: first by `checkAll`, then by `runAll`.

import { assert } from '../base/assert.ts'
import { parseInteger } from '../base/bytes.ts'
import { type I64, I64_MAX } from '../base/i64.ts'
import { Slice, scratchSlice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import { addToField, type Field, Overflow, readField, writeField } from './bitmap-integer.ts'
import { BAD_OFFSET, isBitOffset, prepareBits, SETBIT } from './bitmap-write.ts'
import type { Context } from './command.ts'
import { noteChange, noteTouch } from './key-event.ts'

const GET = word('get')
const SET = word('set')
const INCRBY = word('incrby')
const OVERFLOW = word('overflow')
const OVERFLOWS = [word('wrap'), word('sat'), word('fail')]

const FIRST_OPERATION = 2
const HASH = 0x23
const SIGNED = 0x69
const UNSIGNED = 0x75
const SIGNED_BITS_MAX = 64
const UNSIGNED_BITS_MAX = 63

const BAD_OVERFLOW = replyError('ERR Invalid OVERFLOW type specified')
const BAD_TYPE = replyError(
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but ' +
    'i64 is.',
)
const READ_ONLY = replyError('ERR BITFIELD_RO only supports the GET subcommand')

/** What the arguments ask for, once they are checked. */
const PLAN = { replies: 0, hasWrites: false, length: 0 }
/** What the operations of a command work on. */
const TARGET = { record: NULL, isLonger: false, overflow: Overflow.Wrap as Overflow }
/** The field of the operation at hand. */
const FIELD: Field = { isSigned: false, bits: 0, offset: 0 }
/** The bytes of a field, the longest of which begins inside its first byte. */
const BYTES = new Slice().set(new Uint8Array(9), 0, 0)
const VALUE = scratchSlice()

/** BITFIELD key [GET|SET|INCRBY|OVERFLOW …] …: a result each. O(1) each, but for growing. */
export function bitfield(context: Context, args: Args, reply: Reply): void {
  if (!checkAll(context, args, reply)) return
  const { db } = context
  const key = keyArgument(context, args, 1)
  if (!PLAN.hasWrites) return readAll(context, args, reply)
  const found = db.findForWrite(key)
  if (found !== NULL && db.typeOf(found) !== Type.String) return reply.error(WRONG_TYPE)
  const oldLength = found === NULL ? -1 : db.stringLength(found)
  TARGET.record = prepareBits(context, key, found, PLAN.length)
  TARGET.isLonger = db.stringLength(TARGET.record) !== oldLength
  reply.array(PLAN.replies)
  const changes = runAll(context, args, reply)
  if (changes > 0) {
    noteChange(context, key, SETBIT)
    context.keyspace.dirty += changes - 1
  } else if (TARGET.isLonger) {
    // All writes failed, for which Redis knows no event; yet the string is longer.
    noteTouch(context, key)
  }
}

/** BITFIELD_RO key [GET type offset …]: the values. O(1) each. */
export function bitfieldRo(context: Context, args: Args, reply: Reply): void {
  if (!checkAll(context, args, reply)) return
  if (PLAN.hasWrites) return reply.error(READ_ONLY)
  readAll(context, args, reply)
}

/** What BITFIELD does to its key: without SET and INCRBY it reads. */
export function bitfieldKeyFlags(args: Args): string {
  let i = FIRST_OPERATION
  for (; i < args.count; i += args.is(i, GET) ? 3 : 2) {
    if (!args.is(i, GET) && !args.is(i, OVERFLOW)) break
  }
  return i < args.count ? 'RW access update' : 'RO access'
}

/** Replies the values of operations that only read. */
function readAll(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record !== NULL && db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  TARGET.record = record
  TARGET.isLonger = false
  reply.array(PLAN.replies)
  runAll(context, args, reply)
}

/** Checks all operations and fills PLAN; false after an error reply. */
function checkAll(context: Context, args: Args, reply: Reply): boolean {
  PLAN.replies = 0
  PLAN.hasWrites = false
  PLAN.length = 0
  let i = FIRST_OPERATION
  while (i < args.count) {
    const count = operationLength(args, i)
    if (count === 0) {
      reply.error(SYNTAX_ERROR)
      return false
    }
    if (count === 2) {
      if (findOverflow(args, i + 1) < 0) {
        reply.error(BAD_OVERFLOW)
        return false
      }
    } else if (!checkOperation(context, args, i, reply)) return false
    i += count
  }
  return true
}

/** Arguments of the operation at `i`: 2 of OVERFLOW, 3 of GET, 4 of writes; 0: it is none. */
function operationLength(args: Args, i: number): number {
  const given = args.count - i
  if (given >= 3 && args.is(i, GET)) return 3
  if (given >= 4 && (args.is(i, SET) || args.is(i, INCRBY))) return 4
  return given >= 2 && args.is(i, OVERFLOW) ? 2 : 0
}

/** The overflow that argument `i` names; -1: none. */
function findOverflow(args: Args, i: number): number {
  for (let found = 0; found < OVERFLOWS.length; found++) {
    if (args.is(i, OVERFLOWS[found]!)) return found
  }
  return -1
}

/** Checks a GET, SET or INCRBY at `i`; false after an error reply. */
function checkOperation(context: Context, args: Args, i: number, reply: Reply): boolean {
  if (!readType(args, i + 1)) {
    reply.error(BAD_TYPE)
    return false
  }
  if (!readOffset(context, args, i + 2)) {
    reply.error(BAD_OFFSET)
    return false
  }
  PLAN.replies++
  if (args.is(i, GET)) return true
  PLAN.hasWrites = true
  PLAN.length = Math.max(PLAN.length, Math.ceil((FIELD.offset + FIELD.bits) / 8))
  return integerArgument(args, i + 3, reply) !== null
}

/** Reads a type as `u8` or `i16` from argument `i` into FIELD; false when it is none. */
function readType(args: Args, i: number): boolean {
  const start = args.start(i)
  const length = args.length(i)
  const sign = length > 0 ? args.bytes[start] : 0
  if (sign !== SIGNED && sign !== UNSIGNED) return false
  const bits = parseInteger(args.bytes, start + 1, length - 1)
  FIELD.isSigned = sign === SIGNED
  const max = FIELD.isSigned ? SIGNED_BITS_MAX : UNSIGNED_BITS_MAX
  if (typeof bits !== 'number' || bits < 1 || bits > max) return false
  FIELD.bits = bits
  return true
}

/** Reads an offset, of a bit or as `#2` of a field like FIELD, into it; false when it is none. */
function readOffset(context: Context, args: Args, i: number): boolean {
  const start = args.start(i)
  const length = args.length(i)
  const isIndex = length > 0 && args.bytes[start] === HASH
  const number = isIndex ? parseInteger(args.bytes, start + 1, length - 1) : args.integer(i)
  const offset = isIndex && typeof number === 'number' ? number * FIELD.bits : number
  if (!isBitOffset(context, offset)) return false
  FIELD.offset = offset
  return true
}

/** Does all operations, which are checked, and replies; returns how many count as changes. */
function runAll(context: Context, args: Args, reply: Reply): number {
  TARGET.overflow = Overflow.Wrap
  let changes = 0
  let count = 0
  for (let i = FIRST_OPERATION; i < args.count; i += count) {
    count = operationLength(args, i)
    if (count === 2) {
      TARGET.overflow = findOverflow(args, i + 1) as Overflow
      continue
    }
    readType(args, i + 1)
    readOffset(context, args, i + 2)
    if (count === 3) reply.integer(readField(bytesOf(context), FIELD))
    else if (writeOperation(context, args, i, reply)) changes++
  }
  return changes
}

/** Does the SET or INCRBY at `i`: whether that counts as a change. */
function writeOperation(context: Context, args: Args, i: number, reply: Reply): boolean {
  const { overflow, isLonger } = TARGET
  const old = readField(bytesOf(context), FIELD)
  const amount = args.integer(i + 3)
  assert(amount !== null, 'operations are checked before they are done')
  const isSet = args.is(i, SET)
  const next = isSet ? fit(amount, overflow) : addToField(FIELD, old, amount, overflow)
  if (next === null) {
    reply.nil()
    return false
  }
  reply.integer(isSet ? old : next)
  if (next !== old) store(context, next)
  return next !== old || isLonger
}

/** A value for SET as the field holds it. Without a sign, a negative one is a very large one. */
function fit(value: I64, overflow: Overflow): I64 | null {
  if (FIELD.isSigned || value >= 0 || overflow !== Overflow.Saturate) {
    return addToField(FIELD, value, 0, overflow)
  }
  return addToField(FIELD, I64_MAX, 1, overflow)
}

/** Writes FIELD. */
function store(context: Context, value: I64): void {
  const first = Math.floor(FIELD.offset / 8)
  const limit = Math.ceil((FIELD.offset + FIELD.bits) / 8)
  const source = bytesOf(context)
  BYTES.length = limit - first
  for (let i = first; i < limit; i++) BYTES.bytes[i - first] = source.bytes[source.start + i]!
  writeField(BYTES.bytes, FIELD.offset - first * 8, FIELD.bits, value)
  context.db.writeString(TARGET.record, first, BYTES)
}

/** The bytes of the string; none when there is no key. */
function bytesOf({ db }: Context): Slice {
  const { record } = TARGET
  return record === NULL ? VALUE.set(BYTES.bytes, 0, 0) : db.readString(record, VALUE)
}
