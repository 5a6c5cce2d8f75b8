// A connection on `net.Socket`: the contract of base/socket.ts by documented means. Connections
// that we open are of this kind, and all connections on a Node whose inside has changed; what the
// server accepts goes over bare handles (socket-net.ts).
//
// - A write is copied: a stream keeps the bytes until the kernel has them.
// - What the stream holds is counted by its own count of bytes; it does not tell of its buffers.

import type * as net from 'node:net'
import { assert } from './assert.ts'
import type { PeerName } from './node-handles.ts'
import type { Socket, SocketHandler } from './socket.ts'

/** A connection on `net.Socket`: the same contract by documented means. */
export class PlainSocket implements Socket {
  readonly remoteAddress: string
  readonly localAddress: string
  readonly isLocal: boolean
  readonly #socket: net.Socket
  readonly #owner: Set<Socket>
  #handler: SocketHandler | null = null
  #isClosed = false
  #isEnding = false
  #isPaused = false
  #isWaiting = false

  constructor(socket: net.Socket, path: string, owner: Set<Socket>) {
    this.#socket = socket
    this.#owner = owner
    const remote = { address: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 }
    const local = { address: socket.localAddress ?? '?', port: socket.localPort ?? 0 }
    this.remoteAddress = path === '' ? formatAddress(remote) : `${path}:0`
    this.localAddress = path === '' ? formatAddress(local) : `${path}:0`
    this.isLocal = path !== '' || isLoopback(remote.address)
    owner.add(this)
    socket.on('error', () => this.close())
    socket.on('end', () => this.close())
    socket.on('close', () => this.close())
  }

  /** Attaches the handler that `onAccept` returned. */
  start(handler: SocketHandler): void {
    this.#handler = handler
    if (this.#isClosed) return handler.onClose()
    this.#socket.on('drain', () => this.#onDrain())
    this.#socket.on('data', (chunk: Buffer) => {
      if (!this.#isClosed) handler.onData(chunk, 0, chunk.length)
    })
    if (this.#isPaused) this.#socket.pause()
  }

  get descriptor(): number {
    return -1
  }

  get pendingBytes(): number {
    return this.#isClosed ? 0 : this.#socket.writableLength
  }

  get heldBytes(): number {
    return this.pendingBytes
  }

  get heldBuffers(): number {
    return this.pendingBytes > 0 ? 1 : 0
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'write outside of bytes')
    if (this.#isClosed || this.#isEnding || length === 0) return
    // `slice` of a shared array is shared, and a stream takes none: copy into bytes of our own.
    const copy = new Uint8Array(length)
    copy.set(bytes.subarray(start, start + length))
    this.#socket.write(copy, () => this.#onDrain())
    if (this.#socket.writableLength > 0) this.#isWaiting = true
  }

  pause(): void {
    this.#isPaused = true
    if (this.#handler) this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused || this.#isEnding) return
    this.#isPaused = false
    if (this.#handler) this.#socket.resume()
  }

  setKeepAlive(seconds: number): void {
    this.#socket.setKeepAlive(seconds > 0, seconds * 1000)
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return
    if (this.#socket.writableLength === 0) return this.close()
    this.#isEnding = true
    this.#socket.pause()
    this.#socket.end(() => this.close())
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner.delete(this)
    this.#socket.destroy()
    this.#handler?.onClose()
  }

  #onDrain(): void {
    if (this.#isClosed || !this.#isWaiting || this.#socket.writableLength > 0) return
    this.#isWaiting = false
    this.#handler?.onDrain()
  }
}

/** `ip:port`, `[ip]:port` for IPv6. */
export function formatAddress(name: PeerName): string {
  const address = name.address ?? '?'
  return address.includes(':') ? `[${address}]:${name.port ?? 0}` : `${address}:${name.port ?? 0}`
}

/** Whether the address is this machine's own. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}
