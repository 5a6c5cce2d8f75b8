// BITOP: strings combined bit by bit into another. Sources end in zeros as far as the longest goes.
//
// The result is made as a copy of the longest source, into which the others are worked where it
// lies: no buffer besides it, and the target may be one of the sources, because its old value goes
// last. Every operation on several sources is commutative, so that any of them may be the first.

import { Slice, scratchSlice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import { BitOperation, combineBits, invertBits } from './bitmap-bits.ts'
import type { Context } from './command.ts'
import { DEL, noteChange } from './key-event.ts'
import { SET } from './string-set.ts'

const WORDS = [word('and'), word('or'), word('xor'), word('not')]
const TARGET = 2
const FIRST_SOURCE = 3
const PART_BYTES = 64 * 1024

const NOT_TAKES_ONE = replyError('ERR BITOP NOT must be called with a single source key.')

const SOURCE_KEY = new Slice()
const SOURCE = scratchSlice()
const RESULT = scratchSlice()
const TARGET_PART = scratchSlice()
const SOURCE_PART = scratchSlice()

/** BITOP AND|OR|XOR|NOT target source …: length of the result; 0 and no key without any. O(N). */
export function bitop(context: Context, args: Args, reply: Reply): void {
  const operation = WORDS.findIndex((each) => args.is(1, each))
  if (operation < 0) return reply.error(SYNTAX_ERROR)
  if (operation === BitOperation.Not && args.count !== FIRST_SOURCE + 1) {
    return reply.error(NOT_TAKES_ONE)
  }
  const { db } = context
  const longest = findLongest(context, args)
  if (longest < 0) return reply.error(WRONG_TYPE)
  const key = keyArgument(context, args, TARGET)
  const length = readSource(db, args, longest).length
  if (length === 0) {
    const record = db.findForWrite(key)
    if (record !== NULL) {
      db.remove(record)
      noteChange(context, key, DEL)
    }
    return reply.integer(0)
  }
  const made = db.makeRaw(key, SOURCE)
  fill(db, args, { made, longest, operation: operation as BitOperation })
  db.putMade(key, made)
  noteChange(context, key, SET)
  reply.integer(length)
}

/** Which argument is the longest source; -1 when one is no string. */
function findLongest({ db }: Context, args: Args): number {
  let longest = FIRST_SOURCE
  let length = 0
  for (let i = FIRST_SOURCE; i < args.count; i++) {
    const record = db.find(SOURCE_KEY.set(args.bytes, args.start(i), args.length(i)))
    if (record === NULL) continue
    if (db.typeOf(record) !== Type.String) return -1
    const own = db.stringLength(record)
    if (own > length) {
      length = own
      longest = i
    }
  }
  return longest
}

/** Points SOURCE at the value of the source at argument `i`; empty when there is no key. */
function readSource(db: Database, args: Args, i: number): Slice {
  const record = db.peek(SOURCE_KEY.set(args.bytes, args.start(i), args.length(i)))
  if (record === NULL) return SOURCE.set(args.bytes, 0, 0)
  return db.readString(record, SOURCE)
}

/** Works the other sources into `made`, which holds the longest. */
function fill(
  db: Database,
  args: Args,
  work: { readonly made: Ptr; readonly longest: number; readonly operation: BitOperation },
): void {
  const { made, longest, operation } = work
  db.readString(made, RESULT)
  if (operation === BitOperation.Not) {
    return invertBits(RESULT.bytes, RESULT.start, RESULT.length)
  }
  // By parts that stay in the cache until the last source has met them.
  for (let from = 0; from < RESULT.length; from += PART_BYTES) {
    const length = Math.min(PART_BYTES, RESULT.length - from)
    TARGET_PART.set(RESULT.bytes, RESULT.start + from, length)
    for (let i = FIRST_SOURCE; i < args.count; i++) {
      if (i === longest) continue
      readSource(db, args, i)
      const given = Math.max(0, Math.min(length, SOURCE.length - from))
      SOURCE_PART.set(SOURCE.bytes, SOURCE.start + from, given)
      if (given > 0) combineBits(operation, TARGET_PART, SOURCE_PART, given)
      if (operation !== BitOperation.And) continue
      RESULT.bytes.fill(0, TARGET_PART.start + given, TARGET_PART.start + length)
    }
  }
}
