// The append only file as the engine sees it: what is logged, where it goes, when it is rewritten.
// Front door of `persist/aof/`.
//
//   Off ──enable──► Waiting ──first rewrite──► On         Waiting and On ──disable──► Off
//
//   Off      nothing is logged; a rewrite writes a base alone
//   Waiting  switched on at run time: what is logged from the cut on belongs to a base that is
//            not whole yet, and lies in a temporary file that no manifest names
//   On       what is logged goes to the last increment of the manifest
//
// A rewrite, which forks nothing (its stages are drawn at `Rewrite`): an empty increment is named
// by the manifest; from the cut on the log goes there, and the cut becomes the base.
//
// Whenever the power fails, the manifest on disk names files that together hold all that was
// acknowledged: the new increment is named before anything goes there, the old files are until the
// new base is durable. A rewrite that fails leaves one increment more, and nothing else.
// Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import type { Disk } from '../../base/disk.ts'
import { systemReason } from '../../base/disk-error.ts'
import type { PlacedFile } from '../../base/disk-jobs.ts'
import { StoreError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { FileRequest } from '../sink-request.ts'
import type { FileSinkOptions } from '../snapshot/file-sink.ts'
import { AofDirectory } from './aof-directory.ts'
import { AofWriter, type AofWriterOptions } from './aof-writer.ts'
import { type AofFile, type Manifest, rewritten, withIncrement } from './manifest.ts'
import { RewriteLimit } from './rewrite-limit.ts'

export type AofState = 'off' | 'waiting' | 'on'

type WriterSettings = AofWriterOptions['settings']

/** What of the configuration matters here; read anew at each use. */
export interface AofSettings extends WriterSettings {
  /** Absolute path of the directory of the files. */
  readonly directory: string
  /** Where an older server would have its one file. */
  readonly parentDirectory: string
  readonly fileName: string
  /** Growth in percent since the last rewrite that starts one; 0: none does. */
  readonly growthPercent: number
  readonly growthBytesMin: number
  readonly isBaseRdb: boolean
  readonly hasTimestamps: boolean
  readonly keepsHistory: boolean
  readonly syncsWhileWriting: boolean
}

/** What makes bases; `Persistence` is one. */
export interface BaseMaker {
  readonly isSaving: boolean
  readonly lastReservePeakBytes: number
  startRewrite(request: FileRequest): string | null
  rewriteNow(file: FileSinkOptions): string | null
  abortRewrite(): void
}

export interface AofLogOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly settings: AofSettings
  readonly bases: BaseMaker
  readonly processId: number
  /** From now on changes are to come to `write`, the database selected anew. */
  readonly begin: () => void
  /** Changes are no longer wanted. */
  readonly end: () => void
  readonly onProgress: () => void
  readonly onFatal: () => void
  readonly onDelay: AofWriterOptions['onDelay']
}

/**
 * A rewrite under way.
 *
 *   preparing ──► queued ──cut──► scanning ──base is durable──► committing ──► none
 *
 *   preparing   an empty increment is made and a manifest with it is brought to disk
 *   queued      a save has come in between; the cut waits for its end
 *   scanning    from the cut on the log goes to that increment; the cut becomes the base
 *   committing  a manifest with base and increment alone is brought to disk; the rest is deleted
 */
interface Rewrite {
  stage: 'preparing' | 'queued' | 'scanning' | 'committing'
  /** The increment that the log goes to from the cut on; null where nothing is logged. */
  readonly first: AofFile | null
  readonly file: PlacedFile | null
  /** It has a temporary name, as there is no base yet that it belongs to. */
  readonly isTemporary: boolean
  readonly base: AofFile
  readonly startedMs: number
  /** Given up: what comes of it is dropped. */
  isAbandoned: boolean
}

const MS_PER_SECOND = 1000
const TEMPORARY_MARK = 'temp-'

export class AofLog {
  readonly writer: AofWriter
  readonly directory: AofDirectory
  state: AofState = 'off'
  /** A rewrite is to begin as soon as it can. */
  isScheduled = false
  isLastRewriteOk = true
  lastRewriteSeconds = -1
  rewriteCount = 0
  /** Most of the reserve that the last rewrite has used. */
  lastReservePeakBytes = 0
  /** Size at the last rewrite, or of the base at the start. */
  baseBytes = 0
  readonly #options: AofLogOptions
  readonly #limit: RewriteLimit
  #rewrite: Rewrite | null = null
  /** Sizes of all files but the one that is written. */
  #closedBytes = 0
  #isInUnit = false
  #stampedSeconds = -1

