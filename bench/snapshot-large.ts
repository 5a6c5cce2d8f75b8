// snapshot-large: what does a save cost while one large value is being rewritten? A string of
// 512 MB, a hash, a sorted set and a list of ten million elements, a stream of five million entries
// with `--full`; a tenth of that by default; `--keys=N` sets the elements and scales the rest.
//
// 20 000 writes per second spoil pages all over the value. Each server saves twice: with the memory
// sampler, for the extra memory, and with the open-loop prober, for the longest wait.
//
// A list is rewritten near its ends: LSET in the middle of a list costs Redis a walk, and the load
// would be one of reading. A stream loses random entries and gets new ones at its end.

import type { Bench, Setup, Variant } from './lib/bench.ts'
import { type BigType, fillBig, randomElement, randomScore } from './lib/big-value.ts'
import { startCommands } from './lib/commands.ts'
import { startHelper } from './lib/helper.ts'
import { fillString, offsetsBelow } from './lib/large-string.ts'
import { operationsPerSecond } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import type { SampleResult } from './lib/sampler-main.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum } from './lib/stats.ts'
import { bytes, random, type Words } from './lib/template.ts'
import { machineMs, sleep } from './lib/time.ts'
import {
  BACKGROUND,
  COOPERATIVE,
  type Quantity,
  REFERENCE,
  saveVariant,
  variantMeasures,
} from './lib/variants.ts'
import { memoryAround, waitsAround } from './lib/window.ts'

type LargeType = 'string' | Exclude<BigType, 'set'>

const TYPES: readonly LargeType[] = ['string', 'hash', 'zset', 'list', 'stream']
const VARIANTS: readonly Variant[] = [BACKGROUND, COOPERATIVE, REFERENCE]
const KEY = 'value'
const FULL_ELEMENTS = 10_000_000
const DEFAULT_ELEMENTS = 1_000_000
const QUICK_ELEMENTS = 10_000
/** Beside as many elements: 512 MiB of a string and half the entries of a stream. */
const STRING_BYTES_PER_ELEMENT = (512 * 1024 * 1024) / FULL_ELEMENTS
const STREAM_PART = 0.5
const SAMPLE_MS = 20
const PROBE_US = 1000
const RATE = 20_000
const LIMIT_MS = 600_000

/** The reserve and what goes with it. */
const BACKGROUND_LIMIT_MB = 32 + 24
const COOPERATIVE_LIMIT_MB = 8 + 24
const ADDED_LIMIT_MS = 5

export const snapshotLarge: Bench = {
  name: 'snapshot-large',
  question: 'What does a save cost while one large value is being rewritten?',
  rounds: 2,
  measures: variantMeasures(VARIANTS, TYPES.flatMap(quantitiesOf)),
  async run(setup) {
    const full = setup.isFull ? FULL_ELEMENTS : DEFAULT_ELEMENTS
    const elements = setup.keys(full, QUICK_ELEMENTS)
    for (const type of TYPES) {
      setup.log(type)
      const count = countOf(type, elements)
      await setup.rotate(VARIANTS, (variant) =>
        setup.withVariant(variant, async (server) => {
          if (type === 'string') await fillString(server, KEY, count)
          else await fillBig(server, type, { key: KEY, count })
          await measureMemory(setup, { server, variant, type, count })
          await measureWaits(setup, { server, variant, type, count })
        }),
      )
    }
    return {
      elements,
      'bytes of the string': countOf('string', elements),
      'entries of the stream': countOf('stream', elements),
      'writes/s': RATE,
      'probes/s': 1e6 / PROBE_US,
    }
  },
}

function quantitiesOf(type: LargeType): Quantity[] {
  const limit = (value: number) => ({ of: 'subject', limit: value }) as const
  const added = limit(ADDED_LIMIT_MS)
  return [
    {
      name: `extra PSS, ${type}`,
      unit: 'MB',
      better: 'lower',
      targets: {
        [BACKGROUND.name]: limit(BACKGROUND_LIMIT_MB),
        [COOPERATIVE.name]: limit(COOPERATIVE_LIMIT_MB),
      },
    },
    { name: `PSS before, ${type}`, unit: 'MB', better: 'lower' },
    { name: `longest wait before the save, ${type}`, unit: 'ms', better: 'lower' },
    { name: `longest wait during the save, ${type}`, unit: 'ms', better: 'lower' },
    {
      name: `added by the save, ${type}`,
      unit: 'ms',
      better: 'lower',
      targets: { [BACKGROUND.name]: added, [COOPERATIVE.name]: added },
    },
    { name: `save, ${type}`, unit: 's', better: 'lower' },
    { name: `writes during the save, ${type}`, unit: 'op/s', better: 'higher' },
  ]
}

