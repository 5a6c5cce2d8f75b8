// Goes through the entries of a `LeafDict` (leaf-dict.ts), leaf by leaf: all of them, or those of a
// step of a scan, which goes through the space of hashes, so that no split or merge between two
// steps hides an entry that is there all the time. The dict must not change during a walk.
//
// Entries come in the order of their hashes: equal dicts of one keyspace in equal order, whatever
// their history, also after a reload.

import { asScratch, Slice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import { LeafWord, nodeWord, Root } from '../root.ts'
import { leafAt } from './dict-directory.ts'
import { DictLeafWord, depthOfShape, LeafEntry, OFFSET_MASK, SLOTS_WORD } from './dict-leaf.ts'
import type { LeafDict } from './leaf-dict.ts'

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
  readonly #root = new Root()
  /** Where the next leaf begins in the space of hashes; HASH_LIMIT: there is none. */
  #position = HASH_LIMIT

  constructor() {
    asScratch(this)
  }

  /** Begins a walk through all entries. */
  open(dict: LeafDict, root: Root): void {
    this.#begin(dict, root)
    this.#enter(dict.arena, 0)
  }

  /** Begins a walk through the leaf at a cursor; returns the next cursor, 0 after the last. */
  openLeaf(dict: LeafDict, root: Root, cursor: number): number {
    this.#begin(dict, root)
    this.#enter(dict.arena, cursor % HASH_LIMIT)
    const next = this.#position
    this.#position = HASH_LIMIT
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
      if (this.#position === HASH_LIMIT) return false
      this.#enter(arena, this.#position)
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
    this.#root.forget()
  }

  #begin(dict: LeafDict, root: Root): void {
    this.#arena = dict.arena
    this.#root.open(root.words, root.at, root.record)
    this.#hasValues = dict.hasValues
  }

  /** Enters the leaf for a hash, and notes where the next one begins. */
  #enter(arena: Arena, hash: number): void {
    const leaf = leafAt(arena, this.#root, hash)
    this.#leaf = leaf
    this.#slot = 0
    this.#count = nodeWord(arena, leaf, LeafWord.Count)
    const depth = depthOfShape(nodeWord(arena, leaf, DictLeafWord.Shape))
    this.#position = nodeWord(arena, leaf, DictLeafWord.Prefix) + 2 ** (32 - depth)
  }
}
