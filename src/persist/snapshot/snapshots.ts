// Snapshots as the engine sees them: one cut at a time, scanned by the snapshot thread or by the
// engine itself, for as many sinks as asked before it opened. What is saved when, and what an end
// means, is `Persistence`'s.
//
//   Closed ──start──► Scanning ──last key──► Committing ──outcome──► Closed
//                      │   ▲
//      background ◄────┘   └────► cooperative      decided at the start, and again each second
//
// A snapshot ends by itself, by `abort`, or when its sinks have taken nothing for
// `snapshot-stall-timeout` while writers were held back for it. A thread that hangs in a system
// call touches no page: the cut is taken from it, and no page stays held for its sake.
// Owner: the engine.

import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Disk } from '../../base/disk.ts'
import { FrameQueue, type SharedFrameQueue, shareFrameQueue } from '../../base/frame-queue.ts'
import type { Log } from '../../base/log.ts'
import { DiskMachine, type MachineView } from '../../base/machine-view.ts'
import type { Keyspace } from '../../keyspace/keyspace.ts'
import { BOUND_MIN, type Cut, type CutFigures } from '../../memory/cut.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { runSession } from './blocking-session.ts'
import { COOPERATIVE_CHUNK_BYTES, CooperativeScan, NextSlice, pushResume } from './cooperative.ts'
import { DirtyRate, SaveSpeed } from './dirty-rate.ts'
import { OUTPUT_QUEUE_BYTES } from './frames.ts'
import { makeCut } from './make-cut.ts'
import { chooseMethod, type MethodChoice, type SnapshotMethod } from './method-choice.ts'
import type { SnapshotPlan } from './plan.ts'
import {
  openScan,
  type SharedScanSource,
  type SharedSegments,
  segmentChanges,
  shareScan,
} from './scan-source.ts'
import type { SnapshotJob, SnapshotOutcome } from './session.ts'
import type { SinkPlan } from './sinks.ts'
import { PROGRESS_WORDS, Progress, SnapshotEncoder, type SnapshotState } from './snapshot.ts'
import type { SnapshotRunner } from './snapshot-port.ts'
import type { SnapshotReport } from './snapshot-thread.ts'
import type { CurrentSnapshot, DelayEvent, SnapshotSettings } from './snapshot-view.ts'
import { QueuedSpill, SPILL_QUEUE_BYTES } from './spill-file.ts'

export interface SnapshotsOptions {
  readonly keyspace: Keyspace
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly settings: SnapshotSettings
  readonly runner: SnapshotRunner
  /** Cores and memory; without it they are read from the disk's files. */
  readonly machine?: MachineView
  /** Sends the replies of this turn of the loop: a slice shall not hold them up. */
  readonly sendReplies?: () => void
  /** Counts what clients have asked for, so that the engine knows whether they want it. */
  readonly commandCount?: () => number
  /** Tests: every cut proves that no page changed without touch. */
  readonly isChecking?: boolean
  /** Tests: makes the scanner go on while the engine waits for it. */
  readonly relieve?: () => void
  /** Hears of what held the engine up: the freeze of a cut, each wait for the scanner. */
  readonly onDelay?: (event: DelayEvent, durationUs: number) => void
}

/** What a snapshot is to be. */
export interface SnapshotOrder {
  readonly plan: SnapshotPlan
  readonly sinks: readonly SinkPlan[]
  readonly spillPath: string
  /** What the command that asks for it wants; null: nothing in particular. */
  readonly requested: SnapshotMethod | null
}

/** How a snapshot went. */
export interface SnapshotEnd {
  readonly outcome: SnapshotOutcome
  readonly seconds: number
  readonly method: SnapshotMethod
  readonly figures: CutFigures
  readonly spilledBytes: number
  readonly inlinePages: number
}

