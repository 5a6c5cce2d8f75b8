// The keyspace: all numbered databases over one arena. Front door of `keyspace/`.
//
//   database.ts       one database: find, put, grow, rename, expire, scan
//   dict.ts           its hash table          deadlines.ts  its list of expiring records
//   record.ts         a record's layout       record-access.ts, record-store.ts  reading, writing
//   access-clock.ts   LRU and LFU bits        expire.ts, field-expire.ts  the active expire cycle
//   bulk-load.ts      many keys at once       lazy-free.ts  large values, freed in steps
//   relocation.ts     records that move to other cells, for compaction
//   collections.ts    large values and their records        root.ts  where their nodes are
//   adopted-value.ts  packed values of files, kept as they lie
//   leaf-tree/ leaf-dict/   what large collections lie in, ordered and hashed; packed/ small ones
//   string/ list/ hash/ set/ zset/ stream/   the types; value-types.ts registers them
//
// Each database's records lie in slabs of a *space* of their own. FLUSHDB gives the database a
// fresh space and lets the old one go page by page (`reclaimStep`), at once or in the background,
// without looking at keys. Owner: the engine.

import { assert } from '../base/assert.ts'
import { Random, secretWords } from '../base/random.ts'
import type { ReleasePages } from '../base/system-memory.ts'
import { Arena } from '../memory/arena.ts'
import { Compaction } from '../memory/compaction.ts'
import { PageKind, type Ptr } from '../memory/layout.ts'
import { PageReturn } from '../memory/page-return.ts'
import { AccessClock } from './access-clock.ts'
import { BulkLoad } from './bulk-load.ts'
import { Collections } from './collections.ts'
import type { Commons, KeyHook, KeyspaceStats, RemovalTimer } from './commons.ts'
import { Database } from './database.ts'
import { KeyHash } from './key-hash.ts'
import { LazyFree } from './lazy-free.ts'
import { LeafDict } from './leaf-dict/leaf-dict.ts'
import { flagsOf, rootWord, typeOfWord } from './record.ts'
import { wordOf, wordsOf } from './record-access.ts'
import { RecordStore } from './record-store.ts'
import { Relocation } from './relocation.ts'
import { RELEASERS } from './value-types.ts'

export interface KeyspaceOptions {
  readonly databaseCount: number
  readonly pageCapacity: number
  /** Two words; from the system's secure source unless a test wants a run again. */
  readonly hashSecret?: Uint32Array
  readonly random?: Random
  /** How single pages go back to the system; null: they do not. */
  readonly release?: ReleasePages | null
}

/** A space whose records are gone for the user and whose pages are being freed. */
interface Condemned {
  readonly space: number
  /** The next collection to look at: they go before the records with their roots. */
  number: number
  /** The next page to look at. */
  page: number
  /** Keys it held, for lazyfree_pending_objects. */
  readonly keyCount: number
}

/** Pages that one reclaim step looks at; about 0.2 ms. */
const RECLAIM_PAGES = 8192
/** Collections that one reclaim step looks at. */
const RECLAIM_COLLECTIONS = 4096
/** Collections of a flushed database that wait to be freed, at most. */
const LAZY_PENDING_MAX = 64

export class Keyspace {
  readonly arena: Arena
  readonly collections: Collections
  readonly random: Random
  /** Large values that are gone, and who leaves them to it. */
  readonly lazyFree: LazyFree
  readonly clock: AccessClock
  readonly stats: KeyspaceStats
  readonly databases: readonly Database[]
  /** Empties sparse slabs, when it is told to. */
  readonly compaction: Compaction
  /** Gives free pages back to the system. */
  readonly pageReturn: PageReturn
  /** Changes since the last save. */
  dirty = 0
  readonly #commons: Commons
  #condemned: Condemned[] = []
  #freeSpaces: number[] = []
  /** Spaces without pages that an open cut may still know under their old meaning. */
  #retiredSpaces: number[] = []
  #spaceLimit: number
  #lazyFreed = 0

