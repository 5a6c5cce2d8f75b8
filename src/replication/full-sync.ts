// Full syncs: which replicas get a snapshot, from which cut, and by which way.
//
//   socket   who knows the EOF mark is sent the snapshot while it is encoded, if
//            `repl-diskless-sync` says so: `$EOF:<mark>`, the snapshot, the mark
//   file     all others are sent a file that is written first: `$<length>`, the snapshot. It has a
//            name of its own, so that the RDB file stays what saves made it, and goes when the last
//            of them has it
//
// Who waits shares the next cut, whoever opens it (persist/persistence.ts). For a socket a cut is
// asked for when the first has waited `repl-diskless-sync-delay`, or when so many wait that nobody
// else is expected; for a file at once. Who comes while a file is being written for others joins
// them: the stream since that cut is kept for them anyway.
//
// Owner: the engine. Source: the behaviour of redis-server 7.0; docs/decisions/0020.

import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import { StoreError } from '../base/errors.ts'
import { FrameQueue, shareFrameQueue } from '../base/frame-queue.ts'
import type { Log } from '../base/log.ts'
import { randomHex } from '../base/random.ts'
import type { SinkRequest } from '../persist/sink-request.ts'
import { type AttachedReplica, ReplicaState } from './attached-replica.ts'
import { type Bulk, FileBulk, QueueBulk } from './bulk.ts'
import { emptySnapshot } from './empty-snapshot.ts'

/** What of the configuration matters here; read anew at each use. */
export interface FullSyncSettings {
  readonly isDiskless: boolean
  readonly disklessDelaySeconds: number
  /** Waiting replicas that are enough not to wait longer; 0: never. */
  readonly disklessReplicas: number
  /** Where files for replicas are written. */
  readonly directory: string
}

export interface FullSyncOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  readonly settings: FullSyncSettings
  readonly processId: number
  /** Asks for a sink of the next cut. */
  readonly requestCut: (request: SinkRequest) => void
  /**
   * A cut is open: the replica is told where it stands in the stream, which is kept for it from
   * there on. With a `peer` the cut is the one that this replica waits for.
   */
  readonly onCut: (replica: AttachedReplica, peer: AttachedReplica | null) => void
  /** The replica has the snapshot. */
  readonly onSent: (replica: AttachedReplica) => void
  /** Ends a replica whose sync has failed. */
  readonly drop: (replica: AttachedReplica) => void
}

/** Bytes of the queue between the snapshot thread and a socket. */
const QUEUE_BYTES = 512 * 1024
/** The mark has 40 characters. */
const MARK_BYTES = 20
const MS_PER_SECOND = 1000
const { Waiting, Saving, Streaming, Sending, Online } = ReplicaState

/** Replicas that share a file. */
interface FileGroup {
  readonly path: string
  readonly replicas: Set<AttachedReplica>
  /** Nobody joins any more. */
  isComplete: boolean
}

export class FullSyncs {
  readonly #options: FullSyncOptions
  readonly #waiting = new Set<AttachedReplica>()
  readonly #groups = new Set<FileGroup>()
  #fileCount = 0

  constructor(options: FullSyncOptions) {
    this.#options = options
  }

  /** Replicas that wait for a cut. */
  get waiting(): Iterable<AttachedReplica> {
    return this.#waiting
  }

