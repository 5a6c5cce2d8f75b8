// LCS: the longest common subsequence of two strings, or its length, or the ranges it consists of.
//
// Dynamic programming over all pairs of prefixes. Two rows of lengths suffice to go forward; going
// back needs, of each pair, only which of its two neighbours is longer: one bit, where Redis keeps
// the length, 32 bits. Strings that are too long for it are refused all the same, as time grows
// with the same product: at the default limit that is 134 million pairs, under a second.
// Of equally long subsequences the one that Redis finds is given: going back, the step is in the
// first string where its neighbour is strictly longer, else in the second.

import { type Slice, scratchSlice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument } from './arguments.ts'
import type { Context } from './command.ts'

const IDX = word('idx')
const LEN = word('len')
const MINMATCHLEN = word('minmatchlen')
const WITHMATCHLEN = word('withmatchlen')

const NOT_STRINGS = replyError('ERR The specified keys must contain string values')
const LEN_AND_IDX = replyError('ERR If you want both the length and indexes, please just use IDX.')
const TOO_LARGE = replyError(
  'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len',
)
const TOO_MANY_PAIRS = replyError(
  'ERR Insufficient memory, failed allocating transient memory for LCS',
)
/** Pairs whose steps fit in an array of bits that 32-bit shifts can index: 256 MiB. */
const PAIRS_MAX = 2 ** 31
/** What Redis counts for each pair of prefixes. */
const BYTES_PER_PAIR = 4

const Form = { Text: 0, Length: 1, Ranges: 2 } as const
type Form = (typeof Form)[keyof typeof Form]

interface Options {
  form: Form
  matchLengthMin: number
  hasMatchLengths: boolean
}

/** The strings and what is known of their prefixes. */
interface Table {
  readonly a: Slice
  readonly b: Slice
  /** Bit (i − 1) × |b| + j − 1: the pair (i − 1, j) has a longer subsequence than (i, j − 1). */
  readonly steps: Uint32Array
  readonly length: number
}

const A = scratchSlice()
const B = scratchSlice()

/** LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]. O(N × M). */
export function lcs(context: Context, args: Args, reply: Reply): void {
  if (!readStrings(context, args)) return reply.error(NOT_STRINGS)
  const options = parseOptions(args, reply)
  if (options === null) return
  const pairs = (A.length + 1) * (B.length + 1)
  if (pairs * BYTES_PER_PAIR > context.limits.stringLengthMax) return reply.error(TOO_LARGE)
  if (pairs > PAIRS_MAX) return reply.error(TOO_MANY_PAIRS)
  const table = compare(options.form)
  if (options.form === Form.Length) return reply.integer(table.length)
  if (options.form === Form.Ranges) return replyRanges(table, options, reply)
  replyText(table, reply)
}

/** Points A and B to the values, empty where there is no key; false: one is no string. */
function readStrings(context: Context, args: Args): boolean {
  const first = isStringOrMissing(context, args, 1)
  const second = isStringOrMissing(context, args, 2)
  if (!first || !second) return false
  // Looking for the second key may have expired it, so the first one is looked for again.
  readOrEmpty(context, args, 1, A)
  readOrEmpty(context, args, 2, B)
  return true
}

function isStringOrMissing({ db, key }: Context, args: Args, i: number): boolean {
  const record = db.find(key.set(args.bytes, args.start(i), args.length(i)))
  return record === NULL || db.typeOf(record) === Type.String
}

function readOrEmpty({ db, key }: Context, args: Args, i: number, out: Slice): void {
  const record = db.peek(key.set(args.bytes, args.start(i), args.length(i)))
  if (record === NULL) out.set(args.bytes, 0, 0)
  else db.readString(record, out)
}

