// What a client has queued since MULTI. Queued commands hold copies of their arguments; nothing of
// them is looked at again before EXEC but the flags, which decide whether EXEC may run now.
// transaction-commands.ts runs it, watches.ts knows whether a watched key has changed.

import type { OpenTransaction } from '../command/dispatch.ts'
import type { CommandEntry } from '../command/table.ts'
import type { Args } from '../resp/args.ts'

/**
 * A queued command besides the bytes of its arguments: growth of the resident set by 8000 clients
 * with 30 commands each.
 */
const COMMAND_BYTES = 900

export interface QueuedCommand {
  readonly entry: CommandEntry
  readonly args: Args
}

export class Transaction implements OpenTransaction {
  readonly commands: QueuedCommand[] = []
  flags = 0
  missingFlags = 0
  isFailed = false
  /** Bytes held. */
  size = 0

  add(entry: CommandEntry, args: Args): void {
    this.flags |= entry.flags
    this.missingFlags |= ~entry.flags
    const copy = args.clone()
    this.size += copy.bytes.length + COMMAND_BYTES
    this.commands.push({ entry, args: copy })
  }
}
