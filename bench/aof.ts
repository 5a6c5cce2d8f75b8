// aof: what does the append only file cost? Three questions, of both servers set up the same way:
//
//   writing     SETs with each `appendfsync`, one at a time and 16 in a pipeline, 50 clients
//   rewriting   BGREWRITEAOF under a storm of SETs (memory, rate), and under a paced load with an
//               open-loop prober (waits)
//   loading     DEBUG LOADAOF of a log of SETs: base and increments, from the page cache
//
// With `always` it is the disk that is measured, and how many replies share one sync.

import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import { startHelper } from './lib/helper.ts'
import { type Dataset, fill, operationsPerSecond, startPaced, startStorm } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import { cpuSeconds } from './lib/proc.ts'
import { CLIENTS, hasRedisBenchmark, runRedisBenchmark } from './lib/redis-benchmark.ts'
import type { SampleResult } from './lib/sampler-main.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum, percentile } from './lib/stats.ts'
import { machineMs, sleep } from './lib/time.ts'
import { memoryAround, waitsAround } from './lib/window.ts'

const POLICIES = ['no', 'everysec', 'always'] as const
const PIPELINES = [1, 16] as const
const VALUE_BYTES = 100
const REWRITE_BYTES = 512
const PACED_RATE = 20_000
const PROBE_US = 1000
const SAMPLE_MS = 20
const POLL_MS = 20
const LIMIT_MS = 300_000
const REWRITE_LIMIT_MS = 120_000
const DIRECTIVES = ['--appendonly', 'yes', '--enable-debug-command', 'yes']
const REPLAY_RATIO_LIMIT = 1.25

interface Case {
  readonly policy: (typeof POLICIES)[number]
  readonly pipeline: (typeof PIPELINES)[number]
}

const CASES: readonly Case[] = POLICIES.flatMap((policy) =>
  PIPELINES.map((pipeline) => ({ policy, pipeline })),
)

const REWRITE_MEASURES: readonly Measure[] = [
  { name: 'rewrite under a storm', unit: 's', better: 'lower' },
  { name: 'extra PSS', unit: 'MB', better: 'lower' },
  { name: 'SET/s before the rewrite', unit: 'op/s', better: 'higher' },
  { name: 'SET/s during the rewrite', unit: 'op/s', better: 'higher' },
  { name: 'p99 before the rewrite', unit: 'ms', better: 'lower' },
  { name: 'p99 during the rewrite', unit: 'ms', better: 'lower' },
  { name: 'max added by the rewrite', unit: 'ms', better: 'lower' },
]
const LOAD_MEASURE: Measure = {
  name: 'time to load a command',
  unit: 'µs',
  better: 'lower',
  target: { of: 'ratio', limit: REPLAY_RATIO_LIMIT },
}

export const aof: Bench = {
  name: 'aof',
  question: 'What does the append only file cost, written, rewritten and loaded?',
  rounds: 3,
  measures: [
    ...CASES.flatMap((each) => [rateMeasure(each), cpuMeasure(each)]),
    ...REWRITE_MEASURES,
    LOAD_MEASURE,
  ],
  async run(setup) {
    if (!hasRedisBenchmark()) throw new Error('aof: redis-benchmark is not installed')
    const keys = setup.keys(1_000_000, 2000)
    await setup.alternate(async (role) => {
      await setup.withServer(role, (server) => measureWriting(setup, role, server), options())
      await setup.withServer(role, (server) => measureRewriting(setup, role, { server, keys }), {
        ...options(),
      })
    })
    return {
      keys,
      clients: CLIENTS,
      'value bytes, writing': VALUE_BYTES,
      'value bytes, rewriting': REWRITE_BYTES,
      'paced SET/s': PACED_RATE,
    }
  },
}

function options(): { readonly directives: readonly string[] } {
  return { directives: DIRECTIVES }
}

async function measureWriting(setup: Setup, role: Role, server: RunningServer): Promise<void> {
  const { client, port, pid } = server
  for (const each of CASES) {
    await client.call(['CONFIG', 'SET', 'appendfsync', each.policy])
    const requests = requestsOf(setup, each)
    const run = { port, test: 'set' as const, keys: requests, valueBytes: VALUE_BYTES }
    const cpuBefore = cpuSeconds(pid)
    const rate = await runRedisBenchmark({ ...run, requests, pipeline: each.pipeline })
    setup.add(rateMeasure(each).name, role, rate)
    setup.add(cpuMeasure(each).name, role, ((cpuSeconds(pid) - cpuBefore) * 1e6) / requests)
  }
  await client.call(['CONFIG', 'SET', 'appendfsync', 'no'])
  await endRewrites(server)
  const loaded = Number(await client.call(['DBSIZE']))
  const startMs = machineMs()
  await client.call(['DEBUG', 'LOADAOF'], LIMIT_MS)
  setup.add(LOAD_MEASURE.name, role, ((machineMs() - startMs) * 1000) / loaded)
}

