// The sorted set family: the rows of its commands. Front door of zset-add.ts (ZADD), zset-read.ts
// (single facts, ZREM), zset-range.ts, zset-pop.ts, zset-combine.ts (ZUNION …) and zset-sample.ts
// (ZRANDMEMBER, ZSCAN). Names, flags, keys and ACL categories are Redis's.

import type { Args } from '../resp/args.ts'
import { type Command, Flag } from './command.ts'
import { countedKeys, oneKey } from './key-spec.ts'
import { addCountedKeys } from './numkeys.ts'
import { zadd, zincrby } from './zset-add.ts'
import {
  zdiff,
  zdiffstore,
  zinter,
  zintercard,
  zinterstore,
  zunion,
  zunionstore,
} from './zset-combine.ts'
import { bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin } from './zset-pop.ts'
import {
  zrange,
  zrangebylex,
  zrangebyscore,
  zrangestore,
  zremrangebylex,
  zremrangebyrank,
  zremrangebyscore,
  zrevrange,
  zrevrangebylex,
  zrevrangebyscore,
} from './zset-range.ts'
import { zcard, zcount, zlexcount, zmscore, zrank, zrem, zrevrank, zscore } from './zset-read.ts'
import { zrandmember, zscan } from './zset-sample.ts'

const ROW = { keys: [1, 1, 1], group: 'sorted-set' } as const
const READ = { ...ROW, flags: Flag.ReadOnly, keyFlags: ['RO access'] } as const
const FAST_READ = { ...READ, flags: Flag.ReadOnly | Flag.Fast } as const
const ADD = { ...ROW, flags: Flag.Write | Flag.DenyOom | Flag.Fast } as const
const REMOVE = { ...ROW, flags: Flag.Write, keyFlags: ['RW delete'] } as const
const POP = { ...ROW, flags: Flag.Write | Flag.Fast, keyFlags: ['RW access delete'] } as const
const BLOCKING_POP = {
  ...POP,
  keys: [1, -2, 1],
  flags: Flag.Write | Flag.NoScript | Flag.Blocking | Flag.Fast,
  arity: -3,
  since: '5.0.0',
  complexity: 'O(log(N)), where N is the size of the set.',
} as const
const STORE = {
  ...ROW,
  flags: Flag.Write | Flag.DenyOom | Flag.MovableKeys,
  keyFlags: ['OW update', 'RO access'],
  arity: -4,
  keySpecs: [oneKey(1, 'OW update'), countedKeys(2, 'RO access')],
  findKeys: (args: Args, positions: number[]) => {
    positions.push(1)
    addCountedKeys(args, 2, positions)
  },
} as const
const COMBINE = {
  keys: [0, 0, 0],
  group: 'sorted-set',
  flags: Flag.ReadOnly | Flag.MovableKeys,
  keyFlags: ['RO access'],
  arity: -3,
  keySpecs: [countedKeys(1, 'RO access')],
  findKeys: (args: Args, positions: number[]) => addCountedKeys(args, 1, positions),
} as const

const RANGE_COMPLEXITY = 'O(log(N)+M), where N is the size of the set and M of the range.'
const COUNT_COMPLEXITY = 'O(log(N)), where N is the size of the set.'
const POP_COMPLEXITY = 'O(log(N)*M), where N is the size of the set and M members are popped.'
const MPOP_COMPLEXITY = 'O(K+M*log(N)): K keys, a set of size N, M members that are popped.'
const UNION_COMPLEXITY =
  'O(N+M*log(M)), where N is the sum of all sizes and M the size of the result.'
const INTER_COMPLEXITY = 'O(N*K+M*log(M)): K sets, the smallest of size N, a result of size M.'
const DIFF_COMPLEXITY = 'O(N*K+M*log(M)): K sets, the first of size N, a result of size M.'

const addRows: readonly Command[] = [
  {
    ...ADD,
    name: 'zadd',
    arity: -4,
    since: '1.2.0',
    run: zadd,
    summary: 'Add members to a sorted set, or change their scores',
    complexity: 'O(log(N)) for each member, where N is the size of the set.',
    keyFlags: ['RW update'],
  },
  {
    ...ADD,
    name: 'zincrby',
    arity: 4,
    since: '1.2.0',
    run: zincrby,
    summary: 'Increment the score of a member of a sorted set',
    complexity: COUNT_COMPLEXITY,
    keyFlags: ['RW access update'],
  },
]

