// throughput: how much CPU does an operation cost the server? utime + stime of the server process
// over a run of redis-benchmark, divided by the requests. CPU per operation is what is promised and
// compared, because operations per second on a small machine also measure the load generator, which
// shares the cores; they are listed beside it.
//
// Both servers run throughout (the idle one uses next to nothing) and take turns; a first run of
// each combination is thrown away, for a compiler that warms up and caches that fill.

import { type Bench, type Measure, ROLES, type Role, type Setup } from './lib/bench.ts'
import { fill } from './lib/load.ts'
import { cpuSeconds } from './lib/proc.ts'
import { CLIENTS, hasRedisBenchmark, runRedisBenchmark } from './lib/redis-benchmark.ts'
import type { RunningServer } from './lib/server.ts'

interface Combination {
  readonly test: 'get' | 'set'
  readonly pipeline: number
  readonly requests: number
  readonly ratioLimit: number
}

const COMBINATIONS: readonly Combination[] = [
  { test: 'get', pipeline: 1, requests: 200_000, ratioLimit: 1.25 },
  { test: 'set', pipeline: 1, requests: 200_000, ratioLimit: 1.25 },
  { test: 'get', pipeline: 16, requests: 1_500_000, ratioLimit: 1 },
  { test: 'set', pipeline: 16, requests: 1_500_000, ratioLimit: 1 },
  { test: 'get', pipeline: 64, requests: 3_000_000, ratioLimit: 1 },
  { test: 'set', pipeline: 64, requests: 3_000_000, ratioLimit: 1 },
]

const VALUE_BYTES = 64

export const throughput: Bench = {
  name: 'throughput',
  question: 'How much CPU does an operation cost the server process?',
  rounds: 5,
  measures: [...COMBINATIONS.map(cpuMeasure), ...COMBINATIONS.map(rateMeasure)],
  async run(setup) {
    if (!hasRedisBenchmark()) throw new Error('throughput: redis-benchmark is not installed')
    const keys = setup.keys(1_000_000, 2000)
    await setup.withServer('subject', (subject) =>
      setup.withServer('reference', async (reference) => {
        const servers = { subject, reference }
        for (const role of ROLES) {
          await fill(servers[role], { keys, valueBytes: VALUE_BYTES, valueKind: 'random' })
        }
        await measureAll(setup, servers, keys)
      }),
    )
    return { keys, 'value bytes': VALUE_BYTES, clients: CLIENTS }
  },
}

async function measureAll(
  setup: Setup,
  servers: Record<Role, RunningServer>,
  keys: number,
): Promise<void> {
  for (const combination of COMBINATIONS) {
    const { test, pipeline } = combination
    const requests = setup.size(combination.requests, 40_000)
    const runOnce = async (role: Role, count: number) => {
      const { port, pid } = servers[role]
      const before = cpuSeconds(pid)
      const run = { port, test, requests: count, keys, valueBytes: VALUE_BYTES, pipeline }
      const rate = await runRedisBenchmark(run)
      return { rate, cpuUs: ((cpuSeconds(pid) - before) * 1e6) / count }
    }
    setup.log(`${test}, pipeline ${pipeline}`)
    for (const role of ROLES) await runOnce(role, Math.ceil(requests / 2))
    await setup.alternate(async (role) => {
      const { rate, cpuUs } = await runOnce(role, requests)
      setup.add(cpuMeasure(combination).name, role, cpuUs)
      setup.add(rateMeasure(combination).name, role, rate)
    })
  }
}

function cpuMeasure({ test, pipeline, ratioLimit }: Combination): Measure {
  return {
    name: `CPU per ${test.toUpperCase()}, pipeline ${pipeline}`,
    unit: 'µs',
    better: 'lower',
    target: { of: 'ratio', limit: ratioLimit },
  }
}

function rateMeasure({ test, pipeline }: Combination): Measure {
  return {
    name: `${test.toUpperCase()} rate, pipeline ${pipeline}`,
    unit: 'op/s',
    better: 'higher',
  }
}
