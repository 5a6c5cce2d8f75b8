// The only door to files. Calls are synchronous: they run on the snapshot thread, or on the engine
// where Redis blocks as well (SAVE, loading, SHUTDOWN); what the engine needs without waiting has a
// name with `begin` and is done by Node's thread pool (disk-jobs.ts). Failures are `StoreError`s
// with code DISK_FAILED, a message that names the call, the path and the system's code, and the
// system's error as `cause` (its `code` is ENOSPC, EIO, …). Tests hand in a `FakeDisk`, which fails
// where it is told to and forgets unsynced writes in a crash.

import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { diskCall } from './disk-error.ts'
import {
  type DiskDone,
  type DiskJob,
  type PlacedFile,
  runJob,
  SystemPlacedFile,
} from './disk-jobs.ts'
import { StoreError } from './errors.ts'

export { diskCall, systemCode } from './disk-error.ts'

export interface Disk {
  /** Opens an existing file for reading. */
  openRead(path: string): DiskFile
  /** Creates or empties a file for writing. */
  create(path: string, mode?: number): DiskFile
  /** Opens for appending; creates the file if need be. */
  openAppend(path: string, mode?: number): DiskFile
  rename(from: string, to: string): void
  /** Removes a file; a missing one is no error. */
  unlink(path: string): void
  exists(path: string): boolean
  /** Size in bytes, whether it is a directory, or null when there is nothing at `path`. */
  stat(path: string): { size: number; isDirectory: boolean; modifiedMs: number } | null
  /** Names in a directory. */
  list(path: string): string[]
  makeDirectory(path: string): void
  /** Makes renames and creations inside the directory durable. */
  syncDirectory(path: string): void
  /** A small file whole, as text. */
  readText(path: string): string
  /** Opens for writing at given places, keeps what is there; creates the file if need be. */
  openPlaced(path: string, mode?: number): PlacedFile
  /** Does something to whole files without waiting. `done` may be called before this returns. */
  begin(job: DiskJob, done: DiskDone): void
}

export interface DiskFile {
  readonly path: string
  size(): number
  /** Bytes read into `bytes[start, start + length)` from `position`; 0 at the end of the file. */
  read(bytes: Uint8Array, start: number, length: number, position: number): number
  /** Writes all of the range at the current end; a short write is continued, not returned. */
  write(bytes: Uint8Array, start: number, length: number): void
  sync(): void
  /**
   * Begins to write out what was written so far, without waiting, so that a later `sync` has less
   * to do. Says nothing of failures: those are `sync`'s.
   */
  startSync(): void
  /** Idempotent; the file is closed even if this fails. */
  close(): void
}

class SystemFile implements DiskFile {
  readonly path: string
  #descriptor: number
  /** A second descriptor for `startSync`: an error it meets stays unreported on the first one. */
  #flusher = -1
  #flushes = 0

  constructor(path: string, flags: string, mode: number) {
    this.path = path
    this.#descriptor = diskCall('open', path, () => fs.openSync(path, flags, mode))
  }

  size(): number {
    return diskCall('stat', this.path, () => fs.fstatSync(this.#descriptor).size)
  }

  read(bytes: Uint8Array, start: number, length: number, position: number): number {
    return diskCall('read', this.path, () =>
      fs.readSync(this.#descriptor, bytes, start, length, position),
    )
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    let done = 0
    while (done < length) {
      done += diskCall('write', this.path, () =>
        fs.writeSync(this.#descriptor, bytes, start + done, length - done),
      )
    }
  }

  sync(): void {
    diskCall('fsync', this.path, () => fs.fsyncSync(this.#descriptor))
  }

  startSync(): void {
    if (this.#flusher < 0) {
      this.#flusher = diskCall('open', this.path, () => fs.openSync(this.path, 'r'))
    }
    // More than one at a time would only take the pool from others.
    if (this.#flushes > 0) return
    this.#flushes++
    fs.fdatasync(this.#flusher, () => {
      this.#flushes--
      this.#closeFlusher()
    })
  }

  close(): void {
    if (this.#descriptor < 0) return
    const descriptor = this.#descriptor
    this.#descriptor = -1
    this.#closeFlusher()
    diskCall('close', this.path, () => fs.closeSync(descriptor))
  }

  /** Closes the second descriptor when nobody needs it any more. */
  #closeFlusher(): void {
    if (this.#flusher < 0 || this.#flushes > 0 || this.#descriptor >= 0) return
    fs.closeSync(this.#flusher)
    this.#flusher = -1
  }
}

/** The machine's file system. */
export class SystemDisk implements Disk {
  openRead(path: string): DiskFile {
    return new SystemFile(path, 'r', 0o644)
  }

  create(path: string, mode = 0o644): DiskFile {
    return new SystemFile(path, 'w', mode)
  }

  openAppend(path: string, mode = 0o644): DiskFile {
    return new SystemFile(path, 'a', mode)
  }

  rename(from: string, to: string): void {
    diskCall('rename', `${from} to ${to}`, () => fs.renameSync(from, to))
  }

  unlink(path: string): void {
    diskCall('unlink', path, () => fs.rmSync(path, { force: true }))
  }

  exists(path: string): boolean {
    return fs.existsSync(path)
  }

  stat(path: string): { size: number; isDirectory: boolean; modifiedMs: number } | null {
    const found = diskCall('stat', path, () => fs.statSync(path, { throwIfNoEntry: false }))
    if (!found) return null
    return { size: found.size, isDirectory: found.isDirectory(), modifiedMs: found.mtimeMs }
  }

  list(path: string): string[] {
    return diskCall('list', path, () => fs.readdirSync(path))
  }

  makeDirectory(path: string): void {
    diskCall('mkdir', path, () => fs.mkdirSync(path, { recursive: true }))
  }

  syncDirectory(path: string): void {
    const descriptor = diskCall('open', path, () => fs.openSync(path, 'r'))
    try {
      diskCall('fsync', path, () => fs.fsyncSync(descriptor))
    } finally {
      fs.closeSync(descriptor)
    }
  }

  readText(path: string): string {
    return diskCall('read', path, () => fs.readFileSync(path, 'utf8'))
  }

  openPlaced(path: string, mode = 0o644): PlacedFile {
    return new SystemPlacedFile(path, mode)
  }

  begin(job: DiskJob, done: DiskDone): void {
    runJob(job, done)
  }
}

/** Replaces a file or creates it; a crash leaves the old or the new content, never a mixture. */
export function replaceFile(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  temporary = `${path}.tmp`,
): void {
  const file = disk.create(temporary)
  try {
    file.write(bytes, 0, bytes.length)
    file.sync()
    file.close()
    disk.rename(temporary, path)
  } catch (error) {
    abandonFile(disk, file)
    throw error
  }
  disk.syncDirectory(dirname(path))
}

/** Closes and removes a file that could not be finished; what fails here is of no more use. */
export function abandonFile(disk: Disk, file: DiskFile): void {
  for (const step of [() => file.close(), () => disk.unlink(file.path)]) {
    try {
      step()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }
}
