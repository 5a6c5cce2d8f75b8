// What a server does as a process of its machine: becoming a daemon, the pid file, telling the
// supervisor, its title in `ps`, its score with the OOM killer, its logo. Plain functions of the
// main thread; `main.ts` hands in what they need of the environment.
//
// Node cannot fork, so a daemon is not a fork of the process that was started but a second start of
// the same program in a session of its own. The first waits until the second says that it is up
// (`reportUp`) and ends with 0, or with the second's exit code when that fails: a caller that goes
// on at once finds the port open, where Redis's parent has gone before the child has even bound it.

import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { expandTitle } from './config-forms.ts'
import { systemMessage } from './config-text.ts'

/** The environment as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Set in the environment of the second start; tells it that it is the daemon. */
export const DAEMON_MARK = 'TIDEMARK_IS_DAEMON'

// A server that loads a large file says that it is up before it loads; more than this is no start.
const DAEMON_START_MS_MAX = 30_000

export interface DaemonOptions {
  readonly clock: Clock
  readonly environment: Environment
  /** The program and its arguments, as in `process.execPath` and what follows it. */
  readonly command: readonly [string, ...string[]]
  /** What the first start has read from its standard input, or null when it has not. */
  readonly input: string | null
}

/** Whether this process is the second start, so must not start another one. */
export function isDaemon(environment: Environment): boolean {
  return environment[DAEMON_MARK] !== undefined
}

/**
 * Starts the program again without terminal. `done` gets the exit code that this process should
 * end with: 0 once the daemon is up (or still busy after half a minute), else the daemon's.
 */
export function startDaemon(options: DaemonOptions, done: (exitCode: number) => void): void {
  const { clock, environment, command, input } = options
  const [program, ...args] = command
  const child = spawn(program, args, {
    detached: true,
    stdio: [input === null ? 'ignore' : 'pipe', 'ignore', 'ignore', 'ipc'],
    env: { ...environment, [DAEMON_MARK]: '1' },
  })
  let isDone = false
  const finish = (exitCode: number) => {
    if (isDone) return
    isDone = true
    timer.stop()
    child.unref()
    if (child.connected) child.disconnect()
    done(exitCode)
  }
  const timer = clock.after(DAEMON_START_MS_MAX, () => finish(0))
  child.on('message', () => finish(0))
  child.on('error', () => finish(1))
  child.on('exit', (exitCode) => finish(exitCode === null || exitCode === 0 ? 1 : exitCode))
  if (input !== null) child.stdin?.end(input)
}

/** Tells the first start that the daemon is up. No effect in a process that is not a daemon. */
export function reportUp(): void {
  if (process.send === undefined || !process.connected) return
  process.send('up', () => {
    // The first start may have hung up already.
    if (process.connected) process.disconnect()
  })
}

/** Where a daemon writes its process id when the configuration names no file. */
export const DEFAULT_PID_FILE = '/var/run/redis.pid'

/** Writes the process id and a line end. A failure is logged; the server runs without the file. */
export function writePidFile(path: string, { disk, log }: { disk: Disk; log: Log }): void {
  try {
    const file = disk.create(path)
    try {
      const bytes = Buffer.from(`${process.pid}\n`)
      file.write(bytes, 0, bytes.length)
    } finally {
      file.close()
    }
  } catch (error) {
    log.warning(`Failed to write PID file ${path}: ${systemMessage(error)}`)
  }
}

/** Removes the pid file; one that is gone, or whose directory is, does not matter. */
export function removePidFile(path: string, { disk, log }: { disk: Disk; log: Log }): void {
  try {
    if (disk.exists(dirname(path))) disk.unlink(path)
  } catch (error) {
    log.warning(`Failed to remove PID file ${path}: ${systemMessage(error)}`)
  }
}

/** The process's title by `proc-title-template`, for `ps`; cut to the room the arguments had. */
export function setProcessTitle(template: string, variables: TitleVariables): void {
  const title = formatProcessTitle(template, variables)
  if (title !== null && title !== '') process.title = title
}

export interface TitleVariables {
  /** The name that the program was called by. */
  readonly name: string
  /** The first address of `bind`, or ''. */
  readonly host: string
  readonly port: number
  readonly tlsPort: number
  readonly unixSocket: string
  /** '' in a standalone server, else '[cluster]' or '[sentinel]'. */
  readonly mode: string
  /** The path of the config file, or ''. */
  readonly configFile: string
}

/** The template with its variables filled in, or null when it is malformed. */
export function formatProcessTitle(template: string, variables: TitleVariables): string | null {
  const { name, host, port, tlsPort, unixSocket, mode, configFile } = variables
  const anyPort = port || tlsPort
  const listenAddress = anyPort ? `${host === '' ? '*' : host}:${anyPort}` : unixSocket
  const values: Readonly<Record<string, string>> = {
    title: name,
    'listen-addr': listenAddress,
    'server-mode': mode,
    port: String(port),
    'tls-port': String(tlsPort),
    unixsocket: unixSocket,
    'config-file': configFile === '' ? '-' : configFile,
  }
  return expandTitle(template, (variable) => values[variable] ?? null)
}

/** Who started this server and waits to hear that it is ready. */
export type Supervisor = 'none' | 'upstart' | 'systemd'

