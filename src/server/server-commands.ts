// Commands about the server as a whole: INFO, TIME, SHUTDOWN, SLOWLOG, LOLWUT.
// biome-ignore-all format: rows of a table.

import { writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import { type Args, word } from '../resp/args.ts'
import { NOT_INTEGER, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { wrongUse } from './client-commands.ts'
import { formatInfo } from './info.ts'
import { drawTide } from './lolwut.ts'
import { serverContext } from './server.ts'

const US_PER_SECOND = 1_000_000
const SLOWLOG_DEFAULT = 10
const VERSION = word('version')
const NOSAVE = word('nosave')
const SAVE = word('save')
const NOW = word('now')
const FORCE = word('force')
const ABORT = word('abort')
const BAD_COUNT = replyError('ERR count should be greater than or equal to -1')
const SHUTDOWN_FAILED = replyError('ERR Errors trying to SHUTDOWN. Check logs.')
const SHUTDOWN_IN_EXEC = replyError(
  "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client",
)
const NO_SHUTDOWN = replyError('ERR No shutdown in progress.')

/** INFO [section …]. */
function info(context: Context, args: Args, reply: Reply): void {
  const names: string[] = []
  for (let i = 1; i < args.count; i++) names.push(args.text(i))
  const text = formatInfo(serverContext(context).server, names)
  reply.verbatim('txt', Buffer.from(text, 'utf8').toString('latin1'))
}

/** TIME: unix seconds, and the microseconds in this one. */
function time(context: Context, _args: Args, reply: Reply): void {
  const nowUs = serverContext(context).server.clock.nowUs()
  reply.array(2)
  reply.bulkInteger(Math.floor(nowUs / US_PER_SECOND))
  reply.bulkInteger(nowUs % US_PER_SECOND)
}

/** SHUTDOWN [SAVE | NOSAVE] [NOW] [FORCE] [ABORT]: answers only when it fails. */
function shutdown(context: Context, args: Args, reply: Reply): void {
  let isSaveForced = false
  let isSaveForbidden = false
  let isForced = false
  let isAbort = false
  let isImmediate = false
  for (let i = 1; i < args.count; i++) {
    if (args.is(i, NOSAVE)) isSaveForbidden = true
    else if (args.is(i, SAVE)) isSaveForced = true
    else if (args.is(i, FORCE)) isForced = true
    else if (args.is(i, ABORT)) isAbort = true
    else if (args.is(i, NOW)) isImmediate = true
    else return reply.error(SYNTAX_ERROR)
  }
  if ((isAbort && args.count > 2) || (isSaveForced && isSaveForbidden)) {
    return reply.error(SYNTAX_ERROR)
  }
  const { server, client } = serverContext(context)
  const { shutdown: end, answer } = server.parts
  if (isAbort) return end.abort() ? reply.ok() : reply.error(NO_SHUTDOWN)
  if (client.isExecuting && !isImmediate) return reply.error(SHUTDOWN_IN_EXEC)
  const options = { isSaveForced, isSaveForbidden, isForced, isImmediate }
  const onStay = () => answer(client, (later) => later.error(SHUTDOWN_FAILED))
  const outcome = end.run(options, onStay)
  if (outcome === 'failed') reply.error(SHUTDOWN_FAILED)
  if (outcome === 'waiting') client.isWaiting = true
}

/** SLOWLOG GET [count]: the newest entries; -1 for all. */
function slowlogGet(context: Context, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(wrongUse(args))
  const count = args.count === 3 ? args.integer(2) : SLOWLOG_DEFAULT
  // Of the one integer that is wanted Redis says the same whatever is wrong with it.
  if (typeof count !== 'number' || count < -1) return reply.error(BAD_COUNT)
  const { slowLog } = serverContext(context).server
  const entries = slowLog.newest(count === -1 ? slowLog.length : count)
  reply.array(entries.length)
  for (const entry of entries) {
    reply.array(6)
    reply.integer(entry.id)
    reply.integer(entry.unixSeconds)
    reply.integer(entry.durationUs)
    reply.array(entry.args.length)
    for (const text of entry.args) reply.bulkText(text)
    reply.bulkText(entry.address)
    reply.bulkText(entry.clientName)
  }
}

function slowlogLen(context: Context, _args: Args, reply: Reply): void {
  reply.integer(serverContext(context).server.slowLog.length)
}

function slowlogReset(context: Context, _args: Args, reply: Reply): void {
  serverContext(context).server.slowLog.clear()
  reply.ok()
}

function slowlogHelp(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'SLOWLOG', [
    'GET [<count>]',
    '    The newest entries (default: 10, -1 for all): number, unix time, microseconds,',
    '    arguments, address and name of the client.',
    'LEN',
    '    The number of entries.',
    'RESET',
    '    Remove all entries.',
  ])
}

/** LOLWUT [VERSION n [columns [rows]]]: a picture of the sea. */
function lolwut(context: Context, args: Args, reply: Reply): void {
  let first = 1
  if (args.count > 2 && args.is(1, VERSION)) {
    if (args.integer(2) === null) return reply.error(NOT_INTEGER)
    first = 3
  }
  const sizes: number[] = []
  for (let i = first; i < args.count; i++) {
    const size = args.integer(i)
    if (typeof size !== 'number') return reply.error(NOT_INTEGER)
    sizes.push(size)
  }
  const isBare = first === 3 && args.integer(2) !== 5 && args.integer(2) !== 6
  reply.verbatim('txt', drawTide(context.keyspace.random, { sizes, isBare }))
}

const READER = { flags: Flag.Loading | Flag.Stale, keys: [0, 0, 0], group: 'server' } as const
const ADMIN = { ...READER, flags: READER.flags | Flag.Admin } as const

export const serverCommands: readonly Command[] = [
  {
    ...READER, name: 'info', arity: -1, since: '1.0.0', run: info, categories: ['dangerous'],
    summary: 'Returns figures and facts about the server', complexity: 'O(1)',
    tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
  },
  {
    name: 'lolwut', arity: -1, flags: Flag.ReadOnly | Flag.Fast, keys: [0, 0, 0],
    group: 'server', since: '5.0.0', run: lolwut,
    summary: 'Returns a picture and the version', complexity: 'O(1)',
  },
  {
    name: 'shutdown', arity: -1, since: '1.0.0', run: shutdown, keys: [0, 0, 0], group: 'server',
    flags: Flag.Admin | Flag.NoScript | Flag.Loading | Flag.Stale | Flag.NoMulti | Flag.AllowBusy,
    summary: 'Saves if need be and ends the server',
    complexity: 'O(N) when saving, where N is the number of keys, otherwise O(1)',
  },
  {
    ...READER, name: 'time', arity: 1, since: '2.6.0', run: time,
    flags: READER.flags | Flag.Fast,
    summary: "Returns the server's clock", complexity: 'O(1)', tips: ['nondeterministic_output'],
  },
  {
    name: 'slowlog', arity: -2, flags: 0, keys: [0, 0, 0], group: 'server', since: '2.2.12',
    summary: 'Commands about the log of slow commands', complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        ...ADMIN, name: 'get', arity: -2, since: '2.2.12', run: slowlogGet,
        summary: 'Returns entries of the slow log',
        complexity: 'O(N), where N is the number of entries returned.',
        tips: ['request_policy:all_nodes', 'nondeterministic_output'],
      },
      {
        ...READER, name: 'help', arity: 2, since: '6.2.0', run: slowlogHelp,
        summary: 'Lists the subcommands', complexity: 'O(1)',
      },
      {
        ...ADMIN, name: 'len', arity: 2, since: '2.2.12', run: slowlogLen,
        summary: 'Returns the number of entries of the slow log', complexity: 'O(1)',
        tips: ['request_policy:all_nodes', 'response_policy:agg_sum', 'nondeterministic_output'],
      },
      {
        ...ADMIN, name: 'reset', arity: 2, since: '2.2.12', run: slowlogReset,
        summary: 'Empties the slow log',
        complexity: 'O(N), where N is the number of entries.',
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
      },
    ],
  },
]
