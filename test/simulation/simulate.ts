// A run of the simulation: what may happen in each step, and the program.
//
//   npm run simulate -- [--seed=N] [--steps=N] [--runs=N]
//
// Without a seed each run takes another one. A failure says SEED= and STEP=; the same seed fails at
// the same step again.

import { parseArgs } from 'node:util'
import type { DiskOperation } from '../../src/base/disk-fake.ts'
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

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      steps: { type: 'string', default: '20000' },
      runs: { type: 'string', default: '1' },
    },
  })
  const first = Number(values.seed ?? Math.floor(Math.random() * 1e9))
  for (let run = 0; run < Number(values.runs); run++) {
    const seed = first + run
    const { tally, trace } = simulate({ seed, steps: Number(values.steps) })
    const counts = Object.entries(tally).map(([name, count]) => `${name} ${count}`)
    console.log(`SEED=${seed} trace ${trace.toString(16)}: ${counts.join(', ')}`)
  }
}

if (import.meta.main) main()
