// Persistence as the engine sees it: when to save, what a save's end means, and loading at the
// start. Front door of `persist/`.
//
//   rdb/        the format, its kernels, writer and reader
//   snapshot/   the cut on its way to its sinks
//   loader.ts   a file on its way into the keyspace
//   commands.ts SAVE, BGSAVE, LASTSAVE
//
//   Idle ──begin──► Saving ──outcome──► Idle        one cut at a time
//
// Who wants the stream of a snapshot (a replica) asks by `requestStream`. Who shares a cut:
//  - a request waits for the next cut, whoever opens it; one made during a cut for the one after it
//  - BGSAVE, a save point and a scheduled save open a cut at once, and all who wait join it
//  - else the cron opens one for all who wait, without a file
//  - who has closed the queue meanwhile is dropped; a cut is not opened for nobody
//  - SAVE is for the file alone, as it would hold everybody up for the slowest reader; during any
//    cut it is refused
//  - BGSAVE during a save of the file is refused, SCHEDULE or not; during a cut for streams alone
//    it is refused, with SCHEDULE it comes next; inside of EXEC it is scheduled, as in Redis
// A failed save leaves the old file; a stream that fails does not harm the file, nor the other way
// round. While the snapshot thread hangs in a write, from which the cut was taken, none is opened.
// Owner: the engine.

import { dirname, join } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { machineMemory } from '../base/machine.ts'
import type { MachineView } from '../base/machine-view.ts'
import type { EncodingLimits } from '../keyspace/encoding-limits.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Cut, CutFigures } from '../memory/cut.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import { type LoadOptions, RdbLoader } from './loader.ts'
import { FIELD_DEADLINE_VERSION, RDB_VERSION } from './rdb/rdb-format.ts'
import {
  type FileRequest,
  requestOfStream,
  type SinkRequest,
  type StreamRequest,
} from './sink-request.ts'
import type { FileSinkOptions } from './snapshot/file-sink.ts'
import type { SnapshotMethod } from './snapshot/method-choice.ts'
import { ClockForm, type SnapshotPlan } from './snapshot/plan.ts'
import type { SnapshotOutcome } from './snapshot/session.ts'
import type { SinkPlan } from './snapshot/sinks.ts'
import type { SnapshotRunner } from './snapshot/snapshot-port.ts'
import type { CurrentSnapshot, DelayEvent, SnapshotSettings } from './snapshot/snapshot-view.ts'
import { type SnapshotEnd, type SnapshotOrder, Snapshots } from './snapshot/snapshots.ts'

/** `save <seconds> <changes>`. */
export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

/** What of the configuration matters here; read anew at each use. */
export interface PersistenceSettings extends SnapshotSettings {
  /** Absolute path of the RDB file. */
  readonly filePath: string
  readonly savePoints: readonly SavePoint[]
  readonly compress: boolean
  readonly checksum: boolean
  readonly syncsWhileWriting: boolean
  readonly stopsWritesOnError: boolean
  readonly keyDelayUs: number
  /** Whether an LRU or LFU eviction policy makes the clock bits worth saving. */
  readonly keepsClocks: boolean
  /** `redis-ver` of the files. */
  readonly version: string
  /** What INFO shows as used_memory. */
  readonly usedMemory: number
  /** Where in the replication stream the data is, as fields of the file; none without a stream. */
  readonly streamPlace?: readonly (readonly [name: string, value: string])[]
}

export interface PersistenceOptions {
  readonly keyspace: Keyspace
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly settings: PersistenceSettings
  readonly runner: SnapshotRunner
  /** Cores and memory; without it they are read from the disk's files. */
  readonly machine?: MachineView
  /** Sends the replies of this turn of the loop before the engine works for a save. */
  readonly sendReplies?: () => void
  /** Counts what clients have asked for, so that a save knows whether they want the engine. */
  readonly commandCount?: () => number
  readonly processId: number
  /** Thresholds of encodings for values that are loaded; without them Redis's own. */
  readonly limits?: EncodingLimits
  /** Tests: every cut proves that no page changed without touch. */
  readonly isChecking?: boolean
  /** Tests: makes the scanner go on while the engine waits for it. */
  readonly relieve?: () => void
  /** Called before a cut is opened in the background: what is in it has been handed on then. */
  readonly beforeCut?: () => void
  /** Hears of what held the engine up: the freeze of a cut, each wait for the scanner. */
  readonly onDelay?: (event: DelayEvent, durationUs: number) => void
}

