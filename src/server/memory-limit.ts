// How much memory is in use, and whether that is more than `maxmemory` allows.
//
//   used       data and index structures, what clients hold, what is not counted
//   counted    used without what is not counted: this is what the limit is compared with
//
// Not counted is what grows because keys are evicted, so that counting it would have more of them
// evicted, and so on: the reserve that a save takes for pages that change, and (as in Redis) output
// to replicas and the buffer of the append only file. Pages that are only held for an open cut are
// in none of the sums: the arena counts what is alive.
//
// Data and clients are counted exactly at any moment. Directories of dicts, channels and tracked
// keys, which are small and slow to add up (`#sideBytes`), are counted as they were at most 100 ms
// ago. What clients hold stays as it was at the last `look` during a run of eviction: messages
// about evicted keys do not cause further evictions by themselves.
// Owner: the engine.

import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ClientMemory } from './client-memory.ts'

export interface MemorySources {
  readonly keyspace: Keyspace
  readonly clients: ClientMemory
  /** Bytes of channels and of keys that clients cache. */
  readonly topicBytes: () => number
}

/** How old `#sideBytes` may be while keys are evicted again and again. */
const REFRESH_US = 10_000

export class MemoryLimit {
  /** Bytes; Infinity: none. */
  limitBytes = Infinity
  /** Each gives bytes that are in use, that nobody else counts, and that cause no eviction. */
  readonly notCounted: (() => number)[] = []
  readonly #sources: MemorySources
  #clientBytes = 0
  #sideBytes = 0
  #addedUs = 0

  constructor(sources: MemorySources) {
    this.#sources = sources
  }

  /** Whether more is in use than the limit allows, with clients as at the last `look`. O(1). */
  get isOver(): boolean {
    if (this.limitBytes === Infinity) return false
    return this.overBytes > 0
  }

  /** How much more is in use than the limit allows, with clients as at the last `look`. O(1). */
  get overBytes(): number {
    const { arena } = this.#sources.keyspace
    return arena.usedBytes + this.#sideBytes + this.#clientBytes - this.limitBytes
  }

  /** Whether more is in use than the limit allows. O(1). */
  look(): boolean {
    if (this.limitBytes === Infinity) return false
    this.#clientBytes = this.#sources.clients.clientBytes
    return this.isOver
  }

  /** All that is in use: `used_memory`. O(databases). */
  usedBytes(): number {
    const { keyspace, clients } = this.#sources
    this.#addUp()
    this.#clientBytes = clients.clientBytes
    const counted = keyspace.arena.usedBytes + this.#sideBytes + this.#clientBytes
    return counted + this.notCountedBytes
  }

  /** What the limit leaves to the data and its index structures; Infinity: any. */
  get dataLimitBytes(): number {
    return this.limitBytes - this.#sideBytes - this.#clientBytes
  }

  /** What is in use and causes no eviction: `mem_not_counted_for_evict`. */
  get notCountedBytes(): number {
    let bytes = this.#sources.clients.replicaBytes
    for (const source of this.notCounted) bytes += source()
    return bytes
  }

  /** Adds up again what is slow to add up, if that was long ago. */
  refresh(nowUs: number): void {
    if (nowUs - this.#addedUs < REFRESH_US) return
    this.#addedUs = nowUs
    this.#addUp()
  }

  #addUp(): void {
    const { keyspace, topicBytes } = this.#sources
    this.#sideBytes = keyspace.usedBytes - keyspace.arena.usedBytes + topicBytes()
  }
}
