// Replies of one turn to a client with a hard output limit. They are held back until the turn ends,
// so that a client which asks for more than its limit is closed without having got a part of it, as
// in Redis. Memory is bounded by the limit and one reply buffer.

import type { Socket } from '../base/socket.ts'

export class HeldOutput {
  #chunks: Uint8Array[] = []
  #length = 0

  /** Bytes held. */
  get length(): number {
    return this.#length
  }

  /** Keeps a copy. */
  add(bytes: Uint8Array, start: number, length: number): void {
    const copy = new Uint8Array(length)
    copy.set(bytes.subarray(start, start + length))
    this.#chunks.push(copy)
    this.#length += length
  }

  /** Writes everything and forgets it. */
  writeTo(socket: Socket): void {
    const chunks = this.#chunks
    this.clear()
    for (const chunk of chunks) socket.write(chunk, 0, chunk.length)
  }

  clear(): void {
    if (this.#length === 0) return
    this.#chunks = []
    this.#length = 0
  }
}
