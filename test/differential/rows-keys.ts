// Commands on keys of any type, on strings, bits and HyperLogLogs, and SORT; one line each. Forms
// are explained in form.ts.

import type { Value } from '../lib/resp.ts'
import type { Row } from './row.ts'
import { nearMs, nearSeconds, sameKind, sameSize, scanned, unordered, unsorted } from './same.ts'

export const KEY_ROWS: readonly Row[] = [
  { form: 'DEL key+' },
  { form: 'UNLINK key+' },
  { form: 'EXISTS key+' },
  { form: 'TOUCH key+' },
  { form: 'TYPE key' },
  { form: 'RENAME key key' },
  { form: 'RENAMENX key key' },
  { form: 'COPY key key [DB db] [REPLACE]', weight: 2 },
  { form: 'MOVE key db' },
  { form: 'EXPIRE key ttl [NX|XX]', weight: 2 },
  { form: 'PEXPIRE key ttl [NX|XX]' },
  { form: 'EXPIREAT key at [NX|XX|GT|LT|NX XX]' },
  { form: 'PEXPIREAT key atms [NX|XX|GT|LT|GT LT]' },
  { form: 'TTL key', same: nearSeconds },
  { form: 'PTTL key', same: nearMs },
  { form: 'EXPIRETIME key', same: nearSeconds },
  { form: 'PEXPIRETIME key', same: nearMs },
  { form: 'PERSIST key' },
  { form: 'OBJECT ENCODING key', weight: 4 },
  { form: 'OBJECT FREQ key' },
  { form: 'OBJECT IDLETIME key', same: sameKind },
  { form: 'DUMP key', isDump: true, isAlone: true, weight: 2 },
  { form: 'KEYS pattern', same: unordered },
  {
    form: 'SCAN 0 [MATCH pattern] [TYPE typename] COUNT 100000',
    same: scanned,
    isFirm: true,
  },
  { form: 'DBSIZE' },
  { form: 'RANDOMKEY', same: sameSize, isAlone: true, witness: (_, reply) => keyExists(reply) },
  { form: 'SELECT db', weight: 0.5 },
  { form: 'SWAPDB db db', weight: 0.2 },
  { form: 'FLUSHDB [ASYNC|SYNC|X]', weight: 0.05 },
  { form: 'FLUSHALL [ASYNC|SYNC|X]', weight: 0.05 },
  { form: 'DEBUG RELOAD', weight: 0.15, isAlone: true },
  { form: 'WATCH key+', weight: 0.5 },
  { form: 'UNWATCH', weight: 0.2 },
]

function keyExists({ kind, text }: Value): string[] {
  return kind === 'bulk' ? ['EXISTS', text] : ['PING']
}

const BITFIELD =
  '(GET bitfieldtype bitfieldoffset|SET bitfieldtype bitfieldoffset int|' +
  'INCRBY bitfieldtype bitfieldoffset int)'

/** LIMIT, GET and the direction. */
const SORT_PART = '[LIMIT int int] {GET get}* [ASC|DESC]'
const ANY = '(list|set|zset|nums)'
const SORT = { convertsZsets: true } as const

// Equal texts are in any order, unless they are the elements themselves.
export const SORT_ROWS: readonly Row[] = [
  { ...SORT, form: `SORT nums [BY weights] ${SORT_PART} [STORE list]` },
  { ...SORT, form: `SORT nums BY weights ${SORT_PART} ALPHA`, same: unsorted },
  { ...SORT, form: `SORT ${ANY} ${SORT_PART} ALPHA [STORE list]` },
  { ...SORT, form: `SORT (list|nums) BY nosort ${SORT_PART} STORE list` },
  { ...SORT, form: `SORT (list|nums|zset) BY nosort ${SORT_PART}`, same: unsorted },
  { ...SORT, form: `SORT_RO ${ANY} [BY weights] ${SORT_PART}` },
  { ...SORT, form: `SORT_RO ${ANY} BY weights ${SORT_PART} ALPHA`, same: unsorted },
]

export const STRING_ROWS: readonly Row[] = [
  { form: 'SET string value [NX|XX] [GET] [KEEPTTL|EX ttl|PX ttl|EXAT at|PXAT atms]', weight: 3 },
  { form: 'SET key value' },
  { form: 'SET weightkey number', weight: 2 },
  { form: 'HSET hashkey w number', weight: 1 },
  { form: 'GET string' },
  { form: 'GETEX string [PERSIST|EX ttl|PX ttl|EXAT at|PXAT atms]' },
  { form: 'GETDEL string' },
  { form: 'GETSET string value' },
  { form: 'SETNX string value' },
  { form: 'SETEX string ttl value' },
  { form: 'PSETEX string ttl value' },
  { form: 'MSET {string value}+' },
  { form: 'MSETNX {string value}+' },
  { form: 'MGET (string|key)+' },
  { form: 'APPEND string value' },
  { form: 'STRLEN string' },
  { form: 'SETRANGE string offset value' },
  { form: 'GETRANGE string index index' },
  { form: 'SUBSTR string index index' },
  { form: 'INCR string' },
  { form: 'DECR string' },
  { form: 'INCRBY string int' },
  { form: 'DECRBY string int' },
  { form: 'INCRBYFLOAT string float' },
  { form: 'LCS string string [LEN|IDX] [MINMATCHLEN count] [WITHMATCHLEN]' },
  { form: 'SETBIT bits offset bit', weight: 3 },
  { form: 'GETBIT bits offset' },
  { form: 'BITCOUNT bits [index index [BYTE|BIT]]' },
  { form: 'BITPOS bits bit [index [index [BYTE|BIT]]]' },
  { form: 'BITOP (AND|OR|XOR) bits bits+' },
  { form: 'BITOP NOT bits (bits|string)' },
  {
    form: `BITFIELD bits {[OVERFLOW (WRAP|SAT)] ${BITFIELD}}*`,
  },
  // A string that got longer while all writes failed is a change here.
  { form: `BITFIELD bits OVERFLOW FAIL {${BITFIELD}}+`, hasOwnChanges: true },
  { form: 'BITFIELD_RO bits {GET bitfieldtype bitfieldoffset}*' },
  { form: 'PFADD hll member*', weight: 3 },
  { form: 'PFCOUNT hll+' },
  { form: 'PFMERGE hll hll*' },
  { form: 'GET hll' },
  { form: 'PFDEBUG (ENCODING|TODENSE|GETREG|DECODE) hll', weight: 0.3 },
]
