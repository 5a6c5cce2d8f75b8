// What a benchmark is: one question, asked of two servers in the same run. The *subject* is the
// server that this repository builds, the *reference* the one it is compared with; either may be
// any command that takes redis-server's arguments, and with the same command twice the run is a
// control that shows how far two equal servers seem to differ.
//
// A benchmark declares its measures, adds one value per server and round, and knows nothing of
// output: result.ts makes JSON and tables of it. The subject may run in several *variants*, by
// directives of its own, beside one reference (variants.ts).

import type { RunningServer, ServerOptions } from './server.ts'
import { withServer } from './server.ts'
import type { Summary } from './stats.ts'
import type { Series } from './window.ts'

export type Role = 'subject' | 'reference'
export const ROLES: readonly Role[] = ['subject', 'reference']

export interface Measure {
  readonly name: string
  readonly unit: string
  /** Which way is good; missing where the number only explains others. */
  readonly better?: 'lower' | 'higher'
  readonly target?: Target
  /** Place in a table of two dimensions, where the benchmark wants one (pivot.ts). */
  readonly cell?: { readonly row: string; readonly column: string }
  /** Place in a table with a column for each variant of the subject (variants.ts). */
  readonly variant?: { readonly row: string; readonly column: string }
  /** What values stand for, where they are outcomes: value 0 is the first word, the best one. */
  readonly words?: readonly string[]
}

/** A measure with what a run has found. */
export interface Row extends Measure {
  readonly subject?: Summary
  readonly reference?: Summary
  /** Subject's median over the reference's. */
  readonly ratio?: number
  /** Whether the target is met; missing where there is no target or no value. */
  readonly isMet?: boolean
}

/** What is promised: of the subject's own median, or of its ratio to the reference's median. */
export interface Target {
  readonly of: 'subject' | 'ratio'
  /** At most this where lower is better, at least this where higher is. */
  readonly limit: number
}

/** A server and the settings it is measured in. */
export interface Variant {
  /** Title of its column. */
  readonly name: string
  readonly role: Role
  /** What it is started with. */
  readonly directives: readonly string[]
  /** The snapshot method that it is to save by; missing where that is left to the server. */
  readonly method?: string
}

export interface Bench {
  readonly name: string
  /** One sentence, shown above the table. */
  readonly question: string
  /** Those that depend on the sizes wanted are declared when it runs (`Setup.declare`). */
  readonly measures: readonly Measure[]
  readonly rounds: number
  run(setup: Setup): Promise<Parameters>
}

/** What was fixed in the run: sizes, rates, counts. */
export type Parameters = Record<string, string | number>

/** One run of one benchmark: its servers, its sizes, and where the values go. */
export class Setup {
  readonly commands: Readonly<Record<Role, string>>
  readonly rounds: number
  readonly isQuick: boolean
  /** The sizes that take long, where a benchmark has smaller ones by default. */
  readonly isFull: boolean
  /** Directory under which servers make theirs. */
  readonly work: string
  /** For charts: the first of each name and variant is kept. */
  readonly series: Series[] = []
  readonly measures: Measure[] = []
  readonly values = new Map<string, Record<Role, number[]>>()
  readonly notes: string[] = []
  readonly log: (line: string) => void
  readonly #keys: number | null
  readonly #sizes: readonly number[] | null
  readonly #variants: readonly string[] | null

  constructor(bench: Bench, options: SetupOptions) {
    this.commands = options.commands
    this.rounds = options.rounds ?? (options.isQuick ? 1 : bench.rounds)
    this.isQuick = options.isQuick
    this.isFull = options.isFull
    this.work = options.work
    this.log = options.log
    this.#keys = options.keys
    this.#sizes = options.sizes
    this.#variants = options.variants
    this.declare(bench.measures)
  }

  declare(measures: readonly Measure[]): void {
    for (const measure of measures) {
      this.measures.push(measure)
      this.values.set(measure.name, { subject: [], reference: [] })
    }
  }

