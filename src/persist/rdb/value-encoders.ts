// How the values of each type but strings are written into RDB streams: one row per type, its only
// registration. Strings are written by scanner and DUMP themselves, as most values are strings.

import { drain } from '../../base/steps.ts'
import { Type } from '../../keyspace/record.ts'
import type { RdbWriter } from './rdb-writer.ts'
import type { ValueEncoder, ValueView } from './value-view.ts'
import { hashEncoder } from './values/hash.ts'
import { listEncoder } from './values/list.ts'
import { setEncoder } from './values/set.ts'
import { streamEncoder } from './values/stream.ts'
import { zsetEncoder } from './values/zset.ts'

export const VALUE_ENCODERS: ReadonlyMap<Type, ValueEncoder> = new Map<Type, ValueEncoder>([
  [Type.List, listEncoder],
  [Type.Set, setEncoder],
  [Type.Hash, hashEncoder],
  [Type.Zset, zsetEncoder],
  [Type.Stream, streamEncoder],
])

/** Writes what follows the key, in one go. */
export function writeValue(encoder: ValueEncoder, writer: RdbWriter, value: ValueView): void {
  if (value.root === null) encoder.writePacked(writer, value)
  else drain(encoder.writeLeaves(writer, value, value.root))
}
