// The load generator, a helper process (helper.ts): SET commands over a few raw connections.
//
//   fill    each key of the keyspace once, in order, as fast as the server takes them
//   storm   random keys at full speed, until told to stop
//   paced   random keys at a fixed rate, until told to stop; what is late is caught up
//
// Invariants: a batch's buffer is written again only after all its replies have come, which proves
// that the server has read it; so memory and work in flight are bounded by connections × batches.
// Every reply must be +OK: anything else ends the run with the server's own words.

import { connect, type Socket } from 'node:net'
import { Random } from '../../src/base/random.ts'
import { helperDone, helperOptions, helperReady } from './helper.ts'
import { type RequestShape, SetBatch, ValuePool } from './requests.ts'
import { machineMs } from './time.ts'

export interface LoadOptions extends RequestShape {
  readonly port: number
  readonly mode: 'fill' | 'storm' | 'paced'
  /** Random keys lie below this; `fill` writes this many, from `firstKey` on. */
  readonly keys: number
  readonly firstKey?: number
  readonly connections: number
  /** Batches in flight on each connection. */
  readonly batches: number
  /** SETs per second, for `paced`. */
  readonly rate?: number
  readonly limitMs: number
  readonly seed: number
}

export interface LoadResult {
  readonly operations: number
  readonly startMs: number
  readonly endMs: number
  /** [machine ms, operations answered so far], at least `TIMELINE_MS` apart. */
  readonly timeline: [number, number][]
}

const TIMELINE_MS = 10
const OK_BYTES = 5
const PLUS = 43
const RECEIVE_BYTES = 64 * 1024

class Connection {
  readonly free: SetBatch[] = []
  #inFlight: { batch: SetBatch; count: number }[] = []
  #socket: Socket
  #onAnswered: (connection: Connection, count: number) => void
  /** Bytes of the current reply that have been seen; replies may be split anywhere. */
  #replyBytes = 0
  /** Replies of the oldest batch that have come. */
  #replies = 0

  constructor(
    options: LoadOptions,
    onOpen: () => void,
    onAnswered: (connection: Connection, count: number) => void,
  ) {
    for (let i = 0; i < options.batches; i++) this.free.push(new SetBatch(options))
    this.#onAnswered = onAnswered
    this.#socket = connect({
      host: '127.0.0.1',
      port: options.port,
      onread: {
        buffer: Buffer.alloc(RECEIVE_BYTES),
        callback: (length, bytes) => this.#onBytes(bytes as Buffer, length),
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
  send(batch: SetBatch, count: number): void {
    this.#inFlight.push({ batch, count })
    this.#socket.write(batch.view(count))
  }

  #onBytes(bytes: Buffer, length: number): boolean {
    let position = 0
    let answered = 0
    while (position < length) {
      if (this.#replyBytes === 0 && bytes[position] !== PLUS) {
        fail(`reply ${bytes.toString('latin1', position, Math.min(length, position + 200))}`)
      }
      const part = Math.min(OK_BYTES - this.#replyBytes, length - position)
      this.#replyBytes += part
      position += part
      if (this.#replyBytes < OK_BYTES) break
      this.#replyBytes = 0
      answered++
    }
    if (answered > 0) this.#settle(answered)
    return true
  }

  #settle(answered: number): void {
    this.#replies += answered
    while (this.#inFlight.length > 0 && this.#replies >= this.#inFlight[0]!.count) {
      const { batch, count } = this.#inFlight.shift()!
      this.#replies -= count
      this.free.push(batch)
    }
    this.#onAnswered(this, answered)
  }
}

class Generator {
  #options: LoadOptions
  #pool: ValuePool
  #random: Random
  #connections: Connection[] = []
  #timeline: [number, number][] = []
  #answered = 0
  #sent = 0
  #nextKey = 0
  #startMs = 0
  #isStopping = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.#pool = new ValuePool(options.valueKind, options.seed)
    this.#random = new Random(options.seed + 1)
    this.#nextKey = options.firstKey ?? 0
  }

  run(): void {
    let opened = 0
    const onOpen = () => {
      opened++
      if (opened === this.#options.connections) this.#start()
    }
    for (let i = 0; i < this.#options.connections; i++) {
      const connection = new Connection(this.#options, onOpen, (from, count) => {
        this.#onAnswered(from, count)
      })
      this.#connections.push(connection)
    }
  }

  #start(): void {
    this.#startMs = machineMs()
    this.#timeline.push([this.#startMs, 0])
    setTimeout(() => this.#stop(), this.#options.limitMs)
    helperReady(() => this.#stop())
    if (this.#options.mode === 'paced') setInterval(() => this.#sendDue(), 1)
    else for (const connection of this.#connections) this.#sendAll(connection)
  }

  #onAnswered(connection: Connection, count: number): void {
    this.#answered += count
    const now = machineMs()
    if (now - this.#timeline[this.#timeline.length - 1]![0] >= TIMELINE_MS) {
      this.#timeline.push([now, this.#answered])
    }
    if (!this.#isStopping && this.#options.mode !== 'paced') this.#sendAll(connection)
    const isOver = this.#isStopping || this.#options.mode === 'fill'
    if (isOver && this.#connections.every((each) => each.isIdle)) this.#finish(now)
  }

  /** Uses every free batch of a connection. */
  #sendAll(connection: Connection): void {
    while (connection.free.length > 0) {
      const count = this.#nextCount()
      if (count === 0) return
      this.#sendBatch(connection, count)
    }
  }

  /** What is due by now at the wanted rate, spread over the connections. */
  #sendDue(): void {
    if (this.#isStopping) return
    const elapsedMs = machineMs() - this.#startMs
    let due = Math.floor((elapsedMs * (this.#options.rate ?? 0)) / 1000) - this.#sent
    for (const connection of this.#connections) {
      if (due <= 0) return
      if (connection.free.length === 0) continue
      const count = Math.min(due, this.#options.pipeline)
      this.#sendBatch(connection, count)
      due -= count
    }
    // The next turn starts with another connection.
    this.#connections.push(this.#connections.shift()!)
  }

  #sendBatch(connection: Connection, count: number): void {
    const batch = connection.free.pop()!
    for (let i = 0; i < count; i++) batch.fill(i, this.#takeKey(), this.#pool)
    this.#sent += count
    connection.send(batch, count)
  }

  #nextCount(): number {
    const { mode, pipeline, keys, firstKey } = this.#options
    if (mode !== 'fill') return pipeline
    return Math.min(pipeline, (firstKey ?? 0) + keys - this.#nextKey)
  }

  #takeKey(): number {
    if (this.#options.mode === 'fill') return this.#nextKey++
    return this.#random.below(this.#options.keys)
  }

  #stop(): void {
    this.#isStopping = true
    if (this.#connections.every((each) => each.isIdle)) this.#finish(machineMs())
  }

  #finish(endMs: number): void {
    this.#timeline.push([endMs, this.#answered])
    const result: LoadResult = {
      operations: this.#answered,
      startMs: this.#startMs,
      endMs,
      timeline: this.#timeline,
    }
    helperDone(result)
  }
}

function fail(message: string): void {
  process.stderr.write(`load: ${message}\n`)
  process.exit(1)
}

new Generator(helperOptions<LoadOptions>()).run()
