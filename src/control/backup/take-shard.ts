// One shard of a backup: the stream of its source through the survey and the encoding into a part.
//
//   prepare   connect, look at the source, predict the fork
//   open      the source has said at which point its data is
//   run       everything flows; the part is in the store, and what it holds is known
//
// `close` in any case. A connection besides that of the stream watches the node meanwhile: its
// memory, and at the end what the save cost it.

import { type ForkPolicy, forkAdvice, predictFork } from '../source/fork-prediction.ts'
import { type ConnectOptions, NodeConnection } from '../source/node-connection.ts'
import { NodeError } from '../source/node-error.ts'
import {
  factsOf,
  footprintOf,
  type Info,
  type NodeFacts,
  readInfo,
  saveFactsOf,
} from '../source/node-facts.ts'
import { openFullSync } from '../source/psync-stream.ts'
import { openRdbFile } from '../source/rdb-file-source.ts'
import type { RdbStream } from '../source/rdb-source.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { ShardManifest, SourceManifest } from './manifest.ts'
import { partObject } from './names.ts'
import { type PartCodec, PartWriter, partSuffix } from './part-writer.ts'
import { noteBytesPassed } from './passed-buffers.ts'
import { RdbSurvey, type SurveyResult } from './rdb-survey.ts'

/** Where a shard comes from: a node that was chosen, or a file. */
export type ShardSource =
  | { readonly facts: NodeFacts; readonly file: null }
  | { readonly facts: null; readonly file: string }

export interface ShardRequest {
  readonly store: ObjectStore
  /** Of the backup. */
  readonly id: string
  readonly shard: number
  readonly slots: readonly string[]
  readonly source: ShardSource
  readonly connect: ConnectOptions
  readonly forkPolicy: ForkPolicy
  readonly codec: PartCodec
  readonly onNote: (text: string) => void
  readonly signal: AbortSignal
}

/** How far a shard is. */
export interface ShardProgress {
  readonly bytes: number
  readonly storedBytes: number
  readonly keys: number
  /** Of the stream; null: not known. */
  readonly totalBytes: number | null
  /** What INFO said before; null: a file. */
  readonly totalKeys: number | null
}

const WATCH_MS = 1000

export class ShardTaker {
  readonly #request: ShardRequest
  readonly #label: string
  #watch: NodeConnection | null = null
  #stream: RdbStream | null = null
  #survey: RdbSurvey | null = null
  #part: PartWriter | null = null
  #memoryPeak: number | null = null
  #bytes = 0
  #isPartComplete = false

  constructor(request: ShardRequest) {
    this.#request = request
    const { facts, file } = request.source
    this.#label = facts === null ? file : facts.address.label
  }

  get progress(): ShardProgress {
    return {
      bytes: this.#bytes,
      storedBytes: this.#part?.storedBytes ?? 0,
      keys: this.#survey?.keys ?? 0,
      totalBytes: this.#stream?.bytes ?? null,
      totalKeys: this.#request.source.facts?.keys ?? null,
    }
  }

  /** When the source took its cut, unix ms; after `open`. */
  get takenAtMs(): number {
    return this.#stream?.takenAtMs ?? Date.now()
  }

  /** Name of the part once it is in the store. */
  get completed(): string | null {
    return this.#isPartComplete ? this.#object() : null
  }

