// Every process that a benchmark starts and every directory it makes is listed here, so that none
// outlives it: processes are killed and directories removed when this process exits, whether it
// ends, throws, or is told to stop. Only SIGKILL escapes, and then the helpers end by themselves,
// because their standard input closes.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const running = new Set<ChildProcess>()
const directories = new Set<string>()
let isWatching = false

/** Starts a process that is killed at the latest when this one exits. */
export function spawnChild(
  command: string,
  words: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  if (!isWatching) watchExit()
  const child = spawn(command, words, options)
  running.add(child)
  child.once('exit', () => running.delete(child))
  child.once('error', () => running.delete(child))
  return child
}

/** Makes a fresh directory under `parent`, removed at the latest when this process exits. */
export function makeDirectory(parent: string): string {
  if (!isWatching) watchExit()
  const path = mkdtempSync(join(parent, 'tidemark-bench-'))
  directories.add(path)
  return path
}

/** Removes a directory that `makeDirectory` made, with all that is in it. Idempotent. */
export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true })
  directories.delete(path)
}

/** Resolves with the exit code (or the signal's name) of a child, also if it has ended already. */
export function exitOf(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode)
  if (child.signalCode !== null) return Promise.resolve(child.signalCode)
  return new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
    child.once('error', reject)
  })
}

function watchExit(): void {
  isWatching = true
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL')
    for (const path of directories) rmSync(path, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(1))
  }
}
