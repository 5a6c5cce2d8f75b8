// MEMORY DOCTOR: what is remarkable about memory, in words, and what to do about it. A table of
// rules: each is asked once and gives one piece of advice or none. Rules about proportions are only
// asked when there is enough data for proportions to mean something; those about settings always.
//
// Nothing forks here, so what Redis's guides say about fork does not apply: overcommit is asked for
// only where it is strict, huge pages because memory then comes and goes in larger pieces. Texts
// are ASCII, for people; no tool reads them.
// Thresholds of proportions: Redis's documentation of the command.

import { readIfAny } from '../base/control-groups.ts'
import { humanBytes } from './info-fields.ts'
import { type MemoryFigures, memoryFigures, ratioOf } from './memory-figures.ts'
import { LiveSettings } from './persistence-settings.ts'
import type { Server } from './server.ts'

/** What rules look at. */
interface Facts extends MemoryFigures {
  readonly server: Server
  /** Bytes that `snapshot-reserve` comes to now. */
  readonly reserveBytes: number
  readonly maxmemory: number
}

/** A piece of advice; '' none. */
type Rule = (facts: Facts) => string

const KIB = 1024
const MIB = 1024 * KIB
/** Below this in use, proportions say nothing. */
const USED_MIN = 5 * MIB
/** What is wasted less than this is not worth a word. */
const WASTE_MIN = 10 * MIB
const PEAK_RATIO = 1.5
const TOTAL_RATIO = 1.4
const ALLOCATOR_RATIO = 1.1
/** Code, V8 and the heaps of all threads: only what is beyond is remarkable. */
const PROCESS_BYTES = 256 * MIB
const CLIENT_BYTES_MEAN = 200 * KIB
/** Free room that the data should leave below `maxmemory`, in parts of it, without eviction. */
const FULL_SHARE = 0.85
/** A reserve beyond this part of `maxmemory` is more than any save was seen to need. */
const RESERVE_SHARE_MAX = 0.25
/** Writers are held back from half of the reserve on; with less than this free, soon. */
const RESERVE_PEAK_SHARE = 0.8

const PROPORTIONS: readonly Rule[] = [
  advisePeak,
  adviseFragmentation,
  adviseFreePages,
  adviseProcess,
  adviseClients,
]

const SETTINGS: readonly Rule[] = [
  adviseNoLimit,
  adviseLimit,
  adviseFull,
  adviseVolatile,
  adviseReserve,
  adviseSwap,
  adviseHugePages,
  adviseOvercommit,
]

/** The report, with a line end; of the figures of now, or those given. */
export function diagnoseMemory(server: Server, figures = memoryFigures(server)): string {
  const facts: Facts = {
    ...figures,
    server,
    reserveBytes: new LiveSettings(server).reserveBytes,
    maxmemory: server.config.values.maxmemory,
  }
  const isSmall = facts.usedBytes < USED_MIN
  const rules = isSmall ? SETTINGS : [...PROPORTIONS, ...SETTINGS]
  const advice = rules.map((rule) => rule(facts)).filter((text) => text !== '')
  const blocks: string[] = []
  if (isSmall) {
    const used = humanBytes(facts.usedBytes)
    blocks.push(`Only ${used} are in use: too little to tell how memory is used.`)
  }
  if (advice.length > 0) blocks.push(advice.map((text) => `- ${text}`).join('\n'))
  else if (!isSmall) blocks.push('Nothing about memory is remarkable.')
  return `${blocks.join('\n\n')}\n`
}

/** There was much more data once. */
function advisePeak({ usedBytes, peakBytes }: Facts): string {
  if (ratioOf(peakBytes, usedBytes) <= PEAK_RATIO) return ''
  return (
    `Peak: ${humanBytes(peakBytes)} were in use once, now ${humanBytes(usedBytes)}. The process ` +
    'may be larger than its data needs. That is harmless where the data grows again; to have the ' +
    'memory back at once: MEMORY PURGE.'
  )
}

/** Pages are full of free cells. */
function adviseFragmentation({ activeBytes, allocatedBytes, server }: Facts): string {
  const waste = activeBytes - allocatedBytes
  if (ratioOf(activeBytes, allocatedBytes) <= ALLOCATOR_RATIO || waste <= WASTE_MIN) return ''
  const isOn = server.config.values.activedefrag
  const cure = isOn
    ? 'Active defragmentation is on and will bring them together.'
    : 'CONFIG SET activedefrag yes brings them together; so does a restart.'
  const percent = Math.round((waste / activeBytes) * 100)
  return (
    `Fragmentation: ${percent} % of the pages in use, ${humanBytes(waste)}, are free cells ` +
    `between others. That is what many deletes and changes of length leave. ${cure}`
  )
}

/** The system still backs pages that are free. */
function adviseFreePages({ residentBytes, activeBytes }: Facts): string {
  const waste = residentBytes - activeBytes
  if (ratioOf(residentBytes, activeBytes) <= ALLOCATOR_RATIO || waste <= WASTE_MIN) return ''
  return (
    `Free pages: ${humanBytes(waste)} are free but still with the process. They are used first, ` +
    'and given back little by little; MEMORY PURGE gives them back at once.'
  )
}

/** The process takes much more than its data, and not because of the arena. */
function adviseProcess({ rssBytes, residentBytes, usedBytes, server }: Facts): string {
  const reserve = server.persistence?.bufferBytes ?? 0
  const beyond = rssBytes - residentBytes - reserve - PROCESS_BYTES
  const isLarge = ratioOf(rssBytes, usedBytes) > TOTAL_RATIO && beyond > WASTE_MIN
  if (!isLarge) return ''
  return (
    `Process: it has ${humanBytes(rssBytes)}, of which ${humanBytes(residentBytes)} hold data ` +
    `and ${humanBytes(reserve)} are the snapshot reserve. The rest is more than code and heap ` +
    'usually take: look at the buffers of clients (CLIENT LIST), at subscriptions and tracking.'
  )
}

