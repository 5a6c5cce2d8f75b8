// For tests: blocking commands on strings, and what they do is all that the server knows of them.
//
//   BTAKE key … seconds       the first key there is, with its value, and deletes it; `*-1`
//   BCARRY key target seconds the value, which target then holds; WRONGTYPE if it does; `$-1`
//   BSTREAM key seconds       the value, or an error when the key is gone; waits at first
//
// A value that begins with `!` is of a wrong type for BTAKE and BCARRY.

import { assert } from '../base/assert.ts'
import { scratchSlice } from '../base/slice.ts'
import { keyArgument, timeoutArgument } from '../command/arguments.ts'
import { type Command, type Context, Flag, NilForm } from '../command/command.ts'
import { DEL, EventClass, keyEvent, noteChange } from '../command/key-event.ts'
import { NO_DEADLINE } from '../keyspace/database.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { NO_SUCH_KEY, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'

const SET = keyEvent(EventClass.String, 'set')
const FOREIGN = '!'.charCodeAt(0)
const TARGET = scratchSlice()

function take(context: Context, args: Args, reply: Reply): void {
  const { db, blocker, value } = context
  const last = args.count - 1
  const deadlineMs = timeoutArgument(context, args, last, reply)
  if (deadlineMs === null) return
  for (let i = 1; i < last; i++) {
    const key = keyArgument(context, args, i)
    const record = db.findForWrite(key)
    if (record === NULL) continue
    const { bytes, start, length } = db.readString(record, value)
    if (bytes[start] === FOREIGN) {
      if (blocker.isRetry) continue
      return reply.error(WRONG_TYPE)
    }
    reply.array(2)
    reply.bulk(key.bytes, key.start, key.length)
    reply.bulk(bytes, start, length)
    db.remove(record)
    return noteChange(context, key, DEL)
  }
  if (!blocker.canWait) return reply.nilArray()
  const positions = Array.from({ length: last - 1 }, (_, i) => i + 1)
  blocker.wait({ positions, deadlineMs, nil: NilForm.Array })
}

function carry(context: Context, args: Args, reply: Reply): void {
  const { db, blocker, value } = context
  const deadlineMs = timeoutArgument(context, args, 3, reply)
  if (deadlineMs === null) return
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) {
    if (!blocker.canWait) return reply.nil()
    return blocker.wait({ positions: [1], deadlineMs, nil: NilForm.Bulk })
  }
  TARGET.set(args.bytes, args.start(2), args.length(2))
  if (db.peek(TARGET) !== NULL) return reply.error(WRONG_TYPE)
  const { bytes, start, length } = db.readString(db.peek(key), value)
  reply.bulk(bytes, start, length)
  db.putString(TARGET, value.set(bytes.slice(start, start + length), 0, length), NO_DEADLINE)
  noteChange(context, TARGET, SET)
  db.remove(db.peek(key))
  noteChange(context, key, DEL)
}

function stream(context: Context, args: Args, reply: Reply): void {
  const { db, blocker, value } = context
  const deadlineMs = timeoutArgument(context, args, 2, reply)
  if (deadlineMs === null) return
  assert(blocker.canWait, 'it is not used in transactions')
  if (!blocker.isRetry) return blocker.wait({ positions: [1], deadlineMs, nil: NilForm.Array })
  const record = db.findForWrite(keyArgument(context, args, 1))
  if (record === NULL) return reply.error(NO_SUCH_KEY)
  const { bytes, start, length } = db.readString(record, value)
  reply.bulk(bytes, start, length)
}

const FACTS = {
  flags: Flag.Write | Flag.Blocking,
  group: 'list',
  since: '1.0.0',
  summary: '',
  complexity: '',
} as const

export const testBlockingCommands: readonly Command[] = [
  { ...FACTS, name: 'btake', arity: -3, keys: [1, -2, 1], run: take },
  { ...FACTS, name: 'bcarry', arity: 4, keys: [1, 2, 1], run: carry },
  { ...FACTS, name: 'bstream', arity: 3, keys: [1, 1, 1], group: 'stream', run: stream },
]
