// A packed stream for those who only read it where it lies, as encoders of snapshots do: its words
// and its leaf, copied to where they are aligned. The format is drawn in packed-stream.ts.

import { assert } from '../../base/assert.ts'
import { type ByteRange, copySlice, Slice } from '../../base/slice.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { ID_WORDS } from './stream-id.ts'
import { LEAF_SKIPPED_BYTES, PACKED_HEAD_BYTES } from './stream-words.ts'

/** Words of a packed stream before the leaf's. */
export const PackedWord = { LastId: 0, DeletedId: ID_WORDS, Added: 2 * ID_WORDS } as const

export class PackedParts {
  readonly bytes = new Uint8Array(PACKED_HEAD_BYTES + PAGE_BYTES)
  readonly words = new Uint32Array(this.bytes.buffer)
  /** Where the leaf begins in `bytes`. */
  readonly start = PACKED_HEAD_BYTES
  /** Whether there is a leaf. */
  hasEntries = false
  readonly #slice = new Slice()

  /** Takes the parts of a value, until the next one. Returns itself. */
  read({ bytes, start, length }: ByteRange): this {
    assert(length >= PACKED_HEAD_BYTES, 'a packed stream has its head')
    assert(length + LEAF_SKIPPED_BYTES <= this.bytes.length, 'a packed stream has a page at most')
    copySlice(this.#slice.set(bytes, start, PACKED_HEAD_BYTES), this.bytes, 0)
    this.hasEntries = length > PACKED_HEAD_BYTES
    this.#slice.set(bytes, start + PACKED_HEAD_BYTES, length - PACKED_HEAD_BYTES)
    copySlice(this.#slice, this.bytes, PACKED_HEAD_BYTES + LEAF_SKIPPED_BYTES)
    this.#slice.forget()
    return this
  }
}
