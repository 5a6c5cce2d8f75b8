// Recurring work, `hz` times a second: requests of the main thread, expired keys, memory to free,
// idle and slow clients, save points, rates. Each part is bounded, so that a run stays far below a
// millisecond whatever the size of the data; long work (expiry of millions) goes on in further
// slices, which leave most of the time to clients.

import type { Timer } from '../base/clock.ts'
import { LogLevel } from '../base/log.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { ExpireCycle } from '../keyspace/expire.ts'
import type { Ptr } from '../memory/layout.ts'
import { BufferGarbage } from './buffer-garbage.ts'
import { type Mailbox, Request } from './mailbox.ts'
import type { Server } from './server.ts'
import { type Shutdown, shutdownOptionsOf } from './shutdown.ts'
import { SAMPLE_INTERVAL_MS } from './statistics.ts'

const HZ_MAX = 500
/** `dynamic-hz` raises `hz` so that no run looks at more clients than this. */
const CLIENTS_PER_RUN = 200
const MS_PER_SECOND = 1000
const US_PER_MS = 1000
/** How often the log says what the databases hold, at level verbose. */
const REPORT_INTERVAL_MS = 5000
/** A slice of active expiry takes at most 25 % of 4 ms; slices follow each other in that time. */
const EXPIRE_SLICE_HZ = 250
const EXPIRE_SLICE_MS = MS_PER_SECOND / EXPIRE_SLICE_HZ
/** Time of one slice of freeing memory, and from one to the next while there is more. */
const RECLAIM_SLICE_US = 500
const RECLAIM_INTERVAL_MS = 2
/** Runs that a closed cut has left behind, freed in one step; about 0.1 ms. */
const HELD_RUNS_PER_STEP = 512

export interface CronOptions {
  readonly server: Server
  readonly mailbox: Mailbox
  readonly shutdown: Shutdown
  /** Serves clients whose pause is over. */
  readonly resume: () => void
}

