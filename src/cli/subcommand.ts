// What a subcommand of `tidemark` is, and what it gets of the world around it: files, time, and
// where text goes. It returns the exit code and never ends the process itself, so that tests run it
// in their own.

import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'

/**
 * 0 when all is well. The check tools end with 1 for damage, misuse and failure alike, as Redis's
 * do; `backup` and `restore` tell these apart (docs/backup.md).
 */
export const ExitCode = {
  Ok: 0,
  Failed: 1,
  /** Arguments, configuration, names: nothing was tried. */
  Usage: 2,
  /** There is no such backup, object or file. */
  Missing: 3,
  /** A rule is in the way: the name is taken, a quota, a pin, an operation under way. */
  Refused: 4,
  /** What is stored, or what came, is damaged. */
  Damaged: 5,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export interface CliContext {
  readonly disk: Disk
  readonly clock: Clock
  /** Results: the standard output. */
  out(text: string): void
  /** Misuse and progress: the standard error. */
  err(text: string): void
  /** Columns of the terminal that `err` writes to; 0 when it is none: then no progress is shown. */
  readonly columns: number
  /** Of this program. */
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborts when somebody wants the program to end; only what takes long looks at it. */
  readonly signal: AbortSignal
}

export interface Subcommand {
  readonly name: string
  /** What follows the name on the command line. */
  readonly usage: string
  /** One line for the list of subcommands. */
  readonly summary: string
  /** Lines for `--help`, one for each thing there is to know. */
  readonly details: readonly string[]
  /** Text for `--help` in place of usage and details: of one of several actions. */
  readonly help?: (args: readonly string[]) => string | null
  /** Throws `UsageError` for arguments that it does not take, `StoreError` for what is refused. */
  run(args: readonly string[], context: CliContext): ExitCode | Promise<ExitCode>
}

/** The caller's mistake: told with the subcommand's usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