  constructor(options: KeyspaceOptions) {
    assert(options.databaseCount > 0, 'there is a database 0')
    this.arena = new Arena(options.pageCapacity, options.release ?? null)
    this.pageReturn = new PageReturn(this.arena.pool)
    this.collections = new Collections(this.arena)
    this.lazyFree = new LazyFree(this.collections, RELEASERS)
    this.random = options.random ?? Random.fromSystem()
    this.clock = new AccessClock(this.random)
    this.stats = {
      hits: 0,
      misses: 0,
      expired: 0,
      expiredFields: 0,
      staleShare: 0,
      timeCapReached: 0,
    }
    const secret = options.hashSecret ?? secretWords(2)
    this.#commons = {
      arena: this.arena,
      collections: this.collections,
      hash: new KeyHash(secret),
      store: new RecordStore(this.collections, this.lazyFree),
      lazyFree: this.lazyFree,
      memberDict: new LeafDict(this.collections, new KeyHash(secret), false),
      fieldDict: new LeafDict(this.collections, new KeyHash(secret), true),
      clock: this.clock,
      stats: this.stats,
      expiry: {
        nowMs: 0,
        isOn: true,
        isPaused: false,
        onExpire: null,
        onExpireFields: null,
        removalTimer: null,
      },
      hooks: { onMiss: null, onNew: null, isHiding: false },
      isClockStopped: false,
    }
    this.#spaceLimit = options.databaseCount + 1
    this.databases = Array.from(
      { length: options.databaseCount },
      (_, id) => new Database(id, this.#commons, id + 1),
    )
    this.compaction = new Compaction(this.arena, new Relocation(this.arena, this.databases))
  }

  /** Bytes of all data and its index structures, exact. */
  get usedBytes(): number {
    let directories = 0
    for (const database of this.databases) directories += database.directoryBytes
    return this.arena.usedBytes + directories
  }

  /** Keys of all databases. */
  get size(): number {
    let size = 0
    for (const database of this.databases) size += database.size
    return size
  }

