// From an RDB stream to batches of RESTORE commands, ready for a socket. The reading runs in a
// thread of its own (restore-thread.ts), fed through a ring of shared memory, as a survey is; the
// thread waits when so many batches are on their way, so that memory is bounded.
//
//   write ──► ring ──► reader, filter, payload, command ──► batch ──► `onBatch`
//
// Owner: whoever started it; `finish` or `close` ends the thread, and one of them must be called.

import { Worker } from 'node:worker_threads'
import { type RingMemory, RingWriter, ringMemory } from '../backup/byte-ring.ts'
import type { KeyPlan } from './key-plan.ts'

/** What one pass does with the keys. */
export interface SplitTask {
  /** What errors call the stream. */
  readonly name: string
  readonly plan: KeyPlan
  /** Now, the same for all shards: decides what has expired. */
  readonly nowMs: number
  /** The highest version of payloads that the target takes. */
  readonly payloadVersion: number
  readonly hasFunctions: boolean
  readonly isReplacing: boolean
  /** Counts only; no batches are made. */
  readonly isDry: boolean
}

/** What the thread is given. */
export interface ThreadTask extends SplitTask {
  readonly ring: RingMemory
  /** Word 0: batches that the thread may still hand over. */
  readonly credits: Int32Array
}

/** Commands behind each other. */
export interface Batch {
  readonly bytes: Uint8Array
  /** Where each command begins; its key is found there if it fails. */
  readonly starts: Uint32Array
  readonly keys: number
  /** Of the RDB stream, that have been read by then. */
  readonly readBytes: number
}

export interface SplitCounts {
  /** In the stream. */
  readonly keys: number
  /** Chosen: to be restored, or restored. */
  readonly restored: number
  /** Left out by patterns or databases. */
  readonly filtered: number
  /** Whose deadline has passed. */
  readonly expired: number
  /** Written in an older form for the target. */
  readonly rewritten: number
  readonly functions: number
  /** Bytes of the payloads; and of the values, of strings without their compression. */
  readonly payloadBytes: number
  readonly plainBytes: number
  /** Chosen keys that the target has no form for, and the first of them with the reasons. */
  readonly unsupported: number
  readonly examples: readonly string[]
  /** Databases with chosen keys, by their numbers in the target. */
  readonly databases: readonly number[]
}

export type ThreadMessage =
  | { readonly kind: 'batch'; readonly batch: Batch }
  | { readonly kind: 'end'; readonly counts: SplitCounts }
  | { readonly kind: 'error'; readonly text: string }

/** The stream cannot be read to its end. */
export class SplitError extends Error {
  override readonly name = 'SplitError'
}

const RING_BYTES = 2 * 1024 * 1024
/** Batches made and not acknowledged. */
const CREDITS = 4

export class RestoreStream {
  readonly #worker: Worker
  readonly #writer: RingWriter
  readonly #credits = new Int32Array(new SharedArrayBuffer(4))
  readonly #counts: Promise<SplitCounts>
  #pending: Promise<void> = Promise.resolve()
  #fault: unknown = null
  #hasAnswer = false

  /** `onBatch` is called for one batch at a time, in order; what it throws ends everything. */
  constructor(task: SplitTask, onBatch: (batch: Batch) => Promise<void>) {
    const ring = ringMemory(RING_BYTES)
    this.#credits[0] = CREDITS
    const workerData: ThreadTask = { ...task, ring, credits: this.#credits }
    this.#writer = new RingWriter(ring)
    this.#worker = new Worker(new URL('./restore-thread.ts', import.meta.url), {
      workerData,
      execArgv: [],
    })
    this.#counts = this.#listen(onBatch)
    // `write` and `finish` tell of it.
    this.#counts.catch(() => {})
  }

  /** The next bytes; resolves when more may come. */
  async write(bytes: Uint8Array): Promise<void> {
    if (await this.#writer.write(bytes)) return
    // What the thread has found, or what `onBatch` has thrown.
    await this.#counts
    throw new SplitError('bytes behind the end of the stream')
  }

  /** After the last bytes: resolves when all batches are done. */
  async finish(): Promise<SplitCounts> {
    this.#writer.end()
    const counts = await this.#counts
    await this.#worker.terminate()
    return counts
  }

  /** Ends it early; never throws. */
  async close(): Promise<void> {
    this.#writer.abandon()
    await this.#worker.terminate()
  }

  async #listen(onBatch: (batch: Batch) => Promise<void>): Promise<SplitCounts> {
    const end = new Promise<SplitCounts>((resolve, reject) => {
      this.#worker.on('message', (message: ThreadMessage) => {
        this.#hasAnswer = message.kind !== 'batch'
        if (message.kind === 'batch') this.#take(message.batch, onBatch, reject)
        else if (message.kind === 'error') reject(new SplitError(message.text))
        else void this.#pending.then(() => resolve(message.counts))
      })
    })
    const early = new Promise<never>((_, reject) => {
      this.#worker.once('error', (cause) => reject(new Error('the reading failed', { cause })))
      this.#worker.once('exit', () => {
        // After its answer, the last batches are still on their way.
        if (!this.#hasAnswer) reject(new SplitError('the reading was ended'))
      })
    })
    try {
      return await Promise.race([end, early])
    } finally {
      this.#writer.abandon()
    }
  }

  #take(
    batch: Batch,
    onBatch: (batch: Batch) => Promise<void>,
    reject: (fault: unknown) => void,
  ): void {
    this.#pending = this.#pending.then(async () => {
      if (this.#fault !== null) return
      try {
        await onBatch(batch)
      } catch (fault) {
        this.#fault = fault
        reject(fault)
      }
      Atomics.add(this.#credits, 0, 1)
      Atomics.notify(this.#credits, 0)
    })
  }
}