/** A snapshot under way. */
interface Open {
  readonly order: SnapshotOrder
  readonly source: SharedScanSource
  readonly startUs: number
  readonly keysAtCut: number
  readonly pagesAtCut: number
  readonly bytesAtCut: number
  readonly dirtyAtCut: number
  choice: MethodChoice
  /** Asked for, and not yet taken over. */
  isHandingOver: boolean
  /** When anything moved last, and what stood then. */
  movedUs: number
  moved: number
  reviewedUs: number
}

/** Most memory of a cut that the engine scans itself. */
const COOPERATIVE_RESERVE_BYTES = 8 * 1024 * 1024
const REVIEW_US = 1_000_000
/** Longest wait for the snapshot thread to notice an abort, and for one that hangs. */
const ABORT_WAIT_MS = 10_000
const WREST_AFTER_MS = 50
/** Sleep between two looks for the thread's leaving the scan. */
const HANDOVER_WAIT_MS = 0.2
/** Segments that the thread is told of in one run of the cron; some tens of µs each. */
const SEGMENTS_PER_CRON = 8
const WAIT_WORD = new Int32Array(new SharedArrayBuffer(4))

export class Snapshots {
  /** How long the last cut kept the engine. */
  lastFreezeUs = 0
  /** The method and its reason of the last snapshot; null before the first. */
  lastChoice: MethodChoice | null = null
  readonly dirtyRate = new DirtyRate()
  readonly #options: SnapshotsOptions
  readonly #machine: MachineView
  readonly #speed = new SaveSpeed()
  readonly #progress = new Float64Array(new SharedArrayBuffer(PROGRESS_WORDS * 8))
  readonly #output: SharedFrameQueue = shareFrameQueue(OUTPUT_QUEUE_BYTES)
  readonly #queue = new FrameQueue(this.#output)
  readonly #spillOutput: SharedFrameQueue = shareFrameQueue(SPILL_QUEUE_BYTES)
  readonly #spillQueue = new FrameQueue(this.#spillOutput)
  #cut: Cut | null = null
  /** Pages that its reserve was to have. */
  #cutPages = 0
  #open: Open | null = null
  #scan: CooperativeScan | null = null
  #timer: Timer | null = null
  /** Made for the first SAVE, and for the first cooperative scan. */
  #encoder: SnapshotEncoder | null = null
  #sliceEncoder: SnapshotEncoder | null = null
  readonly #sharedSegments: SharedSegments = []
  /** A report that was met while a command waited. */
  #report: SnapshotReport | null = null
  /** A cut was taken from the thread, which has not come back yet. */
  #isThreadLost = false

  constructor(options: SnapshotsOptions) {
    this.#options = options
    this.#machine = options.machine ?? new DiskMachine(options.disk)
  }

  get isOpen(): boolean {
    return this.#open !== null
  }

  /** A cut was taken from the snapshot thread, which hangs in a system call. */
  get isThreadLost(): boolean {
    if (this.#isThreadLost && this.#options.runner.poll()?.kind === 'ended') {
      this.#isThreadLost = false
    }
    return this.#isThreadLost
  }

  /** The cut, as long as pages of it are still to be read; else null. */
  get openCut(): Cut | null {
    const cut = this.#cut
    return cut?.isOpen && !cut.hasEnded ? cut : null
  }

  /** Counts the cuts so far. */
  get cutNumber(): number {
    return this.#options.keyspace.arena.cutNumber
  }

  /** Bytes of the reserve's buffers, which stay for the next snapshot; 0 before the first. */
  get bufferBytes(): number {
    return this.#cut?.bufferBytes ?? 0
  }

