// Goal: free pages go back to the system without a change for anybody else: what is in use keeps
// its bytes, what is free is counted, and memory falls.
// Method: the bits against a set; seeded random runs on a pool whose releases overwrite what they
// are given, with `check()` on the way; the real door, seen from /proc.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { pageRelease } from '../base/system-memory.ts'
import { Arena } from './arena.ts'
import { DirtyPages } from './dirty-pages.ts'
import { PAGE_BYTES, PAGES_PER_SEGMENT, SEGMENT_BYTES } from './layout.ts'
import { PageReturn } from './page-return.ts'

const SEED = Number(process.env.SEED ?? 1)
const MEGABYTE = 1024 * 1024

const overwrite = (bytes: Uint8Array): boolean => bytes.fill(0xdb).length > 0

test('marks are those of a set', () => {
  const random = new Random(SEED)
  const capacity = 1000
  const pages = new DirtyPages(capacity)
  const model = new Set<number>()
  for (let step = 0; step < 3000; step++) {
    const page = random.below(capacity)
    const count = 1 + random.below(Math.min(capacity - page, random.below(3) === 0 ? 200 : 5))
    const range = Array.from({ length: count }, (_, i) => page + i)
    if (random.below(2) === 0) {
      if (range.some((each) => model.has(each))) continue
      pages.add(page, count)
      for (const each of range) model.add(each)
    } else {
      pages.remove(page, count)
      for (const each of range) model.delete(each)
    }
    assert.equal(pages.count, model.size, `SEED=${SEED} step ${step}`)
    const from = random.below(capacity)
    const expected = [...model].filter((each) => each >= from).sort((a, b) => a - b)[0] ?? -1
    assert.equal(pages.next(from, capacity), expected)
    if (expected < 0) continue
    let length = 0
    while (length < 64 && model.has(expected + length)) length++
    assert.equal(pages.lengthAt(expected, 64), length)
  }
})

test('what is in use keeps its bytes while free pages go back', { timeout: 60_000 }, () => {
  const random = new Random(SEED)
  const arena = new Arena(PAGES_PER_SEGMENT * 16, overwrite)
  const owner = arena.allocateCell(0, 16)
  const live: { span: number; bytes: number; mark: number }[] = []
  for (let step = 0; step < 4000; step++) {
    const isGrowing = Math.floor(step / 1000) % 2 === 0
    if (live.length === 0 || random.below(100) < (isGrowing ? 60 : 40)) {
      const isLarge = random.below(300) === 0
      const bytes = isLarge ? SEGMENT_BYTES + random.below(MEGABYTE) : 1 + random.below(200_000)
      const span = arena.allocateSpan(owner, bytes)
      const mark = 1 + random.below(200)
      live.push({ span, bytes, mark })
      fillEnds(arena, span, bytes, mark)
    } else {
      const { span, bytes, mark } = live.splice(random.below(live.length), 1)[0]!
      assert.deepEqual(readEnds(arena, span, bytes), [mark, mark], `SEED=${SEED}`)
      arena.freeSpan(span)
    }
    if (random.below(10) === 0) arena.pool.releasePages(random.below(2000))
    if (step % 500 === 0) arena.check()
  }
  for (const { span, bytes, mark } of live) {
    assert.deepEqual(readEnds(arena, span, bytes), [mark, mark], `SEED=${SEED}`)
    arena.freeSpan(span)
  }
  arena.freeCell(owner)
  while (arena.pool.releasePages(4096) > 0);
  arena.check()
  assert.equal(arena.pool.pagesDirty, 0)
  assert.ok(arena.pool.pagesMapped <= 2 * PAGES_PER_SEGMENT, 'clean segments are dropped')
})

test('pages that stay free for a second go back, and some are kept', () => {
  const arena = new Arena(PAGES_PER_SEGMENT * 4, overwrite)
  const owner = arena.allocateCell(0, 16)
  const pageReturn = new PageReturn(arena.pool)
  const spans = Array.from({ length: 20 }, () => arena.allocateSpan(owner, MEGABYTE))
  for (const span of spans) arena.freeSpan(span)
  const dirty = arena.pool.pagesDirty
  assert.ok(dirty > 20 * 256)
  pageReturn.look(10_000)
  assert.equal(pageReturn.step(), false, 'they have not been free for a second yet')
  pageReturn.look(10_900)
  assert.equal(pageReturn.step(), false)
  pageReturn.look(11_000)
  while (pageReturn.step());
  assert.equal(arena.pool.pagesDirty, pageReturn.keptPages)
  pageReturn.purge()
  assert.equal(arena.pool.pagesDirty, 0)
})

test('a system that refuses is not asked again, and segments go whole', () => {
  let calls = 0
  const refuse = () => {
    calls++
    return false
  }
  const arena = new Arena(PAGES_PER_SEGMENT * 8, refuse)
  const owner = arena.allocateCell(0, 16)
  const large = arena.allocateSpan(owner, SEGMENT_BYTES)
  const spans = Array.from({ length: 3 }, () => arena.allocateSpan(owner, SEGMENT_BYTES * 0.9))
  arena.freeSpan(large)
  arena.pool.releasePages(100)
  assert.equal(calls, 1)
  for (const span of spans) arena.freeSpan(span)
  arena.pool.releasePages(100_000)
  assert.equal(calls, 1)
  arena.check()
  assert.ok(arena.pool.pagesMapped <= 2 * PAGES_PER_SEGMENT)
})

test('memory falls by what goes back', (context) => {
  const release = pageRelease()
  if (process.platform !== 'linux') return context.skip('pages go back on Linux only')
  assert.ok(release !== null, 'koffi is installed with the other packages')
  const arena = new Arena(PAGES_PER_SEGMENT * 8, release)
  const owner = arena.allocateCell(0, 16)
  const spans = Array.from({ length: 100 }, () => {
    const span = arena.allocateSpan(owner, MEGABYTE - 100)
    arena
      .contiguousBytes(span)
      .fill(7, arena.contiguousStart(span) + 16, arena.contiguousStart(span) + MEGABYTE - 100)
    return span
  })
  const full = residentBytes()
  // Every other one goes: no segment is empty.
  for (const [i, span] of spans.entries()) if (i % 2 === 0) arena.freeSpan(span)
  while (arena.pool.releasePages(4096) > 0);
  const freed = full - residentBytes()
  assert.ok(freed > 45 * MEGABYTE, `50 MiB were freed, memory fell by ${freed} bytes`)
  for (const [i, span] of spans.entries()) {
    if (i % 2 === 0) continue
    assert.equal(arena.contiguousBytes(span)[arena.contiguousStart(span) + MEGABYTE / 2], 7)
  }
})

function fillEnds(arena: Arena, span: number, bytes: number, mark: number): void {
  const start = arena.contiguousStart(span) + 16
  arena.contiguousBytes(span)[start] = mark
  arena.contiguousBytes(span)[start + bytes - 1] = mark
}

function readEnds(arena: Arena, span: number, bytes: number): (number | undefined)[] {
  const start = arena.contiguousStart(span) + 16
  const view = arena.contiguousBytes(span)
  return [view[start], view[start + bytes - 1]]
}

function residentBytes(): number {
  const status = readFileSync('/proc/self/statm', 'latin1')
  return Number(status.split(' ')[1]) * PAGE_BYTES
}
