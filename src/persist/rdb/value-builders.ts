// Who makes the values of each type out of the elements of a stream: one row per type, its only
// registration. Strings and streams have ways of their own.

import { Type } from '../../keyspace/record.ts'
import type { ValueBuilder } from './value-builder.ts'
import { HashBuilder } from './values/hash.ts'
import { ListBuilder } from './values/list.ts'
import { SetBuilder } from './values/set.ts'
import { zsetBuilder } from './values/zset.ts'

export const VALUE_BUILDERS: ReadonlyMap<Type, ValueBuilder> = new Map<Type, ValueBuilder>([
  [Type.List, new ListBuilder()],
  [Type.Set, new SetBuilder()],
  [Type.Hash, new HashBuilder()],
  [Type.Zset, zsetBuilder],
])
