// Goes through the entries of a `LeafDict` (leaf-dict.ts), leaf by leaf: all of them, or those of a
// step of a scan, which goes through the space of hashes, so that no split or merge between two
// steps hides an entry that is there all the time. The dict must not change during a walk.

import { asScratch, Slice } from '../base/slice.ts'
import type { Arena } from '../memory/arena.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../memory/layout.ts'
import { leafAt } from './dict-directory.ts'
import { DictLeafWord, depthOfShape, LeafEntry, OFFSET_MASK, SLOTS_WORD } from './dict-leaf.ts'
import { LeafWord, nodeWord, type Root } from './root.ts'

/** Hashes, and so cursors, are below this. */
const HASH_LIMIT = 0x100000000

/** A walk; made once and opened again and again. */
export class DictWalk {
  /** Key and value of the entry that `next` has come to. */
  readonly key = new Slice()
  readonly value = new Slice()
  readonly #arena: Arena
  readonly #hasValues: boolean
  readonly #entry = new LeafEntry()
  #leaf: Ptr = NULL
  #slot = 0
  #count = 0
  /** Whether the walk ends with its leaf. */
  #isLastLeaf = false

  constructor(arena: Arena, hasValues: boolean) {
    this.#arena = arena
    this.#hasValues = hasValues
    asScratch(this)
  }

  /** Begins a walk through all entries. */
  open(root: Root): void {
    this.#enter(root.chain.first)
    this.#isLastLeaf = false
  }

  /** Begins a walk through the leaf at a cursor; returns the next cursor, 0 after the last. */
  openLeaf(root: Root, cursor: number): number {
    const position = cursor % HASH_LIMIT
    const leaf = leafAt(this.#arena, root, position)
    this.#enter(leaf)
    this.#isLastLeaf = true
    const depth = depthOfShape(nodeWord(this.#arena, leaf, DictLeafWord.Shape))
    const next = nodeWord(this.#arena, leaf, DictLeafWord.Prefix) + 2 ** (32 - depth)
    return next === HASH_LIMIT ? 0 : next
  }

  /** Goes to the next entry; false after the last. */
  next(): boolean {
    while (this.#slot === this.#count) {
      if (this.#isLastLeaf) return false
      const leaf = nodeWord(this.#arena, this.#leaf, LeafWord.Next)
      if (leaf === NULL) return false
      this.#enter(leaf)
    }
    const segment = this.#leaf >>> PTR_SEGMENT_SHIFT
    const at = (this.#leaf & PTR_SEGMENT_MASK) << 1
    const slot = this.#arena.u32[segment]![at + SLOTS_WORD + this.#slot++]!
    const start = (at << 2) + (slot & OFFSET_MASK)
    this.#entry.read(this.#arena.u8[segment]!, start, this.#hasValues)
    this.#entry.keyInto(this.#arena, this.key)
    if (this.#hasValues) this.#entry.valueInto(this.#arena, this.value)
    return true
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.key.forget()
    this.value.forget()
    this.#entry.forget()
  }

  #enter(leaf: Ptr): void {
    this.#leaf = leaf
    this.#slot = 0
    this.#count = nodeWord(this.#arena, leaf, LeafWord.Count)
  }
}
