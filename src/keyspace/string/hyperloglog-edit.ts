// A sketch that is being changed: a copy of the string in a buffer of its own, in which registers
// are raised and which becomes dense when it has to. A command fills it, changes it, and stores it
// whole; so what goes wrong in between has changed nothing.
// Owner: the engine, one command at a time.

import { assert } from '../../base/assert.ts'
import { copySlice, Slice } from '../../base/slice.ts'
import {
  DENSE_BYTES,
  denseRegister,
  HEADER_BYTES,
  isDense,
  isSketch,
  markStale,
  REGISTER_COUNT,
  SketchEncoding,
  setDenseRegister,
  setEncoding,
  writeHeader,
} from './hyperloglog.ts'
import { eachRun, isVal, joinedVal, RUN, VAL_RANK_MAX, writeRun } from './hyperloglog-sparse.ts'

/** What became of raising a register. */
export const Raised = { No: 0, Yes: 1, Corrupt: 2 } as const
export type Raised = (typeof Raised)[keyof typeof Raised]

/** A run is at most two bytes, and falls into at most three. */
const PIECES_MAX = 5
/** How many runs are looked at for joining: those that a split may have touched. */
const JOIN_STEPS = 5
/** Longer buffers are not kept. */
const KEPT_BYTES = 64 * 1024

export class SketchEdit {
  /** The sketch as it is now. */
  readonly sketch = new Slice()
  #bytes = new Uint8Array(DENSE_BYTES + PIECES_MAX)
  readonly #dense = new Uint8Array(DENSE_BYTES)
  readonly #pieces = new Uint8Array(PIECES_MAX)
  /** A run before all that the last change touched, and its first register: where to look from. */
  #knownAt = HEADER_BYTES
  #knownIndex = 0
  /** The run that was looked for: its bytes, its first register, and where joining begins. */
  #runAt = 0
  #runEnd = 0
  #runIndex = 0
  #joinAt = 0

