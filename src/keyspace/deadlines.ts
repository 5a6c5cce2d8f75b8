// A list of a database's records that have a deadline: what active expiry and samples walk. There
// are two, of the keys that expire and of the hashes with fields that do (expiring.ts).
//
// A vector of Ptrs in pages of 1024, in no order. A record holds its index here, so that adding,
// removing (the last entry moves into the gap) and picking at random are O(1) and cost 8 bytes a
// key in all, without a second hash table. docs/decisions/0009-deadline-vector.md has the reasons.
//
// Invariant: entry i is a record with the list's flag, whose index word of that list is i.

import { assert } from '../base/assert.ts'
import type { Arena } from '../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../memory/layout.ts'
import { DEADLINE_INDEX, deadlineWord, type ExpiringFlag, flagsOf } from './record.ts'
import { wordOf, wordsOf } from './record-access.ts'

const ENTRIES_PER_PAGE = PAGE_BYTES / 4

export class Deadlines {
  readonly #arena: Arena
  readonly #kind: ExpiringFlag
  #pages: Ptr[] = []
  #count = 0

  /** An empty list of records with the flag `kind`. */
  constructor(arena: Arena, kind: ExpiringFlag) {
    this.#arena = arena
    this.#kind = kind
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#pages.length * PAGE_BYTES
  }

  /** The record at `index` < count. O(1). */
  at(index: number): Ptr {
    assert(index >= 0 && index < this.#count, 'an index is below the count')
    const page = this.#pages[Math.floor(index / ENTRIES_PER_PAGE)]!
    return this.#wordsAt(page)[this.#wordIn(page, index)]!
  }

  /** Sees to it that the next `add` finds room. Throws when the arena is full. O(1). */
  makeRoom(): void {
    if (this.#count < this.#pages.length * ENTRIES_PER_PAGE) return
    this.#pages.push(this.#arena.allocateTable(1))
  }

  /** Adds a record that has the list's flag, and writes its index into it. O(1). */
  add(record: Ptr): void {
    this.makeRoom()
    this.#put(this.#count++, record)
  }

  /** Takes a record out. The record's own bytes stay as they are. O(1). */
  remove(record: Ptr): void {
    const index = this.indexOf(record)
    assert(index < this.#count && this.at(index) === record, 'a record knows its index')
    this.removeAt(index)
  }

  /** Where a record with the list's flag stands. */
  indexOf(record: Ptr): number {
    return wordsOf(this.#arena, record)[this.#indexWord(record)]!
  }

  /** Takes out the record at `index`, which may be gone from the arena already. O(1). */
  removeAt(index: number): void {
    assert(index < this.#count, 'only what is listed is removed')
    const moved = this.at(this.#count - 1)
    this.#count--
    if (index !== this.#count) this.#put(index, moved)
    const pagesNeeded = Math.ceil(this.#count / ENTRIES_PER_PAGE)
    // One spare page keeps a count that moves about a page's limit from allocating each time.
    const spare = this.#pages.length > pagesNeeded + 1 ? this.#pages.pop() : undefined
    if (spare !== undefined) this.#arena.freeTable(spare)
    else if (this.#count === 0) this.clear()
  }

  /** A record has moved to `next`, with its index word. O(1). */
  move(next: Ptr): void {
    const index = this.indexOf(next)
    assert(index < this.#count, 'an index is below the count')
    this.#put(index, next)
  }

  clear(): void {
    for (const page of this.#pages) this.#arena.freeTable(page)
    this.#pages = []
    this.#count = 0
  }

  /** Walks the invariant. O(n). */
  check(): void {
    for (let i = 0; i < this.#count; i++) {
      const record = this.at(i)
      assert(record !== NULL, 'entries are records')
      const words = wordsOf(this.#arena, record)
      const at = wordOf(record)
      assert((flagsOf(words[at + 1]!) & this.#kind) !== 0, 'entries have deadlines')
      assert(this.indexOf(record) === i, 'entries know their index')
    }
  }

  #put(index: number, record: Ptr): void {
    const page = this.#pages[Math.floor(index / ENTRIES_PER_PAGE)]!
    this.#wordsAt(page)[this.#wordIn(page, index)] = record
    this.#arena.touch(record)
    wordsOf(this.#arena, record)[this.#indexWord(record)] = index
  }

  #indexWord(record: Ptr): number {
    const at = wordOf(record)
    const flags = flagsOf(wordsOf(this.#arena, record)[at + 1]!)
    return at + deadlineWord(flags, this.#kind) + DEADLINE_INDEX
  }

  #wordsAt(page: Ptr): Uint32Array {
    return this.#arena.u32[page >>> PTR_SEGMENT_SHIFT]!
  }

  #wordIn(page: Ptr, index: number): number {
    return ((page & PTR_SEGMENT_MASK) << 1) + (index % ENTRIES_PER_PAGE)
  }
}
