// The only door to sockets. The engine sees listeners and sockets, never streams, promises or the
// Node event loop, so that another transport (epoll) can take this one's place: `Transport` is the
// whole contract. `base/socket-net.ts` implements it on `node:net`.
//
// A transport calls its handler synchronously, one call per chunk of bytes received. The bytes are
// borrowed: they belong to the transport's one receive buffer and are valid until the call returns.
// `write` takes bytes at once or copies them; the caller may reuse its buffer when it returns.

export interface Transport {
  /** Starts to listen. Reports failure (busy port, bad address) through `done(error)`. */
  listen(
    address: ListenAddress,
    handler: AcceptHandler,
    done: (error: Error | null) => void,
  ): Listener
  /** Begins to connect to another server; what comes of it goes to `handler`, never at once. */
  connect(address: ConnectAddress, handler: ConnectHandler): Attempt
  /**
   * Sends at once what was written in this turn of the loop, which otherwise goes out at its end.
   * For work of some length that the loop does before that.
   */
  flush(): void
  /** Ends all listeners, sockets and attempts to connect. */
  close(): void
}

/** A name or address, and a port from 0 to 65535. */
export interface ConnectAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectHandler {
  /** The connection is open; the returned handler gets its events. */
  onConnect(socket: Socket): SocketHandler
  /** There is none, and none will come: `code` is ENOTFOUND, ECONNREFUSED and the like. */
  onFail(code: string): void
}

/** A connection on its way. */
export interface Attempt {
  /** Gives up: the handler hears nothing more. Does nothing once the connection is open. */
  abort(): void
}

/** A TCP address with a port, or the path of a unix socket. */
export type ListenAddress =
  | { readonly host: string; readonly port: number; readonly backlog: number }
  | { readonly path: string; readonly mode: number; readonly backlog: number }

export interface AcceptHandler {
  /** Takes a new connection; the returned handler gets its events. */
  onAccept(socket: Socket): SocketHandler
}

export interface SocketHandler {
  /** Bytes arrived in `bytes[start, start + length)`, borrowed until the call returns. */
  onData(bytes: Uint8Array, start: number, length: number): void
  /** After bytes were pending: all given to `write` so far are with the kernel. */
  onDrain(): void
  /** The peer ended, the connection failed, or `close` was called; no event follows. */
  onClose(): void
}

export interface Listener {
  close(): void
  /** The port that is really listened on (0 for a unix socket). */
  readonly port: number
}

export interface Socket {
  /** `ip:port`, `[ip]:port` for IPv6, or the path of the unix socket and `:0`. */
  readonly remoteAddress: string
  readonly localAddress: string
  /** Whether the peer is on this machine: loopback or unix socket. */
  readonly isLocal: boolean
  /** File descriptor, or -1 when the transport cannot tell. */
  readonly descriptor: number
  /** Bytes given to `write` that the kernel has not taken yet. */
  readonly pendingBytes: number
  /** Memory of the buffers that they lie in, and how many buffers these are. */
  readonly heldBytes: number
  readonly heldBuffers: number
  /** Sends a range of bytes, which the caller may reuse when this returns. */
  write(bytes: Uint8Array, start: number, length: number): void
  /** Stops and resumes `onData`; back-pressure on a client that sends too fast. */
  pause(): void
  resume(): void
  setKeepAlive(seconds: number): void
  /** Sends what is pending, then closes. */
  end(): void
  /**
   * Closes at once; pending bytes are lost. `onClose` is called once, before the return (inside of
   * `onAccept`: right after it). `write` never closes: a failure shows on the loop's next turn.
   */
  close(): void
}
