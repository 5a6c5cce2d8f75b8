// Arguments of subcommands: options by Node's parser, whose complaints become `UsageError`s, and
// exactly one file.

import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './subcommand.ts'

export type Options = NonNullable<ParseArgsConfig['options']>
export type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>
>

/** The values of the options, and the one file that is named. Throws UsageError. */
export function parseFileArguments<T extends Options>(
  args: readonly string[],
  options: T,
): { readonly path: string; readonly values: Parsed<T>['values'] } {
  const { values, positionals } = parseArguments(args, options)
  const [path, ...others] = positionals
  if (path === undefined) throw new UsageError('Which file?')
  if (others.length > 0) throw new UsageError(`One file at a time, not ${positionals.length}`)
  return { path, values }
}

/** Options and what else there is, as Node's parser finds them. Throws UsageError. */
export function parseArguments<T extends Options>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!code.startsWith('ERR_PARSE_ARGS')) throw error
    throw new UsageError((error as Error).message)
  }
}
