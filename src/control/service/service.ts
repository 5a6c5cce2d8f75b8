// The backup service: what `tidemark backup run` does all day.
//
//   pass:  list the store ─► take what is due ─► verify it ─► drill an old one ─► expire ─► sweep
//
// There is no state but the store's: each pass begins with a listing, so a service that was killed
// anywhere goes on as if it had never run, and two services disturb each other as little as two
// people at the command line do: names and clusters are claimed in the store. What a killed one
// left under way is waited for ten minutes and then swept.
//
// The freshness alarm has a timer of its own and looks at what the last listing said, so that a
// pass that hangs raises it too.

import { setTimeout as sleep } from 'node:timers/promises'
import type { AgeIdentity } from '../backup/age-keys.ts'
import { type BackupEntry, deleteBackup, listBackups } from '../backup/catalog.ts'
import { sweep } from '../backup/sweep.ts'
import { takeBackup } from '../backup/take.ts'
import { verifyBackup } from '../backup/verify.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { ClusterState } from './cluster-state.ts'
import type { ServiceConfig } from './read-config.ts'
import { planRetention } from './rules.ts'
import { automaticName } from './schedule.ts'

export type ServiceLog = (level: 'info' | 'warning' | 'alarm', text: string) => void

export interface ServiceOptions {
  readonly config: ServiceConfig
  readonly store: ObjectStore
  readonly identities: readonly AgeIdentity[]
  /** Whether expired backups are removed; else the log says which would be. */
  readonly mayExpire: boolean
  readonly toolVersion: string
  readonly log: ServiceLog
  /** For tests. */
  readonly now?: () => number
}

/** Between two passes, at most: what others did to the store is seen by then. */
const PASS_MS_MAX = 300_000
const PASS_MS_MIN = 1000
/** A store that does not answer is asked again after that. */
const STORE_RETRY_MS = 30_000
const SWEEP_MS = 3_600_000
const ALARM_MS = 30_000
const ALARM_AGAIN_MS = 3_600_000
/** A verification that could not be made is not tried again before that. */
const DRILL_RETRY_MS = 3_600_000
const HOUR_MS = 3_600_000

export class BackupService {
  readonly clusters: readonly ClusterState[]
  readonly startedMs: number
  /** When the last listing was made; 0: never. */
  listedMs = 0
  /** What the store said last: '' when it answered. */
  storeProblem = ''
  entries: readonly BackupEntry[] = []
  swept = 0
  readonly #options: ServiceOptions
  readonly #now: () => number
  readonly #drillRetry = new Map<string, number>()
  readonly #announced = new Set<string>()
  readonly #alarmed = new Map<string, number>()
  #sweptMs = 0

