// types-cpu: how much CPU does a command on a collection cost the server? utime + stime of the
// server process over a load at pipeline 16, divided by the commands, as in `throughput`; but with
// commands on lists, hashes, sets, sorted sets and streams, with random keys and members.
//
// Both servers run throughout (the idle one uses next to nothing) and take turns. A first run of
// each case is thrown away, for a compiler that warms up. Cases that grow or eat their data start
// from fresh data each time; cases whose commands find nothing are refused.

import { type Bench, type Measure, ROLES, type Role, type Setup } from './lib/bench.ts'
import { elementAt, randomScore } from './lib/big-value.ts'
import { runCommands } from './lib/commands.ts'
import type { CommandResult } from './lib/commands-main.ts'
import type { RunningServer } from './lib/server.ts'
import { bytes, random, same, sequence, type Words } from './lib/template.ts'

interface Case {
  readonly name: string
  readonly command: Words
  readonly requests: number
  readonly fills: readonly Fill[]
  /** Whether every run starts from the fills anew, because the command changes their size. */
  readonly isFresh?: boolean
}

interface Fill {
  readonly words: Words
  readonly count: number
  /** Whether the commands must come one after the other, over one connection. */
  readonly isOrdered?: boolean
}

const PIPELINE = 16
const CLIENTS = 50
const RATIO_LIMIT = 1.1
const EMPTY_PART_MAX = 0.05
/** Quick runs send fewer commands to less data, and may find nothing. */
const QUICK_PART = 100

/** Keys of the cases with many values, and elements in each. */
const MANY = 100
const EACH = 10_000
const SORTED = 100_000

const anySet = `set:${random(2, MANY)}`
const anyHash = `hash:${random(2, MANY)}`
const anyList = `list:${random(3, 1000)}`
const anyMember = `member:${random(9, MANY * EACH)}`
const eachSet = `set:${sequence(2, { below: MANY })}`
const eachHash = `hash:${sequence(2, { below: MANY })}`
const eachMember = `member:${sequence(9)}`

const SET_FILL: Fill = {
  words: ['SADD', eachSet, `member:${sequence(9, { over: MANY })}`],
  count: MANY * EACH,
}
const HASH_FILL: Fill = {
  words: ['HSET', eachHash, `field:${sequence(10, { over: MANY })}`, bytes(32)],
  count: MANY * EACH,
}
const ZSET_FILL: Fill = { words: ['ZADD', 'zset', randomScore(), eachMember], count: SORTED }
/** Fifty members on each of 2000 scores. */
const SCORES = 2000
const BUCKET_FILL: Fill = {
  words: ['ZADD', 'zset', sequence(4, { below: SCORES }), eachMember],
  count: SORTED,
}
const STREAM_FILL: Fill = {
  words: ['XADD', 'stream', `1${sequence(12)}-0`, 'sensor', random(6, 1e6), 'value', bytes(8)],
  count: SORTED,
  isOrdered: true,
}

const LIST_CASES: readonly Case[] = [
  {
    name: 'LPUSH',
    command: ['LPUSH', anyList, `element:${random(8, 1e8)}`],
    requests: 1_000_000,
    fills: [],
    isFresh: true,
  },
  {
    name: 'RPOP',
    command: ['RPOP', anyList],
    requests: 1_000_000,
    // A fifth more than is popped: random keys do not empty every list alike.
    fills: [
      { words: ['LPUSH', `list:${sequence(3, { below: 1000 })}`, eachMember], count: 1_200_000 },
    ],
    isFresh: true,
  },
  {
    name: 'LRANGE, 100 of 500',
    command: ['LRANGE', `list:${random(3, 100)}`, '200', '299'],
    requests: 150_000,
    fills: [{ words: ['RPUSH', `list:${sequence(3, { below: 100 })}`, eachMember], count: 50_000 }],
  },
]

const SET_CASES: readonly Case[] = [
  {
    name: 'SADD',
    command: ['SADD', anySet, anyMember],
    requests: 1_000_000,
    fills: [],
    isFresh: true,
  },
  {
    name: 'SPOP',
    command: ['SPOP', anySet],
    requests: 800_000,
    fills: [SET_FILL],
    isFresh: true,
  },
  {
    // Half of the members asked for are there.
    name: 'SISMEMBER',
    command: ['SISMEMBER', anySet, `member:${random(9, 2 * EACH)}`],
    requests: 1_500_000,
    fills: [SET_FILL],
  },
]

