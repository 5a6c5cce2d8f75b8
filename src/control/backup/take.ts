// Takes a backup: of all shards of a cluster or of none, at one moment as nearly as the engines
// allow, in one pass from the sources to the store.
//
//   claim the name, lock the cluster ─► choose the sources ─► start all syncs ─► let all flow
//     ─► the manifest, which makes it exist ─► release
//
// Whatever fails before the manifest leaves nothing but what the next sweep finds. A manifest whose
// writing has no known outcome leaves parts and claim where they are: if it is there, the backup
// exists; if not, the claim grows stale and the parts are orphans.

import { hostname } from 'node:os'
import { type Choice, chooseSource, type SourcePreference } from '../source/choose-source.ts'
import type { ForkPolicy } from '../source/fork-prediction.ts'
import type { NodeAddress } from '../source/node-address.ts'
import { type ConnectOptions, NodeConnection } from '../source/node-connection.ts'
import { NodeError } from '../source/node-error.ts'
import { readFacts, readShards } from '../source/node-facts.ts'
import { type ObjectStore, StoreFault } from '../store/object-store.ts'
import { Lease } from './lease.ts'
import {
  type BackupKind,
  type BackupManifest,
  MANIFEST_VERSION,
  type ShardManifest,
} from './manifest.ts'
import { checkBackupName, claimObject, lockObject, manifestObject, newBackupId } from './names.ts'
import type { PartCodec } from './part-writer.ts'
import { type ShardProgress, type ShardRequest, ShardTaker } from './take-shard.ts'

/** What is backed up: nodes, of which one of a cluster is enough, or a file per shard. */
export interface TakeSource {
  readonly nodes: readonly NodeAddress[]
  readonly files: readonly string[]
  readonly preference: SourcePreference
  readonly connect: ConnectOptions
}

export interface TakeRequest {
  readonly store: ObjectStore
  readonly name: string
  readonly cluster: string
  readonly kind: BackupKind
  readonly source: TakeSource
  readonly codec: PartCodec
  readonly forkPolicy: ForkPolicy
  readonly toolVersion: string
  readonly labels?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** What people should know: the choice of the source, warnings. */
  readonly onNote?: (text: string) => void
  /** A few times a second. */
  readonly onProgress?: (progress: TakeProgress) => void
}

export interface TakeProgress {
  /** All shards together. */
  readonly bytes: number
  readonly storedBytes: number
  readonly keys: number
  readonly bytesPerSecond: number
  /** 0 to 1, by bytes where the stream has a length, else by keys; null: cannot be said. */
  readonly share: number | null
  /** Null: cannot be said. */
  readonly etaMs: number | null
  readonly shards: readonly ShardProgress[]
}

const PROGRESS_MS = 250
const SHARDS_MAX = 1000
const SLOTS = 16384

/** Takes the backup; resolves when it exists. Leaves nothing when it throws what is in the way. */
export async function takeBackup(request: TakeRequest): Promise<BackupManifest> {
  const { store, name, cluster, signal } = request
  checkBackupName(name)
  checkBackupName(cluster, 'name of a cluster')
  const startedMs = Date.now()
  const id = newBackupId(startedMs)
  const holder = { id, operation: `create ${name}`, who: `${hostname()}:${process.pid}` }
  const common = { store, holder, ...(signal === undefined ? {} : { signal }) }
  const claim = await Lease.acquire({ ...common, object: claimObject(name) })
  let lock: Lease | null = null
  let isSettled = true
  try {
    await checkNameFree(store, name)
    lock = await Lease.acquire({ ...common, object: lockObject(cluster) })
    const given = signal === undefined ? [] : [signal]
    const whole = AbortSignal.any([claim.signal, lock.signal, ...given])
    const attempt = new Attempt(request, id, whole)
    try {
      const manifest = await attempt.take(startedMs)
      await Promise.all([claim.check(), lock.check()])
      isSettled = false
      await writeManifest(store, manifest)
      isSettled = true
      return manifest
    } catch (error) {
      // Somebody else's manifest has the name: ours can appear no more.
      if (error instanceof StoreFault && error.kind === 'exists') isSettled = true
      await attempt.discard(isSettled)
      throw error
    }
  } finally {
    await lock?.release()
    await (isSettled ? claim.release() : claim.abandon())
  }
}

