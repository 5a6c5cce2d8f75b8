// Bounds of ranges: scores as `1.5`, `(1.5`, `-inf`, and members as `[a`, `(a`, `-`, `+`. Read from
// arguments into one of two objects that are filled again and again, and turned into an interval of
// ranks, so that all that follows works on ranks alone.
//
// Members count as ordered by their bytes; that is true where all scores are equal, and where they
// are not, Redis promises nothing.

import { latin1, parseDouble, textOf } from '../base/bytes.ts'
import { scratchSlice } from '../base/slice.ts'
import type { Zset } from '../keyspace/zset/zset.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'

const OPEN = 0x28
const CLOSED = 0x5b
const MINUS = 0x2d
const PLUS = 0x2b

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

const NOT_SCORES = replyError('ERR min or max is not a float')
const NOT_MEMBERS = replyError('ERR min or max not valid string range item')

/** Ranks from `from` to before `limit`; `limit` is not below `from`. */
export interface RankInterval {
  from: number
  limit: number
}

export interface ScoreBounds extends RankInterval {
  min: number
  max: number
  /** The bound itself is left out. */
  isMinOpen: boolean
  isMaxOpen: boolean
}

/** How far a bound of members reaches. */
const Reach = { Lowest: 0, Closed: 1, Open: 2, Highest: 3 } as const
type Reach = (typeof Reach)[keyof typeof Reach]

const SCORES: ScoreBounds = {
  from: 0,
  limit: 0,
  min: 0,
  max: 0,
  isMinOpen: false,
  isMaxOpen: false,
}
const MEMBERS = {
  from: 0,
  limit: 0,
  min: scratchSlice(),
  max: scratchSlice(),
  minReach: Reach.Lowest as Reach,
  maxReach: Reach.Highest as Reach,
}
export type LexBounds = typeof MEMBERS

/** Bounds from two arguments; null after an error reply. */
export function readScoreBounds(
  args: Args,
  min: number,
  max: number,
  reply: Reply,
): ScoreBounds | null {
  SCORES.isMinOpen = isOpen(args, min)
  SCORES.isMaxOpen = isOpen(args, max)
  const low = scoreBound(args, min, SCORES.isMinOpen)
  const high = scoreBound(args, max, SCORES.isMaxOpen)
  if (low === null || high === null) {
    reply.error(NOT_SCORES)
    return null
  }
  SCORES.min = low
  SCORES.max = high
  return SCORES
}

/** Bounds from two arguments; null after an error reply. */
export function readLexBounds(
  args: Args,
  min: number,
  max: number,
  reply: Reply,
): LexBounds | null {
  const low = reachOf(args, min)
  const high = reachOf(args, max)
  if (low === null || high === null) {
    reply.error(NOT_MEMBERS)
    return null
  }
  MEMBERS.minReach = low
  MEMBERS.maxReach = high
  if (low === Reach.Closed || low === Reach.Open) {
    MEMBERS.min.set(args.bytes, args.start(min) + 1, args.length(min) - 1)
  }
  if (high === Reach.Closed || high === Reach.Open) {
    MEMBERS.max.set(args.bytes, args.start(max) + 1, args.length(max) - 1)
  }
  return MEMBERS
}

/** Fills in the ranks of what lies between the bounds. O(log n). */
export function seekScoreBounds(zset: Zset, bounds: ScoreBounds): void {
  const { min, max, isMinOpen, isMaxOpen } = bounds
  const isFirst = min === -Infinity && !isMinOpen
  const isLast = max === Infinity && !isMaxOpen
  bounds.from = isFirst ? 0 : zset.rankOfScore(min, isMinOpen)
  bounds.limit = isLast ? zset.count : Math.max(bounds.from, zset.rankOfScore(max, !isMaxOpen))
}

/** Fills in the ranks of what lies between the bounds. O(log n). */
export function seekLexBounds(zset: Zset, bounds: LexBounds): void {
  const { minReach, maxReach } = bounds
  if (minReach === Reach.Lowest) bounds.from = 0
  else if (minReach === Reach.Highest) bounds.from = zset.count
  else bounds.from = zset.rankOfMember(bounds.min, minReach === Reach.Open)
  if (maxReach === Reach.Highest) bounds.limit = zset.count
  else if (maxReach === Reach.Lowest) bounds.limit = 0
  else bounds.limit = zset.rankOfMember(bounds.max, maxReach === Reach.Closed)
  bounds.limit = Math.max(bounds.from, bounds.limit)
}

function isOpen(args: Args, i: number): boolean {
  return args.length(i) > 0 && args.bytes[args.start(i)] === OPEN
}

/** A bound as C's strtod reads it: blanks in front do not matter, and nothing at all is 0. */
function scoreBound(args: Args, i: number, isBoundOpen: boolean): number | null {
  const skipped = isBoundOpen ? 1 : 0
  const start = args.start(i) + skipped
  const length = args.length(i) - skipped
  return parseDouble(args.bytes, start, length) ?? unusualBound(textOf(args.bytes, start, length))
}

/** What is no double elsewhere: out of range, with blanks in front, cut off by a NUL, empty. */
function unusualBound(text: string): number | null {
  const [word = ''] = text.split('\0')
  if (word === '') return 0
  const number = word.replace(/^[ \t\n\v\f\r]+/, '')
  if (DECIMAL.test(number)) return Number(number)
  const bytes = latin1(number)
  return parseDouble(bytes, 0, bytes.length)
}

function reachOf(args: Args, i: number): Reach | null {
  const length = args.length(i)
  if (length === 0) return null
  switch (args.bytes[args.start(i)]) {
    case OPEN:
      return Reach.Open
    case CLOSED:
      return Reach.Closed
    case MINUS:
      return length === 1 ? Reach.Lowest : null
    case PLUS:
      return length === 1 ? Reach.Highest : null
    default:
      return null
  }
}
