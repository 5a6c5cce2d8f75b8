// What is restored: a backup of a store, whole, or an RDB file of anybody's, on disk or as an
// object. Whoever restores knows only shards with a stream of RDB bytes each, which ends without a
// fault only if it is what it should be.

import type { AgeIdentity } from '../backup/age-keys.ts'
import { checkPart } from '../backup/check-part.ts'
import type { DatabaseCounts } from '../backup/manifest.ts'
import { readPart } from '../backup/part-reader.ts'
import { readManifest } from '../backup/read-manifest.ts'
import { openRdbFile } from '../source/rdb-file-source.ts'
import type { ObjectStore } from '../store/object-store.ts'

export interface RestoreSource {
  /** For messages. */
  readonly name: string
  /** The instant of the data, unix ms. */
  readonly takenAtMs: number
  readonly shards: readonly RestoreShard[]
}

export interface RestoreShard {
  /** The object or file that it is in. */
  readonly name: string
  readonly rdbBytes: number | null
  /** Null: not known before it was read. */
  readonly databases: readonly DatabaseCounts[] | null
  readonly functions: number | null
  /** Version of RDB; null: not known. */
  readonly version: number | null
  /** The RDB bytes, from their start, as often as it is called. */
  chunks(signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** As `chunks`, to a function, with all that is known compared: counts and digest, too. */
  readonly check: ((request: CheckRequest) => Promise<void>) | null
}

export interface CheckRequest {
  readonly take: (bytes: Uint8Array) => Promise<void>
  readonly signal?: AbortSignal
}

export interface BackupSourceRequest {
  readonly store: ObjectStore
  readonly name: string
  readonly identities: readonly AgeIdentity[]
  readonly signal?: AbortSignal
}

/** A backup. Throws CatalogFault or StoreFault when it is not there or its manifest is damaged. */
export async function backupSource(request: BackupSourceRequest): Promise<RestoreSource> {
  const { store, name, identities, signal } = request
  const manifest = await readManifest(store, name, signal)
  const common = { store, codec: manifest, identities }
  const shards = manifest.shards.map((shard): RestoreShard => {
    const { part, rdb } = shard
    return {
      name: part.object,
      rdbBytes: rdb.bytes,
      databases: rdb.databases,
      functions: rdb.functions,
      version: rdb.version,
      chunks: (stop) => readPart({ ...common, part, ...optional(stop) }),
      check: async ({ take, signal: stop }) => {
        await checkPart({ ...common, shard, take, ...optional(stop) })
      },
    }
  })
  return { name: `backup ${name}`, takenAtMs: Date.parse(manifest.takenAt), shards }
}

/** An RDB file of any server, on this machine. */
export async function fileSource(path: string): Promise<RestoreSource> {
  const { bytes, takenAtMs, close } = await openRdbFile(path)
  close()
  const chunks = async function* (signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const file = await openRdbFile(path, signal)
    try {
      yield* file.chunks()
    } finally {
      file.close()
    }
  }
  return { name: path, takenAtMs, shards: [plainShard(path, bytes, chunks)] }
}

/** An RDB file as an object of a store: neither compressed nor encrypted, as others leave them. */
export async function objectSource(
  store: ObjectStore,
  object: string,
  signal?: AbortSignal,
): Promise<RestoreSource> {
  const { bytes, modifiedMs } = await store.info(object, signal)
  const chunks = (stop?: AbortSignal) => store.read(object, 0, stop)
  return { name: object, takenAtMs: modifiedMs, shards: [plainShard(object, bytes, chunks)] }
}

function plainShard(
  name: string,
  bytes: number | null,
  chunks: RestoreShard['chunks'],
): RestoreShard {
  const unknown = { databases: null, functions: null, version: null, check: null }
  return { name, rdbBytes: bytes, chunks, ...unknown }
}

function optional(signal?: AbortSignal): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
