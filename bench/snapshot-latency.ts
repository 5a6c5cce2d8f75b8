// snapshot-latency: what does a client feel while the server saves? An open-loop prober sends one
// request per millisecond (PING and SET in turn) and measures from the instant it was due; beside
// it 20 000 SETs per second all over the keyspace keep dirtying pages. The same server, the same
// load, in the seconds before a BGSAVE and during it.
//
// Latencies of milliseconds on a small shared machine are partly the machine's: the table therefore
// shows what the same prober finds with no server at all (it only wakes up), with an idle server,
// and how late the prober itself woke in the windows it measured.

import type { Bench, Role, Setup } from './lib/bench.ts'
import { runHelper, startHelper } from './lib/helper.ts'
import { type Dataset, fill, operationsPerSecond, startPaced } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import { backgroundSave } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum, percentile } from './lib/stats.ts'
import { machineMs, sleep } from './lib/time.ts'

const PROBE_US = 1000
const RATE = 20_000
const POLL_MS = 20

export const snapshotLatency: Bench = {
  name: 'snapshot-latency',
  question: 'How long does a client wait at worst while the server saves?',
  rounds: 5,
  measures: [
    { name: 'max before the save', unit: 'ms', better: 'lower' },
    {
      name: 'max during the save',
      unit: 'ms',
      better: 'lower',
      target: { of: 'ratio', limit: 1 },
    },
    {
      name: 'max added by the save',
      unit: 'ms',
      better: 'lower',
      target: { of: 'subject', limit: 5 },
    },
    { name: 'p99.9 before the save', unit: 'ms', better: 'lower' },
    { name: 'p99.9 during the save', unit: 'ms', better: 'lower' },
    { name: 'p99 before the save', unit: 'ms', better: 'lower' },
    { name: 'p99 during the save', unit: 'ms', better: 'lower' },
    { name: 'save duration', unit: 's', better: 'lower' },
    { name: 'latest_fork_usec', unit: 'ms', better: 'lower' },
    { name: 'background load during the save', unit: 'SET/s', better: 'higher' },
    { name: 'prober woke late, max during the save', unit: 'ms' },
    { name: 'idle server, max', unit: 'ms' },
    { name: 'idle server, p99.9', unit: 'ms' },
    { name: 'no server, max', unit: 'ms' },
    { name: 'no server, p99.9', unit: 'ms' },
  ],
  async run(setup) {
    const keys = setup.keys(1_000_000, 5000)
    const dataset: Dataset = { keys, valueBytes: 512, valueKind: 'random' }
    await setup.alternate(async (role) => {
      await measureMachine(setup, role)
      await setup.withServer(role, async (server) => {
        await fill(server, dataset)
        await measureIdle(setup, role, { server, dataset })
        await measureSave(setup, role, { server, dataset })
      })
    })
    return { keys, 'value bytes': 512, 'SET/s': RATE, 'probes/s': 1e6 / PROBE_US }
  },
}

interface Run {
  readonly server: RunningServer
  readonly dataset: Dataset
}

/** The noise floor: the prober without a server. */
async function measureMachine(setup: Setup, role: Role): Promise<void> {
  const limitMs = setup.size(3000, 300)
  const options: ProbeOptions = { intervalUs: PROBE_US, keys: 1, valueBytes: 8, limitMs, seed: 3 }
  const { latencyUs } = await runHelper<ProbeResult>('prober-main.ts', options, limitMs + 10_000)
  setup.add('no server, max', role, maximum(latencyUs) / 1000)
  setup.add('no server, p99.9', role, percentile(latencyUs, 0.999) / 1000)
}

async function measureIdle(setup: Setup, role: Role, run: Run): Promise<void> {
  const limitMs = setup.size(3000, 300)
  const options = probeOptions(run, limitMs)
  const { latencyUs } = await runHelper<ProbeResult>('prober-main.ts', options, limitMs + 10_000)
  setup.add('idle server, max', role, maximum(latencyUs) / 1000)
  setup.add('idle server, p99.9', role, percentile(latencyUs, 0.999) / 1000)
}

async function measureSave(setup: Setup, role: Role, run: Run): Promise<void> {
  const load = await startPaced(run.server, run.dataset, RATE)
  const prober = await startHelper<ProbeResult>('prober-main.ts', probeOptions(run, 120_000))
  await sleep(setup.size(1000, 100))
  const beforeMs = machineMs()
  await sleep(setup.size(4000, 300))
  const save = await backgroundSave(run.server, POLL_MS)
  // A probe that was due in the save may be answered after it.
  await sleep(setup.size(500, 100))
  const probes = await prober.stop()
  const paced = await load.stop()

  const before = windowOf(probes, probes.latencyUs, [beforeMs, save.startMs])
  const during = windowOf(probes, probes.latencyUs, [save.startMs, save.endMs])
  const lateness = windowOf(probes, probes.ownLatenessUs, [save.startMs, save.endMs])
  if (before.length === 0 || during.length === 0) throw new Error('no probes around the save')
  const maxBefore = maximum(before) / 1000
  const maxDuring = maximum(during) / 1000
  setup.add('max before the save', role, maxBefore)
  setup.add('max during the save', role, maxDuring)
  setup.add('max added by the save', role, Math.max(0, maxDuring - maxBefore))
  setup.add('p99.9 before the save', role, percentile(before, 0.999) / 1000)
  setup.add('p99.9 during the save', role, percentile(during, 0.999) / 1000)
  setup.add('p99 before the save', role, percentile(before, 0.99) / 1000)
  setup.add('p99 during the save', role, percentile(during, 0.99) / 1000)
  setup.add('save duration', role, (save.endMs - save.startMs) / 1000)
  setup.add('latest_fork_usec', role, save.freezeUs / 1000)
  setup.add('prober woke late, max during the save', role, Math.max(0, maximum(lateness)) / 1000)
  const rate = operationsPerSecond(paced, save.startMs, save.endMs)
  setup.add('background load during the save', role, rate)
}

function probeOptions({ server, dataset }: Run, limitMs: number): ProbeOptions {
  const { keys, valueBytes } = dataset
  return { port: server.port, intervalUs: PROBE_US, keys, valueBytes, limitMs, seed: 5 }
}

/** Of a series with one value per probe, those of the probes that were due in a span of time. */
export function windowOf(
  probes: Pick<ProbeResult, 'startMs' | 'intervalMs'>,
  series: readonly number[],
  [fromMs, untilMs]: readonly [number, number],
): number[] {
  const first = Math.max(0, Math.ceil((fromMs - probes.startMs) / probes.intervalMs))
  const limit = Math.max(first, Math.ceil((untilMs - probes.startMs) / probes.intervalMs))
  return series.slice(first, limit)
}
