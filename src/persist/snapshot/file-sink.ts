// The file a snapshot goes to: written under a temporary name, synced, then renamed over the old
// one and the directory synced: a crash at any instant leaves the old file or the new one, whole.

import { dirname } from 'node:path'
import { assert } from '../../base/assert.ts'
import { abandonFile, type Disk, type DiskFile } from '../../base/disk.ts'

/**
 * Bytes after which writing out begins, so that the last sync has little left. Nobody waits for it:
 * a sync of 32 MiB takes 10 ms, in which a full reserve would hold all writers up.
 */
const SYNC_BYTES = 32 * 1024 * 1024

export interface FileSinkOptions {
  readonly path: string
  readonly temporaryPath: string
  /** `rdb-save-incremental-fsync`. */
  readonly syncsWhileWriting: boolean
  /** The file is to hold commands that make the data, not RDB, behind this text. */
  readonly commandHead?: string
}

export class FileSink {
  readonly #disk: Disk
  readonly #options: FileSinkOptions
  readonly #file: DiskFile
  #unsynced = 0
  #isPrepared = false

  /** Creates the temporary file. Throws StoreError. */
  constructor(disk: Disk, options: FileSinkOptions) {
    this.#disk = disk
    this.#options = options
    this.#file = disk.create(options.temporaryPath)
  }

  readonly write = (bytes: Uint8Array, start: number, length: number): void => {
    assert(!this.#isPrepared, 'a file is written before it is made durable')
    this.#file.write(bytes, start, length)
    this.#unsynced += length
    if (this.#options.syncsWhileWriting && this.#unsynced >= SYNC_BYTES) {
      this.#file.startSync()
      this.#unsynced = 0
    }
  }

  /** Makes the file durable under its temporary name. Throws StoreError. */
  prepare(): void {
    assert(!this.#isPrepared, 'a file is made durable once')
    this.#isPrepared = true
    this.#file.sync()
    this.#file.close()
  }

  /** Gives the file its name. Throws StoreError; then the old file still stands. */
  commit(): void {
    assert(this.#isPrepared, 'only a durable file replaces another')
    this.#disk.rename(this.#options.temporaryPath, this.#options.path)
    this.#disk.syncDirectory(dirname(this.#options.path))
  }

  /** Closes and removes the temporary file; failures are of no use to anybody. */
  discard(): void {
    abandonFile(this.#disk, this.#file)
  }
}
