// Goal: the first deadline is always known, whoever comes and leaves. Method: a model, a list that
// is searched.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Random } from '../base/random.ts'
import { DeadlineHeap, type HeapItem } from './deadline-heap.ts'

it('knows the first deadline, as a list would', () => {
  const seed = Number(process.env['SEED'] ?? 1)
  console.log(`SEED=${seed}`)
  const random = new Random(seed)
  const heap = new DeadlineHeap<HeapItem>()
  const items: HeapItem[] = []
  for (let step = 0; step < 5000; step++) {
    // Grows to some hundreds, then shrinks to none, and so on.
    const isGrowing = step % 1000 < 500
    if (random.below(10) < (isGrowing ? 7 : 2)) {
      const item = { deadlineMs: random.below(100), heapIndex: -1 }
      heap.add(item)
      items.push(item)
    } else if (items.length > 0) {
      const [item] = items.splice(random.below(items.length), 1)
      heap.remove(item!)
      assert.equal(item!.heapIndex, -1)
    }
    assert.equal(heap.count, items.length)
    const first = items.reduce((least, { deadlineMs }) => Math.min(least, deadlineMs), Infinity)
    assert.equal(heap.first?.deadlineMs ?? Infinity, first)
    if (step % 100 === 0) heap.check()
  }
})
