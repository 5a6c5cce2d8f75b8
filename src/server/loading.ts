// Loading at the start, in slices: clients are answered with LOADING between two of them, INFO
// shows the progress, and a signal ends it. Ends with `done(null)`, or with the error because of
// which nothing of the file may be served.

import { ErrorCode, StoreError } from '../base/errors.ts'
import { AofLoader } from '../persist/aof/aof-loader.ts'
import type { RdbLoader } from '../persist/loader.ts'
import { LoadReport } from './load-report.ts'
import type { LoadProgress, Server } from './server.ts'

/** Longest slice. */
const SLICE_US = 20_000
/** Bytes between two looks at the time. */
const STEP_BYTES = 256 * 1024
const US_PER_MS = 1000
const US_PER_SECOND = 1_000_000
const STREAM_ID = /^[0-9a-f]{40}$/

export class Loading implements LoadProgress {
  readonly #server: Server
  readonly #done: (error: StoreError | null) => void
  #loader: RdbLoader | AofLoader | null = null
  readonly #report: LoadReport
  #startUs: number
  readonly startSeconds: number

  constructor(server: Server, done: (error: StoreError | null) => void) {
    this.#server = server
    this.#done = done
    this.#startUs = server.clock.monotonicUs()
    this.#report = new LoadReport(server.clock, server.log)
    this.startSeconds = Math.floor(server.clock.nowMs() / 1000)
  }

  get totalBytes(): number {
    return this.#loader?.totalBytes ?? 0
  }

  get loadedBytes(): number {
    return this.#loader?.loadedBytes ?? 0
  }

  get usedBytesAtSave(): number {
    return this.#loader?.usedBytesAtSave ?? 0
  }

  /** Seconds that the rest will take at the speed so far; at least 1. */
  get etaSeconds(): number {
    const seconds = (this.#server.clock.monotonicUs() - this.#startUs) / US_PER_SECOND
    const left = this.totalBytes - this.loadedBytes
    const bytesPerSecond = this.loadedBytes / Math.max(seconds, 1e-6)
    return Math.max(1, Math.ceil(left / Math.max(bytesPerSecond, 1)))
  }

  /** Opens the file and loads the first slice. */
  start(): void {
    const { persistence, aof, keyspace, clock } = this.#server
    this.#startUs = clock.monotonicUs()
    try {
      if (aof?.isWanted) this.#loader = aof.openLoader()
      else this.#loader = persistence?.openLoader({ mayOverwrite: false }) ?? null
    } catch (error) {
      return this.#fail(error)
    }
    if (this.#loader === null) return this.#done(null)
    keyspace.isExpiryOn = false
    this.#slice(this.#loader)
  }

  /** Loads for a while; another slice follows, after what `key-load-delay` asks for. */
  #slice(loader: RdbLoader | AofLoader): void {
    const { clock, config } = this.#server
    const { keyLoadDelay, loadingProcessEventsIntervalBytes } = config.values
    const stepBytes = Math.min(loadingProcessEventsIntervalBytes, STEP_BYTES)
    const limitUs = clock.monotonicUs() + SLICE_US
    const keysBefore = loader.keysLoaded
    try {
      while (loader.step(stepBytes)) {
        const delayUs = Math.max(keyLoadDelay, 0) * (loader.keysLoaded - keysBefore)
        if (clock.monotonicUs() + delayUs < limitUs) continue
        this.#report.tell(this, loader.keysLoaded)
        clock.after(delayUs / US_PER_MS, () => this.#slice(loader))
        return
      }
    } catch (error) {
      loader.close()
      return this.#fail(error)
    }
    try {
      this.#finish(loader)
    } catch (error) {
      return this.#fail(error)
    }
    this.#done(null)
  }

  #finish(loader: RdbLoader | AofLoader): void {
    const { persistence, aof, keyspace, clock, log } = this.#server
    keyspace.isExpiryOn = true
    if (loader instanceof AofLoader) {
      loader.close()
      keyspace.dirty = 0
      aof?.log.openAtStart(loader.baseBytes)
      return
    }
    persistence?.noteLoaded(loader)
    this.#continueStream(loader)
    const seconds = (clock.monotonicUs() - this.#startUs) / US_PER_SECOND
    const { keysLoaded, keysExpired, keysEmpty } = loader
    const empty = keysEmpty > 0 ? `, empty keys skipped: ${keysEmpty}` : ''
    log.notice(
      `Done loading RDB, keys loaded: ${keysLoaded}, keys expired: ${keysExpired}${empty}.`,
    )
    log.notice(`DB loaded from disk: ${seconds.toFixed(3)} seconds`)
  }

  /** Replicas that had all of the data go on, if they have what is here: no key has expired. */
  #continueStream({ streamId, streamOffset, keysExpired }: RdbLoader): void {
    const isKnown = STREAM_ID.test(streamId) && Number.isSafeInteger(streamOffset)
    if (!isKnown || streamOffset < 0 || keysExpired > 0) return
    this.#server.primary.continueFrom(streamId, streamOffset)
  }

  #fail(error: unknown): void {
    const { keyspace, log } = this.#server
    keyspace.isExpiryOn = true
    if (!(error instanceof StoreError)) throw error
    const loader = this.#loader
    if (loader !== null && error.code === ErrorCode.RdbCorrupt) {
      const { path, loadedBytes, totalBytes, keysLoaded } = loader
      log.warning(
        `${path}: integrity check failed by byte ${loadedBytes} of ${totalBytes}, ` +
          `after ${keysLoaded} keys`,
      )
    }
    this.#done(error)
  }
}
