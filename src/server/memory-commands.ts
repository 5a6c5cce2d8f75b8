// MEMORY: what takes memory, what could be better, and giving back what is free.
// biome-ignore-all format: rows of a table.

import { keyArgument, writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import { keyBytes } from '../keyspace/value-bytes.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { NOT_INTEGER, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { diagnoseMemory } from './memory-doctor.ts'
import {
  type MemoryFigures,
  memoryFigures,
  netBytes,
  percentOf,
  ratioOf,
} from './memory-figures.ts'
import { describeArena } from './memory-report.ts'
import { serverContext } from './server.ts'

const SAMPLES = word('samples')

/** A field of MEMORY STATS: a count of bytes or keys, or with the word `share` a fraction. */
type Stat = readonly [name: string, value: number, kind?: 'share']

/** MEMORY USAGE key [SAMPLES n]: bytes of key, value and their place in the index; exact. */
function memoryUsage(context: Context, args: Args, reply: Reply): void {
  for (let i = 3; i < args.count; i += 2) {
    if (!args.is(i, SAMPLES) || i + 1 === args.count) return reply.error(SYNTAX_ERROR)
    const samples = args.integer(i + 1)
    if (samples === null) return reply.error(NOT_INTEGER)
    if (samples < 0) return reply.error(SYNTAX_ERROR)
  }
  const record = context.db.peek(keyArgument(context, args, 2))
  if (record === NULL) reply.nil()
  else reply.integer(keyBytes(context.db, record))
}

/** MEMORY STATS: the figures of memory; a map for each database that has keys. */
function memoryStats(context: Context, _args: Args, reply: Reply): void {
  const figures = memoryFigures(serverContext(context).server)
  const { databases } = figures
  const first = amounts(figures)
  const last = totals(figures)
  const shares = ratios(figures)
  reply.map(first.length + databases.length + last.length + shares.length)
  writeStats(first, reply)
  for (const { id, mainBytes, expiresBytes } of databases) {
    reply.bulkText(`db.${id}`)
    const tables: Stat[] = [
      ['overhead.hashtable.main', mainBytes],
      ['overhead.hashtable.expires', expiresBytes],
      ['overhead.hashtable.slot-to-keys', 0],
    ]
    reply.map(tables.length)
    writeStats(tables, reply)
  }
  writeStats(last, reply)
  writeStats(shares, reply)
}

function amounts(figures: MemoryFigures): Stat[] {
  return [
    ['peak.allocated', figures.peakBytes],
    ['total.allocated', figures.usedBytes],
    ['startup.allocated', figures.startupBytes],
    ['replication.backlog', figures.backlogBytes],
    ['clients.slaves', figures.replicaBytes],
    ['clients.normal', figures.clientBytes],
    ['cluster.links', 0],
    ['aof.buffer', figures.aofBufferBytes],
    ['lua.caches', 0],
    ['functions.caches', 0],
  ]
}

function totals(figures: MemoryFigures): Stat[] {
  const { keyCount } = figures
  const perKey = keyCount === 0 ? 0 : Math.floor(netBytes(figures) / keyCount)
  return [
    ['overhead.total', figures.overheadBytes],
    ['keys.count', keyCount],
    ['keys.bytes-per-key', perKey],
    ['dataset.bytes', figures.datasetBytes],
  ]
}

function ratios(figures: MemoryFigures): Stat[] {
  const { usedBytes, allocatedBytes, activeBytes, residentBytes, rssBytes } = figures
  return [
    ['dataset.percentage', percentOf(figures.datasetBytes, netBytes(figures)), 'share'],
    ['peak.percentage', percentOf(usedBytes, figures.peakBytes), 'share'],
    ['allocator.allocated', allocatedBytes],
    ['allocator.active', activeBytes],
    ['allocator.resident', residentBytes],
    ['allocator-fragmentation.ratio', ratioOf(activeBytes, allocatedBytes), 'share'],
    ['allocator-fragmentation.bytes', activeBytes - allocatedBytes],
    ['allocator-rss.ratio', ratioOf(residentBytes, activeBytes), 'share'],
    ['allocator-rss.bytes', residentBytes - activeBytes],
    ['rss-overhead.ratio', ratioOf(rssBytes, residentBytes), 'share'],
    ['rss-overhead.bytes', rssBytes - residentBytes],
    ['fragmentation', ratioOf(rssBytes, usedBytes), 'share'],
    ['fragmentation.bytes', rssBytes - usedBytes],
  ]
}

function writeStats(stats: readonly Stat[], reply: Reply): void {
  for (const [name, value, kind] of stats) {
    reply.bulkText(name)
    if (kind === 'share') reply.double(value)
    else reply.integer(value)
  }
}

/** MEMORY DOCTOR: what is remarkable about memory, and what to do about it. */
function memoryDoctor(context: Context, _args: Args, reply: Reply): void {
  reply.verbatim('txt', diagnoseMemory(serverContext(context).server))
}

/** MEMORY MALLOC-STATS: the arena's report. O(pages). */
function memoryMallocStats(context: Context, _args: Args, reply: Reply): void {
  reply.verbatim('txt', describeArena(serverContext(context).server))
}

/** MEMORY PURGE: what is free goes back to the system before the reply. O(free pages). */
function memoryPurge(context: Context, _args: Args, reply: Reply): void {
  context.keyspace.purge()
  reply.ok()
}

function memoryHelp(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'MEMORY', [
    'DOCTOR',
    '    What is remarkable about memory, and what to do about it.',
    'MALLOC-STATS',
    '    Pages, slabs and free extents of the arena that all data lies in.',
    'PURGE',
    '    Give the memory of free pages back to the system.',
    'STATS',
    '    What memory is used for.',
    'USAGE <key> [SAMPLES <count>]',
    '    Bytes that the key takes, with its value. Exact: <count> makes no difference.',
  ])
}

const MEMORY = { arity: 2, flags: 0, keys: [0, 0, 0], group: 'server', since: '4.0.0' } as const
const SPECIAL_TIPS = {
  tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
} as const

export const memoryCommands: readonly Command[] = [
  {
    ...MEMORY, name: 'memory', arity: -2,
    summary: 'Commands about memory', complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        ...MEMORY, ...SPECIAL_TIPS, name: 'doctor', run: memoryDoctor,
        summary: 'Tells what is remarkable about memory', complexity: 'O(1)',
      },
      {
        ...MEMORY, name: 'help', flags: Flag.Loading | Flag.Stale, run: memoryHelp,
        summary: 'Lists the subcommands', complexity: 'O(1)',
      },
      {
        ...MEMORY, ...SPECIAL_TIPS, name: 'malloc-stats', run: memoryMallocStats,
        summary: "Reports on the allocator's pages",
        complexity: 'O(N), where N is the number of pages.',
      },
      {
        ...MEMORY, name: 'purge', run: memoryPurge,
        summary: 'Gives free memory back to the system',
        complexity: 'O(N), where N is the number of free pages.',
        tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
      },
      {
        ...MEMORY, ...SPECIAL_TIPS, name: 'stats', run: memoryStats,
        summary: 'Tells what memory is used for', complexity: 'O(1)',
      },
      {
        ...MEMORY, name: 'usage', arity: -3, flags: Flag.ReadOnly, keys: [2, 2, 1],
        run: memoryUsage, keyFlags: ['RO'],
        summary: 'Returns the bytes that a key takes', complexity: 'O(1)',
      },
    ],
  },
]
