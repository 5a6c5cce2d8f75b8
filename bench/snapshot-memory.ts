// snapshot-memory: how much memory does a save take while the whole keyspace is being overwritten?
// A storm of pipelined SETs runs at full speed before and during BGSAVE. Extra memory is the
// highest PSS of the server's process tree while saving, less the median PSS in the last second
// before, with the storm already running and nearly every key rewritten: only the save differs.
//
// Each round saves twice: once with the sampler running, for the memory, and once without, for the
// storm's rate and the duration: reading the PSS of a gigabyte every 20 ms takes half a core.

import type { Bench, Role, Setup } from './lib/bench.ts'
import { startHelper } from './lib/helper.ts'
import { type Dataset, fill, operationsPerSecond, startStorm } from './lib/load.ts'
import type { SampleResult } from './lib/sampler-main.ts'
import { backgroundSave } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum, median } from './lib/stats.ts'
import { machineMs, sleep } from './lib/time.ts'

const SAMPLE_MS = 20
const POLL_MS = 20
const MEGABYTE = 1e6

interface Run {
  readonly server: RunningServer
  readonly dataset: Dataset
}

export const snapshotMemory: Bench = {
  name: 'snapshot-memory',
  question: 'How much memory does a save take while every key is being overwritten at full speed?',
  rounds: 3,
  measures: [
    {
      name: 'extra PSS while saving',
      unit: 'MB',
      better: 'lower',
      target: { of: 'subject', limit: 56 },
    },
    { name: 'extra PSS, part of the PSS before', unit: '%', better: 'lower' },
    { name: 'PSS before', unit: 'MB', better: 'lower' },
    { name: 'rdb_last_cow_size', unit: 'MB', better: 'lower' },
    { name: 'save duration under the storm', unit: 's', better: 'lower' },
    { name: 'storm before the save', unit: 'SET/s', better: 'higher' },
    {
      name: 'storm during the save',
      unit: 'SET/s',
      better: 'higher',
      target: { of: 'ratio', limit: 1 },
    },
  ],
  async run(setup) {
    const keys = setup.keys(1_000_000, 5000)
    const dataset: Dataset = { keys, valueBytes: 512, valueKind: 'random' }
    await setup.alternate((role) =>
      setup.withServer(role, async (server) => {
        await fill(server, dataset)
        await measureMemory(setup, role, { server, dataset })
        await measureRate(setup, role, { server, dataset })
      }),
    )
    return { keys, 'value bytes': 512, 'sampling ms': SAMPLE_MS }
  },
}

async function measureMemory(setup: Setup, role: Role, run: Run): Promise<void> {
  const storm = await startWarmStorm(setup, run)
  const sampler = await startHelper<SampleResult>('sampler-main.ts', {
    pid: run.server.pid,
    intervalMs: SAMPLE_MS,
    limitMs: 120_000,
  })
  const settledMs = machineMs()
  await sleep(setup.size(1000, 200))
  const save = await backgroundSave(run.server, POLL_MS)
  const { samples } = await sampler.stop()
  await storm.stop()

  const between = (fromMs: number, untilMs: number) =>
    samples.filter(([atMs]) => atMs >= fromMs && atMs <= untilMs).map(([, bytes]) => bytes)
  const before = between(settledMs, save.startMs)
  // A reading may end after the save it began in: one interval of grace.
  const during = between(save.startMs, save.endMs + SAMPLE_MS)
  if (before.length === 0 || during.length === 0) throw new Error('no PSS samples around the save')
  const baseline = median(before)
  const extra = Math.max(0, maximum(during) - baseline)
  setup.add('PSS before', role, baseline / MEGABYTE)
  setup.add('extra PSS while saving', role, extra / MEGABYTE)
  setup.add('extra PSS, part of the PSS before', role, (100 * extra) / baseline)
  setup.add('rdb_last_cow_size', role, save.reportedCowBytes / MEGABYTE)
}

async function measureRate(setup: Setup, role: Role, run: Run): Promise<void> {
  const storm = await startWarmStorm(setup, run)
  const beforeMs = machineMs()
  await sleep(setup.size(2000, 200))
  const save = await backgroundSave(run.server, POLL_MS)
  const load = await storm.stop()
  setup.add('save duration under the storm', role, (save.endMs - save.startMs) / 1000)
  const before = operationsPerSecond(load, beforeMs, save.startMs)
  setup.add('storm before the save', role, before)
  const during = operationsPerSecond(load, save.startMs, save.endMs)
  setup.add('storm during the save', role, during)
}

/** A storm that has run long enough to have rewritten nearly every key. */
async function startWarmStorm(setup: Setup, { server, dataset }: Run) {
  const storm = await startStorm(server, dataset)
  await sleep(setup.size(4000, 300))
  return storm
}
