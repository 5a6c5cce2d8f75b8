// A line on the terminal that says how far a long reading has come, how fast it is and how long it
// will still take. Nothing is drawn in the first moments, nor when the standard error is no
// terminal, so short readings and scripts never see it.

import type { RdbFile } from '../persist/rdb/rdb-input.ts'
import { barText, DrawnLine } from './drawn-line.ts'
import type { CliContext } from './subcommand.ts'
import { byteText } from './text.ts'

/** Before the first line. */
const FIRST_US = 500_000
const US_PER_SECOND = 1_000_000
/** Columns of a bar, at most, and what stands beside it. */
const BAR_COLUMNS_MAX = 40
const BESIDE_COLUMNS = 48

export class ProgressBar {
  readonly #context: CliContext
  readonly #total: number
  readonly #startUs: number
  readonly #drawn: DrawnLine

  /** Of `total` bytes. */
  constructor(context: CliContext, total: number) {
    this.#context = context
    this.#total = Math.max(total, 1)
    this.#startUs = context.clock.monotonicUs()
    this.#drawn = new DrawnLine(context, this.#startUs + FIRST_US)
  }

  /** Draws the line again, when it is time. */
  update(done: number): void {
    this.#drawn.draw((nowUs) => this.#line(done, (nowUs - this.#startUs) / US_PER_SECOND))
  }

  /** Removes the line, if there is one. */
  clear(): void {
    this.#drawn.clear()
  }

  #line(done: number, seconds: number): string {
    const part = Math.min(done / this.#total, 1)
    const bar = barText(part, this.#context.columns - BESIDE_COLUMNS, BAR_COLUMNS_MAX)
    const speed = done / seconds
    const leftSeconds = speed > 0 ? Math.ceil((this.#total - done) / speed) : 0
    const amount = `${byteText(done)} of ${byteText(this.#total)}`
    return `${bar}${amount}  ${byteText(speed)}/s  ${leftSeconds} s left`
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
