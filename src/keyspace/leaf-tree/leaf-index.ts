// The index of a leaf tree: inner nodes above leaves, and the path through them that leads to the
// current leaf: on each level, from the lowest up, a node and the slot taken in it. Knows leaves
// as children only; leaf-tree.ts keeps what is in them. While a chain has one leaf there is no
// index, and the path has no levels.
//
// Invariants: a root has two children at least · counts of children sum up to that of their parent
// · no node is without children. Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import { type Chain, ChainWord, LeafWord, nodeWord } from '../root.ts'
import { InnerNodes, SLOTS_MAX, SLOTS_MIN, type SlotContent } from './inner-nodes.ts'

/** What the user of a tree knows of the order of its leaves, which have entries when asked. */
export interface LeafOrder {
  /** The coarse order of the leaf: that of its first entry. */
  keyOf(leaf: Ptr): number
  /** Whether the leaf, whose key is that of the target sought, starts at or before the target. */
  isAtOrBefore(leaf: Ptr): boolean
}

/** A node with fewer slots looks for a neighbour to join. */
const SLOTS_SPARSE = 64
/** Slots of a joined node at most, so that it does not split at once. */
const SLOTS_JOINED_MAX = 192
const DEPTH_MAX = 8

export class LeafIndex {
  readonly #arena: Arena
  readonly #inner: InnerNodes
  readonly #order: LeafOrder
  readonly #nodes = new Uint32Array(DEPTH_MAX)
  readonly #slots = new Uint32Array(DEPTH_MAX)
  #depth = 0
  /** Nodes allocated for the change under way, in the order of their use. */
  readonly #reserved = new Uint32Array(DEPTH_MAX + 2)
  #reservedCount = 0
  #reservedNext = 0
  /** Entries before the leaf that `seekRank` found. */
  base = 0

  constructor(arena: Arena, order: LeafOrder) {
    this.#arena = arena
    this.#inner = new InnerNodes(arena)
    this.#order = order
  }

  /** The path of a chain without an index. */
  clear(): void {
    this.#depth = 0
  }

