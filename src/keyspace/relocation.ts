// Moves records to other cells, for compaction: a record that has moved says the same to everybody.
// Who names a record is known: the dict, the lists of what expires, the spans that it owns, and the
// table of collections. Between two commands nobody else holds the place of one.
// Owner: the engine.

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
import type { Database } from './database.ts'
import { flagsOf, keyRefWord, RecordFlag, valueRefWord } from './record.ts'
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

/** Whether what the record owns gets a new owner without taking reserve of an open cut. */
function mayHandOver(arena: Arena, record: Ptr): boolean {
  const words = wordsOf(arena, record)
  const at = wordOf(record)
  const flags = flagsOf(words[at + 1]!)
  const isWritable = (span: Ptr) => arena.isWritable(span >>> PTR_PAGE_SHIFT)
  if ((flags & RecordFlag.KeyOut) !== 0 && !isWritable(words[at + keyRefWord(flags)]!)) return false
  return (flags & RecordFlag.ValueOut) === 0 || isWritable(words[at + valueRefWord(flags)]!)
}
