// One turn of one client: bytes in, commands, one write out. The hot path of the server: nothing is
// allocated per command, time is read once per command, and the unix clock once per turn or
// millisecond. One `Turn` serves all clients, one after the other.

import { assert } from '../base/assert.ts'
import { EMPTY_BYTES } from '../base/bytes.ts'
import { Dispatcher } from '../command/dispatch.ts'
import type { CommandEntry, CommandTable } from '../command/table.ts'
import { Args, word } from '../resp/args.ts'
import { Read } from '../resp/query-reader.ts'
import { Reply } from '../resp/reply.ts'
import { type Blocking, type BlockingHost, endSkip, type Waiter } from './blocking.ts'
import { type Connection, ReplyMode } from './connection.ts'
import { HeldOutput } from './held-output.ts'
import { commandEvent } from './latency-monitor.ts'
import { Replay } from './replay.ts'
import { secretsOf } from './secrets.ts'
import { type Server, ServerContext } from './server.ts'
import type { WriteDelay } from './write-delay.ts'

/** A turn longer than this reads the unix clock again. */
const CLOCK_STEP_US = 1000
const US_PER_MS = 1000
/** What the log shows of a query that breaks the protocol or a limit. */
const LOGGED_LENGTH = 128

const POST = word('post')
const HOST = word('host:')
const HTTP_LOG_INTERVAL_MS = 60_000

export class Turn implements BlockingHost {
  readonly context: ServerContext
  readonly dispatcher: Dispatcher
  readonly reply: Reply
  /** Runs commands out of a log in the same context. */
  readonly replay: Replay
  /** A client is being served, or one after the other those that were blocked. */
  isBusy = false
  readonly #server: Server
  readonly #blocking: Blocking
  readonly #delay: WriteDelay<Connection>
  readonly #retry = (waiter: Waiter) => this.#retryWaiter(waiter)
  readonly #args = new Args()
  readonly #held = new HeldOutput()
  #client: Connection | null = null
  /** The served client was blocked and has no turn of its own. */
  #isRetry = false
  /** When the unix clock is to be read again, on the monotonic one. */
  #clockDueUs = 0
  #httpLoggedMs = 0

  constructor(server: Server, table: CommandTable) {
    const { writeDelay } = server
    this.#server = server
    this.#delay = writeDelay
    this.context = new ServerContext(server)
    this.reply = new Reply((bytes, start, length) => this.#send(bytes, start, length))
    this.dispatcher = new Dispatcher({
      table,
      context: this.context,
      gates: server,
      monotonicUs: () => server.clock.monotonicUs(),
      onSlow: (entry, args, durationUs) => this.#noteSlow(entry, args, durationUs),
      onLatency: (entry, durationUs) => {
        server.latency.add(commandEvent(entry.flags), durationUs / US_PER_MS)
      },
      holdsWrite: () => writeDelay.holds(this.context.client, this.dispatcher.startUs),
      onUnknown: (args) => this.#endForHttp(args),
    })
    server.attach(this.dispatcher, this.reply)
    this.replay = new Replay(server, this.context)
    this.#blocking = server.blocking
    this.#blocking.connect(this)
    this.context.blocker = this.#blocking
    writeDelay.connect({
      get arePaused() {
        return server.pausedFlags !== 0
      },
      setFlags: (flags) => {
        this.dispatcher.delayedFlags = flags
      },
      resume: (client) => {
        // Who is about to be closed starts nothing more.
        if (client.isClosing) client.postponed = null
        else this.resume(client)
      },
    })
  }

  /** Serves bytes that arrived. */
  serve(client: Connection, bytes: Uint8Array, start: number, length: number): void {
    const { statistics } = this.#server
    statistics.reads++
    statistics.inputBytes += length
    if (client.isClosing) return
    client.reader.feed(bytes, start, length)
    if (client.postponed !== null || client.isWaiting) {
      client.reader.keep()
      if (client.reader.isOverLimit) return this.#endForQueryLimit(client)
      client.limitInput()
      this.#measure(client)
      return
    }
    this.#enter(client)
    this.#process(client)
    this.proceed()
  }

  /** The client whose command runs. */
  get client(): Connection {
    return this.context.client
  }

  /** Runs the command that a pause or the write delay held back, and what was sent behind it. */
  resume(client: Connection): void {
    const args = client.postponed
    assert(args !== null, 'only a client that waits is resumed')
    client.postponed = null
    this.#enter(client)
    client.reader.feed(EMPTY_BYTES, 0, 0)
    if (!this.#execute(client, args)) {
      client.reader.keep()
      client.postponed = args
      this.#leave()
    } else {
      this.#process(client)
    }
    client.limitInput()
    this.proceed()
  }

  /** Gives the answer that a command left open, and goes on with what was sent behind it. */
  answer(client: Connection, write: (reply: Reply) => void): void {
    assert(client.isWaiting, 'only a client that waits is answered')
    client.isWaiting = false
    this.#enter(client)
    client.reader.feed(EMPTY_BYTES, 0, 0)
    const { pushes } = this.#server
    const isMuted = client.replyMode !== ReplyMode.On
    pushes.beginCommand()
    if (isMuted) this.reply.mute()
    write(this.reply)
    if (isMuted) this.reply.unmute()
    pushes.endCommand(this.reply)
    endSkip(client)
    this.#process(client)
    this.proceed()
  }

  proceed(): void {
    const blocking = this.#blocking
    while (blocking.hasReleased) {
      for (const client of blocking.takeReleased()) this.#goOn(client)
    }
    this.isBusy = false
  }

  serveReady(): void {
    assert(!this.isBusy, 'nobody is being served')
    if (!this.#blocking.hasReady) return
    this.isBusy = true
    this.dispatcher.begin()
    this.#readClock()
    this.#serveBlocked(null)
    this.#leave()
    this.proceed()
  }

  /** Runs what a client has sent while it was blocked. */
  #goOn(client: Connection): void {
    if (client.isClosing || client.isWaiting || client.postponed !== null) return
    if (!client.reader.hasUnread) return
    this.#enter(client)
    client.reader.feed(EMPTY_BYTES, 0, 0)
    this.#process(client)
  }

  #enter(client: Connection): void {
    this.isBusy = true
    this.#delay.look()
    this.dispatcher.begin()
    this.#readClock()
    this.#face(client)
  }

