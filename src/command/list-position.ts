// LPOS: where elements are that equal a text, from either end, some or all of them. The options are
// read into one object; the list is searched from match to match, so that neither COUNT nor RANK
// costs more than the elements that are compared.

import { I64_MIN } from '../base/i64.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { NOT_INTEGER, replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, valueArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { LIST } from './list-access.ts'

const RANK = word('rank')
const COUNT = word('count')
const MAXLEN = word('maxlen')

const RANK_ZERO = replyError(
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use " +
    'negative to start from the end of the list',
)
const COUNT_NEGATIVE = replyError("ERR COUNT can't be negative")
const MAXLEN_NEGATIVE = replyError("ERR MAXLEN can't be negative")

/** What the options say; filled by `readOptions`. */
const OPTIONS = { isFromEnd: false, rank: 1, hasCount: false, matchesMax: 1, comparedMax: 0 }

/** LPOS key element [RANK r] [COUNT n] [MAXLEN m]: index or nil; with COUNT an array. O(n). */
export function lpos(context: Context, args: Args, reply: Reply): void {
  if (!readOptions(args, reply)) return
  const { hasCount } = OPTIONS
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return hasCount ? reply.array(0) : reply.nil()
  if (db.typeOf(record) !== Type.List) return reply.error(WRONG_TYPE)
  LIST.open(db, record)
  valueArgument(context, args, 2)
  if (hasCount) {
    const mark = reply.beginArray()
    reply.endArray(mark, replyMatches(context, reply))
  } else if (replyMatches(context, reply) === 0) reply.nil()
}

/** Replies the indexes of matches; returns how many. */
function replyMatches({ value }: Context, reply: Reply): number {
  const { isFromEnd, rank, matchesMax, comparedMax } = OPTIONS
  const size = LIST.count
  const limit = Math.min(comparedMax, size)
  if (isFromEnd) LIST.seekLast()
  else LIST.seek(0)
  let found = 0
  let replied = 0
  for (let compared = 0; compared < limit && replied < matchesMax; ) {
    const left = limit - compared
    const passed = isFromEnd ? LIST.findPrevious(value, left) : LIST.findNext(value, left)
    if (passed < 0) break
    compared += passed + 1
    found++
    if (found < rank) continue
    reply.integer(isFromEnd ? size - compared : compared - 1)
    replied++
  }
  return replied
}

/** Reads the options into OPTIONS; false after an error reply. */
function readOptions(args: Args, reply: Reply): boolean {
  OPTIONS.isFromEnd = false
  OPTIONS.rank = 1
  OPTIONS.hasCount = false
  OPTIONS.matchesMax = 1
  OPTIONS.comparedMax = Infinity
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count || !readOption(args, i, reply)) {
      if (i + 1 === args.count) reply.error(SYNTAX_ERROR)
      return false
    }
  }
  return true
}

function readOption(args: Args, i: number, reply: Reply): boolean {
  const value = args.integer(i + 1)
  if (args.is(i, RANK)) {
    if (value === null) reply.error(NOT_INTEGER)
    else if (value === 0) reply.error(RANK_ZERO)
    else {
      OPTIONS.isFromEnd = value < 0
      // The one number without an opposite is as good as -1, in Redis too.
      OPTIONS.rank = value === I64_MIN ? 1 : Math.abs(Number(value))
      return true
    }
  } else if (args.is(i, COUNT)) {
    if (value !== null && value >= 0) {
      OPTIONS.hasCount = true
      OPTIONS.matchesMax = value === 0 ? Infinity : Number(value)
      return true
    }
    reply.error(COUNT_NEGATIVE)
  } else if (args.is(i, MAXLEN)) {
    if (value !== null && value >= 0) {
      OPTIONS.comparedMax = value === 0 ? Infinity : Number(value)
      return true
    }
    reply.error(MAXLEN_NEGATIVE)
  } else reply.error(SYNTAX_ERROR)
  return false
}