export class Cron {
  readonly #server: Server
  readonly #mailbox: Mailbox
  readonly #shutdown: Shutdown
  readonly #resume: () => void
  readonly #expire: ExpireCycle
  readonly #keepField = (db: Database, record: Ptr, field: Slice) => {
    this.#server.effects.noteFieldRemoval(db, db.readKey(record, this.#key), field)
  }
  readonly #key = scratchSlice()
  #timer: Timer | null = null
  #expireTimer: Timer | null = null
  #reclaimTimer: Timer | null = null
  #areSnapshotsWanted = false
  #sampledMs = 0
  #reportedMs = 0
  readonly #garbage: BufferGarbage
  #garbageMs = 0

  constructor(options: CronOptions) {
    this.#server = options.server
    this.#mailbox = options.mailbox
    this.#shutdown = options.shutdown
    this.#resume = options.resume
    this.#expire = new ExpireCycle(options.server.keyspace)
    const { keyspace } = options.server
    this.#garbage = new BufferGarbage(keyspace, () => options.server.persistence?.bufferBytes ?? 0)
  }

  start(): void {
    this.#timer = this.#server.clock.after(MS_PER_SECOND / this.#server.hz, () => {
      this.step()
      if (!this.#shutdown.isDone) this.start()
    })
  }

  stop(): void {
    this.#timer?.stop()
    this.#expireTimer?.stop()
    this.#reclaimTimer?.stop()
    this.#server.defrag.stop()
  }

  /** One run. */
  step(): void {
    const server = this.#server
    const nowMs = server.clock.nowMs()
    this.takeRequests()
    if (!this.#shutdown.isDone) this.#shutdown.look(nowMs)
    if (this.#shutdown.isDone || server.isCronPaused) return
    server.keyspace.advance(nowMs)
    server.hz = this.#hz()
    this.#sample(nowMs)
    this.#endPause(nowMs)
    this.#expireSlice()
    server.keyspace.pageReturn.look(nowMs)
    if (this.#reclaimTimer === null) this.#reclaimSlice()
    server.defrag.cron(nowMs)
    server.clients.cron(nowMs, server.hz)
    server.migrations.cron(nowMs)
    server.tracking.limitKeys()
    if (server.tracking.hasBroadcasts) server.tracking.broadcast()
    server.persistence?.cron()
    server.aof?.cron()
    server.primary.cron(nowMs)
    server.writeDelay.look()
    this.#wantSnapshots()
    if (nowMs - this.#garbageMs >= MS_PER_SECOND) {
      this.#garbageMs = nowMs
      this.#garbage.step()
    }
    if (server.log.level <= LogLevel.Verbose) this.#report(nowMs)
  }

  /** Acts on what the main thread asked for. */
  takeRequests(): void {
    // DEBUG PAUSE-CRON holds them back, so that SHUTDOWN ABORT can be tested.
    if (this.#server.isCronPaused || this.#shutdown.isDone) return
    const requests = this.#mailbox.take()
    if (requests === 0) return
    const { values } = this.#server.config
    const isInterrupt = (requests & Request.Interrupt) !== 0
    const words = isInterrupt ? values.shutdownOnSigint : values.shutdownOnSigterm
    this.#shutdown.run(shutdownOptionsOf(words))
  }

  /** Has the snapshot thread started as soon as there is something to save. */
  #wantSnapshots(): void {
    if (this.#areSnapshotsWanted) return
    const { keyspace, persistence, send } = this.#server
    if (keyspace.size === 0 && !persistence?.isSaving) return
    this.#areSnapshotsWanted = true
    persistence?.snapshots.prepare()
    send({ kind: 'snapshots' })
  }

  #hz(): number {
    const { config, clients } = this.#server
    let hz = config.values.hz
    if (!config.values.dynamicHz) return hz
    while (clients.count / hz > CLIENTS_PER_RUN && hz < HZ_MAX) hz = Math.min(hz * 2, HZ_MAX)
    return hz
  }

  #sample(nowMs: number): void {
    if (nowMs - this.#sampledMs < SAMPLE_INTERVAL_MS) return
    this.#sampledMs = nowMs
    const { statistics, dispatcher, primary } = this.#server
    statistics.commandRate.sample(dispatcher.commandCount, nowMs)
    statistics.inputRate.sample(statistics.inputBytes, nowMs)
    statistics.outputRate.sample(statistics.outputBytes, nowMs)
    statistics.replicaRate.sample(primary.outputBytes, nowMs)
    // Notes the peak, and what the limit is compared with.
    this.#server.usedBytes()
    this.#server.eviction.look()
  }

  #endPause(nowMs: number): void {
    const { clients, keyspace, migrations } = this.#server
    if (!clients.isPaused || nowMs < clients.pausedUntilMs) return
    clients.unpause()
    keyspace.isExpiryPaused = migrations.isRunning || this.#server.isEnding
    this.#resume()
  }

  /** One slice of active expiry; while keys remain that should be gone, another follows. */
  #expireSlice(): void {
    const server = this.#server
    this.#expireTimer = null
    if (!server.isActiveExpireOn || server.isLoading || server.clients.isPaused) return
    if (server.isEnding) return
    if (server.migrations.isRunning || server.writeDelay.isTight) return
    const { stats } = server.keyspace
    const cappedBefore = stats.timeCapReached
    const startUs = server.clock.monotonicUs()
    const nowMs = server.clock.nowMs()
    server.keyspace.advance(nowMs)
    this.#expire.run({
      nowMs,
      hz: EXPIRE_SLICE_HZ,
      effort: server.config.values.activeExpireEffort,
      monotonicUs: () => server.clock.monotonicUs(),
      onField: server.effects.isKept ? this.#keepField : null,
    })
    server.propagation.endRemovals()
    const durationUs = server.clock.monotonicUs() - startUs
    server.statistics.expireUs += durationUs
    server.latency.add('expire-cycle', durationUs / US_PER_MS)
    if (stats.timeCapReached === cappedBefore || this.#expireTimer !== null) return
    this.#expireTimer = server.clock.after(EXPIRE_SLICE_MS, () => this.#expireSlice())
  }

  /** One slice of freeing what is gone; while there is more, another follows. */
  #reclaimSlice(): void {
    const { clock, writeDelay } = this.#server
    this.#reclaimTimer = null
    // What a cut has not read yet would take of its bound; the next run of the cron looks again.
    if (writeDelay.isTight) return
    const limitUs = clock.monotonicUs() + RECLAIM_SLICE_US
    let hasMore = true
    while (hasMore && clock.monotonicUs() < limitUs) hasMore = this.#reclaimStep()
    if (!hasMore || this.#shutdown.isDone) return
    this.#reclaimTimer = clock.after(RECLAIM_INTERVAL_MS, () => this.#reclaimSlice())
  }

  #reclaimStep(): boolean {
    const { keyspace, persistence } = this.#server
    // Each of them, so that none waits for the end of another.
    const isHeld = persistence?.snapshots.freeHeld(HELD_RUNS_PER_STEP) ?? false
    const isFree = keyspace.pageReturn.step()
    return keyspace.reclaimStep() || isHeld || isFree
  }

  #report(nowMs: number): void {
    if (nowMs - this.#reportedMs < REPORT_INTERVAL_MS) return
    this.#reportedMs = nowMs
    const { keyspace, log, clients, primary } = this.#server
    for (const { id, size, expiringCount, dict } of keyspace.databases) {
      if (size === 0) continue
      log.verbose(
        `DB ${id}: ${size} keys (${expiringCount} volatile) in ${dict.capacity} slots HT.`,
      )
    }
    log.debug(
      `${clients.count - primary.replicas.size} clients connected (${primary.replicas.size} ` +
        `replicas), ${this.#server.usedBytes()} bytes in use`,
    )
  }
}
