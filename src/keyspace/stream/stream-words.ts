// Words of a stream's root behind its chain, drawn in stream.ts. They stand here because who frees
// and who encodes streams needs no more than them.

import { LeafWord, RootWord } from '../root.ts'
import { ID_WORDS } from './stream-id.ts'

export const StreamWord = {
  LastId: RootWord.Type,
  DeletedId: RootWord.Type + ID_WORDS,
  Added: RootWord.Type + 2 * ID_WORDS,
  Groups: RootWord.Type + 2 * ID_WORDS + 2,
} as const

/** Of a packed stream: bytes behind the leaf's, and bytes of a leaf that it leaves out. */
export const PACKED_TAIL_BYTES = (2 * ID_WORDS + 2) * 4
export const LEAF_SKIPPED_BYTES = LeafWord.Count * 4
