// For tests: the snapshot thread's work on the caller's own thread, one step when told to, so that
// each interleaving with the engine can be forced and a seed repeats it.
//
//   start ──► scanning or serving ──step──► … ──► committing ──step──► outcome for `poll`
//
// As on the thread, the pages are free from the end of the scan on, before the file is synced.

import { assert, fail } from '../../base/assert.ts'
import type { Disk } from '../../base/disk.ts'
import type { FrameQueue } from '../../base/frame-queue.ts'
import type { SegmentBuffer } from '../../memory/segments.ts'
import type { SegmentChange } from './scan-source.ts'
import { SessionStep, type SnapshotJob, type SnapshotOutcome, SnapshotSession } from './session.ts'
import { SnapshotEncoder, type SnapshotState } from './snapshot.ts'
import type { SnapshotRunner } from './snapshot-port.ts'
import type { SnapshotReport } from './snapshot-thread.ts'

export class SteppedRunner implements SnapshotRunner {
  readonly #disk: Disk
  /** Made for the first job: it has memory of its own. */
  #encoder: SnapshotEncoder | null = null
  #session: SnapshotSession | null = null
  #isStepping = false
  readonly #segments: (SegmentBuffer | null)[] = []
  #isStalled = false
  readonly #reports: SnapshotReport[] = []
  readonly #states: SnapshotState[] = []
  /** Hears of each job. */
  onStart: (job: SnapshotJob) => void = () => undefined
  /** Hears of each outcome as the engine takes it. */
  onOutcome: (outcome: SnapshotOutcome) => void = () => undefined
  /** Called while a stream is full; must empty or close it, and may let the engine work. */
  onStall: (queue: FrameQueue) => void = () => fail('nobody empties the stream')

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Whether there is a job to go on with. */
  get isBusy(): boolean {
    return this.#session !== null
  }

  start(job: SnapshotJob): void {
    assert(this.#session === null, 'one job at a time')
    this.onStart(job)
    this.#session = new SnapshotSession(
      {
        disk: this.#disk,
        encoder: () => (this.#encoder ??= new SnapshotEncoder()),
        segments: () => this.#segments,
        pause: () => undefined,
        nowUs: null,
        onSuspended: (state) => this.#reports.push({ kind: 'suspended', state }),
        takeState: () => this.#states.shift() ?? fail('the state was sent before the frame'),
        waitForStream: (queue) => this.#stall(queue),
      },
      job,
    )
    this.#noteEnd(this.#session)
  }

  shareSegments(changes: readonly SegmentChange[]): void {
    for (const { number, segment } of changes) this.#segments[number] = segment
  }

  resume(state: SnapshotState): void {
    this.#states.push(state)
  }

  /**
   * Goes on a little; does nothing without a job. Inside of a step that waits for a stream it does
   * what the thread does then.
   */
  step(): void {
    const session = this.#session
    if (session === null) return
    if (this.#isStalled) session.goOnStalled()
    if (this.#isStepping) return
    this.#isStepping = true
    const found = session.step()
    this.#isStepping = false
    if (found === SessionStep.Ended) this.#noteEnd(session)
  }

  poll(): SnapshotReport | null {
    const report = this.#reports.shift() ?? null
    if (report?.kind === 'ended') this.onOutcome(report.outcome)
    return report
  }

  #stall(queue: FrameQueue): void {
    this.#isStalled = true
    try {
      this.onStall(queue)
    } finally {
      this.#isStalled = false
    }
  }

  #noteEnd(session: SnapshotSession): void {
    const { outcome } = session
    if (outcome === null) return
    this.#session = null
    // An aborted session may have left the state that was sent to it.
    this.#states.length = 0
    if (outcome.kind === 'broken') throw new Error(outcome.stack)
    this.#reports.push({ kind: 'ended', outcome })
  }
}
