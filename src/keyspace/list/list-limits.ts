// Up to where a list stays packed in its record: `list-max-listpack-size` as Redis means it for the
// nodes of a quicklist, a count of elements or one of five sizes, as far as a record goes: 8 KiB.
// Leaves are as large as suits them, whatever it says.

/** Longest packed value. */
export const PACKED_BYTES_MAX = 8192
/** For -1 to -5. */
const NODE_BYTES = [4096, 8192, 16384, 32768, 65536] as const

/** Most bytes of a packed list. */
export function packedBytesMax(listNodeSize: number): number {
  if (listNodeSize >= 0) return PACKED_BYTES_MAX
  const bytes = NODE_BYTES[Math.min(-listNodeSize, NODE_BYTES.length) - 1]!
  return Math.min(bytes, PACKED_BYTES_MAX)
}

/** Most elements of a packed list. */
export function packedEntriesMax(listNodeSize: number): number {
  return listNodeSize < 0 ? PACKED_BYTES_MAX : Math.max(listNodeSize, 1)
}
