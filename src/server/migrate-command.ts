// MIGRATE: keys to another server. How they go is in migration.ts.
//
// Inside of EXEC nothing can wait, and Redis's way, to stand still until the target has answered,
// is not open to an engine that never waits for the network: MIGRATE is refused there.
// biome-ignore-all format: rows of a table.

import { integerArgument, keyArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import { keysAfter, oneKey } from '../command/key-spec.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { ReplyError, replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { findMigrateKeys, KEY, readMigrateOptions } from './migrate-arguments.ts'
import { NOT_CONNECTED } from './migration.ts'
import { serverContext } from './server.ts'

const DATABASE = 4
const TIMEOUT = 5
const TIMEOUT_DEFAULT_MS = 1000
const PORT_MAX = 65535

const NOT_IN_EXEC = replyError('ERR MIGRATE is not allowed inside a transaction')
const NO_KEY = 'NOKEY'

/** MIGRATE host port key|"" database timeout [options]: OK when the target has the keys. */
function migrate(context: Context, args: Args, reply: Reply): void {
  const options = readMigrateOptions(args)
  if (options instanceof ReplyError) return reply.error(options)
  const timeout = integerArgument(args, TIMEOUT, reply)
  if (timeout === null) return
  const database = integerArgument(args, DATABASE, reply)
  if (database === null) return
  const { client, server } = serverContext(context)
  if (client.isExecuting) return reply.error(NOT_IN_EXEC)
  const isThere = (i: number) => context.db.find(keyArgument(context, args, i)) !== NULL
  const keys = options.keys.filter(isThere)
  if (keys.length === 0) return reply.simple(NO_KEY)
  const port = args.integer(2)
  const isPort = typeof port === 'number' && port >= 0 && port <= PORT_MAX
  // Without a name Node would connect to this machine.
  if (!isPort || args.length(1) === 0) return reply.error(NOT_CONNECTED)
  server.migrations.begin(client, context.db, {
    isCopy: options.isCopy,
    request: {
      target: { host: args.text(1), port },
      args: args.clone(),
      keys,
      secrets: options.secrets,
      database: Number(database),
      timeoutMs: timeout > 0 ? Number(timeout) : TIMEOUT_DEFAULT_MS,
      isReplacing: options.isReplacing,
    },
  })
}

export const migrateCommands: readonly Command[] = [
  {
    name: 'migrate', arity: -6, flags: Flag.Write | Flag.MovableKeys, keys: [KEY, KEY, 1],
    group: 'generic', since: '2.6.0', run: migrate,
    findKeys: findMigrateKeys,
    categories: ['dangerous'], tips: ['nondeterministic_output'],
    keyFlags: ['RW access delete'],
    keySpecs: [
      oneKey(KEY, 'RW access delete'), keysAfter('KEYS', -2, 'RW access delete incomplete'),
    ],
    summary: 'Moves keys to another server, or copies them',
    complexity: 'O(N) for N bytes of values: as DUMP and DEL here, and RESTORE there.',
  },
]
