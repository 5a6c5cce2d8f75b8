// How many clients the system lets this process have: each needs a file descriptor. Node raises the
// soft limit to the hard one at its start, so what is missing then cannot be had.

import type { Disk } from '../base/disk.ts'

/** Descriptors for files, listeners, threads and the runtime itself. */
const RESERVED_DESCRIPTORS = 64
const LIMITS_PATH = '/proc/self/limits'

/** Clients that fit; Infinity where the limit is not known or there is none. */
export function clientsPossible(disk: Disk): number {
  let limits = ''
  try {
    limits = disk.readText(LIMITS_PATH)
  } catch {
    // Another system: what cannot be opened is then refused when it happens.
    return Infinity
  }
  const soft = /^Max open files\s+(\d+)/m.exec(limits)
  return soft === null ? Infinity : Math.max(1, Number(soft[1]) - RESERVED_DESCRIPTORS)
}
