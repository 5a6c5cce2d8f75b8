// The directory of an append only file and the manifest in it: what is done to whole files. A new
// manifest counts when it is durable. When that fails nobody knows which of the two a start would
// find, so both must stay true: a name that the new one gave is not given again, and its file stays
// until a later manifest is durable, of whose history it then is.
// Owner: the engine.

import { join } from 'node:path'
import { type Disk, replaceFile } from '../../base/disk.ts'
import { systemReason } from '../../base/disk-error.ts'
import type { DiskDone, PlacedFile } from '../../base/disk-jobs.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import {
  type AofFile,
  EMPTY_MANIFEST,
  formatManifest,
  loadedFiles,
  type Manifest,
  manifestName,
  nextBase,
  nextIncrement,
  parseManifest,
  temporaryManifestName,
} from './manifest.ts'

export interface AofDirectoryOptions {
  readonly disk: Disk
  readonly log: Log
  readonly settings: {
    readonly directory: string
    readonly parentDirectory: string
    readonly fileName: string
    /** `aof-disable-auto-gc`. */
    readonly keepsHistory: boolean
  }
}

export class AofDirectory {
  manifest: Manifest = EMPTY_MANIFEST
  readonly #options: AofDirectoryOptions
  /** Changes of the manifest that wait for the one that is on its way to disk. */
  readonly #waiting: (() => void)[] = []
  #isPersisting = false
  /** Files of manifests of which nobody knows whether they are on disk. */
  #doubtful: readonly AofFile[] = []
  /** Numbers that were given out with them. */
  #baseSeqMax = 0
  #incrementSeqMax = 0

  constructor(options: AofDirectoryOptions) {
    this.#options = options
  }

