// The thread behind RestoreStream: reads the stream from the ring, chooses keys, makes payloads and
// puts RESTORE commands into batches. Answers once at the end, with what was in the stream or with
// what is wrong with it.
//
// A batch begins with SELECT when the database is another one than before. Commands are encoded in
// place, since there is one for every key.

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { Kernels } from '../../persist/rdb/kernels.ts'
import { RingReader } from '../backup/byte-ring.ts'
import { KeyChooser } from './key-plan.ts'
import { RdbSplitter } from './rdb-splitter.ts'
import { RestorePayload } from './restore-payload.ts'
import type { Batch, SplitCounts, ThreadMessage, ThreadTask } from './restore-stream.ts'

const BATCH_BYTES = 512 * 1024
const BATCH_COMMANDS_MAX = 10_000
/** Heads of a command's arguments, and its options. */
const COMMAND_HEADS_MAX = 256
/** Redis's proto-max-bulk-len, as it is by default. */
const PAYLOAD_BYTES_MAX = 512 * 1024 * 1024
const UNKNOWN_BYTES = Number.MAX_SAFE_INTEGER
const EXAMPLES_MAX = 10
const NO_DATABASE = -1

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Commands, one behind the other. */
class BatchBuilder {
  #bytes = Buffer.allocUnsafeSlow(BATCH_BYTES)
  #length = 0
  #starts: number[] = []
  #keys = 0
  #database = NO_DATABASE

  get isFull(): boolean {
    return this.#length >= BATCH_BYTES || this.#starts.length >= BATCH_COMMANDS_MAX
  }

  get isEmpty(): boolean {
    return this.#starts.length === 0
  }

  select(database: number): void {
    if (database === this.#database) return
    this.#database = database
    this.#begin(2, COMMAND_HEADS_MAX)
    this.#text('SELECT')
    this.#text(String(database))
  }

  restore(splitter: RdbSplitter, payload: RestorePayload, options: readonly string[]): void {
    const { key } = splitter
    this.#begin(3 + options.length, key.length + payload.length + COMMAND_HEADS_MAX)
    this.#text('RESTORE')
    this.#bulk(key, key.length)
    this.#text(options[0]!)
    this.#bulk(payload.bytes, payload.length)
    for (let i = 1; i < options.length; i++) this.#text(options[i]!)
    this.#keys++
  }

  library(code: string): void {
    const bytes = Buffer.from(code)
    this.#begin(4, bytes.length + COMMAND_HEADS_MAX)
    for (const word of ['FUNCTION', 'LOAD', 'REPLACE']) this.#text(word)
    this.#bulk(bytes, bytes.length)
  }

  /** The batch, whose bytes are the caller's; the next one begins. */
  take(readBytes: number): Batch {
    const bytes = new Uint8Array(this.#bytes.subarray(0, this.#length))
    const batch = { bytes, starts: Uint32Array.from(this.#starts), keys: this.#keys, readBytes }
    if (this.#bytes.length > 4 * BATCH_BYTES) this.#bytes = Buffer.allocUnsafeSlow(BATCH_BYTES)
    this.#length = 0
    this.#starts = []
    this.#keys = 0
    return batch
  }

  #begin(count: number, bytes: number): void {
    const needed = this.#length + bytes
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(needed + BATCH_BYTES)
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    this.#starts.push(this.#length)
    this.#raw(`*${count}\r\n`)
  }

  #text(text: string): void {
    this.#raw(`$${text.length}\r\n${text}\r\n`)
  }

  #bulk(bytes: Uint8Array, length: number): void {
    this.#raw(`$${length}\r\n`)
    this.#bytes.set(bytes.subarray(0, length), this.#length)
    this.#length += length
    this.#raw('\r\n')
  }

  #raw(text: string): void {
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
  }
}

class Splitting {
  readonly #task: ThreadTask
  readonly #post: (message: ThreadMessage) => void
  readonly #chooser: KeyChooser
  readonly #batch = new BatchBuilder()
  readonly #splitter: RdbSplitter
  readonly #payload: RestorePayload
  readonly #databases = new Set<number>()
  readonly #examples: string[] = []
  readonly #counts: Mutable<SplitCounts> = {
    keys: 0,
    restored: 0,
    filtered: 0,
    expired: 0,
    rewritten: 0,
    functions: 0,
    payloadBytes: 0,
    plainBytes: 0,
    unsupported: 0,
    examples: this.#examples,
    databases: [],
  }

