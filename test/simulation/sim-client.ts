// A client and its socket in one: sends commands in pieces of any size, sometimes reads slowly, and
// keeps for each reply the command it belongs to.
//
// The server runs a command when its last byte arrives, so the model runs it right after: at the
// end of the turn in which it was delivered, or, for commands that the server held back (behind a
// FLUSHALL that waits for its file, or for the end of CLIENT PAUSE), when their replies are
// written. `queue` holds the commands from the first whose reply is still open.

import type { Socket, SocketHandler } from '../../src/base/socket.ts'
import { Connection } from '../../src/server/connection.ts'
import { encodeCommand, parseValue, type Value } from '../lib/resp.ts'
import type { Expected, Session } from './model.ts'

/** A command on its way. */
export interface Sent {
  readonly words: readonly string[]
  /** Bytes of the stream up to its end. */
  readonly end: number
  /** What the model said, if it has run it before the reply came. */
  expected: Expected | null
}

/** Stands around the bytes that a server is given, and must not be read. */
const NOISE_BYTES = 16
const NOISE = 0x24

export class SimClient implements Socket {
  readonly remoteAddress: string
  readonly localAddress = '127.0.0.1:6379'
  readonly isLocal = true
  readonly descriptor = 9
  readonly session: Session = { database: 0, version: 2, name: '', scan: null }
  readonly queue: Sent[] = []
  pendingBytes = 0
  /** Does not read: the server keeps what it writes. */
  isStuck = false
  isClosed = false
  /** Told of every write of the server. */
  onWrite: () => void = () => undefined
  #outbox: Buffer = Buffer.alloc(0)
  #sentBytes = 0
  #deliveredBytes = 0
  #inbox: Buffer = Buffer.alloc(0)
  /** What came since the inbox was looked at; a long reply comes in many pieces. */
  #pieces: Uint8Array[] = []
  #handler: SocketHandler | null = null

  constructor(id: number) {
    this.remoteAddress = `127.0.0.1:${id}`
  }

  attach(handler: SocketHandler): void {
    this.#handler = handler
  }

  /** Whether the server has run a command of this client and not answered it. */
  get isWaiting(): boolean {
    return this.#handler instanceof Connection && this.#handler.isWaiting
  }

  /** Whether the server keeps a command of this client for later. */
  get isPostponed(): boolean {
    return this.#handler instanceof Connection && this.#handler.postponed !== null
  }

  get isHeld(): boolean {
    return this.isWaiting || this.isPostponed
  }

  /** Bytes that are not delivered yet. */
  get outboxBytes(): number {
    return this.#outbox.length
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.queue.length === 0 && !this.isClosed
  }

  /** The next command the server has received to its end; null: none. */
  get received(): Sent | null {
    const next = this.queue[0]
    return next !== undefined && next.end <= this.#deliveredBytes ? next : null
  }

  /** Puts a command into the outbox. */
  send(words: readonly string[], form: 'array' | 'inline' = 'array'): void {
    const bytes =
      form === 'inline' ? Buffer.from(`${words.join(' ')}\r\n`, 'latin1') : encodeCommand(words)
    this.#outbox = Buffer.concat([this.#outbox, bytes])
    this.#sentBytes += bytes.length
    this.queue.push({ words, end: this.#sentBytes, expected: null })
  }

  /** Hands the first bytes of the outbox to the server. */
  deliver(count: number): void {
    const length = Math.min(count, this.#outbox.length)
    // No Buffer, of which `slice` is no copy: the door of the server hands out none either.
    const chunk = new Uint8Array(length + 2 * NOISE_BYTES).fill(NOISE)
    chunk.set(this.#outbox.subarray(0, length), NOISE_BYTES)
    this.#outbox = this.#outbox.subarray(length)
    this.#deliveredBytes += length
    this.#handler?.onData(chunk, NOISE_BYTES, length)
    chunk.fill(NOISE)
  }

  /** The next whole reply; null: none. */
  takeReply(): Value | null {
    if (this.#pieces.length > 0) this.#inbox = Buffer.concat([this.#inbox, ...this.#pieces])
    this.#pieces = []
    const parsed = parseValue(this.#inbox, 0)
    if (parsed === null) return null
    this.#inbox = this.#inbox.subarray(parsed.next)
    return parsed.value
  }

  /** Reads what was kept back. */
  drain(): void {
    this.pendingBytes = 0
    this.#handler?.onDrain()
  }

  get heldBytes(): number {
    return this.pendingBytes
  }

  get heldBuffers(): number {
    return this.pendingBytes > 0 ? 1 : 0
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    if (this.isClosed) return
    if (this.isStuck) this.pendingBytes += length
    this.#pieces.push(bytes.slice(start, start + length))
    this.onWrite()
  }

  end(): void {
    this.close()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#handler?.onClose()
  }

  setKeepAlive(): void {}

  pause(): void {}

  resume(): void {}
}
