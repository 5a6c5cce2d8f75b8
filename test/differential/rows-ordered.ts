// Commands on sorted sets, positions and streams; one line each. Forms are explained in form.ts;
// ranges by name are only asked of sets whose scores are all equal.

import type { Value } from '../lib/resp.ts'
import type { Row } from './row.ts'
import { byDistance, pending, sameSize, scannedPairs, streamInfo } from './same.ts'

export const ZSET_ROWS: readonly Row[] = [
  { form: 'ZADD zset [NX|XX] [GT|LT] [CH] {score member}+', weight: 4 },
  { form: 'ZADD zset [NX|XX|GT|LT] INCR score member' },
  { form: 'ZINCRBY zset score member' },
  { form: 'ZREM zset member+', weight: 2 },
  { form: 'ZCARD zset' },
  { form: 'ZSCORE zset member' },
  { form: 'ZMSCORE zset member+' },
  { form: 'ZRANK zset member', isFirm: true },
  { form: 'ZREVRANK zset member', isFirm: true },
  { form: 'ZCOUNT zset min min' },
  { form: 'ZLEXCOUNT lexes lex lex' },
  { form: 'ZRANGE zset index index [REV] [WITHSCORES]', weight: 2 },
  { form: 'ZRANGE zset 0 -1 WITHSCORES' },
  { form: 'ZRANGE zset min min BYSCORE [REV] [LIMIT int int] [WITHSCORES]' },
  { form: 'ZADD lexes {0 member}+', weight: 2 },
  { form: 'ZREM lexes member' },
  { form: 'ZRANGE lexes lex lex BYLEX [REV] [LIMIT int int] [WITHSCORES]' },
  { form: 'ZRANGESTORE zset zset index index [REV]' },
  { form: 'ZRANGESTORE zset zset min min BYSCORE [REV] [LIMIT int int]' },
  { form: 'ZRANGESTORE lexes lexes lex lex BYLEX [REV] [LIMIT int int]' },
  { form: 'ZREVRANGE zset index index [WITHSCORES]' },
  { form: 'ZRANGEBYSCORE zset min min [WITHSCORES] [LIMIT int int]' },
  { form: 'ZREVRANGEBYSCORE zset min min [WITHSCORES] [LIMIT int int]' },
  { form: 'ZRANGEBYLEX lexes lex lex [LIMIT int int]' },
  { form: 'ZREVRANGEBYLEX lexes lex lex [LIMIT int int]' },
  { form: 'ZREMRANGEBYRANK zset index index', weight: 0.5 },
  { form: 'ZREMRANGEBYSCORE zset min min', weight: 0.5 },
  { form: 'ZREMRANGEBYLEX lexes lex lex', weight: 0.5 },
  { form: 'ZPOPMIN zset [count]' },
  { form: 'ZPOPMAX zset [count]' },
  { form: 'ZMPOP zset# (MIN|MAX) [COUNT count]' },
  { form: 'ZUNION zsets# [WEIGHTS score=] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]' },
  { form: 'ZINTER zsets# [WEIGHTS score=] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]' },
  { form: 'ZDIFF zsets# [WITHSCORES]' },
  { form: 'ZUNIONSTORE zset zsets# [WEIGHTS score=] [AGGREGATE (SUM|MIN|MAX)]' },
  { form: 'ZINTERSTORE zset zsets# [WEIGHTS score=] [AGGREGATE (SUM|MIN|MAX)]' },
  { form: 'ZDIFFSTORE zset zsets#' },
  { form: 'ZINTERCARD zsets# [LIMIT count]' },
  { form: 'ZSCAN zset 0 [MATCH pattern] COUNT 100000', same: scannedPairs, isFirm: true },
  { form: 'ZRANDMEMBER zset', same: sameSize, isAlone: true, witness: memberExists },
  { form: 'ZRANDMEMBER zset int', same: sameSize, isAlone: true, witness: memberExists },
  { form: 'BZPOPMIN zset+ timeout', weight: 0.2, isBlocking: true },
  { form: 'BZPOPMAX zset+ timeout', weight: 0.2, isBlocking: true },
  { form: 'BZMPOP timeout zset# (MIN|MAX) [COUNT count]', weight: 0.2, isBlocking: true },
]

const SEARCH =
  '(FROMMEMBER member|FROMLONLAT longitude latitude) ' +
  '(BYRADIUS radius unit|BYBOX radius radius unit) [ASC|DESC] [COUNT count]'

