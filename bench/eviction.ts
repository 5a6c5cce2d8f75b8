// eviction: what does a SET cost when memory is at its limit, so that each new key has another one
// evicted? Both servers are filled with keys, their limit leaves room for half of these, and
// redis-benchmark writes keys of a range ten times as large, most of which are new.
//
// CPU per operation is compared, as in `throughput`, and operations per second are beside it. That
// it is eviction that is measured shows in the keys evicted for each SET.

import { type Bench, type Measure, ROLES, type Role, type Setup } from './lib/bench.ts'
import { fill } from './lib/load.ts'
import { cpuSeconds } from './lib/proc.ts'
import { CLIENTS, hasRedisBenchmark, runRedisBenchmark } from './lib/redis-benchmark.ts'
import type { RunningServer } from './lib/server.ts'

const VALUE_SIZES = [64, 512] as const
const POLICIES = ['allkeys-lru', 'allkeys-lfu', 'allkeys-random'] as const
const PIPELINE = 16
/** Keys that are written, for each one that the servers are filled with. */
const RANGE = 10
const RATIO_LIMIT = 1

interface Case {
  readonly policy: (typeof POLICIES)[number]
  readonly valueBytes: number
}

const CASES: readonly Case[] = VALUE_SIZES.flatMap((valueBytes) =>
  POLICIES.map((policy) => ({ policy, valueBytes })),
)

export const eviction: Bench = {
  name: 'eviction',
  question: 'What does a SET cost when each has another key evicted?',
  rounds: 5,
  measures: CASES.flatMap((each) => [cpuMeasure(each), rateMeasure(each), evictedMeasure(each)]),
  async run(setup) {
    if (!hasRedisBenchmark()) throw new Error('eviction: redis-benchmark is not installed')
    const keys = setup.keys(500_000, 50_000)
    for (const valueBytes of VALUE_SIZES) {
      await setup.withServer('subject', (subject) =>
        setup.withServer('reference', async (reference) => {
          const servers = { subject, reference }
          for (const role of ROLES) await fillToLimit(servers[role], keys, valueBytes)
          for (const each of CASES) {
            if (each.valueBytes === valueBytes) await measureCase(setup, servers, each, keys)
          }
        }),
      )
    }
    return { keys, 'key range': keys * RANGE, clients: CLIENTS, pipeline: PIPELINE }
  },
}

/** Fills a server, and sets its limit so that half of the keys have room. */
async function fillToLimit(server: RunningServer, keys: number, valueBytes: number): Promise<void> {
  const empty = await field(server, 'memory', 'used_memory')
  await fill(server, { keys, valueBytes, valueKind: 'random' })
  const limit = Math.floor((empty + (await field(server, 'memory', 'used_memory'))) / 2)
  await server.client.call(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random'])
  await server.client.call(['CONFIG', 'SET', 'maxmemory', String(limit)])
}

async function measureCase(
  setup: Setup,
  servers: Record<Role, RunningServer>,
  each: Case,
  keys: number,
): Promise<void> {
  const { valueBytes, policy } = each
  const requests = setup.size(1_000_000, 20_000)
  const runOnce = async (role: Role, count: number) => {
    const { port, pid } = servers[role]
    const evictedBefore = await field(servers[role], 'stats', 'evicted_keys')
    const before = cpuSeconds(pid)
    const run = { port, test: 'set' as const, requests: count, keys: keys * RANGE }
    const rate = await runRedisBenchmark({ ...run, valueBytes, pipeline: PIPELINE })
    const cpuUs = ((cpuSeconds(pid) - before) * 1e6) / count
    const evicted = (await field(servers[role], 'stats', 'evicted_keys')) - evictedBefore
    return { rate, cpuUs, evicted: evicted / count }
  }
  for (const role of ROLES) {
    await servers[role].client.call(['CONFIG', 'SET', 'maxmemory-policy', policy])
    await runOnce(role, requests / 2)
  }
  setup.log(titleOf(each))
  await setup.alternate(async (role) => {
    const { rate, cpuUs, evicted } = await runOnce(role, requests)
    setup.add(cpuMeasure(each).name, role, cpuUs)
    setup.add(rateMeasure(each).name, role, rate)
    setup.add(evictedMeasure(each).name, role, evicted)
  })
}

async function field({ client }: RunningServer, section: string, name: string): Promise<number> {
  return Number((await client.info(section)).get(name))
}

function titleOf({ policy, valueBytes }: Case): string {
  return `${valueBytes} bytes, ${policy}`
}

function cpuMeasure(each: Case): Measure {
  return {
    name: `CPU per SET, ${titleOf(each)}`,
    unit: 'µs',
    better: 'lower',
    target: { of: 'ratio', limit: RATIO_LIMIT },
  }
}

function rateMeasure(each: Case): Measure {
  return { name: `SET rate, ${titleOf(each)}`, unit: 'op/s', better: 'higher' }
}

function evictedMeasure(each: Case): Measure {
  return { name: `keys evicted per SET, ${titleOf(each)}`, unit: 'keys' }
}
