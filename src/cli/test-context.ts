// A terminal for tests of subcommands: a fake disk and clock, and what was written to either
// stream. A subcommand gets nothing else of the world, so a test sees all that it does: the disk's
// files are the only ones there are.

import { assert } from '../base/assert.ts'
import { FakeClock } from '../base/clock.ts'
import { FakeDisk } from '../base/disk-fake.ts'
import { runCli } from './cli.ts'
import type { CliContext, ExitCode } from './subcommand.ts'

export class TestContext implements CliContext {
  readonly disk = new FakeDisk()
  readonly clock: FakeClock
  readonly columns: number
  readonly version = '9.9.9'
  readonly environment = {}
  readonly signal = new AbortController().signal
  output = ''
  errors = ''

  /** `tickUs` passes with each look at the time. */
  constructor({ columns = 0, tickUs = 0 } = {}) {
    this.columns = columns
    this.clock = new FakeClock(undefined, () => tickUs)
    this.disk.makeDirectory('/data')
  }

  out(text: string): void {
    this.output += text
  }

  err(text: string): void {
    this.errors += text
  }

  /** Runs `tidemark` with these arguments; what it wrote is in `output` and `errors`. */
  run(...args: string[]): ExitCode {
    this.output = ''
    this.errors = ''
    const code = runCli(args, this)
    assert(typeof code === 'number')
    return code
  }
}
