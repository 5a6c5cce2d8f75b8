// A small RESP2 client for the control commands of a benchmark (INFO, BGSAVE, SHUTDOWN): one
// connection, one command at a time, every reply bounded in time. Load comes from load-main.ts.

import { connect, type Socket } from 'node:net'
import { within } from './time.ts'

export type Value = string | number | null | Value[]

/** An error reply of the server; `message` is its text. */
export class ServerError extends Error {
  override readonly name = 'ServerError'
}

export class Client {
  #socket: Socket
  #received = Buffer.alloc(0)
  #failure: Error | null = null
  #waiting: { resolve: (value: Value) => void; reject: (error: Error) => void } | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('connection closed by the server')))
  }

  /** Connects to a server on this machine. */
  static open(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new Client(socket))
      })
    })
  }

  /** Sends one command and gives its reply; an error reply is thrown as `ServerError`. */
  call(words: readonly string[], limitMs = 60_000): Promise<Value> {
    if (this.#waiting) throw new Error('client: a command is already under way')
    if (this.#failure) return Promise.reject(this.#failure)
    const reply = new Promise<Value>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`)
    return within(reply, limitMs, words.slice(0, 2).join(' '))
  }

  /** The fields of INFO, or of one of its sections. */
  async info(section = 'default'): Promise<Map<string, string>> {
    const fields = new Map<string, string>()
    for (const line of String(await this.call(['INFO', section])).split('\r\n')) {
      const colon = line.indexOf(':')
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
    }
    return fields
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    const parsed = parseReply(this.#received, 0)
    if (!parsed || !this.#waiting) return
    this.#received = this.#received.subarray(parsed.end)
    const { resolve, reject } = this.#waiting
    this.#waiting = null
    if (parsed.value instanceof ServerError) reject(parsed.value)
    else resolve(parsed.value)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(error)
    this.#waiting = null
  }
}

interface Parsed {
  value: Value | ServerError
  end: number
}

/** The reply that starts at `start`, or null when not all of it has arrived. */
export function parseReply(bytes: Buffer, start: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return null
  const text = bytes.toString('latin1', start + 1, lineEnd)
  const end = lineEnd + 2
  switch (String.fromCharCode(bytes[start]!)) {
    case '+':
      return { value: text, end }
    case '-':
      return { value: new ServerError(text), end }
    case ':':
      return { value: Number(text), end }
    case '$':
      return parseBulk(bytes, end, Number(text))
    case '*':
      return parseArray(bytes, end, Number(text))
    default:
      throw new Error(`reply starts with byte ${bytes[start]}, expected one of + - : $ *`)
  }
}

function parseBulk(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { value: null, end: start }
  if (bytes.length < start + length + 2) return null
  return { value: bytes.toString('utf8', start, start + length), end: start + length + 2 }
}

function parseArray(bytes: Buffer, start: number, count: number): Parsed | null {
  if (count < 0) return { value: null, end: start }
  const values: Value[] = []
  let position = start
  for (let i = 0; i < count; i++) {
    const parsed = parseReply(bytes, position)
    if (!parsed) return null
    values.push(parsed.value instanceof ServerError ? parsed.value.message : parsed.value)
    position = parsed.end
  }
  return { value: values, end: position }
}
