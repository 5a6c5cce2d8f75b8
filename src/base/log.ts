// The log, in Redis's form, which log shippers and test harnesses read:
//
//   PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message
//
// ROLE is C before the server is up, then M (primary), S (replica) or X (sentinel); LEVEL is one of
// . - * # for debug, verbose, notice, warning. Times are local, names of months English.
//
// The main thread owns the one `ServerLog`, which writes to the standard output or to a file. That
// is opened for each line, so that it may be renamed or removed at any time (logrotate without a
// signal). Other threads hold a `ForwardLog`, which passes lines to it by a function and
// stamps them with the time of the event. A log that cannot be written is no reason to stop
// serving: such lines are lost.

import type { Clock } from './clock.ts'
import type { Disk } from './disk.ts'

export const LogLevel = { Debug: 0, Verbose: 1, Notice: 2, Warning: 3 } as const
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel]

/** Names in configuration, by `LogLevel`. */
export const LOG_LEVEL_NAMES: readonly string[] = ['debug', 'verbose', 'notice', 'warning']

export type LogRole = 'C' | 'M' | 'S' | 'X'

export interface Log {
  /** The least level that is written. Ask before building a costly message. */
  level: LogLevel
  debug(message: string): void
  verbose(message: string): void
  notice(message: string): void
  warning(message: string): void
  /** Writes text as it is, without prefix or line end, at level notice. */
  raw(text: string): void
}

/** One line on its way to the log. `timeMs` is 0 for raw text. */
export interface LogLine {
  readonly level: LogLevel
  readonly timeMs: number
  readonly message: string
}

const LEVEL_CHARACTERS = '.-*#'
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

export interface ServerLogOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly pid: number
  /** Takes text for the standard output. */
  readonly writeOut: (text: string) => void
}

/** The log of the process. */
export class ServerLog implements Log {
  level: LogLevel = LogLevel.Notice
  role: LogRole = 'C'
  /** The log file; '' for the standard output. */
  path = ''
  readonly #clock: Clock
  readonly #disk: Disk
  readonly #pid: number
  readonly #writeOut: (text: string) => void

  constructor({ clock, disk, pid, writeOut }: ServerLogOptions) {
    this.#clock = clock
    this.#disk = disk
    this.#pid = pid
    this.#writeOut = writeOut
  }

  debug(message: string): void {
    this.#event(LogLevel.Debug, message)
  }

  verbose(message: string): void {
    this.#event(LogLevel.Verbose, message)
  }

  notice(message: string): void {
    this.#event(LogLevel.Notice, message)
  }

  warning(message: string): void {
    this.#event(LogLevel.Warning, message)
  }

  raw(text: string): void {
    this.write({ level: LogLevel.Notice, timeMs: 0, message: text })
  }

  /** A line in the form that Redis's signal handlers use, whatever the level. */
  signal(message: string): void {
    const seconds = Math.floor(this.#clock.nowMs() / 1000)
    this.#append(`${this.#pid}:signal-handler (${seconds}) ${message}\n`)
  }

  /** Writes a line of this or another thread if its level is wanted. */
  write({ level, timeMs, message }: LogLine): void {
    if (level < this.level) return
    if (timeMs === 0) return this.#append(message)
    const mark = LEVEL_CHARACTERS[level]
    this.#append(`${this.#pid}:${this.role} ${formatLogTime(timeMs)} ${mark} ${message}\n`)
  }

  #event(level: LogLevel, message: string): void {
    if (level >= this.level) this.write({ level, timeMs: this.#clock.nowMs(), message })
  }

  #append(text: string): void {
    if (this.path === '') return this.#writeOut(text)
    try {
      appendText(this.#disk, this.path, text)
    } catch {
      // The disk is full or the directory gone; the server must go on.
    }
  }
}

/** The log of a thread that is not the main thread. */
export class ForwardLog implements Log {
  level: LogLevel
  readonly #clock: Clock
  readonly #send: (line: LogLine) => void

  /** `send` hands a line to `ServerLog.write` on the main thread. */
  constructor(clock: Clock, level: LogLevel, send: (line: LogLine) => void) {
    this.level = level
    this.#clock = clock
    this.#send = send
  }

  debug(message: string): void {
    this.#event(LogLevel.Debug, message)
  }

  verbose(message: string): void {
    this.#event(LogLevel.Verbose, message)
  }

  notice(message: string): void {
    this.#event(LogLevel.Notice, message)
  }

  warning(message: string): void {
    this.#event(LogLevel.Warning, message)
  }

  raw(text: string): void {
    if (LogLevel.Notice >= this.level) {
      this.#send({ level: LogLevel.Notice, timeMs: 0, message: text })
    }
  }

  #event(level: LogLevel, message: string): void {
    if (level >= this.level) this.#send({ level, timeMs: this.#clock.nowMs(), message })
  }
}

/** Writes to the standard output at once; a reader that went away is not an error. */
export function standardOutput(): (text: string) => void {
  process.stdout.on('error', () => {})
  return (text) => {
    process.stdout.write(text)
  }
}

/** `DD Mon YYYY HH:MM:SS.mmm` in local time. */
export function formatLogTime(timeMs: number): string {
  const time = new Date(timeMs)
  const date = `${two(time.getDate())} ${MONTHS[time.getMonth()]} ${time.getFullYear()}`
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
  return `${date} ${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** Appends to a file that is opened and closed for it. */
function appendText(disk: Disk, path: string, text: string): void {
  const file = disk.openAppend(path)
  try {
    const bytes = Buffer.from(text, 'utf8')
    file.write(bytes, 0, bytes.length)
  } finally {
    file.close()
  }
}
