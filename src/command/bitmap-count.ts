// BITCOUNT and BITPOS: ones counted, and the first one or zero found, in a string or in a part of
// it that is given by bytes or bits, both ends included, negative ones from the end.
//
// Both read the arguments behind the key only after they looked for the key: without one they
// answer whatever stands there, as Redis 7.0 does.

import type { I64 } from '../base/i64.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import {
  NOT_INTEGER,
  type ReplyError,
  replyError,
  SYNTAX_ERROR,
  WRONG_TYPE,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import { countOnes, findOtherByte } from './bitmap-bits.ts'
import type { Context } from './command.ts'

const BYTE = word('byte')
const BIT = word('bit')

const NOT_ZERO_OR_ONE = replyError('ERR The bit argument must be 1 or 0.')

/** How a command of 7.0 reads `[start [end [BYTE|BIT]]]`, where the two differ. */
interface PartForm {
  /** Where the start stands. */
  readonly i: number
  /** Complains of the unit before it looks at the end. */
  readonly isUnitFirst: boolean
  /** Two negative ends in the wrong order are nothing, whatever the unit, wherever they lie. */
  readonly isOrderKept: boolean
}

const COUNTED: PartForm = { i: 2, isUnitFirst: false, isOrderKept: true }
const SEARCHED: PartForm = { i: 3, isUnitFirst: true, isOrderKept: false }

/** The part that the arguments name, in bits of the value; last < first: empty. */
const PART = { first: 0, last: 0 }

/** BITCOUNT key [start end [BYTE|BIT]]: the ones in that part. O(part). */
export function bitcount(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  if (args.count === 3) return reply.error(SYNTAX_ERROR)
  const length = db.readString(record, value).length
  if (!readPart(args, COUNTED, length, reply)) return
  reply.integer(countPart(value.bytes, value.start))
}

/** BITPOS key 0|1 [start [end [BYTE|BIT]]]: where the first such bit is; -1: nowhere. O(part). */
export function bitpos(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const bit = integerArgument(args, 2, reply)
  if (bit === null) return
  if (bit !== 0 && bit !== 1) return reply.error(NOT_ZERO_OR_ONE)
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(bit === 1 ? -1 : 0)
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  const length = db.readString(record, value).length
  if (!readPart(args, SEARCHED, length, reply)) return
  if (PART.last < PART.first) return reply.integer(-1)
  const found = findBit(value.bytes, value.start, bit)
  if (found >= 0) return reply.integer(found)
  // Without a given end, zeros follow the string.
  reply.integer(bit === 0 && args.count <= 4 ? PART.last + 1 : -1)
}

/** Fills PART from the arguments, for a value of `length` bytes; false after an error reply. */
function readPart(args: Args, form: PartForm, length: number, reply: Reply): boolean {
  const { i, isUnitFirst, isOrderKept } = form
  const given = args.count - i
  if (given > 3) return fail(SYNTAX_ERROR, reply)
  const start = given > 0 ? args.integer(i) : 0
  if (start === null) return fail(NOT_INTEGER, reply)
  const end = given > 1 ? args.integer(i + 1) : -1
  if (isOrderKept && end !== null && start < 0 && end < 0 && start > end) return emptyPart()
  const isBits = given > 2 && args.is(i + 2, BIT)
  const isUnitBad = given > 2 && !isBits && !args.is(i + 2, BYTE)
  if (isUnitBad && (isUnitFirst || end !== null)) return fail(SYNTAX_ERROR, reply)
  if (end === null) return fail(NOT_INTEGER, reply)
  const count = isBits ? length * 8 : length
  PART.first = fromEnd(start, count)
  PART.last = Math.min(fromEnd(end, count), count - 1)
  if (PART.first > PART.last) return emptyPart()
  if (!isBits) {
    PART.first *= 8
    PART.last = PART.last * 8 + 7
  }
  return true
}

function emptyPart(): boolean {
  PART.first = 0
  PART.last = -1
  return true
}

function fail(error: ReplyError, reply: Reply): boolean {
  reply.error(error)
  return false
}

/** An index that counts from the end when it is negative; never below 0. */
function fromEnd(index: I64, count: number): number {
  return index < 0 ? Math.max(0, count + Number(index)) : Number(index)
}

/** The ones in PART of the value that begins at `start`. */
function countPart(bytes: Uint8Array, start: number): number {
  const { first, last } = PART
  if (last < first) return 0
  const firstByte = Math.floor(first / 8)
  const lastByte = Math.floor(last / 8)
  let count = countOnes(bytes, start + firstByte, lastByte - firstByte + 1)
  // Less the bits of the two bytes at the ends that do not belong to it.
  for (let bit = firstByte * 8; bit < first; bit++) count -= bitAt(bytes, start, bit)
  for (let bit = last + 1; bit < lastByte * 8 + 8; bit++) count -= bitAt(bytes, start, bit)
  return count
}

/** The first bit that is `bit` in PART of the value that begins at `start`; -1: none. */
function findBit(bytes: Uint8Array, start: number, bit: number): number {
  const { first, last } = PART
  // Bits to the next byte, then bytes, then bits again.
  let at = first
  for (; at <= last && (at & 7) !== 0; at++) if (bitAt(bytes, start, at) === bit) return at
  const limit = start + Math.floor((last + 1) / 8)
  const from = start + Math.floor(at / 8)
  if (from < limit) at = (findOtherByte(bytes, from, limit, bit === 1 ? 0 : 0xff) - start) * 8
  for (; at <= last; at++) if (bitAt(bytes, start, at) === bit) return at
  return -1
}

function bitAt(bytes: Uint8Array, start: number, bit: number): number {
  return (bytes[start + Math.floor(bit / 8)]! >>> (7 - (bit & 7))) & 1
}
