// The transport on Node's own event loop. Connections are bare libuv handles (node-handles.ts): one
// receive buffer for all, one call per read, writes straight to the kernel; no stream, no emitter,
// no allocation per event. `PlainSocket` (socket-plain.ts) does the same on `net.Socket`, for a
// Node whose inside has changed; the tests run on both.
//
// - Writes of one turn of the loop are collected and sent at its end (turn-buffer.ts).
// - A write is copied into a shared staging buffer and tried at once. What the kernel does not take
//   stays with libuv, which keeps pointing at the staging buffer: the transport takes a new one.
//   Further writes queue in chunks of the socket's own until the kernel has all.
// - A write that fails closes the socket on the loop's next turn, never inside `write`.
// - A peer that ends its side is closed, as Redis does it, even if replies are still pending.
// - Connections that we open are plain sockets: they are few, and cost what their bytes cost.

import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import * as net from 'node:net'
import { assert } from './assert.ts'
import { EMPTY_BYTES } from './bytes.ts'
import { ErrorCode, StoreError } from './errors.ts'
import {
  isUsable,
  loadStreamBinding,
  type PeerName,
  type StreamBinding,
  type StreamHandle,
  serverHandleOf,
  type WriteRequest,
} from './node-handles.ts'
import type {
  AcceptHandler,
  Attempt,
  ConnectAddress,
  ConnectHandler,
  ListenAddress,
  Listener,
  Socket,
  SocketHandler,
  Transport,
} from './socket.ts'
import { formatAddress, isLoopback, PlainSocket } from './socket-plain.ts'
import { TurnBuffer, type TurnSocket } from './turn-buffer.ts'

/** One read takes at most this much; about four times what a pipeline of 64 commands needs. */
const RECEIVE_LENGTH = 64 * 1024
/** One write call hands over at most this much. */
const STAGING_LENGTH = 64 * 1024
/** Most writes fit into this; a slow client then keeps a buffer of this size, not of the other. */
const SMALL_STAGING_LENGTH = 4096
/** Smallest chunk of a socket's queue. */
const QUEUE_CHUNK_LENGTH = 16 * 1024
/** Views of the staging buffer are kept by length, this many. */
const VIEW_SLOTS = 1024

export interface NetTransportOptions {
  /** Uses `net.Socket` even where the handles could be used. */
  readonly isPlain?: boolean
}

export class NetTransport implements Transport {
  readonly #binding: StreamBinding | null
  readonly #listeners = new Set<NetListener>()
  readonly #sockets = new Set<Socket>()
  readonly #attempts = new Set<NetAttempt>()
  readonly #shared: Shared | null

  constructor(options: NetTransportOptions = {}) {
    this.#binding = options.isPlain ? null : loadStreamBinding()
    this.#shared = this.#binding ? new Shared(this.#binding, this.#sockets) : null
  }

  /** Whether connections bypass `net.Socket`. */
  get isFast(): boolean {
    return this.#shared !== null
  }

  flush(): void {
    this.#shared?.turn.flush()
  }

