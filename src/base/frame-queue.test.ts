// Goal: frames come out whole, in order, none lost, whatever their sizes and wherever they wrap, on
// one thread and between two; nobody sleeps past a bounded wait.
// Method: a model (a list of frames) on one thread; a second thread that sends frames of seeded
// lengths whose bytes tell their number, read by this one. FRAMES makes the second longer.

import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { FrameQueue, type SharedFrameQueue, shareFrameQueue } from './frame-queue.ts'
import { Random } from './random.ts'

const SEED = Number(process.env.SEED ?? 1)
const FRAMES = Number(process.env.FRAMES ?? 1_000_000)
const CAPACITY = 4096

function make(capacity = CAPACITY): FrameQueue {
  return new FrameQueue(shareFrameQueue(capacity))
}

/** The payload of the frame that `next` found. */
function taken(queue: FrameQueue): Buffer {
  const parts: Buffer[] = []
  queue.take((bytes, start, length) => {
    parts.push(Buffer.from(bytes.subarray(start, start + length)))
  })
  assert.ok(parts.length <= 2, 'a payload comes in one or two parts')
  return Buffer.concat(parts)
}

describe('one thread', () => {
  test('a queue of a capacity that is no power of two, too small or too large is refused', () => {
    for (const capacity of [0, 2048, 5000, 2 ** 31]) {
      assert.throws(() => shareFrameQueue(capacity), /capacity/)
    }
  })

  test('an empty queue has no frame, and room for all but a header', () => {
    const queue = make()
    assert.equal(queue.next(), false)
    assert.equal(queue.queuedBytes, 0)
    assert.equal(queue.room, CAPACITY - 8)
  })

  test('a frame may fill the queue to its last byte, and be empty', () => {
    const queue = make()
    const bytes = Buffer.alloc(CAPACITY - 8, 7)
    queue.push(3, bytes, 0, bytes.length)
    assert.equal(queue.room, -1)
    assert.equal(queue.queuedBytes, CAPACITY)
    // Not even an empty one: its header would go over the first frame.
    for (const length of [0, 1]) assert.throws(() => queue.push(1, bytes, 0, length), /fits/)
    assert.equal(queue.next(), true)
    assert.equal(queue.kind, 3)
    assert.deepEqual(taken(queue), bytes)
    queue.push(4, bytes, 0, 0)
    assert.equal(queue.queuedBytes, 8)
    assert.equal(queue.next(), true)
    assert.equal(queue.length, 0)
    assert.deepEqual(taken(queue), Buffer.alloc(0))
    assert.equal(queue.next(), false)
  })

  test('a payload that wraps comes in two parts', () => {
    const queue = make()
    const filler = Buffer.alloc(CAPACITY - 64)
    queue.push(0, filler, 0, filler.length)
    assert.equal(queue.next(), true)
    taken(queue)
    const bytes = Buffer.from(Array.from({ length: 200 }, (_, i) => i))
    queue.push(9, bytes, 3, 190)
    assert.equal(queue.next(), true)
    assert.deepEqual(taken(queue), bytes.subarray(3, 193))
  })

  test('the counters wrap at 2^32 and nothing is noticed', () => {
    const shared = shareFrameQueue(CAPACITY)
    new Int32Array(shared.words).fill(-16, 0, 2)
    const queue = new FrameQueue(shared)
    for (let i = 0; i < 50; i++) {
      const bytes = Buffer.alloc(i, i)
      queue.push(i, bytes, 0, i)
      assert.equal(queue.queuedBytes, 8 + ((i + 7) & ~7))
      assert.equal(queue.next(), true)
      assert.equal(queue.kind, i)
      assert.deepEqual(taken(queue), bytes)
    }
    assert.equal(queue.queuedBytes, 0)
  })

  test('random pushes and takes equal those of a list', () => {
    const random = new Random(SEED)
    const queue = make()
    const list: { kind: number; bytes: Buffer }[] = []
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.alloc(random.below(random.below(8) === 0 ? 3000 : 90))
      for (let j = 0; j < bytes.length; j++) bytes[j] = random.u32() & 0xff
      if (random.below(2) === 0 && bytes.length <= queue.room) {
        queue.push(i, bytes, 0, bytes.length)
        list.push({ kind: i, bytes })
      } else if (list.length > 0) {
        const { kind, bytes: expected } = list.shift()!
        assert.equal(queue.next(), true, `SEED=${SEED}`)
        assert.equal(queue.kind, kind)
        assert.deepEqual(taken(queue), expected)
      }
      assert.equal(queue.queuedBytes === 0, list.length === 0)
    }
  })

  test('marks, closing, cancelling; a reset forgets them and what waits', () => {
    const queue = make()
    queue.push(1, Buffer.alloc(10), 0, 10)
    queue.setMark(77)
    queue.close()
    queue.cancel()
    assert.deepEqual([queue.mark, queue.isClosed, queue.isCancelled], [77, true, true])
    queue.reset()
    assert.deepEqual([queue.mark, queue.isClosed, queue.isCancelled], [0, false, false])
    assert.equal(queue.next(), false)
  })

  test('a wait for what does not come ends, and none is slept for what is there', () => {
    const queue = make()
    const start = performance.now()
    queue.waitForFrame(20)
    queue.waitForRoom(20)
    const waited = performance.now() - start
    assert.ok(waited >= 35 && waited < 2000, `${waited} ms`)
    queue.push(1, Buffer.alloc(1), 0, 1)
    const again = performance.now()
    queue.waitForFrame(60_000)
    assert.ok(performance.now() - again < 2000, 'a frame that is there is not waited for')
  })
})

