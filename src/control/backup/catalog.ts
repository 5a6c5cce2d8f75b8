// The backups of a store, from the store alone (docs/decisions/0017-backups.md): a backup is there
// when its manifest is; what is pinned and verified lies beside it; claims tell what is under way.
// Nothing is kept between two calls.
//
//   creating    a claim with a heartbeat, no manifest yet
//   available   a manifest that says what it should; verified at …, pinned
//   damaged     a manifest that cannot be read: named, and no obstacle to the others
//   failed      a claim without a heartbeat and without a manifest: `sweep` removes what is left
//
// Order of deletion: the manifest first, so that no backup is listed whose parts are gone; then the
// parts, then what lies beside. A kill in between leaves orphans, which `sweep` removes.

import { type ObjectStore, StoreFault } from '../store/object-store.ts'
import { isStale, type LeaseHolder, readHolder } from './lease.ts'
import type { BackupManifest } from './manifest.ts'
import { backupPrefix, checkBackupName, manifestObject, pinObject } from './names.ts'
import {
  CatalogFault,
  type Pin,
  parseManifest,
  parsePin,
  parseRecord,
  readManifest,
  type VerificationRecord,
} from './read-manifest.ts'

export type BackupState = 'creating' | 'available' | 'damaged' | 'failed'

export interface BackupEntry {
  readonly name: string
  readonly state: BackupState
  /** Of an available one. */
  readonly manifest: BackupManifest | null
  /** Null: it may expire and be deleted. */
  readonly pin: Pin | null
  /** The newest record of this backup; null: it was never verified. */
  readonly verification: VerificationRecord | null
  /** What is at work on it, or was. */
  readonly claim: LeaseHolder | null
  /** What is wrong with it, if it is damaged or failed, or with what lies beside it; else ''. */
  readonly problem: string
}

const CLAIMS = 'claims/'
const BACKUPS = 'backups/'
const MANIFEST = 'manifest.json'
const PIN = 'pin.json'
const READS_AT_ONCE = 16

/** What lies under `backups/NAME/`, by the names of the objects. */
interface Found {
  readonly name: string
  hasManifest: boolean
  hasPin: boolean
  /** In the order of their times. */
  readonly records: string[]
  claim: string | null
}

/** All backups, by name. Throws StoreFault; what is damaged is an entry. */
export async function listBackups(
  store: ObjectStore,
  signal?: AbortSignal,
): Promise<BackupEntry[]> {
  const found = new Map<string, Found>()
  // Claims first: one that is given back in between has left its manifest.
  for await (const { name } of store.list(CLAIMS, signal)) {
    const backup = /^claims\/([^/]+)\.json$/.exec(name)?.[1]
    if (backup !== undefined) entryOf(found, backup).claim = name
  }
  for await (const { name } of store.list(BACKUPS, signal)) {
    const [, backup, file] = /^backups\/([^/]+)\/([^/]+)$/.exec(name) ?? []
    if (backup === undefined || file === undefined) continue
    const entry = entryOf(found, backup)
    if (file === MANIFEST) entry.hasManifest = true
    else if (file === PIN) entry.hasPin = true
    else if (/^verified-.*\.json$/.test(file)) entry.records.push(name)
  }
  const names = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const entries: BackupEntry[] = []
  for (let i = 0; i < names.length; i += READS_AT_ONCE) {
    const some = names.slice(i, i + READS_AT_ONCE)
    const read = await Promise.all(some.map((each) => readEntry(store, each, signal)))
    entries.push(...read.filter((entry) => entry !== null))
  }
  return entries
}

/** One backup; null: there is none of that name, nor one under way. */
export async function findBackup(
  store: ObjectStore,
  name: string,
  signal?: AbortSignal,
): Promise<BackupEntry | null> {
  checkBackupName(name)
  const found = entryOf(new Map(), name)
  const claim = `${CLAIMS}${name}.json`
  if ((await readOptional(store, claim, signal)) !== null) found.claim = claim
  for await (const object of store.list(backupPrefix(name), signal)) {
    const file = object.name.slice(backupPrefix(name).length)
    if (file === MANIFEST) found.hasManifest = true
    else if (file === PIN) found.hasPin = true
    else if (/^verified-.*\.json$/.test(file)) found.records.push(object.name)
  }
  return await readEntry(store, found, signal)
}

/** Protects a backup from retention and deletion; it must exist. Again: the reason is replaced. */
export async function pinBackup(store: ObjectStore, name: string, reason: string): Promise<void> {
  await readManifest(store, name)
  const pin: Pin = { since: new Date().toISOString(), reason }
  await store.put(pinObject(name), Buffer.from(`${JSON.stringify(pin, null, 2)}\n`))
}

/** Lets it go; one that is not pinned is no fault. */
export async function unpinBackup(store: ObjectStore, name: string): Promise<void> {
  checkBackupName(name)
  await store.delete(pinObject(name))
}

