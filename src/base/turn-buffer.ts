// Collects the writes of one turn of the event loop and sends them together at its end.
//
// A peer that is asleep is woken by the first bytes it gets; waking costs the kernel several
// microseconds, and a peer that is served at once falls asleep again before its next reply. Sent
// together, the replies to all sockets that were readable in one turn wake a client with many
// connections once (bench/transport.ts: see docs/decisions/0007-transport.md).
//
// Invariant: entries are in the order of their writes; consecutive writes of a socket are one.

import { copySlice, Slice } from './slice.ts'

/** Who the bytes are for. */
export interface TurnSocket {
  /** Sends bytes that were collected before; called at the end of the turn. */
  sendCollected(bytes: Uint8Array, start: number, length: number): void
}

const TURN_LENGTH = 256 * 1024
/** A longer write gains nothing by waiting. */
const COLLECTED_LENGTH_MAX = 16 * 1024

export class TurnBuffer {
  readonly #range = new Slice()
  readonly #bytes = new Uint8Array(TURN_LENGTH)
  readonly #sockets: TurnSocket[] = []
  readonly #starts: number[] = []
  #used = 0
  #count = 0
  #isScheduled = false
  readonly #onTurnEnd = () => {
    this.#isScheduled = false
    this.flush()
  }

  /** Takes a write for the end of the turn; false when it is too long: then send it at once. */
  collect(socket: TurnSocket, bytes: Uint8Array, start: number, length: number): boolean {
    if (length > COLLECTED_LENGTH_MAX) {
      this.flush()
      return false
    }
    if (this.#used + length > TURN_LENGTH) this.flush()
    if (this.#count === 0 || this.#sockets[this.#count - 1] !== socket) {
      this.#sockets[this.#count] = socket
      this.#starts[this.#count] = this.#used
      this.#count++
    }
    if (length <= 32) {
      for (let i = 0; i < length; i++) this.#bytes[this.#used + i] = bytes[start + i]!
    } else {
      copySlice(this.#range.set(bytes, start, length), this.#bytes, this.#used)
    }
    this.#used += length
    if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(this.#onTurnEnd)
    }
    return true
  }

  /** Sends all that was collected. */
  flush(): void {
    const count = this.#count
    const used = this.#used
    this.#count = 0
    this.#used = 0
    for (let i = 0; i < count; i++) {
      const start = this.#starts[i]!
      const end = i + 1 < count ? this.#starts[i + 1]! : used
      this.#sockets[i]!.sendCollected(this.#bytes, start, end - start)
    }
    // Sockets that closed since must not stay alive through this list.
    if (this.#sockets.length > count * 4 + 64) this.#sockets.length = count
  }
}
