// The 24 clock bits of a record: when it was last used (LRU) or how often (LFU), by the policy.
//
//   LRU  seconds, modulo 2^24, of the last access
//   LFU  | minutes of the last decay, modulo 2^16 | logarithmic counter, 8 bits |
//
// The counter grows with probability 1 / (counter × log factor + 1) and falls by one each decay
// time, as Redis documents for its LFU policies. New keys start at 5, so that they are not the
// first to go. Clock bits are outside the touch rule: no snapshot reads them.

import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'

const LRU_MASK = 0xffffff
const LFU_COUNTER_MAX = 255
const LFU_COUNTER_NEW = 5
const MINUTES_MASK = 0xffff

export class AccessClock {
  /** LFU policies count, all others remember the time. */
  isLfu = false
  lfuLogFactor = 10
  lfuDecayMinutes = 1
  #seconds = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** Sets the time; called once per turn of the loop. */
  advance(nowMs: number): void {
    assert(nowMs >= 0, 'time is after 1970')
    this.#seconds = Math.floor(nowMs / 1000)
  }

  /** Clock bits of a new record. */
  fresh(): number {
    if (!this.isLfu) return this.#seconds & LRU_MASK
    return (this.#minutes() << 8) | LFU_COUNTER_NEW
  }

  /** Clock bits after an access. */
  accessed(clock: number): number {
    if (!this.isLfu) return this.#seconds & LRU_MASK
    const counter = this.frequency(clock)
    return (this.#minutes() << 8) | this.#incremented(counter)
  }

  /** Seconds since the last access. LRU only. */
  idleSeconds(clock: number): number {
    return ((this.#seconds & LRU_MASK) - clock) & LRU_MASK
  }

  /** Unix seconds of the last access, which stay the same until the next one. LRU only. */
  usedSeconds(clock: number): number {
    return this.#seconds - this.idleSeconds(clock)
  }

  /** The counter after decay, 0 to 255. LFU only. */
  frequency(clock: number): number {
    const counter = clock & LFU_COUNTER_MAX
    if (this.lfuDecayMinutes === 0) return counter
    const elapsed = (this.#minutes() - (clock >>> 8)) & MINUTES_MASK
    return Math.max(0, counter - Math.floor(elapsed / this.lfuDecayMinutes))
  }

  /** Clock bits that say "last used `seconds` ago". */
  ofIdle(seconds: number): number {
    assert(seconds >= 0, 'nobody was used in the future')
    return (this.#seconds - seconds) & LRU_MASK
  }

  /** Clock bits with a given counter. */
  ofFrequency(counter: number): number {
    assert(counter >= 0 && counter <= LFU_COUNTER_MAX, 'a counter is a byte')
    return (this.#minutes() << 8) | counter
  }

  #minutes(): number {
    return Math.floor(this.#seconds / 60) & MINUTES_MASK
  }

  #incremented(counter: number): number {
    if (counter >= LFU_COUNTER_MAX) return LFU_COUNTER_MAX
    const base = Math.max(0, counter - LFU_COUNTER_NEW)
    const chance = 1 / (base * this.lfuLogFactor + 1)
    return this.#random.float() < chance ? counter + 1 : counter
  }
}
