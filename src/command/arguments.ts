// What the handlers of data commands share: arguments into the context's slices, integers within
// bounds, lookups, and HELP texts. Nothing here allocates unless it replies with an error.

import type { I64 } from '../base/i64.ts'
import type { Slice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { NOT_INTEGER, type ReplyError, replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'

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

function isInt32(value: I64): value is number {
  return typeof value === 'number' && value >= INT32_MIN && value <= INT32_MAX
}
