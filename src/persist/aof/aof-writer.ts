// Brings the log to disk without making the engine wait: what is appended in one turn of the loop
// is written together at its end, by Node's thread pool, and synced there as `appendfsync` says.
//
//   appended ≥ written ≥ synced      positions in the log, bytes since the server's start
//
//   #chunks:  [ on its way ][ waits ] … [ is being filled ]     in the order of the log
//   #parts:   [ old increment ][ increment that is written ]    in the order of the log
//
// One write and one sync are on their way at a time, beside each other. A write carries what has
// gathered while the one before it was on its way, so a slow disk makes writes longer, not more.
// Each has its place in its file; so one that failed is done again, whole, and what a failed write
// left behind is cut off: a file never ends inside of a unit because of a full disk.
//
// When the disk refuses:
//   always        the server ends: it has promised what it cannot keep
//   everysec, no  `failure` says why, writes are refused by whoever asks; the writer tries again
//                 each second and is well as soon as that succeeds
// A sync that fails may have lost what the system held; syncing again does not bring it back. Then
// `isSuspect` asks for a rewrite, which writes everything anew.
// Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { systemReason } from '../../base/disk-error.ts'
import type { PlacedFile } from '../../base/disk-jobs.ts'
import { StoreError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { copySlice, Slice } from '../../base/slice.ts'

export type SyncPolicy = 'always' | 'everysec' | 'no'

/** What held the log up, as LATENCY names it. */
export type WriteEvent =
  | 'aof-write'
  | 'aof-write-alone'
  | 'aof-write-pending-fsync'
  | 'aof-write-active-child'
  | 'aof-fsync-always'

export interface AofWriterOptions {
  readonly clock: Clock
  readonly log: Log
  /** Read anew at each use. */
  readonly settings: {
    readonly syncPolicy: SyncPolicy
    /** Syncs are to wait: a save runs, and `no-appendfsync-on-rewrite`. */
    readonly isSyncHeld: boolean
    /** A save or a rewrite runs. */
    readonly isSnapshotRunning: boolean
  }
  /** `written` or `synced` has moved on. */
  readonly onProgress: () => void
  /** Nothing that was promised can be kept: the server must end. */
  readonly onFatal: () => void
  readonly onDelay: (event: WriteEvent, durationUs: number) => void
}

/** A file of the log and where it stands in it. */
interface Part {
  readonly file: PlacedFile
  /** Position in the log of what was appended to it first, and where in the file that lies. */
  readonly start: number
  readonly offset: number
  /** Position up to which it is written. */
  written: number
  /** Position where the next one begins; infinite for the last. */
  end: number
}

interface Chunk {
  bytes: Uint8Array
  length: number
  readonly part: Part
  /** Position in the log of its first byte. */
  readonly start: number
}

const CHUNK_BYTES = 64 * 1024
/** A buffer that grew beyond this is not kept for the next chunk. */
const KEPT_BYTES = 4 * 1024 * 1024
const RETRY_MS = 1000
const SYNC_INTERVAL_MS = 1000
/** A write that waits so long for the one before it is counted: Redis's rule of two seconds. */
const DELAY_MS = 2000
/** Of the time between two runs of the cron, so much counts as waiting. */
const LOOK_MS_MAX = 200
/** One line in the log about a disk that refuses, each so often. */
const REPORT_INTERVAL_MS = 30_000

export class AofWriter {
  appended = 0
  written = 0
  synced = 0
  /** Times that writes have waited for two seconds for the disk. */
  delayedSyncs = 0
  /** Why the disk refuses writes, in the system's words; '' while it does not. */
  failure = ''
  /** A sync has failed: what the files hold is not to be relied on until all is written anew. */
  isSuspect = false
  /** DEBUG AOF-FLUSH-SLEEP: milliseconds that each write is held back. */
  flushDelayMs = 0
  readonly #options: AofWriterOptions
  readonly #parts: Part[] = []
  readonly #chunks: Chunk[] = []
  #spare: Uint8Array | null = null
  readonly #range = new Slice()
  #isWriting = false
  #isSyncing = false
  /** Tells answers of the pool that are out of date from those that count. */
  #writeNumber = 0
  #syncNumber = 0
  #retryDueMs = 0
  #syncDueMs = 0
  #reportDueMs = 0
  #hangingMs = 0
  #lookedMs = 0
  #isDelayCounted = false
  #hasSyncFailed = false
  #hasWriteFailed = false
  #isEnded = false
  #turn: Timer | null = null
  readonly #onTurnEnd = () => {
    this.#turn = null
    this.submit()
  }

  constructor(options: AofWriterOptions) {
    this.#options = options
  }

  /** Whether there is a file to write to. */
  get isOpen(): boolean {
    return this.#parts.length > 0
  }

  /** Position up to which the policy's promise is kept: what lies before may be acknowledged. */
  get settled(): number {
    const { syncPolicy, isSyncHeld } = this.#options.settings
    if (syncPolicy !== 'always') return this.appended
    return isSyncHeld ? this.written : this.synced
  }

  /** Bytes that are not written yet. */
  get bufferedBytes(): number {
    return this.appended - this.written
  }

  /** Memory of the buffers. */
  get heldBytes(): number {
    let bytes = this.#spare?.length ?? 0
    for (const chunk of this.#chunks) bytes += chunk.bytes.length
    return bytes
  }

  get pendingSyncs(): number {
    return this.#isSyncing ? 1 : 0
  }

  /**
   * Milliseconds that the write on its way has taken; 0 without one. Time in which the engine did
   * not run does not count: the answer may have been there.
   */
  get waitingMs(): number {
    return this.#isWriting ? this.#hangingMs : 0
  }

  /** The size that the present file has or will have. */
  get fileBytes(): number {
    const part = this.#parts.at(-1)
    return part === undefined ? 0 : part.offset + this.appended - part.start
  }

  /** What is appended from now on goes to the end of `file`. What was before goes to its own. */
  open(file: PlacedFile): void {
    const last = this.#parts.at(-1)
    if (last !== undefined) last.end = this.appended
    const offset = file.size()
    this.#parts.push({
      file,
      start: this.appended,
      offset,
      written: this.appended,
      end: Number.POSITIVE_INFINITY,
    })
    this.submit()
    this.#retire()
  }

  /** Takes over a copy of bytes; they go out at the end of the turn. */
  append(bytes: Uint8Array, start: number, length: number): void {
    assert(length > 0, 'a unit has bytes')
    const chunk = this.#chunkFor(length)
    copySlice(this.#range.set(bytes, start, length), chunk.bytes, chunk.length)
    chunk.length += length
    this.appended += length
    this.#turn ??= this.#options.clock.soon(this.#onTurnEnd)
  }

  /** Writes what has gathered, unless a write is on its way. */
  submit(): void {
    const [chunk] = this.#chunks
    if (this.#isWriting || this.#isEnded || chunk === undefined) return
    const { clock } = this.#options
    if (this.#hasWriteFailed && clock.nowMs() < this.#retryDueMs) return
    this.#isWriting = true
    this.#isDelayCounted = false
    this.#hangingMs = 0
    this.#lookedMs = clock.nowMs()
    const number = ++this.#writeNumber
    if (this.flushDelayMs === 0) return this.#write(chunk, number)
    clock.after(this.flushDelayMs, () => {
      if (number === this.#writeNumber) this.#write(chunk, number)
    })
  }

  #write(chunk: Chunk, number: number): void {
    const { clock } = this.#options
    const beganUs = clock.monotonicUs()
    const wasSyncing = this.#isSyncing
    // What is appended meanwhile belongs to the next chunk.
    const { length } = chunk
    chunk.part.file.beginWrite(this.#placement(chunk), (error) => {
      if (number !== this.#writeNumber) return
      this.#isWriting = false
      this.#noteWriteTime(clock.monotonicUs() - beganUs, wasSyncing)
      assert(chunk.length === length, 'a chunk on its way does not grow')
      if (error === null) this.#noteWritten(chunk)
      else this.#noteFailure(chunk, error)
    })
  }

  /** What recurs: syncs each second, tries again what has failed. */
  cron(): void {
    if (this.#isEnded || this.#parts.length === 0) return
    this.#noteDelay()
    this.submit()
    this.#syncAsPolicy()
  }

  /**
   * Writes all that was appended, and syncs it, before it returns; also what hangs on its way.
   * Throws StoreError.
   */
  flushNow(): void {
    this.#turn?.stop()
    this.#turn = null
    this.#writeNumber++
    this.#isWriting = false
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      chunk.part.file.writeAt(this.#placement(chunk))
      this.#noteChunk(chunk)
    }
    this.#syncNumber++
    this.#isSyncing = false
    for (const part of this.#parts) if (part.written > this.synced) part.file.sync()
    this.#noteSynced(this.written)
    this.#options.onProgress()
  }

  /** Ends writing; what was appended and not flushed is lost. */
  close(): void {
    this.#turn?.stop()
    this.#turn = null
    this.#writeNumber++
    this.#syncNumber++
    this.#isWriting = false
    this.#isSyncing = false
    for (const { file } of this.#parts.splice(0)) closeQuietly(file)
    this.#chunks.length = 0
    this.written = this.appended
    this.synced = this.appended
    this.failure = ''
    this.#hasWriteFailed = false
    this.#hasSyncFailed = false
    this.#options.onProgress()
  }

  /** Everything is written anew: an earlier sync that failed is of no account any more. */
  clearSuspicion(): void {
    this.isSuspect = false
  }

  /** The chunk that takes `length` more bytes. */
  #chunkFor(length: number): Chunk {
    const part = this.#parts.at(-1)
    assert(part !== undefined, 'there is a file')
    const last = this.#chunks.at(-1)
    const isUsable =
      last !== undefined && last.part === part && !(this.#isWriting && this.#chunks.length === 1)
    if (isUsable) {
      if (last.length + length > last.bytes.length) {
        const grown = new Uint8Array(Math.max(2 * last.bytes.length, last.length + length))
        grown.set(last.bytes.subarray(0, last.length))
        last.bytes = grown
      }
      return last
    }
    const spare = this.#spare
    this.#spare = null
    const bytes =
      spare !== null && spare.length >= length
        ? spare
        : new Uint8Array(Math.max(CHUNK_BYTES, length))
    const chunk: Chunk = { bytes, length: 0, part, start: this.appended }
    this.#chunks.push(chunk)
    return chunk
  }

  #placement({ bytes, length, part, start }: Chunk) {
    return { bytes, start: 0, length, position: part.offset + start - part.start }
  }

  #noteWritten(chunk: Chunk): void {
    this.#noteChunk(chunk)
    if (chunk.bytes.length <= KEPT_BYTES) this.#spare = chunk.bytes
    if (this.#hasWriteFailed) {
      this.#hasWriteFailed = false
      this.#options.log.warning('AOF write error looks solved, the server can write again.')
    }
    this.#updateFailure('')
    this.#syncAsPolicy()
    this.#options.onProgress()
    this.submit()
  }

  /** The first chunk is in its file. */
  #noteChunk(chunk: Chunk): void {
    assert(this.#chunks[0] === chunk, 'chunks are written in their order')
    this.#chunks.shift()
    this.written = chunk.start + chunk.length
    chunk.part.written = this.written
    this.#retire()
  }

  /** A write has failed: leaves the file as it was before it. */
  #noteFailure(chunk: Chunk, error: StoreError): void {
    const { log, clock, settings } = this.#options
    const reason = systemReason(error)
    const isNew = !this.#hasWriteFailed
    this.#hasWriteFailed = true
    this.#retryDueMs = clock.nowMs() + RETRY_MS
    if (isNew || clock.nowMs() >= this.#reportDueMs) {
      this.#reportDueMs = clock.nowMs() + REPORT_INTERVAL_MS
      log.warning(`Error writing to the AOF file: ${reason} (${error.message})`)
    }
    this.#cutOff(chunk)
    if (settings.syncPolicy === 'always') {
      log.warning(
        "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...",
      )
      return this.#end()
    }
    this.#updateFailure(reason)
  }

  /** Removes what a failed write may have left at the end of its file. */
  #cutOff(chunk: Chunk): void {
    const { file } = chunk.part
    const { position } = this.#placement(chunk)
    try {
      if (file.size() > position) file.truncate(position)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#options.log.warning(
        `Could not remove short write from the append-only file: ${systemReason(error)}. ` +
          'The server may refuse to load the AOF the next time it starts.',
      )
    }
  }

  #syncAsPolicy(): void {
    const { syncPolicy, isSyncHeld } = this.#options.settings
    if (syncPolicy === 'always' && !isSyncHeld) this.#sync()
    else this.#syncIfDue()
  }

  #syncIfDue(): void {
    const { settings, clock } = this.#options
    if (settings.syncPolicy === 'no' && !this.#hasRetired && !this.#hasSyncFailed) return
    const nowMs = clock.nowMs()
    if (nowMs < this.#syncDueMs || settings.isSyncHeld) return
    this.#sync()
  }

  /** Whether a file before the last one waits to be synced and closed. */
  get #hasRetired(): boolean {
    return this.#parts.length > 1
  }

  /** Begins to sync the oldest file that needs it, unless a sync is on its way. */
  #sync(): void {
    if (this.#isSyncing || this.#isEnded) return
    const part = this.#parts.find(({ end }) => end > this.synced)
    if (part === undefined || part.written <= this.synced) return
    const { clock } = this.#options
    this.#isSyncing = true
    this.#syncDueMs = clock.nowMs() + SYNC_INTERVAL_MS
    const number = ++this.#syncNumber
    const target = part.written
    const beganUs = clock.monotonicUs()
    part.file.beginSync((error) => {
      if (number !== this.#syncNumber) return
      this.#isSyncing = false
      if (this.#options.settings.syncPolicy === 'always') {
        this.#options.onDelay('aof-fsync-always', clock.monotonicUs() - beganUs)
      }
      if (error === null) this.#noteSyncEnd(target)
      else this.#noteSyncFailure(error)
    })
  }

  #noteSyncEnd(target: number): void {
    this.#hasSyncFailed = false
    this.#noteSynced(target)
    this.#updateFailure('')
    // With `always` somebody waits for what was written meanwhile.
    const isWaiting = this.#options.settings.syncPolicy === 'always' && this.written > this.synced
    if (isWaiting || this.#hasRetired) this.#sync()
    this.#options.onProgress()
  }

  #noteSynced(target: number): void {
    this.synced = Math.max(this.synced, target)
    this.#retire()
  }

  #noteSyncFailure(error: StoreError): void {
    const { log, settings } = this.#options
    const reason = systemReason(error)
    if (settings.syncPolicy === 'always') {
      log.warning(
        `Can't persist AOF for fsync error when the AOF fsync policy is 'always': ${reason}. ` +
          'Exiting...',
      )
      return this.#end()
    }
    if (!this.#hasSyncFailed) log.warning(`Fail to fsync the AOF file: ${reason}`)
    this.#hasSyncFailed = true
    this.isSuspect = true
    this.#updateFailure(reason)
  }

  /** Closes files whose last byte is durable and that get no more. */
  #retire(): void {
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      const isDone = this.#parts.length > 1 && part.written === part.end
      if (!isDone || this.synced < part.end) return
      this.#parts.shift()
      closeQuietly(part.file)
    }
  }

  /** Takes notice of why the disk refuses, or, with '', that one of two has succeeded. */
  #updateFailure(reason: string): void {
    if (reason !== '') this.failure = reason
    else if (!this.#hasWriteFailed && !this.#hasSyncFailed) this.failure = ''
  }

  #noteWriteTime(durationUs: number, wasSyncing: boolean): void {
    const { onDelay, settings } = this.#options
    const isActive = settings.isSnapshotRunning
    const beside = isActive ? 'aof-write-active-child' : 'aof-write-alone'
    onDelay(wasSyncing ? 'aof-write-pending-fsync' : beside, durationUs)
    onDelay('aof-write', durationUs)
  }

  /** Counts writes that wait for one that hangs. */
  #noteDelay(): void {
    if (!this.#isWriting) return
    const nowMs = this.#options.clock.nowMs()
    this.#hangingMs += Math.min(nowMs - this.#lookedMs, LOOK_MS_MAX)
    this.#lookedMs = nowMs
    if (this.#isDelayCounted || this.#hangingMs < DELAY_MS) return
    this.#isDelayCounted = true
    this.delayedSyncs++
    this.#options.log.notice(
      'Asynchronous AOF fsync is taking too long (disk is busy?). Writes to the AOF wait for it, ' +
        'this may slow down the server.',
    )
  }

  #end(): void {
    this.#isEnded = true
    this.#options.onFatal()
  }
}

/** What fails at closing a file that is synced, or given up, is of no more use. */
function closeQuietly(file: PlacedFile): void {
  try {
    file.close()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}