/** What keeps a backup from being deleted. */
export class DeletionRefused extends Error {
  override readonly name = 'DeletionRefused'
}

/**
 * Removes a backup, the manifest first. Throws DeletionRefused when it is pinned or something is at
 * work on it, StoreFault `missing` when there is none. Parts of one whose manifest is damaged are
 * left to `sweep`.
 */
export async function deleteBackup(
  store: ObjectStore,
  name: string,
  signal?: AbortSignal,
): Promise<BackupEntry> {
  const entry = await findBackup(store, name, signal)
  if (entry === null || (entry.manifest === null && entry.state !== 'damaged')) {
    const more = entry === null ? '' : `: it is ${entry.state}`
    throw new StoreFault('missing', `${store.url}: there is no backup ${name}${more}`)
  }
  const { pin, claim, manifest } = entry
  if (pin !== null) {
    const why = pin.reason === '' ? '' : ` (${pin.reason})`
    throw new DeletionRefused(`backup ${name} is pinned since ${pin.since}${why}: unpin it first`)
  }
  if (claim !== null && !isStale(claim)) {
    const text = `backup ${name}: ${claim.operation} is under way, by ${claim.who}`
    throw new DeletionRefused(text)
  }
  await store.delete(manifestObject(name), signal)
  for (const { part } of manifest?.shards ?? []) await store.delete(part.object, signal)
  await deleteBeside(store, name, signal)
  return entry
}

/** What lies beside a manifest that is gone. */
export async function deleteBeside(
  store: ObjectStore,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const beside: string[] = []
  for await (const object of store.list(backupPrefix(name), signal)) {
    if (object.name !== manifestObject(name)) beside.push(object.name)
  }
  for (const object of beside) await store.delete(object, signal)
}

function entryOf(found: Map<string, Found>, name: string): Found {
  const known = found.get(name)
  if (known !== undefined) return known
  const entry = { name, hasManifest: false, hasPin: false, records: [], claim: null }
  found.set(name, entry)
  return entry
}

/** The entry that the objects make; null: there is no manifest and no claim any more. */
async function readEntry(
  store: ObjectStore,
  found: Found,
  signal?: AbortSignal,
): Promise<BackupEntry | null> {
  const { name } = found
  const claim = found.claim === null ? null : await readHolder(store, found.claim)
  const [manifest, problem] = found.hasManifest
    ? await readChecked(store, name, signal)
    : [null, '']
  const common = { name, claim, pin: null, verification: null, manifest: null }
  if (manifest === null && problem === '') {
    if (claim === null) return null
    const isFailed = isStale(claim)
    const text = isFailed ? `${claim.operation} ended at ${claim.heartbeat} without a backup` : ''
    return { ...common, state: isFailed ? 'failed' : 'creating', problem: text }
  }
  const pinned = found.hasPin ? await readOptional(store, pinObject(name), signal) : null
  const pin = pinned === null ? null : parsePin(pinned)
  if (manifest === null) return { ...common, state: 'damaged', pin, problem }
  const newest = await newestRecord(store, { found, id: manifest.id }, signal)
  return { ...common, state: 'available', manifest, pin, ...newest }
}

/** The manifest, or what is wrong with it; neither: it has gone meanwhile. */
async function readChecked(
  store: ObjectStore,
  name: string,
  signal?: AbortSignal,
): Promise<[BackupManifest | null, string]> {
  const object = manifestObject(name)
  const bytes = await readOptional(store, object, signal)
  if (bytes === null) return [null, '']
  try {
    return [parseManifest(object, name, bytes), '']
  } catch (error) {
    if (error instanceof CatalogFault) return [null, error.message]
    throw error
  }
}

/** The newest record that can be read and is of this backup, not of an earlier one of the name. */
async function newestRecord(
  store: ObjectStore,
  { found, id }: { readonly found: Found; readonly id: string },
  signal?: AbortSignal,
): Promise<{ readonly verification: VerificationRecord | null; readonly problem: string }> {
  let problem = ''
  for (const object of found.records.toReversed()) {
    const bytes = await readOptional(store, object, signal)
    if (bytes === null) continue
    try {
      const record = parseRecord(object, bytes)
      if (record.id === id) return { verification: record, problem }
    } catch (error) {
      if (!(error instanceof CatalogFault)) throw error
      if (problem === '') problem = error.message
    }
  }
  return { verification: null, problem }
}

/** The object's bytes; null: it is not there. A damaged one is empty, which no JSON is. */
async function readOptional(
  store: ObjectStore,
  object: string,
  signal?: AbortSignal,
): Promise<Uint8Array | null> {
  try {
    return await store.get(object, signal)
  } catch (error) {
    if (!(error instanceof StoreFault)) throw error
    if (error.kind === 'missing') return null
    if (error.kind === 'damaged') return new Uint8Array(0)
    throw error
  }
}
