// snapshot-cut: how long does everybody stand still when a save begins, and does that grow with the
// dataset? By the server's own account (`latest_fork_usec`) and from outside: how long the reply to
// BGSAVE takes, and the longest wait of an open-loop prober in the 200 ms after it was sent. There
// is no other load.
//
// Sizes are megabytes of keys and values, 528 bytes per key: `--sizes=100,1000,8000`.

import type { Bench, Setup, Variant } from './lib/bench.ts'
import { startHelper } from './lib/helper.ts'
import { type Dataset, fill } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum } from './lib/stats.ts'
import { machineMs, sleep } from './lib/time.ts'
import {
  BACKGROUND,
  COOPERATIVE,
  type Quantity,
  REFERENCE,
  saveVariant,
  variantMeasures,
} from './lib/variants.ts'
import { waitsAround } from './lib/window.ts'

const VARIANTS: readonly Variant[] = [BACKGROUND, COOPERATIVE, REFERENCE]
const SIZES_MB = [100, 1000, 8000]
const QUICK_SIZES_MB = [1, 2]
const VALUE_BYTES = 512
const KEY_BYTES = 16
const START_MS = 200
const PROBE_US = 1000
const LIMIT_MS = 600_000
const MEGABYTE = 1e6
const FREEZE_LIMIT_MS = 1

const FREEZE = { of: 'subject', limit: FREEZE_LIMIT_MS } as const

export const snapshotCut: Bench = {
  name: 'snapshot-cut',
  question: 'How long does the server stand still when a save begins?',
  rounds: 3,
  measures: [],
  async run(setup) {
    const sizes = setup.sizes(SIZES_MB, QUICK_SIZES_MB)
    setup.declare(variantMeasures(VARIANTS, sizes.flatMap(quantitiesOf)))
    for (const megabytes of sizes) {
      setup.log(`${megabytes} MB`)
      const keys = Math.ceil((megabytes * MEGABYTE) / (KEY_BYTES + VALUE_BYTES))
      const dataset: Dataset = { keys, valueBytes: VALUE_BYTES, valueKind: 'random' }
      await setup.rotate(VARIANTS, (variant) =>
        setup.withVariant(variant, async (server) => {
          await fill(server, dataset)
          await measure(setup, { server, variant, dataset, megabytes })
        }),
      )
    }
    return { 'MB of keys and values': sizes.join(', '), 'probes/s': 1e6 / PROBE_US }
  },
}

function quantitiesOf(megabytes: number): Quantity[] {
  return [
    {
      name: `freeze by own account, ${megabytes} MB`,
      unit: 'ms',
      better: 'lower',
      targets: { [BACKGROUND.name]: FREEZE, [COOPERATIVE.name]: FREEZE },
    },
    { name: `reply to BGSAVE, ${megabytes} MB`, unit: 'ms', better: 'lower' },
    { name: `longest wait before, ${megabytes} MB`, unit: 'ms', better: 'lower' },
    { name: `longest wait at the start, ${megabytes} MB`, unit: 'ms', better: 'lower' },
  ]
}

interface Run {
  readonly server: RunningServer
  readonly variant: Variant
  readonly dataset: Dataset
  readonly megabytes: number
}

async function measure(setup: Setup, run: Run): Promise<void> {
  const { server, variant, dataset, megabytes } = run
  const options: ProbeOptions = {
    port: server.port,
    intervalUs: PROBE_US,
    keys: dataset.keys,
    valueBytes: VALUE_BYTES,
    limitMs: LIMIT_MS,
    seed: 5,
  }
  const prober = await startHelper<ProbeResult>('prober-main.ts', options)
  await sleep(setup.size(500, 100))
  const beforeMs = machineMs()
  await sleep(setup.size(2000, 200))
  const save = await saveVariant(setup, variant, server)
  // A save of few keys may be over before the start is.
  await sleep(START_MS)
  const probes = await prober.stop()

  const start = { startMs: save.startMs, endMs: save.startMs + START_MS }
  const { before, during } = waitsAround(probes, { beforeMs, save: start })
  setup.note(`freeze by own account, ${megabytes} MB`, variant, save.freezeUs / 1000)
  setup.note(`reply to BGSAVE, ${megabytes} MB`, variant, save.replyMs)
  setup.note(`longest wait before, ${megabytes} MB`, variant, maximum(before) / 1000)
  setup.note(`longest wait at the start, ${megabytes} MB`, variant, maximum(during) / 1000)
}
