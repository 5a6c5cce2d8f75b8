// A cache as applications use one: look a key up, and store it when it is not there. The sequence
// of keys follows from a seed, so that every server is asked the same; a pace keeps the time that
// passes between two uses of a key the same as well, which LRU clocks of one second need.

import { connect, type Socket } from 'node:net'
import type { Random } from '../../src/base/random.ts'
import { parseReply, ServerError, type Value } from './client.ts'
import { machineMs, sleep, within } from './time.ts'

/** Keys in the order in which they are asked for. */
export interface KeySequence {
  /** The next key's number; negative: a key that is asked for once and never again soon. */
  next(): number
}

/** Key `i` of `count` has a chance in proportion to 1 / (i + 1)^exponent. */
export class Zipf implements KeySequence {
  readonly #cumulative: Float64Array
  readonly #random: Random

  constructor(count: number, exponent: number, random: Random) {
    this.#random = random
    this.#cumulative = new Float64Array(count)
    let sum = 0
    for (let i = 0; i < count; i++) {
      sum += 1 / (i + 1) ** exponent
      this.#cumulative[i] = sum
    }
  }

  next(): number {
    const wanted = this.#random.float() * this.#cumulative[this.#cumulative.length - 1]!
    let low = 0
    let high = this.#cumulative.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#cumulative[middle]! > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Another sequence, broken now and then by a scan over keys that nobody else wants. */
export class Polluted implements KeySequence {
  readonly #inner: KeySequence
  readonly #period: number
  readonly #scan: number
  #at = 0
  #scanned = 0

  /** Of each `period` requests the last `scan` are a scan's. */
  constructor(inner: KeySequence, options: { readonly period: number; readonly scan: number }) {
    this.#inner = inner
    this.#period = options.period
    this.#scan = options.scan
  }

  next(): number {
    this.#at = (this.#at + 1) % this.#period
    return this.#at < this.#period - this.#scan ? this.#inner.next() : -++this.#scanned
  }
}

export interface CacheRun {
  readonly keys: KeySequence
  readonly requests: number
  readonly requestsPerSecond: number
  readonly valueBytes: number
}

/** Requests that are sent together. */
const BATCH = 100
const REPLY_LIMIT_MS = 30_000

/** Runs the load; gives the share of lookups that found their key, those of scans left out. */
export async function runCache(port: number, run: CacheRun): Promise<number> {
  const client = await CacheClient.open(port)
  const value = 'v'.repeat(run.valueBytes)
  const startMs = machineMs()
  let hits = 0
  let lookups = 0
  for (let sent = 0; sent < run.requests; sent += BATCH) {
    const keys = Array.from({ length: BATCH }, () => run.keys.next())
    const found = await client.call(keys.map((key) => ['GET', nameOf(key)]))
    const missing = keys.filter((_, i) => found[i] === null)
    hits += keys.filter((key, i) => key >= 0 && found[i] !== null).length
    lookups += keys.filter((key) => key >= 0).length
    await client.call([...new Set(missing)].map((key) => ['SET', nameOf(key), value]))
    const dueMs = startMs + ((sent + BATCH) / run.requestsPerSecond) * 1000
    if (dueMs > machineMs()) await sleep(dueMs - machineMs())
  }
  client.close()
  return hits / lookups
}

/** Names of the same length for all keys. */
export function nameOf(key: number): string {
  return key < 0 ? `scan:${String(-key).padStart(11, '0')}` : `key:${String(key).padStart(12, '0')}`
}

/** Sends commands by the batch. */
class CacheClient {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #wanted = 0
  #replies: Value[] = []
  #done: ((replies: Value[]) => void) | null = null
  #fail: ((error: Error) => void) | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('error', (error) => this.#fail?.(error))
    socket.on('close', () => this.#fail?.(new Error('connection closed by the server')))
  }

  static open(port: number): Promise<CacheClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new CacheClient(socket))
      })
    })
  }

  call(commands: readonly (readonly string[])[]): Promise<Value[]> {
    if (commands.length === 0) return Promise.resolve([])
    this.#wanted = commands.length
    this.#replies = []
    const replies = new Promise<Value[]>((resolve, reject) => {
      this.#done = resolve
      this.#fail = reject
    })
    const texts = commands.map((words) => {
      const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`)
      return `*${words.length}\r\n${parts.join('')}`
    })
    this.#socket.write(texts.join(''))
    return within(replies, REPLY_LIMIT_MS, commands[0]!.join(' '))
  }

  close(): void {
    this.#fail = null
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    let start = 0
    while (start < this.#received.length) {
      const parsed = parseReply(this.#received, start)
      if (parsed === null) break
      if (parsed.value instanceof ServerError) return this.#fail?.(parsed.value)
      this.#replies.push(parsed.value)
      start = parsed.end
    }
    this.#received = this.#received.subarray(start)
    if (this.#replies.length >= this.#wanted) this.#done?.(this.#replies)
  }
}
