// LATENCY: what the latency monitor keeps, and the histograms of commands.
// biome-ignore-all format: rows of a table.

import { writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import type { Args } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { diagnoseLatency } from './latency-doctor.ts'
import { drawLatency } from './latency-graph.ts'
import { serverContext } from './server.ts'

const MS_PER_SECOND = 1000

/** LATENCY LATEST: per event its name, unix time and ms of the last sample, ms of the longest. */
function latencyLatest(context: Context, _args: Args, reply: Reply): void {
  const { latency } = serverContext(context).server
  reply.array(latency.count)
  for (const [event, series] of latency.events()) {
    const { unixSeconds, durationMs } = series.at(series.count - 1)
    reply.array(4)
    reply.bulkText(event)
    reply.integer(unixSeconds)
    reply.integer(durationMs)
    reply.integer(series.maxMs)
  }
}

/** LATENCY HISTORY event: unix time and ms of its samples, oldest first. */
function latencyHistory(context: Context, args: Args, reply: Reply): void {
  const series = serverContext(context).server.latency.find(args.text(2))
  const samples = series?.samples() ?? []
  reply.array(samples.length)
  for (const { unixSeconds, durationMs } of samples) {
    reply.array(2)
    reply.integer(unixSeconds)
    reply.integer(durationMs)
  }
}

/** LATENCY GRAPH event: its samples as columns of characters. */
function latencyGraph(context: Context, args: Args, reply: Reply): void {
  const { latency, clock } = serverContext(context).server
  const event = args.text(2)
  const series = latency.find(event)
  if (series === undefined) {
    return reply.error(replyError(`ERR No samples available for event '${event}'`))
  }
  const nowSeconds = Math.floor(clock.nowMs() / MS_PER_SECOND)
  reply.verbatim('txt', drawLatency(event, series, nowSeconds))
}

/** LATENCY RESET [event …]: forgets these, or all; the number of events that there were. */
function latencyReset(context: Context, args: Args, reply: Reply): void {
  const { latency } = serverContext(context).server
  if (args.count === 2) return reply.integer(latency.resetAll())
  let count = 0
  // In any case, unlike HISTORY and GRAPH; all names are lower case.
  for (let i = 2; i < args.count; i++) if (latency.reset(args.text(i).toLowerCase())) count++
  reply.integer(count)
}

/** LATENCY DOCTOR: what was slow, and what to do about it. */
function latencyDoctor(context: Context, _args: Args, reply: Reply): void {
  reply.verbatim('txt', diagnoseLatency(serverContext(context).server))
}

/** LATENCY HISTOGRAM [command …]: calls up to each power of two µs; a command with its own. */
function latencyHistogram(context: Context, args: Args, reply: Reply): void {
  const { table } = serverContext(context).server.dispatcher
  const found: [name: string, calls: number, counts: [number, number][]][] = []
  const wanted = new Set<string>()
  for (let i = 2; i < args.count; i++) wanted.add(args.text(i).toLowerCase())
  table.each(({ fullName, latency, calls, parent }) => {
    const isWanted =
      wanted.size === 0 || wanted.has(fullName) || (parent !== null && wanted.has(parent.fullName))
    if (latency !== null && isWanted) found.push([fullName, calls, latency.cumulative()])
  })
  reply.map(found.length)
  for (const [name, calls, counts] of found) {
    reply.bulkText(name)
    reply.map(2)
    reply.bulkText('calls')
    reply.integer(calls)
    reply.bulkText('histogram_usec')
    reply.map(counts.length)
    for (const [limitUs, count] of counts) {
      reply.integer(limitUs)
      reply.integer(count)
    }
  }
}

function latencyHelp(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'LATENCY', [
    'DOCTOR',
    '    What took long, and what to do about it.',
    'GRAPH <event>',
    '    The samples of an event as a chart.',
    'HISTORY <event>',
    '    The samples of an event: unix time, milliseconds.',
    'LATEST',
    '    The last sample of each event: name, unix time, milliseconds, longest of all.',
    'RESET [<event> ...]',
    '    Forget the samples of these events (default: of all).',
    'HISTOGRAM [<command> ...]',
    '    How long commands took: calls up to each power of two in microseconds.',
  ])
}

const ROW = { keys: [0, 0, 0], group: 'server', since: '2.8.13', complexity: 'O(1)' } as const
const READER = { ...ROW, flags: Flag.Loading | Flag.Stale } as const
const ADMIN = { ...READER, flags: READER.flags | Flag.Admin | Flag.NoScript } as const
const NODE_TIPS = [
  'nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special',
] as const

export const latencyCommands: readonly Command[] = [
  {
    ...ROW, name: 'latency', arity: -2, flags: 0, complexity: 'Depends on the subcommand.',
    summary: 'Commands about latencies',
    subcommands: [
      {
        ...ADMIN, name: 'doctor', arity: 2, run: latencyDoctor, tips: NODE_TIPS,
        summary: 'Returns what was slow and advice about it',
      },
      {
        ...ADMIN, name: 'graph', arity: 3, run: latencyGraph, tips: NODE_TIPS,
        summary: 'Returns the samples of an event as a chart',
      },
      {
        ...READER, name: 'help', arity: 2, run: latencyHelp,
        summary: 'Lists the subcommands',
      },
      {
        ...ADMIN, name: 'histogram', arity: -2, since: '7.0.0', run: latencyHistogram,
        summary: 'Returns how long commands took', tips: NODE_TIPS,
        complexity: 'O(N), where N is the number of commands with calls.',
      },
      {
        ...ADMIN, name: 'history', arity: 3, run: latencyHistory, tips: NODE_TIPS,
        summary: 'Returns the samples of an event',
      },
      {
        ...ADMIN, name: 'latest', arity: 2, run: latencyLatest, tips: NODE_TIPS,
        summary: 'Returns the last sample of each event',
      },
      {
        ...ADMIN, name: 'reset', arity: -2, run: latencyReset,
        summary: 'Forgets the samples of some or all events',
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
      },
    ],
  },
]