/** A save that is under way. */
interface Saving {
  readonly isBackground: boolean
  /** Whether the snapshot goes to the RDB file, and not to streams alone. */
  readonly isSave: boolean
  /** Told when it has ended. */
  readonly waiters: (() => void)[]
  /** Who asked for a sink besides the RDB file, in the order of the sinks. */
  readonly requests: readonly SinkRequest[]
  readonly dirtyAtCut: number
}

/** What a background save is asked for with. */
export interface SaveOptions {
  /** The method that BGSAVE names; null: none. */
  readonly method?: SnapshotMethod | null
}

/** Seconds before a failed automatic save is tried again, as in Redis. */
const RETRY_SECONDS = 5
/** Bytes of the file that one load step reads at least. */
const LOAD_STEP_BYTES = 512 * 1024
/** How often the outcome is looked for while a client waits for it. */
const WATCH_MS = 1
/** How often, and with what sleep between, SAVE looks for a thread that hangs in a write. */
const THREAD_LOOKS = 1000
const THREAD_LOOK_MS = 10
/** Before all deadlines. */
const NO_TIME = -1
const WAIT_WORD = new Int32Array(new SharedArrayBuffer(4))

export class Persistence {
  readonly #options: PersistenceOptions
  readonly snapshots: Snapshots
  #saving: Saving | null = null
  /** The method that a scheduled save is to have. */
  #scheduledMethod: SnapshotMethod | null = null
  /** Who waits for the next cut. */
  #requests: SinkRequest[] = []
  /** Whether the snapshot under way is the base of an append only file. */
  #isRewriting = false
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
  /** How the last snapshot went; null before the first. */
  lastEnd: SnapshotEnd | null = null
  lastReservePeakBytes = 0
  lastFileBytes = 0
  saveTotal = 0
  loadedKeys = 0
  expiredKeysAtLoad = 0

