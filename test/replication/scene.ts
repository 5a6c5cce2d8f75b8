// For tests of replication: a primary of ours, replicas that are real redis-servers, and raw
// connections that play replicas which a real one would not be: slow, mute, gone in the middle.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { compareStates, type KeyState, walk } from '../differential/walk.ts'
import type { RawClient } from '../lib/client.ts'
import { encodeCommand } from '../lib/resp.ts'
import { REFERENCE, TestServer } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

const DATABASES = 16
const SYNC_LIMIT_MS = 30_000
/** What stands before a snapshot: a mark, or the length; and the bytes in which to look for it. */
const HEAD = /\$(?:EOF:([0-9a-f]{40})|(\d+))\r\n/
const HEAD_MAX = 4096
const READ_COUNTS = /"entries-read",("-?\d+"|null),"lag",("-?\d+"|null),/g

/** A primary that begins syncs at once, and a client of it. */
export async function startPrimary(...args: readonly string[]): Promise<TestServer> {
  const delay = ['--repl-diskless-sync-delay', '0']
  return TestServer.start({ args: [...delay, '--enable-debug-command', 'yes', ...args] })
}

/** A redis-server that is a replica of `primary`. */
export function startReplica(
  primary: TestServer,
  options: {
    readonly args?: readonly string[]
    readonly dir?: string
    readonly port?: number
  } = {},
): Promise<TestServer> {
  const { args = [], ...rest } = options
  const role = ['--replicaof', '127.0.0.1', `${primary.port}`, '--repl-ping-replica-period', '1']
  return TestServer.start({ command: REFERENCE, args: [...role, ...args], ...rest })
}

/** A field of INFO; '' when there is none. */
export async function field(client: RawClient, name: string): Promise<string> {
  const text = await client.text('INFO', 'everything')
  return new RegExp(`^${name}:(.*)\\r$`, 'm').exec(text)?.[1] ?? ''
}

/** Waits until `count` replicas are online and have all of the stream. */
export async function caughtUp(client: RawClient, count: number): Promise<void> {
  const isThere = async () => {
    const end = await field(client, 'master_repl_offset')
    for (let i = 0; i < count; i++) {
      const line = await field(client, `slave${i}`)
      if (!line.includes(`state=online,offset=${end},`)) return false
    }
    return true
  }
  await waitFor(`${count} replicas have all`, isThere, SYNC_LIMIT_MS)
}

/** Both servers hold the same, as clients see it. */
export async function checkSame(primary: TestServer, replica: TestServer): Promise<number> {
  const [ours, theirs] = await Promise.all([primary.connect(), replica.connect()])
  const states = comparable(await walk(ours, DATABASES))
  const found = comparable(await walk(theirs, DATABASES))
  ours.close()
  theirs.close()
  assert.equal(compareStates(states, found), '')
  return states.size
}

/**
 * Without what a replica of Redis does not have from its primary either: who loads a value may
 * choose another encoding than who has made it step by step, and XCLAIM, as which XREADGROUP is
 * repeated, says nothing of how many entries were read.
 */
function comparable(states: ReadonlyMap<string, KeyState>): Map<string, KeyState> {
  const stripped = (text: string) => text.replace(READ_COUNTS, '')
  return new Map(
    [...states].map(([name, state]) => {
      const contents = state.type === 'stream' ? stripped(state.contents) : state.contents
      return [name, { ...state, contents, encoding: '' }]
    }),
  )
}

/** A connection that says what it is told to, and counts what it reads. */
export class FakeReplica {
  readonly socket: Socket
  isClosed = false
  #bytes = Buffer.alloc(1 << 20)
  #length = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  static open(server: TestServer): Promise<FakeReplica> {
    return new Promise((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => resolve(new FakeReplica(socket)))
    })
  }

  /** All bytes so far. */
  get received(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** The snapshot, between two marks or of a length that is told; null: not all of it yet. */
  get snapshot(): Buffer | null {
    const { received } = this
    const head = HEAD.exec(received.toString('latin1', 0, HEAD_MAX))
    if (head === null) return null
    const start = head.index + head[0].length
    const [, mark = '', length = ''] = head
    const end = mark === '' ? start + Number(length) : received.indexOf(mark, start, 'latin1')
    return end < 0 || end > received.length ? null : received.subarray(start, end)
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  send(...words: readonly string[]): void {
    this.socket.write(encodeCommand(words))
  }

  /** Asks for a sync in the way of Redis 7.0. */
  async sync(): Promise<void> {
    this.send('REPLCONF', 'capa', 'eof', 'capa', 'psync2')
    // A sync is refused while another answer is on its way.
    await this.got(/^\+OK\r\n/)
    this.send('PSYNC', '?', '-1')
  }

  /** What came behind the snapshot, as text. */
  get stream(): string {
    const { snapshot, received } = this
    if (snapshot === null) return ''
    const start = snapshot.byteOffset - received.byteOffset
    return received.toString('latin1', start + snapshot.length)
  }

  async synced(): Promise<Buffer> {
    return waitFor('the snapshot', () => this.snapshot, SYNC_LIMIT_MS)
  }

  async got(pattern: RegExp, limitMs = SYNC_LIMIT_MS): Promise<void> {
    await waitFor(`${pattern} from the primary`, () => pattern.test(this.text), limitMs)
  }

  async closed(limitMs = SYNC_LIMIT_MS): Promise<void> {
    await waitFor('the primary closes the link', () => this.isClosed, limitMs)
  }

  close(): void {
    this.socket.destroy()
  }

  #take(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(length)])
    }
    chunk.copy(this.#bytes, this.#length)
    this.#length = length
  }
}
