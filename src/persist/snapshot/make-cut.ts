// A cut with a reserve as large as it shall be, or as the system lets it be. A save with little
// reserve makes writers wait more; one that fails loses data. Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Log } from '../../base/log.ts'
import type { Arena } from '../../memory/arena.ts'
import { BOUND_MIN, Cut, type CutOptions } from '../../memory/cut.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'

/** A cut with a reserve of `pages`, or of as many as the system has memory for. */
export function makeCut(arena: Arena, pages: number, options: CutOptions & { log: Log }): Cut {
  assert(pages >= BOUND_MIN, 'a reserve has slots')
  for (let count = pages; ; count = Math.max(BOUND_MIN, count >>> 1)) {
    try {
      return new Cut(arena, count, options)
    } catch (error) {
      // What a system throws that refuses a SharedArrayBuffer.
      if (!(error instanceof RangeError) || count === BOUND_MIN) throw error
      options.log.warning(`No memory for a snapshot reserve of ${(count * PAGE_BYTES) / 1024} KiB`)
    }
  }
}
