// Eviction: removes keys by the policy until what is in use is within `maxmemory` again. Dispatch
// asks for it before each command while too much is in use, so that memory is free before it is
// taken; a timer goes on with what takes longer than one command should wait.
//
//   Done      within the limit, or nothing may be evicted now (loading, CLIENT PAUSE, MIGRATE)
//   Running   time is up, or the open cut has no room: commands go on, the timer frees more
//   Failed    nothing is left that may be evicted: what takes memory is refused (OOM)
//
// `maxmemory-eviction-tenacity` says how long one run may take: up to 10 it is 50 µs each, then
// 15 % more for each, at 100 as long as it takes. Memory of large values that are gone already is
// freed first; with `lazyfree-lazy-eviction` the timer does that, and no command waits for it.
//
// That time is for what is too much already (a limit that was lowered). What commands add to it
// they have to free: a megabyte in place of ten thousand small keys takes 20 ms, and memory would
// grow far beyond the limit otherwise (npm run soak). So a run lasts until no more is in use than
// at the end of the last one, or OVER_SHARE of the limit beyond it.
//
// While a cut is open, removing a key may copy the page it lies in. A run then takes at most an
// eighth of what is left below 0.9 of the cut's bound, so that eviction never fills it: writers,
// who are held back above half of it (write-delay.ts), wait until there is memory for them
// (`isStarved`). They are not refused, and memory does not grow beyond the limit meanwhile.
//
// Sources: Redis documentation, "Key eviction"; the behaviour of redis-server 7.0.
// Owner: the engine.

import type { Clock, Timer } from '../base/clock.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { EVICTED } from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Config } from './config.ts'
import { EvictionPicker } from './eviction-picker.ts'
import type { KeyFollowers } from './key-followers.ts'
import type { LatencyMonitor } from './latency-monitor.ts'
import type { MemoryLimit } from './memory-limit.ts'
import type { Tracking } from './tracking.ts'
import type { DelaySource, OpenCut } from './write-delay.ts'

export const Outcome = { Done: 0, Running: 1, Failed: 2 } as const
export type Outcome = (typeof Outcome)[keyof typeof Outcome]

/** Sees a key that is evicted, just before it goes. Must not change the keyspace. */
export type EvictHook = (database: Database, key: Slice) => void

/** What of the server eviction works with. */
export interface EvictionHost {
  readonly keyspace: Keyspace
  readonly memory: MemoryLimit
  readonly config: Config
  readonly clock: Clock
  readonly latency: LatencyMonitor
  readonly followers: KeyFollowers
  readonly tracking: Tracking
  readonly writeDelay: { readonly source: DelaySource }
  readonly propagation: { endRemovals(): void }
  readonly isLoading: boolean
  /** Commands with any of these flags are paused; 0: none are. */
  readonly pausedFlags: number
}

const US_PER_MS = 1000
/** Tenacity: µs for each step of the linear part, its end, and the growth of each step after it. */
const LINEAR_STEP_US = 50
const LINEAR_STEPS = 10
const STEP_GROWTH = 1.15
const TENACITY_MAX = 100
/** What may be in use beyond the limit between two runs, and how long one may last to get there. */
const OVER_SHARE = 1 / 64
const OVER_BYTES_MIN = 256 * 1024
const RUN_US_MAX = 50_000
/** From one run of the timer to the next. */
const CONTINUE_MS = 1
/** Share of a cut's bound beyond which nothing is evicted, and of what is below it, for one run. */
const CUT_SHARE = 0.9
const CUT_RUN_SHARE = 1 / 8

export class Eviction {
  /** Where evicted keys are told to the append only file and to replicas. */
  onEvict: EvictHook | null = null
  evictedKeys = 0
  readonly #server: EvictionHost
  readonly #picker: EvictionPicker
  readonly #key = scratchSlice()
  #timer: Timer | null = null
  #isStopped = false
  /** The timer runs, not a command. */
  #isInBackground = false
  #isStarved = false
  /** The limit at the last run, and what was in use beyond it then; Infinity: not comparable. */
  #limitBytes = Infinity
  #overBytes = Infinity
  /** Since when too much is in use, monotonic; 0: it is not. And the time of earlier such spans. */
  #exceededSinceUs = 0
  #exceededUs = 0

  constructor(server: EvictionHost) {
    this.#server = server
    this.#picker = new EvictionPicker(server.keyspace)
  }

  /** Whether memory cannot be freed until the open cut has room again. */
  get isStarved(): boolean {
    return this.#isStarved && this.#server.memory.isOver
  }

