// Who makes the values of each type: one row per type, its only registration.

import type { Type } from '../../keyspace/record.ts'
import type { ValueBuilder } from './value-builder.ts'

export const VALUE_BUILDERS: ReadonlyMap<Type, ValueBuilder> = new Map<Type, ValueBuilder>([])
