// The rules of a backup service, as ElastiCache has them, each with its number as a parameter:
// names, how many manual backups a day, which automatic ones expire, what the storage costs. Pure:
// they look at a listing of the catalog and at a time, and change nothing.

import type { BackupEntry } from '../backup/catalog.ts'
import type { BackupManifest } from '../backup/manifest.ts'
import { NAME_MAX } from '../backup/names.ts'

export const DAY_MS = 86_400_000
/** A month of storage is priced as so many days. */
const MONTH_DAYS = 30
const GB = 1e9

export const MANUAL_PER_DAY_DEFAULT = 20
export const RETENTION_DAYS_MAX = 35
export const KEEP_AT_LEAST_DEFAULT = 1
/** US dollars per GB-month, and how many backups of a cluster cost nothing. */
export const PRICE_DEFAULT = 0.085
export const FREE_PER_CLUSTER_DEFAULT = 1

/** A rule is in the way of what was asked. */
export class RuleError extends Error {
  override readonly name = 'RuleError'
  readonly kind: 'name' | 'quota'

  constructor(kind: 'name' | 'quota', message: string) {
    super(message)
    this.kind = kind
  }
}

/**
 * Throws RuleError unless a new backup or cluster may be called so. Stricter than what is read:
 * a store may hold names that were given before the rule.
 */
export function checkNewName(name: string, what = 'name of a backup'): void {
  const fault =
    name.length === 0 || name.length > NAME_MAX
      ? `it has ${name.length} characters, 1 to ${NAME_MAX} are allowed`
      : !/^[A-Za-z]/.test(name)
        ? 'it must begin with a letter'
        : !/^[A-Za-z0-9-]*$/.test(name)
          ? 'only letters, digits and hyphens are allowed'
          : name.includes('--')
            ? 'two hyphens in a row are not allowed'
            : name.endsWith('-')
              ? 'it must not end with a hyphen'
              : null
  if (fault !== null) throw new RuleError('name', `${what} ${JSON.stringify(name)}: ${fault}`)
}

export interface QuotaQuestion {
  readonly cluster: string
  readonly limit: number
  readonly nowMs: number
}

/** Throws RuleError when the cluster has had its manual backups of the last 24 hours. */
export function checkManualQuota(
  entries: readonly BackupEntry[],
  { cluster, limit, nowMs }: QuotaQuestion,
): void {
  const times = manifestsOf(entries)
    .filter((each) => each.kind === 'manual' && each.cluster === cluster)
    .map((each) => Date.parse(each.startedAt))
    .filter((startedMs) => nowMs - startedMs < DAY_MS)
    .sort((a, b) => a - b)
  if (times.length < limit) return
  // When as many have left the day as make room for one.
  const free = times[times.length - limit]
  const when = free === undefined ? '' : `; the next may be taken at ${isoTime(free + DAY_MS)}`
  const text = `${times.length} manual backups of ${cluster} in the last 24 hours, ${limit} allowed`
  throw new RuleError('quota', `${text}${when}`)
}

export interface RetentionRule {
  /** Automatic backups older than that expire; 0: none does. */
  readonly retentionDays: number
  /** So many of the newest automatic ones of a cluster stay, however old they are. */
  readonly keepAtLeast: number
}

export interface RetentionQuestion {
  readonly cluster: string
  readonly rule: RetentionRule
  readonly nowMs: number
}

export interface RetentionDecision {
  readonly entry: BackupEntry
  readonly manifest: BackupManifest
  readonly isExpired: boolean
  /** For people. */
  readonly reason: string
}

/**
 * What is to happen with each automatic backup of a cluster, newest first. Manual and final ones
 * never expire. A backup that verification found bad does not count as one of those to keep.
 */
export function planRetention(
  entries: readonly BackupEntry[],
  { cluster, rule, nowMs }: RetentionQuestion,
): RetentionDecision[] {
  const own = entries
    .flatMap((entry) => (entry.manifest === null ? [] : [{ entry, manifest: entry.manifest }]))
    .filter(({ manifest }) => manifest.cluster === cluster && manifest.kind === 'automatic')
    .sort((a, b) => b.manifest.startedAt.localeCompare(a.manifest.startedAt))
  let kept = 0
  return own.map(({ entry, manifest }) => {
    const ageDays = (nowMs - Date.parse(manifest.startedAt)) / DAY_MS
    const isGood = entry.verification?.isGood !== false
    const isSpared = isGood && kept < rule.keepAtLeast
    if (isGood) kept++
    const age = `${ageDays.toFixed(1)} days old`
    const decide = (isExpired: boolean, why: string): RetentionDecision => ({
      entry,
      manifest,
      isExpired,
      reason: `${age}, ${why}`,
    })
    if (rule.retentionDays === 0) return decide(false, 'retention is off')
    if (ageDays <= rule.retentionDays) return decide(false, `kept ${rule.retentionDays} days`)
    if (entry.pin !== null) return decide(false, 'pinned')
    if (isSpared) return decide(false, `at least ${rule.keepAtLeast} stay`)
    return decide(true, `expired after ${rule.retentionDays} days`)
  })
}

export interface CostRule {
  readonly pricePerGbMonth: number
  readonly freePerCluster: number
}

export interface StorageCost {
  readonly storedBytes: number
  readonly billedBytes: number
  readonly perMonth: number
}

/** What all backups cost a month: of each cluster the largest ones are free. */
export function storageCost(entries: readonly BackupEntry[], rule: CostRule): StorageCost {
  const sizes = new Map<string, number[]>()
  for (const { cluster, totals } of manifestsOf(entries)) {
    sizes.set(cluster, [...(sizes.get(cluster) ?? []), totals.storedBytes])
  }
  let storedBytes = 0
  let billedBytes = 0
  for (const each of sizes.values()) {
    const billed = each.sort((a, b) => b - a).slice(rule.freePerCluster)
    storedBytes += sum(each)
    billedBytes += sum(billed)
  }
  return { storedBytes, billedBytes, perMonth: (billedBytes / GB) * rule.pricePerGbMonth }
}

/** What has been paid, about, for one backup since it was taken. */
export function costSoFar(manifest: BackupManifest, rule: CostRule, nowMs: number): number {
  const months = Math.max(0, nowMs - Date.parse(manifest.startedAt)) / (MONTH_DAYS * DAY_MS)
  return (manifest.totals.storedBytes / GB) * rule.pricePerGbMonth * months
}

function manifestsOf(entries: readonly BackupEntry[]): BackupManifest[] {
  return entries.map(({ manifest }) => manifest).filter((manifest) => manifest !== null)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0)
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
