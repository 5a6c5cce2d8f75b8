// Starts and stops servers for tests: ours (TIDEMARK_SERVER, by default bin/tidemark-server of this
// checkout) and, for comparison, the installed redis-server. Every server gets a free port on
// 127.0.0.1 and a temporary directory of its own, and is gone when the test is: a leftover is
// killed when this process exits.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { RawClient } from './client.ts'
import { waitFor, within } from './wait.ts'

/** The root of the checkout. */
export const ROOT = resolve(import.meta.dirname, '../..')

/** The command that starts the server under test. */
export const SERVER = findServer()

/** The reference: `redis-server` of Debian, 7.0.x; '' when it is not installed. */
export const REFERENCE = findReference()

const START_LIMIT_MS = 20_000
const STOP_LIMIT_MS = 15_000

export interface ServerOptions {
  /** The program; by default the server under test. */
  readonly command?: string
  /** Arguments after the ones every test needs (`--port`, `--dir`, …), which they may override. */
  readonly args?: readonly string[]
  /** The first argument, if any: a config file. */
  readonly configFile?: string
  /** An existing data directory, for a restart; by default a new temporary one. */
  readonly dir?: string
  readonly port?: number
  readonly env?: NodeJS.ProcessEnv
}

const running = new Set<ChildProcess>()
process.on('exit', stopAll)

/** Kills every server that a failed test left behind; test files call it in a root `after`. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

export class TestServer {
  readonly port: number
  readonly dir: string
  /** What `--requirepass` was given, or ''. */
  readonly password: string
  readonly child: ChildProcess
  #output = ''
  #exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  #ownsDir: boolean

  private constructor(options: ServerOptions, port: number) {
    this.port = port
    this.#ownsDir = options.dir === undefined
    this.dir = options.dir ?? mkdtempSync(join(tmpdir(), 'tidemark-test-'))
    this.password = valueAfter(options.args ?? [], '--requirepass')
    const common = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', this.dir]
    const args = [...common, '--save', '', ...(options.args ?? [])]
    if (options.configFile !== undefined) args.unshift(options.configFile)
    this.child = spawn(options.command ?? SERVER, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
    })
    running.add(this.child)
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    this.#exit = new Promise((resolveExit) => {
      this.child.once('error', (error) => {
        this.#output += String(error)
        running.delete(this.child)
        resolveExit({ code: 127, signal: null })
      })
      this.child.once('close', (code, signal) => {
        running.delete(this.child)
        resolveExit({ code, signal })
      })
    })
  }

  /** Starts a process and does not wait: for servers that are meant to refuse. */
  static async launch(options: ServerOptions = {}): Promise<TestServer> {
    return new TestServer(options, options.port ?? (await freePort()))
  }

  /** Starts a server and waits until it accepts connections and has loaded its data. */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const server = await TestServer.launch(options)
    try {
      await server.ready()
    } catch (error) {
      await server.stop('SIGKILL')
      throw error
    }
    return server
  }

  /** Everything on stdout and stderr so far. */
  get output(): string {
    return this.#output
  }

  /** Resolves when PING is answered; throws with the output when the process ends instead. */
  async ready(limitMs = START_LIMIT_MS): Promise<void> {
    await waitFor('the server answers', () => this.#isReady(), limitMs)
  }

  /** A new raw connection. */
  connect(): Promise<RawClient> {
    return RawClient.open({ port: this.port })
  }

  /** Waits for text in the output. */
  async logged(pattern: RegExp | string, limitMs = 10_000): Promise<void> {
    const matches = () =>
      typeof pattern === 'string' ? this.#output.includes(pattern) : pattern.test(this.#output)
    await waitFor(`${pattern} in the log:\n${this.#output}`, matches, limitMs)
  }

  /** Waits for the process to end by itself. */
  async exited(limitMs = STOP_LIMIT_MS): Promise<{ code: number | null; signal: string | null }> {
    try {
      return await within('the server exits', limitMs, this.#exit)
    } catch (error) {
      throw new Error(`${error}\n${this.#output}`)
    }
  }

  /** Sends a signal, waits for the end, and removes the data directory unless it was handed in. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.child.kill(signal)
    try {
      await this.exited()
    } finally {
      this.child.kill('SIGKILL')
      if (this.#ownsDir) rmSync(this.dir, { recursive: true, force: true })
    }
  }

  async #isReady(): Promise<boolean> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      throw new Error(`the server ended at start:\n${this.#output}`)
    }
    if (this.child.pid === undefined) throw new Error(`cannot start: ${this.#output}`)
    const client = await this.connect().catch(() => null)
    if (!client) return false
    client.send('PING')
    const reply = await client.receive().catch(() => null)
    client.close()
    return reply !== null && !reply.text.startsWith('LOADING')
  }
}

/** A TCP port on 127.0.0.1 that nobody listens on right now. */
export function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address ? address.port : 0
      probe.close(() => resolvePort(port))
    })
  })
}

/** A temporary directory that is removed when this process exits. */
export function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-test-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** The path of an installed program, or ''. */
export function findProgram(name: string): string {
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' })
  return found.status === 0 ? found.stdout.trim() : ''
}

/** Whether the server under test is Redis itself: common behaviour is checked, ours is skipped. */
export function isReference(): boolean {
  return /redis-server$/.test(SERVER)
}

function valueAfter(args: readonly string[], name: string): string {
  const index = args.indexOf(name)
  return index < 0 ? '' : (args[index + 1] ?? '')
}

function findServer(): string {
  const wanted = process.env['TIDEMARK_SERVER'] ?? 'bin/tidemark-server'
  return wanted.includes('/') ? resolve(ROOT, wanted) : findProgram(wanted)
}

function findReference(): string {
  const wanted = process.env['TIDEMARK_REFERENCE'] ?? 'redis-server'
  const path = findProgram(wanted)
  if (path === '') return ''
  const version = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout
  return version.includes('v=7.0.') ? path : ''
}