  /** Looks whether the source can be asked at all. Throws what is in the way. */
  async prepare(): Promise<void> {
    const { source, forkPolicy, onNote, connect, signal } = this.#request
    if (source.facts === null) return
    this.#watch = await NodeConnection.connect(source.facts.address, { ...connect, signal })
    const advice = forkAdvice(predictFork(source.facts), forkPolicy)
    if (advice === null) return
    if (advice.isRefused) throw new NodeError('refused', this.#label, advice.text)
    onNote(`${this.#label}: ${advice.text}`)
  }

  /** Begins: the source has said of which instant its data is. */
  async open(): Promise<void> {
    const { source, connect, signal } = this.#request
    if (source.facts === null) {
      this.#stream = await openRdbFile(source.file, signal)
      return
    }
    this.#memoryPeak = footprintOf(source.facts)
    this.#stream = await openFullSync(source.facts.address, { ...connect, signal })
    await this.#checkSameNode(source.facts, this.#stream)
  }

  /** Lets everything flow; the part is in the store when it resolves. */
  async run(): Promise<ShardManifest> {
    const { store, codec, shard, slots, signal } = this.#request
    const stream = this.#stream
    if (stream === null) throw new Error('open comes first')
    const place = { store, object: this.#object(), signal }
    this.#part = await PartWriter.open(place, codec)
    const watching = this.#watchMemory()
    try {
      const rdb = await this.#pass(stream, this.#part)
      const part = await this.#part.complete()
      this.#isPartComplete = true
      this.#bytes = rdb.bytes
      return { shard, slots, source: await this.#sourceManifest(stream), part, rdb: rdbOf(rdb) }
    } finally {
      watching.stop()
    }
  }

  /** Ends everything that is not complete; never throws. */
  async close(): Promise<void> {
    this.#stream?.close()
    this.#watch?.close()
    await this.#survey?.close()
    if (!this.#isPartComplete) await this.#part?.abort()
  }

  async #pass(stream: RdbStream, part: PartWriter): Promise<SurveyResult> {
    const known = stream.bytes === null ? {} : { bytes: stream.bytes }
    const survey = new RdbSurvey({ name: this.#label, ...known })
    this.#survey = survey
    for await (const chunk of stream.chunks()) {
      await Promise.all([survey.write(chunk), part.write(chunk)])
      this.#bytes += chunk.length
      noteBytesPassed(chunk.length)
    }
    return await survey.finish()
  }

  /** A node that restarted in between, or follows another primary now, has another dataset. */
  async #checkSameNode(before: NodeFacts, { replicationId }: RdbStream): Promise<void> {
    const now = await this.#readInfo()
    if (now === null) throw new NodeError('cut', this.#label, 'its connection broke: restarted?')
    const facts = factsOf(before.address, now)
    const changed =
      facts.runId !== before.runId
        ? 'it was restarted'
        : facts.role !== before.role
          ? `it is a ${facts.role} now`
          : facts.replicationId !== replicationId
            ? 'it has another dataset now'
            : null
    if (changed === null) return
    throw new NodeError('changed', this.#label, `${changed}: the backup is not of what was chosen`)
  }

  #watchMemory(): { readonly stop: () => void } {
    const timer = setInterval(() => void this.#readInfo(), WATCH_MS)
    return { stop: () => clearInterval(timer) }
  }

  /** INFO, and notes the memory in it; null: the node does not answer. */
  async #readInfo(): Promise<Info | null> {
    const { facts } = this.#request.source
    if (this.#watch === null || facts === null) return null
    try {
      const info = await readInfo(this.#watch)
      const footprint = footprintOf(factsOf(facts.address, info))
      if (footprint !== null) this.#memoryPeak = Math.max(this.#memoryPeak ?? 0, footprint)
      return info
    } catch (error) {
      if (error instanceof NodeError) return null
      throw error
    }
  }

  async #sourceManifest(stream: RdbStream): Promise<SourceManifest> {
    const { replicationId, replicationOffset } = stream
    const { facts } = this.#request.source
    if (facts === null) return { ...FILE_SOURCE, address: this.#label }
    const info = await this.#readInfo()
    const unknown = { method: '', writeDelayMs: null, freezeMs: null }
    return {
      address: facts.address.label,
      role: facts.role,
      engine: facts.engine,
      engineVersion: facts.version,
      replicationId,
      replicationOffset,
      ...(info === null ? unknown : saveFactsOf(info)),
      memoryBeforeBytes: footprintOf(facts),
      memoryPeakBytes: this.#memoryPeak,
    }
  }

  #object(): string {
    const { id, shard, codec } = this.#request
    return partObject(id, shard, partSuffix(codec))
  }
}

const FILE_SOURCE: SourceManifest = {
  address: '',
  role: 'file',
  engine: 'unknown',
  engineVersion: '',
  replicationId: '',
  replicationOffset: -1,
  method: '',
  writeDelayMs: null,
  freezeMs: null,
  memoryBeforeBytes: null,
  memoryPeakBytes: null,
}

function rdbOf(result: SurveyResult): ShardManifest['rdb'] {
  const { version, bytes, sha256, crc64, databases, functions, digest } = result
  return { version, bytes, sha256, crc64, databases, functions, digest }
}
