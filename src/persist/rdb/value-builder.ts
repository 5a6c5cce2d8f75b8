// Makes a list, set, hash or sorted set out of the elements of a stream: for loading and RESTORE.
// One builder per type, used for one value after the other; each keeps nothing between them.

import type { Slice } from '../../base/slice.ts'
import type { AdoptedName } from '../../keyspace/adopted-value.ts'
import type { Database } from '../../keyspace/database.ts'
import type { EncodingLimits } from '../../keyspace/encoding-limits.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { CollectionTarget, PackedValue } from './rdb-target.ts'

export interface BuildOptions {
  readonly limits: EncodingLimits
  /** Elements to come: a hint, not to be trusted. */
  readonly count: number
  /** Bytes of the stream that are left: they bound what the hint may cost. */
  readonly bytesLeft: number
}

export interface ValueBuilder extends Omit<CollectionTarget, 'onCollectionEnd'> {
  /** What a packed value is called that can be kept as it lies; else UNSUITED. */
  nameOf(value: PackedValue, limits: EncodingLimits): AdoptedName
  /**
   * Begins a value under `key`, which the last lookup in `db` did not find. The key's bytes are
   * borrowed until `end`.
   */
  begin(db: Database, key: Slice, options: BuildOptions): void
  /**
   * The record of the complete value; NULL when it was damaged (an element twice), or had no
   * element: then the key is not there.
   */
  end(): Ptr
  /** Frees what there is of a value that does not come to its end. */
  discard(): void
}
