// Where the server listens: `bind` and `port`, and the unix socket. Addresses are opened one after
// the other, as a failure ends the start; an address with `-` before it may be missing on this
// machine, and so may a whole protocol.

import type { Disk } from '../base/disk.ts'
import { systemCode } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import type { AcceptHandler, ListenAddress, Listener, Transport } from '../base/socket.ts'
import type { Config } from './config.ts'

export interface ListenersOptions {
  readonly transport: Transport
  readonly config: Config
  readonly log: Log
  readonly disk: Disk
  readonly handler: AcceptHandler
}

/** What the C library says for the codes that listening gives. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'bind: Address already in use',
  EADDRNOTAVAIL: 'bind: Cannot assign requested address',
  EACCES: 'bind: Permission denied',
  ENOTFOUND: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  ENOENT: 'bind: No such file or directory',
  ENOTDIR: 'bind: Not a directory',
}
/** The machine lacks the protocol: no reason not to start. */
const PROTOCOL_MISSING = ['EAFNOSUPPORT', 'EPFNOSUPPORT', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT']
const UNIX_PATH_MAX = 107

export class Listeners {
  readonly #transport: Transport
  readonly #config: Config
  readonly #log: Log
  readonly #disk: Disk
  readonly #handler: AcceptHandler
  #tcp: Listener[] = []
  #unix: Listener | null = null

  constructor(options: ListenersOptions) {
    this.#transport = options.transport
    this.#config = options.config
    this.#log = options.log
    this.#disk = options.disk
    this.#handler = options.handler
  }

  /** Opens all; `done` is told whether the server may go on. Failures are logged. */
  open(done: (isGood: boolean) => void): void {
    this.openTcp((isTcpGood) => {
      const { port } = this.#config.values
      if (!isTcpGood) this.#log.warning(`Failed listening on port ${port} (TCP), aborting.`)
      if (!isTcpGood) return done(false)
      this.#openUnix((isGood) => {
        const isNowhere = isGood && this.#tcp.length === 0 && this.#unix === null
        if (isNowhere) this.#log.warning('Configured to not listen anywhere, exiting.')
        done(isGood && !isNowhere)
      })
    })
  }

  /** Opens the addresses of `bind` in place of those that are open now. */
  openTcp(done: (isGood: boolean) => void): void {
    const { bind, port } = this.#config.values
    // An empty `bind` means no TCP at all, not the default.
    const addresses = port === 0 ? [] : bind
    const opened: Listener[] = []
    // First: an address may be among the new ones too, or be part of one (`*`).
    for (const listener of this.#tcp) listener.close()
    this.#tcp = []
    const next = (i: number): void => {
      if (i === addresses.length) {
        this.#tcp = opened
        return done(true)
      }
      this.#openAddress(addresses[i]!, opened, (isGood) => {
        if (isGood) return next(i + 1)
        for (const listener of opened) listener.close()
        done(false)
      })
    }
    next(0)
  }

  close(): void {
    for (const listener of this.#tcp) listener.close()
    this.#tcp = []
    if (this.#unix === null) return
    this.#unix.close()
    this.#unix = null
    this.#log.notice('Removing the unix socket file.')
    this.#disk.unlink(this.#config.resolvePath(this.#config.values.unixsocket))
  }

  #openAddress(text: string, opened: Listener[], done: (isGood: boolean) => void): void {
    const isOptional = text.startsWith('-')
    const host = isOptional ? text.slice(1) : text
    const { port, tcpBacklog: backlog } = this.#config.values
    this.#listen({ host, port, backlog }, (listener, error) => {
      if (listener !== null) {
        opened.push(listener)
        return done(true)
      }
      const code = systemCode(error)
      if (PROTOCOL_MISSING.includes(code)) return done(true)
      if (isOptional && code === 'EADDRNOTAVAIL') return done(true)
      const reason = REASONS[code] ?? code
      this.#log.warning(
        `Warning: Could not create server TCP listening socket ${host}:${port}: ${reason}`,
      )
      done(false)
    })
  }

  #openUnix(done: (isGood: boolean) => void): void {
    const { unixsocket, unixsocketperm: mode, tcpBacklog: backlog } = this.#config.values
    if (unixsocket === '') return done(true)
    const path = this.#config.resolvePath(unixsocket)
    if (Buffer.byteLength(path) > UNIX_PATH_MAX) {
      this.#log.warning(`Failed opening Unix socket: ${path}: longer than ${UNIX_PATH_MAX} bytes`)
      return done(false)
    }
    this.#listen({ path, mode, backlog }, (listener, error) => {
      this.#unix = listener
      if (listener !== null) return done(true)
      const code = systemCode(error)
      this.#log.warning(`Failed opening Unix socket: ${REASONS[code] ?? code}`)
      done(false)
    })
  }

  #listen(
    address: ListenAddress,
    done: (listener: Listener | null, error: Error | null) => void,
  ): void {
    const listener = this.#transport.listen(address, this.#handler, (error) => {
      if (error === null) done(listener, null)
      else done(null, error)
    })
  }
}
