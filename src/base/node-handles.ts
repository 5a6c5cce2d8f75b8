// The part of Node's inside that the fast transport relies on, in one place. `node:net` wraps each
// libuv handle into a Socket, a Readable and a Writable, which cost 1.4 µs per read and write
// (bench/transport.ts, docs/decisions/0007-transport.md). The handles below are what they call:
//
// - `server._handle.onconnection(error, handle)` is called for each accepted connection;
// - `handle.useUserBuffer(bytes)` makes all reads land in `bytes`, `handle.onread()` is called
//   after each, and `streamBaseState[kReadBytesOrError]` says how many bytes came or what failed;
// - `handle.writeBuffer(request, bytes)` writes at once what the kernel takes; only when something
//   is left (`kLastWriteWasAsync`) does it keep `request` and `bytes` until `request.oncomplete`.
//
// None of it is documented, all of it has been the same since Node 12; Node is pinned, and
// `loadStreamBinding` looks at everything it names. Where something is missing the transport falls
// back to plain sockets.

export interface WriteRequest {
  oncomplete: ((status: number) => void) | null
  /** Keeps the bytes of an unfinished write alive. */
  bytes: Uint8Array | null
}

export interface StreamHandle {
  /** Descriptor, or -1. */
  readonly fd: number
  /** Bytes that libuv has not written yet. */
  readonly writeQueueSize: number
  onread: (() => void) | null
  useUserBuffer(bytes: Uint8Array): void
  readStart(): number
  readStop(): number
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  close(): void
  // TCP only.
  setNoDelay?(enable: boolean): number
  setKeepAlive?(enable: boolean, delaySeconds: number): number
  getpeername?(into: PeerName): number
  getsockname?(into: PeerName): number
}

export interface PeerName {
  address?: string
  family?: string
  port?: number
}

export interface ServerHandle {
  onconnection: (error: number, client: StreamHandle | undefined) => void
}

export interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

/** The binding, or null when this Node does not have what the fast transport needs. */
export function loadStreamBinding(): StreamBinding | null {
  const host = process as unknown as { binding?: (name: string) => Partial<StreamBinding> }
  if (typeof host.binding !== 'function') return null
  try {
    const found = host.binding('stream_wrap')
    const isWhole =
      typeof found.WriteWrap === 'function' &&
      found.streamBaseState instanceof Int32Array &&
      typeof found.kReadBytesOrError === 'number' &&
      typeof found.kLastWriteWasAsync === 'number'
    return isWhole ? (found as StreamBinding) : null
  } catch {
    return null
  }
}

/** The listening handle of a `net.Server`, or null when it has none of the expected shape. */
export function serverHandleOf(server: object): ServerHandle | null {
  const handle = (server as { _handle?: Partial<ServerHandle> | null })._handle
  return typeof handle?.onconnection === 'function' ? (handle as ServerHandle) : null
}

/** Whether an accepted handle has every method that is used. */
export function isUsable(handle: StreamHandle): boolean {
  return (
    typeof handle.useUserBuffer === 'function' &&
    typeof handle.writeBuffer === 'function' &&
    typeof handle.readStart === 'function' &&
    typeof handle.readStop === 'function'
  )
}
