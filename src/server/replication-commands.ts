// SYNC, PSYNC, REPLCONF, ROLE, REPLICAOF: what replicas ask of their primary, and what operators
// ask about replication. A server cannot be a replica yet: REPLICAOF says so.
// biome-ignore-all format: rows of a table.

import { integerArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import type { AttachedReplica } from '../replication/attached-replica.ts'
import { ReplicaState } from '../replication/attached-replica.ts'
import { type Args, word } from '../resp/args.ts'
import { type ReplyError, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { replicaOf } from './replication-link.ts'
import { type ServerContext, serverContext } from './server.ts'

const PENDING_OUTPUT = replyError('ERR SYNC and PSYNC are invalid with pending output')
const UNCAPABLE_FILTER = replyError('ERR Filtered replica requires EOF capability')
const NO_FAILOVER = replyError("ERR PSYNC FAILOVER can't be sent to a master.")
const NO_PERSISTENCE = replyError('ERR This server has no persistence')
const BAD_PORT = replyError('ERR Invalid master port')
const BAD_FLAG = replyError('ERR value is out of range, value must between 0 and 1')
const NO_REPLICA = replyError(
  'ERR Tidemark cannot be a replica yet: REPLICAOF takes NO ONE only. Use backup and restore, or ' +
    'MIGRATE, to bring data here.',
)
const HOST_LENGTH_MAX = 255
const SHOWN_LENGTH_MAX = 128
const PORT_MAX = 65535
const EOF = word('eof')
const PSYNC2 = word('psync2')
const FAILOVER = word('failover')
const FUNCTIONS = word('functions')
const ACK = word('ack')
const GETACK = word('getack')
const NO = word('no')
const ONE = word('one')

/** SYNC: the data, then the stream, in the way of old replicas. */
function sync(context: Context, _args: Args, reply: Reply): void {
  const found = serverContext(context)
  if (found.client.isReplica || !maySync(found, reply)) return
  const replica = replicaOf(found.server, found.client)
  replica.isOld = true
  beginFully(found, replica)
}

/** PSYNC id offset: goes on with the stream from there if that can be, else as SYNC. */
function psync(context: Context, args: Args, reply: Reply): void {
  const found = serverContext(context)
  const { server, client } = found
  if (client.isReplica) return
  if (args.count > 3 && args.is(3, FAILOVER)) return reply.error(NO_FAILOVER)
  if (!maySync(found, reply)) return
  const replica = replicaOf(server, client)
  server.log.notice(`Replica ${replica.name} asks for synchronization`)
  const offset = args.integer(2)
  if (offset === null) {
    server.log.warning(
      `Replica ${replica.name} asks for synchronization but with a wrong offset`,
    )
    return
  }
  const id = args.text(1)
  const { primary } = server
  if (!primary.canContinue(replica, id, Number(offset))) return beginFully(found, replica)
  reply.simple(replica.isPsync2 ? `CONTINUE ${primary.id}` : 'CONTINUE')
  // While it is still a client that is answered.
  reply.flush()
  client.isReplica = true
  primary.syncPartially(replica, Number(offset))
  client.measure()
}

function maySync({ server, client }: ServerContext, reply: Reply): boolean {
  const { replica } = client
  let error: ReplyError | null = null
  if (server.persistence === null) error = NO_PERSISTENCE
  else if (reply.length > 0 || client.socket.pendingBytes > 0) error = PENDING_OUTPUT
  else if (replica?.isEmptyWanted && !replica.isEofCapable) error = UNCAPABLE_FILTER
  if (error !== null) reply.error(error)
  return error === null
}

function beginFully({ server, client }: ServerContext, replica: AttachedReplica): void {
  client.isReplica = true
  server.primary.syncFully(replica)
  client.measure()
}

/** REPLCONF option value …: what a replica tells of itself; ACK and GETACK have no answer. */
function replconf(context: Context, args: Args, reply: Reply): void {
  if (args.count % 2 === 0) return reply.error(SYNTAX_ERROR)
  const { server, client } = serverContext(context)
  for (let i = 1; i < args.count; i += 2) {
    if (args.is(i, ACK)) return noteAck(serverContext(context), args, i + 1)
    // A primary asks that, and we have none.
    if (args.is(i, GETACK)) return
    if (!noteOption(replicaOf(server, client), args, i, reply)) return
  }
  reply.ok()
}

function noteAck({ server, client }: ServerContext, args: Args, i: number): void {
  const { replica } = client
  const offset = args.integer(i)
  if (!client.isReplica || replica === null || typeof offset !== 'number') return
  server.primary.noteAck(replica, offset)
}

/** Takes one option; false after an error reply. */
function noteOption(replica: AttachedReplica, args: Args, i: number, reply: Reply): boolean {
  switch (args.text(i).toLowerCase()) {
    case 'listening-port': {
      const port = integerArgument(args, i + 1, reply)
      if (port === null) return false
      replica.port = Number(port)
      return true
    }
    case 'ip-address': return noteHost(replica, args, i + 1, reply)
    case 'capa':
      if (args.is(i + 1, EOF)) replica.isEofCapable = true
      else if (args.is(i + 1, PSYNC2)) replica.isPsync2 = true
      return true
    case 'rdb-only': {
      const flag = integerArgument(args, i + 1, reply)
      if (flag === null) return false
      if (flag !== 0 && flag !== 1) return refuse(reply, BAD_FLAG)
      replica.isRdbOnly = flag === 1
      return true
    }
    case 'rdb-filter-only': return noteFilter(replica, args.text(i + 1), reply)
    default:
      return refuse(reply, replyError(
        `ERR Unrecognized REPLCONF option: ${args.head(i, SHOWN_LENGTH_MAX)}`,
      ))
  }
}

function noteHost(replica: AttachedReplica, args: Args, i: number, reply: Reply): boolean {
  const length = args.length(i)
  if (length <= HOST_LENGTH_MAX) {
    replica.host = args.text(i)
    return true
  }
  return refuse(reply, replyError(
    `ERR REPLCONF ip-address provided by replica instance is too long: ${length} bytes`,
  ))
}

/** What alone the snapshot is to hold; nothing named: all. */
function noteFilter(replica: AttachedReplica, text: string, reply: Reply): boolean {
  const names = text.split(' ').filter((name) => name !== '')
  const isFunctions = (name: string) => name.toLowerCase() === String.fromCharCode(...FUNCTIONS)
  const unknown = names.find((name) => !isFunctions(name))
  if (unknown !== undefined) {
    const shown = unknown.slice(0, SHOWN_LENGTH_MAX)
    return refuse(reply, replyError(`ERR Unsupported rdb-filter-only option: ${shown}`))
  }
  replica.isEmptyWanted = names.length > 0
  return true
}

function refuse(reply: Reply, error: ReplyError): false {
  reply.error(error)
  return false
}

/** ROLE: master, offset of the stream, replicas that are online. */
function role(context: Context, _args: Args, reply: Reply): void {
  const { primary } = serverContext(context).server
  const online = [...primary.replicas].filter(({ state }) => state === ReplicaState.Online)
  reply.array(3)
  reply.bulkText('master')
  reply.integer(primary.offset)
  reply.array(online.length)
  for (const { shownHost, port, ackOffset } of online) {
    reply.array(3)
    reply.bulkText(shownHost)
    reply.bulkText(String(port))
    reply.bulkText(String(ackOffset))
  }
}

/** REPLICAOF NO ONE: stays the primary that it is. */
function replicaof(_context: Context, args: Args, reply: Reply): void {
  if (args.is(1, NO) && args.is(2, ONE)) return reply.ok()
  const port = args.integer(2)
  if (typeof port !== 'number' || port < 0 || port > PORT_MAX) return reply.error(BAD_PORT)
  reply.error(NO_REPLICA)
}

const SYNC_FLAGS = Flag.Admin | Flag.NoScript | Flag.NoAsyncLoading | Flag.NoMulti
const ROLE_FLAGS = Flag.NoScript | Flag.Loading | Flag.Stale | Flag.Fast
const REPLICAOF_FLAGS = Flag.Admin | Flag.NoScript | Flag.Stale | Flag.NoAsyncLoading

export const replicationCommands: readonly Command[] = [
  {
    name: 'sync', arity: 1, flags: SYNC_FLAGS, keys: [0, 0, 0], group: 'server', since: '1.0.0',
    run: sync, summary: 'Become a replica: get all data, then all changes', complexity: '',
  },
  {
    name: 'psync', arity: -3, flags: SYNC_FLAGS, keys: [0, 0, 0], group: 'server',
    since: '2.8.0', run: psync,
    summary: 'Become a replica, from a place in the stream of changes if it is still kept',
    complexity: '',
  },
  {
    name: 'replconf', arity: -1, keys: [0, 0, 0], group: 'server', since: '3.0.0', run: replconf,
    flags: Flag.Admin | Flag.NoScript | Flag.Loading | Flag.Stale | Flag.AllowBusy,
    summary: 'What a replica tells its primary of itself', complexity: 'O(1)',
    docFlags: ['syscmd'],
  },
  {
    name: 'role', arity: 1, flags: ROLE_FLAGS, keys: [0, 0, 0], group: 'server',
    since: '2.8.12', run: role, summary: 'The part that the server plays in replication',
    complexity: 'O(1)', categories: ['admin', 'dangerous'],
  },
  {
    name: 'replicaof', arity: 3, flags: REPLICAOF_FLAGS, keys: [0, 0, 0], group: 'server',
    since: '5.0.0', run: replicaof,
    summary: 'Become a replica of another server, or a primary again', complexity: 'O(1)',
  },
  {
    name: 'slaveof', arity: 3, flags: REPLICAOF_FLAGS, keys: [0, 0, 0], group: 'server',
    since: '1.0.0', run: replicaof,
    summary: 'Become a replica of another server, or a primary again', complexity: 'O(1)',
    deprecated: { since: '5.0.0', replacedBy: '`REPLICAOF`' },
  },
]
