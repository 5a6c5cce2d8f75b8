// A run of the simulation of commands and restarts: what may happen in each step. And the program
// for all simulations.
//
//   npm run simulate -- [--only commands|cuts] [--hours=N | --runs=N] [--seed=N]
//                       [--steps=N] [--events=N]
//
//   commands   all that is said and kept, held against a model (simulation.ts); strings only
//   cuts       snapshots of all types while everything changes (cuts.ts)
//
// Without `--only` they take turns; without a seed each run takes another one. A failure says the
// seed and where; the same seed fails there again, and of cuts the events that matter are shown.

import { parseArgs } from 'node:util'
import type { DiskOperation } from '../../src/base/disk-fake.ts'
import { shrinkCuts, simulateCuts } from './cuts.ts'
import type { SimClient } from './sim-client.ts'
import { CLIENTS_MAX, type Tally, World } from './simulation.ts'

export interface RunOptions {
  readonly seed: number
  readonly steps: number
}

/** Steps between two looks at everything. */
const CHECK_STEPS = 250
const OUTBOX_BYTES_MAX = 400_000
const SCAN_CALLS_MAX = 100

/** One run; throws at the first thing that is wrong, naming seed and step. */
export function simulate({ seed, steps }: RunOptions): { tally: Tally; trace: number } {
  const world = new World(seed)
  let step = 0
  try {
    for (; step < steps; step++) {
      world.attempt(() => act(world))
      if (step % CHECK_STEPS === CHECK_STEPS - 1) world.attempt(() => world.check())
    }
    world.attempt(() => finish(world))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`SEED=${seed} STEP=${step}: ${reason}`, { cause })
  }
  return { tally: world.tally, trace: world.trace }
}

/** One thing happens. */
function act(world: World): void {
  const chance = world.below(1000)
  if (chance < 420) return talk(world)
  if (chance < 720) return stepSnapshot(world)
  if (chance < 860) return world.advance(world.below(4) === 0 ? world.below(1500) : world.below(12))
  if (chance < 915) return order(world)
  if (chance < 945) return scan(world)
  if (chance < 960) return comeAndGo(world)
  if (chance < 972) return changeReading(world)
  if (chance < 988) return disturb(world)
  if (chance < 989) return world.crash()
  if (chance < 992) return world.disk.cutPowerAt(world.disk.operations + world.below(40))
  if (chance < 994) return world.shutDown(pick(world, [[], [], ['SAVE'], ['NOSAVE'], ['FORCE']]))
  return world.check()
}

function pick<T>(world: World, list: readonly T[]): T {
  return list[world.below(list.length)]!
}

function someClient(world: World): SimClient {
  if (world.clients.length === 0) return world.connect()
  return pick(world, world.clients)
}

/** A client sends commands; the server gets a part of what the client has sent. */
function talk(world: World): void {
  const client = someClient(world)
  if (client.outboxBytes < OUTBOX_BYTES_MAX) world.compose(client, 1 + world.below(8))
  const isWhole = world.below(3) > 0
  world.deliver(client, isWhole ? client.outboxBytes : 1 + world.below(client.outboxBytes))
}

function stepSnapshot(world: World): void {
  const count = world.below(world.profile.snapshotSteps + 1)
  for (let i = 0; i < count; i++) world.server.runner.step()
}

const ORDERS: readonly (readonly string[])[] = [
  ['BGSAVE'],
  ['BGSAVE'],
  ['BGSAVE'],
  ['BGSAVE'],
  ['BGSAVE'],
  ['SAVE'],
  ['LASTSAVE'],
  ['INFO', 'persistence'],
  ['DEBUG', 'DIGEST'],
  ['FLUSHALL'],
  ['FLUSHALL', 'ASYNC'],
  ['CLIENT', 'PAUSE', '300', 'WRITE'],
  ['CLIENT', 'PAUSE', '30', 'WRITE'],
  ['CLIENT', 'UNPAUSE'],
  ['CONFIG', 'SET', 'rdbcompression', 'yes'],
  ['CONFIG', 'SET', 'rdbcompression', 'no'],
  ['CONFIG', 'SET', 'rdb-save-incremental-fsync', 'no'],
  ['CONFIG', 'SET', 'snapshot-reserve', '1mb'],
  ['CONFIG', 'SET', 'snapshot-reserve', '1%'],
  ['CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes'],
  ['CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'],
  ['CONFIG', 'SET', 'active-expire-effort', '10'],
  ['CONFIG', 'GET', 'rdbcompression'],
  ['CONFIG', 'GET', 'stop-writes-on-bgsave-error'],
  ['CONFIG', 'SET', 'save', '1 1'],
  ['CONFIG', 'SET', 'save', ''],
]

/** A client gives an order to the server as a whole. */
function order(world: World): void {
  if (world.below(5) === 0) {
    const client = world.idleClient()
    client?.send(['DEBUG', 'RELOAD', ...(world.below(4) === 0 ? ['NOSAVE'] : [])])
    if (client !== null) world.deliver(client, client.outboxBytes)
    return
  }
  const client = someClient(world)
  client.send(pick(world, ORDERS))
  world.deliver(client, client.outboxBytes)
}

