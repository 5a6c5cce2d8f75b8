// OBJECT: what lies behind a key. No subcommand counts as an access to it.
//
// REFCOUNT answers what Redis would: integers from 0 to 9999 are shared objects there (unless the
// eviction policy needs a clock of each key), all others belong to one key. Here every value does.
// One difference is left: of a shared integer COPY makes an object of its own there.

import { parseInteger } from '../base/bytes.ts'
import { ENCODING_NAMES, Encoding, Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, writeHelp } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'

const SHARED_INTEGER_LIMIT = 10000
const SHARED_REFCOUNT = 2147483647

const NOT_LFU = replyError(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that ' +
    'when switching between policies at runtime LRU and LFU data will take some time to adjust.',
)
const IS_LFU = replyError(
  'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when ' +
    'switching between policies at runtime LRU and LFU data will take some time to adjust.',
)

const HELP = [
  'ENCODING <key>',
  '    How the value of <key> lies in memory.',
  'FREQ <key>',
  '    How often <key> is used: a counter that grows with the logarithm of recent accesses.',
  'IDLETIME <key>',
  '    Seconds since <key> was used last, roughly.',
  'REFCOUNT <key>',
  '    How many references there are to the value of <key>.',
]

/** OBJECT ENCODING key: Redis's name for how the value lies in memory; nil: no key. O(1). */
function encoding(context: Context, args: Args, reply: Reply): void {
  const record = findQuietly(context, args)
  if (record === NULL) return reply.nil()
  reply.bulkText(ENCODING_NAMES[context.db.encodingOf(record)])
}

/** OBJECT REFCOUNT key: references to the value; nil: no key. O(1). */
function refcount(context: Context, args: Args, reply: Reply): void {
  const record = findQuietly(context, args)
  if (record === NULL) return reply.nil()
  reply.integer(isSharedInteger(context, record) ? SHARED_REFCOUNT : 1)
}

function isSharedInteger({ db, value, limits }: Context, record: Ptr): boolean {
  if (!limits.isIntegerShared || db.typeOf(record) !== Type.String) return false
  if (db.encodingOf(record) !== Encoding.Int) return false
  db.readString(record, value)
  const integer = parseInteger(value.bytes, value.start, value.length)
  return integer !== null && integer >= 0 && integer < SHARED_INTEGER_LIMIT
}

/** OBJECT IDLETIME key: seconds since the last access; nil: no key. O(1). */
function idletime(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  const record = findQuietly(context, args)
  if (record === NULL) return reply.nil()
  if (keyspace.clock.isLfu) return reply.error(IS_LFU)
  reply.integer(keyspace.clock.idleSeconds(db.clockOf(record)))
}

/** OBJECT FREQ key: the counter of accesses, 0 to 255; nil: no key. O(1). */
function freq(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  const record = findQuietly(context, args)
  if (record === NULL) return reply.nil()
  if (!keyspace.clock.isLfu) return reply.error(NOT_LFU)
  reply.integer(keyspace.clock.frequency(db.clockOf(record)))
}

/** The record of the key in argument 2. Counts as a hit or a miss, but no miss is announced. */
function findQuietly(context: Context, args: Args): Ptr {
  const { stats } = context.keyspace
  const record = context.db.peek(keyArgument(context, args, 2))
  if (record === NULL) stats.misses++
  else stats.hits++
  return record
}

function help(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'OBJECT', HELP)
}

const INSPECTION = {
  arity: 3,
  flags: Flag.ReadOnly,
  keys: [2, 2, 1],
  group: 'generic',
  complexity: 'O(1)',
  keyFlags: ['RO'],
  tips: ['nondeterministic_output'],
} as const

export const objectCommand: Command = {
  name: 'object',
  arity: -2,
  flags: 0,
  keys: [0, 0, 0],
  group: 'generic',
  since: '2.2.3',
  summary: 'A container for object introspection commands',
  complexity: 'Depends on subcommand.',
  subcommands: [
    {
      ...INSPECTION,
      name: 'encoding',
      since: '2.2.3',
      run: encoding,
      summary: 'Inspect the internal encoding of the value of a key',
    },
    {
      ...INSPECTION,
      name: 'freq',
      since: '4.0.0',
      run: freq,
      summary: 'Get the logarithmic access frequency counter of a key',
    },
    {
      name: 'help',
      arity: 2,
      flags: Flag.Loading | Flag.Stale,
      keys: [0, 0, 0],
      group: 'generic',
      since: '6.2.0',
      run: help,
      summary: 'Show what the subcommands do',
      complexity: 'O(1)',
    },
    {
      ...INSPECTION,
      name: 'idletime',
      since: '2.2.3',
      run: idletime,
      summary: 'Get the time since a key was last accessed',
    },
    {
      ...INSPECTION,
      name: 'refcount',
      since: '2.2.3',
      run: refcount,
      summary: 'Get the number of references to the value of a key',
    },
  ],
}
