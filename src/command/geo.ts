// The geo family: GEOADD, GEODIST, GEOHASH, GEOPOS, and the rows of all commands on places. Front
// door of geo-search.ts (GEOSEARCH, GEORADIUS), geo-shape.ts (what lies where), geohash.ts (places
// as scores). A place is a member of a sorted set whose score is its geohash, and GEOADD is
// repeated elsewhere as the ZADD that it is.

import { latin1 } from '../base/bytes.ts'
import { scratchSlice } from '../base/slice.ts'
import { type Args, word } from '../resp/args.ts'
import { SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { writeArguments } from './effects.ts'
import { placeArgument, unitArgument } from './geo-arguments.ts'
import {
  georadius,
  georadiusbymember,
  georadiusbymemberRo,
  georadiusRo,
  geosearch,
  geosearchstore,
  replyPlace,
} from './geo-search.ts'
import { distanceBetween } from './geo-shape.ts'
import { fixedText } from './geo-text.ts'
import { type Place, placeOfScore, scoreOfPlace, textOfPlace } from './geohash.ts'
import { type KeySpec, keyAfter, oneKey } from './key-spec.ts'
import { readZset, WRONG } from './zset-access.ts'
import { addPlaced, type PlacedMembers } from './zset-add.ts'

const NX = word('nx')
const XX = word('xx')
const CH = word('ch')
const STORE = word('store')
const STOREDIST = word('storedist')
const ZADD_WORD = latin1('ZADD')

/** Longitude, latitude, member. */
const TRIPLE = 3
const DISTANCE_DIGITS = 4

const FIRST: Place = { longitude: 0, latitude: 0 }
const SECOND: Place = { longitude: 0, latitude: 0 }
const MEMBER = scratchSlice()

/** GEOADD key [NX|XX] [CH] longitude latitude member …: members added. O(N log n). */
export function geoadd(context: Context, args: Args, reply: Reply): void {
  let isNew = false
  let isExisting = false
  let countsChanges = false
  let first = 2
  for (; first < args.count; first++) {
    if (args.is(first, NX)) isNew = true
    else if (args.is(first, XX)) isExisting = true
    else if (args.is(first, CH)) countsChanges = true
    else break
  }
  const left = args.count - first
  if (left % TRIPLE !== 0 || (isNew && isExisting)) return reply.error(SYNTAX_ERROR)
  const scores = new Float64Array(left / TRIPLE)
  for (let i = 0; i < scores.length; i++) {
    if (!placeArgument(args, first + i * TRIPLE, FIRST, reply)) return
    scores[i] = scoreOfPlace(FIRST.longitude, FIRST.latitude)
  }
  if (scores.length === 0) return reply.error(SYNTAX_ERROR)
  const placed = { isNew, isExisting, countsChanges, first, stride: TRIPLE, scores }
  const { effects, keyspace } = context
  const dirtyBefore = keyspace.dirty
  addPlaced(context, args, placed, reply)
  if (effects.isKept && keyspace.dirty !== dirtyBefore) keepScores(context, args, placed)
}

/** Keeps places as the scores that they are. */
function keepScores({ effects, db }: Context, args: Args, placed: PlacedMembers): void {
  const { first, scores } = placed
  const writer = effects.instead(db, ZADD_WORD, first + scores.length * 2)
  writeArguments(writer, args, 1, first)
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!
    // At the easternmost meridian it may be above 2^53.
    writer.bulkInteger(Number.isSafeInteger(score) ? score : BigInt(score))
    const member = first + i * TRIPLE + 2
    writeArguments(writer, args, member, member + 1)
  }
}

/** GEODIST key member member [unit]: the distance, or nil. O(1). */
export function geodist(context: Context, args: Args, reply: Reply): void {
  if (args.count > 5) return reply.error(SYNTAX_ERROR)
  const unit = args.count === 5 ? unitArgument(args, 4, reply) : 1
  if (unit === 0) return
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  if (zset === null || !zset.find(memberArgument(args, 2))) return reply.nil()
  placeOfScore(zset.score, FIRST)
  if (!zset.find(memberArgument(args, 3))) return reply.nil()
  placeOfScore(zset.score, SECOND)
  reply.bulkText(fixedText(distanceBetween(FIRST, SECOND) / unit, DISTANCE_DIGITS))
}

/** GEOHASH key member …: geohashes as text, nil for who is no member. O(N). */
export function geohash(context: Context, args: Args, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (zset === null || !zset.find(memberArgument(args, i))) reply.nil()
    else reply.bulkText(textOfPlace(placeOfScore(zset.score, FIRST)))
  }
}

/** GEOPOS key member …: longitudes and latitudes, nil for who is no member. O(N). */
export function geopos(context: Context, args: Args, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, 1), reply)
  if (zset === WRONG) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (zset === null || !zset.find(memberArgument(args, i))) reply.nilArray()
    else replyPlace(placeOfScore(zset.score, FIRST), reply)
  }
}

