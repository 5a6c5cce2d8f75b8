// CLIENT: what the server knows of its connections, and what it does to them. The subcommands about
// client side caching are in tracking-commands.ts.
// biome-ignore-all format: rows of a table.

import { writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import { type Args, word } from '../resp/args.ts'
import {
  NOT_INTEGER, type ReplyError, replyError, SYNTAX_ERROR, TIMEOUT_NEGATIVE, TIMEOUT_NOT_INTEGER,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { UNBLOCKED } from './blocking.ts'
import { type Connection, ReplyMode } from './connection.ts'
import { INVALID_NAME, isValidName, unmute } from './connection-commands.ts'
import { serverContext } from './server.ts'
import { trackingSubcommands } from './tracking-commands.ts'

const ON = word('on')
const LIB_NAME = word('lib-name')
const LIB_VER = word('lib-ver')
const OFF = word('off')
const SKIP = word('skip')
const ALL = word('all')
const WRITE = word('write')
const TYPE = word('type')
const ID = word('id')
const ADDR = word('addr')
const LADDR = word('laddr')
const USER = word('user')
const SKIPME = word('skipme')
const YES = word('yes')
const NO = word('no')
const TIMEOUT = word('timeout')
const ERROR = word('error')

const NO_SUCH_CLIENT = replyError('ERR No such client')
const BAD_ID = replyError('ERR client-id should be greater than 0')
const BAD_LIST_ID = replyError('ERR Invalid client ID')
const BAD_MODE = replyError('ERR CLIENT PAUSE mode must be WRITE or ALL')
const BAD_REASON = replyError('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
/** Classes that CLIENT LIST and KILL know. */
const CLASSES: readonly string[] = ['normal', 'master', 'slave', 'pubsub']

function id(context: Context, _args: Args, reply: Reply): void {
  reply.integer(serverContext(context).client.id)
}

function info(context: Context, _args: Args, reply: Reply): void {
  const { client, nowMs } = serverContext(context)
  reply.verbatim('txt', `${client.describe(nowMs)}\n`)
}

/** CLIENT LIST [TYPE class | ID id …]: one line for each client. O(n). */
function list(context: Context, args: Args, reply: Reply): void {
  const { server, nowMs } = serverContext(context)
  let chosen: Iterable<Connection> = server.clients
  if (args.count > 2) {
    if (args.count === 4 && args.is(2, TYPE)) {
      const name = classOf(args, 3)
      if (name === null) return reply.error(unknownClass(args, 3))
      chosen = [...server.clients].filter((client) => client.className === name)
    } else if (args.count > 3 && args.is(2, ID)) {
      const found = clientsById(context, args)
      if (found === null) return reply.error(BAD_LIST_ID)
      chosen = found
    } else {
      return reply.error(SYNTAX_ERROR)
    }
  }
  let text = ''
  for (const client of chosen) text += `${client.describe(nowMs)}\n`
  reply.verbatim('txt', text)
}

/** Those of the ids from argument 3 on that exist; null when one is no number. */
function clientsById(context: Context, args: Args): Connection[] | null {
  const { server } = serverContext(context)
  const found: Connection[] = []
  for (let i = 3; i < args.count; i++) {
    const wanted = args.integer(i)
    if (wanted === null) return null
    const client = typeof wanted === 'number' ? server.clients.find(wanted) : null
    if (client !== null) found.push(client)
  }
  return found
}

function setname(context: Context, args: Args, reply: Reply): void {
  if (!isValidName(args, 2)) return reply.error(INVALID_NAME)
  serverContext(context).client.name = args.text(2)
  reply.ok()
}

const OPTION_LENGTH_MAX = 128
const INVALID_LIB_NAME = replyError(
  'ERR lib-name cannot contain spaces, newlines or special characters.',
)
const INVALID_LIB_VER = replyError(
  'ERR lib-ver cannot contain spaces, newlines or special characters.',
)

/** CLIENT SETINFO LIB-NAME|LIB-VER text: OK; CLIENT LIST shows it (Redis 7.2). */
function setinfo(context: Context, args: Args, reply: Reply): void {
  const { client } = serverContext(context)
  const isName = args.is(2, LIB_NAME)
  if (!isName && !args.is(2, LIB_VER)) {
    return reply.errorText(`ERR Unrecognized option '${args.head(2, OPTION_LENGTH_MAX)}'`)
  }
  if (!isValidName(args, 3)) return reply.error(isName ? INVALID_LIB_NAME : INVALID_LIB_VER)
  if (isName) client.libraryName = args.text(3)
  else client.libraryVersion = args.text(3)
  reply.ok()
}

function getname(context: Context, _args: Args, reply: Reply): void {
  const { name } = serverContext(context).client
  if (name === '') reply.nil()
  else reply.bulkText(name)
}

/** What CLIENT KILL looks for; '' and 0 where it does not matter. */
interface Filter {
  id: number
  address: string
  localAddress: string
  className: string
  isSelfSpared: boolean
}

/** CLIENT KILL address | filter value …: closes the clients that all filters match. */
function kill(context: Context, args: Args, reply: Reply): void {
  const filter: Filter = {
    id: 0, address: '', localAddress: '', className: '', isSelfSpared: true,
  }
  const isOldForm = args.count === 3
  if (isOldForm) {
    filter.address = args.text(2)
    filter.isSelfSpared = false
  } else {
    const error = readFilters(args, filter)
    if (error !== null) return reply.error(error)
  }
  const { server, client: self } = serverContext(context)
  let count = 0
  for (const client of [...server.clients]) {
    if (!matches(client, filter) || (client === self && filter.isSelfSpared)) continue
    count++
    // The one that asks gets its answer first.
    if (client === self) client.closeAfterReply()
    else client.socket.close()
  }
  if (!isOldForm) return reply.integer(count)
  if (count === 0) return reply.error(NO_SUCH_CLIENT)
  reply.ok()
}

function matches(client: Connection, filter: Filter): boolean {
  const { id: wantedId, address, localAddress, className } = filter
  if (wantedId !== 0 && client.id !== wantedId) return false
  if (address !== '' && client.socket.remoteAddress !== address) return false
  if (localAddress !== '' && client.socket.localAddress !== localAddress) return false
  return className === '' || className === client.className
}

function readFilters(args: Args, filter: Filter): ReplyError | null {
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 === args.count) return SYNTAX_ERROR
    const value = i + 1
    if (args.is(i, ID)) {
      const wanted = args.integer(value)
      if (typeof wanted !== 'number' || wanted < 1) return BAD_ID
      filter.id = wanted
    } else if (args.is(i, TYPE)) {
      const name = classOf(args, value)
      if (name === null) return unknownClass(args, value)
      filter.className = name
    } else if (args.is(i, ADDR)) {
      filter.address = args.text(value)
    } else if (args.is(i, LADDR)) {
      filter.localAddress = args.text(value)
    } else if (args.is(i, USER)) {
      const name = args.text(value)
      if (name !== 'default') return replyError(`ERR No such user '${name}'`)
    } else if (args.is(i, SKIPME) && (args.is(value, YES) || args.is(value, NO))) {
      filter.isSelfSpared = args.is(value, YES)
    } else {
      return SYNTAX_ERROR
    }
  }
  return null
}

/** The class that argument `i` names, or null. */
function classOf(args: Args, i: number): string | null {
  const text = args.text(i).toLowerCase()
  if (text === 'replica') return 'slave'
  return CLASSES.find((name) => name === text) ?? null
}

function unknownClass(args: Args, i: number): ReplyError {
  return replyError(`ERR Unknown client type '${args.text(i)}'`)
}

/** CLIENT PAUSE ms [WRITE | ALL]: commands wait, those of writers or all, for at most that long. */
function pause(context: Context, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(wrongUse(args))
  const isTotal = args.count === 3 || args.is(3, ALL)
  if (!isTotal && !args.is(3, WRITE)) return reply.error(BAD_MODE)
  const durationMs = args.integer(2)
  if (typeof durationMs !== 'number') return reply.error(TIMEOUT_NOT_INTEGER)
  if (durationMs < 0) return reply.error(TIMEOUT_NEGATIVE)
  const { server, nowMs } = serverContext(context)
  server.clients.pause(nowMs + durationMs, isTotal)
  server.keyspace.isExpiryPaused = true
  reply.ok()
}

/** CLIENT UNPAUSE: serves those who wait, after the answer. */
function unpause(context: Context, _args: Args, reply: Reply): void {
  const { server } = serverContext(context)
  server.clients.unpause()
  server.keyspace.isExpiryPaused = false
  server.clock.after(0, server.parts.resume)
  reply.ok()
}

/** CLIENT REPLY ON | OFF | SKIP; only ON answers. */
function replyMode(context: Context, args: Args, reply: Reply): void {
  const { client } = serverContext(context)
  if (args.is(2, ON)) {
    unmute(client, reply)
    return reply.ok()
  }
  // No answer: the mode holds from the next command on, and this one says nothing.
  if (args.is(2, OFF)) client.replyMode = ReplyMode.Off
  else if (!args.is(2, SKIP)) reply.error(SYNTAX_ERROR)
  else if (client.replyMode !== ReplyMode.Off) client.replyMode = ReplyMode.SkipNext
}

function noEvict(context: Context, args: Args, reply: Reply): void {
  const isOn = args.is(2, ON)
  if (!isOn && !args.is(2, OFF)) return reply.error(SYNTAX_ERROR)
  serverContext(context).client.isNoEvict = isOn
  reply.ok()
}

/** CLIENT NO-TOUCH ON | OFF: whether this client's reads leave the LRU and LFU clocks alone. */
function noTouch(context: Context, args: Args, reply: Reply): void {
  const isOn = args.is(2, ON)
  if (!isOn && !args.is(2, OFF)) return reply.error(SYNTAX_ERROR)
  serverContext(context).client.isNoTouch = isOn
  context.keyspace.isClockStopped = isOn
  reply.ok()
}

/** CLIENT UNBLOCK id [TIMEOUT | ERROR]: 1; 0 when that client does not wait for a key. */
function unblock(context: Context, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(wrongUse(args))
  if (args.count === 4 && !args.is(3, TIMEOUT) && !args.is(3, ERROR)) return reply.error(BAD_REASON)
  const wanted = args.integer(2)
  if (wanted === null) return reply.error(NOT_INTEGER)
  const { server } = serverContext(context)
  const client = typeof wanted === 'number' ? server.clients.find(wanted) : null
  const error = args.count === 4 && args.is(3, ERROR) ? UNBLOCKED : null
  const isUnblocked = client !== null && server.blocking.unblock(client, error)
  if (isUnblocked && error !== null) server.dispatcher.noteError(error.code)
  reply.integer(isUnblocked ? 1 : 0)
}

function help(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'CLIENT', [
    'CACHING (YES|NO)',
    '    Whether the keys of the next command are tracked, in mode OPTIN or OPTOUT.',
    'GETREDIR',
    '    The client that invalidations go to; 0 for this one, -1 without tracking.',
    'GETNAME',
    '    The name of this connection.',
    'ID',
    '    The number of this connection.',
    'INFO',
    '    The line of CLIENT LIST about this connection.',
    'KILL <ip:port>',
    '    Close the connection from that address.',
    'KILL <filter> <value> [<filter> <value> [...]]',
    '    Close the connections that all filters match. Filters are:',
    '    * ADDR (<ip:port>|<unixsocket>:0)',
    '    * LADDR (<ip:port>|<unixsocket>:0)',
    '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
    '    * USER <username>',
    '    * ID <clientid>',
    '    * SKIPME (YES|NO): whether to spare this connection (default: yes).',
    'LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <clientid> [...]]',
    '    A line for each connection.',
    'NO-EVICT (ON|OFF)',
    '    Mark this connection as one not to be evicted.',
    'NO-TOUCH (ON|OFF)',
    '    Whether reads of this connection leave the LRU and LFU clocks alone.',
    'PAUSE <milliseconds> [WRITE|ALL]',
    '    Hold all commands, or those that write, back for a while.',
    'REPLY (ON|OFF|SKIP)',
    '    Whether this connection is answered.',
    'SETINFO (LIB-NAME|LIB-VER) <text>',
    '    Tell the library that this connection is made by.',
    'SETNAME <name>',
    '    Name this connection.',
    'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
    '         [OPTIN] [OPTOUT] [NOLOOP]',
    '    Whether this connection is told when keys change that it has read.',
    'TRACKINGINFO',
    '    The state of tracking of this connection.',
    'UNBLOCK <clientid> [TIMEOUT|ERROR]',
    '    End the wait of a client in a blocking command.',
    'UNPAUSE',
    '    End a pause.',
  ])
}

