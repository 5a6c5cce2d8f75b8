// Moves records to other cells, for compaction: a record that has moved says the same to everybody.
// Who names a record is known: the dict, the lists of what expires, the spans that it owns, and the
// table of collections. Between two commands nobody else holds the place of one.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Arena } from '../memory/arena.ts'
import type { Mover } from '../memory/compaction.ts'
import {
  GRANULE_BYTES,
  PAGE_SEGMENT_SHIFT,
  PTR_PAGE_SHIFT,
  PTR_SEGMENT_MASK,
  type Ptr,
  ptrOfPage,
} from '../memory/layout.ts'
import { CLASS_CELL_BYTES, CLASS_CELL_COUNT, SLAB_HEADER_BYTES } from '../memory/size-class.ts'
import type { Collections } from './collections.ts'
import type { Database } from './database.ts'
import { flagsOf, keyRefWord, RecordFlag, rootWord, valueRefWord } from './record.ts'
import { wordOf, wordsOf } from './record-access.ts'

/** Moves the records of the present databases. */
export class Relocation implements Mover {
  readonly #arena: Arena
  readonly #databases: readonly Database[]

  constructor(arena: Arena, databases: readonly Database[]) {
    this.#arena = arena
    this.#databases = databases
  }

  isMovable(space: number): boolean {
    return this.#databaseOf(space) !== null
  }

  evacuate(head: number): number {
    const arena = this.#arena
    const database = this.#databaseOf(arena.pages.space[head]!)
    if (database === null) return 0
    const sizeClass = arena.pages.sizeClass[head]!
    const cellGranules = CLASS_CELL_BYTES[sizeClass]! / GRANULE_BYTES
    const base = ptrOfPage(head)
    const words = arena.u32[head >>> PAGE_SEGMENT_SHIFT]!
    const bitmap = ((base & PTR_SEGMENT_MASK) << 1) + 2
    const first = base + SLAB_HEADER_BYTES / GRANULE_BYTES
    let moved = 0
    for (let i = 0; i < CLASS_CELL_COUNT[sizeClass]!; i++) {
      // The run is freed with the last record; its bitmap is not to be read any more.
      if (arena.pages.condemned[head] === 0) break
      if ((words[bitmap + (i >>> 5)]! & (1 << (i & 31))) === 0) continue
      const record = first + i * cellGranules
      if (!mayHandOver(arena, record)) continue
      database.relocate(record)
      moved++
    }
    return moved
  }

  #databaseOf(space: number): Database | null {
    for (const database of this.#databases) if (database.space === space) return database
    return null
  }
}

/**
 * Copies a record as it lies into another cell of its class, hands what it owns over, and frees the
 * old cell. The caller puts the new place wherever the old one stands. ARENA_FULL: nothing changed.
 */
export function relocated(collections: Collections, record: Ptr): Ptr {
  const { arena } = collections
  const bytes = arena.cellBytes(record)
  const space = arena.spaceOf(record)
  const made = arena.allocateCell(space, bytes)
  assert(made !== record, 'a live cell is not given out')
  const source = wordsOf(arena, record)
  const target = wordsOf(arena, made)
  const from = wordOf(record)
  const to = wordOf(made)
  if (source === target) target.copyWithin(to, from, from + bytes / 4)
  else for (let i = 0; i < bytes / 4; i++) target[to + i] = source[from + i]!
  const flags = flagsOf(target[to + 1]!)
  if ((flags & RecordFlag.KeyOut) !== 0) arena.setOwner(target[to + keyRefWord(flags)]!, made)
  if ((flags & RecordFlag.ValueOut) !== 0) arena.setOwner(target[to + valueRefWord(flags)]!, made)
  if ((flags & RecordFlag.Root) !== 0) {
    collections.place(target[to + rootWord(flags)]!, made, space)
  }
  arena.freeCell(record)
  return made
}

/** Whether what the record owns gets a new owner without taking reserve of an open cut. */
function mayHandOver(arena: Arena, record: Ptr): boolean {
  const words = wordsOf(arena, record)
  const at = wordOf(record)
  const flags = flagsOf(words[at + 1]!)
  const isWritable = (span: Ptr) => arena.isWritable(span >>> PTR_PAGE_SHIFT)
  if ((flags & RecordFlag.KeyOut) !== 0 && !isWritable(words[at + keyRefWord(flags)]!)) return false
  return (flags & RecordFlag.ValueOut) === 0 || isWritable(words[at + valueRefWord(flags)]!)
}
