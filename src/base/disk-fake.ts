// A disk in memory for tests and simulation. It fails where it is told to, and it can lose power:
// `crash` leaves what a file system may leave. The model is the weakest that POSIX allows:
//
// - Bytes of a file are durable once `sync` returned after they were written. Of writes since then
//   a crash keeps any subset, each whole, cut at a 512-byte sector, or not at all; a file extended
//   by a later write than a lost one has zeros in between.
// - Creations, renames and unlinks in a directory are durable once `syncDirectory` returned. Of
//   those since then a crash keeps any subset; a rename is kept whole or not at all.
// - Directories themselves are durable at once.
//
// Paths are compared as text: tests use one spelling. Owner: whoever runs the test, one thread.

import { dirname } from 'node:path'
import { assert } from './assert.ts'
import { type Disk, type DiskFile, diskCall } from './disk.ts'
import type { DiskDone, DiskJob, PlacedFile, Placement } from './disk-jobs.ts'
import { StoreError } from './errors.ts'
import type { Random } from './random.ts'

const SECTOR_BYTES = 512
const MODE_IGNORED = 0o644

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'fsync'
  | 'close'
  | 'rename'
  | 'unlink'
  | 'stat'
  | 'list'
  | 'mkdir'
  | 'truncate'

/** A rule by which operations fail. */
export interface DiskFault {
  readonly operation: DiskOperation
  /** The system's code: ENOSPC, EIO, EROFS, EDQUOT, EACCES, … */
  readonly code: string
  /** Counts matching operations from the rule's start: 1 fails the next one. */
  readonly nth?: number
  /** How many fail from there on; all, if missing. */
  readonly times?: number
  /** Only paths that contain this text. */
  readonly path?: string
}

/** Thrown by every operation from the power cut on; no `StoreError`, so that nobody handles it. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut'
}

interface Write {
  readonly offset: number
  /** Bytes written at `offset`; null cuts the file off there. */
  readonly bytes: Uint8Array | null
}

/** A file's content, whatever its names. */
class Inode {
  live = new Uint8Array(0)
  length = 0
  durable = new Uint8Array(0)
  unsynced: Write[] = []
  modifiedMs = 0

  apply(write: Write): void {
    const { offset, bytes } = write
    if (bytes === null) {
      this.live.fill(0, Math.min(offset, this.length), this.length)
      this.length = offset
      return
    }
    const limit = offset + bytes.length
    if (limit > this.live.length) {
      const grown = new Uint8Array(Math.max(limit, 2 * this.live.length))
      grown.set(this.live.subarray(0, this.length))
      this.live = grown
    }
    this.live.set(bytes, offset)
    this.length = Math.max(this.length, limit)
  }

  write(write: Write): void {
    this.apply(write)
    this.unsynced.push(write)
  }

  sync(): void {
    this.durable = this.live.slice(0, this.length)
    this.unsynced = []
  }

  crash(random: Random): void {
    const writes = this.unsynced
    this.live = this.durable.slice()
    this.length = this.live.length
    for (const write of writes) {
      const fate = random.below(3)
      if (fate === 0) continue
      if (fate === 1 || write.bytes === null) {
        this.apply(write)
        continue
      }
      const sectors = Math.floor(write.bytes.length / SECTOR_BYTES) + 1
      const kept = random.below(sectors) * SECTOR_BYTES
      if (kept > 0) this.apply({ offset: write.offset, bytes: write.bytes.subarray(0, kept) })
    }
    this.sync()
  }
}

/** A change of names: each path gets the inode, or loses its name. */
interface NameChange {
  readonly directories: readonly string[]
  readonly names: readonly (readonly [path: string, inode: Inode | null])[]
}

