// Keeps what the data takes in memory near to what it is: decides when sparse slabs are emptied
// (memory/compaction.ts) and how much of the engine's time that may take. Two reasons to run:
//
//   activedefrag yes   free cells in used pages pass `active-defrag-threshold-lower` percent and
//                      `active-defrag-ignore-bytes`; time as in Redis, from `-cycle-min` percent of
//                      a core at the lower threshold to `-cycle-max` at the upper one
//   maxmemory          the pages in use pass what the limit allows for its data, by whatever the
//                      sizes of values did: with `-cycle-max`, and above `LIMIT_SHARE` as part of
//                      the commands that take pages. This runs with `activedefrag no`, too: a limit
//                      is one of memory, not of a sum of cells.
//
// A pass works in slices of SLICE_US; what is free afterwards goes back by PageReturn. While a cut
// is open only pages that it has settled are emptied, and nothing at all while it uses half of what
// it may (`isTight`). Owner: the engine.

import type { Clock, Timer } from '../base/clock.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { ARENA_FULL } from '../memory/arena.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import { PageTable } from '../memory/page-table.ts'

/** What of the configuration matters here; see docs/configuration.md. */
export interface DefragSettings {
  readonly activedefrag: boolean
  readonly activeDefragIgnoreBytes: number
  readonly activeDefragThresholdLower: number
  readonly activeDefragThresholdUpper: number
  readonly activeDefragCycleMin: number
  readonly activeDefragCycleMax: number
}

export interface DefragSources {
  readonly keyspace: Keyspace
  readonly clock: Clock
  readonly settings: DefragSettings
  /** Bytes that the data may take by `maxmemory`, beside what else is counted; Infinity: any. */
  readonly dataLimitBytes: () => number
  /** Whether a cut is open, and the pages that are only kept for it. */
  readonly hasCut: () => boolean
  readonly heldPages: () => number
  /** Whether nothing may be moved: while loading, or while a cut uses much of its bound. */
  readonly isHeldBack: () => boolean
}

/** One slice: what a client may have to wait more. */
const SLICE_US = 500
/** Longest time that a command spends on pages it has taken above the limit. */
const ASSIST_US = 2000
/** Slabs filled more than this are left alone, unless the limit wants their pages. */
const FILL_MAX = 0.95
/** Where emptying begins, and where commands help, above the limit; and a constant part of both. */
const LIMIT_BEGIN_SHARE = 0.02
const LIMIT_SHARE = 0.035
const LIMIT_PAGES = (2 * 1024 * 1024) / PAGE_BYTES
/** A pass that freed less than this share of the pages in use was in vain. */
const VAIN_SHARE = 0.002
/** How much more must be free, as a share of what is in use, before there is another one. */
const VAIN_GROWTH = 0.005
/** Pages that commands take until they look again, where there is nothing to empty. */
const LOOK_PAGES = 64
/** Free pages that a command gives back at most; about 0.8 ms. */
const RELEASE_PAGES = 4096

export class Defrag {
  /** Pages in memory above which commands call `assist`. */
  assistPages = Infinity
  /** Percent of a core that it takes now; 0: it does not run. */
  runningPercent = 0
  /** Ms for which it had reason to run, in all and since it last had none. */
  totalMs = 0
  currentMs = 0
  readonly #sources: DefragSources
  #timer: Timer | null = null
  /** Since when there is reason to run, unix ms, and when that was looked at last; 0: none. */
  #reasonMs = 0
  #lookedMs = 0
  #hitsBefore = 0
  #missesBefore = 0
  /** Pages in use when a pass began. */
  #pagesBefore = 0
  /** Whether the last pass freed hardly anything. */
  #isVain = false
  /** Free bytes in used pages up to which no pass is worth it; 0: any is. */
  #vainBytes = 0

  constructor(sources: DefragSources) {
    this.#sources = sources
  }

  /** Records that were moved, and that were to be and stayed, since the start or the last reset. */
  get hits(): number {
    return this.#sources.keyspace.compaction.movedCells - this.#hitsBefore
  }

  get misses(): number {
    return this.#sources.keyspace.compaction.missedCells - this.#missesBefore
  }

  /** Begins to count anew, as CONFIG RESETSTAT does. */
  resetStatistics(): void {
    this.#hitsBefore += this.hits
    this.#missesBefore += this.misses
    this.totalMs = 0
  }

