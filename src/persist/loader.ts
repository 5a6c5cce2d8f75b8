// Loads an RDB file into the keyspace, in steps, so that the engine can answer clients with LOADING
// in between. A file that cannot be read to its end and checked is an error; the caller drops what
// was loaded. Keys whose deadline has passed are not loaded, as on a Redis primary.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Disk, DiskFile } from '../base/disk.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import { Slice } from '../base/slice.ts'
import { UNSUITED } from '../keyspace/adopted-value.ts'
import type { BulkLoad } from '../keyspace/bulk-load.ts'
import type { Database } from '../keyspace/database.ts'
import { NO_DEADLINE } from '../keyspace/database.ts'
import { defaultEncodingLimits, type EncodingLimits } from '../keyspace/encoding-limits.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { Encoding, Type } from '../keyspace/record.ts'
import { ARENA_FULL } from '../memory/arena.ts'
import { NULL, PAGE_BYTES, type Ptr } from '../memory/layout.ts'
import { shownName } from './damage.ts'
import { BuiltCollection, builderOf } from './rdb/built-collection.ts'
import { Kernels } from './rdb/kernels.ts'
import { RdbInput } from './rdb/rdb-input.ts'
import { RdbReader } from './rdb/rdb-reader.ts'
import type { CollectionTarget, PackedValue, RdbEntry, RdbTarget } from './rdb/rdb-target.ts'
import { StreamBuilder } from './rdb/stream-builder.ts'
import type { StreamTarget } from './rdb/stream-target.ts'

const BUFFER_BYTES = 1024 * 1024
/** What an error shows of a key. */
const NAME_LENGTH_MAX = 64
/** So many keys without elements are named, as in Redis. */
const EMPTY_NAMED_MAX = 10
/** Where a limit comes from. */
const MACHINE_LIMIT = 'of memory that is left on this machine'
const ARENA_LIMIT = 'that one server can hold'
/** What a record of a packed value is called. */
interface PackedHead {
  readonly type: Type
  readonly encoding: Encoding
}

const STREAM_HEAD: PackedHead = { type: Type.Stream, encoding: Encoding.Stream }
/** A database is prepared for at most as many keys as its bytes in the file can hold. */
const KEY_BYTES_MIN = 3

export interface LoadOptions {
  readonly checksum: boolean
  /** Largest dataset to accept, bytes; 0: no limit. A file that cannot fit is refused. */
  readonly memoryLimitBytes: number
  /** Unix ms; keys with an earlier deadline are dropped. */
  readonly nowMs: number
  /** Thresholds of encodings; without them those of Redis 7.0 without a configuration. */
  readonly limits?: EncodingLimits
  /** Hears of the first collections without elements. */
  readonly onEmptyKey?: (name: string) => void
  /** Whether bytes may follow the end, as commands do in an append only file. */
  readonly mayTrail?: boolean
  /** Keys that exist already are overwritten (DEBUG RELOAD MERGE); else they are an error. */
  readonly mayOverwrite: boolean
}

