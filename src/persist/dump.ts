// DUMP and RESTORE: one key's value as an RDB payload, out and in. They stand here and not in
// command/ because payloads are written and read by the code that files are.
//
// The encoder is made with the first payload, as it holds 200 KiB of buffers that most servers
// never need. One thread's: the engine's.

import { assert, fail } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import type { I64 } from '../base/i64.ts'
import { scratchSlice } from '../base/slice.ts'
import { integerArgument, keyArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag } from '../command/command.ts'
import { toDeadline } from '../command/deadline.ts'
import { keepDeletion, writeArguments } from '../command/effects.ts'
import { DEL, EventClass, keyEvent, noteChange } from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import {
  BUSY_KEY,
  DUMP_BAD,
  DUMP_BAD_FORMAT,
  FREQ_INVALID,
  IDLETIME_INVALID,
  SYNTAX_ERROR,
  TTL_INVALID,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { damageLine } from './damage.ts'
import { LiveValue } from './live-value.ts'
import { RdbPayload } from './rdb/rdb-payload.ts'
import { RdbEntry, type RdbTarget } from './rdb/rdb-target.ts'
import { rdbTypes } from './rdb/rdb-types.ts'
import { VALUE_ENCODERS, writeValue } from './rdb/value-encoders.ts'
import { RestoredValue } from './restored-value.ts'

const REPLACE = word('replace')
const ABSTTL = word('absttl')
const IDLETIME = word('idletime')
const FREQ = word('freq')

const RESTORE_WORD = latin1('RESTORE')
const ABSTTL_WORD = latin1('ABSTTL')

const RDB_TYPE_STRING = 0
const FREQUENCY_MAX = 255
/** Idle times beyond the clock's 24 bits are as long as it can tell. */
const IDLE_SECONDS_MAX = 0xffffff
const NOT_GIVEN = -1

const RESTORE = keyEvent(EventClass.Generic, 'restore')

let payload: RdbPayload | null = null
const VIEW = new LiveValue()
const STRING = scratchSlice()
const RESTORED = new RestoredValue()

/** DUMP key: the value as a payload, nil without a key. O(value). */
export function dump(context: Context, args: Args, reply: Reply): void {
  const { db, limits } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.nil()
  const made = payloadOf(db, record, limits.isRdbCompressed)
  reply.bulk(made.bytes, made.start, made.length)
  made.release()
}

/**
 * The payload of a key's value, in the one place where payloads are made: valid until the next one,
 * or until the caller releases it. O(value).
 */
export function payloadOf(db: Database, record: Ptr, isCompressed: boolean): RdbPayload {
  payload ??= new RdbPayload()
  const type = db.typeOf(record)
  if (type === Type.String) {
    const writer = payload.begin(RDB_TYPE_STRING, isCompressed)
    db.readString(record, STRING)
    writer.string(STRING.bytes, STRING.start, STRING.length)
  } else {
    const encoder = VALUE_ENCODERS.get(type) ?? fail('each type of collection has an encoder')
    VIEW.open(db, record)
    const writer = payload.begin(encoder.rdbType(VIEW), isCompressed)
    writeValue(encoder, writer, VIEW)
  }
  payload.end()
  return payload
}

/** Hands a key's value to `target`, as the reader of a file that holds it would. O(value). */
export function readValue(db: Database, record: Ptr, target: RdbTarget): void {
  const made = payloadOf(db, record, false)
  const { bytes, start, length } = made
  // A copy: reading may use the memory that the payload was written in.
  const range = { bytes: bytes.slice(start, start + length), start: 0, length }
  const isRead = made.read(range, new RdbEntry(), target)
  assert(isRead, 'what was written can be read')
  made.release()
}

/** RESTORE key ttl payload [options]: OK; the key holds what was dumped. O(payload). */
export function restore(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace, nowMs } = context
  const options = parseOptions(args, reply)
  if (options === null) return
  const key = keyArgument(context, args, 1)
  if (!options.isReplacing && db.findForWrite(key) !== NULL) return reply.error(BUSY_KEY)
  const ttl = integerArgument(args, 2, reply)
  if (ttl === null) return
  if (ttl < 0) return reply.error(TTL_INVALID)
  const made = makeValue(context, args, reply)
  if (made === NULL) return
  const occupant = options.isReplacing ? db.findForWrite(key) : NULL
  const deadlineMs = ttl === 0 ? 0 : deadlineOf(ttl, options.isAbsolute ? 0 : nowMs)
  const { effects } = context
  if (deadlineMs !== 0 && deadlineMs <= nowMs && !context.isReplayed) {
    // What would be gone at once is not made at all, but what it replaces goes.
    db.remove(made)
    if (occupant !== NULL) {
      db.remove(occupant)
      noteChange(context, key, DEL)
      if (effects.isKept) keepDeletion(context, key, false)
    }
  } else {
    const moved = db.rename(made, key)
    const record = deadlineMs === 0 ? moved : db.setDeadline(moved, deadlineMs)
    if (occupant !== NULL) db.setClock(record, keyspace.clock.fresh())
    setClock(context, record, options)
    noteChange(context, key, RESTORE)
    if (effects.isKept && deadlineMs !== 0 && !options.isAbsolute) {
      keepRestore(context, args, deadlineMs)
    }
  }
  reply.ok()
}

