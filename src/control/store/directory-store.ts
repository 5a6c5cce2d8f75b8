// A store in a directory: the embedded default. An object is a file of its name.
//
//   ROOT/backups/n1/manifest.json      an object
//   ROOT/.pending/ID/backups/n1/…      one that is being written; ID is its start and randomness
//
// A file is written aside, in the same file system, synced, and then given its name: by `link` if
// it must be new, because that fails when the name is taken, else by `rename`. Both are atomic,
// and the directory is synced after them. So a kill at any point leaves an object whole or not
// there, and perhaps a file in `.pending`. Files and directories are for their owner alone: they
// hold the data.
//
// While it writes, what is in the kernel's cache is handed to the disk every 32 MiB: one long sync
// at the end would hold up others on that disk, such as the node's append-only file.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { makeDirectories, pruneDirectories, syncDirectory } from './directory-entries.ts'
import { directoryFault, errnoOf } from './directory-fault.ts'
import { checkName, checkPrefix, compareNames } from './object-name.ts'
import {
  type ObjectInfo,
  type ObjectStore,
  type ObjectWriter,
  type PendingWrite,
  StoreFault,
  type WriteOptions,
} from './object-store.ts'
import { throwIfAborted } from './retry.ts'

const PENDING = '.pending'
const SYNC_BYTES = 32 << 20
const READ_BYTES = 256 << 10
const FILE_MODE = 0o600
/** An object's directory may be removed, being empty, just before it gets its name. */
const PUBLISH_ATTEMPTS_MAX = 10
/** A directory of `.pending` without a file is one that nobody is about to fill after this. */
const EMPTY_MS_MAX = 3_600_000

export class DirectoryStore implements ObjectStore {
  readonly url: string
  readonly #root: string

  /** `url`: what to call it in messages. */
  constructor(path: string, url = path) {
    this.#root = resolve(path)
    this.url = url
  }

