// Who makes the values of each type out of the elements of a stream: one row per type, its only
// registration. Strings and streams have ways of their own.

import type { Type } from '../../keyspace/record.ts'
import type { ValueBuilder } from './value-builder.ts'

export const VALUE_BUILDERS: ReadonlyMap<Type, ValueBuilder> = new Map<Type, ValueBuilder>([])
