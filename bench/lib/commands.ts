// How benchmarks use the generator of commands: run a fixed number of them and learn what they cost
// the server in CPU, or keep them coming beside something else. A command that the server refuses
// or does not know ends the run with the server's own words.

import type { CommandLoad, CommandResult } from './commands-main.ts'
import { type Helper, runHelper, startHelper } from './helper.ts'
import { cpuSeconds } from './proc.ts'
import type { RunningServer } from './server.ts'
import type { Words } from './template.ts'

/** Commands to be sent, and how; what is left out is as for filling. */
export type Load = Partial<CommandLoad> & { readonly commands: readonly Words[] }

export interface CostedResult extends CommandResult {
  /** CPU of the server's processes per command. */
  readonly cpuUs: number
}

const MAIN = 'commands-main.ts'
const LOAD_LIMIT_MS = 300_000
/** What a helper may take beyond its own limit: its start, and what is still in flight. */
const GRACE_MS = 60_000

/** Sends the commands, waits for all replies, and says what that cost. */
export async function runCommands(server: RunningServer, load: Load): Promise<CostedResult> {
  const options = withDefaults(server, load)
  const before = cpuSeconds(server.pid)
  const running = runHelper<CommandResult>(MAIN, options, options.limitMs + GRACE_MS)
  const result = await running.catch((error: Error) => {
    throw new Error(`${load.commands[0]?.slice(0, 2).join(' ')}: ${error.message}`)
  })
  const seconds = cpuSeconds(server.pid) - before
  return { ...result, cpuUs: (seconds * 1e6) / Math.max(1, result.operations) }
}

/** Keeps the commands coming until stopped. */
export function startCommands(server: RunningServer, load: Load): Promise<Helper<CommandResult>> {
  return startHelper<CommandResult>(MAIN, withDefaults(server, load))
}

function withDefaults(server: RunningServer, load: Load): CommandLoad & { port: number } {
  return {
    port: server.port,
    pipeline: 64,
    connections: 4,
    batches: 4,
    limitMs: LOAD_LIMIT_MS,
    seed: 1,
    ...load,
  }
}
