// For tests: the snapshot thread's work on the caller's own thread, one step when told to, so that
// each interleaving with the engine can be forced and a seed repeats it.
//
//   start ──► scanning ──step──► … ──► scanned ──step──► file durable ──► outcome for `poll`
//
// As on the thread, the pages are free from the end of the scan on, before the file is synced.

import { assert } from '../../base/assert.ts'
import { type Disk, systemCode } from '../../base/disk.ts'
import { StoreError } from '../../base/errors.ts'
import type { FrozenPages } from '../../memory/frozen-pages.ts'
import { FileSink } from './file-sink.ts'
import { openScan } from './scan-source.ts'
import { SnapshotAborted, SnapshotEncoder, type SnapshotResult } from './snapshot.ts'
import type { SnapshotRunner } from './snapshot-port.ts'
import type { SnapshotJob, SnapshotOutcome } from './snapshot-thread.ts'

export class SteppedRunner implements SnapshotRunner {
  readonly #disk: Disk
  /** Made for the first job: it has memory of its own. */
  #encoder: SnapshotEncoder | null = null
  #frozen: FrozenPages | null = null
  #sink: FileSink | null = null
  /** What the scan found, once it is through. */
  #result: SnapshotResult | null = null
  #outcome: SnapshotOutcome | null = null
  /** Hears of each job. */
  onStart: () => void = () => undefined
  /** Hears of each outcome as the engine takes it. */
  onOutcome: (outcome: SnapshotOutcome) => void = () => undefined

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Whether there is a job to go on with. */
  get isBusy(): boolean {
    return this.#frozen !== null
  }

  start(job: SnapshotJob): void {
    assert(this.#frozen === null, 'one job at a time')
    this.onStart()
    const source = openScan(job.frozen)
    const { frozen } = source
    this.#frozen = frozen
    this.#result = null
    const encoder = (this.#encoder ??= new SnapshotEncoder())
    this.#guard(() => {
      this.#sink = new FileSink(this.#disk, job.file)
      const progress = new Float64Array(job.progress)
      const options = { sink: this.#sink.write, progress, pause: () => undefined, nowUs: null }
      encoder.begin(source, job.plan, options)
    })
  }

  /** Writes some keys, or ends the file; does nothing without a job. */
  step(): void {
    const frozen = this.#frozen
    const encoder = this.#encoder
    if (frozen === null || encoder === null) return
    this.#guard(() => {
      if (this.#result !== null) {
        assert(this.#sink !== null, 'a scan that began has a file')
        this.#sink.commit()
        this.#end({ kind: 'saved', ...this.#result })
        return
      }
      if (encoder.step()) return
      this.#result = encoder.end()
      frozen.end()
    })
  }

  poll(): SnapshotOutcome | null {
    const outcome = this.#outcome
    this.#outcome = null
    if (outcome !== null) this.onOutcome(outcome)
    return outcome
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#sink?.discard()
      if (error instanceof SnapshotAborted) return this.#end({ kind: 'aborted' })
      if (!(error instanceof StoreError)) throw error
      this.#end({ kind: 'failed', message: error.message, systemCode: systemCode(error) })
    }
  }

  #end(outcome: SnapshotOutcome): void {
    assert(this.#frozen !== null, 'only a job ends')
    // Ends a scan only once.
    if (this.#result === null) this.#frozen.end()
    this.#frozen = null
    this.#sink = null
    this.#outcome = outcome
  }
}
