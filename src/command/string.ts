// The string family: GET, MGET, and the rows of all commands on strings. Front door of
// string-set.ts (SET and relatives), string-range.ts (parts), string-count.ts (numbers) and
// string-lcs.ts. COMMAND reads the same rows; names, flags, keys and ACL categories are Redis's.

import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { decr, decrby, incr, incrby, incrbyfloat } from './string-count.ts'
import { lcs } from './string-lcs.ts'
import { append, getrange, setrange, strlen } from './string-range.ts'
import {
  getdel,
  getex,
  getset,
  mset,
  msetnx,
  psetex,
  set,
  setex,
  setKeyFlags,
  setnx,
} from './string-set.ts'

/** GET key: the value; nil when absent; WRONGTYPE when not a string. O(1), allocates nothing. */
export function get(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  db.readString(record, value)
  reply.bulk(value.bytes, value.start, value.length)
}

/** MGET key …: the values, nil for what is absent or no string. O(N). */
export function mget(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  reply.array(args.count - 1)
  for (let i = 1; i < args.count; i++) {
    const record = db.find(keyArgument(context, args, i))
    if (record === NULL || db.typeOf(record) !== Type.String) {
      reply.nil()
      continue
    }
    db.readString(record, value)
    reply.bulk(value.bytes, value.start, value.length)
  }
}

const READ = { flags: Flag.ReadOnly, keys: [1, 1, 1], group: 'string' } as const
const FAST_READ = { ...READ, flags: Flag.ReadOnly | Flag.Fast } as const
const WRITE = { flags: Flag.Write | Flag.DenyOom, keys: [1, 1, 1], group: 'string' } as const
const FAST_WRITE = { ...WRITE, flags: Flag.Write | Flag.DenyOom | Flag.Fast } as const
/** Writes that never take more memory. */
const LEAN_WRITE = { ...WRITE, flags: Flag.Write | Flag.Fast } as const
const COUNT = { ...FAST_WRITE, keyFlags: ['RW access update'], complexity: 'O(1)' } as const

const RANGE_COMPLEXITY = 'O(N), where N is the length of the part that is returned.'

