// Makes, changes and frees records: the only writer of record cells and of the spans they own.
// Knows layout and memory, not keys' uniqueness, deadlines' list or the dict: those are Database's.
//
// A change that needs another cell returns a new Ptr; the caller puts it in the old one's place.
// A record with a root is the place of a collection: whenever such a record is made in another's
// stead, `Collections` hears of it; when it is freed, its nodes are left to lazy free.
// Every write is preceded by `touch`. When the arena is full a method throws and has changed
// nothing: what it needs is allocated first, and given back when not all of it could be had.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { copySlice, moveWithin, type Slice, scratchSlice } from '../base/slice.ts'
import { ARENA_FULL, type Arena } from '../memory/arena.ts'
import { NULL, PTR_SEGMENT_SHIFT, type Ptr, SPAN_HEADER_BYTES } from '../memory/layout.ts'
import { CELL_BYTES_MAX } from '../memory/size-class.ts'
import type { Collections } from './collections.ts'
import type { LazyFree } from './lazy-free.ts'
import {
  DEADLINE_WORDS,
  deadlineWord,
  type Encoding,
  type ExpiringFlag,
  flagsOf,
  HEADER_BYTES,
  headWord,
  INLINE_KEY_MAX,
  inlineKeyLength,
  inlineValueLength,
  keyRefWord,
  RecordFlag,
  rootWord,
  shapeWord,
  type Type,
  typeOfWord,
  valueRefWord,
} from './record.ts'
import { readKey, readSpan, readValue, wordOf, wordsOf } from './record-access.ts'
import { ROOT_WORDS, RootWord } from './root.ts'

/** A string this long stays uncopied in its span when it grows within the span's room. */
const GROWTH_MAX = 1024 * 1024
/** Flags of records that cannot become a string where they lie. */
const NOT_IN_PLACE = RecordFlag.ValueOut | RecordFlag.Root | RecordFlag.FieldDeadline
const SPACE_NONE = -1
/** A deadline that stays as it is. */
const KEEP = -1

/** What is other in a record that is made anew. Deadlines in unix ms; 0: none; KEEP. */
interface Change {
  readonly deadlineMs: number
  readonly fieldDeadlineMs: number
  readonly key: Slice | null
  readonly space: number
}
const UNCHANGED: Change = { deadlineMs: KEEP, fieldDeadlineMs: KEEP, key: null, space: SPACE_NONE }

/** What a record is made of, besides key and value. */
export interface RecordHead {
  readonly space: number
  readonly type: Type
  readonly encoding: Encoding
  readonly clock: number
  /** Unix ms; 0: none. */
  readonly deadlineMs: number
}

export class RecordStore {
  readonly #arena: Arena
  readonly #collections: Collections
  readonly #lazyFree: LazyFree
  readonly #key = scratchSlice()
  readonly #value = scratchSlice()
  readonly #source = scratchSlice()

  constructor(collections: Collections, lazyFree: LazyFree) {
    this.#arena = collections.arena
    this.#collections = collections
    this.#lazyFree = lazyFree
  }

  /** A new record with a copy of key and value. O(key + value). */
  create(head: RecordHead, key: Slice, value: Slice): Ptr {
    const flags = flagsFor(
      key.length,
      value.length,
      head.deadlineMs === 0 ? 0 : RecordFlag.Deadline,
    )
    const isKeyOut = (flags & RecordFlag.KeyOut) !== 0
    const isValueOut = (flags & RecordFlag.ValueOut) !== 0
    const keyLength = isKeyOut ? 0 : key.length
    const valueLength = isValueOut ? 0 : value.length
    const bytes = HEADER_BYTES[flags]! + keyLength + valueLength
    assert(bytes <= CELL_BYTES_MAX, 'what is inline fits a cell')
    const record = this.#arena.allocateCell(head.space, bytes)
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    words[at] = headWord(head.type, head.encoding, head.clock)
    words[at + 1] = shapeWord(flags, keyLength, valueLength)
    if (head.deadlineMs !== 0) writeDeadline(words, at, head.deadlineMs)
    if (isKeyOut || isValueOut) {
      this.#createSpans(record, flags, isKeyOut ? key : null, isValueOut ? value : null)
    }
    const target = this.#arena.u8[record >>> PTR_SEGMENT_SHIFT]!
    const start = at * 4 + HEADER_BYTES[flags]!
    if (!isKeyOut) copySlice(key, target, start)
    if (!isValueOut) copySlice(value, target, start + keyLength)
    return record
  }

