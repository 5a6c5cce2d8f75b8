// Goes through the entries of a `LeafDict` (leaf-dict.ts), leaf by leaf: all of them, or those of a
// step of a scan, which goes through the space of hashes, so that no split or merge between two
// steps hides an entry that is there all the time. The dict must not change during a walk.

import { asScratch, Slice } from '../base/slice.ts'
import type { Arena } from '../memory/arena.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../memory/layout.ts'
import { leafAt } from './dict-directory.ts'
import { DictLeafWord, depthOfShape, LeafEntry, OFFSET_MASK, SLOTS_WORD } from './dict-leaf.ts'
import type { LeafDict } from './leaf-dict.ts'
import { LeafWord, nodeWord, type Root } from './root.ts'

/** Hashes, and so cursors, are below this. */
const HASH_LIMIT = 0x100000000

/** A walk; made once and opened again and again. */
export class DictWalk {
  /** Key and value of the entry that `next` has come to. */
  readonly key = new Slice()
  readonly value = new Slice()
  /** Unix ms; 0: none. */
  deadlineMs = 0
  #arena: Arena | null = null
  #hasValues = false
  readonly #entry = new LeafEntry()
  #leaf: Ptr = NULL
  #slot = 0
  #count = 0
  /** Whether the walk ends with its leaf. */
  #isLastLeaf = false

  constructor() {
    asScratch(this)
  }

  /** Begins a walk through all entries. */
  open(dict: LeafDict, root: Root): void {
    this.#begin(dict)
    this.#enter(dict.arena, root.chain.first)
    this.#isLastLeaf = false
  }

  /** Begins a walk through the leaf at a cursor; returns the next cursor, 0 after the last. */
  openLeaf(dict: LeafDict, root: Root, cursor: number): number {
    const { arena } = dict
    this.#begin(dict)
    const position = cursor % HASH_LIMIT
    const leaf = leafAt(arena, root, position)
    this.#enter(arena, leaf)
    this.#isLastLeaf = true
    const depth = depthOfShape(nodeWord(arena, leaf, DictLeafWord.Shape))
    const next = nodeWord(arena, leaf, DictLeafWord.Prefix) + 2 ** (32 - depth)
    return next === HASH_LIMIT ? 0 : next
  }

  /** Entries of the leaf that the walk is in. */
  get leafCount(): number {
    return this.#count
  }

  /** Goes to the next entry; false after the last. */
  next(): boolean {
    const arena = this.#arena
    if (arena === null) return false
    while (this.#slot === this.#count) {
      if (this.#isLastLeaf) return false
      const leaf = nodeWord(arena, this.#leaf, LeafWord.Next)
      if (leaf === NULL) return false
      this.#enter(arena, leaf)
    }
    const segment = this.#leaf >>> PTR_SEGMENT_SHIFT
    const at = (this.#leaf & PTR_SEGMENT_MASK) << 1
    const slot = arena.u32[segment]![at + SLOTS_WORD + this.#slot++]!
    const start = (at << 2) + (slot & OFFSET_MASK)
    this.#entry.read(arena.u8[segment]!, start, this.#hasValues)
    this.#entry.keyInto(arena, this.key)
    if (!this.#hasValues) return true
    this.#entry.valueInto(arena, this.value)
    this.deadlineMs = this.#entry.deadlineMs
    return true
  }

  /** Lets go of the bytes. */
  forget(): void {
    this.#arena = null
    this.key.forget()
    this.value.forget()
    this.#entry.forget()
  }

  #begin(dict: LeafDict): void {
    this.#arena = dict.arena
    this.#hasValues = dict.hasValues
  }

  #enter(arena: Arena, leaf: Ptr): void {
    this.#leaf = leaf
    this.#slot = 0
    this.#count = nodeWord(arena, leaf, LeafWord.Count)
  }
}
