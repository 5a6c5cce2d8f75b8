// What follows from a command's row: names of its flags, ACL categories, positions of its keys.
// Names are Redis's, so that client libraries understand them.

import { type Command, Flag, type Group } from '../command/command.ts'
import type { KeySpec } from '../command/key-spec.ts'
import type { CommandEntry } from '../command/table.ts'
import type { Args } from '../resp/args.ts'

/** Names of flags in COMMAND INFO; Redis 7.0 shows neither `Protected` nor `MayReplicate`. */
const FLAG_NAMES: readonly (readonly [flag: number, name: string])[] = [
  [Flag.Write, 'write'],
  [Flag.ReadOnly, 'readonly'],
  [Flag.DenyOom, 'denyoom'],
  [Flag.Admin, 'admin'],
  [Flag.PubSub, 'pubsub'],
  [Flag.NoScript, 'noscript'],
  [Flag.Blocking, 'blocking'],
  [Flag.Loading, 'loading'],
  [Flag.Stale, 'stale'],
  [Flag.SkipMonitor, 'skip_monitor'],
  [Flag.SkipSlowlog, 'skip_slowlog'],
  [Flag.Asking, 'asking'],
  [Flag.Fast, 'fast'],
  [Flag.NoAuth, 'no_auth'],
  [Flag.NoMulti, 'no_multi'],
  [Flag.AllowBusy, 'allow_busy'],
  [Flag.NoAsyncLoading, 'no_async_loading'],
  [Flag.NoMandatoryKeys, 'no_mandatory_keys'],
  [Flag.MovableKeys, 'movablekeys'],
]
/** Categories that a flag alone gives. */
const FLAG_CATEGORIES: readonly (readonly [flag: number, name: string])[] = [
  [Flag.Write, 'write'],
  [Flag.ReadOnly, 'read'],
  [Flag.Admin, 'admin'],
  [Flag.Admin, 'dangerous'],
  [Flag.PubSub, 'pubsub'],
  [Flag.Fast, 'fast'],
  [Flag.Blocking, 'blocking'],
]
/** The category of a group; the server's have none, those of pub/sub have it by their flag. */
const GROUP_CATEGORIES: Readonly<Record<Group, string>> = {
  string: 'string',
  bitmap: 'bitmap',
  hyperloglog: 'hyperloglog',
  list: 'list',
  hash: 'hash',
  set: 'set',
  'sorted-set': 'sortedset',
  geo: 'geo',
  stream: 'stream',
  generic: 'keyspace',
  connection: 'connection',
  server: '',
  transactions: 'transaction',
  pubsub: '',
}

export function flagNames(command: Command): string[] {
  const found = FLAG_NAMES.filter(([flag]) => (command.flags & flag) !== 0)
  return found.map(([, name]) => name)
}

/** ACL categories without `@`, each once. A container that only has subcommands is just slow. */
export function categoriesOf(entry: CommandEntry): string[] {
  const { command, flags } = entry
  const found = new Set(command.categories ?? [])
  const group = GROUP_CATEGORIES[command.group]
  const isInGroup = group !== '' && entry.run !== null && command.isOutOfGroup !== true
  if (isInGroup) found.add(group)
  for (const [flag, name] of FLAG_CATEGORIES) {
    if ((flags & flag) !== 0) found.add(name)
  }
  if ((flags & Flag.Fast) === 0) found.add('slow')
  return [...found]
}

/** What happens to the keys: one text for all, or one for each position. */
export function keyFlagsFor(command: Command): readonly string[] {
  if (command.keyFlags !== undefined) return command.keyFlags
  return [(command.flags & Flag.Write) === 0 ? 'RO access' : 'RW update']
}

/** Where the keys are: one spec for a range of keys treated alike, else one for each position. */
export function keySpecsOf(command: Command): readonly KeySpec[] {
  if (command.keySpecs !== undefined) return command.keySpecs
  const [first, last, step] = command.keys
  if (first === 0) return []
  const texts = keyFlagsFor(command)
  return texts.map((flags, i) => {
    const index = first + i * step
    const isLast = i === texts.length - 1
    const lastkey = !isLast ? 0 : last < 0 ? last : last - index
    const find = { type: 'range', lastkey, keystep: step, limit: 0 } as const
    return { flags, begin: { type: 'index', index }, find }
  })
}

/** Positions of the keys among `args`; none when they cannot be found. */
export function keyPositions(command: Command, args: Args): number[] {
  const positions: number[] = []
  if (command.findKeys) {
    command.findKeys(args, positions)
    return positions
  }
  const [first, last, step] = command.keys
  if (first === 0) return positions
  const limit = last < 0 ? args.count + last : last
  for (let i = first; i <= limit && i < args.count; i += step) positions.push(i)
  return positions
}
