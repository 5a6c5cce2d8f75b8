// All clients: who may connect, who is idle, who reads too slowly, who is paused. Looked at in
// portions by the cron, so that many clients make no pause. Order is that of connecting.

import type { Log } from '../base/log.ts'
import type { Socket } from '../base/socket.ts'
import { WRITER_FLAGS } from '../command/table.ts'
import { HELD_BUFFERS, type ReaderLimits } from '../resp/query-reader.ts'
import { DENIED, MAX_CLIENTS, type ReplyError } from '../resp/replies.ts'
import { ClientMemory } from './client-memory.ts'
import type { Config } from './config.ts'
import type { BufferLimit } from './config-forms.ts'
import { Connection, type Host } from './connection.ts'
import type { Statistics } from './statistics.ts'

export interface ClientsOptions {
  readonly config: Config
  readonly log: Log
  readonly statistics: Statistics
  readonly nowMs: () => number
}

/** Clients looked at per cron run, at least; more when there are many. */
const CRON_CLIENTS_MIN = 5
/** Seconds over which the largest buffers are remembered. */
const PEAK_WINDOW_MS = 8000
/** A buffer that nobody has needed for this long, or twice as long, goes. */
const POOL_AGE_MS = 1000

export class Clients {
  readonly readerLimits: ReaderLimits
  /** What clients make the server hold, and who goes when that is too much. */
  readonly memory: ClientMemory
  /** Client ids start at 1 and are never used again. */
  #nextId = 1
  readonly #byId = new Map<number, Connection>()
  readonly #config: Config
  readonly #log: Log
  readonly #statistics: Statistics
  /** Where the cron goes on. */
  #cursor: Iterator<Connection> = [].values()
  #pauseUntilMs = 0
  #isPauseTotal = false
  #peakSinceMs = 0
  /** When buffers that nobody needed were last dropped. */
  #agedMs = 0
  #inputPeak = 0
  #inputPeakBefore = 0
  #outputPeak = 0
  #outputPeakBefore = 0

  constructor({ config, log, statistics, nowMs }: ClientsOptions) {
    this.memory = new ClientMemory({ log, statistics, nowMs })
    this.#config = config
    this.#log = log
    this.#statistics = statistics
    const { protoMaxBulkLen, clientQueryBufferLimit } = config.values
    this.readerLimits = { bulkLengthMax: protoMaxBulkLen, queryLengthMax: clientQueryBufferLimit }
  }

  get count(): number {
    return this.#byId.size
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#byId.values()
  }

  find(id: number): Connection | null {
    return this.#byId.get(id) ?? null
  }