  listen(
    address: ListenAddress,
    handler: AcceptHandler,
    done: (error: Error | null) => void,
  ): Listener {
    const listener = new NetListener(address, this.#listeners)
    const server = listener.server
    server.once('error', (cause: NodeJS.ErrnoException) => {
      this.#listeners.delete(listener)
      done(listenError(address, cause))
    })
    server.once('listening', () => {
      server.removeAllListeners('error')
      // An accept that fails (no descriptors left) is tried again by libuv.
      server.on('error', () => {})
      try {
        if ('path' in address && address.mode !== 0) chmodSync(address.path, address.mode)
      } catch (cause) {
        listener.close()
        return done(listenError(address, cause as NodeJS.ErrnoException))
      }
      this.#takeOver(server, address, handler)
      done(null)
    })
    listener.listen()
    return listener
  }

  connect(address: ConnectAddress, handler: ConnectHandler): Attempt {
    return new NetAttempt(address, handler, {
      sockets: this.#sockets,
      attempts: this.#attempts,
    })
  }

  close(): void {
    for (const listener of this.#listeners) listener.close()
    for (const attempt of this.#attempts) attempt.abort()
    for (const socket of this.#sockets) socket.close()
  }

  /** Makes new connections of `server` sockets of ours. */
  #takeOver(server: net.Server, address: ListenAddress, handler: AcceptHandler): void {
    const path = 'path' in address ? address.path : ''
    const handle = this.#shared ? serverHandleOf(server) : null
    if (!handle || !this.#shared) {
      server.on('connection', (socket) => this.#acceptPlain(socket, path, handler))
      return
    }
    const shared = this.#shared
    const original = handle.onconnection
    handle.onconnection = (error, client) => {
      if (error !== 0 || client === undefined) return
      if (isUsable(client)) HandleSocket.accept(client, { shared, path, handler })
      else original.call(handle, error, client)
    }
    // Only reached by way of `original`.
    server.on('connection', (socket) => this.#acceptPlain(socket, path, handler))
  }

  #acceptPlain(socket: net.Socket, path: string, handler: AcceptHandler): void {
    const plain = new PlainSocket(socket, path, this.#sockets)
    plain.start(handler.onAccept(plain))
  }
}

class NetListener implements Listener {
  readonly server: net.Server
  readonly #address: ListenAddress
  readonly #owner: Set<NetListener>

  constructor(address: ListenAddress, owner: Set<NetListener>) {
    this.#address = address
    this.#owner = owner
    this.server = net.createServer({ noDelay: true })
    owner.add(this)
  }

  listen(): void {
    const address = this.#address
    if ('path' in address) {
      removeStaleSocket(address.path)
      this.server.listen({ path: address.path, backlog: address.backlog })
      return
    }
    const host = hostOf(address.host)
    const ipv6Only = net.isIPv6(host)
    this.server.listen({
      host,
      port: address.port,
      backlog: address.backlog,
      ipv6Only,
      exclusive: true,
    })
  }

  get port(): number {
    const found = this.server.address()
    return found && typeof found === 'object' ? found.port : 0
  }

  close(): void {
    this.#owner.delete(this)
    // Throws nothing when it is not listening; connections stay open.
    this.server.close()
  }
}

/** Who keeps what an attempt is and becomes. */
interface AttemptOwner {
  readonly sockets: Set<Socket>
  readonly attempts: Set<NetAttempt>
}

class NetAttempt implements Attempt {
  readonly #handler: ConnectHandler
  readonly #owner: AttemptOwner
  #socket: net.Socket | null = null

  constructor(address: ConnectAddress, handler: ConnectHandler, owner: AttemptOwner) {
    this.#handler = handler
    this.#owner = owner
    owner.attempts.add(this)
    try {
      this.#open(address)
    } catch (cause) {
      // What can be no name (with a zero byte) throws at once, and is told later all the same.
      setImmediate(() => this.#fail(cause as NodeJS.ErrnoException))
    }
  }

  abort(): void {
    if (this.#owner.attempts.delete(this)) this.#socket?.destroy()
  }

  #open({ host, port }: ConnectAddress): void {
    const socket = net.connect({ host, port, noDelay: true })
    this.#socket = socket
    socket.once('error', (cause: NodeJS.ErrnoException) => this.#fail(cause))
    socket.once('connect', () => {
      if (!this.#owner.attempts.delete(this)) return
      socket.removeAllListeners('error')
      const plain = new PlainSocket(socket, '', this.#owner.sockets)
      plain.start(this.#handler.onConnect(plain))
    })
  }

  #fail({ code, message }: NodeJS.ErrnoException): void {
    if (this.#owner.attempts.delete(this)) this.#handler.onFail(code ?? message)
  }
}

/** redis.conf writes `*` for all IPv4 addresses and `::*` for all IPv6 ones. */
function hostOf(host: string): string {
  if (host === '*') return '0.0.0.0'
  return host === '::*' ? '::' : host
}

/** A socket file that a dead server left behind blocks the path; anything else is not ours. */
function removeStaleSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path)
  } catch {
    // Nothing there, or not allowed: listen reports it.
  }
}

function listenError(address: ListenAddress, cause: NodeJS.ErrnoException): StoreError {
  const place = 'path' in address ? address.path : `${address.host}:${address.port}`
  const message = `listen ${place}: ${cause.code ?? cause.message}`
  return new StoreError(ErrorCode.ListenFailed, message, { cause })
}

/** What all fast sockets of a transport use: the buffers and the write request. */
class Shared {
  readonly sockets: Set<Socket>
  readonly receive = new Uint8Array(RECEIVE_LENGTH)
  readonly turn = new TurnBuffer()
  readonly state: Int32Array
  readonly readCount: number
  readonly wasAsync: number
  readonly #binding: StreamBinding
  /** The request of the next write; writes that finish at once never use it up. */
  request: WriteRequest
  #smallStaging = new Uint8Array(SMALL_STAGING_LENGTH)
  #largeStaging = new Uint8Array(STAGING_LENGTH)
  #views: (Uint8Array | undefined)[] = new Array(VIEW_SLOTS).fill(undefined)

  constructor(binding: StreamBinding, sockets: Set<Socket>) {
    this.#binding = binding
    this.sockets = sockets
    this.state = binding.streamBaseState
    this.readCount = binding.kReadBytesOrError
    this.wasAsync = binding.kLastWriteWasAsync
    this.request = new binding.WriteWrap()
  }

  /** A copy of the range in a staging buffer, valid until the next call. */
  stage(bytes: Uint8Array, start: number, length: number): Uint8Array {
    assert(length > 0 && length <= STAGING_LENGTH, 'a staged write fits the buffer')
    const staging = length <= SMALL_STAGING_LENGTH ? this.#smallStaging : this.#largeStaging
    if (length <= 32) {
      for (let i = 0; i < length; i++) staging[i] = bytes[start + i]!
    } else {
      staging.set(bytes.subarray(start, start + length))
    }
    // Replies of the same length are common; a kept view saves making one.
    const slot = length & (VIEW_SLOTS - 1)
    const kept = this.#views[slot]
    if (kept !== undefined && kept.length === length) return kept
    const view = staging.subarray(0, length)
    this.#views[slot] = view
    return view
  }

  /** libuv keeps `bytes` and the request: others take their place. */
  giveAway(bytes: Uint8Array, oncomplete: (status: number) => void): void {
    this.request.bytes = bytes
    this.request.oncomplete = oncomplete
    this.request = new this.#binding.WriteWrap()
    if (bytes.buffer === this.#smallStaging.buffer) {
      this.#smallStaging = new Uint8Array(SMALL_STAGING_LENGTH)
    } else if (bytes.buffer === this.#largeStaging.buffer) {
      this.#largeStaging = new Uint8Array(STAGING_LENGTH)
    } else {
      return
    }
    this.#views.fill(undefined)
  }
}

interface AcceptContext {
  readonly shared: Shared
  /** Of the listening unix socket, or ''. */
  readonly path: string
  readonly handler: AcceptHandler
}

/** A connection on a bare handle. */
class HandleSocket implements Socket, TurnSocket {
  readonly remoteAddress: string
  readonly localAddress: string
  readonly isLocal: boolean
  readonly #handle: StreamHandle
  readonly #shared: Shared
  #handler: SocketHandler | null = null
  #isClosed = false
  /** `end` was called: closes when nothing is pending. */
  #isEnding = false
  /** A write failed: no further one is tried. */
  #hasFailed = false
  #isPaused = false
  /** libuv holds a part of an earlier write. */
  #isWaiting = false
  #queue: Uint8Array[] = []
  /** Bytes used in the last chunk of the queue; all others are full. */
  #tailLength = 0
  #queuedBytes = 0
  /** Length of the buffers in the queue, and of the one that libuv holds. */
  #queuedLength = 0
  #givenLength = 0

  /** Wraps an accepted handle and starts to read. */
  static accept(handle: StreamHandle, context: AcceptContext): void {
    const socket = new HandleSocket(handle, context.shared, context.path)
    socket.#handler = context.handler.onAccept(socket)
    if (socket.#isClosed) socket.#handler.onClose()
    else socket.#start(socket.#handler)
  }

  constructor(handle: StreamHandle, shared: Shared, path: string) {
    this.#handle = handle
    this.#shared = shared
    const remote = path === '' ? nameOf(handle, 'getpeername') : null
    this.remoteAddress = remote ? formatAddress(remote) : `${path}:0`
    this.localAddress = remote ? formatAddress(nameOf(handle, 'getsockname')) : `${path}:0`
    this.isLocal = remote === null || isLoopback(remote.address ?? '')
    // Replies must not wait for the acknowledgement of earlier ones.
    handle.setNoDelay?.(true)
    shared.sockets.add(this)
  }

  get descriptor(): number {
    return this.#isClosed ? -1 : this.#handle.fd
  }

  get pendingBytes(): number {
    if (!this.#isWaiting || this.#isClosed) return 0
    return this.#handle.writeQueueSize + this.#queuedBytes
  }

  get heldBytes(): number {
    return this.#isWaiting && !this.#isClosed ? this.#givenLength + this.#queuedLength : 0
  }

  get heldBuffers(): number {
    return this.#isWaiting && !this.#isClosed ? 1 + this.#queue.length : 0
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'write outside of bytes')
    if (this.#isClosed || this.#isEnding || this.#hasFailed) return
    if (!this.#shared.turn.collect(this, bytes, start, length)) {
      this.sendCollected(bytes, start, length)
    }
  }

  sendCollected(bytes: Uint8Array, start: number, length: number): void {
    if (this.#isClosed || this.#hasFailed) return
    let at = start
    const limit = start + length
    while (at < limit && !this.#isWaiting && !this.#hasFailed) {
      const step = Math.min(limit - at, STAGING_LENGTH)
      this.#send(this.#shared.stage(bytes, at, step))
      at += step
    }
    if (at < limit && !this.#hasFailed) this.#enqueue(bytes, at, limit - at)
  }

  pause(): void {
    if (this.#isPaused || this.#isClosed) return
    this.#isPaused = true
    this.#handle.readStop()
  }

  resume(): void {
    if (!this.#isPaused || this.#isClosed || this.#isEnding) return
    this.#isPaused = false
    // Before `onAccept` has returned there is nobody to read for.
    if (this.#handler) this.#handle.readStart()
  }

  setKeepAlive(seconds: number): void {
    if (!this.#isClosed) this.#handle.setKeepAlive?.(seconds > 0, seconds)
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return
    this.#shared.turn.flush()
    if (this.#isClosed) return
    if (!this.#isWaiting) return this.close()
    this.#isEnding = true
    this.#handle.readStop()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#shared.sockets.delete(this)
    this.#queue = []
    this.#queuedBytes = 0
    this.#queuedLength = 0
    this.#handle.onread = ignoreRead
    this.#handle.close()
    this.#handler?.onClose()
  }

  #start(handler: SocketHandler): void {
    const { state, readCount, receive } = this.#shared
    this.#handle.useUserBuffer(receive)
    this.#handle.onread = () => {
      const count = state[readCount]!
      if (count > 0) handler.onData(receive, 0, count)
      else if (count < 0) this.close()
    }
    if (!this.#isPaused && !this.#isEnding) this.#handle.readStart()
  }

  /** Writes what the kernel takes; libuv keeps the rest. */
  #send(bytes: Uint8Array): void {
    const shared = this.#shared
    const status = this.#handle.writeBuffer(shared.request, bytes)
    if (status !== 0) return this.#fail()
    if (shared.state[shared.wasAsync]! === 0) return
    this.#isWaiting = true
    // A view of a staging buffer keeps all of it.
    this.#givenLength = bytes.buffer.byteLength
    shared.giveAway(bytes, (result) => this.#onSent(result))
  }

  #onSent(status: number): void {
    if (this.#isClosed) return
    this.#isWaiting = false
    if (status < 0) return this.close()
    while (!this.#isWaiting && !this.#hasFailed) {
      const chunk = this.#queue.shift()
      if (chunk === undefined) break
      const length = this.#queue.length === 0 ? this.#tailLength : chunk.length
      this.#queuedBytes -= length
      this.#queuedLength -= chunk.length
      this.#send(length === chunk.length ? chunk : chunk.subarray(0, length))
    }
    if (this.#isWaiting || this.#hasFailed) return
    assert(this.#queuedBytes === 0, 'queue and its count disagree')
    if (this.#isEnding) this.close()
    else this.#handler?.onDrain()
  }

  #enqueue(bytes: Uint8Array, start: number, length: number): void {
    let at = start
    let left = length
    const tail = this.#queue.at(-1) ?? EMPTY_BYTES
    const fitting = this.#queue.length > 0 ? Math.min(tail.length - this.#tailLength, left) : 0
    if (fitting > 0) {
      tail.set(bytes.subarray(at, at + fitting), this.#tailLength)
      this.#tailLength += fitting
      at += fitting
      left -= fitting
    }
    if (left > 0) {
      const chunk = new Uint8Array(Math.max(QUEUE_CHUNK_LENGTH, left))
      chunk.set(bytes.subarray(at, at + left))
      this.#queue.push(chunk)
      this.#queuedLength += chunk.length
      this.#tailLength = left
    }
    this.#queuedBytes += length
  }

  #fail(): void {
    this.#hasFailed = true
    setImmediate(() => this.close())
  }
}

/** What a closing handle calls, if it calls anything. */
function ignoreRead(): void {}

function nameOf(handle: StreamHandle, method: 'getpeername' | 'getsockname'): PeerName {
  const name: PeerName = {}
  // A peer that is gone already has no name; Redis writes ?:0 then.
  const status = handle[method]?.(name) ?? -1
  return status === 0 ? name : { address: '?', port: 0 }
}