  /** `full`, or `quick` in a quick run. */
  size(full: number, quick: number): number {
    return this.isQuick ? quick : full
  }

  /** As `size`, for counts of keys, which the command line may set. */
  keys(full: number, quick: number): number {
    return this.#keys ?? this.size(full, quick)
  }

  /** `full`, or `quick` in a quick run, or the sizes of the command line. */
  sizes(full: readonly number[], quick: readonly number[]): readonly number[] {
    return this.#sizes ?? (this.isQuick ? quick : full)
  }

  /** Notes one round's value of a declared measure. */
  add(measure: string, role: Role, value: number): void {
    const values = this.values.get(measure)
    if (!values) throw new Error(`measure '${measure}' is not declared`)
    if (!Number.isFinite(value)) throw new Error(`measure '${measure}' of ${role} is ${value}`)
    values[role].push(value)
  }

  /** Notes one round's value of a quantity; the reference's stands beside every variant's. */
  note(quantity: string, variant: Variant, value: number): void {
    if (variant.role === 'subject')
      return this.add(variantMeasure(quantity, variant), 'subject', value)
    for (const measure of this.measures) {
      if (measure.variant?.row === quantity) this.add(measure.name, 'reference', value)
    }
  }

  /** Puts a line under the table, once for each variant and text. */
  remark({ name }: Variant, text: string): void {
    const note = `${name}: ${text}`
    if (!this.notes.includes(note)) this.notes.push(note)
  }

  addSeries(series: Series): void {
    const isKnown = ({ name, variant }: Series) =>
      name === series.name && variant === series.variant
    if (!this.series.some(isKnown)) this.series.push(series)
  }

  /** Runs `use` with a fresh server of that role, then stops it. */
  withServer<T>(
    role: Role,
    use: (server: RunningServer) => Promise<T>,
    more: Partial<ServerOptions> = {},
  ): Promise<T> {
    return withServer({ ...more, command: this.commands[role], work: this.work }, use)
  }

  /** As `withServer`. In a control run both servers are the same: directives are left out. */
  withVariant<T>(
    variant: Variant,
    use: (server: RunningServer) => Promise<T>,
    more: Partial<ServerOptions> = {},
  ): Promise<T> {
    const isControl = this.commands.subject === this.commands.reference
    const directives = isControl ? [] : variant.directives
    return this.withServer(variant.role, use, { ...more, directives })
  }

  /** Each round each wanted variant once, in an order that turns, so that drift favours none. */
  async rotate(
    variants: readonly Variant[],
    run: (variant: Variant) => Promise<void>,
  ): Promise<void> {
    const wanted = variants.filter(({ name }) => this.#variants?.includes(name) ?? true)
    for (let round = 0; round < this.rounds; round++) {
      for (let i = 0; i < wanted.length; i++) {
        const variant = wanted[(round + i) % wanted.length]!
        this.log(`round ${round + 1} of ${this.rounds}, ${variant.name}`)
        await run(variant)
      }
    }
  }

  /** Each round each server once; which goes first alternates, so that drift favours neither. */
  async alternate(run: (role: Role, round: number) => Promise<void>): Promise<void> {
    for (let round = 0; round < this.rounds; round++) {
      for (const role of round % 2 === 0 ? ROLES : [...ROLES].reverse()) {
        this.log(`round ${round + 1} of ${this.rounds}, ${role}`)
        await run(role, round)
      }
    }
  }
}

/** The name of the measure that a quantity has for a variant of the subject. */
export function variantMeasure(quantity: string, { name }: Variant): string {
  return `${quantity}, ${name}`
}

export interface SetupOptions {
  readonly commands: Readonly<Record<Role, string>>
  readonly isQuick: boolean
  readonly isFull: boolean
  readonly work: string
  readonly log: (line: string) => void
  /** Names of the variants to run; null: all. */
  readonly variants: readonly string[] | null
  /** Instead of the benchmark's own. */
  readonly rounds: number | null
  readonly keys: number | null
  readonly sizes: readonly number[] | null
}
