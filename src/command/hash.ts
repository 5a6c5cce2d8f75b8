// The hash family: HGET and its like, and the rows of all commands on hashes. Front door of
// hash-set.ts (changes) and hash-random.ts (HRANDFIELD). COMMAND reads the same rows; names, flags,
// keys and ACL categories are Redis's.

import { scratchSlice } from '../base/slice.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { HashWalk } from '../keyspace/hash/hash-walk.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { INVALID_CURSOR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, valueArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { hrandfield } from './hash-random.ts'
import { hdel, hincrby, hincrbyfloat, hmset, hset, hsetnx } from './hash-set.ts'
import { cursorArgument, replyNoScan, replySteps, ScanOptions } from './scan-arguments.ts'

const HASH = new HashValue()
const WALK = new HashWalk()
const VALUE = scratchSlice()
const OPTIONS = new ScanOptions(true)

/** HGET key field: the value; nil when absent. O(1), allocates nothing. */
export function hget(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.nil()
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  HASH.open(db, record)
  replyValue(context, args, 2, reply)
}

/** HMGET key field …: the values, nil for what is absent. O(N). */
export function hmget(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record !== NULL && db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  if (record !== NULL) HASH.open(db, record)
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (record === NULL) reply.nil()
    else replyValue(context, args, i, reply)
  }
}

/** The value of the field in argument `i`, or nil. */
function replyValue(context: Context, args: Args, i: number, reply: Reply): void {
  if (!HASH.find(valueArgument(context, args, i))) return reply.nil()
  HASH.readValue(VALUE)
  reply.bulk(VALUE.bytes, VALUE.start, VALUE.length)
}

/** HGETALL key: all fields with their values. O(N). */
export function hgetall(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.map(0)
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  reply.map(WALK.countOf(db, HASH.open(db, record)))
  WALK.open(db, record)
  const { field, value } = WALK
  while (WALK.next()) {
    reply.bulk(field.bytes, field.start, field.length)
    reply.bulk(value.bytes, value.start, value.length)
  }
}

/** HKEYS key: all fields. O(N). */
export function hkeys(context: Context, args: Args, reply: Reply): void {
  if (!openWalk(context, args, reply)) return
  const { field } = WALK
  while (WALK.next()) reply.bulk(field.bytes, field.start, field.length)
}

/** HVALS key: all values. O(N). */
export function hvals(context: Context, args: Args, reply: Reply): void {
  if (!openWalk(context, args, reply)) return
  const { value } = WALK
  while (WALK.next()) reply.bulk(value.bytes, value.start, value.length)
}

/** Begins the reply of as many elements as the hash has, and a walk; false: that was all. */
function openWalk(context: Context, args: Args, reply: Reply): boolean {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) reply.array(0)
  else if (db.typeOf(record) !== Type.Hash) reply.error(WRONG_TYPE)
  else {
    reply.array(WALK.countOf(db, HASH.open(db, record)))
    WALK.open(db, record)
    return true
  }
  return false
}

/** HLEN key: the number of fields, those included that are overdue, as in Redis 7.4. O(1). */
export function hlen(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  reply.integer(HASH.open(db, record).count)
}

/** HSTRLEN key field: the length of the value, 0 when absent. O(1). */
export function hstrlen(context: Context, args: Args, reply: Reply): void {
  if (openField(context, args, reply)) reply.integer(HASH.readValue(VALUE).length)
}

/** HEXISTS key field: 1 or 0. O(1). */
export function hexists(context: Context, args: Args, reply: Reply): void {
  if (openField(context, args, reply)) reply.integer(1)
}

/** Points HASH at the field in argument 2; false after the reply 0 or an error. */
function openField(context: Context, args: Args, reply: Reply): boolean {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record !== NULL && db.typeOf(record) !== Type.Hash) {
    reply.error(WRONG_TYPE)
    return false
  }
  if (record !== NULL && HASH.open(db, record).find(valueArgument(context, args, 2))) return true
  reply.integer(0)
  return false
}

/** HSCAN key cursor [MATCH p] [COUNT n] [NOVALUES]: next cursor, fields and values. O(count). */
export function hscan(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const cursor = cursorArgument(args, 2)
  if (cursor === null) return reply.error(INVALID_CURSOR)
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return replyNoScan(reply)
  if (db.typeOf(record) !== Type.Hash) return reply.error(WRONG_TYPE)
  if (!OPTIONS.parse(args, 3, reply)) return
  replySteps(SCAN, { db, record, cursor }, reply)
}