  /** Keys whose memory a FLUSH … ASYNC or UNLINK has yet to free. */
  get lazyFreePending(): number {
    let pending = this.lazyFree.pending
    for (const { keyCount } of this.#condemned) pending += keyCount
    return pending
  }

  /** Keys freed in the background since the start or `resetLazyFreed`. */
  get lazyFreed(): number {
    return this.#lazyFreed + this.lazyFree.freed
  }

  resetLazyFreed(): void {
    this.#lazyFreed = 0
    this.lazyFree.freed = 0
  }

  /** Hook that sees each record just before it expires; null: none. */
  set onExpire(hook: ((database: number, record: Ptr) => void) | null) {
    this.#commons.expiry.onExpire = hook
  }

  /** Hook that sees each hash whose fields have expired; null: none. */
  set onExpireFields(hook: ((database: number, record: Ptr, isEmpty: boolean) => void) | null) {
    this.#commons.expiry.onExpireFields = hook
  }

  /** Times the removal of each expired record; null: nobody wants to know. */
  set removalTimer(timer: RemovalTimer | null) {
    this.#commons.expiry.removalTimer = timer
  }

  /** Hook that sees each key that a read did not find; null: none. */
  set onMiss(hook: KeyHook | null) {
    this.#commons.hooks.onMiss = hook
  }

  /** Hook that sees each key that a command has made; null: none. */
  set onNew(hook: KeyHook | null) {
    this.#commons.hooks.onNew = hook
  }

  /** Whether keys are being made that nobody shall see, values on their way to their own keys. */
  set isHiding(isHiding: boolean) {
    this.#commons.hooks.isHiding = isHiding
  }

  /** Whether deadlines have effect; off while loading. */
  set isExpiryOn(isOn: boolean) {
    this.#commons.expiry.isOn = isOn
  }

  /** Whether keys whose deadline has passed are hidden, not removed (CLIENT PAUSE). */
  set isExpiryPaused(isPaused: boolean) {
    this.#commons.expiry.isPaused = isPaused
  }

  /** Whether accesses leave the clock bits alone (CLIENT NO-TOUCH). */
  set isClockStopped(isStopped: boolean) {
    this.#commons.isClockStopped = isStopped
  }

  /** Sets the time that deadlines and clocks are compared with; once per turn of the loop. */
  advance(nowMs: number): void {
    this.#commons.expiry.nowMs = nowMs
    this.clock.advance(nowMs)
    this.lazyFree.advance(nowMs)
  }

  /** Adds many strings to a database at once, as loading does. */
  bulkLoad(database: Database): BulkLoad {
    return new BulkLoad(database, this.#commons)
  }

  /**
   * Removes all keys of a database. They are gone for every reader at once; their pages are freed
   * by `reclaimStep`. Returns the keys removed.
   */
  flush(database: Database): number {
    const keyCount = database.size
    if (keyCount === 0) return 0
    if (!this.arena.guard) this.#freeSpaces.push(...this.#retiredSpaces.splice(0))
    const space = database.detach(this.#freeSpaces.pop() ?? this.#spaceLimit++)
    this.#condemned.push({ space, number: 1, page: 1, keyCount })
    return keyCount
  }

  /**
   * Frees some memory of large values that are gone and of flushed databases; true while there is
   * more. About 0.2 ms.
   */
  reclaimStep(): boolean {
    const hasValues = this.lazyFree.step()
    const condemned = this.#condemned[0]
    if (!condemned) return hasValues
    if (condemned.number < this.collections.limit) this.#condemnCollections(condemned)
    else this.#dropPages(condemned)
    return this.#condemned.length > 0 || this.lazyFree.pending > 0
  }

  /** Hands the large collections of a flushed database to lazy free, some at a time. */
  #condemnCollections(condemned: Condemned): void {
    const { collections } = this
    const limit = Math.min(condemned.number + RECLAIM_COLLECTIONS, collections.limit)
    while (condemned.number < limit && this.lazyFree.pending < LAZY_PENDING_MAX) {
      const number = condemned.number++
      if (collections.spaceOf(number) !== condemned.space) continue
      const record = collections.recordOf(number)
      const words = wordsOf(this.arena, record)
      const at = wordOf(record)
      const root = at + rootWord(flagsOf(words[at + 1]!))
      this.lazyFree.addFlushed(typeOfWord(words[at]!), words, root)
    }
  }

  /** Frees some slabs and spans of a flushed database. */
  #dropPages(condemned: Condemned): void {
    const { kind, space } = this.arena.pages
    const limit = Math.min(condemned.page + RECLAIM_PAGES, this.arena.pool.pageLimit)
    for (let page = condemned.page; page < limit; page++) {
      const isHead = kind[page] === PageKind.Record || kind[page] === PageKind.Span
      if (isHead && space[page] === condemned.space) this.arena.dropRun(page)
    }
    condemned.page = limit
    if (limit < this.arena.pool.pageLimit) return
    this.#condemned.shift()
    this.#lazyFreed += condemned.keyCount
    this.#retiredSpaces.push(condemned.space)
  }

  /**
   * Frees all memory of flushed databases before it returns, as FLUSHALL SYNC does; nothing of that
   * counts as freed in the background.
   */
  reclaimAll(): void {
    const freed = this.#lazyFreed
    let hasMore = true
    while (hasMore) hasMore = this.reclaimStep()
    this.#lazyFreed = freed
  }

  /** Gives all free pages back to the system at once, as MEMORY PURGE does. About 0.2 µs a page. */
  purge(): void {
    this.pageReturn.purge()
  }

  /** For each space that is alive now, the number of its database; -1 for others. */
  databaseOfSpace(): Int32Array {
    const map = new Int32Array(this.#spaceLimit).fill(-1)
    for (const database of this.databases) {
      assert(database.space < map.length, 'spaces are numbered below the limit')
      map[database.space] = database.id
    }
    return map
  }

  /** Walks every invariant of arena and databases. O(n). */
  check(): void {
    this.arena.check()
    for (const database of this.databases) database.check()
    const spaces = new Set(this.databases.map((database) => database.space))
    assert(spaces.size === this.databases.length, 'each database has a space of its own')
  }
}
