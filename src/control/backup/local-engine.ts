// A server of this machine that loads an RDB file and is looked at: the scratch engine of a
// verification, and the check of a node that was restored. It listens on 127.0.0.1 only, has a
// random password, saves nothing, and its directory holds nothing but the file and its
// configuration.
//
//   start ──► it has loaded the file ──► read it by `address` ──► stop
//
// Owner: whoever started it; `stop` in any case.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type NodeAddress, nodeAddress } from '../source/node-address.ts'
import { NodeConnection } from '../source/node-connection.ts'
import { NodeError } from '../source/node-error.ts'
import { type NodeFacts, readFacts } from '../source/node-facts.ts'

export interface EngineRequest {
  /** Holds `dump.rdb`. */
  readonly directory: string
  /** Databases that the file needs. */
  readonly databases: number
  /** What to start; absent: the server of this checkout. It is given a configuration file. */
  readonly command?: string
  readonly signal?: AbortSignal
}

/** The engine did not start or did not load: nothing is said of the backup by that alone. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
}

export const RDB_NAME = 'dump.rdb'
const CONFIG_NAME = 'scratch.conf'
const LOG_NAME = 'scratch.log'
/** The server of this checkout. */
export const OWN_COMMAND = fileURLToPath(new URL('../../../bin/tidemark-server', import.meta.url))
/**
 * Starts the engine, and ends it when the pipe at 3 does: by `stop`, and also when the process that
 * has the other end is killed. Else a killed verification would leave a server behind.
 */
const GUARD = '"$0" "$1" 3<&- & pid=$!; (read -r _ <&3; kill $pid 2>&-) & exec 3<&-; wait $pid'
const POLL_MS = 50
/** To listen; loading may take any time. */
const START_MS_MAX = 60_000
const STOP_MS_MAX = 10_000
const LOG_LINES = 3
/** Another process may take the port between our look and the engine's. */
const ATTEMPTS_MAX = 3
const PASSWORD_BYTES = 24
/** To answer while it loads. */
const REPLY_MS = 60_000

export class LocalEngine {
  readonly address: NodeAddress
  /** After it has loaded. */
  readonly facts: NodeFacts
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, facts: NodeFacts) {
    this.#child = child
    this.address = facts.address
    this.facts = facts
  }

  /** Starts it; resolves when the file is loaded. Throws EngineError, NodeError `aborted`. */
  static async start(request: EngineRequest): Promise<LocalEngine> {
    for (let attempt = 1; ; attempt++) {
      const address = nodeAddress({
        host: '127.0.0.1',
        port: await freePort(),
        isTls: false,
        user: '',
        password: randomBytes(PASSWORD_BYTES).toString('hex'),
        database: 0,
      })
      const child = await spawnEngine(request, address)
      try {
        return new LocalEngine(child, await waitLoaded(child, address, request.signal))
      } catch (error) {
        await stopChild(child)
        if (!(error instanceof EngineError)) throw error
        const lines = await lastLines(join(request.directory, LOG_NAME))
        const isTaken = /address already in use|EADDRINUSE/i.test(lines)
        if (isTaken && attempt < ATTEMPTS_MAX) continue
        throw new EngineError(`${error.message}${lines === '' ? '' : `: ${lines}`}`)
      }
    }
  }

  /** Ends it without saving; never throws. */
  async stop(): Promise<void> {
    await stopChild(this.#child)
  }
}

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  server.close()
  await once(server, 'close')
  return port
}

async function spawnEngine(
  { directory, databases, command = OWN_COMMAND }: EngineRequest,
  { port, password }: NodeAddress,
): Promise<ChildProcess> {
  const path = join(directory, CONFIG_NAME)
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(directory)}`,
    `dbfilename ${RDB_NAME}`,
    `databases ${Math.max(databases, 1)}`,
    'save ""',
    'appendonly no',
    'daemonize no',
    // Nobody else is going to ask for a sync.
    'repl-diskless-sync-delay 0',
    `logfile ${JSON.stringify(join(directory, LOG_NAME))}`,
  ]
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  const stdio = ['ignore', 'ignore', 'ignore', 'pipe'] as const
  const args = ['-c', GUARD, command, path]
  const child = spawn('/bin/sh', args, { stdio: [...stdio], detached: true })
  // `waitLoaded` sees that there is no process.
  child.on('error', () => {})
  return child
}

/** Resolves when the process answers and has loaded. Throws EngineError, NodeError `aborted`. */
export async function waitLoaded(
  child: ChildProcess,
  address: NodeAddress,
  signal?: AbortSignal,
): Promise<NodeFacts> {
  const limitMs = Date.now() + START_MS_MAX
  for (;;) {
    if (signal?.aborted) throw new NodeError('aborted', address.label, 'stopped on request')
    if (child.pid === undefined) throw new EngineError('the engine cannot be started')
    if (child.exitCode !== null || child.signalCode !== null) {
      const how = child.exitCode === null ? `by ${child.signalCode}` : `with ${child.exitCode}`
      throw new EngineError(`the engine ended ${how} while it loaded`)
    }
    const facts = await askFacts(address)
    if (facts === null && Date.now() > limitMs) {
      throw new EngineError(`the engine did not answer within ${START_MS_MAX / 1000} s`)
    }
    if (facts !== null && !facts.isLoading) return facts
    await sleep(POLL_MS)
  }
}

/** What it says of itself; null: it does not answer yet. */
async function askFacts(address: NodeAddress): Promise<NodeFacts | null> {
  let connection: NodeConnection | null = null
  try {
    connection = await NodeConnection.connect(address, { timeoutMs: REPLY_MS })
    return await readFacts(connection)
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  } finally {
    connection?.close()
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  // Also of one that has ended: its guard waits for that.
  child.stdio[3]?.destroy()
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  const timer = setTimeout(() => killGroup(child), STOP_MS_MAX)
  await ended
  clearTimeout(timer)
}

/** The shell and what it has started. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

async function lastLines(path: string): Promise<string> {
  try {
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    return lines.slice(-LOG_LINES).join(' / ')
  } catch {
    return ''
  }
}
