// SAVE, BGSAVE, LASTSAVE: the rows of these commands and how they answer. What they start, and what
// may not run beside what, is `Persistence`'s.
//
// A context knows nothing of persistence, nor of EXEC: whoever builds the command table, the
// server, passes the way from one to the other.

import { type Command, type Context, Flag } from '../command/command.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SAVE_IN_PROGRESS, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Persistence } from './persistence.ts'
import type { SnapshotMethod } from './snapshot/method-choice.ts'

const SCHEDULE = word('schedule')
const BACKGROUND = word('background')
const COOPERATIVE = word('cooperative')
const STARTED = 'Background saving started'
const SCHEDULED = 'Background saving scheduled'
/** As Redis says it of a child process that is no BGSAVE: here the snapshot of a replica. */
const OTHER_SNAPSHOT = replyError(
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in " +
    'order to schedule a BGSAVE whenever possible.',
)
const SAVE_FAILED = replyError('ERR')

type Handler = NonNullable<Command['run']>
type Name = 'save' | 'bgsave' | 'lastsave'

/** What the rows need of the server. */
export interface PersistHost {
  readonly persistenceOf: (context: Context) => Persistence
  /** Whether the command runs inside of EXEC. */
  readonly isExecuting: (context: Context) => boolean
}

/** The rows, over what `host` finds. */
export function persistCommands({ persistenceOf, isExecuting }: PersistHost): readonly Command[] {
  /** SAVE: OK when the file is written; blocks everybody until then. O(n). */
  function save(context: Context, _args: Args, reply: Reply): void {
    const persistence = persistenceOf(context)
    if (persistence.isSaving) return reply.error(SAVE_IN_PROGRESS)
    if (persistence.save() !== null) return reply.error(SAVE_FAILED)
    reply.ok()
  }

  /**
   * BGSAVE [SCHEDULE] [BACKGROUND | COOPERATIVE]: starts a save beside the commands. A method named
   * here goes before `snapshot-method`. O(1).
   */
  function bgsave(context: Context, args: Args, reply: Reply): void {
    const persistence = persistenceOf(context)
    let isScheduled = false
    let method: SnapshotMethod | null = null
    for (let i = 1; i < args.count; i++) {
      if (!isScheduled && args.is(i, SCHEDULE)) isScheduled = true
      else if (method === null && args.is(i, BACKGROUND)) method = 'background'
      else if (method === null && args.is(i, COOPERATIVE)) method = 'cooperative'
      else return reply.error(SYNTAX_ERROR)
    }
    // As in Redis: a save that runs refuses another one; SCHEDULE waits for any other snapshot, and
    // inside of EXEC a save waits for its end.
    if (persistence.isFileSave) return reply.error(SAVE_IN_PROGRESS)
    if (persistence.isSaving || isExecuting(context)) {
      if (!isScheduled && !isExecuting(context)) return reply.error(OTHER_SNAPSHOT)
      persistence.schedule({ method })
      return reply.simple(SCHEDULED)
    }
    const error = persistence.startBackground({ method })
    if (error !== null) return reply.errorText(`ERR ${error}`)
    reply.simple(STARTED)
  }

  /** LASTSAVE: unix seconds of the last save that went well. O(1). */
  function lastsave(context: Context, _args: Args, reply: Reply): void {
    reply.integer(persistenceOf(context).lastSaveSeconds)
  }

  return rowsOf({ save, bgsave, lastsave })
}

/** The rows with these handlers. */
function rowsOf({ save, bgsave, lastsave }: Record<Name, Handler>): readonly Command[] {
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