  /** Time in which too much was in use, in ms: the span that lasts, and all together. */
  get exceededMs(): { readonly current: number; readonly total: number } {
    if (!this.#server.memory.isOver) this.#noteWithin()
    const since = this.#exceededSinceUs
    const currentUs = since === 0 ? 0 : this.#server.clock.monotonicUs() - since
    return {
      current: Math.floor(currentUs / US_PER_MS),
      total: Math.floor((this.#exceededUs + currentUs) / US_PER_MS),
    }
  }

  /** CONFIG RESETSTAT. */
  resetStatistics(): void {
    this.evictedKeys = 0
    this.#exceededUs = 0
    if (this.#exceededSinceUs > 0) this.#exceededSinceUs = this.#server.clock.monotonicUs()
  }

  /** Takes policy and samples from the configuration. */
  configure(): void {
    const { values } = this.#server.config
    this.#picker.configure(values.maxmemoryPolicy, values.maxmemorySamples)
  }

  /**
   * Frees what is in use beyond the limit, as far as a command should wait for that which came at
   * `startUs`, monotonic.
   */
  perform(startUs: number): Outcome {
    const { memory, clock, latency } = this.#server
    if (!this.#mayEvict()) {
      this.#overBytes = Infinity
      return Outcome.Done
    }
    memory.refresh(startUs)
    if (memory.limitBytes !== this.#limitBytes) this.#overBytes = Infinity
    this.#limitBytes = memory.limitBytes
    const outcome = this.#free(startUs)
    const mayCompare = outcome !== Outcome.Failed && !this.#isStarved
    this.#overBytes = mayCompare ? Math.min(this.#overBytes, memory.overBytes) : Infinity
    this.#server.propagation.endRemovals()
    if (latency.isOn) latency.add('eviction-cycle', (clock.monotonicUs() - startUs) / US_PER_MS)
    if (outcome === Outcome.Done) this.#noteWithin()
    else if (this.#exceededSinceUs === 0) this.#exceededSinceUs = startUs
    if (outcome === Outcome.Running) this.#arm()
    return outcome
  }

  /** Begins to free memory if too much is in use though nobody sends commands. */
  look(): void {
    if (!this.#server.memory.look()) this.#noteWithin()
    else if (this.#picker.isOn) this.#arm()
  }

  /** The server has ended. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.stop()
    this.#timer = null
  }

  /** Whether keys may go now: not while loading, and not while nothing may change. */
  #mayEvict(): boolean {
    return !this.#server.isLoading && this.#server.pausedFlags === 0
  }

  #free(startUs: number): Outcome {
    const { keyspace, memory, clock, config, writeDelay } = this.#server
    const limitUs = startUs + durationUsOf(config.values.maxmemoryEvictionTenacity)
    const isLazy = config.values.lazyfreeLazyEviction && !this.#isInBackground
    const cut = writeDelay.source.openCut
    const chargeLimit = cut === null ? Infinity : cut.chargedPages + chargeOf(cut)
    this.#isStarved = false
    while (memory.isOver) {
      if (cut !== null && cut.chargedPages >= chargeLimit) {
        this.#isStarved = true
        return Outcome.Running
      }
      if (keyspace.lazyFreePending > 0) {
        if (isLazy && !this.#mustGoOn(startUs)) return Outcome.Running
        this.#reclaim()
      } else if (this.#picker.pick()) this.#evict()
      else return Outcome.Failed
      // The time is looked at only if one key was not enough.
      if (!memory.isOver || clock.monotonicUs() < limitUs) continue
      if (!this.#mustGoOn(startUs)) return Outcome.Running
    }
    return Outcome.Done
  }

  /** Whether a command has to free more, since more is in use than before, though time is up. */
  #mustGoOn(startUs: number): boolean {
    const { memory, clock } = this.#server
    if (this.#isInBackground || clock.monotonicUs() - startUs >= RUN_US_MAX) return false
    const over = Math.max(this.#overBytes, OVER_BYTES_MIN, memory.limitBytes * OVER_SHARE)
    return memory.overBytes > over
  }

  /** Removes the key that was picked. */
  #evict(): void {
    const { followers, latency, clock, keyspace, config } = this.#server
    const { database, record } = this.#picker
    const key = database.readKey(record, this.#key)
    if (this.onEvict !== null) this.onEvict(database, key)
    followers.noteRemoval(EVICTED, database, key)
    this.evictedKeys++
    const wasLazy = keyspace.lazyFree.enter(config.values.lazyfreeLazyEviction)
    const startUs = latency.isOn ? clock.monotonicUs() : 0
    database.remove(record)
    if (latency.isOn) latency.add('eviction-del', (clock.monotonicUs() - startUs) / US_PER_MS)
    keyspace.lazyFree.enter(wasLazy)
  }

  /** Frees some memory of values that are gone. */
  #reclaim(): void {
    const { keyspace, latency, clock } = this.#server
    const startUs = latency.isOn ? clock.monotonicUs() : 0
    keyspace.reclaimStep()
    if (latency.isOn) latency.add('eviction-lazyfree', (clock.monotonicUs() - startUs) / US_PER_MS)
  }

  #arm(): void {
    if (this.#timer !== null || this.#isStopped) return
    this.#timer = this.#server.clock.after(CONTINUE_MS, () => this.#continue())
  }

  #continue(): void {
    const { keyspace, clock, tracking, memory } = this.#server
    this.#timer = null
    if (!memory.look()) return this.#noteWithin()
    keyspace.advance(clock.nowMs())
    this.#isInBackground = true
    this.perform(clock.monotonicUs())
    this.#isInBackground = false
    if (tracking.hasBroadcasts) tracking.broadcast()
  }

  #noteWithin(): void {
    if (this.#exceededSinceUs === 0) return
    this.#exceededUs += this.#server.clock.monotonicUs() - this.#exceededSinceUs
    this.#exceededSinceUs = 0
  }
}

/** How long one run may take, in µs. */
export function durationUsOf(tenacity: number): number {
  if (tenacity >= TENACITY_MAX) return Infinity
  if (tenacity <= LINEAR_STEPS) return LINEAR_STEP_US * tenacity
  return LINEAR_STEP_US * LINEAR_STEPS * STEP_GROWTH ** (tenacity - LINEAR_STEPS)
}

/** Pages of the cut's bound that one run may take. */
function chargeOf(cut: OpenCut): number {
  const left = cut.boundPages * CUT_SHARE - cut.usedPages
  return left > 0 ? Math.max(1, left * CUT_RUN_SHARE) : 0
}