export class RdbLoader implements RdbTarget {
  readonly path: string
  /** Keys stored, and keys dropped because their deadline had passed. */
  keysLoaded = 0
  keysExpired = 0
  /** Collections without elements, which were passed over. */
  keysEmpty = 0
  /** `used-mem` of the file: what the dataset took where it was saved; 0 when unknown. */
  usedBytesAtSave = 0
  /** Where in which replication stream the data stands; '' and -1: nowhere. */
  streamId = ''
  streamOffset = -1
  readonly #keyspace: Keyspace
  readonly #options: LoadOptions
  readonly #limits: EncodingLimits
  readonly #file: DiskFile
  readonly #reader: RdbReader
  readonly #key = new Slice()
  readonly #value = new Slice()
  /** The key of the collection that is being read. */
  readonly #collectionKey = new Slice()
  readonly #collection = new BuiltCollection((record) => this.#noteBuilt(record))
  readonly #stream = new StreamBuilder({
    freeKey: (key) => this.#freeKey(key),
    onEnd: (record) => this.#place(record),
    onPacked: (value) => this.#keepPacked(value, STREAM_HEAD),
  })
  #entry: RdbEntry | null = null
  #database: Database
  #bulk: BulkLoad

  /** Opens the file and reads its header. Throws StoreError. */
  constructor(disk: Disk, path: string, keyspace: Keyspace, options: LoadOptions) {
    this.path = path
    this.#keyspace = keyspace
    this.#options = options
    this.#limits = options.limits ?? defaultEncodingLimits()
    this.#database = keyspace.databases[0]!
    this.#bulk = keyspace.bulkLoad(this.#database)
    this.#file = disk.openRead(path)
    try {
      this.#reader = new RdbReader(new Kernels(RdbInput.regionBytes(BUFFER_BYTES)), BUFFER_BYTES)
      this.#reader.begin(this.#file, this, {
        checksum: options.checksum,
        databases: keyspace.databases.length,
        mayTrail: options.mayTrail ?? false,
      })
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Bytes of the file, and those read so far. */
  get totalBytes(): number {
    return this.#reader.size
  }

  get loadedBytes(): number {
    return this.#reader.position
  }

  /** Reads about `bytes` more; true while there is more. Throws StoreError; then call `close`. */
  step(bytes: number): boolean {
    assert(bytes > 0, 'a step reads something')
    try {
      const hasMore = this.#reader.step(bytes)
      this.#checkFits()
      if (hasMore) return true
      this.#flush()
    } catch (error) {
      this.#bulk.discard()
      this.#collection.discard()
      throw error === ARENA_FULL ? this.#full() : error
    }
    this.close()
    return false
  }

  /** Idempotent. Closing a file that was only read can fail, but nothing is lost by that. */
  close(): void {
    try {
      this.#file.close()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }

  onAux(name: string, value: string): void {
    if (name === 'repl-id') this.streamId = value
    if (name === 'repl-offset') this.streamOffset = Number(value)
    if (name !== 'used-mem') return
    this.usedBytesAtSave = Number(value) || 0
    // Redis takes up to twice the memory for the same keys: only what cannot fit is refused here.
    const least = this.usedBytesAtSave / 2
    const { memoryLimitBytes } = this.#options
    if (memoryLimitBytes > 0 && least > memoryLimitBytes) throw this.#tooLarge(memoryLimitBytes)
    const capacityBytes = capacityOf(this.#keyspace)
    if (least > capacityBytes) throw this.#tooLarge(capacityBytes, ARENA_LIMIT)
  }

  onDatabase(id: number): void {
    assert(id < this.#keyspace.databases.length, 'the reader knows how many there are')
    this.#flush()
    this.#database = this.#keyspace.databases[id]!
    this.#bulk = this.#keyspace.bulkLoad(this.#database)
  }

  onResize(keys: number): void {
    // The count is a hint: a damaged one must not cost more memory than the file could fill.
    const possible = (this.totalBytes - this.loadedBytes) / KEY_BYTES_MIN
    if (this.#database.size === 0) this.#database.reserve(Math.min(keys, possible))
  }

  onFunction(): void {
    throw new StoreError(
      ErrorCode.RdbUnsupported,
      `${this.path}: a library of functions at byte ${this.loadedBytes}, expected keys only: ` +
        'functions are not supported by this version',
    )
  }

  onCollection(entry: RdbEntry, type: Type, count: number): CollectionTarget | null {
    if (this.#isExpired(entry)) return null
    const { key } = entry
    this.#collectionKey.set(key.bytes, key.start, key.length)
    this.#freeKey(this.#collectionKey)
    this.#entry = entry
    const bytesLeft = this.totalBytes - this.loadedBytes
    const options = { limits: this.#limits, count, bytesLeft }
    return this.#collection.begin(type, this.#database, this.#collectionKey, options)
  }

  onPacked(entry: RdbEntry, type: Type, value: PackedValue): boolean {
    const encoding = builderOf(type).nameOf(value, this.#limits)
    if (encoding === UNSUITED) return false
    if (this.#isExpired(entry)) return true
    this.#entry = entry
    const bytes = this.#value.set(value.bytes, value.start, value.length)
    this.#keepPacked(bytes, { type, encoding })
    return true
  }

  onEmpty({ key }: RdbEntry): void {
    if (this.keysEmpty++ >= EMPTY_NAMED_MAX) return
    const name = this.#key.set(key.bytes, key.start, key.length).toLatin1()
    this.#options.onEmptyKey?.(shownName(name, NAME_LENGTH_MAX))
  }

  onStream(entry: RdbEntry): StreamTarget | null {
    if (this.#isExpired(entry)) return null
    const { key } = entry
    this.#collectionKey.set(key.bytes, key.start, key.length)
    this.#entry = entry
    this.#stream.begin(this.#database, this.#collectionKey)
    return this.#stream
  }

  /** Makes the entry's record of a packed value. */
  #keepPacked(bytes: Slice, { type, encoding }: PackedHead): void {
    const entry = this.#entry
    assert(entry !== null, 'what is kept has been read')
    const key = this.#key.set(entry.key.bytes, entry.key.start, entry.key.length)
    if (this.#options.mayOverwrite) {
      this.#place(this.#database.putPacked(key, bytes, { type, encoding }))
      return
    }
    const deadlineMs = Math.max(entry.deadlineMs, NO_DEADLINE)
    if (this.#bulk.isFull) this.#flush()
    this.#noteKey(entry, this.#bulk.addPacked(key, bytes, { type, encoding, deadlineMs }))
    this.#entry = null
  }

  /** Gives the complete value of the entry its deadline and clock. */
  #place(record: Ptr): void {
    assert(this.#entry !== null, 'what ends has begun')
    const { deadlineMs } = this.#entry
    const placed = deadlineMs > 0 ? this.#database.setDeadline(record, deadlineMs) : record
    this.#noteKey(this.#entry, placed)
    this.#entry = null
  }

  onString(entry: RdbEntry): void {
    if (this.#isExpired(entry)) return
    const { deadlineMs } = entry
    const hasDeadline = deadlineMs >= 0
    const key = this.#key.set(entry.key.bytes, entry.key.start, entry.key.length)
    const value = this.#value.set(entry.value.bytes, entry.value.start, entry.value.length)
    const deadline = hasDeadline ? deadlineMs : NO_DEADLINE
    if (this.#bulk.isFull) this.#flush()
    const record = this.#options.mayOverwrite
      ? this.#database.putString(key, value, deadline)
      : this.#bulk.add(key, value, deadline)
    this.#noteKey(entry, record)
  }

  /** The value of a collection is complete, or damaged. */
  #noteBuilt(record: Ptr): void {
    if (record === NULL) throw this.#damaged()
    this.#place(record)
  }

  /** Whether the key's deadline has passed: then it is not loaded. */
  #isExpired({ deadlineMs }: RdbEntry): boolean {
    if (deadlineMs < 0 || deadlineMs > this.#options.nowMs) return false
    this.keysExpired++
    return true
  }

  /** Removes a key that is there already, if that may be. */
  #freeKey(key: Slice): void {
    const existing = this.#database.peek(key)
    if (existing === NULL) return
    if (!this.#options.mayOverwrite) throw this.#doubled(key)
    this.#database.remove(existing)
    this.#database.peek(key)
  }

  /** What is done with each key that was stored. */
  #noteKey(entry: RdbEntry, record: Ptr): void {
    const { clock } = this.#keyspace
    if (entry.idleSeconds >= 0 && !clock.isLfu) {
      this.#database.setClock(record, clock.ofIdle(entry.idleSeconds))
    } else if (entry.frequency >= 0 && clock.isLfu) {
      this.#database.setClock(record, clock.ofFrequency(entry.frequency))
    }
    assert(record !== NULL, 'a loaded key has a record')
    this.keysLoaded++
    // Also in the midst of a step, which may be long.
    if ((this.keysLoaded & 0xfff) === 0) this.#checkFits()
  }

  /** Lists the keys that were read since the last time. */
  #flush(): void {
    const doubled = this.#bulk.flush()
    if (doubled !== NULL) throw this.#doubled(this.#database.readKey(doubled, this.#key))
  }

  #doubled(key: Slice): StoreError {
    return new StoreError(
      ErrorCode.RdbCorrupt,
      `${this.path}: ${this.#nameOf(key)} before byte ${this.loadedBytes} for the second time, ` +
        'expected each key once',
    )
  }

  #damaged(): StoreError {
    return new StoreError(
      ErrorCode.RdbCorrupt,
      `${this.path}: ${this.#nameOf(this.#collectionKey)} before byte ${this.loadedBytes} holds ` +
        'an element twice, expected each once',
    )
  }

  #nameOf(key: Slice): string {
    const name = shownName(key.toLatin1(), NAME_LENGTH_MAX)
    return `key '${name}' of database ${this.#database.id}`
  }

  #checkFits(): void {
    const { memoryLimitBytes } = this.#options
    if (memoryLimitBytes === 0 || this.#keyspace.usedBytes <= memoryLimitBytes) return
    throw this.#outgrown(`at most ${inMib(memoryLimitBytes)} MiB ${MACHINE_LIMIT}`)
  }

  /** The arena has no place for what the file holds. */
  #full(): StoreError {
    return this.#outgrown(`at most ${inMib(capacityOf(this.#keyspace))} MiB ${ARENA_LIMIT}`)
  }

  #outgrown(expected: string): StoreError {
    const part = Math.max(this.loadedBytes / this.totalBytes, 1e-6)
    const needed = inMib(this.#keyspace.usedBytes / part)
    const place = `by byte ${this.loadedBytes} of ${this.totalBytes}`
    const text = `${this.path}: about ${needed} MiB of data ${place}, expected ${expected}`
    return new StoreError(ErrorCode.OutOfMemory, text)
  }

  /** The file itself tells that it cannot fit. */
  #tooLarge(limitBytes: number, what = MACHINE_LIMIT): StoreError {
    return new StoreError(
      ErrorCode.OutOfMemory,
      `${this.path}: ${inMib(this.usedBytesAtSave)} MiB in memory when it was saved, expected at ` +
        `most ${inMib(limitBytes)} MiB ${what}`,
    )
  }
}

/** Bytes that the arena may grow to. */
function capacityOf({ arena }: Keyspace): number {
  return arena.pages.capacity * PAGE_BYTES
}

function inMib(bytes: number): number {
  return Math.ceil(bytes / (1024 * 1024))
}