  pathOf(name: string): string {
    return join(this.#options.settings.directory, name)
  }

  /** The base that takes the place of the present one. */
  newBase(suffix: 'rdb' | 'aof'): AofFile {
    const { fileName } = this.#options.settings
    return nextBase(this.manifest, { fileName, suffix, above: this.#baseSeqMax })
  }

  /** The increment that comes behind all others. */
  newIncrement(): AofFile {
    const { fileName } = this.#options.settings
    return nextIncrement(this.manifest, { fileName, above: this.#incrementSeqMax })
  }

  /** Creates the directory, if it is missing. Throws StoreError. */
  make(): void {
    const { disk, settings } = this.#options
    const { directory } = settings
    try {
      if (disk.exists(directory)) return
      disk.makeDirectory(directory)
      disk.syncDirectory(settings.parentDirectory)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      const reason = systemReason(error)
      throw this.failed(`open or create append-only dir ${directory}`, reason)
    }
  }

  /** Reads the manifest, if there is one. Throws StoreError. */
  read(): void {
    const { disk, settings } = this.#options
    const path = this.pathOf(manifestName(settings.fileName))
    this.manifest = disk.exists(path) ? parseManifest(disk.readText(path), path) : EMPTY_MANIFEST
  }

  /**
   * Makes the one file of an older server the base, as Redis does: a manifest that names it, then
   * it moves into the directory. A crash in between is met by the same again. Throws StoreError.
   */
  upgrade(): void {
    const { disk, settings, log } = this.#options
    const { directory, parentDirectory, fileName } = settings
    const old = join(parentDirectory, fileName)
    if (!disk.exists(old) || !this.#isUpgradeDue()) return
    this.make()
    this.persistNow({ ...EMPTY_MANIFEST, base: { name: fileName, seq: 1 } })
    disk.rename(old, this.pathOf(fileName))
    disk.syncDirectory(directory)
    log.notice(
      `Successfully migrated an old-style AOF configuration (${fileName}) into the AOF ` +
        `directory (${directory}).`,
    )
  }

  /** Brings a manifest, and the files it names, to disk before it returns. Throws StoreError. */
  persistNow(manifest: Manifest): void {
    const { disk, settings } = this.#options
    disk.syncDirectory(settings.directory)
    const path = this.pathOf(manifestName(settings.fileName))
    replaceFile(disk, path, formatManifest(manifest), this.#temporaryPath)
    this.manifest = manifest
  }

  /**
   * Changes the manifest, and brings it to disk without waiting; `change` is called when the one
   * before it is there.
   */
  persist(change: (manifest: Manifest) => Manifest, done: DiskDone): void {
    if (this.#isPersisting) {
      this.#waiting.push(() => this.persist(change, done))
      return
    }
    const { disk, settings } = this.#options
    this.#isPersisting = true
    const doubtful = this.#doubtful
    const changed = change(this.manifest)
    const manifest = { ...changed, history: [...changed.history, ...doubtful] }
    const path = this.pathOf(manifestName(settings.fileName))
    const bytes = formatManifest(manifest)
    disk.begin({ kind: 'replace', path, temporaryPath: this.#temporaryPath, bytes }, (error) => {
      this.#isPersisting = false
      if (error === null) {
        this.manifest = manifest
        this.#doubtful = []
      } else this.#doubt(manifest)
      done(error)
      this.#waiting.shift()?.()
    })
  }

  /** Opens a file for writing; creates it, if need be. Throws StoreError. */
  open(name: string): PlacedFile {
    return this.#options.disk.openPlaced(this.pathOf(name))
  }

  rename(from: string, to: string, done: DiskDone): void {
    const { disk } = this.#options
    disk.begin({ kind: 'rename', from: this.pathOf(from), to: this.pathOf(to) }, done)
  }

  /** Removes a file in the background; one that cannot be removed stays. */
  unlink(name: string): void {
    const { disk, log } = this.#options
    disk.begin({ kind: 'unlink', path: this.pathOf(name) }, (error) => {
      if (error !== null) log.warning(`Can't remove ${name}: ${error.message}`)
    })
  }

  /** Removes what is no longer needed, and its names from the manifest. */
  deleteHistory(done: () => void): void {
    const { log, settings } = this.#options
    const { history } = this.manifest
    if (history.length === 0 || settings.keepsHistory) return done()
    for (const { name } of history) {
      log.notice(`Removing the history file ${name} in the background`)
      this.unlink(name)
    }
    const forget = (manifest: Manifest) => ({
      ...manifest,
      history: manifest.history.filter((file) => !history.includes(file)),
    })
    this.persist(forget, (error) => {
      if (error !== null) log.warning(`Can't write the AOF manifest: ${error.message}`)
      done()
    })
  }

  /** Bytes of the files that are loaded, `except` one. A file that is missing is no error here. */
  sizeOf(manifest: Manifest, except: AofFile | null = null): number {
    let bytes = 0
    for (const file of loadedFiles(manifest)) {
      if (file.name !== except?.name) bytes += this.#fileBytes(file.name)
    }
    return bytes
  }

  failed(what: string, reason: string): StoreError {
    return new StoreError(ErrorCode.DiskFailed, `Can't ${what}: ${reason}`)
  }

  /** The manifest may be on disk or not. */
  #doubt(manifest: Manifest): void {
    const { base, increments } = manifest
    const known = loadedFiles(this.manifest)
    const fresh = loadedFiles(manifest).filter((file) => !known.includes(file))
    this.#doubtful = [...this.#doubtful, ...fresh]
    this.#baseSeqMax = Math.max(this.#baseSeqMax, base?.seq ?? 0)
    this.#incrementSeqMax = Math.max(this.#incrementSeqMax, increments.at(-1)?.seq ?? 0)
  }

  get #temporaryPath(): string {
    return this.pathOf(temporaryManifestName(this.#options.settings.fileName))
  }

  #fileBytes(name: string): number {
    try {
      return this.#options.disk.stat(this.pathOf(name))?.size ?? 0
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return 0
    }
  }

  /** Whether the file of an older server is all there is, or was on its way here. */
  #isUpgradeDue(): boolean {
    const { disk, settings } = this.#options
    const { base, increments } = this.manifest
    if (!disk.exists(settings.directory)) return true
    if (increments.length > 0) return false
    if (base === null) return true
    return base.name === settings.fileName && !disk.exists(this.pathOf(base.name))
  }
}