  /** From now on `client` is served. */
  #face(client: Connection): void {
    const { pushes, keyspace } = this.#server
    this.#client = client
    this.reply.version = client.version
    this.reply.isRefused = false
    client.lastActiveMs = this.context.nowMs
    pushes.serve(client, this.reply)
    this.context.enter(client, this.context.nowMs)
    keyspace.isClockStopped = client.isNoTouch
  }

  /** Serves the clients whose keys are ready; `client` is in the middle of its turn. */
  #serveBlocked(client: Connection | null): void {
    this.reply.flush()
    this.#isRetry = true
    this.#blocking.serve(this.#retry)
    this.#isRetry = false
    // Keys that somebody waited for may have been found expired.
    this.#server.propagation.endRemovals()
    if (client !== null) this.#face(client)
    this.dispatcher.begin()
  }

  /** Runs the command of a blocked client again; false when it waits on. */
  #retryWaiter({ client, args }: Waiter): boolean {
    const { reply, context, dispatcher } = this
    const { pushes, clients } = this.#server
    const { lastActiveMs } = client
    this.#face(client)
    const isMuted = client.replyMode !== ReplyMode.On
    pushes.beginCommand()
    if (isMuted) reply.mute()
    const isServed = dispatcher.retry(args, reply, client)
    if (isMuted) reply.unmute()
    pushes.endCommand(reply)
    reply.flush()
    pushes.serve(null, reply)
    if (!isServed) {
      client.lastActiveMs = lastActiveMs
      return false
    }
    endSkip(client)
    if (client.socket.pendingBytes > 0) clients.enforceOutputLimit(client, context.nowMs)
    clients.memory.update(client)
    return true
  }

  /** The client has got its replies: what others are told at the end of a turn goes out. */
  #leave(): void {
    const { pushes, tracking } = this.#server
    pushes.serve(null, this.reply)
    if (tracking.hasBroadcasts) tracking.broadcast()
  }

  #readClock(): void {
    const nowMs = this.#server.clock.nowMs()
    this.context.nowMs = nowMs
    this.#server.keyspace.advance(nowMs)
    this.#clockDueUs = this.dispatcher.startUs + CLOCK_STEP_US
  }

  #process(client: Connection): void {
    const args = this.#args
    const { reader } = client
    const { isLimited } = this.#server.clients.memory
    let found: Read = Read.Incomplete
    // The command that a pause held back may be one that waits in its turn.
    while (!client.isClosing && !client.isWaiting) {
      found = reader.next(args)
      if (found !== Read.Command) break
      if (isLimited) {
        this.#measure(client)
        if (client.isClosed) break
      }
      if (!this.#execute(client, args)) client.postponed = args.clone()
      if (client.postponed !== null) break
    }
    if (this.#blocking.hasReady) this.#serveBlocked(client)
    if (found === Read.ProtocolError && !client.isClosing) this.#endForProtocol(client)
    reader.keep()
    this.reply.flush()
    if (this.#held.length > 0) this.#sendHeld(client)
    this.#leave()
    if (found === Read.QueryLimit) return this.#endForQueryLimit(client)
    if (client.isClosed) return
    if (client.isClosing) return client.socket.end()
    if (client.socket.pendingBytes > 0 || client.softLimitSinceMs > 0) {
      this.#server.clients.enforceOutputLimit(client, this.context.nowMs)
    }
    this.#measure(client)
  }

  /** Counts anew what `client` takes; whoever takes most is closed if that is too much. */
  #measure(client: Connection): void {
    const { memory } = this.#server.clients
    memory.update(client)
    if (memory.isOver) memory.evict()
  }

  /** Runs one command; false when it must wait. */
  #execute(client: Connection, args: Args): boolean {
    const isMuted = client.replyMode !== ReplyMode.On
    const isDone = isMuted
      ? this.#executeMuted(client, args)
      : this.dispatcher.run(args, this.reply, client)
    const { persistence, keyspace, defrag } = this.#server
    persistence?.snapshots.assist()
    if (keyspace.arena.pool.pagesResident > defrag.assistPages) defrag.assist()
    this.#server.pushes.endCommand(this.reply)
    if (client.tracking !== null) this.#server.tracking.endCommand(client)
    if (client.isBlocked) this.#blocking.hold(client, args)
    if (this.#blocking.hasReady) this.#serveBlocked(client)
    if (this.dispatcher.startUs > this.#clockDueUs) this.#readClock()
    return isDone
  }

  /** The same for a client that wants no reply, unless the command turns replies on again. */
  #executeMuted(client: Connection, args: Args): boolean {
    const { reply } = this
    if (client.replyMode === ReplyMode.SkipNext) client.replyMode = ReplyMode.Skip
    reply.mute()
    const isDone = this.dispatcher.run(args, reply, client)
    if (client.replyMode === ReplyMode.On) return isDone
    reply.unmute()
    if (isDone && !client.isBlocked && !client.isWaiting) endSkip(client)
    return isDone
  }

  #send(bytes: Uint8Array, start: number, length: number): void {
    const client = this.#client
    assert(client !== null, 'replies go to the client that is served')
    const { statistics, clients } = this.#server
    if (client.isReplica) return this.#endForReply(client)
    statistics.writes++
    statistics.outputBytes += length
    const { hardBytes } = clients.outputLimitOf(client)
    if (hardBytes === 0 || this.#isRetry) {
      client.socket.write(bytes, start, length)
      if (client.socket.heldBytes > 0) clients.memory.update(client)
      return
    }
    this.#held.add(bytes, start, length)
    if (this.#held.length + client.socket.pendingBytes <= hardBytes) {
      client.heldOutputBytes = this.#held.length
      clients.memory.update(client)
      return
    }
    // It will get none of it; the rest of the turn would only make it worse.
    client.isClosing = true
    this.reply.isRefused = true
  }

  /** Sends what a hard limit held back, unless it is more than the limit: then closes. */
  #sendHeld(client: Connection): void {
    const { hardBytes } = this.#server.clients.outputLimitOf(client)
    const isOver = this.#held.length + client.socket.pendingBytes > hardBytes
    client.heldOutputBytes = 0
    if (!isOver || client.isClosed) return this.#held.writeTo(client.socket)
    this.#held.clear()
    this.#server.clients.closeForOutput(client, this.context.nowMs)
  }

  #noteSlow(entry: CommandEntry, args: Args, durationUs: number): void {
    const { client, nowMs } = this.context
    const { slowLog, config } = this.#server
    slowLog.add(args, secretsOf(entry, args, config), {
      unixSeconds: Math.floor(nowMs / 1000),
      durationUs: Math.floor(durationUs),
      address: client.socket.remoteAddress,
      clientName: client.name,
    })
  }

  /** Words of HTTP mean that a browser was tricked into talking to us: closes without a reply. */
  #endForHttp(args: Args): boolean {
    if (!args.is(0, POST) && !args.is(0, HOST)) return false
    const { client, nowMs } = this.context
    if (nowMs - this.#httpLoggedMs > HTTP_LOG_INTERVAL_MS) {
      this.#httpLoggedMs = nowMs
      this.#server.log.warning(
        'Possible SECURITY ATTACK detected. Somebody is sending HTTP (POST or Host:) to this ' +
          'server, likely by cross protocol scripting from a browser. Connection aborted.',
      )
    }
    client.socket.close()
    return true
  }

  /** A replica has sent something that is answered: it takes answers for changes. */
  #endForReply(client: Connection): void {
    if (client.isClosing) return
    const command = client.lastEntry?.fullName ?? '<unknown>'
    const line = client.describe(this.context.nowMs)
    this.#server.log.warning(
      `Replica generated a reply to command '${command}', disconnecting it: ${line}`,
    )
    client.isClosing = true
    this.reply.isRefused = true
  }

  #endForProtocol(client: Connection): void {
    const { error } = client.reader
    const { log } = this.#server
    log.verbose(`${error.message.slice(4)} from client: ${client.describe(this.context.nowMs)}`)
    this.reply.error(error)
    this.dispatcher.noteError(error.code)
    client.closeAfterReply()
  }

  #endForQueryLimit(client: Connection): void {
    const line = client.describe(this.context.nowMs)
    const shown = line.slice(0, LOGGED_LENGTH * 4)
    this.#server.log.warning(`Closing client that reached max query buffer length: ${shown}`)
    client.socket.close()
  }
}
