// Records through the arena: where a record's key and value bytes are. Functions over Ptr; results
// go into a slice of the caller's, valid until the next change of the keyspace.

import type { Slice } from '../base/slice.ts'
import type { Arena } from '../memory/arena.ts'
import {
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SPAN_HEADER_BYTES,
} from '../memory/layout.ts'
import {
  flagsOf,
  HEADER_BYTES,
  inlineKeyLength,
  inlineValueLength,
  keyRefWord,
  RecordFlag,
  valueRefWord,
} from './record.ts'

/** Points `out` at the record's key. Allocates nothing. */
export function readKey(arena: Arena, record: Ptr, out: Slice): Slice {
  const segment = record >>> PTR_SEGMENT_SHIFT
  const granule = record & PTR_SEGMENT_MASK
  const words = arena.u32[segment]!
  const shape = words[(granule << 1) + 1]!
  const flags = flagsOf(shape)
  if ((flags & RecordFlag.KeyOut) !== 0) {
    const at = (granule << 1) + keyRefWord(flags)
    return readSpan(arena, words[at]!, out, words[at + 1]!)
  }
  out.bytes = arena.u8[segment]!
  out.start = (granule << 3) + HEADER_BYTES[flags]!
  out.length = inlineKeyLength(shape)
  return out
}

/** Points `out` at the bytes of a string's value. Allocates nothing. */
export function readValue(arena: Arena, record: Ptr, out: Slice): Slice {
  const segment = record >>> PTR_SEGMENT_SHIFT
  const granule = record & PTR_SEGMENT_MASK
  const words = arena.u32[segment]!
  const shape = words[(granule << 1) + 1]!
  const flags = flagsOf(shape)
  if ((flags & RecordFlag.ValueOut) !== 0) {
    const at = (granule << 1) + valueRefWord(flags)
    return readSpan(arena, words[at]!, out, words[at + 1]!)
  }
  out.bytes = arena.u8[segment]!
  out.start = (granule << 3) + HEADER_BYTES[flags]! + inlineKeyLength(shape)
  out.length = inlineValueLength(shape)
  return out
}

/** Points `out` at the first `length` bytes of a span's data. */
export function readSpan(arena: Arena, span: Ptr, out: Slice, length: number): Slice {
  out.bytes = arena.contiguousBytes(span)
  out.start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
  out.length = length
  return out
}

/** Index of the record's first word in `arena.u32[record >>> PTR_SEGMENT_SHIFT]`. */
export function wordOf(record: Ptr): number {
  return (record & PTR_SEGMENT_MASK) << 1
}

/** The words of the record's segment. */
export function wordsOf(arena: Arena, record: Ptr): Uint32Array {
  return arena.u32[record >>> PTR_SEGMENT_SHIFT]!
}