  /** Looks at how things are; some times a second. */
  cron(nowMs: number): void {
    this.#count(nowMs)
    this.assistPages = this.#limitPages(LIMIT_SHARE)
    const percent = this.#wantedPercent()
    if (percent === 0) {
      this.#reasonMs = 0
      this.#end()
      return
    }
    if (this.#reasonMs === 0) this.#reasonMs = nowMs
    // As in Redis a pass gets faster, not slower, while it runs.
    this.runningPercent = Math.max(this.runningPercent, percent)
    if (this.#timer === null) this.#slice()
  }

  /** Counts the time since the last look, if there was reason to run then. */
  #count(nowMs: number): void {
    if (this.#reasonMs === 0) {
      this.currentMs = 0
      return
    }
    this.totalMs += nowMs - Math.max(this.#reasonMs, this.#lookedMs)
    this.currentMs = nowMs - this.#reasonMs
    this.#lookedMs = nowMs
  }

  stop(): void {
    this.#timer?.stop()
    this.#timer = null
  }

  /**
   * For pages that a command took above the limit: gives free ones back to the system, and empties
   * slabs.
   */
  assist(): void {
    const { keyspace, clock, heldPages, isHeldBack } = this.#sources
    const { pool } = keyspace.arena
    const limitPages = this.#limitPages(LIMIT_SHARE)
    const endUs = clock.monotonicUs() + ASSIST_US
    const isDue = () => pool.pagesUsed - heldPages() > limitPages
    const beyond = pool.pagesResident - heldPages() - limitPages
    if (beyond > 0) pool.releasePages(Math.min(Math.ceil(beyond), RELEASE_PAGES))
    let isVain = isHeldBack()
    while (!isVain && isDue() && clock.monotonicUs() < endUs) {
      isVain = !this.#step(1) && this.#isVain
    }
    // What is left goes later: held pages by themselves, others when there is something to empty.
    const isLeft = pool.pagesResident - heldPages() > limitPages
    this.assistPages = isLeft ? pool.pagesResident + LOOK_PAGES : limitPages
  }

  /** Bytes in pages in use that hold no data: `active` without `allocated`. */
  get #freeBytes(): number {
    const { arena } = this.#sources.keyspace
    const { pagesUsed } = arena.pool
    const active = (pagesUsed - this.#sources.heldPages()) * PAGE_BYTES
    return active + PageTable.bytesFor(pagesUsed) - arena.usedBytes
  }

  /** Percent of a core that there is reason to take. */
  #wantedPercent(): number {
    const { settings, keyspace } = this.#sources
    const { activeDefragCycleMin: least, activeDefragCycleMax: most } = settings
    const freeBytes = this.#freeBytes
    if (freeBytes <= this.#vainBytes) return 0
    const pages = keyspace.arena.pool.pagesUsed - this.#sources.heldPages()
    if (pages > this.#limitPages(LIMIT_BEGIN_SHARE)) return most
    if (!settings.activedefrag) return 0
    const percent = (freeBytes * 100) / Math.max(1, keyspace.arena.usedBytes)
    const { activeDefragThresholdLower: lower, activeDefragThresholdUpper: upper } = settings
    if (percent < lower || freeBytes < settings.activeDefragIgnoreBytes) return 0
    const share = Math.min(1, (percent - lower) / Math.max(1, upper - lower))
    return Math.max(1, Math.round(least + (most - least) * share))
  }

  /** Pages that data may take under the limit, with a share above it. */
  #limitPages(share: number): number {
    return (this.#sources.dataLimitBytes() * (1 + share)) / PAGE_BYTES + LIMIT_PAGES
  }

  #slice(): void {
    const { clock } = this.#sources
    this.#timer = null
    if (this.runningPercent === 0 || this.#sources.isHeldBack()) return
    const startUs = clock.monotonicUs()
    let hasMore = true
    while (hasMore && clock.monotonicUs() - startUs < SLICE_US) hasMore = this.#step(FILL_MAX)
    if (!hasMore) return
    const spentMs = (clock.monotonicUs() - startUs) / 1000
    const restMs = Math.max(1, (spentMs * (100 - this.runningPercent)) / this.runningPercent)
    this.#timer = clock.after(restMs, () => this.#slice())
  }

  /** One step of a pass, or the beginning of one; false: the pass is over. */
  #step(fillMax: number): boolean {
    const { compaction, arena } = this.#sources.keyspace
    if (!compaction.isRunning) {
      if (this.#freeBytes <= this.#vainBytes) return false
      this.#pagesBefore = arena.pool.pagesUsed
      compaction.begin(fillMax)
    }
    try {
      if (compaction.step()) return true
    } catch (error) {
      if (error !== ARENA_FULL) throw error
      compaction.stop()
    }
    const { pagesUsed } = arena.pool
    this.#isVain = this.#pagesBefore - pagesUsed < pagesUsed * VAIN_SHARE
    // What an open cut has not read may be emptied soon.
    const isDense = this.#isVain && !this.#sources.hasCut()
    this.#vainBytes = isDense ? this.#freeBytes + pagesUsed * PAGE_BYTES * VAIN_GROWTH : 0
    this.#end()
    return false
  }

  #end(): void {
    this.runningPercent = 0
    this.stop()
    const { compaction } = this.#sources.keyspace
    if (compaction.isRunning) compaction.stop()
  }
}
