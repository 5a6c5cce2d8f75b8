// Runs commands that come out of a log: the append-only file at the start, later the stream of a
// primary. They have been asked about, run and counted where they came from; here they are run
// again, one after the other, for a client that has no socket.
//
// - Nothing is refused for want of memory, of a password, or because data is being loaded; nothing
//   is counted, slow or watched; nobody gets a reply, and what would wait for a key finds nothing.
// - No key or field expires by itself: the log says when (DEL, HDEL), and a deadline that has
//   passed is set like any other (`Context.isReplayed`).
// - Commands between MULTI and EXEC are queued and run by EXEC. A log that ends in between has
//   ended in the middle of a unit: `isInTransaction` says so, and `abandon` forgets what is queued.
// - What commands change goes on to the sinks of propagation.ts, if any is attached. Whoever loads
//   what they know of already calls `Propagation.suspend`.
//
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Socket } from '../base/socket.ts'
import type { Args } from '../resp/args.ts'
import { type ReplyError, replyError } from '../resp/replies.ts'
import { Reply } from '../resp/reply.ts'
import { Connection } from './connection.ts'
import type { Server, ServerContext } from './server.ts'

/** What a reader of logs hands its commands to. */
export interface CommandReplayer {
  /**
   * Runs or queues a command; the error that it replied, UNKNOWN_COMMAND, or null. `args` are
   * borrowed.
   */
  run(args: Args): ReplyError | null
  /** Inside of MULTI: what was run last is not whole yet. */
  readonly isInTransaction: boolean
  /** Forgets a transaction that has not come to its EXEC. */
  abandon(): void
}

/** There is no such command, or it does not take so many arguments. */
export const UNKNOWN_COMMAND = replyError('ERR unknown command, or wrong number of arguments')

const MINUS = 0x2d
/** Bytes of an error that are read at most. */
const ERROR_LENGTH_MAX = 4096

/** The client without a socket. */
const NO_SOCKET: Socket = {
  remoteAddress: '?:0',
  localAddress: '?:0',
  isLocal: true,
  descriptor: -1,
  pendingBytes: 0,
  heldBytes: 0,
  heldBuffers: 0,
  write() {},
  pause() {},
  resume() {},
  setKeepAlive() {},
  end() {},
  close() {},
}

export class Replay implements CommandReplayer {
  readonly #server: Server
  readonly #context: ServerContext
  readonly #client: Connection
  /** The error that the last flush has shown. */
  #error: ReplyError | null = null
  readonly #reply: Reply

  constructor(server: Server, context: ServerContext) {
    this.#server = server
    this.#context = context
    const { clock, clients, watches } = server
    const host = {
      clock,
      serve() {},
      forget() {},
      abandonTransaction(client: Connection) {
        client.transaction = null
        watches.unwatch(client)
      },
      measure() {},
      feed() {},
    }
    const limits = clients.readerLimits
    this.#client = new Connection(host, NO_SOCKET, { id: 0, limits })
    this.#reply = new Reply((bytes, start, length) => this.#look(bytes, start, length))
  }

  get isInTransaction(): boolean {
    return this.#client.transaction !== null
  }

  /** Number of the database that is selected. */
  get database(): number {
    return this.#client.database
  }

  abandon(): void {
    this.#client.abandonTransaction()
  }

  run(args: Args): ReplyError | null {
    const { dispatcher, keyspace, clock } = this.#server
    const client = this.#client
    const entry = dispatcher.table.find(args)
    if (entry === null || entry.run === null || !entry.takes(args.count)) return UNKNOWN_COMMAND
    if (client.transaction !== null && entry.fullName !== 'exec') {
      client.transaction.add(entry, args)
      return null
    }
    const context = this.#context
    // DEBUG LOADAOF is somebody's command.
    const caller = context.lastClient
    const nowMs = clock.nowMs()
    context.enter(client, nowMs)
    keyspace.advance(nowMs)
    keyspace.isExpiryOn = false
    context.isReplayed = true
    // Nothing waits for a key.
    client.isExecuting = true
    const errorsBefore = this.#reply.errorCount
    dispatcher.replay(entry, args, this.#reply)
    context.isReplayed = false
    keyspace.isExpiryOn = !this.#server.isLoading
    if (caller !== null && caller !== client) context.enter(caller, nowMs)
    return this.#end(errorsBefore)
  }

  /** Drops what was replied; returns the error, if it is one. */
  #end(errorsBefore: number): ReplyError | null {
    this.#error = null
    this.#reply.flush()
    if (this.#reply.errorCount === errorsBefore) return null
    return this.#error ?? replyError(`${this.#reply.lastErrorCode} a command in EXEC has failed`)
  }

  #look(bytes: Uint8Array, start: number, length: number): void {
    if (bytes[start]! !== MINUS) return
    const limit = Math.min(length, ERROR_LENGTH_MAX)
    let text = ''
    for (let i = start + 1; i < start + limit && bytes[i]! >= 0x20; i++) {
      text += String.fromCharCode(bytes[i]!)
    }
    assert(text.length > 0, 'an error has words')
    this.#error = replyError(text)
  }
}
