// snapshot-quiet: how fast is a save, and how much slower does a storm make it? BGSAVE of the same
// data on a server that nobody uses, then under SETs of all keys at full speed. MB/s are of the RDB
// file's size, which is the same for all within a thousandth: the values do not compress.

import { statSync } from 'node:fs'
import type { Bench, Setup, Variant } from './lib/bench.ts'
import { startStorm } from './lib/load.ts'
import type { RunningServer } from './lib/server.ts'
import { median } from './lib/stats.ts'
import { eachStringCase, type StringCase, type StringRun } from './lib/string-cases.ts'
import { sleep } from './lib/time.ts'
import {
  BACKGROUND,
  COOPERATIVE,
  type Quantity,
  REFERENCE,
  saveVariant,
  variantMeasures,
} from './lib/variants.ts'

const CASES: readonly StringCase[] = [
  { name: '512 B', valueBytes: 512, times: 1 },
  { name: '64 B', valueBytes: 64, times: 5 },
]
const VARIANTS: readonly Variant[] = [BACKGROUND, COOPERATIVE, REFERENCE]
const QUIET_SAVES = 3
const MEGABYTE = 1e6
const STORM_LIMIT = 2

export const snapshotQuiet: Bench = {
  name: 'snapshot-quiet',
  question: 'How fast is a save without load, and how much longer does a storm make it?',
  rounds: 3,
  measures: variantMeasures(VARIANTS, CASES.flatMap(quantitiesOf)),
  async run(setup) {
    const sizes = await eachStringCase(setup, CASES, VARIANTS, (run) => measure(setup, run))
    return { ...sizes, 'quiet saves per round': setup.size(QUIET_SAVES, 1) }
  },
}

function quantitiesOf({ name }: StringCase): Quantity[] {
  const ratio = (limit: number) => ({ of: 'ratio', limit }) as const
  return [
    {
      name: `quiet save, ${name}, by size`,
      unit: 'MB/s',
      better: 'higher',
      targets: { [BACKGROUND.name]: ratio(1), [COOPERATIVE.name]: ratio(1) },
    },
    { name: `quiet save, ${name}, by keys`, unit: 'keys/s', better: 'higher' },
    { name: `quiet save, ${name}`, unit: 's', better: 'lower' },
    { name: `save under the storm, ${name}`, unit: 's', better: 'lower' },
    {
      name: `storm : quiet, ${name}`,
      unit: '×',
      better: 'lower',
      targets: { [BACKGROUND.name]: { of: 'subject', limit: STORM_LIMIT } },
    },
  ]
}

async function measure(setup: Setup, { server, variant, each, dataset }: StringRun): Promise<void> {
  const durations: number[] = []
  for (let i = 0; i < setup.size(QUIET_SAVES, 1); i++)
    durations.push(await secondsOf(setup, variant, server))
  const quiet = median(durations)
  const megabytes = statSync(server.rdbPath).size / MEGABYTE

  const storm = await startStorm(server, dataset)
  await sleep(setup.size(2000, 200))
  const stormy = await secondsOf(setup, variant, server)
  await storm.stop()

  setup.note(`quiet save, ${each.name}, by size`, variant, megabytes / quiet)
  setup.note(`quiet save, ${each.name}, by keys`, variant, dataset.keys / quiet)
  setup.note(`quiet save, ${each.name}`, variant, quiet)
  setup.note(`save under the storm, ${each.name}`, variant, stormy)
  setup.note(`storm : quiet, ${each.name}`, variant, stormy / quiet)
}

async function secondsOf(setup: Setup, variant: Variant, server: RunningServer): Promise<number> {
  const save = await saveVariant(setup, variant, server)
  return (save.endMs - save.startMs) / 1000
}
