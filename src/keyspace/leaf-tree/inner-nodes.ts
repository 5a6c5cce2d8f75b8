// Inner nodes of a leaf tree: index memory that no snapshot reads, so it changes without `touch`.
//
//    0          2       4          8                                24
//    +----------+-------+----------+-------+-------+---------------+--------+--
//    | slots    | level | capacity | child | count | key           | slot 1 | …
//    | in use   |       | in slots |       |       | (double)      |        |
//    +----------+-------+----------+-------+-------+---------------+--------+--
//
// Children of level 0 are leaves. count: entries below the child. key: the coarse order of the
// child's first leaf. A node's capacity is what its cell has room for: it starts with 4 slots and
// doubles up to 255 and some (4 KiB); then it splits.
// Functions over `Ptr`; nothing here allocates but `make`. Owner: the engine.

import { assert } from '../../base/assert.ts'
import { copySlice, moveWithin, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { PTR_SEGMENT_MASK, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'

export const SLOTS_MIN = 4
/** A node with room for as many splits rather than grow. */
export const SLOTS_MAX = 255
const HEADER_BYTES = 8
const HEADER_WORDS = 2
const SLOT_BYTES = 16
const SLOT_WORDS = 4
const SLOTS_MASK = 0xffff
const LEVEL_SHIFT = 16
const Slot = { Child: 0, Count: 1, Key: 2 } as const

/** A double as two words. */
const KEY = new Float64Array(1)
const KEY_WORDS = new Uint32Array(KEY.buffer)
const SOURCE = scratchSlice()

/** What a slot of an inner node says. */
export interface SlotContent {
  readonly slot: number
  readonly child: Ptr
  readonly count: number
  readonly key: number
}

export class InnerNodes {
  readonly #arena: Arena
  /** Entries before the slot that `slotOfRank` found. */
  base = 0

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** An empty node with room for `slots` children at least. ARENA_FULL, and nothing has changed. */
  make(slots: number): Ptr {
    const node = this.#arena.allocateIndex(HEADER_BYTES + slots * SLOT_BYTES)
    const words = this.#words(node)
    const at = wordIndex(node)
    words[at] = 0
    words[at + 1] = Math.floor((this.#arena.indexBytes(node) - HEADER_BYTES) / SLOT_BYTES)
    return node
  }

  free(node: Ptr): void {
    this.#arena.freeIndex(node)
  }

  /** Frees a node with all below it but the leaves. */
  freeTree(node: Ptr): void {
    if (this.levelOf(node) > 0) {
      const slots = this.slotsOf(node)
      for (let slot = 0; slot < slots; slot++) this.freeTree(this.childAt(node, slot))
    }
    this.free(node)
  }

  /** Bytes of a node with all below it but the leaves. O(nodes). */
  bytesOf(node: Ptr): number {
    let bytes = this.#arena.indexBytes(node)
    if (this.levelOf(node) === 0) return bytes
    const slots = this.slotsOf(node)
    for (let slot = 0; slot < slots; slot++) bytes += this.bytesOf(this.childAt(node, slot))
    return bytes
  }

  setLevel(node: Ptr, level: number): void {
    this.#words(node)[wordIndex(node)] = this.slotsOf(node) | (level << LEVEL_SHIFT)
  }

  slotsOf(node: Ptr): number {
    return this.#words(node)[wordIndex(node)]! & SLOTS_MASK
  }

  levelOf(node: Ptr): number {
    return this.#words(node)[wordIndex(node)]! >>> LEVEL_SHIFT
  }

  capacityOf(node: Ptr): number {
    return this.#words(node)[wordIndex(node) + 1]!
  }

  setSlots(node: Ptr, slots: number): void {
    const words = this.#words(node)
    const at = wordIndex(node)
    assert(slots <= words[at + 1]!, 'slots lie in their node')
    words[at] = (words[at]! & ~SLOTS_MASK) | slots
  }

  childAt(node: Ptr, slot: number): Ptr {
    return this.#words(node)[slotIndex(node, slot) + Slot.Child]!
  }

  countAt(node: Ptr, slot: number): number {
    return this.#words(node)[slotIndex(node, slot) + Slot.Count]!
  }

  keyAt(node: Ptr, slot: number): number {
    const words = this.#words(node)
    const at = slotIndex(node, slot) + Slot.Key
    KEY_WORDS[0] = words[at]!
    KEY_WORDS[1] = words[at + 1]!
    return KEY[0]!
  }

  setChild(node: Ptr, slot: number, child: Ptr): void {
    this.#words(node)[slotIndex(node, slot) + Slot.Child] = child
  }

  setCount(node: Ptr, slot: number, count: number): void {
    this.#words(node)[slotIndex(node, slot) + Slot.Count] = count
  }

  setKeyAt(node: Ptr, slot: number, key: number): void {
    const words = this.#words(node)
    const at = slotIndex(node, slot) + Slot.Key
    KEY[0] = key
    words[at] = KEY_WORDS[0]!
    words[at + 1] = KEY_WORDS[1]!
  }

  writeSlot(node: Ptr, content: SlotContent): void {
    this.setChild(node, content.slot, content.child)
    this.setCount(node, content.slot, content.count)
    this.setKeyAt(node, content.slot, content.key)
  }

  /** Makes room for one more slot, and fills it. */
  insertSlot(node: Ptr, content: SlotContent): void {
    const slots = this.slotsOf(node)
    this.setSlots(node, slots + 1)
    this.#moveSlots(node, content.slot + 1, content.slot, slots)
    this.writeSlot(node, content)
  }

  /** Moves the slots from `from` to `limit` so that they start at `to`. */
  #moveSlots(node: Ptr, to: number, from: number, limit: number): void {
    const bytes = this.#arena.u8[node >>> PTR_SEGMENT_SHIFT]!
    const start = slotIndex(node, 0) * 4
    const target = start + to * SLOT_BYTES
    moveWithin(bytes, target, start + from * SLOT_BYTES, start + limit * SLOT_BYTES)
  }

  /** Copies the slots of `source` from `from` on behind those of `target`. */
  appendSlots(source: Ptr, from: number, target: Ptr): void {
    const slots = this.slotsOf(source) - from
    const to = this.slotsOf(target)
    this.setSlots(target, to + slots)
    const start = slotIndex(source, from) * 4
    SOURCE.set(this.#arena.u8[source >>> PTR_SEGMENT_SHIFT]!, start, slots * SLOT_BYTES)
    const bytes = this.#arena.u8[target >>> PTR_SEGMENT_SHIFT]!
    copySlice(SOURCE, bytes, slotIndex(target, to) * 4)
  }

  /** Entries below the node. */
  sumOf(node: Ptr): number {
    const slots = this.slotsOf(node)
    let sum = 0
    for (let slot = 0; slot < slots; slot++) sum += this.countAt(node, slot)
    return sum
  }

  addCount(node: Ptr, slot: number, delta: number): void {
    const words = this.#words(node)
    const at = slotIndex(node, slot) + Slot.Count
    words[at] = words[at]! + delta
  }

  /** Counts entries of the first leaf below a node, on all levels. */
  addFirst(top: Ptr, delta: number): void {
    let node = top
    for (;;) {
      const words = this.#words(node)
      const at = slotIndex(node, 0)
      words[at + Slot.Count] = words[at + Slot.Count]! + delta
      if (words[wordIndex(node)]! >>> LEVEL_SHIFT === 0) return
      node = words[at + Slot.Child]!
    }
  }

  /** Counts entries of the last leaf below a node, on all levels. */
  addLast(top: Ptr, delta: number): void {
    let node = top
    for (;;) {
      const words = this.#words(node)
      const head = words[wordIndex(node)]!
      const at = slotIndex(node, (head & SLOTS_MASK) - 1)
      words[at + Slot.Count] = words[at + Slot.Count]! + delta
      if (head >>> LEVEL_SHIFT === 0) return
      node = words[at + Slot.Child]!
    }
  }

  /** Takes a slot away. */
  removeSlot(node: Ptr, slot: number): void {
    const slots = this.slotsOf(node)
    this.#moveSlots(node, slot, slot + 1, slots)
    this.setSlots(node, slots - 1)
  }

  /** Entries below the slots before `slot`. */
  sumBefore(node: Ptr, slot: number): number {
    const words = this.#words(node)
    const first = slotIndex(node, 0) + Slot.Count
    const limit = first + slot * SLOT_WORDS
    let sum = 0
    for (let at = first; at < limit; at += SLOT_WORDS) sum += words[at]!
    return sum
  }

  /**
   * The slot that leads to entry `rank` of those from `base` to `limit` that are below the node;
   * `base` is that of the slot then.
   */
  slotOfRank(node: Ptr, rank: number, limit: number): number {
    const words = this.#words(node)
    const first = slotIndex(node, 0) + Slot.Count
    let { base } = this
    let slot = 0
    // From the nearer end.
    if (rank - base <= limit - rank) {
      for (let at = first; rank >= base + words[at]!; at += SLOT_WORDS) {
        base += words[at]!
        slot++
      }
    } else {
      slot = this.slotsOf(node) - 1
      let at = first + slot * SLOT_WORDS
      for (base = limit - words[at]!; rank < base; base -= words[at]!) {
        at -= SLOT_WORDS
        slot--
      }
    }
    this.base = base
    return slot
  }

  #words(node: Ptr): Uint32Array {
    return this.#arena.u32[node >>> PTR_SEGMENT_SHIFT]!
  }
}

function wordIndex(node: Ptr): number {
  return (node & PTR_SEGMENT_MASK) << 1
}

/** Index of a slot's first word in the words of its segment. */
function slotIndex(node: Ptr, slot: number): number {
  return ((node & PTR_SEGMENT_MASK) << 1) + HEADER_WORDS + slot * SLOT_WORDS
}
