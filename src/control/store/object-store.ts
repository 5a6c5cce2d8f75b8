// A place for immutable objects: a directory, or a bucket of S3. What a backup is made of lies in
// one; docs/decisions/0017-backups.md says under which names.
//
// - An object appears whole or not at all; what was begun and not completed is no object.
// - A name is written once. `createOnly` makes that a condition that holds against others.
// - Bytes come with their SHA-256 or are counted by the store; whoever reads compares.
//
// Copying is what can go on after a crash: `pending` finds what an earlier process had begun,
// `resume` says how many of its bytes the store has kept. (A node's stream cannot be had a second
// time.)
//
// Every method throws a `StoreFault` that says what was tried, where, and what came back; transient
// faults have been retried before that. Owner: the process that opened the store.

/** Of what kind a fault is, for exit codes and for what to do about it. */
export type FaultKind =
  /** The object or the place is not there. */
  | 'missing'
  /** `createOnly`, and the name is taken. */
  | 'exists'
  /** Credentials or permissions. */
  | 'denied'
  /** Out of space or over a quota. */
  | 'full'
  /** What came is not what was stored: length, checksum, ETag. */
  | 'damaged'
  /** Unreachable, or failing after all retries. */
  | 'unavailable'
  /** What was asked makes no sense: a URL, a name, a range. */
  | 'invalid'
  | 'aborted'

export class StoreFault extends Error {
  override readonly name = 'StoreFault'
  readonly kind: FaultKind

  constructor(kind: FaultKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

export interface ObjectInfo {
  readonly name: string
  readonly bytes: number
  /** Unix ms. */
  readonly modifiedMs: number
}

export interface WriteOptions {
  /** Fails with `exists` when an object has the name. */
  readonly createOnly?: boolean
  /** How long the object will be, about: S3 chooses the size of its parts by that. */
  readonly expectedBytes?: number
  readonly signal?: AbortSignal
}

/** An object that is being written, in pieces of any size; one call at a time. */
export interface ObjectWriter {
  /** Taken so far; of a resumed writer at first: what the store has kept, the place to go on at. */
  readonly bytes: number
  /** Resolves when more may come: what is held in memory is bounded. The bytes are copied. */
  write(bytes: Uint8Array): Promise<void>
  /** Makes the object appear; resolves when it is durable. */
  complete(): Promise<ObjectInfo>
  /** Stops, and leaves what the store has got for `resume`; never throws. */
  suspend(): Promise<void>
  /** Leaves nothing behind, if it can; never throws. */
  abort(): Promise<void>
}

/** An upload that was begun and neither completed nor aborted, perhaps by a process that died. */
export interface PendingWrite {
  readonly name: string
  readonly id: string
  readonly startedMs: number
}

export interface ObjectStore {
  /** As the user wrote it, without credentials: for messages. */
  readonly url: string
  /**
   * Tries whether it can be reached, read and written: throws what is in the way, returns what
   * works less well than it should, in sentences. */
  probe(signal?: AbortSignal): Promise<readonly string[]>
  /** Room that is left; null: not known, or without end. */
  freeBytes(): Promise<number | null>
  /** Writes a small object in one piece. */
  put(name: string, bytes: Uint8Array, options?: WriteOptions): Promise<ObjectInfo>
  /** Begins to write an object of unknown length. */
  create(name: string, options?: WriteOptions): Promise<ObjectWriter>
  /** Reads a small object whole; `missing` when it is not there. */
  get(name: string, signal?: AbortSignal): Promise<Uint8Array>
  /** Reads an object from byte `from` on, in pieces; goes on where a connection broke off. */
  read(name: string, from?: number, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** `missing` when it is not there. */
  info(name: string, signal?: AbortSignal): Promise<ObjectInfo>
  /** All objects whose names begin with `prefix`, in the order of their names. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo>
  /** Removes an object; one that is not there is no fault. */
  delete(name: string, signal?: AbortSignal): Promise<void>
  /** Uploads that are not completed: left behind, or under way. */
  pending(prefix: string, signal?: AbortSignal): AsyncIterable<PendingWrite>
  /** Forgets such an upload. */
  discard(pending: PendingWrite, signal?: AbortSignal): Promise<void>
  /** Goes on with such an upload, whose process must have ended; `missing` when it is gone. */
  resume(pending: PendingWrite, options?: WriteOptions): Promise<ObjectWriter>
  /** Lets go of connections; nothing may be under way. */
  close(): void
}
