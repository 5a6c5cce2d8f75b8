// What the keyspace must know of each type of value that can lie in nodes: one row per type, its
// only registration there. How values are written to files and read from them is in persist/rdb/.

import type { Slice } from '../base/slice.ts'
import type { Ptr } from '../memory/layout.ts'
import type { Database } from './database.ts'
import type { Releaser } from './lazy-free.ts'
import { copyHash, copySet } from './leaf-dict/dict-copy.ts'
import { releaseHash, releaseSet } from './leaf-dict/dict-release.ts'
import { copyList } from './list/list-copy.ts'
import { releaseList } from './list/list-release.ts'
import { Type } from './record.ts'
import { copyStream } from './stream/stream-copy.ts'
import { releaseStream } from './stream/stream-release.ts'
import { copyZset } from './zset/copy-zset.ts'
import { releaseZset } from './zset/release-zset.ts'

/**
 * Copies the value in a record of `source` to a key that the last lookup in `target`, of this key,
 * did not find. No deadline. Returns the new record. ARENA_FULL: there is no such key.
 */
export type Copier = (source: Database, record: Ptr, target: Database, key: Slice) => Ptr

/** How values of each type but strings are copied. */
export const COPIERS: ReadonlyMap<Type, Copier> = new Map<Type, Copier>([
  [Type.List, copyList],
  [Type.Set, copySet],
  [Type.Hash, copyHash],
  [Type.Zset, copyZset],
  [Type.Stream, copyStream],
])

/** How the nodes of each type are freed. */
export const RELEASERS: ReadonlyMap<Type, Releaser> = new Map<Type, Releaser>([
  [Type.List, releaseList],
  [Type.Set, releaseSet],
  [Type.Hash, releaseHash],
  [Type.Zset, releaseZset],
  [Type.Stream, releaseStream],
])