/** The other thread: sends frames, number `i` with a length and bytes that follow from `i`. */
const SENDER = `
  const { workerData } = require('node:worker_threads')
  import(workerData.module).then(({ FrameQueue }) => {
    const queue = new FrameQueue(workerData.shared)
    const bytes = new Uint8Array(4096)
    let state = workerData.seed
    for (let i = 0; i < workerData.count; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      const length = (state >>> 8) % (i % 64 === 0 ? 3500 : 60)
      while (queue.room < length) {
        if (queue.isClosed) return
        queue.waitForRoom(1000)
      }
      bytes.fill(i & 0xff, 0, length)
      queue.push(i, bytes, 0, length)
    }
  })
`

const senders: Worker[] = []

afterEach(async () => {
  for (const sender of senders.splice(0)) await sender.terminate()
})

/** Starts it; resolves with the code it exits with. */
function startSender(shared: SharedFrameQueue, count: number): Promise<number> {
  const module = new URL('./frame-queue.ts', import.meta.url).href
  const workerData = { module, shared, seed: SEED, count }
  const sender = new Worker(SENDER, { eval: true, workerData })
  senders.push(sender)
  return new Promise((resolve) => sender.once('exit', resolve))
}

describe('two threads', () => {
  for (const capacity of [4096, 65_536]) {
    test(`frames through ${capacity} bytes: in order, whole`, { timeout: 60_000 }, async () => {
      const shared = shareFrameQueue(capacity)
      const ended = startSender(shared, FRAMES / 2)
      const queue = new FrameQueue(shared)
      let state = SEED
      let isRight = true
      let total = 0
      let mine = 0
      const look = (bytes: Uint8Array, start: number, length: number): void => {
        const wanted = mine & 0xff
        for (let i = start; i < start + length; i++) if (bytes[i] !== wanted) isRight = false
        total += length
      }
      for (; mine < FRAMES / 2; mine++) {
        while (!queue.next()) queue.waitForFrame(1000)
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const length = (state >>> 8) % (mine % 64 === 0 ? 3500 : 60)
        if (queue.kind !== mine || queue.length !== length) assert.fail(`frame ${mine}`)
        total = 0
        queue.take(look)
        if (total !== length || !isRight) assert.fail(`payload of ${mine}, SEED=${SEED}`)
      }
      assert.equal(queue.next(), false)
      assert.equal(await ended, 0)
    })
  }

  test('a writer that sleeps for room hears of the reader going', { timeout: 20_000 }, async () => {
    const shared = shareFrameQueue(CAPACITY)
    const ended = startSender(shared, 1000)
    const queue = new FrameQueue(shared)
    while (queue.room > 3500) queue.waitForFrame(100)
    queue.close()
    assert.equal(await ended, 0)
    assert.ok(queue.queuedBytes > 0, 'what was sent is still there')
  })
})