  seekFirst(index: Ptr): void {
    let node = index
    this.#depth = this.#inner.levelOf(node) + 1
    for (let level = this.#depth - 1; level >= 0; level--) node = this.#step(level, node, 0)
  }

  seekLast(index: Ptr): void {
    let node = index
    this.#depth = this.#inner.levelOf(node) + 1
    for (let level = this.#depth - 1; level >= 0; level--) {
      node = this.#step(level, node, this.#inner.slotsOf(node) - 1)
    }
  }

  /** The leaf that has entry `rank` of `count`. */
  seekRank(index: Ptr, rank: number, count: number): Ptr {
    const inner = this.#inner
    let node = index
    let limit = count
    inner.base = 0
    this.#depth = inner.levelOf(node) + 1
    for (let level = this.#depth - 1; level >= 0; level--) {
      const slot = inner.slotOfRank(node, rank, limit)
      limit = inner.base + inner.countAt(node, slot)
      node = this.#step(level, node, slot)
    }
    this.base = inner.base
    return node
  }

  /** The last leaf whose first entry is at or before the target, else the first. */
  seekKey(index: Ptr, key: number): Ptr {
    let node = index
    this.#depth = this.#inner.levelOf(node) + 1
    for (let level = this.#depth - 1; level >= 0; level--) {
      node = this.#step(level, node, this.#slotOfKey(node, key))
    }
    return node
  }

  /** Entries before the leaf that the path leads to. O(slots of the path). */
  baseOfPath(): number {
    let base = 0
    for (let level = 0; level < this.#depth; level++) {
      base += this.#inner.sumBefore(this.#nodes[level]!, this.#slots[level]!)
    }
    return base
  }

  /** Leads the path to the next leaf, which exists; returns it. */
  moveNext(): Ptr {
    let level = 0
    while (this.#slots[level]! + 1 === this.#inner.slotsOf(this.#nodes[level]!)) level++
    assert(level < this.#depth, 'a leaf with a next one is not the last')
    let node = this.#step(level, this.#nodes[level]!, this.#slots[level]! + 1)
    for (level--; level >= 0; level--) node = this.#step(level, node, 0)
    return node
  }

  /** Leads the path to the previous leaf, which exists; returns it. */
  movePrevious(): Ptr {
    this.#stepBack(0)
    return this.#inner.childAt(this.#nodes[0]!, this.#slots[0]!)
  }

  /** Counts entries of the current leaf on all levels. */
  addCount(delta: number): void {
    for (let level = 0; level < this.#depth; level++) {
      this.#inner.addCount(this.#nodes[level]!, this.#slots[level]!, delta)
    }
  }

  /** Counts entries of the first leaf on all levels; the path is left as it is. */
  addFirst(index: Ptr, delta: number): void {
    this.#inner.addFirst(index, delta)
  }

  /** `addFirst`, of the last leaf. */
  addLast(index: Ptr, delta: number): void {
    this.#inner.addLast(index, delta)
  }

  setKey(key: number): void {
    for (let level = 0; level < this.#depth; level++) {
      this.#inner.setKeyAt(this.#nodes[level]!, this.#slots[level]!, key)
      if (this.#slots[level]! !== 0) return
    }
  }

  /** Puts another leaf into the place of the current one. */
  replaceLeaf(leaf: Ptr): void {
    if (this.#depth > 0) this.#inner.setChild(this.#nodes[0]!, this.#slots[0]!, leaf)
  }

  /** Allocates what `insert` needs. ARENA_FULL, and nothing has changed. */
  reserve(): void {
    this.#reservedCount = 0
    this.#reservedNext = 0
    try {
      if (this.#depth === 0) return this.#reserveNode(SLOTS_MIN)
      for (let level = 0; level < this.#depth; level++) {
        const node = this.#nodes[level]!
        const capacity = this.#inner.capacityOf(node)
        if (this.#inner.slotsOf(node) < capacity) return
        if (capacity < SLOTS_MAX) return this.#reserveNode(Math.min(capacity * 2, SLOTS_MAX))
        this.#reserveNode(SLOTS_MAX)
      }
      assert(this.#depth < DEPTH_MAX, 'a tree of this depth has more leaves than the arena pages')
      this.#reserveNode(SLOTS_MIN)
    } catch (error) {
      for (let i = 0; i < this.#reservedCount; i++) this.#inner.free(this.#reserved[i]!)
      throw error
    }
  }

  /**
   * Puts a leaf without entries beside the current one, `offset` 0 before and 1 behind; the path
   * leads to it then. `reserve` has been called. The chain's words are writable.
   */
  insert(
    chain: Chain,
    current: Ptr,
    made: { readonly leaf: Ptr; readonly offset: number; readonly key: number },
  ): void {
    const { leaf, offset, key } = made
    if (this.#depth === 0) this.#openIndex(chain, current)
    this.#insertSlot(chain, 0, { slot: this.#slots[0]! + offset, child: leaf, count: 0, key })
    this.setKey(key)
    assert(this.#reservedNext === this.#reservedCount, 'what was reserved has been used')
  }

  /** Takes away the current leaf, which has no entries. The path leads nowhere then. */
  remove(chain: Chain): void {
    if (this.#depth > 0) this.#removeSlot(chain, 0)
  }

  /** Walks the index of a chain with two leaves or more. For tests. */
  check(chain: Chain): void {
    const { index } = chain
    assert(this.#inner.slotsOf(index) > 1, 'the root of an index has two children')
    const whole = { leaf: chain.first, count: chain.count }
    const last = this.#checkInner(index, this.#inner.levelOf(index), whole)
    assert(last === NULL, 'the index leads to all leaves')
  }

  /** The index of a chain that has had one leaf so far, which lies in its slot 0. */
  #openIndex(chain: Chain, leaf: Ptr): void {
    const node = this.#takeReserved(0)
    const count = nodeWord(this.#arena, leaf, LeafWord.Count)
    this.#inner.writeSlot(node, { slot: 0, child: leaf, count, key: this.#order.keyOf(leaf) })
    this.#inner.setSlots(node, 1)
    chain.words[chain.at + ChainWord.Index] = node
    this.#nodes[0] = node
    this.#slots[0] = 0
    this.#depth = 1
  }

  #reserveNode(slots: number): void {
    this.#reserved[this.#reservedCount] = this.#inner.make(slots)
    this.#reservedCount++
  }

  /** The next reserved node, empty, for a level. */
  #takeReserved(level: number): Ptr {
    assert(this.#reservedNext < this.#reservedCount, 'nodes are reserved before a change')
    const node = this.#reserved[this.#reservedNext++]!
    this.#inner.setLevel(node, level)
    return node
  }

  /** Puts a child into a level of the path, which leads to it then. */
  #insertSlot(chain: Chain, level: number, made: SlotContent): void {
    let node = this.#nodes[level]!
    const slots = this.#inner.slotsOf(node)
    if (slots === this.#inner.capacityOf(node)) {
      if (slots >= SLOTS_MAX) return this.#insertSplit(chain, level, made)
      node = this.#grow(chain, level)
    }
    this.#inner.insertSlot(node, made)
    this.#slots[level] = made.slot
  }

  /** Gives a node of the path a larger place. */
  #grow(chain: Chain, level: number): Ptr {
    const old = this.#nodes[level]!
    const node = this.#takeReserved(level)
    this.#inner.appendSlots(old, 0, node)
    if (level + 1 === this.#depth) chain.words[chain.at + ChainWord.Index] = node
    else this.#inner.setChild(this.#nodes[level + 1]!, this.#slots[level + 1]!, node)
    this.#nodes[level] = node
    this.#inner.free(old)
    return node
  }

  /** `#insertSlot` into a node that is as large as nodes get. */
  #insertSplit(chain: Chain, level: number, made: SlotContent): void {
    const { slot } = made
    const left = this.#nodes[level]!
    const right = this.#takeReserved(level)
    const slots = this.#inner.slotsOf(left)
    // Who goes on at an end leaves full nodes behind.
    const kept = slot === slots ? slots : slot === 0 ? 0 : slots >>> 1
    this.#inner.appendSlots(left, kept, right)
    this.#inner.setSlots(left, kept)
    const isRight = slot > kept || kept === slots
    const node = isRight ? right : left
    const at = isRight ? slot - kept : slot
    this.#inner.insertSlot(node, { ...made, slot: at })
    this.#insertRight(chain, level, right)
    if (!isRight) this.#stepBack(level + 1)
    this.#nodes[level] = node
    this.#slots[level] = at
  }

  /** Puts the right half of a split above it; the path leads to it then. */
  #insertRight(chain: Chain, level: number, right: Ptr): void {
    const left = this.#nodes[level]!
    const above = level + 1
    const leftCount = this.#inner.sumOf(left)
    const made = { child: right, count: this.#inner.sumOf(right), key: this.#inner.keyAt(right, 0) }
    if (above < this.#depth) {
      this.#inner.setCount(this.#nodes[above]!, this.#slots[above]!, leftCount)
      return this.#insertSlot(chain, above, { slot: this.#slots[above]! + 1, ...made })
    }
    const root = this.#takeReserved(above)
    this.#inner.setSlots(root, 2)
    const key = this.#inner.keyAt(left, 0)
    this.#inner.writeSlot(root, { slot: 0, child: left, count: leftCount, key })
    this.#inner.writeSlot(root, { slot: 1, ...made })
    chain.words[chain.at + ChainWord.Index] = root
    this.#nodes[above] = root
    this.#slots[above] = 1
    this.#depth = above + 1
  }

  /** Leads the path, from `from` upwards, to the slot before. */
  #stepBack(from: number): void {
    let level = from
    while (this.#slots[level]! === 0) level++
    assert(level < this.#depth, 'there is a slot before')
    this.#slots[level] = this.#slots[level]! - 1
    for (; level > from; level--) {
      const node = this.#inner.childAt(this.#nodes[level]!, this.#slots[level]!)
      this.#nodes[level - 1] = node
      this.#slots[level - 1] = this.#inner.slotsOf(node) - 1
    }
  }

  /** Takes the path's slot on a level away, whose child has no entries and is free already. */
  #removeSlot(chain: Chain, level: number): void {
    const node = this.#nodes[level]!
    const slot = this.#slots[level]!
    const slots = this.#inner.slotsOf(node) - 1
    const isRoot = level + 1 === this.#depth
    if (slots === 0) {
      assert(!isRoot, 'a root has two children')
      this.#inner.free(node)
      this.#removeSlot(chain, level + 1)
      return
    }
    this.#inner.removeSlot(node, slot)
    if (slot === 0) this.#liftKey(level)
    if (isRoot) this.#lowerRoot(chain)
    else if (slots < SLOTS_SPARSE) this.#join(chain, level)
  }

  /** Gives the levels above the key of a node whose first slot is new. */
  #liftKey(level: number): void {
    const key = this.#inner.keyAt(this.#nodes[level]!, 0)
    for (let above = level + 1; above < this.#depth; above++) {
      this.#inner.setKeyAt(this.#nodes[above]!, this.#slots[above]!, key)
      if (this.#slots[above]! !== 0) return
    }
  }

  /** Drops roots with one child. */
  #lowerRoot(chain: Chain): void {
    let root = chain.index
    let level = this.#depth - 1
    while (level >= 0 && this.#inner.slotsOf(root) === 1) {
      const child = this.#inner.childAt(root, 0)
      this.#inner.free(root)
      root = level === 0 ? NULL : child
      level--
    }
    chain.words[chain.at + ChainWord.Index] = root
    this.#depth = level + 1
  }

  /** Joins a sparse node of the path with a neighbour, where the left one has room for both. */
  #join(chain: Chain, level: number): void {
    const parent = this.#nodes[level + 1]!
    const slot = this.#slots[level + 1]!
    const node = this.#nodes[level]!
    const slots = this.#inner.slotsOf(node)
    let leftSlot = slot
    if (
      slot + 1 === this.#inner.slotsOf(parent) ||
      !this.#hasRoom(node, this.#inner.childAt(parent, slot + 1))
    ) {
      if (slot === 0 || !this.#hasRoom(this.#inner.childAt(parent, slot - 1), node)) return
      leftSlot = slot - 1
    }
    assert(slots > 0, 'an empty node is gone')
    const left = this.#inner.childAt(parent, leftSlot)
    const right = this.#inner.childAt(parent, leftSlot + 1)
    this.#inner.appendSlots(right, 0, left)
    const count = this.#inner.countAt(parent, leftSlot) + this.#inner.countAt(parent, leftSlot + 1)
    this.#inner.setCount(parent, leftSlot, count)
    this.#inner.free(right)
    this.#slots[level + 1] = leftSlot + 1
    this.#removeSlot(chain, level + 1)
  }

  #hasRoom(left: Ptr, right: Ptr): boolean {
    const slots = this.#inner.slotsOf(left) + this.#inner.slotsOf(right)
    return slots <= this.#inner.capacityOf(left) && slots <= SLOTS_JOINED_MAX
  }

  /** The last slot whose first entry is at or before the target, else 0. */
  #slotOfKey(node: Ptr, key: number): number {
    let low = 0
    let high = this.#inner.slotsOf(node)
    // Slots below `low` are at or before the target, those from `high` on behind it.
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.#inner.keyAt(node, middle)
      const isBefore =
        found < key ||
        (found === key && this.#order.isAtOrBefore(this.#firstLeafBelow(node, middle)))
      if (isBefore) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : low - 1
  }

  #firstLeafBelow(node: Ptr, slot: number): Ptr {
    let child = this.#inner.childAt(node, slot)
    let level = this.#inner.levelOf(node)
    for (; level > 0; level--) child = this.#inner.childAt(child, 0)
    return child
  }

  /** Takes `slot` of `node` into the path; returns the child. */
  #step(level: number, node: Ptr, slot: number): Ptr {
    this.#nodes[level] = node
    this.#slots[level] = slot
    return this.#inner.childAt(node, slot)
  }

  /** Checks a subtree, which begins at `expected.leaf`; returns the leaf behind it. */
  #checkInner(
    node: Ptr,
    level: number,
    expected: { readonly leaf: Ptr; readonly count: number },
  ): Ptr {
    const inner = this.#inner
    const slots = inner.slotsOf(node)
    assert(inner.levelOf(node) === level, 'levels count down to the leaves')
    assert(slots > 0 && slots <= inner.capacityOf(node), 'a node has children')
    let { leaf } = expected
    let sum = 0
    for (let slot = 0; slot < slots; slot++) {
      const child = inner.childAt(node, slot)
      const count = inner.countAt(node, slot)
      sum += count
      if (slot > 0) assert(inner.keyAt(node, slot) >= inner.keyAt(node, slot - 1), 'keys ascend')
      if (level > 0) {
        assert(inner.keyAt(child, 0) === inner.keyAt(node, slot), 'a key is that of the first')
        leaf = this.#checkInner(child, level - 1, { leaf, count })
        continue
      }
      assert(child === leaf, 'the index has the leaves in their order')
      const entries = nodeWord(this.#arena, leaf, LeafWord.Count)
      assert(entries === count, 'the index has the leaf its count')
      leaf = nodeWord(this.#arena, leaf, LeafWord.Next)
    }
    assert(sum === expected.count, 'counts of children sum up')
    return leaf
  }
}
