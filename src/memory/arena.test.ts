// Goal: cells, spans, tables and segments are given out and taken back without overlap or leak.
// Method: seeded random operations on the arena and on a plain list, with `check()` on the way;
// every live cell carries a pattern of its own that is read back before it is freed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Arena } from './arena.ts'
import {
  NULL,
  PAGES_PER_SEGMENT,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
  SEGMENT_BYTES,
  SPAN_HEADER_BYTES,
} from './layout.ts'
import {
  CELL_BYTES_MAX,
  CELLS_MAX,
  CLASS_CELL_BYTES,
  CLASS_CELL_COUNT,
  CLASS_COUNT,
  CLASS_RUN_PAGES,
  classOfBytes,
  SLAB_HEADER_BYTES,
} from './size-class.ts'

const SEED = Number(process.env.SEED ?? 1)

test('size classes are at most 12.5 % or 8 bytes apart and fit their runs', () => {
  for (let i = 0; i < CLASS_COUNT; i++) {
    const bytes = CLASS_CELL_BYTES[i]!
    const count = CLASS_CELL_COUNT[i]!
    assert.ok(bytes % 8 === 0 && count <= CELLS_MAX)
    assert.ok(SLAB_HEADER_BYTES + bytes * count <= CLASS_RUN_PAGES[i]! * 4096, `class ${i}`)
    if (i > 0) {
      const step = bytes - CLASS_CELL_BYTES[i - 1]!
      assert.ok(step > 0 && step <= Math.max(8, (CLASS_CELL_BYTES[i - 1]! * 2) / 8), `class ${i}`)
    }
  }
  for (let bytes = 1; bytes <= CELL_BYTES_MAX; bytes++) {
    const sizeClass = classOfBytes(bytes)
    assert.ok(CLASS_CELL_BYTES[sizeClass]! >= bytes)
    assert.ok(sizeClass === 0 || CLASS_CELL_BYTES[sizeClass - 1]! < bytes)
  }
})

test('slabs waste little', () => {
  for (let i = 0; i < CLASS_COUNT; i++) {
    const used = CLASS_CELL_BYTES[i]! * CLASS_CELL_COUNT[i]!
    const waste = 1 - used / (CLASS_RUN_PAGES[i]! * 4096)
    assert.ok(waste < 0.09, `class of ${CLASS_CELL_BYTES[i]} bytes wastes ${waste}`)
  }
})

/** One live allocation of the model. */
interface Live {
  ptr: Ptr
  bytes: number
  isSpan: boolean
  mark: number
}

test('random cells and spans keep their bytes', { timeout: 60_000 }, () => {
  const random = new Random(SEED)
  const arena = new Arena(PAGES_PER_SEGMENT * 8)
  const live: Live[] = []
  const owner = arena.allocateCell(0, 16)
  for (let step = 0; step < 60_000; step++) {
    const isGrowing = Math.floor(step / 10_000) % 2 === 0
    if (random.below(100) < (isGrowing ? 65 : 35) || live.length === 0) {
      const isSpan = random.below(20) === 0
      const bytes = isSpan
        ? 1 + random.below(random.below(50) === 0 ? 4_000_000 : 60_000)
        : 1 + random.below(random.below(4) === 0 ? CELL_BYTES_MAX : 200)
      const ptr = isSpan
        ? arena.allocateSpan(owner, bytes)
        : arena.allocateCell(random.below(3), bytes)
      const entry = { ptr, bytes, isSpan, mark: random.u32() & 0xff }
      mark(arena, entry)
      live.push(entry)
    } else {
      const at = random.below(live.length)
      const entry = live[at]!
      live[at] = live[live.length - 1]!
      live.pop()
      verify(arena, entry)
      if (entry.isSpan) arena.freeSpan(entry.ptr)
      else arena.freeCell(entry.ptr)
    }
    if (step % 5_000 === 0) arena.check()
  }
  for (const entry of live) verify(arena, entry)
  for (const entry of live) {
    if (entry.isSpan) arena.freeSpan(entry.ptr)
    else arena.freeCell(entry.ptr)
  }
  arena.freeCell(owner)
  arena.check()
  assert.equal(arena.datasetBytes, 0, `SEED=${SEED}`)
  assert.equal(arena.pool.pagesUsed, 0)
  assert.ok(arena.pool.pagesMapped <= 2 * PAGES_PER_SEGMENT, 'free segments are given back')
})

test('a span larger than a segment is contiguous and goes back whole', () => {
  const arena = new Arena(PAGES_PER_SEGMENT * 8)
  const owner = arena.allocateCell(0, 16)
  const bytes = SEGMENT_BYTES * 2 + 12345
  const span = arena.allocateSpan(owner, bytes)
  assert.ok(arena.spanCapacity(span) >= bytes)
  const view = arena.contiguousBytes(span)
  const start = arena.contiguousStart(span) + SPAN_HEADER_BYTES
  view[start + bytes - 1] = 77
  arena.touchSpan(span, 0, bytes)
  assert.equal(view[start + bytes - 1], 77)
  assert.equal(arena.ownerOf(span), owner)
  arena.check()
  const mapped = arena.pool.pagesMapped
  arena.freeSpan(span)
  assert.equal(arena.pool.pagesMapped, mapped - 3 * PAGES_PER_SEGMENT)
  arena.check()
})

test('a full arena fails the allocation and nothing else', () => {
  const arena = new Arena(PAGES_PER_SEGMENT)
  const owner = arena.allocateCell(0, 16)
  const span = arena.allocateSpan(owner, SEGMENT_BYTES - 64 * 4096)
  assert.throws(() => arena.allocateSpan(owner, 64 * 4096), { code: 'OUT_OF_MEMORY' })
  arena.check()
  arena.freeSpan(span)
  assert.notEqual(arena.allocateSpan(owner, 64 * 4096), NULL)
})

function mark(arena: Arena, entry: Live): void {
  const { bytes, start } = place(arena, entry)
  bytes[start] = entry.mark
  bytes[start + entry.bytes - 1] = entry.mark
}

function verify(arena: Arena, entry: Live): void {
  const { bytes, start } = place(arena, entry)
  assert.equal(bytes[start], entry.mark, `SEED=${SEED}`)
  assert.equal(bytes[start + entry.bytes - 1], entry.mark, `SEED=${SEED}`)
}

function place(arena: Arena, entry: Live): { bytes: Uint8Array; start: number } {
  if (entry.isSpan) {
    const start = arena.contiguousStart(entry.ptr) + SPAN_HEADER_BYTES
    return { bytes: arena.contiguousBytes(entry.ptr), start }
  }
  const bytes = arena.u8[entry.ptr >>> PTR_SEGMENT_SHIFT]!
  return { bytes, start: (entry.ptr & PTR_SEGMENT_MASK) << 3 }
}