/** The error for a subcommand that takes fewer arguments than these. */
export function wrongUse(args: Args): ReplyError {
  const command = args.text(0).toUpperCase()
  return replyError(
    `ERR unknown subcommand or wrong number of arguments for '${args.head(1, 128)}'. ` +
      `Try ${command} HELP.`,
  )
}

const PLAIN = {
  flags: Flag.NoScript | Flag.Loading | Flag.Stale, keys: [0, 0, 0], group: 'connection',
  complexity: 'O(1)',
} as const
const ADMIN = { ...PLAIN, flags: PLAIN.flags | Flag.Admin } as const

export const clientCommands: readonly Command[] = [
  {
    name: 'client', arity: -2, flags: 0, keys: [0, 0, 0], group: 'connection', since: '2.4.0',
    summary: 'Commands about connections', complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        ...PLAIN, name: 'getname', arity: 2, since: '2.6.9', run: getname,
        summary: 'Returns the name of the connection',
      },
      {
        ...PLAIN, name: 'help', arity: 2, since: '5.0.0', run: help,
        flags: Flag.Loading | Flag.Stale,
        summary: 'Lists the subcommands',
      },
      {
        ...PLAIN, name: 'id', arity: 2, since: '5.0.0', run: id,
        summary: 'Returns the number of the connection',
      },
      {
        ...PLAIN, name: 'info', arity: 2, since: '6.2.0', run: info,
        summary: 'Describes the connection', tips: ['nondeterministic_output'],
      },
      {
        ...ADMIN, name: 'kill', arity: -3, since: '2.4.0', run: kill,
        summary: 'Closes connections', complexity: 'O(N), where N is the number of connections.',
      },
      {
        ...ADMIN, name: 'list', arity: -2, since: '2.4.0', run: list,
        summary: 'Describes all connections',
        complexity: 'O(N), where N is the number of connections.',
        tips: ['nondeterministic_output'],
      },
      {
        ...ADMIN, name: 'no-evict', arity: 3, since: '7.0.0', run: noEvict,
        summary: 'Marks the connection as one not to be evicted',
      },
      {
        ...PLAIN, name: 'no-touch', arity: 3, since: '7.2.0', run: noTouch,
        summary: 'Says whether reads count as uses of keys',
      },
      {
        ...ADMIN, name: 'pause', arity: -3, since: '2.9.50', run: pause,
        summary: 'Holds commands back for a while',
      },
      {
        ...PLAIN, name: 'reply', arity: 3, since: '3.2.0', run: replyMode,
        summary: 'Says whether the connection is answered',
      },
      {
        ...PLAIN, name: 'setinfo', arity: 4, since: '7.2.0', run: setinfo,
        summary: 'Tells the library that the connection is made by',
      },
      {
        ...PLAIN, name: 'setname', arity: 3, since: '2.6.9', run: setname,
        summary: 'Names the connection',
      },
      ...trackingSubcommands,
      {
        ...ADMIN, name: 'unblock', arity: -3, since: '5.0.0', run: unblock,
        summary: 'Ends the wait of a client in a blocking command',
        complexity: 'O(log N), where N is the number of connections.',
      },
      {
        ...ADMIN, name: 'unpause', arity: 2, since: '6.2.0', run: unpause,
        summary: 'Ends a pause', complexity: 'O(N), where N is the number of paused clients.',
      },
    ],
  },
]
