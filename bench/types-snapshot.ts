// types-snapshot: what does a background save cost while one large value is being rewritten? One
// list, hash or sorted set of a million elements (or `--keys`), BGSAVE under a storm of writes to
// random elements of it at full speed, with the memory sampler beside it; then BGSAVE under a fixed
// rate of the same writes, with the open-loop prober. The first gives the extra memory, the second
// the longest wait. As `snapshot-memory` and `snapshot-latency`, which do it for many small keys.
//
// A list is rewritten near its ends: LSET in the middle of a list costs Redis a walk, and the storm
// would be one of reading.

import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import { type BigType, fillBig, randomElement, randomScore } from './lib/big-value.ts'
import { startCommands } from './lib/commands.ts'
import { startHelper } from './lib/helper.ts'
import { operationsPerSecond } from './lib/load.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import type { SampleResult } from './lib/sampler-main.ts'
import { backgroundSave } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum, median } from './lib/stats.ts'
import { bytes, random, type Words } from './lib/template.ts'
import { machineMs, sleep } from './lib/time.ts'
import { windowOf } from './snapshot-latency.ts'

const TYPES: readonly BigType[] = ['list', 'hash', 'zset']
const KEY = 'value'
const SAMPLE_MS = 20
const POLL_MS = 20
const PROBE_US = 1000
const RATE = 20_000
const LIMIT_MS = 120_000
const MEGABYTE = 1e6

/** Promised for any dataset: the reserve and what goes with it. */
const PSS_LIMIT_MB = 56
const ADDED_LIMIT_MS = 5

export const typesSnapshot: Bench = {
  name: 'types-snapshot',
  question: 'What does a background save cost while one large value is being rewritten?',
  rounds: 3,
  measures: TYPES.flatMap((type): Measure[] => [
    {
      name: `extra PSS, ${type}`,
      unit: 'MB',
      better: 'lower',
      target: { of: 'subject', limit: PSS_LIMIT_MB },
    },
    { name: `PSS before, ${type}`, unit: 'MB', better: 'lower' },
    { name: `save under the storm, ${type}`, unit: 's', better: 'lower' },
    { name: `writes during the save, ${type}`, unit: 'op/s', better: 'higher' },
    { name: `max wait before the save, ${type}`, unit: 'ms', better: 'lower' },
    { name: `max wait during the save, ${type}`, unit: 'ms', better: 'lower' },
    {
      name: `max wait added by the save, ${type}`,
      unit: 'ms',
      better: 'lower',
      target: { of: 'subject', limit: ADDED_LIMIT_MS },
    },
  ]),
  async run(setup) {
    const elements = setup.keys(1_000_000, 10_000)
    for (const type of TYPES) {
      setup.log(type)
      await setup.alternate((role) =>
        setup.withServer(role, async (server) => {
          await fillBig(server, type, { key: KEY, count: elements })
          await measureMemory(setup, role, { server, type, elements })
          await measureWaits(setup, role, { server, type, elements })
        }),
      )
    }
    return { elements, 'writes/s for waits': RATE, 'probes/s': 1e6 / PROBE_US }
  },
}

interface Run {
  readonly server: RunningServer
  readonly type: BigType
  readonly elements: number
}

async function measureMemory(setup: Setup, role: Role, run: Run): Promise<void> {
  const { server, type } = run
  const storm = await startCommands(server, { commands: stormCommands(run), limitMs: LIMIT_MS })
  await sleep(setup.size(3000, 200))
  const sampler = await startHelper<SampleResult>('sampler-main.ts', {
    pid: server.pid,
    intervalMs: SAMPLE_MS,
    limitMs: LIMIT_MS,
  })
  const settledMs = machineMs()
  await sleep(setup.size(1000, 200))
  const save = await backgroundSave(server, POLL_MS)
  const { samples } = await sampler.stop()
  const load = await storm.stop()

  const between = (fromMs: number, untilMs: number) =>
    samples.filter(([atMs]) => atMs >= fromMs && atMs <= untilMs).map(([, pss]) => pss)
  const before = between(settledMs, save.startMs)
  // A reading may end after the save it began in: one interval of grace.
  const during = between(save.startMs, save.endMs + SAMPLE_MS)
  if (before.length === 0 || during.length === 0) throw new Error('no PSS samples around the save')
  const baseline = median(before)
  const extra = Math.max(0, maximum(during) - baseline)
  setup.add(`extra PSS, ${type}`, role, extra / MEGABYTE)
  setup.add(`PSS before, ${type}`, role, baseline / MEGABYTE)
  setup.add(`save under the storm, ${type}`, role, (save.endMs - save.startMs) / 1000)
  const writes = operationsPerSecond(load, save.startMs, save.endMs)
  setup.add(`writes during the save, ${type}`, role, writes)
}

async function measureWaits(setup: Setup, role: Role, run: Run): Promise<void> {
  const { server, type } = run
  const load = { commands: stormCommands(run), limitMs: LIMIT_MS, rate: RATE, batches: 16 }
  const paced = await startCommands(server, load)
  const options: ProbeOptions = {
    port: server.port,
    intervalUs: PROBE_US,
    keys: 1,
    valueBytes: 8,
    limitMs: LIMIT_MS,
    seed: 5,
  }
  const prober = await startHelper<ProbeResult>('prober-main.ts', options)
  await sleep(setup.size(500, 100))
  const beforeMs = machineMs()
  await sleep(setup.size(3000, 300))
  const save = await backgroundSave(server, POLL_MS)
  // A probe that was due in the save may be answered after it.
  await sleep(setup.size(500, 100))
  const probes = await prober.stop()
  await paced.stop()

  const before = maximum(windowOf(probes, probes.latencyUs, [beforeMs, save.startMs])) / 1000
  const during = maximum(windowOf(probes, probes.latencyUs, [save.startMs, save.endMs])) / 1000
  setup.add(`max wait before the save, ${type}`, role, before)
  setup.add(`max wait during the save, ${type}`, role, during)
  setup.add(`max wait added by the save, ${type}`, role, Math.max(0, during - before))
}

/** Writes that spoil pages all over the value, and leave its size alone. */
function stormCommands({ type, elements }: Run): readonly Words[] {
  switch (type) {
    case 'list':
      return [
        ['LSET', KEY, `1${random(3, 1000)}`, bytes(16)],
        ['RPUSH', KEY, bytes(16)],
        ['LSET', KEY, `-1${random(3, 1000)}`, bytes(16)],
        ['LPOP', KEY],
      ]
    case 'hash':
      return [['HSET', KEY, randomElement(elements), bytes(32)]]
    case 'zset':
      return [['ZADD', KEY, randomScore(), randomElement(elements)]]
    default:
      throw new Error(`no storm for a ${type}`)
  }
}
