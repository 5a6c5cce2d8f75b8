// The order of leaves whose payload starts with the key of their first entry, as words, the highest
// first: IDs, numbers of consumers, or a number and an ID. All chains of a stream are such.

import type { Arena } from '../../memory/arena.ts'
import { PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import type { LeafOrder } from '../leaf-tree/leaf-index.ts'
import { LEAF_HEADER_BYTES } from '../root.ts'
import { ID_WORDS } from './stream-id.ts'

/** Index of the first word behind a leaf's header. */
export const PAYLOAD_WORD = LEAF_HEADER_BYTES / 4

/** Words of the key: a number; an ID; a number and an ID. */
export const KeyWords = { Number: 1, Id: ID_WORDS, NumberAndId: 1 + ID_WORDS } as const
export type KeyWords = (typeof KeyWords)[keyof typeof KeyWords]

const TWO_32 = 0x100000000
/** Milliseconds up to which a number and an ID differ in coarse order: the year 10889. */
const MS_LIMIT = 2 ** 48

export class WordOrder implements LeafOrder {
  /** What is sought: `keyWords` words from `targetAt` on. */
  target: Uint32Array = new Uint32Array(KeyWords.NumberAndId)
  targetAt = 0
  readonly keyWords: KeyWords
  readonly #arena: Arena

  constructor(arena: Arena, keyWords: KeyWords) {
    this.#arena = arena
    this.keyWords = keyWords
  }

  /** Sets what is sought; returns its coarse order. The words must stay until the seek is done. */
  seeking(words: Uint32Array, at: number): number {
    this.target = words
    this.targetAt = at
    return this.coarse(words, at)
  }

  /** A number that never falls where the key at `words[at]` rises. */
  coarse(words: Uint32Array, at: number): number {
    if (this.keyWords === KeyWords.Number) return words[at]!
    if (this.keyWords === KeyWords.Id) return words[at]! * TWO_32 + words[at + 1]!
    const ms = words[at + 1]! * TWO_32 + words[at + 2]!
    return words[at]! + Math.min(ms, MS_LIMIT) / MS_LIMIT
  }

  keyOf(leaf: Ptr): number {
    return this.coarse(this.#arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!, payloadOf(leaf))
  }

  isAtOrBefore(leaf: Ptr): boolean {
    const words = this.#arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    return this.compare(words, payloadOf(leaf), this.target, this.targetAt) <= 0
  }

  /** Below, at or above 0 as the key at `a[aAt]` sorts before, with or after that at `b[bAt]`. */
  compare(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): number {
    for (let i = 0; i < this.keyWords; i++) {
      const left = a[aAt + i]!
      const right = b[bAt + i]!
      if (left !== right) return left < right ? -1 : 1
    }
    return 0
  }
}

/** Index of the leaf's first payload word in the words of its segment. */
export function payloadOf(leaf: Ptr): number {
  return ((leaf & PTR_SEGMENT_MASK) << 1) + PAYLOAD_WORD
}
