// Which arguments of a command are secrets: passwords, and values of parameters that hold them.
// They must appear in no log.

import type { CommandEntry } from '../command/table.ts'
import type { Args } from '../resp/args.ts'
import type { Config } from './config.ts'
import { migrateSecrets } from './migrate-arguments.ts'

/** Positions of the secrets among `args`. */
export function secretsOf(entry: CommandEntry, args: Args, config: Config): ReadonlySet<number> {
  const found = new Set<number>()
  const hideFrom = (first: number) => {
    for (let i = first; i < args.count; i++) found.add(i)
  }
  if (entry.fullName === 'auth') hideFrom(1)
  if (entry.fullName === 'migrate') {
    for (const i of migrateSecrets(args)) found.add(i)
  }
  if (entry.fullName === 'config|set') {
    for (let i = 2; i + 1 < args.count; i += 2) {
      if (config.isSensitive(args.text(i))) found.add(i + 1)
    }
  }
  if (entry.fullName === 'hello') {
    for (let i = 2; i + 2 < args.count; i++) {
      if (args.text(i).toLowerCase() !== 'auth') continue
      found.add(i + 1)
      found.add(i + 2)
    }
  }
  return found
}
