// One server under test: its own process, a free port on 127.0.0.1, a fresh directory, no
// persistence except what the benchmark asks for. Works for any program that takes redis-server's
// arguments; the command may carry arguments of its own (`redis-server --io-threads 2`).
//
// "Ready" is the first PONG: the server has bound, has loaded its file and answers commands. It is
// probed every `PROBE_MS`, which is the resolution of every start-up and load time.

import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { exitOf, makeDirectory, removeDirectory, spawnChild } from './children.ts'
import { Client } from './client.ts'
import { machineMs, sleep, within } from './time.ts'

const PROBE_MS = 2
const STOP_LIMIT_MS = 10_000
/** Lines of the log that tell why a server ended: enough for a report with its stack. */
const LOG_LINES = 25

export interface ServerOptions {
  /** Program and leading arguments, separated by spaces. */
  readonly command: string
  /** Where the server's own directory is made. */
  readonly work: string
  /** Further directives as arguments, e.g. ['--maxmemory', '1gb']. */
  readonly directives?: readonly string[]
  /** Called with the directory before the start, to put a file to load into it. */
  readonly prepare?: (directory: string) => void
  readonly readyLimitMs?: number
  /** Program and arguments that replace themselves by the server's, which follow them. */
  readonly launcher?: readonly string[]
}

export class RunningServer {
  readonly port: number
  readonly directory: string
  /** Milliseconds from spawn to the first PONG. */
  readonly readyMs: number
  readonly pid: number
  readonly client: Client
  #child: ChildProcess

  constructor(started: Started, client: Client, readyMs: number) {
    this.port = started.port
    this.directory = started.directory
    this.#child = started.child
    this.pid = started.child.pid!
    this.client = client
    this.readyMs = readyMs
  }

  /** Path of the RDB file that SAVE and BGSAVE write. */
  get rdbPath(): string {
    return join(this.directory, 'dump.rdb')
  }

  /** The last lines that the server has written into its log. */
  get logEnd(): string {
    return lastLines(logPathIn(this.directory))
  }

  /** Whether somebody has ended the server by force: the kernel, where memory is short. */
  get wasKilled(): boolean {
    return this.#child.signalCode === 'SIGKILL'
  }

  /** How the server ended and what it said last, or null while it runs. */
  get epitaph(): string | null {
    const { exitCode, signalCode } = this.#child
    if (exitCode === null && signalCode === null) return null
    return `the server ended (${exitCode ?? signalCode}):\n${this.logEnd}`
  }

  /** Ends the server without saving and removes its directory. Idempotent. */
  async stop(): Promise<void> {
    const ended = exitOf(this.#child)
    this.client.call(['SHUTDOWN', 'NOSAVE'], STOP_LIMIT_MS).catch(() => {})
    await within(ended, STOP_LIMIT_MS, 'SHUTDOWN NOSAVE').catch(() => this.#child.kill('SIGKILL'))
    await ended
    this.client.close()
    removeDirectory(this.directory)
  }
}

interface Started {
  readonly child: ChildProcess
  readonly port: number
  readonly directory: string
}

/** Starts a server and waits until it answers PING. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const port = await freePort()
  const directory = makeDirectory(options.work)
  options.prepare?.(directory)
  const command = options.command.split(' ').filter((word) => word !== '')
  const [program, ...leading] = [...(options.launcher ?? []), ...command]
  if (!program) throw new Error('server: empty command')
  const words = [...leading, '--port', String(port), '--bind', '127.0.0.1', '--save', '']
  words.push('--dir', directory, '--dbfilename', 'dump.rdb', '--appendonly', 'no')
  words.push(...(options.directives ?? []))

  const logPath = logPathIn(directory)
  const log = openSync(logPath, 'w')
  const startMs = machineMs()
  const child = spawnChild(program, words, { stdio: ['ignore', log, log] })
  closeSync(log)
  const exit = exitOf(child).then((code) => {
    throw new Error(`${program} ended (${code}):\n${lastLines(logPath)}`)
  })
  const probing = new AbortController()
  try {
    const limitMs = options.readyLimitMs ?? 120_000
    const client = await Promise.race([waitReady(port, limitMs, probing.signal), exit])
    return new RunningServer({ child, port, directory }, client, machineMs() - startMs)
  } catch (error) {
    child.kill('SIGKILL')
    removeDirectory(directory)
    throw error
  } finally {
    probing.abort()
    exit.catch(() => {})
  }
}

/** Runs `use` with a started server and stops it, whatever happens. */
export async function withServer<T>(
  options: ServerOptions,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const server = await startServer(options)
  try {
    return await use(server)
  } catch (error) {
    // What failed first is often only the consequence.
    if (server.epitaph === null) throw error
    throw new Error(server.epitaph, { cause: error })
  } finally {
    await server.stop()
  }
}

/** A connected client, once the server answers PONG to it. */
async function waitReady(port: number, limitMs: number, signal: AbortSignal): Promise<Client> {
  const limit = machineMs() + limitMs
  while (machineMs() < limit && !signal.aborted) {
    const client = await Client.open(port).catch(() => null)
    while (client && machineMs() < limit && !signal.aborted) {
      const reply = await client.call(['PING'], limitMs).catch((error: Error) => error.message)
      if (reply === 'PONG') return client
      // While loading, the reply is an error; anything else means a new connection is needed.
      if (!String(reply).startsWith('LOADING')) break
      await sleep(PROBE_MS)
    }
    client?.close()
    await sleep(PROBE_MS)
  }
  throw new Error(`no PONG on port ${port} after ${limitMs} ms`)
}

/** A port nobody listens on at the moment. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (address && typeof address === 'object') resolve(address.port)
        else reject(new Error('no free port'))
      })
    })
  })
}

function logPathIn(directory: string): string {
  return join(directory, 'server.log')
}

function lastLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-LOG_LINES).join('\n')
  } catch {
    return '(no log)'
  }
}
