// One numbered database: what its keys mean. Where their records are is in entries.ts.
//
// All reads and writes of commands go through here. A `Ptr` that a method returns is valid until
// the next change of the keyspace: commands find a record, use it, and forget it. Keys and values
// travel as `Slice`s, filled by the caller.
//
// A record whose deadline has passed is removed by whoever meets it (lazy expiry), except while
// `expiry.isPaused` (loading, a replica): then it is hidden.
// When the arena is full a method throws and has changed nothing: all it needs is allocated before
// the first change. Removing needs nothing.

import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import { Slice, scratchSlice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Collections } from './collections.ts'
import type { Commons } from './commons.ts'
import type { Deadlines } from './deadlines.ts'
import type { Dict } from './dict.ts'
import { Entries, type MakeOptions } from './entries.ts'
import type { KeyHash } from './key-hash.ts'
import type { LeafDict } from './leaf-dict/leaf-dict.ts'
import {
  clockOfWord,
  EMBSTR_LENGTH_MAX,
  Encoding,
  encodingOfWord,
  flagsOf,
  headWord,
  RecordFlag,
  readDeadline,
  readFieldDeadline,
  rootWord,
  Type,
  typeOfWord,
} from './record.ts'
import { readKey, readValue, wordOf, wordsOf } from './record-access.ts'
import type { Root } from './root.ts'
import { isCanonicalInteger } from './string/integer-text.ts'

/** A deadline of 0 means none. */
export const NO_DEADLINE = 0
/** For `putString`: the key keeps the deadline it has. */
export const KEEP_DEADLINE = -1

const EMPTY = new Slice()

const RAW_STRING: MakeOptions = {
  type: Type.String,
  encoding: Encoding.Raw,
  deadlineMs: NO_DEADLINE,
}

export class Database {
  readonly id: number
  readonly #commons: Commons
  #entries: Entries
  readonly #scratch = scratchSlice()
  /** Average time to live of the keys sampled by active expiry, ms; 0 before the first sample. */
  averageTtlMs = 0
  /** Where active expiry goes on in the list of deadlines. */
  expireCursor = 0
  /** The same in the list of hashes with fields that expire. */
  fieldExpireCursor = 0

  constructor(id: number, commons: Commons, space: number) {
    this.id = id
    this.#commons = commons
    this.#entries = new Entries(commons, space)
  }

  /** Keys, those included whose deadline passed but that nobody has met since. */
  get size(): number {
    return this.#entries.dict.count
  }

  get expiringCount(): number {
    return this.#entries.expiring.keys.count
  }

  /** The hash table, to pick from and to look into. */
  get dict(): Dict {
    return this.#entries.dict
  }

  get space(): number {
    return this.#entries.space
  }

  get deadlines(): Deadlines {
    return this.#entries.expiring.keys
  }

  /** Bytes of the dict outside the arena. */
  get directoryBytes(): number {
    return this.#entries.dict.directoryBytes
  }

  /** The record for a read: counts a hit or a miss, and is an access for LRU/LFU. NULL: no key. */
  find(key: Slice): Ptr {
    const record = this.#findAlive(key)
    if (record === NULL) {
      this.noteMiss(key)
      return NULL
    }
    this.#commons.stats.hits++
    this.#access(record)
    return record
  }

  /** The record for a write: an access, but neither hit nor miss. */
  findForWrite(key: Slice): Ptr {
    const record = this.#findAlive(key)
    if (record !== NULL) this.#access(record)
    return record
  }

  /** The record without any effect on its clock or the statistics. */
  peek(key: Slice): Ptr {
    return this.#findAlive(key)
  }

  /** Counts a read that found no key. */
  noteMiss(key: Slice): void {
    const { stats, hooks } = this.#commons
    stats.misses++
    if (hooks.onMiss !== null) hooks.onMiss(this.id, key)
  }

