// The program behind `bin/tidemark`: arguments and terminal to a subcommand to an exit code. The
// only reader of the process's arguments among the tools.

import { join } from 'node:path'
import { SystemClock } from '../base/clock.ts'
import { SystemDisk } from '../base/disk.ts'
import { runCli } from './cli.ts'

const disk = new SystemDisk()
const packageJson = disk.readText(join(import.meta.dirname, '../../package.json'))
const { version } = JSON.parse(packageJson) as { version: string }

// Whoever reads the output may have had enough of it (`tidemark … | head`).
process.stdout.on('error', () => process.exit(1))

process.exitCode = runCli(
  process.argv.slice(2),
  {
    disk,
    clock: new SystemClock(),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    columns: process.stderr.isTTY ? process.stderr.columns : 0,
  },
  version,
)
