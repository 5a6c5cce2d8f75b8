// The spill of a cut on disk: pages that cannot be encoded soon, so that neither reserve nor arena
// must keep them (frozen-pages.ts). Written at its end only, read back once, gone with the save.
//
//   SpillFile     for whoever may wait for the disk: the snapshot thread, and SAVE
//   QueuedSpill   for the engine: pages go through a queue to the thread, which has the file. What
//                 is not known to be written is kept, and read from there; the rest is read from
//                 the file, where the page cache has it. The queue is one of its own: what is
//                 encoded may wait for a stream that takes nothing, and pages must not wait then
//
// `put` never waits for the disk: it is called with a page marked Busy, for which the engine may
// be waiting. `makeRoom` may, so it comes before, and so may `read`.

import { assert, fail } from '../../base/assert.ts'
import type { Disk, DiskFile } from '../../base/disk.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import type { FrameQueue } from '../../base/frame-queue.ts'
import { copySlice, Slice } from '../../base/slice.ts'
import { type PageRange, type PageSpill, SPILL_STEP } from '../../memory/frozen-pages.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'

const BUFFER_PAGES = 32
/** Bytes of the queue in which the engine's pages go to the file. */
export const SPILL_QUEUE_BYTES = 512 * 1024
/** A page as it lies there. */
const FRAMED_PAGE_BYTES = PAGE_BYTES + 8
/** More than the queue and the file's buffer hold. */
const KEPT_PAGES = SPILL_QUEUE_BYTES / PAGE_BYTES + BUFFER_PAGES + 2

/** Hears of calls of the disk that may take long; `leave` may throw to end the scan. */
export interface DiskWatch {
  enter(): void
  leave(): void
}

export class SpillFile implements PageSpill {
  readonly #disk: Disk
  readonly #path: string
  readonly #watch: DiskWatch
  #file: DiskFile | null = null
  #reader: DiskFile | null = null
  readonly #buffer = new Uint8Array(BUFFER_PAGES * PAGE_BYTES)
  readonly #copied = new Slice()
  #buffered = 0
  #written = 0

  /** A spill at `path`, which is created with the first page. */
  constructor(disk: Disk, path: string, watch: DiskWatch) {
    this.#disk = disk
    this.#path = path
    this.#watch = watch
  }

  /** Pages that have been put. */
  get count(): number {
    return this.#written + this.#buffered
  }

  /** Pages that are in the file. */
  get written(): number {
    return this.#written
  }

  makeRoom(): boolean {
    if (this.#buffered > BUFFER_PAGES - SPILL_STEP) this.flush()
    return true
  }

  put(bytes: Uint8Array, start: number): number {
    assert(this.#buffered < BUFFER_PAGES, 'room was made')
    const number = this.count
    const page = this.#copied.set(bytes, start, PAGE_BYTES)
    copySlice(page, this.#buffer, this.#buffered * PAGE_BYTES)
    this.#buffered++
    return number
  }

  /** Writes what has been put. Throws StoreError. */
  flush(): void {
    if (this.#buffered === 0) return
    this.#watch.enter()
    try {
      this.#file ??= this.#disk.create(this.#path)
      this.#file.write(this.#buffer, 0, this.#buffered * PAGE_BYTES)
      this.#written += this.#buffered
      this.#buffered = 0
    } finally {
      this.#watch.leave()
    }
  }

  read(number: number, range: PageRange, target: Uint8Array, start: number): void {
    assert(number < this.count, 'what is read has been put')
    this.flush()
    this.#watch.enter()
    try {
      this.#reader ??= this.#disk.openRead(this.#path)
      readPages(this.#reader, number, range, { bytes: target, start })
    } finally {
      this.#watch.leave()
    }
  }

  /** Closes and removes the file; what fails here is of no use to anybody. */
  discard(): void {
    if (this.#file === null) return
    for (const step of [
      () => this.#reader?.close(),
      () => this.#file?.close(),
      () => this.#disk.unlink(this.#path),
    ]) {
      try {
        step()
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
      }
    }
    this.#file = null
    this.#reader = null
  }
}

export interface QueuedSpillOptions {
  /** Carries the pages; its mark is how many are in the file. */
  readonly queue: FrameQueue
  /** Pages that were spilled before. */
  readonly count: number
  /** Wakes the thread that takes them. */
  readonly onPut: () => void
}

export class QueuedSpill implements PageSpill {
  readonly #disk: Disk
  readonly #path: string
  readonly #queue: FrameQueue
  readonly #onPut: () => void
  /** Pages on their way, by number modulo KEPT_PAGES; made for the first one. */
  #kept: Uint8Array | null = null
  readonly #copied = new Slice()
  #count: number
  #reader: DiskFile | null = null

  /** The engine's end of the spill at `path`. */
  constructor(disk: Disk, path: string, options: QueuedSpillOptions) {
    this.#disk = disk
    this.#path = path
    this.#queue = options.queue
    this.#count = options.count
    this.#onPut = options.onPut
  }

  makeRoom(): boolean {
    const isKept = this.#count - this.#queue.mark <= KEPT_PAGES - SPILL_STEP
    return isKept && this.#queue.room >= SPILL_STEP * FRAMED_PAGE_BYTES
  }

  put(bytes: Uint8Array, start: number): number {
    this.#queue.push(0, bytes, start, PAGE_BYTES)
    this.#onPut()
    this.#kept ??= new Uint8Array(KEPT_PAGES * PAGE_BYTES)
    const page = this.#copied.set(bytes, start, PAGE_BYTES)
    copySlice(page, this.#kept, (this.#count % KEPT_PAGES) * PAGE_BYTES)
    return this.#count++
  }

  read(number: number, range: PageRange, target: Uint8Array, start: number): void {
    let at = range.skip
    const limit = range.skip + range.length
    for (let to = start; at < limit; ) {
      const page = number + Math.floor(at / PAGE_BYTES)
      const skip = at % PAGE_BYTES
      const length = Math.min(limit - at, PAGE_BYTES - skip)
      if (page < this.#queue.mark) {
        this.#reader ??= this.#disk.openRead(this.#path)
        readPages(this.#reader, page, { skip, length }, { bytes: target, start: to })
      } else {
        const from = (page % KEPT_PAGES) * PAGE_BYTES + skip
        copySlice(this.#copied.set(this.#theKept, from, length), target, to)
      }
      at += length
      to += length
    }
  }

  get #theKept(): Uint8Array {
    return this.#kept ?? fail('what is not written has been put here')
  }

  /** Closes the file; that this fails is of no interest, as it was only read. */
  close(): void {
    const reader = this.#reader
    this.#reader = null
    try {
      reader?.close()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }
}

function readPages(
  file: DiskFile,
  number: number,
  range: PageRange,
  target: { readonly bytes: Uint8Array; readonly start: number },
): void {
  const { skip, length } = range
  let done = 0
  while (done < length) {
    const position = number * PAGE_BYTES + skip + done
    const count = file.read(target.bytes, target.start + done, length - done, position)
    if (count === 0) {
      const where = `spill ${file.path}: ends at byte ${position}`
      throw new StoreError(ErrorCode.DiskFailed, `${where}, expected ${length - done} more`)
    }
    done += count
  }
}
