// Commands on lists, hashes and sets; one line each. Those that choose by chance say how the
// reference keeps in step, or what it must know of the choice.

import type { Value } from '../lib/resp.ts'
import type { Row } from './row.ts'
import { exact, pairs, sameSize, scanned, scannedPairs, unordered } from './same.ts'

export const LIST_ROWS: readonly Row[] = [
  { form: 'LPUSH list value+', weight: 3 },
  { form: 'RPUSH list value+', weight: 3 },
  { form: 'RPUSH nums number+', weight: 2 },
  { form: 'LPUSHX list value+' },
  { form: 'RPUSHX list value+' },
  { form: 'LPOP list [count]' },
  { form: 'RPOP list [count]' },
  { form: 'LLEN list' },
  { form: 'LINDEX list index' },
  { form: 'LSET list index value', weight: 2 },
  { form: 'LINSERT list (BEFORE|AFTER) value value', weight: 2 },
  { form: 'LREM list index value', weight: 2 },
  { form: 'LRANGE list index index', weight: 2 },
  { form: 'LRANGE list 0 -1' },
  { form: 'LTRIM list index index' },
  { form: 'LPOS list value [RANK int] [COUNT count] [MAXLEN count]' },
  { form: 'RPOPLPUSH list list' },
  { form: 'LMOVE list list (LEFT|RIGHT) (LEFT|RIGHT)' },
  { form: 'LMPOP list# (LEFT|RIGHT) [COUNT count]' },
  { form: 'BLPOP list+ timeout', weight: 0.2, isBlocking: true },
  { form: 'BRPOP list+ timeout', weight: 0.2, isBlocking: true },
  { form: 'BRPOPLPUSH list list timeout', weight: 0.2, isBlocking: true },
  { form: 'BLMOVE list list (LEFT|RIGHT) (LEFT|RIGHT) timeout', weight: 0.2, isBlocking: true },
  { form: 'BLMPOP timeout list# (LEFT|RIGHT) [COUNT count]', weight: 0.2, isBlocking: true },
]

export const HASH_ROWS: readonly Row[] = [
  { form: 'HSET hash {field value}+', weight: 4 },
  { form: 'HMSET hash {field value}+' },
  { form: 'HSETNX hash field value' },
  { form: 'HGET hash field' },
  { form: 'HMGET hash field+' },
  { form: 'HDEL hash field+', weight: 2 },
  { form: 'HEXISTS hash field' },
  { form: 'HLEN hash' },
  { form: 'HSTRLEN hash field' },
  { form: 'HKEYS hash', same: unordered },
  { form: 'HVALS hash', same: unordered },
  { form: 'HGETALL hash', same: pairs, weight: 2 },
  { form: 'HINCRBY hash field int' },
  { form: 'HINCRBYFLOAT hash field float' },
  { form: 'HSCAN hash 0 [MATCH pattern] COUNT 100000', same: scannedPairs, isFirm: true },
  { form: 'HRANDFIELD hash', same: sameSize, isAlone: true, witness: fieldExists },
  { form: 'HRANDFIELD hash int', same: sameSize, isAlone: true, witness: fieldExists },
  { form: 'HRANDFIELD hash int WITHVALUES', same: sameSize, isAlone: true, witness: pairExists },
]

const NEWER = { isNewer: true } as const
const CONDITION = '[NX|XX|GT|LT]'

/** Commands of 7.4. */
export const NEWER_ROWS: readonly Row[] = [
  { ...NEWER, form: 'HSET hash {field value}+', weight: 2 },
  { ...NEWER, form: `HEXPIRE hash ttl ${CONDITION} FIELDS field#`, weight: 2 },
  { ...NEWER, form: `HPEXPIRE hash ttl ${CONDITION} FIELDS field#`, weight: 2 },
  { ...NEWER, form: `HEXPIREAT hash at ${CONDITION} FIELDS field#` },
  { ...NEWER, form: `HPEXPIREAT hash atms ${CONDITION} FIELDS field#` },
  { ...NEWER, form: 'HPERSIST hash FIELDS field#' },
  { ...NEWER, form: 'HTTL hash FIELDS field#' },
  { ...NEWER, form: 'HPTTL hash FIELDS field#' },
  { ...NEWER, form: 'HEXPIRETIME hash FIELDS field#' },
  { ...NEWER, form: 'HPEXPIRETIME hash FIELDS field#' },
  { ...NEWER, form: 'HSCAN hash 0 NOVALUES COUNT 100000', same: scanned },
  { ...NEWER, form: 'ZRANK zset member [WITHSCORE]' },
]

export const SET_ROWS: readonly Row[] = [
  { form: 'SADD set member+', weight: 3 },
  { form: 'SADD set number+', weight: 2 },
  { form: 'SREM set member+', weight: 2 },
  { form: 'SISMEMBER set member' },
  { form: 'SMISMEMBER set member+' },
  { form: 'SCARD set' },
  { form: 'SMOVE set set member', weight: 2 },
  { form: 'SMEMBERS set', same: unordered, weight: 2 },
  { form: 'SSCAN set 0 [MATCH pattern] COUNT 100000', same: scanned, isFirm: true },
  { form: 'SINTER set+', same: unordered },
  { form: 'SUNION set+', same: unordered },
  { form: 'SDIFF set+', same: unordered },
  { form: 'SINTERSTORE set set+' },
  { form: 'SUNIONSTORE set set+' },
  { form: 'SDIFFSTORE set set+' },
  { form: 'SINTERCARD set# [LIMIT count]' },
  { form: 'SPOP set', same: popped, isAlone: true, follow: removePopped, weight: 2 },
  { form: 'SPOP set count', same: popped, isAlone: true, follow: removePopped },
  { form: 'SRANDMEMBER set', same: sameSize, isAlone: true, witness: memberExists },
  { form: 'SRANDMEMBER set int', same: sameSize, isAlone: true, witness: memberExists },
]

/** The texts of a reply that is one bulk string or several; none for nil and errors. */
function textsOf(reply: Value): string[] {
  if (reply.kind === 'bulk') return [reply.text]
  return reply.items.map(({ text }) => text)
}

function query(name: string, words: readonly string[], elements: readonly string[]): string[] {
  return elements.length === 0 ? ['PING'] : [name, words[1]!, ...elements]
}

function fieldExists(words: readonly string[], reply: Value): string[] {
  return query('HMGET', words, textsOf(reply))
}

/** The fields of flat pairs, or of pairs in arrays of their own. */
function pairExists(words: readonly string[], reply: Value): string[] {
  const isNested = reply.items[0]?.kind === 'array'
  const fields = isNested
    ? reply.items.map(({ items }) => items[0]!.text)
    : textsOf(reply).filter((_, i) => i % 2 === 0)
  return query('HMGET', words, fields)
}

function memberExists(words: readonly string[], reply: Value): string[] {
  return query('SMISMEMBER', words, textsOf(reply))
}

/** What takes from the reference what SPOP took here; an error must come there too. */
function removePopped(words: readonly string[], reply: Value): readonly string[] {
  if (reply.kind === 'error') return words
  const members = textsOf(reply)
  // Without members this is a key without this member, or no key.
  return ['SREM', words[1]!, ...(members.length === 0 ? ['no such member'] : members)]
}

/** As many were removed there as were popped here. */
function popped(ours: Value, theirs: Value): boolean {
  if (ours.kind === 'error' || theirs.kind === 'error') return exact(ours, theirs)
  const members = new Set(textsOf(ours))
  return theirs.text === `${members.size}` && textsOf(ours).length === members.size
}
