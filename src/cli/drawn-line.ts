// One line on the terminal that is drawn again and again while something takes long, and removed
// when it is over. Nothing is drawn when the standard error is no terminal.

import type { CliContext } from './subcommand.ts'

/** Between two drawings. */
const INTERVAL_US = 100_000
const ERASE = '\r\x1b[K'

export class DrawnLine {
  readonly #context: CliContext
  #nextUs: number
  #isDrawn = false

  /** Draws nothing before `fromUs`, on the monotonic clock. */
  constructor(context: CliContext, fromUs: number) {
    this.#context = context
    this.#nextUs = fromUs
  }

  /** Draws what `text` gives, when it is time. */
  draw(text: (nowUs: number) => string): void {
    const { columns, clock } = this.#context
    if (columns === 0) return
    const nowUs = clock.monotonicUs()
    if (nowUs < this.#nextUs) return
    this.#nextUs = nowUs + INTERVAL_US
    this.#isDrawn = true
    this.#context.err(
      `\r${text(nowUs)
        .slice(0, columns - 1)
        .padEnd(columns - 1)}`,
    )
  }

  /** Removes the line, if there is one. */
  clear(): void {
    if (this.#isDrawn) this.#context.err(ERASE)
    this.#isDrawn = false
  }
}

/** A bar and a percentage for a share of 0 to 1; the bar only where `columns` leave room for it. */
export function barText(share: number, columns: number, columnsMax: number): string {
  const width = Math.max(0, Math.min(columnsMax, columns))
  const full = Math.floor(share * width)
  const bar = width > 0 ? `[${'#'.repeat(full)}${' '.repeat(width - full)}] ` : ''
  return `${bar}${`${Math.floor(share * 100)}%`.padStart(4)}  `
}