  typeOf(record: Ptr): Type {
    return typeOfWord(wordsOf(this.#commons.arena, record)[wordOf(record)]!)
  }

  encodingOf(record: Ptr): Encoding {
    return encodingOfWord(wordsOf(this.#commons.arena, record)[wordOf(record)]!)
  }

  clockOf(record: Ptr): number {
    return clockOfWord(wordsOf(this.#commons.arena, record)[wordOf(record)]!)
  }

  setClock(record: Ptr, clock: number): void {
    assert(clock >>> 24 === 0, 'a clock is 24 bits')
    const words = wordsOf(this.#commons.arena, record)
    const at = wordOf(record)
    words[at] = ((words[at]! & 0xff) | (clock << 8)) >>> 0
  }

  /** Counts an access to the record, as TOUCH does. */
  access(record: Ptr): void {
    this.#access(record)
  }

  /** Points `out` at the key. Valid until the next change of the keyspace. */
  readKey(record: Ptr, out: Slice): Slice {
    assert(record !== NULL, 'NULL has no key')
    return readKey(this.#commons.arena, record, out)
  }

  /** Points `out` at the value of a string. Valid until the next change of the keyspace. */
  readString(record: Ptr, out: Slice): Slice {
    assert(record !== NULL, 'NULL has no value')
    return readValue(this.#commons.arena, record, out)
  }

  stringLength(record: Ptr): number {
    return readValue(this.#commons.arena, record, this.#scratch).length
  }

  /** Bytes the record takes, with what it owns and its place in dict and deadlines. */
  bytesOf(record: Ptr): number {
    const shared =
      this.#entries.dict.count > 0 ? this.#entries.dict.bytes / this.#entries.dict.count : 0
    return this.#commons.store.bytesOf(record) + Math.ceil(Math.min(shared, 16))
  }

  /**
   * Sets a key to a string, whatever it held before. `deadlineMs`: unix ms, NO_DEADLINE or
   * KEEP_DEADLINE. The encoding follows from the value. O(key + value).
   */
  putString(key: Slice, value: Slice, deadlineMs: number): Ptr {
    return this.#put(key, value, deadlineMs, encodingFor(value))
  }

  /** `putString` with a given encoding, for copies that keep theirs. */
  putEncodedString(
    key: Slice,
    value: Slice,
    options: { readonly deadlineMs: number; readonly encoding: Encoding },
  ): Ptr {
    return this.#put(key, value, options.deadlineMs, options.encoding)
  }

  /**
   * Makes a record for a key that the last lookup, of this key, did not find. For collections:
   * `value` is packed. No deadline. O(key + value).
   */
  insert(
    key: Slice,
    value: Slice,
    head: { readonly type: Type; readonly encoding: Encoding },
  ): Ptr {
    return this.#create(key, value, { ...head, deadlineMs: NO_DEADLINE })
  }

  /** Sets a key to a packed value, whatever it held before; no deadline. O(key + value). */
  putPacked(
    key: Slice,
    value: Slice,
    head: { readonly type: Type; readonly encoding: Encoding },
  ): Ptr {
    const existing = this.#findAlive(key)
    if (existing === NULL) return this.insert(key, value, head)
    return this.#entries.replace(existing, key, value, { ...head, deadlineMs: NO_DEADLINE })
  }

  /**
   * Replaces `removed` bytes at `offset` of a packed value by `inserted` undefined ones, to be
   * written by the caller (`readString` tells where). Returns the record, which may have moved and
   * has been touched. O(value).
   */
  splice(
    record: Ptr,
    offset: number,
    change: { readonly removed: number; readonly inserted: number },
  ): Ptr {
    return this.#entries.moved(record, this.#commons.store.splice(record, offset, change))
  }

  /** Makes the record's value writable in place, without a change of its length. */
  touch(record: Ptr): void {
    this.#commons.arena.touch(record)
  }

  setEncoding(record: Ptr, encoding: Encoding): void {
    this.#commons.store.setEncoding(record, encoding)
  }

  /** Whether the value lies in nodes. */
  hasRoot(record: Ptr): boolean {
    const words = wordsOf(this.#commons.arena, record)
    return (flagsOf(words[wordOf(record) + 1]!) & RecordFlag.Root) !== 0
  }

  /** Points `root` at the root of a value that lies in nodes. Valid until the record moves. */
  readRoot(record: Ptr, root: Root): Root {
    const words = wordsOf(this.#commons.arena, record)
    const at = wordOf(record)
    return root.open(words, at + rootWord(flagsOf(words[at + 1]!)), record)
  }

  /**
   * Gives the record a root in the place of its packed value. Returns the record, which has moved.
   * ARENA_FULL: nothing has changed, and the root's nodes are still the caller's.
   */
  setRoot(record: Ptr, root: Uint32Array, encoding: Encoding): Ptr {
    return this.#entries.moved(record, this.#commons.store.withRoot(record, root, encoding))
  }

  /**
   * Sets a key to the collection with that root, whatever it held before; no deadline. ARENA_FULL:
   * nothing has changed, and the root's nodes are still the caller's.
   */
  putRoot(
    key: Slice,
    root: Uint32Array,
    head: { readonly type: Type; readonly encoding: Encoding },
  ): Ptr {
    const { store } = this.#commons
    const existing = this.#findAlive(key)
    const made =
      existing === NULL
        ? this.insert(key, EMPTY, head)
        : this.#entries.make(key, EMPTY, { ...head, deadlineMs: NO_DEADLINE })
    try {
      const rooted = store.withRoot(made, root, head.encoding)
      if (existing === NULL) return this.#entries.moved(made, rooted)
      this.#entries.supplant(existing, rooted)
      return rooted
    } catch (error) {
      if (existing === NULL) this.#entries.remove(made)
      else store.free(made)
      throw error
    }
  }

  /** What large sets and large hashes lie in. */
  get memberDict(): LeafDict {
    return this.#commons.memberDict
  }

  get fieldDict(): LeafDict {
    return this.#commons.fieldDict
  }

  /** The large collections, and the arena that their nodes lie in. */
  get collections(): Collections {
    return this.#commons.collections
  }

  /** The keyspace's keyed hash. Its use undoes what a lookup has left there for `insert`. */
  get hash(): KeyHash {
    return this.#commons.hash
  }

  /**
   * Makes the record of a string or packed value that `BulkLoad` will add: no key leads to it yet.
   * Leaves the key's hash in the shared KeyHash.
   */
  makeUnlisted(key: Slice, value: Slice, options: MakeOptions): Ptr {
    assert(options.deadlineMs >= 0, 'a new key has no deadline to keep')
    this.#commons.hash.of(key.bytes, key.start, key.length)
    return this.#entries.make(key, value, options)
  }

  /** Adds a record of `makeUnlisted` with its hash; false when its key exists. O(1). */
  addUnlisted(record: Ptr, high: number, low: number): boolean {
    const { hash } = this.#commons
    hash.high = high
    hash.low = low
    if (this.#entries.dict.findHashed(this.readKey(record, this.#scratch)) !== NULL) return false
    this.#entries.list(record)
    return true
  }

  /** Reads from the bucket that a hash leads to, so that it is in the cache when it is needed. */
  warm(high: number, low: number): number {
    return this.#entries.dict.warm(high, low)
  }

  /**
   * Makes a string `length` bytes long, filled up with zeros; its encoding becomes raw. Returns the
   * record, which may have moved.
   */
  growString(record: Ptr, length: number): Ptr {
    return this.#entries.moved(record, this.#commons.store.grow(record, length, Encoding.Raw))
  }

  /** A new raw string of `length` zeros under a free key without a deadline. O(length). */
  putZeros(key: Slice, length: number): Ptr {
    const record = this.#create(key, EMPTY, RAW_STRING)
    try {
      return this.growString(record, length)
    } catch (error) {
      this.remove(record)
      throw error
    }
  }

  /**
   * A raw string with a copy of `value` and no deadline, which no key leads to yet, for `putMade`.
   * Until then, in the same command, its value may be changed where it lies. O(key + value).
   */
  makeRaw(key: Slice, value: Slice): Ptr {
    return this.#entries.make(key, value, RAW_STRING)
  }

  /** Puts a record of `makeRaw` under its key, in the place of what that held. O(1). */
  putMade(key: Slice, record: Ptr): void {
    const existing = this.#findAlive(key)
    if (existing === NULL) {
      this.#entries.insert(record, NULL)
      this.#tellNew(this.id, key)
      return
    }
    const clock = this.#commons.clock.accessed(this.clockOf(existing))
    this.#entries.supplant(existing, record)
    this.setClock(record, clock)
  }

  /** Writes into a string from `offset`; the range must exist (see `growString`). */
  writeString(record: Ptr, offset: number, source: Slice): void {
    this.#commons.store.write(record, offset, source)
  }

  /** Unix ms; 0 when the key does not expire. */
  deadlineOf(record: Ptr): number {
    const words = wordsOf(this.#commons.arena, record)
    const at = wordOf(record)
    if ((flagsOf(words[at + 1]!) & RecordFlag.Deadline) === 0) return NO_DEADLINE
    return readDeadline(words, at)
  }

  /** Sets (unix ms > 0) or clears (NO_DEADLINE) a deadline. Returns the record, maybe moved. */
  setDeadline(record: Ptr, deadlineMs: number): Ptr {
    assert(deadlineMs >= 0 && Number.isSafeInteger(deadlineMs), 'deadlines are whole milliseconds')
    return this.#entries.setDeadline(record, deadlineMs)
  }

  /** Hashes some of whose fields have a deadline. */
  get fieldDeadlines(): Deadlines {
    return this.#entries.expiring.fields
  }

  /** Unix ms of the earliest deadline of a hash's field, or a time before it; 0: none has one. */
  fieldDeadlineOf(record: Ptr): number {
    if (!this.#entries.isListed(record, RecordFlag.FieldDeadline)) return NO_DEADLINE
    return readFieldDeadline(wordsOf(this.#commons.arena, record), wordOf(record))
  }

  /** `setDeadline` for the earliest deadline of a hash's fields. */
  setFieldDeadline(record: Ptr, deadlineMs: number): Ptr {
    assert(deadlineMs >= 0 && Number.isSafeInteger(deadlineMs), 'deadlines are whole milliseconds')
    return this.#entries.setFieldDeadline(record, deadlineMs)
  }

  /**
   * What the deadlines of a hash's fields are compared with: those that are not after it have
   * passed. Unix ms; 0 while none has.
   */
  fieldsDueMs(record: Ptr): number {
    const deadlineMs = this.fieldDeadlineOf(record)
    if (deadlineMs === NO_DEADLINE) return 0
    const { nowMs, isOn } = this.#commons.expiry
    return isOn && deadlineMs <= nowMs ? nowMs : 0
  }

  /** Counts and tells fields of a hash that have expired and are gone. */
  noteExpiredFields(record: Ptr, count: number, isEmpty: boolean): void {
    const { stats, expiry } = this.#commons
    stats.expiredFields += count
    expiry.onExpireFields?.(this.id, record, isEmpty)
  }

  /** Removes a key. O(1), but for the pages of a large value. */
  remove(record: Ptr): void {
    assert(record !== NULL, 'NULL is in no database')
    this.#entries.remove(record)
  }

  /** Moves the record to another cell, as it is. ARENA_FULL: it stays where it is. */
  relocate(record: Ptr): Ptr {
    return this.#entries.relocate(record)
  }

  /** Gives the record another key; what that held is gone. Value, deadline and clock stay. */
  rename(record: Ptr, key: Slice): Ptr {
    return this.moveTo(record, this, key)
  }

  /** Moves the record to another key of `target` (which may be this database), as `rename` does. */
  moveTo(record: Ptr, target: Database, key: Slice): Ptr {
    const made = this.#entries.moveTo(record, target.#entries, key)
    this.#tellNew(target.id, key)
    return made
  }

  /** A key picked at random, expired ones removed on the way; NULL when there is none. */
  random(random: Random): Ptr {
    // Like Redis, give up on finding a live key when all seem expired and cannot be removed.
    for (let turn = 0; turn < 100; turn++) {
      const record = this.#entries.dict.random(random)
      if (record === NULL || !this.#isExpired(record)) return record
      if (this.#commons.expiry.isPaused) return record
      this.expire(record)
    }
    return this.#entries.dict.random(random)
  }

  /**
   * Visits about `count` records from `cursor` on; returns the next cursor, 0 at the end. Every key
   * present during the whole scan is visited at least once. `visit` must not change the keyspace.
   */
  scan(cursor: number, count: number, visit: (record: Ptr) => void): number {
    assert(Number.isSafeInteger(cursor) && cursor >= 0, 'a cursor is a whole number')
    return this.#entries.dict.scan(cursor, count, visit)
  }

  /** Visits every record, expired ones too. `visit` must not change the keyspace. */
  each(visit: (record: Ptr) => void): void {
    this.#entries.dict.each(visit)
  }

  /** Whether the record's deadline has passed. */
  isExpired(record: Ptr): boolean {
    return this.#isExpired(record)
  }

  /** Removes a record because its deadline passed. */
  expire(record: Ptr): void {
    assert(this.deadlineOf(record) !== NO_DEADLINE, 'only what has a deadline expires')
    const { stats, expiry, lazyFree } = this.#commons
    stats.expired++
    expiry.onExpire?.(this.id, record)
    const timer = expiry.removalTimer
    const startUs = timer === null ? 0 : timer.monotonicUs()
    const wasLazy = lazyFree.enter(lazyFree.isExpiryLazy)
    this.remove(record)
    lazyFree.enter(wasLazy)
    if (timer !== null) timer.note(timer.monotonicUs() - startUs)
  }

  /** Makes room for `count` keys in an empty database, before loading. */
  reserve(count: number): void {
    this.#entries.dict.reserve(count)
  }

  /** Exchanges all keys with `other`. O(1). */
  swapWith(other: Database): void {
    const own = this.#entries
    this.#entries = other.#entries
    other.#entries = own
    this.expireCursor = 0
    other.expireCursor = 0
    this.fieldExpireCursor = 0
    other.fieldExpireCursor = 0
  }

  /** Forgets all keys at once, and goes on in `space`; the old space's pages are the caller's. */
  detach(space: number): number {
    this.averageTtlMs = 0
    this.expireCursor = 0
    this.fieldExpireCursor = 0
    return this.#entries.detach(space)
  }

  /** Walks dict, deadlines and records. O(n). */
  check(): void {
    this.#entries.check()
  }

  /** Finds a live record. Leaves the key's hash in the shared KeyHash, for an insert to follow. */
  #findAlive(key: Slice): Ptr {
    const record = this.#entries.dict.find(key)
    if (record === NULL || !this.#isExpired(record)) return record
    if (!this.#commons.expiry.isPaused) {
      this.expire(record)
      this.#commons.hash.of(key.bytes, key.start, key.length)
    }
    return NULL
  }

  #isExpired(record: Ptr): boolean {
    const words = wordsOf(this.#commons.arena, record)
    const at = wordOf(record)
    if ((flagsOf(words[at + 1]!) & RecordFlag.Deadline) === 0) return false
    return readDeadline(words, at) <= this.#commons.expiry.nowMs && this.#commons.expiry.isOn
  }

  #access(record: Ptr): void {
    const words = wordsOf(this.#commons.arena, record)
    const at = wordOf(record)
    const word = words[at]!
    if (this.#commons.isClockStopped) return
    const clock = this.#commons.clock.accessed(word >>> 8)
    // Most accesses fall into the second of the one before: spare the cache line the write.
    if (clock !== word >>> 8) words[at] = ((word & 0xff) | (clock << 8)) >>> 0
  }

  /** Makes a record for a free key, whose hash stands in the shared KeyHash. */
  #create(key: Slice, value: Slice, options: MakeOptions): Ptr {
    const made = this.#entries.create(key, value, options)
    this.#tellNew(this.id, key)
    return made
  }

  #tellNew(id: number, key: Slice): void {
    const { hooks } = this.#commons
    if (hooks.onNew !== null && !hooks.isHiding) hooks.onNew(id, key)
  }

  /** The way of every SET. Makes objects only when a record is made. */
  #put(key: Slice, value: Slice, deadlineMs: number, encoding: Encoding): Ptr {
    const existing = this.#findAlive(key)
    if (existing === NULL) {
      return this.#create(key, value, {
        type: Type.String,
        deadlineMs: Math.max(deadlineMs, 0),
        encoding,
      })
    }
    const { store } = this.#commons
    const oldDeadline = this.deadlineOf(existing)
    const newDeadline = deadlineMs === KEEP_DEADLINE ? oldDeadline : deadlineMs
    // Like Redis, a new value is an access to its key: under LFU the counter goes on.
    const clock = this.#commons.clock.accessed(this.clockOf(existing))
    const head = headWord(Type.String, encoding, clock)
    if ((newDeadline !== 0) === (oldDeadline !== 0) && store.overwrite(existing, value, head)) {
      if (newDeadline !== oldDeadline) store.withDeadline(existing, newDeadline)
      return existing
    }
    const made = this.#entries.replace(existing, key, value, {
      type: Type.String,
      deadlineMs: newDeadline,
      encoding,
    })
    this.setClock(made, clock)
    return made
  }
}

/** The encoding Redis gives a string set by a command. */
export function encodingFor(value: Slice): Encoding {
  if (value.length <= 20 && isCanonicalInteger(value.bytes, value.start, value.length)) {
    return Encoding.Int
  }
  return value.length <= EMBSTR_LENGTH_MAX ? Encoding.Embstr : Encoding.Raw
}
