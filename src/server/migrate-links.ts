// Connections to the servers that MIGRATE moves keys to. One per target, kept for a while after its
// last use, as the next MIGRATE often goes to the same server. What a target answers here are
// single lines (+OK, or an error), so that no parser of replies is needed.
//
//   connecting   the attempt is under way
//   open         used by a migration, or idle
//   closed       forgotten; the user, if there is one, is told
//
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { textOf } from '../base/bytes.ts'
import type {
  Attempt,
  ConnectAddress,
  ConnectHandler,
  Socket,
  SocketHandler,
} from '../base/socket.ts'

/** How connections are opened; the transport's `connect`. */
export type Connect = (address: ConnectAddress, handler: ConnectHandler) => Attempt

/** The migration that uses a link. */
export interface LinkUser {
  onOpen(): void
  /** The target has answered a line, given without its end. */
  onLine(line: string): void
  /** What was written is with the kernel. */
  onDrain(): void
  /** The link is closed: `code` of a failed attempt, '' for an open one that ended. */
  onLost(code: string): void
}

/** Idle links are closed after this. */
const KEPT_MS = 10_000
/** Links that are kept at most; the one that was not used for the longest time makes room. */
const LINKS_MAX = 64
/** No answer that belongs here is longer. */
const LINE_LENGTH_MAX = 16 * 1024
const LINE_FEED = '\n'
const CARRIAGE_RETURN = '\r'

/** A connection to one target. */
export class MigrateLink implements ConnectHandler, SocketHandler {
  /** Database that is selected there; −1: it is not known. */
  database = -1
  usedMs = 0
  readonly #owner: MigrateLinks
  readonly #name: string
  readonly #attempt: Attempt
  #user: LinkUser | null = null
  #socket: Socket | null = null
  #isClosed = false
  /** The beginning of a line. */
  #partial = ''

  constructor(owner: MigrateLinks, name: string, address: ConnectAddress) {
    this.#owner = owner
    this.#name = name
    this.#attempt = owner.connect(address, this)
  }

  get name(): string {
    return this.#name
  }

  get isOpen(): boolean {
    return this.#socket !== null && !this.#isClosed
  }

  get isIdle(): boolean {
    return this.#user === null
  }

  get pendingBytes(): number {
    return this.#socket?.pendingBytes ?? 0
  }

  /** From now on `user` hears what comes; null: nobody does, the link is idle. */
  lend(user: LinkUser | null): void {
    assert(user === null || this.#user === null, 'a link has one user')
    this.#user = user
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    assert(this.#socket !== null, 'only an open link is written to')
    this.#socket.write(bytes, start, length)
  }

  /** Closes and forgets the link; its user hears nothing of it. */
  close(): void {
    this.#user = null
    this.#owner.forget(this)
    this.#attempt.abort()
    this.#isClosed = true
    this.#socket?.close()
  }

  onConnect(socket: Socket): SocketHandler {
    this.#socket = socket
    this.#user?.onOpen()
    return this
  }

  onFail(code: string): void {
    this.#lose(code)
  }

  onData(bytes: Uint8Array, start: number, length: number): void {
    this.#partial += textOf(bytes, start, length)
    for (;;) {
      const end = this.#partial.indexOf(LINE_FEED)
      // What nobody asked for, or what is no answer to RESTORE: it may be any server.
      if (this.#user === null || (end < 0 && this.#partial.length > LINE_LENGTH_MAX)) {
        return this.#fail()
      }
      if (end < 0) return
      const isWhole = end > 0 && this.#partial[end - 1] === CARRIAGE_RETURN
      const line = this.#partial.slice(0, isWhole ? end - 1 : end)
      this.#partial = this.#partial.slice(end + 1)
      this.#user.onLine(line)
      if (this.#partial === '') return
    }
  }

  onDrain(): void {
    this.#user?.onDrain()
  }

  onClose(): void {
    this.#lose('')
  }

  #fail(): void {
    const user = this.#user
    this.close()
    user?.onLost('')
  }

  #lose(code: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner.forget(this)
    const user = this.#user
    this.#user = null
    user?.onLost(code)
  }
}

export class MigrateLinks {
  readonly connect: Connect
  /** By `host:port`, the one that was used last at the end. */
  readonly #links = new Map<string, MigrateLink>()

  constructor(connect: Connect) {
    this.connect = connect
  }

  get count(): number {
    return this.#links.size
  }

  /** The link to a target, lent to `user`: one that is kept, or a new one. */
  acquire(address: ConnectAddress, user: LinkUser): MigrateLink {
    const name = `${address.host}:${address.port}`
    const kept = this.#links.get(name)
    if (kept === undefined) this.#makeRoom()
    const link = kept ?? new MigrateLink(this, name, address)
    this.#links.delete(name)
    this.#links.set(name, link)
    link.lend(user)
    return link
  }

  /** Gives a link back that is in order. */
  release(link: MigrateLink, nowMs: number): void {
    assert(link.isOpen, 'a link that failed is closed, not kept')
    link.usedMs = nowMs
    link.lend(null)
  }

  forget(link: MigrateLink): void {
    if (this.#links.get(link.name) === link) this.#links.delete(link.name)
  }

  /** Closes what was not used for a while. */
  cron(nowMs: number): void {
    for (const link of this.#links.values()) {
      if (link.isIdle && nowMs - link.usedMs > KEPT_MS) link.close()
    }
  }

  #makeRoom(): void {
    if (this.#links.size < LINKS_MAX) return
    for (const link of this.#links.values()) {
      if (!link.isIdle) continue
      link.close()
      return
    }
  }
}