  /** An empty sparse sketch. */
  clear(): void {
    writeHeader(this.#bytes, SketchEncoding.Sparse)
    this.#begin(writeRun(this.#bytes, HEADER_BYTES, 0, REGISTER_COUNT))
  }

  /** A copy of a sketch. O(length). */
  load(source: Slice): void {
    assert(isSketch(source), 'only sketches are changed as such')
    const needed = source.length + PIECES_MAX
    if (needed > this.#bytes.length) this.#bytes = new Uint8Array(needed * 2)
    else if (this.#bytes.length > KEPT_BYTES && needed * 4 < KEPT_BYTES) {
      this.#bytes = new Uint8Array(DENSE_BYTES + PIECES_MAX)
    }
    copySlice(source, this.#bytes, 0)
    this.#begin(source.length)
  }

  /** Marks the cached count as stale. */
  markStale(): void {
    markStale(this.#bytes, 0)
  }

  /**
   * Raises a register to `rank`. A sparse sketch becomes dense when it would be longer than
   * `bytesMax`, or when the rank is too high for it. O(length) sparse, O(1) dense.
   */
  raise(index: number, rank: number, bytesMax: number): Raised {
    assert(index < REGISTER_COUNT && rank > 0 && rank < 64, 'a register and its rank')
    if (isDense(this.sketch)) return this.#raiseDense(index, rank)
    if (rank > VAL_RANK_MAX) return this.#promote(index, rank)
    return this.#raiseSparse(index, rank, bytesMax)
  }

  /** Makes a sparse sketch dense, if it is not; false when it is damaged. O(registers). */
  toDense(): boolean {
    if (isDense(this.sketch)) return true
    const dense = this.#dense
    dense.fill(0)
    dense.set(this.#bytes.subarray(0, HEADER_BYTES))
    setEncoding(dense, SketchEncoding.Dense)
    let index = 0
    let at = HEADER_BYTES
    while (at < this.sketch.length) {
      at = eachRun(this.sketch, at)
      const limit = index + RUN.length
      if (at < 0 || limit > REGISTER_COUNT) return false
      if (RUN.rank > 0) for (let i = index; i < limit; i++) setDenseRegister(dense, 0, i, RUN.rank)
      index = limit
    }
    if (index !== REGISTER_COUNT) return false
    this.#bytes.set(dense)
    this.#begin(DENSE_BYTES)
    return true
  }

  #begin(length: number): void {
    this.sketch.set(this.#bytes, 0, length)
    this.#forgetKnown()
  }

  #forgetKnown(): void {
    this.#knownAt = HEADER_BYTES
    this.#knownIndex = 0
  }

  #raiseDense(index: number, rank: number): Raised {
    if (denseRegister(this.#bytes, 0, index) >= rank) return Raised.No
    setDenseRegister(this.#bytes, 0, index, rank)
    return Raised.Yes
  }

  #promote(index: number, rank: number): Raised {
    if (!this.toDense()) return Raised.Corrupt
    return this.#raiseDense(index, rank)
  }

  #raiseSparse(index: number, rank: number, bytesMax: number): Raised {
    if (!this.#find(index)) return Raised.Corrupt
    if (RUN.rank >= rank) return Raised.No
    const pieces = this.#pieces
    const before = index - this.#runIndex
    const after = RUN.length - before - 1
    let size = before > 0 ? writeRun(pieces, 0, RUN.rank, before) : 0
    size = writeRun(pieces, size, rank, 1)
    if (after > 0) size = writeRun(pieces, size, RUN.rank, after)
    const { length } = this.sketch
    const growth = size - (this.#runEnd - this.#runAt)
    if (growth > 0 && length + growth > bytesMax) return this.#promote(index, rank)
    this.#makeRoom(length + growth)
    const bytes = this.#bytes
    bytes.copyWithin(this.#runEnd + growth, this.#runEnd, length)
    for (let i = 0; i < size; i++) bytes[this.#runAt + i] = pieces[i]!
    this.sketch.length = length + growth
    this.#join()
    return Raised.Yes
  }

  /** Finds the run with register `index`, into RUN and the fields; false when there is none. */
  #find(index: number): boolean {
    if (index < this.#knownIndex) this.#forgetKnown()
    let at = this.#knownAt
    let first = this.#knownIndex
    let previous = -1
    let previousIndex = 0
    while (at < this.sketch.length) {
      const next = eachRun(this.sketch, at)
      if (next < 0) return false
      if (index < first + RUN.length) {
        if (previous < 0 && at > HEADER_BYTES) {
          // The run before it is wanted too: once more from the beginning.
          this.#forgetKnown()
          return this.#find(index)
        }
        this.#runAt = at
        this.#runEnd = next
        this.#runIndex = first
        this.#joinAt = previous < 0 ? HEADER_BYTES : previous
        return true
      }
      if (previous >= 0) {
        this.#knownAt = previous
        this.#knownIndex = previousIndex
      }
      previous = at
      previousIndex = first
      at = next
      first += RUN.length
    }
    return false
  }

  /** Joins equal neighbours among the runs that the last split touched. */
  #join(): void {
    const { sketch } = this
    const bytes = this.#bytes
    let at = this.#joinAt
    for (let step = 0; step < JOIN_STEPS && at < sketch.length; step++) {
      if (!isVal(bytes[at]!)) {
        const next = eachRun(sketch, at)
        if (next < 0) return
        at = next
        continue
      }
      const isPair = at + 1 < sketch.length && isVal(bytes[at + 1]!)
      const joined = isPair ? joinedVal(bytes[at]!, bytes[at + 1]!) : 0
      if (joined === 0) {
        at++
        continue
      }
      bytes.copyWithin(at, at + 1, sketch.length)
      bytes[at] = joined
      sketch.length--
    }
  }

  #makeRoom(length: number): void {
    if (length <= this.#bytes.length) return
    const grown = new Uint8Array(length * 2)
    grown.set(this.#bytes)
    this.#bytes = grown
    this.sketch.set(grown, 0, this.sketch.length)
  }
}