  /** Largest input and output buffers of the last seconds. */
  get recentPeaks(): { readonly input: number; readonly output: number } {
    return {
      input: Math.max(this.#inputPeak, this.#inputPeakBefore),
      output: Math.max(this.#outputPeak, this.#outputPeakBefore),
    }
  }

  /** Bytes that all clients make the server hold, replicas included. O(1). */
  get totalBytes(): number {
    return this.memory.clientBytes + this.memory.replicaBytes
  }

  /** Takes a new connection, or tells it why not and returns null. */
  accept(host: Host, socket: Socket): Connection | null {
    const { values } = this.#config
    if (this.#byId.size >= values.maxclients) return this.#reject(socket, MAX_CLIENTS)
    const isGuarded = values.protectedMode && values.requirepass === ''
    if (isGuarded && !socket.isLocal) return this.#reject(socket, DENIED)
    this.#statistics.connections++
    const client = new Connection(host, socket, { id: this.#nextId++, limits: this.readerLimits })
    client.setAuthenticated(values.requirepass === '')
    if (values.tcpKeepalive > 0) socket.setKeepAlive(values.tcpKeepalive)
    this.#byId.set(client.id, client)
    this.memory.update(client)
    this.#log.verbose(`Accepted ${socket.remoteAddress}`)
    return client
  }

  /** Forgets a client whose socket is closed. */
  remove(client: Connection): void {
    this.memory.forget(client)
    this.#byId.delete(client.id)
  }

  /** Holds commands back for `durationMs`: writers, or all. The longer and wider pause wins. */
  pause(untilMs: number, isTotal: boolean): void {
    this.#pauseUntilMs = Math.max(this.#pauseUntilMs, untilMs)
    this.#isPauseTotal ||= isTotal
  }

  unpause(): void {
    this.#pauseUntilMs = 0
    this.#isPauseTotal = false
  }

  get isPaused(): boolean {
    return this.#pauseUntilMs > 0
  }

  /** Flags of commands that wait; 0 for none, -1 for all. */
  get pausedFlags(): number {
    if (this.#pauseUntilMs === 0) return 0
    return this.#isPauseTotal ? -1 : WRITER_FLAGS
  }

  /** When the pause ends, unix ms; 0 without one. */
  get pausedUntilMs(): number {
    return this.#pauseUntilMs
  }

  /** Clients whose command waits for the end of a pause; not those that the write delay holds. */
  postponed(): Connection[] {
    const isPostponed = (client: Connection) =>
      client.postponed !== null && client.delayedSinceUs === 0
    return [...this.#byId.values()].filter(isPostponed)
  }

  /** Looks at the share of all clients that is due in one of `hz` runs per second. */
  cron(nowMs: number, hz: number): void {
    const due = Math.max(CRON_CLIENTS_MIN, Math.ceil(this.#byId.size / hz))
    if (nowMs - this.#peakSinceMs > PEAK_WINDOW_MS) this.#turnPeaks(nowMs)
    if (nowMs - this.#agedMs >= POOL_AGE_MS) {
      this.#agedMs = nowMs
      HELD_BUFFERS.age()
    }
    for (let i = 0; i < Math.min(due, this.#byId.size); i++) {
      let next = this.#cursor.next()
      if (next.done) {
        this.#cursor = this.#byId.values()
        next = this.#cursor.next()
      }
      if (next.done) break
      this.#care(next.value, nowMs)
    }
    this.memory.evict()
  }

  /** What may wait to be sent to a client of this class. */
  outputLimitOf(client: Connection): BufferLimit {
    const { clientOutputBufferLimit, replBacklogSize } = this.#config.values
    const limit = clientOutputBufferLimit[client.className]
    const { hardBytes } = limit
    if (!client.isReplica || hardBytes === 0 || hardBytes >= replBacklogSize) return limit
    // What a partial resync may send at once must not end the replica that asked for it.
    return { ...limit, hardBytes: replBacklogSize }
  }

  /** Closes a client whose unread replies exceed its limit; true when it did. */
  enforceOutputLimit(client: Connection, nowMs: number): boolean {
    if (client.isClosed) return false
    if (!client.isOverOutputLimit(this.outputLimitOf(client), nowMs)) return false
    this.closeForOutput(client, nowMs)
    return true
  }

  /** Closes a client that does not read what it asked for. */
  closeForOutput(client: Connection, nowMs: number): void {
    const line = client.describe(nowMs)
    this.#log.warning(
      `Client ${line} scheduled to be closed ASAP for overcoming of output buffer limits.`,
    )
    client.socket.close()
  }

  /** Clients whose command waits for something. */
  get blockedCount(): number {
    let count = 0
    for (const client of this.#byId.values()) {
      if (client.postponed !== null || client.isWaiting) count++
    }
    return count
  }

  #care(client: Connection, nowMs: number): void {
    const { timeout } = this.#config.values
    const idleMs = nowMs - client.lastActiveMs
    if (timeout > 0 && idleMs > timeout * 1000 && mayTimeOut(client)) {
      this.#log.verbose('Closing idle client')
      client.socket.close()
      return
    }
    if (this.enforceOutputLimit(client, nowMs)) return
    this.#inputPeak = Math.max(this.#inputPeak, client.reader.heldBytes)
    this.#outputPeak = Math.max(this.#outputPeak, client.socket.heldBytes)
    if (idleMs > 2000) client.reader.shrink()
    this.memory.update(client)
  }

  #turnPeaks(nowMs: number): void {
    this.#peakSinceMs = nowMs
    this.#inputPeakBefore = this.#inputPeak
    this.#outputPeakBefore = this.#outputPeak
    this.#inputPeak = 0
    this.#outputPeak = 0
  }

  #reject(socket: Socket, error: ReplyError): null {
    this.#statistics.rejectedConnections++
    socket.write(error.bytes, 0, error.bytes.length)
    socket.end()
    return null
  }
}

/** Whether silence means that nobody is there: not of replicas, those who only listen, or wait. */
function mayTimeOut(client: Connection): boolean {
  if (client.postponed !== null || client.isWaiting) return false
  return client.subscriptions === null && !client.isMonitor && !client.isReplica
}
