// tidemark: the operator's command line, a subcommand for each thing to do. The check tools work on
// files and need no running server; backups are of nodes. `SUBCOMMANDS` is their only registration.
//
//   tidemark --help                 lists them
//   tidemark SUBCOMMAND --help      says what one does
//
// They end with 0 when all is well, else with 1 or what `ExitCode` says.

import { StoreError } from '../base/errors.ts'
import { backup } from './backup.ts'
import { checkAof } from './check-aof.ts'
import { checkRdb } from './check-rdb.ts'
import { restore } from './restore.ts'
import { type CliContext, ExitCode, type Subcommand, UsageError } from './subcommand.ts'

export const SUBCOMMANDS: readonly Subcommand[] = [backup, restore, checkRdb, checkAof]

const HELP_WORDS: readonly string[] = ['--help', '-h', 'help']
const VERSION_WORDS: readonly string[] = ['--version', '-v']

/** Runs what the arguments ask for; returns the exit code. */
export function runCli(args: readonly string[], context: CliContext): ExitCode | Promise<ExitCode> {
  const [name, ...rest] = args
  if (name === undefined) {
    context.err(helpText())
    return ExitCode.Failed
  }
  if (HELP_WORDS.includes(name)) {
    context.out(helpText())
    return ExitCode.Ok
  }
  if (VERSION_WORDS.includes(name)) {
    context.out(`tidemark ${context.version}\n`)
    return ExitCode.Ok
  }
  const subcommand = SUBCOMMANDS.find((each) => each.name === name)
  if (subcommand === undefined) {
    context.err(`tidemark: no subcommand '${name}'\n\n${helpText()}`)
    return ExitCode.Failed
  }
  return runSubcommand(subcommand, rest, context)
}

function runSubcommand(
  subcommand: Subcommand,
  args: readonly string[],
  context: CliContext,
): ExitCode | Promise<ExitCode> {
  if (args.includes('--help') || args.includes('-h')) {
    const general = `${usageOf(subcommand)}\n\n${subcommand.details.join('\n')}\n`
    context.out(subcommand.help?.(args) ?? general)
    return ExitCode.Ok
  }
  try {
    return subcommand.run(args, context)
  } catch (error) {
    if (error instanceof UsageError) context.err(`${error.message}\n${usageOf(subcommand)}\n`)
    else if (error instanceof StoreError) context.err(`${error.message}\n`)
    else throw error
    return ExitCode.Failed
  }
}

function usageOf({ name, usage }: Subcommand): string {
  return `Usage: tidemark ${name} ${usage}`
}

function helpText(): string {
  const width = Math.max(...SUBCOMMANDS.map(({ name }) => name.length))
  const lines = SUBCOMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: tidemark SUBCOMMAND [ARGUMENT …]

${lines.join('\n')}

tidemark SUBCOMMAND --help says more of each.
`
}
