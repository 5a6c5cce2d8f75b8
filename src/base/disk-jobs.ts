// The part of the disk's door that does not wait: Node's thread pool does the work, and `done` is
// called on a later turn of the loop. For the engine, which writes and syncs the append only file
// (persist/aof/) while it serves.
//
// A placed file is written at positions that the caller keeps count of, not at its end. So a write
// can be done again, whole, whatever came of an earlier try: also while that try still hangs, which
// is how SHUTDOWN writes what is on its way without waiting for the pool.

import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { assert } from './assert.ts'
import { diskCall, diskError } from './disk-error.ts'
import type { StoreError } from './errors.ts'

/** Told how a job ended; null: well. */
export type DiskDone = (error: StoreError | null) => void

/** Bytes and their place in a file. */
export interface Placement {
  readonly bytes: Uint8Array
  readonly start: number
  readonly length: number
  /** Byte of the file where the first goes. */
  readonly position: number
}

export interface PlacedFile {
  readonly path: string
  size(): number
  /** Writes all of the range; a short write is continued. */
  writeAt(piece: Placement): void
  /** The same without waiting. The bytes are lent until `done`, which may come at once. */
  beginWrite(piece: Placement, done: DiskDone): void
  /** Makes durable what was written so far. */
  sync(): void
  beginSync(done: DiskDone): void
  /** Cuts the file off at `length`. */
  truncate(length: number): void
  /** Idempotent. What was begun still comes to its end. */
  close(): void
}

/** Something done to whole files. */
export type DiskJob =
  /**
   * Replaces a file or creates it; a crash leaves the old or the new content, durable by `done`.
   * What was created in its directory before is durable first: the new content may name it.
   */
  | {
      readonly kind: 'replace'
      readonly path: string
      readonly temporaryPath: string
      readonly bytes: Uint8Array
    }
  /** Gives a file another name, durable by `done`. */
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  /** Removes a file; a missing one is no error. */
  | { readonly kind: 'unlink'; readonly path: string }
  /** Fills all of `bytes`, which are lent until `done`, from `position` on. */
  | {
      readonly kind: 'read'
      readonly path: string
      readonly bytes: Uint8Array
      readonly position: number
    }

/** A placed file of the machine's file system. */
export class SystemPlacedFile implements PlacedFile {
  readonly path: string
  #descriptor: number
  #pending = 0
  #isClosing = false

  constructor(path: string, mode: number) {
    this.path = path
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT
    this.#descriptor = diskCall('open', path, () => fs.openSync(path, flags, mode))
  }

  size(): number {
    return diskCall('stat', this.path, () => fs.fstatSync(this.#descriptor).size)
  }

  writeAt({ bytes, start, length, position }: Placement): void {
    for (let done = 0; done < length; ) {
      done += diskCall('write', this.path, () =>
        fs.writeSync(this.#descriptor, bytes, start + done, length - done, position + done),
      )
    }
  }

  beginWrite(piece: Placement, done: DiskDone): void {
    this.#begin()
    this.#writeFrom(piece, 0, done)
  }

  sync(): void {
    diskCall('fsync', this.path, () => fs.fdatasyncSync(this.#descriptor))
  }

  beginSync(done: DiskDone): void {
    this.#begin()
    fs.fdatasync(this.#descriptor, (cause) => {
      this.#end()
      done(cause === null ? null : diskError('fsync', this.path, cause))
    })
  }

  truncate(length: number): void {
    diskCall('truncate', this.path, () => fs.ftruncateSync(this.#descriptor, length))
  }

  close(): void {
    this.#isClosing = true
    this.#closeIdle()
  }

  #writeFrom(piece: Placement, done: number, whenDone: DiskDone): void {
    const { bytes, start, length, position } = piece
    const left = length - done
    fs.write(this.#descriptor, bytes, start + done, left, position + done, (cause, count) => {
      if (cause === null && count < left) return this.#writeFrom(piece, done + count, whenDone)
      this.#end()
      whenDone(cause === null ? null : diskError('write', this.path, cause))
    })
  }

  #begin(): void {
    assert(!this.#isClosing, 'nothing is begun with a file that was closed')
    this.#pending++
  }

  #end(): void {
    this.#pending--
    if (this.#isClosing) this.#closeIdle()
  }

  /** A descriptor that the pool still uses must not become another file's. */
  #closeIdle(): void {
    if (this.#pending > 0 || this.#descriptor < 0) return
    const descriptor = this.#descriptor
    this.#descriptor = -1
    diskCall('close', this.path, () => fs.closeSync(descriptor))
  }
}

/** Does a job in the thread pool. */
export function runJob(job: DiskJob, done: DiskDone): void {
  switch (job.kind) {
    case 'replace':
      return replace(job, done)
    case 'rename':
      return rename(job.from, job.to, done)
    case 'read':
      return read(job, done)
    case 'unlink':
      fs.rm(job.path, { force: true }, (cause) => {
        done(cause === null ? null : diskError('unlink', job.path, cause))
      })
  }
}

function replace(job: Extract<DiskJob, { kind: 'replace' }>, done: DiskDone): void {
  const { path, temporaryPath, bytes } = job
  fs.writeFile(temporaryPath, bytes, { flush: true }, (cause) => {
    if (cause !== null) {
      const error = diskError('write', temporaryPath, cause)
      return fs.rm(temporaryPath, { force: true }, () => done(error))
    }
    syncDirectory(dirname(path), (error) => {
      if (error === null) rename(temporaryPath, path, done)
      else done(error)
    })
  })
}

function read(job: Extract<DiskJob, { kind: 'read' }>, done: DiskDone): void {
  const { path, bytes, position } = job
  fs.open(path, 'r', (openCause, descriptor) => {
    if (openCause !== null) return done(diskError('open', path, openCause))
    const end = (error: StoreError | null) => fs.close(descriptor, () => done(error))
    const readFrom = (at: number) => {
      if (at === bytes.length) return end(null)
      fs.read(descriptor, bytes, at, bytes.length - at, position + at, (cause, count) => {
        if (cause !== null) return end(diskError('read', path, cause))
        if (count > 0) return readFrom(at + count)
        end(diskError('read', path, new Error(`it ends at byte ${position + at}`)))
      })
    }
    readFrom(0)
  })
}

function rename(from: string, to: string, done: DiskDone): void {
  fs.rename(from, to, (cause) => {
    if (cause === null) return syncDirectory(dirname(to), done)
    done(diskError('rename', `${from} to ${to}`, cause))
  })
}

function syncDirectory(path: string, done: DiskDone): void {
  fs.open(path, 'r', (openCause, descriptor) => {
    if (openCause !== null) return done(diskError('open', path, openCause))
    fs.fsync(descriptor, (cause) => {
      fs.close(descriptor, () => done(cause === null ? null : diskError('fsync', path, cause)))
    })
  })
}
