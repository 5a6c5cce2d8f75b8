// MONITOR: turns a client into one that sees all commands; see monitor.ts. As in Redis, it may not
// touch keys from then on, and gets out of it by RESET only.
//
// The error inside of a transaction has Redis's words, though nothing would block.

import { type Command, type Context, Flag } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { serverContext } from './server.ts'

const NOT_IN_TRANSACTIONS = replyError("ERR MONITOR isn't allowed for DENY BLOCKING client")

/** MONITOR: OK, and from then on every command; a second one says nothing. */
function monitor(context: Context, _args: Args, reply: Reply): void {
  const { client, server, blocker } = serverContext(context)
  if (!blocker.canWait) return reply.error(NOT_IN_TRANSACTIONS)
  if (client.isMonitor) return
  server.monitors.add(client)
  reply.ok()
}

export const monitorCommands: readonly Command[] = [
  {
    name: 'monitor',
    arity: 1,
    flags: Flag.Admin | Flag.NoScript | Flag.Loading | Flag.Stale,
    keys: [0, 0, 0],
    group: 'server',
    since: '1.0.0',
    run: monitor,
    summary: 'Show every command that the server executes',
    complexity: 'O(1), and O(N) for each command, where N is the number of clients that monitor.',
  },
]
