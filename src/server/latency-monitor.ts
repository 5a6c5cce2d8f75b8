// The latency monitor: what took at least `latency-monitor-threshold` ms, by name of the event, as
// time series of the last samples. LATENCY (latency-commands.ts) shows them.
//
//   event                   what took so long
//   command, fast-command   a command; those with the flag `fast`
//   expire-cycle            one slice of active expiry
//   expire-del              removing one key because its deadline passed
//   eviction-cycle, -del    freeing memory for a command; removing one key for that
//   eviction-lazyfree       a step of freeing values that are gone already, for the same reason
//   snapshot-cut            freezing the keyspace at the start of a save; here nothing forks
//   snapshot-wait           inside of a command, waiting until the scanner had taken a page
//   snapshot-write-delay    holding a writing command back before it began, because of a save
//
// Samples of the same second are one, with the longest duration: a storm of events fills a second,
// not the series. While the monitor is off callers see `isOn` or a threshold of Infinity and
// measure nothing. Memory: SAMPLES_MAX samples for each event that ever happened, EVENTS_MAX
// events.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { Flag } from '../command/command.ts'

export interface LatencySample {
  readonly unixSeconds: number
  readonly durationMs: number
}

/** Samples of an event that are kept. */
export const SAMPLES_MAX = 160
/** Names come from the server's code, so there are few; more would be a mistake. */
const EVENTS_MAX = 64
const MS_PER_SECOND = 1000

/** The event of a command with these flags. */
export function commandEvent(flags: number): string {
  return (flags & Flag.Fast) !== 0 ? 'fast-command' : 'command'
}

/** The last samples of one event. */
export class LatencySeries {
  /** The longest duration since the start or the last reset. */
  maxMs = 0
  readonly #seconds = new Float64Array(SAMPLES_MAX)
  readonly #durations = new Float64Array(SAMPLES_MAX)
  /** Where the next sample goes. */
  #next = 0
  #count = 0

  /** Samples that are kept. */
  get count(): number {
    return this.#count
  }

  /** Adds a sample; within the second of the last one the longer of both stays. */
  add(unixSeconds: number, durationMs: number): void {
    if (durationMs > this.maxMs) this.maxMs = durationMs
    const last = (this.#next + SAMPLES_MAX - 1) % SAMPLES_MAX
    if (this.#count > 0 && this.#seconds[last] === unixSeconds) {
      if (durationMs > this.#durations[last]!) this.#durations[last] = durationMs
      return
    }
    this.#seconds[this.#next] = unixSeconds
    this.#durations[this.#next] = durationMs
    this.#next = (this.#next + 1) % SAMPLES_MAX
    if (this.#count < SAMPLES_MAX) this.#count++
  }

  /** The sample at `index`, 0 being the oldest. */
  at(index: number): LatencySample {
    assert(index >= 0 && index < this.#count, 'the sample is kept')
    const place = (this.#next - this.#count + index + SAMPLES_MAX) % SAMPLES_MAX
    return { unixSeconds: this.#seconds[place]!, durationMs: this.#durations[place]! }
  }

  /** All samples, oldest first. */
  samples(): LatencySample[] {
    return Array.from({ length: this.#count }, (_, i) => this.at(i))
  }
}

export class LatencyMonitor {
  readonly #nowMs: () => number
  readonly #events = new Map<string, LatencySeries>()
  #thresholdMs = Infinity

  /** A monitor that is off. `nowMs` is the unix clock. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Whether anything is to be measured. */
  get isOn(): boolean {
    return this.#thresholdMs !== Infinity
  }

  /** Events of which anything is kept. */
  get count(): number {
    return this.#events.size
  }

  /** Durations from which events are kept; Infinity while off. */
  get thresholdMs(): number {
    return this.#thresholdMs
  }

  /** `thresholdMs` as the parameter has it: 0 is off. What was kept stays. */
  setThreshold(thresholdMs: number): void {
    assert(thresholdMs >= 0, 'a threshold is not negative')
    this.#thresholdMs = thresholdMs === 0 ? Infinity : thresholdMs
  }

  /** Keeps an event of whole ms, cut, if it took as long as the threshold; else does nothing. */
  add(event: string, durationMs: number): void {
    if (durationMs < this.#thresholdMs) return
    let series = this.#events.get(event)
    if (series === undefined) {
      assert(this.#events.size < EVENTS_MAX, 'events have few names')
      series = new LatencySeries()
      this.#events.set(event, series)
    }
    series.add(Math.floor(this.#nowMs() / MS_PER_SECOND), Math.floor(durationMs))
  }

  /** Names and series, in the order in which they began. */
  events(): IterableIterator<[event: string, series: LatencySeries]> {
    return this.#events.entries()
  }

  /** Undefined when nothing of that name was kept. */
  find(event: string): LatencySeries | undefined {
    return this.#events.get(event)
  }

  /** Forgets one event; false when there was none. */
  reset(event: string): boolean {
    return this.#events.delete(event)
  }

  /** Forgets all events and returns how many there were. */
  resetAll(): number {
    const count = this.#events.size
    this.#events.clear()
    return count
  }
}
