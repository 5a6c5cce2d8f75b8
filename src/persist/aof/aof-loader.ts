// Loads an append only file into the keyspace, in steps, as loader.ts does an RDB file: the base,
// then each increment, in the order of the manifest. Only the last file may end inside of a command
// or a transaction, as a crash leaves it, and only with `aof-load-truncated`: then it is cut off
// behind the last whole one. All else that is wrong ends the load with an error that names file,
// offset and what repairs it; nothing of it may be served then.
// Owner: the engine.

import { join } from 'node:path'
import { assert, fail } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import type { Disk, DiskFile } from '../../base/disk.ts'
import { systemReason } from '../../base/disk-error.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { Args } from '../../resp/args.ts'
import type { ReplyError } from '../../resp/replies.ts'
import type { RdbLoader } from '../loader.ts'
import { AofRead, AofReader } from './aof-reader.ts'
import { type AofFile, loadedFiles, type Manifest } from './manifest.ts'

/** Runs the commands of a file. */
export interface AofReplayer {
  /** The error that a command has replied, or null. `args` are borrowed. */
  run(args: Args): ReplyError | null
  /** Inside of MULTI: what was run last is not whole yet. */
  readonly isInTransaction: boolean
  /** Forgets a transaction that has not come to its EXEC. */
  abandon(): void
}

export interface AofLoaderOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly directory: string
  readonly manifest: Manifest
  readonly replayer: AofReplayer
  /** What `run` answers to a command that there is not. */
  readonly unknown: ReplyError
  /** Opens an RDB stream at the beginning of a file, behind which commands may stand. */
  readonly openRdb: (path: string) => RdbLoader
  /** `aof-load-truncated`. */
  readonly mayBeTruncated: boolean
}

const BUFFER_BYTES = 1024 * 1024
const US_PER_SECOND = 1_000_000
/** So many commands that reply errors are named. */
const ERRORS_NAMED_MAX = 10
const NAME_LENGTH_MAX = 128
const REPAIR = 'make a backup of your AOF file, then use ./tidemark check-aof --fix <manifest>'

/** The file that is being loaded. */
interface Current {
  readonly info: AofFile
  readonly path: string
  readonly file: DiskFile
  readonly startUs: number
  /** Bytes of the files before it. */
  readonly before: number
}

export class AofLoader {
  totalBytes = 0
  /** Bytes of the base; 0 when there is none. */
  baseBytes = 0
  /** Commands that were run. */
  commandCount = 0
  readonly #options: AofLoaderOptions
  readonly #files: readonly AofFile[]
  readonly #reader = new AofReader(BUFFER_BYTES)
  readonly #args = new Args()
  readonly #startUs: number
  #next = 0
  #current: Current | null = null
  #rdb: RdbLoader | null = null
  /** Behind the last command or transaction that was whole. */
  #wholeEnd = 0
  #doneBytes = 0
  #rdbKeys = 0
  #rdbUsedBytes = 0
  #errorCount = 0

  /** Looks at the sizes of the files. Throws StoreError when one is missing. */
  constructor(options: AofLoaderOptions) {
    this.#options = options
    this.#files = loadedFiles(options.manifest)
    this.#startUs = options.clock.monotonicUs()
    for (const file of this.#files) {
      const bytes = this.#sizeOf(file)
      this.totalBytes += bytes
      if (file === options.manifest.base) this.baseBytes = bytes
    }
  }

  get path(): string {
    return this.#current?.path ?? this.#options.directory
  }