const readRows: readonly Command[] = [
  {
    ...FAST_READ,
    name: 'zcard',
    arity: 2,
    since: '1.2.0',
    run: zcard,
    summary: 'Get the number of members of a sorted set',
    complexity: 'O(1)',
    keyFlags: ['RO'],
  },
  {
    ...FAST_READ,
    name: 'zcount',
    arity: 4,
    since: '2.0.0',
    run: zcount,
    summary: 'Count the members of a sorted set whose scores are in a range',
    complexity: COUNT_COMPLEXITY,
  },
  {
    ...FAST_READ,
    name: 'zlexcount',
    arity: 4,
    since: '2.8.9',
    run: zlexcount,
    summary: 'Count the members of a sorted set in a lexicographical range',
    complexity: COUNT_COMPLEXITY,
  },
  {
    ...FAST_READ,
    name: 'zmscore',
    arity: -3,
    since: '6.2.0',
    run: zmscore,
    summary: 'Get the scores of members of a sorted set',
    complexity: 'O(N), where N is the number of members asked for.',
  },
  {
    ...READ,
    name: 'zrandmember',
    arity: -2,
    since: '6.2.0',
    run: zrandmember,
    summary: 'Get members of a sorted set at random',
    complexity: 'O(N*log(M)), where N members of a set of size M are returned.',
    tips: ['nondeterministic_output'],
  },
  {
    ...FAST_READ,
    name: 'zrank',
    arity: -3,
    since: '2.0.0',
    run: zrank,
    summary: 'Get the index of a member of a sorted set',
    complexity: COUNT_COMPLEXITY,
  },
  {
    ...FAST_READ,
    name: 'zrevrank',
    arity: -3,
    since: '2.0.0',
    run: zrevrank,
    summary: 'Get the index of a member of a sorted set, from the highest score down',
    complexity: COUNT_COMPLEXITY,
  },
  {
    ...READ,
    name: 'zscan',
    arity: -3,
    since: '2.8.0',
    run: zscan,
    summary: 'Iterate over the members of a sorted set and their scores',
    complexity: 'O(1) for each call, O(N) for a whole iteration.',
    tips: ['nondeterministic_output'],
  },
  {
    ...FAST_READ,
    name: 'zscore',
    arity: 3,
    since: '1.2.0',
    run: zscore,
    summary: 'Get the score of a member of a sorted set',
    complexity: 'O(1)',
  },
]

const rangeRows: readonly Command[] = [
  {
    ...READ,
    name: 'zrange',
    arity: -4,
    since: '1.2.0',
    run: zrange,
    summary: 'Get a range of members of a sorted set',
    complexity: RANGE_COMPLEXITY,
  },
  {
    ...READ,
    name: 'zrangebylex',
    arity: -4,
    since: '2.8.9',
    run: zrangebylex,
    summary: 'Get the members of a sorted set in a lexicographical range',
    complexity: RANGE_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: '`ZRANGE` with the `BYLEX` argument' },
  },
  {
    ...READ,
    name: 'zrangebyscore',
    arity: -4,
    since: '1.0.5',
    run: zrangebyscore,
    summary: 'Get the members of a sorted set whose scores are in a range',
    complexity: RANGE_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: '`ZRANGE` with the `BYSCORE` argument' },
  },
  {
    ...ROW,
    name: 'zrangestore',
    arity: -5,
    keys: [1, 2, 1],
    flags: Flag.Write | Flag.DenyOom,
    since: '6.2.0',
    run: zrangestore,
    summary: 'Store a range of members of a sorted set under another key',
    complexity: RANGE_COMPLEXITY,
    keyFlags: ['OW update', 'RO access'],
  },
  {
    ...READ,
    name: 'zrevrange',
    arity: -4,
    since: '1.2.0',
    run: zrevrange,
    summary: 'Get a range of members of a sorted set, from the highest score down',
    complexity: RANGE_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: '`ZRANGE` with the `REV` argument' },
  },
  {
    ...READ,
    name: 'zrevrangebylex',
    arity: -4,
    since: '2.8.9',
    run: zrevrangebylex,
    summary: 'Get the members of a sorted set in a lexicographical range, last one first',
    complexity: RANGE_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: '`ZRANGE` with the `REV` and `BYLEX` arguments' },
  },
  {
    ...READ,
    name: 'zrevrangebyscore',
    arity: -4,
    since: '2.2.0',
    run: zrevrangebyscore,
    summary: 'Get the members of a sorted set with scores in a range, from the highest down',
    complexity: RANGE_COMPLEXITY,
    deprecated: { since: '6.2.0', replacedBy: '`ZRANGE` with the `REV` and `BYSCORE` arguments' },
  },
]

