// tidemark backup delete, prune, pin and unpin: what changes what a store has. What removes
// something does so with --confirm only, and else says what it would do.

import {
  type BackupEntry,
  deleteBackup,
  listBackups,
  pinBackup,
  unpinBackup,
} from '../control/backup/catalog.ts'
import { sweep } from '../control/backup/sweep.ts'
import {
  KEEP_AT_LEAST_DEFAULT,
  planRetention,
  RETENTION_DAYS_MAX,
} from '../control/service/rules.ts'
import type { ObjectStore } from '../control/store/object-store.ts'
import { parseArguments } from './arguments.ts'
import { needBackup } from './backup-list.ts'
import { json, nameFrom, noName, STORE_OPTIONS, wholeNumber, withStore } from './backup-options.ts'
import { type CliContext, ExitCode } from './subcommand.ts'
import { byteText } from './text.ts'

const KEEP_MAX = 1000

export async function deleteAction(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    confirm: { type: 'boolean', default: false },
  })
  const name = nameFrom(positionals)
  return await withStore(values, context, async (store) => {
    const entry = values.confirm
      ? await deleteBackup(store, name, context.signal)
      : await needBackup(store, name, context)
    const bytes = entry.manifest?.totals.storedBytes ?? 0
    const done = values.confirm ? 'Removed' : 'Would remove (--confirm does it)'
    const pinned = entry.pin === null ? '' : '; it is pinned and must be unpinned first'
    if (values.json) context.out(json({ name, bytes, isDeleted: values.confirm }))
    else context.out(`${done}: backup ${name}, ${byteText(bytes)}${pinned}\n`)
    return ExitCode.Ok
  })
}

export async function pinAction(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    reason: { type: 'string', default: '' },
  })
  const name = nameFrom(positionals)
  return await withStore(values, context, async (store) => {
    await needBackup(store, name, context)
    await pinBackup(store, name, values.reason)
    context.out(values.json ? json({ name, isPinned: true }) : `Backup ${name} is pinned\n`)
    return ExitCode.Ok
  })
}

export async function unpinAction(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, STORE_OPTIONS)
  const name = nameFrom(positionals)
  return await withStore(values, context, async (store) => {
    await needBackup(store, name, context)
    await unpinBackup(store, name)
    context.out(values.json ? json({ name, isPinned: false }) : `Backup ${name} is not pinned\n`)
    return ExitCode.Ok
  })
}

interface PruneOptions {
  readonly cluster: string | undefined
  readonly retentionDays: number
  readonly keepAtLeast: number
  readonly isConfirmed: boolean
}

export async function pruneAction(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    cluster: { type: 'string' },
    retention: { type: 'string', default: '0' },
    keep: { type: 'string', default: `${KEEP_AT_LEAST_DEFAULT}` },
    confirm: { type: 'boolean', default: false },
  })
  noName(positionals)
  const options: PruneOptions = {
    cluster: values.cluster,
    retentionDays: wholeNumber(values.retention, '--retention', 0, RETENTION_DAYS_MAX),
    keepAtLeast: wholeNumber(values.keep, '--keep', 0, KEEP_MAX),
    isConfirmed: values.confirm,
  }
  return await withStore(values, context, async (store) => {
    const result = await prune(store, options, context)
    context.out(values.json ? json(result) : pruneText(result, options))
    return ExitCode.Ok
  })
}

interface PruneResult {
  readonly isConfirmed: boolean
  readonly expired: readonly { name: string; bytes: number; reason: string }[]
  readonly kept: readonly { name: string; reason: string }[]
  readonly leftovers: readonly { kind: string; object: string; bytes: number }[]
  readonly notes: readonly string[]
}

async function prune(
  store: ObjectStore,
  { cluster, retentionDays, keepAtLeast, isConfirmed }: PruneOptions,
  { clock, signal }: CliContext,
): Promise<PruneResult> {
  const entries = await listBackups(store, signal)
  const clusters = cluster === undefined ? clustersOf(entries) : [cluster]
  const rule = { retentionDays, keepAtLeast }
  const nowMs = clock.nowMs()
  const plan = clusters.flatMap((each) => planRetention(entries, { cluster: each, rule, nowMs }))
  const expired = plan.filter(({ isExpired }) => isExpired)
  if (isConfirmed) for (const { entry } of expired) await deleteBackup(store, entry.name, signal)
  const { items, notes } = await sweep({ store, isDryRun: !isConfirmed, signal })
  return {
    isConfirmed,
    expired: expired.map(({ entry, manifest, reason }) => ({
      name: entry.name,
      bytes: manifest.totals.storedBytes,
      reason,
    })),
    kept: plan
      .filter(({ isExpired }) => !isExpired)
      .map(({ entry, reason }) => ({ name: entry.name, reason })),
    leftovers: items,
    notes,
  }
}

function clustersOf(entries: readonly BackupEntry[]): string[] {
  const names = entries.flatMap(({ manifest }) => (manifest === null ? [] : [manifest.cluster]))
  return [...new Set(names)].sort()
}

function pruneText(result: PruneResult, { isConfirmed }: PruneOptions): string {
  const { expired, kept, leftovers, notes } = result
  const verb = isConfirmed ? 'Removed' : 'Would remove'
  const lines = [
    ...expired.map(({ name, bytes, reason }) => `${verb} ${name}: ${reason}, ${byteText(bytes)}`),
    ...leftovers.map(({ kind, object }) => `${verb} ${object}: ${kind} of nobody`),
    ...kept.map(({ name, reason }) => `Keeps ${name}: ${reason}`),
    ...notes,
  ]
  if (expired.length + leftovers.length === 0) lines.push('Nothing to remove')
  else if (!isConfirmed) lines.push('Nothing was removed; --confirm does it')
  return lines.map((line) => `${line}\n`).join('')
}
