// Copying a backup to another store, or under another name: parts as they are stored, each checked
// against its SHA-256 on the way, then the manifest, which makes the copy exist.
//
// A copy under the same name keeps the ID of its original; under another name its ID is derived
// from both, so that copies never share parts. Either way the names of its parts are known before,
// and a copy that was broken off goes on with what is there.

import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { copyObject } from '../store/copy-object.ts'
import { type ObjectStore, StoreFault } from '../store/object-store.ts'
import { isStale, Lease, LeaseTaken, readHolder } from './lease.ts'
import type { BackupManifest, ShardManifest } from './manifest.ts'
import { checkBackupName, claimObject, manifestObject } from './names.ts'
import { readManifest } from './read-manifest.ts'

export interface CopyBackupRequest {
  readonly source: ObjectStore
  readonly target: ObjectStore
  readonly name: string
  /** Name of the copy. */
  readonly newName: string
  readonly signal?: AbortSignal
  /** Stored bytes of all parts. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void
}

const HASH_DIGITS = 8

/** The manifest of the copy. Leaves what it can go on with when it throws. */
export async function copyBackup(request: CopyBackupRequest): Promise<BackupManifest> {
  const { source, target, name, newName, signal } = request
  checkBackupName(newName)
  const original = await readManifest(source, name, signal)
  const manifest = renamed(original, newName)
  const object = manifestObject(newName)
  if (await exists(target, object)) {
    throw new StoreFault('exists', `${target.url}: there is a backup ${newName} already`)
  }
  const who = `${hostname()}:${process.pid}`
  const claim = claimObject(newName)
  // The ID is the same in each attempt, so that alone does not tell another process.
  const other = await readHolder(target, claim)
  if (other !== null && other.who !== who && !isStale(other)) throw new LeaseTaken(claim, other)
  const holder = { id: manifest.id, operation: `copy ${newName}`, who }
  const lease = await Lease.acquire({
    store: target,
    object: claim,
    holder,
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    const signals = signal === undefined ? [lease.signal] : [lease.signal, signal]
    await copyParts(request, [original, manifest], AbortSignal.any(signals))
    await lease.check()
    const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
    await target.put(object, bytes, { createOnly: true })
    return manifest
  } finally {
    await lease.release()
  }
}

async function copyParts(
  { source, target, onProgress }: CopyBackupRequest,
  [original, copy]: readonly [BackupManifest, BackupManifest],
  signal: AbortSignal,
): Promise<void> {
  let done = 0
  for (const [index, { part }] of original.shards.entries()) {
    const object = copy.shards[index]?.part.object ?? part.object
    if (!(await exists(target, object))) {
      await copyObject(
        { store: source, name: part.object },
        { store: target, name: object },
        {
          sha256: part.sha256,
          createOnly: true,
          signal,
          onProgress: (bytes) => onProgress?.(done + bytes, original.totals.storedBytes),
        },
      )
    }
    done += part.bytes
  }
}

function renamed(manifest: BackupManifest, name: string): BackupManifest {
  if (name === manifest.name) return manifest
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS)
  const id = `${manifest.id}-${hash}`
  const move = (shard: ShardManifest): ShardManifest => {
    const object = shard.part.object.replace(`data/${manifest.id}/`, `data/${id}/`)
    return { ...shard, part: { ...shard.part, object } }
  }
  return { ...manifest, name, id, shards: manifest.shards.map(move) }
}

async function exists(store: ObjectStore, object: string): Promise<boolean> {
  try {
    await store.info(object)
    return true
  } catch (error) {
    if (error instanceof StoreFault && error.kind === 'missing') return false
    throw error
  }
}
