// A packed stream for those who only read it where it lies, as encoders of snapshots do: its words
// and its leaf, copied to where they are aligned. The format is drawn in packed-stream.ts.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, Slice } from '../../base/slice.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { ID_WORDS } from './stream-id.ts'
import { LEAF_SKIPPED_BYTES, PACKED_TAIL_BYTES } from './stream-words.ts'

/** Words of a packed stream behind the leaf's. */
export const PackedWord = { LastId: 0, DeletedId: ID_WORDS, Added: 2 * ID_WORDS } as const

export class PackedParts {
  readonly bytes = new Uint8Array(PAGE_BYTES)
  readonly words = new Uint32Array(this.bytes.buffer)
  /** Where the leaf begins in `bytes`. */
  readonly start = 0
  /** Whether there is a leaf. */
  hasEntries = false
  /** Index of the first word behind the leaf's. */
  tail = 0
  readonly #slice = new Slice()

  /** Takes the parts of a value, until the next one. Returns itself. */
  read({ bytes, start, length }: ByteRange): this {
    assert(length >= PACKED_TAIL_BYTES, 'a packed stream has its tail')
    assert(length + LEAF_SKIPPED_BYTES <= PAGE_BYTES, 'a packed stream has a page at most')
    copySlice(this.#slice.set(bytes, start, length), this.bytes, LEAF_SKIPPED_BYTES)
    this.hasEntries = length > PACKED_TAIL_BYTES
    this.tail = (LEAF_SKIPPED_BYTES + length - PACKED_TAIL_BYTES) / 4
    this.#slice.forget()
    return this
  }
}
