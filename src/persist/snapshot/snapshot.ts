// Writes one snapshot of a cut: the stream's head, all keys, the stream's end. Front door of
// `persist/snapshot/`.
//
//   plan.ts             what is to be written, decided at the cut
//   scanner.ts          walks the pages of the cut, keys to RDB
//   span-reader.ts      large strings        frozen-leaves.ts  the leaves of large collections
//   scan-source.ts      how a cut gets to the thread that scans it
//   sinks.ts            where the bytes go: files (file-sink.ts) and streams, several at once
//   spill-file.ts       pages that wait on disk         frames.ts  what engine and thread exchange
//   session.ts          a snapshot from its sinks being opened to how each ended
//   snapshot-thread.ts  the thread that runs sessions        blocking-session.ts  for SAVE
//   snapshot-port.ts    the engine's end of the line to that thread
//   cooperative.ts      the engine as the one who scans, in slices
//   snapshots.ts        the engine's side: one cut at a time, and by which method
//   snapshot-view.ts    what is seen of it
//   method-choice.ts, dirty-rate.ts  which method, from what is known

import { assert, fail } from '../../base/assert.ts'
import type { FrozenPages, SpilledPages } from '../../memory/frozen-pages.ts'
import { Kernels } from '../rdb/kernels.ts'
import { type ByteSink, RdbWriter, type WriterState } from '../rdb/rdb-writer.ts'
import type { SnapshotPlan } from './plan.ts'
import type { ScanSource } from './scan-source.ts'
import { SCAN_REGION_BYTES, Scanner, type ScannerState } from './scanner.ts'

const CHUNK_BYTES = 1024 * 1024
/** Longest sleep for `rdb-key-save-delay` between two looks at whether to stop. */
const PAUSE_US_MAX = 10_000
/** Steps between two reports of progress. */
const STEPS_PER_REPORT = 64
/** Steps between two looks at the time. */
const STEPS_PER_LOOK = 8
/** A burst of work, and the rest after it. */
const WORK_US = 300
const REST_US = 100
/** Fewer pages that wait to be taken early than this leave time to rest. */
const CALM_PAGES = 256

/** Shared with the engine, which shows it; written by whoever scans. */
export const Progress = { Keys: 0, Pages: 1, Bytes: 2, Spilled: 3 } as const
export const PROGRESS_WORDS = 4

/** How a snapshot ended. */
export interface SnapshotResult {
  readonly bytes: number
  readonly keys: number
}

/** The scan was told to stop. */
export class SnapshotAborted extends Error {
  override readonly name = 'SnapshotAborted'
}

/** Where the encoded bytes go and who is told how far they are. */
export interface EncodeOptions {
  readonly sink: ByteSink
  readonly progress: Float64Array
  readonly pause: (us: number) => void
  /** Microseconds since some start, for a scan that rests now and then; null: it does not. */
  readonly nowUs: (() => number) | null
  /** How far another encoder got with this cut; null: from the start. */
  readonly state: SnapshotState | null
}

/** How far a snapshot is between two values, as it travels between threads. */
export interface SnapshotState {
  readonly scanner: ScannerState
  readonly writer: WriterState
  readonly spilled: SpilledPages | null
}

/** Kernel memory and writer, made once per thread and used for one snapshot after the other. */
export class SnapshotEncoder {
  readonly #kernels: Kernels
  readonly #writer: RdbWriter
  readonly #region: number
  #stream: Stream | null = null

  /** An encoder that hands chunks of up to `chunkBytes` to its sink. */
  constructor(chunkBytes = CHUNK_BYTES) {
    this.#kernels = new Kernels(RdbWriter.regionBytes(chunkBytes) + SCAN_REGION_BYTES)
    this.#writer = new RdbWriter(this.#kernels, chunkBytes)
    this.#region = this.#kernels.allocate(SCAN_REGION_BYTES)
  }

