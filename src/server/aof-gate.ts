// Holds what clients are sent until the log keeps the policy's promise for all that was logged
// before it: with `appendfsync always`, until that is synced. So nobody, reader or writer, learns
// of a change that a crash could take back, and the engine serves on meanwhile; what gathers is
// released by one sync.
//
//   #entries:  [ write | position ][ write | position ] …      in the order of the writes
//
// With other policies, and while nothing waits to be synced, a write costs a branch. It stands as a
// transport between the engine and the real one; only accepted sockets pass through it.
// Invariant: positions of entries ascend, so that what may go is always at the front.
// Owner: the engine.

import { assert } from '../base/assert.ts'
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
} from '../base/socket.ts'

/** Positions in the log. */
export interface GateSource {
  readonly appended: number
  /** What was logged before this may be acknowledged. */
  readonly settled: number
}

/** An entry: bytes for a socket, or, with none, its end. */
interface Entry {
  readonly socket: GatedSocket
  readonly bytes: Uint8Array | null
  readonly position: number
}

const NO_LOG: GateSource = { appended: 0, settled: 0 }

export class AofGate implements Transport {
  source: GateSource = NO_LOG
  readonly #inner: Transport
  readonly #entries: Entry[] = []

  constructor(inner: Transport) {
    this.#inner = inner
  }

  /** Whether what is written now must wait. */
  get isClosed(): boolean {
    return this.source.settled < this.source.appended
  }

  listen(
    address: ListenAddress,
    handler: AcceptHandler,
    done: (error: Error | null) => void,
  ): Listener {
    return this.#inner.listen(
      address,
      { onAccept: (socket) => this.#accept(socket, handler) },
      done,
    )
  }

  connect(address: ConnectAddress, handler: ConnectHandler): Attempt {
    return this.#inner.connect(address, handler)
  }

  flush(): void {
    this.#inner.flush()
  }

  close(): void {
    this.release()
    this.#inner.close()
  }

  hold(socket: GatedSocket, bytes: Uint8Array | null): void {
    const position = this.source.appended
    assert((this.#entries.at(-1)?.position ?? 0) <= position, 'positions ascend')
    this.#entries.push({ socket, bytes, position })
  }

  /** Sends what may go by now. Called when the log has come further, or its policy changed. */
  release(): void {
    const entries = this.#entries
    if (entries.length === 0) return
    const { settled, appended } = this.source
    const isOpen = settled >= appended
    let count = 0
    while (count < entries.length && (isOpen || entries[count]!.position <= settled)) count++
    for (const { socket, bytes } of entries.splice(0, count)) socket.release(bytes)
  }

  #accept(socket: Socket, handler: AcceptHandler): SocketHandler {
    const gated = new GatedSocket(this, socket)
    gated.handler = handler.onAccept(gated)
    return gated.handler
  }
}

class GatedSocket implements Socket {
  handler: SocketHandler | null = null
  readonly #gate: AofGate
  readonly #inner: Socket
  #heldBytes = 0
  /** Entries that wait for the gate. */
  #heldCount = 0

  constructor(gate: AofGate, inner: Socket) {
    this.#gate = gate
    this.#inner = inner
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress
  }

  get localAddress(): string {
    return this.#inner.localAddress
  }

  get isLocal(): boolean {
    return this.#inner.isLocal
  }

  get descriptor(): number {
    return this.#inner.descriptor
  }

  get pendingBytes(): number {
    return this.#inner.pendingBytes + this.#heldBytes
  }

  get heldBytes(): number {
    return this.#inner.heldBytes + this.#heldBytes
  }

  get heldBuffers(): number {
    return this.#inner.heldBuffers + this.#heldCount
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    // What a socket has written before must go first.
    if (this.#heldCount === 0 && !this.#gate.isClosed) {
      return this.#inner.write(bytes, start, length)
    }
    this.#heldCount++
    this.#heldBytes += length
    this.#gate.hold(this, bytes.slice(start, start + length))
  }

  end(): void {
    if (this.#heldCount === 0) return this.#inner.end()
    this.#heldCount++
    this.#gate.hold(this, null)
  }

  /** The gate lets an entry go. */
  release(bytes: Uint8Array | null): void {
    this.#heldCount--
    if (bytes === null) return this.#inner.end()
    this.#heldBytes -= bytes.length
    this.#inner.write(bytes, 0, bytes.length)
    if (this.#heldCount === 0 && this.#inner.pendingBytes === 0) this.handler?.onDrain()
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  setKeepAlive(seconds: number): void {
    this.#inner.setKeepAlive(seconds)
  }

  close(): void {
    this.#inner.close()
  }
}
