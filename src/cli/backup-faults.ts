// Faults of backups as lines and exit codes. What is not known here is a bug and is thrown on, so
// that it ends the program with its stack.

import { StoreError } from '../base/errors.ts'
import { AgeKeyError } from '../control/backup/age-keys.ts'
import { DeletionRefused } from '../control/backup/catalog.ts'
import { LeaseTaken } from '../control/backup/lease.ts'
import { EngineError } from '../control/backup/local-engine.ts'
import { NameError } from '../control/backup/names.ts'
import { PartFault } from '../control/backup/part-reader.ts'
import { SurveyError } from '../control/backup/rdb-survey.ts'
import { CatalogFault } from '../control/backup/read-manifest.ts'
import { RestoreInterrupted } from '../control/restore/restore-node.ts'
import { RestoreRefused } from '../control/restore/restore-target.ts'
import { ConfigError } from '../control/service/read-config.ts'
import { RuleError } from '../control/service/rules.ts'
import { AddressError } from '../control/source/node-address.ts'
import { NodeError } from '../control/source/node-error.ts'
import { type FaultKind, StoreFault } from '../control/store/object-store.ts'
import { type CliContext, ExitCode, UsageError } from './subcommand.ts'

const STORE_CODES: Readonly<Record<FaultKind, ExitCode>> = {
  missing: ExitCode.Missing,
  exists: ExitCode.Refused,
  denied: ExitCode.Failed,
  full: ExitCode.Failed,
  damaged: ExitCode.Damaged,
  unavailable: ExitCode.Failed,
  invalid: ExitCode.Usage,
  aborted: ExitCode.Failed,
}

/** Writes what is wrong; `program` is named with misuse, for its --help. */
export function tellFault(error: unknown, program: string, context: CliContext): ExitCode {
  const code = codeOf(error)
  if (code === null) throw error
  const { message } = error as Error
  if (error instanceof UsageError) context.err(`${message}\n${program} --help says more.\n`)
  else context.err(`${message}\n`)
  return code
}

/** Null: it is none of those that can happen. */
export function codeOf(error: unknown): ExitCode | null {
  if (error instanceof StoreFault) return STORE_CODES[error.kind]
  if (error instanceof NodeError) {
    return error.kind === 'refused' ? ExitCode.Refused : ExitCode.Failed
  }
  if (error instanceof RuleError) return error.kind === 'name' ? ExitCode.Usage : ExitCode.Refused
  if (error instanceof LeaseTaken || error instanceof DeletionRefused) return ExitCode.Refused
  if (error instanceof RestoreRefused) return ExitCode.Refused
  if (error instanceof RestoreInterrupted) return ExitCode.Failed
  if (error instanceof PartFault) {
    if (error.kind === 'locked') return ExitCode.Failed
    return ExitCode.Damaged
  }
  if (error instanceof CatalogFault || error instanceof SurveyError) return ExitCode.Damaged
  const isMisuse = [UsageError, NameError, AddressError, AgeKeyError, ConfigError].some(
    (each) => error instanceof each,
  )
  if (isMisuse) return ExitCode.Usage
  if (error instanceof EngineError || error instanceof StoreError) return ExitCode.Failed
  // Node's own: a file that cannot be read or written.
  if (error instanceof Error && 'syscall' in error) {
    return 'code' in error && error.code === 'ENOENT' ? ExitCode.Missing : ExitCode.Failed
  }
  return null
}
