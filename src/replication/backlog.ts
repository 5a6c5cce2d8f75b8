// The replication stream as it is kept in memory: one copy, however many replicas read it. What was
// written last is the backlog, from which a replica that comes back goes on (partial resync); what
// lies before that stays as long as a replica has not been sent it.
//
//    #start                          end − limitBytes                      end
//    |  only for slow readers        |  backlog                            |
//    +--------+--------+--------+----+---+--------+--------+--------+------+
//    | block  | block  | block  | block  | block  | block  | block  | …    |
//    +--------+--------+--------+--------+--------+--------+--------+------+
//                  ^ reader.position
//
// Offsets count the bytes of the stream from its beginning; a byte's offset is the count of those
// before it. Blocks have one size, so the block of an offset is found by a division. Blocks that
// nobody needs are used again.
//
// Invariant: each reader's position lies in [start, end]. Owner: the engine.
// Source: the behaviour of redis-server 7.0 (`repl-backlog-size`, shared replication buffer).

import { assert } from '../base/assert.ts'

/** Somebody who is sent the stream. */
export interface BacklogReader {
  /** Offset of the next byte that it is to be sent. */
  readonly position: number
}

export const BLOCK_BYTES = 16 * 1024
/** Blocks kept for use again; what is above goes. */
const SPARE_BLOCKS = 8
/** Dropped blocks before the list of blocks is moved together. */
const HOLES_MAX = 1024

export class Backlog {
  /** Offset behind the last byte: `master_repl_offset`. */
  end: number
  /** Bytes that are kept for replicas that come back. */
  #limitBytes: number
  /** The first `#head` of them are dropped. */
  #blocks: (Uint8Array | null)[] = []
  #head = 0
  /** Offset of the first byte of the first block. */
  #start: number
  readonly #readers = new Set<BacklogReader>()
  readonly #spare: Uint8Array[] = []

  /** An empty one whose first byte has the offset `end`. */
  constructor(end: number, limitBytes: number) {
    this.end = end
    this.#start = end
    this.#limitBytes = limitBytes
  }

  /** Offset of the first byte that is there. */
  get start(): number {
    return this.#start
  }

  /** Bytes that are there: `repl_backlog_histlen`. */
  get length(): number {
    return this.end - this.#start
  }

  /** Memory of all blocks. */
  get bytes(): number {
    return (this.#blocks.length - this.#head + this.#spare.length) * BLOCK_BYTES
  }

  /** Memory that is there for slow readers only. */
  get excessBytes(): number {
    return Math.max(0, this.bytes - this.#limitBytes - BLOCK_BYTES * (SPARE_BLOCKS + 2))
  }

  /** Whether the stream from `offset` on can be sent. */
  has(offset: number): boolean {
    return offset >= this.#start && offset <= this.end
  }

  setLimit(bytes: number): void {
    assert(bytes > 0, 'a backlog holds something')
    this.#limitBytes = bytes
    this.#trim()
  }

  /** From now on nothing from the reader's position on is dropped. */
  add(reader: BacklogReader): void {
    assert(this.has(reader.position), 'what a reader needs is there')
    this.#readers.add(reader)
  }

  remove(reader: BacklogReader): void {
    if (this.#readers.delete(reader)) this.#trim()
  }

  /** Adds bytes at the end; they may be used again when this returns. */
  append(bytes: Uint8Array, start: number, length: number): void {
    let at = start
    const limit = start + length
    while (at < limit) {
      const used = (this.end - this.#start) % BLOCK_BYTES
      const isFull = used === 0 && this.#blockOf(this.end) === this.#blocks.length
      if (isFull) this.#addBlock()
      const block = this.#blocks[this.#blocks.length - 1]!
      const step = Math.min(BLOCK_BYTES - used, limit - at)
      if (step <= 32) for (let i = 0; i < step; i++) block[used + i] = bytes[at + i]!
      else block.set(bytes.subarray(at, at + step), used)
      this.end += step
      at += step
    }
  }

  /**
   * Hands the bytes from `offset` on to `sink`, as far as they lie in one piece and at most
   * `limit`; borrowed. Returns how many.
   */
  read(
    offset: number,
    limit: number,
    sink: (bytes: Uint8Array, start: number, length: number) => void,
  ): number {
    assert(this.has(offset), 'what is read is there')
    const block = this.#blocks[this.#blockOf(offset)]
    if (offset === this.end || block == null) return 0
    const at = (offset - this.#start) % BLOCK_BYTES
    const length = Math.min(BLOCK_BYTES - at, this.end - offset, limit)
    sink(block, at, length)
    return length
  }

  /** Index of the block that `offset` lies in, or would lie in. */
  #blockOf(offset: number): number {
    return this.#head + Math.floor((offset - this.#start) / BLOCK_BYTES)
  }

  #addBlock(): void {
    this.#trim()
    this.#blocks.push(this.#spare.pop() ?? new Uint8Array(BLOCK_BYTES))
  }

  /** Drops the blocks that lie before the backlog and before all readers. */
  #trim(): void {
    let needed = this.end - this.#limitBytes
    for (const { position } of this.#readers) needed = Math.min(needed, position)
    while (this.#start + BLOCK_BYTES <= needed) {
      const block = this.#blocks[this.#head]
      assert(block != null, 'bytes lie in blocks')
      this.#blocks[this.#head++] = null
      this.#start += BLOCK_BYTES
      if (this.#spare.length < SPARE_BLOCKS) this.#spare.push(block)
    }
    if (this.#head < HOLES_MAX) return
    this.#blocks = this.#blocks.slice(this.#head)
    this.#head = 0
  }
}
