// What the objects of backups are called in a store (docs/decisions/0017-backups.md), and which
// names backups and clusters may have.

import { randomBytes } from 'node:crypto'

export const NAME_MAX = 40
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?$/
const SHARD_DIGITS = 4
const ID_BYTES = 6

/** A backup or a cluster cannot be called that. */
export class NameError extends Error {
  override readonly name = 'NameError'
}

/** Throws NameError unless the name is 1 to 40 letters, digits and hyphens, these only inside. */
export function checkBackupName(name: string, what = 'name of a backup'): void {
  if (NAME.test(name)) return
  const rule = `1 to ${NAME_MAX} letters, digits and hyphens, which are neither first nor last`
  throw new NameError(`${what} ${JSON.stringify(name)}: ${rule}`)
}

/** The identity of one attempt: its time, for people, and randomness. */
export function newBackupId(nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
  return `${time}-${randomBytes(ID_BYTES).toString('hex')}`
}

export function manifestObject(name: string): string {
  return `backups/${name}/manifest.json`
}

/** What lies beside the manifest of a backup: its prefix, its pin, a record of its verification. */
export function backupPrefix(name: string): string {
  return `backups/${name}/`
}

export function pinObject(name: string): string {
  return `${backupPrefix(name)}pin.json`
}

/** Times as in an ID, to the millisecond, so that records of a backup sort by time. */
export function verifiedObject(name: string, nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/[-:.]/g, '')
  return `${backupPrefix(name)}verified-${time}.json`
}

export function claimObject(name: string): string {
  return `claims/${name}.json`
}

export function lockObject(cluster: string): string {
  return `locks/${cluster}.json`
}

/** `suffix`: how it is encoded, `.rdb.zst.age`. */
export function partObject(id: string, shard: number, suffix: string): string {
  return `data/${id}/shard-${String(shard).padStart(SHARD_DIGITS, '0')}${suffix}`
}