function requestsOf(setup: Setup, { policy, pipeline }: Case): number {
  const full = policy === 'always' ? 50_000 : 200_000
  return setup.size(full * (pipeline === 1 ? 1 : 4), 20_000)
}

async function measureRewriting(
  setup: Setup,
  role: Role,
  { server, keys }: { readonly server: RunningServer; readonly keys: number },
): Promise<void> {
  const dataset: Dataset = { keys, valueBytes: REWRITE_BYTES, valueKind: 'random' }
  await server.client.call(['CONFIG', 'SET', 'auto-aof-rewrite-percentage', '0'])
  await fill(server, dataset)
  await endRewrites(server)

  const storm = await startStorm(server, dataset)
  const { pid } = server
  const sampling = { pid, intervalMs: SAMPLE_MS, limitMs: LIMIT_MS }
  const sampler = await startHelper<SampleResult>('sampler-main.ts', sampling)
  const beforeMs = machineMs()
  await sleep(setup.size(2000, 100))
  const save = await rewrite(server)
  await sleep(setup.size(500, 50))
  const sampled = await sampler.stop()
  const load = await storm.stop()
  setup.add('rewrite under a storm', role, (save.endMs - save.startMs) / 1000)
  setup.add('extra PSS', role, memoryAround(sampled, { beforeMs, save }, SAMPLE_MS).extra)
  const rate = (fromMs: number, untilMs: number) => operationsPerSecond(load, fromMs, untilMs)
  setup.add('SET/s before the rewrite', role, rate(beforeMs, save.startMs))
  setup.add('SET/s during the rewrite', role, rate(save.startMs, save.endMs))
  await measureWaits(setup, role, { server, dataset })
}

async function measureWaits(
  setup: Setup,
  role: Role,
  { server, dataset }: { readonly server: RunningServer; readonly dataset: Dataset },
): Promise<void> {
  const paced = await startPaced(server, dataset, PACED_RATE)
  const { keys, valueBytes } = dataset
  const probing: ProbeOptions = {
    port: server.port,
    intervalUs: PROBE_US,
    keys,
    valueBytes,
    limitMs: LIMIT_MS,
    seed: 5,
  }
  const prober = await startHelper<ProbeResult>('prober-main.ts', probing)
  await sleep(setup.size(1000, 100))
  const beforeMs = machineMs()
  await sleep(setup.size(3000, 200))
  const save = await rewrite(server)
  await sleep(setup.size(500, 100))
  const probes = await prober.stop()
  await paced.stop()
  const { before, during } = waitsAround(probes, { beforeMs, save })
  setup.add('p99 before the rewrite', role, percentile(before, 0.99) / 1000)
  setup.add('p99 during the rewrite', role, percentile(during, 0.99) / 1000)
  const added = Math.max(0, maximum(during) - maximum(before))
  setup.add('max added by the rewrite', role, added / 1000)
}

/** Runs BGREWRITEAOF to its end. */
async function rewrite(server: RunningServer): Promise<{ startMs: number; endMs: number }> {
  const startMs = machineMs()
  await server.client.call(['BGREWRITEAOF'])
  await endRewrites(server)
  const info = await server.client.info('persistence')
  if (info.get('aof_last_bgrewrite_status') !== 'ok') throw new Error('BGREWRITEAOF failed')
  return { startMs, endMs: machineMs() }
}

async function endRewrites({ client }: RunningServer): Promise<void> {
  const startMs = machineMs()
  for (;;) {
    const info = await client.info('persistence')
    const isRunning = info.get('aof_rewrite_in_progress') === '1'
    if (!isRunning && info.get('aof_rewrite_scheduled') === '0') return
    if (machineMs() - startMs > REWRITE_LIMIT_MS) throw new Error('BGREWRITEAOF has no end')
    await sleep(POLL_MS)
  }
}

function titleOf({ policy, pipeline }: Case): string {
  return `appendfsync ${policy}, pipeline ${pipeline}`
}

function rateMeasure(each: Case): Measure {
  return { name: `SET/s, ${titleOf(each)}`, unit: 'op/s', better: 'higher' }
}

function cpuMeasure(each: Case): Measure {
  return { name: `CPU per SET, ${titleOf(each)}`, unit: 'µs', better: 'lower' }
}
