// What the machine, or the control group this process runs in, has of memory. Read from the files
// of the kernel, whose absence (another system) means "not known".

import type { Disk } from './disk.ts'

/** Whole memory and what new allocations can still have, bytes; 0: not known. */
export interface MachineMemory {
  readonly totalBytes: number
  readonly availableBytes: number
}

/** A control group without a limit shows a number near 2^63. */
const NO_LIMIT = 2 ** 60
/** Limit and use, version 2 and version 1. */
const CGROUP_FILES = [
  ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current'],
  ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory/memory.usage_in_bytes'],
] as const

/** Reads the figures anew. */
export function machineMemory(disk: Disk): MachineMemory {
  const info = readIfAny(disk, '/proc/meminfo')
  let totalBytes = kibibytesOf(info, 'MemTotal') * 1024
  let availableBytes = kibibytesOf(info, 'MemAvailable') * 1024
  for (const [limitPath, usePath] of CGROUP_FILES) {
    const limit = Number(readIfAny(disk, limitPath).trim() || Number.NaN)
    if (!(limit > 0 && limit < NO_LIMIT)) continue
    const use = Number(readIfAny(disk, usePath).trim()) || 0
    totalBytes = totalBytes === 0 ? limit : Math.min(totalBytes, limit)
    availableBytes = Math.min(availableBytes, Math.max(0, limit - use))
  }
  return { totalBytes, availableBytes }
}

/** A file's text; '' when it cannot be read. */
function readIfAny(disk: Disk, path: string): string {
  try {
    return disk.readText(path)
  } catch {
    return ''
  }
}

function kibibytesOf(info: string, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(info)
  return line ? Number(line[1]) : 0
}