  /** The bound of the cut that is open or was last. */
  get boundBytes(): number {
    return (this.#cut?.boundPages ?? 0) * PAGE_BYTES
  }

  /** Counters of the cut that is open or was last; null before the first. */
  get figures(): CutFigures | null {
    return this.#cut?.figures ?? null
  }

  /** The snapshot under way; null when there is none. */
  get current(): CurrentSnapshot | null {
    const open = this.#open
    const cut = this.#cut
    if (open === null || cut === null) return null
    const seconds = (this.#options.clock.monotonicUs() - open.startUs) / 1e6
    const share = this.#shareDone(open)
    return {
      method: this.#method,
      reason: open.choice.reason,
      seconds,
      keysDone: this.#progress[Progress.Keys]!,
      keysTotal: open.keysAtCut,
      pagesDone: Math.min(this.#progress[Progress.Pages]!, open.pagesAtCut),
      pagesTotal: open.pagesAtCut,
      bytesWritten: this.#progress[Progress.Bytes]!,
      etaSeconds: share > 0 ? (seconds * (1 - share)) / share : -1,
      reserveUsedBytes: cut.isOpen ? cut.slotsUsed * PAGE_BYTES : 0,
      queuedBytes: this.#scan === null ? 0 : this.#queue.queuedBytes,
      spilledBytes: this.#progress[Progress.Spilled]! * PAGE_BYTES,
      inlinePages: this.#scan?.inlinePages ?? 0,
      isCommitting: cut.hasEnded,
    }
  }

  /** What `auto` and the configuration come to just now. */
  choose(requested: SnapshotMethod | null): MethodChoice {
    const { settings, keyspace } = this.#options
    const { cores, availableBytes } = this.#machine
    const { datasetBytes } = keyspace.arena
    const open = this.#open
    const left = open === null ? 1 : 1 - this.#shareDone(open)
    return chooseMethod({
      configured: settings.method,
      requested,
      cores,
      availableBytes,
      heldBytes: (this.figures?.slotsPeak ?? 0) * PAGE_BYTES,
      reserveBytes: settings.reserveBytes,
      datasetBytes,
      dirtyPagesPerSecond: this.dirtyRate.pagesPerSecond,
      durationSeconds: this.#speed.secondsFor(datasetBytes) * left,
      present: open === null ? null : this.#method,
    })
  }

  /** Makes what the first snapshot needs, so that its start does not have to. */
  prepare(): void {
    if (this.#open === null) this.#theCut()
    this.#sliceEncoder ??= new SnapshotEncoder(COOPERATIVE_CHUNK_BYTES)
  }

  /** Does ahead what the next start would have to do: segments, a reserve that has grown. */
  cron(): void {
    if (this.#open !== null || this.#cut === null) return
    this.#shareSegments(SEGMENTS_PER_CRON)
    if (this.#cut.heldRuns === 0) this.#theCut()
  }

  /** Freezes the keyspace and begins a snapshot. None may be under way. */
  start(order: SnapshotOrder): MethodChoice {
    assert(!this.#isThreadLost, 'the thread is there')
    const choice = this.choose(order.requested)
    const isCooperative = choice.method === 'cooperative'
    const most = isCooperative ? COOPERATIVE_RESERVE_BYTES : Number.POSITIVE_INFINITY
    const open = this.#openCut(order, choice, Math.min(choice.reserveBytes, most))
    this.#shareSegments(Number.POSITIVE_INFINITY)
    this.#options.runner.start(this.#jobOf(open, isCooperative))
    if (isCooperative) this.#scanHere(open, null)
    return choice
  }

  /** A snapshot that is over when this returns; blocks the engine. */
  runNow(order: SnapshotOrder): SnapshotEnd {
    const { settings, disk, keyspace } = this.#options
    const choice: MethodChoice = {
      method: 'background',
      reason: 'asked for by SAVE, which blocks',
      neededBytes: 0,
      freeBytes: 0,
      reserveBytes: BOUND_MIN * PAGE_BYTES,
    }
    const open = this.#openCut(order, choice, settings.reserveBytes)
    const outcome = runSession(this.#jobOf(open, false), {
      disk,
      encoder: () => (this.#encoder ??= new SnapshotEncoder()),
      segments: keyspace.arena.segments,
    })
    return this.#close(outcome)
  }

  /** Looks for the end of the snapshot under way, and after it meanwhile. Null: it goes on. */
  poll(): SnapshotEnd | null {
    const open = this.#open
    const cut = this.#cut
    if (open === null || cut === null) return null
    cut.reclaim()
    const report = this.#nextReport()
    if (report?.kind === 'suspended') this.#takeOver(open, report.state)
    if (report?.kind === 'ended') return this.#close(this.#withOwnError(report.outcome))
    if (this.#hasStalled(open)) {
      const seconds = this.#options.settings.stallTimeoutSeconds
      const message = `nothing was written for ${seconds} s, and writers were waiting`
      return this.abort({ kind: 'failed', message, systemCode: '', sinks: [] })
    }
    this.#review(open)
    return null
  }

  /**
   * Ends the snapshot before its time, and waits until no page of it is in use: a scanner that
   * hangs inside a sink is left there. `as` is the outcome if the scanner does not have another.
   */
  abort(as: SnapshotOutcome = { kind: 'aborted', sinks: [] }): SnapshotEnd {
    const { clock, relieve } = this.#options
    const cut = this.#cut
    assert(this.#open !== null && cut !== null, 'a snapshot is under way')
    cut.abort()
    this.#scan?.cancel()
    // Who writes what the engine has encoded, or is at the end of it, looks there.
    this.#queue.cancel()
    const startUs = clock.monotonicUs()
    for (;;) {
      const report = this.#nextReport()
      if (report?.kind === 'ended') {
        const { outcome } = report
        return this.#close(outcome.kind === 'aborted' ? { ...as, sinks: outcome.sinks } : outcome)
      }
      // The thread has just left the scan to the engine: it is over with that.
      if (report?.kind === 'suspended') cut.endScan()
      const waitedMs = (clock.monotonicUs() - startUs) / 1000
      if (waitedMs > WREST_AFTER_MS && cut.wrest()) {
        this.#isThreadLost = true
        return this.#close(as)
      }
      assert(waitedMs < ABORT_WAIT_MS, 'the snapshot thread notices an abort')
      if (relieve) relieve()
      else Atomics.wait(WAIT_WORD, 0, 0, 1)
    }
  }

  /** Frees some of the memory that the last cut has left behind; whether there is more. */
  freeHeld(limit: number): boolean {
    const cut = this.#cut
    return cut !== null && !cut.isOpen && cut.freeHeld(limit)
  }

  /** After a command: encodes what it preserved, if the engine scans and it is worth it. */
  assist(): void {
    this.#scan?.assist()
  }

  get #method(): SnapshotMethod {
    return this.#scan === null ? 'background' : 'cooperative'
  }

  #jobOf({ source, order }: Open, isCooperative: boolean): SnapshotJob {
    return {
      frozen: source,
      plan: order.plan,
      sinks: order.sinks,
      spillPath: order.spillPath,
      output: this.#output,
      spillQueue: this.#spillOutput,
      isCooperative,
      progress: this.#progress.buffer as SharedArrayBuffer,
    }
  }

  #shareSegments(limit: number): void {
    const { keyspace, runner } = this.#options
    const changes = segmentChanges(keyspace.arena, this.#sharedSegments, limit)
    if (changes.length > 0) runner.shareSegments(changes)
  }

  get #reservePages(): number {
    return Math.max(BOUND_MIN, Math.floor(this.#options.settings.reserveBytes / PAGE_BYTES))
  }

  #shareDone({ pagesAtCut }: Open): number {
    return pagesAtCut === 0 ? 1 : Math.min(1, this.#progress[Progress.Pages]! / pagesAtCut)
  }

  #openCut(order: SnapshotOrder, choice: MethodChoice, boundBytes: number): Open {
    assert(this.#open === null, 'one cut at a time')
    const { keyspace, clock, isChecking = false, onDelay } = this.#options
    const { arena } = keyspace
    const boundPages = Math.max(BOUND_MIN, Math.floor(boundBytes / PAGE_BYTES))
    const cut = this.#theCut()
    this.#progress.fill(0)
    this.#queue.reset()
    this.#spillQueue.reset()
    const startUs = clock.monotonicUs()
    cut.open({ isChecking, boundPages })
    this.lastFreezeUs = Math.round(clock.monotonicUs() - startUs)
    onDelay?.('snapshot-cut', this.lastFreezeUs)
    this.#open = {
      order,
      source: shareScan(arena, keyspace.collections, cut),
      startUs,
      keysAtCut: keyspace.size,
      pagesAtCut: arena.dataPages,
      bytesAtCut: arena.datasetBytes,
      dirtyAtCut: keyspace.dirty,
      choice,
      isHandingOver: false,
      movedUs: startUs,
      moved: 0,
      reviewedUs: startUs,
    }
    this.lastChoice = choice
    return this.#open
  }

  /** The cut, with a reserve as the configuration has it now, or as the system gives. */
  #theCut(): Cut {
    const pages = this.#reservePages
    if (this.#cut !== null && this.#cutPages === pages) return this.#cut
    this.#cut?.freeHeld(Number.POSITIVE_INFINITY)
    const { keyspace, clock, log, relieve = null, onDelay } = this.#options
    this.#cutPages = pages
    this.#cut = makeCut(keyspace.arena, pages, {
      log,
      monotonicUs: () => clock.monotonicUs(),
      relieve,
      onWait: (us) => onDelay?.('snapshot-wait', us),
      queuedBytes: () => this.#queue.queuedBytes + this.#spillQueue.queuedBytes,
    })
    return this.#cut
  }

  /** From here on the engine scans. */
  #scanHere(open: Open, state: SnapshotState | null): void {
    const { keyspace, disk, clock, relieve } = this.#options
    const cut = this.#cut
    assert(cut !== null && this.#scan === null, 'one scanner at a time')
    const { order, source } = open
    const count = state?.spilled?.total ?? 0
    this.#sliceEncoder ??= new SnapshotEncoder(COOPERATIVE_CHUNK_BYTES)
    const scan = new CooperativeScan({
      source: openScan(source, keyspace.arena.segments),
      plan: order.plan,
      cut,
      queue: this.#queue,
      spill: new QueuedSpill(disk, order.spillPath, {
        queue: this.#spillQueue,
        count,
        onPut: () => this.#queue.wakeReader(),
      }),
      encoder: this.#sliceEncoder,
      progress: this.#progress,
      clock,
      commandCount: this.#options.commandCount ?? nobodyAsks,
      state,
    })
    this.#scan = scan
    cut.relieve = () => {
      scan.relieve()
      relieve?.()
    }
    this.#schedule(NextSlice.Soon)
  }

  #schedule(when: NextSlice): void {
    const { clock } = this.#options
    const run = () => {
      this.#options.sendReplies?.()
      const next = this.#scan?.slice() ?? NextSlice.None
      this.#schedule(next)
    }
    if (when === NextSlice.None) this.#timer = null
    else if (when === NextSlice.Soon) this.#timer = clock.soon(run)
    else this.#timer = clock.after(this.#scan?.laterMs ?? 1, run)
  }

  /** Asks the thread for the scan, which it leaves between two values. */
  #askForHandover(open: Open): void {
    const { relieve } = this.#options
    const cut = this.#cut
    assert(cut !== null, 'a snapshot under way has a cut')
    open.isHandingOver = true
    cut.askForHandover()
    // A command that waits for a slot may be what finds that the scan is the engine's now.
    cut.relieve = () => {
      this.#report ??= this.#options.runner.poll()
      if (this.#report?.kind === 'suspended') {
        const { state } = this.#report
        this.#report = null
        this.#takeOver(open, state)
      } else if (relieve) relieve()
      else Atomics.wait(WAIT_WORD, 0, 0, HANDOVER_WAIT_MS)
    }
  }

  /** The next report of the thread, once. */
  #nextReport(): SnapshotReport | null {
    const report = this.#report ?? this.#options.runner.poll()
    this.#report = null
    return report
  }

  /** The thread has left the scan to the engine. */
  #takeOver(open: Open, state: SnapshotState): void {
    const cut = this.#cut
    assert(cut !== null && open.isHandingOver, 'the engine has asked for it')
    open.isHandingOver = false
    cut.endHandover()
    cut.lowerBound(Math.floor(COOPERATIVE_RESERVE_BYTES / PAGE_BYTES))
    this.#scanHere(open, state)
  }

