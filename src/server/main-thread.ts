// The main thread of a server: what belongs to the process and not to the data. It writes the log,
// takes signals, keeps pid file and title, and starts and watches the engine; it never touches the
// keyspace. When the engine dies, the process reports how and ends: a server without its engine is
// of no use to anybody.

import { constants, setPriority } from 'node:os'
import { resolve } from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { SystemClock } from '../base/clock.ts'
import { SystemDisk } from '../base/disk.ts'
import { LOG_LEVEL_NAMES, LogLevel, ServerLog, standardOutput } from '../base/log.ts'
import { SharedMachine } from '../base/machine-view.ts'
import type { Config } from './config.ts'
import { type EngineData, Mailbox, type MainMessage, Request } from './mailbox.ts'
import {
  DEFAULT_PID_FILE,
  type Environment,
  findSupervisor,
  isDaemon,
  logBanner,
  notifySystemd,
  removePidFile,
  reportUp,
  type Supervisor,
  setProcessTitle,
  startDaemon,
  writePidFile,
} from './process.ts'
import { REDIS_VERSION, TIDEMARK_VERSION } from './version.ts'

export interface MainOptions {
  readonly config: Config
  readonly environment: Environment
  /** The program and all its arguments, to start it again as a daemon. */
  readonly command: readonly [string, ...string[]]
  /** The name the program was called by. */
  readonly programName: string
  /** What was read from standard input, or null. */
  readonly input: string | null
  readonly isTerminal: boolean
}

/** 128 + SIGUSR1: what a shell shows for a process that the signal has ended. */
const USR1_EXIT_CODE = 138
const CRASH_EXIT_CODE = 1
/** How long threads may take to end. */
const END_LIMIT_MS = 3000
/** Threads of V8's own, and how much they give way. */
const HELPER_NAME = 'V8Worker'
const HELPER_NICENESS = 10
/** How often cores and memory of the machine are looked at. */
const MACHINE_INTERVAL_MS = 1000

/** Runs a server until it ends, which ends the process. */
export function runServer(options: MainOptions): void {
  const { config, environment } = options
  const { values } = config
  const clock = new SystemClock()
  const disk = new SystemDisk()
  const log = new ServerLog({ clock, disk, pid: process.pid, writeOut: standardOutput() })
  log.level = levelOf(values.loglevel)
  if (values.logfile !== '') log.path = config.resolvePath(values.logfile)
  const stopSelf = () => process.kill(process.pid, 'SIGSTOP')
  const supervisor = findSupervisor(values.supervised, { environment, log, stopSelf })
  if (values.daemonize && supervisor === 'none' && !isDaemon(environment)) {
    const { command, input } = options
    startDaemon({ clock, environment, command, input }, (exitCode) => process.exit(exitCode))
    return
  }
  new MainThread(options, { clock, log, disk, supervisor }).start()
}

interface MainParts {
  readonly clock: SystemClock
  readonly log: ServerLog
  readonly disk: SystemDisk
  readonly supervisor: Supervisor
}

class MainThread {
  readonly #options: MainOptions
  readonly #config: Config
  readonly #log: ServerLog
  readonly #clock: SystemClock
  readonly #disk: SystemDisk
  readonly #supervisor: Supervisor
  readonly #mailbox = new Mailbox()
  readonly #machine = new SharedMachine()
  #engine: Worker | null = null
  #snapshots: Worker | null = null
  /** Written by us, so to be removed by us; '' when there is none. */
  #pidFile = ''
  /** The snapshot thread's end; jobs wait in it until the thread is there. */
  #snapshotPort: MessagePort | null = null
  #isReady = false
  /** The threads are being ended. */
  #isEnding = false
  /** A signal has ordered a shutdown that is not given up. */
  #isStopping = false
  /** What the final save writes to before it renames; '' before one. */
  #temporaryPath = ''

  constructor(options: MainOptions, { clock, log, disk, supervisor }: MainParts) {
    this.#options = options
    this.#clock = clock
    this.#config = options.config
    this.#log = log
    this.#disk = disk
    this.#supervisor = supervisor
  }

