// A load generator for any commands (template.ts), a helper process. It sends batches over a few
// raw connections, at full speed or at a fixed rate, until a count, a time, or the driver's `stop`
// ends it.
//
// Invariants: a batch's buffer is written again only after all its replies have come; so work in
// flight is bounded by connections × batches × pipeline. An error reply ends the run with the
// server's own words.

import { connect, type Socket } from 'node:net'
import { Random } from '../../src/base/random.ts'
import { helperDone, helperOptions, helperReady } from './helper.ts'
import type { LoadResult } from './load-main.ts'
import { ReplyCounter } from './reply-counter.ts'
import { ValuePool } from './requests.ts'
import { CommandBatch, type Source, type Words } from './template.ts'
import { machineMs } from './time.ts'

export interface CommandLoad {
  /** Sent in turn. */
  readonly commands: readonly Words[]
  /** Commands altogether; without it, until time is over. */
  readonly count?: number
  /** Number of the first command, for sequences. */
  readonly first?: number
  readonly pipeline: number
  readonly connections: number
  /** Batches in flight on each connection. */
  readonly batches: number
  /** Commands per second; without it, as fast as the server answers. */
  readonly rate?: number
  readonly limitMs: number
  readonly seed: number
}

export interface CommandResult extends LoadResult {
  /** Replies that were nil or an empty array. */
  readonly emptyReplies: number
}

const TIMELINE_MS = 10
const RECEIVE_BYTES = 256 * 1024

class Connection {
  readonly free: CommandBatch[] = []
  readonly counter = new ReplyCounter()
  readonly #inFlight: { batch: CommandBatch; count: number }[] = []
  readonly #socket: Socket
  /** Replies of the oldest batch that have come. */
  #replies = 0

  constructor(load: CommandLoad & { port: number }, onOpen: () => void, onAnswer: OnAnswer) {
    for (let i = 0; i < load.batches; i++) {
      this.free.push(new CommandBatch(load.commands, load.pipeline))
    }
    this.#socket = connect({
      host: '127.0.0.1',
      port: load.port,
      onread: {
        buffer: Buffer.alloc(RECEIVE_BYTES),
        callback: (length, bytes) => {
          const answered = this.#take(bytes as Buffer, length)
          if (answered > 0) onAnswer(this, answered)
          return true
        },
      },
    })
    this.#socket.setNoDelay(true)
    this.#socket.once('connect', onOpen)
    this.#socket.on('error', (error) => fail(error.message))
    this.#socket.on('close', () => fail('the server closed the connection'))
  }

  get isIdle(): boolean {
    return this.#inFlight.length === 0
  }

  /** Sends the first `count` commands of a batch that was taken from `free`. */
  send(batch: CommandBatch, count: number): void {
    this.#inFlight.push({ batch, count })
    this.#socket.write(batch.view(count))
  }

  /** Notes replies, and frees the batches that have all of theirs; gives how many came. */
  #take(bytes: Buffer, length: number): number {
    const before = this.counter.replies
    try {
      this.counter.feed(bytes, length)
    } catch (error) {
      fail((error as Error).message)
    }
    const answered = this.counter.replies - before
    this.#replies += answered
    while (this.#inFlight.length > 0 && this.#replies >= this.#inFlight[0]!.count) {
      const { batch, count } = this.#inFlight.shift()!
      this.#replies -= count
      this.free.push(batch)
    }
    return answered
  }
}

type OnAnswer = (connection: Connection, count: number) => void

class Generator {
  readonly #load: CommandLoad & { port: number }
  readonly #source: Source
  readonly #connections: Connection[] = []
  readonly #timeline: [number, number][] = []
  #answered = 0
  #sent = 0
  #startMs = 0
  #isStopping = false

  constructor(load: CommandLoad & { port: number }) {
    this.#load = load
    this.#source = {
      random: new Random(load.seed),
      pool: new ValuePool('random', load.seed + 1),
    }
  }

  run(): void {
    let opened = 0
    const onOpen = () => {
      opened++
      if (opened === this.#load.connections) this.#start()
    }
    for (let i = 0; i < this.#load.connections; i++) {
      const connection = new Connection(this.#load, onOpen, (from, count) => {
        this.#onAnswer(from, count)
      })
      this.#connections.push(connection)
    }
  }

  #start(): void {
    this.#startMs = machineMs()
    this.#timeline.push([this.#startMs, 0])
    setTimeout(() => this.#stop(), this.#load.limitMs)
    helperReady(() => this.#stop())
    if (this.#load.rate !== undefined) setInterval(() => this.#sendDue(), 1)
    else for (const connection of this.#connections) this.#sendAll(connection)
  }

  #onAnswer(connection: Connection, count: number): void {
    this.#answered += count
    const now = machineMs()
    if (now - this.#timeline[this.#timeline.length - 1]![0] >= TIMELINE_MS) {
      this.#timeline.push([now, this.#answered])
    }
    if (!this.#isStopping && this.#load.rate === undefined) this.#sendAll(connection)
    const isOver = this.#isStopping || this.#left() === 0
    if (isOver && this.#connections.every((each) => each.isIdle)) this.#finish(now)
  }

  /** Uses every free batch of a connection. */
  #sendAll(connection: Connection): void {
    while (connection.free.length > 0) {
      const count = Math.min(this.#load.pipeline, this.#left())
      if (count === 0) return
      this.#sendBatch(connection, count)
    }
  }

  /** What is due by now at the wanted rate, spread over the connections. */
  #sendDue(): void {
    if (this.#isStopping) return
    const elapsedMs = machineMs() - this.#startMs
    let due = Math.floor((elapsedMs * (this.#load.rate ?? 0)) / 1000) - this.#sent
    for (const connection of this.#connections) {
      // Whole turns through the commands, so that those that belong together stay together.
      const possible = Math.min(due, this.#load.pipeline, this.#left())
      const count = possible - (possible % this.#load.commands.length)
      if (count <= 0) return
      if (connection.free.length === 0) continue
      this.#sendBatch(connection, count)
      due -= count
    }
    // The next turn starts with another connection.
    this.#connections.push(this.#connections.shift()!)
  }

  #sendBatch(connection: Connection, count: number): void {
    const batch = connection.free.pop()!
    const first = (this.#load.first ?? 0) + this.#sent
    for (let i = 0; i < count; i++) batch.fill(i, first + i, this.#source)
    this.#sent += count
    connection.send(batch, count)
  }

  /** Commands still to be sent. */
  #left(): number {
    return (this.#load.count ?? Number.POSITIVE_INFINITY) - this.#sent
  }

  #stop(): void {
    this.#isStopping = true
    if (this.#connections.every((each) => each.isIdle)) this.#finish(machineMs())
  }

  #finish(endMs: number): void {
    this.#timeline.push([endMs, this.#answered])
    const result: CommandResult = {
      operations: this.#answered,
      startMs: this.#startMs,
      endMs,
      timeline: this.#timeline,
      emptyReplies: this.#connections.reduce((sum, each) => sum + each.counter.emptyReplies, 0),
    }
    helperDone(result)
  }
}

function fail(message: string): never {
  process.stderr.write(`commands: ${message}\n`)
  process.exit(1)
}

new Generator(helperOptions<CommandLoad & { port: number }>()).run()
