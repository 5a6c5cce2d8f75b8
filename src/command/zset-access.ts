// What the commands on sorted sets share: the set of a key as a cursor, changes of it and their
// events, members with scores as replies. Nothing here allocates.

import { writeDouble } from '../base/bytes.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { Encoding, Type } from '../keyspace/record.ts'
import { isKeptAsInteger } from '../keyspace/zset/packed-zset.ts'
import { type Zset, zsetsOf } from '../keyspace/zset/zset.ts'
import { NULL } from '../memory/layout.ts'
import { replyError, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { DEL, type KeyEvent, noteChange, noteEvent } from './key-event.ts'

/** A key that holds something else: the error has been replied. */
export const WRONG = Symbol('wrong type')

export const NOT_POSITIVE = replyError('ERR value is out of range, must be positive')

const MEMBER = scratchSlice()
const TEXT = new Uint8Array(32)

/** The set of a key for a read; null: no such key; WRONG after an error reply. */
export function readZset(context: Context, key: Slice, reply: Reply): Zset | null | typeof WRONG {
  const { db } = context
  const record = db.find(key)
  if (record === NULL) return null
  if (db.typeOf(record) === Type.Zset) return zsetsOf(db).main.open(db, record)
  reply.error(WRONG_TYPE)
  return WRONG
}

/** The set of a key for a change; null: no such key; WRONG after an error reply. */
export function writeZset(context: Context, key: Slice, reply: Reply): Zset | null | typeof WRONG {
  const { db } = context
  const record = db.findForWrite(key)
  if (record === NULL) return null
  if (db.typeOf(record) === Type.Zset) return zsetsOf(db).main.open(db, record)
  reply.error(WRONG_TYPE)
  return WRONG
}

/** What a command has taken out of a set. */
export interface Removal {
  readonly zset: Zset
  readonly event: KeyEvent
  /** Members taken. */
  readonly count: number
  /** Nothing is left, or nothing is to be left: the key goes. */
  readonly isAll: boolean
}

/** Members have gone from the set of `key`: one event, and the key goes with the last of them. */
export function noteRemoval(context: Context, key: Slice, removal: Removal): void {
  if (removal.isAll) context.db.remove(removal.zset.record)
  context.keyspace.dirty += removal.count - 1
  noteChange(context, key, removal.event)
  if (removal.isAll) noteEvent(context, key, DEL)
}

/** Replies the member at the place. */
export function replyMember(reply: Reply, zset: Zset): void {
  zset.readMember(MEMBER)
  reply.bulk(MEMBER.bytes, MEMBER.start, MEMBER.length)
}

/**
 * Replies a score as a bulk string in either protocol, as ZSCAN does: of a listpack, where Redis
 * keeps whole numbers as integers, with all digits.
 */
export function replyScoreText(reply: Reply, score: number, encoding: Encoding): void {
  if (encoding === Encoding.Listpack && isKeptAsInteger(score)) {
    reply.bulkInteger(Number.isSafeInteger(score) ? score : BigInt(score))
  } else reply.bulk(TEXT, 0, writeDouble(TEXT, 0, score))
}
