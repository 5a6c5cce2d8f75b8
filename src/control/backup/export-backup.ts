// A backup as plain RDB objects, which any server loads: decrypted, decompressed, and compared with
// the manifest before they appear. Several shards are several objects, as ElastiCache names them.

import { createHash } from 'node:crypto'
import type { ObjectInfo, ObjectStore } from '../store/object-store.ts'
import type { AgeIdentity } from './age-keys.ts'
import type { BackupManifest, ShardManifest } from './manifest.ts'
import { PartFault, readPart } from './part-reader.ts'
import { noteBytesPassed } from './passed-buffers.ts'

export interface ExportRequest {
  readonly store: ObjectStore
  readonly manifest: BackupManifest
  readonly identities: readonly AgeIdentity[]
  readonly target: ObjectStore
  /** Of the objects, one for each shard; `exportNames`. */
  readonly names: readonly string[]
  readonly signal?: AbortSignal
  /** RDB bytes of all shards. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void
}

const DIGITS = 4

/** `NAME-0001.rdb` and so on, from 1. */
export function exportNames(name: string, shards: number): string[] {
  return Array.from(
    { length: shards },
    (_, index) => `${name}-${String(index + 1).padStart(DIGITS, '0')}.rdb`,
  )
}

/** Writes the objects; throws `exists` when one of them is there. Those before it stay. */
export async function exportBackup(request: ExportRequest): Promise<ObjectInfo[]> {
  const { manifest, names } = request
  const written: ObjectInfo[] = []
  let done = 0
  for (const [index, shard] of manifest.shards.entries()) {
    const name = names[index]
    if (name === undefined) throw new RangeError('a name for each shard')
    written.push(await exportShard(request, { shard, name, done }))
    done += shard.rdb.bytes
  }
  return written
}

async function exportShard(
  { store, manifest, identities, target, signal, onProgress }: ExportRequest,
  { shard, name, done }: { readonly shard: ShardManifest; readonly name: string; done: number },
): Promise<ObjectInfo> {
  const { part, rdb } = shard
  const given = signal === undefined ? {} : { signal }
  const options = { createOnly: true, expectedBytes: rdb.bytes, ...given }
  const writer = await target.create(name, options)
  try {
    const sha256 = createHash('sha256')
    let bytes = 0
    for await (const piece of readPart({ store, part, codec: manifest, identities, ...given })) {
      sha256.update(piece)
      await writer.write(piece)
      bytes += piece.length
      noteBytesPassed(piece.length)
      onProgress?.(done + bytes, manifest.totals.rdbBytes)
    }
    const found = sha256.digest('hex')
    if (found !== rdb.sha256) {
      const text = `the RDB stream in it has SHA-256 ${found}, expected ${rdb.sha256}`
      throw new PartFault('damaged', part.object, text)
    }
    return await writer.complete()
  } catch (error) {
    await writer.abort()
    throw error
  }
}
