// tidemark-server: argv and environment to a configuration to a running server. The only reader of
// `process.argv` and `process.env`.

import { SystemDisk } from './base/disk.ts'
import { StoreError } from './base/errors.ts'
import { configFromArguments } from './server/config-arguments.ts'
import type { ConfigSource } from './server/config-load.ts'
import type { Environment } from './server/process.ts'
import { TIDEMARK_VERSION } from './server/version.ts'

/** The configuration is read again with the names of all commands when it renames some. */
async function main(): Promise<void> {
  const environment: Environment = process.env
  const args = process.argv.slice(2)
  const input = args.includes('-') ? await readInput() : null
  const source: ConfigSource = {
    disk: new SystemDisk(),
    workingDirectory: process.cwd(),
    version: TIDEMARK_VERSION,
    readStdin: () => input ?? Buffer.alloc(0),
  }
  let startup = configFromArguments(args, source)
  if (startup.kind === 'run' && startup.config.renames.length > 0) {
    const { commandNames } = await import('./server/commands.ts')
    const names = commandNames()
    startup = configFromArguments(args, { ...source, hasCommand: (name) => names.has(name) })
  }
  if (startup.kind === 'exit') {
    process.stdout.write(startup.stdout)
    process.stderr.write(startup.stderr)
    process.exitCode = startup.code
    return
  }
  const { runServer } = await import('./server/main-thread.ts')
  runServer({
    config: startup.config,
    environment,
    command: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    programName: environment['TIDEMARK_ARGV0'] ?? 'tidemark-server',
    input: input === null ? null : input.toString('utf8'),
    isTerminal: process.stdout.isTTY === true,
  })
}

/** All of standard input. */
async function readInput(): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

try {
  await main()
} catch (error) {
  // What the world refuses is told in one line; our own bugs keep their stack.
  if (!(error instanceof StoreError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
