// For tests: an engine in one process with a fake clock, disk and transport. Clients are objects
// that send text and collect what they are sent. Given the disk and the time of an earlier one, a
// server is that one's restart. One seed makes every run the same.

import { dirname } from 'node:path'
import { FakeClock } from '../base/clock.ts'
import { FakeDisk } from '../base/disk-fake.ts'
import { ForwardLog, LogLevel } from '../base/log.ts'
import { Random } from '../base/random.ts'
import type {
  AcceptHandler,
  Attempt,
  ConnectAddress,
  ConnectHandler,
  ListenAddress,
  Listener,
  Socket,
  SocketHandler,
  Transport,
} from '../base/socket.ts'
import type { Command } from '../command/command.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { SteppedRunner } from '../persist/snapshot/test-runner.ts'
import { Config, type ConfigName } from './config.ts'
import { Engine } from './engine.ts'
import { Mailbox, type MainMessage } from './mailbox.ts'

const PAGE_CAPACITY = 65536
const SEED = 1

export interface TestServerOptions {
  /** Parameters as in a config file, by name. */
  readonly config?: Readonly<Partial<Record<ConfigName, string>>>
  /** A port where listening fails; the engine is then not started. */
  readonly busyPort?: number
  /** Files on the disk: text by path. */
  readonly files?: Readonly<Record<string, string>>
  /** Pages that the arena may have at most, a multiple of a segment's. */
  readonly pageCapacity?: number
  readonly renames?: readonly { readonly from: string; readonly to: string }[]
  /** Commands besides the server's own. */
  readonly commands?: readonly Command[]
  /** The seed of all randomness, the hash secret included. */
  readonly seed?: number
  /** A disk to start from, as an earlier server left it. */
  readonly disk?: FakeDisk
  /** Unix ms at the start. */
  readonly startMs?: number
  /** A clock of the test's own, which then says when the start is. */
  readonly clock?: FakeClock
  /**
   * Loads at the start and saves: background saves go on when `runner.step()` is called, and each
   * cut is checked. Without it the server has no persistence.
   */
  readonly hasPersistence?: boolean
}

/** An engine that has started and serves. */
export class TestServer {
  readonly clock: FakeClock
  readonly disk: FakeDisk
  readonly runner: SteppedRunner
  readonly mailbox = new Mailbox()
  readonly messages: MainMessage[] = []
  /** Lines that were logged. */
  readonly log: string[] = []
  readonly engine: Engine
  readonly transport: FakeTransport

  constructor(options: TestServerOptions = {}) {
    this.clock = options.clock ?? new FakeClock(options.startMs)
    this.disk = options.disk ?? new FakeDisk()
    this.runner = new SteppedRunner(this.disk)
    this.transport = new FakeTransport(this.clock)
    const seed = options.seed ?? SEED
    this.disk.makeDirectory('/data')
    for (const [path, text] of Object.entries(options.files ?? {})) {
      this.disk.makeDirectory(dirname(path))
      this.disk.create(path).write(Buffer.from(text), 0, text.length)
    }
    const config = new Config(this.disk, '/data')
    for (const [name, text] of Object.entries(options.config ?? {})) {
      config.assign(name as ConfigName, text.split(' '))
    }
    config.renames.push(...(options.renames ?? []))
    this.engine = new Engine({
      config,
      keyspace: new Keyspace({
        databaseCount: config.values.databases,
        pageCapacity: options.pageCapacity ?? PAGE_CAPACITY,
        hashSecret: new Uint32Array([seed, seed]),
        random: new Random(seed),
        // What was given back holds nothing any more: nobody may count on zeros there.
        release: (bytes) => bytes.fill(0xdb).length > 0,
      }),
      clock: this.clock,
      disk: this.disk,
      log: new ForwardLog(this.clock, LogLevel.Verbose, ({ message }) => this.log.push(message)),
      send: (message) => this.messages.push(message),
      executable: '/bin/tidemark-server',
      isSupervised: false,
      transport: this.transport,
      mailbox: this.mailbox,
      snapshots: options.hasPersistence === true ? this.runner : null,
      processId: 1,
      isChecking: true,
      relieve: () => this.runner.step(),
      ...(options.commands && { commands: options.commands }),
    })
    if (options.busyPort !== undefined) this.transport.busyPorts.add(options.busyPort)
    this.engine.listen()
    this.clock.advance(0)
    if (options.busyPort === undefined) this.engine.start()
  }

  /** A new client, from this machine unless another address is given. */
  connect(address = '127.0.0.1:50000'): TestClient {
    const client = new TestClient(address)
    client.attach(this.transport.accept(client))
    return client
  }

  /** Whether a line that contains `text` was logged. */
  logged(text: string): boolean {
    return this.log.some((line) => line.includes(text))
  }
}