  constructor(options: PersistenceOptions) {
    this.#options = options
    this.snapshots = new Snapshots(options)
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

  /** Whether a save waits for the cut that is open to end. */
  get isScheduled(): boolean {
    return this.#isScheduled
  }

  /** Whether the snapshot under way goes to the RDB file. */
  get isFileSave(): boolean {
    return this.#saving?.isSave ?? false
  }

  /** Figures of the snapshot under way; null when there is none. */
  get current(): CurrentSnapshot | null {
    return this.snapshots.current
  }

  /** The cut, as long as pages of it are still to be read; else null. */
  get openCut(): Cut | null {
    return this.snapshots.openCut
  }

  /** Counts the cuts so far. */
  get cutNumber(): number {
    return this.snapshots.cutNumber
  }

  get lastFreezeUs(): number {
    return this.snapshots.lastFreezeUs
  }

  /** Bytes of the reserve's buffers, which stay for the next save; 0 before the first. */
  get bufferBytes(): number {
    return this.snapshots.bufferBytes
  }

  /** Counters of the cut that is open or was last; null before the first. */
  get cutFigures(): CutFigures | null {
    return this.snapshots.figures
  }

  /** Starts a background save; an error text when that cannot be. */
  startBackground({ method = null }: SaveOptions = {}): string | null {
    if (this.#saving) return ALREADY_SAVING
    if (this.snapshots.isThreadLost) return THREAD_LOST
    const { clock } = this.#options
    this.lastTrySeconds = Math.floor(clock.nowMs() / 1000)
    this.#isScheduled = false
    this.#begin({ rewrite: null, method, isSave: true })
    return null
  }

  /** Has a save begin when the cut that is open has ended. */
  schedule({ method = null }: SaveOptions = {}): void {
    this.#isScheduled = true
    this.#scheduledMethod = method
  }

  /**
   * Opens a cut for a file that is not the RDB file, at once. An error text when that cannot be;
   * then the request hears nothing.
   */
  startRewrite({ file, onCut, onEnd }: FileRequest): string | null {
    if (this.#saving) return ALREADY_SAVING
    if (this.snapshots.isThreadLost) return THREAD_LOST
    this.#isRewriting = true
    this.#begin({ rewrite: { sink: { kind: 'file', file }, onCut, onEnd }, method: null })
    return null
  }

  /** Writes such a file before it returns. An error text when that failed. */
  rewriteNow(file: FileSinkOptions): string | null {
    if (this.#saving) return ALREADY_SAVING
    let failure: string | null = null
    const onEnd = (error: string | null) => {
      failure = error
    }
    const requests = [{ sink: { kind: 'file', file }, onCut: () => {}, onEnd } as const]
    this.#isRewriting = true
    this.#saving = this.#newSaving({ isBackground: false, isSave: false, requests })
    this.#finish(this.snapshots.runNow(this.#order(null, null)))
    return failure
  }

  /** Stops the snapshot under way if it is the base of an append only file. */
  abortRewrite(): void {
    if (this.#isRewriting) this.#finish(this.snapshots.abort())
  }

  /** The request gets the stream of the next cut, which is opened by the cron if by no save. */
  requestStream(request: StreamRequest): void {
    this.request(requestOfStream(request))
  }

  /** The same for a sink of any kind. */
  request(request: SinkRequest): void {
    this.#requests.push(request)
  }

  /** Saves before it returns. An error text when the save failed or another is under way. */
  save(): string | null {
    if (this.#saving) return ALREADY_SAVING
    if (!this.#awaitThread()) return THREAD_LOST
    this.#saving = this.#newSaving({ isBackground: false, isSave: true, requests: [] })
    const file = { path: this.#options.settings.filePath, temporaryPath: this.temporaryPath }
    const end = this.snapshots.runNow(this.#order(file, null))
    this.#finish(end)
    return end.outcome.kind === 'saved' ? null : this.lastError
  }

  /** Looks for the end of a save, and begins one when a save point says so. Called every tick. */
  cron(): void {
    const { keyspace, clock } = this.#options
    this.snapshots.dirtyRate.sample(keyspace.dirty, clock.monotonicUs())
    this.snapshots.cron()
    if (this.#saving) {
      const end = this.snapshots.poll()
      if (!end) return
      this.#finish(end)
    }
    if (this.snapshots.isThreadLost) return
    if (this.#isScheduled) {
      this.startBackground({ method: this.#scheduledMethod })
      return
    }
    const due = this.#duePoint()
    if (due) {
      this.#options.log.notice(`${due.changes} changes in ${due.seconds} seconds. Saving...`)
      this.startBackground()
      return
    }
    this.#dropClosed()
    if (this.#requests.length > 0) this.#begin({ rewrite: null, method: null })
  }

  /** Stops the snapshot under way; no page of it is in use when this returns. */
  abort(): void {
    if (!this.#saving) return
    this.#options.log.warning('There is a background save under way. Stopping it!')
    this.#finish(this.snapshots.abort())
  }

  /**
   * All keys were removed on purpose. A snapshot under way still ends with the keys of its cut; but
   * where there are save points, a restart must not bring them back, so a file without them is
   * written next. `done` is called when that has ended; with false as the result it is not, as
   * there is nothing to do, or the file waits for the snapshot under way (docs/decisions/0014).
   */
  replaceFlushed(done: () => void): boolean {
    const { settings, keyspace } = this.#options
    if (settings.savePoints.length === 0 || keyspace.dirty === 0) return false
    if (this.#saving !== null || this.snapshots.isThreadLost) {
      this.schedule()
      return false
    }
    this.#waiters.push(done)
    if (this.startBackground() !== null) {
      this.#waiters.pop()
      return false
    }
    this.#watch()
    return true
  }

  /** Opens the RDB file for loading; null when there is none. Throws StoreError. */
  openLoader({ mayOverwrite }: { readonly mayOverwrite: boolean }): RdbLoader | null {
    const { disk, settings, clock } = this.#options
    if (!disk.exists(settings.filePath)) return null
    return this.#loaderOf(settings.filePath, { mayOverwrite, nowMs: clock.nowMs() })
  }

  /**
   * Opens the RDB stream at the beginning of an append only file. Its keys are loaded even if their
   * deadline has passed: what the log did with them comes behind it. Throws StoreError.
   */
  openPreamble(path: string): RdbLoader {
    return this.#loaderOf(path, { mayOverwrite: false, nowMs: NO_TIME, mayTrail: true })
  }

  #loaderOf(path: string, options: PathOptions): RdbLoader {
    const { disk, settings, keyspace, limits, log } = this.#options
    const { availableBytes } = machineMemory(disk)
    return new RdbLoader(disk, path, keyspace, {
      ...options,
      checksum: settings.checksum,
      memoryLimitBytes: availableBytes === 0 ? 0 : availableBytes + keyspace.usedBytes,
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

  /**
   * Opens a cut, for the RDB file or for the base of an append only file, if that is wanted, and
   * for all who wait for a stream.
   */
  #begin({ isSave = false, rewrite, method }: BeginOptions): void {
    const { keyspace, settings, log, processId, beforeCut } = this.#options
    this.#dropClosed()
    beforeCut?.()
    const requests = [...(rewrite === null ? [] : [rewrite]), ...this.#requests.splice(0)]
    this.#saving = this.#newSaving({ isBackground: true, isSave, requests })
    const { filePath: path } = settings
    const temporary = `temp-${processId}-${++this.#saveCount}.rdb`
    const file = isSave ? { path, temporaryPath: join(dirname(path), temporary) } : null
    const choice = this.snapshots.start(this.#order(file, method))
    for (const request of requests) request.onCut()
    const what = isSave
      ? 'Background saving started'
      : `Snapshot for ${rewrite === null ? 'replicas' : 'the append only file'} started`
    log.notice(
      `${what}: ${keyspace.size} keys, frozen in ${this.lastFreezeUs} us, ` +
        `${choice.method} (${choice.reason}), ` +
        `reserve ${Math.floor(this.snapshots.boundBytes / 1024)} KiB`,
    )
  }

  /** Drops requests whose reader has gone while they waited. */
  #dropClosed(): void {
    for (const request of this.#requests.splice(0)) {
      if (request.isGone?.()) request.onEnd(READER_GONE)
      else this.#requests.push(request)
    }
  }

  /** Waits a while for a thread that hangs in a write: an aborted save may be slow to notice. */
  #awaitThread(): boolean {
    const { relieve } = this.#options
    for (let i = 0; this.snapshots.isThreadLost; i++) {
      if (i === THREAD_LOOKS) return false
      if (relieve) relieve()
      else Atomics.wait(WAIT_WORD, 0, 0, THREAD_LOOK_MS)
    }
    return true
  }

  #newSaving(how: Omit<Saving, 'waiters' | 'dirtyAtCut'>): Saving {
    const waiters = this.#waiters
    this.#waiters = []
    return { ...how, waiters, dirtyAtCut: this.#options.keyspace.dirty }
  }

  #order(
    file: { readonly path: string; readonly temporaryPath: string } | null,
    requested: SnapshotMethod | null,
  ): SnapshotOrder {
    const { settings, processId } = this.#options
    const { syncsWhileWriting } = settings
    const sinks: SinkPlan[] = []
    if (file !== null) sinks.push({ kind: 'file', file: { ...file, syncsWhileWriting } })
    for (const { sink } of this.#saving?.requests ?? []) sinks.push(sink)
    const spill = `temp-${processId}-${this.#saveCount}.spill`
    const spillPath = join(dirname(settings.filePath), spill)
    return { plan: this.#plan(), sinks, spillPath, requested }
  }

  #plan(): SnapshotPlan {
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
        ...(settings.streamPlace ?? []),
        ['aof-base', this.#isRewriting ? '1' : '0'],
      ],
      keyDelayUs: settings.keyDelayUs,
    }
  }

  /** Books how a snapshot ended. */
  #finish(end: SnapshotEnd): void {
    const { clock, log } = this.#options
    const saving = this.#saving
    assert(saving !== null, 'a save that ends was under way')
    this.#saving = null
    this.#isRewriting = false
    this.lastEnd = end
    this.lastReservePeakBytes = end.figures.slotsPeak * PAGE_BYTES
    const { outcome, seconds } = end
    if (saving.isSave) this.#finishSave(saving, end)
    else if (outcome.kind !== 'saved') log.warning(`Snapshot error: ${reasonOf(outcome)}`)
    if (outcome.kind === 'saved') log.notice(describe(end, outcome))
    if (saving.isBackground && saving.isSave) this.lastDurationSeconds = Math.floor(seconds)
    this.#endRequests(saving, outcome)
    // Later, as this may be the middle of someone else's command.
    for (const done of saving.waiters) clock.after(0, done)
  }

  #finishSave(saving: Saving, { outcome }: SnapshotEnd): void {
    const { log } = this.#options
    // The file is the first sink; others may have ended otherwise.
    const [own] = outcome.sinks
    if (outcome.kind === 'saved' && own?.kind !== 'failed') {
      this.#noteSaved(outcome.bytes, saving.dirtyAtCut)
      log.notice('DB saved on disk')
      return
    }
    if (outcome.kind === 'aborted') {
      log.warning('Background saving stopped before its end; the old file stands')
      return
    }
    this.lastError = own?.kind === 'failed' ? own.message : reasonOf(outcome)
    // As in Redis: who saves by SAVE or SHUTDOWN learns of the failure, writes go on.
    if (saving.isBackground) this.isLastSaveOk = false
    log.warning(`${saving.isBackground ? 'Background saving' : 'Saving'} error: ${this.lastError}`)
  }

  #endRequests({ requests, isSave }: Saving, outcome: SnapshotOutcome): void {
    for (const [i, request] of requests.entries()) {
      const own = outcome.sinks[i + (isSave ? 1 : 0)]
      if (own?.kind === 'done') request.onEnd(null)
      else request.onEnd(own?.kind === 'failed' ? own.message : reasonOf(outcome))
    }
  }

  #noteSaved(bytes: number, dirtyAtCut: number): void {
    assert(bytes > 0, 'a file has a head and an end')
    const { keyspace, clock } = this.#options
    keyspace.dirty -= dirtyAtCut
    this.lastSaveSeconds = Math.floor(clock.nowMs() / 1000)
    this.isLastSaveOk = true
    this.lastError = ''
    this.lastFileBytes = bytes
    this.saveTotal++
  }
}

type PathOptions = Pick<LoadOptions, 'mayOverwrite' | 'nowMs' | 'mayTrail'>

/** What a cut is opened for. */
interface BeginOptions {
  readonly isSave?: boolean
  readonly rewrite: SinkRequest | null
  readonly method: SnapshotMethod | null
}

const ALREADY_SAVING = 'Background save already in progress'
const READER_GONE = 'its reader has gone before the cut'
const THREAD_LOST = 'The snapshot thread hangs in a write to the disk; look there'

/** Why a snapshot did not come to its end. */
function reasonOf(outcome: SnapshotOutcome): string {
  if (outcome.kind === 'failed') return outcome.message
  return outcome.kind === 'broken' ? outcome.stack : 'stopped before its end'
}

function describe(
  { seconds, method, figures, spilledBytes }: SnapshotEnd,
  { keys, bytes }: { keys: number; bytes: number },
): string {
  const speed = seconds > 0 ? bytes / seconds / 1e6 : 0
  return (
    `Snapshot: ${method}, ${keys} keys, ${bytes} bytes in ${seconds.toFixed(3)} s ` +
    `(${speed.toFixed(0)} MB/s), ${figures.preservedRuns} runs preserved, ` +
    `reserve peak ${figures.slotsPeak * PAGE_BYTES} bytes, spilled ${spilledBytes} bytes, ` +
    `${figures.waits} waits of ${Math.round(figures.waitUs)} us, longest ` +
    `${Math.round(figures.waitUsMax)} us`
  )
}
