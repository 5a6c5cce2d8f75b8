// types-growth: what does a command cost as the value it works on grows? CPU of the server per
// command, on one value of 10^3, 10^4, … elements, up to 10^6 or to `--keys` (10 000 000 is the
// largest). A cost that grows with the value shows in its row, and so does one that grows in one
// server only.
//
// Values keep their size: what a command takes away, another one puts back, and both are counted;
// only XADD and the list's ends grow or wander. Each case runs for a fixed time, so a command that
// walks ten million elements is called a few dozen times and a fast one a hundred thousand.
//
// The middle of a list is where walking from either end is longest; SSCAN, HSCAN and ZSCAN take one
// step from a cursor that an earlier step gave.

import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import {
  BIG_TYPES,
  type BigType,
  elementAt,
  entryFields,
  entryIdAt,
  fillBig,
  randomElement,
  randomScore,
} from './lib/big-value.ts'
import { runCommands } from './lib/commands.ts'
import type { RunningServer } from './lib/server.ts'
import { bytes, random, sequence, type Words } from './lib/template.ts'

interface Case {
  readonly name: string
  readonly type: BigType
  /** Sent in turn, on a value of `count` elements; `cursor` is one that a scan has given. */
  commands(count: number, cursor: string): readonly Words[]
}

/** Powers of ten. */
const POWERS = [3, 4, 5, 6, 7] as const
const DEFAULT_MAX = 1_000_000
const KEY = 'value'
const COUNT_MAX = 100_000
const EMPTY_PART_MAX = 0.05
/** An order of magnitude: where one server walks and the other one leaps. */
const RATIO_LIMIT = 10
/** Ten elements, as a page of results. */
const STEP = 10

/** Members that are not in the value; each pair of commands takes the next one. */
const newMember = `another:${sequence(8, { over: 2 })}`
const middleOf = (count: number) => String(count / 2)
const pageFrom = (count: number) => [String(count / 2), String(count / 2 + STEP - 1)]

const LIST_CASES: readonly Case[] = [
  { name: 'LINDEX middle', type: 'list', commands: (n) => [['LINDEX', KEY, middleOf(n)]] },
  { name: 'LSET middle', type: 'list', commands: (n) => [['LSET', KEY, middleOf(n), bytes(16)]] },
  { name: 'LRANGE middle 10', type: 'list', commands: (n) => [['LRANGE', KEY, ...pageFrom(n)]] },
  {
    // Element n / 4 has been overwritten by nobody, and stays where it is.
    name: 'LINSERT, LPOP',
    type: 'list',
    commands: (n) => [
      ['LINSERT', KEY, 'BEFORE', elementAt(n / 4), bytes(16)],
      ['LPOP', KEY],
    ],
  },
  {
    name: 'RPUSH, LPOP',
    type: 'list',
    commands: () => [
      ['RPUSH', KEY, bytes(16)],
      ['LPOP', KEY],
    ],
  },
]

const SET_CASES: readonly Case[] = [
  { name: 'SISMEMBER', type: 'set', commands: (n) => [['SISMEMBER', KEY, randomElement(n)]] },
  {
    name: 'SADD, SREM',
    type: 'set',
    commands: () => [
      ['SADD', KEY, newMember],
      ['SREM', KEY, newMember],
    ],
  },
  { name: 'SRANDMEMBER', type: 'set', commands: () => [['SRANDMEMBER', KEY]] },
  { name: 'SSCAN, a step', type: 'set', commands: (_, cursor) => [['SSCAN', KEY, cursor]] },
  {
    name: 'SADD, SPOP',
    type: 'set',
    commands: () => [
      ['SADD', KEY, newMember],
      ['SPOP', KEY],
    ],
  },
]

const HASH_CASES: readonly Case[] = [
  { name: 'HGET', type: 'hash', commands: (n) => [['HGET', KEY, randomElement(n)]] },
  { name: 'HSET', type: 'hash', commands: (n) => [['HSET', KEY, randomElement(n), bytes(32)]] },
  { name: 'HSCAN, a step', type: 'hash', commands: (_, cursor) => [['HSCAN', KEY, cursor]] },
  {
    name: 'HSET, HDEL',
    type: 'hash',
    commands: () => [
      ['HSET', KEY, newMember, bytes(32)],
      ['HDEL', KEY, newMember],
    ],
  },
]