  get loadedBytes(): number {
    const current = this.#current
    if (current === null) return this.#doneBytes
    return current.before + (this.#rdb?.loadedBytes ?? this.#reader.wholeEnd)
  }

  /** What INFO and the log show of the progress. */
  get keysLoaded(): number {
    return this.#rdbKeys + (this.#rdb?.keysLoaded ?? 0) + this.commandCount
  }

  get usedBytesAtSave(): number {
    return this.#rdb?.usedBytesAtSave ?? this.#rdbUsedBytes
  }

  /** Reads about `bytes` more; true while there is more. Throws StoreError; then call `close`. */
  step(bytes: number): boolean {
    assert(bytes > 0, 'a step reads something')
    // Nothing at all is no error: the log has just begun.
    if (this.totalBytes === 0) return false
    const limit = this.loadedBytes + bytes
    while (this.loadedBytes < limit) {
      if (this.#current === null) {
        if (this.#next === this.#files.length) return this.#end()
        this.#open(this.#files[this.#next++]!)
      }
      if (this.#rdb !== null) this.#stepRdb(this.#rdb, limit - this.loadedBytes)
      else this.#stepCommands(limit)
    }
    return true
  }

  /** Idempotent. */
  close(): void {
    this.#rdb?.close()
    this.#rdb = null
    this.#closeFile()
  }

  get #name(): string {
    return this.#current?.info.name ?? fail('a file is being loaded')
  }

  get #isLast(): boolean {
    return this.#next === this.#files.length
  }

  #end(): false {
    const { log, clock } = this.#options
    const seconds = (clock.monotonicUs() - this.#startUs) / US_PER_SECOND
    log.notice(`DB loaded from append only file: ${seconds.toFixed(3)} seconds`)
    return false
  }

  #open(info: AofFile): void {
    const { disk, clock, directory, replayer } = this.#options
    const path = join(directory, info.name)
    const file = disk.openRead(path)
    const startUs = clock.monotonicUs()
    this.#current = { info, path, file, startUs, before: this.#doneBytes }
    this.#reader.open(file)
    this.#wholeEnd = 0
    // Each file selects its databases by itself.
    replayer.run(SELECT_0)
  }

