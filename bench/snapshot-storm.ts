// snapshot-storm: what does a save cost while every key is being overwritten at full speed? A storm
// of pipelined SETs runs before and during BGSAVE. Extra memory is the highest PSS of the server's
// process tree while saving, less the median PSS in the last second before, with the storm already
// running and nearly every key rewritten: only the save differs.
//
// Each server saves three times: without any load, under the storm with the sampler running, for
// the memory, and under the storm without it, for its rate and the duration: reading the PSS of a
// gigabyte every 20 ms takes half a core.

import type { Bench, Setup, Variant } from './lib/bench.ts'
import { startHelper } from './lib/helper.ts'
import { operationsPerSecond, startStorm } from './lib/load.ts'
import type { SampleResult } from './lib/sampler-main.ts'
import { eachStringCase, type StringCase, type StringRun } from './lib/string-cases.ts'
import { machineMs, sleep } from './lib/time.ts'
import {
  BACKGROUND,
  COOPERATIVE,
  type Quantity,
  REFERENCE,
  SMALL_RESERVE,
  saveVariant,
  variantMeasures,
} from './lib/variants.ts'
import { memoryAround, memorySeries } from './lib/window.ts'

/** Name of the series that the chart of memory is drawn from. */
export const MEMORY_SERIES = 'memory, 512 B'

const CASES: readonly StringCase[] = [
  { name: '512 B', valueBytes: 512, times: 1 },
  { name: '64 B', valueBytes: 64, times: 10 },
]
const VARIANTS: readonly Variant[] = [BACKGROUND, SMALL_RESERVE, COOPERATIVE, REFERENCE]
const SAMPLE_MS = 20
const LIMIT_MS = 600_000
const MEGABYTE = 1e6

/** Beyond the reserve: buffers, the scanner's stack and heap. */
const BESIDE_RESERVE_MB = 24
const DEFAULT_RESERVE_MB = 32
const SMALL_RESERVE_MB = 8

export const snapshotStorm: Bench = {
  name: 'snapshot-storm',
  question: 'What does a save cost while every key is being overwritten at full speed?',
  rounds: 3,
  measures: variantMeasures(VARIANTS, CASES.flatMap(quantitiesOf)),
  async run(setup) {
    const sizes = await eachStringCase(setup, CASES, VARIANTS, async (run) => {
      await measureQuiet(setup, run)
      await measureMemory(setup, run)
      await measureRate(setup, run)
    })
    return { ...sizes, 'sampling ms': SAMPLE_MS }
  },
}

function quantitiesOf({ name }: StringCase): Quantity[] {
  const limit = (megabytes: number) => ({ of: 'subject', limit: megabytes }) as const
  const small = limit(SMALL_RESERVE_MB + BESIDE_RESERVE_MB)
  return [
    {
      name: `extra PSS, ${name}`,
      unit: 'MB',
      better: 'lower',
      targets: {
        [BACKGROUND.name]: limit(DEFAULT_RESERVE_MB + BESIDE_RESERVE_MB),
        [SMALL_RESERVE.name]: small,
        [COOPERATIVE.name]: small,
      },
    },
    { name: `PSS before, ${name}`, unit: 'MB', better: 'lower' },
    { name: `rdb_last_cow_size, ${name}`, unit: 'MB', better: 'lower' },
    { name: `storm before the save, ${name}`, unit: 'SET/s', better: 'higher' },
    {
      name: `storm during the save, ${name}`,
      unit: 'SET/s',
      better: 'higher',
      targets: { [BACKGROUND.name]: { of: 'ratio', limit: 1 } },
    },
    { name: `save under the storm, ${name}`, unit: 's', better: 'lower' },
    { name: `quiet save, ${name}`, unit: 's', better: 'lower' },
  ]
}

async function measureQuiet(setup: Setup, { server, variant, each }: StringRun): Promise<void> {
  const save = await saveVariant(setup, variant, server)
  setup.note(`quiet save, ${each.name}`, variant, (save.endMs - save.startMs) / 1000)
}

async function measureMemory(setup: Setup, run: StringRun): Promise<void> {
  const { server, variant, each } = run
  const storm = await startWarmStorm(setup, run)
  const sampler = await startHelper<SampleResult>('sampler-main.ts', {
    pid: server.pid,
    intervalMs: SAMPLE_MS,
    limitMs: LIMIT_MS,
  })
  const beforeMs = machineMs()
  await sleep(setup.size(1200, 100))
  const save = await saveVariant(setup, variant, server)
  await sleep(setup.size(1000, 50))
  const sampled = await sampler.stop()
  await storm.stop()

  const { baseline, extra } = memoryAround(sampled, { beforeMs, save }, SAMPLE_MS)
  setup.note(`PSS before, ${each.name}`, variant, baseline)
  setup.note(`extra PSS, ${each.name}`, variant, extra)
  setup.note(`rdb_last_cow_size, ${each.name}`, variant, save.reportedCowBytes / MEGABYTE)
  const label = { name: `memory, ${each.name}`, variant: variant.name, baseline }
  setup.addSeries(memorySeries(sampled, { beforeMs, save }, label))
}

async function measureRate(setup: Setup, run: StringRun): Promise<void> {
  const { server, variant, each } = run
  const storm = await startWarmStorm(setup, run)
  const beforeMs = machineMs()
  await sleep(setup.size(2000, 100))
  const save = await saveVariant(setup, variant, server)
  const load = await storm.stop()
  setup.note(`save under the storm, ${each.name}`, variant, (save.endMs - save.startMs) / 1000)
  const before = operationsPerSecond(load, beforeMs, save.startMs)
  setup.note(`storm before the save, ${each.name}`, variant, before)
  const during = operationsPerSecond(load, save.startMs, save.endMs)
  setup.note(`storm during the save, ${each.name}`, variant, during)
}

/** A storm that has run long enough to have rewritten nearly every key. */
async function startWarmStorm(setup: Setup, { server, dataset }: StringRun) {
  const storm = await startStorm(server, dataset)
  await sleep(setup.size(4000, 50))
  return storm
}