export const stringCommands: readonly Command[] = [
  {
    ...FAST_WRITE,
    name: 'append',
    arity: 3,
    since: '2.0.0',
    run: append,
    summary: 'Append a value to a key',
    complexity: 'O(1) on average for short values: room is allocated ahead of need.',
    keyFlags: ['RW insert'],
  },
  {
    ...COUNT,
    name: 'decr',
    arity: 2,
    since: '1.0.0',
    run: decr,
    summary: 'Decrement the integer value of a key by one',
  },
  {
    ...COUNT,
    name: 'decrby',
    arity: 3,
    since: '1.0.0',
    run: decrby,
    summary: 'Decrement the integer value of a key by the given number',
  },
  {
    ...FAST_READ,
    name: 'get',
    arity: 2,
    since: '1.0.0',
    run: get,
    summary: 'Get the value of a key',
    complexity: 'O(1)',
    keyFlags: ['RO access'],
  },
  {
    ...LEAN_WRITE,
    name: 'getdel',
    arity: 2,
    since: '6.2.0',
    run: getdel,
    summary: 'Get the value of a key and delete the key',
    complexity: 'O(1)',
    keyFlags: ['RW access delete'],
  },
  {
    ...LEAN_WRITE,
    name: 'getex',
    arity: -2,
    since: '6.2.0',
    run: getex,
    summary: 'Get the value of a key and optionally set its expiration',
    complexity: 'O(1)',
    keyFlags: ['RW access update'],
  },
  {
    ...READ,
    name: 'getrange',
    arity: 4,
    since: '2.4.0',
    run: getrange,
    summary: 'Get a substring of the string stored at a key',
    complexity: RANGE_COMPLEXITY,
    keyFlags: ['RO access'],
  },
  {
    ...FAST_WRITE,
    name: 'getset',
    arity: 3,
    since: '1.0.0',
    run: getset,
    summary: 'Set the string value of a key and return its old value',
    complexity: 'O(1)',
    keyFlags: ['RW access update'],
    deprecated: { since: '6.2.0', replacedBy: '`SET` with the `!GET` argument' },
  },
  {
    ...COUNT,
    name: 'incr',
    arity: 2,
    since: '1.0.0',
    run: incr,
    summary: 'Increment the integer value of a key by one',
  },
  {
    ...COUNT,
    name: 'incrby',
    arity: 3,
    since: '1.0.0',
    run: incrby,
    summary: 'Increment the integer value of a key by the given amount',
  },
  {
    ...COUNT,
    name: 'incrbyfloat',
    arity: 3,
    since: '2.6.0',
    run: incrbyfloat,
    summary: 'Increment the float value of a key by the given amount',
  },
  {
    ...READ,
    name: 'lcs',
    arity: -3,
    keys: [1, 2, 1],
    since: '7.0.0',
    run: lcs,
    summary: 'Find the longest common subsequence of two strings',
    complexity: 'O(N*M), where N and M are the lengths of the two strings.',
    keyFlags: ['RO access'],
  },
  {
    ...FAST_READ,
    name: 'mget',
    arity: -2,
    keys: [1, -1, 1],
    since: '1.0.0',
    run: mget,
    summary: 'Get the values of all the given keys',
    complexity: 'O(N), where N is the number of keys.',
    keyFlags: ['RO access'],
    tips: ['request_policy:multi_shard'],
  },
  {
    ...WRITE,
    name: 'mset',
    arity: -3,
    keys: [1, -1, 2],
    since: '1.0.1',
    run: mset,
    summary: 'Set multiple keys to multiple values',
    complexity: 'O(N), where N is the number of keys.',
    keyFlags: ['OW update'],
    tips: ['request_policy:multi_shard', 'response_policy:all_succeeded'],
  },
  {
    ...WRITE,
    name: 'msetnx',
    arity: -3,
    keys: [1, -1, 2],
    since: '1.0.1',
    run: msetnx,
    summary: 'Set multiple keys to multiple values, only if none of the keys exist',
    complexity: 'O(N), where N is the number of keys.',
    keyFlags: ['OW insert'],
    tips: ['request_policy:multi_shard', 'response_policy:agg_min'],
  },
  {
    ...WRITE,
    name: 'psetex',
    arity: 4,
    since: '2.6.0',
    run: psetex,
    summary: 'Set the value and expiration in milliseconds of a key',
    complexity: 'O(1)',
    keyFlags: ['OW update'],
  },
  {
    ...WRITE,
    name: 'set',
    arity: -3,
    since: '1.0.0',
    run: set,
    summary: 'Set the string value of a key',
    complexity: 'O(1)',
    keyFlags: ['RW access update variable_flags'],
    keyFlagsOf: setKeyFlags,
  },
  {
    ...WRITE,
    name: 'setex',
    arity: 4,
    since: '2.0.0',
    run: setex,
    summary: 'Set the value and expiration of a key',
    complexity: 'O(1)',
    keyFlags: ['OW update'],
  },
  {
    ...FAST_WRITE,
    name: 'setnx',
    arity: 3,
    since: '1.0.0',
    run: setnx,
    summary: 'Set the value of a key, only if the key does not exist',
    complexity: 'O(1)',
    keyFlags: ['OW insert'],
  },
  {
    ...WRITE,
    name: 'setrange',
    arity: 4,
    since: '2.2.0',
    run: setrange,
    summary: 'Overwrite part of a string at key starting at the specified offset',
    complexity: 'O(M), where M is the length of the value, and O(N) when the string must move.',
    keyFlags: ['RW update'],
  },
  {
    ...FAST_READ,
    name: 'strlen',
    arity: 2,
    since: '2.2.0',
    run: strlen,
    summary: 'Get the length of the value stored in a key',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...READ,
    name: 'substr',
    arity: 4,
    since: '1.0.0',
    run: getrange,
    summary: 'Get a substring of the string stored at a key',
    complexity: RANGE_COMPLEXITY,
    keyFlags: ['RO access'],
    deprecated: { since: '2.0.0', replacedBy: '`GETRANGE`' },
  },
]