  /** Begins the stream of a cut. `step` then writes it; the caller ends the cut in any case. */
  begin(source: ScanSource, plan: SnapshotPlan, options: EncodeOptions): void {
    const writer = this.#writer
    const { compress, checksum, rdbVersion: version } = plan
    const { sink, state } = options
    const scanner = new Scanner(source, this.#kernels, { writer, region: this.#region, plan })
    if (state !== null) {
      writer.resume({ sink, compress, checksum, version }, state.writer)
      scanner.resume(state.scanner)
    } else {
      writer.begin({ sink, compress, checksum, version })
      writeHead(writer, plan)
    }
    const { frozen } = source
    const restedUs = options.nowUs?.() ?? 0
    const keysPaused = scanner.progress.keys
    this.#stream = { scanner, frozen, plan, options, steps: 0, keysPaused, restedUs }
  }

  /** Whether the stream can go over to another encoder just now. */
  get canSuspend(): boolean {
    return this.#theStream.scanner.canSuspend
  }

  /** Leaves the stream, for `begin` of another encoder. */
  suspend(): SnapshotState {
    const { scanner, frozen } = this.#theStream
    const state = { scanner: scanner.suspend(), writer: this.#writer.suspend() }
    this.#stream = null
    return { ...state, spilled: frozen.spilled }
  }

  /** Moves pages that fill the reserve to the spill, while nothing can be written. */
  spillDue(): void {
    const { scanner, frozen, options } = this.#theStream
    scanner.spillDue()
    options.progress[Progress.Spilled] = frozen.spilled?.total ?? 0
  }

  /** Whether pages that fill the reserve could be emitted now. */
  get hasEarly(): boolean {
    return this.#theStream.scanner.hasEarly
  }

  /** Pages taken so far. */
  get pages(): number {
    return this.#theStream.scanner.progress.pages
  }

  /** Writes some keys; true while there are more. Throws what the sink throws. */
  step(): boolean {
    const stream = this.#theStream
    if (!stream.scanner.step()) return false
    if (pauses(stream) || stream.steps++ % STEPS_PER_REPORT === 0) this.#report(stream)
    if (stream.steps % STEPS_PER_LOOK === 0) rest(stream)
    return true
  }

  /** Ends the stream after `step` returned false. */
  end(): SnapshotResult {
    const stream = this.#theStream
    const bytes = this.#writer.end()
    assert(bytes > 0, 'a stream has a head and an end')
    this.#report(stream)
    this.#stream = null
    return { bytes, keys: stream.scanner.progress.keys }
  }

  /** Drops a stream that will have no end. */
  drop(): void {
    this.#stream?.scanner.drop()
    this.#stream = null
  }

  get #theStream(): Stream {
    return this.#stream ?? fail('begin comes first')
  }

  #report({ scanner, frozen, options }: Stream): void {
    const { progress } = options
    progress[Progress.Keys] = scanner.progress.keys
    progress[Progress.Pages] = scanner.progress.pages
    progress[Progress.Bytes] = this.#writer.bytesWritten
    progress[Progress.Spilled] = frozen.spilled?.total ?? 0
    if (frozen.isAborting) throw new SnapshotAborted('snapshot: told to stop')
  }
}

/** What stands before the keys. */
function writeHead(writer: RdbWriter, plan: SnapshotPlan): void {
  for (const [name, value] of plan.aux) writer.aux(name, value)
  for (const { id, keys, expires } of plan.databases) {
    writer.selectDb(id)
    writer.resizeDb(keys, expires)
  }
}

/** A snapshot under way. */
interface Stream {
  readonly scanner: Scanner
  readonly frozen: FrozenPages
  readonly plan: SnapshotPlan
  readonly options: EncodeOptions
  steps: number
  /** Keys that `rdb-key-save-delay` was slept for. */
  keysPaused: number
  /** When the scan rested last. */
  restedUs: number
}

/**
 * Lets others run for a moment after a burst of work: where all cores are busy, a thread that wakes
 * up to serve a client waits until the one that runs has used up its time, some milliseconds. While
 * preserved pages wait to be taken there is no rest: they are what writers may come to wait for.
 */
function rest(stream: Stream): void {
  const { nowUs, pause } = stream.options
  if (nowUs === null || nowUs() - stream.restedUs < WORK_US) return
  const isCalm = stream.frozen.earlyCount < CALM_PAGES && stream.frozen.urgentPage() < 0
  if (isCalm) pause(REST_US)
  stream.restedUs = nowUs()
}

/** Sleeps as `rdb-key-save-delay` says; whether it did. */
function pauses(stream: Stream): boolean {
  const { keys } = stream.scanner.progress
  const count = keys - stream.keysPaused
  if (stream.plan.keyDelayUs === 0 || count === 0) return false
  // In pieces, so that an abort does not have to wait for a long one.
  for (let leftUs = count * stream.plan.keyDelayUs; leftUs > 0; leftUs -= PAUSE_US_MAX) {
    if (stream.frozen.isAborting) break
    stream.options.pause(Math.min(leftUs, PAUSE_US_MAX))
  }
  stream.keysPaused = keys
  return true
}
