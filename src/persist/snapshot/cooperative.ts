// The engine as the one who scans a cut, in slices between commands. Wants no second core and next
// to no memory: what it encodes goes through a queue of fixed size to the snapshot thread, which
// writes it into the sinks, and what writers touch is encoded right after their command.
//
//   slice      some scanning, in its turn; returns how soon it wants the next one
//   assist     after a command: encodes what it preserved, before more comes
//   relieve    inside of a command, when no reserve slot is free
//
// While nobody wants the engine, slices follow each other. While clients do, there is a rest after
// each: a thread that never sleeps is one that the system lets wait when others wake up. When that
// is too slow for what writers touch, so that the reserve fills, the rests go.
//
// Nothing here waits for the disk: a full queue ends the slice, and what is touched goes into the
// reserve, and from a quarter of it on into the spill, until there is room.
// Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { StoreError } from '../../base/errors.ts'
import type { FrameQueue } from '../../base/frame-queue.ts'
import type { Cut } from '../../memory/cut.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { Frame } from './frames.ts'
import type { SnapshotPlan } from './plan.ts'
import type { ScanSource } from './scan-source.ts'
import type { SnapshotEncoder, SnapshotState } from './snapshot.ts'
import type { QueuedSpill } from './spill-file.ts'

/** Chunks of the engine's encoder: what one piece of a large string may take. */
export const COOPERATIVE_CHUNK_BYTES = 128 * 1024
/** Room in the queue before a step: more than one can make. */
const STEP_ROOM_BYTES = 3 * COOPERATIVE_CHUNK_BYTES
/** Longest slice; the one before a rest; and the shortest without one, while clients are served. */
const SLICE_US = 1000
const RESTED_SLICE_US = 500
const BUSY_SLICE_US_MIN = 200
/** Share of the time that clients took since the last slice, for the next one without a rest. */
const BUSY_SHARE = 0.5
/** Share of the bound in use from which on there is no rest. */
const HURRY_SHARE = 1 / 4
/** Longest work after one command. */
const ASSIST_US = 300
/** Slots in use from which on a command is followed by `assist`, as a share of the bound. */
const ASSIST_SHARE = 1 / 8
/** Share of the bound that the queue, which counts as use, may take of itself. */
const QUEUE_SHARE = 1 / 4
/** A rest, and when to look again while the queue is full. */
const REST_MS = 1
const NO_BYTES = new Uint8Array(0)

export interface CooperativeOptions {
  readonly source: ScanSource
  readonly plan: SnapshotPlan
  readonly cut: Cut
  readonly queue: FrameQueue
  readonly spill: QueuedSpill
  readonly encoder: SnapshotEncoder
  readonly progress: Float64Array
  readonly clock: Clock
  /** Counts what clients have asked for. */
  readonly commandCount: () => number
  /** How far the thread got; null: from the start. */
  readonly state: SnapshotState | null
}

/** When the next slice is wanted. */
export const NextSlice = { Soon: 0, Later: 1, None: 2 } as const
export type NextSlice = (typeof NextSlice)[keyof typeof NextSlice]

export class CooperativeScan {
  /** Why the engine had to give up; null: it has not. */
  error: StoreError | null = null
  /** Pages encoded right after the command that was about to change them, or inside of it. */
  inlinePages = 0
  readonly #options: CooperativeOptions
  readonly #assistPages: number
  /** Bytes in the queue up to which a step may begin. */
  readonly #queueLimit: number
  #isAtWork = true
  #isStepping = false
  /** When the last slice ended, and what clients had asked for until then. */
  #endedUs = 0
  #commandsSeen = 0
  /** Until when `rdb-key-save-delay` wants the scan to rest. */
  #restUntilUs = 0

  constructor(options: CooperativeOptions) {
    this.#options = options
    const { source, plan, encoder, spill, state, progress, queue, cut, clock } = options
    this.#assistPages = Math.ceil(cut.boundPages * ASSIST_SHARE)
    const share = Math.ceil(cut.boundPages * PAGE_BYTES * QUEUE_SHARE)
    this.#queueLimit = Math.min(queue.capacity - STEP_ROOM_BYTES, share)
    source.frozen.useSpill(spill, state?.spilled ?? null)
    encoder.begin(source, plan, {
      sink: (bytes, start, length) => this.#push(bytes, start, length),
      progress,
      pause: (us) => {
        this.#restUntilUs = Math.max(this.#restUntilUs, clock.monotonicUs()) + us
      },
      nowUs: null,
      state,
    })
    assert(queue.capacity > STEP_ROOM_BYTES, 'a step fits the queue')
  }

