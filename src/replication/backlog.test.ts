// Goal: the stream is kept as long as the backlog or a reader needs it, and no longer.
// Method: random appends, readers that come, read and go, and limits that change, beside one long
// array that keeps everything.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Backlog, BLOCK_BYTES } from './backlog.ts'

const SEED = Number(process.env['SEED'] ?? 22)
console.log(`SEED=${SEED}`)

class Reader {
  position: number

  constructor(position: number) {
    this.position = position
  }
}

/** All that can be read from `offset` on, in pieces of at most `limit`. */
function readAll(backlog: Backlog, offset: number, limit = 1e9): Buffer {
  const parts: Buffer[] = []
  let at = offset
  for (;;) {
    const count = backlog.read(at, limit, (bytes, start, length) => {
      parts.push(Buffer.from(bytes.slice(start, start + length)))
    })
    if (count === 0) return Buffer.concat(parts)
    at += count
  }
}

test('what a backlog or a reader needs is there, against one array', () => {
  const random = new Random(SEED)
  const base = 1_000_000
  let limit = 40_000
  const backlog = new Backlog(base, limit)
  const all: Buffer[] = []
  let total = 0
  const readers: Reader[] = []
  for (let i = 0; i < 3000; i++) {
    const kind = random.below(20)
    if (kind < 12) {
      const bytes = Buffer.alloc(random.below(kind === 0 ? 60_000 : 300))
      for (let j = 0; j < bytes.length; j++) bytes[j] = random.below(256)
      const pad = random.below(5)
      backlog.append(Buffer.concat([Buffer.alloc(pad), bytes]), pad, bytes.length)
      all.push(bytes)
      total += bytes.length
    } else if (kind < 14 && readers.length < 5) {
      const reader = new Reader(backlog.start + random.below(backlog.length + 1))
      backlog.add(reader)
      readers.push(reader)
    } else if (kind < 18) {
      const reader = readers[random.below(readers.length)]
      if (reader !== undefined) {
        const count = Math.min(random.below(50_000), backlog.end - reader.position)
        reader.position += count
      }
    } else if (kind === 18) {
      const [reader] = readers.splice(random.below(readers.length + 1), 1)
      if (reader !== undefined) backlog.remove(reader)
    } else if (random.below(20) === 0) {
      limit = 1 + random.below(100_000)
      backlog.setLimit(limit)
    }
    equal(backlog.end, base + total)
    const needed = Math.min(backlog.end - limit, ...readers.map(({ position }) => position))
    ok(backlog.start <= Math.max(base, needed), 'what is needed is there')
    if (i % 100 === 0) {
      const kept = Buffer.concat(all).subarray(backlog.start - base)
      deepEqual(readAll(backlog, backlog.start, 1 + random.below(30_000)), kept)
      for (const { position } of readers) {
        deepEqual(readAll(backlog, position), kept.subarray(position - backlog.start))
      }
    }
  }
})

test('memory is that of the limit, and of what a slow reader has not been sent', () => {
  const limit = 4 * BLOCK_BYTES
  const backlog = new Backlog(0, limit)
  const bytes = new Uint8Array(1000)
  const fill = (count: number) => {
    for (let i = 0; i < count; i++) backlog.append(bytes, 0, bytes.length)
  }
  fill(10_000)
  ok(backlog.length >= limit)
  ok(backlog.bytes <= limit + 12 * BLOCK_BYTES, `${backlog.bytes} bytes`)
  equal(backlog.excessBytes, 0)
  const slow = new Reader(backlog.end)
  backlog.add(slow)
  fill(1000)
  ok(backlog.has(slow.position))
  ok(backlog.bytes >= 1_000_000 && backlog.excessBytes > 0)
  backlog.remove(slow)
  equal(backlog.has(slow.position), false)
  equal(backlog.excessBytes, 0)
})

test('an offset is there from the first byte to behind the last', () => {
  const backlog = new Backlog(50, BLOCK_BYTES)
  equal(backlog.has(50), true)
  equal(backlog.has(49), false)
  equal(backlog.has(51), false)
  backlog.append(new Uint8Array(3), 0, 3)
  equal(backlog.has(53), true)
  equal(backlog.has(54), false)
  equal(readAll(backlog, 53).length, 0)
})
