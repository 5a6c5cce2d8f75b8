// The list family: the rows of all commands on lists. Front door of list-push.ts (both ends),
// list-range.ts and list-position.ts (anywhere in a list), list-move.ts (several lists, waiting)
// and list-access.ts (what they share). COMMAND reads the same rows; names, flags, keys and ACL
// categories are Redis's.

import { type Command, Flag } from './command.ts'
import { countedKeys } from './key-spec.ts'
import { blmove, blmpop, blpop, brpop, brpoplpush, lmove, lmpop, rpoplpush } from './list-move.ts'
import { lpos } from './list-position.ts'
import { lpop, lpush, lpushx, rpop, rpush, rpushx } from './list-push.ts'
import { lindex, linsert, llen, lrange, lrem, lset, ltrim } from './list-range.ts'
import { addCountedKeys } from './numkeys.ts'

const SHARED = { keys: [1, 1, 1], group: 'list' } as const
const PUSH = {
  ...SHARED,
  flags: Flag.Write | Flag.DenyOom | Flag.Fast,
  arity: -3,
  complexity: 'O(1) for each element.',
  keyFlags: ['RW insert'],
} as const
const POP = {
  ...SHARED,
  flags: Flag.Write | Flag.Fast,
  arity: -2,
  complexity: 'O(N), where N is the number of elements returned.',
  keyFlags: ['RW access delete'],
} as const
const MOVE = {
  ...SHARED,
  keys: [1, 2, 1],
  flags: Flag.Write | Flag.DenyOom,
  complexity: 'O(1)',
  keyFlags: ['RW access delete', 'RW insert'],
} as const
const BLOCKING_MOVE = {
  ...MOVE,
  flags: Flag.Write | Flag.DenyOom | Flag.NoScript | Flag.Blocking,
} as const
const BLOCKING_POP = {
  ...SHARED,
  keys: [1, -2, 1],
  flags: Flag.Write | Flag.NoScript | Flag.Blocking,
  arity: -3,
  since: '2.0.0',
  complexity: 'O(N), where N is the number of keys.',
  keyFlags: ['RW access delete'],
} as const
const MULTI_POP = {
  ...SHARED,
  keys: [0, 0, 0],
  since: '7.0.0',
  complexity: 'O(N+M), where N is the number of keys and M the number of elements returned.',
  keyFlags: ['RW access delete'],
} as const