export class FakeTransport implements Transport {
  readonly addresses: ListenAddress[] = []
  /** Ports where listening fails. */
  readonly busyPorts = new Set<number>()
  /** Ports where connecting takes for ever. */
  readonly silentPorts = new Set<number>()
  /** Who answers when the server connects to a port: another server's `accept`, or the test. */
  readonly peers = new Map<number, Pick<FakeTransport, 'accept'>>()
  #handler: AcceptHandler | null = null
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  flush(): void {
    // Nothing waits here.
  }

  listen(
    address: ListenAddress,
    handler: AcceptHandler,
    done: (error: Error | null) => void,
  ): Listener {
    const port = 'port' in address ? address.port : 0
    const close = () => {
      const at = this.addresses.indexOf(address)
      if (at >= 0) this.addresses.splice(at, 1)
    }
    const isBusy = this.busyPorts.has(port)
    const error = isBusy ? Object.assign(new Error('busy'), { code: 'EADDRINUSE' }) : null
    this.#handler = handler
    if (!isBusy) this.addresses.push(address)
    this.#clock.after(0, () => done(error))
    return { port, close }
  }

  connect(address: ConnectAddress, handler: ConnectHandler): Attempt {
    const peer = this.peers.get(address.port)
    const timer = this.#clock.after(0, () => {
      if (this.silentPorts.has(address.port)) return
      if (peer === undefined) return handler.onFail('ECONNREFUSED')
      const near = new PipeEnd(this.#clock)
      const far = new PipeEnd(this.#clock)
      near.other = far
      far.other = near
      far.handler = peer.accept(far)
      near.handler = handler.onConnect(near)
    })
    return { abort: () => timer.stop() }
  }

  accept(socket: Socket): SocketHandler {
    if (this.#handler === null) throw new Error('nobody listens')
    return this.#handler.onAccept(socket)
  }

  close(): void {
    this.addresses.length = 0
  }
}

/** One end of a connection between two servers; what is written arrives when time goes on. */
export class PipeEnd implements Socket {
  readonly remoteAddress = '127.0.0.1:50001'
  readonly localAddress = '127.0.0.1:6379'
  readonly isLocal = true
  readonly descriptor = 10
  /** What a test says that the peer has not taken. */
  pendingBytes = 0
  other: PipeEnd | null = null
  handler: SocketHandler | null = null
  #isClosed = false
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  get heldBytes(): number {
    return this.pendingBytes
  }

  get heldBuffers(): number {
    return this.pendingBytes > 0 ? 1 : 0
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    const copy = bytes.slice(start, start + length)
    const { other } = this
    this.#clock.after(0, () => {
      if (other !== null && !other.#isClosed) other.handler?.onData(copy, 0, length)
    })
  }

  end(): void {
    this.close()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.handler?.onClose()
    this.#clock.after(0, () => this.other?.close())
  }

  setKeepAlive(): void {}

  pause(): void {}

  resume(): void {}
}

/** A client and its socket in one. */
export class TestClient implements Socket {
  readonly remoteAddress: string
  readonly localAddress = '127.0.0.1:6379'
  readonly isLocal: boolean
  readonly descriptor = 9
  /** What the peer does not read; grows with writes while `isStuck`. */
  pendingBytes = 0
  isStuck = false
  isClosed = false
  /** The server does not want to read; what a test sends arrives all the same. */
  isPaused = false
  keepAliveSeconds = 0
  #received = ''
  #handler: SocketHandler | null = null

  constructor(address: string) {
    this.remoteAddress = address
    this.isLocal = address.startsWith('127.')
  }

  attach(handler: SocketHandler): void {
    this.#handler = handler
    if (this.isClosed) handler.onClose()
  }

  /** Sends bytes, one per character, and returns what came back. */
  send(text: string): string {
    const bytes = Buffer.from(text, 'latin1')
    if (!this.isClosed) this.#handler?.onData(bytes, 0, bytes.length)
    return this.take()
  }

  /** Sends a command and returns what came back. */
  call(...args: readonly string[]): string {
    return this.send(encode(args))
  }

  /** What has come since the last look. */
  take(): string {
    const received = this.#received
    this.#received = ''
    return received
  }

  get heldBytes(): number {
    return this.pendingBytes
  }

  get heldBuffers(): number {
    return this.pendingBytes > 0 ? 1 : 0
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    if (this.isClosed) return
    if (this.isStuck) this.pendingBytes += length
    else this.#received += Buffer.from(bytes.subarray(start, start + length)).toString('latin1')
  }

  end(): void {
    this.close()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#handler?.onClose()
  }

  setKeepAlive(seconds: number): void {
    this.keepAliveSeconds = seconds
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }
}

/** A command in RESP. */
export function encode(args: readonly string[]): string {
  const bulks = args.map((text) => `$${text.length}\r\n${text}\r\n`)
  return `*${args.length}\r\n${bulks.join('')}`
}
