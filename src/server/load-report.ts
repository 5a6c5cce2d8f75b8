// What the log tells of a load that takes long: every few seconds how far it has come, and how long
// it will still take. A short load leaves no such line. It asks for nothing but figures, so that
// whatever is loaded may be told of.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { LoadProgress } from './server.ts'

const INTERVAL_US = 5_000_000
const MIB = 1024 * 1024

export class LoadReport {
  readonly #clock: Clock
  readonly #log: Log
  #nextUs: number

  /** Begins with the load. */
  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
    this.#nextUs = clock.monotonicUs() + INTERVAL_US
  }

  /** Writes a line, if it is time; to be called between two slices. */
  tell({ totalBytes, loadedBytes, etaSeconds }: LoadProgress, keys: number): void {
    const nowUs = this.#clock.monotonicUs()
    if (nowUs < this.#nextUs) return
    this.#nextUs = nowUs + INTERVAL_US
    const percent = totalBytes === 0 ? 0 : Math.floor((loadedBytes / totalBytes) * 100)
    const amount = `${Math.floor(loadedBytes / MIB)} of ${Math.ceil(totalBytes / MIB)} MiB`
    this.#log.notice(
      `Loading: ${percent}% (${amount}), ${keys} keys so far, about ${etaSeconds} s left`,
    )
  }
}
