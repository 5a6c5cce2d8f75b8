// HELP of commands with subcommands: an array of status lines, as redis-cli prints them.

import type { Reply } from '../resp/reply.ts'

/** Replies with a first line about `command`, then `lines`, then HELP itself. */
export function replyHelp(reply: Reply, command: string, lines: readonly string[]): void {
  reply.array(lines.length + 3)
  reply.simple(`${command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`)
  for (const line of lines) reply.simple(line)
  reply.simple('HELP')
  reply.simple('    Print this help.')
}