  /**
   * A record whose value is the collection with the given root, in the place of `record` with its
   * key, deadline and clock; the old cell is free then. What the old value held is the caller's.
   */
  withRoot(record: Ptr, root: Uint32Array, encoding: Encoding): Ptr {
    assert(root.length === ROOT_WORDS, 'a root is of ROOT_WORDS')
    const old = wordsOf(this.#arena, record)
    const oldAt = wordOf(record)
    const oldFlags = flagsOf(old[oldAt + 1]!)
    assert((oldFlags & (RecordFlag.Root | RecordFlag.ValueOut)) === 0, 'packed values are inline')
    const flags = oldFlags | RecordFlag.Root
    const keyLength = inlineKeyLength(old[oldAt + 1]!)
    const space = this.#arena.spaceOf(record)
    const made = this.#arena.allocateCell(space, HEADER_BYTES[flags]! + keyLength)
    const words = wordsOf(this.#arena, made)
    const at = wordOf(made)
    words[at] = ((old[oldAt]! & ~0xf0) | (encoding << 4)) >>> 0
    words[at + 1] = shapeWord(flags, keyLength, 0)
    for (let i = 2; i < HEADER_BYTES[oldFlags]! / 4; i++) words[at + i] = old[oldAt + i]!
    words.set(root, at + rootWord(flags))
    if ((flags & RecordFlag.KeyOut) !== 0) {
      this.#arena.setOwner(words[at + keyRefWord(flags)]!, made)
    } else {
      const key = readKey(this.#arena, record, this.#key)
      copySlice(key, this.#arena.u8[made >>> PTR_SEGMENT_SHIFT]!, at * 4 + HEADER_BYTES[flags]!)
    }
    this.#collections.place(root[RootWord.Number]!, made, space)
    this.#arena.freeCell(record)
    return made
  }

  /**
   * Replaces `removed` bytes at `offset` of an inline value by `inserted` undefined ones. Returns
   * the record, which may have moved (the old cell is free) and may be written. What does not grow
   * never fails: without memory for a smaller cell it stays in its own. O(value).
   */
  splice(
    record: Ptr,
    offset: number,
    change: { readonly removed: number; readonly inserted: number },
  ): Ptr {
    const { removed, inserted } = change
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const shape = words[at + 1]!
    const flags = flagsOf(shape)
    assert((flags & (RecordFlag.Root | RecordFlag.ValueOut)) === 0, 'packed values are inline')
    const keyLength = inlineKeyLength(shape)
    const oldLength = inlineValueLength(shape)
    const tail = offset + removed
    assert(offset >= 0 && tail <= oldLength, 'a splice stays inside the value')
    const length = oldLength - removed + inserted
    const start = HEADER_BYTES[flags]! + keyLength
    if (!this.#fits(record, start + length)) {
      try {
        return this.#splicedElsewhere(record, offset, { tail, inserted, length })
      } catch (error) {
        if (error !== ARENA_FULL || length > oldLength) throw error
      }
    }
    this.#arena.touch(record)
    words[at + 1] = shapeWord(flags, keyLength, length)
    if (inserted !== removed && tail < oldLength) {
      const from = at * 4 + start
      const bytes = this.#arena.u8[record >>> PTR_SEGMENT_SHIFT]!
      moveWithin(bytes, from + offset + inserted, from + tail, from + oldLength)
    }
    return record
  }

  /**
   * Overwrites a string's value where it lies. False, and nothing changed, when the new value wants
   * another cell. Deadline and key stay. O(value).
   */
  overwrite(record: Ptr, value: Slice, head: number): boolean {
    assert(record > 0, 'NULL is no record')
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const shape = words[at + 1]!
    const flags = flagsOf(shape)
    if ((flags & NOT_IN_PLACE) !== 0) return false
    const keyLength = inlineKeyLength(shape)
    const bytes = HEADER_BYTES[flags]! + keyLength + value.length
    if (bytes > CELL_BYTES_MAX || !this.#fits(record, bytes)) return false
    this.#arena.touch(record)
    words[at] = head
    words[at + 1] = shapeWord(flags, keyLength, value.length)
    const target = this.#arena.u8[record >>> PTR_SEGMENT_SHIFT]!
    copySlice(value, target, at * 4 + HEADER_BYTES[flags]! + keyLength)
    return true
  }

  /** Frees the record with the spans it owns; the nodes of a large collection are freed lazily. */
  free(record: Ptr): void {
    assert(record > 0, 'NULL is no record')
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    if ((flags & RecordFlag.KeyOut) !== 0) this.#arena.freeSpan(words[at + keyRefWord(flags)]!)
    if ((flags & RecordFlag.ValueOut) !== 0) this.#arena.freeSpan(words[at + valueRefWord(flags)]!)
    if ((flags & RecordFlag.Root) !== 0) {
      this.#lazyFree.add(typeOfWord(words[at]!), words, at + rootWord(flags))
    }
    this.#arena.freeCell(record)
  }

  /**
   * The record with another deadline (0: none): itself, or a moved copy when it needs another cell;
   * the old cell is free then. The index word of a new deadline is undefined.
   */
  withDeadline(record: Ptr, deadlineMs: number): Ptr {
    assert(deadlineMs >= 0, 'a deadline is unix time')
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    const hasDeadline = (flags & RecordFlag.Deadline) !== 0
    if (hasDeadline === (deadlineMs !== 0)) {
      if (!hasDeadline) return record
      this.#arena.touch(record)
      writeDeadline(words, at, deadlineMs)
      return record
    }
    const changed = this.#rebuilt(record, { ...UNCHANGED, deadlineMs })
    this.#arena.freeCell(record)
    return changed
  }

  /** `withDeadline` for the earliest deadline of a hash's fields (0: no field has one). */
  withFieldDeadline(record: Ptr, deadlineMs: number): Ptr {
    assert(deadlineMs >= 0, 'a deadline is unix time')
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    if (((flags & RecordFlag.FieldDeadline) !== 0) === (deadlineMs !== 0)) {
      if (deadlineMs === 0) return record
      this.#arena.touch(record)
      writeTime(words, at + deadlineWord(flags, RecordFlag.FieldDeadline), deadlineMs)
      return record
    }
    const changed = this.#rebuilt(record, { ...UNCHANGED, fieldDeadlineMs: deadlineMs })
    this.#arena.freeCell(record)
    return changed
  }

  /**
   * A record with the value of `record` under another key, maybe in another space. The old record
   * is left with its key alone, for `freeMoved` or, if the move fails, `moveBack`.
   */
  move(record: Ptr, key: Slice, space: number): Ptr {
    return this.#rebuilt(record, { ...UNCHANGED, key, space })
  }

  /** Undoes `move`: `record` has its value again, and `made` is free. */
  moveBack(record: Ptr, made: Ptr): void {
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    if ((flags & RecordFlag.Root) !== 0) {
      const number = words[at + rootWord(flags)]!
      this.#collections.place(number, record, this.#arena.spaceOf(record))
    } else if ((flags & RecordFlag.ValueOut) !== 0) {
      this.#arena.setOwner(words[at + valueRefWord(flags)]!, record)
    } else return this.free(made)
    this.freeMoved(made)
  }

  /** Frees a record whose value is another record's now. */
  freeMoved(record: Ptr): void {
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    if ((flags & RecordFlag.KeyOut) !== 0) this.#arena.freeSpan(words[at + keyRefWord(flags)]!)
    this.#arena.freeCell(record)
  }

  /**
   * A string record whose value is `length` bytes: what it held, then zeros. Returns the record or
   * a moved copy (the old cell is free). `length` is not less than before.
   */
  grow(record: Ptr, length: number, encoding: Encoding): Ptr {
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const shape = words[at + 1]!
    const flags = flagsOf(shape)
    const head = ((words[at]! & ~0xf0) | (encoding << 4)) >>> 0
    if ((flags & RecordFlag.ValueOut) !== 0) {
      this.#arena.touch(record)
      this.#growSpan(record, at + valueRefWord(flags), length)
      words[at] = head
      return record
    }
    const keyLength = inlineKeyLength(shape)
    const oldLength = inlineValueLength(shape)
    assert(length >= oldLength, 'strings grow')
    const bytes = HEADER_BYTES[flags]! + keyLength + length
    if (bytes <= CELL_BYTES_MAX && this.#fits(record, bytes)) {
      this.#arena.touch(record)
      words[at] = head
      words[at + 1] = shapeWord(flags, keyLength, length)
      const end = at * 4 + bytes
      this.#arena.u8[record >>> PTR_SEGMENT_SHIFT]!.fill(0, end - length + oldLength, end)
      return record
    }
    return this.#grownElsewhere(record, length, encoding)
  }

  /** Writes `source` into a string's value from `offset`; the range must exist. */
  write(record: Ptr, offset: number, source: Slice): void {
    const value = readValue(this.#arena, record, this.#value)
    assert(offset + source.length <= value.length, 'writes stay inside the value')
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    if ((flags & RecordFlag.ValueOut) !== 0) {
      this.#arena.touchSpan(words[at + valueRefWord(flags)]!, offset, source.length)
    } else this.#arena.touch(record)
    copySlice(source, value.bytes, value.start + offset)
  }

  /** Changes what the value is called. */
  setEncoding(record: Ptr, encoding: Encoding): void {
    this.#arena.touch(record)
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    words[at] = ((words[at]! & ~0xf0) | (encoding << 4)) >>> 0
  }

  /** Bytes of the cell, and of the spans and nodes that belong to the record. */
  bytesOf(record: Ptr): number {
    assert(record > 0, 'NULL is no record')
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const flags = flagsOf(words[at + 1]!)
    let bytes = this.#arena.cellBytes(record)
    if ((flags & RecordFlag.KeyOut) !== 0) {
      bytes += this.#arena.spanCapacity(words[at + keyRefWord(flags)]!) + SPAN_HEADER_BYTES
    }
    if ((flags & RecordFlag.ValueOut) !== 0) {
      bytes += this.#arena.spanCapacity(words[at + valueRefWord(flags)]!) + SPAN_HEADER_BYTES
    }
    if ((flags & RecordFlag.Root) !== 0) {
      bytes += this.#collections.bytesOf(words[at + rootWord(flags)]!)
    }
    return bytes
  }

  /** Whether `bytes` belong into the record's own cell: they fit, and waste less than half. */
  #fits(record: Ptr, bytes: number): boolean {
    const cellBytes = this.#arena.cellBytes(record)
    return bytes <= cellBytes && (bytes * 2 > cellBytes || cellBytes <= 64)
  }

  /** `splice` of a value that wants another cell; `length` is that of the new value. */
  #splicedElsewhere(
    record: Ptr,
    offset: number,
    shape: { readonly tail: number; readonly inserted: number; readonly length: number },
  ): Ptr {
    const { tail, inserted, length } = shape
    const oldWords = wordsOf(this.#arena, record)
    const oldAt = wordOf(record)
    const flags = flagsOf(oldWords[oldAt + 1]!)
    const keyLength = inlineKeyLength(oldWords[oldAt + 1]!)
    const head = HEADER_BYTES[flags]! + keyLength
    assert(head + length <= CELL_BYTES_MAX, 'packed values fit a cell')
    const made = this.#arena.allocateCell(this.#arena.spaceOf(record), head + length)
    const words = wordsOf(this.#arena, made)
    const at = wordOf(made)
    const source = this.#arena.u8[record >>> PTR_SEGMENT_SHIFT]!
    const target = this.#arena.u8[made >>> PTR_SEGMENT_SHIFT]!
    const from = oldAt * 4
    const oldLength = inlineValueLength(oldWords[oldAt + 1]!)
    copySlice(this.#source.set(source, from, head + offset), target, at * 4)
    this.#source.set(source, from + head + tail, oldLength - tail)
    copySlice(this.#source, target, at * 4 + head + offset + inserted)
    words[at + 1] = shapeWord(flags, keyLength, length)
    if ((flags & RecordFlag.KeyOut) !== 0) {
      this.#arena.setOwner(words[at + keyRefWord(flags)]!, made)
    }
    this.#arena.freeCell(record)
    return made
  }

  /** Stores what is given in spans of a record being made; frees that when there is no room. */
  #createSpans(record: Ptr, flags: number, key: Slice | null, value: Slice | null): void {
    let keySpan = NULL
    try {
      if (key) keySpan = this.#createSpan(record, keyRefWord(flags), key)
      if (value) this.#createSpan(record, valueRefWord(flags), value)
    } catch (error) {
      if (keySpan !== NULL) this.#arena.freeSpan(keySpan)
      this.#arena.freeCell(record)
      throw error
    }
  }

  /** Stores a slice in a new span of the record, and its Ptr and length in the record's words. */
  #createSpan(record: Ptr, refWord: number, source: Slice): Ptr {
    const span = this.#arena.allocateSpan(record, source.length)
    const words = wordsOf(this.#arena, record)
    words[wordOf(record) + refWord] = span
    words[wordOf(record) + refWord + 1] = source.length
    const target = readSpan(this.#arena, span, this.#value, source.length)
    copySlice(source, target.bytes, target.start)
    return span
  }

  /** A new record with key or deadlines changed; takes over the old one's spans or root. */
  #rebuilt(record: Ptr, change: Change): Ptr {
    const oldWords = wordsOf(this.#arena, record)
    const oldAt = wordOf(record)
    const oldFlags = flagsOf(oldWords[oldAt + 1]!)
    const key = change.key ?? readKey(this.#arena, record, this.#key)
    const isKeptOut = change.key === null && (oldFlags & RecordFlag.KeyOut) !== 0
    const isValueOut = (oldFlags & RecordFlag.ValueOut) !== 0
    const inline = isValueOut ? 0 : inlineValueLength(oldWords[oldAt + 1]!)
    const expiring = expiringFlags(oldFlags, change)
    let flags = flagsFor(key.length, inline, expiring)
    flags |= oldFlags & (RecordFlag.ValueOut | RecordFlag.Root)
    const isMadeOut = !isValueOut && (flags & RecordFlag.ValueOut) !== 0
    const keyLength = (flags & RecordFlag.KeyOut) !== 0 ? 0 : key.length
    const valueLength = isMadeOut ? 0 : inline
    const space = change.space === SPACE_NONE ? this.#arena.spaceOf(record) : change.space
    const bytes = HEADER_BYTES[flags]! + keyLength + valueLength
    const made = this.#arena.allocateCell(space, bytes)
    const words = wordsOf(this.#arena, made)
    const at = wordOf(made)
    words[at] = oldWords[oldAt]!
    words[at + 1] = shapeWord(flags, keyLength, valueLength)
    this.#copyDeadline(record, made, RecordFlag.Deadline, change.deadlineMs)
    this.#copyDeadline(record, made, RecordFlag.FieldDeadline, change.fieldDeadlineMs)
    const value = isValueOut ? null : readValue(this.#arena, record, this.#source)
    const isKeyMadeOut = !isKeptOut && (flags & RecordFlag.KeyOut) !== 0
    if (isKeyMadeOut || isMadeOut) {
      this.#createSpans(made, flags, isKeyMadeOut ? key : null, isMadeOut ? value : null)
    }
    const target = this.#arena.u8[made >>> PTR_SEGMENT_SHIFT]!
    const start = at * 4 + HEADER_BYTES[flags]!
    if (isKeptOut) this.#handOver(record, made, keyRefWord(oldFlags), keyRefWord(flags))
    else if (!isKeyMadeOut) copySlice(key, target, start)
    if (!value) this.#handOver(record, made, valueRefWord(oldFlags), valueRefWord(flags))
    else if (!isMadeOut) copySlice(value, target, start + keyLength)
    if ((flags & RecordFlag.Root) !== 0) this.#handOverRoot(record, made, space)
    return made
  }

  /** Writes a deadline of a rebuilt record: that of the old one unless it is given. */
  #copyDeadline(from: Ptr, to: Ptr, kind: ExpiringFlag, deadlineMs: number): void {
    const source = wordsOf(this.#arena, from)
    const target = wordsOf(this.#arena, to)
    const sourceFlags = flagsOf(source[wordOf(from) + 1]!)
    const targetFlags = flagsOf(target[wordOf(to) + 1]!)
    if ((targetFlags & kind) === 0) return
    const targetAt = wordOf(to) + deadlineWord(targetFlags, kind)
    if ((sourceFlags & kind) !== 0) {
      const sourceAt = wordOf(from) + deadlineWord(sourceFlags, kind)
      for (let i = 0; i < DEADLINE_WORDS; i++) target[targetAt + i] = source[sourceAt + i]!
    }
    if (deadlineMs !== KEEP) writeTime(target, targetAt, deadlineMs)
  }

  /** Moves the reference to a span from one record to another. */
  #handOver(from: Ptr, to: Ptr, fromWord: number, toWord: number): void {
    const source = wordsOf(this.#arena, from)
    const target = wordsOf(this.#arena, to)
    const span = source[wordOf(from) + fromWord]!
    target[wordOf(to) + toWord] = span
    target[wordOf(to) + toWord + 1] = source[wordOf(from) + fromWord + 1]!
    this.#arena.setOwner(span, to)
  }

  /** Copies the root of one record into another, which is the collection's place from now on. */
  #handOverRoot(from: Ptr, to: Ptr, space: number): void {
    const source = wordsOf(this.#arena, from)
    const target = wordsOf(this.#arena, to)
    const sourceAt = wordOf(from) + rootWord(flagsOf(source[wordOf(from) + 1]!))
    const targetAt = wordOf(to) + rootWord(flagsOf(target[wordOf(to) + 1]!))
    for (let i = 0; i < ROOT_WORDS; i++) target[targetAt + i] = source[sourceAt + i]!
    this.#collections.place(target[targetAt]!, to, space)
  }

  /** `grow` of an inline value that wants another cell or a span. */
  #grownElsewhere(record: Ptr, length: number, encoding: Encoding): Ptr {
    const words = wordsOf(this.#arena, record)
    const at = wordOf(record)
    const shape = words[at + 1]!
    const oldFlags = flagsOf(shape)
    const hasDeadline = (oldFlags & RecordFlag.Deadline) !== 0
    const key = readKey(this.#arena, record, this.#key)
    const flags = flagsFor(key.length, length, hasDeadline ? RecordFlag.Deadline : 0)
    const isValueOut = (flags & RecordFlag.ValueOut) !== 0
    const keyLength = (flags & RecordFlag.KeyOut) !== 0 ? 0 : key.length
    const bytes = HEADER_BYTES[flags]! + keyLength + (isValueOut ? 0 : length)
    const made = this.#arena.allocateCell(this.#arena.spaceOf(record), bytes)
    // What was empty is new, and may stay as it is.
    const room = inlineValueLength(shape) === 0 ? length : withSlack(length)
    const span = isValueOut ? this.#grownSpan(made, room) : NULL
    const target = wordsOf(this.#arena, made)
    const to = wordOf(made)
    target[to] = ((words[at]! & ~0xf0) | (encoding << 4)) >>> 0
    target[to + 1] = shapeWord(flags, keyLength, isValueOut ? 0 : length)
    if (hasDeadline) {
      for (let i = 2; i < 2 + DEADLINE_WORDS; i++) target[to + i] = words[at + i]!
    }
    if ((flags & RecordFlag.KeyOut) !== 0) {
      this.#handOver(record, made, keyRefWord(oldFlags), keyRefWord(flags))
    } else {
      copySlice(key, this.#arena.u8[made >>> PTR_SEGMENT_SHIFT]!, to * 4 + HEADER_BYTES[flags]!)
    }
    if (isValueOut) {
      target[to + valueRefWord(flags)] = span
      target[to + valueRefWord(flags) + 1] = length
    }
    const old = readValue(this.#arena, record, this.#key)
    const value = readValue(this.#arena, made, this.#value)
    copySlice(old, value.bytes, value.start)
    value.bytes.fill(0, value.start + old.length, value.start + length)
    this.#arena.freeCell(record)
    return made
  }

  /** A span with slack for the value of a record being made; frees that when there is no room. */
  #grownSpan(record: Ptr, bytes: number): Ptr {
    try {
      return this.#arena.allocateSpan(record, bytes)
    } catch (error) {
      this.#arena.freeCell(record)
      throw error
    }
  }

  /** Makes a value in a span longer; `refWord` is the absolute index of its Ptr in the words. */
  #growSpan(record: Ptr, refWord: number, length: number): void {
    const words = wordsOf(this.#arena, record)
    const span = words[refWord]!
    const oldLength = words[refWord + 1]!
    assert(length >= oldLength, 'strings grow')
    if (length <= this.#arena.spanCapacity(span)) {
      this.#arena.touchSpan(span, oldLength, length - oldLength)
      const value = readSpan(this.#arena, span, this.#value, length)
      value.bytes.fill(0, value.start + oldLength, value.start + length)
      words[refWord + 1] = length
      return
    }
    const made = this.#arena.allocateSpan(record, withSlack(length))
    const value = readSpan(this.#arena, made, this.#value, length)
    copySlice(readSpan(this.#arena, span, this.#key, oldLength), value.bytes, value.start)
    value.bytes.fill(0, value.start + oldLength, value.start + length)
    words[refWord] = made
    words[refWord + 1] = length
    this.#arena.freeSpan(span)
  }
}

/** The flags of deadlines that a changed record has. */
function expiringFlags(old: number, { deadlineMs, fieldDeadlineMs }: Change): number {
  let flags = old & (RecordFlag.Deadline | RecordFlag.FieldDeadline)
  if (deadlineMs === 0) flags &= ~RecordFlag.Deadline
  else if (deadlineMs !== KEEP) flags |= RecordFlag.Deadline
  if (fieldDeadlineMs === 0) flags &= ~RecordFlag.FieldDeadline
  else if (fieldDeadlineMs !== KEEP) flags |= RecordFlag.FieldDeadline
  return flags
}

/** Flags of a record with key and value of these lengths, and with the flags of deadlines. */
function flagsFor(keyLength: number, valueLength: number, expiring: number): number {
  let flags = expiring
  if (keyLength > INLINE_KEY_MAX) flags |= RecordFlag.KeyOut
  const key = (flags & RecordFlag.KeyOut) !== 0 ? 0 : keyLength
  if (HEADER_BYTES[flags]! + key + valueLength > CELL_BYTES_MAX) flags |= RecordFlag.ValueOut
  return flags
}

/** Room for a growing string: twice its length, at most 1 MiB more. */
function withSlack(length: number): number {
  assert(length > 0, 'nothing grows to nothing')
  return length + Math.min(length, GROWTH_MAX)
}

function writeDeadline(words: Uint32Array, at: number, deadlineMs: number): void {
  writeTime(words, at + deadlineWord(flagsOf(words[at + 1]!), RecordFlag.Deadline), deadlineMs)
}

function writeTime(words: Uint32Array, word: number, deadlineMs: number): void {
  assert(deadlineMs > 0 && Number.isSafeInteger(deadlineMs), 'a deadline is whole milliseconds')
  words[word] = deadlineMs >>> 0
  words[word + 1] = Math.floor(deadlineMs / 0x100000000)
}
