// One client: its socket, what it has sent and not been served yet, and what it has told us about
// itself. The engine serves it in turns (turn.ts); this is the state that lives between them.
//
//   open        reads and is served
//   postponed   one command waits for CLIENT PAUSE to end, or stands in line for the write delay;
//               bytes are kept, not parsed
//   waiting     the same while a command's answer is open (CONFIG SET port), or while it is
//               blocked: its command waits for a key
//   closing     what is written goes out, then the socket closes; nothing more is read
//   closed      forgotten by the registry
//
// Reply bytes wait with the socket when the peer does not read; they count against
// `client-output-buffer-limit`.

import type { Clock } from '../base/clock.ts'
import type { Socket, SocketHandler } from '../base/socket.ts'
import { Flag, type Session } from '../command/command.ts'
import type { Caller } from '../command/dispatch.ts'
import type { CommandEntry } from '../command/table.ts'
import type { AttachedReplica } from '../replication/attached-replica.ts'
import type { Args } from '../resp/args.ts'
import { QueryReader, type ReaderLimits } from '../resp/query-reader.ts'
import { type ReplyError, replyError } from '../resp/replies.ts'
import type { BufferLimit, BufferLimits } from './config-forms.ts'
import { SubscriptionKind, type Subscriptions } from './subscriptions.ts'
import type { TrackingState } from './tracking-state.ts'
import type { Transaction } from './transaction.ts'
import type { Writer } from './write-delay.ts'

/** What CLIENT REPLY was told. */
export const ReplyMode = { On: 0, Off: 1, SkipNext: 2, Skip: 3 } as const
export type ReplyMode = (typeof ReplyMode)[keyof typeof ReplyMode]

/** Who serves connections. */
export interface Host {
  readonly clock: Clock
  serve(client: Connection, bytes: Uint8Array, start: number, length: number): void
  forget(client: Connection): void
  /** Drops the transaction of a client and what it watches. */
  abandonTransaction(client: Connection): void
  /** What a client makes the server hold has changed outside of its turn. */
  measure(client: Connection): void
  /** Its socket has sent all that it had. */
  feed(replica: AttachedReplica): void
}

/**
 * Bytes a connection takes besides its buffers: objects, and the handle of libuv. Growth of the
 * resident set by 10 000 idle clients, divided; half of it is in V8's heap (bench/idle-clients.ts).
 */
const BASE_BYTES = 2500
/** What watching a key takes that nobody else watches, measured in the same way. */
const WATCH_BYTES = 700
/** In no bucket of client-memory.ts. */
export const NO_BUCKET = -1
/** What is read of a client whose writes are delayed, besides what came with them. */
const DELAYED_INPUT_MAX = 64 * 1024

/** Commands that a RESP2 client may use while it is subscribed to something. */
const PUBSUB_COMMANDS: ReadonlySet<string> = new Set([
  'ping',
  'psubscribe',
  'punsubscribe',
  'quit',
  'reset',
  'ssubscribe',
  'subscribe',
  'sunsubscribe',
  'unsubscribe',
])
const KEY_FLAGS = Flag.Write | Flag.ReadOnly | Flag.MayReplicate
const NO_KEYSPACE = replyError("ERR Replica can't interact with the keyspace")

export class Connection implements SocketHandler, Session, Caller, Writer {
  readonly id: number
  readonly socket: Socket
  readonly reader: QueryReader
  readonly isLocal: boolean
  readonly isUnix: boolean
  readonly createdMs: number
  database = 0
  version: 2 | 3 = 2
  name = ''
  /** What CLIENT SETINFO says of the client's library. */
  libraryName = ''
  libraryVersion = ''
  isAuthenticated = true
  replyMode: ReplyMode = ReplyMode.On
  /** Accesses leave the LRU clock alone. */
  isNoTouch = false
  isNoEvict = false
  isClosing = false
  isClosed = false
  lastActiveMs: number
  lastEntry: CommandEntry | null = null
  /** The command that waits for the end of a pause, or in line for the write delay. */
  postponed: Args | null = null
  /** Since when it stands in that line, monotonic; 0: it does not. See write-delay.ts. */
  delayedSinceUs = 0
  /** A command has left its answer open; nothing is parsed until it comes. */
  isWaiting = false
  /** Its command waits for a key, or for its time to be up; see blocking.ts. */
  isBlocked = false
  /** Bytes of the arguments of that command. */
  blockedBytes = 0
  /** Memory of its places in line for keys. */
  waitBytes = 0
  /** What it has queued since MULTI; null outside. */
  transaction: Transaction | null = null
  /** EXEC runs its transaction: nothing can wait. */
  isExecuting = false
  /** Keys that it watches, and whether one has changed: then EXEC does nothing. */
  watchCount = 0
  isWatchBroken = false
  /** What it is subscribed to; null: nothing, it is not in pub/sub mode. */
  subscriptions: Subscriptions | null = null
  /** Client side caching; null: off. */
  tracking: TrackingState | null = null
  isMonitor = false
  /** It is fed with the stream of changes. */
  isReplica = false
  /** What it is as a replica, or has told of itself to become one. */
  replica: AttachedReplica | null = null
  /** End of what it has written, in the replication stream. */
  writeOffset = 0
  /** Replies that a hard limit holds back until its turn ends. */
  heldOutputBytes = 0
  /** What client-memory.ts has counted for it, and where it stands there. */
  countedBytes = 0
  isCountedReplica = false
  bucket: number = NO_BUCKET
  /** Since when more output waits than the soft limit allows; 0: it does not. */
  softLimitSinceMs = 0
  /** It sends more while its writes are delayed than is kept: nothing is read. */
  #isInputStopped = false
  readonly #host: Host

