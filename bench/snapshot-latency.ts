// snapshot-latency: what does a client feel while the server saves? An open-loop prober sends one
// request per millisecond (PING and SET in turn) and measures from the instant it was due. Beside
// it run 20 000 SETs per second over a million strings, 2000 HSETs of random fields of one hash of
// a million, and 2000 writes per second to small hashes, lists, sets, sorted sets and a stream. The
// same server, the same load, in the seconds before a BGSAVE and during it.
//
// Latencies of milliseconds on a small shared machine are partly the machine's: the table therefore
// shows what the same prober finds with no server at all (it only wakes up), and how late the
// prober itself woke in the windows it measured.

import type { Bench, Setup, Variant } from './lib/bench.ts'
import { fillBig, randomElement } from './lib/big-value.ts'
import { runCommands, startCommands } from './lib/commands.ts'
import { runHelper, startHelper } from './lib/helper.ts'
import { type Dataset, fill, operationsPerSecond, startPaced } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import type { Save } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum, percentile } from './lib/stats.ts'
import { bytes, random, sequence, type Words } from './lib/template.ts'
import { machineMs, sleep } from './lib/time.ts'
import {
  BACKGROUND,
  COOPERATIVE,
  type Quantity,
  REFERENCE,
  saveVariant,
  variantMeasures,
} from './lib/variants.ts'
import { latencySeries, waitsAround, windowOf } from './lib/window.ts'

/** Name of the series that the chart of latency is drawn from. */
export const LATENCY_SERIES = 'latency'

const VARIANTS: readonly Variant[] = [BACKGROUND, COOPERATIVE, REFERENCE]
const PROBE_US = 1000
const VALUE_BYTES = 512
const STRING_RATE = 20_000
/** Half to the large hash, half to small values. */
const MIXED_RATE = 4000
/** A multiple of the ten commands of `mixedCommands`. */
const MIXED_PIPELINE = 60
const LIMIT_MS = 300_000
const ADDED_LIMIT_MS = 5
const LARGE = 'hash:large'
/** Elements of a small collection. */
const SMALL = 10

const PERCENTILES: readonly (readonly [string, number])[] = [
  ['p50', 0.5],
  ['p99', 0.99],
  ['p99.9', 0.999],
  ['max', 1],
]

const ADDED = { of: 'subject', limit: ADDED_LIMIT_MS } as const

const QUANTITIES: readonly Quantity[] = [
  ...PERCENTILES.flatMap(([name]): Quantity[] => [
    { name: `${name} before the save`, unit: 'ms', better: 'lower' },
    { name: `${name} during the save`, unit: 'ms', better: 'lower' },
  ]),
  {
    name: 'max added by the save',
    unit: 'ms',
    better: 'lower',
    targets: { [BACKGROUND.name]: ADDED, [COOPERATIVE.name]: ADDED },
  },
  { name: 'save', unit: 's', better: 'lower' },
  { name: 'freeze, by own account', unit: 'ms', better: 'lower' },
  { name: 'SET during the save', unit: 'op/s', better: 'higher' },
  { name: 'other writes during the save', unit: 'op/s', better: 'higher' },
  { name: 'prober woke late, max during the save', unit: 'ms' },
  { name: 'no server, p99.9', unit: 'ms' },
  { name: 'no server, max', unit: 'ms' },
]

export const snapshotLatency: Bench = {
  name: 'snapshot-latency',
  question: 'How long does a client wait at worst while the server saves?',
  rounds: 5,
  measures: variantMeasures(VARIANTS, QUANTITIES),
  async run(setup) {
    const keys = setup.keys(1_000_000, 2000)
    const dataset: Dataset = { keys, valueBytes: VALUE_BYTES, valueKind: 'random' }
    const small = Math.ceil(keys / 50)
    await setup.rotate(VARIANTS, async (variant) => {
      await measureMachine(setup, variant)
      await setup.withVariant(variant, async (server) => {
        await fill(server, dataset)
        await fillBig(server, 'hash', { key: LARGE, count: keys })
        await runCommands(server, { commands: smallValues(), count: small * 4 })
        await fillBig(server, 'stream', { key: 'stream', count: small })
        await measureSave(setup, { server, variant, dataset, small })
      })
    })
    return {
      keys,
      'value bytes': VALUE_BYTES,
      'fields of the large hash': keys,
      'small values': small * 4,
      'SET/s': STRING_RATE,
      'other writes/s': MIXED_RATE,
      'probes/s': 1e6 / PROBE_US,
    }
  },
}

interface Run {
  readonly server: RunningServer
  readonly variant: Variant
  readonly dataset: Dataset
  /** Small values of each type. */
  readonly small: number
}