  start(): void {
    this.#logStart()
    this.#takeSignals()
    process.on('uncaughtException', (error) => this.#crash(error))
    lowerHelpers(this.#disk)
    this.#machine.refresh(this.#disk)
    this.#clock.every(MACHINE_INTERVAL_MS, () => this.#machine.refresh(this.#disk))
    const { port1, port2 } = new MessageChannel()
    this.#snapshotPort = port2
    const data: EngineData = {
      snapshotPort: port1,
      config: this.#config.toTransfer(),
      mailbox: this.#mailbox.buffer,
      machine: this.#machine.buffer,
      logLevel: this.#log.level,
      executable: resolve(this.#options.programName),
      supervised: this.#supervisor !== 'none',
    }
    const engine = new Worker(new URL('./engine-thread.ts', import.meta.url), {
      name: 'engine',
      workerData: data,
      transferList: [port1],
    })
    engine.on('message', (message: MainMessage) => this.#receive(message))
    engine.on('error', (error) => this.#crash(error))
    engine.on('exit', (code) => this.#crash(new Error(`the engine thread ended with ${code}`)))
    this.#engine = engine
  }

  /** The snapshot thread comes with the first key: idle servers spare its 12 MB. */
  #startSnapshots(): void {
    const port = this.#snapshotPort
    if (port === null) return
    const file = new URL('../persist/snapshot/snapshot-thread.ts', import.meta.url)
    const options = { name: 'snapshot', workerData: { port }, transferList: [port] }
    const thread = new Worker(file, options)
    thread.on('error', (error) => this.#crash(error))
    thread.on('exit', (code) => this.#crash(new Error(`the snapshot thread ended with ${code}`)))
    this.#snapshots = thread
  }

  #logStart(): void {
    const log = this.#log
    log.warning('oO0OoO0OoO0Oo Tidemark is starting oO0OoO0OoO0Oo')
    log.warning(
      `Tidemark version=${TIDEMARK_VERSION}, bits=64, redis=${REDIS_VERSION}, ` +
        `pid=${process.pid}, just started`,
    )
    if (this.#options.command.length > 2) {
      log.warning('Configuration loaded')
    } else {
      log.warning(
        'Warning: no config file specified, using the default config. In order to specify a ' +
          `config file use ${this.#options.programName} /path/to/redis.conf`,
      )
    }
    log.role = 'M'
    for (const notice of this.#config.notices()) log.notice(notice)
  }

  #receive(message: MainMessage): void {
    switch (message.kind) {
      case 'log':
        return this.#log.write(message.line)
      case 'listening':
        return this.#showUp()
      case 'ready':
        this.#isReady = true
        if (this.#supervisor === 'systemd') {
          this.#notify(['STATUS=Ready to accept connections', 'READY=1'])
        }
        return
      case 'snapshots':
        return this.#startSnapshots()
      case 'logLevel':
        this.#log.level = message.level
        return
      case 'title':
        this.#setTitle(message.template)
        this.#engine?.postMessage({ kind: 'titled' })
        return
      case 'fault':
        return this.#crashBySignal('SIGSEGV')
      case 'staying':
        this.#isStopping = false
        return
      case 'stopping':
        this.#isStopping = true
        this.#temporaryPath = message.temporaryPath
        if (this.#supervisor === 'systemd') this.#notify(['STOPPING=1'])
        return
      case 'exit':
        return this.#exit(message.code, message.isGraceful)
    }
  }

  /** The sockets are bound: this start will not be refused for a busy port any more. */
  #showUp(): void {
    const { values } = this.#config
    if (values.daemonize || values.pidfile !== '') {
      const path = values.pidfile === '' ? DEFAULT_PID_FILE : values.pidfile
      this.#pidFile = this.#config.resolvePath(path)
      writePidFile(this.#pidFile, { disk: this.#disk, log: this.#log })
    }
    if (values.setProcTitle) this.#setTitle(values.procTitleTemplate)
    const isShown = values.alwaysShowLogo || (this.#options.isTerminal && values.logfile === '')
    const banner = {
      version: TIDEMARK_VERSION,
      redisVersion: REDIS_VERSION,
      mode: 'standalone',
      port: values.port,
      pid: process.pid,
    }
    logBanner(this.#log, banner, isShown)
    reportUp()
    this.#engine?.postMessage({ kind: 'go' })
  }

  #setTitle(template: string): void {
    const { values } = this.#config
    if (!values.setProcTitle) return
    setProcessTitle(template, {
      name: this.#options.programName,
      host: values.bind[0] ?? '',
      port: values.port,
      tlsPort: values.tlsPort,
      unixSocket: values.unixsocket,
      mode: '',
      configFile: this.#config.configFile,
    })
  }

  #takeSignals(): void {
    process.on('SIGHUP', () => {})
    // Without a handler, Node would open a debugger's port for everybody on this machine.
    process.on('SIGUSR1', () => process.exit(USR1_EXIT_CODE))
    process.on('SIGABRT', () => this.#crashBySignal('SIGABRT'))
    process.on('SIGTERM', () => this.#stop(Request.Terminate))
    process.on('SIGINT', () => this.#stop(Request.Interrupt))
  }

  #stop(request: Request): void {
    const isInterrupt = request === Request.Interrupt
    if (isInterrupt && this.#isStopping) {
      this.#log.signal('You insist... exiting now.')
      this.#removeTemporaryFile()
      return this.#end(1)
    }
    this.#isStopping = true
    if (!this.#isReady && this.#engine !== null) {
      this.#log.signal('Received shutdown signal during loading, exiting now.')
      return this.#exit(0, false)
    }
    const name = isInterrupt ? 'SIGINT' : 'SIGTERM'
    this.#log.signal(`Received ${name} scheduling shutdown...`)
    this.#mailbox.request(request)
    this.#engine?.postMessage({ kind: 'wake' })
  }

  /** Takes away what a final save has written so far; it will not be finished. */
  #removeTemporaryFile(): void {
    try {
      if (this.#temporaryPath !== '') this.#disk.unlink(this.#temporaryPath)
    } catch {
      // Not begun, or already in its place.
    }
  }

  #exit(code: number, isGraceful: boolean): void {
    if (this.#pidFile !== '') {
      // The last line of a start that failed is the reason, as in Redis.
      if (isGraceful) this.#log.notice('Removing the pid file.')
      removePidFile(this.#pidFile, { disk: this.#disk, log: this.#log })
    }
    if (isGraceful) this.#log.warning('Tidemark is now ready to exit, bye bye...')
    this.#end(code)
  }

  /**
   * Ends the threads, then the process. One that hangs in a call of the system (a disk that does
   * not answer) cannot be ended, and `process.exit` would wait for it for ever: then only a signal
   * helps, and the exit code says so.
   */
  #end(code: number): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#clock.after(END_LIMIT_MS, () => {
      this.#log.warning('A thread hangs in a call of the system, probably for a disk; killing it')
      process.kill(process.pid, 'SIGKILL')
    })
    const threads = [this.#engine, this.#snapshots].filter((thread) => thread !== null)
    void Promise.all(threads.map((thread) => thread.terminate())).then(() => process.exit(code))
  }

  /** Reports a bug of ours the way operators know it, and ends. */
  #crash(error: unknown): void {
    // That of a thread which is being ended is none.
    if (this.#isEnding) return
    this.#reportCrash('crashed by an error of its own', error)
    this.#end(CRASH_EXIT_CODE)
  }

  /** The same for a signal that means a crash; the process then ends by that signal. */
  #crashBySignal(name: 'SIGABRT' | 'SIGSEGV'): void {
    const reason = `crashed by signal: ${constants.signals[name]} (${name})`
    this.#reportCrash(reason, new Error('where the main thread took the signal'))
    process.removeAllListeners(name)
    process.kill(process.pid, name)
  }

  #reportCrash(what: string, error: unknown): void {
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const log = this.#log
    log.raw('\n\n=== TIDEMARK BUG REPORT START: Cut & paste starting from here ===\n')
    log.warning(`Tidemark ${TIDEMARK_VERSION} ${what}`)
    log.raw(`\n------ STACK TRACE ------\n${trace}\n`)
    log.raw(`\nNode ${process.version} on ${process.platform} ${process.arch}\n`)
    log.raw('=== TIDEMARK BUG REPORT END. Please report it with the log above. ===\n\n')
  }

  #notify(assignments: readonly string[]): void {
    notifySystemd({ environment: this.#options.environment, log: this.#log }, assignments)
  }
}

function levelOf(name: string): LogLevel {
  const found = LOG_LEVEL_NAMES.indexOf(name)
  return Object.values(LogLevel).find((level) => level === found) ?? LogLevel.Notice
}

/**
 * Lets the threads on which V8 compiles beside the others wait behind clients: the first save of a
 * process compiles half a second of code, and on 2 busy cores the longest waits were for that.
 */
function lowerHelpers(disk: SystemDisk): void {
  const tasks = '/proc/self/task'
  try {
    for (const id of disk.list(tasks)) {
      const name = disk.readText(`${tasks}/${id}/comm`).trim()
      if (name === HELPER_NAME) setPriority(Number(id), HELPER_NICENESS)
    }
  } catch {
    // Another system, or one that does not show its threads: they stay as they are.
  }
}
