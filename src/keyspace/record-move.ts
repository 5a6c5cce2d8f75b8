// Moves one record to another cell of its class, as it is. Who names a record is listed in
// relocation.ts; the dict and the lists of what expires are the caller's. Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Ptr } from '../memory/layout.ts'
import type { Collections } from './collections.ts'
import { flagsOf, keyRefWord, RecordFlag, rootWord, valueRefWord } from './record.ts'
import { wordOf, wordsOf } from './record-access.ts'

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
