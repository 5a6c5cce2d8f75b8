// Sorted sets: members with scores, in the order of (score, member). Front door of `keyspace/zset`.
//
//   packed-zset.ts    small: a listpack in the record
//   large-zset.ts     large: leaves (zset-leaf.ts) in a tree, members found by member-index.ts
//   release-zset.ts   lazy free
//   zset-fill.ts      loading
//
// `Zset` is a cursor over both forms: it is at a record, or at a set that is being made and has no
// key yet (results of ZUNIONSTORE, values that are loaded). It has a *place*, the member that a
// search or a seek found; a change makes it undefined. Members that are handed in lie outside of
// the set. `zsetsOf` gives the cursors of a keyspace; nothing here allocates but them.
//
// What a set is called (listpack or skiplist) follows from the limits and never goes back; how it
// lies in memory is another matter: packed up to PACKING.
// ARENA_FULL: a change of one member has changed nothing.

import { assert } from '../../base/assert.ts'
import { asScratch, moveWithin, Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import type { KeyHash } from '../key-hash.ts'
import * as listpack from '../packed/listpack.ts'
import * as edit from '../packed/listpack-edit.ts'
import { PackedEntry, scratchEntry } from '../packed/packed.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS } from '../root.ts'
import { LargeZset } from './large-zset.ts'
import * as packed from './packed-zset.ts'
import { releaseZset } from './release-zset.ts'
import { ZsetFill } from './zset-fill.ts'

/**
 * Up to where a set is packed: bytes; members, as many as the configuration calls listpack, within
 * these bounds. Longer listpacks would be slower than a tree. Tests change it.
 */
export const PACKING = { bytesMax: 8192, countMin: 128, countMax: 512 }

/** Room for a packed set without a key, and for one more member while another moves. */
const OWN_BYTES = 4 * PACKING.bytesMax
const LISTPACK_HEAD = { type: Type.Zset, encoding: Encoding.Listpack }
const SKIPLIST_HEAD = { type: Type.Zset, encoding: Encoding.Skiplist }
const CHANGE = { removed: 0, inserted: 0 }
const MEMBER = scratchSlice()
/** For members on their way into another form. */
const ENTRY = scratchEntry()
const EMPTY_LISTPACK = new Uint8Array(listpack.EMPTY_BYTES)
edit.writeEmpty(EMPTY_LISTPACK, 0)

export class Zset {
  /** The record; NULL: the set has no key. */
  record: Ptr = NULL
  readonly #large: LargeZset
  readonly #collections: Collections
  readonly #hash: KeyHash
  /** For sets that are loaded. */
  #fill: ZsetFill | null = null
  #isFilling = false
  #appended = 0
  #isDoubled = false
  #db: Database | null = null
  #isLarge = false
  #encoding: Encoding = Encoding.Listpack
  /** -0 stays as long as the set is called listpack: in a result that is not stored yet. */
  #keepsMinusZero = false
  /** Of a set without a key: it may hold -0. */
  #hasMinusZero = false
  /** The packed form. */
  readonly #packed = new Slice()
  readonly #entry = new PackedEntry()
  /** The place in `#packed.bytes`. */
  #at = 0
  /** Packed form and root of a set without a key. */
  readonly #own = new Uint8Array(OWN_BYTES)
  readonly #words = new Uint32Array(ROOT_WORDS)

  constructor(db: Database) {
    this.#collections = db.collections
    this.#hash = db.hash
    this.#large = new LargeZset(db.collections, db.hash)
  }

  /** Points at the set of a record. Returns itself. */
  open(db: Database, record: Ptr): this {
    assert(db.typeOf(record) === Type.Zset, 'the record has a sorted set')
    this.#db = db
    this.record = record
    this.#encoding = db.encodingOf(record)
    this.#keepsMinusZero = false
    this.#isLarge = db.hasRoot(record)
    if (this.#isLarge) db.readRoot(record, this.#large.root)
    else db.readString(record, this.#packed)
    return this
  }

  /** Begins a set without a key and without members; frees one that got no key. Returns itself. */
  openNew(): this {
    if (this.#isLarge && this.#db === null) this.#release()
    this.#db = null
    this.record = NULL
    this.#encoding = Encoding.Listpack
    this.#hasMinusZero = false
    this.#keepsMinusZero = true
    this.#isLarge = false
    this.#isFilling = false
    edit.writeEmpty(this.#own, 0)
    this.#packed.set(this.#own, 0, listpack.EMPTY_BYTES)
    return this
  }

  /** `openNew` for a copy of a set that is called so. */
  openNewAs(encoding: Encoding): this {
    this.openNew()
    this.#encoding = encoding
    return this
  }

  /** `openNew` for members that Redis adds to a listpack one by one: which makes 0 of -0. */
  openNewListpack(): this {
    this.openNew()
    this.#keepsMinusZero = false
    return this
  }

  /** Lets go of the arena. */
  forget(): void {
    if (this.#db === null) this.openNew()
    this.#db = null
    this.record = NULL
    this.#isLarge = false
    this.#packed.forget()
    this.#entry.forget()
    this.#large.forget()
    this.#fill?.forget()
  }

  get count(): number {
    if (this.#isLarge) return this.#large.count
    return listpack.headerCount(this.#packed.bytes, this.#packed.start) >>> 1
  }

  /** Whether the set lies in nodes. */
  get isLarge(): boolean {
    return this.#isLarge
  }

  get encoding(): Encoding {
    return this.#encoding
  }

  /** Finds a member, which is the place then. O(1), packed O(n). */
  find(member: Slice): boolean {
    if (this.#isLarge) return this.#large.find(member)
    const { bytes, start } = this.#packed
    this.#at = listpack.find(bytes, listpack.firstEntry(bytes, start), member, 1)
    return this.#at !== listpack.END
  }

  /** Score at the place. */
  get score(): number {
    return this.#isLarge ? this.#large.score : packed.scoreOf(this.#packed.bytes, this.#at)
  }

  /** Points `out` at the member at the place. Valid until the next call, or a change of the set. */
  readMember(out: Slice): Slice {
    if (this.#isLarge) return this.#large.readMember(out)
    return packed.readMember(this.#packed.bytes, this.#at, this.#entry, out)
  }

  /** Rank of the place, lowest first. O(log n). */
  rank(): number {
    if (this.#isLarge) return this.#large.rank()
    return packed.rankAt(this.#packed.bytes, this.#packed.start, this.#at)
  }

  /** Members whose score is below, or with `isAfter` not above, a score. O(log n). */
  rankOfScore(score: number, isAfter: boolean): number {
    if (this.#isLarge) return this.#large.rankOfScore(score, isAfter)
    return packed.rankOfScore(this.#packed.bytes, this.#packed.start, score, isAfter)
  }

  /** Members before, or with `isAfter` not behind, one, where all have the same score. O(log n). */
  rankOfMember(member: Slice, isAfter: boolean): number {
    if (this.#isLarge) return this.#large.rankOfMember(member, isAfter)
    return packed.rankOfMember(this.#packed.bytes, this.#packed.start, member, isAfter)
  }

  /** Makes the place of a rank, which exists, current. O(log n). */
  seekRank(rank: number): void {
    assert(rank >= 0 && rank < this.count, 'a rank is that of a member')
    if (this.#isLarge) return this.#large.seekRank(rank)
    const { bytes, start } = this.#packed
    this.#at = listpack.seek(bytes, start, rank * 2)
  }

  /** Goes to the next member; false, and the place stays, when there is none. */
  next(): boolean {
    if (this.#isLarge) return this.#large.next()
    const next = packed.nextMember(this.#packed.bytes, this.#at)
    if (next !== listpack.END) this.#at = next
    return next !== listpack.END
  }

  /** Goes to the previous member; false, and the place stays, when there is none. */
  previous(): boolean {
    if (this.#isLarge) return this.#large.previous()
    const previous = packed.previousMember(this.#packed.bytes, this.#packed.start, this.#at)
    if (previous !== listpack.END) this.#at = previous
    return previous !== listpack.END
  }

  /** Adds a member that is not in the set. O(log n), packed O(n). */
  add(member: Slice, score: number, limits: EncodingLimits): void {
    const count = this.count + 1
    const isRenamed = count > limits.zsetEntriesMax || member.length > limits.zsetValueMax
    const kept = isRenamed ? score : this.#keptScore(score)
    if (!this.#isLarge && this.#isTooLarge(packed.pairBytes(member, kept), count, limits)) {
      this.#enlarge()
    }
    if (this.#isLarge) this.#large.add(member, kept)
    else this.#insert(member, kept)
    if (isRenamed) this.#rename()
  }

  /**
   * Begins a set without a key as `openNew` does, for about `count` members that come by `append`.
   * ARENA_FULL: it has none.
   */
  openFill(count: number, limits: EncodingLimits): void {
    this.openNew()
    this.#isDoubled = false
    this.#appended = 0
    if (count <= packedCountMax(limits)) return
    this.#enlarge()
    this.#fill ??= new ZsetFill(this.#large, this.#collections, this.#hash)
    this.#fill.begin(count)
    this.#isFilling = true
  }

  /** Adds a member without a look whether it is there: that `finish` tells. */
  append(member: Slice, score: number, limits: EncodingLimits): void {
    if (this.#isDoubled) return
    if (!this.#isFilling) {
      if (this.find(member)) this.#isDoubled = true
      else this.add(member, score, limits)
      return
    }
    assert(this.#fill !== null, 'what is filled has who fills it')
    this.#appended++
    const { zsetEntriesMax, zsetValueMax } = limits
    if (this.#appended > zsetEntriesMax || member.length > zsetValueMax) this.#rename()
    this.#isDoubled = !this.#fill.add(member, this.#keptScore(score))
  }

  /** After the last `append`: false, some member has come twice, and the set is to be discarded. */
  finish(): boolean {
    const isFilling = this.#isFilling
    this.#isFilling = false
    if (this.#isDoubled) return false
    return !isFilling || this.#fill === null || this.#fill.finish()
  }

  /** Gives the member at the place, which is `member`, another score. O(log n), packed O(n). */
  setScore(member: Slice, score: number): void {
    const kept = this.#keptScore(score)
    if (this.#isLarge) return this.#large.setScore(member, kept)
    const { bytes, start } = this.#packed
    const place = packed.placeOf(bytes, start, kept, member)
    const behind = packed.nextMember(bytes, this.#at)
    const isBehind = place === (behind === listpack.END ? listpack.endOf(bytes, start) : behind)
    if (isBehind || place === this.#at) return this.#replaceScore(kept)
    // Inserted before it is removed, as only that may want more memory.
    const old = this.#at - start
    const length = packed.pairBytes(member, kept)
    const isMovedUp = place < this.#at
    this.#insertAt(place, member, kept)
    this.#removeAt(this.#packed.start + old + (isMovedUp ? length : 0), 1)
  }

  /** Removes the member at the place. O(log n), packed O(n). */
  remove(): void {
    if (this.#isLarge) this.#large.remove()
    else this.#removeAt(this.#at, 1)
  }

  /** Removes the members with ranks from `from` to before `limit`. O(log n + removed). */
  removeRanks(from: number, limit: number): void {
    if (from === limit) return
    if (this.#isLarge) return this.#large.removeRanks(from, limit)
    this.seekRank(from)
    this.#removeAt(this.#at, limit - from)
  }

  /**
   * The cursor to go on with after about `count` members from `cursor` on, 0 at the end. A packed
   * set is one step.
   */
  scanLimit(cursor: number, count: number): number {
    return this.#isLarge ? this.#large.scanLimit(cursor, count) : 0
  }

  /**
   * Visits the members from `cursor` to before `limit`, which `scanLimit` told; each is the place
   * while it is visited. From cursor to cursor members that stay are met once at least.
   */
  scan(cursor: number, limit: number, visit: () => void): void {
    if (this.#isLarge) return this.#large.scan(cursor, limit, visit)
    const { bytes, start } = this.#packed
    this.#at = listpack.firstEntry(bytes, start)
    while (this.#at !== listpack.END) {
      visit()
      this.#at = packed.nextMember(bytes, this.#at)
    }
  }

  /**
   * Stores a set without a key under one, whatever that held; it must not be empty. Returns the
   * record. ARENA_FULL: the key may be gone, and the set with it.
   */
  storeAs(db: Database, key: Slice): Ptr {
    assert(this.record === NULL && this.count > 0, 'what is stored has members, and no key so far')
    const head = this.#encoding === Encoding.Listpack ? LISTPACK_HEAD : SKIPLIST_HEAD
    this.#dropMinusZero()
    if (!this.#isLarge) return db.putPacked(key, this.#packed, head)
    let record: Ptr = NULL
    try {
      record = db.putPacked(key, MEMBER.set(EMPTY_LISTPACK, 0, listpack.EMPTY_BYTES), head)
      record = db.setRoot(record, this.#words, this.#encoding)
    } catch (error) {
      if (record !== NULL) db.remove(record)
      this.discard()
      throw error
    }
    this.#isLarge = false
    return record
  }

  /** `storeAs` of a packed set under a key that the last lookup did not find. */
  insertAs(db: Database, key: Slice): Ptr {
    if (this.#isLarge || this.#hasMinusZero) return this.storeAs(db, key)
    const head = this.#encoding === Encoding.Listpack ? LISTPACK_HEAD : SKIPLIST_HEAD
    return db.insert(key, this.#packed, head)
  }

  /** Frees a set that has got no key. */
  discard(): void {
    assert(this.#db === null, 'the set of a key is not to be dropped')
    this.openNew()
  }

  /** Bytes of leaves and index; 0 for a packed set, which lies in its record. */
  nodeBytes(): number {
    return this.#isLarge ? this.#large.bytes() : 0
  }

  /** Walks all invariants. For tests. */
  check(): void {
    if (this.#isLarge) return this.#large.check()
    const { bytes, start, length } = this.#packed
    assert(listpack.validate(bytes, start, length), 'a packed set is a listpack')
    const before = scratchSlice()
    for (let rank = 1; rank < this.count; rank++) {
      this.seekRank(rank - 1)
      const score = this.score
      MEMBER.set(this.readMember(before).toBytes(), 0, before.length)
      assert(packed.placeOf(bytes, start, score, MEMBER) === this.#at, 'members ascend')
    }
  }

  #isTooLarge(added: number, count: number, limits: EncodingLimits): boolean {
    return this.#packed.length + added > PACKING.bytesMax || count > packedCountMax(limits)
  }

  /** A listpack of Redis makes 0 of -0; a skiplist keeps it, and so do results until stored. */
  #keptScore(score: number): number {
    if (!Object.is(score, -0)) return score
    if (this.#encoding === Encoding.Listpack && !this.#keepsMinusZero) return 0
    this.#hasMinusZero = true
    return score
  }

  /** Makes 0 of -0 in a set that is about to be stored as a listpack. */
  #dropMinusZero(): void {
    if (!this.#hasMinusZero || this.#encoding !== Encoding.Listpack) return
    const limit = this.rankOfScore(0, true)
    for (let rank = this.rankOfScore(0, false); rank < limit; rank++) {
      this.seekRank(rank)
      if (this.#isLarge) this.#large.clearScore()
      else this.#replaceScore(0)
    }
  }

  /** From now on the set is called skiplist. */
  #rename(): void {
    if (this.#encoding === Encoding.Skiplist) return
    this.#encoding = Encoding.Skiplist
    this.#db?.setEncoding(this.record, Encoding.Skiplist)
  }

  #insert(member: Slice, score: number): void {
    const { bytes, start } = this.#packed
    this.#insertAt(packed.placeOf(bytes, start, score, member), member, score)
  }

  #insertAt(at: number, member: Slice, score: number): void {
    const { start } = this.#packed
    const offset = at - start
    const length = packed.pairBytes(member, score)
    this.#splice(offset, 0, length)
    const { bytes, start: moved } = this.#packed
    packed.writePair(bytes, moved + offset, member, score)
    this.#noteChange(2)
    this.#at = moved + offset
  }

  #removeAt(at: number, members: number): void {
    const { bytes, start } = this.#packed
    this.#splice(at - start, listpack.skipEntries(bytes, at, members * 2) - at, 0)
    this.#noteChange(-members * 2)
  }

  #replaceScore(score: number): void {
    const { bytes, start } = this.#packed
    const at = listpack.nextEntry(bytes, this.#at)
    const offset = at - start
    this.#splice(offset, listpack.entryBytes(bytes, at), packed.scoreBytes(score))
    packed.writeScore(this.#packed.bytes, this.#packed.start + offset, score)
    this.#noteChange(0)
  }

  /** Makes the listpack's header say what `#splice` has made of it. */
  #noteChange(entries: number): void {
    const { bytes, start, length } = this.#packed
    packed.setTotal(bytes, start, length)
    edit.addCount(bytes, start, entries)
  }

  /** Replaces bytes of the packed form by undefined ones; the record may move by that. */
  #splice(offset: number, removed: number, inserted: number): void {
    const value = this.#packed
    if (this.#db !== null) {
      CHANGE.removed = removed
      CHANGE.inserted = inserted
      this.record = this.#db.splice(this.record, offset, CHANGE)
      this.#db.readString(this.record, value)
      return
    }
    moveWithin(value.bytes, offset + inserted, offset + removed, value.length)
    value.length += inserted - removed
  }

  /** Makes a large set of the packed one. ARENA_FULL: nothing has changed. */
  #enlarge(): void {
    const words = this.#words
    const { root } = this.#large
    words.fill(0)
    words[0] = this.#collections.allocate()
    root.open(words, 0, NULL)
    try {
      this.#large.create()
      const { bytes, start } = this.#packed
      for (let at = listpack.firstEntry(bytes, start); at !== listpack.END; ) {
        this.#large.add(packed.readMember(bytes, at, ENTRY, MEMBER), packed.scoreOf(bytes, at))
        at = packed.nextMember(bytes, at)
      }
      if (this.#db !== null) {
        this.record = this.#db.setRoot(this.record, words, this.#encoding)
        this.#db.readRoot(this.record, root)
      }
    } catch (error) {
      this.#release()
      throw error
    }
    this.#isLarge = true
  }

  /** Frees the nodes of the root in the scratch words, and its number. */
  #release(): void {
    const isDone = !releaseZset(this.#collections, this.#words, Infinity)
    assert(isDone, 'without a limit all is freed')
    this.#collections.release(this.#words[0]!)
  }
}

/** Most members of a packed set. */
export function packedCountMax({ zsetEntriesMax }: EncodingLimits): number {
  return Math.max(PACKING.countMin, Math.min(zsetEntriesMax, PACKING.countMax))
}

/** The cursors of a keyspace. */
export interface Zsets {
  /** The set that a command is about. */
  readonly main: Zset
  /** Another that is read beside it. */
  readonly other: Zset
  /** A set that is being made. */
  readonly made: Zset
}

const ALL = new WeakMap<Collections, Zsets>()
/** The keyspace that was asked for last. */
const LAST = asScratch({
  collections: null as Collections | null,
  zsets: null as Zsets | null,
  forget(): void {
    this.zsets?.main.forget()
    this.zsets?.other.forget()
    this.zsets?.made.forget()
    this.collections = null
    this.zsets = null
  },
})

/** The cursors of the keyspace that a database belongs to. */
export function zsetsOf(db: Database): Zsets {
  const { collections } = db
  if (LAST.collections === collections && LAST.zsets !== null) return LAST.zsets
  LAST.forget()
  let zsets = ALL.get(collections)
  if (zsets === undefined) {
    zsets = { main: new Zset(db), other: new Zset(db), made: new Zset(db) }
    ALL.set(collections, zsets)
  }
  LAST.collections = collections
  LAST.zsets = zsets
  return zsets
}
