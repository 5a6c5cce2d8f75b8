// Which keys there are: KEYS, SCAN, RANDOMKEY.
//
// Both walks only collect while they go through the dict, as what visits must not change it. SCAN
// removes the expired keys it met afterwards (KEYS leaves that to others, as in Redis). The cursor
// is Database.scan's; a client may send any 64-bit number, and gets the scan its low bits mean.

import { assert } from '../base/assert.ts'
import { Glob } from '../base/glob.ts'
import { scratchSlice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { INVALID_CURSOR, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { cursorArgument } from './scan-arguments.ts'

const COUNT = word('count')
const MATCH = word('match')
const TYPE = word('type')
const COUNT_DEFAULT = 10
/** An array of records that grew beyond this is not kept for the next SCAN. */
const KEPT_CAPACITY = 1024

/** What users call the types. */
export const TYPE_NAMES: ReadonlyMap<Type, string> = new Map<Type, string>([
  [Type.String, 'string'],
  [Type.List, 'list'],
  [Type.Set, 'set'],
  [Type.Zset, 'zset'],
  [Type.Hash, 'hash'],
  [Type.Stream, 'stream'],
])
const TYPE_WORDS = [...TYPE_NAMES].map(([type, name]) => ({ type, word: word(name) }))
const ANY_TYPE = -1
/** A name that no type has: nothing is found. */
const NO_TYPE = -2

/** Meets the records of one walk, and keeps or replies those that are asked for. */
class KeyFilter {
  /** Records that SCAN found, valid until the keyspace changes. */
  records: Ptr[] = []
  /** Copies of the keys that SCAN met after their deadline. */
  expiredKeys: Uint8Array[] = []
  /** Keys that KEYS replied. */
  count = 0
  db: Database | null = null
  reply: Reply | null = null
  type: number = ANY_TYPE
  readonly glob = new Glob()
  readonly #key = scratchSlice()

  /** Makes ready for a walk; pattern and type are the caller's to set. */
  begin(db: Database, reply: Reply): void {
    this.db = db
    this.reply = reply
    this.count = 0
  }

  /** Forgets what the walk found. */
  end(): void {
    this.db = null
    this.reply = null
    if (this.records.length > KEPT_CAPACITY) this.records = []
    this.records.length = 0
    if (this.expiredKeys.length > 0) this.expiredKeys = []
  }

  /** Whether pattern and type fit. Points `#key` to the key. */
  #fits(db: Database, record: Ptr): boolean {
    const { bytes, start, length } = db.readKey(record, this.#key)
    if (!this.glob.matches(bytes, start, length)) return false
    return this.type === ANY_TYPE || this.type === db.typeOf(record)
  }

  /** For SCAN. */
  readonly collect = (record: Ptr): void => {
    const { db } = this
    assert(db !== null, 'a walk has begun')
    if (db.isExpired(record)) this.expiredKeys.push(db.readKey(record, this.#key).toBytes())
    else if (this.#fits(db, record)) this.records.push(record)
  }

  /** For KEYS. */
  readonly answer = (record: Ptr): void => {
    const { db, reply } = this
    assert(db !== null && reply !== null, 'a walk has begun')
    if (db.isExpired(record) || !this.#fits(db, record)) return
    reply.bulk(this.#key.bytes, this.#key.start, this.#key.length)
    this.count++
  }
}

const FILTER = new KeyFilter()
const ALL = new Uint8Array([0x2a])

/** KEYS pattern: all keys that match. O(N). */
export function keys({ db }: Context, args: Args, reply: Reply): void {
  FILTER.begin(db, reply)
  FILTER.type = ANY_TYPE
  FILTER.glob.set(args.bytes, args.start(1), args.length(1))
  const mark = reply.beginArray()
  db.each(FILTER.answer)
  reply.endArray(mark, FILTER.count)
  FILTER.end()
}

/** SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]: next cursor and keys. O(count). */
export function scan(context: Context, args: Args, reply: Reply): void {
  const { db, key } = context
  const cursor = cursorArgument(args, 1)
  if (cursor === null) return reply.error(INVALID_CURSOR)
  const count = parseScanOptions(args, reply)
  if (count === null) return
  FILTER.begin(db, reply)
  const next = db.scan(cursor, count, FILTER.collect)
  reply.array(2)
  reply.bulkInteger(next)
  const { records, expiredKeys } = FILTER
  reply.array(records.length)
  for (let i = 0; i < records.length; i++) {
    db.readKey(records[i]!, key)
    reply.bulk(key.bytes, key.start, key.length)
  }
  // Looking for an expired key removes it.
  for (const expired of expiredKeys) db.peek(key.set(expired, 0, expired.length))
  FILTER.end()
}

/** RANDOMKEY: a key, nil when there is none. O(1). */
export function randomkey({ db, keyspace, key }: Context, _args: Args, reply: Reply): void {
  const record = db.random(keyspace.random)
  if (record === NULL) return reply.nil()
  db.readKey(record, key)
  reply.bulk(key.bytes, key.start, key.length)
}

/** Reads options into FILTER; returns COUNT, or null after an error reply. */
function parseScanOptions(args: Args, reply: Reply): number | null {
  let count = COUNT_DEFAULT
  FILTER.type = ANY_TYPE
  FILTER.glob.set(ALL, 0, 1)
  for (let i = 2; i < args.count; i += 2) {
    const hasValue = i + 1 < args.count
    if (hasValue && args.is(i, COUNT)) {
      const value = integerArgument(args, i + 1, reply)
      if (value === null) return null
      count = Number(value)
    } else if (hasValue && args.is(i, MATCH)) {
      FILTER.glob.set(args.bytes, args.start(i + 1), args.length(i + 1))
    } else if (hasValue && args.is(i, TYPE)) FILTER.type = parseType(args, i + 1)
    else count = 0
    if (count < 1) {
      reply.error(SYNTAX_ERROR)
      return null
    }
  }
  return count
}

function parseType(args: Args, i: number): number {
  for (const row of TYPE_WORDS) {
    if (args.is(i, row.word)) return row.type
  }
  return NO_TYPE
}