/** Clients that do not read, or send very large commands. */
function adviseClients({ clientBytes, server }: Facts): string {
  const { count } = server.clients
  const mean = clientBytes / Math.max(1, count)
  if (mean <= CLIENT_BYTES_MEAN) return ''
  return (
    `Clients: ${count} of them make the server hold ${humanBytes(Math.round(mean))} each, on ` +
    'average. CLIENT LIST shows who: a large omem belongs to a client that does not read what it ' +
    'asked for or subscribed to, a large qbuf to one that sends large commands. ' +
    'client-output-buffer-limit and maxmemory-clients bound it.'
  )
}

/** Data that grows without a bound. */
function adviseNoLimit({ maxmemory, systemBytes }: Facts): string {
  if (maxmemory > 0 || systemBytes === 0) return ''
  return (
    `No limit: maxmemory is 0, so the data may grow until the system ends the process, at ` +
    `${humanBytes(systemBytes)}. Set maxmemory, and maxmemory-policy if keys may be evicted.`
  )
}

/** A limit that the machine, or the container, cannot hold. */
function adviseLimit({ maxmemory, reserveBytes, systemBytes }: Facts): string {
  const needed = maxmemory + reserveBytes + PROCESS_BYTES
  if (maxmemory === 0 || systemBytes === 0 || needed <= systemBytes) return ''
  return (
    `Limit too high: maxmemory (${humanBytes(maxmemory)}), the snapshot reserve ` +
    `(${humanBytes(reserveBytes)}) and the process itself (about ${humanBytes(PROCESS_BYTES)}) ` +
    `come to more than the ${humanBytes(systemBytes)} that there are. The process would be ended ` +
    'before it reaches its limit: lower maxmemory.'
  )
}

/** Writes will be refused soon. */
function adviseFull({ maxmemory, usedBytes, server }: Facts): string {
  if (maxmemory === 0 || server.config.values.maxmemoryPolicy !== 'noeviction') return ''
  if (usedBytes < maxmemory * FULL_SHARE) return ''
  const percent = Math.round((usedBytes / maxmemory) * 100)
  return (
    `Nearly full: ${percent} % of maxmemory are in use and maxmemory-policy is noeviction, so ` +
    'writes will be refused. Raise maxmemory, remove keys, or choose a policy that evicts.'
  )
}

/** A policy that finds nothing to evict. */
function adviseVolatile({ maxmemory, keyCount, server }: Facts): string {
  const { maxmemoryPolicy } = server.config.values
  if (maxmemory === 0 || keyCount === 0 || !maxmemoryPolicy.startsWith('volatile-')) return ''
  let expiring = 0
  for (const database of server.keyspace.databases) expiring += database.expiringCount
  if (expiring > 0) return ''
  return (
    `Nothing to evict: ${maxmemoryPolicy} takes keys with a deadline only, and none has one. At ` +
    'maxmemory writes will be refused, as under noeviction. Give keys a deadline, or use an ' +
    'allkeys policy.'
  )
}

/** A reserve that saves have nearly used up, or that nothing will ever use. */
function adviseReserve({ reserveBytes, maxmemory, server }: Facts): string {
  const peak = server.persistence?.lastReservePeakBytes ?? 0
  if (peak > reserveBytes * RESERVE_PEAK_SHARE) {
    return (
      `Reserve too small: the last snapshot used ${humanBytes(peak)} of its reserve of ` +
      `${humanBytes(reserveBytes)}. With little left, writes are held back: raise ` +
      'snapshot-reserve.'
    )
  }
  if (maxmemory === 0 || reserveBytes <= maxmemory * RESERVE_SHARE_MAX) return ''
  return (
    `Reserve large: snapshot-reserve comes to ${humanBytes(reserveBytes)}, beside a maxmemory of ` +
    `${humanBytes(maxmemory)}. Snapshots copy no more than what changes faster than they read; ` +
    'snapshot-reserve auto takes 2 % of the data.'
  )
}

/** Data on a disk answers a thousand times slower. */
function adviseSwap({ server }: Facts): string {
  const status = readIfAny(server.disk, '/proc/self/status')
  const bytes = Number(/^VmSwap:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * KIB
  if (bytes === 0) return ''
  return (
    `Swap: ${humanBytes(bytes)} of the process lie on disk; commands that need them wait. The ` +
    'machine has too little memory for what runs on it: lower maxmemory, or move something away.'
  )
}

function adviseHugePages({ server }: Facts): string {
  const path = '/sys/kernel/mm/transparent_hugepage/enabled'
  if (!readIfAny(server.disk, path).includes('[always]')) return ''
  return (
    'Huge pages: the system backs memory in pieces of 2 MiB where it can, so the process may ' +
    'have more than it uses. Nothing here forks, so it costs no more than that; ' +
    `'madvise' in ${path} ends it.`
  )
}

function adviseOvercommit({ server }: Facts): string {
  if (readIfAny(server.disk, '/proc/sys/vm/overcommit_memory').trim() !== '2') return ''
  const info = readIfAny(server.disk, '/proc/meminfo')
  const bytesOf = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(info)?.[1] ?? 0) * KIB
  const left = Math.max(0, bytesOf('CommitLimit') - bytesOf('Committed_AS'))
  return (
    'Strict overcommit: vm.overcommit_memory is 2, so memory counts as soon as it is asked for, ' +
    `and ${humanBytes(left)} are left to ask for. Saving needs no fork and hence none of it, but ` +
    'data grows by 64.00M at a time. 0 or 1 let it grow as far as there is memory.'
  )
}