/**
 * Finds the supervisor that `supervised no|auto|upstart|systemd` means, and tells it that loading
 * begins: upstart by stopping this process (it goes on with SIGCONT), systemd by a status.
 */
export function findSupervisor(mode: string, context: SupervisorContext): Supervisor {
  const { environment, log } = context
  let wanted = mode
  if (mode === 'auto') {
    if (environment['UPSTART_JOB'] !== undefined) {
      log.notice('Upstart supervision detected.')
      wanted = 'upstart'
    } else if (environment['NOTIFY_SOCKET'] !== undefined) {
      log.notice('Systemd supervision detected.')
      wanted = 'systemd'
    }
  }
  if (wanted === 'upstart') {
    if (environment['UPSTART_JOB'] === undefined) {
      log.warning('upstart supervision requested, but UPSTART_JOB not found!')
      return 'none'
    }
    log.notice('supervised by upstart, will stop to signal readiness.')
    context.stopSelf()
    return 'upstart'
  }
  if (wanted !== 'systemd') return 'none'
  if (environment['NOTIFY_SOCKET'] === undefined) {
    log.warning('systemd supervision error: NOTIFY_SOCKET not found!')
    return 'none'
  }
  log.warning(
    'Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and ' +
      'TimeoutStopSec in your service unit.',
  )
  notifySystemd(context, ['STATUS=Tidemark is loading...'])
  return 'systemd'
}

export interface SupervisorContext {
  readonly environment: Environment
  readonly log: Log
  /** Stops the process as `SIGSTOP` does. */
  readonly stopSelf: () => void
}

/**
 * Sends assignments such as `READY=1` to systemd. Node has no datagram sockets of the unix kind, so
 * systemd's own program sends them; as that is another process, the unit needs NotifyAccess=all.
 * Returns at once; a failure is logged.
 */
export function notifySystemd(
  { environment, log }: Pick<SupervisorContext, 'environment' | 'log'>,
  assignments: readonly string[],
): void {
  const child = spawn('systemd-notify', [...assignments], { stdio: 'ignore', env: environment })
  const failed = (reason: string | number | null) => {
    log.warning(`systemd supervision error: systemd-notify: ${reason}`)
  }
  child.on('error', (error) => failed(error.message))
  child.on('exit', (exitCode, signal) => {
    if (exitCode !== 0) failed(exitCode ?? signal)
  })
}

export type OomScoreMode = 'no' | 'yes' | 'relative' | 'absolute'

const OOM_SCORE_LIMIT = 1000

/** The process's score with the kernel's OOM killer; remembers the score it found. */
export class OomScore {
  readonly #disk: Disk
  readonly #log: Log
  readonly #path: string
  #initial: number | null = null
  #isChanged = false

  constructor(disk: Disk, log: Log, path = '/proc/self/oom_score_adj') {
    this.#disk = disk
    this.#log = log
    this.#path = path
  }

  /** Sets the score, or with mode `no` puts the initial one back; false, logged, on failure. */
  apply(mode: OomScoreMode, value: number): boolean {
    if (mode === 'no' && !this.#isChanged) return true
    // Someone else may have set the score while we had nothing to do with it.
    if (!this.#isChanged) this.#initial = this.#read()
    const initial = this.#initial
    if (initial === null) return false
    if (mode === 'no') {
      this.#isChanged = !this.#write(initial)
      return !this.#isChanged
    }
    const score = mode === 'absolute' ? value : initial + value
    const isWritten = this.#write(Math.max(-OOM_SCORE_LIMIT, Math.min(OOM_SCORE_LIMIT, score)))
    this.#isChanged ||= isWritten
    return isWritten
  }

  #read(): number | null {
    try {
      return Number.parseInt(this.#disk.readText(this.#path), 10)
    } catch (error) {
      this.#log.warning(`Unable to read oom_score_adj: ${systemMessage(error)}`)
      return null
    }
  }

  #write(score: number): boolean {
    try {
      const file = this.#disk.create(this.#path)
      try {
        const bytes = Buffer.from(`${score}\n`)
        file.write(bytes, 0, bytes.length)
      } finally {
        file.close()
      }
      return true
    } catch (error) {
      this.#log.warning(`Unable to write oom_score_adj: ${systemMessage(error)}`)
      return false
    }
  }
}

export interface BannerOptions {
  readonly version: string
  /** The version of Redis whose behaviour this is. */
  readonly redisVersion: string
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string
  readonly port: number
  readonly pid: number
}

/** The logo with what one wants to see at a start. Test harnesses read ` PID: ` and `Port: `. */
export function formatBanner(options: BannerOptions): string {
  const { version, redisVersion, mode, port, pid } = options
  return `
             .-'''-.
         .-'         '-.            Tidemark ${version} (Redis ${redisVersion}) 64 bit
      .-'    .-'''-.    '-.
 __.-'    .-'       '-.    '-.__    Running in ${mode} mode
 ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~    Port: ${port}
 --|-----|-----|-----|-----|-----   PID: ${pid}
 ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~
   '-..-'   '-..-'   '-..-'         Saves without fork

`
}

/** Logs the banner, or one line with the same facts where nobody looks at the output. */
export function logBanner(log: Log, options: BannerOptions, isShown: boolean): void {
  if (isShown) log.raw(formatBanner(options))
  else log.notice(`Running mode=${options.mode}, port=${options.port}.`)
}
