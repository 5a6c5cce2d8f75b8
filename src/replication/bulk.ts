// The snapshot of a full sync on its way into a replica's socket: taken from where it comes from
// only as fast as the replica takes it, so that a slow one holds up neither the engine nor memory.
//
//   QueueBulk   frames of the snapshot thread (persist/snapshot/sinks.ts), as they are encoded;
//               when the queue is full the scan waits
//   FileBulk    a file that is complete, read in the background, a piece at a time
//
// What both hold is bounded: the queue or one piece, and WINDOW_BYTES with the socket.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { FrameQueue } from '../base/frame-queue.ts'
import type { Socket } from '../base/socket.ts'
import { StreamFrame } from '../persist/snapshot/sinks.ts'

export interface Bulk {
  /** Goes on if the socket takes more: after a drain, and now and then. */
  pump(): void
  /** Nobody wants it any more. */
  close(): void
}

export interface BulkOptions {
  readonly clock: Clock
  readonly socket: Socket
  /** Told of each byte count that went to the socket. */
  readonly onSent: (length: number) => void
  /** Told once, when all has been given to the socket, or what went wrong. */
  readonly onEnd: (error: string | null) => void
}

/** More is not given to a socket that has not sent so much yet. */
export const WINDOW_BYTES = 256 * 1024
/** Moved in one go; some 0.1 ms of the engine. */
const STEP_BYTES = 512 * 1024
/** How often an empty queue is looked at. */
const POLL_MS = 1
const PIECE_BYTES = 256 * 1024

export class QueueBulk implements Bulk {
  readonly #options: BulkOptions
  readonly #queue: FrameQueue
  #timer: Timer | null = null
  #hasEnded = false
  readonly #run = () => {
    this.#timer = null
    this.pump()
  }
  readonly #send = (bytes: Uint8Array, start: number, length: number) => {
    this.#options.socket.write(bytes, start, length)
    this.#options.onSent(length)
  }

  constructor(queue: FrameQueue, options: BulkOptions) {
    this.#queue = queue
    this.#options = options
  }

  pump(): void {
    if (this.#hasEnded || this.#timer !== null) return
    const { socket, clock } = this.#options
    const queue = this.#queue
    let moved = 0
    while (moved < STEP_BYTES && socket.pendingBytes < WINDOW_BYTES && queue.next()) {
      const { kind, length } = queue
      if (kind === StreamFrame.End) return this.#end(null)
      if (kind === StreamFrame.Failed) return this.#end('the snapshot has failed')
      queue.take(this.#send)
      moved += length
    }
    if (this.#hasEnded || socket.pendingBytes >= WINDOW_BYTES) return
    this.#timer = moved > 0 ? clock.soon(this.#run) : clock.after(POLL_MS, this.#run)
  }

  close(): void {
    this.#hasEnded = true
    this.#timer?.stop()
    this.#queue.close()
  }

  #end(error: string | null): void {
    this.#hasEnded = true
    this.#options.onEnd(error)
  }
}

export interface FileBulkOptions extends BulkOptions {
  readonly disk: Disk
  readonly path: string
  readonly length: number
}

export class FileBulk implements Bulk {
  readonly #options: FileBulkOptions
  #sent = 0
  #isReading = false
  #hasEnded = false

  constructor(options: FileBulkOptions) {
    assert(options.length > 0, 'a file has a head and an end')
    this.#options = options
  }

  pump(): void {
    const { socket, disk, path, length } = this.#options
    if (this.#hasEnded || this.#isReading || socket.pendingBytes >= WINDOW_BYTES) return
    this.#isReading = true
    const bytes = new Uint8Array(Math.min(PIECE_BYTES, length - this.#sent))
    disk.begin({ kind: 'read', path, bytes, position: this.#sent }, (error) => {
      this.#isReading = false
      if (this.#hasEnded) return
      if (error !== null) return this.#end(error.message)
      socket.write(bytes, 0, bytes.length)
      this.#sent += bytes.length
      this.#options.onSent(bytes.length)
      if (this.#sent === length) this.#end(null)
      else this.#options.clock.soon(() => this.pump())
    })
  }

  close(): void {
    this.#hasEnded = true
  }

  #end(error: string | null): void {
    this.#hasEnded = true
    this.#options.onEnd(error)
  }
}
