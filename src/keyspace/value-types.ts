// What the keyspace must know of each type of value that can lie in nodes: one row per type.

import { releaseHash, releaseSet } from './dict-release.ts'
import type { Releaser } from './lazy-free.ts'
import { releaseList } from './list/list-release.ts'
import { Type } from './record.ts'
import { releaseStream } from './stream/stream-release.ts'
import { releaseZset } from './zset/release-zset.ts'

/** How the nodes of each type are freed. */
export const RELEASERS: ReadonlyMap<Type, Releaser> = new Map<Type, Releaser>([
  [Type.List, releaseList],
  [Type.Set, releaseSet],
  [Type.Hash, releaseHash],
  [Type.Zset, releaseZset],
  [Type.Stream, releaseStream],
])
