// A full sync as replicas ask for it, of which only the snapshot is wanted:
//
//   us     REPLCONF rdb-only 1 · REPLCONF capa eof capa psync2 · PSYNC ? -1
//   node   +FULLRESYNC ID OFFSET        the data is of this point of the replication stream
//          \n …                         while it prepares the snapshot
//          $LENGTH\r\n  or  $EOF:MARK\r\n (MARK: 40 characters)
//          the RDB file; behind one without length the mark again
//
// With `rdb-only` (Redis 6.2 and later) the node keeps no replication stream for us; older ones
// say that they do not know it, and what they send behind the file is not read.
//
// Invariant: the stream ends without a fault only behind the last byte that the node announced.

import type { NodeAddress } from './node-address.ts'
import { type ConnectOptions, encodeCommand, NodeConnection, refusal } from './node-connection.ts'
import { NodeError } from './node-error.ts'
import type { RdbStream } from './rdb-source.ts'
import { ErrorReply } from './reply-parser.ts'
import { SocketBytes } from './socket-bytes.ts'

export interface FullSyncOptions extends ConnectOptions {
  /** The replication id that the node is known to have; another one is refused. */
  readonly replicationId?: string
  /** Longest silence while the node prepares the snapshot; it sends a newline now and then. */
  readonly prepareMs?: number
  /** Longest silence within the file. */
  readonly silenceMs?: number
}

const PREPARE_MS_DEFAULT = 120_000
const SILENCE_MS_DEFAULT = 60_000
const MARK_BYTES = 40
const LINE_BYTES_MAX = 1024
const UNKNOWN_ID = '?'

/** Asks the node for a full sync; resolves when it has said at which point. */
export async function openFullSync(
  address: NodeAddress,
  options: FullSyncOptions = {},
): Promise<RdbStream> {
  const { label } = address
  const connection = await NodeConnection.connect(address, options)
  let bytes: SocketBytes
  try {
    // Replies about what we are may be errors of older versions, which then do without.
    const asked = [
      connection.send('REPLCONF', 'rdb-only', '1'),
      connection.send('REPLCONF', 'capa', 'eof', 'capa', 'psync2'),
    ]
    for (const reply of await Promise.all(asked)) {
      if (!(reply instanceof ErrorReply)) continue
      const error = refusal(label, 'REPLCONF', reply)
      if (error.kind === 'denied') throw error
    }
    const { socket, rest } = connection.detach()
    bytes = new SocketBytes(socket, rest, { label, ...signalOf(options) })
    socket.write(encodeCommand(['PSYNC', UNKNOWN_ID, '-1']))
  } catch (error) {
    connection.close()
    throw error
  }
  try {
    const { prepareMs = PREPARE_MS_DEFAULT } = options
    const line = await readLine(bytes, prepareMs, 'an answer to PSYNC')
    const point = replicationPoint(label, line, options)
    return new FullSync(bytes, { ...options, ...point, label })
  } catch (error) {
    bytes.close()
    throw error
  }
}

interface Point {
  readonly replicationId: string
  readonly replicationOffset: number
}

class FullSync implements RdbStream {
  readonly replicationId: string
  readonly replicationOffset: number
  readonly takenAtMs = Date.now()
  bytes: number | null = null
  readonly #bytes: SocketBytes
  readonly #label: string
  readonly #prepareMs: number
  readonly #silenceMs: number

  constructor(bytes: SocketBytes, options: FullSyncOptions & Point & { readonly label: string }) {
    this.#bytes = bytes
    this.#label = options.label
    this.replicationId = options.replicationId
    this.replicationOffset = options.replicationOffset
    this.#prepareMs = options.prepareMs ?? PREPARE_MS_DEFAULT
    this.#silenceMs = options.silenceMs ?? SILENCE_MS_DEFAULT
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      const head = await readLine(this.#bytes, this.#prepareMs, 'the snapshot')
      const mark = /^\$EOF:(.{40})$/.exec(head)?.[1]
      if (mark !== undefined) return yield* this.#untilMark(Buffer.from(mark, 'latin1'))
      const length = /^\$(\d{1,15})$/.exec(head)?.[1]
      if (length === undefined) {
        const text = head.startsWith('-') ? head.slice(1) : `${JSON.stringify(head)}, no snapshot`
        throw new NodeError(head.startsWith('-') ? 'refused' : 'protocol', this.#label, text)
      }
      this.bytes = Number(length)
      yield* this.#wholeLength(this.bytes)
    } finally {
      this.close()
    }
  }

  close(): void {
    this.#bytes.close()
  }

  async *#wholeLength(length: number): AsyncGenerator<Uint8Array> {
    let left = length
    while (left > 0) {
      const chunk = await this.#next(length - left, `of ${length}`)
      const part = chunk.length > left ? chunk.subarray(0, left) : chunk
      left -= part.length
      yield part
    }
  }

  /**
   * The last 40 bytes are held back: they may be the mark. Behind it nothing comes, since the node
   * waits for an acknowledgement that we never send.
   */
  async *#untilMark(mark: Buffer): AsyncGenerator<Uint8Array> {
    let held: Buffer = Buffer.alloc(0)
    let passed = 0
    while (!held.subarray(-MARK_BYTES).equals(mark)) {
      const chunk = await this.#next(passed + held.length, 'without its end')
      const known = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const ready = Math.max(0, known.length - MARK_BYTES)
      held = known.subarray(ready)
      passed += ready
      if (ready > 0) yield known.subarray(0, ready)
    }
  }

  async #next(received: number, what: string): Promise<Buffer> {
    const chunk = await this.#bytes.read(this.#silenceMs)
    if (chunk !== null) return chunk
    const text = `the connection ended in the snapshot, after ${received} bytes ${what}`
    throw new NodeError('cut', this.#label, text)
  }
}

function replicationPoint(label: string, line: string, options: FullSyncOptions): Point {
  if (line.startsWith('-')) throw refusal(label, 'PSYNC', new ErrorReply(line.slice(1)))
  const found = /^\+FULLRESYNC (\S+) (-?\d{1,19})$/.exec(line)
  if (found === null) {
    throw new NodeError('protocol', label, `${JSON.stringify(line)} as an answer to PSYNC`)
  }
  const [, replicationId = '', offset] = found
  const expected = options.replicationId ?? ''
  if (expected !== '' && replicationId !== expected) {
    const text = `its replication id is ${replicationId}, it was ${expected}: another dataset`
    throw new NodeError('changed', label, text)
  }
  return { replicationId, replicationOffset: Number(offset) }
}

/** A line that is not empty; empty ones say that the node is alive. */
async function readLine(bytes: SocketBytes, limitMs: number, what: string): Promise<string> {
  let text = ''
  for (;;) {
    const chunk = await bytes.read(limitMs)
    if (chunk === null) {
      throw new NodeError('cut', bytes.label, `the node closed the connection before ${what}`)
    }
    const end = chunk.indexOf(10)
    const part = end < 0 ? chunk : chunk.subarray(0, end)
    if (end >= 0) bytes.unread(chunk.subarray(end + 1))
    text += part.toString('latin1')
    if (text.length > LINE_BYTES_MAX) {
      throw new NodeError('protocol', bytes.label, `a line without end before ${what}`)
    }
    if (end < 0) continue
    const line = text.replace(/\r$/, '')
    if (line !== '') return line
    text = ''
  }
}

function signalOf({ signal }: ConnectOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