/** One attempt at all shards. */
class Attempt {
  readonly #request: TakeRequest
  readonly #id: string
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #takers: readonly ShardTaker[] = []

  constructor(request: TakeRequest, id: string, signal: AbortSignal) {
    this.#request = request
    this.#id = id
    this.#signal = AbortSignal.any([signal, this.#stop.signal])
  }

  async take(startedMs: number): Promise<BackupManifest> {
    const requests = await this.#plan()
    this.#takers = requests.map((each) => new ShardTaker(each))
    await this.#all((taker) => taker.prepare())
    // All begin before any flows: their instants are as near as their answers.
    await this.#all((taker) => taker.open())
    const takenMs = Math.max(...this.#takers.map((taker) => taker.takenAtMs))
    const timer = this.#showProgress()
    try {
      const shards = await this.#all((taker) => taker.run())
      return this.#manifest(shards, { startedMs, takenMs })
    } finally {
      clearInterval(timer)
      await Promise.all(this.#takers.map((taker) => taker.close()))
    }
  }

  /** Ends what runs, and removes parts that no manifest can name. */
  async discard(mayRemove: boolean): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#takers.map((taker) => taker.close()))
    if (!mayRemove) return
    for (const { completed } of this.#takers) {
      // A part that stays is an orphan, which the next sweep removes.
      if (completed !== null) await this.#request.store.delete(completed).catch(() => {})
    }
  }

  /** The same for all shards at once; the first fault ends the others. */
  async #all<T>(action: (taker: ShardTaker) => Promise<T>): Promise<T[]> {
    const running = this.#takers.map(async (taker) => {
      try {
        return await action(taker)
      } catch (error) {
        this.#stop.abort()
        throw error
      }
    })
    let first: unknown = null
    const ended = running.map((each) => each.catch((error: unknown) => (first ??= error)))
    await Promise.all(ended)
    if (first !== null) throw first
    return await Promise.all(running)
  }

  async #plan(): Promise<ShardRequest[]> {
    const { nodes, files } = this.#request.source
    const [node] = nodes
    if (files.length > 0) {
      return files.map((file, shard) => this.#shard(shard, [], { facts: null, file }))
    }
    if (node === undefined) throw new Error('a backup has a source')
    if (nodes.length > 1) return await this.#chooseAll(nodes.map(alone))
    const connection = await NodeConnection.connect(node, this.#connect())
    try {
      const facts = await readFacts(connection)
      if (!facts.isCluster) return await this.#chooseAll([alone(node)])
      const shards = await readShards(connection)
      checkCovered(node, shards)
      return await this.#chooseAll(shards)
    } finally {
      connection.close()
    }
  }

  async #chooseAll(shards: readonly Planned[]): Promise<ShardRequest[]> {
    if (shards.length > SHARDS_MAX) throw new Error(`more than ${SHARDS_MAX} shards`)
    const { kind, source, onNote } = this.#request
    const { preference } = source
    const connect = this.#connect()
    const choices: Choice[] = await Promise.all(
      shards.map(({ primary, replicas }) =>
        chooseSource(primary, { kind, preference, connect, replicas }),
      ),
    )
    return choices.map(({ facts, reason, passed }, shard) => {
      onNote?.(`${facts.address.label}: ${reason}`)
      for (const text of passed) onNote?.(`passed over ${text}`)
      return this.#shard(shard, shards[shard]?.slots ?? [], { facts, file: null })
    })
  }

  #shard(shard: number, slots: readonly string[], source: ShardRequest['source']): ShardRequest {
    const { store, codec, forkPolicy, onNote = () => {} } = this.#request
    const { connect } = this.#request.source
    const [id, signal] = [this.#id, this.#signal]
    return { store, id, shard, slots, source, connect, forkPolicy, codec, onNote, signal }
  }

  #connect(): ConnectOptions {
    return { ...this.#request.source.connect, signal: this.#signal }
  }

  #showProgress(): NodeJS.Timeout | undefined {
    const { onProgress } = this.#request
    if (onProgress === undefined) return undefined
    const startedMs = Date.now()
    const show = () => {
      const shards = this.#takers.map((taker) => taker.progress)
      onProgress(progressOf(shards, Date.now() - startedMs))
    }
    return setInterval(show, PROGRESS_MS)
  }

  #manifest(
    shards: readonly ShardManifest[],
    { startedMs, takenMs }: { readonly startedMs: number; readonly takenMs: number },
  ): BackupManifest {
    const { name, cluster, kind, codec, toolVersion, labels = {} } = this.#request
    const { level, recipients } = codec
    const sum = (of: (shard: ShardManifest) => number) =>
      shards.reduce((total, shard) => total + of(shard), 0)
    const names = recipients.map((recipient) => recipient.text)
    return {
      version: MANIFEST_VERSION,
      name,
      id: this.#id,
      cluster,
      kind,
      startedAt: new Date(startedMs).toISOString(),
      finishedAt: new Date().toISOString(),
      takenAt: new Date(takenMs).toISOString(),
      tool: { name: 'tidemark', version: toolVersion },
      compression: level === null ? null : { format: 'zstd', level },
      encryption: names.length === 0 ? null : { format: 'age', recipients: names },
      shards,
      totals: {
        keys: sum(({ rdb }) => rdb.databases.reduce((keys, each) => keys + each.keys, 0)),
        rdbBytes: sum(({ rdb }) => rdb.bytes),
        storedBytes: sum(({ part }) => part.bytes),
      },
      labels,
    }
  }
}