  /** Whether the engine still scans. */
  get isAtWork(): boolean {
    return this.#isAtWork
  }

  /** Scans for a while. */
  slice(): NextSlice {
    const { clock, cut, commandCount } = this.#options
    const start = clock.monotonicUs()
    const isBusy = commandCount() !== this.#commandsSeen
    const isHurried = cut.usedPages > cut.boundPages * HURRY_SHARE
    const limit = start + this.#sliceUs(isBusy, isHurried, start)
    let isMoving = start >= this.#restUntilUs
    while (isMoving && this.#isAtWork && clock.monotonicUs() < limit) isMoving = this.#step()
    this.#endedUs = clock.monotonicUs()
    this.#commandsSeen = commandCount()
    if (!this.#isAtWork) return NextSlice.None
    return isMoving && (!isBusy || isHurried) ? NextSlice.Soon : NextSlice.Later
  }

  #sliceUs(isBusy: boolean, isHurried: boolean, nowUs: number): number {
    if (!isBusy) return SLICE_US
    if (!isHurried) return RESTED_SLICE_US
    const share = (nowUs - this.#endedUs) * BUSY_SHARE
    return Math.min(SLICE_US, Math.max(BUSY_SLICE_US_MIN, share))
  }

  /** How long to wait for the next slice when it is not wanted soon. */
  get laterMs(): number {
    const restMs = (this.#restUntilUs - this.#endedUs) / 1000
    return Math.max(REST_MS, Math.min(restMs, 10))
  }

  /** Encodes what the last command preserved, if that is worth it. */
  assist(): void {
    const { cut, clock, encoder } = this.#options
    if (!this.#isAtWork || cut.slotsUsed < this.#assistPages) return
    const limit = clock.monotonicUs() + ASSIST_US
    const pagesBefore = encoder.pages
    let isMoving = true
    while (isMoving && this.#isAtWork && encoder.hasEarly && clock.monotonicUs() < limit) {
      isMoving = this.#step()
    }
    this.inlinePages += this.#isAtWork ? encoder.pages - pagesBefore : 0
  }

  /** Gets slots free for a command that needs them now, be it by waiting for the disk. */
  relieve(): void {
    if (!this.#isAtWork || this.#isStepping) return
    const { cut, queue, encoder } = this.#options
    const before = cut.slotsUsed
    const pagesBefore = encoder.pages
    if (!this.#step() && this.#isAtWork && cut.slotsUsed >= before) queue.waitForRoom(REST_MS)
    this.inlinePages += this.#isAtWork ? encoder.pages - pagesBefore : 0
  }

  /** Leaves the scan to the thread; null: it is in the middle of a value. */
  suspend(): SnapshotState | null {
    const { encoder, queue, spill } = this.#options
    if (!this.#isAtWork || !encoder.canSuspend || queue.room < STEP_ROOM_BYTES) return null
    const state = encoder.suspend()
    this.#isAtWork = false
    spill.close()
    return state
  }

  /** Ends the scan before its time. */
  cancel(): void {
    if (!this.#isAtWork) return
    this.#isAtWork = false
    const { source, queue, encoder, spill } = this.#options
    queue.cancel()
    encoder.drop()
    spill.close()
    source.frozen.end()
  }

  /** Goes on a little; false when it cannot for now, or is through. */
  #step(): boolean {
    const { queue, encoder } = this.#options
    if (queue.isClosed) {
      this.cancel()
      return false
    }
    if (queue.queuedBytes > this.#queueLimit) {
      encoder.spillDue()
      return false
    }
    this.#isStepping = true
    try {
      if (encoder.step()) return true
      this.#end()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.error = error
      this.cancel()
    } finally {
      this.#isStepping = false
    }
    return false
  }

  #end(): void {
    const { source, queue, encoder, spill } = this.#options
    const { bytes, keys } = encoder.end()
    const result = new Uint8Array(new Float64Array([bytes, keys]).buffer)
    queue.push(Frame.End, result, 0, result.length)
    this.#isAtWork = false
    spill.close()
    source.frozen.end()
  }

  #push(bytes: Uint8Array, start: number, length: number): void {
    const { queue } = this.#options
    // A step was only begun with room for what it makes; a huge key may be more.
    while (queue.room < length && !queue.isClosed) queue.waitForRoom(REST_MS)
    if (!queue.isClosed) queue.push(Frame.Output, bytes, start, length)
  }
}

/** Tells the thread that the scan is its own from here on. */
export function pushResume(queue: FrameQueue): void {
  queue.push(Frame.Resume, NO_BYTES, 0, 0)
}