export const listCommands: readonly Command[] = [
  {
    ...BLOCKING_MOVE,
    name: 'blmove',
    arity: 6,
    since: '6.2.0',
    run: blmove,
    summary: 'Move an element from one list to another, and wait for one if there is none',
  },
  {
    ...MULTI_POP,
    name: 'blmpop',
    arity: -5,
    flags: Flag.Write | Flag.Blocking | Flag.MovableKeys,
    run: blmpop,
    summary: 'Pop elements from the first of several lists, and wait if all are empty',
    keySpecs: [countedKeys(2, 'RW access delete')],
    findKeys: (args, positions) => addCountedKeys(args, 2, positions),
  },
  {
    ...BLOCKING_POP,
    name: 'blpop',
    run: blpop,
    summary: 'Remove and get the first element of a list, and wait for one if there is none',
  },
  {
    ...BLOCKING_POP,
    name: 'brpop',
    run: brpop,
    summary: 'Remove and get the last element of a list, and wait for one if there is none',
  },
  {
    ...BLOCKING_MOVE,
    name: 'brpoplpush',
    arity: 4,
    since: '2.2.0',
    run: brpoplpush,
    summary: 'Move the last element of a list to the head of another, and wait for one',
    deprecated: { since: '6.2.0', replacedBy: '`BLMOVE` with the `RIGHT` and `LEFT` arguments' },
  },
  {
    ...SHARED,
    name: 'lindex',
    arity: 3,
    flags: Flag.ReadOnly,
    since: '1.0.0',
    run: lindex,
    summary: 'Get an element of a list by its index',
    complexity: 'O(log(N)), where N is the number of elements.',
    keyFlags: ['RO access'],
  },
  {
    ...SHARED,
    name: 'linsert',
    arity: 5,
    flags: Flag.Write | Flag.DenyOom,
    since: '2.2.0',
    run: linsert,
    summary: 'Insert an element before or after another element of a list',
    complexity: 'O(N), where N is the number of elements before the pivot.',
    keyFlags: ['RW insert'],
  },
  {
    ...SHARED,
    name: 'llen',
    arity: 2,
    flags: Flag.ReadOnly | Flag.Fast,
    since: '1.0.0',
    run: llen,
    summary: 'Get the length of a list',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...MOVE,
    name: 'lmove',
    arity: 5,
    since: '6.2.0',
    run: lmove,
    summary: 'Move an element from an end of a list to an end of another',
  },
  {
    ...MULTI_POP,
    name: 'lmpop',
    arity: -4,
    flags: Flag.Write | Flag.MovableKeys,
    run: lmpop,
    summary: 'Pop elements from the first of several lists that has any',
    keySpecs: [countedKeys(1, 'RW access delete')],
    findKeys: (args, positions) => addCountedKeys(args, 1, positions),
  },
  {
    ...POP,
    name: 'lpop',
    since: '1.0.0',
    run: lpop,
    summary: 'Remove and get the first elements of a list',
  },
  {
    ...SHARED,
    name: 'lpos',
    arity: -3,
    flags: Flag.ReadOnly,
    since: '6.0.6',
    run: lpos,
    summary: 'Get the indexes of elements of a list that equal a given one',
    complexity: 'O(N), where N is the number of elements that are compared.',
    keyFlags: ['RO access'],
  },
  {
    ...PUSH,
    name: 'lpush',
    since: '1.0.0',
    run: lpush,
    summary: 'Insert elements at the head of a list',
  },
  {
    ...PUSH,
    name: 'lpushx',
    since: '2.2.0',
    run: lpushx,
    summary: 'Insert elements at the head of a list, only if there is one',
  },
  {
    ...SHARED,
    name: 'lrange',
    arity: 4,
    flags: Flag.ReadOnly,
    since: '1.0.0',
    run: lrange,
    summary: 'Get a range of elements of a list',
    complexity: 'O(log(N)+M), where N is the length of the list and M that of the range.',
    keyFlags: ['RO access'],
  },
  {
    ...SHARED,
    name: 'lrem',
    arity: 4,
    flags: Flag.Write,
    since: '1.0.0',
    run: lrem,
    summary: 'Remove elements of a list that equal a given one',
    complexity: 'O(N), where N is the length of the list.',
    keyFlags: ['RW delete'],
  },
  {
    ...SHARED,
    name: 'lset',
    arity: 4,
    flags: Flag.Write | Flag.DenyOom,
    since: '1.0.0',
    run: lset,
    summary: 'Set an element of a list by its index',
    complexity: 'O(log(N)), where N is the number of elements.',
    keyFlags: ['RW update'],
  },
  {
    ...SHARED,
    name: 'ltrim',
    arity: 4,
    flags: Flag.Write,
    since: '1.0.0',
    run: ltrim,
    summary: 'Remove what lies outside of a range of a list',
    complexity: 'O(N), where N is the number of elements removed.',
    keyFlags: ['RW delete'],
  },
  {
    ...POP,
    name: 'rpop',
    since: '1.0.0',
    run: rpop,
    summary: 'Remove and get the last elements of a list',
  },
  {
    ...MOVE,
    name: 'rpoplpush',
    arity: 3,
    since: '1.2.0',
    run: rpoplpush,
    summary: 'Move the last element of a list to the head of another',
    deprecated: { since: '6.2.0', replacedBy: '`LMOVE` with the `RIGHT` and `LEFT` arguments' },
  },
  {
    ...PUSH,
    name: 'rpush',
    since: '1.0.0',
    run: rpush,
    summary: 'Insert elements at the tail of a list',
  },
  {
    ...PUSH,
    name: 'rpushx',
    since: '2.2.0',
    run: rpushx,
    summary: 'Insert elements at the tail of a list, only if there is one',
  },
]
