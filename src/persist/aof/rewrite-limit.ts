// How soon a rewrite may follow those that have failed. Redis's rule: after three failures in a row
// automatic ones wait a minute, then two, four, … up to an hour; one that succeeds, or that is
// ordered by a client, ends it.

import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'

const FAILURES_FREE = 3
const MINUTES_MAX = 60
const MS_PER_MINUTE = 60_000

export class RewriteLimit {
  /** Rewrites that have failed since the last that did not. */
  failures = 0
  readonly #clock: Clock
  readonly #log: Log
  #minutes = 0
  /** When the next may begin, unix ms; 0: not decided since the last one. */
  #dueMs = 0

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Whether a rewrite that nobody ordered has to wait. Asked when one is due. */
  holds(): boolean {
    if (this.failures < FAILURES_FREE) {
      this.#minutes = 0
      this.#dueMs = 0
      return false
    }
    const nowMs = this.#clock.nowMs()
    if (this.#dueMs !== 0) {
      if (nowMs < this.#dueMs) return true
      this.#dueMs = 0
      return false
    }
    this.#minutes = Math.min(Math.max(1, 2 * this.#minutes), MINUTES_MAX)
    this.#dueMs = nowMs + this.#minutes * MS_PER_MINUTE
    this.#log.warning(
      'Background AOF rewrite has repeatedly failed and triggered the limit, will retry in ' +
        `${this.#minutes} minutes`,
    )
    return true
  }
}
