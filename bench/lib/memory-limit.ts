// A control group of our own with a memory limit, v1 or v2, whichever the machine has. Needs root:
// `memoryGroups` says why where it is not to be had.
//
// The server is started inside of the group (`launcher`), because what a process has touched before
// it moves stays charged to the group that it leaves. Page cache of files that it writes counts as
// well; the kernel takes it back when the limit is reached, so `chargedBytes` leaves it out.
// The group has no swap, where the kernel lets us say so.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { sleep } from './time.ts'

const V1_ROOT = '/sys/fs/cgroup/memory'
const V2_ROOT = '/sys/fs/cgroup'
const PREFIX = 'tidemark-bench-'
const REMOVE_TRIES = 50
const REMOVE_PAUSE_MS = 20

export interface MemoryGroups {
  readonly version: 1 | 2
  /** Where groups of our own may be made. */
  readonly parent: string
}

/** Where groups can be made, or why they cannot. */
export function memoryGroups(): MemoryGroups | string {
  if (process.getuid?.() !== 0) return 'control groups need root'
  if (existsSync(join(V1_ROOT, 'memory.limit_in_bytes'))) {
    const own = join(V1_ROOT, ownPath(/^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m))
    return checked({ version: 1, parent: existsSync(own) ? own : V1_ROOT })
  }
  const controllers = readOrEmpty(join(V2_ROOT, 'cgroup.controllers'))
  if (!controllers.split(/\s+/).includes('memory')) return 'no memory controller of control groups'
  return checked({ version: 2, parent: V2_ROOT })
}

export class MemoryGroup {
  static #made = 0
  readonly #groups: MemoryGroups
  readonly #path: string

  constructor(groups: MemoryGroups) {
    removeStale(groups.parent)
    this.#groups = groups
    this.#path = join(groups.parent, `${PREFIX}${process.pid}-${MemoryGroup.#made++}`)
    mkdirSync(this.#path)
    if (groups.version === 2) {
      tryWrite(join(groups.parent, 'cgroup.subtree_control'), '+memory')
      if (!existsSync(this.#file('memory.max'))) {
        rmdirSync(this.#path)
        throw new Error('control groups: the memory controller cannot be enabled')
      }
    }
    tryWrite(this.#file(groups.version === 1 ? 'memory.swappiness' : 'memory.swap.max'), '0')
  }

  /** Words that put a program into the group, before its own. */
  get launcher(): readonly string[] {
    return ['sh', '-c', `echo $$ > '${this.#file('cgroup.procs')}' && exec "$@"`, 'sh']
  }

  /** What the group's processes need: all that is charged but page cache. */
  get chargedBytes(): number {
    const isV1 = this.#groups.version === 1
    const stat = readOrEmpty(this.#file('memory.stat'))
    const cache = new RegExp(`^${isV1 ? 'total_cache' : 'file'} (\\d+)$`, 'm').exec(stat)
    return this.#number(isV1 ? 'memory.usage_in_bytes' : 'memory.current') - Number(cache?.[1] ?? 0)
  }

  /** The most there has been in the group, page cache included. */
  get peakBytes(): number {
    return this.#number(this.#groups.version === 1 ? 'memory.max_usage_in_bytes' : 'memory.peak')
  }

  /** From now on the group has no more than this, page cache included. */
  limit(bytes: number): void {
    const text = String(Math.round(bytes))
    if (this.#groups.version === 2) return writeFileSync(this.#file('memory.max'), text)
    writeFileSync(this.#file('memory.limit_in_bytes'), text)
    // Memory and swap together; missing where the kernel does not account swap.
    tryWrite(this.#file('memory.memsw.limit_in_bytes'), text)
  }

  /** Removes the group, whose processes must have ended. */
  async remove(): Promise<void> {
    for (let i = 0; i < REMOVE_TRIES; i++) {
      try {
        return rmdirSync(this.#path)
      } catch {
        await sleep(REMOVE_PAUSE_MS)
      }
    }
    throw new Error(`${this.#path}: not empty`)
  }

  #number(file: string): number {
    return Number(readOrEmpty(this.#file(file)).trim())
  }

  #file(name: string): string {
    return join(this.#path, name)
  }
}

/** Removes the groups of runs that were stopped before they could. */
function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-')[0]! : ''
    if (pid === '' || existsSync(join('/proc', pid))) continue
    try {
      rmdirSync(join(parent, name))
    } catch {
      // Something still runs in it.
    }
  }
}

function checked(groups: MemoryGroups): MemoryGroups | string {
  try {
    accessSync(groups.parent, constants.W_OK)
    return groups
  } catch {
    return `${groups.parent} cannot be written`
  }
}

/** Our own group, by /proc/self/cgroup. */
function ownPath(pattern: RegExp): string {
  return pattern.exec(readOrEmpty('/proc/self/cgroup'))?.[1] ?? '/'
}

function tryWrite(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch {
    // The kernel has no such file, or does not let us: the caller can do without.
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
