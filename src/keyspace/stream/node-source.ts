// A node of a file whose entries go into leaves many at a time: what stream-entries.ts asks of
// whoever can write them as leaves have them. The node has been checked.
//
// A cursor: it goes from the first entry to the end, by `take`.

import type { StreamId } from './stream-id.ts'

/** For what leaf entries are written. */
export interface TakeOptions {
  /** The master of the leaf: words, and the index of the first. */
  readonly words: Uint32Array
  readonly at: number
  /** Bytes that the leaf has left. */
  readonly room: number
  /** Whether the leaf's names are the node's. */
  readonly isSame: boolean
  /** Whether the first entry starts a node. */
  readonly isStart: boolean
}

export interface NodeSource {
  /** Where names and entries lie that have been written. */
  readonly bytes: Uint8Array
  /** The count of the master's names and the names, as a leaf has them, and as a listpack. */
  readonly namesStart: number
  readonly namesLength: number
  readonly namesListpackBytes: number
  /** What the last `take` has written; 0 entries: the next one has no room. */
  readonly start: number
  readonly length: number
  /** Bytes before its last entry. */
  readonly lastStart: number
  readonly entries: number
  readonly live: number
  readonly listpackBytes: number
  readonly isAtEnd: boolean
  /** Passes deleted entries and takes the ID of the live one behind them; false: there is none. */
  seekLive(out: StreamId): boolean
  /** Writes the entries that are next, as many as fit, and passes them. */
  take(options: TakeOptions): void
}

/** Whether the names of a node stand at `bytes[at]`. */
export function hasNamesAt(node: NodeSource, leaf: Uint8Array, at: number): boolean {
  const { bytes, namesStart, namesLength } = node
  for (let i = 0; i < namesLength; i++) {
    if (bytes[namesStart + i]! !== leaf[at + i]!) return false
  }
  return true
}
