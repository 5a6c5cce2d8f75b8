// The set family: SADD and its like, and the rows of all commands on sets. Front door of
// set-random.ts (SPOP, SRANDMEMBER) and set-algebra.ts (SINTER, SUNION, SDIFF). COMMAND reads the
// same rows; names, flags, keys and ACL categories are Redis's.

import { scratchSlice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { SetValue } from '../keyspace/set/set-value.ts'
import { SetWalk } from '../keyspace/set/set-walk.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { INVALID_CURSOR, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument, valueArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { DEL, EventClass, keyEvent, noteChange, noteEvent, tellChange } from './key-event.ts'
import { countedKeys } from './key-spec.ts'
import { cursorArgument, replyNoScan, replySteps, ScanOptions } from './scan-arguments.ts'
import {
  findSintercardKeys,
  sdiff,
  sdiffstore,
  sinter,
  sintercard,
  sinterstore,
  sunion,
  sunionstore,
} from './set-algebra.ts'
import { spop, srandmember } from './set-random.ts'

const SADD = keyEvent(EventClass.Set, 'sadd')
const SREM = keyEvent(EventClass.Set, 'srem')

const SET = new SetValue()
const TARGET = new SetValue()
const TARGET_KEY = scratchSlice()
const WALK = new SetWalk()
const OPTIONS = new ScanOptions()

/** SADD key member …: how many were not there. O(N). */
export function sadd(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record !== NULL && db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  const entriesMax = context.limits.encodings.setIntsetEntriesMax
  let added = 0
  try {
    if (record !== NULL) SET.open(db, record)
    else {
      SET.make(db, key, valueArgument(context, args, 2), entriesMax)
      added++
    }
    for (let i = 2 + added; i < args.count; i++) {
      if (SET.add(valueArgument(context, args, i), entriesMax)) added++
    }
  } finally {
    // In a full arena some members may have been added.
    if (added > 0) {
      noteChange(context, key, SADD)
      context.keyspace.dirty += added - 1
    }
  }
  reply.integer(added)
}

/** SREM key member …: how many were there. O(N). */
export function srem(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  SET.open(db, record)
  let removed = 0
  for (let i = 2; i < args.count && SET.count > 0; i++) {
    if (SET.remove(valueArgument(context, args, i))) removed++
  }
  if (removed > 0) {
    const isEmpty = SET.count === 0
    if (isEmpty) db.remove(SET.record)
    noteChange(context, key, SREM)
    context.keyspace.dirty += removed - 1
    if (isEmpty) noteEvent(context, key, DEL)
  }
  reply.integer(removed)
}

/** SISMEMBER key member: 1 or 0. O(1). */
export function sismember(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  reply.integer(SET.open(db, record).has(valueArgument(context, args, 2)) ? 1 : 0)
}

/** SMISMEMBER key member …: 1 or 0 for each. O(N). */
export function smismember(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record !== NULL && db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  if (record !== NULL) SET.open(db, record)
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const isMember = record !== NULL && SET.has(valueArgument(context, args, i))
    reply.integer(isMember ? 1 : 0)
  }
}

/** SCARD key: the number of members. O(1). */
export function scard(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  reply.integer(SET.open(db, record).count)
}

