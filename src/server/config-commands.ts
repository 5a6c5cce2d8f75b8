// CONFIG: parameters of the running server, on top of `Config`. Values are bytes for clients and
// strings in `Config` (config-text.ts).
// biome-ignore-all format: rows of a table.

import { writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import { SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { decodeText, encodeText } from './config-text.ts'
import { serverContext } from './server.ts'

const FAILED = 'ERR CONFIG SET failed (possibly related to argument'
const PORT_FAILED = `${FAILED} 'port') - Unable to listen on this port. Check server logs.`
const BIND_FAILED = `${FAILED} 'bind') - Failed to bind to specified addresses.`

/** CONFIG GET pattern …: names and values. O(n). */
function get(context: Context, args: Args, reply: Reply): void {
  const { server } = serverContext(context)
  const patterns: string[] = []
  for (let i = 2; i < args.count; i++) patterns.push(decodeText(args.copy(i)))
  const found = server.config.get(patterns)
  reply.map(found.length)
  for (const [name, value] of found) {
    replyText(reply, name)
    replyText(reply, value)
  }
}

/** CONFIG SET name value …: all or none. */
function set(context: Context, args: Args, reply: Reply): void {
  if (args.count % 2 !== 0) return reply.error(SYNTAX_ERROR)
  const { server, client } = serverContext(context)
  const pairs: [string, string][] = []
  for (let i = 2; i < args.count; i += 2) {
    pairs.push([decodeText(args.copy(i)), decodeText(args.copy(i + 1))])
  }
  const caller = { isLocal: client.isLocal, isLoading: server.isLoading }
  const { procTitleTemplate } = server.config.values
  const addresses = { bind: server.config.textOf('bind'), port: server.config.textOf('port') }
  const before: [string, string][] = []
  for (const [name] of pairs) before.push(...server.config.get([name]))
  const error = server.config.set(pairs, caller)
  if (error !== null) return reply.errorText(encodeText(error).toString('latin1'))
  const names = pairs.map(([name]) => name)
  for (const notice of server.config.notices(names)) server.log.notice(notice)
  const isPortNew = addresses.port !== server.config.textOf('port')
  const isMoved = isPortNew || addresses.bind !== server.config.textOf('bind')
  const template = server.config.values.procTitleTemplate
  const isTitleNew = template !== procTitleTemplate
  if (!isMoved && !isTitleNew) return reply.ok()
  // Whether one can listen there shows later, and another thread sets the title: the client waits
  // for its answer.
  const isLate = !client.isExecuting
  client.isWaiting = isLate
  // Inside of a transaction nothing can wait: what then goes wrong shows in the log only.
  if (!isLate) reply.ok()
  const finish = (error: string | null) => {
    if (!isLate) {
      if (error !== null) server.log.warning(error)
      return
    }
    server.parts.answer(client, (later) => (error === null ? later.ok() : later.errorText(error)))
  }
  const entitle = () => {
    if (isTitleNew) server.parts.retitle(template, () => finish(null))
    else finish(null)
  }
  if (!isMoved) return entitle()
  server.parts.rebind((isGood) => {
    if (isGood) return entitle()
    server.config.set(before)
    server.parts.rebind(() => finish(isPortNew ? PORT_FAILED : BIND_FAILED))
  })
}

function resetstat(context: Context, _args: Args, reply: Reply): void {
  const { server, keyspace } = serverContext(context)
  server.statistics.reset()
  server.eviction.resetStatistics()
  server.defrag.resetStatistics()
  server.dispatcher.resetStatistics()
  server.writeDelay.resetTotals()
  const { stats } = keyspace
  Object.assign(stats, { hits: 0, misses: 0, expired: 0, expiredFields: 0, timeCapReached: 0 })
  stats.staleShare = 0
  keyspace.resetLazyFreed()
  reply.ok()
}

function rewrite(context: Context, _args: Args, reply: Reply): void {
  const { server } = serverContext(context)
  const error = server.config.rewrite()
  if (error !== null) {
    server.log.warning(`CONFIG REWRITE failed: ${error.replace(/^ERR /, '')}`)
    return reply.errorText(encodeText(error).toString('latin1'))
  }
  server.log.warning('CONFIG REWRITE executed with success.')
  reply.ok()
}

function help(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'CONFIG', [
    'GET <pattern> [<pattern> ...]',
    '    Names and values of the parameters that match.',
    'SET <name> <value> [<name> <value> ...]',
    '    Change parameters: all of them, or none when one cannot be changed.',
    'RESETSTAT',
    '    Set the counters of INFO back to zero.',
    'REWRITE',
    '    Bring the configuration file up to date.',
  ])
}

function replyText(reply: Reply, text: string): void {
  const bytes = encodeText(text)
  reply.bulk(bytes, 0, bytes.length)
}

const ADMIN = {
  flags: Flag.Admin | Flag.NoScript | Flag.Loading | Flag.Stale, keys: [0, 0, 0], group: 'server',
  complexity: 'O(1)',
} as const

export const configCommands: readonly Command[] = [
  {
    name: 'config', arity: -2, flags: 0, keys: [0, 0, 0], group: 'server', since: '2.0.0',
    summary: 'Commands about the configuration', complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        ...ADMIN, name: 'get', arity: -3, since: '2.0.0', run: get,
        summary: 'Returns parameters and their values',
        complexity: 'O(N), where N is the number of parameters.',
      },
      {
        ...ADMIN, name: 'help', arity: 2, since: '5.0.0', run: help,
        flags: Flag.Loading | Flag.Stale,
        summary: 'Lists the subcommands',
      },
      {
        ...ADMIN, name: 'resetstat', arity: 2, since: '2.0.0', run: resetstat,
        summary: 'Sets the counters of INFO back to zero',
      },
      {
        ...ADMIN, name: 'rewrite', arity: 2, since: '2.8.0', run: rewrite,
        summary: 'Brings the configuration file up to date',
      },
      {
        ...ADMIN, name: 'set', arity: -4, since: '2.0.0', run: set,
        summary: 'Changes parameters',
        complexity: 'O(N), where N is the number of parameters given.',
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
      },
    ],
  },
]
