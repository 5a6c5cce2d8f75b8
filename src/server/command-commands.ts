// COMMAND: the command table as client libraries read it. Everything follows from the rows.
// biome-ignore-all format: rows of a table.

import { globMatches } from '../base/glob.ts'
import { writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import type { KeyBegin, KeyFind } from '../command/key-spec.ts'
import type { CommandEntry } from '../command/table.ts'
import { Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import {
  categoriesOf,
  flagNames,
  keyFlagsFor,
  keyPositions,
  keySpecsOf,
} from './command-facts.ts'
import { serverContext } from './server.ts'

const FILTERBY = word('filterby')
const MODULE = word('module')
const ACLCAT = word('aclcat')
const PATTERN = word('pattern')

const NO_KEYS = replyError('ERR The command has no key arguments')
const NO_COMMAND = replyError('ERR Invalid command specified')
const BAD_COUNT = replyError('ERR Invalid number of arguments specified for command')
const BAD_ARGUMENTS = replyError('ERR Invalid arguments specified for command')

/** COMMAND, COMMAND INFO: every command, or those named; nil for names that are none. O(n). */
function info(context: Context, args: Args, reply: Reply): void {
  const { table } = serverContext(context).server.dispatcher
  if (args.count <= 2) {
    reply.array(table.entries.length)
    for (const entry of table.entries) writeEntry(entry, reply)
    return
  }
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const entry = table.findByName(args.text(i))
    if (entry === null) reply.nil()
    else writeEntry(entry, reply)
  }
}

function writeEntry(entry: CommandEntry, reply: Reply): void {
  const { command } = entry
  const [first, last, step] = command.keys
  reply.array(10)
  reply.bulkText(entry.fullName)
  reply.integer(entry.arity)
  writeStatusSet(flagNames(command), reply)
  reply.integer(first)
  reply.integer(last)
  reply.integer(step)
  writeStatusSet(categoriesOf(entry).map((name) => `@${name}`), reply)
  const tips = command.tips ?? []
  reply.set(tips.length)
  for (const tip of tips) reply.bulkText(tip)
  writeKeySpecs(command, reply)
  const children = entry.subcommands?.entries ?? []
  reply.set(children.length)
  for (const child of children) writeEntry(child, reply)
}

function writeStatusSet(names: readonly string[], reply: Reply): void {
  reply.set(names.length)
  for (const name of names) reply.simple(name)
}

function writeKeySpecs(command: Command, reply: Reply): void {
  const specs = keySpecsOf(command)
  reply.set(specs.length)
  for (const { flags, begin, find } of specs) {
    reply.map(3)
    reply.bulkText('flags')
    writeStatusSet(flags.split(' '), reply)
    reply.bulkText('begin_search')
    writeSearch(reply, begin)
    reply.bulkText('find_keys')
    writeSearch(reply, find)
  }
}

/** One half of a spec: its type, and what else it says. */
function writeSearch(reply: Reply, search: KeyBegin | KeyFind): void {
  const { type, ...spec } = search
  const pairs = Object.entries<string | number>(spec)
  reply.map(2)
  reply.bulkText('type')
  reply.bulkText(type)
  reply.bulkText('spec')
  reply.map(pairs.length)
  for (const [name, value] of pairs) {
    reply.bulkText(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulkText(value)
  }
}

function count(context: Context, _args: Args, reply: Reply): void {
  reply.integer(serverContext(context).server.dispatcher.table.entries.length)
}

/** COMMAND LIST [FILTERBY MODULE | ACLCAT | PATTERN text]: names, subcommands included. */
function list(context: Context, args: Args, reply: Reply): void {
  const { table } = serverContext(context).server.dispatcher
  if (args.count === 2) {
    const names: string[] = []
    table.each(({ fullName }) => names.push(fullName))
    return writeNames(names, reply)
  }
  const keeps = args.count === 5 && args.is(2, FILTERBY) ? filterOf(args) : null
  if (keeps === null) return reply.error(SYNTAX_ERROR)
  const names: string[] = []
  table.each((entry) => {
    if (keeps(entry)) names.push(entry.fullName)
  })
  writeNames(names, reply)
}

function writeNames(names: readonly string[], reply: Reply): void {
  reply.array(names.length)
  for (const name of names) reply.bulkText(name)
}

function filterOf(args: Args): ((entry: CommandEntry) => boolean) | null {
  const wanted = args.text(4)
  // There are no modules.
  if (args.is(3, MODULE)) return () => false
  if (args.is(3, ACLCAT)) {
    const category = wanted.toLowerCase()
    return (entry) => categoriesOf(entry).includes(category)
  }
  if (args.is(3, PATTERN)) return (entry) => globMatches(wanted, entry.fullName, 'ignore')
  return null
}

/** The command that the arguments from 2 on spell, and those arguments. */
function innerCommand(context: Context, args: Args): { entry: CommandEntry | null; inner: Args } {
  const inner = new Args()
  inner.bytes = args.bytes
  for (let i = 2; i < args.count; i++) inner.add(args.start(i), args.length(i))
  const { table } = serverContext(context).server.dispatcher
  return { entry: table.find(inner), inner }
}

/** Positions of the keys of the command in `args`, or null after an error reply. */
function innerKeys(context: Context, args: Args, reply: Reply) {
  const { entry, inner } = innerCommand(context, args)
  const hasKeys = entry !== null && (entry.command.keys[0] > 0 || entry.command.findKeys)
  if (entry === null) reply.error(NO_COMMAND)
  else if (!hasKeys) reply.error(NO_KEYS)
  else if (!entry.takes(inner.count)) reply.error(BAD_COUNT)
  else {
    const positions = keyPositions(entry.command, inner)
    if (positions.length > 0) return { command: entry.command, inner, positions }
    reply.error(BAD_ARGUMENTS)
  }
  return null
}

function getkeys(context: Context, args: Args, reply: Reply): void {
  const found = innerKeys(context, args, reply)
  if (found === null) return
  const { inner, positions } = found
  reply.array(positions.length)
  for (const at of positions) reply.bulk(inner.bytes, inner.start(at), inner.length(at))
}

function getkeysandflags(context: Context, args: Args, reply: Reply): void {
  const found = innerKeys(context, args, reply)
  if (found === null) return
  const { command, inner, positions } = found
  const texts = command.keyFlagsOf ? [command.keyFlagsOf(inner)] : keyFlagsFor(command)
  reply.array(positions.length)
  for (let i = 0; i < positions.length; i++) {
    const at = positions[i]!
    const words = texts[Math.min(i, texts.length - 1)] ?? 'RO access'
    reply.array(2)
    reply.bulk(inner.bytes, inner.start(at), inner.length(at))
    writeStatusSet(words.split(' '), reply)
  }
}

/** COMMAND DOCS [name …]: what the commands are for; unknown names are left out. */
function docs(context: Context, args: Args, reply: Reply): void {
  const { table } = serverContext(context).server.dispatcher
  const found: CommandEntry[] = []
  if (args.count === 2) found.push(...table.entries)
  for (let i = 2; i < args.count; i++) {
    const entry = table.findByName(args.text(i))
    if (entry !== null) found.push(entry)
  }
  reply.map(found.length)
  for (const entry of found) writeDocs(entry, reply)
}

function writeDocs(entry: CommandEntry, reply: Reply): void {
  const { command } = entry
  const { deprecated } = command
  const children = entry.subcommands?.entries ?? []
  reply.bulkText(entry.fullName)
  const docFlags = [...(deprecated ? ['deprecated'] : []), ...(command.docFlags ?? [])]
  const extras = [docFlags.length > 0, deprecated, deprecated, children.length > 0]
  reply.map(4 + extras.filter(Boolean).length)
  writePair(reply, 'summary', command.summary)
  writePair(reply, 'since', command.since)
  writePair(reply, 'group', command.group)
  writePair(reply, 'complexity', command.complexity)
  if (docFlags.length > 0) {
    reply.bulkText('doc_flags')
    writeStatusSet(docFlags, reply)
  }
  if (deprecated) {
    writePair(reply, 'deprecated_since', deprecated.since)
    writePair(reply, 'replaced_by', deprecated.replacedBy)
  }
  if (children.length === 0) return
  reply.bulkText('subcommands')
  reply.map(children.length)
  for (const child of children) writeDocs(child, reply)
}

function writePair(reply: Reply, name: string, value: string): void {
  reply.bulkText(name)
  reply.bulkText(value)
}

function help(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'COMMAND', [
    '(no subcommand)',
    '    Facts about all commands.',
    'COUNT',
    '    The number of commands.',
    'LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]',
    '    Names of commands.',
    'INFO [<name> ...]',
    '    Facts about these commands, or about all.',
    'DOCS [<name> ...]',
    '    What these commands, or all, are for.',
    'GETKEYS <full-command>',
    '    The keys in a command.',
    'GETKEYSANDFLAGS <full-command>',
    '    The keys in a command and what happens to them.',
  ])
}

const PLAIN = {
  flags: Flag.Loading | Flag.Stale, keys: [0, 0, 0], group: 'server',
} as const
const EACH = 'O(N), where N is the number of commands asked for.'

export const commandCommands: readonly Command[] = [
  {
    ...PLAIN, name: 'command', arity: -1, since: '2.8.13', run: info,
    categories: ['connection'],
    summary: 'Returns facts about all commands', complexity: EACH,
    tips: ['nondeterministic_output_order'],
    subcommands: [
      {
        ...PLAIN, name: 'count', arity: 2, since: '2.8.13', run: count,
        categories: ['connection'],
        summary: 'Returns the number of commands', complexity: 'O(1)',
      },
      {
        ...PLAIN, name: 'docs', arity: -2, since: '7.0.0', run: docs,
        categories: ['connection'],
        summary: 'Returns what commands are for', complexity: EACH,
        tips: ['nondeterministic_output_order'],
      },
      {
        ...PLAIN, name: 'getkeys', arity: -4, since: '2.8.13', run: getkeys,
        categories: ['connection'],
        summary: 'Returns the keys in a command',
        complexity: 'O(N), where N is the number of arguments.',
      },
      {
        ...PLAIN, name: 'getkeysandflags', arity: -4, since: '7.0.0', run: getkeysandflags,
        categories: ['connection'],
        summary: 'Returns the keys in a command and what happens to them',
        complexity: 'O(N), where N is the number of arguments.',
      },
      {
        ...PLAIN, name: 'help', arity: 2, since: '5.0.0', run: help,
        categories: ['connection'],
        summary: 'Lists the subcommands', complexity: 'O(1)',
      },
      {
        ...PLAIN, name: 'info', arity: -2, since: '2.8.13', run: info,
        categories: ['connection'],
        summary: 'Returns facts about commands', complexity: EACH,
        tips: ['nondeterministic_output_order'],
      },
      {
        ...PLAIN, name: 'list', arity: -2, since: '7.0.0', run: list,
        categories: ['connection'],
        summary: 'Returns names of commands',
        complexity: 'O(N), where N is the number of all commands.',
        tips: ['nondeterministic_output_order'],
      },
    ],
  },
]
