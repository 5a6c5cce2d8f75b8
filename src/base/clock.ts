// The only door to time. The engine reads the clock once per turn and passes the value on; tests
// and simulation hand in a `FakeClock`.

export interface Clock {
  /** Unix time in whole milliseconds. */
  nowMs(): number
  /** Unix time in microseconds, for TIME and the log. */
  nowUs(): number
  /** Microseconds since some start; never goes back; for durations. */
  monotonicUs(): number
  /** Calls `run` every `intervalMs` until `stop()`. Keeps no process alive by itself. */
  every(intervalMs: number, run: () => void): Timer
  /** Calls `run` once, `delayMs` from now, unless `stop()` comes first. */
  after(delayMs: number, run: () => void): Timer
  /** Calls `run` once, as soon as whatever else is due has been done. */
  soon(run: () => void): Timer
}

export interface Timer {
  stop(): void
}

/** The system's clock. */
export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now()
  }

  nowUs(): number {
    return Math.floor((performance.timeOrigin + performance.now()) * 1000)
  }

  monotonicUs(): number {
    return performance.now() * 1000
  }

  every(intervalMs: number, run: () => void): Timer {
    const handle = setInterval(run, intervalMs)
    return { stop: () => clearInterval(handle) }
  }

  after(delayMs: number, run: () => void): Timer {
    const handle = setTimeout(run, delayMs)
    return { stop: () => clearTimeout(handle) }
  }

  soon(run: () => void): Timer {
    const handle = setImmediate(run)
    return { stop: () => clearImmediate(handle) }
  }
}

const SOON_MS = 0.1

/** A clock that stands still until `advance`; timers fire inside `advance`, in order of time. */
export class FakeClock implements Clock {
  #nowMs: number
  #timers: { dueMs: number; intervalMs: number; run: () => void; stopped: boolean }[] = []
  /** What durations know of besides. */
  #skippedUs = 0
  readonly #tickUs: () => number

  /**
   * `tickUs` gives microseconds that each look at `monotonicUs` adds, so that work which goes on
   * until some time has passed comes to an end.
   */
  constructor(startMs = 1_700_000_000_000, tickUs: () => number = () => 0) {
    this.#nowMs = startMs
    this.#tickUs = tickUs
  }

  /** Lets time pass in which no timer runs, as when the machine gives the process no turn. */
  skip(us: number): void {
    this.#skippedUs += us
  }

  nowMs(): number {
    return Math.floor(this.#nowMs)
  }

  nowUs(): number {
    return Math.floor(this.#nowMs * 1000)
  }

  monotonicUs(): number {
    this.#skippedUs += this.#tickUs()
    return this.#nowMs * 1000 + this.#skippedUs
  }

  every(intervalMs: number, run: () => void): Timer {
    return this.#add(intervalMs, intervalMs, run)
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#add(delayMs, 0, run)
  }

  /** Time stands still here, so that what calls itself again and again gets a little of it. */
  soon(run: () => void): Timer {
    return this.#add(SOON_MS, 0, run)
  }

  /** Moves time on by `ms` and runs each timer that falls due on the way. */
  advance(ms: number): void {
    const limit = this.#nowMs + ms
    for (;;) {
      let next = null
      for (const timer of this.#timers) {
        if (!timer.stopped && timer.dueMs <= limit && (!next || timer.dueMs < next.dueMs)) {
          next = timer
        }
      }
      if (!next) break
      this.#nowMs = next.dueMs
      if (next.intervalMs > 0) next.dueMs += next.intervalMs
      else next.stopped = true
      next.run()
    }
    this.#nowMs = limit
    this.#timers = this.#timers.filter((timer) => !timer.stopped)
  }

  #add(delayMs: number, intervalMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, intervalMs, run, stopped: false }
    this.#timers.push(timer)
    return {
      stop: () => {
        timer.stopped = true
      },
    }
  }
}
