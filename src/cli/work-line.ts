// A line on the terminal for work that goes on elsewhere: a bar, what has passed, how fast, how
// long still. As with `ProgressBar`, nothing is drawn when the standard error is no terminal.

import { barText, DrawnLine } from './drawn-line.ts'
import type { CliContext } from './subcommand.ts'

export interface WorkState {
  /** 0 to 1; null: cannot be said. */
  readonly share: number | null
  /** What has passed, in words. */
  readonly text: string
  /** Null: cannot be said. */
  readonly etaMs: number | null
}

const BAR_COLUMNS_MAX = 30
const BESIDE_COLUMNS = 60
const US_PER_MS = 1000
const MS_PER_SECOND = 1000
const SECONDS_PER_MINUTE = 60

export class WorkLine {
  readonly #context: CliContext
  readonly #startUs: number
  readonly #drawn: DrawnLine

  constructor(context: CliContext) {
    this.#context = context
    this.#startUs = context.clock.monotonicUs()
    this.#drawn = new DrawnLine(context, 0)
  }

  /** Draws the line again, when it is time. */
  show({ share, text, etaMs }: WorkState): void {
    this.#drawn.draw(() => {
      const eta = etaMs === null ? '' : `  ${timeText(etaMs)} left`
      return `${this.#bar(share)}${text}${eta}`
    })
  }

  /** The same for bytes of a total that is known, by the rate until now. */
  showBytes(bytes: number, totalBytes: number, text: (rate: number) => string): void {
    const ms = (this.#context.clock.monotonicUs() - this.#startUs) / US_PER_MS
    const rate = ms > 0 ? (bytes / ms) * MS_PER_SECOND : 0
    const share = totalBytes > 0 ? Math.min(1, bytes / totalBytes) : null
    const etaMs = rate > 0 ? ((totalBytes - bytes) / rate) * MS_PER_SECOND : null
    this.show({ share, text: text(rate), etaMs })
  }

  /** Writes a line of text above it. */
  note(text: string): void {
    this.clear()
    this.#context.err(`${text}\n`)
  }

  clear(): void {
    this.#drawn.clear()
  }

  #bar(share: number | null): string {
    if (share === null) return ''
    return barText(share, this.#context.columns - BESIDE_COLUMNS, BAR_COLUMNS_MAX)
  }
}

/** A duration: `12 s`, `3 min 20 s`. */
export function timeText(ms: number): string {
  const seconds = Math.ceil(ms / MS_PER_SECOND)
  if (seconds < SECONDS_PER_MINUTE * 2) return `${seconds} s`
  return `${Math.floor(seconds / SECONDS_PER_MINUTE)} min ${seconds % SECONDS_PER_MINUTE} s`
}
