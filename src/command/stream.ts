// The stream family: the rows of all commands. Front door of stream-add.ts (what changes a stream),
// stream-range.ts and stream-read.ts (what reads entries), stream-group.ts and stream-claim.ts
// (what is pending) and stream-info.ts. stream-access.ts has what they share.

import { type Args, word } from '../resp/args.ts'
import { type Command, Flag } from './command.ts'
import { streamKeys } from './key-spec.ts'
import { xadd, xdel, xlen, xsetid, xtrim } from './stream-add.ts'
import { xautoclaim, xclaim } from './stream-claim.ts'
import {
  xack,
  xgroupCreate,
  xgroupCreateconsumer,
  xgroupDelconsumer,
  xgroupDestroy,
  xgroupHelp,
  xgroupSetid,
  xpending,
} from './stream-group.ts'
import { xinfoConsumers, xinfoGroups, xinfoHelp, xinfoStream } from './stream-info.ts'
import { xrange, xrevrange } from './stream-range.ts'
import { xread, xreadgroup } from './stream-read.ts'

const STREAMS = word('streams')

const READ = { flags: Flag.ReadOnly, keys: [1, 1, 1], group: 'stream', since: '5.0.0' } as const
const WRITE = { ...READ, flags: Flag.Write } as const
const FAST_WRITE = { ...READ, flags: Flag.Write | Flag.Fast } as const
/** Subcommands, whose key comes behind their name. */
const SUB_READ = { ...READ, keys: [2, 2, 1] } as const
const SUB_WRITE = { ...SUB_READ, flags: Flag.Write } as const
const SUB_GROW = { ...SUB_READ, flags: Flag.Write | Flag.DenyOom } as const
const HELP = {
  name: 'help',
  arity: 2,
  flags: Flag.Loading | Flag.Stale,
  keys: [0, 0, 0],
  group: 'stream',
  since: '5.0.0',
  complexity: 'O(1)',
} as const
const CONTAINER = {
  arity: -2,
  flags: 0,
  keys: [0, 0, 0],
  group: 'stream',
  since: '5.0.0',
  complexity: 'That of the subcommand.',
} as const

const RANGE_COMPLEXITY = 'O(N), where N is the number of entries that are returned.'
const NONDETERMINISTIC = ['nondeterministic_output'] as const

/** XREAD and XREADGROUP have as many keys behind STREAMS as IDs. */
function findReadKeys(args: Args, positions: number[]): void {
  for (let i = 1; i < args.count; i++) {
    if (!args.is(i, STREAMS)) continue
    const count = Math.floor((args.count - i - 1) / 2)
    for (let k = 1; k <= count; k++) positions.push(i + k)
    return
  }
}

const groupCommands: readonly Command[] = [
  {
    ...SUB_GROW,
    name: 'create',
    arity: -5,
    run: xgroupCreate,
    summary: 'Make a consumer group',
    complexity: 'O(1)',
    keyFlags: ['RW insert'],
  },
  {
    ...SUB_GROW,
    name: 'createconsumer',
    arity: 5,
    since: '6.2.0',
    run: xgroupCreateconsumer,
    summary: 'Make a consumer in a consumer group',
    complexity: 'O(1)',
    keyFlags: ['RW insert'],
  },
  {
    ...SUB_WRITE,
    name: 'delconsumer',
    arity: 5,
    run: xgroupDelconsumer,
    summary: 'Remove a consumer from a consumer group',
    complexity: 'O(N), where N is the number of entries pending for it.',
    keyFlags: ['RW delete'],
  },
  {
    ...SUB_WRITE,
    name: 'destroy',
    arity: 4,
    run: xgroupDestroy,
    summary: 'Remove a consumer group',
    complexity: 'O(N), where N is the number of entries pending in it.',
    keyFlags: ['RW delete'],
  },
  { ...HELP, run: xgroupHelp, summary: 'Show what the subcommands do' },
  {
    ...SUB_WRITE,
    name: 'setid',
    arity: -5,
    run: xgroupSetid,
    summary: 'Set the ID up to which a consumer group has been served',
    complexity: 'O(1)',
    keyFlags: ['RW update'],
  },
]

const infoCommands: readonly Command[] = [
  {
    ...SUB_READ,
    name: 'consumers',
    arity: 4,
    run: xinfoConsumers,
    summary: 'List the consumers of a consumer group',
    complexity: 'O(N), where N is the number of consumers.',
    keyFlags: ['RO access'],
    tips: NONDETERMINISTIC,
  },
  {
    ...SUB_READ,
    name: 'groups',
    arity: 3,
    run: xinfoGroups,
    summary: 'List the consumer groups of a stream',
    complexity: 'O(N), where N is the number of groups.',
    keyFlags: ['RO access'],
  },
  { ...HELP, run: xinfoHelp, summary: 'Show what the subcommands do' },
  {
    ...SUB_READ,
    name: 'stream',
    arity: -3,
    run: xinfoStream,
    summary: 'Tell what a stream is',
    complexity: 'O(1)',
    keyFlags: ['RO access'],
  },
]

