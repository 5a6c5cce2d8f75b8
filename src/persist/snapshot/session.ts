// One snapshot as the snapshot thread sees it, from its sinks being opened to how each ended. Goes
// on by single steps, so that the thread, a test and SAVE all run the same code.
//
//                    ┌───── Handover asked, between two keys ─────┐
//                    │                                            ▼
//   background ──► Scanning ◄───────── Resume ──────────── Serving ◄── cooperative
//                    │ last key                               │ End
//                    ▼                                        ▼
//                Committing ──────────────► ended ◄────── Committing
//
//   Scanning    this side scans and encodes
//   Serving     the engine does; this side writes what comes through the output queue
//   Committing  the pages are free already; syncing a file is none of the engine's business
//
// What the sinks or the spill throw ends the snapshot as failed, what the engine wants as aborted.
// Whatever the end, temporary files are gone and the scanner touches no page any more.

import { assert, fail } from '../../base/assert.ts'
import { type Disk, systemCode } from '../../base/disk.ts'
import { StoreError } from '../../base/errors.ts'
import { FrameQueue, type SharedFrameQueue } from '../../base/frame-queue.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import type { SegmentBuffer } from '../../memory/segments.ts'
import { Frame } from './frames.ts'
import type { SnapshotPlan } from './plan.ts'
import { openScan, type ScanSource, type SharedScanSource } from './scan-source.ts'
import { type SinkOutcome, type SinkPlan, SinkSet } from './sinks.ts'
import {
  SnapshotAborted,
  type SnapshotEncoder,
  type SnapshotResult,
  type SnapshotState,
} from './snapshot.ts'
import { SpillFile } from './spill-file.ts'

/** Engine → thread. */
export interface SnapshotJob {
  readonly frozen: SharedScanSource
  readonly plan: SnapshotPlan
  readonly sinks: readonly SinkPlan[]
  readonly spillPath: string
  /** Carries what the engine encodes. */
  readonly output: SharedFrameQueue
  /** Carries pages that the engine spills. */
  readonly spillQueue: SharedFrameQueue
  /** The engine scans. */
  readonly isCooperative: boolean
  readonly progress: SharedArrayBuffer
}

/** How a snapshot ended. */
export type SnapshotOutcome =
  | ({ readonly kind: 'saved'; readonly bytes: number; readonly keys: number } & Sinks)
  | ({ readonly kind: 'aborted' } & Sinks)
  | ({ readonly kind: 'failed'; readonly message: string; readonly systemCode: string } & Sinks)
  | ({ readonly kind: 'broken'; readonly stack: string } & Sinks)

/** How each sink ended; null: with the snapshot. */
interface Sinks {
  readonly sinks: readonly (SinkOutcome | null)[]
}

/** What a session needs of the thread it runs on. */
export interface SessionHost {
  readonly disk: Disk
  readonly encoder: () => SnapshotEncoder
  /** The segments of the arena. */
  readonly segments: () => readonly (SegmentBuffer | null)[]
  /** Sleeps. */
  readonly pause: (us: number) => void
  /** Microseconds since some start, for a scan that rests now and then; null: it does not. */
  readonly nowUs: (() => number) | null
  /** The scan goes over to the engine. */
  readonly onSuspended: (state: SnapshotState) => void
  /** How far the engine's scan is, which this side takes over. */
  readonly takeState: () => SnapshotState
  /** A stream takes nothing: waits for it a moment. */
  readonly waitForStream: (queue: FrameQueue) => void
}

export const SessionStep = {
  /** There is more to do. */
  More: 0,
  /** Nothing to do until the engine has sent more. */
  Idle: 1,
  /** `outcome` tells how. */
  Ended: 2,
} as const
export type SessionStep = (typeof SessionStep)[keyof typeof SessionStep]

type Stage = 'scanning' | 'serving' | 'committing' | 'ended'

