// Packed values from outside, whole and checked, that become a record's value as they lie: what
// files and payloads hold mostly. One function for each type tells what such a value is called, by
// the limits, or that it must be made of its elements, one by one: it is too large to be packed
// here, is spelled otherwise than we do, has an element twice, or is not in the order that it
// should have. Whether that is damage, those who take the elements find out.
// Allocates nothing, but for scores that are long.

import type { ByteRange } from '../base/slice.ts'
import type { EncodingLimits } from './encoding-limits.ts'
import { isPackable } from './hash/hash-draft.ts'
import { ListTuning } from './list/list-entry.ts'
import { packedBytesMax, packedEntriesMax } from './list/list-limits.ts'
import * as intset from './packed/intset.ts'
import * as listpack from './packed/listpack.ts'
import { SURVEY, type SurveyedRange, surveyRange, WIDEST_LENGTH } from './packed/listpack-survey.ts'
import { Encoding } from './record.ts'
import { PACKING as SET_PACKING } from './set/set-draft.ts'
import { isAscending } from './zset/packed-zset.ts'
import { packedCountMax, PACKING as ZSET_PACKING } from './zset/zset.ts'

/** The value cannot be kept as it lies. */
export const UNSUITED = -1
export type AdoptedName = Encoding | typeof UNSUITED

/** The name of a listpack that is to be a list. */
export function nameOfList(
  { bytes, start, length }: ByteRange,
  limits: EncodingLimits,
): AdoptedName {
  const { listNodeSize } = limits
  const count = listpack.headerCount(bytes, start)
  const isSmall = length <= packedBytesMax(listNodeSize) && count <= packedEntriesMax(listNodeSize)
  if (!isSmall) return UNSUITED
  const end = listpack.endOf(bytes, start)
  for (let at = start + listpack.HEADER_BYTES; at < end; at += listpack.entryBytes(bytes, at)) {
    // Leaves take short ones of those for references, and long ones have spans.
    if (bytes[at] === listpack.Head.String32) return UNSUITED
  }
  return length > ListTuning.spanLength ? UNSUITED : Encoding.Quicklist
}

/** The name of an intset that is to be a set. */
export function nameOfIntset(
  { bytes, start, length }: ByteRange,
  limits: EncodingLimits,
): AdoptedName {
  const isSmall = length <= SET_PACKING.intsetBytesMax
  if (!isSmall || intset.count(bytes, start) > limits.setIntsetEntriesMax) return UNSUITED
  return Encoding.Intset
}

/** The name of a listpack that is to be a set. */
export function nameOfSet(value: SurveyedRange, limits: EncodingLimits): AdoptedName {
  const { listpackBytesMax, listpackEntriesMax } = SET_PACKING
  if (value.length > listpackBytesMax || !surveyRange(value, 1)) return UNSUITED
  const { keys, integers } = SURVEY
  if (keys > listpackEntriesMax) return UNSUITED
  // Numbers alone are an intset.
  const isIntset = integers === keys && keys <= limits.setIntsetEntriesMax
  return isIntset ? UNSUITED : Encoding.Hashtable
}

/** The name of a listpack of fields and values that is to be a hash. */
export function nameOfHash(value: SurveyedRange, limits: EncodingLimits): AdoptedName {
  if (!surveyRange(value, 2)) return UNSUITED
  const { keys, longestKey, longestValue } = SURVEY
  const { hashValueMax, hashEntriesMax } = limits
  const isShort = longestKey <= hashValueMax && longestValue <= hashValueMax
  if (!isShort && hashValueMax < WIDEST_LENGTH) return UNSUITED
  const name = isShort && keys <= hashEntriesMax ? Encoding.Listpack : Encoding.Hashtable
  return isPackable(name, keys, value.length) ? name : UNSUITED
}

/** The name of a listpack of members and scores that is to be a sorted set. */
export function nameOfZset(value: SurveyedRange, limits: EncodingLimits): AdoptedName {
  if (value.length > ZSET_PACKING.bytesMax || !surveyRange(value, 2)) return UNSUITED
  const { keys, longestKey } = SURVEY
  const { zsetEntriesMax, zsetValueMax } = limits
  if (keys > packedCountMax(limits)) return UNSUITED
  const isKnown = value.hasAscendingValues === true
  if (!isKnown && !isAscending(value.bytes, value.start)) return UNSUITED
  const isShort = longestKey <= zsetValueMax
  if (!isShort && zsetValueMax < WIDEST_LENGTH) return UNSUITED
  return isShort && keys <= zsetEntriesMax ? Encoding.Listpack : Encoding.Skiplist
}