export const GEO_ROWS: readonly Row[] = [
  { form: 'GEOADD geo [NX|XX] [CH] {longitude latitude member}+', weight: 6 },
  { form: 'GEOPOS geo member*' },
  { form: 'GEODIST geo member member [unit]' },
  { form: 'GEOHASH geo member*' },
  {
    form: `GEOSEARCH geo ${SEARCH} [WITHCOORD] [WITHDIST] [WITHHASH]`,
    same: byDistance,
    weight: 2,
  },
  { form: `GEOSEARCHSTORE zset geo ${SEARCH} [STOREDIST]` },
  {
    form:
      'GEORADIUS geo longitude latitude radius unit [WITHCOORD] [WITHDIST] [COUNT count] ' +
      '[ASC|DESC]',
    same: byDistance,
  },
  { form: 'GEORADIUS geo longitude latitude radius unit [COUNT count] (STORE|STOREDIST) zset' },
  {
    form: 'GEORADIUSBYMEMBER geo member radius unit [WITHHASH] [COUNT count] [ASC|DESC]',
    same: byDistance,
  },
  {
    form: 'GEORADIUS_RO geo longitude latitude radius unit [WITHDIST] [ASC|DESC]',
    same: byDistance,
  },
  { form: 'GEORADIUSBYMEMBER_RO geo member radius unit [ASC|DESC]', same: byDistance },
]

const TRIM = '(MAXLEN|MINID) [=|~] (count|id) [LIMIT count]'

export const STREAM_ROWS: readonly Row[] = [
  { form: 'XADD stream newid {field value}+', weight: 8 },
  { form: 'XADD stream newid v 1 w 2', weight: 4 },
  { form: 'XADD stream [NOMKSTREAM] [MAXLEN [=] count|MINID [=] id] newid {field value}+' },
  { form: 'XADD stream * {field value}+', follow: addSame, isAlone: true, weight: 0.2 },
  { form: 'XLEN stream' },
  { form: 'XRANGE stream rangeid rangeid [COUNT count]', weight: 2 },
  { form: 'XRANGE stream - +' },
  { form: 'XREVRANGE stream rangeid rangeid [COUNT count]' },
  { form: 'XREVRANGE stream + -' },
  { form: 'XDEL stream id+', weight: 3 },
  { form: `XTRIM stream ${TRIM}`, weight: 0.5 },
  { form: 'XSETID stream id [ENTRIESADDED count] [MAXDELETEDID id]' },
  { form: 'XREAD [COUNT count] STREAMS stream id' },
  { form: 'XREAD [COUNT count] STREAMS stream stream id (id|$)' },
  { form: 'XREAD [COUNT count] BLOCK 1 STREAMS stream (id|$)', weight: 0.2, isBlocking: true },
  { form: 'XGROUP CREATE stream group (id|$|0) [MKSTREAM] [ENTRIESREAD int]', weight: 4 },
  { form: 'XGROUP SETID stream group (id|$|0) [ENTRIESREAD int]' },
  { form: 'XGROUP DESTROY stream group', weight: 0.3 },
  { form: 'XGROUP CREATECONSUMER stream group consumer' },
  { form: 'XGROUP DELCONSUMER stream group consumer', weight: 0.5 },
  { form: 'XREADGROUP GROUP group consumer [COUNT count] [NOACK] STREAMS stream >', weight: 4 },
  { form: 'XREADGROUP GROUP group consumer [COUNT count] [NOACK] STREAMS stream id' },
  { form: 'XREADGROUP GROUP group consumer STREAMS stream stream (>|id) (>|id)' },
  {
    form: 'XREADGROUP GROUP group consumer BLOCK 1 STREAMS stream >',
    weight: 0.3,
    isBlocking: true,
  },
  { form: 'XACK stream group id+', weight: 2 },
  { form: 'XPENDING stream group', same: pending },
  { form: 'XPENDING stream group [IDLE idle] rangeid rangeid count [consumer]', same: pending },
  { form: 'XPENDING stream group - + 100 [consumer]', same: pending },
  {
    form:
      'XCLAIM stream group consumer idle id+ [IDLE idle|TIME int] [RETRYCOUNT count] ' +
      '[FORCE] [JUSTID] [LASTID id]',
    weight: 2,
  },
  { form: 'XAUTOCLAIM stream group consumer idle id [COUNT count] [JUSTID]', weight: 2 },
  { form: 'XINFO STREAM stream', same: streamInfo },
  { form: 'XINFO STREAM stream FULL [COUNT count]', same: streamInfo },
  { form: 'XINFO GROUPS stream', same: streamInfo },
  { form: 'XINFO CONSUMERS stream group', same: streamInfo },
]

function memberExists(words: readonly string[], reply: Value): string[] {
  const members = reply.kind === 'bulk' ? [reply.text] : reply.items.map(({ text }) => text)
  return members.length === 0 ? ['PING'] : ['ZMSCORE', words[1]!, ...members]
}

/** The same entry with the ID that it got here. */
function addSame(words: readonly string[], reply: Value): string[] {
  return words.map((word, i) => (i === 2 && reply.kind === 'bulk' ? reply.text : word))
}
