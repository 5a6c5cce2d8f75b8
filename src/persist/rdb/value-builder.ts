// Makes a list, set, hash or sorted set out of the elements of a stream: for loading and RESTORE.
// One builder per type, used for one value after the other; each keeps nothing between them.

import type { Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import type { EncodingLimits } from '../../keyspace/encoding-limits.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { CollectionTarget } from './rdb-target.ts'

export interface ValueBuilder extends CollectionTarget {
  /**
   * Begins a value under `key`, which the last lookup in `db` did not find; `count` is a hint, not
   * to be trusted. The key's bytes are borrowed until `end`.
   */
  begin(
    db: Database,
    key: Slice,
    options: { readonly limits: EncodingLimits; readonly count: number },
  ): void
  /**
   * The record of the complete value; NULL when it was damaged (an element twice), or had no
   * element: then the key is not there.
   */
  end(): Ptr
}
