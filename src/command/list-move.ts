// Elements from one list to another, and from the first of several lists: LMOVE, RPOPLPUSH, LMPOP,
// and the commands that wait until there is an element: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
//
// A command that waits runs again as a whole when one of its keys has changed, so the only
// difference then is what a key of another type means: an error at first, nothing afterwards.
// Whoever repeats these commands is told which list it was: LPOP, RPOP, LMOVE, RPOPLPUSH.

import { latin1 } from '../base/bytes.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { keepElement, List } from '../keyspace/list/list.ts'
import { PACKED_BYTES_MAX } from '../keyspace/list/list-limits.ts'
import { Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, timeoutArgument, valueArgument } from './arguments.ts'
import { type Context, NilForm } from './command.ts'
import { writeArguments, writeSlice } from './effects.ts'
import { noteChange, tellChange } from './key-event.ts'
import {
  type End,
  endArgument,
  LEFT,
  LIST,
  popMany,
  popOne,
  pushAt,
  RIGHT,
  readAt,
  removeAt,
  replyElement,
} from './list-access.ts'

const COUNT = word('count')
const LMOVE_WORD = latin1('LMOVE')
const RPOPLPUSH_WORD = latin1('RPOPLPUSH')
const BAD_KEY_COUNT = replyError('ERR numkeys should be greater than 0')
const BAD_COUNT = replyError('ERR count should be greater than 0')

const TARGET = new List()
/** The element that moves, unless it is large. */
const MOVED = new Uint8Array(PACKED_BYTES_MAX)
const ELEMENT = scratchSlice()
/** Which keys LMPOP pops from and how much; filled by `readKeysAndCount`. */
const POP = { end: LEFT, limit: 1, firstKey: 0, keyLimit: 0 }
/** Whether `moveElement` has moved one. */
const MOVE = { isDone: false }

/** LMOVE source target LEFT | RIGHT LEFT | RIGHT: the element that was moved, or nil. O(1). */
export function lmove(context: Context, args: Args, reply: Reply): void {
  const from = endArgument(args, 3)
  const to = endArgument(args, 4)
  if (from === null || to === null) return reply.error(SYNTAX_ERROR)
  if (!moveElement(context, args, wayOf(from, to), reply)) reply.nil()
}

/** RPOPLPUSH source target: LMOVE source target RIGHT LEFT. */
export function rpoplpush(context: Context, args: Args, reply: Reply): void {
  if (!moveElement(context, args, RIGHT_TO_LEFT, reply)) reply.nil()
}

/** BLMOVE source target LEFT | RIGHT LEFT | RIGHT timeout: as LMOVE, and waits for an element. */
export function blmove(context: Context, args: Args, reply: Reply): void {
  const from = endArgument(args, 3)
  const to = endArgument(args, 4)
  if (from === null || to === null) return reply.error(SYNTAX_ERROR)
  const deadlineMs = timeoutArgument(context, args, 5, reply)
  if (deadlineMs === null) return
  if (!moveElement(context, args, wayOf(from, to), reply)) waitForSource(context, deadlineMs, reply)
  else keepMove(context, LMOVE_WORD, args, 5)
}

/** BRPOPLPUSH source target timeout: BLMOVE source target RIGHT LEFT timeout. */
export function brpoplpush(context: Context, args: Args, reply: Reply): void {
  const deadlineMs = timeoutArgument(context, args, 3, reply)
  if (deadlineMs === null) return
  if (!moveElement(context, args, RIGHT_TO_LEFT, reply)) waitForSource(context, deadlineMs, reply)
  else keepMove(context, RPOPLPUSH_WORD, args, 3)
}

/** BLPOP key … timeout: key and first element of the first list there is. */
export function blpop(context: Context, args: Args, reply: Reply): void {
  popOrWait(context, args, reply, LEFT)
}

/** BRPOP key … timeout: key and last element of the first list there is. */
export function brpop(context: Context, args: Args, reply: Reply): void {
  popOrWait(context, args, reply, RIGHT)
}

/** LMPOP numkeys key … LEFT | RIGHT [COUNT n]: key and elements of the first list there is. */
export function lmpop(context: Context, args: Args, reply: Reply): void {
  if (!readKeysAndCount(args, 1, reply)) return
  if (!popFromFirst(context, args, reply)) reply.nilArray()
}

/** BLMPOP timeout numkeys key … LEFT | RIGHT [COUNT n]: as LMPOP, and waits for a list. */
export function blmpop(context: Context, args: Args, reply: Reply): void {
  if (!readKeysAndCount(args, 2, reply)) return
  const deadlineMs = timeoutArgument(context, args, 1, reply)
  if (deadlineMs === null) return
  if (!popFromFirst(context, args, reply)) waitForKeys(context, deadlineMs, reply)
}

/** From which end of the source to which of the target. */
interface Way {
  readonly from: End
  readonly to: End
}
const LEFT_TO_LEFT: Way = { from: LEFT, to: LEFT }
const LEFT_TO_RIGHT: Way = { from: LEFT, to: RIGHT }
const RIGHT_TO_LEFT: Way = { from: RIGHT, to: LEFT }
const RIGHT_TO_RIGHT: Way = { from: RIGHT, to: RIGHT }

function wayOf(from: End, to: End): Way {
  if (from === LEFT) return to === LEFT ? LEFT_TO_LEFT : LEFT_TO_RIGHT
  return to === LEFT ? RIGHT_TO_LEFT : RIGHT_TO_RIGHT
}

