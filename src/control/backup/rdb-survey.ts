// Looks at an RDB stream while it passes: whether it is whole and right (format, checksum), what is
// in it (counts, digest), its SHA-256. The reading runs in a thread of its own (survey-thread.ts),
// fed through a ring of shared memory: parsing overlaps with compression, and the reader of
// persist/rdb, which pulls and blocks, serves as it is. Memory is some megabytes, whatever passes.
//
// Owner: whoever started it; `finish` or `close` ends the thread, and one of them must be called.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type RingMemory, RingWriter, ringMemory } from './byte-ring.ts'
import type { DatabaseCounts } from './manifest.ts'

/** What passed. */
export interface SurveyResult {
  readonly version: number
  readonly bytes: number
  readonly sha256: string
  /** 16 hexadecimal digits: of the stream; compared with what stands in it, if that is there. */
  readonly crc64: string
  /** Whether there was a checksum in the stream. */
  readonly isVerified: boolean
  readonly databases: readonly DatabaseCounts[]
  readonly keys: number
  readonly functions: number
  /** Keys that `withoutBeforeMs` left out. */
  readonly left: number
  readonly digest: string
  readonly aux: Readonly<Record<string, string>>
}

export interface SurveyOptions {
  /** What errors call the stream. */
  readonly name: string
  /** Bytes of the stream, if known: lengths in it are checked against that. */
  readonly bytes?: number
  /** Keys whose deadline is before this do not count: as a primary loads. */
  readonly withoutBeforeMs?: number
}

/** The stream is not a whole RDB file, or not a right one. */
export class SurveyError extends Error {
  override readonly name = 'SurveyError'
}

/** What the thread is given, and what it answers. */
export interface SurveyTask extends SurveyOptions {
  readonly ring: RingMemory
}
export type SurveyAnswer =
  | { readonly result: SurveyResult; readonly error: null }
  | { readonly result: null; readonly error: string }

const RING_BYTES = 2 * 1024 * 1024
/** V8's room for the thread: a reader needs little, and collects late when it may grow. */
const HEAP_MIB = 96
const YOUNG_MIB = 4

export class RdbSurvey {
  readonly #worker: Worker
  readonly #writer: RingWriter
  readonly #answer: Promise<SurveyAnswer>

  constructor(options: SurveyOptions) {
    const ring = ringMemory(RING_BYTES)
    const task: SurveyTask = { ...options, ring }
    this.#writer = new RingWriter(ring)
    this.#worker = new Worker(new URL('./survey-thread.ts', import.meta.url), {
      workerData: task,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_MIB },
    })
    this.#answer = this.#listen()
    // It is asked for by `write` and `finish`; until then nobody minds.
    this.#answer.catch(() => {})
  }

  /** Keys that have passed so far. */
  get keys(): number {
    return this.#writer.report
  }

  /** The next bytes; resolves when more may come. Throws SurveyError once something is wrong. */
  async write(bytes: Uint8Array): Promise<void> {
    if (await this.#writer.write(bytes)) return
    const { error } = await this.#answer
    throw new SurveyError(error ?? 'bytes behind the end of the stream')
  }

  /** After the last bytes: what passed. Throws SurveyError unless it was a whole, right stream. */
  async finish(): Promise<SurveyResult> {
    this.#writer.end()
    const answer = await this.#answer
    await this.#worker.terminate()
    if (answer.error !== null) throw new SurveyError(answer.error)
    return answer.result
  }

  /** Ends it early; never throws. */
  async close(): Promise<void> {
    this.#writer.abandon()
    await this.#worker.terminate()
  }

  async #listen(): Promise<SurveyAnswer> {
    try {
      const [answer] = (await Promise.race([
        once(this.#worker, 'message'),
        once(this.#worker, 'exit').then(() => [{ result: null, error: 'the survey was ended' }]),
      ])) as [SurveyAnswer]
      return answer
    } catch (cause) {
      throw new Error('the survey failed by an error of its own', { cause })
    } finally {
      this.#writer.abandon()
    }
  }
}
