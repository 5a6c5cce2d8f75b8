// What the service knows of one cluster: from the last listing of the store, and of its own work
// since it began. Counters begin at 0 with the process, as Prometheus expects; all else comes from
// the catalog and survives a restart.

import type { BackupEntry } from '../backup/catalog.ts'
import type { BackupKind, BackupManifest } from '../backup/manifest.ts'
import type { ClusterConfig } from './read-config.ts'
import { isDue, nextDue } from './schedule.ts'

/** After a failure: the first wait, which doubles, and the longest. */
const RETRY_MS_MIN = 60_000
const RETRY_MS_MAX = 1_800_000

export type Verdict = 'good' | 'bad' | 'failed'

export class ClusterState {
  readonly config: ClusterConfig
  readonly counts = { done: 0, failed: 0, good: 0, bad: 0, unverified: 0, expired: 0 }
  /** What runs now: '' when nothing does. */
  operation = ''
  /** Of the last attempt, if that failed. */
  problem = ''
  entries: readonly BackupEntry[] = []
  #failures = 0
  #retryMs = 0

  constructor(config: ClusterConfig) {
    this.config = config
  }

  /** Its part of a listing. */
  refresh(all: readonly BackupEntry[]): void {
    this.entries = all.filter(({ manifest }) => manifest?.cluster === this.config.name)
  }

  /** Whether an automatic backup is to be begun. */
  isDue(nowMs: number): boolean {
    if (this.config.retention.retentionDays === 0 || nowMs < this.#retryMs) return false
    return isDue(this.config.window, this.#newestAutomaticMs, nowMs)
  }

  /** When it will be; null: never, automatic backups are off. */
  dueMs(nowMs: number): number | null {
    if (this.config.retention.retentionDays === 0) return null
    const due = nextDue(this.config.window, this.#newestAutomaticMs, nowMs)
    return Math.max(due, this.#retryMs)
  }

  noteDone(): void {
    this.counts.done++
    this.problem = ''
    this.#failures = 0
    this.#retryMs = 0
  }

  /** Notes the failure; returns how long it is until the next attempt. */
  noteFailed(problem: string, nowMs: number): number {
    this.counts.failed++
    this.problem = problem
    const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures)
    this.#failures++
    this.#retryMs = nowMs + waitMs
    return waitMs
  }

  noteVerdict(verdict: Verdict): void {
    if (verdict === 'failed') this.counts.unverified++
    else this.counts[verdict]++
  }

  /** The newest backup, of any kind. */
  get newest(): BackupManifest | null {
    return newestOf(this.entries)
  }

  /** The instant of the data of the newest backup that was found good; null: there is none. */
  get verifiedMs(): number | null {
    const good = newestOf(this.entries.filter((entry) => entry.verification?.isGood === true))
    return good === null ? null : Date.parse(good.takenAt)
  }

  /** Whether the newest verified backup is new enough. */
  isFresh(nowMs: number): boolean {
    const { verifiedMs } = this
    return verifiedMs !== null && nowMs - verifiedMs <= this.config.freshMs
  }

  countOf(kind: BackupKind): number {
    return this.entries.filter(({ manifest }) => manifest?.kind === kind).length
  }

  get storedBytes(): number {
    return this.entries.reduce((sum, { manifest }) => sum + (manifest?.totals.storedBytes ?? 0), 0)
  }

  get bad(): number {
    return this.entries.filter(({ verification }) => verification?.isGood === false).length
  }

  get #newestAutomaticMs(): number | null {
    const newest = newestOf(this.entries.filter(({ manifest }) => manifest?.kind === 'automatic'))
    return newest === null ? null : Date.parse(newest.startedAt)
  }
}

function newestOf(entries: readonly BackupEntry[]): BackupManifest | null {
  let newest: BackupManifest | null = null
  for (const { manifest } of entries) {
    if (manifest !== null && (newest === null || manifest.takenAt > newest.takenAt)) {
      newest = manifest
    }
  }
  return newest
}
