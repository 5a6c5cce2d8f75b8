// Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH. Between MULTI and EXEC dispatch queues what
// it would run (command/dispatch.ts); EXEC runs the queue in one go, so that no other client comes
// in between, and clients that wait for keys come after all of it. Nothing is taken back: a command
// that fails leaves its error in the array, and the next one runs.
// Sources: Redis documentation, "Transactions"; the behaviour of redis-server 7.0.
// biome-ignore-all format: rows of a table.

import { keyArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { serverContext } from './server.ts'
import { Transaction } from './transaction.ts'

const NESTED = replyError('ERR MULTI calls can not be nested')
const EXEC_WITHOUT_MULTI = replyError('ERR EXEC without MULTI')
const DISCARD_WITHOUT_MULTI = replyError('ERR DISCARD without MULTI')
const WATCH_INSIDE = replyError('ERR WATCH inside MULTI is not allowed')
const ABORTED = replyError('EXECABORT Transaction discarded because of previous errors.')

/** MULTI: OK; what follows is queued. */
function multi(context: Context, _args: Args, reply: Reply): void {
  const { client } = serverContext(context)
  if (client.transaction !== null) return reply.error(NESTED)
  client.transaction = new Transaction()
  reply.ok()
}

/** EXEC: the replies of the queued commands; nil when a watched key has changed. */
function exec(context: Context, _args: Args, reply: Reply): void {
  const { client, server } = serverContext(context)
  const { transaction } = client
  if (transaction === null) return reply.error(EXEC_WITHOUT_MULTI)
  const isBroken = server.watches.isBroken(client)
  if (transaction.isFailed || isBroken) {
    client.abandonTransaction()
    if (transaction.isFailed) reply.error(ABORTED)
    else reply.nilArray()
    return
  }
  // From here on nobody needs to be told that a key of this client changes.
  server.watches.unwatch(client)
  const { dispatcher } = server
  client.isExecuting = true
  reply.array(transaction.commands.length)
  // Queueing and parsing is not the time of the first command.
  dispatcher.begin()
  for (const { entry, args } of transaction.commands) dispatcher.runQueued(entry, args, reply)
  client.isExecuting = false
  client.abandonTransaction()
}

/** DISCARD: OK; what was queued is forgotten, and what is watched as well. */
function discard(context: Context, _args: Args, reply: Reply): void {
  const { client } = serverContext(context)
  if (client.transaction === null) return reply.error(DISCARD_WITHOUT_MULTI)
  client.abandonTransaction()
  reply.ok()
}

/** WATCH key …: OK; EXEC does nothing if one of them changes before. O(1) for each key. */
function watch(context: Context, args: Args, reply: Reply): void {
  const { client, server } = serverContext(context)
  if (client.transaction !== null) return reply.error(WATCH_INSIDE)
  for (let i = 1; i < args.count && !client.isWatchBroken; i++) {
    server.watches.watch(client, context.db, keyArgument(context, args, i))
  }
  reply.ok()
}

/** UNWATCH: OK; changes of the watched keys do not matter any more. */
function unwatch(context: Context, _args: Args, reply: Reply): void {
  const { client, server } = serverContext(context)
  server.watches.unwatch(client)
  reply.ok()
}

const PLAIN = {
  flags: Flag.NoScript | Flag.Loading | Flag.Stale | Flag.Fast | Flag.AllowBusy,
  keys: [0, 0, 0], group: 'transactions', complexity: 'O(1)',
} as const

export const transactionCommands: readonly Command[] = [
  {
    ...PLAIN, name: 'multi', arity: 1, since: '1.2.0', run: multi,
    summary: 'Begins a transaction: commands are queued until EXEC',
  },
  {
    ...PLAIN, name: 'exec', arity: 1, since: '1.2.0', run: exec,
    flags: Flag.NoScript | Flag.Loading | Flag.Stale | Flag.SkipSlowlog,
    summary: 'Runs the commands of the transaction',
    complexity: 'Depends on the commands of the transaction.',
  },
  {
    ...PLAIN, name: 'discard', arity: 1, since: '2.0.0', run: discard,
    summary: 'Forgets the commands of the transaction',
    complexity: 'O(N), where N is the number of queued commands.',
  },
  {
    ...PLAIN, name: 'watch', arity: -2, since: '2.2.0', run: watch, keys: [1, -1, 1],
    keyFlags: ['RO'],
    summary: 'Lets the next transaction run only if the keys do not change before',
    complexity: 'O(1) for each key.',
  },
  {
    ...PLAIN, name: 'unwatch', arity: 1, since: '2.2.0', run: unwatch,
    summary: 'Forgets the watched keys',
  },
]
