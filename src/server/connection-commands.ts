// Commands about the connection itself: PING, ECHO, QUIT, RESET, HELLO, AUTH. CLIENT is in
// client-commands.ts, SELECT with the databases.
// biome-ignore-all format: rows of a table.

import { timingSafeEqual } from 'node:crypto'
import { type Command, type Context, Flag } from '../command/command.ts'
import { type Args, word } from '../resp/args.ts'
import {
  AUTH_NOT_SET, HELLO_NO_AUTH, NO_PROTO, PROTOCOL_NOT_INTEGER, 
  type ReplyError, replyError, SYNTAX_ERROR,WRONG_PASS, wrongArity,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { encodeText } from './config-text.ts'
import { type Connection, ReplyMode } from './connection.ts'
import { serverContext } from './server.ts'
import { REDIS_VERSION } from './version.ts'

const PONG = 'PONG'
const AUTH = word('auth')
const SETNAME = word('setname')
const PROTOCOL_MIN = 2
const PROTOCOL_MAX = 3

export const INVALID_NAME = replyError(
  'ERR Client names cannot contain spaces, newlines or special characters.',
)

/** PING [message]: the message, or PONG. */
function ping(context: Context, args: Args, reply: Reply): void {
  if (args.count > 2) return reply.error(wrongArity('ping'))
  const { client } = serverContext(context)
  if (client.subscriptions !== null && client.version === 2) return pingSubscribed(args, reply)
  if (args.count === 1) return reply.simple(PONG)
  reply.bulk(args.bytes, args.start(1), args.length(1))
}

/** In pub/sub mode of RESP2 the answer has the form of a message. */
function pingSubscribed(args: Args, reply: Reply): void {
  reply.array(2)
  reply.bulkText('pong')
  if (args.count === 1) reply.bulkText('')
  else reply.bulk(args.bytes, args.start(1), args.length(1))
}

function echo(_context: Context, args: Args, reply: Reply): void {
  reply.bulk(args.bytes, args.start(1), args.length(1))
}

function quit(context: Context, _args: Args, reply: Reply): void {
  reply.ok()
  serverContext(context).client.closeAfterReply()
}

/** RESET: the connection as it was when it was new. */
function reset(context: Context, _args: Args, reply: Reply): void {
  const { client, server } = serverContext(context)
  unmute(client, reply)
  server.forgetModes(client)
  client.abandonTransaction()
  client.name = ''
  client.database = 0
  context.db = context.keyspace.databases[0]!
  client.isNoTouch = false
  client.isNoEvict = false
  setVersion(client, reply, PROTOCOL_MIN)
  client.setAuthenticated(server.config.values.requirepass === '')
  reply.simple('RESET')
}

/** AUTH [name] password. There is one user, `default`. */
function auth(context: Context, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(SYNTAX_ERROR)
  const { server } = serverContext(context)
  if (args.count === 2 && server.config.values.requirepass === '') return reply.error(AUTH_NOT_SET)
  const error = authenticate(context, args, { name: args.count - 2, password: args.count - 1 })
  if (error !== null) return reply.error(error)
  reply.ok()
}

/** HELLO [protocol [AUTH name password] [SETNAME name]]. */
function hello(context: Context, args: Args, reply: Reply): void {
  const { client, server } = serverContext(context)
  let version: 2 | 3 = client.version
  if (args.count > 1) {
    const asked = args.integer(1)
    if (asked === null) return reply.error(PROTOCOL_NOT_INTEGER)
    if (asked !== PROTOCOL_MIN && asked !== PROTOCOL_MAX) return reply.error(NO_PROTO)
    version = asked
  }
  const error = readHelloOptions(context, args)
  if (error !== null) return reply.error(error)
  if (args.count > 1) setVersion(client, reply, version)
  reply.map(7)
  reply.bulkText('server')
  reply.bulkText('redis')
  reply.bulkText('version')
  reply.bulkText(REDIS_VERSION)
  reply.bulkText('proto')
  reply.integer(client.version)
  reply.bulkText('id')
  reply.integer(client.id)
  reply.bulkText('mode')
  reply.bulkText(server.mode)
  reply.bulkText('role')
  reply.bulkText('master')
  reply.bulkText('modules')
  reply.array(0)
}

/** Checks all options first, so that a wrong one leaves no trace. */
function readHelloOptions(context: Context, args: Args): ReplyError | null {
  const { client } = serverContext(context)
  let nameAt = 0
  for (let i = 2; i < args.count; i++) {
    const left = args.count - 1 - i
    if (left >= 2 && args.is(i, AUTH)) {
      const error = authenticate(context, args, { name: i + 1, password: i + 2 })
      if (error !== null) return error
      i += 2
    } else if (left >= 1 && args.is(i, SETNAME)) {
      nameAt = i + 1
      if (!isValidName(args, nameAt)) return INVALID_NAME
      i++
    } else {
      return replyError(`ERR Syntax error in HELLO option '${args.text(i)}'`)
    }
  }
  if (!client.isAuthenticated) return HELLO_NO_AUTH
  if (nameAt > 0) client.name = args.text(nameAt)
  return null
}

/** Checks name and password; null and an authenticated client when they are right. */
function authenticate(
  context: Context,
  args: Args,
  at: { readonly name: number; readonly password: number },
): ReplyError | null {
  const { client, server } = serverContext(context)
  // Position 0 is the command: no name was given.
  if (at.name > 0 && args.text(at.name) !== 'default') return WRONG_PASS
  const expected = server.config.values.requirepass
  if (expected !== '' && !isSamePassword(args.copy(at.password), encodeText(expected))) {
    return WRONG_PASS
  }
  client.setAuthenticated(true)
  return null
}

/** Compares in a time that depends on the lengths only. */
function isSamePassword(given: Uint8Array, expected: Uint8Array): boolean {
  const length = Math.max(given.length, expected.length)
  const a = new Uint8Array(length)
  const b = new Uint8Array(length)
  a.set(given)
  b.set(expected)
  return timingSafeEqual(a, b) && given.length === expected.length
}

/** Whether argument `i` may be a client's name: printable ASCII without blanks. */
export function isValidName(args: Args, i: number): boolean {
  const start = args.start(i)
  for (let at = start; at < start + args.length(i); at++) {
    const byte = args.bytes[at]!
    if (byte < 0x21 || byte > 0x7e) return false
  }
  return true
}

/** Makes replies go out again, this command's own included. */
export function unmute(client: Connection, reply: Reply): void {
  if (client.replyMode === ReplyMode.On) return
  client.replyMode = ReplyMode.On
  reply.unmute()
}

function setVersion(client: Connection, reply: Reply, version: 2 | 3): void {
  client.version = version
  reply.version = version
}

const ALWAYS = Flag.NoScript | Flag.Loading | Flag.Stale | Flag.Fast | Flag.NoAuth | Flag.AllowBusy

export const connectionCommands: readonly Command[] = [
  {
    name: 'auth', arity: -2, flags: ALWAYS, keys: [0, 0, 0], group: 'connection',
    since: '1.0.0', run: auth,
    summary: 'Gives the password, and the user name where there is one',
    complexity: 'O(1)',
  },
  {
    name: 'echo', arity: 2, flags: Flag.Fast | Flag.Loading | Flag.Stale, keys: [0, 0, 0],
    group: 'connection',
    since: '1.0.0', run: echo,
    summary: 'Returns the argument', complexity: 'O(1)',
  },
  {
    name: 'hello', arity: -1, flags: ALWAYS, keys: [0, 0, 0], group: 'connection',
    since: '6.0.0', run: hello,
    summary: 'Chooses the protocol and says what the server is', complexity: 'O(1)',
  },
  {
    name: 'ping', arity: -1, flags: Flag.Fast, keys: [0, 0, 0], group: 'connection',
    since: '1.0.0', run: ping,
    summary: 'Answers, with the argument if there is one', complexity: 'O(1)',
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
  },
  {
    name: 'quit', arity: -1, flags: ALWAYS, keys: [0, 0, 0], group: 'connection',
    since: '1.0.0', run: quit,
    summary: 'Closes the connection after an answer', complexity: 'O(1)',
  },
  {
    name: 'reset', arity: 1, flags: ALWAYS, keys: [0, 0, 0], group: 'connection',
    since: '6.2.0', run: reset,
    summary: 'Puts the connection back to its first state', complexity: 'O(1)',
  },
]
