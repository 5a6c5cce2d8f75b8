// Copying an object from one store to another, which may be broken off at any point and goes on
// where it stopped when it is called again: an upload that the target has kept is resumed.
//
// The source is read whole in any case and its SHA-256 compared before the copy appears, so that a
// damaged source is not passed on. (What the target has kept was checked when it was written.)

import { createHash } from 'node:crypto'
import { type ObjectInfo, type ObjectStore, type PendingWrite, StoreFault } from './object-store.ts'

export interface CopyOptions {
  /** What it must be, in hexadecimal. */
  readonly sha256?: string
  readonly createOnly?: boolean
  readonly signal?: AbortSignal
  /** Told after each piece. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void
}

export interface CopyPlace {
  readonly store: ObjectStore
  readonly name: string
}

/** The copy. Nobody else may write the same name at the same time. */
export async function copyObject(
  source: CopyPlace,
  target: CopyPlace,
  options: CopyOptions = {},
): Promise<ObjectInfo & { readonly sha256: string }> {
  const { signal, sha256: expected, createOnly = false, onProgress } = options
  const { bytes: total } = await source.store.info(source.name, signal)
  const write = { createOnly, expectedBytes: total, ...(signal ? { signal } : {}) }
  const pending = await newestPending(target, signal)
  const writer =
    pending === null
      ? await target.store.create(target.name, write)
      : await target.store.resume(pending, write)
  try {
    const kept = writer.bytes
    if (kept > total) throw damaged(target, `${kept} bytes were kept of ${total}`)
    const hash = createHash('sha256')
    let offset = 0
    for await (const piece of source.store.read(source.name, 0, signal)) {
      hash.update(piece)
      const skip = Math.min(piece.length, Math.max(0, kept - offset))
      if (skip < piece.length) await writer.write(piece.subarray(skip))
      offset += piece.length
      onProgress?.(offset, total)
    }
    if (offset !== total) throw damaged(source, `${offset} bytes, expected ${total}`)
    const sha256 = hash.digest('hex')
    if (expected !== undefined && sha256 !== expected) {
      throw damaged(source, `SHA-256 ${sha256}, expected ${expected}`)
    }
    return { ...(await writer.complete()), sha256 }
  } catch (error) {
    // What a later call can go on with stays.
    const kind = error instanceof StoreFault ? error.kind : null
    if (kind === 'unavailable' || kind === 'aborted') await writer.suspend()
    else await writer.abort()
    throw error
  }
}

async function newestPending(
  { store, name }: CopyPlace,
  signal: AbortSignal | undefined,
): Promise<PendingWrite | null> {
  let newest: PendingWrite | null = null
  for await (const pending of store.pending(name, signal)) {
    if (pending.name !== name) continue
    if (newest === null || pending.startedMs > newest.startedMs) newest = pending
  }
  return newest
}

function damaged({ store, name }: CopyPlace, message: string): StoreFault {
  return new StoreFault('damaged', `${store.url}: ${name}: ${message}`)
}
