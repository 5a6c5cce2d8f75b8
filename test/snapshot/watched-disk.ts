// For tests: a disk in memory that tells of files as they are created, and notes who did what slow
// thing: whoever steps the scanner says so by `isThread`, all else is the engine.
//
// Owner: the test, one thread.

import type { DiskFile } from '../../src/base/disk.ts'
import { FakeDisk } from '../../src/base/disk-fake.ts'

export class WatchedDisk extends FakeDisk {
  /** Hears of each file that is created. */
  onCreate: (path: string) => void = () => undefined
  /** Whether the snapshot thread is what runs just now. */
  isThread: () => boolean = () => false
  /** What the engine did itself that may take long. */
  readonly byEngine: string[] = []
  /** The same for the thread. */
  readonly byThread: string[] = []

  override create(path: string, mode?: number): DiskFile {
    this.onCreate(path)
    this.#note(`create ${path}`)
    const file = super.create(path, mode)
    const note = (what: string): void => this.#note(`${what} ${path}`)
    return {
      ...file,
      write: (bytes, start, length) => {
        note('write')
        file.write(bytes, start, length)
      },
      sync: () => {
        note('fsync')
        file.sync()
      },
    }
  }

  override rename(from: string, to: string): void {
    this.#note(`rename ${from}`)
    super.rename(from, to)
  }

  override unlink(path: string): void {
    this.#note(`unlink ${path}`)
    super.unlink(path)
  }

  override syncDirectory(path: string): void {
    this.#note(`fsync ${path}`)
    super.syncDirectory(path)
  }

  #note(what: string): void {
    if (this.isThread()) this.byThread.push(what)
    else this.byEngine.push(what)
  }
}