const removeRows: readonly Command[] = [
  {
    ...BLOCKING_POP,
    name: 'bzmpop',
    arity: -5,
    keys: [0, 0, 0],
    flags: Flag.Write | Flag.Blocking | Flag.MovableKeys,
    since: '7.0.0',
    run: bzmpop,
    summary: 'Remove members from a sorted set and return them, or wait for one',
    complexity: MPOP_COMPLEXITY,
    keySpecs: [countedKeys(2, 'RW access delete')],
    findKeys: (args, positions) => addCountedKeys(args, 2, positions),
  },
  {
    ...BLOCKING_POP,
    name: 'bzpopmax',
    run: bzpopmax,
    summary: 'Remove the member with the highest score from a sorted set, or wait for one',
  },
  {
    ...BLOCKING_POP,
    name: 'bzpopmin',
    run: bzpopmin,
    summary: 'Remove the member with the lowest score from a sorted set, or wait for one',
  },
  {
    ...POP,
    name: 'zmpop',
    arity: -4,
    keys: [0, 0, 0],
    flags: Flag.Write | Flag.MovableKeys,
    since: '7.0.0',
    run: zmpop,
    summary: 'Remove members from a sorted set and return them',
    complexity: MPOP_COMPLEXITY,
    keySpecs: [countedKeys(1, 'RW access delete')],
    findKeys: (args, positions) => addCountedKeys(args, 1, positions),
  },
  {
    ...POP,
    name: 'zpopmax',
    arity: -2,
    since: '5.0.0',
    run: zpopmax,
    summary: 'Remove the members with the highest scores from a sorted set and return them',
    complexity: POP_COMPLEXITY,
  },
  {
    ...POP,
    name: 'zpopmin',
    arity: -2,
    since: '5.0.0',
    run: zpopmin,
    summary: 'Remove the members with the lowest scores from a sorted set and return them',
    complexity: POP_COMPLEXITY,
  },
  {
    ...REMOVE,
    name: 'zrem',
    arity: -3,
    flags: Flag.Write | Flag.Fast,
    since: '1.2.0',
    run: zrem,
    summary: 'Remove members from a sorted set',
    complexity: 'O(M*log(N)), where M members are removed from a set of size N.',
  },
  {
    ...REMOVE,
    name: 'zremrangebylex',
    arity: 4,
    since: '2.8.9',
    run: zremrangebylex,
    summary: 'Remove the members of a sorted set in a lexicographical range',
    complexity: RANGE_COMPLEXITY,
  },
  {
    ...REMOVE,
    name: 'zremrangebyrank',
    arity: 4,
    since: '2.0.0',
    run: zremrangebyrank,
    summary: 'Remove the members of a sorted set whose indexes are in a range',
    complexity: RANGE_COMPLEXITY,
  },
  {
    ...REMOVE,
    name: 'zremrangebyscore',
    arity: 4,
    since: '1.2.0',
    run: zremrangebyscore,
    summary: 'Remove the members of a sorted set whose scores are in a range',
    complexity: RANGE_COMPLEXITY,
  },
]

const combineRows: readonly Command[] = [
  {
    ...COMBINE,
    name: 'zdiff',
    since: '6.2.0',
    run: zdiff,
    summary: 'Get the members of a sorted set that are in none of the others',
    complexity: DIFF_COMPLEXITY,
  },
  {
    ...STORE,
    name: 'zdiffstore',
    since: '6.2.0',
    run: zdiffstore,
    summary: 'Store the members of a sorted set that are in none of the others',
    complexity: DIFF_COMPLEXITY,
  },
  {
    ...COMBINE,
    name: 'zinter',
    since: '6.2.0',
    run: zinter,
    summary: 'Get the members that are in all of the sorted sets',
    complexity: INTER_COMPLEXITY,
  },
  {
    ...COMBINE,
    name: 'zintercard',
    since: '7.0.0',
    run: zintercard,
    summary: 'Count the members that are in all of the sorted sets',
    complexity: 'O(N*K): K sets, the smallest of size N.',
  },
  {
    ...STORE,
    name: 'zinterstore',
    since: '2.0.0',
    run: zinterstore,
    summary: 'Store the members that are in all of the sorted sets',
    complexity: INTER_COMPLEXITY,
  },
  {
    ...COMBINE,
    name: 'zunion',
    since: '6.2.0',
    run: zunion,
    summary: 'Get the members that are in any of the sorted sets',
    complexity: UNION_COMPLEXITY,
  },
  {
    ...STORE,
    name: 'zunionstore',
    since: '2.0.0',
    run: zunionstore,
    summary: 'Store the members that are in any of the sorted sets',
    complexity: UNION_COMPLEXITY,
  },
]

export const zsetCommands: readonly Command[] = [
  ...addRows,
  ...readRows,
  ...rangeRows,
  ...removeRows,
  ...combineRows,
]
