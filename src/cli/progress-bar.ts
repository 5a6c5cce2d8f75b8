// A line on the terminal that says how far a long reading has come, how fast it is and how long it
// will still take. Nothing is drawn in the first moments, nor when the standard error is no
// terminal, so short readings and scripts never see it.

import type { RdbFile } from '../persist/rdb/rdb-input.ts'
import type { CliContext } from './subcommand.ts'
import { byteText } from './text.ts'

/** Before the first line, and between two. */
const FIRST_US = 500_000
const INTERVAL_US = 100_000
const US_PER_SECOND = 1_000_000
/** Columns of a bar, at most, and what stands beside it. */
const BAR_COLUMNS_MAX = 40
const BESIDE_COLUMNS = 48
const ERASE = '\r\x1b[K'

export class ProgressBar {
  readonly #context: CliContext
  readonly #total: number
  readonly #startUs: number
  #nextUs: number
  #isDrawn = false

  /** Of `total` bytes. */
  constructor(context: CliContext, total: number) {
    this.#context = context
    this.#total = Math.max(total, 1)
    this.#startUs = context.clock.monotonicUs()
    this.#nextUs = this.#startUs + FIRST_US
  }

  /** Draws the line again, when it is time. */
  update(done: number): void {
    const { columns, clock } = this.#context
    if (columns === 0) return
    const nowUs = clock.monotonicUs()
    if (nowUs < this.#nextUs) return
    this.#nextUs = nowUs + INTERVAL_US
    this.#isDrawn = true
    const line = this.#line(done, (nowUs - this.#startUs) / US_PER_SECOND)
    this.#context.err(`\r${line.slice(0, columns - 1).padEnd(columns - 1)}`)
  }

  /** Removes the line, if there is one. */
  clear(): void {
    if (this.#isDrawn) this.#context.err(ERASE)
    this.#isDrawn = false
  }

  #line(done: number, seconds: number): string {
    const part = Math.min(done / this.#total, 1)
    const room = this.#context.columns - BESIDE_COLUMNS
    const width = Math.max(0, Math.min(BAR_COLUMNS_MAX, room))
    const full = Math.floor(part * width)
    const bar = width > 0 ? `[${'#'.repeat(full)}${' '.repeat(width - full)}] ` : ''
    const speed = done / seconds
    const leftSeconds = speed > 0 ? Math.ceil((this.#total - done) / speed) : 0
    const percent = `${Math.floor(part * 100)}%`.padStart(4)
    const amount = `${byteText(done)} of ${byteText(this.#total)}`
    return `${bar}${percent}  ${amount}  ${byteText(speed)}/s  ${leftSeconds} s left`
  }
}

/** A file that moves a bar as it is read: also in the midst of one large value. */
export function watchedFile(file: RdbFile, bar: ProgressBar): RdbFile {
  return {
    path: file.path,
    size: () => file.size(),
    read(bytes, start, length, position) {
      bar.update(position)
      return file.read(bytes, start, length, position)
    },
  }
}