/** The options from argument 3 on; null after an error reply. */
function parseOptions(args: Args, reply: Reply): Options | null {
  const options: Options = { form: Form.Text, matchLengthMin: 0, hasMatchLengths: false }
  let hasLen = false
  let hasIdx = false
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, IDX)) hasIdx = true
    else if (args.is(i, LEN)) hasLen = true
    else if (args.is(i, WITHMATCHLEN)) options.hasMatchLengths = true
    else if (args.is(i, MINMATCHLEN) && i + 1 < args.count) {
      const length = integerArgument(args, ++i, reply)
      if (length === null) return null
      options.matchLengthMin = Number(length)
    } else {
      reply.error(SYNTAX_ERROR)
      return null
    }
  }
  if (hasLen && hasIdx) {
    reply.error(LEN_AND_IDX)
    return null
  }
  if (hasLen) options.form = Form.Length
  if (hasIdx) options.form = Form.Ranges
  return options
}

/** Fills the table for A and B; for a length alone it has no steps. */
function compare(form: Form): Table {
  const width = B.length
  const stepCount = form === Form.Length ? 0 : A.length * width
  const steps = new Uint32Array(Math.ceil(stepCount / 32))
  let above = new Uint32Array(width + 1)
  let row = new Uint32Array(width + 1)
  let bit = 0
  for (let i = 0; i < A.length; i++) {
    const byte = A.bytes[A.start + i]!
    for (let j = 0; j < width; j++, bit++) {
      const up = above[j + 1]!
      const left = row[j]!
      if (byte === B.bytes[B.start + j]!) row[j + 1] = above[j]! + 1
      else if (up > left) {
        row[j + 1] = up
        if (stepCount > 0) steps[bit >>> 5] = steps[bit >>> 5]! | (1 << (bit & 31))
      } else row[j + 1] = left
    }
    const spare = above
    above = row
    row = spare
  }
  return { a: A, b: B, steps, length: above[width]! }
}

/** Whether the last bytes of the prefixes i and j are the same. */
function isMatch({ a, b }: Table, i: number, j: number): boolean {
  return a.bytes[a.start + i - 1] === b.bytes[b.start + j - 1]
}

/** Whether the way back from (i, j) leads to (i − 1, j). */
function isStepInA({ b, steps }: Table, i: number, j: number): boolean {
  const bit = (i - 1) * b.length + j - 1
  return ((steps[bit >>> 5]! >>> (bit & 31)) & 1) !== 0
}

function replyText(table: Table, reply: Reply): void {
  const { a, b, length } = table
  const text = new Uint8Array(length)
  let i = a.length
  let j = b.length
  for (let at = length; at > 0; ) {
    if (isMatch(table, i, j)) {
      text[--at] = a.bytes[a.start + i - 1]!
      i--
      j--
    } else if (isStepInA(table, i, j)) i--
    else j--
  }
  reply.bulk(text, 0, length)
}

/** Replies the runs of matching bytes, the last one first, and the length. */
function replyRanges(table: Table, options: Options, reply: Reply): void {
  reply.map(2)
  reply.bulkText('matches')
  const mark = reply.beginArray()
  let count = 0
  let i = table.a.length
  let j = table.b.length
  while (i > 0 && j > 0) {
    let run = 0
    while (run < i && run < j && isMatch(table, i - run, j - run)) run++
    if (run > 0) {
      if (run >= options.matchLengthMin) {
        replyRange({ aEnd: i - 1, bEnd: j - 1, run }, options, reply)
        count++
      }
      i -= run
      j -= run
    } else if (isStepInA(table, i, j)) i--
    else j--
  }
  reply.endArray(mark, count)
  reply.bulkText('len')
  reply.integer(table.length)
}

/** One run: where it begins and ends in each string, and with WITHMATCHLEN its length. */
function replyRange(
  { aEnd, bEnd, run }: { readonly aEnd: number; readonly bEnd: number; readonly run: number },
  options: Options,
  reply: Reply,
): void {
  reply.array(options.hasMatchLengths ? 3 : 2)
  reply.array(2)
  reply.integer(aEnd - run + 1)
  reply.integer(aEnd)
  reply.array(2)
  reply.integer(bEnd - run + 1)
  reply.integer(bEnd)
  if (options.hasMatchLengths) reply.integer(run)
}
