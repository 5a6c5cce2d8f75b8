// The engine: puts the server together from its doors and drives it. One loop: sockets in,
// commands, sockets out, cron; all through the doors, so that a test can run it with a fake clock,
// disk and transport. Nothing in here waits for a promise or another thread.
//
// Start: sockets are bound first (a busy port must not cost a load), then main writes the pid file
// and the banner and answers `go`, then the data is loaded, then clients are served.

import type { Clock } from '../base/clock.ts'
import { ErrorCode, type StoreError } from '../base/errors.ts'
import type { MachineView } from '../base/machine-view.ts'
import type { Socket, SocketHandler, Transport } from '../base/socket.ts'
import type { Command } from '../command/command.ts'
import { CommandTable } from '../command/table.ts'
import { damageLine } from '../persist/damage.ts'
import { Persistence } from '../persist/persistence.ts'
import type { SnapshotRunner } from '../persist/snapshot/snapshot-port.ts'
import type { AttachedReplica } from '../replication/attached-replica.ts'
import { Aof } from './aof.ts'
import { AofGate } from './aof-gate.ts'
import type { Clients } from './clients.ts'
import { allCommands } from './commands.ts'
import type { Connection, Host } from './connection.ts'
import { Cron } from './cron.ts'
import { Listeners } from './listeners.ts'
import { Loading } from './loading.ts'
import type { Mailbox } from './mailbox.ts'
import { LiveSettings } from './persistence-settings.ts'
import type { Replay } from './replay.ts'
import { Server, type ServerOptions } from './server.ts'
import { bindSettings } from './settings.ts'
import { Shutdown } from './shutdown.ts'
import { Turn } from './turn.ts'

export interface EngineOptions extends ServerOptions {
  readonly transport: Transport
  readonly mailbox: Mailbox
  /** Where snapshots are made; null: the server neither loads nor saves. */
  readonly snapshots: SnapshotRunner | null
  readonly processId: number
  /** Cores and memory; without it they are read from the disk's files. */
  readonly machine?: MachineView
  /** Tests: further commands. */
  readonly commands?: readonly Command[]
  /** Tests: every cut proves that no page changed without touch. */
  readonly isChecking?: boolean
  /** Tests: makes the scanner go on while the engine waits for it. */
  readonly relieve?: () => void
}

const US_PER_MS = 1000

/** For connections that are refused: they are told why and closed. */
const REFUSED: SocketHandler = {
  onData() {},
  onDrain() {},
  onClose() {},
}

export class Engine implements Host {
  readonly server: Server
  readonly clock: Clock
  readonly shutdown: Shutdown
  readonly #turn: Turn
  readonly #cron: Cron
  readonly #loading: Loading
  readonly #listeners: Listeners
  readonly #clients: Clients
  /** Who waits for a title to be set, in the order of the requests. */
  readonly #awaitingTitle: (() => void)[] = []

