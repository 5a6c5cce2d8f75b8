// The family of all keys, whatever they hold: DEL, UNLINK, EXISTS, TOUCH, TYPE, and the rows of the
// whole family. Front door of key-expire.ts, key-list.ts, key-move.ts and key-object.ts. DUMP and
// RESTORE stand in persist/dump.ts, as their payloads are RDB's.

import { fail } from '../base/assert.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'
import { inspect, keyArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { DEL, noteChange } from './key-event.ts'
import {
  expire,
  expireat,
  expiretime,
  persist,
  pexpire,
  pexpireat,
  pexpiretime,
  pttl,
  ttl,
} from './key-expire.ts'
import { keys, randomkey, scan, TYPE_NAMES } from './key-list.ts'
import { copy, move, rename, renamenx } from './key-move.ts'
import { objectCommand } from './key-object.ts'

/**
 * DEL key …: how many were there and are gone. What cannot be freed in half a millisecond is left
 * to lazy free. O(N).
 */
export function del(context: Context, args: Args, reply: Reply): void {
  remove(context, args, context.limits.isUserDelLazy, reply)
}

/** UNLINK key …: DEL that leaves all larger values to lazy free. O(N). */
export function unlink(context: Context, args: Args, reply: Reply): void {
  remove(context, args, true, reply)
}

/** EXISTS key …: how many are there; one named twice counts twice. O(N). */
export function exists(context: Context, args: Args, reply: Reply): void {
  let count = 0
  for (let i = 1; i < args.count; i++) {
    if (inspect(context, keyArgument(context, args, i)) !== NULL) count++
  }
  reply.integer(count)
}

/** TOUCH key …: how many are there; each is an access. O(N). */
export function touch(context: Context, args: Args, reply: Reply): void {
  let count = 0
  for (let i = 1; i < args.count; i++) {
    if (context.db.find(keyArgument(context, args, i)) !== NULL) count++
  }
  reply.integer(count)
}

/** TYPE key: the type's name, `none` without a key. O(1). */
export function type(context: Context, args: Args, reply: Reply): void {
  const record = inspect(context, keyArgument(context, args, 1))
  if (record === NULL) return reply.simple('none')
  reply.simple(TYPE_NAMES.get(context.db.typeOf(record)) ?? fail('each type has a name'))
}

function remove(context: Context, args: Args, isLazy: boolean, reply: Reply): void {
  const { db, keyspace } = context
  let count = 0
  const wasLazy = keyspace.lazyFree.enter(isLazy)
  for (let i = 1; i < args.count; i++) {
    const key = keyArgument(context, args, i)
    const record = db.peek(key)
    if (record === NULL) continue
    db.remove(record)
    noteChange(context, key, DEL)
    count++
  }
  keyspace.lazyFree.enter(wasLazy)
  reply.integer(count)
}

const ONE_KEY = { keys: [1, 1, 1], group: 'generic', complexity: 'O(1)' } as const
const TWO_KEYS = { ...ONE_KEY, keys: [1, 2, 1] } as const
const NO_KEY = { ...ONE_KEY, keys: [0, 0, 0] } as const
const ALL_KEYS = {
  ...ONE_KEY,
  keys: [1, -1, 1],
  complexity: 'O(N), where N is the number of keys.',
  tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
} as const
const DEADLINE_WRITE = {
  ...ONE_KEY,
  arity: -3,
  flags: Flag.Write | Flag.Fast,
  keyFlags: ['RW update'],
} as const
const DEADLINE_READ = {
  ...ONE_KEY,
  arity: 2,
  flags: Flag.ReadOnly | Flag.Fast,
  keyFlags: ['RO access'],
} as const

export const keyCommands: readonly Command[] = [
  {
    ...TWO_KEYS,
    name: 'copy',
    arity: -3,
    flags: Flag.Write | Flag.DenyOom,
    since: '6.2.0',
    run: copy,
    summary: 'Copy a key',
    keyFlags: ['RO access', 'OW update'],
    complexity: 'O(1) for strings, O(N) for collections of N elements.',
  },
  {
    ...ALL_KEYS,
    name: 'del',
    arity: -2,
    flags: Flag.Write,
    since: '1.0.0',
    run: del,
    summary: 'Delete a key',
    keyFlags: ['RM delete'],
    complexity: 'O(N), where N is the number of keys, and O(M) for a collection of M elements.',
  },
  {
    ...ALL_KEYS,
    name: 'exists',
    arity: -2,
    flags: Flag.ReadOnly | Flag.Fast,
    since: '1.0.0',
    run: exists,
    summary: 'Determine if a key exists',
    keyFlags: ['RO'],
  },
  {
    ...DEADLINE_WRITE,
    name: 'expire',
    since: '1.0.0',
    run: expire,
    summary: "Set a key's time to live in seconds",
  },
  {
    ...DEADLINE_WRITE,
    name: 'expireat',
    since: '1.2.0',
    run: expireat,
    summary: 'Set the expiration for a key as a UNIX timestamp',
  },
  {
    ...DEADLINE_READ,
    name: 'expiretime',
    since: '7.0.0',
    run: expiretime,
    summary: 'Get the expiration Unix timestamp for a key',
  },
  {
    ...NO_KEY,
    name: 'keys',
    arity: 2,
    flags: Flag.ReadOnly,
    since: '1.0.0',
    run: keys,
    summary: 'Find all keys matching the given pattern',
    categories: ['dangerous'],
    complexity: 'O(N), where N is the number of keys in the database.',
    tips: ['request_policy:all_shards', 'nondeterministic_output_order'],
  },
  {
    ...ONE_KEY,
    name: 'move',
    arity: 3,
    flags: Flag.Write | Flag.Fast,
    since: '1.0.0',
    run: move,
    summary: 'Move a key to another database',
    keyFlags: ['RW access update'],
  },
  objectCommand,
  {
    ...DEADLINE_WRITE,
    name: 'persist',
    arity: 2,
    since: '2.2.0',
    run: persist,
    summary: 'Remove the expiration from a key',
  },
  {
    ...DEADLINE_WRITE,
    name: 'pexpire',
    since: '2.6.0',
    run: pexpire,
    summary: "Set a key's time to live in milliseconds",
  },
  {
    ...DEADLINE_WRITE,
    name: 'pexpireat',
    since: '2.6.0',
    run: pexpireat,
    summary: 'Set the expiration for a key as a UNIX timestamp specified in milliseconds',
  },
  {
    ...DEADLINE_READ,
    name: 'pexpiretime',
    since: '7.0.0',
    run: pexpiretime,
    summary: 'Get the expiration Unix timestamp for a key in milliseconds',
  },
  {
    ...DEADLINE_READ,
    name: 'pttl',
    since: '2.6.0',
    run: pttl,
    summary: 'Get the time to live for a key in milliseconds',
    tips: ['nondeterministic_output'],
  },
  {
    ...NO_KEY,
    name: 'randomkey',
    arity: 1,
    flags: Flag.ReadOnly,
    since: '1.0.0',
    run: randomkey,
    summary: 'Return a random key from the keyspace',
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
  },
  {
    ...TWO_KEYS,
    name: 'rename',
    arity: 3,
    flags: Flag.Write,
    since: '1.0.0',
    run: rename,
    summary: 'Rename a key',
    keyFlags: ['RW access delete', 'OW update'],
  },
  {
    ...TWO_KEYS,
    name: 'renamenx',
    arity: 3,
    flags: Flag.Write | Flag.Fast,
    since: '1.0.0',
    run: renamenx,
    summary: 'Rename a key, only if the new key does not exist',
    keyFlags: ['RW access delete', 'OW insert'],
  },
  {
    ...NO_KEY,
    name: 'scan',
    arity: -2,
    flags: Flag.ReadOnly,
    since: '2.8.0',
    run: scan,
    summary: 'Incrementally iterate the keys space',
    complexity: 'O(1) for every call, O(N) for all of N keys.',
    tips: ['nondeterministic_output', 'request_policy:special'],
  },
  {
    ...ALL_KEYS,
    name: 'touch',
    arity: -2,
    flags: Flag.ReadOnly | Flag.Fast,
    since: '3.2.1',
    run: touch,
    summary: 'Count an access to each of the keys that exist',
    keyFlags: ['RO'],
  },
  {
    ...DEADLINE_READ,
    name: 'ttl',
    since: '1.0.0',
    run: ttl,
    summary: 'Get the time to live for a key in seconds',
    tips: ['nondeterministic_output'],
  },
  {
    ...DEADLINE_READ,
    name: 'type',
    since: '1.0.0',
    run: type,
    keyFlags: ['RO'],
    summary: 'Determine the type stored at key',
  },
  {
    ...ALL_KEYS,
    name: 'unlink',
    arity: -2,
    flags: Flag.Write | Flag.Fast,
    since: '4.0.0',
    run: unlink,
    summary: 'Delete a key without waiting for its memory',
    keyFlags: ['RM delete'],
    complexity: 'O(1) for each key; memory is given back page by page, not element by element.',
  },
]
