// defrag: what happens to memory when three of four keys go? A keyspace of small strings is filled,
// keys picked by a hash of their number are deleted, and the resident set is watched until it
// stays. An open-loop prober asks once a millisecond from before the deletions until then; the
// server's processor time after them is the defragmenter's and the prober's.
//
// Two variants: with nothing else, and while cuts are open, one BGSAVE after the other from the
// deletions on. The reference runs with `activedefrag yes` where it was built for that.
// The *own* part of the resident set is what it was above used_memory when the keyspace was full:
// code, heaps, stacks. Node's 150 MB weigh much against a small dataset and little against a large
// one, so the ratio that the target is of leaves them out; the other one stands beside it.

import type { Bench, Setup, Variant } from './lib/bench.ts'
import { startHelper } from './lib/helper.ts'
import { type Dataset, fill } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import { cpuSeconds, rssBytes } from './lib/proc.ts'
import { backgroundSave } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { percentile } from './lib/stats.ts'
import { machineMs, sleep } from './lib/time.ts'
import { type Quantity, REFERENCE, variantMeasures } from './lib/variants.ts'
import { windowOf } from './lib/window.ts'

const DEFRAG = ['--active-defrag-ignore-bytes', '1mb', '--active-defrag-threshold-lower', '5']
const QUIET: Variant = {
  name: 'quiet',
  role: 'subject',
  directives: ['--activedefrag', 'yes', ...DEFRAG],
}
const SAVING: Variant = { ...QUIET, name: 'while saving' }
const VARIANTS: readonly Variant[] = [QUIET, SAVING, REFERENCE]

const VALUE_BYTES = 64
const PROBE_US = 1000
const LIMIT_MS = 300_000
/** Keys of one DEL. */
const BATCH = 500
/** Three of four go. */
const DELETED_SHARE = 0.75
const POLL_MS = 250
const SAVING_POLL_MS = 10
/** The resident set is settled when it has not fallen by 1 MB for so long. */
const SETTLED_MS = 3000
const SETTLE_LIMIT_MS = 120_000
const MEGABYTE = 1e6

const QUANTITIES: readonly Quantity[] = [
  { name: 'RSS, full', unit: 'MB' },
  { name: 'own part', unit: 'MB' },
  { name: 'RSS after the deletions', unit: 'MB' },
  { name: 'used_memory after', unit: 'MB' },
  { name: 'RSS in the end', unit: 'MB', better: 'lower' },
  {
    name: 'RSS without the own part : used_memory',
    unit: '',
    better: 'lower',
    targets: {
      [QUIET.name]: { of: 'subject', limit: 1.15 },
      [SAVING.name]: { of: 'subject', limit: 1.15 },
    },
  },
  { name: 'RSS : used_memory', unit: '', better: 'lower' },
  { name: 'time until it stays', unit: 's', better: 'lower' },
  { name: 'processor time meanwhile', unit: '% of a core' },
  { name: 'p99 before', unit: 'ms', better: 'lower' },
  { name: 'p99 meanwhile', unit: 'ms', better: 'lower' },
  {
    name: 'p99 added',
    unit: 'ms',
    better: 'lower',
    targets: {
      [QUIET.name]: { of: 'subject', limit: 1 },
      [SAVING.name]: { of: 'subject', limit: 1 },
    },
  },
]

export const defrag: Bench = {
  name: 'defrag',
  question: 'Does memory come back when three of four keys are deleted, and what does it cost?',
  rounds: 2,
  measures: variantMeasures(VARIANTS, QUANTITIES),
  async run(setup) {
    const keys = setup.keys(5_000_000, 20_000)
    await setup.rotate(VARIANTS, (variant) =>
      setup.withVariant(variant, (server) => measure(setup, { server, variant, keys })),
    )
    return { keys, 'value bytes': VALUE_BYTES, 'deleted share': DELETED_SHARE }
  },
}

interface Run {
  readonly server: RunningServer
  readonly variant: Variant
  readonly keys: number
}

