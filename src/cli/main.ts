// The program behind `bin/tidemark`: arguments and terminal to a subcommand to an exit code. The
// only reader of the process's arguments, environment and signals among the tools.

import { join } from 'node:path'
import { SystemClock } from '../base/clock.ts'
import { SystemDisk } from '../base/disk.ts'
import { runCli } from './cli.ts'
import { ExitCode } from './subcommand.ts'

const disk = new SystemDisk()
const packageJson = disk.readText(join(import.meta.dirname, '../../package.json'))
const { version } = JSON.parse(packageJson) as { version: string }

// Whoever reads the output may have had enough of it (`tidemark … | head`).
process.stdout.on('error', () => process.exit(1))

const stop = new AbortController()

/** The first signal asks, so that nothing is left behind; the second ends at once. */
function onSignal(): void {
  if (stop.signal.aborted) process.exit(ExitCode.Failed)
  stop.abort()
}

/** Only what runs for long hears of it: the check tools end at once, as they are. */
function stopSignal(): AbortSignal {
  if (process.listenerCount('SIGTERM') === 0) {
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  }
  return stop.signal
}

process.exitCode = await runCli(process.argv.slice(2), {
  disk,
  clock: new SystemClock(),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  columns: process.stderr.isTTY ? process.stderr.columns : 0,
  version,
  environment: process.env,
  get signal() {
    return stopSignal()
  },
})
