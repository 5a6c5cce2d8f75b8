// A value as the encoders of RDB see it, wherever it is: in the live keyspace (DUMP), or in a cut
// (a snapshot, whose pages may be in the reserve). One encoder per type serves both.
//
//   packed   the value's bytes, `bytes[start, start + length)`: a listpack, or an intset
//   root     22 words (keyspace/root.ts), and leaves that are read one after the other
//
// In a cut each leaf can be read once only, and is free for the engine from then on; so an encoder
// follows each chain once, and reads each large element where it meets it.
//
// A value in leaves is written in steps, and may be left between any two of them. Whatever the
// server does may run in between, other values through the same encoder included; and a step may
// run in the middle of any command that writes. So encoders hold:
//
//   - across a yield nothing but the generator's own variables, and what a leaf reader holds;
//   - within a step objects that no reader, builder or command uses.

import type { Steps } from '../../base/steps.ts'
import type { Encoding, Type } from '../../keyspace/record.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { RdbWriter } from './rdb-writer.ts'

/** Chains that can be followed at the same time: a stream's groups and their pending entries. */
export const LEAF_READERS = 3

/** Follows one chain of leaves. `bytes` and `words` hold the leaf until the next call of `next`. */
export interface LeafReader {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** First byte of the leaf in `bytes`; `start / 4` is its first word in `words`. */
  readonly start: number
  /** Bytes of the leaf: one or more pages. */
  readonly length: number
  /**
   * Begins at the leaf `first` (NULL: there is none). `isOrdered` false: leaves may come in any
   * order, which spares writers waiting.
   */
  open(first: Ptr, options: { readonly isOrdered: boolean }): void
  /** Reads a leaf; false after the last one. */
  next(): boolean
}

export interface ValueView {
  readonly type: Type
  readonly encoding: Encoding
  /** The earliest deadline of a hash's fields or a time before it, unix ms; 0: none has one. */
  readonly fieldDeadlineMs: number
  /** Null: the value is packed. */
  readonly root: Uint32Array | null
  readonly bytes: Uint8Array
  readonly start: number
  readonly length: number
  /** One of LEAF_READERS readers, each with a place of its own for its leaf. */
  reader(index: number): LeafReader
  /**
   * Writes the large element in `span` as a string, with its length. Yields after each block of a
   * long one, and behind each element.
   */
  elementSteps(writer: RdbWriter, span: Ptr, length: number): Steps
}

/** How the values of one type are written; `writeValue` of value-encoders.ts does it in one go. */
export interface ValueEncoder {
  /** The type byte for this value. */
  rdbType(value: ValueView): number
  /** Writes what follows the key, for a value without a root. */
  writePacked(writer: RdbWriter, value: ValueView): void
  /**
   * The same for a value whose root this is. Yields after each leaf and within large elements. Who
   * leaves it for good ends it with `return`.
   */
  writeLeaves(writer: RdbWriter, value: ValueView, root: Uint32Array): Steps
}
