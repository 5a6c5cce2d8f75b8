// What this process can have of the machine: memory and cores, bounded by the control groups it is
// in (own group and all ancestors, versions 1 and 2) and by its CPU affinity. Read from files of
// the kernel; their absence (another system) means "not known". Reading takes well under a
// millisecond and never throws, so that the engine may ask once a second while it saves.
//
// Limits of a group bound what the group as a whole uses, other processes and page cache included.
// Inactive file pages are given back without effort when memory is short, so they count as
// available; active ones do not, since taking them away slows down whoever uses them.
//
// `total…` fields of version 1 are those that include the groups below, as version 2 always does.

import type { ControlGroups } from './control-groups.ts'
import { controlGroups, readIfAny } from './control-groups.ts'
import type { Disk } from './disk.ts'

/** Bytes; 0: not known. Memory that is all in use shows as 1. */
export interface MachineMemory {
  /** What there is: the machine's, or the smallest limit of a control group. */
  readonly totalBytes: number
  /** What new allocations can still have. */
  readonly availableBytes: number
  /** The part of it that is had before the kernel slows the process down (`memory.high`). */
  readonly unthrottledBytes: number
}

/** Names of one version's files and of the field in memory.stat. */
interface MemoryFiles {
  readonly limit: string
  /** Soft limit above which the kernel throttles; '' when the version has none. */
  readonly high: string
  readonly use: string
  readonly inactive: RegExp
}

const UNIFIED_FILES: MemoryFiles = {
  limit: '/memory.max',
  high: '/memory.high',
  use: '/memory.current',
  inactive: /^inactive_file (\d+)$/m,
}
const LEGACY_FILES: MemoryFiles = {
  limit: '/memory.limit_in_bytes',
  high: '',
  use: '/memory.usage_in_bytes',
  inactive: /^total_inactive_file (\d+)$/m,
}
/** Version 1 shows a number near 2^63 where there is no limit, version 2 the word `max`. */
const NO_LIMIT = 2 ** 60

/** Reads the figures anew. */
export function machineMemory(disk: Disk): MachineMemory {
  const info = readIfAny(disk, '/proc/meminfo')
  const memory = {
    totalBytes: kibibytesOf(info, 'MemTotal') * 1024,
    availableBytes: kibibytesOf(info, 'MemAvailable') * 1024,
    unthrottledBytes: 0,
  }
  memory.unthrottledBytes = memory.availableBytes
  const groups = controlGroups(disk)
  for (const group of groups.unified) boundMemory(disk, memory, group, UNIFIED_FILES)
  for (const group of groups.memory) boundMemory(disk, memory, group, LEGACY_FILES)
  return memory
}

/**
 * Cores that this process can keep busy, in fractions where a quota says so; 0: not known. The
 * least of its affinity (which a cpuset bounds as well) and the quotas of its groups.
 */
export function machineCores(disk: Disk): number {
  const groups = controlGroups(disk)
  let cores = allowedCores(readIfAny(disk, '/proc/self/status'))
  for (const quota of quotas(disk, groups)) {
    cores = cores === 0 ? quota : Math.min(cores, quota)
  }
  return cores
}

/** Lowers the figures to what one group leaves. */
function boundMemory(
  disk: Disk,
  memory: { -readonly [K in keyof MachineMemory]: number },
  group: string,
  files: MemoryFiles,
): void {
  const limit = limitIn(disk, group + files.limit)
  const high = files.high === '' ? NO_LIMIT : limitIn(disk, group + files.high)
  if (limit === NO_LIMIT && high === NO_LIMIT) return
  const use = Number(readIfAny(disk, group + files.use)) || 0
  const inactive = files.inactive.exec(readIfAny(disk, `${group}/memory.stat`))
  const kept = Math.max(0, use - Number(inactive?.[1] ?? 0))
  if (limit < NO_LIMIT) {
    memory.totalBytes = least(memory.totalBytes, limit)
    memory.availableBytes = least(memory.availableBytes, limit - kept)
  }
  memory.unthrottledBytes = least(memory.unthrottledBytes, Math.min(limit, high) - kept)
}

/** The smaller one, at least 1, as 0 means that nothing is known. */
function least(known: number, bound: number): number {
  const positive = Math.max(1, bound)
  return known === 0 ? positive : Math.min(known, positive)
}

/** The limit in a file; NO_LIMIT when there is none. */
function limitIn(disk: Disk, path: string): number {
  const text = readIfAny(disk, path).trim()
  const limit = text === '' ? Number.NaN : Number(text)
  return limit >= 0 && limit < NO_LIMIT ? limit : NO_LIMIT
}

/** Cores in each quota that the groups set. */
function quotas(disk: Disk, groups: ControlGroups): number[] {
  const found: number[] = []
  for (const group of groups.unified) {
    const [quota, period] = readIfAny(disk, `${group}/cpu.max`).trim().split(' ')
    found.push(Number(quota) / Number(period))
  }
  for (const group of groups.cpu) {
    const quota = readIfAny(disk, `${group}/cpu.cfs_quota_us`)
    const period = readIfAny(disk, `${group}/cpu.cfs_period_us`)
    found.push(Number(quota) / Number(period))
  }
  // `max` gives NaN, -1 something negative: no quota.
  return found.filter((cores) => cores > 0 && cores < Number.POSITIVE_INFINITY)
}

/** Count of `Cpus_allowed_list: 0-3,8`; 0 when the line is missing. */
function allowedCores(status: string): number {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(status)?.[1] ?? ''
  let count = 0
  for (const part of list.split(',')) {
    if (part === '') continue
    const [first, last = first] = part.split('-')
    count += Math.max(0, Number(last) - Number(first) + 1)
  }
  return count
}

function kibibytesOf(info: string, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(info)
  return line ? Number(line[1]) : 0
}