  /** `replica` wants a snapshot. */
  begin(replica: AttachedReplica): void {
    const { clock, log, settings } = this.#options
    replica.enter(Waiting)
    replica.waitingSinceMs = clock.nowMs()
    if (replica.isEmptyWanted) return this.#sendEmpty(replica)
    this.#waiting.add(replica)
    if (this.#joinGroup(replica)) return
    if (this.#isDirect(replica) && settings.disklessDelaySeconds > 0) {
      log.notice('Delay next BGSAVE for diskless SYNC')
    }
    this.look()
  }

  /** Asks for a cut when it is time. */
  look(): void {
    if (this.#waiting.size === 0 || !this.#isDue()) return
    const { log, requestCut } = this.#options
    const forFile: AttachedReplica[] = []
    for (const replica of this.#waiting) {
      if (replica.isRequested) continue
      replica.isRequested = true
      if (!this.#isDirect(replica)) forFile.push(replica)
      else {
        log.notice('Starting BGSAVE for SYNC with target: replicas sockets')
        requestCut(this.#directRequest(replica))
      }
    }
    if (forFile.length === 0) return
    log.notice('Starting BGSAVE for SYNC with target: disk')
    requestCut(this.#fileRequest(forFile))
  }

  /** `replica` is gone. */
  forget(replica: AttachedReplica): void {
    this.#waiting.delete(replica)
    for (const group of this.#groups) {
      if (group.replicas.delete(replica)) this.#dropUnused(group)
    }
  }

  /** Whether a replica's snapshot goes straight to its socket. */
  #isDirect(replica: AttachedReplica): boolean {
    return this.#options.settings.isDiskless && replica.isEofCapable
  }

  #isDue(): boolean {
    const { settings, clock } = this.#options
    let count = 0
    let sinceMs = Number.POSITIVE_INFINITY
    for (const replica of this.#waiting) {
      if (replica.isRequested) continue
      if (!this.#isDirect(replica)) return true
      count++
      sinceMs = Math.min(sinceMs, replica.waitingSinceMs)
    }
    if (settings.disklessReplicas > 0 && count >= settings.disklessReplicas) return true
    return clock.nowMs() - sinceMs >= settings.disklessDelaySeconds * MS_PER_SECOND
  }

  #directRequest(replica: AttachedReplica): SinkRequest {
    const shared = shareFrameQueue(QUEUE_BYTES)
    const queue = new FrameQueue(shared)
    const mark = randomHex(MARK_BYTES)
    const bulk = this.#bulkOf(replica, (options) => new QueueBulk(queue, options), mark)
    return {
      sink: { kind: 'stream', queue: shared },
      isGone: () => !this.#waiting.has(replica),
      onCut: () => {
        this.#noteCut(replica, Streaming)
        replica.writeLine(`$EOF:${mark}`)
        replica.bulk = bulk
        bulk.pump()
      },
      onEnd: (error) => {
        if (error === null) return
        bulk.close()
        this.#fail(replica, error)
      },
    }
  }

  #fileRequest(replicas: readonly AttachedReplica[]): SinkRequest {
    const { settings, processId } = this.#options
    const name = `temp-sync-${processId}-${++this.#fileCount}.rdb`
    const path = join(settings.directory, name)
    const group: FileGroup = { path, replicas: new Set(replicas), isComplete: false }
    this.#groups.add(group)
    const file = { path, temporaryPath: `${path}.part`, syncsWhileWriting: false }
    return {
      sink: { kind: 'file', file },
      isGone: () => group.replicas.size === 0,
      onCut: () => {
        for (const replica of group.replicas) this.#noteCut(replica, Saving)
      },
      onEnd: (error) => this.#endFile(group, error),
    }
  }

  /** Joins those who wait for a file that is being written. */
  #joinGroup(replica: AttachedReplica): boolean {
    if (this.#isDirect(replica)) return false
    for (const group of this.#groups) {
      const [peer] = group.replicas
      if (group.isComplete || peer?.state !== Saving || !peer.isReading) continue
      this.#options.log.notice('Waiting for end of BGSAVE for SYNC')
      group.replicas.add(replica)
      this.#noteCut(replica, Saving, peer)
      return true
    }
    return false
  }

  #noteCut(
    replica: AttachedReplica,
    next: ReplicaState,
    peer: AttachedReplica | null = null,
  ): void {
    this.#waiting.delete(replica)
    replica.enter(next)
    this.#options.onCut(replica, peer)
  }

  /** The file is written, or cannot be: it goes out. */
  #endFile(group: FileGroup, error: string | null): void {
    group.isComplete = true
    const length = error === null ? this.#lengthOf(group.path) : 0
    for (const replica of [...group.replicas]) {
      if (length === 0) this.#fail(replica, error ?? 'the file is gone')
      else this.#sendFile(group, replica, length)
    }
    this.#dropUnused(group)
  }

  #sendFile(group: FileGroup, replica: AttachedReplica, length: number): void {
    const { disk } = this.#options
    const { path } = group
    replica.enter(Sending)
    replica.writeLine(`$${length}`)
    replica.bulk = this.#bulkOf(replica, (options) => {
      const onEnd = (error: string | null) => {
        group.replicas.delete(replica)
        options.onEnd(error)
        this.#dropUnused(group)
      }
      return new FileBulk({ ...options, onEnd, disk, path, length })
    })
    replica.bulk.pump()
  }

  /** A bulk for `replica`; behind its last byte comes the mark, if there is one. */
  #bulkOf(replica: AttachedReplica, make: (options: BulkParts) => Bulk, mark = ''): Bulk {
    const { clock, onSent } = this.#options
    const { socket } = replica.link
    return make({
      clock,
      socket,
      onSent: (length) => {
        replica.sentBytes += length
      },
      onEnd: (error) => {
        if (error !== null) return this.#fail(replica, error)
        if (mark !== '') this.#writeMark(replica, mark)
        replica.bulk = null
        replica.enter(Online)
        replica.isHeld = mark !== ''
        onSent(replica)
      },
    })
  }

  #writeMark(replica: AttachedReplica, mark: string): void {
    const bytes = Buffer.from(mark, 'latin1')
    replica.link.socket.write(bytes, 0, bytes.length)
    replica.sentBytes += bytes.length
  }

  #sendEmpty(replica: AttachedReplica): void {
    const { onCut, onSent } = this.#options
    const mark = randomHex(MARK_BYTES)
    replica.enter(Streaming)
    onCut(replica, null)
    replica.writeLine(`$EOF:${mark}`)
    emptySnapshot((bytes, start, length) => {
      replica.link.socket.write(bytes, start, length)
      replica.sentBytes += length
    })
    this.#writeMark(replica, mark)
    replica.enter(Online)
    replica.isHeld = true
    onSent(replica)
  }

  #fail(replica: AttachedReplica, error: string): void {
    const { log, drop } = this.#options
    if (replica.state === Online || replica.hasEnded) return
    log.warning(`SYNC failed: ${error}; closing the link with replica ${replica.name}`)
    drop(replica)
  }

  #lengthOf(path: string): number {
    try {
      return this.#options.disk.stat(path)?.size ?? 0
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return 0
    }
  }

  /** Removes the file when nobody needs it any more. */
  #dropUnused(group: FileGroup): void {
    if (!group.isComplete || group.replicas.size > 0) return
    if (!this.#groups.delete(group)) return
    // Whether it can be removed matters to nobody who waits.
    this.#options.disk.begin({ kind: 'unlink', path: group.path }, () => {})
  }
}

type BulkParts = ConstructorParameters<typeof QueueBulk>[1]
