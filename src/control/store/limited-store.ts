// A store with a limit of bandwidth, for what is read and what is written together. All writers and
// readers of it share one bucket of tokens that fills at the rate and holds a quarter of a second.
//
// The limit holds on average. A multipart upload gathers a part before it sends it, so on the wire
// a part of 8 MiB goes at full speed and then there is a pause.

import type {
  ObjectInfo,
  ObjectStore,
  ObjectWriter,
  PendingWrite,
  WriteOptions,
} from './object-store.ts'
import { wait } from './retry.ts'

const BURST_MS = 250
/** Pieces are let through in such steps, so that a large one makes no long pause. */
const STEP_BYTES = 256 << 10

/** Lets bytes through at a rate; those who ask are served in the order in which they ask. */
export class BandwidthLimit {
  #bytesPerSecond: number
  /** When all that was let through so far is paid for, in ms of `performance.now`. */
  #paidMs = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = checkRate(bytesPerSecond)
  }

  /** From now on; who waits already waits as long as was said. */
  setRate(bytesPerSecond: number): void {
    this.#bytesPerSecond = checkRate(bytesPerSecond)
  }

  /** Resolves when so many bytes may pass. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const nowMs = performance.now()
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS)
    this.#paidMs += (bytes / this.#bytesPerSecond) * 1000
    if (this.#paidMs > nowMs) await wait(this.#paidMs - nowMs, signal)
  }
}

function checkRate(bytesPerSecond: number): number {
  if (bytesPerSecond > 0) return bytesPerSecond
  throw new RangeError(`a bandwidth of ${bytesPerSecond} bytes per second`)
}

export class LimitedStore implements ObjectStore {
  readonly url: string
  readonly #store: ObjectStore
  readonly #limit: BandwidthLimit

  constructor(store: ObjectStore, limit: BandwidthLimit) {
    this.url = store.url
    this.#store = store
    this.#limit = limit
  }

  async put(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<ObjectInfo> {
    await this.#limit.take(bytes.length, options.signal)
    return this.#store.put(name, bytes, options)
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    return limitWriter(await this.#store.create(name, options), this.#limit, options.signal)
  }

  async resume(pending: PendingWrite, options: WriteOptions = {}): Promise<ObjectWriter> {
    return limitWriter(await this.#store.resume(pending, options), this.#limit, options.signal)
  }

  async get(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#store.get(name, signal)
    await this.#limit.take(bytes.length, signal)
    return bytes
  }

  async *read(name: string, from = 0, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    for await (const piece of this.#store.read(name, from, signal)) {
      await this.#limit.take(piece.length, signal)
      yield piece
    }
  }

  probe(signal?: AbortSignal): Promise<readonly string[]> {
    return this.#store.probe(signal)
  }

  freeBytes(): Promise<number | null> {
    return this.#store.freeBytes()
  }

  info(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    return this.#store.info(name, signal)
  }

  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    return this.#store.list(prefix, signal)
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.#store.delete(name, signal)
  }

  pending(prefix: string, signal?: AbortSignal): AsyncIterable<PendingWrite> {
    return this.#store.pending(prefix, signal)
  }

  discard(pending: PendingWrite, signal?: AbortSignal): Promise<void> {
    return this.#store.discard(pending, signal)
  }

  close(): void {
    this.#store.close()
  }
}

function limitWriter(
  writer: ObjectWriter,
  limit: BandwidthLimit,
  signal: AbortSignal | undefined,
): ObjectWriter {
  return {
    get bytes() {
      return writer.bytes
    },
    async write(bytes) {
      for (let i = 0; i < bytes.length; i += STEP_BYTES) {
        const step = bytes.subarray(i, i + STEP_BYTES)
        await limit.take(step.length, signal)
        await writer.write(step)
      }
    },
    complete: () => writer.complete(),
    suspend: () => writer.suspend(),
    abort: () => writer.abort(),
  }
}
