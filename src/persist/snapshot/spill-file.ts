// The spill of a cut on disk: pages that cannot be encoded soon, so that neither reserve nor arena
// must keep them (frozen-pages.ts). Written at its end only, read back once, gone with the save.
//
//   SpillFile     for whoever may wait for the disk: the snapshot thread, and SAVE
//   QueuedSpill   for the engine: pages go through the output queue to the thread, which has the
//                 file; only what is known to be written is read back (from the page cache)

import { assert } from '../../base/assert.ts'
import type { Disk, DiskFile } from '../../base/disk.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import type { FrameQueue } from '../../base/frame-queue.ts'
import { copySlice, Slice } from '../../base/slice.ts'
import type { PageRange, PageSpill } from '../../memory/frozen-pages.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import { Frame } from './frames.ts'

const BUFFER_PAGES = 16
/** Room that the queue must have before a run is put into it, so that output is not held up. */
const QUEUE_ROOM_BYTES = 4 * RUN_PAGES_MAX * PAGE_BYTES

export class SpillFile implements PageSpill {
  readonly hasRoom = true
  readonly #disk: Disk
  readonly #path: string
  #file: DiskFile | null = null
  #reader: DiskFile | null = null
  readonly #buffer = new Uint8Array(BUFFER_PAGES * PAGE_BYTES)
  readonly #copied = new Slice()
  #buffered = 0
  #written = 0

  /** A spill at `path`, which is created with the first page. */
  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  /** Pages that have been put. */
  get count(): number {
    return this.#written + this.#buffered
  }

  /** Pages that are in the file. */
  get written(): number {
    return this.#written
  }

  put(bytes: Uint8Array, start: number): number {
    const number = this.count
    const page = this.#copied.set(bytes, start, PAGE_BYTES)
    copySlice(page, this.#buffer, this.#buffered * PAGE_BYTES)
    this.#buffered++
    if (this.#buffered === BUFFER_PAGES) this.flush()
    return number
  }

  /** Writes what has been put. Throws StoreError. */
  flush(): void {
    if (this.#buffered === 0) return
    this.#file ??= this.#disk.create(this.#path)
    this.#file.write(this.#buffer, 0, this.#buffered * PAGE_BYTES)
    this.#written += this.#buffered
    this.#buffered = 0
  }

  isReadable(number: number): boolean {
    return number < this.count
  }

  read(number: number, range: PageRange, target: Uint8Array, start: number): void {
    assert(number < this.count, 'what is read has been put')
    this.flush()
    this.#reader ??= this.#disk.openRead(this.#path)
    readPages(this.#reader, number, range, { bytes: target, start })
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

export class QueuedSpill implements PageSpill {
  readonly #disk: Disk
  readonly #path: string
  readonly #queue: FrameQueue
  #count: number
  #reader: DiskFile | null = null

  /** The engine's end of the spill at `path`, which holds `count` pages already. */
  constructor(disk: Disk, path: string, options: { queue: FrameQueue; count: number }) {
    this.#disk = disk
    this.#path = path
    this.#queue = options.queue
    this.#count = options.count
  }

  get hasRoom(): boolean {
    return this.#queue.room >= QUEUE_ROOM_BYTES
  }

  put(bytes: Uint8Array, start: number): number {
    this.#queue.push(Frame.Spill, bytes, start, PAGE_BYTES)
    return this.#count++
  }

  isReadable(number: number): boolean {
    return number < this.#queue.mark
  }

  read(number: number, range: PageRange, target: Uint8Array, start: number): void {
    const last = number + Math.ceil((range.skip + range.length) / PAGE_BYTES) - 1
    // Seldom: what is about to be read is looked at before (Scanner.isReady).
    while (!this.isReadable(last)) {
      if (this.#queue.isClosed) throw new StoreError(ErrorCode.DiskFailed, 'spill: given up')
      this.#queue.waitForRoom(1)
    }
    this.#reader ??= this.#disk.openRead(this.#path)
    readPages(this.#reader, number, range, { bytes: target, start })
  }

  close(): void {
    this.#reader?.close()
    this.#reader = null
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
