// The primary's side of replication: names the history of the data, keeps the stream of changes,
// and brings each replica from wherever it is to the end of that stream. Front door of
// `replication/`.
//
//   primary.ts             replicas, their syncs, confirmations, what recurs
//   backlog.ts             the stream in memory: one copy for all
//   attached-replica.ts    one replica and its states
//   full-sync.ts, bulk.ts  snapshots: who gets one from which cut, and how it goes out
//
// A history has a name of 40 hexadecimal digits, the replication id, and each byte of its stream an
// offset. A replica that comes back names both; if the stream from there on is still kept, it goes
// on there (CONTINUE), else it gets all data anew (FULLRESYNC). The second id is the name that the
// history had up to `secondOffset`.
//
// The stream exists from the first replica on until none has been there for `repl-backlog-ttl`;
// meanwhile nobody pays for it. What it gets is handed to the sockets once in a turn of the loop.
// Nothing here waits for a replica: who is too slow is closed by its output limit, or by
// `repl-timeout`.
//
// Owner: the engine. Source: Redis documentation "Replication"; the behaviour of redis-server 7.0.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { randomHex } from '../base/random.ts'
import { Target } from '../command/effects.ts'
import type { SinkRequest } from '../persist/sink-request.ts'
import { type AttachedReplica, ReplicaState } from './attached-replica.ts'
import { Backlog } from './backlog.ts'
import { type FullSyncSettings, FullSyncs } from './full-sync.ts'

/** What of the configuration matters here; read anew at each use. */
export interface PrimarySettings extends FullSyncSettings {
  readonly backlogBytes: number
  /** 0: the backlog stays for ever. */
  readonly backlogTtlSeconds: number
  readonly pingPeriodSeconds: number
  readonly timeoutSeconds: number
  /** Replicas without which writes are refused, 0: none; and how silent these may be. */
  readonly replicasMin: number
  readonly lagSecondsMax: number
}

/** The stream of changes, as propagation has it. */
export interface ChangeFeed {
  attach(sink: Primary): void
  detach(sink: Primary): void
  /** The next change selects its database anew. */
  reselect(sink: Primary): void
  /** The database that the stream has selected; -1: none yet. */
  databaseOf(sink: Primary): number
}

export interface PrimaryOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  readonly settings: PrimarySettings
  readonly processId: number
  readonly feed: ChangeFeed
  readonly requestCut: (request: SinkRequest) => void
  /** Hears that a unit has been added, and where it ends. */
  readonly onUnit: (offset: number) => void
  /** Hears that replicas have confirmed more of the stream. */
  readonly onAck: () => void
}

const ID_BYTES = 20
const NO_ID = '0'.repeat(ID_BYTES * 2)
const UNKNOWN_ID = '?'
const MS_PER_SECOND = 1000
const PING = latin1('*1\r\n$4\r\nPING\r\n')
const GET_ACK = latin1('*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n')
const LINE_END = latin1('\n')
const { Waiting, Saving, Online } = ReplicaState

