// tidemark backup list and show: what a store has, for people or as JSON. A damaged manifest is a
// line of the list and a sentence on the standard error.

import { type BackupEntry, findBackup, listBackups } from '../control/backup/catalog.ts'
import type { BackupManifest, ShardManifest } from '../control/backup/manifest.ts'
import {
  type CostRule,
  FREE_PER_CLUSTER_DEFAULT,
  PRICE_DEFAULT,
  storageCost,
} from '../control/service/rules.ts'
import { type ObjectStore, StoreFault } from '../control/store/object-store.ts'
import { parseArguments } from './arguments.ts'
import { json, nameFrom, noName, number, STORE_OPTIONS, withStore } from './backup-options.ts'
import { type CliContext, ExitCode } from './subcommand.ts'
import { byteText, tableText } from './text.ts'

const PRICE_MAX = 1000
const LEFT_COLUMNS = 6

export async function listAction(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    cluster: { type: 'string' },
    price: { type: 'string', default: `${PRICE_DEFAULT}` },
  })
  noName(positionals)
  const rule = {
    pricePerGbMonth: number(values.price, '--price', 0, PRICE_MAX),
    freePerCluster: FREE_PER_CLUSTER_DEFAULT,
  }
  return await withStore(values, context, async (store) => {
    const all = await listBackups(store, context.signal)
    const entries = all.filter(
      ({ manifest }) => values.cluster === undefined || manifest?.cluster === values.cluster,
    )
    const cost = storageCost(entries, rule)
    if (values.json) context.out(json({ backups: entries.map(summary), cost }))
    else context.out(listText(entries, rule))
    for (const { problem } of entries) if (problem !== '') context.err(`${problem}\n`)
    return ExitCode.Ok
  })
}

export async function showAction(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, STORE_OPTIONS)
  const name = nameFrom(positionals)
  return await withStore(values, context, async (store) => {
    const entry = await needBackup(store, name, context)
    context.out(values.json ? json(entry) : showText(entry))
    if (entry.problem !== '') context.err(`${entry.problem}\n`)
    return entry.state === 'damaged' ? ExitCode.Damaged : ExitCode.Ok
  })
}

/** The entry; throws `missing`. */
export async function needBackup(
  store: ObjectStore,
  name: string,
  { signal }: CliContext,
): Promise<BackupEntry> {
  const entry = await findBackup(store, name, signal)
  if (entry !== null) return entry
  throw new StoreFault('missing', `${store.url}: there is no backup ${name}`)
}

/** What a listing has of each backup. */
function summary({ name, state, manifest, pin, verification, problem }: BackupEntry) {
  return {
    name,
    state,
    cluster: manifest?.cluster ?? null,
    kind: manifest?.kind ?? null,
    takenAt: manifest?.takenAt ?? null,
    shards: manifest?.shards.length ?? null,
    totals: manifest?.totals ?? null,
    labels: manifest?.labels ?? {},
    isPinned: pin !== null,
    verifiedAt: verification?.at ?? null,
    isGood: verification?.isGood ?? null,
    problem,
  }
}

function listText(entries: readonly BackupEntry[], rule: CostRule): string {
  if (entries.length === 0) return 'No backups.\n'
  const head = ['NAME', 'STATE', 'CLUSTER', 'KIND', 'TAKEN', 'VERIFIED', 'KEYS', 'STORED']
  const rows = entries.map((entry) => {
    const { name, state, manifest, pin } = entry
    const shown = pin === null ? state : `${state}, pinned`
    if (manifest === null) return [name, shown]
    const { cluster, kind, takenAt, totals } = manifest
    const taken = timeText(takenAt)
    const stored = byteText(totals.storedBytes)
    return [name, shown, cluster, kind, taken, verifiedText(entry), `${totals.keys}`, stored]
  })
  const { storedBytes, billedBytes, perMonth } = storageCost(entries, rule)
  const amount = `${byteText(storedBytes)} stored, ${byteText(billedBytes)} of it to be paid for`
  return `${tableText([head, ...rows], LEFT_COLUMNS)}${amount}: $${perMonth.toFixed(2)} a month\n`
}

function showText(entry: BackupEntry): string {
  const { name, state, manifest, pin, verification, claim } = entry
  const rows: string[][] = [
    ['name', name],
    ['state', state],
  ]
  if (manifest !== null) rows.push(...manifestRows(manifest))
  rows.push(['verified', verifiedText(entry)])
  if (verification !== null) {
    const { level, engine } = verification
    rows.push(['verified by', engine === '' ? level : `${level}, ${engine}`])
    for (const { object, text } of verification.faults) rows.push(['fault', `${object}: ${text}`])
  }
  if (pin !== null) rows.push(['pinned', `since ${pin.since} ${pin.reason}`])
  if (claim !== null) rows.push(['under way', `${claim.operation} by ${claim.who}`])
  for (const shard of manifest?.shards ?? []) rows.push(...shardRows(shard))
  return tableText(rows, 2)
}

function manifestRows(manifest: BackupManifest): string[][] {
  const { cluster, kind, takenAt, totals, compression, encryption, labels, tool } = manifest
  const seconds = (Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt)) / 1000
  const packed = compression === null ? 'none' : `${compression.format} ${compression.level}`
  const recipients = encryption?.recipients ?? []
  return [
    ['cluster', cluster],
    ['kind', kind],
    ['data of', takenAt],
    ['took', `${seconds.toFixed(1)} s`],
    ['keys', `${totals.keys}`],
    ['RDB', byteText(totals.rdbBytes)],
    ['stored', byteText(totals.storedBytes)],
    ['compression', packed],
    ['encrypted for', recipients.length === 0 ? 'nobody' : recipients.join(' ')],
    ['made by', `${tool.name} ${tool.version}`],
    ...Object.entries(labels).map(([key, value]) => [`label ${key}`, value]),
  ]
}

function shardRows({ shard, slots, source, part, rdb }: ShardManifest): string[][] {
  const { address, role, engine, engineVersion, method, writeDelayMs } = source
  const delay = writeDelayMs === null ? '' : `, writes delayed by ${writeDelayMs} ms`
  const by = method === '' ? '' : `, ${method}${delay}`
  const range = slots.length === 0 ? '' : ` (slots ${slots.join(' ')})`
  const counts = rdb.databases.map(({ database, keys, expiring, types }) => {
    const kinds = Object.entries(types).map(([type, count]) => `${type} ${count}`)
    return [`  database ${database}`, `${keys} keys, ${expiring} expiring: ${kinds.join(', ')}`]
  })
  return [
    [`shard ${shard}`, `${address}, ${role}, ${engine} ${engineVersion}${by}${range}`],
    ['  object', `${part.object}, ${part.bytes} bytes`],
    ['  sha256', part.sha256],
    ['  digest', rdb.digest],
    ...counts,
  ]
}

function verifiedText({ verification }: BackupEntry): string {
  if (verification === null) return 'never'
  return verification.isGood ? timeText(verification.at) : `DAMAGED ${timeText(verification.at)}`
}

/** To the second: `2026-11-20 03:00:12Z`. */
function timeText(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z')
}
