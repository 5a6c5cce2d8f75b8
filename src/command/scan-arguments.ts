// What SCAN, SSCAN, HSCAN and ZSCAN have in common: cursor, COUNT and MATCH; and the steps of SSCAN
// and HSCAN. Nothing here allocates but for odd cursors.

import { textOf } from '../base/bytes.ts'
import { Glob } from '../base/glob.ts'
import type { Database } from '../keyspace/database.ts'
import type { Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument } from './arguments.ts'

const COUNT = word('count')
const MATCH = word('match')
const NOVALUES = word('novalues')
const COUNT_DEFAULT = 10
const ALL = new Uint8Array([0x2a])

/** As strtoul reads it: a sign is fine, and so is nothing at all. */
const CURSOR = /^[+-]?\d+$/
const CURSOR_MAX = 2n ** 64n - 1n
const CURSOR_BITS = 53

/** The options of the last `parse`; made once. */
export class ScanOptions {
  readonly glob = new Glob()
  /** Elements to look at, about. */
  count = COUNT_DEFAULT
  /** NOVALUES of HSCAN. */
  isKeysOnly = false
  readonly #takesNoValues: boolean

  constructor(takesNoValues = false) {
    this.#takesNoValues = takesNoValues
  }

  /** Reads the options from argument `first` on; false after an error reply. */
  parse(args: Args, first: number, reply: Reply): boolean {
    this.count = COUNT_DEFAULT
    this.isKeysOnly = false
    this.glob.set(ALL, 0, 1)
    for (let i = first; i < args.count; i++) {
      const hasValue = i + 1 < args.count
      if (hasValue && args.is(i, COUNT)) {
        const value = integerArgument(args, ++i, reply)
        if (value === null) return false
        this.count = Number(value)
        if (this.count >= 1) continue
      } else if (hasValue && args.is(i, MATCH)) {
        i++
        this.glob.set(args.bytes, args.start(i), args.length(i))
        continue
      } else if (this.#takesNoValues && args.is(i, NOVALUES)) {
        this.isKeysOnly = true
        continue
      }
      reply.error(SYNTAX_ERROR)
      return false
    }
    return true
  }
}

/** A collection that is gone through by steps. */
export interface StepWalk {
  /** Elements of the step that was opened. */
  readonly stepCount: number
  /** Begins the step at a cursor; returns the next cursor, 0 after the last. */
  openStep(db: Database, record: Ptr, cursor: number): number
}

/** The walk of one command, and how it replies the elements of a step. */
export interface StepReplier {
  readonly walk: StepWalk
  readonly options: ScanOptions
  /** Replies what of the opened step matches; returns how many elements that are. */
  replyStep(reply: Reply): number
}

/** The reply to a scan of a key that does not exist. */
export function replyNoScan(reply: Reply): void {
  reply.array(2)
  reply.bulkInteger(0)
  reply.array(0)
}

/** Replies the next cursor, and the elements of as many steps as COUNT asks for. */
export function replySteps(
  scan: StepReplier,
  place: { readonly db: Database; readonly record: Ptr; readonly cursor: number },
  reply: Reply,
): void {
  const { walk, options } = scan
  const { db, record, cursor } = place
  // The next cursor comes first: where the steps end, then what is in them.
  let next = cursor
  let seen = 0
  do {
    next = walk.openStep(db, record, next)
    seen += walk.stepCount
  } while (next !== 0 && seen < options.count)
  reply.array(2)
  reply.bulkInteger(next)
  const mark = reply.beginArray()
  let found = 0
  let at = cursor
  do {
    at = walk.openStep(db, record, at)
    found += scan.replyStep(reply)
  } while (at !== next)
  reply.endArray(mark, found)
}

/** The cursor that argument `i` spells, below 2^53; null when it is none. */
export function cursorArgument(args: Args, i: number): number | null {
  const small = args.integer(i)
  if (typeof small === 'number' && small >= 0) return small
  const text = textOf(args.bytes, args.start(i), args.length(i))
  if (text === '') return 0
  if (!CURSOR.test(text)) return null
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  if (value > CURSOR_MAX || value < -CURSOR_MAX) return null
  return Number(BigInt.asUintN(CURSOR_BITS, value))
}
