// A fake disk that knows what each RDB file must hold: when a temporary file is created, a cut has
// just been opened, so it must hold the keyspace of that instant. It follows renames and syncs, and
// so can tell what a restart has to find: after a crash one of several states, else exactly one.

import type { DiskFile } from '../../src/base/disk.ts'
import { type DiskFault, FakeDisk } from '../../src/base/disk-fake.ts'
import type { Random } from '../../src/base/random.ts'
import { aliveAt, type Contents, differenceOf } from './model.ts'

export const DUMP_PATH = '/data/dump.rdb'
const TEMPORARY = /^\/data\/temp-\d+(-\d+)?\.rdb$/

/** What a file holds; null: there is none. */
export type FileState = Contents | null

export class SimDisk extends FakeDisk {
  /** Reads the keyspace of the server that runs. */
  capture: () => Contents = () => []
  /** What `dump.rdb` holds now. */
  live: FileState = null
  /** What `dump.rdb` may hold after a power cut. */
  candidates: FileState[] = [null]
  /** A temporary file may have stayed, because it could not be removed. */
  refusesRemoval = false
  readonly #beingWritten = new Map<string, Contents>()

  override fail(rule: DiskFault): void {
    super.fail(rule)
    if (rule.operation === 'unlink') this.refusesRemoval = true
  }

  override heal(): void {
    super.heal()
    this.refusesRemoval = false
  }

  override create(path: string, mode?: number): DiskFile {
    const file = super.create(path, mode)
    if (TEMPORARY.test(path)) this.#beingWritten.set(path, this.capture())
    return file
  }

  override rename(from: string, to: string): void {
    super.rename(from, to)
    if (to !== DUMP_PATH) return
    this.live = this.#beingWritten.get(from)!
    this.#beingWritten.delete(from)
    this.candidates.push(this.live)
  }

  override syncDirectory(path: string): void {
    super.syncDirectory(path)
    this.candidates = [this.live]
  }

  override crash(random: Random): void {
    super.crash(random)
    this.#beingWritten.clear()
  }

  /** Notes which state a server found after a crash; says what is wrong if it is none of them. */
  settle(found: Contents, nowMs: number): string {
    let difference = 'no state of the file was possible'
    for (const state of this.candidates) {
      difference = differenceOf(found, statesAt(state, found.length, nowMs))
      if (difference !== '') continue
      this.live = state
      this.candidates = [state]
      return ''
    }
    return `${difference} (of ${this.candidates.length} possible states)`
  }
}

/** What is loaded of a file at `nowMs`. */
export function statesAt(state: FileState, databaseCount: number, nowMs: number): Contents {
  const empty = () => new Map<string, string>()
  return state === null ? Array.from({ length: databaseCount }, empty) : aliveAt(state, nowMs)
}