  constructor(options: ServiceOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.startedMs = this.#now()
    this.clusters = options.config.clusters.map((config) => new ClusterState(config))
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const timer = setInterval(() => this.checkFreshness(), ALARM_MS)
    try {
      while (!signal.aborted) {
        await this.pass(signal)
        this.checkFreshness()
        await sleep(this.#restMs(), undefined, { signal }).catch(() => {})
      }
    } finally {
      clearInterval(timer)
    }
  }

  /** Does what is due; returns whether all of it could be done. */
  async pass(signal: AbortSignal): Promise<boolean> {
    let isDone = await this.#list(signal)
    if (!isDone) return false
    for (const cluster of this.clusters) {
      if (signal.aborted) return false
      if (cluster.isDue(this.#now()) && !(await this.#take(cluster, signal))) isDone = false
    }
    if (signal.aborted) return false
    if (!(await this.#drill(signal))) isDone = false
    if (!(await this.#guard('retention', () => this.#expire(signal)))) isDone = false
    if (!(await this.#guard('sweep', () => this.#sweep(signal)))) isDone = false
    return isDone && !signal.aborted
  }

  /** Raises the alarm for clusters whose newest verified backup is too old, and takes it back. */
  checkFreshness(): void {
    const nowMs = this.#now()
    if (this.listedMs === 0) return
    for (const cluster of this.clusters) {
      const { name, freshMs } = cluster.config
      const since = this.#alarmed.get(name)
      if (cluster.isFresh(nowMs)) {
        if (since !== undefined) this.#options.log('info', `${name}: a fresh backup again`)
        this.#alarmed.delete(name)
        continue
      }
      if (since !== undefined && nowMs - since < ALARM_AGAIN_MS) continue
      this.#alarmed.set(name, nowMs)
      const { verifiedMs } = cluster
      const last = verifiedMs === null ? 'there is none' : `the newest is of ${isoTime(verifiedMs)}`
      const text = `${name}: no verified backup of the last ${freshMs / HOUR_MS} h: ${last}`
      this.#options.log('alarm', text)
    }
  }

  /** Looks at the store; whether it answers is known by that. */
  async #list(signal: AbortSignal): Promise<boolean> {
    try {
      this.entries = await listBackups(this.#options.store, signal)
    } catch (error) {
      if (signal.aborted) return false
      this.storeProblem = messageOf(error)
      this.#options.log('warning', this.storeProblem)
      return false
    }
    this.storeProblem = ''
    this.listedMs = this.#now()
    for (const cluster of this.clusters) cluster.refresh(this.entries)
    return true
  }

  async #take(cluster: ClusterState, signal: AbortSignal): Promise<boolean> {
    const { config, store, log, toolVersion } = this.#options
    const { name: id, nodes, tls, preference, forkPolicy } = cluster.config
    const name = automaticName(id, this.#now())
    cluster.operation = `create ${name}`
    try {
      const manifest = await takeBackup({
        store,
        name,
        cluster: id,
        kind: 'automatic',
        source: { nodes, files: [], preference, connect: tls === null ? {} : { tls } },
        codec: { level: config.level, recipients: config.recipients },
        forkPolicy,
        toolVersion,
        signal,
        onNote: (text) => log('info', `${name}: ${text}`),
      })
      cluster.noteDone()
      const { keys, storedBytes } = manifest.totals
      log('info', `${name}: taken, ${keys} keys, ${storedBytes} bytes stored`)
    } catch (error) {
      if (signal.aborted) return false
      const waitMs = cluster.noteFailed(messageOf(error), this.#now())
      log('warning', `${name}: ${messageOf(error)}; again in ${waitMs / 1000} s`)
      return false
    } finally {
      cluster.operation = ''
    }
    const isGood = !config.verify.afterBackup || (await this.#verify(cluster, name, signal))
    return (await this.#list(signal)) && isGood
  }

  /** Verifies the backup whose last verification is the longest ago, if that is long enough. */
  async #drill(signal: AbortSignal): Promise<boolean> {
    const { everyMs } = this.#options.config.verify
    if (everyMs === 0) return true
    const nowMs = this.#now()
    let oldest: { readonly cluster: ClusterState; readonly name: string } | null = null
    let oldestMs = nowMs - everyMs
    for (const cluster of this.clusters) {
      for (const { name, state, manifest, verification } of cluster.entries) {
        if (state !== 'available' || (this.#drillRetry.get(name) ?? 0) > nowMs) continue
        const lastMs = Date.parse(verification?.at ?? manifest?.finishedAt ?? '')
        if (lastMs >= oldestMs) continue
        oldest = { cluster, name }
        oldestMs = lastMs
      }
    }
    if (oldest === null) return true
    const isGood = await this.#verify(oldest.cluster, oldest.name, signal)
    return (await this.#list(signal)) && isGood
  }

  async #verify(cluster: ClusterState, name: string, signal: AbortSignal): Promise<boolean> {
    const { config, store, identities, log } = this.#options
    const { level } = config.verify
    cluster.operation = `verify ${name}`
    try {
      const record = await verifyBackup({ store, name, level, identities, signal })
      cluster.noteVerdict(record.isGood ? 'good' : 'bad')
      const faults = record.faults.map(({ object, text }) => `${object}: ${text}`).join('; ')
      if (record.isGood) log('info', `${name}: verified, ${record.tookMs} ms`)
      else log('alarm', `${name}: DAMAGED: ${faults}`)
      return record.isGood
    } catch (error) {
      if (signal.aborted) return false
      cluster.noteVerdict('failed')
      this.#drillRetry.set(name, this.#now() + DRILL_RETRY_MS)
      log('warning', `${name}: it cannot be verified: ${messageOf(error)}`)
      return false
    } finally {
      cluster.operation = ''
    }
  }

  async #expire(signal: AbortSignal): Promise<void> {
    const { store, mayExpire, log } = this.#options
    const nowMs = this.#now()
    for (const cluster of this.clusters) {
      const { name, retention } = cluster.config
      const plan = planRetention(cluster.entries, { cluster: name, rule: retention, nowMs })
      for (const { entry, reason } of plan.filter(({ isExpired }) => isExpired)) {
        if (signal.aborted) return
        if (mayExpire) {
          await deleteBackup(store, entry.name, signal)
          cluster.counts.expired++
          cluster.entries = cluster.entries.filter((each) => each !== entry)
          log('info', `${entry.name}: removed: ${reason}`)
        } else if (!this.#announced.has(entry.name)) {
          this.#announced.add(entry.name)
          log('info', `${entry.name}: would be removed, were deleteExpired true: ${reason}`)
        }
      }
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const nowMs = this.#now()
    if (this.#sweptMs !== 0 && nowMs - this.#sweptMs < SWEEP_MS) return
    const { store, log } = this.#options
    const { items, notes } = await sweep({ store, isDryRun: false, signal })
    this.#sweptMs = nowMs
    this.swept += items.length
    for (const { kind, object } of items) log('info', `swept ${object}: ${kind} of nobody`)
    for (const note of notes) log('warning', note)
  }

  /** Runs it; what it throws is logged. */
  async #guard(what: string, action: () => Promise<void>): Promise<boolean> {
    try {
      await action()
      return true
    } catch (error) {
      this.#options.log('warning', `${what}: ${messageOf(error)}`)
      return false
    }
  }

  #restMs(): number {
    if (this.storeProblem !== '') return STORE_RETRY_MS
    const nowMs = this.#now()
    const due = this.clusters.map((cluster) => cluster.dueMs(nowMs)).filter((ms) => ms !== null)
    const untilDue = Math.min(...due.map((ms) => ms - nowMs), PASS_MS_MAX)
    return Math.max(PASS_MS_MIN, untilDue)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
