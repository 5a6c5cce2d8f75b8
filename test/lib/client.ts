// A raw RESP connection for tests: sends any bytes, hands out replies one by one with their exact
// types, and tells a closed connection from a silent one.

import { connect, type Socket } from 'node:net'
import { encodeCommand, parseValue, showValue, type Value } from './resp.ts'
import { sleep, within } from './wait.ts'

const REPLY_LIMIT_MS = 10_000

/** Where a server listens. */
export type Address = { readonly port: number; readonly host?: string } | { readonly path: string }

interface Waiter {
  resolve(value: Value | null): void
  reject(error: Error): void
}

export class RawClient {
  readonly socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #chunks: Buffer[] = []
  #replies: Value[] = []
  #waiters: Waiter[] = []
  #isClosed = false
  #failure: Error | null = null

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
      for (const waiter of this.#waiters.splice(0)) waiter.resolve(null)
    })
  }

  /** Connects; rejects when nobody listens there. */
  static open(address: Address): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket =
        'path' in address
          ? connect(address.path)
          : connect(address.port, address.host ?? '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawClient(socket))
      })
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Sends bytes as they are; a string is latin1. */
  write(bytes: Buffer | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends a command without waiting for its reply. */
  send(...args: (string | Buffer)[]): void {
    this.write(encodeCommand(args))
  }

  /** The next reply; null when the connection closes before one comes. */
  receive(limitMs = REPLY_LIMIT_MS): Promise<Value | null> {
    const ready = this.#replies.shift()
    if (ready) return Promise.resolve(ready)
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#isClosed) return Promise.resolve(null)
    const reply = new Promise<Value | null>((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
    })
    return within('a reply', limitMs, reply)
  }

  /** Sends a command and returns its reply; throws when the connection closes. */
  async call(...args: (string | Buffer)[]): Promise<Value> {
    this.send(...args)
    const reply = await this.receive()
    if (!reply) throw new Error(`connection closed instead of a reply to ${args[0]}`)
    return reply
  }

  /** As `call`, but gives the text of the reply and throws on an error reply. */
  async text(...args: (string | Buffer)[]): Promise<string> {
    const reply = await this.call(...args)
    if (reply.kind === 'error') throw new Error(reply.text)
    return reply.items.length > 0 ? showValue(reply) : reply.text
  }

  /** Whether no reply arrives for `ms`; one that does stays readable. */
  async isSilent(ms: number): Promise<boolean> {
    await sleep(ms)
    return this.#replies.length === 0
  }

  /** Waits until the server has closed the connection. */
  async closed(limitMs = REPLY_LIMIT_MS): Promise<void> {
    if (this.#isClosed) return
    const closed = new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve())
    })
    await within('the server closes the connection', limitMs, closed)
  }

  /** Closes at once. */
  close(): void {
    this.socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    const bytes = Buffer.concat([this.#received, ...this.#chunks])
    this.#chunks = []
    let start = 0
    try {
      while (start < bytes.length) {
        const parsed = parseValue(bytes, start)
        if (!parsed) break
        start = parsed.next
        this.#deliver(parsed.value)
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure)
      this.socket.destroy()
    }
    this.#received = Buffer.from(bytes.subarray(start))
  }

  #deliver(value: Value): void {
    const waiter = this.#waiters.shift()
    if (waiter) waiter.resolve(value)
    else this.#replies.push(value)
  }
}