export class SnapshotSession {
  outcome: SnapshotOutcome | null = null
  readonly #host: SessionHost
  readonly #job: SnapshotJob
  readonly #source: ScanSource
  readonly #output: FrameQueue
  readonly #spillQueue: FrameQueue
  readonly #spill: SpillFile
  readonly #page = new Uint8Array(PAGE_BYTES)
  readonly #result = new Float64Array(2)
  #pageLength = 0
  #sinks: SinkSet | null = null
  #encoder: SnapshotEncoder | null = null
  #stage: Stage = 'serving'
  /** The pages of the cut are in the hands of this side. */
  #isScanner: boolean

  constructor(host: SessionHost, job: SnapshotJob) {
    this.#host = host
    this.#job = job
    this.#isScanner = !job.isCooperative
    this.#source = openScan(job.frozen, host.segments())
    this.#output = new FrameQueue(job.output)
    this.#spillQueue = new FrameQueue(job.spillQueue)
    this.#spill = new SpillFile(host.disk, job.spillPath, {
      enter: () => this.#enterDisk(),
      leave: () => this.#leaveDisk(),
    })
    this.#guard(() => {
      this.#enterDisk()
      this.#sinks = new SinkSet(job.sinks, {
        disk: host.disk,
        onStall: (queue) => this.#waitForStream(queue),
        beforeCommit: () => this.#stopIfCancelled(),
      })
      this.#leaveDisk()
      if (!job.isCooperative) this.#scan(null)
    })
  }

  /** Whether this side scans, and is not through. */
  get isScanning(): boolean {
    return this.#stage === 'scanning'
  }

  /** Sleeps until the engine sends something, at most `limitMs`. */
  waitForEngine(limitMs: number): void {
    this.#output.waitForFrame(limitMs)
  }

  /** Goes on a little; never throws. */
  step(): SessionStep {
    let found: SessionStep = SessionStep.More
    this.#guard(() => {
      if (this.#stage === 'scanning') this.#scanStep()
      else if (this.#stage === 'serving') found = this.#serveStep()
      else if (this.#stage === 'committing') this.#commit()
    })
    return this.#stage === 'ended' ? SessionStep.Ended : found
  }

  /**
   * While a stream takes nothing, in the midst of a step: frees what writers need meanwhile. Throws
   * SnapshotAborted.
   */
  goOnStalled(): void {
    if (this.#isScanner) {
      this.#leaveDisk()
      this.#encoder?.spillDue()
      this.#enterDisk()
      return
    }
    this.#stopIfCancelled()
    if (this.#stage !== 'serving') return
    this.#takePages()
    this.#flushPages()
  }

  /** Begins to scan, or goes on where the engine left off. */
  #scan(state: SnapshotState | null): void {
    const { frozen } = this.#source
    this.#encoder ??= this.#host.encoder()
    frozen.useSpill(this.#spill, state?.spilled ?? null)
    this.#encoder.begin(this.#source, this.#job.plan, {
      sink: (bytes, start, length) => this.#write(bytes, start, length),
      progress: new Float64Array(this.#job.progress),
      pause: this.#host.pause,
      nowUs: this.#host.nowUs,
      state,
    })
    this.#stage = 'scanning'
    this.#isScanner = true
  }

  #scanStep(): void {
    const encoder = this.#encoder ?? fail('who scans has an encoder')
    const { frozen } = this.#source
    if (frozen.isHandoverWanted && encoder.canSuspend) {
      // Writes what is encoded; pages that are spilled while a sink stalls in it count as well.
      const state = encoder.suspend()
      this.#flushPages()
      this.#stage = 'serving'
      this.#isScanner = false
      this.#host.onSuspended(state)
      return
    }
    if (encoder.step()) return
    this.#noteResult(encoder.end())
    this.#isScanner = false
    frozen.end()
    this.#stage = 'committing'
  }

  #serveStep(): SessionStep {
    const output = this.#output
    this.#stopIfCancelled()
    // Pages first: those that came before a Resume must be in the file by then.
    this.#takePages()
    if (!output.next()) {
      this.#flushPages()
      return SessionStep.Idle
    }
    const { kind } = output
    if (kind === Frame.Output) output.take(this.#theSinks.write)
    else if (kind === Frame.End) {
      this.#takeResult()
      this.#stage = 'committing'
    } else {
      assert(kind === Frame.Resume, 'a frame of a known kind')
      output.take(nothing)
      this.#takePages()
      this.#scan(this.#host.takeState())
    }
    return SessionStep.More
  }

  /** Puts the pages that the engine has sent into the spill. */
  #takePages(): void {
    while (this.#spillQueue.next()) {
      this.#pageLength = 0
      this.#spillQueue.take(this.#copyPage)
      assert(this.#pageLength === PAGE_BYTES, 'a page is spilled whole')
      this.#spill.makeRoom()
      this.#spill.put(this.#page, 0)
      this.#spillQueue.setMark(this.#spill.written)
    }
  }

  readonly #copyPage = (bytes: Uint8Array, start: number, length: number): void => {
    this.#page.set(bytes.subarray(start, start + length), this.#pageLength)
    this.#pageLength += length
  }

  #flushPages(): void {
    this.#spill.flush()
    this.#spillQueue.setMark(this.#spill.written)
  }

  #takeResult(): void {
    const bytes = new Uint8Array(this.#result.buffer)
    let at = 0
    this.#output.take((part, start, length) => {
      bytes.set(part.subarray(start, start + length), at)
      at += length
    })
  }

  #noteResult({ bytes, keys }: SnapshotResult): void {
    this.#result[0] = bytes
    this.#result[1] = keys
  }

  #commit(): void {
    this.#theSinks.commit()
    const [bytes = 0, keys = 0] = this.#result
    this.#end({ kind: 'saved', bytes, keys, sinks: this.#theSinks.outcomes })
  }

  /** Gives bytes to the sinks. */
  #write(bytes: Uint8Array, start: number, length: number): void {
    this.#enterDisk()
    this.#theSinks.write(bytes, start, length)
    this.#leaveDisk()
  }

  /** What follows may take long; until `leaveDisk` this side is known to touch no page. */
  #enterDisk(): void {
    if (this.#isScanner) this.#source.frozen.enterSink()
  }

  #leaveDisk(): void {
    if (!this.#isScanner) return
    if (!this.#source.frozen.leaveSink()) throw new SnapshotAborted('snapshot: told to stop')
  }

  #waitForStream(queue: FrameQueue): void {
    this.goOnStalled()
    this.#host.waitForStream(queue)
  }

  #stopIfCancelled(): void {
    if (this.#output.isCancelled) throw new SnapshotAborted('snapshot: told to stop')
  }

  get #theSinks(): SinkSet {
    return this.#sinks ?? fail('a snapshot under way has sinks')
  }

  #guard(run: () => void): void {
    if (this.#stage === 'ended') return
    try {
      run()
    } catch (error) {
      const sinks = this.#sinks?.outcomes ?? []
      if (error instanceof SnapshotAborted) return this.#end({ kind: 'aborted', sinks })
      if (error instanceof StoreError) {
        const { message } = error
        return this.#end({ kind: 'failed', message, systemCode: systemCode(error), sinks })
      }
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#end({ kind: 'broken', stack, sinks })
    }
  }

  #end(outcome: SnapshotOutcome): void {
    this.#stage = 'ended'
    this.#encoder?.drop()
    // Who scanned ends the scan, before files are removed, which may take long; the engine does so
    // itself.
    if (this.#isScanner) this.#source.frozen.end()
    this.#output.close()
    if (outcome.kind !== 'saved') this.#sinks?.discard()
    this.#spill.discard()
    this.outcome = outcome
  }
}

function nothing(): void {
  // The frame has no payload.
}
