// DEBUG: what test suites need to look behind the curtain. Closed unless `enable-debug-command`
// opens it. Subcommands of Redis that are about parts which do not exist here are missing.
// biome-ignore-all format: rows of a table.

import { Slice } from '../base/slice.ts'
import { keyArgument, writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import { NO_DEADLINE } from '../keyspace/database.ts'
import { setSpanLength } from '../keyspace/list/list-entry.ts'
import { ENCODING_NAMES } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import { payloadOf } from '../persist/dump.ts'
import { type Args, word } from '../resp/args.ts'
import {
  DB_OUT_OF_RANGE,
  NO_SUCH_KEY,
  NOT_FLOAT,
  NOT_INTEGER,
  replyError,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { loadAof, setFlushSleep } from './aof-commands.ts'
import { wrongUse } from './client-commands.ts'
import { encodeText, parseBytes } from './config-text.ts'
import { replyExample } from './debug-protocol.ts'
import { reload } from './debug-reload.ts'
import { keyspaceDigest, valueDigest } from './digest.ts'
import { serverContext } from './server.ts'

/** A subcommand: counts of arguments with both words, and what it does. */
interface Subcommand {
  readonly least: number
  readonly most: number
  readonly run: (context: Context, args: Args, reply: Reply) => void
  readonly help: readonly string[]
}

const RESIZING = word('resizing')
const ANY = Number.POSITIVE_INFINITY
const MS_PER_SECOND = 1000
/** By then the main thread has reported the fault and ended the process. */
const FAULT_MS_MAX = 5000
const SLEEP_WORD = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
/** Type, version and checksum around the value of a payload. */
const PAYLOAD_FRAME_BYTES = 11
/** What Redis takes for a length of elements. */
const PACKED_THRESHOLD_MAX = 2n ** 32n - 2n ** 20n
const BAD_THRESHOLD = replyError(
  'ERR argument must be a memory value bigger than 1 and smaller than 4gb',
)
/** Digits of the address that DEBUG OBJECT shows. */
const ADDRESS_DIGITS = 12

/** Blocks everybody, as a slow command would. */
function sleep(_context: Context, args: Args, reply: Reply): void {
  const seconds = args.double(2)
  if (seconds === null || seconds < 0) return reply.error(NOT_FLOAT)
  Atomics.wait(SLEEP_WORD, 0, 0, Math.min(seconds * MS_PER_SECOND, 2 ** 31 - 1))
  reply.ok()
}

function setActiveExpire(context: Context, args: Args, reply: Reply): void {
  serverContext(context).server.isActiveExpireOn = args.text(2) !== '0'
  reply.ok()
}

function pauseCron(context: Context, args: Args, reply: Reply): void {
  serverContext(context).server.isCronPaused = args.text(2) !== '0'
  reply.ok()
}

function setSkipChecksum(context: Context, args: Args, reply: Reply): void {
  context.limits.isPayloadChecked = args.text(2) === '0'
  reply.ok()
}

function log(context: Context, args: Args, reply: Reply): void {
  serverContext(context).server.log.warning(`DEBUG LOG: ${args.text(2)}`)
  reply.ok()
}

function error(_context: Context, args: Args, reply: Reply): void {
  reply.errorText(args.text(2))
}

/** DEBUG OBJECT key: facts about the record, without an access to it. */
function object(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.peek(keyArgument(context, args, 2))
  if (record === NULL) return reply.error(NO_SUCH_KEY)
  const { clock } = context.keyspace
  const bits = db.clockOf(record)
  const idle = clock.isLfu ? 0 : clock.idleSeconds(bits)
  const address = record.toString(16).padStart(ADDRESS_DIGITS, '0')
  const payload = payloadOf(db, record, context.limits.isRdbCompressed)
  const serialized = payload.length - PAYLOAD_FRAME_BYTES
  payload.release()
  reply.simple(
    `Value at:0x${address} refcount:1 encoding:${ENCODING_NAMES[db.encodingOf(record)]} ` +
      `serializedlength:${serialized} lru:${bits} lru_seconds_idle:${idle}`,
  )
}

function digest(context: Context, _args: Args, reply: Reply): void {
  reply.simple(keyspaceDigest(context.keyspace))
}

function digestValue(context: Context, args: Args, reply: Reply): void {
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const record = context.db.peek(keyArgument(context, args, i))
    reply.simple(valueDigest(context.db, record === NULL ? null : record))
  }
}

/** DEBUG POPULATE count [prefix [size]]: keys `prefix:i`, values `value:i` filled up by NUL. */
function populate(context: Context, args: Args, reply: Reply): void {
  const count = args.integer(2)
  const size = args.count > 4 ? args.integer(4) : 0
  if (typeof count !== 'number' || count < 0) return reply.error(NOT_INTEGER)
  if (typeof size !== 'number' || size < 0) return reply.error(NOT_INTEGER)
  const prefix = args.count > 3 ? args.text(3) : 'key'
  const key = new Slice()
  const value = new Slice()
  for (let i = 0; i < count; i++) {
    const name = Buffer.from(`${prefix}:${i}`, 'latin1')
    key.set(name, 0, name.length)
    if (context.db.peek(key) !== NULL) continue
    let content = Buffer.from(`value:${i}`)
    if (size > 0) content = Buffer.concat([content, Buffer.alloc(size)], size)
    context.db.putString(key, value.set(content, 0, content.length), NO_DEADLINE)
  }
  reply.ok()
}

/** DEBUG HTSTATS db: how the index of a database is filled. */
function htstats(context: Context, args: Args, reply: Reply): void {
  const id = args.integer(2)
  if (id === null) return reply.error(NOT_INTEGER)
  const database = typeof id === 'number' ? context.keyspace.databases[id] : undefined
  if (database === undefined) return reply.error(DB_OUT_OF_RANGE)
  const { size, expiringCount, dict } = database
  const load = size === 0 ? 0 : (size / dict.capacity) * 100
  reply.verbatim('txt',
    `[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: ${dict.capacity}\n` +
      ` number of elements: ${size}\n load: ${load.toFixed(2)}%\n bytes: ${dict.bytes}\n` +
      `[Expires HT]\n number of elements: ${expiringCount}\n`,
  )
}

function protocol(_context: Context, args: Args, reply: Reply): void {
  replyExample(args.text(2).toLowerCase(), reply)
}

function changeReplicationId(context: Context, _args: Args, reply: Reply): void {
  const { server } = serverContext(context)
  server.log.notice('Changing replication IDs after receiving change-repl-id')
  server.primary.changeId()
  reply.ok()
}

/** Writes the configuration file with all parameters in it, so that a test can read it back. */
function rewriteConfig(context: Context, _args: Args, reply: Reply): void {
  const error = serverContext(context).server.config.rewrite({ isComplete: true })
  if (error === null) reply.ok()
  else reply.errorText(encodeText(error).toString('latin1'))
}

/** DEBUG QUICKLIST-PACKED-THRESHOLD size: from which length on a list keeps elements apart. */
function setPackedThreshold(_context: Context, args: Args, reply: Reply): void {
  const size = parseBytes(args.text(2))
  if (size === null || size < 0n || size > PACKED_THRESHOLD_MAX) return reply.error(BAD_THRESHOLD)
  setSpanLength(Number(size))
  reply.ok()
}

/** DEBUG REPLYBUFFER RESIZING 0|1: whether the buffer of replies, one for all, shrinks again. */
function setReplyBuffer(context: Context, args: Args, reply: Reply): void {
  if (!args.is(2, RESIZING)) return reply.error(wrongUse(args))
  const server = serverContext(context).server
  server.reply.isShrinking = args.text(3) !== '0'
  reply.ok()
}

/** Ends the process the way a bug of ours would. */
function panic(): void {
  throw new Error('DEBUG PANIC was called')
}

/** Ends the process by a signal; the main thread reports that first. Does not return. */
function segfault(context: Context): void {
  serverContext(context).server.send({ kind: 'fault' })
  Atomics.wait(SLEEP_WORD, 0, 0, FAULT_MS_MAX)
  process.kill(process.pid, 'SIGSEGV')
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  'change-repl-id': {
    least: 2, most: 2, run: changeReplicationId,
    help: ['CHANGE-REPL-ID', '    Give this server a new replication id.'],
  },
  'config-rewrite-force-all': {
    least: 2, most: 2, run: rewriteConfig,
    help: ['CONFIG-REWRITE-FORCE-ALL', '    Like CONFIG REWRITE, with all parameters.'],
  },
  digest: {
    least: 2, most: 2, run: digest,
    help: ['DIGEST', '    A digest of all data: equal data, equal digest.'],
  },
  'digest-value': {
    least: 2, most: ANY, run: digestValue,
    help: ['DIGEST-VALUE <key> [<key> ...]', '    A digest of each value.'],
  },
  error: {
    least: 3, most: 3, run: error,
    help: ['ERROR <string>', '    Answer with that error.'],
  },
  htstats: {
    least: 3, most: 3, run: htstats,
    help: ['HTSTATS <dbid>', '    How the index of a database is filled.'],
  },
  log: {
    least: 3, most: 3, run: log,
    help: ['LOG <message>', '    Write to the log.'],
  },
  object: {
    least: 3, most: 3, run: object,
    help: ['OBJECT <key>', '    How the key is stored.'],
  },
  panic: {
    least: 2, most: 2, run: panic,
    help: ['PANIC', '    Crash by an error in the engine.'],
  },
  'pause-cron': {
    least: 3, most: 3, run: pauseCron,
    help: ['PAUSE-CRON <0|1>', '    Stop recurring work, or go on with it.'],
  },
  populate: {
    least: 3, most: 5, run: populate,
    help: [
      'POPULATE <count> [<prefix>] [<size>]',
      '    Add keys <prefix>:<number> that do not exist yet (default prefix: key).',
    ],
  },
  protocol: {
    least: 3, most: 3, run: protocol,
    help: [
      'PROTOCOL <type>',
      '    Answer with an example of: string, integer, double, bignum, null, array, set, map,',
      '    attrib, push, verbatim, true, false.',
    ],
  },
  'quicklist-packed-threshold': {
    least: 3, most: 3, run: setPackedThreshold,
    help: [
      'QUICKLIST-PACKED-THRESHOLD <size>',
      '    Lists keep elements of this length and more apart (0: the default, which is the most).',
    ],
  },
  'aof-flush-sleep': {
    least: 3, most: 3, run: setFlushSleep,
    help: [
      'AOF-FLUSH-SLEEP <microsec>',
      '    Server will sleep before flushing the AOF, this is used for testing.',
    ],
  },
  loadaof: {
    least: 2, most: 2, run: loadAof,
    help: [
      'LOADAOF',
      '    Flush the AOF buffers on disk and reload the AOF in memory.',
    ],
  },
  reload: {
    least: 2, most: ANY, run: reload,
    help: [
      'RELOAD [NOSAVE] [NOFLUSH] [MERGE]',
      '    Save, remove all keys, and load the file. NOSAVE: load what is there; NOFLUSH: keep the',
      '    keys, none of which may be in the file; MERGE: those of the file win.',
    ],
  },
  replybuffer: {
    least: 4, most: 4, run: setReplyBuffer,
    help: [
      'REPLYBUFFER RESIZING <0|1>',
      '    Whether the buffer of replies, which all clients share, shrinks after a long reply.',
    ],
  },
  segfault: {
    least: 2, most: 2, run: segfault,
    help: ['SEGFAULT', '    Crash by a signal.'],
  },
  'set-active-expire': {
    least: 3, most: 3, run: setActiveExpire,
    help: ['SET-ACTIVE-EXPIRE <0|1>', '    Whether expired keys are removed that nobody asks for.'],
  },
  'set-skip-checksum-validation': {
    least: 3, most: 3, run: setSkipChecksum,
    help: ['SET-SKIP-CHECKSUM-VALIDATION <0|1>', '    Whether RESTORE takes any checksum.'],
  },
  sleep: {
    least: 3, most: 3, run: sleep,
    help: ['SLEEP <seconds>', '    Hold the server; decimals allowed.'],
  },
}

function debug(context: Context, args: Args, reply: Reply): void {
  const name = args.text(1).toLowerCase()
  if (name === 'help' && args.count === 2) {
    return writeHelp(reply, 'DEBUG', Object.values(SUBCOMMANDS).flatMap(({ help }) => help))
  }
  const found = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (found === undefined || args.count < found.least || args.count > found.most) {
    return reply.error(wrongUse(args))
  }
  found.run(context, args, reply)
}

export const debugCommands: readonly Command[] = [
  {
    name: 'debug', arity: -2, keys: [0, 0, 0], group: 'server', since: '1.0.0', run: debug,
    flags: Flag.Admin | Flag.NoScript | Flag.Loading | Flag.Stale | Flag.Protected,
    summary: 'Commands for tests', complexity: 'Depends on the subcommand.',
    docFlags: ['syscmd'],
  },
]
