// WAIT: how many replicas have what this client has written.
// biome-ignore-all format: rows of a table.

import { integerArgument, timeoutMsArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag, NilForm } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'
import { serverContext } from './server.ts'

const NO_KEYS: readonly number[] = []

/** WAIT replicas ms: how many replicas have confirmed, when these are enough or time is up. */
function wait(context: Context, args: Args, reply: Reply): void {
  const wanted = integerArgument(args, 1, reply)
  if (wanted === null) return
  const deadlineMs = timeoutMsArgument(context, args, 2, reply)
  if (deadlineMs === null) return
  const { server, client } = serverContext(context)
  const { primary, ackWaits } = server
  const { writeOffset } = client
  const acked = primary.countAcked(writeOffset)
  if (acked >= wanted || !context.blocker.canWait) return reply.integer(acked)
  const onLate = () => {
    ackWaits.forget(client)
    return primary.countAcked(writeOffset)
  }
  context.blocker.wait({ positions: NO_KEYS, deadlineMs, nil: NilForm.Bulk, onLate })
  ackWaits.add(client, Number(wanted))
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