/** Elements, or bytes of a string. */
function countOf(type: LargeType, elements: number): number {
  if (type === 'string') return Math.round(elements * STRING_BYTES_PER_ELEMENT)
  return type === 'stream' ? elements * STREAM_PART : elements
}

interface Run {
  readonly server: RunningServer
  readonly variant: Variant
  readonly type: LargeType
  readonly count: number
}

async function measureMemory(setup: Setup, run: Run): Promise<void> {
  const { server, variant, type } = run
  const load = await startLoad(run)
  await sleep(setup.size(2000, 50))
  const sampler = await startHelper<SampleResult>('sampler-main.ts', {
    pid: server.pid,
    intervalMs: SAMPLE_MS,
    limitMs: LIMIT_MS,
  })
  const beforeMs = machineMs()
  await sleep(setup.size(1000, 100))
  const save = await saveVariant(setup, variant, server)
  await sleep(SAMPLE_MS)
  const sampled = await sampler.stop()
  await load.stop()
  const { baseline, extra } = memoryAround(sampled, { beforeMs, save }, SAMPLE_MS)
  setup.note(`PSS before, ${type}`, variant, baseline)
  setup.note(`extra PSS, ${type}`, variant, extra)
}

async function measureWaits(setup: Setup, run: Run): Promise<void> {
  const { server, variant, type } = run
  const load = await startLoad(run)
  const options: ProbeOptions = {
    port: server.port,
    intervalUs: PROBE_US,
    keys: 1,
    valueBytes: 8,
    limitMs: LIMIT_MS,
    seed: 5,
  }
  const prober = await startHelper<ProbeResult>('prober-main.ts', options)
  await sleep(setup.size(500, 50))
  const beforeMs = machineMs()
  await sleep(setup.size(3000, 100))
  const save = await saveVariant(setup, variant, server)
  // A probe that was due in the save may be answered after it.
  await sleep(setup.size(500, 20))
  const probes = await prober.stop()
  const written = await load.stop()

  const waits = waitsAround(probes, { beforeMs, save })
  const before = maximum(waits.before) / 1000
  const during = maximum(waits.during) / 1000
  setup.note(`longest wait before the save, ${type}`, variant, before)
  setup.note(`longest wait during the save, ${type}`, variant, during)
  setup.note(`added by the save, ${type}`, variant, Math.max(0, during - before))
  setup.note(`save, ${type}`, variant, (save.endMs - save.startMs) / 1000)
  const writes = operationsPerSecond(written, save.startMs, save.endMs)
  setup.note(`writes during the save, ${type}`, variant, writes)
}

function startLoad(run: Run) {
  const commands = loadCommands(run)
  // A pipeline takes the commands in whole turns.
  const pipeline = commands.length * Math.ceil(32 / commands.length)
  const load = { commands, pipeline, limitMs: LIMIT_MS, rate: RATE, batches: 16 }
  return startCommands(run.server, load)
}

/** Writes that spoil pages all over the value, and leave its size alone or nearly so. */
function loadCommands({ type, count }: Run): readonly Words[] {
  switch (type) {
    case 'string':
      return offsetsBelow(count).map((offset) => ['SETRANGE', KEY, offset, bytes(16)])
    case 'hash':
      return [['HSET', KEY, randomElement(count), bytes(32)]]
    case 'zset':
      return [['ZADD', KEY, randomScore(), randomElement(count)]]
    case 'list':
      return [
        ['LSET', KEY, `1${random(3, 1000)}`, bytes(16)],
        ['RPUSH', KEY, bytes(16)],
        ['LSET', KEY, `-1${random(3, 1000)}`, bytes(16)],
        ['LPOP', KEY],
      ]
    case 'stream':
      return [
        ['XDEL', KEY, `1${random(12, count)}-0`],
        ['XADD', KEY, '*', 'sensor', random(6, 1_000_000), 'value', random(6, 1_000_000)],
      ]
  }
}
