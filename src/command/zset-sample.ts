// ZRANDMEMBER and ZSCAN: members at random, and all of them step by step. Both choose among what
// the set has at that moment; neither changes it.

import { assert } from '../base/assert.ts'
import { scratchSlice } from '../base/slice.ts'
import type { Zset } from '../keyspace/zset/zset.ts'
import { type Args, word } from '../resp/args.ts'
import { INVALID_CURSOR, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { cursorArgument, replyNoScan, ScanOptions } from './scan-arguments.ts'
import { readZset, replyMember, replyScoreText, WRONG } from './zset-access.ts'

const WITHSCORES = word('withscores')
/** A count that has no opposite in 64 bits, and half of it: scores double the reply. */
const COUNT_MIN = -(2n ** 63n)
const COUNT_HALF = 2n ** 62n - 1n
/** Up to this share of a set, ranks are drawn until they are different. */
const DRAWN_SHARE = 1 / 3

const OUT_OF_RANGE = replyError('ERR value is out of range')
const NO_OPPOSITE = replyError(
  'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807',
)

/** ZRANDMEMBER key [count [WITHSCORES]]: count different members, or -count that may repeat. */
export function zrandmember(context: Context, args: Args, reply: Reply): void {
  if (args.count === 2) return replyOne(context, args, reply)
  const wanted = integerArgument(args, 2, reply)
  if (wanted === null) return
  const hasScores = args.count === 4 && args.is(3, WITHSCORES)
  if (wanted === COUNT_MIN) return reply.error(NO_OPPOSITE)
  if (args.count > 3 && !hasScores) return reply.error(SYNTAX_ERROR)
  if (hasScores && (wanted > COUNT_HALF || wanted < -COUNT_HALF)) return reply.error(OUT_OF_RANGE)
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null || wanted === 0) return reply.array(0)
  const sample: Sample = { zset, hasScores, isNested: hasScores && reply.version === 3 }
  const count = Number(wanted)
  if (count < 0) return replyAny(context, sample, -count, reply)
  replyDifferent(context, sample, Math.min(count, zset.count), reply)
}

/** ZSCAN key cursor [MATCH pattern] [COUNT count]: next cursor, members and scores. */
export function zscan(context: Context, args: Args, reply: Reply): void {
  const cursor = cursorArgument(args, 2)
  if (cursor === null) return reply.error(INVALID_CURSOR)
  const key = keyArgument(context, args, 1)
  const zset = readZset(context, key, reply)
  if (zset === WRONG) return
  if (zset === null) return replyNoScan(reply)
  if (!SCAN.options.parse(args, 3, reply)) return
  reply.array(2)
  SCAN.run(zset, cursor, reply)
}

interface Sample {
  readonly zset: Zset
  readonly hasScores: boolean
  readonly isNested: boolean
}

function replyOne(context: Context, args: Args, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null) return reply.nil()
  zset.seekRank(context.keyspace.random.below(zset.count))
  replyMember(reply, zset)
}

function replyAny({ keyspace }: Context, sample: Sample, count: number, reply: Reply): void {
  const size = sample.zset.count
  beginSample(sample, count, reply)
  for (let i = 0; i < count; i++) {
    sample.zset.seekRank(keyspace.random.below(size))
    replySampled(sample, reply)
  }
}

function replyDifferent({ keyspace }: Context, sample: Sample, count: number, reply: Reply): void {
  const { zset } = sample
  const { random } = keyspace
  const size = zset.count
  beginSample(sample, count, reply)
  if (count > size * DRAWN_SHARE) {
    // Each member in turn is taken with the chance that makes all choices as likely.
    zset.seekRank(0)
    for (let rank = 0, left = count; left > 0; rank++, zset.next()) {
      if (random.below(size - rank) >= left) continue
      replySampled(sample, reply)
      left--
    }
    return
  }
  const drawn = new Set<number>()
  while (drawn.size < count) {
    const rank = random.below(size)
    if (drawn.has(rank)) continue
    drawn.add(rank)
    zset.seekRank(rank)
    replySampled(sample, reply)
  }
}

function beginSample({ hasScores, isNested }: Sample, count: number, reply: Reply): void {
  reply.array(hasScores && !isNested ? count * 2 : count)
}

function replySampled({ zset, hasScores, isNested }: Sample, reply: Reply): void {
  if (isNested) reply.array(2)
  replyMember(reply, zset)
  if (hasScores) reply.double(zset.score)
}

/** Replies what one step of a scan meets. */
class ScanReply {
  readonly options = new ScanOptions()
  readonly #member = scratchSlice()
  #zset: Zset | null = null
  #reply: Reply | null = null
  #count = 0

  /** Scans about as many members as the options say. */
  run(zset: Zset, cursor: number, reply: Reply): void {
    const limit = zset.scanLimit(cursor, this.options.count)
    this.#zset = zset
    this.#reply = reply
    this.#count = 0
    reply.bulkInteger(limit)
    const mark = reply.beginArray()
    zset.scan(cursor, limit, this.#answer)
    reply.endArray(mark, this.#count)
    this.#zset = null
    this.#reply = null
  }

  readonly #answer = (): void => {
    const zset = this.#zset
    const reply = this.#reply
    assert(zset !== null && reply !== null, 'a scan has begun')
    const { bytes, start, length } = zset.readMember(this.#member)
    if (!this.options.glob.matches(bytes, start, length)) return
    reply.bulk(bytes, start, length)
    replyScoreText(reply, zset.score, zset.encoding)
    this.#count += 2
  }
}

const SCAN = new ScanReply()
