// Persistence as the engine sees it: when to save, how a save goes, how it ended, and loading at
// the start. Front door of `persist/`.
//
//   rdb/        the format, its kernels, writer and reader
//   snapshot/   the cut on its way to a file
//   loader.ts   a file on its way into the keyspace
//   commands.ts SAVE, BGSAVE, LASTSAVE
//
//   Idle ──begin──► Saving ──outcome──► Idle        one background save at a time; a second request
//                                                   is refused or scheduled, as in Redis
//
// A background save opens a cut, sends the job to the snapshot thread and looks for the outcome in
// `cron`. `save` does the same on the engine's own thread and blocks it. A failed save leaves the
// old file. Owner: the engine.

import { dirname, join } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { type Disk, systemCode } from '../base/disk.ts'
import { StoreError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { machineMemory } from '../base/machine.ts'
import type { EncodingLimits } from '../keyspace/encoding-limits.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { Cut, type CutFigures } from '../memory/cut.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import { RdbLoader } from './loader.ts'
import { FIELD_DEADLINE_VERSION, RDB_VERSION } from './rdb/rdb-format.ts'
import { FileSink, type FileSinkOptions } from './snapshot/file-sink.ts'
import { ClockForm, type SnapshotPlan } from './snapshot/plan.ts'
import { openScan, type SharedScanSource, shareScan } from './snapshot/scan-source.ts'
import { PROGRESS_WORDS, Progress, SnapshotEncoder } from './snapshot/snapshot.ts'
import type { SnapshotRunner } from './snapshot/snapshot-port.ts'
import type { SnapshotOutcome } from './snapshot/snapshot-thread.ts'

/** `save <seconds> <changes>`. */
export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

/** What of the configuration matters here; read anew at each use. */
export interface PersistenceSettings {
  /** Absolute path of the RDB file. */
  readonly filePath: string
  readonly savePoints: readonly SavePoint[]
  readonly compress: boolean
  readonly checksum: boolean
  readonly syncsWhileWriting: boolean
  readonly stopsWritesOnError: boolean
  readonly reserveBytes: number
  /** Standstill of a sink after which the save is given up if writers wait; 0: never. */
  readonly stallTimeoutSeconds: number
  readonly keyDelayUs: number
  /** Whether an LRU or LFU eviction policy makes the clock bits worth saving. */
  readonly keepsClocks: boolean
  /** `redis-ver` of the files. */
  readonly version: string
  /** What INFO shows as used_memory. */
  readonly usedMemory: number
}

export interface PersistenceOptions {
  readonly keyspace: Keyspace
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly settings: PersistenceSettings
  readonly runner: SnapshotRunner
  readonly processId: number
  /** Thresholds of encodings for values that are loaded; without them Redis's own. */
  readonly limits?: EncodingLimits
  /** Tests: every cut proves that no page changed without touch. */
  readonly isChecking?: boolean
  /** Tests: makes the scanner go on while the engine waits for it. */
  readonly relieve?: () => void
  /** Hears of what held the engine up: the freeze of a cut, each wait for the scanner. */
  readonly onDelay?: (event: DelayEvent, durationUs: number) => void
}

/** Names that the latency monitor gives to what held the engine up. */
export type DelayEvent = 'snapshot-cut' | 'snapshot-wait'

/** A save that is under way. */
interface Saving {
  readonly isBackground: boolean
  /** Told when it has ended. */
  readonly waiters: (() => void)[]
  readonly startUs: number
  readonly dirtyAtCut: number
  readonly keysAtCut: number
  readonly pagesAtCut: number
  readonly file: FileSinkOptions
}

/** Seconds before a failed automatic save is tried again, as in Redis. */
const RETRY_SECONDS = 5
/** Pages of the smallest reserve: one run of cells. */
const SLOTS_MIN = 8
/** Bytes of the file that one load step reads at least. */
const LOAD_STEP_BYTES = 512 * 1024
/** Longest wait for the snapshot thread to notice an abort. */
const ABORT_WAIT_MS = 10_000
/** How often the outcome is looked for while a client waits for it. */
const WATCH_MS = 1

export class Persistence {
  readonly #options: PersistenceOptions
  readonly #progress = new Float64Array(new SharedArrayBuffer(PROGRESS_WORDS * 8))
  #cut: Cut | null = null
  #saving: Saving | null = null
  #encoder: SnapshotEncoder | null = null
  #isScheduled = false
  /** Told when the next save to begin has ended. */
  #waiters: (() => void)[] = []
  #isWatching = false
  /** Counts the saves of this process, to give each temporary file a name of its own. */
  #saveCount = 0
  lastSaveSeconds: number
  lastTrySeconds = 0
  isLastSaveOk = true
  /** Why the last save failed; '' when it did not. */
  lastError = ''
  lastDurationSeconds = -1
  lastFreezeUs = 0
  lastReservePeakBytes = 0
  lastFileBytes = 0
  saveTotal = 0
  loadedKeys = 0
  expiredKeysAtLoad = 0

  constructor(options: PersistenceOptions) {
    this.#options = options
    this.lastSaveSeconds = Math.floor(options.clock.nowMs() / 1000)
  }

  get isSaving(): boolean {
    return this.#saving !== null
  }

  /** Writes are to be refused with MISCONF. */
  get isWriteRefused(): boolean {
    const { stopsWritesOnError, savePoints } = this.#options.settings
    return !this.isLastSaveOk && stopsWritesOnError && savePoints.length > 0
  }

  /** Where `save` writes before it renames; in the place and form that operators know of Redis. */
  get temporaryPath(): string {
    const { settings, processId } = this.#options
    return join(dirname(settings.filePath), `temp-${processId}.rdb`)
  }

  /** Figures of the save under way; null when there is none. */
  get current(): CurrentSave | null {
    const saving = this.#saving
    if (!saving || !this.#cut) return null
    const seconds = (this.#options.clock.monotonicUs() - saving.startUs) / 1e6
    const pagesDone = Math.min(this.#progress[Progress.Pages]!, saving.pagesAtCut)
    const share = saving.pagesAtCut === 0 ? 1 : pagesDone / saving.pagesAtCut
    return {
      seconds,
      keysDone: this.#progress[Progress.Keys]!,
      keysTotal: saving.keysAtCut,
      pagesDone,
      pagesTotal: saving.pagesAtCut,
      bytesWritten: this.#progress[Progress.Bytes]!,
      etaSeconds: share > 0 ? (seconds * (1 - share)) / share : -1,
      reserveUsedBytes: this.#cut.isOpen ? this.#cut.slotsUsed * PAGE_BYTES : 0,
    }
  }

  /** Bytes of the reserve's buffers, which stay for the next save; 0 before the first. */
  get bufferBytes(): number {
    return this.#cut?.bufferBytes ?? 0
  }

  /** Counters of the cut that is open or was last; null before the first. */
  get cutFigures(): CutFigures | null {
    return this.#cut?.figures ?? null
  }

  /** Starts a background save; an error text when that cannot be. */
  startBackground(): string | null {
    if (this.#saving) return 'Background save already in progress'
    const { clock, keyspace, settings, runner, log } = this.#options
    this.lastTrySeconds = Math.floor(clock.nowMs() / 1000)
    this.#isScheduled = false
    const { source, saving } = this.#openCut({ isBackground: true })
    runner.start({
      frozen: source,
      plan: this.#plan(),
      file: saving.file,
      progress: this.#progress.buffer as SharedArrayBuffer,
    })
    log.notice(
      `Background saving started: ${keyspace.size} keys, frozen in ${this.lastFreezeUs} us, ` +
        `reserve ${Math.floor(settings.reserveBytes / 1024)} KiB`,
    )
    return null
  }

  /** Saves before it returns. An error text when the save failed or another is under way. */
  save(): string | null {
    if (this.#saving) return 'Background save already in progress'
    const { disk } = this.#options
    const { source, saving } = this.#openCut({ isBackground: false })
    const scan = openScan(source)
    this.#encoder ??= new SnapshotEncoder()
    let outcome: SnapshotOutcome
    let sink: FileSink | null = null
    try {
      sink = new FileSink(disk, saving.file)
      const result = this.#encoder.run(scan, this.#plan(), {
        sink: sink.write,
        progress: this.#progress,
        pause: (us) => Atomics.wait(WAIT_WORD, 0, 0, us / 1000),
        nowUs: null,
      })
      sink.commit()
      outcome = { kind: 'saved', ...result }
    } catch (error) {
      sink?.discard()
      if (!(error instanceof StoreError)) throw error
      outcome = { kind: 'failed', message: error.message, systemCode: systemCode(error) }
    }
    scan.frozen.end()
    this.#finish(outcome)
    return outcome.kind === 'saved' ? null : this.lastError
  }

  /** Looks for the end of a save, and begins one when a save point says so. Called every tick. */
  cron(): void {
    if (this.#saving) {
      this.#cut?.reclaim()
      const outcome = this.#options.runner.poll()
      if (!outcome) return
      this.#finish(outcome)
    }
    if (this.#isScheduled) {
      this.startBackground()
      return
    }
    const due = this.#duePoint()
    if (!due) return
    this.#options.log.notice(`${due.changes} changes in ${due.seconds} seconds. Saving...`)
    this.startBackground()
  }

  /** Stops a background save and waits until its thread is through with the arena. */
  abort(): void {
    if (!this.#saving || !this.#cut) return
    this.#options.log.warning('There is a background save under way. Stopping it!')
    this.#cut.abort()
    const { clock, runner } = this.#options
    const limit = clock.monotonicUs() + ABORT_WAIT_MS * 1000
    let outcome = runner.poll()
    while (!outcome && clock.monotonicUs() < limit) {
      if (this.#options.relieve) this.#options.relieve()
      else Atomics.wait(WAIT_WORD, 0, 0, 1)
      outcome = runner.poll()
    }
    assert(outcome !== null, 'the snapshot thread notices an abort')
    this.#finish(outcome)
  }

  /**
   * All keys were removed on purpose. Where there are save points no save may bring them back: one
   * that still has them is stopped, and a file without them is written, so that a restart finds
   * none. `done` is called when that has ended; with false as the result it is not, as nothing is
   * to do. Without save points a save under way is somebody's own and ends with the keys of its
   * cut (docs/decisions/0010).
   */
  replaceFlushed(done: () => void): boolean {
    const { settings, keyspace } = this.#options
    const saving = this.#saving
    const isStale = saving !== null && saving.keysAtCut > 0
    if (settings.savePoints.length === 0 || keyspace.dirty === 0) return false
    if (isStale) this.#cut?.abort()
    if (saving !== null && !isStale) {
      saving.waiters.push(done)
    } else {
      this.#waiters.push(done)
      if (isStale) this.#isScheduled = true
      else this.startBackground()
    }
    this.#watch()
    return true
  }

  /** Opens the RDB file for loading; null when there is none. Throws StoreError. */
  openLoader(options: { readonly mayOverwrite: boolean }): RdbLoader | null {
    const { disk, settings, keyspace, clock, limits, log } = this.#options
    if (!disk.exists(settings.filePath)) return null
    const { availableBytes } = machineMemory(disk)
    return new RdbLoader(disk, settings.filePath, keyspace, {
      checksum: settings.checksum,
      memoryLimitBytes: availableBytes === 0 ? 0 : availableBytes + keyspace.usedBytes,
      nowMs: clock.nowMs(),
      mayOverwrite: options.mayOverwrite,
      onEmptyKey: (name) => log.notice(`skipping empty key: ${name}`),
      ...(limits && { limits }),
    })
  }

  /** Loads a whole file at once, as DEBUG RELOAD does. Throws StoreError. */
  loadNow(options: { readonly mayOverwrite: boolean }): void {
    const loader = this.openLoader(options)
    if (!loader) return
    try {
      let hasMore = true
      while (hasMore) hasMore = loader.step(LOAD_STEP_BYTES)
      this.noteLoaded(loader)
    } finally {
      loader.close()
    }
  }

  /** Takes over the figures of a load that went well. */
  noteLoaded(loader: RdbLoader): void {
    assert(loader.loadedBytes === loader.totalBytes, 'a load that went well read all')
    this.loadedKeys = loader.keysLoaded
    this.expiredKeysAtLoad = loader.keysExpired
    this.#options.keyspace.dirty = 0
  }

  #duePoint(): SavePoint | null {
    const { settings, keyspace, clock } = this.#options
    if (keyspace.dirty === 0) return null
    const now = Math.floor(clock.nowMs() / 1000)
    if (!this.isLastSaveOk && now - this.lastTrySeconds <= RETRY_SECONDS) return null
    for (const point of settings.savePoints) {
      const isDue = keyspace.dirty >= point.changes && now - this.lastSaveSeconds > point.seconds
      if (isDue) return point
    }
    return null
  }

  /** Looks for the outcome more often than the cron does, as long as somebody waits for it. */
  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    this.#options.clock.after(WATCH_MS, () => {
      this.#isWatching = false
      if (this.#saving || this.#isScheduled) this.cron()
      if (this.#waiters.length > 0 || (this.#saving?.waiters.length ?? 0) > 0) this.#watch()
    })
  }

  /** Freezes the keyspace. From here on a save is under way. */
  #openCut({ isBackground }: { isBackground: boolean }): {
    source: SharedScanSource
    saving: Saving
  } {
    const { keyspace, clock, settings, processId } = this.#options
    const { arena } = keyspace
    const slotCount = Math.max(SLOTS_MIN, Math.floor(settings.reserveBytes / PAGE_BYTES))
    if (this.#cut?.shared.slotCount !== slotCount) this.#cut = this.#makeCut(slotCount)
    const cut = this.#cut
    this.#progress.fill(0)
    const startUs = clock.monotonicUs()
    cut.open({ isChecking: this.#options.isChecking ?? false })
    this.lastFreezeUs = Math.round(clock.monotonicUs() - startUs)
    this.#options.onDelay?.('snapshot-cut', this.lastFreezeUs)
    const { filePath: path } = settings
    const background = `temp-${processId}-${++this.#saveCount}.rdb`
    const saving: Saving = {
      isBackground,
      waiters: this.#waiters,
      startUs,
      dirtyAtCut: keyspace.dirty,
      keysAtCut: keyspace.size,
      pagesAtCut: arena.dataPages,
      file: {
        path,
        temporaryPath: isBackground ? join(dirname(path), background) : this.temporaryPath,
        syncsWhileWriting: settings.syncsWhileWriting,
      },
    }
    this.#waiters = []
    this.#saving = saving
    const source = shareScan(arena, keyspace.collections, cut)
    return { source, saving }
  }

  /** A cut with a reserve of `slotCount` pages, or of as many as the system has memory for. */
  #makeCut(slotCount: number): Cut {
    assert(slotCount > 0, 'a reserve has slots')
    const { keyspace, clock, log, relieve = null, onDelay } = this.#options
    const monotonicUs = () => clock.monotonicUs()
    const onWait = (us: number) => onDelay?.('snapshot-wait', us)
    for (let count = slotCount; ; count = Math.max(SLOTS_MIN, count >>> 1)) {
      try {
        return new Cut(keyspace.arena, count, { monotonicUs, relieve, onWait })
      } catch (error) {
        // What a system throws that refuses a SharedArrayBuffer. A save with little reserve makes
        // writers wait more; one that fails loses data.
        if (!(error instanceof RangeError) || count === SLOTS_MIN) throw error
        log.warning(`No memory for a snapshot reserve of ${(count * PAGE_BYTES) / 1024} KiB`)
      }
    }
  }

  #plan(): SnapshotPlan {
    assert(this.#saving !== null, 'a plan belongs to a save')
    const { keyspace, settings, clock } = this.#options
    const nowSeconds = Math.floor(clock.nowMs() / 1000)
    const form = keyspace.clock.isLfu ? ClockForm.Frequency : ClockForm.Idle
    const hasDeadlines = keyspace.databases.some(({ fieldDeadlines }) => fieldDeadlines.count > 0)
    return {
      rdbVersion: hasDeadlines ? FIELD_DEADLINE_VERSION : RDB_VERSION,
      databaseOfSpace: keyspace.databaseOfSpace(),
      databases: keyspace.databases
        .filter((database) => database.size > 0)
        .map(({ id, size, expiringCount }) => ({ id, keys: size, expires: expiringCount })),
      clockForm: settings.keepsClocks ? form : ClockForm.None,
      nowSeconds,
      compress: settings.compress,
      checksum: settings.checksum,
      aux: [
        ['redis-ver', settings.version],
        ['redis-bits', '64'],
        ['ctime', String(nowSeconds)],
        ['used-mem', String(settings.usedMemory)],
        ['aof-base', '0'],
      ],
      keyDelayUs: settings.keyDelayUs,
    }
  }

  /** Closes the cut and books how the save ended. */
  #finish(outcome: SnapshotOutcome): void {
    const { clock, log } = this.#options
    const saving = this.#saving
    const cut = this.#cut
    assert(saving !== null && cut !== null, 'a save that ends was under way')
    this.#saving = null
    cut.close({ isComplete: outcome.kind === 'saved' })
    this.lastReservePeakBytes = cut.figures.slotsPeak * PAGE_BYTES
    const seconds = (clock.monotonicUs() - saving.startUs) / 1e6
    if (saving.isBackground) this.lastDurationSeconds = Math.floor(seconds)
    if (outcome.kind === 'saved') {
      this.#noteSaved(saving, outcome.bytes)
      log.notice('DB saved on disk')
      log.notice(describe(outcome.keys, outcome.bytes, seconds, cut.figures))
    } else if (outcome.kind === 'aborted') {
      log.warning('Background saving stopped before its end; the old file stands')
      // Who waits for a file without the flushed keys waits for the next one.
      if (this.#isScheduled) this.#waiters.unshift(...saving.waiters.splice(0))
    } else {
      this.lastError = outcome.kind === 'failed' ? outcome.message : outcome.stack
      // As in Redis: who saves by SAVE or SHUTDOWN learns of the failure, writes go on.
      if (saving.isBackground) this.isLastSaveOk = false
      log.warning(
        `${saving.isBackground ? 'Background saving' : 'Saving'} error: ${this.lastError}`,
      )
    }
    // Later, as this may be the middle of someone else's command.
    for (const done of saving.waiters) clock.after(0, done)
  }

  #noteSaved(saving: Saving, bytes: number): void {
    assert(bytes > 0, 'a file has a head and an end')
    const { keyspace, clock } = this.#options
    keyspace.dirty -= saving.dirtyAtCut
    this.lastSaveSeconds = Math.floor(clock.nowMs() / 1000)
    this.isLastSaveOk = true
    this.lastError = ''
    this.lastFileBytes = bytes
    this.saveTotal++
  }
}

const WAIT_WORD = new Int32Array(new SharedArrayBuffer(4))

/** What INFO shows of a save under way. */
export interface CurrentSave {
  readonly seconds: number
  readonly keysDone: number
  readonly keysTotal: number
  readonly pagesDone: number
  readonly pagesTotal: number
  readonly bytesWritten: number
  /** -1 while it cannot be told. */
  readonly etaSeconds: number
  readonly reserveUsedBytes: number
}

function describe(keys: number, bytes: number, seconds: number, figures: CutFigures): string {
  const speed = seconds > 0 ? bytes / seconds / 1e6 : 0
  return (
    `Snapshot: ${keys} keys, ${bytes} bytes in ${seconds.toFixed(3)} s ` +
    `(${speed.toFixed(0)} MB/s), ${figures.preservedRuns} runs preserved, ` +
    `reserve peak ${figures.slotsPeak * PAGE_BYTES} bytes, ` +
    `${figures.waits} waits of ${Math.round(figures.waitUs)} us, longest ` +
    `${Math.round(figures.waitUsMax)} us`
  )
}
