// What clients make the server hold, in bytes: counted anew for one client whenever that may have
// changed (its turn, a push to it, the cron), so that the sums cost nothing to read; and the
// eviction of clients, the largest first, while all of them take more than `maxmemory-clients`.
//
// Clients that may be evicted stand in buckets by size, each twice as wide as the one before:
//
//    0 ─── 32 K ─── 64 K ─── 128 K ─── … ─── 4 G ─── 8 G ───
//      [0]     [1]      [2]        …             [17]    [18]
//
// so that a largest one (but for what is within a bucket) is found without looking at all clients.
// Not evicted: replicas, our primary, and who asked for it by CLIENT NO-EVICT. These count all the
// same, but replicas, whose output has a limit of its own.
//
// Invariant: a client stands in `#buckets[client.bucket]`, in none when that is NO_BUCKET; the sums
// are those of `countedBytes`. Source: Redis documentation, "Client eviction". Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Log } from '../base/log.ts'
import type { Connection } from './connection.ts'
import { NO_BUCKET } from './connection.ts'
import type { Statistics } from './statistics.ts'

/** The first bucket is below this, the last from 2^(15 + 18) bytes on. */
const FIRST_BUCKET_BYTES = 2 ** 15
const BUCKETS = 19
/** A smaller limit would keep everybody out, and nobody could change it any more. */
const LIMIT_MIN = 128 * 1024

export interface ClientMemoryOptions {
  readonly log: Log
  readonly statistics: Statistics
  readonly nowMs: () => number
}

export class ClientMemory {
  readonly #options: ClientMemoryOptions
  readonly #buckets: readonly Set<Connection>[] = Array.from({ length: BUCKETS }, () => new Set())
  #limitBytes = Infinity
  #clientBytes = 0
  #replicaBytes = 0
  /** The log has been told that nobody is left who could be evicted. */
  #isExhausted = false

  constructor(options: ClientMemoryOptions) {
    this.#options = options
  }

  /** Bytes of all clients but replicas: what the limit is compared with. */
  get clientBytes(): number {
    return this.#clientBytes
  }

  get replicaBytes(): number {
    return this.#replicaBytes
  }

  /** Bytes from which on clients are evicted; Infinity: no limit. */
  get limitBytes(): number {
    return this.#limitBytes
  }

  get isLimited(): boolean {
    return this.#limitBytes !== Infinity
  }

  /** Whether somebody must go. */
  get isOver(): boolean {
    return this.#clientBytes > this.#limitBytes
  }

  /** `setting` is bytes, or percent of `maxmemory` below 0; either being 0 means no limit. */
  setLimit(setting: number, maxmemory: number): void {
    const bytes = setting < 0 ? Math.floor((maxmemory * -setting) / 100) : setting
    this.#limitBytes = bytes === 0 ? Infinity : Math.max(bytes, LIMIT_MIN)
  }

  /** Counts a client anew. O(1), allocates nothing while it stays in its bucket. */
  update(client: Connection): void {
    // Who is closed has been forgotten.
    if (client.isClosed) return
    const bytes = client.totalBytes
    assert(bytes >= 0, 'a size')
    if (client.isCountedReplica !== client.isReplica) {
      this.#add(client, -client.countedBytes)
      client.isCountedReplica = client.isReplica
      this.#add(client, client.countedBytes)
    }
    this.#add(client, bytes - client.countedBytes)
    client.countedBytes = bytes
    const bucket = client.isEvictable ? bucketOf(bytes) : NO_BUCKET
    if (bucket !== client.bucket) this.#move(client, bucket)
  }

  /** Forgets a client that is gone. */
  forget(client: Connection): void {
    this.#add(client, -client.countedBytes)
    client.countedBytes = 0
    this.#move(client, NO_BUCKET)
  }

  /** Closes clients, the largest first, until the rest is within the limit. */
  evict(): void {
    if (!this.isOver) {
      this.#isExhausted = false
      return
    }
    const { log, statistics, nowMs } = this.#options
    while (this.isOver) {
      const client = this.#largest()
      if (client === null) return this.#noteExhausted()
      const { bucket } = client
      // What it had to read may be gone by now, and it is none of the largest.
      this.update(client)
      if (client.bucket !== bucket) continue
      log.notice(`Evicting client: ${client.describe(nowMs())}`)
      statistics.evictedClients++
      client.socket.close()
      assert(client.isClosed, 'a socket closes at once')
    }
  }

  /** Adds up anew and compares; for tests. */
  check(clients: Iterable<Connection>): void {
    const sums = { clients: 0, replicas: 0, inBuckets: 0 }
    for (const client of clients) {
      if (client.isCountedReplica) sums.replicas += client.countedBytes
      else sums.clients += client.countedBytes
      if (client.bucket === NO_BUCKET) continue
      sums.inBuckets++
      assert(this.#buckets[client.bucket]!.has(client), 'a client stands in its bucket')
      assert(client.bucket === bucketOf(client.countedBytes), 'the bucket is that of its size')
    }
    assert(sums.clients === this.#clientBytes, 'the sum of clients')
    assert(sums.replicas === this.#replicaBytes, 'the sum of replicas')
    const standing = this.#buckets.reduce((sum, bucket) => sum + bucket.size, 0)
    assert(sums.inBuckets === standing, 'nobody stands in two buckets')
  }

  #add(client: Connection, bytes: number): void {
    if (client.isCountedReplica) this.#replicaBytes += bytes
    else this.#clientBytes += bytes
    assert(this.#clientBytes >= 0 && this.#replicaBytes >= 0, 'sums of sizes')
  }

  #move(client: Connection, bucket: number): void {
    if (client.bucket !== NO_BUCKET) this.#buckets[client.bucket]!.delete(client)
    client.bucket = bucket
    if (bucket !== NO_BUCKET) this.#buckets[bucket]!.add(client)
  }

  /** Who has stood longest in the highest bucket that anybody is in. */
  #largest(): Connection | null {
    for (let i = BUCKETS - 1; i >= 0; i--) {
      for (const client of this.#buckets[i]!) return client
    }
    return null
  }

  #noteExhausted(): void {
    if (this.#isExhausted) return
    this.#isExhausted = true
    this.#options.log.warning('Over client maxmemory after evicting all evictable clients')
  }
}

/** The bucket of a client that takes `bytes`. */
function bucketOf(bytes: number): number {
  return Math.min(BUCKETS - 1, 32 - Math.clz32(Math.floor(bytes / FIRST_BUCKET_BYTES)))
}