/** The noise floor: the prober without a server. */
async function measureMachine(setup: Setup, variant: Variant): Promise<void> {
  const limitMs = setup.size(3000, 200)
  const options: ProbeOptions = { intervalUs: PROBE_US, keys: 1, valueBytes: 8, limitMs, seed: 3 }
  const { latencyUs } = await runHelper<ProbeResult>('prober-main.ts', options, limitMs + 10_000)
  setup.note('no server, max', variant, maximum(latencyUs) / 1000)
  setup.note('no server, p99.9', variant, percentile(latencyUs, 0.999) / 1000)
}

async function measureSave(setup: Setup, run: Run): Promise<void> {
  const { server, variant, dataset } = run
  const strings = await startPaced(server, dataset, STRING_RATE)
  const others = await startCommands(server, {
    commands: mixedCommands(run),
    pipeline: MIXED_PIPELINE,
    rate: MIXED_RATE,
    limitMs: LIMIT_MS,
  })
  const prober = await startHelper<ProbeResult>('prober-main.ts', probeOptions(run))
  await sleep(setup.size(1000, 100))
  const beforeMs = machineMs()
  await sleep(setup.size(4000, 300))
  const save = await saveVariant(setup, variant, server)
  // A probe that was due in the save may be answered after it; the chart shows a while more.
  await sleep(setup.size(1000, 100))
  const probes = await prober.stop()
  const loads = [await strings.stop(), await others.stop()] as const

  noteWaits(setup, variant, { probes, beforeMs, save })
  setup.note('save', variant, (save.endMs - save.startMs) / 1000)
  setup.note('freeze, by own account', variant, save.freezeUs / 1000)
  const [stringRate, otherRate] = loads.map((load) =>
    operationsPerSecond(load, save.startMs, save.endMs),
  )
  setup.note('SET during the save', variant, stringRate!)
  setup.note('other writes during the save', variant, otherRate!)
}

function noteWaits(
  setup: Setup,
  variant: Variant,
  { probes, beforeMs, save }: { probes: ProbeResult; beforeMs: number; save: Save },
): void {
  const { before, during } = waitsAround(probes, { beforeMs, save })
  for (const [name, fraction] of PERCENTILES) {
    setup.note(`${name} before the save`, variant, percentile(before, fraction) / 1000)
    setup.note(`${name} during the save`, variant, percentile(during, fraction) / 1000)
  }
  const added = Math.max(0, maximum(during) - maximum(before))
  setup.note('max added by the save', variant, added / 1000)
  const lateness = windowOf(probes, probes.ownLatenessUs, [save.startMs, save.endMs])
  const late = Math.max(0, maximum(lateness)) / 1000
  setup.note('prober woke late, max during the save', variant, late)
  const label = { name: LATENCY_SERIES, variant: variant.name }
  setup.addSeries(latencySeries(probes, { beforeMs, save }, label))
}

function probeOptions({ server, dataset }: Run): ProbeOptions {
  const { keys, valueBytes } = dataset
  const { port } = server
  return { port, intervalUs: PROBE_US, keys, valueBytes, limitMs: LIMIT_MS, seed: 5 }
}

/** One small value of each type; sequences count over the four of them. */
function smallValues(): readonly Words[] {
  const number = sequence(8, { over: 4 })
  const repeat = (words: (i: number) => readonly string[]) =>
    Array.from({ length: SMALL }, (_, i) => words(i)).flat()
  return [
    ['HSET', `hash:${number}`, ...repeat((i) => [`field_${i}`, bytes(16)])],
    ['RPUSH', `list:${number}`, ...repeat(() => [bytes(16)])],
    ['SADD', `set:${number}`, ...repeat((i) => [`member_${i}`])],
    ['ZADD', `zset:${number}`, ...repeat((i) => [random(6, 1_000_000), `member_${i}`])],
  ]
}

/** Writes that leave sizes as they are, but for the stream; every other one to the large hash. */
function mixedCommands({ dataset, small }: Run): readonly Words[] {
  const large: Words = ['HSET', LARGE, randomElement(dataset.keys), bytes(32)]
  const number = random(8, small)
  return [
    ['HSET', `hash:${number}`, 'field_5', bytes(16)],
    ['LSET', `list:${number}`, '5', bytes(16)],
    ['SADD', `set:${number}`, 'member_5'],
    ['ZADD', `zset:${number}`, random(6, 1_000_000), 'member_5'],
    ['XADD', 'stream', '*', 'sensor', random(6, 1_000_000)],
  ].flatMap((words) => [large, words])
}
