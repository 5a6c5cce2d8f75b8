// The slow log: the last commands that took longer than `slowlog-log-slower-than`. Long arguments
// and long lists of them are cut as Redis cuts them, so an entry is never large.

import type { Args } from '../resp/args.ts'

export interface SlowEntry {
  readonly id: number
  readonly unixSeconds: number
  readonly durationUs: number
  /** One character per byte. */
  readonly args: readonly string[]
  readonly address: string
  readonly clientName: string
}

const ARGUMENTS_MAX = 32
const ARGUMENT_LENGTH_MAX = 128

export class SlowLog {
  /** Newest first. */
  readonly #entries: SlowEntry[] = []
  #nextId = 0
  #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#entries.length
  }

  /** The newest `count` entries, newest first. */
  newest(count: number): readonly SlowEntry[] {
    return this.#entries.slice(0, count)
  }

  setLimit(limit: number): void {
    this.#limit = limit
    this.#trim()
  }

  /** Adds a command without its `secrets`, which are positions of arguments. */
  add(args: Args, secrets: ReadonlySet<number>, entry: Omit<SlowEntry, 'id' | 'args'>): void {
    this.#entries.unshift({ id: this.#nextId++, ...entry, args: cutArguments(args, secrets) })
    this.#trim()
  }

  clear(): void {
    this.#entries.length = 0
  }

  #trim(): void {
    if (this.#entries.length > this.#limit) this.#entries.length = this.#limit
  }
}

function cutArguments(args: Args, secrets: ReadonlySet<number>): string[] {
  const result: string[] = []
  const kept = args.count > ARGUMENTS_MAX ? ARGUMENTS_MAX - 1 : args.count
  for (let i = 0; i < kept; i++) {
    result.push(secrets.has(i) ? '(redacted)' : cutArgument(args, i))
  }
  if (kept < args.count) result.push(`... (${args.count - kept} more arguments)`)
  return result
}

function cutArgument(args: Args, i: number): string {
  const length = args.length(i)
  if (length <= ARGUMENT_LENGTH_MAX) return args.text(i)
  const head = args.head(i, ARGUMENT_LENGTH_MAX)
  return `${head}... (${length - ARGUMENT_LENGTH_MAX} more bytes)`
}