interface Planned {
  readonly slots: readonly string[]
  readonly primary: NodeAddress
  readonly replicas: readonly NodeAddress[]
}

function alone(primary: NodeAddress): Planned {
  return { slots: [], primary, replicas: [] }
}

/** A cluster is backed up as a whole or not at all. */
function checkCovered({ label }: NodeAddress, shards: readonly Planned[]): void {
  let covered = 0
  for (const range of shards.flatMap(({ slots }) => slots)) {
    const [first = 0, last = first] = range.split('-').map(Number)
    covered += last - first + 1
  }
  if (covered === SLOTS) return
  throw new NodeError('refused', label, `the cluster covers ${covered} of ${SLOTS} slots`)
}

export function progressOf(shards: readonly ShardProgress[], elapsedMs: number): TakeProgress {
  const sum = (of: (shard: ShardProgress) => number) =>
    shards.reduce((total, shard) => total + of(shard), 0)
  const bytes = sum((shard) => shard.bytes)
  const shares = shards.map(shareOf)
  const known = shares.filter((share) => share !== null)
  const share =
    known.length === shards.length && known.length > 0
      ? known.reduce((total, each) => total + each, 0) / known.length
      : null
  return {
    bytes,
    storedBytes: sum((shard) => shard.storedBytes),
    keys: sum((shard) => shard.keys),
    bytesPerSecond: elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0,
    share,
    etaMs: share === null || share === 0 ? null : (elapsedMs * (1 - share)) / share,
    shards,
  }
}

function shareOf({ bytes, keys, totalBytes, totalKeys }: ShardProgress): number | null {
  if (totalBytes !== null && totalBytes > 0) return Math.min(1, bytes / totalBytes)
  if (totalKeys !== null && totalKeys > 0) return Math.min(1, keys / totalKeys)
  return null
}

/** Throws `exists` when there is such a backup. */
async function checkNameFree(store: ObjectStore, name: string): Promise<void> {
  try {
    await store.info(manifestObject(name))
  } catch (error) {
    if (error instanceof StoreFault && error.kind === 'missing') return
    throw error
  }
  throw new StoreFault('exists', `${store.url}: there is a backup ${name} already`)
}

/** Makes the backup exist. Of a write whose end is unknown, the store is asked. */
async function writeManifest(store: ObjectStore, manifest: BackupManifest): Promise<void> {
  const object = manifestObject(manifest.name)
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
  try {
    await store.put(object, bytes, { createOnly: true })
  } catch (error) {
    const found = await store.get(object).catch(() => null)
    // Ours: the acknowledgement was lost, or a retry met the first attempt.
    if (found === null || !bytes.equals(found)) throw error
  }
}