/** Moves an element, and replies it; false, and nothing replied, where the source has none. */
function moveElement(context: Context, args: Args, way: Way, reply: Reply): boolean {
  const { db, blocker } = context
  MOVE.isDone = false
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return false
  if (db.typeOf(record) !== Type.List) {
    if (blocker.isRetry) return false
    reply.error(WRONG_TYPE)
    return true
  }
  const targetKey = valueArgument(context, args, 2)
  const target = db.findForWrite(targetKey)
  if (target !== NULL && db.typeOf(target) !== Type.List) {
    reply.error(WRONG_TYPE)
    return true
  }
  LIST.open(db, record)
  readAt(LIST, way.from)
  // The target may have no room for it.
  reply.hold()
  replyElement(reply, LIST.element)
  if (target === record) rotate(context, key, way)
  else moveBetween(context, target, way)
  reply.release()
  MOVE.isDone = true
  return true
}

/** Moves the element that was read last between two lists: the keys of context's key and value. */
function moveBetween(context: Context, target: Ptr, { from, to }: Way): void {
  const { db, key, value, limits } = context
  const element = keepElement(LIST, MOVED, ELEMENT)
  if (target === NULL) TARGET.create(db, value, element, limits.encodings)
  else pushAt(TARGET.open(db, target), to, element, context)
  tellChange(context, db, value, to.push)
  removeAt(context, key, from)
}

/** Moves an element from one end of a list to the other, or leaves it where it is. */
function rotate(context: Context, key: Slice, { from, to }: Way): void {
  if (from !== to) {
    if (from === LEFT) LIST.rotateLeft(context.limits.encodings)
    else LIST.rotateRight(context.limits.encodings)
  }
  tellChange(context, context.db, key, to.push)
  noteChange(context, key, from.pop)
}

/** Keeps a move, if it was one, without the time that it might have waited. */
function keepMove(context: Context, name: Uint8Array, args: Args, count: number): void {
  if (!context.effects.isKept || !MOVE.isDone) return
  writeArguments(context.effects.instead(context.db, name, count), args, 1, count)
}

function popOrWait(context: Context, args: Args, reply: Reply, end: End): void {
  const deadlineMs = timeoutArgument(context, args, args.count - 1, reply)
  if (deadlineMs === null) return
  POP.firstKey = 1
  POP.keyLimit = args.count - 1
  const key = findFirst(context, args, reply)
  if (key === FAILED) return
  if (key === null) return waitForKeys(context, deadlineMs, reply)
  reply.array(2)
  reply.bulk(key.bytes, key.start, key.length)
  popOne(context, key, end, reply)
  if (context.effects.isKept) {
    writeSlice(context.effects.instead(context.db, end.popWord, 2), key)
  }
}

/** Pops from the first list there is; false, and nothing replied, when there is none. */
function popFromFirst(context: Context, args: Args, reply: Reply): boolean {
  const key = findFirst(context, args, reply)
  if (key === null) return false
  if (key === FAILED) return true
  reply.array(2)
  reply.bulk(key.bytes, key.start, key.length)
  const count = Math.min(POP.limit, LIST.count)
  popMany(context, key, POP, reply)
  if (context.effects.isKept) {
    const writer = context.effects.instead(context.db, POP.end.popWord, 3)
    writeSlice(writer, key)
    writer.bulkInteger(count)
  }
  return true
}

/** An error has been replied. */
const FAILED = Symbol('failed')

/** Opens the first list there is of POP's keys; returns its key, null when there is none. */
function findFirst(context: Context, args: Args, reply: Reply): Slice | null | typeof FAILED {
  const { db, blocker } = context
  for (let i = POP.firstKey; i < POP.keyLimit; i++) {
    const key = keyArgument(context, args, i)
    const record = db.findForWrite(key)
    if (record === NULL) continue
    if (db.typeOf(record) === Type.List) {
      LIST.open(db, record)
      return key
    }
    if (blocker.isRetry) continue
    reply.error(WRONG_TYPE)
    return FAILED
  }
  return null
}

/** Reads `numkeys key … LEFT | RIGHT [COUNT n]` from argument `i` on; false after an error. */
function readKeysAndCount(args: Args, i: number, reply: Reply): boolean {
  const keys = args.integer(i)
  if (keys === null || keys < 1) {
    reply.error(BAD_KEY_COUNT)
    return false
  }
  const at = i + 1 + Number(keys)
  const end = at < args.count ? endArgument(args, at) : null
  const hasCount = args.count >= at + 3 && args.is(at + 1, COUNT)
  const limit = hasCount ? args.integer(at + 2) : 1
  // The count is looked at before what follows it.
  if (end !== null && (limit === null || limit < 1)) {
    reply.error(BAD_COUNT)
    return false
  }
  if (end === null || args.count !== (hasCount ? at + 3 : at + 1)) {
    reply.error(SYNTAX_ERROR)
    return false
  }
  POP.end = end
  POP.limit = Number(limit)
  POP.firstKey = i + 1
  POP.keyLimit = at
  return true
}

function waitForSource({ blocker }: Context, deadlineMs: number, reply: Reply): void {
  if (blocker.canWait) blocker.wait({ positions: [1], deadlineMs, nil: NilForm.Array })
  else reply.nil()
}

function waitForKeys({ blocker }: Context, deadlineMs: number, reply: Reply): void {
  if (!blocker.canWait) return reply.nilArray()
  const positions: number[] = []
  for (let i = POP.firstKey; i < POP.keyLimit; i++) positions.push(i)
  blocker.wait({ positions, deadlineMs, nil: NilForm.Array })
}