  async probe(signal?: AbortSignal): Promise<readonly string[]> {
    throwIfAborted(signal)
    const folder = join(this.#root, PENDING, newId())
    try {
      await makeDirectories(folder)
      const [first, second] = [join(folder, 'probe'), join(folder, 'linked')]
      await fs.writeFile(first, 'probe', { mode: FILE_MODE, flush: true })
      await fs.link(first, second)
      await fs.readFile(second)
      await syncDirectory(folder)
    } catch (error) {
      throw directoryFault(error, `${this.url}: cannot be written to`)
    } finally {
      await fs.rm(folder, { recursive: true, force: true }).catch(() => {})
    }
    return []
  }

  async freeBytes(): Promise<number | null> {
    // What is not made yet will lie where the nearest directory above it does.
    for (let path = this.#root; ; path = dirname(path)) {
      try {
        const { bavail, bsize } = await fs.statfs(path)
        return bavail * bsize
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' && path !== dirname(path)) continue
        throw directoryFault(error, `${this.url}: cannot tell its free space`)
      }
    }
  }

  async put(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<ObjectInfo> {
    const writer = await this.create(name, options)
    try {
      await writer.write(bytes)
      return await writer.complete()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name)
    throwIfAborted(options.signal)
    // Early, because the whole stream would be for nothing; what decides is `link`.
    if (options.createOnly === true && (await this.#stat(name)) !== null) throw this.#exists(name)
    const id = newId()
    try {
      const path = this.#pendingPath(id, name)
      await makeDirectories(dirname(path))
      const handle = await fs.open(path, 'wx', FILE_MODE)
      return this.#writer({ name, id, handle, bytes: 0 }, options)
    } catch (error) {
      throw directoryFault(error, `${this.url}: cannot write ${name}`)
    }
  }

  async get(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    checkName(name)
    throwIfAborted(signal)
    try {
      return await fs.readFile(this.#path(name))
    } catch (error) {
      throw this.#readFault(error, name)
    }
  }

  async *read(name: string, from = 0, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    checkName(name)
    let handle: fs.FileHandle
    try {
      handle = await fs.open(this.#path(name), 'r')
    } catch (error) {
      throw this.#readFault(error, name)
    }
    try {
      const { size } = await handle.stat()
      if (from > size) throw beyondEnd(this.url, name, from, size)
      let offset = from
      while (offset < size) {
        throwIfAborted(signal)
        const piece = new Uint8Array(Math.min(READ_BYTES, size - offset))
        const { bytesRead } = await handle.read(piece, 0, piece.length, offset)
        if (bytesRead === 0) {
          const text = `${this.url}: ${name} ended at byte ${offset}, expected ${size}`
          throw new StoreFault('damaged', text)
        }
        offset += bytesRead
        yield piece.subarray(0, bytesRead)
      }
    } catch (error) {
      throw this.#readFault(error, name)
    } finally {
      await handle.close()
    }
  }

  async info(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    checkName(name)
    throwIfAborted(signal)
    const found = await this.#stat(name)
    if (found === null) throw new StoreFault('missing', `${this.url}: there is no ${name}`)
    return found
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix)
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    for await (const name of this.#walk(folder, prefix)) {
      throwIfAborted(signal)
      const found = await this.#stat(name)
      // Else it was removed meanwhile.
      if (found !== null) yield found
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkName(name)
    throwIfAborted(signal)
    const path = this.#path(name)
    try {
      await fs.unlink(path)
      await syncDirectory(dirname(path))
      await pruneDirectories(dirname(path), this.#root)
    } catch (error) {
      if (!isAbsent(error)) throw directoryFault(error, `${this.url}: cannot delete ${name}`)
    }
  }

  async *pending(prefix: string, signal?: AbortSignal): AsyncIterable<PendingWrite> {
    checkPrefix(prefix)
    const folder = join(this.#root, PENDING)
    const ids = await fs.readdir(folder).catch((error) => {
      if (isAbsent(error)) return []
      throw directoryFault(error, `${this.url}: cannot list what is pending`)
    })
    for (const id of ids.sort()) {
      throwIfAborted(signal)
      const startedMs = startOf(id)
      // Not ours.
      if (startedMs === null) continue
      let isEmpty = true
      for await (const path of this.#walk(`${PENDING}/${id}/`, '')) {
        isEmpty = false
        const name = path.slice(PENDING.length + id.length + 2)
        if (name.startsWith(prefix)) yield { name, id, startedMs }
      }
      // Its process died before it made the file, or after the object had its name.
      if (isEmpty && Date.now() - startedMs > EMPTY_MS_MAX) await this.#forget(id)
    }
  }

  async discard({ id, name }: PendingWrite, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    checkPending(id)
    try {
      await this.#forget(id)
    } catch (error) {
      throw directoryFault(error, `${this.url}: cannot discard what is pending of ${name}`)
    }
  }

  async resume(pending: PendingWrite, options: WriteOptions = {}): Promise<ObjectWriter> {
    const { id, name } = pending
    checkName(name)
    checkPending(id)
    try {
      const handle = await fs.open(this.#pendingPath(id, name), 'r+')
      const { size } = await handle.stat()
      // What had been synced for certain: after a crash of the machine the rest may be zeros.
      const bytes = Math.floor(Math.max(0, size - 1) / SYNC_BYTES) * SYNC_BYTES
      await handle.truncate(bytes)
      return this.#writer({ name, id, handle, bytes }, options)
    } catch (error) {
      throw directoryFault(error, `${this.url}: cannot resume ${name}`)
    }
  }

  close(): void {}

  #path(name: string): string {
    return join(this.#root, name)
  }

  #pendingPath(id: string, name: string): string {
    return join(this.#root, PENDING, id, name)
  }

  async #forget(id: string): Promise<void> {
    await fs.rm(join(this.#root, PENDING, id), { recursive: true, force: true })
  }

  /** What lies under the name, or null. */
  async #stat(name: string): Promise<ObjectInfo | null> {
    try {
      const found = await fs.stat(this.#path(name))
      if (!found.isFile()) return null
      return { name, bytes: found.size, modifiedMs: Math.floor(found.mtimeMs) }
    } catch (error) {
      if (isAbsent(error)) return null
      throw directoryFault(error, `${this.url}: cannot look at ${name}`)
    }
  }

  /** Names of files below `folder` that begin with `prefix`, in the order of names. */
  async *#walk(folder: string, prefix: string): AsyncGenerator<string> {
    let entries: { readonly name: string; readonly isFolder: boolean }[]
    try {
      const found = await fs.readdir(join(this.#root, folder), { withFileTypes: true })
      entries = found
        .filter((entry) => !entry.name.startsWith('.'))
        // With its slash a directory sorts to where its contents do.
        .map((entry) => ({ isFolder: entry.isDirectory(), entry }))
        .map(({ isFolder, entry }) => ({ isFolder, name: entry.name + (isFolder ? '/' : '') }))
        .sort((a, b) => compareNames(a.name, b.name))
    } catch (error) {
      if (isAbsent(error)) return
      throw directoryFault(error, `${this.url}: cannot list ${folder || 'it'}`)
    }
    for (const { name, isFolder } of entries) {
      const path = folder + name
      if (!isFolder && path.startsWith(prefix)) yield path
      else if (isFolder && (path.startsWith(prefix) || prefix.startsWith(path))) {
        yield* this.#walk(path, prefix)
      }
    }
  }

  #writer(file: PendingFile, { createOnly = false, signal }: WriteOptions): ObjectWriter {
    return new DirectoryWriter(file, {
      url: this.url,
      signal,
      publish: async () => {
        await this.#publish(file, createOnly)
        return this.info(file.name)
      },
      forget: () => this.#forget(file.id),
    })
  }

  /** Gives a synced file its name. */
  async #publish({ id, name }: PendingFile, createOnly: boolean): Promise<void> {
    const [source, target] = [this.#pendingPath(id, name), this.#path(name)]
    for (let attempt = 1; ; attempt++) {
      await makeDirectories(dirname(target))
      try {
        if (createOnly) await fs.link(source, target)
        else await fs.rename(source, target)
        break
      } catch (error) {
        const code = errnoOf(error)
        if (createOnly && code === 'EEXIST') throw this.#exists(name)
        if (code !== 'ENOENT' || attempt === PUBLISH_ATTEMPTS_MAX) throw error
        // A removal took the empty directory away, unless it took our file.
        await fs.access(source, constants.R_OK)
      }
    }
    await syncDirectory(dirname(target))
  }

  #exists(name: string): StoreFault {
    return new StoreFault('exists', `${this.url}: there is a ${name} already`)
  }

  #readFault(error: unknown, name: string): StoreFault {
    if (error instanceof StoreFault) return error
    if (!isAbsent(error)) return directoryFault(error, `${this.url}: cannot read ${name}`)
    return new StoreFault('missing', `${this.url}: there is no ${name}`)
  }
}

interface PendingFile {
  readonly name: string
  readonly id: string
  readonly handle: fs.FileHandle
  /** How many it holds. */
  readonly bytes: number
}

interface WriterNeeds {
  readonly url: string
  readonly signal: AbortSignal | undefined
  /** Makes the file, which is synced, the object. */
  publish(): Promise<ObjectInfo>
  forget(): Promise<void>
}

class DirectoryWriter implements ObjectWriter {
  readonly #name: string
  readonly #handle: fs.FileHandle
  readonly #needs: WriterNeeds
  #bytes: number
  #syncedBytes: number

  constructor({ name, handle, bytes }: PendingFile, needs: WriterNeeds) {
    this.#name = name
    this.#handle = handle
    this.#needs = needs
    this.#bytes = bytes
    this.#syncedBytes = bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    throwIfAborted(this.#needs.signal)
    try {
      for (let done = 0; done < bytes.length; ) {
        // Never over a multiple of SYNC_BYTES, so that `resume` knows what was synced.
        const room = this.#syncedBytes + SYNC_BYTES - this.#bytes
        const count = Math.min(room, bytes.length - done)
        const { bytesWritten } = await this.#handle.write(bytes, done, count, this.#bytes)
        done += bytesWritten
        this.#bytes += bytesWritten
        if (this.#bytes - this.#syncedBytes < SYNC_BYTES) continue
        await this.#handle.datasync()
        this.#syncedBytes = this.#bytes
      }
    } catch (error) {
      throw directoryFault(error, `${this.#needs.url}: cannot write ${this.#name}`)
    }
  }

  async complete(): Promise<ObjectInfo> {
    const { url, signal } = this.#needs
    throwIfAborted(signal)
    try {
      await this.#handle.sync()
      const { size } = await this.#handle.stat()
      if (size !== this.#bytes) {
        const text = `${url}: ${this.#name} has ${size} bytes, expected ${this.#bytes}`
        throw new StoreFault('damaged', text)
      }
      await this.#handle.close()
      const info = await this.#needs.publish()
      // What is left beside it is no harm.
      await this.#needs.forget().catch(() => {})
      return info
    } catch (error) {
      throw directoryFault(error, `${url}: cannot complete ${this.#name}`)
    }
  }

  async suspend(): Promise<void> {
    await this.#handle.close().catch(() => {})
  }

  async abort(): Promise<void> {
    await this.suspend()
    await this.#needs.forget().catch(() => {})
  }
}

function newId(): string {
  return `${Date.now().toString(36)}-${randomBytes(8).toString('hex')}`
}

/** When the write of this id began, in unix ms; null: not one of ours. */
function startOf(id: string): number | null {
  return /^[0-9a-z]{8,9}-[0-9a-f]{16}$/.test(id) ? parseInt(id, 36) : null
}

function checkPending(id: string): void {
  if (startOf(id) === null) throw new StoreFault('invalid', `no pending write has the id '${id}'`)
}

/** The fault of reading on from behind the end. */
export function beyondEnd(url: string, name: string, from: number, bytes: number): StoreFault {
  return new StoreFault('invalid', `${url}: ${name} has ${bytes} bytes, no byte ${from}`)
}

function isAbsent(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR'
}
