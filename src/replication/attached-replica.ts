// One replica as its primary sees it: what it has told of itself by REPLCONF, how far it is, and
// what it is sent.
//
//   Handshake ──SYNC, PSYNC──► Waiting ──cut──► Saving ──file is complete──► Sending ─┐
//       │                         │                                                   │
//       │                         └──────cut──► Streaming ─────── last byte ──────────┤
//       │                                                                             ▼
//       └────────────────── PSYNC that can go on ─────────────────────────────────► Online
//
//   Handshake   a client that may become a replica
//   Waiting     for the next cut
//   Saving      its snapshot is being written to a file
//   Sending     that file goes out, its length first
//   Streaming   its snapshot goes out as it is encoded, between two marks
//   Online      gets the stream from `position` on; after Streaming only when it has confirmed that
//               the snapshot is over, as it would take what follows for a part of it
//
// From the cut on the stream waits for it in the backlog. Owner: the engine.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import type { Socket } from '../base/socket.ts'
import type { Backlog, BacklogReader } from './backlog.ts'
import { type Bulk, WINDOW_BYTES } from './bulk.ts'

export const ReplicaState = {
  Handshake: 0,
  Waiting: 1,
  Saving: 2,
  Streaming: 3,
  Sending: 4,
  Online: 5,
} as const
export type ReplicaState = (typeof ReplicaState)[keyof typeof ReplicaState]

/** What INFO calls the states. */
const STATE_NAMES = ['', 'wait_bgsave', 'wait_bgsave', 'wait_bgsave', 'send_bulk', 'online']
const { Handshake, Waiting, Saving, Streaming, Sending, Online } = ReplicaState
const SUCCESSORS: Readonly<Record<ReplicaState, readonly ReplicaState[]>> = {
  [Handshake]: [Waiting, Online],
  [Waiting]: [Saving, Streaming, Online],
  [Saving]: [Sending],
  [Streaming]: [Online],
  [Sending]: [Online],
  [Online]: [],
}

/** Its connection. */
export interface ReplicaLink {
  readonly socket: Socket
  /** Closes at once. */
  close(): void
  /** Looks whether more output waits than is allowed, and closes then. */
  measure(): void
}

export class AttachedReplica implements BacklogReader {
  readonly link: ReplicaLink
  /** What REPLCONF has told. */
  port = 0
  host = ''
  isEofCapable = false
  isPsync2 = false
  /** Wants the snapshot and nothing after it. */
  isRdbOnly = false
  /** Wants a snapshot without keys. */
  isEmptyWanted = false
  /** Came by SYNC: confirms nothing. */
  isOld = false
  state: ReplicaState = ReplicaState.Handshake
  /** Since when it waits for a cut, unix ms. */
  waitingSinceMs = 0
  /** A cut has been asked for. */
  isRequested = false
  /** Offset up to which it has confirmed the stream, and when it last said anything. */
  ackOffset = 0
  ackMs = 0
  position = 0
  /** The stream waits for its confirmation. */
  isHeld = false
  bulk: Bulk | null = null
  hasEnded = false
  /** What the socket has sent, when that was last seen to grow, unix ms. */
  sentBytes = 0
  progressMs = 0
  #progressBytes = 0
  #backlog: Backlog | null = null
  readonly #send = (bytes: Uint8Array, start: number, length: number) => {
    this.link.socket.write(bytes, start, length)
  }

  constructor(link: ReplicaLink) {
    this.link = link
  }

  get stateName(): string {
    return STATE_NAMES[this.state]!
  }

  /** `host:port` of the replica itself, as the log shows it. */
  get name(): string {
    const { remoteAddress } = this.link.socket
    if (this.port === 0) return remoteAddress
    return `${this.shownHost}:${this.port}`
  }

  /** Its address, as INFO and ROLE show it. */
  get shownHost(): string {
    if (this.host !== '') return this.host
    const { remoteAddress } = this.link.socket
    const host = remoteAddress.slice(0, remoteAddress.lastIndexOf(':'))
    return host.startsWith('[') ? host.slice(1, -1) : host
  }

  /** Whether it is sent the stream, or will be. */
  get isReading(): boolean {
    return this.#backlog !== null
  }

  /** Bytes of the stream that wait for it. */
  get lagBytes(): number {
    return this.#backlog === null ? 0 : this.#backlog.end - this.position
  }

  enter(next: ReplicaState): void {
    assert(SUCCESSORS[this.state].includes(next), 'states of a replica follow each other')
    this.state = next
  }

  /** Keeps the stream from `position` on for it. */
  read(backlog: Backlog, position: number): void {
    assert(this.#backlog === null, 'a replica reads one stream')
    this.position = position
    backlog.add(this)
    this.#backlog = backlog
  }

  /** Writes a line of the protocol of syncs. */
  writeLine(text: string): void {
    const bytes = latin1(`${text}\r\n`)
    this.link.socket.write(bytes, 0, bytes.length)
    this.sentBytes += bytes.length
  }

  /** Sends of the stream what the socket takes. Returns how much. */
  feed(): number {
    const backlog = this.#backlog
    if (backlog === null || this.state !== Online || this.isHeld) return 0
    const { socket } = this.link
    const before = this.position
    while (this.position < backlog.end) {
      const room = WINDOW_BYTES - socket.pendingBytes
      if (room <= 0) break
      this.position += backlog.read(this.position, room, this.#send)
    }
    this.sentBytes += this.position - before
    return this.position - before
  }

  /** Notes whether the socket sends anything; false: it has not for `limitMs`, though it should. */
  lookForProgress(nowMs: number, limitMs: number): boolean {
    const { pendingBytes } = this.link.socket
    const done = this.sentBytes - pendingBytes
    if (pendingBytes === 0 || done !== this.#progressBytes || this.progressMs === 0) {
      this.#progressBytes = done
      this.progressMs = nowMs
    }
    return nowMs - this.progressMs <= limitMs
  }

  /** It is gone. */
  end(): void {
    this.hasEnded = true
    this.bulk?.close()
    this.bulk = null
    this.#backlog?.remove(this)
    this.#backlog = null
  }
}
