// snapshot-limit: what becomes of a save where memory is short? The server runs in a control group.
// When the data is loaded and a storm of SETs over all keys is under way, the group gets a limit
// 64 MB above what its processes need at that moment (page cache left out), and a BGSAVE is tried.
//
// Page cache of the file that is written counts in the group too, and the kernel takes it back when
// the limit is reached; so a group filled to its limit is no fault by itself. Needs root; without
// it the run says that it was skipped, and why.

import type { Bench, Setup, Variant } from './lib/bench.ts'
import type { Helper } from './lib/helper.ts'
import { type Dataset, fill, operationsPerSecond, startStorm } from './lib/load.ts'
import type { LoadResult } from './lib/load-main.ts'
import { MemoryGroup, type MemoryGroups, memoryGroups } from './lib/memory-limit.ts'
import { attemptSave, OUTCOMES } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { machineMs, sleep } from './lib/time.ts'
import {
  AUTO,
  BACKGROUND,
  COOPERATIVE,
  POLL_MS,
  type Quantity,
  REFERENCE,
  remarkMethods,
  variantMeasures,
} from './lib/variants.ts'

const VARIANTS: readonly Variant[] = [AUTO, BACKGROUND, COOPERATIVE, REFERENCE]
const HEADROOM_BYTES = 64_000_000
const VALUE_BYTES = 512
const MEGABYTE = 1e6

/** Value 0 of the outcome. */
const SAVED = { of: 'subject', limit: 0 } as const

const QUANTITIES: readonly Quantity[] = [
  {
    name: 'outcome',
    unit: '',
    better: 'lower',
    words: OUTCOMES,
    targets: { [AUTO.name]: SAVED, [BACKGROUND.name]: SAVED, [COOPERATIVE.name]: SAVED },
  },
  { name: 'memory of the processes before', unit: 'MB', better: 'lower' },
  { name: 'limit', unit: 'MB' },
  { name: 'most in the group, with page cache', unit: 'MB' },
  { name: 'until the outcome', unit: 's' },
  { name: 'storm before the save', unit: 'SET/s', better: 'higher' },
  { name: 'storm during the save', unit: 'SET/s', better: 'higher' },
]

export const snapshotLimit: Bench = {
  name: 'snapshot-limit',
  question: 'What becomes of a save with 64 MB of memory to spare and every key being overwritten?',
  rounds: 3,
  measures: variantMeasures(VARIANTS, QUANTITIES),
  async run(setup) {
    const keys = setup.keys(1_000_000, 2000)
    const dataset: Dataset = { keys, valueBytes: VALUE_BYTES, valueKind: 'random' }
    const groups = memoryGroups()
    if (typeof groups === 'string') {
      setup.log(`SKIPPED: ${groups}`)
      setup.notes.push(`skipped: ${groups}`)
    } else {
      await setup.rotate(VARIANTS, (variant) => measure(setup, { variant, dataset, groups }))
    }
    return { keys, 'value bytes': VALUE_BYTES, 'headroom MB': HEADROOM_BYTES / MEGABYTE }
  },
}

interface Run {
  readonly variant: Variant
  readonly dataset: Dataset
  readonly groups: MemoryGroups
}

async function measure(setup: Setup, { variant, dataset, groups }: Run): Promise<void> {
  const group = new MemoryGroup(groups)
  const use = async (server: RunningServer) => {
    await fill(server, dataset)
    const storm = await startStorm(server, dataset)
    await sleep(setup.size(4000, 50))
    const chargedBytes = group.chargedBytes
    group.limit(chargedBytes + HEADROOM_BYTES)
    setup.note('memory of the processes before', variant, chargedBytes / MEGABYTE)
    setup.note('limit', variant, (chargedBytes + HEADROOM_BYTES) / MEGABYTE)
    await measureSave(setup, { server, variant, storm })
    setup.note('most in the group, with page cache', variant, group.peakBytes / MEGABYTE)
  }
  try {
    await setup.withVariant(variant, use, { launcher: group.launcher })
  } finally {
    await group.remove()
  }
}

async function measureSave(
  setup: Setup,
  run: { server: RunningServer; variant: Variant; storm: Helper<LoadResult> },
): Promise<void> {
  const { server, variant, storm } = run
  const beforeMs = machineMs()
  await sleep(setup.size(2000, 100))
  const attempt = await attemptSave(server, POLL_MS)
  // The storm has failed with the server, if that was killed.
  const load = await storm.stop().catch(() => null)
  setup.note('outcome', variant, OUTCOMES.indexOf(attempt.outcome))
  setup.note('until the outcome', variant, (attempt.endMs - attempt.startMs) / 1000)
  remarkMethods(setup, variant, attempt)
  if (attempt.reason !== '') setup.remark(variant, attempt.reason)
  if (load === null) return
  const before = operationsPerSecond(load, beforeMs, attempt.startMs)
  setup.note('storm before the save', variant, before)
  const during = operationsPerSecond(load, attempt.startMs, attempt.endMs)
  setup.note('storm during the save', variant, during)
}