  constructor(host: Host, socket: Socket, options: { id: number; limits: ReaderLimits }) {
    this.#host = host
    this.id = options.id
    this.socket = socket
    this.reader = new QueryReader(options.limits)
    this.isLocal = socket.isLocal
    this.isUnix = socket.localAddress.endsWith(':0')
    this.createdMs = host.clock.nowMs()
    this.lastActiveMs = this.createdMs
  }

  onData(bytes: Uint8Array, start: number, length: number): void {
    this.#host.serve(this, bytes, start, length)
  }

  onDrain(): void {
    this.softLimitSinceMs = 0
    if (this.isReplica && this.replica !== null) this.#host.feed(this.replica)
    this.#host.measure(this)
  }

  onClose(): void {
    this.isClosing = true
    this.isClosed = true
    this.#host.forget(this)
  }

  /** Reads no more, sends what is written, then closes. */
  closeAfterReply(): void {
    this.isClosing = true
  }

  /**
   * Stops reading while its writes are delayed and much waits behind them, and reads again after
   * that: the delay must not turn what a pipeline sends into memory.
   */
  limitInput(): void {
    const isDelayed = this.postponed !== null && this.delayedSinceUs > 0
    const isWanted = isDelayed && this.reader.queryLength > DELAYED_INPUT_MAX
    if (isWanted === this.#isInputStopped) return
    this.#isInputStopped = isWanted
    if (isWanted) this.socket.pause()
    else this.socket.resume()
  }

  /** What it makes the server hold has changed. */
  measure(): void {
    this.#host.measure(this)
  }

  abandonTransaction(): void {
    this.#host.abandonTransaction(this)
  }

  /** Sets whether a password was given; strangers have smaller limits. */
  setAuthenticated(isAuthenticated: boolean): void {
    this.isAuthenticated = isAuthenticated
    this.reader.isUnauthenticated = !isAuthenticated
  }

  /** Whether replies of commands and pushes could be confused (RESP2), or it only watches. */
  get isRestricted(): boolean {
    return this.subscriptions !== null || this.isMonitor
  }

  refusalOf(entry: CommandEntry): ReplyError | null {
    const isListening = this.subscriptions !== null && this.version === 2
    if (isListening && !PUBSUB_COMMANDS.has(entry.fullName)) {
      return replyError(
        `ERR Can't execute '${entry.fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / ` +
          'QUIT / RESET are allowed in this context',
      )
    }
    return this.isMonitor && (entry.flags & KEY_FLAGS) !== 0 ? NO_KEYSPACE : null
  }

  /** Its class in `client-output-buffer-limit`, CLIENT LIST and CLIENT KILL. */
  get className(): keyof BufferLimits {
    if (this.isReplica) return 'slave'
    return this.subscriptions === null ? 'normal' : 'pubsub'
  }

  /** Whether it may be closed because all clients together take too much. */
  get isEvictable(): boolean {
    return !(this.isNoEvict || this.isReplica || this.reader.isPrimary)
  }

  /** Bytes this client makes the server hold. Costs some loads: read after each turn. */
  get totalBytes(): number {
    const own = BASE_BYTES + this.name.length + this.#transactionBytes() + this.#modeBytes()
    const held = this.postponed === null ? 0 : this.postponed.allocatedBytes
    const input = this.reader.heldBytes + held + this.blockedBytes + this.waitBytes
    return own + input + this.heldOutputBytes + this.socket.heldBytes
  }

  /** Whether the output that waits breaks `limit`; keeps the time since when the soft one is. */
  isOverOutputLimit(limit: BufferLimit, nowMs: number): boolean {
    const pending = this.socket.pendingBytes + (this.replica?.lagBytes ?? 0)
    if (limit.hardBytes > 0 && pending >= limit.hardBytes) return true
    if (limit.softBytes === 0 || pending < limit.softBytes) {
      this.softLimitSinceMs = 0
      return false
    }
    if (this.softLimitSinceMs === 0) this.softLimitSinceMs = nowMs
    return nowMs - this.softLimitSinceMs > limit.softSeconds * 1000
  }

  /** One letter for each thing worth knowing, `N` for none. */
  get flagLetters(): string {
    let letters = ''
    if (this.isReplica) letters += 'S'
    if (this.isMonitor) letters += 'O'
    if (this.subscriptions !== null) letters += 'P'
    if (this.transaction !== null) letters += 'x'
    if (this.postponed !== null || this.isWaiting) letters += 'b'
    if (this.tracking !== null) {
      letters += 't'
      if (this.tracking.isBroken) letters += 'R'
      if (this.tracking.options.isBroadcast) letters += 'B'
    }
    if (this.isWatchBroken) letters += 'd'
    if (this.isClosing) letters += 'c'
    if (this.isUnix) letters += 'U'
    if (this.isNoEvict) letters += 'e'
    if (this.isNoTouch) letters += 'T'
    return letters === '' ? 'N' : letters
  }

  /** The line that CLIENT LIST and the log show, without line end. */
  describe(nowMs: number): string {
    const { reader, socket } = this
    const pending = socket.pendingBytes
    const age = Math.max(0, Math.floor((nowMs - this.createdMs) / 1000))
    const idle = Math.max(0, Math.floor((nowMs - this.lastActiveMs) / 1000))
    const queued = this.transaction === null ? -1 : this.transaction.commands.length
    const redirect = this.tracking === null ? -1 : this.tracking.options.redirect
    const command = this.lastEntry === null ? 'NULL' : this.lastEntry.fullName
    return (
      `id=${this.id} addr=${socket.remoteAddress} laddr=${socket.localAddress} ` +
      `fd=${socket.descriptor} name=${this.name} age=${age} idle=${idle} ` +
      `flags=${this.flagLetters} db=${this.database} ${this.#subscribed()} multi=${queued} ` +
      `qbuf=${reader.queryLength} qbuf-free=${reader.queryFree} ` +
      `argv-mem=${this.#argumentBytes()} multi-mem=${this.#transactionBytes()} ` +
      `rbs=0 rbp=0 obl=${this.heldOutputBytes} oll=${socket.heldBuffers} ` +
      `omem=${socket.heldBytes + (this.replica?.lagBytes ?? 0)} ` +
      `tot-mem=${this.totalBytes} events=${pending > 0 ? 'rw' : 'r'} ` +
      `cmd=${command} user=default redir=${redirect} resp=${this.version}${this.#library}`
    )
  }

  #subscribed(): string {
    const countOf = (kind: SubscriptionKind) => this.subscriptions?.of(kind).size ?? 0
    const { Channel, Pattern, Shard } = SubscriptionKind
    return `sub=${countOf(Channel)} psub=${countOf(Pattern)} ssub=${countOf(Shard)}`
  }

  /** Shown where a library has told of itself: Redis 7.0 does not know these fields. */
  get #library(): string {
    if (this.libraryName === '' && this.libraryVersion === '') return ''
    return ` lib-name=${this.libraryName} lib-ver=${this.libraryVersion}`
  }

  /** Memory of what it listens to and follows. */
  #modeBytes(): number {
    const subscribed = this.subscriptions === null ? 0 : this.subscriptions.bytes
    return subscribed + (this.tracking === null ? 0 : this.tracking.bytes)
  }

  /** Arguments that are held: of a command that waits or is incomplete. */
  #argumentBytes(): number {
    const postponed = this.postponed === null ? 0 : this.postponed.size
    return postponed + this.blockedBytes + this.reader.partialLength
  }

  #transactionBytes(): number {
    const queued = this.transaction === null ? 0 : this.transaction.size
    return queued + this.watchCount * WATCH_BYTES
  }
}