const SORTED_CASES: readonly Case[] = [
  { name: 'ZSCORE', type: 'zset', commands: (n) => [['ZSCORE', KEY, randomElement(n)]] },
  { name: 'ZRANK', type: 'zset', commands: (n) => [['ZRANK', KEY, randomElement(n)]] },
  { name: 'ZRANGE middle 10', type: 'zset', commands: (n) => [['ZRANGE', KEY, ...pageFrom(n)]] },
  {
    name: 'ZRANGEBYSCORE 10',
    type: 'zset',
    commands: () => [
      // Below the largest scores, so that there are always ten left.
      ['ZRANGEBYSCORE', KEY, random(9, 900_000_000), '+inf', 'LIMIT', '0', String(STEP)],
    ],
  },
  { name: 'ZSCAN, a step', type: 'zset', commands: (_, cursor) => [['ZSCAN', KEY, cursor]] },
  {
    name: 'ZADD, new scores',
    type: 'zset',
    commands: (n) => [['ZADD', KEY, randomScore(), randomElement(n)]],
  },
  {
    name: 'ZADD, ZREM',
    type: 'zset',
    commands: () => [
      ['ZADD', KEY, randomScore(), newMember],
      ['ZREM', KEY, newMember],
    ],
  },
  {
    name: 'ZADD, ZPOPMIN',
    type: 'zset',
    commands: () => [
      ['ZADD', KEY, randomScore(), newMember],
      ['ZPOPMIN', KEY],
    ],
  },
]

const STREAM_CASES: readonly Case[] = [
  {
    name: 'XRANGE middle 10',
    type: 'stream',
    commands: (n) => [['XRANGE', KEY, entryIdAt(n / 2), '+', 'COUNT', String(STEP)]],
  },
  { name: 'XADD', type: 'stream', commands: () => [['XADD', KEY, '*', ...entryFields()]] },
]

const CASES: readonly Case[] = [
  ...LIST_CASES,
  ...SET_CASES,
  ...HASH_CASES,
  ...SORTED_CASES,
  ...STREAM_CASES,
]

const SCANS: Readonly<Partial<Record<BigType, string>>> = {
  set: 'SSCAN',
  hash: 'HSCAN',
  zset: 'ZSCAN',
}

export const typesGrowth: Bench = {
  name: 'types-growth',
  question: 'What does a command cost, in µs of CPU, as the value it works on grows?',
  rounds: 2,
  measures: CASES.flatMap((each) => POWERS.map((power) => growthMeasure(each, power))),
  async run(setup) {
    const largest = setup.keys(DEFAULT_MAX, 1000)
    const powers = POWERS.filter((power) => 10 ** power <= largest)
    await setup.alternate((role) =>
      setup.withServer(role, async (server) => {
        // Once for the compiler, at the smallest size, which is also the fastest to make.
        if (!setup.isQuick) await measureSize(setup, { server, power: powers[0]! })
        for (const power of powers) await measureSize(setup, { server, power, role })
      }),
    )
    return { 'elements at most': largest, 'ms per case': caseMs(setup) }
  },
}

interface Run {
  readonly server: RunningServer
  readonly power: number
  /** Missing: a run to warm up, whose values do not count. */
  readonly role?: Role
}

async function measureSize(setup: Setup, { server, power, role }: Run): Promise<void> {
  const count = 10 ** power
  for (const type of BIG_TYPES) {
    await fillBig(server, type, { key: KEY, count })
    const scan = SCANS[type]
    const cursor = scan ? await middleCursor(server, scan) : ''
    for (const each of CASES.filter((one) => one.type === type)) {
      const cpuUs = await measureCase(setup, server, each.commands(count, cursor))
      if (role) setup.add(growthMeasure(each, power).name, role, cpuUs)
    }
    await server.client.call(['FLUSHALL'])
  }
}

/** CPU per command, in microseconds. */
async function measureCase(
  setup: Setup,
  server: RunningServer,
  commands: readonly Words[],
): Promise<number> {
  const result = await runCommands(server, {
    commands,
    count: COUNT_MAX,
    pipeline: 16,
    connections: 2,
    batches: 1,
    limitMs: caseMs(setup),
  })
  const { operations, emptyReplies, cpuUs } = result
  if (emptyReplies > operations * EMPTY_PART_MAX) {
    const words = commands.map((command) => command[0]).join(', ')
    throw new Error(`${words}: ${emptyReplies} of ${operations} replies hold nothing`)
  }
  return cpuUs
}

/** A cursor some steps into the value. */
async function middleCursor(server: RunningServer, scan: string): Promise<string> {
  const reply = await server.client.call([scan, KEY, '0', 'COUNT', '100'])
  if (!Array.isArray(reply)) throw new Error(`${scan}: reply is ${reply}, expected an array`)
  return String(reply[0])
}

function caseMs(setup: Setup): number {
  return setup.size(400, 20)
}

function growthMeasure({ name }: Case, power: number): Measure {
  return {
    name: `${name}, 10^${power}`,
    unit: 'µs',
    better: 'lower',
    target: { of: 'ratio', limit: RATIO_LIMIT },
    cell: { row: name, column: `10^${power}` },
  }
}
