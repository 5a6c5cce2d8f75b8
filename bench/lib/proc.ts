// What the kernel says about a process: CPU time, resident memory, proportional memory of a process
// tree. Linux only; every reader gives zero or an empty list for a process that has gone, because a
// forked child may end between listing and reading.
//
// - CPU is utime + stime of /proc/PID/stat. The kernel scales the two so that their sum is the run
//   time it accounted in nanoseconds, so the error is one tick (10 ms) and not one tick per switch.
// - PSS counts a page shared by n processes as 1/n in each. Summed over parent and forked child it
//   is the memory that the two really occupy, which RSS overstates. Reading it walks the page
//   tables (measured on a 2-core cloud machine: 9 ms for 750 MB of small pages).

import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks per second in /proc; fixed to 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** CPU seconds (user and system) of a process tree, with those of children already waited for. */
export function cpuSeconds(root: number): number {
  let ticks = 0
  for (const pid of processTree(root)) {
    const fields = statFields(pid)
    // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), two less after the command.
    for (let i = 11; i <= 14; i++) ticks += Number(fields[i] ?? 0)
  }
  return ticks / TICKS_PER_SECOND
}

/** Resident bytes of one process. */
export function rssBytes(pid: number): number {
  return Number(statFields(pid)[21] ?? 0) * PAGE_BYTES
}

/** Resident bytes summed over a process tree. */
export function rssTreeBytes(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + rssBytes(pid), 0)
}

/** Proportional set size in bytes, summed over a process tree. */
export function pssTreeBytes(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + pssBytes(pid), 0)
}

/** The process and all its live descendants, parents first. */
export function processTree(root: number): number[] {
  const found = [root]
  for (let i = 0; i < found.length; i++) found.push(...children(found[i]!))
  return found
}

/** CPU time of the whole machine so far, in ticks: all, unused, and kept by the hypervisor. */
export function machineTicks(): { total: number; idle: number; stolen: number } {
  const line = readOrEmpty('/proc/stat').split('\n')[0] ?? ''
  // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user already.
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const total = fields.reduce((sum, ticks) => sum + ticks, 0)
  return { total, idle: (fields[3] ?? 0) + (fields[4] ?? 0), stolen: fields[7] ?? 0 }
}

function children(pid: number): number[] {
  const found: number[] = []
  for (const task of listOrEmpty(`/proc/${pid}/task`)) {
    const text = readOrEmpty(`/proc/${pid}/task/${task}/children`).trim()
    if (text !== '') found.push(...text.split(' ').map(Number))
  }
  return found
}

function pssBytes(pid: number): number {
  const match = /^Pss:\s+(\d+) kB/m.exec(readOrEmpty(`/proc/${pid}/smaps_rollup`))
  return match ? Number(match[1]) * 1024 : 0
}

/** Fields of /proc/PID/stat after the command name, which may itself hold spaces. */
function statFields(pid: number): string[] {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  return text
    .slice(text.lastIndexOf(')') + 2)
    .trim()
    .split(' ')
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function listOrEmpty(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
