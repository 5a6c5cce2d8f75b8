// A primary for tests and benchmarks: answers what a full sync asks, gives any bytes as snapshot in
// either form, and breaks off, stays silent or becomes another node where it is told to.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { ReplyParser, replyText } from './reply-parser.ts'

export interface TestPrimaryOptions {
  /** The pieces of the snapshot, anew for each sync. */
  readonly snapshot: () => Iterable<Uint8Array>
  /** Its length; null: sent with a mark at its end instead. */
  readonly length: number | null
  /** Bytes of the sync after which the connection is cut; those of PSYNC's answer count. */
  readonly cutAfter?: number
  /** Stays silent instead of cutting. */
  readonly isSilent?: boolean
  /** Whether it is another node as soon as a sync has begun. */
  readonly restarts?: boolean
  /** The answer to PSYNC, instead of FULLRESYNC. */
  readonly answer?: string
  readonly password?: string
  /** Lines of INFO besides its own. */
  readonly info?: readonly string[]
  /** Writes one byte at a time. */
  readonly isSlow?: boolean
}

const MARK = 'm'.repeat(40)
const OFFSET = 1234

export class TestPrimary {
  readonly #options: TestPrimaryOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #life = 1
  syncs = 0

  private constructor(options: TestPrimaryOptions) {
    this.#options = options
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
      void this.#serve(socket)
    })
  }

  static async start(options: TestPrimaryOptions): Promise<TestPrimary> {
    const primary = new TestPrimary(options)
    primary.#server.listen(0, '127.0.0.1')
    await once(primary.#server, 'listening')
    return primary
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  get replicationId(): string {
    return String(this.#life).padStart(40, '0')
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(socket: Socket): Promise<void> {
    const parser = new ReplyParser()
    let isKnown = this.#options.password === undefined
    try {
      for await (const bytes of socket as AsyncIterable<Buffer>) {
        parser.push(bytes)
        for (let next = parser.next(); next !== undefined; next = parser.next()) {
          const [name = '', ...args] = (Array.isArray(next) ? next : []).map(replyText)
          if (name === 'AUTH') isKnown = args.at(-1) === this.#options.password
          if (!isKnown) {
            const text = name === 'AUTH' ? 'WRONGPASS invalid' : 'NOAUTH Authentication required.'
            socket.write(`-${text}\r\n`)
          } else if (name === 'PSYNC') await this.#sync(socket)
          else socket.write(this.#answerTo(name))
        }
      }
    } catch {
      // The other side is gone.
    }
  }

  #answerTo(name: string): string {
    if (name !== 'INFO') return '+OK\r\n'
    const text = [
      'redis_version:7.0.15',
      'role:master',
      `run_id:${this.replicationId}`,
      `master_replid:${this.replicationId}`,
      `master_repl_offset:${OFFSET}`,
      'used_memory:1000000',
      'used_memory_dataset:500000',
      'used_memory_rss:2000000',
      'total_system_memory:1000000000',
      'connected_slaves:0',
      'latest_fork_usec:1500',
      ...(this.#options.info ?? []),
    ].join('\r\n')
    return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
  }

  async #sync(socket: Socket): Promise<void> {
    this.syncs++
    const { cutAfter = Number.POSITIVE_INFINITY, isSlow = false } = this.#options
    let left = cutAfter
    for (const piece of this.#syncBytes()) {
      const part = piece.subarray(0, Math.min(piece.length, left))
      left -= part.length
      const step = isSlow ? 1 : part.length
      for (let i = 0; i < part.length; i += step) {
        if (!socket.write(part.subarray(i, i + step))) await once(socket, 'drain')
      }
      if (left > 0) continue
      if (!(this.#options.isSilent ?? false)) socket.destroySoon()
      return
    }
  }

  *#syncBytes(): Generator<Uint8Array> {
    const { answer, length, snapshot, restarts = false } = this.#options
    const sync = answer ?? `+FULLRESYNC ${this.replicationId} ${OFFSET}`
    if (restarts) this.#life++
    // Newlines say that it is alive while it prepares.
    yield Buffer.from(`\n${sync}\r\n`)
    if (answer !== undefined) return
    yield Buffer.from(`\n\n${length === null ? `$EOF:${MARK}` : `$${length}`}\r\n`)
    yield* snapshot()
    // Behind a mark nodes wait for an answer; behind a known length older ones go on.
    yield Buffer.from(length === null ? MARK : '*1\r\n$4\r\nPING\r\n')
  }
}