  constructor(task: ThreadTask, post: (message: ThreadMessage) => void) {
    this.#task = task
    this.#post = post
    this.#chooser = new KeyChooser(task.plan, task.nowMs)
    const kernels = new Kernels(RdbSplitter.regionBytes + RestorePayload.regionBytes)
    this.#splitter = new RdbSplitter(kernels)
    this.#payload = new RestorePayload(kernels, task.payloadVersion)
  }

  run(ring: RingReader): SplitCounts {
    const splitter = this.#splitter
    let received = 0
    const read = (bytes: Uint8Array, start: number, length: number): number => {
      const count = ring.read(bytes, start, length)
      received += count
      return count
    }
    splitter.begin({ path: this.#task.name, size: () => UNKNOWN_BYTES, read })
    for (;;) {
      const kind = splitter.next()
      if (kind === 'end') break
      if (kind === 'function') this.#function()
      else this.#key()
      if (this.#batch.isFull) this.#handOver()
    }
    const rest = new Uint8Array(64 * 1024)
    while (read(rest, 0, rest.length) > 0);
    const { position } = splitter.reader
    if (received !== position) {
      throw new Error(`${this.#task.name}: ${received - position} bytes behind the end`)
    }
    this.#handOver()
    return { ...this.#counts, databases: [...this.#databases].sort((a, b) => a - b) }
  }

  #function(): void {
    const { hasFunctions, isDry } = this.#task
    this.#counts.functions++
    if (hasFunctions && !isDry) this.#batch.library(this.#splitter.code)
  }

  #key(): void {
    const { nowMs, isDry } = this.#task
    const splitter = this.#splitter
    const counts = this.#counts
    counts.keys++
    const database = this.#chooser.databaseFor(splitter.database)
    if (database === null || !this.#chooser.takes(splitter.key)) {
      counts.filtered++
      return
    }
    const deadlineMs = this.#chooser.deadlineFor(splitter.deadlineMs)
    if (deadlineMs >= 0 && deadlineMs <= nowMs) {
      counts.expired++
      return
    }
    if (!this.#payload.take(splitter)) return this.#refuse('the target has no form for its type')
    const { length, isRewritten } = this.#payload
    if (length > PAYLOAD_BYTES_MAX) return this.#refuse(`its value has ${length} bytes`)
    counts.restored++
    counts.payloadBytes += length
    counts.plainBytes += splitter.plainLength
    if (isRewritten) counts.rewritten++
    this.#databases.add(database)
    if (isDry) return
    this.#batch.select(database)
    this.#batch.restore(splitter, this.#payload, this.#options(deadlineMs))
  }

  /** The deadline, and what follows the payload. */
  #options(deadlineMs: number): string[] {
    const { idleSeconds, frequency } = this.#splitter
    const options = [String(Math.max(deadlineMs, 0))]
    if (deadlineMs >= 0) options.push('ABSTTL')
    if (this.#task.isReplacing) options.push('REPLACE')
    if (idleSeconds >= 0) options.push('IDLETIME', String(idleSeconds))
    else if (frequency >= 0) options.push('FREQ', String(frequency))
    return options
  }

  #refuse(why: string): void {
    this.#counts.unsupported++
    if (this.#examples.length === EXAMPLES_MAX) return
    const { key, database, type } = this.#splitter
    const name = JSON.stringify(Buffer.from(key.subarray(0, 100)).toString('latin1'))
    this.#examples.push(`${name} of database ${database}, type ${type}: ${why}`)
  }

  /** Hands the batch over, as soon as there is room for one on its way. */
  #handOver(): void {
    if (this.#batch.isEmpty) return
    const { credits } = this.#task
    while (Atomics.load(credits, 0) === 0) Atomics.wait(credits, 0, 0)
    Atomics.sub(credits, 0, 1)
    const batch = this.#batch.take(this.#splitter.reader.position)
    this.#post({ kind: 'batch', batch })
  }
}

const port = parentPort
assert(port !== null, 'runs as a thread')
const task = workerData as ThreadTask
const ring = new RingReader(task.ring)
try {
  const counts = new Splitting(task, (message) => port.postMessage(message)).run(ring)
  port.postMessage({ kind: 'end', counts } satisfies ThreadMessage)
} catch (error) {
  const text = error instanceof Error ? error.message : String(error)
  port.postMessage({ kind: 'error', text } satisfies ThreadMessage)
} finally {
  ring.stop()
}
