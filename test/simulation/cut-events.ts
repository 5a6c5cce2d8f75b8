// What happens in a simulation of cuts, as a list made from a seed beforehand: clients send, time
// passes, snapshots are asked for and go on at some pace, cores and memory come and go, readers of
// streams dawdle, the disk fails. No event depends on what came of an earlier one, so that any part
// of the list is a run of its own, and a failing one can be made short.

import type { DiskFault, DiskOperation } from '../../src/base/disk-fake.ts'
import { Random } from '../../src/base/random.ts'
import { THRESHOLDS } from '../differential/script.ts'
import { CutWords } from './cut-words.ts'

/** One thing that happens. */
export type CutEvent =
  | { readonly kind: 'commands'; readonly client: number; readonly commands: string[][] }
  /** A client of its own gives an order to the server as a whole. */
  | { readonly kind: 'order'; readonly words: readonly string[] }
  | { readonly kind: 'time'; readonly ms: number }
  /** Steps of the snapshot thread, now; or after each event from here on. */
  | { readonly kind: 'steps' | 'pace'; readonly count: number }
  | { readonly kind: 'cores'; readonly count: 1 | 2 }
  /** The same, and it is time to decide again who scans. */
  | { readonly kind: 'review'; readonly count: 1 | 2 }
  | { readonly kind: 'memory'; readonly availableBytes: number }
  | { readonly kind: 'stream'; readonly capacity: number; readonly pace: number }
  | { readonly kind: 'readerPace'; readonly pace: number }
  | { readonly kind: 'fault'; readonly fault: DiskFault }
  | { readonly kind: 'powerCut'; readonly afterOperations: number }
  | { readonly kind: 'readerGone' | 'heal' | 'abort' | 'reconnect' | 'check' }

/** What distinguishes one run from another besides chance. */
export interface CutProfile {
  readonly config: Readonly<Record<string, string>>
  readonly databaseCount: number
  /** Values to begin with, before the events. */
  readonly filling: readonly string[][]
  /** Clients that speak RESP3: those with a number below it. */
  readonly newerClients: number
}

export interface CutRun {
  readonly profile: CutProfile
  readonly events: readonly CutEvent[]
}

export interface CutRunOptions {
  readonly seed: number
  /** How many events. */
  readonly count: number
  /** Only files that Redis 7.0 can load: no deadlines of fields. */
  readonly isForReference?: boolean
}

export const CLIENTS = 4
const COMMANDS_MAX = 5
const BURST_MAX = 80
const MIB = 1024 * 1024
const FIELD_EXPIRY = /^hp?expire/i

/** The run of a seed. */
export function cutRunOf({ seed, count, isForReference = false }: CutRunOptions): CutRun {
  const random = new Random(seed)
  const databaseCount = 4
  const words = new CutWords(random, databaseCount)
  const config = configOf(random)
  const profile: CutProfile = {
    config: { ...config, databases: `${databaseCount}` },
    databaseCount,
    filling: words.filling(pick(random, [0.3, 1, 2, 3])),
    newerClients: random.below(CLIENTS),
  }
  const events: CutEvent[] = []
  while (events.length < count) {
    const event = eventOf(random, words)
    const isLoadable = !isForReference || event.kind !== 'commands' || !expiresFields(event)
    if (isLoadable) events.push(event)
  }
  return { profile, events }
}

/** A line for a report. */
export function showEvent(event: CutEvent): string {
  if (event.kind === 'commands') {
    const shown = event.commands.map((words) => words.map(showWord).join(' '))
    return `client ${event.client}: ${shown.join(' | ')}`
  }
  if (event.kind === 'order') return `order: ${event.words.join(' ')}`
  return JSON.stringify(event)
}

function showWord(word: string): string {
  const shown = /^[\x21-\x7e]+$/.test(word) ? word : JSON.stringify(word)
  return shown.length > 40 ? `${shown.slice(0, 40)}…(${word.length})` : shown
}

function configOf(random: Random): Record<string, string> {
  return {
    ...pick(random, THRESHOLDS),
    'enable-debug-command': 'yes',
    save: pick(random, ['', '', '', '3 10']),
    'snapshot-method': pick(random, ['auto', 'auto', 'auto', 'background', 'cooperative']),
    // Of little data, a percent is the smallest reserve: eight pages.
    'snapshot-reserve': pick(random, ['1%', '1%', '3%', '20%', '1mb', '4mb', 'auto']),
    'snapshot-stall-timeout': pick(random, ['0', '60', '3']),
    rdbcompression: pick(random, ['yes', 'no']),
    rdbchecksum: pick(random, ['yes', 'yes', 'no']),
    'maxmemory-policy': pick(random, ['noeviction', 'allkeys-lru', 'allkeys-lfu']),
    'lazyfree-lazy-user-flush': pick(random, ['yes', 'no']),
    'lazyfree-lazy-user-del': pick(random, ['yes', 'no']),
    'stop-writes-on-bgsave-error': pick(random, ['yes', 'no']),
    hz: pick(random, ['10', '100']),
  }
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!
}

function expiresFields(event: { readonly commands: readonly string[][] }): boolean {
  return event.commands.some(([name = '']) => FIELD_EXPIRY.test(name))
}

type Maker = (random: Random, words: CutWords) => CutEvent

