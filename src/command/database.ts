// Databases as a whole: SELECT, SWAPDB, FLUSHDB, FLUSHALL, DBSIZE.
//
// A flush takes all keys away at once, whatever their number; what remains is to give the pages
// back: SYNC does so before it answers, ASYNC leaves it to the cron (Keyspace.reclaimStep). Flushes
// are repeated elsewhere even if there was nothing to flush, as Redis does.

import type { Database } from '../keyspace/database.ts'
import { type Args, word } from '../resp/args.ts'
import { DB_OUT_OF_RANGE, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { int32Argument, int32ArgumentOr } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { Target } from './effects.ts'

const SYNC = word('sync')
const ASYNC = word('async')

const FIRST_INVALID = replyError('ERR invalid first DB index')
const SECOND_INVALID = replyError('ERR invalid second DB index')

/** SELECT index: OK. O(1). */
export function select(context: Context, args: Args, reply: Reply): void {
  const id = int32Argument(args, 1, reply)
  if (id === null) return
  const db = context.keyspace.databases[id]
  if (db === undefined) return reply.error(DB_OUT_OF_RANGE)
  context.db = db
  context.session.database = id
  reply.ok()
}

/** SWAPDB index index: OK; clients see the other one's keys at once. O(1). */
export function swapdb({ keyspace, observer }: Context, args: Args, reply: Reply): void {
  const first = int32ArgumentOr(FIRST_INVALID, args, 1, reply)
  if (first === null) return
  const second = int32ArgumentOr(SECOND_INVALID, args, 2, reply)
  if (second === null) return
  const a = keyspace.databases[first]
  const b = keyspace.databases[second]
  if (a === undefined || b === undefined) return reply.error(DB_OUT_OF_RANGE)
  if (a !== b) {
    a.swapWith(b)
    if (observer.isOn) observer.noteSwap(a, b)
  }
  keyspace.dirty++
  reply.ok()
}

/** FLUSHDB [SYNC | ASYNC]: OK. O(1), and O(pages) when SYNC. */
export function flushdb(context: Context, args: Args, reply: Reply): void {
  const { keyspace, db } = context
  const isLazy = parseLaziness(context, args)
  if (isLazy === null) return reply.error(SYNTAX_ERROR)
  flushDatabase(context, db)
  context.effects.force(Target.All)
  if (!isLazy) keyspace.reclaimAll()
  reply.ok()
}

/**
 * FLUSHALL [SYNC | ASYNC]: OK; where there are save points, once the file on disk is empty, too.
 * O(databases), and O(pages) when SYNC.
 */
export function flushall(context: Context, args: Args, reply: Reply): void {
  const { keyspace } = context
  const isLazy = parseLaziness(context, args)
  if (isLazy === null) return reply.error(SYNTAX_ERROR)
  for (const db of keyspace.databases) flushDatabase(context, db)
  context.effects.force(Target.All)
  if (!isLazy) keyspace.reclaimAll()
  if (!context.noteFlushAll()) reply.ok()
}

function flushDatabase({ keyspace, observer }: Context, db: Database): void {
  if (observer.isOn) observer.noteFlush(db)
  keyspace.dirty += keyspace.flush(db)
}

/** DBSIZE: keys of the selected database. O(1). */
export function dbsize({ db }: Context, _args: Args, reply: Reply): void {
  reply.integer(db.size)
}

/** Whether argument 1, or the configuration without it, says ASYNC; null: a syntax error. */
function parseLaziness({ limits }: Context, args: Args): boolean | null {
  if (args.count === 1) return limits.isUserFlushLazy
  if (args.count > 2) return null
  if (args.is(1, ASYNC)) return true
  return args.is(1, SYNC) ? false : null
}

const SERVER = { keys: [0, 0, 0], group: 'server' } as const

export const databaseCommands: readonly Command[] = [
  {
    ...SERVER,
    name: 'dbsize',
    arity: 1,
    flags: Flag.ReadOnly | Flag.Fast,
    since: '1.0.0',
    run: dbsize,
    summary: 'Return the number of keys in the selected database',
    complexity: 'O(1)',
    categories: ['keyspace'],
    tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
  },
  {
    ...SERVER,
    name: 'flushall',
    arity: -1,
    flags: Flag.Write,
    since: '1.0.0',
    run: flushall,
    summary: 'Remove all keys from all databases',
    complexity: 'O(N), where N is the number of pages that the keys took.',
    categories: ['keyspace', 'dangerous'],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
  },
  {
    ...SERVER,
    name: 'flushdb',
    arity: -1,
    flags: Flag.Write,
    since: '1.0.0',
    run: flushdb,
    summary: 'Remove all keys from the current database',
    complexity: 'O(N), where N is the number of pages that the keys took.',
    categories: ['keyspace', 'dangerous'],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
  },
  {
    name: 'select',
    arity: 2,
    flags: Flag.Loading | Flag.Stale | Flag.Fast,
    keys: [0, 0, 0],
    group: 'connection',
    since: '1.0.0',
    run: select,
    summary: 'Change the selected database for the current connection',
    complexity: 'O(1)',
  },
  {
    ...SERVER,
    name: 'swapdb',
    arity: 3,
    flags: Flag.Write | Flag.Fast,
    since: '4.0.0',
    run: swapdb,
    summary: 'Swap two Redis databases',
    complexity: 'O(1)',
    categories: ['keyspace', 'dangerous'],
  },
]