const HASH_CASES: readonly Case[] = [
  {
    name: 'HSET',
    command: ['HSET', anyHash, `field:${random(10, 2 * EACH)}`, bytes(32)],
    requests: 1_000_000,
    fills: [],
    isFresh: true,
  },
  {
    name: 'HGET',
    command: ['HGET', anyHash, `field:${random(10, EACH)}`],
    requests: 1_500_000,
    fills: [HASH_FILL],
  },
  {
    name: 'HGETALL, 20 fields',
    command: ['HGETALL', `hash:${random(4, 10_000)}`],
    requests: 200_000,
    fills: [
      {
        words: [
          'HSET',
          `hash:${sequence(4, { over: 20 })}`,
          `field:${sequence(2, { below: 20 })}`,
          bytes(16),
        ],
        count: 200_000,
      },
    ],
  },
]

const SORTED_CASES: readonly Case[] = [
  {
    name: 'ZADD, new scores, 100 k members',
    command: ['ZADD', 'zset', randomScore(), `member:${random(9, SORTED)}`],
    requests: 500_000,
    fills: [ZSET_FILL],
  },
  {
    name: 'ZADD, new members, from 100 k on',
    command: ['ZADD', 'zset', randomScore(), `member:1${sequence(9)}`],
    requests: 400_000,
    fills: [ZSET_FILL],
    isFresh: true,
  },
  {
    name: 'ZRANGEBYSCORE, 50 of 100 k members',
    command: ['ZRANGEBYSCORE', 'zset', random(4, SCORES), same(4)],
    requests: 200_000,
    fills: [BUCKET_FILL],
  },
  {
    name: 'ZRANK, 100 k members',
    command: ['ZRANK', 'zset', `member:${random(9, SORTED)}`],
    requests: 800_000,
    fills: [ZSET_FILL],
  },
]

const STREAM_CASES: readonly Case[] = [
  {
    name: 'XADD',
    command: [
      'XADD',
      `stream:${random(2, MANY)}`,
      '*',
      'sensor',
      random(6, 1e6),
      'value',
      bytes(8),
    ],
    requests: 700_000,
    fills: [],
    isFresh: true,
  },
  {
    name: 'XREAD COUNT 10, 100 k entries',
    command: ['XREAD', 'COUNT', '10', 'STREAMS', 'stream', `1${random(12, SORTED - 20)}-0`],
    requests: 150_000,
    fills: [STREAM_FILL],
  },
]

const CASES: readonly Case[] = [
  ...LIST_CASES,
  ...SET_CASES,
  ...HASH_CASES,
  ...SORTED_CASES,
  ...STREAM_CASES,
]

export const typesCpu: Bench = {
  name: 'types-cpu',
  question: 'How much CPU does a command on a collection cost the server process, at pipeline 16?',
  rounds: 3,
  measures: CASES.map(cpuMeasure),
  async run(setup) {
    await setup.withServer('subject', (subject) =>
      setup.withServer('reference', async (reference) => {
        for (const each of CASES) await measureCase(setup, { subject, reference }, each)
      }),
    )
    return { pipeline: PIPELINE, clients: CLIENTS, 'member bytes': elementAt(0).length }
  },
}

async function measureCase(
  setup: Setup,
  servers: Record<Role, RunningServer>,
  each: Case,
): Promise<void> {
  setup.log(each.name)
  const runOnce = async (role: Role, requests: number) => {
    const server = servers[role]
    if (each.isFresh) await refill(setup, server, each.fills)
    const count = setup.size(requests, requests / QUICK_PART)
    const load = { commands: [each.command], count, pipeline: PIPELINE, connections: CLIENTS }
    const result = await runCommands(server, { ...load, batches: 1 })
    if (!setup.isQuick) refuseEmpty(each, result)
    return result
  }
  for (const role of ROLES) {
    if (!each.isFresh) await refill(setup, servers[role], each.fills)
    if (!setup.isQuick) await runOnce(role, each.requests / 2)
  }
  await setup.alternate(async (role) => {
    const { cpuUs } = await runOnce(role, each.requests)
    setup.add(cpuMeasure(each).name, role, cpuUs)
  })
  for (const role of ROLES) await servers[role].client.call(['FLUSHALL'])
}

async function refill(setup: Setup, server: RunningServer, fills: readonly Fill[]): Promise<void> {
  await server.client.call(['FLUSHALL'])
  for (const { words, count, isOrdered } of fills) {
    await runCommands(server, {
      commands: [words],
      count: setup.size(count, count / QUICK_PART),
      connections: isOrdered ? 1 : 4,
    })
  }
}

/** A command whose data is not there measures something else than it says. */
function refuseEmpty({ name }: Case, { emptyReplies, operations }: CommandResult): void {
  if (emptyReplies <= operations * EMPTY_PART_MAX) return
  throw new Error(`${name}: ${emptyReplies} of ${operations} replies hold nothing`)
}

function cpuMeasure({ name }: Case): Measure {
  return {
    name: `CPU per ${name}`,
    unit: 'µs',
    better: 'lower',
    target: { of: 'ratio', limit: RATIO_LIMIT },
  }
}