/** Keeps the command with its deadline in unix ms. */
function keepRestore({ effects, db }: Context, args: Args, deadlineMs: number): void {
  const writer = effects.instead(db, RESTORE_WORD, args.count + 1)
  writeArguments(writer, args, 1, 2)
  writer.bulkInteger(deadlineMs)
  writeArguments(writer, args, 3, args.count)
  writer.bulk(ABSTTL_WORD, 0, ABSTTL_WORD.length)
}

interface RestoreOptions {
  isReplacing: boolean
  isAbsolute: boolean
  idleSeconds: number
  frequency: number
}

/** The options from argument 4 on; null after an error reply. */
function parseOptions(args: Args, reply: Reply): RestoreOptions | null {
  const options: RestoreOptions = {
    isReplacing: false,
    isAbsolute: false,
    idleSeconds: NOT_GIVEN,
    frequency: NOT_GIVEN,
  }
  for (let i = 4; i < args.count; i++) {
    const hasValue = i + 1 < args.count
    if (args.is(i, REPLACE)) options.isReplacing = true
    else if (args.is(i, ABSTTL)) options.isAbsolute = true
    else if (args.is(i, IDLETIME) && hasValue && options.frequency === NOT_GIVEN) {
      const seconds = integerArgument(args, ++i, reply)
      if (seconds === null) return null
      if (seconds < 0) return refuse(reply, IDLETIME_INVALID)
      options.idleSeconds = Math.min(Number(seconds), IDLE_SECONDS_MAX)
    } else if (args.is(i, FREQ) && hasValue && options.idleSeconds === NOT_GIVEN) {
      const frequency = integerArgument(args, ++i, reply)
      if (frequency === null) return null
      if (frequency < 0 || frequency > FREQUENCY_MAX) return refuse(reply, FREQ_INVALID)
      options.frequency = Number(frequency)
    } else return refuse(reply, SYNTAX_ERROR)
  }
  return options
}

function refuse(reply: Reply, error: Parameters<Reply['error']>[0]): null {
  reply.error(error)
  return null
}

/** The value of the payload in argument 3, under a key of its own; NULL after an error reply. */
function makeValue(context: Context, args: Args, reply: Reply): Ptr {
  const { db, keyspace, value, limits } = context
  const { bytes } = args
  const start = args.start(3)
  const length = args.length(3)
  payload ??= new RdbPayload()
  if (!payload.verify(bytes, start, length, limits.isPayloadChecked)) {
    reply.error(DUMP_BAD)
    return NULL
  }
  keyspace.isHiding = true
  try {
    const range = value.set(bytes, start, length)
    const record = RESTORED.make(payload, range, db, limits.encodings)
    if (record !== NULL) return record
    const damage = payload.damage || damageOf(payload.typeOf(bytes, start))
    context.noteDamage(damageLine(`RESTORE: ${damage}`))
    reply.error(DUMP_BAD_FORMAT)
    return NULL
  } finally {
    keyspace.isHiding = false
    payload.release()
  }
}

/** What is wrong with a collection that could be read. */
function damageOf(type: number): string {
  const name = rdbTypes.get(type)?.name ?? fail('only known types can be read')
  if (RESTORED.isEmpty) return `payload: ${name} without elements, expected some`
  return `payload: ${name} with dup elements, expected each once`
}

/** `ttl` ms after `baseMs`; what 64 bits cannot hold is as far ahead as can be. */
function deadlineOf(ttl: I64, baseMs: number): number {
  assert(ttl >= 0, 'a ttl below 0 is refused before')
  return toDeadline(ttl, 1, baseMs) ?? Number.MAX_SAFE_INTEGER
}

/** Applies IDLETIME or FREQ, each only under the policy that it belongs to. */
function setClock({ db, keyspace }: Context, record: Ptr, options: RestoreOptions): void {
  const { clock } = keyspace
  const { idleSeconds, frequency } = options
  if (clock.isLfu) {
    if (frequency !== NOT_GIVEN) db.setClock(record, clock.ofFrequency(frequency))
  } else if (idleSeconds !== NOT_GIVEN) db.setClock(record, clock.ofIdle(idleSeconds))
}

const ROW = { keys: [1, 1, 1], group: 'generic' } as const

export const dumpCommands: readonly Command[] = [
  {
    ...ROW,
    name: 'dump',
    arity: 2,
    flags: Flag.ReadOnly,
    since: '2.6.0',
    run: dump,
    summary: 'Return the value stored at a key in a serialized form',
    complexity: 'O(N), where N is the size of the value.',
    keyFlags: ['RO access'],
    tips: ['nondeterministic_output'],
  },
  {
    ...ROW,
    name: 'restore',
    arity: -4,
    flags: Flag.Write | Flag.DenyOom,
    since: '2.6.0',
    run: restore,
    summary: 'Create a key from what DUMP returned',
    complexity: 'O(N), where N is the size of the payload.',
    categories: ['dangerous'],
    keyFlags: ['OW update'],
  },
]