  constructor(options: AofLogOptions) {
    const { clock, log, settings, onProgress, onFatal, onDelay } = options
    this.#options = options
    this.#limit = new RewriteLimit(clock, log)
    this.directory = new AofDirectory(options)
    this.writer = new AofWriter({ clock, log, settings, onProgress, onFatal, onDelay })
  }

  get isRewriting(): boolean {
    return this.#rewrite !== null
  }

  /** Seconds that the rewrite under way has taken so far; -1 when there is none. */
  get rewriteSeconds(): number {
    if (this.#rewrite === null) return -1
    return Math.floor((this.#options.clock.nowMs() - this.#rewrite.startedMs) / MS_PER_SECOND)
  }

  get rewriteFailures(): number {
    return this.#limit.failures
  }

  /** Bytes of all files that a start would load. */
  get currentBytes(): number {
    return this.#closedBytes + this.writer.fileBytes
  }

  /** Takes what is to be logged; whole commands. */
  write(bytes: Uint8Array, start: number, length: number): void {
    if (!this.#isInUnit) {
      this.#isInUnit = true
      if (this.#options.settings.hasTimestamps) this.#stamp()
    }
    this.writer.append(bytes, start, length)
  }

  /** What was written since the last call is a whole unit. */
  endUnit(): void {
    this.#isInUnit = false
  }

  /**
   * The data is loaded, or there was none: makes what is missing and begins to log. Blocks. Throws
   * StoreError.
   */
  openAtStart(baseBytes: number): void {
    assert(this.state === 'off', 'a log is opened once')
    const { log, begin } = this.#options
    const { directory } = this
    directory.make()
    let { manifest } = directory
    if (manifest.base === null && manifest.increments.length === 0) {
      manifest = this.#makeFirstBase(manifest)
    }
    const last = manifest.increments.at(-1)
    const file = last ?? directory.newIncrement()
    const placed = directory.open(file.name)
    if (last === undefined) manifest = withIncrement(manifest, file)
    directory.persistNow(manifest)
    log.notice(
      `${last === undefined ? 'Creating' : 'Opening'} AOF incr file ${file.name} on server start`,
    )
    this.writer.open(placed)
    this.state = 'on'
    this.#closedBytes = directory.sizeOf(manifest) - this.writer.fileBytes
    this.baseBytes = baseBytes === 0 ? this.#closedBytes : baseBytes
    begin()
    directory.deleteHistory(() => {})
  }

  /** CONFIG SET appendonly yes: an error text for the log when no rewrite could be begun. */
  enable(): string | null {
    assert(this.state === 'off', 'it is off')
    const { log, bases } = this.#options
    this.state = 'waiting'
    if (bases.isSaving || this.#rewrite !== null) {
      this.#abandonRewrite()
      this.isScheduled = true
      log.warning(
        'AOF was enabled but there is already another background operation. An AOF background ' +
          'was scheduled to start when possible.',
      )
      return null
    }
    const error = this.startRewrite()
    if (error !== null) this.state = 'off'
    return error
  }

  /** CONFIG SET appendonly no. Brings what was logged to disk first; blocks for that. */
  disable(): void {
    assert(this.state !== 'off', 'it is on')
    const { log, processId } = this.#options
    if (this.#rewrite !== null) log.notice(`Killing running AOF rewrite child: ${processId}`)
    this.#abandonRewrite()
    this.isScheduled = false
    if (this.writer.isOpen) {
      this.flush()
      this.#options.end()
      this.#closeWriter()
    }
    this.state = 'off'
  }

  /** Writes and syncs what was logged, before it returns. False, logged, when that failed. */
  flush(): boolean {
    try {
      if (this.writer.isOpen) this.writer.flushNow()
      return true
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#options.log.warning(`Error writing to the AOF file: ${systemReason(error)}`)
      return false
    }
  }

  /** The server ends: gives up what is under way. */
  abandon(): void {
    this.#abandonRewrite()
  }

  /** A client has ordered a rewrite: earlier failures do not count. */
  noteOrder(): void {
    this.#limit.failures = 0
  }

  /** Begins a rewrite, or says why it cannot. */
  startRewrite(): string | null {
    const { bases, log, clock, processId } = this.#options
    if (this.#rewrite !== null || bases.isSaving) return 'another background operation runs'
    this.isScheduled = false
    try {
      this.#rewrite = this.#prepare()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      log.warning(`Can't begin to rewrite the append only file: ${error.message}`)
      this.#noteFailed(clock.nowMs())
      return error.message
    }
    log.notice(`Background append only file rewriting started by pid ${processId}`)
    this.#announce(this.#rewrite)
    return null
  }

  /** What recurs. */
  cron(): void {
    this.writer.cron()
    const { bases } = this.#options
    if (this.writer.isSuspect && this.state === 'on') this.isScheduled = true
    if (this.#rewrite?.stage === 'queued' && !bases.isSaving) this.#cut(this.#rewrite)
    if (this.#rewrite !== null || bases.isSaving) return
    if (this.isScheduled) {
      if (!this.#limit.holds()) this.startRewrite()
      return
    }
    if (this.state === 'on') this.#rewriteIfGrown()
  }

  #rewriteIfGrown(): void {
    const { settings, log } = this.#options
    const { growthPercent, growthBytesMin } = settings
    if (growthPercent === 0 || this.currentBytes <= growthBytesMin) return
    const growth = Math.floor((this.currentBytes * 100) / Math.max(1, this.baseBytes)) - 100
    if (growth < growthPercent || this.#limit.holds()) return
    log.notice(`Starting automatic rewriting of AOF on ${growth}% growth`)
    this.startRewrite()
  }

  /** A base of the data as it is, which is none: the log begins. Throws StoreError. */
  #makeFirstBase(manifest: Manifest): Manifest {
    const { log, bases } = this.#options
    const base = this.directory.newBase(this.#suffix)
    log.notice(`Creating AOF base file ${base.name} on server start`)
    const error = bases.rewriteNow(this.#sinkOf(base))
    if (error !== null) throw this.directory.failed('create the first base', error)
    return { ...manifest, base }
  }

  get #suffix(): 'rdb' | 'aof' {
    return this.#options.settings.isBaseRdb ? 'rdb' : 'aof'
  }

  #sinkOf(base: AofFile): FileSinkOptions {
    const { settings, processId } = this.#options
    const temporary = `${TEMPORARY_MARK}rewriteaof-bg-${processId}.aof`
    return {
      path: this.directory.pathOf(base.name),
      temporaryPath: this.directory.pathOf(temporary),
      syncsWhileWriting: settings.syncsWhileWriting,
      ...(base.name.endsWith('.aof') && { commandHead: this.#commandHead }),
    }
  }

  /** Makes the file that the log goes to from the cut on. Throws StoreError. */
  #prepare(): Rewrite {
    const { clock } = this.#options
    const { directory } = this
    directory.make()
    const isTemporary = this.state === 'waiting'
    const first = this.state === 'off' ? null : directory.newIncrement()
    if (isTemporary && this.writer.isOpen) {
      // What an earlier try has logged is in the cut that comes now.
      this.#options.end()
      this.#closeWriter()
    }
    let file: PlacedFile | null = null
    if (first !== null) {
      file = directory.open(isTemporary ? this.#temporaryIncrement : first.name)
      file.truncate(0)
    }
    return {
      stage: 'preparing',
      first,
      file,
      isTemporary,
      base: this.directory.newBase(this.#suffix),
      startedMs: clock.nowMs(),
      isAbandoned: false,
    }
  }

  get #temporaryIncrement(): string {
    return `${TEMPORARY_MARK}${this.#options.settings.fileName}.incr`
  }

  /** Has the manifest name the increment before anything goes there. */
  #announce(rewrite: Rewrite): void {
    const { first, isTemporary } = rewrite
    if (first === null || isTemporary) return this.#cut(rewrite)
    const { directory } = this
    this.#options.log.notice(`Creating AOF incr file ${first.name} on background rewrite`)
    directory.persist(
      (manifest) => withIncrement(manifest, first),
      (error) => {
        if (rewrite.isAbandoned) return
        if (error === null) return this.#cut(rewrite)
        this.#fail(rewrite, error.message)
      },
    )
  }

  #cut(rewrite: Rewrite): void {
    rewrite.stage = 'queued'
    const { bases } = this.#options
    if (bases.isSaving) return
    const error = bases.startRewrite({
      file: this.#sinkOf(rewrite.base),
      onCut: () => this.#switch(rewrite),
      onEnd: (failure) => {
        if (failure === null) this.#noteBase(rewrite)
        else this.#fail(rewrite, failure)
      },
    })
    if (error !== null) this.#fail(rewrite, error)
  }

  /** From here on the log goes to the new increment. */
  #switch(rewrite: Rewrite): void {
    rewrite.stage = 'scanning'
    const { file } = rewrite
    if (file === null) return
    this.#closedBytes += this.writer.fileBytes
    this.writer.open(file)
    this.#stampedSeconds = -1
    this.#options.begin()
  }

  /** The base stands under its name, durable. */
  #noteBase(rewrite: Rewrite): void {
    if (rewrite.isAbandoned) return
    rewrite.stage = 'committing'
    this.lastReservePeakBytes = this.#options.bases.lastReservePeakBytes
    const { first, isTemporary, base } = rewrite
    const { directory } = this
    const change = (manifest: Manifest) => {
      const whole = first !== null && isTemporary ? withIncrement(manifest, first) : manifest
      return rewritten(whole, base, first)
    }
    const commit = () => {
      directory.persist(change, (error) => {
        if (rewrite.isAbandoned) return
        if (error === null) this.directory.deleteHistory(() => this.#finish(rewrite))
        else this.#fail(rewrite, error.message)
      })
    }
    if (first === null || !isTemporary) return commit()
    directory.rename(this.#temporaryIncrement, first.name, (error) => {
      if (rewrite.isAbandoned) return
      if (error === null) return commit()
      this.#fail(rewrite, error.message)
    })
  }

  #finish(rewrite: Rewrite): void {
    if (rewrite.isAbandoned) return
    const { log, clock } = this.#options
    this.#rewrite = null
    this.#limit.failures = 0
    this.isLastRewriteOk = true
    this.rewriteCount++
    this.writer.clearSuspicion()
    const durationMs = clock.nowMs() - rewrite.startedMs
    this.lastRewriteSeconds = Math.floor(durationMs / MS_PER_SECOND)
    if (this.state !== 'off') {
      this.#closedBytes = this.directory.sizeOf(this.directory.manifest, rewrite.first)
      this.baseBytes = this.currentBytes
      this.state = 'on'
    }
    log.notice('Background AOF rewrite finished successfully')
  }

  #fail(rewrite: Rewrite, reason: string): void {
    if (rewrite.isAbandoned) return
    const { log } = this.#options
    // Before the cut nothing has gone to the file; after it it is part of the log.
    if (rewrite.stage === 'preparing' || rewrite.stage === 'queued') closeUnused(rewrite.file)
    this.#rewrite = null
    log.warning(`Background AOF rewrite terminated with error: ${reason}`)
    this.#noteFailed(rewrite.startedMs)
  }

  #noteFailed(startedMs: number): void {
    this.isLastRewriteOk = false
    this.#limit.failures++
    const durationMs = this.#options.clock.nowMs() - startedMs
    this.lastRewriteSeconds = Math.floor(durationMs / MS_PER_SECOND)
    // Without a base nothing of what is logged can be loaded.
    if (this.state === 'waiting') this.isScheduled = true
  }

  #abandonRewrite(): void {
    const rewrite = this.#rewrite
    if (rewrite === null) return
    this.#rewrite = null
    rewrite.isAbandoned = true
    if (rewrite.stage === 'preparing' || rewrite.stage === 'queued') closeUnused(rewrite.file)
    if (rewrite.stage === 'scanning') this.#options.bases.abortRewrite()
    if (rewrite.isTemporary) this.directory.unlink(this.#temporaryIncrement)
  }

  #closeWriter(): void {
    this.writer.close()
    this.#closedBytes = 0
    this.#isInUnit = false
  }

  /** What a base of commands begins with. */
  get #commandHead(): string {
    return this.#options.settings.hasTimestamps ? stampOf(this.#seconds) : ''
  }

  get #seconds(): number {
    return Math.floor(this.#options.clock.nowMs() / MS_PER_SECOND)
  }

  /** A line with the time, at most one a second. */
  #stamp(): void {
    const seconds = this.#seconds
    if (seconds === this.#stampedSeconds) return
    this.#stampedSeconds = seconds
    const line = Buffer.from(stampOf(seconds), 'latin1')
    this.writer.append(line, 0, line.length)
  }
}

function stampOf(seconds: number): string {
  return `#TS:${seconds}\r\n`
}

function closeUnused(file: PlacedFile | null): void {
  try {
    file?.close()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}