/** SMEMBERS key: all members. O(N). */
export function smembers(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.set(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  reply.set(SET.open(db, record).count)
  WALK.open(db, record)
  const { member } = WALK
  while (WALK.next()) reply.bulk(member.bytes, member.start, member.length)
}

/** SMOVE source destination member: 1 when it was moved, 0 when it was not in the source. O(1). */
export function smove(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  const targetKey = TARGET_KEY.set(args.bytes, args.start(2), args.length(2))
  const target = db.findForWrite(targetKey)
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  if (target !== NULL && db.typeOf(target) !== Type.Set) return reply.error(WRONG_TYPE)
  SET.open(db, record)
  const member = valueArgument(context, args, 3)
  if (!SET.has(member)) return reply.integer(0)
  if (record === target) return reply.integer(1)
  // First what may fail.
  const entriesMax = context.limits.encodings.setIntsetEntriesMax
  let isAdded = true
  if (target === NULL) TARGET.make(db, targetKey, member, entriesMax)
  else isAdded = TARGET.open(db, target).add(member, entriesMax)
  SET.remove(member)
  const isEmpty = SET.count === 0
  if (isEmpty) db.remove(SET.record)
  noteChange(context, key, SREM)
  if (isEmpty) noteEvent(context, key, DEL)
  if (isAdded) {
    context.keyspace.dirty++
    tellChange(context, db, targetKey, SADD)
  }
  reply.integer(1)
}

/** SSCAN key cursor [MATCH pattern] [COUNT count]: next cursor and members. O(count). */
export function sscan(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const cursor = cursorArgument(args, 2)
  if (cursor === null) return reply.error(INVALID_CURSOR)
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return replyNoScan(reply)
  if (db.typeOf(record) !== Type.Set) return reply.error(WRONG_TYPE)
  if (!OPTIONS.parse(args, 3, reply)) return
  replySteps(SCAN, { db, record, cursor }, reply)
}

/** Replies the members of a step that match; returns how many they are. */
function replyStep(reply: Reply): number {
  const { glob } = OPTIONS
  const { member } = WALK
  let found = 0
  while (WALK.next()) {
    if (!glob.matches(member.bytes, member.start, member.length)) continue
    reply.bulk(member.bytes, member.start, member.length)
    found++
  }
  return found
}

const SCAN = { walk: WALK, options: OPTIONS, replyStep }

const READ = { flags: Flag.ReadOnly, keys: [1, 1, 1], group: 'set', since: '1.0.0' } as const
const FAST_READ = { ...READ, flags: Flag.ReadOnly | Flag.Fast } as const
const FAST_WRITE = { ...READ, flags: Flag.Write | Flag.DenyOom | Flag.Fast } as const
/** Writes that never take more memory. */
const LEAN_WRITE = { ...READ, flags: Flag.Write | Flag.Fast } as const
const ALGEBRA = {
  ...READ,
  arity: -2,
  keys: [1, -1, 1],
  keyFlags: ['RO access'],
  tips: ['nondeterministic_output_order'],
} as const
const STORE = {
  ...READ,
  flags: Flag.Write | Flag.DenyOom,
  arity: -3,
  keys: [1, -1, 1],
  keyFlags: ['OW update', 'RO access'],
} as const

const INTER_COMPLEXITY = 'O(N*M), where N is the size of the smallest set and M the number of sets.'
const TOTAL_COMPLEXITY = 'O(N), where N is the number of members of all sets together.'
const SCAN_COMPLEXITY = 'O(1) for a call, O(N) for all calls of a whole iteration.'
const PICK_COMPLEXITY = 'O(1) for one member, else O(N), where N is the absolute count.'

export const setCommands: readonly Command[] = [
  {
    ...FAST_WRITE,
    name: 'sadd',
    arity: -3,
    run: sadd,
    summary: 'Add members to a set',
    complexity: 'O(N), where N is the number of members given.',
    keyFlags: ['RW insert'],
  },
  {
    ...FAST_READ,
    name: 'scard',
    arity: 2,
    run: scard,
    summary: 'Get the number of members of a set',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...ALGEBRA,
    name: 'sdiff',
    run: sdiff,
    summary: 'Get the members of the first set that are in none of the others',
    complexity: TOTAL_COMPLEXITY,
  },
  {
    ...STORE,
    name: 'sdiffstore',
    run: sdiffstore,
    summary: 'Store the members of the first set that are in none of the others',
    complexity: TOTAL_COMPLEXITY,
  },
  {
    ...ALGEBRA,
    name: 'sinter',
    run: sinter,
    summary: 'Get the members that all sets have',
    complexity: INTER_COMPLEXITY,
  },
  {
    ...READ,
    flags: Flag.ReadOnly | Flag.MovableKeys,
    name: 'sintercard',
    arity: -3,
    keys: [0, 0, 0],
    since: '7.0.0',
    run: sintercard,
    summary: 'Get the number of members that all sets have',
    complexity: INTER_COMPLEXITY,
    keyFlags: ['RO access'],
    keySpecs: [countedKeys(1, 'RO access')],
    findKeys: findSintercardKeys,
  },
  {
    ...STORE,
    name: 'sinterstore',
    run: sinterstore,
    summary: 'Store the members that all sets have',
    complexity: INTER_COMPLEXITY,
    keyFlags: ['RW update', 'RO access'],
  },
  {
    ...FAST_READ,
    name: 'sismember',
    arity: 3,
    run: sismember,
    summary: 'Determine whether a value is a member of a set',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...READ,
    name: 'smembers',
    arity: 2,
    run: smembers,
    summary: 'Get all members of a set',
    complexity: 'O(N), where N is the size of the set.',
    keyFlags: ['RO access'],
    tips: ['nondeterministic_output_order'],
  },
  {
    ...FAST_READ,
    name: 'smismember',
    arity: -3,
    since: '6.2.0',
    run: smismember,
    summary: 'Determine which of the values are members of a set',
    complexity: 'O(N), where N is the number of values given.',
    keyFlags: ['RO access'],
  },
  {
    ...LEAN_WRITE,
    name: 'smove',
    arity: 4,
    keys: [1, 2, 1],
    run: smove,
    summary: 'Move a member from one set to another',
    complexity: 'O(1)',
    keyFlags: ['RW access delete', 'RW insert'],
  },
  {
    ...LEAN_WRITE,
    name: 'spop',
    arity: -2,
    run: spop,
    summary: 'Remove and get random members of a set',
    complexity: PICK_COMPLEXITY,
    keyFlags: ['RW access delete'],
    tips: ['nondeterministic_output'],
  },
  {
    ...READ,
    name: 'srandmember',
    arity: -2,
    run: srandmember,
    summary: 'Get random members of a set',
    complexity: PICK_COMPLEXITY,
    keyFlags: ['RO access'],
    tips: ['nondeterministic_output'],
  },
  {
    ...LEAN_WRITE,
    name: 'srem',
    arity: -3,
    run: srem,
    summary: 'Remove members from a set',
    complexity: 'O(N), where N is the number of members given.',
    keyFlags: ['RW delete'],
  },
  {
    ...READ,
    name: 'sscan',
    arity: -3,
    since: '2.8.0',
    run: sscan,
    summary: 'Iterate over the members of a set',
    complexity: SCAN_COMPLEXITY,
    keyFlags: ['RO access'],
    tips: ['nondeterministic_output'],
  },
  {
    ...ALGEBRA,
    name: 'sunion',
    run: sunion,
    summary: 'Get the members of all sets',
    complexity: TOTAL_COMPLEXITY,
  },
  {
    ...STORE,
    name: 'sunionstore',
    run: sunionstore,
    summary: 'Store the members of all sets',
    complexity: TOTAL_COMPLEXITY,
  },
]
