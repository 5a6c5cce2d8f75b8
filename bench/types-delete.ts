// types-delete: how long does everybody wait while one large value goes? One value of a million
// elements (or `--keys`) is deleted, unlinked or expires, or all five types are flushed at once,
// while the open-loop prober of `snapshot-latency` sends a request per millisecond on a connection
// of its own. The stall is the longest wait from the beginning of the deletion until the server has
// given everything back (`lazyfree_pending_objects` is 0) and a while longer.
//
// Latencies of milliseconds on a small shared machine are partly the machine's: the row `nothing`
// is the same measure with nothing deleted. Beside it stands what the command itself took by the
// server's own account (INFO commandstats).

import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import { BIG_TYPES, type BigType, fillBig } from './lib/big-value.ts'
import { startHelper } from './lib/helper.ts'
import type { ProbeOptions, ProbeResult } from './lib/prober-main.ts'
import type { RunningServer } from './lib/server.ts'
import { maximum } from './lib/stats.ts'
import { machineMs, sleep } from './lib/time.ts'
import { windowOf } from './lib/window.ts'

interface Case {
  readonly name: string
  /** What is there before, each under its own key. */
  readonly types: readonly BigType[]
  /** Missing: nothing is done. */
  readonly command?: readonly string[]
  /** Whether the command must be over within a millisecond, whatever the size. */
  readonly isBounded?: boolean
}

const PROBE_US = 1000
const POLL_MS = 50
const END_LIMIT_MS = 60_000
const EXPIRE_MS = 20
/** A value that a client waits for at worst, with default settings. */
const STALL_LIMIT_MS = 5
const COMMAND_LIMIT_MS = 1

const CASES: readonly Case[] = [
  { name: 'nothing', types: [] },
  ...BIG_TYPES.flatMap((type): Case[] => [
    { name: `DEL, ${type}`, types: [type], command: ['DEL', type] },
    { name: `UNLINK, ${type}`, types: [type], command: ['UNLINK', type], isBounded: true },
    { name: `expiry, ${type}`, types: [type], command: ['PEXPIRE', type, String(EXPIRE_MS)] },
  ]),
  { name: 'FLUSHALL', types: BIG_TYPES, command: ['FLUSHALL', 'SYNC'] },
  { name: 'FLUSHALL ASYNC', types: BIG_TYPES, command: ['FLUSHALL', 'ASYNC'], isBounded: true },
]

export const typesDelete: Bench = {
  name: 'types-delete',
  question: 'How long, in ms, does everybody wait while a value of a million elements goes?',
  rounds: 3,
  measures: CASES.flatMap((each) =>
    each.command ? [stallMeasure(each), commandMeasure(each)] : [stallMeasure(each)],
  ),
  async run(setup) {
    const elements = setup.keys(1_000_000, 10_000)
    await setup.alternate((role) =>
      setup.withServer(role, async (server) => {
        for (const each of CASES) await measureCase(setup, role, { server, each, elements })
      }),
    )
    return { elements, 'probes/s': 1e6 / PROBE_US }
  },
}

interface Run {
  readonly server: RunningServer
  readonly each: Case
  readonly elements: number
}

async function measureCase(setup: Setup, role: Role, run: Run): Promise<void> {
  const { server, each, elements } = run
  for (const type of each.types) await fillBig(server, type, { key: type, count: elements })
  await server.client.call(['CONFIG', 'RESETSTAT'])
  const options: ProbeOptions = {
    port: server.port,
    intervalUs: PROBE_US,
    keys: 1,
    valueBytes: 8,
    limitMs: END_LIMIT_MS + 30_000,
    seed: 5,
  }
  const prober = await startHelper<ProbeResult>('prober-main.ts', options)
  await sleep(setup.size(500, 100))
  const startMs = machineMs()
  if (each.command) await server.client.call(each.command)
  await waitEmpty(server)
  await sleep(setup.size(500, 50))
  const endMs = machineMs()
  // A probe that was due in the window may be answered after it.
  await sleep(100)
  const probes = await prober.stop()
  const during = windowOf(probes, probes.latencyUs, [startMs, endMs])
  setup.add(stallMeasure(each).name, role, maximum(during) / 1000)
  if (!each.command) return
  const usec = await commandUs(server, each.command[0]!)
  setup.add(commandMeasure(each).name, role, usec / 1000)
}

/** Resolves when only the prober's key is left and all memory has been given back. */
async function waitEmpty(server: RunningServer): Promise<void> {
  const limit = machineMs() + END_LIMIT_MS
  while (machineMs() < limit) {
    const keys = Number(await server.client.call(['DBSIZE']))
    const info = await server.client.info('memory')
    const pending = info.get('lazyfree_pending_objects')
    if (pending === undefined) throw new Error('INFO memory: no lazyfree_pending_objects')
    if (keys <= 1 && pending === '0') return
    await sleep(POLL_MS)
  }
  throw new Error(`the value is not gone after ${END_LIMIT_MS} ms`)
}

/** Microseconds that the one call of a command took. */
async function commandUs(server: RunningServer, command: string): Promise<number> {
  const stats = await server.client.info('commandstats')
  const line = stats.get(`cmdstat_${command.toLowerCase()}`)
  const usec = /usec=(\d+)/.exec(line ?? '')?.[1]
  if (usec === undefined) throw new Error(`INFO commandstats: no ${command}`)
  return Number(usec)
}

function stallMeasure({ name }: Case): Measure {
  return {
    name: `stall, ${name}`,
    unit: 'ms',
    better: 'lower',
    target: { of: 'subject', limit: STALL_LIMIT_MS },
    cell: { row: name, column: 'longest wait' },
  }
}

function commandMeasure({ name, isBounded }: Case): Measure {
  const measure: Measure = {
    name: `command, ${name}`,
    unit: 'ms',
    better: 'lower',
    cell: { row: name, column: 'the command itself' },
  }
  if (!isBounded) return measure
  return { ...measure, target: { of: 'subject', limit: COMMAND_LIMIT_MS } }
}