  constructor(options: EngineOptions) {
    const server = new Server(options)
    this.server = server
    this.clock = options.clock
    this.#clients = server.clients
    const { mailbox } = options
    const transport = new AofGate(options.transport)
    const { config, log, disk } = server
    const closeSockets = () => this.#closeSockets(transport)
    this.shutdown = new Shutdown(server, { mailbox, closeSockets })
    const families = options.commands ? [...allCommands, options.commands] : allCommands
    this.#turn = new Turn(server, new CommandTable(families, config.renames))
    const handler = { onAccept: (socket: Socket) => this.#accept(socket) }
    this.#listeners = new Listeners({ transport, config, log, disk, handler })
    const resume = () => this.#resumePostponed()
    this.#cron = new Cron({ server, mailbox, shutdown: this.shutdown, resume })
    server.connect({
      shutdown: this.shutdown,
      resume,
      // Never in the middle of the command that asks for it, even when there is nothing to open.
      rebind: (done) => {
        this.#listeners.openTcp((isGood) => this.clock.after(0, () => done(isGood)))
      },
      retitle: (template, done) => {
        this.#awaitingTitle.push(done)
        server.send({ kind: 'title', template })
      },
      connect: (address, connecting) => transport.connect(address, connecting),
      answer: (client, write) => {
        if (!client.isClosed) this.#turn.answer(client, write)
      },
    })
    server.persistence = persistenceOf(server, options)
    server.aof = aofOf(server, { gate: transport, turn: this.#turn, ...options })
    this.#loading = new Loading(server, (error) => this.#onLoaded(error))
    bindSettings(server)
  }

  /** Runs commands out of a log. */
  get replay(): Replay {
    return this.#turn.replay
  }

  /** Binds all sockets, ends when one cannot be; clients are told LOADING from now on. */
  listen(): void {
    this.server.loading = this.#loading
    this.#listeners.open((isGood) => {
      if (isGood) this.server.send({ kind: 'listening' })
      else this.#fail()
    })
  }

  /** Loads the data and begins to serve. */
  start(): void {
    this.server.log.warning('Server initialized')
    this.#cron.start()
    this.#loading.start()
  }

  /** The main thread has put something into the mailbox. */
  wake(): void {
    this.#cron.takeRequests()
  }

  /** The main thread has set a title that was asked for. */
  noteTitled(): void {
    this.#awaitingTitle.shift()?.()
  }

  serve(client: Connection, bytes: Uint8Array, start: number, length: number): void {
    this.#turn.serve(client, bytes, start, length)
  }

  forget(client: Connection): void {
    const { server } = this
    server.forgetModes(client)
    server.blocking.forget(client)
    server.ackWaits.forget(client)
    if (client.replica !== null) server.primary.remove(client.replica)
    server.writeDelay.forget(client)
    this.abandonTransaction(client)
    this.#clients.remove(client)
  }

  abandonTransaction(client: Connection): void {
    client.transaction = null
    this.server.watches.unwatch(client)
  }

  feed(replica: AttachedReplica): void {
    this.server.primary.noteDrained(replica)
  }

  measure(client: Connection): void {
    this.#clients.memory.update(client)
  }

  #accept(socket: Socket): SocketHandler {
    return this.#clients.accept(this, socket) ?? REFUSED
  }

  /** Gives every client whose command waits another try. */
  #resumePostponed(): void {
    for (const client of this.#clients.postponed()) {
      if (!client.isClosed) this.#turn.resume(client)
    }
  }

  #closeSockets(transport: Transport): void {
    this.#cron.stop()
    this.server.writeDelay.stop()
    this.server.eviction.stop()
    this.#listeners.close()
    this.server.primary.flush()
    transport.flush()
    transport.close()
  }

  #onLoaded(error: StoreError | null): void {
    const { server } = this
    // After an error clients are told LOADING until the process is gone.
    if (error !== null) {
      if (isAofError(error)) {
        // In Redis's words already, which operators and tests look for in the last line.
        server.log.warning(error.message)
        return this.#fail()
      }
      const isDamage = error.code === ErrorCode.RdbCorrupt
      const message = isDamage ? damageLine(error.message) : error.message
      server.log.warning(`Fatal error loading the DB: ${message}. Exiting.`)
      if (isDamage || error.code === ErrorCode.RdbTruncated) {
        server.log.warning('Terminating server after rdb file reading failure.')
      }
      return this.#fail()
    }
    server.loading = null
    server.log.notice('Ready to accept connections')
    server.send({ kind: 'ready' })
  }

  #fail(): void {
    this.server.send({ kind: 'exit', code: 1, isGraceful: false })
  }
}

function isAofError({ code }: StoreError): boolean {
  return (
    code === ErrorCode.AofCorrupt ||
    code === ErrorCode.AofTruncated ||
    code === ErrorCode.AofManifestCorrupt
  )
}

/** What the append only file needs of the engine. */
interface AofSurroundings {
  readonly gate: AofGate
  readonly turn: Turn
  readonly processId: number
}

function aofOf(server: Server, { gate, turn, processId }: AofSurroundings): Aof | null {
  const { persistence } = server
  if (persistence === null) return null
  return new Aof({ server, persistence, gate, processId, replayer: () => turn.replay })
}

function persistenceOf(server: Server, options: EngineOptions): Persistence | null {
  if (options.snapshots === null) return null
  const { keyspace, disk, clock, log } = server
  return new Persistence({
    keyspace,
    disk,
    clock,
    log,
    settings: new LiveSettings(server),
    runner: options.snapshots,
    processId: options.processId,
    limits: server.limits.encodings,
    isChecking: options.isChecking ?? false,
    beforeCut: () => server.effects.endUnit(true),
    onDelay: (event, us) => server.latency.add(event, us / US_PER_MS),
    ...(options.relieve && { relieve: options.relieve }),
    ...(options.machine && { machine: options.machine }),
    sendReplies: () => options.transport.flush(),
    commandCount: () => server.dispatcher.commandCount,
  })
}
