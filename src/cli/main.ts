// The program behind `bin/tidemark`: arguments and terminal to a subcommand to an exit code. The
// only reader of the process's arguments among the tools.

import packageJson from '../../package.json' with { type: 'json' }
import { SystemClock } from '../base/clock.ts'
import { SystemDisk } from '../base/disk.ts'
import { runCli } from './cli.ts'

// Whoever reads the output may have had enough of it (`tidemark … | head`).
process.stdout.on('error', () => process.exit(1))

process.exitCode = runCli(
  process.argv.slice(2),
  {
    disk: new SystemDisk(),
    clock: new SystemClock(),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    columns: process.stderr.isTTY ? process.stderr.columns : 0,
  },
  packageJson.version,
)
