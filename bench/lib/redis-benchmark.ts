// Redis's own load generator, where it is installed: numbers that others can repeat without ours.
// Its random keys have the form of ours (requests.ts), so it finds the keys that we have written.
// Its resolution is a millisecond: runs below that report an infinite rate and count as failed.

import { execFile, execFileSync } from 'node:child_process'

export interface RedisBenchmarkRun {
  readonly port: number
  readonly test: 'get' | 'set'
  readonly requests: number
  /** Random keys lie below this. */
  readonly keys: number
  readonly valueBytes: number
  readonly pipeline: number
}

export const CLIENTS = 50
const RUN_LIMIT_MS = 300_000

/** Whether the program is there. */
export function hasRedisBenchmark(): boolean {
  try {
    execFileSync('redis-benchmark', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Runs it to its end and gives the requests per second that it reports. */
export function runRedisBenchmark(run: RedisBenchmarkRun): Promise<number> {
  const words = ['-h', '127.0.0.1', '-p', String(run.port), '-c', String(CLIENTS)]
  words.push('-t', run.test, '-n', String(run.requests), '-r', String(run.keys))
  words.push('-d', String(run.valueBytes), '-P', String(run.pipeline), '--csv')
  return new Promise((resolve, reject) => {
    execFile('redis-benchmark', words, { timeout: RUN_LIMIT_MS }, (error, stdout, stderr) => {
      const found = new RegExp(`^"${run.test}","([0-9.]+)"`, 'im').exec(stdout)
      if (error) reject(error)
      else if (!found) reject(new Error(`redis-benchmark: no rate in ${stdout}${stderr}`))
      else resolve(Number(found[1]))
    })
  })
}
