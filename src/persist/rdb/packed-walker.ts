// The elements of a packed value of any kind that RDB files hold, one after the other, whatever
// wrote them: what the types' decoders are built on.
//
//    if (!walker.open(PackedKind.Ziplist, bytes, start, length)) …damaged…
//    while (walker.next(entry)) …
//
// `open` checks all bytes first, so that `next` cannot fail half way. What it checks is structure:
// that a hash has pairs, fields are distinct or scores are numbers is for the types to see.
// Entries point into the bytes, which the walker keeps until `forget`. Allocates nothing.

import { assert } from '../../base/assert.ts'
import { EMPTY_BYTES } from '../../base/bytes.ts'
import * as intset from '../../keyspace/packed/intset.ts'
import * as listpack from '../../keyspace/packed/listpack.ts'
import type { PackedEntry } from '../../keyspace/packed/packed.ts'
import { countZiplist, DAMAGED, firstInZiplist, readZiplistEntry } from './ziplist.ts'
import { countZipmap, firstInZipmap, readZipmapField, readZipmapValue } from './zipmap.ts'

/** What bytes may hold. Plain is one string, and the bytes are it. */
export const PackedKind = { Listpack: 0, Ziplist: 1, Zipmap: 2, Intset: 3, Plain: 4 } as const
export type PackedKind = (typeof PackedKind)[keyof typeof PackedKind]

/** What errors call them. */
export const PACKED_KIND_NAMES = ['listpack', 'ziplist', 'zipmap', 'intset', 'string'] as const

export class PackedWalker {
  /** Elements of the value, a field and its value being two. */
  count = 0
  #kind: PackedKind = PackedKind.Plain
  #bytes: Uint8Array = EMPTY_BYTES
  #start = 0
  #length = 0
  /** Elements given so far. */
  #done = 0
  #at = 0

  /** Goes before the first element; false, and no elements, when the bytes are damaged. */
  open(kind: PackedKind, bytes: Uint8Array, start: number, length: number): boolean {
    assert(start >= 0 && start + length <= bytes.length, 'range of bytes')
    this.forget()
    const count = countElements(kind, bytes, start, length)
    if (count === DAMAGED) return false
    this.#kind = kind
    this.#length = length
    this.#begin(bytes, start, count)
    return true
  }

  /** `open` of a listpack that has been checked, and has `count` elements. */
  openListpack(bytes: Uint8Array, start: number, length: number, count: number): void {
    this.#kind = PackedKind.Listpack
    this.#length = length
    this.#begin(bytes, start, count)
  }

  /** Goes before the first element again. */
  rewind(): void {
    this.#done = 0
    this.#at = firstPlace(this.#kind, this.#start)
  }

  /** Fills `out` with the next element; false behind the last. */
  next(out: PackedEntry): boolean {
    if (this.#done === this.count) return false
    const bytes = this.#bytes
    const at = this.#at
    switch (this.#kind) {
      case PackedKind.Listpack:
        this.#at = listpack.readEntry(bytes, at, out)
        break
      case PackedKind.Ziplist:
        this.#at = readZiplistEntry(bytes, at, out)
        break
      case PackedKind.Zipmap:
        this.#at =
          (this.#done & 1) === 0 ? readZipmapField(bytes, at, out) : readZipmapValue(bytes, at, out)
        break
      case PackedKind.Intset:
        intset.readEntry(bytes, this.#start, this.#done, out)
        break
      case PackedKind.Plain:
        out.setString(bytes, this.#start, this.#length)
        break
    }
    this.#done++
    return true
  }

  /** Lets go of the bytes: no elements are left. */
  forget(): void {
    this.count = 0
    this.#done = 0
    this.#bytes = EMPTY_BYTES
  }

  #begin(bytes: Uint8Array, start: number, count: number): void {
    this.count = count
    this.#bytes = bytes
    this.#start = start
    this.rewind()
  }
}

/** How many elements the bytes hold, or DAMAGED. */
function countElements(kind: PackedKind, bytes: Uint8Array, start: number, length: number): number {
  switch (kind) {
    case PackedKind.Listpack:
      return listpack.validate(bytes, start, length) ? listpack.count(bytes, start) : DAMAGED
    case PackedKind.Ziplist:
      return countZiplist(bytes, start, length)
    case PackedKind.Zipmap:
      return countZipmap(bytes, start, length)
    case PackedKind.Intset:
      return intset.validate(bytes, start, length) ? intset.count(bytes, start) : DAMAGED
    case PackedKind.Plain:
      return 1
  }
}

function firstPlace(kind: PackedKind, start: number): number {
  switch (kind) {
    case PackedKind.Listpack:
      return start + listpack.HEADER_BYTES
    case PackedKind.Ziplist:
      return firstInZiplist(start)
    case PackedKind.Zipmap:
      return firstInZipmap(start)
    default:
      return start
  }
}
