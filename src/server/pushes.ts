// What clients are sent without having asked for it at that moment: messages of pub/sub,
// confirmations of subscriptions, invalidations. A push is encoded once and sent to any number of
// clients: RESP2 and RESP3 differ in the first byte only (`*` and `>`).
//
// - The client that is being served gets a push in the order of its replies: through the reply.
//   CLIENT REPLY OFF does not silence pushes; what comes while replies are muted is kept until the
//   command is over, as are invalidations, which must not stand inside of another reply.
// - All others get it through their sockets at once. Who then has too much output waiting is closed
//   by `enforceLimits`, not in the middle of a loop over subscribers.
//
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { EMPTY_BYTES } from '../base/bytes.ts'
import { Reply } from '../resp/reply.ts'
import type { Clients } from './clients.ts'
import type { Connection } from './connection.ts'
import { ReplyMode } from './connection.ts'
import type { Statistics } from './statistics.ts'

const STAR = 0x2a
const GREATER = 0x3e

export interface PushesOptions {
  readonly clients: Clients
  readonly statistics: Statistics
  readonly nowMs: () => number
}

export class Pushes {
  readonly #options: PushesOptions
  /** Encodes; what it would send is the push. */
  readonly #encoder: Reply
  #bytes: Uint8Array = EMPTY_BYTES
  #start = 0
  #length = 0
  /** The client that is being served, and the writer of its replies. */
  #served: Connection | null = null
  #reply: Reply | null = null
  /** For the served client, when its command is over. */
  #kept: Uint8Array[] = []
  /** A command of the served client is being executed: replies may be half written. */
  #isExecuting = false
  /** Clients that do not read as fast as they are sent to. */
  #slow: Connection[] = []

  constructor(options: PushesOptions) {
    this.#options = options
    this.#encoder = new Reply((bytes, start, length) => {
      this.#bytes = bytes
      this.#start = start
      this.#length = length
    })
  }

  /** Begins a push of `count` elements; they are written into what this returns. */
  begin(count: number): Reply {
    // Nothing leaves the encoder before it is whole.
    this.#encoder.hold()
    this.#encoder.push(count)
    return this.#encoder
  }

  /** Ends it; it is what `send` sends until the next `begin`. */
  end(): void {
    this.#encoder.release()
    this.#encoder.flush()
  }

  /** Sends the push, to the served client in the place where its replies are. */
  send(client: Connection): void {
    if (client !== this.#served) return this.#write(client)
    this.#setVersion(client)
    if (client.replyMode !== ReplyMode.On) return this.#keep()
    assert(this.#reply !== null, 'whoever is served has a reply')
    this.#reply.raw(this.#bytes, this.#start, this.#length)
  }

  /** Sends the push, to the served client after the reply of its command. */
  sendLate(client: Connection): void {
    if (client !== this.#served || !this.#isExecuting) return this.send(client)
    this.#setVersion(client)
    this.#keep()
  }

  /** Sends a line as a reply, which CLIENT REPLY OFF silences: to the served client late. */
  sendLine(client: Connection, line: Uint8Array): void {
    if (client.replyMode !== ReplyMode.On) return
    if (client === this.#served) this.#kept.push(line)
    else this.#writeBytes(client, line, 0, line.length)
  }

  /** The client that is being served. */
  get served(): Connection | null {
    return this.#served
  }

  /** The served client's command is executed from now on; `endCommand` is its end. */
  beginCommand(): void {
    this.#isExecuting = true
  }

  /** From now on `client` is served, and `reply` is what it is answered by; null: nobody is. */
  serve(client: Connection | null, reply: Reply): void {
    assert(this.#kept.length === 0, 'pushes are sent before another client is served')
    this.#served = client
    this.#reply = reply
  }

  /** The served client's command is over and its reply written: what waited for it follows. */
  endCommand(reply: Reply): void {
    this.#isExecuting = false
    if (this.#kept.length === 0) return
    const kept = this.#kept
    this.#kept = []
    for (const bytes of kept) reply.raw(bytes, 0, bytes.length)
  }

  /** Closes clients whose output grew beyond their limit. */
  enforceLimits(): void {
    if (this.#slow.length === 0) return
    const { clients, nowMs } = this.#options
    const slow = this.#slow
    this.#slow = []
    for (const client of slow) clients.enforceOutputLimit(client, nowMs())
  }

  #write(client: Connection): void {
    this.#setVersion(client)
    this.#writeBytes(client, this.#bytes, this.#start, this.#length)
  }

  #writeBytes(client: Connection, bytes: Uint8Array, start: number, length: number): void {
    const { statistics } = this.#options
    statistics.writes++
    statistics.outputBytes += length
    client.socket.write(bytes, start, length)
    if (client.socket.pendingBytes === 0 && client.softLimitSinceMs === 0) return
    this.#options.clients.memory.update(client)
    this.#slow.push(client)
  }

  #keep(): void {
    this.#kept.push(this.#bytes.slice(this.#start, this.#start + this.#length))
  }

  #setVersion(client: Connection): void {
    this.#bytes[this.#start] = client.version === 2 ? STAR : GREATER
  }
}
