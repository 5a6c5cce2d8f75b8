// Walks the leaves of a stream's entries and asserts what must be true of each; for tests and the
// debug commands.

import { assert } from '../../base/assert.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PAGE_BYTES } from '../../memory/layout.ts'
import { type Chain, LeafWord, nodeWord } from '../root.ts'
import { EntryCursor, EntryWord } from './entry-leaf.ts'
import { StreamId } from './stream-id.ts'

/** Checks all leaves of a chain; no entry may be behind `last`. Returns how many nodes begin. */
export function checkLeaves(arena: Arena, chain: Chain, last: StreamId): number {
  const before = new StreamId()
  const cursor = new EntryCursor()
  let isFirst = true
  let starts = 0
  for (let leaf = chain.first; leaf !== NULL; leaf = nodeWord(arena, leaf, LeafWord.Next)) {
    let live = 0
    cursor.open(arena, leaf)
    const isOut = nodeWord(arena, leaf, EntryWord.Span) !== NULL
    const room = arena.nodePages(leaf) * PAGE_BYTES
    const used = nodeWord(arena, leaf, LeafWord.Used)
    assert(isOut || used <= room, 'a leaf has room for its entries')
    for (let found = cursor.first(); found; found = cursor.next()) {
      assert(cursor.behind() <= cursor.limit, 'entries lie in their leaf')
      assert(isFirst || before.compare(cursor.id) < 0, 'entries ascend')
      assert(!isFirst || cursor.isNodeStart, 'the first entry starts a node')
      before.setTo(cursor.id)
      isFirst = false
      if (!cursor.isDeleted) live++
      if (cursor.isNodeStart) starts++
    }
    cursor.peekLast()
    assert(before.compare(cursor.id) === 0, 'the last entry is known')
    assert(live > 0, 'a leaf has a live entry')
    assert(live === nodeWord(arena, leaf, LeafWord.Count), 'live entries are counted')
  }
  assert(isFirst || before.compare(last) <= 0, 'no entry is behind the last ID')
  return starts
}