function memberArgument(args: Args, i: number) {
  return MEMBER.set(args.bytes, args.start(i), args.length(i))
}

/** Keys of GEORADIUS: the source, and the last STORE or STOREDIST. */
function radiusKeys(firstOption: number) {
  return (args: Args, positions: number[]): void => {
    positions.push(1)
    let target = 0
    for (let i = firstOption; i + 1 < args.count; i++) {
      if (args.is(i, STORE) || args.is(i, STOREDIST)) target = ++i
    }
    if (target > 0) positions.push(target)
  }
}

const ROW = { keys: [1, 1, 1], group: 'geo' } as const
const READ = { ...ROW, flags: Flag.ReadOnly, keyFlags: ['RO access'] } as const
const RADIUS_STORE = {
  ...ROW,
  flags: Flag.Write | Flag.DenyOom | Flag.MovableKeys,
  keyFlags: ['RO access', 'OW update'],
} as const
const SEARCH_COMPLEXITY = 'O(N+log(M)), where N members lie around the shape, of a set of size M.'
const BY_RADIUS = '`GEOSEARCH` with the `BYRADIUS` argument'
const BY_RADIUS_STORED = '`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument'
const FROM_MEMBER = '`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments'
const FROM_MEMBER_STORED =
  '`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments'

/** The key of the index, and those behind STORE and STOREDIST, after `from` arguments. */
function radiusSpecs(from: number): readonly KeySpec[] {
  const stored = ['STORE', 'STOREDIST'].map((name) => keyAfter(name, from, 'OW update'))
  return [oneKey(1, 'RO access'), ...stored]
}

export const geoCommands: readonly Command[] = [
  {
    ...ROW,
    name: 'geoadd',
    arity: -5,
    flags: Flag.Write | Flag.DenyOom,
    since: '3.2.0',
    run: geoadd,
    summary: 'Add places to a geospatial index',
    complexity: 'O(log(N)) for each place, where N is the size of the index.',
    keyFlags: ['RW update'],
  },
  {
    ...READ,
    name: 'geodist',
    arity: -4,
    since: '3.2.0',
    run: geodist,
    summary: 'Get the distance between two members of a geospatial index',
    complexity: 'O(1)',
  },
  {
    ...READ,
    name: 'geohash',
    arity: -2,
    since: '3.2.0',
    run: geohash,
    summary: 'Get members of a geospatial index as standard geohash strings',
    complexity: 'O(N), where N is the number of members asked for.',
  },
  {
    ...READ,
    name: 'geopos',
    arity: -2,
    since: '3.2.0',
    run: geopos,
    summary: 'Get longitudes and latitudes of members of a geospatial index',
    complexity: 'O(N), where N is the number of members asked for.',
  },
  {
    ...RADIUS_STORE,
    name: 'georadius',
    arity: -6,
    since: '3.2.0',
    run: georadius,
    summary: 'Find members of a geospatial index within a distance of a place',
    complexity: SEARCH_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: BY_RADIUS_STORED },
    keySpecs: radiusSpecs(6),
    findKeys: radiusKeys(6),
  },
  {
    ...READ,
    name: 'georadius_ro',
    arity: -6,
    since: '3.2.10',
    run: georadiusRo,
    summary: 'Find members of a geospatial index within a distance of a place, for reading',
    complexity: SEARCH_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: BY_RADIUS },
  },
  {
    ...RADIUS_STORE,
    name: 'georadiusbymember',
    arity: -5,
    since: '3.2.0',
    run: georadiusbymember,
    summary: 'Find members of a geospatial index within a distance of a member',
    complexity: SEARCH_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: FROM_MEMBER_STORED },
    keySpecs: radiusSpecs(5),
    findKeys: radiusKeys(5),
  },
  {
    ...READ,
    name: 'georadiusbymember_ro',
    arity: -5,
    since: '3.2.10',
    run: georadiusbymemberRo,
    summary: 'Find members of a geospatial index within a distance of a member, for reading',
    complexity: SEARCH_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: FROM_MEMBER },
  },
  {
    ...READ,
    name: 'geosearch',
    arity: -7,
    since: '6.2.0',
    run: geosearch,
    summary: 'Find members of a geospatial index inside a circle or a box',
    complexity: SEARCH_COMPLEXITY,
  },
  {
    ...ROW,
    name: 'geosearchstore',
    arity: -8,
    keys: [1, 2, 1],
    flags: Flag.Write | Flag.DenyOom,
    since: '6.2.0',
    run: geosearchstore,
    summary: 'Store members of a geospatial index inside a circle or a box under another key',
    complexity: SEARCH_COMPLEXITY,
    keyFlags: ['OW update', 'RO access'],
  },
]