  /** Reads on in an RDB stream, which has a file of its own; then the commands behind it. */
  #stepRdb(rdb: RdbLoader, bytes: number): void {
    try {
      if (rdb.step(bytes)) return
    } catch (error) {
      this.#options.log.warning(
        `Error reading the RDB preamble of the AOF file ${this.#name}, AOF loading aborted`,
      )
      throw error
    }
    this.#rdbKeys += rdb.keysLoaded
    this.#rdbUsedBytes = rdb.usedBytesAtSave
    this.#wholeEnd = rdb.loadedBytes
    this.#rdb = null
    const current = this.#current ?? fail('a file is being loaded')
    this.#reader.open(current.file, this.#wholeEnd)
    if (this.#wholeEnd < this.#reader.size) {
      this.#options.log.notice('Reading the remaining AOF tail...')
    }
  }

  #stepCommands(limit: number): void {
    const reader = this.#reader
    const { replayer } = this.#options
    const before = this.#current?.before ?? 0
    while (before + reader.wholeEnd < limit) {
      switch (reader.next(this.#args)) {
        case AofRead.Command:
          this.#run()
          if (!replayer.isInTransaction) this.#wholeEnd = reader.wholeEnd
          break
        case AofRead.Annotation:
          if (!replayer.isInTransaction) this.#wholeEnd = reader.wholeEnd
          break
        case AofRead.Preamble:
          return this.#openRdb()
        case AofRead.End:
          if (!replayer.isInTransaction) return this.#finishFile()
          this.#options.log.warning(
            `Revert incomplete MULTI/EXEC transaction from AOF file ${this.#name}`,
          )
          return this.#meetEnd()
        case AofRead.Truncated:
          return this.#meetEnd()
        case AofRead.Damaged:
          throw this.#damaged()
      }
    }
  }

  #openRdb(): void {
    const { log, openRdb } = this.#options
    const isBase = this.#current?.info === this.#options.manifest.base
    const { path } = this.#current ?? fail('a file is being loaded')
    if (isBase && this.#name.endsWith('.rdb')) log.notice('Reading RDB base file on AOF loading...')
    else log.notice('Reading RDB preamble from AOF file...')
    this.#rdb = openRdb(path)
  }

  #run(): void {
    const { replayer, unknown, log } = this.#options
    const args = this.#args
    const error = replayer.run(args)
    this.commandCount++
    if (error === null) return
    const name = args.count > 0 ? args.head(0, NAME_LENGTH_MAX) : ''
    if (error === unknown) {
      throw this.#corrupt(
        `Unknown command '${name}' reading the append only file ${this.#name}`,
        `byte ${this.#reader.commandStart}`,
      )
    }
    if (this.#errorCount++ >= ERRORS_NAMED_MAX) return
    log.warning(
      '== CRITICAL == This AOF-loading-client is sending an error to its AOF-loading-server: ' +
        `'${error.message}' after processing the command '${name}' ` +
        `(byte ${this.#reader.commandStart} of ${this.#name})`,
    )
  }

  /** The file ends inside of a command or a transaction. */
  #meetEnd(): void {
    const { log, mayBeTruncated, replayer } = this.#options
    const at = this.#wholeEnd
    const rest = this.#reader.size - at
    replayer.abandon()
    if (!this.#isLast) {
      throw this.#truncated('Fatal error: the truncated file is not the last file')
    }
    if (!mayBeTruncated) {
      throw this.#truncated(
        `Unexpected end of file reading the append only file ${this.#name}. You can set ` +
          "'aof-load-truncated' to yes and restart the server, or",
      )
    }
    log.warning(`!!! Warning: short read while loading the AOF file ${this.#name}!!!`)
    log.warning(`Truncating the AOF ${this.#name} at offset ${at}, ${rest} bytes are dropped`)
    this.#cutOff(at)
    log.warning(`AOF ${this.#name} loaded anyway because aof-load-truncated is enabled`)
    this.#finishFile()
  }

  #cutOff(length: number): void {
    const file = this.#options.disk.openPlaced(this.path)
    try {
      file.truncate(length)
      file.sync()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#options.log.warning(`Error truncating the AOF file: ${systemReason(error)}`)
      throw error
    } finally {
      file.close()
    }
  }

  #finishFile(): void {
    const { log, clock, manifest } = this.#options
    const current = this.#current ?? fail('a file is being loaded')
    const { info, startUs, before } = current
    const seconds = (clock.monotonicUs() - startUs) / US_PER_SECOND
    const what = info === manifest.base ? 'base' : 'incr'
    this.#doneBytes = before + this.#reader.size
    this.#closeFile()
    log.notice(`DB loaded from ${what} file ${info.name}: ${seconds.toFixed(3)} seconds`)
  }

  #closeFile(): void {
    this.#reader.close()
    const current = this.#current
    this.#current = null
    try {
      current?.file.close()
    } catch (error) {
      // It was only read.
      if (!(error instanceof StoreError)) throw error
    }
  }

  #sizeOf({ name }: AofFile): number {
    const { disk, directory } = this.#options
    const path = join(directory, name)
    const found = disk.stat(path)
    if (found !== null) return found.size
    throw new StoreError(
      ErrorCode.AofCorrupt,
      `Unable to obtain the AOF file ${name} length. stat: No such file or directory: ${path} is ` +
        'missing, expected as the manifest names it; bring it back from a backup, or remove its ' +
        'line from the manifest if what it held may be lost',
    )
  }

  #damaged(): StoreError {
    const { reason, badOffset } = this.#reader
    return this.#corrupt(
      `Bad file format reading the append only file ${this.#name}`,
      `byte ${badOffset}: ${reason}; whole up to byte ${this.#wholeEnd}`,
    )
  }

  #corrupt(what: string, where: string): StoreError {
    return new StoreError(ErrorCode.AofCorrupt, `${what}: ${REPAIR} (${this.path}, ${where})`)
  }

  #truncated(what: string): StoreError {
    const where = `whole up to byte ${this.#wholeEnd} of ${this.#reader.size}`
    return new StoreError(ErrorCode.AofTruncated, `${what} ${REPAIR} (${this.path}, ${where})`)
  }
}

const SELECT_0 = Args.of('SELECT', '0')