export class FakeDisk implements Disk {
  /** Bytes that all files together may have; a write past it is cut short and fails with ENOSPC. */
  capacityBytes = Number.POSITIVE_INFINITY
  /**
   * Called before each write, which has not happened yet when this is: so a test lets others go on
   * and time pass while a write hangs.
   */
  onWrite: (path: string, length: number) => void = () => undefined
  /** The same for a file's `sync`. */
  onSync: (path: string) => void = () => undefined
  /** What is begun waits for `proceed`; else it is done at once. */
  isDeferred = false
  /** Longest read that is answered at once. */
  readMaxBytes = Number.POSITIVE_INFINITY
  #directories = new Set(['.', '/'])
  #live = new Map<string, Inode>()
  #durable = new Map<string, Inode>()
  #unsynced: NameChange[] = []
  #faults: { rule: DiskFault; seen: number }[] = []
  #operations = 0
  #powerCutAt = Number.POSITIVE_INFINITY
  #isOff = false
  #generation = 0
  /** What was begun and waits for `proceed`. */
  #pending: (() => void)[] = []

  /** Operations so far: points at which `cutPowerAt` can be set. */
  get operations(): number {
    return this.#operations
  }

  /** Whether an operation has met the power cut: what was told of it since is of no interest. */
  get isOff(): boolean {
    return this.#isOff
  }

  /** Bytes of all files that have a name. */
  get usedBytes(): number {
    let total = 0
    for (const inode of new Set(this.#live.values())) total += inode.length
    return total
  }

  /** Adds a rule; all rules count on their own. */
  fail(rule: DiskFault): void {
    this.#faults.push({ rule, seen: 0 })
  }

  /** Drops all rules. */
  heal(): void {
    this.#faults = []
  }

  /** Operation number `operation` (0 is the very first) and all after it throw `PowerCut`. */
  cutPowerAt(operation: number): void {
    this.#powerCutAt = operation
  }

  /** Loses power and comes back with what may have survived; open files are dead. */
  crash(random: Random): void {
    const names = this.#durable
    for (const change of this.#unsynced) {
      if (random.below(2) === 1) applyNames(names, change)
    }
    for (const inode of new Set(names.values())) inode.crash(random)
    this.#durable = names
    this.#live = new Map(names)
    this.#unsynced = []
    this.#pending = []
    this.#isOff = false
    this.#powerCutAt = Number.POSITIVE_INFINITY
    this.#generation++
  }

  /** Operations that were begun and wait. */
  get pendingCount(): number {
    return this.#pending.length
  }

  /** Does the first `count` of what was begun, and what is begun by that, if there is room left. */
  proceed(count = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < count && this.#pending.length > 0; i++) this.#pending.shift()?.()
  }

  /** Content of a file as it is now, for tests. */
  contents(path: string): Uint8Array | null {
    const inode = this.#live.get(path)
    return inode === undefined ? null : inode.live.slice(0, inode.length)
  }

  /** Puts a durable file, for tests. */
  put(path: string, bytes: Uint8Array): void {
    const inode = new Inode()
    inode.apply({ offset: 0, bytes })
    inode.sync()
    this.#directories.add(dirname(path))
    this.#live.set(path, inode)
    this.#durable.set(path, inode)
  }

  openRead(path: string): DiskFile {
    return this.#run('open', path, () => {
      const inode = this.#live.get(path) ?? raise(this.#directories.has(path) ? 'EISDIR' : 'ENOENT')
      return this.#file(path, inode, false)
    })
  }

