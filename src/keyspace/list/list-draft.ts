// A list that is being made and has no key yet: lists that are loaded. Packed in memory of its own
// until it is too large for that; then in leaves, with its root in scratch words. It becomes a
// value by `put`, or is discarded.
//
// Owner: whoever made the draft; one at a time. ARENA_FULL leaves a list of some of the elements.

import { assert } from '../../base/assert.ts'
import { type ByteRange, Slice, scratchSlice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import type { Database } from '../database.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { endOf, firstEntry, HEADER_BYTES, headerCount, totalBytes } from '../packed/listpack.ts'
import { appendEntry, encodedLength, writeEmpty } from '../packed/listpack-edit.ts'
import { Encoding, Type } from '../record.ts'
import { ROOT_WORDS, Root, RootWord } from '../root.ts'
import { listLeavesOf } from './list.ts'
import { ListTuning } from './list-entry.ts'
import type { ListLeaves } from './list-leaves.ts'
import { PACKED_BYTES_MAX, packedBytesMax, packedEntriesMax } from './list-limits.ts'

const LIST_HEAD = { type: Type.List, encoding: Encoding.Quicklist } as const

export class ListDraft {
  #collections: Collections | null = null
  #leaves: ListLeaves | null = null
  #isPacked = true
  #bytesMax = 0
  #entriesMax = 0
  readonly #bytes = new Uint8Array(PACKED_BYTES_MAX)
  readonly #packed = scratchSlice()
  readonly #element = new Slice()
  readonly #words = new Uint32Array(ROOT_WORDS)
  readonly #root = new Root()

  /** Begins an empty list. */
  begin(db: Database, limits: EncodingLimits): void {
    assert(this.#isPacked, 'the draft before has ended')
    this.#collections = db.collections
    this.#leaves = listLeavesOf(db.collections)
    this.#bytesMax = packedBytesMax(limits.listNodeSize)
    this.#entriesMax = packedEntriesMax(limits.listNodeSize)
    writeEmpty(this.#bytes, 0)
  }

  get count(): number {
    return this.#isPacked ? headerCount(this.#bytes, 0) : this.#root.count
  }

  /** Adds an element behind the last. */
  add(element: ByteRange): void {
    const { bytes, start, length } = element
    if (this.#isPacked) {
      const total = totalBytes(this.#bytes, 0) + encodedLength(element)
      const isShort = length < ListTuning.spanLength && total <= this.#bytesMax
      if (isShort && headerCount(this.#bytes, 0) < this.#entriesMax) {
        appendEntry(this.#bytes, 0, element)
        return
      }
      this.#unpack()
    }
    this.#leavesOf().pushLast(this.#root.chain, this.#element.set(bytes, start, length))
  }

  /** Adds the elements of a whole listpack, some at least, behind the last. */
  addListpack({ bytes, start }: ByteRange): void {
    if (this.#isPacked) this.#unpack()
    const first = firstEntry(bytes, start)
    this.#leavesOf().appendEntries(this.#root.chain, { bytes, first, limit: endOf(bytes, start) })
  }

  /** Makes the list the value of a key, whatever that held before; no deadline. Ends the draft. */
  put(db: Database, key: Slice): Ptr {
    assert(this.count > 0, 'a list has elements')
    if (this.#isPacked) {
      const value = this.#packed.set(this.#bytes, 0, totalBytes(this.#bytes, 0))
      return db.putPacked(key, value, LIST_HEAD)
    }
    const record = db.putRoot(key, this.#words, LIST_HEAD)
    this.#isPacked = true
    return record
  }

  /** Gives up what has been made; nothing to do for a draft that has ended. */
  discard(): void {
    this.#element.forget()
    if (this.#isPacked) return
    assert(this.#collections !== null, 'a draft has begun')
    this.#leavesOf().clear(this.#root.chain)
    this.#collections.release(this.#root.number)
    this.#isPacked = true
  }

  #leavesOf(): ListLeaves {
    assert(this.#leaves !== null, 'a draft has begun')
    return this.#leaves
  }

  /** Moves the packed elements into leaves. */
  #unpack(): void {
    assert(this.#collections !== null, 'a draft has begun')
    this.#words.fill(0)
    this.#words[RootWord.Number] = this.#collections.allocate()
    const { chain } = this.#root.open(this.#words, 0, NULL)
    this.#isPacked = false
    const limit = endOf(this.#bytes, 0)
    this.#leavesOf().appendEntries(chain, { bytes: this.#bytes, first: HEADER_BYTES, limit })
  }
}