export const streamCommands: readonly Command[] = [
  {
    ...FAST_WRITE,
    name: 'xack',
    arity: -4,
    run: xack,
    summary: 'Acknowledge entries, which are pending no longer then',
    complexity: 'O(log N) for each ID, where N is the number of entries pending.',
    keyFlags: ['RW update'],
  },
  {
    ...FAST_WRITE,
    name: 'xadd',
    arity: -5,
    flags: Flag.Write | Flag.DenyOom | Flag.Fast,
    run: xadd,
    summary: 'Append an entry to a stream',
    complexity: 'O(1), and O(N) for N entries that are trimmed.',
    keyFlags: ['RW update'],
    tips: NONDETERMINISTIC,
  },
  {
    ...FAST_WRITE,
    name: 'xautoclaim',
    arity: -6,
    since: '6.2.0',
    run: xautoclaim,
    summary: 'Make entries that have long been pending those of another consumer',
    complexity: 'O(1) for a small COUNT.',
    keyFlags: ['RW delete'],
    tips: NONDETERMINISTIC,
  },
  {
    ...FAST_WRITE,
    name: 'xclaim',
    arity: -6,
    run: xclaim,
    summary: 'Make pending entries those of another consumer',
    complexity: 'O(log N) for each ID, where N is the number of entries pending.',
    keyFlags: ['RW update'],
    tips: NONDETERMINISTIC,
  },
  {
    ...FAST_WRITE,
    name: 'xdel',
    arity: -3,
    run: xdel,
    summary: 'Delete entries',
    complexity: 'O(log N) for each ID.',
    keyFlags: ['RW delete'],
  },
  {
    ...CONTAINER,
    name: 'xgroup',
    summary: 'Commands on consumer groups',
    subcommands: groupCommands,
  },
  {
    ...CONTAINER,
    name: 'xinfo',
    summary: 'Commands that tell what streams are',
    subcommands: infoCommands,
  },
  {
    ...READ,
    name: 'xlen',
    arity: 2,
    flags: Flag.ReadOnly | Flag.Fast,
    run: xlen,
    summary: 'Return the number of entries of a stream',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...READ,
    name: 'xpending',
    arity: -3,
    run: xpending,
    summary: 'Tell what is pending in a consumer group',
    complexity: 'O(N), where N is the number of entries that are looked at.',
    keyFlags: ['RO access'],
    tips: NONDETERMINISTIC,
  },
  {
    ...READ,
    name: 'xrange',
    arity: -4,
    run: xrange,
    summary: 'Return the entries between two IDs',
    complexity: RANGE_COMPLEXITY,
    keyFlags: ['RO access'],
  },
  {
    ...READ,
    name: 'xread',
    arity: -4,
    keys: [0, 0, 0],
    flags: Flag.ReadOnly | Flag.Blocking | Flag.MovableKeys,
    run: xread,
    keySpecs: [streamKeys(1, 'RO access')],
    findKeys: findReadKeys,
    summary: 'Return entries of streams behind given IDs, waiting for some if need be',
    complexity: RANGE_COMPLEXITY,
    keyFlags: ['RO access'],
  },
  {
    ...READ,
    name: 'xreadgroup',
    arity: -7,
    keys: [0, 0, 0],
    flags: Flag.Write | Flag.Blocking | Flag.MovableKeys,
    run: xreadgroup,
    keySpecs: [streamKeys(4, 'RO access')],
    findKeys: findReadKeys,
    summary: 'Return new entries of streams, or pending ones, to a consumer of a group',
    complexity: 'O(N log P), where N entries are returned and P are pending.',
    keyFlags: ['RO access'],
  },
  {
    ...READ,
    name: 'xrevrange',
    arity: -4,
    run: xrevrange,
    summary: 'Return the entries between two IDs, the youngest first',
    complexity: RANGE_COMPLEXITY,
    keyFlags: ['RO access'],
  },
  {
    ...FAST_WRITE,
    name: 'xsetid',
    arity: -3,
    flags: Flag.Write | Flag.DenyOom | Flag.Fast,
    run: xsetid,
    summary: 'Set the last ID of a stream',
    complexity: 'O(1)',
    keyFlags: ['RW update'],
  },
  {
    ...WRITE,
    name: 'xtrim',
    arity: -4,
    run: xtrim,
    summary: 'Remove old entries',
    complexity: 'O(N), where N is the number of entries that are removed.',
    keyFlags: ['RW delete'],
    tips: NONDETERMINISTIC,
  },
]
