// Deadlines, the next one first: a binary heap whose items know their place, so that one that is
// not needed any more leaves at once. Clients that wait with a time limit come and go by the
// thousand per second, nearly all of them long before their limit. Owner: the engine.

import { assert } from '../base/assert.ts'

export interface HeapItem {
  /** Unix ms. */
  readonly deadlineMs: number
  /** Place in the heap; -1: in none. The heap's to write. */
  heapIndex: number
}

export class DeadlineHeap<T extends HeapItem> {
  readonly #items: T[] = []

  get count(): number {
    return this.#items.length
  }

  /** The item whose deadline comes first; null when there is none. O(1). */
  get first(): T | null {
    return this.#items[0] ?? null
  }

  /** O(log n). */
  add(item: T): void {
    assert(item.heapIndex === -1, 'the item is in no heap')
    item.heapIndex = this.#items.length
    this.#items.push(item)
    this.#rise(item)
  }

  /** Removes an item that is in this heap. O(log n). */
  remove(item: T): void {
    assert(this.#items[item.heapIndex] === item, 'the item is in this heap')
    const at = item.heapIndex
    const last = this.#items.pop()
    item.heapIndex = -1
    if (last === undefined || last === item) return
    this.#place(last, at)
    this.#rise(last)
    this.#sink(last)
  }

  /** Checks the order. O(n). */
  check(): void {
    for (const [i, item] of this.#items.entries()) {
      assert(item.heapIndex === i, 'an item knows its place')
      const { deadlineMs } = this.#items[i === 0 ? 0 : (i - 1) >> 1]!
      assert(deadlineMs <= item.deadlineMs, 'no item is before its parent')
    }
  }

  #place(item: T, at: number): void {
    this.#items[at] = item
    item.heapIndex = at
  }

  #rise(item: T): void {
    while (item.heapIndex > 0) {
      const at = item.heapIndex
      const parent = this.#items[(at - 1) >> 1]!
      if (parent.deadlineMs <= item.deadlineMs) return
      this.#place(item, parent.heapIndex)
      this.#place(parent, at)
    }
  }

  #sink(item: T): void {
    for (;;) {
      const at = item.heapIndex
      const left = this.#items[at * 2 + 1]
      const right = this.#items[at * 2 + 2]
      if (left === undefined) return
      const child = right !== undefined && right.deadlineMs < left.deadlineMs ? right : left
      if (child.deadlineMs >= item.deadlineMs) return
      this.#place(item, child.heapIndex)
      this.#place(child, at)
    }
  }
}