  create(path: string, mode = MODE_IGNORED): DiskFile {
    assert(mode > 0, 'mode')
    return this.#run('open', path, () => {
      const inode = this.#live.get(path) ?? this.#newFile(path)
      if (inode.length > 0) inode.write({ offset: 0, bytes: null })
      return this.#file(path, inode, true)
    })
  }

  openAppend(path: string, mode = MODE_IGNORED): DiskFile {
    assert(mode > 0, 'mode')
    return this.#run('open', path, () => {
      return this.#file(path, this.#live.get(path) ?? this.#newFile(path), true)
    })
  }

  rename(from: string, to: string): void {
    this.#run('rename', `${from} to ${to}`, () => {
      const inode = this.#live.get(from) ?? raise('ENOENT')
      this.#requireDirectory(to)
      const directories = [...new Set([dirname(from), dirname(to)])]
      // A file renamed to itself keeps its name.
      const names =
        from === to
          ? [[to, inode] as const]
          : ([
              [from, null],
              [to, inode],
            ] as const)
      this.#change({ directories, names })
    })
  }

  unlink(path: string): void {
    this.#run('unlink', path, () => {
      if (!this.#live.has(path)) return
      this.#change({ directories: [dirname(path)], names: [[path, null]] })
    })
  }

  exists(path: string): boolean {
    return this.#live.has(path) || this.#directories.has(path)
  }

  stat(path: string): { size: number; isDirectory: boolean; modifiedMs: number } | null {
    return this.#run('stat', path, () => {
      if (this.#directories.has(path)) return { size: 0, isDirectory: true, modifiedMs: 0 }
      const inode = this.#live.get(path)
      if (inode === undefined) return null
      return { size: inode.length, isDirectory: false, modifiedMs: inode.modifiedMs }
    })
  }

  list(path: string): string[] {
    return this.#run('list', path, () => {
      if (!this.#directories.has(path)) raise('ENOENT')
      const names = []
      for (const name of [...this.#live.keys(), ...this.#directories]) {
        if (name !== path && dirname(name) === path)
          names.push(name.slice(name.lastIndexOf('/') + 1))
      }
      return names.sort()
    })
  }

  makeDirectory(path: string): void {
    this.#run('mkdir', path, () => {
      if (this.#live.has(path)) raise('EEXIST')
      for (let at = path; !this.#directories.has(at); at = dirname(at)) this.#directories.add(at)
    })
  }

  syncDirectory(path: string): void {
    this.#run('fsync', path, () => {
      if (!this.#directories.has(path)) raise('ENOENT')
      const rest = []
      for (const change of this.#unsynced) {
        if (change.directories.includes(path)) applyNames(this.#durable, change)
        else rest.push(change)
      }
      this.#unsynced = rest
    })
  }

  readText(path: string): string {
    return this.#run('read', path, () => {
      const inode = this.#live.get(path) ?? raise('ENOENT')
      return Buffer.from(inode.live.subarray(0, inode.length)).toString('utf8')
    })
  }

  openPlaced(path: string, mode = MODE_IGNORED): PlacedFile {
    assert(mode > 0, 'mode')
    return this.#run('open', path, () => {
      return this.#placed(path, this.#live.get(path) ?? this.#newFile(path))
    })
  }

  begin(job: DiskJob, done: DiskDone): void {
    this.#later(done, () => {
      if (job.kind === 'unlink') return this.unlink(job.path)
      if (job.kind === 'read') return this.#fill(job)
      if (job.kind === 'replace') {
        const file = this.create(job.temporaryPath)
        file.write(job.bytes, 0, job.bytes.length)
        file.sync()
        file.close()
        this.syncDirectory(dirname(job.path))
        this.rename(job.temporaryPath, job.path)
        return this.syncDirectory(dirname(job.path))
      }
      this.rename(job.from, job.to)
      this.syncDirectory(dirname(job.to))
    })
  }

  #fill({ path, bytes, position }: Extract<DiskJob, { kind: 'read' }>): void {
    const file = this.openRead(path)
    const count = file.read(bytes, 0, bytes.length, position)
    file.close()
    if (count < bytes.length) raise('EIO')
  }

  /** Runs something now or when told to, and says how it ended. */
  #later(done: DiskDone, run: () => void): void {
    const body = () => {
      let error: StoreError | null = null
      try {
        run()
      } catch (thrown) {
        if (!(thrown instanceof StoreError)) throw thrown
        error = thrown
      }
      done(error)
    }
    if (this.isDeferred) this.#pending.push(body)
    else body()
  }

  #placed(path: string, inode: Inode): PlacedFile {
    const generation = this.#generation
    let isOpen = true
    // What was begun before `close` comes to its end.
    const run = <T>(operation: DiskOperation, body: () => T): T =>
      this.#run(operation, path, () => {
        if (generation !== this.#generation) raise('EBADF')
        return body()
      })
    const requireOpen = () => assert(isOpen, 'a file that was closed is not used')
    const write = (piece: Placement) => {
      this.onWrite(path, piece.length)
      run('write', () => this.#writePiece(inode, piece))
    }
    const sync = () => {
      this.onSync(path)
      run('fsync', () => inode.sync())
    }
    return {
      path,
      size: () => run('stat', () => inode.length),
      writeAt: (piece) => {
        requireOpen()
        write(piece)
      },
      beginWrite: (piece, done) => {
        requireOpen()
        this.#later(done, () => write(piece))
      },
      sync: () => {
        requireOpen()
        sync()
      },
      beginSync: (done) => {
        requireOpen()
        this.#later(done, sync)
      },
      truncate: (length) => {
        requireOpen()
        run('truncate', () => inode.write({ offset: length, bytes: null }))
      },
      close: () => {
        isOpen = false
      },
    }
  }

  #writePiece(inode: Inode, { bytes, start, length, position }: Placement): void {
    assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
    const growth = Math.max(0, position + length - inode.length)
    const room = Math.max(0, this.capacityBytes - this.usedBytes)
    const count = length - Math.max(0, growth - room)
    if (count > 0) inode.write({ offset: position, bytes: bytes.slice(start, start + count) })
    inode.modifiedMs = this.#operations
    if (count < length) raise('ENOSPC')
  }

  /** Counts the operation, fails it if a rule says so, else runs it. */
  #run<T>(operation: DiskOperation, path: string, run: () => T): T {
    if (this.#operations++ >= this.#powerCutAt) {
      this.#isOff = true
      throw new PowerCut(`${operation} ${path}`)
    }
    return diskCall(operation, path, () => {
      let code = ''
      for (const fault of this.#faults) {
        const { rule } = fault
        if (rule.operation !== operation || !path.includes(rule.path ?? '')) continue
        fault.seen++
        const first = rule.nth ?? 1
        const isHit = fault.seen >= first && fault.seen < first + (rule.times ?? Infinity)
        if (isHit && code === '') code = rule.code
      }
      return code === '' ? run() : raise(code)
    })
  }

  #newFile(path: string): Inode {
    this.#requireDirectory(path)
    if (this.#directories.has(path)) raise('EISDIR')
    const inode = new Inode()
    this.#change({ directories: [dirname(path)], names: [[path, inode]] })
    return inode
  }

  #requireDirectory(path: string): void {
    if (!this.#directories.has(dirname(path))) raise('ENOENT')
  }

  #change(change: NameChange): void {
    applyNames(this.#live, change)
    this.#unsynced.push(change)
  }

  #file(path: string, inode: Inode, isWritable: boolean): DiskFile {
    const generation = this.#generation
    let isOpen = true
    const run = <T>(operation: DiskOperation, body: () => T): T =>
      this.#run(operation, path, () => {
        if (!isOpen || generation !== this.#generation) raise('EBADF')
        return body()
      })
    return {
      path,
      size: () => run('stat', () => inode.length),
      read: (bytes, start, length, position) =>
        run('read', () => {
          const rest = Math.max(0, inode.length - position)
          const count = Math.min(length, rest, this.readMaxBytes)
          bytes.set(inode.live.subarray(position, position + count), start)
          return count
        }),
      write: (bytes, start, length) => {
        this.onWrite(path, length)
        run('write', () => {
          if (!isWritable) raise('EBADF')
          assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
          const count = Math.max(0, Math.min(length, this.capacityBytes - this.usedBytes))
          if (count > 0) {
            inode.write({ offset: inode.length, bytes: bytes.slice(start, start + count) })
            inode.modifiedMs = this.#operations
          }
          if (count < length) raise('ENOSPC')
        })
      },
      sync: () => {
        this.onSync(path)
        run('fsync', () => inode.sync())
      },
      // Nothing is certain to be written out before `sync`.
      startSync: () => undefined,
      close: () => {
        if (!isOpen) return
        try {
          run('close', () => undefined)
        } finally {
          isOpen = false
        }
      },
    }
  }
}

function applyNames(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change.names) {
    if (inode === null) names.delete(path)
    else names.set(path, inode)
  }
}

/** Throws what the system would. */
function raise(code: string): never {
  throw Object.assign(new Error(code), { code })
}
