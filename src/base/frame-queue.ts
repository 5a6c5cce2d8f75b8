// A queue of frames from one thread to another, in shared memory of fixed size: bytes with a kind,
// in order, none lost. One thread writes, one reads; neither allocates.
//
//    0       4        8                        8 + length, padded to 8
//    +-------+--------+------------------------+
//    | kind  | length | payload, may wrap      |
//    +-------+--------+------------------------+
//
// `Write` and `Read` count bytes modulo 2^32; their difference is what is queued. Who finds the
// queue empty (or too full) sleeps on the other's counter, for a bounded time.
// Invariant: 0 ≤ Write − Read ≤ capacity. Owner: writer of `Write`, reader of `Read` and `Mark`.

import { assert } from './assert.ts'
import { copySlice, Slice } from './slice.ts'

const Word = { Write: 0, Read: 1, Closed: 2, Mark: 3, Cancelled: 4 } as const
const HEADER_WORDS = 5
const FRAME_BYTES = 8
const CAPACITY_MIN = 4096
const CAPACITY_MAX = 2 ** 30

/** The memory of a queue, as it travels between threads. */
export interface SharedFrameQueue {
  readonly words: SharedArrayBuffer
  readonly bytes: SharedArrayBuffer
}

/** Memory for a queue of `capacity` bytes, a power of two; it costs nothing until it is used. */
export function shareFrameQueue(capacity: number): SharedFrameQueue {
  assert(capacity >= CAPACITY_MIN && capacity <= CAPACITY_MAX, 'capacity')
  assert((capacity & (capacity - 1)) === 0, 'capacity is a power of two')
  return {
    words: new SharedArrayBuffer(HEADER_WORDS * 4),
    bytes: new SharedArrayBuffer(capacity),
  }
}

export class FrameQueue {
  /** Of the frame that `next` found. */
  kind = 0
  length = 0
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #numbers: DataView
  readonly #part = new Slice()

  constructor(shared: SharedFrameQueue) {
    this.#words = new Int32Array(shared.words)
    this.#bytes = new Uint8Array(shared.bytes)
    this.#numbers = new DataView(shared.bytes)
  }

  get capacity(): number {
    return this.#bytes.length
  }

  /** Bytes of all frames that wait. */
  get queuedBytes(): number {
    return (Atomics.load(this.#words, Word.Write) - Atomics.load(this.#words, Word.Read)) | 0
  }

  /** The reader wants no more; what is written is of no use. */
  get isClosed(): boolean {
    return Atomics.load(this.#words, Word.Closed) === 1
  }

  /** The writer has given up; what waits is of no use. */
  get isCancelled(): boolean {
    return Atomics.load(this.#words, Word.Cancelled) === 1
  }

  /** Writer: gives up. */
  cancel(): void {
    Atomics.store(this.#words, Word.Cancelled, 1)
    Atomics.notify(this.#words, Word.Write)
  }

  /** Writer: wakes the reader, who finds something to do elsewhere. */
  wakeReader(): void {
    Atomics.notify(this.#words, Word.Write)
  }

  /** A number that the reader tells the writer. */
  get mark(): number {
    return Atomics.load(this.#words, Word.Mark)
  }

  /** Reader: tells the writer `mark`. */
  setMark(mark: number): void {
    Atomics.store(this.#words, Word.Mark, mark)
  }

  /** Empties the queue for another use; neither side may be at work. */
  reset(): void {
    this.#words.fill(0)
  }

  /** Longest payload that `push` takes now; -1: not even an empty one. */
  get room(): number {
    return Math.max(-1, this.capacity - this.queuedBytes - FRAME_BYTES)
  }

  /** Writer: adds a frame. The room must be there. O(length). */
  push(kind: number, bytes: Uint8Array, start: number, length: number): void {
    assert(length <= this.room, 'a frame fits the queue')
    const write = this.#words[Word.Write]!
    const mask = this.capacity - 1
    this.#numbers.setUint32(write & mask, kind)
    this.#numbers.setUint32((write & mask) + 4, length)
    const at = (write + FRAME_BYTES) & mask
    const first = Math.min(length, this.capacity - at)
    copySlice(this.#part.set(bytes, start, first), this.#bytes, at)
    if (first < length)
      copySlice(this.#part.set(bytes, start + first, length - first), this.#bytes, 0)
    Atomics.store(this.#words, Word.Write, (write + FRAME_BYTES + padded(length)) | 0)
    Atomics.notify(this.#words, Word.Write)
  }

  /** Writer: sleeps until something is read, at most `limitMs`. */
  waitForRoom(limitMs: number): void {
    Atomics.wait(this.#words, Word.Read, Atomics.load(this.#words, Word.Read), limitMs)
  }

  /** Reader: sleeps until something is written, at most `limitMs`. */
  waitForFrame(limitMs: number): void {
    const read = this.#words[Word.Read]!
    Atomics.wait(this.#words, Word.Write, read, limitMs)
  }

  /** Reader: looks at the next frame, then in `kind` and `length`; false: there is none. */
  next(): boolean {
    if (this.queuedBytes === 0) return false
    const at = this.#words[Word.Read]! & (this.capacity - 1)
    this.kind = this.#numbers.getUint32(at)
    this.length = this.#numbers.getUint32(at + 4)
    return true
  }

  /** Reader: hands the payload of that frame to `sink`, in one or two parts, and removes it. */
  take(sink: (bytes: Uint8Array, start: number, length: number) => void): void {
    assert(this.queuedBytes >= FRAME_BYTES + this.length, 'a frame is whole')
    const read = this.#words[Word.Read]!
    const at = (read + FRAME_BYTES) & (this.capacity - 1)
    const first = Math.min(this.length, this.capacity - at)
    if (first > 0) sink(this.#bytes, at, first)
    if (first < this.length) sink(this.#bytes, 0, this.length - first)
    Atomics.store(this.#words, Word.Read, (read + FRAME_BYTES + padded(this.length)) | 0)
    Atomics.notify(this.#words, Word.Read)
  }

  /** Reader: wants no more. */
  close(): void {
    Atomics.store(this.#words, Word.Closed, 1)
    Atomics.notify(this.#words, Word.Read)
  }
}

function padded(length: number): number {
  return (length + 7) & ~7
}