/** A client begins an iteration, or goes on with its own. */
function scan(world: World): void {
  const client = world.idleClient()
  if (client === null) return
  // Now and then the whole rest, so that iterations end though there is much to iterate over.
  const isHurrying = world.below(4) === 0
  for (let i = 0; i < (isHurrying ? SCAN_CALLS_MAX : 1) && client.isIdle; i++) {
    const cursor = client.session.scan?.cursor ?? '0'
    client.send(['SCAN', cursor, 'COUNT', String(1 + world.below(pick(world, [10, 100, 1000])))])
    world.deliver(client, client.outboxBytes)
    if (client.session.scan === null) return
  }
}

function comeAndGo(world: World): void {
  if (world.clients.length < CLIENTS_MAX && world.below(2) === 0) {
    world.connect()
    return
  }
  const client = someClient(world)
  if (world.below(2) === 0) return world.drop(client)
  client.send(['QUIT'])
  world.deliver(client, client.outboxBytes)
}

function changeReading(world: World): void {
  if (!world.profile.hasSlowClients) return
  const client = someClient(world)
  client.isStuck = !client.isStuck
  if (!client.isStuck) client.drain()
}

const FAULTY: readonly DiskOperation[] = [
  'open',
  'write',
  'write',
  'fsync',
  'fsync',
  'rename',
  'close',
  'unlink',
  'read',
]

/** The disk begins to fail in some way, or works again. */
function disturb(world: World): void {
  if (!world.profile.hasFaults) return
  if (world.about.isDiskFaulty && world.below(2) === 0) return world.heal()
  world.about.isDiskFaulty = true
  world.disk.fail({
    operation: pick(world, FAULTY),
    code: pick(world, ['ENOSPC', 'EIO']),
    nth: 1 + world.below(5),
    times: pick(world, [1, 2, 1000]),
    path: '/data',
  })
}

/** At the end all of it must still be there after a restart in order. */
function finish(world: World): void {
  world.check()
  world.heal()
  world.shutDown(['SAVE'])
  world.check()
}

/** What the program can run: a run from a seed, giving counts; throws at what is wrong. */
interface Simulation {
  readonly name: string
  readonly run: (seed: number) => object
  /** What there is to say about a seed that fails. */
  readonly explain: (seed: number) => string
}

const PROGRESS_MS = 60_000
const HOUR_MS = 3_600_000

/** Runs simulations in turn, until the time or the number of runs is over, or one fails. */
function soak(
  simulations: readonly Simulation[],
  limits: { readonly first: number; readonly runs: number; readonly hours: number },
): void {
  const startMs = Date.now()
  let toldMs = startMs
  const totals = new Map<string, number>()
  const isOver = (run: number) =>
    limits.hours > 0 ? Date.now() - startMs > limits.hours * HOUR_MS : run >= limits.runs
  let run = 0
  for (; !isOver(run); run++) {
    for (const { name, run: simulation, explain } of simulations) {
      const seed = limits.first + run
      try {
        for (const [what, count] of Object.entries(simulation(seed))) {
          totals.set(`${name} ${what}`, (totals.get(`${name} ${what}`) ?? 0) + count)
        }
      } catch (error) {
        console.log(error, `\n${explain(seed)}`)
        process.exitCode = 1
        return
      }
    }
    if (Date.now() - toldMs < PROGRESS_MS) continue
    toldMs = Date.now()
    console.log(`SEED=${limits.first + run}, run ${run + 1}: ${show(totals)}`)
  }
  console.log(`SEED=${limits.first}, ${run} runs, all well: ${show(totals)}`)
}

function show(totals: ReadonlyMap<string, number>): string {
  return [...totals].map(([what, count]) => `${what} ${count}`).join(', ')
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      steps: { type: 'string', default: '20000' },
      events: { type: 'string', default: '3000' },
      runs: { type: 'string', default: '1' },
      hours: { type: 'string', default: '0' },
      only: { type: 'string', default: '' },
    },
  })
  const steps = Number(values.steps)
  const count = Number(values.events)
  const simulations: readonly Simulation[] = [
    { name: 'commands', run: (seed) => simulate({ seed, steps }).tally, explain: () => '' },
    {
      name: 'cuts',
      run: (seed) => simulateCuts({ seed, count }).tally,
      explain: (seed) => shrinkCuts({ seed, count }),
    },
  ]
  const chosen = simulations.filter(({ name }) => values.only === '' || values.only === name)
  if (chosen.length === 0) throw new Error(`--only is one of commands, cuts, not ${values.only}`)
  soak(chosen, {
    first: Number(values.seed ?? Math.floor(Math.random() * 1e9)),
    runs: Number(values.runs),
    hours: Number(values.hours),
  })
}

if (import.meta.main) main()
