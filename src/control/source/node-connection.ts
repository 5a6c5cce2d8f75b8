// A connection to a node: TCP or TLS, credentials, commands and their replies in order; its own
// client, because a full sync needs the socket itself, after the same beginning as any other.
// Every wait has a limit; every fault is a NodeError that names the node and never the password.
//
//   connect ──► commands … ──► close        `detach` hands over the socket instead

import { readFileSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { NodeAddress } from './node-address.ts'
import { NodeError } from './node-error.ts'
import { ErrorReply, type NodeReply, ReplyFormError, ReplyParser } from './reply-parser.ts'

export interface TlsOptions {
  /** Paths of PEM files: who is trusted instead of the system's list, and who we are. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** The name that the certificate must have, when it is not the host's. */
  readonly serverName?: string
  /** Whether any certificate is good enough; for tests and closed networks. */
  readonly isUnchecked?: boolean
}

export interface ConnectOptions {
  readonly tls?: TlsOptions
  /** For the connection, and for each reply. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export type CommandPart = string | number | Uint8Array

interface Waiting {
  readonly resolve: (reply: NodeReply) => void
  readonly reject: (error: NodeError) => void
}

const TIMEOUT_MS_DEFAULT = 10_000
const WAITING_MAX = 100_000

/** Beginnings of error replies that are about who we are. */
const DENIALS = ['NOAUTH', 'WRONGPASS', 'NOPERM', 'ERR invalid password', 'ERR AUTH']

export class NodeConnection {
  readonly address: NodeAddress
  readonly #socket: Socket
  readonly #timeoutMs: number
  readonly #parser = new ReplyParser()
  readonly #waiting: Waiting[] = []
  #fault: NodeError | null = null
  #timer: NodeJS.Timeout | null = null
  #unlisten: () => void = () => {}

  private constructor(address: NodeAddress, socket: Socket, { timeoutMs, signal }: ConnectOptions) {
    this.address = address
    this.#socket = socket
    this.#timeoutMs = timeoutMs ?? TIMEOUT_MS_DEFAULT
    const onData = (bytes: Buffer) => this.#receive(bytes)
    const onError = (error: Error) => this.#fail('cut', `connection lost: ${error.message}`)
    const onClose = () => this.#fail('cut', 'the node closed the connection')
    const onAbort = () => this.#fail('aborted', 'stopped on request')
    socket.on('data', onData).on('error', onError).on('close', onClose)
    signal?.addEventListener('abort', onAbort)
    this.#unlisten = () => {
      socket.off('data', onData).off('error', onError).off('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Connects, and says who we are and which database is meant. */
  static async connect(address: NodeAddress, options: ConnectOptions = {}) {
    const socket = await openSocket(address, options)
    const connection = new NodeConnection(address, socket, options)
    try {
      await connection.#greet()
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** The reply, ErrorReply included. Commands may be sent before earlier ones are answered. */
  send(...parts: readonly CommandPart[]): Promise<NodeReply> {
    if (this.#fault !== null) return Promise.reject(this.#fault)
    if (this.#waiting.length === WAITING_MAX) {
      throw new Error(`${this.address.label}: too many commands wait`)
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(encodeCommand(parts))
      this.#timer ??= this.#startTimer()
    })
  }

  /**
   * The replies to `count` commands that are encoded already, in order. The bytes must not change
   * until then.
   */
  sendEncoded(bytes: Uint8Array, count: number): Promise<NodeReply[]> {
    if (this.#fault !== null) return Promise.reject(this.#fault)
    if (this.#waiting.length + count > WAITING_MAX) {
      throw new Error(`${this.address.label}: too many commands wait`)
    }
    const replies: NodeReply[] = []
    if (count === 0) return Promise.resolve(replies)
    return new Promise((resolve, reject) => {
      const take = (reply: NodeReply) => {
        if (replies.push(reply) === count) resolve(replies)
      }
      for (let i = 0; i < count; i++) this.#waiting.push({ resolve: take, reject })
      this.#socket.write(bytes)
      this.#timer ??= this.#startTimer()
    })
  }

  /** The reply; an error reply is thrown as a NodeError. */
  async command(...parts: readonly CommandPart[]): Promise<Exclude<NodeReply, ErrorReply>> {
    const reply = await this.send(...parts)
    if (!(reply instanceof ErrorReply)) return reply
    throw refusal(this.address.label, String(parts[0]), reply)
  }

  close(): void {
    this.#fail('aborted', 'the connection was closed')
  }

  /** Hands over the socket with what has come and was not read; this connection is done. */
  detach(): { readonly socket: Socket; readonly rest: Buffer } {
    this.#unlisten()
    this.#stopTimer()
    this.#fault = new NodeError('aborted', this.address.label, 'the connection was handed over')
    this.#socket.pause()
    return { socket: this.#socket, rest: this.#parser.rest() }
  }

  async #greet(): Promise<void> {
    const { user, password, database } = this.address
    if (password !== '') {
      await (user === '' ? this.command('AUTH', password) : this.command('AUTH', user, password))
    }
    if (database !== 0) await this.command('SELECT', database)
  }

  #receive(bytes: Buffer): void {
    this.#parser.push(bytes)
    try {
      for (;;) {
        const reply = this.#waiting.length === 0 ? undefined : this.#parser.next()
        if (reply === undefined) break
        this.#waiting.shift()?.resolve(reply)
      }
    } catch (error) {
      if (!(error instanceof ReplyFormError)) throw error
      this.#fail('protocol', `${error.message}: is this a Redis server?`)
    }
    this.#stopTimer()
    if (this.#waiting.length > 0 && this.#fault === null) this.#timer = this.#startTimer()
  }

  #startTimer(): NodeJS.Timeout {
    const seconds = this.#timeoutMs / 1000
    return setTimeout(() => this.#fail('timeout', `no reply within ${seconds} s`), this.#timeoutMs)
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #fail(kind: NodeError['kind'], message: string): void {
    if (this.#fault !== null) return
    const fault = new NodeError(kind, this.address.label, message)
    this.#fault = fault
    this.#stopTimer()
    this.#unlisten()
    // Errors that still come have nobody to go to.
    this.#socket.on('error', () => {}).destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(fault)
  }
}

/** An error reply as an error, of the kind that its text says. */
export function refusal(label: string, command: string, { text }: ErrorReply): NodeError {
  const kind = DENIALS.some((start) => text.startsWith(start)) ? 'denied' : 'refused'
  return new NodeError(kind, label, `${command}: ${text}`)
}

/** A command as the array of bulk strings that it is on the wire. */
export function encodeCommand(parts: readonly CommandPart[]): Buffer {
  const pieces = [Buffer.from(`*${parts.length}\r\n`)]
  for (const part of parts) {
    const bytes = typeof part === 'object' ? part : Buffer.from(String(part))
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), Buffer.from(bytes), Buffer.from('\r\n'))
  }
  return Buffer.concat(pieces)
}

function openSocket(address: NodeAddress, options: ConnectOptions): Promise<Socket> {
  const { label, host, port, isTls } = address
  const { timeoutMs = TIMEOUT_MS_DEFAULT, tls = {}, signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new NodeError('aborted', label, 'stopped on request'))
    const socket = isTls ? connectTls(tlsOptions(address, tls)) : connectPlain({ host, port })
    const finish = (error: NodeError | null) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.removeAllListeners('error')
      if (error === null) return resolve(socket)
      socket.on('error', () => {}).destroy()
      reject(error)
    }
    const onAbort = () => finish(new NodeError('aborted', label, 'stopped on request'))
    const timer = setTimeout(() => {
      finish(new NodeError('timeout', label, `no connection within ${timeoutMs / 1000} s`))
    }, timeoutMs)
    signal?.addEventListener('abort', onAbort)
    socket.setNoDelay(true)
    socket.once(isTls ? 'secureConnect' : 'connect', () => finish(null))
    socket.once('error', (cause: Error) => {
      // A host with several addresses has an error with no message but those of its parts.
      const parts = cause instanceof AggregateError ? cause.errors : [cause]
      const text = parts.map((each: Error) => each.message).join(', ')
      finish(new NodeError('unreachable', label, `cannot connect: ${text}`, { cause }))
    })
  })
}

function tlsOptions({ host, port }: NodeAddress, tls: TlsOptions) {
  const { ca, cert, key, serverName, isUnchecked = false } = tls
  return {
    host,
    port,
    rejectUnauthorized: !isUnchecked,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
  }
}