async function measure(setup: Setup, run: Run): Promise<void> {
  const { server, variant, keys } = run
  const megabytes = () => rssBytes(server.pid) / MEGABYTE
  const dataset: Dataset = { keys, valueBytes: VALUE_BYTES, valueKind: 'random' }
  await fill(server, dataset)
  await enableDefrag(setup, run)
  // The reserve of a save belongs to the own part.
  if (variant === SAVING) await backgroundSave(server, SAVING_POLL_MS)
  await sleep(setup.size(1500, 50))
  const full = megabytes()
  const own = full - (await usedMegabytes(server))
  const prober = await startHelper<ProbeResult>('prober-main.ts', probeOptions(run))
  const beforeMs = machineMs()
  await sleep(setup.size(4000, 300))
  const deletedMs = machineMs()
  await deleteMost(run)
  const after = megabytes()
  const startMs = machineMs()
  const startCpu = cpuSeconds(server.pid)
  const { settledMs, cpu } = await settle(setup, run)
  const probes = await prober.stop()
  const used = await usedMegabytes(server)
  setup.note('RSS, full', variant, full)
  setup.note('own part', variant, own)
  setup.note('RSS after the deletions', variant, after)
  setup.note('used_memory after', variant, used)
  const end = megabytes()
  setup.note('RSS in the end', variant, end)
  setup.note('RSS without the own part : used_memory', variant, (end - own) / used)
  setup.note('RSS : used_memory', variant, end / used)
  setup.note('time until it stays', variant, (settledMs - startMs) / 1000)
  const share = (cpu - startCpu) / Math.max(0.001, (settledMs - startMs) / 1000)
  setup.note('processor time meanwhile', variant, share * 100)
  const p99 = (fromMs: number, untilMs: number) =>
    percentile(windowOf(probes, probes.latencyUs, [fromMs, untilMs]), 0.99) / 1000
  const before = p99(beforeMs, deletedMs)
  const meanwhile = p99(startMs, Math.max(settledMs, startMs + 200))
  setup.note('p99 before', variant, before)
  setup.note('p99 meanwhile', variant, meanwhile)
  setup.note('p99 added', variant, Math.max(0, meanwhile - before))
}

async function usedMegabytes({ client }: RunningServer): Promise<number> {
  return Number((await client.info('memory')).get('used_memory')) / MEGABYTE
}

/** The reference may have been built without a defragmenter. */
async function enableDefrag(setup: Setup, { server, variant }: Run): Promise<void> {
  if (variant.role === 'subject') return
  try {
    await server.client.call(['CONFIG', 'SET', 'activedefrag', 'yes'])
    await server.client.call(['CONFIG', 'SET', 'active-defrag-ignore-bytes', '1mb'])
  } catch (error) {
    setup.remark(variant, `activedefrag: ${String(error)}`)
  }
}

/** Deletes keys in an order that has nothing to do with the order in which they lie. */
async function deleteMost({ server, keys }: Run): Promise<void> {
  let words = ['DEL']
  for (let i = 0; i < keys; i++) {
    const spread = (Math.imul(i ^ (i >>> 15), 0x9e3779b1) >>> 0) / 2 ** 32
    if (spread < DELETED_SHARE) words.push(`key:${String(i).padStart(12, '0')}`)
    if (words.length <= BATCH) continue
    await server.client.call(words)
    words = ['DEL']
  }
  if (words.length > 1) await server.client.call(words)
}

/** Begins a save if none is under way. */
async function keepSaving({ client }: RunningServer): Promise<void> {
  const info = await client.info('persistence')
  if (info.get('rdb_bgsave_in_progress') === '0') await client.call(['BGSAVE'])
}

/** Waits until the resident set stays: when that was, and the processor time up to then. */
async function settle(setup: Setup, run: Run): Promise<{ settledMs: number; cpu: number }> {
  const { server, variant } = run
  const startMs = machineMs()
  let lowest = Infinity
  let settledMs = startMs
  let cpu = cpuSeconds(server.pid)
  while (machineMs() - startMs < SETTLE_LIMIT_MS) {
    if (variant === SAVING) await keepSaving(server)
    const resident = rssBytes(server.pid)
    if (resident < lowest - MEGABYTE) {
      lowest = resident
      settledMs = machineMs()
      cpu = cpuSeconds(server.pid)
    }
    if (machineMs() - settledMs > setup.size(SETTLED_MS, 400)) break
    await sleep(variant === SAVING ? SAVING_POLL_MS : POLL_MS)
  }
  return { settledMs, cpu }
}

function probeOptions({ server, keys }: Run): ProbeOptions {
  const { port } = server
  return { port, intervalUs: PROBE_US, keys, valueBytes: VALUE_BYTES, limitMs: LIMIT_MS, seed: 5 }
}
