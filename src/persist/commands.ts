// SAVE, BGSAVE, LASTSAVE: the rows of these commands and how they answer. What they start, and what
// may not run beside what, is `Persistence`'s.
//
// A context knows nothing of persistence: whoever builds the command table, the server, passes the
// way from one to the other.

import { type Command, type Context, Flag } from '../command/command.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SAVE_IN_PROGRESS, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Persistence } from './persistence.ts'

const SCHEDULE = word('schedule')
const SAVE_FAILED = replyError('ERR')

/** The rows, over the persistence that `persistenceOf` finds. */
export function persistCommands(
  persistenceOf: (context: Context) => Persistence,
): readonly Command[] {
  /** SAVE: OK when the file is written; blocks everybody until then. O(n). */
  function save(context: Context, _args: Args, reply: Reply): void {
    const persistence = persistenceOf(context)
    if (persistence.isSaving) return reply.error(SAVE_IN_PROGRESS)
    if (persistence.save() !== null) return reply.error(SAVE_FAILED)
    reply.ok()
  }

  /** BGSAVE [SCHEDULE]: starts a save in the background. O(1). */
  function bgsave(context: Context, args: Args, reply: Reply): void {
    const persistence = persistenceOf(context)
    const isScheduled = args.count === 2 && args.is(1, SCHEDULE)
    if (args.count > 2 || (args.count === 2 && !isScheduled)) return reply.error(SYNTAX_ERROR)
    // As in Redis: a save that runs refuses another one; SCHEDULE waits only for an AOF rewrite.
    if (persistence.isSaving) return reply.error(SAVE_IN_PROGRESS)
    const error = persistence.startBackground()
    if (error !== null) return reply.errorText(`ERR ${error}`)
    reply.simple('Background saving started')
  }

  /** LASTSAVE: unix seconds of the last save that went well. O(1). */
  function lastsave(context: Context, _args: Args, reply: Reply): void {
    reply.integer(persistenceOf(context).lastSaveSeconds)
  }

  return [
    {
      name: 'save',
      arity: 1,
      flags: Flag.Admin | Flag.NoScript | Flag.NoAsyncLoading | Flag.NoMulti,
      keys: [0, 0, 0],
      group: 'server',
      since: '1.0.0',
      summary: 'Synchronously save the dataset to disk',
      complexity: 'O(N) where N is the total number of keys in all databases',
      run: save,
    },
    {
      name: 'bgsave',
      arity: -1,
      flags: Flag.Admin | Flag.NoScript | Flag.NoAsyncLoading,
      keys: [0, 0, 0],
      group: 'server',
      since: '1.0.0',
      summary: 'Asynchronously save the dataset to disk',
      complexity: 'O(1)',
      run: bgsave,
    },
    {
      name: 'lastsave',
      arity: 1,
      flags: Flag.Loading | Flag.Stale | Flag.Fast,
      keys: [0, 0, 0],
      group: 'server',
      since: '1.0.0',
      summary: 'Get the UNIX time stamp of the last successful save to disk',
      complexity: 'O(1)',
      categories: ['admin', 'dangerous'],
      tips: ['nondeterministic_output'],
      run: lastsave,
    },
  ]
}
