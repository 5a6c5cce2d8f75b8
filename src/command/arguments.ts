// What the handlers of data commands share: arguments into the context's slices, integers within
// bounds, lookups, and HELP texts. Nothing here allocates unless it replies with an error.

import { type I64, I64_MIN } from '../base/i64.ts'
import type { Slice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import {
  NOT_INTEGER,
  type ReplyError,
  replyError,
  TIMEOUT_NEGATIVE,
  TIMEOUT_NOT_INTEGER,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { parseLongDouble } from './long-double.ts'

const MS_PER_SECOND = 1000
/** What an i64 of milliseconds cannot hold. */
const TIMEOUT_LIMIT_MS = 2 ** 63
const TIMEOUT_NOT_FLOAT = replyError('ERR timeout is not a float or out of range')
const TIMEOUT_OUT_OF_RANGE = replyError('ERR timeout is out of range')
const NOT_LONG = replyError(
  'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807',
)
const INT32_MIN = -2147483648
const INT32_MAX = 2147483647
const NOT_INT32 = replyError(
  'ERR value is out of range, value must between -2147483648 and 2147483647',
)

/** Points the context's key at argument `i`; valid until the handler returns. */
export function keyArgument(context: Context, args: Args, i: number): Slice {
  return context.key.set(args.bytes, args.start(i), args.length(i))
}

/** Points the context's value at argument `i`; valid until the handler returns. */
export function valueArgument(context: Context, args: Args, i: number): Slice {
  return context.value.set(args.bytes, args.start(i), args.length(i))
}

/** Argument `i` as a 64-bit integer; null after an error reply. */
export function integerArgument(args: Args, i: number, reply: Reply): I64 | null {
  const value = args.integer(i)
  if (value === null) reply.error(NOT_INTEGER)
  return value
}

/** Argument `i` as a 32-bit integer, as C's int; null after an error reply. */
export function int32Argument(args: Args, i: number, reply: Reply): number | null {
  const value = integerArgument(args, i, reply)
  if (value === null) return null
  if (isInt32(value)) return value
  reply.error(NOT_INT32)
  return null
}

/** `int32Argument` with one error for whatever is wrong. */
export function int32ArgumentOr(
  error: ReplyError,
  args: Args,
  i: number,
  reply: Reply,
): number | null {
  const value = args.integer(i)
  if (value !== null && isInt32(value)) return value
  reply.error(error)
  return null
}

/**
 * Argument `i`, seconds with decimals, as the deadline of a blocking command: unix ms, 0 for ever;
 * null after an error reply.
 */
export function timeoutArgument(
  context: Context,
  args: Args,
  i: number,
  reply: Reply,
): number | null {
  // A double that is rejected may still be a long double: then it is as good as 0 or infinity.
  const seconds = args.double(i) ?? roughLongDouble(args.text(i))
  if (seconds !== null) return deadlineAfter(context, Math.ceil(seconds * MS_PER_SECOND), reply)
  reply.error(TIMEOUT_NOT_FLOAT)
  return null
}

/** `timeoutArgument` for whole milliseconds, as XREAD BLOCK and WAIT take them. */
export function timeoutMsArgument(
  context: Context,
  args: Args,
  i: number,
  reply: Reply,
): number | null {
  const ms = args.integer(i)
  if (ms !== null) return deadlineAfter(context, Number(ms), reply)
  reply.error(TIMEOUT_NOT_INTEGER)
  return null
}

/**
 * Argument `i` as the count of SRANDMEMBER and its like, negative: elements may come again; null
 * after an error reply. Beyond 2^53 it is as good as that.
 */
export function randomCountArgument(args: Args, i: number, reply: Reply): number | null {
  const value = integerArgument(args, i, reply)
  if (value === null) return null
  if (value !== I64_MIN) return Number(value)
  reply.error(NOT_LONG)
  return null
}

/**
 * The record for a read that is no access: hits and misses are counted, the key's clock stays.
 * NULL: no such key.
 */
export function inspect({ db, keyspace }: Context, key: Slice): Ptr {
  const record = db.peek(key)
  if (record === NULL) db.noteMiss(key)
  else keyspace.stats.hits++
  return record
}

/** Replies the help of a container command: its form, the lines, and HELP itself. */
export function writeHelp(reply: Reply, container: string, lines: readonly string[]): void {
  reply.array(lines.length + 3)
  reply.simple(`${container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`)
  for (const line of lines) reply.simple(line)
  reply.simple('HELP')
  reply.simple('    Prints this help.')
}

/** The deadline `ms` from now; 0 for ever; null after an error reply. */
function deadlineAfter(context: Context, ms: number, reply: Reply): number | null {
  if (ms < 0) reply.error(TIMEOUT_NEGATIVE)
  else if (ms === 0) return 0
  else if (ms + context.nowMs < TIMEOUT_LIMIT_MS) return context.nowMs + ms
  else reply.error(TIMEOUT_OUT_OF_RANGE)
  return null
}

/** What no double holds: an infinity, or the smallest step; null: no number. */
function roughLongDouble(text: string): number | null {
  const value = parseLongDouble(text)
  if (value === null) return null
  const { mantissa, exponent } = value
  if (exponent < 0) return mantissa < 0n ? -Number.MIN_VALUE : Number.MIN_VALUE
  return mantissa < 0n ? -Infinity : Infinity
}

function isInt32(value: I64): value is number {
  return typeof value === 'number' && value >= INT32_MIN && value <= INT32_MAX
}
