// One numbered database: keys to records, and the list of those that expire.
//
// All reads and writes of commands go through here. A `Ptr` that a method returns is valid until
// the next change of the keyspace: commands find a record, use it, and forget it. Keys and values
// travel as `Slice`s, filled by the caller.
//
// A record whose deadline has passed is removed by whoever meets it (lazy expiry), except while
// `expiry.isPaused` (loading, a replica): then it is hidden.
// When the arena is full a method throws and has changed nothing: all it needs is allocated before
// the first change. Removing needs nothing.
// Invariants: every record in the dict lies in a slab of this database's space · records with the
// flag Deadline, and no others, are in `deadlines`.

import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import { Slice, scratchSlice } from '../base/slice.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Collections } from './collections.ts'
import type { Commons } from './commons.ts'
import type { Deadlines } from './deadlines.ts'
import { Dict } from './dict.ts'
import { Expiring } from './expiring.ts'
import {
  clockOfWord,
  EMBSTR_LENGTH_MAX,
  Encoding,
  type ExpiringFlag,
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

/** What a record is made with, besides key and value. */
interface MakeOptions {
  readonly type: Type
  readonly encoding: Encoding
  readonly deadlineMs: number
}
const RAW_STRING: MakeOptions = {
  type: Type.String,
  encoding: Encoding.Raw,
  deadlineMs: NO_DEADLINE,
}

/** What SWAPDB exchanges between two databases. */
interface Content {
  readonly space: number
  readonly dict: Dict
  readonly expiring: Expiring
}

export class Database {
  readonly id: number
  readonly #commons: Commons
  #space = 0
  #dict: Dict
  #expiring: Expiring
  readonly #scratch = scratchSlice()
  /** Average time to live of the keys sampled by active expiry, ms; 0 before the first sample. */
  averageTtlMs = 0
  /** Where active expiry goes on in the list of deadlines. */
  expireCursor = 0

  constructor(id: number, commons: Commons, space: number) {
    this.id = id
    this.#commons = commons
    this.#space = space
    this.#dict = new Dict(commons.arena, commons.hash, scratchSlice())
    this.#expiring = new Expiring(commons.arena)
  }

  /** Keys, those included whose deadline passed but that nobody has met since. */
  get size(): number {
    return this.#dict.count
  }

  get expiringCount(): number {
    return this.#expiring.keys.count
  }

  /** Slots of the dict, used or free. */
  get slotCount(): number {
    return this.#dict.capacity
  }

  get space(): number {
    return this.#space
  }

  get deadlines(): Deadlines {
    return this.#expiring.keys
  }

  /** Bytes of the dict outside the arena. */
  get directoryBytes(): number {
    return this.#dict.directoryBytes
  }

  /** Bytes of the dict in all. */
  get dictBytes(): number {
    return this.#dict.bytes
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
    const shared = this.#dict.count > 0 ? this.#dict.bytes / this.#dict.count : 0
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
    return this.#putAnew(existing, key, value, { ...head, deadlineMs: NO_DEADLINE })
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
    return this.#replaced(record, this.#commons.store.splice(record, offset, change))
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
    return this.#replaced(record, this.#commons.store.withRoot(record, root, encoding))
  }

  /** The large collections, and the arena that their nodes lie in. */
  get collections(): Collections {
    return this.#commons.collections
  }

  /**
   * Makes the record of a string that `BulkLoad` will add: no key leads to it yet. `deadlineMs` is
   * unix ms or NO_DEADLINE. Leaves the key's hash in the shared KeyHash.
   */
  makeUnlisted(key: Slice, value: Slice, deadlineMs: number): Ptr {
    assert(deadlineMs >= 0, 'a new key has no deadline to keep')
    this.#commons.hash.of(key.bytes, key.start, key.length)
    return this.#make(key, value, {
      type: Type.String,
      deadlineMs,
      encoding: encodingFor(value),
    })
  }

  /** Adds a record of `makeUnlisted` with its hash; false when its key exists. O(1). */
  addUnlisted(record: Ptr, high: number, low: number): boolean {
    const { hash } = this.#commons
    hash.high = high
    hash.low = low
    if (this.#dict.findHashed(this.readKey(record, this.#scratch)) !== NULL) return false
    const hasDeadline = this.deadlineOf(record) !== NO_DEADLINE
    if (hasDeadline) this.#expiring.makeRoom(RecordFlag.Deadline)
    this.#dict.insertHashed(record)
    if (hasDeadline) this.#expiring.add(record)
    return true
  }

  /** Reads from the bucket that a hash leads to, so that it is in the cache when it is needed. */
  warm(high: number, low: number): number {
    return this.#dict.warm(high, low)
  }

  /**
   * Makes a string `length` bytes long, filled up with zeros; its encoding becomes raw. Returns the
   * record, which may have moved.
   */
  growString(record: Ptr, length: number): Ptr {
    return this.#replaced(record, this.#commons.store.grow(record, length, Encoding.Raw))
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
    return this.#make(key, value, RAW_STRING)
  }

  /** Puts a record of `makeRaw` under its key, in the place of what that held. O(1). */
  putMade(key: Slice, record: Ptr): void {
    const existing = this.#findAlive(key)
    if (existing === NULL) {
      this.#insert(record, NULL)
      if (this.#commons.hooks.onNew !== null) this.#commons.hooks.onNew(this.id, key)
      return
    }
    const clock = this.#commons.clock.accessed(this.clockOf(existing))
    this.#supplant(existing, record)
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
    const { keys, fields } = this.#expiring
    const index = this.#isListed(record, RecordFlag.Deadline) ? keys.indexOf(record) : -1
    if (index < 0 && deadlineMs !== NO_DEADLINE) keys.makeRoom()
    const next = this.#commons.store.withDeadline(record, deadlineMs)
    if (next === record) return record
    this.#dict.replace(record, next)
    if (this.#isListed(next, RecordFlag.FieldDeadline)) fields.move(next)
    if (index < 0) keys.add(next)
    else keys.removeAt(index)
    return next
  }

  /** Hashes some of whose fields have a deadline. */
  get fieldDeadlines(): Deadlines {
    return this.#expiring.fields
  }

  /** Unix ms of the earliest deadline of a hash's field, or a time before it; 0: none has one. */
  fieldDeadlineOf(record: Ptr): number {
    if (!this.#isListed(record, RecordFlag.FieldDeadline)) return NO_DEADLINE
    return readFieldDeadline(wordsOf(this.#commons.arena, record), wordOf(record))
  }

  /** `setDeadline` for the earliest deadline of a hash's fields. Returns the record, maybe moved. */
  setFieldDeadline(record: Ptr, deadlineMs: number): Ptr {
    assert(deadlineMs >= 0 && Number.isSafeInteger(deadlineMs), 'deadlines are whole milliseconds')
    const { keys, fields } = this.#expiring
    const isListed = this.#isListed(record, RecordFlag.FieldDeadline)
    const index = isListed ? fields.indexOf(record) : -1
    if (!isListed && deadlineMs !== NO_DEADLINE) fields.makeRoom()
    const next = this.#commons.store.withFieldDeadline(record, deadlineMs)
    if (next === record) return record
    this.#dict.replace(record, next)
    if (this.#isListed(next, RecordFlag.Deadline)) keys.move(next)
    if (isListed) fields.removeAt(index)
    else fields.add(next)
    return next
  }

  /** Removes a key. O(1), but for the pages of a large value. */
  remove(record: Ptr): void {
    assert(record !== NULL, 'NULL is in no database')
    this.#expiring.remove(record)
    this.#dict.remove(record)
    this.#commons.store.free(record)
  }

  /** Gives the record another key; what that held is gone. Value, deadline and clock stay. */
  rename(record: Ptr, key: Slice): Ptr {
    return this.moveTo(record, this, key)
  }

  /** Moves the record to another key of `target` (which may be this database), as `rename` does. */
  moveTo(record: Ptr, target: Database, key: Slice): Ptr {
    const { store } = this.#commons
    if (target !== this) target.#expiring.makeRoom(this.#flagsOf(record))
    const made = store.move(record, key, target.#space)
    const occupant = target.#dict.find(key)
    assert(occupant !== record, 'a record moves to another key')
    if (occupant === NULL) target.#insert(made, record)
    else target.#supplant(occupant, made)
    this.#dict.remove(record)
    this.#expiring.remove(record)
    target.#expiring.add(made)
    store.freeMoved(record)
    if (this.#commons.hooks.onNew !== null) this.#commons.hooks.onNew(target.id, key)
    return made
  }

  /** A key picked at random, expired ones removed on the way; NULL when there is none. */
  random(random: Random): Ptr {
    // Like Redis, give up on finding a live key when all seem expired and cannot be removed.
    for (let turn = 0; turn < 100; turn++) {
      const record = this.#dict.random(random)
      if (record === NULL || !this.#isExpired(record)) return record
      if (this.#commons.expiry.isPaused) return record
      this.expire(record)
    }
    return this.#dict.random(random)
  }

  /**
   * Visits about `count` records from `cursor` on; returns the next cursor, 0 at the end. Every key
   * present during the whole scan is visited at least once. `visit` must not change the keyspace.
   */
  scan(cursor: number, count: number, visit: (record: Ptr) => void): number {
    assert(Number.isSafeInteger(cursor) && cursor >= 0, 'a cursor is a whole number')
    return this.#dict.scan(cursor, count, visit)
  }

  /** Visits every record, expired ones too. `visit` must not change the keyspace. */
  each(visit: (record: Ptr) => void): void {
    this.#dict.each(visit)
  }

  /** Whether the record's deadline has passed. */
  isExpired(record: Ptr): boolean {
    return this.#isExpired(record)
  }

  /** Removes a record because its deadline passed. */
  expire(record: Ptr): void {
    assert(this.deadlineOf(record) !== NO_DEADLINE, 'only what has a deadline expires')
    const { stats, expiry } = this.#commons
    stats.expired++
    expiry.onExpire?.(this.id, record)
    this.remove(record)
  }

  /** Makes room for `count` keys in an empty database, before loading. */
  reserve(count: number): void {
    this.#dict.reserve(count)
  }

  /** Exchanges all keys with `other`. O(1). */
  swapWith(other: Database): void {
    const own = this.#content()
    this.#setContent(other.#content())
    other.#setContent(own)
  }

  /** Forgets all keys at once, and goes on in `space`; the old space's pages are the caller's. */
  detach(space: number): number {
    assert(space !== this.#space, 'a flushed database goes on in another space')
    const old = this.#space
    this.#dict.clear()
    this.#expiring.clear()
    this.#space = space
    this.averageTtlMs = 0
    this.expireCursor = 0
    return old
  }

  /** Walks dict, deadlines and records. O(n). */
  check(): void {
    this.#dict.check()
    this.#expiring.check()
    let expiring = 0
    let withFields = 0
    this.#dict.each((record) => {
      assert(this.#commons.arena.spaceOf(record) === this.#space, 'records lie in their space')
      if (this.deadlineOf(record) !== NO_DEADLINE) expiring++
      if (this.fieldDeadlineOf(record) !== NO_DEADLINE) withFields++
    })
    assert(expiring === this.#expiring.keys.count, 'every deadline is listed')
    assert(withFields === this.#expiring.fields.count, 'every hash with deadlines is listed')
  }

  #content(): Content {
    return { space: this.#space, dict: this.#dict, expiring: this.#expiring }
  }

  #setContent({ space, dict, expiring }: Content): void {
    this.#space = space
    this.#dict = dict
    this.#expiring = expiring
    this.expireCursor = 0
  }

  /** Puts a record that moved to `next`, with the same flags, in its places. */
  #replaced(record: Ptr, next: Ptr): Ptr {
    if (next === record) return record
    this.#dict.replace(record, next)
    this.#expiring.move(next)
    return next
  }

  #flagsOf(record: Ptr): number {
    return flagsOf(wordsOf(this.#commons.arena, record)[wordOf(record) + 1]!)
  }

  /** Whether the record is in the list that the flag names. */
  #isListed(record: Ptr, flag: ExpiringFlag): boolean {
    return (this.#flagsOf(record) & flag) !== 0
  }

  /** Finds a live record. Leaves the key's hash in the shared KeyHash, for an insert to follow. */
  #findAlive(key: Slice): Ptr {
    const record = this.#dict.find(key)
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
    const hasDeadline = options.deadlineMs !== NO_DEADLINE
    if (hasDeadline) this.#expiring.makeRoom(RecordFlag.Deadline)
    const made = this.#make(key, value, options)
    this.#insert(made, NULL)
    if (hasDeadline) this.#expiring.add(made)
    if (this.#commons.hooks.onNew !== null) this.#commons.hooks.onNew(this.id, key)
    return made
  }

  /**
   * Adds a record to the dict under the hash in the shared KeyHash. Without room it is freed, and
   * its value goes back to `source`, the record that it was moved from (NULL: none).
   */
  #insert(record: Ptr, source: Ptr): void {
    try {
      this.#dict.insertHashed(record)
    } catch (error) {
      if (source === NULL) this.#commons.store.free(record)
      else this.#commons.store.moveBack(source, record)
      throw error
    }
  }

  /** Puts a record in the place of another with the same key, which is free then. */
  #supplant(occupant: Ptr, record: Ptr): void {
    this.#expiring.remove(occupant)
    this.#dict.replace(occupant, record)
    this.#commons.store.free(occupant)
  }

  #make(key: Slice, value: Slice, options: MakeOptions): Ptr {
    const { type, deadlineMs, encoding } = options
    const { store, clock } = this.#commons
    return store.create(
      { space: this.#space, type, encoding, clock: clock.fresh(), deadlineMs },
      key,
      value,
    )
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
    const made = this.#putAnew(existing, key, value, {
      type: Type.String,
      deadlineMs: newDeadline,
      encoding,
    })
    this.setClock(made, clock)
    return made
  }

  /** Replaces a record whose cell does not suit the new value. */
  #putAnew(existing: Ptr, key: Slice, value: Slice, options: MakeOptions): Ptr {
    if (options.deadlineMs !== NO_DEADLINE) this.#expiring.makeRoom(RecordFlag.Deadline)
    const made = this.#make(key, value, options)
    this.#expiring.remove(existing)
    this.#dict.replace(existing, made)
    this.#commons.store.free(existing)
    this.#expiring.add(made)
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
