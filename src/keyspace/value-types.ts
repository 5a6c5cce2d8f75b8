// What the keyspace must know of each type of value that can lie in nodes: one row per type.

import type { Releaser } from './lazy-free.ts'
import type { Type } from './record.ts'

/** How the nodes of each type are freed. */
export const RELEASERS: ReadonlyMap<Type, Releaser> = new Map<Type, Releaser>([])
