// The server as its administrative commands see it: one object that holds the parts, and the
// context that handlers get. It does nothing by itself: the engine (engine.ts) puts it together
// and drives it.
//
//   engine.ts        assembly; sockets in      turn.ts        one turn of one client
//   connection.ts    one client                clients.ts     all of them
//   cron.ts          recurring work            shutdown.ts    the end
//   settings.ts      configuration to parts    info*.ts       INFO
//   *-commands.ts    administrative commands   config*.ts     parameters
//   main-thread.ts, engine-thread.ts, mailbox.ts   the two threads and what they say
//
// Owner: the engine thread.

import { assert, fail } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { randomHex } from '../base/random.ts'
import { scratchSlice } from '../base/slice.ts'
import type { Blocker, CommandLimits, Context } from '../command/command.ts'
import type { Caller, Dispatcher, Gates } from '../command/dispatch.ts'
import { Effects } from '../command/effects.ts'
import { type CommandEntry, WRITER_FLAGS } from '../command/table.ts'
import type { Database } from '../keyspace/database.ts'
import { defaultEncodingLimits } from '../keyspace/encoding-limits.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Persistence } from '../persist/persistence.ts'
import type { Primary } from '../replication/primary.ts'
import type { ReplyError } from '../resp/replies.ts'
import { MISCONF, replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { AckWaits } from './ack-waits.ts'
import type { AofView } from './aof-view.ts'
import { Blocking } from './blocking.ts'
import { Clients } from './clients.ts'
import { CommandWatch } from './command-watch.ts'
import type { Config } from './config.ts'
import type { Connection } from './connection.ts'
import { Defrag } from './defrag.ts'
import { Eviction, Outcome } from './eviction.ts'
import { needsClocks } from './eviction-policy.ts'
import { KeyFollowers } from './key-followers.ts'
import { LatencyMonitor } from './latency-monitor.ts'
import type { MainMessage } from './mailbox.ts'
import { MemoryLimit } from './memory-limit.ts'
import type { Connect } from './migrate-links.ts'
import { Migrations } from './migrations.ts'
import { Monitors } from './monitor.ts'
import { Notifications } from './notifications.ts'
import { Propagation } from './propagation.ts'
import { PubSub } from './pubsub.ts'
import { Pushes } from './pushes.ts'
import { primaryOf } from './replication-link.ts'
import { SlowLog } from './slow-log.ts'
import { Statistics } from './statistics.ts'
import { Tracking } from './tracking.ts'
import { Watches } from './watches.ts'
import { WriteDelay } from './write-delay.ts'

export interface ServerOptions {
  readonly config: Config
  readonly keyspace: Keyspace
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  /** Sends to the main thread. */
  readonly send: (message: MainMessage) => void
  readonly executable: string
  readonly isSupervised: boolean
}

/** How far the load at the start has come. */
export interface LoadProgress {
  /** Unix seconds. */
  readonly startSeconds: number
  readonly totalBytes: number
  readonly loadedBytes: number
  /** What the file says its data took in memory where it was saved. */
  readonly usedBytesAtSave: number
  readonly etaSeconds: number
}

/** How to end: whether to save, as the save points say or by order. */
export interface ShutdownOptions {
  readonly isSaveForced: boolean
  readonly isSaveForbidden: boolean
  /** Ends even if saving fails. */
  readonly isForced: boolean
  /** Does not wait for replicas that lag behind. */
  readonly isImmediate: boolean
}

/** The server has ended, waits for replicas and says later if it stays, or has to stay. */
export type ShutdownOutcome = 'ended' | 'waiting' | 'failed'

/** What the engine does for commands. */
export interface ServerParts {
  readonly shutdown: {
    /** Whether the server has ended. */
    readonly isDone: boolean
    run(options: ShutdownOptions, onStay?: () => void): ShutdownOutcome
    /** Drops a shutdown that was ordered and has not begun; false when there is none. */
    abort(): boolean
  }
  /** Serves clients whose pause is over. */
  readonly resume: () => void
  /** Listens on the addresses of the configuration as it is now, and on no others. */
  readonly rebind: (done: (isGood: boolean) => void) => void
  /** Gives the process, which is the main thread's, a title by `template`. */
  readonly retitle: (template: string, done: () => void) => void
  /** Connects to another server. */
  readonly connect: Connect
  /** Gives the answer that a command has left open by `isWaiting`. */
  readonly answer: (client: Connection, write: (reply: Reply) => void) => void
}

const RUN_ID_BYTES = 20
const US_PER_MS = 1000
const NO_REPLICAS = replyError('NOREPLICAS Not enough good replicas to write.')

export class Server implements Gates {
  readonly config: Config
  readonly keyspace: Keyspace
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  readonly send: (message: MainMessage) => void
  readonly executable: string
  readonly isSupervised: boolean
  readonly statistics = new Statistics()
  readonly clients: Clients
  readonly slowLog: SlowLog
  readonly latency: LatencyMonitor
  /** 40 hexadecimal digits, new at each start. */
  readonly runId = randomHex(RUN_ID_BYTES)
  readonly startedMs: number
  readonly limits: CommandLimits
  /** What commands change, and who repeats it. */
  readonly effects = new Effects()
  readonly propagation = new Propagation(this.effects)
  /** Who hears of changes of keys. */
  readonly followers: KeyFollowers
  readonly pushes: Pushes
  readonly pubsub: PubSub
  readonly notifications: Notifications
  readonly tracking: Tracking
  readonly monitors: Monitors
  readonly watches: Watches
  readonly blocking: Blocking
  readonly migrations: Migrations
  /** Our replicas, and the stream that they get. */
  readonly primary: Primary
  readonly ackWaits: AckWaits
  readonly writeDelay: WriteDelay<Connection>
  readonly memory: MemoryLimit
  readonly eviction: Eviction
  readonly defrag: Defrag
  readonly #watch: CommandWatch
  /** `used_memory` of the empty server. */
  readonly startupBytes: number
  persistence: Persistence | null = null
  aof: AofView | null = null
  /** The load at the start, while it runs. */
  loading: LoadProgress | null = null
  readonly mode = 'standalone'
  /** Runs of the cron per second, `dynamic-hz` applied. */
  hz = 10
  /** DEBUG SET-ACTIVE-EXPIRE. */
  isActiveExpireOn = true
  /** DEBUG PAUSE-CRON. */
  isCronPaused = false
  /** A shutdown waits for replicas: writers wait, too, and nothing expires by itself. */
  isEnding = false
  /** Unix time in ms of the last DEBUG or CONFIG that a reader of INFO may ask for. */
  peakMs: number
  #parts: ServerParts | null = null
  #dispatcher: Dispatcher | null = null
  #reply: Reply | null = null

  constructor(options: ServerOptions) {
    this.config = options.config
    this.keyspace = options.keyspace
    this.clock = options.clock
    this.disk = options.disk
    this.log = options.log
    this.send = options.send
    this.executable = options.executable
    this.isSupervised = options.isSupervised
    const { config, log, statistics } = this
    const { values } = config
    this.clients = new Clients({ config, log, statistics, nowMs: () => this.clock.nowMs() })
    const { clients } = this
    this.pushes = new Pushes({ clients, statistics, nowMs: () => this.clock.nowMs() })
    const { pushes, keyspace } = this
    this.followers = new KeyFollowers(keyspace, this.effects)
    this.pubsub = new PubSub(pushes)
    this.notifications = new Notifications(this.pubsub, keyspace)
    const onSwitch = () => this.updateFollowers()
    const { random } = keyspace
    this.tracking = new Tracking({ clients, pushes, random, source: this.followers, onSwitch })
    this.monitors = new Monitors({ clock: this.clock, config, pushes, onSwitch })
    this.#watch = new CommandWatch(pushes, this.tracking, this.monitors)
    this.followers.add(this.tracking)
    this.followers.add(this.notifications)
    this.watches = new Watches(keyspace, this.followers)
    const { followers, clock } = this
    this.blocking = new Blocking({ keyspace, followers, clock, statistics })
    this.slowLog = new SlowLog(values.slowlogMaxLen)
    this.latency = new LatencyMonitor(() => this.clock.nowMs())
    this.writeDelay = writeDelayOf(this)
    this.primary = primaryOf(this)
    const { primary, blocking } = this
    this.ackWaits = new AckWaits({ primary, blocking })
    const backlogBytes = () => primary.bufferBytes - primary.excessBytes
    const topicBytes = () => this.pubsub.bytes + this.tracking.bytes + backlogBytes()
    this.memory = new MemoryLimit({ keyspace, clients: clients.memory, topicBytes })
    this.memory.notCounted.push(
      () => this.savingBytes,
      () => primary.excessBytes,
    )
    this.eviction = new Eviction(this)
    this.eviction.onEvict = (db, key) => {
      this.effects.noteRemoval(db, key, values.lazyfreeLazyEviction)
    }
    this.defrag = defragOf(this)
    this.startedMs = this.clock.nowMs()
    this.peakMs = this.startedMs
    this.startupBytes = this.keyspace.usedBytes
    this.limits = {
      encodings: defaultEncodingLimits(),
      stringLengthMax: values.protoMaxBulkLen,
      isUserFlushLazy: values.lazyfreeLazyUserFlush,
      isUserDelLazy: values.lazyfreeLazyUserDel,
      isRdbCompressed: values.rdbcompression,
      isPayloadChecked: true,
      isIntegerShared: values.maxmemory === 0 || !needsClocks(values.maxmemoryPolicy),
    }
    const { limits } = this
    const host = () => this.parts
    const noteError = (code: string) => this.dispatcher.noteError(code)
    const served = { keyspace, clock, clients, followers, limits, effects: this.effects }
    this.migrations = new Migrations({ ...served, host, noteError })
  }

  get dispatcher(): Dispatcher {
    assert(this.#dispatcher !== null, 'the engine has put the server together')
    return this.#dispatcher
  }

  /** The writer of replies to the client that is being served. */
  get reply(): Reply {
    assert(this.#reply !== null, 'the engine has put the server together')
    return this.#reply
  }

  /** What the engine lends to commands. */
  get parts(): ServerParts {
    assert(this.#parts !== null, 'the engine has put the server together')
    return this.#parts
  }

  connect(parts: ServerParts): void {
    this.#parts = parts
  }

  /** Second half of the assembly: what needs the server itself. */
  attach(dispatcher: Dispatcher, reply: Reply): void {
    this.#dispatcher = dispatcher
    this.#reply = reply
  }

  /** Looks again at who follows keys and commands. */
  updateFollowers(): void {
    this.followers.update()
    this.#watch.update(this.dispatcher)
  }

  /** Ends what a client has asked to be told of: subscriptions, tracking, MONITOR. */
  forgetModes(client: Connection): void {
    this.pubsub.forget(client)
    this.tracking.disable(client)
    this.monitors.remove(client)
  }

  /** Bytes of data, index structures, client buffers and what a save holds. Exact for data. */
  usedBytes(): number {
    const used = this.memory.usedBytes()
    if (used > this.statistics.peakBytes) {
      this.statistics.peakBytes = used
      this.peakMs = this.clock.nowMs()
    }
    return used
  }

  /** Bytes of the reserve that a save under way uses. */
  get savingBytes(): number {
    return this.persistence?.current?.reserveUsedBytes ?? 0
  }

  get isLoading(): boolean {
    return this.loading !== null
  }

  get isStale(): boolean {
    return false
  }

  get pausedFlags(): number {
    if (this.migrations.isRunning) return -1
    const isHeld = this.isEnding || (this.aof?.isStalled ?? false)
    return this.clients.pausedFlags | (isHeld ? WRITER_FLAGS : 0)
  }

  isOverMemory(): boolean {
    return this.memory.look()
  }

  makeRoom(): boolean {
    const { dispatcher } = this
    const outcome = this.eviction.perform(dispatcher.startUs)
    // The time that this took is not the command's.
    dispatcher.begin()
    return outcome !== Outcome.Failed
  }

  diskError(): ReplyError | null {
    if (this.persistence?.isWriteRefused) return MISCONF
    return this.aof?.refusal ?? null
  }

  replicaError(): ReplyError | null {
    return this.primary.isLonely ? NO_REPLICAS : null
  }

  allowsProtected(_entry: CommandEntry, caller: Caller): boolean {
    const allowed = this.config.values.enableDebugCommand
    return allowed === 'yes' || (allowed === 'local' && caller.isLocal)
  }
}

function defragOf(server: Server): Defrag {
  const { keyspace, clock, config, memory, writeDelay } = server
  return new Defrag({
    keyspace,
    clock,
    settings: config.values,
    dataLimitBytes: () => memory.dataLimitBytes,
    hasCut: () => server.persistence?.openCut != null,
    heldPages: () => server.persistence?.openCut?.figures.heldPages ?? 0,
    isHeldBack: () => server.isLoading || server.migrations.isRunning || writeDelay.isTight,
  })
}

function writeDelayOf(server: Server): WriteDelay<Connection> {
  const { clock, log, keyspace, latency } = server
  const source = {
    get openCut() {
      return server.persistence?.openCut ?? null
    },
    get cutNumber() {
      return keyspace.arena.cutNumber
    },
    get isStarved() {
      return server.eviction.isStarved
    },
  }
  const onDelay = (us: number) => latency.add('snapshot-write-delay', us / US_PER_MS)
  return new WriteDelay({ source, clock, log, onDelay })
}

/** While the engine is put together nothing can wait. */
const NO_WAITING: Blocker = {
  canWait: false,
  isRetry: false,
  wait: () => fail('nothing waits before the engine is put together'),
}

/** What handlers get: the part that data commands see, and behind it the server. */
export class ServerContext implements Context {
  readonly server: Server
  readonly keyspace: Keyspace
  readonly limits: CommandLimits
  readonly observer: KeyFollowers
  readonly effects: Effects
  isReplayed = false
  /** Set by the engine, once, when the server is put together. */
  blocker: Blocker = NO_WAITING
  readonly key = scratchSlice()
  readonly value = scratchSlice()
  db: Database
  nowMs = 0
  #client: Connection | null = null

  constructor(server: Server) {
    this.server = server
    this.keyspace = server.keyspace
    this.limits = server.limits
    this.observer = server.followers
    this.effects = server.effects
    this.db = server.keyspace.databases[0]!
  }

  /** Has the file on disk emptied as well; the client waits for that. */
  noteFlushAll(): boolean {
    const { server, client } = this
    const { persistence, parts } = server
    if (persistence === null || server.isLoading) return false
    if (client.isExecuting) {
      // Nothing in a transaction is answered later: the file is emptied in the background, and only
      // behind the transaction: a cut would part what is logged of it.
      server.clock.soon(() => persistence.replaceFlushed(() => {}))
      return false
    }
    const answer = () => parts.answer(client, (reply) => reply.ok())
    const isWaiting = persistence.replaceFlushed(answer)
    if (isWaiting) client.isWaiting = true
    return isWaiting
  }

  noteDamage(message: string): void {
    this.server.log.warning(message)
  }

  /** The client that is being served. */
  get client(): Connection {
    assert(this.#client !== null, 'a command runs for a client')
    return this.#client
  }

  get session(): Connection {
    return this.client
  }

  /** The same; null before the first one. */
  get lastClient(): Connection | null {
    return this.#client
  }

  /** Makes `client` the one that is served. */
  enter(client: Connection, nowMs: number): void {
    this.#client = client
    this.db = this.keyspace.databases[client.database]!
    this.nowMs = nowMs
  }
}

/** The whole context of an administrative command. */
export function serverContext(context: Context): ServerContext {
  assert(context instanceof ServerContext, 'administrative commands run in a server')
  return context
}
