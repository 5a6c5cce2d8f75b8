// What a reader of RDB streams hands on: one key at a time, always in the same object, and the
// facts that stand between the keys. Loading implements `RdbTarget` over the keyspace, tools and
// tests over whatever they need.
//
// Invariant: bytes of an entry are borrowed, valid until the call that handed them over returns.

import type { ByteRange } from '../../base/slice.ts'
import type { SurveyedRange } from '../../keyspace/packed/listpack-survey.ts'
import type { Type } from '../../keyspace/record.ts'
import { type LongString, RdbString } from './rdb-input.ts'
import type { StreamTarget } from './stream-target.ts'

/** One key; the reader fills the same object again and again. All bytes are borrowed. */
export class RdbEntry {
  readonly key = new RdbString()
  readonly value = new RdbString()
  /** Unix ms; -1 without. */
  deadlineMs = -1
  /** Seconds since the last access, from files saved under an LRU policy; -1 without. */
  idleSeconds = -1
  /** LFU counter, 0 to 255; -1 without. */
  frequency = -1
}

/** A packed value, with elements. Its bytes are borrowed for the call. */
export interface PackedValue extends SurveyedRange {
  readonly isIntset: boolean
}

/** Takes the elements of lists, sets, hashes and sorted sets. Bytes are borrowed for the call. */
export interface CollectionTarget {
  /** An element of a list, behind the last one, or a member of a set. */
  onElement(element: ByteRange): void
  /**
   * Elements of a list, all of a whole listpack, which has been checked. A target without it gets
   * them one by one.
   */
  onListpack?(listpack: ByteRange): void
  /** A field of a hash; its deadline in unix ms, 0 without. */
  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void
  /** A member of a sorted set. The score is not NaN. */
  onMember(member: ByteRange, score: number): void
  /** The value is complete. */
  onCollectionEnd(): void
}

/** Takes what is in a file, in the order of the file. */
export interface RdbTarget {
  onAux(name: string, value: string): void
  /** The keys that follow belong to this database. */
  onDatabase(id: number): void
  /** What the database will hold: hints, not to be trusted. */
  onResize(keys: number, expires: number): void
  /** The source of a library of functions. */
  onFunction(code: string): void
  onString(entry: RdbEntry): void
  /** Takes the pieces of strings that are longer than the reader's buffer; absent: none come. */
  readonly longString?: LongString
  /** Instead of `onString`: the value has gone to `longString`. */
  onLongString?(entry: RdbEntry): void
  /**
   * A whole collection as one packed value that has been checked: an intset, or a listpack of
   * elements or of pairs. True: it has been taken. False: it comes by `onCollection`, as it does to
   * a target without this.
   */
  onPacked?(entry: RdbEntry, type: Type, value: PackedValue): boolean
  /**
   * A list, set, hash or sorted set begins, of about `count` elements (a hint). What it holds goes
   * to the target that is returned; null: it is read, checked and dropped.
   */
  onCollection(entry: RdbEntry, type: Type, count: number): CollectionTarget | null
  /**
   * A collection without elements: no server keeps one, but damaged files have them. A target
   * without this passes over it.
   */
  onEmpty?(entry: RdbEntry): void
  /** A stream begins; as `onCollection`. */
  onStream(entry: RdbEntry): StreamTarget | null
}
