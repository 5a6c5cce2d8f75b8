// BGREWRITEAOF, WAITAOF and DEBUG LOADAOF: how clients order what the append only file does.
// biome-ignore-all format: rows of a table.

import { StoreError } from '../base/errors.ts'
import { integerArgument, timeoutMsArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { AofView } from './aof-view.ts'
import { serverContext } from './server.ts'

const STARTED = 'Background append only file rewriting started'
const SCHEDULED = 'Background append only file rewriting scheduled'
const IN_PROGRESS = replyError('ERR Background append only file rewriting already in progress')
const NOT_STARTED = replyError(
  "ERR Can't execute an AOF background rewriting. Please check the server logs for more " +
    'information.',
)
const NO_PERSISTENCE = replyError('ERR This server has no persistence')
const LOCAL_RANGE = replyError('ERR value is out of range, must between 0 and 1')
const REPLICAS_RANGE = replyError('ERR value is out of range, must be positive')
const NOT_ON = replyError(
  'ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.',
)
const US_PER_MS = 1000
const LOAD_FAILED = replyError('ERR Error trying to load the AOF files, check server logs.')

/** BGREWRITEAOF: begins to rewrite the append only file beside the commands. O(1). */
function bgrewriteaof(context: Context, _args: Args, reply: Reply): void {
  const { server, client } = serverContext(context)
  const { aof, persistence } = server
  if (aof === null || persistence === null) return reply.error(NO_PERSISTENCE)
  const { log } = aof
  if (log.isRewriting) return reply.error(IN_PROGRESS)
  log.noteOrder()
  if (persistence.isSaving || client.isExecuting) {
    log.isScheduled = true
    return reply.simple(SCHEDULED)
  }
  if (log.startRewrite() !== null) return reply.error(NOT_STARTED)
  reply.simple(STARTED)
}

/**
 * WAITAOF local replicas ms: waits until what was written so far is synced here, and on replicas,
 * which do not tell that yet. The reply says how many of both have it.
 */
function waitaof(context: Context, args: Args, reply: Reply): void {
  const local = integerArgument(args, 1, reply)
  if (local === null) return
  if (local < 0 || local > 1) return reply.error(LOCAL_RANGE)
  const replicas = integerArgument(args, 2, reply)
  if (replicas === null) return
  if (replicas < 0) return reply.error(REPLICAS_RANGE)
  const deadlineMs = timeoutMsArgument(context, args, 3, reply)
  if (deadlineMs === null) return
  const { server, client } = serverContext(context)
  const { aof } = server
  const isOn = aof !== null && aof.log.state !== 'off'
  if (local > 0 && !isOn) return reply.error(NOT_ON)
  const target = isOn ? aof.log.writer.appended : 0
  const isSynced = () => isOn && aof.log.state !== 'off' && aof.log.writer.synced >= target
  const isMet = () => (local === 0 || isSynced()) && replicas === 0
  if (isMet() || aof === null || client.isExecuting) return writeCounts(reply, isSynced())
  client.isWaiting = true
  const limitMs = deadlineMs === 0 ? 0 : deadlineMs - context.nowMs
  wait(aof, { limitMs, isMet, done: (late) => {
    server.parts.answer(client, (later) => writeCounts(later, !late || isSynced()))
  }, isGone: () => client.isClosed })
}

/** What a client waits for. */
interface Waiting {
  /** Milliseconds; 0 for ever. */
  readonly limitMs: number
  readonly isMet: () => boolean
  readonly isGone: () => boolean
  readonly done: (isLate: boolean) => void
}

function wait(aof: AofView, { limitMs, isMet, isGone, done }: Waiting): void {
  const { clock } = aof
  const end = (isLate: boolean) => {
    aof.unwatch(look)
    timer?.stop()
    // Never in the middle of what moved the log on.
    clock.after(0, () => done(isLate))
  }
  const look = () => {
    if (isGone()) aof.unwatch(look)
    else if (isMet()) end(false)
  }
  const timer = limitMs > 0 ? clock.after(limitMs, () => end(true)) : null
  aof.watch(look)
}

function writeCounts(reply: Reply, isSynced: boolean): void {
  reply.array(2)
  reply.integer(isSynced ? 1 : 0)
  reply.integer(0)
}

/** DEBUG LOADAOF: the log to disk, and the data from there. Blocks until it is done. O(n). */
export function loadAof(context: Context, _args: Args, reply: Reply): void {
  const { server, keyspace } = serverContext(context)
  const { aof, log } = server
  if (aof === null) return reply.error(NO_PERSISTENCE)
  if (aof.log.state === 'on' && !aof.log.flush()) return reply.error(LOAD_FAILED)
  const { observer } = context
  for (const database of keyspace.databases) {
    if (observer.isOn) observer.noteFlush(database)
    keyspace.flush(database)
  }
  keyspace.reclaimAll()
  try {
    aof.loadNow()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    log.warning(`DEBUG LOADAOF failed: ${error.message}`)
    // As in Redis: half of the data must not be served.
    server.send({ kind: 'exit', code: 1, isGraceful: false })
    return reply.error(LOAD_FAILED)
  }
  keyspace.dirty = 0
  log.warning('Append Only File loaded by DEBUG LOADAOF')
  reply.ok()
}

/** DEBUG AOF-FLUSH-SLEEP us: holds each write of the log back by that. */
export function setFlushSleep(context: Context, args: Args, reply: Reply): void {
  const us = integerArgument(args, 2, reply)
  if (us === null) return
  const { aof } = serverContext(context).server
  if (aof !== null) aof.log.writer.flushDelayMs = Number(us) / US_PER_MS
  reply.ok()
}

export const aofCommands: readonly Command[] = [
  {
    name: 'bgrewriteaof', arity: 1, flags: Flag.Admin | Flag.NoScript | Flag.NoAsyncLoading,
    keys: [0, 0, 0], group: 'server', since: '1.0.0', run: bgrewriteaof,
    summary: 'Asynchronously rewrite the append-only file', complexity: 'O(1)',
  },
  {
    name: 'waitaof', arity: 4, flags: Flag.NoScript, keys: [0, 0, 0], group: 'generic',
    since: '7.2.0', run: waitaof, categories: ['connection'], isOutOfGroup: true,
    summary: 'Waits until the writes of this connection are synced to the append-only file',
    complexity: 'O(1)', tips: ['request_policy:all_shards', 'response_policy:agg_min'],
  },
]