/** Replies the fields of a step that match; returns how many elements that are. */
function replyStep(reply: Reply): number {
  const { glob, isKeysOnly } = OPTIONS
  const { field, value } = WALK
  let found = 0
  while (WALK.next()) {
    if (!glob.matches(field.bytes, field.start, field.length)) continue
    reply.bulk(field.bytes, field.start, field.length)
    found++
    if (isKeysOnly) continue
    reply.bulk(value.bytes, value.start, value.length)
    found++
  }
  return found
}

const SCAN = { walk: WALK, options: OPTIONS, replyStep }

const READ = { flags: Flag.ReadOnly, keys: [1, 1, 1], group: 'hash', since: '2.0.0' } as const
const FAST_READ = { ...READ, flags: Flag.ReadOnly | Flag.Fast } as const
const WRITE = { ...READ, flags: Flag.Write | Flag.DenyOom | Flag.Fast } as const
/** Reads of all there is. */
const WHOLE_READ = {
  ...READ,
  arity: 2,
  complexity: 'O(N), where N is the size of the hash.',
  keyFlags: ['RO access'],
  tips: ['nondeterministic_output_order'],
} as const
const COUNT = { ...WRITE, arity: 4, complexity: 'O(1)', keyFlags: ['RW access update'] } as const
const SET_COMPLEXITY = 'O(N), where N is the number of fields given.'

export const hashCommands: readonly Command[] = [
  {
    ...WRITE,
    flags: Flag.Write | Flag.Fast,
    name: 'hdel',
    arity: -3,
    run: hdel,
    summary: 'Remove fields of a hash',
    complexity: SET_COMPLEXITY,
    keyFlags: ['RW delete'],
  },
  {
    ...FAST_READ,
    name: 'hexists',
    arity: 3,
    run: hexists,
    summary: 'Determine whether a hash has a field',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...FAST_READ,
    name: 'hget',
    arity: 3,
    run: hget,
    summary: 'Get the value of a field of a hash',
    complexity: 'O(1)',
    keyFlags: ['RO access'],
  },
  {
    ...WHOLE_READ,
    name: 'hgetall',
    run: hgetall,
    summary: 'Get all fields of a hash with their values',
  },
  {
    ...COUNT,
    name: 'hincrby',
    run: hincrby,
    summary: 'Increment the integer value of a field by the given amount',
  },
  {
    ...COUNT,
    name: 'hincrbyfloat',
    since: '2.6.0',
    run: hincrbyfloat,
    summary: 'Increment the float value of a field by the given amount',
  },
  {
    ...WHOLE_READ,
    name: 'hkeys',
    run: hkeys,
    summary: 'Get all fields of a hash',
  },
  {
    ...FAST_READ,
    name: 'hlen',
    arity: 2,
    run: hlen,
    summary: 'Get the number of fields of a hash',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...FAST_READ,
    name: 'hmget',
    arity: -3,
    run: hmget,
    summary: 'Get the values of fields of a hash',
    complexity: SET_COMPLEXITY,
    keyFlags: ['RO access'],
  },
  {
    ...WRITE,
    name: 'hmset',
    arity: -4,
    run: hmset,
    summary: 'Set fields of a hash',
    complexity: SET_COMPLEXITY,
    keyFlags: ['RW update'],
    deprecated: { since: '4.0.0', replacedBy: '`HSET` with multiple field-value pairs' },
  },
  {
    ...READ,
    name: 'hrandfield',
    arity: -2,
    since: '6.2.0',
    run: hrandfield,
    summary: 'Get random fields of a hash',
    complexity: 'O(N), where N is the number of fields returned.',
    keyFlags: ['RO access'],
    tips: ['nondeterministic_output'],
  },
  {
    ...READ,
    name: 'hscan',
    arity: -3,
    since: '2.8.0',
    run: hscan,
    summary: 'Iterate over the fields of a hash',
    complexity: 'O(1) for a call, O(N) for all calls of a whole iteration.',
    keyFlags: ['RO access'],
    tips: ['nondeterministic_output'],
  },
  {
    ...WRITE,
    name: 'hset',
    arity: -4,
    run: hset,
    summary: 'Set fields of a hash',
    complexity: SET_COMPLEXITY,
    keyFlags: ['RW update'],
  },
  {
    ...WRITE,
    name: 'hsetnx',
    arity: 4,
    run: hsetnx,
    summary: 'Set a field of a hash, only if it does not exist',
    complexity: 'O(1)',
    keyFlags: ['RW insert'],
  },
  {
    ...FAST_READ,
    name: 'hstrlen',
    arity: 3,
    since: '3.2.0',
    run: hstrlen,
    summary: 'Get the length of the value of a field',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...WHOLE_READ,
    name: 'hvals',
    run: hvals,
    summary: 'Get all values of a hash',
  },
]
