// LATENCY DOCTOR: the events of the latency monitor in words, and advice that follows from them and
// from what else the server knows: the histograms of commands, the slow log, active expiry, the
// snapshot's waits and the disk. Advice is a table: a row names its events and is asked once if any
// of them has happened. Texts are ASCII, for people; no tool reads them.

import { assert } from '../base/assert.ts'
import { humanBytes } from './info-fields.ts'
import { formatAge } from './latency-graph.ts'
import type { LatencySample, LatencySeries } from './latency-monitor.ts'
import { LiveSettings } from './persistence-settings.ts'
import type { Server } from './server.ts'

interface Rule {
  /** Names of events; one that ends with `-` stands for all that begin so. */
  readonly events: readonly string[]
  /** Sentences; each call of a rule gives one piece of advice, '' none. */
  readonly advise: (server: Server) => string
}

const US_PER_MS = 1000
const MS_PER_SECOND = 1000
/** Commands that are named as the slowest. */
const NAMED_MAX = 3
/** Share of expired keys that lie about, from which on expiry does not keep up; in percent. */
const STALE_PERCENT_HIGH = 10

/** Events that are the cause when a command takes long in the same second, or the next. */
const CAUSES = ['snapshot-wait', 'snapshot-cut', 'eviction-cycle', 'expire-del']

const RULES: readonly Rule[] = [
  { events: CAUSES, advise: adviseCauses },
  { events: ['command', 'fast-command'], advise: adviseSlowLog },
  { events: ['command'], advise: adviseSlowCommands },
  { events: ['fast-command'], advise: adviseProcessor },
  { events: ['expire-cycle', 'expire-del'], advise: adviseExpiry },
  { events: ['eviction-'], advise: adviseEviction },
  { events: ['snapshot-cut'], advise: adviseCut },
  { events: ['snapshot-wait'], advise: adviseWaits },
  { events: ['snapshot-write-delay'], advise: adviseWriteDelay },
  { events: ['aof-', 'rdb-'], advise: adviseDisk },
]

/** The report, with a line end. */
export function diagnoseLatency(server: Server): string {
  const { latency, clock } = server
  if (!latency.isOn && latency.count === 0) {
    return (
      'Nothing is measured: the latency monitor is off. ' +
      'CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n'
    )
  }
  if (latency.count === 0) {
    const { thresholdMs } = latency
    return `Nothing has taken ${thresholdMs} ms or longer since the monitor was on or reset.\n`
  }
  const nowSeconds = Math.floor(clock.nowMs() / MS_PER_SECOND)
  const lines = [...latency.events()].map(
    ([event, series], i) => `${i + 1}. ${event}: ${describeSeries(series, nowSeconds)}`,
  )
  const state = latency.isOn
    ? `of ${latency.thresholdMs} ms or longer`
    : 'from before the monitor was turned off'
  const advice = adviceOf(server).map((text) => `- ${text}`)
  const blocks = [`What the latency monitor has kept, ${state}:`, lines.join('\n')]
  if (advice.length > 0) blocks.push('What may help:', advice.join('\n'))
  return `${blocks.join('\n\n')}\n`
}

/** Figures of a series in words. */
export function describeSeries(series: LatencySeries, nowSeconds: number): string {
  const samples = series.samples()
  const first = samples[0]
  const last = samples.at(-1)
  assert(first !== undefined && last !== undefined, 'a series begins with a sample')
  const durations = samples.map(({ durationMs }) => durationMs).sort((a, b) => a - b)
  const sum = durations.reduce((total, each) => total + each, 0)
  const middle = durations[durations.length >> 1]!
  const seconds = last.unixSeconds - first.unixSeconds
  const period = (seconds / Math.max(1, samples.length - 1)).toFixed(1)
  const parts = [
    samples.length === 1 ? '1 sample' : `${samples.length} samples, one every ${period} s`,
    `median ${middle} ms`,
    `average ${Math.round(sum / samples.length)} ms`,
    `longest ${durations.at(-1)} ms (${series.maxMs} ms ever)`,
    `the last ${formatAge(Math.max(0, nowSeconds - last.unixSeconds))} ago`,
  ]
  return `${parts.join(', ')}.`
}

function adviceOf(server: Server): string[] {
  const names = [...server.latency.events()].map(([event]) => event)
  return RULES.filter(({ events }) => names.some((name) => isAmong(events, name)))
    .map(({ advise }) => advise(server))
    .filter((text) => text !== '')
}

function isAmong(events: readonly string[], name: string): boolean {
  return events.some((each) => (each.endsWith('-') ? name.startsWith(each) : each === name))
}

/** How many samples of commands fall together with something that holds commands up. */
function adviseCauses({ latency }: Server): string {
  const commands = ['command', 'fast-command'].flatMap((event) => latency.find(event) ?? [])
  const slow = commands.flatMap((series) => series.samples())
  const parts: string[] = []
  for (const cause of CAUSES) {
    const causes = latency.find(cause)?.samples() ?? []
    const count = slow.filter((command) => causes.some((each) => isNear(each, command))).length
    if (count > 0) parts.push(`${count} with ${cause}`)
  }
  if (parts.length === 0) return ''
  return `Of ${slow.length} samples of commands fall together: ${parts.join(', ')}. Begin there.`
}

function isNear(cause: LatencySample, command: LatencySample): boolean {
  const seconds = command.unixSeconds - cause.unixSeconds
  return seconds === 0 || seconds === 1
}

