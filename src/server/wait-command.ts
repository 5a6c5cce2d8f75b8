// WAIT: how many replicas have what this client has written. There are none that could confirm, so
// the answer is 0: at once if that is enough, else when the time is up.
// biome-ignore-all format: rows of a table.

import { integerArgument, timeoutMsArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag, NilForm } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'

const NO_KEYS: readonly number[] = []

/** WAIT replicas ms: how many replicas have confirmed. */
function wait(context: Context, args: Args, reply: Reply): void {
  const wanted = integerArgument(args, 1, reply)
  if (wanted === null) return
  const deadlineMs = timeoutMsArgument(context, args, 2, reply)
  if (deadlineMs === null) return
  if (wanted <= 0 || !context.blocker.canWait) return reply.integer(0)
  context.blocker.wait({ positions: NO_KEYS, deadlineMs, nil: NilForm.Zero })
}

export const waitCommands: readonly Command[] = [
  {
    name: 'wait', arity: 3, flags: Flag.NoScript, keys: [0, 0, 0], group: 'generic',
    since: '3.0.0', run: wait, categories: ['connection'],
    isOutOfGroup: true,
    summary: 'Waits until replicas have the writes of this connection', complexity: 'O(1)',
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
  },
]