export class Primary {
  readonly target: Target = Target.Replicas
  /** Syncs so far: full ones, partial ones, and partial ones that were asked for in vain. */
  fullSyncs = 0
  partialSyncs = 0
  partialErrors = 0
  /** Replicas that are online and have said something lately. */
  goodCount = 0
  /** Writes are refused because these are too few. */
  isLonely = false
  readonly #options: PrimaryOptions
  readonly #syncs: FullSyncs
  readonly #replicas = new Set<AttachedReplica>()
  #id = randomHex(ID_BYTES)
  #secondId = NO_ID
  #secondOffset = -1
  #backlog: Backlog | null = null
  /** `master_repl_offset` while there is no backlog. */
  #offset = 0
  #backlogBytes = 0
  #isFeedDue = false
  /** Since when there is no replica, unix ms. */
  #lonelySinceMs = 0
  #caredMs = 0
  #pingedMs = 0
  #sentBytes = 0
  readonly #feedSoon = () => {
    this.#isFeedDue = false
    this.flush()
  }

  constructor(options: PrimaryOptions) {
    this.#options = options
    const { clock, disk, log, settings, processId, requestCut } = options
    this.#syncs = new FullSyncs({
      clock,
      disk,
      log,
      settings,
      processId,
      requestCut,
      onCut: (replica, peer) => this.#noteCut(replica, peer),
      onSent: (replica) => this.#noteSent(replica),
      drop: (replica) => replica.link.close(),
    })
  }

  /** Name of the data's history, and the one that it had before. */
  get id(): string {
    return this.#id
  }

  get secondId(): string {
    return this.#secondId
  }

  get secondOffset(): number {
    return this.#secondOffset
  }

  /** Bytes of the stream so far. */
  get offset(): number {
    return this.#backlog?.end ?? this.#offset
  }

  get backlog(): Backlog | null {
    return this.#backlog
  }

  /** Memory of the stream, and what of it is there for slow replicas only. */
  get bufferBytes(): number {
    return this.#backlog?.bytes ?? 0
  }

  get excessBytes(): number {
    return this.#backlog?.excessBytes ?? 0
  }

  /** In the order of their coming. */
  get replicas(): ReadonlySet<AttachedReplica> {
    return this.#replicas
  }

  /** Bytes sent to replicas since the start. */
  get outputBytes(): number {
    let bytes = this.#sentBytes
    for (const { sentBytes } of this.#replicas) bytes += sentBytes
    return bytes
  }

  /** Fields of an RDB file that say where in the stream its data stands; none without a stream. */
  get place(): readonly (readonly [name: string, value: string])[] {
    if (this.#backlog === null) return []
    return [
      ['repl-stream-db', String(Math.max(0, this.#options.feed.databaseOf(this)))],
      ['repl-id', this.#id],
      ['repl-offset', String(this.offset)],
    ]
  }

  /** Gives the history a new name: nobody can go on with it. */
  changeId(): void {
    this.#id = randomHex(ID_BYTES)
    this.#secondId = NO_ID
    this.#secondOffset = -1
  }

  /**
   * The data was loaded from a file of the history `id` at `offset`: replicas of that history that
   * had all of it go on.
   */
  continueFrom(id: string, offset: number): void {
    assert(this.#backlog === null, 'nothing was streamed yet')
    this.#secondId = id
    this.#secondOffset = offset + 1
    this.#offset += offset
    this.#openBacklog()
  }

  /** `replica` wants all data. */
  syncFully(replica: AttachedReplica): void {
    const { log } = this.#options
    this.fullSyncs++
    this.#add(replica)
    // Who wants a snapshot alone needs no stream.
    if (this.#backlog === null && !replica.isRdbOnly) {
      this.changeId()
      this.#openBacklog()
      log.notice(
        `Replication backlog created, my new replication IDs are '${this.#id}' and ` +
          `'${this.#secondId}'`,
      )
    }
    this.#syncs.begin(replica)
  }

  /** Whether `replica`, which has what is before `offset` of the history `id`, can go on. */
  canContinue(replica: AttachedReplica, id: string, offset: number): boolean {
    const { log } = this.#options
    const { name } = replica
    if (!this.#isOurs(id, offset)) {
      if (id === UNKNOWN_ID) log.notice(`Full resync requested by replica ${name}`)
      else this.#logForeign(id, offset)
    } else if (this.#backlog?.has(offset - 1)) {
      return true
    } else {
      log.notice(
        `Unable to partial resync with replica ${name} for lack of backlog ` +
          `(Replica request was: ${offset}).`,
      )
    }
    if (id !== UNKNOWN_ID) this.partialErrors++
    return false
  }

  /** Has it go on there. */
  syncPartially(replica: AttachedReplica, offset: number): void {
    const { log, clock } = this.#options
    const backlog = this.#backlog
    assert(backlog !== null, 'a replica goes on with a stream')
    this.partialSyncs++
    this.#add(replica)
    replica.enter(Online)
    replica.read(backlog, offset - 1)
    replica.ackMs = clock.nowMs()
    log.notice(
      `Partial resynchronization request from ${replica.name} accepted. ` +
        `Sending ${backlog.end - offset + 1} bytes of backlog starting from offset ${offset}.`,
    )
    this.#countGood()
    this.#wantFeed()
  }

  /** `replica` is gone. */
  remove(replica: AttachedReplica): void {
    if (!this.#replicas.delete(replica)) return
    const { log, clock } = this.#options
    log.notice(`Connection with replica ${replica.name} lost.`)
    this.#sentBytes += replica.sentBytes
    replica.end()
    this.#syncs.forget(replica)
    if (this.#replicas.size === 0) this.#lonelySinceMs = clock.nowMs()
    this.#countGood()
  }

  /** `replica` has confirmed the stream up to `offset`. */
  noteAck(replica: AttachedReplica, offset: number): void {
    const { clock, log, onAck } = this.#options
    replica.ackOffset = Math.max(replica.ackOffset, offset)
    replica.ackMs = clock.nowMs()
    if (replica.state === Online && replica.isHeld) {
      replica.isHeld = false
      log.notice(`Synchronization with replica ${replica.name} succeeded`)
      this.#countGood()
      this.#wantFeed()
    }
    onAck()
  }

  /** Replicas that have confirmed the stream up to `offset`. */
  countAcked(offset: number): number {
    let count = 0
    for (const { state, ackOffset } of this.#replicas) {
      if (state === Online && ackOffset >= offset) count++
    }
    return count
  }

  /** Replicas that are online and have not confirmed the stream up to `offset`. */
  countLagging(offset: number): number {
    let count = 0
    for (const { state, ackOffset } of this.#replicas) {
      if (state === Online && ackOffset < offset) count++
    }
    return count
  }

  /** Says in the log who has not, and how many have. */
  logLagging(offset: number): void {
    const { log, clock } = this.#options
    const nowMs = clock.nowMs()
    const online = [...this.#replicas].filter(({ state }) => state === Online)
    const lagging = online.filter(({ ackOffset }) => ackOffset < offset)
    for (const replica of lagging) {
      log.warning(
        `Lagging replica ${replica.name} reported offset ${offset - replica.ackOffset} behind ` +
          `master, lag=${lagSecondsOf(replica, nowMs)}, state=online.`,
      )
    }
    log.notice(
      `${online.length - lagging.length} of ${online.length} replicas are in sync when ` +
        'shutting down.',
    )
  }

  /** Asks all replicas to confirm what they have. */
  requestAcks(): void {
    if (this.#replicas.size > 0) this.#append(GET_ACK)
  }

  /** Takes the next bytes of the stream. */
  write(bytes: Uint8Array, start: number, length: number): void {
    assert(this.#backlog !== null, 'the stream is attached')
    this.#backlog.append(bytes, start, length)
  }

  endUnit(): void {
    this.#options.onUnit(this.offset)
    if (this.#replicas.size > 0) this.#wantFeed()
  }

  /** Hands to the sockets what they take. */
  flush(): void {
    for (const replica of this.#replicas) {
      replica.feed()
      replica.link.measure()
    }
  }

  /** A socket has sent all that it had. */
  noteDrained(replica: AttachedReplica): void {
    replica.bulk?.pump()
    replica.feed()
  }

  /** Takes over what the configuration says now of the backlog, and of replicas that are wanted. */
  configure(): void {
    const { backlogBytes } = this.#options.settings
    if (backlogBytes !== this.#backlogBytes) this.#backlog?.setLimit(backlogBytes)
    this.#backlogBytes = backlogBytes
    this.#countGood()
  }

  /** What recurs: syncs that are due, and once a second all else. */
  cron(nowMs: number): void {
    this.#syncs.look()
    if (nowMs - this.#caredMs < MS_PER_SECOND) return
    this.#caredMs = nowMs
    this.#ping(nowMs)
    for (const replica of this.#replicas) this.#care(replica, nowMs)
    this.#countGood()
    this.#expireBacklog(nowMs)
  }

  /** Looks anew who counts for `min-replicas-to-write`. */
  #countGood(): void {
    const { settings, clock } = this.#options
    const nowMs = clock.nowMs()
    let count = 0
    for (const { state, ackMs } of this.#replicas) {
      const lag = Math.floor((nowMs - ackMs) / MS_PER_SECOND)
      if (state === Online && lag <= settings.lagSecondsMax) count++
    }
    this.goodCount = count
    const { replicasMin, lagSecondsMax } = settings
    this.isLonely = replicasMin > 0 && lagSecondsMax > 0 && count < replicasMin
  }

  #add(replica: AttachedReplica): void {
    // The first ping is due a whole period after the first replica has come.
    if (this.#replicas.size === 0) this.#pingedMs = this.#options.clock.nowMs()
    this.#replicas.add(replica)
  }

  #noteCut(replica: AttachedReplica, peer: AttachedReplica | null): void {
    const backlog = this.#backlog
    if (!replica.isRdbOnly) {
      assert(backlog !== null, 'a replica makes the stream begin')
      replica.read(backlog, peer === null ? backlog.end : peer.position)
      this.#options.feed.reselect(this)
    }
    const offset = replica.isReading ? replica.position : this.offset
    if (!replica.isOld) replica.writeLine(`+FULLRESYNC ${this.#id} ${offset}`)
  }

  #noteSent(replica: AttachedReplica): void {
    const { log, clock } = this.#options
    const { link } = replica
    const { name } = replica
    replica.ackMs = clock.nowMs()
    if (replica.isRdbOnly) {
      log.notice(`RDB transfer completed, rdb only replica (${name}) should be disconnected asap`)
      return link.socket.end()
    }
    if (replica.isHeld) {
      log.notice(
        `Streamed replication with replica ${name} succeeded (socket). ` +
          'Waiting for REPLCONF ACK from replica to enable streaming',
      )
      return
    }
    log.notice(`Synchronization with replica ${name} succeeded`)
    this.#countGood()
    this.#wantFeed()
  }

  #openBacklog(): void {
    const { settings, feed, clock } = this.#options
    this.#backlogBytes = settings.backlogBytes
    this.#backlog = new Backlog(this.#offset, settings.backlogBytes)
    this.#lonelySinceMs = clock.nowMs()
    feed.attach(this)
  }

  #expireBacklog(nowMs: number): void {
    const { settings, log, feed } = this.#options
    const { backlogTtlSeconds } = settings
    if (this.#backlog === null || this.#replicas.size > 0 || backlogTtlSeconds === 0) return
    if (nowMs - this.#lonelySinceMs <= backlogTtlSeconds * MS_PER_SECOND) return
    // Changes from here on have no offset: nobody may take the old name for this data.
    this.changeId()
    this.#offset = this.#backlog.end
    this.#backlog = null
    feed.detach(this)
    log.notice(
      `Replication backlog freed after ${backlogTtlSeconds} seconds without connected replicas.`,
    )
  }

  #ping(nowMs: number): void {
    if (this.#replicas.size === 0) return
    if (nowMs - this.#pingedMs < this.#options.settings.pingPeriodSeconds * MS_PER_SECOND) return
    this.#pingedMs = nowMs
    this.#append(PING)
  }

  /** Keeps the link alive while there is nothing to send, and ends it when it is dead. */
  #care(replica: AttachedReplica, nowMs: number): void {
    const { settings, log } = this.#options
    const { link, state, name } = replica
    const limitMs = settings.timeoutSeconds * MS_PER_SECOND
    if (state === Waiting || state === Saving) {
      link.socket.write(LINE_END, 0, LINE_END.length)
      return
    }
    const isMoving = replica.lookForProgress(nowMs, limitMs)
    if (state !== Online) {
      replica.bulk?.pump()
      if (isMoving) return
      log.warning(`Disconnecting timedout replica (full sync): ${name}`)
      return link.close()
    }
    link.measure()
    if (replica.isOld || nowMs - replica.ackMs <= limitMs) return
    log.warning(`Disconnecting timedout replica (streaming sync): ${name}`)
    link.close()
  }

  /** Adds a command of our own to the stream. */
  #append(bytes: Uint8Array): void {
    if (this.#backlog === null) return
    this.#backlog.append(bytes, 0, bytes.length)
    this.#wantFeed()
  }

  #wantFeed(): void {
    if (this.#isFeedDue) return
    this.#isFeedDue = true
    this.#options.clock.soon(this.#feedSoon)
  }

  #isOurs(id: string, offset: number): boolean {
    const given = id.toLowerCase()
    return given === this.#id || (given === this.#secondId && offset <= this.#secondOffset)
  }

  #logForeign(id: string, offset: number): void {
    const { log } = this.#options
    if (id.toLowerCase() !== this.#secondId) {
      log.notice(
        `Partial resynchronization not accepted: Replication ID mismatch (Replica asked for ` +
          `'${id}', my replication IDs are '${this.#id}' and '${this.#secondId}')`,
      )
      return
    }
    log.notice(
      `Partial resynchronization not accepted: Requested offset for second ID was ${offset}, ` +
        `but I can reply up to ${this.#secondOffset}`,
    )
  }
}

/** What INFO shows as seconds since a replica has said anything. */
export function lagSecondsOf({ state, ackMs }: AttachedReplica, nowMs: number): number {
  return state === Online ? Math.max(0, Math.floor((nowMs - ackMs) / MS_PER_SECOND)) : 0
}
