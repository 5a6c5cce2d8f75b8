// The bytes of a socket, read when they are wanted: what is not read stays in the socket, so that
// the sender waits. Every read has a limit of time.

import type { Socket } from 'node:net'
import { NodeError } from './node-error.ts'

interface SocketBytesOptions {
  /** The node, for messages. */
  readonly label: string
  readonly signal?: AbortSignal
}

export class SocketBytes {
  readonly label: string
  readonly #socket: Socket
  readonly #signal: AbortSignal | undefined
  #ready: Buffer | null
  #isEnded = false
  #fault: NodeError | null = null
  #wake: () => void = () => {}
  readonly #onAbort = () => this.#fail(new NodeError('aborted', this.label, 'stopped on request'))

  /** `rest`: what has come already. */
  constructor(socket: Socket, rest: Buffer, { label, signal }: SocketBytesOptions) {
    this.label = label
    this.#socket = socket
    this.#signal = signal
    this.#ready = rest.length === 0 ? null : rest
    socket.pause()
    socket.on('readable', () => this.#wake())
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
    socket.on('error', (cause: Error) => {
      this.#fail(new NodeError('cut', label, `connection lost: ${cause.message}`, { cause }))
    })
    signal?.addEventListener('abort', this.#onAbort)
    if (signal?.aborted) this.#onAbort()
  }

  /** The next bytes, at least one; null: the sender ended. Throws after `limitMs` of silence. */
  async read(limitMs: number): Promise<Buffer | null> {
    for (;;) {
      const ready = this.#ready ?? (this.#socket.read() as Buffer | null)
      this.#ready = null
      if (ready !== null) return ready
      if (this.#fault !== null) throw this.#fault
      if (this.#isEnded) return null
      await this.#change(limitMs)
    }
  }

  /** Gives back what was read too much, to be read next. */
  unread(bytes: Buffer): void {
    this.#ready = bytes.length === 0 ? null : bytes
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#fail(new NodeError('aborted', this.label, 'the connection was closed'))
    this.#socket.destroy()
  }

  #change(limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const text = `nothing came for ${limitMs / 1000} s`
        reject(new NodeError('timeout', this.label, text))
      }, limitMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #end(): void {
    this.#isEnded = true
    this.#wake()
  }

  #fail(fault: NodeError): void {
    this.#fault ??= fault
    this.#wake()
  }
}
