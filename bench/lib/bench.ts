// What a benchmark is: one question, asked of two servers in the same run. The *subject* is the
// server that this repository builds, the *reference* the one it is compared with; either may be
// any command that takes redis-server's arguments, and with the same command twice the run is a
// control that shows how far two equal servers seem to differ.
//
// A benchmark declares its measures, adds one value per server and round, and knows nothing of
// output: result.ts makes JSON and tables of it.

import type { RunningServer, ServerOptions } from './server.ts'
import { withServer } from './server.ts'
import type { Summary } from './stats.ts'

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

export interface Bench {
  readonly name: string
  /** One sentence, shown above the table. */
  readonly question: string
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
  /** Directory under which servers make theirs. */
  readonly work: string
  readonly values = new Map<string, Record<Role, number[]>>()
  readonly notes: string[] = []
  readonly log: (line: string) => void
  #keys: number | null

  constructor(bench: Bench, options: SetupOptions) {
    this.commands = options.commands
    this.rounds = options.rounds ?? (options.isQuick ? 1 : bench.rounds)
    this.isQuick = options.isQuick
    this.work = options.work
    this.log = options.log
    this.#keys = options.keys
    for (const measure of bench.measures) {
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

  /** Notes one round's value of a declared measure. */
  add(measure: string, role: Role, value: number): void {
    const values = this.values.get(measure)
    if (!values) throw new Error(`measure '${measure}' is not declared`)
    if (!Number.isFinite(value)) throw new Error(`measure '${measure}' of ${role} is ${value}`)
    values[role].push(value)
  }

  /** Runs `use` with a fresh server of that role, then stops it. */
  withServer<T>(
    role: Role,
    use: (server: RunningServer) => Promise<T>,
    more: Partial<ServerOptions> = {},
  ): Promise<T> {
    return withServer({ ...more, command: this.commands[role], work: this.work }, use)
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

export interface SetupOptions {
  readonly commands: Readonly<Record<Role, string>>
  readonly isQuick: boolean
  readonly work: string
  readonly log: (line: string) => void
  /** Instead of the benchmark's own. */
  readonly rounds: number | null
  readonly keys: number | null
}
