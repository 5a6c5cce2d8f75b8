// What a save is going to meet, predicted from what the engine sees all the time and from what
// earlier saves measured: pages that change per second, and how long the scan takes.
//
// The engine counts changes (`keyspace.dirty`), not pages: nothing is counted per page while no cut
// is open. At first a change counts as one page, the most that a change of a small value touches.
// Saves then teach how many pages a change really costs: fewer when writes hit the same pages
// again, more when one change touches several nodes of a large value.
//
// Owner: the engine thread. Pure: times and counts are handed in.

import { assert } from '../../base/assert.ts'

/** Time constant of the mean of changes per second. */
const MEAN_SECONDS = 10
/** Saves with fewer changes teach nothing. */
const CHANGES_MIN = 1000
/** Share of the cut's pages above which most writes hit pages that had been preserved already. */
const SATURATED_SHARE = 0.5
/** Bounds of what is learned, so that one odd save does not rule the next. */
const PAGES_PER_CHANGE_MIN = 1 / 64
const PAGES_PER_CHANGE_MAX = 64
/** Scanned per second, until a save has been measured. */
const BYTES_PER_SECOND_DEFAULT = 150e6
/** Smaller saves measure the sync of the file, not the scan. */
const MEASURED_BYTES_MIN = 16 * 1024 * 1024

/** What a save that has ended saw of writes. */
export interface MeasuredWrites {
  /** Growth of `keyspace.dirty` while the cut was open. */
  readonly changes: number
  /** Pages preserved for them (runs × pages of a run; runs where only they are known). */
  readonly pagesPreserved: number
  /** Pages of the cut. */
  readonly pagesTotal: number
}

/** Predicts how many pages change per second. */
export class DirtyRate {
  #lastUs = -1
  #lastDirty = 0
  /** Weighted sum of rates and of weights: a plain mean at the start, not one that begins at 0. */
  #sum = 0
  #weight = 0
  #pagesPerChange = 1

  /** Mean of the last ten seconds or so; 0 before the second sample. */
  get changesPerSecond(): number {
    return this.#weight === 0 ? 0 : this.#sum / this.#weight
  }

  /** Pages that one change touches; 1 until a save taught better. */
  get pagesPerChange(): number {
    return this.#pagesPerChange
  }

  get pagesPerSecond(): number {
    return this.changesPerSecond * this.#pagesPerChange
  }

  /**
   * Takes `keyspace.dirty` as it stands now. At any interval; called by the cron. O(1), allocates
   * nothing. A count that went down (a save ended, a file was loaded) begins anew: what was
   * changed in that interval is not known, and the mean stays as it was.
   */
  sample(dirty: number, nowUs: number): void {
    assert(dirty >= 0, 'changes are counted from 0')
    const seconds = (nowUs - this.#lastUs) / 1e6
    const isKnown = this.#lastUs >= 0 && dirty >= this.#lastDirty
    if (isKnown && seconds <= 0) return
    const changes = dirty - this.#lastDirty
    this.#lastUs = nowUs
    this.#lastDirty = dirty
    if (!isKnown) return
    const kept = Math.exp(-seconds / MEAN_SECONDS)
    this.#sum = this.#sum * kept + (changes / seconds) * (1 - kept)
    this.#weight = this.#weight * kept + (1 - kept)
  }

  /** Learns from a save that has ended. Half of what was believed stays. */
  noteSave({ changes, pagesPreserved, pagesTotal }: MeasuredWrites): void {
    assert(changes >= 0 && pagesPreserved >= 0, 'counts are not negative')
    if (changes < CHANGES_MIN || pagesPreserved > pagesTotal * SATURATED_SHARE) return
    const measured = pagesPreserved / changes
    const bounded = Math.min(PAGES_PER_CHANGE_MAX, Math.max(PAGES_PER_CHANGE_MIN, measured))
    this.#pagesPerChange = (this.#pagesPerChange + bounded) / 2
  }
}

/** Predicts how long a save by the background method takes. */
export class SaveSpeed {
  #bytesPerSecond = 0

  /** Bytes of the dataset (not of the file) scanned per second. */
  get bytesPerSecond(): number {
    return this.#bytesPerSecond === 0 ? BYTES_PER_SECOND_DEFAULT : this.#bytesPerSecond
  }

  secondsFor(datasetBytes: number): number {
    assert(datasetBytes >= 0, 'a size')
    return datasetBytes / this.bytesPerSecond
  }

  /** Learns from a background save that wrote its whole file; the last one counts half. */
  noteSave(datasetBytes: number, seconds: number): void {
    if (datasetBytes < MEASURED_BYTES_MIN || !(seconds > 0)) return
    const measured = datasetBytes / seconds
    const before = this.#bytesPerSecond
    this.#bytesPerSecond = before === 0 ? measured : (before + measured) / 2
  }
}
