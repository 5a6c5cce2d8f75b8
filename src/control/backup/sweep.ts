// What is left of operations that died, and its removal: parts and uploads that no manifest names,
// claims and locks without a heartbeat, records beside a manifest that is gone.
//
// Invariants, by which a sweep beside a running backup removes nothing of it:
// - What is looked at is listed first, then claims, then manifests: a part that is in use was
//   written under a claim, which goes only when the manifest is there.
// - What was changed less than ten minutes ago stays, and so does all that a live claim names.
// - Parts of a manifest that cannot be read are not known. While there is one, no part is removed.

import { type ObjectStore, type PendingWrite, StoreFault } from '../store/object-store.ts'
import { type BackupEntry, deleteBeside, listBackups } from './catalog.ts'
import { isStale, readHolder, STALE_MS } from './lease.ts'

export interface SweepRequest {
  readonly store: ObjectStore
  /** Says what it would remove, and removes nothing. */
  readonly isDryRun: boolean
  readonly nowMs?: number
  readonly signal?: AbortSignal
  readonly onRemoved?: (item: SweptItem) => void
}

export interface SweptItem {
  readonly kind: 'part' | 'upload' | 'claim' | 'lock' | 'record'
  readonly object: string
  /** Of a part; else 0. */
  readonly bytes: number
}

export interface SweepResult {
  readonly items: readonly SweptItem[]
  /** Why something stays that may be an orphan, in sentences. */
  readonly notes: readonly string[]
}

const DATA = 'data/'

/** Finds and removes what is left behind. Throws StoreFault. */
export async function sweep(request: SweepRequest): Promise<SweepResult> {
  const { store, signal, nowMs = Date.now() } = request
  const parts = await oldParts(request, nowMs)
  const uploads = await oldUploads(request, nowMs)
  const locks = await staleLocks(request, nowMs)
  const beside = await besideNames(store, signal)
  const entries = await listBackups(store, signal)
  const live = liveIds(entries, nowMs)
  const damaged = entries.filter((entry) => entry.state === 'damaged')
  const run = new Run(request)
  for (const each of uploads) {
    if (!live.has(idOf(each.name))) await run.removeUpload(each)
  }
  const notes = damaged.map(
    ({ problem }) => `parts that no manifest names stay, since one cannot be read: ${problem}`,
  )
  for (const { name, bytes } of damaged.length > 0 ? [] : parts) {
    if (!live.has(idOf(name))) await run.remove({ kind: 'part', object: name, bytes })
  }
  const known = new Set(entries.map((entry) => entry.name))
  for (const name of beside) if (!known.has(name)) await run.removeBeside(name)
  for (const { name, claim } of entries) {
    if (claim === null || !isStale(claim, nowMs)) continue
    await run.removeLease('claim', `claims/${name}.json`, nowMs)
  }
  for (const object of locks) await run.removeLease('lock', object, nowMs)
  return { items: run.items, notes }
}

class Run {
  readonly items: SweptItem[] = []
  readonly #request: SweepRequest

  constructor(request: SweepRequest) {
    this.#request = request
  }

  async remove(item: SweptItem): Promise<void> {
    const { store, isDryRun, signal } = this.#request
    if (!isDryRun) await store.delete(item.object, signal)
    this.#note(item)
  }

  async removeUpload(pending: PendingWrite): Promise<void> {
    const { store, isDryRun, signal } = this.#request
    if (!isDryRun) await store.discard(pending, signal)
    this.#note({ kind: 'upload', object: pending.name, bytes: 0 })
  }

  async removeBeside(name: string): Promise<void> {
    const { store, isDryRun, signal } = this.#request
    if (!isDryRun) await deleteBeside(store, name, signal)
    this.#note({ kind: 'record', object: `backups/${name}/`, bytes: 0 })
  }

  /** Looks again before: somebody may have taken it over. */
  async removeLease(kind: 'claim' | 'lock', object: string, nowMs: number): Promise<void> {
    const holder = await readHolder(this.#request.store, object)
    if (holder !== null && isStale(holder, nowMs)) await this.remove({ kind, object, bytes: 0 })
  }

  #note(item: SweptItem): void {
    this.items.push(item)
    this.#request.onRemoved?.(item)
  }
}

/** IDs of backups that exist or are under way. */
function liveIds(entries: readonly BackupEntry[], nowMs: number): Set<string> {
  const ids = new Set<string>()
  for (const { manifest, claim } of entries) {
    if (manifest !== null) ids.add(manifest.id)
    // A part's name is what counts: a copy may keep the ID of its original.
    for (const { part } of manifest?.shards ?? []) ids.add(idOf(part.object))
    if (claim !== null && !isStale(claim, nowMs)) ids.add(claim.id)
  }
  return ids
}

/** Of an object `data/ID/…`. */
function idOf(object: string): string {
  return object.split('/')[1] ?? ''
}

async function oldParts({ store, signal }: SweepRequest, nowMs: number) {
  const parts: { readonly name: string; readonly bytes: number }[] = []
  for await (const { name, bytes, modifiedMs } of store.list(DATA, signal)) {
    if (nowMs - modifiedMs > STALE_MS) parts.push({ name, bytes })
  }
  return parts
}

async function oldUploads({ store, signal }: SweepRequest, nowMs: number) {
  const uploads: PendingWrite[] = []
  for await (const pending of store.pending('', signal)) {
    if (nowMs - pending.startedMs > STALE_MS) uploads.push(pending)
  }
  return uploads
}

async function staleLocks({ store, signal }: SweepRequest, nowMs: number): Promise<string[]> {
  const locks: string[] = []
  for await (const { name } of store.list('locks/', signal)) {
    try {
      const holder = await readHolder(store, name)
      if (holder !== null && isStale(holder, nowMs)) locks.push(name)
    } catch (error) {
      if (!(error instanceof StoreFault) || error.kind !== 'damaged') throw error
    }
  }
  return locks
}

/** Names under `backups/`, with a manifest or without. */
async function besideNames(store: ObjectStore, signal?: AbortSignal): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { name } of store.list('backups/', signal)) {
    const backup = name.split('/')[1]
    if (backup !== undefined) names.add(backup)
  }
  return names
}
