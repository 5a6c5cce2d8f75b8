// All commands of the server, in families. The order is that of COMMAND.

import type { Command } from '../command/command.ts'
import { stringCommands } from '../command/string.ts'
import { connectionCommands } from './connection-commands.ts'

export const allCommands: readonly (readonly Command[])[] = [stringCommands, connectionCommands]

/** The names of all commands, without subcommands. */
export function commandNames(): ReadonlySet<string> {
  return new Set(allCommands.flat().map(({ name }) => name))
}
