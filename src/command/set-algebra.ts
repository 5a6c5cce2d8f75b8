// Intersections, unions and differences of sets, replied, stored or counted. Nothing is copied to
// compute them: each walks one set and looks its members up in the others. Only where there are
// many sets, a draft takes what has been seen, so that the work stays in proportion to the members.
// What is stored is made beside and takes the key's place at the end.

import { type Slice, scratchSlice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { SetDraft } from '../keyspace/set/set-draft.ts'
import { SetValue } from '../keyspace/set/set-value.ts'
import { SetWalk } from '../keyspace/set/set-walk.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError, SYNTAX_ERROR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { DEL, EventClass, type KeyEvent, keyEvent, noteChange } from './key-event.ts'

const SINTERSTORE = keyEvent(EventClass.Set, 'sinterstore')
const SUNIONSTORE = keyEvent(EventClass.Set, 'sunionstore')
const SDIFFSTORE = keyEvent(EventClass.Set, 'sdiffstore')
const LIMIT = word('limit')
const NO_KEYS = replyError('ERR numkeys should be greater than 0')
const TOO_MANY_KEYS = replyError("ERR Number of keys can't be greater than number of args")
const NEGATIVE_LIMIT = replyError("ERR LIMIT can't be negative")

/** With more sets than this, what has been seen is kept in a draft. */
const LOOKUP_SETS_MAX = 16

/** Cursors at the sets of the command; one more is made when one is missing. */
const SETS: SetValue[] = []
const WALK = new SetWalk()
/** What is stored, and what has been seen. */
const RESULT = new SetDraft()
const SEEN = new SetDraft()
const TARGET_KEY = scratchSlice()
const KEY = scratchSlice()

/** Members on their way into the reply or into RESULT. */
class Output {
  /** Members so far. */
  count = 0
  #reply: Reply | null = null

  /** `reply` null: into RESULT. */
  begin(reply: Reply | null): void {
    this.count = 0
    this.#reply = reply
  }

  /** Takes a member that it has not had. */
  add(member: Slice): void {
    this.count++
    if (this.#reply !== null) this.#reply.bulk(member.bytes, member.start, member.length)
    else RESULT.addNew(member)
  }
}

const OUTPUT = new Output()

/** Puts members into OUTPUT; `count` of SETS are open. */
type Operation = (context: Context, count: number) => void

/** SINTER key …: the members that all sets have. O(smallest × sets). */
export function sinter(context: Context, args: Args, reply: Reply): void {
  const count = openAll(context, args, 1, reply)
  if (count >= 0) replyResult(context, count === args.count - 1 ? count : 0, intersect, reply)
}

/** SINTERSTORE destination key …: how many members all sets have. O(smallest × sets). */
export function sinterstore(context: Context, args: Args, reply: Reply): void {
  const count = openAll(context, args, 2, reply)
  if (count < 0) return
  const all = count === args.count - 2 ? count : 0
  reply.integer(store(context, args, { count: all, operation: intersect, event: SINTERSTORE }))
}

/** SINTERCARD numkeys key … [LIMIT limit]: how many members all sets have. O(smallest × sets). */
export function sintercard(context: Context, args: Args, reply: Reply): void {
  const wanted = args.integer(1)
  if (wanted === null || wanted <= 0) return reply.error(NO_KEYS)
  if (wanted > args.count - 2) return reply.error(TOO_MANY_KEYS)
  const keys = Number(wanted)
  let limit = 0
  for (let i = 2 + keys; i < args.count; i++) {
    if (!args.is(i, LIMIT) || i + 1 === args.count) return reply.error(SYNTAX_ERROR)
    const value = args.integer(++i)
    if (value === null || value < 0) return reply.error(NEGATIVE_LIMIT)
    limit = Number(value)
  }
  const count = openRange(context, args, { first: 2, limit: 2 + keys }, reply)
  if (count >= 0) reply.integer(count === keys ? countCommon(context, count, limit) : 0)
}

/** SUNION key …: the members of all sets. O(members). */
export function sunion(context: Context, args: Args, reply: Reply): void {
  const count = openAll(context, args, 1, reply)
  if (count >= 0) replyResult(context, count, unite, reply)
}

/** SUNIONSTORE destination key …: how many members all sets have together. O(members). */
export function sunionstore(context: Context, args: Args, reply: Reply): void {
  const count = openAll(context, args, 2, reply)
  if (count < 0) return
  reply.integer(store(context, args, { count, operation: uniteInResult, event: SUNIONSTORE }))
}

/** SDIFF key …: the members of the first set that are in no other. O(members). */
export function sdiff(context: Context, args: Args, reply: Reply): void {
  const count = openAll(context, args, 1, reply)
  if (count >= 0) replyResult(context, hasFirst(context, args, 1) ? count : 0, subtract, reply)
}

/** SDIFFSTORE destination key …: how many members only the first set has. O(members). */
export function sdiffstore(context: Context, args: Args, reply: Reply): void {
  const count = openAll(context, args, 2, reply)
  if (count < 0) return
  const all = hasFirst(context, args, 2) ? count : 0
  reply.integer(store(context, args, { count: all, operation: subtract, event: SDIFFSTORE }))
}

/** Positions of SINTERCARD's keys. */
export function findSintercardKeys(args: Args, positions: number[]): void {
  const keys = args.integer(1)
  if (typeof keys !== 'number' || keys <= 0 || keys > args.count - 2) return
  for (let i = 2; i < 2 + keys; i++) positions.push(i)
}

/** `openRange` to the last argument. */
function openAll(context: Context, args: Args, first: number, reply: Reply): number {
  RANGE.first = first
  RANGE.limit = args.count
  return openRange(context, args, RANGE, reply)
}

const RANGE = { first: 0, limit: 0 }

/**
 * Opens the sets under the keys from argument `first` to before `limit`, those that exist; returns
 * how many, -1 after an error reply.
 */
function openRange(
  { db }: Context,
  args: Args,
  range: { readonly first: number; readonly limit: number },
  reply: Reply,
): number {
  let count = 0
  for (let i = range.first; i < range.limit; i++) {
    const record = db.find(KEY.set(args.bytes, args.start(i), args.length(i)))
    if (record === NULL) continue
    if (db.typeOf(record) !== Type.Set) {
      reply.error(WRONG_TYPE)
      return -1
    }
    if (count === SETS.length) SETS.push(new SetValue())
    SETS[count++]!.open(db, record)
  }
  return count
}

/** Whether the first of the keys, the one that the others are taken from, exists. */
function hasFirst({ db }: Context, args: Args, first: number): boolean {
  return db.peek(KEY.set(args.bytes, args.start(first), args.length(first))) !== NULL
}

/** Replies the result of an operation on `count` sets. */
function replyResult(context: Context, count: number, operation: Operation, reply: Reply): void {
  OUTPUT.begin(reply)
  if (count === 0) return reply.set(0)
  if (count === 1) {
    // One set is its own result, of known size.
    reply.set(SETS[0]!.count)
    return walkAll(context, SETS[0]!.record)
  }
  const mark = reply.beginArray()
  operation(context, count)
  reply.endSet(mark, OUTPUT.count)
}

interface StoreWork {
  readonly count: number
  readonly operation: Operation
  readonly event: KeyEvent
}

/** Stores the result of an operation on `count` sets under the key in argument 1; its size. */
function store(context: Context, args: Args, work: StoreWork): number {
  const { db, limits } = context
  const key = TARGET_KEY.set(args.bytes, args.start(1), args.length(1))
  OUTPUT.begin(null)
  RESULT.begin(db, limits.encodings.setIntsetEntriesMax)
  try {
    if (work.count > 0) work.operation(context, work.count)
    if (OUTPUT.count > 0) RESULT.put(db, key)
  } catch (error) {
    RESULT.discard()
    throw error
  }
  if (OUTPUT.count > 0) noteChange(context, key, work.event)
  else {
    const record = db.findForWrite(key)
    if (record !== NULL) {
      db.remove(record)
      noteChange(context, key, DEL)
    }
  }
  return OUTPUT.count
}

function walkAll({ db }: Context, record: Ptr): void {
  WALK.open(db, record)
  while (WALK.next()) OUTPUT.add(WALK.member)
}

function intersect({ db }: Context, count: number): void {
  sortBySize(count)
  WALK.open(db, SETS[0]!.record)
  while (WALK.next()) {
    db.memberDict.hashKey(WALK.member)
    if (isInAll(WALK.member, 1, count)) OUTPUT.add(WALK.member)
  }
}

function countCommon({ db }: Context, count: number, limit: number): number {
  sortBySize(count)
  const most = limit > 0 ? limit : Number.POSITIVE_INFINITY
  if (count === 1) return Math.min(SETS[0]!.count, most)
  let found = 0
  WALK.open(db, SETS[0]!.record)
  while (found < most && WALK.next()) {
    db.memberDict.hashKey(WALK.member)
    if (isInAll(WALK.member, 1, count)) found++
  }
  return found
}

function unite(context: Context, count: number): void {
  if (count > LOOKUP_SETS_MAX) return uniteSeen(context, count)
  for (let i = 0; i < count; i++) {
    WALK.open(context.db, SETS[i]!.record)
    while (WALK.next()) {
      context.db.memberDict.hashKey(WALK.member)
      if (!isInAny(WALK.member, 0, i)) OUTPUT.add(WALK.member)
    }
  }
}

function uniteSeen({ db, limits }: Context, count: number): void {
  SEEN.begin(db, limits.encodings.setIntsetEntriesMax)
  try {
    for (let i = 0; i < count; i++) {
      WALK.open(db, SETS[i]!.record)
      while (WALK.next()) {
        if (SEEN.add(WALK.member)) OUTPUT.add(WALK.member)
      }
    }
  } finally {
    SEEN.discard()
  }
}

function uniteInResult({ db }: Context, count: number): void {
  for (let i = 0; i < count; i++) {
    WALK.open(db, SETS[i]!.record)
    while (WALK.next()) {
      if (!RESULT.has(WALK.member)) OUTPUT.add(WALK.member)
    }
  }
}

function subtract(context: Context, count: number): void {
  if (count > LOOKUP_SETS_MAX) return subtractSeen(context, count)
  WALK.open(context.db, SETS[0]!.record)
  while (WALK.next()) {
    context.db.memberDict.hashKey(WALK.member)
    if (!isInAny(WALK.member, 1, count)) OUTPUT.add(WALK.member)
  }
}

function subtractSeen({ db, limits }: Context, count: number): void {
  SEEN.begin(db, limits.encodings.setIntsetEntriesMax)
  try {
    for (let i = 1; i < count; i++) {
      WALK.open(db, SETS[i]!.record)
      while (WALK.next()) SEEN.add(WALK.member)
    }
    WALK.open(db, SETS[0]!.record)
    while (WALK.next()) {
      if (!SEEN.has(WALK.member)) OUTPUT.add(WALK.member)
    }
  } finally {
    SEEN.discard()
  }
}

/** Whether all sets from `from` to before `limit` have the member that was hashed last. */
function isInAll(member: Slice, from: number, limit: number): boolean {
  for (let i = from; i < limit; i++) {
    if (!SETS[i]!.hasHashed(member)) return false
  }
  return true
}

/** Whether any set from `from` to before `limit` has the member that was hashed last. */
function isInAny(member: Slice, from: number, limit: number): boolean {
  for (let i = from; i < limit; i++) {
    if (SETS[i]!.hasHashed(member)) return true
  }
  return false
}

/** Puts the first `count` of SETS in the order of their sizes, smallest first. */
function sortBySize(count: number): void {
  for (let i = 1; i < count; i++) {
    const set = SETS[i]!
    const size = set.count
    let at = i
    for (; at > 0 && SETS[at - 1]!.count > size; at--) SETS[at] = SETS[at - 1]!
    SETS[at] = set
  }
}
