// Counters of INFO stats that belong to no other class, and rates: the growth of a counter per
// second, averaged over the last 1.6 seconds.

/** Samples behind a rate, and the ms between two of them. */
const SAMPLES = 16
export const SAMPLE_INTERVAL_MS = 100

export class Statistics {
  connections = 0
  rejectedConnections = 0
  evictedClients = 0
  /** Bytes received from and sent to clients. */
  inputBytes = 0
  outputBytes = 0
  reads = 0
  writes = 0
  /** Highest `used_memory` seen. */
  peakBytes = 0
  /** Time spent in the active expire cycle, µs. */
  expireUs = 0
  readonly commandRate = new Rate()
  readonly inputRate = new Rate()
  readonly outputRate = new Rate()
  /** What replicas are sent. */
  readonly replicaRate = new Rate()

  /** CONFIG RESETSTAT. */
  reset(): void {
    this.connections = 0
    this.rejectedConnections = 0
    this.evictedClients = 0
    this.inputBytes = 0
    this.outputBytes = 0
    this.reads = 0
    this.writes = 0
    this.expireUs = 0
    this.commandRate.reset()
    this.inputRate.reset()
    this.outputRate.reset()
    this.replicaRate.reset()
  }
}

/** Growth of a counter per second, averaged over the last samples. */
export class Rate {
  readonly #samples = new Float64Array(SAMPLES)
  #next = 0
  #lastCount = 0
  #lastMs = 0

  sample(count: number, nowMs: number): void {
    const elapsed = nowMs - this.#lastMs
    if (this.#lastMs > 0 && elapsed > 0) {
      const growth = Math.max(0, count - this.#lastCount)
      this.#samples[this.#next] = (growth * 1000) / elapsed
      this.#next = (this.#next + 1) % SAMPLES
    }
    this.#lastCount = count
    this.#lastMs = nowMs
  }

  get perSecond(): number {
    let sum = 0
    for (const sample of this.#samples) sum += sample
    return sum / SAMPLES
  }

  reset(): void {
    this.#samples.fill(0)
    this.#lastCount = 0
    this.#lastMs = 0
  }
}