/** Events by weight. */
const MAKERS: readonly (readonly [weight: number, make: Maker])[] = [
  [700, talk],
  [4, refill],
  [25, burst],
  [120, (random) => ({ kind: 'time', ms: pick(random, [0.1, 0.4, 1, 1, 3, 10, 40, 300]) })],
  [6, (random) => ({ kind: 'time', ms: random.below(4000) })],
  [30, (random) => ({ kind: 'steps', count: pick(random, [1, 2, 5, 30, 200]) })],
  [15, (random) => ({ kind: 'pace', count: pick(random, [0, 0, 0, 1, 1, 1, 2, 4, 30]) })],
  [32, (random) => ({ kind: 'order', words: pick(random, SAVES) })],
  [14, (random) => ({ kind: 'order', words: pick(random, ORDERS) })],
  [2, (random) => ({ kind: 'order', words: pick(random, RELOADS) })],
  [12, (random) => ({ kind: 'cores', count: random.below(2) === 0 ? 1 : 2 })],
  [30, (random) => ({ kind: 'review', count: random.below(2) === 0 ? 1 : 2 })],
  [8, (random) => ({ kind: 'memory', availableBytes: pick(random, MEMORY) })],
  [8, stream],
  [8, (random) => ({ kind: 'readerPace', pace: pick(random, PACES) })],
  [2, () => ({ kind: 'readerGone' })],
  [7, (random) => ({ kind: 'fault', fault: faultOf(random) })],
  [8, () => ({ kind: 'heal' })],
  [3, () => ({ kind: 'abort' })],
  [1, (random) => ({ kind: 'powerCut', afterOperations: random.below(30) })],
  [4, () => ({ kind: 'reconnect' })],
  [3, () => ({ kind: 'check' })],
]
const WEIGHTS = MAKERS.reduce((sum, [weight]) => sum + weight, 0)

function eventOf(random: Random, words: CutWords): CutEvent {
  let left = random.below(WEIGHTS)
  for (const [weight, make] of MAKERS) {
    left -= weight
    if (left < 0) return make(random, words)
  }
  return { kind: 'check' }
}

function talk(random: Random, words: CutWords): CutEvent {
  const commands: string[][] = []
  for (let i = random.below(COMMANDS_MAX); i >= 0; i--) commands.push(...words.next())
  return { kind: 'commands', client: random.below(CLIENTS), commands }
}

/** Small changes all over the keys, so that writers meet a full reserve. */
function burst(random: Random, words: CutWords): CutEvent {
  const commands = Array.from({ length: random.below(BURST_MAX) }, () => words.crowdChange())
  return { kind: 'commands', client: random.below(CLIENTS), commands }
}

/** Many commands that make values grow, since others empty whole databases. */
function refill(random: Random, words: CutWords): CutEvent {
  return { kind: 'commands', client: random.below(CLIENTS), commands: words.filling(0.2) }
}

/** Bytes that a reader takes after each event. */
const PACES = [0, 0, 100, 3000, 100_000, MIB]

function stream(random: Random): CutEvent {
  const capacity = pick(random, [16 * 1024, 64 * 1024, MIB])
  return { kind: 'stream', capacity, pace: pick(random, PACES) }
}

const SAVES: readonly (readonly string[])[] = [
  ['BGSAVE'],
  ['BGSAVE'],
  ['BGSAVE'],
  ['BGSAVE'],
  ['BGSAVE', 'BACKGROUND'],
  ['BGSAVE', 'COOPERATIVE'],
  ['BGSAVE', 'SCHEDULE'],
  ['BGSAVE', 'SCHEDULE', 'COOPERATIVE'],
]
const ORDERS: readonly (readonly string[])[] = [
  ['CONFIG', 'SET', 'snapshot-method', 'auto'],
  ['CONFIG', 'SET', 'snapshot-method', 'background'],
  ['CONFIG', 'SET', 'snapshot-method', 'cooperative'],
  ['CONFIG', 'SET', 'snapshot-reserve', '1%'],
  ['CONFIG', 'SET', 'snapshot-reserve', '10%'],
  ['CONFIG', 'SET', 'snapshot-reserve', '1mb'],
  ['CONFIG', 'SET', 'snapshot-reserve', 'auto'],
  ['CONFIG', 'SET', 'rdbcompression', 'yes'],
  ['CONFIG', 'SET', 'rdbcompression', 'no'],
  ['CONFIG', 'SET', 'rdb-save-incremental-fsync', 'no'],
  ['CONFIG', 'SET', 'rdb-key-save-delay', '30'],
  ['CONFIG', 'SET', 'rdb-key-save-delay', '0'],
  ['CONFIG', 'SET', 'active-expire-effort', '10'],
  ['CONFIG', 'SET', 'save', '1 1'],
  ['CONFIG', 'SET', 'save', ''],
  ['INFO', 'everything'],
  ['SNAPSHOT', 'STATUS'],
  ['LASTSAVE'],
]
const RELOADS: readonly (readonly string[])[] = [
  ['DEBUG', 'RELOAD'],
  ['DEBUG', 'RELOAD'],
  ['SAVE'],
  ['FLUSHALL'],
]
/** What is free: plenty, enough for little, nothing. */
const MEMORY = [1024 * MIB, 64 * MIB, 12 * MIB, 5 * MIB, MIB, 4096]

const FAULTY: readonly DiskOperation[] = ['open', 'write', 'write', 'fsync', 'rename', 'close']

function faultOf(random: Random): DiskFault {
  return {
    operation: pick(random, FAULTY),
    code: pick(random, ['ENOSPC', 'EIO']),
    nth: 1 + random.below(6),
    times: pick(random, [1, 2, 1000]),
    path: pick(random, ['/data', '/data', '.spill', '.rdb']),
  }
}
