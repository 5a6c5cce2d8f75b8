// Keys under other names and in other databases: RENAME, RENAMENX, MOVE, COPY.
//
// Finding one key may remove another whose deadline has passed: the record to move is found last.

import { fail } from '../base/assert.ts'
import { scratchSlice } from '../base/slice.ts'
import { type Database, NO_DEADLINE } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { COPIERS } from '../keyspace/value-types.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { DB_OUT_OF_RANGE, NO_SUCH_KEY, SAME_OBJECT, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { int32Argument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { chooseHiddenKey } from './hidden-key.ts'
import { EventClass, keyEvent, noteChange, tellChange } from './key-event.ts'

const REPLACE = word('replace')
const DB = word('db')

const RENAME_FROM = keyEvent(EventClass.Generic, 'rename_from')
const RENAME_TO = keyEvent(EventClass.Generic, 'rename_to')
const MOVE_FROM = keyEvent(EventClass.Generic, 'move_from')
const MOVE_TO = keyEvent(EventClass.Generic, 'move_to')
const COPY_TO = keyEvent(EventClass.Generic, 'copy_to')

const TARGET_KEY = scratchSlice()
const HIDDEN_KEY = scratchSlice()

/** RENAME key newkey: OK; what newkey held is gone. O(1). */
export function rename(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (db.findForWrite(keyArgument(context, args, 1)) === NULL) return reply.error(NO_SUCH_KEY)
  if (!isSameKey(args)) {
    // Removes what has expired; what has not is replaced.
    db.findForWrite(keyArgument(context, args, 2))
    moveFound(context, args)
  }
  reply.ok()
}

/** RENAMENX key newkey: 1; 0 when newkey is there. O(1). */
export function renamenx(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  if (db.findForWrite(keyArgument(context, args, 1)) === NULL) return reply.error(NO_SUCH_KEY)
  if (db.findForWrite(keyArgument(context, args, 2)) !== NULL) return reply.integer(0)
  moveFound(context, args)
  reply.integer(1)
}

/** Gives the key of argument 1, which is there, the name in argument 2. */
function moveFound(context: Context, args: Args): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  db.rename(db.peek(key), TARGET_KEY.set(args.bytes, args.start(2), args.length(2)))
  noteChange(context, key, RENAME_FROM)
  tellChange(context, db, TARGET_KEY, RENAME_TO)
}

/** MOVE key db: 1; 0 when there is no such key here, or one there. O(1). */
export function move(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace } = context
  const id = int32Argument(args, 2, reply)
  if (id === null) return
  const target = keyspace.databases[id]
  if (target === undefined) return reply.error(DB_OUT_OF_RANGE)
  if (target === db) return reply.error(SAME_OBJECT)
  const key = keyArgument(context, args, 1)
  if (db.findForWrite(key) === NULL) return reply.integer(0)
  if (target.findForWrite(key) !== NULL) return reply.integer(0)
  db.moveTo(db.peek(key), target, key)
  noteChange(context, key, MOVE_FROM)
  tellChange(context, target, key, MOVE_TO)
  reply.integer(1)
}

/** COPY source destination [DB db] [REPLACE]: 1; 0: no source, or a destination. O(value). */
export function copy(context: Context, args: Args, reply: Reply): void {
  const { db, keyspace, key, value } = context
  const options = parseCopyOptions(context, args, reply)
  if (options === null) return
  const { target, isReplacing } = options
  if (target === db && isSameKey(args)) return reply.error(SAME_OBJECT)
  if (db.find(keyArgument(context, args, 1)) === NULL) return reply.integer(0)
  TARGET_KEY.set(args.bytes, args.start(2), args.length(2))
  const isFree = target.findForWrite(TARGET_KEY) === NULL
  if (!isFree && !isReplacing) return reply.integer(0)
  const record = db.peek(key)
  if (db.typeOf(record) === Type.String) {
    const encoding = db.encodingOf(record)
    const deadlineMs = db.deadlineOf(record)
    target.putEncodedString(TARGET_KEY, db.readString(record, value), { deadlineMs, encoding })
  } else copyCollection(context, record, target)
  keyspace.dirty++
  tellChange(context, target, TARGET_KEY, COPY_TO)
  reply.integer(1)
}

/** Copies a collection to the target key; what that held goes when the copy is complete. */
function copyCollection({ db, keyspace }: Context, record: Ptr, target: Database): void {
  const copyValue = COPIERS.get(db.typeOf(record)) ?? fail('each type of collection is copied')
  const deadlineMs = db.deadlineOf(record)
  const isFree = target.peek(TARGET_KEY) === NULL
  keyspace.isHiding = !isFree
  try {
    const key = isFree ? TARGET_KEY : chooseHiddenKey(target, HIDDEN_KEY)
    const copied = copyValue(db, record, target, key)
    const made = deadlineMs === NO_DEADLINE ? copied : target.setDeadline(copied, deadlineMs)
    if (!isFree) target.rename(made, TARGET_KEY)
  } finally {
    keyspace.isHiding = false
  }
}

interface CopyOptions {
  target: Database
  isReplacing: boolean
}

function parseCopyOptions(context: Context, args: Args, reply: Reply): CopyOptions | null {
  const options: CopyOptions = { target: context.db, isReplacing: false }
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, REPLACE)) options.isReplacing = true
    else if (args.is(i, DB) && i + 1 < args.count) {
      const id = int32Argument(args, ++i, reply)
      if (id === null) return null
      const target = context.keyspace.databases[id]
      if (target === undefined) {
        reply.error(DB_OUT_OF_RANGE)
        return null
      }
      options.target = target
    } else {
      reply.error(SYNTAX_ERROR)
      return null
    }
  }
  return options
}

/** Whether arguments 1 and 2 are the same bytes. */
function isSameKey(args: Args): boolean {
  const length = args.length(1)
  if (length !== args.length(2)) return false
  const first = args.start(1)
  const second = args.start(2)
  for (let i = 0; i < length; i++) {
    if (args.bytes[first + i] !== args.bytes[second + i]) return false
  }
  return true
}
