// MONITOR: clients that see every command that is executed, as a line with its time, database,
// sender and arguments. Administrative commands are not shown, nor are secrets. Lines come in the
// order of execution: commands of a transaction before its EXEC. Owner: the engine.

import { latin1 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Flag } from '../command/command.ts'
import type { CommandEntry } from '../command/table.ts'
import type { Args } from '../resp/args.ts'
import type { Config } from './config.ts'
import type { Connection } from './connection.ts'
import type { Pushes } from './pushes.ts'
import { secretsOf } from './secrets.ts'

const HIDDEN = Flag.Admin | Flag.SkipMonitor
const REDACTED = '"(redacted)"'
const US_PER_SECOND = 1_000_000
const UNIX_ENDING = ':0'

/** How each byte is shown between the quotes. */
const SHOWN: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const escaped = { 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 13: '\\r', 34: '\\"', 92: '\\\\' }
  const isPrintable = byte >= 0x20 && byte <= 0x7e
  const plain = isPrintable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  return escaped[byte as keyof typeof escaped] ?? plain
})

export interface MonitorsOptions {
  readonly clock: Clock
  readonly config: Config
  readonly pushes: Pushes
  /** Called when the first one comes and when the last one goes. */
  readonly onSwitch: () => void
}

export class Monitors {
  readonly #options: MonitorsOptions
  readonly #clients = new Set<Connection>()

  constructor(options: MonitorsOptions) {
    this.#options = options
  }

  get isOn(): boolean {
    return this.#clients.size > 0
  }

  add(client: Connection): void {
    client.isMonitor = true
    this.#clients.add(client)
    if (this.#clients.size === 1) this.#options.onSwitch()
  }

  /** Ends a client's monitoring, if it does. */
  remove(client: Connection): void {
    if (!this.#clients.delete(client)) return
    client.isMonitor = false
    if (this.#clients.size === 0) this.#options.onSwitch()
  }

  /** Shows a command that `client` has had executed. */
  feed(client: Connection, entry: CommandEntry, args: Args): void {
    if ((entry.flags & HIDDEN) !== 0) return
    const { clock, config, pushes } = this.#options
    const nowUs = clock.nowUs()
    const seconds = Math.floor(nowUs / US_PER_SECOND)
    const microseconds = String(nowUs - seconds * US_PER_SECOND).padStart(6, '0')
    const sender = `[${client.database} ${senderOf(client)}]`
    const secrets = secretsOf(entry, args, config)
    let line = `+${seconds}.${microseconds} ${sender}`
    for (let i = 0; i < args.count; i++) {
      line += ` ${secrets.has(i) ? REDACTED : quoted(args, i)}`
    }
    const bytes = latin1(`${line}\r\n`)
    for (const monitor of this.#clients) pushes.sendLine(monitor, bytes)
    pushes.enforceLimits()
  }
}

function senderOf({ socket, isUnix }: Connection): string {
  const { remoteAddress } = socket
  return isUnix ? `unix:${remoteAddress.slice(0, -UNIX_ENDING.length)}` : remoteAddress
}

function quoted(args: Args, i: number): string {
  const start = args.start(i)
  const limit = start + args.length(i)
  let text = '"'
  for (let at = start; at < limit; at++) text += SHOWN[args.bytes[at]!]
  return `${text}"`
}
