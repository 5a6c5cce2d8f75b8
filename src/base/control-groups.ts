// The control groups that bound this process: where their directories are. Read anew each time,
// since a process can be moved between groups and mounts differ between hosts and containers.
//
//   /proc/self/cgroup      `0::/a/b` the group in version 2, `4:memory:/a/b` one in version 1
//   /proc/self/mountinfo   `41 31 0:38 /a /sys/fs/cgroup rw … - cgroup2 cgroup2 rw`: the groups
//                          below /a are seen below /sys/fs/cgroup
//
// In a container the path can be one of the host, of which nothing is mounted here, or begin with
// `/..`; what is mounted then is the container's own group, so the mount's root stands for it.
// Source: cgroups(7), proc(5), the kernel's admin-guide/cgroup-v1 and cgroup-v2.

import type { Disk } from './disk.ts'
import { StoreError } from './errors.ts'

/** Directories of the process's own group first, then of all its ancestors that are visible. */
export interface ControlGroups {
  /** Version 2: all controllers. */
  readonly unified: readonly string[]
  /** Version 1: the memory controller. */
  readonly memory: readonly string[]
  /** Version 1: the CPU controller. */
  readonly cpu: readonly string[]
}

/** What is mounted, and which part of the hierarchy its root shows. */
interface Mount {
  readonly root: string
  readonly point: string
  /** Version 2, else version 1. */
  readonly isUnified: boolean
  /** Controllers of version 1. */
  readonly controllers: readonly string[]
}

/** Fields of a line of mountinfo, from 0. */
const ROOT_FIELD = 3
const POINT_FIELD = 4

/** The groups of this process; without such files (another system) none. Never throws. */
export function controlGroups(disk: Disk): ControlGroups {
  const own = readIfAny(disk, '/proc/self/cgroup')
  if (own === '') return { unified: [], memory: [], cpu: [] }
  const mounts = parseMounts(readIfAny(disk, '/proc/self/mountinfo'))
  return {
    unified: chain(
      disk,
      mounts.filter((each) => each.isUnified),
      pathOf(own, ''),
    ),
    memory: chain(
      disk,
      mounts.filter((each) => each.controllers.includes('memory')),
      pathOf(own, 'memory'),
    ),
    cpu: chain(
      disk,
      mounts.filter((each) => each.controllers.includes('cpu')),
      pathOf(own, 'cpu'),
    ),
  }
}

/** A file's text; '' when it cannot be read. What is missing costs no exception. */
export function readIfAny(disk: Disk, path: string): string {
  if (!disk.exists(path)) return ''
  try {
    return disk.readText(path)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return ''
  }
}

/** The path of the group with `controller`, '' meaning version 2; null when there is none. */
function pathOf(own: string, controller: string): string | null {
  for (const line of own.split('\n')) {
    const first = line.indexOf(':')
    const second = line.indexOf(':', first + 1)
    if (first < 0 || second < 0) continue
    const controllers = line.slice(first + 1, second).split(',')
    if (controllers.includes(controller)) return line.slice(second + 1)
  }
  return null
}

function parseMounts(info: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of info.split('\n')) {
    const end = line.indexOf(' - cgroup')
    if (end < 0) continue
    const fields = line.split(' ')
    const [type, , options = ''] = line.slice(end + ' - '.length).split(' ')
    const isUnified = type === 'cgroup2'
    mounts.push({
      root: unescapePath(fields[ROOT_FIELD] ?? '/'),
      point: unescapePath(fields[POINT_FIELD] ?? '/'),
      isUnified,
      controllers: isUnified ? [] : options.split(','),
    })
  }
  return mounts
}

/** Spaces, tabs, line ends and backslashes stand in mountinfo as three octal digits. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}

/**
 * Directories from the group at `path` up to a mount's own. The first mount that shows the group
 * is taken; when none does, the first mount's own directory alone.
 */
function chain(disk: Disk, mounts: readonly Mount[], path: string | null): string[] {
  if (path === null) return []
  for (const { root, point } of mounts) {
    const below = pathBelow(root, path)
    if (below === null || !disk.exists(point + below)) continue
    const found: string[] = []
    for (let at = below; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) found.push(point + at)
    found.push(point)
    return found
  }
  return mounts.slice(0, 1).map(({ point }) => point)
}

/** `path` as seen from `root`: `/a` or deeper, '' for the root itself; null when not below it. */
function pathBelow(root: string, path: string): string | null {
  if (path.includes('/..')) return null
  const base = root === '/' ? '' : root
  const rest = path.startsWith(base) ? path.slice(base.length) : null
  if (rest === '' || rest === '/') return ''
  return rest?.startsWith('/') ? rest : null
}
