// Restores into a running node – Tidemark, Redis, Valkey – by RESTORE commands, pipelined.
//
//   look     target and source are looked at, the whole source is read once: checked, counted;
//            what is in the way is a RestoreRefused, and nothing has been changed
//   write    the source is read again, keys go to the node
//
// A fault while writing is a RestoreInterrupted, which says what was done. To run it again with
// `replace` is safe: each key is written whole, and those that are there are written over.

import type { NodeAddress } from '../source/node-address.ts'
import type { ConnectOptions } from '../source/node-connection.ts'
import { NodeError } from '../source/node-error.ts'
import { ErrorReply } from '../source/reply-parser.ts'
import { EVERYTHING, type KeyPlan } from './key-plan.ts'
import type { CheckRequest, RestoreShard, RestoreSource } from './restore-source.ts'
import { type Batch, RestoreStream, type SplitCounts, type SplitTask } from './restore-stream.ts'
import { flushNode, type RestoreMode, RestoreRefused, RestoreTarget } from './restore-target.ts'

export interface NodeRestoreRequest {
  readonly source: RestoreSource
  readonly target: NodeAddress
  readonly connect?: ConnectOptions
  readonly mode: RestoreMode
  /** Which keys, where to, until when; absent: all as they were. */
  readonly plan?: Partial<Omit<KeyPlan, 'takenAtMs'>>
  /** Whether libraries of functions are restored, too. */
  readonly hasFunctions?: boolean
  /** Keys that the target has no form for: a refusal, or left out and counted. */
  readonly unsupported?: 'refuse' | 'skip'
  /** Whether room that seems too small is no reason to refuse. */
  readonly isRoomIgnored?: boolean
  readonly signal?: AbortSignal
  readonly onNote?: (text: string) => void
  readonly onProgress?: (progress: RestoreProgress) => void
}

export interface RestoreProgress {
  readonly phase: 'look' | 'write'
  /** RDB bytes read in this phase, and all of them; null: not known. */
  readonly bytes: number
  readonly totalBytes: number | null
  /** Keys acknowledged, and to be restored; null: not known yet. */
  readonly keys: number
  readonly totalKeys: number | null
}

export interface RestoreResult extends Omit<SplitCounts, 'databases'> {
  readonly engine: string
  readonly tookMs: number
}

/** The target was changed, and not all is there. */
export class RestoreInterrupted extends Error {
  override readonly name = 'RestoreInterrupted'
  /** Keys that the node has acknowledged, at least. */
  readonly keys: number

  constructor(message: string, keys: number, options: ErrorOptions) {
    super(message, options)
    this.keys = keys
  }
}

/** Restores; resolves when the node has acknowledged every key. */
export async function restoreIntoNode(request: NodeRestoreRequest): Promise<RestoreResult> {
  const { source, target: address, connect = {}, mode, signal } = request
  const startedMs = Date.now()
  const options = { ...connect, ...(signal === undefined ? {} : { signal }) }
  const open = async () => {
    const found = await RestoreTarget.open(address, options)
    const run = new NodeRestore(request, found, startedMs)
    try {
      found.checkMode(mode)
      return run
    } catch (error) {
      run.close()
      throw error
    }
  }
  const first = await open()
  first.close()
  const counts = await first.look()
  // Looking may have taken hours: the node is looked at again, by a connection that is not idle.
  const run = await open()
  try {
    await run.checkNeeds(counts)
    await run.write(counts.restored)
    const { databases, ...rest } = counts
    request.onNote?.(`${source.name}: ${rest.restored} keys in ${databases.length} databases`)
    return { ...rest, engine: run.engine, tookMs: Date.now() - startedMs }
  } finally {
    run.close()
  }
}

class NodeRestore {
  readonly #request: NodeRestoreRequest
  readonly #target: RestoreTarget
  readonly #nowMs: number
  readonly #plan: KeyPlan
  readonly #totalBytes: number | null
  #acknowledged = 0
  #totalKeys: number | null = null
  /** RDB bytes of the shards that are done in this phase. */
  #doneBytes = 0

  constructor(request: NodeRestoreRequest, target: RestoreTarget, nowMs: number) {
    this.#request = request
    this.#target = target
    this.#nowMs = nowMs
    const { takenAtMs, shards } = request.source
    this.#plan = { ...EVERYTHING, ...request.plan, takenAtMs }
    const lengths = shards.map(({ rdbBytes }) => rdbBytes)
    const sum = lengths.reduce<number>((total, bytes) => total + (bytes ?? 0), 0)
    this.#totalBytes = lengths.includes(null) ? null : sum
  }

  /** Of the target, with its version. */
  get engine(): string {
    const { engine, version } = this.#target.facts
    return `${engine} ${version}`
  }

  close(): void {
    this.#target.close()
  }