  /** Leaves the scan to the thread; false while it is in the middle of a value. */
  #handOver(): boolean {
    const { runner, relieve = null } = this.#options
    const state = this.#scan?.suspend() ?? null
    if (state === null || this.#cut === null) return false
    this.#timer?.stop()
    this.#timer = null
    this.#scan = null
    this.#cut.relieve = relieve
    runner.resume(state)
    pushResume(this.#queue)
    return true
  }

  /** Decides again who scans. */
  #review(open: Open): void {
    const { clock, log } = this.#options
    const nowUs = clock.monotonicUs()
    if (nowUs - open.reviewedUs < REVIEW_US || open.isHandingOver || this.#cut?.hasEnded) return
    open.reviewedUs = nowUs
    if (this.#scan !== null && !this.#scan.isAtWork) return
    const choice = this.choose(open.order.requested)
    if (choice.method === this.#method) return
    if (choice.method === 'cooperative') {
      this.#askForHandover(open)
    } else if (!this.#handOver()) return
    open.choice = choice
    this.lastChoice = choice
    log.notice(`Snapshot goes on ${wordFor(choice.method)}: ${choice.reason}`)
  }

  /** Whether writers have waited so long for a scan that does not move. */
  #hasStalled(open: Open): boolean {
    const { clock, settings } = this.#options
    const cut = this.#cut
    if (cut === null || cut.hasEnded) return false
    const nowUs = clock.monotonicUs()
    const moved = this.#progress[Progress.Bytes]! + this.#progress[Progress.Pages]!
    const isWaitedFor = cut.usedPages * 2 > cut.boundPages
    if (moved + this.#queue.queuedBytes !== open.moved || !isWaitedFor) {
      open.moved = moved + this.#queue.queuedBytes
      open.movedUs = nowUs
    }
    const limit = settings.stallTimeoutSeconds
    return limit > 0 && nowUs - open.movedUs > limit * 1e6
  }

  /** The engine's own failure goes before the thread's being told to stop. */
  #withOwnError(outcome: SnapshotOutcome): SnapshotOutcome {
    const error = this.#scan?.error ?? null
    if (error === null || outcome.kind !== 'aborted') return outcome
    return { kind: 'failed', message: error.message, systemCode: '', sinks: outcome.sinks }
  }

  /** Closes the cut. */
  #close(outcome: SnapshotOutcome): SnapshotEnd {
    const { clock, keyspace } = this.#options
    const open = this.#open
    const cut = this.#cut
    assert(open !== null && cut !== null, 'a snapshot that ends was under way')
    const method = this.#method
    const inlinePages = this.#scan?.inlinePages ?? 0
    // A session that failed has left the pages to the engine, which may be in the midst of them.
    this.#scan?.cancel()
    this.#scan = null
    // One that failed while the scan was on its way to the thread has never had it.
    cut.endScan()
    this.#timer?.stop()
    this.#timer = null
    this.#open = null
    cut.relieve = this.#options.relieve ?? null
    cut.close({ isComplete: outcome.kind === 'saved' })
    const seconds = (clock.monotonicUs() - open.startUs) / 1e6
    if (outcome.kind === 'saved') {
      if (method === 'background') this.#speed.noteSave(open.bytesAtCut, seconds)
      this.dirtyRate.noteSave({
        changes: Math.max(0, keyspace.dirty - open.dirtyAtCut),
        pagesPreserved: cut.figures.preservedPages,
        pagesTotal: open.pagesAtCut,
      })
    }
    const spilledBytes = this.#progress[Progress.Spilled]! * PAGE_BYTES
    return { outcome, seconds, method, figures: cut.figures, spilledBytes, inlinePages }
  }
}

function wordFor(method: SnapshotMethod): string {
  return method === 'background' ? 'in the background' : 'cooperatively'
}

function nobodyAsks(): number {
  return 0
}