/** The slow log tells single commands with their arguments, if it is set to see them. */
function adviseSlowLog({ config, latency, slowLog }: Server): string {
  const { slowlogLogSlowerThan: slowerUs, slowlogMaxLen } = config.values
  const wanted = latency.isOn ? latency.thresholdMs * US_PER_MS : US_PER_MS
  const command = `CONFIG SET slowlog-log-slower-than ${wanted}`
  if (slowlogMaxLen === 0) return 'The slow log keeps nothing: CONFIG SET slowlog-max-len 128.'
  if (slowerUs < 0) return `The slow log, which would name the commands, is off: ${command}.`
  if (slowerUs > wanted) {
    const keptMs = slowerUs / US_PER_MS
    return `The slow log names commands from ${keptMs} ms on only. To see all of these: ${command}.`
  }
  return `SLOWLOG GET names the commands and their arguments; it has ${slowLog.length} entries.`
}

/** The commands with the longest calls since the histograms were begun. */
function adviseSlowCommands({ dispatcher }: Server): string {
  const found: [name: string, longestUs: number][] = []
  dispatcher.table.each(({ fullName, latency }) => {
    if (latency !== null) found.push([fullName, latency.percentileUs(100)])
  })
  found.sort((a, b) => b[1] - a[1])
  const names = found
    .slice(0, NAMED_MAX)
    .map(([name, longestUs]) => `${name} (${(longestUs / US_PER_MS).toFixed(1)} ms)`)
  const cause =
    'Commands that walk over whole collections or all keys block everybody while they run: ask ' +
    'for ranges, use SCAN and its kin in place of KEYS, SMEMBERS and HGETALL, split large values.'
  if (names.length === 0) return `${cause} CONFIG SET latency-tracking yes shows which they are.`
  return `Longest calls by command: ${names.join(', ')}. ${cause}`
}

function adviseProcessor(): string {
  return (
    'Commands of constant time do not take long by themselves. Either their values are large, or ' +
    'the process did not run: look for stolen or throttled CPU time (other programs, limits of ' +
    'the container), for swapping, and for waits because of a snapshot in the same seconds.'
  )
}

function adviseExpiry({ keyspace, config }: Server): string {
  if (!keyspace.databases.some(({ expiringCount }) => expiringCount > 0)) {
    return (
      'No key has a deadline now. If none had, active expiry found nothing to do: then the ' +
      'process did not get the CPU while it looked.'
    )
  }
  const { staleShare, timeCapReached } = keyspace.stats
  const stalePercent = staleShare * 100
  const stale = `${stalePercent.toFixed(1)} %`
  const facts =
    `Active expiry ran out of time ${timeCapReached} times; about ${stale} of the keys with a ` +
    'deadline are past it.'
  const { activeExpireEffort: effort } = config.values
  const cure =
    stalePercent < STALE_PERCENT_HIGH && effort > 1
      ? `active-expire-effort is ${effort}: a lower one makes its slices shorter.`
      : 'Spread deadlines by a random part, so that fewer keys expire at the same moment.'
  return `${facts} ${cure}`
}

function adviseEviction({ config }: Server): string {
  const limit = humanBytes(config.values.maxmemory)
  return (
    `Freeing memory takes time from commands: the data does not fit into maxmemory (${limit}). ` +
    'Raise it, let keys expire sooner, or evict in the background (lazyfree-lazy-eviction yes).'
  )
}

function adviseCut(): string {
  return (
    'Freezing the keyspace for a snapshot takes well below 1 ms whatever its size. If it took ' +
    'longer, the process did not get the CPU, or its memory is swapped out.'
  )
}

/** The reserve was full: the engine waited inside of a command for the scanner. */
function adviseWaits(server: Server): string {
  const figures = server.persistence?.cutFigures
  const reserve = humanBytes(new LiveSettings(server).reserveBytes)
  const facts = figures
    ? ` In the last snapshot ${figures.waits} times, at most ` +
      `${(figures.waitUsMax / US_PER_MS).toFixed(1)} ms.`
    : ''
  return (
    `Commands waited until a snapshot had taken a page, as its reserve (${reserve}) was in use.` +
    `${facts} Raise snapshot-reserve, give the snapshot a core of its own, or save when less is ` +
    'written.'
  )
}

/** Writers were slowed down because the snapshot's file or replica takes too little. */
function adviseWriteDelay(server: Server): string {
  const reserve = humanBytes(new LiveSettings(server).reserveBytes)
  const { rdbKeySaveDelay } = server.config.values
  const slowed = rdbKeySaveDelay > 0 ? ' rdb-key-save-delay slows it down: set it to 0.' : ''
  return (
    `Writing commands were held back, so that a snapshot stays within its reserve (${reserve}): ` +
    `more was changed than was saved.${savedRate(server)} A faster disk, a larger ` +
    `snapshot-reserve, or a quieter time to save help.${slowed}`
  )
}

function adviseDisk(server: Server): string {
  return (
    'The disk answers slowly. Look for other programs that use it, for a full or shared volume, ' +
    `for limits of the provider, and try a faster one.${savedRate(server)}`
  )
}

/** How fast the last background save was written. */
function savedRate({ persistence }: Server): string {
  if (persistence === null || persistence.lastDurationSeconds <= 0) return ''
  const { lastFileBytes, lastDurationSeconds } = persistence
  const rate = Math.round(lastFileBytes / lastDurationSeconds)
  return ` The last save wrote ${humanBytes(rate)} per second.`
}