  /** Reads the whole source, changes nothing. Throws RestoreRefused, and faults of the source. */
  async look(): Promise<SplitCounts> {
    const { source, unsupported = 'refuse' } = this.#request
    this.#noteMissingDatabases()
    const all: SplitCounts[] = []
    for (const shard of source.shards) all.push(await this.#pass(shard, 'look'))
    const counts = sumOf(all)
    if (counts.unsupported > 0 && unsupported === 'refuse') {
      const [first] = counts.examples
      const text = `${counts.unsupported} keys cannot be restored into ${this.#label()}`
      throw new RestoreRefused('source', `${source.name}: ${text}, such as ${first}`)
    }
    return counts
  }

  /** Whether the target can take what was counted. Throws RestoreRefused. */
  async checkNeeds(counts: SplitCounts): Promise<void> {
    const { mode, hasFunctions = true, isRoomIgnored = false } = this.#request
    const needs = {
      bytes: isRoomIgnored ? 0 : counts.plainBytes,
      keys: isRoomIgnored ? 0 : counts.restored,
      databaseMax: Math.max(0, ...counts.databases),
      functions: hasFunctions ? counts.functions : 0,
    }
    await this.#target.checkNeeds(needs, mode)
  }

  /** Writes all keys. Throws RestoreInterrupted. */
  async write(keys: number): Promise<void> {
    const { mode, source, onNote } = this.#request
    this.#totalKeys = keys
    this.#doneBytes = 0
    try {
      if (mode === 'flush') {
        onNote?.(`${this.#label()} is emptied`)
        await flushNode(this.#target)
      }
      for (const shard of source.shards) await this.#pass(shard, 'write')
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      const done = `at least ${this.#acknowledged} of ${keys} keys are in ${this.#label()}`
      const next = 'run it again with replace to go on'
      throw new RestoreInterrupted(`${text}; ${done}: ${next}`, this.#acknowledged, { cause })
    }
  }

  /** Lets the stream of a shard through the splitter. */
  async #pass(shard: RestoreShard, phase: RestoreProgress['phase']): Promise<SplitCounts> {
    const { mode, hasFunctions = true, signal } = this.#request
    const task: SplitTask = {
      name: shard.name,
      plan: this.#plan,
      nowMs: this.#nowMs,
      payloadVersion: this.#target.payloadVersion,
      hasFunctions,
      isReplacing: mode === 'replace',
      isDry: phase === 'look',
    }
    const stream = new RestoreStream(task, (batch) => this.#send(batch))
    let bytes = 0
    const take = async (piece: Uint8Array) => {
      await stream.write(piece)
      bytes += piece.length
      this.#tell(phase, bytes)
    }
    const stop = signal === undefined ? {} : { signal }
    try {
      if (phase === 'look' && shard.check !== null) await shard.check({ take, ...stop })
      else await passAll(shard, { take, ...stop })
      return await stream.finish()
    } finally {
      this.#doneBytes += bytes
      await stream.close()
    }
  }

  async #send(batch: Batch): Promise<void> {
    const replies = await this.#target.connection.sendEncoded(batch.bytes, batch.starts.length)
    for (const [index, reply] of replies.entries()) {
      if (reply instanceof ErrorReply) throw this.#refusal(batch, index, reply)
    }
    this.#acknowledged += batch.keys
  }

  #refusal(batch: Batch, index: number, reply: ErrorReply): NodeError {
    const start = batch.starts[index] ?? 0
    const text = Buffer.from(batch.bytes.buffer, start, Math.min(300, batch.bytes.length - start))
    const [, , name = '', , key = ''] = text.toString('latin1').split('\r\n')
    const what = name === 'RESTORE' ? `RESTORE of ${JSON.stringify(key.slice(0, 100))}` : name
    const hint = reply.text.startsWith('BUSYKEY') ? ' (written by somebody else meanwhile)' : ''
    return new NodeError('refused', this.#label(), `${what}: ${reply.text}${hint}`)
  }

  #noteMissingDatabases(): void {
    const known = this.#request.source.shards.flatMap(({ databases }) => databases ?? [])
    const present = known.map(({ database }) => database)
    const missing = this.#plan.databases.filter(([from]) => !present.includes(from))
    const isKnown = this.#request.source.shards.every(({ databases }) => databases !== null)
    for (const [from] of isKnown ? missing : []) {
      this.#request.onNote?.(`${this.#request.source.name} has no keys in database ${from}`)
    }
  }

  #label(): string {
    return this.#target.facts.address.label
  }

  #tell(phase: RestoreProgress['phase'], bytes: number): void {
    this.#request.onProgress?.({
      phase,
      bytes: this.#doneBytes + bytes,
      totalBytes: this.#totalBytes,
      keys: this.#acknowledged,
      totalKeys: this.#totalKeys,
    })
  }
}

async function passAll(shard: RestoreShard, { take, signal }: CheckRequest): Promise<void> {
  for await (const piece of shard.chunks(signal)) await take(piece)
}

function sumOf(all: readonly SplitCounts[]): SplitCounts {
  const sum = (of: (counts: SplitCounts) => number) =>
    all.reduce((total, counts) => total + of(counts), 0)
  return {
    keys: sum(({ keys }) => keys),
    restored: sum(({ restored }) => restored),
    filtered: sum(({ filtered }) => filtered),
    expired: sum(({ expired }) => expired),
    rewritten: sum(({ rewritten }) => rewritten),
    functions: sum(({ functions }) => functions),
    payloadBytes: sum(({ payloadBytes }) => payloadBytes),
    plainBytes: sum(({ plainBytes }) => plainBytes),
    unsupported: sum(({ unsupported }) => unsupported),
    examples: all.flatMap(({ examples }) => examples),
    databases: [...new Set(all.flatMap(({ databases }) => databases))],
  }
}
